"""Writing and sealing that end at every single point, by exception and by SIGKILL, and are taken up again.

The scenario and its invariants are ``writing``; the points are every statement, BEGIN and COMMIT, before and after.
"""

import random
from pathlib import Path

import pytest

from tests.crash.crashing import (
    DATABASE,
    CrashingEngine,
    Ending,
    StoppedError,
    kill_everywhere,
    points_of,
    run_again,
    stop_at,
    stop_everywhere,
)
from tests.crash.writing import check_done, check_left, write_and_seal
from tests.databases import on_postgres, open_engine

pytestmark = pytest.mark.on_both

PAIRS = 40


def every() -> int:
    """Return which points are taken: all of them in a file; of a server, whose databases are slow to make, some."""
    return 29 if on_postgres() else 1


def test_the_scenario_has_the_points_that_it_should(tmp_path: Path) -> None:
    """A run without a stop keeps the invariants, and passes the statements and commits that the tests mean."""
    points = points_of(write_and_seal, tmp_path / "whole")
    check_done(tmp_path / "whole")
    for table in ("tree", "tile", "chain", "bundle", "extent", "group_commit", "head", "directory_leaf", "checkpoint"):
        assert any(f"before INSERT INTO {table} " in point for point in points), table
    assert any("before UPDATE checkpoint SET note" in point for point in points)
    assert any("before INSERT INTO lookup_page" in point for point in points)
    assert points.count("before BEGIN") == points.count("after COMMIT") > 10


@pytest.mark.parametrize("end_everywhere", [stop_everywhere, kill_everywhere])
def test_an_end_at_any_point_loses_nothing(tmp_path: Path, end_everywhere: Ending) -> None:
    """Stopped by an exception, or killed, at every point in turn, the log is whole, and the next run completes it."""
    points = points_of(write_and_seal, tmp_path / "whole")
    for _, folder in end_everywhere(write_and_seal, tmp_path, range(1, len(points) + 1, every())):
        check_left(folder)
        run_again(write_and_seal, folder)
        check_done(folder)


def test_two_stops_in_a_row_lose_nothing(tmp_path: Path) -> None:
    """A run that takes up a stopped one may itself stop anywhere (forty pairs of points, chosen by a fixed seed)."""
    points = points_of(write_and_seal, tmp_path / "whole")
    chosen = random.Random(7)
    for number in range(PAIRS // every()):
        folder = tmp_path / f"twice-{number}"
        assert stop_at(write_and_seal, folder, chosen.randint(1, len(points)))
        stop_at(write_and_seal, folder, chosen.randint(1, len(points)))
        check_left(folder)
        run_again(write_and_seal, folder)
        check_done(folder)


def test_a_stopped_engine_stays_stopped(tmp_path: Path) -> None:
    """After its point an engine does nothing more, so that no clean-up hides what a crash leaves."""
    inner = open_engine(tmp_path / DATABASE)
    engine = CrashingEngine(inner, 2)
    with pytest.raises(StoppedError), engine.transaction():
        raise AssertionError("the block must not run")
    assert ["before BEGIN", "after BEGIN"] == engine.points
    assert not inner.in_transaction
    with pytest.raises(StoppedError):
        engine.query("SELECT 1")
    with pytest.raises(StoppedError):
        engine.execute("DELETE FROM tree")
    inner.close()
