"""Scales: where a time or a number stands on an axis, and which round ones are written beside it.

The plots beside this file draw with them. Times are Unix milliseconds and shown in UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
# Steps that people count in; each divides the day, or is whole days.
_TIME_STEPS_MS = (
    *(count * SECOND_MS for count in (1, 2, 5, 10, 15, 30)),
    *(count * MINUTE_MS for count in (1, 2, 5, 10, 15, 30)),
    *(count * HOUR_MS for count in (1, 2, 3, 6, 12)),
    *(count * DAY_MS for count in (1, 2, 4, 7, 14)),
)
_MONTH_STEPS = (1, 3, 6, 12, 24, 60, 120)
_LONGEST_MS = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp()) * 1000


@dataclass(frozen=True, slots=True)
class Tick:
    """A round value, and how it is written."""

    value: int
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Leads linearly from values (``low`` to ``high``, which differ) to places (``start`` to ``end``, in pixels)."""

    low: int
    high: int
    start: float
    end: float

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError(f"expected a scale that rises, got {self.low} to {self.high}")

    def place(self, value: int) -> float:
        """Return where a value stands."""
        return self.start + (value - self.low) * (self.end - self.start) / (self.high - self.low)


def spanning(times_ms: Sequence[int], least_ms: int) -> tuple[int, int]:
    """Return the first and the last time, the first moved back until they span ``least_ms``: nothing lies ahead.

    Only where that would be before 1970 the last one is moved.
    """
    high = max(*times_ms, least_ms)
    return min(*times_ms, high - least_ms), high


def number_ticks(high: int, most: int = 5) -> list[Tick]:
    """Return round numbers from 0 to at least ``high``, at most ``most`` + 1 of them; steps are 1, 2 or 5 and zeros."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            count = -(-max(high, 1) // step)
            if count <= most:
                return [Tick(step * number, f"{step * number:,}") for number in range(count + 1)]
        power *= 10


def time_ticks(low_ms: int, high_ms: int, most: int = 6) -> list[Tick]:
    """Return round times (UTC) from ``low_ms`` to ``high_ms``, both within the years 1970 to 9998; at most ``most``."""
    if not 0 <= low_ms <= high_ms < _LONGEST_MS:
        raise ValueError(f"expected times from 1970 to 9998 in order, got {low_ms} and {high_ms} ms")
    for step_ms in _TIME_STEPS_MS:
        first = -(-low_ms // step_ms)
        count = high_ms // step_ms - first + 1
        if count <= most:
            return _labelled([(first + number) * step_ms for number in range(count)], step_ms)
    return _months(low_ms, high_ms, most)


def utc(at_ms: int) -> datetime:
    """Return a time, rounded down to the second."""
    return datetime.fromtimestamp(at_ms // 1000, UTC)


def written(at_ms: int) -> str:
    """Return a time as it is read out: 2026-11-22 18:30:05 UTC."""
    return utc(at_ms).strftime("%Y-%m-%d %H:%M:%S UTC")


def _labelled(times_ms: list[int], step_ms: int) -> list[Tick]:
    """Write each time; the day is written where it is another one than at the time before."""
    if step_ms >= DAY_MS:
        return [Tick(at_ms, f"{utc(at_ms):%Y-%m-%d}") for at_ms in times_ms]
    ticks, day = list[Tick](), ""
    for at_ms in times_ms:
        clock = f"{utc(at_ms):%H:%M:%S}" if step_ms < MINUTE_MS else f"{utc(at_ms):%H:%M}"
        today = f"{utc(at_ms):%Y-%m-%d}"
        ticks.append(Tick(at_ms, clock if today == day else f"{clock}\n{today}"))
        day = today
    return ticks


def _months(low_ms: int, high_ms: int, most: int) -> list[Tick]:
    first, last = _month_no(low_ms - 1) + 1 if low_ms else _month_no(0), _month_no(high_ms)
    for step in _MONTH_STEPS:
        chosen = range(-(-first // step) * step, last + 1, step)
        if len(chosen) <= most:
            return [Tick(_month_ms(number), f"{number // 12:04}-{number % 12 + 1:02}") for number in chosen]
    step = _MONTH_STEPS[-1] * -(-(last - first + 1) // (_MONTH_STEPS[-1] * (most - 1)))
    return [Tick(_month_ms(number), f"{number // 12:04}") for number in range(-(-first // step) * step, last + 1, step)]


def _month_no(at_ms: int) -> int:
    found = utc(at_ms)
    return found.year * 12 + found.month - 1


def _month_ms(month_no: int) -> int:
    return int(datetime(month_no // 12, month_no % 12 + 1, 1, tzinfo=UTC).timestamp()) * 1000
