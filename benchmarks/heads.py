"""(m) A seal of a thousand changed chains among a million, against the heads tree over all of them made anew.

Ours is ``Directory.seal`` as a whole: reading what changed, heads, leaves, tiles, nodes of the heads tree, the signed
checkpoint. The reference is what one part of it took before nodes were kept: reading every newest head, in order, and
hashing the tree over them. Then a newest-head proof, at the newest checkpoint and at the first.
"""

import os
import statistics
import time
from functools import partial
from pathlib import Path

from anchor.proof.codec import sha256
from anchor.proof.heads import heads_root
from benchmarks.measuring import Stopwatch, Took, compare, temporary_folder
from tests.simulators.store import GENESIS, START_MS, Store

CHAINS = 1_000_000
CHANGED = 1_000
PROOFS = 200


def write_unsealed(store: Store) -> None:
    """Put so many chains of one entry each into a database, past the writer: a commit for each would take an hour."""
    ids = [os.urandom(32) for _ in range(CHAINS)]
    with store.engine.transaction():
        store.engine.execute_many(
            "INSERT INTO tree (tree_no, chain_id, size, built_size, sealed_size) VALUES (?, ?, 1, 0, 0)",
            list(enumerate(ids, 1)),
        )
        store.engine.execute_many(
            "INSERT INTO tile (tree_no, level, tile_no, hashes) VALUES (?, 0, 0, ?)",
            [(number, sha256(chain_id)) for number, chain_id in enumerate(ids, 1)],
        )


def change(store: Store) -> None:
    """Append an entry to every thousandth chain."""
    with store.engine.transaction():
        for number in range(1, CHAINS, CHAINS // CHANGED):
            state = store.trees.state(number)
            store.trees.append(number, state.size, os.urandom(32))


def ours(store: Store) -> Took:
    """Seal what a thousand chains got."""
    change(store)
    with Stopwatch() as watch:
        sealed = store.directory.seal(store.checkpoint_key, START_MS, GENESIS)
    if sealed is None:
        raise AssertionError("nothing was sealed")
    return watch.took


def reference(store: Store) -> Took:
    """Read every newest head and hash the tree over them."""
    with Stopwatch() as watch:
        rows = store.engine.query(
            "SELECT chain_id, head_hash FROM tree WHERE tree_no > 0 AND head_hash IS NOT NULL ORDER BY chain_id"
        )
        root = heads_root([(bytes(chain_id), bytes(head_hash)) for chain_id, head_hash in rows])
    seal = store.directory.newest_seal()
    if seal is None or root != seal.heads_root:
        raise AssertionError("the kept nodes give another root than all heads do")
    return watch.took


def proof_ms(store: Store, size: int) -> float:
    """Return the median time of a newest-head proof under one checkpoint, in ms."""
    ids = store.engine.query("SELECT chain_id FROM tree WHERE tree_no % ? = 7 AND tree_no > 0", (CHAINS // PROOFS,))
    took = []
    for (chain_id,) in ids:
        start = time.perf_counter()
        store.directory.prove_newest_head(bytes(chain_id), size)
        took.append(time.perf_counter() - start)
    return statistics.median(took) * 1000


def main(folder: Path) -> None:
    """Print the first seal, the comparison, and the proofs."""
    store = Store(folder / "anchorline.db")
    write_unsealed(store)
    with Stopwatch() as watch:
        first = store.directory.seal(store.checkpoint_key, START_MS, GENESIS)
    nodes, size = store.engine.query("SELECT COUNT(*), SUM(LENGTH(prefix) + 44) FROM heads_node")[0]
    print(f"(m) the first seal of {CHAINS:,} chains: {watch.took.cpu_s:.1f} s of CPU; {nodes:,} nodes, {size:,} bytes")
    title = f"(m) a seal of {CHANGED:,} changed chains of {CHAINS:,}, against the heads tree over all"
    compare(title, CHANGED, "heads", partial(ours, store), partial(reference, store))
    newest = store.directory.newest()
    if first is None or newest is None:
        raise AssertionError("no checkpoint")
    [(more,)] = store.engine.query("SELECT COUNT(*) FROM heads_node")
    rounds = (newest.seal_number - first.seal_number) or 1
    print(f"  nodes kept by a seal of {CHANGED:,}: {(more - nodes) / rounds:,.0f}")
    for what, each in (("newest", newest.size), ("first", first.size)):
        print(f"  newest-head proof under the {what} checkpoint: {proof_ms(store, each):.2f} ms")
    store.engine.close()


if __name__ == "__main__":
    with temporary_folder() as where:
        main(where)
