# SPDX-License-Identifier: Apache-2.0
"""A promise over a run: what one signature says about consecutive entries, in one small value (docs/spec/promise.md).

The service answers a whole request with it; whoever made the request knows the entries, and makes each one's promise
from it, with the path, by ``promises_of``. ``chains.work`` cuts all paths and runs from one tree of a group commit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anchor.proof.errors import Reason, VerificationError
from anchor.proof.merkle import Levels, inclusion_ranges, leaf_hash, node_hash, split_point
from anchor.proof.promise import (
    MAX_PROMISE_PATH,
    Promise,
    PromiseLeaf,
    PromiseNote,
    signed_from_json,
    signed_to_json,
)
from anchor.proof.strictjson import Fields

FORMAT = "anchorline-promise-run/1"
# At most one on each side for each level of the tree.
MAX_BESIDE = 2 * MAX_PROMISE_PATH


def path_in(levels: Levels, index: int) -> tuple[bytes, ...]:
    """Return the inclusion path of leaf ``index``, from leaf to root (RFC 9162 section 2.1.3.1)."""
    path = []
    for level in levels[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index >>= 1
    return tuple(path)


def paths_in(levels: Levels) -> list[bytes]:
    """Return the inclusion paths of all leaves, each as one string of hashes from leaf to root.

    Two leaves have in common what stands above the node where they meet: it is put together once, from the root down.
    """
    above = [b""]
    for level in reversed(levels[:-1]):
        last = len(level) - 1
        beside = [b"" if place ^ 1 > last else level[place ^ 1] for place in range(last + 1)]
        above = [sibling + above[place >> 1] for place, sibling in enumerate(beside)]
    return above


def beside_in(levels: Levels, first: int, end: int) -> tuple[bytes, ...]:
    """Return the roots of the largest subtrees that hold no leaf of [first, end), from left to right."""
    return tuple(
        levels[height][start >> height]
        for start, stop in _ranges_beside(first, end, len(levels[0]))
        for height in [(stop - start - 1).bit_length()]
    )


def _ranges_beside(first: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of those subtrees: the tree is split as RFC 9162 section 2.1.1 does, until none holds both."""
    waiting = [(0, size)]
    while waiting:
        start, stop = waiting.pop()
        if stop <= first or end <= start:
            yield start, stop
        elif start < first or end < stop:
            middle = start + split_point(stop - start)
            waiting += [(middle, stop), (start, middle)]


@dataclass(frozen=True, slots=True)
class PromiseRun:
    """A signed note, and what leads to its root from the leaves ``index`` to ``index`` + ``count`` - 1 together."""

    note: PromiseNote
    key_id: bytes
    signature: bytes
    index: int
    count: int
    beside: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the run's object."""
        return {
            "format": FORMAT,
            **signed_to_json(self.note, self.key_id, self.signature),
            "index": self.index,
            "count": self.count,
            "beside": [value.hex() for value in self.beside],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "PromiseRun":
        """Read a run's object; unknown fields are refused."""
        fields = Fields(value, "promise run")
        fields.format(FORMAT)
        run = cls(
            *signed_from_json(fields),
            index=fields.integer("index"),
            count=fields.integer("count"),
            beside=fields.hashes("beside", MAX_BESIDE),
        )
        fields.end()
        return run


def promises_of(run: PromiseRun, leaves: Sequence[PromiseLeaf]) -> Iterator[Promise]:
    """Yield the promise of each entry of a run; ``leaves`` are what the caller expects to be promised, in order.

    Raises VerificationError where they do not lead to the root of the note. Neither the signature nor the log is
    looked at: ``anchor.proof.promise.check_promise`` does that, for any one of them.
    """
    hashes = [leaf_hash(leaf.encode()) for leaf in leaves]
    nodes = _nodes_of(run, hashes)
    for place, leaf in enumerate(leaves, run.index):
        path = tuple(nodes[reach] for reach in inclusion_ranges(place, run.note.count))
        yield Promise(run.note, run.key_id, run.signature, leaf, place, path)


def _nodes_of(run: PromiseRun, hashes: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
    """Return the roots of all subtrees on the way, by their ranges; the number of hashes is checked first."""
    end, size = run.index + run.count, run.note.count
    if run.count != len(hashes) or not 0 <= run.index < end <= size:
        raise _wrong(f"a run of {run.count} at {run.index} of {size} was told for {len(hashes)} entries")
    beside = list(_ranges_beside(run.index, end, size))
    if len(beside) != len(run.beside):
        raise _wrong(f"expected {len(beside)} hashes beside the run, got {len(run.beside)}")
    nodes = dict(zip(beside, run.beside, strict=True))
    nodes |= {(run.index + place, run.index + place + 1): value for place, value in enumerate(hashes)}
    if _joined(nodes, 0, size) != run.note.root:
        raise _wrong("the entries and what is beside them do not lead to the promise's root")
    return nodes


def _joined(nodes: dict[tuple[int, int], bytes], start: int, end: int) -> bytes:
    """Return the root of [start, end), noting it and all below; the tree is at most 32 deep."""
    if (start, end) not in nodes:
        middle = start + split_point(end - start)
        nodes[start, end] = node_hash(_joined(nodes, start, middle), _joined(nodes, middle, end))
    return nodes[start, end]


def _wrong(text: str) -> VerificationError:
    return VerificationError(Reason.PROMISE_SIGNATURE_WRONG, text)
