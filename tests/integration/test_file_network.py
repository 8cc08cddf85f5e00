"""A network that Anchorline does not know, from a file, on a real node: funded, anchored on, watched, synchronised.

The node runs regtest, which the file describes under a name and a message start of its own. Needs a bitcoind.
"""

import json
from pathlib import Path

import pytest

from anchor.bitcoin.header_rules import HEADER_RULES
from tests.integration.conftest import MATURE, NOBODY, Operator
from tests.node import Node

pytestmark = [pytest.mark.node, pytest.mark.slow]

RECORD = f"""
[networks.testnet5]
genesis_header = "{HEADER_RULES["regtest"].genesis.hex()}"
message_start = "74657374"
pow_limit_bits = "207fffff"
proof_of_work_note = "A network for tests."
address_hrp = "bcrt"
p2p_port = 58333
rpc_port = 58332
period = 144
retargets = false
eases_after_s = 1200
watch_depth = 12
final_depth = 4
spending_cap_sat = 100_000
"""


@pytest.fixture
def stranger(operator: Operator, node: Node) -> Operator:
    """A home on the network of the file, with a coin that is deep enough to start a thread."""
    path = operator.folder / "networks.toml"
    path.write_text(RECORD)
    made = operator.facts(
        "init",
        *("--origin", "test.anchorline.example", "--network-file", path, "--no-password"),
        *("--core-url", node.url, "--core-cookie-file", node.cookie),
    )
    node.call("generatetoaddress", 1, made["address"])
    node.call("generatetodescriptor", MATURE - 1, NOBODY)
    return operator


def test_a_network_from_a_file_carries_a_log(stranger: Operator, node: Node, tmp_path: Path) -> None:
    """Anchors become final at the record's depth, headers are judged by its rules, and a verifier is told the truth."""
    stranger.run("chain", "create", "acme")
    entry = stranger.record("file", b"content")
    assert "confirmed" == stranger.anchor(blocks=3)["state"]
    node.call("generatetodescriptor", 1, NOBODY)
    assert "final" == stranger.look()["state"]
    assert "testnet5" == stranger.facts("status")["network"]

    stores = ("--store", tmp_path / "stores")
    synced = stranger.facts("headers", "sync", *stores)
    height = int(node.call("getblockcount"))
    assert ("testnet5", height, node.call("getbestblockhash")) == (
        synced["network"],
        synced["tip"]["height"],
        synced["tip"]["block"],
    )
    shown = stranger.facts("headers", "show", "--network", "testnet5", *stores)
    assert synced["tip"] == shown["tip"]

    receipt = stranger.receipt(entry, "file")
    verdict = json.loads(stranger.verify(stranger.folder / "file", receipt, "--json", rc=4))
    (step,) = [step for step in verdict["steps"] if step["number"] == 12]
    assert ("not checked", True) == (step["state"], "is unknown to this version" in step["text"])

    networks = ("--networks", stranger.folder / "networks.toml")
    headers = tmp_path / "headers.txt"
    stranger.run("headers", "export", headers)
    for trusted in (("--headers", headers), ("--header-store", tmp_path / "stores"), stranger.by_node):
        said = stranger.verify(stranger.folder / "file", receipt, *networks, *trusted, "--depth", 4)
        assert "INTACT" in said
        assert "of testnet5" in said
    stranger.verify(stranger.folder / "file", receipt, "--headers", headers, rc=2)

    stranger.run("mirror", tmp_path / "mirror")
    card = ("--log", stranger.home / "log-card.json")
    mirrored = stranger.facts("thread", "--mirror", tmp_path / "mirror", *card, *networks, *stranger.by_node[:-2])
    assert mirrored["outcome"] == stranger.facts("thread")["outcome"] == "one history"
