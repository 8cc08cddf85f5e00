"""The documentation is tested: transcripts are run, code is executed, data is read, links and names are looked up.

Pages are README.md, CHANGELOG.md and everything under docs/. The convention of the blocks is in docs/contributing.md.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import typer.main

from chains.commands.application import app
from tests.quick_command import quick_command

ROOT = Path(__file__).parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
TESTED = {"console", "python", "json", "toml", "sql"}
"""Blocks that are tested: SQL is for the operator's server, and run in tests/unit/test_postgres_peer.py."""
NOT_CODE = {"text", "mermaid"}
"""Blocks that are shown and not run. The pages of docs/spec have languages of their own, and tests of their own."""
MARKER = "anchorline-docs-exit-code:"
AS_INSTALLED = {"README.md", "docs/operate/install.md", "docs/quickstart/verify.md"}
"""Their transcripts start the installed command; the others' differ in that its modules are loaded already."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and its first line's number."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    language, lines, first = None, list[str](), 0
    for number, line in enumerate(page.read_text(encoding="utf-8").split("\n"), 1):
        if not line.startswith("```"):
            lines.append(line)
        elif language is None:
            language, lines, first = line[3:].strip(), [], number + 1
        else:
            yield Block(language, "\n".join(lines), first)
            language = None
    assert language is None, f"{page}: a block is not closed"


def of_language(language: str) -> list[str]:
    """Return the names of the pages that have blocks of a language."""
    return [name for name, page in PAGES.items() if any(block.language == language for block in blocks(page))]


# --- transcripts


@dataclass(frozen=True)
class Command:
    """A command of a transcript, the output that is shown, and the exit code that is expected."""

    text: str
    output: str
    exit_code: int
    line: int


def commands(block: Block) -> Iterator[Command]:
    """Cut a console block into its commands: ``$ `` begins one, ``> `` goes on, the rest is output."""
    text, output, line = "", list[str](), 0
    for number, shown in enumerate(block.text.split("\n"), block.line):
        if shown.startswith("$ "):
            if text:
                yield _command(text, output, line)
            text, output, line = shown[2:], [], number
        elif shown.startswith("> ") and not output:
            text += "\n" + shown[2:]
        else:
            output.append(shown)
    yield _command(text, output, line)


def _command(text: str, output: list[str], line: int) -> Command:
    ended = re.fullmatch(r"\[exit code ([0-9]+)\]", output[-1]) if output else None
    shown = output[:-1] if ended else output
    return Command(text, "".join(f"{item}\n" for item in shown), int(ended[1]) if ended else 0, line)


def pattern(output: str) -> str:
    """Return the regular expression of shown output: a line ``...`` is any lines, ``...`` within a line anything."""
    lines = output.splitlines()
    parts = ["(?:.*\n)*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + "\n" for line in lines]
    return "".join(parts)


@pytest.fixture(scope="module")
def quick() -> Iterator[Path]:
    """A folder with the command as a program that starts at once."""
    with tempfile.TemporaryDirectory() as folder, quick_command(Path(folder)) as programs:
        yield programs


def run_transcript(page: list[Command], folder: Path, *programs: Path) -> list[tuple[str, int]]:
    """Run the commands of a page in one shell; return output (both streams) and exit code of each.

    ``programs`` are folders to look for programs in before the installed ones.
    """
    script = "\n".join(f"{{\n{command.text}\n}} 2>&1\necho {MARKER}$?\n" for command in page)
    path = os.pathsep.join(map(str, [*programs, Path(sys.executable).parent, os.environ["PATH"]]))
    environment = {**os.environ, "HOME": str(folder), "PATH": path}
    # The limit is for a page that waits for what never comes; whole pages take seconds.
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=600,
    )
    parts = re.split(f"{MARKER}([0-9]+)\n", done.stdout.decode())
    assert b"" == done.stderr
    return [(output, int(code)) for output, code in zip(parts[0::2], parts[1::2], strict=False)]


CONSOLES = of_language("console")


def transcripts() -> list[pytest.ParameterSet]:
    """Return the names of the pages with console blocks, marked where they call what a machine may lack."""
    return [pytest.param(name, marks=[getattr(pytest.mark, each) for each in called(name)]) for name in CONSOLES]


def called(name: str) -> list[str]:
    """Return the programs that the console blocks of a page call and a machine may lack."""
    shown = "\n".join(block.text for block in blocks(PAGES[name]) if block.language == "console")
    return [each for each in ("curl", "openssl") if f"{each} " in shown]


@pytest.mark.parametrize("name", transcripts())
def test_transcripts_do_what_they_show(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A page's console blocks run in one folder, in order; the first pages that people read run what is installed."""
    for program in called(name):
        if shutil.which(program) is None:
            pytest.skip(f"NO {program.upper()}: install it; {name} was not executed")
    page = [command for block in blocks(PAGES[name]) if block.language == "console" for command in commands(block)]
    results = run_transcript(page, tmp_path, *([] if name in AS_INSTALLED else [request.getfixturevalue("quick")]))
    for command, (output, exit_code) in zip(page, results, strict=True):
        where = f"{name}, line {command.line}: $ {command.text}"
        assert command.exit_code == exit_code, f"{where}\n{output}"
        assert re.fullmatch(pattern(command.output), output), f"{where}\nshown:\n{command.output}\nprinted:\n{output}"


def test_a_transcript_that_lies_is_found() -> None:
    """The comparison can fail: other text, a missing line and a line too many do not match."""
    assert re.fullmatch(pattern("a ... c\n...\nend\n"), "a b c\nx\ny\nend\n")
    assert re.fullmatch(pattern("a\n...\n"), "a\n")
    for printed in ("a b d\nend\n", "a b c\n", "a b c\nend\nmore\n", ""):
        assert not re.fullmatch(pattern("a ... c\n...\nend\n"), printed)


# --- code and data


@pytest.mark.parametrize("name", of_language("python"))
def test_python_blocks_run(name: str, tmp_path: Path) -> None:
    """A page's python blocks run in order, as one program."""
    text = "\n".join(block.text for block in blocks(PAGES[name]) if block.language == "python")
    subprocess.run([sys.executable, "-W", "error", "-c", text], cwd=tmp_path, check=True, timeout=60)


@pytest.mark.parametrize("name", of_language("json"))
def test_json_blocks_are_json(name: str) -> None:
    """What is labelled JSON can be read."""
    for block in blocks(PAGES[name]):
        if block.language == "json":
            json.loads(block.text)


@pytest.mark.parametrize("name", of_language("toml"))
def test_toml_blocks_are_toml(name: str) -> None:
    """What is labelled TOML can be read."""
    for block in blocks(PAGES[name]):
        if block.language == "toml":
            tomllib.loads(block.text)


@pytest.mark.parametrize("name", [name for name in PAGES if not name.startswith("docs/spec/")])
def test_every_block_is_tested_or_said_to_be_no_code(name: str) -> None:
    """A block without a language, or with one that nobody tests, could be wrong for years."""
    assert set() == {block.language for block in blocks(PAGES[name])} - TESTED - NOT_CODE


# --- names


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    """Each relative link names a file or folder of the repository."""
    text = PAGES[name].read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    missing = [link for link in links if "://" not in link and not (PAGES[name].parent / link).exists()]
    assert [] == missing


def test_every_page_is_in_the_index() -> None:
    """Whoever begins at docs/index.md finds each page; decisions are found in their folder."""
    index = ROOT / "docs" / "index.md"
    linked = re.findall(r"\]\(([^)#\s]+)", index.read_text(encoding="utf-8"))
    found = {index.resolve()} | {(index.parent / link).resolve() for link in linked}
    wanted = [name for name in PAGES if name.startswith("docs/") and not name.startswith("docs/adr/")]
    assert [] == [name for name in wanted if PAGES[name].resolve() not in found]


def in_backticks(name: str) -> list[str]:
    """Return what a page sets in single backticks, outside of blocks."""
    text = re.sub(r"(?ms)^```.*?^```$", "", PAGES[name].read_text(encoding="utf-8"))
    return re.findall(r"`([^`\n]+)`", text)


@cache
def defined() -> set[str]:
    """Return the names of every function, method and class of the product, methods also as Class.method."""
    names = set()
    for path in [ROOT / "cli.py", *(ROOT / "anchor").rglob("*.py"), *(ROOT / "chains").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                names.add(node.name)
                inner = [item for item in node.body if isinstance(item, ast.FunctionDef)]
                names |= {f"{node.name}.{item.name}" for item in inner}
            elif isinstance(node, ast.FunctionDef):
                names.add(node.name)
    return names


@pytest.mark.parametrize("name", [name for name in PAGES if not name.startswith(("docs/spec/", "CHANGELOG"))])
def test_files_and_functions_that_are_named_exist(name: str) -> None:
    """`some/file.py` is there, and `function()` or `Class.method()` is defined somewhere in the product."""
    words = in_backticks(name)
    files = [word for word in words if re.fullmatch(r"(anchor|chains|tests|docs)/[a-z_0-9./-]+\.[a-z]+", word)]
    assert [] == [word for word in files if not (ROOT / word).exists()]
    functions = [word[:-2] for word in words if re.fullmatch(r"[A-Za-z_][A-Za-z_.]*\(\)", word)]
    assert [] == sorted(set(functions) - defined())


@cache
def known_commands() -> set[str]:
    """Return every command, groups and their commands in two words."""
    names = set()
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]  # a group
        names |= {name, *(f"{name} {inner}" for inner in getattr(command, "commands", {}))}
    return names


@pytest.mark.parametrize("name", [name for name in PAGES if not name.startswith(("docs/spec/", "CHANGELOG"))])
def test_commands_that_are_named_exist(name: str) -> None:
    """`anchorline something` is a command of this version."""
    named = {tuple(word.split()[1:3]) for word in in_backticks(name) if re.match(r"anchorline [a-z]", word)}
    known = known_commands()
    assert set() == {words for words in named if words[0] not in known and " ".join(words) not in known}
