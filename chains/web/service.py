"""The running service: what its operations need, put together once and closed at the end.

``chains.web.serving_api`` makes it; the operations that run in the event loop get it.
"""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from chains.access_notes import Note
from chains.home import Home
from chains.metrics import registry_of
from chains.quotas import Quotas
from chains.settings import Limits
from chains.web.commits import Commits, Deliver
from chains.web.drawing import Drawing
from chains.web.exporting import Exporting
from chains.web.limits import BATCH_BYTES, submission_bytes
from chains.web.listeners import Listeners
from chains.web.noting import Noting
from chains.web.rooms import Rooms
from chains.web.writing import Writing

if TYPE_CHECKING:
    from chains.tracing import Traces

PREPARING_THREADS = 1
CHECKING_THREADS = min(len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1, 8)
"""Threads that check signatures for the one that prepares: libsodium computes without Python's lock."""


class Service:
    """Reading threads, what notes their reading, the group commit, and a thread for what takes long; ``close`` it.

    ``home`` writes, and is the caller's to close afterwards; ``tip_height`` is asked when a tick was done beside it.
    ``beside`` is where entries are committed, if not here (``Writing``).
    """

    def __init__(
        self,
        home: Home,
        report: Callable[[str], None],
        tip_height: Callable[[], int] | None = None,
        traces: "Traces | None" = None,
        beside: Callable[[Deliver], Commits] | None = None,
    ) -> None:
        self.registry, counts = registry_of(home.folder, home.clock)
        self.report = counts.counting(report, tip_height)
        self.limits: Limits = home.settings.limits
        self.clock = home.clock
        self.document = b""
        # A batch holds at least one content of the largest size.
        self.batch_bytes = max(BATCH_BYTES, submission_bytes(self.limits.content_bytes))
        home.content_keys.open_now(home.chains.next_seq())
        self.rooms = Rooms(home.folder, home.clock, tip_height=lambda: counts.tip_height, noted=self._noted)
        # One count of what each organisation used: of what it writes, and of what it erases.
        quotas = Quotas()
        self.office = Rooms(home.folder, home.clock, threads=1, noted=self._noted, beside=home, quotas=quotas)
        """Where accounts are changed and contents erased: one after the other, beside those who read."""
        self.changes = home.database.watch()
        # Behind all that may fail, as descriptors run out: both have a thread that only ``close`` ends.
        self.noting = Noting(home.folder, home.clock, self.report, beside=home)
        self.writing = Writing(home, self.rooms, counts, traces, quotas=quotas, beside=beside)
        counts.watch_queue(lambda: self.writing.waiting_entries)
        self.listeners = Listeners(self.rooms)
        self.preparing = ThreadPoolExecutor(PREPARING_THREADS, "preparing")
        self.judging = ThreadPoolExecutor(CHECKING_THREADS, "judging")
        """Where entries that clients made are judged: one request waits for its signatures, while another is read."""
        self.checking = ThreadPoolExecutor(CHECKING_THREADS, "checking") if CHECKING_THREADS > 1 else None
        self.drawing = Drawing()
        self.exporting = Exporting(home.folder, home.clock)

    async def _noted(self, notes: list[Note]) -> None:
        await self.noting.note(notes)

    def close(self) -> None:
        """Commit and answer what was taken, then end all threads."""
        self.preparing.shutdown()
        self.judging.shutdown()
        if self.checking is not None:
            self.checking.shutdown()
        self.drawing.close()
        self.exporting.close()
        self.writing.stop()
        self.office.close()
        self.rooms.close()
        self.noting.close()
        self.changes.close()
