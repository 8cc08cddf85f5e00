"""The audit of look-ups: each sorted run holds exactly the pairs that its rows give, in order.

``chains.audit`` tells of every entry that it reads (``add``), and at the end the stored pages are compared with what
came together: as products, which need no sorting, and memory neither for the entries nor for the pairs.
"""

import secrets
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from anchor.hashing.chosen import HASHING
from anchor.hashing.columns import KeptColumns
from anchor.hashing.pieces import Pieces
from anchor.hashing.plain import PAIR_SIZE
from anchor.hashing.products import MODULUS, Point
from anchor.proof.entry import Entry
from anchor.storage.engine import Engine
from chains.audit_report import Report
from chains.bundle import Part
from chains.content_index import digest_pairs, pairs_of
from chains.content_keys import ContentKeys
from chains.found_by import keys_of, may_have_keys
from chains.run_filters import Filling, blocks_for
from chains.sorted_runs import KEY_SIZE, Kind, SortedRuns

_PAGES_AT_ONCE = 4


class Product:
    """How many pairs there are, and their product at a point: the same for the same pairs in whatever order."""

    def __init__(self, point: Point) -> None:
        self.point = point
        self.count, self.value = 0, 1

    def add(self, pairs: bytes) -> None:
        """Take whole pairs; what stands behind the last whole one is passed over."""
        count = len(pairs) // PAIR_SIZE
        self.value = HASHING.product(pairs[: count * PAIR_SIZE], self.point, self.value)
        self.count += count


@dataclass(slots=True)
class _Run:
    run_no: int
    kind: Kind
    first_seq: int
    end_seq: int
    filter_blocks: int | None
    derived: Product

    @property
    def where(self) -> str:
        return f"look-up run {self.run_no} ({self.kind.name.lower()}, rows {self.first_seq} to {self.end_seq - 1})"


class LookupsAudit:
    """The runs of one database, as they are when it begins: they are written, and merged, only behind a seal."""

    def __init__(self, engine: Engine, keys: ContentKeys, report: Report) -> None:
        self.engine = engine
        self.keys = keys
        self.report = report
        # Nobody can have made pairs for it that give the product of others.
        self._point = Point(secrets.randbelow(MODULUS), secrets.randbelow(MODULUS))
        self._runs: list[_Run] = []
        self._of_kind: dict[Kind, list[_Run]] = {kind: [] for kind in Kind}

    def begin(self) -> None:
        """Read which runs there are."""
        rows = self.engine.query(
            "SELECT run_no, kind, first_seq, end_seq, filter_blocks FROM lookup_run ORDER BY kind, first_seq"
        )
        self._runs = [
            _Run(int(run_no), Kind(kind), int(first), int(end), blocks, Product(self._point))
            for run_no, kind, first, end, blocks in rows
        ]
        self._of_kind = {kind: [run for run in self._runs if run.kind == kind] for kind in Kind}

    def add(self, part: Part, hashes: Pieces, kept: KeptColumns | None) -> None:
        """Take what a part of a bundle gives: hashes of its entries, and columns of what is kept where it has them."""
        self._add_row(Kind.ENTRY_HASH, part.first_seq, HASHING.pairs(hashes.flat, part.first_seq))
        if self._of_kind[Kind.CONTENT_DIGEST]:
            secret = self.keys.index_secret()
            if kept is not None:
                self._add_row(Kind.CONTENT_DIGEST, part.first_seq, digest_pairs(kept.digests, part.first_seq, secret))
            elif part.kept.flat:
                items = enumerate(part.kept.items(), part.first_seq)
                self._add_each(Kind.CONTENT_DIGEST, pairs_of(list(items), secret))

    def add_keys(self, seq: int, raw: bytes) -> None:
        """Take the keys by which an entry is found beside its hash."""
        if may_have_keys(raw):
            pairs = (key[:KEY_SIZE] + seq.to_bytes(8, "big") for key in keys_of(Entry.decode(raw)))
            self._add_each(Kind.EXTERNAL_ID, pairs)

    def check(self) -> None:
        """Compare, when every entry was told of; the runs of a kind follow one another from row 1 on."""
        ends = {int(kind): 1 for kind in Kind}
        for run in self._runs:
            if run.first_seq != ends[run.kind]:
                self.report.found(run.where, f"expected to begin at row {ends[run.kind]}")
            ends[run.kind] = run.end_seq
            with self.report.looking_at(run.where):
                self._check_run(run)
            self.report.lookups += 1
        # Content digests are indexed by themselves, and not by every writer.
        ends.pop(int(Kind.CONTENT_DIGEST))
        if len(set(ends.values())) > 1:
            self.report.found("look-up runs", f"end at different rows: {sorted(ends.values())}")
        orphans = self.engine.query(
            "SELECT COUNT(*) FROM lookup_page WHERE NOT EXISTS "
            "(SELECT 1 FROM lookup_run WHERE lookup_run.run_no = lookup_page.run_no)"
        )[0][0]
        if orphans:
            self.report.found("look-up pages", f"{orphans} belong to no run")

    def _add_row(self, kind: Kind, first_seq: int, pairs: bytes) -> None:
        """Take the pairs of rows that follow one another: each row has one."""
        seq, end = first_seq, first_seq + len(pairs) // PAIR_SIZE
        while seq < end and (run := self._run_from(kind, seq)) is not None:
            start, stop = max(seq, run.first_seq), min(end, run.end_seq)
            run.derived.add(pairs[max(start - first_seq, 0) * PAIR_SIZE : max(stop - first_seq, 0) * PAIR_SIZE])
            seq = max(stop, seq + 1)

    def _add_each(self, kind: Kind, pairs: Iterable[bytes]) -> None:
        for pair in pairs:
            seq = int.from_bytes(pair[KEY_SIZE:], "big")
            run = self._run_from(kind, seq)
            if run is not None and run.first_seq <= seq:
                run.derived.add(pair)

    def _run_from(self, kind: Kind, seq: int) -> _Run | None:
        """Return the run that a row is in, or the next one behind it."""
        runs = self._of_kind[kind]
        at = bisect_right(runs, seq, key=lambda run: run.end_seq)
        return runs[at] if at < len(runs) else None

    def _check_run(self, run: _Run) -> None:
        stored = Product(self._point)
        for pages in self._stored(run):
            stored.add(pages)
        if (stored.count, stored.value) != (run.derived.count, run.derived.value):
            self.report.found(
                run.where,
                f"holds {stored.count} pairs, not the {run.derived.count} that its rows give; look-ups may fail",
            )
        elif run.filter_blocks is not None and not self._has_filter(run, run.filter_blocks):
            self.report.found(run.where, "its filter is not that of its pairs; look-ups may fail")

    def _has_filter(self, run: _Run, blocks: int) -> bool:
        """Say whether the stored blocks of a run's filter are those that its pairs give."""
        runs = SortedRuns(self.engine)
        if sum(1 for _ in runs.filters.stored(run.run_no)) != blocks or blocks < blocks_for(run.derived.count):
            return False
        stored = runs.filters.stored(run.run_no)
        return all(made == next(stored, None) for made in Filling(blocks).whole(runs.pages_of(run.run_no)))

    def _stored(self, run: _Run) -> Iterator[bytes]:
        """Yield the pairs of a run, some pages at a time, and note where they are not in order."""
        last = after = b""
        query = (
            "SELECT first_pair, pairs FROM lookup_page WHERE run_no = ? AND first_pair > ? ORDER BY first_pair LIMIT ?"
        )
        while rows := self.engine.query(query, (run.run_no, after, _PAGES_AT_ONCE)):
            for first_pair, raw in rows:
                page, after = bytes(raw), bytes(first_pair)
                where = f"{run.where}, page {after.hex()}"
                if page[:PAIR_SIZE] != after or len(page) % PAIR_SIZE:
                    self.report.found(where, "does not begin with the pair under which it is stored")
                for pair in _out_of_order(page, last):
                    self.report.found(where, f"pair {pair.hex()} is out of order")
                last = page[-PAIR_SIZE:]
            yield b"".join(bytes(raw) for _, raw in rows)


def _out_of_order(page: bytes, last: bytes) -> Iterator[bytes]:
    """Yield the pairs that are not above the one before them, the first of which is ``last``."""
    if len(page) % PAIR_SIZE == 0 and page[:PAIR_SIZE] > last and HASHING.sorted_pairs(page) == page:
        return
    for at in range(0, len(page), PAIR_SIZE):
        pair = page[at : at + PAIR_SIZE]
        if pair <= last:
            yield pair
        last = pair
