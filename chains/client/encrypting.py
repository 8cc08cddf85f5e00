# SPDX-License-Identifier: Apache-2.0
"""Content that is encrypted before it leaves this machine, and opened by its readers (docs/spec/envelope.md).

AES-256-GCM under a fresh key, which HPKE wraps for each reader (RFC 9180: X25519, HKDF-SHA256, AES-256-GCM, base mode).
Entries come from ``chains.client.own_entry``; the client, the command line and whoever reads use it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from anchor.proof.codec import exactly, sha256
from anchor.proof.entry import Entry, content_commitment
from anchor.proof.errors import MalformedError
from anchor.proof.receipt import Content, ContentState, Receipt
from chains.client.envelope import (
    MAX_READERS,
    NONCE_SIZE,
    PUBLIC_KEY_SIZE,
    Envelope,
    EnvelopeError,
    EnvelopeFault,
    WrappedKey,
    check_belongs,
    padded,
    reader_id,
    reader_text,
    unpadded,
)

KEY_SIZE = 32
BOX_DOMAIN = b"anchorline/envelope/v1\n"
WRAP_DOMAIN = b"anchorline/envelope-key/v1\n"


class ReaderKey:
    """A reader's X25519 key (RFC 7748): 32 bytes that open what was encrypted for its public part."""

    def __init__(self, private: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        self._key = X25519PrivateKey.from_private_bytes(exactly(private, KEY_SIZE, "a reader's private key"))
        self.public_key = self._key.public_key().public_bytes_raw()

    @property
    def reader(self) -> bytes:
        """The reader's id (32 bytes)."""
        return reader_id(self.public_key)

    @property
    def text(self) -> str:
        """The public part, as it is handed to whoever is to encrypt for this reader."""
        return reader_text(self.public_key)

    def private_bytes(self) -> bytes:
        """Return the secret part: 32 bytes."""
        return self._key.private_bytes_raw()

    def unwrap(self, wrapped: WrappedKey, entry_hash: bytes) -> bytes:
        """Return the content key that was wrapped for this reader; raises EnvelopeError where it does not open."""
        from cryptography.exceptions import InvalidTag

        try:
            return exactly(_suite().decrypt(wrapped.wrap, self._key, WRAP_DOMAIN + entry_hash), KEY_SIZE, "content key")
        except (InvalidTag, ValueError) as error:
            raise EnvelopeError(
                EnvelopeFault.KEY_WRONG,
                f"the key that was wrapped for reader {wrapped.reader.hex()} does not open: whoever wrapped it did it "
                "for another entry, or it was changed",
            ) from error


@dataclass(frozen=True, slots=True)
class Opened:
    """What was in an envelope, and is what the entry commits to: ``salt`` 16 bytes, ``digest`` the content's SHA-256.

    ``content_key`` (32 bytes) opens the envelope for whoever has it: it is what a new reader is given, wrapped.
    """

    entry: Entry
    salt: bytes
    digest: bytes
    content: bytes
    content_key: bytes = field(repr=False)

    def shown_in(self, receipt: Receipt, *, with_content: bool = True) -> Receipt:
        """Return the receipt of the same entry with salt and digest, and the content in it if that is wanted.

        So it proves to a third party what was encrypted. Raises ValueError for the receipt of another entry.
        """
        if receipt.entry != self.entry:
            raise ValueError(f"expected a receipt of entry {self.entry.hash.hex()}, got {receipt.entry.hash.hex()}")
        data = self.content if with_content else None
        return replace(receipt, content=Content(ContentState.SHOWN, self.salt, self.digest, data))


def encrypt(chain_id: bytes, salt: bytes, content: bytes, content_key: bytes, nonce: bytes) -> bytes:
    """Return the box of content that an entry of a chain commits to under ``salt``.

    ``content_key`` (32 bytes) and ``nonce`` (12) are fresh: neither may ever be used for another content.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    bound = BOX_DOMAIN + chain_id + content_commitment(salt, sha256(content))
    cipher = AESGCM(exactly(content_key, KEY_SIZE, "content key"))
    return exactly(nonce, NONCE_SIZE, "nonce") + cipher.encrypt(nonce, padded(salt, content), bound)


def wrap(content_key: bytes, public_key: bytes, entry_hash: bytes) -> WrappedKey:
    """Wrap the content key of an entry for a reader; raises MalformedError for a key that is no point to wrap for."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    to = X25519PublicKey.from_public_bytes(exactly(public_key, PUBLIC_KEY_SIZE, "public key of a reader"))
    try:
        wrapped = _suite().encrypt(exactly(content_key, KEY_SIZE, "content key"), to, WRAP_DOMAIN + entry_hash)
    except ValueError as error:  # of small order: everybody could open what is wrapped for it
        raise MalformedError(f"{reader_text(public_key)}: is not the public key of anybody") from error
    return WrappedKey(reader_id(public_key), wrapped)


def wrap_all(content_key: bytes, public_keys: Iterable[bytes], entry_hash: bytes) -> tuple[WrappedKey, ...]:
    """Wrap the content key for each reader once, as envelopes have them: ascending by id."""
    wanted = {reader_id(each): each for each in public_keys}
    if not 1 <= len(wanted) <= MAX_READERS:
        raise MalformedError(f"readers: expected 1 to {MAX_READERS}, got {len(wanted)}")
    return tuple(wrap(content_key, wanted[reader], entry_hash) for reader in sorted(wanted))


def open_envelope(envelope: Envelope, entry: Entry, key: ReaderKey) -> Opened:
    """Return what is in the envelope of an entry; all of it was checked against the entry.

    Raises EnvelopeError: it belongs to another entry, has no key for this reader, or does not hold what the entry
    commits to.
    """
    check_belongs(envelope, entry)
    content_key = key.unwrap(envelope.key_of(key.reader), envelope.entry_hash)
    return open_with(envelope, entry, content_key)


def open_with(envelope: Envelope, entry: Entry, content_key: bytes) -> Opened:
    """Return the same for whoever has the content key itself."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    check_belongs(envelope, entry)
    bound = BOX_DOMAIN + entry.chain_id + entry.content_commitment
    nonce, ciphertext = envelope.box[:NONCE_SIZE], envelope.box[NONCE_SIZE:]
    try:
        text = AESGCM(exactly(content_key, KEY_SIZE, "content key")).decrypt(nonce, ciphertext, bound)
    except InvalidTag as error:
        raise EnvelopeError(
            EnvelopeFault.CONTENT_WRONG,
            f"the content of entry {entry.hash.hex()} does not open with the key that was wrapped: its writer, or "
            "whoever added this reader, wrapped another one",
        ) from error
    salt, content = unpadded(text)
    digest = sha256(content)
    if content_commitment(salt, digest) != entry.content_commitment:
        raise EnvelopeError(
            EnvelopeFault.NOT_COMMITTED,
            f"what its writer encrypted is not what entry {entry.hash.hex()} commits to: it proves nothing",
        )
    return Opened(entry, salt, digest, content, content_key)


def new_reader_key(randomness: Callable[[int], bytes]) -> ReaderKey:
    """Return a new reader's key."""
    return ReaderKey(randomness(KEY_SIZE))


def _suite() -> Any:
    """Return the one suite of RFC 9180 that is used: 0x0020 (X25519), 0x0001 (HKDF-SHA256), 0x0002 (AES-256-GCM)."""
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
