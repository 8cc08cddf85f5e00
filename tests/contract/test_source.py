"""One suite for every Bitcoin source: what the protocol ``Source`` promises, on real blocks with real signatures.

The sources come from ``conftest.py``: the embedded regtest, a bitcoind without indexes, and one with them. Whoever
adds a source adds it there and has its tests.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, replace

import pytest

from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.protocols import Coin, InBlock, InMempool, Missing
from anchor.bitcoin.transaction import build_anchor, choose_inputs, fee_sat, funding_coins, virtual_size
from anchor.bitcoin.wallet import Wallet
from anchor.errors import RejectedError
from anchor.proof.bitcoin.anchor import BitcoinAnchor, check_anchor_header, check_anchor_transaction
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.payload import encode_payload, find_payload
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxOutput, strip_witness
from anchor.proof.errors import Reason, VerificationError
from tests.contract.conftest import World

REGTEST = NETWORKS["regtest"]
PAYLOAD = encode_payload(7, bytes(range(32)))
OTHER_SCRIPT = b"\x00\x14" + bytes(20)
UNKNOWN = b"\x11" * 32


@pytest.fixture
def wallet() -> Wallet:
    """A wallet that no other test has."""
    return Wallet.generate(REGTEST, os.urandom(16))


@pytest.fixture
def funding(world: World, wallet: Wallet) -> Coin:
    """One mature coin of the wallet's, and nothing else."""
    world.mine(1, wallet.script)
    world.mine(100, OTHER_SCRIPT)
    (coin,) = world.source.unspent(wallet.script)
    return coin


def signed_anchor(wallet: Wallet, coins: Sequence[Coin], rate_sat_per_vb: float = 2.0) -> tuple[bytes, Transaction]:
    """Return an anchor that spends these coins: the raw bytes to send, and what the txid sees."""
    fee = fee_sat(len(coins), rate_sat_per_vb)
    transaction = build_anchor(coins, wallet.script, PAYLOAD, fee, REGTEST.coin_floor_sat)
    return wallet.sign(transaction, coins), transaction


def place_of(world: World, txid: bytes) -> InBlock:
    """Return where a transaction is that must be in a block."""
    found = world.source.observe(txid)
    assert isinstance(found, InBlock)
    return found


# Headers


def test_a_regtest_source_is_on_regtest(world: World) -> None:
    """The genesis hash of the source is regtest's."""
    world.source.check_network()
    assert REGTEST.genesis_hash == world.source.block_hash(0)


def test_the_tip_is_the_last_block_and_its_header_links_to_the_one_before(world: World) -> None:
    """Tip, hash by height and header agree with each other."""
    world.mine(3, OTHER_SCRIPT)
    tip = world.source.tip()
    raw = world.source.header(tip.hash)
    assert raw is not None
    header = Header.decode(raw)
    assert tip.hash == header.hash
    assert tip.hash == world.source.block_hash(tip.height)
    assert header.previous == world.source.block_hash(tip.height - 1)


def test_nothing_is_above_the_tip(world: World) -> None:
    """A height above the tip has no hash, and an unknown block no header."""
    assert world.source.block_hash(world.source.tip().height + 1) is None
    assert world.source.header(UNKNOWN) is None


def test_a_block_says_how_many_transactions_it_holds(world: World, wallet: Wallet, funding: Coin) -> None:
    """An empty block has its coinbase, one with an anchor two; an unknown block is none."""
    raw, _ = signed_anchor(wallet, [funding])
    assert 1 == world.source.transaction_count(world.source.tip().hash)
    world.source.broadcast(raw)
    world.mine(1, OTHER_SCRIPT)
    assert 2 == world.source.transaction_count(world.source.tip().hash)
    assert world.source.transaction_count(UNKNOWN) is None


@pytest.mark.parametrize("count", [1, 9, 10, 11, 25])
def test_many_headers_are_those_that_are_there_one_by_one(world: World, count: int) -> None:
    """From any height on, in order, as many as are wanted; each is its block's own."""
    world.mine(26, OTHER_SCRIPT)
    first = world.source.tip().height - 24
    hashes = [world.source.block_hash(height) for height in range(first, first + count)]
    headers = world.source.headers_from(first, count)
    assert hashes == [Header.decode(raw).hash for raw in headers]
    assert [world.source.header(block_hash) for block_hash in hashes if block_hash] == headers


def test_headers_end_at_the_tip_and_begin_at_genesis(world: World) -> None:
    """Fewer than wanted where the chain ends; none above it; block 0 is one like any other."""
    world.mine(3, OTHER_SCRIPT)
    tip = world.source.tip().height
    assert 3 == len(world.source.headers_from(tip - 2, 2_000))
    assert [] == world.source.headers_from(tip + 1, 10)
    assert [] == world.source.headers_from(tip, 0)
    assert [REGTEST.genesis_hash] == [Header.decode(raw).hash for raw in world.source.headers_from(0, 1)]


def test_a_replaced_block_keeps_its_header_and_loses_its_height(world: World) -> None:
    """A block that a reorganisation removed is still known by hash, not by height."""
    world.mine(2, OTHER_SCRIPT)
    old = world.source.tip()
    world.reorg(1)
    assert world.source.header(old.hash) is not None
    assert world.source.block_hash(old.height) != old.hash
    assert world.source.tip().height == old.height + 1


# Transactions


def test_an_anchor_goes_from_nowhere_through_the_mempool_into_a_block(
    world: World, wallet: Wallet, funding: Coin
) -> None:
    """Missing, in the mempool, in a block; confirmations count from 1 and grow with each block."""
    raw, transaction = signed_anchor(wallet, [funding])
    assert Missing() == world.source.observe(transaction.txid)
    world.source.broadcast(raw)
    assert InMempool() == world.source.observe(transaction.txid)
    world.mine(1, OTHER_SCRIPT)
    tip = world.source.tip()
    assert InBlock(tip, 1) == world.source.observe(transaction.txid)
    world.mine(2, OTHER_SCRIPT)
    assert InBlock(tip, 3) == world.source.observe(transaction.txid)


def test_the_size_formula_bounds_a_real_anchor(world: World, wallet: Wallet, funding: Coin) -> None:
    """The virtual size computed before signing is that of the signed transaction, or one more for each input."""
    raw, transaction = signed_anchor(wallet, [funding])
    world.source.broadcast(raw)
    real = (3 * len(transaction.encode()) + len(raw) + 3) // 4
    assert real <= virtual_size(1) <= real + 1
    assert len(transaction.encode()) == 133


def test_an_anchor_can_be_sent_again_in_mempool_and_block(world: World, wallet: Wallet, funding: Coin) -> None:
    """Broadcasting is idempotent, even when the anchor is confirmed and its thread coin is spent."""
    first, transaction = signed_anchor(wallet, [funding])
    world.source.broadcast(first)
    world.source.broadcast(first)
    world.mine(1, OTHER_SCRIPT)
    world.source.broadcast(first)
    (thread_coin,) = world.source.unspent(wallet.script)
    second, _ = signed_anchor(wallet, [thread_coin])
    world.source.broadcast(second)
    world.mine(1, OTHER_SCRIPT)
    world.source.broadcast(first)
    assert 2 == place_of(world, transaction.txid).confirmations


def test_a_block_proves_its_anchor(world: World, wallet: Wallet, funding: Coin) -> None:
    """What ``prove`` returns passes the verifier's steps 10, 11 and 12."""
    raw, transaction = signed_anchor(wallet, [funding])
    world.source.broadcast(raw)
    world.mine(2, OTHER_SCRIPT)
    block = place_of(world, transaction.txid).block
    proof = world.source.prove(transaction.txid, block.hash)
    assert proof is not None
    anchor = BitcoinAnchor(**asdict(proof))
    assert transaction == check_anchor_transaction(anchor)
    assert block.hash == check_anchor_header(anchor, REGTEST.rules).hash
    assert block.height == proof.height
    assert 7 == find_payload(transaction).tree_size


def test_a_proof_with_another_transaction_does_not_verify(world: World, wallet: Wallet, funding: Coin) -> None:
    """A proof is of its own transaction: with one byte of it changed, the verifier refuses."""
    raw, transaction = signed_anchor(wallet, [funding])
    world.source.broadcast(raw)
    world.mine(1, OTHER_SCRIPT)
    proof = world.source.prove(transaction.txid, world.source.tip().hash)
    assert proof is not None
    changed = bytearray(proof.transaction)
    changed[-10] ^= 1
    anchor = BitcoinAnchor(**asdict(replace(proof, transaction=bytes(changed))))
    with pytest.raises(VerificationError) as refused:
        check_anchor_transaction(anchor)
    assert Reason.BRANCH_WRONG == refused.value.reason


def test_a_block_without_the_transaction_proves_nothing(world: World, wallet: Wallet, funding: Coin) -> None:
    """There is no proof in another block, in an unknown one, and of an unknown transaction."""
    raw, transaction = signed_anchor(wallet, [funding])
    world.source.broadcast(raw)
    world.mine(1, OTHER_SCRIPT)
    tip = world.source.tip()
    before = world.source.block_hash(tip.height - 1)
    assert before is not None
    assert world.source.prove(transaction.txid, before) is None
    assert world.source.prove(transaction.txid, UNKNOWN) is None
    assert world.source.prove(UNKNOWN, tip.hash) is None


def test_a_reorganised_anchor_returns_to_the_mempool_and_is_mined_again(
    world: World, wallet: Wallet, funding: Coin
) -> None:
    """A reorganisation takes an anchor out of its block; the next block takes it in, under another hash."""
    raw, transaction = signed_anchor(wallet, [funding])
    world.source.broadcast(raw)
    world.mine(2, OTHER_SCRIPT)
    old = place_of(world, transaction.txid).block
    world.reorg(2)
    assert InMempool() == world.source.observe(transaction.txid)
    world.mine(1, OTHER_SCRIPT)
    assert InBlock(world.source.tip(), 1) == world.source.observe(transaction.txid)
    assert old != place_of(world, transaction.txid).block


def test_a_line_of_anchors_survives_a_reorganisation(world: World, wallet: Wallet, funding: Coin) -> None:
    """Anchors that spend one another come back together and are mined together."""
    first, one = signed_anchor(wallet, [funding])
    world.source.broadcast(first)
    world.mine(1, OTHER_SCRIPT)
    (thread_coin,) = world.source.unspent(wallet.script)
    second, two = signed_anchor(wallet, [thread_coin])
    world.source.broadcast(second)
    world.mine(1, OTHER_SCRIPT)
    world.reorg(2)
    assert [InMempool(), InMempool()] == [world.source.observe(each.txid) for each in (one, two)]
    world.mine(1, OTHER_SCRIPT)
    assert place_of(world, one.txid) == place_of(world, two.txid)


# Refusals


def test_a_double_spend_of_a_confirmed_coin_is_refused(world: World, wallet: Wallet, funding: Coin) -> None:
    """A coin that the best chain has spent cannot be spent again: -25."""
    first, _ = signed_anchor(wallet, [funding])
    world.source.broadcast(first)
    world.mine(1, OTHER_SCRIPT)
    again, _ = signed_anchor(wallet, [funding], rate_sat_per_vb=9.0)
    with pytest.raises(RejectedError) as refused:
        world.source.broadcast(again)
    assert -25 == refused.value.code


def test_a_replacement_must_pay_more(world: World, wallet: Wallet, funding: Coin) -> None:
    """A second spend of a coin in the mempool is refused at the same fee (-26) and replaces at a higher one."""
    first, one = signed_anchor(wallet, [funding], rate_sat_per_vb=2.0)
    world.source.broadcast(first)
    same_fee = replace(
        one, outputs=(one.outputs[0], replace(one.outputs[1], script=one.outputs[1].script[:-1] + b"\xee"))
    )
    with pytest.raises(RejectedError) as refused:
        world.source.broadcast(wallet.sign(same_fee, [funding]))
    assert -26 == refused.value.code
    dearer, two = signed_anchor(wallet, [funding], rate_sat_per_vb=4.0)
    world.source.broadcast(dearer)
    assert [Missing(), InMempool()] == [world.source.observe(each.txid) for each in (one, two)]
    world.mine(1, OTHER_SCRIPT)
    assert [Missing(), InBlock(world.source.tip(), 1)] == [world.source.observe(each.txid) for each in (one, two)]


def test_a_replacement_must_also_pay_a_higher_rate(world: World, wallet: Wallet) -> None:
    """More satoshi for many more bytes do not replace a small transaction that is dearer by the byte: -26."""
    world.mine(2, wallet.script)
    world.mine(100, OTHER_SCRIPT)
    coins = world.source.unspent(wallet.script)
    small, _ = signed_anchor(wallet, coins[:1], rate_sat_per_vb=20.0)
    world.source.broadcast(small)
    large, _ = signed_anchor(wallet, coins, rate_sat_per_vb=17.0)
    assert fee_sat(2, 17.0) > fee_sat(1, 20.0) + virtual_size(2)
    with pytest.raises(RejectedError) as refused:
        world.source.broadcast(large)
    assert -26 == refused.value.code
    larger, transaction = signed_anchor(wallet, coins, rate_sat_per_vb=21.0)
    world.source.broadcast(larger)
    assert InMempool() == world.source.observe(transaction.txid)


def test_a_changed_signature_is_refused(world: World, wallet: Wallet, funding: Coin) -> None:
    """A transaction that its signature does not fit is refused with -26."""
    raw, transaction = signed_anchor(wallet, [funding])
    forged = replace(transaction, outputs=(replace(transaction.outputs[0], value_sat=50_000), transaction.outputs[1]))
    body = forged.encode()
    witness = raw[len(body) - 2 : -4]
    with pytest.raises(RejectedError) as refused:
        world.source.broadcast(body[:4] + b"\x00\x01" + body[4:-4] + witness + body[-4:])
    assert -26 == refused.value.code


def test_a_signature_of_another_key_is_refused(world: World, wallet: Wallet, funding: Coin) -> None:
    """Someone else's key does not spend our coin, whatever it signs."""
    thief = Wallet.generate(REGTEST, os.urandom(16))
    raw, transaction = signed_anchor(wallet, [funding])
    signature = thief._key.sign(bytes(32)).serialize() + b"\x01"
    body = transaction.encode()
    witness = b"\x02" + bytes([len(signature)]) + signature + b"\x21" + thief.public_key
    with pytest.raises(RejectedError) as refused:
        world.source.broadcast(body[:4] + b"\x00\x01" + body[4:-4] + witness + body[-4:])
    assert -26 == refused.value.code
    world.source.broadcast(raw)


def test_a_coinbase_is_not_spent_before_it_is_mature(world: World, wallet: Wallet) -> None:
    """A coin of the newest block's coinbase is refused with -26 until 100 blocks are on it."""
    world.mine(1, wallet.script)
    (coin,) = world.source.unspent(wallet.script)
    raw, transaction = signed_anchor(wallet, [coin])
    world.mine(98, OTHER_SCRIPT)
    with pytest.raises(RejectedError) as refused:
        world.source.broadcast(raw)
    assert -26 == refused.value.code
    world.mine(1, OTHER_SCRIPT)
    world.source.broadcast(raw)
    assert InMempool() == world.source.observe(transaction.txid)


def test_a_fee_below_the_relay_fee_is_refused(world: World, wallet: Wallet, funding: Coin) -> None:
    """A transaction without a fee is not relayed: -26."""
    raw, _ = signed_anchor(wallet, [funding], rate_sat_per_vb=0.0)
    with pytest.raises(RejectedError) as refused:
        world.source.broadcast(raw)
    assert -26 == refused.value.code


def test_dust_is_refused(world: World, wallet: Wallet, funding: Coin) -> None:
    """An output of 293 sat to a P2WPKH script is refused with -26, one of 294 is taken."""
    _, anchor = signed_anchor(wallet, [funding])
    kept = replace(anchor.outputs[0], value_sat=anchor.outputs[0].value_sat - 1_000)

    def with_output_of(value_sat: int) -> bytes:
        outputs = (kept, anchor.outputs[1], TxOutput(value_sat, OTHER_SCRIPT))
        return wallet.sign(replace(anchor, outputs=outputs), [funding])

    with pytest.raises(RejectedError) as refused:
        world.source.broadcast(with_output_of(293))
    assert -26 == refused.value.code
    world.source.broadcast(with_output_of(294))


@pytest.mark.parametrize("raw", [b"", b"\x00", bytes(100), b"\xff" * 300])
def test_bytes_that_are_no_transaction_are_refused(world: World, raw: bytes) -> None:
    """Whatever is not a transaction is refused with -22."""
    with pytest.raises(RejectedError) as refused:
        world.source.broadcast(raw)
    assert -22 == refused.value.code


# Coins


def test_a_coin_says_what_it_is(world: World, wallet: Wallet) -> None:
    """An unspent output comes with value, height, kind and the transaction that made it."""
    world.mine(1, wallet.script)
    tip = world.source.tip()
    (coin,) = world.source.unspent(wallet.script)
    maker = Transaction.decode(coin.transaction, len(coin.transaction))
    assert OutPoint(maker.txid, 0) == coin.outpoint
    assert (maker.outputs[0].value_sat, wallet.script) == (coin.value_sat, maker.outputs[0].script)
    assert (tip.height, True) == (coin.height, coin.coinbase)


def test_nothing_is_unspent_for_a_script_that_nobody_paid(world: World, wallet: Wallet) -> None:
    """A fresh wallet is empty."""
    assert [] == world.source.unspent(wallet.script)


def test_the_thread_coin_moves_with_each_anchor(world: World, wallet: Wallet, funding: Coin) -> None:
    """What the mempool spends is not unspent; what it makes is, without a height until it is mined."""
    raw, transaction = signed_anchor(wallet, [funding])
    world.source.broadcast(raw)
    expected = Coin(
        OutPoint(transaction.txid, 0),
        transaction.outputs[0].value_sat,
        None,
        coinbase=False,
        transaction=strip_witness(raw),
    )
    assert [expected] == world.source.unspent(wallet.script)
    world.mine(1, OTHER_SCRIPT)
    assert [replace(expected, height=world.source.tip().height)] == world.source.unspent(wallet.script)


def test_the_spender_is_named_in_mempool_and_block(world: World, wallet: Wallet, funding: Coin) -> None:
    """An outpoint is unspent, then spent by a named transaction, which a block does not change."""
    assert world.source.spender(funding.outpoint) is None
    raw, transaction = signed_anchor(wallet, [funding])
    world.source.broadcast(raw)
    assert transaction.txid == world.source.spender(funding.outpoint)
    assert world.source.spender(OutPoint(transaction.txid, 0)) is None
    world.mine(2, OTHER_SCRIPT)
    assert transaction.txid == world.source.spender(funding.outpoint)
    assert world.source.spender(OutPoint(transaction.txid, 0)) is None


def test_an_output_that_never_was_has_a_nameless_spender(world: World, funding: Coin) -> None:
    """What the source does not know as unspent, and cannot name a spender of, answers with 32 zero bytes."""
    assert bytes(32) == world.source.spender(OutPoint(UNKNOWN, 0))
    assert bytes(32) == world.source.spender(OutPoint(funding.outpoint.txid, 7))


def test_a_regtest_has_no_fee_estimate(world: World) -> None:
    """Where there is no market, there is no estimate."""
    assert world.source.fee_rate_sat_per_vb(6) is None


def test_top_ups_are_spent_with_the_thread_coin(world: World, wallet: Wallet) -> None:
    """Several coins make one anchor, in the order that was chosen, and its value is theirs less the fee."""
    world.mine(3, wallet.script)
    world.mine(100, OTHER_SCRIPT)
    coins = funding_coins(world.source.unspent(wallet.script), world.source.tip().height, REGTEST)
    inputs = choose_inputs(coins[0], coins[1:], 2.0)
    raw, transaction = signed_anchor(wallet, inputs)
    world.source.broadcast(raw)
    world.mine(1, OTHER_SCRIPT)
    (thread_coin,) = world.source.unspent(wallet.script)
    assert [coin.outpoint for coin in inputs] == [spent.previous for spent in transaction.inputs]
    assert sum(coin.value_sat for coin in coins) - fee_sat(3, 2.0) == thread_coin.value_sat


def test_closing_may_be_repeated(world: World) -> None:
    """Closing twice is harmless."""
    world.source.close()
    world.source.close()
