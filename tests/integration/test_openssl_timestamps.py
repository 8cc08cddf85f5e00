"""RFC 3161 with openssl on the other side: as the authority that is asked, and as the verifier of what we accept.

The home is a real one on a simulated Bitcoin; ``openssl ts`` answers over HTTP, and its tokens go into receipts.
"""

import json
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from anchor.certificates import load_certificates
from anchor.proof.codec import sha256
from anchor.proof.receipt import Receipt
from anchor.proof.timestamp import imprint_of
from anchor.timestamp_authority import TimestampAuthority
from anchor.timestamp_token import timestamp_check
from chains.settings import FILE_NAME, checked_settings
from tests.cli.commands import World, own_folders, run
from tests.simulators.timestamp_authority import AT, Stamped, certify_root, certify_signer, stamp
from tests.simulators.timestamp_server import Authority, OpensslAuthority, serving


def is_openssl_there() -> bool:
    """Say whether ``openssl`` is OpenSSL's: other libraries' commands of this name take other options."""
    if shutil.which("openssl") is None:
        return False
    return subprocess.run(["openssl", "version"], capture_output=True, check=False).stdout.startswith(b"OpenSSL ")


pytestmark = [pytest.mark.openssl, pytest.mark.skipif(not is_openssl_there(), reason="needs OpenSSL's openssl command")]

PAYLOAD = b"AL1" + bytes(37)


@pytest.fixture(scope="module")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> OpensslAuthority:
    """An authority made by openssl."""
    return OpensslAuthority(tmp_path_factory.mktemp("openssl") / "tsa")


@pytest.fixture
def server(openssl: OpensslAuthority) -> Iterator[Authority]:
    """The same, over HTTP."""
    with serving(openssl.reply) as running:
        yield running


def test_openssl_s_token_is_taken_and_verifies_on_both_sides(openssl: OpensslAuthority, server: Authority) -> None:
    """What our client accepts, ``openssl ts -verify`` accepts too, for the same imprint and root."""
    trusted = load_certificates(openssl.root.read_bytes(), "ca.pem")
    token = TimestampAuthority(server.url, trusted, "1.2.3.4.1").ask(PAYLOAD)
    said = timestamp_check(trusted)(token, sha256(PAYLOAD))
    assert ("CN=Stamps,O=Openssl", "CN=Root,O=Openssl", 1_500_000) == (
        said.authority,
        said.vouched_by,
        said.accuracy_us,
    )
    (openssl.folder / "token").write_bytes(token)
    verified = openssl.run(f"ts -verify -token_in -in token -digest {sha256(PAYLOAD).hex()} -CAfile ca.pem")
    assert "Verification: OK" in verified
    text = openssl.run("ts -reply -token_in -in token -token_out -text -config tsa.cnf")
    assert "Policy OID: 1.2.3.4.1" in text


@pytest.mark.parametrize("named_by", ["v1", "v2", "both", "sha384"])
def test_openssl_accepts_the_simulator_s_tokens(openssl: OpensslAuthority, named_by: str) -> None:
    """The simulated authority makes real tokens: a third party verifies them as of their time."""
    root = certify_root()
    token = stamp(certify_signer(root), Stamped(sha256(PAYLOAD), named_by=named_by))
    (openssl.folder / "token").write_bytes(token)
    (openssl.folder / "root.pem").write_bytes(root.pem)
    at = f"-attime {int(AT.timestamp())}"
    digest = sha256(PAYLOAD).hex()
    verified = openssl.run(f"ts -verify -token_in -in token -digest {digest} -CAfile root.pem {at}")
    assert "Verification: OK" in verified


def test_openssl_refuses_what_we_refuse(openssl: OpensslAuthority) -> None:
    """Tokens that the check refuses are refused by ``openssl ts -verify`` too: the two agree on what is wrong."""
    root = certify_root()
    signer = certify_signer(root)
    good = Stamped(sha256(PAYLOAD))
    (openssl.folder / "root.pem").write_bytes(root.pem)
    for wrong in (
        replace(good, imprint=bytes(32)),
        replace(good, spoil_signature=True),
        replace(good, spoil_digest=True),
        replace(good, named=root.encoded),
        replace(good, named_by="nothing"),
    ):
        (openssl.folder / "token").write_bytes(stamp(signer, wrong))
        arguments = f"ts -verify -token_in -in token -digest {good.imprint.hex()} -CAfile root.pem"
        with pytest.raises(AssertionError):
            openssl.run(f"{arguments} -attime {int(AT.timestamp())}")


def test_the_commands_stamp_each_anchor_and_verify_it(
    tmp_path: Path, openssl: OpensslAuthority, server: Authority
) -> None:
    """From the settings to a stranger's verdict: ``tick`` asks openssl, the receipt carries it, ``verify`` checks."""
    world = World(tmp_path)
    world.report.write_bytes(b"beam 7 inspected\n")
    with own_folders(tmp_path / "xdg"):
        world.ok("init", "--embedded", "--origin", "log.example/stamped")
        settings = tomllib.loads((world.home / FILE_NAME).read_text())
        settings |= {"timestamp_authorities": [server.url], "timestamp_certificates": "roots.pem"}
        (world.home / FILE_NAME).write_text(checked_settings(settings, "test").encode())
        shutil.copy(openssl.root, world.home / "roots.pem")
        world.ok("chain", "create", "acme")
        world.ok("add", "acme", world.report)
        world.ok("tick", "--mine", "101")
        world.ok("seal")
        done = world.ok("tick", "--now", "--json").facts
        assert [("", server.url)] == [(item["cause"], item["authority"]) for item in done["time_stamps"]]
        world.ok("receipt", "acme:1", "--output", world.receipt)
        early = Receipt.decode(world.receipt.read_bytes())
        assert early.sealed is not None
        assert (False, 1) == (early.sealed.is_in_bitcoin, len(early.sealed.timestamps))
        world.ok("tick", "--mine", "6")
        assert "anchored" in world.ok("upgrade", world.receipt).text
        world.ok("headers", "export", world.headers)
        assert {"kept": 1, "failing": {}} == world.ok("status", "--json").facts["time_stamps"]
        assert "all hold" in world.ok("audit").text
    assert 1 == len(server.questions)
    trusting = ("--tsa-certificate", openssl.root, "--log", world.card, "--headers", world.headers)
    verified = run("verify", world.report, world.receipt, *trusting)
    assert (0, "") == (verified.exit_code, verified.err)
    assert "Besides, CN=Stamps,O=Openssl says that it saw the checkpoint at " in verified.text
    sealed = Receipt.decode(world.receipt.read_bytes()).sealed
    assert sealed is not None
    [anchor] = [item for item in json.loads(world.receipt.read_bytes())["anchors"] if item["type"] == "rfc3161"]
    (openssl.folder / "token").write_bytes(sealed.timestamps[0].token)
    imprint = imprint_of(sealed.checkpoint.size, sealed.checkpoint.root).hex()
    assert "Verification: OK" in openssl.run(f"ts -verify -token_in -in token -digest {imprint} -CAfile ca.pem")
    assert {"type", "token"} == set(anchor)
