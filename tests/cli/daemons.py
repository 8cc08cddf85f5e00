"""``anchorline daemon`` as a process of its own, at a pace of a second, with its log read line by line."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cli.commands import COMMAND, World


@contextmanager
def daemon(world: World, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """Start the daemon of a home; kill it where a test fails before it has stopped."""
    settings = world.home / "anchorline.toml"
    text = re.sub(r"(?m)^(seal_every_s|tick_every_s|anchor_every_s) = .*$", r"\1 = 1", settings.read_text())
    settings.write_text(text)
    command = [*COMMAND, "daemon", "--home", str(world.home), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: "subprocess.Popen[str]", wanted: str) -> list[str]:
    """Read log lines up to one that has ``wanted``; the daemon must not end before."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if wanted in line:
            return lines
    raise AssertionError(f"the daemon ended without {wanted!r}: {lines}")


def stopped(process: "subprocess.Popen[str]", number: int) -> str:
    """Send a signal and return what the daemon still had to say; it must end with exit code 0 within a minute."""
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (0, "") == (process.returncode, out), err
    return err
