"""Ending a run at any place: an engine whose every statement, BEGIN and COMMIT is a numbered point to stop at.

A scenario is a function that takes an engine and a folder for what must survive outside the database; it may be run
again after any stop. ``stop_everywhere`` ends it by an exception, ``kill_everywhere`` by SIGKILL, at every point.
"""

import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from anchor.storage.engine import Engine, Question, Row, Value
from anchor.storage.house import House
from anchor.storage.sqlite import SqliteEngine
from tests.databases import on_postgres, open_engine

DATABASE = "anchorline.db"
ROOT = Path(__file__).parents[2]
Scenario = Callable[[Engine, Path], None]
Ending = Callable[[Scenario, Path, Sequence[int]], Iterator[tuple[int, Path]]]
"""``stop_everywhere`` or ``kill_everywhere``: what they leave is judged alike."""


class StoppedError(BaseException):
    """The run ended here. Not an Exception: no handler in the code under test may go on after it."""


def raise_stopped() -> None:
    """End a run by an exception."""
    raise StoppedError


def kill_self() -> None:
    """End a run as a power cut ends a process: nothing of it runs any more, not even rollbacks."""
    os.kill(os.getpid(), signal.SIGKILL)


class CrashingEngine:
    """An engine that stops at point ``stop_at`` (counted from 1; 0: never); ``points`` names those it passed.

    Each statement and each BEGIN and COMMIT is two points: it did not happen yet, and it happened and nobody heard of
    it. After the stop every call stops again, so that no clean-up reaches the database.
    """

    def __init__(self, engine: Engine, stop_at: int = 0, stop: Callable[[], None] = raise_stopped) -> None:
        self.inner = engine
        self._stop_at = stop_at
        self._stop = stop
        self.points: list[str] = []

    @property
    def in_transaction(self) -> bool:
        """See ``Engine``."""
        return self.inner.in_transaction

    @contextmanager
    def transaction(self, questions: Sequence[Question] = ()) -> Iterator[list[list[Row]]]:
        """See ``Engine``; four points."""
        self.point("before BEGIN")
        with self.inner.transaction(questions) as answers:
            self.point("after BEGIN")
            yield answers
            self.point("before COMMIT")
        self.point("after COMMIT")

    def query(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """See ``Engine``. Reading leaves no trace, so it is no point."""
        self._check_running()
        return self.inner.query(sql, values)

    def query_each(self, questions: Sequence[Question]) -> list[list[Row]]:
        """See ``Engine``."""
        self._check_running()
        return self.inner.query_each(questions)

    def execute(self, sql: str, *rows: Sequence[Value]) -> int:
        """See ``Engine``; two points."""
        self.point(f"before {sql}")
        changed = self.inner.execute(sql, *rows)
        self.point(f"after {sql}")
        return changed

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """See ``Engine``; two points."""
        self.point(f"before {sql}")
        self.inner.execute_many(sql, rows)
        self.point(f"after {sql}")

    def close(self) -> None:
        """See ``Engine``."""
        self.inner.close()

    def point(self, name: str) -> None:
        """Pass a point, or stop at it. Scenarios may add points of their own (a signature, a file, a broadcast)."""
        self._check_running()
        self.points.append(name)
        self._check_running()

    def _check_running(self) -> None:
        if self._stop_at and len(self.points) >= self._stop_at:
            self._stop()


def open_database(folder: Path) -> House:
    """Open the database of a folder, a new one where there is none, without waiting for the disk.

    An exception or a killed process, unlike a power cut, loses nothing that the operating system has taken.
    """
    path = folder / DATABASE
    if on_postgres():
        return open_engine(path)
    if not path.exists():
        path.write_bytes(_new_database())
    engine = SqliteEngine(path)
    engine.query("PRAGMA synchronous = OFF")
    return engine


@cache
def _new_database() -> bytes:
    """Return a database file that has its tables: making it takes longer than a scenario."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / DATABASE
        SqliteEngine(path).close()
        return path.read_bytes()


def points_of(scenario: Scenario, folder: Path) -> list[str]:
    """Run a scenario to its end in a new folder, and return the names of all points that it passes."""
    folder.mkdir()
    engine = CrashingEngine(open_database(folder))
    scenario(engine, folder)
    engine.close()
    return engine.points


def run_again(scenario: Scenario, folder: Path) -> None:
    """Run a scenario to its end in a folder that an earlier run left."""
    engine = CrashingEngine(open_database(folder))
    scenario(engine, folder)
    engine.close()


def stop_at(scenario: Scenario, folder: Path, point: int, stop: Callable[[], None] = raise_stopped) -> bool:
    """Run a scenario in ``folder`` (made where it is missing) until ``point``; return whether it was stopped there."""
    folder.mkdir(exist_ok=True)
    inner = open_database(folder)
    try:
        scenario(CrashingEngine(inner, point, stop), folder)
    except StoppedError:
        return True
    finally:
        inner.close()
    return False


def stop_everywhere(scenario: Scenario, folder: Path, points: Iterable[int]) -> Iterator[tuple[int, Path]]:
    """Stop a scenario by an exception at each point, and yield each point with the folder that it left."""
    for point in points:
        left = folder / f"stopped-{point}"
        if not stop_at(scenario, left, point):
            raise AssertionError(f"the scenario ended before point {point}")
        yield point, left
        shutil.rmtree(left)


def kill_everywhere(scenario: Scenario, folder: Path, points: Sequence[int]) -> Iterator[tuple[int, Path]]:
    """Kill a process that runs a scenario at each point, and yield each point with the folder that it left.

    The processes are forks of one new interpreter that has no threads and no open database; the scenario is a public
    function of a module that it imports.
    """
    name = f"{scenario.__module__}:{scenario.__qualname__}"
    command = [sys.executable, "-m", "tests.crash.crashing", name, str(folder), *map(str, points)]
    subprocess.run(command, cwd=ROOT, check=True)
    for point in points:
        yield point, folder / f"killed-{point}"


def _kill_in_fork(scenario: Scenario, folder: Path, point: int) -> None:
    child = os.fork()
    if child == 0:
        try:
            stop_at(scenario, folder, point, kill_self)
        finally:
            os._exit(1)  # it should not have lived to see this
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
        raise AssertionError(f"the scenario was not killed at point {point}: status {status}")


def _main(name: str, folder: str, *points: str) -> None:
    module, _, function = name.partition(":")
    _new_database()
    scenario = getattr(importlib.import_module(module), function)
    for point in points:
        _kill_in_fork(scenario, Path(folder) / f"killed-{point}", int(point))


if __name__ == "__main__":
    _main(*sys.argv[1:])
