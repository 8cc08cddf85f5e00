# SPDX-License-Identifier: Apache-2.0
"""The fields of a JSON document, and the document of an entry that commits to each of them by itself.

Input is a JSON document (``fields_of``), or what somebody was shown of one. ``anchor.proof.disclosure`` is the file
that shows some of them (docs/spec/fields.md).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from anchor.proof.codec import HASH_SIZE, exactly, fits
from anchor.proof.errors import MalformedError, TooLargeError
from anchor.proof.merkle import leaf_hash
from anchor.proof.strictjson import MAX_DEPTH, Number, dumps, loads
from anchor.proof.strictjson import Fields as JsonFields

FORMAT = "anchorline-fields/1"
MEDIA_TYPE = "application/vnd.anchorline.fields+json"
MAX_DOCUMENT = 4096
MAX_FIELDS = 4096
SALT_SIZE = 16
"""128 bits, as RFC 9901 (section 9.3) asks of the salt of a disclosure."""
FIELD_LEAF = 0x32
"""First byte of the leaves; no leaf of another tree begins so."""
MAX_NAME = 4096
MAX_VALUE = 1 << 20
_MEMBER, _ELEMENT = 0, 1

Place = tuple[str | int, ...]
"""Where a field stands: names of members, and places of elements of arrays from 0, from the outside in."""


class ValueKind(IntEnum):
    """What a field has; objects and arrays are fields only where they are empty."""

    NULL = 0
    FALSE = 1
    TRUE = 2
    NUMBER = 3
    STRING = 4
    OBJECT = 5
    ARRAY = 6

    @property
    def word(self) -> str:
        """The word for it in a disclosure."""
        return self.name.lower()


WITH_TEXT = frozenset({ValueKind.NUMBER, ValueKind.STRING})
"""Of the others there is only one value each."""
KINDS = {kind.word: kind for kind in ValueKind}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a JSON document: its place and its value.

    ``text`` is the number as it is written, or the string without quotes and escapes; empty for the other kinds.
    """

    place: Place
    kind: ValueKind
    text: str = ""

    @property
    def pointer(self) -> str:
        """The place as a JSON Pointer (RFC 6901)."""
        return pointer_of(self.place)

    def leaf(self, salt: bytes) -> bytes:
        """Return the leaf that commits to the field, as docs/spec/fields.md lays it out; MalformedError."""
        value = self.text.encode()
        if len(value) > MAX_VALUE:
            raise TooLargeError(f"{self.pointer[:80]!r}: expected a value of at most {MAX_VALUE} bytes")
        if self.kind == ValueKind.NUMBER:
            Number(self.text)
        elif self.kind != ValueKind.STRING and self.text:
            raise MalformedError(f"{self.pointer[:80]!r}: {self.kind.word} has no text, found {self.text[:40]!r}")
        steps = [_encoded_step(step) for step in self.place]
        if len(steps) > MAX_DEPTH:
            raise TooLargeError(f"{self.pointer[:80]!r}: expected at most {MAX_DEPTH} levels of nesting")
        head = bytes((FIELD_LEAF,)) + exactly(salt, SALT_SIZE, "salt of a field") + bytes((len(steps),))
        return b"".join((head, *steps, bytes((self.kind,)), value))

    def hash(self, salt: bytes) -> bytes:
        """Return the leaf hash (RFC 9162 section 2.1.1)."""
        return leaf_hash(self.leaf(salt))


@dataclass(frozen=True, slots=True)
class FieldsDocument:
    """What is recorded in the place of a JSON document: how many fields it has, and the root of the tree over them."""

    fields: int
    root: bytes

    def encode(self) -> bytes:
        """Return the only form of these values."""
        return dumps({"format": FORMAT, "fields": self.fields, "root": self.root.hex()}).encode()

    @classmethod
    def decode(cls, data: bytes) -> "FieldsDocument":
        """Read a document; raise MalformedError unless it is the form that ``encode`` writes."""
        fields = JsonFields(loads(data, "document of fields", MAX_DOCUMENT), "document of fields")
        fields.format(FORMAT)
        made = cls(fields.integer("fields"), fields.hex("root", exact=HASH_SIZE))
        fields.end()
        if not 1 <= made.fields <= MAX_FIELDS:
            raise MalformedError(f"document of fields: expected 1 to {MAX_FIELDS} fields, got {made.fields}")
        if made.encode() != data:
            raise MalformedError("document of fields: its values are written in another form than the only one")
        return made


def fields_of(value: Any) -> Iterator[Field]:
    """Yield the fields of a JSON value as ``strictjson.loads_as_written`` gives it, in their order there."""
    return _fields_below(value, ())


def pointer_of(place: Place) -> str:
    """Return a place as a JSON Pointer: ~ is ~0 and / is ~1 in names (RFC 6901, section 3)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in place)


def check_places(places: Iterable[Place]) -> None:
    """Raise MalformedError unless one JSON document can have all of these fields.

    None stands twice, none is below another, and what is below one place is all members or all elements.
    """
    taken: set[Place] = set()
    inner: dict[Place, bool] = {}
    for place in places:
        if place in taken:
            raise MalformedError(f"fields: {pointer_of(place)[:80]!r} is shown twice")
        taken.add(place)
        for depth, step in enumerate(place):
            is_element = isinstance(step, int)
            if inner.setdefault(place[:depth], is_element) != is_element:
                raise MalformedError(f"fields: {pointer_of(place[:depth])[:80]!r} is shown as an object and an array")
    for place in taken & inner.keys():
        raise MalformedError(f"fields: {pointer_of(place)[:80]!r} is shown as a value, and as what holds others")


def _fields_below(value: Any, place: Place) -> Iterator[Field]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _fields_below(item, (*place, name))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _fields_below(item, (*place, index))
    else:
        yield Field(place, *_kind_and_text(value))


def _kind_and_text(value: Any) -> tuple[ValueKind, str]:
    match value:
        case None:
            return ValueKind.NULL, ""
        case bool():
            return (ValueKind.TRUE if value else ValueKind.FALSE), ""
        case Number(text):
            return ValueKind.NUMBER, text
        case str():
            return ValueKind.STRING, value
        case dict():
            return ValueKind.OBJECT, ""
        case list():
            return ValueKind.ARRAY, ""
    raise TypeError(f"expected a value of loads_as_written, got {type(value).__name__}")


def _encoded_step(step: str | int) -> bytes:
    if isinstance(step, int):
        return bytes((_ELEMENT,)) + fits(step, 4, "place in an array")
    name = step.encode()
    if len(name) > MAX_NAME:
        raise TooLargeError(f"name {step[:40]!r}: expected at most {MAX_NAME} bytes, got {len(name)}")
    return bytes((_MEMBER,)) + fits(len(name), 2, "length of a name") + name
