"""Where what clients handed in is committed: on a thread of this process, or (``commits_beside``) in a process beside.

``chains.web.writing`` submits it under a number and is told what became of each number, in the event loop.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from chains.group_commit import GroupCommit, Size
from chains.web.committing import Committing, Given

Answers = Sequence[Sequence[Any]]
"""The answers to each piece that was submitted together, in order; an answer may be an error."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one group commit, by the numbers of what it took; how many entries are new, and how long it took.

    ``error`` is why nothing of the group was kept: then there are no answers.
    """

    numbers: Sequence[int]
    answers: Sequence[Answers]
    new_entries: int = 0
    took_s: float = 0.0
    error: BaseException | None = None


Deliver = Callable[[Delivered], None]


class Submitted(NamedTuple):
    """Pieces that were submitted together."""

    number: int
    given: list[Given]


class Commits(Protocol):
    """Takes what is to be committed; used in the event loop."""

    @property
    def waiting(self) -> Size:
        """What waits now."""

    @property
    def is_full(self) -> bool:
        """Whether so much waits that more would be refused."""

    def check_room(self, entries: int, byte_count: int) -> None:
        """Raise OverloadedError where a piece of this size would be refused now."""

    def submit(self, number: int, given: list[Given], size: Size) -> None:
        """Take pieces; raise OverloadedError where there is no room, or where this was stopped."""

    def stop(self) -> None:
        """Take no more, and commit what waits; may be repeated."""


class CommitsHere:
    """Commits on a thread of this process, which hands what became of it to ``deliver``; ``stop`` it.

    ``around`` is entered for each group commit, with the numbers of what it takes. ``deliver`` must not raise.
    """

    def __init__(
        self,
        committing: Committing,
        deliver: Deliver,
        around: Callable[[list[int]], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        self._committing = committing
        self._deliver = deliver
        self._around = around
        self._groups: GroupCommit[Submitted, None] = GroupCommit(self._commit)

    @property
    def waiting(self) -> Size:
        """What waits now."""
        return self._groups.waiting

    @property
    def is_full(self) -> bool:
        """Whether so much waits that more would be refused."""
        return self._groups.is_full

    def check_room(self, entries: int, byte_count: int) -> None:
        """Raise OverloadedError where a piece of this size would be refused now."""
        self._groups.check_room(entries, byte_count)

    def submit(self, number: int, given: list[Given], size: Size) -> None:
        """Take pieces; raise OverloadedError where there is no room, or where this was stopped."""
        self._groups.submit(Submitted(number, given), size)

    def stop(self) -> None:
        """Take no more, and commit what waits; may be repeated."""
        self._groups.stop()

    def abandon(self) -> None:
        """Take no more, and give up what waits: nobody is told of it."""
        self._groups.abandon()

    def _commit(self, group: list[Submitted]) -> list[None]:
        def take_along() -> list[Given]:
            further = self._groups.take_along()
            group.extend(further)
            return [given for each in further for given in each.given]

        try:
            with self._around([each.number for each in group]):
                committed = self._committing.commit([given for each in group for given in each.given], take_along)
            answers, at = [], 0
            for each in group:
                answers.append(committed.answers[at : at + len(each.given)])
                at += len(each.given)
            delivered = Delivered(_numbers(group), answers, committed.new_entries, committed.took_s)
        except BaseException as error:  # noqa: BLE001  # whatever it is belongs to those who wait for an answer
            delivered = Delivered(_numbers(group), [], error=error)
        self._deliver(delivered)
        return [None] * len(group)


def _numbers(group: list[Submitted]) -> list[int]:
    return [each.number for each in group]
