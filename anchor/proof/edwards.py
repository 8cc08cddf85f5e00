# SPDX-License-Identifier: Apache-2.0
"""Points of edwards25519 (RFC 8032 section 5.1): reading one, and whether a sum of multiples of some is the identity.

Input is encoded points and scalars of ``anchor.proof.ed25519``, all of it public: nothing here runs in constant time.
The formulas are those of Hisil, Wong, Carter and Dawson, "Twisted Edwards Curves Revisited" (2008), for a = -1.

A number stands for its residue modulo PRIME, and may be negative or some bits longer. 2^255 is 19 modulo PRIME, so
``(n & _LOW) + 19 * (n >> 255)`` is congruent to n and nearly as short as a remainder, at half the price. It stands
where it is used, since a call would cost as much again.
"""

from collections.abc import Iterable, Sequence
from functools import cache

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
"""L, the order of the base point B; the curve has 8L points."""
BASE = bytes.fromhex("58" + 31 * "66")
"""B, encoded: y is 4/5 and x is even."""
_D = -121665 * pow(121666, -1, PRIME) % PRIME
_D2 = 2 * _D % PRIME
_ROOT_OF_MINUS_ONE = pow(2, (PRIME - 1) // 4, PRIME)
_LOW = 2**255 - 1

Point = tuple[int, int, int, int, int]
"""(X, Y, Z, E, H) with x = X/Z, y = Y/Z and x*y = E*H/Z: the paper's T is multiplied out only where it is needed."""
Addend = tuple[int, int, int, int]
"""A point in the form in which it is added: (Y-X, Y+X, 2Z, 2dT)."""
_IDENTITY: Point = (0, 1, 1, 0, 1)

# Windows of the non-adjacent forms, in bits. B's multiples are made once, so there may be more of them.
_WIDTH = 5
_BASE_WIDTH = 7
# A scalar of B is walked as two halves, on multiples of B and of 2^128 * B.
_HALF = 128


def decode_point(encoded: bytes) -> Point | None:
    """Return the point of which ``encoded`` (32 bytes) is the one encoding, or None (RFC 8032 section 5.1.3)."""
    number = int.from_bytes(encoded, "little")
    y, sign = number & _LOW, number >> 255
    if y >= PRIME:
        return None
    u, v = (y * y - 1) % PRIME, (_D * y * y + 1) % PRIME
    v2 = v * v % PRIME
    uv3 = u * v2 % PRIME * v % PRIME
    x = uv3 * _power_for_root(uv3 * v2 % PRIME * v2 % PRIME) % PRIME
    found = v * x % PRIME * x % PRIME
    if found != u:
        if found != -u % PRIME:
            return None
        x = x * _ROOT_OF_MINUS_ONE % PRIME
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = PRIME - x
    return x, y, 1, x, y


def multiples_of(point: Point, width: int = _WIDTH) -> Sequence[Addend]:
    """Return P, 3P, 5P, ... for every digit of a non-adjacent form of ``width`` bits; ``point`` is P."""
    twice = _addend(_double(point, 1))
    multiples = [_addend(point)]
    for _ in range((1 << width - 2) - 1):
        point = _add(point, twice)
        multiples.append(_addend(point))
    return multiples


@cache
def base_multiples() -> tuple[Sequence[Addend], Sequence[Addend]]:
    """Return the multiples of B and of 2^128 * B; they are made when first asked for, and kept."""
    base = decode_point(BASE)
    assert base is not None
    return multiples_of(base, _BASE_WIDTH), multiples_of(_double(base, _HALF), _BASE_WIDTH)


def is_identity(base_scalar: int, terms: Iterable[tuple[int, Sequence[Addend]]]) -> bool:
    """Say whether base_scalar*B + sum of scalar*P is the identity, for ``terms`` of a scalar and ``multiples_of(P)``.

    ``base_scalar`` is 0 to L-1, the others are any integers. All are walked together (Straus 1964), so the number of
    doublings is that of the longest of them; half of ``base_scalar`` counts.
    """
    point, at = _IDENTITY, 0
    for place, addends in sorted(_placed(base_scalar, terms).items(), reverse=True):
        point = _double(point, at - place)
        for addend in addends:
            point = _add(point, addend)
        at = place
    x, y, z, _, _ = _double(point, at)
    return x % PRIME == 0 and (y - z) % PRIME == 0


def _placed(base_scalar: int, terms: Iterable[tuple[int, Sequence[Addend]]]) -> dict[int, list[Addend]]:
    """Return what is to be added at each bit, so that the sum of addend * 2^bit is the sum of all terms."""
    low, high = base_multiples()
    walked = [(base_scalar % (1 << _HALF), low, _BASE_WIDTH), (base_scalar >> _HALF, high, _BASE_WIDTH)]
    walked += [(scalar, multiples, _WIDTH) for scalar, multiples in terms]
    placed: dict[int, list[Addend]] = {}
    for scalar, multiples, width in walked:
        for place, digit in _digits(scalar, width):
            addend = multiples[digit >> 1] if digit > 0 else _negative(multiples[-digit >> 1])
            placed.setdefault(place, []).append(addend)
    return placed


def _digits(scalar: int, width: int) -> list[tuple[int, int]]:
    """Return the non-adjacent form of ``width`` bits as (bit, odd digit below 2^(width-1) in size), least bit first."""
    digits = []
    place, window = 0, 1 << width
    while scalar:
        zeros = (scalar & -scalar).bit_length() - 1
        place += zeros
        scalar >>= zeros
        digit = scalar % window
        if digit > window >> 1:
            digit -= window
        scalar -= digit
        digits.append((place, digit))
    return digits


def _double(point: Point, times: int) -> Point:
    """Return 2^times * point (section 3.3 of the paper; F and H with the other sign, so all coordinates change it)."""
    x, y, z, e, h = point
    for _ in range(times):
        a, b, c, e = x * x, y * y, z * z, x * y
        a = (a & _LOW) + 19 * (a >> 255)
        b = (b & _LOW) + 19 * (b >> 255)
        c = (c & _LOW) + 19 * (c >> 255)
        e = (e & _LOW) + 19 * (e >> 255)
        e, g, h = e + e, b - a, b + a
        f = c + c - g
        x, y, z = e * f, g * h, f * g
        x = ((x & _LOW) + 19 * (x >> 255)) % PRIME
        y = ((y & _LOW) + 19 * (y >> 255)) % PRIME
        z = ((z & _LOW) + 19 * (z >> 255)) % PRIME
    return x, y, z, e, h


def _add(point: Point, addend: Addend) -> Point:
    """Return the sum of any two points (section 3.1 of the paper: complete, so no case is special)."""
    x, y, z, e, h = point
    minus, plus, z2, t2 = addend
    t = e * h
    t = (t & _LOW) + 19 * (t >> 255)
    a, b, c, d = (y - x) * minus, (y + x) * plus, t * t2, z * z2
    a = (a & _LOW) + 19 * (a >> 255)
    b = (b & _LOW) + 19 * (b >> 255)
    c = (c & _LOW) + 19 * (c >> 255)
    d = (d & _LOW) + 19 * (d >> 255)
    e, f, g, h = b - a, d - c, d + c, b + a
    x, y, z = e * f, g * h, f * g
    x = ((x & _LOW) + 19 * (x >> 255)) % PRIME
    y = ((y & _LOW) + 19 * (y >> 255)) % PRIME
    z = ((z & _LOW) + 19 * (z >> 255)) % PRIME
    return x, y, z, e, h


def _addend(point: Point) -> Addend:
    x, y, z, e, h = point
    return y - x, y + x, 2 * z, e * h % PRIME * _D2 % PRIME


def _negative(addend: Addend) -> Addend:
    """Return -P, which is (-X, Y, Z) with -T."""
    minus, plus, z2, t2 = addend
    return plus, minus, z2, -t2


def _power_for_root(value: int) -> int:
    """Return value^((PRIME - 5) / 8), the exponent being 2^252 - 3."""
    power = {1: value}  # power[n] is value^(2^n - 1)
    for have, more in ((1, 1), (2, 2), (4, 1), (5, 5), (10, 10), (20, 20), (40, 10), (50, 50), (100, 100), (200, 50)):
        power[have + more] = _square(power[have], more) * power[more] % PRIME
    return _square(power[250], 2) * value % PRIME


def _square(value: int, times: int) -> int:
    """Return value^(2^times)."""
    for _ in range(times):
        square = value * value
        value = ((square & _LOW) + 19 * (square >> 255)) % PRIME
    return value
