"""Several pieces of work at once, none of which can keep the others waiting beyond a common time limit.

``chains.doctor`` runs its checks with it and asks the sources, as ``anchorline init`` does. What does not end is left
behind on a daemon thread, which ends with the process.
"""

import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import TypeVar

_Result = TypeVar("_Result")


def all_within(works: Mapping[str, Callable[[], _Result]], timeout_s: float) -> dict[str, _Result | Exception]:
    """Run every piece of work on a thread of its own; return what each returned or raised, in the given order.

    TimeoutError stands for what had not ended after ``timeout_s`` seconds.
    """
    done: SimpleQueue[tuple[str, _Result | Exception]] = SimpleQueue()

    def run(name: str, work: Callable[[], _Result]) -> None:
        try:
            done.put((name, work()))
        except Exception as error:  # noqa: BLE001 - handed over, not swallowed
            done.put((name, error))

    for name, work in works.items():
        threading.Thread(target=run, args=(name, work), name=name, daemon=True).start()
    deadline_s = time.monotonic() + timeout_s
    results: dict[str, _Result | Exception] = {}
    while len(results) < len(works):
        try:
            name, result = done.get(timeout=max(deadline_s - time.monotonic(), 0.001))
        except Empty:
            break
        results[name] = result
    late = TimeoutError(f"no answer within {timeout_s:g} s")
    return {name: results.get(name, late) for name in works}
