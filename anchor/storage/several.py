"""Rows that one INSERT takes together: at each statement a thread waits for Python's lock again, and for the server.

``anchor.storage.sqlite`` and ``anchor.storage.postgres`` cut here what is to be written by the same statement.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from anchor.storage.engine import Value

AT_ONCE = 8
"""Rows in one statement at the most: for each number of them there is another one, which is prepared by itself."""
_INSERT = re.compile(r"(INSERT INTO (\w+) \(([\w, ]+)\) VALUES )(\(\?(?:, \?)*\))((?: ON CONFLICT .*)?)", re.DOTALL)
_REPLACED = re.compile(r" ON CONFLICT \(([\w, ]+)\) DO UPDATE .*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT of one row in its parts, and in which places of a row its key stands, where it replaces what is there.

    Of two rows with one key the later one replaces the earlier; PostgreSQL refuses them in one statement.
    """

    table: str
    columns: tuple[str, ...]
    before: str
    places: str
    behind: str
    key: tuple[int, ...]

    @property
    def is_plain(self) -> bool:
        """Whether nothing is said of rows that are there already."""
        return not self.behind


@lru_cache(maxsize=256)
def insert_in(sql: str) -> Insert | None:
    """Return what is read of an INSERT of one row of values and nothing else; None for any other statement."""
    found = _INSERT.fullmatch(sql)
    if found is None:
        return None
    before, table, columns, places, behind = found.groups()
    replaced = _REPLACED.fullmatch(behind)
    names = tuple(columns.split(", "))
    key = () if replaced is None else tuple(map(names.index, replaced[1].split(", ")))
    return Insert(table, names, before, places, behind, key)


def together(insert: Insert, rows: Iterable[Sequence[Value]], most_bytes: int) -> Iterator[tuple[str, Sequence[Value]]]:
    """Yield statements, each with its values, that do what the INSERT does once for each row, in order.

    Up to ``AT_ONCE`` rows are in one, and none behind ``most_bytes`` of them.
    """
    held: list[Sequence[Value]] = []
    keys: set[tuple[Value, ...]] = set()
    left = most_bytes
    for row in rows:
        key = tuple([row[place] for place in insert.key])
        if held and (len(held) == AT_ONCE or left <= 0 or key in keys):
            yield _several(insert, len(held)), list(chain.from_iterable(held))
            held, left = [], most_bytes
            keys.clear()
        held.append(row)
        left -= sum([len(value) for value in row if isinstance(value, bytes)])
        if key:
            keys.add(key)
    if held:
        yield _several(insert, len(held)), list(chain.from_iterable(held))


@lru_cache(maxsize=1024)
def _several(insert: Insert, rows: int) -> str:
    """Return the INSERT of so many rows."""
    return f"{insert.before}{', '.join([insert.places] * rows)}{insert.behind}"
