"""Holders of leases as other processes would be, for tests that play several processes in one."""

import itertools
from dataclasses import replace

from anchor.lease_holder import Holder, this_process

_NUMBERS = itertools.count(1)


def gone(work: str = "daemon", *, stays: bool = False) -> Holder:
    """Return a process that has ended since: it had this one's pid, and began at another time."""
    return replace(this_process(work, stays=stays), start_ticks=-next(_NUMBERS))


def elsewhere(work: str = "daemon", *, stays: bool = True) -> Holder:
    """Return a process on another machine: nobody can tell from here whether it runs."""
    return replace(
        this_process(work, stays=stays), host="other.example", pid=next(_NUMBERS), space="another boot pid:[1] time:[1]"
    )
