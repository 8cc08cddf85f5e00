"""Look-ups by entry hash and by external id, without a random index on the hot path.

Rows come from the ``entry`` table in insertion order (seq). Older ones are indexed in sorted runs of 16-byte pairs
(8 bytes of the key, 8 of the seq), written once per 65,536 entries after a seal and merged by eights; the newest are
looked up in memory. ``chains.writer`` uses it for idempotency, ``chains.reader`` for finding.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from heapq import merge
from itertools import islice

from anchor.proof.codec import HASH_SIZE
from anchor.proof.entry import Entry
from anchor.storage.engine import Engine
from chains.chain import Chains, Run

KEY_SIZE = 8
PAIR_SIZE = 16
PAIRS_IN_PAGE = 256
# A run is written when this many entries are not indexed yet.
RUN_ENTRIES = 65536
# Runs are written when a seal has been made (cli.py); a writer that no seal follows does it here, so that what a
# look-up may have to read, and memory holds, stays bounded.
BACKLOG_ENTRIES = 2 * RUN_ENTRIES
# Eight runs of a level become one of the next: a pair is rewritten log8(n) times, a look-up reads 8 log8(n) pages.
FAN_IN = 8
# Bits of memory for each indexed entry: one look-up in sixteen then reads a page in vain.
FILTER_BITS = 16
_LAST = b"\xff" * KEY_SIZE


class Kind(IntEnum):
    """What a run is sorted by."""

    ENTRY_HASH = 0
    EXTERNAL_ID = 1


class Lookup:
    """The index of one database; a process may hold several, each catches up by itself."""

    def __init__(self, engine: Engine, chains: Chains) -> None:
        self.engine = engine
        self.chains = chains
        # The newest entries, by whole key, from ``_window_start`` up to (not including) ``_window_end``.
        self._window: dict[Kind, dict[bytes, list[int]]] = {kind: {} for kind in Kind}
        self._window_start = self._window_end = 0
        self._filters: dict[int, bytearray] = {}
        # What the runs were once seen to reach: they only grow.
        self._seen_indexed_to = 1

    def find(self, kind: Kind, key: bytes, after_seq: int = -1) -> Iterator[int]:
        """Yield candidate seqs above ``after_seq`` in ascending order; ``key`` is the whole 32-byte hash.

        Candidates share 8 bytes of the key: the caller compares the entry itself.
        """
        last = after_seq
        while True:
            self._catch_up()
            for run_no in self._runs_after(kind, last):
                for seq in self._find_in_run(run_no, key[:KEY_SIZE] + (last + 1).to_bytes(8, "big")):
                    last = seq
                    yield seq
                if not self._exists(run_no):
                    break  # merged away by another process while it was read: begin again after what was found
            else:
                break
        yield from (seq for seq in self._window[kind].get(key, ()) if seq > last)

    def _runs_after(self, kind: Kind, seq: int) -> list[int]:
        sql = "SELECT run_no FROM lookup_run WHERE kind = ? AND end_seq > ? ORDER BY first_seq"
        return [int(run_no) for (run_no,) in self.engine.query(sql, (kind, seq))]

    def _exists(self, run_no: int) -> bool:
        return bool(self.engine.query("SELECT 1 FROM lookup_run WHERE run_no = ?", (run_no,)))

    def candidates(self, entry_hashes: Sequence[bytes]) -> dict[bytes, list[int]]:
        """Return the candidate seqs of those entry hashes that have any: what a writer asks before it appends."""
        self._catch_up()
        found = {key: seqs for key in entry_hashes if (seqs := list(self._window[Kind.ENTRY_HASH].get(key, ())))}
        for run_no in self._runs_after(Kind.ENTRY_HASH, -1):
            may_hold = self._filter(run_no)
            for key in entry_hashes:
                place = _place(key, may_hold)
                if may_hold[place >> 3] & (1 << (place & 7)):
                    found.setdefault(key, []).extend(self._find_in_run(run_no, key[:KEY_SIZE] + bytes(8)))
        return {key: seqs for key, seqs in found.items() if seqs}

    def _filter(self, run_no: int) -> bytearray:
        """Return a run's filter (a bit is set where the run may hold a key), made when first asked for."""
        if run_no not in self._filters:
            rows = self.engine.query("SELECT SUM(LENGTH(pairs)) FROM lookup_page WHERE run_no = ?", (run_no,))
            bits = bytearray(max(int(rows[0][0] or 0) // PAIR_SIZE * FILTER_BITS // 8, 1))
            for pair in self._pairs_of(run_no):
                place = _place(pair, bits)
                bits[place >> 3] |= 1 << (place & 7)
            self._filters[run_no] = bits
        return self._filters[run_no]

    def keep_up(self, next_seq: int) -> None:
        """Write runs only where more than a seal should leave behind is not indexed: for writers, before a commit.

        ``next_seq`` may be an older one (a writer's own last commit): it says when to look, not what is there.
        """
        if next_seq - self._seen_indexed_to < BACKLOG_ENTRIES:
            return
        self._seen_indexed_to = self._indexed_to()
        if self._unindexed() >= BACKLOG_ENTRIES:
            self.maintain(RUN_ENTRIES)

    def maintain(self, least: int = RUN_ENTRIES) -> None:
        """Write a run where at least ``least`` entries are not indexed, and merge where eight runs stand side by side.

        Outside a transaction; each step is one of its own, and harmless to repeat or to lose. What is to be done is
        asked again under the write lock: another process may have done it.
        """
        while self._unindexed() >= least:
            with self.engine.transaction():
                if self._unindexed() >= least:
                    start = self._indexed_to()
                    self._write_runs(start, min(self.chains.next_seq(), start + RUN_ENTRIES))
        while self._mergeable():
            with self.engine.transaction():
                if runs := self._mergeable():
                    self._merge(*runs)

    def _unindexed(self) -> int:
        return self.chains.next_seq() - self._indexed_to()

    # --- the newest entries

    def _indexed_to(self) -> int:
        """Return the first seq that no run holds (seqs begin at 1)."""
        return int(self.engine.query("SELECT COALESCE(MAX(end_seq), 1) FROM lookup_run")[0][0])

    def _catch_up(self) -> None:
        """Bring the window up to the newest entry: another process may have written, or indexed, since."""
        indexed_to, end = self._indexed_to(), self.chains.next_seq()
        if self._window_start != indexed_to:
            self._window = {kind: {} for kind in Kind}
            self._window_start = self._window_end = indexed_to
        for seq, kind, key in self._keys(self._window_end, end):
            self._window[kind].setdefault(key, []).append(seq)
        self._window_end = end

    def _keys(self, start: int, end: int) -> Iterator[tuple[int, Kind, bytes]]:
        """Yield (seq, kind, whole key) of the entries start to end-1; hashes come from the chains' tiles."""
        for run in self.chains.runs(start, end):
            seq = run.first_seq
            for hashes in self._hashes_of(run):
                for at in range(0, len(hashes), HASH_SIZE):
                    yield seq, Kind.ENTRY_HASH, hashes[at : at + HASH_SIZE]
                    seq += 1
            if run.with_ids:
                yield from self._external_ids(run.first_seq, run.first_seq + run.entry_count)

    def _hashes_of(self, run: Run) -> Iterator[bytes]:
        """Yield the flat leaf hashes of a run of entries, from the chain's tiles."""
        return self.chains.trees.leaf_hashes(run.chain_no, run.first_index, run.first_index + run.entry_count)

    def _external_ids(self, start: int, end: int) -> Iterator[tuple[int, Kind, bytes]]:
        for seq, raw, _ in self.chains.bundles.rows(start, end):
            for digest in {external_id.digest() for external_id in Entry.decode(raw).external_ids}:
                yield seq, Kind.EXTERNAL_ID, digest

    # --- sorted runs

    def _write_runs(self, start: int, end: int) -> None:
        by_hash: list[bytes] = []
        by_id: list[bytes] = []
        for run in self.chains.runs(start, end):
            last_seq = run.first_seq + run.entry_count
            hashes = b"".join(self._hashes_of(run))
            by_hash += [
                hashes[at : at + KEY_SIZE] + seq.to_bytes(8, "big")
                for at, seq in zip(range(0, len(hashes), HASH_SIZE), range(run.first_seq, last_seq), strict=True)
            ]
            if run.with_ids:
                ids = self._external_ids(run.first_seq, last_seq)
                by_id += [key[:KEY_SIZE] + seq.to_bytes(8, "big") for seq, _, key in ids]
        self._store_run(Kind.ENTRY_HASH, 0, (start, end), sorted(by_hash))
        self._store_run(Kind.EXTERNAL_ID, 0, (start, end), sorted(by_id))

    def _store_run(self, kind: Kind, level: int, seqs: tuple[int, int], pairs: Iterable[bytes]) -> None:
        run_no = int(self.engine.query("SELECT COALESCE(MAX(run_no), 0) + 1 FROM lookup_run")[0][0])
        self.engine.execute(
            "INSERT INTO lookup_run (run_no, kind, level, first_seq, end_seq) VALUES (?, ?, ?, ?, ?)",
            (run_no, kind, level, *seqs),
        )
        rows = ((run_no, page[0], b"".join(page)) for page in _pages(pairs))
        self.engine.execute_many("INSERT INTO lookup_page (run_no, first_pair, pairs) VALUES (?, ?, ?)", rows)

    def _mergeable(self) -> tuple[Kind, int, list[tuple[int, int, int]]] | None:
        rows = self.engine.query(
            "SELECT kind, level FROM lookup_run GROUP BY kind, level HAVING COUNT(*) >= ? ORDER BY level LIMIT 1",
            (FAN_IN,),
        )
        if not rows:
            return None
        kind, level = rows[0]
        runs = self.engine.query(
            "SELECT run_no, first_seq, end_seq FROM lookup_run WHERE kind = ? AND level = ? ORDER BY first_seq LIMIT ?",
            (kind, level, FAN_IN),
        )
        return Kind(kind), level, [(run_no, first, end) for run_no, first, end in runs]

    def _merge(self, kind: Kind, level: int, runs: list[tuple[int, int, int]]) -> None:
        """Merge runs into one of the next level; pages stream through, so memory stays flat."""
        streams = [self._pairs_of(run_no) for run_no, _, _ in runs]
        self._store_run(kind, level + 1, (runs[0][1], runs[-1][2]), merge(*streams))
        for run_no, _, _ in runs:
            self._filters.pop(run_no, None)
            self.engine.execute("DELETE FROM lookup_page WHERE run_no = ?", (run_no,))
            self.engine.execute("DELETE FROM lookup_run WHERE run_no = ?", (run_no,))

    def _pairs_of(self, run_no: int) -> Iterator[bytes]:
        at = b""
        while page := self._page_from(run_no, ">", at):
            at = page[:PAIR_SIZE]
            yield from _cut(page)

    def _find_in_run(self, run_no: int, start: bytes) -> Iterator[int]:
        key = start[:KEY_SIZE]
        page = self._page_from(run_no, "<=", start) or self._page_from(run_no, ">", start)
        while page and page[:PAIR_SIZE] <= key + _LAST:
            pairs = _cut(page)
            for pair in pairs[bisect_left(pairs, start) :]:
                if pair[:KEY_SIZE] != key:
                    return
                yield int.from_bytes(pair[KEY_SIZE:], "big")
            page = self._page_from(run_no, ">", page[:PAIR_SIZE])

    def _page_from(self, run_no: int, relation: str, at: bytes) -> bytes:
        """Return the first page after a pair (">"), or the one that would hold it ("<=")."""
        order = "ASC" if relation == ">" else "DESC"
        rows = self.engine.query(
            f"SELECT pairs FROM lookup_page WHERE run_no = ? AND first_pair {relation} ? "  # noqa: S608  # our own words
            f"ORDER BY first_pair {order} LIMIT 1",
            (run_no, at),
        )
        return bytes(rows[0][0]) if rows else b""


def _place(key: bytes, bits: bytearray) -> int:
    """Return a key's bit; bytes 4 to 7 are as random as those that sort the run, and independent of them."""
    return int.from_bytes(key[4:KEY_SIZE], "big") % (8 * len(bits))


def _cut(page: bytes) -> list[bytes]:
    return [page[at : at + PAIR_SIZE] for at in range(0, len(page), PAIR_SIZE)]


def _pages(pairs: Iterable[bytes]) -> Iterator[list[bytes]]:
    remaining = iter(pairs)
    while page := list(islice(remaining, PAIRS_IN_PAGE)):
        yield page
