"""The files of docs/operate/deploy: units that systemd reads, an image and services that say what they should.

Nothing is started here: a machine of systemd's or Docker's own is needed for that.
"""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from chains.commands.application import app
from chains.settings import PREFIX, Settings, variable_of

DEPLOY = Path(__file__).parents[2] / "docs" / "operate" / "deploy"
UNITS = sorted(path.name for path in DEPLOY.iterdir() if path.suffix in {".service", ".timer"})
SERVICES = [name for name in UNITS if name.endswith(".service")]
PROGRAM = "/opt/anchorline/bin/anchorline"
OTHERS = {"ANCHORLINE_HOME", "ANCHORLINE_LOG_FORMAT"}
HARDENED = {
    *("NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes"),
    *("PrivateDevices=yes", "ProtectKernelModules=yes", "ProtectKernelTunables=yes", "RestrictNamespaces=yes"),
    *("SystemCallFilter=@system-service", "SystemCallFilter=~@privileged", "UMask=0077", "User=anchorline"),
}
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (systemd)")


def lines(name: str) -> list[str]:
    """The settings of a unit."""
    return [line for line in (DEPLOY / name).read_text().splitlines() if line and line[0] not in "#["]


def check_command(arguments: list[str]) -> None:
    """Fail unless this version has the command with these options, each with a value where it takes one."""
    context = typer.main.get_command(app).make_context("anchorline", list(arguments), resilient_parsing=True)
    group: Any = typer.main.get_command(app)
    name, command, rest = group.resolve_command(context, list(arguments))
    while hasattr(command, "commands"):  # a group of commands
        name, command, rest = command.resolve_command(context, rest)
    assert command is not None, f"no such command: {name}"
    command.make_context(name, rest)  # reads the options, and runs nothing


@pytest.mark.systemd
@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_systemd_reads_the_units(name: str, tmp_path: Path) -> None:
    """No unknown setting, no malformed value; the program, which is not installed here, is another one."""
    for unit in UNITS:
        (tmp_path / unit).write_text((DEPLOY / unit).read_text().replace(PROGRAM, "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)], capture_output=True, text=True, check=False
    )
    # Whether the machine's own units are in order is not ours to say.
    assert [] == [line for line in done.stderr.splitlines() if "anchorline" in line]


@pytest.mark.systemd
@needs_systemd
def test_a_unit_that_is_wrong_is_found(tmp_path: Path) -> None:
    """The check can fail."""
    text = (DEPLOY / SERVICES[0]).read_text().replace(PROGRAM, "/bin/true").replace("UMask=0077", "UMask=secret")
    (tmp_path / SERVICES[0]).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / SERVICES[0])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "anchorline" in done.stderr


@pytest.mark.systemd
@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_units_are_hardened_as_systemd_counts(name: str) -> None:
    """An exposure of at most 2 of 10."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(DEPLOY / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout[-200:]


@pytest.mark.parametrize("name", SERVICES)
def test_units_say_what_they_must(name: str) -> None:
    """Nothing of the hardening is lost, and the state folder is beside the home."""
    found = set(lines(name))
    assert set() == HARDENED - found
    assert {
        "Environment=ANCHORLINE_HOME=/var/lib/anchorline",
        "Environment=XDG_STATE_HOME=/var/lib/anchorline-state",
    } <= found


@pytest.mark.parametrize("name", SERVICES)
def test_commands_of_units_exist(name: str) -> None:
    """Each command line is one that this version takes."""
    commands = [line.split("=", 1)[1] for line in lines(name) if line.startswith("Exec")]
    assert commands
    for command in commands:
        words = shlex.split(command)
        if words[0] == "/bin/sh":
            words = shlex.split(words[2].removeprefix("exec ").replace("$(", "").replace(")", ""))[:3]
        assert PROGRAM == words[0]
        check_command(words[1:])


def test_a_command_that_does_not_exist_is_found() -> None:
    """The comparison can fail: an unknown option, an unknown command."""
    for wrong in (["daemon", "--surprise"], ["dance"], ["serve", "--listen"]):
        with pytest.raises(Exception, match=r"(?i)no such|requires|unexpected"):
            check_command(wrong)


def variables(text: str) -> set[str]:
    return set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", text))


def test_variables_are_settings() -> None:
    """Every ANCHORLINE_ variable that a file sets is one that something reads."""
    known = OTHERS | {variable_of(name) for name in Settings.__dataclass_fields__}
    for path in DEPLOY.iterdir():
        assert set() == variables(path.read_text()) - known, path.name


def compose() -> dict[str, Any]:
    found = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", ["daemon", "serve"])
def test_services_of_containers_are_confined(name: str) -> None:
    """Read-only, no capabilities, no new privileges; the two share home and state, and nothing of the machine."""
    service = compose()["services"][name]
    assert (True, ["ALL"], ["no-new-privileges:true"]) == (
        service["read_only"],
        service["cap_drop"],
        service["security_opt"],
    )
    assert ["home:/var/lib/anchorline", "state:/var/lib/anchorline-state"] == service["volumes"]
    assert not {"privileged", "devices", "cap_add", "network_mode", "pid"} & set(service)
    check_command(service["command"])


def test_what_is_served_is_on_this_machine_only() -> None:
    """The API's port is bound to the loopback address, the metrics' to none, and their network leads nowhere."""
    services = compose()["services"]
    assert ["127.0.0.1:8780:8780"] == services["serve"]["ports"]
    assert "ports" not in services["daemon"]
    assert compose()["networks"]["metrics"]["internal"]
    assert {name for service in services.values() for name in service.get("secrets", [])} == set(compose()["secrets"])


def test_the_image_is_made_of_hashed_packages_and_runs_as_nobody() -> None:
    """Packages come from the lock file by hash, afterwards from nowhere else; the last user is no root."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    steps = [line.split(None, 1) for line in text.splitlines() if line and line[0] != "#"]
    assert {"FROM", "WORKDIR", "RUN", "COPY", "ENV", "USER", "VOLUME", "STOPSIGNAL", "ENTRYPOINT", "CMD"} == {
        step for step, _ in steps
    }
    runs = [what for step, what in steps if step == "RUN"]
    assert any("--require-hashes -r requirements.lock" in run for run in runs)
    assert all("--no-index" in run for run in runs if "pip install" in run)
    assert "10001:10001" == [what for step, what in steps if step == "USER"][-1]
    root = DEPLOY.parents[2]
    for step, what in steps:
        if step == "COPY" and not what.startswith("--from"):
            assert all((root / name).exists() for name in what.split()[:-1])
    assert ('["anchorline"]', '["daemon"]') == (dict(steps)["ENTRYPOINT"], dict(steps)["CMD"])


def test_no_secret_comes_into_the_image() -> None:
    """What is not needed is not copied: no repository, no environment; and no file here holds a password."""
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert {".git", ".venv", "tests"} <= set(ignored)
    for path in DEPLOY.iterdir():
        assert not re.search(r"(?i)password\s*[=:]\s*['\"]?[a-z0-9]{4,}$", path.read_text(), re.MULTILINE), path
