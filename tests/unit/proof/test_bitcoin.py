"""Tests of ``anchor.proof.bitcoin``: its vectors, two referees (btclib, python-bitcoinlib), and known attacks.

Input is ``tests/vectors/bitcoin.json``, which any other verifier can run too, the genesis blocks that btclib
builds, and trees made here. Whoever changes the module reads what breaks.
"""

import hashlib
import importlib
import json
import random
import re
import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from btclib.block import merkle_proof as referee
from btclib.block.block import bip34_commitment
from btclib.block.block_header import BlockHeader
from btclib.block.genesis import genesis_block
from btclib.block.proof_of_work import bits_from_target as referee_bits
from btclib.block.proof_of_work import block_work, is_negative_bits
from btclib.block.proof_of_work import target_from_bits as referee_target
from btclib.consensus import CONSENSUS_PARAMS
from btclib.exceptions import BTClibValueError
from btclib.p2p.magic import DEFAULT_SIGNET_CHALLENGE, magic_from_network

from anchor.proof.bitcoin.anchor import BitcoinAnchor, check_anchor_header, check_anchor_transaction
from anchor.proof.bitcoin.branch import fold_branch, merkle_path, merkle_root
from anchor.proof.bitcoin.coinbase import MAX_COINBASE, check_coinbase
from anchor.proof.bitcoin.hashes import hash_from_hex, hash_hex, sha256d
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.networks import NETWORKS
from anchor.proof.bitcoin.payload import encode_payload, find_payload, payload_script
from anchor.proof.bitcoin.transaction import (
    MAX_TRANSACTION,
    MAX_WITH_WITNESS,
    OutPoint,
    Transaction,
    TxInput,
    TxOutput,
    strip_witness,
)
from anchor.proof.bitcoin.work import bits_from_target, check_work, target_from_bits, work_from_bits
from anchor.proof.errors import MalformedError, Reason, TooLargeError, VerificationError

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "tests" / "vectors" / "bitcoin.json"
SPEC = ROOT / "docs" / "spec" / "bitcoin-anchor.md"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text())["cases"]
# python-bitcoinlib, which has no types.
reference: Any = importlib.import_module("bitcoin.core")
# btclib calls testnet3 "testnet".
REFEREE_NAMES = {
    "mainnet": "mainnet",
    "testnet3": "testnet",
    "testnet4": "testnet4",
    "signet": "signet",
    "regtest": "regtest",
}


# Vectors


def read_anchor(fields: dict[str, Any]) -> BitcoinAnchor:
    """Return the anchor that a receipt's fields describe."""
    return BitcoinAnchor(
        transaction=bytes.fromhex(fields["transaction"]),
        index=fields["index"],
        path=tuple(map(bytes.fromhex, fields["path"])),
        coinbase=bytes.fromhex(fields["coinbase"]),
        coinbase_path=tuple(map(bytes.fromhex, fields["coinbase_path"])),
        header=bytes.fromhex(fields["header"]),
        height=fields["height"],
    )


def check_transaction(case: dict[str, Any]) -> dict[str, Any]:
    raw = bytes.fromhex(case["raw"])
    transaction = Transaction.decode(raw, case["limit"])
    assert raw == transaction.encode()
    return {
        "txid": transaction.txid.hex(),
        "display": hash_hex(transaction.txid),
        "outputs": len(transaction.outputs),
    }


def check_header(case: dict[str, Any]) -> dict[str, Any]:
    header = Header.decode(bytes.fromhex(case["raw"]))
    assert case["raw"] == header.encode().hex()
    return {
        "hash": hash_hex(header.hash),
        "merkle_root": header.merkle_root.hex(),
        "time_s": header.time_s,
        "bits": f"{header.bits:08x}",
        "nonce": header.nonce,
    }


def check_case_work(case: dict[str, Any]) -> str:
    header = Header.decode(bytes.fromhex(case["header"]))
    check_work(header, NETWORKS[case["network"]].pow_limit)
    return hash_hex(header.hash)


def check_payload(case: dict[str, Any]) -> dict[str, Any]:
    payload = find_payload(Transaction.decode(bytes.fromhex(case["transaction"]), MAX_TRANSACTION))
    return {"tree_size": payload.tree_size, "root": payload.root.hex()}


def check_fold(case: dict[str, Any]) -> str:
    path = list(map(bytes.fromhex, case["path"]))
    return fold_branch(bytes.fromhex(case["leaf"]), case["index"], path).hex()


CHECKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "transaction": check_transaction,
    "strip": lambda case: strip_witness(bytes.fromhex(case["raw"])).hex(),
    "header": check_header,
    "target": lambda case: f"{target_from_bits(int(case['bits'], 16)):064x}",
    "work": check_case_work,
    "payload": check_payload,
    "fold": check_fold,
    "coinbase": lambda case: check_coinbase(bytes.fromhex(case["raw"])),
    "anchor": lambda case: check_anchor_transaction(read_anchor(case["anchor"])).txid.hex(),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['check']}: {case['description']}")
def test_vector(case: dict[str, Any]) -> None:
    """Every vector gives what it says, a value or a named refusal."""
    check = CHECKS[case["check"]]
    if "want" in case:
        assert case["want"] == check(case)
        return
    with pytest.raises((MalformedError, VerificationError)) as caught:
        check(case)
    error = caught.value
    assert case["want_error"] == (error.reason if isinstance(error, VerificationError) else "malformed")


def test_vectors_are_what_their_maker_makes() -> None:
    """The vectors' file is byte for byte what the script beside it writes."""
    maker = runpy.run_path(str(VECTORS.with_name("make_bitcoin_vectors.py")))
    assert maker["documents"]()["bitcoin.json"] == VECTORS.read_text()


def test_vectors_reach_every_reason() -> None:
    """Each way in which the anchor's steps 10 to 12 can fail in this module has a vector."""
    reached = {case["want_error"] for case in CASES if "want_error" in case}
    elsewhere = {Reason.PAYLOAD_MISMATCH, Reason.BLOCK_MISMATCH, Reason.NOT_ON_BEST_CHAIN}
    reasons = list(Reason)
    first, last = reasons.index(Reason.PAYLOAD_MISSING), reasons.index(Reason.NOT_ON_BEST_CHAIN)
    assert {*reasons[first : last + 1]} - elsewhere | {"malformed"} == reached


ANCHOR = read_anchor(next(case["anchor"] for case in CASES if case["check"] == "anchor"))


# Networks and genesis blocks


@pytest.mark.parametrize("name", NETWORKS)
def test_network_is_the_one_its_name_says(name: str) -> None:
    """Genesis hash, message start and limit are those of the referee's tables."""
    rules, theirs = NETWORKS[name], REFEREE_NAMES[name]
    genesis = genesis_block(theirs)
    limit = CONSENSUS_PARAMS[theirs].pow_limit_bits
    assert name == rules.name
    assert genesis.header.hash[::-1] == rules.genesis_hash
    assert magic_from_network(theirs) == rules.message_start
    assert int.from_bytes(referee_target(limit), "big") == rules.pow_limit
    assert rules.proof_of_work_note.endswith(".")
    assert name in rules.proof_of_work_note


def test_networks_cannot_be_changed() -> None:
    """Nobody can swap the rules of a network at run time."""
    with pytest.raises(TypeError):
        NETWORKS["mainnet"] = NETWORKS["regtest"]  # type: ignore[index]  # the very thing that is tried


def test_signet_message_start_is_derived_from_its_challenge() -> None:
    """Signet's message start is the beginning of the hash of its block challenge (BIP 325)."""
    serialised = bytes([len(DEFAULT_SIGNET_CHALLENGE)]) + DEFAULT_SIGNET_CHALLENGE
    assert sha256d(serialised)[:4] == NETWORKS["signet"].message_start


@pytest.mark.parametrize("name", NETWORKS)
def test_genesis_block_reads_and_has_its_work(name: str) -> None:
    """The genesis block of each network is read, written, hashed and worked as the referee says."""
    genesis = genesis_block(REFEREE_NAMES[name])
    raw_header = genesis.header.serialize()
    raw = genesis.transactions[0].serialize(include_witness=False)
    header, coinbase = Header.decode(raw_header), Transaction.decode(raw, MAX_COINBASE)
    check_work(header, NETWORKS[name].pow_limit)
    assert NETWORKS[name].genesis_hash == header.hash
    assert raw_header == header.encode()
    assert raw == coinbase.encode() == strip_witness(raw)
    assert header.merkle_root == coinbase.txid == merkle_root([coinbase.txid])


# Transactions


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


# Targets and work


def test_targets_agree_with_the_referee() -> None:
    """For every exponent and edge, compact targets read, weigh and write as the referee says."""
    words = (0, 1, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x123456, 0x7FFFFF)
    cases = [size << 24 | sign | word for size in range(256) for sign in (0, 0x800000) for word in words]
    for bits in cases:
        four = bits.to_bytes(4, "big")
        expected = referee_value(four)
        if expected is None:
            with pytest.raises(VerificationError) as caught:
                target_from_bits(bits)
            assert caught.value.reason == Reason.TARGET_INVALID
        else:
            assert expected == target_from_bits(bits)
            assert block_work(four) == work_from_bits(bits)
            assert int.from_bytes(referee_bits(expected.to_bytes(32, "big")), "big") == bits_from_target(expected)


def referee_value(bits: bytes) -> int | None:
    """Return the target by btclib, or None where no block can have it."""
    try:
        target = int.from_bytes(referee_target(bits), "big")
    except BTClibValueError:
        return None
    return None if is_negative_bits(bits) or target == 0 else target


def test_written_target_is_the_closest_below() -> None:
    """A target written in three bytes is at most itself, and rewriting it changes nothing more."""
    random_numbers = random.Random(7)
    for _ in range(2_000):
        target = random_numbers.getrandbits(random_numbers.randint(1, 256)) or 1
        bits = bits_from_target(target)
        assert int.from_bytes(referee_bits(target.to_bytes(32, "big")), "big") == bits
        assert target_from_bits(bits) <= target
        assert bits == bits_from_target(target_from_bits(bits))


def test_hash_equal_to_the_target_is_enough_and_one_more_is_not() -> None:
    """The comparison with the network's limit is "at most"."""
    header = Header.decode(ANCHOR.header)
    target = target_from_bits(header.bits)
    check_work(header, target)
    with pytest.raises(VerificationError) as caught:
        check_work(header, target - 1)
    assert caught.value.reason == Reason.TARGET_ABOVE_LIMIT


def test_header_is_judged_by_the_rules_of_one_network() -> None:
    """A regtest block passes on regtest and nowhere else."""
    expected = Header.decode(ANCHOR.header)
    assert expected == check_anchor_header(ANCHOR, NETWORKS["regtest"])
    theirs = BlockHeader.parse(ANCHOR.header, check_validity=False)
    assert theirs.hash[::-1] == expected.hash
    theirs.assert_valid_pow(CONSENSUS_PARAMS["regtest"].pow_limit_bits)
    for name in set(NETWORKS) - {"regtest"}:
        with pytest.raises(VerificationError) as caught:
            check_anchor_header(ANCHOR, NETWORKS[name])
        assert caught.value.reason == Reason.TARGET_ABOVE_LIMIT


# Branches


def txids_of(count: int) -> list[bytes]:
    """Return made-up txids."""
    return [hashlib.sha256(at.to_bytes(4, "big")).digest() for at in range(count)]


@pytest.mark.parametrize("count", [*range(1, 34), 63, 64, 65, 100])
def test_every_transaction_of_a_block_is_proved(count: int) -> None:
    """For each place in blocks of many sizes our path leads to the root, and the referee agrees."""
    txids = txids_of(count)
    root = merkle_root(txids)
    for index, txid in enumerate(txids):
        path = merkle_path(txids, index)
        assert root == fold_branch(txid, index, path)
        assert referee.verify(txid[::-1], [sibling[::-1] for sibling in path], index, root[::-1])


@pytest.mark.parametrize("count", [2, 3, 5, 6, 7, 11, 16])
def test_no_other_index_leads_to_the_root(count: int) -> None:
    """A path proves one index only: at any other it is refused or leads elsewhere."""
    txids = txids_of(count)
    root = merkle_root(txids)
    for index, txid in enumerate(txids):
        path = merkle_path(txids, index)
        others = set(range(1 << len(path))) - {index}
        assert not [other for other in others if root == fold_or_none(txid, other, path)]


def fold_or_none(leaf: bytes, index: int, path: tuple[bytes, ...]) -> bytes | None:
    """Return the root, or None for a branch that is refused."""
    try:
        return fold_branch(leaf, index, path)
    except VerificationError:
        return None


@pytest.mark.parametrize("count", range(1, 24))
def test_block_that_was_doubled_at_its_end_proves_nothing_there(count: int) -> None:
    """Blocks that hide repeated transactions behind the same root (CVE-2012-2459) do not prove the repetition."""
    txids = txids_of(count)
    root = merkle_root(txids)
    proved = 0
    for size in (1, 2, 4, 8):
        doubled = txids + txids[-size:]
        if merkle_root(doubled) != root:
            continue
        for index in range(count, len(doubled)):
            with pytest.raises(VerificationError) as caught:
                fold_branch(doubled[index], index, merkle_path(doubled, index))
            assert caught.value.reason == Reason.BRANCH_DUPLICATED_SIBLING
            proved += 1
    lowest_bit = count & -count
    assert (lowest_bit if count != lowest_bit and lowest_bit <= 8 else 0) == proved


def naive_fold(leaf: bytes, index: int, path: tuple[bytes, ...]) -> bytes:
    """Fold a branch as if Bitcoin's tree told leaves from nodes: what a careless verifier does."""
    for sibling in path:
        leaf = sha256d(sibling + leaf if index & 1 else leaf + sibling)
        index >>= 1
    return leaf


def test_forged_transaction_below_one_of_64_bytes() -> None:
    """A naive fold proves a transaction that was never mined (CVE-2017-12842); ours and the referee refuse."""
    case = next(each for each in CASES if each.get("want_error") == "branch-inner-node-is-transaction")
    leaf, path = bytes.fromhex(case["leaf"]), tuple(map(bytes.fromhex, case["path"]))
    small = path[0] + leaf
    block = [path[1], sha256d(small)]
    assert len(Transaction.decode(small, 64).encode()) == 64
    assert merkle_root(block) == naive_fold(leaf, case["index"], path)
    assert leaf not in block
    with pytest.raises(VerificationError) as caught:
        fold_branch(leaf, case["index"], path)
    assert caught.value.reason == Reason.BRANCH_INNER_NODE_IS_TRANSACTION
    backwards = [sibling[::-1] for sibling in path]
    assert not referee.verify(leaf[::-1], backwards, case["index"], merkle_root(block)[::-1])


def test_forged_anchor_is_a_whole_anchor_to_a_naive_reader() -> None:
    """The forged transaction carries a payload, so only the branch's checks stand between it and a receipt."""
    case = next(
        each["anchor"]
        for each in CASES
        if each["check"] == "anchor" and "with the true coinbase" in each["description"]
    )
    forged = read_anchor(case)
    transaction = Transaction.decode(forged.transaction, MAX_TRANSACTION)
    root = Header.decode(forged.header).merkle_root
    assert find_payload(transaction).tree_size == 4_000_000
    assert root == naive_fold(transaction.txid, forged.index, forged.path)
    assert root == fold_branch(sha256d(forged.coinbase), 0, forged.coinbase_path)
    check_anchor_header(forged, NETWORKS["regtest"])
    with pytest.raises(VerificationError):
        check_anchor_transaction(forged)


# Coinbase


def test_heights_are_pushed_as_the_referee_pushes_them() -> None:
    """The height that a coinbase begins with is read for every length of push."""
    heights = [*range(600), *(1 << bits for bits in range(31)), *((1 << bits) - 1 for bits in range(1, 32))]
    coinbase = Transaction.decode(ANCHOR.coinbase, MAX_COINBASE)
    for height in heights:
        script = bip34_commitment(height) + b"\x00"
        with_height = replace(coinbase, inputs=(replace(coinbase.inputs[0], script=script),))
        assert height == check_coinbase(with_height.encode())


# The anchor as a whole


def test_anchor_holds() -> None:
    """An honest anchor gives back its transaction, and that its payload."""
    transaction = check_anchor_transaction(ANCHOR)
    payload = find_payload(transaction)
    assert ANCHOR.transaction == transaction.encode()
    assert encode_payload(payload.tree_size, payload.root) == transaction.outputs[1].script[2:]
    assert len(transaction.outputs[1].script) == 42


def changed_anchor(field: str, value: Any) -> BitcoinAnchor:
    """Return the anchor with one field changed."""
    changes: dict[str, Any] = {field: value}
    return replace(ANCHOR, **changes)


@pytest.mark.parametrize("field", ["transaction", "coinbase", "header", "path", "coinbase_path"])
def test_no_bit_of_an_anchor_can_change(field: str) -> None:
    """Whichever bit of transaction, coinbase, branches or the header's root flips, the anchor is refused."""
    value = getattr(ANCHOR, field)
    joined = value if isinstance(value, bytes) else b"".join(value)
    # Of the header, step 11 reads only the root; the work (step 12) covers the rest.
    positions = range(36, 68) if field == "header" else range(len(joined))
    for at in positions:
        changed = bytearray(joined)
        changed[at] ^= 1 << at % 8
        parts = bytes(changed)
        new: Any = parts if isinstance(value, bytes) else tuple(parts[i : i + 32] for i in range(0, len(parts), 32))
        with pytest.raises((MalformedError, VerificationError)):
            check_anchor_transaction(changed_anchor(field, new))


def test_no_byte_of_a_worked_header_can_change() -> None:
    """On mainnet, where work is not free, no byte of a header can be changed without losing the work."""
    raw = genesis_block("mainnet").header.serialize()
    check_anchor_header(replace(ANCHOR, header=raw), NETWORKS["mainnet"])
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 0x01
        with pytest.raises(VerificationError):
            check_anchor_header(replace(ANCHOR, header=bytes(changed)), NETWORKS["mainnet"])


# The page


def blocks_of(language: str) -> list[str]:
    """Return the fenced blocks of the spec page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", SPEC.read_text(), re.DOTALL)


def test_example_of_the_page_verifies() -> None:
    """The whole example at the top of the page is an anchor that holds, on the network it names."""
    example = json.loads(blocks_of("json")[0])
    assert example.pop("type") == "bitcoin"
    anchor = read_anchor(example)
    transaction = check_anchor_transaction(anchor)
    check_anchor_header(anchor, NETWORKS["regtest"])
    assert anchor == ANCHOR
    assert find_payload(transaction).tree_size == 3


def test_hex_of_the_page_is_true() -> None:
    """The bytes that the page takes apart are those of the example, in this order."""
    fields = {"transaction": ANCHOR.transaction, "header": ANCHOR.header, "coinbase": ANCHOR.coinbase}
    shown = {}
    for block in blocks_of("hex"):
        name, *lines = block.splitlines()
        shown[name.removeprefix("# ")] = bytes.fromhex("".join(line.split("#")[0] for line in lines))
    assert fields == shown


def test_page_names_every_reason_and_every_network() -> None:
    """Each refusal of this module stands on the page by its name, as does each network's genesis hash."""
    page = SPEC.read_text()
    reached = {case["want_error"] for case in CASES if "want_error" in case} - {"malformed"}
    assert not [reason for reason in reached if f"`{reason}`" not in page]
    for rules in NETWORKS.values():
        row = f"| {rules.name} | `{hash_hex(rules.genesis_hash)}` | `{rules.message_start.hex()}` |"
        assert row in page
        assert f"`{bits_from_target(rules.pow_limit):08x}`" in page
