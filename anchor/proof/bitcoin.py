# SPDX-License-Identifier: Apache-2.0
"""Bitcoin as a proof needs it: transactions, headers, proof of work, branches, and the payload in them.

Input is the bytes that a receipt carries or a Bitcoin source delivered, in internal byte order; hex in
display order exists only in ``hash_hex`` and ``hash_from_hex``. ``anchor.proof.verify`` checks anchors with
it, ``anchor.bitcoin`` and ``anchor.engine`` build and fetch them with it.

Frozen: ``docs/spec/bitcoin-anchor.md`` fixes these bytes and checks, and a change that accepts less makes
receipts that were handed out fail, one that accepts more lets forgeries pass.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import NoReturn

from anchor.proof.errors import MalformedError, Reason, TooLargeError, VerificationError

HASH_SIZE = 32
HEADER_SIZE = 80

# Stripped bytes of an anchor transaction: one message of an OpenTimestamps proof (4,096) must hold it.
MAX_TRANSACTION = 4_000
# Stripped bytes of a coinbase, which is large where a pool pays its miners from it: a tenth of a block.
MAX_COINBASE = 100_000
# Bytes with witness: a block weighs at most 4,000,000, and each byte at least 1 (BIP 141).
MAX_WITH_WITNESS = 4_000_000
# Levels of a block's tree: 4,000,000 bytes hold fewer than 2^17 transactions of at least 60 bytes.
MAX_BRANCH = 17

ANCHOR_TAG = b"AL1"
PAYLOAD_SIZE = 40
# OP_RETURN (6a), then a push of 40 bytes (28).
_PAYLOAD_PUSH = bytes([0x6A, PAYLOAD_SIZE])
_PAYLOAD_START = _PAYLOAD_PUSH + ANCHOR_TAG
_SIZE_LIMIT = 1 << 40
# Where the payload must be: output 0 is the thread coin.
_PAYLOAD_OUTPUT = 1

_SEGWIT_MARK = b"\x00\x01"
_INPUT_MIN = 41
_OUTPUT_MIN = 9
_U32 = 0xFFFFFFFF
_U64 = 0xFFFFFFFFFFFFFFFF
_HASH_HEX = re.compile(r"[0-9a-f]{64}")


def sha256d(data: bytes) -> bytes:
    """Return SHA-256 of SHA-256 of ``data``: 32 bytes, the hash of transactions, tree nodes and headers."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def hash_hex(internal: bytes) -> str:
    """Return a hash (32 bytes, internal order) as explorers and RPCs write it: reversed, in hex.

    Raises MalformedError for another length.
    """
    _check_hash(internal, "a hash")
    return internal[::-1].hex()


def hash_from_hex(display: str) -> bytes:
    """Return the 32 bytes, in internal order, of a hash in display order (64 lower-case hex digits).

    Raises MalformedError for any other text.
    """
    if not _HASH_HEX.fullmatch(display):
        raise MalformedError(f"expected a hash of 64 lower-case hex digits, found {display[:80]!r}")
    return bytes.fromhex(display)[::-1]


# Transactions


@dataclass(frozen=True)
class OutPoint:
    """An output of a transaction: its ``txid`` (32 bytes, internal order) and its index ``vout`` (u32)."""

    txid: bytes
    vout: int

    def __post_init__(self) -> None:
        _check_hash(self.txid, "the txid of an outpoint")
        _check_range(self.vout, 0, _U32, "an output index")

    def __str__(self) -> str:
        return f"{hash_hex(self.txid)}:{self.vout}"

    def encode(self) -> bytes:
        """Return the 36 bytes that stand in a transaction: txid, then vout little-endian."""
        return self.txid + self.vout.to_bytes(4, "little")

    @classmethod
    def decode(cls, raw: bytes) -> "OutPoint":
        """Read the 36 bytes that ``encode`` writes; raise MalformedError for another length."""
        if len(raw) != 36:
            raise MalformedError(f"expected an outpoint of 36 bytes, found {len(raw)}")
        return cls(txid=raw[:32], vout=int.from_bytes(raw[32:], "little"))


@dataclass(frozen=True)
class TxInput:
    """An input: the outpoint it spends, its script (empty for SegWit coins) and its sequence (u32)."""

    previous: OutPoint
    script: bytes
    sequence: int

    def __post_init__(self) -> None:
        _check_range(self.sequence, 0, _U32, "a sequence")


@dataclass(frozen=True)
class TxOutput:
    """An output: its value in satoshi (u64 as written, not compared with the supply) and its script."""

    value_sat: int
    script: bytes

    def __post_init__(self) -> None:
        _check_range(self.value_sat, 0, _U64, "an output's value")


@dataclass(frozen=True)
class Transaction:
    """A transaction without witness data: all that its txid commits to."""

    version: int
    inputs: tuple[TxInput, ...]
    outputs: tuple[TxOutput, ...]
    lock_time: int

    def __post_init__(self) -> None:
        _check_range(self.version, -(1 << 31), (1 << 31) - 1, "a transaction's version")
        _check_range(self.lock_time, 0, _U32, "a lock time")
        if not self.inputs or not self.outputs:
            raise MalformedError(
                "expected a transaction of at least one input and one output, "
                f"found {len(self.inputs)} and {len(self.outputs)}"
            )

    def encode(self) -> bytes:
        """Return the serialisation without witness (the original one, from before BIP 144)."""
        parts = [self.version.to_bytes(4, "little", signed=True), _compact_size(len(self.inputs))]
        for spent in self.inputs:
            parts += [
                spent.previous.encode(),
                _with_length(spent.script),
                spent.sequence.to_bytes(4, "little"),
            ]
        parts.append(_compact_size(len(self.outputs)))
        for output in self.outputs:
            parts += [output.value_sat.to_bytes(8, "little"), _with_length(output.script)]
        parts.append(self.lock_time.to_bytes(4, "little"))
        return b"".join(parts)

    @property
    def txid(self) -> bytes:
        """The transaction's identity, 32 bytes in internal order: sha256d of ``encode()``."""
        return sha256d(self.encode())

    @classmethod
    def decode(cls, raw: bytes, limit: int) -> "Transaction":
        """Read a transaction without witness that takes all of ``raw``, at most ``limit`` bytes.

        Whatever is accepted is written back identically by ``encode``. Raises TooLargeError above the limit,
        MalformedError for anything else: trailing bytes, a length not in its shortest form, no input, no
        output, or a witness (strip it with ``strip_witness``).
        """
        _check_limit(raw, limit)
        reader = _Reader(raw)
        transaction = _read_body(reader, reader.take(4, "the version"))
        reader.finish()
        return transaction


def strip_witness(raw: bytes, limit: int = MAX_WITH_WITNESS) -> bytes:
    """Return a transaction without its witness, given either form (BIP 144) in at most ``limit`` bytes.

    Raises TooLargeError above the limit, MalformedError for bytes that are neither form, and for a witness
    form in which every witness is empty, which Bitcoin Core refuses too.
    """
    _check_limit(raw, limit)
    if raw[4:6] != _SEGWIT_MARK:
        return Transaction.decode(raw, limit).encode()
    reader = _Reader(raw)
    version = reader.take(4, "the version")
    reader.take(2, "the witness mark")
    inputs, outputs = _read_inputs(reader), _read_outputs(reader)
    stacks = [_skip_witness(reader) for _ in inputs]
    lock_time = reader.number(4, "the lock time")
    reader.finish()
    if not any(stacks):
        raise MalformedError(
            "expected the form without witness, since every witness is empty; found the other"
        )
    return Transaction(_signed(version), inputs, outputs, lock_time).encode()


# Headers and proof of work


@dataclass(frozen=True)
class Header:
    """A block header: version (i32), hashes in internal order, time in seconds, compact target, nonce."""

    version: int
    previous: bytes
    merkle_root: bytes
    time_s: int
    bits: int
    nonce: int

    def __post_init__(self) -> None:
        _check_range(self.version, -(1 << 31), (1 << 31) - 1, "a header's version")
        _check_hash(self.previous, "the previous block's hash")
        _check_hash(self.merkle_root, "a Merkle root")
        for value, what in (
            (self.time_s, "a time"),
            (self.bits, "a compact target"),
            (self.nonce, "a nonce"),
        ):
            _check_range(value, 0, _U32, what)

    def encode(self) -> bytes:
        """Return the 80 bytes whose hash is the block's."""
        numbers = b"".join(value.to_bytes(4, "little") for value in (self.time_s, self.bits, self.nonce))
        return self.version.to_bytes(4, "little", signed=True) + self.previous + self.merkle_root + numbers

    @property
    def hash(self) -> bytes:
        """The block's hash, 32 bytes in internal order: sha256d of ``encode()``."""
        return sha256d(self.encode())

    @classmethod
    def decode(cls, raw: bytes) -> "Header":
        """Read the 80 bytes that ``encode`` writes; raise MalformedError for another length."""
        if len(raw) != HEADER_SIZE:
            raise MalformedError(f"expected a block header of {HEADER_SIZE} bytes, found {len(raw)}")
        time_s, bits, nonce = (int.from_bytes(raw[at : at + 4], "little") for at in (68, 72, 76))
        return cls(_signed(raw[:4]), raw[4:36], raw[36:68], time_s, bits, nonce)


def target_from_bits(bits: int) -> int:
    """Return the target that a header's compact ``bits`` (u32) mean: 1 to 2^256 - 1.

    The first byte is a length in bytes, the other three are a sign and the leading 23 bits (Bitcoin Core,
    arith_uint256.cpp, SetCompact). Raises VerificationError(TARGET_INVALID) for a negative, a zero and an
    overflowing target, none of which any block can have (pow.cpp, DeriveTarget).
    """
    _check_range(bits, 0, _U32, "a compact target")
    size, word = bits >> 24, bits & 0x7FFFFF
    target = word >> 8 * (3 - size) if size < 3 else word << 8 * (size - 3)
    if target == 0:
        _fail(Reason.TARGET_INVALID, f"expected a target above zero, found compact target {bits:08x}")
    if bits & 0x800000:
        _fail(Reason.TARGET_INVALID, f"expected a positive target, found compact target {bits:08x}")
    if target >> 256:
        _fail(Reason.TARGET_INVALID, f"expected a target of 256 bits, found compact target {bits:08x}")
    return target


def bits_from_target(target: int) -> int:
    """Return the compact form (u32) of ``target`` (1 to 2^256 - 1), rounded down to three bytes.

    Bitcoin Core, arith_uint256.cpp, GetCompact. Raises MalformedError for a number out of range.
    """
    _check_range(target, 1, (1 << 256) - 1, "a target")
    size = (target.bit_length() + 7) // 8
    word = target << 8 * (3 - size) if size <= 3 else target >> 8 * (size - 3)
    if word & 0x800000:  # this bit means a negative number, so one more zero byte must stand in front
        size, word = size + 1, word >> 8
    return size << 24 | word


def work_from_bits(bits: int) -> int:
    """Return the number of hashes expected behind a block of these ``bits``: 2^256 // (target + 1).

    Bitcoin Core, chain.cpp, GetBlockProof. Raises what ``target_from_bits`` raises.
    """
    return (1 << 256) // (target_from_bits(bits) + 1)


def check_work(header: Header, pow_limit: int) -> None:
    """Check that the header's hash is at most its target, and its target at most the network's ``pow_limit``.

    That the target is the one which the chain demanded at that height cannot be seen in a single header.
    Raises VerificationError with TARGET_INVALID, TARGET_ABOVE_LIMIT or WORK_MISSING (pow.cpp,
    CheckProofOfWork).
    """
    target = target_from_bits(header.bits)
    if target > pow_limit:
        _fail(
            Reason.TARGET_ABOVE_LIMIT,
            f"expected a target of at most {pow_limit:064x} on this network, found {target:064x}",
        )
    if int.from_bytes(header.hash, "little") > target:
        _fail(
            Reason.WORK_MISSING,
            f"expected a block hash of at most {target:064x}, found {hash_hex(header.hash)}; "
            "nobody did the work for this header",
        )


# The anchor payload


@dataclass(frozen=True)
class Payload:
    """What an anchor transaction says: the directory's size (leaves, below 2^40) and root (32 bytes)."""

    tree_size: int
    root: bytes


def encode_payload(tree_size: int, root: bytes) -> bytes:
    """Return the 40 bytes of a payload: "AL1", the size as 5 bytes big-endian, the root (32 bytes).

    The size is in it because an RFC 9162 root does not bind its size. Raises MalformedError for a size
    outside 0 to 2^40 - 1 and for a root of another length.
    """
    _check_range(tree_size, 0, _SIZE_LIMIT - 1, "a tree size")
    _check_hash(root, "a root")
    return ANCHOR_TAG + tree_size.to_bytes(5, "big") + root


def decode_payload(payload: bytes) -> Payload:
    """Read the 40 bytes that ``encode_payload`` writes; raise MalformedError for any others."""
    if len(payload) != PAYLOAD_SIZE or not payload.startswith(ANCHOR_TAG):
        raise MalformedError(
            f"expected a payload of {PAYLOAD_SIZE} bytes that begins with {ANCHOR_TAG.hex()}, "
            f"found {len(payload)} that begin with {payload[:3].hex()}"
        )
    return Payload(tree_size=int.from_bytes(payload[3:8], "big"), root=payload[8:])


def payload_script(payload: bytes) -> bytes:
    """Return the 42-byte script that carries a payload of 40 bytes: OP_RETURN and one push.

    42 bytes are what also the strictest relay policy in use carries. Raises MalformedError for other bytes
    than ``encode_payload`` writes.
    """
    decode_payload(payload)
    return _PAYLOAD_PUSH + payload


def find_payload(transaction: Transaction) -> Payload:
    """Return the payload of an anchor transaction, which must be in its output 1 and in no other.

    Output 1 is exactly a payload script, and no other output begins with ``6a 28 "AL1"``: otherwise two
    readers could find two roots. Raises VerificationError with PAYLOAD_MISSING or PAYLOAD_AMBIGUOUS.
    """
    scripts = [output.script for output in transaction.outputs]
    script = scripts[_PAYLOAD_OUTPUT] if len(scripts) > _PAYLOAD_OUTPUT else b""
    if not script.startswith(_PAYLOAD_START) or len(script) != len(_PAYLOAD_PUSH) + PAYLOAD_SIZE:
        _fail(
            Reason.PAYLOAD_MISSING,
            f"expected output 1 to be 42 bytes that begin with {_PAYLOAD_START.hex()}, "
            f"found {len(scripts)} outputs and there {script[:42].hex() or 'nothing'}",
        )
    for index, other in enumerate(scripts):
        if index != _PAYLOAD_OUTPUT and other.startswith(_PAYLOAD_START):
            _fail(
                Reason.PAYLOAD_AMBIGUOUS,
                f"expected a payload in output 1 only, found another in output {index}: this anchors nothing",
            )
    return decode_payload(script[len(_PAYLOAD_PUSH) :])


# Reading and small checks


class _Reader:
    """A position in bytes that came from elsewhere; every length is compared with what is left before use."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int, what: str) -> bytes:
        if count > len(self.data) - self.at:
            raise MalformedError(
                f"expected {count} bytes of {what} at byte {self.at}, found {len(self.data) - self.at}"
            )
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count: int, what: str) -> int:
        return int.from_bytes(self.take(count, what), "little")

    def compact_size(self, what: str) -> int:
        """Read Bitcoin's variable-length integer, which must be in its shortest form (serialize.h)."""
        first = self.number(1, what)
        if first < 0xFD:
            return first
        width, least = {0xFD: (2, 0xFD), 0xFE: (4, 0x10000), 0xFF: (8, 0x100000000)}[first]
        value = self.number(width, what)
        if value < least:
            raise MalformedError(f"expected {what} in its shortest form, found {value} in {width + 1} bytes")
        return value

    def count(self, least_size: int, what: str) -> int:
        """Read the number of things that follow, each of at least ``least_size`` bytes."""
        value = self.compact_size(f"the number of {what}")
        if value * least_size > len(self.data) - self.at:
            raise MalformedError(
                f"expected {value} {what} after byte {self.at}, found only {len(self.data) - self.at} bytes"
            )
        return value

    def sized(self, what: str) -> bytes:
        return self.take(self.compact_size(f"the length of {what}"), what)

    def finish(self) -> None:
        if self.at != len(self.data):
            raise MalformedError(
                f"expected a transaction without witness of {self.at} bytes, "
                f"found {len(self.data) - self.at} more after it"
            )


def _read_body(reader: _Reader, version: bytes) -> Transaction:
    inputs, outputs = _read_inputs(reader), _read_outputs(reader)
    return Transaction(_signed(version), inputs, outputs, reader.number(4, "the lock time"))


def _read_inputs(reader: _Reader) -> tuple[TxInput, ...]:
    count = reader.count(_INPUT_MIN, "inputs")
    if count == 0:
        raise MalformedError("expected at least one input, found none: a witness must be stripped before")
    return tuple(
        TxInput(
            previous=OutPoint.decode(reader.take(36, "an outpoint")),
            script=reader.sized("an input's script"),
            sequence=reader.number(4, "a sequence"),
        )
        for _ in range(count)
    )


def _read_outputs(reader: _Reader) -> tuple[TxOutput, ...]:
    count = reader.count(_OUTPUT_MIN, "outputs")
    return tuple(
        TxOutput(value_sat=reader.number(8, "a value"), script=reader.sized("an output's script"))
        for _ in range(count)
    )


def _skip_witness(reader: _Reader) -> int:
    """Read past one input's witness and return how many elements it has."""
    count = reader.count(1, "witness elements")
    for _ in range(count):
        reader.sized("a witness element")
    return count


def _compact_size(value: int) -> bytes:
    if value < 0xFD:
        return value.to_bytes(1, "little")
    if value <= 0xFFFF:
        return b"\xfd" + value.to_bytes(2, "little")
    return b"\xfe" + value.to_bytes(4, "little")


def _with_length(data: bytes) -> bytes:
    return _compact_size(len(data)) + data


def _signed(four: bytes) -> int:
    return int.from_bytes(four, "little", signed=True)


def _check_hash(value: bytes, what: str) -> None:
    if len(value) != HASH_SIZE:
        raise MalformedError(f"expected {what} of {HASH_SIZE} bytes, found {len(value)}")


def _check_range(value: int, least: int, most: int, what: str) -> None:
    if not least <= value <= most:
        raise MalformedError(f"expected {what} from {least} to {most}, found {value}")


def _check_limit(raw: bytes, limit: int) -> None:
    if len(raw) > limit:
        raise TooLargeError(f"expected a transaction of at most {limit} bytes, found {len(raw)}")


def _fail(reason: Reason, message: str) -> NoReturn:
    raise VerificationError(reason, message)
