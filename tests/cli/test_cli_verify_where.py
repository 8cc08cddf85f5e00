"""``anchorline verify`` with a file that was changed says where; and a file alone finds its receipt.

The home is a real one; the receipts are of entries that it holds, anchored or not: a changed file fails either way.
"""

import base64
import json
import shutil
from pathlib import Path

import pytest

from tests.cli.commands import REPORT, World, run

TABLE = b"day,rain\n" + b"".join(b"%d,%d.5\n" % (day, day % 9) for day in range(1, 200))
CHANGED = TABLE.replace(b"\n118,1.5\n", b"\n118,\x1b[2J15\n")


@pytest.fixture
def table(world: World) -> Path:
    """A recorded table that is changed now; its receipt shows the digest only, and the original is beside it."""
    path = world.folder / "rain.csv"
    path.write_bytes(TABLE)
    [entry] = world.ok("add", "acme", path, "--media-type", "text/csv", "--json").facts["entries"]
    world.ok("receipt", entry["entry_hash"], "-o", world.folder / "rain.csv.receipt")
    shutil.copy(path, world.folder / "original.csv")
    path.write_bytes(CHANGED)
    return path


def test_a_changed_cell_is_named_with_its_column(world: World, table: Path) -> None:
    """Row, line, column and header are told, and an escape sequence in the cell does nothing to the terminal."""
    done = run("verify", table, "--original", world.folder / "original.csv", "--any-log")
    assert (1, "") == (done.exit_code, done.err)
    assert 'line 119, row 119, column 2 (rain): was "1.5", is "\\x1b[2J15"' in done.text
    assert "\x1b" not in done.text


def test_the_place_as_json(world: World, table: Path) -> None:
    """The same is there for programs, beside the verdict and the receipt that was found."""
    done = run("verify", table, "--original", world.folder / "original.csv", "--any-log", "--json")
    found = done.facts["difference"]
    assert ("csv", 1, TABLE.index(b"1.5\n119")) == (found["form"], found["count"], found["offset"])
    assert ("rain", "1.5") == (found["changes"][0]["column_name"], found["changes"][0]["was"])
    assert str(world.folder / "rain.csv.receipt") == done.facts["receipt"]
    assert "content-changed" == done.facts["finding"]


def test_an_original_that_is_none_is_not_compared(world: World, table: Path) -> None:
    """Only what the receipt's digest names is the original; against anything else, places would be invented."""
    done = run("verify", table, "--original", world.report, "--any-log", "--json")
    assert 1 == done.exit_code
    assert "difference" not in done.facts
    assert f"{world.report} is not the original: expected SHA-256 " in done.facts["not_compared"]


def test_without_the_original_nothing_is_said_of_places(table: Path) -> None:
    """A digest does not say where: the verdict is the same, without a place."""
    done = run("verify", table, "--any-log", "--json")
    assert 1 == done.exit_code
    assert {"difference", "not_compared"} & set(done.facts) == set()


def test_content_inside_the_receipt_is_an_original(world: World) -> None:
    """Where the receipt carries the content, nobody has to bring it."""
    world.ok("receipt", "acme:1", "--content", "-o", world.receipt)
    world.report.write_bytes(REPORT.replace(b"no cracks", b"one crack"))
    done = run("verify", world.report, world.receipt, "--any-log", "--json")
    assert 1 == done.exit_code
    assert [{"what": "changed", "line": 1, "character": 19}] == [
        {name: change[name] for name in ("what", "line", "character")} for change in done.facts["difference"]["changes"]
    ]


def test_an_intact_file_is_compared_with_nothing(world: World) -> None:
    """An original beside a file that is intact changes nothing."""
    done = run("verify", world.report, world.receipt, "--any-log", "--original", world.report, "--json")
    assert {"difference", "not_compared", "receipt"} & set(done.facts) == set()


@pytest.mark.parametrize("name", ["no such original", "an original without a file"])
def test_an_original_must_make_sense(world: World, name: str) -> None:
    """A command line that makes no sense is exit code 2, and says why."""
    choices: dict[str, list[str | Path]] = {
        "no such original": [world.report, world.receipt, "--original", world.folder / "none"],
        "an original without a file": [world.receipt, "--original", world.report],
    }
    done = run("verify", *choices[name])
    assert (2, b"") == (done.exit_code, done.out)
    assert ("none: No such file" in done.err) or ("name the file, too" in done.err)


# A file finds its receipt


def test_a_file_finds_its_receipt(world: World) -> None:
    """One name is enough where the receipt lies beside the file, and the verdict says which receipt it is of."""
    done = run("verify", world.report, "--log", world.card, "--headers", world.headers)
    assert (0, "") == (done.exit_code, done.err)
    assert done.text.startswith("INTACT: report.txt\n")
    assert f"The receipt is {world.receipt}, found beside the file." in done.text


def test_a_receipt_is_judged_itself_whatever_lies_beside_it(world: World) -> None:
    """A receipt for which a file of its name and .receipt is there is no record: it is what was to be judged."""
    shutil.copy(world.receipt, f"{world.receipt}.receipt")
    done = run("verify", world.receipt, "--any-log", "--headers", world.headers, "--json")
    assert (0, "entry-intact") == (done.exit_code, done.facts["finding"])
    assert "receipt" not in done.facts


@pytest.mark.parametrize("has_ots", [False, True])
def test_a_file_without_a_receipt_says_what_was_looked_for(world: World, *, has_ots: bool) -> None:
    """Nothing is guessed: the name that was looked for is said, and an .ots file that is there is pointed to."""
    world.receipt.unlink()
    if has_ots:
        world.report.with_name("report.txt.ots").write_bytes(b"ots")
    done = run("verify", world.report)
    assert 1 == done.exit_code
    assert "looked for its receipt as report.txt.receipt beside it, and found none" in done.text
    assert has_ots == ("report.txt.ots is there" in done.text)


def test_a_receipt_that_is_damaged_says_so(world: World) -> None:
    """What was found by its name and is no receipt is named."""
    world.receipt.write_bytes(b"{")
    done = run("verify", world.report, "--json")
    assert (1, ["malformed"], "not-a-receipt") == tuple(
        done.facts[name] for name in ("exit_code", "reasons", "finding")
    )
    assert str(world.receipt) in json.loads(done.out)["error"]


def test_content_inside_the_receipt_that_was_changed_is_no_original(world: World) -> None:
    """A receipt whose own content does not have its digest tells no place: it would be invented."""
    world.ok("receipt", "acme:1", "--content", "-o", world.receipt)
    text = world.receipt.read_text()
    inside = json.loads(text)["content"]["bytes"]
    other = base64.b64encode(b"B" + base64.b64decode(inside)[1:]).decode()
    world.receipt.write_text(text.replace(inside, other))
    done = run("verify", world.report, world.receipt, "--any-log", "--json")
    assert (1, "content-changed") == (done.exit_code, done.facts["finding"])
    assert "difference" not in done.facts
