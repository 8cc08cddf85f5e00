"""Parts of bundles: the same entries, with what is kept, as one by one, whatever is damaged, missing or destroyed."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing

import pytest

from chains.bundle import BUNDLE_ENTRIES, Part, Row, pack
from chains.chain import Chain
from chains.content_cipher import ERASED, UNREADABLE
from tests.simulators.store import START_MS, Store


@pytest.fixture
def chain(store: Store) -> Chain:
    """Return a chain of 601 entries in bundles of 1, 256, 44 and 256, 44 of them."""
    chain = store.open_chain("acme")
    for start in (0, 300):
        store.writer.record(chain, [b"row %d" % number for number in range(start, start + 300)], START_MS)
    return chain


def readable(store: Store, start: int, end: int) -> list[Row]:
    """Return what is read one bundle after the other, and several together: it is the same."""
    bundles = store.chains.bundles
    alone = list(rows_of(bundles.readable_parts(start, end)))
    together = bundles.readable_together(start, end)
    assert alone == list(rows_of(part for some in together for part in some.parts()))
    return alone


def rows_of(parts: Iterable[Part]) -> Iterator[Row]:
    seq = 0
    for part in parts:
        assert len(part.entries) == len(part.kept)
        assert part.first_seq > seq
        for row in part.rows():
            yield row
            seq = row[0]


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize(
    ("start", "end"), [(1, 602), (1, 2), (2, 258), (2, 257), (3, 258), (257, 260), (601, 602), (300, 300), (5, 9)]
)
def test_parts_of_any_range(store: Store, start: int, end: int) -> None:
    """A range may begin and end anywhere in a bundle; exactly its entries are in the parts, as each is read alone."""
    found = readable(store, start, end)
    assert list(range(start, end)) == [seq for seq, _, _ in found]
    assert [store.chains.bundles.row(seq) for seq in range(start, end)] == found
    assert list(store.chains.bundles.rows(start, end)) == found


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize("column", ["entries", "kept"])
@pytest.mark.parametrize("value", [b"", b"\x00", pack([b"x"]), pack([b"x"] * 257)])
def test_a_damaged_bundle_is_passed_over(store: Store, column: str, value: bytes) -> None:
    """A bundle whose lengths do not add up gives nothing; those behind it do."""
    with store.engine.transaction():
        store.engine.execute(f"UPDATE bundle SET {column} = ? WHERE first_seq = 2", (value,))
    assert [1, *range(258, 602)] == [seq for seq, _, _ in readable(store, 1, 602)]
    assert [] == readable(store, 2, 258)


@pytest.mark.usefixtures("chain")
def test_missing_bundles_are_passed_over(store: Store) -> None:
    """Where bundles are gone, at the beginning, between others and at the end, the others are still read."""
    with store.engine.transaction():
        store.engine.execute("DELETE FROM bundle WHERE first_seq IN (1, 258, 558)")
    assert [*range(2, 258), *range(302, 558)] == [seq for seq, _, _ in readable(store, 1, 602)]
    assert [] == readable(store, 258, 302)


@pytest.mark.usefixtures("chain")
def test_what_was_destroyed_or_erased_is_said_in_its_place(store: Store) -> None:
    """Of a row whose key is gone, and of one that was erased, nothing is read, and of all others everything."""
    before = readable(store, 1, 602)
    store.content_keys.destroy([5])
    with store.engine.transaction():
        store.chains.bundles.erase([9])
    expected = [(seq, raw, ERASED if seq in {5, 9} else kept) for seq, raw, kept in before]
    assert expected == readable(store, 1, 602)
    store.content_keys.clear()
    expected = [(seq, raw, ERASED if seq == 9 else UNREADABLE) for seq, raw, _ in before]
    assert expected == readable(store, 1, 602)


@pytest.mark.usefixtures("chain")
def test_bundles_that_follow_one_another_come_together(store: Store) -> None:
    """Who reads the whole log gets many bundles as one part, which can be cut into pieces of a bundle's entries."""
    [some] = store.chains.bundles.readable_together(2, 602)
    [part] = some.parts()
    assert some.entries == part.entries
    pieces = list(part.pieces())
    assert [BUNDLE_ENTRIES, BUNDLE_ENTRIES, 600 - 2 * BUNDLE_ENTRIES] == [len(piece.entries) for piece in pieces]
    assert [row for piece in pieces for row in piece.rows()] == list(part.rows())


def test_no_more_comes_together_than_two_mebibytes_and_a_bundle(store: Store, chain: Chain) -> None:
    """What stands behind contents of two mebibytes is read for itself."""
    store.writer.record(chain, [bytes(2**20)] * 3, START_MS)
    assert [602, 604] == [some.first_seq for some in store.chains.bundles.readable_together(602, 605)]


@pytest.mark.usefixtures("chain")
def test_a_damaged_block_of_keys_hides_only_what_lies_under_it(store: Store) -> None:
    """Bundles that need a block of keys that is damaged give nothing; those beside them do."""
    keys = store.content_keys
    keys.look()
    with closing(sqlite3.connect(store.content_keys.store.name)) as other, other:
        other.execute("UPDATE block SET secret = x'00' WHERE block_no = 1")
    # Block 1 has the keys of rows 256 to 511.
    assert [1, *range(558, 602)] == [seq for seq, _, _ in readable(store, 1, 602)]
