"""Makes ``ed25519.json``: signatures that every verifier takes, and those on which verifiers differ.

Input is nothing but the constants in this file, and textbook arithmetic on the curve of RFC 8032 that shares nothing
with the code under test. ``python -m tests.vectors.make_ed25519_vectors`` in the repository's root writes the file;
the tests of ``anchor.proof.ed25519`` run it against four verifiers, and the browser verifier runs it too.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Case = dict[str, Any]
Point = tuple[int, int]

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, PRIME) % PRIME
IDENTITY: Point = (0, 1)
FILE = Path(__file__).with_name("ed25519.json")
ABOUT = (
    "Ed25519 by the one rule of docs/spec/entry.md: S < L, the key canonical, neither key nor R of small order, and "
    "encode(sB - hA) equal to the bytes of R. All inputs are hex; want says whether the signature is good."
)

# RFC 8032 section 7.1: name, public key, message, signature.
RFC_8032 = (
    (
        "TEST 1",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe"
            "24655141438e7a100b"
        ),
    ),
    (
        "TEST 2",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302a"
            "eeb00d291612bb0c00"
        ),
    ),
    (
        "TEST 3",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed2"
            "8dc027beceea1ec40a"
        ),
    ),
    (
        "TEST SHA(abc)",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac1"
            "7ad9bef1177331a704"
        ),
    ),
)


# The curve, in affine coordinates: slow and plain


def add(first: Point, second: Point) -> Point:
    """Return the sum (RFC 8032 section 5.1.4, the affine law)."""
    (x1, y1), (x2, y2) = first, second
    product = D * x1 * x2 * y1 * y2 % PRIME
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, PRIME) % PRIME
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, PRIME) % PRIME
    return x, y


def multiply(scalar: int, point: Point) -> Point:
    """Return ``scalar`` times ``point``."""
    total = IDENTITY
    for bit in f"{scalar:b}":
        total = add(total, total)
        if bit == "1":
            total = add(total, point)
    return total


def negative(point: Point) -> Point:
    """Return the point that adds up to the identity."""
    return -point[0] % PRIME, point[1]


def encode(point: Point) -> bytes:
    """Return the 32 bytes of a point (RFC 8032 section 5.1.2)."""
    return encode_raw(point[1], point[0] & 1)


def encode_raw(y: int, sign: int) -> bytes:
    """Return 32 bytes for any y below 2^255, canonical or not."""
    return (y | sign << 255).to_bytes(32, "little")


def with_y(y: int) -> Point | None:
    """Return the point with this y and an even x, or None where there is none."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    root = pow(square, (PRIME + 3) // 8, PRIME)
    if root * root % PRIME != square:
        root = root * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    if root * root % PRIME != square:
        return None
    return (root if root % 2 == 0 else PRIME - root), y


def base_point() -> Point:
    """Return B, the point with y = 4/5 and an even x."""
    point = with_y(4 * pow(5, -1, PRIME) % PRIME)
    assert point is not None
    return point


BASE = base_point()


def torsion() -> list[Point]:
    """Return the eight points of small order: multiples of one of order 8, the identity first."""
    for y in itertools.count(2):
        point = with_y(y)
        generator = IDENTITY if point is None else multiply(ORDER, point)
        if multiply(4, generator) != IDENTITY:
            return [multiply(number, generator) for number in range(8)]
    raise AssertionError


TORSION = torsion()


# Signatures with chosen parts


def scalar(name: str) -> int:
    """Return a scalar that ``name`` seeds."""
    return int.from_bytes(hashlib.sha512(name.encode()).digest(), "little") % ORDER


def challenge(r: bytes, key: bytes, message: bytes) -> int:
    """Return h = SHA-512(R, A, M) mod L."""
    return int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % ORDER


def messages() -> Iterator[bytes]:
    """Return message after message, to find one with a wanted challenge."""
    return (b"message %d" % number for number in itertools.count())


def signed(description: str, key: bytes, message: bytes, signature: bytes, *, want: bool) -> Case:
    """Return one case."""
    return {
        "description": description,
        "public_key": key.hex(),
        "message": message.hex(),
        "signature": signature.hex(),
        "want": want,
    }


def chosen(description: str, a: int, key_torsion: int, r: int, r_torsion: int, residue: int, *, want: bool) -> Case:
    """Return a signature with A = aB + torsion and R = rB + torsion, and S = r + ha.

    The message is the first whose challenge is ``residue`` modulo 8, which decides whether the equation holds with
    the torsion (cofactorless) or only after multiplying by 8 (cofactored).
    """
    key = encode(add(multiply(a, BASE), TORSION[key_torsion]))
    point = encode(add(multiply(r, BASE), TORSION[r_torsion]))
    message = next(item for item in messages() if challenge(point, key, item) % 8 == residue)
    s = (r + challenge(point, key, message) * a) % ORDER
    return signed(description, key, message, point + s.to_bytes(32, "little"), want=want)


def plain(name: str, message: bytes) -> tuple[bytes, bytes]:
    """Return key and signature of an ordinary signer."""
    a, r = scalar(name), scalar(f"{name} r {message.hex()}")
    key, point = encode(multiply(a, BASE)), encode(multiply(r, BASE))
    s = (r + challenge(point, key, message) * a) % ORDER
    return key, point + s.to_bytes(32, "little")


def ordinary() -> Iterator[Case]:
    """Return good signatures, and what everybody refuses."""
    for name, key_hex, message_hex, signature_hex in RFC_8032:
        yield signed(
            f"RFC 8032 section 7.1, {name}",
            *(bytes.fromhex(part) for part in (key_hex, message_hex, signature_hex)),
            want=True,
        )
    for length in (0, 1, 111, 112, 1000):
        message = b"m" * length
        yield signed(
            f"a message of {length} bytes",
            key := plain("alice", message)[0],
            message,
            plain("alice", message)[1],
            want=True,
        )
    key, signature = plain("alice", b"hello")
    yield signed("another message", key, b"hellp", signature, want=False)
    yield signed("another key", plain("bob", b"")[0], b"hello", signature, want=False)
    yield signed("R changed", key, b"hello", bytes((signature[0] ^ 1,)) + signature[1:], want=False)
    yield signed("S changed", key, b"hello", signature[:32] + bytes((signature[32] ^ 1,)) + signature[33:], want=False)
    yield signed("the sign bit of R changed", key, b"hello", _flip_sign(signature), want=False)
    yield signed("the key's sign bit changed", _flip_sign(key), b"hello", signature, want=False)
    yield signed("a key of 31 bytes", key[:31], b"hello", signature, want=False)
    yield signed("a key of 33 bytes", key + bytes(1), b"hello", signature, want=False)
    yield signed("a signature of 63 bytes", key, b"hello", signature[:63], want=False)
    yield signed("a signature of 65 bytes", key, b"hello", signature + bytes(1), want=False)
    yield signed("no signature", key, b"hello", b"", want=False)
    yield signed("nothing but zeros", bytes(32), b"hello", bytes(64), want=False)
    off_curve = next(y for y in itertools.count(2) if with_y(y) is None)
    yield signed("a key that is no point", encode_raw(off_curve, 0), b"hello", signature, want=False)
    yield signed("an R that is no point", key, b"hello", encode_raw(off_curve, 0) + signature[32:], want=False)


def _flip_sign(raw: bytes) -> bytes:
    return raw[:31] + bytes((raw[31] ^ 0x80,)) + raw[32:]


def scalars_out_of_range() -> Iterator[Case]:
    """Return S of L and more: a second signature for the same message, by anyone."""
    key, signature = plain("alice", b"hello")
    s = int.from_bytes(signature[32:], "little")
    for number in (1, 2, 7, 14):
        if s + number * ORDER < 2**256:
            raw = (s + number * ORDER).to_bytes(32, "little")
            yield signed(f"S + {number} L", key, b"hello", signature[:32] + raw, want=False)
    for value, name in ((ORDER, "L"), (ORDER - 1, "L - 1"), (2**253, "2^253"), (2**256 - 1, "all ones")):
        raw = value.to_bytes(32, "little")
        yield signed(f"S is {name}", key, b"hello", signature[:32] + raw, want=False)


def small_orders() -> Iterator[Case]:
    """Return keys and R of small order: the equation holds, for any message or for one that is easily found."""
    r = scalar("r")
    point = encode(multiply(r, BASE))
    for index, torsion_point in enumerate(TORSION):
        key = encode(torsion_point)
        message = next(item for item in messages() if challenge(point, key, item) % 8 == 0)
        signature = point + r.to_bytes(32, "little")
        yield signed(
            f"key of small order, number {index}: signs this message for anybody", key, message, signature, want=False
        )
    for index in range(8):
        residue = 0 if index == 0 else 1
        yield chosen(
            f"R of small order, number {index}, under a key whose torsion takes it away",
            scalar("a"),
            -index % 8 if index else 0,
            0,
            index,
            residue,
            want=False,
        )
    yield signed("key and R are the identity, S is 0", encode(IDENTITY), b"", encode(IDENTITY) + bytes(32), want=False)


def not_canonical() -> Iterator[Case]:
    """Return encodings with y of p or more, or of a negative zero."""
    key, signature = plain("alice", b"hello")
    r = scalar("r")
    point = encode(multiply(r, BASE))
    for y in range(PRIME, 2**255):
        if with_y(y - PRIME) is None:
            continue
        for sign in (0, 1):
            odd = encode_raw(y, sign)
            name = f"y = p + {y - PRIME}, sign {sign}"
            yield signed(f"key not canonical: {name}", odd, b"message", point + r.to_bytes(32, "little"), want=False)
            yield signed(f"R not canonical: {name}", key, b"hello", odd + signature[32:], want=False)
    for y in (1, PRIME - 1):
        odd = encode_raw(y, 1)
        yield signed(f"key is a negative zero, y = {y}", odd, b"message", point + r.to_bytes(32, "little"), want=False)
        yield signed(f"R is a negative zero, y = {y}", key, b"hello", odd + signature[32:], want=False)
    a = scalar("a")
    own = encode(multiply(a, BASE))
    for name, raw in (("y = p + 1", encode_raw(PRIME + 1, 0)), ("a negative zero", encode_raw(1, 1))):
        s = challenge(raw, own, b"message") * a % ORDER
        yield signed(
            f"R is the identity as {name}, and the equation holds",
            own,
            b"message",
            raw + s.to_bytes(32, "little"),
            want=False,
        )


def mixed_orders() -> Iterator[Case]:
    """Return points with a torsion part: taken where the equation holds as it stands, refused with a cofactor only."""
    a, r = scalar("a"), scalar("r")
    for index in range(1, 8):
        yield chosen(
            f"key with torsion {index}, its challenge takes it away: the equation holds", a, index, r, 0, 0, want=True
        )
        yield chosen(f"key with torsion {index}: holds with the cofactor only", a, index, r, 0, 1, want=False)
        yield chosen(f"R with torsion {index}: holds with the cofactor only", a, 0, r, index, 1, want=False)
        yield chosen(
            f"key and R with torsion {index} that cancel each other: the equation holds",
            a,
            index,
            r,
            -index % 8,
            1,
            want=True,
        )


# The encodings of points of small order that are not canonical: (y, sign), the same y + p where it fits, or -0.
ODD = ((PRIME, 0), (PRIME, 1), (1, 1), (PRIME + 1, 0), (PRIME + 1, 1), (PRIME - 1, 1))


def odd_small_orders() -> Iterator[Case]:
    """Return such keys and R where the equation holds, as it stands or with the canonical encoding in the challenge.

    These are the classes that C2SP's CCTV tells apart, made anew: verifiers that read points laxly take the first, and
    those that encode again what they have read, the second. Here nobody takes either.
    """
    r = scalar("r")
    point = encode(multiply(r, BASE))
    a = scalar("a")
    own = encode(multiply(a, BASE))
    for y, sign in ODD:
        odd, name = encode_raw(y, sign), f"y = p + {y - PRIME}" if y >= PRIME else f"y = {y if y == 1 else 'p - 1'}"
        canonical = encode_raw(y % PRIME, sign if y % PRIME not in (1, PRIME - 1) else 0)
        for encoded, how in ((odd, "as it stands"), (canonical, "encoded again")):
            message = next(item for item in messages() if challenge(point, encoded, item) % 8 == 0)
            signature = point + r.to_bytes(32, "little")
            yield signed(f"key of small order, {name}, sign {sign}, {how}", odd, message, signature, want=False)
            s = challenge(encoded, own, b"message") * a % ORDER
            signature = odd + s.to_bytes(32, "little")
            yield signed(f"R of small order, {name}, sign {sign}, {how}", own, b"message", signature, want=False)


def make() -> str:
    """Return the file's text."""
    groups = (ordinary, scalars_out_of_range, small_orders, not_canonical, odd_small_orders, mixed_orders)
    cases = [case for group in groups for case in group()]
    return json.dumps({"description": ABOUT, "cases": cases}, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(make(), encoding="ascii")
