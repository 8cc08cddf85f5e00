# SPDX-License-Identifier: Apache-2.0
"""What later entries of its chain say of an entry, and the chain's life, out of a mirror: evidence of its receipt.

Input are the parts of a mirror and what the entries of the chain say (``mirror_chain``); every path is checked here.
``mirror_evidence`` puts it into receipts, by the rules of ``said_later``, as a service does.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from anchor.proof.chain_life import Continuation, statement_of
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.entry import Entry
from anchor.proof.errors import MalformedError, VerificationError
from anchor.proof.later_entry import LaterEntry
from anchor.proof.leaves import HeadLeaf
from anchor.proof.life_evidence import LifeEvidence, proved_life
from anchor.proof.merkle import check_inclusion, leaf_hash
from anchor.proof.mirror_chain import ChainSays
from anchor.proof.mirror_parts import MirrorParts
from anchor.proof.receipt import ChainPath, DirectoryProof, Receipt, Sealed
from anchor.proof.said_later import (
    MOST_CO_SIGNATURES,
    MOST_OF_LIFE,
    Corrected,
    Said,
    co_signs,
    corrections_from,
    corrects,
    erases,
    in_order,
)

Earlier = Mapping[int, Receipt]
"""Receipts of other logs, by the indexes of the continuations that rest on them."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry of a published chain."""

    leaf_index: int
    raw: bytes

    @property
    def entry_hash(self) -> bytes:
        """Its hash."""
        return leaf_hash(self.raw)

    @property
    def entry(self) -> Entry:
        """The decoded entry."""
        return Entry.decode(self.raw)


@dataclass(frozen=True, slots=True)
class PublishedChain:
    """One chain of a mirror, and what its entries say of each other."""

    parts: MirrorParts
    chain_id: bytes
    says: ChainSays

    def said_later(self, first: Found) -> list[Said[Found]]:
        """Return what corrects, co-signs or erases an entry, in the order of the chain."""
        key = first.entry_hash
        co_signing = (each for each in self._after(first) if co_signs(each.entry, key))
        erasing = next((each for each in self._after(first) if erases(each.entry, key)), None)
        return in_order(corrections_from(first, self._correcting), islice(co_signing, MOST_CO_SIGNATURES), erasing)

    def evidence_of(self, later: Iterable[Said[Found]], checkpoint: Checkpoint) -> Iterator[dict[str, Any]]:
        """Yield those that are under a checkpoint as evidence."""
        head = self._newest(checkpoint)
        for each in later:
            if each.stored.leaf_index < head.leaf.tree_size:
                place = self._place(each.stored, head.leaf)
                yield LaterEntry(each.type, each.stored.raw, place, head).to_json()

    def life(self, receipt: Receipt, sealed: Sealed, brought: Earlier) -> tuple[list[dict[str, Any]], list[int]]:
        """Return what is shown of the chain's life in a receipt, as evidence.

        ``brought`` are the other logs' receipts on which continuations rest, by the indexes of these, as an older
        receipt shows them; those of the mirror go before. With the evidence come the indexes of those of which there
        is none that fits.
        """
        head, shown, lacking = self._newest(sealed.checkpoint), list[dict[str, Any]](), list[int]()
        size = head.leaf.tree_size
        for at in [at for at in self.says.living if at < size][-MOST_OF_LIFE:]:
            found = self._found(at)
            alone = LifeEvidence(found.raw, self._place(found, head.leaf), head)
            if not isinstance(statement_of(found.entry), Continuation):
                shown.append(alone.to_json())
                continue
            given = [each[at] for each in (self._earlier(), brought) if at in each]
            made = (self._continued(alone, receipt, sealed, earlier) for earlier in given)
            fits = next((each for each in made if each is not None), None)
            if fits is None:
                lacking.append(at)
            else:
                shown.append(fits.to_json())
        return shown, lacking

    def _earlier(self) -> Earlier:
        return self.parts.earlier(self.chain_id)

    def _continued(
        self, alone: LifeEvidence, receipt: Receipt, sealed: Sealed, earlier: Receipt
    ) -> LifeEvidence | None:
        """Return the evidence of a continuation with a receipt of the other log; None where that is of another one."""
        index, at = sealed.chain.index, alone.chain.index
        path = self.parts.chain(self.chain_id).inclusion_path(index, at) if index < at else ()
        made = replace(alone, earlier=earlier, path=path)
        try:
            # Its signatures, and what the earlier receipt comes to, are for step 19 to judge.
            proved_life(made, replace(receipt, sealed=sealed), lambda *_: True)
        except (MalformedError, VerificationError):
            return None
        return made

    def _correcting(self, corrected: Found) -> Iterator[Corrected[Found]]:
        key = corrected.entry_hash
        for each in self._after(corrected):
            for relation in corrects(each.entry, key):
                yield Corrected(each, relation, key)

    def _after(self, first: Found) -> Iterator[Found]:
        indexes: Sequence[int] = self.says.later.get(first.entry_hash, ())
        return (self._found(index) for index in indexes if index > first.leaf_index)

    def _found(self, index: int) -> Found:
        return Found(index, self.parts.entry(self.chain_id, index))

    def _newest(self, checkpoint: Checkpoint) -> DirectoryProof[HeadLeaf]:
        """Return the newest head of the chain under a checkpoint that covers one."""
        heads = self.parts.directory.heads[self.chain_id]
        return self.parts.proof(HeadLeaf, max(index for index, _ in heads if index < checkpoint.size), checkpoint)

    def _place(self, found: Found, head: HeadLeaf) -> ChainPath:
        path = self.parts.chain(self.chain_id).inclusion_path(found.leaf_index, head.tree_size)
        check_inclusion(found.entry_hash, found.leaf_index, head.tree_size, path, head.root)
        return ChainPath(found.leaf_index, path)
