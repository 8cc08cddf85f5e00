"""Copies of the content keys: where they were written, and writing them again when a key was destroyed.

``anchorline backup --content-keys`` writes one, in the place of the one before; ``chains.erasing`` has every copy that
it reaches follow, and names those that it does not.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anchor.bitcoin.records import sync_folder
from anchor.errors import SettingsError
from anchor.proof.times import utc
from anchor.storage.engine import Engine
from chains.content_keys import ContentKeys


@dataclass(frozen=True, slots=True)
class Unreached:
    """A copy that still holds a key which was destroyed here: where it was written, when (Unix ms), and why it does."""

    path: str
    made_at_ms: int
    why: str

    def told(self) -> str:
        """Say what somebody has to do."""
        written = utc(self.made_at_ms)
        return f"{self.path}, written {written}, still holds the key ({self.why}): destroy it, or write it anew"

    def to_json(self) -> dict[str, Any]:
        """Return it as ``erase --json`` has it."""
        return {"path": self.path, "made_at_ms": self.made_at_ms, "why": self.why}


class KeyCopies:
    """The copies of one home's content keys."""

    def __init__(self, engine: Engine, keys: ContentKeys) -> None:
        self.engine = engine
        self.keys = keys

    def write(self, path: Path, now_ms: int) -> None:
        """Write a copy in the place of what is there; it is known before it is there, and appears whole or not at all.

        Raises SettingsError where it cannot be written; then what was there still is.
        """
        where = path.resolve()
        if where.is_dir():
            raise SettingsError(f"{path}: expected the name of a file for the content keys, found a folder")
        with self.engine.transaction():
            self.engine.execute(
                "INSERT INTO key_copy (path, made_at_ms) VALUES (?, ?) ON CONFLICT (path) DO NOTHING",
                (str(where), now_ms),
            )
        try:
            self._put(where)
        except OSError as error:
            raise SettingsError(f"{path}: the content keys cannot be written: {error.strerror}") from error
        self._written(where, now_ms)

    def follow(self, now_ms: int) -> list[Unreached]:
        """Write every copy anew; return those that cannot be reached. A copy is never made where none is now."""
        unreached = []
        for path, made_at_ms in self.engine.query("SELECT path, made_at_ms FROM key_copy ORDER BY path"):
            where = Path(path)
            try:
                if not where.is_file():
                    raise FileNotFoundError(2, "it is not there now")
                self._put(where)
            except OSError as error:
                unreached.append(Unreached(path, int(made_at_ms), error.strerror or "it cannot be written"))
            else:
                self._written(where, now_ms)
        return unreached

    def known(self) -> list[tuple[Path, int]]:
        """Return where copies were written, and when (Unix ms)."""
        rows = self.engine.query("SELECT path, made_at_ms FROM key_copy ORDER BY path")
        return [(Path(path), int(made_at_ms)) for path, made_at_ms in rows]

    def forget(self, path: Path) -> bool:
        """Name a copy no more, because somebody destroyed it; say whether it was known."""
        with self.engine.transaction():
            return bool(self.engine.execute("DELETE FROM key_copy WHERE path = ?", (str(path.resolve()),)))

    def _put(self, where: Path) -> None:
        beside = where.with_name(f".{where.name}.new")
        beside.unlink(missing_ok=True)
        try:
            self.keys.copy_to(beside)
            with beside.open("rb+") as file:
                os.fsync(file.fileno())
            beside.replace(where)
        finally:
            beside.unlink(missing_ok=True)
        sync_folder(where.parent)

    def _written(self, where: Path, now_ms: int) -> None:
        with self.engine.transaction():
            self.engine.execute("UPDATE key_copy SET made_at_ms = ? WHERE path = ?", (now_ms, str(where)))
