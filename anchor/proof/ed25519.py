# SPDX-License-Identifier: Apache-2.0
"""Ed25519 signature checks in plain Python, by the one acceptance rule that holds everywhere in Anchorline.

The rule (design section 3.1) is libsodium's: S < L, the key A canonical, neither A nor R of small order, and
encode(sB - hA) equal to the 32 bytes of R (RFC 8032 section 5.1.7 without the cofactor). Checks only, on public
data, so nothing here needs to run in constant time; ``anchor.signing`` signs, and checks faster.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache

from anchor.proof.codec import HASH_SIZE
from anchor.proof.edwards import ORDER, PRIME, Addend, decode_point, is_identity, multiples_of

SignatureCheck = Callable[[bytes, bytes, bytes], bool]
"""check(public_key 32, message, signature 64) -> bool, by the rule above."""

SIGNATURE_SIZE = 64

# The y coordinates of the eight points of small order (those of order 8 solve d*y^4 + 2*y^2 - 1 = 0).
_Y_OF_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER_Y = frozenset({0, 1, PRIME - 1, _Y_OF_ORDER_8, PRIME - _Y_OF_ORDER_8})


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
    """Say whether ``signature`` (64 bytes) over ``message`` is by ``public_key`` (32 bytes): RFC 8032, rule above.

    encode(sB - hA) is R's bytes just where they are the one encoding of a point R, and E = sB - hA - R is the
    identity. Instead of E a multiple vE is computed, whose scalars are half as long and cost half the doublings
    (Antipa, Brown, Gallant, Lambert, Struik, Vanstone: "Accelerated Verification of ECDSA Signatures", SAC 2005).
    The order of E divides that of the curve, 8L, to which v is prime, so vE is the identity only where E is: this
    is the rule above, also for points that are not multiples of B, and no rule with a cofactor.
    """
    if not acceptable_encodings(public_key, signature):
        return False
    key, r = multiples_of_key(public_key), decode_point(signature[:32])
    if key is None or r is None:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    u, v = halved(int.from_bytes(digest, "little") % ORDER)
    s = int.from_bytes(signature[32:], "little")
    return is_identity(v * s % ORDER, ((-u, key), (-v, multiples_of(r))))


@lru_cache(maxsize=64)
def multiples_of_key(public_key: bytes) -> Sequence[Addend] | None:
    """Return what ``is_identity`` needs of a key (32 bytes), or None for no point; kept: a key signs more than once."""
    point = decode_point(public_key)
    return None if point is None else multiples_of(point)


def halved(h: int) -> tuple[int, int]:
    """Return (u, v), of about 128 bits each, with u = v*h modulo 8L and v prime to 8L; ``h`` is 0 to L-1.

    Euclid's algorithm on 8L and h keeps u = v*h modulo 8L at each step, while u falls and v grows, and no two v in a
    row have a common factor: one of them is odd. At the first u below 2^127 both are smaller than 8L / 2^127, so
    smaller than the prime L; what is odd and smaller than L is prime to 8L.
    """
    before, u, v_before, v = 8 * ORDER, h, 0, 1
    while u >= 1 << 127:
        times, rest = divmod(before, u)
        before, u, v_before, v = u, rest, v, v_before - times * v
    return (u, v) if v % 2 else (before, v_before)


def _y_of(encoded: bytes) -> int:
    return int.from_bytes(encoded, "little") & ((1 << 255) - 1)
