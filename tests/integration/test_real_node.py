"""The whole way against Bitcoin Core, through the command line: each step is a new process, and the node has the word.

Needs a bitcoind (BITCOIND or PATH); without one the tests are skipped and say so.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.homes import ask, copy_home
from tests.integration.conftest import MATURE, NOBODY, NOBODY_ELSE, Operator
from tests.node import Node, running_node

pytestmark = [pytest.mark.node, pytest.mark.slow]

FINAL, WATCH = 6, 100


def anchors_in(node: Node) -> list[dict[str, Any]]:
    """Return every transaction of the best chain that is no coinbase, in order, as the node decodes it."""
    blocks = (node.call("getblock", node.call("getblockhash", height), 2) for height in range(1, tip(node) + 1))
    return [transaction for block in blocks for transaction in block["tx"][1:]]


def tip(node: Node) -> int:
    return int(node.call("getblockcount"))


def replace_newest(node: Node, depth: int) -> None:
    """Let a longer branch of empty blocks replace the newest ones."""
    node.call("invalidateblock", node.call("getblockhash", tip(node) - depth + 1))
    for _ in range(depth + 1):
        node.call("generateblock", NOBODY_ELSE, [])


def test_the_whole_way(operator: Operator, node: Node) -> None:
    """Three files, three anchors each spending the one before, and the node confirms every one of them."""
    operator.init_and_fund()
    operator.run("chain", "create", "acme")
    entries, attempts = [], []
    for number in range(3):
        entries.append(operator.record(f"file-{number}", b"content %d" % number))
        attempts.append(operator.anchor())
    assert ["confirmed"] * 3 == [attempt["state"] for attempt in attempts]
    mined = anchors_in(node)
    assert [attempt["txid"] for attempt in attempts] == [anchor["txid"] for anchor in mined]
    spent = [(anchor["vin"][0]["txid"], anchor["vin"][0]["vout"]) for anchor in mined]
    assert [(anchor["txid"], 0) for anchor in mined[:-1]] == spent[1:]
    node.call("generatetodescriptor", FINAL - 1, NOBODY)
    assert "final" == operator.look()["state"]
    receipts = [operator.receipt(entry, f"file-{number}") for number, entry in enumerate(entries)]
    for attempt, path in zip(attempts, receipts, strict=True):
        second_opinion(node, attempt, path)
    headers = operator.folder / "chain.headers"
    operator.run("headers", "export", headers)
    changed = operator.folder / "changed"
    for number, (attempt, path) in enumerate(zip(attempts, receipts, strict=True)):
        height = attempt["block"]["height"]
        by_block = ("--block", f"regtest:{height}:{attempt['block']['hash']}")
        file = operator.folder / f"file-{number}"
        ways: list[tuple[object, ...]] = [operator.by_node, by_block, ("--headers", headers)]
        for way in ways:
            assert "INTACT" in operator.verify(file, path, *way)
        changed.write_bytes(file.read_bytes() + b"!")
        operator.verify(changed, path, *ways[number], rc=1)
    other_block = f"regtest:{height}:{node.call('getblockhash', 1)}"
    operator.verify(file, path, "--block", other_block, rc=1)
    assert "all hold" in operator.run("audit")


def second_opinion(node: Node, attempt: dict[str, Any], path: Path) -> None:
    """The node's own proof names the transaction, and is of the block whose header the receipt carries."""
    proof = node.call("gettxoutproof", [attempt["txid"]], attempt["block"]["hash"])
    assert [attempt["txid"]] == node.call("verifytxoutproof", proof)
    (anchor,) = json.loads(path.read_bytes())["anchors"]
    assert proof[:160] == anchor["header"] == node.call("getblockheader", attempt["block"]["hash"], False)
    assert attempt["block"]["height"] == anchor["height"]


def test_the_node_would_carry_what_is_stored(operator: Operator, node: Node) -> None:
    """An anchor has two outputs, the payload of 40 bytes second, and the fee that the journal says."""
    operator.init_and_fund()
    operator.run("chain", "create", "acme")
    attempt = operator.anchor()
    (anchor,) = anchors_in(node)
    coin, payload = anchor["vout"]
    assert "witness_v0_keyhash" == coin["scriptPubKey"]["type"]
    assert payload["scriptPubKey"]["hex"].startswith("6a28" + b"AL1".hex())
    assert 42 == len(bytes.fromhex(payload["scriptPubKey"]["hex"]))
    size = int.from_bytes(bytes.fromhex(payload["scriptPubKey"]["hex"])[5:10], "big")
    assert attempt["checkpoint_size"] == size
    assert 5_000_000_000 - int(coin["value"] * 100_000_000) == attempt["fee_sat"]
    assert anchor["vsize"] * 2 <= attempt["fee_sat"] <= 161 * 2


def test_a_reorganisation_is_seen_and_the_receipt_remade(operator: Operator, node: Node) -> None:
    """The block of an anchor is invalidated: seen again, refused by verify; mined again: the receipt is remade."""
    operator.init_and_fund()
    operator.run("chain", "create", "acme")
    entry = operator.record("file", b"content")
    first = operator.anchor(blocks=2)
    path = operator.receipt(entry, "file")
    operator.verify(operator.folder / "file", path, *operator.by_node)
    old = path.read_bytes()
    replace_newest(node, 2)
    assert [first["txid"]] == node.call("getrawmempool")
    assert "seen" == operator.look()["state"]
    operator.verify(operator.folder / "file", path, *operator.by_node, rc=1)
    assert "left as it is" in operator.run("upgrade", path, rc=1)
    assert old == path.read_bytes()
    node.call("generatetodescriptor", 1, NOBODY)
    again = operator.look()
    assert ("confirmed", first["txid"]) == (again["state"], again["txid"])
    assert first["block"] != again["block"]
    operator.run("upgrade", path)
    assert old != path.read_bytes()
    operator.verify(operator.folder / "file", path, *operator.by_node)
    second_opinion(node, again, path)


def test_anchors_that_the_network_forgot_are_sent_again(operator: Operator, node: Node) -> None:
    """After a reorganisation the node is restarted without its mempool: two looks, then the same bytes once more."""
    operator.init_and_fund()
    operator.run("chain", "create", "acme")
    before = [operator.anchor()["txid"]]
    operator.record("file", b"content")
    before.append(operator.anchor()["txid"])
    replace_newest(node, 2)
    node.stop()
    node.start()
    assert [] == node.call("getrawmempool")
    operator.record("other", b"written meanwhile")
    operator.run("seal")
    for _ in range(5):
        operator.run("tick")
    assert sorted(before) == sorted(node.call("getrawmempool"))
    node.call("generatetodescriptor", 1, NOBODY)
    assert ["confirmed", "confirmed"] == [attempt["state"] for attempt in operator.facts("tick")["attempts"]]
    assert before == [anchor["txid"] for anchor in anchors_in(node)]
    operator.anchor()
    assert 3 == len(anchors_in(node))


def test_old_anchors_do_not_look_reorganised_to_a_node_without_index(operator: Operator, node: Node) -> None:
    """Days without a tick: the first anchor's outputs are spent, its block is old, and it is settled all the same."""
    operator.init_and_fund()
    operator.run("chain", "create", "acme")
    operator.anchor()
    operator.record("file", b"content")
    operator.anchor()
    node.call("generatetodescriptor", 3 * WATCH, NOBODY)
    assert [] == operator.facts("tick")["attempts"]
    assert ["final", "final"] == [attempt["state"] for attempt in operator.facts("status")["attempts"]]
    operator.record("other", b"content")
    assert "confirmed" == operator.anchor()["state"]
    mined = anchors_in(node)
    assert [anchor["txid"] for anchor in mined[:2]] == [anchor["vin"][0]["txid"] for anchor in mined[1:]]


@pytest.mark.parametrize("machine", ["same", "another"])
def test_a_restored_copy_signs_nothing(
    machine: str, operator: Operator, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Yesterday's copy is refused by what this machine has noted; on another machine, by what the network shows."""
    operator.init_and_fund()
    operator.run("chain", "create", "acme")
    operator.anchor()
    old = copy_home(operator.home, operator.folder / "old")
    operator.record("file", b"content")
    operator.anchor()
    if machine == "another":
        monkeypatch.setenv("XDG_STATE_HOME", str(operator.folder / "elsewhere"))
    before = signed_in(old)
    (operator.folder / "other").write_bytes(b"a second history")
    for command in (("add", "acme", operator.folder / "other"), ("seal",), ("tick", "--now")):
        assert "nothing was signed" in operator.run(*command, rc=1, home=old)
    assert before == signed_in(old)
    assert [] == node.call("getrawmempool")
    operator.record("more", b"the real home goes on")
    assert "confirmed" == operator.anchor()["state"]


def signed_in(home: Path) -> dict[str, int]:
    """Return what the log of a home has: checkpoints, leaves, promises and attempts."""
    tables = ("checkpoint", "directory_leaf", "group_commit", "attempt")
    return {table: int(ask(home, f"SELECT COUNT(*) FROM {table}")[0][0]) for table in tables}


def test_a_node_of_another_network_is_refused(operator: Operator, node: Node) -> None:
    """No home for testnet4 is made with a regtest node; one made while the node was down neither seals nor anchors."""
    where = ("--core-url", node.url, "--core-cookie-file", node.cookie, "--no-password")
    init = ("init", "--origin", "test.anchorline.example", "--network", "testnet4", *where)
    assert "expected the genesis block" in operator.run(*init, rc=1)
    node.stop()
    operator.run(*init)
    node.start()
    operator.run("chain", "create", "acme")
    for command in ("seal", "tick"):
        assert "expected the genesis block" in operator.run(command, rc=1)
    assert None is operator.facts("status")["checkpoint"]


def test_a_node_that_is_down_stops_signing_and_nothing_is_lost(operator: Operator, node: Node) -> None:
    """While the node is silent entries are taken, nothing is sealed or sent; afterwards everything goes on."""
    operator.init_and_fund()
    operator.run("chain", "create", "acme")
    operator.anchor()
    node.stop()
    entry = operator.record("file", b"content")
    for command in (("seal",), ("tick", "--now")):
        operator.run(*command, rc=1)
    node.start()
    operator.anchor()
    path = operator.receipt(entry, "file")
    assert "INTACT" in operator.verify(operator.folder / "file", path, *operator.by_node)


def test_without_money_it_says_what_to_do(operator: Operator, node: Node) -> None:
    """An unfunded log seals; its tick waits and says for what, and the address is in the status."""
    address = operator.init()
    operator.run("chain", "create", "acme")
    operator.run("seal")
    assert "not funded" in operator.facts("tick", "--now")["why"]
    status = operator.facts("status")
    assert (address, 0) == (status["wallet"]["address"], status["wallet"]["balance_sat"])
    node.call("generatetoaddress", 1, address)
    node.call("generatetodescriptor", MATURE - 1, NOBODY)
    operator.record("file", b"content")
    assert "confirmed" == operator.anchor()["state"]


def test_a_pruned_node_anchors_and_proves(tmp_path: Path) -> None:
    """What is proved was read while the node had the block: pruned since, receipts stay, and the next anchor works."""
    with running_node(tmp_path / "node", "-fastprune", "-prune=1") as pruned:
        operator = Operator(tmp_path, pruned)
        operator.init_and_fund()
        operator.run("chain", "create", "acme")
        entry = operator.record("file", b"content")
        first = operator.anchor()
        pruned.call("generatetodescriptor", 900, NOBODY)
        assert first["block"]["height"] < pruned.call("pruneblockchain", 600)
        path = operator.receipt(entry, "file")
        assert "INTACT" in operator.verify(operator.folder / "file", path, *operator.by_node)
        later = operator.record("later", b"more")
        assert "confirmed" == operator.anchor()["state"]
        path = operator.receipt(later, "later")
        assert "INTACT" in operator.verify(operator.folder / "later", path, *operator.by_node)
        assert "all hold" in operator.run("audit")
