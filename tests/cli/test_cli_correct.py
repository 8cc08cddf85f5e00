"""``amend``, ``retract`` and ``history``: a mistake that is corrected stays what it was, and new receipts say so."""

from pathlib import Path

import pytest

from tests.cli.commands import REPORT, Done, World, run

CORRECTED = 6


def anchored(world: World) -> None:
    world.ok("seal")
    world.ok("tick", "--now")
    world.ok("tick", "--mine", "6")
    world.ok("headers", "export", world.headers)


def amended(world: World, entry: str, content: bytes, *more: str) -> str:
    """Amend an entry; return the new entry's hash."""
    (world.folder / "new.txt").write_bytes(content)
    found: str = world.ok("amend", entry, world.folder / "new.txt", "--json", *more).facts["entry_hash"]
    return found


def verified(world: World, file: Path, receipt: Path) -> Done:
    return run("verify", file, receipt, "--log", world.card, "--headers", world.headers, "--json")


def stands(world: World, entry: str, *more: str) -> str | None:
    found: str | None = world.ok("history", entry, "--json", *more).facts["stands"]
    return found


def test_an_amended_entry_stays_and_its_receipts_say_so(world: World) -> None:
    """An old receipt upgraded, and a new one, say by which entry it was superseded; the new version is intact."""
    new = amended(world, "acme:1", b"beam 7 inspected, one crack\n", "--reason", "the crack was overlooked")
    assert 0 == verified(world, world.report, world.receipt).exit_code
    anchored(world)
    world.ok("upgrade", world.receipt)
    fresh = world.folder / "fresh.receipt"
    world.ok("receipt", "acme:1", "--output", fresh)
    for receipt in (world.receipt, fresh):
        done = verified(world, world.report, receipt)
        assert (CORRECTED, "superseded") == (done.exit_code, done.facts["finding"])
        (correction,) = done.facts["facts"]["corrections"]
        assert ("supersedes", new) == (correction["relation"], correction["entry_hash"])
    (world.folder / "other.txt").write_bytes(b"not it")
    assert 1 == verified(world, world.folder / "other.txt", fresh).exit_code
    world.ok("receipt", new, "--output", fresh)
    done = verified(world, world.folder / "new.txt", fresh)
    assert (0, "intact") == (done.exit_code, done.facts["finding"])
    assert ["supersedes", "refers to"] == [link["relation"] for link in done.facts["facts"]["links"]]
    world.ok("audit")


def test_a_retracted_entry_stands_no_more(world: World) -> None:
    """The reason of a retraction is its content; whoever retracts the retraction has the entry stand again."""
    first = world.ok("history", "acme:1", "--json").facts["stands"]
    done = world.ok("retract", "acme:1", "--reason", "another beam")
    assert "retracts entry 1 of its chain" in done.text
    assert stands(world, "acme:1") is None
    assert "Nothing stands" in world.ok("history", "acme:1").text
    again = world.ok("history", "acme:1", "--json").facts["versions"][-1]["entry_hash"]
    anchored(world)
    world.ok("receipt", "acme:1", "--output", world.receipt)
    assert "retracted" == verified(world, world.report, world.receipt).facts["finding"]
    world.ok("retract", again)
    assert first == stands(world, "acme:1")


def test_a_signed_correction_names_its_author(world: World) -> None:
    """Whoever corrects signs with his key, in the name of his identity; the verdict on the first entry names it."""
    key = world.folder / "acme.key"
    world.ok("identity", "new", "acme-identity", "--key", key, "--no-password")
    world.ok("seal")
    (world.folder / "new.txt").write_bytes(b"corrected")
    signed = ("--sign", key, "--identity", "acme-identity", "--reason", "wrong beam")
    new = world.ok("amend", "acme:1", world.folder / "new.txt", "--json", *signed).facts["entry_hash"]
    anchored(world)
    world.ok("receipt", "acme:1", "--output", world.receipt)
    (correction,) = verified(world, world.report, world.receipt).facts["facts"]["corrections"]
    world.ok("receipt", new, "--output", world.receipt)
    step = verified(world, world.folder / "new.txt", world.receipt).facts["steps"][2]
    assert "ok" == step["state"]
    assert f"signed by key {correction['key']}" in step["text"]
    assert 2 == world.run("retract", "acme:1", "--identity", "acme-identity").exit_code


def test_a_history_is_told_as_of_a_time(world: World) -> None:
    """What was not sealed by then was not there; of the versions that were, the last one stood."""
    first = world.ok("history", "acme:1", "--json").facts
    second = amended(world, "acme:1", b"second")
    third = amended(world, second, b"third")
    assert third == stands(world, "acme:1")
    assert first["stands"] == stands(world, "acme:1", "--as-of", "2999-01-01")
    world.ok("seal")
    assert third == stands(world, "acme:1", "--as-of", "2999-01-01")
    assert third == stands(world, second)
    text = world.ok("history", "acme:1").text
    assert f"supersedes {second[:16]}" in text
    assert "<- stands" in text.splitlines()[-1]
    done = world.run("history", "acme:1", "--as-of", "2001-01-01T00:00:00+01:00")
    assert 1 == done.exit_code
    assert "was not sealed by 2001" in done.err


def test_a_correction_before_its_seal_is_in_no_receipt(world: World) -> None:
    """A receipt shows what is under its checkpoint; of an older checkpoint it shows what was said by then."""
    amended(world, "acme:1", b"second")
    world.ok("receipt", "acme:1", "--output", world.receipt)
    assert (0, []) == (
        verified(world, world.report, world.receipt).exit_code,
        world.ok("receipt", "acme:1").facts["evidence"],
    )
    size = verified(world, world.report, world.receipt).facts["facts"]["checkpoint_size"]
    world.ok("seal")
    # Sealed and not anchored: the receipt keeps its anchor, and can be had with the correction.
    assert 0 == verified(world, world.report, world.receipt).exit_code
    assert [] == world.ok("receipt", "acme:1").facts["evidence"]
    anchored(world)
    assert 1 == len(world.ok("receipt", "acme:1").facts["evidence"])
    assert [] == world.ok("receipt", "acme:1", "--checkpoint", str(size)).facts["evidence"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (("amend", "acme:1", "nothing.txt"), 2, "nothing.txt: No such file"),
        (("amend", "ab" * 32, "report.txt"), 1, "no entry abab"),
        (("retract", "acme:9999"), 1, "no entry 9999"),
        (("history", "acme:1", "--as-of", "yesterday"), 2, "--as-of: expected a date"),
        (("amend", "acme:1", "report.txt", "--reason", "why", "--media-type", "text/\tplain"), 1, "media_type"),
    ],
)
def test_what_cannot_be_corrected_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], exit_code: int, said: str
) -> None:
    """Nothing is written, and the error says what was expected."""
    monkeypatch.chdir(world.folder)
    before = world.ok("chain", "show", "acme", "--json").facts["size"]
    done = world.run(*arguments)
    assert exit_code == done.exit_code
    assert said in done.err
    assert before == world.ok("chain", "show", "acme", "--json").facts["size"]
    assert REPORT == world.report.read_bytes()
