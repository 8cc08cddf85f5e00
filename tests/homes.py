"""What tests do with a home behind Anchorline's back, whichever database it is on: copy, put back, compare, damage it.

Input is a home's folder; its settings say which database is meant. A statement is written for SQLite and is put into
PostgreSQL's words where it goes there.
"""

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from anchor.storage.databases import SQLITE_FILE, database_of
from anchor.storage.tables import Table, tables
from chains.key_store import BLOCKS
from chains.key_store import NAME as CONTENT_KEYS
from chains.settings import FILE_NAME, read_settings_file
from tests.databases import SERVER, address_of_copy, drop, on_postgres, server_folder

_COPY = "changed-behind-its-back.db"
_WORDS = (
    (re.compile(r"(?<!['\w])[xX]'([0-9a-fA-F]*)'"), r"'\\x\1'::bytea"),
    (re.compile(r"zeroblob\((length\(\w+\)|\d+)\)"), r"decode(repeat('00', \1), 'hex')"),
    (re.compile(r"\bAS BLOB\b"), "AS bytea"),
)


def copy_home(home: Path, copied: Path) -> Path:
    """Copy a home as it is now, whoever has it open, with a database of its own; what was at ``copied`` is gone."""
    flush(home)
    if copied.exists():
        shutil.rmtree(copied)
    shutil.copytree(home, copied)
    for setting, file in (("database", SQLITE_FILE), ("content_keys", CONTENT_KEYS)):
        if old := _address(home, setting):
            settings = copied / FILE_NAME
            new = address_of_copy(old, copied / file)
            settings.write_text(settings.read_text().replace(f'"{old}"', f'"{new}"'))
    return copied


def flush(home: Path) -> None:
    """Put all that a SQLite file's write-ahead log has into the file; a server keeps its own."""
    if not address_of_home(home) and (home / SQLITE_FILE).is_file():
        with closing(sqlite3.connect(home / SQLITE_FILE)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def copy_keys(home: Path, copied: Path) -> None:
    """Put the content keys of a home, as they are now, in the place of those of its copy."""
    if address := _address(home, "content_keys"):
        address_of_copy(address, copied / CONTENT_KEYS)
    else:
        shutil.copyfile(home / CONTENT_KEYS, copied / CONTENT_KEYS)


def keys_of(home: Path) -> list[Any]:
    """Return all content keys of a home, to be compared."""
    if address := _address(home, "content_keys"):
        with psycopg.connect(address) as server:
            return server.execute(BLOCKS).fetchall()
    with closing(sqlite3.connect(home / CONTENT_KEYS)) as file:
        return file.execute(BLOCKS).fetchall()


def move_home(home: Path, moved: Path) -> Path:
    """Give a home another place, with a database of that place."""
    copy_home(home, moved)
    shutil.rmtree(home)
    return moved


def address_of_home(home: Path) -> str:
    """Return the address of a home's database; empty for a SQLite file, or where there are no settings."""
    return _address(home, "database")


def _address(home: Path, setting: str) -> str:
    settings = home / FILE_NAME
    return str(read_settings_file(settings).get(setting, "")) if settings.is_file() else ""


def state_of(home: Path) -> tuple[object, bytes]:
    """Return all that a home's database holds, to be compared: every row of every table, and the bytes of a file."""
    with _connected(home) as connection:
        rows = {table.name: connection.execute(_all_of(table)).fetchall() for table in tables()}
    file = home / SQLITE_FILE
    return rows, file.read_bytes() if file.exists() else b""


def rows_of(file: Path) -> dict[str, list[Any]]:
    """Return what ``state_of`` says of the rows in a SQLite file by itself."""
    with closing(sqlite3.connect(file)) as connection:
        return {table.name: connection.execute(_all_of(table)).fetchall() for table in tables()}


_RELATIONS = """SELECT pg_relation_filepath(oid) FROM pg_class
    WHERE oid >= 16384 AND relnamespace IN ('public'::regnamespace, 'pg_toast'::regnamespace)
    AND pg_relation_filepath(oid) IS NOT NULL"""


def files_of(home: Path) -> dict[str, bytes]:
    """Return the files in which a home's database is, and its write-ahead log where SQLite keeps one, by their names.

    Of a server these are the files of tables and indexes, also of its content keys, after all that it had in memory was
    written to them.
    """
    if not address_of_home(home):
        return {path.name: path.read_bytes() for path in home.glob(f"{SQLITE_FILE}*")}
    paths: list[str] = []
    for address in filter(None, (_address(home, "database"), _address(home, "content_keys"))):
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            paths += [str(path) for (path,) in connection.execute(_RELATIONS)]
    data = server_folder() / "data"
    return {path: (data / path).read_bytes() for path in paths if (data / path).exists()}


def log_position(home: Path) -> str:
    """Return how far the write-ahead log of a home's server is; empty for a SQLite file."""
    if not (address := address_of_home(home)):
        return ""
    with psycopg.connect(address) as connection:
        return str(connection.execute("SELECT pg_current_wal_lsn()").fetchall()[0][0])


def log_since(home: Path, position: str) -> dict[str, bytes]:
    """Return what a home's server has written to its write-ahead log since, in whole segments but for the last."""
    if not (address := address_of_home(home)):
        return {}
    with psycopg.connect(address, autocommit=True) as connection:
        asked = "SELECT pg_walfile_name(%s), pg_walfile_name(lsn), (pg_walfile_name_offset(lsn)).file_offset FROM "
        [(first, last, end)] = connection.execute(asked + "pg_current_wal_flush_lsn() AS lsn", (position,)).fetchall()
    found = {path.name: path.read_bytes() for path in (server_folder() / "data" / "pg_wal").iterdir() if path.is_file()}
    # Behind the last byte, and under later names, is what an earlier segment held.
    return {name: data[:end] if name == last else data for name, data in found.items() if first <= name <= last}


def vacuum(home: Path) -> None:
    """Write all tables of a server's database anew, as docs/operate/erasure.md says; SQLite overwrites by itself."""
    if address := address_of_home(home):
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("VACUUM FULL")


@contextmanager
def in_tablespace(home: Path, folder: Path) -> Iterator[None]:
    """Have a home's database on a server in this folder, which the server's user owns; it is gone with the block."""
    name, server = conninfo_to_dict(address_of_home(home))["dbname"], os.environ[SERVER]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE elsewhere LOCATION '{folder}'".encode())
        connection.execute(f'ALTER DATABASE "{name}" SET TABLESPACE elsewhere'.encode())
    try:
        yield
    finally:
        lose_database(home)
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("DROP TABLESPACE elsewhere")


def change(home: Path, statement: str) -> int:
    """Change a home's database as nobody may, also what other rows refer to; return how many rows that met."""
    with _connected(home) as connection:
        return int(connection.execute(_for(connection, statement)).rowcount)


def change_by(home: Path, functions: Mapping[str, Callable[..., Any]], statement: str, *values: Any) -> int:
    """Change a home's database with a statement of SQLite's that calls functions of ours; see ``change``.

    A server's rows are changed in a SQLite copy, and those that differ then are put back.
    """
    address = address_of_home(home)
    file = home / (_COPY if address else SQLITE_FILE)
    if address:
        file.unlink(missing_ok=True)
        database_of(home, address).copy_to(file)
    before = rows_of(file) if address else {}
    with closing(sqlite3.connect(file)) as connection, connection:
        for name, function in functions.items():
            connection.create_function(name, len(signature(function).parameters), function)
        met = connection.execute(statement, values).rowcount
    if address:
        with _connected(home) as rows:
            for table in tables():
                _put_back(rows, table, before[table.name], rows_of(file)[table.name])
        file.unlink()
    return met


def _put_back(connection: Any, table: Table, before: list[Any], after: list[Any]) -> None:
    where = " AND ".join(f"{name} = %s" for name in table.key)
    for row in set(before) - set(after):
        connection.execute(f"DELETE FROM {table.name} WHERE {where}", table.key_of(row))  # our own names
    places = ", ".join("%s" for _ in table.columns)
    for row in set(after) - set(before):
        connection.execute(f"INSERT INTO {table.name} VALUES ({places})", row)  # our own names


def ask(home: Path, question: str) -> list[Any]:
    """Return the rows that answer a question, by a connection of its own."""
    with _connected(home) as connection:
        return list(connection.execute(_for(connection, question)).fetchall())


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


def _for(connection: Any, statement: str) -> str | bytes:
    return statement if isinstance(connection, sqlite3.Connection) else in_postgres(statement)


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
