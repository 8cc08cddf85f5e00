"""Pages about anchors: the list of all with a time line, and one with its transaction drawn and what became of it.

They run on a reading thread; what they show is on Bitcoin, so everybody sees the same. Why a node refused a transaction
is the operator's to know, and not shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anchor.journal import Attempt
from anchor.lifecycle import REFUSED, Event, Happened
from anchor.proof.bitcoin.hashes import hash_from_hex, hash_hex
from anchor.proof.bitcoin.payload import encode_payload, find_payload
from anchor.proof.bitcoin.transaction import OutPoint, Transaction
from anchor.proof.leaves import NO_PREVIOUS, ThreadLeaf
from chains.pictures.states import legend
from chains.pictures.timeline import Plotted, timeline
from chains.pictures.transaction import DrawnTransaction, SpentCoin, transaction, upright_transaction
from chains.public_explorer import transaction_link
from chains.web.asgi import TEXT, Answer
from chains.web.operations import In, Parameter
from chains.web.pages.anchors_shown import PREPARED, anchor_shown
from chains.web.pages.page import download, page
from chains.web.pages.rendering import render
from chains.web.parameters import CURSOR
from chains.web.problems import not_found
from chains.web.requests import Request
from chains.web.rooms import Room

PAGE_ANCHORS = 25
MOST_VERSIONS = 100
MOST_EVENTS = 100
_EVENTS = {
    Event.SUBMITTED: "Sent to Bitcoin",
    Event.IN_MEMPOOL: "Seen among the transactions that wait for a block",
    Event.IN_BLOCK: "Found in block",
    Event.DEEP: "Final: so deep that it counts as settled",
    Event.MISSED: "One look did not find it",
    Event.MISSING: "No longer found: to be sent again",
    Event.LEFT_BLOCK: "Its block left the best chain",
    Event.SUPERSEDED: "A newer version was sent",
    Event.RIVAL_CONFIRMED: "Another version is in a block",
    Event.PARENT_LOST: "Void: the anchor before it was replaced",
    Event.PARENT_BACK: "The anchor before it is back",
    Event.SETTLED: "Deeper than this service watches",
    Event.UNSETTLED: "Watched again: a reorganisation reached this deep",
}
"""What happens to an anchor, in words; why a node refuses one is not told."""


@dataclass(frozen=True, slots=True)
class EventShown:
    """Something that happened to an anchor, in words, and when it was noted."""

    at_ms: int
    words: str


def anchors(room: Room, request: Request) -> Answer:
    """Return the list of anchors, newest first, on a time line too."""
    found = page_of_attempts(room, request, PAGE_ANCHORS)
    is_first, tip_height = "cursor" not in request.arguments, room.tip_height()
    return render(
        *(room, request, "anchors.html"),
        rows=[anchor_shown(attempt, tip_height) for attempt in found.shown],
        picture=timeline_of(found.shown, request.now_ms if is_first else None),
        legend=legend(attempt.state for attempt in found.shown),
        is_first=is_first,
        cursor=found.cursor,
    )


def anchor(room: Room, request: Request) -> Answer:
    """Return the page of one anchor."""
    attempt = _attempt(room, request)
    journal, tip_height = room.home.journal, room.tip_height()
    versions = [each for each in journal.spending(attempt.spends, MOST_VERSIONS) if each.state not in PREPARED]
    made = attempt.transaction()
    shown = anchor_shown(attempt, tip_height)
    drawn = _drawn(room, attempt, made, versions, shown.confirmations)
    before = journal.of_txid(attempt.spends.txid)
    return render(
        *(room, request, "anchor.html"),
        anchor=shown,
        drawn=drawn,
        picture=transaction(drawn),
        upright=upright_transaction(drawn),
        rate=attempt.fee_sat / attempt.virtual_size,
        has_proof=journal.proof(attempt) is not None,
        versions=[anchor_shown(each, tip_height) for each in versions],
        before=None if before is None else anchor_shown(before, tip_height),
        following=[
            anchor_shown(each, tip_height)
            for each in journal.spending(attempt.coin, MOST_VERSIONS)
            if each.state not in PREPARED
        ],
        history=_history(journal.history(attempt, MOST_EVENTS)),
        public_address=transaction_link(room.home.settings, room.home.network, attempt.txid),
    )


def anchor_part(room: Room, request: Request) -> Answer:
    """Return the transaction, the payload or the block's header of an anchor, in hex."""
    attempt, part = _attempt(room, request), request.arguments["part"]
    data = _PARTS[part](room, attempt)
    if data is None:
        raise not_found()
    name = f'attachment; filename="{hash_hex(attempt.txid)}.{part}.hex"'
    return Answer(200, f"{data.hex()}\n".encode(), TEXT, ((b"content-disposition", name.encode()),))


@dataclass(frozen=True, slots=True)
class AttemptsPage:
    """Attempts that have left the house, newest first, and where the next page begins (None: there is none)."""

    shown: list[Attempt]
    cursor: int | None


def page_of_attempts(room: Room, request: Request, count: int) -> AttemptsPage:
    """Return the attempts of the page that the cursor names, the first where there is none."""
    found = room.home.journal.below(request.number("cursor", 1 << 62), count + 1)
    sent = [attempt for attempt in found[:count] if attempt.state not in PREPARED]
    return AttemptsPage(sent, found[count - 1].attempt_no if len(found) > count else None)


def thread_starts(room: Room) -> list[OutPoint]:
    """Return the coins with which threads of this log begin, in order: mostly one."""
    marks = room.home.directory.log_marks(NO_PREVIOUS >> 1)
    return [leaf.outpoint for _, leaf in marks if isinstance(leaf, ThreadLeaf)]


def timeline_of(attempts: Sequence[Attempt], until_ms: int | None) -> str | None:
    """Return attempts on a time line up to some time, or to the newest of them; None where there is none."""
    return timeline([_plotted(attempt) for attempt in attempts], until_ms) if attempts else None


def _plotted(attempt: Attempt) -> Plotted:
    block = attempt.standing.block
    return Plotted(attempt.made_at_ms, attempt.fee_sat, attempt.state, None if block is None else block.height)


def _attempt(room: Room, request: Request) -> Attempt:
    found = room.home.journal.of_txid(hash_from_hex(request.arguments["txid"]))
    if found is None or found.state in PREPARED:
        raise not_found()
    return found


def _drawn(
    room: Room, attempt: Attempt, made: Transaction, versions: list[Attempt], confirmations: int | None
) -> DrawnTransaction:
    kept = room.home.journal.coins_spent_by(made)
    values = [coin.value_sat for coin in kept] if kept is not None else [None] * len(made.inputs)
    payload = find_payload(made)
    return DrawnTransaction(
        coins=[
            SpentCoin(hash_hex(spent.previous.txid), spent.previous.vout, value)
            for spent, value in zip(made.inputs, values, strict=True)
        ],
        begins=attempt.spends in thread_starts(room),
        change_sat=made.outputs[0].value_sat,
        size=payload.tree_size,
        root_hex=payload.root.hex(),
        fee_sat=attempt.fee_sat,
        virtual_size=attempt.virtual_size,
        version_no=1 + sum(each.attempt_no < attempt.attempt_no for each in versions),
        state=attempt.state,
        confirmations=confirmations,
    )


def _history(found: list[tuple[int, Happened]]) -> list[EventShown]:
    return [EventShown(at_ms, _event_words(each)) for at_ms, each in found if each.event not in REFUSED]


def _event_words(happened: Happened) -> str:
    words = _EVENTS[happened.event]
    if happened.event is Event.IN_BLOCK and happened.block is not None:
        return f"{words} {happened.block.height:,}"
    return words


def _raw(_room: Room, attempt: Attempt) -> bytes:
    return attempt.raw


def _payload(_room: Room, attempt: Attempt) -> bytes:
    found = find_payload(attempt.transaction())
    return encode_payload(found.tree_size, found.root)


def _header(room: Room, attempt: Attempt) -> bytes | None:
    proof = room.home.journal.proof(attempt)
    return None if proof is None else proof.header


_PARTS: dict[str, Callable[[Room, Attempt], bytes | None]] = {
    "transaction": _raw,
    "payload": _payload,
    "header": _header,
}
TXID = Parameter("txid", "Transaction id, as Bitcoin's programs show it", "[0-9a-f]{64}", In.PATH, is_required=True)
PART = Parameter("part", "What of it", "|".join(_PARTS), In.PATH, is_required=True)
OPERATIONS = (
    page("anchorsPage", "/anchors", "Anchors, newest first", anchors, CURSOR),
    page("anchorPage", "/anchors/{txid}", "One anchor", anchor, TXID),
    download("anchorPart", "/anchors/{txid}/{part}", "A part of an anchor in hex", anchor_part, "", TXID, PART),
)
