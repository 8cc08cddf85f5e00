"""Commands as processes of their own that need not import anything first: a server that did forks them.

Each has its own memory, files, environment and folder, and knows nothing but what it reads there, as a command of a
shell does; only the time of its imports is gone. The long stories of ``tests.integration`` are told with them.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import cli
from tests.cli.commands import Done
from tests.databases import on_server_too

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.everything", "tests.forked", "tests.integration.matrix_daemon"])
COMMAND_S = 120
_NEW = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def run_forked(*arguments: object, cwd: Path, environment: Mapping[str, str] | None = None) -> Done:
    """Run ``anchorline`` with these arguments and nothing to read in a new process, and wait for its end.

    A negative exit code is the signal that ended it.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        variables = dict(environment or os.environ)
        given = (list(on_server_too([str(each) for each in arguments], cwd, variables)), cwd, variables, out, err)
        process = PROCESSES.Process(target=_become, args=given)
        process.start()
        process.join(COMMAND_S)
        if process.exitcode is None:
            process.kill()
            raise AssertionError(f"{arguments} did not end within {COMMAND_S} s: {err.read_text()}")
        return Done(process.exitcode, out.read_bytes(), err.read_text())


def _become(arguments: list[str], cwd: Path, environment: Mapping[str, str], out: Path, err: Path) -> None:
    """Be a command that was started there, with these variables, its streams in these files."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, (path, flags) in enumerate([(Path(os.devnull), os.O_RDONLY), (out, _NEW), (err, _NEW)]):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww"))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = ["anchorline", *arguments]
    cli.main()
