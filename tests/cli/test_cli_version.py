"""``version`` says what runs here, and homes do not depend on which hashing wrote them."""

import json
import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path

import pytest

from anchor.hashing.chosen import HASHING, REASON, VARIABLE
from anchor.hashing.chosen_cipher import CIPHER
from anchor.hashing.chosen_cipher import REASON as CIPHER_REASON
from anchor.signature_rows import NAME as SIGNATURES_NAME
from anchor.signature_rows import REASON as SIGNATURES_REASON
from tests.cli.commands import run, spawn


def test_version_is_that_of_the_distribution() -> None:
    """``version`` and ``--version`` print the installed version, and nothing else."""
    expected = f"anchorline {version('anchorline')}\n"
    assert [expected, expected] == [run("version").text, run("--version").text]


def test_verbose_says_what_it_runs_on() -> None:
    """With ``-v`` also Python, SQLite, and hashing, cipher and check of signatures, with the reason; as JSON always."""
    text = run("version", "-v").text
    hashing = f"hashing    {HASHING.name} ({REASON})\n"
    cipher = f"cipher     {CIPHER.name} ({CIPHER_REASON})\n"
    signatures = f"signatures {SIGNATURES_NAME} ({SIGNATURES_REASON})\n"
    for expected in (platform.python_version(), sqlite3.sqlite_version, hashing, cipher, signatures):
        assert expected in text
    facts = run("version", "--json").facts
    assert {"name": HASHING.name, "reason": REASON} == facts["hashing"]
    assert {"name": CIPHER.name, "reason": CIPHER_REASON} == facts["cipher"]
    assert {"name": SIGNATURES_NAME, "reason": SIGNATURES_REASON} == facts["signatures"]
    assert {"anchorline", "python", "sqlite", "openssl", "hashing", "cipher", "signatures"} == set(facts)


def test_hashing_can_be_demanded_by_the_environment(tmp_path: Path) -> None:
    """ANCHORLINE_HASHING chooses; a word that is not known ends a command with a sentence."""
    done = spawn("version", "-v", cwd=tmp_path, environment={VARIABLE: "hashlib"})
    assert "hashing    hashlib (ANCHORLINE_HASHING says so)" in done.text
    assert "cipher     cryptography, one item at a time (ANCHORLINE_HASHING says so)" in done.text
    assert "signatures one signature at a time (ANCHORLINE_HASHING says so)" in done.text
    refused = spawn("version", "-v", cwd=tmp_path, environment={VARIABLE: "md5"})
    assert (1, b"") == (refused.exit_code, refused.out)
    assert "anchorline: ANCHORLINE_HASHING: expected hashlib, native or portable, got 'md5'\n" == refused.err


@pytest.mark.native
def test_a_home_is_the_same_whichever_hashing_wrote_it(tmp_path: Path) -> None:
    """What one hashing recorded, promised and sealed, another one audits, continues and proves."""
    pytest.importorskip("anchor.hashing._native", reason="the native module was not built here", exc_type=ImportError)
    (tmp_path / "rows.csv").write_bytes(b"".join(b"row %d\n" % number for number in range(700)))

    def command(hashing: str, *arguments: str) -> str:
        environment = {"ANCHORLINE_HOME": str(tmp_path / "home"), VARIABLE: hashing}
        done = spawn(*arguments, cwd=tmp_path, environment=environment)
        assert (0, "") == (done.exit_code, done.err), arguments
        return done.text

    command("native", "init", "--embedded", "--origin", "log.example/test")
    command("hashlib", "chain", "create", "acme")
    for writing, reading in (("native", "hashlib"), ("hashlib", "portable"), ("portable", "native")):
        command(writing, "add", "acme", "--lines", "rows.csv")
        command(writing, "seal")
        assert "all hold" in command(reading, "audit")
    command("native", "add", "acme", "--digest", "rows.csv")
    command("native", "receipt", "acme:1", "--output", "first.receipt")
    command("hashlib", "receipt", "acme:1", "--output", "second.receipt")
    first, second = (json.loads((tmp_path / f"{name}.receipt").read_text()) for name in ("first", "second"))
    assert first == second
