"""What an examination of a log finds: one value a finding, how bad it is, and what the whole comes to; pure.

``chains.doctor`` and the checks behind it make findings; ``anchorline doctor`` prints them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    NOT_CHECKED = "not checked"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: ``found`` is a sentence for people, ``advice`` what to do (empty where nothing is)."""

    check: str
    level: Level
    found: str
    advice: str = ""


def ok(check: str, found: str) -> Finding:
    """Return a finding of something that is as it should be."""
    return Finding(check, Level.OK, found)


def not_checked(check: str, why: str) -> Finding:
    """Return a finding that says why there is none."""
    return Finding(check, Level.NOT_CHECKED, why)


def warning(check: str, found: str, advice: str) -> Finding:
    """Return a finding that somebody should look at in the next days."""
    return Finding(check, Level.WARNING, found, advice)


def error(check: str, found: str, advice: str) -> Finding:
    """Return a finding because of which the log does not work, or soon will not."""
    return Finding(check, Level.ERROR, found, advice)


def worst_of(findings: Sequence[Finding]) -> Level:
    """Return what the findings come to; what was not checked makes nothing worse, and nothing better."""
    levels = {finding.level for finding in findings}
    return next(level for level in (Level.ERROR, Level.WARNING, Level.OK, Level.NOT_CHECKED) if level in levels)
