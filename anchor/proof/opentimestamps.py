# SPDX-License-Identifier: Apache-2.0
"""OpenTimestamps proofs: the detached .ots file, the timestamp inside it, and straight lines of operations.

Input is .ots files and calendars' replies as they came, or the steps of a receipt that is to be exported.
``anchor.proof.verify`` reads attestations with it, the receipt exporter writes files that the stock client
verifies, and the calendar source grafts replies.

Frozen: ``docs/spec/opentimestamps-export.md`` fixes what is read and written. A change that writes other bytes
makes files that the stock client may refuse, one that reads other bytes changes what a proof is taken to say.

**Reading back what was read.** Whatever is accepted here is written back byte for byte. The items of a node
keep the order in which they came, because the order means nothing and writers other than the stock client use
their own. Two things that the stock client tolerates are refused, because nothing could write them back and
nobody is known to write them: an integer that is not in its shortest form, and the same operation or the same
attestation twice under one node (the stock reader silently drops the first of two branches).
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from anchor.proof.errors import (
    AnchorlineError,
    MalformedError,
    Reason,
    TooLargeError,
    UnknownVersionError,
    VerificationError,
)
from anchor.proof.leb128 import Leb128Cursor, encode_number, with_length

MAGIC = b"\x00OpenTimestamps\x00\x00Proof\x00\xbf\x89\xe2\xe8\x84\xe8\x92\x94"
VERSION = 1

# The stock reader goes 256 nodes deep, and the first node takes no operation to reach.
MAX_OPERATIONS = 255
# Bytes of a message before and after every operation, and of an argument: the stock reader's memory bound.
MAX_MESSAGE = 4_096
# Bytes of an attestation's payload, and of a calendar's address in it: the stock reader's.
MAX_PAYLOAD = 8_192
MAX_URI = 1_000
# Ours, against files made to cost time: the longest export has under 20,000 bytes, a calendar's reply 10,000.
MAX_FILE = 65_536
MAX_ATTESTATIONS = 256
# A block's height is a u32 in our formats.
MAX_HEIGHT = 0xFFFFFFFF

_MARK = 0xFF
_ATTESTATION = 0x00
_APPEND = 0xF0
_PREPEND = 0xF1
_REVERSE = 0xF2
_HEXLIFY = 0xF3
_WITH_ARGUMENT = frozenset({_APPEND, _PREPEND})
_DIGEST_SIZES = {0x02: 20, 0x03: 20, 0x08: 32, 0x67: 32}
_NAMES = {
    0x02: "sha1",
    0x03: "ripemd160",
    0x08: "sha256",
    0x67: "keccak256",
    _APPEND: "append",
    _PREPEND: "prepend",
    _REVERSE: "reverse",
    _HEXLIFY: "hexlify",
}
_URI = re.compile(r"[A-Za-z0-9\-._/:]*")


class NotExecutableError(AnchorlineError):
    """The operation is known and is kept, but no Anchorline computes it, so nothing can be said of its result.

    RIPEMD-160 and Keccak-256 are not in every Python and not in browsers; a verdict must not depend on where
    it was reached.
    """


# Operations


@dataclass(frozen=True, order=True)
class Operation:
    """One operation on a message: its tag (u8) and its argument (1 to 4,096 bytes, or empty if it takes none)."""

    tag: int
    argument: bytes = b""

    def __post_init__(self) -> None:
        if self.tag not in _NAMES:
            raise MalformedError(f"expected the tag of an operation, found {self.tag:02x}, which is unknown")
        if (self.tag in _WITH_ARGUMENT) != bool(self.argument):
            raise MalformedError(
                f"expected {'an' if self.tag in _WITH_ARGUMENT else 'no'} argument for {self.name}, "
                f"found {len(self.argument)} bytes"
            )
        if len(self.argument) > MAX_MESSAGE:
            raise TooLargeError(f"expected an argument of at most {MAX_MESSAGE} bytes, found {len(self.argument)}")

    @property
    def name(self) -> str:
        """The operation's name, as the stock client prints it."""
        return _NAMES[self.tag]

    def result_size(self, size: int) -> int:
        """Return how many bytes the operation makes of a message of ``size`` bytes.

        Raises TooLargeError when the message or the result has more than 4,096 bytes, MalformedError when the
        message is empty.
        """
        if size < 1:
            raise MalformedError("expected a message of at least one byte, found an empty one")
        result = _DIGEST_SIZES.get(self.tag, size + len(self.argument))
        if self.tag == _HEXLIFY:
            result = 2 * size
        if max(size, result) > MAX_MESSAGE:
            raise TooLargeError(
                f"expected messages of at most {MAX_MESSAGE} bytes, found that {self.name} makes {result} of {size}"
            )
        return result

    def encode(self) -> bytes:
        """Return the bytes of the operation in a timestamp: tag, and length and argument where it takes one."""
        return bytes([self.tag]) + (with_length(self.argument) if self.argument else b"")


SHA1 = Operation(0x02)
RIPEMD160 = Operation(0x03)
SHA256 = Operation(0x08)
KECCAK256 = Operation(0x67)
REVERSE = Operation(_REVERSE)
HEXLIFY = Operation(_HEXLIFY)


def append(argument: bytes) -> Operation:
    """Return the operation that puts ``argument`` (1 to 4,096 bytes, else MalformedError) behind a message."""
    return Operation(_APPEND, argument)


def prepend(argument: bytes) -> Operation:
    """Return the operation that puts ``argument`` (1 to 4,096 bytes, else MalformedError) before a message."""
    return Operation(_PREPEND, argument)


def execute(operations: Iterable[Operation], message: bytes) -> bytes:
    """Return what ``operations``, one after the other, make of ``message`` (1 to 4,096 bytes).

    Raises TooLargeError when a message leaves its bounds, NotExecutableError at RIPEMD-160 or Keccak-256.
    """
    for operation in operations:
        operation.result_size(len(message))
        message = _apply(operation, message)
    return message


# Attestations


@dataclass(frozen=True)
class PendingAttestation:
    """A calendar at ``uri`` promises a path for the message; ``uri`` has at most 1,000 characters of its set."""

    TAG: ClassVar[bytes] = bytes.fromhex("83dfe30d2ef90c8e")
    uri: str

    def __post_init__(self) -> None:
        if len(self.uri) > MAX_URI:
            raise TooLargeError(f"expected an address of at most {MAX_URI} characters, found {len(self.uri)}")
        if not _URI.fullmatch(self.uri):
            raise MalformedError(f"expected an address of A-Z a-z 0-9 - . _ / : only, found {self.uri!r}")


@dataclass(frozen=True)
class BitcoinAttestation:
    """The message is the Merkle root, in internal order, of Bitcoin's block at ``height``; no network is named."""

    TAG: ClassVar[bytes] = bytes.fromhex("0588960d73d71901")
    height: int

    def __post_init__(self) -> None:
        _check_height(self.height)


@dataclass(frozen=True)
class LitecoinAttestation:
    """The same for Litecoin's block at ``height``; kept, never checked."""

    TAG: ClassVar[bytes] = bytes.fromhex("06869a0d73d71b45")
    height: int

    def __post_init__(self) -> None:
        _check_height(self.height)


@dataclass(frozen=True)
class EthereumAttestation:
    """The same for Ethereum's block at ``height``; kept, never checked."""

    TAG: ClassVar[bytes] = bytes.fromhex("30fe8087b5c7ead7")
    height: int

    def __post_init__(self) -> None:
        _check_height(self.height)


@dataclass(frozen=True)
class UnknownAttestation:
    """An attestation of an unknown ``tag`` (8 bytes), kept verbatim; it attests nothing here."""

    tag: bytes
    payload: bytes

    def __post_init__(self) -> None:
        if len(self.tag) != 8 or self.tag in _KNOWN_TAGS:
            raise MalformedError(f"expected an unknown tag of 8 bytes, found {self.tag.hex()}")
        if len(self.payload) > MAX_PAYLOAD:
            raise TooLargeError(f"expected a payload of at most {MAX_PAYLOAD} bytes, found {len(self.payload)}")


BlockAttestation = BitcoinAttestation | LitecoinAttestation | EthereumAttestation
Attestation = PendingAttestation | BlockAttestation | UnknownAttestation
_BLOCK_TAGS: dict[bytes, type[BlockAttestation]] = {
    kind.TAG: kind for kind in (BitcoinAttestation, LitecoinAttestation, EthereumAttestation)
}
_KNOWN_TAGS = frozenset({PendingAttestation.TAG, *_BLOCK_TAGS})


# Timestamps


@dataclass(frozen=True)
class Path:
    """A way through a timestamp: the operations from its message to one attestation."""

    operations: tuple[Operation, ...]
    attestation: Attestation


@dataclass(frozen=True)
class Timestamp:
    """A tree of operations with attestations at its leaves, as the list of all its paths in the order written.

    Paths that begin with the same operations share these nodes and stand next to each other. At least one
    path, at most 256 of at most 255 operations each (TooLargeError above); the same item twice under one node
    is a MalformedError.
    """

    paths: tuple[Path, ...]

    def __post_init__(self) -> None:
        if not self.paths:
            raise MalformedError("expected a timestamp with at least one attestation, found none")
        if len(self.paths) > MAX_ATTESTATIONS:
            raise TooLargeError(f"expected at most {MAX_ATTESTATIONS} attestations, found {len(self.paths)}")
        for path in self.paths:
            _check_budget(len(path.operations))
        _check_items_differ(self.paths)

    def encode(self) -> bytes:
        """Return the bytes as they stand in a file and in a calendar's reply; the first message is not in them.

        At each node every item but the last is marked with ff. From the last path to the first, a set is kept
        of the depths at which a later path leaves the present one: there the present item is not the last.
        """
        shared = [_shared(one, other) for one, other in pairwise(self.paths)]
        parts = []
        marked: set[int] = set()
        for index in reversed(range(len(self.paths))):
            if index < len(shared):
                marked = {depth for depth in marked if depth < shared[index]} | {shared[index]}
            start = shared[index - 1] if index else 0
            parts.append(_encode_from(self.paths[index], start, marked))
        return b"".join(reversed(parts))

    @classmethod
    def decode(cls, raw: bytes, message_size: int) -> "Timestamp":
        """Read a timestamp that takes all of ``raw`` and applies to a message of ``message_size`` bytes.

        For a calendar's reply the message is what was sent to it. Raises TooLargeError where a limit of the
        format is exceeded, MalformedError for anything else that ``encode`` does not write.
        """
        reader = Leb128Cursor(raw, "a timestamp file", MAX_FILE)
        paths = _read_paths(reader, message_size)
        reader.end()
        return cls(paths)


def canonical(paths: Iterable[Path]) -> Timestamp:
    """Return the timestamp of these paths in the stock client's order, equal paths once.

    At each node attestations come first, by tag and content, then operations, by tag and argument. Two
    timestamps of one message are merged by passing the paths of both.
    """
    return Timestamp(tuple(sorted(set(paths), key=_path_order)))


@dataclass(frozen=True)
class DetachedFile:
    """A whole .ots file: how the timestamped file is hashed, its digest, and the digest's timestamp."""

    hash_operation: Operation
    digest: bytes
    timestamp: Timestamp

    def __post_init__(self) -> None:
        size = _digest_size(self.hash_operation)
        if len(self.digest) != size:
            raise MalformedError(f"expected a digest of {size} bytes, found {len(self.digest)}")
        for path in self.timestamp.paths:
            _final_size(path.operations, size)

    def encode(self) -> bytes:
        """Return the file's bytes: magic, version 01, hash operation, digest, timestamp."""
        return b"".join((MAGIC, bytes([VERSION]), self.hash_operation.encode(), self.digest, self.timestamp.encode()))

    @classmethod
    def decode(cls, raw: bytes) -> "DetachedFile":
        """Read a whole file, at most 65,536 bytes; whatever is accepted is written back identically.

        Raises UnknownVersionError for another version than 1, TooLargeError above a limit of the format,
        MalformedError for anything else that is not such a file.
        """
        reader = Leb128Cursor(raw, "a timestamp file", MAX_FILE)
        if reader.take(len(MAGIC), "the magic bytes") != MAGIC:
            raise MalformedError("expected a file that begins with OpenTimestamps' magic bytes; found another")
        version = reader.number(0xFF, "the version")
        if version != VERSION:
            raise UnknownVersionError(f"expected version {VERSION}, found {version}: a newer tool wrote it")
        hash_operation = Operation(reader.byte("a hash operation"))
        digest = reader.take(_digest_size(hash_operation), "the digest")
        paths = _read_paths(reader, len(digest))
        reader.end()
        return cls(hash_operation, digest, Timestamp(paths))


def check_attestation(path: Path, message: bytes, merkle_root: bytes) -> None:
    """Check that ``path`` leads from ``message`` to a block's ``merkle_root`` (32 bytes, internal order).

    The caller finds the block by the attestation's height, on the network that it means. Raises
    VerificationError(ATTESTATION_MISMATCH), NotExecutableError, TooLargeError.
    """
    result = execute(path.operations, message)
    if not isinstance(path.attestation, BitcoinAttestation) or result != merkle_root:
        raise VerificationError(
            Reason.ATTESTATION_MISMATCH,
            f"expected a Bitcoin attestation of the root {merkle_root.hex()} (internal order), "
            f"found {path.attestation} of {result.hex()}",
        )


# Straight lines, for the export of receipts


def linear(digest: bytes, operations: Sequence[Operation], height: int) -> bytes:
    """Return a whole .ots file: from the SHA-256 ``digest`` of a file through ``operations`` to one block.

    The operations must end in the 32 bytes of the block's Merkle root, internal order. Raises TooLargeError,
    with the count, for more than 255 operations, MalformedError for another digest or another result.
    """
    _check_budget(len(operations))
    path = Path(tuple(operations), BitcoinAttestation(height))
    file = DetachedFile(SHA256, digest, Timestamp((path,)))
    size = _final_size(path.operations, len(digest))
    if size != 32:
        raise MalformedError(f"expected operations that end in a Merkle root of 32 bytes, found {size} bytes")
    return file.encode()


def within(part: bytes, whole: bytes) -> tuple[Operation, ...]:
    """Return the prepend and the append that make ``whole`` of the ``part`` of it (the first place is taken).

    Raises MalformedError if it is no part of it, TooLargeError if one side exceeds 4,096 bytes.
    """
    at = whole.find(part)
    if at < 0 or not part:
        raise MalformedError(f"expected bytes that contain {part.hex() or 'something'}, found {whole.hex()}")
    before, after = whole[:at], whole[at + len(part) :]
    return ((prepend(before),) if before else ()) + ((append(after),) if after else ())


def leaf_steps() -> tuple[Operation, ...]:
    """Return the 2 steps from a leaf's bytes to its hash: SHA-256(00 ‖ leaf), RFC 9162, section 2.1.1."""
    return (prepend(b"\x00"), SHA256)


def left_step(sibling: bytes) -> tuple[Operation, ...]:
    """Return the 3 steps from a left child to its parent: SHA-256(01 ‖ node ‖ sibling), RFC 9162, 2.1.1."""
    return (append(sibling), prepend(b"\x01"), SHA256)


def right_step(sibling: bytes) -> tuple[Operation, ...]:
    """Return the 2 steps from a right child to its parent: SHA-256(01 ‖ sibling ‖ node), RFC 9162, 2.1.1."""
    return (prepend(b"\x01" + sibling), SHA256)


def transaction_steps(transaction: bytes, root: bytes) -> tuple[Operation, ...]:
    """Return the 4 steps from ``root``, which stands in the ``transaction`` (without witness), to the txid.

    Raises MalformedError if the root is not in it, TooLargeError for more than 4,096 bytes.
    """
    if len(transaction) > MAX_MESSAGE:
        raise TooLargeError(f"expected a transaction of at most {MAX_MESSAGE} bytes, found {len(transaction)}")
    return (*within(root, transaction), SHA256, SHA256)


def block_steps(index: int, path: Sequence[bytes]) -> tuple[Operation, ...]:
    """Return the 3 steps for each level from a txid at ``index`` of a block to the block's Merkle root.

    ``path`` is the siblings from leaf to root, internal order, checked by ``anchor.proof.bitcoin.branch``.
    """
    steps: list[Operation] = []
    for level, sibling in enumerate(path):
        is_right = index >> level & 1
        steps += [prepend(sibling) if is_right else append(sibling), SHA256, SHA256]
    return tuple(steps)


# Reading


def _read_paths(reader: Leb128Cursor, message_size: int) -> tuple[Path, ...]:
    """Read a tree without recursion.

    From the first node to the present one, ``sizes`` are the bytes of their messages and ``seen`` their
    operations so far; ``open_nodes`` says of each node above whether it has more items.
    """
    paths: list[Path] = []
    operations: list[Operation] = []
    sizes = [message_size]
    seen: list[set[Operation]] = [set()]
    open_nodes: list[bool] = []
    while True:
        tag = reader.byte("a tag")
        has_more = tag == _MARK
        tag = reader.byte("a tag") if has_more else tag
        if tag != _ATTESTATION:
            _check_budget(len(operations) + 1)
            operation = _read_operation(reader, tag)
            if operation in seen[-1]:
                raise MalformedError(f"expected each operation of a node once, found {operation.name} twice")
            seen[-1].add(operation)
            seen.append(set())
            operations.append(operation)
            sizes.append(operation.result_size(sizes[-1]))
            open_nodes.append(has_more)
            continue
        paths.append(Path(tuple(operations), _read_attestation(reader)))
        if len(paths) > MAX_ATTESTATIONS:
            raise TooLargeError(f"expected at most {MAX_ATTESTATIONS} attestations, found more")
        while not has_more:
            if not open_nodes:
                return tuple(paths)
            has_more = open_nodes.pop()
            for stack in (operations, sizes, seen):
                stack.pop()


def _read_operation(reader: Leb128Cursor, tag: int) -> Operation:
    if tag in _WITH_ARGUMENT:
        return Operation(tag, reader.sized(MAX_MESSAGE, "an argument"))
    return Operation(tag)


def _read_attestation(reader: Leb128Cursor) -> Attestation:
    tag = reader.take(8, "an attestation's tag")
    payload = reader.sized(MAX_PAYLOAD, "an attestation's payload")
    if tag not in _KNOWN_TAGS:
        return UnknownAttestation(tag, payload)
    inner = Leb128Cursor(payload, "an attestation", MAX_PAYLOAD)
    attestation = _read_known_attestation(inner, tag)
    inner.end()
    return attestation


def _read_known_attestation(inner: Leb128Cursor, tag: bytes) -> Attestation:
    if tag in _BLOCK_TAGS:
        return _BLOCK_TAGS[tag](inner.number(MAX_HEIGHT, "a height"))
    # Latin-1 gives every byte a character; the allowed set then refuses all but ASCII.
    return PendingAttestation(inner.sized(MAX_URI, "an address").decode("latin-1"))


# Writing


def _encode_from(path: Path, start: int, marked: set[int]) -> bytes:
    """Return the items of a path from depth ``start`` on; those at the depths ``marked`` are not the last."""
    items = [operation.encode() for operation in path.operations]
    items.append(bytes([_ATTESTATION]) + _encode_attestation(path.attestation))
    mark = bytes([_MARK])
    return b"".join((mark if at in marked else b"") + items[at] for at in range(start, len(items)))


def _encode_attestation(attestation: Attestation) -> bytes:
    match attestation:
        case UnknownAttestation(tag, payload):
            return tag + with_length(payload)
        case PendingAttestation(uri):
            return attestation.TAG + with_length(with_length(uri.encode("ascii")))
        case _:
            return attestation.TAG + with_length(encode_number(attestation.height))


# Small checks


def _apply(operation: Operation, message: bytes) -> bytes:
    match operation.tag:
        case 0x02 | 0x08:
            return hashlib.new(operation.name, message, usedforsecurity=False).digest()
        case 0xF0:
            return message + operation.argument
        case 0xF1:
            return operation.argument + message
        case 0xF2:
            return message[::-1]
        case 0xF3:
            return message.hex().encode("ascii")
        case _:
            raise NotExecutableError(
                f"expected operations that Anchorline computes, found {operation.name}; "
                "check this attestation with the stock OpenTimestamps client"
            )


def _digest_size(hash_operation: Operation) -> int:
    size = _DIGEST_SIZES.get(hash_operation.tag)
    if size is None:
        raise MalformedError(f"expected a hash operation, found {hash_operation.name}")
    return size


def _final_size(operations: Iterable[Operation], size: int) -> int:
    for operation in operations:
        size = operation.result_size(size)
    return size


def _check_height(height: int) -> None:
    if not 0 <= height <= MAX_HEIGHT:
        raise TooLargeError(f"expected a height from 0 to {MAX_HEIGHT}, found {height}")


def _check_budget(count: int) -> None:
    if count > MAX_OPERATIONS:
        raise TooLargeError(
            f"expected at most {MAX_OPERATIONS} operations from a message to an attestation, found {count}"
        )


def _check_items_differ(paths: Sequence[Path]) -> None:
    """Refuse an operation or an attestation that stands twice under one node, also with others in between."""
    items_at: list[set[Operation | Attestation]] = [set()]
    for index, path in enumerate(paths):
        depth = _shared(paths[index - 1], path) if index else 0
        del items_at[depth + 1 :]
        for item in (*path.operations, path.attestation)[depth:]:
            if item in items_at[-1]:
                raise MalformedError(f"expected each item of a node once, found {item} twice")
            items_at[-1].add(item)
            items_at.append(set())


def _shared(one: Path, other: Path) -> int:
    """Return how many operations two paths share from the message on."""
    count = 0
    for mine, theirs in zip(one.operations, other.operations, strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _path_order(path: Path) -> tuple[tuple[int, bytes, bytes | int | str], ...]:
    operations = [(1, bytes([operation.tag]), operation.argument) for operation in path.operations]
    match path.attestation:
        case UnknownAttestation(tag, payload):
            return (*operations, (0, tag, payload))
        case PendingAttestation(uri):
            return (*operations, (0, PendingAttestation.TAG, uri))
        case block:
            return (*operations, (0, block.TAG, block.height))
