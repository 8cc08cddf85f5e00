"""Bundles: the entries of a group commit as they lie on disk, up to 256 in one row.

``chains.chain`` appends whole batches through here, everybody who reads entries reads through here. A row for each
entry costs as much as all its hashes together; a bundle costs a copy of its bytes, and what is kept beside each entry
lies there under a key of its own.
"""

import os
import struct
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain, pairwise
from typing import TypeVar

from anchor.errors import StorageCorruptError
from anchor.hashing.columns import KeptColumns
from anchor.hashing.pieces import Pieces
from anchor.storage.engine import Engine, Question
from chains.content_cipher import (
    ERASED,
    NONCE_SIZE,
    hashed_rows,
    sealed,
    sealed_sizes,
    unsealed,
    unsealed_rows,
    unsealed_sizes,
)
from chains.content_keys import ContentKeys

# As many as a tile has leaves: what a reader of one entry reads in vain stays small.
BUNDLE_ENTRIES = 256
# Larger contents get bundles of fewer entries, so that reading one never takes much memory.
BUNDLE_BYTES = 2**20
_LENGTH = 4
# A mebibyte each at most, and mostly a tenth of it.
_REMEMBERED = 4
# To decrypt so much takes a core 3 ms, to wake another for it (anchor/hashing/parts.c) up to a tenth of one.
_TOGETHER_BYTES = 2 * BUNDLE_BYTES

NEWEST: Question = ("SELECT first_seq + entry_count FROM bundle ORDER BY first_seq DESC LIMIT 1", ())
"""Where the newest bundle ends."""

Row = tuple[int, bytes, bytes | None]
"""(seq, entry, kept): one entry; ``kept`` is None where nothing is, and ``ERASED`` or ``UNREADABLE`` for what was."""


Stored = tuple[int, int, bytes, bytes]
"""A bundle as it lies in the database: first seq, how many entries, the entries, what is kept beside them."""


@dataclass(frozen=True, slots=True)
class Column:
    """Byte strings of a batch, in order: all in one, and their sizes. An object for each costs as much as a hash."""

    flat: bytes
    sizes: Sequence[int]

    @classmethod
    def of(cls, items: Sequence[bytes]) -> "Column":
        """Return the column of these items."""
        return cls(b"".join(items), list(map(len, items)))

    @classmethod
    def joined(cls, columns: Sequence["Column"]) -> "Column":
        """Return the columns one after the other as one."""
        if len(columns) == 1:
            return columns[0]
        sizes = list(chain.from_iterable(column.sizes for column in columns))
        return cls(b"".join([column.flat for column in columns]), sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    def items(self) -> list[bytes]:
        """Return the byte strings."""
        return [self.flat[start:end] for start, end in pairwise(accumulate(self.sizes, initial=0))]

    def parts(self, cuts: Iterable[tuple[int, int]]) -> Iterator["Column"]:
        """Yield the byte strings start to end-1 of each cut; the first begins at 0, each other where one ended."""
        at = 0
        for start, end in cuts:
            sizes = self.sizes[start:end]
            end_at = at + sum(sizes)
            yield Column(self.flat[at:end_at], sizes)
            at = end_at

    def packed(self) -> bytes:
        """Return what ``unpack`` reads: the length of each (4 bytes, big-endian), then all of them."""
        return _lengths(self.sizes) + self.flat


@dataclass(frozen=True, slots=True)
class Part:
    """Entries of one bundle that follow one another, with what is kept beside each (empty: nothing) as it is read.

    Of what cannot be read, why is said in its place (``chains.content_cipher``).
    """

    first_seq: int
    entries: Column
    kept: Column

    def rows(self) -> Iterator[Row]:
        """Yield them one by one."""
        pairs = zip(self.entries.items(), self.kept.items(), strict=True)
        return ((seq, entry, item or None) for seq, (entry, item) in enumerate(pairs, self.first_seq))

    def pieces(self) -> Iterator["Part"]:
        """Yield it cut into parts of ``BUNDLE_ENTRIES`` entries, and the last one of the rest."""
        count = len(self.entries)
        cuts = [(at, min(at + BUNDLE_ENTRIES, count)) for at in range(0, count, BUNDLE_ENTRIES)]
        for (at, _), entries, kept in zip(cuts, self.entries.parts(cuts), self.kept.parts(cuts), strict=True):
            yield Part(self.first_seq + at, entries, kept)


@dataclass(frozen=True, slots=True)
class _Locked:
    """Entries of one bundle that follow one another, what is kept beside each under its key, and the bundle's nonce."""

    first_seq: int
    entries: Column
    nonce: bytes
    boxes: Column

    @property
    def end(self) -> int:
        """The first seq behind them."""
        return self.first_seq + len(self.boxes)

    @property
    def size(self) -> int:
        """Of how many bytes it is."""
        return len(self.entries.flat) + len(self.boxes.flat)


@dataclass(frozen=True, slots=True)
class Together:
    """Entries of bundles that follow one another; what is kept beside them is decrypted when it is asked for.

    ``columns`` returns its digests and commitments where all of it is of one of the kinds that it is given, and can be
    had without its bytes; else None. ``parts`` yields it as it is read, and passes over what cannot be.
    """

    first_seq: int
    entries: Column
    columns: Callable[[bytes], KeptColumns | None]
    parts: Callable[[], Iterator[Part]]


_Some = TypeVar("_Some", Part, Together)


class Bundles:
    """The stored entries of one database, by seq; seqs begin at 1 and have no gaps."""

    def __init__(self, engine: Engine, keys: ContentKeys) -> None:
        self.engine = engine
        self.keys = keys

    def append(self, first_seq: int, entries: Column, kept: Column, *, looked: bool = False) -> None:
        """Append entries with what is kept beside each (empty: nothing), inside a transaction.

        ``first_seq`` is ``next_seq()``; ``looked`` as ``ContentKeys.for_writing`` has it.
        """
        if len(entries) != len(kept):
            raise ValueError(f"expected what is kept beside each of {len(entries)} entries, got {len(kept)}")
        cuts = list(_cuts(kept.sizes))
        keys = self.keys.for_writing(first_seq, first_seq + len(kept), looked=looked)
        locked = _locked(keys, first_seq, kept, cuts)
        self.engine.execute_many(
            "INSERT INTO bundle (first_seq, entry_count, entries, kept) VALUES (?, ?, ?, ?)",
            [
                (first_seq + start, end - start, raws.packed(), items)
                for (start, end), raws, items in zip(cuts, entries.parts(cuts), locked, strict=True)
            ],
        )

    def erase(self, seqs: Collection[int]) -> None:
        """Put ``ERASED`` in the place of what is kept beside these entries, inside a transaction; may be repeated."""
        left = sorted(seqs)
        while left:
            first_seq, count, kept = self._kept_of(left[0])
            mine = [seq for seq in left if seq < first_seq + count]
            items = unpack(kept[NONCE_SIZE:], count, 0, count, first_seq)
            for seq in mine:
                items[seq - first_seq] = ERASED
            self.engine.execute(
                "UPDATE bundle SET kept = ? WHERE first_seq = ?", (kept[:NONCE_SIZE] + pack(items), first_seq)
            )
            left = left[len(mine) :]

    def holds_ciphertext(self, seq: int) -> bool:
        """Say whether a row still holds what was kept beside an entry, readable or not."""
        first_seq, count, kept = self._kept_of(seq)
        [item] = unpack(kept[NONCE_SIZE:], count, seq - first_seq, seq - first_seq + 1, first_seq)
        return item not in (b"", ERASED)

    def _kept_of(self, seq: int) -> tuple[int, int, bytes]:
        rows = self.engine.query(
            "SELECT first_seq, entry_count, kept FROM bundle WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1",
            (seq,),
        )
        if not rows or rows[0][0] + rows[0][1] <= seq:
            raise StorageCorruptError(f"row {seq} is missing; run `anchorline audit`")
        return int(rows[0][0]), int(rows[0][1]), bytes(rows[0][2])

    def next_seq(self) -> int:
        """Return the seq that the next entry takes."""
        return next_seq_of(self.engine.query(*NEWEST))

    def rows(self, start: int, end: int) -> Iterator[Row]:
        """Yield the entries with seqs start to end-1, one bundle in memory at a time.

        Raises StorageCorruptError where one is missing or its bundle is damaged.
        """
        for part in self.parts(start, end):
            yield from part.rows()

    def parts(self, start: int, end: int) -> Iterator[Part]:
        """Yield the same, of each bundle in one."""
        while start < end:
            locked = self._locked_at(start, end)
            yield self._unlocked(locked)
            start = locked.end

    def _locked_at(self, start: int, end: int) -> _Locked:
        """Return the rows from ``start`` on that stand in one bundle; raise StorageCorruptError as ``rows`` does."""
        first_seq, count, entries, kept = self._stored(start)
        if first_seq + count <= start:
            raise StorageCorruptError(f"row {start} is missing; run `anchorline audit`")
        cut = count, start - first_seq, min(count, end - first_seq), first_seq
        boxes = _column(bytes(kept), *cut, behind=NONCE_SIZE)
        return _Locked(start, _column(bytes(entries), *cut), bytes(kept[:NONCE_SIZE]), boxes)

    def _stored(self, seq: int) -> Stored:
        """Return the bundle that would hold a row."""
        found = self.engine.query(
            "SELECT first_seq, entry_count, entries, kept FROM bundle WHERE first_seq <= ? "
            "ORDER BY first_seq DESC LIMIT 1",
            (seq,),
        )
        return found[0] if found else (seq, 0, b"", b"")

    def _stored_entries(self, seq: int) -> tuple[int, int, bytes]:
        """Return the same without what is kept beside the entries."""
        found = self.engine.query(
            "SELECT first_seq, entry_count, entries FROM bundle WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1",
            (seq,),
        )
        return found[0] if found else (seq, 0, b"")

    def _unlocked(self, locked: _Locked) -> Part:
        """Return rows with what is kept beside them, or why it cannot be read."""
        first_seq, boxes = locked.first_seq, locked.boxes
        whole = self._unlocked_whole([locked])
        if whole is not None:
            return whole
        keys = self.keys.of(first_seq, locked.end)
        return Part(first_seq, locked.entries, Column.of(unsealed(keys, locked.nonce, first_seq, boxes.items())))

    def _unlocked_whole(self, some: Sequence[_Locked]) -> Part | None:
        """Return rows of bundles that follow one another as one part, where all of them can be read; else None."""
        row = self._row_of(some)
        flat = None if row is None else unsealed_rows(*row)
        if row is None or flat is None:
            return None
        entries = Column.joined([locked.entries for locked in some])
        return Part(some[0].first_seq, entries, Column(flat, unsealed_sizes(row[-1])))

    def _row_of(self, some: Sequence[_Locked]) -> tuple[Pieces, Pieces, int, bytes, Sequence[int]] | None:
        """Return keys, nonces, first seq, ciphertexts and their sizes of bundles as one; None where one has no key."""
        first_seq, end = some[0].first_seq, some[-1].end
        if len(some) > 1:
            self.keys.read_ahead(first_seq, end)
        keys = self.keys.whole(first_seq, end)
        if keys is None:
            return None
        boxes = Column.joined([locked.boxes for locked in some])
        nonces = Pieces.cut(b"".join([locked.nonce * len(locked.boxes) for locked in some]), NONCE_SIZE)
        return keys, nonces, first_seq, boxes.flat, boxes.sizes

    def entries(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield (seq, entry) of seqs start to end-1, as ``rows`` does, without what is kept beside them."""
        while start < end:
            first_seq, count, entries = self._stored_entries(start)
            if first_seq + count <= start:
                raise StorageCorruptError(f"row {start} is missing; run `anchorline audit`")
            last = min(count, end - first_seq)
            yield from enumerate(unpack(bytes(entries), count, start - first_seq, last, first_seq), start)
            start = first_seq + last

    def readable_parts(self, start: int, end: int) -> Iterator[Part]:
        """Yield the entries with seqs start to end-1 that can be read, passing over what is missing or damaged."""
        return self._readable(self.parts, start, end)

    def readable_together(self, start: int, end: int) -> Iterator[Together]:
        """Yield the same, as many bundles in one as ``_TOGETHER_BYTES`` takes."""
        return self._readable(self._together, start, end)

    def _readable(self, read: Callable[[int, int], Iterator[_Some]], start: int, end: int) -> Iterator[_Some]:
        while start < end:
            try:
                for some in read(start, end):
                    start = some.first_seq + len(some.entries)
                    yield some
            except StorageCorruptError:
                start = self._bundle_after(start, end)

    def _together(self, start: int, end: int) -> Iterator[Together]:
        while start < end:
            some = self._following(start, end)
            entries = Column.joined([locked.entries for locked in some])
            yield Together(start, entries, partial(self._hashed, some), partial(self._opened, some))
            start = some[-1].end

    def _following(self, start: int, end: int) -> list[_Locked]:
        """Return what stands in the next bundles, up to one that is missing or damaged; raise where it is the first."""
        some = [self._locked_at(start, end)]
        size = some[0].size
        with suppress(StorageCorruptError):  # it is the first one the next time
            while size < _TOGETHER_BYTES and some[-1].end < end:
                some.append(self._locked_at(some[-1].end, end))
                size += some[-1].size
        return some

    def _opened(self, some: Sequence[_Locked]) -> Iterator[Part]:
        """Yield bundles that follow one another as one part; where any of it cannot be read, each alone that can."""
        together = None
        with suppress(StorageCorruptError):  # of keys: only the bundles that need them are not read
            together = self._unlocked_whole(some) if len(some) > 1 else None
        if together is not None:
            yield together
            return
        for locked in some:
            try:
                part = self._unlocked(locked)
            except StorageCorruptError:
                continue
            yield part

    def _hashed(self, some: Sequence[_Locked], kinds: bytes) -> KeptColumns | None:
        """Return the columns of what is kept, if it is all of one of these kinds, and hashed where it is decrypted."""
        if not some[0].boxes.flat:  # nothing is kept, of which there are no columns
            return None
        with suppress(StorageCorruptError):  # of keys: as above
            row = self._row_of(some)
            return None if row is None else hashed_rows(*row, kinds)
        return None

    def _bundle_after(self, seq: int, end: int) -> int:
        """Return the first seq of the next bundle, or ``end`` where there is none before it."""
        following = self.engine.query("SELECT MIN(first_seq) FROM bundle WHERE first_seq > ?", (seq,))[0][0]
        return end if following is None else min(int(following), end)

    def row(self, seq: int) -> Row:
        """Return one entry; raise StorageCorruptError where it is missing or damaged."""
        return next(self.rows(seq, seq + 1))


def _locked(keys: Pieces, first_seq: int, kept: Column, cuts: Sequence[tuple[int, int]]) -> Iterator[bytes]:
    """Yield what is kept beside the entries of each bundle as it is stored: a nonce, and each under its key."""
    # A row that is rolled back and written anew gets another nonce.
    nonces = [os.urandom(NONCE_SIZE) for _ in cuts]
    each = b"".join([nonce * (end - start) for nonce, (start, end) in zip(nonces, cuts, strict=True)])
    # All in one call: at each a thread waits for Python's lock again.
    flat = sealed(keys, Pieces.cut(each, NONCE_SIZE), first_seq, kept.flat, kept.sizes)
    boxes = Column(flat, sealed_sizes(kept.sizes)).parts(cuts)
    return (nonce + box.packed() for nonce, box in zip(nonces, boxes, strict=True))


def next_seq_of(newest: Sequence[tuple[int]]) -> int:
    """Return the seq that the next entry takes, of what ``NEWEST`` was answered with."""
    return int(newest[0][0]) if newest else 1


class RememberedBundles(Bundles):
    """Bundles for who reads the whole of a log once: those that were read last are remembered as they lie there.

    The entries of many chains stand in one bundle, and whoever goes through the chains comes back to it. What is erased
    meanwhile may still be seen as it lay there, and no more than that: its keys are asked for each time.
    """

    def __init__(self, engine: Engine, keys: ContentKeys) -> None:
        super().__init__(engine, keys)
        self._held: OrderedDict[int, Stored] = OrderedDict()

    def _stored(self, seq: int) -> Stored:
        for stored in reversed(self._held.values()):
            if stored[0] <= seq < stored[0] + stored[1]:
                return stored
        stored = super()._stored(seq)
        self._held[stored[0]] = stored
        if len(self._held) > _REMEMBERED:
            self._held.popitem(last=False)
        return stored

    def _stored_entries(self, seq: int) -> tuple[int, int, bytes]:
        return self._stored(seq)[:3]


def pack(items: Sequence[bytes]) -> bytes:
    """Return the items as they lie in a bundle."""
    return Column.of(items).packed()


def unpack(packed: bytes, count: int, first: int, last: int, first_seq: int) -> list[bytes]:
    """Return the items first to last-1 of ``count``; raise StorageCorruptError unless the lengths add up."""
    return _column(packed, count, first, last, first_seq).items()


def _column(packed: bytes, count: int, first: int, last: int, first_seq: int, behind: int = 0) -> Column:
    """Return the same as a column, of what stands behind some bytes."""
    sizes = _sizes_in(packed, count, first_seq, behind)
    start = behind + count * _LENGTH + sum(sizes[:first])
    return Column(packed[start : start + sum(sizes[first:last])], sizes[first:last])


def _sizes_in(packed: bytes, count: int, first_seq: int, behind: int = 0) -> Sequence[int]:
    if len(packed) < behind + count * _LENGTH:
        raise StorageCorruptError(f"the bundle of row {first_seq} is cut off; run `anchorline audit`")
    sizes = struct.unpack_from(f">{count}I", packed, behind)
    expected = behind + count * _LENGTH + sum(sizes)
    if expected != len(packed):
        raise StorageCorruptError(
            f"the bundle of row {first_seq}: expected {expected} bytes, found {len(packed)}; run `anchorline audit`"
        )
    return sizes


def _lengths(sizes: Sequence[int]) -> bytes:
    return struct.pack(f">{len(sizes)}I", *sizes)


def _cuts(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield where a batch is cut into bundles; ``sizes`` are those of what is kept."""
    if max(sizes, default=0) * BUNDLE_ENTRIES <= BUNDLE_BYTES:
        yield from ((at, min(at + BUNDLE_ENTRIES, len(sizes))) for at in range(0, len(sizes), BUNDLE_ENTRIES))
        return
    start = total = 0
    for place, size in enumerate(sizes):
        if place > start and (total + size > BUNDLE_BYTES or place - start == BUNDLE_ENTRIES):
            yield start, place
            start, total = place, 0
        total += size
    yield start, len(sizes)
