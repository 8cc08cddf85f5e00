"""The search: entries by external id, by hash and by time, of those chains that who asks may search.

It runs on a reading thread (``chains.web.rooms``); what he may not see is passed over, and nothing tells that it is
there: neither a count nor a shorter page.
"""

from collections.abc import Callable, Iterator

from anchor.proof.entry import ExternalId, IdKind
from chains.access import Action
from chains.commit_times import first_seq_from
from chains.lookup import Kind
from chains.reader import StoredEntry
from chains.web.answers import json_of
from chains.web.asgi import JSON, Answer
from chains.web.limits import MOST_SCANNED, PAGE_ITEMS
from chains.web.operations import Operation, Parameter, Shape
from chains.web.parameters import CURSOR, LIMIT
from chains.web.problems import ProblemError
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import Entries, EntryModel
from chains.web.shown import ChainSeen, entry_shown

_FILTERS = ("external_id", "external_id_digest", "entry_hash", "from_ms", "to_ms")
Filter = Callable[[StoredEntry], bool]


def search(room: Room, request: Request) -> Answer:
    """Return a page of what is found, oldest first."""
    room.require(request, Action.SEARCH)
    if not any(name in request.arguments for name in _FILTERS):
        raise ProblemError("parameter-malformed", f"expected at least one of {', '.join(_FILTERS)}")
    limit, after = request.number("limit", PAGE_ITEMS), request.number("cursor", 0)
    first, end = _seqs(room, request)
    visible = _Visible(room, request)
    found: list[EntryModel] = []
    scanned = 0
    for seq, stored in _candidates(room, request, max(first - 1, after), end):
        if len(found) == limit or scanned == MOST_SCANNED:
            return json_of(Entries(entries=found, cursor=str(after)))
        after, scanned = seq, scanned + 1
        seen = visible.chain_of(stored) if stored is not None else None
        if seen is not None and stored is not None:
            found.append(entry_shown(room, seen, stored))
    return json_of(Entries(entries=found))


class _Visible:
    """Which chains who asks may search, asked once for each."""

    def __init__(self, room: Room, request: Request) -> None:
        self._room = room
        self._request = request
        self._chains: dict[int, ChainSeen | None] = {}

    def chain_of(self, stored: StoredEntry) -> ChainSeen | None:
        """Return the chain of an entry, or None where he may not search it."""
        if stored.chain_no not in self._chains:
            self._chains[stored.chain_no] = self._looked_up(stored.chain_no)
        return self._chains[stored.chain_no]

    def _looked_up(self, chain_no: int) -> ChainSeen | None:
        chain = self._room.home.chains.by_no(chain_no)
        if chain is None or not self._room.may(self._request, Action.SEARCH, chain):
            return None
        return ChainSeen.of(self._room, self._request, chain)


def _seqs(room: Room, request: Request) -> tuple[int, int]:
    """Return the range of rows that the times leave."""
    engine = room.home.engine
    first = first_seq_from(engine, request.number("from_ms", 0)) if "from_ms" in request.arguments else 1
    if "to_ms" not in request.arguments:
        return first, room.home.chains.next_seq()
    return first, first_seq_from(engine, request.number("to_ms", 0) + 1)


def _candidates(room: Room, request: Request, after: int, end: int) -> Iterator[tuple[int, StoredEntry | None]]:
    """Yield rows behind ``after`` and below ``end`` that may be meant, in order; None for one that is not."""
    wanted = _wanted(request)
    for seq in _seqs_of(room, request, after, end):
        if seq >= end:
            return
        stored = room.reader.row(seq)
        yield seq, stored if all(is_meant(stored) for is_meant in wanted) else None


def _wanted(request: Request) -> list[Filter]:
    wanted: list[Filter] = []
    if "entry_hash" in request.arguments:
        entry_hash = request.digest("entry_hash")
        wanted.append(lambda stored: stored.entry_hash == entry_hash)
    digest = _id_digest(request)
    if digest is not None:
        wanted.append(lambda stored: any(item.digest() == digest for item in stored.entry.external_ids))
    return wanted


def _seqs_of(room: Room, request: Request, after: int, end: int) -> Iterator[int]:
    if "entry_hash" in request.arguments:
        return room.home.lookup.find(Kind.ENTRY_HASH, request.digest("entry_hash"), after)
    digest = _id_digest(request)
    if digest is not None:
        return room.home.lookup.find(Kind.EXTERNAL_ID, digest, after)
    return iter(range(after + 1, end))


def _id_digest(request: Request) -> bytes | None:
    """Return what an external id is looked up by, or None where none is asked for."""
    clear = request.arguments.get("external_id")
    if clear is not None:
        return ExternalId(IdKind.CLEAR, clear.encode()).digest()
    return request.digest("external_id_digest") if "external_id_digest" in request.arguments else None


GROUP = "Search"
_TIME = 2**53
OPERATIONS = (
    Operation(
        "search",
        "GET",
        "/v1/search",
        "Entries by external id, hash or time",
        GROUP,
        {200: Shape("A page, oldest first; follow `cursor` until there is none", {JSON: Entries})},
        parameters=(
            Parameter("external_id", "An external id in clear", "(?s:.{1,4000})"),
            Parameter("external_id_digest", "Its SHA-256, or a hashed id itself, in hex", "[0-9a-f]{64}"),
            Parameter("entry_hash", "An entry hash in hex", "[0-9a-f]{64}"),
            Parameter("from_ms", "Received at this time or later", least=0, most=_TIME),
            Parameter("to_ms", "Received at this time or earlier", least=0, most=_TIME),
            CURSOR,
            LIMIT,
        ),
        run=search,
    ),
)
