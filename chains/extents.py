"""Which bytes of two contents are not alike: one range of each, outside of which they are the same.

Input are two open files that can be read anywhere; ``chains.difference`` tells what is in the ranges. Memory is flat.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

PIECE = 2**20
"""Bytes that are read at once."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes that are not alike: from ``start`` to before ``was_end`` of the one, to before ``now_end`` of the other."""

    start: int
    was_end: int
    now_end: int


def extent_of(was: BinaryIO, now: BinaryIO, start: int = 0) -> Extent | None:
    """Return the bytes that are not alike from ``start`` on, before which both are; None where there are none."""
    was_size, now_size = size_of(was), size_of(now)
    shorter = min(was_size, now_size)

    def at_beginning(at: int, size: int) -> tuple[bytes, bytes]:
        return read_at(was, start + at, size), read_at(now, start + at, size)

    first = start + _alike(shorter - start, at_beginning)
    if first == was_size == now_size:
        return None
    last = _alike_at_end(was, now, shorter - first)
    return Extent(first, was_size - last, now_size - last)


def lines_of(was: BinaryIO, now: BinaryIO, start: int) -> Extent:
    """Return the whole lines that are not alike from ``start`` on, which is where a line begins in both.

    What was added between two lines is one range of nothing in the one file, and of whole lines in the other.
    """
    was_size, now_size = size_of(was), size_of(now)

    last = _alike_at_end(was, now, min(was_size, now_size) - start)
    was_end, now_end = was_size - last, now_size - last
    if all(end == start or read_at(file, end - 1, 1) == b"\n" for file, end in ((was, was_end), (now, now_end))):
        return Extent(start, was_end, now_end)
    was.seek(was_end)
    rest = 0
    while piece := was.readline(PIECE):
        rest += len(piece)
        if piece.endswith(b"\n"):
            break
    return Extent(start, was_end + rest, now_end + rest)


def read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    """Return up to ``size`` bytes from an offset on."""
    file.seek(offset)
    return file.read(size)


def size_of(file: BinaryIO) -> int:
    """Return the size in bytes."""
    return file.seek(0, io.SEEK_END)


def _alike_at_end(was: BinaryIO, now: BinaryIO, most: int) -> int:
    """Return how many of the last ``most`` bytes are alike."""
    sizes = size_of(was), size_of(now)

    def backwards(at: int, size: int) -> tuple[bytes, bytes]:
        one, other = (read_at(file, end - at - size, size)[::-1] for file, end in zip((was, now), sizes, strict=True))
        return one, other

    return _alike(most, backwards)


def _alike(most: int, read: Callable[[int, int], tuple[bytes, bytes]]) -> int:
    """Return how many of the first ``most`` bytes are alike; ``read`` gives those of both from an offset on."""
    at = 0
    while at < most:
        one, other = read(at, min(PIECE, most - at))
        if one != other:
            return at + _first_difference(one, other)
        at += len(one)
    return most


def _first_difference(one: bytes, other: bytes) -> int:
    """Return where two pieces differ first, by halves; they do differ."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high) // 2
        if one[low : middle + 1] == other[low : middle + 1]:
            low = middle + 1
        else:
            high = middle
    return low
