"""Tests of ``anchor.bitcoin.agreeing``: mirrors of one embedded regtest that are silent, behind, mistaken or lying.

The blocks, transactions and proofs are real (libbitcoinkernel's); a ``Mirror`` only hides or replaces some of them.
That agreeing sources are a source like any other is tested in ``tests/contract/test_source.py``.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from anchor.bitcoin.agreeing import LAG_BLOCKS, AgreeingSource
from anchor.bitcoin.local import LocalRegtest
from anchor.bitcoin.networks import NETWORKS, Network
from anchor.bitcoin.protocols import BlockId, Coin, InBlock, InMempool, Missing, Observation, Source
from anchor.bitcoin.transaction import build_anchor, fee_sat
from anchor.bitcoin.wallet import Wallet
from anchor.errors import (
    DisagreementError,
    RejectedError,
    SettingsError,
    SourceError,
    SourceUnavailableError,
    WrongNetworkError,
)
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.payload import encode_payload
from anchor.proof.bitcoin.transaction import OutPoint, Transaction
from anchor.proof.errors import VerificationError

REGTEST = NETWORKS["regtest"]
WALLET = Wallet.generate(REGTEST, bytes(range(16)))
LIE = b"\x11" * 32
STRANGER = b"\x22" * 32


@dataclass
class Mirror:
    """A source that shows a regtest, less or differently than it is.

    ``hidden`` of the newest blocks are not there yet; ``down`` answers nothing; ``lies`` replaces block hashes by
    height; ``wrong`` answers nonsense to every question; the other fields replace single answers.
    """

    truth: Source
    hidden: int = 0
    down: bool = False
    wrong: bool = False
    lies: dict[int, bytes] = field(default_factory=dict)
    claimed_height: int | None = None
    refusal: int | None = None
    forgets_mempool: bool = False
    pruned: bool = False
    spent_by: bytes | None = None
    rate: float | None = None
    least: float | None = None
    counts: int | None = None
    network: Network = REGTEST
    edit_proof: bytes | None = None
    edited_headers: dict[int, bytes] = field(default_factory=dict)

    def _check_up(self) -> None:
        if self.down:
            raise SourceUnavailableError("mirror: down")
        if self.wrong:
            raise SourceError("mirror: nonsense")

    def _height(self) -> int:
        return self.truth.tip().height - self.hidden

    def check_network(self) -> None:
        self._check_up()
        if 0 in self.lies:
            raise WrongNetworkError("mirror: another genesis block")

    def tip(self) -> BlockId:
        self._check_up()
        height = self._height()
        found = self.block_hash(height)
        assert found is not None
        return BlockId(height if self.claimed_height is None else self.claimed_height, found)

    def block_hash(self, height: int) -> bytes | None:
        self._check_up()
        if height in self.lies:
            return self.lies[height]
        if self.claimed_height is not None and height > self._height():
            return LIE
        return self.truth.block_hash(height) if height <= self._height() else None

    def header(self, block_hash: bytes) -> bytes | None:
        self._check_up()
        return self.truth.header(block_hash)

    def headers_from(self, height: int, count: int) -> list[bytes]:
        self._check_up()
        headers = self.truth.headers_from(height, min(count, self._height() + 1 - height))
        return [self.edited_headers.get(at, raw) for at, raw in enumerate(headers, height)]

    def broadcast(self, raw: bytes) -> None:
        self._check_up()
        if self.refusal is not None:
            raise RejectedError(self.refusal, "mirror: refused")
        self.truth.broadcast(raw)

    def observe(self, txid: bytes) -> Observation:
        self._check_up()
        found = self.truth.observe(txid)
        if isinstance(found, InBlock):
            if found.block.height > self._height():
                return InMempool()
            block = replace(found.block, hash=self.lies.get(found.block.height, found.block.hash))
            return InBlock(block, found.confirmations - self.hidden)
        return Missing() if self.forgets_mempool else found

    def prove(self, txid: bytes, block_hash: bytes) -> BitcoinAnchor | None:
        self._check_up()
        proof = self.truth.prove(txid, block_hash)
        if proof is None or self.edit_proof is None:
            return proof
        return replace(proof, coinbase=self.edit_proof)

    def transaction_count(self, block_hash: bytes) -> int | None:
        self._check_up()
        return self.counts or self.truth.transaction_count(block_hash)

    def unspent(self, script: bytes) -> list[Coin]:
        self._check_up()
        coins = self.truth.unspent(script)
        if self.pruned:
            coins = [replace(coin, transaction=b"") for coin in coins]
        visible = [coin for coin in coins if coin.height is None or coin.height <= self._height()]
        return [coin for coin in visible if not (self.forgets_mempool and coin.height is None)]

    def spender(self, outpoint: OutPoint) -> bytes | None:
        self._check_up()
        return self.spent_by or self.truth.spender(outpoint)

    def fee_rate_sat_per_vb(self, target_blocks: int) -> float | None:
        self._check_up()
        return self.rate

    def least_rate_sat_per_vb(self) -> float | None:
        self._check_up()
        return self.least

    def close(self) -> None:
        self.truth.close()


@pytest.fixture
def regtest(tmp_path: Path) -> Iterator[LocalRegtest]:
    """A regtest of 101 blocks with one mature coin of the wallet's."""
    made = LocalRegtest(tmp_path / "regtest")
    made.mine(1, WALLET.script)
    made.mine(100)
    yield made
    made.close()


@pytest.fixture
def mirrors(regtest: LocalRegtest) -> list[Mirror]:
    """Three mirrors, honest until a test makes one something else."""
    return [Mirror(regtest) for _ in range(3)]


def agreeing(mirrors: list[Mirror], need: int = 2) -> AgreeingSource:
    """Return the source over mirrors called a, b and c."""
    return AgreeingSource(dict(zip("abc", mirrors, strict=False)), need)


def send_anchor(source: Source, coin: Coin) -> Transaction:
    """Sign and send an anchor that spends this coin."""
    transaction = build_anchor([coin], WALLET.script, encode_payload(1, bytes(32)), fee_sat(1, 2.0), 1_000)
    source.broadcast(WALLET.sign(transaction, [coin]))
    return transaction


def anchored(regtest: LocalRegtest, depth: int = 1) -> Transaction:
    """Return an anchor with this many confirmations."""
    (coin,) = regtest.unspent(WALLET.script)
    transaction = send_anchor(regtest, coin)
    regtest.mine(depth)
    return transaction


def block_of(regtest: LocalRegtest, txid: bytes) -> BlockId:
    """Return the block of a transaction that is in one."""
    found = regtest.observe(txid)
    assert isinstance(found, InBlock)
    return found.block


# Settings


@pytest.mark.parametrize("need", [-1, 0, 4])
def test_the_number_that_must_agree_is_one_that_can(mirrors: list[Mirror], need: int) -> None:
    """From 1 to as many as there are."""
    with pytest.raises(SettingsError, match="from 1 to 3"):
        agreeing(mirrors, need)
    with pytest.raises(SettingsError):
        AgreeingSource({}, 1)


def test_sources_of_two_networks_are_refused(mirrors: list[Mirror]) -> None:
    """Sources of different networks can agree on nothing."""
    mirrors[1].network = NETWORKS["signet"]
    with pytest.raises(SettingsError, match="regtest, signet"):
        agreeing(mirrors)


def test_one_source_on_another_network_stops_everything(mirrors: list[Mirror]) -> None:
    """A wrong genesis block is never outvoted: it is a wrong setting."""
    agreeing(mirrors).check_network()
    mirrors[2].lies[0] = LIE
    with pytest.raises(WrongNetworkError):
        agreeing(mirrors).check_network()


# Silence and nonsense


@pytest.mark.parametrize("ill", ["down", "wrong"])
def test_one_of_three_may_fail(regtest: LocalRegtest, mirrors: list[Mirror], ill: str) -> None:
    """As long as two answer, every question has the answer that it would have had."""
    transaction = anchored(regtest, 3)
    block = block_of(regtest, transaction.txid)
    setattr(mirrors[0], ill, True)
    source = agreeing(mirrors)
    source.check_network()
    assert regtest.tip() == source.tip()
    assert block.hash == source.block_hash(block.height)
    assert regtest.header(block.hash) == source.header(block.hash)
    assert regtest.observe(transaction.txid) == source.observe(transaction.txid)
    assert regtest.prove(transaction.txid, block.hash) == source.prove(transaction.txid, block.hash)
    assert regtest.unspent(WALLET.script) == source.unspent(WALLET.script)
    assert source.spender(OutPoint(transaction.txid, 0)) is None
    assert source.fee_rate_sat_per_vb(6) is None


def test_a_pruned_source_still_votes_for_a_coin(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """What one has forgotten of a coin another knows, proved by its txid; where all have, it is empty."""
    anchored(regtest)
    mirrors[0].pruned = True
    assert regtest.unspent(WALLET.script) == agreeing(mirrors[:2]).unspent(WALLET.script)
    mirrors[1].pruned = True
    assert [b""] == [coin.transaction for coin in agreeing(mirrors[:2]).unspent(WALLET.script)]


@pytest.mark.parametrize(("ill", "kind"), [("down", SourceUnavailableError), ("wrong", SourceError)])
def test_two_of_three_may_not_fail(mirrors: list[Mirror], ill: str, kind: type[SourceError]) -> None:
    """With one answer of two that are needed nothing is believed, and the message says what each source said."""
    for mirror in mirrors[:2]:
        setattr(mirror, ill, True)
    source = agreeing(mirrors)
    for question in (
        source.check_network,
        source.tip,
        lambda: source.block_hash(1),
        lambda: source.header(LIE),
        lambda: source.observe(STRANGER),
        lambda: source.unspent(WALLET.script),
        lambda: source.spender(OutPoint(STRANGER, 0)),
    ):
        with pytest.raises(SourceError, match="expected 2 of 3 sources to answer, 1 did: mirror: ") as refused:
            question()
        assert kind is type(refused.value)


# Delay


@pytest.mark.parametrize("hidden", [1, LAG_BLOCKS, 50])
def test_a_lagging_mirror_is_outvoted(regtest: LocalRegtest, mirrors: list[Mirror], hidden: int) -> None:
    """Two that are level decide, however far the third is behind."""
    transaction = anchored(regtest)
    mirrors[0].hidden = hidden
    source = agreeing(mirrors)
    assert regtest.tip() == source.tip()
    assert regtest.tip().hash == source.block_hash(regtest.tip().height)
    assert regtest.observe(transaction.txid) == source.observe(transaction.txid)
    assert regtest.unspent(WALLET.script) == source.unspent(WALLET.script)


@pytest.mark.parametrize("hidden", [1, LAG_BLOCKS])
def test_of_two_the_slower_one_sets_the_pace(regtest: LocalRegtest, mirrors: list[Mirror], hidden: int) -> None:
    """Where both must agree, what only the faster one knows is not known yet, and is not believed to be missing."""
    transaction = anchored(regtest)
    mirrors[0].hidden = hidden
    source = agreeing(mirrors[:2])
    tip = regtest.tip()
    assert tip.height - hidden == source.tip().height
    assert regtest.block_hash(tip.height - hidden) == source.tip().hash
    assert source.block_hash(tip.height) is None
    with pytest.raises(SourceUnavailableError, match="wait until those behind have caught up"):
        source.observe(transaction.txid)
    assert source.prove(transaction.txid, tip.hash) is None
    mirrors[0].hidden = 0
    assert InBlock(tip, 1) == source.observe(transaction.txid)


def test_a_mirror_far_behind_is_not_believed(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """Of two that must agree one is a day behind: nothing is answered, rather than yesterday's news."""
    mirrors[0].hidden = LAG_BLOCKS + 1
    source = agreeing(mirrors[:2])
    with pytest.raises(SourceUnavailableError, match="a: height 94; b: height 101; wait"):
        source.tip()
    with pytest.raises(SourceUnavailableError, match="a: height 94; wait"):
        source.block_hash(101)


def test_confirmations_are_those_that_enough_sources_count(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """One that is ahead of the others does not make an anchor deeper."""
    transaction = anchored(regtest, 5)
    mirrors[0].hidden, mirrors[1].hidden = 1, 2
    found = agreeing(mirrors).observe(transaction.txid)
    assert isinstance(found, InBlock)
    assert 4 == found.confirmations


def test_who_claims_blocks_that_nobody_has_is_outvoted(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """A made-up height does not make the others look late, and its blocks do not exist."""
    mirrors[0].claimed_height = 1_000_000
    source = agreeing(mirrors)
    assert regtest.tip() == source.tip()
    assert source.block_hash(1_000_000) is None


# Lies


@pytest.mark.parametrize("liar", [0, 1, 2])
def test_a_lie_about_a_deep_block_is_named(regtest: LocalRegtest, mirrors: list[Mirror], liar: int) -> None:
    """Three sources, one of which lies about one block hash: the answer is its name, not the truth."""
    transaction = anchored(regtest, LAG_BLOCKS + 1)
    block = block_of(regtest, transaction.txid)
    mirrors[liar].lies[block.height] = LIE
    source = agreeing(mirrors)
    for question in (
        lambda: source.block_hash(block.height),
        lambda: source.observe(transaction.txid),
        lambda: source.prove(transaction.txid, block.hash),
    ):
        with pytest.raises(DisagreementError, match="do not trust") as refused:
            question()
        assert ("abc"[liar],) == refused.value.suspects
        assert LIE.hex() in str(refused.value)


def test_of_two_the_one_that_contradicts_itself_is_named(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """A block that is there, but not where the liar says, does not fit under the liar's own next block."""
    mirrors[1].lies[50] = regtest.block_hash(49) or b""
    with pytest.raises(DisagreementError) as refused:
        agreeing(mirrors[:2]).block_hash(50)
    assert ("b",) == refused.value.suspects


def test_one_voice_is_enough_only_where_nobody_contradicts(mirrors: list[Mirror]) -> None:
    """Also where one source is enough, a deep disagreement is not settled by majority."""
    mirrors[2].lies[50] = LIE
    with pytest.raises(DisagreementError) as refused:
        agreeing(mirrors, need=1).block_hash(50)
    assert ("c",) == refused.value.suspects


def test_another_hash_for_a_new_block_is_outvoted_or_waited_for(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """Near the tip another hash may be a fork that will pass: two against one decide, one against one wait."""
    tip = regtest.tip()
    mirrors[0].lies[tip.height] = LIE
    assert tip.hash == agreeing(mirrors).block_hash(tip.height)
    assert tip == agreeing(mirrors).tip()
    pair = agreeing(mirrors[:2])
    with pytest.raises(SourceUnavailableError, match="on one branch"):
        pair.block_hash(tip.height)
    assert BlockId(tip.height - 1, regtest.block_hash(tip.height - 1) or b"") == pair.tip()


@pytest.mark.parametrize("depth", [2, LAG_BLOCKS + 2])
def test_a_fork_is_waited_for_and_a_parting_is_not(tmp_path: Path, regtest: LocalRegtest, depth: int) -> None:
    """Two nodes on branches of two blocks agree on what is below; on branches of eight they are two histories."""
    regtest.close()
    shutil.copytree(tmp_path / "regtest", tmp_path / "other")
    one, other = LocalRegtest(tmp_path / "regtest"), LocalRegtest(tmp_path / "other")
    common = one.tip()
    one.mine(depth, b"\x51")
    other.mine(depth, b"\x52")
    source = AgreeingSource({"one": one, "other": other}, need=2)
    if depth <= LAG_BLOCKS:
        assert common == source.tip()
        with pytest.raises(SourceUnavailableError, match="on one branch"):
            source.block_hash(common.height + 1)
    else:
        with pytest.raises(DisagreementError, match="one or other") as refused:
            source.block_hash(common.height + 1)
        assert ("one", "other") == refused.value.suspects
        with pytest.raises(DisagreementError):
            source.tip()
    source.close()


def test_a_false_proof_is_never_handed_on(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """Another source's proof is taken instead; where none has a true one, the false one's source is named."""
    transaction = anchored(regtest)
    block = block_of(regtest, transaction.txid)
    honest = regtest.prove(transaction.txid, block.hash)
    assert honest is not None
    mirrors[0].edit_proof = honest.transaction
    assert honest == agreeing(mirrors).prove(transaction.txid, block.hash)
    for mirror in mirrors:
        mirror.edit_proof = honest.transaction
    with pytest.raises(SourceError, match=r"a: .*coinbase") as refused:
        agreeing(mirrors).prove(transaction.txid, block.hash)
    assert isinstance(refused.value.__cause__, SourceError)
    assert isinstance(refused.value.__cause__.__cause__, VerificationError)


def test_there_is_no_proof_of_what_is_elsewhere(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """No proof in another block, and none where nobody answers."""
    transaction = anchored(regtest)
    assert agreeing(mirrors).prove(transaction.txid, regtest.block_hash(5) or b"") is None
    for mirror in mirrors:
        mirror.down = True
    with pytest.raises(SourceUnavailableError):
        agreeing(mirrors).prove(transaction.txid, regtest.tip().hash)


def test_a_proof_of_a_block_that_left_the_chain_is_none(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """A node can still prove what a reorganisation removed; agreeing sources do not."""
    transaction = anchored(regtest)
    block = block_of(regtest, transaction.txid)
    regtest.reorg(1)
    assert regtest.prove(transaction.txid, block.hash) is not None
    assert agreeing(mirrors).prove(transaction.txid, block.hash) is None


# Sending and seeing


def test_one_that_takes_a_transaction_is_enough(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """It is on its way as soon as one node has it, whatever the others say."""
    mirrors[0].refusal, mirrors[1].down = -26, True
    (coin,) = regtest.unspent(WALLET.script)
    transaction = send_anchor(agreeing(mirrors), coin)
    assert InMempool() == regtest.observe(transaction.txid)


def test_a_refusal_counts_when_enough_refuse(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """Two refusals are one, with the code that most gave; one refusal, with the others silent, is none yet."""
    (coin,) = regtest.unspent(WALLET.script)
    for mirror, code in zip(mirrors, (-25, -26, -26), strict=True):
        mirror.refusal = code
    with pytest.raises(RejectedError) as refused:
        send_anchor(agreeing(mirrors), coin)
    assert -26 == refused.value.code
    mirrors[1].down = mirrors[2].down = True
    with pytest.raises(SourceUnavailableError, match="try later"):
        send_anchor(agreeing(mirrors), coin)


def test_a_mempool_counts_when_enough_agree(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """What one of two has forgotten is missing, and is sent again; of three, two are enough."""
    (coin,) = regtest.unspent(WALLET.script)
    transaction = send_anchor(regtest, coin)
    mirrors[0].forgets_mempool = True
    assert InMempool() == agreeing(mirrors).observe(transaction.txid)
    assert Missing() == agreeing(mirrors[:2]).observe(transaction.txid)
    assert 1 == len(agreeing(mirrors).unspent(WALLET.script))
    assert [] == agreeing(mirrors[:2]).unspent(WALLET.script)


def test_a_coin_is_as_deep_as_enough_sources_confirm(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """A coin that one of two has not seen in a block does not count; of three it does, at its height."""
    transaction = anchored(regtest)
    mirrors[0].hidden = 1
    (coin,) = agreeing(mirrors).unspent(WALLET.script)
    assert (OutPoint(transaction.txid, 0), regtest.tip().height) == (coin.outpoint, coin.height)
    assert [] == agreeing(mirrors[:2]).unspent(WALLET.script)


def test_a_spend_that_one_of_two_has_seen_counts(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """The safe side is spent: whoever is behind has not seen the spend; against two that deny it, it does not count."""
    (coin,) = regtest.unspent(WALLET.script)
    mirrors[0].spent_by = STRANGER
    assert STRANGER == agreeing(mirrors[:2]).spender(coin.outpoint)
    assert agreeing(mirrors).spender(coin.outpoint) is None
    mirrors[1].spent_by = bytes(32)
    assert STRANGER == agreeing(mirrors).spender(coin.outpoint)
    mirrors[0].spent_by = bytes(32)
    assert bytes(32) == agreeing(mirrors).spender(coin.outpoint)


@pytest.mark.parametrize(
    ("rates", "expected"),
    [((None, None, None), None), ((None, 5.0, None), 5.0), ((1.0, 9.0, None), 1.0), ((1.0, 2.0, 5_000.0), 2.0)],
)
def test_the_estimate_is_the_median(
    mirrors: list[Mirror], rates: tuple[float | None, ...], expected: float | None
) -> None:
    """One absurd estimate among three moves nothing."""
    for mirror, rate in zip(mirrors, rates, strict=True):
        mirror.rate = rate
        mirror.least = rate
    assert expected == agreeing(mirrors).fee_rate_sat_per_vb(6)
    assert expected == agreeing(mirrors).least_rate_sat_per_vb()


def test_the_number_of_a_blocks_transactions_is_the_median(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """One source that says that every block is full moves no fee; what nobody knows is None."""
    tip = regtest.tip()
    mirrors[0].counts = 4_000
    assert 1 == agreeing(mirrors).transaction_count(tip.hash)
    mirrors[0].counts = None
    mirrors[1].down = True
    assert 1 == agreeing(mirrors).transaction_count(tip.hash)
    assert agreeing(mirrors).transaction_count(STRANGER) is None


# Headers


def test_headers_come_from_whoever_has_those_that_are_agreed_on(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """A mirror that is silent, behind, or gives another header is passed over; the run is the regtest's own."""
    mirrors[0].down = True
    mirrors[1].edited_headers[50] = bytes(80)
    expected = regtest.headers_from(40, 20)
    assert expected == agreeing(mirrors, need=2).headers_from(40, 20)
    assert 20 == len(expected)


def test_headers_end_where_enough_sources_have_got_to(regtest: LocalRegtest, mirrors: list[Mirror]) -> None:
    """As the tip does; above it there are none."""
    mirrors[0].hidden = mirrors[1].hidden = 2
    assert regtest.headers_from(95, 5) == agreeing(mirrors).headers_from(95, 100)
    assert [] == agreeing(mirrors).headers_from(100, 100)


@pytest.mark.parametrize("edited", [40, 50, 59])
def test_headers_that_no_source_can_show_are_refused(regtest: LocalRegtest, mirrors: list[Mirror], edited: int) -> None:
    """The last one's hash is agreed on; a run with another header anywhere does not lead there."""
    for mirror in mirrors:
        mirror.edited_headers[edited] = regtest.headers_from(edited + 1, 1)[0]
    with pytest.raises(SourceUnavailableError, match="expected headers 40 to 59 from one of the sources"):
        agreeing(mirrors).headers_from(40, 20)


def test_a_lie_about_the_last_of_the_headers_is_named(mirrors: list[Mirror]) -> None:
    """Who says another hash deep in the chain is named, as for a single block."""
    mirrors[1].lies[59] = LIE
    with pytest.raises(DisagreementError) as lie:
        agreeing(mirrors).headers_from(40, 20)
    assert ("b",) == lie.value.suspects
