"""Filters over the keys of pairs (``plain.PAIR_SIZE``): bits that say of most keys that they were never put in.

A filter is cut into blocks by the first bytes of a key, so that sorted pairs fill one block after the other, and who
asks for a key reads one block; four bits of it stand for a key. ``chains.run_filters`` keeps them beside sorted runs.
"""

from collections.abc import Sequence

from anchor.hashing.pieces import Pieces
from anchor.proof.codec import HASH_SIZE

BLOCK_BYTES = 1024
"""Small enough to lie in a row of any database as it is."""
_BITS = 8 * BLOCK_BYTES
# With 16 bits a key one of 400 others finds all four set.
_BITS_OF_A_KEY = 4
_HALF = 4
_PAIR_SIZE = 16
MOST_BLOCKS = 1 << 32
"""A block is found by the first four bytes of a key."""
OUTSIDE = "expected pairs of the blocks that were given, got one of another block"


def block_of(key: bytes, blocks: int) -> int:
    """Return the block of a key (8 bytes or more) in a filter of so many blocks."""
    return int.from_bytes(key[:_HALF], "big") * blocks >> 32


def first_key(block_no: int, blocks: int) -> bytes:
    """Return the first 4 bytes of the least key of a block."""
    return (-(-(block_no << 32) // blocks)).to_bytes(_HALF, "big")


def masks_of(key: bytes) -> list[tuple[int, int]]:
    """Return which bits of its block stand for a key (8 bytes or more): the byte of each, and the bit in it."""
    word, step = _word_and_step(key)
    places = [(word + number * step) % _BITS for number in range(_BITS_OF_A_KEY)]
    return [(place >> 3, 1 << (place & 7)) for place in places]


def _word_and_step(key: bytes) -> tuple[int, int]:
    word = int.from_bytes(key[_HALF : 2 * _HALF], "big")
    return word, word >> 13 | 1


def has_bits(bits: bytes, key: bytes) -> bool:
    """Say whether all bits of a key are set in its block."""
    word, step = _word_and_step(key)
    # The bits of ``masks_of``. Most keys that were never put in lack the first or the second one.
    places = range(word, word + _BITS_OF_A_KEY * step, step)
    return all(bits[place % _BITS >> 3] >> (place & 7) & 1 for place in places)


def filled(pairs: bytes, blocks: int, first_block: int, bits: bytes) -> bytes:
    """Return the bits of the blocks from ``first_block`` on, with those set that stand for the keys of these pairs.

    Raises ValueError where a pair is in none of these blocks.
    """
    made = bytearray(bits)
    for pair in Pieces.cut(pairs, _PAIR_SIZE):
        start = (block_of(pair, blocks) - first_block) * BLOCK_BYTES
        if not 0 <= start < len(made):
            raise ValueError(OUTSIDE)
        for at, mask in masks_of(pair):
            made[start + at] |= mask
    return bytes(made)


def held(hashes: bytes, blocks: int, numbers: Sequence[int], bits: bytes) -> list[int]:
    """Return the places of flat hashes (32 bytes each) that a filter of so many blocks may hold.

    ``bits`` are those of its blocks ``numbers``, ascending, one behind the other; it may hold what is in another one.
    """
    place_of = {number: at * BLOCK_BYTES for at, number in enumerate(numbers)}
    found = []
    for place, key in enumerate(Pieces.cut(hashes)):
        at = place_of.get(block_of(key, blocks))
        if at is None or has_bits(bits[at : at + BLOCK_BYTES], key):
            found.append(place)
    return found


def check_held(hashes: bytes, blocks: int, numbers: Sequence[int], bits: bytes) -> None:
    """Raise ValueError unless hashes are whole, and the blocks are as many as numbers, which a filter can have."""
    if len(hashes) % HASH_SIZE or len(bits) != len(numbers) * BLOCK_BYTES or not 0 <= blocks <= MOST_BLOCKS:
        raise ValueError(
            f"expected whole hashes and {len(numbers)} blocks of at most {MOST_BLOCKS}, got {len(hashes)} and "
            f"{len(bits)} bytes, of {blocks}"
        )


def check_filled(pairs: bytes, blocks: int, first_block: int, bits: bytes) -> None:
    """Raise ValueError unless pairs and blocks are whole, and the blocks are some of those that there are."""
    if len(pairs) % _PAIR_SIZE or len(bits) % BLOCK_BYTES:
        raise ValueError(f"expected whole pairs and blocks, got {len(pairs)} and {len(bits)} bytes")
    end = first_block + len(bits) // BLOCK_BYTES
    if not 0 <= first_block <= end <= blocks <= MOST_BLOCKS:
        raise ValueError(f"expected some blocks of {blocks}, got {first_block} to {end - 1}")
