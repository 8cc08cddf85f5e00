"""The one place where the journal and Bitcoin meet: ``seal`` asks for the newest block, ``tick`` anchors.

The daemon and the CLI call both with the clock's time; Bitcoin is a ``Source``, keys a ``Wallet``. Nothing is kept
between calls but what is in the database, so a restart is the ordinary path and there is no recovery code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from anchor.bitcoin.protocols import BlockId, Coin, InBlock, Source
from anchor.bitcoin.transaction import (
    build_anchor,
    choose_inputs,
    fee_sat,
    funding_coins,
    is_thread_coin,
    rate_sat_per_vb,
)
from anchor.directory import Directory, StoredCheckpoint
from anchor.errors import BehindError, HijackedThreadError, NoFundsError
from anchor.journal import Attempt, Journal
from anchor.lifecycle import LIVE, MINED, Event, Happened, State, events_of
from anchor.plan import Build, Facts, Plan, Send, next_step, thread_end
from anchor.proof.bitcoin import OutPoint, Transaction, encode_payload, hash_hex
from anchor.proof.leaves import DirectoryLeaf, ThreadLeaf
from anchor.signing import SigningKey
from anchor.storage.engine import Engine

# The lower end of the time bracket: deep enough that it will hardly leave the best chain (design section 3.2).
SEAL_BLOCK_DEPTH = 6
# An anchor is wanted within a few hours; a lower target would only cost more.
FEE_TARGET_BLOCKS = 6


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

        The whole look at our coins is done once in a process; the end of the thread is looked at every time.
        """
        self.source.check_network()
        if not self._in_step:
            self._check_no_unknown_anchor()
        self._check_thread_end()
        self._in_step = True

    def _check_no_unknown_anchor(self) -> None:
        for coin in self.source.unspent(self.wallet.script):
            if is_thread_coin(coin) and not self.journal.knows(coin.outpoint.txid):
                raise BehindError(
                    f"transaction {hash_hex(coin.outpoint.txid)} anchors with this wallet's key, and this home does "
                    "not know it: the home was restored from a backup, or another service uses the same key; "
                    "nothing was signed. Stop the other service, or restore a newer backup"
                )

    def _check_thread_end(self) -> None:
        """The end of the thread, if it is spent, must be spent by one of our own attempts."""
        end = self._thread_end()
        if end is None:
            return
        spender = self.source.spender(end)
        if spender is not None and not self.journal.knows(spender):
            known = "a transaction that this source cannot name" if spender == bytes(32) else hash_hex(spender)
            raise HijackedThreadError(
                f"the thread coin {end} was spent by {known}, which this home did not make: its key is known to "
                "somebody else, or the home was restored from a backup; nothing was signed"
            )

    def _thread_end(self) -> OutPoint | None:
        facts = self._facts(0, at_once=False)
        return None if facts.thread_start is None else thread_end(facts)[0]

    # --- anchoring

    def tick(self, now_ms: int, *, at_once: bool = False) -> Ticked:
        """Look at every attempt, note what became of it, and take the next step.

        May be called at any time and any number of times; ``at_once`` anchors now whatever is not anchored yet.
        """
        self.check_in_step()
        self._look(now_ms)
        plan = next_step(self._facts(now_ms, at_once=at_once))
        if isinstance(plan, Build):
            plan = self._build(plan, now_ms)
        if isinstance(plan, Send):
            self._send(plan.attempt, now_ms)
        return Ticked(plan, tuple(self.journal.watched()))

    def _look(self, now_ms: int) -> None:
        depth = self.source.network.final_depth
        confirmations: dict[int, int] = {}
        for attempt in self.journal.watched():
            seen = self.source.observe(attempt.txid)
            self.journal.note(attempt, now_ms, events_of(attempt.standing, seen, depth))
            if isinstance(seen, InBlock):
                confirmations[attempt.attempt_no] = seen.confirmations
        self._note_rivals(now_ms)
        self._keep_proofs()
        self._settle(now_ms, confirmations)

    def _note_rivals(self, now_ms: int) -> None:
        """Note what the fate of one attempt means for others: those of the same coin, and those built on them."""
        watched = self.journal.watched()
        mined_coins = {attempt.spends: attempt for attempt in watched if attempt.state in MINED}
        by_txid = {attempt.txid: attempt for attempt in watched}
        for attempt in watched:
            winner = mined_coins.get(attempt.spends)
            parent = by_txid.get(attempt.spends.txid)
            if winner is not None and winner is not attempt and attempt.state in LIVE:
                self.journal.note(attempt, now_ms, [Happened(Event.RIVAL_CONFIRMED)])
            elif parent is not None and parent.state in {State.REPLACED, State.VOID} and attempt.state in LIVE:
                self.journal.note(attempt, now_ms, [Happened(Event.PARENT_LOST)])
            elif parent is not None and parent.state in MINED and attempt.state == State.VOID:
                self.journal.note(attempt, now_ms, [Happened(Event.PARENT_BACK)])

    def _keep_proofs(self) -> None:
        for attempt in self.journal.watched():
            block = attempt.standing.block
            if block is None or self.journal.proof(attempt) is not None:
                continue
            proof = self.source.prove(attempt.txid, block.hash)
            # None: the block left the best chain between two questions; the next tick sees that.
            if proof is not None:
                self.journal.keep_proof(attempt, block.hash, proof)

    def _settle(self, now_ms: int, confirmations: dict[int, int]) -> None:
        """Stop looking at a final attempt beyond the watch depth, and at those that it won against."""
        watched = self.journal.watched()
        settled_coins = set()
        for attempt in watched:
            deep = confirmations.get(attempt.attempt_no, 0) >= self.source.network.watch_depth
            if attempt.state == State.FINAL and deep and self.journal.proof(attempt) is not None:
                self.journal.note(attempt, now_ms, [Happened(Event.SETTLED)])
                settled_coins.add(attempt.spends)
        for attempt in watched:
            if attempt.state == State.REPLACED and attempt.spends in settled_coins:
                self.journal.note(attempt, now_ms, [Happened(Event.SETTLED)])

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
        """Make and sign the next anchor, and store its bytes before anybody else can see them."""
        rate = rate_sat_per_vb(self.source.network, self.source.fee_rate_sat_per_vb(FEE_TARGET_BLOCKS))
        inputs = self._inputs(plan.coin, rate)
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
            rival = [item for item in self.journal.watched() if item.spends == plan.coin and item.state in LIVE]
            # Two processes planned at the same time: the second finds the first one's attempt, and sends that.
            attempt = rival[0] if rival else self.journal.add(now_ms, plan.size, raw, fee)
        return Send(attempt)

    def _inputs(self, thread_coin: OutPoint, rate: float) -> tuple[Coin, ...]:
        """Return the coins to spend: the thread coin, then top-ups that no watched attempt has reserved."""
        coins = self.source.unspent(self.wallet.script)
        first = next((coin for coin in coins if coin.outpoint == thread_coin), None)
        if first is None:
            raise NoFundsError(
                f"the thread coin {thread_coin} is not among the wallet's coins at this source; "
                "is it another wallet's key, or is the source still catching up?"
            )
        reserved = {spent.previous for attempt in self.journal.watched() for spent in attempt.transaction().inputs}
        tip = self.source.tip().height
        usable = funding_coins(coins, tip, self.source.network)
        return choose_inputs(first, [coin for coin in usable if coin.outpoint not in reserved], rate)

    def _send(self, attempt: Attempt, now_ms: int) -> None:
        """Hand an attempt to the network; a crash before the note is found out by the next look."""
        self.source.broadcast(attempt.raw)
        self.journal.note(attempt, now_ms, [Happened(Event.SUBMITTED)])
