# SPDX-License-Identifier: Apache-2.0
"""What a receipt made of a mirror shows besides the way to its checkpoint, in the order in which a service shows it.

Input are the parts of a mirror, and a receipt without evidence; ``mirror_identity``, ``mirror_policy`` and
``mirror_later`` make the items. ``mirror_receipts`` puts them in.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from anchor.proof.certificate_evidence import TYPE as CERTIFICATES
from anchor.proof.certificate_evidence import CertificateEvidence
from anchor.proof.entry import Entry, ExtensionType
from anchor.proof.identity import binds, certificate_bound_in
from anchor.proof.identity_history import MAX_BINDINGS
from anchor.proof.leaves import NO_POLICY, LogLeaf
from anchor.proof.life_evidence import TYPE as CHAIN_LIFE
from anchor.proof.life_evidence import LifeEvidence
from anchor.proof.mirror_chain import ChainSays, read_chain
from anchor.proof.mirror_identity import announcements, key_history
from anchor.proof.mirror_later import Found, PublishedChain
from anchor.proof.mirror_parts import MirrorParts, NotInMirrorError
from anchor.proof.mirror_policy import PolicyShown
from anchor.proof.published_tree import WithheldError
from anchor.proof.receipt import Receipt, Sealed
from anchor.proof.said_later import Said

# Identities and checkpoints of which the key history is kept: the same for all receipts, up to a megabyte each, and
# made over the newest heads of all chains.
_KEPT_HISTORIES = 16
# What the entries of a chain say of each other: a few dozen bytes for each that says something.
_KEPT_CHAINS = 16
Evidence = tuple[Mapping[str, Any], ...]
"""Items of a receipt's evidence, as they stand there."""


@dataclass(frozen=True, slots=True)
class _Author:
    """The evidence of an author's keys, and the hashes of the certificates that he bound."""

    shown: Evidence
    bound: tuple[bytes, ...]


class MirrorEvidence:
    """Makes the evidence of receipts from one mirror; where ``is_brief``, only that of which no whole chain is read."""

    def __init__(self, parts: MirrorParts, *, is_brief: bool = False) -> None:
        self.parts = parts
        self.is_brief = is_brief
        self._history = lru_cache(_KEPT_HISTORIES)(partial(key_history, parts))
        self._authors: dict[tuple[bytes, int], _Author] = {}
        self._says = lru_cache(_KEPT_CHAINS)(self._read)

    def said_later(self, chain_id: bytes, first: Found) -> list[Said[Found]]:
        """Return what later entries say of one; nothing where the mirror has not all of them, which ``of`` tells."""
        try:
            says = self._says(chain_id)
        except (NotInMirrorError, WithheldError):
            return []
        return PublishedChain(self.parts, chain_id, says).said_later(first)

    def of(self, receipt: Receipt, sealed: Sealed, brought: Evidence) -> tuple[Evidence, list[str]]:
        """Return what a receipt shows beside the way to its checkpoint, and what it lacks of it, with the reason.

        ``brought`` is the evidence of an older receipt of the entry, from which what no mirror has is taken.
        """
        lacking = list[str]()
        shown = (*self._of_author(receipt, sealed, brought, lacking),)
        try:
            says = self._says(receipt.entry.chain_id)
        except (NotInMirrorError, WithheldError) as error:
            lacking += [f"the policy of its chain: {error}"] if sealed.head.leaf.policy != NO_POLICY else []
            lacking.append(f"what later entries of its chain say of it: {error}")
            return shown, lacking
        policy = (*self._of_policy(receipt, sealed, says, lacking),)
        chain = PublishedChain(self.parts, receipt.entry.chain_id, says)
        later = chain.said_later(Found(sealed.chain.index, receipt.entry.encode()))
        life, missing = chain.life(receipt, sealed, _earlier_in(brought))
        lacking += [
            f"the other log's receipt on which entry {at} of its chain rests: it is not there" for at in missing
        ]
        return (*shown, *policy, *chain.evidence_of(later, sealed.checkpoint), *life), lacking

    def _read(self, chain_id: bytes) -> ChainSays:
        if self.is_brief:
            raise NotInMirrorError("the other entries of the chain were not read")
        return read_chain(self.parts, chain_id)

    def _of_author(
        self, receipt: Receipt, sealed: Sealed, brought: Evidence, lacking: list[str]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield what is shown of the identity that the entry names as its author."""
        identity = receipt.entry.extension(ExtensionType.IDENTITY)
        if identity is None:
            return
        try:
            author = self._author(identity, receipt.log, sealed)
        except (NotInMirrorError, WithheldError) as error:
            lacking.append(f"the history of its author's keys: {error}")
            return
        yield from author.shown
        chains = [chain for chain in map(_certificates_in(brought).of, author.bound) if chain]
        if chains:
            yield CertificateEvidence(tuple(chains[:MAX_BINDINGS])).to_json()
        if len(chains) < len(author.bound):
            lacking.append(
                "all certificates that its author bound: they are contents, which no mirror has; an older receipt may "
                "show them"
            )

    def _of_policy(
        self, receipt: Receipt, sealed: Sealed, says: ChainSays, lacking: list[str]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield what is shown of the policy of the chain, where its head names one."""
        if sealed.head.leaf.policy == NO_POLICY:
            return
        made = PolicyShown(self.parts, self._history, lacking)
        find = partial(self._find, receipt.entry.chain_id)
        yield made.evidence(receipt, sealed, says.stating, find).to_json()

    def _author(self, identity: bytes, log: LogLeaf, sealed: Sealed) -> _Author:
        """Return what all receipts under the checkpoint show of an author; kept for the next."""
        place = identity, sealed.checkpoint.size
        if place not in self._authors:
            if len(self._authors) == _KEPT_HISTORIES:
                self._authors.clear()
            history = self._history(identity, sealed.checkpoint)
            shown = history.to_json(), *announcements(self.parts, history, identity, log, sealed)
            bound = tuple(certificate_bound_in(entry) for entry in map(Entry.decode, history.entries) if binds(entry))
            self._authors[place] = _Author(shown, bound)
        return self._authors[place]

    def _find(self, chain_id: bytes, entry_hash: bytes) -> bytes | None:
        """Return the entry of a chain that has this hash; None where there is none."""
        index = self.parts.index_of(chain_id, entry_hash)
        return None if index is None else self.parts.entry(chain_id, index)


def _certificates_in(brought: Evidence) -> CertificateEvidence:
    """Return the certificates that an older receipt shows."""
    items = [CertificateEvidence.from_json(item) for item in brought if item["type"] == CERTIFICATES]
    return CertificateEvidence(tuple(chain for item in items for chain in item.chains))


def _earlier_in(brought: Evidence) -> dict[int, Receipt]:
    """Return the other logs' receipts that an older receipt shows, by the indexes of the continuations."""
    items = [LifeEvidence.from_json(item) for item in brought if item["type"] == CHAIN_LIFE]
    return {item.chain.index: item.earlier for item in items if item.earlier is not None}
