"""Calendars' replies and attestations as stored: rows that are only ever added.

``anchor.attesting`` adds them, each before it is used; receipts take their ``opentimestamps`` anchors from here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anchor.proof.calendar import CalendarAnchor
from anchor.storage.engine import Engine

MAX_SHOWN = 4
"""Attestations of one checkpoint that a receipt carries: it has room for 16 anchors of all kinds."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A calendar's reply to the imprint of a checkpoint."""

    reply_no: int
    checkpoint_size: int
    calendar: str
    reply: bytes


@dataclass(frozen=True, slots=True)
class Headless:
    """An attestation whose block's header is not known yet."""

    attestation_no: int
    checkpoint_size: int
    calendar: str
    network: str
    ots: bytes


class Attestations:
    """The replies and attestations of one database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def newest_anchored(self) -> int | None:
        """Return the size of the newest checkpoint that an attempt anchors, or None."""
        return self._newest("SELECT MAX(checkpoint_size) FROM attempt")

    def has_reply(self, checkpoint_size: int, calendar: str) -> bool:
        """Say whether a calendar has answered to a checkpoint."""
        sql = "SELECT 1 FROM calendar_reply WHERE checkpoint_size = ? AND calendar = ?"
        return bool(self.engine.query(sql, (checkpoint_size, calendar)))

    def keep_reply(self, checkpoint_size: int, calendar: str, reply: bytes, now_ms: int) -> None:
        """Store a reply; where another process was first, its reply stays."""
        with self.engine.transaction():
            self._add_reply(checkpoint_size, calendar, reply, now_ms)

    def begin_round(self, now_ms: int, least_pause_ms: int) -> bool:
        """Note that calendars are about to be asked; False, and nothing noted, where they were asked too lately.

        A clock that was set back does not stop the asking: a round of the future counts for nothing.
        """
        with self.engine.transaction():
            last = self._newest("SELECT MAX(asked_at_ms) FROM calendar_round")
            if last is not None and 0 <= now_ms - last < least_pause_ms:
                return False
            self.engine.execute("INSERT INTO calendar_round (asked_at_ms) VALUES (?)", (now_ms,))
            return True

    def pending(self, since_ms: int, limit: int) -> list[Reply]:
        """Return replies since a time that no attestation completes yet, newest first."""
        rows = self.engine.query(
            "SELECT reply_no, checkpoint_size, calendar, reply FROM calendar_reply WHERE replied_at_ms >= ? AND NOT "
            "EXISTS (SELECT 1 FROM attestation WHERE attestation.reply_no = calendar_reply.reply_no) "
            "ORDER BY reply_no DESC LIMIT ?",
            (since_ms, limit),
        )
        return [Reply(int(no), int(size), calendar, bytes(reply)) for no, size, calendar, reply in rows]

    def keep_attestation(self, reply: Reply, network: str, ots: bytes, header: bytes | None, now_ms: int) -> None:
        """Store the .ots file that completes a reply, with its block's header if that is known; the first one stays."""
        with self.engine.transaction():
            self._add_attestation(reply.reply_no, network, ots, header, now_ms)

    def keep_found(
        self, checkpoint_size: int, name: str, network: str, ots: bytes, header: bytes | None, now_ms: int
    ) -> None:
        """Store an attestation that a mirror has, with its block's header if that is known; the first one stays.

        What the calendar had replied is in no mirror, nor is the calendar's address: the reply is empty, and ``name``
        tells such attestations apart.
        """
        with self.engine.transaction():
            self._add_reply(checkpoint_size, name, b"", now_ms)
            sql = "SELECT reply_no FROM calendar_reply WHERE checkpoint_size = ? AND calendar = ?"
            reply_no = int(self.engine.query(sql, (checkpoint_size, name))[0][0])
            self._add_attestation(reply_no, network, ots, header, now_ms)

    def headless(self, limit: int) -> list[Headless]:
        """Return attestations without header, newest first."""
        rows = self.engine.query(
            "SELECT attestation.attestation_no, checkpoint_size, calendar, network, ots FROM attestation "
            "JOIN calendar_reply ON calendar_reply.reply_no = attestation.reply_no WHERE NOT EXISTS (SELECT 1 FROM "
            "attestation_header WHERE attestation_header.attestation_no = attestation.attestation_no) "
            "ORDER BY attestation.attestation_no DESC LIMIT ?",
            (limit,),
        )
        return [
            Headless(int(no), int(size), calendar, network, bytes(ots)) for no, size, calendar, network, ots in rows
        ]

    def keep_header(self, attestation_no: int, header: bytes) -> None:
        """Store the header (80 bytes) of an attestation's block; the first one stays."""
        with self.engine.transaction():
            self._add_header(attestation_no, header)

    def of(self, checkpoint_size: int) -> tuple[CalendarAnchor, ...]:
        """Return the attestations of a checkpoint as a receipt carries them, those with a header first."""
        rows: Sequence[tuple[str, bytes, bytes | None]] = self.engine.query(
            "SELECT network, ots, header FROM attestation "
            "JOIN calendar_reply ON calendar_reply.reply_no = attestation.reply_no "
            "LEFT JOIN attestation_header ON attestation_header.attestation_no = attestation.attestation_no "
            "WHERE checkpoint_size = ? ORDER BY header IS NULL, attestation.attestation_no LIMIT ?",
            (checkpoint_size, MAX_SHOWN),
        )
        return tuple(
            CalendarAnchor(network, bytes(ots), None if header is None else bytes(header))
            for network, ots, header in rows
        )

    def first_attested(self, least_size: int) -> int | None:
        """Return the smallest checkpoint of at least ``least_size`` leaves that a calendar attests, or None."""
        return self._newest(
            "SELECT MIN(checkpoint_size) FROM calendar_reply JOIN attestation "
            "ON attestation.reply_no = calendar_reply.reply_no WHERE checkpoint_size >= ?",
            least_size,
        )

    def _add_reply(self, checkpoint_size: int, calendar: str, reply: bytes, now_ms: int) -> None:
        self.engine.execute(
            "INSERT INTO calendar_reply (checkpoint_size, calendar, replied_at_ms, reply) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (checkpoint_size, calendar) DO NOTHING",
            (checkpoint_size, calendar, now_ms, reply),
        )

    def _add_attestation(self, reply_no: int, network: str, ots: bytes, header: bytes | None, now_ms: int) -> None:
        added = self.engine.execute(
            "INSERT INTO attestation (reply_no, attested_at_ms, network, ots) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (reply_no) DO NOTHING",
            (reply_no, now_ms, network, ots),
        )
        if added and header is not None:
            sql = "SELECT attestation_no FROM attestation WHERE reply_no = ?"
            self._add_header(int(self.engine.query(sql, (reply_no,))[0][0]), header)

    def _add_header(self, attestation_no: int, header: bytes) -> None:
        self.engine.execute(
            "INSERT INTO attestation_header (attestation_no, header) VALUES (?, ?) "
            "ON CONFLICT (attestation_no) DO NOTHING",
            (attestation_no, header),
        )

    def _newest(self, sql: str, *values: int) -> int | None:
        found = self.engine.query(sql, values)[0][0]
        return None if found is None else int(found)
