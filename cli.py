"""The ``anchorline`` command: its groups put together, and what becomes of whatever goes wrong.

The commands are in ``chains.commands``, one short function each; everything that decides something is in ``anchor``
and the rest of ``chains``. A command imports what it needs when it runs: ``verify`` starts without a database.
"""

import io
import os
import sys
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from anchor.proof.errors import AnchorlineError
from chains.api_key import masked
from chains.commands import (
    accounts,
    anchoring,
    backing_up,
    beginning,
    headers,
    keeping,
    proving,
    publishing,
    recording,
    recovering,
    serving,
    verifying,
    wallet,
)
from chains.commands.terminal import EXIT_FAILED, command_group, name_of

ABOUT = "Record entries on your own chains, anchor them all in Bitcoin, verify any one of them offline."
EXIT_INTERRUPTED = 128 + 2
"""What a shell reports for a process that SIGINT ended."""

app = command_group(ABOUT, name="anchorline", context_settings={"help_option_names": ["-h", "--help"]})
for group in (
    beginning,
    recording,
    anchoring,
    serving,
    proving,
    verifying,
    headers,
    keeping,
    backing_up,
    recovering,
    wallet,
    accounts,
    publishing,
):
    app.add_typer(group.app)


def main() -> None:
    """Run the command line; what goes wrong becomes one sentence on standard error, never a traceback.

    Exit codes: 0 done; 1 failed or refused; 2 a command line that makes no sense; 130 interrupted. ``verify`` has
    more (docs/spec/verdict.md).
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name need not be text: what cannot be printed is escaped.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            app(prog_name="anchorline")
        finally:
            sys.stdout.flush()
    except AnchorlineError as error:
        stop("; ".join([str(error), *getattr(error, "__notes__", ())]), EXIT_FAILED)
    except BrokenPipeError:
        stop("", EXIT_FAILED)
    except OSError as error:
        stop(": ".join(filter(None, [name_of(error), error.strerror or str(error)])), EXIT_FAILED)
    except KeyboardInterrupt:
        stop("interrupted", EXIT_INTERRUPTED)


def stop(message: str, exit_code: int) -> NoReturn:
    """End the process with a sentence; what could not be written to standard output is dropped."""
    with suppress(io.UnsupportedOperation):  # a caller's stand-in for standard output has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if message:
        print(f"anchorline: {masked(message)}", file=sys.stderr)
    sys.exit(exit_code)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"anchorline {version('anchorline')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Record entries on your own chains, anchor them all in Bitcoin, verify any one of them offline."""


if __name__ == "__main__":
    main()
