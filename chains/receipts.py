"""Receipts: made from what a home holds, and completed later.

Entries come from the reader, proofs from the logs, anchors from the journal. The CLI writes them out; from there on
``anchor.proof`` reads and verifies them without any of this.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import itemgetter
from typing import Any

from anchor.attestations import Attestations
from anchor.directory import Directory, StoredCheckpoint
from anchor.errors import BehindError, NotYetError
from anchor.journal import Journal
from anchor.lifecycle import MINED
from anchor.log import DIRECTORY, Trees
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.checkpoint import Checkpoint, Note
from anchor.proof.entry import ExtensionType
from anchor.proof.errors import Reason, VerificationError
from anchor.proof.identity import Operation, states
from anchor.proof.later_entry import LaterEntry
from anchor.proof.leaves import NO_PREVIOUS, HeadLeaf, SealLeaf
from anchor.proof.merkle import check_consistency
from anchor.proof.promise import Promise, PromiseLeaf, promise_key_id
from anchor.proof.receipt import (
    Anchor,
    ChainPath,
    Content,
    ContentState,
    DirectoryProof,
    Receipt,
    Sealed,
)
from anchor.proof.receipt_upgrade import with_others_of
from anchor.proof.said_later import Said, in_order, over_later
from anchor.storage.engine import Engine
from anchor.timestamps import Timestamps
from chains.chain import Chains, Gone
from chains.co_signatures import co_signatures_of
from chains.corrections import corrections_of
from chains.erasure_entries import erasure_of
from chains.identity import Identities
from chains.life_shown import LifeShown
from chains.lookup import Lookup
from chains.policy import Policies
from chains.promised import promised_at
from chains.reader import Reader, StoredEntry

_SHARED = 256
"""Heads of which what their receipts share is kept: about 10 kB each."""

_SHOWN_IDENTITIES = 16
"""Identities of which the evidence under a checkpoint is kept: up to a megabyte each."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a receipt shows of the content: salt and digest, and the content itself where wanted."""

    salt_and_digest: bool = True
    content: bool = False


class Receipts:
    """Makes receipts for the entries of one home."""

    def __init__(
        self,
        engine: Engine,
        trees: Trees,
        directory: Directory,
        chains: Chains,
        journal: Journal,
        lookup: Lookup,
    ) -> None:
        self.engine = engine
        self.trees = trees
        self.directory = directory
        self.chains = chains
        self.journal = journal
        self.reader = Reader(engine, chains, lookup)
        self.timestamps = Timestamps(engine)
        self.attestations = Attestations(engine)
        self.identities = Identities(engine, chains)
        self.life = LifeShown(chains, trees)
        self.policies = Policies(engine, chains, self.identities, lookup)
        self._shared = lru_cache(_SHARED)(self._shared_by)
        self._identity = lru_cache(_SHOWN_IDENTITIES)(self._identity_by)

    def make(self, stored: StoredEntry, shown: Shown | None = None, checkpoint_size: int | None = None) -> Receipt:
        """Make the receipt of an entry, as complete as it can be now.

        It is proved against the first checkpoint over it that is in a block, or while there is none against the first
        one that is time-stamped or attested, or else its own first one; ``checkpoint_size`` chooses any later one. Of
        an entry that was corrected it is the checkpoint over the correction, once that is anchored as well.
        Raises NotYetError where the one chosen does not cover the entry, or does not exist.
        """
        content = _content(stored, shown or Shown())
        sealed = self.sealed(stored, checkpoint_size)
        return Receipt(stored.entry, content, self.directory.log, self.promise(stored), sealed)

    def sealed(self, stored: StoredEntry, checkpoint_size: int | None = None) -> Sealed | None:
        """Return the part of the receipt that proves the entry in the log, as ``make`` does; None before its seal."""
        head_index = self.directory.first_head_over(stored.chain_no, stored.leaf_index)
        if head_index is None or self.directory.first_checkpoint_over(head_index) is None:
            if checkpoint_size is not None:
                raise NotYetError("the entry is not sealed yet, so no checkpoint covers it; try again after a seal")
            return None
        later = self._said_later(stored)
        chosen, anchors = self._checkpoint(head_index, checkpoint_size)
        if checkpoint_size is None:
            heads = self._heads_over(later)
            chosen, anchors = over_later(heads, (chosen, anchors), lambda head: self._checkpoint(head, None))
        sealed = self._sealed(stored, head_index, chosen, anchors)
        identity = stored.entry.extension(ExtensionType.IDENTITY)
        of_author = () if identity is None else self._of_author(identity, chosen.size)
        policy = self.policies.evidence(stored, head_index, chosen.size)
        evidence = (*of_author, *(() if policy is None else (policy.to_json(),)))
        shown = (*self._shown(later, chosen.size), *self._life(stored, chosen.size))
        return replace(sealed, evidence=(*evidence, *shown))

    def _of_author(self, identity: bytes, size: int) -> tuple[dict[str, Any], ...]:
        """Return the key history of an author, and the certificates that he bound, as evidence under a checkpoint.

        Certificates are read anew each time: a content that was erased is shown no more.
        """
        history = self._identity(identity, size)
        if history is None:
            return ()
        evidence, count, has_waited = history
        bound = self.identities.certificates(identity, count) if count else None
        announced = self._announcements(identity, size) if has_waited else ()
        return (evidence, *announced, *(() if bound is None or not bound.chains else (bound.to_json(),)))

    def _announcements(self, identity: bytes, size: int) -> Iterator[dict[str, Any]]:
        """Yield the first anchor of each announcement of a recovery that was completed, as far as it is in a block."""
        # Most identities were never recovered by waiting.
        from anchor.proof.announcement import Announcement  # noqa: PLC0415

        chain = self.chains.by_id(identity)
        assert chain is not None, "its history was shown"
        announced = {waited.announced.seal_number for waited in self.identities.sealed(chain).waits}
        blocks = [(each.standing.block, each) for each in self.journal.all() if each.state in MINED]
        mined = sorted(((block.height, each) for block, each in blocks if block), key=itemgetter(0))
        for index in self.directory.heads_of(chain.chain_no, size):
            seal_index, seal = self.directory.seal_over(index)
            if seal.seal_number not in announced:
                continue
            first = next((each for _, each in mined if each.checkpoint_size > seal_index), None)
            proof = None if first is None else self.journal.proof(first)
            head = self.directory.leaf(index)
            if first is not None and proof is not None and isinstance(head, HeadLeaf):
                yield Announcement(self.directory.under(head, index, first.checkpoint_size), proof).to_json()

    def _identity_by(self, identity: bytes, size: int) -> tuple[dict[str, Any], int, bool] | None:
        """Return the key history of an author as evidence under a checkpoint, and how many entries have certificates.

        It is kept, since what is under one stays; 0 where none of its entries binds one. Said is, too, whether one of
        them completes a recovery that was announced.
        """
        evidence = self.identities.evidence(identity, size)
        if evidence is None:
            return None
        count = len(evidence.entries) if states(Operation.BIND, evidence.entries) else 0
        return evidence.to_json(), count, states(Operation.COMPLETE, evidence.entries)

    def upgrade(self, old: Receipt, stored: StoredEntry, checkpoint_size: int | None = None) -> Receipt:
        """Complete an older receipt of the same entry; what the old one shows of the content stays as it is.

        The new checkpoint must extend the old one, and the entry must be where it was promised; otherwise raises
        VerificationError, and both receipts are evidence. Raises BehindError where the old one shows a checkpoint that
        this home does not reach, and NotYetError where its anchor is not in a block now; a receipt never loses one.
        """
        new = self.make(stored, checkpoint_size=checkpoint_size)
        if old.promise is not None and old.promise.leaf.leaf_index != stored.leaf_index:
            raise VerificationError(
                Reason.PROMISE_MISMATCH,
                f"promised at index {old.promise.leaf.leaf_index}, found at {stored.leaf_index}: keep both as evidence",
            )
        if old.sealed is not None:
            new = self._extended(old.sealed, new, stored, checkpoint_size)
        return replace(new, content=old.content, promise=old.promise or new.promise)

    def _extended(self, old: Sealed, new: Receipt, stored: StoredEntry, checkpoint_size: int | None) -> Receipt:
        """Return what continues a sealed receipt: ``new``, or one against the old checkpoint where that is later."""
        newest = self.directory.newest()
        if new.sealed is None or newest is None or newest.size < old.checkpoint.size:
            raise BehindError(
                f"the receipt shows a checkpoint of {old.checkpoint.size} leaves, this home has "
                f"{0 if newest is None else newest.size}: it was restored from a backup, or is another log's; "
                "the receipt was left as it is"
            )
        self._check_extends(old.checkpoint, new.sealed.checkpoint)
        if checkpoint_size is None and new.sealed.checkpoint.size < old.checkpoint.size:
            later = self.make(stored, checkpoint_size=old.checkpoint.size)
            new = later if later.sealed and (later.sealed.is_in_bitcoin or not new.sealed.is_in_bitcoin) else new
        if old.is_in_bitcoin and not (new.sealed and new.sealed.is_in_bitcoin):
            raise NotYetError(
                "the anchor of this receipt is not in a block of the best chain now, as far as this home knows, and no "
                "other one is; the receipt was left as it is; try again after the next anchor"
            )
        return with_others_of(old, new)

    def promise(self, stored: StoredEntry) -> Promise | None:
        """Return the promise made for an entry when it was accepted, with its path.

        None where it was lost: the entry was taken over from a mirror (``chains.from_mirror``).
        """
        key_id = promise_key_id(self.directory.log.promise_key.value)
        promised = promised_at(self.engine, self.chains, key_id, stored.seq)
        if promised is None:
            return None
        submitter = self.chains.place_of(stored.seq).submitter
        chain_id = self.trees.state(stored.chain_no).chain_id
        return promised.promise(
            PromiseLeaf(bytes(chain_id), stored.leaf_index, stored.entry_hash, submitter), stored.seq
        )

    # --- under a checkpoint

    def _checkpoint(self, head_index: int, wanted_size: int | None) -> tuple[StoredCheckpoint, tuple[Anchor, ...]]:
        """Choose the checkpoint and its anchors: in a block, time-stamped and attested, as far as it is."""
        chosen, in_bitcoin = self._in_bitcoin(head_index, wanted_size)
        return chosen, (*in_bitcoin, *self.timestamps.of(chosen.size), *self.attestations.of(chosen.size))

    def _in_bitcoin(
        self, head_index: int, wanted_size: int | None
    ) -> tuple[StoredCheckpoint, tuple[BitcoinAnchor, ...]]:
        """Return the checkpoint wanted, else the first over the head in a block, else stamped or attested, else any."""
        if wanted_size is not None:
            chosen = self.directory.checkpoint_of(wanted_size)
            if chosen is None or chosen.size <= head_index:
                raise NotYetError(
                    f"expected the size of a checkpoint over directory index {head_index}, got {wanted_size}; "
                    "`anchorline status` lists checkpoints"
                )
            wanted = self.journal.anchor_of(wanted_size)
            return chosen, () if wanted is None else (wanted,)
        anchored = self.journal.first_anchored(head_index + 1)
        if anchored is None:
            others = (self.timestamps.first_stamped(head_index + 1), self.attestations.first_attested(head_index + 1))
            sizes = [size for size in others if size is not None]
            first = self.directory.checkpoint_of(min(sizes)) if sizes else None
            first = first or self.directory.first_checkpoint_over(head_index)
            assert first is not None
            return first, ()
        attempt, anchor = anchored
        covering = self.directory.checkpoint_of(attempt.checkpoint_size)
        assert covering is not None
        return covering, (anchor,)

    # --- what was said of it later

    def _said_later(self, stored: StoredEntry) -> list[Said[StoredEntry]]:
        """Return what corrects, co-signs or erased an entry, in the order of the chain."""
        erased = erasure_of(self.reader, stored) if stored.gone is Gone.ERASED else None
        return in_order(
            corrections_of(self.reader, stored),
            co_signatures_of(self.reader, stored),
            None if erased is None else erased.stored,
        )

    def _heads_over(self, later: list[Said[StoredEntry]]) -> Iterator[int]:
        """Yield the directory indexes of the first heads over these that a checkpoint covers, the newest first."""
        for each in reversed(later):
            head_index = self.directory.first_head_over(each.stored.chain_no, each.stored.leaf_index)
            if head_index is not None and self.directory.first_checkpoint_over(head_index) is not None:
                yield head_index

    def _shown(self, later: list[Said[StoredEntry]], size: int) -> tuple[dict[str, Any], ...]:
        """Return those that are under a checkpoint as evidence, each entry once for what it says."""
        if not later:
            return ()
        chain_no = later[0].stored.chain_no
        proof = self._newest(chain_no, size)
        end = proof.leaf.tree_size
        return tuple(
            LaterEntry(
                kind,
                stored.raw,
                ChainPath(stored.leaf_index, self.trees.inclusion_path(chain_no, stored.leaf_index, end)),
                proof,
            ).to_json()
            for kind, stored in ((each.type, each.stored) for each in later)
            if stored.leaf_index < end
        )

    def _life(self, stored: StoredEntry, size: int) -> tuple[dict[str, Any], ...]:
        """Return what is shown of the life of an entry's chain, as evidence under a checkpoint."""
        chain = self.chains.by_no(stored.chain_no)
        assert chain is not None, "the chain of a stored entry"
        if not self.life.lives.of(chain):
            return ()
        head = self._newest(stored.chain_no, size)
        shown = (self.life.evidence(stored, each, head) for each in self.life.of(chain, head.leaf.tree_size))
        return tuple(each for each in shown if each is not None)

    def _newest(self, chain_no: int, size: int) -> DirectoryProof[HeadLeaf]:
        """Return the newest head of a chain under a checkpoint, where an entry of it is under that."""
        head_index = self.directory.newest_head(chain_no, size)
        assert head_index is not None, "the entry itself is under the checkpoint"
        head = self.directory.leaf(head_index)
        assert isinstance(head, HeadLeaf)
        return self.directory.under(head, head_index, size)

    def _sealed(
        self, stored: StoredEntry, head_index: int, chosen: StoredCheckpoint, anchors: tuple[Anchor, ...]
    ) -> Sealed:
        shared = self._shared(head_index, chosen)
        path = self.trees.inclusion_path(stored.chain_no, stored.leaf_index, shared.head.leaf.tree_size)
        return replace(shared, chain=ChainPath(stored.leaf_index, path), anchors=anchors)

    def _shared_by(self, head_index: int, chosen: StoredCheckpoint) -> Sealed:
        """Return what the receipts of a head's entries share under a checkpoint; only their chain path is missing.

        It is kept: leaves and their paths under one size never change, and receipts are often asked for together.
        """
        head = self.directory.leaf(head_index)
        assert isinstance(head, HeadLeaf)
        own = self.directory.first_checkpoint_over(head_index)
        assert own is not None
        seal_index = own.size - 1
        note = Note.decode(chosen.note or "")
        thread, keys = self.directory.thread_and_keys_under(chosen.size)
        return Sealed(
            chain=ChainPath(0, ()),
            log_path=self.directory.path(0, chosen.size),
            head=self.directory.under(head, head_index, chosen.size),
            seal=self.directory.under(self._seal_leaf(seal_index), seal_index, chosen.size),
            checkpoint=Checkpoint.decode(note.text),
            note=note,
            thread=thread,
            previous_head=self._previous_head(head, chosen.size),
            keys=keys,
        )

    def _seal_leaf(self, index: int) -> SealLeaf:
        leaf = self.directory.leaf(index)
        assert isinstance(leaf, SealLeaf)
        return leaf

    def _previous_head(self, head: HeadLeaf, size: int) -> DirectoryProof[HeadLeaf] | None:
        if head.previous_index == NO_PREVIOUS:
            return None
        previous = self.directory.leaf(head.previous_index)
        assert isinstance(previous, HeadLeaf)
        return self.directory.under(previous, head.previous_index, size)

    def _check_extends(self, old: Checkpoint, new: Checkpoint) -> None:
        smaller, larger = sorted((old, new), key=lambda checkpoint: checkpoint.size)
        path = self.trees.consistency_path(DIRECTORY, smaller.size, larger.size)
        check_consistency(smaller.size, larger.size, smaller.root, larger.root, path)


def _content(stored: StoredEntry, shown: Shown) -> Content:
    kept = stored.kept
    if stored.gone is Gone.ERASED:
        return Content(ContentState.ERASED)
    if kept is None or not shown.salt_and_digest:
        return Content(ContentState.WITHHELD)
    return Content(ContentState.SHOWN, kept.salt, kept.digest, kept.content if shown.content else None)
