"""The settings of a home with where each came from, and what an operator should know before the service starts.

Input is the settings file and the environment. ``anchorline config`` prints what comes back; a secret is in no setting,
and an address never shows a password.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from anchor.proof.errors import AnchorlineError
from anchor.storage.databases import is_postgres
from chains import doctor_rules
from chains.diagnosis import Level
from chains.password import BACKUP_VARIABLE
from chains.password import VARIABLE as WALLET_VARIABLE
from chains.settings import (
    FILE_NAME,
    PREFIX,
    Settings,
    checked_settings,
    from_environment,
    read_settings_file,
    variable_of,
)
from chains.sources import CORE_PASSWORD_VARIABLE, network_of, source_warnings

OTHER_VARIABLES = frozenset(
    {
        *("ANCHORLINE_HOME", "ANCHORLINE_HASHING", WALLET_VARIABLE, BACKUP_VARIABLE, CORE_PASSWORD_VARIABLE),
        *("ANCHORLINE_LOG_FORMAT", "ANCHORLINE_LOG_LEVEL", "ANCHORLINE_METRICS"),
    }
)
"""Variables of ours that are no settings."""


@dataclass(frozen=True, slots=True)
class Value:
    """One setting in force; ``origin`` is "default", the file's name, or the environment variable."""

    name: str
    value: str | int | tuple[str, ...]
    origin: str


def values_of(folder: Path, environment: Mapping[str, str]) -> list[Value]:
    """Return every setting in force in a home, in the order of their definition; raises SettingsError."""
    settings, file, given = _read(folder, environment)
    return [
        Value(field.name, _without_password(getattr(settings, field.name)), _origin(field.name, file, given))
        for field in fields(settings)
    ]


def _without_password(value: str | int | tuple[str, ...]) -> str | int | tuple[str, ...]:
    """Return a value as it may be shown: PostgreSQL takes a password in an address, before the host or as a word."""
    if not isinstance(value, str) or not is_postgres(value):
        return value
    shown = re.sub(r"^([a-z]+://[^:/@?]*):[^/?]*@", r"\1:***@", value)
    return re.sub(r"([?&](?:ssl)?password=)[^&]*", r"\1***", shown)


def problems_of(folder: Path, environment: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return what makes the settings unusable, and what makes little sense; nothing outside is asked.

    Where the settings cannot be read at all, that is the one error.
    """
    try:
        settings, _, _ = _read(folder, environment)
        network = network_of(settings, folder)
        warnings = source_warnings(settings, network)
        findings = doctor_rules.settings(settings, network)
    except AnchorlineError as error:
        return [str(error)], _strange(environment)
    errors = [f"{each.found}: {each.advice}" for each in findings if each.level is Level.ERROR]
    odd = [f"{each.found}: {each.advice}" for each in findings if each.level is Level.WARNING]
    return errors, [*odd, *warnings, *_strange(environment)]


def _read(folder: Path, environment: Mapping[str, str]) -> tuple[Settings, dict[str, Any], dict[str, Any]]:
    file, given = read_settings_file(folder / FILE_NAME), from_environment(environment)
    return checked_settings(file | given, str(folder / FILE_NAME)), file, given


def _origin(name: str, file: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    if name in given:
        return variable_of(name)
    return FILE_NAME if name in file else "default"


def _strange(environment: Mapping[str, str]) -> list[str]:
    """Return a sentence for each variable that looks like a setting and is none: it does nothing."""
    known = OTHER_VARIABLES | {variable_of(field.name) for field in fields(Settings)}
    names = sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
    return [f"environment variable {name}: no setting of this name, it does nothing" for name in names]
