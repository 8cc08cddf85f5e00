"""Notes of access become entries: one transaction writes the records of all organisations and takes the notes away.

Whoever seals calls ``record_access`` before it, and the service whenever many notes wait. Each organisation has one
chain for them, opened with its first record; nobody else writes there (``chains.writer``).
"""

import os
from collections.abc import Callable, Iterator, Sequence

from anchor.hashing.chosen import HASHING
from anchor.hashing.pieces import Pieces
from anchor.proof.access_record import ACCESS_ID, MAX_EVENTS, MEDIA_TYPE, AccessRecord, Noted, encode_events
from anchor.proof.codec import HASH_SIZE, sha256
from anchor.proof.entry import (
    SALT_SIZE,
    Entry,
    Extension,
    ExtensionType,
    ExternalId,
    IdKind,
    chain_id_of,
    content_commitment,
)
from anchor.proof.promise import ANONYMOUS
from chains.access import Visibility
from chains.access_notes import AccessNotes
from chains.chain import Chain, Run
from chains.home import Home
from chains.work import Submission
from chains.writer import batch_of

NAME = "access"
"""What an organisation's access chain is called, where it calls no other chain so."""
MOST_AT_ONCE = 50_000
"""Notes in one transaction: tens of MiB in memory, and a second of the writer's time."""
_RECORD_BYTES = 512 * 1024
Random = Callable[[int], bytes]


def record_access(home: Home, random: Random = os.urandom) -> int:
    """Make entries of all notes that wait; return how many notes that were.

    A crash leaves the notes of a transaction waiting, or its entries written: never both, never neither.
    """
    notes, recorded = AccessNotes(home.engine), 0
    while notes.waiting():
        home.writer.lookup.keep_up(home.writer.next_seq)
        with home.engine.transaction():
            recorded += _Recording(home, notes, random).run()
    return recorded


_Added = tuple[bytes, Run, Pieces]
"""What ``Writer.promise`` takes: a chain id, where its new rows are, and their hashes."""


class _Recording:
    """One transaction that makes entries of notes, at most ``MOST_AT_ONCE``."""

    def __init__(self, home: Home, notes: AccessNotes, random: Random) -> None:
        self._home = home
        self._notes = notes
        self._random = random
        self._now_ms = home.clock()

    def run(self) -> int:
        """Return how many notes were taken."""
        received_at_ms = self._home.writer.received_at(self._now_ms)
        added: list[_Added] = []
        left = MOST_AT_ONCE
        for owner in self._notes.owners_waiting():
            events = self._notes.of(owner, left)
            if not events:
                break
            added += self._records(owner, list(_parts(events)))
            self._notes.take(owner, events[-1].number + 1)
            left -= len(events)
        if added:
            self._home.writer.promise(added, received_at_ms)
        return MOST_AT_ONCE - left

    def _records(self, owner: str, parts: Sequence[Sequence[Noted]]) -> list[_Added]:
        """Append the records of one organisation; its first opens its chain."""
        chain_no = self._notes.chain_no_of(owner)
        if chain_no is not None:
            chain = self._home.chains.by_no(chain_no)
            assert chain is not None, "a chain that was opened stays"
            return [self._append(chain, [self._record(chain.chain_id, part) for part in parts])]
        ids = (ExternalId(IdKind.CLEAR, ACCESS_ID), ExternalId(IdKind.HASHED, self._random(HASH_SIZE)))
        chain = self._open(owner, chain_id_of(ids))
        added = [self._append(chain, [self._record(chain.chain_id, parts[0], ids)])]
        if parts[1:]:
            added.append(self._append(chain, [self._record(chain.chain_id, part) for part in parts[1:]]))
        return added

    def _open(self, owner: str, chain_id: bytes) -> Chain:
        chains, accounts = self._home.chains, self._home.accounts
        name = f"{owner}/{NAME}"
        chain = chains.open(chain_id, None if chains.by_name(name) else name, self._now_ms)
        accounts.sharing.own(chain, accounts.organisations.by_id(owner), Visibility.PRIVATE)
        self._notes.set_chain(owner, chain.chain_no)
        return chain

    def _append(self, chain: Chain, records: Sequence[Submission]) -> _Added:
        hashes = HASHING.leaves([record.entry for record in records])
        return chain.chain_id, self._home.chains.append_rows(chain, batch_of(records, hashes), ANONYMOUS), hashes

    def _record(self, chain_id: bytes, events: Sequence[Noted], ids: tuple[ExternalId, ...] = ()) -> Submission:
        """Return the entry of events, under a fresh salt."""
        content, salt = encode_events(events), self._random(SALT_SIZE)
        extensions = (Extension(ExtensionType.ACCESS_RECORD, AccessRecord.of(events).encode()),)
        entry = Entry(chain_id, content_commitment(salt, sha256(content)), MEDIA_TYPE, ids, extensions=extensions)
        return Submission(entry.encode(), salt, content=content)


def _parts(events: Sequence[Noted]) -> Iterator[Sequence[Noted]]:
    """Yield events in as few records as may hold them."""
    start = size = 0
    for place, each in enumerate(events):
        line_size = len(each.line())
        if place - start == MAX_EVENTS or (size and size + line_size > _RECORD_BYTES):
            yield events[start:place]
            start, size = place, 0
        size += line_size
    yield events[start:]
