"""Replacing by fee, on the simulated Bitcoin: when a version is made, what it pays, and which one is mined."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anchor.alerts import AlertName
from anchor.bitcoin.transaction import fee_sat
from anchor.engine import AnchorEngine, Ticked
from anchor.errors import LeaseLostError, SourceUnavailableError
from anchor.fees import FEE_TARGET_BLOCKS, Limits
from anchor.journal import Attempt
from anchor.plan import Promised, Send, Wait
from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.verify import Outcome
from tests.simulators.bitcoin import SimulatedBitcoin, lost_connection, payment
from tests.simulators.service import HOUR_MS, Service, judge, new_service, restarted

MATURE = 101
WATCH = 100


@pytest.fixture
def waiting(tmp_path: Path, bitcoin: SimulatedBitcoin) -> Iterator[Service]:
    """A home whose first anchor is in a block and whose second, at 2 sat/vB, is in the mempool."""
    with new_service(tmp_path / "home", bitcoin) as service:
        bitcoin.mine(1, service.wallet.script)
        bitcoin.mine(MATURE - 1)
        service.open_chain("acme")
        service.seal()
        service.tick()
        bitcoin.mine()
        service.tick()
        record(service)
        assert isinstance(service.tick().plan, Send)
        service.tick()
        assert ["confirmed", "seen"] == service.states()
        yield service


def record(service: Service, content: bytes = b"more") -> bytes:
    """Record something and seal it, an hour later: the next anchor is due. Return the entry's hash."""
    (entry,) = service.add("acme", content)
    service.clock.pass_ms(HOUR_MS)
    service.seal()
    return entry


def blocks_without(bitcoin: SimulatedBitcoin, count: int = 1) -> None:
    """Let miners find blocks that leave the mempool as it is."""
    for _ in range(count):
        bitcoin.mine_without(*bitcoin.mempool())


def versions(service: Service) -> list[Attempt]:
    """Return the versions of the second anchor, oldest first."""
    return service.attempts()[1:]


def replace_once(service: Service, bitcoin: SimulatedBitcoin, rate: float) -> Attempt:
    """Let the estimate rise, an entry come and a block pass; return the version that is sent for it."""
    bitcoin.fee_rate = rate
    record(service, b"at %f" % rate)
    blocks_without(bitcoin)
    plan = service.tick().plan
    assert isinstance(plan, Send)
    return plan.attempt


def names(ticked: Ticked) -> set[str]:
    """Return the names of the alerts."""
    return {str(alert.name) for alert in ticked.alerts}


# --- when


def test_a_version_carries_the_newest_checkpoint_on_the_same_coin(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """When the next anchor is due and the estimate is higher, the attempt is replaced, and its bytes stay watched."""
    old = versions(waiting)[0]
    new = replace_once(waiting, bitcoin, 9.0)
    newest = waiting.home.directory.newest()
    assert newest is not None
    assert newest.size == new.checkpoint_size > old.checkpoint_size
    assert old.transaction().inputs == new.transaction().inputs
    assert (newest.size, newest.root) == (
        find_payload(new.transaction()).tree_size,
        find_payload(new.transaction()).root,
    )
    assert fee_sat(1, 9.0) == new.fee_sat
    assert [new.txid] == bitcoin.mempool()
    assert ["confirmed", "replaced", "broadcast"] == waiting.states()
    assert 3 == len(waiting.tick().attempts)


def test_nothing_is_replaced_before_the_next_anchor_is_due(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """A low fee alone is no reason: without something new to anchor the attempt is waited for."""
    bitcoin.fee_rate = 30.0
    blocks_without(bitcoin, 3)
    assert Wait("attempt 2 is in the mempool, not in a block yet") == waiting.tick(at_once=True).plan
    waiting.add("acme", b"new, but sooner than the interval")
    waiting.seal()
    assert Wait("attempt 2 is in the mempool, not in a block yet") == waiting.tick().plan
    assert isinstance(waiting.tick(at_once=True).plan, Send)


def test_on_a_quiet_log_an_attempt_that_pays_too_little_is_replaced(
    waiting: Service, bitcoin: SimulatedBitcoin
) -> None:
    """With nothing new, once its interval has passed: the same checkpoint at a better fee, once for each block."""
    old = versions(waiting)[0]
    bitcoin.fee_rate = 9.0
    blocks_without(bitcoin)
    assert isinstance(waiting.tick().plan, Wait), "its interval has not passed"
    waiting.clock.pass_ms(HOUR_MS)
    plan = waiting.tick().plan
    assert isinstance(plan, Send)
    assert (old.checkpoint_size, old.spends, fee_sat(1, 9.0)) == (
        plan.attempt.checkpoint_size,
        plan.attempt.spends,
        plan.attempt.fee_sat,
    )
    bitcoin.fee_rate = 20.0
    waiting.clock.pass_ms(HOUR_MS)
    assert isinstance(waiting.tick().plan, Wait), "no block has come since"
    blocks_without(bitcoin)
    assert isinstance(waiting.tick().plan, Send)
    assert 3 == len(versions(waiting))
    bitcoin.mine()
    waiting.tick()
    assert ["confirmed", "replaced", "replaced", "confirmed"] == waiting.states()


def test_on_a_quiet_log_an_attempt_that_pays_enough_is_left_alone(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """Intervals and empty blocks go by: the fee does not climb for their number."""
    bitcoin.fee_rate = 2.0
    for _ in range(5):
        waiting.clock.pass_ms(HOUR_MS)
        blocks_without(bitcoin, FEE_TARGET_BLOCKS)
        assert isinstance(waiting.tick().plan, Wait)
    assert 2 == len(waiting.attempts())


def test_nothing_is_replaced_that_pays_enough(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """Due and unconfirmed is no reason either: replacing at every interval would ratchet the fee to the cap."""
    bitcoin.fee_rate = 2.0
    for _ in range(5):
        record(waiting)
        blocks_without(bitcoin, FEE_TARGET_BLOCKS)
        assert isinstance(waiting.tick().plan, Wait)
    assert 2 == len(waiting.attempts())


def test_at_most_one_version_for_each_block(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """However fast fees rise and entries come, a version is not replaced before the next block."""
    replace_once(waiting, bitcoin, 9.0)
    bitcoin.fee_rate = 20.0
    for _ in range(3):
        record(waiting)
        assert isinstance(waiting.tick().plan, Wait)
    blocks_without(bitcoin)
    assert isinstance(waiting.tick().plan, Send)
    assert 4 == len(waiting.attempts())


def test_without_an_estimate_too_low_shows_by_waiting(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """On networks without estimates, as many blocks as the target go by before a version pays one sat/vB more."""
    for number in range(FEE_TARGET_BLOCKS - 1):
        record(waiting, b"%d" % number)
        bitcoin.mine_others()
        assert isinstance(waiting.tick().plan, Wait)
    bitcoin.mine_others()
    assert isinstance(waiting.tick().plan, Send)
    assert [322, 322 + 161] == [version.fee_sat for version in versions(waiting)]


@pytest.mark.parametrize("estimate", [None, 1.0, 2.0])
def test_an_attempt_that_waited_past_its_target_is_raised_whatever_the_estimate_says(
    waiting: Service, bitcoin: SimulatedBitcoin, estimate: float | None
) -> None:
    """Six blocks took others' transactions and not this one: one sat/vB more, and six more blocks for each version."""
    bitcoin.fee_rate = estimate
    waiting.clock.pass_ms(HOUR_MS)
    for expected in (322 + 161, 322 + 2 * 161):
        bitcoin.mine_others(FEE_TARGET_BLOCKS - 1)
        assert isinstance(waiting.tick().plan, Wait)
        bitcoin.mine_others()
        plan = waiting.tick().plan
        assert isinstance(plan, Send)
        assert expected == plan.attempt.fee_sat
        waiting.clock.pass_ms(HOUR_MS)
        waiting.tick()
    bitcoin.mine()
    waiting.tick()
    assert ["final", "replaced", "replaced", "confirmed"] == waiting.states()


def test_empty_blocks_raise_nothing(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """Testnet4: a day of 130 blocks of which every thirtieth takes transactions costs no ratchet, with entries too."""
    for number in range(130):
        if number % 30 == 29:
            bitcoin.mine_others()
        blocks_without(bitcoin)
        if number % 10 == 0:
            record(waiting, b"%d" % number)
            assert isinstance(waiting.tick().plan, Wait)
    assert [322] == [version.fee_sat for version in versions(waiting)]


def test_useful_blocks_count_however_many_empty_ones_lie_between(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """One useful block in ten: after sixty blocks the attempt has waited for its target."""
    waiting.clock.pass_ms(HOUR_MS)
    for _ in range(FEE_TARGET_BLOCKS):
        assert isinstance(waiting.tick().plan, Wait)
        blocks_without(bitcoin, 9)
        bitcoin.mine_others()
    assert isinstance(waiting.tick().plan, Send)


def test_waiting_raises_no_fee_beyond_the_cap(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """At the cap an attempt waits on: the plan says so, and it is held."""
    cap = bitcoin.network.fee_cap_sat_per_vb
    at_cap = replace_once(waiting, bitcoin, cap)
    assert fee_sat(1, cap) == at_cap.fee_sat
    waiting.tick()
    waiting.clock.pass_ms(HOUR_MS)
    bitcoin.mine_others(FEE_TARGET_BLOCKS)
    ticked = waiting.tick()
    assert isinstance(ticked.plan, Wait)
    assert ticked.plan.is_held
    assert "fee-cap-reached" in names(ticked)
    assert [at_cap.txid] == bitcoin.mempool()


def test_blocks_are_asked_about_once(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """Ticks come every minute and blocks every ten: what a block holds is no new question in each tick."""
    waiting.clock.pass_ms(HOUR_MS)
    bitcoin.mine_others(FEE_TARGET_BLOCKS - 1)
    blocks_without(bitcoin, 20)
    waiting.tick()
    asked = bitcoin.calls.count("transaction_count")
    assert FEE_TARGET_BLOCKS - 1 + 20 == asked
    for _ in range(5):
        assert isinstance(waiting.tick().plan, Wait)
    assert asked == bitcoin.calls.count("transaction_count")
    bitcoin.mine_others()
    assert isinstance(waiting.tick().plan, Send)
    assert asked + 1 == bitcoin.calls.count("transaction_count")


def test_a_promise_that_would_lapse_needs_no_low_fee(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """The attempt pays what the estimate says, and an entry that it does not cover is promised to be anchored soon."""
    bitcoin.fee_rate = 2.0
    waiting.add("acme", b"promised")
    waiting.seal()
    blocks_without(bitcoin)
    waiting.tick()
    now_ms = waiting.clock()
    promised = Promised(now_ms - 10 * HOUR_MS, now_ms + 2 * HOUR_MS)
    for left_ms, expected in ((1, Wait), (0, Send)):
        waiting.clock.now_ms = now_ms - left_ms
        ticked = promising(waiting, promised).tick(waiting.clock())
        assert isinstance(ticked.plan, expected)
    assert "promise-will-lapse" in names(ticked)
    assert waiting.home.directory.newest().size == versions(waiting)[-1].checkpoint_size  # type: ignore[union-attr]  # sealed


def promising(service: Service, promised: Promised) -> AnchorEngine:
    """Return the home's engine, told of a promise that no anchor covers yet."""
    home = service.home
    return AnchorEngine(
        home.engine,
        home.directory,
        home.journal,
        home.source,
        home.wallet,
        home.anchoring.policy,
        lambda size: promised,  # whatever is anchored
    )


# --- which one is mined


@pytest.mark.parametrize("mined", [0, 1, 2, 3])
def test_whichever_version_is_mined_is_the_anchor(mined: int, waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """Three bumps, and a miner takes any of the four: one thread goes on from it, and every entry is proved."""
    entries = [record(waiting, b"%d" % number) for number in range(2)]
    for rate in (5.0, 9.0, 20.0):
        replace_once(waiting, bitcoin, rate)
        waiting.tick()
    made = versions(waiting)
    assert ["replaced", "replaced", "replaced", "seen"] == waiting.states()[1:]
    bitcoin.reorg(0, instead=[made[mined].raw])
    ticked = waiting.tick()
    assert ["confirmed" if place == mined else "replaced" for place in range(4)] == waiting.states()[1:5]
    if mined < 3:
        assert isinstance(ticked.plan, Send), "what only the newest version covered is due"
        bitcoin.mine()
        waiting.tick()
    line = bitcoin.mined()
    assert [(anchor.txid, 0) for anchor in line[:-1]] == [
        (anchor.inputs[0].previous.txid, anchor.inputs[0].previous.vout) for anchor in line[1:]
    ]
    for entry in entries:
        assert Outcome.INTACT == judge(waiting.receipt(entry), waiting.home.card(), bitcoin).outcome
    bitcoin.mine(WATCH)
    assert () == waiting.tick().attempts


def test_a_version_that_is_mined_while_its_successor_is_made_converges(
    waiting: Service, bitcoin: SimulatedBitcoin
) -> None:
    """The new version is refused for its input; the next look finds why, and the thread goes on from the block."""
    bitcoin.fee_rate = 9.0
    record(waiting)
    blocks_without(bitcoin)
    bitcoin.before("broadcast", bitcoin.mine)
    ticked = waiting.tick()
    assert isinstance(ticked.plan, Wait)
    assert ticked.plan.is_held
    assert ["confirmed", "seen", "built"] == waiting.states()
    assert isinstance(waiting.tick().plan, Send)
    assert ["confirmed", "confirmed", "replaced", "broadcast"] == waiting.states()
    assert versions(waiting)[0].coin == versions(waiting)[2].spends


def test_an_older_version_that_comes_back_is_replaced_again(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """Another node still had the old version: after two looks the newest is sent again, and pays more."""
    new = replace_once(waiting, bitcoin, 9.0)
    waiting.tick()
    bitcoin.forget(new.txid)
    bitcoin.broadcast(versions(waiting)[0].raw)
    assert isinstance(waiting.tick().plan, Wait)
    assert isinstance(waiting.tick().plan, Send)
    assert [new.txid] == bitcoin.mempool()
    waiting.tick()
    assert ["confirmed", "replaced", "seen"] == waiting.states()


def test_two_processes_replace_once(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """Both find the attempt too cheap; the one that was overtaken in between stores nothing."""
    bitcoin.fee_rate = 9.0
    record(waiting)
    blocks_without(bitcoin)
    with restarted(waiting.home.folder, bitcoin, waiting.clock) as other:
        bitcoin.before("least_rate_sat_per_vb", other.tick)
        with pytest.raises(LeaseLostError):
            waiting.tick()
    assert bitcoin.is_quiet
    assert 2 == len(versions(waiting))
    waiting.tick()
    assert ["confirmed", "replaced", "seen"] == waiting.states()


# --- spikes and evictions


def test_a_refused_attempt_is_replaced_at_a_higher_fee(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """The mempool fills up, evicts the attempt and refuses it: from the next block on a dearer version goes in."""
    bitcoin.raise_least_rate(12.0)
    assert [] == bitcoin.mempool()
    assert isinstance(waiting.tick().plan, Wait)
    ticked = waiting.tick()
    assert isinstance(ticked.plan, Wait)
    assert ticked.plan.is_held
    assert "refused" in names(ticked)
    blocks_without(bitcoin)
    ticked = waiting.tick()
    assert isinstance(ticked.plan, Send)
    assert "refused" not in names(ticked)
    assert fee_sat(1, 12.0) == ticked.plan.attempt.fee_sat
    assert [ticked.plan.attempt.txid] == bitcoin.mempool()
    bitcoin.mine()
    waiting.tick()
    assert ["confirmed", "replaced", "confirmed"] == waiting.states()


def test_at_the_cap_a_version_is_held_until_fees_fall(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """Beyond the cap nothing is paid: one version at the cap, an alert, and its bytes again and again until they go."""
    cap = bitcoin.network.fee_cap_sat_per_vb
    bitcoin.raise_least_rate(4 * cap)
    for _ in range(5):
        blocks_without(bitcoin)
        ticked = waiting.tick()
    assert {"fee-cap-reached", "refused"} <= names(ticked)
    assert [322, fee_sat(1, cap)] == [version.fee_sat for version in versions(waiting)]
    bitcoin.raise_least_rate(cap / 2)
    assert isinstance(waiting.tick().plan, Send)
    bitcoin.mine()
    ticked = waiting.tick()
    assert ["replaced", "confirmed"] == waiting.states()[1:]
    assert {"fee-cap-reached", "refused"}.isdisjoint(names(ticked))


@pytest.mark.parametrize("said", [None, float("nan"), float("inf"), -1.0, 0.0, 1e9])
def test_absurd_rates_survive(said: float | None, waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """Whatever a source calls estimate and minimum, what is paid lies between floor and cap."""
    bitcoin.fee_rate = said
    bitcoin.instead("least_rate_sat_per_vb", lambda: said)
    record(waiting)
    bitcoin.mine_others(FEE_TARGET_BLOCKS)
    plan = waiting.tick().plan
    assert isinstance(plan, Send)
    assert fee_sat(1, bitcoin.network.fee_cap_sat_per_vb if said == 1e9 else 3.0) == plan.attempt.fee_sat


# --- money


def test_a_day_costs_no_more_than_the_spending_cap(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """Of the versions of a coin the dearest counts; beyond the cap nothing is made, and tomorrow it goes on."""
    engine = with_limits(waiting, Limits(spending_cap_sat=322 + fee_sat(1, 9.0)))
    bitcoin.fee_rate = 9.0
    record(waiting)
    blocks_without(bitcoin)
    assert isinstance(engine.tick(waiting.clock()).plan, Send)
    bitcoin.fee_rate = 10.0
    record(waiting)
    blocks_without(bitcoin)
    ticked = engine.tick(waiting.clock())
    assert isinstance(ticked.plan, Wait)
    assert ticked.plan.is_held
    assert "spending-cap-reached" in names(ticked)
    bitcoin.mine()
    assert "of 1771 sat allowed" in getattr(engine.tick(waiting.clock()).plan, "why", "")
    waiting.clock.pass_ms(24 * HOUR_MS)
    bitcoin.fee_rate = 2.0
    ticked = engine.tick(waiting.clock())
    assert isinstance(ticked.plan, Send)
    assert "spending-cap-reached" not in names(ticked)


def with_limits(service: Service, limits: Limits) -> AnchorEngine:
    """Return the home's engine with other limits."""
    home = service.home
    policy = type(home.anchoring.policy)(3_600_000, 24 * HOUR_MS, limits)
    return AnchorEngine(home.engine, home.directory, home.journal, home.source, home.wallet, policy)


def test_an_attempt_of_an_older_version_says_why_it_is_not_replaced(
    waiting: Service, bitcoin: SimulatedBitcoin
) -> None:
    """Where the coins of an attempt were not stored, it waits, and the plan says so."""
    with waiting.home.engine.transaction():
        waiting.home.engine.execute("DELETE FROM attempt_coin")
    bitcoin.fee_rate = 9.0
    record(waiting)
    blocks_without(bitcoin)
    plan = waiting.tick().plan
    assert isinstance(plan, Wait)
    assert "older Anchorline" in plan.why
    assert plan.is_held


def test_stuck_is_said_after_twelve_intervals(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """An attempt that waits for half a day, whatever its versions, is worth a look."""
    waiting.clock.pass_ms(12 * HOUR_MS - 1)
    assert "stuck" not in names(waiting.tick())
    waiting.clock.pass_ms(1)
    assert "stuck" in names(waiting.tick())
    bitcoin.mine()
    assert AlertName.STUCK not in names(waiting.tick())


# --- a line of anchors after a reorganisation


@pytest.fixture
def line(waiting: Service, bitcoin: SimulatedBitcoin) -> Service:
    """The same home with three anchors, of which a reorganisation brought all back to the mempool."""
    bitcoin.mine()
    waiting.tick()
    record(waiting, b"third")
    waiting.tick()
    bitcoin.mine()
    waiting.tick()
    bitcoin.reorg(3)
    waiting.tick()
    assert ["seen", "seen", "seen"] == waiting.states()
    return waiting


def test_the_last_of_a_line_pays_for_all_of_it(line: Service, bitcoin: SimulatedBitcoin) -> None:
    """The first two keep their bytes; the new version of the third lifts the package to the price (CPFP)."""
    first, second, third = line.attempts()
    new = replace_once(line, bitcoin, 10.0)
    assert ["seen", "seen", "replaced", "broadcast"] == line.states()
    assert [first.txid, second.txid, new.txid] == bitcoin.mempool()
    size = first.virtual_size + second.virtual_size + fee_sat(1, 1.0)
    assert 10 * size == first.fee_sat + second.fee_sat + new.fee_sat
    assert third.spends == new.spends
    bitcoin.mine()
    line.tick()
    assert ["confirmed", "confirmed", "replaced", "confirmed"] == line.states()


def test_a_line_that_is_refused_is_replaced_from_its_first(line: Service, bitcoin: SimulatedBitcoin) -> None:
    """The mempool's minimum has risen above the whole line: one new anchor carries everything, the rest is void."""
    bitcoin.raise_least_rate(12.0)
    for _ in range(3):
        line.tick()
    blocks_without(bitcoin)
    for _ in range(2):
        line.tick()
    assert ["replaced", "void", "void", "seen"] == line.states()
    newest = line.home.directory.newest()
    assert newest is not None
    made = line.attempts()[-1]
    assert (newest.size, [made.txid]) == (made.checkpoint_size, bitcoin.mempool())
    bitcoin.mine()
    line.tick()
    assert ["replaced", "void", "void", "confirmed"] == line.states()


# --- top-ups


def test_a_replacement_reuses_the_top_ups_of_the_first_version(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """They are reserved from the first version on, and no further ones join where these can pay."""
    bitcoin.mine(1, waiting.wallet.script)
    bitcoin.mine(WATCH)
    waiting.tick()
    record(waiting, b"topped up")
    waiting.tick()
    first = waiting.attempts()[-1]
    assert 2 == len(first.transaction().inputs)
    waiting.tick()
    second = replace_once(waiting, bitcoin, 9.0)
    assert first.transaction().inputs == second.transaction().inputs
    assert waiting.home.journal.coins_of(first) == waiting.home.journal.coins_of(second)


def test_a_top_up_that_is_gone_is_left_out(waiting: Service, bitcoin: SimulatedBitcoin) -> None:
    """A reorganisation below its depth took the top-up away: the anchor goes on with the thread coin alone."""
    bitcoin.mine(1, waiting.wallet.script)
    bitcoin.mine(WATCH)
    waiting.tick()
    record(waiting, b"topped up")
    bitcoin.before("broadcast", lost_connection)
    with pytest.raises(SourceUnavailableError):
        waiting.tick()
    first = waiting.attempts()[-1]
    top_up = next(coin for coin in bitcoin.unspent(waiting.wallet.script) if coin.outpoint != first.spends)
    stolen = payment(top_up, b"\x00\x14" + bytes(20))
    bitcoin.broadcast(waiting.wallet.sign(stolen, [top_up]))
    bitcoin.mine()
    ticked = waiting.tick()
    assert "refused" in names(ticked)
    blocks_without(bitcoin)
    plan = waiting.tick().plan
    assert isinstance(plan, Send)
    assert [first.spends] == [spent.previous for spent in plan.attempt.transaction().inputs]
    bitcoin.mine()
    waiting.tick()
    assert "confirmed" == waiting.states()[-1]


def test_an_unfunded_log_looks_for_coins_once_for_each_block(tmp_path: Path, bitcoin: SimulatedBitcoin) -> None:
    """A node without index reads all unspent outputs for it: not at every seal of a minute."""
    with new_service(tmp_path / "home", bitcoin) as service:
        service.open_chain("acme")
        service.seal()
        asked = bitcoin.calls.count("unspent")
        for number in range(3):
            service.add("acme", b"%d" % number)
            service.seal()
        assert asked == bitcoin.calls.count("unspent")
        bitcoin.mine()
        service.add("acme", b"x")
        service.seal()
        assert asked + 1 == bitcoin.calls.count("unspent")
