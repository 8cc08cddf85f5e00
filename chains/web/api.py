"""The HTTP API as an ASGI application: a request is routed by the table of operations, read within limits, answered.

Messages come from uvicorn; what an operation does is in the modules ``api_*``. Every answer that is not one of an
operation's own is a problem document.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import parse_qsl

from anchor.proof.errors import AnchorlineError
from chains.shares import without_secret
from chains.web import (
    api_about,
    api_access,
    api_chains,
    api_entries,
    api_erasing,
    api_events,
    api_grants,
    api_keys,
    api_life,
    api_log,
    api_policies,
    api_readers,
    api_search,
    api_shares,
    api_verify,
    api_webhooks,
    api_writing,
)
from chains.web.answers import entity_tag, is_unchanged
from chains.web.asgi import (
    Answer,
    BodyRefusedError,
    Fault,
    Header,
    Receive,
    Scope,
    Send,
    Stream,
    header,
    media_type_of,
    preflight,
    send_answer,
    send_stream,
    take_body,
)
from chains.web.kept_answers import KeptAnswers, StrangersAnswers
from chains.web.limits import BODY_TIMEOUT_S
from chains.web.openapi import document_of
from chains.web.operations import In, Operation, Router, path_parameters
from chains.web.pages.errors import error_page, wants_page
from chains.web.pages.page import closed
from chains.web.pages.rendering import Shell, shell_of
from chains.web.pages.table import PAGES
from chains.web.pages.visitors import recognised
from chains.web.problems import ProblemError, problem_answer, problem_of
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.service import Service
from chains.web.shortcuts import ApiShortcuts, strangers_key

OPERATIONS: tuple[Operation, ...] = (
    *api_writing.OPERATIONS,
    *api_chains.OPERATIONS,
    *api_policies.OPERATIONS,
    *api_entries.OPERATIONS,
    *api_readers.OPERATIONS,
    *api_search.OPERATIONS,
    *api_log.OPERATIONS,
    *api_events.OPERATIONS,
    *api_access.OPERATIONS,
    *api_keys.OPERATIONS,
    *api_grants.OPERATIONS,
    *api_shares.OPERATIONS,
    *api_erasing.OPERATIONS,
    *api_life.OPERATIONS,
    *api_webhooks.OPERATIONS,
    *api_verify.OPERATIONS,
    *api_about.OPERATIONS,
)
MAX_QUERY = 8_192
_MAX_PARAMETERS = 32
_FAULTS = {Fault.TOO_LONG: "body-too-large", Fault.TOO_SLOW: "too-slow"}


class Api:
    """The application; one for each process."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._router = Router((*OPERATIONS, *PAGES))
        self._kept = KeptAnswers()
        self._strangers = StrangersAnswers(service.changes.version, _in_the_next_turn)
        self.shortcuts = ApiShortcuts(service, self._kept, self._strangers, self._failed)
        service.document = document_of(OPERATIONS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3.0); other kinds of connections are refused by raising, as the standard says."""
        if scope["type"] != "http":
            raise NotImplementedError(f"expected HTTP, got {scope['type']}")
        try:
            answer: Answer | Stream = await self._answer(scope, receive)
        except Exception as error:  # noqa: BLE001  # a fault in one request must not end the connection without an answer
            problem = self._problem(scope["path"], error)
            answer = await self._error_page(scope, problem) if wants_page(scope) else problem_answer(problem)
        if isinstance(answer, Stream):
            await send_stream(scope, receive, send, answer)
        else:
            await send_answer(scope, send, answer)

    def _failed(self, path: str, error: Exception) -> Answer:
        """Return the answer to a request that failed; tell the operator what is his to know."""
        return problem_answer(self._problem(path, error))

    def _problem(self, path: str, error: Exception) -> ProblemError:
        if isinstance(error, ProblemError):
            return error
        if not isinstance(error, AnchorlineError):
            self._service.report(
                f"event=fault path={without_secret(path)[:80]!r} error={type(error).__name__} {str(error)!r}"
            )
            return ProblemError("internal-error")
        problem = problem_of(error)
        if problem.code in {"storage-failed", "not-possible-now", "clock-wrong"}:
            self._service.report(
                f"event=failed path={without_secret(path)[:80]!r} error={type(error).__name__} message={str(error)!r}"
            )
        return problem

    async def _error_page(self, scope: Scope, problem: ProblemError) -> Answer:
        """Return the page that tells a problem; with nothing around it where even that cannot be found out now."""
        request = Request(scope["method"], scope["path"], tuple(scope["headers"]), b"", self._service.clock())
        try:
            shell = await self._service.rooms.ask(lambda room: shell_of(room, recognised(room, request)))
        except (ProblemError, AnchorlineError):
            shell = Shell()
        return error_page(shell, problem)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | Stream:
        operations, values = self._router.find(scope["raw_path"])
        method = scope["method"]
        if method == "OPTIONS":
            return _preflight(operations)
        operation = operations.get("GET" if method == "HEAD" else method)
        if operation is None:
            allowed = ", ".join(_methods(operations)).encode()
            raise ProblemError("method-not-allowed", f"Allowed here: {allowed.decode()}", (b"allow", allowed))
        request = self._read_head(operation, scope, values)
        may_keep = method == "GET" and operation.is_of_database and request.header(b"authorization") is None
        mark = self._strangers.begin() if may_keep else None
        answer = await self._run(operation, request, scope, receive)
        if isinstance(answer, Stream) or operation.method != "GET" or not operation.has_etag:
            return answer
        answer = _tagged(answer)
        query = scope["query_string"]
        url = scope["raw_path"] + (b"?" + query if query else b"")
        if may_keep:
            self._strangers.keep(strangers_key(url, request.header(b"accept")), mark, answer)
        elif method == "GET" and operation.is_everybodys:
            self._kept.keep(url, answer)
        return _conditional(request, answer)

    def _read_head(self, operation: Operation, scope: Scope, values: list[str]) -> Request:
        headers = tuple(scope["headers"])
        request = Request(scope["method"], scope["path"], headers, b"", self._service.clock())
        arguments = dict(zip(path_parameters(operation.path), values, strict=True))
        arguments |= _query(operation, scope["query_string"])
        for parameter in operation.parameters:
            if parameter.place is In.HEADER:
                value = request.all_headers(parameter.name.lower().encode())
                if value is not None:
                    arguments[parameter.name] = value.decode("latin-1")
            if parameter.name in arguments:
                parameter.check(arguments[parameter.name])
            elif parameter.is_required:
                raise ProblemError("parameter-malformed", f"{parameter.name}: expected it, got none")
        return request.with_arguments(arguments)

    async def _run(self, operation: Operation, request: Request, scope: Scope, receive: Receive) -> Answer | Stream:
        if operation.run_async is not None:
            return await operation.run_async(self._service, request, _reading(scope, receive))
        if operation.body is not None:
            _check_media_type(operation, request)
            request = request.with_body(await _reading(scope, receive)(operation.body.most_bytes))
        run = operation.run
        assert run is not None
        rooms = self._service.office if operation.is_change else self._service.rooms
        known = recognised if operation.is_page else Room.authenticated
        return await rooms.ask(lambda room: run(room, known(room, request)))


def _in_the_next_turn(call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(call)


def _reading(scope: Scope, receive: Receive) -> Callable[[int], Awaitable[bytes]]:
    async def read(most_bytes: int) -> bytes:
        try:
            return await take_body(scope, receive, most_bytes, BODY_TIMEOUT_S)
        except BodyRefusedError as refused:
            raise ProblemError(_FAULTS.get(refused.fault, "bad-request"), str(refused), *refused.headers) from None

    return read


def _check_media_type(operation: Operation, request: Request) -> None:
    assert operation.body is not None
    found = media_type_of(request.header(b"content-type"))
    if found not in operation.body.media_types:
        wanted = " or ".join(operation.body.media_types)
        raise ProblemError("media-type-unsupported", f"expected a body of {wanted}, got {found[:80]!r}")


def _query(operation: Operation, query: bytes) -> dict[str, str]:
    """Return the query's parameters; unknown ones and ones that come twice are refused, so that none is ignored."""
    if len(query) > MAX_QUERY:
        raise ProblemError("parameter-malformed", f"expected a query of at most {MAX_QUERY} bytes, got {len(query)}")
    known = {parameter.name for parameter in operation.parameters if parameter.place is In.QUERY}
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS
        )
    except ValueError as error:
        raise ProblemError("parameter-malformed", f"the query cannot be read: {error}") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known or name in found:
            raise ProblemError(
                "parameter-malformed", f"expected each of {sorted(known)} at most once, got {name[:80]!r}"
            )
        found[name] = value
    return found


def _methods(operations: dict[str, Operation]) -> list[str]:
    found = list(operations)
    return [*found, *(["HEAD"] if "GET" in found else []), "OPTIONS"]


def _preflight(operations: dict[str, Operation]) -> Answer:
    """Return what scripts of other origins may do: read, and have a receipt verified; never write, nor read pages."""
    if any(operation.is_page for operation in operations.values()):
        return closed(preflight(_methods(operations), ()))
    without_key = {name: operation for name, operation in operations.items() if not operation.needs_key}
    return preflight(_methods(operations), _methods(without_key))


def _tagged(answer: Answer) -> Answer:
    """Return the answer with its entity tag, and not to be kept by others unless it says so."""
    if answer.status != 200:
        return answer
    headers: tuple[Header, ...] = (*answer.headers, (b"etag", entity_tag(answer.body)))
    if header(headers, b"cache-control") is None:
        headers = (*headers, (b"cache-control", b"private, no-cache"))
    return replace(answer, headers=headers)


def _conditional(request: Request, answer: Answer) -> Answer:
    """Return 304 where the client has the answer (RFC 9110 section 13.2.2)."""
    tag = header(answer.headers, b"etag") or b""
    if answer.status == 200 and is_unchanged(request.header(b"if-none-match"), tag):
        return replace(answer, status=304, body=b"")
    return answer
