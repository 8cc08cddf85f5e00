"""The log of accesses of one organisation: the records on its access chain, and the notes that wait to be in one.

The command ``access-log`` and the operation ``listAccess`` show it; each event is proved by the receipt of the entry
that holds it, with content.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anchor.proof.access_record import AccessRecord, Noted, decode_events, record_of
from anchor.storage.engine import Engine
from chains.access_notes import AccessNotes
from chains.chain import Chain, Chains
from chains.home import Home
from chains.reader import Reader, StoredEntry

_WAITING = 20_000


@dataclass(frozen=True, slots=True)
class Logged:
    """An event, and the entry that holds it: None while it waits to be recorded, which is before the next seal."""

    noted: Noted
    entry_hash: bytes | None

    def to_json(self) -> dict[str, Any]:
        """Return its facts."""
        event = self.noted.event
        return {
            "number": self.noted.number,
            "at_ms": self.noted.at_ms,
            **{name: getattr(event, name) for name in ("what", "way", "by")},
            **{name: getattr(event, name) or None for name in ("organisation", "key", "subject", "detail")},
            "chain_id": event.chain.hex() or None,
            "index": event.index if event.count else None,
            "count": event.count or None,
            "entry_hash": event.entry.hex() or None,
            "recorded_in": None if self.entry_hash is None else self.entry_hash.hex(),
        }


class AccessLog:
    """The accesses to one organisation's content, in order."""

    def __init__(self, engine: Engine, chains: Chains, reader: Reader, owner: str) -> None:
        self._chains = chains
        self._reader = reader
        self._owner = owner
        self._notes = AccessNotes(engine)

    @property
    def chain(self) -> Chain | None:
        """Its chain; None where nothing is recorded yet."""
        chain_no = self._notes.chain_no_of(self._owner)
        return None if chain_no is None else self._chains.by_no(chain_no)

    @property
    def end(self) -> int:
        """The number of the next event."""
        return self._notes.next_number(self._owner)

    def events(self, first_number: int = 0) -> Iterator[Logged]:
        """Yield the events from a number on; those whose content was erased are passed over."""
        # The notes first: what is recorded meanwhile comes twice, and is passed over, rather than never.
        waiting, chain, number = self._notes.of(self._owner, _WAITING), self.chain, first_number
        for stored in () if chain is None else self._records(chain, first_number):
            content = None if stored.kept is None else stored.kept.content
            for noted in [] if content is None else decode_events(content):
                if noted.number >= number:
                    yield Logged(noted, stored.entry_hash)
            number = max(number, _end_of(stored))
        for noted in waiting:
            if noted.number >= number:
                yield Logged(noted, None)

    def _records(self, chain: Chain, first_number: int) -> Iterator[StoredEntry]:
        """Yield the entries from the one on that holds an event."""
        size = self._chains.size(chain)
        start = bisect_right(range(size), first_number, key=lambda index: self._end_at(chain, index))
        return self._reader.entries(chain, start, size)

    def _end_at(self, chain: Chain, index: int) -> int:
        stored = self._reader.at(chain, index)
        assert stored is not None, "within its size"
        return _end_of(stored)


def _end_of(stored: StoredEntry) -> int:
    """Return the number of the first event behind an entry."""
    record: AccessRecord | None = record_of(stored.entry)
    return 0 if record is None else record.first_number + record.count


def log_of(home: Home, owner: str) -> AccessLog:
    """Return the log of an organisation's accesses, of a home."""
    return AccessLog(home.engine, home.chains, Reader(home.engine, home.chains, home.lookup), owner)
