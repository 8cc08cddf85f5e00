"""A crash before and after each step of an erasure: the next start finishes it, and says it once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from anchor.proof.entry import Relation
from anchor.proof.erasure import Act, Scope
from chains.bundle import Bundles
from chains.chain import Chain, Gone
from chains.content_index import ContentIndex
from chains.content_keys import BLOCK_KEYS, ContentKeys
from chains.erasing import Erasing
from chains.erasure_entries import erasure_of
from chains.idempotency import RequestKeys
from chains.key_copies import KeyCopies
from chains.reader import Reader, StoredEntry
from chains.writer import Writer
from tests.simulators.store import START_MS, Store

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


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """One opened database with a file of keys."""
    made = Store(tmp_path / "anchorline.db")
    yield made
    made.engine.close()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("part", "step"), STEPS, ids=[f"{part.__name__}.{step}" for part, step in STEPS])
def test_a_crash_is_finished_at_the_next_start(
    store: Store, chain: Chain, monkeypatch: pytest.MonkeyPatch, part: type, step: str, *, after: bool
) -> None:
    """Whatever was done when it stopped: afterwards the content is gone, one entry says so, the others stay."""
    others = [each.kept for each in Reader(store.engine, store.chains, store.lookup).page(chain, 2, 1000)]
    held_before = stored_at(store, chain, 1).kept
    with monkeypatch.context() as patching:
        patching.setattr(part, step, crashing(getattr(part, step), after=after))
        with pytest.raises(Crash):
            erasing(store).erase(chain, [stored_at(store, chain, 1)], Scope.ENTRY, REASON, START_MS)
    again = Store(store.engine)
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


def test_two_processes_see_at_once_what_one_of_them_erased(store: Store, chain: Chain, tmp_path: Path) -> None:
    """Keys that a process remembers count for nothing once another one destroyed them; new entries keep theirs."""
    other = Store(tmp_path / "anchorline.db")
    try:
        assert stored_at(other, chain, 1).kept is not None
        erasing(store).erase(chain, [stored_at(store, chain, 1)], Scope.ENTRY, REASON, START_MS)
        assert Gone.ERASED == stored_at(other, chain, 1).gone
        other.writer.record(chain, [b"written by the other"], START_MS)
        last = stored_at(store, chain, store.chains.size(chain) - 1).kept
        assert last is not None
        assert b"written by the other" == last.content
    finally:
        other.engine.close()


def test_a_destroyed_key_leaves_no_bytes_in_its_file(store: Store, chain: Chain) -> None:
    """Neither the key nor the seed from which it was made is in the file of the keys, nor in one beside it."""
    seq = stored_at(store, chain, 1).seq
    [key] = store.content_keys.of(seq, seq + 1)
    assert key
    path = store.content_keys.path
    [(seed,)] = store.content_keys._rows("SELECT secret FROM block WHERE block_no = ?", seq // BLOCK_KEYS)
    assert bytes(seed) in path.read_bytes()
    erasing(store).erase(chain, [stored_at(store, chain, 1)], Scope.ENTRY, REASON, START_MS)
    files = b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))
    assert (False, False) == (bytes(seed) in files, key in files)


def test_a_seq_that_is_written_again_gets_a_fresh_key(store: Store, chain: Chain) -> None:
    """A home that was restored from before writes under a key of its own where the old one was destroyed."""
    keys = store.content_keys
    [before] = keys.for_writing(700, 701)
    keys.destroy([700])
    assert [b""] == keys.of(700, 701)
    [after] = keys.for_writing(700, 701)
    assert (True, [after]) == (after != before, keys.of(700, 701))


def test_rows_before_are_not_taken_for_damaged_where_their_keys_are_lost(
    store: Store, chain: Chain, tmp_path: Path
) -> None:
    """Without the file of keys nothing of before can be read, and what is written afterwards can."""
    store.content_keys.close()
    store.content_keys.path.unlink()
    again = Store(store.engine)
    assert Gone.UNREADABLE == stored_at(again, chain, 1).gone
    again.writer.record(chain, [b"after the loss"], START_MS)
    page = Reader(again.engine, again.chains, again.lookup).page(chain, 0, 1000)
    assert {Gone.UNREADABLE} == {each.gone for each in page[:-1]}
    assert page[-1].kept is not None
    assert b"after the loss" == page[-1].kept.content
