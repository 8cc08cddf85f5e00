"""Serving on a real socket: slow heads are hung up on, lengths and keep-alive are HTTP's, signals finish the work."""

import asyncio
import socket

import pytest
import uvicorn
from uvicorn.server import ServerState

from anchor.errors import SettingsError
from chains.web.asgi import Receive, Scope, Send, send_answer, text_answer
from chains.web.connection import MAX_HEAD_BYTES, Connection
from chains.web.serving import listening_socket

SOON_S = 20
PATIENCE_S = 0.3


class Quick(Connection):
    """One that loses its patience within a test."""

    head_timeout_s = PATIENCE_S


async def hello(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer every request with its path."""
    await send_answer(scope, send, text_answer(200, scope["path"]))


async def talk(*said: bytes, pause_s: float = 0.0) -> tuple[bytes, float]:
    """Connect, say these things with a pause behind each, read to the end; return it and how long it took."""
    config, state = (
        uvicorn.Config(hello, ws="none", log_config=None, server_header=False, date_header=False),
        ServerState(),
    )
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Quick(config, state, {}), "127.0.0.1", 0)
    start = loop.time()
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for piece in said:
            writer.write(piece)
            await asyncio.sleep(pause_s)
        try:
            answer = await asyncio.wait_for(reader.read(), SOON_S)
        except ConnectionError:
            answer = b""
        took_s = loop.time() - start
        writer.close()
    return answer, took_s


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
    answer, took_s = asyncio.run(talk(*said, pause_s=PATIENCE_S / 4))
    assert b"" == answer
    assert took_s < PATIENCE_S * 10


def test_a_second_request_has_its_own_time() -> None:
    """A connection that was used may rest; the head of its next request, once begun, must come too."""
    whole, begun = b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /two HTTP/1.1\r\n"
    answer, took_s = asyncio.run(talk(whole, begun, pause_s=PATIENCE_S * 1.5))
    assert [1, 0] == [answer.count(b"/one"), answer.count(b"/two")]
    assert took_s >= PATIENCE_S * 2


def test_several_requests_on_one_connection_are_answered_in_order() -> None:
    """Keep-alive and pipelining are HTTP/1.1's; every answer has its length."""
    request = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
    last = b"GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer, _ = asyncio.run(talk(request % 1 + request % 2 + last))
    assert [3, 3] == [answer.count(b"HTTP/1.1 200 OK\r\n"), answer.count(b"content-length: 2\r\n")]
    assert answer.index(b"\r\n\r\n/1") < answer.index(b"\r\n\r\n/2") < answer.index(b"\r\n\r\n/3")


@pytest.mark.parametrize("flood", [b"a: b\r\n" * 400, b"a" * 2000], ids=["many headers", "one header"])
def test_a_head_without_an_end_is_refused(flood: bytes) -> None:
    """Headers by the megabyte are hung up on when they are more than a head may have; others are not disturbed."""
    answer, _ = asyncio.run(talk(b"GET / HTTP/1.1\r\nx: ", *[flood] * 100, pause_s=0.001))
    assert answer.startswith(b"HTTP/1.1 431 ") or answer == b""
    fits = b"GET /fits HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx: " + b"y" * (MAX_HEAD_BYTES // 2) + b"\r\n\r\n"
    answer, _ = asyncio.run(talk(fits))
    assert b"/fits" in answer


def test_a_large_body_behind_a_head_is_no_head() -> None:
    """What follows a head is not counted as one, however much it is, nor is the head behind it."""
    said = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n"
    then = b"GET /then HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer, _ = asyncio.run(talk(said, *[bytes(50_000)] * 6, then))
    assert [1, 1] == [answer.count(b"/body"), answer.count(b"/then")]


def test_a_client_that_does_not_read_is_not_waited_for() -> None:
    """An answer that nobody takes does not hold a connection for ever."""

    async def never_read() -> float:
        config, state = uvicorn.Config(_much, ws="none", log_config=None), ServerState()
        config.load()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Impatient(config, state, {}), "127.0.0.1", 0)
        start = loop.time()
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            while not state.connections:
                await asyncio.sleep(0.01)
            while state.connections:
                await asyncio.sleep(0.01)
                assert loop.time() < start + SOON_S
            writer.close()
        return loop.time() - start

    assert asyncio.run(never_read()) < SOON_S


class Impatient(Connection):
    """One whose answers must be taken at once."""

    write_timeout_s = PATIENCE_S


async def _much(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(200):
        await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def test_what_is_not_http_is_refused() -> None:
    """400, and the connection is closed."""
    answer, _ = asyncio.run(talk(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"))
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
