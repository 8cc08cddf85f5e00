# SPDX-License-Identifier: Apache-2.0
"""Manifests: a folder as one entry, by a hash tree over its files and over their rows (docs/spec/manifest.md).

Input is a manifest's document, which is the content of its entry, and its secret, from which every nonce follows. The
list of the files is read by ``manifest_list``, a proof of one file or row by ``manifest_proof``.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import TypeVar

from anchor.proof.codec import HASH_SIZE, Reader, exactly, fits, sha256
from anchor.proof.errors import MalformedError, TooLargeError
from anchor.proof.manifest_path import MAX_PATH_BYTES, check_path
from anchor.proof.merkle import leaf_hash
from anchor.proof.strictjson import Fields, dumps, loads

FORMAT = "anchorline-manifest/1"
MEDIA_TYPE = "application/vnd.anchorline.manifest+json"
MAX_DOCUMENT = 4096
MAX_FILES = 1 << 24
MAX_ROWS = 1 << 40
MAX_ROW_BYTES = 1 << 20
"""A row is shown whole in its proof, and read whole to compare it; a quote that is never closed ends here."""
SECRET_SIZE = 32
NONCE_SIZE = 16
FILE_LEAF, ROW_LEAF = 0x30, 0x31
"""First bytes of the leaves; no leaf of another tree begins so."""
MAX_FILE_LEAF = 128 + MAX_PATH_BYTES
_NO_ROOT = bytes(HASH_SIZE)
Member = TypeVar("Member", bound=IntEnum)


class Kind(IntEnum):
    """What is at a path."""

    FILE = 0
    EMPTY_FOLDER = 1
    LINK = 2


class RowKind(IntEnum):
    """How a file is cut into rows."""

    NONE = 0
    DELIMITED = 1
    LINES = 2


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a file: how it is cut, how many there are, and the root over them."""

    kind: RowKind = RowKind.NONE
    delimiter: int = 0
    count: int = 0
    root: bytes = _NO_ROOT

    def check(self) -> None:
        """Raise MalformedError where the fields do not go together."""
        if self.kind == RowKind.NONE:
            if (self.delimiter, self.count, self.root) != (0, 0, _NO_ROOT):
                raise MalformedError("rows: a file without rows has neither delimiter, count nor root")
            return
        if self.kind == RowKind.LINES and self.delimiter:
            raise MalformedError(f"rows: lines have no delimiter, found {self.delimiter:#04x}")
        if self.kind == RowKind.DELIMITED and (self.delimiter >= 0x80 or self.delimiter in b'\0\r\n"'):
            raise MalformedError(
                f"rows: expected an ASCII delimiter, no quote or line end, found {self.delimiter:#04x}"
            )
        if self.count > MAX_ROWS:
            raise TooLargeError(f"rows: expected at most {MAX_ROWS}, got {self.count}")
        exactly(self.root, HASH_SIZE, "root of the rows")


@dataclass(frozen=True, slots=True)
class FileLeaf:
    """What the tree over the files commits to for one path; size and digest only through a commitment.

    Whoever is shown a single row may not learn the digest of the whole file: he could guess the other rows by it.
    """

    nonce: bytes
    kind: Kind
    path: str
    commitment: bytes
    rows: Rows = field(default_factory=Rows)

    def encode(self) -> bytes:
        """Return the leaf as docs/spec/manifest.md lays it out."""
        path = check_path(self.path)
        self.rows.check()
        return b"".join(
            (
                bytes((FILE_LEAF,)),
                exactly(self.nonce, NONCE_SIZE, "nonce"),
                bytes((self.kind,)),
                fits(len(path), 2, "length of the path"),
                path,
                exactly(self.commitment, HASH_SIZE, "commitment"),
                bytes((self.rows.kind, self.rows.delimiter)),
                fits(self.rows.count, 8, "number of rows"),
                self.rows.root,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "FileLeaf":
        """Read a leaf; raise MalformedError for anything that ``encode`` does not write."""
        reader = Reader(data, "leaf of a file", MAX_FILE_LEAF)
        if reader.byte() != FILE_LEAF:
            raise MalformedError(f"leaf of a file: expected {FILE_LEAF:#04x} at its beginning")
        nonce, kind = reader.take(NONCE_SIZE), kind_of(reader.byte())
        path = path_of(reader.prefixed(2))
        commitment = reader.take(HASH_SIZE)
        rows = Rows(row_kind_of(reader.byte()), reader.byte(), reader.unsigned(8), reader.take(HASH_SIZE))
        rows.check()
        reader.end()
        return cls(nonce, kind, path, commitment, rows)

    @property
    def hash(self) -> bytes:
        """The leaf hash (RFC 9162 section 2.1.1)."""
        return leaf_hash(self.encode())


@dataclass(frozen=True, slots=True)
class Document:
    """The document of a manifest: what the entry's content is.

    ``files`` counts what is listed, ``size`` the bytes of the files; ``root`` is that of the tree over them;
    ``list_size`` and ``list_digest`` are of the list beside the receipt, which has the secret.
    """

    files: int
    size: int
    root: bytes
    list_size: int
    list_digest: bytes

    def encode(self) -> bytes:
        """Return the only form of these values."""
        return dumps(
            {
                "format": FORMAT,
                "files": self.files,
                "bytes": self.size,
                "root": self.root.hex(),
                "list_size": self.list_size,
                "list_sha256": self.list_digest.hex(),
            }
        ).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Document":
        """Read a document; raise MalformedError unless it is the form that ``encode`` writes."""
        fields = Fields(loads(data, "manifest", MAX_DOCUMENT), "manifest")
        fields.format(FORMAT)
        made = cls(
            fields.integer("files"),
            fields.integer("bytes"),
            fields.hex("root", exact=HASH_SIZE),
            fields.integer("list_size"),
            fields.hex("list_sha256", exact=HASH_SIZE),
        )
        fields.end()
        if made.files > MAX_FILES:
            raise TooLargeError(f"manifest: expected at most {MAX_FILES} files, got {made.files}")
        if made.encode() != data:
            raise MalformedError("manifest: its values are written in another form than the only one")
        return made


@dataclass(frozen=True)
class Secret:
    """The secret of a manifest, 32 random bytes, and what follows from it.

    Without it nobody can try what the hashes in somebody else's proof stand for. A nonce says nothing of another one.
    """

    value: bytes

    def __post_init__(self) -> None:
        exactly(self.value, SECRET_SIZE, "secret of the manifest")

    def file_nonce(self, index: int) -> bytes:
        """Return the nonce of the leaf of file ``index``."""
        return _numbered(self._key("file"), index)[:NONCE_SIZE]

    def content_nonce(self, index: int) -> bytes:
        """Return the nonce that hides size and digest of file ``index``."""
        return _numbered(self._key("content"), index)[:NONCE_SIZE]

    def row_key(self, index: int) -> bytes:
        """Return the key of the nonces of the rows of file ``index``."""
        return _numbered(self._key("row"), index)

    @cached_property
    def tag_key(self) -> bytes:
        """The key of the tags by which changed rows are found."""
        return self._key("tag")

    @cached_property
    def cell_key(self) -> bytes:
        """The key of the tags by which changed cells are found."""
        return self._key("cell")

    def _key(self, name: str) -> bytes:
        return sha256(f"anchorline/manifest/{name}/v1\n".encode() + self.value)


def content_commitment_of(nonce: bytes, size: int, digest: bytes) -> bytes:
    """Return H(nonce ‖ size u64 ‖ SHA-256 of the file)."""
    return sha256(
        exactly(nonce, NONCE_SIZE, "nonce") + fits(size, 8, "size of a file") + exactly(digest, HASH_SIZE, "digest")
    )


def row_nonce(row_key: bytes, index: int) -> bytes:
    """Return the nonce of row ``index`` under the key of its file."""
    return _numbered(row_key, index)[:NONCE_SIZE]


def row_leaf(nonce: bytes, row: bytes) -> bytes:
    """Return 31 ‖ nonce ‖ the bytes of the row, line end included."""
    return bytes((ROW_LEAF,)) + exactly(nonce, NONCE_SIZE, "nonce") + row


def kind_of(number: int) -> Kind:
    """Return what is at a path; raise MalformedError for a number without meaning."""
    return _member(Kind, number, "kind of file")


def row_kind_of(number: int) -> RowKind:
    """Return how a file is cut; raise MalformedError for a number without meaning."""
    return _member(RowKind, number, "kind of rows")


def path_of(encoded: bytes) -> str:
    """Return the path that these bytes are; raise MalformedError where a manifest may not hold it."""
    try:
        path = encoded.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(f"path {encoded[:80]!r}: expected UTF-8") from error
    check_path(path)
    return path


def _member(kinds: type[Member], number: int, what: str) -> Member:
    try:
        return kinds(number)
    except ValueError as error:
        raise MalformedError(f"{what}: expected 0 to {len(kinds) - 1}, found {number}") from error


def _numbered(key: bytes, index: int) -> bytes:
    """Return H(key ‖ index u64): both have a fixed length, so nothing can be appended."""
    return sha256(key + fits(index, 8, "place"))
