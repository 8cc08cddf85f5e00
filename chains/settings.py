"""Settings of a home, read from its ``anchorline.toml``: what an operator may change, with limits and defaults.

``chains.home`` reads them when a home is opened; every value is checked here, and an unknown one is refused by name,
so that a misspelt setting never silently does nothing.
"""

import json
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from anchor.errors import SettingsError

MIB = 2**20
FILE_NAME = "anchorline.toml"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the writer takes and promises."""

    content_bytes: int = MIB
    seal_within_ms: int = 15 * 60 * 1000
    anchor_within_ms: int = 48 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """One home's settings; ``source`` is "embedded" (regtest only) or "core"."""

    network: str
    source: str
    core_url: str = ""
    core_cookie_file: str = ""
    core_user: str = ""
    seal_every_s: int = 60
    tick_every_s: int = 30
    anchor_every_s: int = 600
    silence_s: int = 24 * 60 * 60
    content_bytes: int = MIB
    seal_within_s: int = 15 * 60
    anchor_within_s: int = 48 * 60 * 60

    @property
    def limits(self) -> Limits:
        """The writer's part."""
        return Limits(self.content_bytes, self.seal_within_s * 1000, self.anchor_within_s * 1000)

    def encode(self) -> str:
        """Return the settings file (TOML)."""
        lines = ["# Settings of this Anchorline home; docs/operate/settings.md explains each."]
        for field in fields(self):
            value = getattr(self, field.name)
            lines.append(f"{field.name} = {_toml(value)}")
        return "\n".join(lines) + "\n"


_RANGES = {
    "seal_every_s": (1, 86400),
    "tick_every_s": (1, 3600),
    "anchor_every_s": (1, 30 * 86400),
    "silence_s": (60, 365 * 86400),
    "content_bytes": (1, 16 * MIB),
    "seal_within_s": (60, 30 * 86400),
    "anchor_within_s": (600, 365 * 86400),
}


def load_settings(path: Path) -> Settings:
    """Read and check a settings file; raise SettingsError that names the setting, the value and the remedy."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such file; `anchorline init` makes a home") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    return checked_settings(values, str(path))


def checked_settings(values: dict[str, Any], where: str) -> Settings:
    """Return settings from plain values, each checked."""
    known = {field.name: field.type for field in fields(Settings)}
    for name, value in values.items():
        if name not in known:
            raise SettingsError(f"{where}: unknown setting {name!r}; known are {', '.join(known)}")
        if type(value) is not known[name]:
            raise SettingsError(f"{where}: {name}: expected {getattr(known[name], '__name__', '')}, found {value!r}")
        low, high = _RANGES.get(name, (None, None))
        if low is not None and high is not None and not low <= value <= high:
            raise SettingsError(f"{where}: {name}: expected {low} to {high}, found {value}")
    for name in ("network", "source"):
        if name not in values:
            raise SettingsError(f"{where}: setting {name!r} is missing")
    settings = Settings(**values)
    if settings.source not in {"embedded", "core"}:
        raise SettingsError(f"{where}: source: expected 'embedded' or 'core', found {settings.source!r}")
    if settings.source == "embedded" and settings.network != "regtest":
        raise SettingsError(
            f"{where}: the embedded source is a regtest of its own; network {settings.network!r} needs source = 'core'"
        )
    return settings


def _toml(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    # A JSON string is a TOML string, but for the one control character that JSON leaves as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
