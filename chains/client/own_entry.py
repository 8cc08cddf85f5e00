# SPDX-License-Identifier: Apache-2.0
"""Entries that are made here: commitment, salt and signature never depend on the service.

``chains.client.core`` makes one of each content that the caller hands in, and sends as much of it as he wants.
"""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from anchor.proof.codec import HASH_SIZE, exactly, sha256
from anchor.proof.entry import (
    BATCH_AUTHOR,
    BATCH_LEAF,
    MAX_ENTRY,
    NO_AUTHOR,
    SALT_SIZE,
    SIGNATURE_DOMAIN,
    SIGNED_SIZE,
    Author,
    AuthorType,
    Entry,
    Extension,
    ExtensionType,
    ExternalId,
    IdKind,
    Link,
    author_of_several,
    batch_author,
    batch_message,
    content_commitment,
)
from anchor.proof.errors import MalformedError
from anchor.proof.merkle import leaf_hash, levels_of
from anchor.proof.promise_run import paths_in
from chains.client.encrypting import KEY_SIZE, encrypt, wrap_all
from chains.client.envelope import NONCE_SIZE, Envelope
from chains.client.keyed_ids import keyed_name
from chains.client.signing import AuthorKey, Together

Randomness = Callable[[int], bytes]


class Sent(StrEnum):
    """How much leaves this machine besides the entry."""

    CONTENT = "content"
    """Content and salt: the service keeps them, and shows them to whoever may read content."""
    DIGEST = "digest"
    """The content's SHA-256 and the salt."""
    COMMITMENT = "commitment"
    """Nothing: the service never learns what the entry commits to. Keep the salt: nobody else has it."""
    ENVELOPE = "envelope"
    """Content and salt, encrypted for its readers (``encrypted_entry``): the service keeps what it cannot read."""


@dataclass(frozen=True)
class OwnEntry:
    """An entry with what opens its commitment: ``raw`` its bytes, ``salt`` 16, ``digest`` 32; ``content`` if at hand.

    ``sent`` is how much of it the service is given; ``place``, of an entry that was signed with others, its index among
    them and how many they are.
    """

    raw: bytes
    salt: bytes
    digest: bytes
    content: bytes | None = None
    sent: Sent = Sent.CONTENT
    envelope: Envelope | None = None
    place: tuple[int, int] | None = field(default=None, compare=False)

    @cached_property
    def hash(self) -> bytes:
        """The entry hash (32 bytes): H(00 ‖ entry)."""
        return leaf_hash(self.raw)

    @cached_property
    def entry(self) -> Entry:
        """The entry, read."""
        return Entry.decode(self.raw)

    def submission(self) -> bytes:
        """Return the submission as the service takes it: one line of JSON (application/vnd.anchorline.submission)."""
        return self.submission_of(self.raw)

    def submission_of(self, raw: bytes) -> bytes:
        """Return the same with other bytes of the entry: those that nobody signed yet."""
        fields = {"entry": raw}
        if self.sent in {Sent.CONTENT, Sent.DIGEST}:
            fields["salt"] = self.salt
        if self.sent == Sent.ENVELOPE and self.envelope is not None:
            fields["envelope"] = self.envelope.encode()
        if self.sent == Sent.DIGEST:
            fields["digest"] = self.digest
        if self.sent == Sent.CONTENT and self.content is not None:
            fields["content"] = self.content
        texts = {name: base64.b64encode(value).decode("ascii") for name, value in fields.items()}
        return json.dumps(texts, separators=(",", ":")).encode("ascii")


@dataclass(frozen=True, slots=True)
class Form:
    """What entries have besides their content. ``log_id`` (32): meant for that log only.

    ``identity`` (32): the chain id of the author's identity, in whose name he signs. ``box_hash`` (32): the SHA-256 of
    the encrypted content that is kept beside the entry.
    ``erasure``: what is stated of an erasure or a hold (``anchor.proof.erasure``); ``closing``: that the chain ends.
    ``policy``: the statement of a policy (``anchor.proof.policy``).
    ``readers`` (public keys): the content is encrypted, and only they can open it.
    """

    media_type: str = ""
    external_ids: tuple[ExternalId, ...] = ()
    links: tuple[Link, ...] = ()
    log_id: bytes | None = None
    author: AuthorKey | Together | None = None
    identity: bytes | None = None
    box_hash: bytes | None = None
    erasure: bytes | None = None
    policy: bytes | None = None
    closing: bytes | None = None
    readers: tuple[bytes, ...] = ()

    @property
    def extensions(self) -> tuple[Extension, ...]:
        """The extensions, ascending."""
        named = (
            (ExtensionType.LOG_ID, self.log_id),
            (ExtensionType.IDENTITY, self.identity),
            (ExtensionType.POLICY, self.policy),
            (ExtensionType.ENVELOPE, self.box_hash),
            (ExtensionType.ERASURE, self.erasure),
            (ExtensionType.CLOSING, self.closing),
        )
        return tuple(Extension(kind, value) for kind, value in named if value is not None)


def make_entry(chain_id: bytes, content: bytes | None, form: Form, randomness: Randomness, sent: Sent) -> OwnEntry:
    """Return a new entry over ``content`` for a chain, under a fresh salt; raises MalformedError, TooLargeError."""
    return entry_of_digest(chain_id, sha256(content or b""), form, randomness, sent, content)


def entry_of_digest(
    chain_id: bytes, digest: bytes, form: Form, randomness: Randomness, sent: Sent, content: bytes | None = None
) -> OwnEntry:
    """Return a new entry over content of which only the SHA-256 ``digest`` (32 bytes) need be at hand."""
    if sent == Sent.CONTENT and content is None:
        raise ValueError("to send content along, it must be given: expected Sent.DIGEST or Sent.COMMITMENT")
    return _entry_under(exactly(randomness(SALT_SIZE), SALT_SIZE, "salt"), chain_id, digest, form, sent, content)


def encrypted_entry(
    chain_id: bytes, content: bytes, form: Form, randomness: Randomness, readers: Sequence[bytes]
) -> OwnEntry:
    """Return a new entry over content that only ``readers`` (public keys of 32 bytes) can open.

    It commits to the content itself, and names the box by its hash (extension 8). Needs ``cryptography``. Raises
    MalformedError for ids that are not keyed, which the encryption would be undone by, and for no reader.
    """
    if any(item.kind != IdKind.KEYED for item in form.external_ids):
        raise MalformedError(
            "external ids of an entry with encrypted content: expected keyed ones (a client with search_key=..., or "
            "chains.client.keyed_id), got one in clear or hashed, which everybody reads or guesses who sees the entry"
        )
    salt = exactly(randomness(SALT_SIZE), SALT_SIZE, "salt")
    content_key = exactly(randomness(KEY_SIZE), KEY_SIZE, "content key")
    box = encrypt(exactly(chain_id, HASH_SIZE, "chain_id"), salt, content, content_key, randomness(NONCE_SIZE))
    form = replace(form, box_hash=sha256(box))
    own = _entry_under(salt, chain_id, sha256(content), form, Sent.ENVELOPE, content)
    return replace(own, envelope=Envelope(own.hash, wrap_all(content_key, readers, own.hash), box))


def _entry_under(
    salt: bytes, chain_id: bytes, digest: bytes, form: Form, sent: Sent, content: bytes | None
) -> OwnEntry:
    entry = Entry(
        exactly(chain_id, HASH_SIZE, "chain_id"),
        content_commitment(salt, digest),
        form.media_type,
        form.external_ids,
        form.links,
        form.extensions,
    )
    raw = entry.encode() if form.author is None else signed(entry, form.author)
    return OwnEntry(raw, salt, digest, content, sent)


def signed(entry: Entry, author: AuthorKey | Together) -> bytes:
    """Return the entry's bytes with an Ed25519 signature (author type 1, docs/spec/entry.md), or several (type 5)."""
    if isinstance(author, Together):
        signers = [(key.public_key, key.sign) for key in author.keys]
        return replace(entry, author=author_of_several(entry, signers)).encode()
    public_key = exactly(author.public_key, 32, "author's public key")
    unsigned = replace(entry, author=Author(AuthorType.ED25519, public_key + bytes(64))).encode()[:-64]
    return unsigned + exactly(author.sign(SIGNATURE_DOMAIN + unsigned), 64, "author's signature")


def signed_each(owns: Sequence[OwnEntry], author: AuthorKey | Together) -> list[OwnEntry]:
    """Return entries that nobody signed yet, signed: one alone by itself, several by one signature for all of them.

    Where several keys sign together, they sign each entry.
    """
    if len(owns) != 1 and not isinstance(author, Together):
        return signed_batch(owns, author)
    return [replace(own, raw=signed(own.entry, author)) for own in owns]


def signed_batch(owns: Sequence[OwnEntry], author: AuthorKey) -> list[OwnEntry]:
    """Return entries that nobody signed yet, of one author, with one signature for all (type 3, docs/spec/entry.md).

    Each then carries its path to what was signed, so that it holds alone; one that would grow too large for the format
    by it is signed by itself. Raises ValueError where two are equal: of them it could not be said which is meant.
    """
    path_bytes = HASH_SIZE * (len(owns) - 1).bit_length()
    room = MAX_ENTRY + len(NO_AUTHOR) - BATCH_AUTHOR - path_bytes
    together = [own for own in owns if len(own.raw) <= room]
    if len({own.raw for own in together}) != len(together):
        raise ValueError("expected entries that differ, got two equal ones: make each under a fresh salt")
    levels = levels_of([leaf_hash(BATCH_LEAF + own.raw[: -len(NO_AUTHOR)]) for own in together]) if together else [()]
    root, size = levels[-1][0] if together else b"", len(together)
    key = exactly(author.public_key, 32, "author's public key")
    signature = exactly(author.sign(batch_message(size, root)), 64, "author's signature") if together else b""
    places, paths = {id(own): index for index, own in enumerate(together)}, paths_in(levels)

    def of_batch(own: OwnEntry) -> bytes:
        index = places[id(own)]
        return own.raw[: -len(NO_AUTHOR)] + batch_author(key + signature, index, size, paths[index])

    return [
        replace(own, raw=of_batch(own), place=(places[id(own)], size))
        if id(own) in places
        else replace(own, raw=signed(own.entry, author))
        for own in owns
    ]


def signed_lines(owns: Sequence[OwnEntry]) -> list[bytes] | None:
    """Return a whole signed batch as lines of a request: first key and signature, then its entries without an author.

    The service puts the author field into each (docs/spec/http-api.md), so that no path has to be sent. None where
    they are not one batch, all of it and in order.
    """
    count = len(owns)
    if [own.place for own in owns] != [(index, count) for index in range(count)] or not owns:
        return None
    signed, lines = owns[0].entry.author.body[:SIGNED_SIZE], []
    for own in owns:
        # If key and signature are elsewhere, the service makes another entry of it, whose hash is another one.
        before = own.raw[: own.raw.rfind(signed) - len(NO_AUTHOR)]
        lines.append(own.submission_of(before + NO_AUTHOR))
    text = base64.b64encode(signed).decode("ascii")
    return [b'{"signed_together":"%b"}' % text.encode("ascii"), *lines]


def external_ids_of(
    names: Sequence[str | bytes | ExternalId], search_key: bytes | None = None
) -> tuple[ExternalId, ...]:
    """Return external ids. With a search key texts and bytes are names that only it finds (``keyed_name``).

    Without one they are ids in clear (texts as UTF-8), which can never be erased.
    """
    return tuple(name if isinstance(name, ExternalId) else _id_of(name, search_key) for name in names)


def _id_of(name: str | bytes, search_key: bytes | None) -> ExternalId:
    if search_key is not None:
        return keyed_name(search_key, name)
    return ExternalId(IdKind.CLEAR, name if isinstance(name, bytes) else name.encode())
