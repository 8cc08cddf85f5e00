"""What is said of a commit or a tag of git: its objects by SHA-256, so that nothing rests on git's own hashes.

The objects come from the ``git`` that is installed; the statement is text, made again by whoever has the repository
(docs/spec/git-statement.md). ``anchorline git`` records it and verifies it.
"""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from anchor.errors import SettingsError

FORMAT = "anchorline-git/1"
MEDIA_TYPE = "application/vnd.anchorline.git"
_PIECE = 2**20
# Only what is stored in the repository counts: no replaced objects, no fetching, no questions, no settings of a day.
_GIT = ("git", "--no-replace-objects", "--no-optional-locks", "--literal-pathspecs")
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
# A hook of git has these; which repository is meant is said by its folder.
_NOT_PASSED_ON = {"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE"}


@dataclass(frozen=True, slots=True)
class GitStatement:
    """A commit or a tag, the commit that it leads to, and that commit's tree; SHA-256 in hex over what they hold."""

    object_format: str
    kind: str
    object_id: str
    object_sha256: str
    commit: str
    commit_sha256: str
    tree: str
    tree_sha256: str

    def encode(self) -> bytes:
        """Return the statement's text: eight lines, the same for everybody who has these objects."""
        return (
            f"{FORMAT}\n"
            f"object-format {self.object_format}\n"
            f"{self.kind} {self.object_id}\n"
            f"{self.kind}-sha256 {self.object_sha256}\n"
            f"peeled-commit {self.commit}\n"
            f"peeled-commit-sha256 {self.commit_sha256}\n"
            f"tree {self.tree}\n"
            f"tree-sha256 {self.tree_sha256}\n"
        ).encode("ascii")


def statement_of(repository: Path, revision: str) -> GitStatement:
    """Make the statement of a commit or an annotated tag. Raises SettingsError: what is missing, and what to do."""
    object_id = _asked(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", revision)
    if not object_id:
        raise SettingsError(f"{repository}: expected a commit or a tag of this git repository, found no {revision!r}")
    kind = _asked(repository, "cat-file", "-t", object_id)
    if kind not in {"commit", "tag"}:
        raise SettingsError(f"{revision}: expected a commit or a tag, found a {kind}: name the commit that has it")
    commit = _asked(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{object_id}^{{commit}}")
    if not commit:
        raise SettingsError(f"{revision}: expected a tag of a commit, found one of something else")
    with _Objects.opened(repository) as objects:
        return GitStatement(
            object_format=_asked(repository, "rev-parse", "--show-object-format"),
            kind=kind,
            object_id=object_id,
            object_sha256=objects.sha256(object_id),
            commit=commit,
            commit_sha256=objects.sha256(commit),
            tree=_asked(repository, "rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}"),
            tree_sha256=_tree_sha256(repository, commit, objects),
        )


def _tree_sha256(repository: Path, commit: str, objects: "_Objects") -> str:
    """Return the SHA-256 over a commit's files in git's order.

    For each: mode, a space, the SHA-256 of its bytes in hex (of a submodule the id of its commit, of which nothing is
    here), a tab, its path, a zero byte.
    """
    hasher = hashlib.sha256()
    for mode, kind, object_id, path in _files(repository, commit):
        inner = objects.sha256(object_id) if kind == "blob" else object_id
        hasher.update(f"{mode} {inner}\t".encode() + path + b"\0")
    return hasher.hexdigest()


def _files(repository: Path, commit: str) -> Iterator[tuple[str, str, str, bytes]]:
    """Yield mode, kind, object id and path of every file of a commit, as they are listed."""
    command = (*_GIT, "-C", str(repository), "ls-tree", "-r", "-z", "--full-tree", commit)
    with _started(command) as running:
        assert running.stdout is not None
        for line in _zero_ended(running.stdout):
            about, _, path = line.partition(b"\t")
            mode, kind, object_id = about.decode("ascii").split(" ")
            yield mode, kind, object_id, path
        if running.wait():
            raise SettingsError(f"{repository}: git could not list the files of {commit}: run `git fsck` there")


def _zero_ended(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while piece := stream.read(_PIECE):
        *lines, rest = (rest + piece).split(b"\0")
        yield from lines


class _Objects:
    """Objects of a repository by one ``git cat-file --batch``, read in pieces."""

    def __init__(self, repository: Path, running: "subprocess.Popen[bytes]") -> None:
        assert running.stdin is not None
        assert running.stdout is not None
        self._repository = repository
        self._asking, self._answers = running.stdin, running.stdout
        self._known: dict[str, str] = {}

    @classmethod
    @contextmanager
    def opened(cls, repository: Path) -> Iterator["_Objects"]:
        """Start it, and end it."""
        with _started((*_GIT, "-C", str(repository), "cat-file", "--batch")) as running:
            yield cls(repository, running)

    def sha256(self, object_id: str) -> str:
        """Return the SHA-256 of what an object holds, in hex (without git's header)."""
        found = self._known.get(object_id)
        if found is None:
            found = self._known[object_id] = self._read(object_id)
        return found

    def _read(self, object_id: str) -> str:
        self._asking.write(f"{object_id}\n".encode())
        self._asking.flush()
        answer = self._answers.readline().split()
        if len(answer) != 3:
            raise SettingsError(
                f"{self._repository}: object {object_id} is not in this repository: a shallow or partial clone has not "
                "all of them; fetch it (`git fetch --unshallow`, `git fetch --refetch`)"
            )
        hasher, left = hashlib.sha256(), int(answer[2])
        while left:
            piece = self._answers.read(min(left, _PIECE))
            if not piece:
                raise SettingsError(f"{self._repository}: git ended within object {object_id}: run `git fsck` there")
            hasher.update(piece)
            left -= len(piece)
        self._answers.read(1)  # the line end behind it
        return hasher.hexdigest()


def _asked(repository: Path, *arguments: str) -> str:
    """Return what git says to a question, or nothing where it refuses quietly."""
    with _started((*_GIT, "-C", str(repository), *arguments)) as running:
        said = running.communicate()[0]
    if running.returncode and "--quiet" not in arguments:
        raise SettingsError(f"{repository}: git {arguments[0]} failed: run `git fsck` there")
    if running.returncode not in {0, 1}:
        raise SettingsError(f"{repository}: expected a git repository that you may read; try `git -C {repository} log`")
    return said.decode("ascii", "replace").strip()


@contextmanager
def _started(command: tuple[str, ...]) -> Iterator["subprocess.Popen[bytes]"]:
    try:
        running = subprocess.Popen(  # noqa: S603  # git, with words of ours; a revision stands behind --end-of-options
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON} | _ENVIRONMENT,
        )
    except FileNotFoundError as error:
        raise SettingsError("expected git to be installed, found none on the PATH") from error
    with running:
        try:
            yield running
        except BaseException:
            running.kill()
            raise
