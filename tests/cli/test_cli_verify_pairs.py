"""``verify --pairs``: many files and receipts with one summary, each judged as by itself, and the worst exit code."""

import shutil
from pathlib import Path

import pytest

from chains.commands import verifying_pairs
from tests.cli.commands import Done, World


def several(world: World) -> Path:
    """A folder with an intact file, one that was changed, one without its file, and a receipt that is none."""
    folder = world.folder / "many"
    (folder / "below").mkdir(parents=True)
    for name in ("good.txt", "bad.txt", "below/alone.txt"):
        shutil.copy(world.receipt, folder / f"{name}.receipt")
    shutil.copy(world.report, folder / "good.txt")
    (folder / "bad.txt").write_bytes(b"beam 7 inspected, one crack\n")
    (folder / "none.txt.receipt").write_text("{}")
    return folder


def judged(world: World, place: Path, *options: str | Path) -> Done:
    done = world.run("verify", "--pairs", place, "--log", world.card, "--headers", world.headers, "--json", *options)
    assert "" == done.err
    return done


def by_name(done: Done) -> dict[str, tuple[str, int, bool]]:
    return {
        Path(each["receipt"]).name: (each["outcome"], each["exit_code"], each["file"] is not None)
        for each in done.facts["pairs"]
    }


def test_a_folder_has_its_pairs_by_name(world: World) -> None:
    """Each receipt with the file of its name; what is wrong with one keeps no other from being judged."""
    done = judged(world, several(world))
    assert (1, {"intact": 2, "failed": 2}) == (done.exit_code, done.facts["counts"])
    assert {
        "good.txt.receipt": ("intact", 0, True),
        "alone.txt.receipt": ("intact", 0, False),
        "bad.txt.receipt": ("failed", 1, True),
        "none.txt.receipt": ("failed", 1, False),
    } == by_name(done)


def test_a_list_names_its_pairs(world: World) -> None:
    """Two names with a tab between, or one; relative to the list, whatever the working folder is."""
    folder = several(world)
    pairs = folder / "pairs.txt"
    pairs.write_text("# of May\n\ngood.txt\tbelow/alone.txt.receipt\ngood.txt\nbelow/alone.txt.receipt\n")
    done = judged(world, pairs)
    assert (0, {"intact": 3}) == (done.exit_code, done.facts["counts"])
    pairs.write_text("good.txt\nmissing.txt\tgood.txt.receipt\n")
    done = judged(world, pairs)
    assert (4, {"intact": 1, "not checked": 1}) == (done.exit_code, done.facts["counts"])
    pairs.write_text("bad.txt\nmissing.txt\tgood.txt.receipt\n")
    assert 1 == judged(world, pairs).exit_code


@pytest.mark.parametrize("text", ["", "# nothing\n", "a\tb\tc\n", "a\t\n"])
def test_a_list_without_pairs_is_refused(text: str, world: World) -> None:
    """Nothing verified is no success."""
    pairs = world.folder / "pairs.txt"
    pairs.write_text(text)
    assert 2 == world.run("verify", "--pairs", pairs).exit_code
    assert 2 == world.run("verify", world.receipt, "--pairs", pairs).exit_code
    assert 2 == world.run("verify", "--pairs", world.folder / "missing").exit_code


def test_several_processes_judge_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found, and its order, do not depend on how many processes look."""
    folder = several(world)
    monkeypatch.setattr(verifying_pairs, "LEAST_FOR_PROCESSES", 2)
    assert judged(world, folder, "--jobs", "1").facts == judged(world, folder, "--jobs", "2").facts


def test_the_summary_names_what_is_not_intact(world: World) -> None:
    """One line with the counts, then one for each that is not intact."""
    lines = world.run(
        "verify", "--pairs", several(world), "--log", world.card, "--headers", world.headers
    ).text.splitlines()
    assert "4 receipts: 2 failed, 2 intact." == lines[0] or "4 receipts: 2 intact, 2 failed." == lines[0]
    assert ["bad.txt", "none.txt.receipt"] == [Path(line.split(": ")[1]).name for line in lines[1:]]
