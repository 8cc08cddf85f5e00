"""Which process holds a lease, named so that another one on the same machine can tell whether it has ended.

``anchor.lease`` stores it. Where nothing can be proved (another machine, another container, a system without
``/proc``) a holder counts as running, and whoever comes waits until its lease lapses.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
# What follows the command name in /proc/PID/stat, which may itself hold anything, begins with field 3 (proc(5)).
_STATE, _START_TICKS = 3 - 3, 22 - 3
_ENDED = ("Z", "X")
_NAMESPACES = ("pid", "time")


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds, or wants, a lease, and what for.

    ``work`` is the name of its command; ``stays``: it works until it is stopped, so nobody waits for its end.
    ``start_ticks`` is when it began, in clock ticks since boot (proc(5)); ``space`` names the boot and the namespaces
    in which pid and ticks mean something, and is empty where that is not known.
    """

    work: str
    stays: bool
    host: str
    pid: int
    start_ticks: int
    space: str

    def __str__(self) -> str:
        return f"`anchorline {self.work}` (process {self.pid} on {self.host})"


def this_process(work: str, *, stays: bool) -> Holder:
    """Return this process as the holder that does ``work``."""
    pid = os.getpid()
    stat = _stat(pid)
    return Holder(work, stays, socket.gethostname(), pid, _ticks(stat), _space() if stat else "")


def has_ended(holder: Holder) -> bool:
    """Say whether a holder's process is proved to have ended; False where that cannot be seen from here.

    A boot and the namespaces that are alive in it have unique names. So if the holder's are ours, it would be found
    under its pid if it ran: what has no process there, another one that began later, or one that is only waiting to
    be reaped, has ended.
    """
    if not holder.space or holder.space != _space():
        return False
    try:
        # Also true of another user's process, which /proc may hide (its option hidepid).
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    stat = _stat(holder.pid)
    return bool(stat) and (stat[_STATE] in _ENDED or _ticks(stat) != holder.start_ticks)


def _space() -> str:
    """Return the names of this boot and of the namespaces that processes are counted in; nothing where unknown."""
    try:
        boot_id = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        named = [(_PROC / "self/ns" / name).readlink().name for name in _NAMESPACES]
    except OSError:
        return ""
    return " ".join([boot_id, *named])


def _stat(pid: int) -> list[str]:
    """Return the fields of a process from its state on; none where they cannot be read."""
    try:
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _ticks(stat: list[str]) -> int:
    return int(stat[_START_TICKS]) if stat else 0
