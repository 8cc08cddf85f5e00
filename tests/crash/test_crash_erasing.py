"""A crash before and after each step of an erasure: the next start finishes it, and says it once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from anchor.proof.entry import Relation
from anchor.proof.erasure import Act, Scope
from anchor.storage.engine import Engine
from anchor.storage.postgres import PostgresEngine
from anchor.storage.sqlite import SqliteEngine
from chains.bundle import Bundles
from chains.chain import Chain, Gone
from chains.content_index import ContentIndex
from chains.content_keys import BLOCK_KEYS, ContentKeys
from chains.erasing import Erasing
from chains.erasure_entries import erasure_of
from chains.idempotency import RequestKeys
from chains.key_copies import KeyCopies
from chains.key_database import KeyDatabase
from chains.key_store import NAME as KEY_FILE
from chains.key_store import KeyFile, KeyStore
from chains.reader import Reader, StoredEntry
from chains.writer import Writer
from tests.postgres import PostgresServer, running_postgres
from tests.simulators.store import LOG, START_MS, Store

SECRET = b"what somebody asked to have erased"
REASON = "somebody asked for it"
STEPS: list[tuple[type, str]] = [
    (Erasing, "_intend"),
    (Writer, "submit"),
    (ContentIndex, "forget"),
    (RequestKeys, "forget"),
    (ContentKeys, "destroy"),
    (KeyCopies, "follow"),
    (Bundles, "erase"),
    (Erasing, "_end"),
]


class Crash(BaseException):
    """The process is gone: nothing catches this."""


def erasing(store: Store) -> Erasing:
    reader = Reader(store.engine, store.chains, store.lookup)
    return Erasing(store.engine, reader, store.writer, ContentIndex(store.engine, store.chains), None)


def crashing(inner: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    """Return what crashes instead of doing its work, or once it is done."""

    def run(*arguments: Any, **options: Any) -> Any:
        if after:
            inner(*arguments, **options)
        raise Crash

    return run


def stored_at(store: Store, chain: Chain, index: int) -> StoredEntry:
    found = Reader(store.engine, store.chains, store.lookup).at(chain, index)
    assert found is not None
    return found


@pytest.fixture
def chain(store: Store) -> Chain:
    """Return a chain of many entries, of which entry 1 is to be erased; its content is indexed."""
    chain = store.open_chain("acme")
    store.writer.record(chain, [SECRET, *(b"row %d" % number for number in range(BLOCK_KEYS))], START_MS)
    ContentIndex(store.engine, store.chains).maintain()
    return chain


class Places:
    """Where a log and its keys are; each ``open`` is another process's look at them."""

    def __init__(self, open_engine: Callable[[], Engine], open_keys: Callable[[], KeyStore]) -> None:
        self._open_engine = open_engine
        self._open_keys = open_keys
        self._opened: list[Store] = []

    def open(self) -> Store:
        self._opened.append(Store(self._open_engine(), keys=self._open_keys()))
        return self._opened[-1]

    def close(self) -> None:
        for store in self._opened:
            store.content_keys.close()
            store.engine.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Places]:
    """A file of the log and one of its keys; or two databases on one server."""
    if request.param == "sqlite":
        path = tmp_path / "anchorline.db"
        made = Places(lambda: SqliteEngine(path), lambda: KeyFile(tmp_path / KEY_FILE))
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        log, keys = server.log_database(), server.keys_database()
        made = Places(lambda: PostgresEngine(log), lambda: KeyDatabase(keys, lambda: LOG.log_id))
    yield made
    made.close()


@pytest.fixture
def store(places: Places) -> Store:
    """One opened log with its keys."""
    return places.open()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("part", "step"), STEPS, ids=[f"{part.__name__}.{step}" for part, step in STEPS])
def test_a_crash_is_finished_at_the_next_start(
    places: Places, store: Store, chain: Chain, monkeypatch: pytest.MonkeyPatch, part: type, step: str, *, after: bool
) -> None:
    """Whatever was done when it stopped: afterwards the content is gone, one entry says so, the others stay."""
    others = [each.kept for each in Reader(store.engine, store.chains, store.lookup).page(chain, 2, 1000)]
    held_before = stored_at(store, chain, 1).kept
    with monkeypatch.context() as patching:
        patching.setattr(part, step, crashing(getattr(part, step), after=after))
        with pytest.raises(Crash):
            erasing(store).erase(chain, [stored_at(store, chain, 1)], Scope.ENTRY, REASON, START_MS)
    again = places.open()
    left = stored_at(again, chain, 1)
    if (part, step, after) in {(Erasing, "_intend", False), (Writer, "submit", False)}:
        # Entry and intent come together, or not at all: nothing was intended, nothing was done.
        assert held_before == left.kept
        return
    erasing(again).finish(START_MS + 1)
    left = stored_at(again, chain, 1)
    assert (None, Gone.ERASED) == (left.kept, left.gone)
    assert not again.chains.bundles.holds_ciphertext(left.seq)
    assert [b""] == again.content_keys.of(left.seq, left.seq + 1)
    reader = Reader(again.engine, again.chains, again.lookup)
    later = reader.page(chain, 2, 1000)
    assert others == [each.kept for each in later[: len(others)]]
    [stating] = later[len(others) :]
    stated = erasure_of(reader, left)
    assert stated is not None
    assert (stating.entry_hash, Act.ERASE, REASON) == (
        stated.stored.entry_hash,
        stated.statement.act,
        stated.statement.reason,
    )
    assert [Relation.ERASES] == [link.relation for link in stating.entry.links]
    # A second finish, and a second maintenance of the index, find nothing more to do.
    assert () == erasing(again).finish(START_MS + 2).erased
    contents = ContentIndex(again.engine, again.chains)
    contents.maintain()
    assert held_before is not None
    assert [] == list(contents.entries(reader, held_before.digest))


def test_what_another_process_finished_meanwhile_is_told_to_who_asked(
    places: Places, store: Store, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever begins to write finishes what is intended: so he who asked may find it done, and says what was erased."""
    other = erasing(places.open())
    intend = Erasing._intend

    def intend_and_be_overtaken(*arguments: Any) -> Any:
        intended = intend(*arguments)
        assert (intended,) == other.finish(START_MS).erased
        return intended

    monkeypatch.setattr(Erasing, "_intend", intend_and_be_overtaken)
    target = stored_at(store, chain, 1)
    [erased] = erasing(store).erase(chain, [target], Scope.ENTRY, REASON, START_MS).erased
    assert (target.entry_hash,) == erased.erased
    assert stored_at(store, chain, erased.leaf_index).entry_hash == erased.entry_hash


def test_two_processes_see_at_once_what_one_of_them_erased(places: Places, store: Store, chain: Chain) -> None:
    """Keys that a process remembers count for nothing once another one destroyed them; new entries keep theirs."""
    other = places.open()
    assert stored_at(other, chain, 1).kept is not None
    erasing(store).erase(chain, [stored_at(store, chain, 1)], Scope.ENTRY, REASON, START_MS)
    assert Gone.ERASED == stored_at(other, chain, 1).gone
    other.writer.record(chain, [b"written by the other"], START_MS)
    last = stored_at(store, chain, store.chains.size(chain) - 1).kept
    assert last is not None
    assert b"written by the other" == last.content


def test_a_destroyed_key_leaves_no_bytes_in_its_file(tmp_path: Path) -> None:
    """Neither the key nor the seed from which it was made is in the file of the keys, nor in one beside it."""
    store = Store(tmp_path / "anchorline.db")
    check_no_bytes_are_left(store, lambda: b"".join(each.read_bytes() for each in tmp_path.glob(f"{KEY_FILE}*")))
    store.engine.close()


@pytest.mark.postgres
def test_a_destroyed_key_leaves_no_bytes_in_a_servers_tables(tmp_path: Path) -> None:
    """Nor are they in the files of the keys' database; of its write-ahead log docs/operate/erasure.md says what stays.

    A server of its own, as a checkpoint writes whatever all tests left in memory.
    """
    with running_postgres() as server:
        keys = KeyDatabase(server.schema(), lambda: LOG.log_id)
        store = Store(tmp_path / "anchorline.db", keys=keys)

        def bytes_of_files() -> bytes:
            with psycopg.connect(server.address, autocommit=True) as connection:
                connection.execute("CHECKPOINT")  # what is in memory goes to the files, what is of no use leaves them
            files = (server.folder / "data" / "base").rglob("*")
            return b"".join(each.read_bytes() for each in files if each.is_file())

        check_no_bytes_are_left(store, bytes_of_files)
        keys.close()
        store.engine.close()


def check_no_bytes_are_left(store: Store, bytes_of_files: Callable[[], bytes]) -> None:
    chain = store.open_chain("acme")
    store.writer.record(chain, [SECRET, b"another"], START_MS)
    seq = stored_at(store, chain, 1).seq
    key, other = store.content_keys.of(seq, seq + 2)
    seed = dict(store.content_keys.blocks())[seq // BLOCK_KEYS]
    assert key
    assert other
    assert seed in bytes_of_files()
    erasing(store).erase(chain, [stored_at(store, chain, 1)], Scope.ENTRY, REASON, START_MS)
    left = bytes_of_files()
    # Another key of the block is there, so this looks in the right place.
    assert (True, False, False) == (other[:16] in left, seed in left, key in left)


def test_a_seq_that_is_written_again_gets_a_fresh_key(store: Store, chain: Chain) -> None:
    """A home that was restored from before writes under a key of its own where the old one was destroyed."""
    keys = store.content_keys
    [before] = keys.for_writing(700, 701)
    keys.destroy([700])
    assert [b""] == keys.of(700, 701)
    [after] = keys.for_writing(700, 701)
    assert (True, [after]) == (after != before, keys.of(700, 701))


def test_rows_before_are_not_taken_for_damaged_where_their_keys_are_lost(
    places: Places, store: Store, chain: Chain
) -> None:
    """Without the keys nothing of before can be read, and what is written afterwards can."""
    with store.content_keys.store.writing():
        store.content_keys.store.execute("DELETE FROM block WHERE block_no >= ?", (0,))
    again = places.open()
    assert Gone.UNREADABLE == stored_at(again, chain, 1).gone
    again.writer.record(chain, [b"after the loss"], START_MS)
    page = Reader(again.engine, again.chains, again.lookup).page(chain, 0, 1000)
    assert {Gone.UNREADABLE} == {each.gone for each in page[:-1]}
    assert page[-1].kept is not None
    assert b"after the loss" == page[-1].kept.content
