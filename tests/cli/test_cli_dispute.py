"""``dispute make`` and ``dispute check`` as commands: a real log that went on from a copy, its mirrors, its service."""

import json
from pathlib import Path

import pytest

from anchor.proof.breach import SealedLate
from anchor.proof.receipt import LogCard
from chains.access import Role
from tests.cli.commands import World, run
from tests.homes import copy_home
from tests.simulators.accused import ACCUSATIONS
from tests.simulators.api_server import make_key, serving


@pytest.fixture
def parted(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The prepared home, and a copy of it that went another way; each recorded one entry and sealed it."""
    copy = copy_home(world.home, tmp_path / "copy")
    world.ok("add", "acme", "-", stdin=b"paid 100")
    world.ok("seal")
    world.ok("receipt", "acme:303", "--output", tmp_path / "one.receipt")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    for command in (["add", "acme", "-"], ["seal"], ["receipt", "acme:303", "--output", str(tmp_path / "two.receipt")]):
        done = run(*command, "--home", copy, stdin=b"paid 900")
        assert 0 == done.exit_code, done.err
    return copy


def promise_of(receipt: Path, target: Path) -> Path:
    """Write the promise of a receipt into a file of its own."""
    target.write_text(json.dumps(json.loads(receipt.read_text())["promise"]))
    return target


def test_a_log_that_went_two_ways_is_shown_to_a_third_party(world: World, tmp_path: Path, parted: Path) -> None:
    """Two receipts make evidence that anybody checks with the card; with other logs' cards, and none, he does not."""
    evidence = tmp_path / "evidence.json"
    made = run(
        "dispute", "make", tmp_path / "one.receipt", tmp_path / "two.receipt", "--log", world.card, "-o", evidence
    )
    assert (0, "") == (made.exit_code, made.err)
    assert "more can be shown; this is the gravest" in made.text
    done = run("dispute", "check", evidence, "--log", world.card)
    assert 8 == done.exit_code
    assert done.text.startswith("PROMISE BROKEN, THE LOG CONTRADICTS ITSELF: two-promises")
    assert 3 == run("dispute", "check", evidence).exit_code
    other = tmp_path / "other.json"
    other.write_bytes(LogCard(ACCUSATIONS["sealed too late"]().log).encode())
    wrong = run("dispute", "check", evidence, "--log", other, "--json")
    assert (1, "another-log") == (wrong.exit_code, wrong.facts["reason"])


def test_a_promise_is_held_against_a_mirror(world: World, tmp_path: Path, parted: Path) -> None:
    """A promise file and a published copy are enough; two copies show the fork as well."""
    promise = promise_of(tmp_path / "one.receipt", tmp_path / "promise.json")
    run("mirror", tmp_path / "public", "--home", parted)
    evidence = tmp_path / "evidence.json"
    made = run(
        *("dispute", "make", promise, "--mirror", tmp_path / "public", "--log", world.card, "-o", evidence, "--json")
    )
    assert ["another-entry"] == [each["kind"] for each in made.facts["found"]]
    assert 8 == run("dispute", "check", evidence, "--log", world.card).exit_code
    world.ok("mirror", tmp_path / "own")
    both = run(
        *("dispute", "make", promise, "--log", world.card, "-o", evidence, "--json"),
        *("--mirror", tmp_path / "public", "--mirror", tmp_path / "own"),
    )
    assert ["another-entry", "fork"] == sorted(each["kind"] for each in both.facts["found"])


def test_a_promise_is_held_against_the_service(world: World, tmp_path: Path, parted: Path) -> None:
    """The service's own tiles show what it broke; of a private chain with a key only."""
    promise = promise_of(tmp_path / "one.receipt", tmp_path / "promise.json")
    key_file = tmp_path / "key"
    key_file.write_text(make_key(parted, "", Role.OPERATOR) + "\n")
    command = ("dispute", "make", promise, "--log", world.card, "-o", tmp_path / "evidence.json", "--json")
    with serving(parted) as server:
        stranger = run(*command, "--service", server.url)
        known = run(*command, "--service", f"{server.url}/v1/", "--key-file", key_file)
    assert 1 == stranger.exit_code
    assert ["another-entry"] == [each["kind"] for each in known.facts["found"]]


def test_an_honest_log_is_not_accused(world: World, tmp_path: Path) -> None:
    """The prepared home's receipt, mirror and checkpoint show nothing, and it is said what never can be shown."""
    world.ok("mirror", tmp_path / "public")
    checkpoint = tmp_path / "public" / "checkpoint"
    done = run("dispute", "make", world.receipt, checkpoint, "--mirror", tmp_path / "public", "--log", world.card)
    assert 1 == done.exit_code
    assert "1 promises, 1 receipts, 1 checkpoints, 1 published logs" in done.err
    assert "leave no evidence" in done.err


def test_files_of_two_logs_are_not_guessed_at(world: World, tmp_path: Path) -> None:
    """Which log is accused must be said with its card where the files are of several."""
    made = ACCUSATIONS["sealed too late"]().breach
    assert isinstance(made, SealedLate)
    (tmp_path / "other").write_text(json.dumps(made.promise.to_json()))
    done = run("dispute", "make", world.receipt, tmp_path / "other")
    assert 2 == done.exit_code
    assert "of 2 logs" in done.err
    assert 1 == run("dispute", "make", world.receipt, tmp_path / "other", "--log", world.card).exit_code


def test_a_late_log_has_exit_code_zero(tmp_path: Path) -> None:
    """Evidence that a log was late holds with another code than equivocation."""
    made = ACCUSATIONS["sealed too late"]()
    (tmp_path / "card").write_bytes(LogCard(made.log).encode())
    (tmp_path / "evidence").write_bytes(made.encode())
    done = run("dispute", "check", tmp_path / "evidence", "--log", tmp_path / "card")
    assert (0, True) == (done.exit_code, done.text.startswith("PROMISE BROKEN, THE LOG WAS LATE: sealed-late"))


def test_what_is_no_evidence_is_named(world: World, tmp_path: Path) -> None:
    """A file that is no evidence fails; a command line that lacks the card, or names a key for nothing, is refused."""
    (tmp_path / "x").write_bytes(b"{}")
    done = run("dispute", "check", tmp_path / "x", "--json")
    assert (1, "malformed") == (done.exit_code, done.facts["reason"])
    assert 2 == run("dispute", "check", tmp_path / "missing").exit_code
    assert 2 == run("dispute", "make", tmp_path / "x").exit_code
    assert 2 == run("dispute", "make", world.receipt).exit_code
    assert 2 == run("dispute", "make", world.receipt, "--log", world.card, "--key-file", tmp_path / "x").exit_code
    assert 1 == run("dispute", "make", world.receipt, "--log", world.card, "--mirror", tmp_path).exit_code
