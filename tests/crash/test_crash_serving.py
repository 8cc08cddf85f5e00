"""The torture of ``serve``: clients write while it is killed, whole or half, again and again; nothing said is lost."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chains.web.commits_beside import is_of_use
from tests.crash.torturing import CLIENTS, IS_WHOLE, KILLS, Said, check_said, torture
from tests.simulators.api_server import SOON_S, ApiServer, make_home, make_key, running, serving


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path)


def test_nothing_that_was_acknowledged_is_lost(home: Path, record_property: Callable[[str, object], None]) -> None:
    """After kills in the middle of writing each acknowledged entry is there once, promised, and the audit is clean."""
    key, said = make_key(home, "acme"), Said()
    with serving(home) as server:

        def kill() -> None:
            assert -signal.SIGKILL == server.kill()
            server.start()

        def kill_half() -> None:
            """Kill the process that commits, where there is one: the other one ends by itself, and says why."""
            [serves, *commits] = server.processes
            os.kill(commits[0] if commits else serves, signal.SIGKILL)
            assert server.process is not None
            assert (1 if commits else -signal.SIGKILL) == server.process.wait(SOON_S)
            assert not commits or server.has_said("event=failed job=commit")
            server.start()

        def stop() -> None:
            """Ask it to stop, in the middle of writing: it ends in good order."""
            assert 0 == server.stop()
            server.start()

        with server.client(key) as client:
            chains = [client.post("/v1/chains", json={}).json()["chain_id"] for _ in range(3)]
        asyncio.run(torture([server], key, chains, said, [kill] * KILLS + [kill_half, stop]))
        assert 0 == server.stop()
    assert said.requests > CLIENTS
    found = check_said(home, chains, said)
    record_property("acknowledged", len(said.places))
    if IS_WHOLE:
        sys.stdout.write(found)


@pytest.mark.sqlite("on PostgreSQL a node is one process")
def test_a_service_on_a_file_is_two_processes(home: Path) -> None:
    """Where a second one is of use, and nothing is traced; both are gone when it was stopped."""
    with serving(home) as server:
        processes = server.processes
        assert (2 if is_of_use() else 1) == len(processes)
        assert 0 == server.stop()
        assert not any(Path(f"/proc/{process}").exists() for process in processes)
    with serving(home) as server:
        for process in server.processes[1:]:  # nothing was written yet, and nothing will be
            os.kill(process, signal.SIGKILL)
            assert server.process is not None
            assert 1 == server.process.wait(SOON_S)
            assert server.has_said("event=failed job=commit")
    with running(ApiServer(home, ("--no-daemon", "--traces"))) as server:
        assert 1 == len(server.processes)
        assert 0 == server.stop()
