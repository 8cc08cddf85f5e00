"""(c) An inclusion proof out of 1,000,000 leaves, in CPU time: with warm tiles, and with a cold cache for each.

Proofs are checked before they are measured. The reference is what a path costs at the least: one node hash for each of
its levels.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence

from anchor.log import CACHED_TILES, TILE_WIDTH, Trees
from anchor.proof.codec import sha256
from anchor.proof.merkle import check_inclusion, node_hash
from anchor.storage.sqlite import SqliteEngine
from benchmarks.measuring import temporary_folder

LEAVES = 1_000_000
BATCH = 65_536
PROOFS = 2_000
TARGET_MS = 0.5


def p50_ms(work: Callable[[int], object], indexes: Sequence[int]) -> float:
    """Return the median CPU time of ``work`` over ``indexes``, in milliseconds."""
    times = []
    for index in indexes:
        start = time.process_time_ns()
        work(index)
        times.append(time.process_time_ns() - start)
    return statistics.median(times) / 1e6


def main() -> None:
    """Print the medians."""
    chosen = random.Random(1)
    with temporary_folder() as folder:
        trees = Trees(SqliteEngine(folder / "anchorline.db"))
        with trees.engine.transaction():
            trees.create(b"")
            tree_no = trees.create(b"bench")
            for start in range(0, LEAVES, BATCH):
                leaves = b"".join(sha256(b"%d" % index) for index in range(start, min(start + BATCH, LEAVES)))
                trees.append(tree_no, start, leaves)
            trees.build_to(tree_no, LEAVES)
        root = trees.root(tree_no, LEAVES)

        def prove(index: int) -> tuple[bytes, ...]:
            return trees.inclusion_path(tree_no, index, LEAVES)

        def prove_cold(index: int) -> tuple[bytes, ...]:
            return Trees(trees.engine).inclusion_path(tree_no, index, LEAVES)

        def hash_only(_: int) -> bytes:
            node = root
            for _level in range(LEAVES.bit_length()):
                node = node_hash(node, root)
            return node

        # As many tiles as the cache holds, less those of the upper levels.
        warm = [chosen.randrange((CACHED_TILES - 64) * TILE_WIDTH) for _ in range(PROOFS)]
        anywhere = [chosen.randrange(LEAVES) for _ in range(PROOFS)]
        for index in {*warm, *anywhere}:
            check_inclusion(sha256(b"%d" % index), index, LEAVES, prove(index), root)
        for index in warm:
            prove(index)
        print(f"(c) inclusion proof at {LEAVES:,} leaves, p50 of {PROOFS:,} in CPU time; target < {TARGET_MS} ms warm")
        print(f"  warm tiles          {p50_ms(prove, warm):8.3f} ms")
        print(f"  anywhere, LRU       {p50_ms(prove, anywhere):8.3f} ms")
        print(f"  empty cache         {p50_ms(prove_cold, anywhere[:200]):8.3f} ms")
        print(f"  20 node hashes      {p50_ms(hash_only, warm):8.3f} ms   (reference)")
        trees.engine.close()


if __name__ == "__main__":
    main()
