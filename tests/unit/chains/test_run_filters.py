"""Filters of sorted runs: what they say, what they spare, and what is left of them when a pair is erased.

Runs are real ones of a real database; ``tests/unit/chains/test_lookup.py`` holds look-ups to a model of all rows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, pairwise
from typing import Any

import pytest

from anchor.errors import StorageCorruptError
from anchor.hashing.chosen import HASHING
from anchor.hashing.filters import BLOCK_BYTES
from anchor.proof.codec import sha256
from chains.run_filters import Filling, RunFilters, StoredRun, blocks_for
from chains.sorted_runs import Kind, SortedRuns
from tests.databases import open_new
from tests.simulators.store import Store

COUNT = 3000
KEYS = [sha256(b"%d" % number) for number in range(COUNT)]
OTHERS = [sha256(b"other %d" % number) for number in range(COUNT)]


def pairs_of(first: int, end: int) -> bytes:
    return HASHING.sorted_pairs(HASHING.pairs(b"".join(KEYS[first - 1 : end - 1]), first))


def write(runs: SortedRuns, *bounds: int, kind: Kind = Kind.ENTRY_HASH) -> None:
    """Write a run between each two of these rows."""
    for first, end in pairwise(bounds):
        with runs.engine.transaction():
            runs.store(kind, 0, (first, end), [pairs_of(first, end)], end - first)


def merge(runs: SortedRuns) -> None:
    """Make one run of the six, with two that are empty."""
    write(runs, COUNT + 1, COUNT + 1, COUNT + 1)
    runs.merge_all()


@pytest.fixture
def runs() -> SortedRuns:
    """Return six runs of 3,000 rows, each with a filter of one block."""
    made = SortedRuns(Store(open_new()).engine)
    write(made, 1, *range(501, COUNT + 2, 500))
    return made


@contextmanager
def asked(runs: SortedRuns) -> Iterator[list[str]]:
    """Yield the questions that are put to the database."""
    questions: list[str] = []
    original = runs.engine.query

    def noted(sql: str, values: Sequence[int | str | bytes | None] = ()) -> list[tuple[object, ...]]:
        questions.append(sql)
        return original(sql, values)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(runs.engine, "query", noted)
        yield questions


def blocks_of(runs: SortedRuns, run_no: int) -> list[bytes]:
    return [bits for _, bits in runs.filters.stored(run_no)]


def test_a_filter_says_no_of_most_keys_and_of_none_that_is_there(runs: SortedRuns) -> None:
    """Every key may be in its own run; of the others one in a hundred runs at most may hold one."""
    all_runs = runs.runs(Kind.ENTRY_HASH)
    assert [1] * 6 == [run.filter_blocks for run in all_runs]
    found = runs.filters.may_hold(all_runs, KEYS + OTHERS)
    for number, key in enumerate(KEYS):
        assert number // 500 + 1 in found[key]
    assert sum(len(found.get(key, ())) for key in OTHERS) < COUNT * 6 // 100


def test_a_look_up_over_many_runs_reads_one_page(runs: SortedRuns) -> None:
    """Of each run before the one that holds a key a block is read, and the second time nothing; of that one a page."""
    for blocks in (3, 0):
        with asked(runs) as questions:
            assert 1200 == next(runs.find(Kind.ENTRY_HASH, KEYS[1199], 0))
        assert blocks == sum("lookup_filter" in each for each in questions)
        assert 1 == sum("lookup_page" in each for each in questions)


def test_where_most_entries_are_a_page_is_read_at_once() -> None:
    """Of a run with half of the entries that are left no filter is read for an entry hash; for other keys it is."""
    for kind, asked_for in ((Kind.ENTRY_HASH, {1: "p", 2100: "pfp", 2700: "pfp"}), (Kind.EXTERNAL_ID, {2700: "fffp"})):
        for seq, expected in asked_for.items():
            fresh = SortedRuns(Store(open_new()).engine)
            write(fresh, 1, 1801, 2201, COUNT + 1, kind=kind)
            with asked(fresh) as questions:
                assert seq == next(fresh.find(kind, KEYS[seq - 1], 0))
            assert expected == "".join(
                "p" * ("lookup_page" in each) + "f" * ("lookup_filter" in each) for each in questions
            )


def test_whoever_has_just_started_builds_nothing(runs: SortedRuns) -> None:
    """What a new process is asked first it answers from a block of each run, without a page where none may hold it."""
    fresh = SortedRuns(runs.engine)
    with asked(fresh) as questions:
        assert {} == fresh.find_each(Kind.ENTRY_HASH, OTHERS[:3])
    assert 2 == len(questions)
    assert {KEYS[0]: [1], KEYS[2999]: [3000]} == fresh.find_each(Kind.ENTRY_HASH, [OTHERS[0], KEYS[0], KEYS[2999]])


def test_what_is_remembered_is_bounded(runs: SortedRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for two blocks, look-ups still find everything, and no more than what one asks for is held."""
    monkeypatch.setattr("chains.run_filters.MOST_BLOCKS", 2)
    for seq in range(1, COUNT, 500):
        assert [seq] == list(runs.find(Kind.ENTRY_HASH, KEYS[seq - 1], 0))
        assert len(runs.filters._held) <= 6
    # What is asked for now comes back though others were held: no page is read in vain.
    with asked(runs) as questions:
        assert {} == runs.find_each(Kind.ENTRY_HASH, OTHERS[:3])
    assert [] == [each for each in questions if "lookup_page" in each]


def test_merged_runs_have_the_filter_of_all_pairs_and_leave_none(runs: SortedRuns) -> None:
    """The filter of a merged run is that of its pairs, as if written at once; those of the eight are gone."""
    merge(runs)
    [run] = runs.runs(Kind.ENTRY_HASH)
    assert StoredRun(9, blocks_for(COUNT), 1, COUNT + 1) == run
    whole = HASHING.filled(pairs_of(1, COUNT + 1), 6, 0, bytes(6 * BLOCK_BYTES))
    assert whole == b"".join(blocks_of(runs, run.run_no))
    assert [(6,)] == runs.engine.query("SELECT COUNT(*) FROM lookup_filter")
    assert [2500] == list(SortedRuns(runs.engine).find(Kind.ENTRY_HASH, KEYS[2499], 0))


def test_the_first_run_has_more_than_half_of_the_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many runs of entry hashes came, the first has most; a pair is written thrice or four times for that."""
    runs, written = SortedRuns(Store(open_new()).engine), list[int]()
    original = SortedRuns.store

    def noted(self: SortedRuns, *given: Any) -> None:
        written.append(given[-1])
        original(self, *given)

    monkeypatch.setattr(SortedRuns, "store", noted)
    for first in range(1, COUNT, 40):
        write(runs, first, first + 40)
        runs.merge_all()
        found = runs.runs(Kind.ENTRY_HASH)
        assert 2 * found[0].entries > found[-1].end_seq - 1
        assert [1, *(run.end_seq for run in found)] == [*(run.first_seq for run in found), first + 40]
    assert [2560, 320, 40, 40, 40] == [run.entries for run in found]
    assert 3 * COUNT < sum(written) < 4 * COUNT
    for seq in range(1, COUNT + 1, 7):
        assert [seq] == list(runs.find(Kind.ENTRY_HASH, KEYS[seq - 1], 0))


def test_runs_are_joined_up_to_a_size_and_of_entry_hashes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would take too long in one transaction waits for eight runs, and so do other keys, which no run ends."""
    monkeypatch.setattr("chains.sorted_runs.MOST_JOINED", 1000)
    runs = SortedRuns(Store(open_new()).engine)
    for kind, expected in ((Kind.ENTRY_HASH, [1000, 500]), (Kind.EXTERNAL_ID, [500, 500, 500])):
        write(runs, 1, 501, 1001, kind=kind)
        runs.merge_all()
        write(runs, 1001, 1501, kind=kind)
        runs.merge_all()
        assert expected == [run.entries for run in runs.runs(kind)]
    write(runs, 1501, 2001)
    write(runs, 2001, 2501)
    runs.merge_all()
    assert [1000, 500, 500, 500] == [run.entries for run in runs.runs(Kind.ENTRY_HASH)]


def test_a_filter_comes_out_alike_in_pieces_of_any_size() -> None:
    """Whatever pieces the pairs come in, the blocks are the same, each is given out once, and in order."""
    pairs, blocks = pairs_of(1, COUNT + 1), blocks_for(COUNT)
    expected = HASHING.filled(pairs, blocks, 0, bytes(blocks * BLOCK_BYTES))
    for step in (16, 160, 16 * 777, len(pairs)):
        found = list(Filling(blocks).whole(pairs[at : at + step] for at in range(0, len(pairs), step)))
        assert list(range(blocks)) == [block_no for block_no, _ in found]
        assert expected == b"".join(bits for _, bits in found)
    assert [(0, bytes(BLOCK_BYTES))] == list(Filling(blocks_for(0)).whole([]))


def test_what_is_removed_leaves_no_bit(runs: SortedRuns) -> None:
    """Taken out of a run, a pair is not in its filter either: the block is that of the pairs that are left."""
    merge(runs)
    erased = range(100, 2900, 70)
    for seq in erased:
        with runs.engine.transaction():
            runs.remove(Kind.ENTRY_HASH, KEYS[seq - 1][:8] + seq.to_bytes(8, "big"))
    left = b"".join(key[:8] + bytes(8) for seq, key in enumerate(KEYS, 1) if seq not in erased)
    left = HASHING.sorted_pairs(left)
    assert HASHING.filled(left, 6, 0, bytes(6 * BLOCK_BYTES)) == b"".join(blocks_of(runs, 9))


def test_runs_of_an_older_version_are_found_and_get_a_filter(runs: SortedRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without a filter is asked as before; upkeep gives it one, and takes away what that version left behind."""
    monkeypatch.setattr("chains.sorted_runs.MOST_JOINED", 0)
    before = blocks_of(runs, 3)
    with runs.engine.transaction():
        runs.engine.execute("UPDATE lookup_run SET filter_blocks = NULL WHERE run_no = 3")
        RunFilters(runs.engine).put(77, [(0, bytes(BLOCK_BYTES))])
        runs.filters.delete(3)
    fresh = SortedRuns(runs.engine)
    assert [1200] == list(fresh.find(Kind.ENTRY_HASH, KEYS[1199], 0))
    assert {KEYS[1199]: [1200]} == fresh.find_each(Kind.ENTRY_HASH, [KEYS[1199], OTHERS[0]])
    fresh.merge_all()
    assert before == blocks_of(runs, 3)
    assert [1] * 6 == [run.filter_blocks for run in fresh.runs(Kind.ENTRY_HASH)]
    assert [(6,)] == runs.engine.query("SELECT COUNT(*) FROM lookup_filter")


def test_a_block_that_is_missing_says_nothing(runs: SortedRuns) -> None:
    """Where a block was lost, the page is read: what is there is found."""
    with runs.engine.transaction():
        runs.filters.delete(3)
    assert [1200] == list(SortedRuns(runs.engine).find(Kind.ENTRY_HASH, KEYS[1199], 0))


def test_a_number_that_is_given_again_gets_its_own_filter(runs: SortedRuns) -> None:
    """Where a version that knows no filters took the newest run away, the next run under its number has a new one."""
    with runs.engine.transaction():
        runs.engine.execute("DELETE FROM lookup_page WHERE run_no = 6")
        runs.engine.execute("DELETE FROM lookup_run WHERE run_no = 6")
    fresh = SortedRuns(runs.engine)
    write(fresh, 2501, COUNT + 1)
    assert [3000] == list(fresh.find(Kind.ENTRY_HASH, KEYS[2999], 0))
    assert [HASHING.filled(pairs_of(2501, COUNT + 1), 1, 0, bytes(BLOCK_BYTES))] == blocks_of(fresh, 6)


def test_pairs_out_of_order_are_no_run() -> None:
    """Pieces that come in another order than that of their keys are refused, and say what to do."""
    pairs = pairs_of(1, COUNT + 1)
    filling = Filling(blocks_for(COUNT))
    filling.add(pairs[16 * 2000 :])
    with pytest.raises(StorageCorruptError, match="anchorline audit"):
        filling.add(pairs[: 16 * 1000])


def test_a_damaged_page_comes_once(runs: SortedRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that begins below the pair under which it lies is read once; the look-up ends, and so does erasing."""
    monkeypatch.setattr("chains.sorted_runs.PAIRS_IN_PAGE", 4)
    pairs = pairs_of(1, 13)
    with runs.engine.transaction():
        runs.store(Kind.CONTENT_DIGEST, 0, (1, 13), [pairs], 12)
        runs.engine.execute("UPDATE lookup_page SET pairs = ? WHERE first_pair = ?", (pairs[:64], pairs[64:80]))
    [run] = runs.runs(Kind.CONTENT_DIGEST)
    assert [[]] == list(islice(runs.find_in_run(run.run_no, pairs[80:96]), 10))
    assert [[int.from_bytes(pairs[136:144])]] == list(islice(runs.find_in_run(run.run_no, pairs[128:144]), 10))
    with runs.engine.transaction():
        runs.remove(Kind.CONTENT_DIGEST, pairs[128:144])
    left = pairs[:64] + pairs[:64] + pairs[144:]
    assert [HASHING.filled(left, 1, 0, bytes(BLOCK_BYTES))] == blocks_of(runs, run.run_no)
