"""The line of anchor transactions: followed through a Bitcoin source from where a thread starts, and judged.

A source says what spends a coin; where it cannot name or find the transaction, the published list gives candidates,
each of which must prove itself. The thread audit joins the lines of all starts; the rules below ``follow`` are pure.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from anchor.bitcoin.block_proof import check_proof
from anchor.bitcoin.protocols import BlockId, InBlock, InMempool, Source
from anchor.errors import SourceError, SourceUnavailableError
from anchor.proof.bitcoin.anchor import BitcoinAnchor, check_anchor_header, check_anchor_transaction
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.networks import NetworkRules as Rules
from anchor.proof.bitcoin.payload import Payload, find_payload
from anchor.proof.bitcoin.transaction import OutPoint, Transaction
from anchor.proof.errors import AnchorlineError, VerificationError
from anchor.proof.errors import Reason as ProofReason
from anchor.thread_verdict import Finding, Number, Reason

# Bitcoin Core, chain.h, nMedianTimeSpan.
MEDIAN_BLOCKS = 11
NAMELESS = bytes(32)
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction in a block; ``median_time_s`` is the block's median time past, None where nobody was asked."""

    transaction: Transaction
    txid: bytes
    block: BlockId
    median_time_s: int | None

    def __str__(self) -> str:
        return f"{hash_hex(self.txid)} in block {self.block.height}"


@dataclass(frozen=True, slots=True)
class OnLine:
    """An anchor of the line: a mined transaction, and the payload in it."""

    mined: Mined
    payload: Payload


class End(StrEnum):
    """How a line ends, as far as the source can tell."""

    UNSPENT = "unspent"
    IN_MEMPOOL = "spent by a transaction that is in no block yet"
    UNNAMED = "spent by a transaction that the source cannot name"
    NOT_FOUND = "spent by a transaction that the source cannot find"
    NO_ANCHOR = "spent by a transaction that is no anchor"
    NOBODY_ASKED = "nobody was asked"


@dataclass(frozen=True, slots=True)
class Line:
    """The anchors from ``start`` on; the last coin is ``coin``, and ``spender`` names what spends it, where known."""

    start: OutPoint
    anchors: tuple[OnLine, ...]
    coin: OutPoint
    end: End
    spender: bytes | None = None
    why: VerificationError | None = None


def candidates_of(proofs: Iterable[BitcoinAnchor]) -> dict[OutPoint, BitcoinAnchor]:
    """Return published proofs by the coin that they spend first; which of them hold, ``follow`` finds out."""
    found = {}
    for proof in proofs:
        found[proof.decoded_transaction.inputs[0].previous] = proof
    return found


def follow(source: Source, start: OutPoint, published: Mapping[OutPoint, BitcoinAnchor], clock: "MedianTimes") -> Line:
    """Follow the coins from ``start`` through the best chain of ``source``.

    A transaction goes on with the line if its first input spends the coin and it carries exactly one payload, in
    output 1; anything else ends it. Raises SourceError where the source does not answer, or disagrees with itself.
    """
    coin, anchors = start, list[OnLine]()
    while True:
        spender = source.spender(coin)
        if spender is None:
            return Line(start, tuple(anchors), coin, End.UNSPENT)
        found = _find(source, coin, spender, published, clock)
        if isinstance(found, End):
            return Line(start, tuple(anchors), coin, found, None if spender == NAMELESS else spender)
        payload = _payload_after(coin, found.transaction)
        if isinstance(payload, VerificationError):
            return Line(start, tuple(anchors), coin, End.NO_ANCHOR, found.txid, payload)
        anchors.append(OnLine(found, payload))
        coin = OutPoint(found.txid, 0)


def follow_published(start: OutPoint, published: Mapping[OutPoint, BitcoinAnchor], rules: Rules) -> Line:
    """Follow the published list alone: its proofs are checked, and nobody says that its blocks are the best chain's."""
    coin, anchors, seen = start, list[OnLine](), set[OutPoint]()
    while coin in published and coin not in seen:
        seen.add(coin)
        proof = published[coin]
        transaction = check_anchor_transaction(proof)
        block = BlockId(proof.height, check_anchor_header(proof, rules).hash)
        payload = _payload_after(coin, transaction)
        if isinstance(payload, VerificationError):
            return Line(start, tuple(anchors), coin, End.NO_ANCHOR, transaction.txid, payload)
        anchors.append(OnLine(Mined(transaction, transaction.txid, block, None), payload))
        coin = OutPoint(transaction.txid, 0)
    return Line(start, tuple(anchors), coin, End.NOBODY_ASKED)


class MedianTimes:
    """Median times past of blocks, by a source's headers; each block is asked for once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._times: dict[bytes, int] = {}

    def at(self, block: BlockId) -> int:
        """Return the median time of a block and the ten before it, in seconds (Bitcoin Core, GetMedianTimePast).

        The genesis block is left out. Raises SourceUnavailableError where the headers do not lead to the block: the
        chain was reorganised between two questions.
        """
        if block.hash not in self._times:
            first = max(block.height - MEDIAN_BLOCKS + 1, 1)
            raw = self._source.headers_from(first, block.height - first + 1)
            headers = [Header.decode(each) for each in raw]
            hashes = [header.hash for header in headers]
            if hashes[-1:] != [block.hash] or [header.previous for header in headers[1:]] != hashes[:-1]:
                raise SourceUnavailableError(
                    f"expected the headers up to block {block.height} {hash_hex(block.hash)}, got others; try again"
                )
            times = sorted(header.time_s for header in headers)
            self._times[block.hash] = times[len(times) // 2]
        return self._times[block.hash]


def _find(
    source: Source, coin: OutPoint, spender: bytes, published: Mapping[OutPoint, BitcoinAnchor], clock: MedianTimes
) -> Mined | End:
    """Return where the spender of a coin is: the published proof first, since it needs one question only."""
    listed = published.get(coin)
    if listed is not None:
        mined = _proved(source, listed, clock)
        if mined is not None and spender in {mined.txid, NAMELESS}:
            return mined
    if spender == NAMELESS:
        return End.UNNAMED
    seen = source.observe(spender)
    if isinstance(seen, InMempool):
        return End.IN_MEMPOOL
    proof = source.prove(spender, seen.block.hash) if isinstance(seen, InBlock) else None
    if proof is None or not isinstance(seen, InBlock):
        return End.NOT_FOUND
    try:
        check_proof(proof, spender, seen.block, source.network)
    except AnchorlineError as error:
        raise SourceError(f"{error}; do not trust this source before that is explained") from error
    return Mined(proof.decoded_transaction, spender, seen.block, clock.at(seen.block))


def _proved(source: Source, listed: BitcoinAnchor, clock: MedianTimes) -> Mined | None:
    """Return a published transaction if its proof holds and its block is on the best chain now; else None."""
    transaction = listed.decoded_transaction
    block = BlockId(listed.height, listed.decoded_header.hash)
    try:
        check_proof(listed, transaction.txid, block, source.network)
    except AnchorlineError:
        return None
    if source.block_hash(block.height) != block.hash:
        return None
    return Mined(transaction, transaction.txid, block, clock.at(block))


def _payload_after(coin: OutPoint, transaction: Transaction) -> Payload | VerificationError:
    first = transaction.inputs[0].previous
    if first != coin:
        return VerificationError(
            ProofReason.PAYLOAD_MISSING,
            f"expected its first input to spend the thread coin {coin}, found {first}: it is no anchor",
        )
    try:
        return find_payload(transaction)
    except VerificationError as error:
        return error


# --- rules over the whole line


def check_sizes(anchors: Sequence[OnLine]) -> list[Finding]:
    """Sizes only grow along the line; an equal size is the silence rule's, and then the root is the same."""
    findings = []
    for before, after in pairwise(anchors):
        old, new = before.payload, after.payload
        if new.tree_size < old.tree_size:
            text = f"{after.mined} commits to {new.tree_size} leaves, the anchor before it to {old.tree_size}"
            findings.append(Finding(Number.PAYLOADS, text, Reason.SIZE_FELL))
        elif new.tree_size == old.tree_size and new.root != old.root:
            text = f"{after.mined} and the anchor before it commit to {new.tree_size} leaves with different roots"
            findings.append(Finding(Number.PAYLOADS, text, Reason.ROOT_CHANGED))
    return findings


def check_list(anchors: Sequence[OnLine], listed: Sequence[bytes], is_late: Callable[[OnLine], bool]) -> list[Finding]:
    """The published list (txids) is the line: nothing more, and nothing less but what is too new to be in it."""
    on_line, in_list = {each.mined.txid for each in anchors}, set(listed)
    findings = [
        Finding(Number.LINE, f"the published list has {hash_hex(txid)}, which is not on the thread", Reason.LIST_WRONG)
        for txid in listed
        if txid not in on_line
    ]
    last = max((place for place, each in enumerate(anchors) if each.mined.txid in in_list), default=-1)
    for place, each in enumerate(anchors):
        if each.mined.txid not in in_list and (place < last or is_late(each)):
            text = f"{each.mined} is on the thread and missing from the published list"
            findings.append(Finding(Number.LINE, text, Reason.LIST_WRONG))
    order = [txid for txid in listed if txid in on_line]
    if not findings and order != [each.mined.txid for each in anchors if each.mined.txid in in_list]:
        findings.append(Finding(Number.LINE, "the published list has the anchors in another order", Reason.LIST_WRONG))
    return findings


def check_gaps(
    anchors: Sequence[OnLine], seals: Sequence[tuple[int, int]], tip_time_s: int, max_gap_s: int
) -> list[Finding]:
    """Nothing stays unanchored for longer than ``max_gap_s``, in median times past, and the log is never silent longer.

    ``seals`` are (size, sealed_at_ms) from the one that named the thread on, ascending. Times of blocks are miners'
    to within two hours; a median time is behind the clock, so that a gap found here is not shorter in truth.
    """
    findings = []
    times = [each.mined.median_time_s or 0 for each in anchors]
    moments = [
        *zip(times, (str(each.mined) for each in anchors), strict=True),
        (tip_time_s, "the tip of the best chain"),
    ]
    for (before_s, before), (after_s, after) in pairwise(moments):
        if after_s - before_s > max_gap_s:
            text = f"{_hours(after_s - before_s)} between {before} and {after}, expected at most {_hours(max_gap_s)}"
            findings.append(Finding(Number.GAPS, text, Reason.GAP_TOO_LONG))
    late, place = [], 0
    for size, sealed_at_ms in seals:
        while place < len(anchors) and anchors[place].payload.tree_size < size:
            place += 1
        anchored_s = times[place] if place < len(anchors) else tip_time_s
        if anchored_s - sealed_at_ms // 1000 > max_gap_s:
            late.append(
                (anchored_s - sealed_at_ms // 1000, size, "" if place < len(anchors) else " and is not anchored")
            )
    if late:
        longest_s, size, still = max(late)
        text = (
            f"{len(late)} seals waited for longer than {_hours(max_gap_s)}: that of {size} leaves {_hours(longest_s)}"
        )
        findings.append(Finding(Number.GAPS, text + still, Reason.GAP_TOO_LONG))
    return findings


def _hours(span_s: int) -> str:
    return f"{span_s / HOUR_S:.1f} h"
