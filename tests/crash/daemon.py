"""``anchorline daemon`` in a process of its own, for tests that end it, pause it and cut it off."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cli.commands import COMMAND


@dataclass
class Daemon:
    """The daemon of a home; ``prefix`` is a command that runs it. What it says goes to a file beside the home."""

    home: Path
    prefix: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.start()

    @property
    def log(self) -> Path:
        """The file of its log lines, of all its processes."""
        return self.home.with_name(f"{self.home.name}-daemon.log")

    def start(self) -> None:
        """Start a process."""
        with self.log.open("ab") as log:
            command = [*self.prefix, *COMMAND, "daemon", "--home", str(self.home)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        """Kill it if it runs, whichever process it is by now; return when it is gone."""
        self.process.kill()
        self.process.wait()

    def end(self, number: int) -> int:
        """Send a signal; return the exit code that it ends with."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def count(self, what: str) -> int:
        """Return how many of its lines begin with this."""
        return sum(line.startswith(what) for line in self.log.read_text().splitlines())
