"""The manifest of a backup: what it holds, and size and SHA-256 of each of its files (docs/spec/backup.md).

``chains.backup`` writes it last, ``chains.restore`` reads it first and believes nothing that the files do not show.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from anchor.proof.codec import HASH_SIZE
from anchor.proof.errors import MalformedError
from anchor.proof.strictjson import Fields, loads
from chains.backup_check import Held

FORMAT = "anchorline-backup/1"
NAME = "manifest.json"
MAX_MANIFEST = 65_536
_MAX_FILES = 64
_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class BackedUpFile:
    """One file: ``path`` relative to the backup and to the home, with slashes."""

    path: str
    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """When a backup was made, what its database holds, and its files."""

    made_at_ms: int
    held: Held
    files: tuple[BackedUpFile, ...]

    def encode(self) -> bytes:
        """Return the file's bytes (JSON)."""
        held = self.held
        value: dict[str, Any] = {
            "format": FORMAT,
            "made_at_ms": self.made_at_ms,
            "origin": held.origin,
            "log_id": held.log_id.hex(),
            "chains": held.chains,
            "entries": held.entries,
            "directory_size": held.directory_size,
            "checkpoint_size": held.checkpoint_size,
            "checkpoint_root": held.checkpoint_root.hex(),
            "files": [{"path": each.path, "size": each.size, "sha256": each.sha256.hex()} for each in self.files],
        }
        return (json.dumps(value, indent=1) + "\n").encode()

    @classmethod
    def decode(cls, data: bytes) -> "Manifest":
        """Read a manifest; raises MalformedError, UnknownVersionError for one of a newer Anchorline."""
        fields = Fields(loads(data, "manifest", MAX_MANIFEST), "manifest")
        fields.format(FORMAT)
        made_at_ms, origin, log_id = fields.integer("made_at_ms"), fields.text("origin"), fields.hex("log_id", exact=32)
        chains, entries = fields.integer("chains"), fields.integer("entries")
        directory_size, checkpoint_size = fields.integer("directory_size"), fields.integer("checkpoint_size")
        root = fields.hex("checkpoint_root", maximum=HASH_SIZE)
        files = tuple(_file(item) for item in fields.array("files", _MAX_FILES))
        fields.end()
        if len({each.path for each in files}) != len(files):
            raise MalformedError("manifest: a file is listed twice")
        held = Held(log_id, origin, chains, entries, directory_size, checkpoint_size, root)
        return cls(made_at_ms, held, files)


def is_plain(path: str) -> bool:
    """Say whether a path stays below the folder that it is relative to, and is no hidden name."""
    return all(_PART.fullmatch(part) for part in path.split("/"))


def _file(value: Any) -> BackedUpFile:
    fields = Fields(value, "manifest.files")
    found = BackedUpFile(fields.text("path"), fields.integer("size"), fields.hex("sha256", exact=HASH_SIZE))
    fields.end()
    if not is_plain(found.path):
        raise MalformedError(f"manifest.files: expected a path below the backup, got {found.path[:80]!r}")
    return found
