# SPDX-License-Identifier: Apache-2.0
"""Keys, grants and webhooks as the client sees them, and the calls that manage them; nothing here sends.

All of it is the service's word: there is nothing to check but the form. ``chains.client.core`` runs the calls.
"""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from anchor.proof.codec import HASH_SIZE
from anchor.proof.strictjson import Fields
from chains.client import judging
from chains.client.envelope import WrappedKey
from chains.client.exchange import Call, with_query

_MOST_ROWS = 10_000
_MOST_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class SeenKey:
    """An API key by its visible part; ``token`` is the whole of it, only where it was just made. Keep it."""

    key_id: str
    role: str
    label: str
    state: str
    expires_at_ms: int | None
    replaces: str | None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SeenGrant:
    """What an organisation (its id) may do on a chain."""

    organisation: str
    role: str
    state: str
    expires_at_ms: int | None


@dataclass(frozen=True, slots=True)
class SeenWebhook:
    """A webhook; ``secret`` only where it was just added. Give it to the receiver."""

    webhook_id: str
    url: str
    news: tuple[str, ...]
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SeenTry:
    """One try to deliver an event to a webhook; ``at_ms`` None: not yet."""

    event: int
    at_ms: int | None
    status: int | None
    cause: str
    next_at_ms: int | None


@dataclass(frozen=True, slots=True)
class SeenReader:
    """Who can open the envelope of an entry, or could until ``removed_at_ms``: by his id (32 bytes).

    ``added_by`` and ``removed_by`` are the visible parts of API keys; None: he came with the entry, he is one still.
    """

    reader: bytes
    added_at_ms: int
    added_by: str | None
    removed_at_ms: int | None
    removed_by: str | None


def posting(path: str, **members: Any) -> Call:
    """Return a call that changes something; members that are None are left out.

    Every change may be repeated: a key that was made twice is listed, and can be revoked.
    """
    body = json.dumps({name: value for name, value in members.items() if value is not None}).encode("ascii")
    return Call("POST", path, (("content-type", "application/json"),), body, _MOST_BYTES)


def asking(path: str, **query: str | None) -> Call:
    """Return a call that reads."""
    return Call("GET", with_query(path, **query), most_bytes=_MOST_BYTES)


def key_of(body: bytes) -> SeenKey:
    """Return the key that an answer shows."""
    return _key(judging.fields_of(body))


def keys_of(body: bytes) -> tuple[list[SeenKey], str | None]:
    """Return a page of keys, and the cursor of the next one."""
    fields = judging.fields_of(body)
    found = [_key(Fields(item, "key")) for item in fields.array("keys", _MOST_ROWS)]
    return found, fields.text("cursor") if "cursor" in fields else None


def grant_of(body: bytes) -> SeenGrant:
    """Return the grant that an answer shows."""
    return _grant(judging.fields_of(body))


def grants_of(body: bytes) -> list[SeenGrant]:
    """Return the grants on a chain."""
    return [_grant(Fields(item, "grant")) for item in judging.fields_of(body).array("grants", _MOST_ROWS)]


def webhook_of(body: bytes) -> SeenWebhook:
    """Return the webhook that an answer shows."""
    return _webhook(judging.fields_of(body))


def webhooks_of(body: bytes) -> list[SeenWebhook]:
    """Return the webhooks of an organisation."""
    return [_webhook(Fields(item, "webhook")) for item in judging.fields_of(body).array("webhooks", _MOST_ROWS)]


def tries_of(body: bytes) -> list[SeenTry]:
    """Return what came of every try."""
    rows = [Fields(item, "try") for item in judging.fields_of(body).array("tries", 100 * _MOST_ROWS)]
    return [
        SeenTry(
            row.integer("event"),
            _number(row, "at_ms"),
            _number(row, "status"),
            row.text("cause"),
            _number(row, "next_at_ms"),
        )
        for row in rows
    ]


def queued_of(body: bytes) -> int:
    """Return how many messages wait to be sent again."""
    return judging.fields_of(body).integer("queued")


def adding_reader(entry_hash: bytes, wrapped: WrappedKey) -> Call:
    """Return the call that adds a reader to an envelope."""
    path = f"/v1/entries/{entry_hash.hex()}/readers"
    return posting(path, reader=wrapped.reader.hex(), wrap=base64.b64encode(wrapped.wrap).decode("ascii"))


def reader_of(body: bytes) -> SeenReader:
    """Return the reader that an answer shows."""
    return _reader(judging.fields_of(body))


def readers_of(body: bytes) -> list[SeenReader]:
    """Return the readers of an envelope, and those who were."""
    return [_reader(Fields(item, "reader")) for item in judging.fields_of(body).array("readers", _MOST_ROWS)]


def _key(fields: Fields) -> SeenKey:
    return SeenKey(
        fields.text("key_id"),
        fields.text("role"),
        fields.text("label"),
        fields.text("state"),
        _number(fields, "expires_at_ms"),
        _text(fields, "replaces"),
        _text(fields, "key"),
    )


def _grant(fields: Fields) -> SeenGrant:
    return SeenGrant(
        fields.text("organisation"), fields.text("role"), fields.text("state"), _number(fields, "expires_at_ms")
    )


def _reader(fields: Fields) -> SeenReader:
    return SeenReader(
        fields.hex("reader", exact=HASH_SIZE),
        fields.integer("added_at_ms"),
        _text(fields, "added_by"),
        _number(fields, "removed_at_ms"),
        _text(fields, "removed_by"),
    )


def _webhook(fields: Fields) -> SeenWebhook:
    news = [Fields({"name": item}, "news").text("name") for item in fields.array("news", 16)]
    return SeenWebhook(fields.text("webhook"), fields.text("url"), tuple(news), _text(fields, "secret"))


def _number(fields: Fields, name: str) -> int | None:
    return fields.integer(name) if name in fields else None


def _text(fields: Fields, name: str) -> str | None:
    return fields.text(name) if name in fields else None
