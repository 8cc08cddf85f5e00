# SPDX-License-Identifier: Apache-2.0
"""The promise: the service's signature over the entries of one group commit (docs/spec/promise.md).

``chains.writer`` makes one signature per commit and hands each writer a path; a promise file travels alone or
inside a receipt. ``verify`` and everybody who holds one check it with the functions here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Any

from anchor.proof import ed25519
from anchor.proof.codec import HASH_SIZE, Reader, exactly, pack, sha256
from anchor.proof.errors import MalformedError, Reason, VerificationError
from anchor.proof.merkle import leaf_hash, root_from_inclusion
from anchor.proof.strictjson import Fields

FORMAT = "anchorline-promise/1"
DOMAIN = b"anchorline/promise/v1\n"
SUBMITTER_DOMAIN = b"anchorline/submitter/v1\n"
SUBMITTER_SIZE = 16
ANONYMOUS = bytes(SUBMITTER_SIZE)
LEAF_TYPE = 0x20
# The fields of a note, and those of a leaf behind its type u8, in the order of their classes.
_NOTE = Struct(">32sQQQI32s")
LEAF = Struct(f">B32sQ32s{SUBMITTER_SIZE}s")
NOTE_SIZE = _NOTE.size
LEAF_SIZE = LEAF.size
KEY_ID_SIZE = 4
# A group commit holds at most 2^32 - 1 entries.
MAX_PROMISE_PATH = 32


@dataclass(frozen=True, slots=True)
class PromiseNote:
    """What one signature covers: ``count`` accepted entries under ``root``; times are Unix milliseconds."""

    log_id: bytes
    received_at_ms: int
    seal_by_ms: int
    anchor_by_ms: int
    count: int
    root: bytes

    def encode(self) -> bytes:
        """Return the 92 bytes of the note."""
        exactly(self.log_id, HASH_SIZE, "log_id")
        exactly(self.root, HASH_SIZE, "root")
        times_ms = (self.received_at_ms, self.seal_by_ms, self.anchor_by_ms)
        return pack(_NOTE, "promise note", self.log_id, *times_ms, self.count, self.root)

    @classmethod
    def decode(cls, data: bytes) -> "PromiseNote":
        """Read a note of exactly 92 bytes."""
        reader = Reader(data, "promise note", NOTE_SIZE)
        note = cls(*reader.unpack(_NOTE))
        reader.end()
        return note


@dataclass(frozen=True, slots=True)
class PromiseLeaf:
    """One accepted entry: where it is, which it is, and who handed it in (16 bytes, zeros: anonymous)."""

    chain_id: bytes
    leaf_index: int
    entry_hash: bytes
    submitter: bytes = ANONYMOUS

    def encode(self) -> bytes:
        """Return the leaf's 89 bytes."""
        exactly(self.chain_id, HASH_SIZE, "chain_id")
        exactly(self.entry_hash, HASH_SIZE, "entry_hash")
        exactly(self.submitter, SUBMITTER_SIZE, "submitter")
        return pack(LEAF, "promise leaf", LEAF_TYPE, self.chain_id, self.leaf_index, self.entry_hash, self.submitter)

    @classmethod
    def decode(cls, data: bytes) -> "PromiseLeaf":
        """Read a leaf of exactly 89 bytes."""
        reader = Reader(data, "promise leaf", LEAF_SIZE)
        kind, *fields = reader.unpack(LEAF)
        if kind != LEAF_TYPE:
            raise MalformedError(f"promise leaf: expected type 20 (hex), found {kind:02x}")
        leaf = cls(*fields)
        reader.end()
        return leaf


@dataclass(frozen=True, slots=True)
class Promise:
    """A signed note, and the path of one entry's leaf to its root."""

    note: PromiseNote
    key_id: bytes
    signature: bytes
    leaf: PromiseLeaf
    index: int
    path: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the promise file's object."""
        return {
            "format": FORMAT,
            **signed_to_json(self.note, self.key_id, self.signature),
            "leaf": self.leaf.encode().hex(),
            "index": self.index,
            "path": [value.hex() for value in self.path],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Promise":
        """Read a promise file's object; unknown fields are refused."""
        fields = Fields(value, "promise")
        fields.format(FORMAT)
        promise = cls(
            *signed_from_json(fields),
            leaf=PromiseLeaf.decode(fields.hex("leaf", maximum=LEAF_SIZE)),
            index=fields.integer("index"),
            path=fields.hashes("path", MAX_PROMISE_PATH),
        )
        fields.end()
        return promise


def signed_to_json(note: PromiseNote, key_id: bytes, signature: bytes) -> dict[str, str]:
    """Return the fields that a promise and a run have alike: what was signed, with which key, and the signature."""
    return {"note": note.encode().hex(), "key_id": key_id.hex(), "signature": signature.hex()}


def signed_from_json(fields: Fields) -> tuple[PromiseNote, bytes, bytes]:
    """Take what ``signed_to_json`` wrote; raise MalformedError for another form. The signature is not checked."""
    return (
        PromiseNote.decode(fields.hex("note", maximum=NOTE_SIZE)),
        fields.hex("key_id", exact=KEY_ID_SIZE),
        fields.hex("signature", exact=ed25519.SIGNATURE_SIZE),
    )


def promise_key_id(public_key: bytes) -> bytes:
    """Return the 4-byte name of a promise key: H(DOMAIN ‖ key)[:4]."""
    return sha256(DOMAIN + public_key)[:KEY_ID_SIZE]


def submitter_of(log_id: bytes, account_salt: bytes, account_id: bytes) -> bytes:
    """Return the 16 bytes that stand for an account in promise leaves (design section 3.3)."""
    return sha256(SUBMITTER_DOMAIN + log_id + exactly(account_salt, 16, "account salt") + account_id)[:16]


def signed_message(note: PromiseNote) -> bytes:
    """Return the bytes that the promise key signs."""
    return DOMAIN + note.encode()


def check_promise(
    promise: Promise, log_id: bytes, public_key: bytes, check: ed25519.SignatureCheck = ed25519.verify
) -> None:
    """Raise VerificationError unless the log ``log_id`` made this promise with ``public_key``."""
    check_promise_path(promise, log_id)
    if promise.key_id != promise_key_id(public_key) or not check(
        public_key, signed_message(promise.note), promise.signature
    ):
        raise VerificationError(Reason.PROMISE_SIGNATURE_WRONG, "the promise is not signed by the log's promise key")


def check_promise_path(promise: Promise, log_id: bytes) -> None:
    """Raise VerificationError unless the note names ``log_id`` and holds the leaf; the signature is not looked at."""
    if promise.note.log_id != log_id:
        raise VerificationError(
            Reason.PROMISE_MISMATCH, f"the promise is by log {promise.note.log_id.hex()}, not {log_id.hex()}"
        )
    leaf = leaf_hash(promise.leaf.encode())
    root = root_from_inclusion(leaf, promise.index, promise.note.count, promise.path, Reason.PROMISE_SIGNATURE_WRONG)
    if root != promise.note.root:
        raise VerificationError(Reason.PROMISE_SIGNATURE_WRONG, "the promise's path does not lead to its root")
