"""Texts of consecutive leaves by a template: Python, and native code, write what the definition says.

The referee makes each text alone, with the path of RFC 9162 from ``anchor.proof.merkle``.
"""

from collections.abc import Callable

import pytest

from anchor.hashing.pieces import Pieces
from anchor.hashing.plain import PlainHashing
from anchor.hashing.texts import Field, Leaves, Template
from anchor.proof.merkle import inclusion_path, levels_of

SIZES = [*range(1, 18), 31, 32, 33, 255, 256, 257]
WHOLE = Template.of(
    *(b"head ", Field.BODY_SIZE, b" of ", Field.HASH, b"\r\n\r\n", Field.BODY, b"{", Field.HASH, b" ", Field.INDEX),
    *(b" ", Field.INDEX_HEX, Field.HASH, b"/", Field.PLACE, b"[", Field.PATH, b"]}"),
)


def native() -> PlainHashing:
    module = pytest.importorskip("anchor.hashing.native", reason="it was not built here", exc_type=ImportError)
    hashing = module.NativeHashing()
    assert isinstance(hashing, PlainHashing)
    return hashing


MAKERS: dict[str, Callable[[], PlainHashing]] = {"hashlib": PlainHashing, "native": native}
ALL = [pytest.param(name, marks=[] if name == "hashlib" else pytest.mark.native) for name in MAKERS]


@pytest.fixture(params=ALL)
def hashing(request: pytest.FixtureRequest) -> PlainHashing:
    return MAKERS[request.param]()


def hashes(count: int, first: int = 0) -> Pieces:
    return Pieces.of([bytes([number % 256, number // 256]) * 16 for number in range(first, first + count)])


def leaves_in(size: int, place: int, count: int, first_index: int) -> Leaves:
    """Return leaves in a tree of this size, whose leaf hashes are others than theirs."""
    levels = [Pieces.of(level) for level in levels_of(list(hashes(size)))]
    return Leaves(hashes(count, 1000), first_index, levels, place)


def text(leaves: Leaves, number: int) -> bytes:
    """Return one text as ``WHOLE`` says."""
    entry, place, index = leaves.hashes[number].hex(), leaves.place + number, leaves.first_index + number
    siblings = ",".join(f'"{node.hex()}"' for node in inclusion_path(leaves.levels[0], place))
    body = f"{{{entry} {index} {index:016x}{entry}/{place}[{siblings}]}}"
    return f"head {len(body)} of {entry}\r\n\r\n{body}".encode()


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_of_every_small_tree_has_its_own_text(hashing: PlainHashing, size: int) -> None:
    """Runs of one leaf, of all, and of those in between have the hash, index, place and path of each leaf."""
    for place, count in {(0, size), (0, 1), (size - 1, 1), (size // 3, size // 2), (size // 2, size - size // 2)}:
        leaves = leaves_in(size, place, count, 9_999_990)
        assert [text(leaves, number) for number in range(count)] == hashing.leaf_texts(WHOLE, leaves)


def test_the_largest_numbers_and_long_literals_have_room(hashing: PlainHashing) -> None:
    """Twenty digits, the whole of 64 bits, and literals that fill a buffer by themselves."""
    leaves = leaves_in(5, 1, 3, 2**64 - 3)
    assert [text(leaves, number) for number in range(3)] == hashing.leaf_texts(WHOLE, leaves)
    assert b"".join(text(leaves, number) for number in range(3)) == hashing.joined_texts(WHOLE, leaves)
    long = Template.of(b"x" * 200_000, Field.PLACE)
    assert [b"x" * 200_000 + b"%d" % place for place in (1, 2, 3)] == hashing.leaf_texts(long, leaves)


def test_a_template_without_fields_or_body_is_a_text(hashing: PlainHashing) -> None:
    """What is not asked for is not there."""
    leaves = leaves_in(2, 0, 2, 7)
    assert [b"same", b"same"] == hashing.leaf_texts(Template.of(b"same"), leaves)
    assert [b"7:", b"8:"] == hashing.leaf_texts(Template.of(Field.INDEX, b":"), leaves)
    assert [b"", b""] == hashing.leaf_texts(Template.of(), leaves)
    assert (b"7:8:", b"") == (
        hashing.joined_texts(Template.of(Field.INDEX, b":"), leaves),
        hashing.joined_texts(Template.of(), leaves),
    )


@pytest.mark.parametrize(("place", "count"), [(0, 6), (5, 1), (4, 2), (-1, 1)])
def test_a_leaf_that_is_not_in_the_tree_is_refused(hashing: PlainHashing, place: int, count: int) -> None:
    """Nothing is written for any of them."""
    with pytest.raises(ValueError, match="expected places in a tree of 5 leaves"):
        hashing.leaf_texts(WHOLE, leaves_in(5, place, count, 0))


@pytest.mark.parametrize(
    "parts",
    [(Field.BODY_SIZE,), (Field.BODY, Field.BODY_SIZE), (Field.BODY_SIZE, Field.BODY, Field.BODY)],
)
def test_a_size_is_that_of_one_body_behind_it(parts: tuple[Field, ...]) -> None:
    """A template that says the size of something else is none."""
    with pytest.raises(ValueError, match="one body, behind it"):
        Template.of(*parts)


@pytest.mark.native
def test_native_code_refuses_what_would_not_fit() -> None:
    """A buffer that is a byte too short, a place outside, and an unknown field give -1, and write nothing behind it."""
    module = pytest.importorskip("anchor.hashing._native", reason="it was not built here", exc_type=ImportError)
    ffi, lib = module.ffi, module.lib
    ends = ffi.new("uint64_t[]", 1)

    def written(fields: bytes, room: int, place: int = 0) -> int:
        out = ffi.new("uint8_t[]", b"\xff" * 40)
        sizes, literals = ffi.new("uint64_t[]", [2]), ffi.new("uint64_t[]", [1, 2, 1])
        found = lib.leaf_texts(
            1, b"0" * 64, 12, place, b"1" * 128, sizes, 1, b"<><>", literals, fields, out, room, ends
        )
        assert b"\xff" * (40 - room) == bytes(ffi.buffer(out))[room:40]
        return int(found)

    assert 7 == written(b"ip", 7) == ends[0]
    assert -1 == written(b"ip", 6)
    assert -1 == written(b"ip", 40, place=2)
    assert -1 == written(b"i?", 40)
    assert -1 == written(b"in", 40)
