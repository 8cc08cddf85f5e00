"""The file ``headers`` of a header store: 80 bytes for each block, found by height or by hash, and checked by links.

Input is an open file and the tip up to which it counts, which ``header_store`` takes from its state. What is read here
has been judged before it was written; only rot and other hands can have changed it since.
"""

import os
from collections.abc import Iterator
from itertools import pairwise
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NoReturn

from anchor.bitcoin.header_folder import CHUNK, write_all
from anchor.bitcoin.header_rules import work_of
from anchor.bitcoin.protocols import BlockId
from anchor.errors import StorageCorruptError
from anchor.proof.bitcoin.hashes import HASH_SIZE, sha256d
from anchor.proof.bitcoin.header import HEADER_SIZE


class HeaderFile:
    """An open file of headers; the first is at ``start_height``, and those up to the ``tip`` count.

    The caller sets the tip before anything else. Whoever asks about a block gets an answer only after the links from
    there to the tip have been hashed, each once in the life of this object.
    """

    def __init__(self, path: Path, fd: int, start_height: int) -> None:
        self._path = path
        self._fd = fd
        self._start_height = start_height
        self._tip = BlockId(start_height, b"")
        self._linked_from = start_height

    @property
    def size(self) -> int:
        """Bytes of the file, of which some may not count."""
        return os.fstat(self._fd).st_size

    def check_tip(self, tip: BlockId) -> None:
        """Check that the header at the tip's height is the tip's; raise StorageCorruptError for another or none."""
        if sha256d(self.at(tip.height)) != tip.hash:
            self._refuse(tip.height)

    def believe(self, tip: BlockId) -> None:
        """Count up to this tip, whose own header was checked and no other."""
        self._tip, self._linked_from = tip, tip.height

    def grown(self, tip: BlockId) -> None:
        """Count up to this tip, to which headers lead that the caller has judged and written from a linked one on."""
        self._tip = tip

    def write(self, first_height: int, headers: bytes) -> None:
        """Write headers, the first at ``first_height``; nothing is flushed, and nothing counts yet."""
        write_all(self._fd, headers, self._offset(first_height))

    def flush(self) -> None:
        """Flush what was written to the disk."""
        os.fsync(self._fd)

    def cut(self, last_height: int) -> None:
        """Cut the file off behind a header."""
        os.ftruncate(self._fd, self._offset(last_height + 1))

    def at(self, height: int) -> bytes:
        """Return the header at a height from the start to the tip; raise StorageCorruptError where it is not there."""
        record = os.pread(self._fd, HEADER_SIZE, self._offset(height))
        if len(record) < HEADER_SIZE:
            self._refuse(height)
        return record

    def between(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the headers from height ``first`` to ``last``, both included."""
        for height in range(first, last + 1, CHUNK):
            count = min(CHUNK, last + 1 - height)
            data = os.pread(self._fd, count * HEADER_SIZE, self._offset(height))
            if len(data) < count * HEADER_SIZE:
                self._refuse(height)
            for at in range(0, len(data), HEADER_SIZE):
                yield data[at : at + HEADER_SIZE]

    def check_links(self, height: int) -> None:
        """Hash the headers from ``height`` up to the lowest that was hashed already; raise StorageCorruptError."""
        for at, (record, child) in enumerate(pairwise(self.between(height, self._linked_from)), height):
            if child[4:36] != sha256d(record):
                self._refuse(at)
        self._linked_from = min(self._linked_from, height)

    def height_of(self, block_hash: bytes) -> int | None:
        """Return the height of a block up to the tip: its hash stands in the header after it."""
        if block_hash == self._tip.hash:
            return self._tip.height
        if len(block_hash) != HASH_SIZE:
            return None
        with mmap(self._fd, self._offset(self._tip.height + 1), access=ACCESS_READ) as view:
            at = view.rfind(block_hash)
            while at > 0 and at % HEADER_SIZE != 4:
                at = view.rfind(block_hash, 0, at + HASH_SIZE - 1)
        # In the first header stands the hash of a block that is not here.
        if at < HEADER_SIZE:
            return None
        height = self._start_height + at // HEADER_SIZE - 1
        self.check_links(height)
        return height

    def work_above(self, height: int) -> int:
        """Return the work of the headers above ``height`` up to the tip, in expected hashes."""
        records = self.between(height + 1, self._tip.height)
        return sum(work_of(int.from_bytes(record[72:76], "little")) for record in records)

    def _offset(self, height: int) -> int:
        return (height - self._start_height) * HEADER_SIZE

    def _refuse(self, height: int) -> NoReturn:
        raise StorageCorruptError(
            f"{self._path}: expected header {height} of the chain that 'state' names, found another or "
            "none; restore the folder from a copy, or move it away and synchronise anew"
        )
