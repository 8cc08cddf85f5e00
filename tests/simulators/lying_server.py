"""A server that lies: it passes requests on to a real one, and changes its answers as a test says.

It listens on a socket of its own, so that what is tested is the whole client; each test tells it one lie.
"""

import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tests.simulators.listening import Quiet, listening

PASSED_ON = ("authorization", "content-type", "idempotency-key", "accept")


@dataclass(frozen=True)
class Said:
    """What the real server answered to a request."""

    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes


Lie = Callable[[Said], Said]


def truth(said: Said) -> Said:
    """Say what is so."""
    return said


@dataclass
class LyingServer:
    """``lie`` is told from now on; ``asked`` are method, path and request key of what came, in order."""

    target: str
    lie: Lie = truth
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Said:
        """Ask the real server."""
        host, _, port = self.target.removeprefix("http://").rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Said(method, path, answer.status, told, answer.read())
        finally:
            connection.close()


class _Exchange(Quiet):
    protocol_version = "HTTP/1.1"
    lying: LyingServer

    def _answer(self) -> None:
        size = int(self.headers.get("content-length", "0"))
        headers = {name: self.headers[name] for name in PASSED_ON if self.headers.get(name)}
        self.lying.asked.append((self.command, self.path, self.headers.get("idempotency-key")))
        said = self.lying.lie(self.lying.ask(self.command, self.path, headers, self.rfile.read(size)))
        if said.status == 0:  # says nothing at all
            self.close_connection = True
            return
        self.send_response(said.status)
        for name, value in said.headers.items():
            if name in {"content-type", "retry-after", "idempotency-replayed"}:
                self.send_header(name, value)
        self.send_header("content-length", str(len(said.body)))
        self.end_headers()
        self.wfile.write(said.body)

    do_GET = _answer
    do_POST = _answer


@contextmanager
def lying(target: str) -> Iterator[LyingServer]:
    """Run a lying server in front of the one at ``target``."""
    made = LyingServer(target)
    with listening(type("Exchange", (_Exchange,), {"lying": made})) as made.url:
        yield made


def silent(said: Said) -> Said:
    """Hang up without an answer: what was asked has taken effect."""
    return replace(said, status=0)
