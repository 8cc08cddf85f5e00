# SPDX-License-Identifier: Apache-2.0
"""The policy of a chain out of a mirror, as evidence that a receipt carries (docs/spec/policy.md).

Input are the parts of a mirror, what the entries of the chain say, and the receipt so far; every path is checked here.
``mirror_evidence`` puts it into receipts. Whether the entry follows the policy is for step 17 to judge.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from anchor.proof.checkpoint import Checkpoint
from anchor.proof.entry import Entry, ExtensionType
from anchor.proof.identity_evidence import IdentityEvidence
from anchor.proof.leaves import HeadLeaf
from anchor.proof.merkle import check_inclusion, leaf_hash
from anchor.proof.mirror_parts import MirrorParts, NotInMirrorError
from anchor.proof.policy import MAX_STATEMENTS, Policy, corrections_in, stated_in
from anchor.proof.policy_evidence import MAX_CORRECTED, MAX_IDENTITIES, PolicyEvidence, StatedProof
from anchor.proof.published_tree import WithheldError
from anchor.proof.receipt import ChainPath, Receipt, Sealed

Find = Callable[[bytes], bytes | None]
"""find(entry hash): the entry of the receipt's chain that has it, or None where the chain has none."""
KeyHistory = Callable[[bytes, Checkpoint], IdentityEvidence]
"""key_history(identity, checkpoint): as ``mirror_identity.key_history``."""


@dataclass(slots=True)
class PolicyShown:
    """Makes this evidence for one receipt; ``lacking`` says which identities it does not show, and why."""

    parts: MirrorParts
    key_history: KeyHistory
    lacking: list[str] = field(default_factory=list)

    def evidence(self, receipt: Receipt, sealed: Sealed, stating: Iterable[int], find: Find) -> PolicyEvidence:
        """Return the evidence; ``stating`` are the indexes of the entries of the chain that state a policy, in order.

        Raises NotInMirrorError and WithheldError for what is not there, MalformedError and VerificationError for what
        does not hold.
        """
        indexes = [index for index in stating if index < sealed.head.leaf.tree_size][:MAX_STATEMENTS]
        statements = tuple(self._stated(receipt.entry.chain_id, index, sealed.checkpoint) for index in indexes)
        named = {name for item in statements for name in _policy_in(item).identities}
        identities = self._identities(sorted(named), sealed.checkpoint)
        corrected = [raw for raw in map(find, corrections_in(receipt.entry)[:MAX_CORRECTED]) if raw is not None]
        authors = {Entry.decode(raw).extension(ExtensionType.IDENTITY) for raw in corrected} - {None}
        more = self._identities(sorted(filter(None, authors - set(named))), sealed.checkpoint)
        shown = (*identities[:MAX_IDENTITIES], *more)[:MAX_IDENTITIES]
        return PolicyEvidence(statements, shown, tuple(dict.fromkeys(corrected)))

    def _identities(self, names: Iterable[bytes], checkpoint: Checkpoint) -> list[IdentityEvidence]:
        found: list[IdentityEvidence] = []
        for name in names:
            try:
                found.append(self.key_history(name, checkpoint))
            except (NotInMirrorError, WithheldError) as error:
                self.lacking.append(f"the keys of a party to the policy: {error}")
        return found

    def _stated(self, chain_id: bytes, index: int, checkpoint: Checkpoint) -> StatedProof:
        """Return the proof of an entry that states a policy: under the first head that holds it."""
        raw = self.parts.entry(chain_id, index)
        head_index, size = self.parts.first_head(chain_id, index)
        head = self.parts.proof(HeadLeaf, head_index, checkpoint)
        path = self.parts.chain(chain_id).inclusion_path(index, size)
        check_inclusion(leaf_hash(raw), index, size, path, head.leaf.root)
        return StatedProof(
            raw,
            ChainPath(index, path),
            head,
            self.parts.seal_over(head_index, checkpoint),
            self.parts.previous_head(head.leaf, checkpoint),
        )


def _policy_in(item: StatedProof) -> Policy:
    return Policy.decode(stated_in(Entry.decode(item.entry)) or b"")
