"""Holding a home's lease for as long as something seals, anchors or mends: taken, renewed beside the work, given back.

Commands take it for their run with ``leading``; ``chains.scheduling`` holds it while its jobs run.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from anchor.errors import LeaseHeldError, LeaseLostError, StorageError
from anchor.lease import Lease, Leases
from anchor.lease_holder import this_process
from chains.home import Home

WAIT_S = 10.0
"""So long a command waits for another one to end: a seal or a tick takes seconds."""
_LOOK_EVERY_S = 0.1
# A lease that is renewed so often survives two renewals that fail (a database that is busy for a moment).
RENEWALS_A_TERM = 3


@contextmanager
def leading(home: Home, work: str, wait_s: float = WAIT_S) -> Iterator[Lease]:
    """Hold the lease of a home for ``work``, the name of a command; give it back at the end.

    Raises LeaseHeldError where another process holds it for longer than ``wait_s``, and at once where that process
    stays (a daemon).
    """
    lease = _taken(home, work, wait_s)
    with held(home, lease, lambda: None):
        yield lease


@contextmanager
def leading_copy(home: Home, work: str) -> Iterator[Lease]:
    """Hold the lease of a copy that is being made, and that nobody else can know: it is taken from whoever is in it."""
    lease = Leases(home.engine).seize(this_process(work, stays=False), home.clock(), home.settings.lease_s * 1000)
    with held(home, lease, lambda: None):
        yield lease


@contextmanager
def held(home: Home, lease: Lease, on_loss: Callable[[], None]) -> Iterator[None]:
    """Let a home write under a lease that was just taken, renew it beside the work, and give it back at the end.

    ``on_loss`` is called, on another thread, where a renewal finds that somebody else has it.
    """
    home.lead(lease)
    renewing = Renewing(home, lease, on_loss)
    try:
        yield
    finally:
        renewing.stop()
        home.lead(None)
        # What cannot be given back (a full disk) lapses; an error of the work itself says more.
        with suppress(StorageError):
            Leases(home.engine).release(lease)


class Renewing:
    """Renews a lease on a thread of its own until it is stopped, or the lease is lost."""

    def __init__(self, home: Home, lease: Lease, on_loss: Callable[[], None]) -> None:
        self._home = home
        self._lease = lease
        self._on_loss = on_loss
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; may be repeated."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        leases = Leases(self._home.engine)
        while not self._stopped.wait(self._lease.term_ms / 1000 / RENEWALS_A_TERM):
            try:
                leases.renew(self._lease, self._home.clock())
            except LeaseLostError:
                self._on_loss()
                return
            except StorageError:
                continue  # tried again; if it goes on for a term, another process may take over


def _taken(home: Home, work: str, wait_s: float) -> Lease:
    leases, holder = Leases(home.engine), this_process(work, stays=False)
    end_s = time.monotonic() + wait_s
    while True:
        try:
            return leases.take(holder, home.clock(), home.settings.lease_s * 1000)
        except LeaseHeldError as error:
            if error.stays or time.monotonic() >= end_s:
                raise
        time.sleep(_LOOK_EVERY_S)
