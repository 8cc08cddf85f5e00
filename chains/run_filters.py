"""Filters of sorted runs: blocks of bits beside a run's pages, which say of most keys that the run does not hold them.

``chains.sorted_runs`` writes them with a run and asks them before it reads a page, so that a look-up reads a page of
one run, however many there are, and nothing is made from pairs when a process starts (ADR 66). They are derived: where
a run has no filter, or a block is missing, nothing is said, and the page is read.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from anchor.errors import StorageCorruptError
from anchor.hashing.chosen import HASHING
from anchor.hashing.filters import BLOCK_BYTES, block_of, masks_of
from anchor.hashing.plain import PAIR_SIZE
from anchor.storage.engine import Engine

PAIRS_IN_BLOCK = 512
"""So 16 bits a pair."""
# 64 MiB, for 33 million pairs: what of a larger log is asked again and again comes back soon.
MOST_BLOCKS = 65_536
# In one question; as many of a filter are read by whoever goes through it.
BLOCKS_AT_ONCE = 64
_PUT = "INSERT INTO lookup_filter (run_no, block_no, bits) VALUES (?, ?, ?)"


def blocks_for(pairs: int) -> int:
    """Return how many blocks the filter of so many pairs has."""
    return max(1, -(-pairs // PAIRS_IN_BLOCK))


Filtered = tuple[int, int | None]
"""A run (run_no), and how many blocks its filter has; None: it has no filter."""
_Place = tuple[int, int | None]
"""A block of a run's filter (run_no, block_no), which has none where it has no filter."""


class Filling:
    """A filter as sorted pairs come, in pieces: blocks that no later pair can change are given out, one is held."""

    def __init__(self, blocks: int) -> None:
        """Begin a filter of so many blocks."""
        self.blocks = blocks
        self._next, self._bits = 0, bytes(BLOCK_BYTES)

    def add(self, pairs: bytes) -> list[tuple[int, bytes]]:
        """Take sorted pairs; return the blocks (block_no, bits) that are filled now."""
        if not pairs:
            return []
        return self._up_to(block_of(pairs[-PAIR_SIZE:], self.blocks), pairs)

    def whole(self, pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
        """Yield all blocks of the pairs in these pieces."""
        for pairs in pieces:
            yield from self.add(pairs)
        yield from self.rest()

    def rest(self) -> list[tuple[int, bytes]]:
        """Return the blocks that were not given out."""
        done = self._up_to(self.blocks - 1, b"")
        return [*done, (self.blocks - 1, self._bits)]

    def _up_to(self, last: int, pairs: bytes) -> list[tuple[int, bytes]]:
        first, size = self._next, (last + 1 - self._next) * BLOCK_BYTES
        try:
            bits = HASHING.filled(pairs, self.blocks, first, self._bits.ljust(max(size, BLOCK_BYTES), b"\0"))
        except ValueError as error:
            raise StorageCorruptError("the pairs of a look-up run are out of order; run `anchorline audit`") from error
        self._next, self._bits = last, bits[-BLOCK_BYTES:]
        cuts = enumerate(range(0, size - BLOCK_BYTES, BLOCK_BYTES), first)
        return [(block_no, bits[at : at + BLOCK_BYTES]) for block_no, at in cuts]


class RunFilters:
    """The filters of one database. Blocks that were read are remembered: none gets a bit more as long as its run is."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._held: dict[_Place, bytes] = {}

    def may_hold(self, runs: Sequence[Filtered], keys: Iterable[bytes]) -> dict[bytes, list[int]]:
        """Return for each key which runs may hold it, in their order: one question for what is not in memory."""
        asked: dict[bytes, list[_Place]] = {
            key: [(run_no, blocks and block_of(key, blocks)) for run_no, blocks in runs] for key in keys
        }
        held = self._read({place for places in asked.values() for place in places if place not in self._held})
        found = {}
        for key, places in asked.items():
            (a, of_a), (b, of_b), (c, of_c), (d, of_d) = masks_of(key)
            # Written out: a writer asks this of each of its entries and every run.
            found[key] = [
                place[0]
                for place in places
                if (bits := held.get(place)) is None
                or (bits[a] & of_a and bits[b] & of_b and bits[c] & of_c and bits[d] & of_d)
            ]
        return found

    def _read(self, missing: Collection[_Place]) -> Mapping[_Place, bytes]:
        """Read blocks that are not held; return all that are held then."""
        asked = sorted((run_no, block_no) for run_no, block_no in missing if block_no is not None)
        if len(self._held) + len(asked) > MOST_BLOCKS:
            self._held = {}
        held = self._held
        for at in range(0, len(asked), BLOCKS_AT_ONCE):
            some = asked[at : at + BLOCKS_AT_ONCE]
            places = ", ".join(["(?, ?)"] * len(some))
            rows = self.engine.query(
                f"SELECT run_no, block_no, bits FROM (VALUES {places}) AS wanted "  # noqa: S608  # places only
                "JOIN lookup_filter ON run_no = wanted.column1 AND block_no = wanted.column2",
                [number for each in some for number in each],
            )
            held |= {(int(run_no), int(block_no)): bytes(bits) for run_no, block_no, bits in rows}
        return held

    def put(self, run_no: int, blocks: Iterable[tuple[int, bytes]]) -> None:
        """Write blocks of a run, inside a transaction."""
        if rows := [(run_no, block_no, bits) for block_no, bits in blocks]:
            self.engine.execute_many(_PUT, rows)

    def replace(self, run: tuple[int, int], block_no: int, pairs: bytes) -> None:
        """Write a block anew for the pairs that are left of those it was made for, inside a transaction."""
        run_no, blocks = run
        bits = HASHING.filled(pairs, blocks, block_no, bytes(BLOCK_BYTES))
        self.engine.execute(
            "UPDATE lookup_filter SET bits = ? WHERE run_no = ? AND block_no = ?", (bits, run_no, block_no)
        )

    def delete(self, run_no: int) -> None:
        """Take the filter of a run away, inside a transaction; harmless where it has none."""
        self.engine.execute("DELETE FROM lookup_filter WHERE run_no = ?", (run_no,))

    def delete_orphans(self) -> None:
        """Take away, inside a transaction, what an older version left of runs that it merged."""
        self.engine.execute("DELETE FROM lookup_filter WHERE run_no NOT IN (SELECT run_no FROM lookup_run)")

    def stored(self, run_no: int) -> Iterator[tuple[int, bytes]]:
        """Yield the blocks of a run as they lie in the database, in order."""
        after = -1
        query = "SELECT block_no, bits FROM lookup_filter WHERE run_no = ? AND block_no > ? ORDER BY block_no LIMIT ?"
        while rows := self.engine.query(query, (run_no, after, BLOCKS_AT_ONCE)):
            yield from ((int(block_no), bytes(bits)) for block_no, bits in rows)
            after = int(rows[-1][0])
