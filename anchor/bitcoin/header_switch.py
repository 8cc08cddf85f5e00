"""The file ``switch`` of a header store: a branch that takes the place of the best chain above its fork, all or not.

Input is the branch's headers and the state that will be. Once the file has its name the switch is decided, and
whoever opens the store next finishes it; ``header_store`` calls both halves.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from anchor.bitcoin.header_file import HeaderFile
from anchor.bitcoin.header_folder import CHUNK, headers_in, replace_file
from anchor.bitcoin.header_state import MAX_STATE, State, decode_state
from anchor.bitcoin.records import sync_folder
from anchor.errors import StorageCorruptError
from anchor.proof.bitcoin.hashes import hash_hex, sha256d
from anchor.proof.bitcoin.header import HEADER_SIZE


def write_switch(folder: Path, state: State, branch: IO[bytes]) -> None:
    """Write and flush ``switch.new``, which counts for nothing until it is renamed; the branch is closed."""
    with branch, (folder / "switch.new").open("wb") as file:
        file.write(state.encode())
        branch.seek(0)
        while chunk := branch.read(CHUNK * HEADER_SIZE):
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def apply_switch(folder: Path, headers: HeaderFile, check: Callable[[Path, State], None]) -> None:
    """Do what ``switch`` says, while no reader looks; a crash in it is harmless, since it is repeatable.

    ``check`` refuses a state of another store. Raises StorageCorruptError, before anything is written over, where the
    file's headers do not lead from one of the store to its tip.
    """
    beside = folder / "switch.new"
    if beside.exists():
        beside.replace(folder / "switch")
    sync_folder(folder)  # before the first header is written over, the switch must have its name
    path = folder / "switch"
    with path.open("rb") as file:
        state, offset = decode_state(path, file.read(MAX_STATE))
        check(path, state)
        first = state.tip.height + 1 - (path.stat().st_size - offset) // HEADER_SIZE
        _check_links(path, state, headers, first, headers_in(file, offset))
        for height, header in enumerate(headers_in(file, offset), first):
            headers.write(height, header)
    headers.cut(state.tip.height)
    headers.flush()
    replace_file(folder / "state", state.encode())
    path.unlink()
    sync_folder(folder)


def _check_links(path: Path, state: State, headers: HeaderFile, first: int, branch: Iterator[bytes]) -> None:
    """Check that headers from height ``first`` on lead from a header of this store to the new tip."""
    parent = sha256d(headers.at(first - 1)) if first > state.start.height else b""
    for header in branch:
        if header[4:36] != parent:
            break
        parent = sha256d(header)
    if parent != state.tip.hash:
        raise StorageCorruptError(
            f"{path}: expected headers that lead to {hash_hex(state.tip.hash)}, found others; "
            "restore the folder from a copy, or move it away to begin anew"
        )
