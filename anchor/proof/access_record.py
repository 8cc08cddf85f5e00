# SPDX-License-Identifier: Apache-2.0
"""Access records: who read, was granted or took what of an organisation's content, as entries of its access chain.

Events come from ``chains.access_notes``; each record is the content of one entry (docs/spec/access-record.md). The
audit and whoever holds the receipt of such an entry with its content check it with ``check_record``.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from anchor.proof.codec import HASH_SIZE, Reader, fits
from anchor.proof.entry import Entry, ExtensionType, ExternalId, IdKind
from anchor.proof.errors import MalformedError, TooLargeError
from anchor.proof.strictjson import MAX_INTEGER, Fields, loads

ACCESS_ID = b"anchorline/access/v1"
"""First external id, in clear, of every access chain; the second are 32 random bytes."""
MEDIA_TYPE = "application/vnd.anchorline.access+ndjson"
MAX_LINE = 4096
"""Bytes of one event: two hashes, the ids of an organisation and a key, and a sentence take a quarter of it."""
MAX_EVENTS = 10_000
"""Events in one record."""
_RECORD_SIZE = 28
_WORD = re.compile(r"[a-z][a-z0-9-]{0,39}")
_TEXT = re.compile(r"[\x20-\x7e]{1,200}")


class What(StrEnum):
    """What was done; unknown words of the same form are kept and shown."""

    CONTENT = "content"
    CERTIFICATE = "certificate"
    RECEIPT = "receipt"  # with salt and digest
    SALT = "salt"  # and digest
    DIGEST = "digest"
    ENVELOPE = "envelope"  # of encrypted content
    LOG = "log"  # of accesses
    EXPORT = "export"
    MIRROR = "mirror"
    BACKUP = "backup"
    GRANT = "grant"
    GRANT_ENDED = "grant-ended"
    SHARED = "shared"  # one entry, with whoever has a link
    SHARE_ENDED = "share-ended"
    READER_ADDED = "reader-added"  # of one entry's envelope
    READER_REMOVED = "reader-removed"
    ERASED = "erased"  # content and salt of entries; or asked for, and nothing was found
    HOLD = "hold"
    HOLD_LIFTED = "hold-lifted"
    RETENTION = "retention"  # for how long a chain keeps contents
    KEYS_COPIED = "keys-copied"  # the keys of contents left the home
    KEYS_COPY_GONE = "keys-copy-gone"  # a copy of them is said to be destroyed
    OFFERED = "offered"  # the chain, to another organisation
    OFFER_ENDED = "offer-ended"
    OWNER = "owner"
    VISIBILITY = "visibility"
    KEY_MADE = "key-made"
    KEY_ROTATED = "key-rotated"
    KEY_REVOKED = "key-revoked"


class Way(StrEnum):
    """By which way; unknown words of the same form are kept and shown."""

    API = "api"
    PAGE = "page"
    COMMAND = "command"


class By(StrEnum):
    """By whom; unknown words of the same form are kept and shown."""

    KEY = "key"
    OPERATOR = "operator"
    MACHINE = "machine"  # whoever runs commands where the home is: the operator, or who has his machine
    LINK = "link"  # whoever has the link of a share
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True)
class Event:
    """One access. ``chain`` and ``entry`` are 32 bytes, or empty where it is about none.

    ``index`` and ``count`` are the entries that it is about: so many from this leaf index on (``count`` 0: none in
    particular); ``entry`` is the hash of the first. ``organisation`` and ``key`` say who did it, ``subject`` to whom or
    what it was done (an organisation, a key), ``detail`` what else there is to say.
    """

    what: str
    way: str
    by: str
    organisation: str = ""
    key: str = ""
    chain: bytes = b""
    index: int = 0
    count: int = 0
    entry: bytes = b""
    subject: str = ""
    detail: str = ""

    def __post_init__(self) -> None:
        for name in ("what", "way", "by"):
            if not _WORD.fullmatch(getattr(self, name)):
                raise MalformedError(f"access event: {name}: expected a word, got {getattr(self, name)[:40]!r}")
        for name in ("organisation", "key", "subject", "detail"):
            text = getattr(self, name)
            if text and not _TEXT.fullmatch(text):
                raise MalformedError(
                    f"access event: {name}: expected at most 200 printable ASCII characters, got {text[:40]!r}"
                )
        if len(self.chain) not in {0, HASH_SIZE} or len(self.entry) not in {0, HASH_SIZE}:
            raise MalformedError(f"access event: chain and entry: expected {HASH_SIZE} bytes each, or none")
        if not 0 <= self.count <= MAX_INTEGER or not 0 <= self.index <= MAX_INTEGER or (self.index and not self.count):
            raise MalformedError(f"access event: index and count: got {self.index} and {self.count}")


@dataclass(frozen=True, slots=True)
class Noted:
    """An event with its number among those of its owner, counted from 0, and its time (Unix ms)."""

    number: int
    at_ms: int
    event: Event

    def line(self) -> bytes:
        """Return its line in a record, with the line feed; it is the only way to write it."""
        event = self.event
        value: dict[str, Any] = {"number": self.number, "at_ms": self.at_ms}
        value |= {"what": event.what, "way": event.way, "by": event.by}
        value |= {name: getattr(event, name) for name in ("organisation", "key") if getattr(event, name)}
        if event.chain:
            value["chain"] = event.chain.hex()
        if event.count:
            value |= {"index": event.index, "count": event.count}
        if event.entry:
            value["entry"] = event.entry.hex()
        value |= {name: getattr(event, name) for name in ("subject", "detail") if getattr(event, name)}
        return json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Noted":
        """Read a line without its line feed; raise MalformedError for anything that ``line`` would not write."""
        fields = Fields(loads(line, "access event", MAX_LINE), "access event")
        number, at_ms = fields.integer("number"), fields.integer("at_ms")
        has_count = "count" in fields
        event = Event(
            *(fields.text("what"), fields.text("way"), fields.text("by")),
            organisation=_text(fields, "organisation"),
            key=_text(fields, "key"),
            chain=_hash(fields, "chain"),
            index=fields.integer("index") if has_count else 0,
            count=fields.integer("count") if has_count else 0,
            entry=_hash(fields, "entry"),
            subject=_text(fields, "subject"),
            detail=_text(fields, "detail"),
        )
        fields.end()
        noted = cls(number, at_ms, event)
        if noted.line() != line + b"\n":
            raise MalformedError(f"access event {number}: expected its fields in the one order and form that there is")
        return noted


@dataclass(frozen=True, slots=True)
class AccessRecord:
    """What an entry says of the events in its content (extension 12): their numbers, and the times of first and last.

    It stays when the content is erased.
    """

    first_number: int
    count: int
    first_at_ms: int
    last_at_ms: int

    def encode(self) -> bytes:
        """Return the value of the extension: 28 bytes."""
        return b"".join(
            (
                fits(self.first_number, 8, "first_number"),
                fits(self.count, 4, "count"),
                fits(self.first_at_ms, 8, "first_at_ms"),
                fits(self.last_at_ms, 8, "last_at_ms"),
            )
        )

    @classmethod
    def decode(cls, value: bytes) -> "AccessRecord":
        """Read the value of the extension; raise MalformedError where it says what cannot be."""
        reader = Reader(value, "access record", _RECORD_SIZE)
        found = cls(reader.unsigned(8), reader.unsigned(4), reader.unsigned(8), reader.unsigned(8))
        reader.end()
        if not 1 <= found.count <= MAX_EVENTS:
            raise MalformedError(f"access record: expected 1 to {MAX_EVENTS} events, found {found.count}")
        if found.last_at_ms < found.first_at_ms:
            raise MalformedError(f"access record: ends at {found.last_at_ms} ms, before {found.first_at_ms} ms")
        return found

    @classmethod
    def of(cls, events: Sequence[Noted]) -> "AccessRecord":
        """Return the record of events, which are in order and at least one."""
        return cls(events[0].number, len(events), events[0].at_ms, events[-1].at_ms)


def is_access_id(external_ids: Sequence[ExternalId]) -> bool:
    """Say whether a first entry with these external ids begins an access chain."""
    return ExternalId(IdKind.CLEAR, ACCESS_ID) in external_ids[:1]


def record_of(entry: Entry) -> AccessRecord | None:
    """Return what an entry says of its events, None where it is no access record; raise MalformedError."""
    value = entry.extension(ExtensionType.ACCESS_RECORD)
    return None if value is None else AccessRecord.decode(value)


def encode_events(events: Iterable[Noted]) -> bytes:
    """Return the content of a record: a line for each event."""
    return b"".join(each.line() for each in events)


def decode_events(content: bytes) -> list[Noted]:
    """Read the content of a record; raise MalformedError for anything else, numbers and times in disorder too."""
    if len(content) > MAX_EVENTS * MAX_LINE:
        raise TooLargeError(f"access record: expected at most {MAX_EVENTS * MAX_LINE} bytes, got {len(content)}")
    *lines, rest = content.split(b"\n")
    if rest or not lines or len(lines) > MAX_EVENTS:
        raise MalformedError(f"access record: expected 1 to {MAX_EVENTS} lines, each with a line feed at its end")
    events = [Noted.from_line(line) for line in lines]
    for before, after in pairwise(events):
        if after.number != before.number + 1 or after.at_ms < before.at_ms:
            raise MalformedError(
                f"access record: event {after.number} at {after.at_ms} ms cannot follow event {before.number} at "
                f"{before.at_ms} ms"
            )
    return events


def check_record(record: AccessRecord, content: bytes) -> list[Noted]:
    """Return the events of an entry; raise MalformedError where they are not those that its extension names."""
    events = decode_events(content)
    found = AccessRecord.of(events)
    if found != record:
        raise MalformedError(f"access record: the entry says {record}, its content holds {found}")
    return events


def _text(fields: Fields, name: str) -> str:
    return fields.text(name) if name in fields else ""


def _hash(fields: Fields, name: str) -> bytes:
    return fields.hex(name, exact=HASH_SIZE) if name in fields else b""
