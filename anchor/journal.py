"""The journal of anchoring: attempts with their signed bytes, the events behind their states, and kept proofs.

``anchor.engine`` writes it, always before the effect that it records an intent for; nothing in it is ever changed.
Receipts take their anchors from here, and the state of an attempt is folded from its events by ``anchor.lifecycle``.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate

from anchor.bitcoin.protocols import BlockId, Coin
from anchor.lifecycle import Event, Happened, Standing, State, after, fold
from anchor.outbox import Outbox, anchor_facts, news_of
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.transaction import MAX_TRANSACTION, OutPoint, Transaction, strip_witness
from anchor.proof.strictjson import Fields
from anchor.storage.engine import Engine, Row

DAY_MS = 24 * 60 * 60 * 1000
_COLUMNS = "attempt_no, made_at_ms, checkpoint_size, txid, spends, raw, fee_sat, tip_height, tip_hash"
_ABOVE_ALL = 2**62
"""More leaves than any checkpoint has."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One transaction that tries to anchor a checkpoint, and where it stands. ``raw`` includes witness data.

    Attempts that spend the same thread coin are versions of one anchor. ``tip`` was the tip of the best chain when it
    was made (None where an older Anchorline made it).
    """

    attempt_no: int
    made_at_ms: int
    checkpoint_size: int
    txid: bytes
    spends: OutPoint
    raw: bytes
    fee_sat: int
    standing: Standing
    tip: BlockId | None = None

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.standing.state

    @property
    def coin(self) -> OutPoint:
        """The thread coin that it makes: its output 0."""
        return OutPoint(self.txid, 0)

    @property
    def virtual_size(self) -> int:
        """Its size in vB, rounded up (BIP 141): a stripped byte weighs 4, a witness byte 1."""
        return (3 * len(strip_witness(self.raw)) + len(self.raw) + 3) // 4

    def transaction(self) -> Transaction:
        """Return the transaction without witness."""
        return Transaction.decode(strip_witness(self.raw), MAX_TRANSACTION)


class Journal:
    """The journal of one database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def add(
        self,
        made_at_ms: int,
        checkpoint_size: int,
        raw: bytes,
        fee_sat: int,
        *,
        tip: BlockId | None = None,
        coins: Iterable[Coin] = (),
    ) -> Attempt:
        """Store a signed attempt, inside a transaction; from here on it exists, whatever happens to the process.

        ``coins`` are what it spends: without them it cannot be replaced.
        """
        transaction = Transaction.decode(strip_witness(raw), MAX_TRANSACTION)
        attempt_no = int(self.engine.query("SELECT COALESCE(MAX(attempt_no), 0) + 1 FROM attempt")[0][0])
        spends = transaction.inputs[0].previous
        self.engine.execute(
            f"INSERT INTO attempt ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  # our own words
            (
                attempt_no,
                made_at_ms,
                checkpoint_size,
                transaction.txid,
                spends.encode(),
                raw,
                fee_sat,
                None if tip is None else tip.height,
                None if tip is None else tip.hash,
            ),
        )
        self.keep_coins(coins)
        return Attempt(attempt_no, made_at_ms, checkpoint_size, transaction.txid, spends, raw, fee_sat, Standing(), tip)

    def keep_coins(self, coins: Iterable[Coin]) -> None:
        """Store coins as the source told of them, inside a transaction; what is there already stays."""
        for coin in coins:
            self.engine.execute(
                "INSERT INTO attempt_coin (outpoint, value_sat, height, coinbase, made_by) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (outpoint) DO NOTHING",
                (coin.outpoint.encode(), coin.value_sat, coin.height, int(coin.coinbase), coin.transaction),
            )

    def note(self, attempt: Attempt, at_ms: int, decide: Callable[[Standing], Iterable[Happened]]) -> None:
        """Append the events that ``decide`` derives from where the attempt stands now.

        ``attempt`` may be older than the journal: another process may have noted more since it was read, so the
        decision is made under the write lock. Raises IllegalTransitionError, and stores nothing, where an event
        cannot follow.
        """
        if not list(decide(attempt.standing)):
            return
        with self.engine.transaction():
            standing = fold(self._events(attempt.attempt_no))
            new = list(decide(standing))
            standings = list(accumulate(new, after, initial=standing))
            for before, happened in zip(standings, new, strict=False):  # the last one has nothing after it
                block = happened.block
                self._tell(attempt, at_ms, before, happened)
                self.engine.execute(
                    "INSERT INTO attempt_event (attempt_no, at_ms, event, block_height, block_hash) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (
                        attempt.attempt_no,
                        at_ms,
                        happened.event,
                        None if block is None else block.height,
                        None if block is None else block.hash,
                    ),
                )
            for happened in new:
                if happened.event in {Event.SETTLED, Event.UNSETTLED}:
                    settled_at_ms = at_ms if happened.event == Event.SETTLED else None
                    self.engine.execute(
                        "UPDATE attempt SET settled_at_ms = ? WHERE attempt_no = ?", (settled_at_ms, attempt.attempt_no)
                    )

    def _tell(self, attempt: Attempt, at_ms: int, before: Standing, happened: Happened) -> None:
        """Put into the outbox what an event is to others, inside the transaction that notes it."""
        told = news_of(before, happened)
        if told is not None:
            facts = anchor_facts(attempt.attempt_no, attempt.checkpoint_size, attempt.txid, before, happened)
            Outbox(self.engine).add(told, at_ms, facts)

    def watched(self) -> list[Attempt]:
        """Return the attempts that are not settled, oldest first."""
        return self._select("WHERE settled_at_ms IS NULL ORDER BY attempt_no")

    def recent(self, now_ms: int) -> list[Attempt]:
        """Return the attempts that are not settled or were made within 24 hours, oldest first."""
        return self._select("WHERE settled_at_ms IS NULL OR made_at_ms > ? ORDER BY attempt_no", now_ms - DAY_MS)

    def coins_of(self, attempt: Attempt) -> tuple[Coin, ...] | None:
        """Return the coins that an attempt spends, in its order; None where one was not stored with it."""
        return self.coins_spent_by(attempt.transaction())

    def coins_spent_by(self, transaction: Transaction) -> tuple[Coin, ...] | None:
        """Return the coins that a transaction spends, in its order; None where one was not stored."""
        coins = [self._coin(spent.previous) for spent in transaction.inputs]
        return None if None in coins else tuple(coin for coin in coins if coin is not None)

    def all(self) -> list[Attempt]:
        """Return every attempt, oldest first."""
        return self._select("ORDER BY attempt_no")

    def numbered(self, attempt_no: int) -> Attempt:
        """Return the attempt of this number, which there is."""
        (found,) = self._select("WHERE attempt_no = ?", attempt_no)
        return found

    def newest_event(self) -> int:
        """Return the number of the newest event of all attempts, 0 before the first: what it counts has not changed."""
        return int(self.engine.query("SELECT COALESCE(MAX(event_no), 0) FROM attempt_event")[0][0])

    def newest(self, count: int) -> list[Attempt]:
        """Return the newest attempts, newest first."""
        return self._select("ORDER BY attempt_no DESC LIMIT ?", count)

    def below(self, attempt_no: int, count: int) -> list[Attempt]:
        """Return the attempts before a number, newest first, at most ``count``."""
        return self._select("WHERE attempt_no < ? ORDER BY attempt_no DESC LIMIT ?", attempt_no, count)

    def spending(self, coin: OutPoint, count: int) -> list[Attempt]:
        """Return the versions that spend a coin, oldest first, at most ``count``."""
        return self._select("WHERE spends = ? ORDER BY attempt_no LIMIT ?", coin.encode(), count)

    def of_checkpoint(self, size: int, count: int) -> list[Attempt]:
        """Return the attempts at the checkpoint of ``size`` leaves, oldest first, at most ``count``."""
        return self._select("WHERE checkpoint_size = ? ORDER BY attempt_no LIMIT ?", size, count)

    def history(self, attempt: Attempt, count: int) -> list[tuple[int, Happened]]:
        """Return the newest events of an attempt, each behind its time (Unix milliseconds), oldest first."""
        rows = self.engine.query(
            "SELECT at_ms, event, block_height, block_hash FROM attempt_event WHERE attempt_no = ? "
            "ORDER BY event_no DESC LIMIT ?",
            (attempt.attempt_no, count),
        )
        return [(int(at_ms), _happened(*event)) for at_ms, *event in reversed(rows)]

    def newest_settled(self) -> Attempt | None:
        """Return the newest attempt that is final and no longer looked at; the watched ones follow it.

        Settled versions that lost may be many, hence the second condition: what is final was deep.
        """
        settled = self._select(
            "WHERE settled_at_ms IS NOT NULL "
            "AND EXISTS (SELECT 1 FROM attempt_event WHERE attempt_event.attempt_no = attempt.attempt_no "
            "AND attempt_event.event = 'deep') ORDER BY attempt_no DESC LIMIT 64"
        )
        return next((attempt for attempt in settled if attempt.state == State.FINAL), None)

    def settled_with(self, winner: Attempt) -> list[Attempt]:
        """Return the settled attempts that lost to this one, or were built on one that did, parents first."""
        lost: list[Attempt] = []
        coins = [winner.spends]
        while coins:
            found = self._select(
                "WHERE settled_at_ms IS NOT NULL AND spends = ? AND attempt_no != ? ORDER BY attempt_no",
                coins.pop().encode(),
                winner.attempt_no,
            )
            lost += found
            coins += [attempt.coin for attempt in found]
        return lost

    def knows(self, txid: bytes) -> bool:
        """Say whether this transaction is one of ours."""
        return self.of_txid(txid) is not None

    def of_txid(self, txid: bytes) -> Attempt | None:
        """Return the attempt with this txid (32 bytes, internal order), or None where it is not ours."""
        found = self._select("WHERE txid = ?", txid)
        return found[0] if found else None

    # --- proofs

    def keep_proof(self, attempt: Attempt, block_hash: bytes, proof: BitcoinAnchor) -> None:
        """Store what a receipt needs of the block that holds an attempt; repeating it changes nothing."""
        with self.engine.transaction():
            self.engine.execute(
                "INSERT INTO anchor_proof (attempt_no, block_hash, anchor) VALUES (?, ?, ?) "
                "ON CONFLICT (attempt_no, block_hash) DO NOTHING",
                (attempt.attempt_no, block_hash, json.dumps(proof.to_json())),
            )

    def proof(self, attempt: Attempt) -> BitcoinAnchor | None:
        """Return the proof for the block in which the attempt is now, or None while there is none."""
        if attempt.standing.block is None:
            return None
        rows = self.engine.query(
            "SELECT anchor FROM anchor_proof WHERE attempt_no = ? AND block_hash = ?",
            (attempt.attempt_no, attempt.standing.block.hash),
        )
        return BitcoinAnchor.from_json(Fields(json.loads(rows[0][0]), "kept proof")) if rows else None

    def has_proof(self, attempt: Attempt) -> bool:
        """Say whether the proof for the block in which the attempt is now is kept."""
        block = attempt.standing.block
        return block is not None and bool(
            self.engine.query(
                "SELECT 1 FROM anchor_proof WHERE attempt_no = ? AND block_hash = ?", (attempt.attempt_no, block.hash)
            )
        )

    def first_anchored(self, least_size: int) -> tuple[Attempt, BitcoinAnchor] | None:
        """Return the mined attempt with the smallest checkpoint of at least ``least_size`` leaves, or None."""
        return self._anchored(">", "", least_size)

    def newest_anchored(self) -> tuple[Attempt, BitcoinAnchor] | None:
        """Return the mined attempt with the largest checkpoint, or None."""
        return self._anchored("<", "DESC", _ABOVE_ALL)

    def anchor_of(self, size: int) -> BitcoinAnchor | None:
        """Return the mined anchor of the checkpoint of ``size`` leaves, or None where it has none."""
        found = self.first_anchored(size)
        return found[1] if found is not None and found[0].checkpoint_size == size else None

    def _anchored(self, beyond: str, order: str, size: int) -> tuple[Attempt, BitcoinAnchor] | None:
        """Return the first mined attempt from a checkpoint's size on, upward (>) or downward (<)."""
        attempt_no = 0
        while attempts := self._select(
            f"WHERE (checkpoint_size {beyond} ? OR (checkpoint_size = ? AND attempt_no > ?)) "  # noqa: S608  # our own texts
            "AND EXISTS (SELECT 1 FROM anchor_proof WHERE anchor_proof.attempt_no = attempt.attempt_no) "
            f"ORDER BY checkpoint_size {order}, attempt_no LIMIT 16",
            size,
            size,
            attempt_no,
        ):
            for attempt in attempts:
                proof = self.proof(attempt)
                if proof is not None:
                    return attempt, proof
            size, attempt_no = attempts[-1].checkpoint_size, attempts[-1].attempt_no
        return None

    # --- reading

    def _select(self, condition: str, *values: int | bytes) -> list[Attempt]:
        rows = self.engine.query(f"SELECT {_COLUMNS} FROM attempt {condition}", values)  # noqa: S608  # our own texts
        return [self._attempt(row) for row in rows]

    def _attempt(self, row: Row) -> Attempt:
        attempt_no, made_at_ms, size, txid, spends, raw, fee_sat, tip_height, tip_hash = row
        return Attempt(
            attempt_no,
            made_at_ms,
            size,
            bytes(txid),
            OutPoint.decode(bytes(spends)),
            bytes(raw),
            fee_sat,
            fold(self._events(attempt_no)),
            None if tip_hash is None else BlockId(int(tip_height), bytes(tip_hash)),
        )

    def _coin(self, outpoint: OutPoint) -> Coin | None:
        rows = self.engine.query(
            "SELECT value_sat, height, coinbase, made_by FROM attempt_coin WHERE outpoint = ?", (outpoint.encode(),)
        )
        if not rows:
            return None
        value_sat, height, coinbase, made_by = rows[0]
        return Coin(outpoint, value_sat, height, bool(coinbase), bytes(made_by))

    def _events(self, attempt_no: int) -> list[Happened]:
        rows = self.engine.query(
            "SELECT event, block_height, block_hash FROM attempt_event WHERE attempt_no = ? ORDER BY event_no",
            (attempt_no,),
        )
        return [_happened(*row) for row in rows]


def _happened(event: str, height: int | None, block_hash: bytes | None) -> Happened:
    block = None if height is None or block_hash is None else BlockId(int(height), bytes(block_hash))
    return Happened(Event(event), block)
