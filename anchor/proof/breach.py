# SPDX-License-Identifier: Apache-2.0
"""Breaches of promises: what a log signed that cannot be true together, or shows by its own clock that it was late.

Input is evidence that was read (``anchor.proof.dispute``); nothing in it is believed but signatures of the log's keys
and paths to what they cover. ``anchorline dispute`` makes and checks evidence with the rules here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from anchor.proof.checkpoint import Checkpoint, Note, chain_origin, is_signed_by
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.errors import Reason, VerificationError
from anchor.proof.heads import HeadsProof, check_way
from anchor.proof.leaves import DirectoryLeaf, HeadLeaf, KeyLeaf, LogLeaf, Purpose, SealLeaf
from anchor.proof.merkle import check_inclusion, leaf_hash
from anchor.proof.promise import Promise, PromiseLeaf, check_promise
from anchor.proof.receipt import DirectoryProof
from anchor.proof.steps_log import check_first_head, check_in_seal, key_history
from anchor.proof.times import utc


class Kind(StrEnum):
    """What is shown. The values stand in evidence files: never rename one."""

    TWO_PROMISES = "two-promises"  # one place promised to two entries, or one entry at two places
    ANOTHER_ENTRY = "another-entry"  # a signed root has another entry at the promised place
    ANOTHER_PLACE = "another-place"  # a signed root has the promised entry at another place
    FORK = "fork"  # two signed roots of one log, neither of which begins with the other
    SEALED_LATE = "sealed-late"  # the first head that holds the place was sealed later than promised
    NOT_SEALED = "not-sealed"  # a seal later than the promised time has no head that reaches the place


EQUIVOCATION = frozenset({Kind.TWO_PROMISES, Kind.ANOTHER_ENTRY, Kind.ANOTHER_PLACE, Kind.FORK})
"""The log signed two things of which one is false. The other kinds show that it was late."""


@dataclass(frozen=True, slots=True)
class SignedRoot:
    """Size and root under the log's signature: a checkpoint of the directory or of a chain, or a head in a directory.

    ``head`` is a chain's head under the directory's checkpoint ``note``; without it the note speaks for itself.
    """

    note: Note
    head: DirectoryProof[HeadLeaf] | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    """What a signed root is of: a chain, or (None) the directory; with its size and root."""

    chain_id: bytes | None
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class TwoPromises:
    """Two promises that cannot both be kept."""

    one: Promise
    other: Promise


@dataclass(frozen=True, slots=True)
class AnotherEntry:
    """At the promised place of the chain stands ``leaf_hash`` (32 bytes), not the promised entry."""

    promise: Promise
    root: SignedRoot
    leaf_hash: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AnotherPlace:
    """The promised entry stands at ``index`` of the chain, not where it was promised."""

    promise: Promise
    root: SignedRoot
    index: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Fork:
    """Two signed roots of one log: of one size with different roots, or with different leaves at ``index``.

    ``leaves`` are leaf hash and path under each; there are none where the sizes are equal, and ``index`` is None.
    """

    one: SignedRoot
    other: SignedRoot
    index: int | None = None
    leaves: tuple[tuple[bytes, tuple[bytes, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class SealedLate:
    """The first head that reaches the promised place, and its seal: made later than promised."""

    promise: Promise
    note: Note
    head: DirectoryProof[HeadLeaf]
    seal: DirectoryProof[SealLeaf]
    previous_head: DirectoryProof[HeadLeaf] | None = None


@dataclass(frozen=True, slots=True)
class NotSealed:
    """A seal that was made later than promised, and the newest head of the chain in it, which does not reach."""

    promise: Promise
    note: Note
    seal: DirectoryProof[SealLeaf]
    heads: HeadsProof


Breach = TwoPromises | AnotherEntry | AnotherPlace | Fork | SealedLate | NotSealed
KIND_OF: dict[type[Breach], Kind] = {
    TwoPromises: Kind.TWO_PROMISES,
    AnotherEntry: Kind.ANOTHER_ENTRY,
    AnotherPlace: Kind.ANOTHER_PLACE,
    Fork: Kind.FORK,
    SealedLate: Kind.SEALED_LATE,
    NotSealed: Kind.NOT_SEALED,
}


@dataclass(frozen=True, slots=True)
class Accused:
    """The log that evidence is about: leaf 0, and key leaves of which each is signed by the key before it.

    The log answers for every key that it ever had, so a promise or a note by any of them counts.
    """

    log: LogLeaf
    keys: tuple[KeyLeaf, ...]
    check_signature: SignatureCheck

    def check_keys(self) -> None:
        """Raise VerificationError unless each key follows from leaf 0."""
        key_history(self.log, self.keys, self.log.log_id, self.check_signature)

    def promised(self, promise: Promise) -> PromiseLeaf:
        """Return what the log promised; raise VerificationError where it did not."""
        *others, last = self._keys_for(Purpose.PROMISE)
        for key in others:
            try:
                check_promise(promise, self.log.log_id, key, self.check_signature)
            except VerificationError:
                continue
            return promise.leaf
        check_promise(promise, self.log.log_id, last, self.check_signature)
        return promise.leaf

    def tree(self, signed: SignedRoot) -> Tree:
        """Return size and root of what the log signed; raise VerificationError where it did not."""
        found, origin = self.checkpoint(signed.note), self.log.origin
        if signed.head is not None:
            if found.origin != origin:
                raise _wrong(Reason.CHECKPOINT_ORIGIN_WRONG, f"a head is in the directory, not in {found.origin!r}")
            head = self.under(found, signed.head)
            return Tree(head.chain_id, head.tree_size, head.root)
        if found.origin == origin:
            return Tree(None, found.size, found.root)
        return Tree(bytes.fromhex(found.origin.rpartition("/")[2]), found.size, found.root)

    def checkpoint(self, note: Note) -> Checkpoint:
        """Return a checkpoint of this log's directory, or of one of its chains, that a key of the log signed."""
        found, origin = Checkpoint.decode(note.text), self.log.origin
        name, _, chain = found.origin.rpartition("/")
        is_chain = name == origin and len(chain) == 64 and chain_origin(origin, _hex(chain)) == found.origin
        if found.origin != origin and not is_chain:
            raise _wrong(Reason.CHECKPOINT_ORIGIN_WRONG, f"the checkpoint is by {found.origin!r}, not by {origin!r}")
        if not any(is_signed_by(note, origin, key, self.check_signature) for key in self._keys_for(Purpose.CHECKPOINT)):
            raise _wrong(Reason.CHECKPOINT_SIGNATURE_WRONG, "the checkpoint is not signed by a checkpoint key shown")
        return found

    def directory(self, note: Note) -> Checkpoint:
        """Return a checkpoint of the directory."""
        found = self.checkpoint(note)
        if found.origin != self.log.origin:
            raise _wrong(Reason.CHECKPOINT_ORIGIN_WRONG, f"expected the directory's checkpoint, got {found.origin!r}")
        return found

    def under(self, checkpoint: Checkpoint, proof: "DirectoryProof[Leaf]") -> "Leaf":
        """Return a leaf that is in the directory of this checkpoint; raise VerificationError where it is not."""
        digest = leaf_hash(proof.leaf.encode())
        size, root = checkpoint.size, checkpoint.root
        check_inclusion(digest, proof.index, size, proof.path, root, Reason.DIRECTORY_PATH_WRONG)
        return proof.leaf

    def _keys_for(self, purpose: Purpose) -> list[bytes]:
        later = [leaf.new_key.value for leaf in self.keys if leaf.purpose == purpose and leaf.new_key.value]
        return [self.log.key(purpose).value, *later]


Leaf = TypeVar("Leaf", bound=DirectoryLeaf)


def check_breach(breach: Breach, accused: Accused) -> str:
    """Return in one sentence what a breach shows; raise VerificationError where it shows none."""
    accused.check_keys()
    rules: dict[type[Breach], Callable[..., str]] = {
        TwoPromises: _two_promises,
        AnotherEntry: _another_entry,
        AnotherPlace: _another_place,
        Fork: _fork,
        SealedLate: _sealed_late,
        NotSealed: _not_sealed,
    }
    return rules[type(breach)](breach, accused)


def _two_promises(breach: TwoPromises, accused: Accused) -> str:
    one, other = accused.promised(breach.one), accused.promised(breach.other)
    is_one_place, is_one_entry = one.leaf_index == other.leaf_index, one.entry_hash == other.entry_hash
    if one.chain_id != other.chain_id or is_one_place == is_one_entry:
        raise _none("the two promises can both be kept")
    if is_one_place:
        return f"{_place(one)} was promised to entry {one.entry_hash.hex()} and to entry {other.entry_hash.hex()}"
    where = f"index {one.leaf_index} and index {other.leaf_index} of chain {one.chain_id.hex()}"
    return f"entry {one.entry_hash.hex()} was promised at {where}"


def _another_entry(breach: AnotherEntry, accused: Accused) -> str:
    promised = accused.promised(breach.promise)
    tree = _of_chain(breach.root, promised, accused)
    if breach.leaf_hash == promised.entry_hash:
        raise _none("the entry at the promised place is the promised one")
    _check_in_chain(breach.leaf_hash, promised.leaf_index, tree, breach.path)
    return (
        f"{_place(promised)} was promised to entry {promised.entry_hash.hex()}; the log signed {tree.size} entries "
        f"with {breach.leaf_hash.hex()} there"
    )


def _another_place(breach: AnotherPlace, accused: Accused) -> str:
    promised = accused.promised(breach.promise)
    tree = _of_chain(breach.root, promised, accused)
    if breach.index == promised.leaf_index:
        raise _none("the entry is at the promised place")
    _check_in_chain(promised.entry_hash, breach.index, tree, breach.path)
    return (
        f"entry {promised.entry_hash.hex()} was promised at index {promised.leaf_index} of chain "
        f"{promised.chain_id.hex()}; the log signed it at index {breach.index}"
    )


def _fork(breach: Fork, accused: Accused) -> str:
    one, other = accused.tree(breach.one), accused.tree(breach.other)
    if one.chain_id != other.chain_id:
        raise _none("the two roots are of different logs")
    what = "the directory" if one.chain_id is None else f"chain {one.chain_id.hex()}"
    if one.size == other.size:
        if one.root == other.root or breach.index is not None or breach.leaves:
            raise _none("expected two different roots of one size, and nothing else")
        return f"of {what} the log signed two different roots of {one.size} leaves"
    if breach.index is None or len(breach.leaves) != 2:
        raise _none("roots of different sizes differ only where two leaves at one place are shown")
    (one_leaf, one_path), (other_leaf, other_path) = breach.leaves
    if one_leaf == other_leaf:
        raise _none(f"both have the same leaf at index {breach.index}")
    _check_in_chain(one_leaf, breach.index, one, one_path)
    _check_in_chain(other_leaf, breach.index, other, other_path)
    return f"of {what} the log signed {one.size} and {other.size} leaves, which differ at index {breach.index}"


def _sealed_late(breach: SealedLate, accused: Accused) -> str:
    promised, promise = accused.promised(breach.promise), breach.promise
    checkpoint = accused.directory(breach.note)
    head, seal = accused.under(checkpoint, breach.head), accused.under(checkpoint, breach.seal)
    if breach.previous_head is not None:
        accused.under(checkpoint, breach.previous_head)
    if head.chain_id != promised.chain_id or head.tree_size <= promised.leaf_index:
        raise _wrong(Reason.HEAD_MISMATCH, "the head does not reach the promised place")
    check_in_seal(breach.head, breach.seal)
    check_first_head(breach.head, breach.previous_head, promised.leaf_index)
    late_ms = seal.sealed_at_ms - promise.note.seal_by_ms
    if late_ms <= 0:
        raise _none(f"sealed at {utc(seal.sealed_at_ms)}, as promised")
    return (
        f"{_place(promised)} was promised to be sealed by {utc(promise.note.seal_by_ms)}; "
        f"by the log's own clock it was sealed {late_ms} ms later"
    )


def _not_sealed(breach: NotSealed, accused: Accused) -> str:
    promised, promise = accused.promised(breach.promise), breach.promise
    seal = accused.under(accused.directory(breach.note), breach.seal)
    if seal.sealed_at_ms <= promise.note.seal_by_ms:
        raise _none(f"the seal was made at {utc(seal.sealed_at_ms)}, before the promised time had passed")
    head = check_way(breach.heads, promised.chain_id, seal.heads_root)
    size = head.tree_size if head is not None and head.chain_id == promised.chain_id else 0
    if size > promised.leaf_index:
        raise _none(f"the seal has a head of {size} entries, which reaches the promised place")
    return (
        f"{_place(promised)} was promised to be sealed by {utc(promise.note.seal_by_ms)}; the seal of "
        f"{utc(seal.sealed_at_ms)} has {size} entries of the chain"
    )


def _of_chain(signed: SignedRoot, promised: PromiseLeaf, accused: Accused) -> Tree:
    tree = accused.tree(signed)
    if tree.chain_id != promised.chain_id:
        raise _wrong(Reason.HEAD_MISMATCH, "the signed root is of another log than the chain of the promise")
    return tree


def _check_in_chain(digest: bytes, index: int, tree: Tree, path: Sequence[bytes]) -> None:
    check_inclusion(digest, index, tree.size, path, tree.root, Reason.CHAIN_PATH_WRONG)


def _place(leaf: PromiseLeaf) -> str:
    return f"index {leaf.leaf_index} of chain {leaf.chain_id.hex()}"


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _none(text: str) -> VerificationError:
    return VerificationError(Reason.NO_BREACH, text)


def _wrong(reason: Reason, text: str) -> VerificationError:
    return VerificationError(reason, text)
