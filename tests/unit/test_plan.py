"""The rules of what to do next, on plain values: no clock, no database and no Bitcoin."""

import itertools
from dataclasses import replace

import pytest

from anchor.bitcoin.protocols import BlockId
from anchor.directory import CLOCK_TOLERANCE_MS
from anchor.journal import Attempt
from anchor.lifecycle import LIVE, MINED, Event, Standing, State
from anchor.plan import (
    LAPSE_MARGIN_MS,
    MAX_LINE,
    Build,
    Facts,
    Promised,
    Replace,
    Send,
    Wait,
    next_step,
    thread_end,
)
from anchor.proof.bitcoin.transaction import OutPoint

NOW_MS = 1_790_000_000_000
EVERY_MS = 600_000
SILENCE_MS = 86_400_000
START = OutPoint(b"\x0f" * 32, 1)
BLOCK = BlockId(101, b"\x0b" * 32)
TIP = BlockId(110, b"\x0c" * 32)


def facts(*attempts: Attempt, newest_size: int | None = 9, age_ms: int = 0, settled: Attempt | None = None) -> Facts:
    """Return the facts of a funded log whose thread leaf is at index 4, seen ``age_ms`` after NOW_MS."""
    return Facts(
        now_ms=NOW_MS + age_ms,
        newest_size=newest_size,
        thread_start=START,
        thread_index=4,
        attempts=attempts,
        settled=settled,
        anchor_every_ms=EVERY_MS,
        silence_ms=SILENCE_MS,
        tip=TIP,
    )


def attempt(
    number: int, state: State, *, spends: OutPoint | None = None, size: int = 9, missed: bool = False
) -> Attempt:
    """Return attempt ``number``, made at NOW_MS, which spends the one before where nothing else is said."""
    before = START if number == 1 else OutPoint(txid(number - 1), 0)
    block = BLOCK if state in MINED else None
    standing = Standing(state, block, missed=missed)
    return Attempt(number, NOW_MS, size, txid(number), spends or before, b"", 322, standing)


def txid(number: int) -> bytes:
    return bytes([number]) * 32


def test_nothing_sealed() -> None:
    """Before the first seal there is nothing to anchor, funded or not."""
    assert Wait("nothing is sealed yet") == next_step(facts(newest_size=None))
    assert Wait("nothing is sealed yet") == next_step(replace(facts(newest_size=None), thread_start=None))


def test_unfunded() -> None:
    """Without a first coin nothing is anchored, however long it has been."""
    unfunded = replace(facts(age_ms=SILENCE_MS), thread_start=None, at_once=True)
    assert Wait("the log is not funded yet: its thread has no first coin") == next_step(unfunded)


@pytest.mark.parametrize(("size", "is_sealed"), [(4, False), (5, True)])
def test_the_thread_leaf_is_sealed_before_its_coin_is_spent(size: int, is_sealed: bool) -> None:
    """The first anchor's checkpoint covers the leaf that names the thread: an index is covered by a larger size."""
    plan = next_step(facts(newest_size=size))
    expected = Build(START, size) if is_sealed else Wait("the leaf that names the thread is not sealed yet")
    assert expected == plan


def test_the_first_anchor_is_due_at_once() -> None:
    """A log that has no anchor yet does not wait for the interval."""
    assert Build(START, 9) == next_step(facts())


@pytest.mark.parametrize("state", sorted(LIVE - {State.SEEN}))
def test_what_is_not_in_the_mempool_is_sent(state: State) -> None:
    """Built, broadcast or reorganised away: sending may be repeated, so it is."""
    live = attempt(1, state)
    assert Send(live) == next_step(facts(live, age_ms=SILENCE_MS))


@pytest.mark.parametrize("at_once", [False, True])
def test_one_in_the_mempool_is_waited_for(at_once: bool) -> None:
    """At most one unconfirmed anchor: nothing stacks up, not even at once; the first block after it may change that."""
    made_now = replace(attempt(1, State.SEEN, size=5), tip=TIP)
    waiting = replace(facts(made_now, age_ms=SILENCE_MS), at_once=at_once)
    assert Wait("attempt 1 is in the mempool, not in a block yet") == next_step(waiting)
    assert isinstance(next_step(replace(waiting, tip=BlockId(111, b"\x0d" * 32))), Replace)


def test_parents_are_sent_before_children() -> None:
    """After a reorganisation the oldest goes first: what follows spends its coin."""
    first, second = attempt(1, State.REORGED), attempt(2, State.REORGED)
    assert Send(first) == next_step(facts(first, second))
    seen = attempt(1, State.SEEN)
    assert Send(second) == next_step(facts(seen, second))


@pytest.mark.parametrize("state", [State.SEEN, State.CONFIRMED, State.FINAL])
@pytest.mark.parametrize("child", [None, State.REORGED, State.BUILT])
def test_nothing_is_built_or_sent_upon_one_that_was_missed(state: State, child: State | None) -> None:
    """One look did not find it: neither is its coin spent, nor what spends it sent, before the second look."""
    missed = attempt(1, state, size=5, missed=True)
    others = [] if child is None else [attempt(2, child)]
    plan = next_step(replace(facts(missed, *others, age_ms=SILENCE_MS), at_once=True))
    assert Wait(f"attempt 1 ({state}) was not found; a second look decides") == plan


@pytest.mark.parametrize(
    ("age_ms", "is_due"), [(0, False), (EVERY_MS - 1, False), (EVERY_MS, True), (SILENCE_MS, True)]
)
def test_something_new_is_anchored_at_its_interval(age_ms: int, is_due: bool) -> None:
    """The interval counts from when the last anchor was made."""
    last = attempt(1, State.CONFIRMED, size=5)
    plan = next_step(facts(last, age_ms=age_ms))
    assert (
        Build(last.coin, 9) if is_due else Wait(f"the next anchor is due in {(EVERY_MS - age_ms) // 1000} s")
    ) == plan


def test_at_once_does_not_wait_for_the_interval() -> None:
    """On request what is not anchored is anchored now; what is anchored is not anchored again."""
    asked = replace(facts(attempt(1, State.CONFIRMED, size=5)), at_once=True)
    assert Build(OutPoint(txid(1), 0), 9) == next_step(asked)
    assert Wait("everything sealed is anchored") == next_step(replace(asked, newest_size=5))


@pytest.mark.parametrize(("age_ms", "is_due"), [(SILENCE_MS - 1, False), (SILENCE_MS, True)])
def test_silence_is_visible(age_ms: int, is_due: bool) -> None:
    """With nothing new the last checkpoint is anchored again after the maximum silence."""
    plan = next_step(facts(attempt(1, State.FINAL), age_ms=age_ms))
    assert (Build(OutPoint(txid(1), 0), 9) if is_due else Wait("everything sealed is anchored")) == plan


@pytest.mark.parametrize(("back_ms", "is_due"), [(CLOCK_TOLERANCE_MS, False), (CLOCK_TOLERANCE_MS + 1, True)])
def test_a_clock_that_went_back_does_not_stop_anchoring(back_ms: int, is_due: bool) -> None:
    """An anchor that seems to come from the future has no age: it is followed now, not when the clock catches up."""
    for last in (attempt(1, State.CONFIRMED, size=5), attempt(1, State.CONFIRMED, size=9)):
        assert is_due == isinstance(next_step(facts(last, age_ms=-back_ms)), Build)


def test_the_newest_checkpoint_is_carried() -> None:
    """Each anchor carries the newest checkpoint, so nothing depends on any single one."""
    last = attempt(1, State.CONFIRMED, size=5)
    assert Build(last.coin, 4321) == next_step(facts(last, newest_size=4321, age_ms=EVERY_MS))


# --- the end of the thread


def test_thread_begins_at_its_leaf() -> None:
    """Without a mined anchor the next one spends the coin of the thread leaf, also after versions that lost."""
    assert (START, None) == thread_end(facts())
    lost = [attempt(1, State.REPLACED), attempt(2, State.VOID)]
    assert (START, None) == thread_end(facts(*lost))


def test_thread_end_follows_what_is_mined() -> None:
    """The line is followed by coins, not by numbers: a version that was sent later can be the one before."""
    first = attempt(1, State.FINAL)
    loser = attempt(2, State.REPLACED)
    winner = replace(attempt(3, State.CONFIRMED), spends=first.coin)
    last = replace(attempt(4, State.CONFIRMED), spends=winner.coin)
    for order in itertools.permutations([first, loser, winner, last]):
        assert (last.coin, last) == thread_end(facts(*order))


def test_thread_end_stops_before_what_is_not_mined() -> None:
    """An attempt in the mempool makes no coin to build on."""
    first, second = attempt(1, State.CONFIRMED), attempt(2, State.SEEN)
    assert (first.coin, first) == thread_end(facts(first, second))


def test_thread_end_after_settled() -> None:
    """What is settled is not among the watched ones any more: the thread goes on from its coin."""
    settled = attempt(7, State.FINAL)
    assert (settled.coin, settled) == thread_end(facts(settled=settled))
    eighth, ninth = attempt(8, State.FINAL), attempt(9, State.CONFIRMED)
    assert (ninth.coin, ninth) == thread_end(facts(eighth, ninth, settled=settled))
    assert Build(ninth.coin, 12) == next_step(facts(eighth, ninth, settled=settled, newest_size=12, age_ms=EVERY_MS))


def test_a_stranger_outside_the_line_does_not_move_its_end() -> None:
    """A mined attempt that spends no coin of this thread is not its end."""
    stray = attempt(5, State.CONFIRMED, spends=OutPoint(b"\x77" * 32, 0))
    first = attempt(1, State.CONFIRMED)
    assert (first.coin, first) == thread_end(facts(first, stray))


# --- replacing

LATER = BlockId(111, b"\x0d" * 32)


def made_now(number: int, *, size: int = 5, refused: Event | None = None, state: State = State.SEEN) -> Attempt:
    """Return an unconfirmed attempt that was made upon TIP."""
    made = attempt(number, state, size=size)
    return replace(made, tip=TIP, standing=replace(made.standing, refused=refused))


@pytest.mark.parametrize(
    ("age_ms", "newest", "at_once", "is_due"),
    [
        (EVERY_MS - 1, 9, False, False),
        (EVERY_MS - 1, 9, True, True),
        (EVERY_MS, 9, False, True),
        (EVERY_MS - 1, 5, False, False),
        (EVERY_MS - 1, 5, True, False),
        (EVERY_MS, 5, False, True),
        (SILENCE_MS, 5, False, True),
    ],
)
def test_a_version_is_thought_of_when_the_next_anchor_is_due(
    age_ms: int, newest: int, at_once: bool, is_due: bool
) -> None:
    """The interval has passed, with something new or without; or something is new and asked for at once."""
    waiting = made_now(1)
    given = replace(facts(waiting, newest_size=newest, age_ms=age_ms), tip=LATER, at_once=at_once)
    plan = next_step(given)
    if is_due:
        assert Replace(waiting, newest, must=False, before=(), after=(), versions=(waiting,)) == plan
    else:
        assert Wait("attempt 1 is in the mempool, not in a block yet") == plan


def test_only_the_last_of_a_line_is_replaced() -> None:
    """Anchors that a reorganisation brought back wait in a line: the last one is replaced, and pays for the others."""
    line = [made_now(1), made_now(2), made_now(3)]
    plan = next_step(replace(facts(*line, age_ms=EVERY_MS), tip=LATER))
    assert Replace(line[2], 9, must=False, before=tuple(line[:2]), after=(), versions=(line[2],)) == plan


def test_of_several_versions_the_newest_is_live() -> None:
    """Older versions, sent or not, are neither sent again nor built upon."""
    older = made_now(1)
    newer = replace(made_now(2, state=State.BUILT), spends=older.spends)
    assert Send(newer) == next_step(facts(older, newer))
    seen = replace(newer, standing=Standing(State.SEEN))
    plan = next_step(replace(facts(older, seen, age_ms=EVERY_MS), tip=LATER))
    assert Replace(seen, 9, must=False, before=(), after=(), versions=(older, seen)) == plan


@pytest.mark.parametrize("event", [Event.REFUSED_FEE, Event.REFUSED_INPUTS])
def test_a_refused_version_is_replaced_after_the_next_block(event: Event) -> None:
    """At most one version for each block; until then its bytes are sent again, whether or not anything is due."""
    refused = made_now(1, refused=event, state=State.BUILT)
    assert Send(refused) == next_step(facts(refused))
    plan = next_step(replace(facts(refused), tip=LATER))
    assert Replace(refused, 9, must=True, before=(), after=(), versions=(refused,)) == plan


def test_a_refused_one_in_the_line_is_replaced_and_what_follows_counts_as_descendants() -> None:
    """Nothing after it is in a mempool, since it is not; its fee covers theirs, where some node has them."""
    first, second = made_now(1, refused=Event.REFUSED_FEE, state=State.REORGED), made_now(2, state=State.REORGED)
    plan = next_step(replace(facts(first, second), tip=LATER))
    assert Replace(first, 9, must=True, before=(), after=(second,), versions=(first,)) == plan


def test_no_more_of_a_line_is_sent_than_nodes_relay() -> None:
    """Thirty anchors come back: twenty-five are sent, the others wait for a block."""
    line = [attempt(number, State.SEEN) for number in range(1, MAX_LINE + 1)]
    line += [attempt(number, State.REORGED) for number in range(MAX_LINE + 1, 31)]
    plan = next_step(facts(*line))
    assert isinstance(plan, Wait)
    assert "more than 25 are not relayed" in plan.why
    line[MAX_LINE - 1] = attempt(MAX_LINE, State.REORGED)
    assert Send(line[MAX_LINE - 1]) == next_step(facts(*line))


@pytest.mark.parametrize(("left_ms", "must"), [(LAPSE_MARGIN_MS, True), (LAPSE_MARGIN_MS + 1, False)])
def test_a_promise_that_would_lapse_makes_a_version_due(left_ms: int, must: bool) -> None:
    """Whatever the interval and the fee; but not twice upon one block."""
    waiting = made_now(1)
    promised = Promised(NOW_MS - SILENCE_MS, NOW_MS + left_ms)
    given = replace(facts(waiting), tip=LATER, promised=promised)
    expected = Replace(waiting, 9, must=True, before=(), after=(), versions=(waiting,))
    assert (expected if must else Wait("attempt 1 is in the mempool, not in a block yet")) == next_step(given)
    assert isinstance(next_step(replace(given, tip=TIP)), Wait)


def test_a_promise_that_would_lapse_does_not_wait_for_the_interval() -> None:
    """An anchor is built at once where that helps, and not where what was promised is not sealed yet."""
    last = attempt(1, State.CONFIRMED, size=5)
    urgent = replace(facts(last), promised=Promised(NOW_MS - SILENCE_MS, NOW_MS + 1))
    assert Build(last.coin, 9) == next_step(urgent)
    assert Wait("everything sealed is anchored") == next_step(replace(urgent, newest_size=5))


def test_what_only_a_void_anchor_covered_is_due_at_once() -> None:
    """The anchor that covered leaf 8 was built on a version that lost: the interval does not begin anew for it."""
    winner = attempt(1, State.CONFIRMED, size=5)
    void = attempt(3, State.VOID, size=8)
    assert Build(winner.coin, 9) == next_step(facts(winner, void))
    assert isinstance(next_step(facts(replace(winner, checkpoint_size=8), void)), Wait)
