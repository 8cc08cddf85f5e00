"""``examples``: sample receipts, each verified with nothing but the folder that they are in."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import run

NAMES = (
    "intact",
    "changed",
    "altered-entry",
    "wrong-network",
    "another-log",
    "reorged",
    "superseded",
    "erased",
    "not-deep",
    "pending",
)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, Any]]:
    folder = tmp_path_factory.mktemp("samples") / "examples"
    with pytest.MonkeyPatch.context() as patching:
        patching.setenv("XDG_STATE_HOME", str(folder.parent / "state"))
        done = run("examples", folder, "--json")
        assert 0 == done.exit_code, done.err
        # A log that is gone is forgotten by this machine, too.
        assert [] == [path for path in (folder.parent / "state").rglob("*") if path.is_file()]
    return folder, {facts["name"]: facts for facts in done.facts["examples"]}


def test_the_index_lists_what_is_there(examples: tuple[Path, Mapping[str, Any]]) -> None:
    """Every example has its folder, and is said in the guide for people as in the one for programs."""
    folder, facts = examples
    assert list(NAMES) == list(facts)
    assert list(facts.values()) == json.loads((folder / "examples.json").read_bytes())
    assert {*NAMES, "log-card.json", "headers.txt", "README.txt", "examples.json"} == {
        path.name for path in folder.iterdir()
    }
    guide = (folder / "README.txt").read_text()
    assert all(f"{facts[name]['command']}\n  exit code {facts[name]['exit_code']}\n" in guide for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_it_is_there_for(
    name: str, examples: tuple[Path, Mapping[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command of each ends with its exit code and its reasons."""
    folder, facts = examples
    monkeypatch.chdir(folder)
    program, *arguments = facts[name]["command"].split()
    done = run(*arguments, "--json")
    assert ("anchorline", "") == (program, done.err)
    assert (facts[name]["exit_code"], facts[name]["reasons"]) == (done.exit_code, done.facts["reasons"])


def test_nothing_is_written_over(examples: tuple[Path, Mapping[str, Any]], tmp_path: Path) -> None:
    """A folder or file of that name stays as it is."""
    (tmp_path / "mine").write_bytes(b"mine")
    done = run("examples", tmp_path / "mine")
    assert (1, "anchorline: ") == (done.exit_code, done.err[:12])
    assert "expected a name that is free" in done.err
    assert b"mine" == (tmp_path / "mine").read_bytes()
