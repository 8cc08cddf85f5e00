# SPDX-License-Identifier: Apache-2.0
"""Steps 5 to 9: the log's keys and note, its directory, the seal, whose log it is, and the promise.

Input is a decoded receipt and what the verifier brings; ``verify`` runs the steps in their order.
"""

from collections.abc import Sequence
from typing import Any

from anchor.proof import ed25519
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.checkpoint import is_signed_by, key_id
from anchor.proof.errors import Reason, VerificationError
from anchor.proof.leaves import NO_PREVIOUS, HeadLeaf, Key, KeyLeaf, KeyType, LogLeaf, Purpose, SealLeaf, Signer
from anchor.proof.merkle import check_inclusions, leaf_hash
from anchor.proof.promise import Promise, check_promise, check_promise_path, promise_key_id
from anchor.proof.receipt import DirectoryProof, OfLog, Receipt, Sealed, UnderCheckpoint
from anchor.proof.times import utc
from anchor.proof.verdict import THE_LOG, Step, absent, not_checked, ok
from anchor.proof.verifier import Identity, Verifier, network_of


def check_keys_and_note(receipt: OfLog, sealed: UnderCheckpoint, verifier: Verifier, log_id: bytes) -> Step:
    """Step 5: the keys follow from leaf 0, and the checkpoint is signed by the one that was valid."""
    keys = key_history(receipt.log, tuple(proof.leaf for proof in sealed.keys), log_id, verifier.check_signature)
    _check_key_order(sealed)
    if sealed.checkpoint.origin != receipt.log.origin:
        raise VerificationError(
            Reason.CHECKPOINT_ORIGIN_WRONG,
            f"the checkpoint is by {sealed.checkpoint.origin!r}, the log leaf says {receipt.log.origin!r}",
        )
    check_note(sealed, receipt.log.origin, keys[Purpose.CHECKPOINT].value, verifier.check_signature)
    changes = f" after {len(sealed.keys)} changes of keys" if sealed.keys else ""
    return ok(
        5,
        f"checkpoint of {sealed.checkpoint.size} leaves signed by {receipt.log.origin}{changes}",
        "the log's signature; that all key changes are shown, is the auditor's check",
    )


def check_directory_paths(sealed: Sealed, log_id: bytes) -> Step:
    """Step 6: every leaf of the directory that is shown is under the checkpoint."""
    shown = [sealed.head, sealed.seal, sealed.thread, sealed.previous_head, *sealed.keys]
    return check_shown_leaves(sealed, log_id, sealed.log_path, shown)


def check_shown_leaves(
    under: UnderCheckpoint, log_id: bytes, log_path: tuple[bytes, ...], shown: Sequence[DirectoryProof[Any] | None]
) -> Step:
    """Step 6 of whatever file: leaf 0, and every other leaf that it shows, is under its checkpoint."""
    places = [(log_id, 0, log_path)]
    places += [(leaf_hash(each.leaf.encode()), each.index, each.path) for each in shown if each is not None]
    check_inclusions(places, under.checkpoint.size, under.checkpoint.root, Reason.DIRECTORY_PATH_WRONG)
    return ok(6, f"{len(places)} leaves of the directory are under the checkpoint's root")


def check_seal(receipt: Receipt, sealed: Sealed, verifier: Verifier) -> Step:
    """Step 7: the head belongs to its seal, and is the first that holds the entry."""
    head, seal = sealed.head, sealed.seal
    check_in_seal(head, seal)
    if head.leaf.chain_id != receipt.entry.chain_id:
        raise VerificationError(
            Reason.HEAD_MISMATCH, f"the head is of chain {head.leaf.chain_id.hex()}, the entry of another"
        )
    check_first_head(head, sealed.previous_head, sealed.chain.index)
    word, believed = word_on_block_before(receipt, seal.leaf, verifier)
    return ok(
        7,
        f"sealed as number {seal.leaf.seal_number}, after block {seal.leaf.block_height} "
        f"{hash_hex(seal.leaf.block_hash)}, {word}",
        f"{believed}; that no head lies between this one and the one before, is the auditor's check",
    )


def check_in_seal(head: DirectoryProof[HeadLeaf], seal: DirectoryProof[SealLeaf]) -> None:
    """Raise VerificationError unless a head is one of those that stand before their seal leaf (design section 3.2)."""
    if not seal.index - seal.leaf.head_count <= head.index < seal.index:
        raise VerificationError(
            Reason.SEAL_MISMATCH,
            f"the seal at {seal.index} holds the {seal.leaf.head_count} heads before it, not the one at {head.index}",
        )


def check_first_head(
    head: DirectoryProof[HeadLeaf], previous: DirectoryProof[HeadLeaf] | None, leaf_index: int
) -> None:
    """Raise VerificationError unless a head is the first that holds the chain's leaf ``leaf_index``.

    The one before it was shorter; that none lies between, is audited.
    """
    pointer = None if head.leaf.previous_index == NO_PREVIOUS else head.leaf.previous_index
    if pointer != (None if previous is None else previous.index):
        raise VerificationError(Reason.NOT_FIRST_HEAD, "the head points to another previous head than the one shown")
    if previous is None:
        return
    if previous.index >= head.index or previous.leaf.chain_id != head.leaf.chain_id:
        raise VerificationError(Reason.NOT_FIRST_HEAD, "the previous head is of another chain, or not before the head")
    if not previous.leaf.tree_size <= leaf_index < head.leaf.tree_size:
        raise VerificationError(
            Reason.NOT_FIRST_HEAD,
            f"entry {leaf_index} is not among those that this head added: {previous.leaf.tree_size} to "
            f"{head.leaf.tree_size - 1}",
        )


def check_log(receipt: OfLog, verifier: Verifier, log_id: bytes) -> Step:
    """Step 8: the log is the one on the card that the verifier holds."""
    if verifier.card is None:
        waived = ", as you said (any log)" if verifier.any_log else ""
        return not_checked(8, f"the log is not identified{waived}: it calls itself {receipt.log.origin!r}")
    if verifier.card.log != receipt.log:
        raise VerificationError(
            Reason.WRONG_LOG,
            f"the receipt is of log {log_id.hex()}, your card is of log {verifier.card.log.log_id.hex()}",
        )
    return ok(8, f"log {log_id.hex()} is the one on your card", "you (the log card)")


def check_promised(receipt: Receipt, verifier: Verifier, identity: Identity) -> Step:
    """Step 9: the promise is signed by the log, and speaks of this entry at this place."""
    promise = receipt.promise
    if promise is None:
        return absent(9, "the receipt carries no promise")
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
        return not_checked(9, f"the promise is by key {promise.key_id.hex()}, which only a sealed receipt can show")
    _check_promise_by_any(keys or [receipt.log.promise_key.value], promise, verifier, identity.log_id)
    return ok(9, _promise_text(receipt), THE_LOG)


def key_history(
    log: LogLeaf, key_leaves: tuple[KeyLeaf, ...], log_id: bytes, check: ed25519.SignatureCheck
) -> dict[int, Key]:
    """Return the key for each purpose after all ``key_leaves``, which are followed from leaf 0 on.

    Raises VerificationError where one does not follow from the one before, or its signature is wrong.
    """
    keys: dict[int, Key] = {
        Purpose.CHECKPOINT: log.checkpoint_key,
        Purpose.PROMISE: log.promise_key,
        Purpose.RECOVERY: log.recovery_key,
    }
    given_by: dict[int, KeyLeaf] = {}
    for leaf in key_leaves:
        giver = given_by.get(leaf.purpose)
        if leaf.replaced != (log_id if giver is None else leaf_hash(giver.encode())):  # the hash of leaf 0
            raise VerificationError(
                Reason.KEY_HISTORY_WRONG, f"a key leaf replaces {leaf.replaced.hex()}, which did not give the key"
            )
        signer = keys[Purpose.RECOVERY if leaf.signer == Signer.RECOVERY_KEY else leaf.purpose]
        if signer.type == KeyType.REVOKED or not check(signer.value, leaf.signed_message(log_id), leaf.signature):
            raise VerificationError(
                Reason.KEY_HISTORY_WRONG, "a key leaf is not signed by the old key or the recovery key"
            )
        keys[leaf.purpose] = leaf.new_key
        given_by[leaf.purpose] = leaf
    return keys


def check_note(sealed: UnderCheckpoint, origin: str, public_key: bytes, check: ed25519.SignatureCheck) -> None:
    """Raise VerificationError unless the note carries a good signature by the log's checkpoint key.

    Lines by others are ignored; a line with our name and key id that fails, fails the note (C2SP signed-note).
    """
    if not is_signed_by(sealed.note, origin, public_key, check):
        raise VerificationError(
            Reason.CHECKPOINT_SIGNATURE_WRONG,
            f"the checkpoint is not signed by the log's checkpoint key (id {key_id(origin, public_key).hex()})",
        )


def _check_key_order(sealed: UnderCheckpoint) -> None:
    indexes = [proof.index for proof in sealed.keys]
    if indexes != sorted(set(indexes)):
        raise VerificationError(Reason.KEY_HISTORY_WRONG, f"key leaves are not in ascending order: {indexes}")


def word_on_block_before(receipt: OfLog, seal: SealLeaf, verifier: Verifier) -> tuple[str, str]:
    """Say whose word the lower end of the time bracket is: the log's, unless the verifier has this block too.

    Another block there does not fail the receipt: a reorganisation can take the block away after the seal.
    """
    rules = network_of(receipt.log, verifier.networks)
    for view in verifier.blocks:
        known = view.at(seal.block_height) if rules is not None and view.network == rules.name else None
        if known is None:
            continue
        if known.hash == seal.block_hash:
            return f"which {view.believed} confirms", view.believed
        found = hash_hex(known.hash)
        return f"as the log says, but {view.believed} has {found} there: since when, is not known", THE_LOG
    return "as the log says", THE_LOG


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
    text = f"promised at {utc(note.received_at_ms)}"
    if receipt.sealed is None:
        return text
    late_ms = receipt.sealed.seal.leaf.sealed_at_ms - note.seal_by_ms
    return text if late_ms <= 0 else f"{text}; sealed {late_ms} ms later than promised, which is a breach"
