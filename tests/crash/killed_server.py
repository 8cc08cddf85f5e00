"""A service that ends as by a power cut at a step of an erasure which a test names while it serves, and starts again.

``ApiServer`` starts it: ``python -m tests.crash.killed_server ARMED --home HOME --listen HOST:PORT``. While the file
ARMED says ``STEP before`` or ``STEP after``, whoever comes to that step kills the process that serves. The one that
waits for it, which only listens, takes the file away and starts the next: all that is left of before is on disk.
"""

import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from anchor.storage import sqlite
from chains import erasing
from chains.content_keys import ContentKeys
from chains.erasing import Erasing
from chains.home import Home
from chains.key_copies import KeyCopies
from chains.key_database import KeyDatabase
from chains.key_store import KeyFile
from chains.web.serving import listening_socket
from chains.web.serving_api import serve_api
from tests.crash.crashing import kill_self
from tests.simulators.clocked_server import options, report

LAST_OF_FILE = "log of the database"
"""A server looks after its own."""
STEPS: dict[str, tuple[tuple[Any, str], ...]] = {
    "intent and entry": ((Erasing, "_intend"),),
    "look-ups": ((Erasing, "_forget"),),
    "keys": ((ContentKeys, "destroy"),),
    "wiping of keys": ((KeyFile, "wipe"), (KeyDatabase, "wipe")),
    "copies of keys": ((KeyCopies, "follow"),),
    "rows and intent": ((Erasing, "_end"),),
    LAST_OF_FILE: ((erasing, sqlite.empty_log.__name__),),
}
"""What is durable, in the order in which an erasure does it; more than one where databases differ."""


def armed(step: str, inner: Callable[..., Any], path: Path) -> Callable[..., Any]:
    """Return a step that kills this process before or after its work, where the file says so."""

    def check(when: str) -> None:
        if path.is_file() and path.read_text() == f"{step} {when}":
            kill_self()

    @wraps(inner)
    def run(*arguments: Any, **options: Any) -> Any:
        check("before")
        found = inner(*arguments, **options)
        check("after")
        return found

    return run


def served(home: Path, listening: socket.socket) -> int:
    """Serve in a process of its own until that ends; return its status as ``os.waitpid`` has it."""
    child = os.fork()
    if child == 0:
        with Home.open(home) as opened:
            serve_api(opened, listening, report)
        os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    _, status = os.waitpid(child, 0)
    return status


def main() -> None:
    """Serve until a signal says stop, anew whenever the process that serves was killed."""
    given = options("armed")
    for step, places in STEPS.items():
        for owner, name in places:
            setattr(owner, name, armed(step, getattr(owner, name), given.armed))
    with listening_socket(given.listen) as listening:
        while os.WIFSIGNALED(status := served(given.home, listening)) and os.WTERMSIG(status) == signal.SIGKILL:
            given.armed.unlink()
    sys.exit(status)


if __name__ == "__main__":
    main()
