"""Commands that bind certificates (X.509) to an identity: ``identity bind-request``, ``bind`` and ``unbind``.

Both keys sign: the certificate's the identity (``anchor.proof.certificate_proof``), and a key of the identity the
statement. What a certificate is worth, whoever verifies a receipt says, with roots of his own (``verify --ca``).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anchor.proof.times import utc
from chains.commands.authorities import RevocationLists, revocation_lists
from chains.commands.identities import (
    Name,
    PasswordFileOption,
    ReasonOption,
    SignOption,
    ending_of,
    identity_app,
    state,
)
from chains.commands.key_options import author_key, identity_password
from chains.commands.terminal import (
    HomeOption,
    JsonOption,
    command_group,
    given,
    is_hash,
    opened,
    read_at_most,
    say,
    usage,
    write_output,
)

if TYPE_CHECKING:
    from anchor.proof.certificate_proof import CertificateProof, CheckedCertificate
    from anchor.proof.identity import Statement
    from anchor.proof.identity_history import History
    from chains.home import Home

# Its commands are those of ``identity``; the group stands for this file where all groups are put together.
app = command_group()

CertificateOption = Annotated[
    Path,
    typer.Option(
        "--certificate", metavar="PEM", help="The certificate, and those above it up to its root (without), in order."
    ),
]


@identity_app.command("bind-request")
def identity_bind_request(
    name: Name,
    certificate: CertificateOption,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: standard output).")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what the certificate's key signs, for a key that is in a card or at a sealing service.

    Sign it as detached CMS (`openssl cms -sign -binary`, a CAdES tool) and hand the signature to `identity bind`.
    """
    from anchor.proof.certificate_proof import certificate_message
    from anchor.proof.codec import sha256

    [first, *_] = _chain(certificate)
    with opened(home) as found:
        chain = found.chains.named(name)
    message = certificate_message(chain.chain_id, sha256(first))
    write_output(output, message)
    if output is not None:
        facts = {"file": str(output), "sha256": sha256(first).hex()}
        say(facts, lambda: f"{output}: to be signed by the key of certificate {facts['sha256']}", as_json=as_json)


@identity_app.command("bind")
def identity_bind(
    name: Name,
    sign: SignOption,
    certificate: CertificateOption,
    certificate_key: Annotated[
        Path | None, typer.Option("--certificate-key", metavar="PEM", help="The certificate's private key (mode 600).")
    ] = None,
    signature: Annotated[
        Path | None,
        typer.Option("--signature", metavar="CMS", help="Or its detached signature over what bind-request wrote."),
    ] = None,
    crl: RevocationLists = None,
    password_file: PasswordFileOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bind a certificate, or an electronic seal, to an identity: both keys sign, and receipts show it.

    The certificate is recorded as public content. It must be valid now, and not revoked where --crl brings a list.
    """
    from anchor.proof.certificate_proof import certificate_message
    from anchor.proof.codec import sha256
    from chains.bound_certificates import content_of
    from chains.identity_stating import bound

    if (certificate_key is None) == (signature is None):
        usage("choose one: --certificate-key FILE, or --signature FILE over what `identity bind-request` wrote")
    shown, lists = _chain(certificate), given(lambda: revocation_lists(crl or ()))
    certificate_hash, password = sha256(shown[0]), identity_password(password_file)

    def stated(history: "History", found: "Home") -> "Statement":
        from anchor.certificate_check import certificate_check
        from anchor.certificate_signing import MAX_KEY_FILE, proof_by_key
        from anchor.cms import MAX_CMS, read_cms

        message = certificate_message(history.chain_id, certificate_hash)

        def proof() -> "CertificateProof":
            if signature is not None:
                made = read_cms(read_at_most(signature, MAX_CMS), str(signature)).proof
            else:
                assert certificate_key is not None
                pem = _private(certificate_key, MAX_KEY_FILE)
                made = proof_by_key(pem, password, message, str(certificate_key))
            # What no verifier would take is not stated.
            _check_listed(certificate_check(lists=lists)(shown, made, message, found.clock()), is_asked=bool(lists))
            return made

        return bound(history, author_key(sign, password), certificate_hash, given(proof))

    state(name, home, stated, as_json=as_json, certificates=content_of(shown))


@identity_app.command("unbind")
def identity_unbind(
    name: Name,
    sign: SignOption,
    certificate: Annotated[
        str, typer.Option("--certificate", metavar="PEM|SHA256", help="The bound certificate, or its SHA-256 in hex.")
    ],
    reason: ReasonOption = "not-said",
    password_file: PasswordFileOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Unbind a certificate. Entries of earlier seals stay under it."""
    from anchor.proof.codec import sha256
    from chains.identity_stating import unbound

    ending, password = ending_of(reason), identity_password(password_file)
    named = bytes.fromhex(certificate) if is_hash(certificate) else sha256(_chain(Path(certificate))[0])
    state(
        *(name, home), lambda history, _: unbound(history, author_key(sign, password), named, ending), as_json=as_json
    )


def _check_listed(found: "CheckedCertificate | None", *, is_asked: bool) -> None:
    """End the command where the lists that were brought name the certificate, or could not."""
    if found is None or not is_asked:
        return
    if found.revoked_at_ms is not None:
        usage(f"--crl: the certificate, or one above it, was revoked, {utc(found.revoked_at_ms)}")
    if found.listed_at_ms is None:
        usage("--crl: expected a list of the certificate's issuer, who must stand in the file of --certificate")


def _chain(path: Path) -> tuple[bytes, ...]:
    from chains.bound_certificates import MAX_CONTENT, chain_of

    return given(lambda: chain_of(read_at_most(path, MAX_CONTENT), str(path)))


def _private(path: Path, most: int) -> bytes:
    """Return a private key's file, which nobody else may read."""
    from anchor.signing import read_private_file

    data = read_private_file(path)
    if len(data) > most:
        usage(f"{path}: expected at most {most} bytes, got {len(data)}")
    return data
