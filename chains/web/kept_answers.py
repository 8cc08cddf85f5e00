"""Answers that are kept whole as they go out: everybody's for a time, strangers' until anything is committed.

``chains.web.api`` keeps them, and ``chains.web.shortcuts`` sends them before a request is more than a method and a
path. What a key was needed for is never kept.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable

from anchor.errors import StorageError
from chains.web.asgi import Answer, header, whole_of

MOST_BYTES = 32 * 2**20
LONGEST_S = 3600.0
_NOTHING = (0.0, b"")
_PUBLIC = re.compile(rb"public, max-age=([0-9]+)(?:, immutable)?")


class _Store:
    """Whole answers by a key, each with a mark that says whether it still holds; the oldest make room."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._answers: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    def _store(self, key: bytes, mark: float, answer: Answer) -> None:
        whole = whole_of(answer)
        if len(whole) > self._most_bytes // 16:
            return
        _, before = self._answers.pop(key, _NOTHING)
        self._answers[key] = mark, whole
        self._bytes += len(whole) - len(before)
        while self._bytes > self._most_bytes:
            _, (_, oldest) = self._answers.popitem(last=False)
            self._bytes -= len(oldest)

    def _clear(self) -> None:
        self._answers.clear()
        self._bytes = 0


class KeptAnswers(_Store):
    """Answers that are the same for everybody (tiles, checkpoints, the log's card); only the event loop uses it."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic, most_bytes: int = MOST_BYTES) -> None:
        super().__init__(most_bytes)
        self._clock_s = clock_s

    def get(self, url: bytes) -> bytes | None:
        """Return the answer to a GET of this address, head and body, while it may still be told."""
        until_s, found = self._answers.get(url, _NOTHING)
        return found if self._clock_s() < until_s else None

    def keep(self, url: bytes, answer: Answer) -> None:
        """Keep an answer to a GET for as long as its Cache-Control allows to everybody; of others, nothing."""
        allowed = _PUBLIC.fullmatch(header(answer.headers, b"cache-control") or b"")
        if answer.status == 200 and allowed is not None:
            self._store(url, self._clock_s() + min(float(allowed[1]), LONGEST_S), answer)


class StrangersAnswers(_Store):
    """Answers to requests without a key that come of the database alone; only the event loop uses it.

    ``version`` says of the database as of when; whatever is committed, an entry, an anchor or a chain made private,
    makes all of them old at once, whoever did it in whatever process. Requests that are read in one turn of the event
    loop ask it once: they were sent before anybody could be told of a commit behind that question. ``soon`` calls back
    before anything is read again; that holds of what is called while reading (``get``), and not of what a task calls,
    behind which uvloop reads once more in the same turn.
    """

    def __init__(
        self, version: Callable[[], int], soon: Callable[[Callable[[], None]], None], most_bytes: int = MOST_BYTES
    ) -> None:
        super().__init__(most_bytes)
        self._version = version
        self._soon = soon
        self._of = -1
        self._is_sure = False

    def begin(self) -> int | None:
        """Return the mark of an answer that is to be made from now on; what is kept and old is forgotten.

        None where the database does not say: then nothing is kept.
        """
        if self._is_sure:
            return self._of
        try:
            now = self._version()
        except StorageError:
            return None  # whoever asks is told what is wrong by trying it
        if now != self._of:
            self._clear()
            self._of = now
        return now

    def keep(self, key: bytes, mark: int | None, answer: Answer) -> None:
        """Keep an answer that was made after ``begin`` gave this mark."""
        if answer.status == 200 and mark is not None and mark == self._of:
            self._store(key, mark, answer)

    def get(self, key: bytes) -> bytes | None:
        """Return an answer that the database would still give, or None; called while a request is being read."""
        mark, found = self._answers.get(key, _NOTHING)
        if not found or mark != self.begin():
            return None
        if not self._is_sure:
            self._is_sure = True
            self._soon(self._doubt)
        return found

    def _doubt(self) -> None:
        self._is_sure = False
