"""Anchors that somebody else signs, ended at every single point by exception and by SIGKILL, and taken up again.

The scenarios and their invariants are ``signing_elsewhere``; the points are every statement, BEGIN and COMMIT, every
file handed out and every broadcast, before and after. Processes are killed around each of them that leaves a trace.
"""

import random
from pathlib import Path

import pytest

from tests.crash.anchoring import WORLDS, check_done, check_left, embedded, simulated, transactions
from tests.crash.crashing import (
    DATABASE,
    CrashingEngine,
    Scenario,
    kill_everywhere,
    points_of,
    run_again,
    stop_at,
    stop_everywhere,
)
from tests.crash.signing_elsewhere import (
    ElsewhereRun,
    check_requests,
    replace_signed,
    sign_two_embedded,
    sign_two_simulated,
)
from tests.databases import open_engine

PAIRS = 15
KILLS = 4
SCENARIOS = {"sign two": sign_two_simulated, "replace signed": replace_signed}
TRACES = ("broadcast", "export")


def check_stopped(scenario: Scenario, folder: Path) -> None:
    check_left(folder, simulated(folder))
    check_requests(folder)
    run_again(scenario, folder)
    check_requests(folder)
    # One more where a stop came between an entry and the request that was to cover it, and that one was signed.
    anchors = len(transactions(simulated(folder)))
    assert anchors in {2, 3}
    check_done(folder, simulated(folder), anchors)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_psbt_scenarios_have_the_points_that_they_should(name: str, tmp_path: Path) -> None:
    """A run without a stop keeps the invariants, and passes requests, their ends, exports, attempts and broadcasts."""
    points = points_of(SCENARIOS[name], tmp_path / "whole")
    check_requests(tmp_path / "whole")
    check_done(tmp_path / "whole", simulated(tmp_path / "whole"), 2)
    for table in ("signature_request", "signature_request_end", "attempt", "attempt_coin"):
        assert any(f"before INSERT INTO {table} " in point for point in points), table
    assert points.count("before export") == points.count("after export") >= 2
    assert points.count("before broadcast") == points.count("after broadcast") >= 2


def test_a_request_is_one_attempt_or_withdrawn(tmp_path: Path) -> None:
    """In the scenario of replacement four requests are made, one is withdrawn, three become attempts."""
    folder = tmp_path / "whole"
    points_of(replace_signed, folder)
    engine = open_engine(folder / DATABASE)
    ended = [str(row[0]) for row in engine.query("SELECT ended FROM signature_request_end ORDER BY request_no")]
    assert ["signed", "signed", "withdrawn", "signed"] == ended
    run = ElsewhereRun(engine, folder, simulated(folder))
    assert ["final", "replaced", "confirmed"] == [str(attempt.state) for attempt in run.journal.all()]
    assert "request 3 was withdrawn before; nothing is waited for" == run.bring_back("withdrawn")
    engine.close()


def test_an_exception_while_others_sign_forks_nothing(tmp_path: Path) -> None:
    """Stopped at every point of two anchors, there is one request, one attempt a signature, and one thread."""
    points = points_of(sign_two_simulated, tmp_path / "whole")
    for _, folder in stop_everywhere(sign_two_simulated, tmp_path, range(1, len(points) + 1)):
        check_stopped(sign_two_simulated, folder)
        del WORLDS[folder]


def test_an_exception_while_a_signed_anchor_is_replaced_forks_nothing(tmp_path: Path) -> None:
    """The same at every third point from the second request on: a replacement, a withdrawal, a late signature."""
    points = points_of(replace_signed, tmp_path / "whole")
    stored = [number for number, name in enumerate(points, 1) if "before INSERT INTO signature_request " in name]
    assert 4 == len(stored)
    for _, folder in stop_everywhere(replace_signed, tmp_path, range(stored[1], len(points) + 1, 3)):
        check_stopped(replace_signed, folder)
        del WORLDS[folder]


def test_two_stops_in_a_row_while_others_sign_fork_nothing(tmp_path: Path) -> None:
    """A restart that is stopped itself is as good as any: a sample of pairs."""
    points = points_of(replace_signed, tmp_path / "whole")
    chance = random.Random(4)
    for pair in range(PAIRS):
        folder = tmp_path / f"pair-{pair}"
        assert stop_at(replace_signed, folder, chance.randrange(1, len(points) + 1))
        stop_at(replace_signed, folder, chance.randrange(1, len(points) + 1))
        check_stopped(replace_signed, folder)


def test_a_kill_while_others_sign_forks_nothing(tmp_path: Path) -> None:
    """Killed around each request, its end, each export, attempt and broadcast, on the embedded regtest."""
    points = points_of(sign_two_embedded, tmp_path / "whole")
    tables = ("signature_request", "signature_request_end", "attempt")
    wanted = {
        number
        for number, name in enumerate(points, 1)
        if name.endswith(TRACES) or any(f"INSERT INTO {table} " in name for table in tables)
    }
    wanted |= set(random.Random(5).sample(range(1, len(points) + 1), KILLS))
    for _, folder in kill_everywhere(sign_two_embedded, tmp_path, sorted(wanted)):
        with embedded(folder) as world:
            check_left(folder, world)
        check_requests(folder)
        run_again(sign_two_embedded, folder)
        check_requests(folder)
        with embedded(folder) as world:
            check_done(folder, world, 2)


def test_the_invariants_notice_an_attempt_that_nobody_asked_for(tmp_path: Path) -> None:
    """The checks are not blind: a request that was never stored, and one that never ended, are seen."""
    folder = tmp_path / "forged"
    folder.mkdir()
    engine = CrashingEngine(open_engine(folder / DATABASE))
    sign_two_simulated(engine, folder)
    check_requests(folder)
    with engine.transaction():
        engine.execute("DELETE FROM signature_request_end WHERE request_no = 2")
    with pytest.raises(AssertionError):
        check_requests(folder)
    engine.close()
