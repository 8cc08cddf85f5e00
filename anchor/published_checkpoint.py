"""The newest published checkpoint, as seen from outside, compared with this home before anything is signed.

``published_reading`` reads it. ``anchor.engine`` asks before every seal and tick, ``chains.home`` before the first
promise.
"""

from collections.abc import Callable

from anchor.directory import Directory
from anchor.errors import BehindError, SourceError, SourceUnavailableError
from anchor.log import DIRECTORY
from anchor.proof.checkpoint import Checkpoint, Note, is_signed_by
from anchor.proof.errors import MalformedError
from anchor.signing import check_signature

Read = Callable[[], bytes | None]
"""Returns what is published now, or None where nothing is; raises SourceUnavailableError where nobody can tell."""


class PublishedCheckpoint:
    """What is published at ``where``, compared with one directory each time it is asked."""

    def __init__(self, directory: Directory, where: str, read: Read) -> None:
        self.directory = directory
        self.where = where
        self._read = read

    def check(self) -> None:
        """Refuse to sign where more, or another history, is published than this home has (design section 3.3).

        Raises BehindError for that, SourceUnavailableError where it cannot be read, SourceError where what is there is
        no checkpoint of this log. What is published may be older than this home, and may lack before the first seal.
        """
        size = self.directory.trees.state(DIRECTORY).size
        data = self._read()
        if data is None and size == 0:
            return
        if data is None:
            raise SourceUnavailableError(
                f"published_checkpoint: {self.where} is not there, so nobody can tell whether this home is the newest; "
                "nothing was signed. Publish it (`anchorline mirror`), or correct the setting"
            )
        self._compare(self._decoded(data, size), size)

    def _decoded(self, data: bytes, size: int) -> Checkpoint:
        """Return the published checkpoint, signed by the key of its time as far as this home knows it."""
        origin = self.directory.log.origin
        try:
            note = Note.decode(data.decode("utf-8"))
            found = Checkpoint.decode(note.text)
        except (MalformedError, UnicodeDecodeError) as error:
            raise SourceError(
                f"published_checkpoint: {self.where}: expected a signed checkpoint of {origin}, found something else "
                f"({error}); nothing was signed. Correct the setting, or publish it again"
            ) from error
        if found.origin != origin:
            raise SourceError(
                f"published_checkpoint: {self.where}: expected a checkpoint of {origin}, found one of {found.origin}; "
                "nothing was signed. Correct the setting"
            )
        key = self.directory.checkpoint_key(min(found.size, size))
        if not is_signed_by(note, origin, key, check_signature):
            raise SourceError(
                f"published_checkpoint: {self.where}: expected the signature of this log's checkpoint key {key.hex()} "
                f"under {found.size} leaves, found none that holds; nothing was signed. It is forged, or made after a "
                "change of keys that this home, restored from a backup, does not know"
            )
        return found

    def _compare(self, found: Checkpoint, size: int) -> None:
        if found.size > size:
            raise BehindError(
                f"{self.where}: a checkpoint of {found.size} directory leaves is published and signed, the home has "
                f"{size}: it was restored from a backup, and signing would make a second history; nothing was signed. "
                "Bring it level with `anchorline rebuild --from`"
            )
        root = self.directory.trees.root(DIRECTORY, found.size)
        if found.root != root:
            raise BehindError(
                f"{self.where}: the published checkpoint of {found.size} directory leaves has root {found.root.hex()}, "
                f"this home's has {root.hex()}: two histories of this log were signed; nothing more was signed. Keep "
                "both: they are evidence of what happened"
            )
