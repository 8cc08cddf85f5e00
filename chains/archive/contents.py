"""Ranges of contents: what is kept beside entries, against the commitments in them.

Input is a ``ContentRange``, the bundles of its chain and the file of commitments that ``chains.archive.entries`` wrote.
Lines in the form in which an export writes them are read many at once; where that does not fit, or something does not
hold, each is read as strict JSON and named.
"""

import mmap
from collections.abc import Sequence

from anchor.hashing.chosen import HASHING
from anchor.proof.archive_files import FAULTS, ArchiveError, chain_prefix, read_bundle
from anchor.proof.archive_lines import Kept
from anchor.proof.bundles import TILE_WIDTH
from anchor.proof.codec import HASH_SIZE
from chains.archive.files import ExportFiles
from chains.archive.found import ContentOrder, Found
from chains.archive.ranges import Bench, ContentRange, content_path


def check_contents(bench: Bench, part: ContentRange) -> Found:
    """Compare contents, digests and salts with the commitments of their entries; ascending by index."""
    with (
        bench.commitments.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as commitments,
    ):
        return _Contents(bench, part, commitments).run()


class _Contents:
    """One range as it is checked."""

    def __init__(self, bench: Bench, part: ContentRange, commitments: mmap.mmap) -> None:
        self.files = bench.files
        self.part = part
        self.path = content_path(part.chain_id)
        self.found = Found()
        self.first = self.last = -1
        self.before, self.size = bench.places.get(part.chain_id, (0, 0))
        self.commitments = commitments
        self.bundles = _Commitments(bench.files, part.chain_id, self.size)

    def run(self) -> Found:
        for at, block in self.files.blocks_between(self.path, self.part.start, self.part.end):
            if not self._hold(block):
                self._name(at, block)
        if self.first >= 0:
            self.found.order.append(ContentOrder(self.part.chain_id, self.first, self.last))
        return self.found

    def _hold(self, block: bytes) -> bool:
        """Say whether all lines of a block are as an export writes them, in order, and what their entries commit to."""
        lines = HASHING.kept_lines(block)
        if lines is None or lines.indexes[0] <= self.last:
            return False
        if lines.commitments != self._recorded(lines.indexes):
            return False
        self.found.digests += len(lines.indexes) - lines.contents
        self.found.contents += lines.contents
        self._passed(lines.indexes[0], lines.indexes[-1])
        return True

    def _recorded(self, indexes: Sequence[int]) -> bytes:
        """Return the commitments of these entries, which ascend; of one that is missing, none or zeros."""
        first, last = indexes[0], indexes[-1]
        if last >= self.size:
            return b""
        if last - first + 1 == len(indexes):
            return self._between(first, last + 1)
        return b"".join([self._between(index, index + 1) for index in indexes])

    def _between(self, start: int, end: int) -> bytes:
        return self.commitments[(self.before + start) * HASH_SIZE : (self.before + end) * HASH_SIZE]

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
        commitment = self.bundles.of(kept.index)
        if not commitment:
            raise ArchiveError(f"{where}: a content without an entry: it is missing, or was never there")
        kept.check(where, commitment)


class _Commitments:
    """The commitments in a chain's entries as their bundles have them; one at a time is in memory."""

    def __init__(self, files: ExportFiles, chain_id: bytes, size: int) -> None:
        self._files = files
        self._prefix = chain_prefix(chain_id)
        self._size = size
        self._tile_no = -1
        self._each: Sequence[bytes] = ()

    def of(self, index: int) -> bytes:
        """Return the commitment of an entry; of one that cannot be read, none."""
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
