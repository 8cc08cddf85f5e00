"""Entry hashes straight from the bundles: the same as of the entries one by one, whatever is damaged or missing."""

import pytest

from anchor.proof.merkle import leaf_hash
from chains.bundle import pack
from chains.chain import Chain
from tests.simulators.store import START_MS, Store


@pytest.fixture
def chain(store: Store) -> Chain:
    """Return a chain of 601 entries in bundles of 1, 256, 44 and 256, 44 of them."""
    chain = store.open_chain("acme")
    for start in (0, 300):
        store.writer.record(chain, [b"row %d" % number for number in range(start, start + 300)], START_MS)
    return chain


def hashes_in(store: Store, start: int, end: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for first, hashes in store.chains.bundles.readable_hashes(start, end):
        assert not found or first > max(found)
        found |= dict(enumerate(hashes, first))
    return found


def hashes_one_by_one(store: Store, start: int, end: int) -> dict[int, bytes]:
    return {seq: leaf_hash(raw) for seq, raw, _ in store.chains.bundles.readable_rows(start, end)}


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize(
    ("start", "end"), [(1, 602), (1, 2), (2, 258), (2, 257), (3, 258), (257, 260), (601, 602), (300, 300), (5, 9)]
)
def test_hashes_of_any_range(store: Store, start: int, end: int) -> None:
    """A range may begin and end anywhere in a bundle; exactly its entries are hashed."""
    found = hashes_in(store, start, end)
    assert list(range(start, end)) == list(found)
    assert hashes_one_by_one(store, start, end) == found


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize("entries", [b"", b"\x00", pack([b"x"]), pack([b"x"] * 257)])
def test_a_damaged_bundle_is_passed_over(store: Store, entries: bytes) -> None:
    """A bundle whose lengths do not add up gives no hashes; those behind it do."""
    with store.engine.transaction():
        store.engine.execute("UPDATE bundle SET entries = ? WHERE first_seq = 2", (entries,))
    assert [1, *range(258, 602)] == list(hashes_in(store, 1, 602))
    assert {} == hashes_in(store, 2, 258)
    assert hashes_one_by_one(store, 1, 602) == hashes_in(store, 1, 602)


@pytest.mark.usefixtures("chain")
def test_missing_bundles_are_passed_over(store: Store) -> None:
    """Where bundles are gone, at the beginning, between others and at the end, the others are still hashed."""
    with store.engine.transaction():
        store.engine.execute("DELETE FROM bundle WHERE first_seq IN (1, 258, 558)")
    assert [*range(2, 258), *range(302, 558)] == list(hashes_in(store, 1, 602))
    assert hashes_one_by_one(store, 1, 602) == hashes_in(store, 1, 602)
    assert {} == hashes_in(store, 258, 302)
