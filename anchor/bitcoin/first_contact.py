"""Who is at the other end of a connection is asked before anything else is, and again after every new connection.

``core_rpc`` and ``esplora`` say how their server is recognised (by its genesis block); ``json_rpc`` and
``http_retry`` put every request through here. A node that was swapped for another is so never asked, or told, anything.
"""

from collections.abc import Callable, Mapping
from threading import RLock
from typing import Any, TypeVar

_Answer = TypeVar("_Answer")

# httpcore's name for the event before a connection is opened (its documentation, "Request extensions: trace").
_CONNECTING = "connection.connect_tcp.started"


class _NewConnectionError(Exception):
    """A question would go over a new connection; raised before that is opened, caught here."""


class FirstContact:
    """Recognises a server before each question that would be the first one over a connection.

    ``recognise`` asks the server who it is, through ``ask``, and raises where it is not who it should be; then every
    later question asks again. A server that closes the connection after each answer is recognised before each
    question. Questions are asked one at a time, from whatever thread.
    """

    def __init__(self, recognise: Callable[[], None] = lambda: None) -> None:
        self._recognise = recognise
        self._is_recognised = False
        self._may_connect = False
        self._lock = RLock()

    @property
    def extensions(self) -> Mapping[str, Any]:
        """What every request must carry (httpx: ``extensions``), so that new connections are noticed."""
        return {"trace": self._trace}

    def recognise(self) -> None:
        """Ask the server who it is, now; raise what ``recognise`` raises."""
        with self._lock:
            self._is_recognised, before, self._may_connect = False, self._may_connect, True
            try:
                self._recognise()
            finally:
                self._may_connect = before
            self._is_recognised = True

    def lose(self) -> None:
        """Note that a connection failed: whoever answers next may be somebody else."""
        self._is_recognised = False

    def ask(self, question: Callable[[], _Answer]) -> _Answer:
        """Return the answer to a question, which may be asked twice; raise what it or ``recognise`` raises."""
        with self._lock:
            if self._may_connect:  # the question of ``recognise`` itself
                return question()
            if self._is_recognised:
                try:
                    return question()
                except _NewConnectionError:
                    self._is_recognised = False  # and nothing was asked yet
            self.recognise()
            self._may_connect = True
            try:
                return question()
            finally:
                self._may_connect = False

    def _trace(self, event: str, _: Mapping[str, Any]) -> None:
        if event == _CONNECTING and not self._may_connect:
            raise _NewConnectionError
