"""What a service answers before it can be one: that it runs, and that it is not ready, on the socket it will serve on.

``anchorline serve`` and ``calendar`` use it while they wait for a database. One request at a time, and nothing of it is
read but its first line and headers.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import msgspec

from chains.web.asgi import JSON, Answer
from chains.web.problems import ProblemError, problem_answer
from chains.web.schemas import Health

_HEALTHY = Answer(200, msgspec.json.encode(Health(status="ok")), JSON)
_DETAIL = "The service starts, and waits for its database"
_RETRY_S = b"10"
# Whoever is slow holds up the others.
_SLOW_S = 2


@contextmanager
def answering(listening: socket.socket) -> Iterator[None]:
    """Answer with 503 and ``storage-failed``, and ``/healthz`` as ever, until the block ends; the socket stays open."""
    server = HTTPServer(("", 0), _Starting, bind_and_activate=False)
    server.socket.close()
    server.socket = listening.dup()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="starting")
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Starting(BaseHTTPRequestHandler):
    timeout = _SLOW_S

    def answer(self) -> None:
        """Answer a request of whatever method."""
        path = self.path.split("?")[0]
        answer = _HEALTHY if path == "/healthz" and self.command in {"GET", "HEAD"} else _not_ready()
        self.send_response_only(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name.decode(), value.decode())
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        """Say nothing: a line for each look of a load balancer helps nobody."""


for _method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
    setattr(_Starting, f"do_{_method}", _Starting.answer)


def _not_ready() -> Answer:
    return problem_answer(ProblemError("storage-failed", _DETAIL, (b"retry-after", _RETRY_S)))
