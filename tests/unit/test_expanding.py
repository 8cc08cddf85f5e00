"""Two versions on one database while a deployment lasts: what the newer one only adds, the older one goes on beside."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from anchor.errors import NewerHomeError
from anchor.storage.database import Schema
from anchor.storage.migrations import EXPANDING, MIGRATIONS
from chains.home import Home
from tests.databases import on_postgres
from tests.simulators.api_server import ROOT, make_home, run_beside
from tests.simulators.store import clear

_NEWER = """
import anchor.storage.migrations as migrations

migrations.MIGRATIONS += (("expand-remarks", (
    "ALTER TABLE organisation ADD COLUMN remark TEXT",
    "ALTER TABLE group_commit ADD COLUMN remarks BIGINT NOT NULL DEFAULT 0",
    "CREATE TABLE remark (remark_no {key}, about TEXT NOT NULL)",
    "CREATE INDEX remark_about ON remark (about)",
)),)
import cli

cli.main()
"""
_ADDS = re.compile(
    r"(CREATE TABLE|CREATE INDEX|ALTER TABLE \w+ ADD COLUMN (?!.*\bUNIQUE\b)(?!.*\bNOT NULL$))", re.DOTALL
)


def only_adds(statement: str) -> bool:
    """Say whether a version that does not know of a statement's effect goes on beside it."""
    return bool(_ADDS.match(statement.strip()))


def newer(home: Path, *words: str | Path) -> None:
    """Run a command of an Anchorline that has a migration more."""
    command = [sys.executable, "-c", _NEWER, *words, "--home", home]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.on_both
def test_the_older_version_goes_on_beside_the_newer(tmp_path: Path) -> None:
    """Both write to one chain in turn, the older one also when it is started anew; both find all of it in order."""
    folder = make_home(tmp_path)
    content = tmp_path / "content"
    content.write_bytes(b"by the newer")
    with Home.open(folder) as older:
        chain, _ = older.writer.open_chain([clear("acme")], b"", "acme", older.clock())
        newer(folder, "add", "acme", content)
        older.writer.record(chain, [b"by the older"], older.clock())
        older.accounts.organisations.create("acme", older.clock())
        newer(folder, "add", "acme", content)
        assert ("expand-remarks",) == older.database.schema().expanded
    with Home.open(folder) as again:
        again.writer.record(chain, [b"started anew"], again.clock())
        assert 5 == again.chains.size(chain)
    run_beside(folder, "seal")
    run_beside(folder, "audit")
    newer(folder, "audit")


@pytest.mark.on_both
def test_the_older_version_copies_nothing_that_it_does_not_know(tmp_path: Path) -> None:
    """A move, and a backup where that is row by row, would leave out what was added: the newer version makes them."""
    folder = make_home(tmp_path)
    newer(folder, "status")
    with Home.open(folder) as home:
        database = home.database
    with pytest.raises(NewerHomeError, match="expand-remarks"):
        database.open_to_move()
    if not on_postgres():
        database.copy_to(tmp_path / "copy.db")  # the whole file
        return
    with pytest.raises(NewerHomeError, match="expand-remarks"):
        database.copy_to(tmp_path / "copy.db")


def test_only_what_says_that_it_adds_is_gone_on_beside() -> None:
    """A migration of any other name is refused by who does not know it, also where one that adds came with it."""
    known = [name for name, _ in MIGRATIONS]
    added = Schema.of([*known, "expand-more"])
    assert ((), ("expand-more",)) == (added.unknown, added.expanded)
    added.check_current("database")
    with pytest.raises(NewerHomeError, match="contract-less"):
        Schema.of([*known, "expand-more", "contract-less"]).check_known("database")


def test_migrations_that_say_that_they_add_only_add() -> None:
    """Tables, indexes that forbid nothing, columns that need no value: nothing that the version before would miss."""
    adding = ("CREATE TABLE x (y TEXT)", "ALTER TABLE x ADD COLUMN y TEXT", "CREATE INDEX z ON x (y)")
    assert all(map(only_adds, (*adding, "ALTER TABLE x ADD COLUMN y BIGINT NOT NULL DEFAULT 0")))
    changing = ("DROP TABLE x", "UPDATE x SET y = 1", "CREATE UNIQUE INDEX z ON x (y)", "ALTER TABLE x DROP COLUMN y")
    assert not any(map(only_adds, (*changing, "ALTER TABLE x ADD COLUMN y TEXT NOT NULL")))
    for name, statements in MIGRATIONS:
        assert not name.startswith(EXPANDING) or all(map(only_adds, statements)), name


def test_every_insert_names_its_columns() -> None:
    """A table that got a column more takes the rows of a version that does not know it."""
    sources = [path for folder in ("anchor", "chains") for path in (ROOT / folder).rglob("*.py")]
    # What migrations insert is inserted into the table as it is then.
    texts = {path.name: path.read_text() for path in sources if path.name != "migrations.py"}
    assert [] == [name for name, text in texts.items() if re.search(r"INSERT INTO \w+ VALUES", text)]
