# SPDX-License-Identifier: Apache-2.0
"""Receipts from a mirror alone: made of its tiles, leaves and anchors, when the service is gone (docs/spec/mirror.md).

Input is a ``Fetch`` over a mirror, which is believed in nothing: what a receipt says is for ``verify`` to judge, and a
path that does not lead to its root is refused here. Anybody can make them; ``anchorline receipt --mirror`` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from anchor.proof.bundles import TILE_WIDTH
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.codec import index_in
from anchor.proof.entry import Entry, ExtensionType
from anchor.proof.leaves import NO_PREVIOUS, HeadLeaf, KeyLeaf, LogLeaf, SealLeaf, ThreadLeaf
from anchor.proof.merkle import check_inclusion, leaf_hash
from anchor.proof.mirror_identity import author_evidence
from anchor.proof.mirror_parts import MirrorParts, NotInMirrorError
from anchor.proof.promise import Promise
from anchor.proof.published_tree import Fetch, PublishedTree, WithheldError
from anchor.proof.receipt import ChainPath, Content, ContentState, LogCard, Receipt, Sealed

# Authors and checkpoints of which the evidence is kept: the same for all receipts, up to a megabyte each, and made over
# the newest heads of all chains.
_SHOWN_IDENTITIES = 16
_WITHHELD = Content(ContentState.WITHHELD)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry is: its chain, and its index there."""

    chain_id: bytes
    leaf_index: int


class MirrorReceipts:
    """Makes receipts from one mirror, as it is when the first is asked for.

    The directory and the list of anchors are read once, whole: about 100 bytes of memory for each head. What is read
    of a chain is a few tiles for each receipt.
    """

    def __init__(self, fetch: Fetch) -> None:
        self.parts = MirrorParts(fetch)
        self._shown: dict[tuple[bytes, int], tuple[dict[str, Any], ...]] = {}

    @property
    def card(self) -> LogCard:
        """The card of the mirror, which pins nothing: compare it with one from elsewhere."""
        return self.parts.card

    def make(
        self,
        place: Place,
        entry: bytes | None = None,
        content: Content = _WITHHELD,
        promise: Promise | None = None,
    ) -> Receipt:
        """Return the receipt of the entry at a place, against the first anchored checkpoint over it, or the newest.

        ``entry`` is needed where the chain is published without entries; content, salt and promise are in no mirror,
        and are whatever is given. Of an author who is named, the history of his keys is in it where the mirror has
        that whole (``lacking`` says what it has not); a policy, later entries and certificates are not.
        Raises NotInMirrorError for what is not there or not sealed yet, WithheldError for missing tiles, MalformedError
        and VerificationError for what does not hold.
        """
        head_index, head_size = self._first_head(place)
        chain = self.parts.chain(place.chain_id)
        raw = entry or self._entry(chain, place)
        note, anchors = self.parts.checkpoint(head_index)
        checkpoint = Checkpoint.decode(note.text)
        head = self.parts.proof(HeadLeaf, head_index, checkpoint)
        path = chain.inclusion_path(place.leaf_index, head_size)
        check_inclusion(leaf_hash(raw), place.leaf_index, head_size, path, head.leaf.root)
        directory, prove = self.parts.directory, self.parts.proof
        threads = [index for index in directory.threads if index < checkpoint.size]
        keys = [index for index in directory.keys if index < checkpoint.size]
        previous = head.leaf.previous_index
        sealed = Sealed(
            chain=ChainPath(place.leaf_index, path),
            log_path=prove(LogLeaf, 0, checkpoint).path,
            head=head,
            seal=prove(SealLeaf, directory.seal_over(head_index), checkpoint),
            checkpoint=checkpoint,
            note=note,
            thread=prove(ThreadLeaf, threads[-1], checkpoint) if threads else None,
            previous_head=None if previous == NO_PREVIOUS else prove(HeadLeaf, previous, checkpoint),
            keys=tuple(prove(KeyLeaf, index, checkpoint) for index in keys),
            anchors=anchors,
        )
        receipt = Receipt(Entry.decode(raw), content, self.card.log, promise, sealed)
        try:
            evidence = self._of_author(receipt)
        except (NotInMirrorError, WithheldError):
            return receipt
        return replace(receipt, sealed=replace(sealed, evidence=evidence))

    def lacking(self, receipt: Receipt) -> str | None:
        """Say what a receipt made here does not show of its author's keys, and why; None where it lacks nothing."""
        try:
            self._of_author(receipt)
        except (NotInMirrorError, WithheldError) as error:
            return f"the receipt does not show the history of its author's keys: {error}"
        return None

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
        for chain_id in self.parts.directory.heads if chain_ids is None else chain_ids:
            for tile_no, flat in self.parts.chain(chain_id).leaf_hashes():
                at = index_in(flat, entry_hash)
                if at is not None:
                    return Place(chain_id, tile_no * TILE_WIDTH + at)
        raise NotInMirrorError(
            f"entry {entry_hash.hex()} is in no seal that this mirror has; name another mirror, or the entry's chain"
        )

    # --- parts of a receipt

    def _of_author(self, receipt: Receipt) -> tuple[dict[str, Any], ...]:
        identity = receipt.entry.extension(ExtensionType.IDENTITY)
        if identity is None or receipt.sealed is None:
            return ()
        place = identity, receipt.sealed.checkpoint.size
        if place not in self._shown:
            if len(self._shown) == _SHOWN_IDENTITIES:
                self._shown.clear()
            self._shown[place] = tuple(author_evidence(self.parts, identity, receipt.log, receipt.sealed))
        return self._shown[place]

    def _first_head(self, place: Place) -> tuple[int, int]:
        """Return index and size of the first head that holds an entry."""
        for index, size in self.parts.directory.heads.get(place.chain_id, ()):
            if size > place.leaf_index:
                return index, size
        raise NotInMirrorError(
            f"chain {place.chain_id.hex()}: no seal that this mirror has holds an entry {place.leaf_index}"
        )

    def _entry(self, chain: PublishedTree, place: Place) -> bytes:
        tile_no, at = divmod(place.leaf_index, TILE_WIDTH)
        return self.parts.bundle(chain, f"chain {place.chain_id.hex()}", tile_no)[at]
