"""DER, as much of it as time stamps and certificates need: values with their tags, read strictly, and written (X.690).

Bytes come from authorities and from strangers' receipts. ``anchor.timestamp_token`` walks tokens with it,
``anchor.certificates`` certificates; signatures are left to libraries.
"""

from dataclasses import dataclass

from anchor.proof.errors import MalformedError

INTEGER = 0x02
BITS = 0x03
OCTETS = 0x04
OID = 0x06
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31
CONTEXT_0 = 0xA0
"""[0], constructed: EXPLICIT, or IMPLICIT of a SET or SEQUENCE."""
CONTEXT_3 = 0xA3
_LONG = 0x80
_MAX_LENGTH_BYTES = 4
"""Nothing here is longer than a token (64 KiB); a longer length is refused before it is read."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value: its tag (one byte), its content, and itself as it was encoded."""

    tag: int
    content: bytes
    encoded: bytes

    def items(self) -> tuple["Value", ...]:
        """Return the values inside a constructed one; raise MalformedError where they do not fill it."""
        found, at = [], 0
        while at < len(self.content):
            found.append(_read(self.content, at))
            at += len(found[-1].encoded)
        return tuple(found)

    def expect(self, tag: int) -> "Value":
        """Return this value, which must have a tag."""
        if self.tag != tag:
            raise MalformedError(f"DER: expected a value with tag {tag:#04x}, found {self.tag:#04x}")
        return self


def read(data: bytes) -> Value:
    """Read exactly one value; raise MalformedError for anything else, bytes behind it included."""
    value = _read(data, 0)
    if len(value.encoded) != len(data):
        raise MalformedError(f"DER: {len(data) - len(value.encoded)} bytes too many behind the value")
    return value


def items_of(value: Value, tag: int, least: int) -> tuple[Value, ...]:
    """Return the values inside a constructed one that must have a tag and at least so many of them."""
    found = value.expect(tag).items()
    if len(found) < least:
        raise MalformedError(f"DER: expected at least {least} values inside tag {tag:#04x}, found {len(found)}")
    return found


def write(tag: int, *parts: bytes) -> bytes:
    """Return a value with this tag whose content is the parts one after the other."""
    content = b"".join(parts)
    if len(content) < _LONG:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, _LONG | len(length)]) + length + content


def _read(data: bytes, start: int) -> Value:
    if len(data) < start + 2:
        raise MalformedError("DER: expected a tag and a length, found the end")
    tag, at = data[start], start + 2
    length = data[start + 1]
    if tag & 0x1F == 0x1F:
        raise MalformedError("DER: tags of more than one byte are not used here")
    if length >= _LONG:
        count = length - _LONG
        digits = data[at : at + count]
        length, at = int.from_bytes(digits, "big"), at + count
        if not 0 < count <= _MAX_LENGTH_BYTES or len(digits) < count or digits[0] == 0 or length < _LONG:
            raise MalformedError("DER: expected a length in its shortest form")
    if at + length > len(data):
        raise MalformedError(f"DER: expected {length} bytes, only {len(data) - at} left")
    return Value(tag, data[at : at + length], data[start : at + length])
