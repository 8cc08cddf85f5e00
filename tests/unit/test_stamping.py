"""Tests of ``anchor.stamping`` and ``anchor.timestamps``: who is asked when, and that nobody waits for an authority.

The home is a real one on a simulated Bitcoin; authorities answer over real HTTP.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from anchor.proof.receipt import Receipt
from anchor.proof.receipt_upgrade import dropped_by_upgrade
from anchor.proof.timestamp import imprint_of
from anchor.proof.verify import Outcome, State, Verifier, verify
from anchor.signing import check_signature
from anchor.stamping import FIRST_WAIT_MS, LATEST_MS, LONGEST_WAIT_MS, Stamping, next_size
from anchor.timestamp_authority import TimestampAuthority, TimestampLimits
from anchor.timestamp_token import timestamp_check
from anchor.timestamps import Failure, Timestamps
from chains.audit import Audit
from chains.reader import Reader
from tests.cli.commands import run
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import HOUR_MS, Service, judge
from tests.simulators.timestamp_authority import certify_root, certify_signer
from tests.simulators.timestamp_server import Authority, question_of, serving, simulated
from tests.waiting import wait_until

ROOT = certify_root()
SIGNER = certify_signer(ROOT)
# Nobody is waited for as long as this: it only ends a test that would hang.
WAIT_S = 60.0


@pytest.fixture
def server() -> Iterator[Authority]:
    """An authority that stamps."""
    with serving(simulated(SIGNER)) as running:
        yield running


def stamping(service: Service, *servers: Authority) -> Stamping:
    limits = TimestampLimits(WAIT_S, WAIT_S, WAIT_S)
    asked = [TimestampAuthority(server.url, [ROOT.certificate], limits=limits) for server in servers]
    return Stamping(service.home.engine, service.home.directory, asked)


def anchor(service: Service, *contents: bytes) -> list[bytes]:
    """Record, seal and send an anchor, once the one before is in a block; return the entry hashes."""
    added = service.add("acme", *(contents or (b"one",)))
    service.clock.pass_ms(HOUR_MS)
    service.seal()
    service.tick(at_once=True)
    return added


def imprints(server: Authority) -> list[bytes]:
    return [question_of(query)[0] for query in server.questions]


def imprint_now(service: Service) -> bytes:
    newest = service.home.directory.newest()
    assert newest is not None
    return imprint_of(newest.size, newest.root)


# The rule


def test_the_newest_checkpoint_that_is_not_stamped_is_next() -> None:
    """Newest first, each once, and nothing where all are stamped."""
    assert 9 == next_size([5, 9, 7], set(), (), 0)
    assert 7 == next_size([5, 9, 7], {9}, (), 0)
    assert next_size([5, 9, 7], {5, 7, 9}, (), 0) is None
    assert next_size([], set(), (), 0) is None


def test_whoever_fails_is_left_alone_for_longer_and_longer() -> None:
    """One minute after the first failure, two after the second, at most an hour."""
    for count, wait_ms in ((1, FIRST_WAIT_MS), (2, 2 * FIRST_WAIT_MS), (5, 16 * FIRST_WAIT_MS), (16, LONGEST_WAIT_MS)):
        failures = [Failure(1000, "busy")] * count
        assert next_size([5], set(), failures, 1000 + wait_ms - 1) is None
        assert 5 == next_size([5], set(), failures, 1000 + wait_ms)


# Asking


def test_each_anchored_checkpoint_is_stamped_once(
    service: Service, server: Authority, bitcoin: SimulatedBitcoin
) -> None:
    """Not every seal: what is anchored; and never a second time once a token is kept."""
    asking = stamping(service, server)
    service.seal()
    assert [] == asking.tick(service.clock(), WAIT_S)
    anchor(service)
    first = imprint_now(service)
    for _ in range(3):
        asking.tick(service.clock(), WAIT_S)
    assert [first] == imprints(server)
    bitcoin.mine()
    anchor(service, b"two")
    asking.tick(service.clock(), WAIT_S)
    assert 2 == len(server.questions) == Timestamps(service.home.engine).count()


def test_each_authority_is_asked(service: Service, server: Authority) -> None:
    """Two authorities are two time stamps of one checkpoint, in the receipt both."""
    with serving(simulated(SIGNER)) as other:
        asking = stamping(service, server, other)
        (entry,) = anchor(service)
        assert 2 == len(asking.tick(service.clock(), WAIT_S))
    sealed = service.receipt(entry).sealed
    assert sealed is not None
    assert 2 == len(sealed.timestamps)


def test_a_failure_is_noted_and_tried_again_later(service: Service, server: Authority) -> None:
    """After a failure nobody is asked for a minute; then the same checkpoint is."""
    asking = stamping(service, server)
    anchor(service)
    server.status = 503
    (failed,) = asking.tick(service.clock(), WAIT_S)
    assert "got HTTP 503" in failed.cause
    assert failed.cause == Timestamps(service.home.engine).failures(server.url)[0].cause
    server.status = 200
    service.clock.pass_ms(FIRST_WAIT_MS - 1)
    assert [] == asking.tick(service.clock(), WAIT_S)
    service.clock.pass_ms(1)
    (kept,) = asking.tick(service.clock(), WAIT_S)
    assert ("", 2) == (kept.cause, len(server.questions))
    assert () == Timestamps(service.home.engine).failures(server.url)


def test_a_new_process_goes_on_where_the_old_one_was(service: Service, server: Authority) -> None:
    """Waiting and what is stamped are in the database: nothing is kept between calls but questions under way."""
    anchor(service)
    server.status = 503
    stamping(service, server).tick(service.clock(), WAIT_S)
    stamping(service, server).tick(service.clock(), WAIT_S)
    assert 1 == len(server.questions)
    server.status = 200
    service.clock.pass_ms(FIRST_WAIT_MS)
    stamping(service, server).tick(service.clock(), WAIT_S)
    stamping(service, server).tick(service.clock(), WAIT_S)
    assert (2, 1) == (len(server.questions), Timestamps(service.home.engine).count())


def test_a_crash_between_answer_and_store_costs_a_repeated_question(service: Service, server: Authority) -> None:
    """The process ends with the answer in hand: the next one asks again, and keeps one token."""
    anchor(service)
    lost = stamping(service, server)
    lost.tick(service.clock())
    lost._answers.put(lost._answers.get(timeout=WAIT_S))  # it has come, and the process ends here
    assert 0 == Timestamps(service.home.engine).count()
    stamping(service, server).tick(service.clock(), WAIT_S)
    assert (2, 1) == (len(server.questions), Timestamps(service.home.engine).count())
    lost.tick(service.clock(), 0)  # two processes: the second token of one authority changes nothing
    assert 1 == Timestamps(service.home.engine).count()


def test_a_slow_authority_holds_up_neither_seals_nor_anchors_nor_another(
    service: Service, server: Authority, bitcoin: SimulatedBitcoin
) -> None:
    """While one does not answer, checkpoints are sealed and anchored, and another authority stamps them."""
    released = threading.Event()
    honest = server.reply

    def held(query: bytes) -> bytes:
        assert released.wait(WAIT_S)
        return honest(query)

    server.reply = held
    with serving(simulated(SIGNER)) as quick, ExitStack() as stack:
        stack.callback(released.set)
        asking = stamping(service, server, quick)
        anchor(service)
        assert [] == asking.tick(service.clock())
        answered = asking._answers.get(timeout=WAIT_S)
        asking._answers.put(answered)
        assert quick.url == answered.authority
        bitcoin.mine()
        anchor(service, b"two")
        assert ["confirmed", "broadcast"] == service.states()
        assert [quick.url] == [item.authority for item in asking.tick(service.clock())]
        wait_until(lambda: server.questions)
        assert 1 == len(server.questions)
        released.set()
        assert {server.url, quick.url} == {item.authority for item in asking.tick(service.clock(), WAIT_S)}


def test_old_checkpoints_are_not_stamped(service: Service, server: Authority) -> None:
    """An authority that is first named today is not asked about what was anchored more than a day ago."""
    anchor(service)
    service.clock.pass_ms(LATEST_MS + 1)
    assert [] == stamping(service, server).tick(service.clock(), WAIT_S)
    assert [] == server.questions


# In receipts


def judged(receipt: Receipt, service: Service, *, accept_timestamp: bool = False) -> tuple[Outcome, State | None]:
    verifier = Verifier(
        card=service.home.card(),
        check_signature=check_signature,
        check_timestamp=timestamp_check([ROOT.certificate]),
        accept_timestamp=accept_timestamp,
    )
    verdict = verify(receipt, verifier)
    return verdict.outcome, verdict.steps[13].state if len(verdict.steps) > 13 else None


def test_a_receipt_has_the_time_stamp_before_bitcoin_and_with_it(
    service: Service, server: Authority, bitcoin: SimulatedBitcoin
) -> None:
    """Seconds after the anchor was sent there is a time stamp; the block comes beside it, and upgrade keeps both."""
    (entry,) = anchor(service)
    stamping(service, server).tick(service.clock(), WAIT_S)
    early = service.receipt(entry)
    assert (Outcome.INCOMPLETE, State.OK) == judged(early, service)
    assert (Outcome.TIME_STAMPED, State.OK) == judged(early, service, accept_timestamp=True)
    bitcoin.mine()
    service.tick()
    later = upgraded(service, early)
    assert later.sealed is not None
    assert (True, 1) == (later.sealed.is_in_bitcoin, len(later.sealed.timestamps))
    assert Outcome.INTACT == judge(later, service.home.card(), bitcoin).outcome


def upgraded(service: Service, old: Receipt) -> Receipt:
    stored = Reader(service.home.engine, service.home.chains, service.home.lookup).by_hash(old.entry.hash)
    assert stored is not None
    return service.receipts().upgrade(old, stored)


def test_an_upgrade_keeps_a_time_stamp_that_this_home_does_not_have(
    service: Service, server: Authority, bitcoin: SimulatedBitcoin
) -> None:
    """A home that lost its tokens does not take them out of a receipt of the same checkpoint."""
    (entry,) = anchor(service)
    stamping(service, server).tick(service.clock(), WAIT_S)
    early = service.receipt(entry)
    with service.home.engine.transaction():
        service.home.engine.execute("DELETE FROM time_stamp")
    bitcoin.mine()
    service.tick()
    assert early.sealed is not None
    later = upgraded(service, early).sealed
    assert later is not None
    assert (True, early.sealed.timestamps) == (later.is_in_bitcoin, later.timestamps)


def test_an_entry_in_a_later_seal_is_proved_against_the_stamped_checkpoint(service: Service, server: Authority) -> None:
    """While nothing is in a block, the first stamped checkpoint over the entry is the one of its receipt."""
    (entry,) = service.add("acme", b"sealed, and anchored by a later seal only")
    service.seal()
    anchor(service, b"more")
    stamping(service, server).tick(service.clock(), WAIT_S)
    assert (Outcome.TIME_STAMPED, State.OK) == judged(service.receipt(entry), service, accept_timestamp=True)


@pytest.mark.parametrize("spoil", [lambda _: b"no token", lambda token: token[:-1]])
def test_the_audit_names_a_token_that_is_damaged(
    service: Service, server: Authority, spoil: Callable[[bytes], bytes]
) -> None:
    """A token that cannot be read, or is over something else, is a finding; a good one is none."""
    anchor(service)
    stamping(service, server).tick(service.clock(), WAIT_S)
    assert [] == findings(service)
    engine = service.home.engine
    [(token,)] = engine.query("SELECT token FROM time_stamp")
    with engine.transaction():
        engine.execute("UPDATE time_stamp SET token = ?", (spoil(bytes(token)),))
    assert 1 == len(findings(service))
    assert "time stamp of checkpoint" in findings(service)[0]


def test_the_audit_names_a_token_over_another_checkpoint(service: Service, server: Authority) -> None:
    """A token that was moved beside another checkpoint is found."""
    anchor(service)
    stamping(service, server).tick(service.clock(), WAIT_S)
    service.clock.pass_ms(HOUR_MS)
    anchor(service, b"two")
    engine = service.home.engine
    newest = service.home.directory.newest()
    assert newest is not None
    with engine.transaction():
        engine.execute("UPDATE time_stamp SET checkpoint_size = ?", (newest.size,))
    assert 1 == len(findings(service))


def test_an_upgrade_to_a_later_checkpoint_drops_the_time_stamp_and_says_so(
    service: Service, server: Authority, bitcoin: SimulatedBitcoin, tmp_path: Path
) -> None:
    """The stamped checkpoint was replaced by a newer one before a block had it: its token proves nothing of that."""
    (entry,) = anchor(service)
    stamping(service, server).tick(service.clock(), WAIT_S)
    old = service.receipt(entry)
    assert old.sealed is not None
    assert 1 == len(old.sealed.timestamps)
    stored = Reader(service.home.engine, service.home.chains, service.home.lookup).by_hash(entry)
    assert stored is not None
    assert (0, 0) == dropped_by_upgrade(old, service.receipts().upgrade(old, stored))
    service.tick()
    bitcoin.fee_rate = 9.0
    bitcoin.mine_without(*bitcoin.mempool())
    anchor(service, b"newer")
    bitcoin.mine()
    service.tick()
    new = service.receipts().upgrade(old, stored)
    assert new.sealed is not None
    assert old.sealed.checkpoint.size < new.sealed.checkpoint.size
    assert () == new.sealed.timestamps
    assert (1, 0) == dropped_by_upgrade(old, new)
    again = service.receipt(entry, old.sealed.checkpoint.size)
    assert again.sealed is not None
    assert old.sealed.timestamps == again.sealed.timestamps
    path, size = tmp_path / "receipt", old.sealed.checkpoint.size
    for option, expected in (
        ("", f"which prove the earlier checkpoint of {size} leaves"),
        ("--json", '"time_stamps": 1'),
    ):
        path.write_bytes(old.encode())
        done = run("upgrade", path, "--home", service.home.folder, *filter(None, [option]))
        assert (0, True) == (done.exit_code, expected in done.text), done
        assert new == Receipt.decode(path.read_bytes())


def findings(service: Service) -> list[str]:
    home = service.home
    reader = Reader(home.engine, home.chains, home.lookup)
    report = Audit(home.engine, home.trees, home.directory, home.chains, reader, home.journal).run()
    return [finding.where for finding in report.findings]
