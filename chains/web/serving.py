"""Serving an ASGI application with uvicorn until a signal says stop; slow clients are hung up on.

The command line hands in the application and where to listen; the socket is bound before anything else is opened.
"""

import os
import resource
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from anchor.errors import SettingsError
from chains.listening import host_and_port
from chains.web.asgi import Receive, Scope, Send
from chains.web.connection import Connection, Shortcuts

App = Callable[[Scope, Receive, Send], Awaitable[None]]

BACKLOG = 2048
KEEP_ALIVE_S = 60
MAX_CONNECTIONS = 4096
STOP_WITHIN_S = 30
"""What is being answered when the signal comes has so long; a group commit takes milliseconds."""


def listening_socket(where: str) -> socket.socket:
    """Return a socket that listens at HOST:PORT ([HOST]:PORT for IPv6; port 0 takes a free one)."""
    host, port = host_and_port(where, "--listen")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(f"--listen {where}: cannot listen there: {os.strerror(error.errno or 0)}") from error


def serve(
    app: App, listening: socket.socket, report: Callable[[str], None], shortcuts: Shortcuts | None = None
) -> None:
    """Serve ``app`` until SIGINT or SIGTERM; requests that are being answered then are answered first.

    ``shortcuts`` are asked before the application is.
    """
    _allow_connections(MAX_CONNECTIONS)
    config = uvicorn.Config(
        app,
        http=type("ServedConnection", (Connection,), {"shortcuts": shortcuts}),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    host, port = listening.getsockname()[:2]
    server = uvicorn.Server(config)

    def stop(_number: int, _frame: Any) -> None:
        server.should_exit = True

    # uvicorn takes the signals when its loop runs, so one that comes before is taken here; and it raises those that
    # stopped it once more at its end: to stop is all that they mean.
    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    report(f"event=started listen={host}:{port}")
    try:
        server.run(sockets=[listening])
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
        report("event=stopped")


def _allow_connections(wanted: int) -> None:
    """Raise the limit of open files to what so many connections need, as far as this process may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + 256
    if soft != resource.RLIM_INFINITY and soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
