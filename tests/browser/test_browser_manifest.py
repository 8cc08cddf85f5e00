"""Folders in the browser: ``verify.html`` names the same changes as ``anchorline verify`` does, by the same lists.

Input is the folder of ``tests/simulators/folders.py`` and tables that are changed at random; the seed is fixed, so that
every run makes the same changes.
"""

import io
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from chains.manifest_comparing import compare
from tests.simulators.folders import FILES, listed, make_folder

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

TABLES = 60
Json = dict[str, Any]
Files = dict[str, bytes | None]
"""Contents by their paths; None for an empty folder."""
RECORDED: Files = {**FILES, "notes/nothing": None}


def written(folder: Path, files: Mapping[str, bytes | None]) -> Path:
    """Write files and empty folders; return the folder."""
    for path, content in files.items():
        at = folder / path
        (at if content is None else at.parent).mkdir(parents=True, exist_ok=True)
        if content is not None:
            at.write_bytes(content)
    return folder


def said_here(list_bytes: bytes, folder: Path) -> Json:
    """Return what Python says of a folder."""
    found = compare(folder, io.BytesIO(list_bytes))
    lines = [" ".join(difference.text().split(maxsplit=1)) for difference in found.differences]
    changes = [difference.to_json() for difference in found.differences]
    facts = {"files": found.files, "same": found.is_same, "counts": dict(found.counts), "changes": changes}
    return {"facts": facts, "summary": found.summary(), "lines": lines, "unplaced": []}


def asked(
    list_bytes: bytes, files: Mapping[str, bytes | None], *, is_loose: bool = False, knows_empty: bool = True
) -> Json:
    """Return a question to the page: a list and what the browser holds."""
    items = [[path, None if content is None else content.hex()] for path, content in files.items()]
    return {"list": list_bytes.hex(), "items": items, "is_loose": is_loose, "knows_empty": knows_empty}


def said_there(page: Page, cases: list[Json]) -> list[Json]:
    answers: list[str] = page.evaluate("comparisonsOf", cases)
    return [json.loads(answer) for answer in answers]


CHANGES: dict[str, Files] = {
    "nothing": {},
    "a file changed": {"notes.txt": b"beam 8 inspected\n"},
    "a file of another size": {"notes.txt": b""},
    "a file added": {"a first": b"", "notes/zz": b"1", "zz": b""},
    "a folder added": {"more/inside/it": b"1"},
    "a cell changed": {"orders.csv": FILES["orders.csv"].replace(b"20", b"21")},
    "a cell with two lines changed": {"orders.csv": FILES["orders.csv"].replace(b"one cell", b"1 cell")},
    "the header changed": {"orders.csv": FILES["orders.csv"].replace(b"price", b"Gr\xf6\xdfe \xc3\xa9,\x1b[2J")},
    "a line end changed": {"orders.csv": FILES["orders.csv"].replace(b"2,20,\n", b"2,20,\r\n")},
    "a row added": {"orders.csv": FILES["orders.csv"] + b"\n4,40,"},
    "a row removed": {"orders.csv": FILES["orders.csv"].replace(b"2,20,\n", b"")},
    "a row moved": {"readings.ndjson": b'{"beam":8}\n{"beam":7}\n'},
    "a quote never closed": {"orders.csv": b'id,price,note\n1,10,"' + b"x" * 2**20},
    "rows of nothing": {"orders.csv": b""},
    "something in an empty folder": {"notes/nothing/here": b"1"},
    "a file that was an empty folder": {"notes/nothing": b"1"},
    "an empty folder that was a file": {"notes.txt": None},
    "names of another order": {"notes.": b"1", "notes": None, "\U0001f600": b"", "\uff5e": b""},
}


def changed(name: str) -> Files:
    files = {**RECORDED, **CHANGES[name]}
    for path, content in CHANGES[name].items():
        if path == "notes":
            del files["notes"]
        if content is not None and path.startswith("notes/nothing/"):
            del files["notes/nothing"]
    return files


@pytest.fixture(scope="module")
def list_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The list of the folder, without its link, which no browser shows."""
    stream, _ = listed(written(tmp_path_factory.mktemp("recorded"), RECORDED))
    return stream.getvalue()


def test_every_change_is_named_as_python_names_it(loaded: Page, list_bytes: bytes, tmp_path: Path) -> None:
    """Files, rows, columns, lines, counts and the sentences are those of the command, for each kind of change."""
    folders = {name: changed(name) for name in CHANGES}
    for removed in ("notes.txt", "orders.csv", "notes/nothing", "notes/empty.txt"):
        folders[f"{removed} removed"] = {path: content for path, content in RECORDED.items() if path != removed}
    for number, files in enumerate(folders.values()):
        written(tmp_path / str(number), files)
    expected = {name: said_here(list_bytes, tmp_path / str(number)) for number, name in enumerate(folders)}
    found = said_there(loaded, [asked(list_bytes, files) for files in folders.values()])
    assert expected == dict(zip(folders, found, strict=True))
    assert 1 == sum(each["facts"]["same"] for each in found)


def table(dice: random.Random, rows: int) -> list[bytes]:
    """Return rows of a table, equal ones among them."""
    return [b"%d,%d,%s\n" % (dice.randrange(rows), dice.randrange(3), dice.choice([b"a", b"b"])) for _ in range(rows)]


def edited(rows: list[bytes], dice: random.Random) -> list[bytes]:
    """Change, add, remove, repeat or move a few rows."""
    rows = list(rows)
    for _ in range(dice.randrange(1, 8)):
        at = dice.randrange(len(rows))
        end = at + dice.choice([1, 1, 1, 2, 20])
        some = rows[at:end]
        put = dice.choice(
            [[b"9,9,new\n"], [], [*some, b"1,1,a\n"], [*some, *some], [row.replace(b",1,", b",7,") for row in some]]
        )
        rows[at:end] = put
        if not rows:
            return [b"1,1,a\n"]
    return rows


def test_tables_that_were_edited(loaded: Page, tmp_path: Path) -> None:
    """Of each of 60 tables with a few edits, equal rows among them, both say the same of every row and column."""
    dice = random.Random(20261122)
    cases, expected = [], []
    for number in range(TABLES):
        rows = table(dice, dice.choice([5, 30, 300]))
        was, now = tmp_path / f"was{number}", tmp_path / f"now{number}"
        stream, _ = listed(written(was, {"t.csv": b"".join(rows)}))
        content = b"".join(edited(rows, dice))
        expected.append(said_here(stream.getvalue(), written(now, {"t.csv": content})))
        cases.append(asked(stream.getvalue(), {"t.csv": content}))
    assert expected == said_there(loaded, cases)
    sorts = {sort for each in expected for sort in each["facts"]["counts"]}
    assert {"files changed", "rows changed", "rows added", "rows removed"} == sorts


def test_blocks_of_rows_are_passed_over(loaded: Page, tmp_path: Path) -> None:
    """Ten thousand rows are three blocks of the list: changes in the last are found, and counted beyond a thousand."""
    rows = [b"%d,%d\n" % (number, number % 7) for number in range(10_000)]
    stream, _ = listed(written(tmp_path / "was", {"t.csv": b"".join(rows)}))
    ends = rows[:9_000] + [b"%d,x\n" % number for number in range(9_000, 10_500)]
    content = b"".join([b"new\n", *rows[:5_000], *rows[5_001:9_990], b"changed,1\n", *rows[9_991:]])
    cases = [{"t.csv": content}, {"t.csv": b"".join(ends)}]
    expected = [
        said_here(stream.getvalue(), written(tmp_path / str(number), files)) for number, files in enumerate(cases)
    ]
    found = said_there(loaded, [asked(stream.getvalue(), files) for files in cases])
    assert expected == found
    assert 1_000 == len(found[1]["facts"]["changes"])
    assert 1_500 == sum(found[1]["facts"]["counts"].values()) - 1


def test_what_a_browser_does_not_show_is_not_judged(loaded: Page, tmp_path: Path) -> None:
    """Links, and empty folders where only files are told, are neither called the same nor removed."""
    stream, _ = listed(make_folder(tmp_path))
    behind_the_link = {"newest": b"temps couvert\n", "newest/more": b"1"}
    cases = [
        asked(stream.getvalue(), {**FILES, **behind_the_link}, knows_empty=False),
        asked(stream.getvalue(), {**FILES, "notes/nothing": None}),
        asked(stream.getvalue(), {**FILES, "notes/nothing/x": b"1"}, knows_empty=False),
    ]
    found = said_there(loaded, cases)
    assert [2, 1, 1] == [each["facts"]["not_compared"] for each in found]
    assert [True, True, False] == [each["facts"]["same"] for each in found]
    assert ["added notes/nothing/x", "removed notes/nothing"] == sorted(found[2]["lines"])


def test_loose_files_are_found_by_their_names(loaded: Page, tmp_path: Path) -> None:
    """Some files of a folder are compared, others not called removed; a name that is listed twice is not guessed."""
    files: Files = {"a/one": b"1", "b/one": b"2", "b/two": b"3", "three": b"4"}
    stream, _ = listed(written(tmp_path / "many", files))
    single, _ = listed(written(tmp_path / "single", {"a": b"1,2\n"}))
    cases = [
        asked(stream.getvalue(), {"two": b"3", "three": b"4"}, is_loose=True),
        asked(stream.getvalue(), {"two": b"4", "four": b""}, is_loose=True),
        asked(stream.getvalue(), {"one": b"1", "two": b"3"}, is_loose=True),
        asked(single.getvalue(), {"another name": b"1,2\n"}, is_loose=True),
    ]
    found = said_there(loaded, cases)
    assert [[], ["added four", "changed b/two"], [], []] == [sorted(each["lines"]) for each in found]
    assert [[], [], ["one"], []] == [each["unplaced"] for each in found]
    assert [2, 3, 3, 0] == [each["facts"].get("not_compared", 0) for each in found]
