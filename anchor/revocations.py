"""Revocation lists (X.509 CRLs, RFC 5280 section 5): read from PEM or DER, and what they say of a certificate.

Files come from a verifier, or from who binds a certificate. ``anchor.certificate_check`` asks here; when a revocation
counts, ``anchor.proof.steps_certificate`` decides.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509 import (
    Certificate,
    CertificateRevocationList,
    ExtensionNotFound,
    InvalidityDate,
    RevokedCertificate,
    load_der_x509_crl,
    load_pem_x509_crl,
)

from anchor.certificates import is_issued, is_valid, may_list, translated
from anchor.proof.errors import MalformedError

MAX_LISTS = 64 * 2**20
"""Bytes of a file: the lists of large issuers have some megabytes."""
_PEM = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Revocation:
    """What the lists of its issuer say of a certificate, in Unix milliseconds.

    ``revoked_at_ms``: since when it does not count, or None where no list names it. ``listed_at_ms``: when the newest
    list was made that would name it, or None where there is none.
    """

    revoked_at_ms: int | None = None
    listed_at_ms: int | None = None


def lists_in(data: bytes, where: str) -> tuple[CertificateRevocationList, ...]:
    """Return the lists of a file, PEM or DER, at least one.

    Raises MalformedError, with ``where`` in it, for anything else, and for a list with a critical extension: it is one
    of changes only, or of some certificates only, and must not be taken for a whole one (RFC 5280 section 5.2).
    """
    if len(data) > MAX_LISTS:
        raise MalformedError(f"{where}: expected at most {MAX_LISTS} bytes of revocation lists")
    with translated(f"{where}: expected revocation lists (X.509 CRL, PEM or DER)"):
        blocks = _PEM.findall(data)
        found = tuple(map(load_pem_x509_crl, blocks)) if blocks else (load_der_x509_crl(data),)
        critical = [each.oid.dotted_string for one in found for each in one.extensions if each.critical]
    if critical:
        raise MalformedError(
            f"{where}: expected complete revocation lists, found one with the critical extension {critical[0]}: bring "
            "the issuer's full list"
        )
    return found


def revocation_of(
    certificate: Certificate, issuers: Sequence[Certificate], lists: Sequence[CertificateRevocationList]
) -> Revocation:
    """Return what those of the lists say that an issuer of the certificate signed; each list counts, however old.

    That a list does not name it, says something only if it was made before the certificate expired: later ones need not
    name it (RFC 5280 section 5). Where several name it, the earliest time counts.
    """
    revoked: list[int] = []
    made: list[int] = []
    for one in (each for each in lists if any(_is_list_of(each, issuer, certificate) for issuer in issuers)):
        entry = one.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry is not None:
            revoked.append(_since_ms(entry))
        if one.last_update_utc <= certificate.not_valid_after_utc:
            made.append(_ms(one.last_update_utc))
    return Revocation(min(revoked, default=None), max(made, default=None))


def _is_list_of(one: CertificateRevocationList, issuer: Certificate, certificate: Certificate) -> bool:
    """Say whether ``issuer`` issued the certificate and signed the list, while it was valid, and may sign lists."""
    if one.issuer != issuer.subject or not may_list(issuer) or not is_valid(issuer, one.last_update_utc):
        return False
    try:
        is_signed = one.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # others raise TypeError
    except (InvalidSignature, TypeError, UnsupportedAlgorithm):
        return False
    return is_signed and is_issued(certificate, issuer)


def _since_ms(entry: RevokedCertificate) -> int:
    """Return since when a certificate does not count: the issuer may know of a time before the revocation."""
    revoked_ms = _ms(entry.revocation_date_utc)
    try:
        invalid_ms = _ms(entry.extensions.get_extension_for_class(InvalidityDate).value.invalidity_date_utc)
    except ExtensionNotFound:
        return revoked_ms
    return min(revoked_ms, invalid_ms)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
