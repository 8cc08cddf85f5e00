# SPDX-License-Identifier: Apache-2.0
"""Listening to a service: the stream of events read piece by piece, and when to connect again; nothing here sends.

Bytes come from ``Client.events`` and ``AsyncClient.events``, which own the connection. An event is the service's word
and a hint to look: what it says is proved by a receipt.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from anchor.proof import strictjson
from anchor.proof.codec import HASH_SIZE
from anchor.proof.errors import MalformedError
from anchor.proof.strictjson import Fields
from chains.client.core import Settings, problem_of
from chains.client.errors import UnreachableError, UntrueAnswerError, Untruth
from chains.client.exchange import Call, Exchange, Reply, Unreached
from chains.client.pace import is_answer, pause_s, retry_after_s

_MOST_EVENT = 64 * 1024
_MOST_NUMBER = 10**18
_MOST_ID_DIGITS = 18


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """What happened: ``news`` is sealed, anchored, final, reorged or failed; ``facts`` as docs/spec/webhooks.md says.

    ``number`` is what to go on after.
    """

    number: int
    news: str
    timestamp: str
    facts: dict[str, Any] = field(hash=False)


class Listening:
    """One listener: what was heard last, and how long nothing came. ``log_id`` is the pinned log's."""

    def __init__(self, settings: Settings, log_id: bytes, chain: bytes | str | None, after: int | None) -> None:
        self._settings = settings
        self._log_id = log_id
        self._chain = chain.hex() if isinstance(chain, bytes) else chain
        self._after = after
        self._rest = b""
        self._attempt = 0
        self._since_s = settings.monotonic_s()

    def query(self) -> dict[str, str]:
        """Return what the next connection asks for; a cut piece of an event is forgotten."""
        self._rest = b""
        given = {"chain": self._chain, "after": None if self._after is None else str(self._after)}
        return {name: value for name, value in given.items() if value is not None}

    def take(self, piece: bytes) -> Iterator[SeenEvent]:
        """Yield the events that a piece completes; raise UntrueAnswerError for what is none of this log."""
        self._attempt, self._since_s = 0, self._settings.monotonic_s()
        *blocks, self._rest = (self._rest + piece).split(b"\n\n")
        if len(self._rest) > _MOST_EVENT:
            raise self._untrue(self._rest[:1000], f"an event of more than {_MOST_EVENT} bytes")
        for block in blocks:
            lines = dict(line.partition(b": ")[::2] for line in block.split(b"\n") if not line.startswith(b":"))
            if b"data" in lines:
                event = self._event(lines, block)
                self._after = event.number
                yield event
            elif b"id" in lines and self._after is None:
                self._after = self._place(lines[b"id"], block)

    def pause_s(self, came: Reply | Unreached | None) -> float:
        """Return how long to wait before connecting again; ``came`` is why it ended, None: it ended by itself.

        Raises ProblemAnswerError where the service says no, UnreachableError after as many attempts as ``patience``
        has.
        """
        if isinstance(came, Reply) and is_answer(came):
            raise problem_of(came)
        self._attempt += 1
        spent_s = self._settings.monotonic_s() - self._since_s
        why = came or Unreached("the stream ended")
        span_s = pause_s(self._settings.patience, self._attempt, spent_s, why, self._settings.chance())
        if span_s is None:
            raise UnreachableError(
                f"GET /v1/events: nothing came after {self._attempt} attempts: {why}",
                why.status if isinstance(why, Reply) else None,
                retry_after_s(why),
            )
        return span_s

    def _event(self, lines: dict[bytes, bytes], block: bytes) -> SeenEvent:
        try:
            fields = Fields(strictjson.loads(lines[b"data"], "event", _MOST_EVENT), "event")
            facts = Fields(fields.take("data"), "event.data")
            number, log_id = facts.integer("event"), facts.hex("log_id", exact=HASH_SIZE)
            found = SeenEvent(
                number, fields.text("type").removeprefix("checkpoint."), fields.text("timestamp"), facts.rest()
            )
        except MalformedError as error:
            raise self._untrue(block, str(error)) from error
        if log_id != self._log_id:
            raise self._untrue(block, f"an event of log {log_id.hex()}", Untruth.ANOTHER_LOG)
        if lines.get(b"id") != str(number).encode() or number > _MOST_NUMBER:
            raise self._untrue(block, f"event {number} has another id: {lines.get(b'id', b'')[:40]!r}")
        return found

    def _place(self, text: bytes, block: bytes) -> int:
        """Return where the stream begins, as the service says before there is any event."""
        if not text.isdigit() or len(text) > _MOST_ID_DIGITS:
            raise self._untrue(block, f"the stream begins at {text[:40]!r}, expected a number")
        return int(text)

    def _untrue(self, said: bytes, message: str, untruth: Untruth = Untruth.ANSWER_MALFORMED) -> UntrueAnswerError:
        return UntrueAnswerError(untruth, message, Exchange(CALL, Reply(200, {}, said)))


CALL = Call("GET", "/v1/events")
"""The head of every connection of a listener."""
