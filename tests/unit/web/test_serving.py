"""Serving on a real socket: slow heads are hung up on, lengths and keep-alive are HTTP's, signals finish the work."""

import asyncio
import socket

import pytest
import uvicorn
from uvicorn.server import ServerState

from anchor.errors import SettingsError
from chains.web.asgi import Receive, Scope, Send, send_answer, text_answer
from chains.web.connection import HEAD_TIMEOUT_S, MAX_HEAD_BYTES, WRITE_TIMEOUT_S, Connection
from chains.web.serving import listening_socket
from tests.simulators.stepped_loop import pass_s, run_stepped, until

REST_S = 3600


async def hello(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer every request with its path."""
    await send_answer(scope, send, text_answer(200, scope["path"]))


async def talk(*said: bytes, pause_s: float = 0.0) -> tuple[bytes, float]:
    """Connect, say these things with a pause behind each, read to the end; return it and how long it took.

    Time passes in the pauses, and then until the server has ended the connection.
    """
    config, state = (
        uvicorn.Config(
            hello, ws="none", log_config=None, server_header=False, date_header=False, timeout_keep_alive=REST_S
        ),
        ServerState(),
    )
    config.load()
    heard = bytearray()

    class Hearing(Connection):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            heard.extend(data)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Hearing(config, state, {}), "127.0.0.1", 0)
    start_s = loop.time()
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await until(lambda: state.connections)
        reading = asyncio.ensure_future(_rest_of(reader))
        for number, piece in enumerate(said, 1):
            writer.write(piece)
            expected = b"".join(said[:number])
            while heard != expected and state.connections:
                await asyncio.sleep(0)
            await pass_s(pause_s)
        while state.connections:
            await pass_s(HEAD_TIMEOUT_S / 8)
        took_s = loop.time() - start_s
        answer = await reading
        writer.close()
    return answer, took_s


async def _rest_of(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


@pytest.mark.parametrize(
    "said",
    [
        (),
        (b"GET / HTTP/1.1\r\nHost: a\r\n",),
        # Begun at once, and never ended: a byte now and then does not help.
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n", b"c: d\r\n", b"e: f\r\n"),
    ],
)
def test_a_head_that_does_not_come_is_not_waited_for(said: tuple[bytes, ...]) -> None:
    """Silent, stuck or dripping: the connection is gone when the time is up, without an answer."""
    answer, took_s = run_stepped(talk(*said, pause_s=HEAD_TIMEOUT_S / 4))
    assert b"" == answer
    assert HEAD_TIMEOUT_S <= took_s < HEAD_TIMEOUT_S * 1.5


def test_a_second_request_has_its_own_time() -> None:
    """A connection that was used may rest; the head of its next request, once begun, must come too."""
    whole, begun = b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /two HTTP/1.1\r\n"
    answer, took_s = run_stepped(talk(whole, begun, pause_s=HEAD_TIMEOUT_S * 0.75))
    assert [1, 0] == [answer.count(b"/one"), answer.count(b"/two")]
    assert HEAD_TIMEOUT_S * 1.75 <= took_s < HEAD_TIMEOUT_S * 2.5


def test_several_requests_on_one_connection_are_answered_in_order() -> None:
    """Keep-alive and pipelining are HTTP/1.1's; every answer has its length."""
    request = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
    last = b"GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer, _ = run_stepped(talk(request % 1 + request % 2 + last))
    assert [3, 3] == [answer.count(b"HTTP/1.1 200 OK\r\n"), answer.count(b"content-length: 2\r\n")]
    assert answer.index(b"\r\n\r\n/1") < answer.index(b"\r\n\r\n/2") < answer.index(b"\r\n\r\n/3")


@pytest.mark.parametrize("flood", [b"a: b\r\n" * 400, b"a" * 2000], ids=["many headers", "one header"])
def test_a_head_without_an_end_is_refused(flood: bytes) -> None:
    """Headers by the megabyte are hung up on when they are more than a head may have; others are not disturbed."""
    answer, _ = run_stepped(talk(b"GET / HTTP/1.1\r\nx: ", *[flood] * 100))
    assert answer.startswith(b"HTTP/1.1 431 ") or answer == b""
    fits = b"GET /fits HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx: " + b"y" * (MAX_HEAD_BYTES // 2) + b"\r\n\r\n"
    answer, _ = run_stepped(talk(fits))
    assert b"/fits" in answer


def test_a_large_body_behind_a_head_is_no_head() -> None:
    """What follows a head is not counted as one, however much it is, nor is the head behind it."""
    said = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n"
    then = b"GET /then HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer, _ = run_stepped(talk(said, *[bytes(50_000)] * 6, then))
    assert [1, 1] == [answer.count(b"/body"), answer.count(b"/then")]


def test_a_client_that_does_not_read_is_not_waited_for() -> None:
    """An answer that nobody takes does not hold a connection for ever."""

    async def never_read() -> None:
        config, state = uvicorn.Config(_much, ws="none", log_config=None), ServerState()
        config.load()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(config, state, {}), "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await until(lambda: state.connections)
            [connection] = state.connections
            await until(lambda: isinstance(connection, Connection) and connection.flow.write_paused)
            await pass_s(WRITE_TIMEOUT_S * 0.9)
            assert state.connections
            await pass_s(WRITE_TIMEOUT_S * 0.2)
            await until(lambda: not state.connections)
            writer.close()

    run_stepped(never_read())


async def _much(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(200):
        await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def test_what_is_not_http_is_refused() -> None:
    """400, and the connection is closed."""
    answer, _ = run_stepped(talk(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_it_listens_where_it_is_told() -> None:
    """IPv4 and IPv6, and a port of the system's choice."""
    for where, family in (("127.0.0.1:0", socket.AF_INET), ("[::1]:0", socket.AF_INET6)):
        with listening_socket(where) as listening:
            assert family == listening.family
            assert listening.getsockname()[1] > 0


def test_a_place_that_is_taken_is_named() -> None:
    """Who already listens there is not disturbed, and the message names the address."""
    with listening_socket("127.0.0.1:0") as listening:
        where = f"127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(SettingsError, match=f"--listen {where}: cannot listen there: Address already in use"):
            listening_socket(where)


@pytest.mark.parametrize(
    "where", ["", "80", ":80", "localhost", "localhost:", "localhost:x", "localhost:65536", "localhost:-1"]
)
def test_what_is_no_place_is_refused(where: str) -> None:
    """HOST:PORT is expected, and said so."""
    with pytest.raises(SettingsError, match="--listen: expected HOST:PORT"):
        listening_socket(where)
