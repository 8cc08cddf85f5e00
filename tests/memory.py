"""A folder in memory for what tests write: thousands of small databases, each change of which waits for a disk.

Nothing that a test writes has to outlive the machine: what survives the end of a process is judged the same way there,
and no test pulls the plug. ``tests.conftest`` uses it, unless TMPDIR says where to write.
"""

import os
from pathlib import Path

SHARED = Path("/dev/shm")  # Linux's file system in memory
_NEEDED_BYTES = 4 << 30
"""Several times what a whole run leaves there while it lasts; as much must be free for the processes beside it."""


def folder_in_memory() -> Path | None:
    """Return a folder of this user in memory; None where there is none with room, or programs may not run from it."""
    if not SHARED.is_mount() or _available_bytes() < 2 * _NEEDED_BYTES:
        return None
    system = os.statvfs(SHARED)
    if system.f_bavail * system.f_frsize < _NEEDED_BYTES or system.f_flag & os.ST_NOEXEC:
        return None
    folder = SHARED / f"anchorline-{os.getuid()}"
    folder.mkdir(mode=0o755, exist_ok=True)  # PostgreSQL's user looks for its own folder in there
    return folder if folder.lstat().st_uid == os.getuid() else None


def _available_bytes() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) << 10
