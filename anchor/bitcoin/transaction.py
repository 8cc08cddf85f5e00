"""The anchor transaction: which coins it spends, what it pays, and its exact bytes before signing; pure.

Coins come from a Bitcoin source (``protocols.Coin``), the payload from a signed checkpoint, the rates from a
``Network`` record and the source's estimate. ``anchor.engine`` builds with it and ``wallet`` signs the
result; the rules are those of the design's sections 3.4 (payload) and 6 (thread, coins, one live attempt).
"""

from collections.abc import Iterable, Sequence
from math import ceil, isfinite
from typing import TypeGuard

from anchor.bitcoin.networks import Network
from anchor.bitcoin.protocols import Coin
from anchor.errors import NoFundsError
from anchor.proof.bitcoin.payload import ANCHOR_TAG, PAYLOAD_SIZE, payload_script
from anchor.proof.bitcoin.transaction import Transaction, TxInput, TxOutput
from anchor.proof.errors import MalformedError

VERSION = 2
# Signals replaceability (BIP 125) and leaves relative lock times off (BIP 68: bit 31 is set).
SEQUENCE = 0xFFFFFFFD
MAX_TOP_UPS = 8
# What a replacement pays per virtual byte on top of what it replaces: Bitcoin Core's incremental relay fee
# until version 29.1; newer nodes ask for a tenth.
INCREMENTAL_SAT_PER_VB = 1.0

# Weight units (BIP 141): a stripped byte weighs 4, a witness byte 1. Without inputs an anchor is version 4,
# two counts, a P2WPKH output 31, the payload output 51, lock time 4; the witness adds its marker and flag.
_BASE_WEIGHT = 4 * (4 + 1 + 1 + 31 + 51 + 4) + 2
# Outpoint 36, empty script 1, sequence 4; count 1, signature of at most 72 and key of 33 bytes with lengths.
_INPUT_WEIGHT = 4 * 41 + (1 + 1 + 72 + 1 + 33)


def virtual_size(n_inputs: int) -> int:
    """Return the virtual size, in vB, of an anchor that spends ``n_inputs`` P2WPKH coins (BIP 141).

    An upper bound: a signature has at most 72 bytes, and mostly 71. 161 with one input.
    """
    return ceil((_BASE_WEIGHT + n_inputs * _INPUT_WEIGHT) / 4)


def fee_sat(n_inputs: int, rate_sat_per_vb: float) -> int:
    """Return what an anchor of ``n_inputs`` costs at this rate, in satoshi, rounded up."""
    return ceil(virtual_size(n_inputs) * rate_sat_per_vb)


def replacement_fee_sat(n_inputs: int, rate_sat_per_vb: float, replaced_sat: int) -> int:
    """Return the fee, in satoshi, of an anchor that replaces transactions which pay ``replaced_sat`` in all.

    ``replaced_sat`` covers the attempt in the mempool and its descendants. The rule is Bitcoin Core's
    (doc/policy/mempool-replacements.md, 3 and 4): at least their fees, and its own size at the incremental
    rate.
    """
    least_sat = replaced_sat + fee_sat(n_inputs, INCREMENTAL_SAT_PER_VB)
    return max(fee_sat(n_inputs, rate_sat_per_vb), least_sat)


def rate_sat_per_vb(
    network: Network, estimate_sat_per_vb: float | None, least_sat_per_vb: float | None = None
) -> float:
    """Return the rate to pay: the estimate, or the network's fallback, held between its floor and its cap.

    ``least_sat_per_vb`` is what the source's mempool asks of everyone now; it raises the floor, never the cap. A
    rate equal to ``network.fee_cap_sat_per_vb`` means that the cap was reached, which is worth an alert. A number
    that is not finite and above zero counts as none.
    """
    wanted = network.fee_fallback_sat_per_vb
    if is_rate(estimate_sat_per_vb):
        wanted = estimate_sat_per_vb
    least = max(network.fee_floor_sat_per_vb, least_sat_per_vb if is_rate(least_sat_per_vb) else 0)
    return min(max(wanted, least), network.fee_cap_sat_per_vb)


def is_rate(said: float | None) -> TypeGuard[float]:
    """Say whether what a source calls a rate can be one: a finite number above zero."""
    return said is not None and isfinite(said) and said > 0


def anchors_left(value_sat: int, rate_sat_per_vb: float, floor_sat: int) -> int:
    """Return how many more anchors of one input a thread coin of ``value_sat`` can pay for at this rate."""
    return max(0, value_sat - floor_sat) // fee_sat(1, rate_sat_per_vb)


def is_deep_enough(coin: Coin, tip_height: int, network: Network) -> bool:
    """Say whether a coin may be used: as deep as the watch depth, and mature if it is a coinbase.

    Confirmations count from 1. A coin that a reorganisation can take away would take the thread with it.
    """
    if coin.height is None:
        return False
    needed = max(network.watch_depth, network.coinbase_maturity if coin.coinbase else 0)
    return tip_height - coin.height + 1 >= needed


def is_thread_coin(coin: Coin) -> bool:
    """Say whether a coin is output 0 of a transaction that carries an AL1 payload in any of its outputs.

    False where a pruned source no longer has that transaction. Raises MalformedError where it is not one without
    witness.
    """
    if not coin.transaction:
        return False
    transaction = Transaction.decode(coin.transaction, limit=len(coin.transaction))
    return coin.outpoint.vout == 0 and any(_starts_as_payload(output) for output in transaction.outputs)


def funding_coins(coins: Iterable[Coin], tip_height: int, network: Network) -> list[Coin]:
    """Return the coins that may start a thread or top one up, the most valuable first.

    Those are deep enough and not output 0 of an AL1 transaction: that would be some thread's coin, ours or a
    stranger's who pays his own to our address, and spending it would tangle two threads. A coin whose transaction a
    pruned source no longer has cannot be told from one of these, nor its value be checked: it is left alone.
    """
    known = [coin for coin in coins if coin.transaction]
    usable = [coin for coin in known if is_deep_enough(coin, tip_height, network) and not is_thread_coin(coin)]
    return sorted(usable, key=lambda coin: (-coin.value_sat, coin.outpoint.encode()))


def choose_inputs(first: Coin, funding: Sequence[Coin], rate_sat_per_vb: float) -> tuple[Coin, ...]:
    """Return the coins that an anchor spends, in order: ``first``, then at most eight top-ups.

    ``first`` is the thread coin, or the funding coin of a thread's first anchor. ``funding`` is what
    ``funding_coins`` returned, less what other attempts have reserved; of it are taken, in its order, the
    coins worth more than twice what spending them costs.
    """
    cost_sat = fee_sat(2, rate_sat_per_vb) - fee_sat(1, rate_sat_per_vb)
    worth_it = [coin for coin in funding if coin.outpoint != first.outpoint and coin.value_sat > 2 * cost_sat]
    return (first, *worth_it[:MAX_TOP_UPS])


def build_anchor(inputs: Sequence[Coin], script: bytes, payload: bytes, fee_sat: int, floor_sat: int) -> Transaction:
    """Return the unsigned anchor transaction: output 0 the thread coin, output 1 the payload of value 0.

    ``inputs`` come in order, the thread coin first; ``script`` is ours (P2WPKH, 22 bytes) and receives all
    that is left after ``fee_sat``; ``payload`` is the 40 bytes of design section 3.4. The result is 92 bytes
    and 41 for each input, so nine inputs stay far below the 4,000 of an .ots message. Raises NoFundsError
    where output 0 would fall below ``floor_sat``, MalformedError for inputs, a script or a payload that no
    anchor has.
    """
    _check_inputs(inputs)
    _check_script(script)
    left_sat = sum(coin.value_sat for coin in inputs) - fee_sat
    if left_sat < floor_sat:
        raise NoFundsError(
            f"expected at least {floor_sat} sat left in the thread coin after a fee of {fee_sat} sat, "
            f"found {left_sat}: {floor_sat - left_sat} sat are missing; send more to the wallet's address"
        )
    return Transaction(
        version=VERSION,
        inputs=tuple(TxInput(previous=coin.outpoint, script=b"", sequence=SEQUENCE) for coin in inputs),
        outputs=(TxOutput(left_sat, script), TxOutput(0, payload_script(payload))),
        lock_time=0,
    )


def _starts_as_payload(output: TxOutput) -> bool:
    return output.script.startswith(bytes([0x6A, PAYLOAD_SIZE]) + ANCHOR_TAG)


def _check_inputs(inputs: Sequence[Coin]) -> None:
    if not 1 <= len(inputs) <= 1 + MAX_TOP_UPS:
        raise MalformedError(f"expected the thread coin and at most {MAX_TOP_UPS} top-ups, got {len(inputs)} inputs")
    if len({coin.outpoint for coin in inputs}) != len(inputs):
        raise MalformedError("expected inputs that differ, got one coin twice; choose them with choose_inputs")


def _check_script(script: bytes) -> None:
    if len(script) != 22 or not script.startswith(b"\x00\x14"):
        raise MalformedError(
            f"expected our P2WPKH script (0014 and 20 bytes, BIP 141), got {len(script)} bytes "
            f"{script[:22].hex()}: the sizes and fees here hold for no other kind"
        )
