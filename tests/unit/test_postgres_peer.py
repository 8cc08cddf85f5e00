"""A connection to one of several PostgreSQL servers: silence is noticed, a replica takes over, doubts are told."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from anchor.errors import StorageError
from anchor.storage.postgres import PostgresEngine
from anchor.storage.postgres_address import PostgresAddress
from anchor.storage.postgres_peer import connection_string
from tests.replicated import LOOPBACK, Member, Replicated, replicated
from tests.waiting import wait_until

pytestmark = pytest.mark.postgres
INSERT = "INSERT INTO identity (identity_no, leaf_0) VALUES (?, ?)"
ALL = "SELECT identity_no, leaf_0 FROM identity ORDER BY identity_no"


@pytest.fixture(scope="module")
def pair() -> Iterator[Replicated]:
    """A primary and its replica; each test leaves both running."""
    with replicated() as servers:
        yield servers


@pytest.fixture
def engine(pair: Replicated, request: pytest.FixtureRequest) -> Iterator[PostgresEngine]:
    """An engine on a database of its own, opened by the address of both servers."""
    name = f"d{abs(hash(request.node.name))}"
    pair.primary.tell(f"CREATE DATABASE {name}")
    with closing(PostgresEngine(pair.address(name, sslmode="disable", gssencmode="disable"))) as made:
        yield made


def test_what_an_address_says_itself_is_left_as_it_is() -> None:
    """Time-outs, and the search for the primary among several hosts, are added to what does not name them."""
    one = conninfo_to_dict(connection_string("postgresql://u@db.example/log"))
    assert ("10", "20000", None) == (one["keepalives_idle"], one["tcp_user_timeout"], one.get("target_session_attrs"))
    several = conninfo_to_dict(connection_string("postgresql://u@a.example,b.example/log?keepalives_idle=2"))
    assert ("2", "read-write") == (several["keepalives_idle"], several["target_session_attrs"])
    any_of_them = connection_string("postgresql://u@a.example,b.example/log?target_session_attrs=any")
    assert "any" == conninfo_to_dict(any_of_them)["target_session_attrs"]


def test_both_ends_notice_silence_as_soon(engine: PostgresEngine) -> None:
    """A server keeps the turn of a client that is gone no longer than a client waits for a server that is gone."""
    names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
    settings = engine.query("SELECT " + ", ".join(f"current_setting('{name}')" for name in names))
    assert [("10", "3", "3", "20000")] == settings


def test_the_page_says_how_commits_wait_for_a_replica(pair: Replicated, engine: PostgresEngine) -> None:
    """What docs/operate/postgresql.md has the operator tell the primary makes it wait; before, there is a risk."""
    [(name,)] = engine.query("SELECT current_database()")
    page = (Path(__file__).parents[2] / "docs" / "operate" / "postgresql.md").read_text()
    [block] = re.findall("```sql\n(.*?)```", page, re.DOTALL)
    pair.primary.tell("ALTER SYSTEM RESET synchronous_standby_names")
    pair.primary.tell("SELECT pg_reload_conf()")
    wait_until(lambda: [("async",)] == pair.primary.ask("SELECT sync_state FROM pg_stat_replication"))
    assert "may lose" in PostgresAddress(pair.address(name)).risk()
    assert "" == PostgresAddress(pair.primary.address(name)).risk()
    for statement in block.split(";")[:-1]:
        pair.primary.tell(statement)
    pair.wait_until_in_step()
    assert "" == PostgresAddress(pair.address(name)).risk()


def test_a_commit_that_does_not_wait_for_its_replica_is_an_error(pair: Replicated, engine: PostgresEngine) -> None:
    """Where somebody calls the waiting off, what was written is there, and yet nobody may acknowledge it."""
    raised: list[StorageError] = []

    def write() -> None:
        try:
            with engine.transaction():
                engine.execute(INSERT, (1, b"one"))
        except StorageError as error:
            raised.append(error)

    pair.replica.kill()
    writing = threading.Thread(target=write)
    writing.start()
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    wait_until(lambda: pair.primary.ask(waiting) or raised, lambda: raised)
    assert [] == raised
    pair.primary.tell(f"SELECT pg_cancel_backend(pid) FROM ({waiting}) AS waits")
    writing.join()
    assert ["replica may not have" in str(error) for error in raised] == [True]
    assert [(1, b"one")] == engine.query(ALL)
    pair.replica.start()
    pair.wait_until_in_step()


def check_acknowledges_nothing(old: Member, engine: PostgresEngine) -> None:
    """Start a primary that was lost as it was: whatever it commits waits for a replica that is none of its any more."""
    [(name,)] = engine.query("SELECT current_database()")
    raised: list[StorageError] = []

    def write() -> None:
        try:
            with closing(PostgresEngine(old.address(name))) as late, late.transaction():
                late.execute(INSERT, (3, b"by the old one"))
        except StorageError as error:
            raised.append(error)

    old.start()
    writing = threading.Thread(target=write)
    writing.start()
    wait_until(lambda: old.ask("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'") or raised, lambda: raised)
    assert [] == raised
    old.kill()
    writing.join()
    assert 1 == len(raised)


def test_a_replica_that_was_promoted_is_found(pair: Replicated, engine: PostgresEngine) -> None:
    """With the primary gone each attempt is one attempt; then the other one has everything, and is written to."""
    with engine.transaction():
        engine.execute(INSERT, (1, b"one"))
    pair.primary.kill()
    asked = 0
    with socket.create_server((LOOPBACK, pair.primary.port)) as listening:

        def hang_up() -> None:
            nonlocal asked
            with suppress(OSError):  # until the listening ends
                while True:
                    listening.accept()[0].close()
                    asked += 1

        answering = threading.Thread(target=hang_up)
        answering.start()
        for _ in range(2):
            with pytest.raises(StorageError, match="no server was reached"), engine.transaction():
                raise AssertionError("the block must not run")
        listening.shutdown(socket.SHUT_RDWR)
        answering.join()
    assert asked in range(2, 7)  # by the engine twice, and by the replica every five seconds
    pair.promote()
    assert [(1, b"one")] == engine.query(ALL)
    with engine.transaction():
        engine.execute(INSERT, (2, b"two"))
    check_acknowledges_nothing(pair.replica, engine)
    pair.follow()
    assert [(1, b"one"), (2, b"two")] == engine.query(ALL)
