"""Processes that work for this one, started anew (never forked, so that threads of this one do no harm).

``chains.archive.pool`` and ``verify --pairs`` hand out with it what they have cut.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from anchor.proof.errors import AnchorlineError


class ProcessEndedError(AnchorlineError):
    """A process ended before its work did: nothing is known of what it had."""


@contextmanager
def started(jobs: int, begin: Callable[..., None], *given: Any) -> Iterator[ProcessPoolExecutor]:
    """Yield so many processes, each of which begins with ``begin(*given)``; end them, whatever is left to do.

    Raises ProcessEndedError where one was killed, or ran out of memory.
    """
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), begin, given)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise ProcessEndedError(
            "a process ended before its work did: was it killed, or is memory short? Try --jobs 1"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
