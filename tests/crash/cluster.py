"""A whole installation: two hosts with an API node and a daemon each, two PostgreSQL servers, a bitcoind.

``test_crash_cluster`` ends, pauses and cuts off its parts while clients write, and asks the checker of invariants what
is left. The second host is in a network namespace where one can be made.
"""

import re
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anchor.proof.bitcoin.transaction import MAX_WITH_WITNESS, Transaction, strip_witness
from anchor.proof.blocks import HeaderChain, encode_headers
from anchor.proof.receipt import LogCard
from anchor.proof.verifier import Verifier
from anchor.signing import check_signature
from chains.home import Home
from chains.reader import Reader
from chains.receipts import Receipts
from tests.crash.daemon import Daemon
from tests.crash.torturing import Said
from tests.invariants import Block, broken, misjudged, read_rows
from tests.network_namespace import Namespace, namespace, why_not
from tests.node import Node, free_port, running_node
from tests.replicated import LOOPBACK, Replicated, replicated
from tests.simulators.api_server import ApiServer, make_key, run_beside, running
from tests.waiting import wait_until

DATABASE = "log"
LEASE_S = 6
# Silence is noticed within seconds here, where an operator's network may be slower.
SILENCE: dict[str, Any] = {
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}
_PACE = {"seal_every_s": 1, "tick_every_s": 1, "anchor_every_s": 3, "lease_s": LEASE_S}
_NOBODY = "raw(51)"
_MATURE = 101
_MINE_EVERY_S = 0.5
_RECEIPTS = 100
"""So many receipts are verified; the places and times of all promises are looked at without them."""


@dataclass
class Host:
    """A host: its copy of the home's folder, its API node and its daemon."""

    home: Path
    server: ApiServer
    daemon: Daemon


@dataclass
class Cluster:
    """The running installation, and what its clients were told."""

    servers: Replicated
    node: Node
    hosts: list[Host]
    key: str
    chains: list[str]
    cable: Namespace | None
    said: Said = field(default_factory=Said)
    clients: int = 0

    # --- what there is

    def leader(self) -> Host | None:
        """Return the host whose daemon holds the lease."""
        [(pid,)] = self.servers.primary.ask("SELECT pid FROM lease WHERE holder IS NOT NULL", DATABASE) or [(0,)]
        return next((host for host in self.hosts if host.daemon.process.pid == pid), None)

    def have_lead(self, host: Host) -> None:
        """Have a host's daemon hold the lease."""
        wait_until(lambda: self.leader() is not None)
        other = self.beside(host)
        if self.leader() is other:
            assert 0 == other.daemon.end(signal.SIGTERM)
            wait_until(lambda: self.leader() is host)
            other.daemon.start()

    def beside(self, host: Host) -> Host:
        """Return the other host."""
        return self.hosts[1 - self.hosts.index(host)]

    def sealed(self) -> int:
        """Return the number of the newest seal that is signed."""
        newest = "SELECT COALESCE(MAX(seal_number), 0) FROM checkpoint WHERE note IS NOT NULL"
        return int(self.servers.primary.ask(newest, DATABASE)[0][0])

    def goes_on(self) -> None:
        """Wait until clients were answered again and again, and what they wrote was sealed."""
        answered = self.said.requests + self.clients
        wait_until(lambda: self.said.requests > answered, lambda: f"{self.said.requests} answers")
        sealed = self.sealed()
        wait_until(lambda: self.sealed() > sealed, self.logs)

    def logs(self) -> str:
        """Return the newest lines of the daemons, for a test that fails."""
        return "\n".join(line for host in self.hosts for line in host.daemon.log.read_text().splitlines()[-40:])

    def is_ready(self, host: Host) -> bool:
        """Say whether an API node says of itself that it can read and write."""
        with host.server.client() as client:
            return client.get("/readyz").status_code == 200

    # --- the end

    def settle(self) -> None:
        """Wait until all that was written is under an anchor in a block."""
        waiting = "SELECT COUNT(*) FROM tree WHERE tree_no > 0 AND sealed_size < size"
        wait_until(lambda: [(0,)] == self.servers.primary.ask(waiting, DATABASE))
        newest = "SELECT MAX(size) FROM checkpoint"
        mined = (
            "SELECT MAX(checkpoint_size) FROM attempt JOIN attempt_event USING (attempt_no) WHERE event = 'in-block'"
        )
        [(size,)] = self.servers.primary.ask(newest, DATABASE)
        wait_until(lambda: (self.servers.primary.ask(mined, DATABASE)[0][0] or 0) >= size)

    def findings(self) -> list[str]:
        """Return everything that does not hold of rows, blocks, promises, receipts and signed checkpoints."""
        blocks, headers = self._blocks()
        home = self.hosts[0].home
        promises = self.said.promises
        with Home.open(home) as opened:
            found = broken(read_rows(opened.engine.query), promises, blocks, check_signature)
            receipts = Receipts(
                *(opened.engine, opened.trees, opened.directory, opened.chains, opened.journal, opened.lookup)
            )
            reader = Reader(opened.engine, opened.chains, opened.lookup)
            every = max(1, len(promises) // _RECEIPTS)
            stored = [reader.by_hash(promise.leaf.entry_hash) for promise in promises[::every]]
            made = [receipts.make(each).encode() for each in stored if each is not None]
        card = LogCard.decode((home / "log-card.json").read_bytes())
        verifier = Verifier(card=card, blocks=(headers,), depth=1, check_signature=check_signature)
        return [*found, *misjudged(made, promises, verifier), *self._signed_twice()]

    def _blocks(self) -> tuple[list[Block], HeaderChain]:
        """Return the node's blocks, and their headers as a verifier keeps them."""
        blocks, headers = [], []
        for height in range(int(self.node.call("getblockcount")) + 1):
            block_hash = self.node.call("getblockhash", height)
            headers.append(bytes.fromhex(self.node.call("getblockheader", block_hash, False)))
            found = self.node.call("getblock", block_hash, 2)
            raws = [strip_witness(bytes.fromhex(each["hex"]), MAX_WITH_WITNESS) for each in found["tx"]]
            transactions = [Transaction.decode(raw, len(raw)) for raw in raws]
            blocks.append(Block(int(found["time"]) * 1000, transactions))
        return blocks, HeaderChain.decode(encode_headers("regtest", 0, headers))

    def _signed_twice(self) -> Iterator[str]:
        """Yield each size of which two daemons, or one at two times, signed two roots."""
        said = "".join(host.daemon.log.read_text() for host in self.hosts)
        signed = set(re.findall(r"event=sealed seal=\d+ (size=\d+) (root=[0-9a-f]{64})", said))
        yield from (
            f"signed: two roots of {size}" for size in {size for size, _ in signed if len(dict(signed)) != len(signed)}
        )


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Start everything; nothing of it is left afterwards. Skips the test where there is no server or no node."""
    with ExitStack() as stack:
        cable = None if why_not() else stack.enter_context(namespace())
        servers = stack.enter_context(replicated())
        options = ("-rpcbind=0.0.0.0", "-rpcallowip=127.0.0.0/8", "-rpcallowip=198.18.0.0/15")
        node = stack.enter_context(running_node(folder / "node", *options))
        homes = _homes(folder, servers, node, cable)
        key = make_key(homes[0], "acme")
        prefixes: list[tuple[str, ...]] = [(), cable.prefix if cable else ()]
        hosts = []
        for home, prefix in zip(homes, prefixes, strict=True):
            server = ApiServer(home, prefix=prefix)
            if prefix and cable is not None:
                server.url = f"http://{cable.inside}:{free_port()}"
            stack.enter_context(running(server))
            daemon = Daemon(home, prefix)
            stack.callback(daemon.kill)
            hosts.append(Host(home, server, daemon))
        stack.enter_context(_mining(node))
        with hosts[0].server.client(key) as client:
            chains = [client.post("/v1/chains", json={}).json()["chain_id"] for _ in range(2)]
        yield Cluster(servers, node, hosts, key, chains, cable)


def _homes(folder: Path, servers: Replicated, node: Node, cable: Namespace | None) -> list[Path]:
    """Make the log, with coins in its wallet, and the folders of two hosts."""
    servers.primary.tell(f"CREATE DATABASE {DATABASE}")
    first, second = folder / "first", folder / "second"
    core = ("--core-url", node.url, "--core-cookie-file", str(node.cookie))
    database = servers.address(DATABASE, **SILENCE)
    names = ("--origin", "log.example/cluster", "--network", "regtest", "--no-password", "--json")
    run_beside(first, "init", *names, *core, "--database", database)
    with Home.open(first) as home:
        address = home.wallet.address
    node.call("generatetoaddress", 1, address)
    node.call("generatetodescriptor", _MATURE - 1, _NOBODY)
    settings = first / "anchorline.toml"
    text = settings.read_text()
    for name, value in _PACE.items():
        text = re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
    settings.write_text(text)
    shutil.copytree(first, second)
    if cable is not None:
        (second / settings.name).write_text(text.replace(LOOPBACK, cable.outside))
    return [first, second]


@contextmanager
def _mining(node: Node) -> Iterator[None]:
    """Let somebody find blocks, as on any network."""
    stop = threading.Event()

    def mine() -> None:
        while not stop.wait(_MINE_EVERY_S):
            node.call("generatetodescriptor", 1, _NOBODY)

    mining = threading.Thread(target=mine)
    mining.start()
    try:
        yield
    finally:
        stop.set()
        mining.join()
