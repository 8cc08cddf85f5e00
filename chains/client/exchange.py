# SPDX-License-Identifier: Apache-2.0
"""What goes over the wire, as values: calls and replies, and the pauses between them; nothing here sends.

The operations (``chains.client.core``) are generators of steps; ``chains.client.blocking`` and
``chains.client.asynchronous`` carry each step out and send back what came of it.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlencode

SMALL_BYTES = 64 * 1024
"""Answers that hold no list and no content."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``path`` is percent-encoded, with its query; ``most_bytes`` bounds the body of the answer.

    ``is_public``: it needs no API key, and is sent without.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    most_bytes: int = SMALL_BYTES
    is_public: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; header names in lower case. ``is_cut``: there was more than the call takes."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Unreached:
    """No answer came; whether the request took effect is not known."""

    why: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so long before the next step."""

    span_s: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call with its answer: what evidence is made of."""

    call: Call
    reply: Reply


Step = Call | Pause
Came = Reply | Unreached | None
"""What came of a step: of a pause nothing."""
T = TypeVar("T")
Place = TypeVar("Place")
Task = Generator[Step, Came, T]
"""An operation: it yields steps, is sent what came of each, and returns what the caller asked for."""
Page = tuple[list[T], Place | None]
"""A page of a list, and the place of the next one; None: it was the last."""


def with_query(path: str, **arguments: str | None) -> str:
    """Return a path with its query; arguments that are None are left out."""
    given = {name: value for name, value in arguments.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path
