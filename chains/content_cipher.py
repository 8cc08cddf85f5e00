"""What is kept beside entries as it lies in the database: each item under the key of its own entry.

``chains.bundle`` writes and reads its rows through here; keys come from ``chains.content_keys``. AES-256-GCM (NIST SP
800-38D) with a nonce of 12 random bytes for each row, and the entry's seq as associated data.
"""

from collections.abc import Sequence

from anchor.hashing.chosen_cipher import CIPHER
from anchor.hashing.ciphers import KEY_SIZE, NONCE_SIZE, TAG_SIZE
from anchor.hashing.columns import KeptColumns
from anchor.hashing.pieces import Pieces
from chains.content_keys import DESTROYED

__all__ = [
    "DAMAGED",
    "ERASED",
    "NONCE_SIZE",
    "UNREADABLE",
    "hashed_rows",
    "sealed",
    "sealed_sizes",
    "unsealed",
    "unsealed_rows",
    "unsealed_sizes",
]

ERASED = b"\xe0"
"""Stands in a row, and in what is read from it, where an item was erased."""
UNREADABLE = b"\xe1"
"""Stands in what is read where the key of an item is not here."""
DAMAGED = b"\xe2"
"""Stands in what is read where an item is not what was written under its key."""

_NO_KEY = bytes(KEY_SIZE)


def sealed(keys: Pieces, nonces: Pieces, first_seq: int, data: bytes, sizes: Sequence[int]) -> bytes:
    """Return the items that stand one behind the other in ``data``, each under its key; an empty one stays empty.

    ``nonces`` has that of its row for each item: many rows are encrypted at once.
    """
    return CIPHER.encrypt(keys, nonces, first_seq, data, sizes)


def sealed_sizes(sizes: Sequence[int]) -> list[int]:
    """Return how long items of these sizes are when ``sealed``."""
    return [size + TAG_SIZE if size else 0 for size in sizes]


def unsealed(keys: Sequence[bytes | None], nonce: bytes, first_seq: int, items: Sequence[bytes]) -> list[bytes]:
    """Return what ``sealed`` was given; ``ERASED`` where an item or its key was destroyed, or why it cannot be read."""
    found = [_unopened(key, item) for key, item in zip(keys, items, strict=True)]
    # What is not decrypted is empty there, under any key.
    left = [item if each is None else b"" for each, item in zip(found, items, strict=True)]
    row = Pieces.of([key or _NO_KEY for key in keys], KEY_SIZE), Pieces.cut(nonce * len(items), NONCE_SIZE)
    opened = (DAMAGED if each is None else each for each in CIPHER.decrypt(*row, first_seq, left))
    return [each if known is None else known for known, each in zip(found, opened, strict=True)]


def unsealed_rows(keys: Pieces, nonces: Pieces, first_seq: int, data: bytes, sizes: Sequence[int]) -> bytes | None:
    """Return what ``sealed`` was given where all of it can be read, in one; else None: ``unsealed`` says why."""
    return CIPHER.opened(keys, nonces, first_seq, data, sizes)


def hashed_rows(
    keys: Pieces, nonces: Pieces, first_seq: int, data: bytes, sizes: Sequence[int], kinds: bytes
) -> KeptColumns | None:
    """Return digests and commitments of what ``sealed`` was given, if it can be had without its bytes."""
    return CIPHER.hashed(keys, nonces, first_seq, data, sizes, kinds)


def unsealed_sizes(sizes: Sequence[int]) -> list[int]:
    """Return how long items of these sizes are when all of them are ``unsealed_rows``."""
    if 0 in sizes:
        return [size and size - TAG_SIZE for size in sizes]
    return [size - TAG_SIZE for size in sizes]


def _unopened(key: bytes | None, item: bytes) -> bytes | None:
    """Return what is read of an item without decrypting it, or None where it is to be decrypted."""
    if item in (b"", ERASED):
        return item
    if key == DESTROYED:
        return ERASED
    return UNREADABLE if key is None else None
