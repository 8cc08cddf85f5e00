"""Where keys are that are not files: an ssh-agent and a PKCS #11 token, both real, each for one module of tests.

Input is Debian's ``ssh-agent`` (package ``openssh-client``) and ``softhsm2``; where they are absent, tests skip.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.waiting import wait_until

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "5678"


@dataclass(frozen=True)
class Agent:
    """An agent's socket, and the folder of the files of its keys."""

    address: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process must have to find the agent."""
        return {"SSH_AUTH_SOCK": self.address}

    def answers(self) -> bool:
        """Say whether the agent answers: ``ssh-add -l`` ends with 1 without keys, with 2 without an agent."""
        done = subprocess.run(["ssh-add", "-l"], env=os.environ | self.environment, check=False, capture_output=True)
        return done.returncode != 2

    def run(self, *command: str) -> str:
        """Run a command that must succeed; return what it prints."""
        done = subprocess.run(command, env=os.environ | self.environment, check=True, capture_output=True, text=True)
        return done.stdout

    def make(self, name: str, kind: str = "ed25519", comment: str = "", password: str = "") -> Path:
        """Make the file of a key."""
        path = self.folder / name
        self.run(*("ssh-keygen", "-q", "-a", "1", "-t", kind, "-N", password, "-C", comment or name, "-f", str(path)))
        return path

    def add(self, path: Path) -> None:
        """Let the agent hold a key."""
        self.run("ssh-add", "-q", str(path))


@contextmanager
def running_agent() -> Iterator[Agent]:
    """Run an ssh-agent without keys."""
    if shutil.which("ssh-agent") is None:
        pytest.skip("no ssh-agent here: install openssh-client")
    # A socket's path may have 107 bytes: pytest's folders are longer.
    with TemporaryDirectory(prefix="agent") as name:
        agent = Agent(f"{name}/socket", Path(name))
        with subprocess.Popen(["ssh-agent", "-D", "-a", agent.address], stdout=subprocess.DEVNULL) as process:
            try:
                wait_until(agent.answers)
                yield agent
            finally:
                process.terminate()


@contextmanager
def new_token(folder: Path) -> Iterator[str]:
    """Make a token called ``acme works`` with its PIN in ``folder/pin``; yield a URI with ``{}`` for a label."""
    if not SOFTHSM.exists():
        pytest.skip("no SoftHSM here: install softhsm2")
    pkcs11 = pytest.importorskip("pkcs11")
    (folder / "tokens").mkdir()
    settings, pin = folder / "softhsm2.conf", folder / "pin"
    settings.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    pin.write_text(PIN)
    pin.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(settings))
        made = ("--init-token", "--free", "--label", "acme works", "--so-pin", "1234", "--pin", PIN)
        subprocess.run(["softhsm2-util", *made], check=True, capture_output=True)
        # Another module of tests may have loaded it in this process, with a token of its own.
        pkcs11.lib(str(SOFTHSM)).reinitialize()
        yield f"pkcs11:token=acme%20works;object={{}}?module-path={SOFTHSM}&pin-source=file:{pin}"
