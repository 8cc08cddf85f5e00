"""Fuzzing of ``anchor.proof.opentimestamps``: files of any shape, and the stock library as referee.

Input is made by Hypothesis: trees of operations and attestations, bytes from nowhere, and real files with a few
bytes changed. What must hold for any of them is the module's promise: read back identically, or MalformedError.
"""

import hashlib
import importlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.proof import opentimestamps as ots
from anchor.proof.errors import MalformedError

# The stock library, which has no types.
stock_file: Any = importlib.import_module("opentimestamps.core.timestamp")
stock_bytes: Any = importlib.import_module("opentimestamps.core.serialize")
stock_notary: Any = importlib.import_module("opentimestamps.core.notary")

DIGEST = hashlib.sha256(b"a file").digest()
START = ots.MAGIC + bytes.fromhex("0108") + DIGEST

arguments = st.one_of(st.binary(min_size=1, max_size=40), st.integers(120, 300).map(bytes))
operations = st.one_of(
    st.sampled_from([ots.SHA256, ots.SHA1, ots.HEXLIFY, ots.REVERSE, ots.RIPEMD160, ots.KECCAK256]),
    arguments.map(ots.append),
    arguments.map(ots.prepend),
)
heights = st.integers(0, ots.MAX_HEIGHT)
attestations: st.SearchStrategy[ots.Attestation] = st.one_of(
    st.text("abcXYZ019-._/:", max_size=40).map(ots.PendingAttestation),
    heights.map(ots.BitcoinAttestation),
    heights.map(ots.LitecoinAttestation),
    heights.map(ots.EthereumAttestation),
    st.builds(ots.UnknownAttestation, st.binary(min_size=8, max_size=8), st.binary(max_size=200)),
)


@st.composite
def paths(draw: st.DrawFn) -> list[ots.Path]:
    """Paths that often begin with the same operations and end alike."""
    pool = draw(st.lists(operations, min_size=1, max_size=3))
    ends = draw(st.lists(attestations, min_size=1, max_size=4))
    path = st.builds(ots.Path, st.lists(st.sampled_from(pool), max_size=5).map(tuple), st.sampled_from(ends))
    return draw(st.lists(path, min_size=1, max_size=8))


def file_of(some: list[ots.Path]) -> ots.DetachedFile | None:
    """Return a file with these paths, or None where a message would be too long."""
    try:
        return ots.DetachedFile(ots.SHA256, DIGEST, ots.canonical(some))
    except MalformedError:
        return None


def stock_read(raw: bytes) -> Any:
    """Return the file as the stock library reads it."""
    return stock_file.DetachedTimestampFile.deserialize(stock_bytes.BytesDeserializationContext(raw))


def stock_write(file: Any) -> bytes:
    """Return the bytes that the stock library writes."""
    context = stock_bytes.BytesSerializationContext()
    file.serialize(context)
    written: bytes = context.getbytes()
    return written


@given(paths())
@settings(deadline=None, max_examples=300)
@pytest.mark.filterwarnings("ignore:OpReverse may get removed:PendingDeprecationWarning")
def test_every_file_is_read_back_here_and_by_the_stock_library(some: list[ots.Path]) -> None:
    """Reading what was written gives the same file; the stock library reads it and writes the same bytes."""
    file = file_of(some)
    if file is None:
        return
    raw = file.encode()
    assert file == ots.DetachedFile.decode(raw)
    assert set(some) == set(file.timestamp.paths)
    assert raw == stock_write(stock_read(raw))


@given(paths(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_items_of_a_node_keep_their_order(some: list[ots.Path], order: Any) -> None:
    """Items of a node may come in any order; each order is written back as it came."""
    shuffled = list(dict.fromkeys(some))
    order.shuffle(shuffled)
    try:
        timestamp = ots.Timestamp(tuple(shuffled))
        file = ots.DetachedFile(ots.SHA256, DIGEST, timestamp)
    except MalformedError:
        return
    assert file == ots.DetachedFile.decode(file.encode())


raw_items = st.one_of(
    st.sampled_from(
        [b"\xff", b"\x00", b"\x08", b"\x02", b"\xf3", b"\xf0\x01a", b"\xf1\x02ab", b"\xf0\x80", b"\x81\x00"]
    ),
    st.sampled_from([kind.TAG for kind in (ots.PendingAttestation, ots.BitcoinAttestation)]),
    st.just(b"\x00" + ots.BitcoinAttestation.TAG + b"\x01\x05"),
    st.just(b"\x00" + ots.PendingAttestation.TAG + b"\x04\x03a.b"),
    st.binary(max_size=3),
)


@st.composite
def likely_files(draw: st.DrawFn) -> bytes:
    """Bytes that look like a file: from nowhere, out of its pieces, or a real one with a few changed."""
    shape = draw(st.integers(0, 2))
    if shape == 0:
        return draw(st.binary(max_size=100))
    if shape == 1:
        return START + b"".join(draw(st.lists(raw_items, max_size=12)))
    file = file_of(draw(paths()))
    raw = bytearray(START if file is None else file.encode())
    at = draw(st.integers(0, len(raw)))
    raw[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(raw)


@given(likely_files())
@settings(deadline=None, max_examples=600)
@pytest.mark.filterwarnings("ignore:OpReverse may get removed:PendingDeprecationWarning")
def test_any_bytes_are_a_file_or_malformed(raw: bytes) -> None:
    """Any bytes are written back identically or malformed; what is read the stock library reads alike."""
    try:
        file = ots.DetachedFile.decode(raw)
    except MalformedError:
        return
    assert raw == file.encode()
    theirs = stock_read(raw)
    assert theirs.file_digest == file.digest
    assert len(list(theirs.timestamp.all_attestations())) == len(file.timestamp.paths)
    expected = {message for message, _ in theirs.timestamp.all_attestations()}
    for path in file.timestamp.paths:
        if {ots.RIPEMD160, ots.KECCAK256}.isdisjoint(path.operations):
            assert ots.execute(path.operations, file.digest) in expected


@given(st.one_of(st.binary(max_size=100), st.lists(raw_items, max_size=12).map(b"".join)), st.integers(0, 5_000))
@settings(deadline=None, max_examples=300)
def test_any_reply_of_a_calendar_is_a_timestamp_or_malformed(raw: bytes, message_size: int) -> None:
    """Whatever a calendar answers is written back identically or refused as malformed."""
    try:
        timestamp = ots.Timestamp.decode(raw, message_size)
    except MalformedError:
        return
    assert raw == timestamp.encode()


@given(st.lists(operations, max_size=20), heights)
@settings(deadline=None)
@pytest.mark.filterwarnings("ignore:OpReverse may get removed:PendingDeprecationWarning")
def test_every_straight_line_ends_where_its_operations_lead(line: list[ots.Operation], height: int) -> None:
    """The stock library finds one Bitcoin attestation at the end of a line, with the same message."""
    computed = [each for each in line if each not in (ots.RIPEMD160, ots.KECCAK256)] + [ots.SHA256]
    try:
        raw = ots.linear(DIGEST, computed, height)
    except MalformedError:
        return
    expected = [(ots.execute(computed, DIGEST), stock_notary.BitcoinBlockHeaderAttestation(height))]
    assert expected == list(stock_read(raw).timestamp.all_attestations())
