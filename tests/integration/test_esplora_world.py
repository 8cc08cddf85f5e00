"""The whole way over Esplora servers that misbehave: fund, seal, anchor, receipt, verdict, on a real node's chain.

Three servers show one bitcoind's chain; the home asks them through ``AgreeingSource`` and faults are put in between.
Whatever they do, a receipt names the node's own block, and what stops the service has a name.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from anchor.bitcoin.agreeing import AgreeingSource
from anchor.bitcoin.core_rpc import CoreSource
from anchor.bitcoin.esplora import EsploraSource
from anchor.bitcoin.http_retry import Patience, Surroundings
from anchor.bitcoin.json_rpc import Cookie
from anchor.bitcoin.networks import NETWORKS
from anchor.errors import DisagreementError, SourceError
from anchor.plan import Send
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.header import Header
from anchor.proof.receipt import Receipt
from anchor.proof.verify import Outcome
from chains.reader import Reader
from tests.integration.conftest import NOBODY, Operator
from tests.node import Node, running_node
from tests.simulators.esplora_server import EsploraServer, Fault, running_esplora
from tests.simulators.service import Service, judge, new_service

pytestmark = [pytest.mark.node, pytest.mark.slow]

REGTEST = NETWORKS["regtest"]
HASTE = Patience(tries=2, answer_s=2.0, first_wait_s=0.01, longest_wait_s=1.0, rest_s=0.0)
LIE = b"11" * 32
TOO_MANY = b'{"error":"Too many requests"}'

BROKEN: dict[str, Fault] = {
    "429": Fault(".*", status=429, body=TOO_MANY, instead=True),
    "429 for an hour": Fault(".*", status=429, headers={"Retry-After": "3600"}, body=TOO_MANY, instead=True),
    "429 as 200": Fault(".*", body=TOO_MANY, instead=True),
    "500": Fault(".*", status=500, body=b"Internal Server Error", instead=True),
    "a page": Fault(".*", body=b"<html>Checking your browser</html>", instead=True),
    "cut off": Fault(".*", kept=5),
    "cut and called whole": Fault(".*", edit=lambda body: body[:-1]),
    "reset": Fault(".*", reset=True, instead=True),
    "taken and reset": Fault("/tx", reset=True),
}


@dataclass(frozen=True)
class Stage:
    """A node, and three servers before it."""

    node: Node
    servers: tuple[EsploraServer, ...]

    def mine(self, count: int, script: str = NOBODY) -> None:
        """Mine blocks."""
        self.node.call("generatetodescriptor", count, script)

    def heal(self) -> None:
        """Let every server be honest and up to date."""
        for server in self.servers:
            server.faults, server.hidden_blocks = [], 0


@pytest.fixture(scope="module")
def _stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with ExitStack() as stack:
        node = stack.enter_context(running_node(tmp_path_factory.mktemp("stage"), "-txindex=1", "-txospenderindex=1"))
        servers = tuple(stack.enter_context(running_esplora(node)) for _ in range(3))
        yield Stage(node, servers)


@pytest.fixture
def stage(_stage: Stage) -> Iterator[Stage]:
    """The stage, honest at the beginning of each test."""
    _stage.heal()
    yield _stage
    _stage.heal()


class Hours:
    """This machine's monotonic clock, and hours that pass when a test says so."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.passed_s


@contextmanager
def funded(stage: Stage, folder: Path, clock: Hours | None = None) -> Iterator[Service]:
    """Yield a home that has a coin for its thread, one chain and one entry, and asks all three servers."""
    around = Surroundings(monotonic_s=clock or Hours())
    source = AgreeingSource(
        {server.url: EsploraSource(server.url, REGTEST, HASTE, around) for server in stage.servers}, need=2
    )
    with new_service(folder / "home", source) as service:
        stage.mine(1, f"raw({service.wallet.script.hex()})")
        stage.mine(100)
        service.open_chain("acme")
        service.add("acme", b"content")
        yield service


def anchored(stage: Stage, service: Service) -> Receipt:
    """Take the whole way; return the receipt of the entry."""
    assert service.seal() is not None
    assert isinstance(service.tick(at_once=True).plan, Send)
    stage.mine(1)
    service.tick()
    assert ["confirmed"] == service.states()
    return receipt_of(service)


def receipt_of(service: Service) -> Receipt:
    """Return the receipt of the entry, as a stranger reads it."""
    home = service.home
    stored = Reader(home.engine, home.chains, home.lookup).at(home.chains.named("acme"), 1)
    assert stored is not None
    return Receipt.decode(service.receipts().make(stored).encode())


def anchor_of(receipt: Receipt) -> BitcoinAnchor:
    """Return a receipt's only anchor."""
    assert receipt.sealed is not None
    (anchor,) = receipt.sealed.anchors
    assert isinstance(anchor, BitcoinAnchor)
    return anchor


def check_true(stage: Stage, service: Service, receipt: Receipt) -> None:
    """Check with the node alone that the receipt is intact and names the block in which the node has the anchor."""
    honest = CoreSource(stage.node.url, REGTEST, Cookie(stage.node.cookie))
    assert Outcome.INTACT == judge(receipt, service.home.card(), honest).outcome
    honest.close()
    anchor = anchor_of(receipt)
    block = stage.node.call("getblock", hash_hex(Header.decode(anchor.header).hash), 1)
    (attempt,) = service.attempts()
    assert hash_hex(attempt.txid) in block["tx"]
    assert (block["height"], True) == (anchor.height, block["confirmations"] >= 1)


@pytest.mark.parametrize("name", BROKEN)
def test_one_broken_server_of_three_changes_nothing(stage: Stage, tmp_path: Path, name: str) -> None:
    """From funding to verdict one server is broken; two others are enough, and the receipt is the true one."""
    with funded(stage, tmp_path) as service:
        stage.servers[0].faults = [replace(BROKEN[name])]
        receipt = anchored(stage, service)
        check_true(stage, service, receipt)


@pytest.mark.parametrize("name", [name for name in BROKEN if name != "taken and reset"])
def test_two_broken_servers_stop_it_by_name(stage: Stage, tmp_path: Path, name: str) -> None:
    """Sealing, sending and looking each stop with the servers' addresses; healed, everything goes on from there."""

    def stopped(step: Callable[[], object]) -> None:
        for server in stage.servers[:2]:
            server.faults = [replace(BROKEN[name])]
        with pytest.raises(SourceError) as cause:
            step()
        for server in stage.servers[:2]:
            assert server.url in str(cause.value)
        stage.heal()
        clock.passed_s += 7_200  # whoever asked to be left alone for an hour has been

    clock = Hours()
    with funded(stage, tmp_path, clock) as service:
        stopped(service.seal)
        assert service.home.directory.newest() is None
        assert service.seal() is not None
        stopped(lambda: service.tick(at_once=True))
        assert [] == service.attempts()
        service.tick(at_once=True)
        stage.mine(1)
        stopped(service.tick)
        service.tick()
        check_true(stage, service, receipt_of(service))


@pytest.mark.parametrize("hidden", [1, 3, 12])
def test_a_server_that_lags_changes_nothing(stage: Stage, tmp_path: Path, hidden: int) -> None:
    """One server of three has not seen the newest blocks, however many."""
    with funded(stage, tmp_path) as service:
        stage.servers[1].hidden_blocks = hidden
        check_true(stage, service, anchored(stage, service))


def test_two_servers_that_lag_are_waited_for(stage: Stage, tmp_path: Path) -> None:
    """While two of three do not know the anchor's block it is not confirmed; then it is."""
    with funded(stage, tmp_path) as service:
        service.seal()
        service.tick(at_once=True)
        stage.mine(1)
        for server in stage.servers[:2]:
            server.hidden_blocks = 1
        service.tick()
        assert ["seen"] == service.states()
        stage.heal()
        service.tick()
        check_true(stage, service, receipt_of(service))


def test_a_lie_near_the_tip_is_outvoted(stage: Stage, tmp_path: Path) -> None:
    """A server that names another block for the anchor's height, and for the seal's, is not believed."""
    with funded(stage, tmp_path) as service:
        tip = int(stage.node.call("getblockcount"))
        stage.servers[2].faults = [
            Fault(f"/block-height/({'|'.join(str(height) for height in range(tip - 5, tip + 2))})", body=LIE)
        ]
        check_true(stage, service, anchored(stage, service))


def test_a_lie_deep_down_stops_it_and_names_the_liar(stage: Stage, tmp_path: Path) -> None:
    """Another hash for the anchor's block when it is deep: no step is taken, the receipt stays the true one."""
    with funded(stage, tmp_path) as service:
        receipt = anchored(stage, service)
        height = anchor_of(receipt).height
        stage.mine(9)
        liar = stage.servers[0]
        liar.faults = [Fault(f"/block-height/{height}", body=LIE)]
        for step in (service.tick, service.seal):
            with pytest.raises(DisagreementError, match=f"block {height}: .*do not trust {liar.url}") as caught:
                step()
            assert (liar.url,) == caught.value.suspects
        assert (["confirmed"], receipt) == (service.states(), receipt_of(service))
        check_true(stage, service, receipt)
        stage.heal()
        service.tick()
        assert ["final"] == service.states()


def test_the_command_line_over_servers_alone(stage: Stage, tmp_path: Path) -> None:
    """An operator and a verifier with Esplora servers only; a verifier whose servers disagree is told so."""
    operator = Operator(tmp_path, stage.node)
    urls = [server.url for server in stage.servers]
    options = [part for url in urls[:2] for part in ("--esplora-url", url)]
    made = operator.facts("init", "--origin", "test.anchorline.example", "--network", "regtest", *options)
    stage.node.call("generatetoaddress", 1, made["address"])
    stage.mine(100)
    operator.run("chain", "create", "acme")
    entry = operator.record("file", b"content")
    attempt = operator.anchor()
    assert "confirmed" == attempt["state"]
    receipt = operator.receipt(entry, "file")
    file = tmp_path / "file"
    said = operator.verify(file, receipt, *options, "--depth", 1)
    assert "INTACT" in said
    assert f"your Bitcoin sources, which agree ({urls[0]}, {urls[1]})" in said
    both = (*operator.by_node, "--esplora-url", urls[0])
    assert f"which agree ({stage.node.url}, {urls[0]})" in operator.verify(file, receipt, *both)
    stage.mine(9)
    stage.servers[1].faults = [Fault(f"/block-height/{attempt['block']['height']}", body=LIE)]
    facts = json.loads(operator.verify(file, receipt, *options, "--json", rc=4))
    assert "not checked" == facts["outcome"]
    assert f"do not trust {urls[1]}" in facts["error"]
    alone = operator.verify(file, receipt, "--esplora-url", urls[1], rc=1)
    assert "DOES NOT VERIFY" in alone
    assert f"your Bitcoin source ({urls[1]})" in alone
