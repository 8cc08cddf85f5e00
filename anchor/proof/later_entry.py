# SPDX-License-Identifier: Apache-2.0
"""A later entry of a receipt's chain, as evidence shows it: the entry, its place in the chain, and a head over it.

Input is an item of a receipt's evidence. ``anchor.proof.correction`` and ``anchor.proof.co_signature`` say what such an
entry means, and with which reason it is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.entry import MAX_ENTRY, Entry, check_author, signing_keys
from anchor.proof.errors import Reason, UnknownVersionError, VerificationError
from anchor.proof.leaves import HeadLeaf
from anchor.proof.merkle import check_inclusion, leaf_hash
from anchor.proof.receipt import ChainPath, DirectoryProof, Receipt, chain_from_json, proof_from_json, proof_to_json
from anchor.proof.strictjson import Fields


@dataclass(frozen=True, slots=True)
class LaterEntry:
    """Evidence of a ``type``: an entry, its way to a head of its chain, and that head under the checkpoint."""

    type: str
    entry: bytes
    chain: ChainPath
    head: DirectoryProof[HeadLeaf]

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as it stands in a receipt."""
        path = [node.hex() for node in self.chain.path]
        return {
            "type": self.type,
            "entry": self.entry.hex(),
            "chain": {"index": self.chain.index, "path": path},
            "head": proof_to_json(self.head),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "LaterEntry":
        """Read the evidence; raise MalformedError for anything but its form. Unknown fields are refused."""
        what = f"receipt.evidence ({value['type']})"
        fields = Fields(value, what)
        kind = fields.text("type")
        entry = fields.hex("entry", maximum=MAX_ENTRY)
        chain = chain_from_json(Fields(fields.take("chain"), f"{what}.chain"))
        head = proof_from_json(HeadLeaf, fields.take("head"), f"{what}.head")
        fields.end()
        return cls(kind, entry, chain, head)


@dataclass(frozen=True, slots=True)
class Refusal:
    """How evidence that does not hold is refused: by which reason, and as what it is called in messages."""

    reason: Reason
    what: str

    def error(self, message: str) -> VerificationError:
        """Return what is raised."""
        return VerificationError(self.reason, f"{self.what}: {message}")


def shown(receipt: Receipt, kind: str) -> list[Mapping[str, Any]]:
    """Return the evidence of a type that a receipt shows, as it stands there."""
    return [] if receipt.sealed is None else [item for item in receipt.sealed.evidence if item["type"] == kind]


def placed_entry(evidence: LaterEntry, receipt: Receipt, refusal: Refusal) -> Entry:
    """Return the entry that is shown, which is at its index in the receipt's chain, under the receipt's checkpoint.

    Raises VerificationError with the refusal's reason where it is not, MalformedError for what is no entry, and
    UnknownVersionError for one of a newer version.
    """
    assert receipt.sealed is not None, "only a sealed receipt shows evidence"
    entry = Entry.decode(evidence.entry)
    critical = entry.unknown_critical_extensions()
    if critical:
        raise UnknownVersionError(f"entry: extension {critical[0]:#06x} is unknown and must be understood")
    chain_id, head, checkpoint = receipt.entry.chain_id, evidence.head, receipt.sealed.checkpoint
    for found in (entry.chain_id, head.leaf.chain_id):
        if found != chain_id:
            raise refusal.error(f"an entry or a head of chain {found.hex()} is shown, expected chain {chain_id.hex()}")
    check_inclusion(
        *(entry.hash, evidence.chain.index, head.leaf.tree_size, evidence.chain.path, head.leaf.root), refusal.reason
    )
    check_inclusion(
        *(leaf_hash(head.leaf.encode()), head.index, checkpoint.size, head.path, checkpoint.root), refusal.reason
    )
    return entry


def signers_of(entry: Entry, check: SignatureCheck, refusal: Refusal) -> tuple[bytes, ...]:
    """Return the keys that signed an entry, ascending; none where nobody did, or in a way that is unknown here."""
    try:
        is_signed = check_author(entry, check)
    except VerificationError as error:
        raise refusal.error(f"the signature of entry {entry.hash.hex()} does not hold") from error
    return signing_keys(entry) if is_signed else ()


def key_facts(keys: Sequence[bytes]) -> dict[str, Any]:
    """Return who signed as the facts of a verdict have it: ``key``, and ``keys`` where they are several."""
    if not keys:
        return {}
    several = {"keys": [key.hex() for key in keys]} if len(keys) > 1 else {}
    return {"key": keys[0].hex()} | several


def told_signers(keys: Sequence[bytes]) -> str:
    """Say who signed, for a sentence."""
    if not keys:
        return "unsigned"
    return f"signed by {'keys' if len(keys) > 1 else 'key'} {', '.join(key.hex() for key in keys)}"
