"""Where a home's database is, and the ways to open it: a SQLite file of the home, or an address of PostgreSQL.

Input is a home's folder and its setting ``database``; ``chains.home`` and whoever only reads a home open it here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from anchor.errors import SettingsError, StorageBusyError
from anchor.storage.changes import SqliteChanges
from anchor.storage.database import OPEN_ELSEWHERE, Changes, Database, Reach, Schema
from anchor.storage.engine import Engine
from anchor.storage.house import House
from anchor.storage.read_only import ReadOnlyEngine, schema_of
from anchor.storage.sqlite import SqliteEngine, check_writable, copy_database

if TYPE_CHECKING:
    from anchor.storage.postgres_address import PostgresAddress

SQLITE_FILE = "anchorline.db"
"""The SQLite file in a home."""
POSTGRES_SCHEMES = ("postgresql://", "postgres://")


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A SQLite file."""

    path: Path

    @property
    def name(self) -> str:
        """See ``Database.name``."""
        return str(self.path)

    def check_there(self, folder: Path) -> None:
        """See ``Database.check_there``."""
        if not self.path.is_file():
            raise SettingsError(f"{folder}: its database {self.path.name} is missing; restore it from a backup")

    def reach(self) -> Reach:
        """See ``Database.reach``: a file is there, or it is not."""
        return Reach.REACHED

    def open(self) -> Engine:
        """See ``Database.open``."""
        return SqliteEngine(self.path)

    def open_to_move(self) -> House:
        """See ``Database.open_to_move``."""
        if self.path.exists():
            self.schema().check_whole(self.name)
        return SqliteEngine(self.path, moving=True)

    def open_read_only(self, copied: Mapping[str, str] | None = None) -> Engine:
        """See ``Database.open_read_only``."""
        return ReadOnlyEngine(self.path, copied)

    def copy_to(self, target: Path) -> None:
        """See ``Database.copy_to``."""
        copy_database(self.path, target)

    def watch(self) -> Changes:
        """See ``Database.watch``."""
        return SqliteChanges(self.path)

    def schema(self) -> Schema:
        """See ``Database.schema``."""
        return schema_of(self.path)

    def check_writable(self, wait_s: float) -> None:
        """See ``Database.check_writable``."""
        check_writable(self.path, wait_s)

    def check_alone(self) -> None:
        """See ``Database.check_alone``: whoever closes a file last takes away what is beside it."""
        if any(self.path.with_name(f"{self.path.name}{end}").exists() for end in ("-wal", "-shm")):
            raise StorageBusyError(f"{self.path}: {OPEN_ELSEWHERE}")

    def size_bytes(self) -> int:
        """See ``Database.size_bytes``."""
        return self.path.stat().st_size if self.path.exists() else 0

    def write_ahead_bytes(self) -> int:
        """See ``Database.write_ahead_bytes``."""
        beside = self.path.with_name(f"{self.path.name}-wal")
        return beside.stat().st_size if beside.exists() else 0

    def risk(self) -> str:
        """See ``Database.risk``: there is the one file."""
        return ""


def is_postgres(address: str) -> bool:
    """Say whether an address names a PostgreSQL database."""
    return address.startswith(POSTGRES_SCHEMES)


def check_postgres(address: str, setting: str, otherwise: str) -> None:
    """Raise SettingsError for an address that is none of PostgreSQL's; left empty, the setting means ``otherwise``."""
    if not is_postgres(address):
        raise SettingsError(
            f"{setting}: expected postgresql://USER@HOST:PORT/NAME, or nothing for {otherwise} in the home; found "
            f"{address!r:.200}"
        )


def beside(address: str, ending: str) -> str:
    """Return the address of a database on the same server whose name has this ending; it is made if it may be.

    Raises SettingsError where the address names no database, where psycopg is not installed, or where the database is
    not there and may not be made; StorageError where the server does not answer.
    """
    parts = re.fullmatch(r"([a-z]+://[^/?]*/)([^/?]+)(\?.*)?", address)
    if parts is None:
        raise SettingsError(
            "content_keys: expected a log's database with a name, postgresql://USER@HOST/NAME, to keep them beside it; "
            f"found {address!r:.200}; name their database with --content-keys"
        )
    name = f"{parts[2]}{ending}"
    _postgres(address).make_beside(unquote(name))
    return f"{parts[1]}{name}{parts[3] or ''}"


def database_of(folder: Path, address: str = "") -> Database:
    """Return the database of the home in ``folder``: its SQLite file, or what the setting ``database`` names.

    Raises SettingsError for an address that is none of PostgreSQL's, or where psycopg is not installed.
    """
    if not address:
        return SqliteFile(folder / SQLITE_FILE)
    check_postgres(address, "database", SQLITE_FILE)
    return _postgres(address)


def _postgres(address: str) -> "PostgresAddress":
    try:
        from anchor.storage.postgres_address import PostgresAddress
    except ModuleNotFoundError as error:
        raise SettingsError(
            "database: expected psycopg to be installed where a home is on PostgreSQL: "
            "`pip install 'anchorline[postgres]'`"
        ) from error
    return PostgresAddress(address)
