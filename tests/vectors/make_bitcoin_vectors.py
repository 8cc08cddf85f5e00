"""Makes ``bitcoin.json`` and ``opentimestamps.json``: one made-up anchored entry, and what can be wrong with it.

Input is nothing but the constants in this file; hashes that stand for things outside the story are SHA-256 of
their description. The tests of ``anchor.proof.bitcoin`` and ``anchor.proof.opentimestamps`` run every case, as
the browser verifier can, and fail when this script would write other bytes than the files have:
``python -m tests.vectors.make_bitcoin_vectors`` in the repository's root writes them.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from anchor.proof import opentimestamps as ots
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.branch import merkle_path, merkle_root
from anchor.proof.bitcoin.hashes import hash_hex, sha256d
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.payload import encode_payload, payload_script
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from anchor.proof.bitcoin.work import target_from_bits

Case = dict[str, Any]

HEIGHT = 150
INDEX = 4
REGTEST_BITS = 0x207FFFFF
SEQUENCE = 0xFFFFFFFD  # replaceable (BIP 125)

MAINNET_GENESIS = bytes.fromhex(
    "01000000" + "00" * 32 + "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c"
)


def named(what: str) -> bytes:
    """Return a hash that stands for ``what``."""
    return hashlib.sha256(what.encode()).digest()


# The story: an entry, its chain, the directory, the anchor transaction, its block

CONTENT = b"Batch 7 left the plant at 09:30, sealed.\n"
SALT = named("salt")[:16]
COMMITMENT = hashlib.sha256(SALT + hashlib.sha256(CONTENT).digest()).digest()
CHAIN_ID = named("chain id")
ENTRY = b"\x01" + CHAIN_ID + COMMITMENT + bytes.fromhex("00 00 00 0000 00 0000")
CHAIN_SIBLINGS = named("entry 0"), named("entry 2")
DIRECTORY_SIBLINGS = named("leaf 0"), named("seal")
TREE_SIZE = 3


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node, RFC 9162."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def second_of_three(leaf: bytes, siblings: tuple[bytes, bytes]) -> bytes:
    """Return the root of a tree of three leaves, RFC 9162."""
    return node(node(siblings[0], hashlib.sha256(b"\x00" + leaf).digest()), siblings[1])


CHAIN_ROOT = second_of_three(ENTRY, CHAIN_SIBLINGS)
HEAD = b"\x12" + CHAIN_ID + TREE_SIZE.to_bytes(8, "big") + b"\xff" * 8 + CHAIN_ROOT
ROOT = second_of_three(HEAD, DIRECTORY_SIBLINGS)
SCRIPT = payload_script(encode_payload(TREE_SIZE, ROOT))
PAY = b"\x00\x14" + named("a key")[:20]


def transaction(*scripts: bytes, lock_time: int = 0, script: bytes = b"") -> Transaction:
    """Return a transaction that spends a coin of ours to these scripts, 100,000 satoshi and then 0 each."""
    outputs = tuple(TxOutput(0 if at else 100_000, each) for at, each in enumerate(scripts))
    spent = TxInput(OutPoint(named("thread coin"), 0), script, SEQUENCE)
    return Transaction(2, (spent,), outputs, lock_time)


def coinbase(script: bytes, previous: OutPoint | None = None) -> Transaction:
    """Return a coinbase with this script, or one that spends something, which no coinbase does."""
    previous = previous or OutPoint(bytes(32), 0xFFFFFFFF)
    return Transaction(2, (TxInput(previous, script, 0xFFFFFFFF),), (TxOutput(5_000_000_000, PAY),), 0)


def mine(root: bytes, bits: int) -> bytes:
    """Return a header with this root and enough work for ``bits``: on regtest every second nonce is."""
    for nonce in range(1 << 16):
        header = Header(0x20000000, named("block before"), root, 1_767_225_600, bits, nonce)
        if int.from_bytes(header.hash, "little") <= target_from_bits(bits):
            return header.encode()
    raise ValueError(f"expected a target that 65,536 nonces reach, found {bits:08x}")


def without_work(header: Header) -> Header:
    """Return the header with the first nonce that is not enough: on regtest every second one, and never far off."""
    target = target_from_bits(header.bits)
    tries = (replace(header, nonce=nonce) for nonce in range(1 << 16))
    return next(each for each in tries if int.from_bytes(each.hash, "little") > target)


ANCHOR_TX = transaction(PAY, SCRIPT)
COINBASE = coinbase(bytes.fromhex("029600") + b"/made for a test vector/")
TXIDS = [COINBASE.txid, *(named(f"transaction {at}") for at in range(1, 7))]
TXIDS[INDEX] = ANCHOR_TX.txid
ANCHOR = BitcoinAnchor(
    transaction=ANCHOR_TX.encode(),
    index=INDEX,
    path=merkle_path(TXIDS, INDEX),
    coinbase=COINBASE.encode(),
    coinbase_path=merkle_path(TXIDS, 0),
    header=mine(merkle_root(TXIDS), REGTEST_BITS),
    height=HEIGHT,
)

# CVE-2017-12842: the lock time was searched for until the txid could be the second half of a transaction of 64
# bytes, a search of 3.1 million hashes. The real block has the 64 bytes, and never this transaction.
FORGED_TX = transaction(
    PAY, payload_script(encode_payload(4_000_000, named("a root never anchored"))), lock_time=3_132_928
)
SMALL_TX = bytes.fromhex("0200000001") + named("the attacker's coin")[:27] + FORGED_TX.txid
ATTACKED_TXIDS = [COINBASE.txid, sha256d(SMALL_TX)]
FORGED_PATH = (SMALL_TX[:32], *merkle_path(ATTACKED_TXIDS, 1))
FORGED_INDEX = 3


def hexes(path: tuple[bytes, ...] | list[bytes]) -> list[str]:
    """Return hashes as they stand in a receipt: internal order, in hex."""
    return [each.hex() for each in path]


def anchor_json(anchor: BitcoinAnchor) -> dict[str, Any]:
    """Return the fields of an anchor as they stand in a receipt."""
    return {
        "transaction": anchor.transaction.hex(),
        "index": anchor.index,
        "path": hexes(anchor.path),
        "coinbase": anchor.coinbase.hex(),
        "coinbase_path": hexes(anchor.coinbase_path),
        "header": anchor.header.hex(),
        "height": anchor.height,
    }


def good(description: str, check: str, want: Any, **inputs: Any) -> Case:
    """Return a case that holds."""
    return {"description": description, "check": check, **inputs, "want": want}


def bad(description: str, check: str, error: str, **inputs: Any) -> Case:
    """Return a case that must be refused; ``error`` is a Reason, or "malformed"."""
    return {"description": description, "check": check, **inputs, "want_error": error}


# bitcoin.json


def transaction_cases() -> list[Case]:
    """Return the cases of check "transaction" and "strip": the form without witness, and how to get it."""
    raw = ANCHOR_TX.encode()
    empty, whole = raw[:4] + b"\x00\x01" + raw[4:-4], bytes.fromhex("02 02 aabb 01 cc")
    full = transaction(PAY, SCRIPT, script=bytes(4_000 - len(raw) - 2)).encode()
    over = transaction(PAY, SCRIPT, script=bytes(4_000 - len(raw) - 1)).encode()
    summary = {"txid": ANCHOR_TX.txid.hex(), "display": hash_hex(ANCHOR_TX.txid), "outputs": 2}
    full_summary = {"txid": sha256d(full).hex(), "display": hash_hex(sha256d(full)), "outputs": 2}

    def refused(description: str, data: bytes) -> Case:
        return bad(description, "transaction", "malformed", raw=data.hex(), limit=4_000)

    return [
        good("an anchor transaction", "transaction", summary, raw=raw.hex(), limit=4_000),
        good("a transaction of as many bytes as allowed", "transaction", full_summary, raw=full.hex(), limit=4_000),
        refused("one byte more than allowed", over),
        refused("a byte behind the transaction", raw + b"\x00"),
        refused("the last byte is missing", raw[:-1]),
        refused("nothing", b""),
        refused("the witness was not stripped", empty + whole + raw[-4:]),
        refused("no input", raw[:4] + b"\x00" + raw[46:]),
        refused("no output", raw[:46] + b"\x00" + raw[-4:]),
        refused("the number of inputs in three bytes", raw[:4] + bytes.fromhex("fd0100") + raw[5:]),
        refused("the number of inputs in five bytes", raw[:4] + bytes.fromhex("fe01000000") + raw[5:]),
        refused("the number of inputs in nine bytes", raw[:4] + bytes.fromhex("ff0100000000000000") + raw[5:]),
        refused("a script's length in three bytes", raw[:41] + bytes.fromhex("fd0000") + raw[42:]),
        refused("more inputs than bytes", raw[:4] + bytes.fromhex("feffffffff") + raw[5:]),
        refused("more outputs than bytes", raw[:46] + bytes.fromhex("fc") + raw[47:]),
        refused("a script longer than the transaction", raw[:41] + bytes.fromhex("fdffff") + raw[42:]),
        good("no witness to strip", "strip", raw.hex(), raw=raw.hex()),
        good("a witness to strip", "strip", raw.hex(), raw=(empty + whole + raw[-4:]).hex()),
        bad("every witness is empty", "strip", "malformed", raw=(empty + b"\x00" + raw[-4:]).hex()),
        bad("another mark than 00 01", "strip", "malformed", raw=(raw[:4] + b"\x00\x02" + raw[4:]).hex()),
        bad("a witness is missing", "strip", "malformed", raw=(empty + raw[-4:]).hex()),
        bad("a byte behind the lock time", "strip", "malformed", raw=(empty + whole + raw[-4:] + b"\x00").hex()),
    ]


def header_cases() -> list[Case]:
    """Return the cases of check "header", "target" and "work"."""
    genesis = Header.decode(MAINNET_GENESIS)
    want = {
        "hash": "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
        "merkle_root": "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a",
        "time_s": 1231006505,
        "bits": "1d00ffff",
        "nonce": 2083236893,
    }
    regtest = Header.decode(ANCHOR.header)

    def work(description: str, header: Header, network: str, error: str) -> Case:
        return bad(description, "work", error, header=header.encode().hex(), network=network)

    def target(description: str, bits: str, want: str) -> Case:
        return good(description, "target", want.rjust(64, "0"), bits=bits)

    return [
        good("the genesis block of mainnet", "header", want, raw=MAINNET_GENESIS.hex()),
        bad("a header of 79 bytes", "header", "malformed", raw=MAINNET_GENESIS[:-1].hex()),
        bad("a header of 81 bytes", "header", "malformed", raw=MAINNET_GENESIS.hex() + "00"),
        target("the easiest target of mainnet", "1d00ffff", "ffff" + "00" * 26),
        target("the easiest target of regtest", "207fffff", "7fffff" + "00" * 29),
        target("a target of one byte", "01120000", "12"),
        target("a target of one byte, the others dropped", "01123456", "12"),
        target("a target of three bytes", "03123456", "123456"),
        target("a target of one byte at the top", "220000ff", "ff" + "00" * 31),
        bad("a target of zero", "target", "target-invalid", bits="1d000000"),
        bad("a target that shrinks to zero", "target", "target-invalid", bits="00123456"),
        bad("a negative target", "target", "target-invalid", bits="1d80ffff"),
        bad("a target of 257 bits", "target", "target-invalid", bits="22000100"),
        bad("a target of 264 bits", "target", "target-invalid", bits="21010000"),
        bad("a target far above 256 bits", "target", "target-invalid", bits="ff7fffff"),
        good(
            "mainnet's genesis block on mainnet", "work", want["hash"], header=MAINNET_GENESIS.hex(), network="mainnet"
        ),
        good(
            "a regtest block on regtest",
            "work",
            hash_hex(regtest.hash),
            header=ANCHOR.header.hex(),
            network="regtest",
        ),
        work("a regtest block on mainnet", regtest, "mainnet", "target-above-network-limit"),
        work("a regtest block on testnet4", regtest, "testnet4", "target-above-network-limit"),
        work("a regtest block on signet", regtest, "signet", "target-above-network-limit"),
        work("the nonce is another", replace(genesis, nonce=genesis.nonce + 1), "mainnet", "proof-of-work-missing"),
        work("the root is another", replace(genesis, merkle_root=ROOT), "mainnet", "proof-of-work-missing"),
        work("the hash is less than twice the target", without_work(regtest), "regtest", "proof-of-work-missing"),
        work("a harder target than the work", replace(regtest, bits=0x1D00FFFF), "regtest", "proof-of-work-missing"),
        work("a target above regtest's", replace(regtest, bits=0x2100FFFF), "regtest", "target-above-network-limit"),
        work("a negative target", replace(regtest, bits=0x20FFFFFF), "regtest", "target-invalid"),
    ]


def payload_cases() -> list[Case]:
    """Return the cases of check "payload": what an anchor transaction says, and where it may say it."""
    want = {"tree_size": TREE_SIZE, "root": ROOT.hex()}
    most = payload_script(encode_payload((1 << 40) - 1, ROOT))

    def found(description: str, *scripts: bytes, size: int = TREE_SIZE) -> Case:
        raw = transaction(*scripts).encode().hex()
        return good(description, "payload", {**want, "tree_size": size}, transaction=raw)

    def refused(description: str, error: str, *scripts: bytes) -> Case:
        return bad(description, "payload", error, transaction=transaction(*scripts).encode().hex())

    return [
        found("a payload in output 1", PAY, SCRIPT),
        found("a payload in output 1 of three", PAY, SCRIPT, PAY),
        found("another OP_RETURN of 40 bytes without the tag", PAY, SCRIPT, b"\x6a\x28" + bytes(40)),
        found("the largest size", PAY, most, size=(1 << 40) - 1),
        refused("only one output", "payload-missing", SCRIPT),
        refused("the payload is in output 0", "payload-missing", SCRIPT, PAY),
        refused("the payload is in output 2", "payload-missing", PAY, PAY, SCRIPT),
        refused("another tag", "payload-missing", PAY, SCRIPT[:4] + b"2" + SCRIPT[5:]),
        refused("another version of the tag's case", "payload-missing", PAY, SCRIPT[:2] + b"al1" + SCRIPT[5:]),
        refused("a byte behind the push", "payload-missing", PAY, SCRIPT + b"\x00"),
        refused("the last byte is missing", "payload-missing", PAY, SCRIPT[:-1]),
        refused("the push in its longer form", "payload-missing", PAY, b"\x6a\x4c" + SCRIPT[1:]),
        refused("a push of 41 bytes", "payload-missing", PAY, b"\x6a\x29" + SCRIPT[2:] + b"\x00"),
        refused("an empty script", "payload-missing", PAY, b""),
        refused("the payload twice", "payload-ambiguous", PAY, SCRIPT, SCRIPT),
        refused("another payload in output 0", "payload-ambiguous", most, SCRIPT),
        refused("the beginning of a payload in output 2", "payload-ambiguous", PAY, SCRIPT, SCRIPT[:5]),
    ]


def fold_cases() -> list[Case]:
    """Return the cases of check "fold": branches of Bitcoin's tree."""
    txids = [named(f"transaction {at}") for at in range(7)]
    five = txids[:5]
    path, last = merkle_path(txids, 5), merkle_path(five, 4)
    forged = [each.hex() for each in FORGED_PATH]
    doubled = [*txids[:6], txids[4], txids[5]]

    def fold(index: int, count: int) -> Case:
        some = txids[:count]
        return good(
            f"transaction {index} of {count}",
            "fold",
            merkle_root(some).hex(),
            leaf=some[index].hex(),
            index=index,
            path=hexes(merkle_path(some, index)),
        )

    def refused(description: str, error: str, leaf: bytes, index: int, path: list[str]) -> Case:
        return bad(description, "fold", error, leaf=leaf.hex(), index=index, path=path)

    return [
        *(fold(index, count) for count in (1, 2, 3, 5, 7) for index in range(count)),
        good(
            "a branch of 17 levels",
            "fold",
            long_fold(txids[0], 17).hex(),
            leaf=txids[0].hex(),
            index=0,
            path=hexes([named(f"level {at}") for at in range(17)]),
        ),
        refused("a branch of 18 levels", "branch-too-long", txids[0], 0, hexes([named("level")] * 18)),
        refused("an index one too large", "branch-index-out-of-range", txids[5], 8, hexes(path)),
        refused("the same index a whole tree further", "branch-index-out-of-range", txids[5], 13, hexes(path)),
        refused("a negative index", "branch-index-out-of-range", txids[5], -1, hexes(path)),
        refused("an index in a block of one", "branch-index-out-of-range", txids[0], 1, []),
        refused("a leaf of 31 bytes", "malformed", txids[5][:-1], 5, hexes(path)),
        refused("a sibling of 31 bytes", "malformed", txids[5], 5, [path[0].hex()[:-2], *hexes(path[1:])]),
        refused("a sibling of 33 bytes", "malformed", txids[5], 5, [*hexes(path[:2]), path[2].hex() + "00"]),
        refused(
            "the last transaction of five named as the one after it",
            "branch-duplicated-left-sibling",
            txids[4],
            5,
            hexes(last),
        ),
        refused(
            "a transaction of six, repeated with its neighbour as seventh and eighth",
            "branch-duplicated-left-sibling",
            txids[4],
            6,
            hexes(merkle_path(doubled, 6)),
        ),
        refused(
            "a transaction paired with itself although others follow",
            "branch-duplicated-left-sibling",
            txids[4],
            4,
            [txids[4].hex(), *hexes(path[1:])],
        ),
        refused(
            "paired with itself, and two levels above with another",
            "branch-duplicated-left-sibling",
            txids[4],
            4,
            [*hexes(last[:1]), named("what cannot follow").hex(), *hexes(last[2:])],
        ),
        refused(
            "the only transaction of a block, one level too deep",
            "branch-duplicated-left-sibling",
            txids[0],
            0,
            [txids[0].hex()],
        ),
        refused(
            "the left half of a tree paired with itself",
            "branch-duplicated-left-sibling",
            txids[0],
            0,
            [txids[1].hex(), merkle_root(txids[:2]).hex()],
        ),
        refused(
            "a forged transaction below one of 64 bytes (CVE-2017-12842)",
            "branch-inner-node-is-transaction",
            FORGED_TX.txid,
            FORGED_INDEX,
            forged,
        ),
    ]


def long_fold(leaf: bytes, levels: int) -> bytes:
    """Return the root above the leftmost leaf of a tree with made-up siblings."""
    for at in range(levels):
        leaf = sha256d(leaf + named(f"level {at}"))
    return leaf


def coinbase_cases() -> list[Case]:
    """Return the cases of check "coinbase": the height in it, BIP 34."""
    heights = {
        0: "00",
        1: "51",
        16: "60",
        17: "0111",
        127: "017f",
        128: "028000",
        255: "02ff00",
        32_767: "02ff7f",
        32_768: "03008000",
        840_000: "0340d10c",
        8_388_608: "0400008000",
        2_147_483_647: "04ffffff7f",
    }

    def refused(description: str, script: str, error: str = "not-a-coinbase") -> Case:
        return bad(description, "coinbase", error, raw=coinbase(bytes.fromhex(script)).encode().hex())

    raw = COINBASE.encode()
    two = replace(COINBASE, inputs=COINBASE.inputs * 2)
    elsewhere = OutPoint(named("a coin"), 0xFFFFFFFF), OutPoint(bytes(32), 0)
    return [
        *(
            good(f"height {height}", "coinbase", height, raw=coinbase(bytes.fromhex(push) + b"\x00").encode().hex())
            for height, push in heights.items()
        ),
        refused("a height below 17 pushed as data", "011000"),
        refused("height 0 pushed as data", "010000"),
        refused("a height with a zero byte too many", "02110000"),
        refused("a negative height", "018100"),
        refused("a height of five bytes", "05ffffffff0000"),
        refused("a height above a signed integer of 32 bits", "050000008000"),
        refused("a negative height of four bytes", "04ffffffff00"),
        refused("a push longer than the script", "0396"),
        refused("the push in a longer form", "4c01960000"),
        refused("OP_1NEGATE", "4f00"),
        refused("a script of one byte", "51"),
        refused("a script of 101 bytes", "51" + "00" * 100),
        bad(
            "it spends another transaction's output",
            "coinbase",
            "not-a-coinbase",
            raw=coinbase(b"QQ", elsewhere[0]).encode().hex(),
        ),
        bad(
            "it spends output 0 of nothing",
            "coinbase",
            "not-a-coinbase",
            raw=coinbase(b"QQ", elsewhere[1]).encode().hex(),
        ),
        bad("two inputs", "coinbase", "not-a-coinbase", raw=two.encode().hex()),
        bad("the last byte is missing", "coinbase", "not-a-coinbase", raw=raw[:-1].hex()),
        bad("its witness was not stripped", "coinbase", "not-a-coinbase", raw=(raw[:4] + b"\x00\x01" + raw[4:]).hex()),
        bad("nothing", "coinbase", "not-a-coinbase", raw=""),
        bad("a coinbase of 64 bytes", "coinbase", "transaction-of-64-bytes", raw=small_coinbase().hex()),
    ]


def small_coinbase() -> bytes:
    """Return a coinbase of 64 bytes, which could be taken for two hashes."""
    output = TxOutput(0, b"\x51")
    return Transaction(2, (TxInput(OutPoint(bytes(32), 0xFFFFFFFF), b"\x51\x51\x51", 0),), (output,), 0).encode()


def anchor_cases() -> list[Case]:
    """Return the cases of check "anchor": a transaction and the coinbase in a block."""
    header = Header.decode(ANCHOR.header)
    other_path = (named("a sibling"), *ANCHOR.path[1:])
    alone = BitcoinAnchor(COINBASE.encode(), 0, (), COINBASE.encode(), (), mine(COINBASE.txid, REGTEST_BITS), HEIGHT)
    attacked = mine(merkle_root(ATTACKED_TXIDS), REGTEST_BITS)
    short = merkle_path(ATTACKED_TXIDS, 0)
    fake_coinbase = coinbase(bytes.fromhex("029600") + b"/another/").encode()

    def refused(description: str, error: str, **changes: Any) -> Case:
        return bad(description, "anchor", error, anchor=anchor_json(replace(ANCHOR, **changes)))

    forged = {"transaction": FORGED_TX.encode(), "index": FORGED_INDEX, "path": FORGED_PATH, "header": attacked}
    return [
        good("an anchor in a block of seven", "anchor", ANCHOR_TX.txid.hex(), anchor=anchor_json(ANCHOR)),
        good("a block of only a coinbase", "anchor", COINBASE.txid.hex(), anchor=anchor_json(alone)),
        refused("the height is another", "coinbase-height-wrong", height=HEIGHT + 1),
        refused("the index is the neighbour's", "transaction-not-in-block", index=INDEX + 1),
        refused("the index is beyond the branch", "branch-index-out-of-range", index=INDEX + 8),
        refused("a sibling is another", "transaction-not-in-block", path=other_path),
        refused("two siblings changed places", "transaction-not-in-block", path=ANCHOR.path[::-1]),
        refused("the transaction is another", "transaction-not-in-block", transaction=FORGED_TX.encode()),
        refused("a value in the transaction is another", "transaction-not-in-block", transaction=changed_value()),
        refused("the branch lacks a level", "branch-lengths-differ", path=ANCHOR.path[:-1]),
        refused("the branch has a level too many", "branch-lengths-differ", path=(*ANCHOR.path, ROOT)),
        refused("the coinbase's branch lacks a level", "branch-lengths-differ", coinbase_path=ANCHOR.path[:-1]),
        refused(
            "both branches lack a level",
            "coinbase-not-in-block",
            path=ANCHOR.path[:-1],
            coinbase_path=ANCHOR.coinbase_path[:-1],
            index=0,
        ),
        refused("both branches are too long", "branch-too-long", path=(ROOT,) * 18, coinbase_path=(ROOT,) * 18),
        refused("the coinbase's branch is the transaction's", "coinbase-not-in-block", coinbase_path=ANCHOR.path),
        refused("the coinbase is of another block", "coinbase-not-in-block", coinbase=fake_coinbase),
        refused("the coinbase is the transaction", "not-a-coinbase", coinbase=ANCHOR.transaction),
        refused("the header is another's", "coinbase-not-in-block", header=replace(header, merkle_root=ROOT).encode()),
        refused("the header is cut", "malformed", header=ANCHOR.header[:-1]),
        refused("the transaction is cut", "malformed", transaction=ANCHOR.transaction[:-1]),
        refused("a sibling is cut", "malformed", path=(ANCHOR.path[0][:-1], *ANCHOR.path[1:])),
        refused(
            "the transaction has 64 bytes",
            "transaction-of-64-bytes",
            transaction=SMALL_TX,
            header=attacked,
            index=1,
            path=merkle_path(ATTACKED_TXIDS, 1),
            coinbase_path=short,
        ),
        refused("the coinbase has 64 bytes", "transaction-of-64-bytes", coinbase=small_coinbase()),
        refused(
            "a forged transaction below one of 64 bytes, with the true coinbase",
            "branch-lengths-differ",
            coinbase_path=short,
            **forged,
        ),
        refused(
            "a forged transaction below one of 64 bytes, the coinbase's branch stretched",
            "coinbase-not-in-block",
            coinbase_path=(*short, ROOT),
            **forged,
        ),
    ]


def changed_value() -> bytes:
    """Return the anchor transaction with one satoshi more in its output 0."""
    first, second = ANCHOR_TX.outputs
    return replace(ANCHOR_TX, outputs=(replace(first, value_sat=first.value_sat + 1), second)).encode()


# opentimestamps.json


def entry_steps() -> tuple[ots.Operation, ...]:
    """Return the operations from SHA-256(content) to the root of the block."""
    first, second = CHAIN_SIBLINGS
    third, fourth = DIRECTORY_SIBLINGS
    return (
        *ots.within(hashlib.sha256(CONTENT).digest(), SALT + hashlib.sha256(CONTENT).digest()),
        ots.SHA256,
        *ots.within(COMMITMENT, b"\x00" + ENTRY),
        ots.SHA256,
        *ots.right_step(first),
        *ots.left_step(second),
        *ots.within(CHAIN_ROOT, b"\x00" + HEAD),
        ots.SHA256,
        *ots.right_step(third),
        *ots.left_step(fourth),
        *ots.transaction_steps(ANCHOR.transaction, ROOT),
        *ots.block_steps(ANCHOR.index, ANCHOR.path),
    )


def steps_json(operations: tuple[ots.Operation, ...]) -> list[list[str]]:
    """Return operations as lists of a name and, where there is one, an argument in hex."""
    return [[each.name, each.argument.hex()] if each.argument else [each.name] for each in operations]


DIGEST = hashlib.sha256(CONTENT).digest()
MERKLE_ROOT = Header.decode(ANCHOR.header).merkle_root
PENDING = bytes.fromhex("0083dfe30d2ef90c8e")
AT_HEIGHT = bytes.fromhex("000588960d73d71901")
START = ots.MAGIC + bytes.fromhex("0108") + DIGEST


def attested(*parts: tuple[bytes | None, str, Any]) -> dict[str, Any]:
    """Return what a file says: each message (null if it cannot be computed here), and who attests it."""
    return {
        "hash": "sha256",
        "digest": DIGEST.hex(),
        "attestations": [
            {"message": message and message.hex(), "type": kind, "value": value} for message, kind, value in parts
        ],
    }


def file_cases() -> list[Case]:
    """Return the cases of check "file": whole detached files."""
    whole = ots.linear(DIGEST, entry_steps(), HEIGHT)
    pending = PENDING + bytes.fromhex("0e 0d") + b"https://a.b/c"
    appended = hashlib.sha256(DIGEST + b"\x01").digest()
    bitcoin = attested((MERKLE_ROOT, "bitcoin", HEIGHT))
    two = b"\xff" + pending + bytes.fromhex("f00101 08") + AT_HEIGHT + bytes.fromhex("02 9601")
    swapped = b"\xff" + bytes.fromhex("f00101 08") + AT_HEIGHT + bytes.fromhex("02 9601") + pending
    both = (DIGEST, "pending", "https://a.b/c"), (appended, "bitcoin", 150)
    unknown = bytes.fromhex("00 0102030405060708 03 aabbcc")
    ripemd = bytes.fromhex("03") + pending
    deep, deepest = b"\x08" * 256 + pending, b"\x08" * 255 + pending
    deepest_message = DIGEST
    for _ in range(255):
        deepest_message = hashlib.sha256(deepest_message).digest()
    long_argument = b"\xf0" + bytes.fromhex("e01f") + bytes(4_064)
    full_message = hashlib.sha256(DIGEST + bytes(4_064)).digest()

    large = [b"\xff\x00" + bytes([at] * 8) + bytes.fromhex("8040") + bytes(8_192) for at in range(7)]
    large.append(b"\x00" + bytes([7] * 8) + bytes.fromhex("8040") + bytes(8_192))

    def refused(description: str, rest: bytes, start: bytes = START) -> Case:
        return bad(description, "file", "malformed", file=(start + rest).hex())

    def read(description: str, rest: bytes, *parts: tuple[bytes | None, str, Any]) -> Case:
        return good(description, "file", attested(*parts), file=(START + rest).hex())

    return [
        good("an entry exported from a receipt", "file", bitcoin, file=whole.hex()),
        read("a calendar's promise", pending, (DIGEST, "pending", "https://a.b/c")),
        read("a promise and a block", two, *both),
        read("the same in another order than the stock client's", swapped, *both[::-1]),
        read("an attestation of an unknown kind", unknown, (DIGEST, "unknown", "0102030405060708aabbcc")),
        read("an operation that is not computed here", ripemd, (None, "pending", "https://a.b/c")),
        read("hexlify", b"\xf3" + pending, (DIGEST.hex().encode(), "pending", "https://a.b/c")),
        read("reverse", b"\xf2" + pending, (DIGEST[::-1], "pending", "https://a.b/c")),
        read("SHA-1", b"\x02" + pending, (hashlib.sha1(DIGEST).digest(), "pending", "https://a.b/c")),
        read("a message of 4,096 bytes", long_argument + b"\x08" + pending, (full_message, "pending", "https://a.b/c")),
        read("255 operations", deepest, (deepest_message, "pending", "https://a.b/c")),
        refused("256 operations", deep),
        refused("a message of 4,097 bytes", b"\xf0" + bytes.fromhex("e11f") + bytes(4_065) + pending),
        refused("an argument of 4,097 bytes", bytes.fromhex("f08120") + bytes(4_097) + pending),
        refused("an empty argument", bytes.fromhex("f000") + pending),
        refused("hexlify of more than 2,048 bytes", b"\xf0" + bytes.fromhex("e10f") + bytes(2_017) + b"\xf3" + pending),
        refused("an unknown operation", b"\x04" + pending),
        refused("two marks together", b"\xff\xff" + pending + pending),
        refused("a mark before the last item", b"\xff" + pending),
        refused("an operation without attestation", b"\x08"),
        refused("the same attestation twice", b"\xff" + pending + pending),
        refused("the same operation twice", b"\xff\x08" + pending + b"\x08" + AT_HEIGHT + b"\x01\x05"),
        refused(
            "the same operation twice, another between",
            b"\xff\x08" + pending + b"\xff\x02" + pending + b"\x08" + unknown,
        ),
        refused("a byte behind the timestamp", pending + b"\x00"),
        refused("an argument's length in two bytes", bytes.fromhex("f0810001") + pending),
        refused("a height in two bytes", AT_HEIGHT + bytes.fromhex("028500")),
        refused("a height above 32 bits", AT_HEIGHT + bytes.fromhex("058080808010")),
        refused("a byte behind a height", AT_HEIGHT + bytes.fromhex("020500")),
        refused("a height is missing", AT_HEIGHT + b"\x00"),
        refused("a payload of 8,193 bytes", bytes.fromhex("00 0102030405060708 8140") + bytes(8_193)),
        refused("an address with a query", PENDING + bytes.fromhex("0504") + b"a?b="),
        refused("an address of a byte above 127", PENDING + bytes.fromhex("0201e9")),
        refused("an address longer than its payload", PENDING + bytes.fromhex("0205") + b"a"),
        refused("an address of 1,001 bytes", PENDING + bytes.fromhex("eb07e907") + b"a" * 1_001),
        refused("a length of ten bytes", bytes.fromhex("f0" + "80" * 10 + "01") + pending),
        refused("another version", pending, ots.MAGIC + bytes.fromhex("0208") + DIGEST),
        refused("other magic bytes", pending, b"\x01" + START[1:]),
        refused("a file hashed by an operation that is no hash", pending, ots.MAGIC + bytes.fromhex("01f2") + DIGEST),
        refused("only the magic bytes", b"", ots.MAGIC),
        refused("the digest is cut", b"", START[:-1]),
        refused("nothing", b"", b""),
        refused("more than 65,536 bytes", b"".join(large)),
    ]


def linear_cases() -> list[Case]:
    """Return the cases of check "linear": straight lines of operations, written as a file."""
    steps = entry_steps()
    filler = (ots.SHA256,) * (255 - len(steps))

    def line(description: str, operations: tuple[ots.Operation, ...], digest: bytes = DIGEST) -> Case:
        return {
            "description": description,
            "check": "linear",
            "digest": digest.hex(),
            "operations": steps_json(operations),
            "height": HEIGHT,
        }

    full = written(filler + steps, HEIGHT)
    return [
        {**line("an entry", steps), "want": written(steps, HEIGHT).hex()},
        {**line("255 operations", filler + steps), "want": full.hex()},
        {**line("256 operations", (ots.SHA256, *filler, *steps)), "want_error": "malformed"},
        {**line("the last operation is missing", steps[:-2]), "want_error": "malformed"},
        {**line("a digest of 31 bytes", steps, DIGEST[:-1]), "want_error": "malformed"},
        {**line("a message of 4,097 bytes", (ots.append(bytes(4_065)), ots.SHA256)), "want_error": "malformed"},
    ]


def written(operations: tuple[ots.Operation, ...], height: int) -> bytes:
    """Return a file as the format says, without the code under test: heights here are below 16,384."""
    parts = [START]
    for operation in operations:
        parts.append(bytes([operation.tag]))
        if operation.argument:
            parts += [leb128(len(operation.argument)), operation.argument]
    return b"".join([*parts, AT_HEIGHT, bytes([len(leb128(height))]), leb128(height)])


def leb128(value: int) -> bytes:
    """Return a number below 16,384 as LEB128."""
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80, value >> 7])


def documents() -> dict[str, str]:
    """Return the text of each file by its name."""
    bitcoin = {
        "description": "Anchors in Bitcoin: docs/spec/bitcoin-anchor.md. Hashes are internal order unless a "
        "field is called display, hash, or bits and target (numbers, most significant digit first). "
        'want_error is a reason of docs/spec/receipt.md, or "malformed".',
        "cases": [
            *transaction_cases(),
            *header_cases(),
            *payload_cases(),
            *fold_cases(),
            *coinbase_cases(),
            *anchor_cases(),
        ],
    }
    opentimestamps = {
        "description": "OpenTimestamps files: docs/spec/opentimestamps-export.md. A file that is read must also "
        'be written back identically. want_error is always "malformed".',
        "cases": [*file_cases(), *linear_cases()],
    }
    return {
        "bitcoin.json": json.dumps(bitcoin, indent=1) + "\n",
        "opentimestamps.json": json.dumps(opentimestamps, indent=1) + "\n",
    }


if __name__ == "__main__":
    for name, text in documents().items():
        (Path(__file__).parent / name).write_text(text)
