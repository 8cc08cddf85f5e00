"""A rebuild, a marked gap and a new thread, ended at any place: nothing is half done, and running it again is enough.

Bitcoin is the simulator's and stands still; homes, databases, key files and notes are real files.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.crash.crashing import Scenario, kill_everywhere, points_of, run_again, stop_everywhere
from tests.crash.levelling import (
    FILE_EFFECTS,
    TEMPLATE,
    check_done,
    check_left,
    check_thread_done,
    check_thread_left,
    make_template,
    marked,
    rebuilt_from_copy,
    rebuilt_from_mirror,
    rethreaded,
)

STOPS = 24
KILLS = 5


@dataclass(frozen=True)
class Case:
    """A scenario, what happened since the backup, what must hold, and a table that it writes (None: a whole file)."""

    scenario: Scenario
    left: Callable[[Path], None]
    done: Callable[[Path], None]
    table: str | None
    promised: bool = True
    sealed: bool = True


SCENARIOS = {
    "mark gap": Case(
        marked,
        partial(check_left, is_sealed_since=False),
        partial(check_done, entries=1, gaps=1),
        "epoch_mark",
        sealed=False,
    ),
    "from a copy": Case(
        rebuilt_from_copy, partial(check_left, is_sealed_since=True), partial(check_done, entries=3, gaps=0), None
    ),
    "from a mirror": Case(
        rebuilt_from_mirror,
        partial(check_left, is_sealed_since=True),
        partial(check_done, entries=3, gaps=1),
        "mirrored_run",
    ),
    "a new thread": Case(
        rethreaded, check_thread_left, check_thread_done, "thread_recovery", promised=False, sealed=False
    ),
}


def chosen(points: list[str], count: int, seed: int) -> list[int]:
    """Return a sample of the points, with every change of a file name among them where ``count`` allows it."""
    numbers = range(1, len(points) + 1)
    files = [number for number in numbers if points[number - 1].split()[-1] in FILE_EFFECTS]
    chance = random.Random(seed)
    wanted = set(chance.sample(files, min(len(files), count)))
    wanted |= set(chance.sample(numbers, min(len(points), max(count - len(wanted), count // 2))))
    return sorted(wanted)


@pytest.mark.parametrize("name", SCENARIOS)
def test_stopped_anywhere_nothing_is_half_done(name: str, tmp_path: Path) -> None:
    """By an exception before and after writes and file effects: refused or done, and done after the next run."""
    case = SCENARIOS[name]
    make_template(tmp_path / TEMPLATE, promised=case.promised, sealed=case.sealed)
    points = points_of(case.scenario, tmp_path / "whole")
    case.done(tmp_path / "whole")
    assert "before replace" in points
    assert case.table is None or any(f"before INSERT INTO {case.table} " in point for point in points)
    for _, folder in stop_everywhere(case.scenario, tmp_path, chosen(points, STOPS, 1)):
        case.left(folder)
        run_again(case.scenario, folder)
        case.done(folder)


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_anywhere_nothing_is_half_done(name: str, tmp_path: Path) -> None:
    """By SIGKILL, which leaves journals and half-made files: the same."""
    case = SCENARIOS[name]
    make_template(tmp_path / TEMPLATE, promised=case.promised, sealed=case.sealed)
    points = points_of(case.scenario, tmp_path / "whole")
    for _, folder in kill_everywhere(case.scenario, tmp_path, chosen(points, KILLS, 2)):
        case.left(folder)
        run_again(case.scenario, folder)
        case.done(folder)
