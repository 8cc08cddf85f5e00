"""Structured field values (RFC 9651) as far as requests here use them: lists of strings and byte sequences.

Header values come from ``chains.web.requests``; what is not well formed is refused whole.
"""

import base64
import binascii
import re
from dataclasses import dataclass

_ITEM = re.compile(
    rb"""[ \t]*(?:"(?P<text>(?:[ !#-\[\]-~]|\\["\\])*)"|:(?P<octets>[A-Za-z0-9+/=]*):)"""
    rb"(?P<parameters>(?:;[ ]*[a-z*][a-z0-9_.*-]*(?:=[A-Za-z0-9*:/.-]+)?)*)[ \t]*(?:,|$)"
)


@dataclass(frozen=True, slots=True)
class StructuredItem:
    """A string or a byte sequence, with its parameters as they stand."""

    value: bytes
    parameters: tuple[tuple[str, str], ...] = ()


def parse_list(field: bytes) -> list[StructuredItem]:
    """Return the items of a list (RFC 9651 sections 3.1, 3.3.3 and 3.3.5); raise ValueError for anything else."""
    items, at = [], 0
    while at < len(field):
        found = _ITEM.match(field, at)
        if found is None:
            raise ValueError("expected strings in double quotes, or byte sequences between colons")
        items.append(StructuredItem(_value(found), _parameters(found["parameters"])))
        at = found.end()
    if field.rstrip(b" \t").endswith(b","):
        raise ValueError("expected an item after the last comma")
    return items


def _value(found: "re.Match[bytes]") -> bytes:
    if found["text"] is not None:
        return re.sub(rb"\\(.)", rb"\1", found["text"])
    try:
        return base64.b64decode(found["octets"], validate=True)
    except binascii.Error as error:
        raise ValueError(f"a byte sequence is not base64: {error}") from error


def _parameters(text: bytes) -> tuple[tuple[str, str], ...]:
    pairs = [piece.strip().partition("=") for piece in text.decode().split(";")[1:]]
    return tuple((name, value or "1") for name, _, value in pairs)
