"""(c) An inclusion proof out of 1,000,000 leaves: from warm tiles against pymerkle in memory, and the first of all.

Ours is ``Trees.inclusion_path`` over tiles in a database. The references are pymerkle's own two trees over the same
entries, which give the same paths: ``InmemoryTree``, every node an object in memory, and ``SqliteTree``, whose first
proof after a restart is made from its leaves; for that one ours opens its database anew, too. Then the CPU time of
single proofs, warm and with a cold cache for each.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pymerkle

from anchor.log import CACHED_TILES, TILE_WIDTH, Trees
from anchor.proof.merkle import check_inclusion, leaf_hash, node_hash
from anchor.storage.sqlite import SqliteEngine
from benchmarks.measuring import Stopwatch, Took, compare, temporary_folder

LEAVES = 1_000_000
BATCH = 65_536
PROOFS = 2_000
TARGET, TARGET_FIRST, TARGET_MS = 5.0, 50.0, 0.5
TREE = 1
# pymerkle has no types.
THEIRS: Any = pymerkle


def entry(index: int) -> bytes:
    """Return an entry of the log that all of them hold."""
    return b"%d" % index


def write_ours(path: Path) -> None:
    """Make a database with the log."""
    trees = Trees(SqliteEngine(path))
    with trees.engine.transaction():
        trees.create(b"")
        trees.create(b"bench")
        for start in range(0, LEAVES, BATCH):
            leaves = b"".join(leaf_hash(entry(index)) for index in range(start, min(start + BATCH, LEAVES)))
            trees.append(TREE, start, leaves)
    trees.engine.close()


def p50_ms(work: Callable[[int], object], indexes: Sequence[int]) -> float:
    """Return the median CPU time of ``work`` over ``indexes``, in milliseconds."""
    times = []
    for index in indexes:
        start = time.process_time_ns()
        work(index)
        times.append(time.process_time_ns() - start)
    return statistics.median(times) / 1e6


def all_of(prove: Callable[[int], object], indexes: Sequence[int]) -> Took:
    """Make a proof for each of ``indexes``."""
    with Stopwatch() as watch:
        for index in indexes:
            prove(index)
    return watch.took


def first_of_ours(path: Path, index: int) -> Took:
    """Open the database and make one proof."""
    with Stopwatch() as watch:
        trees = Trees(SqliteEngine(path))
        trees.inclusion_path(TREE, index, LEAVES)
    trees.engine.close()
    return watch.took


def first_of_theirs(path: Path, index: int) -> Took:
    """Do the same with pymerkle's database."""
    with Stopwatch() as watch:
        tree = THEIRS.SqliteTree(str(path))
        tree.prove_inclusion(index + 1, LEAVES)
    tree.close()
    return watch.took


def single_proofs(trees: Trees, warm: Sequence[int], anywhere: Sequence[int]) -> None:
    """Print the CPU time of one proof, with more or less of it in the cache."""
    root = trees.root(TREE, LEAVES)

    def prove(index: int) -> tuple[bytes, ...]:
        return trees.inclusion_path(TREE, index, LEAVES)

    def prove_cold(index: int) -> tuple[bytes, ...]:
        return Trees(trees.engine).inclusion_path(TREE, index, LEAVES)

    def hash_only(_: int) -> bytes:
        node = root
        for _level in range(LEAVES.bit_length()):
            node = node_hash(node, root)
        return node

    print(f"  one proof, p50 of {PROOFS:,} in CPU time; target < {TARGET_MS} ms warm")
    print(f"  warm tiles          {p50_ms(prove, warm):8.3f} ms")
    print(f"  anywhere, LRU       {p50_ms(prove, anywhere):8.3f} ms")
    print(f"  empty cache         {p50_ms(prove_cold, anywhere[:200]):8.3f} ms")
    print(f"  20 node hashes      {p50_ms(hash_only, warm):8.3f} ms   (reference)")


def warm_proofs(trees: Trees, warm: Sequence[int], anywhere: Sequence[int]) -> None:
    """Check proofs against pymerkle's, and print the comparison with its tree in memory."""
    theirs = THEIRS.InmemoryTree.init_from_entries(map(entry, range(LEAVES)))

    def ours(index: int) -> tuple[bytes, ...]:
        return trees.inclusion_path(TREE, index, LEAVES)

    def reference(index: int) -> Any:
        return theirs.prove_inclusion(index + 1)

    for index in {*anywhere, *warm}:
        path = ours(index)
        check_inclusion(leaf_hash(entry(index)), index, LEAVES, path, theirs.get_root())
        if list(path) != reference(index).path[1:]:
            raise AssertionError(f"leaf {index}: pymerkle gives another path")
    for index in warm:
        ours(index)
    compare(
        f"(c) inclusion proof at {LEAVES:,} leaves from warm tiles, against pymerkle in memory; target ratio {TARGET}",
        *(PROOFS, "proofs", lambda: all_of(ours, warm), lambda: all_of(reference, warm)),
    )


def first_proofs(folder: Path, indexes: Iterator[int]) -> None:
    """Print the comparison with pymerkle's database."""
    theirs = THEIRS.SqliteTree(str(folder / "theirs.db"))
    theirs.append_entries(map(entry, range(LEAVES)))
    theirs.close()
    compare(
        f"(c) the first one after a restart, against pymerkle's SqliteTree; target ratio {TARGET_FIRST}",
        *(1, "proofs"),
        lambda: first_of_ours(folder / "ours.db", next(indexes)),
        lambda: first_of_theirs(folder / "theirs.db", next(indexes)),
    )


def main() -> None:
    """Print everything."""
    chosen = random.Random(1)
    # As many tiles as the cache holds, less those of the upper levels.
    warm = [chosen.randrange((CACHED_TILES - 64) * TILE_WIDTH) for _ in range(PROOFS)]
    anywhere = [chosen.randrange(LEAVES) for _ in range(PROOFS)]
    with temporary_folder() as folder:
        write_ours(folder / "ours.db")
        trees = Trees(SqliteEngine(folder / "ours.db"))
        warm_proofs(trees, warm, anywhere)
        single_proofs(trees, warm, anywhere)
        trees.engine.close()
        first_proofs(folder, iter(anywhere))


if __name__ == "__main__":
    main()
