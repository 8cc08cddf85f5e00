"""Holders of certificates (X.509) who bind them to identities: their certificates, and what their keys sign.

Keys come from names and signatures over curves are deterministic, so that vectors never change by themselves; an RSA
key is made once for a run. Certificates are valid around ``world.START_MS`` unless a test says otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, Hash, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier

from anchor import der
from anchor.cms import flat_signature
from anchor.proof.certificate_proof import CertificateProof, ProofAlgorithm, certificate_message
from tests.simulators.timestamp_authority import AT, Certified, name_of

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
YEAR = timedelta(days=365)
QC_STATEMENTS = ObjectIdentifier("1.3.6.1.5.5.7.1.3")
CONTENT_TYPE, MESSAGE_DIGEST = "2a864886f70d010903", "2a864886f70d010904"
DATA = "2a864886f70d010701"


@dataclass(frozen=True)
class Sealer:
    """A key, its certificate, and the certificates above it."""

    key: Key
    certificate: x509.Certificate
    above: tuple[bytes, ...] = ()

    @property
    def encoded(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def hash(self) -> bytes:
        return sha256(self.encoded).digest()

    @property
    def chain(self) -> tuple[bytes, ...]:
        return (self.encoded, *self.above)


def p256(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(_number(name), ec.SECP256R1())


def p384(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(_number(name), ec.SECP384R1())


def edwards(name: str) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(sha256(f"key of {name}".encode()).digest())


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def _number(name: str) -> int:
    return int.from_bytes(sha256(f"key of {name}".encode()).digest()[:31], "big")


def sealer(
    name: str,
    issuer: Certified,
    key: Key | None = None,
    *,
    signs: bool | None = None,
    qualified: bytes | None = None,
    critical: ObjectIdentifier | None = None,
    first: datetime = AT - YEAR,
    last: datetime = AT + YEAR,
    above: Sequence[Certified] = (),
) -> Sealer:
    """Make the certificate of a sealer; ``signs`` is whether its key usage, if it has one, is for signatures."""
    own = key or p256(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name_of(name))
        .issuer_name(issuer.certificate.subject)
        .public_key(own.public_key())
        .serial_number(11)
        .not_valid_before(first)
        .not_valid_after(last)
    )
    if signs is not None:
        others = {"data_encipherment": False, "key_agreement": False, "key_cert_sign": False, "crl_sign": False}
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=signs,
            key_encipherment=not signs,
            encipher_only=False,
            decipher_only=False,
            **others,
        )
        builder = builder.add_extension(usage, critical=True)
    if qualified is not None:
        builder = builder.add_extension(x509.UnrecognizedExtension(QC_STATEMENTS, qualified), critical=False)
    if critical is not None:
        builder = builder.add_extension(x509.UnrecognizedExtension(critical, b"\x05\x00"), critical=True)
    signed = builder.sign(issuer.key, SHA256(), ecdsa_deterministic=True)
    return Sealer(own, signed, tuple(item.encoded for item in above))


def revocation_list(
    issuer: Certified,
    *revoked: tuple[int, datetime],
    at: datetime = AT + YEAR,
    invalid_since: datetime | None = None,
    is_delta: bool = False,
) -> x509.CertificateRevocationList:
    """Make an issuer's list of revoked certificates: their serial numbers, each with the time of its revocation."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(at).next_update(at + YEAR)
    for serial, since in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
        entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
        if invalid_since is not None:
            entry = entry.add_extension(x509.InvalidityDate(invalid_since.replace(tzinfo=None)), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    if is_delta:
        builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
    if isinstance(issuer.key, ed25519.Ed25519PrivateKey):  # a root of a test of its own
        return builder.sign(issuer.key, None)
    is_curve = isinstance(issuer.key, ec.EllipticCurvePrivateKey)
    return builder.sign(issuer.key, SHA256(), ecdsa_deterministic=True if is_curve else None)


def qc(*names: str, kind: str | None = None) -> bytes:
    """Return QcStatements (RFC 3739) of these identifiers (hex), and of the type of an EU certificate."""
    items = [der.write(der.SEQUENCE, der.write(der.OID, bytes.fromhex(name))) for name in names]
    if kind is not None:
        types = der.write(der.SEQUENCE, der.write(der.OID, bytes.fromhex(kind)))
        items.append(der.write(der.SEQUENCE, der.write(der.OID, bytes.fromhex("04008e460106")), types))
    return der.write(der.SEQUENCE, *items)


def proof_of(holder: Sealer, chain_id: bytes, *, pss: bool = False, attributed: bool = False) -> CertificateProof:
    """Return what a sealer's key signs for an identity; ``attributed``: as CMS signs, over attributes."""
    return proof_over(holder, certificate_message(chain_id, holder.hash), pss=pss, attributed=attributed)


def proof_over(holder: Sealer, message: bytes, *, pss: bool = False, attributed: bool = False) -> CertificateProof:
    """Return a sealer's signature over any message."""
    key = holder.key
    algorithm, digest = _algorithm(key, pss=pss)
    attributes = _attributes(digest, message) if attributed else b""
    signed = attributes or message
    if isinstance(key, ed25519.Ed25519PrivateKey):
        signature = key.sign(signed)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        made = key.sign(signed, ec.ECDSA(digest, deterministic_signing=True))
        signature = flat_signature(made, (key.curve.key_size + 7) // 8)
    else:
        way = padding.PSS(padding.MGF1(SHA256()), 32) if pss else padding.PKCS1v15()
        signature = key.sign(signed, way, digest)
    return CertificateProof(algorithm, attributes, signature)


def _algorithm(key: Key, *, pss: bool) -> tuple[ProofAlgorithm, HashAlgorithm]:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return ProofAlgorithm.ED25519, SHA512()
    if isinstance(key, rsa.RSAPrivateKey):
        return (ProofAlgorithm.RSA_PSS_SHA256 if pss else ProofAlgorithm.RSA_PKCS1_SHA256), SHA256()
    if isinstance(key.curve, ec.SECP384R1):
        return ProofAlgorithm.ECDSA_P384_SHA384, SHA384()
    return ProofAlgorithm.ECDSA_P256_SHA256, SHA256()


def _attributes(digest: HashAlgorithm, message: bytes) -> bytes:
    hashing = Hash(digest)
    hashing.update(message)
    kind = der.write(der.OID, bytes.fromhex(DATA))
    pairs = [(CONTENT_TYPE, kind), (MESSAGE_DIGEST, der.write(der.OCTETS, hashing.finalize()))]
    items = [
        der.write(der.SEQUENCE, der.write(der.OID, bytes.fromhex(name)), der.write(der.SET, value))
        for name, value in pairs
    ]
    return der.write(der.SET, *items)
