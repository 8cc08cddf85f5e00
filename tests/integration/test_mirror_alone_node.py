"""The service is deleted: what a mirror made while it was written is worth, with the test's own Bitcoin Core.

Needs a bitcoind (BITCOIND or PATH); without one the test is skipped and says so.
"""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anchor.bitcoin.core_rpc import CoreSource
from anchor.bitcoin.json_rpc import Cookie
from anchor.bitcoin.networks import NETWORKS
from anchor.proof.mirror_receipts import MirrorReceipts, Place
from anchor.proof.receipt import LogCard, Receipt
from anchor.proof.verify import Outcome
from chains.access import Role
from chains.mirror_folder import fetch_from
from tests.integration.conftest import Operator
from tests.simulators.api_server import ApiServer, make_key, serving
from tests.simulators.published import check_whole
from tests.simulators.service import judge

pytestmark = [pytest.mark.node, pytest.mark.slow]

# Blocks of a test come as fast as they can, and their times run ahead: no gap is too long here.
NO_GAP = ("--max-gap", 10_000)


@contextmanager
def writing(server: ApiServer, key: str, chain_id: str) -> Iterator[list[str]]:
    """Write one entry after another until the end; yield the hashes of those that were acknowledged."""
    stop, acknowledged = threading.Event(), list[str]()

    def write() -> None:
        with server.client(key) as client:
            while not stop.wait(0.02):
                answer = client.post(f"/v1/chains/{chain_id}/entries", content=b"%d" % len(acknowledged))
                acknowledged.append(answer.json()["entry_hash"])

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield acknowledged
    finally:
        stop.set()
        thread.join()


def test_all_that_is_left_is_a_mirror_and_the_keys(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every receipt is made of the mirror and verifies, and says what was said later; a service made of it goes on."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    operator.init_and_fund()
    made = json.loads(operator.run("chain", "create", "acme", "--visibility", "public", "--json"))
    chain_id, public, backup = str(made["chain_id"]), tmp_path / "public", tmp_path / "backup"
    # What an operator keeps apart: the keys, and the settings.
    shutil.copytree(operator.home / "keys", backup / "keys")
    shutil.copy(operator.home / "anchorline.toml", backup)
    key = make_key(operator.home, "", Role.OPERATOR)
    with serving(operator.home) as server, writing(server, key, chain_id) as acknowledged:
        for _ in range(3):
            operator.anchor()
            operator.plain("mirror", server.url, public, "--log", operator.card)
            check_whole(public)
    retraction = json.loads(operator.run("retract", f"{chain_id}:1", "--reason", "not so", "--json"))["entry_hash"]
    operator.anchor()
    operator.run("mirror", public)
    card = LogCard.decode(operator.card.read_bytes())
    shutil.copy(operator.card, tmp_path / "card.json")
    shutil.rmtree(operator.home)

    # Nobody is left to ask: every acknowledged entry has its receipt, and it verifies.
    receipts = MirrorReceipts(fetch_from(public))
    source = CoreSource(operator.node.url, NETWORKS["regtest"], Cookie(operator.node.cookie))
    made_of_mirror = [receipts.make(Place(bytes.fromhex(chain_id), index)) for index in range(len(acknowledged) + 2)]
    assert [*acknowledged, retraction] == [receipt.entry.hash.hex() for receipt in made_of_mirror[1:]]
    for index, receipt in enumerate(made_of_mirror):
        outcome = judge(Receipt.decode(receipt.encode()), card, source).outcome
        assert (Outcome.CORRECTED if index == 1 else Outcome.INTACT) == outcome
    source.close()

    # A new service from the mirror and the keys: the same log goes on.
    again = Operator(tmp_path, operator.node)
    again.home = tmp_path / "again"
    again.card = again.home / "log-card.json"
    settings = ("--settings", backup / "anchorline.toml", "--keys", backup / "keys")
    restored = json.loads(again.plain("restore", public, again.home, *settings, "--json"))
    assert (len(acknowledged) + 2, 4) == (restored["entries"], restored["anchors_adopted"])
    entry = again.record("afterwards", b"afterwards", chain=chain_id)
    anchored = again.anchor()
    assert "all hold" in again.run("audit")
    again.verify(again.folder / "afterwards", again.receipt(entry, "afterwards"), *again.by_node)

    # One log, one thread, one history; whoever copied the old service goes on with the new one.
    again.run("mirror", tmp_path / "new", "--chain", chain_id)
    again.plain("mirror", tmp_path / "new", public, "--log", tmp_path / "card.json")
    node = ("--node-url", operator.node.url, "--node-cookie-file", operator.node.cookie)
    verdict = json.loads(
        again.plain("thread", "--mirror", public, "--log", tmp_path / "card.json", *node, *NO_GAP, "--json")
    )
    assert ("one history", 5) == (verdict["outcome"], len(verdict["facts"]["anchors"]))
    assert anchored["txid"] == verdict["facts"]["anchors"][-1]["transaction"]
    assert card.log == LogCard.decode(again.card.read_bytes()).log
