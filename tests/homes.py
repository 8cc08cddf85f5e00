"""What tests do with a home behind Anchorline's back, whichever database it is on: copy, put back, compare, damage it.

Input is a home's folder; its settings say which database is meant. A statement is written for SQLite and is put into
PostgreSQL's words where it goes there.
"""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from anchor.storage.databases import SQLITE_FILE, database_of
from anchor.storage.tables import Table, tables
from chains.settings import FILE_NAME, read_settings_file
from tests.databases import address_of_copy, drop, on_postgres

_WORDS = (
    (re.compile(r"(?<!['\w])[xX]'([0-9a-fA-F]*)'"), r"'\\x\1'::bytea"),
    (re.compile(r"zeroblob\((length\(\w+\)|\d+)\)"), r"decode(repeat('00', \1), 'hex')"),
    (re.compile(r"\bAS BLOB\b"), "AS bytea"),
)


def copy_home(home: Path, copied: Path) -> Path:
    """Copy a home as it is now, whoever has it open, with a database of its own; what was at ``copied`` is gone."""
    address = address_of_home(home)
    flush(home)
    if copied.exists():
        shutil.rmtree(copied)
    shutil.copytree(home, copied)
    if address:
        settings = copied / FILE_NAME
        settings.write_text(settings.read_text().replace(address, address_of_copy(address, copied / SQLITE_FILE)))
    return copied


def flush(home: Path) -> None:
    """Put all that a SQLite file's write-ahead log has into the file; a server keeps its own."""
    if not address_of_home(home) and (home / SQLITE_FILE).is_file():
        with closing(sqlite3.connect(home / SQLITE_FILE)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def move_home(home: Path, moved: Path) -> Path:
    """Give a home another place, with a database of that place."""
    copy_home(home, moved)
    shutil.rmtree(home)
    return moved


def address_of_home(home: Path) -> str:
    """Return the address of a home's database; empty for a SQLite file, or where there are no settings."""
    settings = home / FILE_NAME
    return str(read_settings_file(settings).get("database", "")) if settings.is_file() else ""


def state_of(home: Path) -> tuple[object, bytes]:
    """Return all that a home's database holds, to be compared: every row of every table, and the bytes of a file."""
    with _connected(home) as connection:
        rows = {table.name: connection.execute(_all_of(table)).fetchall() for table in tables()}
    file = home / SQLITE_FILE
    return rows, file.read_bytes() if file.exists() else b""


def rows_of(file: Path) -> object:
    """Return what ``state_of`` says of the rows in a SQLite file by itself."""
    with closing(sqlite3.connect(file)) as connection:
        return {table.name: connection.execute(_all_of(table)).fetchall() for table in tables()}


def change(home: Path, *statements: str) -> int:
    """Change a home's database as nobody may, also what other rows refer to; return how many rows the last one met."""
    return ask(home, *statements)[1]


def ask(home: Path, *statements: str) -> tuple[list[Any], int]:
    """Do statements in a home's database; return what the last one found, and how many rows it met."""
    with _connected(home) as connection:
        for statement in statements:
            done = connection.execute(
                statement if isinstance(connection, sqlite3.Connection) else in_postgres(statement)
            )
        return (done.fetchall() if done.description else []), done.rowcount


@contextmanager
def holding(home: Path) -> Iterator[None]:
    """Hold the right to write to a home's database, as another process does, until the block ends."""
    with closing(database_of(home, address_of_home(home)).open()) as other, other.transaction():
        yield


def size_of(home: Path) -> int:
    """Return how many bytes a home's database takes."""
    return database_of(home, address_of_home(home)).size_bytes()


def lose_database(home: Path) -> None:
    """Take a home's database away, whoever has it open."""
    address = address_of_home(home)
    if address:
        drop({str(conninfo_to_dict(address)["dbname"])})
        return
    for path in home.glob(f"{SQLITE_FILE}*"):
        path.unlink()


def lose_migration(home: Path, name: str) -> None:
    """Make a home's database one of an older Anchorline, which had not this migration."""
    table = "applied_migration" if address_of_home(home) else "_sqlite_migrations"
    assert 1 == change(home, f"DELETE FROM {table} WHERE name = '{name}'")  # our own names


def add_migration(home: Path, name: str) -> None:
    """Make a home's database one of a newer Anchorline, which has this migration."""
    if address_of_home(home):
        change(home, f"INSERT INTO applied_migration (name, turn) VALUES ('{name}', 1)")  # our own names
    else:
        change(home, f"INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('anchorline', '{name}')")


def in_sql(statement: str) -> str:
    """Return a statement in the words of the database that stores and homes are on now."""
    return in_postgres(statement).decode() if on_postgres() else statement


def in_postgres(statement: str) -> bytes:
    """Return a statement of SQLite's in PostgreSQL's words."""
    for found, put in _WORDS:
        statement = found.sub(put, statement)
    return statement.encode()


def _all_of(table: Table) -> str:
    return f"SELECT * FROM {table.name} ORDER BY {', '.join(table.key)}"  # our own names


@contextmanager
def _connected(home: Path) -> Iterator[Any]:
    address = address_of_home(home)
    if not address:
        with closing(sqlite3.connect(home / SQLITE_FILE)) as file, file:
            yield file
        return
    with psycopg.connect(address) as connection:
        # References are not looked at, as in a connection of SQLite's that does not ask for it.
        connection.execute("SET session_replication_role = replica")
        yield connection
