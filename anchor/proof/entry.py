# SPDX-License-Identifier: Apache-2.0
"""The entry, version 1: the bytes that a leaf of a chain commits to (design section 3.1, docs/spec/entry.md).

Input is what a writer submits or a receipt carries. ``Entry`` is built by writers, read back by everybody, and
its ``hash`` is its only identity; content stays beside it, behind a salted commitment.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import pairwise

from anchor.proof import ed25519
from anchor.proof.codec import HASH_SIZE, Reader, exactly, fits, sha256
from anchor.proof.errors import MalformedError, Reason, TooLargeError, UnknownVersionError, VerificationError
from anchor.proof.merkle import leaf_hash, root_from_inclusion

ENTRY_VERSION = 0x01
# 00 ‖ entry must fit one OpenTimestamps message (4,096 bytes).
MAX_ENTRY = 4095
SALT_SIZE = 16
SIGNATURE_DOMAIN = b"anchorline/entry/v1\n"
BATCH_DOMAIN = b"anchorline/batch/v1\n"
SEVERAL_DOMAIN = b"anchorline/several/v1\n"
BATCH_LEAF = b"\x21"
# The type of an author field, and the length of its body.
_AUTHOR_START = 3
# One signer is an author of type 1; more than sixteen would leave no room for the entry itself.
MIN_SIGNERS, MAX_SIGNERS = 2, 16
_SIGNATURE_SIZE = 64
# A signed batch holds at most 2^32 - 1 entries.
MAX_BATCH_PATH = 32
CRITICAL_EXTENSION = 0x8000
# Behind the version and two hashes; behind the media type, counts of 0 and no author.
_AT_MEDIA_TYPE = 1 + 2 * HASH_SIZE
_NOTHING_MORE = bytes(7)
Sign = Callable[[bytes], bytes]
"""sign(message) -> signature of 64 bytes (RFC 8032), by whatever holds a key."""
_PRINTABLE = re.compile(rb"[\x20-\x7e]*")


class IdKind(IntEnum):
    """How an external id stands in an entry."""

    CLEAR = 0
    HASHED = 1
    KEYED = 2


class Relation(IntEnum):
    """What a link says; unknown numbers are kept and shown."""

    SUPERSEDES = 1
    RETRACTS = 2
    DERIVED_FROM = 3
    ASSESSES = 4
    REFERS_TO = 5
    ERASES = 6
    COSIGNS = 7


class ExtensionType(IntEnum):
    """Assigned extensions; up to 5 each has one length, the others are statements with a page of their own."""

    LOG_ID = 1
    AUTHOR_TIME = 2
    PREVIOUS_ENTRY = 3
    NOT_VALID_AFTER = 4
    IDENTITY = 5
    STATEMENT = 6
    POLICY = 7
    ENVELOPE = 8
    ERASURE = 10
    ACCESS_RECORD = 12
    CLOSING = 13
    TRANSFER = 14
    CONTINUATION = 15


_EXTENSION_SIZES: dict[int, int] = {
    ExtensionType.LOG_ID: 32,
    ExtensionType.AUTHOR_TIME: 8,
    ExtensionType.PREVIOUS_ENTRY: 32,
    ExtensionType.NOT_VALID_AFTER: 8,
    ExtensionType.IDENTITY: 32,
    ExtensionType.ENVELOPE: 32,
    ExtensionType.ACCESS_RECORD: 28,
}


class AuthorType(IntEnum):
    """How an entry is signed; an unknown type is kept and shown as "signature not checked"."""

    NONE = 0
    ED25519 = 1
    BATCH = 3
    HASHED = 4
    SEVERAL = 5


NO_AUTHOR = bytes(3)
"""The author field of an entry that nobody signed: type 0, and nothing of it."""
SIGNED_SIZE = 96
"""A public key and its signature."""
_BATCH_BODY = SIGNED_SIZE + 8
BATCH_AUTHOR = 3 + _BATCH_BODY
"""The author field of a signed batch, but for the path: type and length, key and signature, index and size."""
_AUTHOR_SIZES: dict[int, int] = {AuthorType.NONE: 0, AuthorType.ED25519: 96, AuthorType.HASHED: 64}


@dataclass(frozen=True, slots=True)
class ExternalId:
    """A name that a writer gives to an entry: ``value`` is 1 to 65,535 bytes, 32 for hashed and keyed ids."""

    kind: int
    value: bytes

    def digest(self) -> bytes:
        """Return the 32 bytes with which this id enters a chain id, and under which it is looked up."""
        return self.value if self.kind == IdKind.HASHED else sha256(self.value)


@dataclass(frozen=True, slots=True)
class Link:
    """A relation (see ``Relation``) to another entry, named by chain id and entry hash (32 bytes each)."""

    relation: int
    chain_id: bytes
    entry_hash: bytes


@dataclass(frozen=True, slots=True)
class Extension:
    """A typed value that is hashed with the entry."""

    type: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Author:
    """Who signed, and how: the body is kept as it came (``signature_of`` reads it)."""

    type: int = AuthorType.NONE
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. ``chain_id`` and ``content_commitment`` are 32 bytes; ``media_type`` is printable ASCII or empty."""

    chain_id: bytes
    content_commitment: bytes
    media_type: str = ""
    external_ids: tuple[ExternalId, ...] = ()
    links: tuple[Link, ...] = ()
    extensions: tuple[Extension, ...] = ()
    author: Author = field(default_factory=Author)

    def encode(self) -> bytes:
        """Return the entry's bytes, at most 4,095; raise MalformedError for values the format cannot hold."""
        data = self.encode_before_author() + _encode_author(self.author)
        if len(data) > MAX_ENTRY:
            raise TooLargeError(f"entry: expected at most {MAX_ENTRY} bytes, got {len(data)}; shorten ids or links")
        return data

    def encode_before_author(self) -> bytes:
        """Return the entry's bytes before the author field: what a signed batch commits to."""
        return b"".join(
            (
                bytes((ENTRY_VERSION,)),
                exactly(self.chain_id, HASH_SIZE, "chain_id"),
                exactly(self.content_commitment, HASH_SIZE, "content_commitment"),
                _encode_media_type(self.media_type),
                fits(len(self.external_ids), 1, "number of external ids"),
                *(_encode_id(external_id) for external_id in self.external_ids),
                fits(len(self.links), 1, "number of links"),
                *(_encode_link(link) for link in self.links),
                _encode_extensions(self.extensions),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "Entry":
        """Read an entry; raise MalformedError (UnknownVersionError for another version) for anything else."""
        reader = Reader(data, "entry", MAX_ENTRY)
        version = reader.byte()
        if version != ENTRY_VERSION:
            raise UnknownVersionError(
                f"entry: expected version {ENTRY_VERSION}, found {version}; written by a newer Anchorline?"
            )
        entry = cls(
            chain_id=reader.take(HASH_SIZE),
            content_commitment=reader.take(HASH_SIZE),
            media_type=_decode_media_type(reader.prefixed(1)),
            external_ids=tuple(_decode_id(reader) for _ in range(reader.byte())),
            links=tuple(_decode_link(reader) for _ in range(reader.byte())),
            extensions=_decode_extensions(reader.prefixed(2)),
            author=_decode_author(reader),
        )
        reader.end()
        return entry

    @property
    def hash(self) -> bytes:
        """The entry hash: H(00 ‖ entry), the RFC 9162 leaf hash."""
        return leaf_hash(self.encode())

    def extension(self, wanted: ExtensionType) -> bytes | None:
        """Return the value of an extension, or None where the entry has none of this type."""
        for item in self.extensions:
            if item.type == wanted:
                return item.value
        return None

    def unknown_critical_extensions(self) -> tuple[int, ...]:
        """Return the types ≥ 8000 hex that this version does not know: the entry cannot be verified by it."""
        return tuple(item.type for item in self.extensions if item.type >= CRITICAL_EXTENSION)


def chain_id_of(external_ids: Iterable[ExternalId]) -> bytes:
    """Return H(H(id_1) ‖ … ‖ H(id_n)) over the external ids of a chain's first entry (Factom's rule)."""
    digests = [external_id.digest() for external_id in external_ids]
    if not digests:
        raise MalformedError("a chain's first entry: expected at least one external id, found none")
    return sha256(b"".join(digests))


def check_chain_id(entry: Entry) -> None:
    """Raise VerificationError unless a chain's first entry gives the chain its id."""
    if not entry.external_ids or chain_id_of(entry.external_ids) != entry.chain_id:
        raise VerificationError(
            Reason.CHAIN_ID_MISMATCH,
            f"the external ids of the first entry do not give the chain id {entry.chain_id.hex()}",
        )


def says_more(raw: bytes) -> bool:
    """Say whether an encoded entry has more than a commitment and a media type: ids, links, extensions or an author.

    Nothing of it is decoded: of one that is cut, this is said too.
    """
    end = _AT_MEDIA_TYPE + 1
    return len(raw) < end or raw[end + raw[_AT_MEDIA_TYPE] :] != _NOTHING_MORE


def content_commitment(salt: bytes, digest: bytes) -> bytes:
    """Return H(salt ‖ digest): the commitment to content with SHA-256 ``digest`` (32) under ``salt`` (16)."""
    return sha256(exactly(salt, SALT_SIZE, "salt") + exactly(digest, HASH_SIZE, "content digest"))


@dataclass(frozen=True, slots=True)
class AuthorSignature:
    """What an author field claims: this key signed this message (for a batch, over the root that the path gives)."""

    public_key: bytes
    message: bytes
    signature: bytes


def signature_of(entry: Entry, raw: bytes | None = None) -> AuthorSignature | None:
    """Return the one signature to check, or None where there is none that this version can check, or several.

    ``raw``: the entry's bytes, by whoever has them at hand. Raises VerificationError where a signed batch's path has
    the wrong length for its index and size.
    """
    if entry.author.type not in (AuthorType.ED25519, AuthorType.BATCH):
        return None
    body, encoded = entry.author.body, entry.encode() if raw is None else raw
    if entry.author.type == AuthorType.ED25519:
        return AuthorSignature(body[:32], SIGNATURE_DOMAIN + encoded[:-64], body[32:])
    index, size, path = batch_place(body)
    leaf = leaf_hash(BATCH_LEAF + encoded[: before_author(encoded, body)])
    root = root_from_inclusion(leaf, index, size, path, Reason.AUTHOR_SIGNATURE_WRONG)
    return batch_signature(body[:SIGNED_SIZE], size, root)


def batch_author(signed: bytes, index: int, size: int, path: bytes) -> bytes:
    """Return the author field of entry ``index`` of a signed batch of ``size``; ``signed`` is key ‖ signature."""
    body = b"".join((exactly(signed, SIGNED_SIZE, "key and signature"), fits(index, 4, "index"), fits(size, 4, "size")))
    return _encode_author(Author(AuthorType.BATCH, body + path))


def before_author(encoded: bytes, body: bytes) -> int:
    """Return how many bytes of an encoded entry stand before its author field: what a signed batch commits to."""
    return len(encoded) - len(body) - _AUTHOR_START


def batch_place(body: bytes) -> tuple[int, int, tuple[bytes, ...]]:
    """Return where an entry is in a signed batch, by the body of its author field: index, size, path to the root."""
    path = tuple(body[at : at + HASH_SIZE] for at in range(_BATCH_BODY, len(body), HASH_SIZE))
    return int.from_bytes(body[96:100], "big"), int.from_bytes(body[100:104], "big"), path


def batch_message(size: int, root: bytes) -> bytes:
    """Return what the author of a batch of ``size`` entries with this root (32 bytes) signs."""
    return BATCH_DOMAIN + size.to_bytes(4, "big") + root


def batch_signature(signed: bytes, size: int, root: bytes) -> AuthorSignature:
    """Return the signature over a batch of ``size`` entries with this root (32 bytes); ``signed``: key ‖ signature."""
    return AuthorSignature(signed[:HASH_SIZE], batch_message(size, root), signed[HASH_SIZE:])


def signatures_of(entry: Entry) -> tuple[AuthorSignature, ...]:
    """Return the signatures to check, ascending by key, or none where there is none that this version can check.

    Raises VerificationError as ``signature_of`` does.
    """
    if entry.author.type == AuthorType.SEVERAL:
        return _several_of(entry)
    claimed = signature_of(entry)
    return () if claimed is None else (claimed,)


def _several_of(entry: Entry) -> tuple[AuthorSignature, ...]:
    """Every key signs the entry and all the keys, so that no signer can be left out afterwards."""
    body = entry.author.body
    count = body[0]
    message = SEVERAL_DOMAIN + entry.encode()[: -_SIGNATURE_SIZE * count]
    signatures = 1 + count * HASH_SIZE
    return tuple(
        AuthorSignature(
            body[1 + place * HASH_SIZE :][:HASH_SIZE],
            message,
            body[signatures + place * _SIGNATURE_SIZE :][:_SIGNATURE_SIZE],
        )
        for place in range(count)
    )


def signing_keys(entry: Entry) -> tuple[bytes, ...]:
    """Return the public keys that an author field claims, ascending; whether they signed, ``check_author`` says."""
    body = entry.author.body
    if entry.author.type == AuthorType.SEVERAL:
        return tuple(body[1 + place * HASH_SIZE :][:HASH_SIZE] for place in range(body[0]))
    return (body[:HASH_SIZE],) if entry.author.type in (AuthorType.ED25519, AuthorType.BATCH) else ()


def check_author(entry: Entry, check: ed25519.SignatureCheck = ed25519.verify) -> bool:
    """Check the author's signatures. True: all hold. False: there is none that this version can check.

    Raises VerificationError(AUTHOR_SIGNATURE_WRONG) where one does not hold.
    """
    claimed = signatures_of(entry)
    for each in claimed:
        if not check(each.public_key, each.message, each.signature):
            raise refused_signature(each)
    return bool(claimed)


def message_of_several(entry: Entry, public_keys: Sequence[bytes]) -> bytes:
    """Return what each of 2 to 16 keys signs that sign an entry together."""
    unsigned = _author_by(sorted(public_keys), [bytes(_SIGNATURE_SIZE)] * len(public_keys))
    return SEVERAL_DOMAIN + replace(entry, author=unsigned).encode()[: -_SIGNATURE_SIZE * len(public_keys)]


def author_of_several(entry: Entry, signers: Sequence[tuple[bytes, Sign]]) -> Author:
    """Return the author field by which 2 to 16 keys sign an entry together; ``signers``: each key, and what signs."""
    ordered = sorted(signers, key=lambda signer: signer[0])
    keys = [public_key for public_key, _ in ordered]
    message = message_of_several(entry, keys)
    return _author_by(keys, [sign(message) for _, sign in ordered])


def author_by_signatures(signatures: Mapping[bytes, bytes]) -> Author:
    """Return the author field of an entry that 2 to 16 keys signed: the signature of each key, as it was made."""
    keys = sorted(signatures)
    return _author_by(keys, [exactly(signatures[key], _SIGNATURE_SIZE, "signature") for key in keys])


def _author_by(keys: Sequence[bytes], signatures: Sequence[bytes]) -> Author:
    return Author(AuthorType.SEVERAL, bytes((len(keys),)) + b"".join((*keys, *signatures)))


def refused_signature(claimed: AuthorSignature) -> VerificationError:
    """Return what is raised for a signature that does not hold."""
    return VerificationError(
        Reason.AUTHOR_SIGNATURE_WRONG,
        f"the signature is not one by key {claimed.public_key.hex()} over this entry",
    )


def _encode_media_type(media_type: str) -> bytes:
    raw = media_type.encode("utf-8", "surrogatepass")
    _check_media_type(raw)
    return fits(len(raw), 1, "length of media_type") + raw


def _decode_media_type(raw: bytes) -> str:
    _check_media_type(raw)
    return raw.decode("ascii")


def _check_media_type(raw: bytes) -> None:
    if not _PRINTABLE.fullmatch(raw):
        raise MalformedError(f"media_type: expected printable ASCII (20 to 7e), got {raw[:40]!r}")


def _check_id(external_id: ExternalId) -> None:
    if external_id.kind > IdKind.KEYED:
        raise MalformedError(f"external id: expected kind 0, 1 or 2, found {external_id.kind}")
    if not external_id.value:
        raise MalformedError("external id: expected at least one byte, got none")
    if external_id.kind != IdKind.CLEAR:
        exactly(external_id.value, HASH_SIZE, f"external id of kind {external_id.kind}")


def _encode_id(external_id: ExternalId) -> bytes:
    _check_id(external_id)
    length = fits(len(external_id.value), 2, "length of an external id")
    return bytes((external_id.kind,)) + length + external_id.value


def _decode_id(reader: Reader) -> ExternalId:
    external_id = ExternalId(reader.byte(), reader.prefixed(2))
    _check_id(external_id)
    return external_id


def _encode_link(link: Link) -> bytes:
    return b"".join(
        (
            fits(link.relation, 1, "relation of a link"),
            exactly(link.chain_id, HASH_SIZE, "chain_id of a link"),
            exactly(link.entry_hash, HASH_SIZE, "entry_hash of a link"),
        )
    )


def _decode_link(reader: Reader) -> Link:
    return Link(reader.byte(), reader.take(HASH_SIZE), reader.take(HASH_SIZE))


def _encode_extensions(extensions: Sequence[Extension]) -> bytes:
    _check_extensions(extensions)
    body = b"".join(
        fits(item.type, 2, "type of an extension")
        + fits(len(item.value), 2, f"length of extension {item.type}")
        + item.value
        for item in extensions
    )
    return fits(len(body), 2, "length of all extensions") + body


def _decode_extensions(body: bytes) -> tuple[Extension, ...]:
    reader = Reader(body, "extensions", MAX_ENTRY)
    extensions = []
    while reader.left():
        extensions.append(Extension(reader.unsigned(2), reader.prefixed(2)))
    _check_extensions(extensions)
    return tuple(extensions)


def _check_extensions(extensions: Sequence[Extension]) -> None:
    types = [item.type for item in extensions]
    if any(later <= earlier for earlier, later in pairwise(types)):
        raise MalformedError(f"extensions: expected ascending types, none twice, found {types}")
    for item in extensions:
        size = _EXTENSION_SIZES.get(item.type)
        if size is not None:
            exactly(item.value, size, f"extension {item.type}")


def _encode_author(author: Author) -> bytes:
    _check_author_body(author)
    return fits(author.type, 1, "author type") + fits(len(author.body), 2, "length of author") + author.body


def _decode_author(reader: Reader) -> Author:
    author = Author(reader.byte(), reader.prefixed(2))
    _check_author_body(author)
    return author


def _check_author_body(author: Author) -> None:
    if author.type == AuthorType.BATCH:
        _check_batch_body(author.body)
    elif author.type == AuthorType.SEVERAL:
        _check_several_body(author.body)
    elif author.type in _AUTHOR_SIZES:
        exactly(author.body, _AUTHOR_SIZES[author.type], f"author of type {author.type}")


def _check_batch_body(body: bytes) -> None:
    hashes, rest = divmod(len(body) - _BATCH_BODY, HASH_SIZE)
    if rest or not 0 <= hashes <= MAX_BATCH_PATH:
        raise MalformedError(
            f"author of type 3: expected {_BATCH_BODY} bytes and at most {MAX_BATCH_PATH} hashes, got {len(body)} bytes"
        )


def _check_several_body(body: bytes) -> None:
    count = body[0] if body else 0
    if not MIN_SIGNERS <= count <= MAX_SIGNERS or len(body) != 1 + count * (HASH_SIZE + _SIGNATURE_SIZE):
        raise MalformedError(
            f"author of type 5: expected {MIN_SIGNERS} to {MAX_SIGNERS} keys with a signature each, got {count} and "
            f"{len(body)} bytes"
        )
    keys = [body[1 + place * HASH_SIZE :][:HASH_SIZE] for place in range(count)]
    if any(later <= earlier for earlier, later in pairwise(keys)):
        raise MalformedError("author of type 5: expected its keys in ascending order, none twice")
