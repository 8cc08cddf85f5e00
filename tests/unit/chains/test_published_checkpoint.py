"""What is published of a log is compared with its home before anything is signed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from anchor.directory import sign_checkpoint
from anchor.errors import BehindError, SettingsError, SourceError, SourceUnavailableError
from anchor.log import DIRECTORY
from anchor.proof.checkpoint import Checkpoint
from anchor.signing import SigningKey
from chains.dry_run import dry_run
from chains.highwater import high_water_file
from chains.home import Home
from chains.settings import FILE_NAME, checked_settings, load_settings
from chains.status import status_of
from tests.homes import copy_home
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.listening import serving_folder
from tests.simulators.service import Clock, Service, foreign_anchor, new_service, restarted


@contextmanager
def watching(folder: Path, bitcoin: SimulatedBitcoin, where: str) -> Iterator[Service]:
    """Open a home on a machine that has no note of it, with this published checkpoint in its settings."""
    settings = replace(load_settings(folder / FILE_NAME), published_checkpoint=where)
    (folder / FILE_NAME).write_text(settings.encode())
    with restarted(folder, bitcoin, Clock(Clock().now_ms + 9_000_000)) as service:
        high_water_file(service.home.directory.log.log_id).unlink(missing_ok=True)
        yield service


@pytest.fixture
def published(tmp_path: Path, bitcoin: SimulatedBitcoin) -> Path:
    """A log of two seals that was never anchored: its mirror, and in ``old`` and ``new`` copies of the home."""
    with new_service(tmp_path / "home", bitcoin) as service:

        def copied(name: str) -> None:
            copy_home(service.home.folder, tmp_path / name)

        copied("empty")
        service.open_chain("acme")
        service.seal()
        copied("old")
        service.add("acme", b"a")
        service.seal()
        service.mirror(tmp_path / "mirror").write(service.home.checkpoint_key)
        copied("level")
        service.add("acme", b"b")
        service.seal()
        copied("ahead")
    return tmp_path / "mirror" / "checkpoint"


def put(file: Path, home: Home, key: SigningKey, size: int, root: bytes, origin: str = "") -> None:
    checkpoint = Checkpoint(origin or home.directory.log.origin, size, root)
    file.write_text(sign_checkpoint(checkpoint, home.directory.log.origin, key).encode())


@pytest.mark.parametrize("moment", ["empty", "old"])
def test_a_home_behind_what_is_published_signs_nothing(
    moment: str, published: Path, tmp_path: Path, bitcoin: SimulatedBitcoin
) -> None:
    """Neither Bitcoin nor this machine knows of the second seal: the published checkpoint does."""
    with watching(tmp_path / moment, bitcoin, str(published)) as service:
        with pytest.raises(BehindError, match="a checkpoint of 5 directory leaves is published"):
            service.open_chain("second history")
        with pytest.raises(BehindError):
            service.seal()
        with pytest.raises(BehindError):
            service.home.unchecked_anchoring.seal(service.home.checkpoint_key, service.clock())
        with pytest.raises(BehindError):
            service.home.unchecked_anchoring.tick(service.clock())
        assert ["behind"] == [alert["name"] for alert in status_of(service.home)["alerts"]]
    with pytest.raises(BehindError):
        dry_run(tmp_path / moment, source_of=lambda _: bitcoin)


@pytest.mark.parametrize("moment", ["old", "empty"])
def test_without_the_setting_nobody_can_tell(
    moment: str, published: Path, tmp_path: Path, bitcoin: SimulatedBitcoin
) -> None:
    """The same home without the setting goes on: what the refusal rests on is the published checkpoint alone."""
    with watching(tmp_path / moment, bitcoin, "") as service:
        service.open_chain("second history")
        assert published.is_file()
        assert service.seal() is not None


@pytest.mark.parametrize("moment", ["level", "ahead"])
def test_a_home_that_has_what_is_published_goes_on(
    moment: str, published: Path, tmp_path: Path, bitcoin: SimulatedBitcoin
) -> None:
    """What is published may be as new as the home, or older."""
    with watching(tmp_path / moment, bitcoin, str(published)) as service:
        service.add("acme", b"on")
        assert service.seal() is not None
        assert [] == status_of(service.home)["alerts"]


@pytest.mark.parametrize("size", [3, 5])
def test_another_history_is_told_from_an_older_one(
    size: int, published: Path, tmp_path: Path, bitcoin: SimulatedBitcoin
) -> None:
    """A checkpoint that the log's key signed over another root is evidence, whichever size it has."""
    with watching(tmp_path / "level", bitcoin, str(published)) as service:
        home = service.home
        assert 5 == home.trees.state(DIRECTORY).size
        put(published, home, home.checkpoint_key, size, bytes(32))
        with pytest.raises(BehindError, match="two histories of this log were signed"):
            service.add("acme", b"x")
        put(published, home, home.checkpoint_key, size, home.trees.root(DIRECTORY, size))
        service.add("acme", b"x")


def test_only_the_logs_own_key_is_believed(published: Path, tmp_path: Path, bitcoin: SimulatedBitcoin) -> None:
    """A stranger who can write the file cannot make a home look behind, nor level; it signs nothing all the same."""
    with watching(tmp_path / "level", bitcoin, str(published)) as service:
        for size in (5, 9):
            put(published, service.home, SigningKey.generate(), size, service.home.trees.root(DIRECTORY, 5))
            with pytest.raises(SourceError, match="found none that holds") as caught:
                service.seal()
            assert not isinstance(caught.value, BehindError)
        put(published, service.home, service.home.checkpoint_key, 5, bytes(32), origin="other.example/log")
        with pytest.raises(SourceError, match=r"found one of other\.example/log"):
            service.seal()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a page of HTML", b"x" * 70_000, None])
def test_what_is_no_checkpoint_stops_the_signing(
    content: bytes | None, published: Path, tmp_path: Path, bitcoin: SimulatedBitcoin
) -> None:
    """An empty, damaged, large or missing file tells nothing, so nothing is signed, and ``status`` says why."""
    published.unlink() if content is None else published.write_bytes(content)
    with watching(tmp_path / "level", bitcoin, str(published)) as service:
        with pytest.raises(SourceError, match="nothing was signed"):
            service.add("acme", b"x")
        with pytest.raises(SourceError, match="nothing was signed"):
            service.seal()
        assert ["published-unread"] == [alert["name"] for alert in status_of(service.home)["alerts"]]


def test_a_place_that_cannot_be_read_stops_the_signing(
    published: Path, tmp_path: Path, bitcoin: SimulatedBitcoin
) -> None:
    """A folder in the place of the file is no answer."""
    with (
        watching(tmp_path / "level", bitcoin, str(published.parent)) as service,
        pytest.raises(SourceUnavailableError, match="cannot be read"),
    ):
        service.seal()


def test_before_the_first_seal_nothing_need_be_published(
    published: Path, tmp_path: Path, bitcoin: SimulatedBitcoin
) -> None:
    """A new log can be made with the setting; from its first seal on, what it published has to be there."""
    missing = tmp_path / "mirror of tomorrow" / "checkpoint"
    assert published.is_file()
    with watching(tmp_path / "empty", bitcoin, str(missing)) as service:
        service.open_chain("acme")
        assert service.seal() is not None
    with watching(tmp_path / "empty", bitcoin, str(missing)) as service:
        with pytest.raises(SourceUnavailableError, match="is not there"):
            service.seal()
        service.mirror(missing.parent).write(service.home.checkpoint_key)
        service.add("acme", b"x")
        assert service.seal() is not None


def test_a_process_that_was_answered_once_goes_on_sealing(
    published: Path, tmp_path: Path, bitcoin: SimulatedBitcoin
) -> None:
    """Silence does not break promises; it anchors nothing, and what Bitcoin shows meanwhile is not overlooked."""
    with watching(tmp_path / "level", bitcoin, str(published)) as service:
        service.add("acme", b"x")
        assert service.seal() is not None
        published.unlink()
        service.add("acme", b"y")
        assert service.seal() is not None
        with pytest.raises(SourceUnavailableError, match="is not there"):
            service.tick()
        bitcoin.mine(1, service.wallet.script)
        bitcoin.mine(100)
        coin = bitcoin.unspent(service.wallet.script)[0]
        bitcoin.broadcast(foreign_anchor(service.wallet, coin))
        bitcoin.mine(1)
    with (
        watching(tmp_path / "level", bitcoin, str(published)) as service,
        pytest.raises(BehindError, match="anchors with this wallet's key"),
    ):
        service.seal()


def test_a_path_is_relative_to_the_home(published: Path, tmp_path: Path, bitcoin: SimulatedBitcoin) -> None:
    """As other files in the settings are."""
    shutil.copy(published, tmp_path / "old" / "seen.checkpoint")
    with watching(tmp_path / "old", bitcoin, "seen.checkpoint") as service, pytest.raises(BehindError):
        service.seal()


def test_a_mirror_on_the_web_is_asked(published: Path, tmp_path: Path, bitcoin: SimulatedBitcoin) -> None:
    """Over a real server: behind is refused, level goes on, 404 and nobody there stop the signing."""
    with serving_folder(published.parent) as address:
        where = f"{address}/checkpoint"
        with watching(tmp_path / "old", bitcoin, where) as service, pytest.raises(BehindError):
            service.seal()
        with watching(tmp_path / "level", bitcoin, where) as service:
            service.add("acme", b"x")
            assert service.seal() is not None
        with (
            watching(tmp_path / "level", bitcoin, f"{address}/nothing") as service,
            pytest.raises(SourceUnavailableError, match="is not there"),
        ):
            service.seal()
    with watching(tmp_path / "level", bitcoin, where) as service, pytest.raises(SourceUnavailableError):
        service.seal()


@pytest.mark.parametrize("where", ["https://user:word@example.org/checkpoint", "https://example.org/checkpoint?x=1"])
def test_an_address_is_checked_when_settings_are_read(where: str) -> None:
    """No password stands in an address, since addresses are shown."""
    with pytest.raises(SettingsError, match="published_checkpoint: expected"):
        checked_settings({"network": "regtest", "source": "embedded", "published_checkpoint": where}, "here")
