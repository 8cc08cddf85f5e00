"""Noting: what readers took of content is stored before they get it, all that waits at one moment in one transaction.

``chains.web.rooms`` hands in what one question took. Where many notes wait they become entries here, else before the
next seal (``chains.access_recording``).
"""

import asyncio
from collections.abc import Callable
from itertools import chain as chained
from pathlib import Path

from anchor.proof.errors import AnchorlineError
from chains.access_notes import AccessNotes, Note, joined
from chains.access_recording import record_access
from chains.group_commit import GroupCommit, Size
from chains.home import Clock, Home

MOST_WAITING = 10_000
"""Notes that wait for a seal before they become entries without one: two MiB in the database."""


class Noting:
    """Stores notes on a thread of its own, with the home opened once more; ``close`` it."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        report: Callable[[str], None],
        most_waiting: int = MOST_WAITING,
        beside: Home | None = None,
    ) -> None:
        self._home = Home.open(folder, clock)
        if beside is not None:
            self._home.go_by(beside)
        self._report = report
        self._most_waiting = most_waiting
        self._notes = AccessNotes(self._home.engine)
        # How many notes came since it was last asked how many wait.
        self._new = most_waiting
        self._commits: GroupCommit[list[Note], None] = GroupCommit(self._commit)

    async def note(self, notes: list[Note]) -> None:
        """Store what one question took; durable on return. Raises OverloadedError or a StorageError: it is not."""
        found = joined(notes)
        await asyncio.wrap_future(self._commits.submit(found, Size(len(found))))

    def close(self) -> None:
        """Store what waits, and release the home."""
        self._commits.stop()
        self._home.close()

    def _commit(self, groups: list[list[Note]]) -> list[None]:
        together = list(chained.from_iterable(groups))
        self._notes.note(together, self._home.clock())
        self._new += len(together)
        if self._new >= self._most_waiting:
            self._record()
        return [None] * len(groups)

    def _record(self) -> None:
        """Make entries of notes where many wait; where that fails they wait on, and who reads is not concerned."""
        try:
            self._new = self._notes.waiting()
            if self._new >= self._most_waiting:
                self._new -= record_access(self._home)
        except AnchorlineError as error:
            self._report(f"event=failed job=access error={type(error).__name__} message={str(error)!r}")
