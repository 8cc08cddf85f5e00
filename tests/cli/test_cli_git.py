"""``git record|statement|verify`` on real repositories, made by the ``git`` of this machine."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.commands import World, run

DAY = "2026-01-02T03:04:05+00:00"
FILES = {"README": b"beam plan\n", "empty": b"", "plans/a b.txt": b"a\0b"}
# A path that is no UTF-8, which some file systems refuse: it is in the commit only.
ODD = b"plans/gr\xf6\xdfe.txt"
LINK = b"plans/a b.txt"
SUBMODULE = "ab" * 20
LINES = (
    "object-format",
    "commit",
    "commit-sha256",
    "peeled-commit",
    "peeled-commit-sha256",
    "tree",
    "tree-sha256",
)
Git = Callable[..., str]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit: files, one of them executable, a symbolic link and a submodule; and a tag."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git = git_of(folder)
    git("init", "--quiet", "--initial-branch", "main")
    for name, data in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    (folder / "README").chmod(0o755)
    (folder / "link").symlink_to(LINK.decode())
    git("add", ".")
    git("update-index", "--add", "--cacheinfo", f"160000,{SUBMODULE},parts")
    git("update-index", "--add", "--cacheinfo", f"100644,{git('hash-object', 'empty')},{os.fsdecode(ODD)}")
    git("commit", "--quiet", "--message", "first")
    git("tag", "--annotate", "v1", "--message", "one")
    return folder


def git_of(folder: Path) -> Git:
    """Return what runs git in a folder, with a fixed author and no settings of this machine."""
    people = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in
              (("NAME", "Ada"), ("EMAIL", "ada@example"), ("DATE", DAY))}  # fmt: skip
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "HOME": str(folder)}

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**os.environ, **people, **own},
            check=True,
            capture_output=True,
            timeout=60,
        )
        return done.stdout.decode().strip()

    return git


def statement(repository: Path, revision: str = "HEAD") -> dict[str, str]:
    done = run("git", "statement", revision, "-C", repository)
    assert (0, "") == (done.exit_code, done.err)
    first, *lines = done.text.splitlines()
    assert "anchorline-git/1" == first
    return dict(line.split(" ") for line in lines)


def test_a_statement_names_the_objects_and_what_they_hold(repository: Path) -> None:
    """Its hashes are those of docs/spec/git-statement.md, made here from the files themselves."""
    git = git_of(repository)
    raw = subprocess.run(["git", "cat-file", "commit", "HEAD"], cwd=repository, check=True, capture_output=True).stdout
    listed = sorted(
        [
            *((name.encode(), b"100755" if name == "README" else b"100644", data)
              for name, data in FILES.items()),
            (ODD, b"100644", b""),
            (b"link", b"120000", LINK),
            (b"parts", b"160000", None),
        ]
    )  # fmt: skip
    tree = hashlib.sha256()
    for name, mode, data in listed:
        inner = SUBMODULE if data is None else hashlib.sha256(data).hexdigest()
        tree.update(mode + b" " + inner.encode() + b"\t" + name + b"\0")
    found = statement(repository)
    assert LINES == tuple(found)
    assert "sha1" == found["object-format"]
    assert git("rev-parse", "HEAD") == found["commit"] == found["peeled-commit"]
    assert hashlib.sha256(raw).hexdigest() == found["commit-sha256"] == found["peeled-commit-sha256"]
    assert git("rev-parse", "HEAD^{tree}") == found["tree"]
    assert tree.hexdigest() == found["tree-sha256"]


def test_the_specification_shows_this_repository(repository: Path) -> None:
    """The statement in docs/spec/git-statement.md is one that was made, to the letter."""
    page = (Path(__file__).parents[2] / "docs" / "spec" / "git-statement.md").read_text("utf-8")
    assert run("git", "statement", "v1", "-C", repository).text in page


def test_a_tag_is_stated_with_the_commit_that_it_leads_to(repository: Path) -> None:
    """The tag's own object counts: who made it, and what he wrote."""
    of_tag, of_commit = statement(repository, "v1"), statement(repository)
    assert git_of(repository)("rev-parse", "v1") == of_tag["tag"]
    assert of_tag["tag-sha256"] != of_tag["peeled-commit-sha256"]
    shared = ("object-format", *LINES[3:])
    assert [of_commit[name] for name in shared] == [of_tag[name] for name in shared]


def test_a_statement_is_the_same_wherever_it_is_made(repository: Path, tmp_path: Path) -> None:
    """In a clone, in a bare one, from a folder within, and in a repository that was packed."""
    first = statement(repository, "v1")
    git = git_of(tmp_path)
    git("clone", "--quiet", "--no-checkout", str(repository), "clone")
    git("clone", "--quiet", "--bare", str(repository), "bare")
    git_of(repository)("gc", "--quiet")
    for folder in (tmp_path / "clone", tmp_path / "bare", repository / "plans", repository):
        assert first == statement(folder, "v1")


def test_replaced_objects_and_changed_files_change_nothing(repository: Path) -> None:
    """What is stated is what the commit holds, not what git was told to show instead, nor what lies in the folder."""
    first, git = statement(repository), git_of(repository)
    (repository / "README").write_bytes(b"another plan\n")
    git("replace", git("rev-parse", "HEAD:README"), git("hash-object", "-w", "README"))
    assert "another plan" == git("cat-file", "-p", "HEAD:README")
    assert first == statement(repository)
    git("commit", "--quiet", "--all", "--message", "second")
    changed = {name for name, value in statement(repository).items() if value != first[name]}
    assert {*LINES[1:]} == changed


def test_what_is_missing_is_said(repository: Path, tmp_path: Path) -> None:
    """A name that is none, a folder without a repository, an object that is no commit or is not here: exit code 2."""
    for folder, revision, said in (
        (repository, "nowhere", "found no 'nowhere'"),
        (repository, "--all", "found no '--all'"),
        (repository, "HEAD:README", "found a blob"),
        (tmp_path, "HEAD", "expected a git repository"),
    ):
        done = run("git", "statement", "-C", folder, "--", revision)
        assert (2, b"") == (done.exit_code, done.out)
        assert said in done.err
    lost = git_of(repository)("rev-parse", "HEAD:README")
    (repository / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    done = run("git", "statement", "-C", repository)
    assert 2 == done.exit_code
    assert f"object {lost} is not in this repository" in done.err


def test_a_recorded_commit_is_verified_and_a_changed_one_is_not(world: World, repository: Path) -> None:
    """From the repository to Bitcoin and back; options and exit codes are those of ``verify``."""
    recorded = world.ok("git", "record", "acme", "v1", "-C", repository, "--json").facts
    world.ok("seal")
    world.ok("tick", "--now")
    world.ok("tick", "--mine", "6")
    receipt = world.folder / "v1.receipt"
    world.ok("receipt", recorded["entry_hash"], "--output", receipt)
    world.ok("headers", "export", world.headers)
    assert recorded["entry_hash"] in world.ok("chain", "find", recorded["tag"]).text
    options = ("-C", repository, "--log", world.card, "--headers", world.headers)
    done = run("git", "verify", "v1", receipt, *options)
    assert 0 == done.exit_code, done.text + done.err
    assert f"tag {recorded['tag']}" in done.text
    git = git_of(repository)
    git("tag", "--force", "--annotate", "v1", "--message", "another one")
    changed = run("git", "verify", "v1", receipt, *options, "--json")
    assert (1, ["content-changed"]) == (changed.exit_code, changed.facts["reasons"])
    assert 2 == run("git", "verify", "v1", receipt, "-C", repository, "--nonsense").exit_code
