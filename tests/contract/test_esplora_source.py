"""What only an Esplora server can do to us: request limits, broken bodies, delay and lies, on a real node's chain.

Honest answers come from a bitcoind and are checked by a third party's client, bdkpython's EsploraClient; the faults
are injected between server and source. The suite that every source passes is ``test_source.py``.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from anchor.bitcoin.agreeing import LAG_BLOCKS, AgreeingSource
from anchor.bitcoin.block_proof import check_proof
from anchor.bitcoin.esplora import EsploraSource
from anchor.bitcoin.http_retry import Patience, Surroundings
from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.protocols import BlockId, Coin, InBlock, InMempool, Missing, Source
from anchor.bitcoin.transaction import build_anchor, fee_sat
from anchor.bitcoin.wallet import Wallet
from anchor.errors import DisagreementError, Refusal, RejectedError, SourceError, SourceUnavailableError
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.payload import encode_payload
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, strip_witness
from tests.contract.conftest import indexed_esplora
from tests.simulators.esplora_server import EsploraServer, Fault, running_esplora

pytestmark = pytest.mark.node

REGTEST = NETWORKS["regtest"]
OTHER_SCRIPT = "raw(0014" + "00" * 20 + ")"
PAGE = b"<html><body><h1>Checking your browser</h1></body></html>"
TOO_MANY = b'{"error":"Too many requests"}'
# Two quick tries, and no rest after them: each fault is met, and the next question is asked.
HASTE = Patience(tries=2, answer_s=2.0, first_wait_s=0.01, rest_s=0.0)


@dataclass(frozen=True)
class Scene:
    """A server, and on its chain an anchor of a wallet's, ten blocks deep, beside another wallet's."""

    server: EsploraServer
    wallet: Wallet
    beside: Wallet
    funding: Coin
    anchor: Transaction
    block: BlockId
    raw: bytes

    @property
    def txid(self) -> str:
        """The anchor's txid in display order."""
        return hash_hex(self.anchor.txid)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The scene, which tests look at and do not change."""
    with indexed_esplora(tmp_path_factory.mktemp("scene")) as server:
        source = EsploraSource(server.url, REGTEST)
        wallet, beside = (Wallet.generate(REGTEST, os.urandom(16)) for _ in range(2))
        for each in (wallet, beside):
            server.node.call("generatetodescriptor", 1, f"raw({each.script.hex()})")
        server.node.call("generatetodescriptor", 100, OTHER_SCRIPT)
        send(source, beside, coin_of(source, beside))
        funding = coin_of(source, wallet)
        raw, anchor = send(source, wallet, funding)
        server.node.call("generatetodescriptor", 1, OTHER_SCRIPT)
        block = source.tip()
        server.node.call("generatetodescriptor", LAG_BLOCKS + 3, OTHER_SCRIPT)
        source.close()
        yield Scene(server, wallet, beside, funding, anchor, block, raw)


@pytest.fixture
def server(scene: Scene) -> Iterator[EsploraServer]:
    """The scene's server, honest again after the test."""
    scene.server.requests.clear()
    yield scene.server
    scene.server.faults = []
    scene.server.hidden_blocks = 0


@pytest.fixture
def source(server: EsploraServer) -> Iterator[EsploraSource]:
    """A source in haste."""
    made = hasty(server)
    yield made
    made.close()


def hasty(server: EsploraServer, answer_s: float = HASTE.answer_s) -> EsploraSource:
    """Return a source that soon gives up and has learned nothing yet."""
    return EsploraSource(server.url, REGTEST, replace(HASTE, answer_s=answer_s), Surroundings())


def coin_of(source: EsploraSource, wallet: Wallet) -> Coin:
    """Return a wallet's only coin."""
    (coin,) = source.unspent(wallet.script)
    return coin


def send(source: Source, wallet: Wallet, coin: Coin) -> tuple[bytes, Transaction]:
    """Sign and send an anchor; return its bytes and what its txid sees."""
    transaction = build_anchor([coin], wallet.script, encode_payload(1, bytes(32)), fee_sat(1, 2.0), 0)
    raw = wallet.sign(transaction, [coin])
    source.broadcast(raw)
    return raw, transaction


def recognised(source: EsploraSource) -> EsploraSource:
    """Return a source that has seen who its server is: the next request is the question's own."""
    source.check_network()
    return source


def asked(server: EsploraServer, question: Callable[[], object]) -> list[str]:
    """Return the paths that an honest answer to this question takes, each once."""
    server.requests.clear()
    question()
    return list(dict.fromkeys(server.requests))


# The honest server, by a third party's client


@pytest.fixture(scope="module")
def bdk() -> Any:
    """The third party's library."""
    return pytest.importorskip(
        "bdkpython", reason="NO BDKPYTHON: it has no wheel for this machine; the Esplora simulator was not refereed"
    )


def test_the_simulator_speaks_esplora(bdk: Any, scene: Scene, server: EsploraServer) -> None:
    """BDK's client reads every answer of ours, and what it reads is what the node says."""
    client = bdk.EsploraClient(server.url)
    call = server.node.call
    height, best = call("getblockcount"), call("getbestblockhash")
    txid, block_hash = bdk.Txid.from_string(scene.txid), bdk.BlockHash.from_string(hash_hex(scene.block.hash))
    assert (height, best) == (client.get_height(), str(client.get_tip_hash()))
    assert hash_hex(scene.block.hash) == str(client.get_block_hash(scene.block.height))
    header = client.get_header_by_hash(block_hash)
    assert call("getblockheader", str(block_hash))["merkleroot"] == str(header.merkle_root)
    assert 3 == len(client.get_block_by_hash(block_hash).txdata)
    assert call("getblock", str(block_hash))["tx"][0] == str(client.get_txid_at_block_index(block_hash, 0))
    assert client.get_txid_at_block_index(block_hash, 3) is None
    assert scene.raw == bytes(client.get_tx(txid).serialize())
    status = client.get_tx_status(txid)
    assert (True, scene.block.height, str(block_hash)) == (
        status.confirmed,
        status.block_height,
        str(status.block_hash),
    )
    info = client.get_tx_info(txid)
    assert (322, call("getrawtransaction", scene.txid, 1)["weight"]) == (info.fee, info.weight)
    proof = client.get_merkle_proof(txid)
    assert (scene.block.height, 2) == (proof.block_height, len(proof.merkle))
    spent = client.get_output_status(bdk.Txid.from_string(hash_hex(scene.funding.outpoint.txid)), 0)
    assert (True, scene.txid, True) == (spent.spent, str(spent.txid), spent.status.confirmed)
    assert not client.get_output_status(txid, 0).spent
    assert {} == client.get_fee_estimates()
    assert client.get_tx(bdk.Txid.from_string("11" * 32)) is None


def test_the_simulator_takes_and_refuses_as_esplora_does(bdk: Any, scene: Scene, server: EsploraServer) -> None:
    """BDK's client reads a refusal: status 400, with the node's code in it."""
    client = bdk.EsploraClient(server.url)
    double = build_anchor([scene.funding], scene.wallet.script, encode_payload(2, bytes(32)), 5_000, 0)
    with pytest.raises(bdk.EsploraError) as refused:
        client.broadcast(bdk.Transaction(scene.wallet.sign(double, [scene.funding])))
    assert "400" in str(refused.value)
    assert '"code"' in str(refused.value)
    assert "-25" in str(refused.value)


def test_a_proof_is_the_same_for_both_clients(bdk: Any, scene: Scene, source: EsploraSource) -> None:
    """The branch that our source returns is the one that BDK's client reads."""
    proof = source.prove(scene.anchor.txid, scene.block.hash)
    assert proof is not None
    theirs = bdk.EsploraClient(scene.server.url).get_merkle_proof(bdk.Txid.from_string(scene.txid))
    assert [hash_hex(each) for each in proof.path] == [str(each) for each in theirs.merkle]
    assert proof.index == theirs.pos


# Broken answers


BROKEN = {
    "429": Fault("", status=429, body=TOO_MANY, instead=True),
    "429 as 200": Fault("", body=TOO_MANY, instead=True),
    "500": Fault("", status=500, body=b"Internal Server Error", instead=True),
    "a page": Fault("", body=PAGE, instead=True),
    "nothing": Fault("", body=b"", instead=True),
    "null": Fault("", body=b"null", instead=True),
    "cut off": Fault("", kept=5),
    "cut and called whole": Fault("", edit=lambda body: body[:-1]),
    "reset": Fault("", reset=True),
    "slow": Fault("", slow_s=0.1),
    "too long": Fault("", body=b"00" * 5_000_000, instead=True),
}


def questions(source: Source, scene: Scene) -> dict[str, Callable[[], object]]:
    """Return every question that the engine asks, with an answer in this scene."""
    return {
        "check_network": source.check_network,
        "tip": source.tip,
        "block_hash": lambda: source.block_hash(scene.block.height),
        "header": lambda: source.header(scene.block.hash),
        "observe": lambda: source.observe(scene.anchor.txid),
        "prove": lambda: source.prove(scene.anchor.txid, scene.block.hash),
        "unspent": lambda: source.unspent(scene.wallet.script),
        "spender": lambda: source.spender(scene.funding.outpoint),
        "broadcast": lambda: source.broadcast(scene.raw),
    }


@pytest.mark.parametrize("name", ["tip", "header", "observe", "prove", "unspent", "spender", "broadcast"])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_answer_is_an_error_with_the_servers_name(
    scene: Scene, server: EsploraServer, broken: str, name: str
) -> None:
    """Whichever request of a question breaks, and however: nothing is believed, and the message says where."""
    source = recognised(hasty(server))
    paths = asked(server, questions(source, scene)[name])
    source.close()
    for path in paths if broken != "slow" else paths[:1]:
        fresh = recognised(hasty(server, answer_s=0.3 if broken == "slow" else HASTE.answer_s))
        server.faults = [_at(BROKEN[broken], path)]
        with pytest.raises(SourceError, match=re.escape(f"{server.url}{path}: ") + ".*expected"):
            questions(fresh, scene)[name]()
        fresh.close()


@pytest.mark.parametrize("broken", ["429", "500", "cut off", "reset"])
def test_what_passes_is_waited_for(scene: Scene, server: EsploraServer, source: EsploraSource, broken: str) -> None:
    """A first try that fails leaves no trace in any answer."""
    honest = {name: question() for name, question in questions(source, scene).items()}
    for name, expected in honest.items():
        fresh = recognised(hasty(server))
        server.faults = [_at(BROKEN[broken], ".*", times=1)]
        assert expected == questions(fresh, scene)[name]()
        fresh.close()


def _at(fault: Fault, path: str, times: int | None = None) -> Fault:
    where = path if path == ".*" else re.escape(path)
    return Fault(**{**vars(fault), "where": where, "times": times})


def test_a_transaction_is_sent_once_although_its_answer_was_lost(scene: Scene, server: EsploraServer) -> None:
    """A broadcast that failed but took effect is sent again, and is welcome again."""
    source = hasty(server)
    coin = coin_of(source, scene.beside)
    server.faults = [Fault("/tx", reset=True, times=1)]
    _, transaction = send(source, scene.beside, coin)
    assert 2 == server.requests.count("/tx")
    assert InMempool() == source.observe(transaction.txid)
    assert OutPoint(transaction.txid, 0) == coin_of(source, scene.beside).outpoint
    source.close()


# Lies


def changed(body: bytes) -> Iterator[bytes]:
    """Yield an answer with one hex digit changed, at several places, and one of its numbers changed."""
    digits = [match.start() for match in re.finditer(rb"[0-9a-f](?=[0-9a-f]{7})", body)]
    for at in digits[:: max(len(digits) // 6, 1)]:
        yield body[:at] + (b"1" if body[at : at + 1] != b"1" else b"2") + body[at + 1 :]
    for match in re.finditer(rb"(?<=: )[0-9]+(?=[,}])", body):
        yield body[: match.start()] + str(int(match[0]) + 1).encode() + body[match.end() :]


def test_no_lie_makes_a_wrong_proof(scene: Scene, server: EsploraServer, source: EsploraSource) -> None:
    """Every answer behind a proof is changed in many ways: the proof is the true one, none, or an error by name.

    True ones remain: a witness, a block's time and a coinbase's height are no part of a proof.
    """
    honest = source.prove(scene.anchor.txid, scene.block.hash)
    assert honest is not None
    fresh = recognised(hasty(server))
    paths = asked(server, lambda: fresh.prove(scene.anchor.txid, scene.block.hash))
    fresh.close()
    assert 7 == len(paths)
    for path in paths:
        outcomes = [outcome(scene, server, path, lie, honest) for lie in changed(server.answer("GET", path, b"")[1])]
        assert outcomes.count("error") >= 1, path
        # "It is in another block" is an answer; whether it is true, other sources can say.
        assert path.endswith("/status") or "none" not in outcomes, path


def outcome(scene: Scene, server: EsploraServer, path: str, lie: bytes, honest: BitcoinAnchor) -> str:
    """Return what becomes of a proof when one answer is a lie; fail on a wrong proof."""
    server.faults = [Fault(re.escape(path), body=lie, instead=True)]
    fresh = hasty(server)
    found = tried(lambda: fresh.prove(scene.anchor.txid, scene.block.hash))
    fresh.close()
    server.faults = []
    if isinstance(found, SourceError):
        assert server.url in str(found)
        return "error"
    if found is None:
        return "none"
    check_proof(found, scene.anchor.txid, scene.block, REGTEST)
    assert honest == found
    return "true"


def tried(question: Callable[[], BitcoinAnchor | None]) -> BitcoinAnchor | SourceError | None:
    """Return the answer, or the error that came instead."""
    try:
        return question()
    except SourceError as error:
        return error


def test_a_proof_that_is_withheld_is_an_error(scene: Scene, server: EsploraServer) -> None:
    """A server that has the transaction in the block, but not what proves it, says nonsense."""
    for hidden in ("/tx/.*/merkle-proof", "/tx/.*/hex", "/block/.*/txid/0", "/block/.*/header"):
        fresh = hasty(server)
        server.faults = [Fault(hidden, status=404, body=b"", instead=True)]
        with pytest.raises(SourceError, match="the server has none"):
            fresh.prove(scene.anchor.txid, scene.block.hash)
        fresh.close()


def test_a_reorganisation_between_two_answers_is_no_lie(scene: Scene, server: EsploraServer) -> None:
    """A proof that falls apart because the block has gone is none; the next look finds the new place."""
    source = hasty(server)
    unconfirmed = Fault(f"/tx/{scene.txid}/status", body=b'{"confirmed": false}', instead=True)
    gone = Fault(f"/tx/{scene.txid}/merkle-proof", status=404, body=b"", instead=True)
    honest = Fault(f"/tx/{scene.txid}/status", times=1)
    server.faults = [honest, unconfirmed, gone]
    assert source.prove(scene.anchor.txid, scene.block.hash) is None
    source.close()


@pytest.mark.parametrize(
    "change", [{"value": 1}, {"vout": 1}, {"vout": 9}, {"value": 21 * 10**14}], ids=["value", "payload", "none", "all"]
)
def test_a_coin_is_what_its_transaction_says(scene: Scene, server: EsploraServer, change: dict[str, int]) -> None:
    """A coin of another value, or at an output that is not ours, is refused before it can be spent."""
    source = hasty(server)
    listed = {"txid": scene.txid, "vout": 0, "value": scene.anchor.outputs[0].value_sat}
    body = json.dumps([{**listed, **change, "status": {"confirmed": False}}]).encode()
    server.faults = [Fault("/scripthash/.*", body=body, instead=True)]
    with pytest.raises(SourceError, match="do not trust"):
        source.unspent(scene.wallet.script)
    source.close()


def test_a_listed_coin_whose_transaction_is_gone_is_waited_for(scene: Scene, server: EsploraServer) -> None:
    """Between the list and the transaction it can be replaced: that passes."""
    source = hasty(server)
    body = json.dumps([{"txid": "11" * 32, "vout": 0, "value": 5, "status": {"confirmed": False}}]).encode()
    server.faults = [Fault("/scripthash/.*", body=body, instead=True)]
    with pytest.raises(SourceUnavailableError, match="try later"):
        source.unspent(scene.wallet.script)
    source.close()


def test_a_named_spender_must_spend(scene: Scene, server: EsploraServer, source: EsploraSource) -> None:
    """A transaction that is there but does not spend the outpoint is refused; a nameless spender is nameless."""
    path = f"/tx/{hash_hex(scene.funding.outpoint.txid)}/outspend/0"
    coinbase = server.node.call("getblock", hash_hex(scene.block.hash))["tx"][0]
    lie = {"spent": True, "txid": coinbase, "vin": 0, "status": {"confirmed": False}}
    server.faults = [Fault(path, body=json.dumps(lie).encode(), instead=True)]
    with pytest.raises(SourceError, match="expected a transaction that spends"):
        source.spender(scene.funding.outpoint)
    server.faults = [Fault(path, body=b'{"spent": true}', instead=True)]
    assert bytes(32) == source.spender(scene.funding.outpoint)


def test_a_transaction_that_left_the_chain_is_not_in_the_mempool(
    scene: Scene, server: EsploraServer, source: EsploraSource
) -> None:
    """Servers keep what a reorganisation removed and call it unconfirmed; only the mempool says what is in it."""
    first = f"/tx/{hash_hex(scene.funding.outpoint.txid)}/outspend/0"
    server.faults = [
        Fault(f"/tx/{scene.txid}/status", body=b'{"confirmed": false}', instead=True),
        Fault(first, body=b'{"spent": false}', instead=True),
    ]
    assert Missing() == source.observe(scene.anchor.txid)
    assert bytes(32) == source.spender(OutPoint(scene.anchor.txid, 0))


@pytest.mark.parametrize("quoted", ['{"code":-26,"message":"dust"}', " -26: dust"])
def test_both_ways_of_quoting_the_node_are_read(
    scene: Scene, server: EsploraServer, source: EsploraSource, quoted: str
) -> None:
    """The code counts, whichever family of servers quotes it, and only where the server does not have it already."""
    separator = ": " if quoted.startswith("{") else ""
    body = f"sendrawtransaction RPC error{separator}{quoted}".encode()
    server.faults = [Fault("/tx", status=400, body=body, instead=True)]
    source.broadcast(scene.raw)
    server.faults.append(Fault(".*", status=404, body=b"", instead=True))
    with pytest.raises(RejectedError, match="dust") as refused:
        source.broadcast(scene.raw)
    assert (-26, Refusal.OTHER) == (refused.value.code, refused.value.refusal)
    server.faults[0] = Fault("/tx", status=400, body=body.replace(b"dust", b"mempool min fee not met"), instead=True)
    with pytest.raises(RejectedError) as refused:
        source.broadcast(scene.raw)
    assert (-26, Refusal.FEE) == (refused.value.code, refused.value.refusal)


def test_the_txid_of_another_transaction_is_no_receipt(
    scene: Scene, server: EsploraServer, source: EsploraSource
) -> None:
    """A server that answers a broadcast with another txid has not taken ours."""
    server.faults = [Fault("/tx", body=b"11" * 32, instead=True)]
    with pytest.raises(SourceError, match="expected the txid"):
        source.broadcast(scene.raw)
    server.faults = [Fault("/tx", status=400, body=PAGE, instead=True)]
    with pytest.raises(SourceError, match="error code of a node"):
        source.broadcast(scene.raw)


# Several mirrors


@contextmanager
def three_mirrors(scene: Scene) -> Iterator[list[EsploraServer]]:
    """Three servers before the scene's node."""
    with ExitStack() as stack:
        yield [stack.enter_context(running_esplora(scene.server.node)) for _ in range(3)]


@contextmanager
def agreeing(mirrors: list[EsploraServer]) -> Iterator[AgreeingSource]:
    """A source of these mirrors, two of which must agree."""
    made = AgreeingSource({mirror.url: hasty(mirror) for mirror in mirrors}, need=2)
    yield made
    made.close()


def test_a_lying_mirror_is_named(scene: Scene) -> None:
    """One of two or three mirrors lies about the anchor's block: everything that depends on it names the liar."""
    lie = hash_hex(b"\x11" * 32).encode()
    with three_mirrors(scene) as mirrors:
        mirrors[1].faults = [Fault(f"/block-height/{scene.block.height}", body=lie, instead=True)]
        for chosen in (mirrors[:2], mirrors):
            with agreeing(chosen) as source:
                for name in ("block_hash", "prove"):
                    with pytest.raises(
                        DisagreementError, match=re.escape(f"{mirrors[1].url} says {lie.decode()}")
                    ) as it:
                        questions(source, scene)[name]()
                    assert (mirrors[1].url,) == it.value.suspects


def test_a_lie_about_where_the_anchor_is_is_named(scene: Scene) -> None:
    """A mirror that puts the anchor into a made-up block, consistently, is named by ``observe``."""
    lie = hash_hex(b"\x11" * 32)
    status = {"confirmed": True, "block_height": scene.block.height, "block_hash": lie}
    with three_mirrors(scene) as mirrors, agreeing(mirrors) as source:
        mirrors[2].faults = [
            Fault(f"/block-height/{scene.block.height}", body=lie.encode(), instead=True),
            Fault(f"/tx/{scene.txid}/status", body=json.dumps(status).encode(), instead=True),
        ]
        with pytest.raises(DisagreementError) as it:
            source.observe(scene.anchor.txid)
        assert (mirrors[2].url,) == it.value.suspects


@pytest.mark.parametrize("hidden", [2, LAG_BLOCKS + 4])
def test_a_lagging_mirror_changes_no_answer(scene: Scene, hidden: int) -> None:
    """A mirror that is behind, also behind the anchor's own block, is outvoted by two that are not."""
    with three_mirrors(scene) as mirrors, agreeing(mirrors) as source:
        honest = {name: question() for name, question in questions(source, scene).items()}
        mirrors[0].hidden_blocks = hidden
        assert honest == {name: question() for name, question in questions(source, scene).items()}


def test_a_lagging_mirror_that_is_needed_is_waited_for(scene: Scene) -> None:
    """Where the late one is needed, its cause is named, and after it has caught up the answer is there."""
    with three_mirrors(scene) as mirrors, agreeing(mirrors[:2]) as source:
        mirrors[0].hidden_blocks = LAG_BLOCKS + 4
        with pytest.raises(SourceUnavailableError, match="wait until those behind have caught up"):
            source.observe(scene.anchor.txid)
        with pytest.raises(SourceUnavailableError, match="caught up"):
            source.tip()
        mirrors[0].hidden_blocks = 0
        found = source.observe(scene.anchor.txid)
        assert isinstance(found, InBlock)
        assert scene.block == found.block


@pytest.mark.parametrize("broken", ["429", "500", "a page", "cut off", "reset"])
def test_a_broken_mirror_changes_no_answer(scene: Scene, broken: str) -> None:
    """Two that answer are enough, whatever the third sends."""
    with three_mirrors(scene) as mirrors, agreeing(mirrors) as source:
        honest = {name: question() for name, question in questions(source, scene).items()}
        mirrors[0].faults = [_at(BROKEN[broken], ".*")]
        assert honest == {name: question() for name, question in questions(source, scene).items()}
        mirrors[1].faults = [_at(BROKEN[broken], ".*")]
        with pytest.raises(SourceError, match=re.escape(mirrors[1].url)):
            source.tip()


def test_a_witness_is_not_part_of_a_proof(scene: Scene, source: EsploraSource) -> None:
    """What was sent has a witness, what is proved has none."""
    proof = source.prove(scene.anchor.txid, scene.block.hash)
    assert proof is not None
    assert strip_witness(scene.raw) == proof.transaction
    assert proof.transaction != scene.raw
