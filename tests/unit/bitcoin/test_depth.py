"""What a block of real difficulty is worth: the rule of all who count, on the records of real networks."""

import struct
from dataclasses import replace

import pytest

from anchor.bitcoin.depth import Counted, full_block_work, has_easy_blocks, work_behind
from anchor.bitcoin.fork import newest_common
from anchor.bitcoin.header_rules import HEADER_RULES, work_of
from anchor.proof.blocks import KnownBlock

EASY = 0x1D00FFFF
HARD = 0x1B00FFFF  # 65,536 times the work


def test_only_networks_with_easy_and_real_blocks_are_counted_by_work() -> None:
    """testnet3 and testnet4 have the 20-minute rule and a difficulty; regtest has no difficulty, the others no rule."""
    assert ["testnet3", "testnet4"] == sorted(name for name, rules in HEADER_RULES.items() if has_easy_blocks(rules))


def test_a_difficulty_that_never_changes_is_one_too() -> None:
    """A network without retargets whose genesis block is not the easiest has blocks of two kinds."""
    regtest = HEADER_RULES["regtest"]
    harder = regtest.genesis[:72] + struct.pack("<I", 0x2000FFFF) + regtest.genesis[76:]
    assert has_easy_blocks(replace(regtest, genesis=harder))


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ([EASY] * 6, 0),
        ([HARD] * 6, 6),
        ([EASY, HARD, EASY, EASY, EASY, EASY], 1),
        ([EASY] * 100 + [HARD] * 5, 5),
        ([HARD] + [EASY] * 105, 1),
        ([HARD, 0x1A00FFFF], 2),
    ],
)
def test_depth_is_confirmations_or_what_they_are_worth(bits: list[int], expected: int) -> None:
    """The block is the first of these, in a period that began with HARD; never more than the number of blocks."""
    work = work_behind(Counted(height, bytes(32), each, HARD) for height, each in enumerate(bits))
    known = KnownBlock(bytes(32), len(bits), work, full_block_work(HEADER_RULES["testnet4"], HARD))
    assert expected == known.depth


def test_elsewhere_confirmations_count() -> None:
    """On mainnet a block is a block; a block that somebody vouches for has no depth."""
    assert full_block_work(HEADER_RULES["mainnet"], HARD) is None
    assert 7 == KnownBlock(bytes(32), 7, 7 * work_of(EASY), None).depth
    assert KnownBlock(bytes(32), None).depth is None


@pytest.mark.parametrize("length", [0, 1, 2, 3, 7, 8, 50, 100])
def test_a_fork_is_found_in_few_questions(length: int) -> None:
    """The newest common height is found; a short fork costs few questions, and the lowest height is not asked."""
    asked: list[int] = []

    def agrees(height: int) -> bool:
        asked.append(height)
        return height <= 100 - length

    assert 100 - length == newest_common(0, 100, agrees)
    assert len(asked) <= 1 + 2 * length.bit_length()
    assert 0 not in asked
