"""An explorer for tests: the three questions of Esplora's API that ``verify.html`` asks, answered as a test says.

It runs on this machine and counts what it was asked; any page may read its answers, as with the public ones.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.header import Header
from tests.simulators.listening import Quiet, listening


@dataclass
class Explorer:
    """What it says of one block, and the paths that it was asked for."""

    height: int
    header: Header
    tip: int
    address: str = ""
    asked: list[str] = field(default_factory=list)

    def answers(self) -> dict[str, str]:
        """Return the answers by their paths."""
        name = hash_hex(self.header.hash)
        return {
            f"/api/block-height/{self.height}": name,
            f"/api/block/{name}/header": self.header.encode().hex(),
            "/api/blocks/tip/height": str(self.tip),
        }


@contextmanager
def explorer(height: int, header: Header, tip: int) -> Iterator[Explorer]:
    """Serve an explorer that knows one block."""
    served = Explorer(height, header, tip)

    class Exchange(Quiet):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            answer = served.answers().get(self.path)
            self.send_response(404 if answer is None else 200)
            self.send_header("access-control-allow-origin", "*")
            self.end_headers()
            self.wfile.write((answer or "").encode())

    with listening(Exchange) as root:
        served.address = f"{root}/api"
        yield served
