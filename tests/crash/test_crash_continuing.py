"""``chain continue`` that ends at any point: the chain is here whole, or not at all, and the next run makes it so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anchor.proof.chain_life import Continuation, statement_of
from chains.chain_life import ChainLives
from chains.reader import Reader
from tests.crash.continuing import ARCHIVE, CONTENTS, NAME, go_on, make_archive
from tests.crash.crashing import Ending, kill_everywhere, open_database, points_of, run_again, stop_everywhere
from tests.simulators.store import Store

TABLES = ("chain", "extent", "bundle", "group_commit", "life_entry", "earlier_receipt", "chain_owner")


@pytest.fixture(scope="module", autouse=True)
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make the archive once, and name it to every process."""
    patching = pytest.MonkeyPatch()
    patching.setenv(ARCHIVE, str(make_archive(tmp_path_factory.mktemp("archive"))))
    yield
    patching.undo()


def rows_of(store: Store) -> int:
    """Return how many rows there are of what a chain is made of."""
    return sum(int(store.engine.query(f"SELECT COUNT(*) FROM {table}")[0][0]) for table in TABLES)


def check_whole(store: Store) -> None:
    """Fail unless the chain is here with all that came, its continuation and the receipt on which this rests."""
    chain = store.chains.named(NAME)
    reader = Reader(store.engine, store.chains, store.lookup)
    stored = reader.page(chain, 0, 100)
    kept = [each.kept.content for each in stored if each.kept is not None]
    assert [*CONTENTS] == kept[1 : 1 + len(CONTENTS)]
    assert len(CONTENTS) + 3 == len(stored)
    assert isinstance(statement_of(stored[-1].entry), Continuation)
    assert ChainLives(store.engine, store.chains).earlier_receipt(chain, stored[-1].leaf_index) is not None


@pytest.mark.parametrize("end_everywhere", [stop_everywhere, kill_everywhere])
def test_a_chain_comes_whole_or_not_at_all(tmp_path: Path, end_everywhere: Ending) -> None:
    """At whichever statement or commit it ends: no row of the chain is there, or all are; run again, all are."""
    points = points_of(go_on, tmp_path / "whole")
    first = 1 + next(place for place, name in enumerate(points) if "INTO chain " in name)
    seen = set()
    for _, folder in end_everywhere(go_on, tmp_path, range(first, len(points) + 1)):
        store = Store(open_database(folder))
        is_there = store.chains.by_name(NAME) is not None
        seen.add(is_there)
        if is_there:
            check_whole(store)
        else:
            assert 0 == rows_of(store)
        store.engine.close()
        run_again(go_on, folder)
        store = Store(open_database(folder))
        check_whole(store)
        store.engine.close()
    assert {True, False} == seen
