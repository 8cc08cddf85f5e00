"""Folders through the command line: ``add FOLDER``, ``verify FOLDER``, ``manifest show`` and ``manifest prove``.

Homes are copies of the prepared one. What is said of content is the same before and after an anchor, so only one test
waits for one.
"""

import json
from pathlib import Path

import pytest

from anchor.proof.manifest import MEDIA_TYPE
from tests.cli.commands import Done, World, run
from tests.simulators.folders import FILES, make_folder


@pytest.fixture
def folder(world: World) -> Path:
    return make_folder(world.folder / "data")


def record(world: World, source: Path, *options: str) -> Path:
    """Record a folder and return its receipt, which is not sealed yet."""
    world.ok("add", "acme", source, *options)
    receipt = source.with_name(f"{source.name}.receipt")
    size = world.ok("chain", "show", "acme", "--json").facts["size"]
    world.ok("receipt", f"acme:{size - 1}", "--output", receipt)
    return receipt


def content(done: Done) -> tuple[str, str | None]:
    """Return state and reason of step 2."""
    [step] = [step for step in done.facts["steps"] if step["number"] == 2]
    return step["state"], step["reason"]


def without_pairing(text: str) -> str:
    """Return what is said without the line that names a receipt which was found beside the folder."""
    return "".join(line for line in text.splitlines(keepends=True) if "found beside the file" not in line)


def test_a_folder_is_one_entry_and_intact_in_bitcoin(world: World, folder: Path) -> None:
    """Folder, list, receipt, card and headers are enough; the entry says by its media type what it is."""
    added = world.ok("add", "acme", folder, "--rows", "--json").facts
    assert (1, [str(world.folder / "data.manifest")]) == (added["added"], added["manifests"])
    found = world.ok("chain", "find", added["entries"][0]["entry_hash"], "--json").facts["entries"][0]
    assert MEDIA_TYPE == found["media_type"]
    world.ok("seal")
    world.ok("tick", "--now")
    world.ok("tick", "--mine", "6")
    receipt = world.folder / "data.receipt"
    world.ok("receipt", added["entries"][0]["entry_hash"], "--output", receipt)
    world.ok("headers", "export", world.headers)
    trusted = ("--log", world.card, "--headers", world.headers)
    done = run("verify", folder, receipt, *trusted)
    assert (0, "") == (done.exit_code, done.err)
    assert done.text.startswith("INTACT: data\n")
    assert "the folder is what was recorded: 7 files, 124 bytes, by its manifest" in done.text
    (folder / "orders.csv").write_bytes(FILES["orders.csv"].replace(b"2,20,", b"2,21,"))
    done = run("verify", folder, receipt, *trusted)
    assert 1 == done.exit_code
    assert done.text.startswith("DOES NOT VERIFY: data\n")
    assert "\n  changed  orders.csv\n  changed  orders.csv: row 3 (line 4), column 2 (price)\n" in done.text
    assert (1, done.text) == ((again := run("verify", folder, *trusted)).exit_code, without_pairing(again.text))
    assert "content-changed" in done.text


def test_changes_are_in_the_json(world: World, folder: Path) -> None:
    """Each change is an object with what a program needs; a verdict that is incomplete otherwise fails."""
    receipt = record(world, folder, "--rows")
    done = run("verify", folder, receipt, "--json")
    assert (3, ("ok", None), True) == (done.exit_code, content(done), done.facts["manifest"]["same"])
    (folder / "new").write_bytes(b"")
    (folder / "readings.ndjson").write_bytes(b'{"beam":7}\n')
    done = run("verify", folder, receipt, "--json")
    assert (1, ("failed", "content-changed")) == (done.exit_code, content(done))
    assert "content-changed" == done.facts["finding"]
    manifest = done.facts["manifest"]
    assert {"files added": 1, "files changed": 1, "rows removed": 1} == manifest["counts"]
    assert [
        {"what": "added", "path": "new"},
        {"what": "changed", "path": "readings.ndjson"},
        {
            "what": "removed",
            "path": "readings.ndjson",
            "row": None,
            "recorded_row": 2,
            "line": None,
            "columns": [],
        },
    ] == manifest["changes"]


def test_another_list_does_not_pass(world: World, folder: Path) -> None:
    """A list of other bytes is not the recorded one, whatever the folder is, and no comparison is made with it."""
    receipt = record(world, folder)
    own = world.folder / "data.manifest"
    own.rename(world.folder / "kept")
    world.ok("add", "acme", folder)
    done = run("verify", folder, receipt, "--json")
    assert (1, ("failed", "content-changed")) == (done.exit_code, content(done))
    assert "manifest" not in done.facts
    assert 3 == run("verify", folder, receipt, "--manifest", world.folder / "kept").exit_code
    own.write_bytes((world.folder / "kept").read_bytes()[:-1])
    done = run("verify", folder, receipt, "--json")
    assert (1, ["malformed"], "part-unreadable") == (done.exit_code, done.facts["reasons"], done.facts["finding"])


def test_rows_and_files_are_shown_alone(world: World, folder: Path) -> None:
    """A proof verifies with the receipt and without folder or list, and shows its rows."""
    receipt = record(world, folder, "--rows")
    own = world.folder / "data.manifest"
    shown = run("manifest", "show", own, "--json").facts
    assert {"orders.csv": 4, "readings.ndjson": 2} == {
        file["path"]: file["rows"] for file in shown["paths"] if file["rows"] is not None
    }
    assert "          56  orders.csv  4 rows" in run("manifest", "show", own).text
    rows, whole = world.folder / "rows.proof", world.folder / "file.proof"
    assert 0 == run("manifest", "prove", own, "orders.csv", "--row", "4", "--header", "-o", rows).exit_code
    assert 0 == run("manifest", "prove", own, "notes.txt", "-o", whole).exit_code
    (world.folder / "report.txt.copy").write_bytes(FILES["notes.txt"])
    folder.rename(world.folder / "elsewhere")
    own.unlink()
    done = run("verify", receipt, "--proof", rows, "--json")
    assert (3, ("ok", None)) == (done.exit_code, content(done))
    assert [{"row": 1, "text": "id,price,note"}, {"row": 4, "text": "3,30,last"}] == done.facts["manifest"]["rows"]
    assert "\n  Row 4 of orders.csv: 3,30,last\n" in run("verify", receipt, "--proof", rows).text
    done = run("verify", world.folder / "report.txt.copy", receipt, "--proof", whole, "--json")
    assert (3, ("ok", None), "notes.txt") == (done.exit_code, content(done), done.facts["manifest"]["path"])
    assert ("not checked", None) == content(run("verify", receipt, "--proof", whole, "--json"))
    for file, proof in ((world.report, whole), (world.report, rows)):
        done = run("verify", file, receipt, "--proof", proof, "--json")
        assert (1, ("failed", "content-changed")) == (done.exit_code, content(done))
    forged = json.loads(rows.read_bytes())
    forged["rows"][1]["index"] = 2
    rows.write_text(json.dumps(forged))
    assert ("failed", "inclusion-wrong") == content(run("verify", receipt, "--proof", rows, "--json"))
    assert ("failed", "content-changed") == content(run("verify", world.receipt, "--proof", whole, "--json"))
    rows.write_text("{}")
    assert (1, ["malformed"]) == (
        (done := run("verify", receipt, "--proof", rows, "--json")).exit_code,
        done.facts["reasons"],
    )


def test_a_table_alone_is_recorded_with_its_rows(world: World) -> None:
    """``add FILE --rows`` and ``verify FILE`` need no folder; without its list, only the document is the content."""
    table = world.folder / "prices.csv"
    table.write_bytes(b"item;price\nbolt;3\nnut;1\n")
    receipt = record(world, table, "--rows", "--delimiter", ";")
    assert ("ok", None) == content(run("verify", table, receipt, "--json"))
    table.write_bytes(b"item;price\nbolt;3\nnut;2\n")
    done = run("verify", table, receipt)
    assert (1, True) == (done.exit_code, "prices.csv: row 3 (line 3), column 2 (price)" in done.text)
    own = world.folder / "prices.csv.manifest"
    table.write_bytes(b"item;price\nbolt;3\nnut;1\n")
    done = run("manifest", "prove", own, "prices.csv", "--row", "2")
    assert (0, "anchorline-manifest-proof/1") == (done.exit_code, done.facts["format"])
    own.rename(world.folder / "kept")
    assert ("failed", "content-changed") == content(run("verify", table, receipt, "--json"))
    table.write_text(done.facts["document"])
    assert ("ok", None) == content(run("verify", table, receipt, "--json"))


def test_a_folder_with_one_file_is_no_file(world: World, tmp_path: Path) -> None:
    """A folder that is recorded is compared as one: files that came beside its single one are named."""
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "a").write_bytes(b"x")
    receipt = record(world, folder)
    assert ("ok", None) == content(run("verify", folder, receipt, "--json"))
    (folder / "b").write_bytes(b"x")
    assert "added    b" in run("verify", folder, receipt).text


def test_what_was_asked_wrongly_is_said(world: World, folder: Path) -> None:
    """Each refusal says what is wrong, and records nothing."""
    size = world.ok("chain", "show", "acme", "--json").facts["size"]
    refused: list[tuple[tuple[str | Path, ...], str]] = [
        ((folder, "--lines"), "one entry"),
        ((folder, "--digest"), "one entry"),
        ((folder, "--media-type", "text/csv"), "one entry"),
        ((world.report, "--rows"), "--rows cuts .csv"),
        (("-", "--rows"), "--rows cuts .csv"),
        ((folder, "--delimiter", ";"), "needs --rows"),
        ((world.report, "--manifest", world.folder / "m"), "a single one"),
        ((folder, folder, "--manifest", world.folder / "m"), "a single one"),
        ((folder, "--manifest", folder / "m"), "inside the folder"),
        ((folder, "--id", "x" * 5000), "at most"),
    ]
    for arguments, message in refused:
        done = world.run("add", "acme", *arguments)
        assert (1, True) == (done.exit_code, message in done.err), done.err
    assert size == world.ok("chain", "show", "acme", "--json").facts["size"]
    assert [] == list(world.folder.glob("*.manifest*"))
    receipt = record(world, folder)
    own = world.folder / "data.manifest"
    again = world.run("add", "acme", folder).err
    assert f"is recorded already, with the list {own}: entry {size} of acme" in again
    assert "is there already" in world.run("add", "acme", folder, "--rows").err
    assert size + 1 == world.ok("chain", "show", "acme", "--json").facts["size"]
    refused = [
        ((folder, receipt, "--manifest", own, "--proof", own), "leave --manifest out"),
        ((folder, receipt, "--original", world.report), "one file that was recorded as it is"),
        ((receipt, "--manifest", own), "name it before the receipt"),
        ((folder, world.receipt, "--manifest", world.folder / "none"), "No such file|is not there"),
        ((folder / "notes", world.receipt), "is not there"),
    ]
    for arguments, message in refused:
        done = run("verify", *arguments)
        assert 2 == done.exit_code
        assert any(part in done.err for part in message.split("|")), done.err
    refused = [
        (("notes.txt", "--header"), "at least one with --row"),
        (("notes.txt", "--folder", folder), "at least one with --row"),
        (("notes.txt", "--row", "1"), "without its rows"),
        (("none",), "lists no 'none'"),
    ]
    for arguments, message in refused:
        assert message in run("manifest", "prove", own, *arguments).err
    assert "expected b'anchorline-manifest/1" in run("manifest", "show", world.report).err


def test_an_unreadable_file_is_no_verdict(world: World, folder: Path) -> None:
    """What cannot be read says nothing about what was recorded; a file that became a link is a change."""
    receipt = record(world, folder)
    (folder / "notes.txt").unlink()
    (folder / "notes.txt").symlink_to("notes.txt")
    done = run("verify", folder, receipt, "--json")
    assert ("failed", "content-changed") == content(done)
    (world.folder / "data.manifest").unlink()
    (world.folder / "data.manifest").mkdir()
    assert 2 == run("verify", folder, receipt).exit_code
