"""The thread that draws certificates: one at a time, and few that wait, so that they keep nobody else waiting.

``chains.web.service`` has one; ``chains.web.pages.certificates`` hands in what is to be drawn.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from chains.web.problems import ProblemError

MOST_WAITING = 4
"""With a fifth of a second for each, the last one waits about a second."""
_RETRY = (b"retry-after", b"2")


class Drawing:
    """A thread that draws; ``close`` it. The event loop alone asks, so the count needs no lock."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "drawing")
        self._waiting = 0

    async def draw(self, make: Callable[[], bytes]) -> bytes:
        """Return what ``make`` returns; raise ProblemError (overloaded) where too many wait already."""
        if self._waiting >= MOST_WAITING:
            raise ProblemError("overloaded", "More certificates are wanted than can be drawn soon", _RETRY)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, make)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Draw what was asked for, then end the thread."""
        self._executor.shutdown()
