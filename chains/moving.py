"""Moving a log's database to PostgreSQL, or back to a SQLite file: ``anchorline migrate``.

The old database takes no writes from the first step on, the new one is nobody's before it was audited, and the settings
name it last. A run that was killed anywhere is repeated, and goes on where it stopped: each step finds in the two
databases what was done (docs/adr/0057-moving-house.md).
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from anchor.bitcoin.records import sync_folder
from anchor.errors import HistoryDiffersError, SettingsError
from anchor.lease import Leases
from anchor.storage.copying import Report, copy_all, silent
from anchor.storage.databases import SQLITE_FILE, database_of
from anchor.storage.house import House, Move, State, move_of, put_move
from anchor.storage.sqlite import SqliteEngine
from anchor.storage.tables import count, tables
from chains.files import write_file
from chains.highwater import HighWater
from chains.home import Clock, Home, now_ms
from chains.rebuild import check_sound, names_of_old
from chains.settings import FILE_NAME, Settings, from_environment, load_settings, variable_of
from chains.settings_text import with_values


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log is: the settings ``database`` and ``content_keys``, each an address or empty for a file."""

    database: str = ""
    content_keys: str = ""

    @classmethod
    def of(cls, settings: Settings) -> "Place":
        """Return where these settings say it is."""
        return cls(settings.database, settings.content_keys)

    def values(self) -> Mapping[str, str]:
        """Return the settings that say so."""
        return {"database": self.database, "content_keys": self.content_keys}


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved: how far the log is, how many rows its tables have, and the name of the old database."""

    held: HighWater
    rows: int
    left: str


def move(folder: Path, to: Place, clock: Clock = now_ms, report: Report = silent) -> Moved:
    """Move the log of the home in ``folder``; afterwards its settings name the new place.

    ``report`` is told before and after each step. Raises LeaseHeldError where a daemon seals, SettingsError where the
    new database is not empty, HistoryDiffersError where the copy does not pass the audit, and StorageError; then the
    old place still has everything, and ``abandon`` lets it be written to again.
    """
    settings = _settings_of(folder)
    at = Place.of(settings)
    if at == to:
        raise SettingsError(f"{folder}: its log is there already: {_named(folder, to)}")
    if at.database == to.database:
        raise SettingsError(
            f"{folder}: expected another database to move to, found the one that it has; keys move with their log only"
        )
    database_of(folder, at.database).check_there(folder)
    elsewhere = _named(folder, to)
    with _opened(folder, settings, clock) as old:
        found = move_of(old.house)
        if found is not None and found.elsewhere != elsewhere:
            raise SettingsError(
                f"{folder}: its log is on the way to {found.elsewhere}: name that one, or run `anchorline migrate "
                "--abandon` first"
            )
        if not to.database:
            _put_aside(folder / SQLITE_FILE)
        with _opened(folder, replace(settings, database=to.database, content_keys=to.content_keys), clock) as new:
            found = found or Move(State.LEAVING, elsewhere, clock())
            if found.state is State.LEAVING:
                _fence(old, found, report)
                _prepare(old, new, found)
                copy_all(old.house, new.house, report)
                report("audit")
                _take_keys(old.home, new.home)
                _check(old, new)
                # From here on the log is there, and only another move leads back.
                _fence(old, replace(found, state=State.LEFT), report)
            moved = _end(old, new, report)
    report("settings")
    file = folder / FILE_NAME
    write_file(file, with_values(file.read_text(encoding="utf-8"), to.values()).encode())
    return moved


def check_file_decides() -> None:
    """Raise SettingsError where the environment says where the log is: a settings file that changes would not count."""
    given = [variable_of(name) for name in from_environment(os.environ) if name in Place().values()]
    if given:
        raise SettingsError(f"expected the settings file to say where the log is, found {', '.join(given)}; unset it")


def abandon(folder: Path) -> str:
    """Stay: let the home's database be written to again; return what was begun and is to be dropped.

    Raises SettingsError where nothing was begun, or where it is too late.
    """
    settings = _settings_of(folder)
    with closing(database_of(folder, settings.database).open_to_move()) as house:
        found = move_of(house)
        if found is None:
            raise SettingsError(f"{folder}: its log is not on the way to anywhere")
        if found.state is not State.LEAVING:
            raise SettingsError(
                f"{folder}: its log is at {found.elsewhere} already; run `anchorline migrate --to` once more to end it"
            )
        house.lift_fence()
        return found.elsewhere


# --- the steps, in their order


def _fence(old: "_Side", move: Move, report: Report) -> None:
    """Keep everybody from writing to the old database. Who seals there is asked to stop before anything was done."""
    report(f"fence {move.state}")
    old.house.fence(move, lambda: Leases(old.house).check_free(old.home.clock()))
    report(f"fenced {move.state}")


def _prepare(old: "_Side", new: "_Side", leaving: Move) -> None:
    """Mark the new database as one that is not whole; once."""
    arriving = replace(leaving, state=State.ARRIVING, elsewhere=old.home.directory.log.log_id.hex())
    found = move_of(new.house)
    if found == arriving:
        return
    if found is not None or new.house.query("SELECT 1 FROM identity"):
        raise SettingsError(
            f"{new.home.database.name}: expected an empty database to move to, found one that has, or had, a log; name "
            "another. `anchorline migrate --abandon` lets the old one be written to again"
        )
    with new.house.transaction():
        put_move(new.house, arriving)


def _check(old: "_Side", new: "_Side") -> None:
    """Compare the numbers of rows, and audit the copy as a log of its own."""
    for table in tables():
        here, there = count(old.house, table), count(new.house, table)
        if here != there:
            raise HistoryDiffersError(f"table {table.name}: expected {here} rows in the copy, found {there}")
    check_sound(new.home)


def _end(old: "_Side", new: "_Side", report: Report) -> Moved:
    """Let the new database be opened, and destroy the keys in the old place, where no erasure would reach them."""
    if old.home.directory.log != new.home.directory.log or old.home.high_water() != new.home.high_water():
        raise HistoryDiffersError(
            f"{new.home.database.name}: expected the log as it was moved there, found another state of it; restore "
            "that database"
        )
    with new.house.transaction():
        new.house.execute("DELETE FROM house_move")
    report("arrived")
    if _take_keys(old.home, new.home):
        old.home.content_keys.clear()
    report("cleared")
    rows = sum(count(new.house, table) for table in tables())
    return Moved(new.home.high_water(), rows, old.home.database.name)


def _take_keys(old: Home, new: Home) -> bool:
    """Bring the content keys to where the new database's are; say whether that is another place than before."""
    if old.content_keys.is_kept_where(new.content_keys):
        return False
    new.content_keys.take_all(old.content_keys)
    return True


def _put_aside(path: Path) -> None:
    """Give a SQLite file whose log was moved away, and came back now, another name."""
    if not path.exists():
        return
    with closing(SqliteEngine(path, moving=True)) as engine:
        found = move_of(engine)
    if found is None or found.state is not State.LEFT:
        return
    path.rename(next(each for each in names_of_old(path) if not each.exists()))
    sync_folder(path.parent)


# --- what is opened


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two databases, as a home and as what can be moved."""

    home: Home
    house: House


@contextmanager
def _opened(folder: Path, settings: Settings, clock: Clock) -> Iterator[_Side]:
    house = database_of(folder, settings.database).open_to_move()
    with closing(house):
        home = Home(folder, settings, clock, house)
        with closing(home.content_keys):
            yield _Side(home, house)


def _named(folder: Path, place: Place) -> str:
    return database_of(folder, place.database).name


def _settings_of(folder: Path) -> Settings:
    check_file_decides()
    return load_settings(folder / FILE_NAME)
