"""Who listens to events: how many at once, and one look into the outbox a second for all of them together.

``chains.web.api_events`` lets a listener join and makes its stream; each holds a number and nothing that piles up.
"""

import asyncio
from collections import Counter
from contextlib import suppress

from anchor.errors import OverloadedError
from anchor.outbox import Outbox
from anchor.proof.errors import AnchorlineError
from chains.events import LOOK_EVERY_S
from chains.web.rooms import Rooms

MOST_LISTENERS = 1_000
"""A quarter of all connections."""
MOST_OF_ONE = 100
"""Of one organisation; all who have no key count as one."""


class Listener:
    """One who listens; ``wake`` is set where something may be new, or the stream is to end."""

    def __init__(self, whose: str | None) -> None:
        self.whose = whose
        self.wake = asyncio.Event()

    async def wait(self, ended: asyncio.Event, span_s: float) -> bool:
        """Wait for something new, or the end of the stream, at most so long; say whether there was either."""
        waiting = {asyncio.ensure_future(event.wait()) for event in (self.wake, ended)}
        done, pending = await asyncio.wait(waiting, timeout=span_s, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        return bool(done)


class Listeners:
    """All who listen to one process. Used by the event loop alone."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._all: set[Listener] = set()
        self._of_each: Counter[str | None] = Counter()
        self._looking: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._all)

    def join(self, whose: str | None) -> Listener:
        """Add a listener of an organisation (None: without one); raise OverloadedError where there are too many."""
        if len(self._all) >= MOST_LISTENERS or self._of_each[whose] >= MOST_OF_ONE:
            raise OverloadedError(
                f"expected at most {MOST_LISTENERS} listeners, {MOST_OF_ONE} of one organisation: end one, or try later"
            )
        listener = Listener(whose)
        self._all.add(listener)
        self._of_each[whose] += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return listener

    def leave(self, listener: Listener) -> None:
        """Take a listener away; the last one ends the looking."""
        self._all.discard(listener)
        self._of_each -= Counter({listener.whose: 1})
        if not self._all and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _look(self) -> None:
        """Wake everybody when the outbox has grown, or cannot be read: then each learns so by himself."""
        seen = -1
        while True:
            newest = -1
            with suppress(AnchorlineError):
                newest = await self._rooms.ask(lambda room: Outbox(room.home.engine).newest_no())
            if newest != seen:
                seen = newest
                for listener in self._all:
                    listener.wake.set()
            await asyncio.sleep(LOOK_EVERY_S)
