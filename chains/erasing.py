"""Erasing: the content and salt of entries are destroyed, and an entry of their chain says when and why.

The intent is stored first, then its entry is recorded, then the keys are destroyed, then what lay under them: a crash
anywhere in between is finished by ``Erasing.finish``, which takes the same path (docs/operate/erasure.md). The commands
and the API call it; whatever else could tell a content (its digest in the look-ups, the request that brought it) goes
with it.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anchor.errors import HeldError, RefusedEntryError
from anchor.proof.entry import Entry, Link, Relation
from anchor.proof.erasure import Act, ErasureStatement, Scope
from anchor.storage.engine import Engine
from anchor.storage.sqlite import empty_log
from chains.chain import Chain
from chains.client.own_entry import Form, OwnEntry, Sent, make_entry
from chains.client.signing import AuthorKey
from chains.content_index import ContentIndex
from chains.erasure_entries import held_by, holds_of, keeps_content
from chains.idempotency import RequestKeys
from chains.key_copies import KeyCopies, Unreached
from chains.reader import Reader, StoredEntry
from chains.work import Accepted, Submission
from chains.writer import Writer

MOST_LINKS = 32
"""Entries that one entry erases: with the longest reason it stays well below the most that an entry may have."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who signs what is stated: the operator, who does not (no key); or an author, perhaps in his identity's name."""

    key: AuthorKey | None = None
    identity: bytes | None = None


OPERATOR = Author()


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased: the entry that says so, and the hashes of those whose contents are gone."""

    entry_hash: bytes
    leaf_index: int
    erased: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """What was erased, and the copies of content keys that could not be reached."""

    erased: tuple[Erased, ...]
    unreached: tuple[Unreached, ...]


@dataclass(frozen=True, slots=True)
class _Begun:
    """An intent whose keys are destroyed: its rows, and what was kept beside those that could be read."""

    number: int
    erased: Erased
    seqs: Sequence[int]
    columns: Sequence[tuple[int, bytes]]


class Erasing:
    """Erases in one home."""

    def __init__(
        self, engine: Engine, reader: Reader, writer: Writer, contents: ContentIndex, database: Path | None
    ) -> None:
        self.engine = engine
        self.reader = reader
        self.writer = writer
        self.chains = reader.chains
        self.contents = contents
        self.database = database

    def erase(
        self,
        chain: Chain,
        entries: Sequence[StoredEntry],
        scope: Scope,
        reason: str,
        now_ms: int,
        author: Author = OPERATOR,
    ) -> Finished:
        """Erase what is kept beside these entries of a chain; it is gone from every file of the home on return.

        What was erased before, or never kept, is passed over. Raises HeldError where one of them is held, and
        RefusedEntryError where the chain does not take the entry that would say it: then nothing was done.
        """
        statement = ErasureStatement(Act.ERASE, scope, now_ms, reason)
        left = [stored for stored in entries if keeps_content(stored)]
        for at in range(0, len(left), MOST_LINKS):
            some = left[at : at + MOST_LINKS]
            links = [Link(Relation.ERASES, chain.chain_id, stored.entry_hash) for stored in some]
            self._intend(chain, self._entry(chain, statement, links, author), some)
        return self.finish(now_ms)

    def hold(
        self,
        chain: Chain,
        held: StoredEntry | None,
        act: Act,
        reason: str,
        now_ms: int,
        author: Author = OPERATOR,
    ) -> StoredEntry:
        """Hold an entry of a chain, or all of it (None), so that nothing is erased; or lift what was held.

        Returns the entry that says so. Raises HeldError for lifting what nobody holds.
        """
        of = None if held is None else held.entry_hash
        if act == Act.LIFT and of not in [hold.of for hold in holds_of(self.reader, chain)]:
            raise HeldError("nothing is held there: `anchorline hold list` shows what is")
        first = held or self.reader.at(chain, 0)
        assert first is not None, "every chain has a first entry"
        statement = ErasureStatement(act, Scope.CHAIN if held is None else Scope.ENTRY, now_ms, reason)
        links = [Link(Relation.REFERS_TO, chain.chain_id, first.entry_hash)]
        own = self._entry(chain, statement, links, author)
        [accepted] = self._submit(chain, own.raw, own.salt, now_ms)
        return self.reader.row(accepted.seq)

    def finish(self, now_ms: int) -> Finished:
        """Carry out every intent that is not done: after a crash the one that it stopped. May be repeated."""
        begun = [self._begin(*intent, now_ms) for intent in self._intents()]
        if not begun:
            return Finished((), ())
        unreached = KeyCopies(self.engine, self.chains.keys).follow(now_ms)
        for each in begun:
            self._end(each, now_ms)
        if self.database is not None:
            empty_log(self.database)
        return Finished(tuple(each.erased for each in begun), tuple(unreached))

    # --- the steps, in their order

    def _intend(self, chain: Chain, own: OwnEntry, erased: Sequence[StoredEntry]) -> None:
        """Store an intent, unless one of the entries is held: a hold is set before it, or too late."""
        with self.engine.transaction():
            holds = holds_of(self.reader, chain)
            for stored in erased:
                hold = held_by(holds, stored)
                if hold is not None:
                    raise HeldError(f"entry {stored.leaf_index} must not be erased: {hold.told()}")
            self.engine.execute(
                "INSERT INTO erasure (chain_no, entry, salt) VALUES (?, ?, ?)", (chain.chain_no, own.raw, own.salt)
            )

    def _intents(self) -> Iterator[tuple[int, int, bytes, bytes]]:
        rows = self.engine.query(
            "SELECT erasure_no, chain_no, entry, salt FROM erasure WHERE done_at_ms IS NULL ORDER BY erasure_no"
        )
        return ((int(number), int(chain_no), bytes(entry), bytes(salt)) for number, chain_no, entry, salt in rows)

    def _begin(self, number: int, chain_no: int, raw: bytes, salt: bytes, now_ms: int) -> _Begun:
        """Record the entry and destroy the keys; again after a crash, when the entry is there already."""
        chain = self.chains.by_no(chain_no)
        assert chain is not None, "a chain that was intended for stays"
        try:
            [accepted] = self._submit(chain, raw, salt, now_ms)
        except RefusedEntryError:
            with self.engine.transaction():
                self.engine.execute("DELETE FROM erasure WHERE erasure_no = ?", (number,))
            raise
        hashes = tuple(link.entry_hash for link in Entry.decode(raw).links)
        seqs = [stored.seq for stored in map(self.reader.by_hash, hashes) if stored is not None]
        columns = list(self._readable(seqs))
        # Before the keys: of what cannot be read any more, nobody can tell what stands of it in the look-ups.
        self._forget(seqs, columns)
        self.chains.keys.destroy(seqs)
        return _Begun(number, Erased(accepted.entry_hash, accepted.leaf_index, hashes), seqs, columns)

    def _end(self, begun: _Begun, now_ms: int) -> None:
        """Remove what lies under keys that are no more, and with it what is left to do."""
        with self.engine.transaction():
            self.chains.bundles.erase(begun.seqs)
            # Another process may have indexed a row since.
            self.contents.forget(begun.columns)
            self.engine.execute("UPDATE erasure SET done_at_ms = ? WHERE erasure_no = ?", (now_ms, begun.number))

    def _forget(self, seqs: Sequence[int], columns: Sequence[tuple[int, bytes]]) -> None:
        """Take out of the database what could tell a content to somebody who guesses it."""
        with self.engine.transaction():
            self.contents.forget(columns)
            RequestKeys(self.engine, self.chains.keys).forget(seqs)

    def _readable(self, seqs: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        for seq in seqs:
            _, _, kept = self.chains.bundles.row(seq)
            if kept is not None and len(kept) > 1:
                yield seq, kept

    def _submit(self, chain: Chain, raw: bytes, salt: bytes, now_ms: int) -> list[Accepted]:
        return self.writer.submit(chain, [Submission(raw, salt, content=b"")], now_ms, by_service=True)

    def _entry(self, chain: Chain, statement: ErasureStatement, links: Sequence[Link], author: Author) -> OwnEntry:
        """Return an entry that states this; its content is empty: the reason is in the entry itself, and stays."""
        form = Form(
            links=tuple(links),
            log_id=self.writer.log_id,
            author=author.key,
            identity=author.identity,
            erasure=statement.encode(),
        )
        return make_entry(chain.chain_id, b"", form, os.urandom, Sent.CONTENT)
