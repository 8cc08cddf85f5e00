"""A SQLite database that is only read: nothing that is done through it can reach the file.

Input is a home's ``anchorline.db``, opened by SQLite itself in its read-only mode. Rehearsals write into copies of some
of its tables, in memory; ``anchorline doctor`` writes nothing at all.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from anchor.storage.database import Schema
from anchor.storage.engine import Question, Row, Value
from anchor.storage.sqlite import BUSY_TIMEOUT_S, MIGRATION_SET, translated


class ReadOnlyEngine:
    """An ``Engine`` over a SQLite file that is opened read-only; threads may share it.

    ``copied`` names tables, each with a condition (SQL, empty for all rows): they are copied into memory when the file
    is opened, writes go to the copies, and nobody else ever sees them. A write to any other table raises
    StorageReadOnlyError. Nothing is migrated: raises NewerHomeError, or StorageError for a file of an older version.
    """

    def __init__(self, path: Path, copied: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._lock = threading.RLock()
        with translated(path):
            # The copies are in the main database, which has no file; a name that is not there is looked up in the file.
            self._connection = sqlite3.connect(
                ":memory:", timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, uri=True
            )
        try:
            with translated(path):
                _attach(self._connection, path)
                _schema(self._connection).check_current(str(path))
                for table, condition in (copied or {}).items():
                    _copy(self._connection, table, condition)
        except BaseException:
            self.close()
            raise

    @property
    def in_transaction(self) -> bool:
        """See ``Engine.in_transaction``."""
        return bool(self._connection.in_transaction)

    @contextmanager
    def transaction(self, questions: Sequence[Question] = ()) -> Iterator[list[list[Row]]]:
        """See ``Engine.transaction``, but nothing of it is ever durable."""
        with self._lock, translated(self.path):
            self._connection.execute("BEGIN")
            try:
                yield self.query_each(questions)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def query(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """See ``Engine.query``."""
        with self._lock, translated(self.path):
            return self._connection.execute(sql, values).fetchall()

    def query_each(self, questions: Sequence[Question]) -> list[list[Row]]:
        """See ``Engine.query_each``."""
        return [self.query(sql, values) for sql, values in questions]

    def execute(self, sql: str, *rows: Sequence[Value]) -> int:
        """See ``Engine.execute``: only the copies can be written to."""
        with self._lock, translated(self.path):
            if len(rows) > 1:
                return self._connection.executemany(sql, rows).rowcount
            return self._connection.execute(sql, *rows).rowcount

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """See ``Engine.execute_many``: only the copies can be written to."""
        with self._lock, translated(self.path):
            self._connection.executemany(sql, rows)

    def close(self) -> None:
        """See ``Engine.close``."""
        self._connection.close()


def schema_of(path: Path) -> Schema:
    """Return which migrations a file has; raises StorageError where it cannot be read."""
    with _attached(path) as connection:
        return _schema(connection)


def quick_check(path: Path, is_over: "threading.Event") -> tuple[str, ...] | None:
    """Return what SQLite's own ``quick_check`` finds wrong in a file: nothing where it is whole.

    Reads the whole file. None where ``is_over`` was set before it came to the end. Raises StorageError.
    """
    with _attached(path) as connection:
        # Asked every so many instructions of SQLite's machine, a few milliseconds apart.
        connection.set_progress_handler(is_over.is_set, 100_000)
        try:
            rows = connection.execute("PRAGMA home.quick_check(10)").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                return None
            raise
    return tuple(str(row[0]) for row in rows if row[0] != "ok")


def integrity_check(path: Path) -> tuple[str, ...]:
    """Return what SQLite's ``integrity_check`` and ``foreign_key_check`` find wrong: nothing where the file is whole.

    Reads the whole file, and compares every index with its table. Raises StorageError.
    """
    with _attached(path) as connection:
        found = [str(row[0]) for row in connection.execute("PRAGMA home.integrity_check(10)")]
        dangling = connection.execute("PRAGMA home.foreign_key_check").fetchmany(10)
    return (
        *(text for text in found if text != "ok"),
        *(f"row {row[1]} of {row[0]} refers to no row of {row[2]}" for row in dangling),
    )


@contextmanager
def _attached(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection that reads the file as ``home``; it is closed afterwards."""
    with closing(sqlite3.connect(":memory:", timeout=BUSY_TIMEOUT_S, uri=True)) as connection, translated(path):
        _attach(connection, path)
        yield connection


def _attach(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("ATTACH ? AS home", (f"{path.absolute().as_uri()}?mode=ro",))


def _schema(connection: sqlite3.Connection) -> Schema:
    # sqlite-utils keeps the names there; a file that never had any has no such table.
    has_any = connection.execute("SELECT 1 FROM home.sqlite_schema WHERE name = '_sqlite_migrations'").fetchall()
    rows = (
        connection.execute(
            "SELECT name FROM home._sqlite_migrations WHERE migration_set = ? ORDER BY id", (MIGRATION_SET,)
        ).fetchall()
        if has_any
        else []
    )
    return Schema.of(str(name) for (name,) in rows)


def _copy(connection: sqlite3.Connection, table: str, condition: str) -> None:
    texts = connection.execute(
        "SELECT sql FROM home.sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC", (table,)
    ).fetchall()
    for (text,) in texts:  # the table before its indexes
        connection.execute(text)
    where = f" WHERE {condition}" if condition else ""
    connection.execute(f"INSERT INTO main.{table} SELECT * FROM home.{table}{where}")  # noqa: S608  # our own names
