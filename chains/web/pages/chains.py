"""Pages of chains: those that one may see, and one chain with its entries and heads.

They run on a reading thread, and show what the API's own reading functions return for who asks.
"""

from chains.access import Action
from chains.chain import Chain
from chains.growth import growth_of
from chains.pictures.growth import growth
from chains.web import api_chains
from chains.web.api_chains import chains_seen, entries_seen, newest_heads
from chains.web.asgi import Answer
from chains.web.operations import Parameter
from chains.web.pages.life_shown import holds_shown, life_shown
from chains.web.pages.page import download, page
from chains.web.pages.policy_shown import policy_shown
from chains.web.pages.rendering import render
from chains.web.parameters import CHAIN, CURSOR
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import EntryModel
from chains.web.shown import chain_shown

ROWS = 50
"""Rows of a table on one page."""
_HEADS = 10


def chains(room: Room, request: Request) -> Answer:
    """Return a page of the chains that who asks may see."""
    seen = chains_seen(room, request, ROWS)
    return render(
        room, request, "chains.html", chains=seen.chains, cursor=seen.cursor, is_first="cursor" not in request.arguments
    )


def chain(room: Room, request: Request) -> Answer:
    """Return one chain: what it is, its newest heads, and its entries from the newest down."""
    found, access = room.shared(request, Action.CHAIN_READ)
    shown = chain_shown(room, request, found, access)
    below = min(request.number("below", shown.size), shown.size)
    start = max(0, below - ROWS)
    may_see_heads = room.may(request, Action.HEAD_READ, found)
    return render(
        *(room, request, "chain.html"),
        chain=shown,
        policy=policy_shown(room, request, found),
        life=life_shown(room, request, found),
        holds=holds_shown(room, request, found),
        entries=_entries(room, request, found, start, below),
        below=below,
        start=start,
        rows=ROWS,
        heads=newest_heads(room, found, _HEADS) if may_see_heads else [],
        plot=_plot(room, found, request.now_ms) if may_see_heads else None,
    )


def _plot(room: Room, found: Chain, now_ms: int) -> str | None:
    """Return the picture of how a chain grew, or None while nothing of it is sealed."""
    heads = growth_of(room.home.directory, found.chain_no)
    return growth(heads, now_ms) if heads else None


def _entries(room: Room, request: Request, found: Chain, start: int, below: int) -> list[EntryModel]:
    """Return the entries from one leaf index to below another, the newest first."""
    if not room.may(request, Action.ENTRY_READ, found):
        return []
    return entries_seen(room, request, found, start, below - start)[::-1]


_BELOW = Parameter("below", "Entries below this place", least=1)
OPERATIONS = (
    page("chainsPage", "/chains", "The chains that you may see", chains, CURSOR),
    page("chainPage", "/chains/{chain}", "One chain", chain, CHAIN, _BELOW),
    download(
        *("chainCheckpointFile", "/chains/{chain}/checkpoint", "The chain's own checkpoint"),
        *(api_chains.chain_checkpoint, "checkpoint.txt", CHAIN),
    ),
)
