"""The page of the thread: the line of anchors as a picture, and in a table beside it.

It runs on a reading thread; what it shows is on Bitcoin, so everybody sees the same.
"""

from anchor.journal import Attempt
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.transaction import OutPoint
from chains.pictures.states import legend
from chains.pictures.thread import Knot
from chains.pictures.thread import thread as drawn_thread
from chains.web.asgi import Answer
from chains.web.pages.anchors import page_of_attempts, thread_starts
from chains.web.pages.anchors_shown import anchor_shown
from chains.web.pages.page import page
from chains.web.pages.rendering import render
from chains.web.parameters import CURSOR
from chains.web.requests import Request
from chains.web.rooms import Room

PAGE_KNOTS = 20


def thread(room: Room, request: Request) -> Answer:
    """Return the thread, newest anchors first."""
    found = page_of_attempts(room, request, PAGE_KNOTS)
    starts, tip_height = thread_starts(room), room.tip_height()
    return render(
        *(room, request, "thread.html"),
        rows=[anchor_shown(attempt, tip_height) for attempt in found.shown],
        picture=drawn_thread([_knot(attempt, starts) for attempt in found.shown]) if found.shown else None,
        legend=legend(attempt.state for attempt in found.shown),
        starts=[str(start) for start in starts],
        is_first="cursor" not in request.arguments,
        cursor=found.cursor,
    )


def _knot(attempt: Attempt, starts: list[OutPoint]) -> Knot:
    block = attempt.standing.block
    return Knot(
        txid_hex=hash_hex(attempt.txid),
        spends_hex=hash_hex(attempt.spends.txid),
        size=attempt.checkpoint_size,
        state=attempt.state,
        height=None if block is None else block.height,
        begins=attempt.spends in starts,
    )


OPERATIONS = (page("threadPage", "/thread", "The line of anchors", thread, CURSOR),)
