"""A real bitcoind for tests: found by BITCOIND or on PATH, started in a folder of the test, stopped at its end.

Its RPC is called with the standard library only, so that no code under test stands between a test and the
node. Tests that need it carry ``@pytest.mark.node`` and take a fixture that calls ``require_bitcoind``.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

_START_S = 60.0


class RpcFailure(Exception):
    """The node answered with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code


class Node:
    """A running bitcoind: ``url`` of its RPC, ``cookie`` (file), and ``call`` for everything else."""

    def __init__(
        self, folder: Path, binary: Path, chain: str, options: tuple[str, ...], port: int | None = None
    ) -> None:
        port = port or free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._command = [
            str(binary),
            f"-chain={chain}",
            f"-rpcport={port}",
            f"-datadir={folder}",
            "-listen=0",
            "-connect=0",
            "-fallbackfee=0.00002",
            "-printtoconsole=0",
            *options,
        ]
        self.cookie = folder / chain / ".cookie"
        self.start()

    def start(self) -> None:
        """Start the node, again on the same port, and wait until it answers."""
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE)
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self.call("getblockcount")
            except (OSError, RpcFailure) as error:
                self._check_alive(error, deadline)
                time.sleep(0.05)
            else:
                return

    def call(self, method: str, *parameters: object) -> Any:
        """Return the result of an RPC, or raise RpcFailure with the node's code."""
        body = json.dumps({"method": method, "params": parameters}).encode()
        credentials = base64.b64encode(self.cookie.read_bytes()).decode()
        request = urllib.request.Request(self.url, body, {"Authorization": f"Basic {credentials}"})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                answer = json.loads(response.read(), parse_float=Decimal)
        except urllib.error.HTTPError as error:
            with error:
                answer = json.loads(error.read() or b"null")
            if not answer:
                raise
        if answer["error"] is not None:
            raise RpcFailure(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    def stop(self) -> None:
        """Stop the node and wait for its end; may be repeated."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.communicate(timeout=60)

    def _check_alive(self, error: Exception, deadline: float) -> None:
        if self._process.poll() is not None:
            _, said = self._process.communicate()
            raise RuntimeError(f"bitcoind ended with {self._process.returncode}: {said.decode()}") from error
        if time.monotonic() > deadline:
            self.stop()
            raise TimeoutError(f"bitcoind did not answer within {_START_S} s") from error


@contextmanager
def running_node(folder: Path, *options: str, chain: str = "regtest", port: int | None = None) -> Iterator[Node]:
    """Run a bitcoind in ``folder`` with these further options, on a free port or this one; stop it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    node = Node(folder, require_bitcoind(), chain, options, port)
    try:
        yield node
    finally:
        node.stop()


def require_bitcoind() -> Path:
    """Return the bitcoind to test with, or skip the test and say why.

    A BITCOIND that names no file fails instead: whoever set it believes that these tests run.
    """
    named = os.environ.get("BITCOIND")
    if named is not None:
        path = Path(named)
        if not path.is_file():
            pytest.fail(f"BITCOIND names no file: {named}")
        return path
    found = shutil.which("bitcoind")
    if found is None:
        pytest.skip("NO BITCOIND: set BITCOIND to a bitcoind (28 or newer), or put one on PATH; nothing was tested")
    return Path(found)


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
