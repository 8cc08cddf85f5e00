"""The audit of a chain's entries: each is what its leaf hash says, in the right chain, and commits to what is kept.

Entries come from the bundles, and those of several are checked as a whole; only where they are not alike, or something
does not hold, is each looked at alone. ``chains.audit`` takes the hashes that come out and follows them to the heads.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from anchor.errors import StorageCorruptError
from anchor.hashing.chosen import HASHING
from anchor.hashing.columns import KeptColumns
from anchor.hashing.pieces import Pieces
from anchor.hashing.plain import LEAF_PREFIX
from anchor.log import TILE_WIDTH
from anchor.proof.chain_life import may_follow_closing
from anchor.proof.codec import HASH_SIZE, sha256
from anchor.proof.entry import Entry, ExtensionType, Relation, chain_id_of, check_author, content_commitment, says_more
from anchor.proof.erasure import Act, ErasureStatement
from anchor.proof.policy import stated_in
from anchor.signing import check_signature
from chains.audit_authors import HomeAuthors
from chains.audit_lookups import LookupsAudit
from chains.audit_report import DAMAGE, Report
from chains.bundle import BUNDLE_ENTRIES, Column, Part, Row, Together
from chains.chain import Chain, Gone, Run, box_in, decode_kept, gone
from chains.chain_life import LifeEntry, life_entry_of
from chains.erasure_entries import erasure_of, keeps_content
from chains.found_by import may_have_keys
from chains.kept_columns import KINDS, columns_of, commitments_of
from chains.reader import Reader, StoredEntry

RUNS_AT_ONCE = 256
# In the place of what is kept beside entries where only its columns are looked at.
_NOT_HERE = Column(b"", ())
_AWAY = frozenset({Gone.ERASED, Gone.UNREADABLE})
Progress = Callable[[str, int], None]


class _Batch(NamedTuple):
    """A part of bundles, the first of its entries leaf ``first_index``."""

    chain: Chain
    first_index: int
    part: Part
    with_ids: int

    def where(self, place: int) -> str:
        """Name one of the rows."""
        return _where(self.chain, self.part.first_seq + place, self.first_index + place)

    def pieces(self) -> Iterator["_Batch"]:
        """Yield it cut into batches of as many entries as a bundle has."""
        for part in self.part.pieces():
            yield self._replace(first_index=self.first_index + part.first_seq - self.part.first_seq, part=part)


class EntriesAudit:
    """Audits the entries of a chain; what does not hold goes into the report.

    Afterwards ``first`` is the first one, if it can be read, and ``life`` has those that speak of the chain's life.
    ``as_recorded`` says whether all hashes so far were those that are stored.
    """

    def __init__(
        self,
        reader: Reader,
        report: Report,
        progress: Progress,
        log_id: bytes,
        authors: HomeAuthors,
        lookups: LookupsAudit,
        *,
        has_policy: bool = False,
    ) -> None:
        self.reader = reader
        self.lookups = lookups
        self.chains = reader.chains
        self.report = report
        self.authors = authors
        self.progress = progress
        self.log_id = log_id
        self.has_policy = has_policy
        self.life: list[LifeEntry] = []
        self.first: Entry | None = None
        self.as_recorded = True
        self._tile_of, self._tile = (0, 0), b""
        self._closed_at: int | None = None

    def hashes(self, chain: Chain, size: int) -> Iterator[bytes]:
        """Check every row of a chain and yield the hashes of its entries, flat, some at a time.

        For a row that is missing it is the hash that was stored.
        """
        for run in self.chains.runs_of(chain, 0, size, RUNS_AT_ONCE):
            first_index, first_seq, count, place = run.first_index, run.first_seq, run.entry_count, 0
            for some in self.chains.bundles.readable_together(first_seq, first_seq + count):
                yield from self._missing(chain, first_index, first_seq, range(place, some.first_seq - first_seq))
                place = some.first_seq - first_seq
                yield from self._together(run, chain, some)
                place += len(some.entries)
            yield from self._missing(chain, first_index, first_seq, range(place, count))

    def _together(self, run: Run, chain: Chain, some: Together) -> Iterator[bytes]:
        """Check bundles that follow one another, if they can be without bringing here what is kept; else by parts."""
        before, place = run.first_index - run.first_seq, some.first_seq - run.first_seq
        if len(some.entries) > BUNDLE_ENTRIES:
            part = Part(some.first_seq, some.entries, _NOT_HERE)
            batch = _Batch(chain, before + some.first_seq, part, run.with_ids)
            checked = self._checked_at_once(batch, lambda: some.columns(KINDS))
            if checked is not None:
                yield checked
                return
        end = place + len(some.entries)
        for part in some.parts():
            start = part.first_seq - run.first_seq
            yield from self._missing(chain, run.first_index, run.first_seq, range(place, start))
            yield self._checked(_Batch(chain, before + part.first_seq, part, run.with_ids))
            place = start + len(part.entries)
        yield from self._missing(chain, run.first_index, run.first_seq, range(place, end))

    def _missing(self, chain: Chain, first_index: int, first_seq: int, places: range) -> Iterator[bytes]:
        for place in places:
            self._count(1)
            self.report.found(_where(chain, first_seq + place, first_index + place), "is missing, or cannot be read")
            yield self._stored(chain, first_index + place, 1)

    def _stored(self, chain: Chain, first_index: int, count: int) -> bytes:
        """Return the leaf hashes stored for some entries; one tile is remembered, of which most ask more than once."""
        tile_no, at = divmod(first_index, TILE_WIDTH)
        if at + count > TILE_WIDTH:
            return b"".join(self.chains.trees.leaf_hashes(chain.chain_no, first_index, first_index + count))
        if (chain.chain_no, tile_no) != self._tile_of:
            self._tile_of, self._tile = (chain.chain_no, tile_no), self.chains.trees.tile(chain.chain_no, 0, tile_no)
        return self._tile[at * HASH_SIZE : (at + count) * HASH_SIZE]

    def _checked(self, batch: _Batch) -> bytes:
        """Check a batch and return the hashes of its entries."""
        if len(batch.part.entries) > BUNDLE_ENTRIES:
            checked = self._checked_at_once(batch, lambda: columns_of(batch.part.kept), may_keep_nothing=True)
            # Where one is not like the others, most pieces still are alike.
            return b"".join(map(self._checked, batch.pieces())) if checked is None else checked
        self._count(len(batch.part.entries))
        stored = self._stored(batch.chain, batch.first_index, len(batch.part.entries))
        kept = columns_of(batch.part.kept)
        hashes = None if self._closed_at is not None else _hashes_alike(batch, kept)
        if hashes is None:
            hashes = HASHING.cut(batch.part.entries.flat, batch.part.entries.sizes, LEAF_PREFIX)
            self._check_each(batch)
        if hashes.flat != stored:
            self.as_recorded = False
            for place, found in enumerate(hashes):
                if found != stored[place * HASH_SIZE : (place + 1) * HASH_SIZE]:
                    self.report.found(batch.where(place), "the entry is not the one whose hash was recorded")
        self.lookups.add(batch.part, hashes, kept)
        return hashes.flat

    def _checked_at_once(
        self, batch: _Batch, columns: Callable[[], KeptColumns | None], *, may_keep_nothing: bool = False
    ) -> bytes | None:
        """Return the same of entries that are all alike, and the ones whose hashes were recorded; of others None."""
        if self._closed_at is not None or not _can_be_alike(batch):
            return None
        kept = columns()
        hashes = None if kept is None and not may_keep_nothing else _hashes_alike(batch, kept)
        with suppress(StorageCorruptError):  # of tiles: said where the piece is checked that needs them
            if hashes is not None and hashes.flat == self._stored(batch.chain, batch.first_index, len(hashes)):
                self._count(len(hashes))
                self.lookups.add(batch.part, hashes, kept)
                return hashes.flat
        return None

    def _check_each(self, batch: _Batch) -> None:
        """Look at every entry of a batch in which they are not alike."""
        rows = list(batch.part.rows())
        for place, (seq, raw, _) in enumerate(rows):
            if batch.first_index + place == 0 or raw[1:33] != batch.chain.chain_id or says_more(raw):
                with self.report.looking_at(batch.where(place)):
                    self._entry(batch, place, raw)
                with suppress(*DAMAGE):  # said just now
                    self.lookups.add_keys(seq, raw)
        if self._closed_at is not None:
            self._behind_closing(batch, rows, self._closed_at)
        self._look_for_what_is_away(batch, rows)
        if not _keeps_what_it_commits_to(batch, rows):
            for place, row in enumerate(rows):
                with self.report.looking_at(batch.where(place)):
                    self._beside(batch, place, row)

    def _count(self, count: int) -> None:
        before = self.report.entries
        self.report.entries += count
        if self.report.entries // 4096 > before // 4096:
            self.progress("entries", self.report.entries)

    def _look_for_what_is_away(self, batch: _Batch, rows: Sequence[Row]) -> None:
        for place, row in enumerate(rows):
            if row[2] is not None and gone(row[2]) in _AWAY:
                self._away(batch, place, row)

    def _away(self, batch: _Batch, place: int, row: Row) -> None:
        """Count what nobody here can read; where it was erased, an entry of the chain must say so."""
        seq, raw, column = row
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

    def _entry(self, batch: _Batch, place: int, raw: bytes) -> None:
        entry = Entry.decode(raw)
        if batch.first_index + place == 0:
            self.first = entry
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

    def _behind_closing(self, batch: _Batch, rows: Sequence[Row], closed_at: int) -> None:
        """Name every entry that stands behind the closing of its chain and is no erasure."""
        for place in range(max(0, closed_at + 1 - batch.first_index), len(rows)):
            with self.report.looking_at(batch.where(place)):
                if not may_follow_closing(Entry.decode(rows[place][1])):
                    self.report.found(batch.where(place), f"stands behind the closing of its chain, entry {closed_at}")

    def _beside(self, batch: _Batch, place: int, row: Row) -> None:
        """Check what is kept beside an entry, and that an entry with ids is in a run that is searched for them."""
        _, raw, column = row
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


def _hashes_alike(batch: _Batch, kept: KeptColumns | None) -> Pieces | None:
    """Return the leaf hashes of entries that differ in nothing but what they commit to, and say nothing else.

    They are of this chain, have no author, ids, links or extensions, and commit to what is kept beside them, where that
    is anything. Of all others, and where any of it does not hold, None: then each is looked at.
    """
    if not _can_be_alike(batch):
        return None
    raws = batch.part.entries.flat
    first = raws[: batch.part.entries.sizes[0]]
    if kept is not None:
        commitments = kept.commitments
    elif not batch.part.kept.flat:
        commitments = Pieces(HASH_SIZE, each=[raws[at + 33 : at + 65] for at in range(0, len(raws), len(first))])
    else:
        return None
    head, tail = first[:33], first[65:]
    if HASHING.woven(head, commitments, None, tail) != raws:
        return None
    return HASHING.rows(LEAF_PREFIX + head, commitments, None, tail)


def _can_be_alike(batch: _Batch) -> bool:
    """Say whether entries are of one size, and the first is of this chain and says nothing else, nor begins it."""
    sizes = batch.part.entries.sizes
    first = batch.part.entries.flat[: sizes[0]]
    is_plain = first[1:33] == batch.chain.chain_id and not says_more(first) and batch.first_index > 0
    return is_plain and set(sizes) == {len(first)}


def _keeps_what_it_commits_to(batch: _Batch, rows: Sequence[Row]) -> bool:
    """Say whether ``EntriesAudit._beside`` would find nothing in a whole batch; of one with boxes it is not known."""
    try:
        if not batch.with_ids and any(may_have_keys(raw) for _, raw, _ in rows):
            return False
        kept = [(raw, column) for _, raw, column in rows if column is not None and gone(column) not in _AWAY]
        if any(box_in(column) is not None for _, column in kept):
            return False
        return commitments_of([column for _, column in kept]).flat == b"".join(raw[33:65] for raw, _ in kept)
    except DAMAGE:
        return False


def _where(chain: Chain, seq: int, leaf_index: int) -> str:
    return f"row {seq} (chain {chain.chain_id.hex()}, entry {leaf_index})"
