"""Answers that are the same for everybody, kept whole as they go out: tiles, checkpoints, the log's card.

``chains.web.api`` keeps them, and ``chains.web.serving`` sends them before a request is more than a method and a path.
What depends on who asks is never kept.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable

from chains.web.asgi import Answer, header, whole_of

MOST_BYTES = 32 * 2**20
LONGEST_S = 3600.0
_PUBLIC = re.compile(rb"public, max-age=([0-9]+)(?:, immutable)?")


class KeptAnswers:
    """A bounded store of answers by their address; only the event loop uses it."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic, most_bytes: int = MOST_BYTES) -> None:
        self._clock_s = clock_s
        self._most_bytes = most_bytes
        self._answers: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    def get(self, url: bytes) -> bytes | None:
        """Return the answer to a GET of this address, head and body, while it may still be told."""
        until_s, found = self._answers.get(url, (0.0, b""))
        return found if self._clock_s() < until_s else None

    def keep(self, url: bytes, answer: Answer) -> None:
        """Keep an answer to a GET for as long as its Cache-Control allows to everybody; of others, nothing."""
        allowed = _PUBLIC.fullmatch(header(answer.headers, b"cache-control") or b"")
        if answer.status != 200 or allowed is None:
            return
        whole = whole_of(answer)
        if len(whole) > self._most_bytes // 16:
            return
        _, before = self._answers.pop(url, (0.0, b""))
        self._answers[url] = self._clock_s() + min(float(allowed[1]), LONGEST_S), whole
        self._bytes += len(whole) - len(before)
        while self._bytes > self._most_bytes:
            _, (_, oldest) = self._answers.popitem(last=False)
            self._bytes -= len(oldest)
