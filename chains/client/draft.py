# SPDX-License-Identifier: Apache-2.0
"""An entry that several keys sign one after the other: a file that goes round until all did (docs/spec/policy.md).

Whoever prepares it names the keys; each signs the same bytes, which name all of them. ``chain create --prepare`` and
``policy change --prepare`` write it, ``draft sign`` adds a signature, ``draft submit`` records the entry.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from anchor.proof import ed25519
from anchor.proof.checkpoint import from_base64
from anchor.proof.codec import HASH_SIZE, bytes_from_hex, exactly, hash_from_hex, sha256
from anchor.proof.entry import (
    MAX_ENTRY,
    MAX_SIGNERS,
    SALT_SIZE,
    SIGNATURE_DOMAIN,
    Author,
    AuthorType,
    Entry,
    author_by_signatures,
    content_commitment,
    message_of_several,
)
from anchor.proof.errors import MalformedError
from anchor.proof.strictjson import Fields, dumps, loads
from chains.client.own_entry import OwnEntry
from chains.client.signing import AuthorKey

FORMAT = "anchorline-draft/1"
_SIGNATURE_SIZE = 64
_MOST_CONTENT = 2**20
MAX_DRAFT = 2 * _MOST_CONTENT
"""Bytes of a draft's file: its content in base64, and the entry."""


class DraftError(MalformedError):
    """A draft cannot be signed by this key, joined with that one, or recorded yet; the message says what is lacking."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry without its author field, the keys (32 bytes each, ascending) that are to sign it, and who did so far.

    ``salt`` and ``content`` open its commitment. ``opens``: how the chain is opened of which it is the first entry (a
    name, an owner, a visibility), None for an entry of a chain that is there; nobody signs that.
    """

    entry: Entry
    keys: tuple[bytes, ...]
    salt: bytes
    content: bytes = b""
    signatures: Mapping[bytes, bytes] = field(default_factory=dict)
    opens: Mapping[str, str] | None = None

    @classmethod
    def of(cls, own: OwnEntry, keys: Iterable[bytes], opens: Mapping[str, str] | None = None) -> "Draft":
        """Return a draft of an entry that nobody signed, for these keys; raise MalformedError for too many of them."""
        draft = cls(own.entry, tuple(sorted(set(keys))), own.salt, own.content or b"", {}, opens)
        draft._check()
        return draft

    @property
    def lacking(self) -> tuple[bytes, ...]:
        """The keys that have not signed yet."""
        return tuple(key for key in self.keys if key not in self.signatures)

    @property
    def message(self) -> bytes:
        """What each of the keys signs: one alone as an author of type 1, several as one of type 5."""
        if len(self.keys) > 1:
            return message_of_several(self.entry, self.keys)
        return SIGNATURE_DOMAIN + self.claimed.encode()[:-_SIGNATURE_SIZE]

    @property
    def claimed(self) -> Entry:
        """The entry as if all had signed: whether the policy would allow it, can be asked before anybody does."""
        return self._with(dict.fromkeys(self.keys, bytes(_SIGNATURE_SIZE)))

    def signed_by(self, key: AuthorKey) -> "Draft":
        """Return the draft with one more signature; raise DraftError where the key is none of those that sign."""
        if key.public_key not in self.keys:
            raise DraftError(
                f"draft: key {key.public_key.hex()} is none of the {len(self.keys)} that it names; prepare another one"
            )
        signature = exactly(key.sign(self.message), _SIGNATURE_SIZE, "signature")
        return replace(self, signatures={**self.signatures, key.public_key: signature})

    def joined(self, other: "Draft") -> "Draft":
        """Return the draft with the signatures of another copy of it; raise DraftError where that is another draft."""
        if (self.entry, self.keys, self.salt) != (other.entry, other.keys, other.salt):
            raise DraftError("draft: expected copies of one draft, got two that differ")
        return replace(self, signatures={**self.signatures, **other.signatures})

    def finished(self) -> OwnEntry:
        """Return the entry with its author field; raise DraftError while a signature is lacking."""
        if self.lacking:
            keys = ", ".join(key.hex() for key in self.lacking)
            raise DraftError(f"draft: {len(self.lacking)} of {len(self.keys)} signatures are lacking: {keys}")
        raw = self._with(self.signatures).encode()
        return OwnEntry(raw, self.salt, sha256(self.content), self.content)

    def encode(self) -> bytes:
        """Return the file's bytes."""
        value: dict[str, Any] = {
            "format": FORMAT,
            "entry": self.entry.encode().hex(),
            "salt": self.salt.hex(),
            "content": base64.b64encode(self.content).decode("ascii"),
            "keys": [key.hex() for key in self.keys],
            "signatures": {key.hex(): self.signatures[key].hex() for key in sorted(self.signatures)},
        }
        return dumps(value if self.opens is None else value | {"opens": dict(self.opens)}).encode("ascii")

    @classmethod
    def decode(cls, data: bytes, check: ed25519.SignatureCheck = ed25519.verify) -> "Draft":
        """Read a draft; raise MalformedError for what is none, or where a signature of it does not hold."""
        fields = Fields(loads(data, "draft", MAX_DRAFT), "draft")
        fields.format(FORMAT)
        draft = cls(
            Entry.decode(fields.hex("entry", maximum=MAX_ENTRY)),
            fields.hashes("keys", MAX_SIGNERS),
            fields.hex("salt", exact=SALT_SIZE),
            from_base64(fields.text("content"), "draft.content"),
            _signatures_in(fields.take("signatures")),
            _texts_in(fields.take("opens")) if "opens" in fields else None,
        )
        fields.end()
        draft._check()
        for key, signature in draft.signatures.items():
            if key not in draft.keys or not check(key, draft.message, signature):
                raise MalformedError(f"draft: the signature by key {key.hex()} does not hold over it")
        return draft

    def _check(self) -> None:
        if not self.keys or self.keys != tuple(sorted(set(self.keys))):
            raise MalformedError(f"draft: expected 1 to {MAX_SIGNERS} keys in ascending order, none twice")
        if self.entry.author != Author():
            raise MalformedError("draft: expected an entry without an author: its signatures stand beside it")
        if content_commitment(self.salt, sha256(self.content)) != self.entry.content_commitment:
            raise MalformedError("draft: its content and salt are not what its entry commits to")
        if len(self.content) > _MOST_CONTENT:
            raise MalformedError(f"draft: expected at most {_MOST_CONTENT} bytes of content, got {len(self.content)}")
        self.claimed.encode()  # that there is room for all signatures is known before anybody signs

    def _with(self, signatures: Mapping[bytes, bytes]) -> Entry:
        """Return the entry with its author field: of type 1 for one key alone."""
        if len(self.keys) > 1:
            return replace(self.entry, author=author_by_signatures(signatures))
        [(key, signature)] = signatures.items()
        return replace(self.entry, author=Author(AuthorType.ED25519, key + signature))


def _signatures_in(value: Any) -> dict[bytes, bytes]:
    found = _texts_in(value, "draft.signatures")
    return {
        hash_from_hex(key, "draft: a key", HASH_SIZE): exactly(
            bytes_from_hex(signature, "draft: a signature"), _SIGNATURE_SIZE, "draft: a signature"
        )
        for key, signature in found.items()
    }


def _texts_in(value: Any, what: str = "draft.opens") -> dict[str, str]:
    fields = Fields(value, what)
    return {name: fields.text(name) for name in dict(value)}
