"""``erase``, ``hold`` and ``retention``: a content is gone from every file, and every proof still holds."""

import gzip
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from anchor.proof.entry import ExternalId, IdKind
from chains.client.own_entry import Form, Sent, make_entry
from chains.doctor_contents import erasures
from chains.erasure_entries import holds_of
from chains.home import Home
from chains.work import Submission
from tests.cli.commands import REPORT, Done, World, run
from tests.databases import on_postgres
from tests.homes import copy_home, copy_keys, files_of, keys_of, log_position, log_since

NOT_COMPARED = 5
SECRET = b"patient 4711, HIV test: positive; told to Dr. Weiss on 3 May\n"
REASON = "request under Article 17 GDPR, ticket 88"
SUBJECT = hashlib.sha256(b"a keyed id of patient 4711").hexdigest()


def anchored(world: World) -> None:
    world.ok("seal")
    world.ok("tick", "--now")
    world.ok("tick", "--mine", "6")
    world.ok("headers", "export", world.headers)


def verified(world: World, receipt: Path, *file: Path) -> Done:
    return run("verify", *file, receipt, "--log", world.card, "--headers", world.headers, "--json")


def recorded(world: World, content: bytes) -> str:
    """Record a content; return its entry, as CHAIN:INDEX."""
    facts = world.ok("add", "acme", "-", "--json", stdin=content).facts
    return f"acme:{facts['first_index']}"


def exported(world: World, name: str = "acme") -> list[dict[str, Any]]:
    """Return the entries of a chain with all that is kept beside them, as ``chain export`` writes it."""
    return [json.loads(line) for line in world.ok("chain", "export", name).text.splitlines()]


def recorded_of(world: World, content: bytes) -> str:
    """Record a content that carries the keyed id of the subject; return its entry, as CHAIN:INDEX."""
    with Home.open(world.home) as home:
        chain = home.chains.named("acme")
        own = make_entry(
            chain.chain_id,
            content,
            Form(external_ids=(ExternalId(IdKind.KEYED, bytes.fromhex(SUBJECT)),)),
            os.urandom,
            Sent.CONTENT,
        )
        [done] = home.writer.submit(chain, [Submission(own.raw, own.salt, content=content)], home.clock())
    return f"acme:{done.leaf_index}"


def told(world: World, organisation: str) -> list[tuple[object, ...]]:
    """Return what an organisation's log of accesses says of erasures and the like."""
    events = world.ok("access-log", organisation, "--json").facts["events"]
    return [
        (each["what"], each["index"], each["count"], each["detail"])
        for each in events
        if each["what"] not in {"log", "export", "receipt", "content"}
    ]


def bytes_of(folder: Path) -> bytes:
    """Return all bytes of all files in a folder: databases with their free pages, and logs beside them."""
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def bytes_of_home(world: World, position: str) -> bytes:
    """Return all bytes of a home, and on a server of its tables, and of the write-ahead log since then."""
    of_server = {**files_of(world.home), **log_since(world.home, position)} if on_postgres() else {}
    return b"\n".join([bytes_of(world.home), *of_server.values()])


def traces(salt: bytes) -> dict[str, bytes]:
    """Return what must not be found: the content, what a guesser could compare, and what opens the commitment."""
    digest = hashlib.sha256(SECRET).digest()
    forms = {"content": SECRET, "content, in part": SECRET[8:40], "digest": digest, "salt": salt}
    return forms | {f"{name} in hex": value.hex().encode() for name, value in forms.items()} | {"index": digest[:8]}


def test_an_erased_content_is_nowhere_and_all_else_verifies(world: World) -> None:
    """The promise of the issue: no file of the home, no log, no free page, no export, no backup; every proof holds."""
    position = log_position(world.home)
    entry = recorded(world, SECRET)
    before = world.folder / "before.receipt"
    anchored(world)
    world.ok("receipt", entry, "--content", "--output", before)
    keys = world.folder / "content-keys.copy"
    world.ok("backup", world.folder / "backup", "--content-keys", keys)
    stolen = world.folder / "stolen-keys"
    shutil.copyfile(keys, stolen)
    [mine] = [each for each in exported(world) if f"acme:{each['leaf_index']}" == entry]
    salt = bytes.fromhex(mine["salt"])

    done = world.ok("erase", entry, "--reason", REASON, "--json").facts
    assert [mine["entry_hash"]] == done["erased"]
    assert [] == done["unreached"]
    anchored(world)

    world.ok("export", world.folder / "export.tar")
    places = {
        "home": bytes_of_home(world, position),
        "backup": bytes_of(world.folder / "backup"),
        "copy of the keys": keys.read_bytes(),
        "export": (world.folder / "export.tar").read_bytes() + gzip.compress(b""),
        "chain export": world.ok("chain", "export", "acme").out,
    }
    for name, data in places.items():
        assert [] == [f"{what} in the {name}" for what, trace in traces(salt).items() if trace in data]
    assert "all hold" in world.ok("audit").text

    others = [f"acme:{index}" for index in (0, 1, 150, 301)]
    for other in others:
        receipt = world.folder / "other.receipt"
        world.ok("receipt", other, "--content", "--output", receipt)
        assert (0, "intact") == (verified(world, receipt).exit_code, verified(world, receipt).facts["finding"])
    receipt = world.folder / "erased.receipt"
    world.ok("receipt", entry, "--output", receipt)
    verdict = verified(world, receipt)
    assert (NOT_COMPARED, "erased") == (verdict.exit_code, verdict.facts["finding"])
    assert REASON == verdict.facts["facts"]["erasure"]["reason"]
    assert f"because {REASON}" in verdict.facts["meaning"]
    [step] = [step for step in verdict.facts["steps"] if step["number"] == 18]
    assert ("ok", True) == (step["state"], step["text"].startswith("erased on 20"))

    # Who holds the content still has his proof of it; upgraded, it says that the log has erased its own.
    held = world.folder / "held.txt"
    held.write_bytes(SECRET)
    assert (0, "intact") == (verified(world, before, held).exit_code, verified(world, before, held).facts["finding"])
    world.ok("upgrade", before)
    verdict = verified(world, before, held)
    assert (0, "intact", True) == (verdict.exit_code, verdict.facts["finding"], REASON in verdict.facts["meaning"])

    # A copy of the keys that somebody kept opens the old backup: that is what the docs say it takes.
    for number, (kept, expected) in enumerate(((None, "unreadable"), (keys, "erased"), (stolen, None))):
        home = world.folder / f"restored-{number}"
        more = () if kept is None else ("--content-keys", kept)
        run("restore", world.folder / "backup", home, *more)
        lines = run("chain", "export", "acme", "--home", home).text.splitlines()
        [again] = [each for each in map(json.loads, lines) if f"acme:{each['leaf_index']}" == entry]
        assert (expected, expected is None) == (again.get("content_state"), "content" in again)
        report = json.loads(lines[1])
        assert (kept is not None) == ("content" in report)


def test_a_subject_is_erased_everywhere_or_nowhere(world: World) -> None:
    """All that carries one keyed id goes with one command, from every file and old backup; while one is held, none."""
    position = log_position(world.home)
    world.ok("org", "create", "clinic")
    world.ok("chain", "owner", "acme", "clinic")
    more = SECRET + b"and a second finding\n"
    entries = [recorded_of(world, SECRET), recorded_of(world, more)]
    world.ok("backup", world.folder / "backup")
    before = {each["leaf_index"]: each for each in exported(world)}
    mine = [before[int(entry.rpartition(":")[2])] for entry in entries]
    world.ok("hold", "set", entries[1], "--reason", "court order 12/26")
    refused = world.run("erase", "--subject", SUBJECT, "--reason", REASON)
    assert (1, True) == (refused.exit_code, "nothing was erased: entry" in refused.err)
    assert [True, True] == ["content" in each for each in exported(world) if each["leaf_index"] in {303, 304}]
    world.ok("hold", "lift", entries[1], "--reason", "the court is done")

    done = world.ok("erase", "--subject", SUBJECT, "--reason", REASON, "--json").facts
    assert sorted(each["entry_hash"] for each in mine) == sorted(done["erased"])
    world.ok("export", world.folder / "export.tar")
    anchored(world)
    places = {
        "home": bytes_of_home(world, position),
        "backup": bytes_of(world.folder / "backup"),
        "export": (world.folder / "export.tar").read_bytes(),
    }
    for name, data in places.items():
        for each in mine:
            found = [what for what, trace in traces(bytes.fromhex(each["salt"])).items() if trace in data]
            assert ([], False) == (found, b"second finding" in data), name
    assert "all hold" in world.ok("audit").text
    receipt = world.folder / "erased.receipt"
    for entry in entries:
        world.ok("receipt", entry, "--output", receipt)
        verdict = verified(world, receipt)
        assert (NOT_COMPARED, "subject") == (verdict.exit_code, verdict.facts["facts"]["erasure"]["scope"])
    assert {"erased": [], "said_by": [], "unreached": [], "warnings": []} == world.ok(
        "erase", "--subject", SUBJECT, "--reason", REASON, "--json"
    ).facts
    unknown = hashlib.sha256(b"of nobody").hexdigest()
    assert "no entry here carries" in world.run("erase", "--subject", unknown, "--reason", REASON).err
    assert [
        ("owner", None, None, None),
        ("backup", None, None, None),
        ("hold", 304, 1, None),
        ("hold-lifted", 304, 1, None),
        ("erased", 303, 2, "subject"),
        ("erased", None, None, "subject: nothing was found"),
        ("erased", None, None, "subject: nothing was found"),
    ] == told(world, "clinic")


def test_an_erasure_is_signed_where_somebody_signs(world: World) -> None:
    """Receipts of what was erased name the key that signed the statement, and so does the list of holds."""
    key = world.folder / "officer.key"
    world.ok("identity", "new", "officer", "--key", key, "--no-password")
    world.ok("seal")
    signing = ("--sign", key, "--identity", "officer")
    world.ok("hold", "set", "acme:2", "--reason", "court order 12/26", *signing)
    with Home.open(world.home) as home:
        [hold] = holds_of(home.erasing.reader, home.chains.named("acme"))
    public_key = hold.stated.stored.entry.author.body[:32]
    assert f"by key {public_key.hex()}" in world.run("erase", "acme:2", "--reason", REASON).err
    world.ok("erase", "acme:1", "--reason", REASON, *signing)
    anchored(world)
    receipt = world.folder / "erased.receipt"
    world.ok("receipt", "acme:1", "--output", receipt)
    verdict = verified(world, receipt)
    assert (NOT_COMPARED, "erased") == (verdict.exit_code, verdict.facts["finding"])
    assert public_key.hex() == verdict.facts["facts"]["erasure"]["key"]
    assert "all hold" in world.ok("audit").text
    other = world.folder / "other.key"
    world.ok("identity", "new", "stranger", "--key", other, "--no-password")
    world.ok("seal")
    refused = world.run("erase", "acme:3", "--reason", REASON, "--sign", other, "--identity", "officer")
    assert (1, True) == (refused.exit_code, "content" in exported(world)[3])


def test_a_copy_that_is_destroyed_is_named_no_more(world: World) -> None:
    """What is said to be destroyed must not be there; afterwards no erasure asks for it. The organisations are told."""
    world.ok("org", "create", "clinic")
    world.ok("chain", "owner", "meridian", "clinic")
    keys = world.folder / "content-keys.copy"
    assert "No copy of the content keys" in world.ok("key-copies", "list").text
    world.ok("backup", world.folder / "backup", "--content-keys", keys)
    assert f"{keys}, written 20" in world.ok("key-copies", "list").text
    assert "is still there: destroy it first" in world.run("key-copies", "forget", keys).err
    keys.unlink()
    assert [False] == [each["is_there"] for each in world.ok("key-copies", "list", "--json").facts["copies"]]
    assert 1 == len(world.ok("erase", "acme:1", "--reason", REASON, "--json").facts["unreached"])
    with Home.open(world.home) as home:
        [(last, waiting)] = home.engine.query("SELECT MAX(done_at_ms), COUNT(*) - COUNT(done_at_ms) FROM erasure")
        [warned] = erasures(home.erasing.copies.known(), last, waiting)
    assert ("warning", True) == (str(warned.level), str(keys) in warned.found)
    assert f"{keys} is not named any more." in world.ok("key-copies", "forget", keys).text
    assert "no copy of the content keys was written there" in world.run("key-copies", "forget", keys).err
    assert [] == world.ok("erase", "acme:2", "--reason", REASON, "--json").facts["unreached"]
    assert ["owner", "backup", "keys-copied", "keys-copy-gone"] == [what for what, *_ in told(world, "clinic")]


def test_an_owner_is_told_of_whatever_ends_his_contents(world: World) -> None:
    """Also of what was asked for in vain, and for how long contents are kept."""
    world.ok("org", "create", "clinic")
    world.ok("chain", "owner", "acme", "clinic")
    world.ok("retention", "acme", "--keep-days", "10")
    world.ok("erase", "--expired", "--reason", REASON)
    world.ok("erase", "acme:1", "--reason", REASON)
    assert "was erased already" in world.run("erase", "acme:1", "--reason", REASON).err
    world.ok("retention", "acme", "--for-ever")
    assert [
        ("owner", None, None, None),
        ("retention", None, None, "for 864000000 ms"),
        ("erased", None, None, "retention: nothing was found"),
        ("erased", 1, 1, "entry"),
        ("erased", None, None, "entry: nothing was found"),
        ("retention", None, None, "for ever"),
    ] == told(world, "clinic")


def test_a_hold_keeps_a_content_until_it_is_lifted(world: World) -> None:
    """A held entry, or one of a held chain, is not erased, by whatever scope; who, why and since when is said."""
    entry = recorded(world, SECRET)
    for held in (entry, "acme"):
        world.ok("hold", "set", held, "--reason", "court order 12/26")
        refused = world.run("erase", entry, "--reason", REASON)
        assert 1 == refused.exit_code
        assert "must not be erased" in refused.err
        assert "because court order 12/26" in refused.err
        assert 1 == len(world.ok("hold", "list", "acme", "--json").facts["holds"])
        world.ok("hold", "lift", held, "--reason", "the court is done")
        assert [] == world.ok("hold", "list", "acme", "--json").facts["holds"]
    assert 1 == world.run("hold", "lift", "acme", "--reason", "again").exit_code
    world.ok("erase", entry, "--reason", REASON)
    assert "was erased already" in world.run("erase", entry, "--reason", REASON).err
    assert "all hold" in world.ok("audit").text


def test_what_a_chain_keeps_no_longer_is_erased(world: World) -> None:
    """Contents older than their chain keeps them are erased, but for those that are held; other chains keep theirs."""
    others = [name for name in (row["name"] for row in world.ok("chain", "list", "--json").facts["chains"]) if name]
    assert "acme" in others
    assert world.ok("retention", "acme", "--json").facts["keep_days"] is None
    world.ok("hold", "set", "acme:1", "--reason", "court order 12/26")
    assert [] == world.ok("erase", "--expired", "--reason", "kept for its time", "--json").facts["erased"]
    assert 0 == world.ok("retention", "acme", "--keep-days", "0", "--json").facts["keep_days"]
    done = world.ok("erase", "--expired", "--reason", "kept for its time", "--json").facts
    states = {each["leaf_index"]: each.get("content_state", "kept") for each in exported(world)}
    assert ("kept", {"erased"}) == (states[1], {states[index] for index in range(2, 302)})
    assert 1 == done["held"]
    assert len(done["erased"]) == sum(state == "erased" for state in states.values())
    assert [] == world.ok("erase", "--expired", "--reason", "again", "--json").facts["erased"]
    assert "all hold" in world.ok("audit").text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "expected one of ENTRY, --subject ID, --expired"),
        (("acme:1",), "--reason is needed"),
        (("acme:1", "--expired", "--reason", "x"), "expected one of"),
        (("--subject", "ab", "--reason", "x"), "expected a keyed external id of 64"),
        (("acme:1", "--reason", "two\nlines"), "without control characters"),
        (("acme:1", "--reason", "x" * 501), "1 to 500 bytes"),
        (("--subject", SUBJECT, "--reason", "x"), "no entry here carries"),
    ],
)
def test_what_cannot_be_erased_is_refused(world: World, arguments: tuple[str, ...], said: str) -> None:
    """A command line that makes no sense does nothing, and says what was expected."""
    refused = world.run("erase", *arguments)
    assert (True, True) == (refused.exit_code in {1, 2}, said in refused.err)
    assert REPORT == (world.folder / "report.txt").read_bytes()
    assert "content_state" not in exported(world)[1]


def test_copies_of_the_keys_that_cannot_be_reached_are_named(world: World) -> None:
    """A copy on a disk that is not there still holds the key: the command says which, and from when."""
    keys = world.folder / "disk" / "content-keys.copy"
    keys.parent.mkdir()
    world.ok("backup", world.folder / "backup", "--content-keys", keys)
    keys.parent.rename(world.folder / "gone")
    done = world.ok("erase", "acme:1", "--reason", REASON)
    assert f"WARNING: {keys}, written 20" in done.text
    assert "still holds the key" in done.text
    assert not keys.parent.exists()
    # At the next erasure it is there again, and follows.
    (world.folder / "gone").rename(keys.parent)
    assert [] == world.ok("erase", "acme:2", "--reason", REASON, "--json").facts["unreached"]


def test_the_audit_names_what_was_erased_without_a_word(world: World) -> None:
    """An erased content whose chain does not say so is named, and so is one that is kept though its chain says so."""
    kept = copy_home(world.home, world.folder / "kept")
    world.ok("erase", "acme:1", "--reason", REASON)
    erased = keys_of(world.home)
    assert "all hold" in world.ok("audit").text
    copy_keys(world.home, kept)
    assert "its content is erased, and no entry of the chain says so" in run("audit", "--home", kept).text
    assert erased == keys_of(world.home)
