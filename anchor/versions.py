"""Making an anchor transaction, the first version or one that replaces it: priced, signed, stored before it is sent.

What is to be made comes from ``anchor.plan``, coins and prices from the Bitcoin source, signatures from a ``Signer``.
``anchor.engine`` sends what is made here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from anchor.bitcoin.protocols import BlockId, Coin, Source
from anchor.bitcoin.transaction import MAX_TOP_UPS, build_anchor, choose_inputs, fee_sat, funding_coins
from anchor.directory import Directory
from anchor.errors import NoFundsError
from anchor.fees import (
    FEE_TARGET_BLOCKS,
    Limits,
    Price,
    highest_fee_sat,
    pays_too_little,
    price_of,
    replacing_fee_sat,
    spent_sat,
)
from anchor.journal import Attempt, Journal
from anchor.lifecycle import LIVE, LOST, Event, State
from anchor.plan import Build, Replace, Send, Wait
from anchor.proof.bitcoin.payload import encode_payload
from anchor.proof.bitcoin.transaction import OutPoint, Transaction
from anchor.storage.engine import Engine
from anchor.useful_blocks import UsefulBlocks

_WAITS_FOR_SIGNATURE = Wait("an anchor waits for a signature: anchorline wallet psbt export, sign, psbt import")


class Signer(Protocol):
    """Whoever owns the thread coin: the wallet, or a PSBT device."""

    @property
    def script(self) -> bytes:
        """The script of all its coins (22 bytes, P2WPKH)."""

    def sign(self, transaction: Transaction, coins: Sequence[Coin]) -> bytes | None:
        """Return the whole signed transaction; inputs, outputs and txid are those given.

        None: it was stored and is to be signed elsewhere; another call may store another one, or keep the first.
        """


@dataclass(frozen=True, slots=True)
class Versions:
    """Makes attempts of one log for one thread; what they rest on is in the journal."""

    engine: Engine
    directory: Directory
    journal: Journal
    source: Source
    wallet: Signer
    limits: Limits
    useful_blocks: UsefulBlocks

    def build(self, plan: Build, tip: BlockId, now_ms: int) -> Send | Wait:
        """Make the first version of the next anchor; return what to do with it, or why there is none.

        Two processes may plan at the same time: the second finds the first one's attempt, and sends that. Raises
        NoFundsError where the thread coin cannot pay for it.
        """
        price = self._price()
        coins = self.source.unspent(self.wallet.script)
        rival = self._claim(plan.coin)
        if rival is not None:
            return Send(rival)
        first = next((coin for coin in coins if coin.outpoint == plan.coin), None)
        if first is None:
            raise NoFundsError(
                f"the thread coin {plan.coin} is not among the wallet's coins at this source; "
                "is it another wallet's key, or is the source still catching up?"
            )
        first = self._with_its_transaction(first)
        inputs = choose_inputs(first, self._top_ups(coins, ()), price.rate_sat_per_vb)
        fee = fee_sat(len(inputs), price.rate_sat_per_vb)
        held = self._over_spending_cap(plan.coin, fee, now_ms)
        if held is not None:
            return held
        raw = self._signed(inputs, plan.size, fee)
        if raw is None:
            return _WAITS_FOR_SIGNATURE
        with self.engine.transaction():
            claim = self._claim(plan.coin)
            if claim is None:
                claim = self.journal.add(now_ms, plan.size, raw, fee, tip=tip, coins=inputs)
            return Send(claim)

    def replace(self, plan: Replace, tip: BlockId, now_ms: int) -> Send | Wait:
        """Make a new version of an attempt where it pays too little; return what to do, or why nothing can be done.

        A version that is in no mempool is sent again where it cannot be replaced: fees may have fallen.
        """
        price = self._price()
        if not plan.must and not self._is_too_low(plan, price, tip):
            return plan.otherwise
        spent = self.journal.coins_of(plan.attempt)
        if spent is None:
            return _held(plan, "it was made by an older Anchorline, which did not keep the coins that it spends")
        if plan.attempt.standing.refused == Event.REFUSED_INPUTS:
            return self._without_lost_inputs(plan, spent, price, tip, now_ms)
        try:
            return self._replaced(plan, spent, price, tip, now_ms)
        except NoFundsError:
            with_top_ups = self._topped_up(spent, price)
        if with_top_ups == spent:
            return _held(plan, "its coins cannot pay for more; send coins to the wallet's address")
        return self._replaced(plan, with_top_ups, price, tip, now_ms)

    # --- replacing

    def _is_too_low(self, plan: Replace, price: Price, tip: BlockId) -> bool:
        """Say whether an attempt's fee is too low for its target: by its price, or since it has waited that long."""
        if pays_too_little([*plan.before, plan.attempt], price):
            return True
        made_at = plan.attempt.tip
        return made_at is not None and self.useful_blocks.have_passed(FEE_TARGET_BLOCKS, made_at, tip)

    def _replaced(self, plan: Replace, inputs: Sequence[Coin], price: Price, tip: BlockId, now_ms: int) -> Send | Wait:
        fee = replacing_fee_sat(len(inputs), price, plan.versions, plan.before, plan.after)
        cap = self.source.network.fee_cap_sat_per_vb
        if fee > highest_fee_sat(len(inputs), cap, plan.before):
            return _held(plan, f"the next version would pay {fee} sat, which the cap of {cap:g} sat/vB does not allow")
        held = self._over_spending_cap(plan.attempt.spends, fee, now_ms)
        if held is not None:
            return _wait_or_send(plan, held)
        raw = self._signed(inputs, plan.size, fee)
        if raw is None:
            return _wait_or_send(plan, _WAITS_FOR_SIGNATURE)
        with self.engine.transaction():
            claim = self._claim(plan.attempt.spends)
            if claim is None or claim.attempt_no != plan.attempt.attempt_no or claim.state not in LIVE:
                return Wait(f"another version of attempt {plan.attempt.attempt_no} was made or mined meanwhile")
            # Stored before anybody sees it: a crash after this line leaves a version that the next tick sends.
            return Send(self.journal.add(now_ms, plan.size, raw, fee, tip=tip, coins=inputs))

    def _without_lost_inputs(
        self, plan: Replace, spent: Sequence[Coin], price: Price, tip: BlockId, now_ms: int
    ) -> Send | Wait:
        """Leave out top-ups that are gone; without the thread coin nothing can be made."""
        there = {coin.outpoint for coin in self.source.unspent(self.wallet.script)}
        kept = tuple(coin for coin in spent if coin.outpoint in there)
        if kept == tuple(spent) or not kept or kept[0].outpoint != plan.attempt.spends:
            return Send(plan.attempt)
        return self._replaced(plan, kept, price, tip, now_ms)

    def _topped_up(self, spent: Sequence[Coin], price: Price) -> tuple[Coin, ...]:
        """Return the same coins and further ones, of which there may have come some since the first version."""
        further = self._top_ups(self.source.unspent(self.wallet.script), spent)
        chosen = choose_inputs(spent[0], [*spent[1:], *further], price.rate_sat_per_vb)
        return tuple(dict.fromkeys((*spent, *chosen)))[: 1 + MAX_TOP_UPS]

    # --- steps of both

    def _price(self) -> Price:
        estimate = self.source.fee_rate_sat_per_vb(FEE_TARGET_BLOCKS)
        return price_of(self.source.network, estimate, self.source.least_rate_sat_per_vb())

    def _claim(self, coin: OutPoint) -> Attempt | None:
        """Return the newest attempt that spends this coin and has not lost it, or None."""
        claims = [item for item in self.journal.watched() if item.spends == coin and item.state not in LOST]
        return claims[-1] if claims else None

    def _with_its_transaction(self, coin: Coin) -> Coin:
        """Return the coin with the transaction that made it, which a pruned node forgets and the journal does not."""
        if coin.transaction:
            return coin
        maker = self.journal.of_txid(coin.outpoint.txid)
        if maker is None:
            raise NoFundsError(
                f"the thread coin {coin.outpoint} was made in a block that this source has pruned, so its value cannot "
                "be checked; name a source beside it that keeps every block (esplora_urls)"
            )
        return replace(coin, transaction=maker.transaction().encode())

    def _top_ups(self, coins: Sequence[Coin], spent: Sequence[Coin]) -> list[Coin]:
        """Return the coins that may join: no watched attempt has reserved them, not even one that lost."""
        reserved = {item.previous for attempt in self.journal.watched() for item in attempt.transaction().inputs}
        reserved |= {coin.outpoint for coin in spent}
        usable = funding_coins(coins, self.source.tip().height, self.source.network)
        return [coin for coin in usable if coin.outpoint not in reserved]

    def _over_spending_cap(self, coin: OutPoint, fee: int, now_ms: int) -> Wait | None:
        cap = self.limits.spending_cap_sat
        spent = spent_sat(self.journal.recent(now_ms), now_ms, coin, fee)
        if not cap or spent <= cap:
            return None
        return Wait(f"an anchor of {fee} sat would make {spent} sat in 24 hours, of {cap} sat allowed", is_held=True)

    def _signed(self, inputs: Sequence[Coin], size: int, fee: int) -> bytes | None:
        checkpoint = self.directory.checkpoint_of(size)
        assert checkpoint is not None
        payload = encode_payload(checkpoint.size, checkpoint.root)
        floor_sat = self.source.network.coin_floor_sat
        return self.wallet.sign(build_anchor(inputs, self.wallet.script, payload, fee, floor_sat), inputs)


def _held(plan: Replace, why: str) -> Send | Wait:
    """Say why a version stays as it is."""
    return _wait_or_send(plan, Wait(f"attempt {plan.attempt.attempt_no} is not replaced: {why}", is_held=True))


def _wait_or_send(plan: Replace, wait: Wait) -> Send | Wait:
    """Return the wait; a version that is in no mempool is sent again nevertheless."""
    return wait if plan.attempt.state == State.SEEN else Send(plan.attempt)
