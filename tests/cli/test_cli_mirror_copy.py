"""``mirror URL FOLDER``: a service, or a mirror, is copied from outside into a folder that is a mirror itself."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chains.access import Role
from tests.cli.commands import COMMAND, Done, World, run
from tests.simulators.api_server import ROOT, ApiServer, make_key, serving
from tests.simulators.published import check_whole, files
from tests.waiting import wait_until


@pytest.fixture
def served(world: World) -> Iterator[ApiServer]:
    """The prepared home with a public chain, served; its own chains are not public."""
    world.ok("chain", "create", "open", "--visibility", "public")
    world.ok("add", "open", "-", stdin=b"for everybody")
    world.ok("seal")
    with serving(world.home) as server:
        yield server


def copied(place: str | Path, folder: Path, world: World, *more: str | Path) -> Done:
    return run("mirror", place, folder, "--log", world.card, *more, "--json")


def test_a_service_is_copied_with_its_anchors(served: ApiServer, world: World, tmp_path: Path) -> None:
    """What the operator's own mirror has of public chains is what a stranger copies; the audit of it finds nothing."""
    copy, own = tmp_path / "copy", tmp_path / "own"
    done = copied(served.url, copy, world)
    assert (0, 1, 2) == (done.exit_code, done.facts["chains_changed"], done.facts["anchors"])
    world.ok("mirror", own, "--all-chains")
    hidden = {path for path in files(own) if path.startswith("chain/")} - files(copy).keys()
    assert {path: data for path, data in files(own).items() if path not in hidden} == files(copy)
    assert hidden
    check_whole(copy)
    audit = run("audit", copy, "--log", world.card, "--json")
    assert (4, []) == (audit.exit_code, audit.facts["reasons"])
    assert "nothing new" in run("mirror", served.url, copy).text


def test_a_key_brings_chains_that_are_not_public(served: ApiServer, world: World, tmp_path: Path) -> None:
    """Whoever has a grant says that the folder is not for everybody; without the key the chain is moved beside."""
    copy, key_file = tmp_path / "copy", tmp_path / "key"
    key_file.write_text(make_key(world.home, "", Role.OPERATOR))
    done = copied(served.url, copy, world, "--key-file", key_file, "--with-private")
    assert (0, 0) == (done.exit_code, done.facts["chains_not_shown"])
    assert done.facts["chains"] == len([path for path in files(copy) if path.endswith("/tile/entries/000.p/2")]) + 1
    world.ok("add", "acme", "-", stdin=b"more")
    world.ok("seal")
    again = copied(served.url, copy, world)
    assert (0, 1) == (again.exit_code, len(again.facts["withdrawn"]))
    assert 2 == copied(served.url, copy, world, "--key-file", key_file).exit_code


def test_a_mirror_of_a_mirror_is_one(world: World, tmp_path: Path) -> None:
    """A folder is copied as an address is; the verifier's page comes from whoever copies."""
    world.ok("mirror", tmp_path / "one", "--chain", "acme")
    done = run("mirror", tmp_path / "one", tmp_path / "two", "--log", world.card)
    assert (0, True) == (done.exit_code, "2 anchors; " in done.text)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_a_log_is_watched_until_a_signal_comes(world: World, tmp_path: Path) -> None:
    """What is published later is taken as it comes; a place that is gone for a while is waited for."""
    public, copy = tmp_path / "public", tmp_path / "copy"
    world.ok("mirror", public)
    command = [*COMMAND, "mirror", str(public), str(copy), "--log", str(world.card), "--watch", "0.1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watching:
        wait_until((copy / "checkpoint").exists)
        public.rename(tmp_path / "away")
        world.ok("seal")
        world.ok("mirror", tmp_path / "away")
        (tmp_path / "away").rename(public)
        wait_until(lambda: files(public)["checkpoint"] == files(copy)["checkpoint"])
        watching.terminate()
        out, _ = watching.communicate()
    assert (0, 2) == (watching.returncode, out.count(b" written; "))


def test_another_history_ends_a_copy_with_exit_code_one(world: World, tmp_path: Path) -> None:
    """The sentence says what was there and what is shown now, and where the evidence is."""
    other = World(tmp_path / "other")
    shutil.copytree(world.folder, other.folder)
    world.ok("seal")
    world.ok("mirror", tmp_path / "public")
    run("mirror", tmp_path / "public", tmp_path / "copy")
    stranger = World(tmp_path / "stranger")
    stranger.folder.mkdir()
    stranger.ok("init", "--embedded", "--origin", "log.example/stranger")
    stranger.ok("chain", "create", "acme")
    stranger.ok("seal")
    stranger.ok("mirror", tmp_path / "theirs")
    done = run("mirror", tmp_path / "theirs", tmp_path / "copy")
    assert (1, True) == (done.exit_code, "expected log" in done.err)


def test_a_place_that_does_not_answer_is_exit_code_four(world: World, tmp_path: Path) -> None:
    """Nobody listens there, or only a part of a mirror is there: it can be tried again."""
    world.ok("mirror", tmp_path / "part")
    shutil.rmtree(tmp_path / "part" / "tile")
    assert 4 == run("mirror", tmp_path / "part", tmp_path / "copy").exit_code
    assert 2 == run("mirror", tmp_path / "nothing", tmp_path / "copy").exit_code


@pytest.mark.parametrize(
    "options",
    [
        ("http://127.0.0.1:9",),
        ("folder", "--watch", "5"),
        ("folder", "--key-file", "key"),
        ("http://127.0.0.1:9", "copy", "--all-chains"),
        ("http://127.0.0.1:9", "copy", "--with-private"),
        ("http://127.0.0.1:9", "copy", "--chain", "acme"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(world: World, options: tuple[str, ...]) -> None:
    """Each is a usage error, and nothing is written."""
    assert 2 == run("mirror", *options).exit_code
