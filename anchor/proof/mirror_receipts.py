# SPDX-License-Identifier: Apache-2.0
"""Receipts from a mirror alone: made of its tiles, leaves and anchors, when the service is gone (docs/spec/mirror.md).

Input is a ``Fetch`` over a mirror, which is believed in nothing: what a receipt says is for ``verify`` to judge, and a
path that does not lead to its root is refused here. Anybody can make them; ``anchorline receipt --mirror`` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from anchor.proof import erasure
from anchor.proof.entry import Entry
from anchor.proof.leaves import HeadLeaf, KeyLeaf, LogLeaf, ThreadLeaf
from anchor.proof.merkle import check_consistency, check_inclusion, leaf_hash
from anchor.proof.mirror_evidence import Evidence, MirrorEvidence
from anchor.proof.mirror_later import Found
from anchor.proof.mirror_parts import MirrorParts, NotInMirrorError, SignedCheckpoint
from anchor.proof.promise import Promise
from anchor.proof.published_tree import Fetch, WithheldError
from anchor.proof.receipt import ChainPath, Content, ContentState, LogCard, Receipt, Sealed
from anchor.proof.receipt_upgrade import shows_less, with_others_of
from anchor.proof.said_later import over_later

_WITHHELD = Content(ContentState.WITHHELD)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry is: its chain, and its index there."""

    chain_id: bytes
    leaf_index: int


class MirrorReceipts:
    """Makes receipts from one mirror, as it is when the first is asked for.

    The directory and the list of anchors are read once, whole: about 100 bytes of memory for each head. Of a chain all
    entries are read, when the first receipt of one is asked for, since any of them may state a policy, or say something
    of an earlier one. Where ``is_brief``, no more than a few tiles are, and a receipt shows nothing of that.
    """

    def __init__(self, fetch: Fetch, *, is_brief: bool = False) -> None:
        self.parts = MirrorParts(fetch)
        self.shown = MirrorEvidence(self.parts, is_brief=is_brief)

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
        brought: Evidence = (),
    ) -> Receipt:
        """Return the receipt of the entry at a place, as the service would make it.

        Against the first anchored checkpoint over it, or, where that is anchored as well, over what later entries say
        of it; against the newest one where none is anchored. ``entry`` is needed where the chain is published without
        entries; content, salt and promise are in no mirror, and are whatever is given, but for content that a later
        entry says was erased. ``brought`` is the evidence of an older receipt of the entry: certificates, which no
        mirror has, are taken from there, and receipts of other logs where the mirror lacks them. What it does not show,
        ``lacking`` says.
        Raises NotInMirrorError for what is not there or not sealed yet, WithheldError for missing tiles, MalformedError
        and VerificationError for what does not hold.
        """
        head_index, _ = self.parts.first_head(place.chain_id, place.leaf_index)
        raw = entry or self.parts.entry(place.chain_id, place.leaf_index)
        later = self.shown.said_later(place.chain_id, Found(place.leaf_index, raw))
        heads = (self.parts.first_head(place.chain_id, each.stored.leaf_index)[0] for each in reversed(later))
        chosen, anchors = over_later(heads, self.parts.checkpoint(head_index), self.parts.checkpoint)
        sealed = replace(self._sealed(place, raw, chosen), anchors=anchors)
        receipt = Receipt(Entry.decode(raw), content, self.card.log, promise, sealed)
        evidence, _ = self.shown.of(receipt, sealed, brought)
        if content == _WITHHELD and any(item["type"] == erasure.TYPE for item in evidence):
            receipt = replace(receipt, content=Content(ContentState.ERASED))
        return replace(receipt, sealed=replace(sealed, evidence=evidence))

    def lacking(self, receipt: Receipt) -> str | None:
        """Say what a receipt made here does not show that a service's might, and why; None where it lacks nothing."""
        if receipt.sealed is None:
            return None
        _, lacking = self.shown.of(receipt, receipt.sealed, receipt.sealed.evidence)
        return "; ".join(f"the receipt does not show {what}" for what in lacking) or None

    def upgrade(self, old: Receipt) -> Receipt:
        """Return a receipt of the same entry from the mirror, with what no mirror has of the old one.

        The old one stays where it is in Bitcoin and shows more, or where the mirror is behind it: a receipt loses
        neither an anchor nor a piece of evidence. Raises VerificationError where both are not of one history.
        """
        chain_id, index = old.entry.chain_id, None
        if old.sealed is not None:
            index = old.sealed.chain.index
        elif old.promise is not None:
            index = old.promise.leaf.leaf_index
        place = self.find(old.entry.hash, [chain_id]) if index is None else Place(chain_id, index)
        brought = () if old.sealed is None else old.sealed.evidence
        try:
            made = self.make(place, old.entry.encode(), old.content, old.promise, brought)
        except (NotInMirrorError, WithheldError):
            if old.sealed is not None and old.sealed.is_in_bitcoin:
                return old
            raise
        new = replace(made, content=old.content)
        if old.sealed is None:
            return new
        return with_others_of(old.sealed, new) if self._is_better(new, old.sealed) else old

    def find(self, entry_hash: bytes, chain_ids: Sequence[bytes] | None = None) -> Place:
        """Return where an entry is; the leaf hashes of these chains, or of all, are read until it is found."""
        for chain_id in self.parts.directory.heads if chain_ids is None else chain_ids:
            index = self.parts.index_of(chain_id, entry_hash)
            if index is not None:
                return Place(chain_id, index)
        raise NotInMirrorError(
            f"entry {entry_hash.hex()} is in no seal that this mirror has; name another mirror, or the entry's chain"
        )

    def _is_better(self, new: Receipt, old: Sealed) -> bool:
        """Say whether a new receipt is more than an older one; raise VerificationError for another history."""
        newest = self.parts.newest
        if new.sealed is None or old.checkpoint.size > newest.size:
            return False
        path = self.parts.tree.consistency_path(old.checkpoint.size, newest.size)
        check_consistency(old.checkpoint.size, newest.size, old.checkpoint.root, newest.root, path)
        if new.sealed.is_in_bitcoin != old.is_in_bitcoin:
            return new.sealed.is_in_bitcoin
        return new.sealed.checkpoint.size >= old.checkpoint.size and not shows_less(new.sealed, old)

    # --- parts of a receipt

    def _sealed(self, place: Place, raw: bytes, chosen: SignedCheckpoint) -> Sealed:
        """Return what proves an entry under a checkpoint, and nothing else."""
        parts, checkpoint, directory = self.parts, chosen.checkpoint, self.parts.directory
        head_index, head_size = parts.first_head(place.chain_id, place.leaf_index)
        head = parts.proof(HeadLeaf, head_index, checkpoint)
        path = parts.chain(place.chain_id).inclusion_path(place.leaf_index, head_size)
        check_inclusion(leaf_hash(raw), place.leaf_index, head_size, path, head.leaf.root)
        threads = [index for index in directory.threads if index < checkpoint.size]
        keys = [index for index in directory.keys if index < checkpoint.size]
        return Sealed(
            chain=ChainPath(place.leaf_index, path),
            log_path=parts.proof(LogLeaf, 0, checkpoint).path,
            head=head,
            seal=parts.seal_over(head_index, checkpoint),
            checkpoint=checkpoint,
            note=chosen.note,
            thread=parts.proof(ThreadLeaf, threads[-1], checkpoint) if threads else None,
            previous_head=parts.previous_head(head.leaf, checkpoint),
            keys=tuple(parts.proof(KeyLeaf, index, checkpoint) for index in keys),
        )
