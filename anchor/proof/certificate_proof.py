# SPDX-License-Identifier: Apache-2.0
"""The proof by which the key of a certificate (X.509) signs an identity: the bytes, and what they are over.

Input is a statement that binds a certificate (``identity``). Signatures of certificates' keys need more than the
standard library, so a ``CertificateCheck`` is an argument of ``verify``; ``anchor.certificate_check`` is one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from anchor.proof.codec import HASH_SIZE, Reader, exactly, fits
from anchor.proof.errors import MalformedError

CERTIFICATE_DOMAIN = b"anchorline/identity-certificate/v1\n"
# Attributes of a signer's tool (CAdES: content type, digest, time, certificate) have 100 to 400 bytes.
MAX_ATTRIBUTES = 1024
# RSA with 4,096 bits.
MAX_PROOF_SIGNATURE = 512
# Certificates have 500 to 3,000 bytes; those with pictures of handwriting are not for this.
MAX_CERTIFICATE = 8192
MAX_CHAIN = 8
"""Certificates from the bound one up; real ways have two to four."""


class ProofAlgorithm(IntEnum):
    """How a certificate's key signs; signatures over curves are r ‖ s. Unknown numbers are kept, and not judged."""

    RSA_PKCS1_SHA256 = 1
    RSA_PSS_SHA256 = 2
    ECDSA_P256_SHA256 = 3
    ECDSA_P384_SHA384 = 4
    ED25519 = 5


@dataclass(frozen=True, slots=True)
class CertificateProof:
    """A signature by a certificate's key over the message of ``certificate_message``.

    ``attributes`` is empty where the signature is over the message itself. Else it is a SET of CMS's signed attributes
    (DER, RFC 5652 section 5.3), which hold the message's digest, and the signature is over them.
    """

    algorithm: int
    attributes: bytes
    signature: bytes

    def encode(self) -> bytes:
        """Return algorithm ‖ attributes ‖ signature, each of the last two behind its length."""
        return b"".join(
            (
                fits(self.algorithm, 1, "algorithm of a certificate's proof"),
                fits(len(self.attributes), 2, "attributes of a certificate's proof") + self.attributes,
                fits(len(self.signature), 2, "signature of a certificate's proof") + self.signature,
            )
        )

    @classmethod
    def read(cls, reader: Reader) -> "CertificateProof":
        """Take a proof from a statement; raise MalformedError beyond its limits."""
        proof = cls(reader.byte(), reader.prefixed(2), reader.prefixed(2))
        if proof.algorithm == 0:
            raise MalformedError("proof of a certificate: expected an algorithm of 1 to 255, found 0")
        if len(proof.attributes) > MAX_ATTRIBUTES:
            raise MalformedError(
                f"proof of a certificate: expected at most {MAX_ATTRIBUTES} bytes of signed attributes, found "
                f"{len(proof.attributes)}"
            )
        if not 1 <= len(proof.signature) <= MAX_PROOF_SIGNATURE:
            raise MalformedError(
                f"proof of a certificate: expected a signature of 1 to {MAX_PROOF_SIGNATURE} bytes, found "
                f"{len(proof.signature)}"
            )
        return proof


@dataclass(frozen=True, slots=True)
class CheckedCertificate:
    """What a certificate says whose key made a proof that holds.

    Names are as RFC 4514 writes them. ``qualified`` are the words of its QcStatements (ETSI EN 319 412-5), which it
    says of itself. ``vouched_by`` is the root that the verifier trusts and that leads to it, or None.

    ``revoked_at_ms`` is since when it, or one above it, does not count by the lists of their issuers that the verifier
    brought, ``listed_at_ms`` when the newest list of its issuer was made that would name it (Unix ms); or None.
    """

    subject: str
    issuer: str
    qualified: tuple[str, ...]
    vouched_by: str | None
    revoked_at_ms: int | None = None
    listed_at_ms: int | None = None


CertificateCheck = Callable[[Sequence[bytes], CertificateProof, bytes, int], CheckedCertificate | None]
"""(certificates in DER, the bound one first; its proof; the message; Unix time in ms) -> what was found at that time.

None where the proof is of an algorithm that it does not know. When a revocation counts, is not decided there. Raises
MalformedError for what is no certificate, and VerificationError(CERTIFICATE_WRONG) for a proof that does not hold, or a
certificate that is not for signing or was not valid then.
"""


def certificate_message(chain_id: bytes, certificate_hash: bytes) -> bytes:
    """Return what a certificate's key signs: domain ‖ chain_id of the identity ‖ H(the certificate in DER)."""
    return (
        CERTIFICATE_DOMAIN
        + exactly(chain_id, HASH_SIZE, "chain_id")
        + exactly(certificate_hash, HASH_SIZE, "hash of a certificate")
    )
