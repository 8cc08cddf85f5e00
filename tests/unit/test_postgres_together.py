"""Writes that wait: they go to the server with the next question or the COMMIT, and none of them is lost or kept alone.

A real server, whose constraints refuse what is wrong.
"""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg import errors

from anchor.errors import StorageError
from anchor.storage.postgres import COPY_FROM, PostgresEngine
from anchor.storage.postgres_together import MOST_BYTES, MOST_ROWS
from tests.postgres import PostgresServer
from tests.waiting import wait_until

pytestmark = pytest.mark.postgres
INSERT = "INSERT INTO tree (tree_no, chain_id, size, built_size, sealed_size) VALUES (?, ?, 0, 0, 0)"
TOUCH = "UPDATE tree SET size = size / ? WHERE tree_no = ?"
CHAIN = "INSERT INTO chain (chain_no, name, opened_at_ms) VALUES (?, ?, ?)"
TILE = "INSERT INTO tile (tree_no, level, tile_no, hashes) VALUES (?, ?, ?, ?)"
ALL = "SELECT tree_no FROM tree ORDER BY tree_no"


@pytest.fixture
def engine(postgres_server: PostgresServer) -> Iterator[PostgresEngine]:
    made = PostgresEngine(postgres_server.log_database())
    yield made
    made.close()


def chain_id(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_what_waits_is_there_for_the_next_question(engine: PostgresEngine) -> None:
    """A question sees what was written before it, in the order in which it was; so does a statement with a count."""
    with engine.transaction():
        engine.execute_many(INSERT, [(1, chain_id(1)), (2, chain_id(2))])
        engine.execute_many("DELETE FROM tree WHERE tree_no = ?", [(1,)])
        assert [(2,)] == engine.query(ALL)
        engine.execute_many(INSERT, [(3, chain_id(3))])
        assert 2 == engine.execute("UPDATE tree SET size = 1")
        engine.execute_many(INSERT, [(4, chain_id(4))])
    assert [(2,), (3,), (4,)] == engine.query(ALL)


def test_what_waits_goes_before_rows_that_are_copied(engine: PostgresEngine) -> None:
    """Rows that refer to others may go by COPY right behind them."""
    with engine.transaction():
        for number in range(1, COPY_FROM + 1):
            engine.execute_many(INSERT, [(number, chain_id(number))])
        engine.execute_many(CHAIN, [(number, None, 0) for number in range(1, COPY_FROM + 1)])
    assert [(COPY_FROM,)] == engine.query("SELECT COUNT(*) FROM chain")


def test_a_write_that_was_refused_is_told_at_the_commit(
    engine: PostgresEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """The error is the statement's own, nothing of the transaction is kept, and nobody is told twice."""

    def write_twice() -> None:
        with engine.transaction():
            engine.execute_many(INSERT, [(1, chain_id(1))])
            engine.execute_many(INSERT, [(1, chain_id(2))])
            engine.execute_many(INSERT, [(2, chain_id(3)), (3, chain_id(4))])

    with pytest.raises(StorageError, match="tree_pkey"):
        write_twice()
    assert [] == engine.query(ALL)
    assert [] == caplog.records
    with engine.transaction():
        engine.execute_many(INSERT, [(1, chain_id(1))])
    assert [(1,)] == engine.query(ALL)


def test_a_write_that_was_refused_is_told_at_the_next_question(engine: PostgresEngine) -> None:
    """A question behind it raises that error, and what was written before is undone with it."""

    def write_and_ask() -> None:
        with engine.transaction():
            engine.execute_many(INSERT, [(1, chain_id(1))])
            engine.execute_many(TOUCH, [(0, 1)])
            engine.query(ALL)

    with pytest.raises(StorageError, match="division by zero"):
        write_and_ask()
    assert [] == engine.query(ALL)


def test_what_waits_is_left_with_its_transaction(engine: PostgresEngine) -> None:
    """A block that raises keeps nothing, of what was sent and of what was not; the next one writes its own only."""

    def give_up() -> None:
        with engine.transaction():
            engine.execute_many(INSERT, [(1, chain_id(1))])
            engine.query(ALL)
            engine.execute_many(INSERT, [(2, chain_id(2))])
            raise KeyError

    with pytest.raises(KeyError):
        give_up()
    with engine.transaction():
        engine.execute_many(INSERT, [(3, chain_id(3))])
    assert [(3,)] == engine.query(ALL)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([(1, 0, number, b"small") for number in range(COPY_FROM - 1)], id="few"),
        pytest.param([(1, 0, 0, bytes(MOST_BYTES))], id="a large one"),
    ],
)
def test_large_rows_do_not_wait(postgres_server: PostgresServer, rows: list[tuple[int, int, int, bytes]]) -> None:
    """The server works on large rows before anybody asks; on a few small ones it does not."""
    address = postgres_server.log_database()
    engine, other = PostgresEngine(address), psycopg.connect(address)

    def is_there() -> bool:
        """Say whether a row with this key is being written: a second one waits for what becomes of it."""
        try:
            other.execute("SET lock_timeout = '50ms'")
            other.execute("INSERT INTO tile VALUES (1, 0, 0, 'other')")
        except errors.LockNotAvailable:
            return True
        finally:
            other.rollback()
        return False

    with closing(other), closing(engine), engine.transaction():
        engine.execute_many(TILE, rows)
        if len(rows) == 1:
            wait_until(is_there, lambda: "the row was not sent")
        else:
            assert not is_there()
        [(count,)] = engine.query("SELECT COUNT(*) FROM tile")
        assert is_there()
        assert len(rows) == count


def test_what_the_server_has_begun_is_undone_with_its_transaction(engine: PostgresEngine) -> None:
    """Rows that were sent before anybody asked are left as those that were not, whatever became of them."""

    def give_up() -> None:
        with engine.transaction():
            engine.execute_many(TILE, [(1, 0, 0, bytes(MOST_BYTES))])
            engine.execute_many(TILE, [(1, 0, 0, bytes(MOST_BYTES))])
            raise KeyError

    with pytest.raises(KeyError):
        give_up()
    assert [(0,)] == engine.query("SELECT COUNT(*) FROM tile")


def test_many_rows_do_not_wait(engine: PostgresEngine) -> None:
    """So many are sent however small they are, and an error is told once, by whatever comes after it."""

    def write_many() -> None:
        with engine.transaction():
            engine.execute_many(INSERT, [(1, chain_id(1))])
            engine.execute_many(TOUCH, [(0, 1)] * MOST_ROWS)
            engine.execute_many(CHAIN, [(number, None, 0) for number in range(1, COPY_FROM + 1)])

    with pytest.raises(StorageError, match="division by zero"):
        write_many()
    assert [] == engine.query(ALL)


def test_a_session_that_ends_before_what_waits_is_sent_keeps_nothing(
    postgres_server: PostgresServer, engine: PostgresEngine
) -> None:
    """The commit says so, and the engine goes on with another session."""

    def write_and_lose() -> None:
        with engine.transaction():
            [(pid,)] = engine.query("SELECT pg_backend_pid()")
            engine.execute_many(INSERT, [(1, chain_id(1))])
            with psycopg.connect(postgres_server.address, autocommit=True) as connection:
                assert connection.execute("SELECT pg_terminate_backend(%s, 60000)", (pid,)).fetchone() == (True,)

    with pytest.raises(StorageError, match="the connection was lost"):
        write_and_lose()
    assert [] == engine.query(ALL)
