"""A home on a real PostgreSQL server, by commands: the whole way, and addresses that lead nowhere."""

from pathlib import Path

import pytest

from chains.home import Home
from tests.cli.commands import REPORT, run
from tests.postgres import PostgresServer

pytestmark = pytest.mark.postgres


def init(folder: Path, address: str) -> None:
    made = run("init", "--embedded", "--home", folder, "--origin", "log.example/postgres", "--database", address)
    assert 0 == made.exit_code, made.err


def test_the_whole_way_on_postgresql(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """A home on PostgreSQL records, seals, anchors, proves and audits, and has no SQLite file."""
    home, report, receipt = tmp_path / "home", tmp_path / "report.txt", tmp_path / "receipt"
    init(home, postgres_server.schema())
    report.write_bytes(REPORT)
    here = ("--home", home)
    for command in (
        ("chain", "create", "acme", *here),
        ("add", "acme", report, *here),
        ("tick", "--mine", "101", *here),
        ("seal", *here),
        ("tick", "--now", *here),
        ("tick", "--mine", "6", *here),
        ("tick", "--dry-run", *here),
        ("receipt", "acme:1", "--output", receipt, *here),
        ("headers", "export", tmp_path / "headers.txt", *here),
        ("audit", *here),
        ("doctor", *here),
        ("org", "create", "meridian", *here),
    ):
        done = run(*command)
        assert 0 == done.exit_code, (command, done.err)
    verified = run(*("verify", report, receipt, "--log", home / "log-card.json", "--headers", tmp_path / "headers.txt"))
    assert "INTACT" in verified.text
    assert not (home / "anchorline.db").exists()


def test_what_works_on_files_only_is_refused(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """``backup`` and ``rebuild`` of a home on PostgreSQL write nothing and say where the way goes on."""
    home = tmp_path / "home"
    init(home, postgres_server.schema())
    for command in (("backup", tmp_path / "copy"), ("rebuild", "--from", tmp_path)):
        done = run(*command, "--home", home)
        assert 1 == done.exit_code
        assert "expected" in done.err
    assert not (tmp_path / "copy").exists()
    assert "docs/operate/postgresql.md" in run("backup", tmp_path / "copy", "--home", home).err


def test_two_homes_opened_at_once_write_in_turn(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """Two processes' homes on one database see each other's entries at once, and no index is given twice."""
    folder = tmp_path / "home"
    init(folder, postgres_server.schema())
    assert 0 == run("chain", "create", "acme", "--home", folder).exit_code
    with Home.open(folder) as one, Home.open(folder) as other:
        changes = one.database.watch()
        before = changes.version()
        places = [
            home.writer.record(home.chains.named("acme"), [b"%d" % number], 1_800_000_000_000)[0].leaf_index
            for number in range(3)
            for home in (one, other)
        ]
        assert [1, 2, 3, 4, 5, 6] == places
        assert before != changes.version()
        changes.close()


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("mysql://somewhere/db", ("expected postgresql://USER@HOST:PORT/NAME", "mysql://somewhere/db")),
        ("postgresql://u:secret@h:notaport/db", ("notaport",)),
        ("postgresql:///db?host=/nowhere&password=secret", ("/nowhere",)),
    ],
)
def test_an_address_that_leads_nowhere_is_refused_without_its_password(
    address: str, parts: tuple[str, ...], tmp_path: Path
) -> None:
    """An address that is none, or where nobody answers, is named; its password is not."""
    done = run("init", "--embedded", "--home", tmp_path / "home", "--origin", "log.example/x", "--database", address)
    assert 1 == done.exit_code
    for part in parts:
        assert part in done.err
    assert "secret" not in done.err
