"""How far this machine has seen a log go, kept outside the home: what tells a restored home from the real one.

A home that is copied back from a backup brings its whole database back with it; this file, in the XDG state folder,
stays. ``chains.home`` compares the two before the first signature of a process and writes the file when it closes.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs

from anchor.errors import BehindError
from chains.files import write_file


@dataclass(frozen=True, slots=True)
class HighWater:
    """Entries and directory leaves that were there when this machine last wrote to the log."""

    entries: int
    directory_size: int


def high_water_file(log_id: bytes) -> Path:
    """Return the file for a log (XDG Base Directory Specification, state)."""
    return Path(platformdirs.user_state_dir("anchorline")) / f"{log_id.hex()}.json"


def read_high_water(log_id: bytes) -> HighWater | None:
    """Return what was noted on this machine, or None where nothing was, or what was is not readable."""
    try:
        value = json.loads(high_water_file(log_id).read_bytes())
        return HighWater(int(value["entries"]), int(value["directory_size"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_high_water(log_id: bytes, mark: HighWater) -> None:
    """Note how far the log is. Without a folder to write to, the next process asks Bitcoin instead."""
    path = high_water_file(log_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, json.dumps(asdict(mark)).encode())
    except OSError:
        return


def check_high_water(found: HighWater, noted: HighWater) -> None:
    """Raise BehindError where the home has less than this machine has already seen of its log."""
    if found.entries >= noted.entries and found.directory_size >= noted.directory_size:
        return
    raise BehindError(
        f"this machine has seen {noted.entries} entries and {noted.directory_size} directory leaves of this log, the "
        f"home has {found.entries} and {found.directory_size}: it was restored from a backup, and signing would make "
        "a second history; nothing was signed. Restore a newer backup"
    )
