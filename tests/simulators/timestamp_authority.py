"""A time-stamping authority (RFC 3161) that makes any token a test asks for, the same bytes every time.

Keys come from names, times from the caller, and signatures are deterministic (RFC 6979), so that vectors never change
by themselves. ``Stamped`` says what a token says; every field of it can be a lie. ``openssl ts`` is the referee of
both this and the code under test (``tests/integration/test_openssl_timestamps.py``).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256, sha384

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from anchor import der

AT = datetime(2025, 6, 15, 15, 7, 0, tzinfo=UTC)
SHA256_OID = "608648016503040201"
SHA384_OID = "608648016503040202"
TST_INFO = "2a864886f70d0109100104"
DATA = "2a864886f70d010701"
SIGNED_DATA = "2a864886f70d010702"
POLICY = "2a030401"  # 1.2.3.4.1


@dataclass(frozen=True)
class Certified:
    """A key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def encoded(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def key_named(name: str) -> ec.EllipticCurvePrivateKey:
    """Return the key that belongs to a name, for tests only."""
    return ec.derive_private_key(int.from_bytes(sha256(f"key of {name}".encode()).digest()[:31], "big"), ec.SECP256R1())


def name_of(text: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"), x509.NameAttribute(NameOID.COMMON_NAME, text)]
    )


def certify(
    name: str,
    issuer: Certified | None = None,
    *,
    usage: tuple[ObjectIdentifier, ...] | None = None,
    critical: bool = True,
    is_authority: bool = False,
    first: datetime = AT - timedelta(days=365),
    last: datetime = AT + timedelta(days=365),
    key: ec.EllipticCurvePrivateKey | None = None,
    serial: int = 1,
) -> Certified:
    """Make a certificate; one without issuer signs itself."""
    own = key or key_named(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name_of(name))
        .issuer_name(issuer.certificate.subject if issuer else name_of(name))
        .public_key(own.public_key())
        .serial_number(serial)
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usage)), critical=critical)
    signed = builder.sign(issuer.key if issuer else own, SHA256(), ecdsa_deterministic=True)
    return Certified(own, signed)


def certify_root(name: str = "Root", last: datetime = AT + timedelta(days=3650)) -> Certified:
    """Make a root."""
    return certify(name, is_authority=True, last=last)


def certify_signer(issuer: Certified, name: str = "Time Stamps", serial: int = 7) -> Certified:
    """Make the certificate of an authority that stamps."""
    return certify(name, issuer, usage=(ExtendedKeyUsageOID.TIME_STAMPING,), serial=serial)


@dataclass(frozen=True)
class Stamped:
    """What a token says, and how it is put together."""

    imprint: bytes
    time: bytes = b"20250615150700Z"
    accuracy: bytes | None = der.write(der.SEQUENCE, der.write(der.INTEGER, b"\x01"))  # one second
    nonce: int | None = None
    serial: int = 42
    digest: str = SHA256_OID
    kind: str = TST_INFO  # of the content
    attribute_kind: str = TST_INFO  # what the signed attributes say that it is
    named: bytes | None = None  # the certificate that the signed attributes name, by default the signer's
    named_by: str = "v2"  # or "v1", "both", "sha384", "nothing"
    carried: tuple[bytes, ...] | None = None  # certificates inside, by default the signer's
    signers: int = 1
    spoil_signature: bool = False
    spoil_digest: bool = False


def stamp(signer: Certified, said: Stamped) -> bytes:
    """Return the token (ContentInfo, DER)."""
    content = _tst_info(said)
    carried = (signer.encoded,) if said.carried is None else said.carried
    signed = der.write(
        der.SEQUENCE,
        _integer(3),
        der.write(der.SET, _algorithm(SHA256_OID)),
        der.write(der.SEQUENCE, _oid(said.kind), der.write(der.CONTEXT_0, der.write(der.OCTETS, content))),
        *([der.write(der.CONTEXT_0, *sorted(carried))] if carried else []),
        der.write(der.SET, *([_signer_info(signer, said, content)] * said.signers)),
    )
    return der.write(der.SEQUENCE, _oid(SIGNED_DATA), der.write(der.CONTEXT_0, signed))


def answer(token: bytes | None, status: int = 0) -> bytes:
    """Return a whole answer of an authority (TimeStampResp)."""
    return der.write(der.SEQUENCE, der.write(der.SEQUENCE, _integer(status)), token or b"")


def _tst_info(said: Stamped) -> bytes:
    return der.write(
        der.SEQUENCE,
        _integer(1),
        _oid(POLICY),
        der.write(der.SEQUENCE, _algorithm(said.digest), der.write(der.OCTETS, said.imprint)),
        _integer(said.serial),
        der.write(der.GENERALIZED_TIME, said.time),
        said.accuracy or b"",
        b"" if said.nonce is None else _integer(said.nonce),
    )


def _signer_info(signer: Certified, said: Stamped, content: bytes) -> bytes:
    digest = sha256(content + b"!" * said.spoil_digest).digest()
    attributes = [
        _attribute("2a864886f70d010903", _oid(said.attribute_kind)),
        _attribute("2a864886f70d010904", der.write(der.OCTETS, digest)),
        *_certificate_attributes(said.named or signer.encoded, said.named_by),
    ]
    signed = der.write(der.SET, *sorted(attributes))
    signature = signer.key.sign(signed, ec.ECDSA(SHA256(), deterministic_signing=True))
    if said.spoil_signature:
        signature = key_named("somebody").sign(signed, ec.ECDSA(SHA256(), deterministic_signing=True))
    certificate = signer.certificate
    return der.write(
        der.SEQUENCE,
        _integer(1),
        der.write(der.SEQUENCE, certificate.issuer.public_bytes(), _integer(certificate.serial_number)),
        _algorithm(SHA256_OID),
        bytes([der.CONTEXT_0]) + signed[1:],
        der.write(der.SEQUENCE, _oid("2a8648ce3d040302")),  # ecdsa-with-SHA256
        der.write(der.OCTETS, signature),
    )


def _certificate_attributes(certificate: bytes, by: str) -> list[bytes]:
    v1 = _attribute("2a864886f70d010910020c", _listed(der.write(der.OCTETS, sha1(certificate).digest())))
    v2 = _attribute("2a864886f70d010910022f", _listed(der.write(der.OCTETS, sha256(certificate).digest())))
    if by == "nothing":
        return []
    if by == "sha384":
        named = _algorithm(SHA384_OID) + der.write(der.OCTETS, sha384(certificate).digest())
        return [_attribute("2a864886f70d010910022f", _listed(named))]
    return {"v1": [v1], "v2": [v2], "both": [v1, v2]}[by]


def _listed(certificate_id: bytes) -> bytes:
    return der.write(der.SEQUENCE, der.write(der.SEQUENCE, der.write(der.SEQUENCE, certificate_id)))


def _attribute(kind: str, value: bytes) -> bytes:
    return der.write(der.SEQUENCE, _oid(kind), der.write(der.SET, value))


def _algorithm(kind: str) -> bytes:
    return der.write(der.SEQUENCE, _oid(kind), b"\x05\x00")


def _oid(encoded: str) -> bytes:
    return der.write(der.OID, bytes.fromhex(encoded))


def _integer(number: int) -> bytes:
    return der.write(der.INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))
