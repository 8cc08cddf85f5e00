"""The daemon with real jobs, real threads and real signals, in this process and in a short time."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import pytest

from anchor.daemon import Beside, Job, Jobs, until_signal
from anchor.errors import SourceUnavailableError
from tests.waiting import PATIENCE_S, wait_until


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Whatever a test does, the signal handlers of this process are what they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    assert before == {number: signal.getsignal(number) for number in before}


def run(jobs: Mapping[str, Job], report: Callable[[str], None]) -> None:
    """Run jobs until a signal, as ``anchorline daemon`` does."""
    with until_signal() as wait, Jobs(jobs, report):
        wait(None)


def stop_after(count: int, calls: list[float], number: int = signal.SIGTERM) -> Callable[[], None]:
    """Return a job that notes when it runs, and asks the process to stop at its ``count``-th time.

    The process hears it on another thread: where that one is slow, the job runs once more.
    """

    def job() -> None:
        calls.append(time.monotonic())
        if len(calls) == count:
            os.kill(os.getpid(), number)

    return job


def in_time(lines: list[str]) -> list[str]:
    """Return the lines without those of jobs that were late: a machine that is busy for a second makes some."""
    return [line for line in lines if not line.startswith("event=late")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it(number: int) -> None:
    """Jobs run at once and then at their pace, until SIGTERM or SIGINT."""
    lines: list[str] = []
    calls: list[float] = []
    run({"beat": (stop_after(2, calls, number), 1)}, lines.append)
    assert calls[1] - calls[0] > 0.9
    assert ["event=started jobs=beat", *["event=done job=beat"] * len(calls), "event=stopped"] == in_time(lines)


def test_a_job_that_fails_is_reported_and_runs_again() -> None:
    """An error of ours is one line with its name; the next run is the ordinary path."""
    lines: list[str] = []
    calls: list[float] = []
    beat = stop_after(2, calls)

    def failing() -> None:
        beat()
        if len(calls) == 1:
            raise SourceUnavailableError("no connection")

    run({"tick": (failing, 1)}, lines.append)
    assert [
        "event=started jobs=tick",
        "event=failed job=tick error=SourceUnavailableError message='no connection'",
        *["event=done job=tick"] * (len(calls) - 1),
        "event=stopped",
    ] == in_time(lines)


def test_an_error_that_is_not_ours_is_reported_as_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in one job neither ends the daemon nor goes unseen."""
    lines: list[str] = []
    calls: list[float] = []
    beat = stop_after(2, calls)

    def faulty() -> None:
        beat()
        raise ZeroDivisionError("division by zero")

    run({"seal": (faulty, 1)}, lines.append)
    assert len(calls) == lines.count("event=fault job=seal error=ZeroDivisionError message='division by zero'") > 1
    assert "event=stopped" == lines[-1]
    assert any(record.exc_info for record in caplog.records)  # APScheduler's own log has the trace


def test_the_job_that_runs_is_finished_before_the_end() -> None:
    """A signal in the middle of a step lets that step finish."""
    finished: list[bool] = []

    def long() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)
        finished.append(True)

    run({"seal": (long, 60)}, lambda _: None)
    assert [True] == finished


def test_jobs_never_overlap_in_one_process() -> None:
    """Sealing and anchoring take turns on one thread, though both are due at once."""
    inside: list[str] = []
    overlaps: list[str] = []
    threads: set[int] = set()
    calls: list[float] = []
    beat = stop_after(2, calls)

    def job(name: str) -> Callable[[], None]:
        def work() -> None:
            threads.add(threading.get_ident())
            overlaps.extend(inside)
            inside.append(name)
            time.sleep(0.2)
            inside.remove(name)
            if name == "tick":
                beat()

        return work

    run({"seal": (job("seal"), 1), "tick": (job("tick"), 1)}, lambda _: None)
    assert [] == overlaps
    assert 1 == len(threads)
    assert threading.get_ident() not in threads


def test_a_job_that_takes_longer_than_its_pace_runs_once_for_all_that_was_due(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing piles up behind a slow step; the lines say by name which job is late, and the scheduler adds none."""
    calls: list[float] = []
    lines: list[str] = []
    beat = stop_after(2, calls)

    def times_late() -> int:
        return lines.count("event=late job=tick")

    def slow() -> None:
        beat()
        wait_until(lambda: times_late() > 1)

    started_s = time.monotonic()
    run({"tick": (slow, 1)}, lines.append)
    # Each second it was due once, and either ran or was late: however slow this machine is.
    assert len(calls) + times_late() <= time.monotonic() - started_s + 1
    assert [] == [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_what_runs_beside_makes_no_job_wait() -> None:
    """A run that hangs holds up nothing, and is not begun a second time; its error is a line like any other."""
    lines: list[str] = []
    begun, leave = threading.Semaphore(0), threading.Semaphore(0)

    def hanging() -> None:
        begun.release()
        assert leave.acquire(timeout=PATIENCE_S)
        raise SourceUnavailableError("no answer")

    beside = Beside("slow", hanging, lines.append)
    calls: list[float] = []
    run({"slow": (beside.start, 1), "beat": (stop_after(3, calls), 1)}, lines.append)
    assert len(calls) >= 3
    assert begun.acquire(timeout=PATIENCE_S)
    assert not begun.acquire(blocking=False)
    leave.release()
    beside.close()
    assert "event=failed job=slow error=SourceUnavailableError message='no answer'" == lines[-1]
    leave.release()
    beside.start()
    beside.close()
    assert begun.acquire(blocking=False)
