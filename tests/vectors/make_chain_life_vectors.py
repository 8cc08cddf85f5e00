"""Makes ``chain_life.json``: receipts of chains that were closed, or that continue one of another log; and mutations.

Input is small logs that are built here; cases have the form of ``receipts.json``, and what each wants is written by
hand. ``python -m tests.vectors.make_chain_life_vectors`` in the repository's root writes the file.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anchor.proof.chain_life import Closing, Continuation, Statement, Transfer
from anchor.proof.entry import CRITICAL_EXTENSION, Entry, Extension, ExtensionType
from anchor.proof.errors import Reason
from anchor.proof.leaves import HeadLeaf
from anchor.proof.life_evidence import LifeEvidence
from anchor.proof.merkle import inclusion_path
from anchor.proof.receipt import ChainPath, Content, ContentState, Receipt, proof_to_json
from anchor.proof.verify import Outcome
from tests.simulators.world import Seal, World, Written, sign_entry, signing_key
from tests.vectors.make_receipt_vectors import (
    Case,
    Inputs,
    block_name,
    edited,
    field_of,
    inputs_of,
    judged,
    sealed_of,
    with_sealed,
)

FILE = Path(__file__).with_name("chain_life.json")
ABOUT = (
    "Receipts of chains that were closed, or that continue one of another log: docs/spec/chain-life.md. Cases have the "
    "form of receipts.json; the verifier may also bring earlier_cards."
)
TYPES = {
    Closing: ExtensionType.CLOSING,
    Transfer: ExtensionType.TRANSFER,
    Continuation: ExtensionType.CONTINUATION,
}
WITHHELD = Content(ContentState.WITHHELD)
Want = tuple[Outcome, *tuple[Reason, ...]]
FAILED: Want = Outcome.FAILED, Reason.CHAIN_LIFE_WRONG
MALFORMED: Want = Outcome.FAILED, Reason.MALFORMED


def stating(entry: Entry, *statements: Statement) -> Entry:
    """Return the entry with these statements."""
    added = tuple(Extension(TYPES[type(each)], each.encode()) for each in statements)
    return replace(entry, extensions=tuple(sorted((*entry.extensions, *added), key=lambda each: each.type)))


class Log(World):
    """A log with a chain that is closed, or taken over from another log."""

    def begin(self, *entries: Written) -> Written:
        """Fund the thread, and write the first order, or these entries of another log, byte for byte."""
        self.fund_thread()
        self.write_first("others", b"other 1")
        if not entries:
            return self.write_first("orders", b"order 1")
        written = [self.write(each.entry, b"") for each in entries]
        return written[0]

    def state(self, chain_id: bytes, *statements: Statement, holder: str | None = None) -> Written:
        """Write an entry that says this of its chain's life."""
        entry = stating(self.entry(chain_id, b"", media_type=""), *statements)
        return self.write(entry if holder is None else sign_entry(entry, signing_key(holder)), b"")

    def close(self, chain_id: bytes, moved_to: bytes | None = None, holder: str | None = None) -> Written:
        """Close a chain."""
        return self.state(chain_id, Closing(self.now_ms, "we move", moved_to), holder=holder)

    def evidence(self, written: Written, at: Seal) -> LifeEvidence:
        """Return what proves an entry under the newest head of its chain below a checkpoint."""
        chain_id = written.entry.chain_id
        head = self.prove(HeadLeaf, max(seal.head_index.get(chain_id, 0) for seal in self.seals), at)
        hashes = [entry.hash for entry in self.chains[chain_id][: head.leaf.tree_size]]
        chain = ChainPath(written.index, inclusion_path(hashes, written.index))
        return LifeEvidence(written.entry.encode(), chain, head)

    def proved(self, written: Written, *shown: Written) -> Receipt:
        """Seal and anchor; return the receipt of an entry that shows these."""
        seal = self.seal()
        receipt = self.receipt(written, seal, [self.anchor(seal)])
        return with_sealed(receipt, evidence=tuple(self.evidence(each, seal).to_json() for each in shown))

    @property
    def block(self) -> str:
        """The newest block, as a verifier names it."""
        return block_name(self.blocks[-1])

    def brought(self, content: bytes | None = None, *earlier: "Log", blocks: Sequence[str] = ()) -> Inputs:
        """Return what a verifier has: content, the card, the newest block, and those of earlier logs."""
        mine = [self.block, *blocks, *(log.block for log in earlier)]
        inputs = inputs_of(content=content, card=self.card, blocks=mine)
        cards = [log.card.encode().decode() for log in earlier]
        return inputs | ({"earlier_cards": cards} if cards else {})


@dataclass(frozen=True, slots=True)
class Move:
    """A chain that moved: the old log and its receipt of the last entry, the new log and the continuation there."""

    old: Log
    earlier: Receipt
    new: Log
    entries: tuple[Written, ...]
    continuation: Written

    def evidence(self, at: Seal, index: int) -> LifeEvidence:
        """Return the evidence of the continuation for the receipt of the entry at an index."""
        shown = self.new.evidence(self.continuation, at)
        hashes = [each.entry.hash for each in self.entries]
        path = inclusion_path(hashes, index) if index < len(hashes) else ()
        return replace(shown, earlier=self.earlier, path=path)

    def receipt(self, index: int = 0, **changed: Any) -> Receipt:
        """Seal and anchor the new log; return its receipt of an entry, which shows what it continues."""
        seal = self.new.seal()
        written = self.entries[index] if index < len(self.entries) else self.continuation
        shown = replace(written, content=WITHHELD if index else written.content)
        receipt = self.new.receipt(shown, seal, [self.new.anchor(seal)])
        return with_sealed(receipt, evidence=(replace(self.evidence(seal, index), **changed).to_json(),))


def continuation_of(earlier: Receipt, now_ms: int) -> Continuation:
    """Return what continues the chain of another log's receipt of its last entry."""
    sealed = sealed_of(earlier)
    head, checkpoint = sealed.head.leaf, sealed.checkpoint
    log_id = earlier.log.log_id
    return Continuation(now_ms, log_id, head.tree_size, head.root, checkpoint.size, checkpoint.root)


def new_log(name: str = "new", blocks: int = 4) -> Log:
    """Return another log, whose blocks are at other heights than those of the old one."""
    log = Log(name, origin=f"{name}.example/log")
    for _ in range(blocks):
        log.mine()
    return log


def moved(
    *, agreed: bool = True, bound: bool = False, closed: bool = True, holder: str | None = None, **said: Any
) -> Move:
    """Return a chain of two orders that moved: closed towards the new log, or as these say."""
    old, new = Log("old", origin="old.example/log"), new_log()
    first = old.begin()
    second = old.entry(first.entry.chain_id, b"order 2")
    if bound:
        second = replace(second, extensions=(Extension(ExtensionType.LOG_ID, old.log.log_id),))
    entries = [first, old.write(second, b"order 2")]
    chain_id = first.entry.chain_id
    if closed:
        entries.append(old.close(chain_id, new.log.log_id if agreed else None, holder))
    return taken_over(old, new, entries, **said)


def taken_over(old: Log, new: Log, entries: Sequence[Written], **said: Any) -> Move:
    """Return what a log does that continues the chain of another one."""
    earlier = old.proved(replace(entries[-1], content=WITHHELD))
    new.begin(*entries)
    statement = replace(continuation_of(earlier, new.now_ms), **said)
    return Move(old, earlier, new, tuple(entries), new.state(entries[0].entry.chain_id, statement))


def closings() -> Iterator[Case]:
    """Return receipts of chains that were closed."""
    for name, holder, moved_to in (
        ("closed", None, None),
        ("closed by a signed entry", "clerk", None),
        ("closed, to go on in another log", "clerk", bytes(32)),
    ):
        log = Log("old")
        first = log.begin()
        closing = log.close(first.entry.chain_id, moved_to, holder)
        yield judged(name, log.proved(first, closing), log.brought(b"order 1"), Outcome.INTACT)
    receipt = with_sealed(log.proved(first, closing), anchors=())
    yield judged("closed, and not anchored yet", receipt, log.brought(b"order 1"), Outcome.INCOMPLETE)
    log = Log("old")
    log.begin()
    closing = log.close(first.entry.chain_id)
    yield judged("the closing itself", log.proved(closing, closing), log.brought(b""), Outcome.INTACT)


def continuations() -> Iterator[Case]:
    """Return receipts of chains that continue those of other logs."""
    move = moved()
    receipt = move.receipt()
    everything = move.new.brought(b"order 1", move.old)
    yield judged("continued, as both logs say", receipt, everything, Outcome.INTACT)
    unknown = move.new.brought(b"order 1", blocks=[move.old.block])
    yield judged("continued, and nobody knows the earlier log", receipt, unknown, Outcome.INTACT)
    yield judged("continued, and no block of the earlier log", receipt, move.new.brought(b"order 1"), Outcome.INTACT)
    yield judged("continued, and only the earlier block", receipt, only(everything, move.old), Outcome.NOT_CHECKED)
    move = moved(holder="clerk")
    yield judged(
        "continued behind a signed closing", move.receipt(), move.new.brought(b"order 1", move.old), Outcome.INTACT
    )
    for name, closed in (("closed towards nobody", True), ("never closed there", False)):
        move = moved(agreed=False, closed=closed)
        yield judged(f"continued, {name}", move.receipt(), move.new.brought(b"order 1", move.old), Outcome.INTACT)
    move = moved()
    receipt = move.receipt(len(move.entries))
    yield judged("the continuation itself", receipt, move.new.brought(None, move.old), Outcome.INTACT)
    later = move.new.close(move.continuation.entry.chain_id)
    seal = move.new.seal()
    receipt = move.new.receipt(move.entries[0], seal, [move.new.anchor(seal)])
    both = (move.evidence(seal, 0).to_json(), move.new.evidence(later, seal).to_json())
    receipt = with_sealed(receipt, evidence=both)
    yield judged("continued, and then closed", receipt, move.new.brought(b"order 1", move.old), Outcome.INTACT)
    yield judged(
        "19 in another order",
        with_sealed(receipt, evidence=both[::-1]),
        move.new.brought(b"order 1", move.old),
        *FAILED,
    )


def bound_entries() -> Iterator[Case]:
    """Return receipts of an entry that is meant for the earlier log only: both logs must say that it moved."""
    wrong = Outcome.FAILED, Reason.WRONG_LOG_EXTENSION
    move = moved(bound=True)
    receipt, inputs = move.receipt(1), move.new.brought(None, move.old)
    yield judged("meant for the earlier log, which moved its chain here", receipt, inputs, Outcome.INTACT)
    alone = with_sealed(receipt, evidence=())
    yield judged("1 meant for the earlier log, and no continuation is shown", alone, inputs, *wrong)
    for name, closed in (("closed towards nobody", True), ("never closed", False)):
        move = moved(bound=True, agreed=False, closed=closed)
        yield judged(
            f"1 meant for the earlier log, {name} there", move.receipt(1), move.new.brought(None, move.old), *wrong
        )
    first, second = twice_moved()
    last = second.new
    seal = last.seal()
    receipt = last.receipt(replace(first.entries[1], content=WITHHELD), seal, [last.anchor(seal)])
    back = replace(first, new=last, continuation=replace(first.continuation, index=len(first.entries)))
    shown = [back.evidence(seal, 1).to_json(), second.evidence(seal, 1).to_json()]
    inputs = last.brought(None, first.old, first.new)
    both = with_sealed(receipt, evidence=tuple(shown))
    yield judged("meant for the first of two earlier logs", both, inputs, Outcome.INTACT)
    yield judged(
        "1 meant for the first of two, and the second is not shown",
        with_sealed(receipt, evidence=tuple(shown[:1])),
        inputs,
        *wrong,
    )


def twice_moved() -> tuple[Move, Move]:
    """Return two moves of one chain, with an entry that is meant for the first log."""
    first, last = moved(bound=True), new_log("newest", 8)
    chain_id = first.continuation.entry.chain_id
    closing = first.new.close(chain_id, last.log.log_id)
    return first, taken_over(first.new, last, [*first.entries, first.continuation, closing])


def only(inputs: Inputs, log: Log) -> Inputs:
    """Return what a verifier has, with the blocks of one log only."""
    return inputs | {"blocks": [log.block]}


def wrong_life() -> Iterator[Case]:
    """Return receipts that show what was not said, or not there."""
    log = Log("old")
    first = log.begin()
    chain_id = first.entry.chain_id
    plain = log.write_next(chain_id, b"order 2")
    transfer = log.state(chain_id, Transfer(log.now_ms, bytes(16), b"t" * 16))
    two = log.state(chain_id, Closing(1, "a"), Transfer(1, bytes(16), b"t" * 16))
    [other] = [each for each in log.chains if each != chain_id]
    elsewhere = log.close(other)
    closing = log.close(chain_id, holder="clerk")
    here = log.close(chain_id, log.log.log_id)
    unproved = log.state(chain_id, Continuation(1, bytes(32), 3, bytes(32), 9, bytes(32)))
    body = closing.entry.author.body[:-1] + bytes((closing.entry.author.body[-1] ^ 1,))
    forged = log.write(replace(closing.entry, author=replace(closing.entry.author, body=body)), b"")
    strange: list[tuple[str, Written, Want]] = [
        ("a plain entry", plain, FAILED),
        ("a transfer", transfer, FAILED),
        ("two statements in one entry", two, MALFORMED),
        ("the closing of another chain", elsewhere, FAILED),
        ("a closing that moves the chain here", here, FAILED),
        ("a continuation without a receipt", unproved, FAILED),
        ("a signature that does not hold", forged, FAILED),
    ]
    malformed = {
        "a version of the statement": b"\x02",
        "a reason that ends a line": Closing(1, "x").encode()[:-1] + b"\n",
        "a reason that turns the writing": Closing(1, "xyz").encode()[:-3] + "\u202e".encode(),
        "a reason that is no UTF-8": Closing(1, "x").encode()[:-1] + b"\xff",
        "a reason cut short": Closing(1, "xy").encode()[:-1],
        "bytes left over": Closing(1, "x").encode() + b"\0",
        "a log id of 31 bytes": b"\x01" + bytes(8) + b"\x1f" + bytes(31) + bytes(2),
        "a reason of 501 bytes": b"\x01" + bytes(9) + b"\x01\xf5" + b"x" * 501,
    }
    for name, value in malformed.items():
        extensions = (Extension(ExtensionType.CLOSING, value),)
        entry = replace(log.entry(chain_id, b""), extensions=extensions)
        is_newer = name == "a version of the statement"
        strange.append((name, log.write(entry, b""), (Outcome.INTACT,) if is_newer else MALFORMED))
    newer = replace(log.entry(chain_id, b""), extensions=(Extension(CRITICAL_EXTENSION, b"new"),))
    strange.append(("what must be understood, and is not", log.write(newer, b""), (Outcome.INTACT,)))
    seal = log.seal()
    receipt, inputs = log.receipt(first, seal, [log.anchor(seal)]), log.brought(b"order 1")
    for name, written, want in strange:
        shown = with_sealed(receipt, evidence=(log.evidence(written, seal).to_json(),))
        yield judged(f"19 {name}", shown, inputs, *want)
    receipt = with_sealed(receipt, evidence=(log.evidence(closing, seal).to_json(),))
    way, item = ("evidence", 0), log.evidence(closing, seal).to_json()
    head = log.prove(HeadLeaf, log.heads[other], seal)
    for name, inner, new in (
        ("another entry", ("entry",), here.entry.encode().hex()),
        ("another index", ("chain", "index"), closing.index - 1),
        ("a path cut short", ("chain", "path"), item["chain"]["path"][:-1]),
        ("another path in the directory", ("head", "path"), ["00" * 32, *item["head"]["path"][1:]]),
        ("the head of another chain", ("head",), proof_to_json(head)),
    ):
        yield judged(f"19 {name}", edited(receipt, (*way, *inner), new), inputs, *FAILED)
    for name, to, new in (
        ("an unknown field", (), item | {"more": 1}),
        ("a path and no earlier receipt", (), item | {"path": []}),
        ("no head", (), {field: value for field, value in item.items() if field != "head"}),
        ("an entry cut short", ("entry",), item["entry"][:-2]),
        ("a seal in the place of the head", ("head",), field_of(receipt, "seal")),
    ):
        yield judged(f"19 {name}", edited(receipt, (*way, *to), new), inputs, *MALFORMED)
    text = edited(receipt, ("evidence", 0, "entry"), "02" + field_of(receipt, "evidence", 0, "entry")[2:])
    yield judged("19 an entry by a newer Anchorline", text, inputs, Outcome.INTACT)


def wrong_continuations() -> Iterator[Case]:
    """Return receipts that show a continuation of what was not there."""
    for name, said in (
        ("another log", {"log_id": bytes(32)}),
        ("another size", {"tree_size": 2}),
        ("another root", {"root": bytes(32)}),
        ("another size of the checkpoint", {"checkpoint_size": 3}),
        ("another root of the checkpoint", {"checkpoint_root": bytes(32)}),
    ):
        move = moved(**said)
        yield judged(f"19 continues {name}", move.receipt(), move.new.brought(b"order 1", move.old), *FAILED)
    move = moved()
    receipt, inputs = move.receipt(), move.new.brought(b"order 1", move.old)
    way = ("evidence", 0, "earlier")
    entry = field_of(receipt, *way, "entry")
    path = field_of(receipt, "evidence", 0, "path")
    for name, to, new in (
        ("the entry was altered", (*way, "entry"), entry[:-8] + "00000000"),
        ("the checkpoint is signed by nobody", (*way, "checkpoint"), unsigned(field_of(receipt, *way, "checkpoint"))),
        ("the block was altered", (*way, "anchors", 0, "header"), "00" * 80),
        ("its chain path was cut", (*way, "chain", "path"), []),
        ("the path of the entry was altered", ("evidence", 0, "path"), ["00" * 32, *path[1:]]),
        ("the path of the entry was cut", ("evidence", 0, "path"), path[:-1]),
    ):
        want = MALFORMED if name == "the entry was altered" else FAILED
        yield judged(f"19 earlier: {name}", edited(receipt, to, new), inputs, *want)
    another_block = inputs | {"blocks": [move.new.block, move.old.block[:-2] + "00"]}
    yield judged("19 earlier: its block left the best chain", receipt, another_block, *FAILED)
    pending = {key: value for key, value in field_of(receipt, *way).items() if key in {"format", "entry", "content"}}
    pending["log"] = {"leaf": field_of(receipt, *way, "log", "leaf")}
    pending |= {"anchors": [], "evidence": []}
    unsealed = {key: value for key, value in pending.items() if key not in {"anchors", "evidence"}}
    yield judged("19 earlier: not sealed", edited(receipt, way, unsealed), inputs, *FAILED)
    yield judged("19 earlier: not anchored", edited(receipt, (*way, "anchors"), []), inputs, Outcome.INTACT)
    nested = edited(receipt, (*way, "evidence"), [{"type": "chain-life"}])
    yield judged("19 earlier: shows the life of its chain in turn", nested, inputs, *MALFORMED)
    yield judged("19 earlier: an unknown field", edited(receipt, (*way, "more"), 1), inputs, *MALFORMED)
    yield judged(
        "19 earlier: of a newer form", edited(receipt, (*way, "format"), "anchorline-receipt/2"), inputs, Outcome.INTACT
    )
    yield judged("19 earlier: no object", edited(receipt, way, 1), inputs, *MALFORMED)
    late = move.receipt(len(move.entries), path=(bytes(32),))
    yield judged("19 a path for an entry that is younger", late, move.new.brought(None, move.old), *FAILED)
    closing = move.new.close(move.continuation.entry.chain_id)
    seal = move.new.seal()
    receipt = move.new.receipt(move.entries[0], seal, [move.new.anchor(seal)])
    odd = replace(move.new.evidence(closing, seal), earlier=move.earlier)
    shown = with_sealed(receipt, evidence=(odd.to_json(),))
    yield judged("19 a closing with a receipt", shown, move.new.brought(b"order 1", move.old), *FAILED)
    late_move = late_continuation()
    yield judged(
        "19 continues behind an entry of its own",
        late_move.receipt(),
        late_move.new.brought(b"order 1", late_move.old),
        *FAILED,
    )


def late_continuation() -> Move:
    """Return a log that wrote an entry of its own before it said what it continues."""
    move = moved()
    move.new.chains[move.continuation.entry.chain_id].pop()
    move.new.write_next(move.continuation.entry.chain_id, b"order 3")
    return replace(move, continuation=move.new.write(move.continuation.entry, b""))


def unsigned(note: str) -> str:
    """Return a note whose signature is by somebody else."""
    text, _, line = note.rpartition("\n\n")
    return f"{text}\n\n{line.replace('old.example', 'odd.example')}"


def cases() -> Iterator[Case]:
    """Return every case."""
    for group in (closings, continuations, bound_entries, wrong_life, wrong_continuations):
        yield from group()


def make() -> str:
    """Return the file's text."""
    return json.dumps({"description": ABOUT, "cases": list(cases())}, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(make(), encoding="ascii")
