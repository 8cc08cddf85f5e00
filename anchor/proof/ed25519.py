# SPDX-License-Identifier: Apache-2.0
"""Ed25519 signature checks in plain Python, by the one acceptance rule that holds everywhere in Anchorline.

The rule (design section 3.1) is libsodium's: S < L, the key A canonical, neither A nor R of small order, and
encode(sB - hA) equal to the 32 bytes of R (RFC 8032 section 5.1.7 without the cofactor). Checks only, on public
data, so nothing here needs to run in constant time; ``anchor.signing`` signs, and checks faster.
"""

import hashlib
from collections.abc import Callable

from anchor.proof.codec import HASH_SIZE

SignatureCheck = Callable[[bytes, bytes, bytes], bool]
"""check(public_key 32, message, signature 64) -> bool, by the rule above."""

SIGNATURE_SIZE = 64
PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
_D = (-121665 * pow(121666, -1, PRIME)) % PRIME
_D2 = 2 * _D % PRIME
_ROOT_OF_MINUS_ONE = pow(2, (PRIME - 1) // 4, PRIME)

# The y coordinates of the eight points of small order (those of order 8 solve d*y^4 + 2*y^2 - 1 = 0).
_Y_OF_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER_Y = frozenset({0, 1, PRIME - 1, _Y_OF_ORDER_8, PRIME - _Y_OF_ORDER_8})

# A point is (X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z; a table entry is (Y-X, Y+X, 2Z, 2dT).
_Point = tuple[int, int, int, int]
_IDENTITY: _Point = (0, 1, 1, 0)


def acceptable_encodings(public_key: bytes, signature: bytes) -> bool:
    """Say whether key and signature pass the part of the rule that needs no curve arithmetic.

    This is what must stand in front of a library that accepts more than the rule (OpenSSL, browsers).
    """
    if len(public_key) != HASH_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    if int.from_bytes(signature[32:], "little") >= ORDER:
        return False
    key_y = _y_of(public_key)
    return key_y < PRIME and key_y not in SMALL_ORDER_Y and _y_of(signature[:32]) not in SMALL_ORDER_Y


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether ``signature`` (64 bytes) over ``message`` is by ``public_key`` (32 bytes): RFC 8032, rule above."""
    if not acceptable_encodings(public_key, signature):
        return False
    key = _decode_point(public_key)
    if key is None:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    h = int.from_bytes(digest, "little") % ORDER
    s = int.from_bytes(signature[32:], "little")
    x, y, z, t = key
    return _encode_point(_double_multiply(s, h, (PRIME - x, y, z, PRIME - t))) == signature[:32]


def _y_of(encoded: bytes) -> int:
    return int.from_bytes(encoded, "little") & ((1 << 255) - 1)


def _decode_point(encoded: bytes) -> _Point | None:
    """RFC 8032 section 5.1.3, for a canonical y."""
    y = _y_of(encoded)
    sign = encoded[31] >> 7
    u = (y * y - 1) % PRIME
    v = (_D * y * y + 1) % PRIME
    x = u * pow(v, 3, PRIME) * pow(u * pow(v, 7, PRIME), (PRIME - 5) // 8, PRIME) % PRIME
    if (v * x * x - u) % PRIME:
        x = x * _ROOT_OF_MINUS_ONE % PRIME
    if (v * x * x - u) % PRIME or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = PRIME - x
    return x, y, 1, x * y % PRIME


def _encode_point(point: _Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, PRIME)
    x, y = x * inverse % PRIME, y * inverse % PRIME
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _table_entry(point: _Point) -> _Point:
    x, y, z, t = point
    return (y - x) % PRIME, (y + x) % PRIME, 2 * z % PRIME, _D2 * t % PRIME


def _add(point: _Point, entry: _Point) -> _Point:
    """Add a table entry (RFC 8032 section 5.1.4, complete)."""
    x, y, z, t = point
    minus, plus, z2, t2 = entry
    a = (y - x) * minus % PRIME
    b = (y + x) * plus % PRIME
    c = t * t2 % PRIME
    d = z * z2 % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def _double(point: _Point) -> _Point:
    x, y, z, _ = point
    a = x * x % PRIME
    b = y * y % PRIME
    h = a + b
    e = h - (x + y) * (x + y) % PRIME
    g = a - b
    f = 2 * z * z % PRIME + g
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def _odd_multiples(point: _Point, count: int) -> list[_Point]:
    twice = _table_entry(_double(point))
    multiples = [_table_entry(point)]
    for _ in range(count - 1):
        point = _add(point, twice)
        multiples.append(_table_entry(point))
    return multiples


def _signed_digits(scalar: int, width: int) -> list[int]:
    """Return the width-w non-adjacent form, least significant digit first: odd digits, mostly zeros."""
    digits = []
    window = 1 << width
    while scalar:
        digit = 0
        if scalar & 1:
            digit = scalar & (window - 1)
            if digit >= window >> 1:
                digit -= window
            scalar -= digit
        digits.append(digit)
        scalar >>= 1
    return digits


def _negative(entry: _Point) -> _Point:
    minus, plus, z2, t2 = entry
    return plus, minus, z2, PRIME - t2


_BASE_WIDTH = 7
_KEY_WIDTH = 5
_BASE_Y = 4 * pow(5, -1, PRIME) % PRIME
_BASE_POINT = _decode_point(_BASE_Y.to_bytes(32, "little"))
assert _BASE_POINT is not None
_BASE_MULTIPLES = _odd_multiples(_BASE_POINT, 1 << (_BASE_WIDTH - 2))


def _double_multiply(s: int, h: int, point: _Point) -> _Point:
    """Return s*B + h*point, both scalars walked together (Straus)."""
    multiples = _odd_multiples(point, 1 << (_KEY_WIDTH - 2))
    base_digits = _signed_digits(s, _BASE_WIDTH)
    key_digits = _signed_digits(h, _KEY_WIDTH)
    length = max(len(base_digits), len(key_digits))
    base_digits += [0] * (length - len(base_digits))
    key_digits += [0] * (length - len(key_digits))
    x, y, z, t = _IDENTITY
    for base_digit, key_digit in zip(reversed(base_digits), reversed(key_digits), strict=True):
        # ``_double`` written out, and T made only where an addition follows: a third of the time of a check.
        a, b, xy = x * x % PRIME, y * y % PRIME, x + y
        g, h = a - b, a + b
        e, f = h - xy * xy % PRIME, 2 * z * z % PRIME + g
        x, y, z = e * f % PRIME, g * h % PRIME, f * g % PRIME
        if not (base_digit or key_digit):
            continue
        t = e * h % PRIME
        if base_digit:
            x, y, z, t = _add((x, y, z, t), _chosen(_BASE_MULTIPLES, base_digit))
        if key_digit:
            x, y, z, t = _add((x, y, z, t), _chosen(multiples, key_digit))
    return x, y, z, t


def _chosen(multiples: list[_Point], digit: int) -> _Point:
    return multiples[digit >> 1] if digit > 0 else _negative(multiples[-digit >> 1])
