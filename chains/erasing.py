"""Erasing: the content and salt of entries are destroyed, and an entry of their chain says when and why.

The intent is stored in the transaction that records its entry, then the keys are destroyed, then what lay under them:
a crash in between is finished by ``Erasing.finish``, which takes the same path (docs/operate/erasure.md). The commands
and the API call it; whatever else could tell a content (its digest in the look-ups, the request that brought it, the
keys that were wrapped for readers) goes with it.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from anchor.errors import HeldError, RefusedEntryError
from anchor.proof.access_record import Event, What
from anchor.proof.entry import Entry, IdKind, Link, Relation
from anchor.proof.erasure import Act, ErasureStatement, Scope
from anchor.proof.promise import ANONYMOUS
from anchor.storage.engine import Engine
from anchor.storage.sqlite import empty_log
from chains.access_notes import MACHINE, Asker
from chains.chain import Chain
from chains.chain_sharing import ChainSharing
from chains.client.own_entry import Form, OwnEntry, Sent, make_entry
from chains.client.signing import AuthorKey, Together
from chains.content_index import ContentIndex
from chains.envelopes import Envelopes
from chains.erasure_entries import held_by, holds_of, keeps_content, set_by
from chains.erasure_stated import MOST_LINKS, check_erases, check_holds, check_targets, read_statement
from chains.idempotency import RequestKeys
from chains.key_copies import KeyCopies, Unreached
from chains.reader import Reader, StoredEntry
from chains.retention import have_expired
from chains.work import Accepted, Submission
from chains.writer import Writer


@dataclass(frozen=True, slots=True)
class Author:
    """Who has something stated: he may sign it with a key, perhaps in his identity's name; ``by`` is told the owner.

    ``submitter`` is to whom the entry is promised: of the operator, and of whoever runs commands, it is anonymous.
    """

    key: AuthorKey | Together | None = None
    identity: bytes | None = None
    by: Asker = MACHINE
    submitter: bytes = ANONYMOUS


OPERATOR = Author()
_HOLDING = {Act.HOLD: What.HOLD, Act.LIFT: What.HOLD_LIFTED}


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
        self.sharing = ChainSharing(engine)
        self.copies = KeyCopies(engine, self.chains.keys)

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

        What was erased before, or never kept, is passed over; the owner is told that somebody asked, also where nothing
        is left. Raises HeldError where one of them is held, and RefusedEntryError where the chain does not take the
        entry that would say it: then nothing was done.
        """
        statement = ErasureStatement(Act.ERASE, scope, now_ms, reason)
        left = [stored for stored in entries if keeps_content(stored)]
        if not left:
            self.tell_nothing(chain, scope, now_ms, author.by)
        # All are asked before any is erased: half a subject is worse than none.
        self.check_free(chain, left)
        intended = []
        for at in range(0, len(left), MOST_LINKS):
            some = left[at : at + MOST_LINKS]
            links = [Link(Relation.ERASES, chain.chain_id, stored.entry_hash) for stored in some]
            own = self._entry(chain, statement, links, author)
            intended.append(self._intend(chain, own.raw, own.salt, some, scope, author, now_ms))
        done = self.finish(now_ms)
        elsewhere = [each for each in intended if each not in done.erased]
        if not elsewhere:
            return done
        # Another process that began to write finished it meanwhile: which copies it reached, only asking again tells.
        return Finished((*done.erased, *elsewhere), tuple(self.copies.follow(now_ms)))

    def erase_stated(self, chain: Chain, raw: bytes, salt: bytes, now_ms: int, author: Author) -> StoredEntry:
        """Erase what an entry says that was made and signed elsewhere, for who may erase there; return the entry.

        May be repeated: what is recorded already erases what it erased. Raises what ``erase`` does, MalformedError,
        VerificationError, and RefusedEntryError for a statement that is not about what is kept here.
        """
        entry, statement = read_statement(raw, salt, chain.chain_id, now_ms)
        check_erases(entry, statement)
        found = [self.reader.by_hash(link.entry_hash) for link in entry.links]
        targets = check_targets(chain, entry, found)
        if self.reader.by_hash(entry.hash) is None:
            self._check_scope(chain, statement.scope, targets, now_ms)
            self._intend(chain, raw, salt, targets, statement.scope, author, now_ms)
        self.finish(now_ms)
        known = self.reader.by_hash(entry.hash)
        assert known is not None, "it was recorded just now, or before"
        return known

    def hold_stated(self, chain: Chain, raw: bytes, salt: bytes, act: Act, now_ms: int, author: Author) -> StoredEntry:
        """Hold or lift what an entry says that was made and signed elsewhere; may be repeated. Raises as ``hold``."""
        entry, statement = read_statement(raw, salt, chain.chain_id, now_ms)
        check_holds(entry, statement, act)
        known = self.reader.by_hash(entry.hash)
        if known is not None:
            return known
        [target] = check_targets(chain, entry, [self.reader.by_hash(link.entry_hash) for link in entry.links])
        held = None if statement.scope == Scope.CHAIN else target
        if held is None and target.leaf_index:
            raise RefusedEntryError("what holds a chain links to its first entry; this one links to another")
        return self._hold(chain, held, statement.act, raw, salt, now_ms, author)

    def check_free(self, chain: Chain, erased: Sequence[StoredEntry]) -> None:
        """Raise HeldError where one of these entries of a chain is held."""
        holds = holds_of(self.reader, chain)
        for stored in erased:
            hold = held_by(holds, stored)
            if hold is not None:
                raise HeldError(f"entry {stored.leaf_index} must not be erased: {hold.told()}")

    def tell_nothing(self, chain: Chain, scope: Scope, now_ms: int, by: Asker) -> None:
        """Tell the owner of a chain that somebody would have erased there, and that nothing was to be erased."""
        event = by.did(What.ERASED, chain.chain_id, detail=f"{scope.name.lower()}: nothing was found")
        with self.engine.transaction():
            self.sharing.tell(chain, [event], now_ms)

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

        Returns the entry that says so. Raises HeldError for lifting what nobody holds, or somebody else.
        """
        first = held or self.reader.at(chain, 0)
        assert first is not None, "every chain has a first entry"
        statement = ErasureStatement(act, Scope.CHAIN if held is None else Scope.ENTRY, now_ms, reason)
        links = [Link(Relation.REFERS_TO, chain.chain_id, first.entry_hash)]
        own = self._entry(chain, statement, links, author)
        return self._hold(chain, held, act, own.raw, own.salt, now_ms, author)

    def finish(self, now_ms: int) -> Finished:
        """Carry out every intent that is not done: after a crash the one that it stopped. May be repeated."""
        begun = [self._begin(*intent, now_ms) for intent in self._intents()]
        if not begun:
            return Finished((), ())
        unreached = self.copies.follow(now_ms)
        for each in begun:
            self._end(each, now_ms)
        if self.database is not None:
            empty_log(self.database)
        return Finished(tuple(each.erased for each in begun), tuple(unreached))

    # --- the steps, in their order

    def _intend(
        self,
        chain: Chain,
        raw: bytes,
        salt: bytes,
        erased: Sequence[StoredEntry],
        scope: Scope,
        author: Author,
        now_ms: int,
    ) -> Erased:
        """Record the entry with the intent to do what it says, and tell the owner: all of it, or nothing.

        An entry that the chain does not take leaves no intent, and a hold is set before it, or too late.
        """

        def intend(added: Sequence[Accepted]) -> None:
            self.engine.execute(
                "INSERT INTO erasure (chain_no, entry, salt) VALUES (?, ?, ?)", (chain.chain_no, raw, salt)
            )
            said_by = added[0].entry_hash.hex()
            self.sharing.tell(chain, list(_told(chain, erased, scope, said_by, author.by)), now_ms)

        submission = Submission(raw, salt, content=b"")
        [accepted] = self.writer.submit(
            *(chain, [submission], now_ms, author.submitter),
            by_service=True,
            check=lambda: self.check_free(chain, erased),
            note=intend,
        )
        return Erased(accepted.entry_hash, accepted.leaf_index, tuple(stored.entry_hash for stored in erased))

    def _hold(
        self, chain: Chain, held: StoredEntry | None, act: Act, raw: bytes, salt: bytes, now_ms: int, author: Author
    ) -> StoredEntry:
        of = None if held is None else held.entry_hash

        def check() -> None:
            if act == Act.LIFT:
                self._check_lifted(chain, of, author)

        def tell(added: Sequence[Accepted]) -> None:
            said_by = added[0].entry_hash.hex()
            event = (
                author.by.did(_HOLDING[act], chain.chain_id, subject=said_by)
                if held is None
                else author.by.did(
                    *(_HOLDING[act], chain.chain_id),
                    index=held.leaf_index,
                    count=1,
                    entry=held.entry_hash,
                    subject=said_by,
                )
            )
            self.sharing.tell(chain, [event], now_ms)

        submission = Submission(raw, salt, content=b"")
        [accepted] = self.writer.submit(
            *(chain, [submission], now_ms, author.submitter), by_service=True, check=check, note=tell
        )
        return self.reader.row(accepted.seq)

    def _check_lifted(self, chain: Chain, of: bytes | None, author: Author) -> None:
        """Raise HeldError unless something is held there, by who lifts it; whoever runs commands here lifts all."""
        standing = [hold for hold in holds_of(self.reader, chain) if hold.of == of]
        if not standing:
            raise HeldError("nothing is held there: `anchorline hold list` shows what is")
        if author.by == MACHINE:
            return
        for hold in standing:
            if set_by(self.chains, hold) != author.submitter:
                raise HeldError(f"only who set a hold lifts it, or the operator on his machine: {hold.told()}")

    def _check_scope(self, chain: Chain, scope: Scope, targets: Sequence[StoredEntry], now_ms: int) -> None:
        """Raise RefusedEntryError where what somebody states is not what the entries here say."""
        if not any(map(keeps_content, targets)):
            raise RefusedEntryError("nothing is kept beside what the statement names: it was erased already")
        if scope == Scope.SUBJECT:
            keyed = [
                {each.value for each in stored.entry.external_ids if each.kind == IdKind.KEYED} for stored in targets
            ]
            if not set.intersection(*keyed):
                raise RefusedEntryError("a subject is one keyed external id, which all that is erased carries")
        if scope == Scope.RETENTION:
            left = [stored for stored in targets if keeps_content(stored)]
            if not have_expired(self.engine, self.reader, chain, left, now_ms):
                raise RefusedEntryError("the chain keeps what the statement names for longer (its retention)")

    def _intents(self) -> Iterator[tuple[int, int, bytes, bytes]]:
        rows = self.engine.query(
            "SELECT erasure_no, chain_no, entry, salt FROM erasure WHERE done_at_ms IS NULL ORDER BY erasure_no"
        )
        return ((int(number), int(chain_no), bytes(entry), bytes(salt)) for number, chain_no, entry, salt in rows)

    def _begin(self, number: int, chain_no: int, raw: bytes, salt: bytes, now_ms: int) -> _Begun:
        """Destroy the keys of what an entry says that it erases; again after a crash."""
        chain = self.chains.by_no(chain_no)
        assert chain is not None, "a chain that was intended for stays"
        try:
            # It is there already, but for an intent that an older version left: that stored it before the entry.
            [accepted] = self.writer.submit(chain, [Submission(raw, salt, content=b"")], now_ms, by_service=True)
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
            Envelopes(self.engine).erase(begun.seqs)
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


def _told(chain: Chain, erased: Sequence[StoredEntry], scope: Scope, said_by: str, by: Asker) -> Iterator[Event]:
    """Yield what the owner is told of an erasure: an event for entries that follow one another."""
    ordered = sorted(erased, key=lambda stored: stored.leaf_index)
    for _, group in groupby(enumerate(ordered), key=lambda placed: placed[1].leaf_index - placed[0]):
        run = [stored for _, stored in group]
        yield by.did(
            *(What.ERASED, chain.chain_id),
            index=run[0].leaf_index,
            count=len(run),
            entry=run[0].entry_hash,
            subject=said_by,
            detail=scope.name.lower(),
        )
