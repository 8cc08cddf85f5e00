"""The calendar's HTTP side: the OpenTimestamps calendar protocol as a raw ASGI application (docs/spec/calendar.md).

Requests come from uvicorn, and mostly from the stock ``ots`` client. Writes wait for a group commit, reads run on a
thread of their own; nothing here knows a database.
"""

import asyncio
import html
import re
import socket
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from anchor.errors import OverloadedError
from anchor.proof.errors import AnchorlineError
from chains.calendar import MAX_DIGEST, MAX_REPLY, Accepted, Complete, Form, Lookups, Pending, accept, calendar_chain
from chains.group_commit import GroupCommit
from chains.home import Home
from chains.web.asgi import (
    HTML,
    OCTETS,
    Answer,
    Receive,
    RefusedRequestError,
    Scope,
    Send,
    json_answer,
    not_allowed,
    preflight,
    read_body,
    send_answer,
    text_answer,
    wants_json,
)
from chains.web.serving import serve

STATE = b"timestamp-state"
"""Header that tells apart what the stock protocol answers with one status: pending and unknown."""
_HEX = re.compile(r"([0-9a-fA-F]{2})+")
_TIMESTAMP = "/timestamp/"
_READING = ("GET", "HEAD", "OPTIONS")
_POSTING = ("POST", "OPTIONS")
# A path to a final block changes only with a reorganisation deeper than final; a day bounds what a cache then tells.
_COMPLETE_FRESH = (b"cache-control", b"public, max-age=86400")
_PENDING_FRESH = (b"cache-control", b"public, max-age=60")
_SOON = (b"retry-after", b"1")
_LATER = (b"retry-after", b"30")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application puts together; ``report`` takes one log line."""

    submit: Callable[[bytes], "Future[Accepted]"]
    lookups: Lookups
    reading: Executor
    report: Callable[[str], None]


class CalendarApp:
    """The application; one for each process."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3.0); other kinds of connections are refused by raising, as the standard says."""
        if scope["type"] != "http":
            raise NotImplementedError(f"expected HTTP, got {scope['type']}")
        try:
            answer = await self._answer(scope, receive)
        except RefusedRequestError as refused:
            answer = refused.answer
        except OverloadedError as error:
            answer = text_answer(503, f"Busy; {error}", _SOON)
        except AnchorlineError as error:
            # The message may name files of this machine: it is for the operator.
            self.parts.report(f"event=failed path={scope['path'][:80]!r} error={type(error).__name__} {str(error)!r}")
            answer = text_answer(503, "Not possible now, nothing was recorded; try again later", _LATER)
        await send_answer(scope, send, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        if path == "/digest":
            return await self._digest(scope, receive) if method == "POST" else _other(method, _POSTING)
        if path != "/" and not path.startswith(_TIMESTAMP):
            return text_answer(404, "Not found; here are POST /digest, GET /timestamp/HEX and GET /")
        if method not in {"GET", "HEAD"}:
            return _other(method, _READING)
        return await (self._status(scope) if path == "/" else self._timestamp(scope, path.removeprefix(_TIMESTAMP)))

    async def _digest(self, scope: Scope, receive: Receive) -> Answer:
        posted = await read_body(scope, receive, MAX_DIGEST)
        if not posted:
            return text_answer(400, f"Expected a digest of 1 to {MAX_DIGEST} bytes as the body, got none")
        accepted = await asyncio.wrap_future(self.parts.submit(posted))
        if wants_json(scope):
            return json_answer(200, {"key": accepted.entry_hash.hex(), "timestamp": accepted.timestamp.hex()})
        return _octets(accepted.timestamp)

    async def _timestamp(self, scope: Scope, text: str) -> Answer:
        if not _HEX.fullmatch(text):
            return text_answer(400, "Expected the key in hex behind /timestamp/; it stands before the pending mark")
        found = await self._read(lambda: self.parts.lookups.timestamp(bytes.fromhex(text)))
        return _json_of(found) if wants_json(scope) else _octets_of(found)

    async def _status(self, scope: Scope) -> Answer:
        facts = await self._read(self.parts.lookups.status)
        if wants_json(scope):
            return json_answer(200, facts, _PENDING_FRESH)
        return Answer(200, _page(facts), HTML, (_PENDING_FRESH,))

    async def _read(self, look: Callable[[], Found]) -> Found:
        return await asyncio.get_running_loop().run_in_executor(self.parts.reading, look)


def _other(method: str, methods: tuple[str, ...]) -> Answer:
    return preflight(methods) if method == "OPTIONS" else not_allowed(methods)


def _octets(timestamp: bytes, *headers: tuple[bytes, bytes]) -> Answer:
    if len(timestamp) >= MAX_REPLY:
        return text_answer(500, f"The timestamp has {len(timestamp)} bytes; clients read {MAX_REPLY}")
    return Answer(200, timestamp, OCTETS, headers)


def _octets_of(found: Complete | Pending | None) -> Answer:
    match found:
        case Complete(timestamp):
            return _octets(timestamp, (STATE, b"complete"), _COMPLETE_FRESH)
        case Pending(why):
            return text_answer(404, why, *_waiting(found))
        case None:
            return text_answer(404, "Unknown; no such key on this calendar", (STATE, b"unknown"), _PENDING_FRESH)


def _json_of(found: Complete | Pending | None) -> Answer:
    match found:
        case Complete(timestamp, height):
            value = {"state": "complete", "height": height, "timestamp": timestamp.hex()}
            return json_answer(200, value, (STATE, b"complete"), _COMPLETE_FRESH)
        case Pending(why, retry_after_s):
            value = {"state": "pending", "why": why, "retry_after_s": retry_after_s}
            return json_answer(404, value, *_waiting(found))
        case None:
            return json_answer(404, {"state": "unknown"}, (STATE, b"unknown"), _PENDING_FRESH)


def _waiting(pending: Pending) -> tuple[tuple[bytes, bytes], ...]:
    return (STATE, b"pending"), (b"retry-after", str(pending.retry_after_s).encode()), _PENDING_FRESH


def _page(facts: dict[str, Any]) -> bytes:
    """Return the status page for people."""
    rows = "".join(
        f"<tr><th>{html.escape(name.replace('_', ' '))}<td>{html.escape(str(value))}" for name, value in facts.items()
    )
    address = html.escape(str(facts["calendar"]))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>OpenTimestamps calendar</title><h1>OpenTimestamps calendar</h1><table>{rows}</table>"
        f"<p>Use it with the stock client: <code>ots stamp -c {address} -m 1 FILE</code>, "
        f"later <code>ots upgrade -c {address} FILE.ots</code>.</html>\n"
    ).encode()


def serve_calendar(
    writing: Home, reading: Home, name: str, uri: str, listening: socket.socket, report: Callable[[str], None]
) -> None:
    """Run the calendar on the chain called ``name`` until a signal; what is queued then is committed and answered.

    The homes are one folder opened twice: what writes is used by the thread of the group commit, what reads by one
    other thread, and neither waits for the other.
    """
    chain, writer = calendar_chain(writing, name), writing.writer
    form = Form.of(chain, uri)
    commits: GroupCommit[bytes, Accepted] = GroupCommit(lambda digests: accept(writer, form, digests, writing.clock()))
    try:
        with ThreadPoolExecutor(1, "reading") as thread:
            serve(CalendarApp(Parts(commits.submit, Lookups(reading, chain, uri), thread, report)), listening, report)
    finally:
        commits.stop()
