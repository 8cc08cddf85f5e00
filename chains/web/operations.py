"""Operations: the table of everything that the HTTP API does, from which it is routed, checked and documented.

The modules ``api_*`` list their operations; ``chains.web.api`` routes by this table and ``chains.web.openapi`` writes
the OpenAPI document from it, so that the three cannot differ.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_to_bytes

from chains.web.asgi import Answer, Stream
from chains.web.problems import ProblemError
from chains.web.requests import Request


class In(StrEnum):
    """Where a parameter stands."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its form as a pattern, or as a range of whole numbers (``least`` to ``most``)."""

    name: str
    about: str
    pattern: str = ""
    place: In = In.QUERY
    is_required: bool = False
    least: int | None = None
    most: int = 2**62

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON schema."""
        if self.least is not None:
            return {"type": "integer", "format": "int64", "minimum": self.least, "maximum": self.most}
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}

    def check(self, value: str) -> str:
        """Return the value; raise ProblemError where it is not of its form."""
        if self.least is not None:
            is_good = re.fullmatch(r"[0-9]{1,19}", value) is not None and self.least <= int(value) <= self.most
            wanted = f"a whole number from {self.least} to {self.most}"
        else:
            is_good = re.fullmatch(self.pattern, value, re.DOTALL) is not None
            wanted = f"the form {self.pattern}"
        if not is_good:
            code = "not-found" if self.place is In.PATH else "parameter-malformed"
            raise ProblemError(code, f"{self.name}: expected {wanted}, got {value[:80]!r}")
        return value


@dataclass(frozen=True, slots=True)
class Body:
    """What a request may carry: media types with their schemas (a type, or a JSON schema), and at most how much."""

    media_types: Mapping[str, Any]
    most_bytes: int
    about: str
    takes_gzip: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """What an answer looks like: its media types with their schemas, in words, and headers worth knowing."""

    about: str
    media_types: Mapping[str, Any] = field(default_factory=dict)
    headers: tuple[str, ...] = ()


Run = Callable[[Any, Request], Answer]
ReadBody = Callable[[int], Awaitable[bytes]]
"""Reads the body of a request, at most so many bytes."""
RunAsync = Callable[[Any, Request, ReadBody], Awaitable[Answer | Stream]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked. ``run`` reads, on a reading thread; ``run_async`` is run by the event loop.

    ``problems`` are the codes that it may answer with, besides those of every operation. ``is_everybodys``: nothing
    of the answer depends on who asks, now or later, so that it may be kept. ``is_of_database``: what it answers to a
    stranger comes of the request and the database alone, so that it may be kept until anything is committed.
    ``is_page``: it is for people, and no part of the documented API. ``is_change``: ``run`` changes accounts, and has a
    thread of its own, so that it holds up no reader while it waits for the database.
    """

    name: str
    method: str
    path: str
    about: str
    group: str
    answers: Mapping[int, Shape]
    problems: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    run: Run | None = None
    run_async: RunAsync | None = None
    needs_key: bool = False
    has_etag: bool = True
    is_everybodys: bool = False
    is_of_database: bool = False
    is_page: bool = False
    is_change: bool = False


class Router:
    """Finds the operation of a method and a path; parts of a path are decoded one by one, so none can add a slash."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._root: dict[str, Any] = {}
        self.operations = tuple(operations)
        for operation in self.operations:
            node = self._root
            for part in operation.path.split("/")[1:] if operation.path != "/" else ():
                node = node.setdefault(_place_of(part), {})
            methods = node.setdefault("", {})
            assert operation.method not in methods, operation.path
            methods[operation.method] = operation

    def find(self, raw_path: bytes) -> tuple[dict[str, Operation], list[str]]:
        """Return the operations of a path by their methods, and the values of its variable parts in order.

        What is named in full goes before what takes the rest of a path, such as a tile's.
        Raises ProblemError (not-found) where there are none.
        """
        node, values = self._root, list[str]()
        rest: tuple[dict[str, Any], list[str]] = {}, []
        parts = raw_path.split(b"/")[1:] if raw_path != b"/" else []
        for number, part in enumerate(parts):
            literal = part.decode("latin-1")
            if "{*}" in node:
                rest = node["{*}"], [*values, b"/".join(parts[number:]).decode("latin-1")]
            if literal in node and literal:
                node = node[literal]
            elif "{}" in node:
                values.append(_decoded(part))
                node = node["{}"]
            else:
                node = {}
                break
        if not node.get(""):
            node, values = rest
        found: dict[str, Operation] = node.get("", {})
        if not found:
            raise ProblemError("not-found", "Nothing is here; GET /v1/openapi.json says what there is")
        return found, values


def path_parameters(path: str) -> list[str]:
    """Return the names of the variable parts of a path, in order."""
    return re.findall(r"\{([a-z_]+)\}", path)


def _place_of(part: str) -> str:
    if part in {"{tile_path}", "{proofs_path}", "{stamps_path}"}:
        return "{*}"
    return "{}" if part.startswith("{") else part


def _decoded(part: bytes) -> str:
    try:
        return unquote_to_bytes(part).decode("utf-8")
    except UnicodeDecodeError:
        raise ProblemError("not-found", "Nothing is here: the path is not UTF-8") from None
