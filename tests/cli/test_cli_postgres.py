"""A home on a real PostgreSQL server, by commands: the whole way, and addresses that lead nowhere."""

import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from anchor.storage.database import Reach
from anchor.storage.reaching import reach
from chains.home import Home
from chains.reader import Reader
from tests.cli.commands import COMMAND, REPORT, Done, run, spawn
from tests.cli.daemons import stopped, wait_for
from tests.postgres import PostgresServer, stopped_postgres
from tests.waiting import wait_until

pytestmark = pytest.mark.postgres


def init_with(folder: Path, address: str, *more: str) -> Done:
    return run(
        *("init", "--embedded", "--home", folder, "--origin", "log.example/postgres", "--database", address), *more
    )


def init(folder: Path, address: str) -> None:
    made = init_with(folder, address)
    assert 0 == made.exit_code, made.err


def test_the_whole_way_on_postgresql(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """A home on PostgreSQL records, seals, anchors, proves and audits, and has no SQLite file."""
    home, report, receipt = tmp_path / "home", tmp_path / "report.txt", tmp_path / "receipt"
    init(home, postgres_server.database())
    report.write_bytes(REPORT)
    here = ("--home", home)
    for command in (
        ("chain", "create", "acme", *here),
        ("add", "acme", report, *here),
        ("tick", "--mine", "101", *here),
        ("seal", *here),
        ("tick", "--now", *here),
        ("tick", "--mine", "6", *here),
        ("tick", "--dry-run", *here),
        ("receipt", "acme:1", "--output", receipt, *here),
        ("headers", "export", tmp_path / "headers.txt", *here),
        ("audit", *here),
        ("doctor", *here),
        ("org", "create", "meridian", *here),
    ):
        done = run(*command)
        assert 0 == done.exit_code, (command, done.err)
    verified = run(*("verify", report, receipt, "--log", home / "log-card.json", "--headers", tmp_path / "headers.txt"))
    assert "INTACT" in verified.text
    assert [] == list(home.glob("*.db"))


def test_a_database_that_was_restored_is_brought_level_from_another(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """Refused while anybody has it open; then all rows are the other's, and what was there is kept as a file."""
    home, here = tmp_path / "home", ("--home", tmp_path / "home")
    newest = postgres_server.database()
    init(home, newest)
    assert 0 == run("chain", "create", "acme", *here).exit_code
    restored = postgres_server.database(template=str(conninfo_to_dict(newest)["dbname"]))
    for number in range(2):
        assert 0 == run("add", "acme", "-", *here, stdin=b"after the dump %d" % number).exit_code
        assert 0 == run("seal", *here).exit_code
    settings = home / "anchorline.toml"
    settings.write_text(settings.read_text().replace(newest, restored))
    assert 1 == run("add", "acme", "-", *here, stdin=b"second history").exit_code
    with Home.open(home) as serving:
        refused = run("rebuild", "--from", newest, *here)
        assert (1, True) == (refused.exit_code, "another process has it open" in refused.err)
        assert 1 == serving.high_water().entries
    done = run("rebuild", "--from", newest, *here)
    assert (0, "") == (done.exit_code, done.err)
    assert (home / "anchorline-before-1.db").is_file()
    for command in (("audit",), ("add", "acme", home / "log-card.json"), ("seal",), ("audit",)):
        done = run(*command, *here)
        assert (0, "") == (done.exit_code, done.err), command
    with Home.open(home) as level:
        assert 4 == level.high_water().entries


def test_a_backup_is_restored_to_a_file_or_to_a_database(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """A home on PostgreSQL is backed up into the one format, and comes back anywhere, contents and receipts and all."""
    home, here, receipt = tmp_path / "home", ("--home", tmp_path / "home"), tmp_path / "receipt"
    init(home, postgres_server.database())
    (tmp_path / "report.txt").write_bytes(REPORT)
    for command in (
        *(("chain", "create", "acme"), ("add", "acme", tmp_path / "report.txt"), ("seal",)),
        ("receipt", "acme:1", "--content", "--output", receipt),
        ("backup", tmp_path / "copy.tar", "--content-keys", tmp_path / "copy.keys"),
    ):
        done = run(*command, *here)
        assert 0 == done.exit_code, (command, done.err)
    of_backup = (tmp_path / "copy.tar", "--keys", home / "keys", "--content-keys", tmp_path / "copy.keys")
    elsewhere = ("--database", postgres_server.database())
    one_host = ("--database", postgres_server.database(), "--content-keys-database", "home")
    for name, where in (("file", ()), ("server", elsewhere), ("one-host", one_host)):
        place = tmp_path / name
        done = run("restore", of_backup[0], place, *of_backup[1:], *where)
        assert 0 == done.exit_code, done.err
        assert 0 == run("audit", "--home", place).exit_code
        again = tmp_path / f"{name}.receipt"
        assert 0 == run("receipt", "acme:1", "--content", "--output", again, "--home", place).exit_code
        assert receipt.read_bytes() == again.read_bytes(), name
    # The log of the first home is not the one that was restored, nor touched by it.
    assert 0 == run("add", "acme", tmp_path / "report.txt", *here).exit_code
    assert 2 == run("restore", *of_backup, tmp_path / "no", "--content-keys-database", "home").exit_code
    taken = run("restore", of_backup[0], tmp_path / "taken", *of_backup[1:], *elsewhere)
    assert (1, True) == (taken.exit_code, "expected an empty database" in taken.err), taken.err


def test_two_homes_opened_at_once_write_in_turn(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """Two hosts' homes see each other's entries and contents at once, and no index is given twice."""
    folder, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    init(folder, postgres_server.database())
    assert 0 == run("chain", "create", "acme", "--home", folder).exit_code
    shutil.copytree(folder, elsewhere)
    with Home.open(folder) as one, Home.open(elsewhere) as other:
        changes = one.database.watch()
        before = changes.version()
        places = [
            home.writer.record(home.chains.named("acme"), [b"%d" % number], 1_800_000_000_000)[0].leaf_index
            for number in range(3)
            for home in (one, other)
        ]
        assert [1, 2, 3, 4, 5, 6] == places
        assert before != changes.version()
        changes.close()
        reader = Reader(other.engine, other.chains, other.lookup)
        page = reader.page(other.chains.named("acme"), 1, 10)
        assert [b"0", b"0", b"1", b"1", b"2", b"2"] == [each.kept and each.kept.content for each in page]


def test_content_keys_are_one_logs_and_in_a_database_of_their_own(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """No second log takes a database of keys, nor is a log's database one of keys; a file in the home is for one host.

    One that an ``init`` took which came to no end is free for the next: nothing was written under its keys.
    """
    first, keys = postgres_server.database(), postgres_server.database()
    nowhere = postgres_server.address_of("nowhere")
    assert 1 == init_with(tmp_path / "ended", nowhere, "--content-keys", keys).exit_code
    assert 0 == init_with(tmp_path / "first", first, "--content-keys", keys).exit_code
    assert 0 == run("chain", "create", "acme", "--home", tmp_path / "first").exit_code
    other = postgres_server.database()
    for number, (taken, why) in enumerate(
        [(keys, "has those of log"), (first, "of their own"), (other, "found the same"), ("x://y", "expected postgres")]
    ):
        refused = init_with(tmp_path / f"other-{number}", other, "--content-keys", taken)
        assert (1, True) == (refused.exit_code, why in refused.err), refused.err
    made = init_with(tmp_path / "other", other, "--content-keys", "home")
    assert 0 == made.exit_code, made.err
    assert 0 == run("chain", "create", "acme", "--home", tmp_path / "other").exit_code
    assert (tmp_path / "other" / "content-keys.db").is_file()


def test_a_user_who_may_not_make_the_database_of_keys_is_told_how(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """Where the database beside the log's is missing and may not be made, the command that makes it is named."""
    address = postgres_server.database()
    with psycopg.connect(postgres_server.address, autocommit=True) as connection:
        connection.execute("CREATE ROLE plain LOGIN")
    done = init_with(tmp_path / "home", address.replace("user=anchorline", "user=plain"))
    assert (1, True) == (done.exit_code, "run `createdb -E UTF8 d" in done.err), done.err


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("mysql://somewhere/db", ("expected postgresql://USER@HOST:PORT/NAME", "mysql://somewhere/db")),
        ("postgresql://u:secret@h:notaport/db", ("notaport",)),
        ("postgresql:///db?host=/nowhere&password=secret", ("/nowhere",)),
    ],
)
def test_an_address_that_leads_nowhere_is_refused_without_its_password(
    address: str, parts: tuple[str, ...], tmp_path: Path
) -> None:
    """An address that is none, or where nobody answers, is named; its password is not."""
    done = run("init", "--embedded", "--home", tmp_path / "home", "--origin", "log.example/x", "--database", address)
    assert 1 == done.exit_code
    for part in parts:
        assert part in done.err
    assert "secret" not in done.err


@contextmanager
def service(*words: str | Path) -> Iterator["subprocess.Popen[str]"]:
    """Start a service as a process; kill it where a test fails before it has stopped."""
    command = [*COMMAND, *map(str, words)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError:
        return 0


def test_services_that_start_before_their_database_wait_for_it(tmp_path: Path) -> None:
    """They say so, are not ready, can be stopped, and work when it comes; what is refused ends them at once."""
    home = tmp_path / "home"
    with stopped_postgres() as server:
        server.start()
        wait_until(lambda: reach(server.address) is Reach.REACHED, server.log)
        init(home, server.address)
        server.stop()
        at_once = spawn("daemon", "--home", home, cwd=tmp_path, environment={"ANCHORLINE_DATABASE_WAIT_S": "0"})
        assert (1, True) == (at_once.exit_code, "no server was reached" in at_once.err), at_once.err
        assert "event=database-missing database='PostgreSQL host=" in at_once.err
        with service("daemon", "--home", home) as waiting:
            wait_for(waiting, "event=database-wait")
            assert "event=leading" not in stopped(waiting, signal.SIGTERM)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        with service("serve", "--no-daemon", "--listen", f"127.0.0.1:{port}", "--home", home) as serving:
            wait_for(serving, "found=no-answer")
            assert (503, 200) == (status_of(f"{url}/readyz"), status_of(f"{url}/healthz"))
            server.start()
            wait_for(serving, "event=started")
            assert 200 == status_of(f"{url}/readyz")
            stopped(serving, signal.SIGTERM)
        nowhere = {"ANCHORLINE_DATABASE": server.address.replace("/postgres?", "/nowhere?")}
        refused = spawn("daemon", "--home", home, cwd=tmp_path, environment=nowhere)
        assert (1, False, True) == (refused.exit_code, "event=" in refused.err, "nowhere" in refused.err)
