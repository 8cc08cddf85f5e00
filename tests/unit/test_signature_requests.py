"""Anchors that others sign, on the simulated Bitcoin: replaced by fee, withdrawn, signed late, and sent elsewhere.

That Bitcoin Core signs what is handed out is shown in ``tests/integration/test_wallet_node.py``, that a stop at any
point does no harm in ``tests/crash/test_crash_psbt.py``.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.psbt import transaction_in
from anchor.bitcoin.transaction import fee_sat
from anchor.bitcoin.wallet import Wallet
from anchor.errors import BehindError, StaleSignatureError
from anchor.fees import FEE_TARGET_BLOCKS
from anchor.journal import Attempt
from anchor.plan import Send, Wait
from anchor.proof.bitcoin.payload import find_payload
from anchor.signature_requests import Ended, SignatureRequest, export_request, import_signed, outbid_by, withdraw
from chains.home_making import create_home
from chains.status import status_of
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import HOUR_MS, SETTINGS, Clock, Service
from tests.simulators.signer import final_transaction, sign_psbt

MATURE = 101
WALLET = Wallet.generate(NETWORKS["regtest"], bytes(range(32)))
WAITS = "an anchor waits for a signature: anchorline wallet psbt export, sign, psbt import"


class Elsewhere(Service):
    """An operator whose key is elsewhere."""

    def request(self) -> SignatureRequest:
        """Return the request that is waited for."""
        live = self.home.signature_requests.live()
        assert live is not None
        return live

    def signed(self) -> bytes:
        """Hand out what is waited for, and return it signed."""
        psbt = export_request(self.home.signature_requests, self.request(), self.home.wallet.public)
        return sign_psbt(psbt, WALLET)

    def bring(self, signed: bytes) -> Attempt:
        """Import a signed PSBT."""
        home = self.home
        return import_signed(
            home.signature_requests, home.directory, home.source, home.wallet.public, signed, self.clock()
        )

    def record(self, content: bytes = b"more") -> None:
        """Record something and seal it, an hour later: the next anchor is due."""
        self.add("acme", content)
        self.clock.pass_ms(HOUR_MS)
        self.seal()

    def renew(self) -> None:
        """Withdraw what waits and ask for another, as ``wallet psbt export --renew`` does."""
        withdraw(self.home.signature_requests, self.clock())
        self.tick(at_once=True)

    def ended(self) -> list[str]:
        """Return how the requests ended, oldest first."""
        rows = self.home.engine.query("SELECT ended FROM signature_request_end ORDER BY request_no")
        return [str(ended) for (ended,) in rows]


@pytest.fixture
def fresh(tmp_path: Path, bitcoin: SimulatedBitcoin) -> Iterator[Elsewhere]:
    """A home whose key is elsewhere, funded, with one chain, sealed."""
    clock = Clock()
    settings = replace(SETTINGS, signer="psbt")
    with create_home(tmp_path / "home", settings, "test.anchorline.example", clock, wallet=WALLET.public) as home:
        service = Elsewhere(home, bitcoin, clock)
        bitcoin.mine(1, WALLET.script)
        bitcoin.mine(MATURE - 1)
        service.open_chain("acme")
        service.seal()
        yield service


@pytest.fixture
def waiting(fresh: Elsewhere, bitcoin: SimulatedBitcoin) -> Elsewhere:
    """The same with one anchor in a block and a second, signed elsewhere at 2 sat/vB, in the mempool."""
    fresh.tick()
    fresh.bring(fresh.signed())
    fresh.tick()
    bitcoin.mine()
    fresh.tick()
    fresh.record()
    fresh.tick()
    fresh.bring(fresh.signed())
    assert isinstance(fresh.tick().plan, Send)
    fresh.tick()
    assert ["confirmed", "seen"] == fresh.states()
    return fresh


def ask_for_more(service: Elsewhere, bitcoin: SimulatedBitcoin, rate: float = 9.0) -> SignatureRequest:
    """Let the estimate rise, an entry come and a block pass: a request replaces the attempt; return it."""
    bitcoin.fee_rate = rate
    service.record(b"at %f" % rate)
    bitcoin.mine_without(*bitcoin.mempool())
    assert Wait(WAITS) == service.tick().plan
    return service.request()


def names(service: Elsewhere) -> set[str]:
    return {str(alert.name) for alert in service.tick().alerts}


# --- replaced by fee


def test_a_fee_that_is_too_low_asks_for_another_signature(waiting: Elsewhere, bitcoin: SimulatedBitcoin) -> None:
    """The new request spends the same coin, carries the newest checkpoint and pays more; signed, it replaces."""
    old = waiting.attempts()[1]
    asked = ask_for_more(waiting, bitcoin)
    newest = waiting.home.directory.newest()
    assert newest is not None
    assert (old.spends, newest.size, fee_sat(1, 9.0)) == (asked.spends, asked.checkpoint_size, asked.fee_sat)
    assert (newest.size, newest.root) == (
        find_payload(asked.transaction).tree_size,
        find_payload(asked.transaction).root,
    )
    assert [old.txid] == bitcoin.mempool(), "until it is signed the old one stays where it is"
    new = waiting.bring(waiting.signed())
    assert isinstance(waiting.tick().plan, Send)
    assert [new.txid] == bitcoin.mempool()
    assert ["confirmed", "replaced", "broadcast"] == waiting.states()
    bitcoin.mine()
    waiting.tick()
    assert ["confirmed", "replaced", "confirmed"] == waiting.states()
    assert ["signed"] * 3 == waiting.ended()


def test_without_an_estimate_too_low_shows_by_waiting_here_too(waiting: Elsewhere, bitcoin: SimulatedBitcoin) -> None:
    """As many blocks as the target pass before a signature is asked for that pays one sat/vB more."""
    for number in range(FEE_TARGET_BLOCKS):
        assert waiting.home.signature_requests.live() is None
        waiting.record(b"%d" % number)
        bitcoin.mine_others()
        waiting.tick()
    assert waiting.request().fee_sat > waiting.attempts()[1].fee_sat


def test_a_request_stays_the_same_while_the_signer_has_it(waiting: Elsewhere, bitcoin: SimulatedBitcoin) -> None:
    """Later ticks, blocks, entries and fees a little higher make no other one: there is one, whoever asks."""
    asked = ask_for_more(waiting, bitcoin)
    bitcoin.fee_rate = 13.0
    for _ in range(3):
        waiting.record()
        bitcoin.mine_without(*bitcoin.mempool())
        waiting.tick()
    assert asked == waiting.request()


def outpace(service: Elsewhere, bitcoin: SimulatedBitcoin, rate: float = 14.0) -> SignatureRequest:
    """Let fees rise clearly above what the waiting request pays; return the one that took its place."""
    bitcoin.fee_rate = rate
    service.record(b"while it waits")
    bitcoin.mine_without(*bitcoin.mempool())
    assert Wait(WAITS) == service.tick().plan
    return service.request()


def test_a_request_whose_fee_fell_clearly_behind_is_renewed(waiting: Elsewhere, bitcoin: SimulatedBitcoin) -> None:
    """Half as much again: another request, with what is newest, and an alert names both; falling fees do nothing."""
    asked = ask_for_more(waiting, bitcoin)
    assert "signature-renewed" not in names(waiting)
    newer = outpace(waiting, bitcoin)
    assert (asked.request_no + 1, asked.request_no) == (newer.request_no, newer.renews)
    assert newer.checkpoint_size > asked.checkpoint_size
    assert newer.fee_sat > asked.fee_sat
    (alert,) = [alert for alert in waiting.tick().alerts if alert.name == "signature-renewed"]
    assert "request 4, which pays 2254 sat, took the place of request 3" in alert.message
    bitcoin.fee_rate = 1.0
    waiting.record()
    waiting.tick()
    assert newer == waiting.request(), "fees that fall renew nothing"
    waiting.bring(waiting.signed())
    assert "signature-renewed" not in names(waiting)


def test_the_first_anchor_is_renewed_as_a_version_is(fresh: Elsewhere, bitcoin: SimulatedBitcoin) -> None:
    """A request for a coin of which there is no attempt yet."""
    bitcoin.fee_rate = 2.0
    fresh.tick()
    first = fresh.request()
    bitcoin.fee_rate = 2.9
    fresh.tick()
    assert first == fresh.request()
    bitcoin.fee_rate = 3.0
    fresh.tick()
    assert first.request_no == fresh.request().renews


def test_a_renewed_request_that_is_signed_meanwhile_is_a_version(waiting: Elsewhere, bitcoin: SimulatedBitcoin) -> None:
    """The older signature comes first and is sent; the newer one comes later, and replaces it in the mempool."""
    ask_for_more(waiting, bitcoin)
    older = waiting.signed()
    newer = outpace(waiting, bitcoin)
    first = waiting.bring(older)
    assert first == waiting.bring(older)
    assert newer == waiting.request(), "it pays clearly more, so it is waited for"
    assert isinstance(waiting.tick().plan, Send)
    assert [first.txid] == bitcoin.mempool()
    second = waiting.bring(waiting.signed())
    assert isinstance(waiting.tick().plan, Send)
    assert [second.txid] == bitcoin.mempool()
    bitcoin.mine()
    waiting.tick()
    assert ["confirmed", "replaced", "replaced", "confirmed"] == waiting.states()
    assert ["signed", "signed", "renewed", "signed"] == waiting.ended()


def test_a_renewed_request_is_refused_when_the_newer_one_was_signed(
    waiting: Elsewhere, bitcoin: SimulatedBitcoin
) -> None:
    """It pays less than the attempt of the same coin; and it is refused where its successor was withdrawn."""
    ask_for_more(waiting, bitcoin)
    older = waiting.signed()
    outpace(waiting, bitcoin)
    newer = waiting.signed()
    withdraw(waiting.home.signature_requests, waiting.clock())
    with pytest.raises(StaleSignatureError, match=r"request 3 was renewed before; nothing is waited for"):
        waiting.bring(older)
    waiting.tick()
    assert transaction_in(newer).txid == waiting.request().transaction.txid
    waiting.bring(newer)
    with pytest.raises(StaleSignatureError, match=r"request 3 was renewed before; nothing is waited for"):
        waiting.bring(older)
    waiting.tick()
    assert 3 == len(waiting.attempts())


def test_a_renewed_request_that_is_mined_ends_the_newer_one(waiting: Elsewhere, bitcoin: SimulatedBitcoin) -> None:
    """Nobody is asked to sign for a coin that a block spends."""
    ask_for_more(waiting, bitcoin)
    older = waiting.signed()
    outpace(waiting, bitcoin)
    waiting.bring(older)
    waiting.tick()
    bitcoin.mine()
    waiting.tick()
    assert ["signed", "signed", "renewed", "withdrawn"] == waiting.ended()[:4]


def test_a_replaced_request_that_is_signed_late_is_refused_by_name(
    waiting: Elsewhere, bitcoin: SimulatedBitcoin
) -> None:
    """What was withdrawn for a newer one is refused with the number of the one that is waited for."""
    ask_for_more(waiting, bitcoin)
    late = waiting.signed()
    waiting.record()
    bitcoin.mine_without(*bitcoin.mempool())
    waiting.renew()
    with pytest.raises(StaleSignatureError, match=r"request 3 was withdrawn before; request 4 is: export and sign"):
        waiting.bring(late)
    new = waiting.bring(waiting.signed())
    waiting.tick()
    assert [new.txid] == bitcoin.mempool()
    with pytest.raises(StaleSignatureError, match=r"request 3 was withdrawn before; nothing is waited for"):
        waiting.bring(late)


def test_a_replaced_request_that_was_sent_elsewhere_is_taken_up(waiting: Elsewhere, bitcoin: SimulatedBitcoin) -> None:
    """The thread stops with a name for it, goes on after the import, and the newer request is withdrawn with it."""
    ask_for_more(waiting, bitcoin)
    sent = waiting.signed()
    waiting.record()
    bitcoin.mine_without(*bitcoin.mempool())
    waiting.renew()
    newer = waiting.signed()
    bitcoin.broadcast(final_transaction(sent))
    with pytest.raises(BehindError, match="request 3 was signed and sent elsewhere"):
        waiting.tick()
    taken = waiting.bring(sent)
    assert taken == waiting.bring(sent), "a repeated import is the same attempt"
    assert waiting.home.signature_requests.live() is None
    with pytest.raises(StaleSignatureError, match="request 4 was withdrawn before"):
        waiting.bring(newer)
    bitcoin.mine()
    waiting.tick()
    assert ["confirmed", "replaced", "confirmed"] == waiting.states()


# --- requests that nobody can use any more


def test_a_request_is_withdrawn_when_the_attempt_it_replaces_is_mined(
    waiting: Elsewhere, bitcoin: SimulatedBitcoin
) -> None:
    """Its coin is spent for good; nobody is asked to sign for it, and the next anchor has a request of its own."""
    ask_for_more(waiting, bitcoin)
    late = waiting.signed()
    bitcoin.mine()
    waiting.tick()
    assert waiting.attempts()[1].coin == waiting.request().spends
    assert [Ended.SIGNED, Ended.SIGNED, Ended.WITHDRAWN] == waiting.ended()
    with pytest.raises(StaleSignatureError, match="request 3 was withdrawn before; request 4 is"):
        waiting.bring(late)


def test_a_useless_request_is_withdrawn_before_the_next_is_due(waiting: Elsewhere, bitcoin: SimulatedBitcoin) -> None:
    """Where the mined attempt has everything, nothing is waited for, and nothing wanted."""
    asked = ask_for_more(waiting, bitcoin)
    bitcoin.mine()
    waiting.clock.pass_ms(-HOUR_MS)  # nothing is due
    assert isinstance(waiting.tick().plan, Wait)
    assert waiting.home.signature_requests.live() is None
    assert asked.request_no == len(waiting.ended())


def test_an_import_between_two_ticks_leaves_one_attempt(fresh: Elsewhere, bitcoin: SimulatedBitcoin) -> None:
    """A tick that planned before the import, and asks after it, stores no second request for the same anchor."""
    fresh.tick()
    signed = fresh.signed()
    # The tick has looked for an attempt when it asks how deep top-ups are.
    bitcoin.after("unspent", lambda: bitcoin.after("tip", lambda: fresh.bring(signed)))
    assert Wait(WAITS) == fresh.tick().plan
    assert bitcoin.is_quiet
    assert fresh.home.signature_requests.live() is None
    assert isinstance(fresh.tick().plan, Send)
    assert (1, ["signed"]) == (len(fresh.attempts()), fresh.ended())


def test_a_withdrawal_during_the_import_wins(fresh: Elsewhere, bitcoin: SimulatedBitcoin) -> None:
    """What another process withdrew while the signature was checked is refused, not stored."""
    fresh.tick()
    signed = fresh.signed()
    bitcoin.after("tip", lambda: withdraw(fresh.home.signature_requests, fresh.clock()))
    with pytest.raises(StaleSignatureError, match="request 1 was withdrawn before"):
        fresh.bring(signed)
    assert [] == fresh.attempts()


def test_a_request_that_pays_no_more_than_an_attempt_is_refused(waiting: Elsewhere, bitcoin: SimulatedBitcoin) -> None:
    """A key that came into the home meanwhile made a version that pays more: the signature is refused by name."""
    asked = ask_for_more(waiting, bitcoin)
    signed = waiting.signed()
    outbid = replace(asked, fee_sat=waiting.attempts()[1].fee_sat)
    assert waiting.attempts()[1] == outbid_by(outbid, waiting.attempts())
    assert outbid_by(asked, waiting.attempts()) is None
    with waiting.home.engine.transaction():
        waiting.home.engine.execute(
            "UPDATE signature_request SET fee_sat = ? WHERE request_no = ?", (outbid.fee_sat, asked.request_no)
        )
    with pytest.raises(StaleSignatureError, match=r"request 3 pays 322 sat, and attempt 2, .*, 322 sat"):
        waiting.bring(signed)
    waiting.tick()
    assert transaction_in(signed).txid == waiting.request().transaction.txid
    assert asked.request_no + 1 == waiting.request().request_no, "another one is asked for, which pays enough"


# --- the alert


def test_a_signature_is_wanted_after_the_interval(waiting: Elsewhere, bitcoin: SimulatedBitcoin) -> None:
    """Tick and status say so from the interval on, until it came."""
    asked = ask_for_more(waiting, bitcoin)
    assert "signature-wanted" not in names(waiting)
    waiting.clock.now_ms = asked.made_at_ms + HOUR_MS - 1
    assert "signature-wanted" not in names(waiting)
    waiting.clock.now_ms += 1
    (alert,) = [alert for alert in waiting.tick().alerts if alert.name == "signature-wanted"]
    assert "request 3 has waited for a signature for 60 minutes" in alert.message
    assert "signature-wanted" in {alert["name"] for alert in status_of(waiting.home)["alerts"]}
    waiting.bring(waiting.signed())
    assert "signature-wanted" not in names(waiting)


def test_no_signature_is_wanted_for_a_spent_coin(waiting: Elsewhere, bitcoin: SimulatedBitcoin) -> None:
    """Where a block has the attempt that was to be replaced, nobody is asked to hurry."""
    ask_for_more(waiting, bitcoin)
    waiting.clock.pass_ms(HOUR_MS)
    bitcoin.mine()
    assert "signature-wanted" not in names(waiting)
