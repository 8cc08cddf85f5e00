"""Parts of a home without its folder: what the tests of chains open over one database file."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.simulators.store import Store


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Open the same database again and again, as several processes or restarts would."""
    opened: list[Store] = []

    def open_one() -> Store:
        opened.append(Store(tmp_path / "anchorline.db"))
        return opened[-1]

    yield open_one
    for store in opened:
        store.engine.close()


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    """One opened database."""
    return open_store()


@pytest.fixture
def unflushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flush nothing: every file system of a busy machine takes most of a test, and it shows in a power cut only."""
    monkeypatch.setattr(os, "sync", lambda: None)
