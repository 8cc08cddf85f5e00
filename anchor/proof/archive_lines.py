# SPDX-License-Identifier: Apache-2.0
"""The lines of an export's files of lines: what is kept beside an entry, and group commits with their promise.

Input is a line, which is believed in nothing. ``archive`` and ``chains.archive`` check with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anchor.proof import ed25519
from anchor.proof.archive_files import MAX_LINE, PROMISES, ArchiveError
from anchor.proof.checkpoint import from_base64
from anchor.proof.codec import HASH_SIZE, sha256
from anchor.proof.entry import content_commitment
from anchor.proof.leaves import KeyLeaf, LogLeaf, Purpose
from anchor.proof.promise import PromiseNote, signed_message
from anchor.proof.strictjson import Fields, loads


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept beside the entry at a leaf index: salt, digest of the content, and the content itself if it is."""

    index: int
    salt: bytes
    digest: bytes
    content: bytes | None

    @classmethod
    def decode(cls, line: bytes, where: str) -> "Kept":
        """Read a line of ``content/<chain id>.jsonl``; raises MalformedError."""
        fields = Fields(loads(line, where, MAX_LINE), where)
        index, salt = fields.integer("index"), fields.hex("salt", exact=16)
        digest = fields.hex("digest", exact=HASH_SIZE)
        content = from_base64(fields.text("content"), where) if "content" in fields else None
        fields.end()
        return cls(index, salt, digest, content)

    def check(self, where: str, commitment: bytes) -> None:
        """Raise ArchiveError unless this is what an entry commits to."""
        if self.content is not None and sha256(self.content) != self.digest:
            raise ArchiveError(f"{where}: the content has another SHA-256 than it is kept under")
        if content_commitment(self.salt, self.digest) != commitment:
            raise ArchiveError(f"{where}: the entry commits to another content than the one that is kept")


def promise_keys(log: LogLeaf, keys: Sequence[KeyLeaf]) -> list[bytes]:
    """Return every promise key that the log ever had."""
    given = [log.key(Purpose.PROMISE), *(leaf.new_key for leaf in keys if leaf.purpose == Purpose.PROMISE)]
    return [key.value for key in given]


@dataclass(frozen=True, slots=True)
class GroupCommit:
    """A signed promise over everything that one transaction of the log added; ``leaves`` in hex."""

    note: PromiseNote
    signature: bytes
    leaves: Sequence[Any]

    @classmethod
    def decode(cls, line: bytes) -> "GroupCommit":
        """Read a line of ``promises.jsonl``; raises MalformedError. The leaves are not looked at."""
        fields = Fields(loads(line, PROMISES, MAX_LINE), PROMISES)
        note = PromiseNote.decode(fields.hex("note"))
        signature = fields.hex("signature", exact=ed25519.SIGNATURE_SIZE)
        leaves = fields.array("leaves", 2**32)
        fields.end()
        return cls(note, signature, leaves)

    def decoded_leaves(self) -> list[bytes]:
        """Return the leaves; raises MalformedError for one that is not hex."""
        return [Fields({"leaf": item}, PROMISES).hex("leaf") for item in self.leaves]

    def check_signature(self, where: str, log_id: bytes, keys: Sequence[bytes], check: ed25519.SignatureCheck) -> None:
        """Raise ArchiveError unless one of these keys of the log signed it."""
        message = signed_message(self.note)
        if self.note.log_id != log_id or not any(check(key, message, self.signature) for key in keys):
            raise ArchiveError(f"{where}: not signed by a promise key of this log")

    def check_root(self, where: str, root: bytes) -> None:
        """Raise ArchiveError unless this is the root over as many leaves as the note says."""
        if self.note.count != len(self.leaves) or self.note.root != root:
            raise ArchiveError(f"{where}: its root is not that of its leaves")


def not_as_promised(chain_id: bytes, index: int) -> str:
    """Say that another entry than the promised one is at a place."""
    return f"chain {chain_id.hex()} has another entry at {index} than promised"
