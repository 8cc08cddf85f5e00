"""The kernel of the embedded regtest: libbitcoinkernel, which validates blocks and scripts and keeps the best chain.

Input is blocks as ``regtest_block`` makes them. ``local`` is the only user, and nothing else imports ``pbk``.
"""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pbk
from pbk.script import PrecomputedTransactionData

from anchor.bitcoin.mempool import SignedTransaction, read_signed
from anchor.bitcoin.protocols import BlockId
from anchor.errors import ClockError, StorageError
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.transaction import TxOutput

# Consensus: MAX_FUTURE_BLOCK_TIME in Bitcoin Core, chain.h.
_MAX_FUTURE_S = 2 * 60 * 60
# Consensus: a block's time is above the median of the eleven before it.
_MEDIAN_SPAN = 11


class RegtestKernel:
    """A kernel that knows the genesis block only, until it is handed more.

    Its databases are in memory and its ``folder`` is emptied: after a hard exit they can be behind the blocks that
    were acknowledged, so nothing is ever read from them. Raises StorageError where the kernel cannot write its files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        try:
            self._manager = _opened(folder.absolute())
        except RuntimeError as error:  # all that the kernel says is that it failed
            raise StorageError(
                f"{folder.parent}: expected room for the embedded regtest's block files (some 20 MB while it is open), "
                "which cannot be written; is the disk full, or the folder not ours?"
            ) from error

    def take(self, raw: bytes) -> tuple[SignedTransaction, ...] | None:
        """Hand over a block; return its transactions, or None where the kernel refuses to read it.

        ``process_block`` returns True also for a block that fails when it is connected, so ask ``entry`` after it.
        Raises ClockError for a block more than two hours ahead of this machine's clock.
        """
        time_s = Header.decode(raw[:80]).time_s
        if time_s > time.time() + _MAX_FUTURE_S:  # the kernel looks at this machine's clock, so do we
            raise ClockError(
                f"{self._folder.parent}: expected block times at most two hours ahead of this machine's clock, found "
                f"{time_s}; set the clock right"
            )
        block = pbk.Block(raw)
        try:
            self._manager.process_block(block)
        except pbk.ProcessBlockException:
            return None
        return tuple(read_signed(bytes(each)) for each in block.transactions)

    def chain(self) -> Sequence[pbk.BlockTreeEntry]:
        """Return the best chain, from genesis on."""
        return self._manager.get_active_chain().block_tree_entries

    def tip(self) -> BlockId:
        """Return the tip of the best chain."""
        entry = self.chain()[-1]
        return BlockId(entry.height, bytes(entry.block_hash))

    def entry(self, block_hash: bytes) -> pbk.BlockTreeEntry | None:
        """Return a known block's place, on the best chain or not, or None."""
        try:
            return self._manager.block_tree_entries[pbk.BlockHash(block_hash)]
        except KeyError:
            return None

    def median_time_s(self, block_hash: bytes) -> int:
        """Return the median time, in seconds, of the eleven blocks that end in this one."""
        times: list[int] = []
        entry = self.entry(block_hash)
        while entry is not None and len(times) < _MEDIAN_SPAN:
            header = Header.decode(bytes(entry.block_header))
            times.append(header.time_s)
            entry = self.entry(header.previous)
        return sorted(times)[len(times) // 2]


def scripts_hold(raw: bytes, spent: Sequence[TxOutput]) -> bool:
    """Say whether every input of a transaction satisfies the script it spends (libbitcoinkernel)."""
    transaction = pbk.Transaction(raw)
    outputs = [pbk.TransactionOutput(pbk.ScriptPubkey(each.script), each.value_sat) for each in spent]
    shared = PrecomputedTransactionData(transaction, outputs)
    return all(
        pbk.ScriptPubkey(each.script).verify(
            each.value_sat, transaction, shared, index, pbk.ScriptVerificationFlags.ALL
        )
        for index, each in enumerate(spent)
    )


def _opened(folder: Path) -> pbk.ChainstateManager:
    context = pbk.make_context(pbk.ChainType.REGTEST)
    options = pbk.ChainstateManagerOptions(context, str(folder), str(folder / "blocks"))
    options.update_block_tree_db_in_memory(block_tree_db_in_memory=True)
    options.update_chainstate_db_in_memory(chainstate_db_in_memory=True)
    options.set_worker_threads_num(0)
    return pbk.ChainstateManager(options)
