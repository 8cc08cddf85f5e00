# SPDX-License-Identifier: Apache-2.0
"""Co-signatures: later entries of a chain by which further parties sign one before them, as its receipt shows them.

Input is the evidence of type ``co-signature`` (docs/spec/co-signature.md) and the sealed part of its receipt; step 20
judges with it, and ``chains.co_signatures`` makes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.entry import ExtensionType, Relation
from anchor.proof.errors import Reason
from anchor.proof.later_entry import LaterEntry, Refusal, placed_entry, shown, signers_of
from anchor.proof.receipt import Receipt

TYPE = "co-signature"
_REFUSAL = Refusal(Reason.CO_SIGNATURE_WRONG, "co-signatures")


@dataclass(frozen=True, slots=True)
class CoSignature:
    """A signature over an earlier entry: by ``public_key``, and by its own word for ``identity`` (a chain id or None).

    ``entry_hash`` and ``index`` are those of the entry that signs.
    """

    public_key: bytes
    identity: bytes | None
    entry_hash: bytes
    index: int

    def to_json(self) -> dict[str, Any]:
        """Return it as ``facts.co_signatures`` has it."""
        value = {"key": self.public_key.hex(), "entry_hash": self.entry_hash.hex(), "leaf_index": self.index}
        return value if self.identity is None else value | {"identity": self.identity.hex()}


def shown_co_signatures(receipt: Receipt) -> list[Mapping[str, Any]]:
    """Return what a receipt shows of co-signatures, as it stands there."""
    return shown(receipt, TYPE)


def proved_co_signatures(receipt: Receipt, check: SignatureCheck) -> list[CoSignature]:
    """Return the co-signatures that a receipt shows of its own entry, in their order.

    Raises VerificationError(CO_SIGNATURE_WRONG) where one is not in the chain, not later than the entry, links to
    something else, or is not signed, or wrongly; MalformedError for another form, and UnknownVersionError for an entry
    of a newer version.
    """
    items = [LaterEntry.from_json(item) for item in shown_co_signatures(receipt)]
    return [found for item in items for found in _proved(item, receipt, check)]


def _proved(evidence: LaterEntry, receipt: Receipt, check: SignatureCheck) -> list[CoSignature]:
    """Return one for each key that signed the entry."""
    assert receipt.sealed is not None
    entry = placed_entry(evidence, receipt, _REFUSAL)
    signed, index = (receipt.entry.chain_id, receipt.entry.hash), evidence.chain.index
    links = [link for link in entry.links if (link.chain_id, link.entry_hash) == signed]
    if Relation.COSIGNS not in [link.relation for link in links]:
        raise _REFUSAL.error(f"entry {entry.hash.hex()} does not co-sign the entry")
    if index <= receipt.sealed.chain.index:
        raise _REFUSAL.error(f"entry {entry.hash.hex()} at {index} is not later than the entry")
    keys = signers_of(entry, check, _REFUSAL)
    if not keys:
        raise _REFUSAL.error(f"entry {entry.hash.hex()} is not signed in a way that can be checked")
    identity = entry.extension(ExtensionType.IDENTITY)
    return [CoSignature(key, identity, entry.hash, index) for key in keys]
