"""The file of a wallet: in clear what is public, encrypted or in clear what signs; readable by its owner alone.

Input is what ``wallet`` hands over, or the file itself (docs/spec/key-file.md has the format). ``wallet`` makes a key
of it when something is to be signed; what is public is read without a password.
"""

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anchor.bitcoin.key_cipher import Cost, Sealed, seal, unseal
from anchor.bitcoin.records import sync_folder
from anchor.errors import SettingsError, StorageError
from anchor.proof.errors import MalformedError, UnknownVersionError
from anchor.proof.strictjson import Fields, loads

_NAME = "anchorline-key/"
FORMAT = _NAME + "2"
# Homes of version 0.1.0: words or key in clear, and nothing else.
_OLD_NAME = "anchorline-bitcoin-key/"
OLD_FORMAT = _OLD_NAME + "1"
KINDS = ("mnemonic", "extended_key")
_MAX_SIZE = 10_000
_MAX_CIPHERTEXT = 1_000
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Secret:
    """What signs: ``kind`` is "mnemonic" (BIP 39 words) or "extended_key" (BIP 32 master key)."""

    kind: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What is in a key file: ``secret`` is in clear, encrypted, or (of a wallet that others sign for) absent.

    ``descriptor`` is absent in files of version 0.1.0 only.
    """

    network: str
    descriptor: str
    secret: Secret | Sealed | None

    @property
    def is_encrypted(self) -> bool:
        """Whether a password is needed to sign."""
        return isinstance(self.secret, Sealed)

    def encrypted(self, password: str, cost: Cost | None = None) -> "KeyFile":
        """Return the same with its secret under a password; raises SettingsError for one that is too short."""
        assert isinstance(self.secret, Secret)
        text = f"{self.secret.kind} {self.secret.text}".encode()
        sealed = seal(text, self._bound(), password, os.urandom(28), cost or Cost())
        return KeyFile(self.network, self.descriptor, sealed)

    def opened(self, password: str) -> Secret:
        """Return the secret; raises what ``key_cipher.unseal`` raises."""
        assert isinstance(self.secret, Sealed)
        kind, _, text = unseal(self.secret, self._bound(), password).decode().partition(" ")
        return Secret(kind, text)

    def _bound(self) -> bytes:
        """What belongs to the secret: whoever changes it in the file, for another's address say, is found out."""
        return f"{FORMAT}\n{self.network}\n{self.descriptor}\n".encode()

    def encode(self) -> bytes:
        """Return the file's bytes."""
        value: dict[str, Any] = {"format": FORMAT, "network": self.network, "descriptor": self.descriptor}
        if isinstance(self.secret, Secret):
            value["plain"] = {self.secret.kind: self.secret.text}
        elif isinstance(self.secret, Sealed):
            value["encrypted"] = self.secret.facts()
        return (json.dumps(value, indent=2) + "\n").encode()


def write_key_file(path: Path, file: KeyFile, *, replace: bool = False) -> None:
    """Write a key file with mode 0600, durably; a crash leaves either all of it or what was there before.

    Raises StorageError where ``path`` exists (a key is never written over, but by itself: ``replace``, which wants an
    older version of the same key there) or cannot be written.
    """
    beside = path.with_name(path.name + ".new")
    if replace:
        # What an interrupted change left; ``path`` is whole, so nothing is lost with it.
        beside.unlink(missing_ok=True)
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise StorageError(
            f"{beside}: expected no such file, found one that an interrupted attempt left; remove it"
        ) from error
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error}") from error
    try:
        with os.fdopen(fd, "wb") as opened:
            opened.write(file.encode())
            opened.flush()
            os.fsync(opened.fileno())
        # Whoever holds the file beside is the only writer, so nobody makes ``path`` after this look.
        if path.exists() and not replace:
            raise StorageError(
                f"{path}: expected no such file, since a key is never written over; move the old one away"
            )
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error}") from error
    finally:
        beside.unlink(missing_ok=True)


def read_key_file(path: Path) -> KeyFile:
    """Return what is in a key file.

    Raises SettingsError where it is missing, is open to others than its owner, or is not a key file;
    UnknownVersionError where a newer Anchorline wrote it. No message repeats what is in it.
    """
    data = _read_private(path)
    problem = None
    try:
        fields = Fields(loads(data, "key file", _MAX_SIZE), "key file")
        name = fields.text("format")
    except MalformedError:
        problem = f"{path}: expected a key file (JSON with a format), found something else"
    if problem is None:
        problem = _version_problem(path, name)
    if problem is None:
        try:
            return _old_file(fields) if name == OLD_FORMAT else _file(fields)
        except MalformedError:
            problem = f"{path}: expected a key file of format {name}, found one with other fields; restore your copy"
    # Outside of the ``except``: an error of the reader behind ours would carry the whole text, secret and all.
    raise SettingsError(problem)


def _version_problem(path: Path, name: str) -> str | None:
    if name in {FORMAT, OLD_FORMAT}:
        return None
    if name.startswith((_NAME, _OLD_NAME)):
        raise UnknownVersionError(f"{path}: written by a newer Anchorline: expected {FORMAT}, found {name[:60]}")
    return f"{path}: expected a key file of format {FORMAT}, found another file"


def _file(fields: Fields) -> KeyFile:
    network, descriptor = fields.text("network"), fields.text("descriptor")
    secret: Secret | Sealed | None = None
    if "plain" in fields:
        secret = _plain(Fields(fields.take("plain"), "plain"))
    elif "encrypted" in fields:
        secret = Sealed.read(Fields(fields.take("encrypted"), "encrypted"), _MAX_CIPHERTEXT)
    fields.end()
    return KeyFile(network, descriptor, secret)


def _old_file(fields: Fields) -> KeyFile:
    network = fields.text("network")
    return KeyFile(network, "", _plain(fields))


def _plain(fields: Fields) -> Secret:
    kind = next((name for name in KINDS if name in fields), KINDS[0])
    secret = Secret(kind, fields.text(kind))
    fields.end()
    return secret


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
        return file.read(_MAX_SIZE + 1)
