"""API keys: making, showing, rotating and revoking them, and finding out whose a presented one is.

Rows of ``api_key``: of a key only its visible prefix and its SHA-256 are there, so a stolen database lets nobody in.
``chains.accounts`` and the commands ``anchorline key`` use them; every request of the HTTP API is authenticated here.
"""

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from anchor.errors import AccountError, KeyRefusedError, UnknownAccountError
from anchor.proof.access_record import Event, What
from anchor.storage.engine import Engine, Question, Row
from chains.access import Actor, Role
from chains.access_notes import MACHINE, AccessNotes, Asker, Note
from chains.api_key import RandomBytes, key_id_of, make_token, masked, token_hash
from chains.expiry import check_to_come
from chains.organisations import Organisation

MAX_LABEL = 100
_NO_HASH = bytes(32)
"""What a key that nobody has is compared with, so that it is compared too. Nobody knows a text with this hash."""
_COLUMNS = (
    "key_id, api_key.organisation_id, role, label, api_key.made_at_ms, expires_at_ms, revoked_at_ms, replaces, "
    "organisation.removed_at_ms"
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; the key itself is not. ``organisation_id`` None: the operator's."""

    key_id: str
    organisation_id: str | None
    role: Role
    label: str
    made_at_ms: int
    expires_at_ms: int | None
    revoked_at_ms: int | None = None
    replaces: str | None = None
    organisation_removed_at_ms: int | None = None

    def state(self, now_ms: int) -> str:
        """Return "live", or why the key does not hold: "revoked", "removed" (its organisation) or "expired".

        What was revoked or removed stays so, whatever the clock says. In the millisecond of its expiry a key has
        expired.
        """
        if self.revoked_at_ms is not None:
            return "revoked"
        if self.organisation_removed_at_ms is not None:
            return "removed"
        if self.expires_at_ms is not None and self.expires_at_ms <= now_ms:
            return "expired"
        return "live"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made, with its text: the only time that this is known."""

    key: ApiKey
    token: str = field(repr=False)


class ApiKeys:
    """The keys of one database."""

    def __init__(self, engine: Engine, random: RandomBytes) -> None:
        self.engine = engine
        self.random = random
        self.notes = AccessNotes(engine)

    def create(
        self,
        organisation: Organisation | None,
        role: Role,
        label: str,
        expires_at_ms: int | None,
        now_ms: int,
        by: Asker = MACHINE,
    ) -> NewKey:
        """Make a key of an organisation, or (None) of the operator; a crash behind it leaves one that nobody knows.

        Raises AccountError for a role that does not fit, a label that is malformed, an expiry that is not to come.
        """
        if (organisation is None) != (role == Role.OPERATOR):
            raise AccountError(
                f"role of a key: expected {Role.OPERATOR} without an organisation and another role with one, got "
                f"{role} {'without' if organisation is None else 'with'} an organisation"
            )
        if len(label) > MAX_LABEL or not label.isprintable():
            raise AccountError(f"label: expected at most {MAX_LABEL} printable characters, got {label[:120]!r}")
        if masked(label) != label:
            raise AccountError("label: got an API key in it, which would be stored; name a key by its visible part")
        check_to_come(expires_at_ms, now_ms, "a key")
        owner = None if organisation is None else organisation.organisation_id
        with self.engine.transaction():
            made = self._add(ApiKey("", owner, role, label, now_ms, expires_at_ms))
            self._tell(made.key, by.did(What.KEY_MADE, subject=made.key.key_id, detail=role.value), now_ms)
        return made

    def all(self, organisation: Organisation | None = None) -> Iterator[ApiKey]:
        """Yield the keys of an organisation, or of everybody, in the order of making."""
        if organisation is None:
            return self._select("ORDER BY key_no")
        return self._select("WHERE api_key.organisation_id = ? ORDER BY key_no", organisation.organisation_id)

    def by_id(self, key_id: str) -> ApiKey:
        """Return the key with this visible part; raise UnknownAccountError.

        A whole key in place of its visible part is refused without being repeated: errors end in logs.
        """
        if key_id_of(key_id) is not None:
            raise AccountError("expected the visible part of a key (al_ and 8 characters), got a whole key; keep it")
        found = next(self._select("WHERE key_id = ?", key_id), None)
        if found is None:
            raise UnknownAccountError(
                f"no key {key_id[:11]!r} here; expected al_ and 8 characters, as `anchorline key list` shows them"
            )
        return found

    def rotate(
        self, key: ApiKey, overlap_ms: int, expires_at_ms: int | None, now_ms: int, by: Asker = MACHINE
    ) -> NewKey:
        """Make a key that does what ``key`` does, which holds for ``overlap_ms`` longer at most; one transaction.

        Raises AccountError for a key that does not hold any more: nobody should go on with it.
        """
        check_to_come(expires_at_ms, now_ms, "a key")
        with self.engine.transaction():
            key = self.by_id(key.key_id)  # what it is now: somebody may be revoking it
            if key.state(now_ms) != "live":
                raise AccountError(
                    f"key {key.key_id} is {key.state(now_ms)}: make a new one with `anchorline key create`"
                )
            ends_at_ms = min(now_ms + overlap_ms, key.expires_at_ms or now_ms + overlap_ms)
            self.engine.execute("UPDATE api_key SET expires_at_ms = ? WHERE key_id = ?", (ends_at_ms, key.key_id))
            made = self._add(replace(key, made_at_ms=now_ms, expires_at_ms=expires_at_ms, replaces=key.key_id))
            detail = f"in the place of {key.key_id}, which holds until {ends_at_ms} ms"
            self._tell(key, by.did(What.KEY_ROTATED, subject=made.key.key_id, detail=detail), now_ms)
        return made

    def revoke(self, key: ApiKey, now_ms: int, by: Asker = MACHINE) -> ApiKey:
        """End a key now and for ever; the next request with it is refused. May be repeated: the first time counts."""
        with self.engine.transaction():
            if self.engine.execute(
                "UPDATE api_key SET revoked_at_ms = ? WHERE key_id = ? AND revoked_at_ms IS NULL", (now_ms, key.key_id)
            ):
                self._tell(key, by.did(What.KEY_REVOKED, subject=key.key_id), now_ms)
        return self.by_id(key.key_id)

    def authenticate(self, token: str, now_ms: int) -> Actor:
        """Return who presents this key. One look into the database, so what was revoked is refused at once.

        Raises KeyRefusedError, in the same words whether the key is malformed, unknown or wrong in its secret part, and
        after the same work. That a key has expired or was revoked is told to whoever has the whole of it.
        """
        return self.judged(token, self.engine.query(*self.question_about(token)), now_ms)

    def question_about(self, token: str) -> Question:
        """Return what has to be known of a key; the answer is for ``judged``."""
        return f"SELECT token_hash, {_COLUMNS} {_FROM} WHERE key_id = ?", (key_id_of(token) or "",)

    def judged(self, token: str, rows: Sequence[Row], now_ms: int) -> Actor:
        """Return who presents this key, by what was found of it; raises what ``authenticate`` does."""
        row = rows[0] if rows else None
        stored = bytes(row[0]) if row else _NO_HASH
        if not hmac.compare_digest(stored, token_hash(token)) or row is None:
            raise KeyRefusedError("this API key does not hold: expected one that `anchorline key create` showed")
        key = _api_key(row[1:])
        state = key.state(now_ms)
        if state != "live":
            what = "the organisation of API key" if state == "removed" else "API key"
            raise KeyRefusedError(f"{what} {key.key_id} {'has' if state == 'expired' else 'was'} {state}")
        return Actor(key.organisation_id, key.role, key.key_id)

    def _tell(self, key: ApiKey, event: Event, now_ms: int) -> None:
        """Note what became of a key for its organisation, inside a transaction."""
        if key.organisation_id is not None:
            self.notes.add([Note(key.organisation_id, event)], now_ms)

    def _add(self, key: ApiKey) -> NewKey:
        """Store a new key, inside a transaction, under a visible part of its own."""
        token = make_token(self.random)
        while self.engine.query("SELECT 1 FROM api_key WHERE key_id = ?", (str(key_id_of(token)),)):
            token = make_token(self.random)
        key = replace(key, key_id=str(key_id_of(token)))
        self.engine.execute(
            "INSERT INTO api_key (key_id, organisation_id, role, label, token_hash, made_at_ms, expires_at_ms, "
            "replaces) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(key.key_id, key.organisation_id, key.role.value, key.label, token_hash(token)),
                *(key.made_at_ms, key.expires_at_ms, key.replaces),
            ),
        )
        return NewKey(key, token)

    def _select(self, condition: str, *values: str) -> Iterator[ApiKey]:
        rows = self.engine.query(f"SELECT {_COLUMNS} {_FROM} {condition}", values)  # our own texts
        return map(_api_key, rows)


_FROM = "FROM api_key LEFT JOIN organisation ON organisation.organisation_id = api_key.organisation_id"


def _api_key(row: Row) -> ApiKey:
    key_id, organisation_id, role, *rest = row
    return ApiKey(key_id, organisation_id, Role(role), *rest)
