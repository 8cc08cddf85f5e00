"""Tests of ``anchor.proof.merkle.check_inclusions``: several leaves of one tree, whose paths are followed once.

The judge is the verification of RFC 9162 for one leaf, as it is written there. What it refuses of any single path must
be refused of all together.
"""

from collections.abc import Sequence
from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.proof.codec import sha256
from anchor.proof.errors import Reason, VerificationError
from anchor.proof.merkle import check_inclusions, inclusion_path, leaf_hash, node_hash, root_of

Place = tuple[bytes, int, tuple[bytes, ...]]
LARGEST = 12


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(2, "big")) for number in range(size)]


def places_of(leaves: list[bytes], indexes: Sequence[int]) -> list[Place]:
    return [(leaves[index], index, inclusion_path(leaves, index)) for index in indexes]


def rfc_holds(place: Place, size: int, root: bytes) -> bool:
    """RFC 9162, section 2.1.3.2, step by step."""
    r, leaf_index, path = place
    if not 0 <= leaf_index < size:
        return False
    fn, sn = leaf_index, size - 1
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def refuses(places: list[Place], size: int, root: bytes) -> bool:
    try:
        check_inclusions(places, size, root, Reason.DIRECTORY_PATH_WRONG)
    except VerificationError as error:
        return error.reason == Reason.DIRECTORY_PATH_WRONG
    return False


def test_all_leaves_of_small_trees_hold_together() -> None:
    """Two leaves, and all leaves, of every tree of up to twelve are in it, in whatever order they are named."""
    for size in range(1, LARGEST + 1):
        leaves = leaves_of(size)
        root = root_of(leaves)
        assert not refuses(places_of(leaves, range(size)), size, root)
        assert not refuses(places_of(leaves, range(size))[::-1], size, root)
        for indexes in permutations(range(size), 2):
            assert not refuses(places_of(leaves, indexes), size, root)


def test_no_hash_of_any_path_can_be_another() -> None:
    """A changed hash is refused on every level of every path, also where another path shows the right one."""
    for size in range(2, LARGEST + 1):
        leaves = leaves_of(size)
        root = root_of(leaves)
        for indexes in combinations(range(size), 2):
            for number in range(2):
                places = places_of(leaves, indexes)
                leaf, index, path = places[number]
                for level in range(len(path)):
                    places[number] = leaf, index, (*path[:level], sha256(path[level]), *path[level + 1 :])
                    assert refuses(places, size, root)


def test_a_leaf_that_is_its_neighbour_s_sibling_is_still_compared() -> None:
    """The path of one leaf shows the hash of the next: another leaf there is refused, whichever is named first."""
    leaves = leaves_of(4)
    good, neighbour = places_of(leaves, [2, 3])
    other = (sha256(b"another leaf"), 3, neighbour[2])
    for places in ([good, other], [other, good]):
        assert refuses(places, 4, root_of(leaves))


def test_one_place_has_one_leaf() -> None:
    """The same leaf may be shown twice; another one at its index is refused, and so is another path."""
    leaves = leaves_of(7)
    root = root_of(leaves)
    place = places_of(leaves, [4])[0]
    assert not refuses([place, place], 7, root)
    assert refuses([place, (leaves[5], 4, place[2])], 7, root)
    assert refuses([place, (leaves[4], 4, place[2][::-1])], 7, root)


def test_a_wrong_root_is_refused_for_leaves_that_agree_with_each_other() -> None:
    """Paths that lead together to one root do not make it the right one."""
    leaves = leaves_of(9)
    assert refuses(places_of(leaves, range(9)), 9, root_of(leaves_of(8)))
    assert refuses(places_of(leaves, [0]), 9, sha256(b"another root"))


@settings(deadline=None)
@given(
    size=st.integers(1, 300),
    data=st.data(),
    change=st.sampled_from(["nothing", "leaf", "hash", "index", "shorter", "longer", "path of another", "size"]),
)
def test_together_and_alone_give_one_answer(size: int, data: st.DataObject, change: str) -> None:
    """Whatever is changed in one path of several, all together are refused exactly where the RFC refuses that one."""
    leaves = leaves_of(size)
    root = root_of(leaves)
    indexes = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=8))
    places = places_of(leaves, indexes)
    number = data.draw(st.integers(0, len(places) - 1))
    leaf, index, path = places[number]
    level = data.draw(st.integers(0, max(0, len(path) - 1)))
    changed = {
        "nothing": (leaf, index, path),
        "leaf": (leaves[data.draw(st.integers(0, size - 1))], index, path),
        "hash": (leaf, index, (*path[:level], sha256(leaf), *path[level + 1 :])),
        "index": (leaf, data.draw(st.integers(-2, size + 1)), path),
        "shorter": (leaf, index, path[:level] + path[level + 1 :]),
        "longer": (leaf, index, (*path[:level], root, *path[level:])),
        "path of another": (leaf, index, inclusion_path(leaves, data.draw(st.integers(0, size - 1)))),
        "size": (leaf, index, path),
    }
    places[number] = changed[change]
    told = data.draw(st.integers(0, size + 9)) if change == "size" else size
    assert refuses(places, told, root) == (not all(rfc_holds(place, told, root) for place in places))


@pytest.mark.parametrize("size", [2**24, 2**53, 2**64 - 1])
def test_paths_of_huge_trees_are_walked_and_not_the_tree(size: int) -> None:
    """Leaves at both ends and in the middle of a tree that does not exist hold by the siblings that make its root."""
    root, places = sparse(size, [0, 1, size // 2 - 1, size // 2, size - 2, size - 1])
    assert not refuses(places, size, root)
    assert all(rfc_holds(place, size, root) for place in places)
    for number, (leaf, index, path) in enumerate(places):
        changed = (leaf, index, (*path[:-1], sha256(path[-1])))
        assert refuses([*places[:number], changed, *places[number + 1 :]], size, root)


def sparse(size: int, indexes: list[int]) -> tuple[bytes, list[Place]]:
    """Return the root and the paths of a tree of which only these leaves are known: any hash is beside them."""
    paths: dict[int, list[bytes]] = {index: [] for index in indexes}

    def fold(start: int, end: int) -> bytes:
        inside = [index for index in indexes if start <= index < end]
        if not inside or end - start == 1:
            return sha256(b"%d %d" % (start, end))
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        left, right = fold(start, middle), fold(middle, end)
        for index in inside:
            paths[index].append(right if index < middle else left)
        return node_hash(left, right)

    root = fold(0, size)
    return root, [(sha256(b"%d %d" % (index, index + 1)), index, tuple(paths[index])) for index in indexes]
