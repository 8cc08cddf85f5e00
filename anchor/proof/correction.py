# SPDX-License-Identifier: Apache-2.0
"""Later entries of a chain that supersede or retract an earlier one, as its receipt shows them.

Input is the evidence of type ``correction`` (docs/spec/correction.md) and the sealed part of its receipt; step 16
judges with it, and ``chains.corrections`` makes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anchor.proof.codec import HASH_SIZE
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.entry import MAX_ENTRY, Entry, Relation, check_author
from anchor.proof.errors import Reason, UnknownVersionError, VerificationError
from anchor.proof.leaves import HeadLeaf
from anchor.proof.merkle import check_inclusion, leaf_hash
from anchor.proof.receipt import ChainPath, DirectoryProof, Receipt, chain_from_json, proof_from_json, proof_to_json
from anchor.proof.strictjson import Fields

TYPE = "correction"
CORRECTING = frozenset({Relation.SUPERSEDES, Relation.RETRACTS})
_WHAT = "receipt.evidence (correction)"


@dataclass(frozen=True, slots=True)
class CorrectionEvidence:
    """An entry of the same chain, its way to a head of that chain, and that head under the checkpoint."""

    entry: bytes
    chain: ChainPath
    head: DirectoryProof[HeadLeaf]

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as it stands in a receipt."""
        path = [node.hex() for node in self.chain.path]
        return {
            "type": TYPE,
            "entry": self.entry.hex(),
            "chain": {"index": self.chain.index, "path": path},
            "head": proof_to_json(self.head),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "CorrectionEvidence":
        """Read the evidence; raise MalformedError for anything but its form. Unknown fields are refused."""
        fields = Fields(value, _WHAT)
        fields.text("type")
        entry = fields.hex("entry", maximum=MAX_ENTRY)
        chain = chain_from_json(Fields(fields.take("chain"), f"{_WHAT}.chain"))
        head = proof_from_json(HeadLeaf, fields.take("head"), f"{_WHAT}.head")
        fields.end()
        return cls(entry, chain, head)


@dataclass(frozen=True, slots=True)
class Correction:
    """What a later entry says of an earlier one of its chain: ``relation`` to the entry ``corrected`` (its hash).

    ``public_key`` is that of whoever signed it, None where nobody did or in a way that this version does not know.
    """

    relation: Relation
    corrected: bytes
    entry_hash: bytes
    index: int
    public_key: bytes | None

    def to_json(self) -> dict[str, Any]:
        """Return the correction as ``facts.corrections`` has it."""
        value: dict[str, Any] = {
            "relation": self.relation.name.lower(),
            "entry_hash": self.entry_hash.hex(),
            "leaf_index": self.index,
            "corrects": self.corrected.hex(),
        }
        return value if self.public_key is None else value | {"key": self.public_key.hex()}


def shown_corrections(receipt: Receipt) -> list[Mapping[str, Any]]:
    """Return what a receipt shows of corrections, as it stands there."""
    return [] if receipt.sealed is None else [item for item in receipt.sealed.evidence if item["type"] == TYPE]


def proved_corrections(receipt: Receipt, check: SignatureCheck) -> list[Correction]:
    """Return the corrections that a receipt shows, in their order, each of the entry or of one that is shown before.

    Raises VerificationError(CORRECTION_WRONG) where one is not in the chain, not later than what it corrects, corrects
    nothing that is shown, or has a signature that does not hold; MalformedError for another form, and
    UnknownVersionError for an entry of a newer version.
    """
    assert receipt.sealed is not None, "only a sealed receipt shows evidence"
    places = {receipt.entry.hash: receipt.sealed.chain.index}
    found: list[Correction] = []
    for item in shown_corrections(receipt):
        evidence = CorrectionEvidence.from_json(item)
        entry = _understood(evidence.entry)
        _check_place(evidence, entry, receipt)
        found += _corrections_of(evidence, entry, places, check)
        places[entry.hash] = evidence.chain.index
    return found


def _understood(raw: bytes) -> Entry:
    entry = Entry.decode(raw)
    critical = entry.unknown_critical_extensions()
    if critical:
        raise UnknownVersionError(f"entry: extension {critical[0]:#06x} is unknown and must be understood")
    return entry


def _check_place(evidence: CorrectionEvidence, entry: Entry, receipt: Receipt) -> None:
    """The entry is at its index in the same chain, under a head that is under the checkpoint."""
    assert receipt.sealed is not None
    chain_id, head, checkpoint = receipt.entry.chain_id, evidence.head, receipt.sealed.checkpoint
    for found in (entry.chain_id, head.leaf.chain_id):
        if found != chain_id:
            raise _wrong(f"an entry or a head of chain {found.hex()} is shown, expected chain {chain_id.hex()}")
    check_inclusion(
        *(entry.hash, evidence.chain.index, head.leaf.tree_size, evidence.chain.path, head.leaf.root),
        Reason.CORRECTION_WRONG,
    )
    check_inclusion(
        *(leaf_hash(head.leaf.encode()), head.index, checkpoint.size, head.path, checkpoint.root),
        Reason.CORRECTION_WRONG,
    )


def _corrections_of(
    evidence: CorrectionEvidence, entry: Entry, places: Mapping[bytes, int], check: SignatureCheck
) -> list[Correction]:
    """Return what the entry says of those at ``places`` (by hash): at least one must be among them, and earlier."""
    entry_hash, index = entry.hash, evidence.chain.index
    said = [
        (Relation(link.relation), link.entry_hash)
        for link in entry.links
        if link.relation in CORRECTING and link.chain_id == entry.chain_id and link.entry_hash in places
    ]
    if not said:
        raise _wrong(f"entry {entry_hash.hex()} supersedes and retracts nothing that the receipt shows before it")
    if any(index <= places[corrected] for _, corrected in said):
        raise _wrong(f"entry {entry_hash.hex()} at {index} is not later than what it corrects")
    key = _signed_by(entry, check)
    return [Correction(relation, corrected, entry_hash, index, key) for relation, corrected in said]


def _signed_by(entry: Entry, check: SignatureCheck) -> bytes | None:
    try:
        is_signed = check_author(entry, check)
    except VerificationError as error:
        raise _wrong(f"the signature of entry {entry.hash.hex()} does not hold") from error
    return entry.author.body[:HASH_SIZE] if is_signed else None


def _wrong(message: str) -> VerificationError:
    return VerificationError(Reason.CORRECTION_WRONG, f"corrections: {message}")
