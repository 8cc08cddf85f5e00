"""Waiting for databases at a start: what is waited for, for how long, and what is said meanwhile; on a real server.

Clock and pauses of the pure part come in as arguments. The server is one of its own, as it is stopped and started.
"""

import http.client
import socket
from pathlib import Path

import psycopg
import pytest

from anchor.storage.database import Reach
from anchor.storage.reaching import reach
from chains.settings import FILE_NAME, Settings
from chains.starting import wait_for_databases, wait_until_reached
from chains.web.starting import answering
from tests.postgres import StoppedServer, stopped_postgres
from tests.waiting import wait_until


class Stepped:
    """A clock that only pauses move, and looks that find one thing after the other, the last for ever."""

    def __init__(self, *found: Reach, stop_after: int = 1_000_000) -> None:
        self.found = list(found)
        self.now_s = 0.0
        self.pauses: list[float] = []
        self.lines: list[str] = []
        self._stop_after = stop_after

    def look(self) -> Reach:
        return self.found.pop(0) if len(self.found) > 1 else self.found[0]

    def pause(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        self.now_s += seconds
        return len(self.pauses) >= self._stop_after

    def wait(self, limit_s: float) -> bool:
        return wait_until_reached("it", self.look, limit_s, self.lines.append, self.pause, lambda: self.now_s)


def test_a_database_that_comes_is_waited_for_and_told() -> None:
    """Pauses grow; each look is a line, and so is the end of the waiting."""
    stepped = Stepped(Reach.SILENT, Reach.SILENT, Reach.STARTING, Reach.NO_PRIMARY, Reach.REACHED)
    assert stepped.wait(300)
    assert [0.5, 1.0, 2.0, 4.0] == stepped.pauses
    assert [
        "event=database-wait database='it' found=no-answer waited_s=0 limit_s=300",
        "event=database-wait database='it' found=no-answer waited_s=0 limit_s=300",
        "event=database-wait database='it' found=starting-up-or-shutting-down waited_s=1 limit_s=300",
        "event=database-wait database='it' found=no-primary waited_s=3 limit_s=300",
        "event=database database='it' found=reached waited_s=7",
    ] == stepped.lines


def test_what_is_refused_is_not_waited_for() -> None:
    """A wrong password does not become right; nothing is said, since whoever opens says all of it."""
    for found in (Reach.REFUSED, Reach.REACHED):
        stepped = Stepped(found)
        assert (True, [], []) == (stepped.wait(300), stepped.pauses, stepped.lines)


@pytest.mark.parametrize("limit_s", [0, 1, 60, 86_400])
def test_nobody_waits_for_longer_than_the_settings_say(limit_s: int) -> None:
    """At the limit it is looked once more; then opening the database says what is wrong."""
    stepped = Stepped(Reach.SILENT)
    assert stepped.wait(limit_s)
    assert (limit_s, True) == (stepped.now_s, all(pause <= 15 for pause in stepped.pauses))
    assert (
        f"event=database-missing database='it' found=no-answer waited_s={limit_s} limit_s={limit_s}"
        == (stepped.lines[-1])
    )


def test_who_waits_can_be_stopped() -> None:
    """A signal ends the waiting, and nothing is opened."""
    stepped = Stepped(Reach.SILENT, stop_after=3)
    assert (False, 3) == (stepped.wait(300), len(stepped.pauses))


def test_a_home_with_a_file_waits_for_nothing(tmp_path: Path) -> None:
    """There is no server to look for."""
    (tmp_path / FILE_NAME).write_text(Settings("regtest", "embedded").encode())
    lines: list[str] = []
    assert wait_for_databases(tmp_path, lines.append, lambda _: pytest.fail("it waited"))
    assert [] == lines


def test_a_service_that_waits_says_that_it_is_not_ready() -> None:
    """Whoever asks is answered at once: it lives, and can do nothing yet; then the socket is there for the service."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def ask(method: str, path: str) -> tuple[int, str | None, bytes]:
            asked = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            asked.request(method, path)
            answer = asked.getresponse()
            found = answer.status, answer.getheader("Retry-After"), answer.read()
            asked.close()
            return found

        with answering(listening):
            assert (200, None, b'{"status":"ok"}') == ask("GET", "/healthz")
            for method, path in (("GET", "/readyz"), ("POST", "/v1/chains"), ("DELETE", "/healthz"), ("GET", "/")):
                status, retry_after, body = ask(method, path)
                assert (503, "10", True) == (status, retry_after, b'"code":"storage-failed"' in body)
            assert (503, "10", b"") == ask("HEAD", "/readyz")
        with socket.create_connection(("127.0.0.1", port)) as calling:
            listening.accept()[0].close()
            assert b"" == calling.recv(1)


# --- with a server


def wait_for(found: Reach, server: StoppedServer, address: str) -> None:
    wait_until(lambda: reach(address) is found, lambda: (reach(address), server.log()))


@pytest.mark.postgres
def test_what_cannot_be_reached_is_told_from_what_refuses() -> None:
    """No server, one that recovers, one that only reads: that may change. A wrong name or password does not."""
    with stopped_postgres() as server:
        writing = f"{server.address}&target_session_attrs=read-write"
        assert Reach.SILENT is reach(writing)
        assert Reach.SILENT is reach("postgresql://anchorline@no-such-host.invalid/postgres")
        standby = server.folder / "data" / "standby.signal"
        standby.touch()
        server.start(hot_standby="off")
        wait_for(Reach.STARTING, server, writing)
        server.stop()
        server.start()
        wait_for(Reach.NO_PRIMARY, server, writing)
        server.stop()
        standby.unlink()
        server.start()
        wait_for(Reach.REACHED, server, writing)
        assert Reach.REFUSED is reach(server.address.replace("/postgres?", "/nowhere?"))
        with psycopg.connect(server.address, autocommit=True) as connection:
            connection.execute("CREATE ROLE walled LOGIN PASSWORD 'right'")
            rules = server.folder / "data" / "pg_hba.conf"
            rules.write_text(f"local all walled scram-sha-256\n{rules.read_text()}")
            connection.execute("SELECT pg_reload_conf()")
        walled = server.address.replace("user=anchorline", "user=walled&password=")
        wait_for(Reach.REFUSED, server, f"{walled}wrong")
        assert Reach.REACHED is reach(f"{walled}right")
