"""Which cells of a CSV differ: row, line, column, and the column's name from the header (RFC 4180).

Input are two tables, of which ``chains.difference`` found the first byte that differs and how much is alike at the end;
both are read once, record by record, and only records that differ are cut into cells.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, zip_longest
from typing import BinaryIO

from chains.extents import PIECE, Extent, lines_of, read_at
from chains.places import Change, Place, What, shown

MAX_RECORD = 2**20
"""Bytes of one record; a longer one is no table that anybody reads, and is told as text."""
_DELIMITERS = ",;\t|"


class NotCsvError(ValueError):
    """A text is not a table that can be cut into cells."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record with its line end; ``line`` is the one on which it begins, from 1, ``end`` the offset behind it."""

    raw: bytes
    line: int
    end: int

    @property
    def text(self) -> bytes:
        """The record without its line end."""
        return self.raw.rstrip(b"\r\n")


def csv_changes(was: BinaryIO, now: BinaryIO, extent: Extent) -> Iterator[Change]:
    """Yield every cell that was changed, and rows that were added or removed; raise NotCsvError at no table.

    Rows are paired in their order from the first that differs. Where the numbers of rows differ, the rows in between
    are told as removed and added, since no pairing of them would be more than a guess.
    """
    first = _First.of(was, extent.start)
    rows = lines_of(was, now, first.offset)
    before, after = _Rows(was, first, rows.was_end), _Rows(now, first, rows.now_end)
    if before.count() == after.count():
        yield from _cells_that_differ(before, after, first.header)
        return
    # A last row to which rows were added has got a line end, and is the same row.
    firsts = [next((record.text for _, record in rows), None) for rows in (before, after)]
    same = int(firsts[0] == firsts[1])
    for row, record in islice(before, same, None):
        yield Change(What.REMOVED, Place(line=record.line, row=row), was=shown(record.text))
    for row, record in islice(after, same, None):
        yield Change(What.ADDED, Place(line=record.line, row=row), now=shown(record.text))


def _cells_that_differ(before: "_Rows", after: "_Rows", header: bytes) -> Iterator[Change]:
    delimiter = _delimiter(header)
    names = _cells(header, delimiter)
    for (row, was), (_, now) in zip(before, after, strict=True):
        if was.raw == now.raw:
            continue
        cells = zip_longest(_cells(was.raw, delimiter), _cells(now.raw, delimiter))
        changed = [(column, *pair) for column, pair in enumerate(cells, 1) if pair[0] != pair[1]]
        for column, old, new in changed:
            name = names[column - 1] if row > 1 and column <= len(names) else None
            yield _change(Place(line=now.line, row=row, column=column, column_name=name), old, new)
        if not changed:  # the cells are the same: quotes or the line end are written in another way
            yield Change(What.CHANGED, Place(line=now.line, row=row), shown(was.raw), shown(now.raw))


def _change(place: Place, was: str | None, now: str | None) -> Change:
    if was is None:
        return Change(What.ADDED, place, now=shown(now or ""))
    return (
        Change(What.REMOVED, place, was=shown(was))
        if now is None
        else Change(What.CHANGED, place, shown(was), shown(now))
    )


@dataclass(frozen=True, slots=True)
class _First:
    """The first record that differs: its number and line, from 1, and where it begins; and the table's header."""

    row: int
    line: int
    offset: int
    header: bytes

    @classmethod
    def of(cls, file: BinaryIO, start: int) -> "_First":
        """Find the record to which the byte at ``start`` belongs; both tables are alike before it."""
        found, header = cls(1, 1, 0, b""), None
        for record in _records(file):
            header = record.raw if header is None else header
            if record.end > start or not record.raw.endswith(b"\n"):
                break
            found = cls(found.row + 1, record.line + record.raw.count(b"\n"), record.end, b"")
        return replace(found, header=header or b"")


@dataclass(frozen=True, slots=True)
class _Rows:
    """The records of one table from the first that differs to where both are alike again; they can be read twice."""

    file: BinaryIO
    first: _First
    end: int

    def count(self) -> int:
        """Return how many records there are; without quotes they are lines, which are counted faster."""
        lines, at, last = 0, self.first.offset, b"\n"
        while at < self.end and (piece := read_at(self.file, at, min(PIECE, self.end - at))):
            if b'"' in piece:
                return sum(1 for _ in self)
            lines, at, last = lines + piece.count(b"\n"), at + len(piece), piece[-1:]
        return lines + (last != b"\n")

    def __iter__(self) -> Iterator[tuple[int, Record]]:
        """Yield the number of each record, and the record."""
        for row, record in enumerate(_records(self.file, self.first.offset, self.first.line), self.first.row):
            if record.end - len(record.raw) >= self.end:
                return
            yield row, record


def _records(file: BinaryIO, start: int = 0, first_line: int = 1) -> Iterator[Record]:
    """Yield the records from an offset on: a line end between an odd number of quotes is part of a cell."""
    line, end, begun, quotes, size = first_line, start, first_line, 0, 0
    parts: list[bytes] = []
    while piece := _line_at(file, end):
        end, size = end + len(piece), size + len(piece)
        if size > MAX_RECORD:
            raise NotCsvError(f"line {begun}: expected a record of at most {MAX_RECORD} bytes")
        parts.append(piece)
        quotes += piece.count(b'"')
        line += piece.endswith(b"\n")
        if quotes % 2 == 0:
            yield Record(b"".join(parts), begun, end)
            begun, parts, quotes, size = line, [], 0, 0
    if parts:
        yield Record(b"".join(parts), begun, end)


def _line_at(file: BinaryIO, offset: int) -> bytes:
    """Read a line at an offset, since two readers may share the file."""
    file.seek(offset)
    return file.readline(MAX_RECORD + 1)


def _delimiter(header: bytes) -> str:
    """Return the delimiter: the one that is most often in the header, outside of quotes."""
    outside = b"".join(header.split(b'"')[::2]).decode("utf-8", "surrogateescape")
    return max(_DELIMITERS, key=outside.count)


def _cells(raw: bytes, delimiter: str) -> list[str]:
    """Cut a record into cells; bytes that are no UTF-8 are kept (PEP 383)."""
    text = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").rstrip("\r\n")
    try:
        return next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error as error:
        raise NotCsvError(str(error)) from error
