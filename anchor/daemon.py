"""The daemon's clockwork: jobs at their pace, and the signals that say stop; no rules of its own.

``chains.scheduling`` hands in what to do and how often, also inside a server that has signals of its own. A job that
fails is reported and runs again at its next time: every job keeps its state in the database, so running it again is
the ordinary path.
"""

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from queue import Empty, SimpleQueue

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from anchor.proof.errors import AnchorlineError

# A signal that comes just before the wait does not end it; it is noticed when the wait is begun anew.
LONGEST_WAIT_S = 0.5

# What the scheduler would warn of (a job that is late) is reported as a line of ours.
_SILENT = logging.getLogger("anchor.daemon.scheduler")
_SILENT.setLevel(logging.ERROR)

Job = tuple[Callable[[], object], int]
"""What to do, and every how many seconds."""


class Beside:
    """Runs work on a thread of its own, one run at a time, so that no other job waits for it; close it.

    ``start`` begins a run, or does nothing while the last one still goes on. What a run raises is reported.
    """

    def __init__(self, name: str, work: Callable[[], object], report: Callable[[str], None]) -> None:
        self._work = _reported(name, work, report)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin a run unless one goes on."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="beside")
            self._thread.start()

    def close(self) -> None:
        """Wait for the end of the run that goes on; may be repeated."""
        if self._thread is not None:
            self._thread.join()


class Jobs:
    """Runs jobs at their pace, each first at once, between ``start`` and ``stop``; also as ``with``.

    One thread runs them all, one after the other: sealing and anchoring never overlap in one process. A job that
    comes late runs once, however often it was due; ``event=late`` says that it was due while it waited or ran.
    """

    def __init__(self, jobs: Mapping[str, Job], report: Callable[[str], None]) -> None:
        self._report = report
        self._names = ",".join(jobs)
        self._scheduler = BackgroundScheduler(
            timezone=UTC, executors={"default": ThreadPoolExecutor(1)}, logger=_SILENT
        )
        for name, (work, every_s) in jobs.items():
            self._scheduler.add_job(
                _reported(name, work, report),
                "interval",
                id=name,
                seconds=every_s,
                next_run_time=datetime.now(UTC),
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
            )
        self._scheduler.add_listener(lambda event: report(_fault(event)), EVENT_JOB_ERROR)
        self._scheduler.add_listener(lambda event: report(f"event=late job={event.job_id}"), EVENT_JOB_MAX_INSTANCES)

    def __enter__(self) -> "Jobs":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin; returns at once."""
        self._report(f"event=started jobs={self._names}")
        self._scheduler.start()

    def stop(self) -> None:
        """Begin no more jobs, and wait for the end of the one that runs."""
        self._scheduler.shutdown(wait=True)
        self._report("event=stopped")


@contextmanager
def until_signal() -> Iterator[Callable[[float | None], bool]]:
    """Take SIGINT and SIGTERM from now on, and yield what waits for the first of them; only on the main thread.

    It waits for so many seconds at most, None for as long as it takes, and says whether there was one.
    """
    # A SimpleQueue and no Event: a signal may come while the handler of another one runs, and put is reentrant.
    stop: SimpleQueue[int] = SimpleQueue()
    previous = {
        number: signal.signal(number, lambda number, _: stop.put(number)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield lambda at_most_s: _wait_for(stop, at_most_s)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _wait_for(stop: SimpleQueue[int], at_most_s: float | None) -> bool:
    while True:
        try:
            stop.get(timeout=LONGEST_WAIT_S if at_most_s is None else min(at_most_s, LONGEST_WAIT_S))
        except Empty:
            if at_most_s is None:
                continue
            return False
        return True


def _reported(name: str, work: Callable[[], object], report: Callable[[str], None]) -> Callable[[], None]:
    def job() -> None:
        try:
            work()
        except AnchorlineError as error:
            report(f"event=failed job={name} error={type(error).__name__} message={str(error)!r}")
        else:
            report(f"event=done job={name}")

    return job


def _fault(event: JobExecutionEvent) -> str:
    """Return the line for an error that is not one of ours: a fault in Anchorline, worth a report."""
    return f"event=fault job={event.job_id} error={type(event.exception).__name__} message={str(event.exception)!r}"
