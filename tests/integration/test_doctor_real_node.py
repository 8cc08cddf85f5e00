"""``doctor`` and ``daemon --dry-run`` against a real bitcoind: what they say is what the node says.

Needs a bitcoind (BITCOIND or PATH); without one the tests are skipped and say so.
"""

import json
from typing import Any

import pytest

from tests.homes import state_of
from tests.integration.conftest import NOBODY, Operator
from tests.node import Node

pytestmark = [pytest.mark.node, pytest.mark.slow]


def by_check(operator: Operator, rc: int = 0) -> dict[str, dict[str, Any]]:
    """Run the doctor; return its checks by name (of several findings of one check the last)."""
    facts = json.loads(operator.run("doctor", "--json", rc=rc))
    return {each["check"]: each for each in facts["checks"]}


def test_a_dry_run_says_what_the_node_would_mine(operator: Operator, node: Node) -> None:
    """Nothing reaches the node's mempool and no row changes; then the tick sends exactly that transaction."""
    operator.init_and_fund()
    operator.run("chain", "create", "acme")
    operator.run("seal")
    before = state_of(operator.home)
    said = json.loads(operator.run("daemon", "--dry-run", "--json"))
    assert "send" == said["would"]
    assert ([], before) == (node.call("getrawmempool"), state_of(operator.home))
    assert "send" == operator.facts("tick")["did"]
    (txid,) = node.call("getrawmempool")
    entry = node.call("getmempoolentry", txid)
    anchor = said["anchor"]
    assert (txid, anchor["fee_sat"]) == (anchor["txid"], int(entry["fees"]["base"] * 100_000_000))
    assert 0 <= anchor["virtual_size"] - entry["vsize"] <= 1
    script = node.call("getrawtransaction", txid, 1)["vout"][1]["scriptPubKey"]["hex"]
    assert "6a28" + anchor["payload"] == script
    again = json.loads(operator.run("daemon", "--dry-run", "--json"))
    assert ("wait", [txid]) == (again["would"], [attempt["txid"] for attempt in again["attempts"]])


def test_the_doctor_and_the_node(operator: Operator, node: Node) -> None:
    """A running node is fine, a stopped one an error; either way everything else is examined, and no secret shown."""
    operator.init_and_fund()
    operator.run("chain", "create", "acme")
    operator.anchor()
    node.call("generatetodescriptor", 1, NOBODY)
    checks = by_check(operator)
    assert str(node.call("getblockcount")) in checks["source"]["found"]
    assert {"ok"} == {checks[name]["level"] for name in ("source", "clock", "in-step", "funds", "last-anchor", "disk")}
    cookie = node.cookie.read_text().partition(":")[2]
    node.stop()
    checks = by_check(operator, rc=1)
    assert ("error", "not checked") == (checks["source"]["level"], checks["in-step"]["level"])
    assert {"ok"} == {checks[name]["level"] for name in ("funds", "disk", "database", "keys")}
    words = json.loads((operator.home / "keys" / "wallet.json").read_text())["plain"]["mnemonic"]
    shown = operator.run("doctor", rc=1)
    assert not [secret for secret in (cookie, words) if secret in shown]
    node.start()
    assert "ok" == by_check(operator)["source"]["level"]
