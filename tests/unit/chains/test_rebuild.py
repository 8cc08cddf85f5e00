"""A home that was restored from a backup, brought level from a newer copy or with a gap that the log states."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anchor.errors import BehindError, HistoryDiffersError, SettingsError, StorageBusyError, StorageCorruptError
from anchor.proof.leaves import EpochLeaf
from anchor.proof.verify import Outcome
from anchor.storage.databases import SqliteFile
from anchor.storage.postgres import PostgresEngine
from anchor.storage.postgres_address import PostgresAddress
from chains import rebuild
from chains.audit import Audit
from chains.highwater import high_water_file
from chains.home import DATABASE
from chains.reader import Reader
from chains.rebuild import NEXT_DATABASE, mark_gap, rebuild_from
from chains.status import status_of
from tests.databases import is_switched
from tests.homes import address_of_home, change, copy_home, rows_of, state_of
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import Clock, Service, judge, new_service, restarted

MATURE = 101
MOMENTS = ("made", "first entry", "sealed", "anchor sent", "anchored", "more promised", "more sealed")
Moments = dict[str, Path]


@pytest.fixture
def copies(tmp_path: Path, bitcoin: SimulatedBitcoin) -> Moments:
    """A service at work, and a copy of its home at each moment; ``newest`` is the home itself, lost afterwards."""
    taken: Moments = {}
    with new_service(tmp_path / "home", bitcoin) as service:

        def take(name: str) -> None:
            taken[name] = tmp_path / name
            copy_home(service.home.folder, taken[name])

        take("made")
        service.open_chain("acme")
        take("first entry")
        bitcoin.mine(1, service.wallet.script)
        bitcoin.mine(MATURE - 1)
        service.seal()
        take("sealed")
        service.tick()
        take("anchor sent")
        bitcoin.mine(6)
        service.tick()
        take("anchored")
        service.clock.pass_ms(1000)
        service.add("acme", b"a", b"b")
        take("more promised")
        service.seal()
        take("more sealed")
        service.open_chain("other")
        service.anchor(bitcoin)
    taken["newest"] = tmp_path / "home"
    return taken


@contextmanager
def reopened(folder: Path, bitcoin: SimulatedBitcoin) -> Iterator[Service]:
    """Open a home as the next process does, two hours after the loss."""
    with restarted(folder, bitcoin, Clock(Clock().now_ms + 9_000_000)) as service:
        yield service


def check_whole(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """All entries are here, each sealed one has a receipt that verifies, the audit is clean, and work goes on."""
    entry = service.add("acme", b"after the loss")[0]
    service.anchor(bitcoin)
    home = service.home
    reader = Reader(home.engine, home.chains, home.lookup)
    report = Audit(home.engine, home.trees, home.directory, home.chains, reader, home.journal).run()
    assert [] == report.findings
    for chain in home.chains.all():
        for stored in reader.entries(chain, 0, home.chains.size(chain)):
            assert Outcome.INTACT == judge(service.receipt(stored.entry_hash), home.card(), bitcoin).outcome
    assert Outcome.INTACT == judge(service.receipt(entry), home.card(), bitcoin).outcome


# --- from a copy


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_backup_of_any_moment_is_brought_level(moment: str, copies: Moments, bitcoin: SimulatedBitcoin) -> None:
    """Refused before, level afterwards: what was missing is there, and the log goes on."""
    with reopened(copies[moment], bitcoin) as service:
        with pytest.raises(BehindError):
            service.add("acme", b"second history")
        rebuilt = rebuild_from(service.home, copies["newest"])
    assert rebuilt.before.directory_size <= rebuilt.after.directory_size
    assert rebuilt.kept.is_file()
    with reopened(copies[moment], bitcoin) as service:
        assert 4 == service.home.chains.next_seq() - 1
        check_whole(service, bitcoin)


def test_a_database_file_is_a_copy_too(copies: Moments, bitcoin: SimulatedBitcoin) -> None:
    """The file, or the address of a server's database, is only read: all of it stays."""
    before = state_of(copies["newest"])
    with reopened(copies["sealed"], bitcoin) as service:
        rebuild_from(service.home, address_of_home(copies["newest"]) or copies["newest"] / DATABASE)
    assert before == state_of(copies["newest"])


def test_a_copy_without_the_newest_anchor_takes_it_up(
    copies: Moments, bitcoin: SimulatedBitcoin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy has the checkpoint that the network shows anchored, and not the attempt: it becomes an attempt."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
    with reopened(copies["sealed"], bitcoin) as service, pytest.raises(BehindError, match="behind too"):
        rebuild_from(service.home, copies["more sealed"])
    fresh = SimulatedBitcoin()
    with new_service(tmp_path / "b", fresh) as made:
        made.open_chain("acme")
        fresh.mine(1, made.wallet.script)
        fresh.mine(MATURE - 1)
        made.seal()
        copy_home(made.home.folder, tmp_path / "old")
        copy_home(made.home.folder, tmp_path / "copy")
        made.tick()
        fresh.mine(3)
    with reopened(tmp_path / "old", fresh) as service:
        assert 1 == rebuild_from(service.home, tmp_path / "copy").anchors_adopted
    with reopened(tmp_path / "old", fresh) as service:
        service.tick()
        assert ["confirmed"] == service.states()
        check_whole(service, fresh)


def test_a_copy_that_is_behind_too_is_said_so(copies: Moments, bitcoin: SimulatedBitcoin) -> None:
    """A copy that lacks what this machine has seen changes nothing."""
    before = state_of(copies["made"])
    with reopened(copies["made"], bitcoin) as service, pytest.raises(BehindError, match="this machine has seen 4"):
        rebuild_from(service.home, copies["anchored"])
    assert before == state_of(copies["made"])


def test_where_there_is_no_copy_it_is_said(copies: Moments, bitcoin: SimulatedBitcoin, tmp_path: Path) -> None:
    """A folder without a database is no copy, and one with something else is named."""
    (tmp_path / "text").write_text("no database" * 1000)
    with reopened(copies["made"], bitcoin) as service, pytest.raises(SettingsError, match="expected a copy of a home"):
        rebuild_from(service.home, tmp_path / "none")
    with reopened(copies["made"], bitcoin) as service, pytest.raises(StorageCorruptError, match="not a database"):
        rebuild_from(service.home, tmp_path / "text")


@pytest.mark.parametrize(
    ("what", "where"),
    [
        ("UPDATE directory_leaf SET leaf = X'1400' WHERE leaf_index = 2", "directory leaf 2: it is another one"),
        ("DELETE FROM directory_leaf WHERE leaf_index = 3", "directory leaf 3: it is another one"),
        ("UPDATE checkpoint SET root = zeroblob(32) WHERE seal_number = 0", "the checkpoint of 4 leaves: it is"),
        ("UPDATE checkpoint SET note = 'x' WHERE seal_number = 0", "the checkpoint of 4 leaves: it is"),
        ("UPDATE leaf_tail SET hashes = zeroblob(96) WHERE tree_no = 1", r"chain [0-9a-f]{64}: entry 0: it"),
        ("UPDATE group_commit SET signature = zeroblob(64) WHERE first_seq = 1", "the promise from row 1 on: it is"),
        ("UPDATE attempt SET txid = zeroblob(32) WHERE attempt_no = 1", "anchor [0-9a-f]{64}: this home has it"),
        ("UPDATE checkpoint SET note = 'x' WHERE seal_number = 2", "does not pass the audit"),
    ],
)
def test_a_copy_that_differs_is_refused_by_the_first_difference(
    what: str, where: str, copies: Moments, bitcoin: SimulatedBitcoin
) -> None:
    """What this home signed must be in the copy unchanged, and what is new must pass the audit."""
    assert 1 == change(copies["newest"], what)
    before = state_of(copies["more promised"])
    with reopened(copies["more promised"], bitcoin) as service, pytest.raises(HistoryDiffersError, match=where):
        rebuild_from(service.home, copies["newest"])
    assert before == state_of(copies["more promised"])


def test_a_home_that_went_on_by_itself_is_not_rebuilt(
    copies: Moments, bitcoin: SimulatedBitcoin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second history was promised here, on a machine that knew nothing: both are kept, as evidence."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
        with reopened(copies["made"], bitcoin) as service:
            service.open_chain("mine")
    with reopened(copies["made"], bitcoin) as service, pytest.raises(HistoryDiffersError, match=r"chain [0-9a-f]{64}"):
        rebuild_from(service.home, copies["newest"])


def test_another_log_is_no_copy(copies: Moments, bitcoin: SimulatedBitcoin, tmp_path: Path) -> None:
    """Its log id says so."""
    with new_service(tmp_path / "other log", bitcoin):
        pass
    with reopened(copies["sealed"], bitcoin) as service, pytest.raises(HistoryDiffersError, match="the copy is of log"):
        rebuild_from(service.home, tmp_path / "other log")


OF_FILES = ((SqliteFile, "copy_to"), (os, "link"), (Path, "replace"))
OF_ROWS = (
    (PostgresAddress, "copy_to"),
    (Path, "replace"),
    (PostgresEngine, "insert_rows"),
    (PostgresEngine, "settle_numbers"),
)
STEPS = ((rebuild, "check_sound"), (rebuild, "_swap"), *(OF_ROWS if is_switched() else OF_FILES))


@pytest.mark.parametrize(("where", "step"), STEPS)
def test_an_interrupted_run_is_repeated(
    where: object, step: str, copies: Moments, bitcoin: SimulatedBitcoin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped before each write, the home is what it was; run again, it is level."""

    class Stopped(BaseException):
        pass

    def stop(*_: object, **__: object) -> None:
        raise Stopped

    before = state_of(copies["sealed"])
    with monkeypatch.context() as stopping:
        stopping.setattr(where, step, stop)
        with pytest.raises(Stopped), reopened(copies["sealed"], bitcoin) as service:
            rebuild_from(service.home, copies["newest"])
    assert before == state_of(copies["sealed"])
    with reopened(copies["sealed"], bitcoin) as service:
        kept = rebuild_from(service.home, copies["newest"]).kept
    assert (before[0], before[1] or kept.read_bytes()) == (rows_of(kept), kept.read_bytes())
    assert not (copies["sealed"] / NEXT_DATABASE).exists()
    with reopened(copies["sealed"], bitcoin) as service:
        check_whole(service, bitcoin)


def test_a_database_that_is_open_elsewhere_is_not_replaced(copies: Moments, bitcoin: SimulatedBitcoin) -> None:
    """A daemon that was not stopped would go on writing into the file that was put aside."""
    with reopened(copies["sealed"], bitcoin) as running, reopened(copies["sealed"], bitcoin) as service:
        assert running.home.directory.newest() is not None
        with pytest.raises(StorageBusyError, match="another process has it open"):
            rebuild_from(service.home, copies["newest"])


# --- without a copy


def test_a_gap_of_promises_is_stated_by_the_log(copies: Moments, bitcoin: SimulatedBitcoin, tmp_path: Path) -> None:
    """Only promises are missing: the next seal says from when to when, and everybody who looks sees it."""
    with reopened(copies["newest"], bitcoin) as service:
        copy_home(service.home.folder, tmp_path / "backup")
        newest_ms = service.home.engine.query("SELECT MAX(received_at_ms) FROM group_commit")[0][0]
        service.add("acme", b"promised and lost")
    with reopened(tmp_path / "backup", bitcoin) as restored:
        with pytest.raises(BehindError):
            restored.add("acme", b"x")
        gap = mark_gap(restored.home)
        assert EpochLeaf(newest_ms, restored.clock()) == gap == mark_gap(restored.home)
    with reopened(tmp_path / "backup", bitcoin) as restored:
        sealed = restored.seal()
        assert sealed is not None
        assert [gap] == [leaf for _, leaf in restored.home.directory.log_marks(sealed.size) if leaf == gap]
        assert [{"lost_from_ms": newest_ms, "lost_to_ms": gap.lost_to_ms}] == status_of(restored.home)["epochs"]
        check_whole(restored, bitcoin)
        assert restored.seal() is None
        with pytest.raises(SettingsError, match="no gap to mark"):
            mark_gap(restored.home)


@pytest.mark.parametrize("moment", ["made", "first entry", "sealed", "anchored", "more sealed"])
def test_a_home_without_all_seals_cannot_mark_a_gap(moment: str, copies: Moments, bitcoin: SimulatedBitcoin) -> None:
    """No leaf stands for missing seals: a newer copy, or a new log."""
    with reopened(copies[moment], bitcoin) as service:
        with pytest.raises(BehindError, match="begin a new log"):
            mark_gap(service.home)
        with pytest.raises(BehindError):
            service.seal()


def test_the_network_refuses_a_gap_where_the_machine_knows_nothing(copies: Moments, bitcoin: SimulatedBitcoin) -> None:
    """On a new machine the thread alone shows that seals are missing."""
    with reopened(copies["newest"], bitcoin) as service:
        log_id = service.home.directory.log.log_id
    high_water_file(log_id).unlink()
    with reopened(copies["more sealed"], bitcoin) as service, pytest.raises(BehindError, match="behind too"):
        mark_gap(service.home)
