"""A backup of a home: a copy of its database as of one moment, and the files without which it is no home.

Writers and the daemon go on meanwhile. ``anchorline backup`` calls it; what it made it has opened and checked before
anybody can take it for a backup, and ``chains.restore`` makes a home of it again (docs/spec/backup.md).
"""

import hashlib
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from anchor.bitcoin.records import sync_folder
from anchor.errors import BackupError, SettingsError
from anchor.storage.read_only import ReadOnlyEngine
from anchor.storage.sqlite import SqliteEngine, without_log
from chains.backup_check import check_contents, check_file
from chains.backup_manifest import NAME as MANIFEST
from chains.backup_manifest import BackedUpFile, Manifest, is_plain
from chains.encrypted_keys import NAME as ENCRYPTED_KEYS
from chains.encrypted_keys import encrypt_keys, read_keys
from chains.files import write_file
from chains.home import CARD, DATABASE, KEYS, Home
from chains.settings import FILE_NAME, Settings
from chains.sorted_runs import Kind
from chains.sources import REGTEST

TAR = ".tar"
"""A backup whose name ends so is one file; any other name is a folder's."""
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What was made, and which files of the settings it leaves out: ``left_out`` are their paths."""

    manifest: Manifest
    left_out: tuple[str, ...]

    @property
    def has_keys(self) -> bool:
        """Whether the keys are in it."""
        return any(each.path == ENCRYPTED_KEYS for each in self.manifest.files)


def make_backup(home: Home, target: Path, keys_password: Callable[[], str] | None = None) -> BackedUp:
    """Write a backup to ``target``, a new folder or (``.tar``) a new file, readable by its owner alone.

    It appears whole or not at all: it is made beside the target, opened and checked, and renamed. With
    ``keys_password`` the keys are in it, encrypted under that password. Raises SettingsError where the target exists or
    cannot be made, BackupError where the copy does not pass the quick audit, StorageError and OSError (disk full).
    """
    if target.exists() or target.is_symlink():
        raise SettingsError(f"{target}: exists already; a backup is never written over another, choose a new name")
    password = None if keys_password is None else keys_password()
    with _staging(target) as staging:
        home.database.copy_to(staging / DATABASE)
        leave_out_digests(staging / DATABASE)
        left_out = _copy_beside(home.folder, home.settings, staging)
        if password is not None:
            keys = read_keys(home.folder / KEYS)
            write_file(staging / ENCRYPTED_KEYS, encrypt_keys(keys, home.directory.log.log_id, password))
        write_file(staging / CARD, home.card().encode())
        manifest = _checked(staging, home.clock())
        write_file(staging / MANIFEST, manifest.encode())
        _close(staging)
        if target.suffix == TAR:
            _pack(staging, manifest, target)
        else:
            staging.rename(target)
        sync_folder(target.resolve().parent)
    return BackedUp(manifest, left_out)


def leave_out_digests(copy: Path) -> None:
    """Take out of a copy what could tell a content to somebody who guesses it: a content that is erased later, too.

    The index of digests is made again by whoever restores it; a request that is repeated then is written again.
    """
    engine = SqliteEngine(copy)
    try:
        with engine.transaction():
            pages = "SELECT run_no FROM lookup_run WHERE kind = ?"
            engine.execute(f"DELETE FROM lookup_page WHERE run_no IN ({pages})", (Kind.CONTENT_DIGEST,))  # noqa: S608
            engine.execute(
                f"DELETE FROM lookup_filter WHERE block_number >> 32 IN ({pages})",  # noqa: S608
                (Kind.CONTENT_DIGEST,),
            )
            engine.execute("DELETE FROM lookup_run WHERE kind = ?", (Kind.CONTENT_DIGEST,))
            engine.execute("DELETE FROM request_key")
    finally:
        engine.close()
    without_log(copy)


def _checked(staging: Path, now_ms: int) -> Manifest:
    """Open the copy, run the quick audit, and return what it holds with the digests of all files."""
    path = staging / DATABASE
    check_file(path)
    engine = ReadOnlyEngine(path)
    try:
        held = check_contents(engine, str(path))
    finally:
        engine.close()
    files = sorted(each for each in staging.rglob("*") if each.is_file())
    return Manifest(now_ms, held, tuple(_described(staging, each) for each in files))


def _described(staging: Path, path: Path) -> BackedUpFile:
    return BackedUpFile(path.relative_to(staging).as_posix(), path.stat().st_size, digest_of(path))


def digest_of(path: Path) -> bytes:
    """Return the SHA-256 of a file, read piece by piece."""
    with path.open("rb") as file:
        return _digest(file)


def _digest(file: IO[bytes]) -> bytes:
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.digest()


def _copy_beside(folder: Path, settings: Settings, staging: Path) -> tuple[str, ...]:
    """Copy the files that belong to a home; return the paths of those that lie elsewhere and are named by settings."""
    # The file itself and no rendering of it: an operator's comments come back too.
    shutil.copyfile(folder / FILE_NAME, staging / FILE_NAME)
    left_out = []
    for name in settings.public_files:
        if is_plain(name):
            _copy(folder / name, staging / name)
        else:
            left_out.append(name)
    # After the database: a regtest that has more than the journal knows is what every restart finds.
    for name in ("blocks", "mempool"):
        if (folder / REGTEST / name).is_file():
            _copy(folder / REGTEST / name, staging / REGTEST / name)
    return (*left_out, *settings.secret_files)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _close(staging: Path) -> None:
    """Leave what is in a backup (content in clear, perhaps keys) to its owner, and flush it to the disk."""
    for path in sorted(staging.rglob("*")):
        path.chmod(_FOLDER_MODE if path.is_dir() else _FILE_MODE)
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
    for path in (staging, *(each for each in staging.rglob("*") if each.is_dir())):
        sync_folder(path)


def _pack(staging: Path, manifest: Manifest, target: Path) -> None:
    """Write one uncompressed tar file, the manifest first, read it back, and put it in its place."""
    beside = staging.with_name(f"{staging.name}{TAR}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for name in (MANIFEST, *(each.path for each in manifest.files)):
                    tar.add(staging / name, arcname=name, recursive=False, filter=_nobodys)
            file.flush()
            os.fsync(file.fileno())
        _read_back(beside, manifest)
        beside.rename(target)
    finally:
        beside.unlink(missing_ok=True)


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who made the backup: whoever restores it owns what comes out."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _read_back(path: Path, manifest: Manifest) -> None:
    with tarfile.open(path, "r:") as tar:
        for each in manifest.files:
            member = tar.extractfile(each.path)
            if member is None or _digest(member) != each.sha256:
                raise BackupError(f"{path}: {each.path} was not written as it is; check the disk")


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """Make a folder beside the target with a name of this process; remove it where it was not put in place."""
    staging = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        shutil.rmtree(staging, ignore_errors=True)  # of a process of the same number that was killed
        staging.mkdir(mode=_FOLDER_MODE)
    except OSError as error:
        raise SettingsError(f"{target}: no backup can be made here: {error.strerror}; choose another place") from error
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
