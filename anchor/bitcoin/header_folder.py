"""The folder of a header store on the disk: locks, flushes, renames, and what the operating system's refusals mean.

Input is paths and bytes from ``header_store``, which decides what is written in which order. A crash between any two
calls here is the store's to survive (docs/spec/header-store.md, "Order of writing").
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from anchor.bitcoin.records import sync_folder
from anchor.errors import StorageBusyError, StorageError, StorageFullError, StorageReadOnlyError
from anchor.proof.bitcoin.header import HEADER_SIZE

# Headers that are read from a file at once.
CHUNK = 4_096


def headers_in(file: IO[bytes], offset: int) -> Iterator[bytes]:
    """Yield the headers of an open file from byte ``offset`` on; a part of one at the end comes as it is."""
    file.seek(offset)
    while chunk := file.read(CHUNK * HEADER_SIZE):
        for at in range(0, len(chunk), HEADER_SIZE):
            yield chunk[at : at + HEADER_SIZE]


def opened(path: Path, *, writable: bool) -> int:
    """Return a descriptor of a file, which is created where ``writable`` and not there."""
    flags = os.O_RDWR | os.O_CREAT if writable else os.O_RDONLY
    return os.open(path, flags | os.O_CLOEXEC, 0o644)


def locked(path: Path) -> int:
    """Return a descriptor that holds the writer's lock; raise StorageBusyError where another process has it."""
    fd = opened(path, writable=True)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise StorageBusyError(
            f"{path.parent}: expected to be the only writer of this header store, found that another process has it "
            "open; wait for that process, or open the store for reading"
        ) from error
    return fd


@contextmanager
def flocked(fd: int, kind: int) -> Iterator[None]:
    """Hold a lock (``fcntl.LOCK_SH`` or ``LOCK_EX``) on an open file; waits for it."""
    fcntl.flock(fd, kind)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def replace_file(path: Path, data: bytes) -> None:
    """Put a small file in its place, flushed to the disk; a crash leaves the old one or the new one."""
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)


def write_all(fd: int, data: bytes, at: int) -> None:
    """Write all of ``data`` at byte ``at``: one call to the operating system may write less."""
    while data:
        written = os.pwrite(fd, data, at)
        data, at = data[written:], at + written


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Raise the StorageError that an error of the operating system means."""
    try:
        yield
    except FileNotFoundError as error:
        raise StorageError(f"{folder}: expected a header store, found none; synchronise the headers first") from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise StorageFullError(f"{folder}: no space left; free some and try again") from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise StorageReadOnlyError(
                f"{folder}: expected to be allowed to read and write; check its owner"
            ) from error
        raise StorageError(f"{folder}: the operating system refused: {error}") from error


def remove_store(folder: Path) -> None:
    """Remove what a store has in its folder, while no other process writes to it; may be repeated.

    The state goes first: a crash in between leaves headers without a state, which are refused by name, and this is
    called again.
    """
    with translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = locked(folder / "lock")
        try:
            for name in ("state", "switch", "switch.new", "state.new", "synced", "synced.new", "headers"):
                (folder / name).unlink(missing_ok=True)
            sync_folder(folder)
        finally:
            os.close(lock)
