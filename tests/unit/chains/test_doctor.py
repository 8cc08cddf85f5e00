"""The doctor on real homes, each with one thing wrong: the check that is there for it says so, and the others go on."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anchor.bitcoin.http_probe import probe
from anchor.bitcoin.wallet import Wallet
from anchor.errors import SourceUnavailableError, WrongNetworkError
from anchor.signing import SigningKey
from chains.diagnosis import Finding
from chains.doctor import CHECKS, examine
from chains.highwater import HighWater, write_high_water
from chains.home import DATABASE
from chains.parallel import all_within
from tests.databases import on_postgres
from tests.homes import add_migration, lose_database, lose_migration
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.listening import Quiet, listening
from tests.simulators.service import HOUR_MS, START_MS, Clock, Service, coin_at, foreign_anchor, new_service
from tests.waiting import PATIENCE_S

DAY_MS = 24 * HOUR_MS
DOCS = Path(__file__).parents[3] / "docs" / "operate" / "doctor.md"


@pytest.fixture
def service(tmp_path: Path, bitcoin: SimulatedBitcoin) -> Iterator[Service]:
    """A home with one anchor in a block, whose clock is a little behind the newest block's time, and nothing open."""
    with new_service(tmp_path / "home", bitcoin, Clock(START_MS + DAY_MS)) as made:
        bitcoin.mine(1, made.wallet.script)
        bitcoin.mine(100)
        made.open_chain("acme")
        made.seal()
        made.tick()
        bitcoin.mine()
        made.tick()
        assert ["confirmed"] == made.states()
        yield made


def found(service: Service, *sources: SimulatedBitcoin, timeout_s: float = 20) -> dict[str, list[Finding]]:
    """Examine a home; return the findings by check."""
    named = {f"source {number}": source for number, source in enumerate(sources)}
    findings = examine(service.home.folder, service.clock, timeout_s=timeout_s, sources_of=lambda _: dict(named))
    return {check: [each for each in findings if each.check == check] for check in CHECKS}


def bad(findings: dict[str, list[Finding]]) -> dict[str, str]:
    """Return the checks with warnings and errors, and the worst of each."""
    order = ["ok", "not checked", "warning", "error"]
    worst = {check: max((str(each.level) for each in all_), key=order.index) for check, all_ in findings.items()}
    return {check: level for check, level in worst.items() if level in {"warning", "error"}}


def text(findings: list[Finding]) -> str:
    return " ".join(each.found for each in findings)


# --- what is published


def test_the_doctor_reads_what_is_published(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Sound, of another log, and not there: each with what it means; where nothing is configured nothing is checked."""
    home = service.home
    assert "name no published_checkpoint" in text(found(service, bitcoin)["published"])
    place = home.folder / "published"
    settings = home.folder / "anchorline.toml"
    written = settings.read_text()
    assert 'published_checkpoint = ""' in written
    settings.write_text(written.replace('published_checkpoint = ""', f'published_checkpoint = "{place}"'))
    findings = found(service, bitcoin)
    assert {"published": "error"} == bad(findings)
    assert "is not there" in text(findings["published"])
    newest = home.directory.newest()
    assert newest is not None
    assert newest.note is not None
    place.write_text(newest.note)
    findings = found(service, bitcoin)
    assert {} == bad(findings)
    assert "this home continues it" in text(findings["published"])
    place.write_text("no checkpoint")
    findings = found(service, bitcoin)
    assert {"published": "error"} == bad(findings)
    assert "expected a signed checkpoint" in text(findings["published"])


# --- the whole


def test_every_check_finds_something(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A sound home has nothing wrong, and each check says something."""
    findings = found(service, bitcoin, bitcoin)
    assert {} == bad(findings)
    assert all(findings.values())


def test_the_page_lists_the_checks() -> None:
    """docs/operate/doctor.md has each check, in the order in which they are printed, and no other."""
    rows = re.findall(r"(?m)^\| ([a-z-]+) \|", DOCS.read_text())
    assert ["check", *CHECKS] == rows


def test_a_check_that_breaks_hides_no_other(
    service: Service, bitcoin: SimulatedBitcoin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in one check is a finding; what its error says is not printed."""

    def broken(_: object) -> list[Finding]:
        raise ZeroDivisionError("tprv8-secret")

    monkeypatch.setitem(CHECKS, "disk", broken)
    findings = found(service, bitcoin)
    assert {"disk": "error"} == bad(findings)
    assert "ZeroDivisionError" in text(findings["disk"])
    assert not any("secret" in text(each) for each in findings.values())


def test_a_source_that_hangs_costs_a_bounded_time(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """What does not answer is said to be late, and everything else is checked all the same."""
    release = threading.Event()
    hanging = SimulatedBitcoin()
    hanging.before("check_network", lambda: release.wait(PATIENCE_S))
    hanging.before("check_network", lambda: release.wait(PATIENCE_S))
    findings = found(service, hanging, timeout_s=4)
    assert not release.is_set()
    release.set()
    assert "no answer within" in text(findings["source"])
    assert "error" == bad(findings)["source"]
    assert {"ok"} == {str(each.level) for check in ("disk", "database", "keys", "funds") for each in findings[check]}


def test_late_work_is_left_behind() -> None:
    """What raises, what returns and what hangs are told apart, in the order given."""
    release = threading.Event()

    def raise_() -> int:
        raise KeyError

    results = all_within({"a": lambda: 1, "b": raise_, "c": lambda: int(release.wait(PATIENCE_S))}, 2.0)
    release.set()
    assert ["a", "b", "c"] == list(results)
    assert (1, KeyError, TimeoutError) == (results["a"], type(results["b"]), type(results["c"]))


# --- Bitcoin


def _wrong_network() -> None:
    raise WrongNetworkError("expected regtest, found another")


def test_a_source_on_another_network(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """It is an error by itself, beside one that is right."""
    wrong = SimulatedBitcoin()
    for _ in range(4):
        wrong.before("check_network", _wrong_network)
    findings = found(service, bitcoin, wrong)
    assert ["ok", "error"] == [str(each.level) for each in findings["source"]]


def test_a_silent_source(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Alone it is an error, and what rests on it is not checked."""
    bitcoin.silent = True
    findings = found(service, bitcoin)
    assert {"source": "error"} == bad(findings)
    assert {"not checked"} == {
        str(each.level) for check in ("agreement", "tip", "clock", "in-step") for each in findings[check]
    }


def test_a_source_that_lags(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Seven blocks behind the other is a warning that names it."""
    bitcoin.mine(10)
    behind = SimulatedBitcoin()
    behind._chain = bitcoin._chain[:-7]
    findings = found(service, bitcoin, behind)
    assert "source 1 by 7 blocks" in text(findings["agreement"])
    assert "warning" == bad(findings)["agreement"]


def test_sources_that_tell_different_histories(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Another block, deep on the chain of both, is an error."""
    other = SimulatedBitcoin()
    other.mine(bitcoin.height)
    findings = found(service, bitcoin, other)
    assert ("error", True) == (bad(findings)["agreement"], "different blocks" in text(findings["agreement"]))


def test_a_clock_that_is_behind(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Block times give away a clock that is set back."""
    service.clock.pass_ms(-2 * DAY_MS)
    assert "error" == bad(found(service, bitcoin))["clock"]


def test_a_thief_is_noticed(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A spend of the thread coin that is not ours is an error."""
    coin = coin_at(bitcoin, service.wallet.script, service.attempts()[0].coin)
    bitcoin.broadcast(foreign_anchor(service.wallet, coin))
    assert "error" == bad(found(service, bitcoin))["in-step"]


def test_a_log_without_money(tmp_path: Path, bitcoin: SimulatedBitcoin) -> None:
    """Without a coin nothing can be anchored; a coin that is not deep enough is told apart; a deep one is enough."""
    with new_service(tmp_path / "poor", bitcoin) as poor:
        bitcoin.mine()
        findings = found(poor, bitcoin)
        assert ("error", "warning") == (bad(findings)["funds"], bad(findings)["last-anchor"])
        bitcoin.mine(1, poor.wallet.script)
        assert "not deep enough" in text(found(poor, bitcoin)["funds"])
        bitcoin.mine(100)
        assert "funds" not in bad(found(poor, bitcoin))


def test_a_daemon_that_does_not_run(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """First the promise to seal is late, then the pace, then the silence; each has its check."""
    service.add("acme", b"more")
    service.clock.pass_ms(HOUR_MS)
    assert "error" == bad(found(service, bitcoin))["promises"]
    service.seal()
    assert "promises" not in bad(found(service, bitcoin))
    service.clock.pass_ms(2 * HOUR_MS)
    assert {"last-anchor": "warning"} == bad(found(service, bitcoin))
    service.clock.pass_ms(2 * DAY_MS)
    findings = bad(found(service, bitcoin))
    assert ("error", "error", "error") == (findings["last-anchor"], findings["promises"], findings["alerts"])


def test_a_header_store_is_looked_at(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Without one there is nothing to check, and it says how one is made."""
    findings = found(service, bitcoin)
    assert ("not checked", True) == (str(findings["headers"][0].level), "headers sync" in text(findings["headers"]))


# --- this machine


def test_settings_that_cannot_be_read(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """It is one error; what needs no settings is checked, the rest says that it was not: also a server they name."""
    path = service.home.folder / "anchorline.toml"
    path.write_text(path.read_text() + "nonsense = 1\n")
    findings = found(service, bitcoin)
    assert {"settings", "network"} == set(bad(findings))
    assert "nonsense" in text(findings["settings"])
    of_database = {str(each.level) for check in ("database", "schema", "write-lock") for each in findings[check]}
    assert ({"ok"}, {"not checked"} if on_postgres() else {"ok"}) == ({str(findings["disk"][0].level)}, of_database)


def test_a_home_of_another_network(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Settings that name another network than leaf 0 are an error."""
    path = service.home.folder / "anchorline.toml"
    path.write_text(path.read_text().replace('network = "regtest"', 'network = "signet"'))
    assert "error" == bad(found(service, bitcoin))["network"]


@pytest.mark.parametrize(
    ("name", "mode", "level"), [("", 0o755, "warning"), ("", 0o770, "error"), ("promise.pem", 0o640, "error")]
)
def test_permissions_of_keys(service: Service, bitcoin: SimulatedBitcoin, name: str, mode: int, level: str) -> None:
    """A folder that others may look into is a warning; where they may write to it or read a key, an error."""
    (service.home.folder / "keys" / name).chmod(mode)
    assert {"keys": level} == bad(found(service, bitcoin))


def test_another_log_s_key(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A signing key that is not the log's is found before it signs anything; so is one that is missing."""
    path = service.home.folder / "keys" / "checkpoint.pem"
    path.unlink()
    assert {"keys": "error"} == bad(found(service, bitcoin))
    SigningKey(bytes(32)).save(path)
    findings = found(service, bitcoin)
    assert ({"keys": "error"}, True) == (bad(findings), "not the key of this log" in text(findings["keys"]))


def test_the_wallet_s_password(service: Service, bitcoin: SimulatedBitcoin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that nobody can give is a warning, a wrong one an error, the right one is fine; none is printed."""
    path = service.home.folder / "keys" / "wallet.json"
    wallet = Wallet.read(service.home.network, path)
    path.unlink()
    wallet.write(path, "correct horse battery")
    assert {"wallet": "warning"} == bad(found(service, bitcoin))
    monkeypatch.setenv("ANCHORLINE_WALLET_PASSWORD", "wrong horse battery")
    findings = found(service, bitcoin)
    assert {"wallet": "error"} == bad(findings)
    assert "horse" not in text([each for all_ in findings.values() for each in all_])
    monkeypatch.setenv("ANCHORLINE_WALLET_PASSWORD", "correct horse battery")
    assert {} == bad(found(service, bitcoin))


@pytest.mark.sqlite("a page of the file is overwritten")
def test_a_damaged_database(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Damage is found, and the check of the disk goes on."""
    service.home.engine.query("PRAGMA wal_checkpoint(TRUNCATE)")
    path = service.home.folder / DATABASE
    data = bytearray(path.read_bytes())
    data[16384 * 2 : 16384 * 2 + 200] = b"\xff" * 200
    path.write_bytes(data)
    findings = found(service, bitcoin)
    assert "error" == bad(findings)["database"]
    assert "disk" not in bad(findings)


def test_a_missing_database(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """It is named, and nothing is made in its place."""
    service.home.close()
    lose_database(service.home.folder)
    assert "error" == bad(found(service, bitcoin))["database"]
    assert not (service.home.folder / DATABASE).exists()


def test_a_writer_that_does_not_let_go(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A write lock that is held is an error; reading goes on."""
    with service.home.engine.transaction():
        assert {"write-lock": "error"} == bad(found(service, bitcoin))


def test_another_version_s_schema(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Older is a warning, newer an error; neither is changed by looking."""
    lose_migration(service.home.folder, "time-stamps")
    assert "warning" == bad(found(service, bitcoin))["schema"]
    add_migration(service.home.folder, "9999-later")
    assert "error" == bad(found(service, bitcoin))["schema"]


def test_a_restored_backup(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Less than this machine has seen is an error; nothing noted is not checked."""
    log_id = service.home.directory.log.log_id
    write_high_water(log_id, HighWater(10**6, 10**6))
    assert {"high-water": "error"} == bad(found(service, bitcoin))


def test_authorities_and_calendars_that_do_not_answer(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A closed port is a warning: nothing waits for them. Certificates that are missing are an error."""
    path = service.home.folder / "anchorline.toml"
    named = path.read_text().replace("calendars = []", 'calendars = ["http://127.0.0.1:1"]')
    path.write_text(named)
    assert {"calendars": "warning"} == bad(found(service, bitcoin))
    named = named.replace("timestamp_authorities = []", 'timestamp_authorities = ["http://127.0.0.1:1"]')
    path.write_text(named.replace('timestamp_certificates = ""', 'timestamp_certificates = "missing.pem"'))
    assert "error" == bad(found(service, bitcoin))["time-stamps"]


# --- servers' clocks


@contextmanager
def server(date: str | None) -> Iterator[str]:
    """Run an HTTP server that refuses everything, with this Date."""

    class Refusing(Quiet):
        def do_HEAD(self) -> None:
            self.send_response_only(405)
            if date is not None:
                self.send_header("Date", date)
            self.end_headers()

    with listening(Refusing) as address:
        yield address


@pytest.mark.parametrize(
    ("date", "ahead_s"), [("Sun, 09 Sep 2001 01:46:40 GMT", 99.5), (None, None), ("yesterday", None)]
)
def test_a_server_s_date(date: str | None, ahead_s: float | None) -> None:
    """Any status is an answer; its Date is compared with the middle between question and answer."""
    with server(date) as url:
        answer = probe(url, 5, _ticking(1_000_000_099, 1_000_000_101))
    assert (405, ahead_s) == (answer.status, answer.ahead_s)


def _ticking(*times_s: float) -> Callable[[], float]:
    left = iter(times_s)
    return lambda: next(left)


def test_a_server_that_is_not_there() -> None:
    """A closed port is an error of ours, with the address."""
    with pytest.raises(SourceUnavailableError, match=r"http://127\.0\.0\.1:1: no answer"):
        probe("http://127.0.0.1:1", 2, time.time)


def test_a_clock_that_is_off_beside_a_server(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """The Date of a calendar gives away a clock that blocks cannot."""
    path = service.home.folder / "anchorline.toml"
    with server("Sun, 09 Sep 2001 01:46:40 GMT") as url:
        path.write_text(path.read_text().replace("calendars = []", f'calendars = ["{url}"]'))
        findings = found(service, bitcoin)
    assert {"clock": "error"} == bad(findings)
    assert "ahead of those of the servers" in text(findings["clock"])


def test_heights_are_compared_deep_enough(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A fork of the newest blocks is no disagreement: it will pass."""
    fork = SimulatedBitcoin()
    fork._chain = [*bitcoin._chain]
    fork._known = {**bitcoin._known}
    fork.mine(3, b"\x52")
    bitcoin.mine(2)
    assert bitcoin.tip().hash != fork.block_hash(bitcoin.height)
    assert "agreement" not in bad(found(service, bitcoin, fork))
