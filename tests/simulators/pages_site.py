"""The pages in this process: a service over a home that a test made, asked by way of ASGI as a browser asks.

Tests of pages use it; nothing listens, and no process is started.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

from chains.home import Home
from chains.web.api import Api
from chains.web.asgi import Message, Scope
from chains.web.service import Service

HOST = "log.example"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Got:
    """An answer; ``headers`` by their names in lower case, the last of a name."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The page."""
        return self.body.decode()


class Pages:
    """The application, and a browser that asks it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.api = Api(service)

    def get(self, address: str, **headers: str) -> Got:
        """Return what a browser gets; ``headers`` with _ for -."""
        return self.ask("GET", address, headers)

    def post(self, address: str, fields: Mapping[str, str], **headers: str) -> Got:
        """Return what a browser gets that sends a form of our own."""
        own = {"origin": f"https://{HOST}", "content_type": FORM, **headers}
        return self.ask("POST", address, own, urlencode(fields).encode())

    def ask(self, method: str, address: str, headers: Mapping[str, str], body: bytes = b"") -> Got:
        """Send one request over https, and return the whole answer."""
        path, _, query = address.partition("?")
        all_headers = {"host": HOST, "accept": "text/html,*/*;q=0.8", **headers}
        scope: Scope = {
            "type": "http",
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [
                (name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in all_headers.items()
            ],
        }
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body}

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(self.api(scope, receive, send))
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Got(int(sent[0]["status"]), found, b"".join(each.get("body", b"") for each in sent[1:]))


@contextmanager
def pages_of(home: Home) -> Iterator[Pages]:
    """Serve a home's pages to one test after the other; its log lines must not tell of a fault."""
    lines: list[str] = []
    service = Service(home, lines.append)
    try:
        yield Pages(service)
    finally:
        service.close()
    assert [] == [line for line in lines if line.startswith(("event=fault", "event=failed"))]
