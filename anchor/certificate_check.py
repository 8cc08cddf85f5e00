"""Certificates (X.509) that are bound to an identity: their keys' proofs, what they say, and who vouches for them.

Certificates and proofs come from a stranger's receipt, or from a signer before he states anything; roots from the
verifier. ``verify`` takes ``certificate_check(...)`` as its checker, the commands of ``identity`` check with it first.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, Hash, HashAlgorithm
from cryptography.hazmat.primitives.hashes import SHA512 as _SHA512
from cryptography.x509 import Certificate, CertificateRevocationList

from anchor import der
from anchor.certificates import (
    QC_STATEMENTS,
    certificate_of,
    extensions_of,
    is_issued,
    is_valid,
    may_sign,
    roots_above,
    translated,
)
from anchor.cms import CONTENT_TYPE, signed_attributes
from anchor.proof.certificate_proof import CertificateCheck, CertificateProof, CheckedCertificate, ProofAlgorithm
from anchor.proof.errors import MalformedError, Reason, VerificationError
from anchor.proof.times import utc
from anchor.revocations import Revocation, revocation_of
from anchor.signature_check import check_signature

_WHAT = "bound certificate"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Object identifiers as they are encoded (RFC 5652 sections 4, 11.1 and 11.2; ETSI EN 319 412-5 section 4).
_DATA = bytes.fromhex("2a864886f70d010701")
_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
_QC_COMPLIANCE = bytes.fromhex("04008e460101")
_QC_DEVICE = bytes.fromhex("04008e460104")
_QC_TYPE = bytes.fromhex("04008e460106")
_QC_TYPES = {
    bytes.fromhex("04008e46010601"): "for electronic signatures",
    bytes.fromhex("04008e46010602"): "for electronic seals",
    bytes.fromhex("04008e46010603"): "for web sites",
}
HASHES: dict[int, type[HashAlgorithm]] = {
    ProofAlgorithm.RSA_PKCS1_SHA256: SHA256,
    ProofAlgorithm.RSA_PSS_SHA256: SHA256,
    ProofAlgorithm.ECDSA_P256_SHA256: SHA256,
    ProofAlgorithm.ECDSA_P384_SHA384: SHA384,
    ProofAlgorithm.ED25519: _SHA512,  # of what signed attributes hold (RFC 8419 section 2.3)
}
"""The digest of each algorithm, of the message or of what signed attributes hold."""
_CURVES: dict[int, type[ec.EllipticCurve]] = {
    ProofAlgorithm.ECDSA_P256_SHA256: ec.SECP256R1,
    ProofAlgorithm.ECDSA_P384_SHA384: ec.SECP384R1,
}
_LAST_MS = 253_402_300_799_000
"""The end of the year 9999, behind which neither a calendar nor a certificate goes."""
# A shorter key has been within reach of factoring; nobody has issued one for years.
_LEAST_RSA_BITS = 2048


def certificate_check(
    trusted: Sequence[Certificate] = (), lists: Sequence[CertificateRevocationList] = ()
) -> CertificateCheck:
    """Return the check of bound certificates against these roots and lists of revoked ones.

    Its contract is ``CertificateCheck``'s.
    """

    def check(chain: Sequence[bytes], proof: CertificateProof, message: bytes, at_ms: int) -> CheckedCertificate | None:
        with translated(_WHAT):
            return _checked([certificate_of(raw, _WHAT) for raw in chain], proof, message, at_ms, trusted, lists)

    return check


def _checked(
    chain: Sequence[Certificate],
    proof: CertificateProof,
    message: bytes,
    at_ms: int,
    trusted: Sequence[Certificate],
    lists: Sequence[CertificateRevocationList],
) -> CheckedCertificate | None:
    certificate, *others = chain
    if proof.algorithm not in HASHES:
        return None
    _check_proof(certificate, proof, message)
    if not may_sign(certificate):
        _refuse("it is not for signatures (key usage)")
    at = _EPOCH + timedelta(milliseconds=min(at_ms, _LAST_MS))
    if not is_valid(certificate, at):
        _refuse(f"it was not valid when it was bound, {utc(at_ms)}")
    roots = sorted(item.subject.rfc4514_string() for item in roots_above(certificate, others, trusted, at))
    said = _revocation(certificate, others, trusted, lists) if lists else Revocation()
    return CheckedCertificate(
        certificate.subject.rfc4514_string(),
        certificate.issuer.rfc4514_string(),
        qualified_words(certificate),
        roots[0] if roots else None,
        said.revoked_at_ms,
        said.listed_at_ms,
    )


def _revocation(
    certificate: Certificate,
    others: Sequence[Certificate],
    trusted: Sequence[Certificate],
    lists: Sequence[CertificateRevocationList],
) -> Revocation:
    """Return what the lists say of a certificate, and of those shown above it: one that was revoked is enough."""
    issuers = (*others, *trusted)
    said = revocation_of(certificate, issuers, lists)
    above = [revocation_of(item, issuers, lists).revoked_at_ms for item in _above(certificate, others)]
    revoked = [at_ms for at_ms in (said.revoked_at_ms, *above) if at_ms is not None]
    return Revocation(min(revoked, default=None), said.listed_at_ms)


def _above(certificate: Certificate, others: Sequence[Certificate]) -> Iterator[Certificate]:
    """Yield those of the others that issued a certificate, or one that did."""
    level, left = [certificate], list(others)
    while level:
        level = [item for item in left if any(is_issued(each, item) for each in level)]
        left = [item for item in left if item not in level]
        yield from level


def qualified_words(certificate: Certificate) -> tuple[str, ...]:
    """Return what a certificate says of itself by its QcStatements (ETSI EN 319 412-5); unknown ones say nothing."""
    found = extensions_of(certificate).get(QC_STATEMENTS)
    words: list[str] = []
    for item in () if found is None else der.items_of(found.value, der.SEQUENCE, 0):
        name, *information = der.items_of(item, der.SEQUENCE, 1)
        if name.expect(der.OID).content == _QC_COMPLIANCE:
            words.append("a qualified certificate of the EU")
        if name.content == _QC_DEVICE:
            words.append("with its key in a qualified device")
        if name.content == _QC_TYPE:
            types = der.items_of(information[0], der.SEQUENCE, 1) if information else ()
            words += [_QC_TYPES[each.content] for each in types if each.expect(der.OID).content in _QC_TYPES]
    return tuple(dict.fromkeys(words))


def _check_proof(certificate: Certificate, proof: CertificateProof, message: bytes) -> None:
    signed = message
    if proof.attributes:
        signed = proof.attributes
        if _digest_in(proof.attributes) != _digest(HASHES[proof.algorithm], message):
            _refuse("what its key signed is of something else")
    if not _is_signed(certificate, proof, signed):
        _refuse("its key did not sign the identity")


def _is_signed(certificate: Certificate, proof: CertificateProof, signed: bytes) -> bool:
    key, signature, algorithm = certificate.public_key(), proof.signature, proof.algorithm
    try:
        if isinstance(key, ed25519.Ed25519PublicKey) and algorithm == ProofAlgorithm.ED25519:
            return check_signature(key.public_bytes_raw(), signed, signature)
        if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
            return _is_signed_by_rsa(key, algorithm, signed, signature)
        curve = _CURVES.get(algorithm)
        if curve is None or not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, curve):
            return False
        size = (key.curve.key_size + 7) // 8
        if len(signature) != 2 * size:
            return False
        r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(HASHES[algorithm]()))
    except InvalidSignature:
        return False
    return True


def _is_signed_by_rsa(key: rsa.RSAPublicKey, algorithm: int, signed: bytes, signature: bytes) -> bool:
    """Raise InvalidSignature where it does not hold."""
    if algorithm == ProofAlgorithm.RSA_PKCS1_SHA256:
        key.verify(signature, signed, padding.PKCS1v15(), SHA256())
        return True
    if algorithm == ProofAlgorithm.RSA_PSS_SHA256:
        key.verify(signature, signed, padding.PSS(padding.MGF1(SHA256()), SHA256.digest_size), SHA256())
        return True
    return False


def _digest_in(attributes: bytes) -> bytes:
    """Return the digest in signed attributes, which must be those of plain data, each once (RFC 5652 section 5.3)."""
    values = signed_attributes(der.items_of(der.read(attributes), der.SET, 1))
    if values is None or not {CONTENT_TYPE, _MESSAGE_DIGEST} <= set(values):
        raise MalformedError("signed attributes: expected a content type and a digest, and each attribute once")
    if values[CONTENT_TYPE].expect(der.OID).content != _DATA:
        raise MalformedError("signed attributes: expected those of plain data")
    return values[_MESSAGE_DIGEST].expect(der.OCTETS).content


def _digest(kind: type[HashAlgorithm], message: bytes) -> bytes:
    hashing = Hash(kind())
    hashing.update(message)
    return hashing.finalize()


def _refuse(cause: str) -> NoReturn:
    raise VerificationError(
        Reason.CERTIFICATE_WRONG, f"the certificate that the identity bound does not count: {cause}"
    )
