"""Sorted runs: look-ups by a random key over rows in insertion order, without a random index on the hot path.

Pairs of 16 bytes (8 of the key, 8 of the seq) are written in sorted pages, a run for many rows at once, and merged by
eights, those of entry hashes so that the first run has most (ADR 70). ``chains.lookup`` and ``chains.content_index``
say which pairs; whoever finds one compares the row itself.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import islice, takewhile

from anchor.hashing.chosen import HASHING
from anchor.hashing.filters import block_of, first_key
from anchor.hashing.plain import PAIR_KEY_SIZE, PAIR_SIZE
from anchor.storage.engine import Engine, Row
from chains.run_filters import Filling, RunFilters, StoredRun, blocks_for

KEY_SIZE = PAIR_KEY_SIZE
# 16,000 bytes: a row fills one page of SQLite (anchor/storage/sqlite.py), so a look-up reads no more than with shorter
# ones, the index over pages is small, and a pair's share of a row, each time that it is written or merged, is little.
PAIRS_IN_PAGE = 1000
# Pages of a run that are merged at a time: memory stays flat, and pairs are sorted by thousands.
_MERGED_PAGES = 16
# Pages that are written in one statement, and the blocks of a filter with them.
_WRITTEN_PAGES = 128
# Pairs that were read of a run, and the pages behind them.
_Held = tuple[bytes, Iterator[bytes]]
# Eight runs of a level become one of the next: a pair is rewritten log8(n) times, a look-up asks 8 log8(n) filters.
FAN_IN = 8
# Entries of the largest run that is made before there are eight to merge (``_first_ones``). It takes 2 to 4 s in one
# transaction, and another process that writes waits for 5 at most (anchor/storage/sqlite.py).
MOST_JOINED = 10_000_000
# No seq is as large: behind every pair of a key.
_LAST = b"\xff" * KEY_SIZE


class Kind(IntEnum):
    """What a run is sorted by."""

    ENTRY_HASH = 0
    EXTERNAL_ID = 1
    """Also what an entry corrects: all of ``chains.found_by``."""
    CONTENT_DIGEST = 2


class SortedRuns:
    """The sorted runs of one database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.filters = RunFilters(engine)
        # The runs of a kind, and what was seen of them when they were read.
        self._known: dict[Kind, tuple[Row, list[StoredRun]]] = {}

    def find(self, kind: Kind, key: bytes, after_seq: int, runs: Sequence[StoredRun] | None = None) -> Iterator[int]:
        """Yield candidate seqs above ``after_seq`` in ascending order; they share 8 bytes of the key.

        Runs that another process merges away while they are read hide nothing; ``runs`` are those of the kind, where
        the caller has just asked for them.
        """
        last = after_seq
        while True:
            left = [run for run in (self.runs(kind) if runs is None else runs) if run.end_seq > last]
            for run in left:
                if not self._is_worth_reading(kind, run, left, key):
                    continue
                pages = 0
                for seqs in self.find_in_run(run.run_no, key[:KEY_SIZE] + (last + 1).to_bytes(8, "big")):
                    pages += 1
                    for last in seqs:  # where it ended is used below
                        yield last
                # One page was read at one moment. Of none, or several, some may have been merged away by another
                # process meanwhile: then begin again after what was found.
                if pages != 1 and not self._exists(run.run_no):
                    runs = None
                    break
            else:
                return

    def _is_worth_reading(self, kind: Kind, run: StoredRun, left: Sequence[StoredRun], key: bytes) -> bool:
        """Say whether a page of a run is read for a key. To read a block of its filter takes as long.

        An entry hash is mostly that of an entry, and there is one: where half of the entries are that are left, the
        page is read. Other keys stand in any number of runs, or in none.
        """
        rest = left[-1].end_seq - run.first_seq
        if len(left) == 1 or (kind is Kind.ENTRY_HASH and 2 * run.entries >= rest):
            return self.filters.held_say(run, key)
        return self.filters.holds(run, key)

    def find_each(self, kind: Kind, keys: Sequence[bytes]) -> dict[bytes, list[int]]:
        """Return the candidate seqs of those keys that have any; inside a transaction, where no run goes away."""
        found: dict[bytes, list[int]] = {}
        for key, run_nos in self.filters.may_hold(self._read_runs(kind), keys).items():
            for run_no in run_nos:
                for seqs in self.find_in_run(run_no, key[:KEY_SIZE] + bytes(8)):
                    found.setdefault(key, []).extend(seqs)
        return {key: seqs for key, seqs in found.items() if seqs}

    def indexed_to(self, kind: Kind) -> int:
        """Return the first seq that no run of this kind holds (seqs begin at 1)."""
        rows = self.engine.query("SELECT COALESCE(MAX(end_seq), 1) FROM lookup_run WHERE kind = ?", (kind,))
        return int(rows[0][0])

    def runs(self, kind: Kind) -> list[StoredRun]:
        """Return the runs of a kind, in order."""
        # A run that is written, also of others that are merged, has the highest number; upkeep adds filters.
        [seen] = self.engine.query(
            "SELECT MAX(run_no), MAX(end_seq), COUNT(filter_blocks) FROM lookup_run WHERE kind = ?", (kind,)
        )
        known = self._known.get(kind)
        if known is not None and known[0] == seen:
            return known[1]
        runs = self._read_runs(kind)
        if not self.engine.in_transaction:  # which may be rolled back
            self._known[kind] = seen, runs
        return runs

    def _read_runs(self, kind: Kind) -> list[StoredRun]:
        rows = self.engine.query(
            "SELECT run_no, filter_blocks, first_seq, end_seq FROM lookup_run WHERE kind = ? ORDER BY first_seq",
            (kind,),
        )
        return [StoredRun(*row) for row in rows]

    def _exists(self, run_no: int) -> bool:
        return bool(self.engine.query("SELECT 1 FROM lookup_run WHERE run_no = ?", (run_no,)))

    def store(self, kind: Kind, level: int, seqs: tuple[int, int], pairs: Iterable[bytes], count: int) -> None:
        """Write a run over the rows ``seqs`` (first, end), inside a transaction.

        ``pairs`` are sorted, and come in pieces of any number of whole ones; there are about ``count``.
        """
        filling = Filling(blocks_for(count))
        run_no = int(self.engine.query("SELECT COALESCE(MAX(run_no), 0) + 1 FROM lookup_run")[0][0])
        self.engine.execute(
            "INSERT INTO lookup_run (run_no, kind, level, first_seq, end_seq, filter_blocks) VALUES (?, ?, ?, ?, ?, ?)",
            (run_no, kind, level, *seqs, filling.blocks),
        )
        # Where an older version took the newest run away, its number is given once more.
        self.filters.delete(run_no)
        pages = _pages(pairs)
        while some := list(islice(pages, _WRITTEN_PAGES)):
            rows = [(run_no, page[:PAIR_SIZE], page) for page in some]
            self.engine.execute_many("INSERT INTO lookup_page (run_no, first_pair, pairs) VALUES (?, ?, ?)", rows)
            self.filters.put(run_no, filling.add(b"".join(some)))
        self.filters.put(run_no, filling.rest())

    def remove(self, kind: Kind, pair: bytes) -> None:
        """Take a pair out of the runs of a kind, inside a transaction; nothing where it is in none."""
        seq = int.from_bytes(pair[KEY_SIZE:], "big")
        runs = self.engine.query(
            "SELECT run_no, filter_blocks FROM lookup_run WHERE kind = ? AND first_seq <= ? AND end_seq > ?",
            (kind, seq, seq),
        )
        for run_no, blocks in runs:
            at, page = self._page_from(run_no, "<=", pair)
            if pair not in _cut(page):
                continue
            left = [each for each in _cut(page) if each != pair]
            self.engine.execute("DELETE FROM lookup_page WHERE run_no = ? AND first_pair = ?", (run_no, at))
            if left:
                self.engine.execute(
                    "INSERT INTO lookup_page (run_no, first_pair, pairs) VALUES (?, ?, ?)",
                    (run_no, left[0], b"".join(left)),
                )
            if blocks is not None:
                block_no = block_of(pair, blocks)
                self.filters.replace((run_no, blocks), block_no, self._pairs_in(run_no, block_no, blocks))

    def _pairs_in(self, run_no: int, block_no: int, blocks: int) -> bytes:
        """Return the pairs of a run whose keys are in a block of its filter."""
        start, found = first_key(block_no, blocks), list[bytes]()
        at, page = self._first_page(run_no, start)
        while at and block_of(at, blocks) <= block_no:
            found += (pair for pair in _cut(page) if block_of(pair, blocks) == block_no)
            at, page = self._page_from(run_no, ">", at)
        return b"".join(found)

    def add_filters(self) -> None:
        """Give every run a filter that has none: an older version wrote it. Outside a transaction; may be repeated."""
        lacking = "SELECT run_no FROM lookup_run WHERE filter_blocks IS NULL ORDER BY run_no LIMIT 1"
        while self.engine.query(lacking):
            with self.engine.transaction():
                # Another process may have done it, or merged the run away.
                for (run_no,) in self.engine.query(lacking):
                    self._add_filter(run_no)

    def _add_filter(self, run_no: int) -> None:
        filling = Filling(blocks_for(self._pairs_in_all([run_no])))
        self.filters.delete_orphans()
        pages = self.pages_of(run_no)
        while some := list(islice(pages, _WRITTEN_PAGES)):
            self.filters.put(run_no, filling.add(b"".join(some)))
        self.filters.put(run_no, filling.rest())
        self.engine.execute("UPDATE lookup_run SET filter_blocks = ? WHERE run_no = ?", (filling.blocks, run_no))

    def _pairs_in_all(self, run_nos: Sequence[int]) -> int:
        query = "SELECT COALESCE(SUM(LENGTH(pairs)), 0) FROM lookup_page WHERE run_no = ?"
        return sum(int(self.engine.query(query, (run_no,))[0][0]) for run_no in run_nos) // PAIR_SIZE

    def merge_all(self) -> None:
        """Merge where eight runs stand side by side, or the first is small, and give filters to those without.

        Outside a transaction, each step is one of its own.
        What is to be done is asked again under the write lock: another process may have done it.
        """
        while self._mergeable():
            with self.engine.transaction():
                if runs := self._mergeable():
                    self._merge(*runs)
        self.add_filters()

    def _mergeable(self) -> tuple[Kind, int, list[StoredRun]] | None:
        """Return runs that are to become one, and its level."""
        return self._eight() or self._first_ones()

    def _first_ones(self) -> tuple[Kind, int, list[StoredRun]] | None:
        """Return the first runs of entry hashes, those of the highest level, unless the first has more than half.

        A look-up begins with the first run and should mostly end there (``_is_worth_reading``), however large the log
        is. As each joining doubles it at least, a pair is rewritten once or twice more, and not at each joining.
        """
        rows = self.engine.query(
            "SELECT level, run_no, filter_blocks, first_seq, end_seq FROM lookup_run WHERE kind = ? ORDER BY first_seq",
            (Kind.ENTRY_HASH,),
        )
        runs = [StoredRun(*row[1:]) for row in takewhile(lambda row: row[0] == rows[0][0], rows)]
        if len(runs) < 2 or 2 * runs[0].entries > rows[-1][-1] - runs[0].first_seq:
            return None
        joined, level = runs[-1].end_seq - runs[0].first_seq, int(rows[0][0])
        if joined > MOST_JOINED:
            return None
        return Kind.ENTRY_HASH, level + 1 if joined >= FAN_IN * runs[-1].entries else level, runs

    def _eight(self) -> tuple[Kind, int, list[StoredRun]] | None:
        rows = self.engine.query(
            "SELECT kind, level FROM lookup_run GROUP BY kind, level HAVING COUNT(*) >= ? ORDER BY level LIMIT 1",
            (FAN_IN,),
        )
        if not rows:
            return None
        kind, level = rows[0]
        runs = self.engine.query(
            "SELECT run_no, filter_blocks, first_seq, end_seq FROM lookup_run WHERE kind = ? AND level = ? "
            "ORDER BY first_seq LIMIT ?",
            (kind, level, FAN_IN),
        )
        return Kind(kind), level + 1, [StoredRun(*run) for run in runs]

    def _merge(self, kind: Kind, level: int, runs: list[StoredRun]) -> None:
        """Merge runs into one of this level; pages stream through, so memory stays flat."""
        run_nos = [run.run_no for run in runs]
        count = self._pairs_in_all(run_nos)
        self.store(kind, level, (runs[0].first_seq, runs[-1].end_seq), _merged(map(self.pages_of, run_nos)), count)
        for run_no in run_nos:
            self.filters.delete(run_no)
            self.engine.execute("DELETE FROM lookup_page WHERE run_no = ?", (run_no,))
            self.engine.execute("DELETE FROM lookup_run WHERE run_no = ?", (run_no,))

    def pages_of(self, run_no: int) -> Iterator[bytes]:
        """Yield the pages of a run, in order."""
        at = b""
        # Where it goes on is what a page is stored under: whatever became of its pairs, there is an end.
        query = (
            "SELECT first_pair, pairs FROM lookup_page WHERE run_no = ? AND first_pair > ? ORDER BY first_pair LIMIT ?"
        )
        while rows := self.engine.query(query, (run_no, at, _MERGED_PAGES)):
            at = bytes(rows[-1][0])
            yield from (bytes(page) for _, page in rows)

    def find_in_run(self, run_no: int, start: bytes) -> Iterator[list[int]]:
        """Yield the seqs of a run that stand with the key of ``start``, from that pair on: those of a page each."""
        key = start[:KEY_SIZE]
        at, page = self._first_page(run_no, start)
        while at and at <= key + _LAST:
            place, seqs = _place_in(page, start), list[int]()
            while (pair := _pair_at(page, place)).startswith(key):
                seqs.append(int.from_bytes(pair[KEY_SIZE:], "big"))
                place += 1
            yield seqs
            if pair:
                return
            at, page = self._page_from(run_no, ">", at)

    def _first_page(self, run_no: int, start: bytes) -> tuple[bytes, bytes]:
        """Return the page of a run in which a pair would stand, or the first one where all are above it."""
        at, page = self._page_from(run_no, "<=", start)
        return (at, page) if at else self._page_from(run_no, ">", start)

    def _page_from(self, run_no: int, relation: str, at: bytes) -> tuple[bytes, bytes]:
        """Return the first page after a pair (">"), or the one that would hold it ("<="): under what it is stored too.

        Whoever goes on does so from there: a damaged page, whose pairs begin otherwise, would come again and again.
        Nothing (twice) where there is no page.
        """
        order = "ASC" if relation == ">" else "DESC"
        rows = self.engine.query(
            "SELECT first_pair, pairs FROM lookup_page "  # noqa: S608  # our own words
            f"WHERE run_no = ? AND first_pair {relation} ? ORDER BY first_pair {order} LIMIT 1",
            (run_no, at),
        )
        return (bytes(rows[0][0]), bytes(rows[0][1])) if rows else (b"", b"")


def end_of(runs: Sequence[StoredRun]) -> int:
    """Return the first seq behind all of these runs, which are in order (seqs begin at 1)."""
    return runs[-1].end_seq if runs else 1


def _cut(page: bytes) -> list[bytes]:
    return [page[at : at + PAIR_SIZE] for at in range(0, len(page), PAIR_SIZE)]


def _pair_at(pairs: bytes, place: int) -> bytes:
    return pairs[place * PAIR_SIZE : (place + 1) * PAIR_SIZE]


def _place_in(pairs: bytes, start: bytes) -> int:
    """Return the place of the first pair that is not below ``start``, without cutting all of them."""
    return bisect_left(range(len(pairs) // PAIR_SIZE), start, key=lambda place: _pair_at(pairs, place))


def _pages(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the pairs of all pieces in pages."""
    size, held = PAIRS_IN_PAGE * PAIR_SIZE, b""
    for piece in pieces:
        held += piece
        whole = len(held) - len(held) % size
        yield from (held[at : at + size] for at in range(0, whole, size))
        held = held[whole:]
    if held:
        yield held


def _merged(streams: Iterable[Iterator[bytes]]) -> Iterator[bytes]:
    """Yield the pairs of sorted streams of pages in one order, in pieces.

    Of each stream some pages are held. What is not above the least of their last pairs can be given out: what comes
    later in any stream is above it. That empties one of them, so it ends.
    """
    held = _refilled((b"", stream) for stream in streams)
    while held:
        least = min(pages[-PAIR_SIZE:] for pages, _ in held)
        ends = [_end_of(pages, least) for pages, _ in held]
        yield HASHING.sorted_pairs(b"".join(pages[:end] for (pages, _), end in zip(held, ends, strict=True)))
        held = _refilled((pages[end:], stream) for (pages, stream), end in zip(held, ends, strict=True))


def _refilled(held: Iterable[_Held]) -> list[_Held]:
    """Return the streams that have anything left, with some pages of each."""
    refilled = ((pages or _next_pages(stream), stream) for pages, stream in held)
    return [(pages, stream) for pages, stream in refilled if pages]


def _next_pages(stream: Iterator[bytes]) -> bytes:
    return b"".join(islice(stream, _MERGED_PAGES))


def _end_of(pairs: bytes, last: bytes) -> int:
    """Return where the pairs end that are not above ``last``."""
    return PAIR_SIZE * bisect_right(range(len(pairs) // PAIR_SIZE), last, key=lambda place: _pair_at(pairs, place))
