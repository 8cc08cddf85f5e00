"""The page that shows an owner who read and was given what of his organisation's content, the newest first.

It runs on a reading thread, and shows what the API's own reading function returns for who asks.
"""

from chains.web.api_access import accesses_below
from chains.web.asgi import Answer
from chains.web.operations import Parameter
from chains.web.pages.page import page
from chains.web.pages.rendering import render
from chains.web.requests import Request
from chains.web.rooms import Room

ROWS = 50
"""Rows of the table on one page."""


def accesses(room: Room, request: Request) -> Answer:
    """Return a page of accesses."""
    below = request.number("below", 2**53)
    seen = accesses_below(room, request, below, ROWS)
    start = min((event.number for event in seen.events), default=0)
    return render(
        *(room, request, "accesses.html"),
        events=seen.events,
        chain_id=seen.chain_id,
        start=start,
        is_first="below" not in request.arguments,
    )


OPERATIONS = (
    page(
        *("accessesPage", "/accesses", "Who read and was given what of one's content", accesses),
        Parameter("below", "Accesses below this number", least=1),
    ),
)
