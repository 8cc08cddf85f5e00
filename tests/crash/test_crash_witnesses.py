"""Time stamps and calendars' attestations, ended at every single point by exception and by SIGKILL, and taken up again.

The scenario and its invariants are ``witnessing``; the points are every statement, BEGIN and COMMIT, and every question
to a calendar, before and after.
"""

import random
from pathlib import Path

import pytest

from tests.crash.anchoring import WORLDS, check_done, embedded, simulated
from tests.crash.crashing import (
    DATABASE,
    CrashingEngine,
    kill_everywhere,
    points_of,
    run_again,
    stop_everywhere,
)
from tests.crash.witnessing import check_witnessed, check_witnesses, witness_embedded, witness_simulated
from tests.databases import open_engine

KILLS = 4
TABLES = (
    "time_stamp",
    "time_stamp_failure",
    "calendar_reply",
    "calendar_round",
    "attestation",
    "attestation_header",
)


def witness_points(points: list[str]) -> list[int]:
    """Return the numbers of the points in transactions that write a witness, and of those of the calendar."""
    found: set[int] = set()
    for number, name in enumerate(points, 1):
        if name.endswith((" submit", " ask")):
            found.add(number)
        if any(f"before INSERT INTO {table} " in name for table in TABLES):
            # BEGIN before and after, the statement before and after, COMMIT before and after.
            found |= set(range(number - 2, number + 4))
    return sorted(found)


def test_the_witness_scenario_has_the_points_that_it_should(tmp_path: Path) -> None:
    """A run without a stop keeps the invariants, and writes to each of the six tables."""
    points = points_of(witness_simulated, tmp_path / "whole")
    check_witnessed(tmp_path / "whole", simulated(tmp_path / "whole"))
    for table in TABLES:
        assert any(f"before INSERT INTO {table} " in point for point in points), table
    names = [points[number - 1].partition(" INTO ")[0] for number in witness_points(points)]
    assert {"before BEGIN", "after BEGIN", "before COMMIT", "after COMMIT"} <= set(names)


def test_an_exception_while_others_witness_loses_nothing(tmp_path: Path) -> None:
    """Stopped at every point of a witness, what is there is whole, and the next run has each witness once."""
    points = points_of(witness_simulated, tmp_path / "whole")
    for _, folder in stop_everywhere(witness_simulated, tmp_path, witness_points(points)):
        check_witnesses(folder, simulated(folder))
        run_again(witness_simulated, folder)
        check_witnessed(folder, simulated(folder))
        check_done(folder, simulated(folder), 2)
        del WORLDS[folder]


def test_a_kill_while_others_witness_loses_nothing(tmp_path: Path) -> None:
    """Killed around each statement that adds a witness, and at a sample of other points, on the embedded regtest."""
    points = points_of(witness_embedded, tmp_path / "whole")
    wanted = {
        number for number, name in enumerate(points, 1) if any(f"INSERT INTO {table} " in name for table in TABLES)
    }
    wanted |= set(random.Random(6).sample(witness_points(points), KILLS))
    for _, folder in kill_everywhere(witness_embedded, tmp_path, sorted(wanted)):
        with embedded(folder) as world:
            check_witnesses(folder, world)
        run_again(witness_embedded, folder)
        with embedded(folder) as world:
            check_witnessed(folder, world)
            check_done(folder, world, 2)


@pytest.mark.parametrize(("table", "column"), [("time_stamp", "token"), ("attestation", "ots")])
def test_the_invariants_notice_a_witness_of_something_else(table: str, column: str, tmp_path: Path) -> None:
    """The checks are not blind: a token or an attestation that stands beside another checkpoint is seen."""
    folder = tmp_path / "forged"
    folder.mkdir()
    engine = CrashingEngine(open_engine(folder / DATABASE))
    witness_simulated(engine, folder)
    check_witnesses(folder, simulated(folder))
    with engine.transaction():
        engine.execute(f"UPDATE {table} SET {column} = (SELECT {column} FROM {table} ORDER BY {column} LIMIT 1)")
    engine.close()
    with pytest.raises(AssertionError):
        check_witnesses(folder, simulated(folder))
