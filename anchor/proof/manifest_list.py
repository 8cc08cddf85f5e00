# SPDX-License-Identifier: Apache-2.0
"""The list of a manifest, the file beside a receipt: read piece by piece, however long (docs/spec/manifest.md).

Input is a stream of a ``*.manifest`` file, believed in nothing before ``read_list`` has given its document, which the
entry commits to. Whoever compares a folder or makes a proof reads the files one after the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import accumulate, pairwise
from struct import unpack
from typing import BinaryIO

from anchor.proof.codec import HASH_SIZE, fits
from anchor.proof.errors import MalformedError, TooLargeError, UnknownVersionError
from anchor.proof.frontier import Frontier
from anchor.proof.manifest import (
    MAX_FILES,
    SECRET_SIZE,
    Document,
    FileLeaf,
    Kind,
    RowKind,
    Rows,
    Secret,
    content_commitment_of,
    kind_of,
    path_of,
    row_kind_of,
)
from anchor.proof.manifest_path import MAX_PATH_BYTES, check_next_path, check_path
from anchor.proof.manifest_rows import BLOCK_ROWS, CELL_TAG_SIZE, MAX_CELLS, TAG_SIZE

MAGIC = b"anchorline-manifest/1\n"
_FAMILY = b"anchorline-manifest/"
_FILE, _END = b"\x01", b"\x00"
_READ_BYTES = 1 << 20
EMPTY_DIGEST = sha256(b"").digest()


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One path of the list, and where the tags of its rows begin."""

    index: int
    path: str
    kind: Kind
    size: int
    digest: bytes
    rows: Rows = field(default_factory=Rows)
    tags_size: int = 0
    tags_at: int = 0

    def encode(self) -> bytes:
        """Return what stands before the tags."""
        path = check_path(self.path)
        head = b"".join(
            (
                _FILE,
                bytes((self.kind,)),
                fits(len(path), 2, "length of the path"),
                path,
                fits(self.size, 8, "size of a file"),
                self.digest,
                bytes((self.rows.kind,)),
            )
        )
        if self.rows.kind == RowKind.NONE:
            return head
        rows = self.rows
        return b"".join(
            (
                head,
                bytes((rows.delimiter,)),
                fits(rows.count, 8, "number of rows"),
                rows.root,
                fits(self.tags_size, 8, "size of the tags"),
            )
        )

    def leaf(self, secret: Secret) -> FileLeaf:
        """Return the leaf of the tree over the files."""
        commitment = content_commitment_of(secret.content_nonce(self.index), self.size, self.digest)
        return FileLeaf(secret.file_nonce(self.index), self.kind, self.path, commitment, self.rows)


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of up to 4,096 rows: eight bytes for each, and those of the cells where the file has cells."""

    rows: list[bytes]
    cells: list[bytes]


def encode_end(files: int) -> bytes:
    """Return what stands behind the last file."""
    return _END + fits(files, 4, "number of files")


def encode_tags(row_tags: bytes, counts: list[int], cells: bytes) -> bytes:
    """Return one block: the tags of its rows, how many tags of cells each has, and these."""
    return b"".join((row_tags, *(count.to_bytes(2, "big") for count in counts), cells))


class ListReader:
    """Reads one list from a stream that can be sought in; every method raises MalformedError for what is no list."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        found = stream.read(len(MAGIC))
        if found != MAGIC:
            if found.startswith(_FAMILY):
                raise UnknownVersionError(
                    f"list of a manifest: {found[:40]!r} was written by a newer Anchorline; this one reads {MAGIC!r}"
                )
            raise MalformedError(f"list of a manifest: expected {MAGIC!r} at its beginning, found {found[:40]!r}")
        self.secret = Secret(self._take(SECRET_SIZE))

    def files(self) -> Iterator[ListedFile]:
        """Yield what is listed, in order; the stream is moved past the tags of each before the next."""
        before: bytes | None = None
        count = 0
        while (mark := self._take(1)) == _FILE:
            if count >= MAX_FILES:
                raise TooLargeError(f"list of a manifest: expected at most {MAX_FILES} files")
            listed = self._file(count)
            path = listed.path.encode()
            if before is not None:
                check_next_path(before, path)
            yield listed
            self._stream.seek(listed.tags_at + listed.tags_size)
            before, count = path, count + 1
        if mark != _END:
            raise MalformedError(f"list of a manifest: expected a file or the end, found {mark.hex()}")
        if self._number(4) != count:
            raise MalformedError(f"list of a manifest: its end counts otherwise than the {count} files before it")
        if self._stream.read(1):
            raise MalformedError("list of a manifest: bytes behind its end")

    def tags(self, listed: ListedFile) -> Iterator[Tags]:
        """Yield the blocks of tags of a file; to be read to the end before the next file."""
        self._stream.seek(listed.tags_at)
        left, size = listed.rows.count, listed.tags_size
        while left:
            count = min(left, BLOCK_ROWS)
            flat = self._take(count * TAG_SIZE)
            rows = [flat[at : at + TAG_SIZE] for at in range(0, len(flat), TAG_SIZE)]
            size -= len(flat)
            cells = [b""] * count
            if listed.rows.kind == RowKind.DELIMITED:
                counts = self._take(count * 2)
                sizes = [CELL_TAG_SIZE * number for number in unpack(f">{count}H", counts)]
                if max(sizes) > CELL_TAG_SIZE * MAX_CELLS:
                    raise TooLargeError(f"{listed.path}: expected at most {MAX_CELLS} tags of cells in a row")
                flat = self._take(sum(sizes))
                size -= len(counts) + len(flat)
                cells = [flat[start:end] for start, end in pairwise(accumulate(sizes, initial=0))]
            yield Tags(rows, cells)
            left -= count
        if size:
            raise MalformedError(f"{listed.path}: {listed.tags_size} bytes of tags are not those of its rows")

    def _file(self, index: int) -> ListedFile:
        kind = kind_of(self._number(1))
        path_size = self._number(2)
        if path_size > MAX_PATH_BYTES:
            raise TooLargeError(f"list of a manifest: expected a path of at most {MAX_PATH_BYTES} bytes")
        path = path_of(self._take(path_size))
        size, digest = self._number(8), self._take(HASH_SIZE)
        row_kind = row_kind_of(self._number(1))
        rows, tags_size = Rows(), 0
        if row_kind != RowKind.NONE:
            rows = Rows(row_kind, self._number(1), self._number(8), self._take(HASH_SIZE))
            rows.check()
            tags_size = self._number(8)
        if kind != Kind.FILE and rows.kind != RowKind.NONE:
            raise MalformedError(f"{path}: only a file has rows")
        if kind == Kind.EMPTY_FOLDER and (size, digest) != (0, EMPTY_DIGEST):
            raise MalformedError(f"{path}: an empty folder has no bytes, found {size}")
        return ListedFile(index, path, kind, size, digest, rows, tags_size, self._stream.tell())

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")

    def _take(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) != size:
            raise MalformedError(f"list of a manifest: it ends early, {size - len(data)} bytes are missing")
        return data


def read_list(stream: BinaryIO) -> Document:
    """Return the document that this list belongs to, from all of its bytes and the tree over its files.

    The tags are not compared with the rows: the document commits to them by the list's digest. Raises MalformedError.
    """
    reader = ListReader(stream)
    frontier, size = Frontier(), 0
    for listed in reader.files():
        for _ in reader.tags(listed):
            pass  # read for their form
        frontier.add(listed.leaf(reader.secret).hash)
        size += listed.size
    list_size = stream.tell()
    stream.seek(0)
    hasher = sha256()
    while piece := stream.read(_READ_BYTES):
        hasher.update(piece)
    return Document(frontier.size, size, frontier.root(), list_size, hasher.digest())
