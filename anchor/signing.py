"""Ed25519 keys of the service: made, kept in key files, used; with the fast check of everybody's signatures beside.

Keys live in the home's ``keys`` folder as PKCS #8 PEM, readable by their owner only. ``anchor.directory`` signs
checkpoints and ``chains.writer`` promises; every signature check outside ``anchor.proof`` is ``check_signature``.
"""

import binascii
import os
import unicodedata
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from anchor.bitcoin.records import sync_folder
from anchor.errors import SettingsError, WrongPasswordError
from anchor.signature_check import check_signature

__all__ = [
    "KEY_FILE_MODE",
    "SigningKey",
    "check_signature",
    "is_encrypted_key",
    "read_private_file",
    "replace_private_file",
    "write_private_file",
]

KEY_FILE_MODE = 0o600
_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_OPENSSH_MAGIC = b"openssh-key-v1\0"
# Enough of the base64 behind the first line to see the cipher, in whole groups of four.
_OPENSSH_START = 64


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

    def save(self, path: Path, password: str | None = None) -> None:
        """Write a new key file (mode 0600, synced), encrypted where a password is given; nothing is overwritten."""
        write_private_file(path, self.encode(password))

    def encode(self, password: str | None = None) -> bytes:
        """Return the key as PKCS #8 PEM, encrypted where a password is given (RFC 5958, PBES2 of RFC 8018)."""
        encryption = NoEncryption() if password is None else BestAvailableEncryption(_password_bytes(password))
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    @classmethod
    def load(cls, path: Path, password: str | None = None) -> "SigningKey":
        """Read a key file, PKCS #8 or OpenSSH; raise SettingsError where it is missing, open to others, or no Ed25519.

        ``password`` is for an encrypted one, and ignored for another; raises WrongPasswordError where it does not fit.
        """
        pem = read_private_file(path)
        read = load_ssh_private_key if _OPENSSH in pem else load_pem_private_key
        secret = _password_bytes(password) if password is not None and is_encrypted_key(pem) else None
        try:
            key = read(pem, password=secret)
        except UnsupportedAlgorithm as error:
            raise SettingsError(f"{path}: {error}; install anchorline[ssh] for OpenSSH keys with a password") from error
        except TypeError:
            raise SettingsError(
                f"{path}: expected an Ed25519 key in clear, found an encrypted one; give its password"
            ) from None
        except ValueError:
            if secret is not None:
                raise WrongPasswordError(f"{path}: the password does not open it, or the file is damaged") from None
            raise SettingsError(f"{path}: expected an Ed25519 private key, PKCS #8 or OpenSSH, in PEM") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise SettingsError(f"{path}: expected an Ed25519 private key, found another kind")
        return cls(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))


def is_encrypted_key(pem: bytes) -> bool:
    """Say whether a PEM file holds an encrypted key (RFC 7468 section 11)."""
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in pem or _is_encrypted_openssh(pem)


def _is_encrypted_openssh(pem: bytes) -> bool:
    """Say whether an OpenSSH key file names a cipher behind its magic (OpenSSH's PROTOCOL.key, section 1)."""
    _, found, rest = pem.partition(_OPENSSH)
    try:
        start = binascii.a2b_base64(rest.lstrip()[:_OPENSSH_START]) if found else b""
    except binascii.Error:
        return False
    return start.startswith(_OPENSSH_MAGIC) and not start.startswith(_OPENSSH_MAGIC + b"\0\0\0\x04none")


def _password_bytes(password: str) -> bytes:
    """NFC, so that a letter typed on another keyboard is the same letter (UAX 15)."""
    return unicodedata.normalize("NFC", password).encode()


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
    sync_folder(path.parent)


def replace_private_file(path: Path, data: bytes) -> None:
    """Write a key file anew, whole or not at all: beside it first (mode 0600, synced), then renamed over it."""
    beside = path.with_name(f"{path.name}.new")
    # What an interrupted change left; ``path`` is whole, so nothing is lost with it.
    beside.unlink(missing_ok=True)
    write_private_file(beside, data)
    beside.replace(path)
    sync_folder(path.parent)


def read_private_file(path: Path) -> bytes:
    """Read a key file; raise SettingsError where it is missing or others may read it."""
    try:
        mode = path.stat().st_mode
        if mode & 0o077:
            raise SettingsError(
                f"{path}: others may read it (mode {mode & 0o777:o}); run `chmod 600 {path}` and consider known "
                "what is in it"
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such key file; restore it from your backup of the keys") from error
    except PermissionError as error:
        raise SettingsError(f"{path}: this user may not read the key file") from error
