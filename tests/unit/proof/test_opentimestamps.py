"""Tests of ``anchor.proof.opentimestamps``: its vectors, the stock library as referee, and a whole export.

Input is ``tests/vectors/opentimestamps.json``, which any other verifier can run too, and files that the stock
library (python-opentimestamps) writes. Whoever changes the module reads what breaks.
"""

import hashlib
import importlib
import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anchor.proof import opentimestamps as ots
from anchor.proof.bitcoin.branch import merkle_path, merkle_root
from anchor.proof.bitcoin.hashes import sha256d
from anchor.proof.calendar import MAX_OTS
from anchor.proof.errors import MalformedError, Reason, TooLargeError, UnknownVersionError, VerificationError

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "tests" / "vectors" / "opentimestamps.json"
SPEC = ROOT / "docs" / "spec" / "opentimestamps-export.md"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text())["cases"]
MAKER = runpy.run_path(str(VECTORS.with_name("make_bitcoin_vectors.py")))
WHOLE = bytes.fromhex(CASES[0]["file"])

# The stock library, which has no types.
stock_file: Any = importlib.import_module("opentimestamps.core.timestamp")
stock_op: Any = importlib.import_module("opentimestamps.core.op")
stock_notary: Any = importlib.import_module("opentimestamps.core.notary")
stock_bytes: Any = importlib.import_module("opentimestamps.core.serialize")

BY_NAME = {
    "sha1": ots.SHA1,
    "ripemd160": ots.RIPEMD160,
    "sha256": ots.SHA256,
    "keccak256": ots.KECCAK256,
    "reverse": ots.REVERSE,
    "hexlify": ots.HEXLIFY,
}
WITH_ARGUMENT = {"append": ots.append, "prepend": ots.prepend}
PENDING = ots.PendingAttestation("https://calendar.example/")


# Vectors


def operation_of(step: list[str]) -> ots.Operation:
    """Return the operation that a vector writes as [name] or [name, argument in hex]."""
    name, *argument = step
    return WITH_ARGUMENT[name](bytes.fromhex(argument[0])) if argument else BY_NAME[name]


def attestation_json(path: ots.Path, digest: bytes) -> dict[str, Any]:
    """Return an attestation as a vector writes it."""
    try:
        message: str | None = ots.execute(path.operations, digest).hex()
    except ots.NotExecutableError:
        message = None
    match path.attestation:
        case ots.PendingAttestation(uri):
            return {"message": message, "type": "pending", "value": uri}
        case ots.BitcoinAttestation(height):
            return {"message": message, "type": "bitcoin", "value": height}
        case ots.UnknownAttestation(tag, payload):
            return {"message": message, "type": "unknown", "value": (tag + payload).hex()}
        case other:
            raise AssertionError(f"no vector has {other}")


def check_file(case: dict[str, Any]) -> dict[str, Any]:
    raw = bytes.fromhex(case["file"])
    file = ots.DetachedFile.decode(raw)
    assert raw == file.encode()
    return {
        "hash": file.hash_operation.name,
        "digest": file.digest.hex(),
        "attestations": [attestation_json(path, file.digest) for path in file.timestamp.paths],
    }


def check_linear(case: dict[str, Any]) -> str:
    operations = [operation_of(step) for step in case["operations"]]
    return ots.linear(bytes.fromhex(case["digest"]), operations, case["height"]).hex()


CHECKS: dict[str, Callable[[dict[str, Any]], Any]] = {"file": check_file, "linear": check_linear}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['check']}: {case['description']}")
def test_vector(case: dict[str, Any]) -> None:
    """Every vector gives what it says, a value or a refusal."""
    check = CHECKS[case["check"]]
    if "want" in case:
        assert case["want"] == check(case)
        return
    assert case["want_error"] == "malformed"
    with pytest.raises(MalformedError):
        check(case)


def test_vectors_are_what_their_maker_makes() -> None:
    """The vectors' file is byte for byte what the script beside it writes."""
    assert MAKER["documents"]()["opentimestamps.json"] == VECTORS.read_text()


# The stock library as referee


def stock_read(raw: bytes) -> Any:
    """Return the file as the stock library reads it."""
    return stock_file.DetachedTimestampFile.deserialize(stock_bytes.BytesDeserializationContext(raw))


def stock_write(timestamp: Any, file_hash: Any = None) -> bytes:
    """Return the file that the stock library writes for a timestamp."""
    context = stock_bytes.BytesSerializationContext()
    stock_file.DetachedTimestampFile(stock_op.OpSHA256() if file_hash is None else file_hash, timestamp).serialize(
        context
    )
    written: bytes = context.getbytes()
    return written


def stock_attestations(raw: bytes) -> set[tuple[bytes, str]]:
    """Return what the stock library reads in a file: messages, and attestations as it prints them."""
    return {(message, repr(each)) for message, each in stock_read(raw).timestamp.all_attestations()}


def our_attestations(raw: bytes) -> set[tuple[bytes, str]]:
    """Return what we read in a file, printed as the stock library prints it."""
    file = ots.DetachedFile.decode(raw)
    return {(ots.execute(path.operations, file.digest), stock_name(path.attestation)) for path in file.timestamp.paths}


def stock_name(attestation: ots.Attestation) -> str:
    """Return an attestation as the stock library prints it."""
    match attestation:
        case ots.PendingAttestation(uri):
            return f"PendingAttestation({uri!r})"
        case ots.UnknownAttestation(tag, payload):
            return f"UnknownAttestation({tag!r}, {payload!r})"
        case ots.BitcoinAttestation(height) | ots.LitecoinAttestation(height) | ots.EthereumAttestation(height):
            return f"{type(attestation).__name__.removesuffix('Attestation')}BlockHeaderAttestation({height})"


def test_whole_export_is_read_by_the_stock_library() -> None:
    """An entry's file leads, for the stock library too, from the content to the Merkle root of the block."""
    read = stock_read(WHOLE)
    expected = {(MAKER["MERKLE_ROOT"], "BitcoinBlockHeaderAttestation(150)")}
    assert hashlib.sha256(MAKER["CONTENT"]).digest() == read.file_digest
    assert expected == stock_attestations(WHOLE) == our_attestations(WHOLE)


@pytest.mark.parametrize("case", [case for case in CASES if case["check"] == "file"], ids=lambda c: c["description"])
@pytest.mark.filterwarnings("ignore:OpReverse may get removed:PendingDeprecationWarning")
def test_stock_library_reads_what_we_read(case: dict[str, Any]) -> None:
    """What we accept the stock library accepts with the same meaning; it refuses what we refuse, with exceptions.

    The exceptions are the leniences that the module's docstring names, and limits of our own.
    """
    raw = bytes.fromhex(case["file"])
    ours_only = {
        "the same attestation twice",
        "the same operation twice",
        "the same operation twice, another between",
        "an argument's length in two bytes",
        "a height in two bytes",
        "a height above 32 bits",
        "more than 65,536 bytes",
    }
    if "want" in case or case["description"] in ours_only:
        assert raw[:32] == stock_write(stock_read(raw).timestamp)[:32]
    else:
        with pytest.raises((stock_bytes.DeserializationError, ValueError)):
            stock_read(raw)
    if "want" in case and case["description"] != "an operation that is not computed here":
        assert stock_attestations(raw) == our_attestations(raw)


def stock_tree() -> Any:
    """Return a timestamp of the stock library with forks, and attestations of all kinds at its leaves."""
    timestamp = stock_file.Timestamp(hashlib.sha256(b"a file").digest())
    nonce = timestamp.ops.add(stock_op.OpAppend(bytes(16))).ops.add(stock_op.OpSHA256())
    for at, kind in enumerate((stock_op.OpPrepend, stock_op.OpAppend)):
        calendar = nonce.ops.add(kind(bytes([at + 1]) * 4)).ops.add(stock_op.OpSHA256())
        calendar.attestations.add(stock_notary.PendingAttestation(f"https://{at}.example"))
        calendar.attestations.add(stock_notary.PendingAttestation("https://a.example/b_c-d:80"))
        block = calendar.ops.add(stock_op.OpSHA256())
        block.attestations.add(stock_notary.BitcoinBlockHeaderAttestation(127 + at))
        block.attestations.add(stock_notary.LitecoinBlockHeaderAttestation(20_000 + at))
        block.ops.add(stock_op.OpHexlify()).attestations.add(stock_notary.UnknownAttestation(b"12345678", b"?"))
    nonce.attestations.add(stock_notary.BitcoinBlockHeaderAttestation(800_000))
    timestamp.ops.add(stock_op.OpSHA1()).attestations.add(stock_notary.UnknownAttestation(b"abcdefgh", b""))
    return timestamp


def test_forked_file_of_the_stock_library_is_read_and_written_back() -> None:
    """A file with forks and every kind of attestation means the same here, and is written back identically."""
    raw = stock_write(stock_tree())
    file = ots.DetachedFile.decode(raw)
    assert raw == file.encode()
    assert stock_attestations(raw) == our_attestations(raw)
    assert len(file.timestamp.paths) == 12


def test_canonical_order_is_the_stock_librarys() -> None:
    """However the paths are shuffled, the canonical timestamp has the bytes that the stock library writes."""
    raw = stock_write(stock_tree())
    file = ots.DetachedFile.decode(raw)
    for paths in (file.timestamp.paths[::-1], file.timestamp.paths[5:] + file.timestamp.paths[:7]):
        again = ots.DetachedFile(file.hash_operation, file.digest, ots.canonical(paths))
        assert raw == again.encode()


def test_heights_are_ordered_as_numbers() -> None:
    """Blocks stand in the order of their heights, not of their encoded bytes."""
    heights = [5, 128, 255, 256, 70_000]
    timestamp = stock_file.Timestamp(bytes(32))
    for height in heights:
        timestamp.attestations.add(stock_notary.BitcoinBlockHeaderAttestation(height))
    ours = ots.canonical(ots.Path((), ots.BitcoinAttestation(height)) for height in heights[::-1])
    assert stock_write(timestamp) == ots.DetachedFile(ots.SHA256, bytes(32), ours).encode()


def test_calendars_reply_is_merged_as_the_stock_client_merges_it() -> None:
    """A calendar's reply, put behind the path it belongs to, makes the file that the stock client would write."""
    digest = hashlib.sha256(b"a file").digest()
    commitment = ots.execute((ots.append(b"nonce"), ots.SHA256), digest)
    reply = stock_file.Timestamp(commitment)
    reply.ops.add(stock_op.OpSHA256()).attestations.add(stock_notary.BitcoinBlockHeaderAttestation(7))
    context = stock_bytes.BytesSerializationContext()
    reply.serialize(context)
    expected = stock_file.Timestamp(digest)
    node = expected.ops.add(stock_op.OpAppend(b"nonce")).ops.add(stock_op.OpSHA256())
    node.attestations.add(stock_notary.PendingAttestation(PENDING.uri))
    node.merge(reply)

    before = (ots.append(b"nonce"), ots.SHA256)
    grafted = ots.Timestamp.decode(context.getbytes(), len(commitment)).paths
    paths = [ots.Path(before, PENDING), *(ots.Path(before + path.operations, path.attestation) for path in grafted)]
    assert stock_write(expected) == ots.DetachedFile(ots.SHA256, digest, ots.canonical(paths)).encode()


@pytest.mark.parametrize("name", ["sha1", "ripemd160", "sha256", "keccak256"])
def test_every_file_hash_is_read(name: str) -> None:
    """A file may be hashed with any of the four hash operations."""
    operation = BY_NAME[name]
    stock = stock_op.Op.SUBCLS_BY_TAG[bytes([operation.tag])]()
    timestamp = stock_file.Timestamp(bytes(range(stock.DIGEST_LENGTH)))
    timestamp.attestations.add(stock_notary.PendingAttestation(PENDING.uri))
    file = ots.DetachedFile.decode(stock_write(timestamp, stock))
    assert (operation, bytes(range(stock.DIGEST_LENGTH))) == (file.hash_operation, file.digest)
    assert stock_write(timestamp, stock) == file.encode()


# Operations


@pytest.mark.parametrize("operation", [ots.RIPEMD160, ots.KECCAK256], ids=lambda operation: str(operation.name))
def test_operation_that_is_not_everywhere_is_never_computed(operation: ots.Operation) -> None:
    """RIPEMD-160 and Keccak-256 are read and written, and give no verdict: an error of their own."""
    path = ots.Path((operation,), ots.BitcoinAttestation(1))
    assert path == ots.Timestamp.decode(ots.Timestamp((path,)).encode(), 32).paths[0]
    with pytest.raises(ots.NotExecutableError):
        ots.execute(path.operations, bytes(32))
    with pytest.raises(ots.NotExecutableError):
        ots.check_attestation(path, bytes(32), bytes(32))


@pytest.mark.parametrize("size", [1, 2, 20, 32, 2_048])
@pytest.mark.filterwarnings("ignore:OpReverse may get removed:PendingDeprecationWarning")
def test_operations_are_computed_as_the_stock_library_computes_them(size: int) -> None:
    """Each operation makes the bytes that the stock library makes, and as many as it announces."""
    message = bytes(at % 251 for at in range(size))
    pairs = [
        (ots.SHA1, stock_op.OpSHA1()),
        (ots.SHA256, stock_op.OpSHA256()),
        (ots.append(b"xyz"), stock_op.OpAppend(b"xyz")),
        (ots.prepend(b"xyz"), stock_op.OpPrepend(b"xyz")),
        (ots.REVERSE, stock_op.OpReverse()),
        (ots.HEXLIFY, stock_op.OpHexlify()),
    ]
    for ours, theirs in pairs:
        assert theirs(message) == ots.execute((ours,), message)
        assert len(theirs(message)) == ours.result_size(size)
        assert str(theirs).split()[0] == ours.name


@pytest.mark.parametrize(
    ("operation", "size"),
    [(ots.append(bytes(2)), 4_095), (ots.prepend(bytes(4_096)), 1), (ots.HEXLIFY, 2_049), (ots.SHA256, 4_097)],
    ids=lambda value: str(getattr(value, "name", value)),
)
def test_message_above_its_limit_is_never_made(operation: ots.Operation, size: int) -> None:
    """No operation takes or makes more than 4,096 bytes; one byte fewer is still allowed."""
    with pytest.raises(TooLargeError):
        ots.execute((operation,), bytes(size))
    if size > 1:
        ots.execute((operation,), bytes(size - 1))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ots.Operation(0x04),
        lambda: ots.Operation(0xF0),
        lambda: ots.Operation(0x08, b"x"),
        lambda: ots.append(b""),
        lambda: ots.prepend(bytes(4_097)),
        lambda: ots.execute((ots.SHA256,), b""),
        lambda: ots.PendingAttestation("https://a.example/?b"),
        lambda: ots.PendingAttestation("a" * 1_001),
        lambda: ots.PendingAttestation("https://é.example"),
        lambda: ots.BitcoinAttestation(-1),
        lambda: ots.BitcoinAttestation(1 << 32),
        lambda: ots.LitecoinAttestation(1 << 32),
        lambda: ots.EthereumAttestation(-1),
        lambda: ots.UnknownAttestation(ots.BitcoinAttestation.TAG, b""),
        lambda: ots.UnknownAttestation(bytes(7), b""),
        lambda: ots.UnknownAttestation(bytes(8), bytes(8_193)),
        lambda: ots.Timestamp(()),
        lambda: ots.Timestamp((ots.Path((), PENDING), ots.Path((), PENDING))),
        lambda: ots.Timestamp((ots.Path((ots.SHA256,) * 256, PENDING),)),
        lambda: ots.Timestamp(tuple(ots.Path((), ots.BitcoinAttestation(at)) for at in range(257))),
        lambda: ots.DetachedFile(ots.REVERSE, bytes(32), ots.Timestamp((ots.Path((), PENDING),))),
        lambda: ots.DetachedFile(ots.SHA1, bytes(32), ots.Timestamp((ots.Path((), PENDING),))),
        lambda: ots.Timestamp.decode(b"", 32),
        lambda: ots.Timestamp.decode(ots.Timestamp((ots.Path((ots.SHA256,), PENDING),)).encode(), 0),
    ],
)
def test_value_that_has_no_bytes_cannot_be_made(make: Callable[[], object]) -> None:
    """A value that could not be written is refused where it is made."""
    with pytest.raises(MalformedError):
        make()


def test_newer_version_is_called_by_its_name() -> None:
    """A file of version 2 is somebody else's, not a broken one."""
    with pytest.raises(UnknownVersionError):
        ots.DetachedFile.decode(ots.MAGIC + b"\x02" + WHOLE[32:])


def test_no_prefix_of_a_file_is_a_file() -> None:
    """A file that was cut anywhere is malformed."""
    for size in range(len(WHOLE)):
        with pytest.raises(MalformedError):
            ots.DetachedFile.decode(WHOLE[:size])


def test_number_of_attestations_is_bounded() -> None:
    """256 attestations are read; with one more, reading stops."""
    first = b"".join(b"\xff\x00" + bytes([1, at, *bytes(6)]) + b"\x00" for at in range(255))
    last = b"\x00" + bytes(8) + b"\x00"
    assert len(ots.Timestamp.decode(first + last, 32).paths) == 256
    with pytest.raises(TooLargeError):
        ots.Timestamp.decode(b"\xff" + last + first + b"\x00" + bytes(7) + b"\x01\x00", 32)


def test_deepest_tree_needs_no_recursion() -> None:
    """A fork at each of 255 nodes is read, compared, printed and written back on Python's ordinary stack."""
    paths = [ots.Path((ots.SHA256,) * depth, PENDING) for depth in range(256)]
    timestamp = ots.canonical(paths)
    raw = timestamp.encode()
    again = ots.Timestamp.decode(raw, 32)
    assert timestamp == again
    assert raw == again.encode()
    assert repr(timestamp) == repr(again)
    assert hash(timestamp) == hash(again)


# The export


def test_attestation_of_another_block_is_a_mismatch() -> None:
    """An attestation holds for one Merkle root, and only a Bitcoin one holds for any."""
    file = ots.DetachedFile.decode(WHOLE)
    path = file.timestamp.paths[0]
    root = MAKER["MERKLE_ROOT"]
    ots.check_attestation(path, file.digest, root)
    shorter = ots.Path(path.operations[:-1], path.attestation)
    wrong = [(path, root[::-1]), (ots.Path(path.operations, PENDING), root), (shorter, root)]
    for other, expected in wrong:
        with pytest.raises(VerificationError) as caught:
            ots.check_attestation(other, file.digest, expected)
        assert caught.value.reason == Reason.ATTESTATION_MISMATCH


def check_first_path(raw: bytes) -> None:
    """Check that a file leads to the root of the block of the vectors."""
    file = ots.DetachedFile.decode(raw)
    ots.check_attestation(file.timestamp.paths[0], file.digest, MAKER["MERKLE_ROOT"])


def test_no_bit_of_an_export_can_change() -> None:
    """Whichever bit of the operations flips, the file no longer leads to the root of the block."""
    digest_start = len(ots.MAGIC) + 2
    for at in range(digest_start, len(WHOLE) - 12):
        changed = bytearray(WHOLE)
        changed[at] ^= 1 << at % 8
        with pytest.raises((MalformedError, VerificationError, ots.NotExecutableError)):
            check_first_path(bytes(changed))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7, 13])
def test_block_steps_lead_to_the_root_of_the_block(count: int) -> None:
    """The steps through a block's tree make its Merkle root, from every place in it."""
    txids = [hashlib.sha256(bytes([at])).digest() for at in range(count)]
    for index, txid in enumerate(txids):
        path = merkle_path(txids, index)
        steps = ots.block_steps(index, path)
        assert merkle_root(txids) == ots.execute(steps, txid)
        assert len(steps) == 3 * len(path)


def test_log_steps_are_those_of_rfc_9162() -> None:
    """A leaf is hashed behind 00, a pair behind 01, each in order."""
    leaf, other = b"leaf", hashlib.sha256(b"other").digest()
    leaf_hash = hashlib.sha256(b"\x00leaf").digest()
    assert leaf_hash == ots.execute(ots.leaf_steps(), leaf)
    assert hashlib.sha256(b"\x01" + leaf_hash + other).digest() == ots.execute(ots.left_step(other), leaf_hash)
    assert hashlib.sha256(b"\x01" + other + leaf_hash).digest() == ots.execute(ots.right_step(other), leaf_hash)


def test_transaction_steps_lead_from_the_root_to_the_txid() -> None:
    """The four steps make the txid of the transaction that the root stands in."""
    transaction, root = MAKER["ANCHOR"].transaction, MAKER["ROOT"]
    steps = ots.transaction_steps(transaction, root)
    assert sha256d(transaction) == ots.execute(steps, root)
    assert len(steps) == 4
    with pytest.raises(MalformedError):
        ots.transaction_steps(transaction, bytes(range(32)))
    with pytest.raises(TooLargeError):
        ots.transaction_steps(transaction + bytes(4_097 - len(transaction)), root)


def test_part_at_an_edge_needs_one_operation() -> None:
    """A part at the beginning needs no prepend, at the end no append, and the whole needs neither."""
    assert (ots.append(b"c"),) == ots.within(b"ab", b"abc")
    assert (ots.prepend(b"a"),) == ots.within(b"bc", b"abc")
    assert (ots.prepend(b"a"), ots.append(b"c")) == ots.within(b"b", b"abc")
    assert ots.within(b"abc", b"abc") == ()
    with pytest.raises(MalformedError):
        ots.within(b"", b"abc")


def test_export_counts_its_operations() -> None:
    """The whole export of a small log has 30 operations, and a line of 256 is refused with that number."""
    steps = MAKER["entry_steps"]()
    assert len(steps) == len(ots.DetachedFile.decode(WHOLE).timestamp.paths[0].operations) == 30
    with pytest.raises(TooLargeError, match="found 256"):
        ots.linear(bytes(32), (ots.SHA256,) * 256, 1)


# The page


def blocks_of(language: str) -> list[str]:
    """Return the fenced blocks of the spec page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", SPEC.read_text(), re.DOTALL)


def test_example_of_the_page_verifies() -> None:
    """The file that the page takes apart is a whole export; it leads from the page's content to its root."""
    content, taken_apart, facts = blocks_of("text")[0], blocks_of("hex")[0], json.loads(blocks_of("json")[0])
    raw = bytes.fromhex("".join(line.split("#")[0] for line in taken_apart.splitlines()))
    file = ots.DetachedFile.decode(raw)
    path = file.timestamp.paths[0]
    assert raw == WHOLE
    assert hashlib.sha256(content.encode()).digest() == file.digest
    assert ots.BitcoinAttestation(facts["height"]) == path.attestation
    ots.check_attestation(path, file.digest, bytes.fromhex(facts["merkle_root"]))
    assert (bytes.fromhex(facts["merkle_root"]), "BitcoinBlockHeaderAttestation(150)") in stock_attestations(raw)


def test_page_has_the_formats_numbers() -> None:
    """Tags and limits on the page are those of the code."""
    page = SPEC.read_text()
    for kind in (ots.PendingAttestation, ots.BitcoinAttestation, ots.LitecoinAttestation, ots.EthereumAttestation):
        assert f"`{kind.TAG.hex()}`" in page
    for operation in BY_NAME.values():
        assert f"| `{operation.tag:02x}` | {operation.name} |" in page
    for limit in (
        ots.MAX_OPERATIONS,
        ots.MAX_MESSAGE,
        ots.MAX_PAYLOAD,
        ots.MAX_URI,
        ots.MAX_FILE,
        ots.MAX_ATTESTATIONS,
    ):
        assert f"{limit:,}" in page


def test_a_receipt_carries_files_of_any_size_that_is_read() -> None:
    """The limit of a .ots file in a receipt is that of a .ots file; it stands apart so that neither loads the other."""
    assert ots.MAX_FILE == MAX_OTS
