"""The daemon: jobs at their pace, until a signal says stop; no rules of its own.

``cli.py`` hands in what to do and how often. A job that fails is reported and runs again at its next time: every
job keeps its state in the database, so running it again is the ordinary path.
"""

import logging
import signal
import threading
from collections.abc import Callable, Mapping
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


def run(jobs: Mapping[str, Job], report: Callable[[str], None]) -> None:
    """Run jobs until SIGINT or SIGTERM; the one that is running then is finished first.

    One thread runs them all, one after the other: sealing and anchoring never overlap in one process. A job that
    comes late runs once, however often it was due; ``event=late`` says that it was due while it waited or ran.
    """
    # A SimpleQueue and no Event: a signal may come while the handler of another one runs, and put is reentrant.
    stop: SimpleQueue[int] = SimpleQueue()
    previous = {
        number: signal.signal(number, lambda number, _: stop.put(number)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(1)}, logger=_SILENT)
    for name, (work, every_s) in jobs.items():
        scheduler.add_job(
            _reported(name, work, report),
            "interval",
            id=name,
            seconds=every_s,
            next_run_time=datetime.now(UTC),
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    scheduler.add_listener(lambda event: report(_fault(event)), EVENT_JOB_ERROR)
    scheduler.add_listener(lambda event: report(f"event=late job={event.job_id}"), EVENT_JOB_MAX_INSTANCES)
    report("event=started jobs=" + ",".join(jobs))
    scheduler.start()
    try:
        _wait_for(stop)
    finally:
        scheduler.shutdown(wait=True)
        for number, handler in previous.items():
            signal.signal(number, handler)
        report("event=stopped")


def _wait_for(stop: SimpleQueue[int]) -> None:
    while True:
        try:
            stop.get(timeout=LONGEST_WAIT_S)
        except Empty:
            continue
        return


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
