"""A calendar on a port of this machine: our own application, or whatever answers a test wants instead of its.

``anchor.bitcoin.calendars`` speaks HTTP to it. The application runs in this process on a real home; a test replaces
``respond`` to make a calendar do what ours does not.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import HTTPServer

import httpx

from chains.web.asgi import Receive, Scope, Send
from chains.web.calendar import CalendarApp
from tests.simulators.listening import Quiet

Respond = Callable[[str, str, bytes], tuple[int, bytes]]
"""(method, path, body) -> (status, body)."""


class CalendarServer:
    """Listens from the start, so that its address is known before there is anything to answer with."""

    def __init__(self) -> None:
        self.respond: Respond = lambda _method, _path, _body: (503, b"")
        self.asked: list[tuple[str, str]] = []
        calendar = self

        class Handler(Quiet):
            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["Content-Length"])))

            def _answer(self, body: bytes) -> None:
                calendar.asked.append((self.command, self.path))
                status, answer = calendar.respond(self.command, self.path, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def use(self, app: CalendarApp) -> None:
        """Let the application answer."""

        def respond(method: str, path: str, body: bytes) -> tuple[int, bytes]:
            answer = asyncio.run(self._ask(app, method, path, body))
            return answer.status_code, answer.content

        self.respond = respond

    async def _ask(self, app: CalendarApp, method: str, path: str, body: bytes) -> httpx.Response:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, send)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url=self.url) as client:
            return await client.request(method, path, content=body or None)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def calendar_server() -> Iterator[CalendarServer]:
    """Run a server and close it at the end."""
    server = CalendarServer()
    try:
        yield server
    finally:
        server.close()
