# SPDX-License-Identifier: Apache-2.0
"""Certificates as a receipt shows them: those that its author's identity bound, each with those above it.

Input is the evidence of type ``certificates`` (docs/spec/identity.md). The identity's statements name each bound one by
its hash, so nothing here has to be believed. Step 21 judges them; ``chains.identity`` takes them from contents.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anchor.proof.certificate_proof import MAX_CERTIFICATE, MAX_CHAIN
from anchor.proof.codec import sha256
from anchor.proof.errors import MalformedError
from anchor.proof.identity_history import MAX_BINDINGS
from anchor.proof.receipt import Sealed
from anchor.proof.strictjson import Fields

TYPE = "certificates"
_WHAT = "receipt.evidence (certificates)"


@dataclass(frozen=True, slots=True)
class CertificateEvidence:
    """Chains of certificates (DER), the bound one first in each."""

    chains: tuple[tuple[bytes, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as it stands in a receipt."""
        return {"type": TYPE, "chains": [[item.hex() for item in chain] for chain in self.chains]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "CertificateEvidence":
        """Read the evidence; raise MalformedError for anything but its form. Unknown fields are refused."""
        fields = Fields(value, _WHAT)
        fields.text("type")
        chains = fields.array("chains", MAX_BINDINGS)
        fields.end()
        return cls(tuple(_chain(item) for item in chains))

    def of(self, certificate_hash: bytes) -> tuple[bytes, ...]:
        """Return the first chain of the certificate with this SHA-256, or nothing where none is shown."""
        return next((chain for chain in self.chains if sha256(chain[0]) == certificate_hash), ())


def certificate_evidence(sealed: Sealed) -> CertificateEvidence:
    """Return what a receipt shows of certificates; raise MalformedError where it shows that twice."""
    found = [item for item in sealed.evidence if item["type"] == TYPE]
    if len(found) > 1:
        raise MalformedError(f"{_WHAT}: expected it once at most, found it {len(found)} times")
    return CertificateEvidence.from_json(found[0]) if found else CertificateEvidence(())


def _chain(value: object) -> tuple[bytes, ...]:
    fields = Fields({"chain": value}, _WHAT)
    items = fields.array("chain", MAX_CHAIN)
    if not items:
        raise MalformedError(f"{_WHAT}: expected 1 to {MAX_CHAIN} certificates, found none")
    return tuple(Fields({"certificate": item}, _WHAT).hex("certificate", maximum=MAX_CERTIFICATE) for item in items)
