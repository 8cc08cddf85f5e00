"""A folder against its manifest: every file and row that was changed, added or removed, by name (spec/manifest.md).

Input is the folder at hand and a list whose document has been judged with the receipt. ``anchorline verify`` shows what
comes out; memory is flat, and of long differences the first thousand are kept and all counted.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from anchor.hashing.chosen import HASHING
from anchor.proof.errors import TooLargeError
from anchor.proof.manifest import Kind, RowKind
from anchor.proof.manifest_changes import Block, Now, RowChange, Was, row_changes
from anchor.proof.manifest_list import ListedFile, ListReader
from anchor.proof.manifest_path import path_order
from anchor.proof.manifest_rows import TAG_SIZE, blocks_of, cell_tags, cell_text, cells_of, pieces_of, rows_of
from chains.counted import counted
from chains.folder import Found, contents
from chains.manifest_writing import link_target, shortened

MAX_DIFFERENCES = 1000
Advance = Callable[[int], None]


class What(StrEnum):
    """What became of a file or row."""

    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: of a whole path, or of a row in it; ``columns`` by number from 1, with their names."""

    what: What
    path: str
    row: RowChange | None = None
    columns: tuple[tuple[int, str], ...] = ()
    note: str = ""

    def text(self) -> str:
        """Return the line for people."""
        path, note = printable(self.path), f" ({self.note})" if self.note else ""
        if self.row is None:
            return f"{self.what:8} {path}{note}"
        named = ", ".join(f"{number} ({printable(name)})" if name else str(number) for number, name in self.columns)
        columns = f", column{'s' if len(self.columns) > 1 else ''} {named}" if named else ""
        row = self.row
        if row.now_row is None:
            return f"{self.what:8} {path}: row {row.was_row} as recorded"
        moved = f", recorded as row {row.was_row}" if row.was_row not in {None, row.now_row} else ""
        return f"{self.what:8} {path}: row {row.now_row} (line {row.line}{moved}){columns}"

    def to_json(self) -> dict[str, object]:
        """Return the difference for ``--json``."""
        value: dict[str, object] = {"what": str(self.what), "path": self.path}
        if self.note:
            value["note"] = self.note
        if self.row is not None:
            value |= {"row": self.row.now_row, "recorded_row": self.row.was_row, "line": self.row.line}
            value["columns"] = [{"number": number, "name": name} for number, name in self.columns]
        return value


@dataclass
class Comparison:
    """What was found: the first differences, and how many there are of each sort."""

    files: int = 0
    differences: list[Difference] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, difference: Difference) -> None:
        """Count a difference, and keep it while there are few."""
        self.counts[f"{'files' if difference.row is None else 'rows'} {difference.what}"] += 1
        if len(self.differences) < MAX_DIFFERENCES:
            self.differences.append(difference)

    @property
    def is_same(self) -> bool:
        """Say whether nothing differs."""
        return not self.counts

    def summary(self) -> str:
        """Return the counts in words."""
        kinds = [(name, what) for name in ("files", "rows") for what in What]
        return ", ".join(
            f"{counted(self.counts[f'{name} {what}'], name)} {what}"
            for name, what in kinds
            if self.counts[f"{name} {what}"]
        )


def printable(text: str) -> str:
    """Return a text in which whatever a terminal would obey, or cannot show, is escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def compare(source: Path, stream: BinaryIO, advance: Advance = lambda _size: None) -> Comparison:
    """Hold a folder, or a single file, against a list; ``advance`` is told bytes as they are read.

    A file that is not called as the single one of a list is compared with it all the same. Raises OSError.
    """
    made = Comparison()
    stream.seek(0)
    reader = ListReader(stream)
    comparing = _Comparing(reader, made, advance)
    if not source.is_dir():
        listed = list(reader.files())
        if len(listed) == 1 and listed[0].kind == Kind.FILE:
            made.files = 1
            comparing.both(listed[0], Found(listed[0].path, source, Kind.FILE))
            return made
        stream.seek(0)
        comparing = _Comparing(reader := ListReader(stream), made, advance)
    for listed_one, found in _side_by_side(reader.files(), contents(source)):
        if listed_one is not None:
            made.files += 1
        if listed_one is None and found is not None:
            made.add(Difference(What.ADDED, found.path))
        elif found is None and listed_one is not None:
            made.add(Difference(What.REMOVED, listed_one.path))
        elif found is not None and listed_one is not None:
            comparing.both(listed_one, found)
    return made


def _side_by_side(
    listed: Iterator[ListedFile], found: Iterator[Found]
) -> Iterator[tuple[ListedFile | None, Found | None]]:
    """Yield what is at each path on either side; both come in the order of a manifest."""
    was, now = next(listed, None), next(found, None)
    while was is not None or now is not None:
        was_key = None if was is None else path_order(was.path.encode())
        now_key = None if now is None else path_order(now.path.encode("utf-8", "surrogateescape"))
        if was_key is not None and (now_key is None or was_key < now_key):
            yield was, None
            was = next(listed, None)
        elif now_key is not None and (was_key is None or now_key < was_key):
            yield None, now
            now = next(found, None)
        else:
            yield was, now
            was, now = next(listed, None), next(found, None)


@dataclass
class _Comparing:
    """One comparison under way."""

    reader: ListReader
    made: Comparison
    advance: Advance

    def both(self, listed: ListedFile, found: Found) -> None:
        """Compare what is at a path with what is listed there."""
        if listed.kind != found.kind:
            self.made.add(Difference(What.CHANGED, listed.path, note=f"recorded as {_named(listed.kind)}"))
        elif (listed.size, listed.digest) != self._measured(found):
            self.made.add(Difference(What.CHANGED, listed.path))
            if listed.rows.kind != RowKind.NONE:
                self._rows(listed, found)

    def _measured(self, found: Found) -> tuple[int, bytes]:
        if found.kind != Kind.FILE:
            target = link_target(found)
            return len(target), sha256(target).digest()
        hasher, size = sha256(), 0
        with found.at.open("rb") as file:
            for piece in pieces_of(file):
                hasher.update(piece)
                size += len(piece)
                self.advance(len(piece))
        return size, hasher.digest()

    def _rows(self, listed: ListedFile, found: Found) -> None:
        delimiter, secret = listed.rows.delimiter, self.reader.secret
        is_delimited = listed.rows.kind == RowKind.DELIMITED
        header: list[bytes] = []

        def now() -> Iterator[Block[Now]]:
            line = 1
            with found.at.open("rb") as file:
                for rows in blocks_of(rows_of(pieces_of(file), listed.rows.kind, listed.path)):
                    if line == 1 and is_delimited:
                        header.extend(cells_of(rows[0], delimiter))
                    flat = shortened(HASHING.each(rows, secret.tag_key), TAG_SIZE)
                    tags = [flat[at : at + TAG_SIZE] for at in range(0, len(flat), TAG_SIZE)]
                    yield Block(tags, partial(_numbered, tags, rows, line))
                    line += b"".join(rows).count(b"\n")

        was = (Block(block.rows, partial(map, Was, block.rows, block.cells)) for block in self.reader.tags(listed))

        def tags_of_cells(row: bytes) -> bytes:
            return cell_tags(row, delimiter, secret.cell_key) if is_delimited else b""

        try:
            for change in row_changes(was, now(), tags_of_cells):
                names = [
                    (number, cell_text(header[number - 1])[:80] if number <= len(header) else "")
                    for number in change.columns
                ]
                self.made.add(Difference(_what(change), listed.path, change, tuple(names)))
        except TooLargeError as error:
            self.made.add(Difference(What.CHANGED, listed.path, note=str(error)))


def _numbered(tags: list[bytes], rows: list[bytes], line: int) -> Iterator[Now]:
    """Return rows at hand with the lines on which they begin, the first on ``line``."""
    return map(Now, tags, rows, accumulate((row.count(b"\n") for row in rows), initial=line))


def _what(change: RowChange) -> What:
    if change.was_row is None:
        return What.ADDED
    return What.REMOVED if change.now_row is None else What.CHANGED


def _named(kind: Kind) -> str:
    return {Kind.FILE: "a file", Kind.EMPTY_FOLDER: "an empty folder", Kind.LINK: "a symbolic link"}[kind]
