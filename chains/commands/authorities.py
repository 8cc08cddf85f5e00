"""Authorities that a verifier trusts, by files with their roots: of time stamps, and of certificates that name authors.

Input are the options of ``verify``; one receipt, many of them and whole exports are judged with what it gives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chains.commands.terminal import read_at_most, usage

if TYPE_CHECKING:
    from anchor.proof.certificate_proof import CertificateCheck, CertificateProof
    from anchor.proof.timestamp import TimestampCheck

TrustedStampers = Annotated[
    list[Path] | None,
    typer.Option(help="PEM file with roots of time-stamping authorities that you trust, repeatable."),
]
TrustedNamers = Annotated[
    list[Path] | None,
    typer.Option(help="PEM file with roots of authorities that you trust to name the author, repeatable."),
]
RevocationLists = Annotated[
    list[Path] | None,
    typer.Option(
        "--crl", help="Revocation lists (X.509 CRL) of those who issued the author's certificate, repeatable."
    ),
]
AcceptTimestamp = Annotated[
    bool,
    typer.Option("--accept-timestamp", help="An authority's time stamp is enough where no block is checked."),
]


@dataclass(frozen=True, slots=True)
class Authorities:
    """The files of ``--ca``, ``--tsa-certificate`` and ``--crl``, and whether a time stamp is enough for the verifier.

    Files are read where a check is made, so that other processes can be told of them.
    """

    ca: tuple[Path, ...] = ()
    tsa: tuple[Path, ...] = ()
    accept_timestamp: bool = False
    crl: tuple[Path, ...] = ()

    @classmethod
    def given(
        cls, ca: list[Path] | None, tsa: list[Path] | None, crl: list[Path] | None = None, *, accept_timestamp: bool
    ) -> "Authorities":
        """Return what the options say; a time stamp of nobody that he trusts cannot be enough for anybody."""
        if accept_timestamp and not tsa:
            usage("--accept-timestamp needs the roots that you trust: name them with --tsa-certificate")
        return cls(tuple(ca or ()), tuple(tsa or ()), accept_timestamp, tuple(crl or ()))

    def timestamp_check(self) -> "TimestampCheck | None":
        """Return the check of time stamps by these roots, or None where there are none.

        Raises OSError and SettingsError for files that are not there or have no roots.
        """
        if not self.tsa:
            return None
        from anchor.timestamp_token import timestamp_check

        return timestamp_check(_roots(self.tsa, "a time-stamping authority"))

    def certificate_check(self) -> "CertificateCheck":
        """Return the check of certificates that are bound to an author's identity, by these roots, if any.

        Raises as ``timestamp_check``.
        """
        trusted, lists = _roots(self.ca, "an authority that names people"), revocation_lists(self.crl)

        def check(chain: Sequence[bytes], proof: "CertificateProof", message: bytes, at_ms: int) -> Any:
            # Most receipts have no certificate, and what reads one takes long to load.
            from anchor.certificate_check import certificate_check as checked_by

            return checked_by(trusted, lists)(chain, proof, message, at_ms)

        return check


def _roots(files: tuple[Path, ...], whose: str) -> list[Any]:
    if not files:
        return []
    from anchor.certificates import MAX_PEM, load_certificates

    return [item for file in files for item in load_certificates(read_at_most(file, MAX_PEM), str(file), whose)]


def revocation_lists(files: Sequence[Path]) -> list[Any]:
    """Return the lists in these files; raises OSError, and MalformedError for other files."""
    if not files:
        return []
    from anchor.revocations import MAX_LISTS, lists_in

    return [item for file in files for item in lists_in(read_at_most(file, MAX_LISTS + 1), str(file))]
