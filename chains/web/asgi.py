"""Requests and answers of raw ASGI applications: read within limits, answered whole, readable by any web page.

Messages come from uvicorn (ASGI 3.0, HTTP); the applications beside this file decide what is answered.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_TIMEOUT_S = 10.0
"""A client that takes longer over a small body is slow on purpose, or gone."""
# A refused body up to this size is read and dropped, so that the client reads why; behind a larger one we hang up.
_DRAINED_BYTES = 65_536
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
_EVERYONE = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"timestamp-state, retry-after"),
    (b"x-content-type-options", b"nosniff"),
)

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; it goes out with its length, and may be read by scripts of any origin."""

    status: int
    body: bytes = b""
    content_type: str = TEXT
    headers: tuple[Header, ...] = ()


class RefusedRequestError(Exception):
    """A request that is answered before it is understood; ``answer`` says how."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body.decode())
        self.answer = answer


def text_answer(status: int, text: str, *headers: Header) -> Answer:
    """Return an answer of one plain sentence."""
    return Answer(status, text.encode(), TEXT, headers)


def json_answer(status: int, value: Any, *headers: Header) -> Answer:
    """Return an answer in JSON."""
    return Answer(status, json.dumps(value, indent=1).encode() + b"\n", JSON, headers)


def not_allowed(methods: Iterable[str]) -> Answer:
    """Return 405 with the methods that there are (RFC 9110, section 15.5.6)."""
    allowed = ", ".join(methods)
    return text_answer(405, f"Allowed here: {allowed}", (b"allow", allowed.encode()))


def preflight(methods: Iterable[str]) -> Answer:
    """Return what OPTIONS asks: the methods, and that scripts of any origin may use them (Fetch, CORS protocol)."""
    allowed = ", ".join(methods).encode()
    headers = (
        (b"allow", allowed),
        (b"access-control-allow-methods", allowed),
        (b"access-control-allow-headers", b"accept, content-type"),
        (b"access-control-max-age", b"86400"),
    )
    return Answer(204, headers=headers)


def header(scope: Scope, name: bytes) -> bytes | None:
    """Return the first header of this name (lower case), or None."""
    return next((value for found, value in scope["headers"] if found == name), None)


def wants_json(scope: Scope) -> bool:
    """Say whether the client asks for JSON by name; every other Accept gets what the protocol has."""
    kinds = (header(scope, b"accept") or b"").split(b",")
    return any(kind.split(b";")[0].strip().lower() == JSON.encode() for kind in kinds)


async def read_body(scope: Scope, receive: Receive, most_bytes: int, timeout_s: float = BODY_TIMEOUT_S) -> bytes:
    """Return the request's body; raise RefusedRequestError for one that is too long, slow, or cut off.

    A length that is announced is compared before anything is read.
    """
    _check_length(header(scope, b"content-length"), most_bytes)
    body = b""
    try:
        async with asyncio.timeout(timeout_s):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RefusedRequestError(text_answer(400, "The request was cut off"))
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > most_bytes:
                    raise RefusedRequestError(_too_long(most_bytes, (b"connection", b"close")))
    except TimeoutError:
        slow = text_answer(408, f"Expected the whole body within {timeout_s:g} s", (b"connection", b"close"))
        raise RefusedRequestError(slow) from None
    return body


def _check_length(announced: bytes | None, most_bytes: int) -> None:
    if announced is None:
        return
    if not announced.isdigit():
        raise RefusedRequestError(text_answer(400, "Content-Length: expected a number", (b"connection", b"close")))
    # More than nine digits are too many anyway, and Python counts no further than it must.
    length = int(announced[:10])
    if length > most_bytes:
        hang_up = ((b"connection", b"close"),) if length > _DRAINED_BYTES else ()
        raise RefusedRequestError(_too_long(most_bytes, *hang_up))


def _too_long(most_bytes: int, *headers: Header) -> Answer:
    return text_answer(400, f"Expected at most {most_bytes} bytes, got more", *headers)


async def send_answer(scope: Scope, send: Send, answer: Answer) -> None:
    """Send an answer; HEAD gets its headers only."""
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        *_EVERYONE,
        *answer.headers,
    ]
    if answer.status == 204:
        del headers[:2]  # RFC 9110, section 8.6: no Content-Length in a 204
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})
