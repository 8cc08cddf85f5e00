"""Tests of ``anchor.proof.heads``: the vectors, and the heads tree of the design built once more, without any loop.

Input is ``heads.json``, which the browser verifier runs too, and random sets of chain ids. The tree here works on
strings of bits, the module under test on sorted ranges.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.proof.codec import sha256
from anchor.proof.errors import MalformedError, Reason, VerificationError
from anchor.proof.heads import EMPTY, HeadsProof, check_absent, check_newest, heads_root, prove_head
from anchor.proof.leaves import NO_PREVIOUS, EpochLeaf, HeadLeaf
from anchor.proof.merkle import leaf_hash

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "vectors" / "heads.json").read_text())["cases"]
CHAIN_IDS = st.sets(
    st.one_of(
        st.binary(min_size=32, max_size=32),
        st.sampled_from([bytes(31) + bytes((last,)) for last in range(8)] + [b"\xff" * 31 + b"\xfe", b"\xff" * 32]),
    ),
    max_size=12,
)


def head_of(chain_id: bytes) -> bytes:
    return HeadLeaf(chain_id, 3, NO_PREVIOUS, sha256(chain_id)).encode()


def bits_of(chain_id: bytes) -> str:
    return f"{int.from_bytes(chain_id, 'big'):0256b}"


def plain_root(chains: dict[str, bytes], prefix: str = "") -> bytes:
    """Return the root of design section 3.2, by the definition: empty, one, or two sides."""
    below = {bits: digest for bits, digest in chains.items() if bits.startswith(prefix)}
    if not below:
        return sha256(b"\x02")
    if len(below) == 1:
        return next(iter(below.values()))
    return sha256(b"\x01" + plain_root(below, prefix + "0") + plain_root(below, prefix + "1"))


def tree(chain_ids: set[bytes]) -> tuple[list[tuple[bytes, bytes]], dict[bytes, bytes]]:
    leaves = {leaf_hash(head_of(chain_id)): head_of(chain_id) for chain_id in chain_ids}
    return sorted((chain_id, leaf_hash(head_of(chain_id))) for chain_id in chain_ids), leaves


@given(CHAIN_IDS)
@settings(deadline=None)
def test_root_is_that_of_the_definition(chain_ids: set[bytes]) -> None:
    """Whatever the chains are, the root is the one that the definition gives."""
    items, _ = tree(chain_ids)
    assert plain_root({bits_of(chain_id): digest for chain_id, digest in items}) == heads_root(items)


@given(CHAIN_IDS, st.binary(min_size=32, max_size=32))
@settings(deadline=None)
def test_every_chain_is_either_newest_or_absent(chain_ids: set[bytes], other: bytes) -> None:
    """For each chain one of the two checks holds and the other refuses."""
    items, leaves = tree(chain_ids)
    root = heads_root(items)
    for chain_id in (*chain_ids, other):
        proof = prove_head(items, chain_id, leaves.__getitem__)
        if chain_id in chain_ids:
            assert head_of(chain_id) == check_newest(proof, chain_id, root).encode()
            assert refuses_absent(proof, chain_id, root)
        else:
            check_absent(proof, chain_id, root)
            assert refuses_newest(proof, chain_id, root)


def refuses_newest(proof: HeadsProof, chain_id: bytes, root: bytes) -> bool:
    try:
        check_newest(proof, chain_id, root)
    except VerificationError as error:
        return error.reason == Reason.HEADS_PROOF_WRONG
    return False


def refuses_absent(proof: HeadsProof, chain_id: bytes, root: bytes) -> bool:
    try:
        check_absent(proof, chain_id, root)
    except VerificationError as error:
        return error.reason == Reason.HEADS_PROOF_WRONG
    return False


def test_no_proof_shows_a_chain_elsewhere() -> None:
    """A head in the tree, offered at a place where its bits do not lead, shows neither presence nor absence."""
    low, high = bytes(32), b"\x80" + bytes(31)
    items, leaves = tree({low, high})
    root = heads_root(items)
    stolen = HeadsProof(head_of(high), prove_head(items, low, leaves.__getitem__).siblings)
    for chain_id in (low, high):
        assert refuses_newest(stolen, chain_id, root)
        assert refuses_absent(stolen, chain_id, root)


def test_a_log_cannot_hide_a_chain_behind_a_misplaced_head() -> None:
    """Under a root that was built wrongly, another chain's head in a chain's place does not show that it is absent."""
    low, high, higher = bytes(32), b"\x80" + bytes(31), b"\xc0" + bytes(31)
    sibling = leaf_hash(head_of(higher))
    misplaced = HeadsProof(head_of(high), (sibling,))
    root = sha256(b"\x01" + leaf_hash(head_of(high)) + sibling)
    assert refuses_absent(misplaced, low, root)
    assert refuses_newest(misplaced, low, root)


def test_the_empty_tree_proves_absence_only() -> None:
    """Without chains the root is H(02), and every chain is absent."""
    chain_id = sha256(b"anybody")
    proof = prove_head([], chain_id, dict[bytes, bytes]().__getitem__)
    assert HeadsProof(None, ()) == proof
    assert sha256(b"\x02") == heads_root([]) == EMPTY
    check_absent(proof, chain_id, EMPTY)
    assert refuses_newest(proof, chain_id, EMPTY)


def test_a_lone_empty_pair_is_refused() -> None:
    """Nothing beside nothing is H(02), not a node over two of them: the deepest sibling is never empty."""
    root = sha256(b"\x01" + EMPTY + EMPTY)
    assert refuses_absent(HeadsProof(None, (EMPTY,)), bytes(32), root)


def test_a_proof_that_ends_in_no_leaf_at_all_is_malformed() -> None:
    """Bytes that no directory could hold at the end of the way are malformed; a leaf of another type is no head."""
    with pytest.raises(MalformedError):
        check_newest(HeadsProof(b"\x12short", ()), bytes(32), bytes(32))
    assert refuses_newest(HeadsProof(EpochLeaf(0, 1).encode(), ()), bytes(32), bytes(32))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['check']}: {case['description']}")
def test_vector(case: dict[str, Any]) -> None:
    """Every vector gives what it says, a value or a named refusal."""
    if "want" in case:
        assert case["want"] == CHECKS[case["check"]](case)
        return
    with pytest.raises((MalformedError, VerificationError)) as caught:
        CHECKS[case["check"]](case)
    error = caught.value
    assert case["want_error"] == (error.reason if isinstance(error, VerificationError) else "malformed")


def proof_of(case: dict[str, Any]) -> tuple[HeadsProof, bytes, bytes]:
    terminal = bytes.fromhex(case["terminal"]) or None
    siblings = tuple(bytes.fromhex(value) for value in case["siblings"])
    return HeadsProof(terminal, siblings), bytes.fromhex(case["chain_id"]), bytes.fromhex(case["root"])


def root_of_case(case: dict[str, Any]) -> str:
    items = [(bytes.fromhex(item["chain_id"]), bytes.fromhex(item["leaf_hash"])) for item in case["items"]]
    return heads_root(items).hex()


def newest_of_case(case: dict[str, Any]) -> str:
    return leaf_hash(check_newest(*proof_of(case)).encode()).hex()


def absent_of_case(case: dict[str, Any]) -> bool:
    check_absent(*proof_of(case))
    return True


CHECKS = {"heads_root": root_of_case, "newest": newest_of_case, "absent": absent_of_case}
