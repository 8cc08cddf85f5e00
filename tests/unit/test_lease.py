"""The lease on a real database: who may take it when, and that a holder whose time is over writes nothing."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from anchor.errors import LeaseHeldError, LeaseLostError
from anchor.lease import TERM_MS, GuardedEngine, Lease, Leases
from anchor.lease_holder import has_ended, this_process
from anchor.storage.engine import Engine
from anchor.storage.house import House
from chains.status import status_of
from tests.crash.crashing import CrashingEngine, StoppedError
from tests.databases import open_engine
from tests.simulators.holders import elsewhere, gone
from tests.simulators.service import Service

pytestmark = pytest.mark.on_both

NOW_MS = 1_750_000_000_000


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[House]:
    opened = open_engine(tmp_path / "anchorline.db")
    yield opened
    opened.close()


def mark(engine: Engine) -> None:
    """Write something that can be counted."""
    with engine.transaction():
        engine.execute("INSERT INTO epoch_mark (lost_from_ms, lost_to_ms) VALUES (1, 2)")


def marks(engine: House) -> int:
    return int(engine.query("SELECT COUNT(*) FROM epoch_mark")[0][0])


def guarded(engine: Engine, lease: Lease | None) -> GuardedEngine:
    guard = GuardedEngine(engine)
    guard.lease = lease
    return guard


# --- taking


def test_a_new_database_has_a_lease_that_nobody_holds(engine: House) -> None:
    """The first holder gets fence 1."""
    assert (0, None) == (Leases(engine).read().fence, Leases(engine).read().holder)
    taken = Leases(engine).take(elsewhere(), NOW_MS)
    assert (1, NOW_MS, NOW_MS + TERM_MS) == (taken.fence, taken.taken_at_ms, taken.expires_at_ms)
    assert taken == Leases(engine).read()


def test_a_lease_that_is_held_is_refused_with_its_holder(engine: House) -> None:
    """The message says who holds it, since when, until when, and what to do; the row is as it was."""
    taken = Leases(engine).take(elsewhere("daemon"), NOW_MS)
    with pytest.raises(LeaseHeldError) as caught:
        Leases(engine).take(elsewhere("seal"), NOW_MS + TERM_MS - 1)
    assert caught.value.stays
    said = str(caught.value)
    assert taken.holder is not None
    assert f"`anchorline daemon` (process {taken.holder.pid} on other.example)" in said
    assert "since 2025-06-15T15:06:40Z, until 2025-06-15T15:07:10Z" in said
    assert "stop it" in said
    assert taken == Leases(engine).read()


def test_a_lease_lapses_by_the_clock(engine: House) -> None:
    """From its last millisecond on anybody may take it; the fence grows."""
    Leases(engine).take(elsewhere(), NOW_MS)
    assert 2 == Leases(engine).take(elsewhere(), NOW_MS + TERM_MS).fence


def test_a_lease_that_was_watched_for_a_term_is_free_whatever_the_clock_says(engine: House) -> None:
    """After the clock went back an hour nobody waits for an hour: the wait counts, if nothing was renewed meanwhile."""
    leases = Leases(engine)
    taken = leases.take(elsewhere(), NOW_MS)
    early_ms = NOW_MS - 3_600_000
    with pytest.raises(LeaseHeldError):
        leases.take(elsewhere(), early_ms, watched=(taken, TERM_MS - 1))
    leases.renew(taken, NOW_MS + 1)
    with pytest.raises(LeaseHeldError):
        leases.take(elsewhere(), early_ms, watched=(taken, TERM_MS))
    assert 2 == leases.take(elsewhere(), early_ms, watched=(leases.read(), TERM_MS)).fence


def test_a_process_that_has_ended_on_this_machine_is_not_waited_for(engine: House) -> None:
    """After kill -9 the same supervisor starts the next process, which works at once."""
    Leases(engine).take(gone("daemon", stays=True), NOW_MS)
    assert 2 == Leases(engine).take(elsewhere(), NOW_MS).fence


def test_a_process_that_runs_is_waited_for(engine: House) -> None:
    """This very process has not ended, so not even it takes the lease a second time."""
    Leases(engine).take(this_process("seal", stays=False), NOW_MS)
    with pytest.raises(LeaseHeldError) as caught:
        Leases(engine).take(this_process("tick", stays=False), NOW_MS)
    assert not caught.value.stays
    assert "wait for its end" in str(caught.value)


def test_of_many_who_come_at_once_one_gets_it(tmp_path: Path) -> None:
    """Eight connections to one file take it at the same moment: one has it, seven are told so."""
    open_engine(tmp_path / "anchorline.db").close()
    start, won, refused = threading.Barrier(8), list[Lease](), list[LeaseHeldError]()

    def take() -> None:
        engine = open_engine(tmp_path / "anchorline.db", busy_timeout_s=60)
        start.wait()
        try:
            won.append(Leases(engine).take(elsewhere(), NOW_MS))
        except LeaseHeldError as error:
            refused.append(error)
        engine.close()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ([1], 7) == ([lease.fence for lease in won], len(refused))


# --- holders


def test_a_killed_process_has_ended_before_and_after_it_is_reaped() -> None:
    """A zombie writes nothing any more; a process that is only stopped may."""
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from anchor.lease_holder import *; print(repr(this_process('x', stays=False))); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        mine = this_process("x", stays=False)
        holder = replace(mine, pid=process.pid, start_ticks=int(said.partition("start_ticks=")[2].partition(",")[0]))
        assert said.strip() == repr(holder)
        assert not has_ended(holder)
        process.send_signal(signal.SIGSTOP)
        assert not has_ended(holder)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert has_ended(holder), "a zombie"
        process.wait()
        assert has_ended(holder)


def test_nothing_is_proved_about_another_machine_or_container() -> None:
    """There the same pid means another process; so does one whose space is not known."""
    assert not has_ended(replace(gone(), space="another boot pid:[1] time:[1]"))
    assert not has_ended(replace(gone(), space=""))
    assert has_ended(gone())


def test_a_pid_that_was_given_out_again_is_another_process() -> None:
    """Process 1 runs, but it began at another time than the holder: the holder has ended."""
    assert has_ended(replace(this_process("x", stays=False), pid=1, start_ticks=-1))


# --- writing under it


def test_without_the_lease_nothing_is_written_and_everything_is_read(engine: House) -> None:
    """A command that forgot to take it fails before its first write."""
    guard = guarded(engine, None)
    with pytest.raises(LeaseLostError, match="found one without, and nobody holds it now"):
        mark(guard)
    assert 0 == marks(engine)
    assert [(0,)] == guard.query("SELECT COUNT(*) FROM epoch_mark")


def test_the_holder_writes_and_one_whose_lease_was_taken_over_does_not(engine: House) -> None:
    """The fence decides, inside the transaction: a holder that was paused past its lease can write nothing."""
    leases = Leases(engine)
    first = guarded(engine, leases.take(elsewhere(), NOW_MS))
    mark(first)
    second = guarded(engine, leases.take(elsewhere(), NOW_MS + TERM_MS))
    mark(second)
    with pytest.raises(LeaseLostError, match=r"expected lease 1, and `anchorline daemon` .* has it now, number 2"):
        mark(first)
    leases.release(second.lease or pytest.fail("no lease"))
    with pytest.raises(LeaseLostError, match="nobody holds it now"):
        mark(first)
    with pytest.raises(LeaseLostError):
        mark(second)
    assert 2 == marks(engine)


def test_a_lease_that_lapsed_and_was_not_taken_still_holds(engine: House) -> None:
    """A pause that nobody noticed costs nothing: the holder is still the newest, and renews."""
    leases = Leases(engine)
    taken = leases.take(elsewhere(), NOW_MS)
    mark(guarded(engine, taken))
    leases.renew(taken, NOW_MS + 10 * TERM_MS)
    assert NOW_MS + 11 * TERM_MS == leases.read().expires_at_ms
    assert (taken.fence, taken.taken_at_ms) == (leases.read().fence, leases.read().taken_at_ms)


def test_what_was_lost_is_neither_renewed_nor_given_back(engine: House) -> None:
    """A late process does nothing to the lease of the next one."""
    leases = Leases(engine)
    first = leases.take(elsewhere(), NOW_MS)
    second = leases.take(elsewhere(), NOW_MS + TERM_MS)
    with pytest.raises(LeaseLostError):
        leases.renew(first, NOW_MS + TERM_MS)
    leases.release(first)
    assert second == leases.read()


def test_a_lease_that_was_given_back_is_taken_at_once_and_not_renewed(engine: House) -> None:
    """A clean stop makes nobody wait."""
    leases = Leases(engine)
    first = leases.take(elsewhere(), NOW_MS)
    leases.release(first)
    with pytest.raises(LeaseLostError):
        leases.renew(first, NOW_MS)
    assert 2 == leases.take(elsewhere(), NOW_MS).fence


# --- ending anywhere


def test_a_stop_at_any_point_leaves_a_lease_that_the_next_process_takes(tmp_path: Path) -> None:
    """Taking, renewing and giving back, stopped at each statement: the fence never falls, and one holder is at most."""
    for point in range(1, 64):
        inner = open_engine(tmp_path / f"{point}.db")
        crashing = CrashingEngine(inner, point)
        seen = 0
        try:
            for _ in range(2):
                taken = Leases(crashing).take(gone(), NOW_MS)
                seen = taken.fence
                mark(guarded(crashing, taken))
                Leases(crashing).renew(taken, NOW_MS)
                Leases(crashing).release(taken)
        except StoppedError:
            after = Leases(inner).take(gone(), NOW_MS)
            assert after.fence > seen
            mark(guarded(inner, after))
            inner.close()
        else:
            inner.close()
            assert point > 40
            return
    pytest.fail("it never ended")


def test_the_status_names_a_holder_until_its_term_is_over(service: Service) -> None:
    """A process of which nothing can be proved here is named while its lease holds; then anybody may take it."""
    Leases(service.home.engine).take(elsewhere("serve"), service.clock())
    assert "serve" == status_of(service.home)["lease"]["holder"]["work"]
    service.clock.pass_ms(TERM_MS)
    assert (1, None) == (status_of(service.home)["lease"]["fence"], status_of(service.home)["lease"]["holder"])
