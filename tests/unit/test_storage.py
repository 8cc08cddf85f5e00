"""The contract of ``Engine``, which every engine must keep, and what SQLite alone can do wrong.

The contract's tests see a ``Store``, which opens engines over one database, of SQLite or PostgreSQL. Faults
are made for real: other processes, limits of size, damaged bytes.
"""

import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import pytest
from sqlite_utils import Database, Migrations

from anchor.errors import (
    LeaseHeldError,
    MovedError,
    NewerHomeError,
    StorageBusyError,
    StorageCorruptError,
    StorageError,
    StorageFullError,
    StorageReadOnlyError,
)
from anchor.storage.engine import Engine
from anchor.storage.house import House, Move, State, move_of
from anchor.storage.migrations import MIGRATIONS
from anchor.storage.postgres import PostgresEngine
from anchor.storage.sqlite import MIGRATION_SET, PAGE_BYTES, SqliteEngine
from tests.postgres import PostgresServer

LEAVING = Move(State.LEAVING, "elsewhere", 7)
INSERT = "INSERT INTO identity (identity_no, leaf_0) VALUES (?, ?)"
ALL = "SELECT identity_no, leaf_0 FROM identity ORDER BY identity_no"
ROOT = Path(__file__).parents[2]


class Store(Protocol):
    """One database, however many engines are opened over it; ``source`` is Python that opens one as ``engine``."""

    source: str

    def open(self, busy_timeout_s: float = 5.0) -> House: ...


class SqliteStore:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "anchorline.db"
        self.source = f"""
from pathlib import Path
from anchor.storage.sqlite import SqliteEngine
engine = SqliteEngine(Path({str(self.path)!r}))
"""
        self._opened: list[SqliteEngine] = []

    def open(self, busy_timeout_s: float = 5.0) -> SqliteEngine:
        self._opened.append(SqliteEngine(self.path, busy_timeout_s))
        return self._opened[-1]

    def close(self) -> None:
        for engine in self._opened:
            engine.close()


class PostgresStore:
    def __init__(self, server: PostgresServer) -> None:
        self.address = server.schema()
        self.source = f"""
from anchor.storage.postgres import PostgresEngine
engine = PostgresEngine({self.address!r})
"""
        self._opened: list[PostgresEngine] = []

    def open(self, busy_timeout_s: float = 5.0) -> PostgresEngine:
        self._opened.append(PostgresEngine(self.address, busy_timeout_s))
        return self._opened[-1]

    def close(self) -> None:
        for engine in self._opened:
            engine.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = (
        SqliteStore(tmp_path)
        if request.param == "sqlite"
        else PostgresStore(request.getfixturevalue("postgres_server"))
    )
    yield made
    made.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path)
    yield made
    made.close()


def start_python(source: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", source], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def run_until_killed(source: str) -> None:
    """Run Python that ends itself by SIGKILL."""
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, check=False)
    assert -signal.SIGKILL == done.returncode


# --- the contract


def test_what_was_committed_is_there_after_reopening(store: Store) -> None:
    """A transaction that ended is there for every later engine."""
    engine = store.open()
    with engine.transaction():
        engine.execute(INSERT, (1, b"one"))
    engine.close()
    assert [(1, b"one")] == store.open().query(ALL)


def test_committed_rows_survive_a_killed_process_and_open_ones_do_not(store: Store) -> None:
    """A process that is killed inside a transaction leaves what it had committed, and nothing of the open one."""
    run_until_killed(
        store.source
        + f"""
import os, signal
with engine.transaction():
    engine.execute({INSERT!r}, (1, b"committed"))
with engine.transaction():
    engine.execute({INSERT!r}, (2, b"open"))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    assert [(1, b"committed")] == store.open().query(ALL)


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_exception_undoes_the_whole_transaction(store: Store, failure: type[BaseException]) -> None:
    """Whatever is raised in a transaction leaves nothing of it, and the engine stays usable."""
    engine = store.open()

    def write_and_fail() -> None:
        with engine.transaction():
            engine.execute(INSERT, (1, b"one"))
            engine.execute_many(INSERT, [(2, b"two"), (3, b"three")])
            raise failure

    with pytest.raises(failure):
        write_and_fail()
    assert not engine.in_transaction
    assert [] == engine.query(ALL)
    with engine.transaction():
        engine.execute(INSERT, (4, b"four"))
    assert [(4, b"four")] == engine.query(ALL)


def test_a_refused_statement_undoes_the_transaction_it_ends(store: Store) -> None:
    """A statement that breaks a constraint raises StorageError, and what came before it is undone with it."""
    engine = store.open()

    def write_twice() -> None:
        with engine.transaction():
            engine.execute(INSERT, (1, b"one"))
            engine.execute(INSERT, (1, b"again"))

    with pytest.raises(StorageError):
        write_twice()
    assert [] == engine.query(ALL)


def test_a_refused_row_of_many_undoes_the_rows_before_it(store: Store) -> None:
    """``execute_many`` that fails half way leaves nothing once its transaction has ended by the error."""
    engine = store.open()
    with pytest.raises(StorageError), engine.transaction():
        engine.execute_many(INSERT, iter([(1, b"one"), (2, b"two"), (1, b"again")]))
    assert [] == engine.query(ALL)


def test_of_rows_with_one_key_the_last_is_there(store: Store) -> None:
    """``execute_many`` puts several rows into one statement, and it is as if each had been written by itself."""
    engine = store.open()
    rows = [(number, b"%d" % place) for place, number in enumerate([1, 2, 1, *range(3, 12), 2])]
    with engine.transaction():
        engine.execute_many(f"{INSERT} ON CONFLICT (identity_no) DO UPDATE SET leaf_0 = excluded.leaf_0", rows)
    assert sorted(dict(rows).items()) == engine.query(ALL)


def test_transactions_do_not_nest(store: Store) -> None:
    """A second transaction inside the first is refused, and the first one can still end well."""
    engine = store.open()
    with engine.transaction():
        engine.execute(INSERT, (1, b"one"))
        with pytest.raises(StorageError, match="do not nest"), engine.transaction():
            raise AssertionError("the inner block must not run")
        engine.execute(INSERT, (2, b"two"))
    assert [(1, b"one"), (2, b"two")] == engine.query(ALL)


def test_in_transaction_says_whether_what_is_read_may_be_rolled_back(store: Store) -> None:
    """``in_transaction`` is true inside a transaction only."""
    engine = store.open()
    seen = [engine.in_transaction]
    with engine.transaction():
        seen.append(engine.in_transaction)
        engine.execute(INSERT, (1, b"one"))
        seen.append(engine.in_transaction)
    seen.append(engine.in_transaction)
    assert [False, True, True, False] == seen


def test_a_write_outside_a_transaction_is_refused(store: Store) -> None:
    """Nothing is written by a statement that no transaction holds."""
    engine = store.open()
    with pytest.raises(StorageError, match="outside a transaction"):
        engine.execute(INSERT, (1, b"one"))
    with pytest.raises(StorageError, match="outside a transaction"):
        engine.execute_many(INSERT, [(1, b"one")])
    assert [] == store.open().query(ALL)


def test_a_transaction_reads_its_own_writes_and_nobody_else_does(store: Store) -> None:
    """Rows of an open transaction are seen by itself at once, and by another engine after the commit."""
    writer, reader = store.open(), store.open()
    with writer.transaction():
        writer.execute(INSERT, (1, b"one"))
        assert [(1, b"one")] == writer.query(ALL)
        assert [] == reader.query(ALL)
    assert [(1, b"one")] == reader.query(ALL)


def test_a_second_writer_waits_for_the_first(store: Store) -> None:
    """Transactions of several threads on one engine run one after the other: no increment is lost."""
    engine = store.open()
    with engine.transaction():
        engine.execute(INSERT, (0, (0).to_bytes(4, "big")))

    def increment() -> None:
        for _ in range(25):
            with engine.transaction():
                value = int.from_bytes(engine.query(ALL)[0][1], "big")
                engine.execute("UPDATE identity SET leaf_0 = ?", ((value + 1).to_bytes(4, "big"),))

    threads = [threading.Thread(target=increment) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 100 == int.from_bytes(engine.query(ALL)[0][1], "big")


def test_what_is_asked_with_the_beginning_sees_what_was_committed_before(store: Store) -> None:
    """Engines of their own that count on from the answer which a transaction begins with lose no increment."""
    engines = [store.open(busy_timeout_s=60) for _ in range(3)]
    with engines[0].transaction() as answers:
        assert [] == answers
        engines[0].execute(INSERT, (0, (0).to_bytes(4, "big")))

    def increment(engine: Engine) -> None:
        for _ in range(15):
            with engine.transaction([(ALL, ()), ("SELECT COUNT(*) FROM identity", ())]) as answers:
                [[(_, value)], [(count,)]] = answers
                after = int.from_bytes(value, "big") + count
                engine.execute("UPDATE identity SET leaf_0 = ?", (after.to_bytes(4, "big"),))

    with ThreadPoolExecutor(len(engines)) as threads:
        list(threads.map(increment, engines))
    assert 45 == int.from_bytes(engines[0].query(ALL)[0][1], "big")


def test_a_refused_question_leaves_no_transaction_behind(store: Store) -> None:
    """A transaction whose first question is refused was not begun: the block does not run, and the next one does."""
    engine = store.open()
    with pytest.raises(StorageError), engine.transaction([("SELECT nothing FROM nowhere", ())]):
        raise AssertionError("the block must not run")
    assert not engine.in_transaction
    with store.open(busy_timeout_s=0.05).transaction([(ALL, ())]) as answers:
        assert [[]] == answers


def test_a_writer_in_another_process_makes_this_one_busy(store: Store) -> None:
    """Where another process holds the database longer than the time-out, the transaction is refused as busy."""
    engine = store.open(busy_timeout_s=0.05)
    holder = start_python(
        store.source
        + f"""
with engine.transaction():
    engine.execute({INSERT!r}, (1, b"theirs"))
    print("held", flush=True)
    input()
"""
    )
    assert holder.stdout is not None
    assert "held" == holder.stdout.readline().strip()
    with pytest.raises(StorageBusyError, match="another process"), engine.transaction():
        raise AssertionError("the block must not run")
    assert [] == engine.query(ALL), "a reader does not wait for the writer"
    holder.communicate("\n")
    assert 0 == holder.returncode
    with engine.transaction():
        engine.execute(INSERT, (2, b"ours"))
    assert [(1, b"theirs"), (2, b"ours")] == engine.query(ALL)


def test_execute_returns_how_many_rows_it_changed(store: Store) -> None:
    """``execute`` counts rows: without values, with one row of them, with several."""
    engine = store.open()
    with engine.transaction():
        assert 1 == engine.execute(INSERT, (1, b"one"))
        assert 3 == engine.execute(INSERT, (2, b"two"), (3, b"three"), (4, b"four"))
        assert 2 == engine.execute("UPDATE identity SET leaf_0 = ? WHERE identity_no > ?", (b"new", 2))
        assert 0 == engine.execute("DELETE FROM identity WHERE identity_no = ?", (99,))
        assert 4 == engine.execute("DELETE FROM identity")


def test_several_questions_have_their_answers_in_order(store: Store) -> None:
    """They are answered as each of them alone is, inside a transaction and outside; of none nothing is asked."""
    engine = store.open()
    with engine.transaction():
        engine.execute_many(INSERT, [(1, b"one"), (2, b"two")])
        questions = [(f"{ALL} LIMIT ?", (1,)), ("SELECT COUNT(*) FROM identity", ()), (ALL, ())]
        answers = engine.query_each(questions)
        assert [[(1, b"one")], [(2,)], [(1, b"one"), (2, b"two")]] == answers
    assert answers == engine.query_each(questions)
    assert [] == engine.query_each([])
    with pytest.raises(StorageError):
        engine.query_each([(ALL, ()), ("SELECT nothing FROM nowhere", ()), (ALL, ())])
    assert answers == engine.query_each(questions)


def test_execute_many_takes_rows_as_they_come(store: Store) -> None:
    """Rows of ``execute_many`` may be a generator, and may be none."""
    engine = store.open()
    with engine.transaction():
        engine.execute_many(INSERT, ((number, bytes([number])) for number in range(300 % 256)))
        engine.execute_many(INSERT, [])
    assert [(number, bytes([number])) for number in range(44)] == engine.query(ALL)


def test_values_come_back_as_they_were_stored(store: Store) -> None:
    """Integers of 64 bits, text, bytes (empty too) and None survive a round trip with their types."""
    engine = store.open()
    values = (2**63 - 1, -(2**63), "naïve \N{SNOWMAN}", b"", bytes(range(256)), None)
    assert [values] == engine.query("SELECT ?, ?, ?, ?, ?, ?", values)
    with engine.transaction():
        engine.execute(INSERT, (2**63 - 1, b""))
    assert [(2**63 - 1, b"")] == engine.query(ALL)


def test_a_row_must_point_to_what_it_names(store: Store) -> None:
    """Foreign keys are enforced: a chain without its tree cannot be stored."""
    engine = store.open()
    with pytest.raises(StorageError), engine.transaction():
        engine.execute("INSERT INTO chain (chain_no, name, opened_at_ms) VALUES (7, 'orphan', 0)")
    assert [(0,)] == engine.query("SELECT COUNT(*) FROM chain")


def test_closing_may_be_repeated(store: Store) -> None:
    """``close`` twice is harmless, and a closed engine refuses."""
    engine = store.open()
    engine.close()
    engine.close()
    with pytest.raises(StorageError):
        engine.query(ALL)


def test_opening_again_changes_nothing(store: Store) -> None:
    """Migrations run once: a second opening leaves schema and rows as they are."""
    first = store.open()
    with first.transaction():
        first.execute(INSERT, (1, b"one"))
    second = store.open()
    assert [(1, b"one")] == second.query(ALL)


def test_engines_that_open_a_new_home_at_once_do_not_disturb_each_other(store: Store) -> None:
    """Several processes may open one new home at the same time: migrations run once."""
    source = (
        "import anchor.storage.postgres, anchor.storage.sqlite\ninput()\n"
        + store.source
        + "print(engine.query('SELECT COUNT(*) FROM identity')[0][0])"
    )
    openers = [start_python(source) for _ in range(4)]
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("\n")
        opener.stdin.flush()
    assert ["0\n"] * 4 == [opener.communicate()[0] for opener in openers]
    assert [] == store.open().query(ALL)


# --- SQLite


def test_commits_are_synced_and_readers_do_not_wait(sqlite_store: SqliteStore) -> None:
    """The file is in WAL mode with synchronous=FULL and foreign keys, its pages of the size that tiles want."""
    engine = sqlite_store.open()
    settings = [
        engine.query(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "foreign_keys", "page_size")
    ]
    assert ["wal", 2, 1, PAGE_BYTES] == settings


def test_a_full_database_keeps_nothing_of_the_write(sqlite_store: SqliteStore) -> None:
    """A write for which there is no space raises StorageFullError; what was there stays, and space heals it."""
    engine = sqlite_store.open()
    with engine.transaction():
        engine.execute(INSERT, (1, b"kept"))
    pages = engine.query("PRAGMA page_count")[0][0]
    engine.query(f"PRAGMA max_page_count = {pages + 8}")

    def write_too_much() -> None:
        with engine.transaction():
            engine.execute(INSERT, (2, b"small"))
            engine.execute_many(INSERT, ((number, bytes(PAGE_BYTES)) for number in range(3, 100)))

    with pytest.raises(StorageFullError, match="nothing of this write was kept"):
        write_too_much()
    assert not engine.in_transaction
    assert [(1, b"kept")] == engine.query(ALL)
    engine.query(f"PRAGMA max_page_count = {pages + 1000}")
    with engine.transaction():
        engine.execute_many(INSERT, ((number, bytes(PAGE_BYTES)) for number in range(3, 100)))
    assert 98 == len(engine.query(ALL))


def test_a_failed_commit_is_an_error_and_keeps_nothing(sqlite_store: SqliteStore) -> None:
    """A COMMIT that fails (here: a file that may not grow, RLIMIT_FSIZE) raises, and nothing of it is there after."""
    source = (
        sqlite_store.source
        + f"""
import resource, signal
from anchor.errors import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with engine.transaction():
    engine.execute({INSERT!r}, (1, b"kept"))
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    with engine.transaction():
        engine.execute_many({INSERT!r}, [(number, bytes(8000)) for number in range(2, 100)])
except StorageError as error:
    print(engine.in_transaction, len(engine.query({ALL!r})))
"""
    )
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "False 1\n" == done.stdout
    assert [(1, b"kept")] == sqlite_store.open().query(ALL)


def test_a_read_only_file_is_named_as_such() -> None:
    """A home that this user may not write is refused at the first write, as read-only and with advice."""
    source = f"""
import os, sys
from pathlib import Path
from anchor.errors import StorageReadOnlyError
from anchor.storage.sqlite import SqliteEngine
path = Path(sys.argv[1])
SqliteEngine(path).close()
path.chmod(0o444)
path.parent.chmod(0o555)
if os.geteuid() == 0:
    os.setuid(65534)  # root may write everything, so nobody makes the attempt
try:
    engine = SqliteEngine(path)
    with engine.transaction():
        engine.execute({INSERT!r}, (1, b"one"))
except StorageReadOnlyError as error:
    print("read-only" if "check" in str(error) else error)
"""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", source, f"{folder}/anchorline.db"]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        Path(folder).chmod(0o700)
    assert "read-only\n" == done.stdout


def test_a_missing_folder_is_an_error_with_advice(tmp_path: Path) -> None:
    """A path that cannot be opened is refused with a StorageReadOnlyError that names it."""
    path = tmp_path / "nowhere" / "anchorline.db"
    with pytest.raises(StorageReadOnlyError, match="nowhere"):
        SqliteEngine(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Bytes that are no SQLite file raise StorageCorruptError, and are left as they are."""
    path = tmp_path / "anchorline.db"
    path.write_bytes(b"hello, world\n" * 100)
    with pytest.raises(StorageCorruptError, match="not a database"):
        SqliteEngine(path)
    assert b"hello, world\n" * 100 == path.read_bytes()


def test_a_damaged_page_is_an_error(sqlite_store: SqliteStore) -> None:
    """A page that was overwritten raises StorageCorruptError when it is read."""
    engine = sqlite_store.open()
    with engine.transaction():
        engine.execute_many(INSERT, ((number, bytes(1000)) for number in range(1000)))
    engine.close()
    size = sqlite_store.path.stat().st_size
    with sqlite_store.path.open("r+b") as file:
        # What was written last is at the end, behind the first pages of all tables.
        file.seek(size * 3 // 4 // PAGE_BYTES * PAGE_BYTES)
        file.write(b"\xff" * (4 * PAGE_BYTES))
    reopened = sqlite_store.open()
    with pytest.raises(StorageCorruptError, match="restore a backup"):
        reopened.query("SELECT SUM(LENGTH(leaf_0)) FROM identity")


def test_a_home_of_a_newer_version_is_refused_by_name(sqlite_store: SqliteStore) -> None:
    """A migration that this version does not know stops it before it writes anything."""
    sqlite_store.open().close()
    newer = Migrations(MIGRATION_SET)
    newer(name="0999-from-the-future")(lambda _database: None)
    database = Database(sqlite_store.path)
    newer.apply(database)
    database.close()
    before = sqlite_store.path.read_bytes()
    with pytest.raises(NewerHomeError, match="0999-from-the-future"):
        sqlite_store.open()
    assert before == sqlite_store.path.read_bytes()


@pytest.mark.parametrize("stop", [0, 1, 5, 1000])
def test_a_migration_that_is_cut_short_is_done_again(sqlite_store: SqliteStore, stop: int) -> None:
    """A process killed in the middle of a migration leaves a home that the next opening completes."""
    statements = sum(len(statements) for _, statements in MIGRATIONS)
    run_until_killed(
        f"""
import itertools, os, signal
from pathlib import Path
from anchor.storage import migrations, sqlite

count = itertools.count()

class Stopping(tuple):
    def __iter__(self):
        for statement in super().__iter__():
            if next(count) == {min(stop, statements - 1)}:
                os.kill(os.getpid(), signal.SIGKILL)
            yield statement

sqlite.MIGRATIONS = tuple((name, Stopping(statements)) for name, statements in migrations.MIGRATIONS)
sqlite.SqliteEngine(Path({str(sqlite_store.path)!r}))
"""
    )
    engine = sqlite_store.open()
    with engine.transaction():
        engine.execute(INSERT, (1, b"one"))
    assert [(1, b"one")] == engine.query(ALL)


def test_many_rows_are_what_they_would_be_one_by_one(store: Store) -> None:
    """However many come at once: bytes, texts, numbers past 32 bits and NULL; one that is there already undoes all."""
    engine = store.open()
    insert = "INSERT INTO checkpoint (size, seal_number, sealed_at_ms, root, note) VALUES (?, ?, ?, ?, ?)"
    rows = [(2**40 + n, n, n, bytes([n, 0, 255]), None if n % 2 else f"\\N\t{n}\né") for n in range(200)]
    for some in (rows[:3], rows[3:]):
        with engine.transaction():
            engine.execute_many(insert, iter(some))
    found = "SELECT size, seal_number, sealed_at_ms, root, note FROM checkpoint ORDER BY size"
    assert rows == engine.query(found)
    more = [(n, 1000 + n, n, b"", None) for n in range(1, 200)]
    with pytest.raises(StorageError), engine.transaction():
        engine.execute_many(insert, [*more, rows[0]])
    assert rows == engine.query(found)


def test_a_fence_stops_who_has_it_open(store: Store) -> None:
    """From the fence on nobody writes, nor who has it open already; reading goes on. The fence can be lifted."""
    writer, mover = store.open(), store.open()
    with writer.transaction():
        writer.execute(INSERT, (1, b"before"))
    with pytest.raises(LeaseHeldError):
        mover.fence(LEAVING, refuse)
    for _ in range(2):  # it may be repeated
        mover.fence(LEAVING, lambda: None)
    for statement, values in ((INSERT, (2, b"after")), ("UPDATE identity SET leaf_0 = ?", (b"after",))):
        with pytest.raises(MovedError), writer.transaction():
            writer.execute(statement, values)
    assert [(1, b"before")] == writer.query(ALL)
    assert LEAVING == move_of(writer)
    with pytest.raises(MovedError, match="elsewhere"):
        store.open()
    mover.lift_fence()
    with writer.transaction():
        writer.execute(INSERT, (2, b"after"))
    assert [(1, b"before"), (2, b"after")] == store.open().query(ALL)


def refuse() -> None:
    raise LeaseHeldError("a daemon seals here", stays=True)
