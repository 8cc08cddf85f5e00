"""``anchorline serve`` by a clock of the test's: the time stands in a file, in Unix milliseconds, until it is changed.

``ApiServer`` starts it in a process of its own: ``python -m tests.simulators.clocked_server CLOCK --home HOME
--listen HOST:PORT``. All but the clock is what the command does.
"""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from chains.home import Home
from chains.web.serving import listening_socket
from chains.web.serving_api import serve_api


def set_clock(path: Path, now_ms: int) -> None:
    """Set the time; whoever reads it finds the old one or the new one."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(str(now_ms))
    beside.replace(path)


def report(line: str) -> None:
    """Say it as the command does."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def options(first: str) -> Namespace:
    """Return the options of the command, as ``ApiServer`` gives them, behind a file under this name."""
    parser = ArgumentParser()
    parser.add_argument(first, type=Path)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--no-daemon", action="store_true", required=True)
    return parser.parse_args()


def main() -> None:
    """Serve until a signal says stop."""
    given = options("clock")

    def clock() -> int:
        return int(given.clock.read_text())

    with listening_socket(given.listen) as listening, Home.open(given.home, clock) as home:
        serve_api(home, listening, report)


if __name__ == "__main__":
    main()
