"""``migrate``: a log on its way from a SQLite file to PostgreSQL and back, stopped and killed at each step of it."""

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from anchor.errors import MovedError, SettingsError
from anchor.storage.copying import copy_all
from anchor.storage.databases import database_of
from anchor.storage.engine import Row
from anchor.storage.house import State, move_of
from anchor.storage.migrations import HOUSE_MOVE, MIGRATIONS
from anchor.storage.sqlite import SqliteEngine
from anchor.storage.tables import batches, next_limit, tables
from chains.home import Home
from chains.moving import Place, abandon, move
from chains.settings_text import with_values
from tests.cli.commands import World
from tests.forked import PROCESSES
from tests.postgres import PostgresServer

postgres = pytest.mark.postgres
HERE = Place("", "")
STEPS = (
    *("fence leaving", "fenced leaving", "copy tree", "copied tree", "copied bundle", "copy lease", "copied lease"),
    *("audit", "fence left", "fenced left", "arrived", "cleared", "settings"),
)
"""Where a run is stopped: before and after it did something."""


class Crash(BaseException):
    """The process is gone: nothing catches this."""


def place(server: PostgresServer) -> Place:
    return Place(server.database(), server.keys_database())


def stopping_at(step: str, stop: Callable[[], None]) -> Callable[[str], None]:
    def report(found: str) -> None:
        if found == step:
            stop()

    return report


def crash() -> None:
    raise Crash


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_move(folder: Path, to: Place, step: str) -> None:
    """Run a move and be killed at a step: what a process of its own does."""
    move(folder, to, report=stopping_at(step, kill))


def rows_of(folder: Path, at: Place) -> dict[str, list[Row]]:
    with closing(database_of(folder, at.database).open_to_move()) as engine:
        return {table.name: [row for rows in batches(engine, table, None) for row in rows] for table in tables()}


def receipts(world: World) -> list[bytes]:
    """Return receipts of entries with content, made anew."""
    made = []
    for number in range(3):
        path = world.folder / f"again-{number}.receipt"
        world.ok("receipt", f"acme:{number}", "--content", "--output", path)
        made.append(path.read_bytes())
        path.unlink()
    return made


def fill(path: Path) -> None:
    """Put a row into every table, so that none can be forgotten: 1, two bytes, or a letter in each column."""
    values = {"int": 1, "bytes": b"\x00\xff", "text": "t"}
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in tables():
            row = [values[kind] for kind in table.kinds]
            places = ", ".join("?" for _ in row)
            connection.execute(f"INSERT OR IGNORE INTO {table.name} VALUES ({places})", row)


@postgres
@pytest.mark.sqlite("moves a home from its file and back")
def test_a_move_that_is_stopped_anywhere_goes_on(world: World, postgres_server: PostgresServer) -> None:
    """There and back, stopped at each step: nobody can write in between, and the same receipts come at the end."""
    before, rows, there = receipts(world), rows_of(world.home, HERE), place(postgres_server)
    for at, to in ((HERE, there), (there, HERE)):
        for step in STEPS:
            with pytest.raises(Crash):
                move(world.home, to, report=stopping_at(step, crash))
            if step != "fence leaving":
                with pytest.raises(MovedError):
                    Home.open(world.home)
        done = move(world.home, to)
        assert sum(map(len, rows.values())) == done.rows
        assert rows == rows_of(world.home, to)
        with closing(database_of(world.home, at.database).open_to_move()) as left:
            found = move_of(left)
        assert found is not None
        assert State.LEFT is found.state
        assert before == receipts(world)
        world.ok("audit")
    # Keys are in one place alone: an erasure reaches all that there are.
    settings = (world.home / "anchorline.toml").read_text()
    assert 'database = ""' in settings
    assert (world.home / "anchorline-before-1.db").is_file()


@postgres
@pytest.mark.sqlite("moves a home from its file and back")
def test_a_move_whose_process_is_killed_goes_on(world: World, postgres_server: PostgresServer) -> None:
    """SIGKILL in the middle of copying, after the step from which there is no way back, and before the last one."""
    before, there = receipts(world), place(postgres_server)
    for step in ("copied bundle", "fenced left", "settings"):
        process = PROCESSES.Process(target=killed_move, args=(world.home, there, step))
        process.start()
        process.join(60)
        assert -signal.SIGKILL == process.exitcode
    move(world.home, there)
    assert before == receipts(world)
    # New rows get numbers behind those that came, and everything goes on there.
    world.ok("webhook", "add", "https://hooks.example/a")
    world.ok("org", "create", "meridian")
    world.ok("add", "acme", world.report)
    world.ok("seal")
    world.ok("erase", "acme:1", "--reason", "asked for")
    world.ok("audit")
    with pytest.raises(SettingsError, match="there already"):
        move(world.home, there)


@postgres
def test_every_table_comes_over(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """Each table of the schema, also those that are empty in most homes, row for row and in both directions."""
    there = place(postgres_server)
    source, back = SqliteEngine(tmp_path / "anchorline.db"), SqliteEngine(tmp_path / "back.db")
    fill(source.path)
    rows = rows_of(tmp_path, HERE)
    assert [] == [name for name, found in rows.items() if not found]
    with closing(database_of(tmp_path, there.database).open_to_move()) as target:
        copy_all(source, target)
        assert rows == rows_of(tmp_path, there)
        copy_all(target, back)
    source.close()
    back.close()
    back.path.replace(source.path)
    assert rows == rows_of(tmp_path, HERE)


def test_the_tables_are_those_of_the_schema(tmp_path: Path) -> None:
    """The list is made from the migrations, and lacks nothing of a new database, but where that is on its way to."""
    engine = SqliteEngine(tmp_path / "new.db")
    names = {name for (name,) in engine.query("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert names - {"_sqlite_migrations", "sqlite_sequence"} == {table.name for table in tables()} | {HOUSE_MOVE}
    engine.close()
    keyless = (*MIGRATIONS, ("keyless", ("CREATE TABLE keyless (value BIGINT)",)))
    with pytest.raises(Exception, match="keyless: expected a primary key"):
        tables(keyless)


def test_batches_have_some_megabytes() -> None:
    """After large rows fewer are asked for, after small ones more, and always one at least."""
    assert [1, 64, 4096, 8] == [
        next_limit(16, 2**40),
        next_limit(16, 2**20),
        next_limit(4096, 2**10),
        next_limit(16, 2**23),
    ]


@postgres
@pytest.mark.sqlite("moves a home from its file and back")
def test_who_stays_goes_on_as_before(world: World, postgres_server: PostgresServer) -> None:
    """A move that is abandoned leaves the home as it was; another one begins anew, into an empty database only."""
    there = place(postgres_server)
    with pytest.raises(SettingsError, match="not on the way"):
        abandon(world.home)
    with pytest.raises(Crash):
        move(world.home, there, report=stopping_at("copied bundle", crash))
    refused = world.run("status")
    assert (1, True) == (refused.exit_code, "migrate --abandon" in refused.err), refused.err
    with pytest.raises(SettingsError, match="on the way to"):
        move(world.home, place(postgres_server))
    assert "Drop what was begun" in world.ok("migrate", "--abandon").text
    world.ok("add", "acme", world.report)
    world.ok("audit")
    # What was begun lacks the entry that came since: it is not taken up again.
    with pytest.raises(SettingsError, match="expected an empty database"):
        move(world.home, there)
    world.ok("migrate", "--abandon")


@postgres
@pytest.mark.sqlite("moves a home from its file and back")
def test_a_move_begins_only_where_it_can_end(
    world: World, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, with nothing done: a database that has a log, the same one, another one for the environment."""
    there = place(postgres_server)
    other = world.folder / "other"
    world.ok("init", "--embedded", "--home", other, "--origin", "log.example/other", "--database", there.database)
    taken = world.run("migrate", "--to", there.database, "--content-keys", postgres_server.keys_database())
    assert (1, True) == (taken.exit_code, "expected an empty database" in taken.err), taken.err
    world.ok("migrate", "--abandon")
    assert "there already" in world.run("migrate", "--to", "home").err
    assert 2 == world.run("migrate").exit_code
    monkeypatch.setenv("ANCHORLINE_DATABASE", there.database)
    assert "unset it" in world.run("migrate", "--to", "home").err
    monkeypatch.delenv("ANCHORLINE_DATABASE")
    world.ok("add", "acme", world.report)


def test_settings_keep_their_comments() -> None:
    """One line changes, or comes at the end; what cannot be changed so is refused with what to write."""
    text = '# mine\ndatabase = "a"  # old\nseal_every_s = 5\n'
    new = {"database": 'postgresql://h/"x"\\1', "content_keys": ""}
    assert '# mine\ndatabase = "postgresql://h/\\"x\\"\\\\1"\nseal_every_s = 5\n' == with_values(text, new)
    assert 'seal_every_s = 5\ndatabase = "p"\n' == with_values("seal_every_s = 5\n", {"database": "p"})
    with pytest.raises(SettingsError, match="by hand: database"):
        with_values('"database" = "a"\n', {"database": "p"})
