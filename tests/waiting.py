"""Waiting for what a thread or another process does in its own time."""

import time
from collections.abc import Callable

PATIENCE_S = 60.0
_PAUSE_S = 0.05


def wait_until(
    holds: Callable[[], object], said: Callable[[], object] = lambda: "", patience_s: float = PATIENCE_S
) -> None:
    """Wait until something holds; fail with what ``said`` has to say where it does not within ``patience_s``."""
    until_s = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < until_s, said()
        time.sleep(_PAUSE_S)
