"""Which cipher this process uses for what is kept beside entries: native where it can be had and agrees, else another.

It goes with the hashing: ``ANCHORLINE_HASHING=hashlib`` takes neither from the native module. Whoever encrypts rows
takes ``CIPHER`` from here; `anchorline version -v` says what it is, and why.
"""

import os
from itertools import accumulate, pairwise
from typing import NamedTuple

from anchor.errors import SettingsError
from anchor.hashing.chosen import VARIABLE
from anchor.hashing.ciphers import KEY_SIZE, NONCE_SIZE, TAG_SIZE, PlainCipher
from anchor.hashing.pieces import Pieces
from anchor.hashing.plain import PlainHashing


class Choice(NamedTuple):
    """A cipher, and why it is this one."""

    cipher: PlainCipher
    reason: str


def choose(wanted: str) -> Choice:
    """Return the cipher for what ``ANCHORLINE_HASHING`` says; without libcrypto ``cryptography`` serves every word.

    Raises SettingsError where a native module that is wanted by name computes wrongly.
    """
    if wanted == "hashlib":
        return Choice(PlainCipher(), f"{VARIABLE} says so")
    try:
        from anchor.hashing.native_cipher import NativeCipher  # noqa: PLC0415  # may not be there

        native = NativeCipher(portable=wanted == "portable")
        check_agrees(native, PlainCipher())
    except (ImportError, AttributeError) as error:
        return Choice(PlainCipher(), f"the native module cannot encrypt here: {error}")
    except ArithmeticError as error:
        if wanted:
            raise SettingsError(f"{VARIABLE} says {wanted}, which cannot be had here: {error}") from error
        return Choice(PlainCipher(), str(error))
    return Choice(native, "it was built here, and agrees with cryptography")


def check_agrees(cipher: PlainCipher, other: PlainCipher) -> None:
    """Raise ArithmeticError unless both make the same of items around every block, and both refuse a changed one.

    What one process wrote another one must read, whichever cipher it has.
    """
    items = [bytes([size % 256]) * size for size in (0, 1, 15, 16, 17, 31, 32, 33, 128, 317)]
    keys = Pieces.cut(bytes(range(32)) * len(items), KEY_SIZE)
    nonces = Pieces.cut(bytes(range(NONCE_SIZE * len(items))), NONCE_SIZE)
    row, sizes = (keys, nonces, 1 << 40), list(map(len, items))
    made = cipher.encrypt(*row, b"".join(items), sizes)
    expected = other.encrypt(*row, b"".join(items), sizes)
    ends = accumulate((size + TAG_SIZE if size else 0 for size in sizes), initial=0)
    boxes = [expected[start:end] for start, end in pairwise(ends)]
    damaged = [box[:-1] + bytes([box[-1] ^ 1]) if box else box for box in boxes]
    if (
        made != expected
        or list(cipher.decrypt(*row, boxes)) != items
        or cipher.opened(*row, expected, list(map(len, boxes))) != b"".join(items)
        or list(cipher.decrypt(*row, damaged)) != [b"", *[None] * (len(items) - 1)]
        or not _hashes_alike(cipher, other)
    ):
        raise ArithmeticError(f"{cipher.name} does not agree with {other.name} and is not used: report this machine")


def _hashes_alike(cipher: PlainCipher, other: PlainCipher) -> bool:
    """Say whether what a cipher hashes without showing it has the digests and commitments of what another opens."""
    items = [bytes([1]) + bytes([size % 256]) * size for size in (16, 17, 47, 48, 80, 317)]
    row = Pieces.cut(bytes(range(32)) * len(items), KEY_SIZE), Pieces.cut(bytes(NONCE_SIZE * len(items)), NONCE_SIZE), 7
    boxes, sizes = other.encrypt(*row, b"".join(items), list(map(len, items))), [len(item) + TAG_SIZE for item in items]
    made, opened = cipher.hashed(*row, boxes, sizes, b"\x01\x02"), other.opened(*row, boxes, sizes)
    expected = PlainHashing().kept_columns(opened or b"", list(map(len, items)), b"\x01\x02")
    if made is None or expected is None:
        return made is None and expected is not None
    return all(one.flat == two.flat for one, two in zip(made, expected, strict=True))


CIPHER, REASON = choose(os.environ.get(VARIABLE, ""))
