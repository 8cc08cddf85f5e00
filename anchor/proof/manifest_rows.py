# SPDX-License-Identifier: Apache-2.0
"""How a file is cut into rows, and a row into cells (docs/spec/manifest.md, RFC 4180).

Input is the bytes of a file. The rule is total: any bytes at all are rows, which joined are the file again.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import BinaryIO

from anchor.proof.codec import sha256_each
from anchor.proof.errors import TooLargeError
from anchor.proof.manifest import MAX_ROW_BYTES, RowKind

TAG_SIZE = 8
CELL_TAG_SIZE = 2
BLOCK_ROWS = 4096
"""Rows whose tags are kept together."""
MAX_CELLS = 4096
"""A row with more cells keeps no tags of them."""
_READ_BYTES = 1 << 18


def rows_of(pieces: Iterable[bytes], kind: RowKind, what: str) -> Iterator[bytes]:
    """Yield the rows of a file that comes in pieces, line ends included; joined they are the file.

    A row ends behind the first LF at which its number of quotes is even (``LINES``: behind each LF). Raises
    TooLargeError for one above 1 MiB, with the number of the row.
    """
    quotes_count = kind == RowKind.DELIMITED
    number, rest = 0, b""
    begun: list[bytes] = []
    begun_size, is_quoted = 0, False
    for piece in pieces:
        # Cut at each LF first, then join what quotes hold together.
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if not begun and not (quotes_count and line.count(b'"') & 1):
                row = line + b"\n"
            else:
                begun.append(line + b"\n")
                begun_size += len(line) + 1
                is_quoted ^= bool(line.count(b'"') & 1)
                if is_quoted:
                    _check_size(begun_size, number, what)
                    continue
                row, begun, begun_size = b"".join(begun), [], 0
            if len(row) > MAX_ROW_BYTES:
                _check_size(len(row), number, what)
            yield row
            number += 1
        _check_size(begun_size + len(rest), number, what)
    last = b"".join(begun) + rest
    if last:
        yield last


def cells_of(row: bytes, delimiter: int) -> list[bytes]:
    """Return the cells of a row as they stand there, quotes included, without the line end.

    They are parted by the delimiters before which the number of quotes in the row is even.
    """
    body = row.removesuffix(b"\n").removesuffix(b"\r") if row.endswith(b"\n") else row
    between = bytes((delimiter,))
    parts = body.split(between)
    if b'"' not in body:
        return parts
    cells: list[bytes] = []
    begun: list[bytes] = []
    for part in parts:
        is_odd = part.count(b'"') & 1
        if not begun and not is_odd:
            cells.append(part)
            continue
        # Joined once: a cell of a mebibyte may hold half a million delimiters.
        begun.append(part)
        if is_odd and len(begun) > 1:
            cells.append(between.join(begun))
            begun = []
    if begun:
        cells.append(between.join(begun))
    return cells


def row_tags(rows: Iterable[bytes], tag_key: bytes) -> list[bytes]:
    """Return the tag of each row, by which it is found again: the first 8 bytes of H(tag key ‖ row)."""
    return [tag[:TAG_SIZE] for tag in sha256_each(rows, tag_key)]


def cell_tags(row: bytes, delimiter: int, cell_key: bytes) -> bytes:
    """Return 2 bytes for each cell, the first of H(cell key ‖ cell); nothing for a row of more than 4,096 cells."""
    cells = cells_of(row, delimiter)
    if len(cells) > MAX_CELLS:
        return b""
    return b"".join(tag[:CELL_TAG_SIZE] for tag in sha256_each(cells, cell_key))


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield what is left of a file, piece by piece."""
    while piece := file.read(_READ_BYTES):
        yield piece


def blocks_of(rows: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield rows in the blocks in which their tags are kept: 4,096 each, but for the last."""
    waiting = iter(rows)
    while block := list(islice(waiting, BLOCK_ROWS)):
        yield block


def cell_text(cell: bytes) -> str:
    """Return what a cell says, for people: without its quotes, and what is not UTF-8 escaped."""
    if len(cell) >= 2 and cell.startswith(b'"') and cell.endswith(b'"'):
        cell = cell[1:-1].replace(b'""', b'"')
    return cell.decode("utf-8", "backslashreplace")


def _check_size(size: int, number: int, what: str) -> None:
    if size > MAX_ROW_BYTES:
        raise TooLargeError(
            f"{what}, row {number + 1}: expected at most {MAX_ROW_BYTES} bytes; where a quote is never closed, mend "
            "it, or record the file without its rows"
        )
