"""An ASGI application each of whose requests is a span, named by its route in the table of operations.

``chains.web.serving_api`` wraps the HTTP API in it where traces are wanted (``chains.tracing``).
"""

from collections.abc import Iterable

from opentelemetry.trace import Span, Status, StatusCode

from chains.tracing import Traces
from chains.web.asgi import Message, Receive, Scope, Send
from chains.web.operations import Operation, Router
from chains.web.problems import ProblemError
from chains.web.serving import App

_SERVER_ERROR = 500


def traced(app: App, operations: Iterable[Operation], traces: Traces) -> App:
    """Return the application with a span for each request; the route of one that there is not is "(none)"."""
    router = Router(operations)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with traces.request(scope["method"], _route(router, scope), headers) as span:
            await app(scope, receive, _noting(span, send))

    return answer


def _route(router: Router, scope: Scope) -> str:
    try:
        operations, _ = router.find(scope["raw_path"])
    except ProblemError:
        return "(none)"
    return next(iter(operations.values())).path


def _noting(span: Span, send: Send) -> Send:
    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            span.set_attribute("http.response.status_code", message["status"])
            if message["status"] >= _SERVER_ERROR:
                span.set_status(Status(StatusCode.ERROR))
        await send(message)

    return noting
