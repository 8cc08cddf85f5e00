"""A published directory, read whole, with the proofs that can be made from it: what evidence is looked for in.

Files come from a mirror or from the service's own tiles, and nothing in them is believed. ``chains.disputing`` holds
against it what a log promised.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

from anchor.proof.checkpoint import Checkpoint, Note
from anchor.proof.errors import MalformedError
from anchor.proof.leaves import DirectoryLeaf, HeadLeaf, KeyLeaf, SealLeaf, decode_leaf
from anchor.proof.merkle import Levels, leaf_hash, levels_of
from anchor.proof.promise_run import path_in
from anchor.proof.receipt import DirectoryProof, Leaf
from anchor.published import CHECKPOINT, directory_leaves, read_note
from anchor.tiles import Fetch, LeafRange, PublishedTree, WithheldError


@dataclass(frozen=True)
class PublishedLog:
    """The newest checkpoint of a directory, and every leaf below it."""

    fetch: Fetch
    note: Note
    raw_leaves: tuple[bytes, ...]

    @classmethod
    def read(cls, fetch: Fetch) -> "PublishedLog":
        """Read a mirror; raise MalformedError where there is no checkpoint, WithheldError where leaves lack."""
        note = read_note(fetch, CHECKPOINT)
        if note is None:
            raise MalformedError("expected a published log, which has a checkpoint; found none there")
        size = Checkpoint.decode(note.text).size
        found: list[bytes] = []
        for bundle in directory_leaves(PublishedTree(fetch, "", size)):
            if isinstance(bundle, LeafRange):
                raise WithheldError(bundle, f"{bundle} of the directory were withheld: ask another copy")
            found += bundle
        return cls(fetch, note, tuple(found))

    @cached_property
    def levels(self) -> Levels:
        """All nodes of the directory."""
        return levels_of([leaf_hash(raw) for raw in self.raw_leaves])

    @cached_property
    def leaves(self) -> list[DirectoryLeaf]:
        """Every leaf of the directory, in order."""
        return [decode_leaf(raw) for raw in self.raw_leaves]

    @cached_property
    def heads(self) -> list[tuple[int, HeadLeaf]]:
        """Every head with its index."""
        return list(self._of_type(HeadLeaf))

    @cached_property
    def heads_of(self) -> dict[bytes, list[tuple[int, HeadLeaf]]]:
        """The heads of each chain, in order, with their indexes."""
        found: dict[bytes, list[tuple[int, HeadLeaf]]] = {}
        for index, head in self.heads:
            found.setdefault(head.chain_id, []).append((index, head))
        return found

    @cached_property
    def seals(self) -> list[tuple[int, SealLeaf]]:
        """Every seal with its index."""
        return list(self._of_type(SealLeaf))

    @cached_property
    def keys(self) -> tuple[KeyLeaf, ...]:
        """Every key leaf, in order."""
        return tuple(leaf for _, leaf in self._of_type(KeyLeaf))

    @cached_property
    def fetch_once(self) -> Fetch:
        """Reads files as ``fetch`` does, and each of them once: many promises are held against one tile."""
        return cache(self.fetch)

    def prove(self, index: int, leaf: Leaf) -> DirectoryProof[Leaf]:
        """Return a leaf with its path to the checkpoint's root."""
        return DirectoryProof(leaf, index, path_in(self.levels, index))

    def leaf_at(self, index: int) -> tuple[bytes, tuple[bytes, ...]]:
        """Return leaf hash and path of a place."""
        return self.levels[0][index], path_in(self.levels, index)

    def _of_type(self, kind: type[Leaf]) -> Iterator[tuple[int, Leaf]]:
        for index, leaf in enumerate(self.leaves):
            if isinstance(leaf, kind):
                yield index, leaf
