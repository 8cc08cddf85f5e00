"""An HTTP server that knows one thing of Esplora's API, the genesis block of a network, and answers 404 to the rest.

Tests ask it for the network of a source (``chains.sources``, ``anchorline init``).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.simulators.listening import Quiet, listening


@contextmanager
def running_genesis(genesis_hash: bytes) -> Iterator[str]:
    """Run the server for a genesis hash (internal order); yield its address."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            is_known = self.path == "/block-height/0"
            body = genesis_hash[::-1].hex().encode() if is_known else b"<html>not here</html>"
            self.send_response(200 if is_known else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with listening(Handler) as address:
        yield address
