"""A home that was restored from a backup, brought level from a published mirror of its log."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anchor.bitcoin.http_retry import Patience
from anchor.errors import (
    BehindError,
    EntriesMissingError,
    HistoryDiffersError,
    SettingsError,
    SourceError,
    SourceUnavailableError,
)
from anchor.log import DIRECTORY
from anchor.proof.errors import MalformedError
from anchor.proof.leaves import EpochLeaf
from anchor.proof.receipt import MAX_CARD
from anchor.proof.verify import Outcome
from anchor.storage.databases import SqliteFile
from anchor.storage.postgres import PostgresEngine
from anchor.storage.postgres_address import PostgresAddress
from chains import rebuild
from chains.audit import Audit
from chains.highwater import HighWater, high_water_file, read_high_water, write_high_water
from chains.home import Home
from chains.mirror_reading import most_bytes, opened_mirror
from chains.reader import Reader
from chains.rebuild import NEXT_DATABASE, Rebuilt, rebuild_from
from tests.databases import is_switched
from tests.homes import copy_home, state_of
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.listening import serving_folder
from tests.simulators.service import Clock, Service, judge, new_service, restarted

MATURE = 101
MOMENTS = ("made", "promised", "sealed", "sent", "anchored", "more promised")
CONTENTS = [b"%d" % number for number in range(300)]


@pytest.fixture
def log(tmp_path: Path, bitcoin: SimulatedBitcoin) -> Path:
    """A folder with a copy of a home at each moment, its newest mirror in ``mirror``, and ``home`` itself.

    Two chains of 304 and 4 entries, four seals, three anchors; then one entry was promised that was never sealed.
    """
    with new_service(tmp_path / "home", bitcoin) as service:

        def take(name: str) -> None:
            copy_home(service.home.folder, tmp_path / name)

        take("made")
        service.open_chain("acme")
        service.add("acme", b"a")
        take("promised")
        bitcoin.mine(1, service.wallet.script)
        bitcoin.mine(MATURE - 1)
        service.seal()
        take("sealed")
        service.tick()
        take("sent")
        bitcoin.mine(6)
        service.clock.pass_ms(3_600_000)
        service.tick()
        take("anchored")
        service.add("acme", b"b")
        service.add("acme", b"c")
        take("more promised")
        service.open_chain("other")
        service.add("other", b"1", b"2", b"3")
        service.anchor(bitcoin)
        service.add("acme", *CONTENTS)
        service.seal()
        for number in range(3, 20):  # so many that the heads tree has nodes
            service.open_chain(f"chain {number}")
        service.anchor(bitcoin)
        mirror(service, tmp_path / "mirror")
        service.add("acme", b"promised, and in no seal")
    return tmp_path


def mirror(service: Service, folder: Path, *names: str) -> None:
    home = service.home
    chosen = [home.chains.named(name) for name in names] if names else list(home.chains.all())
    service.mirror(folder).write(home.checkpoint_key, chosen)


@contextmanager
def reopened(folder: Path, bitcoin: SimulatedBitcoin) -> Iterator[Service]:
    """Open a home as the next process does, hours after the loss."""
    with restarted(folder, bitcoin, Clock(Clock().now_ms + 36_000_000)) as service:
        yield service


def rebuilt_from(folder: Path, source: str | Path, bitcoin: SimulatedBitcoin) -> Rebuilt:
    with reopened(folder, bitcoin) as service:
        return rebuild_from(service.home, source)


def findings(home: Home) -> list[object]:
    reader = Reader(home.engine, home.chains, home.lookup)
    return list(Audit(home.engine, home.trees, home.directory, home.chains, reader, home.journal).run().findings)


def row(home: Home) -> tuple[list[bytes], list[str | None]]:
    """Return every directory leaf and every signed checkpoint."""
    leaves = home.engine.query("SELECT leaf FROM directory_leaf ORDER BY leaf_index")
    notes = home.engine.query("SELECT note FROM checkpoint ORDER BY size")
    return [bytes(raw) for (raw,) in leaves], [note for (note,) in notes]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_backup_of_any_moment_is_brought_level(moment: str, log: Path, bitcoin: SimulatedBitcoin) -> None:
    """Leaves, checkpoints and entries are those of the lost home; anchors go on; the next seal states the gap."""
    with reopened(log / "home", bitcoin) as lost:
        wanted = row(lost.home)
        hashes = {
            chain.chain_id: b"".join(
                lost.home.trees.leaf_hashes(chain.chain_no, 0, lost.home.trees.state(chain.chain_no).sealed_size)
            )
            for chain in lost.home.chains.all()
        }
    with reopened(log / moment, bitcoin) as service, pytest.raises(BehindError):
        service.add("acme", b"second history")
    rebuilt = rebuilt_from(log / moment, log / "mirror", bitcoin)
    assert rebuilt.kept.is_file()
    with reopened(log / moment, bitcoin) as service:
        home = service.home
        assert wanted == row(home)
        assert hashes == {
            chain.chain_id: b"".join(home.trees.leaf_hashes(chain.chain_no, 0, home.chains.size(chain)))
            for chain in home.chains.all()
        }
        assert [] == findings(home)
        acme = home.chains.by_id(max(hashes, key=lambda chain_id: len(hashes[chain_id])))
        assert acme is not None
        added = home.writer.record(acme, [b"after the loss"], service.clock())[0].entry_hash
        service.anchor(bitcoin)
        service.anchor(bitcoin)
        assert [rebuilt.gap] == [leaf for _, leaf in home.directory.log_marks(2**62) if isinstance(leaf, EpochLeaf)]
        assert [] == findings(home)
        reader = Reader(home.engine, home.chains, home.lookup)
        some = [stored for chain in home.chains.all() for stored in reader.page(chain, 0, 5)]
        some += reader.page(acme, home.chains.size(acme) - 3)
        assert added == some[-1].entry_hash
        for stored in some:
            assert Outcome.INTACT == judge(service.receipt(stored.entry_hash), home.card(), bitcoin).outcome


def test_what_a_mirror_has_not_is_missing_and_said(log: Path, bitcoin: SimulatedBitcoin) -> None:
    """Entries from a mirror have no content, no salt, no promise and no name of their chain; older ones keep theirs."""
    rebuilt = rebuilt_from(log / "sealed", log / "mirror", bitcoin)
    assert (HighWater(2, 4), 325, 3) == (rebuilt.before, rebuilt.after.entries, rebuilt.anchors_adopted)
    assert 323 == rebuilt.entries_mirrored
    with reopened(log / "sealed", bitcoin) as service:
        reader = Reader(service.home.engine, service.home.chains, service.home.lookup)
        acme = service.home.chains.named("acme")
        assert [True, True, False] == [stored.kept is not None for stored in reader.page(acme, 0, 3)]
        receipts = [service.receipt(stored.entry_hash) for stored in reader.page(acme, 0, 3)]
        assert [True, True, False] == [receipt.promise is not None for receipt in receipts]
        assert ["acme", *[None] * 18] == [chain.name for chain in service.home.chains.all()]
        newest_ms = service.home.engine.query("SELECT MAX(received_at_ms) FROM group_commit")[0][0]
        assert EpochLeaf(newest_ms, service.clock()) == rebuilt.gap
        with service.home.engine.transaction():
            service.home.engine.execute("DELETE FROM epoch_mark")
        assert ["no epoch leaf" in str(found) for found in findings(service.home)] == [True]


def test_the_note_of_this_machine_is_set_to_what_is_there(log: Path, bitcoin: SimulatedBitcoin) -> None:
    """It knew of a promised entry that no mirror has: with the gap marked, the home signs again."""
    rebuilt = rebuilt_from(log / "sealed", log / "mirror", bitcoin)
    with reopened(log / "sealed", bitcoin) as service:
        assert rebuilt.after == read_high_water(service.home.directory.log.log_id)
        service.add("acme", b"on")


def test_a_chain_without_entries_is_refused_by_name(log: Path, bitcoin: SimulatedBitcoin) -> None:
    """Only leaf hashes of it are published: nothing is taken over, of no chain."""
    with reopened(log / "home", bitcoin) as service:
        mirror(service, log / "hashes", "acme")
        other = service.home.chains.named("other").chain_id.hex()
    before = state_of(log / "sealed")
    with pytest.raises(EntriesMissingError, match=f"of 18 chains of which entries are missing here: .*{other}"):
        rebuilt_from(log / "sealed", log / "hashes", bitcoin)
    assert before == state_of(log / "sealed")


def test_entries_that_the_home_has_need_not_be_published(tmp_path: Path, bitcoin: SimulatedBitcoin) -> None:
    """Nothing of the chain itself is missing: hashes are enough to compare it."""
    with new_service(tmp_path / "home", bitcoin) as service:
        service.open_chain("acme")
        copy_home(service.home.folder, tmp_path / "old")
        service.seal()
        service.mirror(tmp_path / "mirror").write(service.home.checkpoint_key)
    assert 0 == rebuilt_from(tmp_path / "old", tmp_path / "mirror", bitcoin).entries_mirrored
    with reopened(tmp_path / "old", bitcoin) as service:
        assert [] == findings(service.home)
        assert service.seal() is not None


def test_a_mirror_that_is_older_is_of_no_use(log: Path, bitcoin: SimulatedBitcoin) -> None:
    """Level, behind this home, or behind what this machine has seen: each is said."""
    with pytest.raises(SettingsError, match="there is nothing to take over"):
        rebuilt_from(log / "home", log / "mirror", bitcoin)
    with reopened(log / "home", bitcoin) as service:
        log_id = service.home.directory.log.log_id
        service.seal()
    noted = read_high_water(log_id)
    assert noted is not None
    with pytest.raises(HistoryDiffersError, match=r"directory leaf \d+: this home has it, and the mirror does not"):
        rebuilt_from(log / "home", log / "mirror", bitcoin)
    with pytest.raises(BehindError, match="it is behind too"):
        rebuilt_from(log / "sealed", log / "mirror", bitcoin)
    write_high_water(log_id, HighWater(0, noted.directory_size - 2))
    rebuilt_from(log / "sealed", log / "mirror", bitcoin)


def test_the_network_refuses_a_mirror_that_is_behind_it(log: Path, bitcoin: SimulatedBitcoin) -> None:
    """Two anchors were made after the mirror: a new machine learns it from the thread, and takes nothing over."""
    with reopened(log / "home", bitcoin) as service:
        service.anchor(bitcoin)
        service.add("acme", b"and more")
        service.anchor(bitcoin)
        high_water = high_water_file(service.home.directory.log.log_id)
    high_water.unlink()
    before = state_of(log / "sealed")
    with pytest.raises(BehindError, match="behind too"):
        rebuilt_from(log / "sealed", log / "mirror", bitcoin)
    assert before == state_of(log / "sealed")


def test_an_anchor_that_the_mirror_does_not_list_is_taken_up(log: Path, bitcoin: SimulatedBitcoin) -> None:
    """It carries a checkpoint that the mirror has: an attempt of this home from now on."""
    with reopened(log / "home", bitcoin) as service:
        service.clock.pass_ms(90_000_000)
        service.tick(at_once=True)
        bitcoin.mine(6)
        assert 4 == len(service.attempts())
        high_water_file(service.home.directory.log.log_id).unlink()
    assert 4 == rebuilt_from(log / "sealed", log / "mirror", bitcoin).anchors_adopted


def test_a_home_that_went_on_by_itself_is_not_rebuilt(
    log: Path, bitcoin: SimulatedBitcoin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first difference is named: an entry promised on a machine that knew nothing, or a seal made there."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("XDG_STATE_HOME", str(log / "another machine"))
        with reopened(log / "made", bitcoin) as service:
            service.open_chain("mine")
        with reopened(log / "promised", bitcoin) as service:
            high_water_file(service.home.directory.log.log_id).unlink()
            service.home._signs = service.home._is_checked = True
            service.add("acme", b"mine")
    with pytest.raises(HistoryDiffersError, match=r"chain [0-9a-f]{64}: entry 0: this home has it"):
        rebuilt_from(log / "made", log / "mirror", bitcoin)
    with pytest.raises(HistoryDiffersError, match=r"chain [0-9a-f]{64}: entry 2: it is another one in the mirror"):
        rebuilt_from(log / "promised", log / "mirror", bitcoin)


def test_another_log_or_none_is_no_mirror(log: Path, bitcoin: SimulatedBitcoin, tmp_path: Path) -> None:
    """The card says whose it is; a mirror without a checkpoint has nothing yet."""
    with new_service(tmp_path / "stranger", bitcoin) as service:
        service.open_chain("acme")
        service.seal()
        mirror(service, tmp_path / "of a stranger")
    with pytest.raises(HistoryDiffersError, match="the mirror is of log"):
        rebuilt_from(log / "sealed", tmp_path / "of a stranger", bitcoin)
    (log / "mirror" / "checkpoint").unlink()
    with pytest.raises(SettingsError, match="the mirror has no checkpoint yet"):
        rebuilt_from(log / "sealed", log / "mirror", bitcoin)


def flip(path: Path, at: int = 70) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def another_signature(path: Path) -> None:
    """Change a character of the last signature of a note; what comes out is still base64."""
    data = bytearray(path.read_bytes())
    data[-5] = ord("A") if data[-5] != ord("A") else ord("B")
    path.write_bytes(bytes(data))


def first(folder: Path, pattern: str) -> Path:
    return min(folder.glob(pattern))


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        (lambda mirror: flip(first(mirror, "tile/entries/000.p/*"), -40), "does not"),
        (lambda mirror: flip(first(mirror, "tile/entries/000.p/*")), "directory leaf 0: it is another one"),
        (lambda mirror: first(mirror, "tile/entries/000.p/*").unlink(), "were withheld"),
        (lambda mirror: another_signature(mirror / "checkpoint"), "does not pass the audit"),
        (lambda mirror: flip(first(mirror, "chain/*/tile/0/000")), "does not"),
        (lambda mirror: flip(first(mirror, "chain/*/tile/entries/000")), "does not pass the audit"),
        (lambda mirror: flip(first(mirror, "chain/*/tile/entries/001.p/*")), "does not pass the audit"),
        (lambda mirror: first(mirror, "chain/*/tile/0/001.p/*").unlink(), "were withheld"),
        (lambda mirror: first(mirror, "thread/000.json").unlink(), "thread/000.json is not there"),
    ],
)
def test_a_damaged_mirror_is_refused_whole(
    damage: Callable[[Path], None], where: str, log: Path, bitcoin: SimulatedBitcoin
) -> None:
    """Whatever is wrong with it is found before anything is put in place."""
    damage(log / "mirror")
    before = state_of(log / "sealed")
    with pytest.raises(HistoryDiffersError, match=where):
        rebuilt_from(log / "sealed", log / "mirror", bitcoin)
    assert before == state_of(log / "sealed")


def test_checkpoints_without_a_key_of_their_time_are_not_made(log: Path, bitcoin: SimulatedBitcoin) -> None:
    """The signature of a seal that was not anchored is in no mirror, and this home cannot make it."""
    shutil.copy(log / "sealed" / "keys" / "promise.pem", log / "sealed" / "keys" / "checkpoint.pem")
    with pytest.raises(SettingsError, match="only the checkpoint key"):
        rebuilt_from(log / "sealed", log / "mirror", bitcoin)


OF_FILES = ((SqliteFile, "copy_to"), (os, "link"), (Path, "replace"))
OF_ROWS = ((PostgresAddress, "copy_to"), (Path, "replace"), (PostgresEngine, "insert_rows"))
STEPS = (
    *((rebuild, name) for name in ("take_over", "check_sound", "write_high_water")),
    *(OF_ROWS if is_switched() else OF_FILES),
)


@pytest.mark.parametrize(("where", "step"), STEPS)
def test_an_interrupted_run_is_repeated(
    where: object, step: str, log: Path, bitcoin: SimulatedBitcoin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped before each effect, the home is what it was and still refused; run again, it is level."""

    class Stopped(BaseException):
        pass

    def stop(*_: object, **__: object) -> None:
        raise Stopped

    before = state_of(log / "sealed")
    with monkeypatch.context() as stopping:
        stopping.setattr(where, step, stop)
        with pytest.raises(Stopped):
            rebuilt_from(log / "sealed", log / "mirror", bitcoin)
    assert before == state_of(log / "sealed")
    with reopened(log / "sealed", bitcoin) as service, pytest.raises(BehindError):
        service.add("acme", b"second history")
    rebuilt_from(log / "sealed", log / "mirror", bitcoin)
    assert not (log / "sealed" / NEXT_DATABASE).exists()
    with reopened(log / "sealed", bitcoin) as service:
        service.add("acme", b"on")
        assert service.seal() is not None
        assert [] == findings(service.home)
        assert service.home.trees.state(DIRECTORY).size > 4


# --- anchors on their way


@pytest.fixture
def underway(tmp_path: Path, bitcoin: SimulatedBitcoin) -> Path:
    """A backup in ``backup`` from before the second anchor, which is in the mempool and in the mirror; no home."""
    with new_service(tmp_path / "home", bitcoin) as service:
        service.open_chain("acme")
        bitcoin.mine(1, service.wallet.script)
        bitcoin.mine(MATURE - 1)
        service.anchor(bitcoin)
        copy_home(service.home.folder, tmp_path / "backup")
        service.add("acme", b"lost")
        service.clock.pass_ms(3_600_000)
        service.seal()
        service.tick(at_once=True)
        mirror(service, tmp_path / "mirror")
    shutil.rmtree(tmp_path / "home")
    return tmp_path


def test_an_anchor_on_its_way_is_adopted(underway: Path, bitcoin: SimulatedBitcoin) -> None:
    """It is signed again with the home's key: what the mempool forgets is sent again, mined, and goes on."""
    (txid,) = bitcoin.mempool()
    assert 1 == rebuilt_from(underway / "backup", underway / "mirror", bitcoin).anchors_adopted
    with reopened(underway / "backup", bitcoin) as service:
        assert [] == findings(service.home)
        service.tick()
        assert ["final", "seen"] == service.states()
        adopted = service.attempts()[1]
        assert txid == adopted.txid
        assert adopted.fee_sat > 0
        assert service.home.journal.coins_of(adopted) is not None
        bitcoin.forget(txid)
        service.tick()
        service.tick()
        assert [txid] == bitcoin.mempool()
        bitcoin.mine(6)
        service.tick()
        assert ["final", "final"] == service.states()


def test_an_anchor_on_its_way_that_nobody_has_is_sent_again(underway: Path, bitcoin: SimulatedBitcoin) -> None:
    """The mempool lost it while there was no home: the adopted one is the live attempt, and goes out."""
    (txid,) = bitcoin.mempool()
    bitcoin.forget(txid)
    assert 1 == rebuilt_from(underway / "backup", underway / "mirror", bitcoin).anchors_adopted
    with reopened(underway / "backup", bitcoin) as service:
        service.tick()
        assert [txid] == bitcoin.mempool()


def test_without_the_key_only_what_the_source_has_is_adopted(underway: Path, bitcoin: SimulatedBitcoin) -> None:
    """Where others sign, an anchor without its signatures cannot be sent: one that nobody has is left alone."""
    settings = underway / "backup" / "anchorline.toml"
    settings.write_text(settings.read_text().replace('signer = "key"', 'signer = "psbt"'))
    copy_home(underway / "backup", underway / "second")
    assert 1 == rebuilt_from(underway / "backup", underway / "mirror", bitcoin).anchors_adopted
    with reopened(underway / "backup", bitcoin) as service:
        service.tick()
        assert ["final", "seen"] == service.states()
    for pooled in bitcoin.mempool():
        bitcoin.forget(pooled)
    high_water_file(service.home.directory.log.log_id).unlink()
    assert 0 == rebuilt_from(underway / "second", underway / "mirror", bitcoin).anchors_adopted


# --- over HTTP


def test_a_mirror_is_read_over_http(log: Path, bitcoin: SimulatedBitcoin) -> None:
    """Any web server carries it, below any path: the home is the same as from the folder."""
    copy_home(log / "sealed", log / "second")
    with serving_folder(log) as url:
        over_http = rebuilt_from(log / "sealed", f"{url}/mirror/", bitcoin)
    assert 3 == over_http.anchors_adopted
    from_folder = rebuilt_from(log / "second", log / "mirror", bitcoin)
    assert (over_http.after, over_http.entries_mirrored) == (from_folder.after, from_folder.entries_mirrored)
    with reopened(log / "sealed", bitcoin) as service, reopened(log / "second", bitcoin) as second:
        assert row(second.home) == row(service.home)
        assert [] == findings(service.home)


def test_a_web_server_without_a_mirror_is_named(log: Path, bitcoin: SimulatedBitcoin) -> None:
    """Nothing is there, nobody answers, or an answer is too large: nothing is taken over."""
    before = state_of(log / "sealed")
    with serving_folder(log) as url, pytest.raises(MalformedError, match="expected a mirror, which has a log-card"):
        rebuilt_from(log / "sealed", f"{url}/nowhere", bitcoin)
    (log / "mirror" / "log-card.json").write_bytes(b" " * (MAX_CARD + 1))
    with serving_folder(log) as url, pytest.raises(SourceError, match=f"expected at most {MAX_CARD} bytes, got more"):
        rebuilt_from(log / "sealed", f"{url}/mirror", bitcoin)
    with (
        pytest.raises(SourceUnavailableError, match="expected an answer"),
        opened_mirror(url, Patience(tries=2, first_wait_s=0.01)) as fetch,
    ):
        fetch("checkpoint")
    assert before == state_of(log / "sealed")


def test_every_file_of_a_mirror_is_within_its_limit(log: Path) -> None:
    """No file that is written is refused when it is read; the page is for browsers, and read by no other command."""
    mirrored = log / "mirror"
    for path in mirrored.rglob("*"):
        if path.is_file() and path.name != "verify.html":
            assert path.stat().st_size <= most_bytes(str(path.relative_to(mirrored)))
    assert 256 * 4097 == most_bytes("chain/00/tile/entries/000")
    assert 8192 == most_bytes("tile/0/000.p/4")
