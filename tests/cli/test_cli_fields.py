"""JSON documents by their fields, through the command line: ``add --fields``, ``fields``, and ``verify`` of a part.

Homes are copies of the prepared one. What is said of the fields is the same before and after an anchor, so only one
test waits for one.
"""

import json
from pathlib import Path

import pytest

from anchor.proof.json_fields import MEDIA_TYPE
from tests.cli.commands import Done, World, run
from tests.simulators.documents import PERSON

WITHHELD = (b"1815-12-10", b"12 St James's Square", b"410.50", b"street", b"salary", b"born")


@pytest.fixture
def document(world: World) -> Path:
    path = world.folder / "person.json"
    path.write_bytes(PERSON)
    return path


def record(world: World, source: Path) -> Path:
    """Record a document by its fields and return its receipt, which is not sealed yet."""
    world.ok("add", "acme", source, "--fields")
    receipt = source.with_name(f"{source.name}.receipt")
    size = world.ok("chain", "show", "acme", "--json").facts["size"]
    world.ok("receipt", f"acme:{size - 1}", "--output", receipt)
    return receipt


def content(done: Done) -> tuple[str, str | None]:
    """Return state and reason of step 2."""
    [step] = [step for step in done.facts["steps"] if step["number"] == 2]
    return step["state"], step["reason"]


def test_two_of_five_fields_are_intact_in_bitcoin(world: World, document: Path) -> None:
    """Two of five fields, one file: verified offline from it alone, with nothing in it of the other three."""
    added = world.ok("add", "acme", document, "--fields", "--json").facts
    disclosures = world.folder / "person.json.disclosures"
    assert (1, [str(disclosures)]) == (added["added"], added["disclosures"])
    assert 0o600 == disclosures.stat().st_mode & 0o777
    for arguments in (("seal",), ("tick", "--now"), ("tick", "--mine", "6")):
        world.ok(*arguments)
    receipt, shown = world.folder / "person.receipt", world.folder / "shown.json"
    world.ok("receipt", added["entries"][0]["entry_hash"], "--output", receipt)
    world.ok("headers", "export", world.headers)
    only = ("--only", "/name", "--only", "/address/city")
    assert 0 == run("fields", "disclose", disclosures, *only, "--receipt", receipt, "-o", shown).exit_code
    held = shown.read_bytes()
    assert [] == [secret for secret in WITHHELD if secret in held]
    for gone in (document, disclosures, receipt):
        gone.unlink()
    trusted = ("--log", world.card, "--headers", world.headers)
    done = run("verify", shown, *trusted)
    assert (0, "") == (done.exit_code, done.err)
    assert done.text.startswith("INTACT")
    assert "2 of 5 fields as recorded; nothing is said of the others" in done.text
    assert '\n  /address/city: "London"\n  /name: "Ada Lovelace"\n  3 fields withheld: nothing is said of them\n' in (
        done.text
    )
    facts = run("verify", shown, *trusted, "--json").facts
    assert {
        "fields": 5,
        "withheld": 3,
        "shown": [
            {"pointer": "/address/city", "type": "string", "value": "London"},
            {"pointer": "/name", "type": "string", "value": "Ada Lovelace"},
        ],
    } == facts["disclosure"]
    forged = json.loads(held)
    forged["shown"][0]["value"], forged["shown"][1]["value"] = (
        forged["shown"][1]["value"],
        forged["shown"][0]["value"],
    )
    shown.write_text(json.dumps(forged))
    done = run("verify", shown, *trusted, "--json")
    assert (1, ("failed", "inclusion-wrong")) == (done.exit_code, content(done))
    assert "disclosure" not in done.facts


def test_the_content_of_the_entry_is_the_small_document(world: World, document: Path) -> None:
    """Neither a name nor a value of the document is in the home, and the entry says by its media type what it is."""
    receipt = record(world, document)
    found = world.ok("chain", "find", json.loads(receipt.read_bytes())["content"]["digest"], "--json").facts["entries"]
    assert [MEDIA_TYPE] == [entry["media_type"] for entry in found]
    files = [path.read_bytes() for path in world.home.rglob("*") if path.is_file()]
    assert files
    assert [] == [secret for secret in (*WITHHELD, b"Lovelace", b"London") for data in files if secret in data]


def test_ways_to_name_a_disclosure(world: World, document: Path) -> None:
    """A disclosure is judged in the place of the file, beside it, as the proof, and shown on in a smaller part."""
    receipt = record(world, document)
    own, two, one = (world.folder / name for name in ("person.json.disclosures", "two.json", "one.json"))
    assert 0 == run("fields", "disclose", own, "--only", "/address", "-o", two).exit_code
    assert 0 == run("fields", "disclose", two, "--only", "/address/city", "-o", one).exit_code
    onward = run("fields", "disclose", one, "--only", "/address/street")
    assert (2, True) == (onward.exit_code, "names no field that can be shown" in onward.err)
    for arguments in ((one, receipt), (receipt, "--proof", one)):
        done = run("verify", *arguments, "--json")
        assert (3, ("ok", None), 4) == (done.exit_code, content(done), done.facts["disclosure"]["withheld"])
    done = run("verify", document, receipt, "--json")
    assert (("ok", None), 0, []) == (
        content(done),
        done.facts["disclosure"]["withheld"],
        done.facts["disclosure"]["changes"],
    )
    assert "all 5 fields of the document as recorded" in run("verify", document).text
    assert "the disclosure has no receipt in it" in run("verify", one).text
    assert ("failed", "content-changed") == content(run("verify", one, world.receipt, "--json"))
    assert "2 of 5 fields as recorded" in run("fields", "show", two).text


def test_changed_fields_are_named(world: World, document: Path) -> None:
    """Another form of the same JSON is the same document; each field that is another is named."""
    receipt = record(world, document)
    value = json.loads(PERSON)
    document.write_text(json.dumps(value, indent=4).replace("410.5", "410.50"))
    assert ("ok", None) == content(run("verify", document, receipt, "--json"))
    document.write_text(json.dumps(value | {"born": "1815-12-11", "more": 1} | {"name": None}))
    done = run("verify", document, receipt, "--json")
    assert (1, ("failed", "content-changed")) == (done.exit_code, content(done))
    assert [
        {"what": "changed", "pointer": "/born"},
        {"what": "added", "pointer": "/more"},
        {"what": "changed", "pointer": "/name"},
        {"what": "changed", "pointer": "/salary"},
    ] == done.facts["disclosure"]["changes"]
    assert "\n  changed  /born\n" in run("verify", document, receipt).text
    document.write_text("no JSON")
    assert ("failed", "content-changed") == content(run("verify", document, receipt, "--json"))


def test_what_was_asked_wrongly_is_said(world: World, document: Path) -> None:
    """Each refusal says what is wrong, and records nothing; salts that nothing was recorded with are taken up."""
    size = world.ok("chain", "show", "acme", "--json").facts["size"]
    bad = world.folder / "bad.json"
    bad.write_text('{"a": 1, "a": 2}')
    refused: list[tuple[tuple[str | Path, ...], str]] = [
        ((document, "--fields", "--lines"), "one entry of a form of its own"),
        ((document, "--fields", "--rows"), "--rows cuts .csv"),
        (("-", "--fields"), "needs a JSON file"),
        ((world.folder, "--fields"), "needs a JSON file"),
        ((bad, "--fields"), "occurs twice"),
        ((document, "--fields", "--id", "x" * 5000), "at most"),
    ]
    for arguments, message in refused:
        done = world.run("add", "acme", *arguments)
        assert (1, True) == (done.exit_code, message in done.err), done.err
    assert [] == list(world.folder.glob("*.disclosures*"))
    assert size == world.ok("chain", "show", "acme", "--json").facts["size"]
    committed = run("fields", "commit", document)
    assert (0, 5) == (committed.exit_code, committed.facts["fields"])
    kept = (world.folder / "person.json.disclosures").read_bytes()
    receipt = record(world, document)
    assert kept == (world.folder / "person.json.disclosures").read_bytes()
    assert "is recorded already" in world.run("add", "acme", document, "--fields").err
    document.write_text('{"name": "Charles"}')
    assert "is not what" in world.run("add", "acme", document, "--fields").err
    own = world.folder / "person.json.disclosures"
    other = run("fields", "disclose", own, "--only", "/name", "--receipt", world.receipt)
    assert (2, True) == (other.exit_code, "is not the receipt of this document" in other.err)
    assert (2, True) == (
        (none := run("fields", "disclose", own, "--only", "name")).exit_code,
        "expected a JSON Pointer like /address/city" in none.err,
    )
    assert 2 == run("fields", "show", receipt).exit_code
    assert "--manifest is the list of a folder" in run("verify", own, receipt, "--manifest", own).err
