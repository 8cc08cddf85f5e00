# SPDX-License-Identifier: Apache-2.0
"""Which rows of a file were changed, added or removed, and in which columns (docs/spec/manifest.md).

Input is the tags that the list keeps and the rows of the file at hand, both in order and read once. Memory stays flat:
of each side at most 65,536 rows are held while the place is looked for where both go on alike.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Generic, NamedTuple, TypeVar

from anchor.proof.manifest_rows import CELL_TAG_SIZE

WINDOWS = (16, 256, 4096, 65_536)
"""How far is looked for rows that both sides have, wider while none are found; most changes are of one row."""


class Was(NamedTuple):
    """A recorded row: its tag, and those of its cells."""

    tag: bytes
    cells: bytes


class Now(NamedTuple):
    """A row at hand: its tag, its bytes, and the line of the file on which it begins, from 1."""

    tag: bytes
    row: bytes
    line: int


Row = TypeVar("Row", Was, Now)


class Block(NamedTuple, Generic[Row]):
    """Consecutive rows by their tags; the rows themselves are asked for only where tags differ."""

    tags: list[bytes]
    rows: Callable[[], Iterable[Row]]


@dataclass(frozen=True, slots=True)
class RowChange:
    """Where recorded rows and those at hand part: a row of either side, or of both, counted from 1."""

    was_row: int | None
    now_row: int | None
    line: int | None
    columns: tuple[int, ...] = ()


class _Side(Generic[Row]):
    """The rows of one side: those that were looked ahead at, and behind them blocks that were not read yet."""

    def __init__(self, blocks: Iterable[Block[Row]]) -> None:
        self.ahead: deque[Row] = deque()
        self.place = 0
        self._rest: Iterator[Block[Row]] = iter(blocks)

    def block(self) -> Block[Row] | None:
        """Return the next block, or None at the end; it is not looked ahead at."""
        return next(self._rest, None)

    def put(self, block: Block[Row] | None) -> None:
        """Look ahead at a block."""
        if block is not None:
            self.ahead.extend(block.rows())

    def look(self, count: int) -> int:
        """Look ahead at ``count`` rows at least; return how many of them there are."""
        while len(self.ahead) < count and (block := self.block()) is not None:
            self.put(block)
        return min(count, len(self.ahead))

    def take(self, count: int) -> list[Row]:
        """Return the next rows, which were looked at, and go on behind them."""
        self.place += count
        return [self.ahead.popleft() for _ in range(count)]


def row_changes(
    was: Iterable[Block[Was]], now: Iterable[Block[Now]], tags_of_cells: Callable[[bytes], bytes]
) -> Iterator[RowChange]:
    """Yield every change, in order; rows between two that are alike are paired as they stand.

    ``tags_of_cells`` gives the tags of the cells of a row at hand. Where rows were moved, they are removed in one place
    and added in another. A change of several neighbouring rows in number is told as changed rows and a rest.
    """
    before, after = _Side(was), _Side(now)
    while True:
        if not before.ahead and not after.ahead:
            _skip_alike(before, after)
        if (before.look(1), after.look(1)) == (0, 0):
            return
        alike = _alike(before.ahead, after.ahead)
        before.place += alike
        after.place += alike
        if alike and not (before.ahead and after.ahead):
            continue  # the rest of a block is not read yet
        yield from _told(before, after, *_parted(before, after), tags_of_cells)


def _skip_alike(before: _Side[Was], after: _Side[Now]) -> None:
    """Go on behind whole blocks that are alike, and look ahead at the first that are not."""
    while True:
        old, new = before.block(), after.block()
        if old is None or new is None or old.tags != new.tags:
            before.put(old)
            after.put(new)
            return
        before.place += len(old.tags)
        after.place += len(new.tags)


def _alike(before: deque[Was], after: deque[Now]) -> int:
    """Take the rows at the beginning of both that are alike; return how many."""
    count = 0
    while before and after and before[0][0] == after[0][0]:
        before.popleft()
        after.popleft()
        count += 1
    return count


def _parted(before: _Side[Was], after: _Side[Now]) -> tuple[int, int]:
    """Return how many rows of each side stand before the next that both have; the window where there is none."""
    for window in WINDOWS:
        sizes = before.look(window), after.look(window)
        was, now = [row.tag for row in islice(before.ahead, window)], [row.tag for row in islice(after.ahead, window)]
        found = _meeting(was, now) if _are_single(was, now) or window > WINDOWS[0] else None
        found = found or _fewest_edits(
            was, now, are_ends=before.look(window + 1) + after.look(window + 1) == sum(sizes)
        )
        if found is not None:
            return found
        if max(sizes) < window:
            break  # both were read to their ends
    return sizes


def _are_single(*sides: list[bytes]) -> bool:
    return all(len(set(tags)) == len(tags) for tags in sides)


def _meeting(before: list[bytes], after: list[bytes]) -> tuple[int, int] | None:
    """Return the places of the first tag that both have: the fewest rows before it, of both sides together."""
    places: dict[bytes, int] = {}
    for place, tag in enumerate(before):
        places.setdefault(tag, place)
    shared = [(places[tag] + place, places[tag], place) for place, tag in enumerate(after) if tag in places]
    return min(shared)[1:] if shared else None


def _fewest_edits(before: list[bytes], after: list[bytes], *, are_ends: bool) -> tuple[int, int] | None:
    """Return the same where rows repeat: on the way of the fewest changed, added and removed rows.

    What one side has behind the other's end counts nothing, unless both end here (``are_ends``).
    """
    if len(before) > WINDOWS[0] or set(before).isdisjoint(after):
        return None
    was_size, now_size = len(before), len(after)
    # edits[i][j]: what is needed from before[i:] and after[j:] on, filled from the ends.
    edits = [[0] * (now_size + 1) for _ in range(was_size + 1)]
    if are_ends:
        edits[was_size] = list(range(now_size, -1, -1))
        for was in range(was_size):
            edits[was][now_size] = was_size - was
    for was in reversed(range(was_size)):
        for now in reversed(range(now_size)):
            is_same = before[was] == after[now]
            least = min(edits[was + 1][now], edits[was][now + 1], edits[was + 1][now + 1])
            edits[was][now] = edits[was + 1][now + 1] if is_same else 1 + least
    was = now = 0
    while was < was_size and now < now_size:
        if before[was] == after[now]:
            return was, now
        steps = ((was + 1, now + 1), (was + 1, now), (was, now + 1))
        was, now = min(steps, key=lambda step: edits[step[0]][step[1]])
    return None


def _told(
    before: _Side[Was], after: _Side[Now], was_count: int, now_count: int, tags_of_cells: Callable[[bytes], bytes]
) -> Iterator[RowChange]:
    was_place, now_place = before.place, after.place
    pairs = zip_longest(before.take(was_count), after.take(now_count))
    for offset, (old, new) in enumerate(pairs, 1):
        was_row = None if old is None else was_place + offset
        if new is None:
            yield RowChange(was_row, None, None)
            continue
        columns = () if old is None else _columns(old.cells, tags_of_cells(new.row))
        yield RowChange(was_row, now_place + offset, new.line, columns)


def _columns(was: bytes, now: bytes) -> tuple[int, ...]:
    """Return the columns whose tags differ, counted from 1; none where one side has no tags."""
    if not was or not now:
        return ()
    places = range(0, max(len(was), len(now)), CELL_TAG_SIZE)
    return tuple(
        at // CELL_TAG_SIZE + 1 for at in places if was[at : at + CELL_TAG_SIZE] != now[at : at + CELL_TAG_SIZE]
    )
