"""How the command line is run in these tests, and how a home is made that has been through everything once.

``run`` calls ``cli.main`` in this process, ``spawn`` starts it in one of its own; both run real commands on real
homes. The fixture ``world`` (conftest.py) gives every test a copy of the prepared home.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import cli
from chains.home import Home
from tests.databases import on_server_too

COMMAND = [sys.executable, "-c", "import cli; cli.main()"]
ORIGIN = "log.example/test"
REPORT = b"beam 7 inspected, no cracks\n"
ROWS = b"".join(b"row %d\n" % number for number in range(300))
"""More than a tile (256), so that the chain has an interior one."""


@dataclass(frozen=True)
class Done:
    """What a command did."""

    exit_code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def facts(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True)
class World:
    """A folder in which a home and its hand-outs are."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def database(self) -> Path:
        return self.home / "anchorline.db"

    @property
    def report(self) -> Path:
        return self.folder / "report.txt"

    @property
    def receipt(self) -> Path:
        return self.folder / "report.txt.receipt"

    @property
    def card(self) -> Path:
        return self.home / "log-card.json"

    @property
    def headers(self) -> Path:
        return self.folder / "headers.txt"

    def run(self, *arguments: str | Path, stdin: bytes = b"") -> Done:
        """Run a command on this home."""
        with pytest.MonkeyPatch.context() as patching:
            patching.setenv("ANCHORLINE_HOME", str(self.home))
            return run(*arguments, stdin=stdin)

    def ok(self, *arguments: str | Path, stdin: bytes = b"") -> Done:
        """Run a command on this home that must succeed."""
        done = self.run(*arguments, stdin=stdin)
        assert (0, "") == (done.exit_code, done.err), arguments
        return done


def run(*arguments: str | Path, stdin: bytes = b"") -> Done:
    """Run ``anchorline`` with these arguments in this process."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    words = on_server_too([str(each) for each in arguments], Path(), os.environ)
    exit_code = 0
    with ExitStack() as stack:
        stack.enter_context(patch.object(sys, "argv", ["anchorline", *words]))
        stack.enter_context(patch.object(sys, "stdout", out))
        stack.enter_context(patch.object(sys, "stderr", err))
        stack.enter_context(patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))))
        stack.enter_context(patch.dict(os.environ, {"COLUMNS": "200"}))
        try:
            cli.main()
        except SystemExit as ended:
            exit_code = int(ended.code or 0)
    return Done(exit_code, _written(out), _written(err).decode())


def _written(stream: io.TextIOWrapper) -> bytes:
    stream.flush()
    data = stream.buffer
    assert isinstance(data, io.BytesIO)
    return data.getvalue()


def spawn(
    *arguments: str | Path, cwd: Path, stdin: bytes = b"", environment: Mapping[str, str] | None = None, **options: Any
) -> Done:
    """Run the command as a process of its own and wait for it."""
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run(
        [*COMMAND, *on_server_too([str(each) for each in arguments], cwd, variables)],
        cwd=cwd,
        env=variables,
        input=stdin,
        capture_output=True,
        check=False,
        timeout=120,
        **options,
    )
    return Done(done.returncode, done.stdout, done.stderr.decode())


@contextmanager
def own_folders(folder: Path) -> Iterator[None]:
    """Use ``folder`` for everything that is kept outside a home."""
    with pytest.MonkeyPatch.context() as patching:
        for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            patching.setenv(name, str(folder / name.lower()))
        yield


def prepare(world: World) -> None:
    """Two chains, 304 entries, two anchors (one final), look-up pages, and one entry that is not sealed yet."""
    world.report.write_bytes(REPORT)
    (world.folder / "rows.csv").write_bytes(ROWS)
    (world.folder / "plan.bin").write_bytes(bytes(range(256)))
    world.ok("init", "--embedded", "--origin", ORIGIN)
    world.ok("chain", "create", "acme", "--id", "acme", "--id", "site")
    world.ok("add", "acme", world.report, "--media-type", "text/plain", "--id", "report-7")
    world.ok("add", "acme", "--lines", world.folder / "rows.csv")
    world.ok("tick", "--mine", "101")
    world.ok("seal")
    world.ok("tick", "--now")
    world.ok("tick", "--mine", "1")
    world.ok("chain", "create", "meridian", "--private")
    world.ok("add", "meridian", "--digest", world.folder / "plan.bin")
    world.ok("seal")
    world.ok("tick", "--now")
    world.ok("tick", "--mine", "6")
    with Home.open(world.home) as home:
        home.lookup.maintain(least=1)
    world.ok("add", "acme", "-", stdin=b"not sealed yet")
    world.ok("receipt", "acme:1", "--output", world.receipt)
    world.ok("headers", "export", world.headers)
