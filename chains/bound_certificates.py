"""Certificates that identities of a home bind: those above them too, kept as the contents of the binding entries.

Files come from who binds, contents from the chains. Receipts show them, and ``identity show`` names them; what they
are worth, a verifier says (step 21).
"""

from collections.abc import Iterable, Sequence

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate

from anchor.certificates import certificate_of, certificates_in, encoded, translated
from anchor.proof.certificate_evidence import CertificateEvidence
from anchor.proof.certificate_proof import MAX_CERTIFICATE, MAX_CHAIN
from anchor.proof.codec import sha256
from anchor.proof.errors import MalformedError
from anchor.proof.identity_history import MAX_BINDINGS

MEDIA_TYPE = "application/pem-certificate-chain"
"""Of the content of an entry that binds: the certificates in PEM, the bound one first (RFC 8555 section 9.1)."""
# Base64 and the lines around each certificate.
MAX_CONTENT = MAX_CHAIN * 2 * MAX_CERTIFICATE


def chain_of(pem: bytes, where: str) -> tuple[bytes, ...]:
    """Return the certificates of a file in DER, the bound one first.

    Raises MalformedError, with ``where`` in it, where there is none, or more or longer ones than a receipt shows.
    """
    with translated(where):
        found = tuple(encoded(item) for item in certificates_in(pem, where))
    if len(found) > MAX_CHAIN or any(len(item) > MAX_CERTIFICATE for item in found):
        raise MalformedError(f"{where}: expected at most {MAX_CHAIN} certificates of at most {MAX_CERTIFICATE} bytes")
    return found


def content_of(chain: Sequence[bytes]) -> bytes:
    """Return certificates (DER) as the content of the entry that binds the first of them."""
    return b"".join(load_der_x509_certificate(item).public_bytes(Encoding.PEM) for item in chain)


def names_of(raw: bytes) -> dict[str, str]:
    """Return subject and issuer of a certificate (DER) as RFC 4514 writes them; nobody vouches for them here."""
    with translated("certificate"):
        certificate = certificate_of(raw, "certificate")
        return {"subject": certificate.subject.rfc4514_string(), "issuer": certificate.issuer.rfc4514_string()}


def shown_certificates(bound: Iterable[tuple[bytes, bytes | None]]) -> CertificateEvidence:
    """Return the evidence for bindings (hash of the certificate, content of the entry or None), as far as it is there.

    A content that is erased, or is not the certificate that the statement names, is left out: a verdict says so.
    """
    chains = []
    for certificate_hash, content in bound:
        if content is None or len(content) > MAX_CONTENT:
            continue
        try:
            chain = chain_of(content, "certificates")
        except MalformedError:
            continue
        if sha256(chain[0]) == certificate_hash:
            chains.append(chain)
    return CertificateEvidence(tuple(chains[:MAX_BINDINGS]))
