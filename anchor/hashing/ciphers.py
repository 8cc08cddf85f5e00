"""AES-256-GCM (NIST SP 800-38D) of rows of items, each under a key of its own, with ``cryptography``.

``chains.content_cipher`` hands in what is kept beside entries. ``anchor.hashing.native_cipher`` does the same with one
call for a row where it can be had (``anchor.hashing.chosen_cipher``).
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from anchor.hashing.columns import KeptColumns
from anchor.hashing.pieces import Pieces
from anchor.hashing.plain import check_sizes

KEY_SIZE = 32
NONCE_SIZE = 12
TAG_SIZE = 16


class PlainCipher:
    """Each item has a key and a nonce, and as associated data a number, eight bytes big-endian: ``first_no`` and on.

    An empty item stays empty, whatever its key. Raises ValueError where keys, nonces and items are not as many, or keys
    or nonces have another length.
    """

    name = "cryptography, one item at a time"

    def encrypt(self, keys: Pieces, nonces: Pieces, first_no: int, data: bytes, sizes: Sequence[int]) -> bytes:
        """Return the ciphertexts, each with its tag, of the items that stand one behind the other in ``data``."""
        check_row(keys, nonces, first_no, sizes)
        check_sizes(data, sizes)
        items = (data[start:end] for start, end in pairwise(accumulate(sizes, initial=0)))
        return b"".join(
            AESGCM(key).encrypt(nonce, item, number.to_bytes(8, "big")) if item else b""
            for number, (key, nonce, item) in enumerate(zip(keys, nonces, items, strict=True), first_no)
        )

    def decrypt(self, keys: Pieces, nonces: Pieces, first_no: int, items: Sequence[bytes]) -> Sequence[bytes | None]:
        """Return what was encrypted; None for an item that is not what was encrypted so."""
        check_row(keys, nonces, first_no, items)
        return [
            _opened(key, nonce, number, item)
            for number, (key, nonce, item) in enumerate(zip(keys, nonces, items, strict=True), first_no)
        ]

    def opened(self, keys: Pieces, nonces: Pieces, first_no: int, data: bytes, sizes: Sequence[int]) -> bytes | None:
        """Return what was encrypted of items that stand one behind the other, in one; None unless all of it holds."""
        check_row(keys, nonces, first_no, sizes)
        check_sizes(data, sizes)
        items = [data[start:end] for start, end in pairwise(accumulate(sizes, initial=0))]
        found = self.decrypt(keys, nonces, first_no, items)
        return None if None in found else b"".join(item for item in found if item)

    def hashed(
        self,
        keys: Pieces,
        nonces: Pieces,
        first_no: int,
        data: bytes,
        sizes: Sequence[int],
        kinds: bytes,  # noqa: ARG002  # nothing is looked at here
    ) -> KeptColumns | None:
        """Return what ``PlainHashing.kept_columns`` makes of what ``opened`` returns, where this makes it at once.

        Else None, as where not all of it holds or is alike: then open it, and see.
        """
        check_row(keys, nonces, first_no, sizes)
        check_sizes(data, sizes)
        return None


def check_row(keys: Pieces, nonces: Pieces, first_no: int, items: Sequence[object]) -> None:
    """Raise ValueError unless there are as many of all as items, of the sizes that they must have."""
    if (keys.size, nonces.size) != (KEY_SIZE, NONCE_SIZE) or not len(keys) == len(nonces) == len(items):
        raise ValueError(
            f"expected a key of {KEY_SIZE} bytes and a nonce of {NONCE_SIZE} for each of {len(items)} items, "
            f"got {len(keys)} keys of {keys.size} and {len(nonces)} nonces of {nonces.size}"
        )
    if not 0 <= first_no <= (1 << 64) - len(items):
        raise ValueError(f"expected numbers of eight bytes, got {len(items)} from {first_no} on")


def _opened(key: bytes, nonce: bytes, number: int, item: bytes) -> bytes | None:
    if not item:
        return item
    try:
        return AESGCM(key).decrypt(nonce, item, number.to_bytes(8, "big"))
    except InvalidTag:
        return None
