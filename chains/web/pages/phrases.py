"""How pages word what they show: numbers, times, sizes and states, in English and in UTC. Pure.

Values come from the database and from what the API shows; the templates use these functions as filters.
"""

import re
from datetime import UTC, datetime

from anchor.journal import Attempt
from anchor.lifecycle import State

_UNITS = ("bytes", "KiB", "MiB", "GiB")
_BEYOND_UTC = "after the year 9999"
_MOST_MS = 253_402_300_799_999
"""The last millisecond that a date with four digits of a year can name."""


def number(value: int) -> str:
    """Return a whole number with a comma between thousands: 12,345."""
    return f"{value:,}"


def counted(value: int, one: str, several: str = "") -> str:
    """Return a number with its noun: 1 entry, 2 entries."""
    return f"{number(value)} {one if value == 1 else several or one + 's'}"


def size(value: int) -> str:
    """Return a number of bytes in the unit that people read: 17 bytes, 1.5 KiB."""
    if value < 1024:
        return counted(value, "byte")
    amount, unit = float(value), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:,.1f} {_UNITS[unit]}"


def utc(at_ms: int) -> str:
    """Return a time for people: 2026-11-22 20:48:11 UTC."""
    if at_ms > _MOST_MS:
        return _BEYOND_UTC
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def iso(at_ms: int) -> str:
    """Return a time for programs (RFC 3339): 2026-11-22T20:48:11Z."""
    if at_ms > _MOST_MS:
        return ""
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


STATES = {
    State.BUILT: ("Being prepared", "waits"),
    State.BROADCAST: ("Sent to Bitcoin, not in a block yet", "waits"),
    State.SEEN: ("Waiting for a block", "waits"),
    State.CONFIRMED: ("In a block, not deep enough yet", "waits"),
    State.FINAL: ("Anchored", "holds"),
    State.REPLACED: ("Replaced by another version", "past"),
    State.REORGED: ("Its block is gone: sent again", "waits"),
    State.VOID: ("Void: what it was built on was replaced", "past"),
}
"""Each state of an anchor in plain words, and its kind: what holds, what waits, what is past."""


def confirmations(height: int, tip_height: int | None) -> int | None:
    """Return how many confirmations a block of this height has, counted from 1; None where the tip is not known."""
    return None if tip_height is None else max(1, tip_height - height + 1)


def standing(attempt: Attempt, tip_height: int | None) -> str:
    """Return where an anchor stands in one phrase: anchored in block 12,345, 7 confirmations."""
    block = attempt.standing.block
    if block is None:
        return STATES[attempt.state][0]
    words = "Anchored in block" if attempt.state is State.FINAL else "In block"
    count = confirmations(block.height, tip_height)
    return f"{words} {number(block.height)}" + ("" if count is None else f", {counted(count, 'confirmation')}")


VISIBILITY = {
    "public": "Public: everybody may read it",
    "members": "For members: every organisation of this service may read it",
    "private": "Private: its owner, and whom he grants it",
}

_UNUSUAL = re.compile(r"[^ -~\n\t]")


def visible(text: str) -> str:
    """Return a stranger's text with every character that does not show, or turns the line, as its code point.

    Line ends and tabs stay; what turns the direction of writing, and what is no character, would deceive a reader.
    """
    return _UNUSUAL.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    return found[0] if found[0].isprintable() else f"\u27e8U+{ord(found[0]):04X}\u27e9"


def visibility(value: str, *, short: bool = False) -> str:
    """Return who may read a chain, in a sentence or in its first words."""
    words = VISIBILITY[value]
    return words.partition(":")[0] if short else words
