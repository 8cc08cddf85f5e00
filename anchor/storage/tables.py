"""The tables of a log's database, read from the migrations: names, columns and keys, the same in every engine.

Whoever copies a database (``chains.moving``, ``anchor.storage.copying``) goes by this list, so that no table is ever
forgotten.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache

from anchor.errors import StorageError
from anchor.storage.engine import Engine, Row, Value
from anchor.storage.migrations import HOUSE_MOVE, MIGRATIONS, Migrations

TYPES = {"key": "INTEGER PRIMARY KEY", "bytes": "BLOB"}
"""What SQLite puts in the place of ``{key}`` and ``{bytes}``."""
_MADE = re.compile(r"CREATE TABLE (\w+)")
BATCH_BYTES = 4 * 2**20
FIRST_ROWS = 16
"""Asked for first, before anything is known of how large the rows of a table are: a bundle can have megabytes."""
MOST_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Table:
    """One table: ``kinds`` has "int", "bytes" or "text" for each column, ``key`` the columns of its primary key."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def numbers_itself(self) -> bool:
        """Whether the engine gives a row a number that came without one."""
        return len(self.key) == 1 and self.kinds[self.columns.index(self.key[0])] == "int"

    def key_of(self, row: Row) -> tuple[Value, ...]:
        """Return a row's primary key."""
        return tuple(row[self.columns.index(name)] for name in self.key)


@cache
def tables(migrations: Migrations = MIGRATIONS) -> tuple[Table, ...]:
    """Return all tables in the order in which they were made, so that each stands behind those it refers to.

    The one that says whether a database is on its way elsewhere is none of them: it belongs to the place. Raises
    StorageError for a table without a primary key: it could not be copied in parts.
    """
    statements = [statement for _, each in migrations for statement in each]
    with closing(sqlite3.connect(":memory:")) as made:
        for statement in statements:
            made.execute(statement.format(**TYPES))
        names = [name for statement in statements for name in _MADE.findall(statement) if name != HOUSE_MOVE]
        return tuple(_described(made, name) for name in names)


def batches(engine: Engine, table: Table, after: tuple[Value, ...] | None) -> Iterator[list[Row]]:
    """Yield the rows of a table whose keys come after this one (None: all), by key, some megabytes at a time."""
    limit = FIRST_ROWS
    while rows := engine.query(*_page(table, after, limit)):
        yield rows
        after = table.key_of(rows[-1])
        limit = next_limit(limit, sum(_size(row) for row in rows))


def next_limit(limit: int, found_bytes: int) -> int:
    """Return how many rows to ask for next, after ``limit`` of them had so many bytes."""
    return max(1, min(limit * 4, MOST_ROWS, limit * BATCH_BYTES // max(1, found_bytes)))


def last_key(engine: Engine, table: Table) -> tuple[Value, ...] | None:
    """Return the last primary key of a table, None where it is empty."""
    names = ", ".join(table.key)
    backwards = ", ".join(f"{name} DESC" for name in table.key)
    rows = engine.query(f"SELECT {names} FROM {table.name} ORDER BY {backwards} LIMIT 1")  # noqa: S608  # our own names
    return tuple(rows[0]) if rows else None


def count(engine: Engine, table: Table) -> int:
    """Return how many rows a table has."""
    return int(engine.query(f"SELECT COUNT(*) FROM {table.name}")[0][0])  # noqa: S608  # our own names


def _page(table: Table, after: tuple[Value, ...] | None, limit: int) -> tuple[str, Sequence[Value]]:
    columns, names = ", ".join(table.columns), ", ".join(table.key)
    where = f"WHERE ({names}) > ({', '.join('?' for _ in table.key)}) " if after else ""
    sql = f"SELECT {columns} FROM {table.name} {where}ORDER BY {names} LIMIT ?"  # noqa: S608  # our own names
    return sql, (*(after or ()), limit)


def _size(row: Row) -> int:
    return sum(len(value) if isinstance(value, bytes | str | memoryview) else 8 for value in row)


def _described(made: sqlite3.Connection, name: str) -> Table:
    found = made.execute(f"PRAGMA table_info({name})").fetchall()
    key = tuple(row[1] for row in sorted((row for row in found if row[5]), key=lambda row: row[5]))
    if not key:
        raise StorageError(f"table {name}: expected a primary key, by which it can be copied in parts; found none")
    return Table(name, tuple(row[1] for row in found), tuple(_kind(row[2]) for row in found), key)


def _kind(declared: str) -> str:
    return {"BLOB": "bytes", "TEXT": "text"}.get(declared, "int")
