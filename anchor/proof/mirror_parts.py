# SPDX-License-Identifier: Apache-2.0
"""The parts that receipts are made of, as one mirror shows them: leaves of its directory with paths, chains, anchors.

Input is a ``Fetch`` over a mirror, which is believed in nothing: a path that does not lead to its root is refused here.
``mirror_receipts`` puts receipts together from them, ``mirror_evidence`` what they show besides.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from anchor.proof.bitcoin.anchor import BitcoinAnchor, check_anchor_transaction
from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.bundles import TILE_WIDTH
from anchor.proof.checkpoint import Checkpoint, Note, note_in
from anchor.proof.codec import index_in
from anchor.proof.earlier_receipts import EARLIER, decode_earlier
from anchor.proof.errors import AnchorlineError, MalformedError
from anchor.proof.heads import Item
from anchor.proof.leaves import NO_PREVIOUS, HeadLeaf, KeyLeaf, SealLeaf, ThreadLeaf, decode_leaf
from anchor.proof.merkle import check_inclusion, leaf_hash
from anchor.proof.published_tree import ANCHORED, CARD, CHAINS, CHECKPOINT, Fetch, PublishedTree
from anchor.proof.receipt import Anchor, DirectoryProof, Leaf, LogCard, Receipt
from anchor.proof.stamps import STAMPS_WIDTH, Stamp, stamps_in, stamps_path, those_over
from anchor.proof.thread_proofs import decode_proofs, proofs_path
from anchor.proof.timestamp import imprint_of

# Several parts of a receipt are in one bundle; a bundle is at most a megabyte.
_KEPT_FILES = 32
# Receipts that are asked for together are against one checkpoint, or two: about 100 bytes for each chain under it.
_KEPT_HEADS = 2
# Of each the expanded tiles at its right edge: a few hundred kilobytes at most.
_KEPT_CHAINS = 8
# Mostly some hundred kilobytes each.
_KEPT_STAMPS = 2


class NotInMirrorError(AnchorlineError):
    """The mirror does not have what was asked for: the entry, its bytes, or anything at all."""


@dataclass(slots=True)
class DirectoryPlaces:
    """Where the leaves of a directory are that receipts need: their indexes, and of heads their sizes too."""

    heads: dict[bytes, list[tuple[int, int]]] = field(default_factory=dict)
    seals: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def add(self, index: int, raw: bytes) -> None:
        """Note a leaf."""
        leaf = decode_leaf(raw)
        if isinstance(leaf, HeadLeaf):
            self.heads.setdefault(leaf.chain_id, []).append((index, leaf.tree_size))
        elif isinstance(leaf, SealLeaf):
            self.seals.append(index)
        elif isinstance(leaf, KeyLeaf):
            self.keys.append(index)
        elif isinstance(leaf, ThreadLeaf):
            self.threads.append(index)

    def seal_over(self, index: int) -> int:
        """Return the index of the seal leaf behind a head: that of its seal."""
        at = bisect_left(self.seals, index)
        if at == len(self.seals):
            raise MalformedError(f"directory leaf {index}: expected a seal behind it, found none")
        return self.seals[at]


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint, and the note in which it was signed."""

    checkpoint: Checkpoint
    note: Note

    @classmethod
    def of(cls, note: Note) -> "SignedCheckpoint":
        """Read what a note says."""
        return cls(Checkpoint.decode(note.text), note)

    @property
    def size(self) -> int:
        """How many leaves of the directory it has."""
        return self.checkpoint.size


class MirrorParts:
    """One mirror, as it is when it is first asked for something.

    The directory and the list of anchors are read once, whole: about 100 bytes of memory for each head.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = lru_cache(_KEPT_FILES)(fetch)
        self.heads_under = lru_cache(_KEPT_HEADS)(self._heads_under)
        self.chain = lru_cache(_KEPT_CHAINS)(self._chain)
        self.stamps = lru_cache(_KEPT_STAMPS)(self._read_stamps)

    @cached_property
    def card(self) -> LogCard:
        """The card of the mirror, which pins nothing: compare it with one from elsewhere."""
        return LogCard.decode(self._read(CARD))

    @cached_property
    def newest(self) -> Checkpoint:
        """The newest checkpoint."""
        return Checkpoint.decode(note_in(self._read(CHECKPOINT), CHECKPOINT).text)

    @cached_property
    def tree(self) -> PublishedTree:
        """The directory's tree under it."""
        return PublishedTree(self._fetch, "", self.newest.size)

    @cached_property
    def directory(self) -> DirectoryPlaces:
        """Where its leaves are."""
        read = DirectoryPlaces()
        for tile_no in range(-(-self.tree.size // TILE_WIDTH)):
            for place, raw in enumerate(self.bundle(self.tree, "the directory", tile_no)):
                read.add(tile_no * TILE_WIDTH + place, raw)
        return read

    @cached_property
    def anchors(self) -> list[tuple[int, BitcoinAnchor]]:
        """The anchors whose proofs hold as far as they go, with the size of each, in the order of the thread."""
        found: list[tuple[int, BitcoinAnchor]] = []
        bundle_no = 0
        while (data := self._fetch(proofs_path(bundle_no))) is not None:
            proofs = decode_proofs(data)[1]
            found += [(find_payload(check_anchor_transaction(proof)).tree_size, proof) for proof in proofs]
            bundle_no += 1
        return found

    def _chain(self, chain_id: bytes) -> PublishedTree:
        """Return a chain's tree as of its newest head; raises NotInMirrorError where no head of it is there."""
        heads = self.directory.heads.get(chain_id)
        if heads is None:
            raise NotInMirrorError(f"chain {chain_id.hex()}: this mirror has no head of it")
        return PublishedTree(self._fetch, f"{CHAINS}/{chain_id.hex()}/", heads[-1][1])

    def bundle(self, tree: PublishedTree, whose: str, tile_no: int) -> Sequence[bytes]:
        """Return a bundle of leaves; raises NotInMirrorError where it is not there."""
        leaves = tree.bundle(tile_no)
        if leaves is None:
            raise NotInMirrorError(
                f"{whose}: this mirror does not have the leaves from {tile_no * TILE_WIDTH} on, only their hashes; "
                "bring the entry yourself, or an older receipt of it"
            )
        return leaves

    def entry(self, chain_id: bytes, index: int) -> bytes:
        """Return an entry of a chain; raises NotInMirrorError where it is not there."""
        tile_no, at = divmod(index, TILE_WIDTH)
        return self.bundle(self.chain(chain_id), f"chain {chain_id.hex()}", tile_no)[at]

    def index_of(self, chain_id: bytes, entry_hash: bytes) -> int | None:
        """Return where an entry is in a chain, by the leaf hashes of all its tiles; None where it is not there."""
        for tile_no, flat in self.chain(chain_id).leaf_hashes():
            at = index_in(flat, entry_hash)
            if at is not None:
                return tile_no * TILE_WIDTH + at
        return None

    def earlier(self, chain_id: bytes) -> dict[int, Receipt]:
        """Return the receipts of other logs that this mirror shows of a chain, by the indexes of its continuations.

        None of them where the file is damaged: what it would prove is not shown, and that is said.
        """
        path = f"{CHAINS}/{chain_id.hex()}/{EARLIER}"
        data = self._fetch(path)
        try:
            return {} if data is None else decode_earlier(data, path)
        except MalformedError:
            return {}

    def first_head(self, chain_id: bytes, index: int) -> tuple[int, int]:
        """Return directory index and size of the first head over an entry; raises NotInMirrorError."""
        for head_index, size in self.directory.heads.get(chain_id, ()):
            if size > index:
                return head_index, size
        raise NotInMirrorError(f"chain {chain_id.hex()}: no seal that this mirror has holds an entry {index}")

    def previous_head(self, head: HeadLeaf, checkpoint: Checkpoint) -> DirectoryProof[HeadLeaf] | None:
        """Return the head before one, None where it is the first."""
        before = head.previous_index
        return None if before == NO_PREVIOUS else self.proof(HeadLeaf, before, checkpoint)

    def seal_over(self, head_index: int, checkpoint: Checkpoint) -> DirectoryProof[SealLeaf]:
        """Return the seal leaf of a head."""
        return self.proof(SealLeaf, self.directory.seal_over(head_index), checkpoint)

    def checkpoint(self, head_index: int) -> tuple[SignedCheckpoint, tuple[Anchor, ...]]:
        """Return the first anchored checkpoint over a head, with its anchor and its stamps, or else the newest one."""
        for at, (size, proof) in enumerate(self.anchors):
            if head_index < size <= self.newest.size:
                data = self._fetch(f"{ANCHORED}/{size}")
                if data is not None:
                    signed = SignedCheckpoint.of(note_in(data, CHECKPOINT))
                    return signed, (proof, *self._stamps_of(at, signed.checkpoint))
        return SignedCheckpoint.of(note_in(self._read(CHECKPOINT), CHECKPOINT)), ()

    def proof(self, kind: type[Leaf], index: int, checkpoint: Checkpoint) -> DirectoryProof[Leaf]:
        """Return a leaf of the directory with its path; raises where it is another one, or not under the checkpoint."""
        tile_no, at = divmod(index, TILE_WIDTH)
        raw = self.bundle(self.tree, "the directory", tile_no)[at]
        leaf = decode_leaf(raw)
        if not isinstance(leaf, kind):
            raise MalformedError(f"directory leaf {index}: expected a {kind.__name__}, found another leaf")
        path = self.tree.inclusion_path(index, checkpoint.size)
        check_inclusion(leaf_hash(raw), index, checkpoint.size, path, checkpoint.root)
        return DirectoryProof(leaf, index, path)

    def _stamps_of(self, at: int, checkpoint: Checkpoint) -> tuple[Stamp, ...]:
        """Return the stamps of the checkpoint of anchor ``at``, without which its receipts are proved, too."""
        found = self.stamps(at // STAMPS_WIDTH).get(checkpoint.size, ())
        return those_over(found, imprint_of(checkpoint.size, checkpoint.root))

    def _read_stamps(self, file_no: int) -> dict[int, tuple[Stamp, ...]]:
        return stamps_in(self._fetch(stamps_path(file_no)))

    def _heads_under(self, size: int) -> list[Item]:
        """Return the newest head of every chain under the checkpoint of ``size`` leaves, as the heads tree has them."""
        newest: list[tuple[int, bytes]] = []
        for chain_id, heads in self.directory.heads.items():
            if count := bisect_left(heads, (size, 0)):
                newest.append((heads[count - 1][0], chain_id))
        # In the order of the directory each tile is read once.
        return sorted((chain_id, self.tree.leaf_hash(index)) for index, chain_id in sorted(newest))

    def _read(self, path: str) -> bytes:
        data = self._fetch(path)
        if data is None:
            raise NotInMirrorError(f"expected a mirror, which has a {path}; found none there")
        return data
