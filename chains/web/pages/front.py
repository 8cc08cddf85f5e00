"""The front page: what this service is, how it stands, and how to do without it.

It runs on a reading thread; everything on it is public, and the same for everybody.
"""

from anchor.proof.leaves import SealLeaf
from chains.pictures.states import legend
from chains.web.asgi import JSON, Answer
from chains.web.pages.anchors import timeline_of
from chains.web.pages.anchors_shown import PREPARED, anchor_shown
from chains.web.pages.page import download, page
from chains.web.pages.rendering import render
from chains.web.requests import Request
from chains.web.rooms import Room

SHOWN_ANCHORS = 6


def front(room: Room, request: Request) -> Answer:
    """Return the front page."""
    home = room.home
    newest = home.directory.newest()
    seal = None if newest is None else home.directory.leaf(newest.size - 1)
    assert seal is None or isinstance(seal, SealLeaf)
    tip_height = room.tip_height()
    sent = [attempt for attempt in home.journal.newest(SHOWN_ANCHORS) if attempt.state not in PREPARED]
    return render(
        *(room, request, "front.html"),
        newest=newest,
        seal=seal,
        picture=timeline_of(sent, request.now_ms),
        legend=legend(attempt.state for attempt in sent),
        anchors=[anchor_shown(attempt, tip_height) for attempt in sent],
        tip_height=tip_height,
        log_id=home.directory.log.log_id.hex(),
    )


def log_card(room: Room, _: Request) -> Answer:
    """Return the log's card as the file that verifiers take (docs/spec/log-card.md)."""
    return Answer(200, room.home.card().encode(), JSON)


OPERATIONS = (
    page("frontPage", "/", "What this is, and how it stands", front),
    download("logCardFile", "/log-card.json", "The log's card", log_card, "log-card.json"),
)
