"""The one way to what is kept beside entries: whoever may read it gets it, and the owner of the chain is told.

Operations and pages ask it for every entry that they show; ``chains.web.rooms`` stores the notes before the answer
leaves. No other module of this package looks at ``kept``, and a test keeps it so.
"""

from dataclasses import dataclass

from anchor.proof.access_record import What
from anchor.proof.receipt import Receipt
from chains.access import Action, ChainAccess, allowed
from chains.access_notes import Note, owner_to_tell
from chains.chain import Chain, Kept
from chains.client.envelope import Envelope
from chains.reader import StoredEntry
from chains.receipts import Shown
from chains.web.requests import Request
from chains.web.rooms import Room


def kept_for_link(stored: StoredEntry) -> Kept | None:
    """Return what is kept beside an entry that is shared by a link: ``Shares.read`` notes it before it is shown."""
    return stored.kept


@dataclass(frozen=True, slots=True)
class Contents:
    """What is kept beside the entries of one chain, for who asks now."""

    may_read: bool
    _room: Room
    _request: Request
    _chain: Chain
    _owner: str | None

    @classmethod
    def of(cls, room: Room, request: Request, chain: Chain, access: ChainAccess | None = None) -> "Contents":
        """Look up whether he may read contents of a chain, by what holds for it now."""
        holds = room.access_of(chain) if access is None else access
        may_read = allowed(request.actor, Action.CONTENT_READ, holds, request.now_ms).is_allowed
        return cls(may_read, room, request, chain, owner_to_tell(holds))

    def kept(self, stored: StoredEntry, what: What) -> Kept | None:
        """Return what is kept beside an entry, of which he gets ``what``; None: nothing, or he may not read it."""
        if not self.may_read or stored.kept is None:
            return None
        if what is What.CONTENT and stored.kept.content is None:
            what = What.SALT
        if self._owner is not None:
            event = self._request.asker.took(what, self._chain, stored)
            self._room.notes.append(Note(self._owner, event))
        return stored.kept

    def box_size(self, stored: StoredEntry) -> int | None:
        """Return how large the encrypted content of an entry is, where he may fetch it; None: there is none for him."""
        return len(stored.box) if self.may_read and stored.box is not None else None

    def envelope(self, stored: StoredEntry) -> Envelope | None:
        """Return the envelope of an entry as it is now; None: there is none, or he may not have it."""
        if self.box_size(stored) is None:
            return None
        if self._owner is not None:
            self._room.notes.append(Note(self._owner, self._request.asker.took(What.ENVELOPE, self._chain, stored)))
        return self._room.envelopes.of(stored)

    def receipt(self, stored: StoredEntry, *, with_content: bool = False) -> Receipt:
        """Return a receipt with as much of the content as he may read."""
        kept = self.kept(stored, What.RECEIPT)
        is_shown = kept is not None
        if with_content:
            self.kept(stored, What.CONTENT)
        return self._room.receipts.make(stored, Shown(salt_and_digest=is_shown, content=is_shown and with_content))
