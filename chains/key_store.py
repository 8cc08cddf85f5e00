"""Where content keys are kept, and how they are read and written there: a SQLite file in the home.

``chains.content_keys`` says what the rows mean; ``chains.key_database`` keeps the same rows in a PostgreSQL database.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol

from anchor.errors import SettingsError
from anchor.storage.databases import check_postgres
from anchor.storage.engine import Row, Value
from anchor.storage.migrations import Migrations
from anchor.storage.sqlite import BUSY_TIMEOUT_S, translated

NAME = "content-keys.db"
"""The file in a home; it is no part of a backup of the database."""
MIGRATIONS: Migrations = (
    (
        "content-keys",
        (
            # A seed of 32 bytes; or, once a key was destroyed, the 256 keys: zeros stand for one that was destroyed,
            # ones for one that is not here.
            "CREATE TABLE block (block_no BIGINT PRIMARY KEY, secret {bytes} NOT NULL)",
            "CREATE TABLE secret (name TEXT PRIMARY KEY, value {bytes} NOT NULL)",
        ),
    ),
)
_FILE_MODE = 0o600
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS block (block_no INTEGER PRIMARY KEY, secret BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS secret (name TEXT PRIMARY KEY, value BLOB NOT NULL)",
)
BLOCKS = "SELECT block_no, secret FROM block ORDER BY block_no"
SECRET = "SELECT value FROM secret WHERE name = ?"  # noqa: S105  # a statement
PUT_SECRET = "INSERT INTO secret (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"  # noqa: S105


class KeyStore(Protocol):
    """Two tables, ``block`` and ``secret``; threads and processes share them. Raises a StorageError for what fails."""

    @property
    def name(self) -> str:
        """Where it is, for messages, without any password."""

    def version(self) -> int | None:
        """Return a number that is another one as soon as anybody else wrote; None where nothing is there yet."""

    def query(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """Return all rows of a SELECT; none where nothing is there yet."""

    def execute(self, sql: str, *rows: Sequence[Value]) -> None:
        """Run a statement for each row of values; only inside ``writing``."""

    def writing(self) -> AbstractContextManager[None]:
        """Write alone: on the disk when the block ends, nothing of it when it raises."""

    def wipe(self) -> None:
        """Leave nothing in the files of the store of what was replaced; may be repeated."""

    def close(self) -> None:
        """Release it; may be repeated."""


class KeyFile:
    """A ``KeyStore`` in a SQLite file, which is made when it is first written to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._has_tables = False

    @property
    def name(self) -> str:
        """See ``KeyStore.name``."""
        return str(self.path)

    def version(self) -> int | None:
        """See ``KeyStore.version``."""
        if not self._is_there():
            return None
        with translated(self.path):
            return int(self._opened(create=False).execute("PRAGMA data_version").fetchone()[0])

    def query(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """See ``KeyStore.query``."""
        if not self._is_there():
            return []
        with translated(self.path):
            connection = self._opened(create=False)
            self._has_tables = self._has_tables or bool(connection.execute("SELECT 1 FROM sqlite_schema").fetchone())
            if not self._has_tables:
                return []  # made, and not written to yet
            return connection.execute(sql, values).fetchall()

    def execute(self, sql: str, *rows: Sequence[Value]) -> None:
        """See ``KeyStore.execute``."""
        assert self._connection is not None, "only inside ``writing``"
        self._connection.executemany(sql, rows)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """See ``KeyStore.writing``."""
        with translated(self.path):
            connection = self._opened(create=True)
            connection.execute("BEGIN IMMEDIATE")
            try:
                for statement in _SCHEMA:
                    connection.execute(statement)
                yield
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def wipe(self) -> None:
        """See ``KeyStore.wipe``: SQLite overwrites what it deletes when it deletes it."""

    def close(self) -> None:
        """See ``KeyStore.close``."""
        if self._connection is not None:
            self._connection.close()
            self._connection, self._has_tables = None, False

    def _is_there(self) -> bool:
        return self._connection is not None or self.path.is_file()

    def _opened(self, *, create: bool) -> sqlite3.Connection:
        if self._connection is None:
            if create:
                self.path.touch(_FILE_MODE)
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=rw",
                timeout=BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
                uri=True,
            )
            # A key that is destroyed leaves no bytes in the file; and no log is kept beside it in which it could stay.
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA synchronous = EXTRA")
            self._connection = connection
        return self._connection


def blocks_in(path: Path) -> Iterable[tuple[int, bytes]]:
    """Return the blocks of a file of content keys, which is only read; raises StorageError where it is none."""
    with translated(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as read:
        return read.execute(BLOCKS).fetchall()


def key_store_of(folder: Path, address: str, log_id: Callable[[], bytes]) -> KeyStore:
    """Return where the home in ``folder`` keeps its content keys: its file, or what the setting names.

    ``log_id`` is asked for where a store could be another log's. Raises SettingsError where psycopg is not installed.
    """
    if not address:
        return KeyFile(folder / NAME)
    check_postgres(address, "content_keys", NAME)
    try:
        from chains.key_database import KeyDatabase
    except ModuleNotFoundError as error:
        raise SettingsError(
            "content_keys: expected psycopg to be installed where they are on PostgreSQL: "
            "`pip install 'anchorline[postgres]'`"
        ) from error
    return KeyDatabase(address, log_id)
