"""Group commit: one writer thread takes whatever is waiting, commits it as one, and then answers all of it.

Work comes from many clients of the web layer; the thread is the only one that touches the writer's ``Trees`` and
``Lookup``. Without a timer: under load a commit takes what came during the one before, alone it starts at once.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from anchor.errors import OverloadedError

Work = TypeVar("Work")
Done = TypeVar("Done")

MOST_WAITING = 20_000
"""Pieces of work that wait before more is refused: seconds of work, so that no client waits for minutes."""
MOST_TOGETHER = 2_000
"""Pieces of work in one commit: larger ones cost the first of them more than they save the rest."""


class GroupCommit(Generic[Work, Done]):
    """Commits work of many threads on a thread of its own; ``stop`` it.

    ``commit`` makes a group durable and returns an answer for each piece, in order. What it raises is the answer to
    the whole group, of which it must then have kept nothing.
    """

    def __init__(
        self,
        commit: Callable[[list[Work]], Sequence[Done]],
        *,
        most_waiting: int = MOST_WAITING,
        most_together: int = MOST_TOGETHER,
    ) -> None:
        self._commit = commit
        self._most_waiting = most_waiting
        self._most_together = most_together
        self._waiting: deque[tuple[Work, Future[Done]]] = deque()
        self._news = threading.Condition()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="group-commit")
        self._thread.start()

    def submit(self, work: Work) -> "Future[Done]":
        """Queue a piece of work; its answer comes after the commit that made it durable.

        Raises OverloadedError where too much is waiting, or where this was stopped. A future that is cancelled while
        its work waits takes that work back; afterwards it cannot be cancelled.
        """
        future: Future[Done] = Future()
        with self._news:
            if self._is_stopped:
                raise OverloadedError("expected a service that runs, this one is stopping; try again soon")
            if len(self._waiting) >= self._most_waiting:
                raise OverloadedError(
                    f"expected at most {self._most_waiting} pieces of work to wait, so many do; try again soon"
                )
            self._waiting.append((work, future))
            self._news.notify()
        return future

    def stop(self) -> None:
        """Take no more work, finish what waits, and end the thread; may be repeated."""
        with self._news:
            self._is_stopped = True
            self._news.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._next_group():
            try:
                answers = self._commit([work for work, _ in group])
            except BaseException as error:  # noqa: BLE001  # whatever it is belongs to those who wait for an answer
                for _, future in group:
                    future.set_exception(error)
            else:
                for (_, future), answer in zip(group, answers, strict=True):
                    future.set_result(answer)

    def _next_group(self) -> list[tuple[Work, "Future[Done]"]]:
        """Wait for work; return some of it, or nothing once stopped and done."""
        group: list[tuple[Work, Future[Done]]] = []
        while not group:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._is_stopped)
                if not self._waiting:
                    return []
                count = min(len(self._waiting), self._most_together)
                taken = [self._waiting.popleft() for _ in range(count)]
            group = [(work, future) for work, future in taken if future.set_running_or_notify_cancel()]
        return group
