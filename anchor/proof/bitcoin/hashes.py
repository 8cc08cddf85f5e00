# SPDX-License-Identifier: Apache-2.0
"""Bitcoin's double hash, and the two orders in which a hash is written.

Input is bytes in internal order, or the hex in display order that explorers and RPCs show. Everything in this folder
and ``anchor.bitcoin`` stands on it.
"""

import hashlib
import re

from anchor.proof.errors import MalformedError

HASH_SIZE = 32
_HASH_HEX = re.compile(r"[0-9a-f]{64}")


def sha256d(data: bytes) -> bytes:
    """Return SHA-256 of SHA-256 of ``data``: 32 bytes, the hash of transactions, tree nodes and headers."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def hash_hex(internal: bytes) -> str:
    """Return a hash (32 bytes, internal order) as explorers and RPCs write it: reversed, in hex.

    Raises MalformedError for another length.
    """
    check_hash(internal, "a hash")
    return internal[::-1].hex()


def hash_from_hex(display: str) -> bytes:
    """Return the 32 bytes, in internal order, of a hash in display order (64 lower-case hex digits).

    Raises MalformedError for any other text.
    """
    if not _HASH_HEX.fullmatch(display):
        raise MalformedError(f"expected a hash of 64 lower-case hex digits, found {display[:80]!r}")
    return bytes.fromhex(display)[::-1]


def check_hash(value: bytes, what: str) -> None:
    """Raise MalformedError for ``what`` that has not the 32 bytes of a hash."""
    if len(value) != HASH_SIZE:
        raise MalformedError(f"expected {what} of {HASH_SIZE} bytes, found {len(value)}")
