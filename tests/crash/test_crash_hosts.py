"""Two hosts with a service each and a daemon, on one PostgreSQL database: each is killed in turn, nothing is lost."""

import asyncio
import re
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from chains.home import Home
from tests.crash.daemon import Daemon
from tests.crash.torturing import CLIENTS, IS_WHOLE, KILLS, Said, check_said, torture
from tests.postgres import PostgresServer
from tests.simulators.api_server import ApiServer, make_key, run_beside, serving
from tests.waiting import wait_until

pytestmark = pytest.mark.postgres


@pytest.fixture
def hosts(tmp_path: Path, postgres_server: PostgresServer) -> list[Path]:
    """Folders of three hosts, on none of which there is a database, nor keys of contents."""
    first = tmp_path / "first"
    database = postgres_server.log_database()
    run_beside(first, "init", "--embedded", "--origin", "log.example/hosts", "--database", database)
    settings = first / "anchorline.toml"
    settings.write_text(re.sub(r"(?m)^(seal_every_s|tick_every_s) = .*$", r"\1 = 1", settings.read_text()))
    # Each has an embedded regtest of its own, on which nothing is ever anchored.
    others = [Path(shutil.copytree(first, tmp_path / name)) for name in ("second", "third")]
    return [first, *others]


def test_nothing_is_lost_whoever_is_killed(hosts: list[Path], record_property: Callable[[str, object], None]) -> None:
    """Each acknowledged entry is there once, in chains without a gap that both hosts wrote; seals went on."""
    key, said = make_key(hosts[0], "acme"), Said()
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(home)) for home in hosts[:2]]
        daemon = Daemon(hosts[2])
        stack.callback(daemon.kill)

        def killing(server: ApiServer) -> Callable[[], None]:
            def kill() -> None:
                assert -signal.SIGKILL == server.kill()
                server.start()

            return kill

        def kill_daemon() -> None:
            assert -signal.SIGKILL == daemon.end(signal.SIGKILL)
            daemon.start()

        with servers[0].client(key) as client:
            chains = [client.post("/v1/chains", json={}).json()["chain_id"] for _ in range(2)]
        # Clients of both hosts write to each chain.
        endings = [killing(servers[0]), kill_daemon, killing(servers[1])] * (KILLS // 2)
        asyncio.run(torture(servers, key, [*chains, *reversed(chains)], said, endings))
        # On a machine with much to do, the first seal may come behind all that clients wrote.
        wait_until(lambda: daemon.count("event=sealed") > 0, daemon.log.read_text)
        sealed = daemon.count("event=sealed")
        with servers[0].client(key) as client:
            said.take_one(client.post(f"/v1/chains/{chains[0]}/entries", content=b"last").json())
        wait_until(lambda: daemon.count("event=sealed") > sealed, daemon.log.read_text)
        assert [0, 0] == [server.stop() for server in servers]
        assert 0 == daemon.end(signal.SIGTERM)
    assert said.requests > CLIENTS
    found = check_said(hosts[1], chains, said)
    with Home.open(hosts[1]) as home:
        newest = home.directory.newest()
        assert newest is not None
        assert newest.seal_number > 0
    record_property("acknowledged", len(said.places))
    if IS_WHOLE:
        sys.stdout.write(found)
