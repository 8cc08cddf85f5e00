"""The keys of a home in a backup: every file of the ``keys`` folder, encrypted together under one password.

``chains.backup`` writes it where that is asked for, ``chains.restore`` opens it. What was encrypted in the home already
(the wallet's key, the recovery key) is so inside as well; the file is bound to its log.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from pathlib import Path

from anchor.bitcoin.key_cipher import TAG_SIZE, Cost, Sealed, seal, unseal
from anchor.errors import BackupError, WrongPasswordError
from anchor.proof.errors import MalformedError
from anchor.proof.strictjson import Fields, loads
from anchor.signing import read_private_file

NAME = "keys.encrypted"
FORMAT = "anchorline-backup-keys/1"
# The size says next to nothing about which keys there are.
_STEP = 16_384
# A home has four keys, and an old wallet's for each thread that was lost.
_MAX_KEYS = 1_000_000
_MAX_FILE = 4 * _MAX_KEYS
COST = Cost()


def read_keys(folder: Path) -> dict[str, bytes]:
    """Return the files of a ``keys`` folder by their names; raises SettingsError where others may read one."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.endswith(".new"))
    return {name: read_private_file(folder / name) for name in names}


def encrypt_keys(keys: Mapping[str, bytes], log_id: bytes, password: str) -> bytes:
    """Return the file; raises SettingsError for a password that is too short."""
    text = json.dumps({name: base64.b64encode(data).decode() for name, data in keys.items()}).encode()
    padded_size = (len(text) // _STEP + 1) * _STEP
    sealed = seal(text, _bound(log_id), password, os.urandom(28), COST, padded_size)
    return (json.dumps({"format": FORMAT, **sealed.facts()}, indent=1) + "\n").encode()


def decrypt_keys(data: bytes, log_id: bytes, password: str) -> dict[str, bytes]:
    """Return the key files by their names.

    Raises WrongPasswordError where the password, the log or a byte is another, BackupError for what is no such file, or
    one of a newer Anchorline. No message repeats a key or the password.
    """
    try:
        sealed = _decode(data)
    except MalformedError as error:
        raise BackupError(f"{NAME}: expected the keys of a backup: {error}") from None
    try:
        text = unseal(sealed, _bound(log_id), password, len(sealed.ciphertext) - TAG_SIZE)
    except WrongPasswordError:
        raise WrongPasswordError(f"{NAME}: the password does not open it, or it was changed") from None
    return _files(text)


def _files(text: bytes) -> dict[str, bytes]:
    problem = f"{NAME}: opened, and it does not hold key files"
    try:
        files = {str(name): base64.b64decode(data, validate=True) for name, data in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError, binascii.Error):
        raise BackupError(problem) from None
    if any(not name or name.startswith(".") or "/" in name or "\x00" in name for name in files):
        raise BackupError(problem)
    return files


def _decode(data: bytes) -> Sealed:
    fields = Fields(loads(data, NAME, _MAX_FILE), NAME)
    fields.format(FORMAT)
    return Sealed.read(fields, _MAX_KEYS)


def _bound(log_id: bytes) -> bytes:
    return f"{FORMAT}\n{log_id.hex()}\n".encode()
