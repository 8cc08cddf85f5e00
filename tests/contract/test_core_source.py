"""What only Bitcoin Core can do to us: other networks, refused credentials, restarts, and old transactions.

A real bitcoind is asked, the answers that it never gives come from a small HTTP server. The suite that every source
passes is ``test_source.py``.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anchor.bitcoin import core_coins
from anchor.bitcoin.core_blocks import holds
from anchor.bitcoin.core_rpc import CoreSource
from anchor.bitcoin.json_rpc import Cookie, Password, RpcError
from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.protocols import Coin, InBlock, Missing
from anchor.bitcoin.transaction import build_anchor, fee_sat
from anchor.bitcoin.wallet import Wallet
from anchor.errors import SettingsError, SourceError, SourceUnavailableError, WrongNetworkError
from anchor.proof.bitcoin.payload import encode_payload
from anchor.proof.bitcoin.transaction import OutPoint, Transaction
from tests.node import Node, running_node
from tests.simulators.listening import Quiet, listening

REGTEST = NETWORKS["regtest"]
NOBODY = Password("someone", "wrong")
OTHER_SCRIPT = "raw(0014" + "00" * 20 + ")"


def send_anchor(source: CoreSource, wallet: Wallet, coin: Coin) -> Transaction:
    """Sign and send an anchor that spends this coin."""
    transaction = build_anchor([coin], wallet.script, encode_payload(1, bytes(32)), fee_sat(1, 2.0), 1_000)
    source.broadcast(wallet.sign(transaction, [coin]))
    return transaction


def funded(node: Node, source: CoreSource, wallet: Wallet) -> Coin:
    """Return a mature coin of a wallet that had none."""
    node.call("generatetodescriptor", 1, f"raw({wallet.script.hex()})")
    node.call("generatetodescriptor", 100, OTHER_SCRIPT)
    (coin,) = source.unspent(wallet.script)
    return coin


@pytest.fixture
def wallet() -> Wallet:
    """A wallet that no other test has."""
    return Wallet.generate(REGTEST, os.urandom(16))


def wait_for_indexes(node: Node) -> None:
    """Wait until the indexes, which follow the chain in a thread of their own, have reached its tip."""
    deadline = time.monotonic() + 60
    tip = node.call("getblockcount")
    while any(each["best_block_height"] != tip for each in node.call("getindexinfo").values()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Networks


@pytest.mark.node
@pytest.mark.parametrize("name", ["mainnet", "testnet3", "testnet4", "signet"])
def test_a_node_of_another_network_is_refused(node: Node, name: str) -> None:
    """A regtest node is no source for any other network, and the message names both."""
    source = CoreSource(node.url, NETWORKS[name], Cookie(node.cookie))
    with pytest.raises(WrongNetworkError, match=f"of {name}, found 0f9188f13cb7b2c7"):
        source.check_network()
    source.close()


@pytest.mark.node
def test_signets_are_told_apart_by_their_challenge(tmp_path: Path) -> None:
    """Signets share a genesis block; the public one is accepted, one of another challenge is refused."""
    with running_node(tmp_path / "public", chain="signet") as public:
        source = CoreSource(public.url, NETWORKS["signet"], Cookie(public.cookie))
        source.check_network()
        source.close()
    with running_node(tmp_path / "own", "-signetchallenge=51", chain="signet") as own:
        source = CoreSource(own.url, NETWORKS["signet"], Cookie(own.cookie))
        assert NETWORKS["signet"].genesis_hash[::-1].hex() == own.call("getblockhash", 0)
        with pytest.raises(WrongNetworkError, match="message start 0a03cf40"):
            source.check_network()
        source.close()


# Credentials and connections


@pytest.mark.node
def test_a_wrong_password_makes_the_source_unavailable(node: Node) -> None:
    """A node that refuses our password is named, and the password is not."""
    source = CoreSource(node.url, REGTEST, NOBODY)
    with pytest.raises(SourceUnavailableError, match="refused our credentials") as refused:
        source.tip()
    assert "wrong" not in str(refused.value)
    assert "wrong" not in repr(NOBODY)
    source.close()


@pytest.mark.node
def test_user_and_password_are_as_good_as_a_cookie(node: Node) -> None:
    """The cookie's two halves are a user and a password."""
    user, _, password = node.cookie.read_text().partition(":")
    source = CoreSource(node.url, REGTEST, Password(user, password))
    assert node.call("getblockcount") == source.tip().height
    source.close()


@pytest.mark.node
def test_a_restarted_node_is_followed(tmp_path: Path) -> None:
    """A node writes another cookie at each start; the source reads it again, and is unavailable in between."""
    with running_node(tmp_path) as restarted:
        source = CoreSource(restarted.url, REGTEST, Cookie(restarted.cookie))
        tip = source.tip()
        restarted.stop()
        with pytest.raises(SourceUnavailableError, match=restarted.url):
            source.tip()
        restarted.start()
        assert tip == source.tip()
        source.close()


def test_an_unreachable_node_is_named() -> None:
    """Where nobody listens, the error names the address and what to look at."""
    source = CoreSource("http://127.0.0.1:1", REGTEST, NOBODY, timeout_s=2)
    with pytest.raises(SourceUnavailableError, match=r"http://127\.0\.0\.1:1: .*is it running"):
        source.tip()
    source.close()


def test_a_missing_cookie_is_named(tmp_path: Path) -> None:
    """Where there is no cookie, the node is probably not running, and the error names the file."""
    source = CoreSource("http://127.0.0.1:1", REGTEST, Cookie(tmp_path / ".cookie"))
    with pytest.raises(SourceUnavailableError, match="cookie file"):
        source.tip()
    source.close()


@pytest.mark.parametrize("url", ["127.0.0.1:8332", "ftp://host", "http://", "http://user:secret@127.0.0.1:8332"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    """A wrong address is a matter of settings, and a password in it is never repeated."""
    with pytest.raises(SettingsError) as refused:
        CoreSource(url, REGTEST, NOBODY)
    assert "secret" not in str(refused.value)


def test_a_closed_source_says_so() -> None:
    """After closing, no call goes out."""
    source = CoreSource("http://127.0.0.1:1", REGTEST, NOBODY)
    source.close()
    with pytest.raises(SourceUnavailableError, match="closed"):
        source.tip()


# Old transactions


@pytest.mark.node
def test_an_old_anchor_is_found_by_its_unspent_thread_coin(node: Node, wallet: Wallet) -> None:
    """Behind the newest blocks, a node without index finds an anchor while its output 0 is unspent, then no more."""
    source = CoreSource(node.url, REGTEST, Cookie(node.cookie))
    first = send_anchor(source, wallet, funded(node, source, wallet))
    node.call("generatetodescriptor", 1, OTHER_SCRIPT)
    place = source.tip()
    node.call("generatetodescriptor", 2 * REGTEST.watch_depth, OTHER_SCRIPT)
    assert InBlock(place, 201) == source.observe(first.txid)
    (thread_coin,) = source.unspent(wallet.script)
    send_anchor(source, wallet, thread_coin)
    node.call("generatetodescriptor", 1, OTHER_SCRIPT)
    assert Missing() == source.observe(first.txid)
    source.close()


@pytest.mark.node
def test_an_index_finds_what_is_old_and_spent(indexed_node: Node, wallet: Wallet) -> None:
    """With -txindex and -txospenderindex, depth does not matter to ``observe`` and ``spender``."""
    source = CoreSource(indexed_node.url, REGTEST, Cookie(indexed_node.cookie))
    coin = funded(indexed_node, source, wallet)
    first = send_anchor(source, wallet, coin)
    indexed_node.call("generatetodescriptor", 1, OTHER_SCRIPT)
    place = source.tip()
    (thread_coin,) = source.unspent(wallet.script)
    second = send_anchor(source, wallet, thread_coin)
    indexed_node.call("generatetodescriptor", 2 * REGTEST.watch_depth + 1, OTHER_SCRIPT)
    wait_for_indexes(indexed_node)
    assert InBlock(place, 202) == source.observe(first.txid)
    assert [first.txid, second.txid] == [source.spender(each.outpoint) for each in (coin, thread_coin)]
    source.close()


@pytest.mark.node
def test_without_an_index_an_old_spender_is_nameless(node: Node, wallet: Wallet) -> None:
    """A spender behind the newest blocks exists, but a node without index cannot name it."""
    source = CoreSource(node.url, REGTEST, Cookie(node.cookie))
    coin = funded(node, source, wallet)
    anchor = send_anchor(source, wallet, coin)
    node.call("generatetodescriptor", 2 * REGTEST.watch_depth, OTHER_SCRIPT)
    assert anchor.txid == source.spender(coin.outpoint)
    node.call("generatetodescriptor", 1, OTHER_SCRIPT)
    assert bytes(32) == source.spender(coin.outpoint)
    source.close()


@pytest.mark.node
def test_a_transaction_of_a_lost_branch_is_not_in_a_block(indexed_node: Node, wallet: Wallet) -> None:
    """With an index the node still answers for a block that was reorganised away; the source does not believe it."""
    source = CoreSource(indexed_node.url, REGTEST, Cookie(indexed_node.cookie))
    coin = funded(indexed_node, source, wallet)
    anchor = send_anchor(source, wallet, coin)
    indexed_node.call("generatetodescriptor", 1, OTHER_SCRIPT)
    indexed_node.call("invalidateblock", indexed_node.call("getbestblockhash"))
    rival = build_anchor([coin], wallet.script, encode_payload(2, bytes(32)), fee_sat(1, 9.0), 1_000)
    indexed_node.call("generateblock", OTHER_SCRIPT, [wallet.sign(rival, [coin]).hex()])
    indexed_node.call("generateblock", OTHER_SCRIPT, [])
    assert Missing() == source.observe(anchor.txid)
    assert rival.txid == source.spender(coin.outpoint)
    source.close()


@pytest.mark.node
def test_a_full_mempool_shows_only_what_we_sent(node: Node, wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mempool above the limit is not read through: our own transactions are seen, other people's are not."""
    ours = CoreSource(node.url, REGTEST, Cookie(node.cookie))
    theirs = CoreSource(node.url, REGTEST, Cookie(node.cookie))
    anchor = send_anchor(ours, wallet, funded(node, ours, wallet))
    monkeypatch.setattr(core_coins, "_MAX_MEMPOOL", 0)
    assert [OutPoint(anchor.txid, 0)] == [coin.outpoint for coin in ours.unspent(wallet.script)]
    assert [] == theirs.unspent(wallet.script)
    ours.close()
    theirs.close()


@pytest.mark.node
def test_a_pruned_node_is_searched_as_far_as_it_goes(tmp_path: Path) -> None:
    """Where a block is pruned the search ends, and what was not found before is missing; no error comes of it."""
    with running_node(tmp_path, "-fastprune", "-prune=1") as pruned:
        pruned.call("generatetodescriptor", 1_000, OTHER_SCRIPT)
        first_kept = pruned.call("pruneblockchain", 600) + 1
        source = CoreSource(pruned.url, replace(REGTEST, watch_depth=1_000), Cookie(pruned.cookie))
        assert 1 < first_kept
        with pytest.raises(SourceError, match=r"no longer has .*pruned.*; if it is pruned, name a source"):
            source.prove(bytes(32), known_hash(source, 1))
        assert Missing() == source.observe(bytes(32))
        assert len(source._blocks._index) == 1_000 - first_kept + 1
        source.close()


def known_hash(source: CoreSource, height: int) -> bytes:
    """Return the hash of a block that is there."""
    found = source.block_hash(height)
    assert found is not None
    return found


@pytest.mark.node
def test_a_node_derives_our_address_from_our_descriptor(node: Node, wallet: Wallet) -> None:
    """The public descriptor, checksum included, leads Bitcoin Core to the same address and script."""
    assert [wallet.address] == node.call("deriveaddresses", wallet.descriptor)
    assert wallet.script.hex() == node.call("validateaddress", wallet.address)["scriptPubKey"]


def test_a_txid_is_not_found_across_two_others() -> None:
    """Txids stand end to end, and only whole ones count."""
    wanted = bytes(range(32))
    across = b"\xff" * 20 + wanted[:12] + wanted[12:] + b"\xff" * 12
    assert not holds(across, wanted)
    assert not holds(b"", wanted)
    assert holds(across + wanted, wanted)
    assert holds(wanted + across, wanted)


# Answers that no node gives


@contextmanager
def server(status: int, body: bytes | Callable[[str], bytes]) -> Iterator[str]:
    """Serve one answer to every request, or one for each method; yield the address. Its genesis block is regtest's."""
    genesis = json.dumps({"result": REGTEST.genesis_hash[::-1].hex(), "error": None}).encode()

    class Answer(Quiet):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_first_contact = (request["method"], request["params"]) == ("getblockhash", [0])
            honest = genesis if is_first_contact else None
            content = honest or (body if isinstance(body, bytes) else body(request["method"]))
            self.send_response(200 if is_first_contact else status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with listening(Answer) as address:
        yield address


@contextmanager
def answering(result: object = None, error: object = None, status: int = 200) -> Iterator[CoreSource]:
    """A source whose node gives this answer to every call."""
    body = json.dumps({"result": result, "error": error, "id": 1}).encode()
    with server(status, body) as url:
        source = CoreSource(url, REGTEST, NOBODY)
        yield source
        source.close()


@contextmanager
def answering_each(results: dict[str, object]) -> Iterator[CoreSource]:
    """A source whose node gives each method its own answer."""

    def body(method: str) -> bytes:
        return json.dumps({"result": results[method], "error": None, "id": 1}).encode()

    with server(200, body) as url:
        source = CoreSource(url, REGTEST, NOBODY)
        yield source
        source.close()


@pytest.mark.parametrize(("confirmations", "expected"), [(-1, None), (3, b"\x22" * 32)])
def test_an_index_that_lags_behind_a_reorganisation_is_not_believed(confirmations: int, expected: bytes | None) -> None:
    """A spender in a block that has left the best chain spends nothing, whatever the index still says."""
    spend = {"txid": "11" * 32, "vout": 0, "spendingtxid": "22" * 32, "blockhash": "33" * 32}
    results: dict[str, object] = {
        "gettxspendingprevout": [spend],
        "getblockheader": {"confirmations": confirmations, "height": 7},
        "gettxout": {"value": 1},
    }
    with answering_each(results) as source:
        assert expected == source.spender(OutPoint(b"\x11" * 32, 0))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<html>welcome</html>", SourceError),
        (200, b"", SourceError),
        (200, b"[" * 100_000, SourceError),
        (200, b'{"result": 1}', SourceError),
        (200, b"[1]", SourceError),
        (200, b'{"result": null, "error": {"message": "no code"}}', SourceError),
        (404, b"not here", SourceError),
        (503, b"Work queue depth exceeded", SourceUnavailableError),
        (502, b"<html>bad gateway</html>", SourceUnavailableError),
        (401, b"", SourceUnavailableError),
        (403, b"", SourceUnavailableError),
    ],
)
def test_what_is_no_json_rpc_is_refused(status: int, body: bytes, kind: type[SourceError]) -> None:
    """Pages, nothing, half an answer: nonsense is a SourceError, and what may pass later is unavailable."""
    with server(status, body) as url:
        source = CoreSource(url, REGTEST, NOBODY)
        with pytest.raises(SourceError) as refused:
            source.tip()
        assert kind is type(refused.value)
        source.close()


def test_a_node_that_still_starts_is_unavailable() -> None:
    """Code -28 means: wait."""
    with (
        answering(error={"code": -28, "message": "Loading block index"}, status=500) as source,
        pytest.raises(SourceUnavailableError, match="wait until the node has started"),
    ):
        source.tip()


def test_an_unexpected_code_keeps_its_number() -> None:
    """An error of the node that means nothing to us is handed on with its code."""
    with (
        answering(error={"code": -32601, "message": "Method not found"}, status=404) as source,
        pytest.raises(RpcError) as refused,
    ):
        source.header(bytes(32))
    assert -32601 == refused.value.code


def test_a_scan_of_someone_else_is_waited_for() -> None:
    """A node makes one scan of the unspent outputs at a time, and says -8 to the second."""
    with (
        answering(error={"code": -8, "message": "Scan already in progress"}, status=500) as source,
        pytest.raises(SourceUnavailableError, match="another scan"),
    ):
        source.unspent(b"\x51")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"feerate": 0.00012345, "blocks": 6}, 12.345),
        ({"feerate": 1, "blocks": 6}, 100_000.0),
        ({"errors": ["Insufficient data or no feerate found"], "blocks": 0}, None),
    ],
)
def test_an_estimate_is_turned_into_satoshi_per_virtual_byte(result: object, expected: float | None) -> None:
    """A node says BTC per 1,000 vB, and nothing where it has no estimate."""
    with answering(result) as source:
        assert expected == source.fee_rate_sat_per_vb(6)


@pytest.mark.parametrize("result", [None, 5, "text", [], [1], {}, {"blocks": "1", "bestblockhash": 5}, True])
def test_an_answer_of_another_shape_is_refused(result: Any) -> None:
    """No method believes an answer that does not have the shape it must have."""
    with answering(result) as source:
        with pytest.raises(SourceError):
            source.tip()
        with pytest.raises(SourceError):
            source.unspent(b"\x51")
        if result is not None:
            with pytest.raises(SourceError):
                source.block_hash(7)
            with pytest.raises(SourceError):
                source.header(bytes(32))


@pytest.mark.parametrize("result", [{"feerate": "1"}, {"feerate": True}, {"feerate": [1]}])
def test_an_estimate_that_is_no_number_is_refused(result: object) -> None:
    """A rate is a number or absent."""
    with answering(result) as source, pytest.raises(SourceError, match="a number"):
        source.fee_rate_sat_per_vb(6)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"mempoolminfee": 0.00001, "minrelaytxfee": 0.00001}, 1.0),
        ({"mempoolminfee": 0.00012345, "minrelaytxfee": 0.00001}, 12.345),
        ({"mempoolminfee": 0, "minrelaytxfee": 0.000001}, 0.1),
    ],
)
def test_the_least_rate_is_what_the_mempool_asks_now(result: object, expected: float) -> None:
    """The higher of the two minimums, in satoshi per virtual byte."""
    with answering(result) as source:
        assert expected == source.least_rate_sat_per_vb()


def test_the_header_of_another_block_is_refused() -> None:
    """A header is believed only if it hashes to what was asked for."""
    with answering("00" * 80) as source, pytest.raises(SourceError, match="do not trust"):
        source.header(bytes(32))
