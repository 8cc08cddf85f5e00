"""Fixtures of the contract suites: each Bitcoin source that the product has, with the power to mine and reorganise.

A ``World`` is a source and what a test needs beside it; the suite sees no difference between its two kinds, the
embedded regtest and a real bitcoind. ``test_source.py`` is the user.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from anchor.bitcoin.agreeing import AgreeingSource
from anchor.bitcoin.core_rpc import CoreSource
from anchor.bitcoin.esplora import EsploraSource
from anchor.bitcoin.json_rpc import Cookie
from anchor.bitcoin.local import LocalRegtest
from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.protocols import Source
from tests.node import Node, running_node
from tests.simulators.esplora_server import EsploraServer, running_esplora


class World(Protocol):
    """A Bitcoin of the test's own."""

    @property
    def source(self) -> Source:
        """The source under test."""

    def mine(self, count: int, script: bytes) -> None:
        """Mine blocks, the first of which holds the mempool, to a script."""

    def reorg(self, depth: int) -> None:
        """Replace the newest blocks by a longer branch of empty ones; their transactions return to the mempool."""


class LocalWorld:
    """The embedded regtest."""

    def __init__(self, folder: Path) -> None:
        self.source = LocalRegtest(folder)

    def mine(self, count: int, script: bytes) -> None:
        self.source.mine(count, script)

    def reorg(self, depth: int) -> None:
        self.source.reorg(depth)


class NodeWorld:
    """A real bitcoind, and a source that shows its chain."""

    def __init__(self, node: Node, source: Source) -> None:
        self.node = node
        self.source = source

    def mine(self, count: int, script: bytes) -> None:
        self.node.call("generatetodescriptor", count, f"raw({script.hex()})")

    def reorg(self, depth: int) -> None:
        height = self.node.call("getblockcount")
        self.node.call("invalidateblock", self.node.call("getblockhash", height - depth + 1))
        for _ in range(depth + 1):
            self.node.call("generateblock", "raw(52)", [])  # empty, and unlike the replaced ones by its script


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A bitcoind without any index, for tests that bring their own wallet and mine for themselves."""
    with running_node(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture(scope="session")
def indexed_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A bitcoind with -txindex and -txospenderindex."""
    with running_node(tmp_path_factory.mktemp("indexed"), "-txindex=1", "-txospenderindex=1") as running:
        yield running


@pytest.fixture(scope="session")
def esplora(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EsploraServer]:
    """An Esplora server with a bitcoind of its own: regtest's subsidy is gone after some thousand blocks."""
    with indexed_esplora(tmp_path_factory.mktemp("esplora")) as server:
        yield server


@pytest.fixture(scope="session")
def second_esplora(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EsploraServer]:
    """Another one, for the same reason."""
    with indexed_esplora(tmp_path_factory.mktemp("second")) as server:
        yield server


@contextmanager
def indexed_esplora(folder: Path) -> Iterator[EsploraServer]:
    """Run a bitcoind with both indexes, and an Esplora server before it."""
    with running_node(folder, "-txindex=1", "-txospenderindex=1") as node, running_esplora(node) as server:
        yield server


def _agreeing_world(server: EsploraServer) -> NodeWorld:
    """Return a world seen by a node and an Esplora server, which must agree about everything."""
    core = CoreSource(server.node.url, NETWORKS["regtest"], Cookie(server.node.cookie))
    both: dict[str, Source] = {"core": core, "esplora": EsploraSource(server.url, NETWORKS["regtest"])}
    return NodeWorld(server.node, AgreeingSource(both, need=2))


@pytest.fixture(
    params=[
        "local",
        pytest.param("core", marks=pytest.mark.node),
        pytest.param("core-indexed", marks=pytest.mark.node),
        pytest.param("esplora", marks=pytest.mark.node),
        pytest.param("agreeing", marks=pytest.mark.node),
    ]
)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Each kind of source in turn."""
    with ExitStack() as stack:
        made: World
        if request.param == "local":
            made = LocalWorld(tmp_path / "regtest")
        elif request.param == "esplora":
            server = request.getfixturevalue("esplora")
            made = NodeWorld(server.node, EsploraSource(server.url, NETWORKS["regtest"]))
        elif request.param == "agreeing":
            made = _agreeing_world(request.getfixturevalue("second_esplora"))
        else:
            node = request.getfixturevalue({"core": "node", "core-indexed": "indexed_node"}[request.param])
            made = NodeWorld(node, CoreSource(node.url, NETWORKS["regtest"], Cookie(node.cookie)))
        stack.callback(made.source.close)
        yield made
