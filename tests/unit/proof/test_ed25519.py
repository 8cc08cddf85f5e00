"""Tests of ``anchor.proof.ed25519``: one acceptance rule, on which four verifiers must agree.

Input is ``ed25519.json`` and ``cctv_ed25519.json`` (C2SP's set), which their makers compute with arithmetic of their
own, and random signatures. libsodium (PyNaCl) is the referee: its rule is ours. OpenSSL (``cryptography``) takes more,
so our point checks stand in front.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from math import gcd
from pathlib import Path
from typing import Any

import nacl.bindings
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nacl.exceptions import BadSignatureError

from anchor.proof import ed25519, edwards
from anchor.proof.ed25519 import halved
from anchor.signature_check import HARD, check_signature, chosen, keeps_the_rule
from anchor.signature_rows import SignedRow, check_row
from tests.simulators.world import fast_check, public_bytes
from tests.vectors import make_cctv_vectors as cctv
from tests.vectors import make_ed25519_vectors as maker

FILE = Path(__file__).parents[2] / "vectors" / "ed25519.json"
CASES: list[dict[str, Any]] = json.loads(FILE.read_text())["cases"]
CCTV: list[dict[str, Any]] = json.loads(cctv.FILE.read_text())["cases"]
Check = Callable[[bytes, bytes, bytes], bool]


def sodium(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say what libsodium says; it wants 32 and 64 bytes."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    try:
        nacl.bindings.crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


def openssl_alone(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say what OpenSSL says with nothing in front of it."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def in_a_row(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say what the service says of a row: of this one signature."""
    return check_row(SignedRow([public_key], [signature], [message])) == [True]


VERIFIERS: dict[str, Check] = {
    "plain Python": ed25519.verify,
    "libsodium": sodium,
    "OpenSSL behind ours": fast_check,
    "the service's": check_signature,
    "the service's for rows": in_a_row,
    "the service's without its libsodium": chosen(openssl_alone),
}


def with_cofactor(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether 8(sB - hA - R) is the identity: what RFC 8032 section 5.1.7 allows too, and our rule does not."""
    return ed25519.acceptable_encodings(public_key, signature) and zip_215(public_key, message, signature)


def zip_215(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say the same of points in any encoding and of small order too, as ZIP 215 does: the laxest rule of all."""
    key, r = laxly(public_key), laxly(signature[:32])
    if key is None or r is None:
        return False
    h = maker.challenge(signature[:32], public_key, message)
    s = int.from_bytes(signature[32:], "little")
    return edwards.is_identity(8 * s % edwards.ORDER, ((-8 * h, key), (-8, r)))


@lru_cache(maxsize=64)
def laxly(encoded: bytes) -> Sequence[edwards.Addend] | None:
    """Return what ``is_identity`` takes of a point in any of its encodings, or None for no point."""
    raw = int.from_bytes(encoded, "little")
    point = maker.with_y(raw % 2**255 % maker.PRIME)
    if point is None:
        return None
    return multiples(point if point[0] & 1 == raw >> 255 else maker.negative(point))


@pytest.mark.parametrize("check", VERIFIERS.values(), ids=VERIFIERS)
def test_a_library_that_keeps_the_rule_is_taken(check: Check) -> None:
    """Every verifier here judges the hard signatures as the rule does."""
    assert keeps_the_rule(check)
    assert chosen(check) is check


@pytest.mark.parametrize("check", [openssl_alone, with_cofactor, lambda *_: True, lambda *_: False])
def test_a_library_that_does_not_is_not_taken(check: Check) -> None:
    """OpenSSL alone and a library with the cofactor take too much: another check takes their place, which does not."""
    assert not keeps_the_rule(check)
    assert keeps_the_rule(chosen(check))


def test_the_hard_signatures_are_among_the_vectors() -> None:
    """What a library is tried with is what the vectors' maker made."""
    made = {(case["public_key"], case["message"], case["signature"], case["want"]) for case in CASES}
    assert set(map(tuple, HARD)) <= made
    assert {True, False} == {sample.is_good for sample in HARD}


def inputs(case: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    return bytes.fromhex(case["public_key"]), bytes.fromhex(case["message"]), bytes.fromhex(case["signature"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['description']}")
def test_vector(case: dict[str, Any]) -> None:
    """Our verifier, libsodium, and OpenSSL behind our point checks say what the vector says."""
    assert dict.fromkeys(VERIFIERS, case["want"]) == {name: check(*inputs(case)) for name, check in VERIFIERS.items()}


def test_vectors_are_what_their_maker_makes() -> None:
    """The file on disk is what the maker writes, byte for byte."""
    assert maker.make() == FILE.read_text(encoding="ascii")


def test_c2sp_s_vectors_are_what_their_maker_makes() -> None:
    """The set of C2SP is rebuilt from its parameters byte for byte, all of it."""
    assert cctv.make() == cctv.FILE.read_text(encoding="ascii")
    assert [f"CCTV {number}" for number in range(914)] == [case["description"] for case in CCTV]


@pytest.mark.parametrize("check", VERIFIERS.values(), ids=VERIFIERS)
def test_c2sp_s_vectors(check: Check) -> None:
    """Of C2SP's set every verifier takes the same 43, those that the rule takes."""
    expected = [case["description"] for case in CCTV if case["want"]]
    assert expected == [case["description"] for case in CCTV if check(*inputs(case))]
    assert 43 == len(expected)


def test_classes_of_c2sp_s_vectors() -> None:
    """The rule takes what is not flagged but for parts of small order: the table in docs/spec/entry.md."""
    components = {"low_order_component_A", "low_order_component_R"}
    assert all(case["want"] == (set(case["flags"]) <= components) for case in CCTV)
    classes = Counter(tuple(case["flags"]) for case in CCTV if case["want"])
    assert {(): 1, ("low_order_component_A",): 7, tuple(sorted(components)): 35} == classes


def test_zip_215_takes_c2sp_s_vectors() -> None:
    """Each is a signature by the laxest rule, unless a challenge that matters is of encodings that are not there."""
    refused = [case["description"] for case in CCTV if not zip_215(*inputs(case))]
    again = [case for case in CCTV if "reencoded_k" in case["flags"]]
    assert [case["description"] for case in again if "low_order_A" not in case["flags"]] == refused


def test_openssl_alone_judges_c2sp_s_vectors_as_c2sp_says() -> None:
    """The set tells verifiers apart as its authors write: OpenSSL refuses only odd R, and what leaves a residue."""
    refused = {"low_order_residue", "non_canonical_R"}
    expected = [case["description"] for case in CCTV if not refused & set(case["flags"])]
    assert expected == [case["description"] for case in CCTV if openssl_alone(*inputs(case))]


def test_the_point_checks_are_needed() -> None:
    """OpenSSL alone takes signatures that the rule refuses, so that leaving the point checks out would be noticed."""
    taken = [case["description"] for case in CASES if not case["want"] and openssl_alone(*inputs(case))]
    assert any("key of small order" in description for description in taken)
    assert any("R of small order" in description for description in taken)


def test_the_points_of_small_order_are_all_known() -> None:
    """The eight points whose eightfold is the identity have the five y coordinates that are refused."""
    assert len(set(maker.TORSION)) == 8
    assert {y for _, y in maker.TORSION} == set(ed25519.SMALL_ORDER_Y)
    assert {maker.IDENTITY} == {maker.multiply(8, point) for point in maker.TORSION}


def test_curve_constants_are_those_of_the_rfc() -> None:
    """The base point is where the affine law has it, and L is its order (RFC 8032 section 5.1)."""
    assert maker.encode(maker.BASE) == edwards.BASE
    assert maker.ORDER == edwards.ORDER
    assert edwards.is_identity(0, ())
    for scalar in (1, 2, 15, 2**128 - 1, 2**128, edwards.ORDER - 1):
        assert not edwards.is_identity(scalar, ())


def multiples(point: tuple[int, int]) -> Sequence[edwards.Addend]:
    """Decode an affine point of the maker's and return what ``is_identity`` takes."""
    decoded = edwards.decode_point(maker.encode(point))
    assert decoded is not None
    assert decoded[:2] == point
    return edwards.multiples_of(decoded)


SCALARS = st.one_of(st.integers(-(2**130), 2**130), st.integers(-20, 20), st.integers(0, 2**256))


@given(st.integers(0, edwards.ORDER - 1), SCALARS, SCALARS, st.integers(0, 7), st.integers(1, 2**252))
@settings(max_examples=60, deadline=None)
def test_sums_of_multiples_are_those_of_the_affine_law(base: int, u: int, v: int, torsion: int, seed: int) -> None:
    """A sum is the identity with the one point that completes it, and with no other, whatever the points' orders."""
    p = maker.add(maker.multiply(seed, maker.BASE), maker.TORSION[torsion])
    q = maker.multiply(3 * seed + 1, maker.BASE)
    total = maker.multiply(base, maker.BASE)
    for scalar, point in ((u, p), (v, q)):
        total = maker.add(total, maker.multiply(scalar % (8 * maker.ORDER), point))
    for rest, expected in ((total, True), (maker.add(total, maker.TORSION[1]), False), (maker.add(total, q), False)):
        terms = ((u, multiples(p)), (v, multiples(q)), (-1, multiples(rest)))
        assert expected == edwards.is_identity(base, terms)


@given(st.integers(-(2**260), 2**260), st.integers(2, 9))
def test_windows_add_up(scalar: int, width: int) -> None:
    """Digits are odd, fit their table, stand at least a window apart, and their sum is the scalar."""
    digits = edwards._digits(scalar, width)
    assert scalar == sum(digit << place for place, digit in digits)
    assert all(digit % 2 and abs(digit) < 1 << width - 1 for _, digit in digits)
    assert all(later - earlier >= width for (earlier, _), (later, _) in pairwise(digits))


# Here Euclid's algorithm jumps from an even v, with u = 8, to u = 0 and v = -L, which is odd and kills every E.
JUMPS = [pow(eighth, -1, edwards.ORDER) for eighth in (2**122 + 1, 2**122 + 3, 2**123 + 5, 3**76)]


@given(st.one_of(st.integers(0, edwards.ORDER - 1), st.integers(0, 2**128), st.sampled_from(JUMPS)))
@example(0)
@example(1)
@example(8)
@example(edwards.ORDER - 1)
def test_a_halved_challenge_stands_for_the_whole(h: int) -> None:
    """The second half is prime to 8L, so that vE is the identity only where E is; the first is v times h."""
    u, v = halved(h)
    assert (u - v * h) % (8 * edwards.ORDER) == 0
    assert gcd(v, 8 * edwards.ORDER) == 1
    assert abs(v) < 2**129


@given(st.binary())
def test_half_of_a_challenge_is_short(message: bytes) -> None:
    """Both halves of a challenge that nobody chose are about half as long, which is where the time is saved."""
    h = int.from_bytes(hashlib.sha512(message).digest(), "little") % edwards.ORDER
    assert max(map(int.bit_length, halved(h))) < 160


@pytest.mark.parametrize("y", [2, 3, 4, 5, 6, 7, 8, 9])
def test_a_y_off_the_curve_encodes_no_point(y: int) -> None:
    """Half of all y have an x, and the others encode nothing."""
    point = edwards.decode_point(y.to_bytes(32, "little"))
    assert (maker.with_y(y) is None) == (point is None)


@pytest.mark.parametrize("y", [edwards.PRIME, edwards.PRIME + 1, edwards.PRIME + 4, 2**255 - 1])
def test_a_y_is_below_the_prime(y: int) -> None:
    """The same point with 2^255 - 19 added to its y is another encoding, which is none."""
    assert edwards.decode_point(y.to_bytes(32, "little")) is None
    assert edwards.decode_point((y | 1 << 255).to_bytes(32, "little")) is None


@pytest.mark.parametrize("y", [1, edwards.PRIME - 1])
def test_an_x_of_0_has_no_sign(y: int) -> None:
    """RFC 8032 section 5.1.3, step 4: of x = 0 the sign bit is 0."""
    assert edwards.decode_point(y.to_bytes(32, "little")) is not None
    assert edwards.decode_point((y | 1 << 255).to_bytes(32, "little")) is None


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=80, deadline=None)
def test_a_point_has_one_encoding(encoded: bytes) -> None:
    """What decodes to a point is what the point is encoded as."""
    point = edwards.decode_point(encoded)
    if point is not None:
        assert encoded == maker.encode(point[:2])


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 511), st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_random_signatures_are_judged_alike(seed: bytes, message: bytes, signature_bit: int, key_bit: int) -> None:
    """A signature holds for all verifiers; with one bit of it or of the key flipped, all say the same."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key, signature = public_bytes(private), private.sign(message)
    assert dict.fromkeys(VERIFIERS, True) == {name: check(key, message, signature) for name, check in VERIFIERS.items()}
    changed = flip(signature, signature_bit), flip(key, key_bit)
    for other_key, other_signature in ((key, changed[0]), (changed[1], signature)):
        verdicts = {check(other_key, message, other_signature) for check in VERIFIERS.values()}
        assert verdicts == {False}


def flip(raw: bytes, bit: int) -> bytes:
    return (int.from_bytes(raw, "big") ^ 1 << bit).to_bytes(len(raw), "big")


@given(st.integers(0, 2**255 - 1), st.booleans(), st.sampled_from(range(8)), st.integers(0, 7), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_points_of_any_order_are_judged_alike(
    seed: int, mix: bool, key_torsion: int, r_torsion: int, number: int
) -> None:
    """Keys and R with any torsion part, under any challenge: our verifier says what libsodium says."""
    a, r = seed % maker.ORDER, (seed * 3 + 1) % maker.ORDER
    key = maker.encode(maker.add(maker.multiply(a, maker.BASE), maker.TORSION[key_torsion if mix else 0]))
    point = maker.encode(maker.add(maker.multiply(r, maker.BASE), maker.TORSION[r_torsion]))
    message = number.to_bytes(5, "big")
    s = (r + maker.challenge(point, key, message) * a) % maker.ORDER
    signature = point + s.to_bytes(32, "little")
    assert len({check(key, message, signature) for check in VERIFIERS.values()}) == 1


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
@settings(max_examples=60, deadline=None)
def test_random_bytes_are_no_signature(key: bytes, signature: bytes) -> None:
    """Bytes that nobody signed are refused, and nothing raises."""
    assert not ed25519.verify(key, b"message", signature)
    assert not fast_check(key, b"message", signature)


@pytest.mark.parametrize("length", [0, 1, 31, 33, 63, 65])
def test_lengths_are_checked_first(length: int) -> None:
    """A key that has not 32 bytes, or a signature that has not 64, is refused before any arithmetic."""
    key, signature = maker.plain("alice", b"hello")
    assert not ed25519.verify(bytes(length), b"hello", signature)
    assert not ed25519.verify(key, b"hello", bytes(length))
