"""Which hashing this process uses, chosen once: native where it was built and agrees with hashlib, else hashlib.

``ANCHORLINE_HASHING`` chooses otherwise. Whoever hashes batches takes ``HASHING`` from here; `anchorline version -v`
says what it is, and why.
"""

import os
from itertools import starmap
from typing import NamedTuple

from anchor.errors import SettingsError
from anchor.hashing.export_parts import kept_line
from anchor.hashing.filters import BLOCK_BYTES
from anchor.hashing.pieces import Pieces
from anchor.hashing.plain import PAIR_SIZE, PlainHashing
from anchor.hashing.products import MODULUS, Point
from anchor.hashing.texts import Field, Leaves, Template
from anchor.proof.entry import SIGNED_SIZE

VARIABLE = "ANCHORLINE_HASHING"
_FIELDS = [field for field in Field if field not in {Field.BODY, Field.BODY_SIZE}]


class Choice(NamedTuple):
    """A hashing, and why it is this one."""

    hashing: PlainHashing
    reason: str


def choose(wanted: str) -> Choice:
    """Return the hashing that is wanted: "hashlib", "native", "portable" (native C without SHA instructions), or any.

    Raises SettingsError for another word, and where native is wanted by name and is not there or not right.
    """
    if wanted not in {"", "hashlib", "native", "portable"}:
        raise SettingsError(f"{VARIABLE}: expected hashlib, native or portable, got {wanted[:40]!r}")
    if wanted == "hashlib":
        return Choice(PlainHashing(), f"{VARIABLE} says so")
    try:
        native = _checked_native(portable=wanted == "portable")
    except (ImportError, ArithmeticError) as error:
        if wanted:
            raise SettingsError(f"{VARIABLE} says {wanted}, which cannot be had here: {error}") from error
        return Choice(PlainHashing(), str(error))
    return Choice(native, f"{VARIABLE} says so" if wanted else "it was built here, and agrees with hashlib")


def _checked_native(*, portable: bool) -> PlainHashing:
    """Return native hashing; raise ImportError where it was not built, ArithmeticError where it computes wrongly."""
    try:
        from anchor.hashing.native import NativeHashing  # noqa: PLC0415  # may not be there
    except ImportError as error:
        raise ImportError(f"the native module was not built when Anchorline was installed ({error})") from error
    native = NativeHashing(portable=portable)
    try:
        check_agrees(native, PlainHashing())
    except AttributeError as error:
        raise ImportError(
            f"the native module was built from other sources; install Anchorline again ({error})"
        ) from error
    return native


def check_agrees(hashing: PlainHashing, other: PlainHashing) -> None:
    """Raise ArithmeticError unless both give the same hashes for messages around every padding, and the same roots.

    A processor or compiler that gets SHA-256 wrong would make a log that nobody can verify.
    """
    messages = [bytes([size]) * size for size in range(130)]
    hashes = other.each(messages, b"\x00")
    wide = Pieces.cut(bytes(range(192)) * 2, 48)
    text, leaves = (
        Template.of(Field.BODY_SIZE, Field.BODY, *_FIELDS),
        Leaves(hashes[:5], 9, other.levels(hashes[:8]), 3),
    )
    signed = hashes[:13], b">", bytes(SIGNED_SIZE), other.levels(hashes[:13])
    bundle = b"".join(len(message).to_bytes(2, "big") + message for message in messages)
    items = [b"\x01" + message[:1] * 16 + message for message in messages[1:]]
    point = Point(MODULUS - 1, MODULUS - 2)
    lines = b"".join(starmap(kept_line, enumerate(messages)))
    if (
        hashing.each(messages, b"\x00").flat != hashes.flat
        or hashing.root(hashes) != other.root(hashes)
        or hashing.nodes(hashes.flat) != other.nodes(hashes.flat)
        or hashing.above(hashes.flat, 3) != other.above(hashes.flat, 3)
        or [level.flat for level in hashing.levels(hashes)] != [level.flat for level in other.levels(hashes)]
        or hashing.rows(b"<", wide, wide, b">").flat != other.rows(b"<", wide, wide, b">").flat
        or hashing.woven(b"<", hashes, messages, b">") != other.woven(b"<", hashes, messages, b">")
        or hashing.woven(b"<", hashes) != other.woven(b"<", hashes)
        or hashing.signed_together(b"<", *signed) != other.signed_together(b"<", *signed)
        or hashing.leaf_texts(text, leaves) != other.leaf_texts(text, leaves)
        or hashing.bundle(bundle, len(messages), b"", 0) != other.bundle(bundle, len(messages), b"", 0)
        or hashing.kept_lines(lines) != other.kept_lines(lines)
        or hashing.sorted_pairs(hashing.pairs(hashes.flat, 5)) != other.sorted_pairs(other.pairs(hashes.flat, 5))
        or _filters(hashing, other.pairs(hashes.flat, 5)) != _filters(other, other.pairs(hashes.flat, 5))
        or hashing.product(hashes.flat, point) != other.product(hashes.flat, point)
        or _columns(hashing, items) != _columns(other, items)
    ):
        raise ArithmeticError(f"{hashing.name} does not agree with {other.name} and is not used: report this machine")


def _filters(hashing: PlainHashing, pairs: bytes) -> tuple[bytes, list[int]]:
    """Return a filter of two blocks over half of some pairs, and which of all, as hashes, its second block may hold.

    One bit too few, and what is recorded already would be recorded again.
    """
    bits = hashing.filled(pairs[: len(pairs) // 32 * 16], 2, 0, bytes(2 * BLOCK_BYTES))
    hashes = b"".join(pair * 2 for pair in Pieces.cut(pairs, PAIR_SIZE))
    return bits, hashing.held(hashes, 2, [1], bits[BLOCK_BYTES:])


def _columns(hashing: PlainHashing, items: list[bytes]) -> tuple[bytes, ...]:
    columns = hashing.kept_columns(b"".join(items), list(map(len, items)), b"\x01\x02")
    return () if columns is None else (columns.digests.flat, columns.commitments.flat)


HASHING, REASON = choose(os.environ.get(VARIABLE, ""))
