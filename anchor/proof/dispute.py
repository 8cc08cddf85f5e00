# SPDX-License-Identifier: Apache-2.0
"""The evidence of a broken promise: one self-contained file, and the verdict over it (docs/spec/dispute.md).

Bytes come from whoever accuses a log. ``anchorline dispute check`` judges them with the log's card and nothing else;
what each kind must show is in ``anchor.proof.breach``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from anchor.proof import ed25519, strictjson
from anchor.proof.breach import (
    EQUIVOCATION,
    KIND_OF,
    Accused,
    AnotherEntry,
    AnotherPlace,
    Breach,
    Fork,
    Kind,
    NotSealed,
    SealedLate,
    SignedRoot,
    TwoPromises,
    check_breach,
)
from anchor.proof.checkpoint import Note
from anchor.proof.codec import HASH_SIZE
from anchor.proof.errors import MalformedError, Reason, VerificationError
from anchor.proof.heads import MAX_SIBLINGS, HeadsProof
from anchor.proof.leaves import MAX_LEAF, HeadLeaf, KeyLeaf, LogLeaf, SealLeaf
from anchor.proof.merkle import MAX_PATH
from anchor.proof.promise import Promise
from anchor.proof.receipt import MAX_KEYS, DirectoryProof, LogCard, leaf_of, proof_from_json, proof_to_json
from anchor.proof.strictjson import Fields

FORMAT = "anchorline-dispute/1"
MAX_EVIDENCE_FILE = 2**20
"""Two checkpoints with all the signatures that a note may have are some 130 KiB; paths and keys are far less."""


class Outcome(StrEnum):
    """What the check of evidence says."""

    LATE = "late"
    EQUIVOCATION = "equivocation"
    FAILED = "failed"
    NO_CARD = "no card"


class ExitCode(IntEnum):
    """The exit code of each outcome; 3 and 8 mean what they mean for ``verify``."""

    LATE = 0
    FAILED = 1
    NO_CARD = 3
    EQUIVOCATION = 8


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence against the log of ``log`` (leaf 0); ``keys`` are the key leaves that the signatures need, in order."""

    log: LogLeaf
    keys: tuple[KeyLeaf, ...]
    breach: Breach

    @property
    def kind(self) -> Kind:
        """What it shows, if it holds."""
        return KIND_OF[type(self.breach)]

    def encode(self) -> bytes:
        """Return the evidence file (ASCII JSON)."""
        value = {
            "format": FORMAT,
            "kind": str(self.kind),
            "log": self.log.encode().hex(),
            "keys": [leaf.encode().hex() for leaf in self.keys],
            **_breach_to_json(self.breach),
        }
        return strictjson.dumps(value).encode("ascii")

    @classmethod
    def decode(cls, data: bytes) -> "Evidence":
        """Read an evidence file; raise MalformedError (UnknownVersionError for a newer one) for anything else."""
        fields = Fields(strictjson.loads(data, "evidence", MAX_EVIDENCE_FILE), "evidence")
        fields.format(FORMAT)
        kind = fields.text("kind")
        if kind not in _READERS:
            raise MalformedError(f"evidence.kind: expected one of {', '.join(_READERS)}, found {kind[:40]!r}")
        log = leaf_of(LogLeaf, fields.hex("log", maximum=MAX_LEAF), "evidence.log")
        listed = [Fields({"leaf": item}, "evidence.keys") for item in fields.array("keys", MAX_KEYS)]
        keys = tuple(leaf_of(KeyLeaf, item.hex("leaf", maximum=MAX_LEAF), "evidence.keys") for item in listed)
        breach = _READERS[kind](fields)
        fields.end()
        return cls(log, keys, breach)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a check: ``text`` is what is shown, or why nothing is."""

    outcome: Outcome
    text: str
    kind: Kind
    log_id: bytes
    reason: Reason | None = None

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        return ExitCode[self.outcome.name]

    @property
    def holds(self) -> bool:
        """Whether the breach is shown, whosever log it is."""
        return self.outcome is not Outcome.FAILED

    def to_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        value = {
            "outcome": str(self.outcome),
            "exit_code": int(self.exit_code),
            "kind": str(self.kind),
            "log_id": self.log_id.hex(),
            "text": self.text,
        }
        return value if self.reason is None else value | {"reason": str(self.reason)}


def judge(evidence: Evidence, card: LogCard | None, check: ed25519.SignatureCheck = ed25519.verify) -> Judgement:
    """Judge evidence by the card of the log that is accused; without a card it is not said whose log that is.

    Reads no clock, no file and no network. Signatures and paths are all checked in any case.
    """
    log_id = evidence.log.log_id
    if card is not None and card.log != evidence.log:
        text = f"the evidence is about log {log_id.hex()}, your card is of {card.log.log_id.hex()}"
        return Judgement(Outcome.FAILED, text, evidence.kind, log_id, Reason.WRONG_LOG)
    try:
        text = check_breach(evidence.breach, Accused(evidence.log, evidence.keys, check))
    except VerificationError as error:
        return Judgement(Outcome.FAILED, str(error), evidence.kind, log_id, error.reason)
    except MalformedError as error:
        return Judgement(Outcome.FAILED, str(error), evidence.kind, log_id, Reason.MALFORMED)
    if card is None:
        return Judgement(Outcome.NO_CARD, text, evidence.kind, log_id)
    found = Outcome.EQUIVOCATION if evidence.kind in EQUIVOCATION else Outcome.LATE
    return Judgement(found, text, evidence.kind, log_id)


# --- writing


def _breach_to_json(breach: Breach) -> dict[str, Any]:
    if isinstance(breach, TwoPromises):
        return {"promises": [breach.one.to_json(), breach.other.to_json()]}
    if isinstance(breach, Fork):
        return {"roots": [_root_to_json(breach.one), _root_to_json(breach.other)], **_leaves_to_json(breach)}
    value: dict[str, Any] = {"promise": breach.promise.to_json()}
    if isinstance(breach, AnotherEntry):
        leaf = {"leaf_hash": breach.leaf_hash.hex(), "path": _hex_list(breach.path)}
        return value | {"root": _root_to_json(breach.root)} | leaf
    if isinstance(breach, AnotherPlace):
        place = {"index": breach.index, "path": _hex_list(breach.path)}
        return value | {"root": _root_to_json(breach.root)} | place
    value |= {"checkpoint": breach.note.encode(), "seal": proof_to_json(breach.seal)}
    if isinstance(breach, NotSealed):
        terminal = breach.heads.terminal or b""
        return value | {"heads": {"terminal": terminal.hex(), "siblings": _hex_list(breach.heads.siblings)}}
    value["head"] = proof_to_json(breach.head)
    if breach.previous_head is not None:
        value["previous_head"] = proof_to_json(breach.previous_head)
    return value


def _root_to_json(root: SignedRoot) -> dict[str, Any]:
    value: dict[str, Any] = {"checkpoint": root.note.encode()}
    return value if root.head is None else value | {"head": proof_to_json(root.head)}


def _leaves_to_json(fork: Fork) -> dict[str, Any]:
    if fork.index is None:
        return {}
    leaves = [{"leaf_hash": digest.hex(), "path": _hex_list(path)} for digest, path in fork.leaves]
    return {"index": fork.index, "leaves": leaves}


def _hex_list(hashes: tuple[bytes, ...]) -> list[str]:
    return [value.hex() for value in hashes]


# --- reading


def _two_promises(fields: Fields) -> Breach:
    one, other = map(Promise.from_json, _pair(fields, "promises"))
    return TwoPromises(one, other)


def _another_entry(fields: Fields) -> Breach:
    digest = fields.hex("leaf_hash", exact=HASH_SIZE)
    return AnotherEntry(_promise(fields), _root(fields.take("root")), digest, fields.hashes("path", MAX_PATH))


def _another_place(fields: Fields) -> Breach:
    index = fields.integer("index")
    return AnotherPlace(_promise(fields), _root(fields.take("root")), index, fields.hashes("path", MAX_PATH))


def _fork(fields: Fields) -> Breach:
    one, other = map(_root, _pair(fields, "roots"))
    if "index" not in fields:
        return Fork(one, other)
    index = fields.integer("index")
    return Fork(one, other, index, tuple(_leaf(Fields(item, "evidence.leaves")) for item in _pair(fields, "leaves")))


def _sealed_late(fields: Fields) -> Breach:
    head = proof_from_json(HeadLeaf, fields.take("head"), "evidence.head")
    given = fields.take("previous_head") if "previous_head" in fields else None
    previous = None if given is None else proof_from_json(HeadLeaf, given, "evidence.previous_head")
    return SealedLate(_promise(fields), _note(fields), head, _seal(fields), previous)


def _not_sealed(fields: Fields) -> Breach:
    heads = Fields(fields.take("heads"), "evidence.heads")
    proof = HeadsProof(heads.hex("terminal", maximum=MAX_LEAF) or None, heads.hashes("siblings", MAX_SIBLINGS))
    heads.end()
    return NotSealed(_promise(fields), _note(fields), _seal(fields), proof)


_READERS: Mapping[str, Callable[[Fields], Breach]] = {
    Kind.TWO_PROMISES: _two_promises,
    Kind.ANOTHER_ENTRY: _another_entry,
    Kind.ANOTHER_PLACE: _another_place,
    Kind.FORK: _fork,
    Kind.SEALED_LATE: _sealed_late,
    Kind.NOT_SEALED: _not_sealed,
}


def _pair(fields: Fields, name: str) -> list[Any]:
    items = fields.array(name, 2)
    if len(items) != 2:
        raise MalformedError(f"{fields.what}.{name}: expected two, found {len(items)}")
    return items


def _promise(fields: Fields) -> Promise:
    return Promise.from_json(fields.take("promise"))


def _note(fields: Fields) -> Note:
    return Note.decode(fields.text("checkpoint"))


def _seal(fields: Fields) -> DirectoryProof[SealLeaf]:
    return proof_from_json(SealLeaf, fields.take("seal"), "evidence.seal")


def _root(value: object) -> SignedRoot:
    fields = Fields(value, "evidence.root")
    note = _note(fields)
    head = proof_from_json(HeadLeaf, fields.take("head"), "evidence.root.head") if "head" in fields else None
    fields.end()
    return SignedRoot(note, head)


def _leaf(fields: Fields) -> tuple[bytes, tuple[bytes, ...]]:
    leaf = fields.hex("leaf_hash", exact=HASH_SIZE), fields.hashes("path", MAX_PATH)
    fields.end()
    return leaf
