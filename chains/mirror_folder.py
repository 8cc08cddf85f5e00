"""The folder of a mirror: who may write it, whose log is in it, how a file gets there, and in which order.

``chains.mirror`` writes it from a home, ``chains.mirror_copy`` from what somebody else publishes, and both by these
rules (docs/spec/mirror.md, "Order"); ``chains.mirror_reading`` reads it.
"""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

from anchor.errors import SettingsError
from anchor.proof.earlier_receipts import EARLIER
from anchor.proof.leaves import LogLeaf
from anchor.proof.receipt import LogCard
from anchor.proof.stamps import FOLDER as STAMPS
from anchor.published import ANCHORED, CARD, CHAINS, CHECKPOINT
from anchor.thread_list import FILE_NAME as THREAD_FILE
from anchor.thread_list import MAX_LIST
from anchor.tiles import ENTRIES, Fetch
from chains.home import KEYS
from chains.settings import FILE_NAME as SETTINGS_FILE


class Rank(IntEnum):
    """When a file is written: whoever reads one of a later rank finds everything that it names."""

    CHAIN_TILES = 0
    DIRECTORY_TILES = 1
    ANCHORED = 2
    CHECKPOINT = 3
    CHAIN_CHECKPOINT = 4
    PROOFS = 5
    THREAD = 6
    CARD = 7
    BESIDE = 8


def rank_of(path: str) -> Rank:
    """Return when a file of a mirror, named by its path, is written."""
    if path.startswith(f"{CHAINS}/"):
        return Rank.CHAIN_CHECKPOINT if path.endswith(f"/{CHECKPOINT}") else Rank.CHAIN_TILES
    first = {"tile": Rank.DIRECTORY_TILES, ANCHORED: Rank.ANCHORED, "thread": Rank.PROOFS, STAMPS: Rank.PROOFS}
    whole = {CHECKPOINT: Rank.CHECKPOINT, THREAD_FILE: Rank.THREAD, CARD: Rank.CARD}
    return whole.get(path) or first.get(path.partition("/")[0], Rank.BESIDE)


def in_order(paths: Iterable[str]) -> list[str]:
    """Return the files of a mirror in the order in which they are written."""
    return sorted(paths, key=lambda path: (rank_of(path), path))


def is_immutable(path: str) -> bool:
    """Say whether a file of a mirror never changes: tiles, bundles of leaves, and checkpoints that were anchored."""
    return rank_of(path) <= Rank.ANCHORED


def is_bundle(path: str) -> bool:
    """Say whether a file of a mirror holds leaves: it shrinks to a half or less, where hashes do not (ADR 67)."""
    return f"tile/{ENTRIES}/" in path and not path.endswith(EARLIER)


def chain_prefix(chain_id: bytes) -> str:
    """Return the path of a chain's folder, with "/" at its end."""
    return f"{CHAINS}/{chain_id.hex()}/"


def files_in(folder: Path) -> Iterator[str]:
    """Yield the paths of all published files; what begins with a dot is no part of a mirror."""
    for found, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(found).relative_to(folder)
        yield from (str(below / name) for name in sorted(names) if not name.startswith("."))


def check_folder(folder: Path, log: LogLeaf) -> None:
    """Refuse a folder that holds something else; mark an empty one as this log's before anything is in it."""
    if (folder / SETTINGS_FILE).exists() or (folder / KEYS).exists():
        # Its log card looks like a mirror's, and whoever serves the folder would serve the keys.
        raise SettingsError(f"{folder}: expected a folder to publish, found a home with its keys; choose another one")
    found = card_in(folder)
    if found is not None and found.log != log:
        raise SettingsError(
            f"{folder}: expected a mirror of log {log.log_id.hex()}, found one of {found.log.log_id.hex()}; choose "
            "another folder"
        )
    if found is None:
        if any(not path.name.startswith(".") for path in folder.iterdir()):
            raise SettingsError(f"{folder}: expected an empty folder or a mirror of this log; choose another one")
        put_file(folder, CARD, LogCard(log).encode())


def card_in(folder: Path) -> LogCard | None:
    """Return the card of a mirror, None where there is none."""
    card = folder / CARD
    return LogCard.decode(card.read_bytes()) if card.is_file() else None


def put_file(folder: Path, path: str, data: bytes) -> None:
    """Write a file whole or not at all; a name that begins with a dot is never a published one."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.new")
    beside.write_bytes(data)
    beside.replace(target)


def drop_partial(folder: Path, path: str) -> None:
    """Remove the partial tiles whose full one is there: readers fall back to it (C2SP tlog-tiles)."""
    shutil.rmtree(folder / f"{path}.p", ignore_errors=True)


def has_entries(folder: Path, chain_id: bytes) -> bool:
    """Say whether entries of a chain are in a mirror: half of a chain would look like the other half withheld."""
    return (folder / chain_prefix(chain_id) / "tile" / ENTRIES).is_dir()


def fetch_from(folder: Path) -> Fetch:
    """Return what reads a mirror in a folder; of a file, no more than the largest of the format."""

    def fetch(path: str) -> bytes | None:
        try:
            with (folder / path).open("rb") as file:
                return file.read(MAX_LIST + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    return fetch


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the folder against a second writer; the lock ends with the process, whatever becomes of it."""
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
