"""How everything here is measured: ours and a reference by turns, in one process, and the median of their ratios.

Machines are noisy (a neighbour halves the speed for a second), so a figure means little and a ratio from the same
seconds means something. The modules beside this one give the work; ``__main__`` prints what comes out.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Took:
    """How long something took: by the clock, and in CPU time of this process and of those that it started and ended."""

    wall_s: float
    cpu_s: float


Timed = Callable[[], Took]
"""Prepares, does the work inside ``timed``, cleans up, and returns what the work took."""


class Stopwatch:
    """Times what happens inside ``with``."""

    def __enter__(self) -> "Stopwatch":
        self._start = time.perf_counter(), _cpu_s()
        return self

    def __exit__(self, *_: object) -> None:
        self.took = Took(time.perf_counter() - self._start[0], _cpu_s() - self._start[1])


def _cpu_s() -> float:
    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder on the disk that temporary files are on (choose it with TMPDIR)."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def compare(title: str, count: int, unit: str, ours: Timed, reference: Timed, rounds: int = ROUNDS) -> None:
    """Run both by turns and print the rates, and the median ratio by the clock and in CPU time."""
    pairs = []
    for number in range(rounds):
        # Who goes first changes, so that a warm cache favours neither.
        if number % 2:
            mine, bare = ours(), reference()
        else:
            bare, mine = reference(), ours()
        pairs.append((mine, bare))
    wall = statistics.median(bare.wall_s / mine.wall_s for mine, bare in pairs)
    cpu = statistics.median(bare.cpu_s / mine.cpu_s for mine, bare in pairs)
    print(title)
    for name, took in (("ours", [mine for mine, _ in pairs]), ("reference", [bare for _, bare in pairs])):
        by_clock = count / statistics.median(item.wall_s for item in took)
        by_cpu = count / statistics.median(item.cpu_s for item in took)
        print(f"  {name:9}  {by_clock:12,.0f} {unit}/s   {by_cpu:12,.0f} {unit} per CPU second")
    print(f"  ratio      {wall:12.2f} by the clock   {cpu:9.2f} in CPU time   (medians of {rounds} rounds by turns)")


def in_a_new_process(module: str, *arguments: str) -> None:
    """Run ``python -m module arguments`` with our output."""
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)


def high_water_mib() -> float:
    """Return the most memory that this process ever held resident, in MiB (getrusage: KiB on Linux, bytes on macOS)."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
