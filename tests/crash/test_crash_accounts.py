"""Accounts that are changed while the process ends at every single point, by exception and by SIGKILL.

The scenario and its invariants are ``administering``; the points are every statement, BEGIN and COMMIT, before and
after.
"""

from pathlib import Path

import pytest

from tests.crash.administering import administer, check_done, check_left
from tests.crash.crashing import Ending, kill_everywhere, points_of, run_again, stop_everywhere


def test_the_scenario_has_the_points_that_it_should(tmp_path: Path) -> None:
    """A run without a stop keeps the invariants, and passes every statement that changes accounts."""
    points = points_of(administer, tmp_path / "whole")
    check_left(tmp_path / "whole")
    check_done(tmp_path / "whole")
    for statement in (
        *("INSERT INTO organisation", "INSERT INTO api_key", "INSERT INTO chain_owner", "INSERT INTO chain_grant"),
        *("UPDATE organisation SET removed", "UPDATE api_key SET revoked", "UPDATE api_key SET expires"),
        "UPDATE chain_grant SET withdrawn",
    ):
        assert any(f"before {statement}" in point for point in points), statement


@pytest.mark.parametrize("end_everywhere", [stop_everywhere, kill_everywhere])
def test_an_end_at_any_point_leaves_all_of_a_command_or_nothing(tmp_path: Path, end_everywhere: Ending) -> None:
    """Stopped by an exception or killed at every point in turn, and run again, the accounts are as they were meant."""
    points = points_of(administer, tmp_path / "whole")
    for _, folder in end_everywhere(administer, tmp_path, range(1, len(points) + 1)):
        check_left(folder)
        run_again(administer, folder)
        check_done(folder)
