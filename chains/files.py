"""Writing a file whole or not at all.

Used for everything that a command or the daemon writes beside the database: receipts, cards, settings, marks.
"""

import os
import threading
from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: beside it first, synced, then renamed over it.

    A link is followed; what is there and is no file (a terminal, a pipe, /dev/null) is written to, never replaced.
    Raises OSError with the path that was asked for.
    """
    target = path.resolve()
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)
            return
        # A name of its own: a daemon and a command may write the same file at the same time.
        beside = target.with_name(f"{target.name}.{os.getpid()}-{threading.get_native_id()}.new")
        try:
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
