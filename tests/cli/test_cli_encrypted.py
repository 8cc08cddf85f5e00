"""Encrypted content through the command line: from a reader's key to a third party's verdict, and a stolen home.

One home of its own, made once: a chain of a ward, private, with encrypted, digest-only and plain entries. The thief has
all that the service has, with every backup; a control shows that his attack works where a salt is known.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from anchor.proof.codec import sha256
from anchor.proof.entry import IdKind, content_commitment
from anchor.proof.receipt import Receipt
from chains.client.encrypting import new_reader_key
from chains.envelopes import Envelopes
from chains.home import Home
from chains.reader import Reader
from tests.cli.commands import ORIGIN, World, own_folders, run
from tests.databases import on_postgres
from tests.homes import files_of, vacuum
from tests.simulators.thief import all_that_a_home_reads, files_in, found, guessed, names_of, pieces_found, secrets_of

PASSWORD = "beam and girder"  # of keys that are made here
PATIENT = "Wilhelmine Katzenberger"
BIRTHDAY = b"1987-03-14"
FINDING = b"finding: carcinoma of the left lung, stage II\n"
REPORT = b"public report 7\n"


@dataclass(frozen=True)
class Ward:
    """The home, and what its writers and readers have beside it."""

    world: World
    anna: Path
    ben: Path
    search_key: Path
    readers: dict[str, str]

    def entry(self, *arguments: str | Path, stdin: bytes) -> str:
        """Record standard input on the ward's chain; return the entry hash."""
        added = self.world.ok("add", "ward 3", *arguments, "--json", stdin=stdin)
        return str(added.facts["entries"][0]["entry_hash"])

    def encrypted(self, content: bytes, *arguments: str | Path) -> str:
        """Record content for Anna."""
        return self.entry("--encrypt-for", self.readers["anna"], *arguments, stdin=content)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    world = World(tmp_path_factory.mktemp("ward"))
    keys = world.folder / "keys"
    keys.mkdir()
    with own_folders(world.folder / "xdg"):
        world.ok("init", "--embedded", "--origin", ORIGIN)
        world.ok("chain", "create", "ward 3", "--visibility", "private")
        readers = {}
        for name in ("anna", "ben"):
            made = world.ok("reader-key", "new", keys / name, "--no-password")
            readers[name] = made.text.strip()
        world.ok("search-key", "new", keys / "search", "--no-password")
        world.ok("tick", "--mine", "101")
        yield Ward(world, keys / "anna", keys / "ben", keys / "search", readers)


# --- what readers can do


def test_an_erased_envelope_leaves_no_wrapped_key(ward: Ward) -> None:
    """The wraps of all readers go with the box; who could open it stays in the list, and nobody opens it again."""
    world = ward.world
    entry = ward.encrypted(FINDING)
    world.ok("reader", "add", entry, ward.readers["ben"], "--reader-key", ward.anna)
    with Home.open(world.home) as home:
        stored = Reader(home.engine, home.chains, home.lookup).by_hash(bytes.fromhex(entry))
        assert stored is not None
        envelope = Envelopes(home.engine).of(stored)
    assert envelope is not None
    traces = [each.wrap for each in envelope.keys] + [envelope.box]
    assert all(trace in b"".join(files_of(world.home).values()) for trace in traces[:-1])
    world.ok("erase", entry, "--reason", "somebody asked for it")
    vacuum(world.home)
    left = b"".join([*files_in([world.home]).values(), *files_of(world.home).values()])
    assert (2, []) == (len(envelope.keys), [trace for trace in traces if trace in left])
    refused = world.run("open", entry, "--reader-key", ward.anna)
    assert (1, b"") == (refused.exit_code, refused.out)
    assert 2 == len(world.ok("reader", "list", entry, "--json").facts["readers"])
    assert "all hold" in world.ok("audit").text


def test_a_reader_opens_what_others_cannot_and_proves_it_to_a_third_party(ward: Ward) -> None:
    """Anna opens it, Ben does not; her receipt shows what was encrypted, and verifies without key and home."""
    world = ward.world
    entry = ward.encrypted(FINDING)
    world.ok("seal")
    assert FINDING == world.ok("open", entry, "--reader-key", ward.anna).out
    refused = world.run("open", entry, "--reader-key", ward.ben)
    assert (1, b"") == (refused.exit_code, refused.out)
    assert "has no key for reader" in refused.err
    shown, finding = world.folder / "shown.receipt", world.folder / "finding.txt"
    world.ok("open", entry, "--reader-key", ward.anna, "--output", finding, "--receipt", shown)
    done = run("verify", finding, shown, "--log", world.card, "--json")
    assert ("ok", "ok") == (done.facts["steps"][0]["state"], done.facts["steps"][1]["state"])
    finding.write_bytes(FINDING.replace(b"left", b"right"))
    changed = run("verify", finding, shown, "--log", world.card, "--json")
    assert (1, "content-changed") == (changed.exit_code, changed.facts["steps"][1]["reason"])


def test_the_service_can_hand_out_nothing_of_it(ward: Ward) -> None:
    """Its own receipt withholds the content; what it shows of the entry is that it is encrypted."""
    world = ward.world
    entry = ward.encrypted(FINDING)
    receipt, envelope = world.folder / "own.receipt", world.folder / "own.envelope"
    world.ok("receipt", entry, "--content", "--output", receipt, "--envelope", envelope)
    assert "withheld" == Receipt.decode(receipt.read_bytes()).content.state
    assert not found(secrets_of(FINDING, b""), [receipt.read_bytes(), envelope.read_bytes()])
    assert f"{entry}  encrypted, 284 bytes" in world.ok("chain", "show", "ward 3").text
    assert FINDING == run("open", receipt, "--envelope", envelope, "--reader-key", ward.anna).out
    other = world.folder / "other.receipt"
    world.ok("receipt", ward.encrypted(b"another"), "--output", other)
    mixed = run("open", other, "--envelope", envelope, "--reader-key", ward.anna)
    assert 1 == mixed.exit_code
    assert "the envelope is of entry" in mixed.err
    assert "no encrypted content" in world.run("open", ward.entry(stdin=REPORT), "--reader-key", ward.anna).err


def test_readers_come_and_go_and_every_change_stays_in_sight(ward: Ward) -> None:
    """Anna lets Ben in by wrapping the key anew; who is removed has no key there any more, and stays in the list."""
    world = ward.world
    entry = ward.encrypted(FINDING)
    anna, ben = ward.readers["anna"], ward.readers["ben"]
    assert 1 == world.run("reader", "add", entry, ben, "--reader-key", ward.ben).exit_code
    world.ok("reader", "add", entry, ben, "--reader-key", ward.anna)
    assert FINDING == world.ok("open", entry, "--reader-key", ward.ben).out
    assert "is a reader of this entry already" in world.run("reader", "add", entry, ben, "--reader-key", ward.anna).err
    world.ok("reader", "remove", entry, anna)
    assert "has no key for reader" in world.run("open", entry, "--reader-key", ward.anna).err
    assert FINDING == world.ok("open", entry, "--reader-key", ward.ben).out
    rows = world.ok("reader", "list", entry, "--json").facts["readers"]
    assert [(None, "operator"), ("operator", None)] == [(row["added_by"], row["removed_by"]) for row in rows]
    assert "is no reader of entry" in world.run("reader", "remove", entry, anna).err
    world.ok("reader", "add", entry, anna, "--reader-key", ward.ben)
    assert FINDING == world.ok("open", entry, "--reader-key", ward.anna).out


def test_a_stolen_readers_key_is_removed_everywhere_at_once(ward: Ward) -> None:
    """Of one chain or of all; other readers stay, every removal is in its entry's list, and none is left to remove."""
    world, thief = ward.world, new_reader_key(os.urandom)
    world.ok("chain", "create", "ward 4", "--visibility", "private")
    both = ("--encrypt-for", thief.text, "--encrypt-for", ward.readers["anna"])
    entries = [ward.entry(*both, stdin=b"finding %d" % number) for number in range(3)]
    world.ok("add", "ward 4", *both, stdin=b"elsewhere")
    done = world.ok("reader", "remove-all", thief.text, "--chain", "ward 3", "--json").facts
    assert entries == done["entries"]
    assert "from 1 entry." in world.ok("reader", "remove-all", thief.text).text
    assert "from 0 entries." in world.ok("reader", "remove-all", thief.text).text
    assert b"finding 2" == world.ok("open", entries[2], "--reader-key", ward.anna).out
    rows = world.ok("reader", "list", entries[0], "--json").facts["readers"]
    removed = {row["id"]: row["removed_by"] for row in rows}
    assert "operator" == removed.pop(thief.reader.hex())
    assert [None] == list(removed.values())


def test_keyed_ids_are_found_by_who_has_the_key(ward: Ward) -> None:
    """The name is nowhere; the same name under the same key finds the entry, and no other key does."""
    world = ward.world
    keyed = ("--keyed-id", f"patient:{PATIENT}", "--search-key", ward.search_key)
    entry = ward.encrypted(FINDING, *keyed)
    find = ("chain", "find", "--keyed", f"patient:{PATIENT}", "--json", "--search-key")
    assert [entry] == [row["entry_hash"] for row in world.ok(*find, ward.search_key).facts["entries"]]
    other = world.folder / "other-search"
    world.ok("search-key", "new", other, "--no-password")
    assert 1 == world.run(*find, other).exit_code
    assert 1 == world.run("chain", "find", PATIENT).exit_code
    assert "--search-key" in world.run("chain", "find", "--keyed", f"patient:{PATIENT}").err


def test_ids_beside_encrypted_content_are_keyed_by_default(ward: Ward) -> None:
    """With the search key at hand --id and --name-ids leave no name behind, and are found by it."""
    world, report = ward.world, ward.world.folder / f"{PATIENT}.txt"
    report.write_bytes(FINDING)
    keyed = ("--encrypt-for", ward.readers["anna"], "--search-key", ward.search_key, "--json")
    added = world.ok("add", "ward 3", report, "--id", f"case:{PATIENT}", "--name-ids", *keyed).facts
    [entry] = [row["entry_hash"] for row in added["entries"]]
    for name in (f"case:{PATIENT}", str(report)):
        found = world.ok("chain", "find", name, "--keyed", "--search-key", ward.search_key, "--json").facts
        assert [entry] == [row["entry_hash"] for row in found["entries"]]
        assert 1 == world.run("chain", "find", name).exit_code
    with Home.open(world.home) as home:
        stored = Reader(home.engine, home.chains, home.lookup).by_hash(bytes.fromhex(entry))
        assert stored is not None
        assert [IdKind.KEYED] * 2 == [each.kind for each in stored.entry.external_ids]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--id", PATIENT), "--search-key"),
        (("--name-ids", "report.txt"), "--search-key"),
        (("--digest",), "nothing to encrypt"),
        (("--keyed-id", f"patient:{PATIENT}"), "--search-key"),
        (("--encrypt-for", "reader_x"), "expected a reader's public key"),
    ],
)
def test_what_would_undo_it_is_refused_with_a_way_on(ward: Ward, options: Sequence[str], told: str) -> None:
    """Ids in clear, no content at all, a name without its key, a slip in a reader's key."""
    before = ward.world.ok("chain", "show", "ward 3", "--json").facts["size"]
    refused = ward.world.run("add", "ward 3", "--encrypt-for", ward.readers["anna"], *options, stdin=FINDING)
    assert told in refused.err
    assert before == ward.world.ok("chain", "show", "ward 3", "--json").facts["size"]


def test_a_readers_key_is_encrypted_under_a_password(ward: Ward) -> None:
    """Its public part is read without; the wrong password opens nothing, and no file is ever overwritten."""
    world = ward.world
    key, password, wrong = world.folder / "carla", world.folder / "password", world.folder / "wrong"
    for file, text in ((password, PASSWORD), (wrong, "girder and beam")):
        file.write_text(text)
        file.chmod(0o600)
    reader = world.ok("reader-key", "new", key, "--password-file", password).text.strip()
    assert reader == world.ok("reader-key", "show", key).text.strip()
    assert 0o600 == key.stat().st_mode & 0o777
    assert "exists already" in world.run("reader-key", "new", key, "--no-password").err
    entry = ward.entry("--encrypt-for", reader, stdin=FINDING)
    assert FINDING == world.ok("open", entry, "--reader-key", key, "--password-file", password).out
    assert (
        "the password does not open it" in world.run("open", entry, "--reader-key", key, "--password-file", wrong).err
    )
    assert "expected a file of the format" in world.run("open", entry, "--reader-key", ward.search_key).err


# --- what a thief has


def test_a_stolen_home_with_its_backups_tells_nothing_of_what_was_encrypted(ward: Ward) -> None:
    """No plaintext, name or digest is in it, and the days of a century do not lead to the one that was recorded.

    The control: whoever knows the salt finds the day at once, and the day that is kept in clear is found without.
    """
    world = ward.world
    patient = ("--keyed-id", f"patient:{PATIENT}", "--search-key", ward.search_key)
    birthday, finding = ward.encrypted(BIRTHDAY, *patient), ward.encrypted(FINDING, *patient)
    salts = {entry: _salt(ward, entry) for entry in (birthday, finding)}
    days = world.folder / "days.txt"
    days.write_bytes(FINDING + BIRTHDAY + b"\n")
    world.ok("add", "ward 3", "--lines", "--encrypt-for", ward.readers["anna"], days)
    world.ok("seal")
    world.ok("backup", world.folder / "stolen.tar")
    world.ok("reader", "remove", birthday, ward.readers["anna"])
    with Home.open(world.home) as home:  # a database that is in use: some of it is in the WAL alone
        home.engine.query("SELECT 1")
        ward.encrypted(BIRTHDAY)
        world.ok("backup", world.folder / "stolen")
        stolen = _stolen(world)
        commitments = [_commitment(home, entry) for entry in (birthday, finding)]
    for entry, content, commitment in zip((birthday, finding), (BIRTHDAY, FINDING), commitments, strict=True):
        assert content_commitment(salts[entry], sha256(content)) == commitment
        assert any(commitment in data for data in stolen), "the files are those in which the entries are"
        assert [] == found(secrets_of(content, salts[entry]), stolen)
    assert [] == pieces_found(FINDING, stolen)
    assert [] == found(names_of(PATIENT), stolen)
    assert [] == found({"search key": _secret(ward.search_key), "reader key": _secret(ward.anna)}, stolen)
    assert [] == guessed(stolen, ())
    assert [BIRTHDAY] == guessed(stolen, [salts[birthday]]), "the same attack, once the salt is known"
    ward.entry("--digest", stdin=b"1990-10-03")
    with Home.open(world.home) as home:
        home.engine.query("SELECT 1")
        assert [] == guessed(_stolen(world), ()), "a digest that the service keeps lies under a key"
    opened = all_that_a_home_reads(world.home)
    assert [b"1990-10-03"] == guessed(opened, ()), "which the thief has too: only what was encrypted stays closed"
    assert [] == found(secrets_of(BIRTHDAY) | secrets_of(FINDING) | names_of(PATIENT), opened)
    assert [] == pieces_found(FINDING, opened)


def _salt(ward: Ward, entry: str) -> bytes:
    """Return the salt of encrypted content, as its reader has it."""
    shown = ward.world.folder / f"{entry}.receipt"
    ward.world.ok("open", entry, "--reader-key", ward.anna, "--receipt", shown)
    return Receipt.decode(shown.read_bytes()).content.salt


def _commitment(home: Home, entry: str) -> bytes:
    stored = Reader(home.engine, home.chains, home.lookup).by_hash(bytes.fromhex(entry))
    assert stored is not None
    return stored.entry.content_commitment


def _stolen(world: World) -> list[bytes]:
    """Return every file of the home and of its backups, but for the blocks of its embedded Bitcoin."""
    taken = files_in([world.home, *world.folder.glob("stolen*")])
    of_database = files_of(world.home)
    names = {path.name for path in taken} | set(of_database)
    assert "stolen.tar" in names
    assert on_postgres() or {"anchorline.db", "anchorline.db-wal", "content-keys.db"} <= names
    return [*taken.values(), *of_database.values()]


def _secret(path: Path) -> bytes:
    """Return the secret in a key's file."""
    return bytes.fromhex(json.loads(path.read_bytes())["plain"])
