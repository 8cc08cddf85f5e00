"""Products over pairs (``plain.PAIR_SIZE``), by which two lots of them are compared without sorting or keeping them.

A pair is the factor at + key + slope * number, modulo a prime above every key and number. Lots that are not alike are
different polynomials in (at, slope), and give one product at one point in 2^127 for each pair of theirs (Schwartz and
Zippel): whoever could have made the pairs must not know the point beforehand. ``chains.audit_lookups`` compares so.
"""

import struct
from typing import NamedTuple

MODULUS = (1 << 127) - 1
_PAIR = struct.Struct(">QQ")


class Point(NamedTuple):
    """Where products are taken: two numbers below ``MODULUS``."""

    at: int
    slope: int


def product(pairs: bytes, point: Point, so_far: int) -> int:
    """Return ``so_far`` times the factor of each pair."""
    for key, number in _PAIR.iter_unpack(pairs):
        so_far = so_far * (point.at + key + point.slope * number) % MODULUS
    return so_far


def check_product(pairs: bytes, point: Point, so_far: int) -> None:
    """Raise ValueError unless pairs are whole, and a point, and what is gone on with, are numbers below ``MODULUS``."""
    if not all(0 <= number < MODULUS for number in (*point, so_far)):
        raise ValueError(f"expected numbers from 0 to {MODULUS - 1}, got {point} and {so_far}")
    if len(pairs) % _PAIR.size:
        raise ValueError(f"expected pairs of {_PAIR.size} bytes, got {len(pairs)} bytes in all")
