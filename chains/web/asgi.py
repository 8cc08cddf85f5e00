"""Requests and answers of raw ASGI applications: read within limits, answered whole, readable by any web page.

Messages come from uvicorn (ASGI 3.0, HTTP); the applications beside this file decide what is answered.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_TIMEOUT_S = 10.0
"""A client that takes longer over a small body is slow on purpose, or gone."""
# A refused body up to this size is read and dropped, so that the client reads why; behind a larger one we hang up.
_DRAINED_BYTES = 65_536
_CLOSE = (b"connection", b"close")
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
OCTETS = "application/octet-stream"
PDF = "application/pdf"
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_EVERYONE = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"etag, idempotency-replayed, location, retry-after, timestamp-state"),
    _NO_SNIFFING,
)

_STATUS_LINES = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; it goes out with its length, and may be read by scripts of any origin if it ``is_open``."""

    status: int
    body: bytes = b""
    content_type: str = TEXT
    headers: tuple[Header, ...] = ()
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer of status 200 without an end: its pieces are sent as they come, each before the next is asked for.

    ``pieces`` gets an event that is set when the client is gone, or the service stops: then it returns. ``close`` is
    called once, at the end, also where nothing was sent.
    """

    pieces: Callable[[asyncio.Event], AsyncIterator[bytes]]
    close: Callable[[], None]
    content_type: str
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


def preflight(methods: Iterable[str], open_to_scripts: Iterable[str] | None = None) -> Answer:
    """Return what OPTIONS asks: the methods, and which of them scripts of any origin may use (Fetch, CORS protocol).

    All of them, unless ``open_to_scripts`` says otherwise.
    """
    allowed = ", ".join(methods)
    headers = (
        (b"allow", allowed.encode()),
        (
            b"access-control-allow-methods",
            (allowed if open_to_scripts is None else ", ".join(open_to_scripts)).encode(),
        ),
        (b"access-control-allow-headers", b"accept, authorization, content-type, if-none-match"),
        (b"access-control-max-age", b"86400"),
    )
    return Answer(204, headers=headers)


def header(headers: Iterable[Header], name: bytes) -> bytes | None:
    """Return the first header of this name (lower case), or None."""
    return next((value for found, value in headers if found == name), None)


def media_type_of(value: bytes | None) -> str:
    """Return a media type without its parameters, in lower case."""
    return (value or b"").split(b";")[0].strip().lower().decode("latin-1")


def accepts(headers: Iterable[Header], media_type: str) -> bool:
    """Say whether a client names this media type among those that it takes."""
    return any(media_type_of(kind) == media_type for kind in (header(headers, b"accept") or b"").split(b","))


def wants_json(scope: Scope) -> bool:
    """Say whether the client asks for JSON by name; every other Accept gets what the protocol has."""
    return accepts(scope["headers"], JSON)


class Fault(StrEnum):
    """Why a body was not taken."""

    TOO_LONG = "too long"
    TOO_SLOW = "too slow"
    CUT_OFF = "cut off"
    BAD_LENGTH = "bad length"


class BodyRefusedError(Exception):
    """A body that was not taken; ``hang_up``: what is left of it is not read, so that the connection has to end."""

    def __init__(self, fault: Fault, message: str, *, hang_up: bool) -> None:
        super().__init__(message)
        self.fault = fault
        self.headers: tuple[Header, ...] = (_CLOSE,) if hang_up else ()


async def take_body(scope: Scope, receive: Receive, most_bytes: int, timeout_s: float) -> bytes:
    """Return the request's body; raise BodyRefusedError for one that is too long, slow, or cut off.

    A length that is announced is compared before anything is read.
    """
    _check_length(header(scope["headers"], b"content-length"), most_bytes)
    pieces: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(timeout_s):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise BodyRefusedError(Fault.CUT_OFF, "The request was cut off", hang_up=True)
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                more = message.get("more_body", False)
                if size > most_bytes:
                    raise _too_long(most_bytes, hang_up=True)
    except TimeoutError:
        text = f"Expected the whole body within {timeout_s:g} s"
        raise BodyRefusedError(Fault.TOO_SLOW, text, hang_up=True) from None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def read_body(scope: Scope, receive: Receive, most_bytes: int, timeout_s: float = BODY_TIMEOUT_S) -> bytes:
    """Return the request's body as ``take_body`` does; raise RefusedRequestError with a plain answer."""
    try:
        return await take_body(scope, receive, most_bytes, timeout_s)
    except BodyRefusedError as refused:
        status = 408 if refused.fault is Fault.TOO_SLOW else 400
        raise RefusedRequestError(text_answer(status, str(refused), *refused.headers)) from None


def _check_length(announced: bytes | None, most_bytes: int) -> None:
    if announced is None:
        return
    if not announced.isdigit():
        raise BodyRefusedError(Fault.BAD_LENGTH, "Content-Length: expected a number", hang_up=True)
    # More than nine digits are too many anyway, and Python counts no further than it must.
    length = int(announced[:10])
    if length > most_bytes:
        raise _too_long(most_bytes, hang_up=length > _DRAINED_BYTES)


def _too_long(most_bytes: int, *, hang_up: bool) -> BodyRefusedError:
    return BodyRefusedError(Fault.TOO_LONG, f"Expected at most {most_bytes} bytes, got more", hang_up=hang_up)


def headers_of(answer: Answer) -> list[Header]:
    """Return all headers of an answer."""
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        *(_EVERYONE if answer.is_open else (_NO_SNIFFING,)),
        *answer.headers,
    ]
    if answer.status in {204, 304}:
        del headers[:2]  # RFC 9110, sections 8.6 and 15.4.5: no Content-Length in a 204, nor of what a 304 leaves out
    return headers


def whole_of(answer: Answer) -> bytes:
    """Return head and body of an answer, as HTTP/1.1 sends them."""
    status = _STATUS_LINES[answer.status]
    return b"".join((status, *(b"%b: %b\r\n" % header for header in headers_of(answer)), b"\r\n", answer.body))


async def send_answer(scope: Scope, send: Send, answer: Answer) -> None:
    """Send an answer; HEAD gets its headers only."""
    await send({"type": "http.response.start", "status": answer.status, "headers": headers_of(answer)})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})


STOPPING = "anchorline.stopping"
"""Where a stream leaves, in its scope, the event that a connection sets when the service stops."""


async def send_stream(scope: Scope, receive: Receive, send: Send, stream: Stream) -> None:
    """Send a stream until it ends, the client is gone, or the service stops; HEAD gets its headers only."""
    ended = scope[STOPPING] = asyncio.Event()
    watching = asyncio.create_task(_watch(receive, ended))
    try:
        headers = [(b"content-type", stream.content_type.encode()), *_EVERYONE, *stream.headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] != "HEAD":
            async with aclosing(stream.pieces(ended)) as pieces:  # type: ignore[type-var]  # an asynchronous generator
                async for piece in pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        watching.cancel()
        stream.close()


async def _watch(receive: Receive, ended: asyncio.Event) -> None:
    """Say that a stream has ended when its client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    ended.set()
