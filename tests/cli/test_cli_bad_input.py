"""What users and operators get wrong, and what the world does to them: one clear sentence each, never a traceback.

Every case runs the real command on a copy of the prepared home, or on a new one. A message must say what was
expected or found, and what to do; nothing may be half done behind it.
"""

import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anchor.bitcoin.local import LocalRegtest
from anchor.errors import RefusedEntryError
from anchor.proof.entry import Entry, ExternalId, IdKind, content_commitment
from chains.home import Home
from chains.leading import leading
from chains.work import Submission
from tests.cli.commands import COMMAND, Done, World, run, spawn
from tests.databases import on_postgres
from tests.homes import add_migration, ask, copy_home, holding, lose_database, move_home, state_of

DAY_MS = 24 * 60 * 60 * 1000
MORE_THAN_A_PIPE_HOLDS = 1 << 18  # bytes; a pipe takes 64 KiB, so whoever writes this waits for a reader


def refused(done: Done, *parts: str, exit_code: int = 1) -> None:
    """Check that a command ended with one sentence that has these parts, and nothing else."""
    assert (exit_code, b"") == (done.exit_code, done.out), done
    assert done.err.startswith("anchorline: "), done.err
    assert 1 == done.err.count("\n"), done.err
    for part in parts:
        assert part in done.err, done.err


def entries_in(world: World) -> int:
    return int(ask(world.home, "SELECT COALESCE(SUM(entry_count), 0) FROM bundle")[0][0])


def signed_in(world: World) -> tuple[int, int, int]:
    """Count everything that a key of this home has signed: promises, checkpoints, anchors."""
    return tuple(
        int(ask(world.home, f"SELECT COUNT(*) FROM {table}")[0][0])
        for table in ("group_commit", "checkpoint WHERE note IS NOT NULL", "attempt")
    )  # type: ignore[return-value]  # three counts


# --- chains and entries


@pytest.mark.parametrize(
    "command", [["add", "nobody", "-"], ["chain", "show", "nobody"], ["chain", "export", "nobody"]]
)
def test_an_unknown_chain_is_named(world: World, command: list[str]) -> None:
    """The message names the chain, and the command that lists them."""
    refused(world.run(*command), "no chain called 'nobody' here", "`anchorline chain list`")


def test_a_first_entry_must_give_its_chain_id(world: World) -> None:
    """A signed first entry whose ids give another chain id than it names is refused, and opens nothing."""
    salt, digest = bytes(16), bytes(32)
    entry = Entry(bytes(32), content_commitment(salt, digest), "", (ExternalId(IdKind.CLEAR, b"elsewhere"),))
    with Home.open(world.home) as home:
        before = len(list(home.chains.all()))
        with pytest.raises(RefusedEntryError, match="external ids of a first entry must give its chain id"):
            home.writer.open_chain_with(Submission(entry.encode(), salt, digest), "elsewhere", home.clock())
        assert before == len(list(home.chains.all()))


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["chain", "create", "long", "--id", "i" * 5000], ["entry: expected at most 4095 bytes, got 5076", "shorten"]),
        (
            ["chain", "create", "long", "--id", "i" * 70000],
            ["length of an external id: expected 0 to 65535, got 70000"],
        ),
        (["chain", "create", "many", *(["--id", "i"] * 300)], ["external ids: expected 0 to 255, got 300"]),
        (["chain", "create", "empty", "--id", ""], ["external id: expected at least one byte"]),
        (["chain", "create", "n" * 101], ["chain name: expected 1 to 100 printable characters"]),
        (["chain", "create", "new\nline"], ["chain name: expected 1 to 100 printable characters"]),
        (["chain", "create", "a" * 64], ["64 hex digits would be taken for a chain id", "choose another name"]),
        (["chain", "create", "acme", "--id", "other"], ["a chain called 'acme' exists already", "choose another name"]),
        (["chain", "create", "twin", "--id", "acme", "--id", "site"], ["exists already", "other external ids"]),
        (["add", "acme", "-", "--id", "i" * 5000], ["entry: expected at most 4095 bytes"]),
        (["add", "acme", "-", "--media-type", "m" * 300], ["length of media_type: expected 0 to 255, got 300"]),
        (["add", "acme", "-", "--media-type", "text/plän"], ["media_type: expected printable ASCII (20 to 7e)"]),
        (["add", "acme", "none"], ["none: No such file or directory", "0 entries were recorded"]),
        (["add", "acme", ".", "--lines"], [". is recorded by its manifest, as one entry"]),
        (["add", "acme", "--digest", "none"], ["none: No such file or directory", "0 entries were recorded"]),
        (["add", "acme", "--lines", "--digest", "-"], ["--lines records the lines themselves", "with --digest"]),
        (["add", "acme", "--name-ids", "-"], ["--name-ids gives each file's name", "it needs files"]),
        (["receipt", "acme:999"], ["no entry 999 in acme: it has 0 to 302"]),
        (["receipt", "acme:" + "9" * 40], ["in acme: it has 0 to 302"]),
        (["receipt", "f" * 64], ["no entry " + "f" * 64 + " here"]),
        (["receipt", "nobody:0"], ["no chain called 'nobody' here"]),
        (["receipt", "acme:302", "--checkpoint", "7"], ["the entry is not sealed yet", "try again after a seal"]),
        (["receipt", "acme:1", "--checkpoint", "5"], ["expected the size of a checkpoint over", "got 5"]),
        (["receipt", "acme:302", "--ots", "-o", "x.ots"], ["not anchored yet", "upgrade it first"]),
        (["receipt", "acme:1", "-o", "none/x"], ["none/x: No such file or directory"]),
        (["receipt", "acme:1", "-o", "."], [".: Is a directory"]),
        (["headers", "export", "none/x"], ["none/x: No such file or directory"]),
        (["headers", "export", "x", "--from", "1000"], ["no block 1000: the best chain of regtest ends at 108"]),
        (["demo", "--source", "none"], ["seattle-weather.csv: missing", "name one with --source"]),
    ],
    ids=lambda value: " ".join(value)[:40] if value and value[0].isalpha() else "",
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    world: World, arguments: list[str], parts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is recorded, and the sentence says what was wrong."""
    monkeypatch.chdir(world.folder)
    before = entries_in(world)
    refused(world.run(*arguments, stdin=b"content"), *parts)
    assert before == entries_in(world)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["receipt", "nonsense"], "expected an entry hash of 64 lower-case hex digits, or CHAIN:INDEX, got 'nonsense'"),
        (["receipt", "acme:x"], "or CHAIN:INDEX, got 'acme:x'"),
        (["receipt", "acme:1", "--ots"], "--ots needs --output NAME.ots"),
        (["receipt", "acme:1", "--ots", "-o", "x"], "reads as mainnet; this anchor is on regtest"),
        (["chain", "create", "p", "--private", "--id", "p"], "ids in clear would undo it"),
        (["chain", "create", "c", "--content", "none"], "none: No such file or directory"),
        (["upgrade", "none"], "none: No such file or directory"),
        (["upgrade", "report.txt"], "receipt: expected JSON"),
        (["log", "trust", "none"], "none: No such file or directory"),
        (["log", "trust", "report.txt"], "log card: expected JSON"),
        (["init", "--home", "new", "--network", "regtest"], "say where Bitcoin is"),
        (["init", "--home", "new", "--embedded", "--esplora-url", "http://127.0.0.1:1"], "say where Bitcoin is"),
        (["init", "--home", "new", "--embedded", "--network", "testnet4"], "say where Bitcoin is"),
        (["init", "--home", "new", "--core-password-file", "x"], "--core-url needs --core-cookie-file"),
        (["init", "--home", "new", "--embedded", "--core-url", "http://127.0.0.1:1"], "say where Bitcoin is"),
        (["init", "--home", "new", "--core-url", "http://127.0.0.1:1"], "--core-url needs --core-cookie-file"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_command_line_that_makes_no_sense_is_exit_code_2(
    world: World, arguments: list[str], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Usage errors have an exit code of their own, and leave nothing behind."""
    monkeypatch.chdir(world.folder)
    before = sorted(world.folder.rglob("*"))
    refused(world.run(*arguments), part, exit_code=2)
    assert before == [path for path in sorted(world.folder.rglob("*")) if not path.name.endswith(("-wal", "-shm"))]


@pytest.mark.parametrize("arguments", [["nonsense"], ["add"], ["tick", "--mine", "5000"], ["verify"], ["--nonsense"]])
def test_what_the_parser_refuses_is_exit_code_2(arguments: list[str]) -> None:
    """Unknown commands and options, missing arguments, numbers out of range."""
    done = run(*arguments)
    assert (2, b"") == (done.exit_code, done.out)
    assert "Traceback" not in done.err


def test_too_much_content_is_refused_before_it_is_read_whole(world: World) -> None:
    """Content over the limit says how to record it; in the middle of many files what was recorded stays, counted."""
    big = world.folder / "big"
    big.write_bytes(bytes(2**20 + 1))
    before = entries_in(world)
    refused(world.run("add", "acme", world.report, big), "expected at most 1048576 bytes", "--digest", "1 entries were")
    assert before + 1 == entries_in(world)
    refused(world.run("add", "acme", "--lines", big), "line 1: expected at most 1048576 bytes", "0 entries were")
    refused(world.run("chain", "create", "big", "--content", big), "expected at most 1048576 bytes", "--digest")
    assert 0 == world.run("add", "acme", "--digest", big).exit_code


def test_ids_that_are_no_text_are_kept_as_bytes(world: World) -> None:
    """A file name need not be UTF-8: its bytes are the external id, and it can be found by them."""
    name = os.fsdecode(b"caf\xe9.txt")
    (world.folder / name).write_bytes(b"x")
    done = spawn("add", "acme", name, "--name-ids", "--home", world.home, cwd=world.folder)
    assert 0 == done.exit_code, done
    found = spawn("chain", "find", name, "--home", world.home, "--json", cwd=world.folder)
    assert b"caf\xe9.txt".hex() == found.facts["entries"][0]["external_ids"][0]["value"]
    missing = spawn("verify", name + "x", world.receipt, cwd=world.folder)
    assert (2, "anchorline: caf\\udce9.txtx: No such file or directory\n") == (missing.exit_code, missing.err)


# --- homes


def test_there_is_no_home(tmp_path: Path) -> None:
    """Where no home is, the message names the folder and the command that makes one."""
    refused(run("status", "--home", tmp_path / "none"), str(tmp_path / "none"), "`anchorline init` makes a home")


def test_a_file_is_no_home(world: World) -> None:
    """A file where a folder should be is said to be one, for using and for making a home."""
    refused(run("status", "--home", world.report), "report.txt", "Not a directory")
    refused(run("init", "--embedded", "--home", world.report), "report.txt: no home can be made here", "File exists")


def test_a_home_is_never_made_over_something(world: World) -> None:
    """``init`` refuses a folder that is not empty, and changes nothing in it."""
    before = state_of(world.home)
    refused(world.run("init", "--embedded"), "not empty; choose another folder")
    assert before == state_of(world.home)


@pytest.mark.parametrize("origin", ["a b", "a+b", "ä", "o" * 256])
def test_a_malformed_origin_makes_nothing(tmp_path: Path, origin: str) -> None:
    """Where the origin is refused, no folder and no key is left behind."""
    done = run("init", "--embedded", "--home", tmp_path / "new", "--origin", origin)
    refused(done, "origin: expected 1 to 255 printable ASCII characters without space and +")
    assert not (tmp_path / "new").exists()


def test_an_unknown_network_makes_nothing(tmp_path: Path) -> None:
    """The known networks are listed."""
    node = ("--core-url", "http://127.0.0.1:1", "--core-user", "u")
    done = run("init", "--home", tmp_path / "new", *node, "--network", "testnet9")
    refused(done, "expected one of mainnet, testnet3, testnet4, signet, regtest", "testnet9")
    assert not (tmp_path / "new").exists()


def test_a_home_made_by_a_newer_version_is_left_alone(world: World) -> None:
    """A migration that this version does not know stops every command before anything is written."""
    add_migration(world.home, "0099-later")
    before = state_of(world.home)
    for command in (["status"], ["add", "acme", "-"], ["audit"], ["receipt", "acme:1"]):
        refused(world.run(*command), "made by a newer Anchorline (it has '0099-later')", "use that version")
    assert before == state_of(world.home)


def test_a_home_without_its_database_says_so(world: World) -> None:
    """A database that is gone is not made anew: that would be another log under the same name."""
    lose_database(world.home)
    missing = "does not exist" if on_postgres() else "its database anchorline.db is missing; restore it from a backup"
    refused(world.run("status"), missing)
    assert not world.database.exists()


@pytest.mark.sqlite("another file is in the place of the database")
def test_a_database_that_is_none_says_so(world: World) -> None:
    """Another file in the database's place is named as damaged."""
    for path in world.home.glob("anchorline.db*"):
        path.unlink()
    world.database.write_bytes(b"this is not a database\n" * 1000)
    refused(world.run("status"), "anchorline.db", "not a database; restore a backup")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("network = ", "not TOML"),
        ('network = "regtest"\nsource = "embedded"\nfee = 3\n', "unknown setting 'fee'; known are network, source"),
        ('network = "regtest"\n', "setting 'source' is missing"),
        (
            'network = "regtest"\nsource = "elsewhere"\n',
            "expected one of 'embedded', 'core', 'esplora', 'core+esplora'; found 'elsewhere'",
        ),
        ('network = "testnet4"\nsource = "embedded"\n', "needs source = 'core'"),
        ('network = "regtest"\nsource = "embedded"\nseal_every_s = 0\n', "seal_every_s: expected 1 to 86400, found 0"),
        ('network = "regtest"\nsource = "embedded"\nseal_every_s = "1"\n', "seal_every_s: expected int, found '1'"),
    ],
    ids=["no TOML", "unknown", "missing", "source", "contradiction", "range", "type"],
)
def test_settings_are_checked_by_name(world: World, text: str, part: str) -> None:
    """What is wrong in the settings file is named, with the file."""
    (world.home / "anchorline.toml").write_text(text)
    refused(world.run("status"), "anchorline.toml", part)


def test_a_key_that_is_gone_or_open_stops_signing_only(world: World) -> None:
    """Without its keys a home can still be read and give receipts; writing says which key is missing or exposed."""
    key = world.home / "keys" / "promise.pem"
    key.chmod(0o644)
    refused(world.run("add", "acme", "-"), "promise.pem: others may read it (mode 644)", "chmod 600")
    key.unlink()
    refused(world.run("add", "acme", "-"), "promise.pem: no such key file; restore it from your backup")
    shutil.rmtree(world.home / "keys")
    for command in (["chain", "show", "acme"], ["receipt", "acme:1"], ["audit"], ["log", "card"]):
        assert 0 == world.run(*command).exit_code, command


# --- the database and the machine


def test_a_locked_database_is_busy(world: World) -> None:
    """Another writer that does not let go is named as that after five seconds; nothing was written."""
    before = entries_in(world)
    with holding(world.home):
        refused(world.run("add", "acme", "-", stdin=b"x"), "another process is writing; try again, or stop it")
        assert 0 == world.run("chain", "show", "acme").exit_code
    assert before == entries_in(world)


def test_a_bitcoin_folder_in_use_is_busy(world: World) -> None:
    """The embedded regtest belongs to one process; ``status`` says so and shows the rest."""
    regtest = LocalRegtest(world.home / "regtest")
    try:
        refused(world.run("tick"), "regtest", "another process")
        facts = world.ok("status", "--json").facts
        assert ("log.example/test", None) == (facts["origin"], facts["wallet"]["balance_sat"])
        assert "another process" in facts["source_error"]
        assert 0 == world.run("add", "acme", "-").exit_code
    finally:
        regtest.close()


CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24


def _obey_permissions() -> None:
    """Give up root's right to ignore file permissions, where there is one."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "prctl")


@pytest.mark.sqlite("permissions of the file")
@pytest.mark.skipif(not sys.platform.startswith("linux") and os.geteuid() == 0, reason="root ignores permissions")
def test_a_read_only_database_is_named(world: World) -> None:
    """Permissions that forbid writing are said, with what to check; nothing else goes wrong."""
    for path in world.home.glob("anchorline.db*"):
        path.chmod(0o444)
    world.home.chmod(0o555)
    try:
        done = spawn("add", "acme", "-", "--home", world.home, cwd=world.folder, preexec_fn=_obey_permissions)
        refused(done, "anchorline.db", "check its")
        done = spawn("init", "--embedded", "--home", world.home / "new", cwd=world.folder, preexec_fn=_obey_permissions)
        refused(done, "no home can be made here: Permission denied; choose another folder")
    finally:
        world.home.chmod(0o755)


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """Mount a file system of 4 MiB on a folder."""
    options = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if not sys.platform.startswith("linux") or subprocess.run(options, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small file system")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.sqlite("the disk of the file is full")
def test_a_full_disk_keeps_nothing_of_the_write(world: World, tmp_path: Path) -> None:
    """A write that finds no space is refused whole, says so, and succeeds once there is space."""
    folder = tmp_path / "small"
    folder.mkdir()
    with _small_disk(folder):
        shutil.copytree(world.home, folder / "home", ignore=shutil.ignore_patterns("regtest"))
        small = World(folder)
        before = entries_in(small)
        filler = folder / "filler"
        with filler.open("wb", buffering=0) as file:
            _fill(file.write)
            refused(small.run("add", "acme", "-"), "anchorline.db", "check the disk: is it full, or failing?")
            file.truncate(file.tell() - 2**18)
        done = small.run("add", "acme", "-", stdin=os.urandom(2**20))
        refused(done, "anchorline.db", "no space left; free some, nothing of this write was kept")
        assert before == entries_in(small)
        filler.unlink()
        small.ok("add", "acme", "-", stdin=b"x")
        assert before + 1 == entries_in(small)


def _fill(write: Callable[[bytes], object]) -> None:
    try:
        while True:
            write(bytes(4096))
    except OSError:
        return


@pytest.mark.sqlite("a limit on the size of files")
def test_a_file_that_may_not_grow_is_refused_in_one_sentence(world: World) -> None:
    """A limit on file size (ulimit -f) is met as an error of the database, not as a traceback."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

    before = entries_in(world)
    done = spawn(
        *("add", "acme", "-", "--home", world.home), cwd=world.folder, stdin=os.urandom(2**20), preexec_fn=limited
    )
    refused(done, "anchorline.db")
    assert before == entries_in(world)


def test_output_that_cannot_be_written_is_an_error(world: World) -> None:
    """Standard output on a full device is not taken for success."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with full.open("wb") as file:
        command = [*COMMAND, "chain", "list", "--home", str(world.home)]
        done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, check=False, timeout=60)
    assert (1, b"anchorline: No space left on device\n") == (done.returncode, done.stderr)


def test_a_reader_that_leaves_early_is_no_error_message(world: World) -> None:
    """``anchorline chain export | head`` ends quietly."""
    command = [*COMMAND, "chain", "export", "acme", "--home", str(world.home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert b"" == process.stderr.read()
        assert process.wait(60) in {0, 1}


def test_an_interrupt_ends_without_a_traceback(world: World) -> None:
    """Ctrl-C while input is read: exit code 130, as a shell reports it, nothing recorded, nothing printed."""
    before = entries_in(world)
    command = [*COMMAND, "add", "acme", "-", "--home", str(world.home)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:  # type: ignore[call-overload]  # three pipes
        process.stdin.write(bytes(MORE_THAN_A_PIPE_HOLDS))  # returns when the command reads
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (130, b"") == (process.returncode, out)
    assert b"Traceback" not in err
    assert before == entries_in(world)


@pytest.mark.parametrize("modules", [0, 10, 30, 100, 300])
def test_an_interrupt_while_the_command_is_loaded_ends_with_one_line(world: World, modules: int) -> None:
    """From the first module that the entry point loads on, Ctrl-C is exit code 130 and one sentence at most.

    It comes when so many more modules have been looked for. The last of them are looked for by the command itself, when
    it is loaded and works: it says nothing.
    """
    program = (
        "import os, signal, sys, cli\n"
        "seen = []\n"
        "def tell(event, about):\n"
        "    if event == 'import' and (seen or about[0] == 'anchor.proof.errors'):\n"
        "        seen.append(about[0])\n"
        f"        if len(seen) == {modules + 1}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.addaudithook(tell)\n"
        "cli.main()\n"
    )
    command = [sys.executable, "-c", program, "add", "acme", "-", "--home", str(world.home)]
    done = subprocess.run(command, input=b"never recorded", capture_output=True, check=False, timeout=60)
    assert (130, b"") == (done.returncode, done.stdout)
    assert done.stderr == b"anchorline: interrupted\n" or (b"" == done.stderr and modules > 100)


# --- time, money, and copies


def test_a_clock_that_went_back_is_refused(world: World) -> None:
    """An entry of tomorrow is there; today nothing can be promised, sealed, and nothing is recorded."""
    with Home.open(world.home, lambda: time.time_ns() // 1_000_000 + DAY_MS) as tomorrow:
        tomorrow.writer.record(tomorrow.chains.named("acme"), [b"from tomorrow"], tomorrow.clock())
        with leading(tomorrow, "seal"):
            tomorrow.anchoring.seal(tomorrow.checkpoint_key, tomorrow.clock())
    before = entries_in(world), signed_in(world)
    refused(
        world.run("add", "acme", "-"), "the last write was at", "it went back", "set it right", "nothing was recorded"
    )
    assert before == (entries_in(world), signed_in(world))


def test_without_funds_the_log_seals_and_says_that_it_is_not_funded(tmp_path: Path) -> None:
    """A wallet without coins stops no seal; ``tick`` says that the log is not funded."""
    home = tmp_path / "home"
    assert 0 == run("init", "--embedded", "--home", home, "--origin", "log.example/poor").exit_code
    assert 0 == run("chain", "create", "c", "--home", home).exit_code
    assert 0 == run("seal", "--home", home).exit_code
    done = run("tick", "--now", "--home", home, "--json")
    assert (0, "wait", []) == (done.exit_code, done.facts["did"], done.facts["attempts"])
    assert "not funded yet" in done.facts["why"]
    status = run("status", "--home", home, "--json").facts
    assert (0, 0) == (status["wallet"]["balance_sat"], status["wallet"]["anchors_left"])


def test_a_home_restored_from_yesterday_is_refused_before_anything_is_signed(world: World) -> None:
    """The machine has seen more of the log than the restored home has: no promise, no checkpoint, no anchor."""
    yesterday = copy_home(world.home, world.folder / "yesterday")
    world.ok("add", "acme", "-", stdin=b"acknowledged after the backup")
    move_home(yesterday, world.home)
    before = signed_in(world)
    for command in (["add", "acme", "-"], ["seal"], ["tick", "--now"]):
        refused(world.run(*command), "it was restored from a backup", "nothing was signed")
    assert before == signed_in(world)
    assert 0 == world.run("receipt", "acme:1").exit_code
    assert 0 == world.run("audit").exit_code


def test_a_restored_home_on_another_machine_is_refused_by_bitcoin(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that never saw the log asks Bitcoin: an anchor there that the home does not know is proof enough."""
    yesterday = copy_home(world.home, world.folder / "yesterday")
    world.ok("seal")
    world.ok("tick", "--now")
    world.ok("tick", "--mine", "1")
    # Its Bitcoin is the machine's, and has gone on.
    shutil.rmtree(yesterday / "regtest")
    shutil.copytree(world.home / "regtest", yesterday / "regtest")
    move_home(yesterday, world.home)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
    before = signed_in(world)
    for command in (["add", "acme", "-"], ["seal"], ["tick", "--now"]):
        refused(world.run(*command), "nothing was signed")
    assert before == signed_in(world)
