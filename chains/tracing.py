"""Traces by OpenTelemetry: spans of requests, group commits, seals, ticks and questions to Bitcoin, each linked.

``serve --traces`` and ``daemon --traces`` make a ``Traces`` and hand it to whatever takes time; without the option
neither this file nor OpenTelemetry is imported. Where spans go is said by the standard's own variables (``OTEL_*``).
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from anchor.bitcoin.protocols import Source


class Traces:
    """What makes spans and hands them to ``processor``; ``close`` it, so that the last ones leave."""

    def __init__(self, processor: SpanProcessor) -> None:
        named = {"service.name": os.environ.get("OTEL_SERVICE_NAME", "anchorline")}
        self._provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("anchorline", version("anchorline"))

    @classmethod
    def exported(cls) -> "Traces":
        """Return what sends spans by OTLP over HTTP, where ``OTEL_EXPORTER_OTLP_ENDPOINT`` says."""
        return cls(BatchSpanProcessor(OTLPSpanExporter()))

    def close(self) -> None:
        """Send what waits, and send no more."""
        self._provider.shutdown()

    # --- requests and commits

    @contextmanager
    def request(self, method: str, route: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """Have a request be a span below the caller's (W3C Trace Context); ``chains.web.tracing`` says how it ended.

        It is named by the route: paths hold names of chains, and nothing of a request's content is in a span.
        """
        above = TraceContextTextMapPropagator().extract(headers)
        said = {"http.request.method": method, "http.route": route}
        with self._tracer.start_as_current_span(f"{method} {route}", above, SpanKind.SERVER, said) as span:
            yield span

    @staticmethod
    def here() -> SpanContext:
        """Return the span that this thread or task is in, for a link to it."""
        return get_current_span().get_span_context()

    @contextmanager
    def commit(self, requests: Iterable[SpanContext | None]) -> Iterator[None]:
        """Have a group commit be a span that is linked to the requests whose work it commits."""
        links = [Link(each) for each in requests if each is not None and each.is_valid]
        with self._tracer.start_as_current_span("group commit", links=links, attributes={"requests": len(links)}):
            yield

    # --- what runs beside

    def job(self, name: str, work: Callable[[], object]) -> Callable[[], object]:
        """Return a job of the scheduler with a span for each run; what it asks of Bitcoin is below it."""

        def traced() -> object:
            with self._tracer.start_as_current_span(name):
                return work()

        return traced

    def source(self, name: str, source: Source) -> Source:
        """Return a Bitcoin source each question to which is a span."""
        return _TracedSource(urlsplit(name).hostname or name, source, self._question)

    @contextmanager
    def _question(self, method: str, where: str) -> Iterator[None]:
        with self._tracer.start_as_current_span(f"bitcoin {method}", None, SpanKind.CLIENT, {"server.address": where}):
            yield

    def report(self, report: Callable[[str], None]) -> Callable[[str], None]:
        """Return what reports lines with the id of the trace that they are about, where there is one."""

        def traced(line: str) -> None:
            found = self.here()
            named = line.startswith("event=") and found.is_valid
            report(f"{line} trace_id={found.trace_id:032x} span_id={found.span_id:016x}" if named else line)

        return traced


class _TracedSource:
    """Whatever a source has; its methods are timed."""

    def __init__(self, where: str, source: Source, question: Callable[[str, str], Any]) -> None:
        self._where = where
        self._source = source
        self._question = question

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._source, name)
        if not callable(found):
            return found

        def ask(*arguments: Any, **named: Any) -> Any:
            with self._question(name, self._where):
                return found(*arguments, **named)

        return ask
