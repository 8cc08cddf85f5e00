"""Ranges of contents: what is kept beside entries, against the commitments in them.

Input is a ``ContentRange`` and the bundles of its chain. Lines in the form in which an export writes them are read by a
pattern, many at once; where that does not fit, or something does not hold, each is read as strict JSON and named.
"""

import binascii
import re
from collections.abc import Iterator, Sequence
from operator import lt

from anchor.hashing.chosen import HASHING
from anchor.hashing.pieces import Pieces
from anchor.log import TILE_WIDTH
from anchor.proof.archive_files import FAULTS, ArchiveError, chain_prefix, read_bundle
from anchor.proof.archive_lines import Kept
from anchor.proof.codec import HASH_SIZE
from anchor.proof.entry import SALT_SIZE
from chains.archive.files import ExportFiles
from chains.archive.found import ContentOrder, Found
from chains.archive.ranges import Bench, ContentRange, content_path

# What is strict JSON in any case: at most 15 digits, and base64 that re-encodes to itself (but for its length).
_KEPT = re.compile(
    rb'^\{"index":(0|[1-9][0-9]{0,14}),"salt":"([0-9a-f]{32})","digest":"([0-9a-f]{64})"'
    rb'(,"content":"[A-Za-z0-9+/]*(?:[AEIMQUYcgkosw048]=|[AQgw]==)?")?\}\n',
    re.MULTILINE,
)
_CONTENT = slice(len(b',"content":"'), -1)


def check_contents(bench: Bench, part: ContentRange) -> Found:
    """Compare contents, digests and salts with the commitments of their entries; ascending by index."""
    return _Contents(bench, part).run()


class _Contents:
    """One range as it is checked."""

    def __init__(self, bench: Bench, part: ContentRange) -> None:
        self.files = bench.files
        self.part = part
        self.path = content_path(part.chain_id)
        self.found = Found()
        self.first = self.last = -1
        self.commitments = _Commitments(bench.files, part.chain_id, bench.places.get(part.chain_id, (0, 0))[1])

    def run(self) -> Found:
        for at, block in self.files.blocks_between(self.path, self.part.start, self.part.end):
            if not self._hold(block):
                self._name(at, block)
        if self.first >= 0:
            self.found.order.append(ContentOrder(self.part.chain_id, self.first, self.last))
        return self.found

    def _hold(self, block: bytes) -> bool:
        """Say whether all lines of a block are as an export writes them, in order, and what their entries commit to."""
        rows = _KEPT.findall(block)
        if not rows or len(rows) != block.count(b"\n") or not block.endswith(b"\n"):
            return False
        numbers, salts, digests, contents = zip(*rows, strict=True)
        indexes = list(map(int, numbers))
        if indexes[0] <= self.last or not all(map(lt, indexes, indexes[1:])):
            return False
        flat_digests = binascii.a2b_hex(b"".join(digests))
        if not _have_digests(contents, flat_digests):
            return False
        columns = Pieces.cut(binascii.a2b_hex(b"".join(salts)), SALT_SIZE), Pieces.cut(flat_digests)
        if HASHING.rows(b"", *columns).flat != self.commitments.of(indexes):
            return False
        self.found.digests += contents.count(b"")
        self.found.contents += len(rows) - contents.count(b"")
        self._passed(indexes[0], indexes[-1])
        return True

    def _passed(self, first: int, last: int) -> None:
        self.first, self.last = (first if self.first < 0 else self.first), last

    def _name(self, at: int, block: bytes) -> None:
        """Read a block line by line, and name what does not hold."""
        for line in block.removesuffix(b"\n").split(b"\n"):
            try:
                kept = Kept.decode(line, f"{self.path}, byte {at}")
                self._check(kept)
            except FAULTS as error:
                self.found.faults.append(str(error))
            at += len(line) + 1

    def _check(self, kept: Kept) -> None:
        where = f"chain {self.part.chain_id.hex()}, entry {kept.index}"
        self.found.contents += kept.content is not None
        self.found.digests += kept.content is None
        if kept.index <= self.last:
            self.found.faults.append(f"{where}: its content is behind that of entry {self.last}: not in order")
        self._passed(kept.index, kept.index)
        commitment = self.commitments.of([kept.index])
        if not commitment:
            raise ArchiveError(f"{where}: a content without an entry: it is missing, or was never there")
        kept.check(where, commitment)


def _have_digests(contents: Sequence[bytes], flat_digests: bytes) -> bool:
    """Say whether each content that is there (base64 within its JSON) has the digest at its place."""
    there = [place for place, content in enumerate(contents) if content]
    try:
        decoded = [binascii.a2b_base64(contents[place][_CONTENT], strict_mode=True) for place in there]
    except binascii.Error:
        return False
    wanted = (
        flat_digests
        if len(there) == len(contents)
        else b"".join(flat_digests[place * HASH_SIZE : (place + 1) * HASH_SIZE] for place in there)
    )
    return HASHING.each(decoded).flat == wanted


class _Commitments:
    """The commitments in a chain's entries, by place; one bundle at a time is in memory."""

    def __init__(self, files: ExportFiles, chain_id: bytes, size: int) -> None:
        self._files = files
        self._prefix = chain_prefix(chain_id)
        self._size = size
        self._tile_no = -1
        self._each: Sequence[bytes] = ()

    def of(self, indexes: Sequence[int]) -> bytes:
        """Return the commitments of entries in this order, one behind the other; of one that cannot be read, none."""
        first, last = indexes[0], indexes[-1]
        # Most entries have a content: those of whole bundles then, instead of one after the other.
        is_run = last - first + 1 == len(indexes)
        return b"".join(self._run(first, last + 1) if is_run else map(self._one, indexes))

    def _run(self, start: int, end: int) -> Iterator[bytes]:
        for tile_no in range(start // TILE_WIDTH, -(-end // TILE_WIDTH)):
            self._read(tile_no)
            first = tile_no * TILE_WIDTH
            yield from self._each[max(start - first, 0) : end - first]

    def _one(self, index: int) -> bytes:
        tile_no, place = divmod(index, TILE_WIDTH)
        self._read(tile_no)
        return self._each[place] if place < len(self._each) else b""

    def _read(self, tile_no: int) -> None:
        if tile_no == self._tile_no:
            return
        self._tile_no, self._each = tile_no, ()
        if tile_no * TILE_WIDTH < self._size:
            # What is wrong with the bundle is said where the entries are checked.
            leaves = read_bundle(self._files, self._prefix, tile_no, self._size, lambda _: None)
            self._each = [(raw or b"")[1 + HASH_SIZE : 1 + 2 * HASH_SIZE] for raw in leaves]
