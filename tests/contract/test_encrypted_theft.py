"""Everything of a running service is stolen: what was encrypted is in none of it, and the dictionary finds no birthday.

One server in a process of its own, with metrics and a webhook, whose members write, search, read, share and change
readers; then it is sealed, exported, mirrored and backed up. The client's keys never leave this process. What the thief
does find (an entry in clear, a digest behind the content keys, an origin in memory) shows that he looks in the place.
"""

import base64
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chains.access import Role
from chains.client import Client, ProblemAnswerError, Sent, new_reader_key
from chains.home import Home
from tests.databases import on_postgres
from tests.forked import run_forked
from tests.homes import files_of, log_position, log_since
from tests.postgres import running_postgres
from tests.simulators import thief
from tests.simulators.api_server import ROOT, ApiServer, make_home, make_key, run_beside, serving
from tests.simulators.webhook_receiver import receiving
from tests.waiting import wait_until

ORIGIN = "log.example/robbed"
FINDING = b"finding: carcinoma of the left lung, stage II\n"
BIRTHDAY = b"1971-11-23"  # one that no page of the specifications has, which are in every export
AMENDED = b"amended finding: scar tissue after pneumonia\n"
NAME = "Wilhelmine Katzenberger"
IN_CLEAR = b"opening hours of the ward are nine to five\n"
SEARCH_KEY = os.urandom(32)
ANNA, BEN = new_reader_key(os.urandom), new_reader_key(os.urandom)


@dataclass(frozen=True)
class Written:
    """What the members wrote, as only they know it."""

    chain_id: bytes
    entries: list[bytes]
    secrets: dict[str, bytes]
    salts: list[bytes]
    commitment: bytes


@dataclass(frozen=True)
class Loot:
    """What was stolen, by where it was; and what must not be in it, or may."""

    files: dict[str, bytes]
    opened: list[bytes]
    memory: list[list[str]]
    secrets: dict[str, bytes]
    salts: list[bytes]
    commitment: bytes


@pytest.fixture(scope="module")
def loot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loot]:
    folder = tmp_path_factory.mktemp("robbed")
    patched = pytest.MonkeyPatch()
    patched.setenv("XDG_STATE_HOME", str(folder / "state"))
    home = make_home(folder, ORIGIN)
    before = log_position(home)
    settings = home / "anchorline.toml"
    settings.write_text(settings.read_text().replace("seal_every_s = 60", "seal_every_s = 1"))
    owner, stranger = make_key(home, "ward", Role.OWNER), make_key(home, "beta", Role.OWNER)
    with receiving() as receiver:
        run_beside(home, "webhook", "add", receiver.url, "--for-tests")
        with serving(home, "--metrics", "127.0.0.1:0") as server:
            with Client(server.url, owner, trust_on_first_use=True, search_key=SEARCH_KEY) as client:
                written = _work(client)
            answers = _answers(server, [owner, stranger, None], written.entries, written.chain_id)
            wait_until(lambda: receiver.bodies, lambda: server.lines)
            [line] = [line for line in server.lines if line.startswith("event=metrics listen=")]
            with server.client() as scraper:
                answers["metrics"] = scraper.get(f"http://{line.split('listen=')[1].strip()}/metrics").content
            memory = [_memory(process, written) for process in server.processes]
            for number, (_, headers, body) in enumerate(receiver.taken):
                answers[f"webhook {number}"] = repr(headers).encode() + body
            _take_along(home, folder)
            stolen = thief.files_in([home, folder / "taken"])
            server_log = {f"log/{name}": data for name, data in log_since(home, before).items()}
            tables = {f"home/{name}": data for name, data in files_of(home).items()}
        lines = "".join(server.lines).encode()
    files = {str(path.relative_to(folder)): data for path, data in stolen.items()} | tables | server_log
    files |= answers | {"log lines": lines}
    opened = thief.all_that_a_home_reads(home)
    yield Loot(files, opened, memory, written.secrets, written.salts, written.commitment)
    patched.undo()


def _work(client: Client) -> Written:
    """Write, search, open, add and remove a reader, fail in ways that are logged; as members do with their own keys."""
    chain_id = client.open_chain(visibility="private").own.entry.chain_id
    secrets = {"search key": SEARCH_KEY, "anna's key": ANNA.private_bytes(), "ben's key": BEN.private_bytes()}
    secrets |= thief.names_of(NAME)
    owns = []
    for content in (FINDING, BIRTHDAY, AMENDED):
        who = [f"patient:{NAME}", NAME]
        own = client.add(chain_id, content, external_ids=who, encrypt_for=[ANNA.text]).own
        owns.append(own)
        opened = client.open(own.hash, ANNA)
        named = thief.secrets_of(content, own.salt) | {"content key": opened.content_key}
        secrets |= {f"{name} of {content[:8]!r}": value for name, value in named.items()}
    client.add_all([client.make(chain_id, FINDING, encrypt_for=[ANNA.text, BEN.text]) for _ in range(3)])
    client.add_reader(owns[0].hash, ANNA, BEN.text)
    client.remove_reader(owns[0].hash, ANNA.text)
    assert [own.hash for own in owns] == [seen.entry_hash for seen in client.search(f"patient:{NAME}")]
    client.receipt(owns[0].hash)
    with pytest.raises(ProblemAnswerError):  # what is refused is logged, too
        client.remove_reader(owns[0].hash, ANNA.text)
    client.add(chain_id, IN_CLEAR)
    client.add(chain_id, b"1990-10-03", sent=Sent.DIGEST)
    return Written(
        chain_id, [own.hash for own in owns], secrets, [own.salt for own in owns], owns[1].entry.content_commitment
    )


def _answers(server: ApiServer, keys: list[str | None], entries: list[bytes], chain_id: bytes) -> dict[str, bytes]:
    """Return what everybody is answered: owner, another organisation's owner, and nobody; pages as well as the API."""
    paths = [f"/v1/chains/{chain_id.hex()}", f"/v1/chains/{chain_id.hex()}/entries", f"/chains/{chain_id.hex()}"]
    for entry in entries:
        of = f"/v1/entries/{entry.hex()}"
        paths += [of, *(f"{of}/{each}" for each in ("receipt", "envelope", "readers", "content", "promise"))]
        paths += [f"/entries/{entry.hex()}"]
    paths += ["/v1/access", "/accesses", "/chains", "/", "/v1/log"]
    found = {}
    for number, key in enumerate(keys):
        with server.client(key) as client:
            for path in [*paths, *paths]:  # the second time out of what is kept
                found[f"answer {number} {path}"] = client.get(path).content
    return found


def _memory(pid: int, written: Written) -> list[str]:
    """Return what of the secrets the service's own memory holds, and whether its origin is there at all."""
    wanted = {name: value for name, value in written.secrets.items() if len(value) >= 16} | {
        "the origin": ORIGIN.encode()
    }
    found = set[str]()
    for region in thief.memory_of(pid):
        found |= {name for name, value in wanted.items() if value in region or value.hex().encode() in region}
    return sorted(found)


def _take_along(home: Path, folder: Path) -> None:
    """Make all that can be made of a home: exports, a mirror of everything, backups, their content keys."""
    taken = folder / "taken"
    taken.mkdir()
    run_beside(home, "export", str(taken / "log.tar.gz"))
    run_beside(home, "mirror", str(taken / "mirror"), "--all-chains", "--with-private")
    run_beside(home, "backup", str(taken / "backup"), "--content-keys", str(taken / "content-keys.copy"))
    with Home.open(home) as opened:
        chains = [chain.chain_id.hex() for chain in opened.chains.all()]
    for chain in chains:
        for command in ("export", "show"):
            done = run_forked("chain", command, chain, "--home", home, cwd=ROOT)
            (taken / f"{chain} {command}").write_bytes(done.out)


def test_nothing_of_what_was_encrypted_is_anywhere(loot: Loot) -> None:
    """Not in the database and its WAL, content keys, backups, exports, mirror, answers, pages, log lines or metrics."""
    files = list(loot.files.values())
    assert [] == thief.found(loot.secrets, files)
    for content in (FINDING, AMENDED, NAME.encode()):
        assert [] == thief.pieces_found(content, files)
    assert any(loot.commitment in data for data in files), "the thief has the files in which the entries are"
    assert [] != thief.found({"in clear": IN_CLEAR}, files), "and finds in an export what is there in clear"
    in_a_file = ("home/anchorline.db", "home/anchorline.db-wal")
    places = {place.rpartition("/")[0] for place in loot.files} if on_postgres() else set(loot.files)
    assert {"log"} <= places if on_postgres() else set(in_a_file) <= places
    assert "taken/content-keys.copy" in loot.files
    assert on_postgres() or "home/content-keys.db" in loot.files


def test_the_content_keys_open_nothing_of_it(loot: Loot) -> None:
    """Whoever has them reads what the service reads: entries in clear, digests, its access records; and no secret."""
    assert [] == thief.found(loot.secrets, loot.opened)
    for content in (FINDING, AMENDED, NAME.encode()):
        assert [] == thief.pieces_found(content, loot.opened)
    assert [] != thief.found({"in clear": IN_CLEAR}, loot.opened)


def test_a_dictionary_finds_no_birthday(loot: Loot) -> None:
    """Of a century of days only the one that was recorded by its digest is found; with the salt the other one is."""
    assert [b"1990-10-03"] == thief.guessed(loot.opened, ())
    assert [BIRTHDAY, b"1990-10-03"] == thief.guessed(loot.opened, loot.salts)
    in_use = [data for place, data in loot.files.items() if place.startswith("home/")]
    assert [] == thief.guessed(in_use, ())


def test_the_services_memory_has_none_of_it(loot: Loot) -> None:
    """What its processes keep to answer again, buffers and whatever was not cleared: the origin is there, no secret."""
    assert loot.memory
    assert all(found == ["the origin"] for found in loot.memory)


@dataclass(frozen=True)
class ServerLoot:
    """What was stolen of a PostgreSQL server, beside what is made of the log that is in it; and what it reads."""

    pages: bytes
    files: list[bytes]
    opened: list[bytes]
    written: Written
    is_in_wal: bool


@pytest.fixture(scope="module")
def robbed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerLoot]:
    """Log and content keys are databases of one server; its data directory with the WAL and all backups are stolen."""
    folder = tmp_path_factory.mktemp("robbed-server")
    with pytest.MonkeyPatch.context() as patched, running_postgres() as postgres:
        patched.setenv("XDG_STATE_HOME", str(folder / "state"))
        before, home = thief.pages_of(postgres), folder / "home"
        databases = ("--database", postgres.database(), "--content-keys", postgres.database())
        run_beside(home, "init", "--embedded", "--origin", ORIGIN, *databases)
        owner = make_key(home, "ward", Role.OWNER)
        with (
            serving(home) as server,
            Client(server.url, owner, trust_on_first_use=True, search_key=SEARCH_KEY) as client,
        ):
            written = _work(client)
            run_beside(home, "seal")
            _take_along(home, folder)
        # Pages that were there before anybody wrote say nothing of what was written.
        pages = b"".join(thief.pages_of(postgres) - before)
        files = list(thief.files_in([home, folder / "taken"]).values())
        wal = [path.read_bytes() for path in (postgres.folder / "data" / "pg_wal").iterdir() if path.is_file()]
        is_in_wal = any(written.chain_id in segment for segment in wal)
        yield ServerLoot(pages, files, thief.all_that_a_home_reads(home), written, is_in_wal)


@pytest.mark.postgres
def test_nothing_of_what_was_encrypted_is_in_a_database_server_or_its_backups(robbed_server: ServerLoot) -> None:
    """Not in its tables, its write-ahead log, its own log, backups, exports, nor in what its content keys open."""
    written, stolen = robbed_server.written, [robbed_server.pages, *robbed_server.files, *robbed_server.opened]
    assert [] == thief.found(written.secrets, stolen)
    for content in (FINDING, AMENDED, NAME.encode()):
        assert [] == thief.pieces_found(content, stolen)
    assert written.commitment in robbed_server.pages, "the thief has the pages in which the entries are"
    assert robbed_server.is_in_wal, "and the write-ahead log with what was written"
    in_clear = {"in clear": IN_CLEAR}
    assert [] == thief.found(in_clear, [robbed_server.pages]), "content lies under keys in the server, too"
    assert [] != thief.found(in_clear, robbed_server.opened), "and the content keys open what is not encrypted"


@pytest.mark.postgres
def test_a_dictionary_finds_no_birthday_in_a_database_server(robbed_server: ServerLoot) -> None:
    """As in files: the day that was recorded by its digest is behind the content keys, the encrypted one nowhere."""
    assert [b"1990-10-03"] == thief.guessed(robbed_server.opened, ())
    assert [BIRTHDAY, b"1990-10-03"] == thief.guessed(robbed_server.opened, robbed_server.written.salts)
    assert [] == thief.guessed([robbed_server.pages], ())


@pytest.mark.parametrize("alignment", range(3))
def test_the_thief_knows_how_secrets_are_written(alignment: int) -> None:
    """Each spelling of a secret inside of something larger is found: what he does not find is not there."""
    secret, around = b"a secret of the ward", bytes(alignment)
    whole = around + secret + b"behind"
    for text in (whole, base64.b64encode(whole), base64.urlsafe_b64encode(whole), whole.hex().encode()):
        assert ["it"] == thief.found({"it": secret}, [b"before " + text])
    assert [] == thief.found({"it": secret}, [hashlib.sha256(secret).digest()])
    assert [b"a secret of "] == thief.pieces_found(secret, [b"a secret of another"])
