"""What a log signed, collected from the files that somebody kept: promises, receipts, checkpoints, saved exchanges.

Each file is recognised by its format; ``chains.disputing`` looks for what contradicts in what is found here. Nothing
is checked yet: a signature that is not the log's makes no evidence.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from anchor.proof import strictjson
from anchor.proof.checkpoint import MAX_NOTE, Checkpoint, Note
from anchor.proof.codec import HASH_SIZE
from anchor.proof.errors import AnchorlineError, MalformedError
from anchor.proof.promise import FORMAT as PROMISE_FORMAT
from anchor.proof.promise import SUBMITTER_SIZE, Promise, PromiseLeaf
from anchor.proof.promise_run import PromiseRun, promises_of
from anchor.proof.receipt import FORMAT as RECEIPT_FORMAT
from anchor.proof.receipt import MAX_FILE_WITH_CONTENT, Receipt
from anchor.proof.strictjson import Fields
from chains.client.errors import EVIDENCE_FORMAT
from chains.client.saved import MAX_EXCHANGE, SavedExchange

_WRITTEN = 201
_MOST_RESULTS = 100_000


@dataclass
class Statements:
    """What the log said, as far as it stands in the files; ``unsigned`` are exchanges in which it signed nothing."""

    promises: dict[Promise, None] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    unsigned: list[str] = field(default_factory=list)

    def take(self, name: str, data: bytes) -> None:
        """Add what a file holds; raise MalformedError where it is none of the known formats."""
        if not data.lstrip().startswith(b"{"):
            self.notes.append(_note(name, data))
            return
        value = strictjson.loads(data, name, MAX_EXCHANGE)
        kind = Fields(value, name).text("format") if "format" in value else ""
        if kind.startswith(_family(PROMISE_FORMAT)):
            self.promises[Promise.from_json(value)] = None
        elif kind.startswith(_family(RECEIPT_FORMAT)):
            self._take_receipt(Receipt.decode(data))
        elif kind.startswith(_family(EVIDENCE_FORMAT)):
            self._take_exchange(name, SavedExchange.decode(data))
        else:
            raise MalformedError(
                f"{name}: expected a promise, a receipt, a checkpoint or a saved exchange, found format {kind[:40]!r}"
            )

    def _take_receipt(self, receipt: Receipt) -> None:
        self.receipts.append(receipt)
        if receipt.promise is not None:
            self.promises[receipt.promise] = None

    def _take_exchange(self, name: str, saved: SavedExchange) -> None:
        own = Statements()
        if saved.promise is not None:
            own.promises[saved.promise] = None
        own.notes += saved.checkpoints
        for exchange in saved.exchanges:
            own._take_answer(exchange.reply.body)
        if not (own.promises or own.receipts or own.notes):
            self.unsigned.append(f"{name} ({saved.untruth})")
        self.promises |= own.promises
        self.receipts += own.receipts
        self.notes += own.notes

    def _take_answer(self, body: bytes) -> None:
        """Add what an answer of the service holds, whatever it was an answer to; what cannot be read is passed over."""
        with suppress(AnchorlineError):
            self.notes.append(_note("answer", body))
        with suppress(AnchorlineError):
            self._take_receipt(Receipt.decode(body[: MAX_FILE_WITH_CONTENT + 1]))
        with suppress(AnchorlineError):
            value = strictjson.loads(body, "answer", MAX_EXCHANGE)
            for promise in _promises_in(value):
                self.promises[promise] = None


def _promises_in(value: dict[str, Any]) -> Iterator[Promise]:
    """Yield the promises of an answer: to one entry, to a batch, or to the question for a promise."""
    if value.get("format") == PROMISE_FORMAT:
        yield Promise.from_json(value)
        return
    fields = Fields(value, "answer")
    if "results" not in fields:
        yield Promise.from_json(fields.take("promise"))
        return
    yield from promises_of(PromiseRun.from_json(fields.take("promise")), _leaves_of(fields))


def _leaves_of(fields: Fields) -> Sequence[PromiseLeaf]:
    chain_id = fields.hex("chain_id", exact=HASH_SIZE)
    submitter = fields.hex("submitter", exact=SUBMITTER_SIZE)
    results = [Fields(item, "result") for item in fields.array("results", _MOST_RESULTS)]
    return [
        PromiseLeaf(chain_id, item.integer("leaf_index"), item.hex("entry_hash", exact=HASH_SIZE), submitter)
        for item in results
        if item.integer("status") == _WRITTEN
    ]


def _note(name: str, data: bytes) -> Note:
    try:
        note = Note.decode(data[: MAX_NOTE + 1].decode("utf-8"))
    except UnicodeDecodeError as error:
        raise MalformedError(f"{name}: expected a promise, a receipt, a checkpoint or a saved exchange") from error
    Checkpoint.decode(note.text)  # whoever compares notes may rely on it
    return note


def _family(name: str) -> str:
    return name.partition("/")[0] + "/"
