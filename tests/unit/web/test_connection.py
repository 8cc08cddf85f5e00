"""What is answered without the application: in order, only when it is whole, and still when the service stops."""

import asyncio
from collections.abc import Awaitable, Callable

import uvicorn
from uvicorn.server import ServerState

from chains.web.asgi import Header, Receive, Scope, Send, send_answer, take_body, text_answer, whole_of
from chains.web.connection import Connection, Reply, Take
from tests.simulators.stepped_loop import pass_s, run_stepped, until

KEEP_ALIVE_S = 60
ONE = b"POST /taken HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"
GET = b"GET /app HTTP/1.1\r\nHost: a\r\n\r\n"
KEPT = b"GET /kept HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class Desk:
    """Shortcuts that a test answers by hand: what was taken waits in ``taken``."""

    def __init__(self) -> None:
        self.taken: list[tuple[bytes, Reply]] = []
        self.remembered: list[bytes] = []
        self.heads: list[bytes] = []
        self.taken_again = 0
        self.heard = 0

    def kept(self, url: bytes, _headers: list[Header]) -> bytes | None:
        return whole_of(text_answer(200, "kept")) if url == b"/kept" else None

    def remember(self, data: bytes, _url: bytes, _headers: list[Header]) -> None:
        self.remembered.append(data)

    def again(self, data: bytes) -> bytes | None:
        return whole_of(text_answer(200, "again")) if data in self.remembered else None

    def taker(self, url: bytes, _headers: list[Header]) -> Take | None:
        return (lambda body, reply: self.taken.append((body, reply))) if url == b"/taken" else None

    def take_again(self, data: bytes, reply: Reply) -> bool:
        head, _, body = data.partition(b"\r\n\r\n")
        if head not in self.heads or len(body) != len(b"one"):
            return False
        self.taken_again += 1
        self.taken.append((body, reply))
        return True

    def remember_head(self, data: bytes, _url: bytes, _headers: list[Header]) -> None:
        self.heads.append(data.partition(b"\r\n\r\n")[0])

    def refusal(self, error: Exception) -> bytes:
        return whole_of(text_answer(500, f"failed: {error}"))

    async def hear(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Send bytes, and wait until the server has them."""
        expected = self.heard + len(data)
        writer.write(data)
        await until(lambda: expected == self.heard)

    async def next(self) -> tuple[bytes, Reply]:
        """Wait for what is taken next."""
        await until(lambda: self.taken)
        return self.taken.pop(0)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with path and body."""
    body = await take_body(scope, receive, 1000, KEEP_ALIVE_S)
    await send_answer(scope, send, text_answer(200, f"app {scope['path']} {body.decode()}"))


Talk = Callable[[Desk, ServerState, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def served(talk: Talk) -> None:
    """Serve one connection by these shortcuts, and run a conversation over it; time stands still meanwhile."""

    async def run() -> None:
        config = uvicorn.Config(app, ws="none", log_config=None, timeout_keep_alive=KEEP_ALIVE_S)
        config.load()
        desk, state = Desk(), ServerState()

        class Served(Connection):
            shortcuts = desk

            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                desk.heard += len(data)

        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Served(config, state, {}), "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            await talk(desk, state, reader, writer)
            writer.close()

    run_stepped(run())


def taken_answer(text: str) -> bytes:
    return whole_of(text_answer(201, text))


def test_what_comes_behind_a_taken_request_waits_for_its_answer() -> None:
    """Answers keep the order of requests, whoever gives them."""

    async def talk(desk: Desk, _: ServerState, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await desk.hear(writer, ONE + GET + KEPT + LAST)
        body, reply = await desk.next()
        assert b"one" == body
        reply(taken_answer("taken"))
        said = await reader.read()
        places = [said.index(text) for text in (b"\r\n\r\ntaken", b"app /app", b"/kept", b"app /last")]
        assert sorted(places) == places

    served(talk)


def test_a_body_that_comes_later_is_the_applications() -> None:
    """A client that is slow over its body is waited for as for any: by the application, with its limits."""

    async def talk(desk: Desk, _: ServerState, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await desk.hear(writer, ONE[:-2])
        writer.write(b"ne" + LAST)
        assert b"app /taken one" in await reader.read()
        assert [] == desk.taken

    served(talk)


def test_a_taken_request_is_answered_when_the_service_stops() -> None:
    """What was taken is answered first; then the connection is closed, and says so."""

    async def talk(desk: Desk, state: ServerState, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ONE)
        reply = (await desk.next())[1]
        for connection in list(state.connections):
            connection.shutdown()
        await pass_s(1.0)
        assert 1 == len(state.connections)
        reply(taken_answer("taken"))
        said = await reader.read()
        assert said.startswith(b"HTTP/1.1 201 Created\r\n")
        assert b"\r\nconnection: close\r\n" in said
        assert said.endswith(b"\r\n\r\ntaken")

    served(talk)


def test_an_answer_to_somebody_who_left_is_dropped() -> None:
    """A client that hung up disturbs nobody."""

    async def talk(desk: Desk, state: ServerState, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ONE)
        reply = (await desk.next())[1]
        writer.transport.abort()
        await until(lambda: not state.connections)
        reply(taken_answer("taken"))

    served(talk)


def test_kept_and_taken_alternate_on_one_connection() -> None:
    """An answer without the application leaves the connection as one by the application does."""

    async def talk(desk: Desk, _: ServerState, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _number in range(3):
            writer.write(KEPT)
            await reader.readuntil(b"\r\n\r\nagain" if desk.remembered else b"\r\n\r\nkept")
            writer.write(ONE)
            reply = (await desk.next())[1]
            reply(taken_answer("taken"))
            await reader.readuntil(b"\r\n\r\ntaken")
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\napp /app ")

    served(talk)


def test_a_connection_that_rests_is_closed_and_one_that_waits_is_not() -> None:
    """The time of keep-alive runs between requests only."""

    async def talk(desk: Desk, state: ServerState, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for said in (b"kept", b"again"):
            writer.write(KEPT)
            await reader.readuntil(b"\r\n\r\n" + said)
            await pass_s(0.9 * KEEP_ALIVE_S)
        writer.write(ONE)
        reply = (await desk.next())[1]
        await pass_s(2.5 * KEEP_ALIVE_S)
        reply(taken_answer("taken"))
        await reader.readuntil(b"\r\n\r\ntaken")
        await pass_s(0.9 * KEEP_ALIVE_S)
        assert 1 == len(state.connections)
        await pass_s(0.2 * KEEP_ALIVE_S)
        assert b"" == await reader.read()

    served(talk)


def test_bytes_are_remembered_only_where_they_are_one_whole_request() -> None:
    """What came in pieces, with other requests, or behind an unanswered one is read again each time."""

    async def talk(desk: Desk, _: ServerState, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in (KEPT[:20], KEPT[20:]):
            await desk.hear(writer, piece)
        writer.write(KEPT + KEPT)
        for _number in range(3):
            await reader.readuntil(b"\r\n\r\nkept")
        assert [] == desk.remembered
        writer.write(KEPT)
        await reader.readuntil(b"\r\n\r\nkept")
        assert [KEPT] == desk.remembered
        # The same bytes as a body are none, and those behind an unanswered request wait.
        await desk.hear(writer, b"POST /app HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(KEPT))
        writer.write(KEPT)
        await reader.readuntil(b"app /app GET /kept")
        writer.write(ONE)
        reply = (await desk.next())[1]
        await desk.hear(writer, KEPT)
        reply(taken_answer("taken"))
        await reader.readuntil(b"\r\n\r\ntaken")
        await reader.readuntil(b"app /kept")
        writer.write(KEPT)
        await reader.readuntil(b"\r\n\r\nagain")

    served(talk)


def test_a_head_that_was_taken_is_not_parsed_again() -> None:
    """Bodies behind a head that is remembered are taken at once; what is more or less than one request is parsed."""

    async def talk(desk: Desk, _: ServerState, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def ask(data: bytes) -> bytes:
            writer.write(data)
            body, reply = await desk.next()
            reply(taken_answer(f"taken {body.decode()}"))
            await reader.readuntil(b"\r\n\r\ntaken " + body)
            return body

        assert (b"one", 0) == (await ask(ONE), desk.taken_again)
        for number, body in enumerate((b"two", b"\r\n\r", b"GET"), start=1):
            assert (body, number) == (await ask(ONE.replace(b"one", body)), desk.taken_again)
        assert 1 == len(desk.heads)
        # Two at once: the second one waits for the answer to the first one, and is then the application's.
        assert (b"one", 3) == (await ask(ONE + ONE), desk.taken_again)
        await reader.readuntil(b"app /taken one")
        # One in two pieces.
        await desk.hear(writer, ONE[:-1])
        writer.write(ONE[-1:])
        await reader.readuntil(b"app /taken one")
        # While another is not answered.
        writer.write(ONE)
        reply = (await desk.next())[1]
        await desk.hear(writer, ONE)
        assert [] == desk.taken
        reply(taken_answer("taken"))
        await reader.readuntil(b"\r\n\r\ntaken")
        await reader.readuntil(b"app /taken one")
        assert (b"one", 5) == (await ask(ONE), desk.taken_again)
        writer.write(KEPT)
        await reader.readuntil(b"\r\n\r\nkept")

    served(talk)
