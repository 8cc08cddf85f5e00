"""The log of a service as values: what a line ``event=name key=value ...`` says, and how much it matters; pure.

Lines come from everything that reports (``anchor.daemon``, ``anchor.progress``, the web layer). ``chains.logs`` writes
them in the form that is wanted, ``chains.metrics`` counts them.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

_PAIR = re.compile(r"""([a-z][a-z0-9_]*)=('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S*)(?:\s+|$)""")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})")
WARNING_PREFIX = "warning: "


class LogFormat(StrEnum):
    """Forms of a log."""

    TEXT = "text"
    JSON = "json"


class Level(IntEnum):
    """How much a line matters; the numbers are those of Python's ``logging``."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


LEVELS: Mapping[str, Level] = {
    "warning": Level.WARNING,
    "alert": Level.WARNING,
    "failed": Level.WARNING,
    "database-wait": Level.WARNING,
    "database-missing": Level.ERROR,
    "late": Level.WARNING,
    "lease-lost": Level.WARNING,
    "time-stamp-failed": Level.WARNING,
    "fault": Level.ERROR,
}
"""Events that are not merely news."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """An event with its fields, in the order in which they were written."""

    event: str
    fields: Mapping[str, str | int]

    @property
    def level(self) -> Level:
        """How much it matters."""
        return LEVELS.get(self.event, Level.INFO)


def read_line(text: str) -> LogLine:
    """Return what a line says.

    Values are decimal integers, words, or texts in quotes as Python writes them. What is no pair is the field
    ``message``; a line that names no event is the event ``warning`` where it begins so, else ``said``.
    """
    if text.startswith(WARNING_PREFIX):
        return LogLine("warning", {"message": text.removeprefix(WARNING_PREFIX)})
    found: dict[str, str | int] = {}
    at = 0
    while pair := _PAIR.match(text, at):
        found[pair[1]] = _value(pair[2])
        at = pair.end()
    event = found.pop("event", None)
    if not isinstance(event, str):
        return LogLine("said", {"message": text})
    if at < len(text):
        found["message"] = str(_value(text[at:].strip()))
    return LogLine(event, found)


def _value(text: str) -> str | int:
    if _NUMBER.fullmatch(text):
        return int(text)
    if text[:1] in {"'", '"'}:
        try:
            read = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text
        return read if isinstance(read, str) else text
    return text
