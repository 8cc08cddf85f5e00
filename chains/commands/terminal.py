"""What every command shares: options, exit codes, output for people or as JSON, and reading what was named.

Input is the command line, files and standard input; the users are the other modules of this package and ``cli``.
"""

import getpass
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from anchor.proof.errors import AnchorlineError
from chains.api_key import masked

if TYPE_CHECKING:
    from chains.home import Home

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", envvar="ANCHORLINE_HOME", help="Folder of the log (default: the XDG data folder)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_CHECKED = 4
READ_BYTES = 1 << 20
MAX_SIZE = 2**62
"""No log is larger, and SQLite's integers end at 2^63."""
BEGINNING, RECORDING, ANCHORING = "Begin", "Record", "Seal and anchor"
PROVING, KEEPING = "Prove and verify", "Look after a log"
Found = TypeVar("Found")


def command_group(about: str = "", **options: Any) -> typer.Typer:
    """Return an empty group of commands with the settings of all."""
    settings = {"no_args_is_help": True, "add_completion": False, "pretty_exceptions_enable": False}
    return typer.Typer(help=about, **settings | options)


@contextmanager
def opened(home: Path | None) -> Iterator["Home"]:
    """Open the home that the options name."""
    from chains.home import Home, default_home

    with Home.open(home or default_home()) as found:
        if at_terminal():
            found.wallet_password.prompt = lambda: ask_hidden("Password of the wallet's key")
        yield found


def say(facts: dict[str, Any], text: Callable[[], str | Iterable[str]], *, as_json: bool) -> None:
    """Print facts as JSON, or as the text for people."""
    if as_json:
        print(json.dumps(facts, indent=1))
        return
    lines = text()
    print(lines if isinstance(lines, str) else "\n".join(lines))


def at_terminal() -> bool:
    """Say whether somebody can be asked: standard input and standard error are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask_hidden(question: str, *, twice: bool = False) -> str:
    """Ask somebody at the terminal for a secret, which is not echoed; ``twice`` for one that is new."""
    answer = getpass.getpass(f"{question}: ")
    if twice and getpass.getpass("Again: ") != answer:
        usage("the two are not the same; nothing was done")
    return answer


def print_line(line: str) -> None:
    """Write one log line to standard error."""
    print(line, file=sys.stderr, flush=True)


def usage(message: str) -> NoReturn:
    """Refuse a command line that makes no sense."""
    fail(message, EXIT_USAGE)


def fail(message: str, exit_code: int = EXIT_FAILED) -> NoReturn:
    """End a command with a sentence on standard error, in which an API key that was mistaken for a name is masked."""
    print(f"anchorline: {masked(message)}", file=sys.stderr)
    raise typer.Exit(exit_code)


def given(read: Callable[[], Found]) -> Found:
    """Read something that the command line names; what is wrong with it is the caller's to mend, and no verdict."""
    try:
        return given_files(read)
    except AnchorlineError as error:
        usage(str(error))


def given_files(read: Callable[[], Found]) -> Found:
    """Read files that the command line names; only that they cannot be read is the caller's to mend."""
    try:
        return read()
    except OSError as error:
        usage(f"{name_of(error)}: {error.strerror}")


def name_of(error: OSError) -> str:
    """Return the file that an error of the operating system names, or nothing."""
    return str(error.filename or "")


def read_at_most(path: Path, limit: int) -> bytes:
    """Read the beginning of a file: enough for the reader behind to see that it is too long."""
    with path.open("rb") as file:
        return file.read(limit)


def read_limited(path: Path) -> bytes:
    """Read a receipt or a card; what cannot be one by its size is not read at all."""
    from anchor.proof.receipt import MAX_FILE_WITH_CONTENT

    return read_at_most(path, MAX_FILE_WITH_CONTENT + 1)


def write_output(output: Path | None, data: bytes) -> None:
    """Write to a file, or to standard output where none or ``-`` is named."""
    if output is None or str(output) == "-":
        sys.stdout.buffer.write(data)
        return
    from chains.files import write_file

    write_file(output, data)


def time_ms(text: str, option: str) -> int:
    """Read a date or time that an option names (ISO 8601; UTC unless it says more) as Unix milliseconds."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        usage(f"{option}: expected a date or time like 2026-11-22 or 2026-11-22T21:00:00Z, got {text[:40]!r}")
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def id_bytes(text: str) -> bytes:
    """Return an external id in clear: UTF-8, and the raw bytes where the command line held something else."""
    return text.encode("utf-8", "surrogateescape")


def reader_of(found: "Home") -> Any:
    """Return the reader of a home."""
    from chains.reader import Reader

    return Reader(found.engine, found.chains, found.lookup)


def is_hash(text: str) -> bool:
    """Say whether a text is a hash: 64 lower-case hex digits."""
    return len(text) == 64 and all(char in "0123456789abcdef" for char in text)


def find_entry(found: "Home", entry: str) -> Any:
    """Return the stored entry that is named by its hash or as CHAIN:INDEX; end the command where there is none."""
    reader = reader_of(found)
    name, colon, index = entry.rpartition(":")
    if is_hash(entry):
        return reader.by_hash(bytes.fromhex(entry)) or fail(f"no entry {entry} here")
    if not colon or not index.isdecimal() or not index.isascii():
        usage(f"expected an entry hash of 64 lower-case hex digits, or CHAIN:INDEX, got {entry[:80]!r}")
    chain = found.chains.named(name)
    place, size = int(index[:20]), found.chains.size(chain)
    return reader.at(chain, place) or fail(f"no entry {place} in {name}: it has 0 to {size - 1}")
