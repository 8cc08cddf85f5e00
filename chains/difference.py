"""Where a content differs from what was recorded, when the original is at hand: bytes, lines, cells or fields.

Input are two open files, which are read in pieces; ``anchorline verify`` asks where a file is not what was recorded.
Memory is flat but for JSON, which is read whole up to a limit and told as text beyond.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import PurePath
from typing import Any, BinaryIO

from chains.difference_csv import NotCsvError, csv_changes
from chains.difference_json import NotJsonError, json_changes
from chains.extents import PIECE, Extent, extent_of, read_at, size_of
from chains.places import Change, Place, What, shown

MAX_JSON = 32 * 2**20
"""A JSON document that is read whole; its objects take some ten times as much memory."""
SHOWN_CHANGES = 20
"""So many changes are told one by one; the others are counted, up to ``MOST_COUNTED``."""
MOST_COUNTED = 1_000_000
_SAMPLE = 8192
_SHOWN_BYTES = 16


class Form(StrEnum):
    """As what two contents were compared."""

    BYTES = "bytes"
    TEXT = "text"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Difference:
    """How two contents differ: ``extent`` is the smallest range of bytes outside of which they are alike.

    ``changes`` are the first of ``count``; there are none where a JSON document is only written in another way.
    """

    form: Form
    extent: Extent
    changes: tuple[Change, ...]
    count: int

    def lines(self) -> list[str]:
        """Return the difference in words, safe to print."""
        told = [change.words() for change in self.changes]
        if self.count > len(told):
            least = "at least " if self.count >= MOST_COUNTED else ""
            told.append(f"and {least}{self.count - len(told)} more")
        if self.form is Form.JSON and not told:
            told.append("the JSON says the same; only white space, escapes or the order of fields were changed")
        return [*told, self._bytes()]

    def to_json(self) -> dict[str, Any]:
        """Return the difference as ``--json`` shows it; offsets are from 0, sizes in bytes."""
        extent = self.extent
        return {
            "form": str(self.form),
            "offset": extent.start,
            "was_size": extent.was_end - extent.start,
            "now_size": extent.now_end - extent.start,
            "count": self.count,
            "changes": [change.to_json() for change in self.changes],
        }

    def _bytes(self) -> str:
        extent = self.extent
        was, now = extent.was_end - extent.start, extent.now_end - extent.start
        return f"bytes: {was} bytes at offset {extent.start} of the original are {now} other bytes now"


def form_of(name: str, media_type: str) -> Form:
    """Return as what a content may be read, by its name and what its entry says of it; it is text until it is not."""
    suffix = PurePath(name.lower()).suffix.removeprefix(".")
    if suffix in {"csv", "tsv"} or media_type.startswith(("text/csv", "text/tab-separated-values")):
        return Form.CSV
    if suffix in {"json", "geojson"} or media_type.partition(";")[0].endswith(("/json", "+json")):
        return Form.JSON
    return Form.TEXT


def difference(was: BinaryIO, now: BinaryIO, form: Form) -> Difference | None:
    """Return how ``now`` differs from ``was``, or None where it does not; both files must be seekable."""
    extent = extent_of(was, now)
    if extent is None:
        return None
    if _is_binary(was) or _is_binary(now):
        return _told(Form.BYTES, extent, iter([_bytes_change(was, now, extent)]))
    try:
        if form is Form.CSV:
            return _told(form, extent, csv_changes(was, now, extent))
        if form is Form.JSON and size_of(was) <= MAX_JSON and size_of(now) <= MAX_JSON:
            return _told(form, extent, json_changes(_whole(was), _whole(now)))
    except (NotCsvError, NotJsonError, RecursionError):
        pass  # it only had the name: what differs is told as text
    return _told(Form.TEXT, extent, iter([_text_change(was, now, extent)]))


def _told(form: Form, extent: Extent, changes: Iterator[Change]) -> Difference:
    first = tuple(islice(changes, SHOWN_CHANGES))
    return Difference(form, extent, first, len(first) + sum(1 for _ in islice(changes, MOST_COUNTED)))


def _bytes_change(was: BinaryIO, now: BinaryIO, extent: Extent) -> Change:
    before = read_at(was, extent.start, min(extent.was_end - extent.start, _SHOWN_BYTES)).hex(" ")
    after = read_at(now, extent.start, min(extent.now_end - extent.start, _SHOWN_BYTES)).hex(" ")
    return _one_change(Place(), before, after)


def _text_change(was: BinaryIO, now: BinaryIO, extent: Extent) -> Change:
    before = shown(read_at(was, extent.start, min(extent.was_end - extent.start, _SAMPLE)))
    after = shown(read_at(now, extent.start, min(extent.now_end - extent.start, _SAMPLE)))
    return _one_change(_place_of(now, extent.start), before, after)


def _one_change(place: Place, was: str, now: str) -> Change:
    if not was:
        return Change(What.ADDED, place, now=now)
    return Change(What.CHANGED, place, was, now) if now else Change(What.REMOVED, place, was=was)


def _place_of(file: BinaryIO, offset: int) -> Place:
    """Return line and character of an offset; the character only where its line is not longer than a piece."""
    line, at, begun = 1, 0, 0
    while at < offset:
        piece = read_at(file, at, min(PIECE, offset - at))
        found = piece.count(b"\n")
        if found:
            line, begun = line + found, at + piece.rindex(b"\n") + 1
        at += len(piece)
    if offset - begun > PIECE:
        return Place(line=line)
    return Place(line=line, character=len(read_at(file, begun, offset - begun).decode("utf-8", "replace")) + 1)


def _is_binary(file: BinaryIO) -> bool:
    """Say whether a content is no text, as its beginning has it: a zero byte is in no text."""
    return b"\0" in read_at(file, 0, _SAMPLE)


def _whole(file: BinaryIO) -> bytes:
    return read_at(file, 0, MAX_JSON)
