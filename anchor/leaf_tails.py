"""The newest leaf hashes of each log, beside its tiles, so that an append writes those few and not a tile of 8 KiB.

A log that gets one entry at a time would write its last tile 256 times, four kilobytes each on average. What is
appended in small numbers goes to the log's tail, one short row, until that is ``TAIL_WIDTH`` hashes or the tile is
full; then the tile is written with all of it, and the tail is left where it is: it says nothing that the tile does not
(docs/adr/0072-tails-of-logs.md). ``anchor.log`` reads a tile and what follows it in the tail with one question.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from anchor.proof.codec import HASH_SIZE
from anchor.storage.engine import Engine

TAIL_WIDTH = 32
"""Hashes that are more than a tail: a kilobyte, of which PostgreSQL keeps several in one page and moves none out."""
# Trees asked for with one question; SQLite before 3.32 takes 999 values.
_AT_ONCE = 512


class Tail(NamedTuple):
    """Flat leaf hashes of a log from ``first_index`` on, all in one tile."""

    first_index: int
    hashes: bytes

    @property
    def end(self) -> int:
        """The leaf index behind them."""
        return self.first_index + len(self.hashes) // HASH_SIZE

    def with_more(self, hashes: bytes, tile_end: int) -> "Tail | None":
        """Return the tail with hashes behind its own; None where they make a tail too long, or fill the tile."""
        grown = Tail(self.first_index, self.hashes + hashes)
        return grown if grown.end < min(tile_end, grown.first_index + TAIL_WIDTH) else None


def current_tails(engine: Engine, sizes: Mapping[int, int]) -> dict[int, Tail]:
    """Return the tails that end where their logs do, by tree_no; ``sizes`` has the logs that are asked for."""
    trees = sorted(sizes)
    found: dict[int, Tail] = {}
    for at in range(0, len(trees), _AT_ONCE):
        some = trees[at : at + _AT_ONCE]
        rows = engine.query(
            f"SELECT tree_no, first_index, hashes FROM leaf_tail WHERE tree_no IN ({', '.join('?' * len(some))})",  # noqa: S608  # places only
            some,
        )
        found |= {int(tree_no): Tail(int(first), bytes(hashes)) for tree_no, first, hashes in rows}
    return {tree_no: tail for tree_no, tail in found.items() if tail.end == sizes[tree_no]}


def store_tails(engine: Engine, rows: Iterable[tuple[int, Tail]]) -> None:
    """Store the tails of logs, by tree_no, inside a transaction."""
    engine.execute_many(
        "INSERT INTO leaf_tail (tree_no, first_index, hashes) VALUES (?, ?, ?) "
        "ON CONFLICT (tree_no) DO UPDATE SET first_index = excluded.first_index, hashes = excluded.hashes",
        [(tree_no, *tail) for tree_no, tail in rows],
    )


def continued(tile: bytes, place: int, tail: bytes) -> bytes:
    """Return a tile with the tail that begins at a place of it, where that goes on with what the tile holds."""
    return tile + tail if len(tile) == place * HASH_SIZE else tile
