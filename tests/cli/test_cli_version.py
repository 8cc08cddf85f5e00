"""``version`` says what runs here, and homes do not depend on which hashing wrote them."""

import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path

import pytest

from anchor.hashing.chosen import HASHING, REASON, VARIABLE
from tests.cli.commands import run, spawn


def test_version_is_that_of_the_distribution() -> None:
    """``version`` and ``--version`` print the installed version, and nothing else."""
    expected = f"anchorline {version('anchorline')}\n"
    assert [expected, expected] == [run("version").text, run("--version").text]


def test_verbose_says_what_it_runs_on() -> None:
    """With ``-v`` also Python, SQLite, and the hashing that this process uses with the reason; as JSON always."""
    text = run("version", "-v").text
    for expected in (platform.python_version(), sqlite3.sqlite_version, f"hashing  {HASHING.name} ({REASON})\n"):
        assert expected in text
    facts = run("version", "--json").facts
    assert {"name": HASHING.name, "reason": REASON} == facts["hashing"]
    assert {"anchorline", "python", "sqlite", "openssl", "hashing"} == set(facts)


def test_hashing_can_be_demanded_by_the_environment(tmp_path: Path) -> None:
    """ANCHORLINE_HASHING chooses; a word that is not known ends a command with a sentence."""
    done = spawn("version", "-v", cwd=tmp_path, environment={VARIABLE: "hashlib"})
    assert "hashing  hashlib (ANCHORLINE_HASHING says so)" in done.text
    refused = spawn("version", "-v", cwd=tmp_path, environment={VARIABLE: "md5"})
    assert (1, b"") == (refused.exit_code, refused.out)
    assert "anchorline: ANCHORLINE_HASHING: expected hashlib, native or portable, got 'md5'\n" == refused.err


@pytest.mark.native
@pytest.mark.parametrize(("writing", "reading"), [("native", "hashlib"), ("hashlib", "native"), ("portable", "native")])
def test_a_home_is_the_same_whichever_hashing_wrote_it(tmp_path: Path, writing: str, reading: str) -> None:
    """What one hashing recorded, promised and sealed, another one audits, continues and proves."""
    pytest.importorskip("anchor.hashing._native", reason="the native module was not built here", exc_type=ImportError)
    lines = b"".join(b"row %d\n" % number for number in range(700))
    (tmp_path / "rows.csv").write_bytes(lines)

    def command(hashing: str, *arguments: str) -> str:
        environment = {"ANCHORLINE_HOME": str(tmp_path / "home"), VARIABLE: hashing}
        done = spawn(*arguments, cwd=tmp_path, environment=environment)
        assert (0, "") == (done.exit_code, done.err), arguments
        return done.text

    command(writing, "init", "--embedded", "--origin", "log.example/test")
    command(writing, "chain", "create", "acme")
    command(writing, "add", "acme", "--lines", "rows.csv")
    command(writing, "add", "acme", "--digest", "rows.csv")
    command(writing, "tick", "--mine", "101")
    command(writing, "seal")
    assert "all hold" in command(reading, "audit")
    command(reading, "add", "acme", "--lines", "rows.csv")
    command(reading, "seal")
    command(reading, "receipt", "acme:1", "--output", "first.receipt")
    assert "all hold" in command(writing, "audit")
