"""What to do next about anchoring: the rules of design section 6, decided on plain values; pure.

``anchor.engine`` collects the facts and carries out the plan. Replacing by fee is not planned yet (issue B): an
attempt that is not mined waits, and the next anchor covers everything since.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anchor.directory import CLOCK_TOLERANCE_MS
from anchor.journal import Attempt
from anchor.lifecycle import LIVE, MINED, State
from anchor.proof.bitcoin import OutPoint


@dataclass(frozen=True, slots=True)
class Facts:
    """What the plan rests on. Sizes are leaves of the directory, times Unix milliseconds.

    ``thread_start`` is the outpoint of the newest thread leaf and ``thread_index`` its place in the directory;
    ``attempts`` are those still watched, oldest first, and ``settled`` the newest that is not.
    """

    now_ms: int
    newest_size: int | None
    thread_start: OutPoint | None
    thread_index: int
    attempts: Sequence[Attempt]
    settled: Attempt | None
    anchor_every_ms: int
    silence_ms: int
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do; ``why`` is for people."""

    why: str


@dataclass(frozen=True, slots=True)
class Send:
    """Hand these signed bytes to the network, again if need be: sending is repeatable."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Build:
    """Make, sign and store the next anchor: it spends ``coin`` and carries the checkpoint of ``size``."""

    coin: OutPoint
    size: int


Plan = Wait | Send | Build


def next_step(facts: Facts) -> Plan:
    """Return the next step. At most one attempt is unconfirmed at any time, and the thread has one end."""
    if facts.newest_size is None:
        return Wait("nothing is sealed yet")
    if facts.thread_start is None:
        return Wait("the log is not funded yet: its thread has no first coin")
    if facts.newest_size <= facts.thread_index:
        return Wait("the leaf that names the thread is not sealed yet")
    live = [attempt for attempt in facts.attempts if attempt.state in LIVE]
    # Oldest first: what follows an attempt spends its coin, so it is of no use to anybody without it.
    for attempt in facts.attempts:
        if attempt.standing.missed:
            return Wait(f"attempt {attempt.attempt_no} ({attempt.state}) was not found; a second look decides")
        if attempt in live and attempt.state != State.SEEN:
            return Send(attempt)
    if live:
        return Wait(f"attempt {live[0].attempt_no} is in the mempool, not in a block yet")
    return _next_anchor(facts)


def _next_anchor(facts: Facts) -> Plan:
    coin, last = thread_end(facts)
    assert facts.newest_size is not None
    if last is None:
        return Build(coin, facts.newest_size)
    age_ms = facts.now_ms - last.made_at_ms
    # A clock that went back says nothing of the last anchor's age; waiting for it to catch up could take years.
    is_clock_back = age_ms < -CLOCK_TOLERANCE_MS
    if facts.newest_size > last.checkpoint_size:
        if facts.at_once or is_clock_back or age_ms >= facts.anchor_every_ms:
            return Build(coin, facts.newest_size)
        return Wait(f"the next anchor is due in {(facts.anchor_every_ms - age_ms) // 1000} s")
    if is_clock_back or age_ms >= facts.silence_ms:
        return Build(coin, facts.newest_size)
    return Wait("everything sealed is anchored")


def thread_end(facts: Facts) -> tuple[OutPoint, Attempt | None]:
    """Return the coin that the next anchor spends, and the mined attempt that made it (None: none yet)."""
    assert facts.thread_start is not None
    last = facts.settled
    coin = facts.thread_start if last is None else last.coin
    mined = {attempt.spends: attempt for attempt in facts.attempts if attempt.state in MINED}
    while coin in mined:
        last = mined[coin]
        coin = last.coin
    return coin, last
