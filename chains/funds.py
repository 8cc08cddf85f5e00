"""The money of a log as facts: what its wallet has, what each anchor cost, and what came in.

Coins and prices come from the Bitcoin source, everything else from the journal. ``anchorline wallet balance`` and
``wallet history`` print it; amounts are satoshi.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from anchor.alerts import AlertName, alerts_of
from anchor.bitcoin.protocols import Coin
from anchor.bitcoin.transaction import anchors_left, fee_sat, funding_coins, is_thread_coin
from anchor.engine import facts_of
from anchor.errors import SettingsError, SourceError, StorageBusyError
from anchor.fees import FEE_TARGET_BLOCKS, price_of
from anchor.journal import Attempt
from anchor.lifecycle import MINED
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.transaction import OutPoint
from chains.counted import counted
from chains.home import Home

USES = ("thread_coin", "reserved", "top_up", "waiting", "not_ours")
"""What a coin is for: the end of the thread; spent by an attempt that is no longer or not yet in the mempool; free to
be spent by the next anchor; not deep enough for that; some other thread's coin, which is never spent."""


def balance_of(home: Home) -> dict[str, Any]:
    """Return the fields of ``wallet balance --json``; raises SourceError where Bitcoin does not answer."""
    source, network = home.source, home.network
    coins = source.unspent(home.wallet.script)
    uses = _uses(home, coins)
    price = price_of(network, source.fee_rate_sat_per_vb(FEE_TARGET_BLOCKS), source.least_rate_sat_per_vb())
    at_hand_sat = sum(coin.value_sat for coin in coins if uses[coin.outpoint] in {"thread_coin", "top_up"})
    facts = facts_of(home.directory, home.journal, home.policy, home.clock(), home.promised)
    alerts = alerts_of(facts, home.journal.recent(facts.now_ms), network, home.policy.limits)
    return {
        "address": home.wallet.address,
        "confirmed_sat": sum(coin.value_sat for coin in coins if coin.height is not None),
        "unconfirmed_sat": sum(coin.value_sat for coin in coins if coin.height is None),
        **{f"{use}_sat": sum(coin.value_sat for coin in coins if uses[coin.outpoint] == use) for use in USES},
        "rate_sat_per_vb": price.rate_sat_per_vb,
        "next_fee_sat": fee_sat(1, price.rate_sat_per_vb),
        "anchors_left": anchors_left(at_hand_sat, price.rate_sat_per_vb, network.coin_floor_sat),
        "low_funds": next((alert.message for alert in alerts if alert.name == AlertName.LOW_FUNDS), None),
        "coins": [_coin_facts(coin, uses[coin.outpoint]) for coin in coins],
    }


def history_of(home: Home) -> dict[str, Any]:
    """Return the fields of ``wallet history --json``.

    Of the anchors in a block: what came in is what they paid and the thread coin that is left. Where the Bitcoin source
    does not answer, only the coins that no anchor has spent yet are unknown (``source_error``).
    """
    attempts = home.journal.all()
    made_sat = {attempt.coin: attempt.transaction().outputs[0].value_sat for attempt in attempts}
    mined = [attempt for attempt in attempts if attempt.state in MINED]
    not_spent, source_error = _not_spent(home)
    return {
        "anchors": [_anchor_facts(attempt, made_sat) for attempt in attempts],
        "in_blocks": len(mined),
        "paid_sat": sum(attempt.fee_sat for attempt in mined),
        "came_in_sat": sum(_came_in_sat(attempt, made_sat) for attempt in mined),
        "thread_coin_sat": made_sat[mined[-1].coin] if mined else 0,
        "not_spent": not_spent,
        "source_error": source_error,
    }


def _uses(home: Home, coins: Sequence[Coin]) -> dict[OutPoint, str]:
    watched = home.journal.watched()
    reserved = {spent.previous for attempt in watched for spent in attempt.transaction().inputs}
    usable = {coin.outpoint for coin in funding_coins(coins, home.source.tip().height, home.network)}

    def use(coin: Coin) -> str:
        if is_thread_coin(coin):
            return "thread_coin" if home.journal.knows(coin.outpoint.txid) else "not_ours"
        if coin.outpoint in reserved:
            return "reserved"
        return "top_up" if coin.outpoint in usable else "waiting"

    return {coin.outpoint: use(coin) for coin in coins}


def _coin_facts(coin: Coin, use: str) -> dict[str, Any]:
    return {
        "txid": hash_hex(coin.outpoint.txid),
        "vout": coin.outpoint.vout,
        "value_sat": coin.value_sat,
        "height": coin.height,
        "use": use,
    }


def _not_spent(home: Home) -> tuple[list[dict[str, Any]], str | None]:
    """Return the coins that no anchor has made or spent, or why they are not known."""
    try:
        coins = home.source.unspent(home.wallet.script)
        uses = _uses(home, coins)
    except (SourceError, StorageBusyError, SettingsError) as error:
        return [], str(error)
    return [_coin_facts(coin, uses[coin.outpoint]) for coin in coins if uses[coin.outpoint] != "thread_coin"], None


def _anchor_facts(attempt: Attempt, made_sat: dict[OutPoint, int]) -> dict[str, Any]:
    block = attempt.standing.block
    return {
        "attempt": attempt.attempt_no,
        "made_at_ms": attempt.made_at_ms,
        "state": str(attempt.state),
        "txid": hash_hex(attempt.txid),
        "height": None if block is None else block.height,
        "fee_sat": attempt.fee_sat,
        "virtual_size": attempt.virtual_size,
        "checkpoint_size": attempt.checkpoint_size,
        "came_in_sat": _came_in_sat(attempt, made_sat),
        "thread_coin_sat": made_sat[attempt.coin],
    }


def _came_in_sat(attempt: Attempt, made_sat: dict[OutPoint, int]) -> int:
    """Return what an anchor brought into the thread: all inputs but the thread coin; of a thread's first, all."""
    return made_sat[attempt.coin] + attempt.fee_sat - made_sat.get(attempt.spends, 0)


def balance_lines(facts: dict[str, Any]) -> Iterable[str]:
    """Return the balance for people."""
    yield f"{facts['confirmed_sat']} sat confirmed, {facts['unconfirmed_sat']} sat unconfirmed"
    yield f"  thread coin      {facts['thread_coin_sat']} sat"
    yield f"  top-ups, usable  {facts['top_up_sat']} sat"
    yield f"  top-ups, waiting {facts['waiting_sat']} sat  (until they are deep enough)"
    if facts["reserved_sat"]:
        yield f"  reserved         {facts['reserved_sat']} sat  (by an attempt)"
    if facts["not_ours_sat"]:
        yield f"  never spent      {facts['not_ours_sat']} sat  (coins of another thread)"
    yield (
        f"  about {counted(facts['anchors_left'], 'anchors')} left at {facts['next_fee_sat']} sat each "
        f"({facts['rate_sat_per_vb']:g} sat/vB)"
    )
    if facts["low_funds"]:
        yield f"  ALERT low-funds: {facts['low_funds']}"


def history_lines(facts: dict[str, Any]) -> Iterable[str]:
    """Return the history for people."""
    for item in facts["anchors"]:
        where = "no block" if item["height"] is None else f"block {item['height']}"
        came_in = f", {item['came_in_sat']} sat came in" if item["came_in_sat"] else ""
        yield (
            f"attempt {item['attempt']}: {item['state']}, {where}, {item['fee_sat']} sat for "
            f"{item['virtual_size']} vB{came_in}"
        )
        yield f"  {item['txid']}"
    yield (
        f"{facts['in_blocks']} in blocks: {facts['came_in_sat']} sat came in, {facts['paid_sat']} sat paid, "
        f"{facts['thread_coin_sat']} sat in the thread coin"
    )
    for coin in facts["not_spent"]:
        yield f"not spent yet: {coin['value_sat']} sat, {coin['txid']}:{coin['vout']} ({coin['use']})"
    if facts["source_error"]:
        yield f"Bitcoin source: {facts['source_error']}"
