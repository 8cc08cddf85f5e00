"""Look-ups by entry hash, by external id and by what an entry corrects, without a random index on the hot path.

Rows come from the ``entry`` table in insertion order (seq). Older ones are indexed in sorted runs of 16-byte pairs
(8 bytes of the key, 8 of the seq), written once per 65,536 entries after a seal and merged by eights; the newest are
looked up in memory. ``chains.writer`` uses it for idempotency, ``chains.reader`` for finding.
"""

from collections.abc import Iterator, Sequence

from anchor.errors import StorageCorruptError
from anchor.hashing.chosen import HASHING
from anchor.hashing.pieces import Pieces
from anchor.hashing.plain import PAIR_SIZE
from anchor.proof.codec import HASH_SIZE
from anchor.proof.entry import Entry
from anchor.storage.engine import Engine
from chains.chain import Chains, Run
from chains.found_by import keys_of
from chains.sorted_runs import KEY_SIZE, Kind, SortedRuns, end_of

# A run is written when this many entries are not indexed yet.
RUN_ENTRIES = 65536
# Runs are written when a seal has been made (cli.py); a writer that no seal follows does it here, so that what a
# look-up may have to read, and memory holds, stays bounded.
BACKLOG_ENTRIES = 2 * RUN_ENTRIES
_KINDS = (Kind.ENTRY_HASH, Kind.EXTERNAL_ID)


class Lookup:
    """The index of one database; a process may hold several, each catches up by itself."""

    def __init__(self, engine: Engine, chains: Chains) -> None:
        self.engine = engine
        self.chains = chains
        self._runs = SortedRuns(engine)
        # The newest entries, by whole key, from ``_window_start`` up to (not including) ``_window_end``.
        self._new_hashes: dict[bytes, int] = {}
        self._new_ids: dict[bytes, list[int]] = {}
        self._window_start = self._window_end = 0
        # What the runs were once seen to reach: they only grow.
        self._seen_indexed_to = 1

    def find(self, kind: Kind, key: bytes, after_seq: int = -1) -> Iterator[int]:
        """Yield candidate seqs above ``after_seq`` in ascending order; ``key`` is the whole 32-byte hash.

        Candidates share 8 bytes of the key: the caller compares the entry itself.
        """
        # Runs of both kinds are written together.
        runs = self._runs.runs(kind)
        self._catch_up(end_of(runs))
        last = after_seq
        for last in self._runs.find(kind, key, after_seq, runs):  # where it ended is used below
            yield last
        yield from (seq for seq in self._newest(kind, key) if seq > last)

    def candidates(self, entry_hashes: Sequence[bytes]) -> dict[bytes, list[int]]:
        """Return the candidate seqs of those entry hashes that have any: what a writer asks before it appends."""
        self._catch_up(self._indexed_to())
        window = self._new_hashes
        found = {key: [window[key]] for key in entry_hashes if key in window}
        for key, seqs in self._runs.find_each(Kind.ENTRY_HASH, entry_hashes).items():
            found.setdefault(key, []).extend(seqs)
        return found

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

        Outside a transaction; each step is one of its own, and harmless to repeat or to lose. Rows never change, so
        they are read and sorted before anybody is kept from writing; whether another process was faster is asked then.
        """
        while self._unindexed() >= least:
            start = self._indexed_to()
            end = min(self.chains.next_seq(), start + RUN_ENTRIES)
            pairs = self._pairs_of(start, end)
            with self.engine.transaction():
                if self._indexed_to() == start:
                    for kind, found in pairs.items():
                        self._runs.store(kind, 0, (start, end), [found], len(found) // PAIR_SIZE)
        self._runs.merge_all()

    def _unindexed(self) -> int:
        return self.chains.next_seq() - self._indexed_to()

    # --- the newest entries

    def _indexed_to(self) -> int:
        return self._runs.indexed_to(Kind.ENTRY_HASH)

    def _catch_up(self, indexed_to: int) -> None:
        """Bring the window up to the newest entry: another process may have written, or indexed, since."""
        end = self.chains.next_seq()
        if self._window_start != indexed_to:
            self._new_hashes, self._new_ids = {}, {}
            self._window_start = self._window_end = indexed_to
        for run in self.chains.runs(self._window_end, end):
            last_seq = run.first_seq + run.entry_count
            # No two rows have one hash: what is handed in again is not written again.
            hashes = Pieces.cut(b"".join(self._hashes_of(run)))
            self._new_hashes.update(zip(hashes, range(run.first_seq, last_seq), strict=False))
            for seq, key in self._other_keys(run.first_seq, last_seq) if run.with_ids else ():
                self._new_ids.setdefault(key, []).append(seq)
        self._window_end = end

    def _newest(self, kind: Kind, key: bytes) -> Sequence[int]:
        if kind is Kind.EXTERNAL_ID:
            return self._new_ids.get(key, ())
        return (self._new_hashes[key],) if key in self._new_hashes else ()

    def _hashes_of(self, run: Run) -> Iterator[bytes]:
        """Yield the flat leaf hashes of a run of entries, from the chain's tiles."""
        return self.chains.trees.leaf_hashes(run.chain_no, run.first_index, run.first_index + run.entry_count)

    def _other_keys(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        for seq, raw in self.chains.bundles.entries(start, end):
            for key in keys_of(Entry.decode(raw)):
                yield seq, key

    # --- sorted runs

    def _pairs_of(self, start: int, end: int) -> dict[Kind, bytes]:
        """Return the sorted pairs of each kind of the entries start to end-1."""
        by_hash: list[bytes] = []
        by_id: list[bytes] = []
        for run in self.chains.runs(start, end):
            last_seq = run.first_seq + run.entry_count
            hashes = b"".join(self._hashes_of(run))
            if len(hashes) != run.entry_count * HASH_SIZE:
                raise StorageCorruptError(f"rows from {run.first_seq} on lack leaf hashes; run `anchorline audit`")
            by_hash.append(HASHING.pairs(hashes, run.first_seq))
            if run.with_ids:
                ids = self._other_keys(run.first_seq, last_seq)
                by_id += [key[:KEY_SIZE] + seq.to_bytes(8, "big") for seq, key in ids]
        return {
            Kind.ENTRY_HASH: HASHING.sorted_pairs(b"".join(by_hash)),
            Kind.EXTERNAL_ID: b"".join(sorted(by_id)),
        }
