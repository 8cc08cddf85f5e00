"""Ranges of an export handed out to processes, and what they found, in the order of the ranges.

``chains.archive.checking`` gives ranges in groups: none of a group is begun before the group before is done.
"""

from collections.abc import Callable, Iterator, Sequence

from chains.archive.contents import check_contents
from chains.archive.entries import check_entries
from chains.archive.found import Found
from chains.archive.promises import check_promises
from chains.archive.ranges import Bench, ContentRange, EntryRanges, PromiseRange, Range
from chains.archive.sums import check_sums
from chains.processes import started

# Starting processes costs as much as checking that many bytes.
LEAST_FOR_PROCESSES = 64 << 20


def run_ranges(
    bench: Bench, groups: Sequence[Sequence[Range]], jobs: int, progress: Callable[[int, int], None]
) -> Iterator[Found]:
    """Yield what is found in each range; on ``jobs`` processes where there is work for them.

    Raises ProcessEndedError where a process ended before its work did (killed, or out of memory).
    """
    everything, done = sum(each.weight for group in groups for each in group), 0
    if jobs == 1 or everything < LEAST_FOR_PROCESSES:
        for part in (part for group in groups for part in group):
            yield check_range(bench, part)
            done += part.weight
            progress(done, everything)
        return
    with started(jobs, _begin, bench) as pool:
        for group in groups:
            for part, found in zip(group, pool.map(_in_process, group), strict=True):
                yield found
                done += part.weight
                progress(done, everything)


def check_range(bench: Bench, part: Range) -> Found:
    """Check one range."""
    if isinstance(part, EntryRanges):
        return _together(bench, part)
    if isinstance(part, ContentRange):
        return check_contents(bench, part)
    if isinstance(part, PromiseRange):
        return check_promises(bench, part)
    return check_sums(bench, part)


def _together(bench: Bench, part: EntryRanges) -> Found:
    found = Found()
    for each in part.ranges:
        one = check_entries(bench, each)
        found.faults += one.faults
        found.roots += one.roots
        found.add_counts(one)
    return found


_BENCH: list[Bench] = []
"""The bench of a process that works for another one: given once, since it has the place of every file."""


def _begin(bench: Bench) -> None:
    _BENCH.append(bench)


def _in_process(part: Range) -> Found:
    return check_range(_BENCH[0], part)
