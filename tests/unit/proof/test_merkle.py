"""Tests of ``anchor.proof.merkle``: RFC 9162 as written, two sets of public vectors, ours, and pymerkle as referee.

The tree here is the RFC's recursive definition, word for word; the module under test unrolls it. Whoever touches
a loop of the module reads what breaks.
"""

import base64
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.proof import merkle
from anchor.proof.codec import sha256
from anchor.proof.errors import Reason, VerificationError

VECTORS = Path(__file__).parents[2] / "vectors"
PUBLIC: dict[str, Any] = {
    group["name"]: group for group in json.loads((VECTORS / "public" / "transparency_logs.json").read_text())["groups"]
}
OWN: list[dict[str, Any]] = json.loads((VECTORS / "merkle.json").read_text())["cases"]
INCLUSION = PUBLIC["rfc6962 inclusion proofs (positive and corrupted)"]["cases"]
CONSISTENCY = PUBLIC["rfc6962 consistency proofs (positive and corrupted)"]["cases"]
CT_TREE = PUBLIC["CT reference tree, 8 leaves: roots at size 1..8"]
LARGEST = 40
# pymerkle, which has no types.
referee: Any = importlib.import_module("pymerkle")


def leaves_of(size: int) -> list[bytes]:
    return [merkle.leaf_hash(number.to_bytes(2, "big")) for number in range(size)]


# RFC 9162, sections 2.1.1, 2.1.3.1 and 2.1.4.1, as they stand there


def rfc_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = rfc_split(len(leaves))
    return sha256(b"\x01" + rfc_root(leaves[:split]) + rfc_root(leaves[split:]))


def rfc_split(size: int) -> int:
    split = 1
    while split * 2 < size:
        split *= 2
    return split


def rfc_path(index: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    split = rfc_split(len(leaves))
    if index < split:
        return [*rfc_path(index, leaves[:split]), rfc_root(leaves[split:])]
    return [*rfc_path(index - split, leaves[split:]), rfc_root(leaves[:split])]


def rfc_subproof(size: int, leaves: list[bytes], *, known: bool) -> list[bytes]:
    if size == len(leaves):
        return [] if known else [rfc_root(leaves)]
    split = rfc_split(len(leaves))
    if size <= split:
        return [*rfc_subproof(size, leaves[:split], known=known), rfc_root(leaves[split:])]
    return [*rfc_subproof(size - split, leaves[split:], known=False), rfc_root(leaves[:split])]


def places() -> Iterator[tuple[int, int]]:
    return ((index, size) for size in range(1, LARGEST + 1) for index in range(size))


def test_root_is_the_rfc_s() -> None:
    """The root of every small tree is that of the RFC's definition; of none, the hash of the empty string."""
    for size in range(LARGEST + 1):
        assert rfc_root(leaves_of(size)) == merkle.root_of(leaves_of(size))


def test_inclusion_path_is_the_rfc_s() -> None:
    """The path of every leaf of every small tree is that of the RFC's definition, and as long as announced."""
    for index, size in places():
        expected = tuple(rfc_path(index, leaves_of(size)))
        assert expected == merkle.inclusion_path(leaves_of(size), index)
        assert len(expected) == merkle.path_length(index, size)


def test_consistency_path_is_the_rfc_s() -> None:
    """The consistency path between any two small trees is that of the RFC's definition."""
    for index, size in places():
        old = index + 1
        expected = tuple(rfc_subproof(old, leaves_of(size), known=True)) if old < size else ()
        assert expected == merkle.consistency_path(leaves_of(size), old)


def test_every_proof_made_is_accepted() -> None:
    """What the makers make, the checks accept."""
    for index, size in places():
        leaves = leaves_of(size)
        merkle.check_inclusion(leaves[index], index, size, merkle.inclusion_path(leaves, index), merkle.root_of(leaves))
        old = index + 1
        path = merkle.consistency_path(leaves, old)
        merkle.check_consistency(old, size, merkle.root_of(leaves[:old]), merkle.root_of(leaves), path)


def refuses_inclusion(leaf: bytes, index: int, size: int, path: tuple[bytes, ...], root: bytes) -> bool:
    try:
        merkle.check_inclusion(leaf, index, size, path, root)
    except VerificationError as error:
        return error.reason == Reason.INCLUSION_WRONG
    return False


def test_an_inclusion_proof_holds_for_its_own_place_only() -> None:
    """With another index, leaf, hash in the path, or length of the path, no proof of a small tree holds.

    Another size can hold: an RFC 9162 root does not bind its size, which is why anchors and checkpoints carry it.
    """
    size = 13
    leaves, root = leaves_of(size), merkle.root_of(leaves_of(size))
    for index in range(size):
        path = merkle.inclusion_path(leaves, index)
        for other in range(-1, size + 1):
            assert (other != index) == refuses_inclusion(leaves[index], other, size, path, root)
            if other in range(size):
                assert (other != index) == refuses_inclusion(leaves[other], index, size, path, root)
        for level in range(len(path)):
            changed = (*path[:level], sha256(path[level]), *path[level + 1 :])
            assert refuses_inclusion(leaves[index], index, size, changed, root)
            assert refuses_inclusion(leaves[index], index, size, path[:level] + path[level + 1 :], root)
            assert refuses_inclusion(leaves[index], index, size, (*path[: level + 1], *path[level:]), root)
        assert refuses_inclusion(leaves[index], index, size, (*path, root), root)


def test_an_inner_node_is_no_leaf() -> None:
    """The children of the root, offered as a leaf's bytes, do not lead to it: leaves and nodes differ by a prefix."""
    leaves = leaves_of(2)
    root = merkle.root_of(leaves)
    assert refuses_inclusion(merkle.leaf_hash(leaves[0] + leaves[1]), 0, 1, (), root)


@pytest.mark.parametrize("size", [2**32, 2**53, 2**63, 2**64 - 1])
def test_paths_of_huge_trees_have_the_length_that_their_place_gives(size: int) -> None:
    """No loop runs as long as the size: a path of the right length is folded, any other refused at once."""
    for index in (0, 1, size // 2, size - 1):
        path = [sha256(bytes(1))] * merkle.path_length(index, size)
        assert len(merkle.root_from_inclusion(sha256(b""), index, size, path)) == 32
        with pytest.raises(VerificationError, match=f"has {len(path)} hashes"):
            merkle.root_from_inclusion(sha256(b""), index, size, [*path, sha256(b"")])
    assert len(merkle.inclusion_ranges(size - 1, size)) == merkle.path_length(size - 1, size)


@pytest.mark.parametrize("place", ["leaf", "path", "root"])
@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_hash_of_another_length_is_refused(place: str, length: int) -> None:
    """Leaf, path and root each have 32 bytes."""
    leaf, sibling = leaves_of(2)
    root = merkle.node_hash(leaf, sibling)
    bad = bytes(length)
    values = {"leaf": leaf, "path": sibling, "root": root} | {place: bad}
    assert refuses_inclusion(values["leaf"], 0, 2, (values["path"],), values["root"])
    with pytest.raises(VerificationError) as caught:
        merkle.check_consistency(1, 2, values["leaf"], values["root"], [values["path"]])
    assert caught.value.reason == Reason.CONSISTENCY_WRONG


def test_bytes_cannot_be_shifted_between_two_hashes() -> None:
    """A leaf hash one byte shorter beside a sibling one byte longer gives the same node, and is refused."""
    leaf, sibling = leaves_of(2)
    root = merkle.node_hash(leaf, sibling)
    assert root == merkle.node_hash(leaf[:31], leaf[31:] + sibling)
    assert refuses_inclusion(leaf[:31], 0, 2, (leaf[31:] + sibling,), root)
    assert refuses_inclusion(leaf + sibling[:1], 0, 2, (sibling[1:],), root)
    assert refuses_consistency(1, 2, leaf[:31], root, (leaf[31:] + sibling,))


def refuses_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: tuple[bytes, ...]) -> bool:
    try:
        merkle.check_consistency(old, new, old_root, new_root, path)
    except VerificationError as error:
        return error.reason == Reason.CONSISTENCY_WRONG
    return False


def test_a_tree_that_does_not_extend_the_old_one_is_refused() -> None:
    """If one old leaf differs, no path of the new tree makes them consistent; nor does a changed or shortened one."""
    for old, new in ((old, size) for size in range(2, 14) for old in range(1, size)):
        leaves = leaves_of(new)
        rewritten = [*leaves[: old - 1], sha256(b"rewritten"), *leaves[old:]]
        old_root, new_root = merkle.root_of(leaves[:old]), merkle.root_of(leaves)
        path = merkle.consistency_path(leaves, old)
        assert refuses_consistency(old, new, merkle.root_of(rewritten[:old]), new_root, path)
        assert refuses_consistency(old, new, old_root, merkle.root_of(rewritten), path)
        assert refuses_consistency(
            old, new, old_root, merkle.root_of(rewritten), merkle.consistency_path(rewritten, old)
        )
        for level in range(len(path)):
            assert refuses_consistency(old, new, old_root, new_root, path[:level] + path[level + 1 :])
            changed = (*path[:level], sha256(path[level]), *path[level + 1 :])
            assert refuses_consistency(old, new, old_root, new_root, changed)
        assert refuses_consistency(old, new, old_root, new_root, (*path, new_root))


def test_every_tree_extends_the_empty_one() -> None:
    """From no leaves, and from a tree to itself, the path is empty."""
    assert merkle.consistency_path(leaves_of(7), 0) == ()
    assert merkle.consistency_path(leaves_of(7), 7) == ()
    assert merkle.consistency_path([], 0) == ()


@pytest.mark.parametrize("size", [1, 2, 3, 6, 8])
def test_the_index_behind_the_end_is_outside(size: int) -> None:
    """Also with a path as long as that place would have, the leaf behind the last one is refused as outside."""
    path = [sha256(b"")] * merkle.path_length(size, size)
    with pytest.raises(VerificationError, match=f"leaf index {size} is outside a tree of {size} leaves"):
        merkle.root_from_inclusion(sha256(b"leaf"), size, size, path)


def test_consistency_needs_sizes_that_grow() -> None:
    """From nothing, backwards, and between two roots of one size there is nothing to prove."""
    leaves = leaves_of(4)
    root = merkle.root_of(leaves)
    assert refuses_consistency(0, 4, merkle.EMPTY_ROOT, root, ())
    assert refuses_consistency(4, 3, root, merkle.root_of(leaves[:3]), ())
    assert refuses_consistency(-1, 4, root, root, ())
    assert refuses_consistency(4, 4, root, sha256(b"other"), ())
    assert refuses_consistency(4, 4, root, root, (root,))
    merkle.check_consistency(4, 4, root, root, ())


def test_the_reason_is_the_caller_s() -> None:
    """A check that fails says which step of a verification it was."""
    with pytest.raises(VerificationError) as caught:
        merkle.check_inclusion(sha256(b"a"), 0, 1, (), sha256(b"b"), Reason.CHAIN_PATH_WRONG)
    assert caught.value.reason == Reason.CHAIN_PATH_WRONG


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_path_for_a_leaf_outside_the_tree(index: int, size: int) -> None:
    """Makers raise IndexError: asking for such a proof is a mistake of the caller, not of a stranger."""
    with pytest.raises(IndexError):
        merkle.inclusion_path(leaves_of(size), index)
    with pytest.raises(IndexError):
        merkle.consistency_path(leaves_of(size), size + 1)


@given(st.integers(1, 300), st.data())
def test_proofs_of_larger_trees_hold(size: int, data: st.DataObject) -> None:
    """Inclusion and consistency hold at any place of trees of up to 300 leaves."""
    index = data.draw(st.integers(0, size - 1))
    leaves = leaves_of(size)
    root = merkle.root_of(leaves)
    merkle.check_inclusion(leaves[index], index, size, merkle.inclusion_path(leaves, index), root)
    old_root = merkle.root_of(leaves[: index + 1])
    merkle.check_consistency(index + 1, size, old_root, root, merkle.consistency_path(leaves, index + 1))


# pymerkle as referee


def test_pymerkle_makes_the_same_roots_and_paths() -> None:
    """The root of pymerkle is ours; its path is ours behind the leaf hash that it puts in front, its index from 1."""
    tree = referee.InmemoryTree(algorithm="sha256")
    leaves: list[bytes] = []
    for size in range(1, LARGEST + 1):
        leaf = size.to_bytes(2, "big")
        leaves.append(merkle.leaf_hash(leaf))
        tree.append_entry(leaf)
        assert tree.get_root() == merkle.root_of(leaves)
        for index in range(size):
            proof = tree.prove_inclusion(index + 1)
            assert tuple(proof.path[1:]) == merkle.inclusion_path(leaves, index)


# Vectors


def decoded(value: str | None) -> bytes:
    return base64.b64decode(value or "")


@pytest.mark.parametrize("case", INCLUSION, ids=lambda case: f"{case['path']}")
def test_public_inclusion_vector(case: dict[str, Any]) -> None:
    """The RFC 6962 inclusion vectors of transparency-dev/merkle give what they say."""
    path = tuple(decoded(item) for item in case["proof"] or [])
    leaf, root = decoded(case["leafHash"]), decoded(case["root"])
    assert case["wantErr"] == refuses_inclusion(leaf, case["leafIdx"], case["treeSize"], path, root)


@pytest.mark.parametrize("case", CONSISTENCY, ids=lambda case: f"{case['path']}")
def test_public_consistency_vector(case: dict[str, Any]) -> None:
    """The RFC 6962 consistency vectors of transparency-dev/merkle give what they say."""
    path = tuple(decoded(item) for item in case["proof"] or [])
    roots = decoded(case["root1"]), decoded(case["root2"])
    assert case["wantErr"] == refuses_consistency(case["size1"], case["size2"], *roots, path)


def test_public_vectors_refuse_and_accept() -> None:
    """The public vectors have cases of both kinds, so that neither accepting nor refusing everything passes them."""
    for cases in (INCLUSION, CONSISTENCY):
        assert {True, False} == {case["wantErr"] for case in cases}


def test_reference_tree_of_certificate_transparency() -> None:
    """The eight leaves of the CT reference tree give its published roots at every size."""
    assert CT_TREE["empty_root"] == merkle.EMPTY_ROOT.hex()
    hashes = []
    for case in CT_TREE["cases"]:
        hashes.append(merkle.leaf_hash(bytes.fromhex(case["leaf_hex"])))
        assert case["root_hex"] == merkle.root_of(hashes).hex()
        assert case["size"] == len(hashes)


def hashes_of(case: dict[str, Any], name: str) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(value) for value in case[name])


def check_root(case: dict[str, Any]) -> str:
    return merkle.root_of([merkle.leaf_hash(leaf) for leaf in hashes_of(case, "leaves")]).hex()


def check_path(case: dict[str, Any]) -> list[str]:
    leaves = [merkle.leaf_hash(leaf) for leaf in hashes_of(case, "leaves")]
    return [value.hex() for value in merkle.inclusion_path(leaves, case["index"])]


def check_inclusion(case: dict[str, Any]) -> bool:
    leaf, root = bytes.fromhex(case["leaf_hash"]), bytes.fromhex(case["root"])
    merkle.check_inclusion(leaf, case["index"], case["size"], hashes_of(case, "path"), root)
    return True


def check_consistency(case: dict[str, Any]) -> bool:
    old_root, new_root = bytes.fromhex(case["old_root"]), bytes.fromhex(case["new_root"])
    merkle.check_consistency(case["old_size"], case["new_size"], old_root, new_root, hashes_of(case, "path"))
    return True


CHECKS = {
    "root": check_root,
    "inclusion_path": check_path,
    "inclusion": check_inclusion,
    "consistency": check_consistency,
}


@pytest.mark.parametrize("case", OWN, ids=lambda case: f"{case['check']}: {case['description']}")
def test_vector(case: dict[str, Any]) -> None:
    """Every vector of merkle.json gives what it says, a value or a named refusal."""
    if "want" in case:
        assert case["want"] == CHECKS[case["check"]](case)
        return
    with pytest.raises(VerificationError) as caught:
        CHECKS[case["check"]](case)
    assert case["want_error"] == caught.value.reason
