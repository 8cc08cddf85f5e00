# SPDX-License-Identifier: Apache-2.0
"""The envelope of an entry: its content encrypted, and the key to it wrapped for each reader (docs/spec/envelope.md).

Only the form is here, with the standard library alone: ``chains.client.encrypting`` fills and opens envelopes, the
service keeps them and hands them out.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from anchor.proof.codec import HASH_SIZE, Reader, exactly, fits, sha256
from anchor.proof.entry import SALT_SIZE, Entry, ExtensionType
from anchor.proof.errors import AnchorlineError, MalformedError, TooLargeError, UnknownVersionError

MAGIC = b"ALE"
VERSION = 1
NONCE_SIZE = 12
TAG_SIZE = 16
PUBLIC_KEY_SIZE = 32
# What HPKE makes of a key of 32 bytes: an ephemeral public key of 32, the ciphertext of 32, a tag of 16 (RFC 9180).
WRAP_SIZE = 80
# Beside an entry, at one time: a list of readers is for people; more of them share a key.
MAX_READERS = 256
# As the content of a receipt (docs/spec/receipt.md).
MAX_CONTENT = 16 * 2**20
_LENGTH_SIZE = 8
# Short contents are guessed by their length alone ("yes", "no"): all up to here look alike.
LEAST_PADDED = 256
_READER_DOMAIN = b"anchorline/reader/v1\n"
_READER_PREFIX = "reader_"
_CHECK_SIZE = 4


class EnvelopeFault(StrEnum):
    """Why an envelope does not open. The values are stable: test vectors carry them."""

    NOT_ENCRYPTED = "entry-has-no-envelope"
    ANOTHER_ENTRY = "envelope-of-another-entry"
    CHANGED = "envelope-changed"
    NO_READER = "not-a-reader"
    KEY_WRONG = "wrapped-key-does-not-open"
    CONTENT_WRONG = "content-does-not-open"
    PADDING_WRONG = "padding-wrong"
    NOT_COMMITTED = "content-is-not-what-the-entry-commits-to"


class EnvelopeError(AnchorlineError):
    """An envelope that is well formed and does not open; ``fault`` says why."""

    def __init__(self, fault: EnvelopeFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """The content key of an envelope, wrapped for one reader: ``reader`` is his id (32 bytes), ``wrap`` 80 bytes."""

    reader: bytes
    wrap: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is kept of encrypted content: ``box`` is nonce and ciphertext, ``keys`` a wrapped key for each reader."""

    entry_hash: bytes
    keys: tuple[WrappedKey, ...]
    box: bytes

    def encode(self) -> bytes:
        """Return the envelope's bytes; raises MalformedError for values that the format cannot hold."""
        _check_readers(self.keys)
        return b"".join(
            (
                MAGIC,
                bytes((VERSION,)),
                exactly(self.entry_hash, HASH_SIZE, "entry_hash"),
                fits(len(self.keys), 2, "number of readers"),
                *(
                    exactly(each.reader, HASH_SIZE, "reader") + exactly(each.wrap, WRAP_SIZE, "wrap")
                    for each in self.keys
                ),
                check_box(self.box),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "Envelope":
        """Read an envelope; raises MalformedError (UnknownVersionError for another version) for anything else."""
        reader = Reader(data, "envelope", MAX_ENVELOPE)
        if reader.take(len(MAGIC)) != MAGIC:
            raise MalformedError(f"envelope: expected {MAGIC!r} at its beginning, found {data[:3]!r}")
        version = reader.byte()
        if version != VERSION:
            raise UnknownVersionError(f"envelope: expected version 1, found {version}; written by a newer Anchorline?")
        entry_hash = reader.take(HASH_SIZE)
        count = reader.unsigned(2)
        if count > MAX_READERS:
            raise TooLargeError(f"envelope: expected at most {MAX_READERS} readers, found {count}")
        keys = tuple(WrappedKey(reader.take(HASH_SIZE), reader.take(WRAP_SIZE)) for _ in range(count))
        _check_readers(keys)
        return cls(entry_hash, keys, check_box(reader.take(reader.left())))

    def key_of(self, reader: bytes) -> WrappedKey:
        """Return the key that was wrapped for a reader (his id); raises EnvelopeError where there is none."""
        found = next((each for each in self.keys if each.reader == reader), None)
        if found is None:
            raise EnvelopeError(
                EnvelopeFault.NO_READER,
                f"the envelope of entry {self.entry_hash.hex()} has no key for reader {reader.hex()}: somebody who can "
                "open it can add one",
            )
        return found


def check_belongs(envelope: Envelope, entry: Entry) -> None:
    """Raise EnvelopeError unless the envelope is the one that the entry names (extension 8); no key is needed."""
    named = entry.extension(ExtensionType.ENVELOPE)
    if named is None:
        raise EnvelopeError(EnvelopeFault.NOT_ENCRYPTED, f"entry {entry.hash.hex()} names no envelope")
    if envelope.entry_hash != entry.hash:
        raise EnvelopeError(
            EnvelopeFault.ANOTHER_ENTRY,
            f"the envelope is of entry {envelope.entry_hash.hex()}, expected was {entry.hash.hex()}",
        )
    if sha256(envelope.box) != named:
        raise EnvelopeError(
            EnvelopeFault.CHANGED,
            f"the encrypted content is not the one that entry {entry.hash.hex()} names: whoever kept it changed it",
        )


# --- the box


def padded_size(size: int) -> int:
    """Return to how many bytes ``size`` bytes are filled up: Padmé (at most 12 % more), and 256 at least.

    Of a length with e bits behind the first, only the topmost of them stay that e itself has bits (PURBs, PETS 2019,
    section 4): of lengths up to 2^e, a watcher sees one of some e · log2(e).
    """
    if size <= LEAST_PADDED:
        return LEAST_PADDED
    exponent = size.bit_length() - 1
    low_bits = exponent - exponent.bit_length()
    mask = (1 << low_bits) - 1
    return (size + mask) & ~mask


def largest_box(content_bytes: int) -> int:
    """Return the size of a box of so many bytes of content."""
    return NONCE_SIZE + padded_size(SALT_SIZE + _LENGTH_SIZE + content_bytes) + TAG_SIZE


_LEAST_BOX = largest_box(0)
MAX_BOX = largest_box(MAX_CONTENT)
_FIXED_SIZE = len(MAGIC) + 1 + HASH_SIZE + 2
MAX_KEYS_SIZE = _FIXED_SIZE + MAX_READERS * (HASH_SIZE + WRAP_SIZE)
"""What an envelope has besides its box, at most."""
MAX_ENVELOPE = MAX_KEYS_SIZE + MAX_BOX


def check_box(box: bytes) -> bytes:
    """Return a box; raises MalformedError where nothing could be in it, or too much."""
    if not _LEAST_BOX <= len(box) <= MAX_BOX:
        raise MalformedError(f"encrypted content: expected {_LEAST_BOX} to {MAX_BOX} bytes, got {len(box)}")
    return box


def padded(salt: bytes, content: bytes) -> bytes:
    """Return what is encrypted: salt, length, content, and zeros behind."""
    if len(content) > MAX_CONTENT:
        raise TooLargeError(f"content: expected at most {MAX_CONTENT} bytes, got {len(content)}")
    text = exactly(salt, SALT_SIZE, "salt") + len(content).to_bytes(_LENGTH_SIZE, "big") + content
    return text.ljust(padded_size(len(text)), b"\x00")


def unpadded(text: bytes) -> tuple[bytes, bytes]:
    """Return salt and content of what was encrypted; raises EnvelopeError where more than zeros is behind."""
    reader = Reader(text, "what was encrypted", MAX_BOX)
    salt, size = reader.take(SALT_SIZE), reader.unsigned(_LENGTH_SIZE)
    if size > reader.left():
        raise EnvelopeError(EnvelopeFault.PADDING_WRONG, f"expected {size} bytes of content, {reader.left()} are there")
    content, rest = reader.take(size), reader.take(reader.left())
    if rest.strip(b"\x00"):
        raise EnvelopeError(EnvelopeFault.PADDING_WRONG, "expected zeros behind the content, found something else")
    return salt, content


# --- readers


def reader_id(public_key: bytes) -> bytes:
    """Return the id of a reader: a hash of his public key (32 bytes), by which his wrapped keys are found."""
    return sha256(_READER_DOMAIN + exactly(public_key, PUBLIC_KEY_SIZE, "public key of a reader"))


def reader_text(public_key: bytes) -> str:
    """Return a reader's public key as text: ``reader_`` and 58 characters, the last of which catch a slip."""
    check = reader_id(public_key)[:_CHECK_SIZE]
    return _READER_PREFIX + base64.b32encode(public_key + check).decode("ascii").rstrip("=").lower()


def public_key_of(text: str) -> bytes:
    """Return the public key of such a text; raises MalformedError for a slip in it."""
    body = text.strip().removeprefix(_READER_PREFIX)
    try:
        raw = base64.b32decode(body.upper() + "=" * (-len(body) % 8))
    except (binascii.Error, ValueError):
        raw = b""
    public_key = raw[:PUBLIC_KEY_SIZE]
    if len(raw) != PUBLIC_KEY_SIZE + _CHECK_SIZE or reader_text(public_key) != text.strip():
        raise MalformedError(
            f"expected a reader's public key ({_READER_PREFIX} and 58 letters and digits), got {text[:80]!r}"
        )
    return public_key


def _check_readers(keys: Sequence[WrappedKey]) -> None:
    if len(keys) > MAX_READERS:
        raise TooLargeError(f"envelope: expected at most {MAX_READERS} readers, got {len(keys)}")
    readers = [each.reader for each in keys]
    if readers != sorted(set(readers)):
        raise MalformedError("envelope: expected its readers in ascending order of their ids, none twice")
