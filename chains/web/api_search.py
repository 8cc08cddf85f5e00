"""The search: entries by external id, by hash, by their content and by time, of those chains that who asks may search.

It runs on a reading thread (``chains.web.rooms``); what he may not see is passed over, and nothing tells that it is
there: neither a count nor a shorter page nor a cursor.
"""

from collections.abc import Callable, Iterator
from itertools import takewhile

from anchor.proof.entry import ExternalId, IdKind
from chains.access import Action
from chains.chain import Run
from chains.commit_times import first_seq_from
from chains.reader import StoredEntry
from chains.sorted_runs import Kind
from chains.web.answers import json_of
from chains.web.asgi import JSON, Answer
from chains.web.limits import MOST_PASSED_OVER, MOST_SCANNED, PAGE_ITEMS
from chains.web.operations import Operation, Parameter, Shape
from chains.web.parameters import CURSOR, LIMIT
from chains.web.problems import ProblemError
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import Entries, EntryModel
from chains.web.shown import ChainSeen, entry_shown

_FILTERS = ("external_id", "external_id_digest", "entry_hash", "content_digest", "from_ms", "to_ms")
Filter = Callable[[StoredEntry], bool]


def search(room: Room, request: Request) -> Answer:
    """Return a page of what is found, oldest first."""
    return json_of(entries_found(room, request))


def entries_found(room: Room, request: Request) -> Entries:
    """Return the same, for the API and for pages."""
    room.require(request, Action.SEARCH)
    if not any(name in request.arguments for name in _FILTERS):
        raise ProblemError("parameter-malformed", f"expected at least one of {', '.join(_FILTERS)}")
    limit, after = request.number("limit", PAGE_ITEMS), request.number("cursor", 0)
    first, end = _seqs(room, request)
    wanted, visible = _wanted(request), _Visible(room, request)
    found: list[EntryModel] = []
    scanned = passed_over = 0
    for seq in _seqs_of(room, request, max(first - 1, after), end):
        seen = visible.chain_at(seq)
        if seen is None and wanted and passed_over < MOST_PASSED_OVER:
            passed_over += 1  # neither page nor cursor may tell that what he looks for stands there too
            continue
        if scanned == MOST_SCANNED:
            return Entries(entries=found, cursor=str(after))
        scanned += 1
        stored = room.reader.row(seq) if seen is not None else None
        if seen is not None and stored is not None and all(is_meant(stored) for is_meant in wanted):
            if len(found) == limit:
                return Entries(entries=found, cursor=str(after))
            found.append(entry_shown(seen, stored))
        after = seq
    return Entries(entries=found)


class _Visible:
    """Which chains who asks may search, asked once for each."""

    def __init__(self, room: Room, request: Request) -> None:
        self._room = room
        self._request = request
        # Whoever finds an entry by its content has learnt what its content is: the salt is there to prevent it.
        self._needs_content = "content_digest" in request.arguments
        self._chains: dict[int, ChainSeen | None] = {}
        self._run = Run(0, 0, 0, 0, b"", 0)

    def chain_at(self, seq: int) -> ChainSeen | None:
        """Return the chain of a row, or None where he may not search it; rows of one run are asked about once."""
        if not self._run.first_seq <= seq < self._run.first_seq + self._run.entry_count:
            self._run = next(self._room.home.chains.runs(seq, self._room.home.chains.next_seq()))
        chain_no = self._run.chain_no
        if chain_no not in self._chains:
            self._chains[chain_no] = self._looked_up(chain_no)
        return self._chains[chain_no]

    def _looked_up(self, chain_no: int) -> ChainSeen | None:
        chain = self._room.home.chains.by_no(chain_no)
        if chain is None or not self._room.may(self._request, Action.SEARCH, chain):
            return None
        seen = ChainSeen.of(self._room, self._request, chain)
        return seen if seen.contents.may_read or not self._needs_content else None


def _seqs(room: Room, request: Request) -> tuple[int, int]:
    """Return the range of rows that the times leave."""
    engine = room.home.engine
    first = first_seq_from(engine, request.number("from_ms", 0)) if "from_ms" in request.arguments else 1
    if "to_ms" not in request.arguments:
        return first, room.home.chains.next_seq()
    return first, first_seq_from(engine, request.number("to_ms", 0) + 1)


def _wanted(request: Request) -> list[Filter]:
    wanted: list[Filter] = []
    if "entry_hash" in request.arguments:
        entry_hash = request.digest("entry_hash")
        wanted.append(lambda stored: stored.entry_hash == entry_hash)
    digest = _id_digest(request)
    if digest is not None:
        wanted.append(lambda stored: any(item.digest() == digest for item in stored.entry.external_ids))
    if "content_digest" in request.arguments:
        content_digest = request.digest("content_digest")
        wanted.append(lambda stored: stored.keeps(content_digest))
    return wanted


def _seqs_of(room: Room, request: Request, after: int, end: int) -> Iterator[int]:
    """Return rows behind ``after`` and below ``end`` that may be meant, in order."""
    named = _looked_up_by(request)
    if named is None and "content_digest" in request.arguments:
        return room.home.contents.find(request.digest("content_digest"), after, end)
    if named is None:
        return iter(range(after + 1, end))
    return takewhile(end.__gt__, room.home.lookup.find(*named, after))


def _looked_up_by(request: Request) -> tuple[Kind, bytes] | None:
    if "entry_hash" in request.arguments:
        return Kind.ENTRY_HASH, request.digest("entry_hash")
    digest = _id_digest(request)
    return None if digest is None else (Kind.EXTERNAL_ID, digest)


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
        "Entries by external id, hash, content or time",
        GROUP,
        {200: Shape("A page, oldest first; follow `cursor` until there is none", {JSON: Entries})},
        parameters=(
            Parameter("external_id", "An external id in clear", "(?s:.{1,4000})"),
            Parameter("external_id_digest", "Its SHA-256, or a hashed id itself, in hex", "[0-9a-f]{64}"),
            Parameter("entry_hash", "An entry hash in hex", "[0-9a-f]{64}"),
            Parameter(
                "content_digest",
                "SHA-256 of the content in hex, of entries whose content may be read",
                "[0-9a-f]{64}",
            ),
            Parameter("from_ms", "Received at this time or later", least=0, most=_TIME),
            Parameter("to_ms", "Received at this time or earlier", least=0, most=_TIME),
            CURSOR,
            LIMIT,
        ),
        run=search,
    ),
)
