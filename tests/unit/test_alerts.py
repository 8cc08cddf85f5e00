"""Alerts on plain facts: when each comes and goes, and what the daemon logs of it."""

from dataclasses import replace

import pytest

from anchor.alerts import LEAST_STUCK_MS, Alert, AlertName, alerts_of, changes
from anchor.bitcoin.networks import NETWORKS
from anchor.fees import Limits
from anchor.journal import Attempt
from anchor.lifecycle import Event, State
from anchor.plan import LAPSE_MARGIN_MS, Facts, Promised
from tests.unit.test_fees import NOW_MS, TIP, attempt, coin

REGTEST = NETWORKS["regtest"]
EVERY_MS = 600_000


def facts(*attempts: Attempt, now_ms: int = NOW_MS, promised: Promised | None = None) -> Facts:
    """Return the facts of a log whose thread begins with coin 0."""
    return Facts(now_ms, 9, coin(0), 4, attempts, None, EVERY_MS, 86_400_000, tip=TIP, promised=promised)


def names(given: Facts, limits: Limits | None = None) -> list[str]:
    found = alerts_of(given, given.attempts, REGTEST, limits or Limits())
    assert len({alert.name for alert in found}) == len(found)
    return [str(alert.name) for alert in found]


def test_nothing_is_the_matter() -> None:
    """Neither an unfunded log nor an ordinary attempt is an alert."""
    assert [] == names(replace(facts(), thread_start=None))
    assert [] == names(facts())
    assert [] == names(facts(attempt(1, 322)))
    assert [] == names(facts(attempt(1, 322, state=State.CONFIRMED)))


def test_refused() -> None:
    """An attempt that a node did not take is said until it did."""
    seen = attempt(1, 322, state=State.BROADCAST)
    refused = replace(seen, standing=replace(seen.standing, refused=Event.REFUSED_FEE))
    assert ["refused"] == names(facts(refused))


@pytest.mark.parametrize(("fee", "expected"), [(161 * 49 - 161, []), (161 * 50, ["fee-cap-reached"])])
def test_the_cap_is_reached_where_no_version_fits_under_it(fee: int, expected: list[str]) -> None:
    """An unconfirmed attempt that pays the cap is held; one that is in a block is done."""
    assert expected == names(facts(attempt(1, fee)))
    assert [] == names(facts(attempt(1, fee, state=State.FINAL)))


@pytest.mark.parametrize(("wanted", "expected"), [(307, []), (308, ["low-funds"])])
def test_low_funds_counts_anchors(wanted: int, expected: list[str]) -> None:
    """A coin of 100,000 sat with a floor of 1,000 pays for 307 anchors of 322 sat, at the rate of the newest one."""
    assert expected == names(facts(attempt(1, 322, state=State.CONFIRMED)), Limits(0, wanted))


@pytest.mark.parametrize(("cap", "expected"), [(0, []), (800, []), (500, ["spending-cap-reached"])])
def test_the_spending_cap_is_reached_where_no_further_anchor_fits(cap: int, expected: list[str]) -> None:
    """322 sat were paid today, and the next anchor costs as much again; 0 is no cap."""
    assert expected == names(facts(attempt(1, 322, state=State.CONFIRMED)), Limits(cap, 0))


@pytest.mark.parametrize(("age_ms", "expected"), [(LEAST_STUCK_MS - 1, []), (LEAST_STUCK_MS, ["stuck"])])
def test_stuck_counts_from_the_first_version(age_ms: int, expected: list[str]) -> None:
    """A new version is no progress; a block is."""
    first, second = attempt(1, 322, state=State.REPLACED, age_ms=age_ms), attempt(2, 483)
    assert expected == names(facts(first, second))
    mined = attempt(1, 322, state=State.CONFIRMED, age_ms=age_ms)
    assert [] == names(facts(mined))


@pytest.mark.parametrize("left_ms", [-1, 0, LAPSE_MARGIN_MS, LAPSE_MARGIN_MS + 1])
def test_a_promise_that_will_lapse(left_ms: int) -> None:
    """The last two hours of a long promise, and all the time after it."""
    promised = Promised(NOW_MS - 86_400_000, NOW_MS + left_ms)
    expected = ["promise-will-lapse"] if left_ms <= LAPSE_MARGIN_MS else []
    assert expected == names(facts(promised=promised))


def test_a_short_promise_is_in_danger_in_its_last_quarter() -> None:
    """A promise of an hour is not in danger from its first minute on."""
    for age_ms, expected in ((2_699_999, []), (2_700_000, ["promise-will-lapse"])):
        promised = Promised(NOW_MS - age_ms, NOW_MS - age_ms + 3_600_000)
        assert expected == names(facts(promised=promised))


def test_an_alert_is_logged_once_when_it_comes_and_once_when_it_goes() -> None:
    """Other numbers in the same alert are no news."""
    low, lower = Alert(AlertName.LOW_FUNDS, "90 left"), Alert(AlertName.LOW_FUNDS, "89 left")
    stuck = Alert(AlertName.STUCK, "waits")
    assert ["event=alert name=low-funds message='90 left'"] == changes([], [low])
    assert [] == changes([low], [lower])
    assert ["event=alert name=stuck message='waits'", "event=alert-over name=low-funds"] == changes([lower], [stuck])
    assert ["event=alert-over name=stuck"] == changes([stuck], [])
