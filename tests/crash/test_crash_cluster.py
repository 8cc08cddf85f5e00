"""Two hosts, two daemons, a PostgreSQL primary with its synchronous replica: whoever dies or falls silent, one history.

Clients write all the while, under idempotency keys, and go to the other host where one does not answer; a real node
finds blocks. At the end the checker of ``tests.invariants`` looks at rows, blocks, promises and receipts.
ANCHORLINE_TORTURE=1 tells the story five times.
"""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import count

import pytest

from anchor.storage.postgres import PostgresEngine
from chains.client import Client, Recorded
from tests.crash.cluster import SILENCE, Cluster, Host, running_cluster
from tests.crash.torturing import IS_WHOLE, check_said, torture
from tests.network_namespace import why_not
from tests.simulators.api_server import ROOT
from tests.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.xdist_group("cluster")
CLIENTS = 4
_NUMBERS = count()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The installation; each test leaves all of it running."""
    folder = tmp_path_factory.mktemp("cluster")
    with pytest.MonkeyPatch.context() as patching:
        for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            patching.setenv(name, str(folder / name.lower()))
        with running_cluster(folder) as made:
            yield made


def tell(cluster: Cluster, events: Sequence[Callable[[], None]]) -> None:
    """Let clients write while one thing after the other happens; then nothing that must hold is broken."""
    numbers = [next(_NUMBERS) for _ in range(CLIENTS)]
    cluster.clients = CLIENTS
    chains = [*cluster.chains, *reversed(cluster.chains)]
    servers = [host.server for host in cluster.hosts]
    asyncio.run(torture(servers, cluster.key, chains, cluster.said, events, numbers=numbers, pause_s=0.1))
    cluster.settle()
    assert [] == cluster.findings()
    found = check_said(cluster.hosts[0].home, cluster.chains, cluster.said)
    if IS_WHOLE:
        sys.stdout.write(f"{cluster.sealed()} seals; {found}")


@pytest.mark.postgres
@pytest.mark.node
def test_whoever_is_killed_or_paused_there_is_one_history(cluster: Cluster) -> None:
    """Each part is killed in turn, the replica promoted, the leader paused past its lease: nothing said is lost."""
    hosts, servers = cluster.hosts, cluster.servers
    client = Client(hosts[0].server.url, cluster.key, card=hosts[0].home / "log-card.json")
    opened = client.open_chain(["client"], name="client")
    adding: list[Future[Recorded]] = []

    def kill_node(host: Host) -> None:
        assert -signal.SIGKILL == host.server.kill()
        host.server.start()
        cluster.goes_on()

    def kill_leader() -> None:
        wait_until(cluster.leader)
        killed = cluster.leader()
        assert killed is not None
        assert -signal.SIGKILL == killed.daemon.end(signal.SIGKILL)
        wait_until(lambda: cluster.leader() is cluster.beside(killed))
        stood = killed.daemon.count("event=standby")
        killed.daemon.start()
        # One that begins while there is no primary ends at once: whoever runs it starts it again.
        wait_until(lambda: killed.daemon.count("event=standby") > stood, cluster.logs)
        cluster.goes_on()

    def kill_replica() -> None:
        servers.replica.kill()
        servers.replica.start()
        servers.wait_until_in_step()
        cluster.goes_on()

    def lose_primary() -> None:
        servers.primary.kill()
        content = b"written without a primary, %d" % len(adding)
        adding.append(waiting.submit(client.add, opened.own.entry.chain_id, content))
        wait_until(lambda: not any(map(cluster.is_ready, hosts)))
        servers.promote()
        wait_until(lambda: all(map(cluster.is_ready, hosts)))
        cluster.goes_on()
        servers.follow()
        cluster.goes_on()

    def pause_leader() -> None:
        wait_until(cluster.leader)
        paused = cluster.leader()
        assert paused is not None
        lost = paused.daemon.count("event=lease-lost")
        paused.daemon.process.send_signal(signal.SIGSTOP)
        # Where it was paused in its turn, the server and whoever waits take 30 seconds to end that.
        wait_until(lambda: cluster.leader() is cluster.beside(paused), cluster.logs, 2 * PATIENCE_S)
        cluster.goes_on()
        paused.daemon.process.send_signal(signal.SIGCONT)
        wait_until(lambda: paused.daemon.count("event=lease-lost") > lost)
        # The client asks again for as long as there is no primary, and gets one answer.
        given = [opened.promise, *(each.result().promise for each in adding)]
        cluster.said.promises += [each for each in given if each not in cluster.said.promises and each is not None]
        cluster.goes_on()

    events = [lambda: kill_node(hosts[0]), lambda: kill_node(hosts[1]), kill_leader, kill_leader]
    with client, ThreadPoolExecutor(1) as waiting:
        tell(cluster, [*events, kill_replica, lose_primary, pause_leader] * (5 if IS_WHOLE else 1))
    assert list(range(1, len(adding) + 1)) == [each.result().leaf_index for each in adding]
    assert len(cluster.said.places) > CLIENTS


@pytest.mark.netns
def test_who_is_cut_off_comes_back_to_one_history(cluster: Cluster) -> None:
    """A host that leads and writes is cut off: the other one goes on, and both do when it is heard again."""
    cable, (near, far) = cluster.cable, cluster.hosts
    if cable is None:
        pytest.skip(why_not())

    def cut_off() -> None:
        cluster.have_lead(far)
        cluster.goes_on()
        lost = far.daemon.count("event=lease-lost")
        cable.cut()
        wait_until(lambda: cluster.leader() is near)
        cluster.goes_on()
        cable.heal()
        wait_until(lambda: far.daemon.count("event=lease-lost") > lost)
        wait_until(lambda: cluster.is_ready(far))
        cluster.goes_on()

    tell(cluster, [cut_off] * (5 if IS_WHOLE else 1))


_CUT_OFF = """
import sys
from anchor.errors import StorageError
from anchor.storage.postgres import PostgresEngine
from anchor.storage.tables import tables

def rows():
    yield from ((number, bytes(1000)) for number in range(100))
    print("in turn", flush=True)
    sys.stdin.readline()
    yield 100, bytes(1000)

try:
    engine = PostgresEngine(sys.argv[1])
    with engine.transaction():
        if sys.argv[2] == "copy":
            engine.insert_rows(next(each for each in tables() if each.name == "identity"), rows())
        else:
            for row in rows():
                engine.execute("INSERT INTO identity (identity_no, leaf_0) VALUES (?, ?)", row)
except StorageError:
    print("lost", flush=True)
"""


@pytest.mark.netns
@pytest.mark.parametrize("by", ["copy", "statement"])
def test_who_is_cut_off_in_his_turn_loses_it(cluster: Cluster, by: str) -> None:
    """Between two statements or within a COPY: the server hears nothing of him, undoes it, and another one writes."""
    cable, servers = cluster.cable, cluster.servers
    if cable is None:
        pytest.skip(why_not())
    name = f"cut_{by}"
    servers.primary.tell(f"CREATE DATABASE {name}")
    with closing(PostgresEngine(servers.address(name, **SILENCE), busy_timeout_s=PATIENCE_S)) as other:
        theirs = servers.address(name, cable.outside, **SILENCE)
        command = [*cable.prefix, sys.executable, "-c", _CUT_OFF, theirs, by]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert "in turn\n" == process.stdout.readline()
            cable.cut()
            with other.transaction():
                other.execute("INSERT INTO identity (identity_no, leaf_0) VALUES (?, ?)", (1, b"other"))
            cable.heal()
            process.stdin.write("\n")
            process.stdin.close()
            assert "lost\n" == process.stdout.readline()
        assert [(1, b"other")] == other.query("SELECT identity_no, leaf_0 FROM identity")
