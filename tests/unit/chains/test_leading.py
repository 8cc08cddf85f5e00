"""Holding a home's lease while something works: waiting for others, renewing, losing it, and beginning anew."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from anchor.errors import BehindError, LeaseHeldError, LeaseLostError, SourceUnavailableError
from anchor.lease import Leases
from anchor.lease_holder import this_process
from chains.highwater import HighWater, write_high_water
from chains.home import Home
from chains.leading import held, leading
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.holders import elsewhere, gone
from tests.simulators.service import SETTINGS, Clock, Service, new_service
from tests.waiting import PATIENCE_S, wait_until


@pytest.fixture
def service(tmp_path: Path, bitcoin: SimulatedBitcoin) -> Iterator[Service]:
    with new_service(tmp_path / "home", bitcoin, settings=replace(SETTINGS, lease_s=2)) as made:
        made.open_chain("acme")
        yield made


def seal(home: Home, clock: Clock) -> None:
    assert home.anchoring.seal(home.checkpoint_key, clock()) is not None


def test_nothing_is_sealed_without_the_lease(service: Service) -> None:
    """A home that was opened by a command which takes no lease refuses before its first write."""
    with pytest.raises(LeaseLostError):
        seal(service.home, service.clock)
    assert service.home.directory.newest() is None


def test_a_command_holds_the_lease_for_its_run(service: Service) -> None:
    """It seals under it, and gives it back: the next one waits for nobody."""
    for number in (1, 2):
        service.add("acme", b"%d" % number)
        with leading(service.home, "seal") as lease:
            seal(service.home, service.clock)
            assert number == lease.fence
        assert service.home.guarded.lease is None
        assert Leases(service.home.engine).read().holder is None


def test_an_error_gives_the_lease_back_too(service: Service) -> None:
    """Whoever fails makes nobody wait."""
    with pytest.raises(SourceUnavailableError), leading(service.home, "tick"):
        raise SourceUnavailableError("no answer")
    assert Leases(service.home.engine).read().holder is None


def test_a_command_waits_for_another_one(service: Service) -> None:
    """A seal and a tick at the same moment both do their work, one after the other."""
    leases = Leases(service.home.engine)
    other = leases.take(this_process("tick", stays=False), service.clock())
    ending = threading.Timer(0.3, leases.release, [other])
    began_s = time.monotonic()
    ending.start()
    with leading(service.home, "seal", wait_s=PATIENCE_S):
        assert time.monotonic() - began_s > 0.25
        seal(service.home, service.clock)
    ending.join()


def test_a_command_waits_only_a_little(service: Service) -> None:
    """Then it says who has the lease."""
    Leases(service.home.engine).take(elsewhere("tick", stays=False), service.clock(), 60_000)
    began_s = time.monotonic()
    with pytest.raises(LeaseHeldError, match="`anchorline tick`"), leading(service.home, "seal", wait_s=0.3):
        pytest.fail("it went on")
    assert time.monotonic() - began_s >= 0.3


def test_a_command_does_not_wait_for_a_daemon(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon stays: waiting for its end would only cost time."""
    Leases(service.home.engine).take(elsewhere("daemon", stays=True), service.clock(), 60_000)
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waited"))
    with pytest.raises(LeaseHeldError, match="`anchorline daemon`"), leading(service.home, "seal", wait_s=60):
        pytest.fail("it went on")


def test_the_lease_is_renewed_beside_the_work(service: Service) -> None:
    """Work that takes longer than a lease keeps it; the renewals are on a thread of their own."""
    with leading(service.home, "seal") as lease:

        def is_renewed() -> bool:
            service.clock.pass_ms(1)
            return Leases(service.home.engine).read().renewed_at_ms != lease.renewed_at_ms

        wait_until(is_renewed)
        assert lease.fence == Leases(service.home.engine).read().fence


def test_a_renewal_that_comes_too_late_is_told(service: Service) -> None:
    """Whoever was paused past its lease learns it from its next renewal, or from its next write."""
    leases, lost = Leases(service.home.engine), threading.Event()
    lease = leases.take(gone("daemon"), service.clock(), 600)
    with held(service.home, lease, lost.set):
        taken_over = leases.take(elsewhere(), service.clock())
        assert lost.wait(PATIENCE_S)
        with pytest.raises(LeaseLostError):
            seal(service.home, service.clock)
    assert taken_over == leases.read(), "what was lost is not given back"


def test_a_new_lease_asks_again_whether_the_home_is_in_step(service: Service) -> None:
    """A process that stood by for a day knows nothing of that day: what it has checked before counts no more."""
    with leading(service.home, "daemon"):
        seal(service.home, service.clock)
    service.add("acme", b"later")
    # Meanwhile this machine has seen more of the log than this home holds: it is an old copy.
    write_high_water(service.home.directory.log.log_id, HighWater(1_000, 1_000))
    with leading(service.home, "daemon"), pytest.raises(BehindError):
        seal(service.home, service.clock)


def test_a_new_lease_begins_with_a_new_engine(service: Service) -> None:
    """What was remembered of Bitcoin under an earlier lease is not what the next one goes on from."""
    with leading(service.home, "daemon"):
        seal(service.home, service.clock)
        before = service.home.anchoring
    with leading(service.home, "daemon"):
        assert before is not service.home.anchoring
