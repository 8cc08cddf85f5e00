"""The ranges into which an export is cut, each checked for itself in whatever process, and how they are cut.

Input is ``Bench``, which every process has; what each check finds is a ``Found``. ``chains.archive.checking`` cuts,
hands out and puts together.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anchor.proof.archive_envelopes import envelopes_path
from anchor.proof.archive_files import PROMISES
from anchor.proof.bundles import TILE_WIDTH
from anchor.proof.leaves import HeadLeaf
from chains.archive.files import ExportFiles

# 2^14 entries, a full subtree: some megabytes for one process at a time, and enough of them to keep all at work.
RANGE_HEIGHT = 14
RANGE_ENTRIES = 1 << RANGE_HEIGHT
# Some hundredths of a second each, so that nobody waits long for the last one.
RANGE_BYTES = 8 << 20
PROMISE_BYTES = 2 << 20
SUMMED_BYTES = 32 << 20
# Chains of few entries are checked together.
_CHAINS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Bench:
    """What every process has: the files, and where leaf hash and commitment of each entry are, or are to be written.

    ``places`` are the number of entries before a chain's first in the files ``hashes`` and ``commitments`` (32 bytes
    each, zeros for what is missing), and its own, by chain id.
    """

    files: ExportFiles
    hashes: Path
    commitments: Path
    log_id: bytes
    promise_keys: Sequence[bytes]
    places: Mapping[bytes, tuple[int, int]]
    sums: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EntryRange:
    """Entries ``start`` to ``end`` - 1 of a chain of ``size``; ``head_sizes`` are those of its heads in there."""

    chain_id: bytes
    start: int
    end: int
    size: int
    head_sizes: tuple[int, ...]

    @property
    def weight(self) -> int:
        """About how many bytes are looked at."""
        return 200 * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class EntryRanges:
    """Ranges of entries that one process checks at once."""

    ranges: tuple[EntryRange, ...]

    @property
    def weight(self) -> int:
        """About how many bytes are looked at."""
        return sum(each.weight for each in self.ranges)


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines of a file that begin at bytes ``start`` to ``end`` - 1."""

    start: int
    end: int

    @property
    def weight(self) -> int:
        """How many bytes are looked at."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class PromiseRange(_Lines):
    """Lines of the promises."""


@dataclass(frozen=True, slots=True)
class ContentRange(_Lines):
    """Lines of a chain's contents."""

    chain_id: bytes


@dataclass(frozen=True, slots=True)
class EnvelopeRange(_Lines):
    """Lines of a chain's envelopes."""

    chain_id: bytes


@dataclass(frozen=True, slots=True)
class SumRange:
    """Files whose SHA-256 is compared with the list; ``weight`` is their size."""

    names: tuple[str, ...]
    weight: int


Range = EntryRanges | ContentRange | EnvelopeRange | PromiseRange | SumRange


def content_path(chain_id: bytes) -> str:
    """Return where an export has what is kept beside the entries of a chain."""
    return f"content/{chain_id.hex()}.jsonl"


def entry_ranges(heads: Mapping[bytes, Sequence[HeadLeaf]]) -> Iterator[EntryRanges]:
    """Cut the chains, whose heads these are, into ranges of whole bundles; small chains are put together."""
    waiting, count = list[EntryRange](), 0
    for chain_id, of_chain in heads.items():
        for each in _of_chain(chain_id, of_chain):
            waiting.append(each)
            count += each.end - each.start
            if count >= RANGE_ENTRIES or len(waiting) >= _CHAINS_AT_ONCE:
                yield EntryRanges(tuple(waiting))
                waiting, count = [], 0
    if waiting:
        yield EntryRanges(tuple(waiting))


def _of_chain(chain_id: bytes, heads: Sequence[HeadLeaf]) -> Iterator[EntryRange]:
    sizes, size, place = [head.tree_size for head in heads], heads[-1].tree_size, 0
    for start in range(0, size, RANGE_ENTRIES):
        end, first = min(start + RANGE_ENTRIES, size), place
        while place < len(sizes) and sizes[place] <= end:
            place += 1
        yield EntryRange(chain_id, start, end, size, tuple(sizes[first:place]))


def content_ranges(files: ExportFiles, chain_ids: Iterable[bytes]) -> Iterator[ContentRange]:
    """Cut the contents of all chains."""
    for chain_id in chain_ids:
        for start, end in _cut(files.size_of(content_path(chain_id)), RANGE_BYTES):
            yield ContentRange(start, end, chain_id)


def envelope_ranges(files: ExportFiles, chain_ids: Iterable[bytes]) -> Iterator[EnvelopeRange]:
    """Cut the envelopes of all chains."""
    for chain_id in chain_ids:
        for start, end in _cut(files.size_of(envelopes_path(chain_id)), RANGE_BYTES):
            yield EnvelopeRange(start, end, chain_id)


def promise_ranges(files: ExportFiles) -> Iterator[PromiseRange]:
    """Cut the promises."""
    return (PromiseRange(start, end) for start, end in _cut(files.size_of(PROMISES), PROMISE_BYTES))


def sum_ranges(files: ExportFiles, names: Iterator[str]) -> Iterator[SumRange]:
    """Put files together whose sums are compared at once."""
    waiting, size = list[str](), 0
    for name in names:
        waiting.append(name)
        size += files.size_of(name)
        if size >= SUMMED_BYTES or len(waiting) >= 8 * TILE_WIDTH:
            yield SumRange(tuple(waiting), size)
            waiting, size = [], 0
    if waiting:
        yield SumRange(tuple(waiting), size)


def _cut(size: int, step: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + step, size)) for start in range(0, size, step))
