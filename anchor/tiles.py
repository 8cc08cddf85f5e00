"""A log as it is published: C2SP tiles read back by their paths, and roots and consistency paths made from them.

Input is a ``Fetch``, which gives the bytes at a path of a mirror (docs/spec/mirror.md) and is believed in nothing;
what is lacking is named by its leaves. ``chains.mirror`` writes with the same arithmetic, the thread audit reads.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anchor.log import TILE_HEIGHT, TILE_WIDTH, levels_in, tile_path
from anchor.proof import bundles, published_tree
from anchor.proof.errors import MalformedError
from anchor.proof.published_tree import ENTRIES, Fetch, LeafRange, WithheldError, tile_width

__all__ = ["ENTRIES", "Fetch", "LeafRange", "PublishedTree", "TilePlace", "WithheldError", "tile_width"]
"""What is read of a published log is the verifier's too, and in ``anchor.proof``."""


@dataclass(frozen=True, slots=True)
class TilePlace:
    """A tile of a tree: ``level`` 0 holds leaf hashes, level n + 1 the roots of the full tiles of level n."""

    level: int
    tile_no: int
    width: int

    @property
    def path(self) -> str:
        """Its path below the tree's own folder."""
        return tile_path(self.level, self.tile_no, self.width)


def new_tiles(old_size: int, size: int) -> Iterator[TilePlace]:
    """Yield the tiles that a tree of ``size`` leaves has, and one of ``old_size`` had not, or not so wide."""
    level = 0
    while count := size >> TILE_HEIGHT * level:
        first = (old_size >> TILE_HEIGHT * level) >> TILE_HEIGHT
        for tile_no in range(first, -(-count // TILE_WIDTH)):
            width = tile_width(level, tile_no, size)
            if width > tile_width(level, tile_no, old_size):
                yield TilePlace(level, tile_no, width)
        level += 1


def encode_bundle(leaves: Sequence[bytes]) -> bytes:
    """Return an entry bundle: each leaf behind its length, u16 big-endian (C2SP tlog-tiles)."""
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)


def decode_bundle(data: bytes) -> list[bytes] | None:
    """Return the leaves of an entry bundle, or None where the lengths do not add up."""
    try:
        return bundles.decode_bundle(data)
    except MalformedError:
        return None


class PublishedTree(published_tree.PublishedTree):
    """One published log, with the hashing that was chosen here."""

    def __init__(self, fetch: Fetch, prefix: str, size: int) -> None:
        super().__init__(fetch, prefix, size, levels_in)
