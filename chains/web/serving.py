"""Serving an ASGI application with uvicorn until a signal says stop; slow clients are hung up on.

The command line hands in the application and where to listen; the socket is bound before anything else is opened.
"""

import asyncio
import os
import resource
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from anchor.errors import SettingsError
from chains.listening import host_and_port
from chains.web.asgi import Receive, Scope, Send

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Quick = Callable[[bytes], bytes | None]
"""Returns the whole answer to a GET of an address where it is known already."""

BACKLOG = 2048
HEAD_TIMEOUT_S = 10.0
"""From the connection, or from its next request's first byte, to the end of the request's head."""
KEEP_ALIVE_S = 60
MAX_HEAD_BYTES = 64 * 1024
"""A request's head; what came behind another request in one piece is not counted."""
WRITE_TIMEOUT_S = 60.0
"""A client that takes nothing of its answer for so long is gone."""
MAX_CONNECTIONS = 4096
STOP_WITHIN_S = 30
"""What is being answered when the signal comes has so long; a group commit takes milliseconds."""


# A condition, a body, or an expectation: the application's.
_NOT_PLAIN = {b"if-none-match", b"content-length", b"transfer-encoding", b"expect"}
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n"
    b"content-type: text/plain; charset=utf-8\r\n\r\n"
)


class WholeAnswers:
    """A transport that sends the head of an answer together with what follows it: one system call, not two."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def write(self, data: bytes) -> None:
        """Hold the first piece until the next one comes, or until the event loop's next turn."""
        if self._held:
            data, self._held = self._held + data, b""
            self._transport.write(data)
            return
        self._held = data
        self._loop.call_soon(self._flush)

    def write_whole(self, data: bytes) -> None:
        """Send a whole answer, behind what is held."""
        data, self._held = self._held + data, b""
        self._transport.write(data)

    def close(self) -> None:
        """Send what is held, and close."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """Everything else is the transport's own."""
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._held and not self._transport.is_closing():
            self._transport.write(self._held)
        self._held = b""


class HastyProtocol(HttpToolsProtocol):
    """HTTP/1.1 by httptools that waits neither for ever nor for everything (uvicorn sets no such limits)."""

    head_timeout_s = HEAD_TIMEOUT_S
    write_timeout_s = WRITE_TIMEOUT_S
    _head_deadline: asyncio.TimerHandle | None = None
    _write_deadline: asyncio.TimerHandle | None = None
    quick: Quick | None = None
    _answer: bytes | None = None
    _is_in_head = False
    _heads = 0
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._answers = WholeAnswers(transport, self.loop)
        self.transport = cast("asyncio.Transport", self._answers)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Take more of a request, and hang up where its head has no end."""
        heads = self._heads
        super().data_received(data)
        if self._is_in_head and self._head_deadline is None:
            self._expect_head()
        if not self._is_in_head or self._heads != heads:
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of the head, unless it is here already."""
        self._heads += 1
        self._is_in_head = True
        super().on_message_begin()
        if self._head_deadline is not None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """The head is here; what is known already is answered without the application."""
        self._is_in_head = False
        self._stop_waiting()
        self._answer = self._known_answer()
        if self._answer is None:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is here."""
        if self._answer is None:
            super().on_message_complete()
            return
        self._answers.write_whole(self._answer)
        self._answer = None
        self.server_state.total_requests += 1
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _known_answer(self) -> bytes | None:
        """Return the answer to a plain GET that follows no unanswered request, where it is known."""
        quick = type(self).quick
        if quick is None or self.parser.get_method() != b"GET" or not self.parser.should_keep_alive():
            return None
        if self.cycle is not None and not self.cycle.response_complete:
            return None
        if self.parser.should_upgrade() or any(name in _NOT_PLAIN for name, _ in self.headers):
            return None
        return quick(self.url)

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        self._write_deadline = self.loop.call_later(self.write_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads."""
        self._stop_waiting_to_write()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines with the connection."""
        self._stop_waiting()
        self._stop_waiting_to_write()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._stop_waiting()
        self._head_deadline = self.loop.call_later(self.head_timeout_s, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _stop_waiting_to_write(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None


def listening_socket(where: str) -> socket.socket:
    """Return a socket that listens at HOST:PORT ([HOST]:PORT for IPv6; port 0 takes a free one)."""
    host, port = host_and_port(where, "--listen")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(f"--listen {where}: cannot listen there: {os.strerror(error.errno or 0)}") from error


def serve(app: App, listening: socket.socket, report: Callable[[str], None], quick: Quick | None = None) -> None:
    """Serve ``app`` until SIGINT or SIGTERM; requests that are being answered then are answered first.

    ``quick`` is asked before the application is, for whole answers to plain GETs.
    """
    _allow_connections(MAX_CONNECTIONS)
    config = uvicorn.Config(
        app,
        http=type("ServedProtocol", (HastyProtocol,), {"quick": None if quick is None else staticmethod(quick)}),
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
