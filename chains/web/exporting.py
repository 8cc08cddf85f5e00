"""Exports over HTTP: an archive is made on a thread of its own, in a file without a name, and sent from there.

``chains.web.api_life`` asks for one; nothing of it is in memory but a piece at a time, and nothing is left of it on the
disk when it was sent, or when the service is killed.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from anchor.errors import OverloadedError
from chains.export_part import export_part_to
from chains.home import Clock, Home

MOST = 4
"""Archives that are made or sent at one time: each takes as much of the disk as its chains do."""
_PIECE = 256 * 1024


class Exporting:
    """Makes archives, one after the other; ``close`` it."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._executor = ThreadPoolExecutor(1, "exporting")
        self._asking: set[str] = set()

    async def make(self, asker: str, chain_nos: Sequence[int], *, with_content: bool) -> IO[bytes]:
        """Return an archive of chains, at its beginning; ``done`` with its asker when it was sent.

        Raises OverloadedError where too many are under way, or one for this asker; NotYetError where nothing of the
        chains is anchored.
        """
        if asker in self._asking or len(self._asking) >= MOST:
            raise OverloadedError("an export is under way: ask again when it is there")
        self._asking.add(asker)
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, self._made, chain_nos, with_content)
        except BaseException:
            self.done(asker)
            raise

    def done(self, asker: str) -> None:
        """Let an asker ask again."""
        self._asking.discard(asker)

    def close(self) -> None:
        """Make what was asked for, then end the thread."""
        self._executor.shutdown(cancel_futures=True)

    def _made(self, chain_nos: Sequence[int], with_content: bool) -> IO[bytes]:  # of an executor
        # In the home's folder: what is exported has room where the home has. A file without a name ends with its use.
        file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  # whoever sends it closes it
        try:
            with Home.open(self._folder, self._clock) as home:
                found = [home.chains.by_no(number) for number in chain_nos]
                chains = [chain for chain in found if chain is not None]
                export_part_to(home, file, chains, with_content=with_content)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file


async def pieces(file: IO[bytes], ended: asyncio.Event) -> AsyncIterator[bytes]:
    """Yield a file piece by piece, until its end or until nobody reads it."""
    while not ended.is_set() and (piece := await asyncio.to_thread(file.read, _PIECE)):
        yield piece
