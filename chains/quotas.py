"""What organisations have used of their quotas, counted in memory.

The web layer takes from a quota before it queues a write, and before it erases. The rule is the generic cell rate
algorithm of ``pyrate_limiter``: what was used comes back steadily, and one number for each measure remembers all of it.
"""

import math
import threading

from pyrate_limiter import GCRA, Rate

from anchor.errors import QuotaError
from chains.quota import Quota

MS_US = 1000
SECOND_US = 1000 * MS_US
DAY_US = 24 * 60 * 60 * SECOND_US
BURST_S = 10
"""Entries of so many seconds may come at once: batches are large, and clients write in gusts."""
# The library counts in thousandths of whatever unit its times are in. Given microseconds, it counts in nanoseconds.
_RULE = GCRA()
_State = tuple[float, ...]


def most_at_once(quota: Quota) -> int | None:
    """Return how many entries may ever be taken at once; None: any number."""
    return None if quota.entries_per_s is None else quota.entries_per_s * BURST_S


class Quotas:
    """What each organisation has used; threads may share it. A restart forgets, so it forgives at most a day."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By organisation and measure the state of the rule: in nanoseconds of the clock, when all has come back.
        self._used: dict[tuple[str, str], _State] = {}

    def take(self, organisation: str, quota: Quota, entries: int, content_bytes: int, now_ms: int) -> None:
        """Take entries and bytes from an organisation's quota, both or neither.

        ``now_ms`` is of a clock that never goes back (``time.monotonic_ns``). Raises QuotaError: nothing was taken.
        """
        with self._lock:
            self._used |= self._after(organisation, quota, entries, content_bytes, now_ms)

    def check(self, organisation: str, quota: Quota, entries: int, now_ms: int) -> None:
        """Raise QuotaError where so many entries could not be taken now; nothing is taken."""
        with self._lock:
            self._after(organisation, quota, entries, 0, now_ms)

    def _after(
        self, organisation: str, quota: Quota, entries: int, content_bytes: int, now_ms: int
    ) -> dict[tuple[str, str], _State]:
        taken: dict[tuple[str, str], _State] = {}
        refused: list[QuotaError] = []
        for name, amount, rate in _measures(quota, entries, content_bytes):
            state = self._used.get((organisation, name), _RULE.initial([rate]))
            after, decision = _RULE.step([rate], state, now_ms * MS_US, amount)
            if not decision.allowed:
                refused.append(_exceeded(name, amount, rate, decision.retry_after_ms))
            taken[organisation, name] = after
        if refused:
            raise max(refused, key=_wait_s)
        return taken


def _measures(quota: Quota, entries: int, content_bytes: int) -> list[tuple[str, int, Rate]]:
    """Return what is counted and limited: a name for people, the amount, the rate."""
    measures = []
    if quota.entries_per_s is not None and entries:
        rate = Rate(quota.entries_per_s, SECOND_US, quota.entries_per_s * BURST_S)
        measures.append(("entries", entries, rate))
    if quota.bytes_per_day is not None and content_bytes:
        measures.append(("bytes of content", content_bytes, Rate(quota.bytes_per_day, DAY_US)))
    return measures


def _wait_s(refused: QuotaError) -> float:
    return math.inf if refused.retry_after_s is None else refused.retry_after_s


def _exceeded(name: str, amount: int, rate: Rate, retry_after_us: int | None) -> QuotaError:
    if retry_after_us is None:
        return QuotaError(
            None,
            f"expected at most {rate.burst} {name} at once, which is what the quota of this organisation allows; got "
            f"{amount}: send less at a time",
        )
    retry_after_s = -(-retry_after_us // SECOND_US)
    return QuotaError(
        retry_after_s,
        f"the quota of this organisation is used up: {amount} {name} more are possible in {retry_after_s} s",
    )
