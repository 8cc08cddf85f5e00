"""The file ``synced`` of a header store: when it was synchronised last, and from whom; for people only.

Written by whoever synchronises, after the headers are safe; nothing rests on it, so a note that is missing or cannot
be read is none.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_MAX_NOTE = 4_096


@dataclass(frozen=True, slots=True)
class SyncNote:
    """``source`` names who gave the headers (an address); ``at_ms`` is this machine's clock then."""

    source: str
    at_ms: int

    def encode(self) -> bytes:
        """Return the JSON of the file."""
        return (json.dumps({"source": self.source, "at_ms": self.at_ms}) + "\n").encode()

    def __str__(self) -> str:
        """Say it to people: source and time (RFC 3339, UTC)."""
        at = datetime.fromtimestamp(self.at_ms / 1000, UTC)
        return f"{self.source} at {at:%Y-%m-%dT%H:%M:%SZ}"


def read_note(folder: Path) -> SyncNote | None:
    """Return the note in a store's folder, None where there is none that can be read."""
    try:
        with (folder / "synced").open("rb") as file:
            value = json.loads(file.read(_MAX_NOTE))
        note = SyncNote(str(value["source"])[:500], int(value["at_ms"]))
        str(note)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return note
