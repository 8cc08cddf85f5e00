# SPDX-License-Identifier: Apache-2.0
"""A published log as it is read: tiles by their paths (C2SP tlog-tiles), roots and paths made from them.

Input is a ``Fetch``, which gives the bytes at a path of a mirror (docs/spec/mirror.md) and is believed in nothing;
what is lacking is named by its leaves. ``mirror_receipts`` proves entries with it, ``anchor.tiles`` has the same with
faster hashing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from anchor.proof.bundles import TILE_HEIGHT, TILE_WIDTH, decode_bundle, tile_path
from anchor.proof.codec import HASH_SIZE, sha256_each
from anchor.proof.errors import AnchorlineError, MalformedError
from anchor.proof.merkle import EMPTY_ROOT, consistency_ranges, inclusion_ranges, node_hash, split_point

Fetch = Callable[[str], bytes | None]
"""Returns the bytes of a published file, or None where there is none; at most as many as the format allows."""

CARD = "log-card.json"
CHECKPOINT = "checkpoint"
ANCHORED = "checkpoints"
CHAINS = "chain"
ENTRIES = "entries"
# Expanded tiles kept while one tree is read, 16 KiB each: the right edge of a tree has at most five.
_CACHED_TILES = 32


@dataclass(frozen=True, slots=True, order=True)
class LeafRange:
    """Leaves ``start`` to ``end`` - 1 of one log."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"leaves {self.start}..{self.end}"


class WithheldError(AnchorlineError):
    """A file that the log's size says must be there is missing, or has another length than its place gives."""

    def __init__(self, leaves: LeafRange, message: str) -> None:
        super().__init__(message)
        self.leaves = leaves


def tile_width(level: int, tile_no: int, size: int) -> int:
    """Return how many hashes a tile has in a tree of ``size`` leaves; 0: no such tile (C2SP tlog-tiles)."""
    return max(0, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - tile_no * TILE_WIDTH))


class PublishedTree:
    """One published log of ``size`` leaves, below ``prefix`` ("" or a folder's name with "/" at its end).

    ``levels`` returns the levels of nodes that a tile stands for, each flat, its own hashes first.
    """

    def __init__(
        self, fetch: Fetch, prefix: str, size: int, levels: Callable[[bytes], list[bytes]] | None = None
    ) -> None:
        self._levels = levels or _levels_in
        self._fetch = fetch
        self._prefix = prefix
        self.size = size
        self._expanded = lru_cache(_CACHED_TILES)(self._expand)

    def leaf_hashes(self) -> Iterator[tuple[int, bytes]]:
        """Yield (tile_no, flat leaf hashes) in order; raises WithheldError for the first tile that is not there."""
        for tile_no in range(-(-self.size // TILE_WIDTH)):
            yield tile_no, self.tile(0, tile_no)

    def tile(self, level: int, tile_no: int) -> bytes:
        """Return the hashes of a tile, as many as a tree of this size has in it; raises WithheldError."""
        width = tile_width(level, tile_no, self.size)
        data = self._read(level, tile_no, width)
        if data is None or len(data) < width * HASH_SIZE:
            raise self._withheld(level, tile_no, data)
        return data[: width * HASH_SIZE]

    def bundle(self, tile_no: int) -> list[bytes] | None:
        """Return the leaves of one bundle as this size has them, or None where it is missing or malformed."""
        width = tile_width(0, tile_no, self.size)
        data = self._read(ENTRIES, tile_no, width)
        try:
            leaves = None if data is None else decode_bundle(data)
        except MalformedError:
            return None
        return None if leaves is None or len(leaves) < width else leaves[:width]

    def root(self, size: int) -> bytes:
        """Return the root of the first ``size`` leaves, as the tiles give it (RFC 9162 section 2.1.1)."""
        return EMPTY_ROOT if size == 0 else self._range_root(0, size)

    def consistency_path(self, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """Return the consistency path between two sizes (RFC 9162 section 2.1.4.1), as the tiles give it."""
        return tuple(self._range_root(start, end) for start, end in consistency_ranges(old_size, new_size))

    def leaf_hash(self, index: int) -> bytes:
        """Return the hash of one leaf; raises WithheldError."""
        return self._node(0, index)

    def inclusion_path(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """Return the inclusion path of a leaf (RFC 9162 section 2.1.3.1) in the first ``size`` leaves, or in all."""
        ranges = inclusion_ranges(index, self.size if size is None else size)
        return tuple(self._range_root(start, end) for start, end in ranges)

    def _range_root(self, start: int, end: int) -> bytes:
        width = end - start
        if width & (width - 1) == 0 and start % width == 0:
            return self._node(width.bit_length() - 1, start // width)
        middle = start + split_point(width)
        return node_hash(self._range_root(start, middle), self._range_root(middle, end))

    def _node(self, height: int, index: int) -> bytes:
        level, inner = divmod(height, TILE_HEIGHT)
        tile_no, place = index >> (TILE_HEIGHT - inner), index & ((TILE_WIDTH >> inner) - 1)
        return self._expanded(level, tile_no)[inner][place * HASH_SIZE : (place + 1) * HASH_SIZE]

    def _expand(self, level: int, tile_no: int) -> list[bytes]:
        return self._levels(self.tile(level, tile_no))

    def _read(self, level: int | str, tile_no: int, width: int) -> bytes | None:
        """Return a partial tile, or the full one that has taken its place (C2SP tlog-tiles, "Partial tiles")."""
        data = self._fetch(self._prefix + tile_path(level, tile_no, width))
        if data is None and width < TILE_WIDTH:
            data = self._fetch(self._prefix + tile_path(level, tile_no))
        return data

    def _withheld(self, level: int, tile_no: int, data: bytes | None) -> WithheldError:
        span = TILE_WIDTH << TILE_HEIGHT * level
        leaves = LeafRange(tile_no * span, min((tile_no + 1) * span, self.size))
        path = self._prefix + tile_path(level, tile_no, tile_width(level, tile_no, self.size))
        found = "is not there" if data is None else f"has {len(data)} bytes only"
        return WithheldError(leaves, f"{leaves} were withheld: {path} {found}")


def _levels_in(tile: bytes) -> list[bytes]:
    levels = [tile]
    for _ in range(TILE_HEIGHT - 1):
        below = levels[-1]
        pairs = (below[at : at + 2 * HASH_SIZE] for at in range(0, len(below) - HASH_SIZE, 2 * HASH_SIZE))
        levels.append(b"".join(sha256_each(pairs, b"\x01")))
    return levels
