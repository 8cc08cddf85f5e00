"""``backup`` and ``restore`` as an operator runs them, beside a daemon, with and without keys."""

import re
import subprocess
from pathlib import Path

from tests.cli.commands import COMMAND, World
from tests.homes import move_home

PASSWORD = "correct horse battery\n"


def password_file(world: World) -> Path:
    path = world.folder / "backup-password"
    path.write_text(PASSWORD)
    path.chmod(0o600)
    return path


def test_a_home_is_backed_up_lost_and_restored(world: World) -> None:
    """The loss of the whole home: settings, keys, regtest and log are back, and work goes on where it was."""
    tar, password = world.folder / "log.tar", password_file(world)
    done = world.run("backup", tar, "--with-keys", "--password-file", password)
    assert (0, True) == (done.exit_code, "opened again and checked" in done.text)
    assert "WARNING" in done.err
    world.home.rename(world.folder / "lost")
    done = world.ok("restore", tar, world.home, "--password-file", password)
    assert "In step: it is level with what this machine has noted, the thread on Bitcoin." in done.text
    assert "all hold" in world.ok("audit").text
    world.ok("add", "acme", "-", stdin=b"after the restore")
    world.ok("seal")
    world.ok("tick", "--now")
    assert "confirmed" in world.ok("tick", "--mine", "1").text


def test_without_keys_the_home_reads_and_does_not_sign(world: World) -> None:
    """Everything is proved from it; what signs says which key file is missing."""
    facts = world.ok("backup", world.folder / "backup", "--json").facts
    assert (305, False, []) == (facts["entries"], facts["has_keys"], facts["left_out"])
    again = world.folder / "again"
    facts = world.ok("restore", world.folder / "backup", again, "--json").facts
    assert (305, False, [], "not known") == (facts["entries"], facts["has_keys"], facts["missing"], facts["step"])
    world.home.rename(world.folder / "lost")
    move_home(again, world.home)
    world.ok("receipt", "acme:1", "--output", world.folder / "again.receipt")
    done = world.run("add", "acme", "-", stdin=b"unsigned")
    assert (1, True) == (done.exit_code, "promise.pem: no such key file" in done.err)
    (world.folder / "lost" / "keys").rename(world.home / "keys")
    world.ok("add", "acme", "-", stdin=b"signed")


def test_a_restored_home_that_is_behind_says_what_to_do(world: World) -> None:
    """The restore is done and says BEHIND; signing is refused; ``rebuild`` takes over the newer copy."""
    world.ok("backup", world.folder / "backup")
    world.ok("add", "acme", "-", stdin=b"after the backup")
    world.home.rename(world.folder / "newer")
    done = world.ok("restore", world.folder / "backup", world.home, "--keys", world.folder / "newer" / "keys")
    assert "BEHIND: this machine has seen 306 entries" in done.text
    assert "`anchorline rebuild --from` takes over" in done.text
    assert 1 == world.run("add", "acme", "-", stdin=b"second history").exit_code
    world.ok("rebuild", "--from", world.folder / "newer")
    world.ok("add", "acme", "-", stdin=b"and on")


def test_a_backup_is_made_beside_the_daemon(world: World) -> None:
    """The daemon goes on sealing; what is in the backup is one of its moments, and passes the whole audit."""
    settings = world.home / "anchorline.toml"
    settings.write_text(re.sub(r"(?m)^(seal_every_s|tick_every_s) = .*$", r"\1 = 1", settings.read_text()))
    command = [*COMMAND, "daemon", "--home", str(world.home)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stderr is not None
            next(line for line in process.stderr if "event=done job=tick" in line)
            world.ok("backup", world.folder / "backup")
            world.ok("add", "acme", "-", stdin=b"meanwhile")
            next(line for line in process.stderr if "event=sealed" in line)
            process.terminate()
            process.communicate(timeout=60)
        finally:
            process.kill()
    assert 0 == process.returncode
    done = world.ok("restore", world.folder / "backup", world.folder / "again", "--json")
    assert "behind" == done.facts["step"]
    assert "all hold" in world.ok("audit", "--home", world.folder / "again").text


def test_what_makes_no_sense_is_refused(world: World) -> None:
    """A password without keys, keys without a password, a target that exists, a password that is too short."""
    assert 2 == world.run("backup", world.folder / "b", "--password-file", password_file(world)).exit_code
    done = world.run("backup", world.folder / "b", "--with-keys")
    assert (2, True) == (done.exit_code, "ANCHORLINE_BACKUP_PASSWORD" in done.err)
    assert 1 == world.run("backup", world.home).exit_code
    short = password_file(world)
    short.write_text("short\n")
    done = world.run("backup", world.folder / "b", "--with-keys", "--password-file", short)
    assert (1, True) == (done.exit_code, "expected at least 8 characters" in done.err)
    assert not (world.folder / "b").exists()


def test_a_wrong_password_restores_nothing(world: World) -> None:
    """Neither does none; the right one does."""
    password = password_file(world)
    world.run("backup", world.folder / "b", "--with-keys", "--password-file", password)
    done = world.run("restore", world.folder / "b", world.folder / "again")
    assert (1, True) == (done.exit_code, "ANCHORLINE_BACKUP_PASSWORD" in done.err)
    password.write_text("something else\n")
    done = world.run("restore", world.folder / "b", world.folder / "again", "--password-file", password)
    assert (1, True) == (done.exit_code, "the password does not open it" in done.err)
    assert not (world.folder / "again").exists()
    password.write_text(PASSWORD)
    world.ok("restore", world.folder / "b", world.folder / "again", "--password-file", password)
