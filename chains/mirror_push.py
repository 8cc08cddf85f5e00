"""A mirror's folder pushed to object storage: what never changes first, then what names it, nothing that has no need.

Input is a folder that ``anchorline mirror`` wrote and the objects of one prefix; whoever reads them meanwhile finds
everything that a checkpoint names. Storage itself says what is there already, so a push that was stopped is made good
by the next one (docs/spec/mirror.md, "In object storage").
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from anchor.bitcoin.content_coding import GZIP, packed
from anchor.errors import BehindError, SettingsError
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.codec import sha256
from anchor.proof.receipt import LogCard
from anchor.published import CARD, CHECKPOINT, read_note
from anchor.tiles import PublishedTree
from chains.mirror_folder import (
    Rank,
    card_in,
    fetch_from,
    files_in,
    in_order,
    is_bundle,
    is_immutable,
    only_writer,
    put_file,
    rank_of,
)
from chains.object_store import Held, Objects

THREADS = 8
"""Puts at a time, within one rank: each waits for the storage, and not for this machine."""
_FOREVER, _SOON, _MINUTE = "public, max-age=31536000, immutable", "public, max-age=10", "public, max-age=60"
_MEDIA_TYPES = {"": "application/octet-stream", ".json": "application/json", ".html": "text/html; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did; ``size`` is the size of the directory that the storage now shows."""

    size: int
    put: int
    put_bytes: int
    deleted: int


def push(folder: Path, url: str, objects: Objects) -> Pushed:
    """Make the objects those of the folder; ``url`` names them in the folder's own notes, and in messages.

    Raises SettingsError where the prefix holds something else, BehindError where more, or another history, is there
    than in the folder, SourceUnavailableError where storage fails: run it again.
    """
    with only_writer(folder):
        card, note = card_in(folder), read_note(fetch_from(folder), CHECKPOINT)
        if card is None or note is None:
            raise SettingsError(f"{folder}: expected a mirror to push, found none; `anchorline mirror` writes it")
        here, held = Checkpoint.decode(note.text), objects.held()
        _check_card(objects, held, card, url)
        _check_not_behind(folder, here, objects, url)
        return _Push(folder, url, objects, held).run(here.size)


class _Push:
    def __init__(self, folder: Path, url: str, objects: Objects, held: Mapping[str, Held]) -> None:
        self._folder = folder
        self._objects = objects
        self._held = held
        # What was put of files that change, and the tags that storage gave them: these need not be read again.
        self._notes = f".pushed-{sha256(url.encode()).hex()[:16]}.json"
        self._known = _read_notes(folder / self._notes)
        self._put = self._bytes = 0

    def run(self, size: int) -> Pushed:
        paths = in_order(files_in(self._folder))
        with ThreadPoolExecutor(THREADS) as threads:
            # The next rank begins when all of this one is there: a checkpoint behind the tiles that it names.
            for _, each in groupby(paths, rank_of):
                for done in threads.map(self._bring, list(each)):
                    self._put += done > 0
                    self._bytes += max(0, done)
            put_file(self._folder, self._notes, json.dumps(self._known).encode())
            # Partial tiles whose full one is there, and chains that are published no longer; nothing foreign.
            gone = [path for path in self._held.keys() - set(paths) if rank_of(path) is not Rank.BESIDE]
            for _ in threads.map(self._objects.delete, gone):
                pass
        return Pushed(size, self._put, self._bytes, len(gone))

    def _bring(self, path: str) -> int:
        """Put a file where it is not there as it is here; return how many bytes were put, -1 for none."""
        held = self._held.get(path)
        if held is not None and self._is_there(path, held.size):
            return -1
        data = (self._folder / path).read_bytes()
        digest = sha256(data).hex()
        if held is not None and held.size == len(data) and self._known.get(path) == [digest, held.tag]:
            return -1
        small = packed(data) if is_bundle(path) else data
        if len(small) < len(data):
            self._objects.put(path, small, _media_type(path), _cache_control(path), GZIP)
            return len(small)
        tag = self._objects.put(path, data, _media_type(path), _cache_control(path))
        if not is_immutable(path):
            self._known[path] = [digest, tag]
        return len(data)

    def _is_there(self, path: str, held_size: int) -> bool:
        """Say whether an object that never changes is there: storage keeps none by halves, and bundles are packed."""
        size = (self._folder / path).stat().st_size
        return is_immutable(path) and (held_size == size or (is_bundle(path) and 0 < held_size < size))


def _check_card(objects: Objects, held: Mapping[str, Held], card: LogCard, url: str) -> None:
    """Refuse a prefix of another log or of something else; mark an empty one as this log's before anything is there."""
    data = objects.get(CARD)
    if data is not None and LogCard.decode(data).log != card.log:
        raise SettingsError(f"{url}: expected a mirror of log {card.log.log_id.hex()}, found one of another log")
    if data is None:
        if held:
            raise SettingsError(
                f"{url}: expected nothing or a mirror of this log, found something else; choose a prefix"
            )
        objects.put(CARD, LogCard(card.log).encode(), _media_type(CARD), _cache_control(CARD))


def _check_not_behind(folder: Path, here: Checkpoint, objects: Objects, url: str) -> None:
    """Refuse to push less, or another history, than is there."""
    note = read_note(objects.get, CHECKPOINT)
    if note is None:
        return
    there = Checkpoint.decode(note.text)
    if there.size > here.size:
        raise BehindError(
            f"{url}: a checkpoint of {there.size} leaves is there, {folder} has {here.size}: another one pushes too, "
            "or this folder is an old copy; nothing was pushed"
        )
    if PublishedTree(fetch_from(folder), "", here.size).root(there.size) != there.root:
        raise BehindError(
            f"{url}: its checkpoint of {there.size} leaves is of another history than {folder}; nothing was pushed. "
            "Keep both: they are evidence of what happened"
        )


def _read_notes(path: Path) -> dict[str, list[str]]:
    try:
        notes = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}  # then every file that changes is put once more
    return notes if isinstance(notes, dict) else {}


def _media_type(path: str) -> str:
    if rank_of(path) in {Rank.CHECKPOINT, Rank.CHAIN_CHECKPOINT, Rank.ANCHORED}:
        return "text/plain; charset=utf-8"
    return _MEDIA_TYPES.get(Path(path).suffix, "application/octet-stream")


def _cache_control(path: str) -> str:
    if is_immutable(path):
        return _FOREVER
    return _MINUTE if rank_of(path) in {Rank.PROOFS, Rank.BESIDE} else _SOON
