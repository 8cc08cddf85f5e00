"""Fuzzing of ``anchor.proof.bitcoin``: every codec, every branch, and what nobody foresaw.

Input is made by Hypothesis: values of each type, bytes from nowhere, and real bytes with a few changed. What must
hold for any of them is the module's promise: read back identically, or MalformedError.
"""

import importlib
from collections.abc import Callable
from typing import Any

from btclib.block import merkle_proof as referee
from btclib.block.proof_of_work import bits_from_target as referee_bits
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from anchor.proof.bitcoin.branch import fold_branch, merkle_path, merkle_root
from anchor.proof.bitcoin.coinbase import check_coinbase
from anchor.proof.bitcoin.hashes import hash_from_hex
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.payload import Payload, decode_payload, encode_payload, find_payload, payload_script
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput, strip_witness
from anchor.proof.bitcoin.work import bits_from_target, target_from_bits
from anchor.proof.errors import MalformedError, VerificationError

# python-bitcoinlib, which has no types.
reference: Any = importlib.import_module("bitcoin.core")

hashes = st.binary(min_size=32, max_size=32)
u32 = st.integers(0, 0xFFFFFFFF)
i32 = st.integers(-(1 << 31), (1 << 31) - 1)
scripts = st.one_of(st.binary(max_size=80), st.integers(250, 260).map(bytes), st.just(bytes(70_000)))
outpoints = st.builds(OutPoint, hashes, u32)
inputs = st.builds(TxInput, outpoints, scripts, u32)
outputs = st.builds(TxOutput, st.integers(0, (1 << 64) - 1), scripts)
transactions = st.builds(
    Transaction,
    i32,
    st.lists(inputs, min_size=1, max_size=4).map(tuple),
    st.lists(outputs, min_size=1, max_size=4).map(tuple),
    u32,
)
headers = st.builds(Header, i32, hashes, hashes, u32, u32, u32)
LIMIT = 1_000_000


@st.composite
def changed(draw: st.DrawFn, encoded: st.SearchStrategy[bytes]) -> bytes:
    """Bytes of a real value of which a few were overwritten, removed or inserted."""
    raw = bytearray(draw(encoded))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(raw)))
        with_bytes = draw(st.binary(max_size=3))
        raw[at : at + draw(st.integers(0, 3))] = with_bytes
    return bytes(raw)


def reads_back_or_refuses(raw: bytes, again: Callable[[bytes], bytes]) -> None:
    """Check that ``again`` (decode, then encode) gives the same bytes, or MalformedError."""
    try:
        written = again(raw)
    except MalformedError:
        return
    assert raw == written


@given(transactions)
@settings(deadline=None)
def test_every_transaction_is_read_back(transaction: Transaction) -> None:
    """Reading what was written gives the same transaction, and stripping it changes nothing."""
    raw = transaction.encode()
    assert transaction == Transaction.decode(raw, LIMIT)
    assert raw == strip_witness(raw)


@given(st.one_of(st.binary(max_size=300), changed(transactions.map(Transaction.encode))))
@settings(deadline=None, max_examples=300)
def test_any_bytes_are_a_transaction_or_malformed(raw: bytes) -> None:
    """Any bytes are written back identically or refused as malformed, and never anything else happens."""
    reads_back_or_refuses(raw, lambda given_raw: Transaction.decode(given_raw, LIMIT).encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_stripped_or_malformed(raw: bytes) -> None:
    """What is left after stripping is a transaction that has nothing more to strip."""
    try:
        stripped = strip_witness(raw)
    except MalformedError:
        return
    assert stripped == strip_witness(stripped)


@given(transactions, st.data())
@settings(deadline=None)
def test_witness_never_changes_what_is_left(transaction: Transaction, data: st.DataObject) -> None:
    """Whatever its witness, a transaction has the same stripped bytes; the referee reads the same txid."""
    raw = transaction.encode()
    stack = st.lists(st.binary(min_size=1, max_size=100), max_size=3)
    stacks = [data.draw(stack) for _ in transaction.inputs]
    stacks[0].append(b"at least one")
    witness = b"".join(
        bytes([len(each)]) + b"".join(bytes([len(element)]) + element for element in each) for each in stacks
    )
    whole = raw[:4] + b"\x00\x01" + raw[4:-4] + witness + raw[-4:]
    assert raw == strip_witness(whole)
    assert reference.CTransaction.deserialize(whole).GetTxid() == transaction.txid


@given(headers)
def test_every_header_is_read_back(header: Header) -> None:
    """Reading what was written gives the same header, with the hash that the referee computes."""
    raw = header.encode()
    assert header == Header.decode(raw)
    assert reference.CBlockHeader.deserialize(raw).GetHash() == header.hash


@given(st.one_of(st.binary(min_size=79, max_size=81), st.binary(max_size=200)))
def test_any_bytes_are_a_header_or_malformed(raw: bytes) -> None:
    """Any 80 bytes are a header; no others are."""
    reads_back_or_refuses(raw, lambda given_raw: Header.decode(given_raw).encode())


@given(outpoints)
def test_every_outpoint_is_read_back(outpoint: OutPoint) -> None:
    """Reading what was written gives the same outpoint, and its text the same txid."""
    assert outpoint == OutPoint.decode(outpoint.encode())
    txid, vout = str(outpoint).split(":")
    assert outpoint == OutPoint(hash_from_hex(txid), int(vout))


@given(st.one_of(st.binary(min_size=35, max_size=37), st.binary(max_size=80)))
def test_any_bytes_are_an_outpoint_or_malformed(raw: bytes) -> None:
    """Any 36 bytes are an outpoint; no others are."""
    reads_back_or_refuses(raw, lambda given_raw: OutPoint.decode(given_raw).encode())


@given(st.integers(0, (1 << 40) - 1), hashes)
def test_every_payload_is_found_again(tree_size: int, root: bytes) -> None:
    """A payload that was put into an anchor transaction is found there, whatever its size and root."""
    payload = encode_payload(tree_size, root)
    assert Payload(tree_size, root) == decode_payload(payload)
    spent = TxInput(OutPoint(bytes(32), 0), b"", 0)
    outs = (TxOutput(1, b"\x51"), TxOutput(0, payload_script(payload)))
    assert Payload(tree_size, root) == find_payload(Transaction(2, (spent,), outs, 0))


def payload_again(raw: bytes) -> bytes:
    """Read a payload and write it."""
    payload = decode_payload(raw)
    return encode_payload(payload.tree_size, payload.root)


@given(st.one_of(st.binary(max_size=50), st.binary(min_size=36, max_size=38).map(lambda rest: b"AL1" + rest)))
def test_any_bytes_are_a_payload_or_malformed(raw: bytes) -> None:
    """Any 40 bytes that begin with AL1 are a payload; no others are."""
    reads_back_or_refuses(raw, payload_again)


@given(u32)
def test_any_bits_are_a_target_or_refused(bits: int) -> None:
    """Compact targets are refused by name, or are numbers that the referee writes as we do."""
    try:
        target = target_from_bits(bits)
    except VerificationError:
        return
    assert 0 < target < 1 << 256
    assert int.from_bytes(referee_bits(target.to_bytes(32, "big")), "big") == bits_from_target(target)
    assert target == target_from_bits(bits_from_target(target))


@given(st.lists(hashes, min_size=1, max_size=40, unique=True), st.data())
@settings(deadline=None)
def test_every_branch_leads_to_the_root(txids: list[bytes], data: st.DataObject) -> None:
    """A branch of any block leads to its root, for the referee too."""
    index = data.draw(st.integers(0, len(txids) - 1))
    path, root = merkle_path(txids, index), merkle_root(txids)
    assert root == fold_branch(txids[index], index, path)
    assert referee.verify(txids[index][::-1], [sibling[::-1] for sibling in path], index, root[::-1])


@given(st.binary(max_size=40), st.integers(-2, 1 << 20), st.lists(st.binary(max_size=40), max_size=20))
def test_no_branch_crashes(leaf: bytes, index: int, path: list[bytes]) -> None:
    """Any branch leads to some root or is refused by name."""
    try:
        root = fold_branch(leaf, index, path)
    except (MalformedError, VerificationError):
        return
    assert len(root) == 32


@given(hashes, st.integers(0, 31), st.lists(hashes, min_size=5, max_size=5), st.integers(0, 31))
def test_no_branch_proves_two_places(leaf: bytes, index: int, path: list[bytes], other: int) -> None:
    """The same branch at another index is refused or leads to another root."""
    assume(other != index)
    assume(len({leaf, *path}) == 6)
    assert fold_branch(leaf, index, path) != fold_branch(leaf, other, path)


@given(st.binary(max_size=200))
def test_no_coinbase_crashes(raw: bytes) -> None:
    """Any bytes are a coinbase with a height, or refused by name."""
    try:
        height = check_coinbase(raw)
    except VerificationError:
        return
    assert 0 <= height < 1 << 31


@given(st.binary(min_size=2, max_size=100))
@settings(max_examples=300)
def test_height_of_any_coinbase_script_is_read_one_way(script: bytes) -> None:
    """A coinbase's height, pushed again as Bitcoin Core does it, begins its script."""
    spent = TxInput(OutPoint(bytes(32), 0xFFFFFFFF), script, 0)
    raw = Transaction(2, (spent,), (TxOutput(0, bytes(10)),), 0).encode()
    try:
        height = check_coinbase(raw)
    except VerificationError:
        return
    pushed = reference.script.CScript([height]) if height > 16 else bytes([height and 0x50 + height])
    assert script.startswith(pushed)
