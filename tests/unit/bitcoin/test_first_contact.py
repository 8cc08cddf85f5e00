"""Tests of ``anchor.bitcoin.first_contact``: over a new connection nothing is asked before who is there.

A local HTTP server keeps or closes its connections on command and counts what it was asked; the contract suite
``test_swapped_node.py`` tells the same story with real nodes.
"""

from collections.abc import Callable, Iterator

import pytest

from anchor.bitcoin.esplora import EsploraSource
from anchor.bitcoin.first_contact import FirstContact
from anchor.bitcoin.http_retry import Patience, Surroundings
from anchor.bitcoin.networks import NETWORKS
from anchor.errors import SourceUnavailableError, WrongNetworkError
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.transaction import OutPoint
from tests.simulators.esplora_server import EsploraServer, Fault, running_esplora

WHO, QUESTION = "/block-height/0", "/block-height/7"
CLOSING = {"Connection": "close"}
# One input that spends nothing, one output: enough to be a signed transaction by its form.
RAW = bytes.fromhex(f"02000000000101{'11' * 32}0000000000ffffffff01{'00' * 9}0101aa00000000")


def genesis_of(network: str, headers: dict[str, str] | None = None) -> Fault:
    """The answer of a server that follows this network."""
    return Fault(WHO, body=hash_hex(NETWORKS[network].genesis_hash).encode(), headers=headers or {}, instead=True)


def answer(headers: dict[str, str] | None = None, times: int | None = None) -> Fault:
    """An answer to the question."""
    return Fault(QUESTION, body=b"00" * 32, headers=headers or {}, instead=True, times=times)


@pytest.fixture
def server() -> Iterator[EsploraServer]:
    """A server of regtest that has no node behind it."""
    with running_esplora(None) as running:
        running.faults = [genesis_of("regtest"), answer()]
        yield running


@pytest.fixture
def source(server: EsploraServer) -> Iterator[EsploraSource]:
    """A source that tries twice."""
    made = EsploraSource(
        server.url, NETWORKS["regtest"], Patience(tries=2, first_wait_s=0.01, rest_s=0.0), Surroundings()
    )
    yield made
    made.close()


def test_who_is_there_is_asked_once_a_connection(server: EsploraServer, source: EsploraSource) -> None:
    """Before the first question, and not again while the connection lasts."""
    for _ in range(3):
        assert bytes(32) == source.block_hash(7)
    assert [WHO, QUESTION, QUESTION, QUESTION] == server.requests


def test_a_connection_that_the_server_closed_is_a_new_start(server: EsploraServer, source: EsploraSource) -> None:
    """A server that closes an idle connection fails nobody's question; it is recognised again all the same."""
    server.faults = [genesis_of("regtest"), answer(CLOSING, times=1), answer()]
    for _ in range(3):
        source.block_hash(7)
    assert [WHO, QUESTION, WHO, QUESTION, QUESTION] == server.requests


def test_a_server_that_keeps_no_connection_can_be_used(server: EsploraServer, source: EsploraSource) -> None:
    """It is recognised right before each question."""
    server.faults = [genesis_of("regtest", CLOSING), answer(CLOSING)]
    for _ in range(3):
        source.block_hash(7)
    assert [WHO, QUESTION] * 3 == server.requests


@pytest.mark.parametrize(
    "failure", [Fault(QUESTION, reset=True, instead=True), Fault(QUESTION, status=502, body=b"", instead=True)]
)
def test_a_failure_is_a_new_start(server: EsploraServer, source: EsploraSource, failure: Fault) -> None:
    """After a broken connection, or a gateway that lost its server, the next try begins with who is there."""
    source.block_hash(7)
    server.faults.insert(0, Fault(**{**vars(failure), "times": 1}))
    source.block_hash(7)
    assert [WHO, QUESTION, QUESTION, WHO, QUESTION] == server.requests


@pytest.mark.parametrize("status", [404, 429, 500])
def test_an_answer_that_says_no_is_no_new_start(server: EsploraServer, source: EsploraSource, status: int) -> None:
    """A server that has no such thing, or is busy, is still the same: its connection is used again."""
    source.block_hash(7)
    server.faults.insert(0, Fault(QUESTION, status=status, body=b"no", instead=True, times=1))
    source.block_hash(7)
    source.block_hash(7)
    assert [WHO] == [path for path in server.requests if path == WHO]


QUESTIONS: dict[str, Callable[[EsploraSource], object]] = {
    "tip": lambda source: source.tip(),
    "block_hash": lambda source: source.block_hash(7),
    "header": lambda source: source.header(bytes(32)),
    "broadcast": lambda source: source.broadcast(RAW),
    "observe": lambda source: source.observe(bytes(32)),
    "prove": lambda source: source.prove(bytes(32), bytes(32)),
    "unspent": lambda source: source.unspent(b"\x51"),
    "spender": lambda source: source.spender(OutPoint(bytes(32), 0)),
    "fee_rate": lambda source: source.fee_rate_sat_per_vb(6),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_server_of_another_network_is_asked_nothing(server: EsploraServer, source: EsploraSource, name: str) -> None:
    """Whoever follows another network after a reconnection hears of no transaction and no address, and is named."""
    server.faults = [genesis_of("regtest"), answer(CLOSING)]
    source.block_hash(7)
    server.requests.clear()
    server.faults = [genesis_of("testnet4")]
    for _ in range(2):
        with pytest.raises(WrongNetworkError, match=r"0f9188f13cb7b2c7.* of regtest, found 00000000da84f2ba"):
            QUESTIONS[name](source)
    assert [WHO, WHO] == server.requests
    server.faults = [genesis_of("regtest"), answer()]
    assert bytes(32) == source.block_hash(7)


def test_what_a_question_raises_is_raised() -> None:
    """A question's own error passes through, and the next question is asked as before."""
    asked: list[str] = []
    contact = FirstContact(lambda: asked.append("who"))

    def failing() -> None:
        raise SourceUnavailableError("silent")

    with pytest.raises(SourceUnavailableError, match="silent"):
        contact.ask(failing)
    assert 7 == contact.ask(lambda: 7)
    contact.lose()
    assert 8 == contact.ask(lambda: 8)
    assert ["who", "who"] == asked
