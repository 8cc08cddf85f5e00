"""The group commit: what waits is committed together, answered in order, and never lost or answered too early."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from anchor.errors import OverloadedError, StorageFullError
from chains.group_commit import GroupCommit, Size

SOON_S = 60


class Gate:
    """A commit that a test holds back: it notes each group, and returns it doubled."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.leave = threading.Semaphore(0)

    def __call__(self, group: list[int]) -> list[int]:
        self.groups.append(group)
        self.entered.release()
        assert self.leave.acquire(timeout=SOON_S)
        if -1 in group:
            raise StorageFullError("no space left")
        return [2 * item for item in group]

    def let(self, groups: int) -> None:
        """Let so many commits through."""
        self.leave.release(groups)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def start(gate: Gate) -> Iterator[Callable[..., GroupCommit[int, int]]]:
    """Start group commits, and stop them at the end."""
    started = []

    def start_one(**limits: int) -> GroupCommit[int, int]:
        started.append(GroupCommit(gate, **limits))
        return started[-1]

    yield start_one
    gate.let(100)
    for each in started:
        each.stop()


@pytest.fixture
def start_with() -> Iterator[Callable[..., GroupCommit[int, int]]]:
    """Start group commits of a test's own, and stop them at the end."""
    started = []

    def start_one(commit: Callable[[list[int]], list[int]], **limits: int) -> GroupCommit[int, int]:
        started.append(GroupCommit(commit, **limits))
        return started[-1]

    yield start_one
    for each in started:
        each.stop()


def answers(futures: list["Future[int]"]) -> list[Any]:
    """Return the answers, or the errors in their places."""
    return [future.exception(SOON_S) or future.result() for future in futures]


def test_what_comes_during_a_commit_is_the_next_group(gate: Gate, start: Callable[..., GroupCommit[int, int]]) -> None:
    """The first is committed alone and at once; everything behind it together; answers come in order."""
    commits = start()
    first = commits.submit(1)
    assert gate.entered.acquire(timeout=SOON_S)
    rest = [commits.submit(item) for item in (2, 3, 4)]
    assert not first.done()
    gate.let(2)
    assert [2, 4, 6, 8] == answers([first, *rest])
    assert [[1], [2, 3, 4]] == gate.groups


def test_a_group_is_not_larger_than_allowed(gate: Gate, start: Callable[..., GroupCommit[int, int]]) -> None:
    """What is left over is the following group."""
    commits = start(most_together=2)
    first = commits.submit(0)
    assert gate.entered.acquire(timeout=SOON_S)
    rest = [commits.submit(item) for item in range(1, 6)]
    gate.let(4)
    assert [0, 2, 4, 6, 8, 10] == answers([first, *rest])
    assert [[0], [1, 2], [3, 4], [5]] == gate.groups


def test_a_failed_commit_fails_its_own_group_only(gate: Gate, start: Callable[..., GroupCommit[int, int]]) -> None:
    """The error is everybody's answer in that group; the next group is committed as ever."""
    commits = start(most_together=2)
    first = commits.submit(0)
    assert gate.entered.acquire(timeout=SOON_S)
    rest = [commits.submit(item) for item in (-1, 1, 2)]
    gate.let(3)
    found = answers([first, *rest])
    assert [0, 4] == [found[0], found[3]]
    assert [StorageFullError, StorageFullError] == [type(item) for item in found[1:3]]


def test_too_much_that_waits_is_refused(gate: Gate, start: Callable[..., GroupCommit[int, int]]) -> None:
    """Beyond the limit nothing is queued; once something was taken there is room again."""
    commits = start(most_waiting=2)
    futures = [commits.submit(0)]
    assert gate.entered.acquire(timeout=SOON_S)
    futures += [commits.submit(1), commits.submit(2)]
    with pytest.raises(OverloadedError, match="at most 2 entries"):
        commits.submit(3)
    gate.let(1)
    assert gate.entered.acquire(timeout=SOON_S)
    futures.append(commits.submit(4))
    gate.let(2)
    assert [0, 2, 4, 8] == answers(futures)


def test_work_that_is_taken_back_while_it_waits_is_not_committed(
    gate: Gate, start: Callable[..., GroupCommit[int, int]]
) -> None:
    """A client that left before its turn leaves no entry; one whose turn has come gets one."""
    commits = start()
    first = commits.submit(1)
    assert gate.entered.acquire(timeout=SOON_S)
    assert not first.cancel()
    left, stayed, alone = commits.submit(2), commits.submit(3), commits.submit(4)
    assert left.cancel()
    assert alone.cancel()
    gate.let(2)
    assert [2, 6] == answers([first, stayed])
    assert [[1], [3]] == gate.groups


def test_stopping_finishes_what_waits(gate: Gate, start: Callable[..., GroupCommit[int, int]]) -> None:
    """Queued work is committed and answered; what comes later is refused."""
    commits = start()
    futures = [commits.submit(item) for item in range(5)]
    stopping = threading.Thread(target=commits.stop)
    stopping.start()
    gate.let(5)
    stopping.join(SOON_S)
    assert not stopping.is_alive()
    assert [True] * 5 == [future.done() for future in futures]
    assert [0, 2, 4, 6, 8] == answers(futures)
    with pytest.raises(OverloadedError, match="stopping"):
        commits.submit(9)
    commits.stop()


# --- weight


def test_bytes_that_wait_are_limited_too(gate: Gate, start: Callable[..., GroupCommit[int, int]]) -> None:
    """Few pieces of many bytes are refused as many small ones are; memory stays bounded."""
    commits = start(most_waiting_bytes=100)
    futures = [commits.submit(0, Size(1, 60))]
    assert gate.entered.acquire(timeout=SOON_S)
    futures += [commits.submit(1, Size(1, 60))]
    with pytest.raises(OverloadedError, match="100 bytes to wait, 1 and 60 do"):
        commits.submit(2, Size(1, 60))
    futures += [commits.submit(3, Size(1, 40))]
    assert Size(2, 100) == commits.waiting
    gate.let(3)
    assert [0, 2, 6] == answers(futures)
    assert Size(0, 0) == commits.waiting


def test_a_commit_takes_so_many_entries_and_bytes(gate: Gate, start: Callable[..., GroupCommit[int, int]]) -> None:
    """Pieces that weigh more than a commit holds wait for the next one; one that is too large goes alone."""
    commits = start(most_together=10, most_together_bytes=100)
    futures = [commits.submit(0)]
    assert gate.entered.acquire(timeout=SOON_S)
    sizes = [Size(4, 1), Size(6, 1), Size(1, 1), Size(1, 99), Size(99, 999), Size(1, 1)]
    futures += [commits.submit(place, size) for place, size in enumerate(sizes, 1)]
    gate.let(10)
    assert [0, 2, 4, 6, 8, 10, 12] == answers(futures)
    assert [[0], [1, 2], [3, 4], [5], [6]] == gate.groups


def test_one_piece_that_is_refused_fails_alone() -> None:
    """An answer that is an error belongs to its own piece."""
    commits: GroupCommit[int, int] = GroupCommit(
        lambda group: [KeyError(item) if item == 2 else item for item in group]
    )
    futures = [commits.submit(item) for item in (1, 2, 3)]
    commits.stop()
    assert [1, KeyError, 3] == [found if isinstance(found, int) else type(found) for found in answers(futures)]


def test_who_is_given_up_is_not_committed(gate: Gate, start: Callable[..., GroupCommit[int, int]]) -> None:
    """What is being committed is answered; what waits is given up, and nothing more is taken."""
    commits = start(most_together=1)
    futures = [commits.submit(number) for number in range(3)]
    assert gate.entered.acquire(timeout=SOON_S)
    ending = threading.Thread(target=commits.abandon)
    ending.start()
    while not futures[2].cancelled():
        time.sleep(0.01)
    gate.let(1)
    ending.join(SOON_S)
    assert [[0]] == gate.groups
    assert (0, True, True) == (futures[0].result(), futures[1].cancelled(), futures[2].cancelled())
    with pytest.raises(OverloadedError):
        commits.submit(4)


def test_what_came_meanwhile_goes_along(start_with: Callable[..., GroupCommit[int, int]]) -> None:
    """A commit that had to wait takes what came since, as much as makes a commit; each is answered, in order."""
    entered, leave = threading.Semaphore(0), threading.Semaphore(0)
    groups: list[list[int]] = []

    def commit(group: list[int]) -> list[int]:
        entered.release()
        assert leave.acquire(timeout=SOON_S)
        taken = [*group, *commits.take_along()]
        groups.append(taken)
        if -1 in taken:
            raise StorageFullError("no space left")
        return [2 * item for item in taken]

    commits = start_with(commit, most_together=2)
    futures = [commits.submit(0)]
    assert entered.acquire(timeout=SOON_S)
    futures += [commits.submit(number) for number in (1, 2, 3)]
    assert futures[1].cancel()
    leave.release()
    assert entered.acquire(timeout=SOON_S)
    futures += [commits.submit(-1)]
    leave.release()
    assert [0, 4] == [futures[0].result(SOON_S), futures[2].result(SOON_S)]
    assert [StorageFullError] * 2 == [type(futures[place].exception(SOON_S)) for place in (3, 4)]
    assert [[0, 2], [3, -1]] == groups
    assert Size(0, 0) == commits.waiting
