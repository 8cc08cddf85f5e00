"""Making evidence of broken promises: what a log signed is laid side by side, and what contradicts is written down.

Statements come from files (``chains.dispute_files``) and from published logs (``chains.published_log``); every piece of
evidence is judged by ``anchor.proof.dispute`` before it is returned, so what is found here holds.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain as chained
from itertools import combinations
from typing import TypeVar

from anchor.proof.breach import (
    EQUIVOCATION,
    AnotherEntry,
    AnotherPlace,
    Breach,
    Fork,
    NotSealed,
    SealedLate,
    SignedRoot,
    TwoPromises,
)
from anchor.proof.checkpoint import Checkpoint, Note, chain_origin
from anchor.proof.dispute import Evidence, judge
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.heads import Item, prove_head
from anchor.proof.leaves import HeadLeaf, KeyLeaf, SealLeaf
from anchor.proof.merkle import leaf_hash
from anchor.proof.promise import Promise
from anchor.proof.receipt import DirectoryProof, LogCard, Receipt
from anchor.published import CHAINS
from anchor.tiles import PublishedTree, WithheldError
from chains.dispute_files import Statements
from chains.published_log import PublishedLog


@dataclass(frozen=True)
class Search:
    """What is looked through: statements of one log, and published copies of it."""

    card: LogCard
    said: Statements
    published: tuple[PublishedLog, ...]
    check_signature: SignatureCheck

    def evidence(self) -> list[Evidence]:
        """Return everything that is shown, equivocation first; each holds by itself."""
        found = [each for each in map(self._holding, dict.fromkeys(self._suspected())) if each is not None]
        return sorted(found, key=lambda each: each.kind not in EQUIVOCATION)

    def _holding(self, breach: Breach) -> Evidence | None:
        """Return the evidence of a breach with the first set of keys under which it holds."""
        for keys in self._key_histories:
            made = Evidence(self.card.log, keys, breach)
            if judge(made, self.card, self.check_signature).holds:
                return made
        return None

    @cached_property
    def _key_histories(self) -> tuple[tuple[KeyLeaf, ...], ...]:
        """Every set of keys that was shown, each once: none, those of a receipt, those of a published copy."""
        sealed = [receipt.sealed for receipt in self.said.receipts if receipt.sealed is not None]
        shown = [tuple(proof.leaf for proof in each.keys) for each in sealed]
        return tuple(dict.fromkeys([(), *shown, *(each.keys for each in self.published)]))

    def _suspected(self) -> Iterator[Breach]:
        yield from _clashing(self.said.promises)
        for promise in self.said.promises:
            for receipt in self.said.receipts:
                yield from _against_receipt(promise, receipt)
            for published in self.published:
                yield from _against_published(promise, published)
        yield from _forked_notes([*self.said.notes, *self._notes()])
        for published in self.published:
            yield from _forked_chains(self.said.notes, published)
        for receipt in self.said.receipts:
            for published in self.published:
                yield from _forked_receipt(receipt, published)
        for one_log, other_log in combinations(self.published, 2):
            yield from _forked_copies(one_log, other_log)

    def _notes(self) -> Iterator[Note]:
        yield from (receipt.sealed.note for receipt in self.said.receipts if receipt.sealed is not None)
        yield from (each.note for each in self.published)


def _clashing(promises: Collection[Promise]) -> Iterator[Breach]:
    """Yield every two promises of one place to two entries, or of one entry at two places."""
    of_one_place = _pairs_by(promises, lambda promise: (promise.leaf.chain_id, promise.leaf.leaf_index))
    of_one_entry = _pairs_by(promises, lambda promise: (promise.leaf.chain_id, promise.leaf.entry_hash))
    for one, other in chained(of_one_place, of_one_entry):
        if (one.leaf.leaf_index, one.leaf.entry_hash) != (other.leaf.leaf_index, other.leaf.entry_hash):
            yield TwoPromises(one, other)


def _against_receipt(promise: Promise, receipt: Receipt) -> Iterator[Breach]:
    sealed, leaf = receipt.sealed, promise.leaf
    if sealed is None or sealed.head.leaf.chain_id != leaf.chain_id:
        return
    root, chain = SignedRoot(sealed.note, sealed.head), sealed.chain
    if receipt.entry.hash == leaf.entry_hash and chain.index != leaf.leaf_index:
        yield AnotherPlace(promise, root, chain.index, chain.path)
    if receipt.entry.hash != leaf.entry_hash and chain.index == leaf.leaf_index:
        yield AnotherEntry(promise, root, receipt.entry.hash, chain.path)
    before = 0 if sealed.previous_head is None else sealed.previous_head.leaf.tree_size
    if before <= leaf.leaf_index < sealed.head.leaf.tree_size and _is_late(promise, sealed.seal.leaf):
        yield SealedLate(promise, sealed.note, sealed.head, sealed.seal, sealed.previous_head)


def _against_published(promise: Promise, log: PublishedLog) -> Iterator[Breach]:
    """Yield what a published log shows of a promise: another entry in its place, a late seal, or none."""
    leaf = promise.leaf
    heads = log.heads_of.get(leaf.chain_id, [])
    before = [(index, head) for index, head in heads if head.tree_size <= leaf.leaf_index]
    reaching = [(index, head) for index, head in heads if head.tree_size > leaf.leaf_index]
    if not reaching:
        yield from _not_sealed(promise, log)
        return
    index, head = reaching[0]
    other = _entry_at(log, head, leaf.leaf_index)
    if other is not None and other[0] != leaf.entry_hash:
        yield AnotherEntry(promise, SignedRoot(log.note, log.prove(index, head)), *other)
    seal_index, seal = next((each for each in log.seals if each[0] > index), (0, None))
    if seal is not None and _is_late(promise, seal):
        previous = log.prove(*before[-1]) if before else None
        yield SealedLate(promise, log.note, log.prove(index, head), log.prove(seal_index, seal), previous)


def _not_sealed(promise: Promise, log: PublishedLog) -> Iterator[Breach]:
    if not log.seals:
        return
    index, seal = log.seals[-1]
    if not _is_late(promise, seal):
        return
    newest = {head.chain_id: at for at, head in log.heads if at < index}
    items: list[Item] = [(chain_id, log.levels[0][at]) for chain_id, at in sorted(newest.items())]
    raw = {log.levels[0][at]: log.raw_leaves[at] for at in newest.values()}
    yield NotSealed(
        promise, log.note, log.prove(index, seal), prove_head(items, promise.leaf.chain_id, raw.__getitem__)
    )


def _is_late(promise: Promise, seal: SealLeaf) -> bool:
    return seal.sealed_at_ms > promise.note.seal_by_ms


def _entry_at(log: PublishedLog, head: HeadLeaf, leaf_index: int) -> tuple[bytes, tuple[bytes, ...]] | None:
    """Return leaf hash and path of a chain's entry, or None where the chain's tiles are not published."""
    tree = PublishedTree(log.fetch_once, f"{CHAINS}/{head.chain_id.hex()}/", head.tree_size)
    try:
        return tree.leaf_hash(leaf_index), tree.inclusion_path(leaf_index)
    except WithheldError:
        return None


def _forked_notes(notes: Iterable[Note]) -> Iterator[Breach]:
    """Yield every pair of checkpoints of one log and size that differ."""
    for one, other in _pairs_by(notes, _log_and_size):
        if one.text != other.text:
            yield Fork(SignedRoot(one), SignedRoot(other))


def _log_and_size(note: Note) -> tuple[str, int]:
    checkpoint = Checkpoint.decode(note.text)
    return checkpoint.origin, checkpoint.size


def _forked_chains(notes: Iterable[Note], log: PublishedLog) -> Iterator[Breach]:
    """Yield every chain's checkpoint of which the published directory has another root of that size."""
    origin = Checkpoint.decode(log.note.text).origin
    roots = {(chain_origin(origin, head.chain_id), head.tree_size): (index, head) for index, head in log.heads}
    for note in notes:
        checkpoint = Checkpoint.decode(note.text)
        index, head = roots.get((checkpoint.origin, checkpoint.size), (0, None))
        if head is not None and head.root != checkpoint.root:
            yield Fork(SignedRoot(note), SignedRoot(log.note, log.prove(index, head)))


def _forked_receipt(receipt: Receipt, log: PublishedLog) -> Iterator[Breach]:
    """Yield the leaves that a receipt shows and that a published log has not in their place."""
    if receipt.sealed is None:
        return
    sealed = receipt.sealed
    shown: Sequence[DirectoryProof[HeadLeaf] | DirectoryProof[SealLeaf]] = [
        *(each for each in (sealed.previous_head, sealed.head) if each is not None),
        sealed.seal,
    ]
    for proof in shown:
        if proof.index >= len(log.raw_leaves):
            continue
        digest = leaf_hash(proof.leaf.encode())
        if digest != log.levels[0][proof.index]:
            leaves = ((digest, proof.path), log.leaf_at(proof.index))
            yield _fork_at(SignedRoot(sealed.note), SignedRoot(log.note), proof.index, leaves)


def _forked_copies(one: PublishedLog, other: PublishedLog) -> Iterator[Breach]:
    """Yield the first place at which two published copies differ."""
    for index, (digest, other_digest) in enumerate(zip(one.levels[0], other.levels[0], strict=False)):
        if digest != other_digest:
            leaves = one.leaf_at(index), other.leaf_at(index)
            yield _fork_at(SignedRoot(one.note), SignedRoot(other.note), index, leaves)
            return


def _fork_at(
    one: SignedRoot, other: SignedRoot, index: int, leaves: tuple[tuple[bytes, tuple[bytes, ...]], ...]
) -> Fork:
    sizes = {Checkpoint.decode(each.note.text).size for each in (one, other)}
    return Fork(one, other) if len(sizes) == 1 else Fork(one, other, index, leaves)


_Item = TypeVar("_Item")


def _pairs_by(items: Iterable[_Item], key: Callable[[_Item], object]) -> Iterator[tuple[_Item, _Item]]:
    """Yield every two items of one key."""
    alike: dict[object, list[_Item]] = {}
    for item in items:
        alike.setdefault(key(item), []).append(item)
    for each in alike.values():
        yield from combinations(each, 2)
