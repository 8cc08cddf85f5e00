"""Group commit: one writer thread takes whatever is waiting, commits it as one, and then answers all of it.

Work comes from many clients of the web layer; the thread is the only one that touches the writer's ``Trees`` and
``Lookup``. Without a timer: under load a commit takes what came during the one before, alone it starts at once.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from anchor.errors import OverloadedError

Work = TypeVar("Work")
Done = TypeVar("Done")

MOST_WAITING = 20_000
"""Entries that wait before more is refused: seconds of work, so that no client waits for minutes."""
MOST_TOGETHER = 2_000
"""Entries in one commit: larger ones cost the first of them more than they save the rest."""
MOST_WAITING_BYTES = 128 * 2**20
"""Bytes that wait before more is refused: what this costs in memory."""
MOST_TOGETHER_BYTES = 16 * 2**20
"""Bytes in one commit: the write-ahead log has to hold them."""


@dataclass(frozen=True, slots=True)
class Size:
    """What a piece of work weighs: entries, and bytes in memory."""

    entries: int = 1
    bytes: int = 0

    def __add__(self, other: "Size") -> "Size":
        return Size(self.entries + other.entries, self.bytes + other.bytes)

    def __sub__(self, other: "Size") -> "Size":
        return Size(self.entries - other.entries, self.bytes - other.bytes)

    def within(self, limit: "Size") -> bool:
        """Say whether neither number is above the limit's."""
        return self.entries <= limit.entries and self.bytes <= limit.bytes


_NOTHING = Size(0, 0)
_ONE = Size()
_MOST_WAITING = Size(MOST_WAITING, MOST_WAITING_BYTES)


def check_room(
    waiting: Size, entries: int, byte_count: int, most: Size = _MOST_WAITING, *, is_stopped: bool = False
) -> None:
    """Raise OverloadedError where so much waits that so many entries and bytes more are refused, or where all is.

    A piece that is larger than the limits by itself is taken when nothing waits.
    """
    if is_stopped:
        raise OverloadedError("expected a service that runs, this one is stopping; try again soon")
    # By numbers: it is asked for each request, and a sum that is a Size costs more than all else here.
    is_over = waiting.entries + entries > most.entries or waiting.bytes + byte_count > most.bytes
    if is_over and waiting != _NOTHING:
        raise OverloadedError(
            f"expected at most {most.entries} entries and {most.bytes} bytes to wait, {waiting.entries} and "
            f"{waiting.bytes} do; try again soon"
        )


def is_full(waiting: Size, most: Size = _MOST_WAITING) -> bool:
    """Say whether so much waits that more would be refused."""
    return not waiting.within(most - _ONE)


def _begun(taken: "list[tuple[Work, Future[Done]]]") -> "list[tuple[Work, Future[Done]]]":
    """Return what is to be done: all but what was given up while it waited."""
    return [(work, future) for work, future in taken if future.set_running_or_notify_cancel()]


def _set_answers(answered: "Sequence[tuple[Future[Done], Done | BaseException]]") -> None:
    for future, answer in answered:
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)


class GroupCommit(Generic[Work, Done]):
    """Commits work of many threads on a thread of its own; ``stop`` it.

    ``commit`` makes a group durable and returns an answer for each piece, in order; an answer that is an exception is
    raised to that piece's caller alone. What ``commit`` raises is the answer to the whole group, of which it must then
    have kept nothing.
    """

    def __init__(
        self,
        commit: Callable[[list[Work]], Sequence[Done | BaseException]],
        *,
        most_waiting: int = MOST_WAITING,
        most_together: int = MOST_TOGETHER,
        most_waiting_bytes: int = MOST_WAITING_BYTES,
        most_together_bytes: int = MOST_TOGETHER_BYTES,
    ) -> None:
        self._commit = commit
        self._most_waiting = Size(most_waiting, most_waiting_bytes)
        self._most_together = Size(most_together, most_together_bytes)
        self._waiting: deque[tuple[Work, Future[Done], Size]] = deque()
        self._size = _NOTHING
        self._news = threading.Condition()
        self._is_stopped = False
        self._under_way: list[tuple[Work, Future[Done]]] = []
        self._thread = threading.Thread(target=self._run, name="group-commit")
        self._thread.start()

    @property
    def waiting(self) -> Size:
        """What waits now."""
        return self._size

    @property
    def is_full(self) -> bool:
        """Whether so much waits that more would be refused."""
        return is_full(self._size, self._most_waiting)

    def submit(self, work: Work, size: Size = _ONE) -> "Future[Done]":
        """Queue a piece of work; its answer comes after the commit that made it durable.

        Raises OverloadedError where too much is waiting, or where this was stopped; a piece that is larger than the
        limits by itself is taken when nothing waits. A future that is cancelled while its work waits takes that work
        back; afterwards it cannot be cancelled.
        """
        future: Future[Done] = Future()
        with self._news:
            self.check_room(size.entries, size.bytes)
            self._waiting.append((work, future, size))
            self._size += size
            self._news.notify()
        return future

    def check_room(self, entries: int, byte_count: int) -> None:
        """Raise OverloadedError where a piece of this size would be refused now."""
        check_room(self._size, entries, byte_count, self._most_waiting, is_stopped=self._is_stopped)

    def stop(self) -> None:
        """Take no more work, finish what waits, and end the thread; may be repeated."""
        with self._news:
            self._is_stopped = True
            self._news.notify()
        self._thread.join()

    def abandon(self) -> None:
        """Take no more work, give up what waits, of which nothing is kept then, and end the thread."""
        with self._news:
            for _, future, _ in self._waiting:
                future.cancel()
            self._waiting.clear()
            self._size = _NOTHING
        self.stop()

    def take_along(self) -> list[Work]:
        """Return what came since the commit under way took its work, which goes with it then: for ``commit`` to call.

        It gets its answers behind those of the others; as much as makes a commit by itself.
        """
        with self._news:
            taken = self._take() if self._waiting else []
        further = _begun(taken)
        self._under_way += further
        return [work for work, _ in further]

    def _run(self) -> None:
        while group := self._next_group():
            self._under_way = group
            try:
                answers = self._commit([work for work, _ in group])
            except BaseException as error:  # noqa: BLE001  # whatever it is belongs to those who wait for an answer
                answers = [error] * len(group)
            _set_answers([(future, answer) for (_, future), answer in zip(group, answers, strict=True)])

    def _next_group(self) -> list[tuple[Work, "Future[Done]"]]:
        """Wait for work; return some of it, or nothing once stopped and done."""
        group: list[tuple[Work, Future[Done]]] = []
        while not group:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._is_stopped)
                if not self._waiting:
                    return []
                taken = self._take()
            group = _begun(taken)
        return group

    def _take(self) -> list[tuple[Work, "Future[Done]"]]:
        """Take the first piece, and those after it that fit."""
        taken: list[tuple[Work, Future[Done]]] = []
        total = _NOTHING
        while self._waiting and (not taken or (total + self._waiting[0][2]).within(self._most_together)):
            work, future, size = self._waiting.popleft()
            taken.append((work, future))
            total += size
        self._size -= total
        return taken
