"""(b) Sealing 1,000,000 new entries of one chain, against a bare loop of hashlib over leaf hashes in memory.

Ours is ``Directory.seal``: the right edge of the chain's tiles is read and hashed, the directory grows and its
checkpoint is signed. Full tiles were hashed when they filled up, while recording; that is measured on a line of its own
(``benchmarks.growth`` seals onto ten million). Every round seals a fresh copy of one unsealed database.
"""

import hashlib
import os
import shutil
from pathlib import Path

from anchor.log import TILE_BYTES, TILE_WIDTH, tile_roots
from benchmarks.measuring import Stopwatch, Took, compare, temporary_folder
from tests.simulators.store import GENESIS, START_MS, Store

ENTRIES = 1_000_000
BATCH = 10_000
TARGET = 0.5


def write_unsealed(path: Path, entries: int) -> None:
    """Make a database with one chain of ``entries`` entries (without content) that nothing has sealed."""
    store = Store(path)
    chain = store.open_chain("bench")
    for start in range(1, entries, BATCH):
        store.writer.record_digests(chain, [bytes(32)] * min(BATCH, entries - start), START_MS + start)
    store.engine.close()


def ours(unsealed: Path) -> Took:
    """Seal a copy."""
    with temporary_folder() as folder:
        path = folder / "anchorline.db"
        shutil.copy(unsealed, path)
        store = Store(path)
        with Stopwatch() as watch:
            sealed = store.directory.seal(store.checkpoint_key, START_MS + 2 * ENTRIES, GENESIS)
        if sealed is None or store.trees.state(1).sealed_size != ENTRIES:
            raise AssertionError(f"the seal does not cover {ENTRIES} entries")
        store.engine.close()
    return watch.took


def reference() -> Took:
    """Compute the root of as many leaf hashes, which are in memory, level by level."""
    leaves = [os.urandom(32) for _ in range(ENTRIES)]
    with Stopwatch() as watch:
        bare_root(leaves)
    return watch.took


def bare_root(leaves: list[bytes]) -> bytes:
    """Return the root over at least one leaf hash, with one call of hashlib for each node and nothing around it."""
    level = leaves
    sha256 = hashlib.sha256
    while len(level) > 1:
        above = [sha256(b"\x01" + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            above.append(level[-1])
        level = above
    return level[0]


def filling_us() -> float:
    """Return what it took to hash the nodes over one entry's leaf hash, while recording."""
    tiles = os.urandom(TILE_BYTES * (ENTRIES // TILE_WIDTH))
    with Stopwatch() as watch:
        tile_roots(tiles)
    return watch.took.cpu_s / ENTRIES * 1e6


def main() -> None:
    """Print the comparison."""
    with temporary_folder() as folder:
        unsealed = folder / "unsealed.db"
        write_unsealed(unsealed, ENTRIES)
        title = f"(b) seal {ENTRIES:,} new entries of one chain; target ratio {TARGET}"
        compare(title, ENTRIES, "entries", lambda: ours(unsealed), reference)
    print(f"  recording hashes tiles as they fill: {filling_us():.2f} us an entry")


if __name__ == "__main__":
    main()
