# SPDX-License-Identifier: Apache-2.0
"""Where a published log keeps its leaves, and how they lie there: C2SP tlog-tiles of height 8.

Input is places and the bytes of entry bundles. ``anchor.log`` and the mirror write by these paths, ``archive`` reads.
"""

from struct import iter_unpack

from anchor.proof.errors import MalformedError

# C2SP tlog-tiles: height 8, 256 hashes a tile.
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT


def tile_path(level: int | str, tile_no: int, width: int = TILE_WIDTH) -> str:
    """Return the C2SP path of a tile: tile/<level>/<number in groups of three digits>[.p/<width>].

    ``level`` is "entries" for the leaves themselves.
    """
    groups = [f"{tile_no % 1000:03d}"]
    while tile_no >= 1000:
        tile_no //= 1000
        groups.insert(0, f"x{tile_no % 1000:03d}")
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(groups)}{partial}"


def decode_bundle(data: bytes) -> list[bytes]:
    """Return the leaves of an entry bundle: each behind its length, u16 big-endian; raises MalformedError."""
    size = 2 + int.from_bytes(data[:2], "big")
    number = len(data) // size
    # Leaves of one size, as those of a chain often are, are cut all at once.
    if number * size == len(data) and data[::size] + data[1::size] == data[:1] * number + data[1:2] * number:
        return [leaf for (leaf,) in iter_unpack(f"2x{size - 2}s", data)]
    leaves, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise MalformedError(f"entry bundle: expected whole leaves, the one at byte {at} is cut")
        leaves.append(data[at + 2 : end])
        at = end
    return leaves
