"""``restore MIRROR HOME``: what is refused; that it succeeds is in tests/integration/test_mirror_alone_node.py."""

import shutil
from pathlib import Path

import pytest

from tests.cli.commands import Done, World, run


@pytest.fixture
def public(world: World) -> Path:
    """A mirror with all entries."""
    world.ok("mirror", world.folder / "public", "--all-chains", "--with-private")
    return world.folder / "public"


def restored(mirror: Path, world: World, **given: Path) -> Done:
    options = {"settings": world.home / "anchorline.toml", "keys": world.home / "keys"} | given
    named = [each for name, path in options.items() for each in (f"--{name}", path)]
    return run("restore", mirror, world.folder / "new", *named)


def check_nothing_left(world: World) -> None:
    assert [] == [path.name for path in world.folder.iterdir() if "new" in path.name or path.name.startswith(".new")]


def test_keys_of_another_log_make_no_home(world: World, public: Path, tmp_path: Path) -> None:
    """What they sign nobody would believe; nothing is left behind."""
    other = World(tmp_path / "other")
    other.folder.mkdir()
    other.ok("init", "--embedded", "--origin", "log.example/other")
    done = restored(public, world, keys=other.home / "keys")
    assert (1, True) == (done.exit_code, "checkpoint.pem is not the checkpoint key of this log" in done.err)
    check_nothing_left(world)


def test_a_mirror_without_entries_makes_no_home(world: World) -> None:
    """Leaf hashes alone would go on as a log of which nobody could prove an entry: the chains are named."""
    world.ok("mirror", world.folder / "hashes")
    done = restored(world.folder / "hashes", world)
    assert (1, True) == (done.exit_code, "entries are missing here" in done.err)
    check_nothing_left(world)


def test_what_is_no_mirror_no_settings_and_no_keys_is_refused(world: World, public: Path) -> None:
    """Each is named; nothing is left behind, and a home is never made over something else."""
    assert 0 != restored(world.folder / "nothing", world).exit_code
    assert "none.toml" in restored(public, world, settings=world.folder / "none.toml").err
    assert "expected a folder of keys" in restored(public, world, keys=world.folder / "none").err
    check_nothing_left(world)
    shutil.copytree(public, world.folder / "new")
    assert "expected a new or empty folder" in restored(public, world).err


def test_options_of_a_backup_are_not_those_of_a_mirror(world: World, public: Path) -> None:
    """Without keys nothing can be signed; a mirror has no content keys."""
    settings = ("--settings", world.home / "anchorline.toml")
    assert 2 == run("restore", public, world.folder / "new", *settings).exit_code
    keys = ("--keys", world.home / "keys", "--content-keys", public / "x")
    assert 2 == run("restore", public, world.folder / "new", *settings, *keys).exit_code
    unused = ("--keys", world.home / "keys", "--content-keys-database", "home")
    assert 2 == run("restore", public, world.folder / "new", *settings, *unused).exit_code
