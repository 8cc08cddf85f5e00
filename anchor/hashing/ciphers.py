"""AES-256-GCM (NIST SP 800-38D) of rows of items, each under a key of its own, with ``cryptography``.

``chains.content_cipher`` hands in what is kept beside entries. ``anchor.hashing.native_cipher`` does the same with one
call for a row where it can be had (``anchor.hashing.chosen_cipher``).
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from anchor.hashing.pieces import Pieces
from anchor.hashing.plain import check_sizes

KEY_SIZE = 32
NONCE_SIZE = 12
TAG_SIZE = 16


class PlainCipher:
    """Each item has as associated data a number, eight bytes big-endian; all of a row have one nonce.

    An empty item stays empty. Raises ValueError where keys, numbers and items are not as many, or a key or nonce has
    another length.
    """

    name = "cryptography, one item at a time"

    def encrypt(self, keys: Pieces, nonce: bytes, numbers: Sequence[int], data: bytes, sizes: Sequence[int]) -> bytes:
        """Return the ciphertexts, each with its tag, of the items that stand one behind the other in ``data``."""
        check_row(keys, nonce, numbers, sizes)
        check_sizes(data, sizes)
        items = (data[start:end] for start, end in pairwise(accumulate(sizes, initial=0)))
        return b"".join(
            AESGCM(key).encrypt(nonce, item, number.to_bytes(8, "big")) if item else b""
            for key, number, item in zip(keys, numbers, items, strict=True)
        )

    def decrypt(
        self, keys: Pieces, nonce: bytes, numbers: Sequence[int], items: Sequence[bytes]
    ) -> Sequence[bytes | None]:
        """Return what was encrypted; None for an item that is not what was encrypted so."""
        check_row(keys, nonce, numbers, items)
        return [_opened(key, nonce, number, item) for key, number, item in zip(keys, numbers, items, strict=True)]


def check_row(keys: Pieces, nonce: bytes, numbers: Sequence[int], items: Sequence[object]) -> None:
    """Raise ValueError unless there are as many keys and numbers as items, of the sizes that they must have."""
    if keys.size != KEY_SIZE or len(nonce) != NONCE_SIZE or not len(keys) == len(numbers) == len(items):
        raise ValueError(
            f"expected a key of {KEY_SIZE} bytes and a number for each of {len(items)} items, and a nonce of "
            f"{NONCE_SIZE} bytes; got {len(keys)} keys of {keys.size}, {len(numbers)} numbers and {len(nonce)} bytes"
        )
    if numbers and not 0 <= min(numbers) <= max(numbers) < 1 << 64:
        raise ValueError(f"expected numbers of eight bytes, got {min(numbers)} to {max(numbers)}")


def _opened(key: bytes, nonce: bytes, number: int, item: bytes) -> bytes | None:
    if not item:
        return item
    try:
        return AESGCM(key).decrypt(nonce, item, number.to_bytes(8, "big"))
    except InvalidTag:
        return None
