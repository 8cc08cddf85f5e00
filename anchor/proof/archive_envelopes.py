# SPDX-License-Identifier: Apache-2.0
"""The encrypted contents in an export: ``envelopes/<chain id>.jsonl``, and what can be seen of each without a key.

Of a content that was erased since, the list of who could open it is left.

Input is an ``Archive``, which is believed in nothing. The checks of exports compare here; ``archive_taken`` takes
single entries out for a reader to open (docs/spec/envelope.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anchor.proof.archive_files import MAX_LINE, Archive, ArchiveError
from anchor.proof.checkpoint import from_base64
from anchor.proof.codec import HASH_SIZE, sha256
from anchor.proof.entry import MAX_ENTRY, Entry, ExtensionType
from anchor.proof.errors import MalformedError
from anchor.proof.merkle import leaf_hash
from anchor.proof.plain_text import MAX_REASON, is_plain_line
from anchor.proof.strictjson import Fields, loads

_BEGIN = b"ALE\x01"
_AT_COUNT = len(_BEGIN) + HASH_SIZE
_AT_READERS = _AT_COUNT + 2
_READER_SIZE = HASH_SIZE + 80
_MAX_READERS = 256
_MOST_SPANS = 100_000
"""Readers are added and removed by hand, or all at once where a key was stolen."""
_NAMED = ExtensionType.ENVELOPE.to_bytes(2, "big") + HASH_SIZE.to_bytes(2, "big")


def envelopes_path(chain_id: bytes) -> str:
    """Return where an export has the envelopes of a chain."""
    return f"envelopes/{chain_id.hex()}.jsonl"


def may_be_encrypted(raw: bytes) -> bool:
    """Say whether an entry may name encrypted content; False only where it does not, and asked without decoding it."""
    return _NAMED in raw


@dataclass(frozen=True, slots=True)
class ReaderSpan:
    """A reader of an envelope by his id (32 bytes), from when to when (Unix ms), and by whom he was added and removed.

    ``added_by`` None: he came with the entry. ``removed_at_ms`` None: he was one when the export was written, or the
    content erased. All of it is the service's word, which records of its owner's access chain bear out.
    """

    reader: bytes
    added_at_ms: int
    added_by: str | None
    removed_at_ms: int | None
    removed_by: str | None

    @property
    def opens(self) -> bool:
        """Whether he had a key until the end."""
        return self.removed_at_ms is None

    def to_json(self) -> dict[str, Any]:
        """Return it as a line of the export has it."""
        value: dict[str, Any] = {"reader": self.reader.hex(), "added_at_ms": self.added_at_ms}
        later = {"added_by": self.added_by, "removed_at_ms": self.removed_at_ms, "removed_by": self.removed_by}
        return value | {name: found for name, found in later.items() if found is not None}

    @classmethod
    def from_json(cls, value: object, where: str) -> "ReaderSpan":
        """Read it; raises MalformedError for another form, a name that is no line, an end before its beginning."""
        fields = Fields(value, where)
        found = cls(
            fields.hex("reader", exact=HASH_SIZE),
            fields.integer("added_at_ms"),
            _name(fields, "added_by", where),
            fields.integer("removed_at_ms") if "removed_at_ms" in fields else None,
            _name(fields, "removed_by", where),
        )
        fields.end()
        if found.removed_at_ms is not None and found.removed_at_ms < found.added_at_ms:
            raise MalformedError(f"{where}: reader {found.reader.hex()} of an envelope was removed before he was added")
        return found


@dataclass(frozen=True, slots=True)
class KeptEnvelope:
    """The envelope of the entry at a leaf index, and that entry: a reader needs no more to open it.

    ``envelope`` None: the content was erased, or its service could not read it any more. ``readers`` is everybody who
    could ever open it, in the order of adding; None where the export does not say.
    """

    index: int
    raw: bytes
    envelope: bytes | None
    readers: tuple[ReaderSpan, ...] | None = None

    @property
    def entry_hash(self) -> bytes:
        """The hash of the entry, whether it is one or not."""
        return leaf_hash(self.raw)

    @classmethod
    def decode(cls, line: bytes, where: str) -> "KeptEnvelope":
        """Read a line; raises MalformedError."""
        fields = Fields(loads(line, where, MAX_LINE), where)
        index, raw = fields.integer("index"), fields.hex("entry", maximum=MAX_ENTRY)
        envelope = from_base64(fields.text("envelope"), where) if "envelope" in fields else None
        listed = fields.array("readers", _MOST_SPANS) if "readers" in fields else None
        fields.end()
        if envelope is None and not listed:
            raise MalformedError(f"{where}: expected an envelope, or who could open the one that was here")
        spans = None if listed is None else tuple(ReaderSpan.from_json(item, f"{where}: readers") for item in listed)
        return cls(index, raw, envelope, spans)

    def check(self, where: str, raw: bytes) -> None:
        """Raise ArchiveError unless this is the envelope that the entry ``raw`` names; MalformedError for no entry."""
        if self.raw != raw:
            raise ArchiveError(f"{where}: the envelope stands beside another entry")
        entry, opening = Entry.decode(raw), sorted(each.reader for each in self.readers or () if each.opens)
        named = entry.extension(ExtensionType.ENVELOPE)
        if named is None:
            raise ArchiveError(f"{where}: the entry names no encrypted content, and an envelope stands beside it")
        if len(set(opening)) != len(opening):
            raise ArchiveError(f"{where}: a reader of the envelope is listed twice at one time")
        if self.envelope is None:
            return
        if self.envelope[:_AT_COUNT] != _BEGIN + entry.hash:
            raise ArchiveError(f"{where}: expected the envelope of this entry, version 1, found another or none")
        count = int.from_bytes(self.envelope[_AT_COUNT:_AT_READERS], "big")
        box = self.envelope[_AT_READERS + count * _READER_SIZE :]
        if count > _MAX_READERS or sha256(box) != named:
            raise ArchiveError(f"{where}: the encrypted content is not the one that the entry names")
        firsts = range(_AT_READERS, _AT_READERS + count * _READER_SIZE, _READER_SIZE)
        if self.readers is not None and opening != sorted(self.envelope[at : at + HASH_SIZE] for at in firsts):
            raise ArchiveError(f"{where}: the envelope has keys for other readers than those who are said to open it")


def envelopes_of(archive: Archive, chain_id: bytes) -> Iterator[KeptEnvelope]:
    """Yield the envelopes of a chain in their order; none where it has none."""
    path = envelopes_path(chain_id)
    return (KeptEnvelope.decode(line, path) for line in archive.lines(path))


class Beside:
    """The envelopes of a chain, compared with its entries, which pass by in order; ``count`` are there, and hold."""

    def __init__(self, archive: Archive, chain_id: bytes) -> None:
        self._left = envelopes_of(archive, chain_id)
        self._waiting = next(self._left, None)
        self.count = 0

    def pass_by(self, where: str, index: int, raw: bytes) -> None:
        """Compare the envelope of the entry at ``index`` with it, if there is one; raises as ``KeptEnvelope.check``."""
        if self._waiting is not None and self._waiting.index == index:
            self._waiting.check(where, raw)
            self.count += self._waiting.envelope is not None
            self._waiting = next(self._left, None)

    def end(self, where: str) -> None:
        """Raise ArchiveError where an envelope is left over."""
        if self._waiting is not None:
            raise ArchiveError(
                f"{where}: the envelope of entry {self._waiting.index}, which is not there or not in order"
            )


def _name(fields: Fields, name: str, where: str) -> str | None:
    if name not in fields:
        return None
    found = fields.text(name)
    if not is_plain_line(found) or len(found.encode()) > MAX_REASON:
        raise MalformedError(f"{where}: {name}: expected one plain line of at most {MAX_REASON} bytes")
    return found
