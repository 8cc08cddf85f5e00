"""Following a log from outside: what was seen of it the last time, kept on this machine.

Input is a place where a log is published, and the verdict of a thread audit. ``anchorline audit URL``
asks, compares with what it saw, and notes what it sees.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from anchor.errors import SettingsError
from anchor.proof.checkpoint import Checkpoint, Note
from anchor.proof.codec import hash_from_hex, sha256
from anchor.proof.errors import MalformedError
from anchor.proof.strictjson import Fields, loads
from anchor.thread_verdict import Outcome, Verdict
from chains.files import write_file

FORMAT = "anchorline-audit/1"
MAX_SEEN = 64 * 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen at a place the last time that nothing was wrong: whose log, and its newest signed checkpoint."""

    log_id: bytes
    note: str

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint, whose signature was checked when it was seen."""
        return Checkpoint.decode(Note.decode(self.note).text)


def seen_file(place: str) -> Path:
    """Return the file for a place (XDG Base Directory Specification, state): by place, since a log may be exchanged."""
    return Path(platformdirs.user_state_dir("anchorline")) / "audits" / f"{sha256(place.encode()).hex()[:32]}.json"


def read_seen(path: Path) -> Seen | None:
    """Return what was seen, None where nothing was.

    Raises SettingsError for a file that cannot be read: a follower that forgets in silence follows nothing.
    """
    try:
        data = path.read_bytes()
        fields = Fields(loads(data, str(path), MAX_SEEN), str(path))
        fields.format(FORMAT)
        fields.text("place")
        seen = Seen(hash_from_hex(fields.text("log_id"), "log_id", 32), fields.text("note"))
        fields.end()
        Checkpoint.decode(Note.decode(seen.note).text)
    except FileNotFoundError:
        return None
    except (OSError, MalformedError) as error:
        raise SettingsError(
            f"{path}: what was seen at the last audit cannot be read ({error}); put it back, or remove it to begin anew"
        ) from error
    return seen


def keep_seen(path: Path, place: str, verdict: Verdict) -> bool:
    """Keep what an audit saw where nothing failed; say whether it did. What fails leaves the last good state."""
    note = verdict.facts.get("checkpoint")
    if verdict.outcome == Outcome.FAILED or not note:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {"format": FORMAT, "place": place, "log_id": verdict.facts["log_id"], "note": note}
    write_file(path, (json.dumps(kept, indent=1) + "\n").encode())
    return True
