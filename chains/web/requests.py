"""A request of the HTTP API, read: what an operation gets, and what it may take from it.

``chains.web.api`` makes it from ASGI messages; operations see values that have the documented form already.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from anchor.proof.access_record import Way
from chains.access import STRANGER, Actor
from chains.access_notes import Asker
from chains.web.asgi import Header, header
from chains.web.problems import ProblemError

MAX_TOKEN = 256


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``arguments`` are path, query and header parameters by name, each of its documented form."""

    method: str
    path: str
    headers: tuple[Header, ...]
    body: bytes
    now_ms: int
    arguments: Mapping[str, str] = field(default_factory=dict)
    actor: Actor = STRANGER

    def with_arguments(self, arguments: Mapping[str, str]) -> "Request":
        """Return the request with its parameters."""
        return replace(self, arguments=arguments)

    def with_body(self, body: bytes) -> "Request":
        """Return the request with its body."""
        return replace(self, body=body)

    def at(self, now_ms: int) -> "Request":
        """Return the request as it is judged at a later time."""
        return replace(self, now_ms=now_ms)

    def header(self, name: bytes) -> bytes | None:
        """Return the first header of this name (lower case), or None."""
        return header(self.headers, name)

    def all_headers(self, name: bytes) -> bytes | None:
        """Return all headers of this name as one list (RFC 9110 section 5.3), or None."""
        values = [value for found, value in self.headers if found == name]
        return b", ".join(values) if values else None

    @property
    def asker(self) -> Asker:
        """Who asks, as it is noted."""
        return Asker.of(self.actor, Way.API if self.path.startswith("/v1/") else Way.PAGE)

    def number(self, name: str, default: int) -> int:
        """Return a whole number that was asked for, or the default."""
        return int(self.arguments.get(name, default))

    def digest(self, name: str) -> bytes:
        """Return a parameter in hex as bytes."""
        return bytes.fromhex(self.arguments[name])


def token_of(request: Request) -> str | None:
    """Return the API key of a request, or None where it has none (RFC 6750 section 2.1)."""
    found = request.header(b"authorization")
    if found is None:
        return None
    scheme, _, token = found.partition(b" ")
    if scheme.lower() != b"bearer" or not 0 < len(token) <= MAX_TOKEN:
        raise ProblemError("key-refused", "Expected Authorization: Bearer with an API key")
    try:
        return token.strip().decode("ascii")
    except UnicodeDecodeError:
        raise ProblemError("key-refused", "Expected an API key of ASCII characters") from None
