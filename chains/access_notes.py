"""Notes of who read, was granted or took what of an organisation's content: stored before it leaves, soon an entry.

The web layer, the commands of the operator and whoever changes grants and keys add them;
``chains.access_recording`` makes entries of them. Rules are in docs/spec/access-record.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from anchor.proof.access_record import By, Event, Noted, Way, What
from anchor.storage.engine import Engine
from chains.access import Actor, ChainAccess, Role, Visibility
from chains.chain import Chain
from chains.reader import StoredEntry


@dataclass(frozen=True, slots=True)
class Asker:
    """Who does something, and by which way: ``organisation`` and ``key_id`` where an API key says so."""

    way: Way
    by: By
    organisation: str = ""
    key_id: str = ""

    @classmethod
    def of(cls, actor: Actor, way: Way) -> "Asker":
        """Return who presents an API key, or the session that one began."""
        by = By.STRANGER if actor.role is None else By.OPERATOR if actor.role is Role.OPERATOR else By.KEY
        return cls(way, by, actor.organisation or "", actor.key_id or "")

    def did(
        self,
        what: What,
        chain: bytes = b"",
        *,
        index: int = 0,
        count: int = 0,
        entry: bytes = b"",
        subject: str = "",
        detail: str = "",
    ) -> Event:
        """Return the event that he did this (``anchor.proof.access_record.Event``)."""
        by = (self.way, self.by, self.organisation, self.key_id)
        return Event(what, *by, chain, index, count, entry, subject, detail)

    def took(self, what: What, chain: Chain, stored: StoredEntry) -> Event:
        """Return the event that he was handed this of one entry."""
        return self.did(what, chain.chain_id, index=stored.leaf_index, count=1, entry=stored.entry_hash)


MACHINE = Asker(Way.COMMAND, By.MACHINE)
"""Whoever runs commands where the home is."""


@dataclass(frozen=True, slots=True)
class Note:
    """An event for the organisation whose content it is about (``owner``)."""

    owner: str
    event: Event


def owner_to_tell(access: ChainAccess) -> str | None:
    """Return the organisation that is to know who reads content of a chain; None: public, or the operator's own."""
    return None if access.visibility == Visibility.PUBLIC else access.owner


class AccessNotes:
    """The notes of one database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def add(self, notes: Iterable[Note], now_ms: int) -> None:
        """Store notes, inside a transaction: numbered for each owner, at times that never fall.

        Where the clock went back, the time stands still until it has caught up: to revoke a key must be possible then
        too. Raises StorageError where they cannot be stored: then what they are about must not be done.
        """
        by_owner: dict[str, list[Event]] = {}
        for note in notes:
            by_owner.setdefault(note.owner, []).append(note.event)
        for owner, events in by_owner.items():
            self._add(owner, events, now_ms)

    def note(self, notes: Sequence[Note], now_ms: int) -> None:
        """Store notes in a transaction of their own; durable on return."""
        if notes:
            with self.engine.transaction():
                self.add(notes, now_ms)

    def waiting(self) -> int:
        """Return how many notes are in no entry yet."""
        return int(self.engine.query("SELECT COUNT(*) FROM access_note")[0][0])

    def owners_waiting(self) -> list[str]:
        """Return the organisations of which notes are in no entry yet."""
        return [str(owner) for (owner,) in self.engine.query("SELECT DISTINCT owner FROM access_note ORDER BY owner")]

    def of(self, owner: str, most: int) -> list[Noted]:
        """Return an owner's notes that are in no entry yet, in order, at most so many."""
        rows = self.engine.query("SELECT line FROM access_note WHERE owner = ? ORDER BY number LIMIT ?", (owner, most))
        return [Noted.from_line(bytes(line).removesuffix(b"\n")) for (line,) in rows]

    def take(self, owner: str, before_number: int) -> None:
        """Delete an owner's notes below a number, inside the transaction that makes an entry of them."""
        self.engine.execute("DELETE FROM access_note WHERE owner = ? AND number < ?", (owner, before_number))

    def chain_no_of(self, owner: str) -> int | None:
        """Return the number of an organisation's access chain; None where nothing is recorded yet."""
        rows = self.engine.query("SELECT chain_no FROM access_log WHERE owner = ?", (owner,))
        return None if not rows or rows[0][0] is None else int(rows[0][0])

    def next_number(self, owner: str) -> int:
        """Return the number that an organisation's next event gets."""
        rows = self.engine.query("SELECT next_number FROM access_log WHERE owner = ?", (owner,))
        return int(rows[0][0]) if rows else 0

    def set_chain(self, owner: str, chain_no: int) -> None:
        """Say which chain an organisation's events go to, inside the transaction that opens it."""
        self.engine.execute("UPDATE access_log SET chain_no = ? WHERE owner = ?", (chain_no, owner))

    def is_access_chain(self, chain_no: int) -> bool:
        """Say whether events are recorded on a chain."""
        return bool(self.engine.query("SELECT 1 FROM access_log WHERE chain_no = ?", (chain_no,)))

    def _add(self, owner: str, events: Sequence[Event], now_ms: int) -> None:
        self.engine.execute(
            "INSERT INTO access_log (owner, next_number, last_at_ms) VALUES (?, 0, 0) ON CONFLICT (owner) DO NOTHING",
            (owner,),
        )
        row = self.engine.query("SELECT next_number, last_at_ms FROM access_log WHERE owner = ?", (owner,))[0]
        number, at_ms = int(row[0]), max(now_ms, int(row[1]))
        noted = [Noted(number + place, at_ms, event) for place, event in enumerate(events)]
        self.engine.execute(
            "INSERT INTO access_note (owner, number, line) VALUES (?, ?, ?)",
            *((owner, each.number, each.line()) for each in noted),
        )
        self.engine.execute(
            "UPDATE access_log SET next_number = ?, last_at_ms = ? WHERE owner = ?",
            (number + len(events), at_ms, owner),
        )


_STRENGTH = (What.DIGEST, What.SALT, What.RECEIPT, What.CERTIFICATE, What.CONTENT)
"""What is handed out of one entry, each with all that stands before it."""


def joined(notes: Iterable[Note]) -> list[Note]:
    """Return what was handed out for one question: of each entry the most, and entries that follow in one event."""
    most: dict[tuple[str, bytes, int], Note] = {}
    others: list[Note] = []
    for note in notes:
        event = note.event
        if event.what not in _STRENGTH or event.count != 1:
            others.append(note)
            continue
        place = note.owner, event.chain, event.index
        if place not in most or _STRENGTH.index(most[place].event.what) < _STRENGTH.index(event.what):
            most[place] = note
    found: list[Note] = []
    for _, note in sorted(most.items(), key=itemgetter(0)):
        before = found[-1] if found else None
        if before is not None and _goes_on(before, note):
            found[-1] = replace(before, event=replace(before.event, count=before.event.count + 1))
        else:
            found.append(note)
    return [*found, *others]


def _goes_on(before: Note, note: Note) -> bool:
    first = before.event
    same = replace(note.event, index=first.index, count=first.count, entry=first.entry)
    return (before.owner, first) == (note.owner, same) and note.event.index == first.index + first.count
