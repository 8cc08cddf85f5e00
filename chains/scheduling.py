"""The scheduler: seals and anchors a home at the settings' pace, while and only while it holds the lease.

``anchorline daemon`` runs it alone, ``anchorline serve`` beside its HTTP side; either may be started twice by
mistake. Then one works, and the other stands by until the lease is free. Lines of its log go to ``report``.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anchor.alerts import Alert, changes
from anchor.daemon import Beside, Job, Jobs
from anchor.errors import LeaseHeldError, LeaseLostError, SettingsError
from anchor.journal import Attempt
from anchor.lease import Lease, Leases
from anchor.lease_holder import this_process
from anchor.progress import progress, sealing_lines
from anchor.proof.errors import AnchorlineError
from anchor.stamping import Stamped
from chains.attesting import attested_line, attesting_of
from chains.home import Home
from chains.leading import held
from chains.sealing import seal
from chains.settings import EMBEDDED
from chains.sources import source_warnings
from chains.webhooks import deliver

if TYPE_CHECKING:
    from chains.tracing import Traces

# A submission that failed is tried again so often; calendars are asked what is complete far less often.
ATTEST_EVERY_S = 60
# News is told within seconds; where nobody is to be told, a look reads one row.
TELL_EVERY_S = 5
# Who stands by looks so often whether the lease is free; it reads one row.
LOOK_EVERY_S = 1.0

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a scheduler works now, and under which fence (the number of its newest lease; 0: it never had one)."""

    leads: bool
    fence: int


class Scheduler:
    """Seals and anchors one home on threads of its own, between ``start`` and ``stop``; also as ``with``.

    ``home`` is used by nobody else meanwhile, and is the caller's to close afterwards. ``work`` is the name of the
    command that runs it: whoever finds the lease taken is told it. It takes no signals.
    """

    def __init__(self, home: Home, report: Report, work: str, traces: "Traces | None" = None) -> None:
        self._home = home
        self._traces = traces
        if traces is not None:
            home.watch_source = traces.source
        self._report = report
        self._holder = this_process(work, stays=True)
        self._leases = Leases(home.engine)
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._standing = Standing(leads=False, fence=0)
        self._thread = threading.Thread(target=self._run, name="scheduler")

    def __enter__(self) -> "Scheduler":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def standing(self) -> Standing:
        """Where it stands now; any thread may ask."""
        return self._standing

    def start(self) -> None:
        """Begin, and return at once.

        Raises SettingsError where the wallet's key cannot be opened: a scheduler that cannot sign should not seem to
        run until the first anchor is due.
        """
        self._home.open_signer()
        for warning in source_warnings(self._home.settings, self._home.network):
            self._report(f"warning: {warning}")
        self._thread.start()

    def stop(self) -> None:
        """Finish the job that runs, give the lease back, and end; may be repeated."""
        self._stopping.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join()

    # --- the lease

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                lease = self._next_lease()
                if lease is not None:
                    self._lead(lease)
            except AnchorlineError as error:
                self._report(f"event=failed job=lease error={type(error).__name__} message={str(error)!r}")
                self._stopping.wait(LOOK_EVERY_S)
            except Exception as error:  # noqa: BLE001  # a fault in one round must not end sealing and anchoring
                self._report(f"event=fault job=lease error={type(error).__name__} message={str(error)!r}")
                self._stopping.wait(LOOK_EVERY_S)

    def _next_lease(self) -> Lease | None:
        """Wait for the lease, and take it; None where this is to stop before."""
        found, since_s, said = self._leases.read(), time.monotonic(), 0
        while not self._stopping.is_set():
            watched = found, int((time.monotonic() - since_s) * 1000)
            try:
                term_ms = self._home.settings.lease_s * 1000
                return self._leases.take(self._holder, self._home.clock(), term_ms, watched=watched)
            except LeaseHeldError as error:
                now_held = self._leases.read()
                if said != now_held.fence:
                    self._report(f"event=standby fence={now_held.fence} message={str(error)!r}")
                    said = now_held.fence
            if now_held != found:
                found, since_s = now_held, time.monotonic()
            self._stopping.wait(LOOK_EVERY_S)
        return None

    def _lead(self, lease: Lease) -> None:
        """Work under a lease until it is lost, or this is to stop."""
        lost = threading.Event()

        def lose() -> None:
            lost.set()
            self._woken.set()

        self._report(f"event=leading fence={lease.fence}")
        with held(self._home, lease, lose), self._jobs(lose) as jobs:
            self._standing = Standing(leads=True, fence=lease.fence)
            self._finish_erasures()
            try:
                with Jobs(jobs, self._report):
                    while not lost.is_set() and not self._stopping.is_set():
                        self._woken.wait()
                        self._woken.clear()
            finally:
                self._standing = Standing(leads=False, fence=lease.fence)
        # Whoever leads now needs it: the embedded regtest is one process's alone.
        self._home.close_source()
        if lost.is_set():
            self._report(f"event=lease-lost fence={lease.fence}")

    def _finish_erasures(self) -> None:
        """Finish what a crash left of an erasure before anything else; each seal tries again what fails here."""
        try:
            self._home.finish_erasures()
        except AnchorlineError as error:
            self._report(f"event=failed job=erase error={type(error).__name__} message={str(error)!r}")

    # --- the jobs

    @contextmanager
    def _jobs(self, on_loss: Callable[[], None]) -> Iterator[dict[str, Job]]:
        """Yield the jobs of one lease; what they remember ends with it."""
        home, settings = self._home, self._home.settings
        jobs: dict[str, Job] = {
            "seal": (self._sealing, settings.seal_every_s),
            "tick": (Ticking(home, self._report), settings.tick_every_s),
        }
        stamping = home.stamping
        if stamping is not None:
            jobs["stamp"] = (lambda: self._say(map(stamp_line, stamping.tick(home.clock()))), settings.tick_every_s)
        with _attesting_beside(home, self._report) as start, self._telling_beside() as tell:
            if start is not None:
                jobs["attest"] = (start, ATTEST_EVERY_S)
            jobs["tell"] = (tell, TELL_EVERY_S)
            yield {
                name: (_stepping_down(self._traced(name, work), on_loss), every_s)
                for name, (work, every_s) in jobs.items()
            }

    def _traced(self, name: str, work: Callable[[], object]) -> Callable[[], object]:
        return work if self._traces is None else self._traces.job(name, work)

    @contextmanager
    def _telling_beside(self) -> Iterator[Callable[[], None]]:
        """Yield what starts a round of webhooks on a thread of its own: receivers hold up no seal and no anchor."""
        home = self._home

        def tell() -> None:
            for webhook, delivery, sent in deliver(home.webhooks, home.directory.log.log_id, home.clock):
                came = f"status={sent.status}" if sent.status is not None else f"cause={sent.cause!r}"
                self._report(f"event=told webhook={webhook.webhook_id} number={delivery.event_no} {came}")

        beside = Beside("tell", tell, self._report)
        try:
            yield beside.start
        finally:
            beside.close()

    def _sealing(self) -> None:
        home = self._home
        self._say(sealing_lines(seal(home)))
        home.after_seal()

    def _say(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._report(line)


class Ticking:
    """A tick at each call; it remembers what the last one saw, so that each change is one line."""

    def __init__(self, home: Home, report: Report) -> None:
        self._home = home
        self._report = report
        self._watched: Iterable[Attempt] = home.journal.watched()
        self._alerts: Iterable[Alert] = ()

    def __call__(self) -> None:
        """Tick once; on the embedded regtest a block is mined before, since nobody else does."""
        home = self._home
        if home.settings.source == EMBEDDED:
            mine(home, 1)
        done = home.anchoring.tick(home.clock())
        for line in [*progress(self._watched, done.attempts), *changes(self._alerts, done.alerts)]:
            self._report(line)
        self._watched, self._alerts = done.attempts, done.alerts


def mine(home: Home, count: int) -> None:
    """Mine blocks that pay to the wallet; raise SettingsError where Bitcoin is not the embedded regtest."""
    source_mine = getattr(home.source, "mine", None)
    if source_mine is None:
        raise SettingsError("--mine works on the embedded regtest only: elsewhere others mine")
    source_mine(count, home.wallet.script)


def stamp_line(item: Stamped) -> str:
    """Return one question to an authority that has ended as a line of key=value."""
    said = f"authority={item.authority} checkpoint_size={item.checkpoint_size}"
    return f"event=time-stamp-failed {said} cause={item.cause!r}" if item.cause else f"event=time-stamp {said}"


def _stepping_down(work: Callable[[], object], on_loss: Callable[[], None]) -> Callable[[], None]:
    """Return the same job, which says at once where it was refused because another process has the lease."""

    def job() -> None:
        try:
            work()
        except LeaseLostError:
            on_loss()
            raise

    return job


@contextmanager
def _attesting_beside(home: Home, report: Report) -> Iterator[Callable[[], None] | None]:
    """Yield what starts a run of attesting on a thread of its own, or None without calendars; end it at the end."""
    with attesting_of(home) as attesting:
        if attesting is None:
            yield None
            return

        def attest_and_say() -> None:
            for item in attesting.run(home.clock()):
                report(f"event=attest {attested_line(item)}")

        beside = Beside("attest", attest_and_say, report)
        try:
            yield beside.start
        finally:
            attesting.stop()
            beside.close()
