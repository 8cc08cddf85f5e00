# SPDX-License-Identifier: Apache-2.0
"""Receipts from a mirror alone: made of its tiles, leaves and anchors, when the service is gone (docs/spec/mirror.md).

Input is a ``Fetch`` over a mirror, which is believed in nothing: what a receipt says is for ``verify`` to judge, and a
path that does not lead to its root is refused here. Anybody can make them; ``anchorline receipt --mirror`` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from anchor.proof.bitcoin.anchor import BitcoinAnchor, check_anchor_transaction
from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.bundles import TILE_WIDTH
from anchor.proof.checkpoint import Checkpoint, Note, note_in
from anchor.proof.codec import index_in
from anchor.proof.entry import Entry
from anchor.proof.errors import AnchorlineError, MalformedError
from anchor.proof.leaves import NO_PREVIOUS, HeadLeaf, KeyLeaf, LogLeaf, SealLeaf, ThreadLeaf, decode_leaf
from anchor.proof.merkle import check_inclusion, leaf_hash
from anchor.proof.promise import Promise
from anchor.proof.published_tree import ANCHORED, CARD, CHAINS, CHECKPOINT, Fetch, PublishedTree
from anchor.proof.receipt import ChainPath, Content, ContentState, DirectoryProof, Leaf, LogCard, Receipt, Sealed
from anchor.proof.thread_proofs import decode_proofs, proofs_path

# Several parts of a receipt are in one bundle; a bundle is at most a megabyte.
_KEPT_FILES = 32
_WITHHELD = Content(ContentState.WITHHELD)


class NotInMirrorError(AnchorlineError):
    """The mirror does not have what was asked for: the entry, its bytes, or anything at all."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry is: its chain, and its index there."""

    chain_id: bytes
    leaf_index: int


@dataclass(slots=True)
class _Directory:
    """Where the leaves of a directory are that receipts need: their indexes, and of heads their sizes too."""

    heads: dict[bytes, list[tuple[int, int]]] = field(default_factory=dict)
    seals: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def add(self, index: int, raw: bytes) -> None:
        leaf = decode_leaf(raw)
        if isinstance(leaf, HeadLeaf):
            self.heads.setdefault(leaf.chain_id, []).append((index, leaf.tree_size))
        elif isinstance(leaf, SealLeaf):
            self.seals.append(index)
        elif isinstance(leaf, KeyLeaf):
            self.keys.append(index)
        elif isinstance(leaf, ThreadLeaf):
            self.threads.append(index)


class MirrorReceipts:
    """Makes receipts from one mirror, as it is when the first is asked for.

    The directory and the list of anchors are read once, whole: about 100 bytes of memory for each head. What is read
    of a chain is a few tiles for each receipt.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = lru_cache(_KEPT_FILES)(fetch)

    def make(
        self,
        place: Place,
        entry: bytes | None = None,
        content: Content = _WITHHELD,
        promise: Promise | None = None,
    ) -> Receipt:
        """Return the receipt of the entry at a place, against the first anchored checkpoint over it, or the newest.

        ``entry`` is needed where the chain is published without entries; content, salt and promise are in no mirror,
        and are whatever is given. Evidence (of an author's identity, a policy, later entries) is not in it.
        Raises NotInMirrorError for what is not there or not sealed yet, WithheldError for missing tiles, MalformedError
        and VerificationError for what does not hold.
        """
        head_index, head_size = self._first_head(place)
        chain = self._chain(place.chain_id)
        raw = entry or self._entry(chain, place)
        note, anchors = self._checkpoint(head_index)
        checkpoint = Checkpoint.decode(note.text)
        head = self._proof(HeadLeaf, head_index, checkpoint)
        path = chain.inclusion_path(place.leaf_index, head_size)
        check_inclusion(leaf_hash(raw), place.leaf_index, head_size, path, head.leaf.root)
        seal_index = next(index for index in self._directory.seals if index > head_index)
        threads = [index for index in self._directory.threads if index < checkpoint.size]
        previous = head.leaf.previous_index
        sealed = Sealed(
            chain=ChainPath(place.leaf_index, path),
            log_path=self._proof(LogLeaf, 0, checkpoint).path,
            head=head,
            seal=self._proof(SealLeaf, seal_index, checkpoint),
            checkpoint=checkpoint,
            note=note,
            thread=self._proof(ThreadLeaf, threads[-1], checkpoint) if threads else None,
            previous_head=None if previous == NO_PREVIOUS else self._proof(HeadLeaf, previous, checkpoint),
            keys=tuple(
                self._proof(KeyLeaf, index, checkpoint) for index in self._directory.keys if index < checkpoint.size
            ),
            anchors=anchors,
        )
        return Receipt(Entry.decode(raw), content, self.card.log, promise, sealed)

    def upgrade(self, old: Receipt) -> Receipt:
        """Return a receipt of the same entry from the mirror, with the content and the promise of the old one."""
        chain_id, index = old.entry.chain_id, None
        if old.sealed is not None:
            index = old.sealed.chain.index
        elif old.promise is not None:
            index = old.promise.leaf.leaf_index
        place = self.find(old.entry.hash, [chain_id]) if index is None else Place(chain_id, index)
        return self.make(place, old.entry.encode(), old.content, old.promise)

    def find(self, entry_hash: bytes, chain_ids: Sequence[bytes] | None = None) -> Place:
        """Return where an entry is; the leaf hashes of these chains, or of all, are read until it is found."""
        for chain_id in self._directory.heads if chain_ids is None else chain_ids:
            for tile_no, flat in self._chain(chain_id).leaf_hashes():
                at = index_in(flat, entry_hash)
                if at is not None:
                    return Place(chain_id, tile_no * TILE_WIDTH + at)
        raise NotInMirrorError(
            f"entry {entry_hash.hex()} is in no seal that this mirror has; name another mirror, or the entry's chain"
        )

    @cached_property
    def card(self) -> LogCard:
        """The card of the mirror, which pins nothing: compare it with one from elsewhere."""
        return LogCard.decode(self._read(CARD))

    # --- what is read once

    @cached_property
    def _newest(self) -> Checkpoint:
        return Checkpoint.decode(note_in(self._read(CHECKPOINT), CHECKPOINT).text)

    @cached_property
    def _tree(self) -> PublishedTree:
        return PublishedTree(self._fetch, "", self._newest.size)

    @cached_property
    def _directory(self) -> _Directory:
        read = _Directory()
        for tile_no in range(-(-self._tree.size // TILE_WIDTH)):
            for place, raw in enumerate(self._bundle(self._tree, "the directory", tile_no)):
                read.add(tile_no * TILE_WIDTH + place, raw)
        return read

    @cached_property
    def _anchors(self) -> list[tuple[int, BitcoinAnchor]]:
        """The anchors whose proofs hold as far as they go, with the size of each, in the order of the thread."""
        found: list[tuple[int, BitcoinAnchor]] = []
        bundle_no = 0
        while (data := self._fetch(proofs_path(bundle_no))) is not None:
            proofs = decode_proofs(data)[1]
            found += [(find_payload(check_anchor_transaction(proof)).tree_size, proof) for proof in proofs]
            bundle_no += 1
        return found

    # --- parts of a receipt

    def _first_head(self, place: Place) -> tuple[int, int]:
        """Return index and size of the first head that holds an entry."""
        for index, size in self._directory.heads.get(place.chain_id, ()):
            if size > place.leaf_index:
                return index, size
        raise NotInMirrorError(
            f"chain {place.chain_id.hex()}: no seal that this mirror has holds an entry {place.leaf_index}"
        )

    def _chain(self, chain_id: bytes) -> PublishedTree:
        heads = self._directory.heads.get(chain_id)
        if heads is None:
            raise NotInMirrorError(f"chain {chain_id.hex()}: this mirror has no head of it")
        return PublishedTree(self._fetch, f"{CHAINS}/{chain_id.hex()}/", heads[-1][1])

    def _entry(self, chain: PublishedTree, place: Place) -> bytes:
        tile_no, at = divmod(place.leaf_index, TILE_WIDTH)
        return self._bundle(chain, f"chain {place.chain_id.hex()}", tile_no)[at]

    def _bundle(self, tree: PublishedTree, whose: str, tile_no: int) -> Sequence[bytes]:
        leaves = tree.bundle(tile_no)
        if leaves is None:
            raise NotInMirrorError(
                f"{whose}: this mirror does not have the leaves from {tile_no * TILE_WIDTH} on, only their hashes; "
                "bring the entry yourself, or an older receipt of it"
            )
        return leaves

    def _checkpoint(self, head_index: int) -> tuple[Note, tuple[BitcoinAnchor, ...]]:
        """Return the first anchored checkpoint over a head with its anchor, or else the newest checkpoint."""
        for size, proof in self._anchors:
            if head_index < size <= self._newest.size:
                data = self._fetch(f"{ANCHORED}/{size}")
                if data is not None:
                    return note_in(data, CHECKPOINT), (proof,)
        return note_in(self._read(CHECKPOINT), CHECKPOINT), ()

    def _proof(self, kind: type[Leaf], index: int, checkpoint: Checkpoint) -> DirectoryProof[Leaf]:
        tile_no, at = divmod(index, TILE_WIDTH)
        raw = self._bundle(self._tree, "the directory", tile_no)[at]
        leaf = decode_leaf(raw)
        if not isinstance(leaf, kind):
            raise MalformedError(f"directory leaf {index}: expected a {kind.__name__}, found another leaf")
        path = self._tree.inclusion_path(index, checkpoint.size)
        check_inclusion(leaf_hash(raw), index, checkpoint.size, path, checkpoint.root)
        return DirectoryProof(leaf, index, path)

    def _read(self, path: str) -> bytes:
        data = self._fetch(path)
        if data is None:
            raise NotInMirrorError(f"expected a mirror, which has a {path}; found none there")
        return data
