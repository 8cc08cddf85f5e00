"""The bare server of ``benchmarks.serving``: uvloop and httptools, which decodes JSON and hashes, or sends bytes.

It keeps nothing and checks nothing: the floor that any HTTP service in Python stands on. ``python -m
benchmarks.bare_server SIZE`` prints its port; SIZE is the bytes that a GET is answered with.
"""

import asyncio
import hashlib
import sys
from typing import cast

import httptools
import msgspec
import uvloop


class Protocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, payload: bytes) -> None:
        self._payload = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(payload), payload)
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.WriteTransport", transport)
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        if not self._body:
            self._transport.write(self._payload)
            return
        body, self._body = self._body, b""
        found = msgspec.json.decode(body)
        digest = hashlib.sha256(found["content"].encode()).hexdigest()
        answer = msgspec.json.encode({"entry_hash": digest, "leaf_index": 1})
        self._transport.write(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))


async def main(size: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Protocol(bytes(size)), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
