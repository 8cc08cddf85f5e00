"""A home that has been through everything once: made once a session, copied for every test.

``tests.cli.commands`` makes it, by running commands. What the machine notes outside a home is copied with it, so
that a copy stands in a world of its own.
"""

import shutil
from pathlib import Path

import pytest

from tests.cli.commands import World, own_folders, prepare
from tests.homes import copy_home


@pytest.fixture(scope="session")
def _prepared(_switched: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    with own_folders(folder / "xdg"):
        prepare(World(folder))
    return folder


@pytest.fixture
def world(_prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of the prepared home and its hand-outs, with what the machine has noted of it."""
    folder = tmp_path / "world"
    shutil.copytree(_prepared, folder, ignore=shutil.ignore_patterns("home"))
    copy_home(_prepared / "home", folder / "home")
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(folder / "xdg" / name.lower()))
    return World(folder)
