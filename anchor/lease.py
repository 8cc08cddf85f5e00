"""The lease of sealing and anchoring: one row that says who may do both, and a fence that keeps everybody else out.

``chains.leading`` takes it for a command or the daemon, with the clock's time; ``GuardedEngine`` stands before the
database of whatever seals, signs or notes attempts, and compares the fence inside each of its transactions. So what a
process does that was paused past its lease comes to nothing, whatever clocks say (ADR 21).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from anchor.errors import LeaseHeldError, LeaseLostError
from anchor.lease_holder import Holder, has_ended
from anchor.proof.times import utc
from anchor.storage.engine import Engine, Question, Row, Value

TERM_MS = 30_000
"""How long a lease holds unless it is renewed: a pause of a virtual machine or a slow disk is shorter."""
_COLUMNS = "fence, holder, stays, host, pid, start_ticks, space, taken_at_ms, renewed_at_ms, expires_at_ms"


@dataclass(frozen=True, slots=True)
class Lease:
    """The row: ``fence`` counts the holders so far, ``holder`` is None where nobody holds it. Unix milliseconds."""

    fence: int
    holder: Holder | None
    taken_at_ms: int
    renewed_at_ms: int
    expires_at_ms: int

    @property
    def term_ms(self) -> int:
        """How long it held when it was last renewed."""
        return self.expires_at_ms - self.renewed_at_ms


def is_free(lease: Lease, now_ms: int, unchanged_ms: int = 0, ended: Callable[[Holder], bool] = has_ended) -> bool:
    """Say whether a lease may be taken over.

    Nobody holds it, its holder has provably ended, its time is over by our clock, or whoever asks has watched it
    unchanged for a whole term (``unchanged_ms``, by a clock that is never set): that needs no clock to agree with
    the holder's. If any of this is wrong the holder only loses its work: the fence keeps it out.
    """
    if lease.holder is None or lease.expires_at_ms <= now_ms or unchanged_ms >= lease.term_ms:
        return True
    return ended(lease.holder)


class Leases:
    """The lease of one database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def read(self) -> Lease:
        """Return the row as it is."""
        fence, work, stays, host, pid, ticks, space, taken, renewed, expires = self.engine.query(
            f"SELECT {_COLUMNS} FROM lease WHERE lease_no = 0"  # noqa: S608  # our own words
        )[0]
        holder = None if work is None else Holder(work, bool(stays), host, pid, ticks, space)
        return Lease(int(fence), holder, int(taken), int(renewed), int(expires))

    def take(
        self, holder: Holder, now_ms: int, term_ms: int = TERM_MS, *, watched: tuple[Lease, int] | None = None
    ) -> Lease:
        """Take the lease under the next fence, and return it.

        ``watched`` is a lease with the milliseconds for which it was seen unchanged. Raises LeaseHeldError, which
        names the holder, where it is another's and not free.
        """
        with self.engine.transaction():
            found = self.read()
            unchanged_ms = watched[1] if watched is not None and watched[0] == found else 0
            if not is_free(found, now_ms, unchanged_ms):
                raise _held(found)
            return self._store(found.fence + 1, holder, now_ms, term_ms)

    def seize(self, holder: Holder, now_ms: int, term_ms: int = TERM_MS) -> Lease:
        """Take the lease whoever holds it, in a copy of a database that nobody else can know."""
        with self.engine.transaction():
            return self._store(self.read().fence + 1, holder, now_ms, term_ms)

    def renew(self, lease: Lease, now_ms: int) -> None:
        """Let a lease hold for another term; raise LeaseLostError where somebody else has taken it since.

        One that has lapsed and was not taken is renewed: nothing has happened in between.
        """
        with self.engine.transaction():
            changed = self.engine.execute(
                "UPDATE lease SET renewed_at_ms = ?, expires_at_ms = ? "
                "WHERE lease_no = 0 AND fence = ? AND holder IS NOT NULL",
                (now_ms, now_ms + lease.term_ms, lease.fence),
            )
        if not changed:
            raise lost(lease.fence, self.read())

    def release(self, lease: Lease) -> None:
        """Give a lease back, so that nobody has to wait for its end; one that was lost stays whose it is."""
        with self.engine.transaction():
            self.engine.execute("UPDATE lease SET holder = NULL WHERE lease_no = 0 AND fence = ?", (lease.fence,))

    def check_free(self, now_ms: int) -> None:
        """Raise LeaseHeldError where somebody holds it."""
        found = self.read()
        if not is_free(found, now_ms):
            raise _held(found)

    def _store(self, fence: int, holder: Holder, now_ms: int, term_ms: int) -> Lease:
        taken = Lease(fence, holder, now_ms, now_ms, now_ms + term_ms)
        self.engine.execute(
            "UPDATE lease SET fence = ?, holder = ?, stays = ?, host = ?, pid = ?, start_ticks = ?, space = ?, "
            "taken_at_ms = ?, renewed_at_ms = ?, expires_at_ms = ? WHERE lease_no = 0",
            (
                *(fence, holder.work, int(holder.stays), holder.host, holder.pid, holder.start_ticks, holder.space),
                *(taken.taken_at_ms, taken.renewed_at_ms, taken.expires_at_ms),
            ),
        )
        return taken


class GuardedEngine:
    """An ``Engine`` whose transactions need the lease: each compares the fence, and refuses where another's is newer.

    A transaction is alone (``Engine.transaction``), so nobody takes the lease between the comparison and the commit.
    Reading needs no lease. ``lease`` is what this process holds, and None where it holds none.
    """

    def __init__(self, engine: Engine) -> None:
        self.lease: Lease | None = None
        self._engine = engine
        self._leases = Leases(engine)

    @property
    def in_transaction(self) -> bool:
        """See ``Engine.in_transaction``."""
        return self._engine.in_transaction

    @contextmanager
    def transaction(self, questions: Sequence[Question] = ()) -> Iterator[list[list[Row]]]:
        """See ``Engine.transaction``; raises LeaseLostError before anything is written."""
        with self._engine.transaction(questions) as answers:
            found, held = self._leases.read(), self.lease
            if held is None or found.fence != held.fence or found.holder is None:
                raise lost(None if held is None else held.fence, found)
            yield answers

    def query(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """See ``Engine.query``."""
        return self._engine.query(sql, values)

    def query_each(self, questions: Sequence[Question]) -> list[list[Row]]:
        """See ``Engine.query_each``."""
        return self._engine.query_each(questions)

    def execute(self, sql: str, *rows: Sequence[Value]) -> int:
        """See ``Engine.execute``."""
        return self._engine.execute(sql, *rows)

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """See ``Engine.execute_many``."""
        self._engine.execute_many(sql, rows)

    def close(self) -> None:
        """See ``Engine.close``."""
        self._engine.close()


def lost(fence: int | None, found: Lease) -> LeaseLostError:
    """Return the error for a write under ``fence`` (None: under no lease) where the row says ``found``."""
    now = "nobody holds it now" if found.holder is None else f"{found.holder} has it now, number {found.fence}"
    had = "a process that holds the lease of this home, found one without" if fence is None else f"lease {fence}"
    return LeaseLostError(f"expected {had}, and {now}; nothing was written: this process waits, or is to be stopped")


def _held(found: Lease) -> LeaseHeldError:
    holder = found.holder
    assert holder is not None
    advice = (
        "it seals and anchors by itself; stop it if you want to do that by hand"
        if holder.stays
        else "wait for its end, and try again"
    )
    return LeaseHeldError(
        f"another process holds the lease of this home: {holder}, since {utc(found.taken_at_ms)}, until "
        f"{utc(found.expires_at_ms)} unless it is renewed; {advice}. If it is gone for good, the lease lapses then",
        stays=holder.stays,
    )
