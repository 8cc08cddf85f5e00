"""What an anchor may cost: prices, replacements, packages and days, on made-up attempts."""

from dataclasses import replace
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.protocols import BlockId
from anchor.bitcoin.transaction import MAX_TOP_UPS, fee_sat, virtual_size
from anchor.fees import (
    Price,
    highest_fee_sat,
    line_rate_sat_per_vb,
    pays_too_little,
    price_of,
    replacing_fee_sat,
    spent_sat,
)
from anchor.journal import DAY_MS, Attempt
from anchor.lifecycle import MINED, Standing, State
from anchor.proof.bitcoin.payload import payload_script
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput

REGTEST = NETWORKS["regtest"]
NOW_MS = 1_790_000_000_000
TIP = BlockId(200, b"\x0c" * 32)
PRICE = Price(10.0, 1.0, is_estimated=True)
UNKNOWN = Price(2.0, 1.0, is_estimated=False)


def coin(number: int) -> OutPoint:
    return OutPoint(bytes([number]) * 32, 0)


def attempt(
    number: int, fee: int, *, state: State = State.SEEN, n_inputs: int = 1, spends: int = 0, age_ms: int = 0
) -> Attempt:
    """Return an attempt of ``n_inputs`` with signatures of 71 bytes, which was made at height 200."""
    inputs = (coin(spends), *(OutPoint(b"\xee" * 32, place) for place in range(1, n_inputs)))
    outputs = (TxOutput(100_000, b"\x00\x14" + bytes(20)), TxOutput(0, payload_script(b"AL1" + bytes(37))))
    body = Transaction(2, tuple(TxInput(each, b"", 0xFFFFFFFD) for each in inputs), outputs, 0)
    stripped = body.encode()
    witness = (b"\x02\x47" + bytes(71) + b"\x21" + bytes(33)) * n_inputs
    raw = stripped[:4] + b"\x00\x01" + stripped[4:-4] + witness + stripped[-4:]
    standing = Standing(state, TIP if state in MINED else None)
    return Attempt(number, NOW_MS - age_ms, 9, bytes([number]) * 32, coin(spends), raw, fee, standing, TIP)


# --- the price


@pytest.mark.parametrize("said", [None, nan, inf, -inf, 0.0, -5.0])
def test_what_is_no_rate_counts_as_none(said: float | None) -> None:
    """Absurd, missing, negative: the fallback stands in, and the floor is the least."""
    expected = Price(REGTEST.fee_fallback_sat_per_vb, REGTEST.fee_floor_sat_per_vb, is_estimated=False)
    assert expected == price_of(REGTEST, said, said)


@pytest.mark.parametrize(
    ("estimate", "least", "rate"),
    [(0.3, None, 1.0), (7.0, None, 7.0), (7.0, 12.0, 12.0), (None, 12.0, 12.0), (1e12, None, 50.0), (3.0, 1e12, 50.0)],
)
def test_the_rate_is_held_between_what_is_asked_and_the_cap(
    estimate: float | None, least: float | None, rate: float
) -> None:
    """clamp(estimate or fallback, max(floor, the mempool's minimum), cap): the cap is above all."""
    assert rate == price_of(REGTEST, estimate, least).rate_sat_per_vb


# --- too low


def test_with_an_estimate_too_little_is_a_comparison() -> None:
    """What an anchor was made to pay is enough at the same price, and not at a higher one."""
    made = attempt(1, fee_sat(1, 10.0))
    assert not pays_too_little([made], PRICE)
    assert pays_too_little([made], replace(PRICE, rate_sat_per_vb=10.1))


def test_without_an_estimate_the_fallback_is_no_reason_to_pay_more() -> None:
    """Nobody says what is enough: only waiting shows it."""
    assert not pays_too_little([attempt(1, 161)], UNKNOWN)


def test_what_the_mempool_asks_is_the_least_with_and_without_estimate() -> None:
    """A minimum above what it pays is too little, as far as the cap allows to pay it."""
    assert pays_too_little([attempt(1, 322)], Price(12.0, 12.0, is_estimated=False))
    assert not pays_too_little([attempt(1, fee_sat(1, 50.0))], Price(50.0, 400.0, is_estimated=True))


# --- replacing


@given(
    fees=st.lists(st.integers(161, 9_000), min_size=1, max_size=5, unique=True).map(sorted),
    inputs=st.integers(1, 1 + MAX_TOP_UPS),
    rate=st.floats(1, 50),
    after=st.lists(st.integers(161, 9_000), max_size=3),
)
def test_a_version_replaces_every_earlier_one(fees: list[int], inputs: int, rate: float, after: list[int]) -> None:
    """Bitcoin Core's rules 3, 4 and 6, against whichever version and descendants a mempool has."""
    versions = [attempt(number, fee) for number, fee in enumerate(fees, 1)]
    children = [attempt(100 + number, fee) for number, fee in enumerate(after)]
    fee = replacing_fee_sat(inputs, Price(rate, 1.0, is_estimated=True), versions, (), children)
    size = virtual_size(inputs)
    assert fee >= max(fees) + sum(after) + size
    assert fee >= size * rate
    for version in versions:
        assert fee * version.virtual_size > version.fee_sat * size


def test_the_last_of_a_line_pays_for_those_before_it() -> None:
    """Two anchors at 2 sat/vB before it: at a price of 10 the last one pays for all three (CPFP), and no more."""
    line = [attempt(1, 322), attempt(2, 322), attempt(3, 322)]
    fee = replacing_fee_sat(1, PRICE, line[2:], line[:2], ())
    size = virtual_size(1) + line[0].virtual_size + line[1].virtual_size
    assert 10 * size - 644 == fee
    replaced = [*line[:2], replace(line[2], fee_sat=fee)]
    assert 10.0 <= line_rate_sat_per_vb(replaced) < 10.1
    assert fee <= highest_fee_sat(1, 50.0, line[:2])


def test_rich_ancestors_do_not_make_it_cheaper() -> None:
    """Where those before it pay more than the price, the last one still pays its own."""
    rich = [attempt(1, 50_000)]
    assert fee_sat(1, 10.0) == replacing_fee_sat(1, PRICE, [attempt(2, 322)], rich, ())
    assert fee_sat(1, 50.0) == highest_fee_sat(1, 50.0, rich)


# --- a day


def test_of_the_versions_of_a_coin_the_dearest_counts() -> None:
    """A coin is spent once; which version a miner takes is not known yet."""
    made = [attempt(1, 300, state=State.REPLACED), attempt(2, 500), attempt(3, 400, spends=9)]
    assert 900 == spent_sat(made, NOW_MS)
    assert 1_200 == spent_sat(made, NOW_MS, coin(0), 800)
    assert 900 == spent_sat(made, NOW_MS, coin(0), 450)
    assert 1_000 == spent_sat(made, NOW_MS, coin(7), 100)


def test_a_version_in_a_block_is_what_was_paid() -> None:
    """The dearer versions that lost to it can no longer be paid."""
    made = [attempt(1, 300, state=State.CONFIRMED), attempt(2, 500, state=State.REPLACED)]
    assert 300 == spent_sat(made, NOW_MS)


def test_void_and_yesterday_do_not_count() -> None:
    """A void attempt has no coin to spend; a day is 24 hours; a clock that went back forgives nothing."""
    assert 0 == spent_sat([attempt(1, 300, state=State.VOID)], NOW_MS)
    assert 0 == spent_sat([attempt(1, 300, age_ms=DAY_MS)], NOW_MS)
    assert 300 == spent_sat([attempt(1, 300, age_ms=DAY_MS - 1)], NOW_MS)
    assert 300 == spent_sat([attempt(1, 300, age_ms=-DAY_MS)], NOW_MS)


def test_a_version_made_today_of_a_coin_that_was_spent_yesterday_does_not_count() -> None:
    """It lost to one that is in a block, whenever that was made."""
    made = [attempt(1, 300, state=State.FINAL, age_ms=2 * DAY_MS), attempt(2, 500, state=State.REPLACED)]
    assert 0 == spent_sat(made, NOW_MS)
