"""The audit of look-ups: runs that begin and end anywhere, and what a forger can do to their pairs."""

import pytest

from anchor.journal import Journal
from anchor.proof.codec import sha256
from chains import content_index, lookup, sorted_runs
from chains.audit import Audit
from chains.audit_tables import Sum
from chains.content_index import ContentIndex
from chains.reader import Reader
from chains.sorted_runs import Kind
from tests.databases import open_new
from tests.simulators.store import START_MS, Store, clear


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return three chains by turns, indexed in runs of a hundred rows, four of them merged, the last rows in none."""
    monkeypatch.setattr(lookup, "RUN_ENTRIES", 100)
    monkeypatch.setattr(content_index, "MOST_ROWS", 90)
    monkeypatch.setattr(sorted_runs, "PAIRS_IN_PAGE", 32)
    monkeypatch.setattr(sorted_runs, "FAN_IN", 4)
    store = Store(open_new())
    chains = [store.open_chain(name) for name in "abc"]
    for number in range(1, 31):
        contents = [b"%d/%d" % (number, place) for place in range(number)]
        store.writer.record(chains[number % 3], contents, START_MS, external_ids=[clear("x")] * (number % 5 == 0))
        store.writer.record_digests(chains[number % 2], [sha256(content) for content in contents], START_MS)
    store.lookup.maintain(1)
    ContentIndex(store.engine, store.chains).maintain()
    store.writer.record(chains[0], [b"not indexed"], START_MS)
    return store


def findings(store: Store) -> list[tuple[str, str]]:
    reader = Reader(store.engine, store.chains, store.lookup)
    parts = (store.engine, store.trees, store.directory, store.chains)
    report = Audit(*parts, reader, Journal(store.engine)).run()
    assert len(store.engine.query("SELECT 1 FROM lookup_run")) == report.lookups > 6
    return [(finding.where, finding.what) for finding in report.findings]


def test_runs_may_begin_and_end_in_any_bundle(store: Store) -> None:
    """Rows of several chains, contents and digests, with and without ids, give exactly the pairs of every run."""
    assert [] == findings(store)


@pytest.mark.parametrize("kind", Kind)
def test_two_pairs_that_exchange_their_rows_are_found(store: Store, kind: Kind) -> None:
    """Pairs with the keys of others and rows of others, each of which is there once, are not those of the rows."""
    [(run_no, first_pair, pairs), *_] = store.engine.query(
        "SELECT run_no, first_pair, pairs FROM lookup_page WHERE run_no IN (SELECT run_no FROM lookup_run "
        "WHERE kind = ?) AND LENGTH(pairs) > 64 ORDER BY run_no",
        (kind,),
    )
    page = bytes(pairs)
    changed = page[:24] + page[40:48] + page[32:40] + page[24:32] + page[48:]
    with store.engine.transaction():
        store.engine.execute(
            "UPDATE lookup_page SET pairs = ? WHERE run_no = ? AND first_pair = ?", (changed, run_no, first_pair)
        )
    assert [f"look-up run {run_no} ({kind.name.lower()}, "] == sorted(
        {where.partition("rows")[0] for where, _ in findings(store)}
    )


def test_a_sum_is_that_of_the_hashes() -> None:
    """However many come at a time, in whatever order, a sum is their number and the sum of their hashes mod 2^256."""
    items = [b"%d" % number for number in range(300)]
    expected = sum(int.from_bytes(sha256(item), "big") for item in items) % (1 << 256)
    for step in (1, 7, 300):
        found = Sum()
        for at in range(0, len(items), step):
            found.add(items[::-1][at : at + step])
        assert (len(items), expected) == (found.count, found.total)
    empty = Sum()
    empty.add([])
    assert (0, 0) == (empty.count, empty.total)
