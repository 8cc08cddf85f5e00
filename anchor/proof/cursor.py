# SPDX-License-Identifier: Apache-2.0
"""A position in bytes that came from elsewhere, on which every reader of a binary format here stands.

Input is bytes and the limit that a format gives them. ``anchor.proof.codec`` reads big-endian formats with it,
``anchor.proof.bitcoin.integers`` Bitcoin's, ``anchor.proof.leb128`` those of OpenTimestamps.
"""

from anchor.proof.errors import MalformedError, TooLargeError


class Cursor:
    """Takes one piece after the other from ``data``; a length is compared with what is left before it is used.

    Each format words its refusals in the three methods below ``end``; what is refused is the same for all.
    """

    __slots__ = ("at", "data", "what")

    def __init__(self, data: bytes, what: str, limit: int) -> None:
        """Stand at the first byte of ``what``; raise TooLargeError for more than ``limit`` bytes."""
        self.what = what
        if len(data) > limit:
            raise TooLargeError(self._too_large(limit, len(data)))
        self.data = data
        self.at = 0

    def byte(self, what: str = "") -> int:
        """Return the next byte, which is ``what``, as a number; raise MalformedError where none is left."""
        at = self.at
        if at >= len(self.data):
            raise MalformedError(self._lacking(1, what))
        self.at = at + 1
        return self.data[at]

    def take(self, count: int, what: str = "") -> bytes:
        """Return the next ``count`` bytes, which are ``what``; raise MalformedError where they lack."""
        start = self.at
        end = start + count
        if end > len(self.data):
            raise MalformedError(self._lacking(count, what))
        self.at = end
        return self.data[start:end]

    def left(self) -> int:
        """Return how many bytes are left."""
        return len(self.data) - self.at

    def end(self) -> None:
        """Refuse trailing bytes with MalformedError."""
        if self.at != len(self.data):
            raise MalformedError(self._trailing())

    def _too_large(self, limit: int, size: int) -> str:
        return f"expected {self.what} of at most {limit} bytes, found {size}"

    def _lacking(self, count: int, what: str) -> str:
        return f"expected {count} bytes of {what} at byte {self.at}, found {len(self.data) - self.at}"

    def _trailing(self) -> str:
        return f"expected the end at byte {self.at}, found {len(self.data) - self.at} bytes more"
