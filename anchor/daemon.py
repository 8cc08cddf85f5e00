"""The daemon: jobs at their pace, until a signal says stop; no rules of its own.

``cli.py`` hands in what to do and how often. A job that fails is reported and runs again at its next time: every
job keeps its state in the database, so running it again is the ordinary path.
"""

import signal
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from anchor.proof.errors import AnchorlineError

Job = tuple[Callable[[], object], int]
"""What to do, and every how many seconds."""


def run(jobs: Mapping[str, Job], report: Callable[[str], None]) -> None:
    """Run jobs until SIGINT or SIGTERM; the one that is running then is finished first.

    One thread runs them all, one after the other: sealing and anchoring never overlap in one process. A job that
    comes late runs once, however often it was due.
    """
    stop = threading.Event()
    previous = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(1)})
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
    scheduler.start()
    report("event=started jobs=" + ",".join(jobs))
    try:
        stop.wait()
    finally:
        scheduler.shutdown(wait=True)
        for number, handler in previous.items():
            signal.signal(number, handler)
        report("event=stopped")


def _reported(name: str, work: Callable[[], object], report: Callable[[str], None]) -> Callable[[], None]:
    def job() -> None:
        try:
            work()
        except AnchorlineError as error:
            report(f"event=failed job={name} error={type(error).__name__} message={str(error)!r}")
        else:
            report(f"event=done job={name}")

    return job
