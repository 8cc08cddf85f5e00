"""One HTTP/1.1 connection: uvicorn's protocol with limits of its own, and ways past the application for what is hot.

Bytes come from the event loop; ``chains.web.serving`` makes a connection for each client, and the shortcuts that it is
given answer what needs no application. Whatever they do not take is an ASGI request, as uvicorn makes it.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chains.web.asgi import STOPPING, Header

HEAD_TIMEOUT_S = 10.0
"""From the connection, or from its next request's first byte, to the end of the request's head."""
MAX_HEAD_BYTES = 64 * 1024
"""A request's head; what came behind another request in one piece is not counted."""
WRITE_TIMEOUT_S = 60.0
"""A client that takes nothing of its answer for so long is gone."""

# A condition, a body, or an expectation: the application's.
_NOT_PLAIN = {b"if-none-match", b"content-length", b"transfer-encoding", b"expect"}
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n"
    b"content-type: text/plain; charset=utf-8\r\n\r\n"
)

Reply = Callable[[bytes | Exception], None]
"""Takes a whole answer, head and body, or the error why there is none; called in the event loop, once."""
Take = Callable[[bytes, Reply], None]
"""Takes the body of a request, and answers when it can, but not before it returns; it never raises."""


class Shortcuts(Protocol):
    """What is answered without the application."""

    def kept(self, url: bytes, headers: list[Header]) -> bytes | None:
        """Return the whole answer to a plain GET, where it is known."""

    def remember(self, data: bytes, url: bytes, headers: list[Header]) -> None:
        """Remember that these bytes were such a GET, and nothing else."""

    def again(self, data: bytes) -> bytes | None:
        """Return the whole answer to bytes that are remembered, where it is known."""

    def taker(self, url: bytes, headers: list[Header]) -> Take | None:
        """Return what takes the body of this POST, or None: then it is the application's."""

    def take_again(self, data: bytes, reply: Reply) -> bool:
        """Take the body, as ``Take``, where these bytes are a POST whose head is remembered; say whether they are."""

    def remember_head(self, data: bytes, url: bytes, headers: list[Header]) -> None:
        """Remember the head of these bytes, which were such a POST, and nothing else."""

    def refusal(self, error: Exception) -> bytes:
        """Return the whole answer to a request that was taken, and failed."""


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
        if self._held:
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


class _Nobody:
    """Whom the end of a taken request wakes: its answer comes by itself."""

    def set(self) -> None:
        """Wake nobody."""


class Taken:
    """The request of a connection that was taken without the application, until it is answered; then the next one.

    For uvicorn it is the connection's cycle: what comes behind it waits in the pipeline, and a shutdown waits for it.
    """

    __slots__ = ("_connection", "disconnected", "keep_alive", "response_complete")
    message_event = _Nobody()

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self.response_complete = True
        self.disconnected = False
        self.keep_alive = True

    def answer(self, told: bytes | Exception) -> None:
        """Send the answer; close behind it where the service is stopping."""
        self.response_complete = True
        if not self.disconnected:
            self._connection.answer_taken(told, self)


class Connection(HttpToolsProtocol):
    """HTTP/1.1 by httptools that waits neither for ever nor for everything (uvicorn sets no such limits)."""

    head_timeout_s = HEAD_TIMEOUT_S
    write_timeout_s = WRITE_TIMEOUT_S
    shortcuts: Shortcuts | None = None
    _head_deadline: asyncio.TimerHandle | None = None
    _write_deadline: asyncio.TimerHandle | None = None
    _rest_check: asyncio.TimerHandle | None = None
    # Since when the connection has nothing to do; None while it has.
    _rests_since_s: float | None = None
    # The answer to the request that is being read, or what takes its body, where it needs no application.
    _answer: bytes | None = None
    _take: Take | None = None
    _body: bytes = b""
    _is_in_head = False
    # Whether no request is being read, and whether the one that was read last was answered from what is kept.
    _is_between = True
    _was_known = False
    _was_taken = False
    _heads = 0
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._raw = transport
        self._answers = WholeAnswers(transport, self.loop)
        self.transport = cast("asyncio.Transport", self._answers)
        self._taken = Taken(self)
        self._reply = self._taken.answer
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Take more of a request, and hang up where its head has no end."""
        shortcuts = self.shortcuts
        if shortcuts is not None and self._is_between and self._is_free():
            is_done = self._take_again if data[:5] == b"POST " else self._answer_again
            if is_done(shortcuts, data):
                return
        self._read(shortcuts, data)

    def _read(self, shortcuts: Shortcuts | None, data: bytes) -> None:
        """Have the parser read it, and see what it made of it."""
        heads, was_between = self._heads, self._is_between
        self._was_known = self._was_taken = False
        super().data_received(data)
        if shortcuts is not None and was_between and self._is_between and self._heads == heads + 1:
            if self._was_known:
                shortcuts.remember(data, self.url, self.headers)
            elif self._was_taken:
                shortcuts.remember_head(data, self.url, self.headers)
        if self._take is not None:
            self._leave_to_application()
        if not self._is_in_head:
            self._head_bytes = 0
            return
        if self._head_deadline is None:
            self._expect_head()
        if self._heads != heads:
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def _answer_again(self, shortcuts: Shortcuts, data: bytes) -> bool:
        """Answer bytes that are a whole request and need not be parsed again; say whether they were."""
        answer = shortcuts.again(data)
        if answer is None:
            return False
        self._stop_waiting()
        self._answers.write_whole(answer)
        self._rest()
        return True

    def _take_again(self, shortcuts: Shortcuts, data: bytes) -> bool:
        """Take bytes that are a whole request and need not be parsed again; say whether they were."""
        if not shortcuts.take_again(data, self._reply):
            return False
        self._begin_taken()
        if self._head_deadline is not None:
            self._stop_waiting()
        return True

    # --- what the parser says

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of the head, unless it is here already."""
        self._heads += 1
        self._is_in_head = True
        self._is_between = False
        self._rests_since_s = None
        self.url = b""
        self.headers = []
        if self._head_deadline is not None:
            self._expect_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is here; what needs no application does not become a request of it."""
        self._is_in_head = False
        self._stop_waiting()
        if self.shortcuts is None or not self._is_free() or not self._goes_on():
            self._begin_request()
            return
        method = self.parser.get_method()
        if method == b"GET":
            self._answer = self._known_answer(self.shortcuts)
        elif method == b"POST":
            self._take = self.shortcuts.taker(self.url, self.headers)
        if self._answer is None and self._take is None:
            self._begin_request()

    def on_body(self, body: bytes) -> None:
        """A piece of the body is here."""
        if self._take is None:
            super().on_body(body)
        else:
            self._body += body

    def on_message_complete(self) -> None:
        """The request is here."""
        self._is_between = True
        if self._answer is not None:
            answer, self._answer = self._answer, None
            self._was_known = True
            self.send_whole(answer, keep_alive=True)
        elif self._take is not None:
            take, body = self._take, self._body
            self._take, self._body = None, b""
            self._was_taken = True
            take(body, self._reply)
            self._begin_taken()
        else:
            super().on_message_complete()

    def _begin_taken(self) -> None:
        """Have what was just taken stand for the request; the one before it is answered."""
        self._taken.response_complete = False
        self.cycle = cast("Any", self._taken)
        self._rests_since_s = None

    def _is_free(self) -> bool:
        """Say whether an answer could go out at once."""
        return (
            (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
            and (self.limit_concurrency is None or len(self.connections) < self.limit_concurrency)
        )

    def _goes_on(self) -> bool:
        """Say whether the connection is to be one of HTTP/1.1 behind this request, too."""
        parser = self.parser
        return bool(parser.should_keep_alive() and parser.get_http_version() == "1.1" and not parser.should_upgrade())

    def _known_answer(self, shortcuts: Shortcuts) -> bytes | None:
        if any(name in _NOT_PLAIN for name, _ in self.headers):
            return None
        return shortcuts.kept(self.url, self.headers)

    def _begin_request(self) -> None:
        """Make a request of the application, as uvicorn does it."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers.extend(headers)
        self.expect_100_continue = any(
            name == b"expect" and value.lower() == b"100-continue" for name, value in headers
        )
        super().on_headers_complete()

    def _leave_to_application(self) -> None:
        """Its body did not come with the head: the application waits for the rest, as long as it does for any."""
        body, self._take, self._body = self._body, None, b""
        if self.transport.is_closing():
            return
        self._begin_request()
        if body:
            super().on_body(body)

    # --- answers

    def answer_taken(self, told: bytes | Exception, taken: Taken) -> None:
        """Answer a request that was taken."""
        if not isinstance(told, bytes):
            assert self.shortcuts is not None, "they took it"
            told = self.shortcuts.refusal(told)
        if self.pipeline or self.flow.read_paused or not taken.keep_alive or self._raw.is_closing():
            self.send_whole(told, keep_alive=taken.keep_alive)
            return
        self._answers.write_whole(told)
        self._rest()

    def send_whole(self, whole: bytes, *, keep_alive: bool) -> None:
        """Send a whole answer, head and body, unless nobody is there any more."""
        if self._raw.is_closing():
            return
        if keep_alive:
            self._answers.write_whole(whole)
        else:
            self._answers.write_whole(whole.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
            self.transport.close()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        """Go on with what came behind the request, or rest."""
        is_last = not self.pipeline
        if not is_last or self.flow.read_paused:
            super().on_response_complete()
            self._unset_keepalive_if_required()
        if is_last:
            self._rest()

    def _rest(self) -> None:
        """Note that nothing is to be done; one timer for the connection looks whether that was so for long."""
        self._rests_since_s = self.loop.time()
        if self._rest_check is None:
            self._rest_check = self.loop.call_later(self.timeout_keep_alive, self._end_rest)

    def _end_rest(self) -> None:
        self._rest_check = None
        if self._rests_since_s is None or self.transport.is_closing():
            return
        left_s = self._rests_since_s + self.timeout_keep_alive - self.loop.time()
        if left_s <= 0:
            self.transport.close()
        else:
            self._rest_check = self.loop.call_later(left_s, self._end_rest)

    def shutdown(self) -> None:
        """End the connection when its answer is out; an answer that has no end is told to end."""
        super().shutdown()
        stopping = getattr(self.cycle, "scope", {}).get(STOPPING)
        if stopping is not None:
            stopping.set()

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
        if self._rest_check is not None:
            self._rest_check.cancel()
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
