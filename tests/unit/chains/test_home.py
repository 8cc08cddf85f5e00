"""A home: what opens when, how files are written, and the mark that tells a restored home from the real one.

Homes are made in temporary folders with the embedded regtest; XDG folders are the test's own (tests/conftest.py).
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from anchor.errors import BehindError, SettingsError
from anchor.proof.entry import ExternalId, IdKind
from anchor.proof.erasure import Scope
from chains.chain import Gone
from chains.erasing import Erasing, Finished
from chains.files import write_file
from chains.highwater import HighWater, check_high_water, high_water_file, read_high_water, write_high_water
from chains.home import Home, default_home
from chains.home_making import create_home
from chains.reader import Reader, StoredEntry
from chains.scheduling import Scheduler
from chains.settings import Settings
from tests.waiting import wait_until

EMBEDDED = Settings("regtest", "embedded")
LOG_ID = bytes(range(32))


def test_reading_opens_neither_keys_nor_bitcoin(tmp_path: Path) -> None:
    """A home whose keys and regtest are gone can be read: parts are made when first used."""
    create_home(tmp_path / "home", EMBEDDED, "log.example/h").close()
    with Home.open(tmp_path / "home") as home:
        for path in (tmp_path / "home" / "keys").iterdir():
            path.unlink()
        assert ([], None) == (list(home.chains.all()), home.directory.newest())
        assert not (tmp_path / "home" / "regtest").exists()
        with pytest.raises(SettingsError, match=r"promise\.pem: no such key file"):
            _ = home.writer


@pytest.fixture
def half_erased(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which an erasure ended behind its intent: the content of entry 1 can still be read."""
    with create_home(tmp_path / "home", EMBEDDED, "log.example/h") as home:
        chain, _ = home.writer.open_chain([ExternalId(IdKind.CLEAR, b"acme")], b"", "acme", home.clock())
        home.writer.record(chain, [b"what somebody asked to have erased"], home.clock())
        with monkeypatch.context() as patching:
            patching.setattr(Erasing, "finish", lambda *_: Finished((), ()))
            home.erasing.erase(chain, [stored_at(home, 1)], Scope.ENTRY, "somebody asked", home.clock())
        assert stored_at(home, 1).kept is not None
    return tmp_path / "home"


def stored_at(home: Home, leaf_index: int) -> StoredEntry:
    found = Reader(home.engine, home.chains, home.lookup).at(home.chains.named("acme"), leaf_index)
    assert found is not None
    return found


def test_whoever_is_about_to_write_finishes_an_erasure_first(half_erased: Path) -> None:
    """What a kill left readable is gone before the first entry that is written next, in whatever chain."""
    with Home.open(half_erased) as home:
        assert home.writer.log_id == home.directory.log.log_id
        assert Gone.ERASED == stored_at(home, 1).gone


def test_a_daemon_finishes_an_erasure_before_its_first_job(half_erased: Path) -> None:
    """Also where it cannot seal; where it cannot finish it either, it says so, and works."""
    lines: list[str] = []
    with Home.open(half_erased) as home:
        promise_key, kept = home.key_file("promise"), half_erased / "kept.pem"
        promise_key.rename(kept)
        started = _started(home, lines)
        assert "event=failed job=erase error=SettingsError" in started[1]
        assert stored_at(home, 1).kept is not None
        kept.rename(promise_key)
    with Home.open(half_erased) as home:
        assert ["event=leading fence=2", "event=started jobs=seal,tick,tell"] == _started(home, lines)
        assert Gone.ERASED == stored_at(home, 1).gone


def _started(home: Home, lines: list[str]) -> list[str]:
    """Run a scheduler until its jobs start; return what it has said by then."""
    lines.clear()
    with Scheduler(home, lines.append, "daemon"):
        wait_until(lambda: any("event=started" in line for line in lines), lambda: lines)
        return lines[: 1 + next(at for at, line in enumerate(lines) if "event=started" in line)]


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    """A home can be closed any number of times."""
    home = create_home(tmp_path / "home", EMBEDDED, "log.example/h")
    home.close()
    home.close()


def test_the_default_home_follows_variable_then_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    """ANCHORLINE_HOME, else the folder anchorline in XDG_DATA_HOME."""
    assert Path(os.environ["XDG_DATA_HOME"]) / "anchorline" == default_home()
    monkeypatch.setenv("ANCHORLINE_HOME", "elsewhere")
    assert Path("elsewhere") == default_home()


# --- files


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    """The content is there, and nothing is left beside it."""
    write_file(tmp_path / "file", b"old")
    write_file(tmp_path / "file", b"new")
    assert ([tmp_path / "file"], b"new") == (list(tmp_path.iterdir()), (tmp_path / "file").read_bytes())


def test_two_processes_write_one_file(tmp_path: Path) -> None:
    """A daemon and a command both write the log card: neither takes the other's half-written file away."""
    target = tmp_path / "file"
    program = (
        "import sys, pathlib, chains.files\n"
        "for _ in range(300): chains.files.write_file(pathlib.Path(sys.argv[1]), sys.argv[2].encode() * 1000)\n"
    )
    writing = [subprocess.Popen([sys.executable, "-c", program, str(target), letter]) for letter in "ab"]
    assert [0, 0] == [each.wait(60) for each in writing]
    assert target.read_bytes() in {b"a" * 1000, b"b" * 1000}
    assert [target] == list(tmp_path.iterdir())


def test_a_crash_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    """A process killed between writing and renaming has not touched what was there."""
    target = tmp_path / "file"
    target.write_bytes(b"old")
    program = (
        "import os, signal, sys, pathlib, chains.files\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "chains.files.write_file(pathlib.Path(sys.argv[1]), b'new')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(target)], check=False)
    assert (-9, b"old") == (done.returncode, target.read_bytes())
    write_file(target, b"newer")
    assert b"newer" == target.read_bytes()


def test_a_link_is_followed(tmp_path: Path) -> None:
    """What a link points to is written, the link stays."""
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_file(tmp_path / "link", b"new")
    assert (True, b"new") == ((tmp_path / "link").is_symlink(), (tmp_path / "real").read_bytes())


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """What is no file stays what it is: a root that writes to /dev/null must not lose it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        write_file(pipe, b"through")
        assert b"through" == reader.communicate(timeout=60)[0]
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["none/file", ".", "folder"])
def test_a_file_that_cannot_be_written_is_named_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The error has the path that the caller gave, not that of the file beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory") as caught:
        write_file(Path(name), b"x")
    assert name == caught.value.filename
    assert [tmp_path / "folder"] == list(tmp_path.iterdir())


# --- how far the log is


def test_a_mark_is_read_back() -> None:
    """What was noted of a log is there for the next process; of another log nothing is."""
    assert read_high_water(LOG_ID) is None
    write_high_water(LOG_ID, HighWater(3, 7))
    assert (HighWater(3, 7), None) == (read_high_water(LOG_ID), read_high_water(bytes(32)))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"entries": 1}', '{"entries": "x", "directory_size": 1}', "\xff"]
)
def test_a_mark_that_cannot_be_read_is_none(text: str) -> None:
    """A damaged note is no note: Bitcoin is asked instead."""
    path = high_water_file(LOG_ID)
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="latin-1")
    assert read_high_water(LOG_ID) is None


def test_a_mark_that_cannot_be_written_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a folder to write to, work goes on."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    write_high_water(LOG_ID, HighWater(1, 1))
    assert read_high_water(LOG_ID) is None


@pytest.mark.parametrize(
    ("found", "behind"),
    [((3, 7), False), ((4, 7), False), ((3, 8), False), ((2, 7), True), ((3, 6), True), ((9, 6), True), ((0, 0), True)],
)
def test_less_of_anything_is_behind(found: tuple[int, int], behind: bool) -> None:
    """Fewer entries or fewer directory leaves than this machine has seen: the home was restored."""
    if not behind:
        return check_high_water(HighWater(*found), HighWater(3, 7))
    with pytest.raises(BehindError, match="seen 3 entries and 7 directory leaves of this log"):
        check_high_water(HighWater(*found), HighWater(3, 7))
    return None
