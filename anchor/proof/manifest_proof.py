# SPDX-License-Identifier: Apache-2.0
"""The proof of one file or of single rows of a manifest, which shows nothing of the others (docs/spec/manifest.md).

Input is a proof file from whoever has the manifest. It leads to the manifest's document, whose SHA-256 the receipt of
its entry is then judged with.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anchor.proof.checkpoint import from_base64
from anchor.proof.codec import HASH_SIZE, sha256
from anchor.proof.errors import MalformedError, Reason, TooLargeError, VerificationError
from anchor.proof.manifest import (
    MAX_FILE_LEAF,
    MAX_ROW_BYTES,
    NONCE_SIZE,
    Document,
    FileLeaf,
    Kind,
    content_commitment_of,
    row_leaf,
)
from anchor.proof.merkle import MAX_PATH, check_inclusion, leaf_hash
from anchor.proof.strictjson import Fields, dumps, loads

FORMAT = "anchorline-manifest-proof/1"
MAX_SHOWN_ROWS = 64
MAX_PROOF = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Opening:
    """Size and digest of a file, with the nonce that hides them in its leaf."""

    nonce: bytes
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One row, whole, and its way to the root over the rows of its file."""

    index: int
    nonce: bytes
    row: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ManifestProof:
    """A file of a manifest, shown by its digest (``opening``) or by some of its rows; never both.

    With the digest of a file whose rows are few or guessable, its other rows could be guessed.
    """

    document: bytes
    index: int
    leaf: FileLeaf
    path: tuple[bytes, ...]
    opening: Opening | None = None
    rows: tuple[ShownRow, ...] = ()

    @property
    def document_digest(self) -> bytes:
        """SHA-256 of the document: what the receipt must have as its content's digest."""
        return sha256(self.document)

    def encode(self) -> bytes:
        """Return the proof file."""
        value: dict[str, Any] = {
            "format": FORMAT,
            "document": self.document.decode("ascii"),
            "index": self.index,
            "leaf": self.leaf.encode().hex(),
            "path": [node.hex() for node in self.path],
        }
        if self.opening is not None:
            opening = self.opening
            value["content"] = {
                "nonce": opening.nonce.hex(),
                "bytes": opening.size,
                "sha256": opening.digest.hex(),
            }
        else:
            value["rows"] = [_encoded_row(row) for row in self.rows]
        return dumps(value).encode()

    @classmethod
    def decode(cls, data: bytes) -> "ManifestProof":
        """Read a proof file; raise MalformedError for what is none. Nothing is checked: ``check`` does."""
        fields = Fields(loads(data, "proof of a manifest", MAX_PROOF), "proof of a manifest")
        fields.format(FORMAT)
        document = fields.text("document").encode()
        Document.decode(document)
        index = fields.integer("index")
        leaf = FileLeaf.decode(fields.hex("leaf", maximum=MAX_FILE_LEAF))
        path = fields.hashes("path", MAX_PATH)
        opening: Opening | None = None
        rows: tuple[ShownRow, ...] = ()
        if "content" in fields:
            opening = _opening(Fields(fields.take("content"), "content"))
        else:
            rows = tuple(_row(Fields(row, "row")) for row in fields.array("rows", MAX_SHOWN_ROWS))
            places = [row.index for row in rows]
            if not places or places != sorted(set(places)):
                raise MalformedError("proof of a manifest: expected the file's digest, or rows in order, none twice")
        fields.end()
        return cls(document, index, leaf, path, opening, rows)

    def check(self) -> None:
        """Raise VerificationError unless file and rows are those that the document commits to."""
        document = Document.decode(self.document)
        check_inclusion(self.leaf.hash, self.index, document.files, self.path, document.root)
        if self.opening is not None:
            opening = self.opening
            if content_commitment_of(opening.nonce, opening.size, opening.digest) != self.leaf.commitment:
                raise VerificationError(
                    Reason.CONTENT_CHANGED, f"{self.leaf.path}: size and digest are not those in the manifest"
                )
        for row in self.rows:
            hashed = leaf_hash(row_leaf(row.nonce, row.row))
            check_inclusion(hashed, row.index, self.leaf.rows.count, row.path, self.leaf.rows.root)

    def check_content(self, size: int, digest: bytes) -> None:
        """Raise VerificationError unless a file at hand, by its size and SHA-256, is the one that is shown."""
        if self.opening is None:
            raise VerificationError(
                Reason.CONTENT_CHANGED,
                f"the proof shows rows of {self.leaf.path} and not the whole file: verify it without a file",
            )
        if (size, digest) != (self.opening.size, self.opening.digest):
            raise VerificationError(
                Reason.CONTENT_CHANGED,
                f"the file is not {self.leaf.path} as it was recorded: expected SHA-256 "
                f"{self.opening.digest.hex()}, found {digest.hex()}",
            )


def is_manifest_proof(data: bytes) -> bool:
    """Say whether a file calls itself a proof of a manifest, of any version: it is read as one then."""
    return b'"anchorline-manifest-proof/' in data[:100]


def _encoded_row(row: ShownRow) -> Mapping[str, Any]:
    return {
        "index": row.index,
        "nonce": row.nonce.hex(),
        "bytes": b64encode(row.row).decode(),
        "path": [node.hex() for node in row.path],
    }


def _opening(fields: Fields) -> Opening:
    made = Opening(
        fields.hex("nonce", exact=NONCE_SIZE), fields.integer("bytes"), fields.hex("sha256", exact=HASH_SIZE)
    )
    fields.end()
    return made


def _row(fields: Fields) -> ShownRow:
    made = ShownRow(
        fields.integer("index"),
        fields.hex("nonce", exact=NONCE_SIZE),
        from_base64(fields.text("bytes"), "bytes of the row"),
        fields.hashes("path", MAX_PATH),
    )
    fields.end()
    if len(made.row) > MAX_ROW_BYTES:
        raise TooLargeError(f"row: expected at most {MAX_ROW_BYTES} bytes, got {len(made.row)}")
    return made


def describe_kind(kind: Kind) -> str:
    """Return what is at a path, for people."""
    return {Kind.FILE: "file", Kind.EMPTY_FOLDER: "empty folder", Kind.LINK: "symbolic link"}[kind]
