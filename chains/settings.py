"""Settings of a home, read from its ``anchorline.toml``: what an operator may change, with limits and defaults.

``chains.home`` reads them when a home is opened; every value is checked here, and an unknown one is refused by name,
so that a misspelt setting never silently does nothing.
"""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from anchor.bitcoin.web_address import checked_url, is_address
from anchor.errors import SettingsError
from anchor.proof.bitcoin.networks import NETWORKS as RULES
from anchor.storage.databases import check_postgres

MIB = 2**20
# Each is asked about every anchored checkpoint, and each adds some kilobytes to every receipt.
MAX_AUTHORITIES = 4
MAX_CALENDARS = 8
FILE_NAME = "anchorline.toml"
PREFIX = "ANCHORLINE_"
EMBEDDED, CORE, ESPLORA = "embedded", "core", "esplora"
NO_EXPLORER = "none"
SOURCES = {
    EMBEDDED: (EMBEDDED,),
    CORE: (CORE,),
    ESPLORA: (ESPLORA,),
    f"{CORE}+{ESPLORA}": (CORE, ESPLORA),
}
"""What ``source`` may say, and the kinds of source that each means."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the writer takes and promises."""

    content_bytes: int = MIB
    seal_within_ms: int = 15 * 60 * 1000
    anchor_within_ms: int = 48 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """One home's settings; docs/operate/settings.md says what each does.

    ``source`` is a key of ``SOURCES``; "embedded" is for regtest only. ``sources_needed`` 0: two where two are known.
    ``spending_cap_sat`` -1: the network's own; 0: none. ``explorer_url`` empty: the network's own; "none": none.
    ``signer`` is "key" (in this home) or "psbt" (elsewhere).
    """

    network: str
    source: str
    network_file: str = ""
    core_url: str = ""
    core_cookie_file: str = ""
    core_user: str = ""
    core_password_file: str = ""
    core_timeout_s: int = 30
    esplora_urls: tuple[str, ...] = ()
    esplora_timeout_s: int = 30
    sources_needed: int = 0
    signer: str = "key"
    wallet_password_file: str = ""
    seal_every_s: int = 60
    tick_every_s: int = 30
    anchor_every_s: int = 600
    silence_s: int = 24 * 60 * 60
    lease_s: int = 30
    spending_cap_sat: int = -1
    low_funds_anchors: int = 100
    content_bytes: int = MIB
    seal_within_s: int = 15 * 60
    anchor_within_s: int = 48 * 60 * 60
    timestamp_authorities: tuple[str, ...] = ()
    timestamp_certificates: str = ""
    timestamp_policy: str = ""
    calendars: tuple[str, ...] = ()
    calendar_network: str = "mainnet"
    calendar_esplora_url: str = ""
    published_checkpoint: str = ""
    explorer_url: str = ""
    database: str = ""
    content_keys: str = ""
    database_wait_s: int = 300

    @property
    def limits(self) -> Limits:
        """The writer's part."""
        return Limits(self.content_bytes, self.seal_within_s * 1000, self.anchor_within_s * 1000)

    @property
    def sources(self) -> tuple[str, ...]:
        """The kinds of Bitcoin source in use: EMBEDDED, CORE, ESPLORA."""
        return SOURCES[self.source]

    @property
    def public_files(self) -> tuple[str, ...]:
        """The files that it names and that a backup may hold; relative to the home."""
        return tuple(filter(None, (self.network_file, self.timestamp_certificates)))

    @property
    def secret_files(self) -> tuple[str, ...]:
        """The files that it names and that are never in a backup; relative to the home."""
        return tuple(filter(None, (self.wallet_password_file, self.core_password_file, self.core_cookie_file)))

    def encode(self) -> str:
        """Return the settings file (TOML)."""
        lines = ["# Settings of this Anchorline home; docs/operate/settings.md explains each."]
        for field in fields(self):
            value = getattr(self, field.name)
            lines.append(f"{field.name} = {toml_text(value)}")
        return "\n".join(lines) + "\n"


_RANGES = {
    "core_timeout_s": (1, 3600),
    "esplora_timeout_s": (1, 600),
    "sources_needed": (0, 16),
    "seal_every_s": (1, 86400),
    "tick_every_s": (1, 3600),
    "anchor_every_s": (1, 30 * 86400),
    "silence_s": (60, 365 * 86400),
    "lease_s": (2, 3600),
    "spending_cap_sat": (-1, 100_000_000),
    "low_funds_anchors": (0, 1_000_000),
    "content_bytes": (1, 16 * MIB),
    "seal_within_s": (60, 30 * 86400),
    "anchor_within_s": (600, 365 * 86400),
    "database_wait_s": (0, 86400),
}


def load_settings(path: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check a settings file, with what the environment puts in the place of its values (``from_environment``).

    Raises SettingsError that names the setting, the value and the remedy.
    """
    given = from_environment(environment)
    where = f"{path}, with {', '.join(map(variable_of, given))}" if given else str(path)
    return checked_settings(read_settings_file(path) | given, where)


def read_settings_file(path: Path) -> dict[str, Any]:
    """Return the values of a settings file, unchecked; raises SettingsError where it cannot be read."""
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such file; `anchorline init` makes a home") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    return values


def variable_of(name: str) -> str:
    """Return the environment variable that overrides a setting."""
    return PREFIX + name.upper()


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that the environment gives: decimal integers, texts, lists with commas; empty is not given.

    Raises SettingsError for a text where an integer is expected. Other variables are passed over
    (``chains.configuration`` names them).
    """
    found: dict[str, Any] = {}
    for field in fields(Settings):
        text = environment.get(variable_of(field.name), "")
        if text:
            found[field.name] = _parsed(field.name, field.type, text)
    return found


def _parsed(name: str, kind: object, text: str) -> Any:
    if kind is int:
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise SettingsError(f"{variable_of(name)}: expected a decimal integer, found {text!r:.200}")
        return int(text)
    if kind == tuple[str, ...]:
        return tuple(item.strip() for item in text.split(",") if item.strip())
    return text


def checked_settings(values: dict[str, Any], where: str) -> Settings:
    """Return settings from plain values, each checked."""
    known = {field.name: field.type for field in fields(Settings)}
    for name, value in values.items():
        if name not in known:
            raise SettingsError(f"{where}: unknown setting {name!r}; known are {', '.join(known)}")
        if not _is_of(value, known[name]):
            raise SettingsError(f"{where}: {name}: expected {_kind_name(known[name])}, found {value!r:.200}")
        low, high = _RANGES.get(name, (None, None))
        if low is not None and high is not None and not low <= value <= high:
            raise SettingsError(f"{where}: {name}: expected {low} to {high}, found {value}")
    for name in ("network", "source"):
        if name not in values:
            raise SettingsError(f"{where}: setting {name!r} is missing")
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    settings = Settings(**plain)
    if settings.source not in SOURCES:
        known_sources = ", ".join(repr(name) for name in SOURCES)
        raise SettingsError(f"{where}: source: expected one of {known_sources}; found {settings.source!r}")
    if settings.signer not in {"key", "psbt"}:
        raise SettingsError(f"{where}: signer: expected 'key' or 'psbt', found {settings.signer!r}")
    if settings.source == EMBEDDED and settings.network != "regtest":
        raise SettingsError(
            f"{where}: the embedded source is a regtest of its own; network {settings.network!r} needs "
            "source = 'core' or 'esplora'"
        )
    _check_database(settings, where)
    _check_used(settings, where)
    _check_timestamps(settings, where)
    _check_calendars(settings, where)
    _check_published(settings, where)
    _check_explorer(settings, where)
    return settings


def _check_database(settings: Settings, where: str) -> None:
    for name, otherwise in (("database", "a SQLite file"), ("content_keys", "a file")):
        value = getattr(settings, name)
        if value:
            check_postgres(value, f"{where}: {name}", otherwise)
    if settings.database and settings.database == settings.content_keys:
        raise SettingsError(
            f"{where}: content_keys: expected another database than the log's, found the same: its backups would hold "
            "the keys, and whatever is erased later could be read in them"
        )


def _check_timestamps(settings: Settings, where: str) -> None:
    """Authorities are few and each once; whoever is asked must be vouched for by a certificate that is trusted."""
    named = settings.timestamp_authorities
    if len(named) > MAX_AUTHORITIES or len(set(named)) != len(named):
        raise SettingsError(
            f"{where}: timestamp_authorities: expected at most {MAX_AUTHORITIES} addresses, each once, "
            f"found {len(named)}"
        )
    if named and not settings.timestamp_certificates:
        raise SettingsError(
            f"{where}: timestamp_authorities: expected timestamp_certificates too, a PEM file of the roots of these "
            "authorities; without it nobody vouches for their time stamps"
        )
    for url in named:
        try:
            checked_url(url)
        except SettingsError as error:
            raise SettingsError(f"{where}: timestamp_authorities: {error}") from error


def _check_used(settings: Settings, where: str) -> None:
    """Refuse what another setting makes useless, so that nobody believes that it does something."""
    for kind, names in _BELONGING.items():
        for name in names:
            if kind not in settings.sources and getattr(settings, name):
                raise SettingsError(
                    f"{where}: {name}: expected none with source = {settings.source!r}, found "
                    f"{getattr(settings, name)!r:.200}; change the source, or take it out"
                )


def _check_calendars(settings: Settings, where: str) -> None:
    if len(settings.calendars) > MAX_CALENDARS or len(set(settings.calendars)) < len(settings.calendars):
        raise SettingsError(
            f"{where}: calendars: expected at most {MAX_CALENDARS} addresses, each once, found "
            f"{settings.calendars!r:.200}"
        )
    if settings.calendar_network not in RULES:
        raise SettingsError(
            f"{where}: calendar_network: expected one of {', '.join(RULES)}; found {settings.calendar_network!r:.80}"
        )
    if settings.calendar_esplora_url and not settings.calendars:
        raise SettingsError(
            f"{where}: calendar_esplora_url: expected none without calendars; name some, or take it out"
        )


def _check_published(settings: Settings, where: str) -> None:
    if not is_address(settings.published_checkpoint):
        return
    try:
        checked_url(settings.published_checkpoint)
    except SettingsError as error:
        raise SettingsError(f"{where}: published_checkpoint: {error}") from error


def _check_explorer(settings: Settings, where: str) -> None:
    if settings.explorer_url in {"", NO_EXPLORER}:
        return
    try:
        checked_url(settings.explorer_url)
    except SettingsError as error:
        raise SettingsError(f"{where}: explorer_url: {error}") from error


_BELONGING = {
    CORE: ("core_url", "core_cookie_file", "core_user", "core_password_file"),
    ESPLORA: ("esplora_urls",),
}


def _is_of(value: object, kind: object) -> bool:
    if kind == tuple[str, ...]:
        return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
    return type(value) is kind


def _kind_name(kind: object) -> str:
    return "a list of texts" if kind == tuple[str, ...] else getattr(kind, "__name__", "")


def toml_text(value: str | int | tuple[str, ...]) -> str:
    """Return a value as the settings file has it."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(toml_text(each) for each in value)}]"
    # A JSON string is a TOML string, but for the one control character that JSON leaves as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
