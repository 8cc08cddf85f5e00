"""``anchorline serve`` in a process of its own on a real socket, over a home that a test made; with accounts to ask as.

Tests of the HTTP API and the benchmarks start it; ``kill`` ends it as a power cut would, ``start`` begins again.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from chains.access import Role
from chains.home import Home
from tests.forked import run_forked

SOON_S = 60
ROOT = Path(__file__).parents[2]


def make_home(folder: Path, origin: str = "log.example/api") -> Path:
    """Make a home on the embedded regtest; return its folder."""
    home = folder / "home"
    run_beside(home, "init", "--embedded", "--origin", origin)
    return home


def run_beside(home: Path, *command: str) -> None:
    """Run a command on a home in a process of its own, also while it is served; it must succeed."""
    done = run_forked(*command, "--home", home, cwd=ROOT)
    assert 0 == done.exit_code, done.err


def make_key(home: Path, organisation: str, role: Role = Role.WRITER) -> str:
    """Return a new key of an organisation, which is made where there is none; of the operator for an empty name."""
    with Home.open(home) as opened:
        if role is Role.OPERATOR:
            return opened.accounts.keys.create(None, role, "test", None, opened.clock()).token
        names = {each.name: each for each in opened.accounts.organisations.all()}
        found = names.get(organisation) or opened.accounts.organisations.create(organisation, opened.clock())
        return opened.accounts.keys.create(found, role, "test", None, opened.clock()).token


def make_keys(home: Path) -> dict[str, str]:
    """Return keys by role of a new organisation acme, of the owner of another one, beta, and of the operator."""
    keys = {role.value: make_key(home, "acme", role) for role in Role if role is not Role.OPERATOR}
    return keys | {"beta": make_key(home, "beta", Role.OWNER), "operator": make_key(home, "", Role.OPERATOR)}


def code(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a problem."""
    return answer.status_code, str(answer.json()["code"])


@dataclass
class ApiServer:
    """A served home.

    ``clock`` is a file with the time that it goes by (``tests.simulators.clocked_server``), ``program`` the module
    that is run and what comes before its options, ``prefix`` a command that runs it (``prlimit``), ``environment`` is
    set over this process's own.
    """

    home: Path
    options: tuple[str, ...] = ("--no-daemon",)
    clock: Path | None = None
    program: tuple[str, ...] = ("cli", "serve")
    prefix: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    _lines: deque[str] = field(default_factory=lambda: deque(maxlen=1000))
    process: "subprocess.Popen[str] | None" = None
    url: str = ""
    _reading: threading.Thread = field(default_factory=threading.Thread)

    def start(self) -> "ApiServer":
        """Start it; return when it listens."""
        listen = self.url.removeprefix("http://") or "127.0.0.1:0"
        clocked = ("tests.simulators.clocked_server", str(self.clock))
        program = self.program if self.clock is None else clocked
        command = [*self.prefix, sys.executable, "-m", *program, "--home", str(self.home), "--listen", listen]
        environment = {**os.environ, **self.environment}
        self.process = subprocess.Popen(
            [*command, *self.options], cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.append(line)
            if line.startswith("event=started listen="):
                self.url = f"http://{line.split('listen=')[1].strip()}"
                break
        else:
            raise AssertionError(f"the server ended: {self.lines}")
        self._reading = threading.Thread(target=self._read, args=(self.process,))
        self._reading.start()
        return self

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        with process.stderr:
            self._lines.extend(process.stderr)

    @property
    def lines(self) -> list[str]:
        """Its newest log lines now; a thread adds more while it runs."""
        return list(self._lines)

    def has_said(self, text: str) -> bool:
        """Say whether a line has this text; the line may come a little after what it is about."""
        until_s = time.monotonic() + SOON_S
        while not any(text in line for line in self.lines):
            if time.monotonic() > until_s:
                return False
            time.sleep(0.05)
        return True

    def stop(self) -> int:
        """Ask it to stop; return its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """End it as a power cut would."""
        return self._end(signal.SIGKILL)

    def _end(self, number: int) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(SOON_S)
        self._reading.join()
        return code

    @property
    def processes(self) -> list[int]:
        """Its processes: the one that was started, and the one that commits for it, where there is one."""
        assert self.process is not None
        return [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children())]

    def client(self, key: str | None = None) -> httpx.Client:
        """Return a client that presents a key, or none."""
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=SOON_S)


@contextmanager
def serving(home: Path, *options: str) -> Iterator[ApiServer]:
    """Serve a home; end it at the end, however it is then."""
    with running(ApiServer(home, options or ("--no-daemon",))) as server:
        yield server


@contextmanager
def running(server: ApiServer) -> Iterator[ApiServer]:
    """Start a server; end it at the end, however it is then."""
    try:
        yield server.start()
    finally:
        if server.process is not None and server.process.poll() is None:
            server.stop()
