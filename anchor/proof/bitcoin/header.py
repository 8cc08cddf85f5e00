# SPDX-License-Identifier: Apache-2.0
"""Block headers: 80 bytes whose hash is the block's.

Input is the bytes that a receipt carries or a Bitcoin source delivered. ``work`` beside this file judges a header, and
whoever follows Bitcoin's chain reads it.
"""

from dataclasses import dataclass
from functools import cached_property
from struct import Struct

from anchor.proof.bitcoin.hashes import check_hash, sha256d
from anchor.proof.bitcoin.integers import MAX_U32, check_range
from anchor.proof.errors import MalformedError

# The fields in the order of the class, little-endian.
_LAYOUT = Struct("<i32s32sIII")
HEADER_SIZE = _LAYOUT.size


@dataclass(frozen=True)
class Header:
    """A block header: version (i32), hashes in internal order, time in seconds, compact target, nonce."""

    version: int
    previous: bytes
    merkle_root: bytes
    time_s: int
    bits: int
    nonce: int

    def __post_init__(self) -> None:
        check_range(self.version, -(1 << 31), (1 << 31) - 1, "a header's version")
        check_hash(self.previous, "the previous block's hash")
        check_hash(self.merkle_root, "a Merkle root")
        check_range(self.time_s, 0, MAX_U32, "a time")
        check_range(self.bits, 0, MAX_U32, "a compact target")
        check_range(self.nonce, 0, MAX_U32, "a nonce")

    def encode(self) -> bytes:
        """Return the 80 bytes whose hash is the block's."""
        return _LAYOUT.pack(self.version, self.previous, self.merkle_root, self.time_s, self.bits, self.nonce)

    @cached_property
    def hash(self) -> bytes:
        """The block's hash, 32 bytes in internal order: sha256d of ``encode()``."""
        return sha256d(self.encode())

    @classmethod
    def decode(cls, raw: bytes) -> "Header":
        """Read the 80 bytes that ``encode`` writes; raise MalformedError for another length."""
        if len(raw) != HEADER_SIZE:
            raise MalformedError(f"expected a block header of {HEADER_SIZE} bytes, found {len(raw)}")
        return cls(*_LAYOUT.unpack(raw))
