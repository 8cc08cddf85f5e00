# SPDX-License-Identifier: Apache-2.0
"""``verify``: what a receipt proves, in numbered steps (design section 3.5, docs/spec/receipt.md).

Input is a decoded receipt and what the verifier brings: the file's digest, the log's card, blocks he trusts.
The CLI, the tests and third parties call ``verify``; the browser verifier is a second implementation of it.

The steps do not depend on each other: each is judged by what the receipt itself carries, so that a verdict names
every step that fails, and whoever was believed for those that hold.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from math import log2
from typing import Any

from anchor.proof import ed25519
from anchor.proof.bitcoin.anchor import BitcoinAnchor, check_anchor_header, check_anchor_transaction
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.networks import NETWORKS, NetworkRules
from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.blocks import KnownBlock, KnownBlocks
from anchor.proof.calendar import JudgedCalendar, judge_calendar
from anchor.proof.checkpoint import key_id
from anchor.proof.codec import sha256
from anchor.proof.entry import AuthorType, ExtensionType, check_author, check_chain_id, content_commitment
from anchor.proof.errors import MalformedError, Reason, VerificationError
from anchor.proof.leaves import (
    NO_PREVIOUS,
    NOTHING_REPLACED,
    Key,
    KeyLeaf,
    KeyType,
    LogLeaf,
    Purpose,
    SealLeaf,
    Signer,
    ThreadLeaf,
)
from anchor.proof.merkle import check_inclusion, leaf_hash
from anchor.proof.promise import Promise, check_promise, check_promise_path, promise_key_id
from anchor.proof.receipt import ContentState, DirectoryProof, LogCard, OtherAnchor, Receipt, Sealed
from anchor.proof.timestamp import JudgedTimestamp, TimeStamp, TimestampCheck, imprint_of, judge_timestamps

# Bitcoin's own convention; on test networks depth says little, and the verdict says so.
DEFAULT_DEPTH = 6


class State(StrEnum):
    """How one step ended."""

    OK = "ok"
    FAILED = "failed"
    NOT_CHECKED = "not checked"
    ABSENT = "absent"


class Outcome(StrEnum):
    """What a verdict says."""

    INTACT = "intact"
    ATTESTED = "attested"
    TIME_STAMPED = "time-stamped"
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    NOT_CHECKED = "not checked"
    NOT_COMPARED = "content erased or withheld"


class ExitCode(IntEnum):
    """Exit codes of ``anchorline verify`` (docs/spec/verdict.md)."""

    INTACT = 0
    FAILED = 1
    USAGE = 2
    INCOMPLETE = 3
    NOT_CHECKED = 4
    NOT_COMPARED = 5


_EXIT_CODES = {
    Outcome.INTACT: ExitCode.INTACT,
    # Only through a block that the verifier knows himself, and never as the log's own anchor.
    Outcome.ATTESTED: ExitCode.INTACT,
    # Only where the verifier said that a time stamp is enough for him: see ``Verifier.accept_timestamp``.
    Outcome.TIME_STAMPED: ExitCode.INTACT,
    Outcome.FAILED: ExitCode.FAILED,
    Outcome.INCOMPLETE: ExitCode.INCOMPLETE,
    Outcome.NOT_CHECKED: ExitCode.NOT_CHECKED,
    Outcome.NOT_COMPARED: ExitCode.NOT_COMPARED,
}

ARITHMETIC = "arithmetic"
THE_LOG = "the log's own statement"
NAMES = {
    1: "entry",
    2: "content",
    3: "author",
    4: "chain path",
    5: "keys and note",
    6: "directory paths",
    7: "seal and first head",
    8: "log",
    9: "promise",
    10: "payload",
    11: "transaction, branch, coinbase",
    12: "header, work, block",
    13: "thread",
    14: "time stamp",
    15: "calendar attestation",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a verification; ``rests_on`` says whose word it is where it is more than arithmetic."""

    number: int
    state: State
    text: str
    rests_on: str = ARITHMETIC
    reason: Reason | None = None
    known: KnownBlock | None = None  # step 12: what was believed about the block
    shallow: bool = False  # not checked because the block is not deep enough yet, which time will mend

    @property
    def name(self) -> str:
        """What the step is about."""
        return NAMES[self.number]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What ``verify`` found; ``missing`` names what keeps it from INTACT, ``facts`` are for ``--json``."""

    outcome: Outcome
    steps: tuple[Step, ...]
    missing: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """Exit code of ``anchorline verify``."""
        return int(_EXIT_CODES[self.outcome])

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The names of what failed, in the order of the steps."""
        return tuple(step.reason for step in self.steps if step.reason is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as ``--json`` prints it."""
        return {
            "outcome": str(self.outcome),
            "exit_code": self.exit_code,
            "reasons": [str(reason) for reason in self.reasons],
            "missing": list(self.missing),
            "steps": [
                {
                    "number": step.number,
                    "name": step.name,
                    "state": str(step.state),
                    "text": step.text,
                    "rests_on": step.rests_on,
                    "reason": None if step.reason is None else str(step.reason),
                }
                for step in self.steps
            ],
            "facts": self.facts,
        }


@dataclass(frozen=True, slots=True)
class Verifier:
    """What the verifier brings. Nothing here comes from the receipt or from the service.

    ``content_digest`` is the SHA-256 of the file at hand; ``blocks`` are the views of Bitcoin that he trusts, the
    first that reaches a height is believed; ``depth`` is how many confirmations he wants where they are known, and
    how many blocks of full difficulty the work must be worth where that is known.
    ``check_timestamp`` knows the certificates that he trusts to tell the time; with ``accept_timestamp`` an
    authority's word is enough for him where no block is checked.
    """

    content_digest: bytes | None = None
    card: LogCard | None = None
    any_log: bool = False
    blocks: tuple[KnownBlocks, ...] = ()
    depth: int = DEFAULT_DEPTH
    check_signature: ed25519.SignatureCheck = ed25519.verify
    check_timestamp: TimestampCheck | None = None
    accept_timestamp: bool = False


@dataclass(frozen=True, slots=True)
class _Identity:
    """The two hashes that several steps need, computed once."""

    log_id: bytes
    entry_hash: bytes


def verify(receipt: Receipt, verifier: Verifier) -> Verdict:
    """Judge ``receipt`` with what the verifier brings; never raises for anything that a receipt can hold."""
    identity = _Identity(receipt.log.log_id, receipt.entry.hash)
    steps = [
        _run(1, lambda: _entry(receipt, identity)),
        _run(2, lambda: _content(receipt, verifier)),
        _run(3, lambda: _author(receipt, verifier)),
    ]
    if receipt.sealed is None:
        steps += [
            *(_absent(number, "not sealed yet") for number in (4, 5, 6, 7)),
            _run(8, lambda: _log_pinned(receipt, verifier, identity.log_id)),
            _run(9, lambda: _promise(receipt, verifier, identity)),
            *(_absent(number, "not anchored yet") for number in (10, 11, 12, 13)),
        ]
        return _conclude(receipt, verifier, steps, _Anchored(None, (), ()), identity)
    steps += _sealed_steps(receipt, receipt.sealed, verifier, identity)
    best, anchor_steps = _best_anchor(receipt, receipt.sealed, verifier, identity.log_id)
    judged = _judged_timestamps(receipt.sealed, verifier)
    steps += anchor_steps + ([_timestamp(judged)] if judged else [])
    attested = _judged_attestations(receipt.sealed, verifier)
    steps += [_attestation(attested)] if attested else []
    return _conclude(receipt, verifier, steps, _Anchored(best, judged, attested), identity)


def verify_bytes(data: bytes, verifier: Verifier) -> Verdict:
    """Read and judge a receipt file; raise MalformedError where it is none."""
    return verify(Receipt.decode(data), verifier)


def _sealed_steps(receipt: Receipt, sealed: Sealed, verifier: Verifier, identity: _Identity) -> list[Step]:
    return [
        _run(4, lambda: _chain_path(sealed, identity.entry_hash)),
        _run(5, lambda: _keys_and_note(receipt, sealed, verifier, identity.log_id)),
        _run(6, lambda: _directory_paths(sealed, identity.log_id)),
        _run(7, lambda: _seal(receipt, sealed, verifier)),
        _run(8, lambda: _log_pinned(receipt, verifier, identity.log_id)),
        _run(9, lambda: _promise(receipt, verifier, identity)),
    ]


def _run(number: int, step: Callable[[], Step]) -> Step:
    """Turn what a step raises into a failed step, so that the verdict is always whole."""
    try:
        return step()
    except VerificationError as error:
        return Step(number, State.FAILED, str(error), reason=error.reason)
    except MalformedError as error:
        return Step(number, State.FAILED, str(error), reason=Reason.MALFORMED)


def _absent(number: int, text: str) -> Step:
    return Step(number, State.ABSENT, text)


def _ok(number: int, text: str, rests_on: str = ARITHMETIC) -> Step:
    return Step(number, State.OK, text, rests_on)


def _not_checked(number: int, text: str) -> Step:
    return Step(number, State.NOT_CHECKED, text, "nobody")


# 1 entry


def _entry(receipt: Receipt, identity: _Identity) -> Step:
    entry = receipt.entry
    wanted_log = entry.extension(ExtensionType.LOG_ID)
    if wanted_log is not None and wanted_log != identity.log_id:
        raise VerificationError(
            Reason.WRONG_LOG_EXTENSION,
            f"the entry is meant for log {wanted_log.hex()} only, not {identity.log_id.hex()}",
        )
    if receipt.sealed is not None and receipt.sealed.chain.index == 0:
        check_chain_id(entry)
    critical = entry.unknown_critical_extensions()
    if critical:
        return _not_checked(1, f"extension {critical[0]:#06x} is unknown: this version cannot verify the entry")
    return _ok(1, f"entry {identity.entry_hash.hex()} of chain {entry.chain_id.hex()}")


# 2 content


def _content(receipt: Receipt, verifier: Verifier) -> Step:
    content = receipt.content
    if content.state != ContentState.SHOWN:
        claim = "" if content.state == ContentState.WITHHELD else " (the service's claim)"
        return _not_checked(2, f"content not compared: it is {content.state}{claim}")
    if content_commitment(content.salt, content.digest) != receipt.entry.content_commitment:
        raise VerificationError(
            Reason.COMMITMENT_MISMATCH,
            "salt and digest in the receipt do not give the entry's content commitment",
        )
    if content.data is not None and sha256(content.data) != content.digest:
        raise VerificationError(Reason.CONTENT_CHANGED, "the content inside the receipt is not what was recorded")
    if verifier.content_digest is None:
        if content.data is None:
            return _not_checked(2, "content not compared: neither a file nor content in the receipt")
        return _ok(2, f"the content in the receipt is what was recorded, SHA-256 {content.digest.hex()}")
    if verifier.content_digest != content.digest:
        raise VerificationError(
            Reason.CONTENT_CHANGED,
            f"the file is not what was recorded: expected SHA-256 {content.digest.hex()}, "
            f"found {verifier.content_digest.hex()}",
        )
    return _ok(2, f"the file is what was recorded, SHA-256 {content.digest.hex()}")


# 3 author


def _author(receipt: Receipt, verifier: Verifier) -> Step:
    if receipt.entry.author.type == AuthorType.NONE:
        return _absent(3, "the entry is not signed: nothing is said about who wrote it")
    if not check_author(receipt.entry, verifier.check_signature):
        return _not_checked(3, f"signature not checked: author type {receipt.entry.author.type} is unknown")
    return _ok(3, f"signed by key {receipt.entry.author.body[:32].hex()}; whose key it is, is not said here")


# 4 chain path


def _chain_path(sealed: Sealed, entry_hash: bytes) -> Step:
    head = sealed.head.leaf
    check_inclusion(
        entry_hash,
        sealed.chain.index,
        head.tree_size,
        sealed.chain.path,
        head.root,
        Reason.CHAIN_PATH_WRONG,
    )
    return _ok(4, f"entry {sealed.chain.index} of the chain's {head.tree_size} at its first head")


# 5 keys and note


@dataclass(frozen=True, slots=True)
class _KeyHistory:
    """Keys after every shown key leaf: the current one for a purpose, and the leaf hash that gave it."""

    current: dict[int, Key]
    given_by: dict[int, bytes]


def _keys_and_note(receipt: Receipt, sealed: Sealed, verifier: Verifier, log_id: bytes) -> Step:
    history = key_history(receipt.log, tuple(proof.leaf for proof in sealed.keys), log_id, verifier.check_signature)
    _check_key_order(sealed)
    if sealed.checkpoint.origin != receipt.log.origin:
        raise VerificationError(
            Reason.CHECKPOINT_ORIGIN_WRONG,
            f"the checkpoint is by {sealed.checkpoint.origin!r}, the log leaf says {receipt.log.origin!r}",
        )
    public_key = history.current[Purpose.CHECKPOINT].value
    check_note(sealed, receipt.log.origin, public_key, verifier.check_signature)
    keys = f" after {len(sealed.keys)} changes of keys" if sealed.keys else ""
    return _ok(
        5,
        f"checkpoint of {sealed.checkpoint.size} leaves signed by {receipt.log.origin}{keys}",
        "the log's signature; that all key changes are shown, is the auditor's check",
    )


def key_history(
    log: LogLeaf, key_leaves: tuple[KeyLeaf, ...], log_id: bytes, check: ed25519.SignatureCheck
) -> _KeyHistory:
    """Follow the key leaves from leaf 0 on; raise VerificationError where one does not follow from the one before."""
    given_by = {int(purpose): log_id for purpose in Purpose}  # the log id is the hash of leaf 0
    current = {int(purpose): log.key(purpose) for purpose in Purpose}
    for leaf in key_leaves:
        if leaf.replaced != given_by[leaf.purpose]:
            raise VerificationError(
                Reason.KEY_HISTORY_WRONG,
                f"a key leaf replaces {leaf.replaced.hex()}, which did not give the key",
            )
        signer = current[Purpose.RECOVERY if leaf.signer == Signer.RECOVERY_KEY else leaf.purpose]
        if signer.type == KeyType.REVOKED or not check(signer.value, leaf.signed_message(log_id), leaf.signature):
            raise VerificationError(
                Reason.KEY_HISTORY_WRONG, "a key leaf is not signed by the old key or the recovery key"
            )
        current[leaf.purpose] = leaf.new_key
        given_by[leaf.purpose] = leaf_hash(leaf.encode())
    return _KeyHistory(current, given_by)


def _check_key_order(sealed: Sealed) -> None:
    indexes = [proof.index for proof in sealed.keys]
    if indexes != sorted(set(indexes)):
        raise VerificationError(Reason.KEY_HISTORY_WRONG, f"key leaves are not in ascending order: {indexes}")


def check_note(sealed: Sealed, origin: str, public_key: bytes, check: ed25519.SignatureCheck) -> None:
    """Raise VerificationError unless the note carries a good signature by the log's checkpoint key.

    Lines by others are ignored; a line with our name and key id that fails, fails the note (C2SP signed-note).
    """
    wanted = key_id(origin, public_key)
    lines = [line for line in sealed.note.signatures if (line.name, line.key_id) == (origin, wanted)]
    message = sealed.note.text.encode()
    if not lines or not all(check(public_key, message, line.signature) for line in lines):
        raise VerificationError(
            Reason.CHECKPOINT_SIGNATURE_WRONG,
            f"the checkpoint is not signed by the log's checkpoint key (id {wanted.hex()})",
        )


# 6 directory paths


def _directory_paths(sealed: Sealed, log_id: bytes) -> Step:
    proofs: list[DirectoryProof[Any]] = [sealed.head, sealed.seal]
    proofs += [proof for proof in (sealed.thread, sealed.previous_head) if proof is not None]
    proofs += sealed.keys
    places = [(log_id, 0, sealed.log_path)]
    places += [(leaf_hash(proof.leaf.encode()), proof.index, proof.path) for proof in proofs]
    size, root = sealed.checkpoint.size, sealed.checkpoint.root
    for digest, index, path in places:
        check_inclusion(digest, index, size, path, root, Reason.DIRECTORY_PATH_WRONG)
    return _ok(6, f"{len(places)} leaves of the directory are under the checkpoint's root")


# 7 seal and first head


def _seal(receipt: Receipt, sealed: Sealed, verifier: Verifier) -> Step:
    head, seal = sealed.head, sealed.seal
    if not seal.index - seal.leaf.head_count <= head.index < seal.index:
        raise VerificationError(
            Reason.SEAL_MISMATCH,
            f"the seal at {seal.index} holds the {seal.leaf.head_count} heads before it, not the one at {head.index}",
        )
    if head.leaf.chain_id != receipt.entry.chain_id:
        raise VerificationError(
            Reason.HEAD_MISMATCH, f"the head is of chain {head.leaf.chain_id.hex()}, the entry of another"
        )
    _check_first_head(sealed)
    word, believed = _word_on_block_before(receipt, seal.leaf, verifier)
    return _ok(
        7,
        f"sealed as number {seal.leaf.seal_number}, after block {seal.leaf.block_height} "
        f"{hash_hex(seal.leaf.block_hash)}, {word}",
        f"{believed}; that no head lies between this one and the one before, is the auditor's check",
    )


def _word_on_block_before(receipt: Receipt, seal: SealLeaf, verifier: Verifier) -> tuple[str, str]:
    """Say whose word the lower end of the time bracket is: the log's, unless the verifier has this block too.

    Another block there does not fail the receipt: a reorganisation can take the block away after the seal.
    """
    rules = network_of(receipt.log)
    for view in verifier.blocks:
        known = view.at(seal.block_height) if rules is not None and view.network == rules.name else None
        if known is None:
            continue
        if known.hash == seal.block_hash:
            return f"which {view.believed} confirms", view.believed
        found = hash_hex(known.hash)
        return f"as the log says, but {view.believed} has {found} there: since when, is not known", THE_LOG
    return "as the log says", THE_LOG


def _check_first_head(sealed: Sealed) -> None:
    """The head is the first that holds the entry: the one before it was shorter (that none lies between is audited)."""
    head, previous, index = sealed.head, sealed.previous_head, sealed.chain.index
    pointer = None if head.leaf.previous_index == NO_PREVIOUS else head.leaf.previous_index
    if pointer != (None if previous is None else previous.index):
        raise VerificationError(Reason.NOT_FIRST_HEAD, "the head points to another previous head than the one shown")
    if previous is None:
        return
    if previous.index >= head.index or previous.leaf.chain_id != head.leaf.chain_id:
        raise VerificationError(Reason.NOT_FIRST_HEAD, "the previous head is of another chain, or not before the head")
    if not previous.leaf.tree_size <= index < head.leaf.tree_size:
        raise VerificationError(
            Reason.NOT_FIRST_HEAD,
            f"entry {index} is not among those that this head added: {previous.leaf.tree_size} to "
            f"{head.leaf.tree_size - 1}",
        )


# 8 log


def _log_pinned(receipt: Receipt, verifier: Verifier, log_id: bytes) -> Step:
    if verifier.card is None:
        waived = ", as you said (any log)" if verifier.any_log else ""
        return _not_checked(8, f"the log is not identified{waived}: it calls itself {receipt.log.origin!r}")
    if verifier.card.log != receipt.log:
        raise VerificationError(
            Reason.WRONG_LOG,
            f"the receipt is of log {log_id.hex()}, your card is of log {verifier.card.log.log_id.hex()}",
        )
    return _ok(8, f"log {log_id.hex()} is the one on your card", "you (the log card)")


# 9 promise


def _promise(receipt: Receipt, verifier: Verifier, identity: _Identity) -> Step:
    promise = receipt.promise
    if promise is None:
        return _absent(9, "the receipt carries no promise")
    leaf = promise.leaf
    found = (leaf.chain_id, leaf.entry_hash)
    if found != (receipt.entry.chain_id, identity.entry_hash):
        raise VerificationError(Reason.PROMISE_MISMATCH, "the promise is for another entry or another chain")
    if receipt.sealed is not None and leaf.leaf_index != receipt.sealed.chain.index:
        raise VerificationError(
            Reason.PROMISE_MISMATCH,
            f"promised at index {leaf.leaf_index}, sealed at {receipt.sealed.chain.index}: keep both as evidence",
        )
    keys = [key for key in _promise_keys(receipt) if promise_key_id(key) == promise.key_id]
    if not keys and receipt.sealed is None:
        check_promise_path(promise, identity.log_id)
        return _not_checked(9, f"the promise is by key {promise.key_id.hex()}, which only a sealed receipt can show")
    _check_promise_by_any(keys or [receipt.log.promise_key.value], promise, verifier, identity.log_id)
    return _ok(9, _promise_text(receipt), THE_LOG)


def _promise_keys(receipt: Receipt) -> list[bytes]:
    """A promise may be older than the newest key leaf, so every promise key that the receipt shows counts."""
    leaves = tuple(proof.leaf for proof in receipt.sealed.keys) if receipt.sealed else ()
    later = [leaf.new_key.value for leaf in leaves if leaf.purpose == Purpose.PROMISE and leaf.new_key.value]
    return [receipt.log.promise_key.value, *later]


def _check_promise_by_any(keys: list[bytes], promise: Promise, verifier: Verifier, log_id: bytes) -> None:
    """Key ids are four bytes, so two keys can share one: it is enough that one of ``keys`` made the promise."""
    for key in keys[:-1]:
        try:
            return check_promise(promise, log_id, key, verifier.check_signature)
        except VerificationError:
            continue
    return check_promise(promise, log_id, keys[-1], verifier.check_signature)


def _promise_text(receipt: Receipt) -> str:
    assert receipt.promise is not None
    note = receipt.promise.note
    text = f"promised at {_utc(note.received_at_ms)}"
    if receipt.sealed is None:
        return text
    late_ms = receipt.sealed.seal.leaf.sealed_at_ms - note.seal_by_ms
    return text if late_ms <= 0 else f"{text}; sealed {late_ms} ms later than promised, which is a breach"


def _utc(time_ms: int) -> str:
    """Return a Unix time in milliseconds as RFC 3339 UTC; a time that no calendar holds stays a number."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, OSError, ValueError):
        return f"{time_ms} ms"


# 10 to 13: the anchors, of which at least one must verify


def _best_anchor(
    receipt: Receipt, sealed: Sealed, verifier: Verifier, log_id: bytes
) -> tuple[BitcoinAnchor | None, list[Step]]:
    """Return the bitcoin anchor that gets furthest, with its steps; the verdict speaks of no other."""
    judged = [
        (anchor, _bitcoin_steps(receipt, sealed, anchor, verifier, log_id))
        for anchor in sealed.anchors
        if isinstance(anchor, BitcoinAnchor)
    ]
    if not judged:
        return None, [_absent(number, _no_bitcoin(sealed)) for number in (10, 11, 12, 13)]
    return max(judged, key=lambda pair: tuple(_rank(pair[1])))


def _no_bitcoin(sealed: Sealed) -> str:
    others = ", ".join(_other_anchors(sealed))
    if others:
        return f"no bitcoin anchor, only {others}, which this version does not check"
    if sealed.attestations:
        return "the log's own anchor is not in the receipt, only a calendar's attestation"
    return "not anchored in Bitcoin yet, only time-stamped" if sealed.timestamps else "not anchored yet"


def _other_anchors(sealed: Sealed) -> list[str]:
    return sorted({anchor.type[:40] for anchor in sealed.anchors if isinstance(anchor, OtherAnchor)})


def _rank(steps: list[Step]) -> list[int]:
    states = [step.state for step in steps]
    return [-states.count(State.FAILED), -states[:3].count(State.NOT_CHECKED)]


def _bitcoin_steps(
    receipt: Receipt, sealed: Sealed, anchor: BitcoinAnchor, verifier: Verifier, log_id: bytes
) -> list[Step]:
    return [
        _run(10, lambda: _payload(sealed, anchor)),
        _run(11, lambda: _transaction(anchor)),
        _run(12, lambda: _block(receipt, sealed, anchor, verifier)),
        _run(13, lambda: _thread(receipt, sealed, anchor, verifier, log_id)),
    ]


def _payload(sealed: Sealed, anchor: BitcoinAnchor) -> Step:
    payload = find_payload(anchor.decoded_transaction)
    if (payload.tree_size, payload.root) != (sealed.checkpoint.size, sealed.checkpoint.root):
        raise VerificationError(
            Reason.PAYLOAD_MISMATCH,
            f"the transaction anchors a tree of {payload.tree_size} leaves with root {payload.root.hex()}, "
            "which is not this checkpoint",
        )
    return _ok(10, f"the transaction carries size {payload.tree_size} and root of the checkpoint")


def _transaction(anchor: BitcoinAnchor) -> Step:
    transaction = check_anchor_transaction(anchor)
    return _ok(11, f"transaction {hash_hex(transaction.txid)} is number {anchor.index} of the block")


def _block(receipt: Receipt, sealed: Sealed, anchor: BitcoinAnchor, verifier: Verifier) -> Step:
    rules = network_of(receipt.log)
    if rules is None:
        genesis = hash_hex(receipt.log.network_genesis)
        return _not_checked(12, f"the log's network (genesis {genesis}) is unknown to this version")
    header = check_anchor_header(anchor, rules)
    known, believed = _known_block(rules, anchor.height, sealed, verifier)
    where = f"block {anchor.height} {hash_hex(header.hash)} of {rules.name}"
    if known is None:
        return _not_checked(12, f"{where}: the header has its work, but {_unasked(verifier)}")
    if known.hash != header.hash:
        raise VerificationError(
            Reason.BLOCK_MISMATCH,
            f"expected block {anchor.height} to be {hash_hex(known.hash)}, as {believed} says, found "
            f"{hash_hex(header.hash)}",
        )
    depth = _depth_text(known)
    if known.depth is not None and known.depth < verifier.depth:
        text = f"{where}{depth}: not deep enough yet, {verifier.depth} are wanted"
        return Step(12, State.NOT_CHECKED, text, believed, shallow=True, known=known)
    return Step(12, State.OK, f"{where}{depth}", believed, known=known)


def _unasked(verifier: Verifier) -> str:
    """Say why nobody said whether a block is on the best chain."""
    if not verifier.blocks:
        return "nobody was asked whether it is on the best chain"
    return f"nothing is known at its height: {'; '.join(view.believed for view in verifier.blocks)}"


def _depth_text(known: KnownBlock) -> str:
    """Say how deep a block is: confirmations, the work of the block and all on top, and what that work is worth."""
    text = "" if known.confirmations is None else f", {known.confirmations} confirmations"
    if known.work:
        text += f" with the work of {'at least' if known.is_least else 'about'} 2^{log2(known.work):.1f} hashes"
    if known.full_confirmations is not None and known.full_confirmations != known.confirmations:
        text += f", worth {known.full_confirmations} blocks of its period's full difficulty"
    return text


def _known_block(rules: NetworkRules, height: int, sealed: Sealed, verifier: Verifier) -> tuple[KnownBlock | None, str]:
    """Ask each view in turn. A view of another network is the verifier's way to say which network he means.

    But for one of a network on which a calendar attests: step 15 asks that.
    """
    attesting = {anchor.network for anchor in sealed.attestations}
    for view in verifier.blocks:
        if view.network != rules.name and view.network not in attesting:
            raise VerificationError(
                Reason.WRONG_NETWORK, f"you gave a block of {view.network}; this receipt is of {rules.name}"
            )
    return _asked([view for view in verifier.blocks if view.network == rules.name], height)


def _asked(views: list[KnownBlocks], height: int) -> tuple[KnownBlock | None, str]:
    """Ask each view in turn; the first that reaches the height is believed."""
    for view in views:
        known = view.at(height)
        if known is not None:
            return known, view.believed
    return None, ""


def network_of(log: LogLeaf) -> NetworkRules | None:
    """Return the network that leaf 0 names by genesis hash and message start, or None where it is unknown."""
    wanted = (log.network_genesis, log.message_start)
    return next((rules for rules in NETWORKS.values() if (rules.genesis_hash, rules.message_start) == wanted), None)


def _thread(receipt: Receipt, sealed: Sealed, anchor: BitcoinAnchor, verifier: Verifier, log_id: bytes) -> Step:
    if sealed.thread is None:
        raise VerificationError(
            Reason.THREAD_MISMATCH,
            "an anchored checkpoint covers the leaf that names its thread, and none is shown",
        )
    outpoint = sealed.thread.leaf.outpoint
    listed = None if verifier.card is None else verifier.card.thread
    if listed is not None and outpoint not in listed:
        raise VerificationError(
            Reason.THREAD_MISMATCH,
            f"the thread starts at {outpoint}, which is not on your log card; if the card is older than this thread, "
            "ask for the newest one",
        )
    _check_order_of_threads(sealed.thread.leaf, listed)
    is_new = sealed.thread.leaf.replaced != NOTHING_REPLACED
    if is_new:
        _check_new_thread(receipt, sealed, sealed.thread, verifier, log_id)
    if _first_input(anchor) == outpoint:
        again = " again" if is_new else ""
        return _ok(13, f"the first transaction of the thread, which starts{again} at {outpoint}", THE_LOG)
    return _not_checked(
        13, "the thread is not checked here: whether this transaction is on the log's one line is the auditor's check"
    )


def _check_order_of_threads(leaf: ThreadLeaf, listed: tuple[OutPoint, ...] | None) -> None:
    """The first thread of the card replaces nothing, and its second one the first, whose leaf the card gives.

    A later one replaces a leaf with a signature that neither card nor receipt shows: that is the auditor's check.
    """
    if not listed:
        return
    place = listed.index(leaf.outpoint)
    first = leaf_hash(ThreadLeaf(listed[0]).encode())
    fits = leaf.replaced == NOTHING_REPLACED if place == 0 else leaf.replaced != NOTHING_REPLACED
    if not fits or (place == 1 and leaf.replaced != first):
        raise VerificationError(
            Reason.THREAD_MISMATCH,
            f"the thread that starts at {leaf.outpoint} is number {place + 1} on your log card, and its leaf replaces "
            f"{leaf.replaced.hex()}, which is not the leaf of the thread before it",
        )


def _check_new_thread(
    receipt: Receipt, sealed: Sealed, thread: DirectoryProof[ThreadLeaf], verifier: Verifier, log_id: bytes
) -> None:
    """A thread that takes the place of another is signed by the recovery key that was valid at its leaf."""
    given = [proof.leaf for proof in sealed.keys if proof.index < thread.index]
    keys = [receipt.log.recovery_key, *(leaf.new_key for leaf in given if leaf.purpose == Purpose.RECOVERY)]
    if not verifier.check_signature(keys[-1].value, thread.leaf.signed_message(log_id), thread.leaf.signature):
        raise VerificationError(
            Reason.THREAD_MISMATCH,
            f"the thread that starts at {thread.leaf.outpoint} is not signed by the recovery key",
        )


def _first_input(anchor: BitcoinAnchor) -> OutPoint:
    return anchor.decoded_transaction.inputs[0].previous


# 14 time stamps: a step of its own, only where the receipt has some


def _judged_timestamps(sealed: Sealed, verifier: Verifier) -> tuple[JudgedTimestamp, ...]:
    checkpoint = sealed.checkpoint
    return judge_timestamps(
        sealed.timestamps, lambda: imprint_of(checkpoint.size, checkpoint.root), verifier.check_timestamp
    )


def _timestamp(judged: tuple[JudgedTimestamp, ...]) -> Step:
    """One that holds is enough; else one that does not hold fails the step; else nobody checked."""
    good = [item.stamp for item in judged if item.holds and item.stamp is not None]
    failed = next((item for item in judged if item.error is not None), None)
    if good:
        others = "; another one does not hold" if failed is not None else ""
        return _ok(14, "; ".join(_stamped(stamp) for stamp in good) + others, _believed(good))
    if failed is not None:
        return Step(14, State.FAILED, str(failed.error), reason=failed.reason)
    unknown = [item.stamp.authority for item in judged if item.stamp is not None]
    if unknown:
        names = " and ".join(sorted(set(unknown)))
        return _not_checked(14, f"time stamp not checked: none of the certificates that you trust vouches for {names}")
    return _not_checked(14, "time stamp not checked: no certificate of a time-stamping authority was given")


def _stamped(stamp: TimeStamp) -> str:
    return f"the checkpoint was time-stamped by {stamp.authority} at {stamp.time}, {stamp.accuracy}"


def _believed(stamps: list[TimeStamp]) -> str:
    roots = " and ".join(sorted({str(stamp.vouched_by) for stamp in stamps}))
    return (
        f"the authority's clock and key, and on {roots}, which you trust; a key that was stolen can put any time into "
        "a time stamp, and whether a certificate was revoked is not checked"
    )


# 15 attestations of calendars: a step of its own, only where the receipt has some


def _judged_attestations(sealed: Sealed, verifier: Verifier) -> tuple[JudgedCalendar, ...]:
    def known(rules: NetworkRules, height: int) -> tuple[KnownBlock | None, str]:
        return _asked([view for view in verifier.blocks if view.network == rules.name], height)

    checkpoint = sealed.checkpoint
    return tuple(
        judge_calendar(anchor, lambda: imprint_of(checkpoint.size, checkpoint.root), known, verifier.depth)
        for anchor in sealed.attestations
    )


def _attestation(judged: tuple[JudgedCalendar, ...]) -> Step:
    """One that holds is enough; else one that does not hold fails the step; else nobody could say."""
    good = [item.block for item in judged if item.block is not None]
    failed = next((item for item in judged if item.error is not None), None)
    if good:
        others = "; another one does not hold" if failed is not None else ""
        blocks = " and ".join(block.name for block in good)
        text = f"the checkpoint is attested by {blocks}, through an OpenTimestamps calendar{others}"
        return _ok(15, text, " and ".join(dict.fromkeys(block.believed for block in good)))
    if failed is not None:
        return Step(15, State.FAILED, str(failed.error), reason=failed.reason)
    return _not_checked(15, f"calendar's attestation not checked: {judged[0].unchecked}")


# the verdict


@dataclass(frozen=True, slots=True)
class _Anchored:
    """The bitcoin anchor that the verdict speaks of, the time stamps, and the calendars' attestations."""

    bitcoin: BitcoinAnchor | None
    timestamps: tuple[JudgedTimestamp, ...]
    attestations: tuple[JudgedCalendar, ...]


def _conclude(
    receipt: Receipt, verifier: Verifier, steps: list[Step], anchored: _Anchored, identity: _Identity
) -> Verdict:
    by_number = {step.number: step for step in steps}
    missing = _missing(receipt, verifier, by_number)
    facts = _facts(receipt, by_number, anchored, identity)
    return Verdict(_outcome(receipt, verifier, by_number), tuple(steps), tuple(missing), facts)


def _missing(receipt: Receipt, verifier: Verifier, steps: dict[int, Step]) -> list[str]:
    missing = [steps[1].text] if steps[1].state == State.NOT_CHECKED else []
    if steps[2].state == State.NOT_CHECKED:
        missing.append(steps[2].text)
    if receipt.sealed is None:
        missing.append("not sealed yet: ask for an upgrade later")
    elif steps[10].state == State.ABSENT:
        missing.append(f"{steps[10].text}: ask for an upgrade later")
    elif steps[12].state == State.NOT_CHECKED:
        missing.append(steps[12].text)
    if steps[8].state == State.NOT_CHECKED and not verifier.any_log:
        missing.append("the log is not identified: bytes existed by then, but in whose log is not said")
    if steps[13].state == State.NOT_CHECKED:
        missing.append(steps[13].text)
    if 15 in steps and steps[15].state == State.NOT_CHECKED:
        missing.append(steps[15].text)
    return missing + _missing_timestamp(verifier, steps)


def _missing_timestamp(verifier: Verifier, steps: dict[int, Step]) -> list[str]:
    step = steps.get(14)
    if step is None or step.state == State.FAILED:
        return []
    if step.state == State.NOT_CHECKED:
        return [step.text]
    if _lacks_bitcoin(steps) is None or verifier.accept_timestamp or _is_attested(steps):
        return []
    return [
        f"{step.text}; that is the word of an authority and no Bitcoin anchor, and you did not say that it is enough"
    ]


def _outcome(receipt: Receipt, verifier: Verifier, steps: dict[int, Step]) -> Outcome:
    """Weigh the steps: a failure first, then what nobody could check, then what is not there yet."""
    if any(step.state == State.FAILED for step in steps.values()):
        return Outcome.FAILED
    if steps[1].state == State.NOT_CHECKED:
        return Outcome.NOT_CHECKED
    lacking = _lacks_bitcoin(steps)
    instead = _instead(verifier, steps)
    if lacking is not None and instead is None:
        return lacking
    if steps[8].state == State.NOT_CHECKED and not verifier.any_log:
        return Outcome.INCOMPLETE
    if verifier.content_digest is not None and receipt.content.state != ContentState.SHOWN:
        return Outcome.NOT_COMPARED
    return instead if lacking is not None and instead is not None else Outcome.INTACT


def _instead(verifier: Verifier, steps: dict[int, Step]) -> Outcome | None:
    """Return what may stand where the log's own anchor was not checked: it has a name of its own, never ``intact``."""
    if _is_attested(steps):
        return Outcome.ATTESTED
    is_stamped = 14 in steps and steps[14].state == State.OK
    return Outcome.TIME_STAMPED if is_stamped and verifier.accept_timestamp else None


def _is_attested(steps: dict[int, Step]) -> bool:
    return 15 in steps and steps[15].state == State.OK


def _lacks_bitcoin(steps: dict[int, Step]) -> Outcome | None:
    """Return the outcome where no block of the best chain is known to hold the checkpoint, or None where one is."""
    if steps[10].state == State.ABSENT:
        return Outcome.INCOMPLETE
    if steps[12].state == State.NOT_CHECKED:
        return Outcome.INCOMPLETE if steps[12].shallow else Outcome.NOT_CHECKED
    return None


def _facts(receipt: Receipt, steps: dict[int, Step], anchored: _Anchored, identity: _Identity) -> dict[str, Any]:
    rules = network_of(receipt.log)
    facts: dict[str, Any] = {
        "entry_hash": identity.entry_hash.hex(),
        "chain_id": receipt.entry.chain_id.hex(),
        "log_id": identity.log_id.hex(),
        "origin": receipt.log.origin,
        "network": None if rules is None else rules.name,
        "proof_of_work": None if rules is None else rules.proof_of_work_note,
    }
    for name, kind in (
        ("author_time_ms", ExtensionType.AUTHOR_TIME),
        ("not_valid_after_ms", ExtensionType.NOT_VALID_AFTER),
    ):
        stated = receipt.entry.extension(kind)
        if stated is not None:
            facts[name] = int.from_bytes(stated, "big")
    sealed = receipt.sealed
    if sealed is None:
        return facts
    facts |= {
        "leaf_index": sealed.chain.index,
        "tree_size": sealed.head.leaf.tree_size,
        "checkpoint_size": sealed.checkpoint.size,
        "checkpoint_root": sealed.checkpoint.root.hex(),
        "sealed_at_ms": sealed.seal.leaf.sealed_at_ms,
        "sealed_after": {
            "height": sealed.seal.leaf.block_height,
            "block": hash_hex(sealed.seal.leaf.block_hash),
        },
    }
    if anchored.bitcoin is not None and _is_in_block(steps):
        facts["anchored_in"] = _anchored_in(anchored.bitcoin) | _depth_facts(steps[12].known)
    if anchored.timestamps:
        facts["time_stamps"] = [judged.to_json() for judged in anchored.timestamps]
    if anchored.attestations:
        facts["attestations"] = [judged.to_json() for judged in anchored.attestations]
    if others := _other_anchors(sealed):
        facts["other_anchors"] = others
    return facts


def _is_in_block(steps: dict[int, Step]) -> bool:
    """Say whether the checkpoint is in the anchor's block, which may still be one that nobody was asked about."""
    return steps[10].state == steps[11].state == State.OK and steps[12].state != State.FAILED


def _depth_facts(known: KnownBlock | None) -> dict[str, Any]:
    """Return confirmations, and the work of the block and all on top (hex), as far as they are known."""
    facts: dict[str, Any] = {}
    if known is not None and known.confirmations is not None:
        facts["confirmations"] = known.confirmations
    if known is not None and known.work is not None:
        facts["work"] = f"{known.work:064x}"
        if known.is_least:
            facts["work_is_least"] = True
    if known is not None and known.full_confirmations is not None:
        facts["full_confirmations"] = known.full_confirmations
    return facts


def _anchored_in(anchor: BitcoinAnchor) -> dict[str, Any]:
    header = anchor.decoded_header
    return {
        "height": anchor.height,
        "block": hash_hex(header.hash),
        "time_s": header.time_s,
        "transaction": hash_hex(anchor.decoded_transaction.txid),
    }
