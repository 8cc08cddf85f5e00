"""Tests of a block's tree and its branches, with btclib as referee, and of the known attacks on them.

Input is trees made here, and the forged branch of the vectors.
"""

import hashlib
from contextlib import suppress

import pytest
from btclib.block import merkle_proof as referee
from hypothesis import given
from hypothesis import strategies as st

from anchor.proof.bitcoin.branch import fold_branch, merkle_path, merkle_root
from anchor.proof.bitcoin.hashes import sha256d
from anchor.proof.bitcoin.transaction import Transaction
from anchor.proof.errors import MalformedError, Reason, VerificationError
from tests.vectors.bitcoin_cases import CASES, naive_fold


def txids_of(count: int) -> list[bytes]:
    """Return made-up txids."""
    return [hashlib.sha256(at.to_bytes(4, "big")).digest() for at in range(count)]


@pytest.mark.parametrize("count", [*range(1, 34), 63, 64, 65, 100])
def test_every_transaction_of_a_block_is_proved(count: int) -> None:
    """For each place in blocks of many sizes our path leads to the root, and the referee agrees."""
    txids = txids_of(count)
    root = merkle_root(txids)
    for index, txid in enumerate(txids):
        path = merkle_path(txids, index)
        assert root == fold_branch(txid, index, path)
        assert referee.verify(txid[::-1], [sibling[::-1] for sibling in path], index, root[::-1])


@pytest.mark.parametrize("count", [2, 3, 5, 6, 7, 11, 16])
def test_no_other_index_leads_to_the_root(count: int) -> None:
    """A path proves one index only: at any other it is refused or leads elsewhere."""
    txids = txids_of(count)
    root = merkle_root(txids)
    for index, txid in enumerate(txids):
        path = merkle_path(txids, index)
        others = set(range(1 << len(path))) - {index}
        assert not [other for other in others if root == fold_or_none(txid, other, path)]


def fold_or_none(leaf: bytes, index: int, path: tuple[bytes, ...]) -> bytes | None:
    """Return the root, or None for a branch that is refused."""
    try:
        return fold_branch(leaf, index, path)
    except VerificationError:
        return None


@pytest.mark.parametrize("count", range(1, 24))
def test_block_that_was_doubled_at_its_end_proves_nothing_there(count: int) -> None:
    """Blocks that hide repeated transactions behind the same root (CVE-2012-2459) do not prove the repetition."""
    txids = txids_of(count)
    root = merkle_root(txids)
    proved = 0
    for size in (1, 2, 4, 8):
        doubled = txids + txids[-size:]
        if merkle_root(doubled) != root:
            continue
        for index in range(count, len(doubled)):
            with pytest.raises(VerificationError) as caught:
                fold_branch(doubled[index], index, merkle_path(doubled, index))
            assert caught.value.reason == Reason.BRANCH_DUPLICATED_SIBLING
            proved += 1
    lowest_bit = count & -count
    assert (lowest_bit if count != lowest_bit and lowest_bit <= 8 else 0) == proved


def test_forged_transaction_below_one_of_64_bytes() -> None:
    """A naive fold proves a transaction that was never mined (CVE-2017-12842); ours and the referee refuse."""
    case = next(each for each in CASES if each.get("want_error") == "branch-inner-node-is-transaction")
    leaf, path = bytes.fromhex(case["leaf"]), tuple(map(bytes.fromhex, case["path"]))
    small = path[0] + leaf
    block = [path[1], sha256d(small)]
    assert len(Transaction.decode(small, 64).encode()) == 64
    assert merkle_root(block) == naive_fold(leaf, case["index"], path)
    assert leaf not in block
    with pytest.raises(VerificationError) as caught:
        fold_branch(leaf, case["index"], path)
    assert caught.value.reason == Reason.BRANCH_INNER_NODE_IS_TRANSACTION
    backwards = [sibling[::-1] for sibling in path]
    assert not referee.verify(leaf[::-1], backwards, case["index"], merkle_root(block)[::-1])


def refuses_as_transaction(pair: bytes) -> bool:
    """Say whether two hashes are refused because together they are a transaction."""
    try:
        fold_branch(pair[:32], 0, (pair[32:],))
    except VerificationError as error:
        return error.reason == Reason.BRANCH_INNER_NODE_IS_TRANSACTION
    return False


def is_transaction(pair: bytes) -> bool:
    """Say whether the whole of ``pair`` is read as a transaction."""
    with suppress(MalformedError):
        return bool(Transaction.decode(pair, len(pair)))
    return False


@pytest.mark.parametrize("in_input", range(5))
def test_every_form_of_a_transaction_of_64_bytes_is_refused(in_input: int) -> None:
    """One input and one output leave four bytes of script, however they share them; another count is none."""
    start, script = bytes.fromhex("02000000"), bytes([in_input]) + bytes(in_input)
    rest = bytes(range(36)) + script + bytes(4) + b"\x01" + bytes(8) + bytes([4 - in_input]) + bytes(4 - in_input)
    for count in range(256):
        pair = start + bytes([count]) + rest + bytes(4)
        assert len(pair) == 64
        assert (count == 1) == is_transaction(pair) == refuses_as_transaction(pair)


@given(st.binary(min_size=64, max_size=64), st.sampled_from([0, 1, 2, 0xFD, 0xFF]), st.binary(min_size=1, max_size=1))
def test_a_pair_is_refused_where_it_is_a_transaction_and_nowhere_else(pair: bytes, count: int, length: bytes) -> None:
    """Whatever the two hashes are, the branch and the reader of transactions say the same of them."""
    pair = pair[:4] + bytes([count]) + pair[5:41] + length + pair[42:]
    if pair[:32] != pair[32:]:
        assert is_transaction(pair) == refuses_as_transaction(pair)
