"""The one place where the journal and Bitcoin meet: ``seal`` asks for the newest block, ``tick`` anchors.

The daemon and the CLI call both with the clock's time; Bitcoin is a ``Source``, keys a ``Wallet``. Nothing is kept
between calls but what is in the database, so a restart is the ordinary path and there is no recovery code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn, Protocol

from anchor.bitcoin.protocols import BlockId, BlockProof, Coin, InBlock, Observation, Source
from anchor.bitcoin.transaction import (
    build_anchor,
    choose_inputs,
    fee_sat,
    funding_coins,
    is_thread_coin,
    rate_sat_per_vb,
)
from anchor.directory import Directory, StoredCheckpoint
from anchor.errors import BehindError, HijackedThreadError, NoFundsError, SourceError
from anchor.journal import Attempt, Journal
from anchor.lifecycle import LIVE, MINED, Event, State, advance, events_of, news
from anchor.plan import Build, Facts, Plan, Send, next_step, thread_end
from anchor.proof.bitcoin import (
    BitcoinAnchor,
    NetworkRules,
    OutPoint,
    Transaction,
    check_anchor_header,
    check_anchor_transaction,
    encode_payload,
    hash_hex,
)
from anchor.proof.errors import MalformedError, VerificationError
from anchor.proof.leaves import DirectoryLeaf, ThreadLeaf
from anchor.signing import SigningKey
from anchor.storage.engine import Engine

# The lower end of the time bracket: deep enough that it will hardly leave the best chain (design section 3.2).
SEAL_BLOCK_DEPTH = 6
# An anchor is wanted within a few hours; a lower target would only cost more.
FEE_TARGET_BLOCKS = 6
# States that nothing follows but a reorganisation: this version lost its coin to another, or its parent lost.
_LOST = frozenset({State.REPLACED, State.VOID})


class Signer(Protocol):
    """Whoever owns the thread coin: the wallet, later a PSBT device too."""

    @property
    def script(self) -> bytes:
        """The script of all its coins (22 bytes, P2WPKH)."""

    def sign(self, transaction: Transaction, coins: Sequence[Coin]) -> bytes:
        """Return the whole signed transaction; inputs, outputs and txid are those given."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things happen, in milliseconds."""

    anchor_every_ms: int
    silence_ms: int


@dataclass(frozen=True, slots=True)
class Ticked:
    """What a tick did: the plan it carried out, and every watched attempt as it stands afterwards."""

    plan: Plan
    attempts: tuple[Attempt, ...]


class AnchorEngine:
    """Anchors one log through one source with one wallet."""

    def __init__(
        self, engine: Engine, directory: Directory, journal: Journal, source: Source, wallet: Signer, pace: Pace
    ) -> None:
        self.engine = engine
        self.directory = directory
        self.journal = journal
        self.source = source
        self.wallet = wallet
        self.pace = pace
        self._in_step = False

    # --- sealing

    def seal(self, key: SigningKey, now_ms: int) -> StoredCheckpoint | None:
        """Seal what changed; nothing is signed before the outside world was asked whether it has seen more of us.

        Raises BehindError or HijackedThreadError for that, SourceUnavailableError where nobody answers.
        """
        self.check_in_step()
        return self.directory.seal(key, now_ms, self._seal_block(), self._leaves_to_seal())

    def _seal_block(self) -> BlockId:
        height = self.source.tip().height - SEAL_BLOCK_DEPTH + 1
        block_hash = self.source.block_hash(height) if height > 0 else None
        return BlockId(0, self.source.network.genesis_hash) if block_hash is None else BlockId(height, block_hash)

    def _leaves_to_seal(self) -> list[DirectoryLeaf]:
        """Return the thread leaf once the wallet has a coin that is deep enough to start a thread."""
        if self.directory.thread_leaf() is not None:
            return []
        funding = funding_coins(self.source.unspent(self.wallet.script), self.source.tip().height, self.source.network)
        return [ThreadLeaf(funding[0].outpoint)] if funding else []

    # --- in step with the outside world

    def check_in_step(self) -> None:
        """Refuse to go on where the network shows more of this log than this home knows (design section 3.3).

        Raises BehindError, HijackedThreadError, WrongNetworkError, and SourceUnavailableError where nobody answers.
        """
        self.source.check_network()
        facts = self._facts(0, at_once=False)
        if facts.thread_start is not None:
            self._check_thread_end(facts)
        elif not self._in_step:
            # Once in a process: the look at all coins is slow on a real node. It covers only a home that knows of no
            # thread: afterwards a stranger could stop the log by paying the coin of a thread of his own to our address.
            self._check_no_unknown_anchor()
        self._in_step = True

    def _check_no_unknown_anchor(self) -> None:
        for coin in self.source.unspent(self.wallet.script):
            if is_thread_coin(coin) and not self.journal.knows(coin.outpoint.txid):
                raise BehindError(
                    f"transaction {hash_hex(coin.outpoint.txid)} anchors with this wallet's key, and this home does "
                    "not know it: the home was restored from a backup, or another service uses the same key; "
                    "nothing was signed. Stop the other service, or restore a newer backup"
                )

    def _check_thread_end(self, facts: Facts) -> None:
        """Follow the thread to its unspent end: whatever spends one of its coins must be an attempt of ours.

        That includes attempts which the network has taken further than the journal says.
        """
        coin, stranger = self._follow(self._last_coin(facts))
        if stranger is not None:
            # A reorganisation between two questions makes a coin look spent that is only gone: ask them again.
            coin, stranger = self._follow(self._last_coin(facts))
        if stranger is not None:
            self._refuse_spender(coin, stranger)

    def _follow(self, coin: OutPoint) -> tuple[OutPoint, bytes | None]:
        """Return the last coin of the line of our attempts that begins with ``coin``, and the txid that spends it."""
        while (spender := self.source.spender(coin)) is not None:
            attempt = self.journal.of_txid(spender)
            if attempt is None or attempt.spends != coin:
                return coin, spender
            coin = attempt.coin
        return coin, None

    def _refuse_spender(self, coin: OutPoint, spender: bytes) -> NoReturn:
        self._check_no_unknown_anchor()
        known = "a transaction that this source cannot name" if spender == bytes(32) else hash_hex(spender)
        raise HijackedThreadError(
            f"the thread coin {coin} was spent by {known}, which this home did not make: its key is known to "
            "somebody else, or the home was restored from a backup; nothing was signed"
        )

    def _last_coin(self, facts: Facts) -> OutPoint:
        """Return the newest coin of the thread whose block is on the best chain now.

        The journal may name a later one: where a block was reorganised away since, its coin is not spent but gone.
        """
        attempts = list(facts.attempts)
        while True:
            coin, last = thread_end(replace(facts, attempts=attempts))
            if last not in attempts or self._is_on_best_chain(last.standing.block):
                return coin
            attempts.remove(last)

    def _is_on_best_chain(self, block: BlockId | None) -> bool:
        return block is not None and self.source.block_hash(block.height) == block.hash

    # --- anchoring

    def tick(self, now_ms: int, *, at_once: bool = False) -> Ticked:
        """Look at every attempt, note what became of it, and take the next step.

        May be called at any time and any number of times; ``at_once`` anchors now whatever is not anchored yet.
        Raises what ``check_in_step`` raises, NoFundsError where the thread coin cannot pay for an anchor, and
        RejectedError where the source refuses the one that is to be sent.
        """
        self.source.check_network()
        self._look(now_ms)
        self.check_in_step()
        plan = next_step(self._facts(now_ms, at_once=at_once))
        if isinstance(plan, Build):
            plan = self._build(plan, now_ms)
        if isinstance(plan, Send):
            self._send(plan.attempt, now_ms)
        return Ticked(plan, tuple(self.journal.watched()))

    def _look(self, now_ms: int) -> None:
        depth = self.source.network.final_depth
        tip = self.source.tip()
        confirmations: dict[int, int] = {}
        for attempt in self.journal.watched():
            seen = self._observe(attempt, tip)
            self.journal.note(attempt, now_ms, partial(events_of, seen=seen, final_depth=depth))
            if isinstance(seen, InBlock):
                confirmations[attempt.attempt_no] = seen.confirmations
        self._note_rivals(now_ms)
        self._keep_proofs()
        self._settle(now_ms, confirmations)

    def _observe(self, attempt: Attempt, tip: BlockId) -> Observation:
        """Ask where an attempt is; one that is proved to be in a block is there while that block is on the best chain.

        A node without index no longer finds a transaction whose outputs are spent and whose block is old.
        """
        block = attempt.standing.block
        if block is not None and self._is_on_best_chain(block) and self.journal.proof(attempt) is not None:
            return InBlock(block, max(tip.height - block.height + 1, 1))
        return self.source.observe(attempt.txid)

    def _note_rivals(self, now_ms: int) -> None:
        """Note what the fate of one attempt means for others: those of the same coin, and those built on them."""
        watched = self.journal.watched()
        winners = {attempt.spends for attempt in watched if attempt.state in MINED}
        states = {attempt.txid: attempt.state for attempt in watched}
        # Oldest first, that is parents before children: a loss reaches everything that was built on it.
        for attempt in watched:
            event = _fate(attempt.state, states.get(attempt.spends.txid), is_won=attempt.spends in winners)
            if event is not None:
                self.journal.note(attempt, now_ms, news(event))
                states[attempt.txid] = advance(attempt.state, event)

    def _keep_proofs(self) -> None:
        for attempt in self.journal.watched():
            block = attempt.standing.block
            if block is None or self.journal.proof(attempt) is not None:
                continue
            proof = self.source.prove(attempt.txid, block.hash)
            # None: the block left the best chain between two questions; the next tick sees that.
            if proof is not None:
                _check_proof(proof, attempt, block, self.source.network.rules)
                self.journal.keep_proof(attempt, block.hash, proof)

    def _settle(self, now_ms: int, confirmations: Mapping[int, int]) -> None:
        """Stop looking at a final attempt beyond the watch depth, and at those that it won against.

        The losers come first, children before parents: after a crash in between, the next tick finds the rest.
        """
        watched = self.journal.watched()
        depth = self.source.network.watch_depth
        done = [
            attempt
            for attempt in watched
            if attempt.state == State.FINAL
            and confirmations.get(attempt.attempt_no, 0) >= depth
            and self.journal.proof(attempt) is not None
        ]
        won = {attempt.spends for attempt in done}
        lost: list[Attempt] = []
        for attempt in watched:
            is_child = any(attempt.spends == parent.coin for parent in lost)
            if attempt.state in _LOST and (attempt.spends in won or is_child):
                lost.append(attempt)
        for attempt in [*reversed(lost), *done]:
            self.journal.note(attempt, now_ms, news(Event.SETTLED))

    def _facts(self, now_ms: int, *, at_once: bool) -> Facts:
        newest = self.directory.newest()
        thread = self.directory.thread_leaf()
        return Facts(
            now_ms=now_ms,
            newest_size=None if newest is None else newest.size,
            thread_start=None if thread is None else thread[1].outpoint,
            thread_index=0 if thread is None else thread[0],
            attempts=self.journal.watched(),
            settled=self.journal.newest_settled(),
            anchor_every_ms=self.pace.anchor_every_ms,
            silence_ms=self.pace.silence_ms,
            at_once=at_once,
        )

    def _build(self, plan: Build, now_ms: int) -> Send:
        """Make and sign the next anchor, and store its bytes before anybody else can see them.

        Two processes may plan at the same time: the second finds the first one's attempt, and sends that.
        """
        rate = rate_sat_per_vb(self.source.network, self.source.fee_rate_sat_per_vb(FEE_TARGET_BLOCKS))
        coins = self.source.unspent(self.wallet.script)
        rival = self._rival(plan.coin)
        if rival is not None:
            return Send(rival)
        inputs = self._inputs(plan.coin, coins, rate)
        checkpoint = self.directory.checkpoint_of(plan.size)
        assert checkpoint is not None
        fee = fee_sat(len(inputs), rate)
        transaction = build_anchor(
            inputs,
            self.wallet.script,
            encode_payload(checkpoint.size, checkpoint.root),
            fee,
            self.source.network.coin_floor_sat,
        )
        raw = self.wallet.sign(transaction, inputs)
        with self.engine.transaction():
            return Send(self._rival(plan.coin) or self.journal.add(now_ms, plan.size, raw, fee))

    def _rival(self, coin: OutPoint) -> Attempt | None:
        """Return the attempt that spends this coin and has not lost it, or None."""
        claims = (item for item in self.journal.watched() if item.spends == coin and item.state not in _LOST)
        return next(claims, None)

    def _inputs(self, thread_coin: OutPoint, coins: Sequence[Coin], rate: float) -> tuple[Coin, ...]:
        """Return the coins to spend: the thread coin, then top-ups that no watched attempt has reserved."""
        first = next((coin for coin in coins if coin.outpoint == thread_coin), None)
        if first is None:
            raise NoFundsError(
                f"the thread coin {thread_coin} is not among the wallet's coins at this source; "
                "is it another wallet's key, or is the source still catching up?"
            )
        reserved = {spent.previous for attempt in self.journal.watched() for spent in attempt.transaction().inputs}
        usable = funding_coins(coins, self.source.tip().height, self.source.network)
        return choose_inputs(first, [coin for coin in usable if coin.outpoint not in reserved], rate)

    def _send(self, attempt: Attempt, now_ms: int) -> None:
        """Hand an attempt to the network; a crash before the note is found out by the next look."""
        self.source.broadcast(attempt.raw)
        self.journal.note(attempt, now_ms, news(Event.SUBMITTED))


def _fate(state: State, parent: State | None, *, is_won: bool) -> Event | None:
    """Return what the state of others means for an attempt: whether its coin is spent in a block, and its parent's."""
    if state in LIVE and is_won:
        return Event.RIVAL_CONFIRMED
    if state in LIVE and parent in _LOST:
        return Event.PARENT_LOST
    if state == State.VOID and parent in MINED and not is_won:
        return Event.PARENT_BACK
    return None


def _check_proof(proof: BlockProof, attempt: Attempt, block: BlockId, rules: NetworkRules) -> None:
    """Check what a source says before it is kept for receipts; raise SourceError where it proves something else."""
    anchor = BitcoinAnchor(
        proof.transaction, proof.index, proof.path, proof.coinbase, proof.coinbase_path, proof.header, proof.height
    )
    try:
        transaction = check_anchor_transaction(anchor)
        header = check_anchor_header(anchor, rules)
    except (VerificationError, MalformedError) as error:
        raise SourceError(f"the source's proof of {hash_hex(attempt.txid)} does not hold: {error}") from error
    if (transaction.txid, header.hash, proof.height) != (attempt.txid, block.hash, block.height):
        raise SourceError(
            f"expected a proof of {hash_hex(attempt.txid)} in block {block.height} {hash_hex(block.hash)}, got one of "
            f"{hash_hex(transaction.txid)} in block {proof.height} {hash_hex(header.hash)}; do not trust this source"
        )
