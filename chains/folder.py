"""What is in a folder, in the order of a manifest: files, symbolic links, and folders that hold nothing.

Input is a folder, or a single file, on this machine. ``manifest_writing`` records it, and ``manifest_comparing`` holds
it against a manifest.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anchor.errors import RefusedEntryError
from anchor.proof.manifest import Kind

_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFLNK: Kind.LINK}


@dataclass(frozen=True, slots=True)
class Found:
    """What is at a path of a folder; ``kind`` is None for what a manifest cannot hold: a pipe, a socket, a device."""

    path: str
    at: Path
    kind: Kind | None


def contents(source: Path) -> Iterator[Found]:
    """Yield what is in a folder, sorted as a manifest is, without following a link; a file is its only content.

    Reads one folder's names at a time. Raises OSError for a folder that cannot be read.
    """
    if not source.is_dir():
        yield Found(source.name, source, Kind.FILE)
        return
    yield from _below(source, "")


def check_names(source: Path) -> None:
    """Raise RefusedEntryError where two names of one folder differ in upper and lower case only.

    On a machine that takes them for one, only one of the files would be there.
    """
    if not source.is_dir():
        return
    for folder, folders, files in os.walk(source):
        seen: dict[str, str] = {}
        for name in (*folders, *files):
            other = seen.setdefault(name.casefold(), name)
            if other != name:
                raise RefusedEntryError(
                    f"{folder}: {other!r} and {name!r} differ in upper and lower case only, and many machines would "
                    "keep one of them: rename one"
                )


def _below(folder: Path, prefix: str) -> Iterator[Found]:
    with os.scandir(folder) as items:
        entries = sorted(items, key=lambda item: os.fsencode(item.name))
    for item in entries:
        path, at = prefix + item.name, folder / item.name
        if item.is_dir(follow_symlinks=False):
            inside = _below(at, f"{path}/")
            first = next(inside, None)
            if first is None:
                yield Found(path, at, Kind.EMPTY_FOLDER)
                continue
            yield first
            yield from inside
            continue
        yield Found(path, at, _KINDS.get(stat.S_IFMT(item.stat(follow_symlinks=False).st_mode)))
