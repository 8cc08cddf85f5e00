"""Making the manifest of a folder: one pass over its files, the list written as it goes (docs/spec/manifest.md).

Input is a folder and which of its files are cut into rows. ``anchorline add`` records the document that comes out as
the content of an entry; the list is kept beside the receipt.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Protocol

from anchor.bitcoin.records import sync_folder
from anchor.errors import RefusedEntryError
from anchor.hashing.chosen import HASHING
from anchor.hashing.pieces import Pieces
from anchor.hashing.plain import LEAF_PREFIX
from anchor.proof.frontier import Frontier
from anchor.proof.manifest import (
    MAX_FILES,
    NONCE_SIZE,
    ROW_LEAF,
    SECRET_SIZE,
    Document,
    Kind,
    RowKind,
    Rows,
    Secret,
)
from anchor.proof.manifest_list import MAGIC, ListedFile, encode_end, encode_tags
from anchor.proof.manifest_path import check_path
from anchor.proof.manifest_rows import (
    BLOCK_ROWS,
    CELL_TAG_SIZE,
    MAX_CELLS,
    TAG_SIZE,
    blocks_of,
    cells_of,
    pieces_of,
    rows_of,
)
from chains.folder import Found, check_names, contents

SUFFIX = ".manifest"
_BLOCK_HEIGHT = BLOCK_ROWS.bit_length() - 1
_DELIMITERS = {".csv": b",", ".tsv": b"\t"}
_LINES = {".ndjson", ".jsonl"}
# Where tags wait for the digest that stands before them; more than this is on disk.
_SPILL_BYTES = 1 << 20
_PREFIX = bytes((ROW_LEAF,))

Advance = Callable[[int], None]


class Sink(Protocol):
    """Where a list is written."""

    def write(self, data: bytes, /) -> int:
        """Take bytes."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Which files are cut into rows: by the end of their names, where it is asked for."""

    rows: bool = False
    delimiter: str = ""

    def of(self, path: str) -> tuple[RowKind, int]:
        """Return how a file is cut, and what parts its cells."""
        suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122  # a path of the manifest, not of this machine
        if not self.rows:
            return RowKind.NONE, 0
        if suffix in _LINES:
            return RowKind.LINES, 0
        if suffix in _DELIMITERS:
            return RowKind.DELIMITED, (self.delimiter.encode() or _DELIMITERS[suffix])[0]
        return RowKind.NONE, 0

    def check(self) -> None:
        """Raise RefusedEntryError where a delimiter cannot be one."""
        if self.delimiter and not self.rows:
            raise RefusedEntryError("--delimiter says how rows are cut: it needs --rows")
        if self.delimiter and (len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '\0\r\n"'):
            raise RefusedEntryError(f"--delimiter: expected one ASCII character, got {self.delimiter[:20]!r}")


WHOLE = Cut()
"""No file is cut."""


def default_list(source: Path) -> Path:
    """Return where the list of a folder is kept unless somebody says otherwise: beside it, as its receipt."""
    # Of a link to a folder: beside the link. The last name of . and .. is asked for, which Path.absolute() leaves.
    whole = Path(os.path.abspath(source))  # noqa: PTH100
    return whole.with_name(whole.name + SUFFIX)


@contextmanager
def new_list(target: Path, source: Path, way_on: str = "name another file with --manifest") -> Iterator[BinaryIO]:
    """Open a list that is written whole or not at all, readable for its owner alone: it has the secret.

    What is there already belongs to an earlier entry, and without it nothing of that entry could be shown or compared.
    Raises RefusedEntryError for that, and for a place inside the folder, which would change it.
    """
    if target.exists():
        raise RefusedEntryError(
            f"{target} is there already: it may be all that can open an earlier entry. Move it, or {way_on}"
        )
    if source.is_dir() and Path(os.path.realpath(target)).is_relative_to(os.path.realpath(source)):
        raise RefusedEntryError(f"{target} is inside the folder that it lists: {way_on}")
    # A name that no broken-off ``add`` can have left, for its owner alone.
    descriptor, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".new", dir=target.parent)
    beside = Path(name)
    try:
        with open(descriptor, "w+b") as file:  # noqa: PTH123  # opened above, for its owner alone
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, target)  # which, unlike a rename, never replaces what came meanwhile
        sync_folder(target.parent)  # an entry whose list is lost cannot be opened
    finally:
        beside.unlink(missing_ok=True)


def written_before(target: Path, source: Path, cut: Cut, advance: Advance) -> Document:
    """Return the document of a list that is there already: of an ``add`` that ended before its entry was recorded.

    Raises RefusedEntryError unless the folder, cut in the same way, gives this list again, byte for byte. OSError.
    """
    with target.open("rb") as file:
        beginning = file.read(len(MAGIC) + SECRET_SIZE)
        if len(beginning) != len(MAGIC) + SECRET_SIZE or not beginning.startswith(MAGIC):
            raise _not_again(target, source)
        file.seek(0)
        same = _Same(file, _not_again(target, source))
        document = write_manifest(source, beginning[len(MAGIC) :], cut, same, advance)
        if file.read(1):
            raise _not_again(target, source)
    return document


class _Same:
    """A sink that takes what a file has, and refuses anything else."""

    def __init__(self, file: BinaryIO, refusal: RefusedEntryError) -> None:
        self._file, self._refusal = file, refusal

    def write(self, data: bytes, /) -> int:
        """See ``Sink``."""
        if self._file.read(len(data)) != data:
            raise self._refusal
        return len(data)


def _not_again(target: Path, source: Path) -> RefusedEntryError:
    return RefusedEntryError(
        f"{target} is there already, and is not what {source} gives now (with these options): it may be all that can "
        "open an earlier entry. Move it, or name another file with --manifest"
    )


def write_manifest(source: Path, secret: bytes, cut: Cut, sink: Sink, advance: Advance) -> Document:
    """List a folder into ``sink`` and return the document; ``advance`` is told bytes as they are read.

    Each file is read once; of its rows no more than 4,096 are in memory. Raises RefusedEntryError or MalformedError
    for what a manifest cannot hold, and OSError.
    """
    check_names(source)
    made = _Listing(sink, Secret(secret), cut, advance)
    made.put(MAGIC + secret)
    for found in contents(source):
        if made.tree.size >= MAX_FILES:
            raise RefusedEntryError(f"{source}: expected at most {MAX_FILES} files; record its folders one by one")
        made.add(found)
    made.put(encode_end(made.tree.size))
    return Document(made.tree.size, made.size, made.tree.root(), made.list_size, made.digest.digest())


def fresh_secret() -> bytes:
    """Return the secret of a new manifest."""
    return os.urandom(SECRET_SIZE)


class _Listing:
    """A list that is being written, with the tree over what is in it."""

    def __init__(self, sink: Sink, secret: Secret, cut: Cut, advance: Advance) -> None:
        self._sink, self._secret, self._cut, self._advance = sink, secret, cut, advance
        self.tree, self.size, self.list_size, self.digest = Frontier(), 0, 0, sha256()

    def put(self, data: bytes) -> None:
        """Write on."""
        self._sink.write(data)
        self.digest.update(data)
        self.list_size += len(data)

    def add(self, found: Found) -> None:
        """List what is at one path."""
        check_path(found.path)
        if found.kind is None:
            raise RefusedEntryError(f"{found.at}: expected files, folders and links only; take it out of the folder")
        if found.kind != Kind.FILE:
            target = link_target(found)
            self._close(ListedFile(self.tree.size, found.path, found.kind, len(target), sha256(target).digest()))
            return
        with found.at.open("rb") as file:
            if self._cut.of(found.path)[0] == RowKind.NONE:
                self._close(self._file(found.path, file))
                return
            with tempfile.SpooledTemporaryFile(_SPILL_BYTES) as spill:
                self._close(self._file(found.path, file, spill))
                spill.seek(0)
                while piece := spill.read(_SPILL_BYTES):
                    self.put(piece)

    def _close(self, listed: ListedFile) -> None:
        self.put(listed.encode())
        self.tree.add(listed.leaf(self._secret).hash)
        self.size += listed.size

    def _file(self, path: str, file: BinaryIO, spill: Sink | None = None) -> ListedFile:
        """Read a file once; the tags of its rows go to ``spill``, without which it is not cut."""
        index, hasher, size = self.tree.size, sha256(), 0
        row_kind, delimiter = self._cut.of(path)

        def pieces() -> Iterator[bytes]:
            nonlocal size
            for piece in pieces_of(file):
                hasher.update(piece)
                size += len(piece)
                self._advance(len(piece))
                yield piece

        if spill is None:
            for _ in pieces():
                pass
            return ListedFile(index, path, Kind.FILE, size, hasher.digest())
        tree, tags_size = Frontier(), 0
        row_key = self._secret.row_key(index)
        for block in blocks_of(rows_of(pieces(), row_kind, path)):
            add_rows(tree, row_leaf_hashes(block, row_key, tree.size))
            tags_size += spill.write(self._tags(block, row_kind, delimiter))
        rows = Rows(row_kind, delimiter, tree.size, tree.root())
        return ListedFile(index, path, Kind.FILE, size, hasher.digest(), rows, tags_size)

    def _tags(self, block: list[bytes], row_kind: RowKind, delimiter: int) -> bytes:
        tags = shortened(HASHING.each(block, self._secret.tag_key), TAG_SIZE)
        if row_kind == RowKind.LINES:
            return encode_tags(tags, [], b"")
        each = [cells if len(cells) <= MAX_CELLS else [] for cells in (cells_of(row, delimiter) for row in block)]
        cells = [cell for cells in each for cell in cells]
        hashes = HASHING.each(cells, self._secret.cell_key)
        return encode_tags(tags, list(map(len, each)), shortened(hashes, CELL_TAG_SIZE))


def link_target(found: Found) -> bytes:
    """Return the bytes of a symbolic link, which stand for its content; an empty folder has none."""
    return os.fsencode(os.readlink(found.at)) if found.kind == Kind.LINK else b""  # noqa: PTH115  # Path changes ./x


def row_leaf_hashes(rows: list[bytes], row_key: bytes, first: int) -> Pieces:
    """Return the leaf hashes of consecutive rows, of which the first has the place ``first``."""
    places = Pieces.cut(b"".join(place.to_bytes(8, "big") for place in range(first, first + len(rows))), 8)
    nonces = HASHING.rows(row_key, places).flat
    leaves = [nonces[at * 32 : at * 32 + NONCE_SIZE] + row for at, row in enumerate(rows)]
    return HASHING.each(leaves, LEAF_PREFIX + _PREFIX)


def add_rows(tree: Frontier, hashes: Pieces) -> None:
    """Add a block of leaf hashes: as one subtree where it is full."""
    if len(hashes) == BLOCK_ROWS:
        tree.add_subtree(HASHING.root(hashes), _BLOCK_HEIGHT)
        return
    for leaf_hash in hashes:
        tree.add(leaf_hash)


def shortened(hashes: Pieces, size: int) -> bytes:
    """Return the first ``size`` bytes of each hash."""
    short = bytearray(size * len(hashes))
    for at in range(size):
        short[at::size] = hashes.flat[at :: hashes.size]
    return bytes(short)
