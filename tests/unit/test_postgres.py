"""What PostgreSQL alone can do to a home: sessions that end, servers that lose writes, readers that may not write."""

import ast
import re
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from anchor.errors import NewerHomeError, StorageBusyError, StorageError, StorageReadOnlyError
from anchor.storage import postgres
from anchor.storage.database import Schema
from anchor.storage.migrations import MIGRATIONS
from anchor.storage.postgres import PostgresEngine, numbered
from anchor.storage.postgres_address import PostgresAddress, ReadOnlyPostgres
from anchor.storage.sqlite import SqliteEngine
from anchor.storage.tables import tables
from tests.postgres import PostgresServer, running_postgres
from tests.waiting import wait_until

pytestmark = pytest.mark.postgres
INSERT = "INSERT INTO identity (identity_no, leaf_0) VALUES (?, ?)"
ALL = "SELECT identity_no, leaf_0 FROM identity ORDER BY identity_no"
ROOT = Path(__file__).parents[2]
STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH) [^%\\]*$")
SESSION = "SELECT pg_backend_pid()"


@pytest.fixture
def address(postgres_server: PostgresServer) -> str:
    return postgres_server.schema()


@pytest.fixture
def engine(address: str) -> Iterator[PostgresEngine]:
    made = PostgresEngine(address)
    yield made
    made.close()


def end_session(server: PostgresServer, engine: PostgresEngine) -> None:
    """End the engine's session, as a server that restarts does; returns when it is gone."""
    pid = engine.query(SESSION)[0][0]
    with psycopg.connect(server.address, autocommit=True) as connection:
        # The second argument waits, in ms, until the process is gone (PostgreSQL documentation, 9.27.2).
        assert connection.execute("SELECT pg_terminate_backend(%s, 60000)", (pid,)).fetchone() == (True,)


def test_a_session_that_ended_is_opened_anew(postgres_server: PostgresServer, engine: PostgresEngine) -> None:
    """Neither a query nor the beginning of a transaction notices that the server ended the session before."""
    with engine.transaction():
        engine.execute(INSERT, (1, b"one"))
    end_session(postgres_server, engine)
    assert [(1, b"one")] == engine.query(ALL)
    end_session(postgres_server, engine)
    with engine.transaction():
        engine.execute(INSERT, (2, b"two"))
    assert [(1, b"one"), (2, b"two")] == engine.query(ALL)


def test_several_questions_notice_no_session_that_ended(
    postgres_server: PostgresServer, engine: PostgresEngine
) -> None:
    """Outside a transaction they are asked anew on another session, as one question is."""
    end_session(postgres_server, engine)
    assert [[], [(0,)]] == engine.query_each([(ALL, ()), ("SELECT COUNT(*) FROM identity", ())])


def test_a_session_that_ends_in_a_transaction_undoes_it(
    postgres_server: PostgresServer, engine: PostgresEngine
) -> None:
    """What a transaction had written is gone with its session, the error says so, and the next one is as any other."""

    def write_and_lose() -> None:
        with engine.transaction():
            engine.execute(INSERT, (1, b"one"))
            end_session(postgres_server, engine)
            engine.execute(INSERT, (2, b"two"))

    with pytest.raises(StorageError, match="connection was lost"):
        write_and_lose()
    assert [] == engine.query(ALL)
    with engine.transaction():
        engine.execute(INSERT, (3, b"three"))
    assert [(3, b"three")] == engine.query(ALL)


def test_a_session_that_ends_before_the_commit_is_an_error(
    postgres_server: PostgresServer, engine: PostgresEngine
) -> None:
    """A commit that does not reach the server is never taken for one."""

    def write_and_lose() -> None:
        with engine.transaction():
            engine.execute(INSERT, (1, b"one"))
            end_session(postgres_server, engine)

    with pytest.raises(StorageError, match="may be there or not"):
        write_and_lose()
    assert [] == engine.query(ALL)


def test_who_sleeps_in_his_turn_loses_it(address: str) -> None:
    """A transaction in which nothing happens for too long is ended by the server, and another writer goes on."""
    sleeper, other = PostgresEngine(address), PostgresEngine(address, busy_timeout_s=60)
    sleeper.query("SELECT set_config('idle_in_transaction_session_timeout', '50ms', false)")

    def sleep_in_turn() -> None:
        with sleeper.transaction():
            sleeper.execute(INSERT, (1, b"sleeper"))
            with other.transaction():  # waits for the turn, which the server takes away
                other.execute(INSERT, (2, b"other"))
            sleeper.execute(INSERT, (3, b"awake"))

    with pytest.raises(StorageError):
        sleep_in_turn()
    assert [(2, b"other")] == other.query(ALL)
    sleeper.close()
    other.close()


def gets_a_turn(engine: PostgresEngine, number: int) -> bool:
    """Say whether an engine can write a row of this number, or finds another one writing."""
    try:
        with engine.transaction():
            engine.execute(INSERT, (number, b"other"))
    except StorageBusyError:
        return False
    return True


def test_who_sleeps_behind_a_pipeline_loses_his_turn_to_who_waits(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server does not end who is silent behind questions that went together; who waits for the turn does."""
    sleeper, other = PostgresEngine(address), PostgresEngine(address, busy_timeout_s=0.1)

    def sleep_in_turn() -> None:
        with sleeper.transaction([(ALL, ())]) as answers:
            assert [[]] == answers
            assert not gets_a_turn(other, 2)
            monkeypatch.setattr(postgres, "IDLE_IN_TRANSACTION_S", 0)
            wait_until(lambda: gets_a_turn(other, 2))
            sleeper.execute(INSERT, (1, b"awake"))

    with pytest.raises(StorageError):
        sleep_in_turn()
    assert [(2, b"other")] == other.query(ALL)
    sleeper.close()
    other.close()


def test_who_is_frozen_within_a_statement_loses_his_turn(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a COPY was sent and no more comes, nor does the connection end: whoever waits for the turn ends it."""
    frozen, other = PostgresEngine(address), PostgresEngine(address, busy_timeout_s=0.3)
    [identity] = [table for table in tables() if table.name == "identity"]
    begun, thawed, raised = threading.Event(), threading.Event(), list[Exception]()

    def rows() -> Iterator[tuple[int, bytes]]:
        yield from ((number, bytes(1000)) for number in range(100))
        begun.set()
        thawed.wait()
        yield 100, b""

    def copy() -> None:
        try:
            with frozen.transaction():
                frozen.insert_rows(identity, rows())  # type: ignore[arg-type]  # rows that come one by one
        except StorageError as error:
            raised.append(error)

    copying = threading.Thread(target=copy)
    copying.start()
    begun.wait()
    assert not gets_a_turn(other, 1)
    monkeypatch.setattr(postgres, "IDLE_IN_TRANSACTION_S", 0)
    wait_until(lambda: gets_a_turn(other, 1))
    thawed.set()
    copying.join()
    assert 1 == len(raised)
    assert [(1, b"other")] == other.query(ALL)
    frozen.close()
    other.close()


def test_a_server_that_may_lose_commits_is_refused() -> None:
    """With fsync off an acknowledged entry is not on disk: no home is opened there."""
    with running_postgres({"fsync": "off"}) as server, pytest.raises(StorageError, match="fsync = on, found off"):
        PostgresEngine(server.schema())


def test_synchronous_commit_is_never_off(address: str) -> None:
    """A server or user whose commits return early is asked to wait for the disk; one that waits longer still does."""
    for asked, expected in (("off", "on"), ("local", "on"), ("on", "on"), ("remote_apply", "remote_apply")):
        engine = PostgresEngine(f"{address}%20-csynchronous_commit%3D{asked}")
        assert [(expected,)] == engine.query("SELECT current_setting('synchronous_commit')")
        engine.close()


def test_a_reader_writes_to_its_own_copies_alone(address: str, engine: PostgresEngine) -> None:
    """A read-only engine refuses every write but to copies that nobody else sees, with the rows of their condition."""
    with engine.transaction():
        engine.execute(INSERT, (1, b"one"), (2, b"two"))
    reader = ReadOnlyPostgres(address, {"identity": "identity_no IN (SELECT MAX(identity_no) FROM home.identity)"})
    with reader.transaction():
        reader.execute(INSERT, (3, b"three"))
    assert [(2, b"two"), (3, b"three")] == reader.query(ALL)
    with pytest.raises(StorageReadOnlyError), reader.transaction():
        reader.execute("UPDATE lease SET fence = 7")
    assert [(1, b"one"), (2, b"two")] == engine.query(ALL)
    reader.close()


def test_a_copied_table_goes_on_with_its_numbers(address: str, engine: PostgresEngine) -> None:
    """A row that a rehearsal adds to a copy has the number after those that are there, not the first one again."""
    event = "INSERT INTO outbox (at_ms, news, facts) VALUES (0, 'sealed', '{}')"
    with engine.transaction():
        engine.execute(event)
        engine.execute(event)
    with closing(ReadOnlyPostgres(address, {"outbox": "", "lease": ""})) as reader:
        with reader.transaction():
            reader.execute(event)
        assert [(1,), (2,), (3,)] == reader.query("SELECT event_no FROM outbox ORDER BY 1")


def test_a_reader_whose_session_ended_still_only_reads(
    postgres_server: PostgresServer, address: str, engine: PostgresEngine
) -> None:
    """A session that is opened anew reads only, as the one before; with copies of tables it is not opened anew."""
    with engine.transaction():
        engine.execute(INSERT, (1, b"one"))
    reader = ReadOnlyPostgres(address)
    end_session(postgres_server, reader)
    assert [(1, b"one")] == reader.query(ALL)
    with pytest.raises(StorageReadOnlyError), reader.transaction():
        reader.execute(INSERT, (2, b"two"))
    reader.close()
    rehearsing = ReadOnlyPostgres(address, {"identity": ""})
    end_session(postgres_server, rehearsing)
    with pytest.raises(StorageError, match="copies of tables"):
        rehearsing.query(ALL)
    with pytest.raises(StorageError, match="copies of tables"), rehearsing.transaction():
        raise AssertionError("the block must not run")
    rehearsing.close()
    assert [(1, b"one")] == engine.query(ALL)


def test_a_reader_never_waits_for_a_writer(address: str, engine: PostgresEngine) -> None:
    """Whoever reads takes no turn, and a writer does not wait for him."""
    reader = ReadOnlyPostgres(address)
    with engine.transaction(), reader.transaction():
        engine.execute(INSERT, (1, b"one"))
        assert [] == reader.query(ALL)
    reader.close()


def test_a_snapshot_shows_one_moment(address: str, engine: PostgresEngine, tmp_path: Path) -> None:
    """What is committed while a copy is made is not in it, whichever table comes when; the copy is one SQLite file."""
    with engine.transaction():
        engine.execute(INSERT, (1, b"one"))
    reader = ReadOnlyPostgres(address)
    with reader.snapshot():
        assert [(1, b"one")] == reader.query(ALL)
        with engine.transaction():
            engine.execute(INSERT, (2, b"two"))
        assert [(1, b"one")] == reader.query(ALL)
    assert [(1, b"one"), (2, b"two")] == reader.query(ALL)
    reader.close()
    PostgresAddress(address).copy_to(tmp_path / "copy.db")
    assert ["copy.db"] == [path.name for path in tmp_path.iterdir()]
    copy = SqliteEngine(tmp_path / "copy.db")
    assert [(1, b"one"), (2, b"two")] == copy.query(ALL)
    copy.close()


def test_a_database_of_another_version_is_not_read(address: str, engine: PostgresEngine) -> None:
    """What a newer Anchorline made is refused by the migration's name, for writing and for reading."""
    database = PostgresAddress(address)
    assert Schema(tuple(name for name, _ in MIGRATIONS), (), ()) == database.schema()
    with engine.transaction():
        engine.execute("INSERT INTO applied_migration (name, turn) VALUES ('0999-from-the-future', 0)")
    assert ("0999-from-the-future",) == database.schema().unknown
    for open_it in (database.open, database.open_read_only):
        with pytest.raises(NewerHomeError, match="0999-from-the-future"):
            open_it()


def test_a_database_that_only_reading_would_have_to_migrate_is_refused(address: str) -> None:
    """A reader never makes a schema: an empty database is one of an older version."""
    with pytest.raises(StorageError, match="older Anchorline"):
        ReadOnlyPostgres(address)
    assert PostgresAddress(address).schema().applied == ()


COMPRESSED = (
    "SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE attstorage = 'x' "
    "AND atttypid = 'bytea'::regtype AND relnamespace = current_schema()::regnamespace AND relkind = 'r'"
)


def test_the_server_does_not_try_to_compress_ciphertexts_and_hashes(address: str, engine: PostgresEngine) -> None:
    """No long bytes of a log are compressed, also in a database that was made before that was so."""
    assert [] == engine.query(COMPRESSED)
    with engine.transaction():
        engine.execute("ALTER TABLE bundle ALTER COLUMN kept SET STORAGE EXTENDED")
        engine.execute("CREATE TABLE of_somebody_else (long_bytes BYTEA)")
    PostgresEngine(address).close()
    assert [("of_somebody_else", "long_bytes")] == engine.query(COMPRESSED)


def test_who_reads_a_table_keeps_nobody_from_opening_its_database(address: str, engine: PostgresEngine) -> None:
    """Where the server cannot be told now how to store bytes, it is told another time."""
    with engine.transaction():
        engine.execute("ALTER TABLE bundle ALTER COLUMN kept SET STORAGE EXTENDED")
    reader = ReadOnlyPostgres(address)
    with reader.snapshot():
        reader.query("SELECT COUNT(*) FROM bundle")
        PostgresEngine(address).close()
        assert [("bundle", "kept")] == engine.query(COMPRESSED)
    reader.close()
    PostgresEngine(address).close()
    assert [] == engine.query(COMPRESSED)


def test_sums_and_comparisons_are_integers(engine: PostgresEngine) -> None:
    """What SQLite answers as an integer is one here too: SUM of BIGINT, a comparison."""
    rows = engine.query("SELECT SUM(each), SUM(each) = 6 FROM (VALUES (CAST(1 AS BIGINT)), (2), (3)) AS three (each)")
    assert [(6, 1)] == rows
    assert [int, int] == [type(value) for value in rows[0]]


def test_text_is_ordered_by_bytes(engine: PostgresEngine) -> None:
    """Names come in the order of their bytes, whatever the server's locale."""
    names = ["b", "B", "a", "_", "é", "Z"]
    with engine.transaction():
        for number, name in enumerate(names):
            engine.execute(
                "INSERT INTO organisation (organisation_id, name, submitter_salt, made_at_ms) VALUES (?, ?, ?, 0)",
                (f"o{number}", name, b""),
            )
    found = [name for (name,) in engine.query("SELECT name FROM organisation ORDER BY name")]
    assert sorted(names, key=str.encode) == found


NOT_OF_A_LOG = ("sqlite.py", "read_only.py", "changes.py", "content_keys.py", "key_store.py", "key_database.py")


def statements() -> Iterator[str]:
    """Yield every text of the program that is a whole statement for a log's database."""
    for path in sorted(path for folder in ("anchor", "chains") for path in (ROOT / folder).rglob("*.py")):
        if path.name in NOT_OF_A_LOG:
            continue
        tree = ast.parse(path.read_bytes())
        parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and node not in parts and STATEMENT.match(str(node.value)):
                yield str(node.value)


def test_every_statement_is_one_of_postgresql(postgres_server: PostgresServer) -> None:
    """The server understands all that SQLite is asked: tables, functions and types, whether or not a test runs it."""
    found = list(statements())
    with psycopg.connect(postgres_server.log_database(), autocommit=True) as connection:
        for statement in found:
            connection.execute(f"PREPARE asked AS {numbered(statement)}".encode())
            connection.execute("DEALLOCATE asked")
    assert len(found) > 250


def test_places_are_numbered() -> None:
    """Each ? becomes the next place; a ? in a literal is refused, as it would become one too."""
    assert "SELECT $1, $2 WHERE a = $3" == numbered("SELECT ?, ? WHERE a = ?")
    with pytest.raises(ValueError, match="literal"):
        numbered("SELECT '?'")
