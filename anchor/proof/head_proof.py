# SPDX-License-Identifier: Apache-2.0
"""The proof of a head: one file that says which head of a chain was the newest, or that it had none.

It speaks of one moment, the checkpoint that it is under (docs/spec/head-proof.md). ``chains.head_proofs`` makes it,
``head_judging`` judges it; reading one here says only that it is well formed.
"""

from dataclasses import dataclass
from typing import Any

from anchor.proof import strictjson
from anchor.proof.checkpoint import Checkpoint, Note
from anchor.proof.codec import HASH_SIZE
from anchor.proof.errors import MalformedError
from anchor.proof.heads import MAX_SIBLINGS, HeadsProof
from anchor.proof.leaves import MAX_LEAF, KeyLeaf, LogLeaf, SealLeaf, ThreadLeaf
from anchor.proof.merkle import MAX_PATH
from anchor.proof.receipt import (
    MAX_ANCHORS,
    MAX_KEYS,
    Anchor,
    DirectoryProof,
    anchor_from_json,
    anchor_to_json,
    leaf_of,
    optional_proof,
    proof_from_json,
    proof_to_json,
)
from anchor.proof.strictjson import Fields

FORMAT = "anchorline-head-proof/1"
MAX_HEAD_PROOF = 2**20


@dataclass(frozen=True, slots=True)
class HeadProof:
    """A chain's newest head under a checkpoint, or that it has none; every directory path ends at the checkpoint.

    ``heads`` is the way in the heads tree of ``seal``, which is the last leaf under the checkpoint.
    """

    chain_id: bytes
    log: LogLeaf
    log_path: tuple[bytes, ...]
    heads: HeadsProof
    seal: DirectoryProof[SealLeaf]
    checkpoint: Checkpoint
    note: Note
    thread: DirectoryProof[ThreadLeaf] | None = None
    keys: tuple[DirectoryProof[KeyLeaf], ...] = ()
    anchors: tuple[Anchor, ...] = ()

    def encode(self) -> bytes:
        """Return the file (ASCII JSON)."""
        value: dict[str, Any] = {
            "format": FORMAT,
            "chain_id": self.chain_id.hex(),
            "log": {
                "leaf": self.log.encode().hex(),
                "index": 0,
                "path": [each.hex() for each in self.log_path],
            },
            "heads": {
                "terminal": (self.heads.terminal or b"").hex(),
                "siblings": [each.hex() for each in self.heads.siblings],
            },
            "seal": proof_to_json(self.seal),
        }
        if self.thread is not None:
            value["thread"] = proof_to_json(self.thread)
        value["keys"] = [proof_to_json(each) for each in self.keys]
        value["checkpoint"] = self.note.encode()
        value["anchors"] = [anchor_to_json(each) for each in self.anchors]
        return strictjson.dumps(value).encode("ascii")

    @classmethod
    def decode(cls, data: bytes) -> "HeadProof":
        """Read a file of at most 1 MiB; raise MalformedError (UnknownVersionError for a newer one) for another."""
        fields = Fields(strictjson.loads(data, "head proof", MAX_HEAD_PROOF), "head proof")
        fields.format(FORMAT)
        log = Fields(fields.take("log"), "head proof.log")
        heads = Fields(fields.take("heads"), "head proof.heads")
        note = Note.decode(fields.text("checkpoint"))
        if log.integer("index"):
            raise MalformedError("head proof.log.index: expected 0, the first leaf of the directory")
        found = cls(
            chain_id=fields.hex("chain_id", exact=HASH_SIZE),
            log=leaf_of(LogLeaf, log.hex("leaf", maximum=MAX_LEAF), "head proof.log.leaf"),
            log_path=log.hashes("path", MAX_PATH),
            heads=HeadsProof(heads.hex("terminal", maximum=MAX_LEAF) or None, heads.hashes("siblings", MAX_SIBLINGS)),
            seal=proof_from_json(SealLeaf, fields.take("seal"), "head proof.seal"),
            checkpoint=Checkpoint.decode(note.text),
            note=note,
            thread=optional_proof(ThreadLeaf, fields, "thread"),
            keys=tuple(proof_from_json(KeyLeaf, each, "head proof.keys") for each in fields.array("keys", MAX_KEYS)),
            anchors=tuple(
                anchor_from_json(Fields(each, "head proof.anchors")) for each in fields.array("anchors", MAX_ANCHORS)
            ),
        )
        for part in (log, heads, fields):
            part.end()
        return found
