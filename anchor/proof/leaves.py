# SPDX-License-Identifier: Apache-2.0
"""Leaves of the directory: what the log says about itself and about its chains (docs/spec/directory.md).

Input is the ``leaf`` hex of a receipt, a log card, or a row of the directory. ``anchor.directory`` writes them,
``verify`` and the audit read them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from struct import Struct

from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.codec import HASH_SIZE, Reader, exactly, fits, pack
from anchor.proof.errors import MalformedError
from anchor.proof.merkle import leaf_hash

MAX_LEAF = 1024
MAX_ORIGIN = 255
NO_PREVIOUS = 2**64 - 1
KEY_DOMAIN = b"anchorline/key/v1\n"
THREAD_DOMAIN = b"anchorline/thread/v1\n"
NOTHING_REPLACED = bytes(HASH_SIZE)
SIGNATURE_SIZE = 64
# Assigned to nothing yet (design section 3.2): hashed and shown, and no auditor gives a verdict on them.
UNASSIGNED_TYPES = frozenset({0x16, *range(0x18, 0x20)})


# Fields of a seal and of a head behind the type, in the order of their classes.
_SEAL = Struct(">QQIQ32sI32s")
_HEAD = Struct(">32sQQ32s")
# What stands in front of a key: its type and its length.
_KEY_START = Struct(">BH")


_ORIGIN = re.compile(rb"[\x21-\x2a\x2c-\x7e]{1,%d}" % MAX_ORIGIN)


class LeafType(IntEnum):
    """First byte of a directory leaf."""

    LOG = 0x10
    SEAL = 0x11
    HEAD = 0x12
    KEY = 0x13
    HEAD_UNDER_POLICY = 0x14
    THREAD = 0x15
    EPOCH = 0x17


_SEAL_TYPE = bytes((LeafType.SEAL,))
_HEAD_TYPE = bytes((LeafType.HEAD,))
_HEAD_UNDER_POLICY_TYPE = bytes((LeafType.HEAD_UNDER_POLICY,))
NO_POLICY = bytes(HASH_SIZE)
"""What the head of a chain without a policy says of it; such a head is a leaf of type 12, without this field."""


class KeyType(IntEnum):
    """Algorithm of a key; REVOKED stands in a key leaf that ends a promise key."""

    REVOKED = 0
    ED25519 = 1


class Purpose(IntEnum):
    """What a key of the log is for."""

    CHECKPOINT = 1
    PROMISE = 2
    RECOVERY = 3


class Signer(IntEnum):
    """Who signed a key leaf."""

    OLD_KEY = 0
    RECOVERY_KEY = 3


@dataclass(frozen=True, slots=True)
class Key:
    """A public key with its type; 32 bytes for Ed25519, none where revoked."""

    type: int
    value: bytes

    def encode(self) -> bytes:
        """Return type u8 ‖ u16 length ‖ key."""
        _check_key(self)
        return _KEY_START.pack(self.type, len(self.value)) + self.value


@dataclass(frozen=True, slots=True)
class LogLeaf:
    """Leaf 0: who this log is. Its leaf hash is the log id."""

    origin: str
    network_genesis: bytes
    message_start: bytes
    checkpoint_key: Key
    promise_key: Key
    recovery_key: Key

    def encode(self) -> bytes:
        """Return the leaf's bytes."""
        raw = check_origin(self.origin)
        return b"".join(
            (
                bytes((LeafType.LOG, len(raw))),
                raw,
                exactly(self.network_genesis, HASH_SIZE, "network genesis hash"),
                exactly(self.message_start, 4, "message start"),
                *(_live(key).encode() for key in (self.checkpoint_key, self.promise_key, self.recovery_key)),
            )
        )

    @property
    def log_id(self) -> bytes:
        """The log id: H(00 ‖ leaf 0)."""
        return leaf_hash(self.encode())

    def key(self, purpose: int) -> Key:
        """Return the key that leaf 0 gives for ``purpose``."""
        keys = {
            Purpose.CHECKPOINT: self.checkpoint_key,
            Purpose.PROMISE: self.promise_key,
            Purpose.RECOVERY: self.recovery_key,
        }
        return keys[Purpose(purpose)]


@dataclass(frozen=True, slots=True)
class SealLeaf:
    """Last leaf of a seal; ``block_hash`` is internal order, times are Unix milliseconds."""

    seal_number: int
    sealed_at_ms: int
    head_count: int
    chain_count: int
    heads_root: bytes
    block_height: int
    block_hash: bytes

    def encode(self) -> bytes:
        """Return the leaf's bytes."""
        exactly(self.heads_root, HASH_SIZE, "heads_root")
        exactly(self.block_hash, HASH_SIZE, "block hash")
        numbers = (self.seal_number, self.sealed_at_ms, self.head_count, self.chain_count)
        return _SEAL_TYPE + pack(_SEAL, "seal leaf", *numbers, self.heads_root, self.block_height, self.block_hash)


@dataclass(frozen=True, slots=True)
class HeadLeaf:
    """The head of a chain; ``previous_index`` is the directory index of its previous head, NO_PREVIOUS: none.

    ``policy`` is the hash of the newest entry below ``tree_size`` that states a policy in force (docs/spec/policy.md).
    """

    chain_id: bytes
    tree_size: int
    previous_index: int
    root: bytes
    policy: bytes = NO_POLICY

    def encode(self) -> bytes:
        """Return the leaf's bytes."""
        exactly(self.chain_id, HASH_SIZE, "chain_id")
        exactly(self.root, HASH_SIZE, "root")
        fields = pack(_HEAD, "head leaf", self.chain_id, self.tree_size, self.previous_index, self.root)
        if self.policy == NO_POLICY:
            return _HEAD_TYPE + fields
        return _HEAD_UNDER_POLICY_TYPE + fields + exactly(self.policy, HASH_SIZE, "policy")


@dataclass(frozen=True, slots=True)
class KeyLeaf:
    """A key that takes the place of another; ``replaced`` is the leaf hash that gave the old key."""

    purpose: int
    replaced: bytes
    new_key: Key
    signer: int
    signature: bytes

    def signed_message(self, log_id: bytes) -> bytes:
        """Return the bytes that ``signer`` signs."""
        return KEY_DOMAIN + log_id + self._before_signature()

    def _before_signature(self) -> bytes:
        return b"".join(
            (
                bytes((LeafType.KEY, self.purpose)),
                exactly(self.replaced, HASH_SIZE, "replaced"),
                self.new_key.encode(),
                bytes((self.signer,)),
            )
        )

    def encode(self) -> bytes:
        """Return the leaf's bytes."""
        _check_key_leaf(self)
        return self._before_signature() + fits(len(self.signature), 2, "signature") + self.signature


@dataclass(frozen=True, slots=True)
class ThreadLeaf:
    """The outpoint at which the thread of anchor transactions starts, or starts again."""

    outpoint: OutPoint
    replaced: bytes = NOTHING_REPLACED
    signature: bytes = b""

    def signed_message(self, log_id: bytes) -> bytes:
        """Return the bytes that the recovery key signs."""
        return THREAD_DOMAIN + log_id + self._before_signature()

    def _before_signature(self) -> bytes:
        return bytes((LeafType.THREAD,)) + self.outpoint.encode() + exactly(self.replaced, HASH_SIZE, "replaced")

    def encode(self) -> bytes:
        """Return the leaf's bytes."""
        _check_thread_leaf(self)
        return self._before_signature() + fits(len(self.signature), 2, "signature") + self.signature


@dataclass(frozen=True, slots=True)
class EpochLeaf:
    """Promises received between these times (Unix ms) may be missing: the log was restored from a backup."""

    lost_from_ms: int
    lost_to_ms: int

    def encode(self) -> bytes:
        """Return the leaf's bytes."""
        if self.lost_from_ms > self.lost_to_ms:
            raise MalformedError("epoch leaf: expected lost_from_ms <= lost_to_ms")
        return (
            bytes((LeafType.EPOCH,))
            + fits(self.lost_from_ms, 8, "lost_from_ms")
            + fits(self.lost_to_ms, 8, "lost_to_ms")
        )


@dataclass(frozen=True, slots=True)
class UnassignedLeaf:
    """A leaf of a type that this version does not know; kept byte for byte."""

    raw: bytes

    def encode(self) -> bytes:
        """Return the leaf's bytes."""
        return self.raw


DirectoryLeaf = LogLeaf | SealLeaf | HeadLeaf | KeyLeaf | ThreadLeaf | EpochLeaf | UnassignedLeaf


def decode_leaf(data: bytes) -> DirectoryLeaf:
    """Read a directory leaf of at most 1,024 bytes; raise MalformedError for anything that is none."""
    reader = Reader(data, "directory leaf", MAX_LEAF)
    kind = reader.byte()
    if kind in UNASSIGNED_TYPES:
        return UnassignedLeaf(data)
    if kind not in _DECODERS:
        raise MalformedError(f"directory leaf: expected a type from 10 to 1f (hex), found {kind:02x}")
    leaf = _DECODERS[kind](reader)
    reader.end()
    return leaf


def check_origin(origin: str) -> bytes:
    """Return an origin's bytes: 1 to 255 of 21 to 7e without ``+`` (design section 3.3)."""
    raw = origin.encode("utf-8", "surrogatepass")
    if not _ORIGIN.fullmatch(raw):
        raise MalformedError(
            f"origin: expected 1 to {MAX_ORIGIN} printable ASCII characters without space and +, got {origin!r}"
        )
    return raw


def _decode_log(reader: Reader) -> LogLeaf:
    leaf = LogLeaf(
        origin=reader.prefixed(1).decode("latin-1"),
        network_genesis=reader.take(HASH_SIZE),
        message_start=reader.take(4),
        checkpoint_key=_live(_decode_key(reader)),
        promise_key=_live(_decode_key(reader)),
        recovery_key=_live(_decode_key(reader)),
    )
    check_origin(leaf.origin)
    return leaf


def _decode_seal(reader: Reader) -> SealLeaf:
    return SealLeaf(*reader.unpack(_SEAL))


def _decode_head(reader: Reader) -> HeadLeaf:
    return HeadLeaf(*reader.unpack(_HEAD))


def _decode_head_under_policy(reader: Reader) -> HeadLeaf:
    head = replace(_decode_head(reader), policy=reader.take(HASH_SIZE))
    if head.policy == NO_POLICY:
        raise MalformedError("head leaf under a policy: expected the hash of an entry that states one, found zeros")
    return head


def _decode_key_leaf(reader: Reader) -> KeyLeaf:
    leaf = KeyLeaf(
        purpose=reader.byte(),
        replaced=reader.take(HASH_SIZE),
        new_key=_decode_key(reader),
        signer=reader.byte(),
        signature=reader.prefixed(2),
    )
    _check_key_leaf(leaf)
    return leaf


def _decode_thread(reader: Reader) -> ThreadLeaf:
    leaf = ThreadLeaf(OutPoint.decode(reader.take(36)), reader.take(HASH_SIZE), reader.prefixed(2))
    _check_thread_leaf(leaf)
    return leaf


def _decode_epoch(reader: Reader) -> EpochLeaf:
    leaf = EpochLeaf(reader.unsigned(8), reader.unsigned(8))
    leaf.encode()
    return leaf


_DECODERS: dict[int, Callable[[Reader], DirectoryLeaf]] = {
    LeafType.LOG: _decode_log,
    LeafType.SEAL: _decode_seal,
    LeafType.HEAD: _decode_head,
    LeafType.KEY: _decode_key_leaf,
    LeafType.HEAD_UNDER_POLICY: _decode_head_under_policy,
    LeafType.THREAD: _decode_thread,
    LeafType.EPOCH: _decode_epoch,
}


_KEY_SIZES = {int(KeyType.REVOKED): 0, int(KeyType.ED25519): 32}
_PURPOSES = frozenset(Purpose)
_SIGNERS = frozenset(Signer)


def _decode_key(reader: Reader) -> Key:
    kind, size = reader.unpack(_KEY_START)
    key = Key(kind, reader.take(size))
    _check_key(key)
    return key


def _check_key(key: Key) -> None:
    size = _KEY_SIZES.get(key.type)
    if size is None:
        raise MalformedError(f"key: expected type 0 or 1, found {key.type}")
    if len(key.value) != size:
        raise MalformedError(f"key of type {key.type}: expected {size} bytes, got {len(key.value)}")


def _live(key: Key) -> Key:
    if key.type == KeyType.REVOKED:
        raise MalformedError("log leaf: expected three keys, found a revoked one")
    return key


def _check_key_leaf(leaf: KeyLeaf) -> None:
    if leaf.purpose not in _PURPOSES:
        raise MalformedError(f"key leaf: expected purpose 1, 2 or 3, found {leaf.purpose}")
    if leaf.signer not in _SIGNERS:
        raise MalformedError(f"key leaf: expected signer 0 or 3, found {leaf.signer}")
    if leaf.purpose == Purpose.RECOVERY and leaf.signer != Signer.RECOVERY_KEY:
        raise MalformedError("key leaf: a recovery key is replaced by the recovery key only")
    if leaf.new_key.type == KeyType.REVOKED and leaf.purpose != Purpose.PROMISE:
        raise MalformedError("key leaf: only a promise key can be revoked without a successor")
    exactly(leaf.signature, SIGNATURE_SIZE, "signature of a key leaf")


def _check_thread_leaf(leaf: ThreadLeaf) -> None:
    first = leaf.replaced == NOTHING_REPLACED
    exactly(leaf.signature, 0 if first else SIGNATURE_SIZE, "signature of a thread leaf")
