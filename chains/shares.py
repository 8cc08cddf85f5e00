"""Shares: one entry with its content, for whoever holds a link; they end, and are revoked, read or unread.

Rows of ``share``: of a link only the SHA-256 of its secret is there, so a stolen database opens none. The commands
``share`` and the operations ``api_shares`` make, list and revoke them, the page of a share opens them.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from anchor.errors import AccountError, UnknownAccountError
from anchor.proof.access_record import By, Event, Way, What
from anchor.storage.engine import Engine, Row
from chains.access import ChainAccess
from chains.access_notes import AccessNotes, Asker, Note, owner_to_tell
from chains.api_key import RandomBytes, make_secret, masked, token_hash
from chains.api_keys import ApiKeys
from chains.chain import Chain
from chains.chain_sharing import ChainSharing
from chains.expiry import check_to_come
from chains.reader import StoredEntry

PATH = "/s/"
"""Before the secret, in a link."""
MAX_LABEL = 100
MOST_LIVE = 1_000
"""Shares of one chain that open something: whoever needs more grants reading on it."""
MOST_READS = 1_000
"""Of one share: a link that is passed around stops, and its owner sees why."""
LONGEST_MS = 366 * 86_400_000
ONCE_FOR_MS = 15 * 60_000
"""A share for one reading stays open so long after it, so that he who looks can take the file away."""
_ID_BYTES = 5
_READER = Asker(Way.PAGE, By.LINK)
_COLUMNS = (
    "share_no, share_id, chain_no, leaf_index, organisation_id, key_id, label, made_at_ms, ends_at_ms, is_once, "
    "revoked_at_ms"
)


@dataclass(frozen=True, slots=True)
class Share:
    """What is known of a share; its secret is not. ``share_id`` is "sh_" and 8 characters, visible.

    ``organisation`` owned the chain when the share was made (None: the operator); ``key_id`` is the key by which it was
    made (None: on the service's machine).
    """

    share_no: int
    share_id: str
    chain_no: int
    leaf_index: int
    organisation: str | None
    key_id: str | None
    label: str
    made_at_ms: int
    ends_at_ms: int
    is_once: bool
    revoked_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """How often a share was read, and when for the first and the last time (None: never)."""

    reads: int = 0
    first_at_ms: int | None = None
    last_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class NewShare:
    """A share that was just made, with the secret of its link: the only time that this is known."""

    share: Share
    token: str = field(repr=False)

    @property
    def path(self) -> str:
        """The path of the link."""
        return PATH + self.token


class Shares:
    """The shares of one database."""

    def __init__(self, engine: Engine, keys: ApiKeys, sharing: ChainSharing, random: RandomBytes) -> None:
        self.engine = engine
        self.keys = keys
        self.sharing = sharing
        self.random = random
        self.notes = AccessNotes(engine)

    def make(
        self, chain: Chain, stored: StoredEntry, by: Asker, label: str, ends_at_ms: int, now_ms: int, *, is_once: bool
    ) -> NewShare:
        """Share one entry of a chain, and tell its owner; whether who asks may is the caller's to know.

        A crash behind it leaves a share that nobody can open.

        Raises AccountError for a label that is malformed, an end that is over or more than 366 days away, and where
        the chain has 1,000 shares that are live.
        """
        check_to_come(ends_at_ms, now_ms, "a share")
        if ends_at_ms - now_ms > LONGEST_MS:
            raise AccountError("end of a share: expected one within 366 days; grant reading for longer than that")
        if len(label) > MAX_LABEL or not (label.isprintable() and masked(label) == label):
            raise AccountError(f"label of a share: expected at most {MAX_LABEL} printable characters, and no key in it")
        token = make_secret(self.random)
        share_id = "sh_" + base64.b32encode(self.random(_ID_BYTES)).decode().lower()
        with self.engine.transaction():
            if sum(self.state(each, now_ms) == "live" for each in self.of_chain(chain)) >= MOST_LIVE:
                raise AccountError(
                    f"expected at most {MOST_LIVE} live shares of a chain: revoke some, or grant reading"
                )
            access = self.sharing.access_of(chain.chain_no)
            self.engine.execute(
                "INSERT INTO share (share_id, token_hash, chain_no, leaf_index, organisation_id, key_id, label, "
                "made_at_ms, ends_at_ms, is_once) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(share_id, token_hash(token), chain.chain_no, stored.leaf_index, access.owner),
                    *(by.key_id or None, label, now_ms, ends_at_ms, int(is_once)),
                ),
            )
            event = replace(by.took(What.SHARED, chain, stored), subject=share_id, detail=f"until {ends_at_ms} ms")
            self._tell(access, event, now_ms)
            return NewShare(self.by_id(share_id), token)

    def of_chain(self, chain: Chain) -> list[Share]:
        """Return the shares of a chain's entries, those that are over too, in the order of making."""
        return list(self._select("WHERE chain_no = ? ORDER BY share_no", chain.chain_no))

    def by_id(self, share_id: str) -> Share:
        """Return a share by its visible name; raise UnknownAccountError."""
        found = next(self._select("WHERE share_id = ?", share_id), None)
        if found is None:
            raise UnknownAccountError(f"no share {share_id[:40]!r} here; `anchorline share list CHAIN` shows them")
        return found

    def presented(self, token: str) -> Share | None:
        """Return the share that a link's secret is of, over or not; None where there is none."""
        return next(self._select("WHERE token_hash = ?", token_hash(token)), None)

    def seen(self, share: Share) -> Seen:
        """Return how often and when a share was read."""
        [(count, first, last)] = self.engine.query(
            "SELECT COUNT(*), MIN(at_ms), MAX(at_ms) FROM share_read WHERE share_no = ?", (share.share_no,)
        )
        return Seen(int(count), first, last)

    def state(self, share: Share, now_ms: int) -> str:
        """Return "live", or why it opens nothing: "revoked", "ended", "read" (once, or too often), "withdrawn".

        Withdrawn: the key by which it was made was revoked, its organisation removed, or the chain given away. Asked at
        each read, so that what ended ends with the next one. What was revoked stays so, whatever the clock says.
        """
        if share.revoked_at_ms is not None:
            return "revoked"
        if share.key_id is not None and self.keys.by_id(share.key_id).state(share.made_at_ms) != "live":
            return "withdrawn"
        if self.sharing.access_of(share.chain_no).owner != share.organisation:
            return "withdrawn"
        if share.ends_at_ms <= now_ms:
            return "ended"
        seen = self.seen(share)
        is_over = share.is_once and seen.first_at_ms is not None and seen.first_at_ms + ONCE_FOR_MS <= now_ms
        return "read" if is_over or seen.reads >= MOST_READS else "live"

    def read(self, share: Share, chain: Chain, stored: StoredEntry, given: str, what: What, now_ms: int) -> bool:
        """Let a reader in, and note it for the owner, before anything is given; say whether the share opens now.

        ``given`` is what he asked for ("page", "receipt", "content"), ``what`` the most that is in it.
        """
        with self.engine.transaction():
            if self.state(self.by_id(share.share_id), now_ms) != "live":
                return False
            self._note(share, given, now_ms)
            event = replace(_READER.took(what, chain, stored), subject=share.share_id)
            self._tell(self.sharing.access_of(chain.chain_no), event, now_ms)
        return True

    def revoke(self, share: Share, chain: Chain, by: Asker, now_ms: int) -> Share:
        """End a share of this chain now and for ever; may be repeated. What was read before is with who read it."""
        with self.engine.transaction():
            ended = self.engine.execute(
                "UPDATE share SET revoked_at_ms = ? WHERE share_no = ? AND revoked_at_ms IS NULL",
                (now_ms, share.share_no),
            )
            if ended:
                event = by.did(What.SHARE_ENDED, chain.chain_id, subject=share.share_id)
                self._tell(self.sharing.access_of(chain.chain_no), event, now_ms)
            return self.by_id(share.share_id)

    def _tell(self, access: ChainAccess, event: Event, now_ms: int) -> None:
        """Note an event for the owner of a chain that is not public, inside a transaction (ADR 39)."""
        owner = owner_to_tell(access)
        if owner is not None:
            self.notes.add([Note(owner, event)], now_ms)

    def _note(self, share: Share, what: str, now_ms: int) -> None:
        """Note who (by the share's name) was given what of which entry, when: the one place for every reading by link.

        It is in the transaction that lets the reader in: no reading is without its row, and a row without a reading is
        a reader whose connection broke.
        """
        self.engine.execute(
            "INSERT INTO share_read (share_no, at_ms, what) VALUES (?, ?, ?)", (share.share_no, now_ms, what)
        )

    def _select(self, condition: str, *values: int | str | bytes) -> Iterator[Share]:
        rows = self.engine.query(f"SELECT {_COLUMNS} FROM share {condition}", values)  # noqa: S608  # our own texts
        return map(_share, rows)


def without_secret(path: str) -> str:
    """Return a path as it may stand in a log line: of a link to a share, not what opens it."""
    return f"{PATH}..." if path.startswith(PATH) else path


def _share(row: Row) -> Share:
    share_no, share_id, chain_no, leaf_index, organisation, key_id, label, *times, is_once, revoked_at_ms = row
    made_at_ms, ends_at_ms = times
    place = (share_no, share_id, chain_no, leaf_index)
    return Share(*place, organisation, key_id, label, made_at_ms, ends_at_ms, bool(is_once), revoked_at_ms)
