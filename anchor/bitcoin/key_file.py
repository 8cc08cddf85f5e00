"""The file that keeps a wallet's secret: JSON of a known version, readable by its owner alone.

Input is what ``wallet`` hands over, or the file itself. ``cli.py`` asks for both through ``wallet``.
"""

import json
import os
import stat
from pathlib import Path

from anchor.bitcoin.records import sync_folder
from anchor.errors import SettingsError, StorageError
from anchor.proof.errors import UnknownVersionError

_NAME = "anchorline-bitcoin-key/"
FORMAT = _NAME + "1"
_MAX_SIZE = 10_000
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_key_file(path: Path, fields: dict[str, str]) -> None:
    """Write a new key file with mode 0600, durably; a crash leaves either all of it or no ``path``.

    Raises StorageError where ``path`` exists (a key is never written over) or cannot be written.
    """
    beside = path.with_name(path.name + ".new")
    text = json.dumps({"format": FORMAT, **fields}, indent=2) + "\n"
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise StorageError(
            f"{beside}: expected no such file, found one that an interrupted attempt left; remove it"
        ) from error
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error}") from error
    try:
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # Whoever holds the file beside is the only writer, so nobody makes ``path`` after this look.
        if path.exists():
            raise StorageError(
                f"{path}: expected no such file, since a key is never written over; move the old one away"
            )
        beside.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error}") from error
    finally:
        beside.unlink(missing_ok=True)


def read_key_file(path: Path) -> dict[str, str]:
    """Return the fields of a key file, without its format.

    Raises SettingsError where it is missing, is open to others than its owner, or is not a key file;
    UnknownVersionError where a newer Anchorline wrote it. No message repeats what is in it.
    """
    fields = _parse(path, _read_private(path))
    name = fields.pop("format", "")
    if name == FORMAT:
        return fields
    if name.startswith(_NAME):
        raise UnknownVersionError(f"{path}: written by a newer Anchorline: expected {FORMAT}, found {name[:60]}")
    raise SettingsError(f"{path}: expected a key file of format {FORMAT}, found another file")


def _read_private(path: Path) -> bytes:
    """Read the file if its owner alone may; the descriptor is asked, so that no other file can slip in."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such key file; make one, or correct the setting") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    with os.fdopen(fd, "rb") as file:
        mode = stat.S_IMODE(os.fstat(fd).st_mode)
        if mode & _OTHERS:
            raise SettingsError(
                f"{path}: expected a key file that its owner alone can read, found mode {mode:04o}; "
                f"run: chmod 600 {path}"
            )
        return file.read(_MAX_SIZE)


def _parse(path: Path, data: bytes) -> dict[str, str]:
    try:
        fields = json.loads(data)
    except ValueError:
        fields = None
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        # Without ``from``: the parser's error carries the whole text, and with it the secret.
        raise SettingsError(f"{path}: expected a key file (a JSON object of texts), found something else")
    return fields
