"""gzip as HTTP carries it: what was packed comes back, and nothing else is taken for it."""

import gzip
import os

import pytest

from anchor.bitcoin.content_coding import most_packed, packed, unpacked
from anchor.proof.errors import MalformedError, TooLargeError


@pytest.mark.parametrize("data", [b"", b"x", b"leaf" * 10_000, os.urandom(100_000)])
def test_what_was_packed_comes_back(data: bytes) -> None:
    """At its own size and no less; random bytes grow by no more than was said, and any gzip reads it."""
    small = packed(data)
    assert data == unpacked(small, len(data)) == gzip.decompress(small)
    assert len(small) <= most_packed(len(data))
    with pytest.raises(TooLargeError):
        unpacked(packed(data + b"y"), len(data))


def test_equal_bytes_are_packed_equally() -> None:
    """No time and no name is in them."""
    assert packed(b"leaf" * 9) == packed(b"leaf" * 9)


def test_a_bomb_is_left_where_it_is() -> None:
    """A gibibyte behind a megabyte is refused after the limit, which one byte more than the limit shows."""
    bomb = packed(bytes(1 << 20)) * 1_024
    with pytest.raises(TooLargeError, match="at most 1000 bytes"):
        unpacked(bomb, 1_000)


@pytest.mark.parametrize(
    "data", [b"", b"plain", packed(b"leaf")[:-1], packed(b"leaf") + b"x", packed(b"leaf") + packed(b"leaf")]
)
def test_anything_but_one_whole_member_is_refused(data: bytes) -> None:
    """Nothing, no gzip, a part of one, or more behind it."""
    with pytest.raises(MalformedError):
        unpacked(data, 1_000)
