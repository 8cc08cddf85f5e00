# SPDX-License-Identifier: Apache-2.0
"""Strict JSON: the part of RFC 8259 on which Python and JavaScript agree, with limits checked before reading.

Input is a file from a stranger. The receipt, the promise and the log card are read through it; the rules are those
of design section 3.5, and each has a vector that the browser verifier runs too.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter
from struct import unpack
from typing import Any, NoReturn

from anchor.proof.codec import HASH_SIZE, bytes_from_hex, hash_from_hex
from anchor.proof.errors import MalformedError, TooLargeError, UnknownVersionError

MAX_DEPTH = 16
MAX_INTEGER = 2**53 - 1
MAX_NUMBER = 1024
"""Characters of a number that is kept as it is written."""
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# What a backslash begins; of a surrogate, half a character that must not stand alone, enough to know it for one.
_ESCAPE = re.compile(rb"\\(?:u[dD][89a-fA-F]|.)", re.DOTALL)
_SURROGATE_SIZE = 4
_ALL_OTHERS = bytes(set(range(256)) - set(b'"[]{}'))
_DEEPER = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_ABSENT = object()


def loads(data: bytes, what: str, limit: int) -> dict[str, Any]:
    """Return the object in ``data``: UTF-8 without BOM, at most ``limit`` bytes and 16 levels deep.

    Raises MalformedError for duplicate keys (after unescaping), floats, -0, integers beyond 2^53-1, lone
    surrogates, NaN and whatever else is not JSON.
    """
    value = _read(data, what, limit, _DECODER)
    if not isinstance(value, dict):
        raise MalformedError(f"{what}: expected a JSON object, found {type(value).__name__}")
    return value


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a JSON text as it is written there: ``1.10`` and ``1.1`` are two, and neither is ever rounded."""

    text: str

    def __post_init__(self) -> None:
        if len(self.text) > MAX_NUMBER or _NUMBER.fullmatch(self.text) is None:
            raise MalformedError(
                f"number: expected digits as RFC 8259 has them, at most {MAX_NUMBER} characters, got {self.text[:40]!r}"
            )


def loads_as_written(data: bytes, what: str, limit: int) -> Any:
    """Return any JSON value by the same rules, but with every number as a ``Number``: of any size, and fractions too.

    It is for documents of others, whose numbers are kept as they stand and never reckoned with.
    """
    return _read(data, what, limit, _AS_WRITTEN)


def _read(data: bytes, what: str, limit: int, decoder: json.JSONDecoder) -> Any:
    if len(data) > limit:
        raise TooLargeError(f"{what}: expected at most {limit} bytes, got {len(data)}")
    escapes = frozenset(map(itemgetter(0), _ESCAPE.finditer(data)))
    _check_depth(data, escapes, what)
    try:
        value = decoder.decode(data.decode("utf-8"))
    except MalformedError as error:
        raise MalformedError(f"{what}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"{what}: expected JSON in UTF-8: {error}") from error
    # The only way to a surrogate, since UTF-8 cannot hold one; two of them can make a character.
    if _SURROGATE_SIZE in map(len, escapes):
        _check_text(value, what)
    return value


def dumps(value: Mapping[str, Any]) -> str:
    """Return the object as indented ASCII JSON with a final newline; fields in the order given."""
    return json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


class Fields:
    """The fields of one JSON object, each taken once; ``end`` refuses what nobody took."""

    __slots__ = ("_left", "what")

    def __init__(self, value: Any, what: str) -> None:
        if not isinstance(value, (dict, Mapping)):
            raise MalformedError(f"{what}: expected an object, found {type(value).__name__}")
        self._left = dict(value)
        self.what = what

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str) -> Any:
        """Return a field's value as it is; a missing field is malformed."""
        value = self._left.pop(name, _ABSENT)
        if value is _ABSENT:
            self._refuse(name, value, "a value")
        return value

    def format(self, wanted: str) -> None:
        """Take the field ``format``, which must be ``wanted``; UnknownVersionError for another version of it."""
        found = self.text("format")
        if found == wanted:
            return
        if found.startswith(wanted.partition("/")[0] + "/"):
            raise UnknownVersionError(
                f"{self.what}: {found[:60]!r} was written by a newer Anchorline; this one reads {wanted!r}"
            )
        raise MalformedError(f"{self.what}: expected format {wanted!r}, found {found[:60]!r}")

    def text(self, name: str) -> str:
        """Return a string field."""
        value = self._left.pop(name, _ABSENT)
        if not isinstance(value, str):
            self._refuse(name, value, "a string")
        return value

    def integer(self, name: str) -> int:
        """Return an integer field, 0 to 2^53-1."""
        value = self._left.pop(name, _ABSENT)
        if type(value) is not int or not 0 <= value <= MAX_INTEGER:  # True is an int, too
            self._refuse(name, value, "an integer from 0 to 2^53-1")
        return value

    def array(self, name: str, maximum: int) -> list[Any]:
        """Return an array field with at most ``maximum`` items."""
        value = self._left.pop(name, _ABSENT)
        if not isinstance(value, list):
            self._refuse(name, value, "an array")
        if len(value) > maximum:
            raise TooLargeError(f"{self.what}.{name}: expected at most {maximum} items, found {len(value)}")
        return value

    def hex(self, name: str, *, maximum: int | None = None, exact: int | None = None) -> bytes:
        """Return the bytes of a hex field, at most ``maximum`` or exactly ``exact`` of them."""
        text = self._left.pop(name, _ABSENT)
        if not isinstance(text, str):
            self._refuse(name, text, "a string")
        where = f"{self.what}.{name}"
        if exact is not None:
            return hash_from_hex(text, where, exact)
        if maximum is not None and len(text) > 2 * maximum:
            raise TooLargeError(f"{where}: expected at most {maximum} bytes in hex, got {len(text) // 2}")
        return bytes_from_hex(text, where)

    def hashes(self, name: str, maximum: int) -> tuple[bytes, ...]:
        """Return an array of at most ``maximum`` hashes of 32 bytes in hex."""
        values = self.array(name, maximum)
        # All at once, since a receipt of a large log has hundreds: written back in groups of 32 bytes, they must be
        # what was read, and as many groups as there are strings.
        try:
            joined = " ".join(values)
            raw = bytes.fromhex(joined)
        except (TypeError, ValueError):
            joined, raw = "", b""
        if raw.hex(" ", HASH_SIZE) == joined and len(raw) == HASH_SIZE * len(values):
            return unpack(f"{HASH_SIZE}s" * len(values), raw)
        for value in values:
            if not isinstance(value, str):
                self._refuse(name, value, "strings of hex digits only")
        return tuple([hash_from_hex(value, f"{self.what}.{name}") for value in values])  # which refuses one of them

    def rest(self) -> dict[str, Any]:
        """Take all fields that are left, as they are."""
        left, self._left = self._left, {}
        return left

    def end(self) -> None:
        """Refuse fields that nobody took."""
        if self._left:
            raise MalformedError(f"{self.what}: unknown field {min(self._left)[:60]!r}")

    def _refuse(self, name: str, value: object, expected: str) -> NoReturn:
        if value is _ABSENT:
            raise MalformedError(f"{self.what}: expected a field {name!r}")
        found = f"{value!r:.40}" if isinstance(value, int) else type(value).__name__
        raise MalformedError(f"{self.what}.{name}: expected {expected}, found {found}")


def _check_depth(data: bytes, escapes: Set[bytes], what: str) -> None:
    """Count the brackets outside of strings, in time and memory linear in whatever a stranger sends.

    ``escapes`` are those that occur in ``data``.
    """
    if not escapes.isdisjoint((b'\\"', b"\\\\")):
        data = _ESCAPE.sub(b"", data)
    quotes_and_brackets = data.translate(None, _ALL_OTHERS)
    # Nothing is between two quotes, whether one string or two are around: taken out in pairs they change no side.
    outside = quotes_and_brackets.replace(b'""', b"").split(b'"')[::2]
    if max(accumulate(map(_DEEPER.__getitem__, b"".join(outside))), default=0) > MAX_DEPTH:
        raise TooLargeError(f"{what}: expected at most {MAX_DEPTH} levels of nesting")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    counts = Counter(name for name, _ in pairs)
    raise MalformedError(f"field {max(counts, key=counts.__getitem__)[:60]!r} occurs twice")


def _integer(digits: str) -> int:
    # The length first: Python is slow on very long integers, and refuses them with an error of its own. Not every
    # scanner of Python's takes 0 to 9 only (the one without C took any Unicode digit).
    if digits != "-0" and len(digits) <= 17 and digits.isascii():
        value = int(digits)
        if -MAX_INTEGER <= value <= MAX_INTEGER:
            return value
    raise MalformedError(f"expected an integer within ±(2^53-1) and no -0, found {digits[:40]}")


def _no_float(digits: str) -> float:
    raise MalformedError(f"expected integers only, found {digits[:40]}")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_no_float, parse_int=_integer, parse_constant=_no_float
)


_AS_WRITTEN = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=_no_float
)


def _check_text(value: Any, what: str) -> None:
    """Refuse lone surrogates, which JSON escapes can smuggle in."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise MalformedError(f"{what}: a string holds a lone surrogate") from error
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_text(name, what)
            _check_text(item, what)
    elif isinstance(value, list):
        for item in value:
            _check_text(item, what)
