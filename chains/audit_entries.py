"""The audit of a chain's entries: each is what its leaf hash says, in the right chain, and commits to what is kept.

Rows come from the bundles, a batch at a time, and a batch is checked as a whole; only where one does not hold is each
of its entries looked at alone. ``chains.audit`` takes the hashes that come out and follows them to the heads.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from anchor.hashing.chosen import HASHING
from anchor.proof.chain_life import may_follow_closing
from anchor.proof.codec import HASH_SIZE, sha256
from anchor.proof.entry import Entry, ExtensionType, Relation, chain_id_of, check_author, content_commitment, says_more
from anchor.proof.erasure import Act, ErasureStatement
from anchor.proof.policy import stated_in
from anchor.signing import check_signature
from chains.audit_authors import HomeAuthors
from chains.audit_report import DAMAGE, Report
from chains.bundle import BUNDLE_BYTES, BUNDLE_ENTRIES, Row
from chains.chain import Chain, Gone, box_in, commitments_of, decode_kept, gone
from chains.chain_life import LifeEntry, life_entry_of
from chains.erasure_entries import erasure_of, keeps_content
from chains.found_by import may_have_keys
from chains.reader import Reader, StoredEntry

_AWAY = frozenset({Gone.ERASED, Gone.UNREADABLE})
Progress = Callable[[str, int], None]


class _Batch(NamedTuple):
    """Rows that follow one another, the first of them leaf ``first_index``, and the leaf hashes stored for them."""

    chain: Chain
    first_index: int
    rows: Sequence[Row]
    with_ids: int
    stored: bytes

    @property
    def raws(self) -> list[bytes]:
        """The entries."""
        return [raw for _, raw, _ in self.rows]

    def where(self, place: int) -> str:
        """Name one of the rows."""
        return _where(self.chain, self.rows[place][0], self.first_index + place)


class EntriesAudit:
    """Audits the entries of a chain; what does not hold goes into the report.

    Afterwards ``life`` has those that speak of the chain's life.
    """

    def __init__(
        self,
        reader: Reader,
        report: Report,
        progress: Progress,
        log_id: bytes,
        authors: HomeAuthors,
        *,
        has_policy: bool = False,
    ) -> None:
        self.reader = reader
        self.chains = reader.chains
        self.report = report
        self.authors = authors
        self.progress = progress
        self.log_id = log_id
        self.has_policy = has_policy
        self.life: list[LifeEntry] = []
        self._closed_at: int | None = None

    def hashes(self, chain: Chain, size: int) -> Iterator[bytes]:
        """Check every row of a chain and yield the hashes of its entries, flat, some at a time.

        For a row that is missing it is the hash that was stored.
        """
        for first_index, first_seq, count in self.chains.seq_ranges(chain, 0, size):
            [run] = self.chains.runs(first_seq, first_seq + 1)
            place = 0
            for rows in _consecutive(self.chains.bundles.readable_rows(first_seq, first_seq + count)):
                yield from self._missing(chain, first_index, first_seq, range(place, rows[0][0] - first_seq))
                place = rows[0][0] - first_seq
                stored = self._stored(chain, first_index + place, len(rows))
                yield self._checked(_Batch(chain, first_index + place, rows, run.with_ids, stored))
                place += len(rows)
            yield from self._missing(chain, first_index, first_seq, range(place, count))

    def _missing(self, chain: Chain, first_index: int, first_seq: int, places: range) -> Iterator[bytes]:
        for place in places:
            self._count(1)
            self.report.found(_where(chain, first_seq + place, first_index + place), "is missing, or cannot be read")
            yield self._stored(chain, first_index + place, 1)

    def _stored(self, chain: Chain, first_index: int, count: int) -> bytes:
        return b"".join(self.chains.trees.leaf_hashes(chain.chain_no, first_index, first_index + count))

    def _checked(self, batch: _Batch) -> bytes:
        """Check a batch and return the hashes of its entries."""
        self._count(len(batch.rows))
        hashes = HASHING.leaves(batch.raws)
        if hashes.flat != batch.stored:
            for place, found in enumerate(hashes):
                if found != batch.stored[place * HASH_SIZE : (place + 1) * HASH_SIZE]:
                    self.report.found(batch.where(place), "the entry is not the one whose hash was recorded")
        for place, raw in enumerate(batch.raws):
            if batch.first_index + place == 0 or raw[1:33] != batch.chain.chain_id or says_more(raw):
                with self.report.looking_at(batch.where(place)):
                    self._entry(batch, place)
        if self._closed_at is not None:
            self._behind_closing(batch, self._closed_at)
        self._look_for_what_is_away(batch)
        if not _keeps_what_it_commits_to(batch):
            for place in range(len(batch.rows)):
                with self.report.looking_at(batch.where(place)):
                    self._beside(batch, place)
        return hashes.flat

    def _count(self, count: int) -> None:
        before = self.report.entries
        self.report.entries += count
        if self.report.entries // 4096 > before // 4096:
            self.progress("entries", self.report.entries)

    def _look_for_what_is_away(self, batch: _Batch) -> None:
        for place, (_, _, column) in enumerate(batch.rows):
            if column is not None and gone(column) in _AWAY:
                self._away(batch, place)

    def _away(self, batch: _Batch, place: int) -> None:
        """Count what nobody here can read; where it was erased, an entry of the chain must say so."""
        seq, raw, column = batch.rows[place]
        if gone(column) is not Gone.ERASED:
            self.report.unreadable += 1
            return
        stored = StoredEntry(seq, batch.chain.chain_no, batch.first_index + place, raw, None, gone=Gone.ERASED)
        if erasure_of(self.reader, stored) is None:
            self.report.found(batch.where(place), "its content is erased, and no entry of the chain says so")

    def _erased(self, batch: _Batch, place: int, entry: Entry) -> None:
        """Of what an entry says that it erased, nothing may be kept."""
        statement = ErasureStatement.of(entry)
        if statement is None or statement.act != Act.ERASE:
            return
        for link in entry.links:
            stored = self.reader.by_hash(link.entry_hash) if link.relation == Relation.ERASES else None
            if stored is not None and stored.chain_no == batch.chain.chain_no and keeps_content(stored):
                where = _where(batch.chain, stored.seq, stored.leaf_index)
                self.report.found(where, f"its content is still kept, and entry {batch.first_index + place} erased it")

    def _entry(self, batch: _Batch, place: int) -> None:
        entry = Entry.decode(batch.rows[place][1])
        if entry.chain_id != batch.chain.chain_id:
            self.report.found(batch.where(place), f"an entry of chain {entry.chain_id.hex()}")
        if batch.first_index + place == 0 and chain_id_of(entry.external_ids) != batch.chain.chain_id:
            self.report.found(batch.where(place), "the external ids of the first entry do not give the chain id")
        check_author(entry, check_signature)
        self._erased(batch, place, entry)
        self.authors.judge(batch.chain, batch.first_index + place, entry)
        life = life_entry_of(entry, batch.first_index + place, self.log_id)
        if life is not None:
            self.life.append(life)
            if life.ends_here and self._closed_at is None:
                self._closed_at = life.leaf_index
        if not self.has_policy and stated_in(entry) is not None:
            self.report.found(batch.where(place), "states a policy, and its chain has none")

    def _behind_closing(self, batch: _Batch, closed_at: int) -> None:
        """Name every entry that stands behind the closing of its chain and is no erasure."""
        for place in range(max(0, closed_at + 1 - batch.first_index), len(batch.rows)):
            with self.report.looking_at(batch.where(place)):
                if not may_follow_closing(Entry.decode(batch.rows[place][1])):
                    self.report.found(batch.where(place), f"stands behind the closing of its chain, entry {closed_at}")

    def _beside(self, batch: _Batch, place: int) -> None:
        """Check what is kept beside an entry, and that an entry with ids is in a run that is searched for them."""
        _, raw, column = batch.rows[place]
        if may_have_keys(raw) and not batch.with_ids:
            self.report.found(
                batch.where(place),
                "has external ids or links, and its extent says that none has: it is not found by them",
            )
        kept = decode_kept(column)
        if gone(column) is Gone.DAMAGED:
            self.report.found(batch.where(place), "what is kept beside the entry is not what was written under its key")
        if kept is not None and content_commitment(kept.salt, kept.digest) != raw[33:65]:
            self.report.found(batch.where(place), "the content kept beside the entry is not the one it commits to")
        box = box_in(column)
        if box is not None and sha256(box) != Entry.decode(raw).extension(ExtensionType.ENVELOPE):
            self.report.found(batch.where(place), "the encrypted content kept beside the entry is not the one it names")


def _keeps_what_it_commits_to(batch: _Batch) -> bool:
    """Say whether ``EntriesAudit._beside`` would find nothing in a whole batch; of one with boxes it is not known."""
    try:
        if not batch.with_ids and any(map(may_have_keys, batch.raws)):
            return False
        kept = [(raw, column) for _, raw, column in batch.rows if column is not None and gone(column) not in _AWAY]
        if any(box_in(column) is not None for _, column in kept):
            return False
        return commitments_of([column for _, column in kept]).flat == b"".join(raw[33:65] for raw, _ in kept)
    except DAMAGE:
        return False


def _consecutive(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Yield rows whose seqs follow one another, as many at a time as a bundle holds, and no more bytes."""
    batch: list[Row] = []
    byte_count = 0
    for row in rows:
        if batch and (row[0] != batch[-1][0] + 1 or len(batch) == BUNDLE_ENTRIES or byte_count > BUNDLE_BYTES):
            yield batch
            batch, byte_count = [], 0
        batch.append(row)
        byte_count += len(row[1]) + len(row[2] or b"")
    if batch:
        yield batch


def _where(chain: Chain, seq: int, leaf_index: int) -> str:
    return f"row {seq} (chain {chain.chain_id.hex()}, entry {leaf_index})"
