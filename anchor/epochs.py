"""Gaps of a log that was restored from a backup: stored as an intent, and sealed as an epoch leaf by the next seal.

``anchorline rebuild --mark-gap`` stores them; ``anchor.engine`` seals what waits.
"""

from anchor.directory import Directory
from anchor.proof.leaves import EpochLeaf
from anchor.storage.engine import Engine


class Epochs:
    """The gaps of one log: rows are only added; which one waits follows from the directory."""

    def __init__(self, engine: Engine, directory: Directory) -> None:
        self.engine = engine
        self.directory = directory

    def pending(self) -> EpochLeaf | None:
        """Return the gap that is stored and in no seal yet, or None."""
        sealed = self.sealed()
        rows = self.engine.query("SELECT lost_from_ms, lost_to_ms FROM epoch_mark ORDER BY mark_no")
        waiting = [leaf for leaf in (EpochLeaf(*row) for row in rows) if leaf not in sealed]
        return waiting[0] if waiting else None

    def sealed(self) -> list[EpochLeaf]:
        """Return the gaps that the log states, oldest first."""
        return [leaf for _, leaf in self.directory.log_marks(2**62) if isinstance(leaf, EpochLeaf)]

    def mark(self, lost_from_ms: int, lost_to_ms: int) -> EpochLeaf:
        """Store a gap (Unix milliseconds), unless one waits already; return the one that waits."""
        pending = self.pending()
        if pending is not None:
            return pending
        with self.engine.transaction():
            self.engine.execute(
                "INSERT INTO epoch_mark (lost_from_ms, lost_to_ms) VALUES (?, ?)", (lost_from_ms, lost_to_ms)
            )
        return EpochLeaf(lost_from_ms, lost_to_ms)
