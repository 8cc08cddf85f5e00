"""Somebody who takes webhooks: a real HTTP server on this machine that keeps what came and answers as it is told."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.simulators.listening import Quiet, listening


class Receiver:
    """A server that takes messages; ``statuses`` are its next answers, then 204; ``taken`` is what came."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.location = ""
        self.url = ""
        receiver = self

        class Taking(Quiet):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.taken.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                if receiver.location:
                    self.send_header("location", receiver.location)
                self.end_headers()

        self.exchange = Taking

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.taken]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver; end it at the end."""
    made = Receiver()
    with listening(made.exchange) as address:
        made.url = f"{address}/hook?for=anchors"
        yield made
