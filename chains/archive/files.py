"""The files of an export as they lie in a folder or in a tar, compressed or not, each found without unpacking.

Input is what ``anchorline export`` wrote, believed in nothing. The check of ``chains.archive`` reads through it, from
several processes at once.
"""

import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import SEEK_CUR
from pathlib import Path
from typing import BinaryIO

from anchor.errors import SettingsError
from anchor.proof.archive_files import MAX_LINE, Fault
from chains.archive.tar_places import places_in

_READ_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 18
_UNPACKED_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"
# An export is decompressed to a few times its size, since hashes, salts and digests hardly compress; where contents are
# repetitive it may be more, which the verifier can allow.
UNPACKED_TIMES = 50
UNPACKED_BYTES = 64 << 20
_GZIP_FORMAT = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class ExportFiles:
    """An ``Archive`` (``anchor.proof.archive_files``): ``places`` has the first byte and the size of each file.

    ``root`` is the tar, or the folder in which the files lie.
    """

    root: Path
    places: Mapping[str, tuple[int, int]]
    is_tar: bool

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, at most one more than any that is read at once may have; None where there is none."""
        if path not in self.places:
            return None
        first, size = self.places[path]
        # Most files are small and there are many: no file object is made.
        descriptor = os.open(self.root if self.is_tar else self.root / path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, min(size, MAX_LINE + 1), first)
        finally:
            os.close(descriptor)

    def size_of(self, path: str) -> int:
        """Return how many bytes a file has; none where there is no such file."""
        return self.places.get(path, (0, 0))[1]

    def sha256_of(self, path: str) -> bytes:
        """Return the SHA-256 of a file that is there, of any size."""
        digest, left = hashlib.sha256(), self.size_of(path)
        with self._opened(path, 0) as file:
            while left and (piece := file.read(min(left, _READ_BYTES))):
                digest.update(piece)
                left -= len(piece)
        return digest.digest()

    def lines(self, path: str) -> Iterator[bytes]:
        """Yield the lines of a file; none where there is no such file."""
        return (line for _, line in self.lines_between(path, 0, self.size_of(path)))

    def lines_between(self, path: str, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield (first byte, line) of the lines that begin at these bytes of a file, without their ends.

        Of a line longer than any may be, one byte more than that is given.
        """
        if path not in self.places:
            return
        with self._from_line(path, start) as (file, first):
            at, size = first, self.size_of(path)
            while at < min(end, size) and (line := file.readline(min(size - at, MAX_LINE + 1))):
                yield at, line.rstrip(b"\n")
                at += len(line)
                if not line.endswith(b"\n"):
                    at += _to_line_end(file, size - at)

    def blocks_between(self, path: str, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield (first byte, some whole lines) of the lines that begin at these bytes of a file.

        A line longer than a block is a block of its own, of which no more is given than by ``lines_between``.
        """
        if path not in self.places:
            return
        with self._from_line(path, start) as (file, first):
            at, end = first, min(end, self.size_of(path))
            while at < end and (block := file.read(min(end - at, _BLOCK_BYTES))):
                rest = file.readline(min(self.size_of(path) - at - len(block), MAX_LINE + 1))
                whole = block if block.endswith(b"\n") else block + rest
                if block.endswith(b"\n"):
                    file.seek(-len(rest), SEEK_CUR)
                yield at, whole
                at += len(whole)
                if not whole.endswith(b"\n"):
                    at += _to_line_end(file, self.size_of(path) - at)

    @contextmanager
    def _from_line(self, path: str, start: int) -> Iterator[tuple[BinaryIO, int]]:
        """Yield a file at the first line that begins at ``start`` or later, and where that is."""
        first, size = self.places[path]
        with self._opened(path) as file:
            at = max(start - 1, 0)
            file.seek(first + at)
            yield file, (at + _to_line_end(file, size - at) if start else 0)

    @contextmanager
    def _opened(self, path: str, buffered_bytes: int = _READ_BYTES) -> Iterator[BinaryIO]:
        first, _ = self.places[path]
        # What is read at once gains nothing from a buffer, and a large one takes as long to make as a file to read.
        with (self.root if self.is_tar else self.root / path).open("rb", buffered_bytes) as file:
            file.seek(first)
            yield file


@contextmanager
def opened_export(export: Path, fault: Fault, most_bytes: int | None = None) -> Iterator[ExportFiles]:
    """Yield the files of an export: an unpacked folder, or a tar; a compressed one goes into a temporary file.

    That has at most ``most_bytes``; None: 50 times the size of the export, and 64 MiB are always allowed. What the
    archive itself has that no export has, or lacks at its end, goes to ``fault``. Raises SettingsError for something
    else than a folder or a tar, and for more bytes than that; OSError where it cannot be read.
    """
    if export.is_dir():
        yield ExportFiles(export, dict(_in_folder(export, fault)), is_tar=False)
        return
    with export.open("rb") as file:
        is_compressed = file.read(len(_GZIP)) == _GZIP
    if not is_compressed:
        yield ExportFiles(export, places_in(export, export, fault), is_tar=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder) / "export.tar"
        _unpack(export, unpacked, most_bytes or max(UNPACKED_BYTES, UNPACKED_TIMES * export.stat().st_size), fault)
        yield ExportFiles(unpacked, places_in(unpacked, export, fault), is_tar=True)


def _to_line_end(file: BinaryIO, most: int) -> int:
    """Read to the end of a line, at most so far; return how many bytes that were."""
    count = 0
    while count < most and (piece := file.readline(min(most - count, _READ_BYTES))):
        count += len(piece)
        if piece.endswith(b"\n"):
            break
    return count


def _in_folder(folder: Path, fault: Fault) -> Iterator[tuple[str, tuple[int, int]]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            fault(f"{name}: expected plain files only, found a link or a device")
        elif path.is_file():
            yield name, (0, path.stat().st_size)


def _unpack(export: Path, target: Path, most_bytes: int, fault: Fault) -> None:
    """Decompress as far as it goes, some bytes at a time, so that what is before a damaged place is had.

    No byte beyond ``most_bytes`` is written: somebody may have made the archive to fill a disk.
    """
    unpacking, left = zlib.decompressobj(_GZIP_FORMAT), most_bytes
    try:
        with export.open("rb") as packed, target.open("wb") as file:
            while not unpacking.eof and (piece := unpacking.unconsumed_tail or packed.read(_UNPACKED_BYTES)):
                unpacked = unpacking.decompress(piece, _UNPACKED_BYTES)
                left -= len(unpacked)
                if left < 0:
                    raise SettingsError(
                        f"{export}: expected at most {most_bytes} bytes when it is decompressed, found more; if you "
                        "trust whoever gave it to you, allow more with --unpacked-mib, or decompress it yourself"
                    )
                file.write(unpacked)
            file.write(unpacking.flush())
            is_at_end = unpacking.eof and not unpacking.unused_data and not packed.read(1)
    except zlib.error as error:
        fault(f"{export.name}: the compressed archive is damaged ({error}); what is before that place was read")
        return
    if not is_at_end:
        fault(f"{export.name}: the compressed archive is cut, or something is behind its end; the rest was read")
