# SPDX-License-Identifier: Apache-2.0
"""A strict reader for big-endian binary formats, and the hash that everything here uses.

Input is bytes from a receipt or a database row. The formats beside this file (entry, leaves, promise) read
through it, so that each knows its limits before it reads and none leaves trailing bytes behind.
"""

import hashlib
from collections.abc import Iterable
from struct import Struct
from struct import error as struct_error
from typing import Any

from anchor.proof.cursor import Cursor
from anchor.proof.errors import MalformedError

HASH_SIZE = 32


def sha256(data: bytes) -> bytes:
    """Return the 32-byte SHA-256 of ``data`` (FIPS 180-4)."""
    return hashlib.sha256(data).digest()


def sha256_each(messages: Iterable[bytes], prefix: bytes = b"") -> list[bytes]:
    """Return the SHA-256 of ``prefix`` ‖ message of each message, in order.

    A copy of a hash that has taken the prefix costs less than a new one that takes it again.
    """
    begun = hashlib.sha256(prefix).copy
    digests = []
    for message in messages:
        hasher = begun()
        hasher.update(message)
        digests.append(hasher.digest())
    return digests


def index_in(hashes: bytes | bytearray, wanted: bytes) -> int | None:
    """Return which of flat hashes is the wanted one, or None."""
    at = hashes.find(wanted)
    while at >= 0 and at % HASH_SIZE:
        at = hashes.find(wanted, at + 1)
    return None if at < 0 else at // HASH_SIZE


class Reader(Cursor):
    """Reads one value after the other from ``data``; every method raises MalformedError where bytes lack."""

    __slots__ = ()

    def unsigned(self, size: int) -> int:
        """Return the next ``size`` bytes as a big-endian unsigned integer."""
        return int.from_bytes(self.take(size), "big")

    def unpack(self, layout: Struct) -> tuple[Any, ...]:
        """Return the values of the next bytes, which are laid out as ``layout`` says."""
        start = self.at
        end = start + layout.size
        if end > len(self.data):
            raise MalformedError(self._lacking(layout.size, ""))
        self.at = end
        return layout.unpack_from(self.data, start)

    def prefixed(self, size: int) -> bytes:
        """Return bytes that a big-endian length of ``size`` bytes precedes."""
        return self.take(self.byte() if size == 1 else self.unsigned(size))

    def _too_large(self, limit: int, size: int) -> str:
        return f"{self.what}: expected at most {limit} bytes, got {size}"

    def _lacking(self, count: int, _what: str) -> str:
        return f"{self.what}: expected {count} bytes at offset {self.at}, only {self.left()} left"

    def _trailing(self) -> str:
        return f"{self.what}: {self.left()} bytes too many at offset {self.at}"


def hash_from_hex(text: str, what: str, size: int = HASH_SIZE) -> bytes:
    """Return ``size`` bytes from lower-case hex, as every JSON format here writes them."""
    value = bytes_from_hex(text, what)
    if len(value) != size:
        raise MalformedError(f"{what}: expected {size} bytes in hex, got {len(value)}")
    return value


def bytes_from_hex(text: str, what: str) -> bytes:
    """Return the bytes of a lower-case hex string (design section 3.5: ``^([0-9a-f]{2})*$``)."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    # ``fromhex`` also takes capitals and spaces: only what is written back as it came is the one form of its bytes.
    if value.hex() != text:
        raise MalformedError(f"{what}: expected lower-case hex digits in pairs, got {text[:40]!r}")
    return value


def fits(value: int, size: int, what: str) -> bytes:
    """Return ``value`` as ``size`` big-endian bytes, or raise MalformedError where it does not fit."""
    if not 0 <= value < 1 << (8 * size):
        raise MalformedError(f"{what}: expected 0 to {(1 << (8 * size)) - 1}, got {value}")
    return value.to_bytes(size, "big")


def pack(layout: Struct, what: str, *values: int | bytes) -> bytes:
    """Return ``values`` as ``layout`` says; MalformedError for a number that does not fit.

    Bytes of another size are cut or filled without a word: call ``exactly`` for each before.
    """
    try:
        return layout.pack(*values)
    except struct_error as error:
        raise MalformedError(f"{what}: expected numbers that fit: {error}") from error


def exactly(value: bytes, size: int, what: str) -> bytes:
    """Return ``value``, which must have ``size`` bytes."""
    if len(value) != size:
        raise MalformedError(f"{what}: expected {size} bytes, got {len(value)}")
    return value
