# SPDX-License-Identifier: Apache-2.0
"""Unsigned LEB128 integers, seven bits a byte and the lowest first, and bytes that such a length precedes.

Input is what stands in a file of OpenTimestamps, or is to stand there. ``anchor.proof.opentimestamps`` reads and
writes with it; only the shortest form of a number is read, because only that is written.
"""

from anchor.proof.cursor import Cursor
from anchor.proof.errors import MalformedError, TooLargeError

# Ten bytes hold 64 bits, as many as any number here has.
_MAX_SHIFT = 63


class Leb128Cursor(Cursor):
    """Reads numbers up to a limit of the caller's, and bytes with their length in front."""

    __slots__ = ()

    def number(self, most: int, what: str) -> int:
        """Return the next number; raise TooLargeError above ``most``, MalformedError for a longer form of it."""
        value, shift = 0, 0
        while True:
            byte = self.byte(what)
            value |= (byte & 0x7F) << shift
            if value > most or shift > _MAX_SHIFT:
                raise TooLargeError(f"expected {what} of at most {most}, found more")
            if byte < 0x80:
                break
            shift += 7
        if byte == 0 and shift:
            raise MalformedError(f"expected {what} in its shortest form, found {value} in {shift // 7 + 1} bytes")
        return value

    def sized(self, most: int, what: str) -> bytes:
        """Return at most ``most`` bytes that their length precedes."""
        return self.take(self.number(most, f"the length of {what}"), what)


def encode_number(value: int) -> bytes:
    """Return an unsigned integer in its shortest form."""
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def with_length(data: bytes) -> bytes:
    """Return ``data`` with its length in front."""
    return encode_number(len(data)) + data
