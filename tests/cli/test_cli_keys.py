"""Keys on the command line: passwords from files, environment and a terminal; words shown once; restored wallets.

Where somebody has to sit at a terminal, the command runs on a pseudo-terminal, and the test types.
"""

import json
import os
import pty
import re
import select
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from anchor.signing import SigningKey
from tests.cli.commands import COMMAND, run

PASSWORD = "correct horse battery"
NODE = ("--core-url", "http://127.0.0.1:1", "--core-user", "anchorline")
TERMINAL_S = 60


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    """A file of mode 600 with the password."""
    return private(tmp_path / "password", PASSWORD + "\n")


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def key_file(home: Path) -> Any:
    return json.loads((home / "keys" / "wallet.json").read_text())


def at_terminal(*arguments: str | Path, typed: dict[str, str]) -> tuple[int, str]:
    """Run a command on a pseudo-terminal of its own; type each answer when its question is shown."""
    controller, terminal = pty.openpty()
    started = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    said, answered = "", 0
    deadline = time.monotonic() + TERMINAL_S
    questions = list(typed.items())
    while time.monotonic() < deadline:
        if select.select([controller], [], [], 0.1)[0]:
            try:
                data = os.read(controller, 65536)
            except OSError:  # the other side is closed (Linux says EIO)
                break
            if not data:
                break
            said += data.decode()
        if answered < len(questions) and said.rstrip().endswith(questions[answered][0]):
            os.write(controller, questions[answered][1].encode() + b"\n")
            said += "\n"
            answered += 1
    os.close(controller)
    return started.wait(timeout=TERMINAL_S), said.replace("\r\n", "\n")


def test_init_on_a_terminal_asks_twice_and_shows_the_words_once(tmp_path: Path) -> None:
    """The password is not echoed, 24 words are shown in order, and they make the same wallet again."""
    home = tmp_path / "home"
    exit_code, said = at_terminal(
        *("init", "--home", home, *NODE),
        typed={"New password for the wallet's key:": PASSWORD, "Again:": PASSWORD},
    )
    assert 0 == exit_code, said
    assert PASSWORD not in said
    _, _, shown = said.partition("in this order")
    words = [word for _, word in sorted((int(n), word) for n, word in re.findall(r"([0-9]+) ([a-z]{3,8}) ", shown))]
    assert 24 == len(words)
    assert {"format", "network", "descriptor", "encrypted"} == set(key_file(home))
    again = tmp_path / "again"
    words_file = private(tmp_path / "words", " ".join(words))
    made = run("init", "--home", again, *NODE, "--restore", "--mnemonic-file", words_file, "--no-password", "--json")
    assert made.facts["address"] in said
    assert key_file(home)["descriptor"] == key_file(again)["descriptor"]


def test_a_repeated_password_that_differs_makes_no_home(tmp_path: Path) -> None:
    """A slip of the finger does not lock a wallet."""
    exit_code, said = at_terminal(
        *("init", "--home", tmp_path / "home", *NODE),
        typed={"New password for the wallet's key:": PASSWORD, "Again:": PASSWORD + "!"},
    )
    assert (2, True) == (exit_code, "the two are not the same" in said)
    assert not (tmp_path / "home").exists()


def test_a_restored_wallet_is_typed_in_without_an_echo(tmp_path: Path) -> None:
    """The words do not appear on the screen, neither typed nor shown."""
    words = "abandon " * 23 + "art"
    exit_code, said = at_terminal(
        *("init", "--embedded", "--home", tmp_path / "home", "--restore"), typed={"The wallet's words:": words}
    )
    assert (0, False) == (exit_code, "abandon" in said), said
    assert {"mnemonic": words} == key_file(tmp_path / "home")["plain"]


def test_words_are_not_shown_where_nobody_looks(tmp_path: Path) -> None:
    """Neither in a pipe nor with --json: whoever wants them names a file."""
    for name, options in (("a", ()), ("b", ("--json",))):
        words_file = tmp_path / f"words-{name}"
        done = run("init", "--embedded", "--home", tmp_path / name, "--mnemonic-file", words_file, *options)
        words = words_file.read_text()
        assert (0, "") == (done.exit_code, done.err)
        assert 24 == len(words.split())
        assert words.split()[:3] != [word for word in words.split()[:3] if word in done.text]
        assert words.strip() == key_file(tmp_path / name)["plain"]["mnemonic"]
        assert 0o600 == stat.S_IMODE(words_file.stat().st_mode)


def test_words_are_never_written_over_a_file(tmp_path: Path) -> None:
    """An existing file stays, and no home is made; where no home can be made, no words are left."""
    (tmp_path / "words").write_text("mine")
    done = run("init", "--embedded", "--home", tmp_path / "home", "--mnemonic-file", tmp_path / "words")
    assert (1, "mine", False) == (done.exit_code, (tmp_path / "words").read_text(), (tmp_path / "home").exists())
    full = tmp_path / "full"
    full.mkdir()
    (full / "file").touch()
    assert 1 == run("init", "--embedded", "--home", full, "--mnemonic-file", tmp_path / "new").exit_code
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("way", ["file", "environment"])
def test_a_password_needs_no_terminal(
    tmp_path: Path, password_file: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file, which the settings then name, or the environment: the whole way to an anchor without a prompt."""
    home = tmp_path / "home"
    options: tuple[str | Path, ...] = ("--password-file", password_file)
    if way == "environment":
        monkeypatch.setenv("ANCHORLINE_WALLET_PASSWORD", PASSWORD)
        options = ()
    assert 0 == run("init", "--embedded", "--home", home, *options).exit_code
    assert "encrypted" in key_file(home)
    assert "ENCRYPTED PRIVATE KEY" in (home / "keys" / "recovery.pem").read_text()
    assert SigningKey.load(home / "keys" / "recovery.pem", PASSWORD).public_key
    for command in (("tick", "--mine", "101"), ("chain", "create", "acme"), ("seal",), ("tick", "--now")):
        assert (0, "") == (run(*command, "--home", home).exit_code, run("status", "--home", home).err)
    assert "broadcast" == run("status", "--home", home, "--json").facts["attempts"][0]["state"]


def test_what_shows_and_seals_needs_no_password(
    tmp_path: Path, password_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only signing an anchor asks for it: then the command says where it looks for one."""
    home = tmp_path / "home"
    monkeypatch.setenv("ANCHORLINE_WALLET_PASSWORD", PASSWORD)
    run("init", "--embedded", "--home", home)
    monkeypatch.delenv("ANCHORLINE_WALLET_PASSWORD")
    for command in (
        *(("tick", "--mine", "101"), ("chain", "create", "acme"), ("seal",)),
        *(("status",), ("wallet", "address"), ("audit",)),
    ):
        done = run(*command, "--home", home)
        assert (0, "") == (done.exit_code, done.err), command
    for command in (("tick", "--now"), ("daemon",)):
        refused = run(*command, "--home", home)
        assert 1 == refused.exit_code
        assert "wallet_password_file" in refused.err
        assert "ANCHORLINE_WALLET_PASSWORD" in refused.err
        assert "event=" not in refused.err


def test_a_daemon_with_a_wrong_password_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so and ends at once, and not when the first anchor is due."""
    home = tmp_path / "home"
    monkeypatch.setenv("ANCHORLINE_WALLET_PASSWORD", PASSWORD)
    run("init", "--embedded", "--home", home)
    monkeypatch.setenv("ANCHORLINE_WALLET_PASSWORD", PASSWORD + "!")
    refused = run("daemon", "--home", home)
    assert 1 == refused.exit_code
    assert "the password does not open the key file" in refused.err
    assert "event=started" not in refused.err


def test_off_regtest_a_key_is_not_left_open_by_itself(tmp_path: Path) -> None:
    """Without a terminal and without a password init makes nothing, and says what there is to choose."""
    done = run("init", "--home", tmp_path / "home", *NODE)
    assert (2, False) == (done.exit_code, (tmp_path / "home").exists())
    for choice in ("--password-file", "ANCHORLINE_WALLET_PASSWORD", "--no-password"):
        assert choice in done.err


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        ("", 0o600, "expected a password on one line"),
        ("one line\nand another\n", 0o600, "expected a password on one line"),
        ("tallzebra", 0o644, "others may read it"),
        ("zebra\n", 0o600, "at least 8 characters"),
    ],
)
def test_a_password_file_that_will_not_do_makes_no_home(tmp_path: Path, content: str, mode: int, message: str) -> None:
    """Empty, open to others, of several lines, too short: named, and not repeated."""
    path = private(tmp_path / "password", content)
    path.chmod(mode)
    done = run("init", "--home", tmp_path / "home", *NODE, "--password-file", path)
    assert (1, False) == (done.exit_code, (tmp_path / "home").exists())
    assert message in done.err
    assert "zebra" not in done.err


def test_contradictions_are_refused(tmp_path: Path, password_file: Path) -> None:
    """A password and none; words for a wallet whose key is elsewhere; words from nowhere."""
    home = tmp_path / "home"
    for options in (
        ("--no-password", "--password-file", password_file),
        ("--descriptor", "wpkh(00)", "--mnemonic-file", tmp_path / "words"),
        ("--descriptor", "wpkh(00)", "--restore"),
        ("--restore",),
    ):
        assert 2 == run("init", "--embedded", "--home", home, *options).exit_code, options
    assert not home.exists()


def test_the_password_is_changed_for_both_keys(tmp_path: Path, password_file: Path) -> None:
    """Wallet and recovery key open with the new password only; a second change needs the new one."""
    home = tmp_path / "home"
    run("init", "--embedded", "--home", home, "--password-file", password_file)
    new = private(tmp_path / "new", "another password")
    done = run("wallet", "password", "--home", home, "--new-password-file", new, "--json")
    assert {"changed": [f"{home}/keys/recovery.pem", f"{home}/keys/wallet.json"], "encrypted": True} == done.facts
    assert SigningKey.load(home / "keys" / "recovery.pem", "another password").public_key
    # The settings still name the old one.
    refused = run("wallet", "password", "--home", home, "--no-password")
    assert (1, True) == (refused.exit_code, "the password does not open" in refused.err)
    password_file.write_text("another password")
    assert 0 == run("wallet", "password", "--home", home, "--no-password").exit_code
    assert "plain" in key_file(home)
    assert "ENCRYPTED" not in (home / "keys" / "recovery.pem").read_text()
    assert {"recovery.pem", "wallet.json", "checkpoint.pem", "promise.pem"} == {
        path.name for path in (home / "keys").iterdir()
    }
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in (home / "keys").iterdir()}


def test_an_interrupted_change_of_password_is_carried_on(tmp_path: Path, password_file: Path) -> None:
    """A crash after the first file: the same command changes the other one."""
    home = tmp_path / "home"
    run("init", "--embedded", "--home", home, "--password-file", password_file)
    before = (home / "keys" / "wallet.json").read_bytes()
    new = private(tmp_path / "new", "another password")
    run("wallet", "password", "--home", home, "--new-password-file", new)
    private(home / "keys" / "wallet.json", before.decode())
    done = run("wallet", "password", "--home", home, "--new-password-file", new, "--json")
    assert [f"{home}/keys/wallet.json"] == done.facts["changed"]
    assert [] == run("wallet", "password", "--home", home, "--new-password-file", new, "--json").facts["changed"]


def test_a_recovery_key_that_was_moved_away_is_not_missed(tmp_path: Path, password_file: Path) -> None:
    """It belongs off the machine; changing the password then changes the wallet's key alone."""
    home = tmp_path / "home"
    run("init", "--embedded", "--home", home, "--password-file", password_file)
    (home / "keys" / "recovery.pem").rename(tmp_path / "safe")
    new = private(tmp_path / "new", "another password")
    done = run("wallet", "password", "--home", home, "--new-password-file", new, "--json")
    assert [f"{home}/keys/wallet.json"] == done.facts["changed"]


def test_the_old_password_is_asked_for_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither file nor environment: the new one first, twice, then the old one."""
    home = tmp_path / "home"
    monkeypatch.setenv("ANCHORLINE_WALLET_PASSWORD", PASSWORD)
    run("init", "--embedded", "--home", home)
    monkeypatch.delenv("ANCHORLINE_WALLET_PASSWORD")
    exit_code, said = at_terminal(
        *("wallet", "password", "--home", home),
        typed={
            "New password for the wallet's key:": "another password",
            "Again:": "another password",
            "Password of the wallet's key:": PASSWORD,
        },
    )
    assert 0 == exit_code, said
    assert SigningKey.load(home / "keys" / "recovery.pem", "another password").public_key


def test_the_address_comes_with_its_descriptor(tmp_path: Path) -> None:
    """``wallet address`` shows both; they are those of the key file."""
    home = tmp_path / "home"
    made = run("init", "--embedded", "--home", home, "--json").facts
    facts = run("wallet", "address", "--home", home, "--json").facts
    assert {
        "network": "regtest",
        "address": made["address"],
        "descriptor": key_file(home)["descriptor"],
    } == facts
    text = run("wallet", "address", "--home", home).text
    assert f"{facts['address']}  (regtest)\n  {facts['descriptor']}\n" == text
