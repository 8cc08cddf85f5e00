# SPDX-License-Identifier: Apache-2.0
"""Whom the verifier expects as the author: an identity by its chain id, or a single key.

Input is what he was given by another way than the receipt. ``steps_author`` compares it with what the entry names.
"""

from dataclasses import dataclass

from anchor.proof.codec import HASH_SIZE
from anchor.proof.did import DID_KEY, key_of_did
from anchor.proof.errors import MalformedError, Reason, VerificationError


@dataclass(frozen=True, slots=True)
class ExpectedAuthor:
    """The identity (its chain id) or the key that must have signed; exactly one of them, 32 bytes."""

    identity: bytes | None = None
    key: bytes | None = None

    def __str__(self) -> str:
        return f"identity {self.identity.hex()}" if self.identity is not None else f"key {(self.key or b'').hex()}"

    @classmethod
    def decode(cls, text: str) -> "ExpectedAuthor":
        """Read a chain id (64 hex digits) or the did:key of a key; raise MalformedError for anything else."""
        if text.startswith(DID_KEY):
            return cls(key=key_of_did(text))
        try:
            found = bytes.fromhex(text)
        except ValueError:
            found = b""
        if len(found) != HASH_SIZE or len(text) != 2 * HASH_SIZE:
            raise MalformedError(
                f"expected the chain id of an identity (64 hex digits) or a did:key, got {text[:60]!r}"
            )
        return cls(identity=found)

    def check_signed(self, public_key: bytes, identity: bytes | None) -> None:
        """Raise VerificationError(ANOTHER_AUTHOR) unless this key, in this identity's name, is what is expected."""
        if self.key is not None and self.key != public_key:
            raise _another(f"signed by key {public_key.hex()}, expected {self}")
        if self.identity is not None and self.identity != identity:
            named = "no identity" if identity is None else f"identity {identity.hex()}"
            raise _another(f"signed by key {public_key.hex()} in the name of {named}, expected {self}")

    def refuse_unsigned(self) -> None:
        """Raise VerificationError(ANOTHER_AUTHOR): an entry that nobody signed is nobody's."""
        raise _another(f"the entry is not signed, expected {self}")


def _another(message: str) -> VerificationError:
    return VerificationError(Reason.ANOTHER_AUTHOR, message)
