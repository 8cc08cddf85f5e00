"""A real Firefox that evaluates what a test asks of a page: by WebDriver BiDi, over a WebSocket of our own.

Debian's (firefox-esr), or named by FIREFOX. Playwright drives only a build of its own. What is here of RFC 6455 and of
BiDi is what one client with one page needs.
"""

import base64
import json
import os
import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

_NAMES = ("firefox-esr", "firefox")
_PATIENCE_S = 120.0
_TEXT, _CLOSE, _PING = 0x1, 0x8, 0x9
_MASK = b"mask"


def firefox() -> str | None:
    """Return the browser's path, or None where there is none."""
    return os.environ.get("FIREFOX") or next(filter(None, map(shutil.which, _NAMES)), None)


class FirefoxPage:
    """A page in Firefox; what it is asked is evaluated there, with everything that its script declares."""

    def __init__(self, connection: socket.socket, port: int, address: str) -> None:
        self._socket = connection
        self._numbers = count(1)
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET /session HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._taken(1)
        assert b" 101 " in head, head
        self._ask("session.new", {"capabilities": {}})
        self._context = self._ask("browsingContext.getTree", {})["contexts"][0]["context"]
        self._ask("browsingContext.navigate", {"context": self._context, "url": address, "wait": "complete"})

    def evaluate(self, expression: str) -> Any:
        """Return what an expression of the page comes to, a promise's value, by way of JSON."""
        wrapped = f"Promise.resolve({expression}).then((value) => JSON.stringify(value))"
        return json.loads(self.run(wrapped)["value"])

    def run(self, script: str) -> Any:
        """Run a script in the page, and return its last value as BiDi writes it."""
        target = {"context": self._context}
        found = self._ask("script.evaluate", {"expression": script, "target": target, "awaitPromise": True})
        assert "success" == found["type"], found
        return found["result"]

    def _ask(self, method: str, parameters: dict[str, Any]) -> Any:
        number = next(self._numbers)
        self._send(json.dumps({"id": number, "method": method, "params": parameters}).encode())
        while True:
            answer = json.loads(self._message())
            if answer.get("id") == number:
                assert "success" == answer["type"], answer
                return answer["result"]

    def _send(self, data: bytes) -> None:
        """Send a text in one frame (RFC 6455 section 5.2), under a mask, which Firefox wants not to be zeros."""
        size = len(data)
        if size < 126:
            length = struct.pack("!B", 0x80 | size)
        else:
            length = struct.pack("!BH", 0x80 | 126, size) if size < 1 << 16 else struct.pack("!BQ", 0x80 | 127, size)
        masks = (_MASK * (size // len(_MASK) + 1))[:size]
        masked = (int.from_bytes(data, "big") ^ int.from_bytes(masks, "big")).to_bytes(size, "big")
        self._socket.sendall(bytes((0x80 | _TEXT,)) + length + _MASK + masked)

    def _taken(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(min(size - len(parts), 1 << 20))
            assert part, "Firefox hung up"
            parts += part
        return bytes(parts)

    def _message(self) -> bytes:
        """Return the next text, of one frame or several."""
        parts = b""
        while True:
            first, second = self._taken(2)
            length = second & 0x7F
            if length >= 126:
                length = int.from_bytes(self._taken(2 if length == 126 else 8), "big")
            data, kind = self._taken(length), first & 0x0F
            assert kind != _CLOSE, data
            if kind == _PING:
                continue
            parts += data
            if first & 0x80:
                return parts


@contextmanager
def firefox_page(program: str, address: str, profile: Path) -> Iterator[FirefoxPage]:
    """Start Firefox with an empty profile, without a window, and yield the page at an address."""
    profile.mkdir()
    # It must ask nobody for anything, and wait for nobody.
    (profile / "user.js").write_text('user_pref("network.proxy.type", 1);\nuser_pref("network.proxy.socks_port", 9);\n')
    command = [program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = (re.search(r"BiDi listening on ws://127\.0\.0\.1:(\d+)", line) for line in process.stderr)
            port = next((int(found[1]) for found in said if found), None)
            assert port is not None, "Firefox ended before it listened"
            with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as connection:
                yield FirefoxPage(connection, port, address)
        finally:
            process.kill()
