"""A home in the making: beside its place, with its keys, until the whole of it gets its name in one step.

``chains.restore`` makes one of a backup, ``chains.restore_mirror`` of a mirror. What a killed run left is removed by
the next one; nothing is left behind where anything does not hold.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from anchor.bitcoin.records import sync_folder
from anchor.errors import SettingsError
from anchor.proof.leaves import Purpose
from anchor.signing import SigningKey, write_private_file
from chains.doctor_home import key_of_log
from chains.home import KEYS, Home
from chains.moving import Place
from chains.settings_text import with_values


def check_target(folder: Path) -> None:
    """Refuse a place where something is; raises SettingsError."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"{folder}: expected a new or empty folder; a home is never restored over another")


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Make a folder beside the home; it is removed unless it was put in place, also what a killed run left."""
    staging = folder.with_name(f".{folder.name}.restoring")
    try:
        if staging.exists():
            shutil.rmtree(staging)
        staging.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise SettingsError(f"{folder}: no home can be made here: {error.strerror}; choose another folder") from error
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def put_in_place(staging: Path, folder: Path) -> None:
    """Give the whole home its name in one step: an empty folder of that name is replaced."""
    for path in (staging, *(each for each in staging.rglob("*") if each.is_dir())):
        sync_folder(path)
    if folder.exists():
        folder.rmdir()
    staging.rename(folder)
    sync_folder(folder.resolve().parent)


def write_keys(folder: Path, keys: dict[str, bytes]) -> None:
    """Write the files of keys, for their owner alone."""
    folder.mkdir(mode=0o700)
    for name, data in keys.items():
        write_private_file(folder / name, data)


def check_keys(home: Home) -> None:
    """Refuse keys of another log, or of before a change of keys: what they sign nobody would believe."""
    purposes = Purpose.CHECKPOINT, Purpose.PROMISE
    check_keys_are({purpose: key_of_log(home, purpose).value for purpose in purposes}, home.folder / KEYS)


def check_keys_are(wanted: Mapping[Purpose, bytes], keys: Path) -> None:
    """Refuse a folder of keys in which those of these purposes are not the ones of these public keys."""
    for purpose, public_key in wanted.items():
        name = purpose.name.lower()
        if SigningKey.load(keys / f"{name}.pem").public_key != public_key:
            raise SettingsError(f"keys: {name}.pem is not the {name} key of this log; give the folder of its keys")


def let_file_count(settings: Path) -> None:
    """Let the restored settings name the restored file: the database that they named may be at work, or be lost."""
    text = settings.read_text(encoding="utf-8")
    settings.write_text(with_values(text, Place().values()), encoding="utf-8")
