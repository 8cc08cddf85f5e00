"""Commands that serve others over HTTP: ``serve`` and ``calendar``."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from chains.commands.log_options import (
    METRICS,
    LogFormatOption,
    LogLevel,
    LogLevelOption,
    MetricsOption,
    TracesOption,
    log_of,
    tracing,
)
from chains.commands.terminal import ANCHORING, HomeOption, command_group, given, opened, usage
from chains.log_lines import LogFormat

app = command_group()
ListenOption = Annotated[str, typer.Option(help="Where to listen: HOST:PORT.")]


@app.command(rich_help_panel=ANCHORING)
def serve(
    listen: ListenOption = "127.0.0.1:8780",
    no_daemon: Annotated[
        bool, typer.Option("--no-daemon", help="Do not seal and anchor: `anchorline daemon` does it elsewhere.")
    ] = False,
    metrics: MetricsOption = "",
    log_format: LogFormatOption = LogFormat.TEXT,
    log_level: LogLevelOption = LogLevel.INFO,
    traces: TracesOption = False,
    home: HomeOption = None,
) -> None:
    """Serve the HTTP API and its pages, and seal and anchor beside it, until stopped (SIGINT, SIGTERM)."""
    from contextlib import ExitStack

    from chains.home import default_home
    from chains.listening import host_and_port
    from chains.web.commits_beside import beside
    from chains.web.serving import listening_socket
    from chains.web.serving_api import serve_api

    report = log_of(log_format, log_level)
    where = given(lambda: host_and_port(metrics, METRICS)) if metrics else None
    with given(lambda: listening_socket(listen)) as listening, ExitStack() as stack:
        # Before anything is opened, and any thread started.
        folder = home or default_home()
        is_beside = not traces and _commits_beside(folder)
        process = stack.enter_context(beside(folder, listening)) if is_beside else None
        if not _has_databases(home, report, listening):
            return
        writing = stack.enter_context(opened(home))
        anchoring = None if no_daemon else stack.enter_context(opened(home))
        serve_api(writing, listening, report, where, anchoring, stack.enter_context(tracing(is_wanted=traces)), process)


@app.command(rich_help_panel=ANCHORING)
def calendar(
    listen: ListenOption,
    uri: Annotated[str, typer.Option(help="Address at which clients reach this calendar, for decades.")],
    chain: Annotated[str, typer.Option(help="Chain that takes the digests; opened where there is none.")] = "calendar",
    network_not_in_file: Annotated[
        bool, typer.Option("--network-not-in-file", help="Yes: an .ots off mainnet does not say so itself.")
    ] = False,
    log_format: LogFormatOption = LogFormat.TEXT,
    log_level: LogLevelOption = LogLevel.INFO,
    home: HomeOption = None,
) -> None:
    """Be an OpenTimestamps calendar for the stock client, until stopped (SIGINT, SIGTERM)."""
    from contextlib import ExitStack

    from chains.calendar import check_uri
    from chains.web.calendar import serve_calendar
    from chains.web.serving import listening_socket

    given(lambda: check_uri(uri))
    report = log_of(log_format, log_level)
    with given(lambda: listening_socket(listen)) as listening, ExitStack() as stack:
        if not _has_databases(home, report, listening):
            return
        writing, reading = stack.enter_context(opened(home)), stack.enter_context(opened(home))
        if writing.network.name != "mainnet":
            if not network_not_in_file:
                usage(
                    f"an .ots file names no network and reads as mainnet; this log is on {writing.network.name}. "
                    "Say --network-not-in-file to hand out such files all the same"
                )
            report(f"warning: timestamps of this calendar prove something to a {writing.network.name} node only")
        serve_calendar(writing, reading, chain, uri, listening, report)


def _commits_beside(home: Path) -> bool:
    """Say whether entries are committed in a process of their own: on a file; of PostgreSQL there are more nodes."""
    from anchor.proof.errors import AnchorlineError
    from chains.settings import FILE_NAME, load_settings
    from chains.web.commits_beside import is_of_use

    try:
        return is_of_use() and not load_settings(home / FILE_NAME).database
    except AnchorlineError:
        return False  # who opens the home says what is wrong


def _has_databases(home: Path | None, report: Callable[[str], None], listening: socket.socket) -> bool:
    """Wait for the home's databases, and say meanwhile that this is not ready; False where it is to stop."""
    from anchor.daemon import until_signal
    from chains.home import default_home
    from chains.starting import wait_for_databases
    from chains.web.starting import answering

    with until_signal() as wait:
        return wait_for_databases(home or default_home(), report, wait, lambda: answering(listening))
