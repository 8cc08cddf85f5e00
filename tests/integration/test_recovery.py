"""A thread lost on a real node, to a double of the service and to a thief: detected, and the log goes on.

Needs a bitcoind (BITCOIND or PATH); without one the tests are skipped and say so.
"""

import json
import os

import pytest

from anchor.bitcoin.core_rpc import CoreSource
from anchor.bitcoin.json_rpc import Cookie
from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.wallet import Wallet
from anchor.proof.bitcoin.transaction import OutPoint
from tests.forked import run_forked
from tests.homes import copy_home
from tests.integration.conftest import MATURE, NOBODY, Operator
from tests.node import Node
from tests.simulators.bitcoin import payment
from tests.simulators.service import coin_at

pytestmark = [pytest.mark.node, pytest.mark.slow]

THIEF = b"\x00\x14" + bytes(20)


def take(operator: Operator, node: Node) -> None:
    """Spend the thread coin with the wallet's own key, to a thief."""
    regtest = NETWORKS["regtest"]
    wallet = Wallet.read(regtest, operator.home / "keys" / "wallet.json")
    newest = operator.facts("status")["attempts"][0]
    source = CoreSource(node.url, regtest, Cookie(node.cookie))
    coin = coin_at(source, wallet.script, OutPoint(bytes.fromhex(newest["txid"])[::-1], 0))
    node.call("sendrawtransaction", wallet.sign(payment(coin, THIEF), [coin]).hex())
    source.close()
    node.call("generatetodescriptor", 1, NOBODY)


def begun(operator: Operator) -> dict[str, bytes]:
    """Make a funded log with two anchored entries; return contents by name."""
    operator.init_and_fund()
    operator.run("chain", "create", "acme")
    contents = {name: f"content of {name}".encode() for name in ("first", "second")}
    for name, content in contents.items():
        operator.record(name, content)
        operator.anchor()
    return contents


def finish(operator: Operator, node: Node, address: str, *options: str) -> None:
    """Pay the new thread, sign, wait until the coin is deep, seal and anchor."""
    node.call("generatetoaddress", 1, address)
    facts = operator.facts("recover", "thread", "--recovery-key", operator.home / "keys" / "recovery.pem", *options)
    assert (True, 1) == (facts["signed"], facts["confirmations"])
    (operator.home / "keys" / "recovery.pem").rename(operator.folder / "safe.pem")
    node.call("generatetodescriptor", MATURE, NOBODY)
    operator.run("seal")
    assert "send" == operator.facts("tick")["did"]
    node.call("generatetodescriptor", 6, NOBODY)
    assert "final" == operator.look()["state"]
    assert [] == operator.facts("status")["alerts"]


def check_all(operator: Operator, contents: dict[str, bytes]) -> None:
    """Every content verifies with the card of now and the node's word; the audit is clean."""
    for index, (name, content) in enumerate(contents.items(), 1):
        assert content == (operator.folder / name).read_bytes()
        path = operator.receipt(f"acme:{index}", name)
        assert "INTACT" in operator.verify(operator.folder / name, path, *operator.by_node)
    assert "all hold" in operator.run("audit")
    assert 2 == len(json.loads(operator.card.read_text())["thread"])


def test_a_thief_takes_the_coin_and_the_log_goes_on(operator: Operator, node: Node) -> None:
    """Nothing is signed until the operator says so; with a new key and one signature all entries are proved."""
    contents = begun(operator)
    take(operator, node)
    contents["third"] = b"content of third"
    operator.record("third", contents["third"])
    before = operator.facts("status")["checkpoint"]
    for command in ("seal", "tick"):
        assert "recover thread" in operator.run(command, rc=1)
    facts = operator.facts("status")
    assert before == facts["checkpoint"]
    assert ["thread-lost"] == [alert["name"] for alert in facts["alerts"]]
    address = operator.facts("recover", "thread", "--new-wallet")["address"]
    assert operator.facts("seal")["sealed"]
    finish(operator, node, address)
    check_all(operator, contents)


def test_a_double_with_the_same_key_anchors_on_and_the_log_goes_on(operator: Operator, node: Node) -> None:
    """A copied home, on another machine, wrote and anchored its own history: refused by name, then replaced."""
    contents = begun(operator)
    double = copy_home(operator.home, operator.folder / "double")
    elsewhere = {**os.environ, "XDG_STATE_HOME": str(operator.folder / "elsewhere")}

    def run_double(*arguments: object) -> None:
        done = run_forked(*arguments, "--home", double, cwd=operator.folder, environment=elsewhere)
        assert 0 == done.exit_code, done.err

    (operator.folder / "other").write_bytes(b"another history")
    run_double("add", "acme", operator.folder / "other")
    run_double("seal")
    run_double("tick", "--now")
    node.call("generatetodescriptor", 1, NOBODY)
    contents["third"] = b"content of third"
    operator.record("third", contents["third"])
    assert "another service uses the same key" in operator.run("seal", rc=1)
    assert ["behind"] == [alert["name"] for alert in operator.facts("status")["alerts"]]
    assert "--keep-this-history" in operator.run("recover", "thread", "--new-wallet", rc=1)
    address = operator.facts("recover", "thread", "--new-wallet", "--keep-this-history")["address"]
    finish(operator, node, address)
    check_all(operator, contents)
