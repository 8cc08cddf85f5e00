"""Following a log from outside: what was seen of it the last time, kept on this machine, and where it is read.

Input is a published log (a mirror, or the API of a service) and the verdict of a thread audit. ``anchorline audit URL``
asks, compares with what it saw, and notes what it sees.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from anchor.bitcoin.http_retry import Patience, PatientHttp, Surroundings
from anchor.bitcoin.web_address import is_address
from anchor.errors import SettingsError
from anchor.proof.checkpoint import MAX_NOTE, Checkpoint, Note
from anchor.proof.codec import hash_from_hex, sha256
from anchor.proof.errors import MalformedError
from anchor.proof.receipt import MAX_CARD
from anchor.proof.strictjson import Fields, loads
from anchor.published import ANCHORED, CARD, CHECKPOINT
from anchor.thread_verdict import Outcome, Verdict
from anchor.tiles import Fetch
from chains.files import write_file
from chains.mirror_reading import opened_mirror, opened_service

FORMAT = "anchorline-audit/1"
MAX_SEEN = 64 * 1024
_OK = 200


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


@contextmanager
def opened_log(place: str) -> Iterator[Fetch]:
    """Yield what reads a published log: a mirror (folder or address), or else the API of a service at this address.

    A service has no list of anchors: a Bitcoin source finds them. Raises as ``opened_mirror``.
    """
    with ExitStack() as stack:
        fetch = stack.enter_context(opened_mirror(place))
        # A service has pages beside its API, the card's among them; a mirror has a checkpoint beside it.
        if is_address(place) and (fetch(CARD) is None or fetch(CHECKPOINT) is None):
            address = f"{place.rstrip('/')}/v1"
            tiles = stack.enter_context(opened_service(address, None))
            server = stack.enter_context(closing(PatientHttp(address, Patience(), Surroundings())))
            service = _service(server, tiles)
            fetch = fetch if service(CARD) is None else service
        yield fetch


def _service(server: PatientHttp, tiles: Fetch) -> Fetch:
    """Return a ``Fetch`` that asks a service for the card and for anchored checkpoints in the service's own words."""

    def fetch(path: str) -> bytes | None:
        if path == CARD:
            card = _json(server, "/log").get("card")
            return None if card is None else json.dumps(card).encode()
        folder, _, size = path.partition("/")
        if folder == ANCHORED and size.isdecimal():
            found = _json(server, f"/checkpoints?cursor={int(size) + 1}&limit=1").get("checkpoints", [])
            notes = [each["note"] for each in found if isinstance(each, dict) and each.get("size") == int(size)]
            return str(notes[0]).encode() if notes else None
        return tiles(path)

    return fetch


def _json(server: PatientHttp, path: str) -> Mapping[str, Any]:
    answer = server.get(path, 2 * (MAX_CARD + MAX_NOTE))
    return loads(answer.body, f"{server.url}{path}", 2 * (MAX_CARD + MAX_NOTE)) if answer.status == _OK else {}
