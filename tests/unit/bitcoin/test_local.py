"""Tests of ``anchor.bitcoin.local``, ``mempool`` and ``regtest_block``: kills, power cuts, double users, refusals.

What it shares with every other source is tested in ``tests/contract/test_source.py``; here is what only it can
suffer, and the rules that a real node would apply to stranger transactions.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from btclib.block.block import Block
from btclib.tx.tx import Tx

from anchor.bitcoin.local import ANYONE, LocalRegtest
from anchor.bitcoin.mempool import read_signed
from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.protocols import Coin, InBlock, InMempool, Missing
from anchor.bitcoin.records import RecordFile
from anchor.bitcoin.transaction import build_anchor, fee_sat
from anchor.bitcoin.wallet import Wallet
from anchor.errors import (
    ClockError,
    RejectedError,
    SourceUnavailableError,
    StorageBusyError,
    StorageCorruptError,
    StorageError,
)
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.payload import encode_payload
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxOutput

ROOT = Path(__file__).parents[3]
REGTEST = NETWORKS["regtest"]
WALLET = Wallet.generate(REGTEST, bytes(range(16)))
PAYLOAD = encode_payload(1, bytes(32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a regtest."""
    return tmp_path / "regtest"


@pytest.fixture
def regtest(folder: Path) -> Iterator[LocalRegtest]:
    """A regtest with one mature coin of the wallet's."""
    made = LocalRegtest(folder)
    made.mine(1, WALLET.script)
    made.mine(100)
    yield made
    made.close()


def the_coin(regtest: LocalRegtest) -> Coin:
    """Return the wallet's only coin."""
    (coin,) = regtest.unspent(WALLET.script)
    return coin


def anchor(coin: Coin, rate: float = 2.0) -> tuple[bytes, Transaction]:
    """Return a signed anchor and what its txid sees."""
    transaction = build_anchor([coin], WALLET.script, PAYLOAD, fee_sat(1, rate), 1_000)
    return WALLET.sign(transaction, [coin]), transaction


def refused(regtest: LocalRegtest, transaction: Transaction, coins: list[Coin]) -> RejectedError:
    """Sign, broadcast, and return the refusal."""
    with pytest.raises(RejectedError) as caught:
        regtest.broadcast(WALLET.sign(transaction, coins))
    return caught.value


# Opening again


def test_everything_is_there_after_closing(regtest: LocalRegtest, folder: Path) -> None:
    """Blocks, coins and the mempool come back from the folder."""
    raw, transaction = anchor(the_coin(regtest))
    regtest.broadcast(raw)
    before = (regtest.tip(), regtest.unspent(WALLET.script))
    regtest.close()
    again = LocalRegtest(folder)
    assert before == (again.tip(), again.unspent(WALLET.script))
    assert InMempool() == again.observe(transaction.txid)
    again.mine()
    again.close()
    third = LocalRegtest(folder)
    assert InBlock(third.tip(), 1) == third.observe(transaction.txid)
    third.close()


def test_a_branch_that_lost_stays_lost(regtest: LocalRegtest, folder: Path) -> None:
    """A reorganisation is replayed too: the tip, and what went back to the mempool, are the same after opening."""
    raw, transaction = anchor(the_coin(regtest))
    regtest.broadcast(raw)
    (block,) = regtest.mine()
    tip = regtest.reorg(1)
    regtest.close()
    again = LocalRegtest(folder)
    assert tip == again.tip()
    assert InMempool() == again.observe(transaction.txid)
    assert again.header(block.hash) is not None
    again.close()


def test_a_dropped_transaction_is_gone(regtest: LocalRegtest, folder: Path) -> None:
    """A reorganisation may lose a transaction; it stays lost after opening, and can be sent again."""
    raw, transaction = anchor(the_coin(regtest))
    regtest.broadcast(raw)
    regtest.mine()
    regtest.reorg(1, drop_transactions=True)
    assert Missing() == regtest.observe(transaction.txid)
    regtest.close()
    again = LocalRegtest(folder)
    assert Missing() == again.observe(transaction.txid)
    again.broadcast(raw)
    assert InMempool() == again.observe(transaction.txid)
    again.close()


def test_a_replaced_transaction_stays_replaced(regtest: LocalRegtest, folder: Path) -> None:
    """The mempool's file holds both; opening admits them in order, and the second replaces the first again."""
    coin = the_coin(regtest)
    (first, one), (second, two) = anchor(coin, 2.0), anchor(coin, 5.0)
    regtest.broadcast(first)
    regtest.broadcast(second)
    regtest.close()
    again = LocalRegtest(folder)
    assert [Missing(), InMempool()] == [again.observe(each.txid) for each in (one, two)]
    again.close()


def test_the_folder_holds_no_kernel_database_after_closing(regtest: LocalRegtest, folder: Path) -> None:
    """Nothing is read from the kernel's databases, so nothing of them is kept."""
    assert (folder / "kernel").exists()
    regtest.close()
    assert {"lock", "blocks", "mempool"} == {path.name for path in folder.iterdir()}


MINER = """
import sys
from pathlib import Path
from anchor.bitcoin.local import LocalRegtest
regtest = LocalRegtest(Path(sys.argv[1]))
while True:
    (block,) = regtest.mine()
    print(block.height, block.hash.hex(), flush=True)
"""


def test_no_acknowledged_block_is_lost_by_a_kill(folder: Path) -> None:
    """After kill -9 in the middle of mining, every block that was returned is on the best chain, three times over."""
    said: dict[int, bytes] = {}
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", MINER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as miner:
            assert miner.stdout is not None
            for _ in range(20):
                height, block_hash = miner.stdout.readline().split()
                said[int(height)] = bytes.fromhex(block_hash)
            miner.send_signal(signal.SIGKILL)
            rest = [line.split() for line in miner.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
            said.update({int(height): bytes.fromhex(block_hash) for height, block_hash in rest})
        reopened = LocalRegtest(folder)
        assert said == {height: reopened.block_hash(height) for height in said}
        assert reopened.tip().height in {len(said), len(said) + 1}
        said[reopened.tip().height] = reopened.tip().hash
        reopened.close()


def test_a_block_that_a_power_cut_tore_is_forgotten(regtest: LocalRegtest, folder: Path) -> None:
    """Half a block at the end of the file is cut off, and mining goes on from the block before."""
    before = regtest.tip()
    regtest.mine()
    regtest.close()
    blocks = folder / "blocks"
    blocks.write_bytes(blocks.read_bytes()[:-100])
    again = LocalRegtest(folder)
    assert before == again.tip()
    again.mine()
    assert before.height + 1 == again.tip().height
    again.close()


def test_a_damaged_block_is_not_forgiven(regtest: LocalRegtest, folder: Path) -> None:
    """A byte that changed is corruption, not a power cut, and the folder can be opened by nobody else meanwhile."""
    regtest.close()
    blocks = folder / "blocks"
    raw = bytearray(blocks.read_bytes())
    raw[1_000] ^= 1
    blocks.write_bytes(raw)
    for _ in range(2):  # the second time shows that the first has released the lock
        with pytest.raises(StorageCorruptError, match="blocks"):
            LocalRegtest(folder)


def test_a_block_without_its_parent_is_corruption(regtest: LocalRegtest, folder: Path) -> None:
    """A file from which a block was taken out is refused by the kernel, not repaired."""
    regtest.close()
    file = RecordFile(folder / "blocks")
    file.replace([*file.records[:50], *file.records[51:]])
    file.close()
    with pytest.raises(StorageCorruptError, match="expected block 50 to be valid"):
        LocalRegtest(folder)


# One user at a time


def test_a_second_user_is_told_which_folder_is_busy(regtest: LocalRegtest, folder: Path) -> None:
    """A folder has one user at a time, in this process or another; a closed one is free."""
    with pytest.raises(StorageBusyError, match=str(folder)):
        LocalRegtest(folder)
    opening = (
        f"from pathlib import Path; from anchor.bitcoin.local import LocalRegtest; LocalRegtest(Path({str(folder)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", opening], cwd=ROOT, capture_output=True, text=True, check=False)
    assert f"StorageBusyError: {folder}: expected to be the only user" in done.stderr
    regtest.close()
    LocalRegtest(folder).close()


def test_block_files_that_cannot_be_written_are_named(folder: Path) -> None:
    """Where the kernel has no room for its files (here: a file in their place), one of our errors names the folder."""
    (folder / "kernel").parent.mkdir(parents=True, exist_ok=True)
    (folder / "kernel").write_bytes(b"in the way")
    with pytest.raises(StorageError, match=f"{folder}: expected room for the embedded regtest's block files"):
        LocalRegtest(folder)
    (folder / "kernel").unlink()
    LocalRegtest(folder).close()


def test_a_closed_regtest_says_so(regtest: LocalRegtest) -> None:
    """After closing, no method answers from what is no longer held."""
    regtest.close()
    for ask in (regtest.tip, regtest.mine, lambda: regtest.observe(bytes(32))):
        with pytest.raises(SourceUnavailableError, match="closed"):
            ask()


def test_threads_do_not_disturb_each_other(regtest: LocalRegtest) -> None:
    """Several threads that mine and look at once get a chain without gaps."""
    start = regtest.tip().height
    found: list[int] = []

    def work() -> None:
        for _ in range(10):
            found.extend(block.height for block in regtest.mine())
            regtest.unspent(WALLET.script)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(range(start + 1, start + 41)) == sorted(found)


def test_the_kernel_is_silent(folder: Path) -> None:
    """Neither output has a line of libbitcoinkernel's log."""
    script = f"""
from pathlib import Path
from anchor.bitcoin.local import LocalRegtest
regtest = LocalRegtest(Path({str(folder)!r}))
regtest.mine(3)
regtest.reorg(2)
regtest.close()
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ("", "") == (done.stdout, done.stderr)


# The clock


def test_block_times_follow_the_clock_and_never_stand_still(folder: Path) -> None:
    """A block has the clock's time, or one above the median before it where the clock stands or goes back."""
    now = 1_700_000_000.9
    regtest = LocalRegtest(folder, now_s=lambda: now)
    regtest.mine(12)
    now -= 10_000
    regtest.mine(3)
    headers = [regtest.header(block_hash(regtest, height)) for height in range(1, 16)]
    times = [Header.decode(raw).time_s for raw in headers if raw is not None]
    assert 15 == len(times)
    assert 1_700_000_000 == times[0]
    for at in range(11, 15):
        assert times[at] > sorted(times[at - 11 : at])[5]
    regtest.close()


def block_hash(regtest: LocalRegtest, height: int) -> bytes:
    """Return the hash of a block that is there."""
    found = regtest.block_hash(height)
    assert found is not None
    return found


def test_a_clock_far_ahead_makes_no_block(folder: Path) -> None:
    """A block more than two hours ahead is not kept, and mining goes on when the clock is right."""
    ahead = 3 * 60 * 60.0
    regtest = LocalRegtest(folder, now_s=lambda: time.time() + ahead)
    with pytest.raises(ClockError, match="set the clock right"):
        regtest.mine()
    assert 0 == regtest.tip().height
    ahead = 0.0
    regtest.mine()
    regtest.close()
    again = LocalRegtest(folder)
    assert 1 == again.tip().height
    again.close()


def test_blocks_ahead_of_a_clock_that_went_back_are_not_corruption(
    regtest: LocalRegtest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this machine's clock is set back, the stored blocks lie in the future: the clock is named, not the file."""
    regtest.close()
    right = time.time()
    monkeypatch.setattr(time, "time", lambda: right - 3 * 60 * 60)
    with pytest.raises(ClockError, match="two hours ahead"):
        LocalRegtest(folder)


# Blocks


def test_another_implementation_accepts_the_blocks(regtest: LocalRegtest, folder: Path) -> None:
    """The checks of btclib hold for every block: Merkle root, witness commitment, work, height."""
    raw, transaction = anchor(the_coin(regtest))
    regtest.broadcast(raw)
    regtest.mine()
    (thread_coin,) = regtest.unspent(WALLET.script)
    regtest.broadcast(anchor(thread_coin)[0])
    regtest.mine(60)  # over the first halving, at 150
    regtest.close()
    file = RecordFile(folder / "blocks")
    file.close()
    for height, each in enumerate(file.records, start=1):
        block = Block.parse(each, check_validity=False)
        block.assert_valid(pow_limit_bits=bytes.fromhex("207fffff"))
        block.assert_valid_coinbase_height(height)
        block.assert_valid_witness_commitment()
        assert each == block.serialize(check_validity=False)
    assert [transaction.txid[::-1]] == [
        tx.id for tx in Block.parse(file.records[101], check_validity=False).transactions[1:]
    ]


def test_fees_go_to_the_miner(regtest: LocalRegtest) -> None:
    """The coinbase pays the subsidy and the fees, to the script that was asked for."""
    raw, _ = anchor(the_coin(regtest), rate=3.0)
    regtest.broadcast(raw)
    script = b"\x00\x14" + b"\x05" * 20
    regtest.mine(1, script)
    (coinbase,) = regtest.unspent(script)
    assert 50 * 100_000_000 + fee_sat(1, 3.0) == coinbase.value_sat


def test_a_reorganisation_can_go_back_to_the_genesis_block(folder: Path) -> None:
    """The whole chain can be replaced."""
    regtest = LocalRegtest(folder)
    old = regtest.mine(5)
    tip = regtest.reorg(5)
    assert (6, tip) == (tip.height, regtest.tip())
    assert not [each for each in old if regtest.block_hash(each.height) == each.hash]
    regtest.close()


# What the mempool refuses


def test_an_input_twice_is_refused(regtest: LocalRegtest) -> None:
    """A transaction cannot spend a coin twice."""
    coin = the_coin(regtest)
    _, good = anchor(coin)
    doubled = replace(good, inputs=good.inputs * 2)
    assert -26 == refused(regtest, doubled, [coin, coin]).code


def _with_two_data_outputs(good: Transaction) -> Transaction:
    return replace(good, outputs=(*good.outputs, good.outputs[1]))


def _with_a_large_data_output(good: Transaction) -> Transaction:
    return replace(good, outputs=(good.outputs[0], TxOutput(0, b"\x6a\x4c\x51" + bytes(81))))


def _of_version_4(good: Transaction) -> Transaction:
    return replace(good, version=4)


def _paying_too_much(good: Transaction) -> Transaction:
    return replace(good, outputs=(replace(good.outputs[0], value_sat=51 * 100_000_000), good.outputs[1]))


def _paying_more_than_exists(good: Transaction) -> Transaction:
    return replace(good, outputs=(replace(good.outputs[0], value_sat=1 << 63), good.outputs[1]))


def _locked_by_height(good: Transaction) -> Transaction:
    return replace(good, lock_time=102)


def _locked_by_time(good: Transaction) -> Transaction:
    return replace(good, lock_time=4_000_000_000)


def _locked_relatively(good: Transaction) -> Transaction:
    return replace(good, inputs=(replace(good.inputs[0], sequence=5),))


@pytest.mark.parametrize(
    "change",
    [
        _with_two_data_outputs,
        _with_a_large_data_output,
        _of_version_4,
        _paying_too_much,
        _paying_more_than_exists,
        _locked_by_height,
        _locked_by_time,
        _locked_relatively,
    ],
)
def test_a_transaction_that_would_not_be_mined_is_refused(
    regtest: LocalRegtest, change: Callable[[Transaction], Transaction]
) -> None:
    """Each of these is refused with -26, and mining goes on."""
    coin = the_coin(regtest)
    _, good = anchor(coin)
    assert -26 == refused(regtest, change(good), [coin]).code
    regtest.mine()
    assert coin == the_coin(regtest)


def test_a_data_output_of_83_bytes_is_taken(regtest: LocalRegtest) -> None:
    """The limit that most nodes have: 80 bytes of data."""
    coin = the_coin(regtest)
    _, good = anchor(coin, rate=5.0)
    largest = replace(good, outputs=(good.outputs[0], TxOutput(0, b"\x6a\x4c\x50" + bytes(80))))
    regtest.broadcast(WALLET.sign(largest, [coin]))
    regtest.mine()
    assert isinstance(regtest.observe(largest.txid), InBlock)


def test_a_lock_time_that_has_come_is_taken(regtest: LocalRegtest) -> None:
    """A transaction locked until the tip's height can be in the next block."""
    coin = the_coin(regtest)
    _, good = anchor(coin)
    due = replace(good, lock_time=101)
    regtest.broadcast(WALLET.sign(due, [coin]))
    regtest.mine()
    assert isinstance(regtest.observe(due.txid), InBlock)


def test_a_coinbase_is_not_broadcast(regtest: LocalRegtest) -> None:
    """A coinbase is valid in its block only."""
    coin = the_coin(regtest)
    regtest.broadcast(coin.transaction)  # known: it is in a block
    other = Transaction.decode(coin.transaction, 1_000)
    with pytest.raises(RejectedError) as caught:
        regtest.broadcast(replace(other, lock_time=1).encode())
    assert -26 == caught.value.code


def test_a_replacement_pays_for_the_whole_line(regtest: LocalRegtest) -> None:
    """To replace an anchor that another spends, the fees of both and of oneself are due, to the satoshi."""
    coin = the_coin(regtest)
    first, one = anchor(coin, 2.0)
    regtest.broadcast(first)
    second, two = anchor(the_coin(regtest), 3.0)
    regtest.broadcast(second)
    size = read_signed(first).virtual_size
    due = fee_sat(1, 2.0) + fee_sat(1, 3.0) + size
    cheap = build_anchor([coin], WALLET.script, PAYLOAD, due - 2, 1_000)
    assert -26 == refused(regtest, cheap, [coin]).code
    enough = build_anchor([coin], WALLET.script, PAYLOAD, due, 1_000)
    regtest.broadcast(WALLET.sign(enough, [coin]))
    assert [Missing(), Missing(), InMempool()] == [regtest.observe(each.txid) for each in (one, two, enough)]


def test_a_replacement_cannot_spend_what_it_replaces(regtest: LocalRegtest) -> None:
    """A transaction that conflicts with its own parent is refused."""
    coin = the_coin(regtest)
    first, one = anchor(coin)
    regtest.broadcast(first)
    child = the_coin(regtest)
    both = build_anchor([coin, child], WALLET.script, PAYLOAD, 50_000, 1_000)
    assert -26 == refused(regtest, both, [coin, child]).code
    assert InMempool() == regtest.observe(one.txid)


def test_the_payload_output_cannot_be_spent(regtest: LocalRegtest) -> None:
    """A data output is no coin, in the mempool or in a block."""
    raw, transaction = anchor(the_coin(regtest))
    regtest.broadcast(raw)
    spending = replace(transaction, inputs=(replace(transaction.inputs[0], previous=OutPoint(transaction.txid, 1)),))
    for _ in range(2):
        with pytest.raises(RejectedError) as caught:
            regtest.broadcast(spending.encode())
        assert -25 == caught.value.code
        regtest.mine()


def test_what_a_lost_coin_paid_for_is_forgotten(regtest: LocalRegtest) -> None:
    """After a reorganisation that took a coinbase away, what spent it leaves the mempool, and so does its child."""
    raw, transaction = anchor(the_coin(regtest))
    regtest.broadcast(raw)
    child, grandchild = anchor(the_coin(regtest))
    regtest.broadcast(child)
    regtest.reorg(regtest.tip().height)  # the block that funded the wallet is replaced too
    assert [Missing(), Missing()] == [regtest.observe(each.txid) for each in (transaction, grandchild)]
    assert [] == regtest.unspent(WALLET.script)
    regtest.mine()


def test_a_signed_transaction_knows_its_sizes_and_hashes(regtest: LocalRegtest) -> None:
    """Weight, virtual size, txid and witness txid are those that btclib computes."""
    raw, _ = anchor(the_coin(regtest))
    signed, referee = read_signed(raw), Tx.parse(raw)
    assert (referee.weight, referee.vsize) == (signed.weight, signed.virtual_size)
    assert (referee.id, referee.hash) == (signed.txid[::-1], signed.wtxid[::-1])


def test_anyone_can_spend_an_unasked_coinbase(regtest: LocalRegtest) -> None:
    """Blocks mined without a script pay to OP_TRUE, whose coins need no signature."""
    coin = next(each for each in regtest.unspent(ANYONE) if regtest.tip().height - (each.height or 0) >= 99)
    spending = build_anchor([coin], WALLET.script, PAYLOAD, 1_000, 1_000)
    regtest.broadcast(spending.encode())
    regtest.mine()
    assert isinstance(regtest.observe(spending.txid), InBlock)
