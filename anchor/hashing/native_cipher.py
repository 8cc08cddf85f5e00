"""AES-256-GCM of rows of items in native code: one call of C for a row, which goes on while Python's lock is free.

It is part of the extension that ``build_native.py`` describes, and uses the libcrypto that Python's own hashlib brought
into this process. Every length is checked here, before C sees a buffer.
"""

import hashlib
from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise

from anchor.hashing._native import ffi, lib
from anchor.hashing.ciphers import TAG_SIZE, PlainCipher, check_row
from anchor.hashing.columns import KeptColumns
from anchor.hashing.pieces import Pieces
from anchor.hashing.plain import check_sizes
from anchor.proof.codec import HASH_SIZE

# Beyond this a call for each item costs nothing beside its encryption, and a joined copy of the items only memory.
_LONGEST = 1 << 20
# hashlib's OpenSSL is in the process from here on, where Python was built with one that is a library of its own.
hashlib.new("sha256")
if not hasattr(lib, "cipher_library"):
    raise ImportError("the native module was built from other sources; install Anchorline again")
LIBRARY: str = ffi.string(lib.cipher_library()).decode()
"""How the libcrypto calls itself that is used here, "" where there is none."""


class NativeCipher(PlainCipher):
    """As ``PlainCipher``; raises ImportError where no libcrypto was found."""

    def __init__(self, *, portable: bool = False) -> None:
        if not LIBRARY:
            raise ImportError("this Python brings no libcrypto of its own into the process")
        self._hardware = int(bool(ffi.string(lib.hardware_name())) and not portable)
        self.name = f"native, {LIBRARY}"

    def encrypt(self, keys: Pieces, nonces: Pieces, first_no: int, data: bytes, sizes: Sequence[int]) -> bytes:
        """See ``PlainCipher.encrypt``."""
        check_row(keys, nonces, first_no, sizes)
        check_sizes(data, sizes)
        if max(sizes, default=0) > _LONGEST:
            return super().encrypt(keys, nonces, first_no, data, sizes)
        out = bytearray(len(data) + TAG_SIZE * (len(sizes) - sizes.count(0)))
        row = len(sizes), keys.flat, nonces.flat, first_no
        _check(lib.encrypt_items(*row, data, len(data), _numbers(sizes), ffi.from_buffer(out), len(out)))
        return bytes(out)

    def decrypt(self, keys: Pieces, nonces: Pieces, first_no: int, items: Sequence[bytes]) -> Sequence[bytes | None]:
        """See ``PlainCipher.decrypt``."""
        check_row(keys, nonces, first_no, items)
        sizes = list(map(len, items))
        if not _can_be(sizes):
            return super().decrypt(keys, nonces, first_no, items)
        flat, holds = _decrypted(keys, nonces, first_no, b"".join(items), sizes)
        ends = pairwise(accumulate((size and size - TAG_SIZE for size in sizes), initial=0))
        return [flat[start:end] if held else None for (start, end), held in zip(ends, holds, strict=True)]

    def opened(self, keys: Pieces, nonces: Pieces, first_no: int, data: bytes, sizes: Sequence[int]) -> bytes | None:
        """See ``PlainCipher.opened``."""
        check_row(keys, nonces, first_no, sizes)
        check_sizes(data, sizes)
        if not _can_be(sizes):
            return super().opened(keys, nonces, first_no, data, sizes)
        flat, holds = _decrypted(keys, nonces, first_no, data, sizes)
        return flat if all(holds) else None

    def hashed(
        self, keys: Pieces, nonces: Pieces, first_no: int, data: bytes, sizes: Sequence[int], kinds: bytes
    ) -> KeptColumns | None:
        """See ``PlainCipher.hashed``."""
        check_row(keys, nonces, first_no, sizes)
        check_sizes(data, sizes)
        if not hasattr(lib, "hash_boxes"):  # built from older sources
            return None
        digests, commitments = bytearray(HASH_SIZE * len(sizes)), bytearray(HASH_SIZE * len(sizes))
        row = len(sizes), keys.flat, nonces.flat, first_no, data, len(data), _numbers(sizes)
        refused = lib.hash_boxes(self._hardware, *row, kinds, ffi.from_buffer(digests), ffi.from_buffer(commitments))
        return None if refused else KeptColumns(Pieces.cut(bytes(digests)), Pieces.cut(bytes(commitments)))


def _can_be(sizes: Sequence[int]) -> bool:
    """Say whether items are what the native module decrypts: what is shorter than a tag was never encrypted."""
    if max(sizes, default=0) > _LONGEST:
        return False
    return min(sizes, default=TAG_SIZE) >= TAG_SIZE or min(filter(None, sizes), default=TAG_SIZE) >= TAG_SIZE


def _decrypted(
    keys: Pieces, nonces: Pieces, first_no: int, data: bytes, sizes: Sequence[int]
) -> tuple[bytes, bytearray]:
    """Return the plaintexts one behind the other, and of each whether it holds."""
    out, holds = bytearray(len(data) - TAG_SIZE * (len(sizes) - sizes.count(0))), bytearray(len(sizes))
    row = len(sizes), keys.flat, nonces.flat, first_no, data, len(data), _numbers(sizes)
    _check(lib.decrypt_items(*row, ffi.from_buffer(out), len(out), ffi.from_buffer(holds)))
    return bytes(out), holds


def _numbers(numbers: Sequence[int]) -> object:
    return ffi.from_buffer("uint64_t[]", array("Q", numbers))


def _check(refused: int) -> None:
    """Raise ArithmeticError where libcrypto did not do what it did when this process began."""
    if refused:
        raise ArithmeticError("libcrypto refused to encrypt or decrypt; start again with ANCHORLINE_HASHING=hashlib")
