"""Tests of ``chains.expiry``: how people say when something ends."""

import pytest

from anchor.errors import AccountError
from anchor.proof.times import utc
from chains.expiry import MAX_MS, duration_ms, expiry_ms

NOW_MS = 1_800_000_000_123
"""2027-01-15T08:00:00.123Z."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90d", NOW_MS + 90 * 86_400_000),
        ("12h", NOW_MS + 12 * 3_600_000),
        ("5m", NOW_MS + 300_000),
        ("1s", NOW_MS + 1000),
        ("never", None),
        ("2030-01-31", 1_896_048_000_000),
        ("2030-01-31T12:00", 1_896_091_200_000),
        ("2030-01-31T12:00Z", 1_896_091_200_000),
        ("2030-01-31T12:00+02:00", 1_896_084_000_000),
        ("9999-12-31", 253_402_214_400_000),
    ],
)
def test_an_expiry_is_a_duration_a_date_a_time_or_never(text: str, expected: int | None) -> None:
    """Times without an offset are UTC, a date is its first millisecond."""
    assert expected == expiry_ms(text, NOW_MS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a duration such as 90d"),
        ("soon", "got 'soon'"),
        ("-5d", "expected a duration"),
        ("5", "expected a duration"),
        ("1.5h", "expected a duration"),
        ("٣d", "expected a duration"),
        ("2030-02-30", "expected a duration"),
        ("0s", "expected a time to come, got '0s'"),
        ("2027-01-15", "which was 2027-01-15T00:00:00Z"),
        ("2020-01-01", "expected a time to come"),
        ("999999999d", "expected a time from 1970 to 9999"),
        ("9999-12-31T23:59:59-12:00", "expected a time from 1970 to 9999"),
        ("0001-01-01T00:00+12:00", "expected a time from 1970"),
    ],
)
def test_other_texts_and_other_times_are_refused(text: str, message: str) -> None:
    """What is over, what is no time, and what cannot be shown."""
    with pytest.raises(AccountError, match=message):
        expiry_ms(text, NOW_MS)


@pytest.mark.parametrize(("text", "expected"), [("0s", 0), ("7d", 604_800_000), ("90m", 5_400_000)])
def test_a_duration_is_a_number_and_a_unit(text: str, expected: int) -> None:
    """None at all is a duration, too."""
    assert expected == duration_ms(text)


@pytest.mark.parametrize("text", ["", "7", "d", "7 d", "7w", "7d\n", "2030-01-31", "never", "-1d"])
def test_other_texts_are_no_duration(text: str) -> None:
    """The message shows what one looks like."""
    with pytest.raises(AccountError, match="such as 90d"):
        duration_ms(text)


def test_a_time_is_shown_in_utc_to_the_second() -> None:
    """Up to the last one that an expiry can be."""
    assert "2027-01-15T08:00:00Z" == utc(NOW_MS)
    assert "9999-12-31T23:59:59Z" == utc(MAX_MS)
