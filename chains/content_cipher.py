"""What is kept beside entries as it lies in the database: each item under the key of its own entry.

``chains.bundle`` writes and reads its rows through here; keys come from ``chains.content_keys``. AES-256-GCM (NIST SP
800-38D) with a nonce of 12 random bytes for each row, and the entry's seq as associated data.
"""

from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chains.content_keys import DESTROYED

NONCE_SIZE = 12
ERASED = b"\xe0"
"""Stands in a row, and in what is read from it, where an item was erased."""
UNREADABLE = b"\xe1"
"""Stands in what is read where the key of an item is not here."""
DAMAGED = b"\xe2"
"""Stands in what is read where an item is not what was written under its key."""


def sealed(keys: Sequence[bytes], nonce: bytes, first_seq: int, items: Sequence[bytes]) -> list[bytes]:
    """Return each item under its key; an empty one (nothing is kept) stays empty."""
    return [
        AESGCM(key).encrypt(nonce, item, seq.to_bytes(8, "big")) if item else b""
        for seq, (key, item) in enumerate(zip(keys, items, strict=True), first_seq)
    ]


def unsealed(keys: Sequence[bytes | None], nonce: bytes, first_seq: int, items: Sequence[bytes]) -> list[bytes]:
    """Return what ``sealed`` was given; ``ERASED`` where an item or its key was destroyed, or why it cannot be read."""
    return [_one(key, nonce, seq, item) for seq, (key, item) in enumerate(zip(keys, items, strict=True), first_seq)]


def _one(key: bytes | None, nonce: bytes, seq: int, item: bytes) -> bytes:
    if item in (b"", ERASED):
        return item
    if key == DESTROYED:
        return ERASED
    if key is None:
        return UNREADABLE
    try:
        return AESGCM(key).decrypt(nonce, item, seq.to_bytes(8, "big"))
    except InvalidTag:
        return DAMAGED
