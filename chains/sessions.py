"""Sessions of browsers: who gave an API key once is known by a cookie until it ends, with the key at the latest.

Rows of ``web_session``: of a cookie only its SHA-256 is there, so a stolen database lets nobody in. The sign-in page
begins them; every request for a page asks whose its cookie is.
"""

from dataclasses import dataclass, field

from anchor.errors import KeyRefusedError, UnknownAccountError
from anchor.storage.engine import Engine
from chains.access import STRANGER, Actor
from chains.api_key import RandomBytes, make_secret, token_hash
from chains.api_keys import ApiKeys

LONGEST_MS = 12 * 60 * 60 * 1000
"""A working day: a browser that is left open somewhere shows nothing the next morning."""
MOST_OF_A_KEY = 20
"""Sessions of one key at a time; the oldest ends for one more, so that nobody fills the database by signing in."""
# So many rows that are over are deleted by a sign-in: it never waits for the clearing of a year.
_FORGOTTEN_TOGETHER = 256


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that just began, with the cookie's value: the only time that this is known."""

    ends_at_ms: int
    token: str = field(repr=False)


class Sessions:
    """The sessions of one database."""

    def __init__(self, engine: Engine, keys: ApiKeys, random: RandomBytes) -> None:
        self.engine = engine
        self.keys = keys
        self.random = random

    def begin(self, api_key: str, now_ms: int) -> NewSession:
        """Begin a session for whoever presents an API key; raise KeyRefusedError where it does not hold.

        It ends after 12 hours, or with the key. What is over is forgotten, and so is the key's oldest beyond twenty.
        """
        actor = self.keys.authenticate(api_key, now_ms)
        if actor.key_id is None:
            raise KeyRefusedError("this API key has no visible part, by which a session would be ended")
        expires_at_ms = self.keys.by_id(actor.key_id).expires_at_ms
        ends_at_ms = min(now_ms + LONGEST_MS, now_ms + LONGEST_MS if expires_at_ms is None else expires_at_ms)
        token = make_secret(self.random)
        with self.engine.transaction():
            self._forget(actor.key_id, now_ms)
            self.engine.execute(
                "INSERT INTO web_session (token_hash, key_id, made_at_ms, ends_at_ms) VALUES (?, ?, ?, ?)",
                (token_hash(token), actor.key_id, now_ms, ends_at_ms),
            )
        return NewSession(ends_at_ms, token)

    def actor(self, token: str, now_ms: int) -> Actor:
        """Return whose cookie this is: a stranger's where its session, or the key that began it, holds no more.

        Asked for each page, so that what was revoked ends with the next one.
        """
        rows = self.engine.query(
            "SELECT key_id FROM web_session WHERE token_hash = ? AND ends_at_ms > ?", (token_hash(token), now_ms)
        )
        if not rows:
            return STRANGER
        try:
            key = self.keys.by_id(str(rows[0][0]))
        except UnknownAccountError:
            return STRANGER
        return Actor(key.organisation_id, key.role, key.key_id) if key.state(now_ms) == "live" else STRANGER

    def end(self, token: str) -> None:
        """End a session; may be repeated."""
        with self.engine.transaction():
            self.engine.execute("DELETE FROM web_session WHERE token_hash = ?", (token_hash(token),))

    def _forget(self, key_id: str, now_ms: int) -> None:
        """Delete sessions that are over, and the oldest of this key that leave no room for one more."""
        over = self.engine.query(
            "SELECT session_no FROM web_session WHERE ends_at_ms <= ? ORDER BY ends_at_ms LIMIT ?",
            (now_ms, _FORGOTTEN_TOGETHER),
        )
        crowded = self.engine.query(
            "SELECT session_no FROM web_session WHERE key_id = ? ORDER BY session_no DESC LIMIT ? OFFSET ?",
            (key_id, _FORGOTTEN_TOGETHER, MOST_OF_A_KEY - 1),
        )
        if over or crowded:
            self.engine.execute("DELETE FROM web_session WHERE session_no = ?", *over, *crowded)
