"""Growing a frontier by many leaf hashes at once, in whole subtrees.

Leaf hashes come flat, 32 bytes a leaf, from tiles or from entries that were just hashed. The audits and the check of an
export compare the roots that come out with those of heads.
"""

from collections.abc import Iterable

from anchor.hashing.chosen import HASHING
from anchor.hashing.pieces import Pieces
from anchor.proof.codec import HASH_SIZE
from anchor.proof.frontier import Frontier


def extend(frontier: Frontier, leaf_hashes: bytes) -> None:
    """Add flat leaf hashes to a frontier: the largest full subtrees that begin where it ends, each as a whole."""
    at = 0
    while left := (len(leaf_hashes) - at) // HASH_SIZE:
        height = left.bit_length() - 1
        if frontier.size:
            height = min(height, (frontier.size & -frontier.size).bit_length() - 1)
        end = at + (HASH_SIZE << height)
        frontier.add_subtree(HASHING.root(Pieces.cut(leaf_hashes[at:end])), height)
        at = end


def extend_to(frontier: Frontier, leaf_hashes: bytes, stops: Iterable[int]) -> bytes:
    """Add flat leaf hashes up to the nearest of the sizes ``stops`` that is ahead; return those that are left."""
    ahead = [stop - frontier.size for stop in stops if stop > frontier.size]
    end = min([len(leaf_hashes) // HASH_SIZE, *ahead]) * HASH_SIZE
    extend(frontier, leaf_hashes[:end])
    return leaf_hashes[end:]
