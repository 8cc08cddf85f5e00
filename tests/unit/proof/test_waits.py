"""How much of an announced recovery's wait is proved: by the blocks that seals name, and by the log's anchors."""

import pytest

from anchor.proof.blocks import GivenBlock
from anchor.proof.identity_history import Place, Waited
from anchor.proof.waits import AnchorBlock, Anchored, WaitState, anchored_at, word_on_wait

BLOCKS = (bytes([1]) * 32, bytes([2]) * 32)
WAITED = Waited(Place(3, 0, 100, b"", BLOCKS[0]), Place(7, 0, 244, b"", BLOCKS[1]), 144)
VIEWS = [GivenBlock("regtest", height, block) for height, block in zip((100, 244), BLOCKS, strict=True)]
ENDS = {2: 20, 3: 30, 4: 40}


@pytest.mark.parametrize(
    ("anchors", "proved", "word"),
    [
        ([(20, 99), (30, 107), (40, 120)], 137, "anchored in block 107: 137 of these blocks came after it for certain"),
        ([(30, 172)], 72, "172: 72 of these blocks came after it for certain"),
        ([(30, 173)], 71, "71 of these blocks came after it for certain, fewer than half of the 144 that the identity"),
        ([(20, 99), (40, 243)], 1, "was anchored in block 243: 1 of these blocks came after it for certain, fewer"),
        ([(40, 300), (50, 244)], 0, "is in no anchor before block 244: nothing proves that it was made before"),
        ([(20, 99), (29, 101)], 0, "no anchor that you can check has the announcement"),
        ([], 0, "no anchor that you can check has the announcement"),
    ],
)
def test_a_wait_is_proved_from_the_first_anchor_over_the_announcement(
    anchors: list[tuple[int, int]], proved: int, word: str
) -> None:
    """A seal that names an old block proves no more than the block of its anchor does; half of the wait is enough."""
    found = word_on_wait(WAITED, VIEWS, anchored_at(ENDS, [Anchored(*each) for each in anchors]))
    assert (proved, True, proved < 72) == (found.proved_blocks, word in found.text, found.may_be_made_up)
    assert (WaitState.PROVED if proved >= 72 else WaitState.NOT_PROVED) is found.state


def test_who_was_not_asked_is_no_word_against_a_wait() -> None:
    """Without blocks, without anchors, or without the block of the anchor, nobody has looked: that is another word."""
    for views, anchored in (([], lambda _: None), (VIEWS, None), (VIEWS, lambda _: AnchorBlock(120, is_known=False))):
        found = word_on_wait(WAITED, views, anchored)
        assert (WaitState.NOT_ASKED, None, False) == (found.state, found.proved_blocks, found.may_be_made_up)


def test_without_the_anchors_of_the_log_nothing_is_said_of_them() -> None:
    """A receipt has the blocks that seals name, and says who confirms them."""
    assert "from block 100 to 244, which you (the given block) confirms" == word_on_wait(WAITED, VIEWS).text


def test_a_wait_is_a_fact_for_machines() -> None:
    """The names and the words of ``--json`` stay."""
    found = word_on_wait(WAITED, VIEWS, anchored_at(ENDS, [Anchored(30, 230)])).to_json()
    heights = {"announced_in": 100, "completed_in": 244, "wanted_blocks": 144, "proved_blocks": 14}
    assert heights | {"state": "not-proved"} == found


def test_a_seal_that_is_not_in_the_log_has_no_anchor() -> None:
    """Nothing is proved of a seal whose place is not known."""
    assert None is anchored_at({}, [Anchored(30, 107)])(3)
