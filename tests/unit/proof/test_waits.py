"""How much of an announced recovery's wait is proved: by the blocks that seals name, and by the log's anchors."""

import pytest

from anchor.proof.blocks import GivenBlock
from anchor.proof.identity_history import Place, Waited
from anchor.proof.waits import Anchored, anchored_at, word_on_wait

BLOCKS = (bytes([1]) * 32, bytes([2]) * 32)
WAITED = Waited(Place(3, 0, 100, b"", BLOCKS[0]), Place(7, 0, 244, b"", BLOCKS[1]))
VIEWS = [GivenBlock("regtest", height, block) for height, block in zip((100, 244), BLOCKS, strict=True)]
ENDS = {2: 20, 3: 30, 4: 40}


@pytest.mark.parametrize(
    ("anchors", "word"),
    [
        ([(20, 99), (30, 107), (40, 120)], "was anchored in block 107: 137 of these blocks came after it for certain"),
        ([(20, 99), (40, 243)], "was anchored in block 243: 1 of these blocks came after it for certain"),
        ([(40, 300), (50, 244)], "is in no anchor before block 244: nothing proves that it was made before"),
        ([(20, 99), (29, 101)], "no anchor that you can check has the announcement"),
        ([], "no anchor that you can check has the announcement"),
    ],
)
def test_a_wait_is_proved_from_the_first_anchor_over_the_announcement(
    anchors: list[tuple[int, int]], word: str
) -> None:
    """A seal that names an old block proves no more than the block of its anchor does."""
    found = word_on_wait(WAITED, VIEWS, anchored_at(ENDS, [Anchored(*each) for each in anchors]))
    assert (True, True) == (found.is_kept, word in found.text)


def test_without_the_anchors_of_the_log_nothing_is_said_of_them() -> None:
    """A receipt has the blocks that seals name, and says who confirms them."""
    assert "from block 100 to 244, which you (the given block) confirms" == word_on_wait(WAITED, VIEWS).text


def test_a_seal_that_is_not_in_the_log_has_no_anchor() -> None:
    """Nothing is proved of a seal whose place is not known."""
    assert None is anchored_at({}, [Anchored(30, 107)])(3)
