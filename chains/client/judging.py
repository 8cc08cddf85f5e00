# SPDX-License-Identifier: Apache-2.0
"""What answers must be to be believed: each hash, path and signature is computed again from what was sent.

``chains.client.core`` hands in bytes from the service; what does not hold raises DoubtError by name. Unknown members of
JSON objects are passed over, so that a newer service can be asked; of what is known, all is checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from anchor.proof import strictjson
from anchor.proof.checkpoint import Checkpoint, from_base64
from anchor.proof.codec import HASH_SIZE, sha256
from anchor.proof.entry import MAX_ENTRY, SALT_SIZE, Entry, content_commitment
from anchor.proof.errors import MalformedError, Reason, VerificationError
from anchor.proof.leaves import KeyLeaf, LogLeaf, decode_leaf
from anchor.proof.merkle import MAX_PATH, check_consistency, leaf_hash
from anchor.proof.promise import SUBMITTER_SIZE, Promise, PromiseLeaf, check_promise_path
from anchor.proof.promise_run import PromiseRun, promises_of
from anchor.proof.receipt import Content, ContentState, LogCard, Receipt
from anchor.proof.strictjson import Fields
from anchor.proof.verdict import ExitCode
from anchor.proof.verdict import Outcome as Judged
from anchor.proof.verifier import Verifier
from anchor.proof.verify import verify
from chains.client.errors import NotTheAuthorError, Untruth
from chains.client.own_entry import OwnEntry
from chains.client.results import CheckedReceipt, Recorded, Refused, SeenChain, SeenEntry
from chains.client.trust import DoubtError, same_run

MOST_RESULTS = 100_000
MOST_KEYS = 1_000
_MOST_ANSWER = 128 * 2**20


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the service says that an entry is, with the promise if it gave one."""

    leaf_index: int
    repeated: bool
    promise: Promise | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may carry; never more than this client would send."""

    batch_entries: int
    batch_bytes: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is known of an entry whose receipt is asked for; ``opening`` has salt and digest, ``older`` its receipt."""

    entry_hash: bytes
    opening: Content | None = None
    promise: Promise | None = None
    older: Receipt | None = None

    @classmethod
    def of(cls, what: "Recorded | Receipt | CheckedReceipt | bytes") -> "Wanted":
        """Return what is known of an entry by its hash (32 bytes), its promise or its receipt."""
        if isinstance(what, bytes):
            return cls(what)
        if isinstance(what, Recorded):
            return cls(what.entry_hash, what.receipt().content, what.promise)
        receipt = what.receipt if isinstance(what, CheckedReceipt) else what
        opening = receipt.content if receipt.content.state == ContentState.SHOWN else None
        return cls(receipt.entry.hash, opening, receipt.promise, receipt)


def fields_of(body: bytes, what: str = "answer") -> Fields:
    """Return the members of a JSON object."""
    return Fields(strictjson.loads(body, what, _MOST_ANSWER), what)


# --- the log


def log_of(body: bytes) -> tuple[LogCard, tuple[KeyLeaf, ...], Limits]:
    """Return a log's card, its key leaves and its limits, as its service tells them."""
    fields = fields_of(body)
    card = LogCard.decode(strictjson.dumps(fields.take("card")).encode("ascii"))
    listed = fields.array("keys", MOST_KEYS) if "keys" in fields else []
    leaves = [decode_leaf(Fields({"leaf": item}, "keys").hex("leaf", maximum=1024)) for item in listed]
    if not all(isinstance(leaf, KeyLeaf) for leaf in leaves):
        raise DoubtError(Untruth.KEY_HISTORY, "expected key leaves, found leaves of other kinds among them")
    limits = Fields(fields.take("limits"), "limits")
    found = Limits(
        max(1, min(limits.integer("batch_entries"), MOST_RESULTS)),
        max(1, min(limits.integer("batch_bytes"), 64 * 2**20)),
    )
    return card, tuple(leaf for leaf in leaves if isinstance(leaf, KeyLeaf)), found


# --- writing


def placed_one(status: int, body: bytes, own: OwnEntry) -> Placed:
    """Return where one entry was put."""
    fields = fields_of(body)
    _check_chain(fields, own.entry.chain_id)
    repeated = "repeated" in fields and fields.take("repeated") is True
    if repeated != (status == 200):
        raise DoubtError(Untruth.ANSWER_MALFORMED, f"status {status} for an entry that is repeated: {repeated}")
    index = _index_of(fields, own)
    promise = Promise.from_json(fields.take("promise")) if "promise" in fields else None
    if promise is None and not repeated:
        raise DoubtError(Untruth.PROMISE_MISSING, "a new entry came without its promise")
    return Placed(index, repeated, promise)


def placed_each(body: bytes, owns: Sequence[OwnEntry]) -> list[Placed | Refused]:
    """Return where each entry of a batch was put, or why not; promises lead to the root of their note."""
    fields = fields_of(body)
    chain_id = owns[0].entry.chain_id
    _check_chain(fields, chain_id)
    results = fields.array("results", MOST_RESULTS)
    if len(results) != len(owns):
        raise DoubtError(Untruth.RESULTS_MISSING, f"expected {len(owns)} results, got {len(results)}")
    found = [_result(Fields(item, "result"), own) for item, own in zip(results, owns, strict=True)]
    new = [
        (own.hash, item.leaf_index)
        for own, item in zip(owns, found, strict=True)
        if isinstance(item, Placed) and not item.repeated
    ]
    if not same_run([index for _, index in new]):
        raise DoubtError(Untruth.INDEX, f"new entries of one batch are not in a row: {[index for _, index in new]}")
    promises = iter(_promises(fields, chain_id, new))
    return [
        replace(item, promise=next(promises)) if isinstance(item, Placed) and not item.repeated else item
        for item in found
    ]


def _result(fields: Fields, own: OwnEntry) -> Placed | Refused:
    status = fields.integer("status")
    if status in {200, 201}:
        return Placed(_index_of(fields, own), status == 200)
    if not 400 <= status <= 599:
        raise DoubtError(Untruth.ANSWER_MALFORMED, f"a result has status {status}")
    return Refused(
        own,
        status,
        fields.text("code"),
        fields.text("detail") if "detail" in fields else "",
        fields.text("rule") if "rule" in fields else "",
    )


def _promises(fields: Fields, chain_id: bytes, new: Sequence[tuple[bytes, int]]) -> list[Promise]:
    if not new:
        return []
    if "promise" not in fields:
        raise DoubtError(Untruth.PROMISE_MISSING, f"{len(new)} new entries came without a promise")
    submitter = fields.hex("submitter", exact=SUBMITTER_SIZE)
    run = PromiseRun.from_json(fields.take("promise"))
    try:
        return list(promises_of(run, [PromiseLeaf(chain_id, index, key, submitter) for key, index in new]))
    except VerificationError as error:
        raise DoubtError(Untruth.PROMISE_PATH, str(error)) from error


def _check_chain(fields: Fields, chain_id: bytes) -> None:
    found = fields.hex("chain_id", exact=HASH_SIZE)
    if found != chain_id:
        raise DoubtError(Untruth.ANOTHER_CHAIN, f"written to chain {found.hex()}, expected {chain_id.hex()}")


def _index_of(fields: Fields, own: OwnEntry) -> int:
    found = fields.hex("entry_hash", exact=HASH_SIZE)
    if found != own.hash:
        raise DoubtError(Untruth.ANOTHER_ENTRY, f"the answer is about entry {found.hex()}, sent was {own.hash.hex()}")
    return fields.integer("leaf_index")


def check_leaf(promise: Promise, own: OwnEntry, leaf_index: int) -> None:
    """Raise DoubtError unless a promise speaks of this entry at this place, and its path leads to its root."""
    leaf = promise.leaf
    if (leaf.chain_id, leaf.entry_hash) != (own.entry.chain_id, own.hash):
        raise DoubtError(Untruth.PROMISE_OF_ANOTHER, f"promised is entry {leaf.entry_hash.hex()}, not {own.hash.hex()}")
    if leaf.leaf_index != leaf_index:
        raise DoubtError(Untruth.INDEX, f"promised at index {leaf.leaf_index}, answered was {leaf_index}")
    try:
        check_promise_path(promise, promise.note.log_id)
    except VerificationError as error:
        raise DoubtError(Untruth.PROMISE_PATH, str(error)) from error


# --- reading


def seen_entry(value: Any) -> SeenEntry:
    """Return an entry that was read: its bytes have its hash, and what is shown of the content its commitment."""
    fields = Fields(value, "entry")
    raw = from_base64(fields.text("entry"), "entry.entry")
    if len(raw) > MAX_ENTRY:
        raise MalformedError(f"entry.entry: expected at most {MAX_ENTRY} bytes, got {len(raw)}")
    entry, key = Entry.decode(raw), fields.hex("entry_hash", exact=HASH_SIZE)
    if leaf_hash(raw) != key:
        raise DoubtError(Untruth.ANOTHER_ENTRY, f"the bytes that were shown are not those of entry {key.hex()}")
    salt, digest = _opening(Fields(fields.take("content"), "entry.content"), entry)
    return SeenEntry(
        raw,
        entry,
        key,
        fields.integer("leaf_index"),
        fields.take("is_sealed") is True,
        fields.integer("received_at_ms") if "received_at_ms" in fields else None,
        salt,
        digest,
    )


def _opening(fields: Fields, entry: Entry) -> tuple[bytes | None, bytes | None]:
    if fields.text("state") not in {"shown", "digest"}:
        return None, None
    salt, digest = fields.hex("salt", exact=SALT_SIZE), fields.hex("digest", exact=HASH_SIZE)
    if content_commitment(salt, digest) != entry.content_commitment:
        raise DoubtError(Untruth.COMMITMENT, "salt and digest that were shown do not open the entry's commitment")
    return salt, digest


def page_of(body: bytes) -> tuple[list[SeenEntry], str | None]:
    """Return a page of entries, and the cursor of the next one."""
    fields = fields_of(body)
    found = [seen_entry(item) for item in fields.array("entries", MOST_RESULTS)]
    return found, fields.text("cursor") if "cursor" in fields else None


def in_order(page: Sequence[SeenEntry], chain_id: bytes, start: int) -> None:
    """Raise DoubtError unless a page has the entries of one chain from ``start`` on, without a gap."""
    found = [item.leaf_index for item in page]
    if found != list(range(start, start + len(page))):
        raise DoubtError(Untruth.INDEX, f"expected entries from {start} on in a row, got {found[:8]}")
    if any(item.entry.chain_id != chain_id for item in page):
        raise DoubtError(Untruth.ANOTHER_CHAIN, f"expected entries of chain {chain_id.hex()} only")


def having_id(page: Sequence[SeenEntry], id_digest: bytes) -> None:
    """Raise DoubtError unless all of these entries have an external id of this digest."""
    for item in page:
        if id_digest not in {each.digest() for each in item.entry.external_ids}:
            raise DoubtError(Untruth.ANOTHER_ENTRY, f"entry {item.entry_hash.hex()} has not the id that was searched")


def having_content(page: Sequence[SeenEntry], digest: bytes) -> None:
    """Raise DoubtError unless all of these entries commit to content of this SHA-256, with the salt that is shown."""
    for item in page:
        if item.salt is None or content_commitment(item.salt, digest) != item.entry.content_commitment:
            raise DoubtError(
                Untruth.ANOTHER_ENTRY, f"entry {item.entry_hash.hex()} has not the content that was searched"
            )


def chains_of(body: bytes) -> tuple[list[SeenChain], str | None]:
    """Return a page of chains, and the cursor of the next one."""
    fields = fields_of(body)
    found = [seen_chain(item) for item in fields.array("chains", MOST_RESULTS)]
    return found, fields.text("cursor") if "cursor" in fields else None


def seen_chain(value: Any) -> SeenChain:
    """Return what the service says of a chain."""
    fields = Fields(value, "chain")
    return SeenChain(
        fields.hex("chain_id", exact=HASH_SIZE),
        fields.integer("size"),
        fields.integer("sealed_size"),
        fields.text("visibility"),
        fields.take("is_own") is True,
        fields.text("name") if "name" in fields else None,
    )


def check_content(data: bytes, entry: Entry, salt: bytes) -> None:
    """Raise DoubtError unless these bytes are what the entry commits to under ``salt``."""
    if content_commitment(salt, sha256(data)) != entry.content_commitment:
        raise DoubtError(Untruth.CONTENT_CHANGED, f"{len(data)} bytes came that are not what the entry commits to")


# --- receipts and history


def judged_receipt(body: bytes, wanted: Wanted, log: LogLeaf, verifier: Verifier) -> CheckedReceipt:
    """Return a receipt of the wanted entry, completed with what is known here; its verdict did not fail.

    Raises NotTheAuthorError where all holds but who wrote it, DoubtError where anything else does not.
    """
    return judged_as(Receipt.decode(body), wanted, log, verifier)


def judged_as(receipt: Receipt, wanted: Wanted, log: LogLeaf, verifier: Verifier) -> CheckedReceipt:
    """Return a receipt that was read, as ``judged_receipt`` does."""
    if receipt.entry.hash != wanted.entry_hash:
        raise DoubtError(
            Untruth.RECEIPT_OF_ANOTHER,
            f"the receipt is for entry {receipt.entry.hash.hex()}, asked was {wanted.entry_hash.hex()}",
        )
    if receipt.log != log:
        raise DoubtError(Untruth.ANOTHER_LOG, f"the receipt is of log {receipt.log.log_id.hex()}")
    receipt = _with_promise(_with_opening(receipt, wanted.opening), wanted.promise)
    digest = receipt.content.digest if receipt.content.state == ContentState.SHOWN else None
    verdict = verify(receipt, replace(verifier, content_digest=digest))
    if verdict.exit_code == ExitCode.NOT_THE_AUTHOR:
        raise NotTheAuthorError(verdict)
    if verdict.outcome == Judged.FAILED:
        texts = [f"{step.number} {step.name}: {step.text}" for step in verdict.steps if step.reason is not None]
        raise DoubtError(_untruth_of(verdict.reasons), "; ".join(texts))
    return CheckedReceipt(receipt, verdict)


def _untruth_of(reasons: Sequence[Reason]) -> Untruth:
    named = {
        Reason.CONTENT_CHANGED: Untruth.CONTENT_CHANGED,
        Reason.COMMITMENT_MISMATCH: Untruth.COMMITMENT,
    }
    return named.get(reasons[0], Untruth.RECEIPT_WRONG) if len(reasons) == 1 else Untruth.RECEIPT_WRONG


def _with_opening(receipt: Receipt, opening: Content | None) -> Receipt:
    """Return the receipt with salt and digest that are known here; the service may know or show less."""
    if opening is None:
        return receipt
    shown = receipt.content
    if shown.state == ContentState.SHOWN and (shown.salt, shown.digest) != (opening.salt, opening.digest):
        raise DoubtError(Untruth.COMMITMENT, "the receipt shows another salt or digest than the one that was sent")
    return replace(receipt, content=replace(opening, data=shown.data or opening.data))


def _with_promise(receipt: Receipt, promise: Promise | None) -> Receipt:
    """Return the receipt with the promise that is held here."""
    if promise is None:
        return receipt
    if receipt.sealed is not None and receipt.sealed.chain.index != promise.leaf.leaf_index:
        raise DoubtError(
            Untruth.RECEIPT_INDEX,
            f"promised at index {promise.leaf.leaf_index}, sealed at {receipt.sealed.chain.index}: keep both",
        )
    return replace(receipt, promise=promise)


def check_history(body: bytes, old: Checkpoint, new: Checkpoint) -> None:
    """Raise DoubtError unless the newer directory begins with the older one."""
    path = fields_of(body).hashes("path", 2 * MAX_PATH)
    try:
        check_consistency(old.size, new.size, old.root, new.root, path)
    except VerificationError as error:
        raise DoubtError(Untruth.HISTORY, str(error)) from error
