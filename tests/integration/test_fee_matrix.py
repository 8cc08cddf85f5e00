"""Fees against Bitcoin Core, through the command line: a full mempool, the cap, a coin that cannot pay for more.

Every story ends with one thread, every entry in a receipt that verifies, and fees in the journal equal to what the
chain shows. Needs a bitcoind (BITCOIND or PATH); without one the tests are skipped and say so.
"""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from anchor.fees import FEE_TARGET_BLOCKS
from tests.integration.conftest import MATURE, NOBODY, NOBODY_ELSE, Operator
from tests.node import Node, RpcFailure, running_node

pytestmark = [pytest.mark.node, pytest.mark.slow]

SAT = Decimal(10) ** -8
CAP = 50
WATCH = 100
# A data output of this size makes a transaction of about 95,000 vB; 60 of them overflow a mempool of 5 MB.
FILLER_BYTES, FILLERS = 95_000, 60
HOUR_S = 3600
REFUSED = -26


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A bitcoind with the smallest mempool there can be, whose transactions expire after an hour.

    It takes coins of OP_TRUE, so that a test needs no wallet of its own to play the other people.
    """
    options = ("-maxmempool=5", "-mempoolexpiry=1", "-acceptnonstdtxn=1", "-persistmempool=0")
    with running_node(tmp_path / "node", *options) as running:
        yield running


class Others:
    """The other people of this network: they own coins that anybody can spend, and find the blocks."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.spent = 0

    def blocks(self, count: int = 1, *transactions: str) -> None:
        """Find blocks that take these transactions (txids or raw) and nothing else of the mempool."""
        for _ in range(count):
            self.node.call("generateblock", NOBODY_ELSE, list(transactions))
            transactions = ()

    def pay(self, outputs: list[dict[str, object]], fee_sat: int) -> str:
        """Spend the next mature coinbase of OP_TRUE; what is not paid to ``outputs`` comes back to nobody."""
        self.spent += 1
        block = self.node.call("getblock", self.node.call("getblockhash", self.spent), 2)
        coinbase = block["tx"][0]
        assert "51" == coinbase["vout"][0]["scriptPubKey"]["hex"]
        paid = sum(Decimal(str(value)) for each in outputs for key, value in each.items() if key != "data")
        change = coinbase["vout"][0]["value"] - paid - fee_sat * SAT
        raw = self.node.call("createrawtransaction", [{"txid": coinbase["txid"], "vout": 0}], outputs)
        # The change goes to OP_TRUE, which createrawtransaction has no word for: output 0 is made by hand.
        script = b"\x51"
        output = int(change / SAT).to_bytes(8, "little") + bytes([len(script)]) + script
        whole = bytes.fromhex(raw)
        at = 4 + 1 + 36 + 1 + 4
        assert len(outputs) == whole[at]
        whole = whole[:at] + bytes([len(outputs) + 1]) + output + whole[at + 1 :]
        return str(self.node.call("sendrawtransaction", whole.hex(), 0))

    def fill_mempool(self, rate_sat_per_vb: int) -> float:
        """Fill the mempool at this rate until it evicts; return what it asks for afterwards, in sat/vB."""
        for number in range(FILLERS):
            fee = (FILLER_BYTES + 200) * (rate_sat_per_vb + number % 3)
            try:
                self.pay([{"data": "00" * FILLER_BYTES}], fee)
            except RpcFailure as error:
                if error.code != REFUSED:
                    raise
                break  # full, and this one does not pay enough to evict another
        return float(self.node.call("getmempoolinfo")["mempoolminfee"] / SAT / 1000)


@pytest.fixture
def others(node: Node) -> Others:
    """The others, with enough mature coins to fill the mempool twice."""
    node.call("generatetodescriptor", 2 * FILLERS + MATURE, NOBODY)
    return Others(node)


@pytest.fixture
def funded(operator: Operator, node: Node, others: Others) -> Operator:
    """An operator whose first anchor is in a block and whose second is in the mempool, with entries in both."""
    node.call("generatetoaddress", 1, operator.init())
    node.call("generatetodescriptor", MATURE - 1, NOBODY_ELSE)
    operator.run("chain", "create", "acme")
    record(operator, "first")
    operator.anchor()
    record(operator, "second")
    assert "send" == operator.facts("tick", "--now")["did"]
    assert "seen" == operator.look()["state"]
    return operator


ENTRIES: dict[Path, dict[str, str]] = {}
"""Entry hashes by file name, of each operator's folder."""


def record(operator: Operator, name: str) -> None:
    """Record a file and seal it."""
    ENTRIES.setdefault(operator.folder, {})[name] = operator.record(name, name.encode())
    operator.run("seal")


def attempts(operator: Operator) -> list[dict[str, Any]]:
    """Return the facts of all attempts, oldest first."""
    found: list[dict[str, Any]] = operator.facts("status")["attempts"]
    assert len(found) < 10, "status shows the newest ten"
    return found[::-1]


def alerts(facts: dict[str, Any]) -> set[str]:
    return {alert["name"] for alert in facts["alerts"]}


def check_end(operator: Operator, node: Node) -> None:
    """One thread, every entry in a receipt that verifies, and the journal's fees are those that the chain shows."""
    operator.run("seal")
    mined = {item["txid"]: item for item in attempts(operator) if item["state"] in {"confirmed", "final"}}
    line, fees = [], Decimal(0)
    for height in range(1, node.call("getblockcount") + 1):
        block = node.call("getblock", node.call("getblockhash", height), 2)
        for transaction in block["tx"][1:]:
            if transaction["txid"] in mined:
                assert height == mined[transaction["txid"]]["block"]["height"]
                line.append(transaction)
                fees += transaction["fee"]
    assert len(mined) == len(line)
    assert [(each["txid"], 0) for each in line[:-1]] == [
        (each["vin"][0]["txid"], each["vin"][0]["vout"]) for each in line[1:]
    ]
    assert fees / SAT == sum(item["fee_sat"] for item in mined.values())
    for name, entry in ENTRIES[operator.folder].items():
        path = operator.receipt(entry, name)
        assert "INTACT" in operator.verify(operator.folder / name, path, *operator.by_node)
    assert "all hold" in operator.run("audit")


def test_a_full_mempool_leads_to_a_higher_fee(funded: Operator, node: Node, others: Others) -> None:
    """The mempool fills up, evicts the attempt and refuses it; a version at the node's new minimum goes in."""
    (txid,) = node.call("getrawmempool")
    least = others.fill_mempool(rate_sat_per_vb=10)
    assert txid not in node.call("getrawmempool")
    assert 10 <= least < CAP
    assert "second look" in funded.facts("tick")["why"]
    others.blocks()
    facts = funded.facts("tick")
    assert ("wait", {"refused"}) == (facts["did"], alerts(facts) & {"refused"})
    facts = funded.facts("tick")
    assert ("send", set()) == (facts["did"], alerts(facts) & {"refused"})
    new = attempts(funded)[-1]
    assert new["txid"] in node.call("getrawmempool")
    assert least * 161 <= new["fee_sat"] + 1
    others.blocks(1, new["txid"])
    assert "confirmed" == funded.look()["state"]
    check_end(funded, node)


def test_above_the_cap_the_attempt_is_held_until_fees_fall(funded: Operator, node: Node, others: Others) -> None:
    """The node asks for more than the cap: one version at the cap, alerts, and it goes in when fees have fallen."""
    least = others.fill_mempool(rate_sat_per_vb=CAP + 10)
    assert least > CAP
    for _ in range(4):
        others.blocks()
        facts = funded.facts("tick")
    assert {"fee-cap-reached", "refused"} <= alerts(facts)
    assert {"fee-cap-reached", "refused"} <= alerts(funded.facts("status"))
    assert 161 * CAP == attempts(funded)[-1]["fee_sat"]
    assert 3 == len(attempts(funded))
    node.call("generatetodescriptor", 4, NOBODY_ELSE)
    now_s = node.call("getblockheader", node.call("getbestblockhash"))["time"]
    node.call("setmocktime", now_s + 6 * HOUR_S)  # the minimum halves every three hours while the mempool is empty
    facts = funded.facts("tick")
    assert ("send", set()) == (facts["did"], alerts(facts) & {"refused"}), (facts, node.call("getmempoolinfo"))
    node.call("generatetodescriptor", 1, NOBODY_ELSE)
    assert "confirmed" == funded.look()["state"]
    check_end(funded, node)


def test_an_attempt_that_cannot_pay_for_more_is_replaced_with_a_payment(
    operator: Operator, node: Node, others: Others
) -> None:
    """The coin pays for a first version and for no second; a payment that has grown deep since joins the second."""
    address = operator.init()
    others.pay([{address: "0.00001400"}], 1_000)
    node.call("generatetodescriptor", WATCH, NOBODY_ELSE)
    operator.run("chain", "create", "acme")
    record(operator, "first")
    operator.run("tick", "--now")
    record(operator, "second")
    for _ in range(FEE_TARGET_BLOCKS):
        others.blocks(1, others.pay([{"data": "00" * 32}], 1_000))
    assert "cannot pay for more" in operator.facts("tick", "--now")["why"]
    payment = others.pay([{address: "0.00100000"}], 1_000)
    others.blocks(1, payment)
    others.blocks(WATCH)
    assert "send" == operator.facts("tick", "--now")["did"]
    first, second = attempts(operator)
    assert ("replaced", [second["txid"]]) == (first["state"], node.call("getrawmempool"))
    node.call("generatetodescriptor", 1, NOBODY_ELSE)
    assert "confirmed" == operator.look()["state"]
    check_end(operator, node)
