"""Certificates (X.509, RFC 5280): read from PEM or DER, who issued whom, what they are for, and the way to a root.

Files come from a verifier or a signer, DER from strangers' receipts. ``anchor.timestamp_token`` and
``anchor.certificate_check`` judge with it; what issues and what is for what is read in the certificate's own bytes.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import (
    Certificate,
    DuplicateExtension,
    InvalidVersion,
    UnsupportedGeneralNameType,
    load_der_x509_certificate,
    load_pem_x509_certificates,
)

from anchor import der
from anchor.proof.errors import MalformedError

# As many roots as anybody trusts, with room to spare.
MAX_PEM = 4 * 2**20
_UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    KeyError,
    UnsupportedAlgorithm,
    InvalidVersion,
    DuplicateExtension,
    UnsupportedGeneralNameType,
)
# Object identifiers as they are encoded (RFC 5280 sections 4.2.1.3 and 4.2.1.9, RFC 3739 section 3.2.6).
BASIC_CONSTRAINTS = bytes.fromhex("551d13")
KEY_USAGE = bytes.fromhex("551d0f")
QC_STATEMENTS = bytes.fromhex("2b06010505070103")
# Bits of the first byte of a key usage.
_MAY_SIGN, _MAY_COMMIT, _MAY_ISSUE, _MAY_LIST = 0x80, 0x40, 0x04, 0x02
# Extensions that may be critical in a way to a root: those above, names, purposes and policies, of which any will do.
# What is critical and not here (constraints on names, say) must be obeyed, and is not: it ends the way.
_UNDERSTOOD = {BASIC_CONSTRAINTS, KEY_USAGE, *map(bytes.fromhex, ("551d25", "551d11", "551d20"))}


@dataclass(frozen=True, slots=True)
class ExtensionValue:
    """An extension of a certificate: whether it is critical, and the DER inside."""

    is_critical: bool
    value: der.Value


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Say what the libraries say of bytes that they cannot read, as an error of ours about ``what``.

    They warn of names that are too long by X.520, which real certificates have: that is no matter of what is signed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except MalformedError:
        raise
    except _UNREADABLE as error:
        raise MalformedError(f"{what}: cannot be read: {type(error).__name__}: {error}") from error


def load_certificates(pem: bytes, where: str, whose: str = "a time-stamping authority") -> tuple[Certificate, ...]:
    """Return the certificates of a PEM file, at least one of them a root; others help to find a way to a root.

    Raises MalformedError, with ``where`` in it, for a file without certificates or without a root.
    """
    found = certificates_in(pem, where)
    if not any(is_root(certificate) for certificate in found):
        raise MalformedError(f"{where}: expected at least one root (a certificate that signs itself) of {whose}")
    return found


def certificates_in(pem: bytes, where: str) -> tuple[Certificate, ...]:
    """Return the certificates of a PEM file, at least one; raise MalformedError, with ``where`` in it, elsewhere."""
    try:
        return tuple(load_pem_x509_certificates(pem))
    except ValueError as error:
        raise MalformedError(f"{where}: expected certificates in PEM, found none that can be read: {error}") from error


def certificate_of(raw: bytes, what: str) -> Certificate:
    """Read a certificate; its serial number must be positive (RFC 5280 section 4.1.2.2), else the library warns."""
    fields = _fields(raw)
    serial = fields[fields[0].tag == der.CONTEXT_0].expect(der.INTEGER).content
    if int.from_bytes(serial, "big", signed=True) <= 0:
        raise MalformedError(f"{what}: expected certificates with positive serial numbers")
    return load_der_x509_certificate(raw)


def encoded(certificate: Certificate) -> bytes:
    """Return a certificate's DER."""
    return certificate.public_bytes(Encoding.DER)


def is_issued(certificate: Certificate, issuer: Certificate) -> bool:
    """Say whether ``issuer`` issued a certificate: by their names, and by the signature."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def is_root(certificate: Certificate) -> bool:
    """Say whether a certificate signs itself."""
    return is_issued(certificate, certificate)


def is_valid(certificate: Certificate, at: datetime) -> bool:
    """Say whether a certificate was valid at a time; today does not matter."""
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def roots_above(
    certificate: Certificate, pool: Sequence[Certificate], trusted: Sequence[Certificate], at: datetime
) -> list[Certificate]:
    """Return the trusted roots to which ways lead over certificates that may issue and were valid then.

    A breadth-first walk (RFC 5280 section 6.1, without policies): each is looked at once, where the fewest are below. A
    root that is trusted itself needs no way.
    """
    roots = [certificate] if certificate in trusted and is_root(certificate) else []
    waiting = [item for item in dict.fromkeys((*pool, *trusted)) if item != certificate and is_valid(item, at)]
    level, below = [certificate], 0
    while level:
        above = [item for item in waiting if may_issue(item, below) and any(is_issued(each, item) for each in level)]
        roots += [item for item in above if item in trusted and is_root(item)]
        waiting = [item for item in waiting if item not in above]
        level, below = above, below + 1
    return roots


def may_issue(certificate: Certificate, below: int) -> bool:
    """Say whether a certificate may issue others, with ``below`` certificates between it and the last one."""
    found = extensions_of(certificate)
    constraints, usage = found.get(BASIC_CONSTRAINTS), found.get(KEY_USAGE)
    if constraints is None or not _is_understood(found):
        return False
    parts = der.items_of(constraints.value, der.SEQUENCE, 0)
    if not parts or parts[0].content[:1] != b"\xff":
        return False
    if len(parts) > 1 and int.from_bytes(parts[1].expect(der.INTEGER).content, "big", signed=True) < below:
        return False
    return usage is None or bool(_usage_bits(usage) & _MAY_ISSUE)


def may_sign(certificate: Certificate) -> bool:
    """Say whether a certificate is for signatures, by its key usage where it has one."""
    found = extensions_of(certificate)
    usage = found.get(KEY_USAGE)
    return _is_understood(found) and (usage is None or bool(_usage_bits(usage) & (_MAY_SIGN | _MAY_COMMIT)))


def may_list(certificate: Certificate) -> bool:
    """Say whether a certificate may sign revocation lists, by its key usage where it has one."""
    usage = extensions_of(certificate).get(KEY_USAGE)
    return usage is None or bool(_usage_bits(usage) & _MAY_LIST)


def extensions_of(certificate: Certificate) -> dict[bytes, ExtensionValue]:
    """Return the extensions of a certificate by their identifiers; raise MalformedError where one is there twice."""
    listed = [field for field in _fields(encoded(certificate)) if field.tag == der.CONTEXT_3]
    found: dict[bytes, ExtensionValue] = {}
    for item in der.items_of(der.read(listed[0].content), der.SEQUENCE, 0) if listed else ():
        parts = der.items_of(item, der.SEQUENCE, 2)
        name = parts[0].expect(der.OID).content
        if name in found:
            raise MalformedError("certificate: expected each extension once")
        is_critical = len(parts) > 2 and parts[1].content[:1] == b"\xff"
        found[name] = ExtensionValue(is_critical, der.read(parts[-1].expect(der.OCTETS).content))
    return found


def _fields(raw: bytes) -> tuple[der.Value, ...]:
    return der.items_of(der.items_of(der.read(raw), der.SEQUENCE, 3)[0], der.SEQUENCE, 6)


def _is_understood(found: dict[bytes, ExtensionValue]) -> bool:
    return all(name in _UNDERSTOOD for name, extension in found.items() if extension.is_critical)


def _usage_bits(usage: ExtensionValue) -> int:
    return int.from_bytes(usage.value.expect(der.BITS).content[1:2], "big")
