"""Which fields of a JSON document differ, by their pointers (RFC 6901).

Input are two documents, which ``chains.difference`` read whole; numbers are compared as they are written, so that 1 and
1.0 differ, and a document that names a field twice is not taken for JSON.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chains.places import Change, Place, What, shown


class NotJsonError(ValueError):
    """A text is not a JSON document whose fields can be told apart."""


@dataclass(frozen=True, slots=True)
class _Number:
    """A number as it is written: never equal to a text or to true, as Python has it."""

    text: str


def json_changes(was: bytes, now: bytes) -> Iterator[Change]:
    """Yield the fields that were changed, added or removed; none where only the writing differs.

    Raises NotJsonError where one of the two is no JSON, at once.
    """
    documents = [_loaded(data) for data in (was, now)]
    return _changes("", *documents)


def _loaded(data: bytes) -> Any:
    try:
        return json.loads(
            data.decode("utf-8"),
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_Number,
            object_pairs_hook=_fields,
        )
    except (ValueError, RecursionError) as error:
        raise NotJsonError(str(error)) from error


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotJsonError("expected each field once")
    return found


def _changes(pointer: str, was: Any, now: Any) -> Iterator[Change]:
    if isinstance(was, dict) and isinstance(now, dict):
        yield from _changes_of_fields(pointer, was, now)
    elif isinstance(was, list) and isinstance(now, list):
        yield from _changes_of_items(pointer, was, now)
    elif was != now:
        yield Change(What.CHANGED, Place(pointer=pointer), _text(was), _text(now))


def _changes_of_fields(pointer: str, was: dict[str, Any], now: dict[str, Any]) -> Iterator[Change]:
    for name, value in was.items():
        below = f"{pointer}/{_token(name)}"
        if name in now:
            yield from _changes(below, value, now[name])
        else:
            yield Change(What.REMOVED, Place(pointer=below), was=_text(value))
    for name, value in now.items():
        if name not in was:
            yield Change(What.ADDED, Place(pointer=f"{pointer}/{_token(name)}"), now=_text(value))


def _changes_of_items(pointer: str, was: list[Any], now: list[Any]) -> Iterator[Change]:
    """Items are compared by their places, after what is alike at both ends is left out."""
    first = _alike(was, now)
    shorter = min(len(was), len(now))
    last = min(_alike(was[::-1], now[::-1]), shorter - first)
    for at in range(first, shorter - last):
        yield from _changes(f"{pointer}/{at}", was[at], now[at])
    for at in range(shorter - last, len(was) - last):
        yield Change(What.REMOVED, Place(pointer=f"{pointer}/{at}"), was=_text(was[at]))
    for at in range(shorter - last, len(now) - last):
        yield Change(What.ADDED, Place(pointer=f"{pointer}/{at}"), now=_text(now[at]))


def _alike(was: Sequence[Any], now: Sequence[Any]) -> int:
    """Return how many items at the beginning are alike."""
    pairs = zip(was, now, strict=False)
    return next((at for at, pair in enumerate(pairs) if pair[0] != pair[1]), min(len(was), len(now)))


def _token(name: str) -> str:
    """Return a name as a pointer has it (RFC 6901, section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def _text(value: Any) -> str:
    """Return a value as JSON writes it, safe to print and short."""
    return shown(_json(value))


def _json(value: Any) -> str:
    if isinstance(value, _Number):
        return value.text
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_json(name)}: {_json(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
