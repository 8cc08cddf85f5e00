# SPDX-License-Identifier: Apache-2.0
"""Transactions as their txid commits to them: without witness.

Input is the bytes that a receipt carries or a Bitcoin source delivered. ``anchor`` and ``coinbase`` beside this file
check them, ``anchor.bitcoin`` builds, signs and fetches them.
"""

from dataclasses import dataclass
from functools import cached_property

from anchor.proof.bitcoin.hashes import check_hash, hash_hex, sha256d
from anchor.proof.bitcoin.integers import (
    MAX_U32,
    MAX_U64,
    TransactionCursor,
    check_range,
    encode_compact_size,
    signed,
    with_length,
)
from anchor.proof.errors import MalformedError

# Stripped bytes of an anchor transaction: one message of an OpenTimestamps proof (4,096) must hold it.
MAX_TRANSACTION = 4_000
# Bytes with witness: a block weighs at most 4,000,000, and each byte at least 1 (BIP 141).
MAX_WITH_WITNESS = 4_000_000

_SEGWIT_MARK = b"\x00\x01"
_INPUT_MIN = 41
_OUTPUT_MIN = 9


@dataclass(frozen=True)
class OutPoint:
    """An output of a transaction: its ``txid`` (32 bytes, internal order) and its index ``vout`` (u32)."""

    txid: bytes
    vout: int

    def __post_init__(self) -> None:
        check_hash(self.txid, "the txid of an outpoint")
        check_range(self.vout, 0, MAX_U32, "an output index")

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
        check_range(self.sequence, 0, MAX_U32, "a sequence")


@dataclass(frozen=True)
class TxOutput:
    """An output: its value in satoshi (u64 as written, not compared with the supply) and its script."""

    value_sat: int
    script: bytes

    def __post_init__(self) -> None:
        check_range(self.value_sat, 0, MAX_U64, "an output's value")


@dataclass(frozen=True)
class Transaction:
    """A transaction without witness data: all that its txid commits to."""

    version: int
    inputs: tuple[TxInput, ...]
    outputs: tuple[TxOutput, ...]
    lock_time: int

    def __post_init__(self) -> None:
        check_range(self.version, -(1 << 31), (1 << 31) - 1, "a transaction's version")
        check_range(self.lock_time, 0, MAX_U32, "a lock time")
        if not self.inputs or not self.outputs:
            raise MalformedError(
                "expected a transaction of at least one input and one output, "
                f"found {len(self.inputs)} and {len(self.outputs)}"
            )

    def encode(self) -> bytes:
        """Return the serialisation without witness (the original one, from before BIP 144)."""
        parts = [self.version.to_bytes(4, "little", signed=True), encode_compact_size(len(self.inputs))]
        for spent in self.inputs:
            parts += [
                spent.previous.encode(),
                with_length(spent.script),
                spent.sequence.to_bytes(4, "little"),
            ]
        parts.append(encode_compact_size(len(self.outputs)))
        for output in self.outputs:
            parts += [output.value_sat.to_bytes(8, "little"), with_length(output.script)]
        parts.append(self.lock_time.to_bytes(4, "little"))
        return b"".join(parts)

    @cached_property
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
        reader = TransactionCursor(raw, "a transaction", limit)
        transaction = _read_body(reader, reader.take(4, "the version"))
        reader.end()
        return transaction


def strip_witness(raw: bytes, limit: int = MAX_WITH_WITNESS) -> bytes:
    """Return a transaction without its witness, given either form (BIP 144) in at most ``limit`` bytes.

    Raises TooLargeError above the limit, MalformedError for bytes that are neither form, and for a witness
    form in which every witness is empty, which Bitcoin Core refuses too.
    """
    if raw[4:6] != _SEGWIT_MARK:
        return Transaction.decode(raw, limit).encode()
    reader = TransactionCursor(raw, "a transaction", limit)
    version = reader.take(4, "the version")
    reader.take(2, "the witness mark")
    inputs, outputs = _read_inputs(reader), _read_outputs(reader)
    stacks = [_skip_witness(reader) for _ in inputs]
    lock_time = reader.number(4, "the lock time")
    reader.end()
    if not any(stacks):
        raise MalformedError("expected the form without witness, since every witness is empty; found the other")
    return Transaction(signed(version), inputs, outputs, lock_time).encode()


def _read_body(reader: TransactionCursor, version: bytes) -> Transaction:
    inputs, outputs = _read_inputs(reader), _read_outputs(reader)
    return Transaction(signed(version), inputs, outputs, reader.number(4, "the lock time"))


def _read_inputs(reader: TransactionCursor) -> tuple[TxInput, ...]:
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


def _read_outputs(reader: TransactionCursor) -> tuple[TxOutput, ...]:
    count = reader.count(_OUTPUT_MIN, "outputs")
    return tuple(
        TxOutput(value_sat=reader.number(8, "a value"), script=reader.sized("an output's script")) for _ in range(count)
    )


def _skip_witness(reader: TransactionCursor) -> int:
    """Read past one input's witness and return how many elements it has."""
    count = reader.count(1, "witness elements")
    for _ in range(count):
        reader.sized("a witness element")
    return count
