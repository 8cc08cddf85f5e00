"""The engine against a Bitcoin that fails, lags, lies and reorganises: what it signs, sends, notes and refuses."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from anchor.bitcoin.protocols import BlockId, Coin, InBlock, Missing
from anchor.bitcoin.transaction import MAX_TOP_UPS, build_anchor
from anchor.errors import (
    BehindError,
    HijackedThreadError,
    LeaseLostError,
    NoFundsError,
    RejectedError,
    SourceError,
    SourceUnavailableError,
    WrongNetworkError,
)
from anchor.fees import FEE_TARGET_BLOCKS
from anchor.journal import Attempt
from anchor.lifecycle import Event, State, news
from anchor.plan import Send, Wait
from anchor.proof.bitcoin.payload import decode_payload, encode_payload, find_payload, payload_script
from anchor.proof.bitcoin.transaction import OutPoint, TxOutput
from anchor.proof.leaves import SealLeaf, ThreadLeaf
from anchor.proof.verify import Outcome
from tests.homes import copy_home
from tests.simulators.bitcoin import SimulatedBitcoin, lost_connection, out_of_order, payment
from tests.simulators.service import (
    HOUR_MS,
    Clock,
    Service,
    coin_at,
    foreign_anchor,
    judge,
    new_service,
    restarted,
    thread_of,
)

MATURE = 101
WATCH = 100
FINAL = 6


@pytest.fixture
def service(tmp_path: Path, bitcoin: SimulatedBitcoin) -> Iterator[Service]:
    """A new home, not funded."""
    with new_service(tmp_path / "home", bitcoin) as made:
        yield made


@pytest.fixture
def anchored(service: Service, bitcoin: SimulatedBitcoin) -> Service:
    """A home with one anchor in a block, one deep."""
    fund(service, bitcoin)
    service.open_chain("acme")
    service.seal()
    service.tick()
    bitcoin.mine()
    service.tick()
    assert ["confirmed"] == service.states()
    return service


def fund(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Give the wallet one coin, deep enough to start a thread."""
    bitcoin.mine(1, service.wallet.script)
    bitcoin.mine(MATURE - 1)


def next_anchor(service: Service, *contents: bytes) -> None:
    """Record something, seal it, let an hour pass, and tick: an anchor is sent."""
    service.add("acme", *(contents or (b"more",)))
    service.clock.pass_ms(HOUR_MS)
    service.seal()
    assert isinstance(service.tick().plan, Send)


@contextmanager
def copy_of(service: Service, folder: Path, bitcoin: SimulatedBitcoin) -> Iterator[Service]:
    """Open a copy of a home as a new process on another machine does, which has noted nothing of this log."""
    with restarted(folder, bitcoin, Clock(service.clock())) as copied:
        yield copied


def backup(service: Service, folder: Path) -> Path:
    """Copy a home file by file, as a backup does that was made while nothing wrote."""
    copy_home(service.home.folder, folder)
    return folder


# --- the ordinary way


def test_nothing_is_anchored_before_the_thread_leaf_is_sealed(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Seals do not wait for money; the first coin as deep as the watch depth starts the thread, by a sealed leaf."""
    service.open_chain("acme")
    first = service.seal()
    assert first is not None
    assert Wait("the log is not funded yet: its thread has no first coin") == service.tick().plan
    fund(service, bitcoin)
    assert Wait("the log is not funded yet: its thread has no first coin") == service.tick().plan
    second = service.seal()
    assert second is not None
    assert first.size < second.size
    thread = service.home.directory.thread_leaf()
    assert thread is not None
    index, leaf = thread
    assert first.size <= index < second.size
    assert isinstance(service.tick().plan, Send)
    (attempt,) = service.attempts()
    assert leaf.outpoint == attempt.spends
    assert second.size == attempt.checkpoint_size
    payload = find_payload(attempt.transaction())
    assert (second.size, second.root) == (payload.tree_size, payload.root)


def test_funding_that_is_not_deep_enough_starts_no_thread(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A coin that a reorganisation can take away is not used: one block less than the depth is too few."""
    bitcoin.mine(1, service.wallet.script)
    bitcoin.mine(WATCH - 2)
    service.open_chain("acme")
    service.seal()
    assert service.home.directory.thread_leaf() is None
    bitcoin.mine()
    service.add("acme", b"x")
    service.seal()
    assert service.home.directory.thread_leaf() is not None


def test_seal_names_the_newest_block_that_is_six_deep(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """The lower end of the time bracket has six confirmations; a young network gives the genesis block."""
    service.open_chain("acme")
    genesis = bitcoin.network.genesis_hash
    assert (0, genesis) == sealed_block(service)
    bitcoin.mine(6)
    service.add("acme", b"x")
    assert (1, bitcoin.block_hash(1)) == sealed_block(service)
    bitcoin.mine(30)
    service.add("acme", b"y")
    assert (31, bitcoin.block_hash(31)) == sealed_block(service)


def sealed_block(service: Service) -> tuple[int, bytes]:
    sealed = service.seal()
    assert sealed is not None
    leaf = service.home.directory.leaf(sealed.size - 1)
    assert isinstance(leaf, SealLeaf)
    return leaf.block_height, leaf.block_hash


def test_each_anchor_spends_the_one_before(anchored: Service, bitcoin: SimulatedBitcoin) -> None:
    """The first input of every anchor is the first output of the one before: one thread, one history."""
    for number in range(4):
        next_anchor(anchored, b"%d" % number)
        bitcoin.mine()
        anchored.tick()
    thread = anchored.home.directory.thread_leaf()
    assert thread is not None
    mined = bitcoin.mined()
    assert 5 == len(mined)
    assert [thread[1].outpoint, *(OutPoint(anchor.txid, 0) for anchor in mined[:-1])] == thread_of(mined)
    assert sorted(sizes := [find_payload(anchor).tree_size for anchor in mined]) == sizes


def test_an_anchor_goes_from_built_to_final(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Each look tells what became of an attempt, and final is a depth."""
    fund(service, bitcoin)
    service.open_chain("acme")
    service.seal()
    story = [service.tick() and service.states()[0]]
    story.append(service.tick() and service.states()[0])
    for _ in range(FINAL):
        bitcoin.mine()
        story.append(service.tick() and service.states()[0])
    assert ["broadcast", "seen", *["confirmed"] * (FINAL - 1), "final"] == story


def test_one_attempt_at_a_time(anchored: Service, bitcoin: SimulatedBitcoin) -> None:
    """While an attempt is unconfirmed none is built, however much is due; the next one covers everything since."""
    next_anchor(anchored, b"one")
    for number in range(3):
        anchored.add("acme", b"%d" % number)
        anchored.clock.pass_ms(HOUR_MS)
        anchored.seal()
        assert isinstance(anchored.tick(at_once=True).plan, Wait)
    assert 2 == len(anchored.attempts())
    bitcoin.mine()
    assert isinstance(anchored.tick().plan, Send)
    newest = anchored.home.directory.newest()
    assert newest is not None
    assert newest.size == anchored.attempts()[-1].checkpoint_size


def test_a_settled_anchor_is_no_longer_looked_at_and_the_thread_goes_on(
    anchored: Service, bitcoin: SimulatedBitcoin
) -> None:
    """Beyond the watch depth an anchor is settled with its proof kept, and the next one spends its coin."""
    bitcoin.mine(WATCH - 2)
    assert 1 == len(anchored.tick().attempts)
    bitcoin.mine()
    assert () == anchored.tick().attempts
    (first,) = anchored.attempts()
    assert (State.FINAL, True) == (first.state, first.standing.settled)
    assert anchored.home.journal.proof(first) is not None
    next_anchor(anchored)
    second = anchored.attempts()[-1]
    assert first.coin == second.spends
    bitcoin.mine()
    anchored.tick()
    next_anchor(anchored)
    assert second.coin == anchored.attempts()[-1].spends


def test_silence_is_broken(anchored: Service, bitcoin: SimulatedBitcoin) -> None:
    """With nothing new the last checkpoint is anchored again after the maximum silence, and not before."""
    anchored.clock.pass_ms(24 * HOUR_MS - 1)
    assert Wait("everything sealed is anchored") == anchored.tick(at_once=True).plan
    anchored.clock.pass_ms(1)
    assert isinstance(anchored.tick().plan, Send)
    first, second = anchored.attempts()
    assert first.checkpoint_size == second.checkpoint_size
    assert first.coin == second.spends


# --- money


def test_top_ups_are_deep_coins_of_ours(anchored: Service, bitcoin: SimulatedBitcoin) -> None:
    """A further coin joins the thread once it is as deep as the watch depth, and is spent once only."""
    bitcoin.mine(1, anchored.wallet.script)
    next_anchor(anchored)
    assert 1 == len(anchored.attempts()[-1].transaction().inputs)
    bitcoin.mine(WATCH)
    anchored.tick()
    next_anchor(anchored)
    topped = anchored.attempts()[-1].transaction()
    assert 2 == len(topped.inputs)
    assert anchored.attempts()[1].coin == topped.inputs[0].previous
    bitcoin.mine()
    anchored.tick()
    next_anchor(anchored)
    assert 1 == len(anchored.attempts()[-1].transaction().inputs)


def test_at_most_eight_top_ups(anchored: Service, bitcoin: SimulatedBitcoin) -> None:
    """Ten further coins: eight join the next anchor, the rest the one after."""
    bitcoin.mine(10, anchored.wallet.script)
    bitcoin.mine(WATCH)
    anchored.tick()
    counts = []
    for _ in range(2):
        next_anchor(anchored)
        bitcoin.mine()
        anchored.tick()
        counts.append(len(anchored.attempts()[-1].transaction().inputs))
    assert [1 + MAX_TOP_UPS, 3] == counts


def test_a_thread_coin_that_cannot_pay_says_how_much_is_missing(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Output 0 never falls below its floor: nothing is built, and the operator is told what to send."""
    bitcoin.mine(1, service.wallet.script)
    bitcoin.mine(MATURE)
    (coin,) = bitcoin.unspent(service.wallet.script)
    poor = payment(coin, service.wallet.script, coin.value_sat - 1_200)
    bitcoin.broadcast(service.wallet.sign(poor, [coin]))
    bitcoin.mine(WATCH)
    service.open_chain("acme")
    service.seal()
    with pytest.raises(NoFundsError, match="122 sat are missing; send more to the wallet's address"):
        service.tick()
    assert [] == service.attempts()


def test_fees_follow_the_estimate_between_floor_and_cap(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A node that asks for an absurd rate gets the cap, and what is stored is what is paid."""
    bitcoin.fee_rate = 5_000.0
    fund(service, bitcoin)
    service.open_chain("acme")
    service.seal()
    service.tick()
    (attempt,) = service.attempts()
    assert 161 * 50 == attempt.fee_sat
    assert 50 * 100_000_000 - attempt.fee_sat == attempt.transaction().outputs[0].value_sat


# --- broadcast: failed, and failed but took effect


def sealed_and_funded(service: Service, bitcoin: SimulatedBitcoin) -> None:
    fund(service, bitcoin)
    service.open_chain("acme")
    service.seal()


def test_a_broadcast_that_failed_is_repeated_with_the_same_bytes(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """The signed bytes are on disk before they are sent, and the next tick sends them again."""
    sealed_and_funded(service, bitcoin)
    bitcoin.before("broadcast", lost_connection)
    with pytest.raises(SourceUnavailableError):
        service.tick()
    assert [] == bitcoin.mempool()
    (attempt,) = service.attempts()
    assert State.BUILT == attempt.state
    assert isinstance(service.tick().plan, Send)
    assert [attempt.txid] == bitcoin.mempool()
    assert ["broadcast"] == service.states()


def test_a_broadcast_that_took_effect_before_it_failed_is_found(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """The answer was lost, the transaction was not: no second one is ever built."""
    sealed_and_funded(service, bitcoin)
    bitcoin.after("broadcast", lost_connection)
    with pytest.raises(SourceUnavailableError):
        service.tick()
    (attempt,) = service.attempts()
    assert State.BUILT == attempt.state
    assert [attempt.txid] == bitcoin.mempool()
    service.tick()
    assert ["seen"] == service.states()
    bitcoin.mine()
    service.tick()
    assert ["confirmed"] == service.states()
    assert 1 == len(bitcoin.mined())


def test_a_broadcast_whose_answer_was_lost_can_be_mined_unseen(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """From built straight into a block: the network knows more than the journal."""
    sealed_and_funded(service, bitcoin)
    bitcoin.after("broadcast", lost_connection)
    with pytest.raises(SourceUnavailableError):
        service.tick()
    bitcoin.mine(FINAL)
    service.tick()
    assert ["final"] == service.states()


def test_a_refused_broadcast_is_said_and_tried_again(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """What the node refuses stays built; nothing else is signed in its place."""
    sealed_and_funded(service, bitcoin)

    def refuse() -> None:
        raise RejectedError(-26, "simulated: mempool min fee not met")

    bitcoin.before("broadcast", refuse)
    with pytest.raises(RejectedError):
        service.tick()
    assert ["built"] == service.states()
    service.tick()
    assert ["broadcast"] == service.states()


def test_an_evicted_attempt_is_sent_again_after_two_looks(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """One look that misses may be a source that lags; after the second the same bytes go out again."""
    sealed_and_funded(service, bitcoin)
    service.tick()
    service.tick()
    (attempt,) = service.attempts()
    bitcoin.forget(attempt.txid)
    assert isinstance(service.tick().plan, Wait)
    assert ["seen"] == service.states()
    assert [] == bitcoin.mempool()
    assert attempt.raw == sent(service).raw
    assert [attempt.txid] == bitcoin.mempool()


def sent(service: Service) -> Attempt:
    plan = service.tick().plan
    assert isinstance(plan, Send)
    return plan.attempt


# --- the source lags, lies, falls silent


def test_a_source_that_lags_changes_nothing_by_one_look(anchored: Service, bitcoin: SimulatedBitcoin) -> None:
    """A node that is a block behind does not know the anchor; nothing is built or sent upon that word."""
    next_anchor(anchored)
    bitcoin.mine()
    anchored.tick()
    assert ["confirmed", "confirmed"] == anchored.states()
    anchored.add("acme", b"late")
    anchored.seal()
    anchored.clock.pass_ms(HOUR_MS)
    bitcoin.behind = 1
    plan = anchored.tick().plan
    assert Wait("attempt 2 (confirmed) was not found; a second look decides") == plan
    assert ["confirmed", "confirmed"] == anchored.states()
    bitcoin.behind = 0
    assert isinstance(anchored.tick().plan, Send)
    assert 3 == len(anchored.attempts())


def test_a_missed_look_at_the_mempool_is_no_reason_to_send(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """One lie about the mempool costs nothing."""
    sealed_and_funded(service, bitcoin)
    service.tick()
    service.tick()
    bitcoin.instead("observe", Missing)
    assert isinstance(service.tick().plan, Wait)
    service.tick()
    assert ["seen"] == service.states()
    assert 1 == bitcoin.calls.count("broadcast")


def test_an_anchor_is_found_by_its_block_when_the_node_no_longer_knows_the_transaction(
    anchored: Service, bitcoin: SimulatedBitcoin
) -> None:
    """A node without index forgets where an old transaction with spent outputs is; its block answers for it."""
    next_anchor(anchored)
    bitcoin.mine(50)
    anchored.tick()
    asked = bitcoin.calls.count("observe")
    for _ in range(3):
        anchored.tick()
    assert asked == bitcoin.calls.count("observe")
    assert ["final", "final"] == anchored.states()


def test_a_proof_that_does_not_hold_is_not_kept(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A source's proof is checked as a verifier would check it before a receipt can carry it."""
    sealed_and_funded(service, bitcoin)
    service.tick()
    block = bitcoin.mine()
    (attempt,) = service.attempts()
    good = bitcoin.prove(attempt.txid, block.hash)
    assert good is not None
    earlier = bitcoin.block_hash(block.height - 1)
    assert earlier is not None
    header = bitcoin.header(earlier)
    assert header is not None
    coinbase_of_block = replace(good, transaction=good.coinbase, index=0, path=good.coinbase_path)
    lies = [
        replace(good, header=header),
        replace(good, index=0),
        replace(good, path=(bytes(32),)),
        replace(good, height=good.height + 1),
        replace(good, coinbase=good.transaction),
        coinbase_of_block,
    ]
    for lie in lies:
        bitcoin.instead("prove", lambda lie=lie: lie)  # type: ignore[misc]  # the loop's value, bound
        with pytest.raises(SourceError):
            service.tick()
        assert service.home.journal.proof(service.attempts()[0]) is None
    service.tick()
    proof = service.home.journal.proof(service.attempts()[0])
    assert proof is not None
    assert good.path == proof.path


def test_a_source_that_says_another_block_is_not_believed(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A lie about the block leads to no proof, and the next honest answer takes it back."""
    sealed_and_funded(service, bitcoin)
    service.tick()
    bitcoin.mine(2)
    wrong = BlockId(bitcoin.height, bitcoin.tip().hash)
    bitcoin.instead("observe", lambda: InBlock(wrong, 1))
    service.tick()
    assert service.home.journal.proof(service.attempts()[0]) is None
    service.tick()
    (attempt,) = service.attempts()
    assert attempt.standing.block == BlockId(wrong.height - 1, bitcoin.block_hash(wrong.height - 1) or b"")
    assert service.home.journal.proof(attempt) is not None


def test_a_source_that_is_silent_from_the_start_stops_signing(anchored: Service, bitcoin: SimulatedBitcoin) -> None:
    """Where nobody has answered yet nothing is sealed, nothing anchored: the log could have gone on elsewhere."""
    anchored.add("acme", b"x")
    before = anchored.home.directory.newest()
    with restarted(anchored.home.folder, bitcoin, anchored.clock) as service:
        with out_of_order(bitcoin):
            with pytest.raises(SourceUnavailableError):
                service.seal()
            with pytest.raises(SourceUnavailableError):
                service.tick()
        assert before == service.home.directory.newest()
        assert service.seal() is not None


def test_seals_go_on_while_a_source_is_silent(anchored: Service, bitcoin: SimulatedBitcoin) -> None:
    """A node that is restarted breaks no promise: the seal names the newest block that was known before."""
    bitcoin.mine(FINAL)
    anchored.add("acme", b"heard")
    heard = anchored.seal()
    anchored.add("acme", b"silent")
    bitcoin.mine(1)
    with out_of_order(bitcoin):
        silent = anchored.seal()
        with pytest.raises(SourceUnavailableError):
            anchored.tick()
    assert heard is not None
    assert silent is not None
    blocks = [
        (leaf.block_height, leaf.block_hash)
        for leaf in (anchored.home.directory.leaf(sealed.size - 1) for sealed in (heard, silent))
        if isinstance(leaf, SealLeaf)
    ]
    assert 2 == len(blocks)
    assert blocks[0] == blocks[1]
    anchored.clock.pass_ms(HOUR_MS)
    assert isinstance(anchored.tick().plan, Send)


def test_what_a_source_shows_after_its_silence_stops_sealing(
    anchored: Service, bitcoin: SimulatedBitcoin, tmp_path: Path
) -> None:
    """Going on in silence forgives nothing: a home that went on elsewhere meanwhile is refused at the next answer."""
    anchored.seal()
    with copy_of(anchored, backup(anchored, tmp_path / "copy"), bitcoin) as other:
        next_anchor(other)
        anchored.add("acme", b"x")
        with out_of_order(bitcoin):
            assert anchored.seal() is not None
        anchored.add("acme", b"y")
        with pytest.raises((BehindError, HijackedThreadError)):
            anchored.seal()


@pytest.mark.parametrize("method", ["tip", "block_hash", "spender", "observe", "unspent", "fee_rate_sat_per_vb"])
def test_silence_in_the_middle_of_a_tick_is_made_up_for(
    method: str, anchored: Service, bitcoin: SimulatedBitcoin
) -> None:
    """Whichever question is not answered, the next tick carries on, and one attempt is built in all."""
    anchored.add("acme", b"x")
    anchored.seal()
    anchored.clock.pass_ms(HOUR_MS)
    if method == "observe":
        bitcoin.reorg(1)
    bitcoin.before(method, lost_connection)
    with pytest.raises(SourceUnavailableError):
        anchored.tick()
    assert bitcoin.is_quiet
    for _ in range(3):
        anchored.tick()
        bitcoin.mine()
    anchored.tick()
    assert ["confirmed", "confirmed"] == anchored.states()
    assert 2 == len(bitcoin.mined())


def test_another_network_is_refused(anchored: Service, bitcoin: SimulatedBitcoin) -> None:
    """A source that turns out to follow another network gets nothing signed and nothing sent."""
    anchored.add("acme", b"x")

    def wrong() -> None:
        raise WrongNetworkError("simulated: another genesis block")

    before = anchored.home.directory.newest()
    for act in (anchored.seal, anchored.tick):
        bitcoin.instead("check_network", wrong)
        with pytest.raises(WrongNetworkError):
            act()
    assert before == anchored.home.directory.newest()


# --- reorganisations


def test_a_reorganised_anchor_is_mined_again_and_the_receipt_remade(
    anchored: Service, bitcoin: SimulatedBitcoin
) -> None:
    """What a user sees may go back: confirmed, seen, confirmed in another block, with another proof."""
    entry = anchored.open_chain("bolt")
    next_anchor(anchored)
    old_block = bitcoin.mine()
    anchored.tick()
    old = anchored.receipt(entry)
    assert Outcome.INTACT == judge(old, anchored.home.card(), bitcoin).outcome
    bitcoin.reorg(1)
    assert Outcome.FAILED == judge(old, anchored.home.card(), bitcoin).outcome
    anchored.tick()
    assert "seen" == anchored.states()[-1]
    waiting = anchored.receipt(entry)
    assert waiting.sealed is not None
    assert () == waiting.sealed.anchors
    new_block = bitcoin.mine()
    assert old_block != new_block
    anchored.tick()
    assert "confirmed" == anchored.states()[-1]
    assert new_block == anchored.attempts()[-1].standing.block
    assert Outcome.INTACT == judge(anchored.receipt(entry), anchored.home.card(), bitcoin).outcome


def test_a_final_anchor_can_be_reorganised_and_grows_deep_again(anchored: Service, bitcoin: SimulatedBitcoin) -> None:
    """Final is not for ever: a reorganisation below it is noted, and depth is counted anew."""
    bitcoin.mine(FINAL)
    anchored.tick()
    assert ["final"] == anchored.states()
    bitcoin.reorg(FINAL + 1)
    anchored.tick()
    assert ["seen"] == anchored.states()
    block = bitcoin.mine()
    anchored.tick()
    assert ["confirmed"] == anchored.states()
    bitcoin.mine(FINAL - 1)
    anchored.tick()
    (attempt,) = anchored.attempts()
    assert (State.FINAL, block) == (attempt.state, attempt.standing.block)
    proof = anchored.home.journal.proof(attempt)
    assert proof is not None
    assert bitcoin.header(block.hash) == proof.header


@pytest.mark.parametrize("drop", [False, True], ids=["in the mempool", "forgotten"])
def test_a_settled_anchor_can_be_reorganised_too(anchored: Service, bitcoin: SimulatedBitcoin, drop: bool) -> None:
    """Beyond the watch depth too: sealing goes on, the anchors are sent again, and a receipt is remade and settles."""
    (entry,) = anchored.add("acme", b"before")
    next_anchor(anchored)
    bitcoin.mine(WATCH + 5)
    anchored.tick()
    assert [True, True] == [attempt.standing.settled for attempt in anchored.attempts()]
    before = anchored.receipt(entry)
    bitcoin.reorg(WATCH + 6, drop=drop)
    anchored.add("acme", b"after")
    assert anchored.seal() is not None
    for _ in range(4):
        anchored.tick()
    assert ["seen", "seen"] == anchored.states()
    bitcoin.mine()
    anchored.tick()
    card = anchored.home.card()
    assert Outcome.INTACT != judge(before, card, bitcoin).outcome
    assert Outcome.INTACT == judge(anchored.receipt(entry), card, bitcoin).outcome
    bitcoin.mine(WATCH)
    anchored.tick()
    assert [True, True] == [attempt.standing.settled for attempt in anchored.attempts()]


def test_a_source_that_is_behind_unsettles_nothing(anchored: Service, bitcoin: SimulatedBitcoin) -> None:
    """A node that is still loading its blocks has none at an anchor's height: that is no reorganisation."""
    bitcoin.mine(WATCH)
    anchored.tick()
    bitcoin.behind = WATCH + 2
    with restarted(anchored.home.folder, bitcoin, anchored.clock) as service:
        for step in (anchored.tick, service.seal):
            with pytest.raises(SourceUnavailableError, match="wait until it has caught up"):
                step()
    bitcoin.behind = 0
    assert () == anchored.tick().attempts


def test_an_anchor_that_the_network_forgot_in_a_reorganisation_is_sent_again(
    anchored: Service, bitcoin: SimulatedBitcoin
) -> None:
    """A coin that is gone is not a coin that was stolen: two looks, and the same bytes are sent again."""
    bitcoin.reorg(1, drop=True)
    assert [] == bitcoin.mempool()
    assert isinstance(anchored.tick().plan, Wait)
    assert ["confirmed"] == anchored.states()
    (attempt,) = anchored.attempts()
    assert attempt.raw == sent(anchored).raw
    assert [attempt.txid] == bitcoin.mempool()
    bitcoin.mine()
    anchored.tick()
    assert ["confirmed"] == anchored.states()


def test_sealing_goes_on_while_an_anchor_is_between_blocks(anchored: Service, bitcoin: SimulatedBitcoin) -> None:
    """The journal still says confirmed when the network has forgotten the anchor: that is no hijacked thread."""
    bitcoin.reorg(1, drop=True)
    anchored.add("acme", b"x")
    assert anchored.seal() is not None


def test_a_line_of_anchors_is_sent_again_in_its_order(anchored: Service, bitcoin: SimulatedBitcoin) -> None:
    """Three anchors are reorganised away and forgotten; each is sent once the one that it spends is back."""
    for _ in range(2):
        next_anchor(anchored)
        bitcoin.mine()
        anchored.tick()
    before = [attempt.raw for attempt in anchored.attempts()]
    bitcoin.reorg(3, drop=True)
    for _ in range(8):
        anchored.tick()
    assert [attempt.txid for attempt in anchored.attempts()] == bitcoin.mempool()
    bitcoin.mine()
    anchored.tick()
    assert ["confirmed"] * 3 == anchored.states()
    assert before == [attempt.raw for attempt in anchored.attempts()]


@pytest.mark.parametrize(
    "method", ["tip", "observe", "prove", "spender", "unspent", "fee_rate_sat_per_vb", "broadcast"]
)
@pytest.mark.parametrize("drop", [False, True], ids=["kept", "forgotten"])
def test_a_reorganisation_at_the_worst_moment_heals(
    drop: bool, method: str, service: Service, bitcoin: SimulatedBitcoin
) -> None:
    """Whichever question it comes before, the same attempts end up in one line, mined, with proofs that verify."""
    fund(service, bitcoin)
    entry = service.open_chain("acme")
    service.seal()
    service.tick()
    bitcoin.mine()
    if method != "prove":
        service.tick()
        service.add("acme", b"x")
        service.clock.pass_ms(HOUR_MS)
        service.seal()
    if method == "observe":
        bitcoin.reorg(1)
    bitcoin.before(method, lambda: bitcoin.reorg(1, drop=drop))
    for _ in range(9):
        with suppressed(SourceError, NoFundsError):
            service.tick()
        bitcoin.mine()
    service.tick()
    assert bitcoin.is_quiet
    assert {"confirmed", "final"} >= set(service.states())
    mined = bitcoin.mined()
    assert len(service.attempts()) == len(mined)
    assert [OutPoint(anchor.txid, 0) for anchor in mined[:-1]] == thread_of(mined)[1:]
    assert Outcome.INTACT == judge(service.receipt(entry), service.home.card(), bitcoin).outcome


@contextmanager
def suppressed(*kinds: type[Exception]) -> Iterator[None]:
    """Let a step fail, as a daemon's job may."""
    try:
        yield
    except kinds:
        return


# --- two processes


@pytest.mark.parametrize("moment", ["before the coins", "after the coins", "before the top-ups"])
def test_a_process_that_is_overtaken_while_it_plans_stores_no_attempt(
    moment: str, service: Service, bitcoin: SimulatedBitcoin
) -> None:
    """Paused past its lease, and resumed after another process anchored: it learns that from its next write."""
    sealed_and_funded(service, bitcoin)
    with restarted(service.home.folder, bitcoin, service.clock) as other:
        bitcoin.fee_rate = 3.0

        def meanwhile() -> None:
            bitcoin.fee_rate = 9.0  # so that the two would differ
            assert isinstance(other.tick().plan, Send)

        if moment == "before the coins":
            bitcoin.before("fee_rate_sat_per_vb", meanwhile)
        elif moment == "after the coins":
            bitcoin.after("unspent", meanwhile)
        else:
            bitcoin.after("unspent", lambda: bitcoin.before("tip", meanwhile))
        with pytest.raises(LeaseLostError):
            service.tick()
        assert bitcoin.is_quiet
    (attempt,) = service.attempts()
    assert [attempt.txid] == bitcoin.mempool()
    service.tick()
    assert ["seen"] == service.states()


def test_a_process_that_is_overtaken_by_an_anchor_in_a_block_builds_nothing(
    service: Service, bitcoin: SimulatedBitcoin
) -> None:
    """While one process plans, the other anchors and a block comes: nothing else is built on the spent coin."""
    sealed_and_funded(service, bitcoin)
    with restarted(service.home.folder, bitcoin, service.clock) as other:

        def meanwhile() -> None:
            other.tick()
            bitcoin.mine()
            other.tick()

        bitcoin.before("fee_rate_sat_per_vb", meanwhile)
        service.tick()  # it finds the other's anchor, sends it once more, and has nothing to note
        assert bitcoin.is_quiet
    assert ["confirmed"] == service.states()
    assert 1 == len(bitcoin.mined())


def test_a_late_broadcast_is_of_a_version_that_is_watched(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Paused between storing an attempt and sending it: the other process sends the same bytes, then a dearer version.

    What the late one sends is refused or taken as any older version is; one anchor of the coin is mined.
    """
    sealed_and_funded(service, bitcoin)
    with restarted(service.home.folder, bitcoin, service.clock) as other:

        def meanwhile() -> None:
            assert isinstance(other.tick().plan, Send)
            bitcoin.fee_rate = 9.0
            for _ in range(FEE_TARGET_BLOCKS):
                bitcoin.mine_without(*bitcoin.mempool())
            other.clock.pass_ms(24 * HOUR_MS)
            other.tick()
            other.tick(at_once=True)

        bitcoin.before("broadcast", meanwhile)
        with pytest.raises((LeaseLostError, RejectedError)):
            service.tick()
    assert 2 == len({attempt.raw for attempt in service.attempts()})
    assert 1 == len({attempt.spends for attempt in service.attempts()})
    bitcoin.mine()
    service.tick()
    assert ["confirmed", "replaced"] == sorted(service.states())
    assert 1 == len(bitcoin.mined())


@pytest.mark.parametrize("method", ["tip", "observe", "prove", "broadcast", "spender"])
def test_two_processes_that_overtake_each_other_note_each_event_once(
    method: str, service: Service, bitcoin: SimulatedBitcoin
) -> None:
    """Whatever the late one was about to note is refused, and noted by who is newest; nothing is noted twice."""
    sealed_and_funded(service, bitcoin)
    with restarted(service.home.folder, bitcoin, service.clock) as other:
        met = 0
        for act in (lambda: None, lambda: bitcoin.mine(FINAL), lambda: bitcoin.reorg(FINAL, drop=True)):
            act()
            for _ in range(3):
                bitcoin.before(method, other.tick)
                with suppress(LeaseLostError):
                    service.tick()
                met += not bitcoin.calm()
    assert met > 0
    assert 1 == len(service.attempts())
    bitcoin.mine(FINAL)
    service.tick()
    assert ["final"] == service.states()


def test_a_process_that_is_overtaken_while_it_seals_appends_nothing(
    service: Service, bitcoin: SimulatedBitcoin
) -> None:
    """Both find the first coin; one thread leaf is appended, and one checkpoint is signed."""
    fund(service, bitcoin)
    service.open_chain("acme")
    with restarted(service.home.folder, bitcoin, service.clock) as other:
        bitcoin.after("unspent", lambda: None)
        bitcoin.after("unspent", other.seal)
        with pytest.raises(LeaseLostError):
            service.seal()
    marks = service.home.directory.log_marks(1 << 40)
    assert 1 == sum(isinstance(leaf, ThreadLeaf) for _, leaf in marks)
    assert 1 == service.home.engine.query("SELECT COUNT(*) FROM checkpoint")[0][0]
    assert bitcoin.is_quiet


# --- in step with the outside world


@pytest.mark.parametrize("act", ["seal", "tick"])
def test_a_home_without_thread_is_refused_where_an_anchor_of_its_key_exists(
    act: str, service: Service, bitcoin: SimulatedBitcoin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Yesterday's copy knows of no thread, but its wallet owns the output 0 of an anchor: nothing is signed."""
    service.open_chain("acme")
    old = backup(service, tmp_path / "old")
    fund(service, bitcoin)
    service.seal()
    service.tick()
    bitcoin.mine()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
    with copy_of(service, old, bitcoin) as copied:
        with pytest.raises(BehindError, match="nothing was signed"):
            step(copied, act)()
        assert copied.home.directory.newest() is None
        assert [] == copied.attempts()


def step(service: Service, act: str) -> Callable[[], object]:
    return {"seal": service.seal, "tick": lambda: service.tick(at_once=True)}[act]


@pytest.mark.parametrize("act", ["seal", "tick"])
@pytest.mark.parametrize("when", ["thread sealed", "attempt built", "in the mempool", "confirmed", "settled"])
def test_a_copy_that_misses_an_anchor_is_refused(
    when: str,
    act: str,
    service: Service,
    bitcoin: SimulatedBitcoin,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whenever the copy was made, one anchor more than it knows of stops it before anything is signed."""
    sealed_and_funded(service, bitcoin)
    if when == "attempt built":
        bitcoin.before("broadcast", lost_connection)
        with pytest.raises(SourceUnavailableError):
            service.tick()
    elif when != "thread sealed":
        service.tick()
        if when != "in the mempool":
            bitcoin.mine(WATCH if when == "settled" else 1)
        service.tick()
    old = backup(service, tmp_path / "old")
    service.tick()
    bitcoin.mine()
    service.tick()
    if when != "thread sealed":
        next_anchor(service)
        bitcoin.mine()
        service.tick()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
    with copy_of(service, old, bitcoin) as copied:
        copied.clock.pass_ms(48 * HOUR_MS)
        before = copied.home.directory.newest(), len(copied.attempts())
        with pytest.raises(BehindError, match="nothing was signed"):
            copied.add("acme", b"second history")
        with pytest.raises(BehindError, match="nothing was signed"):
            step(copied, act)()
        assert before == (copied.home.directory.newest(), len(copied.attempts()))


@pytest.mark.parametrize("act", ["seal", "tick"])
def test_a_thread_coin_that_a_stranger_spent_stops_everything(
    act: str, anchored: Service, bitcoin: SimulatedBitcoin
) -> None:
    """The end of the thread is looked at every time, also in a process that was in step before."""
    (attempt,) = anchored.attempts()
    coin = coin_at(bitcoin, anchored.wallet.script, attempt.coin)
    stolen = payment(coin, b"\x00\x14" + bytes(20))
    raw = anchored.wallet.sign(stolen, [coin])
    bitcoin.broadcast(raw)
    anchored.add("acme", b"x")
    before = anchored.home.directory.newest()
    for _ in range(2):
        with pytest.raises(HijackedThreadError, match="its key is known to somebody else"):
            step(anchored, act)()
        bitcoin.mine()
    assert before == anchored.home.directory.newest()
    assert 1 == len(anchored.attempts())


def test_a_stranger_whose_anchor_pays_us_back_is_noticed(anchored: Service, bitcoin: SimulatedBitcoin) -> None:
    """A thief who goes on anchoring with our key and address is told apart from nothing, and refused too."""
    (attempt,) = anchored.attempts()
    coin = coin_at(bitcoin, anchored.wallet.script, attempt.coin)
    bitcoin.broadcast(foreign_anchor(anchored.wallet, coin))
    with pytest.raises(BehindError, match="anchors with this wallet's key"):
        anchored.tick()


def test_a_rival_spend_that_replaces_ours_in_a_reorganisation_is_a_hijack(
    anchored: Service, bitcoin: SimulatedBitcoin
) -> None:
    """A branch in which the thread's coin went to a stranger's transaction instead is said loudly."""
    (attempt,) = anchored.attempts()
    thread = anchored.home.directory.thread_leaf()
    assert thread is not None
    bitcoin.behind = 1
    funding = coin_at(bitcoin, anchored.wallet.script, thread[1].outpoint)
    bitcoin.behind = 0
    stolen = payment(funding, b"\x00\x14" + bytes(20))
    bitcoin.reorg(1, instead=[anchored.wallet.sign(stolen, [funding])])
    assert [] == bitcoin.mempool()
    with pytest.raises(HijackedThreadError):
        anchored.seal()
    for _ in range(2):
        with pytest.raises(HijackedThreadError):
            anchored.tick()
    assert attempt.raw == anchored.attempts()[0].raw
    assert 1 == len(anchored.attempts())


def test_a_strangers_thread_coin_at_our_address_does_not_stop_the_log(
    anchored: Service, bitcoin: SimulatedBitcoin
) -> None:
    """Anyone can pay the coin of a thread of his own to our address: it is neither spent nor a reason to refuse."""
    bitcoin.mine(1, b"\x51")
    stranger = bitcoin.unspent(b"\x51")[0]
    gift = payment(stranger, anchored.wallet.script, 1_000, TxOutput(0, payload_script(b"AL1" + bytes(37))))
    bitcoin.mine(MATURE)
    bitcoin.broadcast(gift.encode())
    bitcoin.mine(WATCH)
    anchored.tick()
    anchored.home.close()
    with restarted(anchored.home.folder, bitcoin, anchored.clock) as again:
        next_anchor(again)
        spent = [each.previous for each in again.attempts()[-1].transaction().inputs]
        assert [again.attempts()[0].coin] == spent
    assert OutPoint(gift.txid, 0) in {coin.outpoint for coin in bitcoin.unspent(anchored.wallet.script)}


# --- rivals and what was built on them


def test_payload_of_every_attempt_is_a_signed_checkpoint(anchored: Service, bitcoin: SimulatedBitcoin) -> None:
    """Size and root in each anchor are those of a checkpoint that this log has signed."""
    next_anchor(anchored)
    for attempt in anchored.attempts():
        script = attempt.transaction().outputs[1].script
        payload = decode_payload(script[2:])
        checkpoint = anchored.home.directory.checkpoint_of(payload.tree_size)
        assert checkpoint is not None
        assert checkpoint.root == payload.root


def test_submitted_after_another_process_saw_the_block_is_no_news(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """The answer to a broadcast may come after the block: the note about sending is dropped, not refused."""
    sealed_and_funded(service, bitcoin)
    service.tick()
    (attempt,) = service.attempts()
    bitcoin.mine()
    service.tick()
    service.home.journal.note(attempt, service.clock(), news(Event.SUBMITTED))
    assert ["confirmed"] == service.states()


def version_of(service: Service, bitcoin: SimulatedBitcoin, coin: Coin, fee_sat: int) -> Attempt:
    """Store another anchor on a coin, with the newest checkpoint, as replacing by fee does."""
    newest = service.home.directory.newest()
    assert newest is not None
    payload = encode_payload(newest.size, newest.root)
    transaction = build_anchor([coin], service.wallet.script, payload, fee_sat, bitcoin.network.coin_floor_sat)
    raw = service.wallet.sign(transaction, [coin])
    with service.home.engine.transaction():
        return service.home.journal.add(service.clock(), newest.size, raw, fee_sat)


def made_by(attempt: Attempt) -> Coin:
    """Return the thread coin that an attempt makes, as an unconfirmed one."""
    body = attempt.transaction()
    return Coin(attempt.coin, body.outputs[0].value_sat, None, coinbase=False, transaction=body.encode())


@pytest.fixture
def rivals(anchored: Service, bitcoin: SimulatedBitcoin) -> tuple[Attempt, Attempt, Attempt]:
    """Two versions of the second anchor, the later of which is mined, and an attempt built on the one that lost."""
    coin = coin_at(bitcoin, anchored.wallet.script, anchored.attempts()[0].coin)
    next_anchor(anchored)
    first = anchored.attempts()[1]
    second = version_of(anchored, bitcoin, coin, 5_000)
    child = version_of(anchored, bitcoin, made_by(first), 400)
    bitcoin.broadcast(second.raw)
    assert [second.txid] == bitcoin.mempool()
    bitcoin.mine()
    return first, second, child


def test_the_version_that_is_mined_wins_over_all_others(
    rivals: tuple[Attempt, Attempt, Attempt], anchored: Service, bitcoin: SimulatedBitcoin
) -> None:
    """In one tick the other version is replaced, what was built on it void, and neither is sent."""
    sent_before = bitcoin.calls.count("broadcast")
    assert isinstance(anchored.tick().plan, Wait)
    assert ["confirmed", "replaced", "confirmed", "void"] == anchored.states()
    anchored.tick()
    assert sent_before == bitcoin.calls.count("broadcast")
    assert [] == bitcoin.mempool()


def test_lost_attempts_settle_with_the_winner(
    rivals: tuple[Attempt, Attempt, Attempt], anchored: Service, bitcoin: SimulatedBitcoin
) -> None:
    """Beyond the watch depth nothing is looked at any more, neither the winner nor what lost to it."""
    anchored.tick()
    bitcoin.mine(WATCH - 2)
    assert [2, 3, 4] == [attempt.attempt_no for attempt in anchored.tick().attempts]
    bitcoin.mine()
    assert () == anchored.tick().attempts
    assert ["final", "replaced", "final", "void"] == anchored.states()
    next_anchor(anchored)
    assert rivals[1].coin == anchored.attempts()[-1].spends


def test_a_settled_version_that_lost_can_come_back(
    rivals: tuple[Attempt, Attempt, Attempt], anchored: Service, bitcoin: SimulatedBitcoin
) -> None:
    """A reorganisation beyond the watch depth mines the version that had lost, and its child is sent after all."""
    anchored.tick()
    bitcoin.mine(WATCH)
    anchored.tick()
    assert [True] * 4 == [attempt.standing.settled for attempt in anchored.attempts()]
    bitcoin.reorg(WATCH + 1, instead=[rivals[0].raw])
    for _ in range(3):
        anchored.tick()
    assert ["final", "final", "replaced", "seen"] == anchored.states()
    assert [rivals[2].txid] == bitcoin.mempool()
    assert [rivals[2].txid] == [attempt.txid for attempt in anchored.tick().attempts]


def test_the_version_that_lost_can_come_back_with_its_child(
    rivals: tuple[Attempt, Attempt, Attempt], anchored: Service, bitcoin: SimulatedBitcoin
) -> None:
    """A reorganisation mines the other version: the winner is replaced, and the void attempt is sent after all."""
    first, second, child = rivals
    anchored.tick()
    bitcoin.reorg(1, instead=[first.raw])
    assert anchored.seal() is None
    plan = anchored.tick().plan
    assert Wait(f"attempt {second.attempt_no} (confirmed) was not found; a second look decides") == plan
    assert child.raw == sent(anchored).raw
    assert ["confirmed", "confirmed", "replaced", "broadcast"] == anchored.states()
    bitcoin.mine()
    anchored.tick()
    assert ["confirmed", "confirmed", "replaced", "confirmed"] == anchored.states()
    mined = bitcoin.mined()
    assert [first.txid, child.txid] == [anchor.txid for anchor in mined[1:]]


def test_coins_of_watched_attempts_are_reserved(anchored: Service, bitcoin: SimulatedBitcoin) -> None:
    """A top-up that a lost version used is not used again before the spend of the thread coin is settled."""
    bitcoin.mine(1, anchored.wallet.script)
    bitcoin.mine(WATCH - 3)
    anchored.tick()
    coins = bitcoin.unspent(anchored.wallet.script)
    thread = next(coin for coin in coins if coin.outpoint == anchored.attempts()[0].coin)
    top_up = next(coin for coin in coins if coin.outpoint != thread.outpoint)
    newest = anchored.home.directory.newest()
    assert newest is not None
    payload = encode_payload(newest.size, newest.root)
    both = build_anchor([thread, top_up], anchored.wallet.script, payload, 600, 1_000)
    with anchored.home.engine.transaction():
        lost = anchored.home.journal.add(
            anchored.clock(), newest.size, anchored.wallet.sign(both, [thread, top_up]), 600
        )
    winner = version_of(anchored, bitcoin, thread, 700)
    bitcoin.broadcast(winner.raw)
    bitcoin.mine(3)
    anchored.tick()
    assert "replaced" == anchored.states()[lost.attempt_no - 1]
    next_anchor(anchored)
    assert 1 == len(anchored.attempts()[-1].transaction().inputs)
    bitcoin.mine(WATCH)
    anchored.tick()
    next_anchor(anchored)
    inputs = [spent.previous for spent in anchored.attempts()[-1].transaction().inputs]
    assert [anchored.attempts()[-2].coin, top_up.outpoint] == inputs


def test_a_void_attempt_whose_coin_another_child_spent_stays_void(
    rivals: tuple[Attempt, Attempt, Attempt], anchored: Service, bitcoin: SimulatedBitcoin
) -> None:
    """The parent comes back together with another child: the coin is gone, so the void one is not sent."""
    first, _, child = rivals
    sibling = version_of(anchored, bitcoin, made_by(first), 900)
    anchored.tick()
    assert ["confirmed", "replaced", "confirmed", "void", "void"] == anchored.states()
    bitcoin.reorg(1, instead=[first.raw, sibling.raw])
    for _ in range(2):
        assert isinstance(anchored.tick().plan, Wait)
    assert ["confirmed", "confirmed", "replaced", "void", "confirmed"] == anchored.states()
    assert child.txid not in bitcoin.mempool()


def test_the_look_at_all_coins_is_made_once_in_a_process(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A node reads all unspent outputs for it, which takes long: further ticks of an unfunded log do without."""
    service.open_chain("acme")
    for _ in range(3):
        service.tick()
    assert 1 == bitcoin.calls.count("unspent")


def test_a_tick_asks_for_the_network_once(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Public servers count questions: a tick asks its source once whose blocks it has, and a seal does."""
    for act in (service.seal, service.tick):
        before = bitcoin.calls.count("check_network")
        act()
        assert 1 == bitcoin.calls.count("check_network") - before
