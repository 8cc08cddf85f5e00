"""Growing a frontier by many leaf hashes at once, in whole subtrees.

Leaf hashes come flat, 32 bytes a leaf, from tiles or from entries that were just hashed. The audits and the check of an
export compare the roots that come out with those of heads.
"""

from collections.abc import Callable, Iterable

from anchor.hashing.chosen import HASHING
from anchor.hashing.pieces import Pieces
from anchor.proof.bundles import TILE_HEIGHT
from anchor.proof.codec import HASH_SIZE
from anchor.proof.frontier import Frontier

NodeAt = Callable[[int, int], bytes]
"""Returns the stored root of a full subtree: of 2^height leaves, at an index in units of its own width."""


def extend(frontier: Frontier, leaf_hashes: bytes, node_at: NodeAt | None = None) -> None:
    """Add flat leaf hashes to a frontier: the largest full subtrees that begin where it ends, each as a whole.

    With ``node_at`` the root of each that has a tile or more comes from there: the caller knows that it is theirs.
    """
    at = 0
    while left := (len(leaf_hashes) - at) // HASH_SIZE:
        height = left.bit_length() - 1
        if frontier.size:
            height = min(height, (frontier.size & -frontier.size).bit_length() - 1)
        end = at + (HASH_SIZE << height)
        if node_at is not None and height >= TILE_HEIGHT:
            root = node_at(height, frontier.size >> height)
        else:
            root = HASHING.root(Pieces.cut(leaf_hashes[at:end]))
        frontier.add_subtree(root, height)
        at = end


def extend_to(frontier: Frontier, leaf_hashes: bytes, stops: Iterable[int], node_at: NodeAt | None = None) -> bytes:
    """Add flat leaf hashes up to the nearest of the sizes ``stops`` that is ahead; return those that are left."""
    ahead = [stop - frontier.size for stop in stops if stop > frontier.size]
    end = min([len(leaf_hashes) // HASH_SIZE, *ahead]) * HASH_SIZE
    extend(frontier, leaf_hashes[:end], node_at)
    return leaf_hashes[end:]
