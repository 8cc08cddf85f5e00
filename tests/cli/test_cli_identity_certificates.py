"""Certificates that identities bind, through the command line: from a key or a seal's CMS to the verdict on a receipt.

One home, made once; certificates are those of ``tests/simulators/sealers.py``, valid today, and openssl's ``cms`` makes
the signature of a key that Anchorline never sees.
"""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from anchor.proof.archive import check_archive
from anchor.proof.errors import Reason, VerificationError
from anchor.signing import check_signature
from chains.archive.checking import verify_export
from chains.archive.files import opened_export
from chains.archive.verdict import ArchiveVerifier
from chains.stand_alone import Folder, main
from tests.cli.commands import ORIGIN, World, own_folders, run
from tests.cli.test_cli_leaving import anchored
from tests.integration.test_openssl_timestamps import is_openssl_there
from tests.simulators.sealers import YEAR, Sealer, edwards, qc, revocation_list, rsa_key, sealer
from tests.simulators.timestamp_authority import certify, certify_root

NOW = datetime.now(UTC).replace(microsecond=0)
ROOT = certify_root(last=NOW + 10 * YEAR)
BETWEEN = certify("Between", ROOT, is_authority=True, serial=3, last=NOW + YEAR)
WORDS = qc("04008e460101", kind="04008e46010602")


def made_valid(name: str, **options: object) -> Sealer:
    """Make a sealer whose certificate is valid today."""
    fields = {"first": NOW - YEAR, "last": NOW + YEAR, "above": (BETWEEN,)} | options
    return sealer(name, BETWEEN, **fields)  # type: ignore[arg-type]  # whatever fields it has


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A home with a chain of orders and an identity, both sealed, and the root that verifiers trust."""
    world = World(tmp_path_factory.mktemp("certificates"))
    with own_folders(world.folder / "xdg"):
        world.ok("init", "--embedded", "--origin", ORIGIN)
        world.ok("chain", "create", "orders")
        world.ok("identity", "new", "acme", "--key", world.folder / "acme.key", "--no-password")
        world.ok("seal")
        (world.folder / "order.txt").write_bytes(b"order 7\n")
        (world.folder / "root.pem").write_bytes(ROOT.pem)
        yield world


def files_of(world: World, holder: Sealer, name: str) -> tuple[Path, Path]:
    """Write the certificates and the key of a sealer."""
    certificate, key = world.folder / f"{name}.pem", world.folder / f"{name}-key.pem"
    certificate.write_bytes(holder.certificate.public_bytes(Encoding.PEM) + BETWEEN.pem)
    key.write_bytes(holder.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key.chmod(0o600)
    return certificate, key


def blocks_of(world: World) -> list[dict[str, Any]]:
    """The attempts of a log that are in a block."""
    return [each for each in world.ok("status", "--json").facts["attempts"] if each["block"]]


def certificate_step(world: World, *options: str | Path) -> tuple[str, str]:
    """Record and seal an order of acme; return state and text of step 21 of its receipt, empty where it has none."""
    added = world.ok(
        *("add", "orders", world.folder / "order.txt", "--sign", world.folder / "acme.key", "--identity", "acme"),
        "--json",
    )
    world.ok("seal")
    receipt = world.folder / "receipt"
    world.ok("receipt", added.facts["entries"][0]["entry_hash"], "--output", receipt)
    done = run("verify", world.folder / "order.txt", receipt, "--log", world.card, "--json", *options)
    steps = [(step["state"], step["text"]) for step in done.facts["steps"] if step["number"] == 21]
    return steps[0] if steps else ("", "")


def test_a_certificate_is_bound_shown_and_unbound(made: World) -> None:
    """Both keys sign; a verifier who trusts the root is told whose it is, others that nobody vouches; then it ends."""
    certificate, key = files_of(made, made_valid("Acme Seal", qualified=WORDS, signs=True), "acme")
    mine, acme = made.folder / "acme.key", ("--sign", made.folder / "acme.key")
    shown = made.ok("identity", "bind", "acme", *acme, "--certificate", certificate, "--certificate-key", key, "--json")
    [bound] = shown.facts["certificates"]
    assert ("CN=Acme Seal,O=Example", "CN=Between,O=Example", True, None) == (
        *(bound["subject"], bound["issuer"], bound["waits_for_seal"], bound["until_seal"]),
    )
    made.ok("seal")
    trusting = ("--ca", made.folder / "root.pem")
    state, text = certificate_step(made, *trusting)
    assert "ok" == state
    assert (
        "is bound since seal 1 to the certificate of CN=Acme Seal,O=Example, issued by CN=Between,O=Example, " in text
    )
    assert "a qualified certificate of the EU, for electronic seals (no trusted list was asked); CN=Root,O=Exam" in text
    document = made.ok("identity", "did-document", "acme", "did:web:acme.example").facts
    assert f"anchorline:certificate:{bound['sha256']}" == document["alsoKnownAs"][1]
    state, text = certificate_step(made)
    assert "not checked" == state
    assert "none of the certificates that you trust vouches for it" in text
    assert "bound to CN=Acme Seal,O=Example (SHA-256 " in made.ok("identity", "show", "acme").text
    unbinding = ("identity", "unbind", "acme", "--sign", mine, "--certificate", bound["sha256"], "--reason", "replaced")
    assert "unbound in seal" in made.ok(*unbinding).text
    made.ok("seal")
    assert ("", "") == certificate_step(made, *trusting)
    again = made.run("identity", "bind", "acme", *acme, "--certificate", certificate, "--certificate-key", key)
    assert (1, True) == (again.exit_code, "one is bound once" in again.err)


@pytest.mark.openssl
@pytest.mark.skipif(not is_openssl_there(), reason="needs OpenSSL's openssl command")
def test_a_seal_that_signs_elsewhere_is_bound_by_its_cms(made: World) -> None:
    """What openssl's cms signs over bind-request binds; the same signature for another identity does not."""
    certificate, key = files_of(made, made_valid("Acme RSA", key=rsa_key()), "rsa")
    asked, signature = made.folder / "asked", made.folder / "signature.der"
    made.ok("identity", "bind-request", "acme", "--certificate", certificate, "--output", asked)
    signing: list[str | Path] = [
        "openssl",
        "cms",
        "-sign",
        "-binary",
        "-in",
        asked,
        "-signer",
        certificate,
        "-inkey",
        key,
    ]
    for form in ("DER", "PEM"):
        subprocess.run([*signing, "-outform", form, "-out", signature], check=True, capture_output=True)
        options = ("--sign", made.folder / "acme.key", "--certificate", certificate, "--signature", signature)
        if form == "DER":
            made.ok("identity", "new", "other", "--key", made.folder / "other.key", "--no-password")
            other = made.run("identity", "bind", "other", "--sign", made.folder / "other.key", *options[2:])
            assert (2, True) == (other.exit_code, "what its key signed is of something else" in other.err)
    made.ok("identity", "bind", "acme", *options)
    made.ok("seal")
    state, text = certificate_step(made, "--ca", made.folder / "root.pem")
    assert ("ok", True) == (state, "to the certificate of CN=Acme RSA,O=Example" in text)


def refusing(*_: object) -> NoReturn:
    """The check of a verifier for whom no certificate's proof holds."""
    raise VerificationError(Reason.CERTIFICATE_WRONG, "the certificate does not count")


def test_many_receipts_and_whole_exports_say_whose_certificate_it_is(made: World) -> None:
    """``--pairs`` and ``--archive`` judge by ``--ca`` as one receipt is judged; the script says that it does not."""
    certificate, key = files_of(made, made_valid("Port Seal"), "port")
    made.ok("identity", "new", "port", "--key", made.folder / "port.key", "--no-password")
    made.ok("tick", "--mine", "101")
    made.ok("seal")
    port = ("--sign", made.folder / "port.key")
    made.ok("identity", "bind", "port", *port, "--certificate", certificate, "--certificate-key", key)
    made.ok("chain", "create", "calls")
    made.ok("seal")
    made.ok("add", "calls", made.folder / "order.txt", *port, "--identity", "port")
    made.ok("seal")
    made.ok("tick", "--now")
    made.ok("tick", "--mine", "6")
    pairs = made.folder / "pairs"
    pairs.mkdir()
    for name in ("one.receipt", "two.receipt"):
        made.ok("receipt", "calls:1", "--output", pairs / name)
    whole, part = made.folder / "whole.tar", made.folder / "part.tar"
    made.ok("export", whole)
    made.ok("export", part, "--chain", "calls")
    blocks = [f"regtest:{each['block']['height']}:{each['block']['hash']}" for each in blocks_of(made)]
    for roots, state, word in (
        ((), "not checked", "none of the certificates that you trust"),
        (("--ca", made.folder / "root.pem"), "ok", "CN=Root,O=Example"),
    ):
        many = ("verify", "--pairs", pairs, "--log", made.card, "--block", blocks[-1], *roots)
        done = run(*many, "--json")
        assert (0, [[state], [state]]) == (
            done.exit_code,
            [[item["state"] for item in pair["certificates"]] for pair in done.facts["pairs"]],
        )
        [line] = [line for line in run(*many).text.splitlines() if "of 2 receipts: 21 bound certificate" in line]
        assert f"{word} vouches for it" in line
        for archive in (whole, part):
            verifying = ("verify", "--archive", archive, "--log", made.card, "--block", blocks[-1], *roots)
            done = run(*verifying, "--json")
            mine = [item for item in done.facts["certificates"] if item["subject"] == "CN=Port Seal,O=Example"]
            assert (0, [], [state]) == (done.exit_code, done.facts["faults"], [item["state"] for item in mine])
            assert [
                f"{word} vouches for it" in line for line in run(*verifying).text.splitlines() if "Port Seal" in line
            ]
    for archive in (whole, part):
        with opened_export(archive, lambda _: None, None) as files:
            found = verify_export(files, ArchiveVerifier(any_log=True, check_certificate=refusing))
        assert [] == list(found.faults)
        assert any(remark.endswith("entry 1: the certificate does not count") for remark in found.remarks)
        with tarfile.open(archive) as tar:
            tar.extractall(made.folder / archive.stem, filter="data")
        [inside] = (made.folder / archive.stem).iterdir()
        checked = check_archive(Folder(inside), check=check_signature)
        assert checked.certificates == len(found.certificates)
        out = io.StringIO()
        assert 4 == main([], inside, out)
        assert "certificates that identities bound: not checked, as Python alone reads no X.509" in out.getvalue()


def test_what_no_verifier_would_take_is_not_stated(made: World) -> None:
    """Another key, an expired certificate, what is no certificate or key, or both ways at once: nothing is recorded."""
    good, key = files_of(made, made_valid("Good", key=edwards("good")), "good")
    _, other = files_of(made, made_valid("Other"), "other")
    old, old_key = files_of(made, made_valid("Old", last=NOW - timedelta(days=1)), "old")
    before = made.ok("identity", "show", "acme", "--json").facts["certificates"]
    for certificate, options, why in (
        (good, ("--certificate-key", other), "its key did not sign the identity"),
        (old, ("--certificate-key", old_key), "it was not valid when it was bound"),
        (key, ("--certificate-key", key), "expected certificates in PEM"),
        (good, ("--certificate-key", made.folder / "acme.key", "--signature", key), "choose one"),
        (good, (), "choose one"),
        (good, ("--signature", good), "expected a detached CMS signature"),
        (good, ("--certificate-key", made.folder / "no.pem"), "no such key file"),
    ):
        binding = ("identity", "bind", "acme", "--sign", made.folder / "acme.key", "--certificate", certificate)
        done = made.run(*binding, *options)
        assert (2, True) == (done.exit_code, why in done.err), (why, done.err)
    assert before == made.ok("identity", "show", "acme", "--json").facts["certificates"]


def openssl_list(folder: Path, serial: int, revoked: datetime) -> Path:
    """Have openssl's ``ca`` make the list of Between, on which one certificate is revoked."""
    at = f"{revoked:%y%m%d%H%M%SZ}"
    (folder / "index.txt").write_text(
        f"R\t{NOW + YEAR:%y%m%d%H%M%SZ}\t{at},keyCompromise\t{serial:02X}\tunknown\t/CN=x\n"
    )
    (folder / "ca.cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index.txt\ndefault_md=sha256\n")
    (folder / "between.pem").write_bytes(BETWEEN.pem)
    key = BETWEEN.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "between-key.pem").write_bytes(key)
    made = folder / "list.pem"
    command = ["openssl", "ca", "-config", "ca.cnf", "-gencrl", "-crldays", "30", "-cert", "between.pem"]
    subprocess.run([*command, "-keyfile", "between-key.pem", "-out", made], cwd=folder, check=True, capture_output=True)
    return made


@pytest.mark.openssl
@pytest.mark.skipif(not is_openssl_there(), reason="needs OpenSSL's openssl command")
def test_a_list_that_openssl_made_revokes(made: World, tmp_path: Path) -> None:
    """Before the block it counts against the author; after it, not; what is revoked already cannot be bound."""
    holder = made_valid("Acme Revoked", key=edwards("revoked"))
    certificate, key = files_of(made, holder, "revoked")
    serial, mine = holder.certificate.serial_number, made.folder / "revoked-author.key"
    made.ok("identity", "new", "revoked", "--key", mine, "--no-password")
    early = openssl_list(tmp_path, serial, NOW - timedelta(days=9))
    binding = ("identity", "bind", "revoked", "--sign", mine, "--certificate", certificate, "--certificate-key", key)
    refused = made.run(*binding, "--crl", early)
    assert (2, True) == (refused.exit_code, "--crl: the certificate, or one above it, was revoked" in refused.err)
    (tmp_path / "roots.crl").write_bytes(revocation_list(ROOT, at=NOW).public_bytes(Encoding.PEM))
    unlisted = made.run(*binding, "--crl", tmp_path / "roots.crl")
    assert (2, True) == (unlisted.exit_code, "expected a list of the certificate's issuer" in unlisted.err)
    made.ok(*binding)
    order, receipt, headers = made.folder / "order.txt", tmp_path / "receipt", tmp_path / "headers"
    made.ok("seal")
    entry = made.ok("add", "orders", order, "--sign", mine, "--identity", "revoked", "--json").facts["entries"][0]
    made.ok("tick", "--mine", "101")
    anchored(made)
    made.ok("receipt", entry["entry_hash"], "--output", receipt)
    made.ok("headers", "export", headers)
    trusting = ("--log", made.card, "--headers", headers, "--ca", made.folder / "root.pem", "--json")
    found = run("verify", order, receipt, *trusting, "--crl", early).facts
    assert ("failed", 1, "certificate-binding-wrong") == (found["outcome"], found["exit_code"], found["finding"])
    pairs = run("verify", "--pairs", pairs_of(tmp_path, order, receipt), *trusting, "--crl", early)
    assert 1 == pairs.exit_code
    late = openssl_list(tmp_path, serial, NOW + timedelta(days=9))
    later = run("verify", order, receipt, *trusting, "--crl", late).facts
    assert ("intact", "ok") == (later["outcome"], later["steps"][-1]["state"])
    assert "was revoked later" in later["steps"][-1]["text"]
    nothing = run("verify", order, receipt, *trusting, "--crl", order)
    assert (2, True) == (nothing.exit_code, "expected revocation lists" in nothing.err)
    archive = run("verify", "--archive", tmp_path, "--any-log", "--crl", early)
    assert (2, True) == (archive.exit_code, "no --crl" in archive.err)


def pairs_of(folder: Path, file: Path, receipt: Path) -> Path:
    """Write a list of one pair."""
    listed = folder / "pairs.txt"
    listed.write_text(f"{file}\t{receipt}\n")
    return listed
