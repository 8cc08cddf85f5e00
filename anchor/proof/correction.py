# SPDX-License-Identifier: Apache-2.0
"""Later entries of a chain that supersede or retract an earlier one, as its receipt shows them.

Input is the evidence of type ``correction`` (docs/spec/correction.md) and the sealed part of its receipt; step 16
judges with it, and ``chains.corrections`` makes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.entry import Entry, Relation
from anchor.proof.errors import Reason
from anchor.proof.later_entry import LaterEntry, Refusal, key_facts, placed_entry, shown, signers_of
from anchor.proof.receipt import Receipt

TYPE = "correction"
CORRECTING = frozenset({Relation.SUPERSEDES, Relation.RETRACTS})
_REFUSAL = Refusal(Reason.CORRECTION_WRONG, "corrections")


@dataclass(frozen=True, slots=True)
class Correction:
    """What a later entry says of an earlier one of its chain: ``relation`` to the entry ``corrected`` (its hash).

    ``keys`` are those that signed it, none where nobody did or in a way that this version does not know.
    """

    relation: Relation
    corrected: bytes
    entry_hash: bytes
    index: int
    keys: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the correction as ``facts.corrections`` has it."""
        value = {
            "relation": self.relation.name.lower(),
            "entry_hash": self.entry_hash.hex(),
            "leaf_index": self.index,
            "corrects": self.corrected.hex(),
        }
        return value | key_facts(self.keys)


def shown_corrections(receipt: Receipt) -> list[Mapping[str, Any]]:
    """Return what a receipt shows of corrections, as it stands there."""
    return shown(receipt, TYPE)


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
        evidence = LaterEntry.from_json(item)
        entry = placed_entry(evidence, receipt, _REFUSAL)
        found += _corrections_of(evidence, entry, places, check)
        places[entry.hash] = evidence.chain.index
    return found


def _corrections_of(
    evidence: LaterEntry, entry: Entry, places: Mapping[bytes, int], check: SignatureCheck
) -> list[Correction]:
    """Return what the entry says of those at ``places`` (by hash): at least one must be among them, and earlier."""
    entry_hash, index = entry.hash, evidence.chain.index
    said = [
        (Relation(link.relation), link.entry_hash)
        for link in entry.links
        if link.relation in CORRECTING and link.chain_id == entry.chain_id and link.entry_hash in places
    ]
    if not said:
        raise _REFUSAL.error(
            f"entry {entry_hash.hex()} supersedes and retracts nothing that the receipt shows before it"
        )
    if any(index <= places[corrected] for _, corrected in said):
        raise _REFUSAL.error(f"entry {entry_hash.hex()} at {index} is not later than what it corrects")
    keys = signers_of(entry, check, _REFUSAL)
    return [Correction(relation, corrected, entry_hash, index, keys) for relation, corrected in said]
