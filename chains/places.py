"""Where two versions of a content differ: places in text, tables and documents, and what stood there, shown safely.

``chains.difference`` and its neighbours make these values; ``anchorline verify`` prints them, also as JSON.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

SHOWN_CHARACTERS = 60
"""So much of a changed value is shown; a terminal's line has room for two."""


class What(StrEnum):
    """How a place differs."""

    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a content, as far as it has one; all counts are from 1, as editors and spreadsheets show them.

    ``line`` and ``character`` are those of the text at hand; ``row`` counts the records of a CSV, with its header;
    ``pointer`` is a JSON pointer (RFC 6901), which is empty for the whole document.
    """

    line: int | None = None
    character: int | None = None
    row: int | None = None
    column: int | None = None
    column_name: str | None = None
    pointer: str | None = None

    def words(self) -> str:
        """Return the place in words, safe to print."""
        if self.pointer is not None:
            return f"field {printable(self.pointer)}" if self.pointer else "the whole document"
        words = [f"{name} {value}" for name, value in (("line", self.line), ("row", self.row)) if value is not None]
        if self.column is not None:
            name = "" if self.column_name is None else f" ({printable(self.column_name)})"
            words.append(f"column {self.column}{name}")
        if self.character is not None:
            words.append(f"character {self.character}")
        return ", ".join(words)

    def to_json(self) -> dict[str, Any]:
        """Return what is known of the place."""
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Change:
    """One place that differs: what was recorded there, and what stands there now; both are safe to print, and short."""

    what: What
    place: Place
    was: str | None = None
    now: str | None = None

    def words(self) -> str:
        """Return the change as one line for people."""
        values = {
            What.CHANGED: f'was "{self.was}", is "{self.now}"',
            What.ADDED: f'added "{self.now}"',
            What.REMOVED: f'removed "{self.was}"',
        }
        return f"{self.place.words()}: {values[self.what]}"

    def to_json(self) -> dict[str, Any]:
        """Return the change as ``--json`` shows it."""
        values = {"was": self.was, "now": self.now}
        return {"what": str(self.what), **self.place.to_json()} | {
            name: value for name, value in values.items() if value is not None
        }


def printable(text: str) -> str:
    """Return a stranger's text without anything that a terminal obeys; every escape begins with a backslash.

    Control characters, separators other than the space, characters that turn the direction of writing, and bytes that
    are no UTF-8 (lone surrogates, PEP 383) are escaped; so is the backslash.
    """
    return "".join(_escaped(character) for character in text)


def shown(value: bytes | str) -> str:
    """Return the beginning of a value, safe to print; three dots say that there is more."""
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
    cut = printable(text[:SHOWN_CHARACTERS])
    return cut + "..." if len(text) > SHOWN_CHARACTERS else cut


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
