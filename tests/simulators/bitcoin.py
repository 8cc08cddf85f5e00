"""A Bitcoin in memory that can be made to fail, lag, lie and reorganise at any moment of a conversation.

Blocks are real ones (work and difficulty by the network's rules, coinbase, branches; cheap on regtest) and scripts
are checked by libbitcoinkernel; what a node welcomes into its mempool is decided by ``anchor.bitcoin.mempool``. It is
a ``Source``; tests hand it to the engine where a real node cannot be made to do what can happen to one.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from anchor.bitcoin.header_rules import ChainEnd, follow, genesis_end, median_time_s, next_bits
from anchor.bitcoin.mempool import (
    REJECTED,
    Ledger,
    Mempool,
    NextBlock,
    SignedTransaction,
    admit,
    read_signed,
    refill,
    spenders,
)
from anchor.bitcoin.networks import NETWORKS, Network
from anchor.bitcoin.protocols import BlockId, Coin, InBlock, InMempool, Missing, Observation
from anchor.bitcoin.regtest_block import assemble
from anchor.bitcoin.regtest_kernel import scripts_hold
from anchor.bitcoin.transaction import SEQUENCE
from anchor.errors import Refusal, RejectedError, SourceUnavailableError
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.branch import merkle_path
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput

ANYONE = b"\x51"
# What payments of strangers can be told by; without it they would be too small for a block.
STRANGERS = TxOutput(0, b"\x6a\x08stranger")
START_S = 1_790_000_000
BLOCK_S = 600

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
Act = Callable[[], object]


@dataclass(frozen=True, slots=True)
class _Block:
    block: BlockId
    raw_header: bytes
    end: ChainEnd
    transactions: tuple[SignedTransaction, ...]

    @property
    def txids(self) -> list[bytes]:
        return [each.txid for each in self.transactions]


def _answer(
    method: "Callable[Concatenate[SimulatedBitcoin, _Parameters], _Result]",
) -> "Callable[Concatenate[SimulatedBitcoin, _Parameters], _Result]":
    """Let what a test ordered for this method happen before its effect, instead of it, or after it."""

    @wraps(method)
    def answered(self: "SimulatedBitcoin", /, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        name = method.__name__
        self.calls.append(name)
        self._run(self._before[name])
        if self._instead[name]:
            return cast("_Result", self._instead[name].popleft()())
        result = method(self, *args, **kwargs)
        self._run(self._after[name])
        return result

    return answered


class SimulatedBitcoin:
    """One node: ``mine``, ``reorg``, ``forget`` are its world; ``before``, ``after``, ``instead`` faults.

    ``behind`` makes the node lag: it answers as if the newest so many blocks had not been heard of. ``calls`` are the
    names of the methods that were asked, in order.
    """

    def __init__(self, network: Network = NETWORKS["regtest"]) -> None:
        self.network = network
        self.behind = 0
        self.silent = False
        self.fee_rate: float | None = None
        self.least_rate: float | None = None
        self.calls: list[str] = []
        genesis = BlockId(0, network.genesis_hash)
        # Not before the blocks of other tests: the network's own genesis block may be of 2011.
        end = genesis_end(network.headers)._replace(times_s=(START_S,))
        self._chain = [_Block(genesis, network.headers.genesis, end, ())]
        self._known = {network.genesis_hash: self._chain[0]}
        self._ledger = Ledger()
        self._pool: Mempool = {}
        self._before: defaultdict[str, deque[Act]] = defaultdict(deque)
        self._instead: defaultdict[str, deque[Act]] = defaultdict(deque)
        self._after: defaultdict[str, deque[Act]] = defaultdict(deque)

    def copy(self) -> "SimulatedBitcoin":
        """Return another Bitcoin with the same past, and no faults."""
        other = SimulatedBitcoin(self.network)
        other._chain, other._known, other._pool = list(self._chain), dict(self._known), dict(self._pool)
        ledger = self._ledger
        other._ledger = Ledger(dict(ledger.unspent), dict(ledger.spent_by), dict(ledger.height_of))
        return other

    # Faults

    def before(self, method: str, act: Act) -> None:
        """Do something once, before the next call of a method takes effect; an error of it is the call's."""
        self._before[method].append(act)

    def after(self, method: str, act: Act) -> None:
        """Do something once, after the next call of a method took effect and before its answer arrives."""
        self._after[method].append(act)

    def instead(self, method: str, act: Act) -> None:
        """Answer the next call of a method with this: a lie, or an error for ever."""
        self._instead[method].append(act)

    def calm(self) -> bool:
        """Take back every order that has not happened yet; say whether there was one."""
        was_quiet = self.is_quiet
        for kind in (self._before, self._instead, self._after):
            kind.clear()
        return not was_quiet

    @property
    def is_quiet(self) -> bool:
        """Whether everything that was ordered has happened: a fault that nothing met tested nothing."""
        return not any(acts for kind in (self._before, self._instead, self._after) for acts in kind.values())

    def _run(self, acts: deque[Act]) -> None:
        if self.silent:
            lost_connection()
        if acts:
            acts.popleft()()

    # The world

    @property
    def height(self) -> int:
        """Height of the tip that the world sees."""
        return self._chain[-1].block.height

    def mine(self, count: int = 1, script: bytes = ANYONE, *, step_s: int = BLOCK_S) -> BlockId:
        """Mine blocks to a script, the first of which holds the mempool, so many seconds apart; return the tip."""
        for _ in range(count):
            self._append(script, [pooled.signed for pooled in self._pool.values()], step_s)
        return self._chain[-1].block

    def mine_without(self, *txids: bytes) -> BlockId:
        """Mine one block that leaves these transactions in the mempool."""
        self._append(ANYONE, [pooled.signed for txid, pooled in self._pool.items() if txid not in txids])
        return self._chain[-1].block

    def mine_others(self, count: int = 1) -> BlockId:
        """Mine blocks that hold a stranger's payment each, and leave the mempool as it is; return the tip."""
        for _ in range(count):
            self._append(ANYONE, [read_signed(self._strangers_payment())])
        return self._chain[-1].block

    def _strangers_payment(self) -> bytes:
        deep = self.height + 1 - self.network.coinbase_maturity
        free = next(
            Coin(outpoint, coin.output.value_sat, coin.height, coin.coinbase, b"")
            for outpoint, coin in self._ledger.unspent.items()
            if coin.output.script == ANYONE and coin.height is not None and (not coin.coinbase or coin.height <= deep)
        )
        return payment(free, ANYONE, 1_000, STRANGERS).encode()

    def reorg(
        self,
        depth: int,
        *,
        drop: bool = False,
        instead: Sequence[bytes] = (),
        length: int | None = None,
        step_s: int = BLOCK_S,
    ) -> BlockId:
        """Replace the newest blocks by a branch of more work, one longer by default.

        Its first block holds ``instead`` (raw transactions). What was replaced goes back to the mempool where it still
        can, or is forgotten with ``drop``.
        """
        replaced_work = self._chain[-1].end.work
        lost = [signed for each in self._chain[-depth:] for signed in each.transactions[1:]] if depth else []
        pooled = [each.signed for each in self._pool.values()]
        del self._chain[len(self._chain) - depth :]
        self._pool = {}
        self._ledger = _ledger_of(self._chain)
        self._append(ANYONE, [read_signed(raw) for raw in instead], step_s)
        for _ in range((depth + 1 if length is None else length) - 1):
            self._append(ANYONE, [], step_s)
        assert replaced_work < self._chain[-1].end.work, "no node follows a branch without more work"
        self._refill([*([] if drop else lost), *pooled])
        return self._chain[-1].block

    def forget(self, txid: bytes) -> None:
        """Drop a transaction, and what spends it, from the mempool: evicted, or the node was restarted."""
        self._refill(pooled.signed for key, pooled in self._pool.items() if key != txid)

    def mempool(self) -> list[bytes]:
        """Return the txids in the mempool."""
        return list(self._pool)

    def mined(self) -> list[Transaction]:
        """Return all transactions of the best chain but coinbases and what ``mine_others`` made, in order."""
        bodies = [signed.body for block in self._chain for signed in block.transactions[1:]]
        return [body for body in bodies if STRANGERS not in body.outputs]

    # Headers

    @_answer
    def check_network(self) -> None:
        """The network is the one it was made with."""

    @_answer
    def tip(self) -> BlockId:
        return self._seen()[-1].block

    @_answer
    def block_hash(self, height: int) -> bytes | None:
        seen = self._seen()
        return seen[height].block.hash if 0 <= height < len(seen) else None

    @_answer
    def header(self, block_hash: bytes) -> bytes | None:
        found = self._known.get(block_hash)
        return found.raw_header if found else None

    @_answer
    def headers_from(self, height: int, count: int) -> list[bytes]:
        return [block.raw_header for block in self._seen()[height : height + count]]

    # Transactions

    @_answer
    def broadcast(self, raw: bytes) -> None:
        signed = read_signed(raw)
        if signed.txid in self._pool or signed.txid in self._ledger.height_of:
            return
        pool = admit(self._pool, self._ledger, signed, self._next(), scripts_hold)
        if not self._pays(signed, pool[signed.txid].fee_sat):
            raise RejectedError(REJECTED, "simulated: mempool min fee not met", Refusal.FEE)
        self._pool = pool

    @_answer
    def observe(self, txid: bytes) -> Observation:
        for place in self._seen():
            if txid in place.txids:
                return InBlock(place.block, len(self._seen()) - place.block.height)
        return InMempool() if txid in self._pool and not self.behind else Missing()

    @_answer
    def prove(self, txid: bytes, block_hash: bytes) -> BitcoinAnchor | None:
        found = self._known.get(block_hash)
        if found is None or txid not in found.txids:
            return None
        index = found.txids.index(txid)
        return BitcoinAnchor(
            transaction=found.transactions[index].body.encode(),
            index=index,
            path=merkle_path(found.txids, index),
            coinbase=found.transactions[0].body.encode(),
            coinbase_path=merkle_path(found.txids, 0),
            header=found.raw_header,
            height=found.block.height,
        )

    @_answer
    def transaction_count(self, block_hash: bytes) -> int | None:
        found = self._known.get(block_hash)
        return None if found is None else max(len(found.transactions), 1)

    # Coins

    @_answer
    def unspent(self, script: bytes) -> list[Coin]:
        ledger, pool = self._view()
        spent = spenders(pool)
        made = {each.txid: each.body for block in self._seen() for each in block.transactions}
        made |= {txid: pooled.signed.body for txid, pooled in pool.items()}
        heights = {outpoint: coin for outpoint, coin in ledger.unspent.items() if coin.output.script == script}
        confirmed = [
            Coin(outpoint, coin.output.value_sat, coin.height, coin.coinbase, made[outpoint.txid].encode())
            for outpoint, coin in heights.items()
            if outpoint not in spent
        ]
        return confirmed + [
            Coin(OutPoint(txid, vout), output.value_sat, None, coinbase=False, transaction=made[txid].encode())
            for txid, pooled in pool.items()
            for vout, output in enumerate(pooled.signed.body.outputs)
            if output.script == script and OutPoint(txid, vout) not in spent
        ]

    @_answer
    def spender(self, outpoint: OutPoint) -> bytes | None:
        ledger, pool = self._view()
        known = spenders(pool).get(outpoint) or ledger.spent_by.get(outpoint)
        if known is not None:
            return known
        pooled = pool.get(outpoint.txid)
        is_pooled = pooled is not None and outpoint.vout < len(pooled.signed.body.outputs)
        return None if is_pooled or outpoint in ledger.unspent else bytes(32)

    @_answer
    def fee_rate_sat_per_vb(self, target_blocks: int) -> float | None:
        return self.fee_rate

    @_answer
    def least_rate_sat_per_vb(self) -> float | None:
        return self.least_rate

    def raise_least_rate(self, rate_sat_per_vb: float) -> None:
        """Fill the mempool with others' transactions: what pays less is evicted, and refused until this falls."""
        self.least_rate = rate_sat_per_vb
        self._refill(pooled.signed for pooled in self._pool.values() if self._pays(pooled.signed, pooled.fee_sat))

    def _pays(self, signed: SignedTransaction, fee_sat: int) -> bool:
        return self.least_rate is None or fee_sat >= signed.virtual_size * self.least_rate

    def close(self) -> None:
        """There is nothing to release: the world goes on."""

    # Inside

    def _seen(self) -> list[_Block]:
        return self._chain[: len(self._chain) - self.behind]

    def _view(self) -> tuple[Ledger, Mempool]:
        return (_ledger_of(self._seen()), {}) if self.behind else (self._ledger, self._pool)

    def _next(self) -> NextBlock:
        return NextBlock(self.height + 1, median_time_s(self._chain[-1].end))

    def _append(self, script: bytes, signed: Sequence[SignedTransaction], step_s: int = BLOCK_S) -> None:
        pool = self._admitted(signed)
        chosen = [pool[each.txid] for each in signed]
        height, parent, rules = self.height + 1, self._chain[-1].end, self.network.headers
        time_s = parent.times_s[-1] + step_s
        bits = next_bits(rules, parent, time_s)
        raw = assemble(parent.hash, height, time_s, script, len(self._known), chosen, bits=bits)
        end = follow(rules, parent, raw[:80], time_s)
        header = Header.decode(raw[:80])
        # Behind the header and the number of transactions (one byte here), before those that were chosen.
        coinbase = read_signed(raw[81 : len(raw) - sum(len(each.raw) for each in signed)])
        made = _Block(BlockId(height, header.hash), raw[:80], end, (coinbase, *signed))
        self._chain.append(made)
        self._known[header.hash] = made
        _add_block(self._ledger, made)
        self._refill(each.signed for each in self._pool.values())

    def _admitted(self, signed: Iterable[SignedTransaction]) -> Mempool:
        pool: Mempool = {}
        for each in signed:
            pool = admit(pool, self._ledger, each, self._next(), scripts_hold)
        return pool

    def _refill(self, candidates: Iterable[SignedTransaction]) -> None:
        self._pool = refill(list(candidates), self._ledger, self._next(), scripts_hold)


def lost_connection() -> None:
    """Fail as a source does that cannot be reached."""
    raise SourceUnavailableError("simulated: the connection was lost")


def payment(coin: Coin, script: bytes, fee_sat: int = 1_000, *more: TxOutput) -> Transaction:
    """Return an unsigned transaction that is no anchor: it sends a coin to a script, and makes further outputs."""
    value = coin.value_sat - fee_sat - sum(output.value_sat for output in more)
    return Transaction(2, (TxInput(coin.outpoint, b"", SEQUENCE),), (TxOutput(value, script), *more), 0)


@contextmanager
def out_of_order(source: SimulatedBitcoin) -> Iterator[None]:
    """Let a source be silent for the length of a block."""
    source.silent = True
    try:
        yield
    finally:
        source.silent = False


def _ledger_of(chain: Sequence[_Block]) -> Ledger:
    ledger = Ledger()
    for each in chain:
        _add_block(ledger, each)
    return ledger


def _add_block(ledger: Ledger, block: _Block) -> None:
    for index, signed in enumerate(block.transactions):
        ledger.add(signed, block.block.height, coinbase=index == 0)
