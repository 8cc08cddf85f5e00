# SPDX-License-Identifier: Apache-2.0
"""Ed25519 for the client: an author's key, and signature checks at OpenSSL's speed where ``cryptography`` is installed.

Without it checks are those of ``anchor.proof.ed25519``, some hundred times slower and by the same rule; keys that sign
need it, or are the caller's own (anything with ``public_key`` and ``sign``: a hardware module, a remote signer).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from anchor.proof import ed25519
from anchor.proof.errors import AnchorlineError


class AuthorKey(Protocol):
    """What signs entries: a public key of 32 bytes, and Ed25519 signatures (RFC 8032) of 64."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that stand in the entry."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature over ``message``."""
        ...


@dataclass(frozen=True, slots=True)
class Together:
    """Two to sixteen keys that sign each entry together (author type 5), in the name of no identity."""

    keys: tuple[AuthorKey, ...]


@dataclass(frozen=True, slots=True)
class Signatory:
    """Who signs entries: a key, or several together; and the chain id (32 bytes) of the one key's identity, if any."""

    key: AuthorKey | Together
    identity: bytes | None = None


class SigningError(AnchorlineError):
    """A key that is elsewhere (an agent, a token) is not there, or does not sign; the message says what to do."""


class Ed25519Key:
    """An author's key in memory, made of a seed of 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        """Return the signature over ``message``."""
        return self._key.sign(message)

    @classmethod
    def load(cls, path: Path, password: bytes | None = None) -> "Ed25519Key":
        """Read a PKCS #8 PEM file, as ``openssl genpkey -algorithm ed25519`` writes it; ValueError for another key."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key = load_pem_private_key(path.read_bytes(), password)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{path}: expected an Ed25519 private key, found another kind")  # noqa: TRY004  # a value
        return cls(key.private_bytes_raw())


def fastest_check() -> ed25519.SignatureCheck:
    """Return the fastest signature check there is here; all accept the same signatures."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return ed25519.verify

    def check(public_key: bytes, message: bytes, signature: bytes) -> bool:
        # OpenSSL takes keys and points that the rule refuses: those are refused in front.
        if not ed25519.acceptable_encodings(public_key, signature):
            return False
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    return check
