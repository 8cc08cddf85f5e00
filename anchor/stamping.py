"""Time stamps for every checkpoint that is anchored: who is asked when, without ever holding up an anchor.

Authorities come from the settings, checkpoints from the journal's attempts; tokens go to ``anchor.timestamps``. Each
question runs on a thread of its own and touches no database, so that a slow authority costs nobody else any time; an
answer is stored by the next ``tick``. A crash before that costs a repeated question.
"""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from anchor.directory import Directory
from anchor.errors import TimestampError
from anchor.proof.bitcoin.payload import encode_payload
from anchor.storage.engine import Engine
from anchor.timestamp_authority import TimestampAuthority
from anchor.timestamps import Failure, Timestamps

# A time stamp that comes a day later says little; and nobody is asked for years of them when he is first named.
LATEST_MS = 24 * 60 * 60 * 1000
FIRST_WAIT_MS = 60 * 1000
LONGEST_WAIT_MS = 60 * 60 * 1000
# As many attempts as a day can have at the shortest pace that makes sense.
_ATTEMPTS = 256


@dataclass(frozen=True, slots=True)
class Stamped:
    """What became of one question: a token was kept, or ``cause`` says why not."""

    authority: str
    checkpoint_size: int
    cause: str = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    authority: str
    checkpoint_size: int
    token: bytes | None
    cause: str = ""


def next_size(sizes: Sequence[int], stamped: Collection[int], failures: Sequence[Failure], now_ms: int) -> int | None:
    """Return which checkpoint to ask one authority about now: the newest that it has not stamped, or None.

    ``failures`` are those since its last token, newest first: after the n-th it is left alone for 2^(n-1) minutes, at
    most an hour.
    """
    if failures and now_ms - failures[0].at_ms < min(FIRST_WAIT_MS << (len(failures) - 1), LONGEST_WAIT_MS):
        return None
    return max((size for size in sizes if size not in stamped), default=None)


@dataclass
class Stamping:
    """Asks authorities about the checkpoints of one log; ``tick`` is called as often as the anchors are looked at."""

    engine: Engine
    directory: Directory
    authorities: Sequence[TimestampAuthority]
    _asked: set[str] = field(default_factory=set)
    _answers: "SimpleQueue[_Answer]" = field(default_factory=SimpleQueue)

    def tick(self, now_ms: int, wait_s: float = 0.0) -> list[Stamped]:
        """Store the answers that have come, and ask whoever is to be asked now; one question at a time each.

        Waits up to ``wait_s`` for each answer that is still to come; what comes later, the next tick stores.
        """
        done = self._store(now_ms, 0.0)
        sizes = self._anchored_sizes(now_ms)
        for authority in self.authorities:
            size = self._due(authority, sizes, now_ms)
            if size is not None:
                self._ask(authority, size)
        return done + (self._store(now_ms, wait_s) if wait_s else [])

    def _anchored_sizes(self, now_ms: int) -> list[int]:
        """Return the checkpoints for which anchors were made within a day."""
        rows = self.engine.query(
            "SELECT checkpoint_size, made_at_ms FROM attempt ORDER BY attempt_no DESC LIMIT ?", (_ATTEMPTS,)
        )
        return [int(size) for size, made_at_ms in rows if now_ms - made_at_ms <= LATEST_MS]

    def _due(self, authority: TimestampAuthority, sizes: Sequence[int], now_ms: int) -> int | None:
        if authority.url in self._asked or not sizes:
            return None
        kept = Timestamps(self.engine)
        stamped = kept.stamped_by(authority.url, min(sizes))
        return next_size(sizes, stamped, kept.failures(authority.url), now_ms)

    def _ask(self, authority: TimestampAuthority, size: int) -> None:
        checkpoint = self.directory.checkpoint_of(size)
        if checkpoint is None:
            return
        payload = encode_payload(checkpoint.size, checkpoint.root)
        self._asked.add(authority.url)
        # A daemon thread: a process that ends does not wait for an authority.
        asking = threading.Thread(target=self._answer, args=(authority, size, payload), daemon=True)
        asking.start()

    def _answer(self, authority: TimestampAuthority, size: int, payload: bytes) -> None:
        """Put the answer into the queue, whatever happens: an authority without answer would never be asked again."""
        answer = _Answer(authority.url, size, None, "the question ended without an answer; this is a fault")
        try:
            answer = _Answer(authority.url, size, authority.ask(payload))
        except TimestampError as error:
            answer = _Answer(authority.url, size, None, str(error))
        finally:
            self._answers.put(answer)

    def _store(self, now_ms: int, wait_s: float) -> list[Stamped]:
        kept, done = Timestamps(self.engine), []
        while self._asked:
            try:
                answer = self._answers.get(timeout=wait_s) if wait_s else self._answers.get_nowait()
            except Empty:
                break
            if answer.token is None:
                kept.note_failure(answer.authority, now_ms, answer.cause)
            else:
                kept.keep(answer.checkpoint_size, answer.authority, answer.token, now_ms)
            self._asked.discard(answer.authority)
            done.append(Stamped(answer.authority, answer.checkpoint_size, answer.cause))
        return done
