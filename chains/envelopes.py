"""Envelopes of encrypted contents as a home keeps them: boxes beside their entries, and who can open each.

Rows of ``envelope_key``; the writer adds those that come with an entry, the owner of a chain adds and removes readers
later (``chains.web.api_readers``, ``anchorline reader``). Nothing here can open anything.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from anchor.errors import AccountError, ContentTooLargeError, RefusedEntryError, UnknownAccountError
from anchor.proof.access_record import What
from anchor.proof.archive_envelopes import ReaderSpan
from anchor.proof.entry import Entry, IdKind
from anchor.storage.engine import Engine
from chains.access_notes import MACHINE, AccessNotes, Asker, Note
from chains.chain_sharing import ChainSharing
from chains.client.envelope import (
    MAX_READERS,
    Envelope,
    EnvelopeError,
    WrappedKey,
    check_belongs,
    largest_box,
)
from chains.reader import StoredEntry
from chains.work import Submission


class Envelopes:
    """The envelopes of one database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def keep(self, keys: Iterable[tuple[int, tuple[WrappedKey, ...]]], now_ms: int) -> None:
        """Keep the wrapped keys that came with new entries (by row), inside their transaction."""
        rows = [(seq, each.reader, each.wrap, now_ms) for seq, wrapped in keys for each in wrapped]
        if rows:
            self.engine.execute_many(
                "INSERT INTO envelope_key (seq, reader, wrap, added_at_ms) VALUES (?, ?, ?, ?)", rows
            )

    def bring(self, seq: int, readers: Sequence[ReaderSpan], keys: Iterable[WrappedKey]) -> None:
        """Keep who could ever open the envelope that an entry brings from another log, inside its transaction."""
        wraps = {each.reader: each.wrap for each in keys}
        self.engine.execute_many(
            "INSERT INTO envelope_key (seq, reader, wrap, added_at_ms, added_by, removed_at_ms, removed_by) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(seq, each.reader, wraps.get(each.reader) if each.opens else None, *_when(each)) for each in readers],
        )

    def of(self, stored: StoredEntry) -> Envelope | None:
        """Return the envelope of an entry as it is now, or None where no encrypted content is kept."""
        if stored.box is None:
            return None
        rows = self.engine.query(
            "SELECT reader, wrap FROM envelope_key WHERE seq = ? AND removed_at_ms IS NULL ORDER BY reader",
            (stored.seq,),
        )
        keys = tuple(WrappedKey(bytes(reader), bytes(wrap)) for reader, wrap in rows)
        return Envelope(stored.entry_hash, keys, stored.box)

    def readers(self, stored: StoredEntry) -> list[ReaderSpan]:
        """Return everybody who could ever open the envelope of an entry, in the order of adding."""
        rows = self.engine.query(
            "SELECT reader, added_at_ms, added_by, removed_at_ms, removed_by FROM envelope_key WHERE seq = ? "
            "ORDER BY key_no",
            (stored.seq,),
        )
        return [
            ReaderSpan(bytes(reader), int(added), by, removed, remover) for reader, added, by, removed, remover in rows
        ]

    def add(self, stored: StoredEntry, key: WrappedKey, by: str, now_ms: int, asker: Asker = MACHINE) -> ReaderSpan:
        """Add a reader, for whom somebody who can open the envelope has wrapped its key; the chain's owner is told.

        Whether the key opens it, nobody here can know. Raises AccountError where there is no envelope, where he is a
        reader already, or where there are too many.
        """
        with self.engine.transaction():
            envelope = self.of(stored)
            if envelope is None:
                raise AccountError(f"entry {stored.entry_hash.hex()} has no envelope: its content is not encrypted")
            if any(each.reader == key.reader for each in envelope.keys):
                raise AccountError(
                    f"{key.reader.hex()} is a reader of this entry already; remove him to change his key"
                )
            if len(envelope.keys) >= MAX_READERS:
                raise AccountError(f"expected at most {MAX_READERS} readers of an entry; let several share a key")
            self.engine.execute(
                "INSERT INTO envelope_key (seq, reader, wrap, added_at_ms, added_by) VALUES (?, ?, ?, ?, ?)",
                (stored.seq, key.reader, key.wrap, now_ms, by),
            )
            self._tell(stored, What.READER_ADDED, key.reader, asker, now_ms)
        return ReaderSpan(key.reader, now_ms, by, None, None)

    def remove(self, stored: StoredEntry, reader: bytes, by: str, now_ms: int, asker: Asker = MACHINE) -> ReaderSpan:
        """Remove a reader: his wrapped key is deleted, that he was one stays. What he has read, he has read.

        Raises UnknownAccountError where he is none.
        """
        with self.engine.transaction():
            count = self.engine.execute(
                "UPDATE envelope_key SET wrap = NULL, removed_at_ms = ?, removed_by = ? "
                "WHERE seq = ? AND reader = ? AND removed_at_ms IS NULL",
                (now_ms, by, stored.seq, reader),
            )
            if not count:
                raise UnknownAccountError(f"{reader.hex()} is no reader of entry {stored.entry_hash.hex()}")
            self._tell(stored, What.READER_REMOVED, reader, asker, now_ms)
            return next(each for each in reversed(self.readers(stored)) if each.reader == reader)

    def erase(self, seqs: Collection[int]) -> None:
        """Delete every wrapped key of erased contents, inside a transaction; who could open them stays in the list."""
        for seq in seqs:
            self.engine.execute("UPDATE envelope_key SET wrap = NULL WHERE seq = ?", (seq,))

    def entries_of(self, reader: bytes) -> list[int]:
        """Return the rows of the entries, of all chains, whose envelopes a reader can open now, oldest first.

        Goes through all wrapped keys: for the rare day on which a reader's key was stolen.
        """
        rows = self.engine.query(
            "SELECT seq FROM envelope_key WHERE reader = ? AND removed_at_ms IS NULL ORDER BY seq", (reader,)
        )
        return [int(seq) for (seq,) in rows]

    def _tell(self, stored: StoredEntry, what: What, reader: bytes, asker: Asker, now_ms: int) -> None:
        """Note a change of readers for the chain's owner, inside a transaction; the operator keeps no notes."""
        owner = ChainSharing(self.engine).access_of(stored.chain_no).owner
        if owner is not None:
            where = asker.did(what, stored.entry.chain_id, index=stored.leaf_index, count=1, entry=stored.entry_hash)
            event = replace(where, subject=reader.hex())
            AccessNotes(self.engine).add([Note(owner, event)], now_ms)


def _when(span: ReaderSpan) -> tuple[int, str | None, int | None, str | None]:
    return span.added_at_ms, span.added_by, span.removed_at_ms, span.removed_by


def keys_in(submission: Submission) -> tuple[WrappedKey, ...]:
    """Return the wrapped keys that come with an entry."""
    return () if submission.envelope is None else Envelope.decode(submission.envelope).keys


def check_encrypted(entry: Entry, submission: Submission, content_bytes: int) -> None:
    """Raise RefusedEntryError unless what comes with an entry whose content is encrypted is its envelope, or nothing.

    ``content_bytes``: how large a content may be. Raises MalformedError for what is no envelope.
    """
    if (submission.salt, submission.digest, submission.content) != (None, None, None):
        raise RefusedEntryError(
            "an entry with encrypted content comes with its envelope alone: salt, digest and content were handed in, "
            "and were not kept"
        )
    if any(item.kind != IdKind.KEYED for item in entry.external_ids):
        raise RefusedEntryError(
            "an entry with encrypted content has no external ids in clear, nor hashed ones, which can be guessed: give "
            "it keyed ones (kind 2), or none"
        )
    if submission.envelope is None:
        return
    envelope = Envelope.decode(submission.envelope)
    if len(envelope.box) > largest_box(content_bytes):
        raise ContentTooLargeError(
            f"encrypted content: expected at most {largest_box(content_bytes)} bytes, got {len(envelope.box)}; record "
            "larger things by their digest, or raise content_bytes in the settings"
        )
    try:
        check_belongs(envelope, entry)
    except EnvelopeError as error:
        raise RefusedEntryError(str(error)) from error
