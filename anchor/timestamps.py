"""The time stamps that a log keeps: tokens by checkpoint and authority, and what failed; rows are only ever added.

``anchor.stamping`` writes them once they are checked; receipts take theirs from here.
"""

from dataclasses import dataclass

from anchor.proof.timestamp import TimestampAnchor
from anchor.storage.engine import Engine

# A receipt has room for 16 anchors; authorities may have come and gone.
MAX_SHOWN = 8
# After so many failures in a row the wait no longer grows.
COUNTED_FAILURES = 16


@dataclass(frozen=True, slots=True)
class Failure:
    """A question that brought no token."""

    at_ms: int
    cause: str


class Timestamps:
    """The time stamps of one database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def keep(self, checkpoint_size: int, authority: str, token: bytes, received_at_ms: int) -> None:
        """Store a checked token; a second one of the same authority over the same checkpoint changes nothing."""
        with self.engine.transaction():
            self.engine.execute(
                "INSERT INTO time_stamp (checkpoint_size, authority, token, received_at_ms) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (checkpoint_size, authority) DO NOTHING",
                (checkpoint_size, authority, token, received_at_ms),
            )

    def note_failure(self, authority: str, at_ms: int, cause: str) -> None:
        """Store that an authority gave no token."""
        with self.engine.transaction():
            self.engine.execute(
                "INSERT INTO time_stamp_failure (authority, at_ms, cause) VALUES (?, ?, ?)",
                (authority, at_ms, cause[:500]),
            )

    def of(self, checkpoint_size: int) -> tuple[TimestampAnchor, ...]:
        """Return the tokens over a checkpoint, oldest first, as a receipt carries them."""
        rows = self.engine.query(
            "SELECT token FROM time_stamp WHERE checkpoint_size = ? ORDER BY received_at_ms, authority LIMIT ?",
            (checkpoint_size, MAX_SHOWN),
        )
        return tuple(TimestampAnchor(bytes(token)) for (token,) in rows)

    def first_stamped(self, least_size: int) -> int | None:
        """Return the size of the smallest stamped checkpoint of at least ``least_size`` leaves, or None."""
        query = "SELECT MIN(checkpoint_size) FROM time_stamp WHERE checkpoint_size >= ?"
        found = self.engine.query(query, (least_size,))[0][0]
        return None if found is None else int(found)

    def stamped_by(self, authority: str, least_size: int) -> frozenset[int]:
        """Return the sizes of the checkpoints, from a size on, that an authority has stamped."""
        query = "SELECT checkpoint_size FROM time_stamp WHERE authority = ? AND checkpoint_size >= ?"
        return frozenset(int(size) for (size,) in self.engine.query(query, (authority, least_size)))

    def failures(self, authority: str) -> tuple[Failure, ...]:
        """Return the failures since an authority's last token, newest first, at most 16."""
        rows = self.engine.query(
            "SELECT at_ms, cause FROM time_stamp_failure WHERE authority = ? AND at_ms > "
            "(SELECT COALESCE(MAX(received_at_ms), -1) FROM time_stamp WHERE authority = ?) "
            "ORDER BY failure_no DESC LIMIT ?",
            (authority, authority, COUNTED_FAILURES),
        )
        return tuple(Failure(int(at_ms), str(cause)) for at_ms, cause in rows)

    def count(self) -> int:
        """Return how many tokens are kept."""
        return int(self.engine.query("SELECT COUNT(*) FROM time_stamp")[0][0])
