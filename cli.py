"""The ``anchorline`` command: it runs the groups of ``chains.commands``, and says what becomes of whatever goes wrong.

Everything that decides something is in ``anchor`` and the rest of ``chains``. Nothing but the standard library is
loaded before ``main`` is called: loading the commands takes longer than an impatient Ctrl-C.
"""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

EXIT_INTERRUPTED = 128 + 2
"""What a shell reports for a process that SIGINT ended."""
_INTERRUPTED = "interrupted"


def main() -> None:
    """Run the command line; what goes wrong becomes one sentence on standard error, never a traceback.

    Exit codes: 0 done; 1 failed or refused; 2 a command line that makes no sense; 130 interrupted. ``verify`` has
    more (docs/spec/verdict.md).
    """
    with _leaving_at_once():
        from anchor.proof.errors import AnchorlineError
        from chains.commands.front import app_for
        from chains.commands.terminal import EXIT_FAILED, name_of

        app = app_for(sys.argv[1:])
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
        stop(_INTERRUPTED, EXIT_INTERRUPTED)


def stop(message: str, exit_code: int) -> NoReturn:
    """End the process with a sentence; what could not be written to standard output is dropped."""
    with suppress(io.UnsupportedOperation):  # a caller's stand-in for standard output has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if message:
        from chains.api_key import masked

        print(f"anchorline: {masked(message)}", file=sys.stderr)
    sys.exit(exit_code)


@contextmanager
def _leaving_at_once() -> Iterator[None]:
    """Let SIGINT end the process with one line, for as long as nothing is open that would have to be closed.

    An exception would do as well, but for imports: what it meets in a callback of theirs is printed and forgotten.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield  # somebody else's, or ignored by whoever started us
        return
    signal.signal(signal.SIGINT, lambda *_: _leave())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave() -> NoReturn:
    os.write(2, f"anchorline: {_INTERRUPTED}\n".encode())
    os._exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
