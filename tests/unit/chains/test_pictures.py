"""Pictures: what is in them is what was handed in, where a reader would look for it."""

import re
from collections.abc import Callable
from itertools import pairwise
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.lifecycle import State
from chains.pictures.growth import Grown, growth
from chains.pictures.scales import DAY_MS, HOUR_MS, MINUTE_MS, number_ticks, spanning, time_ticks
from chains.pictures.states import NAMES, TONES, WORDS, mark, sign
from chains.pictures.svg import picture, text
from chains.pictures.thread import Knot, thread
from chains.pictures.timeline import Plotted, timeline
from chains.pictures.transaction import DrawnTransaction, SpentCoin, transaction, upright_transaction

NOON_MS = 1_795_348_800_000  # 2026-11-22 12:00 UTC
TXIDS = [f"{number:02x}" * 32 for number in range(9)]
DRAWN = DrawnTransaction(
    coins=[SpentCoin(TXIDS[1], 0, 4_999_678), SpentCoin(TXIDS[2], 3, 100_000)],
    begins=False,
    change_sat=5_098_068,
    size=1234,
    root_hex="0f" * 32,
    fee_sat=1610,
    virtual_size=230,
    version_no=2,
    state=State.CONFIRMED,
    confirmations=4,
)
ATTEMPTS = [
    Plotted(NOON_MS - 3 * HOUR_MS, 322, State.FINAL, 4001),
    Plotted(NOON_MS - 2 * HOUR_MS, 322, State.REPLACED),
    Plotted(NOON_MS - 2 * HOUR_MS + MINUTE_MS, 966, State.CONFIRMED, 4012),
    Plotted(NOON_MS - MINUTE_MS, 322, State.SEEN),
]
KNOTS = [
    Knot(TXIDS[4], TXIDS[3], 40, State.REORGED),
    Knot(TXIDS[3], TXIDS[1], 30, State.CONFIRMED, 112),
    Knot(TXIDS[2], TXIDS[1], 20, State.REPLACED),
    Knot(TXIDS[1], TXIDS[0], 10, State.FINAL, 103, begins=True),
]
HEADS = [Grown(NOON_MS - days * DAY_MS, size) for days, size in ((9, 3), (7, 10), (2, 4000))]


def words(root: Element) -> list[str]:
    return [each.text or "" for each in root.iter("text")]


def has_class(root: Element, wanted: str) -> list[Element]:
    return [each for each in root.iter() if set(wanted.split()) <= set(each.get("class", "").split())]


@pytest.mark.parametrize(
    "drawn",
    [
        timeline(ATTEMPTS, NOON_MS),
        growth(HEADS, NOON_MS),
        transaction(DRAWN),
        upright_transaction(DRAWN),
        thread(KNOTS),
    ],
    ids=["timeline", "growth", "transaction", "upright transaction", "thread"],
)
def test_every_picture_is_named_and_described_and_has_no_style_of_its_own(drawn: str) -> None:
    """A picture is an image with a title and a description, in classes; a strict policy has nothing to refuse."""
    root = fromstring(drawn)
    assert "img" == root.get("role")
    ids = {each.get("id"): each.text for each in root.iter() if each.get("id")}
    assert ids[root.get("aria-labelledby")]
    assert ids[root.get("aria-describedby")]
    assert not [each for each in root.iter() if {"style", "href", "fill", "onload"} & set(each.keys())]
    assert {"svg", "title", "desc", "g", "path", "text", "rect", "circle"} >= {each.tag for each in root.iter()}


@given(st.text())
def test_words_are_escaped(said: str) -> None:
    """Whatever a text says, it stays a text, and the picture stays well formed."""
    root = fromstring(picture("shown", said, said, (10, 10), [text(1, 1, f"<{said}")]))
    expected = re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", f"<{said}")
    assert re.sub("\r\n?", "\n", expected) == words(root)[0]  # a parser reads every line end as one
    assert 1 == len(list(root.iter("text")))


# Scales


@given(st.integers(0, 250_000_000_000_000), st.integers(0, 10_000_000_000_000))
def test_times_beside_an_axis_are_in_its_range_and_few(low_ms: int, span_ms: int) -> None:
    """Ticks rise, lie within what is shown, are whole seconds, and at most six."""
    ticks = time_ticks(low_ms, low_ms + span_ms)
    assert len(ticks) <= 6
    assert all(low_ms <= tick.value <= low_ms + span_ms and tick.value % 1000 == 0 for tick in ticks)
    assert all(before.value < after.value for before, after in pairwise(ticks))


@given(st.integers(0, 100_000_000_000_000), st.integers(6 * MINUTE_MS, 80 * DAY_MS))
def test_times_beside_an_axis_are_evenly_spaced(low_ms: int, span_ms: int) -> None:
    """Below some months all steps are alike, and there are at least two times, which show one."""
    ticks = [tick.value for tick in time_ticks(low_ms, low_ms + span_ms)]
    assert 1 == len({after - before for before, after in pairwise(ticks)})


def test_the_day_is_written_where_it_changes() -> None:
    """Within one day only the first time has its date; after midnight the date is written again."""
    ticks = time_ticks(NOON_MS, NOON_MS + 15 * HOUR_MS)
    assert ["12:00\n2026-11-22", "15:00", "18:00", "21:00", "00:00\n2026-11-23", "03:00"] == [
        tick.label for tick in ticks
    ]


def test_years_are_ticked_by_months() -> None:
    """Over years, ticks are first days of months."""
    ticks = time_ticks(NOON_MS, NOON_MS + 700 * DAY_MS)
    assert ["2027-01", "2027-07", "2028-01", "2028-07"] == [tick.label for tick in ticks]


@given(st.integers(0, 10**15))
def test_numbers_beside_an_axis_begin_at_zero_and_reach_the_highest(high: int) -> None:
    """An axis of numbers is not cut off, below or above."""
    ticks = number_ticks(high)
    assert 0 == ticks[0].value
    assert high <= ticks[-1].value
    assert len(ticks) <= 6
    assert [f"{tick.value:,}" for tick in ticks] == [tick.label for tick in ticks]


def test_nothing_lies_ahead_of_now() -> None:
    """What happened a moment ago is shown with the time before it, not with a future."""
    assert (NOON_MS - HOUR_MS, NOON_MS) == spanning([NOON_MS - 5, NOON_MS], HOUR_MS)
    assert (0, HOUR_MS) == spanning([0], HOUR_MS)


# The timeline


def test_attempts_stand_in_their_order_and_as_high_as_they_paid() -> None:
    """Later is further right, dearer is higher, and each says in words what became of it."""
    root = fromstring(timeline(ATTEMPTS[::-1], NOON_MS))
    stems = [re.findall(r"[\d.]+", each.get("d", "")) for each in has_class(root, "stem")]
    places = [(float(x), float(y)) for x, _, y in stems]
    assert sorted(places) == places
    assert places[0][1] == places[1][1] == places[3][1] > places[2][1]
    titles = [each.text or "" for each in root.iter("title")][1:]
    assert "2026-11-22 09:00:00 UTC: 322 sat, final, block 4,001" == titles[0]
    assert [WORDS[attempt.state] in title for attempt, title in zip(ATTEMPTS, titles, strict=True)] == [True] * 4


def test_heights_are_written_as_far_as_there_is_room() -> None:
    """Blocks are named above their anchors; of crowded ones the newest, and none over another."""
    crowded = [Plotted(NOON_MS - number * MINUTE_MS, 322, State.FINAL, 5000 - number) for number in range(30)]
    labels = has_class(fromstring(timeline(crowded, NOON_MS)), "label")
    assert "5,000" == labels[0].text
    places = [float(each.get("x", "")) for each in labels]
    assert all(after - before <= -60 for before, after in pairwise(places))
    assert 4 <= len(labels) < 30


def test_a_timeline_needs_an_attempt() -> None:
    """Nothing to plot is refused: an empty frame would look like a service that anchors for nothing."""
    with pytest.raises(ValueError, match="expected an attempt"):
        timeline([], NOON_MS)


# Growth


def test_a_chain_keeps_its_size_until_the_next_seal() -> None:
    """The curve goes in steps, and from the last one straight to now."""
    curve = has_class(fromstring(growth(HEADS, NOON_MS)), "curve")[0].get("d", "")
    steps = re.findall(r"H([\d.]+)V([\d.]+)", curve)
    assert 3 == len(steps)
    xs, ys = [float(x) for x, _ in steps], [float(y) for _, y in steps]
    assert sorted(xs) == xs
    assert sorted(ys, reverse=True) == ys
    assert float(curve.split("H")[-1]) > xs[-1]


def test_a_growth_of_many_heads_has_one_dot() -> None:
    """Where heads are many the curve says enough; the newest keeps its dot."""
    many = [Grown(NOON_MS - (200 - number) * HOUR_MS, number + 1) for number in range(200)]
    assert 1 == len(has_class(fromstring(growth(many, NOON_MS)), "dot"))
    assert 3 == len(has_class(fromstring(growth(HEADS, NOON_MS)), "dot"))
    with pytest.raises(ValueError, match="nothing of the chain is sealed"):
        growth([], NOON_MS)


# The transaction


@pytest.mark.parametrize("draw", [transaction, upright_transaction])
def test_a_transaction_shows_what_goes_in_and_out(draw: Callable[[DrawnTransaction], str]) -> None:
    """Coins with their values, fee, size and rate, version and state, the next coin, and the payload."""
    said = words(fromstring(draw(DRAWN)))
    for expected in (
        *("input 0: the thread coin before", "4,999,678 sat", "01010101…01010101:0"),
        *("input 1: a top-up", "100,000 sat", "02020202…02020202:3"),
        *("version 2 of this anchor", "fee 1,610 sat", "230 vB", "7.00 sat/vB", "in a block, 4 deep"),
        *("5,098,068 sat", "AL1 · 1,234 leaves", "root 0f0f0f0f…0f0f0f0f"),
    ):
        assert expected in said, (expected, said)


def test_a_thread_begins_with_a_coin_of_its_own() -> None:
    """The first anchor spends no anchor, and says so; a coin whose value nobody kept has none."""
    first = DrawnTransaction([SpentCoin(TXIDS[1], 1, None)], True, 1, 5, "0f" * 32, 2, 161, 1, State.SEEN)
    said = words(fromstring(transaction(first)))
    assert {"input 0: where the thread begins", "value not kept"} <= set(said)


@pytest.mark.parametrize("draw", [transaction, upright_transaction])
def test_boxes_do_not_overlap(draw: Callable[[DrawnTransaction], str]) -> None:
    """With the most inputs that an anchor has, every box is within the picture, and none lies on another."""
    coins = [SpentCoin(TXIDS[number], number, number) for number in range(9)]
    root = fromstring(draw(DrawnTransaction(coins, False, 1, 5, "0f" * 32, 2, 593, 1, State.SEEN)))
    boxes = [
        tuple(float(each.get(name, "")) for name in ("x", "y", "width", "height")) for each in has_class(root, "box")
    ]
    assert 12 == len(boxes)
    width, height = float(root.get("width", "")), float(root.get("height", ""))
    assert all(0 < x and 0 < y and x + wide < width and y + high < height for x, y, wide, high in boxes)
    for number, (x, y, wide, high) in enumerate(boxes):
        for other_x, other_y, other_wide, other_high in boxes[:number]:
            is_beside = x + wide <= other_x or other_x + other_wide <= x
            assert is_beside or y + high <= other_y or other_y + other_high <= y


# The thread


def test_a_lost_version_stands_beside_the_line() -> None:
    """What lost is dashed and leaves the line where it was built; what left its block breaks it."""
    root = fromstring(thread(KNOTS))
    assert 2 == len(has_class(root, "thread-line"))
    lost, broken = has_class(root, "thread-lost"), has_class(root, "thread-broken")
    assert (1, 1) == (len(lost), len(broken))
    spent = has_class(root, "mark final")[0]
    assert (lost[0].get("d") or "").endswith(f" {spent.get('cx')} {spent.get('cy')}")
    assert "the coin with which the thread begins" in words(root)


def test_the_line_goes_on_beyond_the_page() -> None:
    """An anchor whose predecessor is on another page hangs on a line that leaves the picture."""
    said = words(fromstring(thread(KNOTS[:2])))
    assert "older anchors" in said
    assert ["in no block · 40 leaves", "block 112 · 30 leaves"] == [line for line in said if "leaves" in line]
    with pytest.raises(ValueError, match="expected an attempt"):
        thread([])


# States


def test_states_differ_in_shape_and_words_and_not_in_colour_alone() -> None:
    """Who sees no colours tells the tones apart by their shapes; every state has its own words."""
    shapes = {TONES[state]: [(each.tag, each.get("d", "")) for each in mark(state, 0, 0)] for state in State}
    filled = shapes.pop("final")
    assert filled == shapes["mined"]  # a disc and a ring: the same circle, once filled
    assert len(shapes) == len({str(shape) for shape in shapes.values()})
    assert len(State) == len(set(WORDS.values())) == len(set(NAMES.values()))
    assert 'aria-hidden="true"' in sign(State.FINAL)
