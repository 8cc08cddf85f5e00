"""Detached CMS signatures (RFC 5652) as sealing tools make them, taken apart into the proof of a certificate's key.

Input is a file that a signer's tool wrote (``openssl cms -sign``, CAdES tools), in DER or PEM. ``identity bind`` keeps
the signed attributes and the signature; the envelope around them says nothing more and is thrown away.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from anchor import der
from anchor.proof.certificate_proof import CertificateProof, ProofAlgorithm
from anchor.proof.errors import MalformedError

# A signature with its certificates and revocation lists; only the first two of these are read.
MAX_CMS = 262_144
_PEM = re.compile(rb"-----BEGIN (CMS|PKCS7)-----(.*?)-----END \1-----", re.DOTALL)
SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
_SHA256 = bytes.fromhex("608648016503040201")
_RSA = bytes.fromhex("2a864886f70d010101")
_ALGORITHMS = {
    bytes.fromhex("2a864886f70d01010b"): ProofAlgorithm.RSA_PKCS1_SHA256,
    bytes.fromhex("2a864886f70d01010a"): ProofAlgorithm.RSA_PSS_SHA256,
    bytes.fromhex("2a8648ce3d040302"): ProofAlgorithm.ECDSA_P256_SHA256,
    bytes.fromhex("2a8648ce3d040303"): ProofAlgorithm.ECDSA_P384_SHA384,
    bytes.fromhex("2b6570"): ProofAlgorithm.ED25519,
}
CURVE_SIZES = {ProofAlgorithm.ECDSA_P256_SHA256: 32, ProofAlgorithm.ECDSA_P384_SHA384: 48}
"""Bytes of r, and of s, of the signatures over each curve."""


@dataclass(frozen=True, slots=True)
class CmsSignature:
    """What one signer signed: his proof, and the certificates that came with it (DER, in no order)."""

    proof: CertificateProof
    certificates: tuple[bytes, ...]


def read_cms(data: bytes, where: str) -> CmsSignature:
    """Read a detached signature by one signer; raise MalformedError, with ``where`` in it, for anything else."""
    try:
        return _read(data)
    except MalformedError as error:
        raise MalformedError(f"{where}: expected a detached CMS signature in DER or PEM: {error}") from error


def _read(data: bytes) -> CmsSignature:
    if len(data) > MAX_CMS:
        raise MalformedError(f"CMS signature: expected at most {MAX_CMS} bytes, got {len(data)}")
    kind, wrapped = der.items_of(der.read(_unarmoured(data)), der.SEQUENCE, 2)[:2]
    if kind.expect(der.OID).content != SIGNED_DATA:
        raise MalformedError("CMS signature: expected signed data")
    parts = der.items_of(der.read(wrapped.expect(der.CONTEXT_0).content), der.SEQUENCE, 4)
    if len(der.items_of(parts[2], der.SEQUENCE, 1)) != 1:
        raise MalformedError("CMS signature: expected a detached one, which does not hold what it signs")
    signers = der.items_of(parts[-1], der.SET, 1)
    if len(signers) != 1:
        raise MalformedError(f"CMS signature: expected one signer, found {len(signers)}")
    carried = parts[3].items() if parts[3].tag == der.CONTEXT_0 else ()
    return CmsSignature(_proof(signers[0]), tuple(item.encoded for item in carried if item.tag == der.SEQUENCE))


def signed_attributes(attributes: Iterable[der.Value]) -> dict[bytes, der.Value] | None:
    """Return the first value of each signed attribute by its identifier (RFC 5652 section 5.3); None: one is twice."""
    pairs = [der.items_of(attribute, der.SEQUENCE, 2) for attribute in attributes]
    values = {pair[0].expect(der.OID).content: der.items_of(pair[1], der.SET, 1)[0] for pair in pairs}
    return values if len(values) == len(pairs) else None


def flat_signature(signature: bytes, size: int) -> bytes:
    """Return r ‖ s, ``size`` bytes each, of a signature over a curve as X.509 writes it (RFC 3279 section 2.2.3)."""
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    except (ValueError, OverflowError) as error:
        raise MalformedError(f"signature over a curve: expected two numbers of {size} bytes in DER: {error}") from error


def _proof(signer: der.Value) -> CertificateProof:
    parts = der.items_of(signer, der.SEQUENCE, 5)
    digest = der.items_of(parts[2], der.SEQUENCE, 1)[0].expect(der.OID).content
    has_attributes = parts[3].tag == der.CONTEXT_0
    # What is signed is the SET itself, and not the tag under which it is written (RFC 5652 section 5.4).
    attributes = bytes((der.SET,)) + parts[3].encoded[1:] if has_attributes else b""
    rest = parts[3 + has_attributes :]
    if len(rest) < 2:
        raise MalformedError("CMS signature: expected an algorithm and a signature")
    name = der.items_of(rest[0], der.SEQUENCE, 1)[0].expect(der.OID).content
    algorithm = ProofAlgorithm.RSA_PKCS1_SHA256 if (name, digest) == (_RSA, _SHA256) else _ALGORITHMS.get(name)
    if algorithm is None:
        raise MalformedError(
            f"CMS signature: expected RSA with SHA-256 (PKCS #1 or PSS), ECDSA over P-256 with SHA-256 or P-384 with "
            f"SHA-384, or Ed25519; found algorithm {name.hex()} with digest {digest.hex()}; sign anew with another -md"
        )
    signature = rest[1].expect(der.OCTETS).content
    size = CURVE_SIZES.get(algorithm)
    return CertificateProof(algorithm, attributes, signature if size is None else flat_signature(signature, size))


def _unarmoured(data: bytes) -> bytes:
    """Return DER out of PEM; what is no PEM is returned as it is."""
    found = _PEM.search(data)
    if found is None:
        return data
    try:
        return base64.b64decode(b"".join(found[2].split()), validate=True)
    except binascii.Error as error:
        raise MalformedError(f"CMS signature: expected base64 inside PEM: {error}") from error
