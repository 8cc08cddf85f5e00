"""A mirror made from outside: what is taken, that a stop at any point harms nothing, and what is refused and kept."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anchor.errors import HistoryDiffersError, NotYetError, SettingsError, SourceError
from anchor.proof.checkpoint import Note
from anchor.proof.entry import Author, AuthorType
from anchor.signing import check_signature
from anchor.thread_auditor import Auditor
from anchor.thread_verdict import Outcome
from anchor.tiles import Fetch
from chains.highwater import high_water_file
from chains.mirror_copy import Copied, MirrorCopy
from chains.mirror_folder import fetch_from
from tests.homes import copy_home
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.public import PublicLog
from tests.simulators.published import check_whole, files
from tests.simulators.service import Service, new_service, restarted
from tests.simulators.world import fast_check, public_bytes, signing_key

pytestmark = pytest.mark.usefixtures("unflushed")


@pytest.fixture
def service(service: Service, bitcoin: SimulatedBitcoin) -> Service:
    """A funded home with the chains acme (of 300 entries, sealed and anchored) and meridian."""
    service.add("acme", *(b"%d" % number for number in range(299)))
    service.open_chain("meridian")
    service.anchor(bitcoin)
    return service


@pytest.fixture
def public(service: Service, tmp_path: Path) -> Path:
    """The operator's own mirror, with the entries of acme."""
    service.publish(tmp_path / "public", "acme")
    return tmp_path / "public"


def grow(service: Service, bitcoin: SimulatedBitcoin, folder: Path) -> None:
    """Fill a tile, begin a chain, anchor, and publish that."""
    service.add("acme", *(b"more %d" % number for number in range(230)))
    service.open_chain("third")
    service.anchor(bitcoin)
    service.publish(folder, "acme")


def copied(remote: Path | Fetch, folder: Path, **more: Any) -> Copied:
    fetch = fetch_from(remote) if isinstance(remote, Path) else remote
    return MirrorCopy(folder, fetch, Auditor(check_signature), **more).run()


def without(folder: Path, *hidden: str) -> Fetch:
    """Return what shows a folder without the files that begin so."""
    shown = fetch_from(folder)
    return lambda path: None if path.startswith(hidden) else shown(path)


def prefix_of(service: Service, name: str) -> str:
    return f"chain/{service.home.chains.named(name).chain_id.hex()}/"


def evidence_of(folder: Path) -> dict[str, bytes]:
    return files(folder.with_name(f"{folder.name}-evidence") / "1")


# --- what is taken


def test_a_copy_is_the_same_mirror(service: Service, public: Path, tmp_path: Path) -> None:
    """Every file is there with the same bytes, so whoever reads or copies it sees the same log."""
    done = copied(public, tmp_path / "copy")
    assert files(public) == files(tmp_path / "copy")
    assert (300, 2, 1, 0) == (done.entries, done.chains_changed, done.anchors, done.chains_not_shown)
    assert [] == [path for path in (tmp_path / "copy").rglob(".*") if path.is_dir()]


def test_a_copy_grows_and_fetches_what_is_new_only(
    service: Service, bitcoin: SimulatedBitcoin, public: Path, tmp_path: Path
) -> None:
    """The second run asks for no tile that is here, and ends where the first run of another copy does."""
    copied(public, tmp_path / "copy")
    grow(service, bitcoin, public)
    asked: list[str] = []

    def listening(path: str) -> bytes | None:
        asked.append(path)
        return fetch_from(public)(path)

    done = copied(listening, tmp_path / "copy")
    copied(public, tmp_path / "at-once")
    assert files(tmp_path / "at-once").items() <= files(tmp_path / "copy").items()
    assert files(public) == files(tmp_path / "copy")
    assert (230, 2) == (done.entries, done.chains_changed)
    acme = f"{prefix_of(service, 'acme')}tile/"
    assert {f"{acme}0/001", f"{acme}entries/001"} < {path for path in asked if path.startswith(acme)}
    assert not {f"{acme}0/000", f"{acme}entries/000"} & {*asked}
    assert not [path for path in asked if "/tile/1/" in path]


def test_nothing_new_is_not_judged_again(public: Path, tmp_path: Path) -> None:
    """A run without news asks for card, checkpoint and list, and changes nothing."""
    copied(public, tmp_path / "copy")
    before = files(tmp_path / "copy")
    done = copied(public, tmp_path / "copy")
    assert (None, 0) == (done.outcome, done.files_written)
    assert before == files(tmp_path / "copy")


def test_a_copy_of_some_chains_says_nothing_of_others(service: Service, public: Path, tmp_path: Path) -> None:
    """Whoever wants one chain takes the directory and that chain."""
    chain_id = service.home.chains.named("meridian").chain_id
    copied(public, tmp_path / "copy", chains=[chain_id])
    assert {chain_id.hex()} == {path.split("/")[1] for path in files(tmp_path / "copy") if path.startswith("chain/")}
    assert Outcome.FAILED != copied(public, tmp_path / "copy-2", chains=[chain_id]).outcome


def test_an_older_state_is_no_news(service: Service, bitcoin: SimulatedBitcoin, public: Path, tmp_path: Path) -> None:
    """A cache or a mirror of a mirror may be behind: the folder keeps the newer checkpoint."""
    shutil.copytree(public, tmp_path / "behind")
    grow(service, bitcoin, public)
    copied(public, tmp_path / "copy")
    before = files(tmp_path / "copy")
    assert copied(tmp_path / "behind", tmp_path / "copy").outcome is None
    assert before == files(tmp_path / "copy")


def test_a_checkpoint_that_moves_on_meanwhile_is_waited_for(
    service: Service, bitcoin: SimulatedBitcoin, public: Path, tmp_path: Path
) -> None:
    """The log is written, anchored and published while it is copied, behind any file: the copy is whole each time."""
    for moment in ("checkpoint", "chain/", "thread.json", "thread/"):
        folder = tmp_path / f"copy-{moment.replace('/', '')}"
        once = iter([True])

        def moving(path: str, moment: str = moment, once: Iterator[bool] = once) -> bytes | None:
            found = fetch_from(public)(path)
            if path.startswith(moment) and next(once, False):
                service.add("acme", *(b"%d" % number for number in range(300, 360)))
                service.anchor(bitcoin)
                service.publish(public, "acme")
            return found

        copied(moving, folder)
        check_whole(folder)
        copied(public, folder)
        assert files(public).keys() - files(folder).keys() <= {path for path in files(public) if ".p/" in path}
        assert files(public)["checkpoint"] == files(folder)["checkpoint"]


# --- stopped at any point


class StoppedError(BaseException):
    """The process ends here: no handler goes on after it."""


@contextmanager
def stopping(patched: pytest.MonkeyPatch, at: int) -> Iterator[Callable[[], int]]:
    """End the run at change ``at`` of a file's name (0: never), before it at odd numbers and behind it at even ones."""
    points = itertools.count(1)
    passed = [0]

    def stop() -> None:
        passed[0] = next(points)
        if passed[0] == at:
            raise StoppedError

    with patched.context() as within:
        for name in ("replace", "rename", "unlink"):
            real = getattr(os, name)

            def doing(*given: Any, real: Any = real, **more: Any) -> None:
                stop()
                real(*given, **more)
                stop()

            within.setattr(os, name, doing)
        yield lambda: passed[0]


def test_a_copy_stopped_at_any_change_of_a_name_goes_on(
    service: Service, bitcoin: SimulatedBitcoin, public: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every point a reader finds one whole state, and the next run ends as one that was never stopped."""
    copied(public, tmp_path / "old")
    grow(service, bitcoin, public)
    shutil.copytree(tmp_path / "old", tmp_path / "never")
    with stopping(monkeypatch, 0) as count:
        copied(public, tmp_path / "never")
    want, points = files(tmp_path / "never"), count()
    assert points > 50
    for at in sorted({*range(1, points, 5), *range(points - 8, points + 1)}):
        folder = tmp_path / f"stopped-{at}"
        shutil.copytree(tmp_path / "old", folder)
        with stopping(monkeypatch, at), pytest.raises(StoppedError):
            copied(public, folder)
        check_whole(folder)
        copied(public, folder)
        assert want == files(folder)
        assert [] == list(folder.glob(".[iv]*"))


def test_what_was_fetched_before_a_stop_is_not_fetched_again(
    public: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles that a stopped run had fetched are judged by the next one, and not asked for."""
    with stopping(monkeypatch, 21), pytest.raises(StoppedError):
        copied(public, tmp_path / "copy")
    fetched = copied(public, tmp_path / "copy").fetched_bytes
    assert fetched < copied(public, tmp_path / "at-once").fetched_bytes
    assert files(public) == files(tmp_path / "copy")


# --- what is not shown


def test_a_chain_that_is_not_shown_any_more_is_moved_beside(
    service: Service, bitcoin: SimulatedBitcoin, public: Path, tmp_path: Path
) -> None:
    """It is published no longer, nothing of it is lost, and everything else goes on."""
    copied(public, tmp_path / "copy")
    acme = prefix_of(service, "acme")
    before = {path: data for path, data in files(tmp_path / "copy").items() if path.startswith(acme)}
    grow(service, bitcoin, public)
    done = copied(without(public, acme), tmp_path / "copy")
    assert ([acme], 1) == (done.withdrawn, done.chains_not_shown)
    assert not [path for path in files(tmp_path / "copy") if path.startswith(acme)]
    assert before == files(tmp_path / "copy-withdrawn" / "1")
    assert prefix_of(service, "third") + "checkpoint" in files(tmp_path / "copy")


def test_entries_that_are_not_shown_any_more_are_moved_beside(
    service: Service, bitcoin: SimulatedBitcoin, public: Path, tmp_path: Path
) -> None:
    """The hashes go on being published: half of the entries would look like the other half withheld."""
    copied(public, tmp_path / "copy")
    grow(service, bitcoin, public)
    entries = f"{prefix_of(service, 'acme')}tile/entries/"
    done = copied(without(public, entries), tmp_path / "copy")
    assert [entries] == done.withdrawn
    assert not [path for path in files(tmp_path / "copy") if path.startswith(entries)]
    assert 2 == len(files(tmp_path / "copy-withdrawn" / "1"))
    check_whole(tmp_path / "copy")


@pytest.mark.parametrize("lacking", ["tile/0/001.p/44", "tile/entries/000"])
def test_a_chain_of_which_a_part_is_missing_is_said_and_the_rest_taken(
    service: Service, public: Path, tmp_path: Path, lacking: str
) -> None:
    """A tile that is not there hides a chain, a bundle its entries; the audit of the copy finds nothing wrong."""
    path = prefix_of(service, "acme") + lacking
    done = copied(without(public, path), tmp_path / "copy")
    assert [path] == done.withheld
    assert Outcome.FAILED != done.outcome
    check_whole(tmp_path / "copy")


def test_entries_that_are_others_are_not_taken(service: Service, public: Path, tmp_path: Path) -> None:
    """A bundle whose hashes are not those of the tile is no bundle of this chain."""
    path = f"{prefix_of(service, 'acme')}tile/entries/000"
    shown = fetch_from(public)

    def changed(asked: str) -> bytes | None:
        data = shown(asked)
        return data if data is None or asked != path else data[:-1] + bytes((data[-1] ^ 1,))

    assert [path] == copied(changed, tmp_path / "copy").withheld


# --- what is refused


@pytest.fixture
def forked(service: Service, bitcoin: SimulatedBitcoin, public: Path, tmp_path: Path) -> Path:
    """The log went on in two ways, in two homes that both sign: one is in ``public``, the other in this folder."""
    copy_home(service.home.folder, tmp_path / "other")
    service.add("acme", b"one")
    service.seal()
    service.publish(public, "acme")
    high_water_file(service.home.directory.log.log_id).unlink(missing_ok=True)
    with restarted(tmp_path / "other", bitcoin, service.clock) as other:
        for number in range(3):
            other.add("acme", b"another %d" % number)
            other.seal()
        other.publish(tmp_path / "forked", "acme")
    return tmp_path / "forked"


def test_another_history_is_refused_and_kept(public: Path, forked: Path, tmp_path: Path) -> None:
    """Both signed: the copy stays as it was, and beside it lies what was shown, with what the folder had seen."""
    copied(public, tmp_path / "copy")
    before = files(tmp_path / "copy")
    with pytest.raises(HistoryDiffersError, match="HISTORY CHANGED"):
        copied(forked, tmp_path / "copy")
    assert before == files(tmp_path / "copy")
    kept = evidence_of(tmp_path / "copy")
    assert before["checkpoint"] == kept["checkpoint-seen"]
    assert files(forked)["checkpoint"] == kept["checkpoint-shown"]


def test_an_older_state_of_another_history_is_refused(public: Path, forked: Path, tmp_path: Path) -> None:
    """That it is smaller does not hide it: it is no beginning of what this folder has."""
    copied(forked, tmp_path / "copy")
    with pytest.raises(HistoryDiffersError, match="HISTORY CHANGED"):
        copied(public, tmp_path / "copy")
    assert files(public)["checkpoint"] == evidence_of(tmp_path / "copy")["checkpoint-shown"]


def test_a_forgery_is_no_evidence_against_the_log(public: Path, forked: Path, tmp_path: Path) -> None:
    """A checkpoint that does not continue ours and that nobody signed was made by somebody on the way."""
    copied(public, tmp_path / "copy")
    before = files(tmp_path / "copy")
    note = Note.decode((forked / "checkpoint").read_text())
    other = Note.decode((public / "checkpoint").read_text())
    (forked / "checkpoint").write_text(Note(note.text, other.signatures).encode())
    with pytest.raises(SourceError, match="may be forged on the way"):
        copied(forked, tmp_path / "copy")
    assert before == files(tmp_path / "copy")
    assert not (tmp_path / "copy-evidence").exists()


def test_a_first_copy_of_a_forgery_is_refused(public: Path, forked: Path, tmp_path: Path) -> None:
    """Whoever has nothing yet refuses what the log's key did not sign, and publishes nothing of it."""
    note, other = (Note.decode((folder / "checkpoint").read_text()) for folder in (forked, public))
    (forked / "checkpoint").write_text(Note(note.text, other.signatures).encode())
    with pytest.raises(HistoryDiffersError, match="not signed by the log's checkpoint key"):
        copied(forked, tmp_path / "copy")
    assert {"log-card.json"} == files(tmp_path / "copy").keys()


@pytest.mark.parametrize("lacking", ["tile/0/", "tile/entries/", "thread/"])
def test_a_directory_of_which_a_part_is_missing_is_not_taken(public: Path, tmp_path: Path, lacking: str) -> None:
    """Without the directory and the proofs of its anchors there is nothing to judge; a later run takes it."""
    with pytest.raises(SourceError):
        copied(without(public, lacking), tmp_path / "copy")
    assert {"log-card.json"} == files(tmp_path / "copy").keys()
    copied(public, tmp_path / "copy")
    assert files(public) == files(tmp_path / "copy")


@pytest.mark.parametrize("path", ["tile/0/", "tile/entries/"])
def test_a_file_that_was_wrong_once_is_asked_for_again(public: Path, tmp_path: Path, path: str) -> None:
    """What a broken cache gave is not kept for the next run, be it a tile, a bundle, or too short."""
    shown = fetch_from(public)
    for change in (lambda data: data[:-1] + bytes((data[-1] ^ 1,)), lambda data: data[:-1]):

        def broken(asked: str, change: Callable[[bytes], bytes] = change) -> bytes | None:
            data = shown(asked)
            return data if data is None or not asked.startswith(path) else change(data)

        folder = tmp_path / f"copy-{len(list(tmp_path.iterdir()))}"
        with pytest.raises(SourceError):
            copied(broken, folder)
        copied(public, folder)
        assert files(public) == files(folder)


def test_a_run_fetches_no_more_than_was_allowed(public: Path, tmp_path: Path) -> None:
    """However large a log says that it is, it fills no disk."""
    with pytest.raises(SourceError, match="--most-gib"):
        copied(public, tmp_path / "copy", most_bytes=20_000)
    assert {"log-card.json"} == files(tmp_path / "copy").keys()


def test_a_folder_of_something_else_is_left_alone(
    service: Service, public: Path, tmp_path: Path, bitcoin: SimulatedBitcoin
) -> None:
    """Holiday pictures, a home with its keys, and the mirror of another log are not written to."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "photo.jpg").write_bytes(b"holiday")
    with pytest.raises(SettingsError, match="empty folder"):
        copied(public, tmp_path / "pictures")
    with pytest.raises(SettingsError, match="found a home"):
        copied(public, service.home.folder)
    with new_service(tmp_path / "stranger", bitcoin) as stranger:
        stranger.open_chain("acme")
        stranger.seal()
        stranger.publish(tmp_path / "theirs", "acme")
    with pytest.raises(HistoryDiffersError, match="expected log"):
        copied(public, tmp_path / "theirs")
    assert {"photo.jpg": b"holiday"} == files(tmp_path / "pictures")


def test_a_log_without_a_checkpoint_has_nothing_to_copy(public: Path, tmp_path: Path) -> None:
    """Before the first seal there is a card alone."""
    with pytest.raises(NotYetError):
        copied(without(public, "checkpoint"), tmp_path / "copy")


def test_an_author_whose_signature_does_not_hold_is_named(tmp_path: Path) -> None:
    """The log took such an entry, and anchored it: the copy has what the log has, and says so."""
    log = PublicLog()
    chain_id = log.world.write_first("acme").entry.chain_id
    unsigned = log.world.entry(chain_id, b"forged")
    key = public_bytes(signing_key("author"))
    log.world.write(replace(unsigned, author=Author(AuthorType.ED25519, key + bytes(64))), b"forged")
    log.world.fund_thread()
    log.with_entries.add(chain_id)
    log.seal_and_anchor()
    done = MirrorCopy(tmp_path / "copy", log.files().get, Auditor(fast_check)).run()
    [named] = done.wrong_authors
    assert named.startswith(f"chain {chain_id.hex()}, entry 1: ")
    assert Outcome.FAILED == done.outcome
    assert log.files().keys() <= files(tmp_path / "copy").keys()
