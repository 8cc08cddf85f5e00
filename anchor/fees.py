"""What an anchor may cost, and what a replacement must pay: the rules of design section 6 about money; pure.

Rates come from a Bitcoin source, attempts from the journal, limits from the network and the settings. ``anchor.plan``
and ``anchor.engine`` decide by them, ``anchor.alerts`` tells when a limit is near.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor

from anchor.bitcoin.networks import Network
from anchor.bitcoin.transaction import fee_sat, is_rate, rate_sat_per_vb, replacement_fee_sat, virtual_size
from anchor.journal import DAY_MS, Attempt
from anchor.lifecycle import MINED, State
from anchor.proof.bitcoin.transaction import OutPoint

# An anchor is wanted within an hour or so; a lower target would only cost more.
FEE_TARGET_BLOCKS = 6


@dataclass(frozen=True, slots=True)
class Price:
    """What a virtual byte costs now, in satoshi.

    ``rate_sat_per_vb`` lies between floor and cap. ``least_sat_per_vb`` is what the source's mempool asks of everyone
    (at least the floor), which may be above the cap. ``is_estimated`` is false where the fallback stands in.
    """

    rate_sat_per_vb: float
    least_sat_per_vb: float
    is_estimated: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """What anchoring may cost, and when it is said that money runs out.

    ``spending_cap_sat`` is the most for the fees of 24 hours (0: no limit), ``low_funds_anchors`` the number of
    anchors that the thread coin should at least be good for.
    """

    spending_cap_sat: int = 0
    low_funds_anchors: int = 0


NO_LIMITS = Limits()


def price_of(network: Network, estimate_sat_per_vb: float | None, least_sat_per_vb: float | None) -> Price:
    """Return the price from what a source says, of which nothing is believed that is no finite number above zero."""
    least = least_sat_per_vb if is_rate(least_sat_per_vb) else 0.0
    return Price(
        rate_sat_per_vb(network, estimate_sat_per_vb, least_sat_per_vb),
        max(least, network.fee_floor_sat_per_vb),
        is_rate(estimate_sat_per_vb),
    )


def line_rate_sat_per_vb(line: Sequence[Attempt]) -> float:
    """Return what a line of unconfirmed attempts, each spending the one before, pays together."""
    return sum(attempt.fee_sat for attempt in line) / sum(attempt.virtual_size for attempt in line)


def pays_too_little(line: Sequence[Attempt], price: Price) -> bool:
    """Say whether a line of unconfirmed attempts pays less than the estimate, or than the mempool asks of everyone.

    What pays enough by that may be too low for its target all the same: that shows by waiting, which
    ``anchor.useful_blocks`` counts. Without an estimate nothing else shows it.
    """
    rate = line_rate_sat_per_vb(line)
    if rate < min(price.least_sat_per_vb, price.rate_sat_per_vb):
        return True
    return price.is_estimated and rate < price.rate_sat_per_vb


def replacing_fee_sat(
    n_inputs: int, price: Price, versions: Iterable[Attempt], before: Sequence[Attempt], after: Sequence[Attempt]
) -> int:
    """Return the fee, in satoshi, of a new version of an anchor that spends ``n_inputs`` coins.

    ``versions`` are all earlier ones of the same coin, at least one. It pays the price, also for the unconfirmed
    attempts ``before`` it where they pay too little (CPFP); at least the fees of the dearest version and of the
    attempts ``after`` it, and its own size at the incremental rate; and a strictly better rate than every version
    (Bitcoin Core, doc/policy/mempool-replacements.md, rules 3, 4 and 6). So the newest version replaces any other,
    whichever a mempool has.
    """
    own = virtual_size(n_inputs)
    earlier = list(versions)
    replaced_sat = max(version.fee_sat for version in earlier) + sum(attempt.fee_sat for attempt in after)
    package = ceil((own + sum(attempt.virtual_size for attempt in before)) * price.rate_sat_per_vb)
    better_sat = max(version.fee_sat * own // version.virtual_size + 1 for version in earlier)
    return max(
        replacement_fee_sat(n_inputs, price.rate_sat_per_vb, replaced_sat),
        package - sum(attempt.fee_sat for attempt in before),
        better_sat,
    )


def highest_fee_sat(n_inputs: int, cap_sat_per_vb: float, before: Sequence[Attempt]) -> int:
    """Return the most that an anchor may pay: the cap for its own size and for the unconfirmed attempts before it."""
    size = virtual_size(n_inputs) + sum(attempt.virtual_size for attempt in before)
    return max(
        floor(size * cap_sat_per_vb) - sum(attempt.fee_sat for attempt in before), fee_sat(n_inputs, cap_sat_per_vb)
    )


def spent_sat(made: Iterable[Attempt], now_ms: int, coin: OutPoint | None = None, fee_sat: int = 0) -> int:
    """Return the fees, in satoshi, of attempts made within the last 24 hours that were paid or still can be.

    A coin is spent once: where a version of it is in a block, that one's fee counts, and otherwise the dearest. A
    void attempt counts for nothing, since its coin does not exist. ``coin`` and ``fee_sat`` add a version that is
    thought of. One that seems to come from the future (the clock went back) counts.
    """
    known = list(made)
    is_won = {attempt.spends for attempt in known if attempt.state in MINED}
    dearest = {} if coin is None else {coin: fee_sat}
    for attempt in known:
        can_be_paid = attempt.state in MINED or (attempt.state != State.VOID and attempt.spends not in is_won)
        if can_be_paid and attempt.made_at_ms > now_ms - DAY_MS:
            dearest[attempt.spends] = max(dearest.get(attempt.spends, 0), attempt.fee_sat)
    return sum(dearest.values())
