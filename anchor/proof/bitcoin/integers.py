# SPDX-License-Identifier: Apache-2.0
"""Bitcoin's integers: their ranges, little-endian, and lengths of one to nine bytes (serialize.h, CompactSize).

Input is the bytes of a transaction or a header, or what is to stand in one. The files beside this one read and write
with it; only the shortest form of a length is read, because only that is written.
"""

from anchor.proof.cursor import Cursor
from anchor.proof.errors import MalformedError

MAX_U32 = 0xFFFFFFFF
MAX_U64 = 0xFFFFFFFFFFFFFFFF
# The first byte of a longer form: how many bytes follow, and the least number that needs them.
_LONGER = {0xFD: (2, 0xFD), 0xFE: (4, 0x10000), 0xFF: (8, 0x100000000)}


class TransactionCursor(Cursor):
    """Reads what a transaction is made of."""

    __slots__ = ()

    def number(self, count: int, what: str) -> int:
        """Return the next ``count`` bytes as a little-endian unsigned integer."""
        return int.from_bytes(self.take(count, what), "little")

    def compact_size(self, what: str) -> int:
        """Return the next length or number of ``what``; raise MalformedError where it is not in its shortest form."""
        first = self.byte(what)
        if first < 0xFD:
            return first
        width, least = _LONGER[first]
        value = self.number(width, what)
        if value < least:
            raise MalformedError(
                f"expected the length or number of {what} in its shortest form, found {value} in {width + 1} bytes"
            )
        return value

    def count(self, least_size: int, what: str) -> int:
        """Return the number of things that follow, each of at least ``least_size`` bytes, which must be there."""
        value = self.compact_size(what)
        left = len(self.data) - self.at
        if value * least_size > left:
            raise MalformedError(f"expected {value} {what} after byte {self.at}, found only {left} bytes")
        return value

    def sized(self, what: str) -> bytes:
        """Return bytes that their length precedes."""
        return self.take(self.compact_size(what), what)

    def _trailing(self) -> str:
        return f"expected a transaction without witness of {self.at} bytes, found {self.left()} more after it"


def encode_compact_size(value: int) -> bytes:
    """Return a length below 2^32 in its shortest form; no transaction is longer (4,000,000 bytes, BIP 141)."""
    if value < 0xFD:
        return value.to_bytes(1, "little")
    if value <= 0xFFFF:
        return b"\xfd" + value.to_bytes(2, "little")
    return b"\xfe" + value.to_bytes(4, "little")


def with_length(data: bytes) -> bytes:
    """Return ``data`` with its length in front."""
    return encode_compact_size(len(data)) + data


def signed(four: bytes) -> int:
    """Return the i32 that little-endian bytes mean."""
    return int.from_bytes(four, "little", signed=True)


def check_range(value: int, least: int, most: int, what: str) -> None:
    """Raise MalformedError for a value below ``least`` or above ``most``."""
    if not least <= value <= most:
        raise MalformedError(f"expected {what} from {least} to {most}, found {value}")
