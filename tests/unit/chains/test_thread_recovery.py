"""A thread that is lost, to a thief, to a double or with its key: what is refused, and how the log goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from anchor.alerts import AlertName
from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.wallet import Wallet
from anchor.directory import Directory
from anchor.errors import BehindError, HijackedThreadError, NotYetError, SettingsError, StorageError
from anchor.plan import Send, Wait
from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.leaves import NOTHING_REPLACED, ThreadLeaf
from anchor.proof.merkle import leaf_hash
from anchor.proof.receipt import LogCard
from anchor.proof.verify import Outcome
from anchor.recovery import Recovery
from anchor.signing import SigningKey
from chains.audit import Audit
from chains.home import KEYS, WALLET
from chains.home_making import key_file_of
from chains.reader import Reader
from chains.status import status_of
from chains.thread_recovery import NEXT_WALLET, begin_thread, sign_thread
from tests.homes import copy_home
from tests.simulators.bitcoin import SimulatedBitcoin, payment
from tests.simulators.service import Clock, Service, coin_at, foreign_anchor, judge, new_service, restarted, thread_of

MATURE = 101
THIEF = b"\x00\x14" + bytes(20)
NEW = Wallet.generate(NETWORKS["regtest"], b"new wallet entro")


@pytest.fixture
def service(tmp_path: Path, bitcoin: SimulatedBitcoin) -> Iterator[Service]:
    """A home with one anchor in a block."""
    with new_service(tmp_path / "home", bitcoin) as made:
        pay(made, bitcoin)
        made.open_chain("acme")
        made.anchor(bitcoin)
        assert ["final"] == made.states()
        yield made


def pay(service: Service, bitcoin: SimulatedBitcoin, depth: int = MATURE) -> None:
    """Give the wallet one coin, so many blocks deep."""
    bitcoin.mine(1, service.wallet.script)
    bitcoin.mine(depth - 1)


def steal(service: Service, bitcoin: SimulatedBitcoin) -> OutPoint:
    """Let a thief with the wallet's key take the thread coin, in a block; return the coin."""
    coin = coin_at(bitcoin, service.wallet.script, service.attempts()[-1].coin)
    bitcoin.broadcast(service.wallet.sign(payment(coin, THIEF), [coin]))
    bitcoin.mine()
    return coin.outpoint


@contextmanager
def go_on(service: Service, bitcoin: SimulatedBitcoin) -> Iterator[Service]:
    """Open the home again, as a new process does."""
    service.home.close()
    with restarted(service.home.folder, bitcoin, service.clock) as again:
        yield again


def recovery_key(service: Service) -> SigningKey:
    return SigningKey.load(service.home.key_file("recovery"))


def begin_with_new_wallet(service: Service, *, keep_history: bool = False) -> Recovery:
    return begin_thread(service.home, lambda: key_file_of(NEW, None), keep_history=keep_history)


@contextmanager
def whole_recovery(service: Service, bitcoin: SimulatedBitcoin, *, keep_history: bool = False) -> Iterator[Service]:
    """Begin with a new wallet, pay it, sign, wait until the coin is deep, and anchor."""
    begin_with_new_wallet(service, keep_history=keep_history)
    with go_on(service, bitcoin) as again:
        pay(again, bitcoin)
        sign_thread(again.home, recovery_key(again), keep_history=keep_history)
        again.anchor(bitcoin)
        yield again


def findings(service: Service) -> list[object]:
    home = service.home
    reader = Reader(home.engine, home.chains, home.lookup)
    return [*Audit(home.engine, home.trees, home.directory, home.chains, reader, home.journal).run().findings]


def check_all_proved(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Every entry has a receipt that verifies with the card of now, and nothing is wrong in the home."""
    home = service.home
    for chain in home.chains.all():
        for stored in Reader(home.engine, home.chains, home.lookup).entries(chain, 0, home.chains.size(chain)):
            assert Outcome.INTACT == judge(service.receipt(stored.entry_hash), home.card(), bitcoin).outcome
    assert [] == findings(service)


def alerts(service: Service) -> list[str]:
    return [alert["name"] for alert in status_of(service.home)["alerts"]]


# --- the whole way


def test_a_log_goes_on_after_a_theft(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """With a new wallet and one signature of the recovery key, every entry of before and after has its receipt."""
    old = service.receipt(service.add("acme", b"before")[0])
    service.anchor(bitcoin)
    steal(service, bitcoin)
    lost = service.add("acme", b"promised while the thread was lost")[0]
    with whole_recovery(service, bitcoin) as again:
        assert ["final", "final", "final"] == again.states()
        first, second, third = again.attempts()
        threads = again.home.card().thread
        assert threads is not None
        assert (threads[0], threads[1]) == (first.spends, third.spends)
        assert first.coin == second.spends
        assert again.receipt(lost).sealed is not None
        check_all_proved(again, bitcoin)
        assert old.sealed is None
        again.add("acme", b"later")
        again.anchor(bitcoin)
        assert third.coin == again.attempts()[-1].spends
        check_all_proved(again, bitcoin)
        assert [] == alerts(again)


def test_a_log_goes_on_with_the_same_wallet_after_a_double(
    service: Service, bitcoin: SimulatedBitcoin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copied home anchored on by itself: once it is stopped, the operator says which history is the log's."""
    copy_home(service.home.folder, tmp_path / "double")
    state = tmp_path / "another machine"
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("XDG_STATE_HOME", str(state))
        with restarted(tmp_path / "double", bitcoin, Clock(service.clock())) as double:
            double.add("acme", b"a second history")
            double.anchor(bitcoin)
            double.add("acme", b"and more of it")
            double.anchor(bitcoin)
    mine = service.add("acme", b"the log's own history")[0]
    with pytest.raises(BehindError, match="another service uses the same key"):
        service.seal()
    with pytest.raises(BehindError, match="--keep-this-history"):
        begin_thread(service.home, None, keep_history=False)
    assert service.home.unchecked_anchoring.recoveries.pending() is None
    begin_thread(service.home, None, keep_history=True)
    pay(service, bitcoin)
    sign_thread(service.home, recovery_key(service), keep_history=True)
    with go_on(service, bitcoin) as again:
        again.anchor(bitcoin)
        assert ["final", "final"] == again.states()
        assert Outcome.INTACT == judge(again.receipt(mine), again.home.card(), bitcoin).outcome
        check_all_proved(again, bitcoin)


def test_a_log_goes_on_where_the_wallets_key_is_lost(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Nobody spent the coin, and nobody can: a new wallet is reason enough, the same one is not."""
    with pytest.raises(SettingsError, match="the thread is not lost"):
        begin_thread(service.home, None, keep_history=False)
    with whole_recovery(service, bitcoin) as again:
        assert ["final", "final"] == again.states()
        check_all_proved(again, bitcoin)


def test_a_new_thread_can_be_lost_too(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A third thread replaces the second: the card lists three, and all receipts hold."""
    steal(service, bitcoin)
    with whole_recovery(service, bitcoin) as second:
        again = Service(second.home, bitcoin, second.clock)
        coin = coin_at(bitcoin, again.wallet.script, again.attempts()[-1].coin)
        bitcoin.broadcast(again.wallet.sign(payment(coin, THIEF), [coin]))
        bitcoin.mine()
        again.add("acme", b"after the second theft")
        with pytest.raises(HijackedThreadError):
            again.seal()
        other = Wallet.generate(NETWORKS["regtest"], b"third wallet ent")
        begin_thread(again.home, lambda: key_file_of(other, None), keep_history=False)
        with go_on(again, bitcoin) as third:
            pay(third, bitcoin)
            sign_thread(third.home, recovery_key(third), keep_history=False)
            third.anchor(bitcoin)
            assert 3 == len(third.home.card().thread or ())
            assert thread_of([attempt.transaction() for attempt in third.attempts()]) == list(
                third.home.card().thread or ()
            )
            check_all_proved(third, bitcoin)


# --- between


def test_nothing_is_signed_before_the_operator_says_so(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A lost thread stops sealing and anchoring, loudly: it may as well be a restored backup that looks."""
    steal(service, bitcoin)
    service.add("acme", b"x")
    size = service.home.directory.newest()
    for step in (service.seal, service.tick):
        with pytest.raises(HijackedThreadError, match="recover thread"):
            step()
    assert size == service.home.directory.newest()
    assert [AlertName.THREAD_LOST] == alerts(service)


def test_seals_go_on_while_the_new_thread_is_on_its_way(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Once begun, entries are sealed as promised; nothing is anchored, and every look says why."""
    steal(service, bitcoin)
    begin_with_new_wallet(service)
    with go_on(service, bitcoin) as again:
        entry = again.add("acme", b"x")[0]
        assert again.seal() is not None
        assert again.receipt(entry).sealed is not None
        ticked = again.tick(at_once=True)
        assert isinstance(ticked.plan, Wait)
        assert [AlertName.THREAD_LOST] == [alert.name for alert in ticked.alerts] == alerts(again)
        assert 1 == len(again.attempts())
        pay(again, bitcoin, depth=1)
        sign_thread(again.home, recovery_key(again), keep_history=False)
        again.add("acme", b"y")
        again.seal()
        assert 1 == len(again.home.card().thread or ()), "its coin is not deep enough yet"
        assert "signed by the recovery key" in again.tick().alerts[0].message
        bitcoin.mine(MATURE)
        again.seal()
        assert 2 == len(again.home.card().thread or ())
        assert () == again.tick().alerts


def test_the_new_leaf_is_sealed_without_the_recovery_key(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """The key is needed once: its file is gone when the leaf is sealed."""
    steal(service, bitcoin)
    begin_with_new_wallet(service)
    with go_on(service, bitcoin) as again:
        pay(again, bitcoin, depth=1)
        sign_thread(again.home, recovery_key(again), keep_history=False)
        again.home.key_file("recovery").unlink()
        bitcoin.mine(MATURE)
        again.anchor(bitcoin)
        check_all_proved(again, bitcoin)


def test_an_attempt_of_the_old_thread_is_void(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """What was sent and lost against the thief is not sent again, and is looked at no more once the new one is deep."""
    coin = coin_at(bitcoin, service.wallet.script, service.attempts()[-1].coin)
    stolen = service.wallet.sign(payment(coin, THIEF), [coin])
    entry = service.add("acme", b"in an anchor that lost")[0]
    service.clock.pass_ms(3_600_000)
    service.seal()
    assert isinstance(service.tick().plan, Send)
    bitcoin.reorg(0, instead=[stolen])
    for _ in range(3):
        with pytest.raises(HijackedThreadError):
            service.tick()
    with whole_recovery(service, bitcoin) as again:
        assert ["final", "void", "final"] == again.states()
        assert Outcome.INTACT == judge(again.receipt(entry), again.home.card(), bitcoin).outcome
        bitcoin.mine(MATURE)
        sent = bitcoin.calls.count("broadcast")
        for _ in range(3):
            again.tick()
        assert sent == bitcoin.calls.count("broadcast")
        assert [] == again.home.journal.watched()
        assert ["final", "void", "final"] == again.states()


def test_a_coin_that_is_gone_is_signed_for_again(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A payment that a reorganisation took away starts nothing; the leaf is signed for another coin."""
    steal(service, bitcoin)
    begin_with_new_wallet(service)
    with go_on(service, bitcoin) as again:
        pay(again, bitcoin, depth=1)
        first = sign_thread(again.home, recovery_key(again), keep_history=False).leaf
        assert first == sign_thread(again.home, recovery_key(again), keep_history=False).leaf
        bitcoin.reorg(1)
        bitcoin.mine(MATURE)
        again.add("acme", b"x")
        assert again.seal() is not None
        assert 1 == len(again.home.card().thread or ())
        pay(again, bitcoin)
        second = sign_thread(again.home, recovery_key(again), keep_history=False).leaf
        assert second != first
        again.anchor(bitcoin)
        check_all_proved(again, bitcoin)


def test_a_backup_from_during_the_recovery_does_not_begin_the_thread_again(
    service: Service, bitcoin: SimulatedBitcoin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy has the signed leaf and not its seal: the coin is spent by an anchor that it does not know."""
    steal(service, bitcoin)
    begin_with_new_wallet(service)
    with go_on(service, bitcoin) as again:
        copy_home(again.home.folder, tmp_path / "begun")
        pay(again, bitcoin)
        sign_thread(again.home, recovery_key(again), keep_history=False)
        copy_home(again.home.folder, tmp_path / "signed")
        again.anchor(bitcoin)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
    for name in ("begun", "signed"):
        with restarted(tmp_path / name, bitcoin, Clock(service.clock())) as copied:
            with pytest.raises(BehindError):
                copied.add("acme", b"second history")
            with pytest.raises(BehindError):
                copied.seal()
            with pytest.raises(BehindError, match="rebuild"):
                sign_thread(copied.home, recovery_key(copied), keep_history=False)
            assert 1 == len(copied.home.card().thread or ())


# --- refusals


def test_another_key_signs_nothing(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """The log's own checkpoint key, or anybody's, is no recovery key, and the error shows both."""
    steal(service, bitcoin)
    begin_with_new_wallet(service)
    with go_on(service, bitcoin) as again:
        pay(again, bitcoin)
        with pytest.raises(SettingsError, match=r"expected this log's recovery key \(public key [0-9a-f]{64}\)"):
            sign_thread(again.home, SigningKey.load(again.home.key_file("checkpoint")), keep_history=False)
        pending = again.home.unchecked_anchoring.recoveries.pending()
        assert pending is not None
        assert pending.leaf is None


def test_a_leaf_that_the_recovery_key_did_not_sign_is_never_sealed(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Whoever writes into the database begins no thread."""
    steal(service, bitcoin)
    begin_with_new_wallet(service)
    with go_on(service, bitcoin) as again:
        pay(again, bitcoin)
        signed = sign_thread(again.home, recovery_key(again), keep_history=False)
        assert signed.leaf is not None
        recoveries = again.home.unchecked_anchoring.recoveries
        assert recoveries.is_sound(signed.leaf)
        for changed in (
            replace(signed.leaf, signature=bytes(64)),
            replace(signed.leaf, replaced=leaf_hash(b"another leaf")),
            replace(signed.leaf, outpoint=OutPoint(bytes(32), 1)),
        ):
            assert not recoveries.is_sound(changed)
        forged = replace(signed.leaf, signature=bytes(64))
        with again.home.engine.transaction():
            again.home.engine.execute("UPDATE thread_recovery SET leaf = ? WHERE leaf IS NOT NULL", (forged.encode(),))
        again.add("acme", b"x")
        again.seal()
        assert 1 == len(again.home.card().thread or ())


def test_a_thread_leaf_that_replaces_another_than_the_newest_is_not_appended(
    service: Service, bitcoin: SimulatedBitcoin
) -> None:
    """Of two processes that seal the same leaf at the same moment, the second one seals without it."""
    steal(service, bitcoin)
    with whole_recovery(service, bitcoin) as again:
        home = again.home
        _, leaf = next((index, leaf) for index, leaf in home.directory.log_marks(2**62) if is_new_thread(leaf))
        before = home.directory.newest()
        sealed = home.directory.seal(home.checkpoint_key, again.clock(), bitcoin.tip(), [leaf])
        assert sealed is None
        assert before == home.directory.newest()


def is_new_thread(leaf: object) -> bool:
    return isinstance(leaf, ThreadLeaf) and leaf.replaced != NOTHING_REPLACED


def test_without_a_payment_nothing_is_signed(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A payment in the mempool may be replaced, and dust pays for no anchor."""
    steal(service, bitcoin)
    begin_with_new_wallet(service)
    with go_on(service, bitcoin) as again, pytest.raises(NotYetError, match="expected a payment to bcrt1"):
        sign_thread(again.home, recovery_key(again), keep_history=False)


def test_without_a_thread_there_is_nothing_to_recover(tmp_path: Path, bitcoin: SimulatedBitcoin) -> None:
    """A log that was never funded begins its first thread by itself; its key files stay."""
    with new_service(tmp_path / "new", bitcoin) as made:
        before = sorted((made.home.folder / KEYS).iterdir())
        for make in (None, lambda: key_file_of(NEW, None)):
            with pytest.raises(NotYetError, match="no thread yet"):
                begin_thread(made.home, make, keep_history=False)
        assert before == sorted((made.home.folder / KEYS).iterdir())


def test_a_process_with_the_old_wallet_is_told_to_start_again(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A daemon that was not stopped neither seals nor anchors with the old key."""
    steal(service, bitcoin)
    begin_with_new_wallet(service)
    for step in (service.seal, service.tick):
        with pytest.raises(SettingsError, match="start it again"):
            step()


def test_a_thiefs_anchor_of_our_own_checkpoint_is_no_second_history(
    service: Service, bitcoin: SimulatedBitcoin
) -> None:
    """Whoever anchors what this home has sealed knows no more than it: the operator need not swear to anything."""
    newest = service.home.directory.newest()
    assert newest is not None
    coin = coin_at(bitcoin, service.wallet.script, service.attempts()[-1].coin)
    bitcoin.broadcast(foreign_anchor(service.wallet, coin, newest.size, newest.root))
    bitcoin.mine()
    with whole_recovery(service, bitcoin) as again:
        check_all_proved(again, bitcoin)


# --- key files


def test_the_old_key_file_is_kept_under_its_address(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """The old file is there byte for byte, the new one has its place, and nothing is left over."""
    keys = service.home.folder / KEYS
    old, address = (keys / WALLET).read_bytes(), service.wallet.address
    steal(service, bitcoin)
    begin_with_new_wallet(service)
    assert old == (keys / f"wallet-{address}.json").read_bytes()
    assert key_file_of(NEW, None).encode() == (keys / WALLET).read_bytes()
    assert not (keys / NEXT_WALLET).exists()
    assert 0o600 == (keys / f"wallet-{address}.json").stat().st_mode & 0o777


def test_another_file_in_the_old_keys_place_is_not_overwritten(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A file of that name with other bytes is somebody's only copy: it is refused, and mended by moving it away."""
    keys = service.home.folder / KEYS
    aside = keys / f"wallet-{service.wallet.address}.json"
    aside.write_bytes(b"precious")
    steal(service, bitcoin)
    with pytest.raises(StorageError, match="move it away"):
        begin_with_new_wallet(service)
    assert b"precious" == aside.read_bytes()
    aside.unlink()
    with go_on(service, bitcoin) as again:
        begun = begin_thread(again.home, lambda: pytest.fail("the new key is there"), keep_history=False)
        assert NEW.script == begun.script
        assert key_file_of(NEW, None).encode() == (keys / WALLET).read_bytes()


def test_a_lost_file_of_the_new_key_is_named(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Between intent and exchange of the files the new key must not be replaced by yet another one."""
    keys = service.home.folder / KEYS
    (keys / f"wallet-{service.wallet.address}.json").write_bytes(b"in the way")
    steal(service, bitcoin)
    with pytest.raises(StorageError):
        begin_with_new_wallet(service)
    Wallet.generate(NETWORKS["regtest"], b"another wallet e").write(keys / "other.json")
    (keys / "other.json").replace(keys / NEXT_WALLET)
    with pytest.raises(SettingsError, match="found another; restore it"):
        begin_with_new_wallet(service)


# --- the audit and the card


@pytest.mark.parametrize("kind", ["replaced", "signature"])
def test_the_audit_finds_a_thread_leaf_that_does_not_follow(
    kind: str, service: Service, bitcoin: SimulatedBitcoin
) -> None:
    """A leaf that names another one before it, or that nobody signed, is a finding of its own."""
    steal(service, bitcoin)
    with whole_recovery(service, bitcoin) as again:
        home = again.home
        index, leaf = next((index, leaf) for index, leaf in home.directory.log_marks(2**62) if is_new_thread(leaf))
        assert isinstance(leaf, ThreadLeaf)
        other = replace(leaf, replaced=leaf_hash(b"x"))
        wrong = other if kind == "replaced" else replace(leaf, signature=bytes(64))
        with home.engine.transaction():
            home.engine.execute("UPDATE directory_leaf SET leaf = ? WHERE leaf_index = ?", (wrong.encode(), index))
        said = [str(finding) for finding in findings(again)]
        assert any(
            {"replaced": "does not replace", "signature": "not signed by the recovery key"}[kind] in each
            for each in said
        )


def test_a_card_from_before_does_not_list_the_new_thread(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A verifier who pins the old card refuses, and is told to ask for the newest; swapped threads are refused too."""
    old_card = service.home.card()
    steal(service, bitcoin)
    entry = service.add("acme", b"x")[0]
    with whole_recovery(service, bitcoin) as again:
        receipt, card = again.receipt(entry), again.home.card()
        assert card.thread is not None
        verdict = judge(receipt, old_card, bitcoin)
        assert Outcome.FAILED == verdict.outcome
        assert any("ask for the newest" in step.text for step in verdict.steps)
        swapped = LogCard(card.log, card.thread[::-1])
        assert Outcome.FAILED == judge(receipt, swapped, bitcoin).outcome
        other_first = LogCard(card.log, (OutPoint(bytes(32), 0), card.thread[1]))
        assert Outcome.FAILED == judge(receipt, other_first, bitcoin).outcome
        assert Outcome.INTACT == judge(receipt, card, bitcoin).outcome
        assert Directory.open(again.home.engine, again.home.trees).thread_leaf() is not None
