"""Bundles and kept lines of exports: hashlib, native code and native code without SHA instructions read the same.

The referees are the definitions of a bundle and of a commitment, and strict JSON. What is not written as an export
writes it is None in all of them.
"""

import json
import os
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.hashing.export_parts import HashedBundle, KeptLines, kept_line
from anchor.hashing.plain import PlainHashing
from anchor.proof.archive_files import ArchiveError
from anchor.proof.archive_lines import Kept
from anchor.proof.entry import content_commitment
from anchor.proof.errors import MalformedError
from anchor.proof.merkle import leaf_hash
from tests.unit.test_hashing import ALL, MAKERS, available


@pytest.fixture(params=ALL)
def hashing(request: pytest.FixtureRequest) -> PlainHashing:
    return MAKERS[request.param]()


def bundle_of(leaves: list[bytes]) -> bytes:
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)


# --- bundles


@given(st.lists(st.binary(max_size=9).map(lambda tail: b"HHcc" + tail), max_size=6), st.integers(-1, 70))
def test_any_bundle_is_hashed_leaf_by_leaf(leaves: list[bytes], flipped: int) -> None:
    """Hashes, columns and whether all are alike are those of the leaves; a bundle that is damaged is one in all."""
    data = bytearray(bundle_of(leaves))
    if 0 <= flipped < len(data):
        data[flipped] ^= 1
    found = {name: MAKERS[name]().bundle(bytes(data), len(leaves), b"HH", 2) for name in available()}
    assert 1 == len(set(found.values())), found
    if flipped < 0:
        are_alike = len({leaf[4:] for leaf in leaves}) <= 1
        hashes = b"".join(map(leaf_hash, leaves))
        assert HashedBundle(hashes, b"cc" * len(leaves), are_alike) == found["hashlib"]


def test_leaves_of_another_head_are_not_alike(hashing: PlainHashing) -> None:
    """One leaf of another chain is enough."""
    for leaves, are_alike in (
        ([b"HHaa!", b"HHbb!"], True),
        ([b"HHaa!", b"HIbb!"], False),
        ([b"HIaa!", b"HIbb!"], False),
        ([b"HHaa!", b"HHbb?"], False),
        ([b"HHaa!", b"HHbb!!"], False),
    ):
        found = hashing.bundle(bundle_of(leaves), 2, b"HH", 2)
        assert (True, are_alike) == (found is not None, found is not None and found.are_alike)


def test_a_bundle_of_another_number_or_too_short_a_leaf_is_none(hashing: PlainHashing) -> None:
    """Cut, one too many, one too few, a leaf without room for its column."""
    data = bundle_of([b"HHaa!", b"HHbb!"])
    for wrong, count in ((data[:-1], 2), (data, 1), (data, 3), (data + b"\x00", 2), (bundle_of([b"HHa"]), 1), (b"", 1)):
        assert hashing.bundle(wrong, count, b"HH", 2) is None


# --- kept lines


@dataclass(frozen=True)
class Line:
    """A line as an export writes it."""

    index: int
    salt: bytes
    content: bytes
    is_shown: bool

    def encode(self) -> bytes:
        line = kept_line(self.index, self.content).replace(b"%032x" % self.index, self.salt.hex().encode())
        return line if self.is_shown else line[: line.index(b',"content"')] + b"}\n"


LINES = st.lists(
    st.builds(
        Line, st.integers(0, 10**15 - 1), st.binary(min_size=16, max_size=16), st.binary(max_size=300), st.booleans()
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda line: line.index,
).map(lambda lines: sorted(lines, key=lambda line: line.index))


def by_json(text: bytes) -> KeptLines | None:
    """What strict JSON and the definition of a commitment say; None where something does not hold."""
    try:
        lines = [Kept.decode(line, "here") for line in text.removesuffix(b"\n").split(b"\n")]
        for line in lines:
            line.check("here", content_commitment(line.salt, line.digest))
    except (MalformedError, ArchiveError):
        return None
    if any(later.index <= earlier.index for earlier, later in pairwise(lines)):
        return None
    commitments = b"".join(content_commitment(line.salt, line.digest) for line in lines)
    return KeptLines([line.index for line in lines], commitments, sum(line.content is not None for line in lines))


@given(LINES)
def test_lines_are_read_as_strict_json_reads_them(lines: list[Line]) -> None:
    """Indexes, commitments and the number of contents, of any content of any length, shown or not."""
    text = b"".join(line.encode() for line in lines)
    for name in available():
        assert by_json(text) == MAKERS[name]().kept_lines(text), name


@settings(max_examples=300)
@given(LINES, st.integers(0, 2**20), st.sampled_from(b'\x00 "+,/09:=AQaefgz{}\n\xff'))
def test_no_other_text_is_taken_for_lines(lines: list[Line], place: int, byte: int) -> None:
    """With a byte changed, put in or taken out, all say the same, and what they take strict JSON takes too."""
    text = b"".join(line.encode() for line in lines)
    at = place % len(text)
    for wrong in (
        text[:at] + bytes([byte]) + text[at + 1 :],
        text[:at] + bytes([byte]) + text[at:],
        text[:at] + text[at + 1 :],
    ):
        found = [MAKERS[name]().kept_lines(wrong) for name in available()]
        assert all(found[0] == each for each in found), wrong
        assert found[0] is None or by_json(wrong) == found[0], wrong


@pytest.mark.parametrize(
    "content",
    [
        "YR==",
        "YWJ=",
        "YQ",
        "YQ=",
        "YQ===",
        "====",
        "=",
        "Y===",
        "YQ==YQ==",
        "YWJj\\n",
        "YW-_",
        "YWJ",
        "Y Q==",
        "\\u0059Q==",
    ],
)
def test_base64_that_is_not_the_only_way_is_none(hashing: PlainHashing, content: str) -> None:
    """Padding that is missing, too much or not at the end, bits that mean nothing, other alphabets, escapes."""
    line = kept_line(3, b"a")
    assert hashing.kept_lines(line) is not None
    assert hashing.kept_lines(line.replace(b"YQ==", content.encode())) is None


def test_what_must_not_be_is_none(hashing: PlainHashing) -> None:
    """Nothing, an order that does not ascend, another digest, no line feed at the end, a number written oddly."""
    line = kept_line(7, b"content")
    digest = json.loads(line)["digest"].encode()
    for wrong in (
        b"",
        b"\n",
        line[:-1],
        line + line,
        line + kept_line(6, b""),
        line.replace(digest, digest[::-1]),
        line.replace(digest, digest.upper()),
        line.replace(b":7,", b":07,"),
        line.replace(b":7,", b":-7,"),
        line.replace(b":7,", b":,"),
        line.replace(b":7,", b":1" + b"0" * 15 + b","),
        line.replace(b'"}\n', b'","more":1}\n'),
        line + b"\n",
    ):
        assert hashing.kept_lines(wrong) is None, wrong
    assert hashing.kept_lines(line) is not None


def test_a_content_longer_than_native_code_takes(hashing: PlainHashing) -> None:
    """A megabyte beside a byte: what is long goes to hashlib, with the same result."""
    contents = [b"a", os.urandom(1_000_001), bytes(5_000), b""]
    text = b"".join(kept_line(*each) for each in enumerate(contents))
    assert by_json(text) == hashing.kept_lines(text)
