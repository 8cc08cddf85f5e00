# SPDX-License-Identifier: Apache-2.0
"""The author's key history as a receipt shows it, proved whole under the receipt's own checkpoint.

Input is the evidence of type ``identity`` (docs/spec/identity.md) and the sealed part of its receipt. Step 3 judges
with it whether the author's key was valid where the entry was first sealed; ``chains.identity`` makes it of a home,
``mirror_identity`` of a mirror.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anchor.proof.checkpoint import Checkpoint
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.entry import MAX_ENTRY, Entry
from anchor.proof.errors import Reason, VerificationError
from anchor.proof.heads import MAX_SIBLINGS, HeadsProof, check_newest
from anchor.proof.identity_history import History, Place, history_of
from anchor.proof.leaves import NO_PREVIOUS, HeadLeaf, LogLeaf, Purpose, SealLeaf
from anchor.proof.merkle import check_inclusions, leaf_hash, root_of
from anchor.proof.receipt import DirectoryProof, Sealed, proof_from_json, proof_to_json
from anchor.proof.strictjson import Fields

TYPE = "identity"
# Far more than keys change; each may cost a verifier some signatures.
MAX_ENTRIES = 256
MAX_HEADS = 256
_WHAT = "receipt.evidence (identity)"


@dataclass(frozen=True, slots=True)
class SealedHead:
    """A head of the identity's chain, and the seal leaf of its seal."""

    head: DirectoryProof[HeadLeaf]
    seal: DirectoryProof[SealLeaf]


@dataclass(frozen=True, slots=True)
class IdentityEvidence:
    """All entries of an identity's chain, all its heads, and that the last of them is the newest.

    ``newest_seal`` is the last leaf under the checkpoint; ``siblings`` lead from the last head to its ``heads_root``.
    """

    entries: tuple[bytes, ...]
    heads: tuple[SealedHead, ...]
    newest_seal: DirectoryProof[SealLeaf]
    siblings: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as it stands in a receipt."""
        return {
            "type": TYPE,
            "entries": [entry.hex() for entry in self.entries],
            "heads": [{"head": proof_to_json(item.head), "seal": proof_to_json(item.seal)} for item in self.heads],
            "newest": {
                "seal": proof_to_json(self.newest_seal),
                "siblings": [sibling.hex() for sibling in self.siblings],
            },
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "IdentityEvidence":
        """Read the evidence; raise MalformedError for anything but its form. Unknown fields are refused."""
        fields = Fields(value, _WHAT)
        fields.text("type")
        entries = fields.array("entries", MAX_ENTRIES)
        heads = fields.array("heads", MAX_HEADS)
        newest = Fields(fields.take("newest"), f"{_WHAT}.newest")
        fields.end()
        evidence = cls(
            tuple(Fields({"entry": item}, _WHAT).hex("entry", maximum=MAX_ENTRY) for item in entries),
            tuple(_head_from_json(item) for item in heads),
            proof_from_json(SealLeaf, newest.take("seal"), f"{_WHAT}.newest.seal"),
            newest.hashes("siblings", MAX_SIBLINGS),
        )
        newest.end()
        return evidence


def identity_evidence(sealed: Sealed) -> IdentityEvidence | None:
    """Return what a receipt shows of the author's keys, or None where it shows nothing.

    Raises MalformedError, and VerificationError where it shows two.
    """
    found = [item for item in sealed.evidence if item["type"] == TYPE]
    if len(found) > 1:
        raise _wrong(f"it is shown {len(found)} times")
    return IdentityEvidence.from_json(found[0]) if found else None


def proved_history(
    evidence: IdentityEvidence, chain_id: bytes, log: LogLeaf, sealed: Sealed, check: SignatureCheck
) -> History:
    """Return the key history of identity ``chain_id`` as of the checkpoint: nothing of it can be left out.

    Every head of the chain is there, from the first to the one that the checkpoint's last seal says is the newest; the
    entries give the root of each. Raises VerificationError(AUTHOR_KEYS_WRONG), MalformedError, and UnknownVersionError
    where this version cannot read an entry.
    """
    check_whole(evidence, chain_id, sealed.checkpoint)
    entries = [Entry.decode(raw) for raw in evidence.entries]
    return history_of(chain_id, log.log_id, zip(entries, _places(evidence, log, sealed), strict=True), check)


def check_whole(evidence: IdentityEvidence, chain_id: bytes, checkpoint: Checkpoint) -> None:
    """Raise VerificationError(AUTHOR_KEYS_WRONG) unless the whole chain of an identity is shown, under a checkpoint.

    What its entries state is not looked at.
    """
    _check_heads(evidence, chain_id)
    _check_entries(evidence)
    _check_directory(evidence, checkpoint)
    _check_newest(evidence, chain_id, checkpoint)


def place_of(sealed: Sealed, log: LogLeaf) -> Place:
    """Return where the receipt's own entry was first sealed."""
    return place_of_seal(sealed.seal, log, sealed)


def _head_from_json(value: object) -> SealedHead:
    fields = Fields(value, f"{_WHAT}.heads")
    head = proof_from_json(HeadLeaf, fields.take("head"), f"{_WHAT}.heads.head")
    item = SealedHead(head, proof_from_json(SealLeaf, fields.take("seal"), f"{_WHAT}.heads.seal"))
    fields.end()
    return item


def _check_heads(evidence: IdentityEvidence, chain_id: bytes) -> None:
    """Each head points to the one before, the first to none; each is in its seal, and longer than the last."""
    if not evidence.heads:
        raise _wrong("no head of the identity's chain is shown")
    before_index, before_size = NO_PREVIOUS, 0
    for item in evidence.heads:
        head = item.head.leaf
        if head.chain_id != chain_id:
            raise _wrong(f"a head of chain {head.chain_id.hex()} is shown, expected one of {chain_id.hex()}")
        if head.previous_index != before_index or head.tree_size <= before_size:
            raise _wrong(f"the head at {item.head.index} does not follow the one that is shown before it")
        if not item.seal.index - item.seal.leaf.head_count <= item.head.index < item.seal.index:
            raise _wrong(f"the head at {item.head.index} is none of those of the seal at {item.seal.index}")
        before_index, before_size = item.head.index, head.tree_size


def _check_entries(evidence: IdentityEvidence) -> None:
    """The entries, from the first on, give the root of every head; the last head has them all."""
    size = evidence.heads[-1].head.leaf.tree_size
    if size != len(evidence.entries):
        raise _wrong(f"the newest head has {size} entries, {len(evidence.entries)} are shown")
    hashes = [leaf_hash(entry) for entry in evidence.entries]
    for item in evidence.heads:
        if root_of(hashes[: item.head.leaf.tree_size]) != item.head.leaf.root:
            raise _wrong(f"the entries that are shown do not give the root of the head at {item.head.index}")


def _check_directory(evidence: IdentityEvidence, checkpoint: Checkpoint) -> None:
    proofs: list[DirectoryProof[Any]] = [evidence.newest_seal]
    for item in evidence.heads:
        proofs += [item.head, item.seal]
    places = [(leaf_hash(proof.leaf.encode()), proof.index, proof.path) for proof in proofs]
    try:
        check_inclusions(places, checkpoint.size, checkpoint.root)
    except VerificationError as error:
        raise _wrong("a head or a seal that is shown is not under the checkpoint") from error


def _check_newest(evidence: IdentityEvidence, chain_id: bytes, checkpoint: Checkpoint) -> None:
    """The last leaf under a checkpoint is that of its seal, over the newest head of every chain."""
    seal = evidence.newest_seal
    if seal.index != checkpoint.size - 1:
        raise _wrong(f"the seal at {seal.index} is not the last leaf under the checkpoint of {checkpoint.size}")
    terminal = evidence.heads[-1].head.leaf.encode()
    try:
        check_newest(HeadsProof(terminal, evidence.siblings), chain_id, seal.leaf.heads_root)
    except VerificationError as error:
        raise _wrong("the last head that is shown is not the newest one under the checkpoint") from error


def _places(evidence: IdentityEvidence, log: LogLeaf, sealed: Sealed) -> list[Place]:
    """Return for each entry where it was first sealed: in the first head that holds it."""
    places: list[Place] = []
    for item in evidence.heads:
        place = place_of_seal(item.seal, log, sealed)
        places += [place] * (item.head.leaf.tree_size - len(places))
    return places


def place_of_seal(seal: DirectoryProof[SealLeaf], log: LogLeaf, sealed: Sealed) -> Place:
    """Return a seal as a place, with the promise key that was in force: key leaves stand before heads."""
    later = [proof for proof in sealed.keys if proof.leaf.purpose == Purpose.PROMISE and proof.index < seal.index]
    key = later[-1].leaf.new_key if later else log.promise_key
    return Place.of_seal(seal.leaf, key.value)


def _wrong(message: str) -> VerificationError:
    return VerificationError(Reason.AUTHOR_KEYS_WRONG, f"the history of the author's keys: {message}")
