"""Batches of SHA-256 in native code: one call of C for a whole batch, without an object for each hash.

It is the extension that ``build_native.py`` describes; importing this module where that was not built is an
ImportError. Every length is checked here, before C sees a buffer.
"""

from array import array
from binascii import hexlify
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

from anchor.hashing._native import ffi, lib
from anchor.hashing.columns import KeptColumns
from anchor.hashing.export_parts import HashedBundle, KeptLines
from anchor.hashing.filters import OUTSIDE, check_filled, check_held
from anchor.hashing.pieces import Pieces
from anchor.hashing.plain import PAIR_SIZE, PlainHashing, check_columns, check_signed, check_sizes
from anchor.hashing.products import Point, check_product
from anchor.hashing.texts import Field, Leaves, Template, check_places
from anchor.proof.codec import HASH_SIZE
from anchor.proof.entry import BATCH_AUTHOR
from anchor.proof.merkle import EMPTY_ROOT

# Above this length hashlib's cost is the compression itself, and a joined copy of the messages only memory.
_LONGEST = 4096
# Portable C compresses slower than OpenSSL's own code without SHA instructions, but needs no call for each message.
_LONGEST_PORTABLE = 256
# Messages joined at a time: at most 4 MiB.
_JOINED = 1024
_PREFIX_LIMIT = 64
# Texts made at a time: what the allocator keeps at hand; more would be fetched from the kernel, page by page.
_TEXT_BYTES = 96 * 1024
# Letters of a hash, the most of a number of 64 bits, and those of a hash with quotes and a comma.
_HEX, _LONGEST_NUMBER, _QUOTED_HEX = 2 * HASH_SIZE, 20, 2 * HASH_SIZE + 3
_ROW_LIMIT: int = lib.longest_row()
HARDWARE: str = ffi.string(lib.hardware_name()).decode()
"""The processor's SHA-256 instructions, "" where it has none."""


class NativeHashing(PlainHashing):
    """As ``PlainHashing``; what is too long to gain anything is left to hashlib."""

    def __init__(self, *, portable: bool = False) -> None:
        """Use the processor's SHA-256 instructions where it has them, unless ``portable``."""
        self._hardware = int(bool(HARDWARE) and not portable)
        self._longest = _LONGEST if self._hardware else _LONGEST_PORTABLE
        self.name = f"native, {HARDWARE}" if self._hardware else "native, portable C"

    def each(self, messages: Sequence[bytes], prefix: bytes = b"") -> Pieces:
        """See ``PlainHashing.each``."""
        sizes = list(map(len, messages))
        if max(sizes, default=0) > self._longest or len(prefix) > _PREFIX_LIMIT:
            return super().each(messages, prefix)
        parts = [
            self._cut(b"".join(messages[at : at + _JOINED]), sizes[at : at + _JOINED], prefix)
            for at in range(0, len(sizes), _JOINED)
        ]
        return Pieces(HASH_SIZE, flat=parts[0] if len(parts) == 1 else b"".join(parts))

    def cut(self, data: bytes, sizes: Sequence[int], prefix: bytes = b"") -> Pieces:
        """See ``PlainHashing.cut``."""
        if max(sizes, default=0) > self._longest or len(prefix) > _PREFIX_LIMIT:
            return super().cut(data, sizes, prefix)
        check_sizes(data, sizes)
        return Pieces(HASH_SIZE, flat=self._cut(data, sizes, prefix))

    def rows(self, prefix: bytes, first: Pieces, second: Pieces | None = None, suffix: bytes = b"") -> Pieces:
        """See ``PlainHashing.rows``."""
        check_columns(first, second)
        other = second or Pieces(0, flat=b"")
        width = len(prefix) + first.size + other.size + len(suffix)
        if width > min(_ROW_LIMIT, self._longest):
            return super().rows(prefix, first, second, suffix)
        out = bytearray(HASH_SIZE * len(first))
        ends = prefix, len(prefix), first.flat, first.size, other.flat, other.size, suffix, len(suffix)
        _check(lib.hash_rows(self._hardware, len(first), *ends, ffi.from_buffer(out)))
        return Pieces(HASH_SIZE, flat=bytes(out))

    def nodes(self, hashes: bytes) -> bytes:
        """See ``PlainHashing.nodes``."""
        return self._levels(hashes, 1, carry=0)[0]

    def above(self, hashes: bytes, height: int) -> list[bytes]:
        """See ``PlainHashing.above``."""
        return self._levels(hashes, height, carry=0)

    def _levels(self, hashes: bytes, height: int, carry: int) -> list[bytes]:
        """Return so many levels above hashes by one call, in which nobody waits for Python's lock."""
        count = len(hashes) // HASH_SIZE
        sizes = list(accumulate(range(height), lambda size, _: (size + carry) // 2, initial=count))[1:]
        out = bytearray(HASH_SIZE * sum(sizes))
        lib.hash_levels(self._hardware, count, hashes, height, carry, ffi.from_buffer(out))
        flat, ends = bytes(out), accumulate(sizes, initial=0)
        return [flat[HASH_SIZE * start : HASH_SIZE * end] for start, end in pairwise(ends)]

    def root(self, hashes: Pieces) -> bytes:
        """See ``PlainHashing.root``."""
        if not hashes:
            return EMPTY_ROOT
        out = bytearray(HASH_SIZE)
        lib.hash_root(self._hardware, len(hashes), hashes.flat, ffi.from_buffer(out))
        return bytes(out)

    def levels(self, hashes: Pieces) -> Sequence[Pieces]:
        """See ``PlainHashing.levels``."""
        above = self._levels(hashes.flat, (len(hashes) - 1).bit_length(), carry=1)
        return [hashes, *(Pieces(HASH_SIZE, flat=level) for level in above)]

    def leaf_texts(self, template: Template, leaves: Leaves) -> list[bytes]:
        """See ``PlainHashing.leaf_texts``."""
        texts: list[bytes] = []
        for flat, ends in self._leaf_texts(template, leaves):
            texts += [flat[start:end] for start, end in pairwise((0, *ends))]
        return texts

    def joined_texts(self, template: Template, leaves: Leaves) -> bytes:
        """See ``PlainHashing.joined_texts``."""
        return b"".join(flat[: ends[-1]] for flat, ends in self._leaf_texts(template, leaves))

    def _leaf_texts(self, template: Template, leaves: Leaves) -> Iterator[tuple[bytes, Sequence[int]]]:
        """Yield texts one behind the other, and where each ends; more may stand behind the last."""
        check_places(leaves)
        hashes, *tree = (hexlify(level.flat) for level in (leaves.hashes, *leaves.levels[:-1]))
        longest = sum(map(len, template.literals)) + sum(_longest(field, len(tree)) for field in template.fields)
        step = max(_TEXT_BYTES // max(longest, 1), 1)
        constant = (
            *(b"".join(tree), _numbers([len(level) // _HEX for level in tree]), len(tree)),
            *(b"".join(template.literals), _numbers(list(map(len, template.literals)))),
            "".join(field.value for field in template.fields).encode(),
        )
        for at in range(0, len(leaves.hashes), step):
            some = hashes[at * _HEX : (at + step) * _HEX]
            count = len(some) // _HEX
            out, ends = bytearray(count * longest), array("Q", bytes(8 * count))
            place = count, some, leaves.first_index + at, leaves.place + at
            room = ffi.from_buffer(out), len(out), ffi.from_buffer("uint64_t[]", ends)
            written = lib.leaf_texts(*place, *constant, *room)
            _check(int(written < 0))
            # To cut bytes is faster than to cut what can change.
            yield bytes(out), ends

    def bundle(self, data: bytes, count: int, head: bytes, width: int) -> HashedBundle | None:
        """See ``PlainHashing.bundle``."""
        hashes, column = bytearray(HASH_SIZE * count), bytearray(width * count)
        ends = data, len(data), head, len(head), width, ffi.from_buffer(hashes), ffi.from_buffer(column)
        said = lib.hash_bundle(self._hardware, count, *ends)
        return None if said < 0 else HashedBundle(bytes(hashes), bytes(column), bool(said))

    def woven(self, prefix: bytes, first: Pieces, items: Sequence[bytes] | None = None, suffix: bytes = b"") -> bytes:
        """See ``PlainHashing.woven``."""
        sizes = None if items is None else list(map(len, items))
        if sizes is not None and (len(sizes) != len(first) or max(sizes, default=0) > _LONGEST):
            return super().woven(prefix, first, items, suffix)
        data, lengths = b"".join(items or ()), ffi.NULL if sizes is None else _numbers(sizes)
        out = bytearray(len(data) + len(first) * (len(prefix) + first.size + len(suffix)))
        row = len(first), prefix, len(prefix), first.flat, first.size, data, len(data), lengths, suffix, len(suffix)
        _check(lib.weave(*row, ffi.from_buffer(out), len(out)))
        return bytes(out)

    def signed_together(
        self, before: bytes, commitments: Pieces, after: bytes, signed: bytes, levels: Sequence[Pieces]
    ) -> tuple[bytes, list[int]]:
        """See ``PlainHashing.signed_together``."""
        check_signed(commitments, signed, levels)
        count, tree = len(commitments), levels[:-1]
        fields = BATCH_AUTHOR + HASH_SIZE * len(tree)
        out, sizes = bytearray(count * (len(before) + HASH_SIZE + len(after) + fields)), array("Q", bytes(8 * count))
        parts = before, len(before), commitments.flat, after, len(after), signed
        nodes = b"".join([level.flat for level in tree]), _numbers(list(map(len, tree))), len(tree)
        room = ffi.from_buffer(out), len(out), ffi.from_buffer("uint64_t[]", sizes)
        written = lib.weave_signed(count, *parts, *nodes, *room)
        _check(int(written < 0))
        return bytes(memoryview(out)[:written]), sizes.tolist()

    def pairs(self, hashes: bytes, first_no: int) -> bytes:
        """See ``PlainHashing.pairs``."""
        count = len(hashes) // HASH_SIZE
        out = bytearray(PAIR_SIZE * count)
        lib.make_pairs(count, hashes, first_no, ffi.from_buffer(out))
        return bytes(out)

    def sorted_pairs(self, pairs: bytes) -> bytes:
        """See ``PlainHashing.sorted_pairs``."""
        out, scratch = bytearray(pairs), bytearray(len(pairs))
        lib.sort_pairs(len(pairs) // PAIR_SIZE, ffi.from_buffer(out), ffi.from_buffer(scratch))
        return bytes(out)

    def product(self, pairs: bytes, point: Point, so_far: int = 1) -> int:
        """See ``PlainHashing.product``."""
        check_product(pairs, point, so_far)
        at, slope, start = (number.to_bytes(PAIR_SIZE, "big") for number in (*point, so_far))
        out = bytearray(start)
        lib.multiply_pairs(len(pairs) // PAIR_SIZE, pairs, at + slope, ffi.from_buffer(out))
        return int.from_bytes(out, "big")

    def filled(self, pairs: bytes, blocks: int, first_block: int, bits: bytes) -> bytes:
        """See ``PlainHashing.filled``."""
        check_filled(pairs, blocks, first_block, bits)
        out = bytearray(bits)
        into = blocks, first_block, ffi.from_buffer(out), len(out)
        if lib.fill_filter(len(pairs) // PAIR_SIZE, pairs, *into):
            raise ValueError(OUTSIDE)
        return bytes(out)

    def held(self, hashes: bytes, blocks: int, numbers: Sequence[int], bits: bytes) -> list[int]:
        """See ``PlainHashing.held``."""
        check_held(hashes, blocks, numbers, bits)
        count = len(hashes) // HASH_SIZE
        places = array("Q", bytes(8 * count))
        given = ffi.from_buffer("uint64_t[]", array("Q", numbers)), len(numbers), bits
        found = lib.held_hashes(count, hashes, blocks, *given, ffi.from_buffer("uint64_t[]", places))
        return places[:found].tolist()

    def kept_columns(self, data: bytes, sizes: Sequence[int], kinds: bytes) -> KeptColumns | None:
        """See ``PlainHashing.kept_columns``."""
        if max(sizes, default=0) > self._longest:
            return super().kept_columns(data, sizes, kinds)
        check_sizes(data, sizes)
        digests, commitments = bytearray(HASH_SIZE * len(sizes)), bytearray(HASH_SIZE * len(sizes))
        lengths = ffi.from_buffer("uint64_t[]", array("Q", sizes))
        ends = kinds, ffi.from_buffer(digests), ffi.from_buffer(commitments)
        refused = not sizes or lib.hash_kept(self._hardware, len(sizes), data, len(data), lengths, *ends)
        return None if refused else KeptColumns(Pieces.cut(bytes(digests)), Pieces.cut(bytes(commitments)))

    def kept_lines(self, text: bytes) -> KeptLines | None:
        """See ``PlainHashing.kept_lines``."""
        count = text.count(b"\n")
        if len(text) >= count * self._longest:
            return super().kept_lines(text)
        indexes, commitments = array("Q", bytes(8 * count)), bytearray(HASH_SIZE * count)
        contents = ffi.new("uint64_t *")
        ends = ffi.from_buffer("uint64_t[]", indexes), ffi.from_buffer(commitments), contents
        refused = lib.hash_kept_lines(self._hardware, count, text, len(text), *ends)
        return None if refused else KeptLines(indexes.tolist(), bytes(commitments), int(contents[0]))

    def _cut(self, data: bytes, sizes: Sequence[int], prefix: bytes) -> bytes:
        out = bytearray(HASH_SIZE * len(sizes))
        lengths = ffi.from_buffer("uint64_t[]", array("Q", sizes))
        ends = prefix, len(prefix), data, len(data), lengths
        _check(lib.hash_pieces(self._hardware, len(sizes), *ends, ffi.from_buffer(out)))
        return bytes(out)


def _longest(field: Field, levels: int) -> int:
    if field is Field.PATH:
        return _QUOTED_HEX * levels
    return _HEX if field is Field.HASH else _LONGEST_NUMBER


def _numbers(numbers: list[int]) -> Any:
    return ffi.from_buffer("uint64_t[]", array("Q", numbers))


def _check(refused: int) -> None:
    """Raise ValueError where C refused lengths that were checked before it was called."""
    if refused:
        raise ValueError("native hashing refused the lengths that it was given: a defect of Anchorline, report it")
