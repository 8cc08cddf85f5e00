"""Ed25519 keys of the service: made, kept in key files, used; and the fast check of everybody's signatures.

Keys live in the home's ``keys`` folder as PKCS #8 PEM, readable by their owner only. ``anchor.directory`` signs
checkpoints and ``chains.writer`` promises; every signature check outside ``anchor.proof`` is ``check_signature``.
"""

import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from anchor.errors import SettingsError
from anchor.proof.ed25519 import acceptable_encodings

KEY_FILE_MODE = 0o600


class SigningKey:
    """One Ed25519 private key (RFC 8032)."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @classmethod
    def generate(cls) -> "SigningKey":
        """Return a new key from the operating system's randomness."""
        return cls(os.urandom(32))

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature; the same message always gets the same one (RFC 8032 section 5.1.6)."""
        return self._key.sign(message)

    def save(self, path: Path) -> None:
        """Write a new key file (mode 0600, synced); an existing file is never overwritten."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private_file(path, pem)

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Read a key file; raise SettingsError where it is missing, readable by others, or not an Ed25519 key."""
        pem = read_private_file(path)
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise SettingsError(f"{path}: expected an Ed25519 private key in PEM") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise SettingsError(f"{path}: expected an Ed25519 private key, found another kind")
        return cls(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))


def check_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether a signature holds, by Anchorline's rule (``anchor.proof.ed25519``), at OpenSSL's speed.

    OpenSSL compares encode(sB - hA) with R as the rule wants, but takes keys and R of small order and keys that
    are not canonical; those are refused in front.
    """
    if not acceptable_encodings(public_key, signature):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def write_private_file(path: Path, data: bytes) -> None:
    """Write a new file that only its owner may read, synced with its folder; refuse to overwrite."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, KEY_FILE_MODE)
    except FileExistsError as error:
        raise SettingsError(f"{path}: exists already; a key is never overwritten") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_private_file(path: Path) -> bytes:
    """Read a key file; raise SettingsError where it is missing or others may read it."""
    try:
        mode = path.stat().st_mode
        if mode & 0o077:
            raise SettingsError(
                f"{path}: others may read it (mode {mode & 0o777:o}); run `chmod 600 {path}` and consider the key known"
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such key file; restore it from your backup of the keys") from error
    except PermissionError as error:
        raise SettingsError(f"{path}: this user may not read the key file") from error
