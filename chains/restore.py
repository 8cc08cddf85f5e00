"""A home made of a backup again, and whether it is in step with what the world has seen of its log.

``anchorline restore`` calls it. Every file must be what the manifest says, and the database must pass the quick audit,
before anything has the name of a home; what the home lacks since then, ``anchorline rebuild`` is for.
"""

import hashlib
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO

from anchor.errors import (
    BackupError,
    BehindError,
    HijackedThreadError,
    SettingsError,
    SourceError,
    StorageBusyError,
)
from anchor.proof.errors import MalformedError
from anchor.storage.sqlite import SqliteEngine
from chains.backup_check import check_contents, check_file
from chains.backup_manifest import MAX_MANIFEST, BackedUpFile, Manifest
from chains.backup_manifest import NAME as MANIFEST
from chains.content_keys import take_copy
from chains.encrypted_keys import NAME as ENCRYPTED_KEYS
from chains.encrypted_keys import decrypt_keys, read_keys
from chains.home import DATABASE, KEYS, Clock, Home, now_ms
from chains.home_staging import check_keys, check_target, let_file_count, put_in_place, staging, write_keys
from chains.key_store import NAME as CONTENT_KEYS
from chains.moving import Place, check_file_decides, move
from chains.settings import FILE_NAME

_PIECE = 1 << 20
_MAX_KEYS_FILE = 4_000_000
Opened = Callable[[str], IO[bytes]]


class Step(StrEnum):
    """Whether a home is as far as the world has seen its log."""

    IN_STEP = "in step"
    BEHIND = "behind"
    NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a home stands, and who says so or why nobody can."""

    step: Step
    message: str


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored; ``has_keys`` says whether the home can sign, ``missing`` which named files are not here.

    ``has_content_keys`` says whether contents can be read.
    """

    manifest: Manifest
    has_keys: bool
    missing: tuple[str, ...]
    standing: Standing
    has_content_keys: bool = False


def restore(
    backup: Path,
    folder: Path,
    password: Callable[[], str],
    keys: Path | None = None,
    clock: Clock = now_ms,
    content_keys: Path | None = None,
    to: Place | None = None,
) -> Restored:
    """Make a home in ``folder``, which must be new or empty, from a backup; return how it stands.

    Its log is in a SQLite file, wherever it was before; where ``to`` is given, it is moved there at the end
    (``chains.moving``), and a run that ended in between is gone on with by ``anchorline migrate``. The keys come from
    the backup (``password`` is asked for where they are in it) or from the folder ``keys``, and must be those of the
    log. ``content_keys`` is a copy of the content keys, without which no content can be read.
    Nothing is left behind where anything does not verify; a run that was killed is repeated.
    Raises BackupError, SettingsError, WrongPasswordError, StorageError.
    """
    check_target(folder)
    check_file_decides()
    with _opened(backup) as (manifest, opened), staging(folder) as made:
        for each in manifest.files:
            if each.path != ENCRYPTED_KEYS:
                _copy(opened, each, made, backup)
        _check_database(made, manifest, backup)
        let_file_count(made / FILE_NAME)
        if content_keys is not None:
            take_copy(content_keys, made / CONTENT_KEYS)
        found = _keys_of(manifest, opened, password, keys, backup)
        if found:
            write_keys(made / KEYS, found)
        with Home.open(made, clock) as home:
            if found:
                check_keys(home)
            missing = _missing(home)
        put_in_place(made, folder)
    if to is not None:
        move(folder, to, clock)
    with Home.open(folder, clock) as home:
        return Restored(manifest, bool(found), missing, standing_of(home), content_keys is not None)


def standing_of(home: Home) -> Standing:
    """Ask this machine's note, the published checkpoint and Bitcoin whether a home is behind; nothing is signed."""
    asked = []
    try:
        if home.check_high_water():
            asked.append("what this machine has noted")
        if home.published_checkpoint is not None:
            home.published_checkpoint.check()
            asked.append("what is published")
        home.source.check_network()
        home.unchecked_anchoring.in_step.check()
        asked.append("the thread on Bitcoin")
    except (BehindError, HijackedThreadError) as error:
        return Standing(Step.BEHIND, str(error))
    except (SourceError, SettingsError, StorageBusyError) as error:
        return Standing(Step.NOT_KNOWN, str(error))
    return Standing(Step.IN_STEP, f"it is level with {', '.join(asked)}")


# --- the backup


@contextmanager
def _opened(backup: Path) -> Iterator[tuple[Manifest, Opened]]:
    """Yield the manifest of a folder or a tar file, and what opens the files that it lists."""
    with ExitStack() as stack:
        if backup.is_dir():
            opened: Opened = lambda name: (backup / name).open("rb")  # noqa: E731  # one of two ways
        else:
            opened = _members(_tar(backup, stack), backup)
        try:
            with opened(MANIFEST) as file:
                manifest = Manifest.decode(file.read(MAX_MANIFEST + 1))
        except FileNotFoundError as error:
            raise BackupError(f"{backup}: expected a backup, found no {MANIFEST} in it") from error
        except MalformedError as error:
            raise BackupError(f"{backup}: {error}") from error
        if DATABASE not in {each.path for each in manifest.files}:
            raise BackupError(f"{backup}: its manifest lists no {DATABASE}")
        yield manifest, opened


def _tar(backup: Path, stack: ExitStack) -> tarfile.TarFile:
    try:
        return stack.enter_context(tarfile.open(backup, "r:"))
    except FileNotFoundError as error:
        raise SettingsError(f"{backup}: no such backup") from error
    except tarfile.TarError as error:
        raise BackupError(f"{backup}: expected a backup (a folder, or a tar file), found something else") from error


def _members(tar: tarfile.TarFile, backup: Path) -> Opened:
    """Return what opens plain files of a tar by name: links and devices are none, and nothing is ever unpacked."""

    def opened(name: str) -> IO[bytes]:
        try:
            member = tar.getmember(name)
        except (KeyError, tarfile.TarError):
            raise FileNotFoundError(2, "not in the tar file", f"{backup}: {name}") from None
        file = tar.extractfile(member) if member.isreg() else None
        if file is None:
            raise BackupError(f"{backup}: {name}: expected a plain file")
        return file

    return opened


def _copy(opened: Opened, wanted: BackedUpFile, staging: Path, backup: Path) -> None:
    """Copy one file, and compare size and SHA-256 of what was copied with the manifest."""
    target = staging / wanted.path
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    try:
        with opened(wanted.path) as source, target.open("xb") as file:
            while size <= wanted.size and (piece := source.read(_PIECE)):
                digest.update(piece)
                file.write(piece)
                size += len(piece)
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError as error:
        raise BackupError(f"{backup}: {wanted.path} is missing; find another backup") from error
    except tarfile.TarError as error:
        raise BackupError(f"{backup}: {wanted.path} is cut short; find another backup") from error
    if (size, digest.digest()) != (wanted.size, wanted.sha256):
        raise BackupError(
            f"{backup}: {wanted.path}: expected {wanted.size} bytes with SHA-256 {wanted.sha256.hex()}, found others; "
            "it is damaged or was changed: find another backup"
        )


def _check_database(staging: Path, manifest: Manifest, backup: Path) -> None:
    """Check the copied database; opening it brings one of an older Anchorline up to date."""
    path = staging / DATABASE
    check_file(path)
    engine = SqliteEngine(path)
    try:
        held = check_contents(engine, str(backup))
    finally:
        engine.close()
    if held != manifest.held:
        raise BackupError(
            f"{backup}: its manifest speaks of log {manifest.held.log_id.hex()} with {manifest.held.entries} entries "
            f"and {manifest.held.directory_size} directory leaves, its database is of log {held.log_id.hex()} with "
            f"{held.entries} and {held.directory_size}"
        )


# --- keys


def _keys_of(
    manifest: Manifest, opened: Opened, password: Callable[[], str], keys: Path | None, backup: Path
) -> dict[str, bytes]:
    wanted = next((each for each in manifest.files if each.path == ENCRYPTED_KEYS), None)
    if keys is not None:
        if not keys.is_dir():
            raise SettingsError(f"{keys}: expected a folder of keys, found none")
        return read_keys(keys)
    if wanted is None:
        return {}
    with opened(wanted.path) as file:
        data = file.read(_MAX_KEYS_FILE + 1)
    if hashlib.sha256(data).digest() != wanted.sha256:
        raise BackupError(f"{backup}: {wanted.path} is damaged or was changed: find another backup")
    return decrypt_keys(data, manifest.held.log_id, password())


def _missing(home: Home) -> tuple[str, ...]:
    """Return the files that the settings name and that are not here: they are no part of a backup."""
    named = (*home.settings.public_files, *home.settings.secret_files)
    return tuple(name for name in named if not (home.folder / name).exists())
