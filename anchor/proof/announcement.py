# SPDX-License-Identifier: Apache-2.0
"""The anchor of an announced recovery, as a receipt shows it: by which block the announcement was in the directory.

Input are items of a receipt's evidence (docs/spec/identity.md) and the history of its author's identity. Step 3 counts
the wait of the recovery from that block; ``chains.receipts`` makes the evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anchor.proof.bitcoin.anchor import BitcoinAnchor, check_anchor_header, check_anchor_transaction
from anchor.proof.bitcoin.networks import NetworkRules
from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.errors import MalformedError, Reason
from anchor.proof.identity_evidence import IdentityEvidence
from anchor.proof.leaves import HeadLeaf
from anchor.proof.merkle import check_inclusion, leaf_hash
from anchor.proof.receipt import (
    DirectoryProof,
    Sealed,
    anchor_from_json,
    anchor_to_json,
    proof_from_json,
    proof_to_json,
)
from anchor.proof.strictjson import Fields

TYPE = "announcement"
_WHAT = "receipt.evidence (announcement)"


@dataclass(frozen=True, slots=True)
class Announcement:
    """A head that holds an announcement, under the root that ``anchor`` carries: not under the receipt's checkpoint."""

    head: DirectoryProof[HeadLeaf]
    anchor: BitcoinAnchor

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as it stands in a receipt."""
        return {"type": TYPE, "head": proof_to_json(self.head), "anchor": anchor_to_json(self.anchor)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Announcement":
        """Read the evidence; raise MalformedError for anything but its form. Unknown fields are refused."""
        fields = Fields(value, _WHAT)
        fields.text("type")
        head = proof_from_json(HeadLeaf, fields.take("head"), f"{_WHAT}.head")
        anchor = anchor_from_json(Fields(fields.take("anchor"), f"{_WHAT}.anchor"))
        fields.end()
        if not isinstance(anchor, BitcoinAnchor):
            raise MalformedError(f"{_WHAT}: expected an anchor in Bitcoin")
        return cls(head, anchor)


def anchored_blocks(
    sealed: Sealed, history: IdentityEvidence, rules: NetworkRules | None
) -> dict[int, tuple[int, bytes]]:
    """Return height and hash of the block that a receipt shows of an announcement, by the number of its seal.

    Each head is one of the identity's, which are proved under the checkpoint. That a block is on the best chain is not
    known here. Raises VerificationError for a head that the anchor does not carry, and for an anchor that does not
    hold; MalformedError for another form, and for a head that is none of the identity's.
    """
    numbers = {(item.head.index, item.head.leaf): item.seal.leaf.seal_number for item in history.heads}
    found: dict[int, tuple[int, bytes]] = {}
    for item in (Announcement.from_json(item) for item in sealed.evidence if item["type"] == TYPE):
        head, anchor = item.head, item.anchor
        if (head.index, head.leaf) not in numbers:
            raise MalformedError(f"{_WHAT}: expected a head of the author's identity, found another")
        payload = find_payload(check_anchor_transaction(anchor))
        place = (leaf_hash(head.leaf.encode()), head.index, payload.tree_size, head.path, payload.root)
        check_inclusion(*place, Reason.AUTHOR_KEYS_WRONG)
        block = anchor.decoded_header if rules is None else check_anchor_header(anchor, rules)
        found[numbers[head.index, head.leaf]] = anchor.height, block.hash
    return found
