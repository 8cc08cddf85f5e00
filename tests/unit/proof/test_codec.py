"""Tests of ``anchor.proof.codec``: the strict reader and the small checks every binary format is built from.

Input is made here, byte by byte. Whoever changes a limit or a message of the reader reads what breaks.
"""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.proof.codec import Reader, bytes_from_hex, exactly, fits, hash_from_hex, sha256
from anchor.proof.errors import MalformedError, TooLargeError


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ],
)
def test_sha256_is_the_one_of_fips_180(message: bytes, digest: str) -> None:
    """The hash gives the digests that NIST publishes with FIPS 180-4."""
    assert digest == sha256(message).hex()


def test_reader_reads_one_value_after_the_other() -> None:
    """Integers are big-endian, and a length stands before what it measures."""
    reader = Reader(bytes.fromhex("01 0203 02 aabb 0001 cc dd"), "example", 10)
    assert reader.unsigned(1) == 1
    assert reader.unsigned(2) == 0x0203
    assert bytes.fromhex("aabb") == reader.prefixed(1)
    assert bytes.fromhex("cc") == reader.prefixed(2)
    assert reader.left() == 1
    assert bytes.fromhex("dd") == reader.take(1)
    reader.end()


def test_reader_refuses_more_than_its_limit_before_reading() -> None:
    """One byte above the limit is too large, whatever the bytes are."""
    Reader(bytes(8), "example", 8)
    with pytest.raises(TooLargeError, match="expected at most 8 bytes, got 9"):
        Reader(bytes(9), "example", 8)


@pytest.mark.parametrize("length", [1, 2, 255, 2**64])
def test_reader_refuses_to_read_past_the_end(length: int) -> None:
    """A length beyond the end is malformed, also one that no memory could hold."""
    reader = Reader(b"", "example", 8)
    with pytest.raises(MalformedError, match="only 0 left"):
        reader.take(length)


def test_reader_refuses_a_prefix_that_points_past_the_end() -> None:
    """A length that the rest cannot fill is malformed."""
    with pytest.raises(MalformedError, match="expected 3 bytes at offset 1, only 2 left"):
        Reader(bytes.fromhex("03 aabb"), "example", 8).prefixed(1)


def test_reader_refuses_trailing_bytes() -> None:
    """What nobody read is malformed."""
    reader = Reader(bytes(3), "example", 8)
    reader.take(1)
    with pytest.raises(MalformedError, match="2 bytes too many at offset 1"):
        reader.end()


@given(st.binary(max_size=64))
def test_hex_is_read_as_it_is_written(data: bytes) -> None:
    """Lower-case pairs of hex digits come back as the bytes they were."""
    assert data == bytes_from_hex(data.hex(), "example")
    assert data == hash_from_hex(data.hex(), "example", len(data))


@pytest.mark.parametrize(
    "text", ["a", "AA", "aA", "0x00", " 00", "00 ", "00\n", "00 00", "0g", "\u0660\u0660", "\u00e900", "-1"]
)
def test_other_spellings_of_hex_are_malformed(text: str) -> None:
    """Python reads some of these as hex; only lower-case ASCII pairs are."""
    with pytest.raises(MalformedError, match="lower-case hex digits in pairs"):
        bytes_from_hex(text, "example")


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_hash_has_32_bytes(size: int) -> None:
    """Another number of bytes is no hash."""
    with pytest.raises(MalformedError, match=f"expected 32 bytes in hex, got {size}"):
        hash_from_hex("00" * size, "example")
    with pytest.raises(MalformedError, match=f"expected 32 bytes, got {size}"):
        exactly(bytes(size), 32, "example")


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_an_integer_fits_its_bytes_or_is_malformed(size: int) -> None:
    """The largest number of a width is written, the next one and -1 are refused."""
    most = 256**size - 1
    assert bytes(size) == fits(0, size, "example")
    assert b"\xff" * size == fits(most, size, "example")
    for value in (most + 1, -1):
        with pytest.raises(MalformedError, match=f"expected 0 to {most}, got {value}"):
            fits(value, size, "example")


@given(st.integers(0, 2**64 - 1))
def test_integers_are_big_endian(value: int) -> None:
    """An integer that was written is read back."""
    assert value == Reader(fits(value, 8, "example"), "example", 8).unsigned(8)


@given(st.binary(max_size=100))
def test_sha256_is_hashlib_s(data: bytes) -> None:
    """The short name hashes as the standard library does."""
    assert hashlib.sha256(data).digest() == sha256(data)
