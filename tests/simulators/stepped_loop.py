"""An event loop whose time passes only when a test says so: deadlines are reached exactly, and by no slow machine.

Sockets and threads work as ever. Tests of connections and their time limits run in it.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.waiting import PATIENCE_S

_Told = TypeVar("_Told")


class SteppedLoop(asyncio.SelectorEventLoop):
    """A loop on real sockets whose ``time`` is ``now_s``."""

    now_s = 1_000.0

    def time(self) -> float:
        """Return the time that a test made it, in seconds."""
        return self.now_s


def run_stepped(story: Coroutine[Any, Any, _Told]) -> _Told:
    """Run a coroutine in a loop of its own whose time stands still but for ``pass_s``."""
    with asyncio.Runner(loop_factory=SteppedLoop) as runner:
        loop = runner.get_loop()
        # A sleep in such a loop would never end: what takes so long in real time is cancelled.
        guard = threading.Timer(PATIENCE_S, loop.call_soon_threadsafe, [_cancel_all, loop])
        guard.start()
        try:
            return runner.run(story)
        finally:
            guard.cancel()
            guard.join()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


async def pass_s(seconds: float) -> None:
    """Let time pass, and what has become due happen; what came over a socket before then is read before."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SteppedLoop)
    for step_s in (0.0, seconds, 0.0):
        loop.now_s += step_s
        await asyncio.sleep(0)


async def until(holds: Callable[[], object]) -> None:
    """Wait in real time until something holds, while the loop's time stands still."""
    until_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until_s
        await asyncio.sleep(0)
