"""Tests of compact targets and proof of work, with btclib as referee.

Input is every exponent and edge of a target, and the header of the vectors' anchor.
"""

import random

import pytest
from btclib.block.block_header import BlockHeader
from btclib.block.proof_of_work import bits_from_target as referee_bits
from btclib.block.proof_of_work import block_work, is_negative_bits
from btclib.block.proof_of_work import target_from_bits as referee_target
from btclib.consensus import CONSENSUS_PARAMS
from btclib.exceptions import BTClibValueError

from anchor.proof.bitcoin.anchor import check_anchor_header
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.networks import NETWORKS
from anchor.proof.bitcoin.work import bits_from_target, check_work, target_from_bits, work_from_bits
from anchor.proof.errors import Reason, VerificationError
from tests.vectors.bitcoin_cases import ANCHOR


def test_targets_agree_with_the_referee() -> None:
    """For every exponent and edge, compact targets read, weigh and write as the referee says."""
    words = (0, 1, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x123456, 0x7FFFFF)
    cases = [size << 24 | sign | word for size in range(256) for sign in (0, 0x800000) for word in words]
    for bits in cases:
        four = bits.to_bytes(4, "big")
        expected = referee_value(four)
        if expected is None:
            with pytest.raises(VerificationError) as caught:
                target_from_bits(bits)
            assert caught.value.reason == Reason.TARGET_INVALID
        else:
            assert expected == target_from_bits(bits)
            assert block_work(four) == work_from_bits(bits)
            assert int.from_bytes(referee_bits(expected.to_bytes(32, "big")), "big") == bits_from_target(expected)


def referee_value(bits: bytes) -> int | None:
    """Return the target by btclib, or None where no block can have it."""
    try:
        target = int.from_bytes(referee_target(bits), "big")
    except BTClibValueError:
        return None
    return None if is_negative_bits(bits) or target == 0 else target


def test_written_target_is_the_closest_below() -> None:
    """A target written in three bytes is at most itself, and rewriting it changes nothing more."""
    random_numbers = random.Random(7)
    for _ in range(2_000):
        target = random_numbers.getrandbits(random_numbers.randint(1, 256)) or 1
        bits = bits_from_target(target)
        assert int.from_bytes(referee_bits(target.to_bytes(32, "big")), "big") == bits
        assert target_from_bits(bits) <= target
        assert bits == bits_from_target(target_from_bits(bits))


def test_hash_equal_to_the_target_is_enough_and_one_more_is_not() -> None:
    """The comparison with the network's limit is "at most"."""
    header = Header.decode(ANCHOR.header)
    target = target_from_bits(header.bits)
    check_work(header, target)
    with pytest.raises(VerificationError) as caught:
        check_work(header, target - 1)
    assert caught.value.reason == Reason.TARGET_ABOVE_LIMIT


def test_header_is_judged_by_the_rules_of_one_network() -> None:
    """A regtest block passes on regtest and nowhere else."""
    expected = Header.decode(ANCHOR.header)
    assert expected == check_anchor_header(ANCHOR, NETWORKS["regtest"])
    theirs = BlockHeader.parse(ANCHOR.header, check_validity=False)
    assert theirs.hash[::-1] == expected.hash
    theirs.assert_valid_pow(CONSENSUS_PARAMS["regtest"].pow_limit_bits)
    for name in set(NETWORKS) - {"regtest"}:
        with pytest.raises(VerificationError) as caught:
            check_anchor_header(ANCHOR, NETWORKS[name])
        assert caught.value.reason == Reason.TARGET_ABOVE_LIMIT
