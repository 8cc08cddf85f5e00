"""``mirror URL FOLDER``: a service, or a mirror, is copied from outside into a folder that is a mirror itself."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from anchor.proof.timestamp import imprint_of
from anchor.timestamps import Timestamps
from chains.access import Role
from chains.home import Home
from tests.cli.commands import COMMAND, Done, World, run
from tests.homes import copy_home
from tests.simulators.api_server import ROOT, ApiServer, make_key, serving
from tests.simulators.object_storage import new_prefix, skip_without_storage, storage
from tests.simulators.published import check_whole, files
from tests.waiting import wait_until


@pytest.fixture
def served(world: World) -> Iterator[ApiServer]:
    """The prepared home with a public chain, served; its own chains are not public."""
    world.ok("chain", "create", "open", "--visibility", "public")
    world.ok("add", "open", "-", stdin=b"for everybody")
    world.ok("seal")
    with serving(world.home) as server:
        yield server


def copied(place: str | Path, folder: Path, world: World, *more: str | Path) -> Done:
    return run("mirror", place, folder, "--log", world.card, *more, "--json")


def test_a_service_is_copied_with_its_anchors(served: ApiServer, world: World, tmp_path: Path) -> None:
    """What the operator's own mirror has of public chains is what a stranger copies; the audit of it finds nothing."""
    copy, own = tmp_path / "copy", tmp_path / "own"
    done = copied(served.url, copy, world)
    assert (0, 1, 2) == (done.exit_code, done.facts["chains_changed"], done.facts["anchors"])
    world.ok("mirror", own, "--all-chains")
    hidden = {path for path in files(own) if path.startswith("chain/")} - files(copy).keys()
    assert {path: data for path, data in files(own).items() if path not in hidden} == files(copy)
    assert hidden
    check_whole(copy)
    audit = run("audit", copy, "--log", world.card, "--json")
    assert (4, []) == (audit.exit_code, audit.facts["reasons"])
    assert "nothing new" in run("mirror", served.url, copy).text


def test_a_key_brings_chains_that_are_not_public(served: ApiServer, world: World, tmp_path: Path) -> None:
    """Whoever has a grant says that the folder is not for everybody; without the key the chain is moved beside."""
    copy, key_file = tmp_path / "copy", tmp_path / "key"
    key_file.write_text(make_key(world.home, "", Role.OPERATOR))
    done = copied(served.url, copy, world, "--key-file", key_file, "--with-private")
    assert (0, 0) == (done.exit_code, done.facts["chains_not_shown"])
    assert done.facts["chains"] == len([path for path in files(copy) if path.endswith("/tile/entries/000.p/2")]) + 1
    world.ok("add", "acme", "-", stdin=b"more")
    sealed = world.ok("seal", "--json").facts["size"]
    with served.client(None) as stranger:  # the one before may still be told for a second
        wait_until(lambda: stranger.get("/v1/checkpoint").text.split("\n")[1] == str(sealed))
    again = copied(served.url, copy, world)
    assert (0, 1) == (again.exit_code, len(again.facts["withdrawn"]))
    assert 2 == copied(served.url, copy, world, "--key-file", key_file).exit_code


def test_a_mirror_of_a_mirror_is_one(world: World, tmp_path: Path) -> None:
    """A folder is copied as an address is; the verifier's page comes from whoever copies."""
    world.ok("mirror", tmp_path / "one", "--chain", "acme")
    done = run("mirror", tmp_path / "one", tmp_path / "two", "--log", world.card)
    assert (0, True) == (done.exit_code, "2 anchors; " in done.text)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_time_stamps_alone_are_told_as_such(world: World, tmp_path: Path) -> None:
    """They came after the checkpoint was copied; nothing else is new."""
    world.ok("mirror", tmp_path / "public")
    run("mirror", tmp_path / "public", tmp_path / "copy")
    with Home.open(world.home) as home:
        size = home.journal.all()[0].checkpoint_size
        checkpoint = home.directory.checkpoint_of(size)
        assert checkpoint is not None
        token = b"a token over " + imprint_of(size, checkpoint.root)
        Timestamps(home.engine).keep(size, "https://tsa.example", token, 1)
    world.ok("mirror", tmp_path / "public")
    done = run("mirror", tmp_path / "public", tmp_path / "copy")
    assert (0, True) == (done.exit_code, "nothing new but time stamps; " in done.text)
    assert files(tmp_path / "public") == files(tmp_path / "copy")


def test_a_home_in_the_environment_is_not_asked(world: World, tmp_path: Path) -> None:
    """Whoever has a home of his own copies another log, and makes receipts of it, with the same shell."""
    world.ok("mirror", tmp_path / "public", "--chain", "acme")
    raw = bytes.fromhex(json.loads(world.ok("receipt", "acme:3").out)["entry"])
    assert "; audit: not checked" in world.ok("mirror", tmp_path / "public", tmp_path / "copy").text
    world.ok("receipt", f"{raw[1:33].hex()}:3", "--mirror", tmp_path / "copy")
    shutil.copy(world.receipt, tmp_path / "own.receipt")
    world.ok("upgrade", tmp_path / "own.receipt", "--mirror", tmp_path / "copy")


def test_a_log_is_watched_until_a_signal_comes(world: World, tmp_path: Path) -> None:
    """What is published later is taken as it comes; a place that is gone for a while is waited for."""
    public, copy = tmp_path / "public", tmp_path / "copy"
    world.ok("mirror", public)
    command = [*COMMAND, "mirror", str(public), str(copy), "--log", str(world.card), "--watch", "0.1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watching:
        wait_until((copy / "checkpoint").exists)
        public.rename(tmp_path / "away")
        world.ok("seal")
        world.ok("mirror", tmp_path / "away")
        (tmp_path / "away").rename(public)
        wait_until(lambda: files(public)["checkpoint"] == files(copy)["checkpoint"])
        watching.terminate()
        out, _ = watching.communicate()
    assert (0, 2) == (watching.returncode, out.count(b" written; "))


def test_another_history_ends_a_copy_with_exit_code_one(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says what was there and what is shown now, and where the evidence is."""
    other = World(tmp_path / "other")
    shutil.copytree(world.folder, other.folder)
    copy_home(world.home, other.home)
    for each, folder in ((world, "public"), (other, "forked")):
        each.ok("add", "acme", "-", stdin=folder.encode())
        each.ok("seal")
        each.ok("mirror", tmp_path / folder)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
    run("mirror", tmp_path / "public", tmp_path / "copy")
    fork = run("mirror", tmp_path / "forked", tmp_path / "copy")
    assert (1, True) == (fork.exit_code, "HISTORY CHANGED" in fork.err), fork.err
    assert f"Keep {tmp_path / 'copy-evidence'}" in fork.err
    assert files(tmp_path / "public")["checkpoint"] == files(tmp_path / "copy")["checkpoint"]
    stranger = World(tmp_path / "stranger")
    stranger.folder.mkdir()
    stranger.ok("init", "--embedded", "--origin", "log.example/stranger")
    stranger.ok("chain", "create", "acme")
    stranger.ok("seal")
    stranger.ok("mirror", tmp_path / "theirs")
    done = run("mirror", tmp_path / "theirs", tmp_path / "copy")
    assert (1, True) == (done.exit_code, "expected log" in done.err)


def test_a_place_that_does_not_answer_is_exit_code_four(world: World, tmp_path: Path) -> None:
    """Nobody listens there, or only a part of a mirror is there: it can be tried again."""
    world.ok("mirror", tmp_path / "part")
    shutil.rmtree(tmp_path / "part" / "tile")
    assert 4 == run("mirror", tmp_path / "part", tmp_path / "copy").exit_code
    assert 2 == run("mirror", tmp_path / "nothing", tmp_path / "copy").exit_code


@pytest.mark.parametrize(
    "options",
    [
        ("http://127.0.0.1:9",),
        ("folder", "--watch", "5"),
        ("folder", "--key-file", "key"),
        ("http://127.0.0.1:9", "copy", "--all-chains"),
        ("http://127.0.0.1:9", "copy", "--with-private"),
        ("http://127.0.0.1:9", "copy", "--chain", "acme"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(
    world: World, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a usage error, and nothing is written."""
    here = world.folder / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert (2, []) == (run("mirror", *options).exit_code, list(here.iterdir()))


# --- receipts, when the service is gone


def test_receipts_are_made_of_a_mirror_alone(world: World, tmp_path: Path) -> None:
    """The home is deleted: an entry's receipt is made of the mirror, verifies, and completes an older one."""
    world.ok("mirror", tmp_path / "public", "--chain", "acme")
    (tmp_path / "pending.receipt").write_bytes(world.receipt.read_bytes())
    known = json.loads(world.ok("receipt", "acme:3", "--withhold").out)
    chain_id = bytes.fromhex(known["entry"])[1:33].hex()
    shutil.copy(world.card, tmp_path / "card.json")
    shutil.rmtree(world.home)
    made = tmp_path / "made.receipt"
    assert 0 == run("receipt", f"{chain_id}:3", "--mirror", tmp_path / "public", "--output", made).exit_code
    assert {name: value for name, value in known.items() if name != "promise"} == json.loads(made.read_bytes())
    entry_hash = hashlib.sha256(b"\0" + bytes.fromhex(known["entry"])).hexdigest()
    assert made.read_bytes() == run("receipt", entry_hash, "--mirror", tmp_path / "public").out
    verdict = run("verify", made, "--log", tmp_path / "card.json", "--headers", world.headers, "--json")
    assert (0, "intact") == (verdict.exit_code, verdict.facts["outcome"])


def test_a_receipt_of_a_mirror_needs_the_entry_where_that_has_its_hash_only(world: World, tmp_path: Path) -> None:
    """Whoever kept the entry's bytes brings them; contents are in no mirror."""
    world.ok("mirror", tmp_path / "hashes")
    known = json.loads(world.ok("receipt", "acme:3", "--withhold").out)
    raw = bytes.fromhex(known["entry"])
    (tmp_path / "entry").write_bytes(raw)
    made = ("receipt", f"{raw[1:33].hex()}:3", "--mirror", tmp_path / "hashes")
    assert (1, True) == (run(*made).exit_code, "bring the entry yourself" in run(*made).err)
    assert known["chain"] == run(*made, "--entry-file", tmp_path / "entry").facts["chain"]
    assert 2 == run(*made, "--content").exit_code
    assert 2 == run("receipt", "acme:3", "--mirror", tmp_path / "hashes").exit_code


def test_a_pending_receipt_is_completed_by_a_mirror(world: World, tmp_path: Path) -> None:
    """It keeps what it shows of the content, and its promise."""
    entry = world.ok("add", "acme", "-", "--json", stdin=b"the last").facts["entries"][0]["entry_hash"]
    world.ok("receipt", entry, "--output", tmp_path / "pending.receipt")
    before = json.loads((tmp_path / "pending.receipt").read_bytes())
    world.ok("seal")
    world.ok("mirror", tmp_path / "public")
    shutil.rmtree(world.home)
    done = run("upgrade", tmp_path / "pending.receipt", "--mirror", tmp_path / "public", "--json")
    assert (0, True, False) == (done.exit_code, done.facts["sealed"], done.facts["anchored"])
    after = json.loads((tmp_path / "pending.receipt").read_bytes())
    assert (before["content"], before["promise"]) == (after["content"], after["promise"])


def test_a_receipt_of_a_mirror_says_what_was_said_later(world: World, tmp_path: Path) -> None:
    """When the service is gone: what was retracted is so in a new receipt and in an older one, but in no brief one."""
    known = json.loads(world.ok("receipt", "acme:1", "--withhold").out)
    place = f"{bytes.fromhex(known['entry'])[1:33].hex()}:1"
    world.ok("retract", "acme:1", "--reason", "another beam")
    world.ok("seal")
    world.ok("tick", "--now")
    world.ok("tick", "--mine", "6")
    world.ok("headers", "export", world.headers)
    world.ok("mirror", tmp_path / "public", "--chain", "acme")
    shutil.copy(world.card, tmp_path / "card.json")
    shutil.rmtree(world.home)
    made, brief, mirror = tmp_path / "made.receipt", tmp_path / "brief.receipt", ("--mirror", tmp_path / "public")
    assert 0 == run("receipt", place, *mirror, "--output", made).exit_code
    assert 0 == run("upgrade", world.receipt, *mirror).exit_code
    done = run("receipt", place, *mirror, "--brief", "--output", brief)
    assert (0, True) == (done.exit_code, "the other entries of the chain were not read" in done.err)
    checked = ("--log", tmp_path / "card.json", "--headers", world.headers, "--json")
    found = [run("verify", *each, *checked) for each in ((made,), (world.report, world.receipt), (brief,))]
    assert [(6, "retracted"), (6, "retracted"), (0, "entry-intact")] == [
        (done.exit_code, done.facts["finding"]) for done in found
    ]
    assert 2 == run("receipt", place, "--brief").exit_code


# --- in object storage


@pytest.mark.storage
def test_a_mirror_is_pushed(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home's mirror, and a copy of it, go to storage with the run that writes them; a wrong address is refused."""
    skip_without_storage()
    url = new_prefix()
    with storage(monkeypatch):
        done = world.ok("mirror", tmp_path / "public", "--push", url, "--json")
        assert (url, len(files(tmp_path / "public"))) == (done.facts["pushed"]["to"], done.facts["pushed"]["put"])
        again = world.ok("mirror", tmp_path / "public", "--push", url)
        assert f"  pushed to {url}: 0 files of 0 bytes, 0 removed" in again.text
        other = run("mirror", tmp_path / "public", tmp_path / "copy", "--push", new_prefix(), "--json")
        assert len(files(tmp_path / "copy")) == other.facts["pushed"]["put"]
    wrong = world.run("mirror", tmp_path / "new", "--push", "https://example.com")
    assert (2, False) == (wrong.exit_code, (tmp_path / "new").exists())
