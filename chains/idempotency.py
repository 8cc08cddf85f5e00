"""Request keys: what was answered to a request that its client named, so that a repetition gets the same answer.

A client names a request (HTTP header Idempotency-Key); the row is written in the transaction of the entries, so that
there are both or neither. ``chains.writer`` asks before it writes, and forgets what is old.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from anchor.errors import ReusedKeyError
from anchor.proof.codec import HASH_SIZE, exactly, sha256
from anchor.storage.engine import Engine
from chains.content_keys import ContentKeys

KEPT_MS = 24 * 60 * 60 * 1000
"""How long an answer can be had again; a client that repeats later than this may write twice what has no own hash."""
MAX_KEY = 255
# So many are forgotten at a time: a commit never waits for the clearing of a day.
FORGOTTEN_TOGETHER = 256

Saved = Sequence[int | tuple[str, ...]]
"""What became of each entry: its seq, negative where it was there before; or name, text and rule of the refusal."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """A request as its client named it: ``name`` 32 bytes over who asks and the key, ``request`` over what he asks."""

    name: bytes
    request: bytes

    @classmethod
    def of(cls, account: str, key: bytes, *request: bytes) -> "RequestKey":
        """Return the key of a request of ``account``; equal requests have equal parts, in order."""
        parts = b"".join(sha256(part) for part in request)
        return cls(sha256(sha256(account.encode()) + sha256(key)), sha256(parts))


class RequestKeys:
    """The request keys of one database; used inside transactions only."""

    def __init__(self, engine: Engine, keys: ContentKeys) -> None:
        self.engine = engine
        self._keys = keys

    def find(self, key: RequestKey, now_ms: int) -> tuple[int, Saved] | None:
        """Return the chain_no and the outcomes of the request that had this key, or None.

        Raises ReusedKeyError where it was another request.
        """
        rows = self.engine.query(
            "SELECT request, chain_no, outcomes FROM request_key WHERE name = ? AND at_ms > ?",
            (key.name, now_ms - KEPT_MS),
        )
        if not rows:
            return None
        request, chain_no, outcomes = rows[0]
        if bytes(request) != self._keyed(key.request):
            raise ReusedKeyError(
                "expected a request key that is new, or the same request again, got another request with a key that "
                "was used; take a fresh key for each request"
            )
        return int(chain_no), [tuple(item) if isinstance(item, list) else int(item) for item in json.loads(outcomes)]

    def note(self, key: RequestKey, chain_no: int, outcomes: Saved, now_ms: int) -> None:
        """Keep what became of a request, and forget some of what is old."""
        self.engine.execute(
            "INSERT INTO request_key (name, request, chain_no, outcomes, at_ms) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET request = excluded.request, chain_no = excluded.chain_no, "
            "outcomes = excluded.outcomes, at_ms = excluded.at_ms",
            (
                exactly(key.name, HASH_SIZE, "request key"),
                self._keyed(exactly(key.request, HASH_SIZE, "request digest")),
                chain_no,
                json.dumps(outcomes, separators=(",", ":")),
                now_ms,
            ),
        )
        old = "SELECT name FROM request_key WHERE at_ms <= ? ORDER BY at_ms LIMIT ?"
        forgotten = self.engine.query(old, (now_ms - KEPT_MS, FORGOTTEN_TOGETHER))
        if forgotten:
            self.engine.execute("DELETE FROM request_key WHERE name = ?", *forgotten)

    def forget(self, seqs: Collection[int]) -> None:
        """Forget the requests that brought these entries, because their contents are erased: their digests go too."""
        rows = self.engine.query("SELECT name, outcomes FROM request_key")
        named = [(name,) for name, outcomes in rows if not _seqs_in(outcomes).isdisjoint(seqs)]
        if named:
            self.engine.execute("DELETE FROM request_key WHERE name = ?", *named)

    def _keyed(self, request: bytes) -> bytes:
        """Return what is stored for a digest: nobody who has the database alone can try out guesses of a request."""
        return sha256(self._keys.index_secret() + request)


def _seqs_in(outcomes: str) -> set[int]:
    return {abs(item) for item in json.loads(outcomes) if isinstance(item, int)}
