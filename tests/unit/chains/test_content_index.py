"""Tests of ``chains.content_index``: every entry whose content is kept is found by its SHA-256, and no other one.

Entries are real ones, before and after they are indexed, merged, and beside another process.
"""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.proof.codec import sha256
from chains import content_index, sorted_runs
from chains.content_index import ContentIndex
from chains.reader import Reader
from chains.sorted_runs import Kind
from chains.work import Submission
from tests.databases import open_new
from tests.simulators.store import START_MS, Store, entry_of

OpenStore = Callable[[], Store]


def contents(store: Store) -> ContentIndex:
    return ContentIndex(store.engine, store.chains)


def found(store: Store, content: bytes) -> list[int]:
    """Return the leaf indexes at which content is found."""
    reader = Reader(store.engine, store.chains, store.lookup)
    return [item.leaf_index for item in contents(store).entries(reader, sha256(content))]


def candidates(store: Store, content: bytes) -> list[int]:
    return list(contents(store).find(sha256(content), 0, store.chains.next_seq()))


@pytest.mark.parametrize("is_indexed", [False, True], ids=["newest rows", "indexed"])
def test_content_is_found_by_its_hash(store: Store, is_indexed: bool) -> None:
    """Stored content and content of which the digest is kept are found; what was only committed to is not."""
    chain = store.open_chain("acme")
    kept, digest_only, secret = (entry_of(chain.chain_id, text).encode() for text in (b"kept", b"digest", b"secret"))
    batch = [
        Submission(kept, bytes(16), None, b"kept"),
        Submission(digest_only, bytes(16), sha256(b"digest")),
        Submission(secret),
    ]
    store.writer.submit(chain, batch, START_MS)
    if is_indexed:
        contents(store).maintain()
    assert ([1], [2], []) == (found(store, b"kept"), found(store, b"digest"), found(store, b"secret"))
    assert [] == found(store, b"nothing of this")


def test_the_same_content_is_found_wherever_it_is(store: Store) -> None:
    """Content that was recorded twice is found twice, in order, and in one chain where only that is asked for."""
    acme, bolt = store.open_chain("acme"), store.open_chain("bolt")
    for chain in (acme, bolt):
        store.writer.record(chain, [b"same", b"other"], START_MS)
        contents(store).maintain()
    store.writer.record(acme, [b"same"], START_MS)
    reader = Reader(store.engine, store.chains, store.lookup)
    both = list(contents(store).entries(reader, sha256(b"same")))
    assert [(acme.chain_no, 1), (bolt.chain_no, 1), (acme.chain_no, 3)] == [
        (item.chain_no, item.leaf_index) for item in both
    ]
    assert [1] == [item.leaf_index for item in contents(store).entries(reader, sha256(b"same"), bolt)]


def test_indexed_rows_are_not_read(store: Store) -> None:
    """Of what is indexed only candidates are read; of what is not, every row."""
    chain = store.open_chain("acme")
    store.writer.record(chain, [b"%d" % number for number in range(500)], START_MS)
    assert 501 == len(candidates(store, b"250"))
    contents(store).maintain()
    assert [252] == candidates(store, b"250")
    store.writer.record(chain, [b"new"], START_MS)
    assert [252, 502] == candidates(store, b"250")


def test_a_run_is_made_of_so_much_content_only(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large contents make shorter runs, so that no run takes the database for long; all are found."""
    monkeypatch.setattr(content_index, "MOST_BYTES", 1000)
    monkeypatch.setattr(content_index, "MOST_ROWS", 5)
    chain = store.open_chain("acme")
    store.writer.record(chain, [b"%d" % number * 400 for number in range(4)], START_MS)
    store.writer.record(chain, [b"%d" % number for number in range(20)], START_MS)
    contents(store).maintain()
    runs = store.engine.query(
        "SELECT first_seq, end_seq FROM lookup_run WHERE kind = ? ORDER BY first_seq", (Kind.CONTENT_DIGEST,)
    )
    assert [1, *(end for _, end in runs)] == [*(first for first, _ in runs), store.chains.next_seq()]
    assert max(end - first for first, end in runs) <= 5
    assert [[place] for place in range(1, 5)] == [found(store, b"%d" % number * 400) for number in range(4)]


def test_there_is_an_end_while_others_write(store: Store) -> None:
    """Whoever indexes is done with what was there when he began, however much is written meanwhile."""
    chain = store.open_chain("acme")
    index = contents(store)
    original, written = index._pairs, 0

    def pairs_while_writing(start: int, end: int) -> tuple[bytes, int]:
        nonlocal written
        assert written == 0, "it would never end"
        written += 1
        found = original(start, end)
        store.writer.record(chain, [b"meanwhile"], START_MS)
        return found

    index._pairs = pairs_while_writing  # type: ignore[method-assign]  # the moment that matters
    index.maintain()
    assert index.indexed_to() == store.chains.next_seq() - 1


def test_whoever_is_second_adds_nothing(open_store: OpenStore) -> None:
    """Two processes that index at once leave one run of each row."""
    ours, theirs = open_store(), open_store()
    chain = ours.open_chain("acme")
    ours.writer.record(chain, [b"%d" % number for number in range(9)], START_MS)
    mine = contents(ours)
    original = mine._pairs

    def after_theirs(start: int, end: int) -> tuple[bytes, int]:
        contents(theirs).maintain()
        return original(start, end)

    mine._pairs = after_theirs  # type: ignore[method-assign]  # another process comes first
    mine.maintain()
    count = "SELECT COUNT(*) FROM lookup_run WHERE kind = ?"
    assert [(1,)] == ours.engine.query(count, (Kind.CONTENT_DIGEST,))
    assert [4] == found(ours, b"3")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.none(), st.lists(st.integers(0, 5), min_size=1, max_size=6)), max_size=12))
def test_the_index_finds_what_the_rows_have(steps: list[list[int] | None]) -> None:
    """Whatever is written and indexed in whatever order: each content is found where it is."""
    store = Store(open_new())
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sorted_runs, "FAN_IN", 3)
        monkeypatch.setattr(sorted_runs, "PAIRS_IN_PAGE", 4)
        chain = store.open_chain("acme")
        model: list[bytes] = [b"first"]
        for step in steps:
            if step is None:
                contents(store).maintain()
                continue
            batch = [b"%d" % number for number in step]
            store.writer.record(chain, batch, START_MS)
            model += batch
        for content in set(model):
            assert [place for place, each in enumerate(model) if each == content] == found(store, content)
