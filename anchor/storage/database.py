"""The protocol of a home's database while it is closed: the ways to open it, and what can be asked of it without.

``anchor.storage.databases`` finds the one of a home, a SQLite file or an address of PostgreSQL.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from anchor.errors import NewerHomeError, StorageError
from anchor.storage.engine import Engine
from anchor.storage.house import House
from anchor.storage.migrations import EXPANDING, MIGRATIONS, Migrations

OPEN_ELSEWHERE = "another process has it open; stop it, and run this again"


@dataclass(frozen=True, slots=True)
class Schema:
    """Names of migrations: ``pending`` are known and not applied, ``unknown`` applied by a newer Anchorline.

    So are ``expanded``, which only add: this version reads and writes beside them, as it always did.
    """

    applied: tuple[str, ...]
    pending: tuple[str, ...]
    unknown: tuple[str, ...]
    expanded: tuple[str, ...] = ()

    @classmethod
    def of(cls, found: Iterable[str], migrations: Migrations = MIGRATIONS) -> "Schema":
        """Return the schema of a database in which these migrations were applied, in whatever order."""
        names, known = set(found), [name for name, _ in migrations]
        newer = sorted(names.difference(known))
        return cls(
            tuple([name for name in known if name in names] + newer),
            tuple(name for name in known if name not in names),
            tuple(name for name in newer if not name.startswith(EXPANDING)),
            tuple(name for name in newer if name.startswith(EXPANDING)),
        )

    def check_known(self, database: str) -> None:
        """Raise NewerHomeError, which names the database, where this version may not go on beside what is there."""
        if self.unknown:
            raise NewerHomeError(
                f"{database}: made by a newer Anchorline (it has {self.unknown[0]!r}); use that version or a later one"
            )

    def check_whole(self, database: str) -> None:
        """Raise NewerHomeError where this version does not know all tables, and would copy some of them only."""
        self.check_known(database)
        if self.expanded:
            raise NewerHomeError(
                f"{database}: a newer Anchorline added to it ({self.expanded[0]!r}), and a copy by this version would "
                "lack that; use the newer version"
            )

    def check_current(self, database: str) -> None:
        """Raise NewerHomeError or StorageError unless the database can be only read: nothing is to be migrated."""
        self.check_known(database)
        if self.pending:
            raise StorageError(
                f"{database}: made by an older Anchorline (it lacks {self.pending[0]!r}), and only reading it does not "
                "bring it up to date; `anchorline status` does"
            )


class Reach(StrEnum):
    """What became of a try to reach a database; the words stand in log lines."""

    REACHED = "reached"
    SILENT = "no-answer"
    STARTING = "starting-up-or-shutting-down"
    NO_PRIMARY = "no-primary"
    REFUSED = "refused"

    @property
    def may_change(self) -> bool:
        """Whether it is worth to wait: what the server refuses (a password, a name), it refuses again."""
        return self in {Reach.SILENT, Reach.STARTING, Reach.NO_PRIMARY}


class Changes(Protocol):
    """Whether anybody has changed a database, for who keeps what he made of it; one thread uses it."""

    def version(self) -> int:
        """Return a number that is another one as soon as anything was committed; raises StorageError."""

    def close(self) -> None:
        """Release the database."""


class Database(Protocol):
    """One home's database, closed. Every method raises StorageError for what cannot be had."""

    @property
    def name(self) -> str:
        """What it is called in messages, without any password."""

    def check_there(self, folder: Path) -> None:
        """Raise SettingsError where the home in ``folder`` has lost it."""

    def reach(self) -> Reach:
        """Try once whether it can be reached."""

    def open(self) -> Engine:
        """Open it for reading and writing, and bring its schema up to date; raises MovedError where its log moved."""

    def open_to_move(self) -> House:
        """Open it to move a log from or to it, also where such a move was begun."""

    def open_read_only(self, copied: Mapping[str, str] | None = None) -> Engine:
        """Open it so that nothing that is done can reach it.

        ``copied`` names tables, each with a condition (SQL, empty for all rows; ``home.`` stands before tables of the
        database itself): writes go to copies of these that nobody else sees. A write to any other table raises
        StorageReadOnlyError. Nothing is migrated: raises NewerHomeError, or StorageError for a database of an older
        version.
        """

    def copy_to(self, target: Path) -> None:
        """Write it to a new SQLite file as of one moment, whoever writes meanwhile; on the disk on return, one file."""

    def watch(self) -> Changes:
        """Open a connection of its own that says whether anything was changed."""

    def schema(self) -> Schema:
        """Return which migrations it has."""

    def check_writable(self, wait_s: float) -> None:
        """Take the right to write and give it back: raises StorageBusyError where another has it for ``wait_s``."""

    def check_alone(self) -> None:
        """Raise StorageBusyError where anybody has it open, this process too."""

    def size_bytes(self) -> int:
        """Return how much it takes on the disk, without its write-ahead log."""

    def write_ahead_bytes(self) -> int:
        """Return how long the write-ahead log beside it is: 0 where it has none of its own."""

    def risk(self) -> str:
        """Say how what was acknowledged could be lost although all works; nothing where nothing is known."""
