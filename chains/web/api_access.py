"""The operation that shows an organisation who read, exported or was granted what of its content.

It reads the organisation's access chain and what waits to be on it (``chains.access_log``); to look is noted too.
"""

from collections.abc import Sequence
from itertools import islice, takewhile

from anchor.proof.access_record import What
from chains.access import Action
from chains.access_log import AccessLog, Logged, log_of
from chains.access_notes import Note
from chains.web.answers import NO_STORE, json_of
from chains.web.asgi import JSON, Answer
from chains.web.limits import MOST_SCANNED, PAGE_ITEMS
from chains.web.managing import REFUSALS
from chains.web.operations import Operation, Parameter, Shape
from chains.web.parameters import LIMIT
from chains.web.problems import not_found
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import AccessEvent, AccessEvents

CURSOR = Parameter("cursor", "`cursor` of the page before, or the number of an event", "[0-9]{1,18}(-[0-9]{1,18})?")


def list_access(room: Room, request: Request) -> Answer:
    """Return events of the organisation whose key asks."""
    return json_of(_accesses(room, request), NO_STORE)


def accesses_below(room: Room, request: Request, below: int, count: int) -> AccessEvents:
    """Return the newest events below a number, newest first, at most ``count``: for pages."""
    log = _log(room, request)
    end = min(below, log.end)
    found = [each for each in islice(log.events(max(0, end - count)), count) if each.noted.number < end]
    return _shown(log, found[::-1])


def _accesses(room: Room, request: Request) -> AccessEvents:
    log, limit = _log(room, request), request.number("limit", PAGE_ITEMS)
    start, end = _stretch(request.arguments.get("cursor"), log.end)
    found: list[Logged] = []
    cursor = None
    before_end = takewhile(lambda each: each.noted.number < end, log.events(start))
    for scanned, each in enumerate(before_end):
        if len(found) == limit or scanned == MOST_SCANNED:
            cursor = f"{each.noted.number}-{end}"
            break
        if _is_meant(each, request):
            found.append(each)
    return _shown(log, found, cursor)


def _stretch(cursor: str | None, now_end: int) -> tuple[int, int]:
    """Return the events that are asked for, from one on and below another, by number.

    To look is an event, too: the pages end at what was there when the first was asked for, or they never would.
    """
    start, _, end = (cursor or "0").partition("-")
    return int(start), min(int(end), now_end) if end else now_end


def _log(room: Room, request: Request) -> AccessLog:
    """Return the log of the organisation whose key asks, and have it noted that it was looked at."""
    room.require(request, Action.ACCESS_READ)
    owner = request.actor.organisation
    if owner is None:
        raise not_found()
    log = log_of(room.home, owner)
    chain = log.chain
    room.notes.append(Note(owner, request.asker.did(What.LOG, b"" if chain is None else chain.chain_id)))
    return log


def _shown(log: AccessLog, events: Sequence[Logged], cursor: str | None = None) -> AccessEvents:
    chain = log.chain
    return AccessEvents(
        events=[AccessEvent(**each.to_json()) for each in events],
        chain_id=None if chain is None else chain.chain_id.hex(),
        cursor=cursor,
    )


def _is_meant(each: Logged, request: Request) -> bool:
    about = request.arguments.get("about")
    return each.noted.at_ms >= request.number("since_ms", 0) and about in {None, each.noted.event.chain.hex()}


OPERATIONS = (
    Operation(
        "listAccess",
        "GET",
        "/v1/access",
        "Who read, exported or was granted what of one's content",
        "Access",
        {200: Shape("A page, in order; follow `cursor` until there is none", {JSON: AccessEvents})},
        REFUSALS,
        parameters=(
            Parameter("about", "Only what is about the chain of this id", "[0-9a-f]{64}"),
            Parameter("since_ms", "Only from this time on", least=0, most=2**53),
            CURSOR,
            LIMIT,
        ),
        run=list_access,
        needs_key=True,
        has_etag=False,
    ),
)
