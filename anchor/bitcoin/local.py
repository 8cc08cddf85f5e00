"""The embedded regtest: a whole Bitcoin of one's own, validated by libbitcoinkernel, for the demo and the tests.

Blocks are mined here and transactions handed to it; both are kept in two record files in one folder, and the
kernel's databases, the ledger and the mempool are built from these whenever it opens. The engine uses it as
its Bitcoin source, through the protocol ``Source``.
"""

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import wraps
from itertools import accumulate
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from anchor.bitcoin.mempool import (
    RELAY_SAT_PER_VB,
    Ledger,
    Mempool,
    NextBlock,
    Pooled,
    SignedTransaction,
    admit,
    read_signed,
    refill,
    spenders,
)
from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.protocols import BlockId, Coin, InBlock, InMempool, Missing, Observation
from anchor.bitcoin.records import RecordFile
from anchor.bitcoin.regtest_block import assemble
from anchor.bitcoin.regtest_kernel import RegtestKernel, scripts_hold
from anchor.errors import (
    ClockError,
    SourceError,
    SourceUnavailableError,
    StorageBusyError,
    StorageCorruptError,
    WrongNetworkError,
)
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.branch import merkle_path
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.transaction import OutPoint

# OP_TRUE: a coinbase that nobody needs a key for, where no script is asked for.
ANYONE = b"\x51"
# A block weighs at most 4,000,000; the rest is for header and coinbase.
_MAX_POOLED_WEIGHT = 3_900_000

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class _Block:
    """A block of which the kernel has the header: on the best chain or beside it."""

    header: Header
    transactions: tuple[SignedTransaction, ...]


def _one_at_a_time(
    method: "Callable[Concatenate[LocalRegtest, _Parameters], _Result]",
) -> "Callable[Concatenate[LocalRegtest, _Parameters], _Result]":
    """Let one thread in at a time: the daemon's jobs and the web layer share one source."""

    @wraps(method)
    def guarded(self: "LocalRegtest", /, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        with self._mutex:
            if self._closed:
                raise SourceUnavailableError(f"{self._folder}: this regtest is closed; open it anew")
            return method(self, *args, **kwargs)

    return guarded


class LocalRegtest:
    """A regtest node without peers, in ``folder``, which belongs to one process at a time.

    ``now_s`` is the clock: seconds since 1970, for block times. Opening replays every block: 300 of them take
    about 0.2 s. Raises StorageBusyError if another process has the folder open,
    StorageCorruptError if what is stored there cannot have been written here, ClockError if the blocks lie
    more than two hours ahead of this machine's clock.
    """

    network = NETWORKS["regtest"]

    def __init__(self, folder: Path, now_s: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now_s = now_s
        self._mutex = threading.RLock()
        self._closed = False
        folder.mkdir(parents=True, exist_ok=True)
        self._blocks: dict[bytes, _Block] = {}
        self._ledger = Ledger()
        self._pool: Mempool = {}
        with ExitStack() as stack:
            stack.callback(os.close, _locked(folder / "lock"))
            stack.callback(shutil.rmtree, folder / "kernel", ignore_errors=True)
            self._kernel = RegtestKernel(folder / "kernel")
            self._block_file = RecordFile(folder / "blocks")
            stack.callback(self._block_file.close)
            self._pool_file = RecordFile(folder / "mempool")
            stack.callback(self._pool_file.close)
            self._replay()
            self._held = stack.pop_all()

    # Headers

    @_one_at_a_time
    def check_network(self) -> None:
        """Compare the kernel's genesis hash with regtest's; raise WrongNetworkError where they differ."""
        found = bytes(self._kernel.chain()[0].block_hash)
        if found != self.network.genesis_hash:
            raise WrongNetworkError(
                f"expected the genesis block of {self.network.name}, {hash_hex(self.network.genesis_hash)}, "
                f"found {hash_hex(found)}: this libbitcoinkernel is not the one that Anchorline was made for"
            )

    @_one_at_a_time
    def tip(self) -> BlockId:
        """Return the tip of the best chain."""
        return self._kernel.tip()

    @_one_at_a_time
    def block_hash(self, height: int) -> bytes | None:
        """Return the hash (32 bytes, internal order) of the best chain's block, or None above the tip."""
        entries = self._kernel.chain()
        return bytes(entries[height].block_hash) if 0 <= height < len(entries) else None

    @_one_at_a_time
    def header(self, block_hash: bytes) -> bytes | None:
        """Return the 80 header bytes of a known block, on the best chain or not, or None."""
        entry = self._kernel.entry(block_hash)
        return bytes(entry.block_header) if entry else None

    @_one_at_a_time
    def headers_from(self, height: int, count: int) -> list[bytes]:
        """Return the best chain's headers from ``height`` on: ``count`` of them, fewer at the tip."""
        entries = self._kernel.chain()
        return [bytes(entries[at].block_header) for at in range(height, min(height + count, len(entries)))]

    # Transactions

    @_one_at_a_time
    def broadcast(self, raw: bytes) -> None:
        """Take a signed transaction into the mempool, durably; one that is known already is welcome again.

        Raises RejectedError with Bitcoin Core's codes (rpc/protocol.h): -22 not a transaction, -25 an input is
        spent or unknown, -26 refused otherwise. Scripts are checked by consensus.
        """
        signed = read_signed(raw)
        if signed.txid in self._ledger.height_of or signed.txid in self._pool:
            return
        pool = admit(self._pool, self._ledger, signed, self._next_block(), scripts_hold)
        self._pool_file.append(raw)
        # A crash here is harmless: opening admits what the file holds, and the caller broadcasts again.
        self._pool = pool

    @_one_at_a_time
    def observe(self, txid: bytes) -> Observation:
        """Say where the transaction (32 bytes, internal order) is now: by the mempool and the best chain."""
        if txid in self._pool:
            return InMempool()
        height = self._ledger.height_of.get(txid)
        if height is None:
            return Missing()
        entries = self._kernel.chain()
        return InBlock(BlockId(height, bytes(entries[height].block_hash)), len(entries) - height)

    @_one_at_a_time
    def prove(self, txid: bytes, block_hash: bytes) -> BitcoinAnchor | None:
        """Return the proof of a transaction in that block (on the best chain or not), or None."""
        block = self._blocks.get(block_hash)
        txids = [each.txid for each in block.transactions] if block else []
        entry = self._kernel.entry(block_hash)
        if block is None or entry is None or txid not in txids:
            return None
        index = txids.index(txid)
        return BitcoinAnchor(
            transaction=block.transactions[index].body.encode(),
            index=index,
            path=merkle_path(txids, index),
            coinbase=block.transactions[0].body.encode(),
            coinbase_path=merkle_path(txids, 0),
            header=block.header.encode(),
            height=entry.height,
        )

    @_one_at_a_time
    def transaction_count(self, block_hash: bytes) -> int | None:
        """Return how many transactions a block holds, its coinbase among them, or None where it is unknown."""
        found = self._blocks.get(block_hash)
        return None if found is None else len(found.transactions)

    # Coins

    @_one_at_a_time
    def unspent(self, script: bytes) -> list[Coin]:
        """Return every unspent output that pays to ``script``, in the best chain or the mempool."""
        spent = spenders(self._pool)
        confirmed = [
            Coin(outpoint, coin.output.value_sat, coin.height, coin.coinbase, self._maker_of(outpoint))
            for outpoint, coin in self._ledger.unspent.items()
            if coin.output.script == script and outpoint not in spent
        ]
        return confirmed + [
            Coin(outpoint, output.value_sat, None, coinbase=False, transaction=pooled.signed.body.encode())
            for txid, pooled in self._pool.items()
            for vout, output in enumerate(pooled.signed.body.outputs)
            if output.script == script and (outpoint := OutPoint(txid, vout)) not in spent
        ]

    @_one_at_a_time
    def spender(self, outpoint: OutPoint) -> bytes | None:
        """Return the txid (internal order) of what spends this outpoint, in the mempool or the best chain.

        None when it is unspent; 32 zero bytes when this regtest has never had such an output.
        """
        known = spenders(self._pool).get(outpoint) or self._ledger.spent_by.get(outpoint)
        if known is not None:
            return known
        pooled = self._pool.get(outpoint.txid)
        is_pooled = pooled is not None and outpoint.vout < len(pooled.signed.body.outputs)
        return None if is_pooled or outpoint in self._ledger.unspent else bytes(32)

    def fee_rate_sat_per_vb(self, target_blocks: int) -> float | None:  # noqa: ARG002 - the protocol's
        """Return None: a chain without other people has no market."""
        return None

    def least_rate_sat_per_vb(self) -> float | None:
        """Return what ``mempool`` asks of everyone."""
        return float(RELAY_SAT_PER_VB)

    # Mining

    @_one_at_a_time
    def mine(self, count: int = 1, script: bytes = ANYONE) -> list[BlockId]:
        """Mine ``count`` blocks on the tip, the first of which holds the mempool; return them.

        Coinbases pay to ``script``. Each block is on the disk before the kernel sees it. Raises ClockError if
        the clock is more than two hours ahead of this machine's.
        """
        return [self._mine(script) for _ in range(count)]

    @_one_at_a_time
    def reorg(self, depth: int, *, drop_transactions: bool = False) -> BlockId:
        """Replace the newest ``depth`` blocks by a branch of empty ones that is longer by one; return its tip.

        The transactions of the replaced blocks go back to the mempool, as they do at every node, or are
        forgotten if ``drop_transactions`` says so, as if the network had lost them.
        """
        entries = self._kernel.chain()
        fork = len(entries) - 1 - depth
        lost = [] if drop_transactions else self._transactions_above(fork)
        # In the file before the blocks are: a crash in between loses none, as mined ones are skipped on opening.
        candidates = [*lost, *(pooled.signed for pooled in self._pool.values())]
        self._pool_file.replace([signed.raw for signed in candidates])
        tip = BlockId(fork, bytes(entries[fork].block_hash))
        for _ in range(depth + 1):
            tip = self._store(tip, ANYONE, [])
        self._check_tip(tip)
        self._build_ledger()
        self._refill(candidates)
        return tip

    def close(self) -> None:
        """Release the folder; may be repeated."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
            self._held.close()

    # Opening

    def _replay(self) -> None:
        for number, raw in enumerate(self._block_file.records):
            if not self._accept(raw):
                raise StorageCorruptError(
                    f"{self._folder / 'blocks'}: expected block {number} to be valid, found that the kernel "
                    "refuses it; restore the folder from a copy, or move it away to begin anew"
                )
        self._build_ledger()
        self._refill([read_signed(raw) for raw in self._pool_file.records])
        self._pool_file.replace([pooled.signed.raw for pooled in self._pool.values()])

    def _accept(self, raw: bytes) -> bool:
        """Hand a block to the kernel; say whether its chain now knows it, and remember it if so."""
        transactions = self._kernel.take(raw)
        if transactions is None:
            return False
        header = Header.decode(raw[:80])
        self._blocks[header.hash] = _Block(header, transactions)
        return self._kernel.entry(header.hash) is not None

    def _build_ledger(self) -> None:
        self._ledger = Ledger()
        entries = self._kernel.chain()
        for height in range(1, len(entries)):  # nothing in the genesis block can be spent
            self._add_to_ledger(height, bytes(entries[height].block_hash))

    def _add_to_ledger(self, height: int, block_hash: bytes) -> None:
        for index, signed in enumerate(self._blocks[block_hash].transactions):
            self._ledger.add(signed, height, coinbase=index == 0)

    def _refill(self, candidates: Sequence[SignedTransaction]) -> None:
        self._pool = refill(candidates, self._ledger, self._next_block(), scripts_hold)

    # Mining, step by step

    def _mine(self, script: bytes) -> BlockId:
        block = self._store(self._kernel.tip(), script, _fitting(self._pool))
        self._check_tip(block)
        self._add_to_ledger(block.height, block.hash)
        # The mempool's file keeps what was mined until the next opening, which skips it.
        self._refill([pooled.signed for pooled in self._pool.values()])
        return block

    def _store(self, parent: BlockId, script: bytes, pooled: Sequence[Pooled]) -> BlockId:
        """Make a block on ``parent``, put it on the disk, and only then hand it to the kernel."""
        height = parent.height + 1
        time_s = max(int(self._now_s()), self._kernel.median_time_s(parent.hash) + 1)
        raw = assemble(parent.hash, height, time_s, script, len(self._blocks), pooled)
        at = self._block_file.append(raw)
        # A crash here is harmless: opening hands the block to the kernel; nobody was told of it yet.
        try:
            self._accept(raw)
        except (ClockError, SourceError):
            self._block_file.cut(at)
            raise
        return BlockId(height, Header.decode(raw[:80]).hash)

    def _check_tip(self, expected: BlockId) -> None:
        found = self._kernel.tip()
        if found != expected:
            raise SourceError(
                f"{self._folder}: expected block {hash_hex(expected.hash)} to become the tip, found "
                f"{hash_hex(found.hash)}: the kernel refused it, which is a fault in Anchorline; report it"
            )

    def _next_block(self) -> NextBlock:
        tip = self._kernel.tip()
        return NextBlock(tip.height + 1, self._kernel.median_time_s(tip.hash))

    # Reading the best chain

    def _maker_of(self, outpoint: OutPoint) -> bytes:
        """Return the stripped transaction of the best chain that made this output."""
        block_hash = bytes(self._kernel.chain()[self._ledger.height_of[outpoint.txid]].block_hash)
        signed = next(each for each in self._blocks[block_hash].transactions if each.txid == outpoint.txid)
        return signed.body.encode()

    def _transactions_above(self, height: int) -> list[SignedTransaction]:
        """Return what the best chain's blocks above ``height`` hold, without coinbases, in chain order."""
        entries = self._kernel.chain()
        hashes = [bytes(entries[each].block_hash) for each in range(height + 1, len(entries))]
        return [signed for each in hashes for signed in self._blocks[each].transactions[1:]]


def _fitting(pool: Mempool) -> list[Pooled]:
    """Return the oldest transactions of the mempool that fit into one block; parents stand before children."""
    weights = accumulate(pooled.signed.weight for pooled in pool.values())
    return [pooled for pooled, sum_ in zip(pool.values(), weights, strict=True) if sum_ <= _MAX_POOLED_WEIGHT]


def _locked(path: Path) -> int:
    """Return a descriptor that holds the lock; the kernel would only say that something went wrong."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise StorageBusyError(
            f"{path.parent}: expected to be the only user of this regtest, found that another process has it "
            "open; stop that process or choose another folder"
        ) from error
    return fd
