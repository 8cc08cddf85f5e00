"""Depth by work: made-up headers of networks whose late blocks are nearly free, and of those that have none."""

from dataclasses import replace

import pytest

from anchor.bitcoin.depth import Depths, depth_in_work, easing_rules, real_bits
from anchor.bitcoin.header_rules import HEADER_RULES, work_of
from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.protocols import BlockId
from anchor.errors import SourceUnavailableError
from anchor.proof.bitcoin.header import Header

EASY = 0x1D00FFFF
HARD = 0x1B00FFFF  # 65,536 times the work
PERIOD = 2016
TESTNET4 = HEADER_RULES["testnet4"]


class MadeUp:
    """A chain of headers with given targets and no proof of work, and how often it was asked."""

    def __init__(self, first_height: int, *bits: int) -> None:
        self.ids: list[BlockId] = []
        self.raw: dict[bytes, bytes] = {}
        self.asked = 0
        previous = bytes(32)
        for height, each in enumerate(bits, first_height):
            header = Header(0x20000000, previous, bytes(32), 1_800_000_000 + height, each, 0)
            self.raw[header.hash] = header.encode()
            self.ids.append(BlockId(height, header.hash))
            previous = header.hash

    def header(self, block_hash: bytes) -> bytes | None:
        self.asked += 1
        return self.raw.get(block_hash)


def test_only_networks_with_easy_and_real_blocks_are_counted_by_work() -> None:
    """testnet3 and testnet4 have the 20-minute rule and a difficulty; regtest has no difficulty, the others no rule."""
    assert ["testnet3", "testnet4"] == sorted(name for name in NETWORKS if easing_rules(NETWORKS[name]))
    assert easing_rules(replace(NETWORKS["testnet4"], headers=NETWORKS["signet"].headers)) is None


def test_work_is_counted_in_blocks_of_real_difficulty() -> None:
    """Six easy blocks are worth none, one real block one, and a remainder nothing."""
    ratio = work_of(HARD) // work_of(EASY)
    assert 65_536 == ratio
    assert 0 == depth_in_work([EASY] * 6, HARD)
    assert 1 == depth_in_work([HARD], HARD)
    assert 3 == depth_in_work([HARD, EASY, HARD, EASY, EASY, HARD], HARD)
    assert 6 == depth_in_work([EASY] * 6, EASY)


def test_real_difficulty_is_the_newest_that_is_not_easy_within_the_period() -> None:
    """On testnet4 the first block of a period has it always; what lies before the period does not count."""
    assert HARD == real_bits(TESTNET4, [EASY, EASY, HARD, 0x1C00FFFF], 5)
    assert EASY == real_bits(TESTNET4, [EASY, EASY, HARD], PERIOD + 1)
    assert HARD == real_bits(TESTNET4, [EASY, EASY, HARD], PERIOD + 2)
    assert EASY == real_bits(TESTNET4, [EASY], PERIOD)


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ([EASY] * 6, 0),
        ([HARD] * 6, 6),
        ([EASY, HARD, EASY, EASY, EASY, EASY], 1),
        ([EASY] * 100 + [HARD] * 5, 5),
        ([HARD] + [EASY] * 105, 1),
    ],
)
def test_depth_is_confirmations_or_what_they_are_worth(bits: list[int], expected: int) -> None:
    """The block is the first of these; a real block lies a little before it."""
    chain = MadeUp(4 * PERIOD + 100, HARD, EASY, EASY, *bits)
    depths = Depths(NETWORKS["testnet4"], chain.header)
    assert expected == depths.depth(chain.ids[3], chain.ids[-1])


def test_a_harder_block_is_worth_no_more_than_its_confirmations() -> None:
    """The depth is never more than the number of blocks."""
    chain = MadeUp(4 * PERIOD - 3, EASY, HARD, EASY, 0x1A00FFFF)
    assert 2 == Depths(NETWORKS["testnet4"], chain.header).depth(chain.ids[2], chain.ids[3])


@pytest.mark.parametrize("name", ["mainnet", "signet", "regtest"])
def test_elsewhere_no_header_is_asked_for(name: str) -> None:
    """Mainnet, signet and regtest count confirmations, as before."""
    chain = MadeUp(0, *[EASY] * 10)
    assert 7 == Depths(NETWORKS[name], chain.header).depth(chain.ids[3], chain.ids[-1])
    assert 0 == chain.asked


def test_each_header_is_asked_for_once() -> None:
    """A header never changes: the next look costs only what is new."""
    chain = MadeUp(10, *[HARD] * 20)
    depths = Depths(NETWORKS["testnet4"], chain.header)
    assert 10 == depths.depth(chain.ids[0], chain.ids[9])
    assert 10 == chain.asked
    assert 20 == depths.depth(chain.ids[0], chain.ids[19])
    assert 20 == chain.asked


def test_a_header_that_is_gone_is_waited_for() -> None:
    """A reorganisation between two questions is no fault of anybody's."""
    chain = MadeUp(10, *[HARD] * 3)
    del chain.raw[chain.ids[1].hash]
    with pytest.raises(SourceUnavailableError, match="try again"):
        Depths(NETWORKS["testnet4"], chain.header).depth(chain.ids[0], chain.ids[2])
