"""Header stores and forged blocks against real nodes: what a third party is told when Bitcoin itself is played with.

Needs a bitcoind (BITCOIND or PATH); without one the tests are skipped and say so. Every command is a new process.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anchor.bitcoin.core_rpc import CoreSource
from anchor.bitcoin.header_rules import HEADER_RULES, HeaderRefusedError, HeaderRule, follow_all, genesis_end
from anchor.bitcoin.json_rpc import Cookie
from anchor.bitcoin.networks import NETWORKS
from anchor.proof.bitcoin.branch import fold_branch, merkle_path
from anchor.proof.bitcoin.hashes import hash_hex, sha256d
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.work import target_from_bits
from anchor.proof.errors import Reason, VerificationError
from tests.integration.conftest import NOBODY, NOBODY_ELSE, Operator
from tests.node import Node, RpcFailure, running_node

pytestmark = [pytest.mark.node, pytest.mark.slow]


@pytest.fixture
def anchored(operator: Operator, node: Node) -> tuple[Operator, Path, Path]:
    """A file, its receipt, and a block with its anchor below five others."""
    operator.init_and_fund()
    operator.run("chain", "create", "acme")
    entry = operator.record("file", b"content")
    operator.anchor(blocks=6)
    return operator, operator.folder / "file", operator.receipt(entry, "file")


def synced(operator: Operator, node: Node) -> Any:
    """Synchronise the verifier's store from a node; return the facts."""
    named = ("--network", "regtest", "--node-url", node.url, "--node-cookie-file", node.cookie)
    return json.loads(operator.plain("headers", "sync", *named, *stores(operator), "--json"))


def stores(operator: Operator) -> tuple[object, ...]:
    return ("--store", operator.folder / "stores")


def by_store(operator: Operator) -> tuple[object, ...]:
    return ("--header-store", operator.folder / "stores")


def test_a_store_vouches_until_a_reorganisation_is_synchronised(
    anchored: tuple[Operator, Path, Path], node: Node
) -> None:
    """With the node stopped the store answers; after a reorganisation it refuses the replaced block once it knows."""
    operator, file, receipt = anchored
    assert (int(node.call("getblockcount")), node.call("getbestblockhash")) == tuple(
        synced(operator, node)["tip"][name] for name in ("height", "block")
    )
    node.stop()
    said = operator.verify(file, receipt, *by_store(operator))
    assert "INTACT" in said
    assert f"synchronised from {node.url} at 20" in said
    operator.verify(file, receipt, rc=4)
    node.start()
    height = int(node.call("getblockcount"))
    node.call("invalidateblock", node.call("getblockhash", height - 5))
    for _ in range(7):
        node.call("generateblock", NOBODY_ELSE, [])
    stale = operator.verify(file, receipt, *by_store(operator))
    assert f"{height + 1} headers, tip {height} " in stale
    facts = synced(operator, node)
    assert (7, 6) == (facts["added"], facts["removed"])
    refused = json.loads(operator.verify(file, receipt, *by_store(operator), "--json", rc=1))
    assert ["block-is-not-the-given-one"] == refused["reasons"]


def test_a_fork_of_less_work_does_not_win(anchored: tuple[Operator, Path, Path], node: Node, tmp_path: Path) -> None:
    """A node that follows a chain of its own gives headers that all hold: ours has more work, stays, and vouches."""
    operator, file, receipt = anchored
    before = synced(operator, node)
    with running_node(tmp_path / "liar") as liar:
        liar.call("generatetodescriptor", int(node.call("getblockcount")) - 1, NOBODY_ELSE)
        facts = synced(operator, liar)
    assert (0, 0, 0, before["headers"] - 2) == tuple(facts[name] for name in ("fork", "added", "removed", "held"))
    assert (before["tip"], before["work"]) == (facts["tip"], facts["work"])
    assert "INTACT" in operator.verify(file, receipt, *by_store(operator))


@pytest.fixture
def bip94_node(tmp_path: Path) -> Iterator[Node]:
    """A regtest node that follows BIP 94."""
    with running_node(tmp_path / "bip94", "-test=bip94") as running:
        yield running


def mined(previous: Header, time_s: int) -> bytes:
    """Return a header with regtest's work on ``previous``; no block belongs to it."""
    target = target_from_bits(previous.bits)
    for nonce in range(1_000):
        raw = struct.pack("<i32s32sIII", 0x20000000, previous.hash, bytes(32), time_s, previous.bits, nonce)
        if int.from_bytes(sha256d(raw), "little") <= target:
            return raw
    raise AssertionError


@pytest.mark.parametrize(("back_s", "allowed"), [(600, True), (601, False)])
def test_the_node_and_the_rules_agree_about_a_timewarp(bip94_node: Node, back_s: int, allowed: bool) -> None:
    """The first header of a period may be 600 s before the last of the one before, and not 601 (BIP 94)."""
    bip94_node.call("generatetodescriptor", 142, NOBODY)
    now = int(bip94_node.call("getblockheader", bip94_node.call("getbestblockhash"))["time"])
    bip94_node.call("setmocktime", now + 3_600)
    bip94_node.call("generatetodescriptor", 1, NOBODY)
    source = CoreSource(bip94_node.url, NETWORKS["regtest"], Cookie(bip94_node.cookie))
    raws = source.headers_from(1, 143)
    source.close()
    tip = Header.decode(raws[-1])
    offered = mined(tip, tip.time_s - back_s)
    rules = replace(HEADER_RULES["regtest"], is_bip94=True)
    answers = []
    for ask in (
        lambda: bip94_node.call("submitheader", offered.hex()),
        lambda: follow_all(rules, genesis_end(rules), [*raws, offered], now + 3_600),
    ):
        try:
            ask()
            answers.append("taken")
        except HeaderRefusedError as error:
            answers.append("timewarp" if error.rule == HeaderRule.TIMEWARP else str(error))
        except RpcFailure as error:
            answers.append("timewarp" if "time-timewarp-attack" in str(error) else str(error))
    assert ["taken" if allowed else "timewarp"] * 2 == answers


def small_transaction(node: Node) -> bytes:
    """Return a transaction of exactly 64 bytes that spends a mature coin which anybody may spend."""
    block = node.call("getblock", node.call("getblockhash", 2), 2)
    coin = block["tx"][0]
    assert "51" == coin["vout"][0]["scriptPubKey"]["hex"]
    outpoint = bytes.fromhex(coin["txid"])[::-1] + struct.pack("<I", 0)
    raw = (
        b"".join((struct.pack("<i", 2), b"\x01", outpoint, b"\x00", b"\xff" * 4, b"\x01", struct.pack("<q", 1_000)))
        + b"\x04\x6a\x02\x00\x00"
        + bytes(4)
    )
    assert 64 == len(raw)
    return raw


def test_a_mined_transaction_of_64_bytes_fools_nobody(operator: Operator, node: Node) -> None:
    """The node mines it; a naive fold then proves a transaction that is not in the block; ours, and verify, refuse.

    CVE-2017-12842: its 64 bytes are a pair of hashes, too, the second of which its author may choose.
    """
    operator.init_and_fund()
    operator.run("chain", "create", "acme")
    entry = operator.record("file", b"content")
    operator.run("seal")
    txid = operator.facts("tick", "--now")["attempts"][-1]["txid"]
    small = small_transaction(node)
    block_hash = node.call("generateblock", NOBODY, [txid, small.hex()])["hash"]
    node.call("generatetodescriptor", 5, NOBODY)
    operator.look()
    receipt = operator.receipt(entry, "file")
    way = operator.by_node
    assert "INTACT" in operator.verify(operator.folder / "file", receipt, *way)

    block = node.call("getblock", block_hash, 1)
    txids = [bytes.fromhex(each)[::-1] for each in block["tx"]]
    assert hash_hex(sha256d(small)) == block["tx"][2]
    root = Header.decode(bytes.fromhex(node.call("getblockheader", block_hash, False))).merkle_root
    forged, path = small[32:], (small[:32], *merkle_path(txids, 2))
    assert root == naive_fold(forged, 5, path)
    with pytest.raises(VerificationError) as caught:
        fold_branch(forged, 5, path)
    assert Reason.BRANCH_INNER_NODE_IS_TRANSACTION == caught.value.reason

    whole = json.loads(receipt.read_bytes())
    honest = whole["anchors"][0]
    hexes = [each.hex() for each in path]
    for edited, reason in (
        ({"transaction": small.hex(), "index": 2, "path": hexes[1:]}, "transaction-of-64-bytes"),
        ({"coinbase": small.hex(), "coinbase_path": hexes[1:]}, "transaction-of-64-bytes"),
        ({"index": 5, "path": hexes}, "branch-lengths-differ"),
    ):
        assert edited.keys() <= honest.keys()
        receipt.write_text(json.dumps({**whole, "anchors": [{**honest, **edited}]}))
        verdict = json.loads(operator.verify(operator.folder / "file", receipt, *way, "--json", rc=1))
        assert reason in verdict["reasons"]


def naive_fold(leaf: bytes, index: int, path: tuple[bytes, ...]) -> bytes:
    """Fold a branch as a reader does who checks nothing."""
    node = leaf
    for level, sibling in enumerate(path):
        node = sha256d(sibling + node if index >> level & 1 else node + sibling)
    return node
