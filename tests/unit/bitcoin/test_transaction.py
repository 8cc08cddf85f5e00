"""Tests of ``anchor.bitcoin.transaction``: coins, fees and the exact shape of an anchor.

Coins are made here; that the sizes and rules are those of real nodes is shown in ``tests/contract``.
"""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.protocols import Coin
from anchor.bitcoin.transaction import (
    anchors_left,
    build_anchor,
    choose_inputs,
    fee_sat,
    funding_coins,
    is_deep_enough,
    is_thread_coin,
    rate_sat_per_vb,
    replacement_fee_sat,
    virtual_size,
)
from anchor.errors import NoFundsError
from anchor.proof.bitcoin.payload import encode_payload, find_payload, payload_script
from anchor.proof.bitcoin.transaction import MAX_TRANSACTION, OutPoint, Transaction, TxInput, TxOutput
from anchor.proof.errors import MalformedError

REGTEST = NETWORKS["regtest"]
SCRIPT = b"\x00\x14" + bytes(range(20))
PAYLOAD = encode_payload(3, bytes(range(32)))
TIP = 1_000
FLOOR = REGTEST.coin_floor_sat


def coin(value_sat: int, name: str = "a", height: int | None = 1, *, coinbase: bool = False, vout: int = 0) -> Coin:
    """Return a coin of a transaction that differs by ``name``."""
    parent = OutPoint(hashlib.sha256(name.encode()).digest(), 0)
    outputs = tuple(TxOutput(value_sat, SCRIPT) for _ in range(vout + 1))
    maker = Transaction(2, (TxInput(parent, b"", 0xFFFFFFFD),), outputs, 0)
    return Coin(OutPoint(maker.txid, vout), value_sat, height, coinbase, maker.encode())


def thread_coin(value_sat: int, name: str = "thread", payload_at: int = 1) -> Coin:
    """Return output 0 of a transaction with a payload in one of its outputs."""
    parent = OutPoint(hashlib.sha256(name.encode()).digest(), 0)
    outputs = [TxOutput(value_sat, SCRIPT), TxOutput(5, SCRIPT), TxOutput(6, SCRIPT)]
    outputs[payload_at] = TxOutput(0, payload_script(PAYLOAD))
    maker = Transaction(2, (TxInput(parent, b"", 0xFFFFFFFD),), tuple(outputs), 0)
    return Coin(OutPoint(maker.txid, 0), value_sat, 1, coinbase=False, transaction=maker.encode())


# Fees


def test_an_anchor_of_one_input_has_161_virtual_bytes() -> None:
    """The size that a prototype measured on Bitcoin Core; each further input adds 68."""
    assert [161, 229, 297] == [virtual_size(count) for count in (1, 2, 3)]


def test_a_fee_is_rounded_up() -> None:
    """A part of a satoshi is a whole one: below the asked rate a node could refuse."""
    assert [161, 162, 242, 322] == [fee_sat(1, rate) for rate in (1.0, 1.001, 1.5, 2.0)]


def test_a_replacement_pays_for_what_it_replaces_and_for_itself() -> None:
    """The old fees and one satoshi for each virtual byte, or the wanted rate if that is more."""
    assert 322 + 161 == replacement_fee_sat(1, 2.0, 322)
    assert 1_610 == replacement_fee_sat(1, 10.0, 322)
    assert 1_200 + 229 == replacement_fee_sat(2, 1.0, 1_200)


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [(None, 2.0), (0.1, 1.0), (1.0, 1.0), (7.5, 7.5), (50.0, 50.0), (9_000.0, 50.0)],
)
def test_a_rate_stays_between_floor_and_cap(estimate: float | None, expected: float) -> None:
    """Without an estimate the fallback is paid."""
    assert expected == rate_sat_per_vb(REGTEST, estimate)


@pytest.mark.parametrize("estimate", [float("nan"), float("inf"), float("-inf"), 0.0, -1.0])
def test_an_absurd_estimate_counts_as_none(estimate: float) -> None:
    """-1 is what some servers say for "unknown"; no number at all must not become a fee."""
    assert REGTEST.fee_fallback_sat_per_vb == rate_sat_per_vb(REGTEST, estimate)


def test_anchors_left_are_counted_above_the_floor() -> None:
    """The count is exact: that many anchors can be built one after the other, and not one more."""
    value_sat = FLOOR + 3 * fee_sat(1, 2.0) + 5
    assert 3 == anchors_left(value_sat, 2.0, FLOOR)
    for _ in range(3):
        value_sat = build_anchor([coin(value_sat)], SCRIPT, PAYLOAD, fee_sat(1, 2.0), FLOOR).outputs[0].value_sat
    with pytest.raises(NoFundsError):
        build_anchor([coin(value_sat)], SCRIPT, PAYLOAD, fee_sat(1, 2.0), FLOOR)
    assert 0 == anchors_left(FLOOR - 1, 2.0, FLOOR)


# Coins


def test_a_coin_is_used_once_it_is_as_deep_as_the_watch_depth() -> None:
    """Confirmations count from 1: a coin of the tip has one."""
    assert not is_deep_enough(coin(9, height=None), TIP, REGTEST)
    assert not is_deep_enough(coin(9, height=TIP - REGTEST.watch_depth + 2), TIP, REGTEST)
    assert is_deep_enough(coin(9, height=TIP - REGTEST.watch_depth + 1), TIP, REGTEST)


def test_a_coinbase_must_be_mature_where_the_watch_depth_is_smaller() -> None:
    """Consensus wants 100 blocks for a coinbase, whatever we watch."""
    shallow = replace(REGTEST, watch_depth=10)
    assert is_deep_enough(coin(9, height=TIP - 9), TIP, shallow)
    assert not is_deep_enough(coin(9, height=TIP - 98, coinbase=True), TIP, shallow)
    assert is_deep_enough(coin(9, height=TIP - 99, coinbase=True), TIP, shallow)


@pytest.mark.parametrize("payload_at", [1, 2])
def test_output_0_of_an_anchor_is_a_thread_coin(payload_at: int) -> None:
    """Also where the payload is in the wrong place: such a transaction is nobody's funding."""
    assert is_thread_coin(thread_coin(5_000, payload_at=payload_at))


def test_other_outputs_and_other_transactions_are_not_thread_coins() -> None:
    """Output 1 or 2 of an anchor may fund us, and so may any payment."""
    anchor = thread_coin(5_000)
    assert not is_thread_coin(replace(anchor, outpoint=OutPoint(anchor.outpoint.txid, 2)))
    assert not is_thread_coin(coin(5_000))


def test_funding_is_sorted_and_without_thread_coins() -> None:
    """The most valuable coin comes first; shallow coins and other threads' coins are left alone."""
    rich, poor, shallow = coin(9_000, "rich"), coin(4_000, "poor"), coin(8_000, "shallow", height=TIP)
    assert [rich, poor] == funding_coins([poor, shallow, thread_coin(7_000), rich], TIP, REGTEST)


def test_a_coin_whose_transaction_was_pruned_is_left_alone() -> None:
    """It may be a stranger's thread coin, and nobody can check what it is worth."""
    pruned = replace(coin(9_000, "pruned"), transaction=b"")
    assert not is_thread_coin(pruned)
    assert [] == funding_coins([pruned], TIP, REGTEST)


def test_funding_does_not_depend_on_the_order_of_a_source() -> None:
    """Coins of one value are sorted by outpoint, so that two sources lead to one transaction."""
    coins = [coin(5_000, name) for name in "abc"]
    assert funding_coins(coins, TIP, REGTEST) == funding_coins(coins[::-1], TIP, REGTEST)


def test_at_most_eight_top_ups_are_spent() -> None:
    """The thread coin is first, then eight others, in the order given."""
    funding = [coin(50_000 - at, str(at)) for at in range(12)]
    assert (thread_coin(5_000), *funding[:8]) == choose_inputs(thread_coin(5_000), funding, 2.0)


def test_a_top_up_is_worth_more_than_twice_its_cost() -> None:
    """At 10 sat/vB an input costs 680 sat: 1,360 is not worth it, 1,361 is."""
    first = thread_coin(5_000)
    just, enough = coin(1_360, "just"), coin(1_361, "enough")
    assert (first, enough) == choose_inputs(first, [just, enough], 10.0)


def test_the_first_input_is_not_spent_twice() -> None:
    """The funding coin of a first anchor is also in the list of funding coins."""
    first, second = coin(9_000, "first"), coin(8_000, "second")
    assert (first, second) == choose_inputs(first, [first, second], 1.0)


# The transaction


def test_an_anchor_has_two_outputs_in_order() -> None:
    """Output 0 is ours with all that is left, output 1 the payload with value 0; every input is replaceable."""
    inputs = [thread_coin(5_000), coin(10_000, "x"), coin(20_000, "y")]
    anchor = build_anchor(inputs, SCRIPT, PAYLOAD, 700, FLOOR)
    assert (TxOutput(34_300, SCRIPT), TxOutput(0, payload_script(PAYLOAD))) == anchor.outputs
    assert [each.outpoint for each in inputs] == [spent.previous for spent in anchor.inputs]
    assert {(b"", 0xFFFFFFFD)} == {(spent.script, spent.sequence) for spent in anchor.inputs}
    assert (2, 0) == (anchor.version, anchor.lock_time)
    assert 3 == find_payload(anchor).tree_size


def test_the_largest_anchor_fits_an_opentimestamps_message() -> None:
    """Nine inputs make 461 bytes, far below the limit of 4,000, and none makes 64."""
    sizes = [
        len(build_anchor([coin(9_000, str(at)) for at in range(count)], SCRIPT, PAYLOAD, 1_000, FLOOR).encode())
        for count in range(1, 10)
    ]
    assert [92 + 41 * count for count in range(1, 10)] == sizes
    assert sizes[-1] < MAX_TRANSACTION


def test_a_thread_coin_never_falls_below_its_floor() -> None:
    """One satoshi too few is refused, with how many are missing."""
    assert FLOOR == build_anchor([coin(FLOOR + 161)], SCRIPT, PAYLOAD, 161, FLOOR).outputs[0].value_sat
    with pytest.raises(NoFundsError, match="7 sat are missing"):
        build_anchor([coin(FLOOR + 154)], SCRIPT, PAYLOAD, 161, FLOOR)


@pytest.mark.parametrize("count", [0, 10])
def test_other_numbers_of_inputs_are_refused(count: int) -> None:
    """An anchor spends its thread coin and at most eight others."""
    with pytest.raises(MalformedError, match=f"got {count} inputs"):
        build_anchor([coin(9_000, str(at)) for at in range(count)], SCRIPT, PAYLOAD, 161, FLOOR)


def test_a_coin_given_twice_is_refused() -> None:
    """Counting a coin twice would promise money that is not there."""
    with pytest.raises(MalformedError, match="one coin twice"):
        build_anchor([coin(9_000), coin(9_000)], SCRIPT, PAYLOAD, 161, FLOOR)


@pytest.mark.parametrize("script", [b"", b"\x51", b"\x00\x20" + bytes(32), b"\x00\x15" + bytes(20)])
def test_scripts_of_other_kinds_are_refused(script: bytes) -> None:
    """Sizes and fees are those of P2WPKH."""
    with pytest.raises(MalformedError, match="P2WPKH"):
        build_anchor([coin(9_000)], script, PAYLOAD, 161, FLOOR)


@pytest.mark.parametrize("payload", [b"", PAYLOAD[:-1], PAYLOAD + b"\x00", b"AL2" + PAYLOAD[3:]])
def test_other_payloads_are_refused(payload: bytes) -> None:
    """A payload is the 40 bytes of the format."""
    with pytest.raises(MalformedError):
        build_anchor([coin(9_000)], SCRIPT, payload, 161, FLOOR)


@given(
    values=st.lists(st.integers(1, 10**9), min_size=1, max_size=14),
    rate=st.floats(1.0, 50.0, allow_nan=False),
)
def test_no_satoshi_is_lost(values: list[int], rate: float) -> None:
    """Whatever the coins, an anchor pays exactly its fee and keeps the rest, or is refused."""
    first, *rest = [coin(value, str(at)) for at, value in enumerate(values)]
    inputs = choose_inputs(first, funding_coins(rest, TIP, REGTEST), rate)
    fee = fee_sat(len(inputs), rate)
    paid_in = sum(each.value_sat for each in inputs)
    if paid_in - fee < FLOOR:
        with pytest.raises(NoFundsError):
            build_anchor(inputs, SCRIPT, PAYLOAD, fee, FLOOR)
        return
    anchor = build_anchor(inputs, SCRIPT, PAYLOAD, fee, FLOOR)
    assert fee == paid_in - sum(output.value_sat for output in anchor.outputs)
    assert anchor == Transaction.decode(anchor.encode(), MAX_TRANSACTION)
