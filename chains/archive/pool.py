"""Ranges of an export handed out to processes, this one among them, and what they found, in the order of the ranges.

``chains.archive.checking`` gives ranges in groups: none of a group is begun before the group before is done.
"""

import pickle
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

from chains.archive.contents import check_contents
from chains.archive.entries import check_entries
from chains.archive.envelopes import check_envelopes
from chains.archive.found import Found
from chains.archive.promises import check_promises
from chains.archive.ranges import Bench, ContentRange, EntryRanges, EnvelopeRange, PromiseRange, Range
from chains.archive.sums import check_sums
from chains.processes import started

# Starting processes costs as much as checking that many bytes.
LEAST_FOR_PROCESSES = 64 << 20


def run_ranges(
    bench: Bench, groups: Sequence[Sequence[Range]], jobs: int, progress: Callable[[int, int], None]
) -> Iterator[Found]:
    """Yield what is found in each range; on ``jobs`` processes, this one included, where there is work for them.

    Raises ProcessEndedError where a process ended before its work did (killed, or out of memory).
    """
    everything, done = sum(each.weight for group in groups for each in group), 0
    if jobs == 1 or everything < LEAST_FOR_PROCESSES:
        for part in (part for group in groups for part in group):
            yield check_range(bench, part)
            done += part.weight
            progress(done, everything)
        return
    with tempfile.TemporaryDirectory() as folder, started(jobs - 1, _begin, _stored(bench, Path(folder))) as pool:
        is_there = pool.submit(_is_there)
        for group in groups:
            for part, found in zip(group, _shared(pool, is_there, bench, group), strict=True):
                yield found
                done += part.weight
                progress(done, everything)


def _shared(
    pool: ProcessPoolExecutor, is_there: "Future[bool]", bench: Bench, group: Sequence[Range]
) -> Iterator[Found]:
    """Yield what is found in each range of a group, in order; nobody waits while there is a range that nobody has.

    This process begins at once. What is left when another one has been started is there for all of them.
    """
    first = 0
    while first < len(group) and not is_there.done():
        yield check_range(bench, group[first])
        first += 1
    left = group[first:]
    waiting = [pool.submit(_in_process, part) for part in left]
    here, ahead = dict[int, Found](), 0
    for place, future in enumerate(waiting):
        ahead = max(ahead, place)
        while place not in here and not future.done() and ahead < len(left):
            if waiting[ahead].cancel():  # no other process has it
                here[ahead] = check_range(bench, left[ahead])
            ahead += 1
        yield here.pop(place) if place in here else future.result()


def check_range(bench: Bench, part: Range) -> Found:
    """Check one range."""
    if isinstance(part, EntryRanges):
        return _together(bench, part)
    if isinstance(part, ContentRange):
        return check_contents(bench, part)
    if isinstance(part, EnvelopeRange):
        return check_envelopes(bench, part)
    if isinstance(part, PromiseRange):
        return check_promises(bench, part)
    return check_sums(bench, part)


def _together(bench: Bench, part: EntryRanges) -> Found:
    found = Found()
    for each in part.ranges:
        one = check_entries(bench, each)
        found.roots += one.roots
        found.add(one)
    return found


_BENCH: list[Bench] = []
"""The bench of a process that works for another one: given once, since it has the place of every file."""


def _stored(bench: Bench, folder: Path) -> Path:
    """Write the bench where a process that begins will read it.

    It is more than a pipe holds: given by one, this process would wait until the other one has loaded everything.
    """
    stored = folder / "bench"
    stored.write_bytes(pickle.dumps(bench))
    return stored


def _begin(stored: Path) -> None:
    _BENCH.append(pickle.loads(stored.read_bytes()))  # noqa: S301  # written by the process that started this one


def _is_there() -> bool:
    return bool(_BENCH)


def _in_process(part: Range) -> Found:
    return check_range(_BENCH[0], part)
