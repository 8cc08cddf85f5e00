"""What a verdict says of a folder, or of a single file or row of it: step 2, judged with the manifest.

Input is what the verifier has at hand beside the receipt. ``anchorline verify`` judges the receipt with its digest and
its ``judge``, which is asked only where the document is the recorded one.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from anchor.proof.codec import sha256
from anchor.proof.errors import Reason, VerificationError
from anchor.proof.manifest import Document
from anchor.proof.manifest_list import read_list
from anchor.proof.manifest_proof import ManifestProof, describe_kind
from anchor.proof.verdict import Step, not_checked, ok
from chains.counted import counted
from chains.manifest_comparing import MAX_DIFFERENCES, Comparison, compare, printable

Progress = Callable[[], AbstractContextManager[Callable[[int], None]]]
"""Begins to show progress; what it gives is told bytes as they are read."""
SHOWN = 100
"""More lines than this nobody reads."""
_CONTENT = 2


class AtHand(Protocol):
    """What leads to the document of a manifest, or of fields, and then says more than the receipt alone."""

    called: str
    """What it is, as ``--json`` names its facts."""
    facts: dict[str, Any]
    """What was found, for ``--json``."""
    lines: list[str]
    """The same for people, where it is more than step 2 says."""

    @property
    def document_digest(self) -> bytes:
        """SHA-256 of the document, which the receipt must have as that of its content."""

    def judge(self) -> Step:
        """Return step 2; raises VerificationError where it fails, and OSError for what cannot be read."""


@dataclass
class FolderAtHand:
    """A folder, or a file with rows, and the list of its manifest."""

    source: Path
    list_path: Path
    progress: Progress
    document: Document
    facts: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    called: str = "manifest"

    @classmethod
    def read(cls, source: Path, list_path: Path, progress: Progress) -> "FolderAtHand":
        """Read the list; raise MalformedError where it is none, and OSError."""
        with list_path.open("rb") as stream:
            return cls(source, list_path, progress, read_list(stream))

    @property
    def document_digest(self) -> bytes:
        """See ``AtHand``."""
        return sha256(self.document.encode())

    def judge(self) -> Step:
        """See ``AtHand``; the folder is compared file by file."""
        with self.list_path.open("rb") as stream, self.progress() as advance:
            found = compare(self.source, stream, advance)
        self.facts |= {
            "files": found.files,
            "same": found.is_same,
            "counts": dict(found.counts),
            "changes": [difference.to_json() for difference in found.differences],
        }
        self.lines += _change_lines(found)
        what = "folder" if self.source.is_dir() else "file"
        if not found.is_same:
            raise VerificationError(Reason.CONTENT_CHANGED, f"the {what} is not what was recorded: {found.summary()}")
        listed = f"{counted(self.document.files, 'files')}, {self.document.size} bytes, by its manifest"
        return ok(_CONTENT, f"the {what} is what was recorded: {listed}")


@dataclass
class ProofAtHand:
    """A proof of a single file or of rows; ``file`` is size and SHA-256 of a file at hand, or None."""

    proof: ManifestProof
    file: tuple[int, bytes] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    called: str = "manifest"

    @property
    def document_digest(self) -> bytes:
        """See ``AtHand``."""
        return self.proof.document_digest

    def judge(self) -> Step:
        """See ``AtHand``; what the proof shows is checked against the document."""
        proof = self.proof
        proof.check()
        if self.file is not None:
            proof.check_content(*self.file)
        path = printable(proof.leaf.path)
        self.facts |= {"path": proof.leaf.path, "kind": describe_kind(proof.leaf.kind)}
        if proof.opening is None:
            self.facts["rows"] = [{"row": row.index + 1, "text": _row_text(row.row)} for row in proof.rows]
            self.lines += [f"Row {row['row']} of {path}: {row['text']}" for row in self.facts["rows"]]
            shown = counted(len(proof.rows), "rows")
            return ok(_CONTENT, f"{shown} of {path} as recorded; nothing is said of the others")
        opening = proof.opening
        self.facts |= {"bytes": opening.size, "sha256": opening.digest.hex()}
        shown = f"{path}, {describe_kind(proof.leaf.kind)} of {opening.size} bytes, SHA-256 {opening.digest.hex()}"
        if self.file is None:
            return not_checked(_CONTENT, f"content not compared: no file at hand; the proof is of {shown}")
        return ok(_CONTENT, f"the file is what was recorded as {shown}")


def _row_text(row: bytes) -> str:
    """Return a row for people, without its line end."""
    return printable(row.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "backslashreplace"))


def _change_lines(found: Comparison) -> list[str]:
    shown = found.differences[:SHOWN]
    more = sum(found.counts.values()) - len(shown)
    return [
        *(difference.text() for difference in shown),
        *([f"and {more} more, which are counted above; --json has the first {MAX_DIFFERENCES}"] if more else []),
    ]
