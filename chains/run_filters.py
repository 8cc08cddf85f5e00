"""Filters of sorted runs: blocks of bits beside a run's pages, which say of most keys that the run does not hold them.

``chains.sorted_runs`` writes them with a run and asks them before it reads a page, so that a look-up reads a page of
one run, however many there are, and nothing is made from pairs when a process starts (ADR 66). They are derived: where
a run has no filter, or a block is missing, nothing is said, and the page is read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from struct import Struct

from anchor.errors import StorageCorruptError
from anchor.hashing.chosen import HASHING
from anchor.hashing.filters import BLOCK_BYTES, block_of, has_bits
from anchor.hashing.plain import PAIR_SIZE
from anchor.proof.codec import HASH_SIZE
from anchor.storage.engine import Engine

PAIRS_IN_BLOCK = 512
"""So 16 bits a pair."""
# 64 MiB, for 33 million pairs: what of a larger log is asked again and again comes back soon.
MOST_BLOCKS = 65_536
# In one question; as many of a filter are read by whoever goes through it.
BLOCKS_AT_ONCE = 64

# The bytes of a hash that say its block (``block_of``).
_FIRST_HALF = Struct(f">I{HASH_SIZE - 4}x")


def blocks_for(pairs: int) -> int:
    """Return how many blocks the filter of so many pairs has."""
    return max(1, -(-pairs // PAIRS_IN_BLOCK))


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run over the rows first_seq to end_seq-1, and how many blocks its filter has; None: it has no filter."""

    run_no: int
    filter_blocks: int | None
    first_seq: int
    end_seq: int

    @property
    def entries(self) -> int:
        """Over how many rows it is."""
        return self.end_seq - self.first_seq

    def number(self, key: bytes) -> int | None:
        """Return under which number the block lies that a key would be in."""
        return None if self.filter_blocks is None else _number(self.run_no, block_of(key, self.filter_blocks))


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
        # By the number under which they lie there.
        self._held: dict[int, bytes] = {}

    def holds(self, run: StoredRun, key: bytes) -> bool:
        """Say whether a run may hold a key."""
        number = run.number(key)
        if number is None:
            return True
        if number not in self._held:
            self._read([number])
        bits = self._held.get(number)
        return bits is None or has_bits(bits, key)

    def held_say(self, run: StoredRun, key: bytes) -> bool:
        """Say the same where the block is in memory; True where it is not."""
        number = run.number(key)
        bits = None if number is None else self._held.get(number)
        return bits is None or has_bits(bits, key)

    def may_hold(self, runs: Sequence[StoredRun], hashes: Iterable[bytes]) -> dict[bytes, list[int]]:
        """Return which runs may hold a hash (32 bytes), in their order, for each that any may hold.

        One question for what is not in memory.
        """
        keys = list(dict.fromkeys(hashes))
        flat = b"".join(keys)
        halves = [half for (half,) in _FIRST_HALF.iter_unpack(flat)]
        wanted = {
            run.run_no: [_number(run.run_no, block_no) for block_no in sorted({half * blocks >> 32 for half in halves})]
            for run in runs
            if (blocks := run.filter_blocks) is not None
        }
        self._read([number for numbers in wanted.values() for number in numbers])
        found: dict[bytes, list[int]] = {}
        for run in runs:
            # Of a run without a filter no block is there, so it may hold all.
            there = [number for number in wanted.get(run.run_no, ()) if number in self._held]
            bits = b"".join([self._held[number] for number in there])
            for place in HASHING.held(flat, run.filter_blocks or 1, [_block_no(number) for number in there], bits):
                found.setdefault(keys[place], []).append(run.run_no)
        return found

    def _read(self, numbers: Sequence[int]) -> None:
        """Have these blocks in memory, those of them that there are."""
        missing = [number for number in numbers if number not in self._held]
        if len(self._held) + len(missing) > MOST_BLOCKS:
            self._held, missing = {}, list(numbers)
        for at in range(0, len(missing), BLOCKS_AT_ONCE):
            some = missing[at : at + BLOCKS_AT_ONCE]
            places = ", ".join("?" for _ in some)
            rows = self.engine.query(
                f"SELECT block_number, bits FROM lookup_filter WHERE block_number IN ({places})",  # noqa: S608  # places only
                some,
            )
            self._held |= {int(number): bytes(bits) for number, bits in rows}

    def put(self, run_no: int, blocks: Iterable[tuple[int, bytes]]) -> None:
        """Write blocks of a run, inside a transaction."""
        if rows := [(_number(run_no, block_no), bits) for block_no, bits in blocks]:
            self.engine.execute_many("INSERT INTO lookup_filter (block_number, bits) VALUES (?, ?)", rows)

    def replace(self, run: tuple[int, int], block_no: int, pairs: bytes) -> None:
        """Write a block anew for the pairs that are left of those it was made for, inside a transaction."""
        run_no, blocks = run
        bits = HASHING.filled(pairs, blocks, block_no, bytes(BLOCK_BYTES))
        self.engine.execute(
            "UPDATE lookup_filter SET bits = ? WHERE block_number = ?", (bits, _number(run_no, block_no))
        )

    def delete(self, run_no: int) -> None:
        """Take the filter of a run away, inside a transaction; harmless where it has none."""
        self.engine.execute(
            "DELETE FROM lookup_filter WHERE block_number >= ? AND block_number < ?",
            (_number(run_no, 0), _number(run_no + 1, 0)),
        )

    def delete_orphans(self) -> None:
        """Take away, inside a transaction, what an older version left of runs that it merged."""
        self.engine.execute("DELETE FROM lookup_filter WHERE block_number >> 32 NOT IN (SELECT run_no FROM lookup_run)")

    def stored(self, run_no: int) -> Iterator[tuple[int, bytes]]:
        """Yield the blocks of a run as they lie in the database, in order."""
        at, end = _number(run_no, 0), _number(run_no + 1, 0)
        query = (
            "SELECT block_number, bits FROM lookup_filter WHERE block_number >= ? AND block_number < ? "
            "ORDER BY block_number LIMIT ?"
        )
        while rows := self.engine.query(query, (at, end, BLOCKS_AT_ONCE)):
            yield from ((_block_no(int(number)), bytes(bits)) for number, bits in rows)
            at = int(rows[-1][0]) + 1


def _number(run_no: int, block_no: int) -> int:
    """Return under which number a block lies: those of a run stand side by side, and one index leads to them."""
    return run_no << 32 | block_no


def _block_no(number: int) -> int:
    return number & 0xFFFFFFFF
