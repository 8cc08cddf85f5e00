"""Look-ups against plain dictionaries: windows, sorted runs, merges, popular and colliding keys, several processes.

Entries are real ones; small runs and pages are set where a test wants many of them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.errors import StorageError
from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, ExternalId, IdKind
from anchor.proof.merkle import leaf_hash
from chains import lookup, sorted_runs
from chains.chain import Chain, Run
from chains.lookup import Lookup
from chains.sorted_runs import Kind
from tests.databases import open_new
from tests.simulators.store import START_MS, Store, clear, submission_of

OpenStore = Callable[[], Store]
NOWHERE = sha256(b"nowhere")
INDEXED = (Kind.ENTRY_HASH, Kind.EXTERNAL_ID)
"""What this look-up keeps; content digests are in an index of their own."""


def hashed(digest: bytes) -> ExternalId:
    """Return an external id whose digest is this one, so that tests choose the keys."""
    return ExternalId(IdKind.HASHED, digest)


def write(store: Store, chain: Chain, contents: Sequence[bytes], *ids: ExternalId) -> list[int]:
    batch = [submission_of(chain.chain_id, content, *ids) for content in contents]
    return [item.seq for item in store.writer.submit(chain, batch, START_MS)]


def model_of(store: Store) -> dict[Kind, dict[bytes, list[int]]]:
    """Return what every key should find, from the rows alone."""
    model: dict[Kind, dict[bytes, list[int]]] = {kind: {} for kind in INDEXED}
    for seq, raw, _ in store.chains.bundles.rows(1, store.chains.next_seq()):
        model[Kind.ENTRY_HASH].setdefault(leaf_hash(raw), []).append(seq)
        for digest in {item.digest() for item in Entry.decode(raw).external_ids}:
            model[Kind.EXTERNAL_ID].setdefault(digest, []).append(seq)
    return model


def check(store: Store, finder: Lookup) -> None:
    """Every key finds exactly its rows in ascending order, from anywhere; other keys find nothing."""
    model = model_of(store)
    for kind, keys in model.items():
        for key, seqs in keys.items():
            assert seqs == list(finder.find(kind, key))
            middle = seqs[len(seqs) // 2]
            assert [seq for seq in seqs if seq > middle] == list(finder.find(kind, key, middle))
        assert [] == list(finder.find(kind, NOWHERE))
    hashes = model[Kind.ENTRY_HASH]
    assert hashes == finder.candidates([*hashes, NOWHERE])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of four pairs, runs of ten entries, merged by threes."""
    shrink(monkeypatch)


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_runs, "PAIRS_IN_PAGE", 4)
    monkeypatch.setattr(lookup, "RUN_ENTRIES", 10)
    monkeypatch.setattr(sorted_runs, "FAN_IN", 3)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 12), st.sets(st.integers(0, 3))),
        st.tuples(st.just("maintain"), st.integers(1, 12), st.just(set())),
        st.tuples(st.sampled_from(["reopen", "find", "rolled back"]), st.just(1), st.just(set())),
    ),
    max_size=14,
)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_every_key_finds_its_rows_whatever_was_indexed(steps: list[tuple[str, int, set[int]]]) -> None:
    """However writes, runs, merges and restarts alternate, look-ups answer as a dictionary of all rows would."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        shrink(monkeypatch)
        store = Store(open_new())
        chain = store.open_chain("acme")
        finder = Lookup(store.engine, store.chains)
        for number, (step, count, ids) in enumerate(steps):
            contents = [b"%d/%d" % (number, place) for place in range(count)]
            if step == "write":
                write(store, chain, contents, *(clear(f"id {which}") for which in sorted(ids)))
            elif step == "maintain":
                store.lookup.maintain(least=count)
            elif step == "reopen":
                finder = Lookup(store.engine, store.chains)
            elif step == "find":
                check(store, finder)
            else:
                write_in_vain(store, chain)
        check(store, finder)
        check(store, store.lookup)
        check(store, Lookup(store.engine, store.chains))
        store.engine.close()


def write_in_vain(store: Store, chain: Chain) -> None:
    """Submit entries in a transaction whose last statement fails, after the writer has looked for known ones."""
    with pytest.MonkeyPatch.context() as monkeypatch:

        def fail(*_: object) -> None:
            raise StorageError("no space")

        monkeypatch.setattr(store.writer, "promise", fail)
        with pytest.raises(StorageError, match="no space"):
            write(store, chain, [b"never 1", b"never 2"], clear("id 0"))


@pytest.mark.usefixtures("small")
def test_a_popular_id_is_found_over_many_pages(store: Store) -> None:
    """An id on hundreds of entries fills pages of its own in every run, and all of them are found, in order."""
    chain = store.open_chain("acme")
    seqs = []
    for number in range(12):
        seqs += write(store, chain, [b"%d/%d" % (number, place) for place in range(25)], clear("popular"))
        write(store, chain, [b"rare %d" % number], clear(f"rare {number}"))
        store.lookup.maintain(least=1)
    digest = clear("popular").digest()
    assert seqs == list(store.lookup.find(Kind.EXTERNAL_ID, digest))
    for after in (0, seqs[0], seqs[7], seqs[150], seqs[-2], seqs[-1]):
        assert [seq for seq in seqs if seq > after] == list(store.lookup.find(Kind.EXTERNAL_ID, digest, after))
    check(store, store.lookup)


@pytest.mark.usefixtures("small")
def test_keys_with_equal_beginnings_are_candidates_of_each_other(store: Store) -> None:
    """Runs know 8 bytes of a key: whoever shares them is a candidate, never missing, and the caller compares."""
    chain = store.open_chain("acme")
    same = bytes(8)
    ids = [hashed(same + bytes([number]) * 24) for number in range(9)]
    neighbours = [hashed(bytes(7) + b"\x01" + bytes(24)), hashed(b"\xff" * 32)]
    seqs = {item: write(store, chain, [item.value], item)[0] for item in [*ids, *neighbours]}
    store.lookup.maintain(least=1)
    for item in ids:
        assert [seqs[other] for other in ids] == list(store.lookup.find(Kind.EXTERNAL_ID, item.digest()))
    for item in neighbours:
        assert [seqs[item]] == list(store.lookup.find(Kind.EXTERNAL_ID, item.digest()))
    write(store, chain, [b"newer"], ids[3])
    found = list(store.lookup.find(Kind.EXTERNAL_ID, ids[3].digest()))
    assert [*(seqs[other] for other in ids), store.chains.next_seq() - 1] == found


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("key", [bytes(32), b"\xff" * 32])
def test_the_smallest_and_the_largest_key_are_found(store: Store, key: bytes) -> None:
    """Keys at both ends of a run are found, and nothing is found beyond them."""
    chain = store.open_chain("acme")
    write(store, chain, [b"%d" % number for number in range(9)], clear("some"))
    (seq,) = write(store, chain, [b"it"], hashed(key))
    store.lookup.maintain(least=1)
    assert [seq] == list(store.lookup.find(Kind.EXTERNAL_ID, key))
    assert [] == list(store.lookup.find(Kind.EXTERNAL_ID, key, seq))
    other = bytes(31) + b"\x01" if key == bytes(32) else b"\xff" * 7 + b"\xfe" + b"\xff" * 24
    assert ([seq] if other[:8] == key[:8] else []) == list(store.lookup.find(Kind.EXTERNAL_ID, other))


@pytest.mark.usefixtures("small")
def test_runs_are_merged_and_stay_few(store: Store) -> None:
    """Three runs of a level become one of the next: never three stand side by side, and they leave no gap."""
    chain = store.open_chain("acme")
    for number in range(40):
        write(store, chain, [b"%d/%d" % (number, place) for place in range(10)], clear("id"))
        store.lookup.maintain(least=10)
    for kind in INDEXED:
        runs = store.engine.query(
            "SELECT run_no, level, first_seq, end_seq FROM lookup_run WHERE kind = ? ORDER BY first_seq", (kind,)
        )
        levels = [level for _, level, _, _ in runs]
        assert sorted(levels, reverse=True) == levels
        assert max(levels.count(level) for level in levels) < 3
        assert [1, *(end for _, _, _, end in runs)][:-1] == [first for _, _, first, _ in runs]
        for (
            run_no,
            *_,
        ) in runs:
            pages = store.engine.query(
                "SELECT first_pair, pairs FROM lookup_page WHERE run_no = ? ORDER BY first_pair", (run_no,)
            )
            flat = b"".join(pairs for _, pairs in pages)
            pairs = [flat[at : at + 16] for at in range(0, len(flat), 16)]
            assert sorted(pairs) == pairs
            assert [page[:16] for _, page in pages] == [first for first, _ in pages]
    orphans = "SELECT COUNT(*) FROM lookup_page WHERE run_no NOT IN (SELECT run_no FROM lookup_run)"
    assert [(0,)] == store.engine.query(orphans)
    check(store, store.lookup)


def test_few_new_entries_make_no_run(store: Store) -> None:
    """Upkeep writes a run only where enough entries wait, so that runs stay few."""
    chain = store.open_chain("acme")
    write(store, chain, [b"%d" % number for number in range(8)])
    store.lookup.maintain(least=10)
    assert [(0,)] == store.engine.query("SELECT COUNT(*) FROM lookup_run")
    write(store, chain, [b"the tenth"])
    store.lookup.maintain(least=10)
    assert [(1, 11), (1, 11)] == store.engine.query("SELECT first_seq, end_seq FROM lookup_run")


@pytest.mark.usefixtures("small")
def test_a_writer_leaves_runs_to_the_seal_up_to_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits make no run until the backlog is full, the next one then does; everything is found all the while.

    A writer that was opened later, and one beside it, keep to the same bound. (Three runs side by side are merged, and
    those of entry hashes sooner.)
    """
    monkeypatch.setattr(lookup, "BACKLOG_ENTRIES", 20)
    chain = store.open_chain("acme")
    runs = "SELECT first_seq, end_seq FROM lookup_run WHERE kind = 1 ORDER BY first_seq"
    store.writer.record(chain, [b"%d" % number for number in range(19)], START_MS)
    assert [] == store.engine.query(runs)
    check(store, store.lookup)
    store.writer.record(chain, [b"the first that finds the backlog full"], START_MS)
    assert [(1, 11), (11, 21)] == store.engine.query(runs)
    check(store, store.lookup)
    store.writer.record(chain, [b"%d" % number for number in range(19)], START_MS)
    later = Store(store.engine)
    for writer in (later.writer, store.writer):
        writer.record(chain, [b"one more"], START_MS)
    assert [(1, 31), (31, 41)] == store.engine.query(runs)
    check(store, store.lookup)
    check(later, later.lookup)


def test_look_ups_read_few_pages(store: Store) -> None:
    """Looking for new hashes reads no page but where the filter errs: about one in four hundred."""
    chain = store.open_chain("acme")
    write(store, chain, [b"%d" % number for number in range(2000)])
    store.lookup.maintain(least=1)
    reads: list[str] = []
    original = store.engine.query

    def counted(sql: str, values: Sequence[int | str | bytes | None] = ()) -> list[tuple[object, ...]]:
        if " FROM lookup_page " in sql:
            reads.append(sql)
        return original(sql, values)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(store.engine, "query", counted)
        assert {} == store.lookup.candidates([sha256(b"%d" % number) for number in range(1000)])
    assert len(reads) < 20


# --- several processes


@pytest.mark.usefixtures("small")
def test_each_process_catches_up_by_itself(open_store: OpenStore) -> None:
    """Whoever writes, indexes or merges, every other process finds everything."""
    stores = [open_store() for _ in range(3)]
    chain = stores[0].open_chain("acme")
    for number in range(30):
        writer, keeper, reader = (stores[(number + shift) % 3] for shift in range(3))
        write(writer, chain, [b"%d/%d" % (number, place) for place in range(5)], clear(f"id {number % 4}"))
        keeper.lookup.maintain(least=7)
        if number % 5 == 0:
            check(reader, reader.lookup)
    for store in stores:
        check(store, store.lookup)


@pytest.mark.usefixtures("small")
def test_runs_merged_away_while_they_are_read_hide_nothing(open_store: OpenStore) -> None:
    """A reader in the middle of a look-up still finds all rows when another process merges the runs it reads."""
    ours, theirs = open_store(), open_store()
    chain = ours.open_chain("acme")
    seqs = []
    for number in range(2):
        seqs += write(ours, chain, [b"%d/%d" % (number, place) for place in range(10)], clear("id"))
        theirs.lookup.maintain(least=1)
    for taken in range(1, 20):
        found: Iterator[int] = ours.lookup.find(Kind.EXTERNAL_ID, clear("id").digest())
        got = [next(found) for _ in range(taken)]
        seqs += write(theirs, chain, [b"more %d/%d" % (taken, place) for place in range(11)], clear("id"))
        theirs.lookup.maintain(least=1)  # writes runs and merges those that ``found`` is reading
        got += found
        assert [seq for seq in seqs if seq in got] == got, "in order, none twice"
        assert set(seqs[:-11]) <= set(got), "all that was there when the look-up began"


@pytest.mark.usefixtures("small")
def test_processes_that_keep_the_index_at_once_do_the_work_once(open_store: OpenStore) -> None:
    """Whoever gets the lock second finds the run written and the runs merged, and adds nothing."""
    ours, theirs = open_store(), open_store()
    chain = ours.open_chain("acme")
    transaction = ours.engine.transaction

    @contextmanager
    def after_theirs() -> Iterator[None]:
        theirs.lookup.maintain(least=10)
        with transaction():
            yield

    for number in range(7):
        write(ours, chain, [b"%d/%d" % (number, place) for place in range(10)])
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(ours.engine, "transaction", after_theirs)
            ours.lookup.maintain(least=10)
        runs = ours.engine.query("SELECT first_seq, end_seq FROM lookup_run WHERE kind = 0 ORDER BY first_seq, end_seq")
        assert [1, *(end for _, end in runs)][:-1] == [first for first, _ in runs], "no run twice, none empty"
        assert all(first < end for first, end in runs)
    check(ours, ours.lookup)


def test_unchanged_entries_are_not_read_twice(store: Store) -> None:
    """The window grows by what is new: a second look-up reads no entry again."""
    chain = store.open_chain("acme")
    write(store, chain, [b"%d" % number for number in range(10)], clear("id"))
    list(store.lookup.find(Kind.ENTRY_HASH, NOWHERE))
    before = store.lookup._window_end
    seen: list[tuple[int, int]] = []
    original = store.chains.runs

    def watched(start: int, end: int) -> Iterator[Run]:
        seen.append((start, end))
        return original(start, end)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(store.chains, "runs", watched)
        list(store.lookup.find(Kind.ENTRY_HASH, NOWHERE))
        write(store, chain, [b"new"])
        list(store.lookup.find(Kind.ENTRY_HASH, NOWHERE))
    assert [] == [(start, end) for start, end in seen if start < before < end]
    assert (before, before + 1) in seen
