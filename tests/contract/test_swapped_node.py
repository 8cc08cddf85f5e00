"""A node that is swapped for one of another network behind the same port: it is named, and asked nothing.

Every node is a real bitcoind without peers; what it was asked is read from its own log.
"""

import shutil
from pathlib import Path

import pytest

from anchor.bitcoin.core_rpc import CoreSource
from anchor.bitcoin.esplora import EsploraSource
from anchor.bitcoin.http_retry import Patience, Surroundings
from anchor.bitcoin.json_rpc import Cookie
from anchor.bitcoin.networks import NETWORKS
from anchor.errors import SourceUnavailableError, WrongNetworkError
from tests.node import running_node
from tests.simulators.esplora_server import Fault, running_esplora

pytestmark = pytest.mark.node

REGTEST = NETWORKS["regtest"]
GENESIS = {name: NETWORKS[name].genesis_hash[::-1].hex() for name in NETWORKS}
INDEXES = ("-txindex=1", "-txospenderindex=1")


@pytest.mark.parametrize("chain", ["signet", "testnet4"])
@pytest.mark.parametrize("is_missed", [True, False], ids=["while it is asked", "between two questions"])
def test_a_node_is_recognised_after_a_restart(tmp_path: Path, chain: str, is_missed: bool) -> None:
    """Whether the connection failed under a question or was lost unseen: the other node is asked its name only."""
    cookie = tmp_path / "cookie"
    with running_node(tmp_path / "first") as node:
        port = int(node.url.rpartition(":")[2])
        shutil.copy(node.cookie, cookie)
        source = CoreSource(node.url, REGTEST, Cookie(cookie), timeout_s=5)
        assert 0 == source.tip().height
    if is_missed:
        with pytest.raises(SourceUnavailableError):
            source.tip()
    with running_node(tmp_path / "second", "-debug=rpc", chain=chain, port=port) as other:
        shutil.copy(other.cookie, cookie)
        for question in (source.tip, lambda: source.unspent(b"\x51"), source.check_network):
            with pytest.raises(WrongNetworkError, match=f"{GENESIS['regtest']} of regtest, found {GENESIS[chain]}"):
                question()
        asked = (tmp_path / "second" / chain / "debug.log").read_text().partition("Done loading")[2]
        assert "method=getblockhash" in asked
        for never in ("scantxoutset", "getblockchaininfo", "getrawmempool"):
            assert f"method={never}" not in asked
    with running_node(tmp_path / "first", port=port) as node:
        shutil.copy(node.cookie, cookie)
        assert 0 == source.tip().height
    source.close()


def test_a_server_is_recognised_after_its_gateway_lost_it(tmp_path: Path) -> None:
    """An Esplora server whose node was swapped behind an open connection: the gateway's 502 gives it away."""
    quick = Patience(tries=1, first_wait_s=0.0, rest_s=0.0)
    with (
        running_node(tmp_path / "first", *INDEXES) as node,
        running_node(tmp_path / "second", *INDEXES, chain="testnet4") as other,
        running_esplora(node) as server,
    ):
        source = EsploraSource(server.url, REGTEST, quick, Surroundings())
        assert 0 == source.tip().height
        server.faults = [Fault(".*", status=502, instead=True, times=1)]
        with pytest.raises(SourceUnavailableError, match="HTTP 502"):
            source.tip()
        server.swap(other)
        with pytest.raises(WrongNetworkError, match=f"{GENESIS['regtest']} of regtest, found {GENESIS['testnet4']}"):
            source.tip()
        server.swap(node)
        assert 0 == source.tip().height
        source.close()
