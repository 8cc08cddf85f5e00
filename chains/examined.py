"""What an examination looks at: a home opened for reading only, with its Bitcoin sources each for itself.

``chains.doctor`` makes one of a folder. What cannot be opened is told to the checks that need it, by NotCheckedError,
and keeps no other from its work.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from anchor.bitcoin.networks import Network
from anchor.bitcoin.protocols import Source
from anchor.proof.errors import AnchorlineError
from anchor.storage.database import Database
from anchor.storage.databases import SQLITE_FILE, database_of
from chains.home import Clock, Home
from chains.settings import FILE_NAME, Settings, load_settings
from chains.sources import network_of, source_makers

Part = TypeVar("Part")
# A server is asked twice at most, and waited for a third of the whole time: the examination ends in its own.
_TRIES = 2
_SHARE = 3


class NotCheckedError(AnchorlineError):
    """A check could not be made; the message says why."""


@dataclass
class Examined:
    """A home under examination; close it. ``over`` is set when nobody waits for an answer any longer."""

    folder: Path
    clock: Clock
    timeout_s: float
    over: threading.Event
    _settings: Settings | AnchorlineError
    _network: Network | AnchorlineError
    _home: Home | AnchorlineError
    sources: dict[str, Source] = field(default_factory=dict)
    closed_sources: dict[str, AnchorlineError] = field(default_factory=dict)
    """What could not be opened, by the source's name."""
    _found: dict[str, Any] = field(default_factory=dict)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    @property
    def settings(self) -> Settings:
        """The settings; raises NotCheckedError where they cannot be read."""
        return _or_not_checked(self._settings, "the settings cannot be read")

    @property
    def network(self) -> Network:
        """The network of the settings, whether or not it is the log's."""
        return _or_not_checked(self._network, "the settings name no network that is known")

    @property
    def database(self) -> Database:
        """Where the database is; where the settings cannot be read, the file of the home.

        Raises NotCheckedError where it has none: they may name a server.
        """
        if not isinstance(self._settings, AnchorlineError):
            return database_of(self.folder, self._settings.database)
        if not (self.folder / SQLITE_FILE).is_file():
            raise NotCheckedError(
                f"the settings, which may name its server, cannot be read, and there is no {SQLITE_FILE}"
            )
        return database_of(self.folder)

    @property
    def home(self) -> Home:
        """The home, whose database is read-only."""
        return _or_not_checked(self._home, "the database cannot be read")

    @property
    def answer_s(self) -> float:
        """How long one question may take."""
        return max(self.timeout_s / _SHARE, 1.0)

    def settings_or_raise(self) -> Settings:
        """Return the settings, or raise what kept them from being read."""
        return _or_raise(self._settings)

    def network_or_raise(self) -> Network:
        """Return the log's network, or raise why it has none or another."""
        _or_raise(self._network)
        return _or_raise(self._home).network

    def once(self, name: str, find: Callable[[], Part]) -> Part:
        """Return what ``find`` returns, found once, whichever check asks first; the others wait for it."""
        with self._mutex:
            if name not in self._found:
                self._found[name] = find()
            found: Part = self._found[name]
            return found

    def close(self) -> None:
        """Close what was opened."""
        for source in self.sources.values():
            with suppress(AnchorlineError):
                source.close()
        if isinstance(self._home, Home):
            self._home.engine.close()


def examined(
    folder: Path,
    clock: Clock,
    timeout_s: float,
    over: threading.Event,
    sources_of: Callable[[Home], dict[str, Source]] | None,
) -> Examined:
    """Open a home for examination; whatever is wrong with it is kept for the checks."""
    try:
        settings = load_settings(folder / FILE_NAME)
    except AnchorlineError as fault:
        return Examined(folder, clock, timeout_s, over, fault, fault, _opened(folder, None, clock))
    try:
        network: Network | AnchorlineError = network_of(settings, folder)
    except AnchorlineError as fault:
        network = fault
    home = _opened(folder, settings, clock)
    subject = Examined(folder, clock, timeout_s, over, settings, network, home)
    if sources_of is not None and isinstance(home, Home):
        subject.sources = sources_of(home)
    elif not isinstance(network, AnchorlineError):
        _open_sources(subject, settings, network)
    return subject


def _opened(folder: Path, settings: Settings | None, clock: Clock) -> Home | AnchorlineError:
    if settings is None:
        return NotCheckedError("the settings cannot be read")
    try:
        return Home(folder, settings, clock, database_of(folder, settings.database).open_read_only())
    except AnchorlineError as fault:
        return fault


def _open_sources(subject: Examined, settings: Settings, network: Network) -> None:
    at_most_s = max(int(subject.answer_s), 1)
    hasty = replace(
        settings,
        core_timeout_s=min(settings.core_timeout_s, at_most_s),
        esplora_timeout_s=min(settings.esplora_timeout_s, at_most_s),
    )
    try:
        makers = source_makers(hasty, network, subject.folder, _TRIES)
    except AnchorlineError as fault:
        subject.closed_sources["sources"] = fault
        return
    for name, make in makers.items():
        try:
            subject.sources[name] = make()
        except AnchorlineError as fault:
            subject.closed_sources[name] = fault


def _or_raise(part: Part | AnchorlineError) -> Part:
    if isinstance(part, AnchorlineError):
        raise part
    return part


def _or_not_checked(part: Part | AnchorlineError, why: str) -> Part:
    if isinstance(part, AnchorlineError):
        raise NotCheckedError(why)
    return part
