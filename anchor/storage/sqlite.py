"""The SQLite engine, on sqlite-utils: one file, WAL, synchronous=FULL, foreign keys.

The file is the home's ``anchorline.db``; ``cli.py`` and the tests open it. Everything above speaks the ``Engine``
protocol and never sees sqlite3, whose errors are translated here by code.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from sqlite_utils import Database, Migrations

from anchor.errors import (
    MovedError,
    StorageBusyError,
    StorageCorruptError,
    StorageError,
    StorageFullError,
    StorageReadOnlyError,
)
from anchor.storage.database import Schema
from anchor.storage.engine import Question, Row, Value
from anchor.storage.house import FENCED, Move, check_at_home, put_move
from anchor.storage.migrations import MIGRATIONS
from anchor.storage.several import insert_in, together
from anchor.storage.tables import TYPES, Table, tables

MIGRATION_SET = "anchorline"
# How long a writer waits for another process before it gives up with StorageBusyError.
BUSY_TIMEOUT_S = 5.0
# 64 MiB of pages: a hot chain's right edge, index pages and head rows stay in memory; bounds memory as well.
CACHE_KIB = 65536
PAGE_BYTES = 16384
# 64 MB of write-ahead log are copied into the file at a time: a few pages change in every commit, and are copied once.
CHECKPOINT_PAGES = 4000
_CHANGES = ("INSERT", "UPDATE", "DELETE")
# No row is added to as many in one statement: more would gain nothing.
_TOGETHER_BYTES = 2**23
_DETAILS = {
    sqlite3.SQLITE_BUSY: (StorageBusyError, "another process is writing; try again, or stop it"),
    sqlite3.SQLITE_LOCKED: (StorageBusyError, "another process is writing; try again, or stop it"),
    sqlite3.SQLITE_READONLY: (StorageReadOnlyError, "the file cannot be written; check its permissions and the mount"),
    sqlite3.SQLITE_CANTOPEN: (StorageReadOnlyError, "the file cannot be opened; check its folder and permissions"),
    sqlite3.SQLITE_FULL: (StorageFullError, "no space left; free some, nothing of this write was kept"),
    sqlite3.SQLITE_IOERR: (StorageError, "it could not be read or written; check the disk: is it full, or failing?"),
    sqlite3.SQLITE_CORRUPT: (StorageCorruptError, "the file is damaged; restore a backup, then run `anchorline audit`"),
    sqlite3.SQLITE_NOTADB: (StorageCorruptError, "the file is not a database; restore a backup"),
}


class SqliteEngine:
    """An ``Engine`` over one SQLite file. Threads may share it; their transactions run one after the other."""

    def __init__(self, path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S, *, moving: bool = False) -> None:
        """Open a file; ``moving`` opens also one that a log is moved from or to (``anchor.storage.house``)."""
        self.path = path
        self._lock = threading.RLock()
        with self._translated():
            connection = sqlite3.connect(
                path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False, cached_statements=256
            )
        self._database = Database(connection)
        try:
            with self._translated():
                self._set_up(connection)
            self._migrate()
            if not moving:
                check_at_home(self, str(path))
        except BaseException:
            self.close()
            raise

    def _set_up(self, connection: sqlite3.Connection) -> None:
        # A tile of 8 KiB fits a page, and a row of a few hundred bytes fills it well (takes effect in a new file).
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        # WAL and FULL: a commit returns after its pages are synced, and readers never wait for the writer.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute("PRAGMA foreign_keys = ON")
        # What is deleted or replaced leaves no bytes behind; entries are only ever inserted, so writing costs the same.
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")

    def _migrate(self) -> None:
        migrations = Migrations(MIGRATION_SET)
        for name, statements in MIGRATIONS:
            migrations(name=name)(_migration(statements))
        with self._translated():
            applied = [migration.name for migration in migrations.applied(self._database)]
        Schema.of(applied).check_known(str(self.path))
        if migrations.pending(self._database):
            # What is pending is asked again under the write lock: another process may be migrating at this moment.
            with self.transaction():
                migrations.apply(self._database)

    @property
    def in_transaction(self) -> bool:
        """See ``Engine.in_transaction``."""
        return bool(self._database.conn.in_transaction)

    @contextmanager
    def transaction(self, questions: Sequence[Question] = ()) -> Iterator[list[list[Row]]]:
        """See ``Engine.transaction``. BEGIN IMMEDIATE takes the write lock before anything is read."""
        connection = self._database.conn
        with self._lock, self._translated():
            if connection.in_transaction:
                raise StorageError("a transaction is open already; transactions do not nest")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.query_each(questions)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def query(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """See ``Engine.query``."""
        with self._lock, self._translated():
            return self._database.conn.execute(sql, values).fetchall()

    def query_each(self, questions: Sequence[Question]) -> list[list[Row]]:
        """See ``Engine.query_each``."""
        return [self.query(sql, values) for sql, values in questions]

    def execute(self, sql: str, *rows: Sequence[Value]) -> int:
        """See ``Engine.execute``."""
        with self._lock, self._translated():
            self._check_transaction()
            if len(rows) > 1:
                return self._database.conn.executemany(sql, rows).rowcount
            return self._database.conn.execute(sql, *rows).rowcount

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """See ``Engine.execute_many``."""
        with self._lock, self._translated():
            self._check_transaction()
            insert = insert_in(sql)
            if insert is None:
                self._database.conn.executemany(sql, rows)
                return
            for statement, values in together(insert, rows, _TOGETHER_BYTES):
                self._database.conn.execute(statement, values)

    def fence(self, move: Move, check: Callable[[], None]) -> None:
        """See ``House.fence``. A trigger is a part of the schema: also who has the file open runs into it."""
        with self.transaction():
            check()
            put_move(self, move)
            for table in tables():
                for change in _CHANGES:
                    self.execute(
                        f"CREATE TRIGGER IF NOT EXISTS fence_{table.name}_{change} BEFORE {change} ON {table.name} "
                        f"BEGIN SELECT RAISE(ABORT, '{FENCED}'); END"
                    )

    def lift_fence(self) -> None:
        """See ``House.lift_fence``."""
        with self.transaction():
            for table in tables():
                for change in _CHANGES:
                    self.execute(f"DROP TRIGGER IF EXISTS fence_{table.name}_{change}")
            self.execute("DELETE FROM house_move")

    def insert_rows(self, table: Table, rows: Sequence[Row]) -> None:
        """See ``House.insert_rows``."""
        places = ", ".join("?" for _ in table.columns)
        self.execute_many(f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({places})", rows)  # noqa: S608

    def settle_numbers(self, numbered_tables: Sequence[Table]) -> None:
        """See ``House.settle_numbers``: SQLite numbers a row behind those that are there."""

    def close(self) -> None:
        """See ``Engine.close``."""
        self._database.close()

    def __del__(self) -> None:
        """Leave no file open where nobody closed it; Python 3.13 warns of a connection that ends so."""
        if hasattr(self, "_database"):
            self.close()

    def _check_transaction(self) -> None:
        if not self._database.conn.in_transaction:
            raise StorageError("a write outside a transaction: open one with `with engine.transaction():`")

    def _translated(self) -> AbstractContextManager[None]:
        return translated(self.path)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn sqlite3's errors into ours by primary result code; other errors pass as they are."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if code == sqlite3.SQLITE_CONSTRAINT_TRIGGER:  # the only ones that there are
            raise MovedError(f"{path}: {FENCED}; restart what still has it open") from error
        code &= 0xFF
        kind, advice = _DETAILS.get(code, (StorageError, "the database refused"))
        raise kind(f"{path}: {advice} ({error})") from error


def copy_database(source: Path, target: Path) -> None:
    """Copy a database as of one moment, whoever writes to it, into a new file; it is on the disk on return.

    What is copied is one transaction's view (SQLite's online backup), writers go on meanwhile. The copy is one file
    without a write-ahead log beside it, and carries what the source had applied of the migrations. Raises StorageError;
    then the target is no database yet.
    """
    with translated(source):
        read = sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)
        written = sqlite3.connect(target)
        try:
            read.backup(written)
            # A file that is only read, on a medium that nobody can write to, must not need files beside it.
            written.execute("PRAGMA journal_mode = DELETE")
        finally:
            written.close()
            read.close()
    with target.open("rb+") as file:
        os.fsync(file.fileno())


def without_log(path: Path) -> None:
    """Make a database that nobody has open one file again, without a write-ahead log beside it."""
    with translated(path), closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def empty_log(path: Path, wait_s: float = 1.0) -> bool:
    """Bring everything into the file itself and cut its write-ahead log to nothing; say whether nobody was in the way.

    Whoever is in the middle of reading is waited for; else the next call does it, or the last to close the file.
    """
    with translated(path), closing(sqlite3.connect(path, timeout=wait_s, isolation_level=None)) as connection:
        [(busy, _, _)] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return not busy


def check_writable(path: Path, wait_s: float) -> None:
    """Take the write lock of a file and give it back; nothing is written.

    Raises StorageBusyError where another process holds it for ``wait_s`` seconds, StorageReadOnlyError where the file
    cannot be written.
    """
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with translated(path), closing(sqlite3.connect(uri, timeout=wait_s, isolation_level=None, uri=True)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


def _migration(statements: Sequence[str]) -> Callable[[Database], None]:
    def apply(database: Database) -> None:
        for statement in statements:
            database.conn.execute(statement.format(**TYPES))

    return apply
