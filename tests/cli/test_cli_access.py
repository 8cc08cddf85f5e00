"""What commands take of an organisation's content, as its access log tells it, from the command to the proof."""

import base64
from pathlib import Path

import pytest

from anchor.errors import StorageFullError
from anchor.proof.access_record import check_record, record_of
from anchor.proof.receipt import Receipt
from chains.access_notes import AccessNotes
from chains.home import Home
from chains.reader import Reader
from tests.cli.commands import World

SECRET = b"the secret of acme\n"


@pytest.fixture
def watched(world: World) -> World:
    """The prepared home with two chains more, ledger of the organisation acme and press, which is public."""
    world.ok("org", "create", "acme")
    for name, visibility in (("ledger", "private"), ("press", "public")):
        world.ok("chain", "create", name, "--organisation", "acme", "--visibility", visibility)
        world.ok("add", name, "-", stdin=SECRET)
    world.ok("seal")
    return world


def log(world: World, *options: str) -> list[dict[str, object]]:
    """Return the access log of acme."""
    events: list[dict[str, object]] = world.ok("access-log", "acme", *options, "--json").facts["events"]
    return events


def secrets_of(world: World, chain: str) -> list[bytes]:
    """Return the forms in which content, salt and digest of a chain's second entry may be seen."""
    with Home.open(world.home) as home:
        stored = Reader(home.engine, home.chains, home.lookup).at(home.chains.named(chain), 1)
        assert stored is not None
        assert stored.kept is not None
        digest, salt = stored.kept.digest.hex().encode(), stored.kept.salt.hex().encode()
    return [SECRET, base64.b64encode(SECRET), digest, salt]


def test_whatever_a_command_shows_of_private_content_is_in_the_log(watched: World, tmp_path: Path) -> None:
    """Each is one event that says what was handed out; the same commands leave nothing for a public chain."""
    digest = secrets_of(watched, "ledger")[2].decode()
    commands: list[tuple[list[str], str]] = [
        (["receipt", "{}:1"], "receipt"),
        (["receipt", "{}:1", "--content"], "content"),
        (["chain", "show", "{}", "--start", "1", "--json"], "digest"),
        (["chain", "find", digest, "--chain", "{}", "--json"], "digest"),
        (["chain", "export", "{}"], "export"),
    ]
    for arguments, what in commands:
        for chain, wanted in (("ledger", [what]), ("press", [])):
            before = len(log(watched))
            shown = watched.ok(*(each.format(chain) for each in arguments)).out
            assert any(secret in shown for secret in secrets_of(watched, chain)), arguments
            new = [event for event in log(watched)[before:] if event["what"] != "log"]
            assert wanted == [event["what"] for event in new], (arguments, chain)
            assert all(("command", "machine") == (event["way"], event["by"]) for event in new)
    assert [] == [event for event in log(watched) if event["what"] == "receipt" and event["index"] != 1]


def test_what_shows_nothing_of_content_is_not_in_the_log(watched: World) -> None:
    """A receipt that withholds salt and digest, a list of chains, a state, the history of an entry."""
    before = len(log(watched))
    for arguments in (["receipt", "ledger:1", "--withhold"], ["chain", "list"], ["history", "ledger:1"]):
        shown = watched.ok(*arguments).out
        assert not any(secret in shown for secret in secrets_of(watched, "ledger")), arguments
    assert ["log"] == [event["what"] for event in log(watched)[before:]]


def test_copies_are_told_to_everybody_whose_content_is_in_them(watched: World, tmp_path: Path) -> None:
    """A backup, an export and a mirror with private chains; a mirror without them tells nothing."""
    before = len(log(watched))
    watched.ok("backup", tmp_path / "backup")
    watched.ok("export", tmp_path / "log.tar")
    watched.ok("mirror", tmp_path / "public", "--all-chains")
    watched.ok("mirror", tmp_path / "whole", "--all-chains", "--with-private")
    told = [(event["what"], event["detail"]) for event in log(watched)[before:] if event["what"] != "log"]
    assert [
        ("backup", None),
        ("export", "entries and contents"),
        ("mirror", "entries, without contents and salts"),
    ] == told


def test_an_event_is_proved_by_the_receipt_of_its_record(watched: World, tmp_path: Path) -> None:
    """From a read on the machine to a verdict that needs nobody's word: sealed, anchored, verified offline."""
    watched.ok("receipt", "ledger:1", "--content")
    watched.ok("seal")
    watched.ok("tick", "--now")
    watched.ok("tick", "--mine", "6")
    [event] = [each for each in log(watched) if each["what"] == "content"]
    receipt, headers = tmp_path / "access.receipt", tmp_path / "headers.txt"
    watched.ok("receipt", str(event["recorded_in"]), "--content", "-o", receipt)
    watched.ok("headers", "export", headers)
    verified = watched.run("verify", receipt, "--log", watched.card, "--headers", headers, "--json")
    assert (0, "intact") == (verified.exit_code, verified.facts["outcome"])
    proved = Receipt.decode(receipt.read_bytes())
    record = record_of(proved.entry)
    assert record is not None
    assert proved.content.data is not None
    noted = check_record(record, proved.content.data)[int(str(event["number"]))]
    assert (event["at_ms"], event["chain_id"], 1) == (noted.at_ms, noted.event.chain.hex(), noted.event.index)
    assert 0 == watched.run("audit").exit_code


def test_the_log_can_be_narrowed(watched: World) -> None:
    """To a chain, to what came after a time, to what comes from a number on; for people it has a line an event."""
    watched.ok("receipt", "ledger:1")
    watched.ok("org", "create", "meridian")
    assert ["receipt"] == [event["what"] for event in log(watched, "--chain", "ledger")]
    assert [] == log(watched, "--since", "2999-01-01")
    last = log(watched)[-1]
    assert [last["number"]] == [event["number"] for event in log(watched, "--from", str(last["number"]))][:1]
    assert "receipt      command, machine, chain" in watched.ok("access-log", "acme").text
    assert "Nothing was read of meridian" in watched.ok("access-log", "meridian").text
    assert "--since: expected a date" in watched.run("access-log", "acme", "--since", "soon").err


def test_a_command_whose_note_cannot_be_stored_shows_nothing(
    watched: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The disk is full: one sentence, no output, no copy."""

    def full(*_: object) -> None:
        raise StorageFullError("no space left")

    monkeypatch.setattr(AccessNotes, "add", full)
    for arguments in (["receipt", "ledger:1"], ["chain", "export", "ledger"], ["backup", str(tmp_path / "backup")]):
        done = watched.run(*arguments)
        assert (1, b"", "anchorline: no space left\n") == (done.exit_code, done.out, done.err)
    assert not (tmp_path / "backup").exists()
