"""The oldest promise that a checkpoint does not cover, on a real database with commits and seals in turn."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anchor.plan import Promised
from chains.deadline import oldest_promise
from tests.simulators.store import GENESIS, START_MS, Store, clear


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    made = Store(tmp_path / "anchorline.db")
    yield made
    made.engine.close()


def found(store: Store, size: int) -> int | None:
    """Return when the oldest promise was given, in milliseconds after the start."""
    promised = oldest_promise(store.engine, store.directory, size)
    if promised is None:
        return None
    assert Promised(promised.received_at_ms, promised.received_at_ms + 48 * 3_600_000) == promised
    return promised.received_at_ms - START_MS


def test_an_empty_log_has_promised_nothing(store: Store) -> None:
    """Neither a size nor a time is needed to say so."""
    assert None is found(store, 0)


def test_the_first_commit_after_each_checkpoint_is_found(store: Store) -> None:
    """Three commits before each of four seals, of different sizes; the same millisecond counts as not covered."""
    chain, _ = store.writer.open_chain([clear("acme")], b"first", "acme", START_MS)
    expected: list[tuple[int, int | None]] = [(0, 0)]
    for round_ in range(4):
        for number in range(3):
            contents = [b"%d %d %d" % (round_, number, each) for each in range(1 + number)]
            store.writer.record(chain, contents, at(round_, number))
        sealed = store.directory.seal(store.checkpoint_key, at(round_, 3), GENESIS, [])
        assert sealed is not None
        expected.append((sealed.size, at(round_ + 1, 0) - START_MS if round_ < 3 else None))
    assert expected == [(size, found(store, size)) for size, _ in expected]
    store.writer.record(chain, [b"in the millisecond of the seal"], at(3, 3))
    assert at(3, 3) - START_MS == found(store, expected[-1][0])


def at(round_: int, number: int) -> int:
    return START_MS + 10_000 * (round_ + 1) + 1_000 * number
