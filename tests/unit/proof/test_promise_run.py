"""A promise over a run: every entry's promise comes out of it, and nothing but the entries that were promised.

Trees are made from scratch here; the paths are compared with those of ``anchor.proof.merkle`` and of its checks.
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.proof.codec import sha256
from anchor.proof.errors import MalformedError, UnknownVersionError, VerificationError
from anchor.proof.merkle import inclusion_path, leaf_hash, levels_of, root_of
from anchor.proof.promise import PromiseLeaf, PromiseNote, check_promise_path
from anchor.proof.promise_run import PromiseRun, beside_in, path_in, paths_in, promises_of

LOG_ID, CHAIN_ID = sha256(b"log"), sha256(b"chain")


def leaves_of(count: int) -> list[PromiseLeaf]:
    return [PromiseLeaf(CHAIN_ID, 7 + place, sha256(b"%d" % place)) for place in range(count)]


def run_of(leaves: list[PromiseLeaf], first: int, end: int) -> PromiseRun:
    hashes = [leaf_hash(leaf.encode()) for leaf in leaves]
    note = PromiseNote(LOG_ID, 1, 2, 3, len(leaves), root_of(hashes))
    return PromiseRun(note, b"keyi", bytes(64), first, end - first, beside_in(levels_of(hashes), first, end))


RUNS = st.integers(1, 70).flatmap(lambda size: st.tuples(st.just(size), *[st.integers(0, size - 1)] * 2))


@given(RUNS)
def test_every_promise_of_a_run_comes_out_of_it(sizes: tuple[int, int, int]) -> None:
    """From the run and its entries each entry's path follows, the same one that the whole tree gives."""
    size, one, other = sizes
    first, end = min(one, other), max(one, other) + 1
    leaves = leaves_of(size)
    hashes = [leaf_hash(leaf.encode()) for leaf in leaves]
    run = run_of(leaves, first, end)
    promises = list(promises_of(PromiseRun.from_json(run.to_json()), leaves[first:end]))
    assert leaves[first:end] == [promise.leaf for promise in promises]
    for promise in promises:
        assert inclusion_path(hashes, promise.index) == promise.path == path_in(levels_of(hashes), promise.index)
        check_promise_path(promise, LOG_ID)


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70))
def test_the_last_level_is_the_root(hashes: list[bytes]) -> None:
    """Levels end in the root that RFC 9162 gives."""
    assert [root_of(hashes)] == levels_of(hashes)[-1]


LEAVES = leaves_of(13)
RUN = run_of(LEAVES, 4, 9)


@pytest.mark.parametrize(
    "run",
    [
        replace(RUN, index=5),
        replace(RUN, count=4),
        replace(RUN, count=0),
        replace(RUN, index=9),
        replace(RUN, beside=RUN.beside[:-1]),
        replace(RUN, beside=(*RUN.beside, bytes(32))),
        replace(RUN, beside=RUN.beside[::-1]),
        replace(RUN, note=replace(RUN.note, count=12)),
        replace(RUN, note=replace(RUN.note, root=bytes(32))),
    ],
)
def test_a_run_of_other_entries_is_refused(run: PromiseRun) -> None:
    """Index, count, hashes and note must be those of just these entries."""
    with pytest.raises(VerificationError):
        list(promises_of(run, LEAVES[4:9]))


@pytest.mark.parametrize("leaves", [LEAVES[3:8], LEAVES[4:8], LEAVES[4:10], [], LEAVES[8:3:-1]])
def test_entries_that_were_not_promised_are_refused(leaves: list[PromiseLeaf]) -> None:
    """The caller says what he expects to be promised: other entries, fewer, or in another order do not verify."""
    with pytest.raises(VerificationError):
        list(promises_of(RUN, leaves))


def test_a_run_is_strict_json() -> None:
    """Unknown fields, newer formats and too many hashes are refused by name."""
    with pytest.raises(MalformedError, match="more"):
        PromiseRun.from_json(RUN.to_json() | {"more": 1})
    with pytest.raises(UnknownVersionError):
        PromiseRun.from_json(RUN.to_json() | {"format": "anchorline-promise-run/2"})
    with pytest.raises(MalformedError):
        PromiseRun.from_json(RUN.to_json() | {"beside": [bytes(32).hex()] * 65})


@pytest.mark.parametrize("size", [*range(1, 20), 64, 100])
def test_all_paths_are_those_of_each_leaf(size: int) -> None:
    """Paths that are put together from the root down are the inclusion paths, for trees of every shape."""
    hashes = [sha256(b"%d" % number) for number in range(size)]
    assert [b"".join(inclusion_path(hashes, index)) for index in range(size)] == paths_in(levels_of(hashes))
