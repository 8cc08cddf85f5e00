"""Published tiles, read back: paths, widths, roots, consistency paths, and what is named where something is lacking."""

import pytest

from anchor.log import TILE_WIDTH, tile_roots
from anchor.proof.merkle import consistency_path, leaf_hash, root_of
from anchor.tiles import (
    LeafRange,
    PublishedTree,
    WithheldError,
    decode_bundle,
    encode_bundle,
    new_tiles,
    tile_width,
)

LEAVES = [leaf_hash(b"%d" % number) for number in range(66_000)]
SIZES = [1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 66_000]


def published(size: int, old_size: int = 0) -> dict[str, bytes]:
    """Return the files of a tree, each computed from the leaves alone."""
    levels = [b"".join(LEAVES[:size])]
    while len(levels[-1]) >= TILE_WIDTH * 32:
        whole = len(levels[-1]) // 8192 * 8192
        levels.append(tile_roots(levels[-1][:whole]))
    return {
        "t/" + place.path: levels[place.level][place.tile_no * 8192 :][: place.width * 32]
        for place in new_tiles(old_size, size)
    }


@pytest.mark.parametrize("size", SIZES)
def test_roots_and_paths_come_out_of_the_published_files(size: int) -> None:
    """Every prefix of a published tree has the root of its leaves, and the consistency path to the whole."""
    tree = PublishedTree(published(size).get, "t/", size)
    assert root_of(LEAVES[:size]) == tree.root(size)
    for old in {1, size // 3, size // 2, size - 1, size} - {0}:
        assert root_of(LEAVES[:old]) == tree.root(old)
        assert consistency_path(LEAVES[:size], old) == tree.consistency_path(old, size)
    assert b"".join(LEAVES[:size]) == b"".join(flat for _, flat in tree.leaf_hashes())


@pytest.mark.parametrize(("old", "new"), [(0, 1), (1, 300), (255, 256), (256, 257), (300, 66_000), (65_536, 65_537)])
def test_only_what_is_new_is_written_and_it_is_enough(old: int, new: int) -> None:
    """The files of a smaller tree and the new ones make the larger tree; none of the new ones was there before."""
    before, added = published(old), published(new, old)
    assert set() == set(before) & set(added)
    assert root_of(LEAVES[:new]) == PublishedTree((before | added).get, "t/", new).root(new)


def test_a_full_tile_stands_for_its_partial_ones() -> None:
    """A reader of an older checkpoint finds the full tile where the partial one was removed."""
    files = {path: data for path, data in published(600).items() if ".p/" not in path}
    tree = PublishedTree(files.get, "t/", 300)
    assert b"".join(LEAVES[:300]) == b"".join(flat for _, flat in tree.leaf_hashes())


def test_what_is_missing_is_named_by_its_leaves() -> None:
    """A missing, a short and an inner tile: the leaves below each are named, with their end at the tree's size."""
    files = published(600)
    for path, data, leaves in [
        ("t/tile/0/001", None, LeafRange(256, 512)),
        ("t/tile/0/002.p/88", None, LeafRange(512, 600)),
        ("t/tile/0/002.p/88", bytes(87 * 32), LeafRange(512, 600)),
        ("t/tile/1/000.p/2", None, LeafRange(0, 600)),
    ]:
        assert path in files
        changed = {name: kept for name, kept in files.items() if name != path}
        tree = PublishedTree((changed if data is None else changed | {path: data}).get, "t/", 600)
        with pytest.raises(WithheldError) as caught:
            _ = [*tree.leaf_hashes(), tree.root(512)]
        assert leaves == caught.value.leaves
        assert f"{leaves} were withheld" in str(caught.value)


def test_widths_are_those_of_the_specification() -> None:
    """Partial width at level l is floor(size / 256^l) mod 256; an empty tile is none (C2SP tlog-tiles)."""
    assert [256, 256, 88, 0] == [tile_width(0, tile_no, 600) for tile_no in range(4)]
    assert [2, 0] == [tile_width(1, tile_no, 600) for tile_no in range(2)]
    assert 0 == tile_width(2, 0, 600)


def test_bundles_are_written_and_read_back() -> None:
    """A leaf of any length up to 65,535 comes back; lengths that do not add up are no bundle."""
    leaves = [b"", b"a", bytes(65_535)]
    data = encode_bundle(leaves)
    assert leaves == decode_bundle(data)
    assert [] == decode_bundle(b"")
    assert None is decode_bundle(data[:-1])
    assert None is decode_bundle(data + b"\x00")


def test_a_bundle_that_is_short_is_no_bundle() -> None:
    """Fewer leaves than the size says, and a file that is cut, are as if they were not there; more are cut off."""
    path = "tile/entries/000.p/2"
    for data, want in [
        (encode_bundle([b"a"]), None),
        (b"\x00", None),
        (encode_bundle([b"a", b"b", b"c"]), [b"a", b"b"]),
    ]:
        assert want == PublishedTree({path: data}.get, "", 2).bundle(0)
