"""Time stamp tokens (RFC 3161 with RFC 5816): read, and checked up to a certificate that the caller trusts.

Tokens come from an authority's answer or from a stranger's receipt, certificates from a PEM file. ``verify`` takes
``timestamp_check(...)`` as its checker, and ``anchor.timestamp_authority`` keeps nothing that does not pass it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NoReturn

from cryptography.x509 import Certificate, ExtendedKeyUsage, ExtensionNotFound
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import TimeStampResponse, VerifierBuilder, decode_timestamp_response
from rfc3161_client import VerificationError as RefusedTokenError

from anchor import der
from anchor.certificates import certificate_of, encoded, is_issued, is_root, is_valid, translated
from anchor.cms import CONTENT_TYPE, SIGNED_DATA, signed_attributes
from anchor.proof.errors import MalformedError, Reason, VerificationError
from anchor.proof.timestamp import MAX_TOKEN, TimeStamp, TimestampCheck

SHA256 = "2.16.840.1.101.3.4.2.1"
# What a response looks like whose token is the one at hand: PKIStatusInfo with status 0, granted (RFC 3161, 2.4.2).
_GRANTED = der.write(der.SEQUENCE, der.write(der.INTEGER, b"\x00"))
# Object identifiers as they are encoded (RFC 5652, RFC 3161 section 2.4.2, RFC 5035).
_TST_INFO = bytes.fromhex("2a864886f70d0109100104")
_SIGNING_CERTIFICATE = bytes.fromhex("2a864886f70d010910020c")
_SIGNING_CERTIFICATE_V2 = bytes.fromhex("2a864886f70d010910022f")
_DIGESTS = {
    bytes.fromhex("608648016503040201"): "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
    bytes.fromhex("608648016503040203"): "sha512",
}
# Each pair of them may cost a signature check. Real tokens carry two to four.
_MAX_CERTIFICATES = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_translated = partial(translated, "time stamp")


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it was read; nothing of it is checked but its form.

    ``stamped_us`` is genTime as Unix time in microseconds; ``nonce`` is None where it has none.
    """

    response: TimeStampResponse
    imprint: bytes
    imprint_algorithm: str
    stamped_us: int
    accuracy_us: int | None
    policy: str
    serial: int
    nonce: int | None
    signer: Certificate | None
    certificates: tuple[Certificate, ...]


def timestamp_check(trusted: Sequence[Certificate]) -> TimestampCheck:
    """Return the check of tokens against these certificates; its contract is ``TimestampCheck``'s."""

    def check(token: bytes, imprint: bytes) -> TimeStamp:
        with _translated():
            return check_token(read_token(token), imprint, trusted)

    return check


def read_token(token: bytes) -> Token:
    """Read a token (DER, at most 65,536 bytes); raise MalformedError for anything else, bytes behind it included."""
    if len(token) > MAX_TOKEN:
        raise MalformedError(f"time stamp: expected at most {MAX_TOKEN} bytes, got {len(token)}")
    with _translated():
        return _read_token(token)


def is_over(token: bytes, imprint: bytes) -> bool:
    """Say whether a token is over SHA-256 ``imprint``; nothing else of it is checked. Raises as ``read_token`` does."""
    read = read_token(token)
    return (read.imprint_algorithm, read.imprint) == (SHA256, imprint)


def check_token(token: Token, imprint: bytes, trusted: Sequence[Certificate]) -> TimeStamp:
    """Check a token over ``imprint`` (SHA-256, 32 bytes) as of the time that it says (RFC 3161 sections 2.2 and 2.3).

    Where no way leads from the signer to a root in ``trusted``, nothing but imprint and form is checked, and
    ``vouched_by`` is None. Raises VerificationError for what does not hold.
    """
    if (token.imprint_algorithm, token.imprint) != (SHA256, imprint):
        raise VerificationError(
            Reason.TIMESTAMP_IMPRINT_WRONG,
            f"the time stamp is over {token.imprint.hex()}, not over this checkpoint (SHA-256 {imprint.hex()})",
        )
    signer = _checked_signer(token)
    pool = tuple(dict.fromkeys((*trusted, *token.certificates)))
    if not _roots_over(signer, pool).intersection(trusted):
        return _stamp(token, signer, None)
    at = _EPOCH + timedelta(microseconds=token.stamped_us)
    roots = _roots_over(signer, [item for item in pool if is_valid(item, at)]).intersection(trusted)
    if not roots or not is_valid(signer, at):
        _refuse(f"its certificates were not valid at the time that it says, {at:%Y-%m-%dT%H:%M:%SZ}")
    try:
        VerifierBuilder(roots=list(trusted)).build().verify(token.response, imprint)
    except (RefusedTokenError, ValueError) as error:
        raise VerificationError(
            Reason.TIMESTAMP_SIGNATURE_WRONG,
            f"the time stamp's signature does not hold, or its certificates do not: {error}",
        ) from error
    return _stamp(token, signer, min(roots, key=lambda item: item.subject.rfc4514_string()))


def _stamp(token: Token, signer: Certificate, root: Certificate | None) -> TimeStamp:
    return TimeStamp(
        authority=signer.subject.rfc4514_string(),
        time_us=token.stamped_us,
        accuracy_us=token.accuracy_us,
        policy=token.policy,
        serial=token.serial,
        vouched_by=None if root is None else root.subject.rfc4514_string(),
    )


# --- the signer's certificate, and the way to a root


def _checked_signer(token: Token) -> Certificate:
    """Return the certificate that signed, which must be for time stamping and nothing else (RFC 3161 section 2.3)."""
    if token.signer is None:
        _refuse("its signed attributes name no certificate that it carries (ESSCertID, RFC 5816)")
    try:
        usage = token.signer.extensions.get_extension_for_class(ExtendedKeyUsage)
    except (ExtensionNotFound, ValueError):
        _refuse("its certificate is not one of a time-stamping authority (no extended key usage)")
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        _refuse("its certificate is not for time stamping alone (extended key usage, critical)")
    return token.signer


def _refuse(cause: str) -> NoReturn:
    raise VerificationError(Reason.TIMESTAMP_CERTIFICATE_WRONG, f"the time stamp does not hold: {cause}")


def _roots_over(signer: Certificate, pool: Sequence[Certificate]) -> set[Certificate]:
    """Return every root that a way leads to, from the signer over certificates of ``pool``; each is looked at once."""
    reached, waiting = {signer}, [signer]
    while waiting:
        last = waiting.pop()
        found = [item for item in pool if item not in reached and is_issued(last, item)]
        reached.update(found)
        waiting += found
    return {item for item in reached if is_root(item)}


# --- reading


def _read_token(token: bytes) -> Token:
    response = decode_timestamp_response(der.write(der.SEQUENCE, _GRANTED, token))
    if response.time_stamp_token() != token:
        raise MalformedError("time stamp: expected DER, which has one way only to write a token")
    info, signed = response.tst_info, response.signed_data
    if len(signed.certificates) > _MAX_CERTIFICATES:
        raise MalformedError(f"time stamp: expected at most {_MAX_CERTIFICATES} certificates")
    certificates = tuple(certificate_of(item, "time stamp") for item in sorted(signed.certificates))
    walked = _walk(token)
    return Token(
        response=response,
        imprint=info.message_imprint.message,
        imprint_algorithm=info.message_imprint.hash_algorithm.dotted_string,
        stamped_us=_unix_us(walked.time),
        accuracy_us=None if info.accuracy is None else _microseconds(info.accuracy),
        policy=info.policy.dotted_string,
        serial=info.serial_number,
        nonce=info.nonce,
        signer=_signer(response, certificates, walked),
        certificates=certificates,
    )


def _microseconds(accuracy: object) -> int:
    parts = (getattr(accuracy, name) or 0 for name in ("seconds", "millis", "micros"))
    return sum(part * unit for part, unit in zip(parts, (1_000_000, 1_000, 1), strict=True))


@dataclass(frozen=True, slots=True)
class _Walked:
    """What the library does not show: the text of genTime, and the hashes of the certificate in signed attributes.

    ``signer_hashes`` are (digest name, hash) pairs of the first certificate of each signing-certificate attribute.
    """

    time: bytes
    signer_hashes: tuple[tuple[str, bytes], ...]


def _walk(token: bytes) -> _Walked:
    """Walk ContentInfo, SignedData, EncapsulatedContentInfo and the one SignerInfo (RFC 5652 sections 3 to 5)."""
    kind, explicit = der.items_of(der.read(token), der.SEQUENCE, 2)[:2]
    if kind.expect(der.OID).content != SIGNED_DATA:
        raise MalformedError("time stamp: expected CMS signed data")
    signed = der.items_of(der.read(explicit.expect(der.CONTEXT_0).content), der.SEQUENCE, 4)
    content_kind, content = der.items_of(signed[2], der.SEQUENCE, 2)[:2]
    if content_kind.expect(der.OID).content != _TST_INFO:
        raise MalformedError("time stamp: expected a TSTInfo inside the signed data")
    info = der.items_of(der.read(der.read(content.expect(der.CONTEXT_0).content).content), der.SEQUENCE, 5)
    signers = der.items_of(signed[-1], der.SET, 1)
    if len(signers) != 1:
        raise MalformedError(f"time stamp: expected one signer, found {len(signers)} (RFC 3161 section 2.4.2)")
    return _Walked(info[4].expect(der.GENERALIZED_TIME).content, _signer_hashes(signers[0]))


def _signer_hashes(signer: der.Value) -> tuple[tuple[str, bytes], ...]:
    values = signed_attributes(der.items_of(der.items_of(signer, der.SEQUENCE, 5)[3], der.CONTEXT_0, 1))
    if values is None or values.get(CONTENT_TYPE, signer).content != _TST_INFO:
        raise MalformedError("time stamp: expected signed attributes, each once, that name a TSTInfo")
    found = []
    if _SIGNING_CERTIFICATE in values:
        found.append(("sha1", _first_certificate(values[_SIGNING_CERTIFICATE])[0].expect(der.OCTETS).content))
    if _SIGNING_CERTIFICATE_V2 in values:
        found.append(_hash_v2(_first_certificate(values[_SIGNING_CERTIFICATE_V2])))
    return tuple(found)


def _first_certificate(attribute: der.Value) -> tuple[der.Value, ...]:
    """Return the parts of the first ESSCertID, which is the signer's (RFC 5035 sections 3 and 4)."""
    listed = der.items_of(der.items_of(attribute, der.SEQUENCE, 1)[0], der.SEQUENCE, 1)
    return der.items_of(listed[0], der.SEQUENCE, 1)


def _hash_v2(parts: tuple[der.Value, ...]) -> tuple[str, bytes]:
    """Return digest and hash of an ESSCertIDv2, whose digest is SHA-256 unless it says another."""
    if parts[0].tag == der.OCTETS:
        return "sha256", parts[0].content
    digest = der.items_of(parts[0], der.SEQUENCE, 1)[0].expect(der.OID).content
    if digest not in _DIGESTS or len(parts) < 2:
        raise MalformedError(f"time stamp: its certificate is named by an unknown digest ({digest.hex()})")
    return _DIGESTS[digest], parts[1].expect(der.OCTETS).content


def _signer(response: TimeStampResponse, certificates: Sequence[Certificate], walked: _Walked) -> Certificate | None:
    """Return the certificate that both the signer's name and the signed hashes mean, or None.

    The name alone is not signed: whoever has another certificate for the same key could put it in its place.
    """
    (info,) = response.signed_data.signer_infos
    for certificate in certificates:
        is_named = (certificate.issuer, certificate.serial_number) == (info.issuer, info.serial_number)
        if is_named and walked.signer_hashes and _has_hashes(certificate, walked.signer_hashes):
            return certificate
    return None


def _has_hashes(certificate: Certificate, wanted: Sequence[tuple[str, bytes]]) -> bool:
    raw = encoded(certificate)
    return all(hashlib.new(name, raw, usedforsecurity=name != "sha1").digest() == value for name, value in wanted)


def _unix_us(text: bytes) -> int:
    """Return genTime (``YYYYMMDDhhmmss[.s…]Z``, RFC 3161 section 2.4.2) as Unix time in microseconds, rounded down."""
    whole, _, fraction = text.removesuffix(b"Z").partition(b".")
    if not text.endswith(b"Z") or len(whole) != 14 or not whole.isdigit() or (fraction and not fraction.isdigit()):
        raise MalformedError(f"time stamp: expected a time in UTC, found {text[:40]!r}")
    at = datetime.strptime(whole.decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return (at - _EPOCH) // timedelta(microseconds=1) + int(fraction[:6].ljust(6, b"0") or b"0")
