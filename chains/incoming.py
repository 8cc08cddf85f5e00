"""What a copy of a mirror has fetched and not published yet: files beside the folder's own, and the step to publish.

``chains.mirror_copy`` fills it from somebody else's mirror and judges it. One rename says that all of it was verified;
from there on it is published file by file, and whoever was stopped meanwhile goes on where that was
(docs/spec/mirror.md, "A copy from outside").
"""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from anchor.bitcoin.records import sync_folder
from anchor.errors import SourceError
from anchor.log import TILE_WIDTH, tile_path
from anchor.proof.codec import HASH_SIZE
from anchor.tiles import ENTRIES, Fetch, decode_bundle, encode_bundle
from chains.mirror_folder import drop_partial, fetch_from, files_in, in_order, is_immutable, put_file

INCOMING, VERIFIED = ".incoming", ".verified"
_PLAN = ".plan.json"
WITHDRAWN_END, EVIDENCE_END = "-withdrawn", "-evidence"


class Incoming:
    """The files of one run into ``folder``, fetched from ``remote``, at most ``most_bytes`` of them.

    Files that never change and that a run which was stopped had fetched are not fetched again; they are judged with
    all others.
    """

    def __init__(self, folder: Path, remote: Fetch, most_bytes: int) -> None:
        self.folder = folder
        self.fetched_bytes = 0
        self._remote = remote
        self._most_bytes = most_bytes
        self._spool = folder / INCOMING
        self._own, self._new = fetch_from(folder), fetch_from(self._spool)
        self._withdrawn: set[str] = set()
        for path in list(files_in(self._spool)) if self._spool.is_dir() else ():
            if not is_immutable(path):
                (self._spool / path).unlink()

    def view(self, path: str) -> bytes | None:
        """Return a file as the folder will have it: what was fetched, else its own, but for what is withdrawn."""
        if any(path.startswith(prefix) for prefix in self._withdrawn):
            return None
        found = self._new(path)
        return self._own(path) if found is None else found

    def held(self, path: str) -> bytes | None:
        """Return a file as the folder has it now."""
        return self._own(path)

    def ask(self, path: str) -> bytes | None:
        """Return a file as it is published there now, and keep nothing; raises SourceError beyond the limit."""
        data = self._remote(path)
        self.fetched_bytes += len(data or b"")
        if self.fetched_bytes > self._most_bytes:
            raise SourceError(
                f"{path}: expected at most {self._most_bytes} bytes in one run, and there are more; nothing was taken "
                "over. Allow more (--most-gib) if the log is so large"
            )
        return data

    def put(self, path: str, data: bytes) -> None:
        """Keep a file for publication."""
        put_file(self._spool, path, data)

    def take(self, path: str) -> bytes | None:
        """Return a file that never changes; fetch and keep it where it is not here."""
        found = self.view(path)
        if found is None and (found := self.ask(path)) is not None:
            self.put(path, found)
        return found

    def take_tile(self, prefix: str, level: int | str, tile_no: int, width: int) -> bytes | None:
        """Return a tile or a bundle of ``width`` leaves; a full one is cut where the partial one is gone (C2SP)."""
        path, full = prefix + tile_path(level, tile_no, width), prefix + tile_path(level, tile_no)
        found = self.take(path)
        if found is not None or width == TILE_WIDTH:
            return found
        whole = self.view(full) or self.ask(full)
        if whole is None:
            return None
        if level == ENTRIES:
            leaves = decode_bundle(whole)
            cut = None if leaves is None else encode_bundle(leaves[:width])
        else:
            cut = whole[: width * HASH_SIZE]
        if cut is not None:
            self.put(path, cut)
        return cut

    def drop(self, path: str) -> None:
        """Forget a file that was fetched and is not what it should be: the next run asks for it again."""
        (self._spool / path).unlink(missing_ok=True)

    def withdraw(self, prefix: str) -> None:
        """Leave out everything below a path: what of it is published already is moved beside the folder."""
        self._withdrawn.add(prefix)
        shutil.rmtree(self._spool / prefix, ignore_errors=True)

    def forget(self) -> None:
        """Drop what was fetched: it did not hold."""
        shutil.rmtree(self._spool, ignore_errors=True)

    def keep_as_evidence(self, files: dict[str, bytes]) -> Path:
        """Move what was fetched beside the folder, with what says why it did not hold; return where it is."""
        kept = _beside(self.folder, EVIDENCE_END, "")
        for name, data in files.items():
            put_file(self._spool, name, data)
        _move(self._spool, kept)
        return kept

    def publish(self) -> int:
        """Say that everything here was verified, and publish it; return how many files."""
        self._spool.mkdir(exist_ok=True)
        plan = {"withdrawn": sorted(self._withdrawn), "files": list(files_in(self._spool))}
        put_file(self._spool, _PLAN, json.dumps(plan).encode())
        os.sync()
        # From here on the run is done, whatever becomes of the process: `finish` is what every run begins with.
        self._spool.replace(self.folder / VERIFIED)
        sync_folder(self.folder)
        return finish(self.folder)


def finish(folder: Path) -> int:
    """Publish what was verified, in the order of the ranks; may be repeated from any point. Return how many files."""
    verified = folder / VERIFIED
    listed = verified / _PLAN
    if not listed.is_file():
        # The plan goes last: without it, everything is in its place.
        shutil.rmtree(verified, ignore_errors=True)
        return 0
    plan = json.loads(listed.read_bytes())
    for prefix in plan["withdrawn"]:
        if (folder / prefix).exists():
            _move(folder / prefix, _beside(folder, WITHDRAWN_END, prefix))
    paths = in_order(plan["files"])
    constant = [path for path in paths if is_immutable(path)]
    _put_in_place(verified, folder, constant)
    for path in constant:
        drop_partial(folder, path)
    os.sync()
    _put_in_place(verified, folder, paths[len(constant) :])
    os.sync()
    listed.unlink()
    shutil.rmtree(verified)
    return len(paths)


def _put_in_place(verified: Path, folder: Path, paths: Sequence[str]) -> None:
    for path in paths:
        if (verified / path).exists():  # a run that was stopped had put others in their places
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (verified / path).replace(folder / path)


def _beside(folder: Path, end: str, below: str) -> Path:
    """Return a new name in the folder beside the mirror, which no web server shows with it."""
    number = 1
    while (place := folder.with_name(folder.name + end) / str(number) / below).exists():
        number += 1
    return place


def _move(source: Path, target: Path) -> None:
    """Move a folder; over a border of file systems it is copied before it is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(source, target)
