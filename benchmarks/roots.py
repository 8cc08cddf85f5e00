"""(g) The root of 1,000,000 leaf hashes in memory, against a bare loop of hashlib: each hashing that can be had here.

Ours is ``root`` of ``anchor.hashing`` over hashes in the form that the caller has them in: one buffer for native code,
objects for hashlib.
"""

import os
from functools import partial
from importlib.util import find_spec

from anchor.hashing.chosen import choose
from anchor.hashing.pieces import Pieces
from benchmarks.measuring import Stopwatch, Took, compare
from benchmarks.sealing import bare_root

LEAVES = 1_000_000
TARGETS = {"native": 4.0, "hashlib": 0.9}


def ours(name: str, flat: bytes) -> Took:
    """Compute the root with one hashing."""
    hashing = choose(name).hashing
    hashes = Pieces.cut(flat)
    if name == "hashlib":
        _ = hashes.each  # made beforehand: whoever hashes with hashlib has objects
    with Stopwatch() as watch:
        hashing.root(hashes)
    return watch.took


def reference(flat: bytes) -> Took:
    """Compute the root level by level."""
    level = list(Pieces.cut(flat))
    with Stopwatch() as watch:
        bare_root(level)
    return watch.took


def main() -> None:
    """Print a comparison for each hashing."""
    flat = os.urandom(32 * LEAVES)
    for name, target in TARGETS.items():
        if name == "native" and not find_spec("anchor.hashing._native"):
            print("(g) native hashing was not built here")
            continue
        hashing = choose(name).hashing
        if hashing.root(Pieces.cut(flat)) != bare_root(list(Pieces.cut(flat))):
            raise AssertionError(f"{hashing.name} gives another root than hashlib")
        title = f"(g) root of {LEAVES:,} leaf hashes, {hashing.name}; target ratio {target}"
        compare(title, LEAVES, "leaves", partial(ours, name, flat), partial(reference, flat))


if __name__ == "__main__":
    main()
