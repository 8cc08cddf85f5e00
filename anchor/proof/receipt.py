# SPDX-License-Identifier: Apache-2.0
"""The receipt: one self-contained file that leads from an entry to Bitcoin (docs/spec/receipt.md); and the log card.

Bytes come from a stranger's disk. ``chains.receipts`` makes receipts, ``verify`` judges them; reading one here says
only that it is well formed, with every limit checked before reading on.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from anchor.proof import strictjson
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.calendar import MAX_NETWORK, MAX_OTS, CalendarAnchor
from anchor.proof.checkpoint import Checkpoint, Note, from_base64
from anchor.proof.codec import HASH_SIZE
from anchor.proof.entry import MAX_ENTRY, SALT_SIZE, Entry
from anchor.proof.errors import MalformedError, TooLargeError
from anchor.proof.leaves import (
    MAX_LEAF,
    DirectoryLeaf,
    HeadLeaf,
    KeyLeaf,
    LogLeaf,
    SealLeaf,
    ThreadLeaf,
    decode_leaf,
)
from anchor.proof.merkle import MAX_PATH
from anchor.proof.promise import Promise
from anchor.proof.strictjson import Fields
from anchor.proof.timestamp import MAX_TOKEN, TimestampAnchor

FORMAT = "anchorline-receipt/1"
CARD_FORMAT = "anchorline-log/1"
MAX_FILE = 4 * 2**20
# Content may travel inside a receipt; what is larger travels beside it.
MAX_CONTENT = 16 * 2**20
MAX_FILE_WITH_CONTENT = MAX_FILE + (MAX_CONTENT + 2) // 3 * 4
MAX_CARD = 65536
MAX_ANCHORS = 16
MAX_EVIDENCE = 64
MAX_KEYS = 64
MAX_THREADS = 64


class ContentState(StrEnum):
    """What the receipt shows of the content."""

    SHOWN = "shown"
    WITHHELD = "withheld"
    ERASED = "erased"


_STATES = {str(state): state for state in ContentState}


@dataclass(frozen=True, slots=True)
class Content:
    """Salt (16) and digest (32) where shown, and perhaps the content itself."""

    state: ContentState
    salt: bytes = b""
    digest: bytes = b""
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class ChainPath:
    """Where the entry is in its chain, and the path to the root of its first head."""

    index: int
    path: tuple[bytes, ...]


Leaf = TypeVar("Leaf", bound=DirectoryLeaf)


@dataclass(frozen=True, slots=True)
class DirectoryProof(Generic[Leaf]):
    """A directory leaf, its index, and its path to the checkpoint's root."""

    leaf: Leaf
    index: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class OtherAnchor:
    """An anchor of a type that this version shows and does not check."""

    type: str
    fields: Mapping[str, Any]


Anchor = BitcoinAnchor | TimestampAnchor | CalendarAnchor | OtherAnchor


def timestamps_in(anchors: Iterable[Anchor]) -> tuple[TimestampAnchor, ...]:
    """Return the time stamps among anchors."""
    return tuple(anchor for anchor in anchors if isinstance(anchor, TimestampAnchor))


def attestations_in(anchors: Iterable[Anchor]) -> tuple[CalendarAnchor, ...]:
    """Return the calendars' attestations among anchors."""
    return tuple(anchor for anchor in anchors if isinstance(anchor, CalendarAnchor))


class OfLog(Protocol):
    """What says of which log it is: a receipt, or another file that is judged by the same steps."""

    @property
    def log(self) -> LogLeaf:
        """Leaf 0."""


class UnderCheckpoint(Protocol):
    """What steps 5 and 10 to 13 look at, in whatever file it stands."""

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint at which every directory path ends."""

    @property
    def note(self) -> Note:
        """The same, as it was signed."""

    @property
    def thread(self) -> DirectoryProof[ThreadLeaf] | None:
        """The newest thread leaf."""

    @property
    def keys(self) -> tuple[DirectoryProof[KeyLeaf], ...]:
        """Every change of the log's keys."""

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """What ties the checkpoint to the world outside."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a receipt has once the entry is under a checkpoint. Every directory path ends at the checkpoint's root."""

    chain: ChainPath
    log_path: tuple[bytes, ...]
    head: DirectoryProof[HeadLeaf]
    seal: DirectoryProof[SealLeaf]
    checkpoint: Checkpoint
    note: Note
    thread: DirectoryProof[ThreadLeaf] | None = None
    previous_head: DirectoryProof[HeadLeaf] | None = None
    keys: tuple[DirectoryProof[KeyLeaf], ...] = ()
    anchors: tuple[Anchor, ...] = ()
    evidence: tuple[Mapping[str, Any], ...] = ()

    @property
    def is_in_bitcoin(self) -> bool:
        """Whether a bitcoin anchor is among the anchors; a time stamp is an anchor of another kind."""
        return any(isinstance(anchor, BitcoinAnchor) for anchor in self.anchors)

    @property
    def timestamps(self) -> tuple[TimestampAnchor, ...]:
        """The time stamps among the anchors."""
        return timestamps_in(self.anchors)

    @property
    def attestations(self) -> tuple[CalendarAnchor, ...]:
        """The calendars' attestations among the anchors."""
        return attestations_in(self.anchors)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt; ``sealed`` is None while the entry waits for its first checkpoint."""

    entry: Entry
    content: Content
    log: LogLeaf
    promise: Promise | None = None
    sealed: Sealed | None = None

    def encode(self) -> bytes:
        """Return the receipt file (ASCII JSON)."""
        return strictjson.dumps(_receipt_to_json(self)).encode("ascii")

    @classmethod
    def decode(cls, data: bytes) -> "Receipt":
        """Read a receipt file; raise MalformedError (UnknownVersionError for a newer one) for anything else."""
        return _receipt_from_json(strictjson.loads(data, "receipt", MAX_FILE_WITH_CONTENT), len(data))

    @classmethod
    def from_json(cls, value: object) -> "Receipt":
        """Read a receipt that stands inside another file, which was held to its own limits; raise as ``decode``."""
        return _receipt_from_json(Fields(value, "receipt").rest(), 0)

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as it stands inside another file."""
        return _receipt_to_json(self)


@dataclass(frozen=True, slots=True)
class LogCard:
    """The identity of a log, to be kept by whoever wants to pin it; it is not signed.

    ``thread`` lists the outpoints at which the log's thread starts (and started again), or is None before funding.
    """

    log: LogLeaf
    thread: tuple[OutPoint, ...] | None = field(default=None)

    def encode(self) -> bytes:
        """Return the card file (ASCII JSON)."""
        thread = None if self.thread is None else [outpoint.encode().hex() for outpoint in self.thread]
        card = {"format": CARD_FORMAT, "leaf_0": self.log.encode().hex(), "thread": thread}
        return strictjson.dumps(card).encode("ascii")

    @classmethod
    def decode(cls, data: bytes) -> "LogCard":
        """Read a card file."""
        fields = Fields(strictjson.loads(data, "log card", MAX_CARD), "log card")
        fields.format(CARD_FORMAT)
        log = leaf_of(LogLeaf, fields.hex("leaf_0", maximum=MAX_LEAF), "log card.leaf_0")
        thread = _card_thread(fields)
        fields.end()
        return cls(log, thread)


def _card_thread(fields: Fields) -> tuple[OutPoint, ...] | None:
    value = fields.take("thread")
    if value is None:
        return None
    listed = Fields({"thread": value}, "log card").array("thread", MAX_THREADS)
    items = [Fields({"outpoint": item}, "log card.thread").hex("outpoint", exact=36) for item in listed]
    return tuple(OutPoint.decode(item) for item in items)


# --- writing


def _receipt_to_json(receipt: Receipt) -> dict[str, Any]:
    sealed = receipt.sealed
    value: dict[str, Any] = {
        "format": FORMAT,
        "entry": receipt.entry.encode().hex(),
        "content": _content_to_json(receipt.content),
    }
    log: dict[str, Any] = {"leaf": receipt.log.encode().hex()}
    if sealed is None:
        value["log"] = log
    else:
        value["chain"] = chain_to_json(sealed.chain)
        value["log"] = log | {"index": 0, "path": _hex_list(sealed.log_path)}
        value |= _directory_to_json(sealed)
        value["checkpoint"] = sealed.note.encode()
    if receipt.promise is not None:
        value["promise"] = receipt.promise.to_json()
    if sealed is not None:
        value["anchors"] = [anchor_to_json(anchor) for anchor in sealed.anchors]
        value["evidence"] = [dict(item) for item in sealed.evidence]
    return value


def _directory_to_json(sealed: Sealed) -> dict[str, Any]:
    proofs: dict[str, DirectoryProof[Any] | None] = {
        "thread": sealed.thread,
        "head": sealed.head,
        "previous_head": sealed.previous_head,
        "seal": sealed.seal,
    }
    value: dict[str, Any] = {name: proof_to_json(proof) for name, proof in proofs.items() if proof is not None}
    value["keys"] = [proof_to_json(proof) for proof in sealed.keys]
    return value


def _content_to_json(content: Content) -> dict[str, Any]:
    value: dict[str, Any] = {"state": str(content.state)}
    if content.state == ContentState.SHOWN:
        value |= {"salt": content.salt.hex(), "digest": content.digest.hex()}
        if content.data is not None:
            value["bytes"] = base64.b64encode(content.data).decode()
    return value


def chain_to_json(chain: ChainPath) -> dict[str, Any]:
    """Return an entry's place in its chain, with its path."""
    return {"index": chain.index, "path": _hex_list(chain.path)}


def proof_to_json(proof: DirectoryProof[Any]) -> dict[str, Any]:
    """Return a leaf of the directory with its index and path."""
    return {"leaf": proof.leaf.encode().hex(), "index": proof.index, "path": _hex_list(proof.path)}


def anchor_to_json(anchor: Anchor) -> dict[str, Any]:
    """Return an anchor as files have it."""
    if isinstance(anchor, OtherAnchor):
        return {"type": anchor.type, **anchor.fields}
    if isinstance(anchor, TimestampAnchor):
        return {"type": "rfc3161", "token": base64.b64encode(anchor.token).decode()}
    if isinstance(anchor, CalendarAnchor):
        value = {"type": "opentimestamps", "network": anchor.network, "ots": base64.b64encode(anchor.ots).decode()}
        return value if anchor.header is None else value | {"header": anchor.header.hex()}
    return {"type": "bitcoin", **anchor.to_json()}


def _hex_list(hashes: tuple[bytes, ...]) -> list[str]:
    return [value.hex() for value in hashes]


# --- reading


def _receipt_from_json(value: Mapping[str, Any], file_size: int) -> Receipt:
    fields = Fields(value, "receipt")
    fields.format(FORMAT)
    _check_file_size(value, file_size)
    entry = Entry.decode(fields.hex("entry", maximum=MAX_ENTRY))
    content = _content_from_json(Fields(fields.take("content"), "receipt.content"))
    log_fields = Fields(fields.take("log"), "receipt.log")
    log = leaf_of(LogLeaf, log_fields.hex("leaf", maximum=MAX_LEAF), "receipt.log.leaf")
    promise = Promise.from_json(fields.take("promise")) if "promise" in fields else None
    sealed = _sealed_from_json(fields, log_fields) if "checkpoint" in fields else None
    log_fields.end()
    fields.end()
    return Receipt(entry, content, log, promise, sealed)


def _check_file_size(value: Mapping[str, Any], file_size: int) -> None:
    """Hold everything besides the content to 4 MiB."""
    content = value.get("content")
    data = content.get("bytes") if isinstance(content, Mapping) else None
    besides = file_size - (len(data) if isinstance(data, str) else 0)
    if besides > MAX_FILE:
        raise TooLargeError(f"receipt: expected at most {MAX_FILE} bytes besides the content, got {besides}")


def _content_from_json(fields: Fields) -> Content:
    found = fields.text("state")
    state = _STATES.get(found)
    if state is None:
        raise MalformedError(f"{fields.what}.state: expected shown, withheld or erased, found {found[:40]!r}")
    if state != ContentState.SHOWN:
        fields.end()
        return Content(state)
    salt = fields.hex("salt", exact=SALT_SIZE)
    digest = fields.hex("digest", exact=HASH_SIZE)
    data = from_base64(fields.text("bytes"), "receipt.content.bytes") if "bytes" in fields else None
    if data is not None and len(data) > MAX_CONTENT:
        raise TooLargeError(f"receipt.content.bytes: expected at most {MAX_CONTENT} bytes, got {len(data)}")
    fields.end()
    return Content(state, salt, digest, data)


def _sealed_from_json(fields: Fields, log_fields: Fields) -> Sealed:
    if log_fields.integer("index"):
        raise MalformedError("receipt.log.index: expected 0, the first leaf of the directory")
    note = Note.decode(fields.text("checkpoint"))
    keys = fields.array("keys", MAX_KEYS)
    anchors = fields.array("anchors", MAX_ANCHORS)
    evidence = fields.array("evidence", MAX_EVIDENCE)
    return Sealed(
        chain=chain_from_json(Fields(fields.take("chain"), "receipt.chain")),
        log_path=log_fields.hashes("path", MAX_PATH),
        head=proof_from_json(HeadLeaf, fields.take("head"), "receipt.head"),
        seal=proof_from_json(SealLeaf, fields.take("seal"), "receipt.seal"),
        checkpoint=Checkpoint.decode(note.text),
        note=note,
        thread=optional_proof(ThreadLeaf, fields, "thread"),
        previous_head=optional_proof(HeadLeaf, fields, "previous_head"),
        keys=tuple(proof_from_json(KeyLeaf, item, "receipt.keys") for item in keys),
        anchors=tuple(anchor_from_json(Fields(item, "receipt.anchors")) for item in anchors),
        evidence=tuple(_evidence_from_json(item) for item in evidence),
    )


def chain_from_json(fields: Fields) -> ChainPath:
    """Read an entry's place in its chain; unknown fields are refused."""
    chain = ChainPath(fields.integer("index"), fields.hashes("path", MAX_PATH))
    fields.end()
    return chain


def optional_proof(kind: type[Leaf], fields: Fields, name: str) -> DirectoryProof[Leaf] | None:
    """Read a leaf of the directory with its path, where a field of this name is there."""
    return proof_from_json(kind, fields.take(name), f"receipt.{name}") if name in fields else None


def proof_from_json(kind: type[Leaf], value: object, what: str) -> DirectoryProof[Leaf]:
    """Read what ``proof_to_json`` wrote of a leaf of this kind; unknown fields are refused."""
    fields = Fields(value, what)
    leaf = leaf_of(kind, fields.hex("leaf", maximum=MAX_LEAF), f"{what}.leaf")
    proof = DirectoryProof(leaf, fields.integer("index"), fields.hashes("path", MAX_PATH))
    fields.end()
    return proof


def leaf_of(kind: type[Leaf], raw: bytes, what: str) -> Leaf:
    """Read a leaf of the directory, which must be of this kind."""
    leaf = decode_leaf(raw)
    if not isinstance(leaf, kind):
        raise MalformedError(f"{what}: expected a {kind.__name__}, found a {type(leaf).__name__}")
    return leaf


def anchor_from_json(fields: Fields) -> Anchor:
    """Read one anchor; a type that is unknown is kept as it is."""
    kind = fields.text("type")
    if kind == "rfc3161":
        return _timestamp_from_json(fields)
    if kind == "opentimestamps":
        return _attestation_from_json(fields)
    if kind != "bitcoin":
        return OtherAnchor(kind, fields.rest())
    return BitcoinAnchor.from_json(fields)


def _timestamp_from_json(fields: Fields) -> TimestampAnchor:
    token = _sized_base64(fields, "token", MAX_TOKEN)
    fields.end()
    return TimestampAnchor(token)


def _attestation_from_json(fields: Fields) -> CalendarAnchor:
    network = fields.text("network")
    if not 1 <= len(network) <= MAX_NETWORK:
        raise MalformedError(f"{fields.what}.network: expected a name of 1 to {MAX_NETWORK} characters")
    file = _sized_base64(fields, "ots", MAX_OTS)
    header = fields.hex("header", exact=80) if "header" in fields else None
    fields.end()
    return CalendarAnchor(network, file, header)


def _sized_base64(fields: Fields, name: str, most: int) -> bytes:
    """Read 1 to ``most`` bytes in base64, their number checked before they are decoded."""
    text = fields.text(name)
    if not 0 < len(text) <= (most + 2) // 3 * 4:
        raise TooLargeError(f"{fields.what}.{name}: expected 1 to {most} bytes in base64, got {len(text)} digits")
    data = from_base64(text, f"{fields.what}.{name}")
    if len(data) > most:
        raise TooLargeError(f"{fields.what}.{name}: expected at most {most} bytes, got {len(data)}")
    return data


def _evidence_from_json(value: object) -> Mapping[str, Any]:
    fields = Fields(value, "receipt.evidence")
    kind = fields.text("type")
    return {"type": kind, **fields.rest()}
