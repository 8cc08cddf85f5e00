"""No secret is where it does not belong: output, log lines, errors, and files outside of ``keys`` are searched.

Secrets are known to the test because it made them: words, the master key made of them, the keys of the PEM files, the
wallet's password, a node's password and cookie. Errors are provoked by real commands on real homes.
"""

import base64
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from embit import bip32, bip39

from anchor.errors import KeyRefusedError
from anchor.signing import SigningKey
from chains.access import Role
from chains.home import Home
from chains.password import Password
from tests.cli.commands import COMMAND, run, spawn
from tests.homes import change
from tests.simulators.listening import Quiet, listening

PASSWORD = "correct horse battery"
NODE_PASSWORD = "node-swordfish-password"
COOKIE = "__cookie__:0badc0ffee0badc0ffee0badc0ffee"
WORDS = "abandon " * 23 + "art"


class Refusing(Quiet):
    """A node that refuses every login, and repeats what it was sent, as a careless proxy may."""

    def do_POST(self) -> None:
        body = str(self.headers.get("Authorization")).encode()
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def refusing_node() -> Iterator[str]:
    """The address of a node that refuses our login."""
    with listening(Refusing) as address:
        yield address


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


class Secrets:
    """Everything that must not be seen, in the forms in which it could be."""

    def __init__(self, home: Path, passwords: dict[str, str]) -> None:
        master = bip32.HDKey.from_seed(bip39.mnemonic_to_seed(WORDS))
        raw = {
            name: _seed(SigningKey.load(home / "keys" / f"{name}.pem", PASSWORD))
            for name in ("checkpoint", "promise", "recovery")
        }
        raw["master"] = bytes(master.key.serialize())
        raw["chain code"] = bytes(master.chain_code)
        raw["address"] = bytes(master.derive("m/84h/1h/0h/0/0").key.serialize())
        self.texts = {"words": "abandon abandon", "extended key": "prv8", "xprv": "xprv", "pem": "PRIVATE KEY"}
        self.texts |= {f"{name} in hex": key.hex() for name, key in raw.items()}
        self.texts |= {f"{name} in base64": base64.b64encode(key).decode() for name, key in raw.items()}
        for name, text in passwords.items():
            self.texts |= {name: text, f"{name} in base64": base64.b64encode(text.encode()).decode()}

    def check(self, what: str, data: bytes) -> None:
        for name, text in self.texts.items():
            for form in (text, text.upper() if " in hex" in name else text):
                assert form.encode() not in data, f"{what} shows {name}"

    def check_files(self, home: Path) -> None:
        for path in home.rglob("*"):
            if path.is_file() and path.parent.name != "keys":
                self.check(str(path), path.read_bytes())


def _seed(key: SigningKey) -> bytes:
    return key._key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home on the embedded regtest, its wallet made of known words, its keys under a password."""
    made = tmp_path / "home"
    words = private(tmp_path / "words", WORDS)
    password = private(tmp_path / "password", PASSWORD)
    done = run(
        *("init", "--embedded", "--home", made, "--restore", "--mnemonic-file", words, "--password-file", password)
    )
    assert (0, "") == (done.exit_code, done.err)
    return made


def test_the_search_finds_what_it_looks_for(home: Path) -> None:
    """Each form of each secret would be found; and an unencrypted key file has some of them."""
    secrets = Secrets(home, {"password": PASSWORD})
    for name, text in secrets.texts.items():
        with pytest.raises(AssertionError, match="shows"):
            secrets.check(name, b"x" + text.encode() + b"x")
    with pytest.raises(AssertionError, match="shows pem"):
        secrets.check("a key", (home / "keys" / "checkpoint.pem").read_bytes())
    assert 0 == run("wallet", "password", "--home", home, "--no-password").exit_code
    with pytest.raises(AssertionError, match="shows words"):
        secrets.check("a key", (home / "keys" / "wallet.json").read_bytes())


def test_an_ordinary_day_shows_no_secret(home: Path) -> None:
    """Every command of the way to an anchor, with --json and without, and all files that it leaves."""
    secrets = Secrets(home, {"password": PASSWORD})
    for command in (
        *(("tick", "--mine", "101"), ("chain", "create", "acme"), ("seal",), ("tick", "--now"), ("status",)),
        *(("wallet", "address"), ("wallet", "balance"), ("wallet", "history"), ("audit",), ("log", "card")),
        *(("status", "--json"), ("wallet", "address", "--json"), ("wallet", "balance", "--json")),
        *(("wallet", "history", "--json"), ("receipt", "acme:0")),
    ):
        done = run(*command, "--home", home)
        assert 0 == done.exit_code, done.err
        secrets.check(" ".join(command), done.out + done.err.encode())
    secrets.check_files(home)


def test_errors_show_no_secret(home: Path, tmp_path: Path) -> None:
    """A wrong password, damaged key files, a PSBT that is none: the message names the file, not what is in it."""
    secrets = Secrets(home, {"password": PASSWORD, "wrong password": "wrong swordfish"})
    for ordinary in (("tick", "--mine", "101"), ("chain", "create", "acme"), ("seal",)):
        assert 0 == run(*ordinary, "--home", home).exit_code
    keys = home / "keys"
    wallet = (keys / "wallet.json").read_text()
    plain = {"format": "anchorline-key/2", "network": "regtest", "plain": {"mnemonic": WORDS}}
    descriptor = json.loads(wallet)["descriptor"]
    provoked: list[tuple[str, tuple[str | Path, ...]]] = [
        (wallet, ("wallet", "psbt", "import", private(tmp_path / "psbt", PASSWORD))),
        (wallet, ("wallet", "password", "--new-password-file", private(tmp_path / "short", "short"))),
        (wallet[:-40], ("status",)),
        (json.dumps(plain), ("status",)),
        (json.dumps({**plain, "descriptor": descriptor, "swordfish": WORDS}), ("status",)),
        (json.dumps({**plain, "descriptor": descriptor.replace("0/0)", "0/1)")}), ("status",)),
        (json.dumps({**plain, "descriptor": descriptor, "plain": {"mnemonic": WORDS + " art"}}), ("tick", "--now")),
        (WORDS, ("status",)),
    ]
    for content, command in provoked:
        private(keys / "wallet.json", content)
        done = run(*command, "--home", home)
        assert done.exit_code in {1, 2}, (command, done.text)
        secrets.check(str(command), done.out + done.err.encode())
    private(keys / "wallet.json", wallet)
    private(tmp_path / "password", "wrong swordfish")
    done = run("tick", "--now", "--home", home)
    assert (1, True) == (done.exit_code, "does not open" in done.err)
    secrets.check("wrong password", done.out + done.err.encode())
    private(keys / "checkpoint.pem", PASSWORD)
    done = run("seal", "--home", home)
    secrets.check("damaged PEM", done.out + done.err.encode())
    secrets.check_files(home)


@pytest.mark.parametrize("way", ["cookie", "password"])
def test_a_node_that_refuses_the_login_is_reported_without_it(tmp_path: Path, refusing_node: str, way: str) -> None:
    """The node's answer even repeats our credentials; neither command nor daemon does."""
    home = tmp_path / "home"
    words = private(tmp_path / "words", WORDS)
    login: tuple[str | Path, ...] = ("--core-user", "anchorline")
    if way == "cookie":
        login = ("--core-cookie-file", private(tmp_path / ".cookie", COOKIE))
    environment = {"ANCHORLINE_CORE_PASSWORD": NODE_PASSWORD, "ANCHORLINE_WALLET_PASSWORD": PASSWORD}
    made = spawn(
        *("init", "--home", home, "--network", "regtest", "--core-url", refusing_node, *login),
        *("--restore", "--mnemonic-file", words),
        cwd=tmp_path,
        environment=environment,
    )
    assert 0 == made.exit_code, made.err
    passwords = {"password": PASSWORD, "node's password": NODE_PASSWORD, "cookie": COOKIE}
    passwords |= {"cookie's password": COOKIE.partition(":")[2], "login": f"anchorline:{NODE_PASSWORD}"}
    secrets = Secrets(home, passwords)
    secrets.check("init", made.out + made.err.encode())
    for command in (("tick",), ("seal",), ("status",), ("status", "--json"), ("wallet", "balance")):
        done = spawn(*command, "--home", home, cwd=tmp_path, environment=environment)
        assert "credentials" in done.text + done.err
        secrets.check(" ".join(command), done.out + done.err.encode())
    secrets.check("daemon", _daemon(home, environment, until="event=failed job=tick"))
    secrets.check_files(home)


@pytest.mark.sqlite("only there a number can become a text")
def test_a_fault_in_the_daemon_shows_no_secret(home: Path) -> None:
    """A number that became a text is an error that nobody foresaw: it is logged, without what the process holds."""
    secrets = Secrets(home, {"password": PASSWORD})
    for command in (("tick", "--mine", "101"), ("chain", "create", "acme")):
        assert 0 == run(*command, "--home", home).exit_code
    change(home, "UPDATE tree SET size = 'many'")
    secrets.check("daemon", _daemon(home, {}, until="event=fault"))


def test_an_api_key_is_shown_once_and_kept_nowhere(home: Path, tmp_path: Path) -> None:
    """Only what made it prints it: no list, no error, no file of the home, no log of the daemon has it."""
    tokens = {}
    for made in (("org", "create", "acme"), ("chain", "create", "press", "--organisation", "acme")):
        assert 0 == run(*made, "--home", home).exit_code
    tokens["owner"] = run("key", "create", "acme", "--role", "owner", "--home", home).text.strip()
    tokens["writer"] = run("key", "create", "acme", "--role", "writer", "--json", "--home", home).facts["key"]
    tokens["operator"] = run("key", "create", "--operator", "--home", home).text.strip()
    tokens["rotated"] = run("key", "rotate", tokens["owner"][:11], "--home", home).text.strip()
    secrets = Secrets(home, {"password": PASSWORD, **{name: token[12:] for name, token in tokens.items()}})
    for name, token in tokens.items():
        assert 43 == len(token[12:])
        secrets.texts[f"the bytes of {name} in hex"] = base64.urlsafe_b64decode(token[12:] + "=").hex()
        with pytest.raises(AssertionError, match=f"shows {name}"):
            secrets.check("what shows it", token.encode())
    key_id = tokens["writer"][:11]
    asked: list[tuple[str, ...]] = [
        *(("key", "list"), ("key", "list", "--json"), ("org", "show", "acme"), ("org", "show", "acme", "--json")),
        *(("key", "revoke", key_id), ("key", "revoke", key_id, "--json"), ("key", "rotate", key_id), ("audit",)),
        *(("key", "revoke", tokens["owner"]), ("org", "show", tokens["owner"]), ("chain", "show", tokens["owner"])),
        *(("grant", "add", "press", tokens["operator"], "--role", "reader"), ("org", "create", "x" + tokens["owner"])),
        *(("key", "create", "acme", "--role", "reader", "--label", f"as {tokens['writer']}"),),
        *(("org", "remove", "acme"), ("key", "rotate", tokens["rotated"][:11]), ("status",)),
    ]
    for command in asked:
        done = run(*command, "--home", home)
        secrets.check(" ".join(command[:2]), done.out + done.err.encode())
    secrets.check_files(home)
    secrets.check("daemon", _daemon(home, {"ANCHORLINE_WALLET_PASSWORD": PASSWORD}, until="event=sealed"))


def test_what_is_wrong_with_an_api_key_is_said_without_it(home: Path) -> None:
    """Nor does the actor, the row or the new key show it when it is printed."""
    with Home.open(home) as found:
        keys = found.accounts.keys
        made = keys.create(None, Role.OPERATOR, "office", None, found.clock())
        secrets = Secrets(home, {"key": made.token[12:]})
        shown = [repr(made), repr(made.key), repr(found.accounts.authenticate(made.token, found.clock()))]
        keys.revoke(made.key, found.clock())
        for wrong in (made.token, made.token[:-1], made.token + "x", made.token.swapcase()):
            with pytest.raises(KeyRefusedError) as refused:
                found.accounts.authenticate(wrong, found.clock())
            shown.append(repr(refused.value))
        secrets.check("what is said", "".join(shown).encode())


def test_what_holds_a_password_does_not_show_it() -> None:
    """``repr`` of the place where a password is kept after it was found."""
    given = Password(environment={"ANCHORLINE_WALLET_PASSWORD": PASSWORD})
    assert PASSWORD == given()
    assert PASSWORD not in repr(given) + str(given)


def _daemon(home: Path, environment: dict[str, str], until: str) -> bytes:
    """Run the daemon until its log has a word; return all that it wrote."""
    started = subprocess.Popen(
        [*COMMAND, "daemon", "--home", str(home)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert started.stdout is not None
    said, deadline = b"", time.monotonic() + 60
    while until.encode() not in said and time.monotonic() < deadline:
        said += started.stdout.readline()
    started.send_signal(signal.SIGTERM)
    rest, _ = started.communicate(timeout=60)
    assert until.encode() in said
    return said + rest
