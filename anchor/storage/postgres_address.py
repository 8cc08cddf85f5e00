"""A home's database on PostgreSQL, closed: the ways to open it, and what can be asked of it without.

``anchor.storage.databases`` makes one of the setting ``database``. Whoever only reads has a session that the server
itself keeps from writing.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import errors, sql

from anchor.errors import SettingsError, StorageBusyError, StorageError
from anchor.storage.copying import copy_all
from anchor.storage.database import OPEN_ELSEWHERE, Reach, Schema
from anchor.storage.engine import Engine, Question, Row
from anchor.storage.house import House
from anchor.storage.postgres import PostgresEngine, translated, without_password
from anchor.storage.postgres_peer import connect, connection_string, names_several_hosts
from anchor.storage.reaching import reach
from anchor.storage.sqlite import SqliteEngine, without_log
from anchor.storage.tables import tables

_OTHERS = (
    "SELECT COUNT(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name = 'anchorline' AND pid <> pg_backend_pid()"
)
# The server notices that a connection was closed a moment later.
_LOOKS, _LOOK_S = 20, 0.05
_READ_ONLY = "SELECT set_config('default_transaction_read_only', 'on', false)"


class ReadOnlyPostgres(PostgresEngine):
    """An ``Engine`` that only reads, but for temporary copies of ``copied`` tables (``Database.open_read_only``).

    The copies end with the connection: one that was lost is not opened anew where there are any.
    """

    def __init__(self, address: str, copied: Mapping[str, str] | None = None) -> None:
        self._copied = dict(copied or {})
        # Reading harms nobody, wherever the log is now.
        super().__init__(address, moving=True)

    def _connected(self) -> "psycopg.Connection[Row]":
        connection = super()._connected()
        if not self._copied:
            connection.execute(_READ_ONLY)
        return connection

    def _alive(self) -> "psycopg.Connection[Row]":
        if self._copied and self._connection.closed and not self._is_closed:
            raise StorageError(f"{self.name}: the connection was lost, and the copies of tables with it; begin again")
        return super()._alive()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read as of one moment until the block ends, whoever writes meanwhile."""
        with self._begun_by(lambda: self._begin_without_turn("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")):
            yield

    def _begin(self, questions: Sequence[Question]) -> list[list[Row]]:
        """Begin without the turn: nobody is kept waiting by who writes nothing."""
        self._begin_without_turn()
        return self.query_each(questions)

    def _migrate(self) -> None:
        self.schema().check_current(self.name)
        if not self._copied:
            return
        stored = str(self.query("SELECT quote_ident(current_schema())")[0][0])
        for table, condition in self._copied.items():
            where = f" WHERE {condition}".replace("home.", f"{stored}.") if condition else ""
            with self._translated():
                # A temporary table goes before all others of its name, in this session alone.
                self._connection.execute(f"CREATE TEMPORARY TABLE {table} (LIKE {table} INCLUDING ALL)")
                self._connection.execute(f"INSERT INTO pg_temp.{table} SELECT * FROM {stored}.{table}{where}")  # noqa: S608  # our own names
        # A copy counts its rows by itself, from 1 on.
        self.settle_numbers([table for table in tables() if table.name in self._copied])
        with self._translated():
            self._connection.execute(_READ_ONLY)


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """See ``Database``; ``address`` is what libpq reads (PostgreSQL documentation, 34.1.1.2)."""

    address: str

    @property
    def name(self) -> str:
        """See ``Database.name``."""
        return without_password(self.address)

    def check_there(self, folder: Path) -> None:
        """See ``Database.check_there``: whether it can be reached is known when it is opened."""

    def reach(self) -> Reach:
        """See ``Database.reach``."""
        return reach(self.address)

    def open(self) -> Engine:
        """See ``Database.open``."""
        return PostgresEngine(self.address)

    def open_to_move(self) -> House:
        """See ``Database.open_to_move``."""
        self.schema().check_whole(self.name)
        return PostgresEngine(self.address, moving=True)

    def open_read_only(self, copied: Mapping[str, str] | None = None) -> Engine:
        """See ``Database.open_read_only``."""
        return ReadOnlyPostgres(self.address, copied)

    def copy_to(self, target: Path) -> None:
        """See ``Database.copy_to``: what one snapshot of the server shows."""
        self.schema().check_whole(self.name)
        source = ReadOnlyPostgres(self.address)
        with closing(source), closing(SqliteEngine(target)) as copy, source.snapshot():
            copy_all(source, copy)
        without_log(target)

    def watch(self) -> "PostgresChanges":
        """See ``Database.watch``."""
        return PostgresChanges(ReadOnlyPostgres(self.address))

    def schema(self) -> Schema:
        """See ``Database.schema``."""
        with closing(_Unchecked(self.address)) as engine:
            return engine.schema()

    def check_writable(self, wait_s: float) -> None:
        """See ``Database.check_writable``."""
        with closing(PostgresEngine(self.address, wait_s)) as engine, engine.transaction():
            pass

    def check_alone(self) -> None:
        """See ``Database.check_alone``: the sessions of Anchorline there; one that was just closed is waited for."""
        with closing(ReadOnlyPostgres(self.address)) as engine:
            for _ in range(_LOOKS):
                if engine.query(_OTHERS) == [(0,)]:
                    return
                time.sleep(_LOOK_S)
        raise StorageBusyError(f"{self.name}: {OPEN_ELSEWHERE}")

    def size_bytes(self) -> int:
        """See ``Database.size_bytes``: tables and indexes of its schema."""
        with closing(ReadOnlyPostgres(self.address)) as engine:
            rows = engine.query(
                "SELECT COALESCE(SUM(pg_total_relation_size(oid)), 0) FROM pg_class "
                "WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
            )
        return int(rows[0][0])

    def write_ahead_bytes(self) -> int:
        """See ``Database.write_ahead_bytes``: the server keeps its own."""
        return 0

    def risk(self) -> str:
        """See ``Database.risk``: several hosts, and a primary that waits for none of them."""
        if not names_several_hosts(self.address):
            return ""
        with closing(ReadOnlyPostgres(self.address)) as engine:
            rows = engine.query("SELECT current_setting('synchronous_standby_names')")
        return "" if rows[0][0] else "its primary waits for no replica: promoting one may lose what was acknowledged"

    def make_beside(self, name: str) -> None:
        """Make a database on the same server where there is none of this name.

        Raises SettingsError where this user may not make one, StorageError where the server does not answer.
        """
        with (
            translated(self.name),
            closing(connect(connection_string(self.address))) as connection,
        ):
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = $1", (name,)).fetchone():
                return
            try:
                make = sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0")
                connection.execute(make.format(sql.Identifier(name)))
            except errors.DuplicateDatabase:
                return  # somebody was faster
            except errors.InsufficientPrivilege as error:
                raise SettingsError(
                    f"{self.name}: expected a database {name} beside it, found none, and this user may not make it: "
                    f"run `createdb -E UTF8 {name}` for him, or name another"
                ) from error


class PostgresChanges:
    """See ``Changes``: the number of the last turn that was taken."""

    def __init__(self, engine: ReadOnlyPostgres) -> None:
        self._engine = engine

    def version(self) -> int:
        """See ``Changes.version``."""
        return self._engine.last_turn()

    def close(self) -> None:
        """See ``Changes.close``."""
        self._engine.close()


class _Unchecked(ReadOnlyPostgres):
    """Reads whatever schema there is."""

    def _migrate(self) -> None:
        """Neither migrate nor refuse."""
