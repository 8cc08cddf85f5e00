"""Organisations: who has an account on this service, under which name, and with which quota.

Rows of ``organisation``; ``chains.accounts`` puts them together with keys and chains. An organisation that was removed
stays in the table: what it wrote names it for ever (its submitter), and its name is not given to another.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass

from anchor.errors import AccountError, UnknownAccountError
from anchor.proof.promise import submitter_of
from anchor.storage.engine import Engine, Row
from chains.api_key import RandomBytes, masked
from chains.quota import UNLIMITED, Quota

MAX_NAME = 100
ID_BYTES = 10
SALT_SIZE = 16
ID_PREFIX = "org_"


@dataclass(frozen=True, slots=True)
class Organisation:
    """An account. ``organisation_id`` is "org_" and 16 lower-case base32 characters."""

    organisation_id: str
    name: str
    submitter_salt: bytes
    made_at_ms: int
    removed_at_ms: int | None
    quota: Quota

    def submitter(self, log_id: bytes) -> bytes:
        """Return the 16 bytes that stand for this account in the promises of a log (docs/spec/promise.md)."""
        return submitter_of(log_id, self.submitter_salt, self.organisation_id.encode())


class Organisations:
    """The organisations of one database."""

    def __init__(self, engine: Engine, random: RandomBytes) -> None:
        self.engine = engine
        self.random = random

    def create(self, name: str, now_ms: int, quota: Quota = UNLIMITED) -> Organisation:
        """Add an organisation; raise AccountError where the name is malformed or was ever taken."""
        check_name(name)
        made_id = ID_PREFIX + base64.b32encode(self.random(ID_BYTES)).decode().lower()
        made = Organisation(made_id, name, self.random(SALT_SIZE), now_ms, None, quota)
        with self.engine.transaction():
            taken = next(self._select("WHERE name = ?", name), None)
            if taken is not None:
                state = "exists" if taken.removed_at_ms is None else "existed and was removed"
                raise AccountError(f"an organisation called {name!r} {state} already: choose another name")
            self.engine.execute(
                "INSERT INTO organisation (organisation_id, name, submitter_salt, made_at_ms, entries_per_s, "
                "bytes_per_day) VALUES (?, ?, ?, ?, ?, ?)",
                (made_id, name, made.submitter_salt, now_ms, quota.entries_per_s, quota.bytes_per_day),
            )
        return made

    def all(self) -> Iterator[Organisation]:
        """Yield every organisation, removed ones too, in the order of their names."""
        return self._select("ORDER BY name")

    def by_id(self, organisation_id: str) -> Organisation:
        """Return the organisation with this id, removed or not; raise UnknownAccountError."""
        found = next(self._select("WHERE organisation_id = ?", organisation_id), None)
        return found or _unknown(organisation_id)

    def named(self, name_or_id: str) -> Organisation:
        """Return the organisation that a person means by a name or an id, removed or not."""
        found = next(self._select("WHERE name = ? OR organisation_id = ?", name_or_id, name_or_id), None)
        return found or _unknown(name_or_id)

    def live(self, name_or_id: str) -> Organisation:
        """Return the same, unless it was removed: raise AccountError then."""
        found = self.named(name_or_id)
        if found.removed_at_ms is not None:
            raise AccountError(f"organisation {found.name!r} was removed: it can be given nothing any more")
        return found

    def remove(self, organisation: Organisation, now_ms: int) -> None:
        """End an account: from now on none of its keys holds. Its chains stay, as visible as they are."""
        with self.engine.transaction():
            self.engine.execute(
                "UPDATE organisation SET removed_at_ms = ? WHERE organisation_id = ? AND removed_at_ms IS NULL",
                (now_ms, organisation.organisation_id),
            )

    def set_quota(self, organisation: Organisation, quota: Quota) -> None:
        """Set what an organisation may write."""
        with self.engine.transaction():
            self.engine.execute(
                "UPDATE organisation SET entries_per_s = ?, bytes_per_day = ? WHERE organisation_id = ?",
                (quota.entries_per_s, quota.bytes_per_day, organisation.organisation_id),
            )

    def _select(self, condition: str, *values: str) -> Iterator[Organisation]:
        rows = self.engine.query(
            "SELECT organisation_id, name, submitter_salt, made_at_ms, removed_at_ms, entries_per_s, bytes_per_day "  # noqa: S608  # our own texts
            f"FROM organisation {condition}",
            values,
        )
        return map(_organisation, rows)


def check_name(name: str) -> None:
    """Raise AccountError for a name that could not be typed, or be told from an id."""
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise AccountError(
            f"name of an organisation: expected 1 to {MAX_NAME} printable characters without spaces around, got "
            f"{name[:120]!r}"
        )
    if masked(name) != name:
        raise AccountError("name of an organisation: got an API key in it, which would be stored; choose another name")
    if name.startswith(ID_PREFIX):
        raise AccountError(f"name of an organisation: {ID_PREFIX!r} begins ids only; choose another name")


def _organisation(row: Row) -> Organisation:
    organisation_id, name, salt, made_at_ms, removed_at_ms, entries_per_s, bytes_per_day = row
    quota = Quota(entries_per_s, bytes_per_day)
    return Organisation(organisation_id, name, bytes(salt), made_at_ms, removed_at_ms, quota)


def _unknown(name_or_id: str) -> Organisation:
    raise UnknownAccountError(
        f"no organisation called {name_or_id[:80]!r} here; `anchorline org list` shows them, "
        "`anchorline org create` adds one"
    )
