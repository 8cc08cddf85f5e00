"""Tests of transactions, outpoints and hashes, with python-bitcoinlib as referee, and of values that have no bytes.

Input is the vectors' anchor and transactions made here.
"""

import hashlib
import importlib
from collections.abc import Callable
from typing import Any

import pytest

from anchor.proof.bitcoin.branch import merkle_path, merkle_root
from anchor.proof.bitcoin.hashes import hash_from_hex, hash_hex, sha256d
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.payload import encode_payload, payload_script
from anchor.proof.bitcoin.transaction import (
    MAX_TRANSACTION,
    MAX_WITH_WITNESS,
    OutPoint,
    Transaction,
    TxInput,
    TxOutput,
    strip_witness,
)
from anchor.proof.bitcoin.work import bits_from_target
from anchor.proof.errors import MalformedError, TooLargeError
from tests.vectors.bitcoin_cases import ANCHOR

# python-bitcoinlib, which has no types.
reference: Any = importlib.import_module("bitcoin.core")


def test_transaction_is_read_as_the_referee_reads_it() -> None:
    """Every field and the txid are those of python-bitcoinlib."""
    raw = ANCHOR.transaction
    ours, theirs = Transaction.decode(raw, MAX_TRANSACTION), reference.CTransaction.deserialize(raw)
    assert theirs.GetTxid() == ours.txid
    assert (theirs.nVersion, theirs.nLockTime) == (ours.version, ours.lock_time)
    assert [(each.prevout.hash, each.prevout.n, each.scriptSig, each.nSequence) for each in theirs.vin] == [
        (each.previous.txid, each.previous.vout, each.script, each.sequence) for each in ours.inputs
    ]
    assert [(each.nValue, each.scriptPubKey) for each in theirs.vout] == [
        (each.value_sat, each.script) for each in ours.outputs
    ]


@pytest.mark.parametrize("count", [1, 2, 252, 253, 300])
def test_witness_is_stripped_as_the_referee_strips_it(count: int) -> None:
    """What is left of a transaction without its witness is what the txid commits to, for any number of inputs."""
    outpoints = [reference.COutPoint(hashlib.sha256(bytes([at % 256])).digest(), at) for at in range(count)]
    inputs = [reference.CTxIn(outpoint, reference.CScript(b""), 0xFFFFFFFD) for outpoint in outpoints]
    outputs = [reference.CTxOut(at, reference.CScript(bytes([0x51]) * at)) for at in (0, 252, 253, 70_000)]
    stacks = [reference.CTxInWitness(reference.CScriptWitness([bytes(72), bytes(33)])) for _ in inputs]
    theirs = reference.CTransaction(inputs, outputs, 7, 2, reference.CTxWitness(stacks))
    stripped = strip_witness(theirs.serialize())
    assert reference.CTransaction(inputs, outputs, 7, 2).serialize() == stripped
    assert theirs.GetTxid() == sha256d(stripped)
    assert stripped == Transaction.decode(stripped, len(stripped)).encode()


def test_limit_is_checked_before_reading() -> None:
    """A transaction above its limit is refused whatever is in it."""
    with pytest.raises(TooLargeError):
        Transaction.decode(bytes(MAX_TRANSACTION + 1), MAX_TRANSACTION)
    with pytest.raises(TooLargeError):
        strip_witness(bytes(MAX_WITH_WITNESS + 1))


def test_no_prefix_of_a_transaction_is_a_transaction() -> None:
    """A transaction that was cut anywhere is malformed."""
    for size in range(len(ANCHOR.transaction)):
        with pytest.raises(MalformedError):
            Transaction.decode(ANCHOR.transaction[:size], MAX_TRANSACTION)


def test_outpoint_is_written_as_in_a_transaction_and_shown_as_in_an_explorer() -> None:
    """An outpoint's bytes are txid and little-endian index; its text is the reversed txid, a colon, the index."""
    outpoint = OutPoint(bytes(range(32)), 258)
    assert bytes(range(32)) + bytes.fromhex("02010000") == outpoint.encode()
    assert outpoint == OutPoint.decode(outpoint.encode())
    assert str(outpoint) == "1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100:258"


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "A" * 64, "g" * 64, " " + "0" * 63, "0" * 64 + "\n"])
def test_hash_in_hex_has_one_spelling(text: str) -> None:
    """A hash is 64 lower-case hex digits and nothing else."""
    with pytest.raises(MalformedError):
        hash_from_hex(text)


def test_hash_in_hex_is_reversed() -> None:
    """Display order is internal order backwards, and the way back leads to the same hash."""
    internal = bytes.fromhex("6fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000")
    assert hash_hex(internal) == "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
    assert internal == hash_from_hex(hash_hex(internal))


@pytest.mark.parametrize(
    "make",
    [
        lambda: OutPoint(bytes(31), 0),
        lambda: OutPoint(bytes(32), -1),
        lambda: OutPoint(bytes(32), 1 << 32),
        lambda: TxInput(OutPoint(bytes(32), 0), b"", 1 << 32),
        lambda: TxOutput(-1, b""),
        lambda: TxOutput(1 << 64, b""),
        lambda: Transaction(2, (), (TxOutput(0, b""),), 0),
        lambda: Transaction(2, (TxInput(OutPoint(bytes(32), 0), b"", 0),), (), 0),
        lambda: Header(1 << 31, bytes(32), bytes(32), 0, 0, 0),
        lambda: Header(1, bytes(33), bytes(32), 0, 0, 0),
        lambda: Header(1, bytes(32), bytes(32), 0, 0, 1 << 32),
        lambda: encode_payload(1 << 40, bytes(32)),
        lambda: encode_payload(-1, bytes(32)),
        lambda: encode_payload(0, bytes(31)),
        lambda: payload_script(b"AL2" + bytes(37)),
        lambda: payload_script(b"AL1" + bytes(38)),
        lambda: hash_hex(bytes(31)),
        lambda: bits_from_target(0),
        lambda: bits_from_target(1 << 256),
        lambda: merkle_root([]),
        lambda: merkle_root([bytes(31)]),
        lambda: merkle_path([bytes(32)], 1),
        lambda: merkle_path([bytes(32)], -1),
    ],
)
def test_value_that_has_no_bytes_cannot_be_made(make: Callable[[], object]) -> None:
    """A value that could not be written is refused where it is made."""
    with pytest.raises(MalformedError):
        make()
