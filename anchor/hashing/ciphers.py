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
    """Each item has a key and a nonce, and as associated data a number, eight bytes big-endian.

    An empty item stays empty. Raises ValueError where keys, nonces, numbers and items are not as many, or keys or
    nonces have another length.
    """

    name = "cryptography, one item at a time"

    def encrypt(self, keys: Pieces, nonces: Pieces, numbers: Sequence[int], data: bytes, sizes: Sequence[int]) -> bytes:
        """Return the ciphertexts, each with its tag, of the items that stand one behind the other in ``data``."""
        check_row(keys, nonces, numbers, sizes)
        check_sizes(data, sizes)
        items = (data[start:end] for start, end in pairwise(accumulate(sizes, initial=0)))
        return b"".join(
            AESGCM(key).encrypt(nonce, item, number.to_bytes(8, "big")) if item else b""
            for key, nonce, number, item in zip(keys, nonces, numbers, items, strict=True)
        )

    def decrypt(
        self, keys: Pieces, nonces: Pieces, numbers: Sequence[int], items: Sequence[bytes]
    ) -> Sequence[bytes | None]:
        """Return what was encrypted; None for an item that is not what was encrypted so."""
        check_row(keys, nonces, numbers, items)
        return [
            _opened(key, nonce, number, item)
            for key, nonce, number, item in zip(keys, nonces, numbers, items, strict=True)
        ]


def check_row(keys: Pieces, nonces: Pieces, numbers: Sequence[int], items: Sequence[object]) -> None:
    """Raise ValueError unless there are as many of all as items, of the sizes that they must have."""
    counts = {len(keys), len(nonces), len(numbers), len(items)}
    if (keys.size, nonces.size) != (KEY_SIZE, NONCE_SIZE) or len(counts) != 1:
        raise ValueError(
            f"expected a key of {KEY_SIZE} bytes, a nonce of {NONCE_SIZE} and a number for each of {len(items)} items, "
            f"got {len(keys)} keys of {keys.size}, {len(nonces)} nonces of {nonces.size} and {len(numbers)} numbers"
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
