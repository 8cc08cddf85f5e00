"""Anchoring that ends at every single point, by exception and by SIGKILL, and is taken up again.

The scenarios and their invariants are ``anchoring``; the points are every statement, BEGIN and COMMIT, and every
broadcast, before and after. On the simulated Bitcoin exceptions are tried at all points of two anchors, and at every
second point of a reorganisation and what follows it. On the embedded regtest, which takes time to open, processes are
killed around each broadcast and each intent, and at a sample of the other points.
"""

import random
from pathlib import Path

import pytest

from tests.crash.anchoring import (
    WORLDS,
    anchor_twice_embedded,
    anchor_twice_simulated,
    check_done,
    check_left,
    embedded,
    lose_and_settle,
    replace_by_fee,
    simulated,
)
from tests.crash.crashing import (
    DATABASE,
    CrashingEngine,
    Scenario,
    StoppedError,
    kill_everywhere,
    points_of,
    run_again,
    stop_at,
    stop_everywhere,
)
from tests.databases import open_engine

PAIRS = 40
KILLS = 16
SCENARIOS = {
    "anchor twice": (anchor_twice_simulated, 2),
    "lose and settle": (lose_and_settle, 3),
    "replace by fee": (replace_by_fee, 2),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_scenarios_have_the_points_that_they_should(name: str, tmp_path: Path) -> None:
    """A run without a stop keeps the invariants, and passes what the tests mean: intents, broadcasts, notes, proofs."""
    scenario, anchors = SCENARIOS[name]
    folder = tmp_path / "whole"
    points = points_of(scenario, folder)
    check_left(folder, simulated(folder))
    check_done(folder, simulated(folder), anchors)
    for table in ("directory_leaf", "checkpoint", "attempt", "attempt_event", "anchor_proof", "log_mark"):
        assert any(f"before INSERT INTO {table} " in point for point in points), table
    assert points.count("before broadcast") == points.count("after broadcast") >= anchors


def test_an_exception_at_any_point_forks_nothing(tmp_path: Path) -> None:
    """Stopped at every point in turn, nothing is out that is not on disk, and the next run ends in one thread."""
    points = points_of(anchor_twice_simulated, tmp_path / "whole")
    stopped_at_each(anchor_twice_simulated, tmp_path, range(1, len(points) + 1), 2)


def test_an_exception_while_anchors_are_lost_and_settled_forks_nothing(tmp_path: Path) -> None:
    """The same from the reorganisation on: the points before it are those of the other scenario."""
    before = len(points_of(anchor_twice_simulated, tmp_path / "before"))
    points = points_of(lose_and_settle, tmp_path / "whole")
    assert len(points) > before + 50
    stopped_at_each(lose_and_settle, tmp_path, range(before + 1, len(points) + 1, 2), 3)


def test_an_exception_while_an_attempt_is_replaced_forks_nothing(tmp_path: Path) -> None:
    """The same where a version is made, stored, sent and mined, and the one before it settled as replaced.

    Stopped before it is newly sealed, the next run replaces with the old checkpoint; what is new is then anchored too.
    """
    points = points_of(replace_by_fee, tmp_path / "whole")
    stored = [number for number, name in enumerate(points, 1) if "after INSERT INTO attempt " in name]
    assert 3 == len(stored)
    assert any("before UPDATE attempt SET settled_at_ms" in name for name in points)
    stopped_at_each(replace_by_fee, tmp_path, range(stored[1], len(points) + 1), 2, more=1)


def stopped_at_each(scenario: Scenario, tmp_path: Path, points: range, anchors: int, more: int = 0) -> None:
    for _, folder in stop_everywhere(scenario, tmp_path, points):
        check_left(folder, simulated(folder))
        run_again(scenario, folder)
        check_done(folder, simulated(folder), anchors, more)
        del WORLDS[folder]


def test_two_stops_in_a_row_fork_nothing(tmp_path: Path) -> None:
    """A restart that is stopped itself is as good as any: a sample of pairs."""
    points = points_of(anchor_twice_simulated, tmp_path / "whole")
    chance = random.Random(2)
    for pair in range(PAIRS):
        folder = tmp_path / f"pair-{pair}"
        assert stop_at(anchor_twice_simulated, folder, chance.randrange(1, len(points) + 1))
        stop_at(anchor_twice_simulated, folder, chance.randrange(1, len(points) + 1))
        check_left(folder, simulated(folder))
        run_again(anchor_twice_simulated, folder)
        check_done(folder, simulated(folder), 2)


def test_a_kill_forks_nothing(tmp_path: Path) -> None:
    """Killed around each broadcast and each intent, and at a sample of other points, on the embedded regtest."""
    points = points_of(anchor_twice_embedded, tmp_path / "whole")
    wanted = {
        number for number, name in enumerate(points, 1) if name.endswith("broadcast") or "INSERT INTO attempt " in name
    }
    wanted |= {number + 2 for number, name in enumerate(points, 1) if "after INSERT INTO attempt " in name}
    wanted |= set(random.Random(3).sample(range(1, len(points) + 1), KILLS))
    for _, folder in kill_everywhere(anchor_twice_embedded, tmp_path, sorted(wanted)):
        with embedded(folder) as world:
            check_left(folder, world)
        run_again(anchor_twice_embedded, folder)
        with embedded(folder) as world:
            check_done(folder, world, 2)


def test_the_invariants_notice_a_second_thread(tmp_path: Path) -> None:
    """The checks are not blind: an anchor that the journal lacks, and an intent that was never stored, are seen."""
    folder = tmp_path / "forged"
    folder.mkdir()
    engine = CrashingEngine(open_engine(folder / DATABASE))
    anchor_twice_simulated(engine, folder)
    with engine.transaction():
        engine.execute("DELETE FROM anchor_proof WHERE attempt_no = 2")
        engine.execute("DELETE FROM attempt_event WHERE attempt_no = 2")
        engine.execute("DELETE FROM attempt WHERE attempt_no = 2")
    engine.close()
    with pytest.raises(AssertionError):
        check_left(folder, simulated(folder))
    with pytest.raises(AssertionError):
        check_done(folder, simulated(folder), 2)


def test_a_stop_is_no_exception_that_anything_could_handle() -> None:
    """Nothing in the code under test goes on after a stop: it is no Exception."""
    assert not issubclass(StoppedError, Exception)
