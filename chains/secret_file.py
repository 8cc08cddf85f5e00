"""Files of secrets of their owners alone: a reader's key, an organisation's search key; encrypted under a password.

``anchorline reader-key`` and ``search-key`` write them, whoever opens or searches reads them; no service ever sees one.
The form is that of the wallet's key file (docs/spec/key-file.md): scrypt and AES-256-GCM, bound to what is public.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from anchor.bitcoin.key_cipher import PADDED_SIZE, TAG_SIZE, Cost, Sealed, seal, unseal
from anchor.errors import SettingsError, WrongPasswordError
from anchor.proof.codec import HASH_SIZE
from anchor.proof.errors import MalformedError
from anchor.proof.strictjson import Fields, loads
from anchor.signing import read_private_file, write_private_file
from chains.client.encrypting import ReaderKey

SECRET_SIZE = HASH_SIZE
_MAX_FILE = 10_000
COST = Cost()


class SecretKind(StrEnum):
    """What a file holds: the first line of what its encryption is bound to, and the name of its format."""

    READER_KEY = "anchorline-reader-key/1"
    SEARCH_KEY = "anchorline-search-key/1"


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file as it is read: ``public`` names the secret in clear, which is encrypted (or ``plain``, 32 bytes)."""

    kind: SecretKind
    public: str
    encrypted: Sealed | None = None
    plain: bytes | None = field(default=None, repr=False)

    def encode(self) -> bytes:
        """Return the file."""
        value = {"format": self.kind.value, "public": self.public}
        secret = {"plain": self.plain.hex()} if self.encrypted is None and self.plain is not None else {}
        sealed = {} if self.encrypted is None else {"encrypted": self.encrypted.facts()}
        return (json.dumps(value | secret | sealed, indent=1) + "\n").encode()

    def secret(self, password: Callable[[], str]) -> bytes:
        """Return the secret (32 bytes); the password is asked for where the file is encrypted.

        Raises WrongPasswordError where it does not fit, or anything of the file was changed.
        """
        if self.encrypted is None:
            assert self.plain is not None
            return self.plain
        try:
            return bytes.fromhex(unseal(self.encrypted, _bound(self.kind, self.public), password()).decode("ascii"))
        except WrongPasswordError:
            raise WrongPasswordError(f"{self.public}: the password does not open it, or the file was changed") from None


def write_secret(path: Path, kind: SecretKind, public: str, secret: bytes, password: str | None, cost: Cost) -> None:
    """Write a new file (mode 600, synced), encrypted where a password is given; nothing is overwritten."""
    made = SecretFile(kind, public, plain=secret)
    if password is not None:
        made = encrypted_secret(kind, public, secret, password, os.urandom(28), cost)
    write_private_file(path, made.encode())


def encrypted_secret(
    kind: SecretKind, public: str, secret: bytes, password: str, randomness: bytes, cost: Cost
) -> SecretFile:
    """Return the file of a secret under a password; ``randomness`` is 28 fresh bytes."""
    return SecretFile(kind, public, seal(secret.hex().encode(), _bound(kind, public), password, randomness, cost))


def unlocked_reader_key(file: SecretFile, password: Callable[[], str]) -> ReaderKey:
    """Return the key in a reader's file; raises WrongPasswordError, too, where it is not the one that is named."""
    key = ReaderKey(file.secret(password))
    if key.text != file.public:
        raise WrongPasswordError(f"{file.public}: is not the public part of the key in its file, which was changed")
    return key


def read_secret(path: Path, kind: SecretKind) -> SecretFile:
    """Read a file of this kind, without opening what is encrypted.

    Raises SettingsError where it is missing, where others may read it, and for a file of another kind.
    """
    try:
        return _decode(read_private_file(path), kind, path.name)
    except MalformedError as error:
        raise SettingsError(f"{path}: expected a file of the format {kind}: {error}") from None


def _decode(data: bytes, kind: SecretKind, name: str) -> SecretFile:
    fields = Fields(loads(data, name, _MAX_FILE), name)
    fields.format(kind.value)
    public = fields.text("public")
    if "plain" in fields:
        plain = fields.hex("plain", exact=SECRET_SIZE)
        fields.end()
        return SecretFile(kind, public, None, plain)
    encrypted = Fields(fields.take("encrypted"), f"{name}: encrypted")
    fields.end()
    return SecretFile(kind, public, Sealed.read(encrypted, PADDED_SIZE + TAG_SIZE))


def _bound(kind: SecretKind, public: str) -> bytes:
    return f"{kind.value}\n{public}\n".encode()
