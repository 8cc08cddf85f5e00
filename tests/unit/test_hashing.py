"""Batches of SHA-256: hashlib, native code, and native code without SHA instructions are one function.

Every test runs all three that can be had here. The referees are hashlib (one message at a time), the definitions of
FIPS 180-4 and RFC 9162, and the vectors of every other implementation.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anchor.errors import SettingsError
from anchor.hashing import chosen
from anchor.hashing.export_parts import HashedBundle, KeptLines
from anchor.hashing.filters import BLOCK_BYTES, MOST_BLOCKS, block_of, first_key, has_bits
from anchor.hashing.pieces import Pieces
from anchor.hashing.plain import LEAF_PREFIX, PlainHashing
from anchor.hashing.products import MODULUS, Point
from anchor.proof.entry import BATCH_LEAF, Entry
from anchor.proof.errors import MalformedError
from chains.client.own_entry import OwnEntry, Sent, signed_batch
from chains.client.signing import Ed25519Key

VECTORS = Path(__file__).parent.parent / "vectors"
# Every length of a last block, and of one before it: where padding takes one block more (55, 56), where blocks end.
SIZES = [*range(201), 247, 248, 255, 256, 257, 511, 512, 4000, 4095, 4096, 4097, 65_537]
NUMBERS = st.integers(0, MODULUS - 1)
FIPS_180_EXAMPLES = {
    b"": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    b"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": (
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    b"a" * 1_000_000: "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
}


def native(*, portable: bool) -> PlainHashing:
    why = "the native module was not built here"
    module = pytest.importorskip("anchor.hashing.native", reason=why, exc_type=ImportError)
    hashing = module.NativeHashing(portable=portable)
    assert isinstance(hashing, PlainHashing)
    return hashing


MAKERS: dict[str, Callable[[], PlainHashing]] = {
    "hashlib": PlainHashing,
    "native": lambda: native(portable=False),
    "portable": lambda: native(portable=True),
}
ALL = [pytest.param(name, marks=[] if name == "hashlib" else pytest.mark.native) for name in MAKERS]


@pytest.fixture(params=ALL)
def hashing(request: pytest.FixtureRequest) -> PlainHashing:
    return MAKERS[request.param]()


def each(messages: Sequence[bytes], prefix: bytes = b"") -> list[bytes]:
    return [hashlib.sha256(prefix + message).digest() for message in messages]


def filled(size: int) -> bytes:
    return bytes((size + 7 * place) % 256 for place in range(size))


def rfc_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162 section 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + rfc_root(leaves[:split]) + rfc_root(leaves[split:])).digest()


# --- hashes


def test_examples_of_the_standard(hashing: PlainHashing) -> None:
    """The examples of FIPS 180-4 come out, each alone and all as one batch."""
    for message, digest in FIPS_180_EXAMPLES.items():
        assert digest == hashing.each([message]).flat.hex()
    messages = list(FIPS_180_EXAMPLES)
    assert "".join(FIPS_180_EXAMPLES.values()) == hashing.each(messages).flat.hex()
    assert "".join(FIPS_180_EXAMPLES.values()) == hashing.cut(b"".join(messages), list(map(len, messages))).flat.hex()


@pytest.mark.parametrize("prefix", [b"", b"\x00", b"p" * 55, b"p" * 63, b"p" * 64, b"p" * 65, b"p" * 200])
def test_messages_of_every_length(hashing: PlainHashing, prefix: bytes) -> None:
    """A message of any length behind a prefix of any length has the hash that hashlib gives: one by one and in all."""
    messages = [filled(size) for size in SIZES]
    expected = each(messages, prefix)
    assert expected == [hashing.each([message], prefix).flat for message in messages]
    assert expected == list(hashing.each(messages, prefix))
    assert expected == [hashing.cut(message, [len(message)], prefix).flat for message in messages]
    assert expected == list(hashing.cut(b"".join(messages), SIZES, prefix))


@given(st.lists(st.binary(max_size=300), max_size=40), st.binary(max_size=70))
def test_any_batch(messages: list[bytes], prefix: bytes) -> None:
    """Any batch is hashed as hashlib does it, message by message."""
    for name in available():
        hashing = MAKERS[name]()
        assert each(messages, prefix) == list(hashing.each(messages, prefix)), name
        assert each(messages, prefix) == list(hashing.cut(b"".join(messages), list(map(len, messages)), prefix)), name


def available() -> list[str]:
    return list(MAKERS) if find_spec("anchor.hashing._native") else ["hashlib"]


def test_more_messages_than_are_joined_at_once(hashing: PlainHashing) -> None:
    """A batch of thousands is hashed in parts, and nothing is lost where they meet."""
    messages = [filled(place % 97) for place in range(5000)]
    assert b"".join(each(messages)) == hashing.each(messages).flat
    assert b"".join(each(messages, LEAF_PREFIX)) == hashing.leaves(messages).flat


def test_long_messages_among_short_ones(hashing: PlainHashing) -> None:
    """One message of a megabyte changes nothing for its neighbours."""
    messages = [b"short", filled(1_000_003), b"", b"after"]
    assert each(messages) == list(hashing.each(messages))
    assert each(messages) == list(hashing.cut(b"".join(messages), list(map(len, messages))))


def test_no_messages(hashing: PlainHashing) -> None:
    """Of nothing there are no hashes, in any shape."""
    none = Pieces.cut(b"")
    assert [0, 0, 0, 0] == [
        len(found) for found in (hashing.each([]), hashing.leaves([]), hashing.cut(b"", []), hashing.rows(b"x", none))
    ]
    assert (b"", hashlib.sha256(b"").digest()) == (hashing.nodes(b""), hashing.root(none))


# --- rows


@given(
    st.integers(0, 9),
    st.tuples(st.integers(0, 80), st.integers(1, 80), st.none() | st.integers(1, 80), st.integers(0, 80)),
)
def test_rows_of_any_widths(count: int, widths: tuple[int, int, int | None, int]) -> None:
    """A row is prefix, one or two columns, and suffix, one behind the other, whatever their widths are."""
    before, first_width, second_width, after = widths
    prefix, suffix = filled(before), filled(after)[::-1]
    first = [filled(200 + row)[:first_width] for row in range(count)]
    second = [filled(220 + row)[: second_width or 0] for row in range(count)]
    expected = each([prefix + left + right + suffix for left, right in zip(first, second, strict=True)])
    columns = Pieces.of(first, first_width), None if second_width is None else Pieces.of(second, second_width)
    for name in available():
        assert expected == list(MAKERS[name]().rows(prefix, *columns, suffix)), name


@pytest.mark.parametrize("width", [4096 - 33, 4096 - 32, 4096 - 31, 4096, 70_000])
def test_rows_as_long_as_an_entry_and_longer(hashing: PlainHashing, width: int) -> None:
    """A row may be an entry of 4,095 bytes behind its 00, and longer than native code has room for."""
    hashes = each([b"a", b"b", b"c"])
    expected = each([b"\x00" + filled(width) + value for value in hashes])
    assert expected == list(hashing.rows(b"\x00" + filled(width), Pieces.of(hashes)))
    assert each([value + filled(width) for value in hashes]) == list(
        hashing.rows(b"", Pieces.of(hashes), suffix=filled(width))
    )


# --- trees


def test_nodes_and_roots_of_every_small_size(hashing: PlainHashing) -> None:
    """Nodes pair up from the left and leave a last single one out; the root is that of the RFC's definition."""
    leaves = each([bytes([place]) for place in range(200)])
    for size in range(len(leaves)):
        pairs = [b"\x01" + leaves[at] + leaves[at + 1] for at in range(0, size - 1, 2)]
        assert each(pairs) == list(Pieces.cut(hashing.nodes(b"".join(leaves[:size]))))
        assert rfc_root(leaves[:size]) == hashing.root(Pieces.of(leaves[:size]))


def test_what_stands_above_hashes_is_made_of_whole_pairs(hashing: PlainHashing) -> None:
    """Each level is the nodes of the one below, which leave a last single one out; above too few there is nothing."""
    leaves = each([bytes([place]) for place in range(40)])
    for size in range(len(leaves)):
        flat = b"".join(leaves[:size])
        levels = [flat, *hashing.above(flat, 6)]
        assert [hashing.nodes(below) for below in levels[:-1]] == levels[1:]
    assert [] == hashing.above(leaves[0], 0)


def test_levels_end_in_the_root_and_carry_a_lone_node_up(hashing: PlainHashing) -> None:
    """Every level of a tree pairs up the one below, whose last node is carried up where it has no sibling."""
    leaves = each([bytes([place]) for place in range(70)])
    for size in range(1, len(leaves)):
        levels = hashing.levels(Pieces.cut(b"".join(leaves[:size])))
        assert (leaves[:size], [rfc_root(leaves[:size])]) == (list(levels[0]), list(levels[-1]))
        for below, level in pairwise(levels):
            pairs = [b"\x01" + below[at] + below[at + 1] for at in range(0, len(below) - 1, 2)]
            assert [*each(pairs), *(below[-1:] if len(below) % 2 else [])] == list(level)


def test_root_of_many_leaves(hashing: PlainHashing) -> None:
    """The root of a tree of many levels, full and with a ragged edge."""
    leaves = each([place.to_bytes(4, "big") for place in range(10_001)])
    for size in (4095, 4096, 4097, 8192, 10_000, 10_001):
        assert rfc_root(leaves[:size]) == hashing.root(Pieces.cut(b"".join(leaves[:size])))


def test_vectors_of_other_implementations(hashing: PlainHashing) -> None:
    """Leaf hashes and roots are those of the vectors that every implementation runs."""
    cases = json.loads((VECTORS / "merkle.json").read_text())["cases"]
    roots = [case for case in cases if case["check"] == "root"]
    assert roots
    for case in roots:
        hashes = hashing.leaves([bytes.fromhex(leaf) for leaf in case["leaves"]])
        assert case["want"] == hashing.root(hashes).hex(), case["description"]


# --- what is refused


@pytest.mark.parametrize("sizes", [[3], [5], [2, 3], [-1, 5], [5, -1], [], [2**64, 4], [2**63, 2**63, 4]])
def test_sizes_that_do_not_add_up_are_refused(hashing: PlainHashing, sizes: list[int]) -> None:
    """Pieces must make up the buffer exactly: nothing behind its end is ever read."""
    with pytest.raises(ValueError, match="add up to 4 bytes"):
        hashing.cut(b"four", sizes)


def test_columns_of_different_length_are_refused(hashing: PlainHashing) -> None:
    """Two columns have the same number of rows, or there are no rows: not those that both have."""
    for first, second in ((2, 3), (3, 2), (0, 1), (1, 0)):
        with pytest.raises(ValueError, match=f"columns of {first} rows, got one of {second}"):
            hashing.rows(b"", Pieces.cut(bytes(32 * first)), Pieces.cut(bytes(16 * second), 16))


def test_pieces_of_another_size_are_refused() -> None:
    """Pieces are whole and of one size; a total that happens to fit hides no wrong one."""
    with pytest.raises(MalformedError, match="pieces of 32 bytes, got 33"):
        Pieces.cut(bytes(33))
    with pytest.raises(MalformedError, match="salt: expected 16 bytes, got 15"):
        Pieces.of([bytes(15), bytes(17)], 16, "salt")


def test_pieces_are_the_same_in_both_forms() -> None:
    """Pieces have one length and one order, whichever form they were made in and are asked for."""
    objects = [b"abc", b"def", b"ghi"]
    for pieces in (Pieces.of(objects, 3), Pieces.cut(b"abcdefghi", 3)):
        assert (3, b"abcdefghi", objects) == (len(pieces), pieces.flat, list(pieces))
    assert (0, b"", []) == (len(Pieces.of([])), Pieces.of([]).flat, list(Pieces.cut(b"")))


@pytest.mark.parametrize("is_flat", [False, True])
def test_pieces_are_reached_by_place_and_range(is_flat: bool) -> None:
    """Pieces in one buffer are reached as objects in a list are, from both ends and by ranges."""
    objects = [b"abc", b"def", b"ghi"]

    def made() -> Pieces:
        return Pieces.cut(b"abcdefghi", 3) if is_flat else Pieces.of(objects, 3)

    for place in (slice(1, None), slice(-1, None), slice(2, 1), slice(0, 9), slice(None, None, 2), slice(3, None)):
        assert objects[place] == list(made()[place])
        assert b"".join(objects[place]) == made()[place].flat
    assert objects + objects == [made()[place] for place in range(-3, 3)]
    for outside in (3, -4):
        with pytest.raises(IndexError):
            made()[outside]


def test_threads_may_hash_at_the_same_time(hashing: PlainHashing) -> None:
    """Native code keeps nothing between calls: threads that hash at the same time do not mix their results."""
    batches = [[filled(size) for size in range(start, start + 150)] for start in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda batch: [hashing.each(batch).flat for _ in range(20)], batches))
    assert [[b"".join(each(batch))] * 20 for batch in batches] == found


# --- rows of bytes


@given(st.lists(st.binary(max_size=40), max_size=20), st.binary(max_size=5), st.binary(max_size=5))
def test_rows_are_woven(items: list[bytes], prefix: bytes, suffix: bytes) -> None:
    """Rows of a prefix, a piece, an item and a suffix stand one behind the other, with items of any size or none."""
    first = Pieces.cut(bytes(range(3 * len(items))), 3)
    for name in available():
        with_items = [prefix + piece + item + suffix for piece, item in zip(first, items, strict=True)]
        assert b"".join(with_items) == MAKERS[name]().woven(prefix, first, items, suffix), name
        assert b"".join(prefix + piece for piece in first) == MAKERS[name]().woven(prefix, first), name


def test_rows_that_do_not_fit_are_refused(hashing: PlainHashing) -> None:
    """Fewer or more items than pieces are a ValueError; an item of a megabyte is woven as any other."""
    first = Pieces.cut(b"abc", 1)
    for items in ([b"x"] * 2, [b"x"] * 4, []):
        with pytest.raises(ValueError, match="expected 3 items"):
            hashing.woven(b"", first, items)
    assert b"a-b" + bytes(1_000_000) + b"-c-" == hashing.woven(b"", first, [b"", bytes(1_000_000), b""], b"-")


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 100])
def test_entries_of_a_signed_batch_are_woven(count: int) -> None:
    """Each entry gets the author field of its place: every way writes what the client's own code signs."""
    entries = [Entry(bytes(32), hashlib.sha256(b"%d" % number).digest(), "text/plain") for number in range(count)]
    owns = [OwnEntry(entry.encode(), bytes(16), bytes(32), None, Sent.COMMITMENT) for entry in entries]
    raws = [own.raw for own in signed_batch(owns, Ed25519Key(bytes(32)))]
    unsigned = owns[0].raw[:-3]
    signed, commitments = raws[0][len(unsigned) + 3 :][:96], Pieces.of([entry.content_commitment for entry in entries])
    for name in available():
        hashing = MAKERS[name]()
        levels = hashing.levels(
            hashing.rows(LEAF_PREFIX + BATCH_LEAF + unsigned[:33], commitments, None, unsigned[65:])
        )
        made = hashing.signed_together(unsigned[:33], commitments, unsigned[65:], signed, levels)
        assert (b"".join(raws), list(map(len, raws))) == made, name


def test_a_signed_batch_that_does_not_fit_is_refused(hashing: PlainHashing) -> None:
    """A tree over other leaves, commitments and signatures of another size are a ValueError."""
    rows = Pieces.cut(bytes(96))
    levels = hashing.levels(rows)
    for commitments, signed in ((rows[:2], bytes(96)), (rows, bytes(95)), (Pieces.cut(bytes(3), 1), bytes(96))):
        with pytest.raises(ValueError, match="expected 3 commitments of 32 bytes and 96 bytes"):
            hashing.signed_together(b"", commitments, b"", signed, levels)


# --- pairs


def test_pairs_of_hashes(hashing: PlainHashing) -> None:
    """A pair is the first 8 bytes of a hash and its number, 8 bytes big-endian."""
    hashes = [bytes([place]) * 32 for place in range(250)]
    expected = b"".join(key[:8] + number.to_bytes(8, "big") for number, key in enumerate(hashes, 2**40 - 3))
    assert expected == hashing.pairs(b"".join(hashes), 2**40 - 3)
    assert (b"", b"") == (hashing.pairs(b"", 1), hashing.sorted_pairs(b""))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**64 - 1)), max_size=70), st.integers(1, 9))
def test_pairs_in_order(pairs: list[tuple[int, int]], runs: int) -> None:
    """Any pairs come in the order of their bytes, also where there are runs in order, and keys that are alike."""
    each = [key.to_bytes(1, "big") * 8 + number.to_bytes(8, "big") for key, number in pairs]
    in_runs = [pair for start in range(runs) for pair in sorted(each[start::runs])]
    for name in available():
        assert b"".join(sorted(each)) == MAKERS[name]().sorted_pairs(b"".join(each)), name
        assert b"".join(sorted(each)) == MAKERS[name]().sorted_pairs(b"".join(in_runs)), name


@given(
    st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), max_size=30), NUMBERS, NUMBERS, NUMBERS
)
@example(pairs=[(2**64 - 1, 2**64 - 1)] * 5, at=MODULUS - 1, slope=MODULUS - 1, so_far=MODULUS - 1)
@example(pairs=[(0, 2**64 - 1), (1, 0)], at=0, slope=2**63, so_far=1)
def test_products_of_pairs(pairs: list[tuple[int, int]], at: int, slope: int, so_far: int) -> None:
    """A product is that of at + key + slope * number, modulo 2^127 - 1, in whatever order the pairs come."""
    expected = so_far
    for key, number in pairs:
        expected = expected * (at + key + slope * number) % MODULUS
    for order in (pairs, pairs[::-1]):
        flat = b"".join(key.to_bytes(8, "big") + number.to_bytes(8, "big") for key, number in order)
        for name in available():
            assert expected == MAKERS[name]().product(flat, Point(at, slope), so_far), name


def test_products_of_other_numbers_are_refused(hashing: PlainHashing) -> None:
    """A point, or a product, that is negative or not below the modulus, and a pair that is not whole, are refused."""
    for point, so_far in ((Point(MODULUS, 1), 1), (Point(1, MODULUS), 1), (Point(1, 1), MODULUS), (Point(-1, 1), 1)):
        with pytest.raises(ValueError, match="expected numbers"):
            hashing.product(bytes(16), point, so_far)
    with pytest.raises(ValueError, match="expected pairs"):
        hashing.product(bytes(17), Point(1, 1))


# --- filters over the keys of pairs


@given(st.lists(st.integers(0, 2**64 - 1), max_size=40), st.sampled_from([1, 2, 3, 1000, MOST_BLOCKS]))
@example(keys=[0, 2**64 - 1], blocks=2)
@example(keys=[2**32 - 1, 2**32, 2**63 - 1, 2**63], blocks=2)
def test_a_filter_has_the_bits_of_every_key(keys: list[int], blocks: int) -> None:
    """Each key is in its block, which begins at its first key; all ways make the same bits, in pieces of any size."""
    pairs = [key.to_bytes(8, "big") + bytes(8) for key in sorted(keys)]
    for pair in pairs:
        block_no = block_of(pair, blocks)
        assert block_of(first_key(block_no, blocks), blocks) == block_no
        assert first_key(block_no, blocks) <= pair[:4]
        for name in available():
            bits = MAKERS[name]().filled(pair, blocks, block_no, bytes(BLOCK_BYTES))
            assert has_bits(bits, pair), name
            assert 1 <= int.from_bytes(bits, "big").bit_count() <= 4
    if blocks <= 3:
        made = {MAKERS[name]().filled(b"".join(pairs), blocks, 0, bytes(BLOCK_BYTES * blocks)) for name in available()}
        assert len(made) == 1


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=40, unique=True), st.sampled_from([1, 2, 3]), st.data())
def test_a_filter_says_which_hashes_it_may_hold(hashes: list[bytes], blocks: int, data: st.DataObject) -> None:
    """Those that were put in, those whose bits all are set by others, and those of blocks that are not given."""
    put_in = sorted(data.draw(st.sets(st.sampled_from(hashes)))) if hashes else []
    numbers = sorted(data.draw(st.sets(st.integers(0, blocks - 1))))
    pairs = b"".join(key[:8] + bytes(8) for key in put_in)
    bits = Pieces.cut(PlainHashing().filled(pairs, blocks, 0, bytes(BLOCK_BYTES * blocks)), BLOCK_BYTES)
    given_bits = b"".join(bits[number] for number in numbers)
    expected = [
        place
        for place, key in enumerate(hashes)
        if block_of(key, blocks) not in numbers or has_bits(bits[block_of(key, blocks)], key)
    ]
    assert {hashes.index(key) for key in put_in} <= set(expected)
    for name in available():
        assert expected == MAKERS[name]().held(b"".join(hashes), blocks, numbers, given_bits), name


def test_hashes_and_blocks_that_are_not_whole_are_refused(hashing: PlainHashing) -> None:
    """Half a hash, a block too few or too many, more blocks than a filter can have: refused before anything is read."""
    block = bytes(BLOCK_BYTES)
    for hashes, blocks, numbers, bits in [
        (bytes(31), 1, [0], block),
        (bytes(32), 1, [0], block[:-1]),
        (bytes(32), 1, [0], b""),
        (bytes(32), 1, [], block),
        (bytes(32), MOST_BLOCKS + 1, [0], block),
        (bytes(32), -1, [0], block),
    ]:
        with pytest.raises(ValueError, match="expected whole hashes"):
            hashing.held(hashes, blocks, numbers, bits)
    assert [] == hashing.held(b"", 1, [0], block)


def test_pairs_of_other_blocks_are_refused(hashing: PlainHashing) -> None:
    """Pairs before or behind the blocks that are given, blocks that there are not, and parts of either, are refused."""
    low, high, block = bytes(16), b"\xff" * 16, bytes(BLOCK_BYTES)
    for pairs, blocks, first, bits in [
        (low, 2, 1, block),
        (high, 2, 0, block),
        (low, 1, 0, b""),
        (low, 2, 1, block * 2),
        (low, MOST_BLOCKS + 1, 0, block),
        (low, 1, -1, block),
        (low[:-1], 1, 0, block),
        (low, 1, 0, block[:-1]),
    ]:
        with pytest.raises(ValueError, match="expected"):
            hashing.filled(pairs, blocks, first, bits)
    assert block == hashing.filled(b"", 1, 0, block)


# --- what is kept beside entries


def test_columns_of_what_is_kept(hashing: PlainHashing) -> None:
    """Contents of any length give their SHA-256, digests themselves, and both H(salt ‖ digest)."""
    salts, contents = [bytes([place]) * 16 for place in range(len(SIZES))], [bytes(size) for size in SIZES]
    digests = [hashlib.sha256(content).digest() for content in contents]
    expected = [hashlib.sha256(salt + digest).digest() for salt, digest in zip(salts, digests, strict=True)]
    for kind, rests in ((b"c", contents), (b"d", digests)):
        items = [kind + salt + rest for salt, rest in zip(salts, rests, strict=True)]
        for count in (1, 100, len(items)):
            found = hashing.kept_columns(b"".join(items[:count]), list(map(len, items[:count])), b"cd")
            assert found is not None
            assert (digests[:count], expected[:count]) == (list(found.digests), list(found.commitments))


@pytest.mark.parametrize(
    "sizes", [[], [0], [16], [17, 16], [17, 0, 17], [48, 49], [49, 50]], ids=lambda sizes: "-".join(map(str, sizes))
)
def test_what_is_kept_and_has_no_columns(hashing: PlainHashing, sizes: list[int]) -> None:
    """Of nothing, of items without a whole salt, and of digests that are cut or longer there are no columns."""
    assert hashing.kept_columns(b"d" * sum(sizes), sizes, b"cd") is None


def test_what_is_kept_in_two_ways_has_no_columns(hashing: PlainHashing) -> None:
    """Contents and digests mixed, and kinds that are neither, have no columns; sizes must add up."""
    content, digest, other = (kind + bytes(48) for kind in (b"c", b"d", b"e"))
    for items in ([content, digest], [digest, content], [content, other], [other, other], [other]):
        assert hashing.kept_columns(b"".join(items), [49] * len(items), b"cd") is None
    for sizes in ([49, 48], [49, 50], [49], [99, -1]):
        with pytest.raises(ValueError, match="add up"):
            hashing.kept_columns(content + content, sizes, b"cd")


# --- which one is used


def test_hashlib_can_be_demanded() -> None:
    """The operator may say hashlib, whatever was built."""
    choice = chosen.choose("hashlib")
    assert ("hashlib", "ANCHORLINE_HASHING says so") == (choice.hashing.name, choice.reason)


@pytest.mark.native
def test_native_is_used_where_it_was_built() -> None:
    """Without a word the native module is taken; portable C can be demanded by name."""
    native(portable=False)
    assert chosen.choose("").hashing.name.startswith("native, ")
    assert chosen.choose("native").hashing.name == chosen.choose("").hashing.name
    assert "native, portable C" == chosen.choose("portable").hashing.name


def test_another_word_is_refused() -> None:
    """A hashing that is not known is a mistake in the settings, and not a silent hashlib."""
    with pytest.raises(SettingsError, match="expected hashlib, native or portable, got 'fast'"):
        chosen.choose("fast")


def test_without_the_native_module_hashlib_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was built, hashlib is used and the reason is said; who demands native is refused."""
    monkeypatch.delitem(sys.modules, "anchor.hashing.native", raising=False)
    monkeypatch.setitem(sys.modules, "anchor.hashing._native", None)  # Python's own way to say: not there
    choice = chosen.choose("")
    assert "hashlib" == choice.hashing.name
    assert choice.reason.startswith("the native module was not built when Anchorline was installed")
    with pytest.raises(SettingsError, match="cannot be had here: the native module was not built"):
        chosen.choose("native")


@pytest.mark.native
def test_a_module_that_was_built_from_other_sources_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that lacks a function gives way to hashlib, with the reason; whoever asks for it by name is told."""

    def lacking(*_: object) -> object:
        raise AttributeError("no function named 'hash_kept_lines'")

    monkeypatch.setattr(type(native(portable=False)), "kept_lines", lacking)
    choice = chosen.choose("")
    assert "hashlib" == choice.hashing.name
    assert "built from other sources" in choice.reason
    with pytest.raises(SettingsError, match="hash_kept_lines"):
        chosen.choose("native")


class _WrongOnce(PlainHashing):
    """Gets one thing wrong, as a bad compiler or processor would."""

    def __init__(self, wrong: str) -> None:
        self.wrong = wrong

    def each(self, messages: Sequence[bytes], prefix: bytes = b"") -> Pieces:
        found = super().each(messages, prefix)
        return Pieces.of([found[0], *found[:-1]]) if self.wrong == "each" else found

    def rows(self, prefix: bytes, first: Pieces, second: Pieces | None = None, suffix: bytes = b"") -> Pieces:
        return super().rows(prefix, first, None if self.wrong == "rows" else second, suffix)

    def nodes(self, hashes: bytes) -> bytes:
        return super().nodes(hashes[::-1] if self.wrong == "nodes" else hashes)

    def above(self, hashes: bytes, height: int) -> list[bytes]:
        return super().above(hashes[::-1] if self.wrong == "above" else hashes, height)

    def levels(self, hashes: Pieces) -> Sequence[Pieces]:
        return super().levels(Pieces.of(hashes[::-1]) if self.wrong == "levels" else hashes)

    def root(self, hashes: Pieces) -> bytes:
        return super().root(Pieces.of(hashes[1:]) if self.wrong == "root" else hashes)

    def bundle(self, data: bytes, count: int, head: bytes, width: int) -> HashedBundle | None:
        return None if self.wrong == "bundle" else super().bundle(data, count, head, width)

    def kept_lines(self, text: bytes) -> KeptLines | None:
        return None if self.wrong == "kept_lines" else super().kept_lines(text)

    def filled(self, pairs: bytes, blocks: int, first_block: int, bits: bytes) -> bytes:
        return super().filled(pairs[16:] if self.wrong == "filled" else pairs, blocks, first_block, bits)

    def held(self, hashes: bytes, blocks: int, numbers: Sequence[int], bits: bytes) -> list[int]:
        return super().held(hashes, blocks, numbers, bits)[1 if self.wrong == "held" else 0 :]


@pytest.mark.parametrize(
    "wrong", ["each", "rows", "nodes", "above", "levels", "root", "bundle", "kept_lines", "filled", "held"]
)
def test_what_computes_wrongly_is_not_used(wrong: str) -> None:
    """Before native hashing is used it must agree with hashlib in every shape."""
    with pytest.raises(ArithmeticError, match="does not agree with hashlib"):
        chosen.check_agrees(_WrongOnce(wrong), PlainHashing())


def test_what_agrees_may_be_used(hashing: PlainHashing) -> None:
    """The check passes for all that are right."""
    chosen.check_agrees(hashing, PlainHashing())
