"""An HTTP server on a free port of this machine, in a thread, for as long as a block; and a folder served by one.

The other simulators bring what it answers; tests ask it as any client would.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_POLL_S = 0.02


class Quiet(BaseHTTPRequestHandler):
    """Exchanges that nothing is printed of."""

    # Headers and body are written one after the other: Nagle would keep the body until the client, which waits for it,
    # acknowledges the headers, 40 ms later.
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def listening(exchange: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer requests with ``exchange`` (a class of the standard library's); yield the address, without a path."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), exchange)
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Files(Quiet, SimpleHTTPRequestHandler):
    """A folder's files."""


@contextmanager
def serving_folder(folder: Path) -> Iterator[str]:
    """Serve a folder as any web server does; yield the address."""
    with listening(partial(_Files, directory=str(folder))) as address:
        yield address
