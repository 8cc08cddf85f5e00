"""Traces: a span for each request, group commit, job and question to Bitcoin, linked; nothing without the option."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from chains.access import Role, Visibility
from chains.home import Home
from chains.scheduling import Scheduler
from chains.tracing import Traces
from chains.web.api import OPERATIONS, Api
from chains.web.asgi import Message, Scope
from chains.web.service import Service
from chains.web.tracing import traced
from tests.simulators.api_server import ROOT, make_home
from tests.simulators.store import clear
from tests.waiting import wait_until

CALLER = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"


class Site:
    """A service in this process, whose spans are kept; requests are ASGI messages."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.exporter = InMemorySpanExporter()
        self.traces = Traces(SimpleSpanProcessor(self.exporter))
        self.home = Home.open(make_home(folder))
        acme = self.home.accounts.organisations.create("acme", self.home.clock())
        self.key = self.home.accounts.keys.create(acme, Role.WRITER, "", None, self.home.clock()).token
        chain, _ = self.home.writer.open_chain(
            [clear("x")],
            b"",
            None,
            self.home.clock(),
            note=lambda made: self.home.accounts.sharing.own(made, acme, Visibility.PUBLIC),
        )
        self.chain = chain.chain_id.hex()
        self.service = Service(self.home, self.traces.report(self.lines.append), traces=self.traces)
        self.app = traced(Api(self.service), OPERATIONS, self.traces)

    def close(self) -> None:
        self.service.close()
        self.home.close()
        self.traces.close()

    async def ask(self, method: str, path: str, body: bytes = b"") -> int:
        """Send one request; return the status."""
        headers = [(b"authorization", f"Bearer {self.key}".encode()), (b"traceparent", CALLER.encode())]
        scope: Scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
        }
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return int(sent[0]["status"])

    def spans(self, name: str) -> list[ReadableSpan]:
        """Return the spans of this name that have ended."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


def test_a_request_is_a_span_below_its_caller_s(site: Site) -> None:
    """It is named by method and route, knows its status, and goes on with the trace of whoever sent it."""
    assert 200 == asyncio.run(site.ask("GET", f"/v1/chains/{site.chain}"))
    assert 404 == asyncio.run(site.ask("GET", "/nothing/here"))
    (found,) = site.spans("GET /v1/chains/{chain}")
    assert found.context is not None
    assert found.parent is not None
    assert ("ab" * 16, "cd" * 8) == (f"{found.context.trace_id:032x}", f"{found.parent.span_id:016x}")
    assert {
        "http.request.method": "GET",
        "http.route": "/v1/chains/{chain}",
        "http.response.status_code": 200,
    } == dict(found.attributes or {})
    (missing,) = site.spans("GET (none)")
    assert 404 == dict(missing.attributes or {})["http.response.status_code"]
    assert "anchorline" == found.resource.attributes["service.name"]


def test_no_span_tells_what_a_request_is_about(site: Site) -> None:
    """Neither chain nor key nor content is in any span."""
    assert 201 == asyncio.run(site.ask("POST", f"/v1/chains/{site.chain}/entries", b"said in confidence"))
    text = "".join(span.to_json() for span in site.exporter.get_finished_spans())
    for hidden in (site.chain, site.key, "confidence"):
        assert hidden not in text


def test_a_group_commit_is_linked_to_the_requests_that_it_commits(site: Site) -> None:
    """One commit may serve many requests: it has a link to each, and each request has exactly one commit."""

    async def post() -> None:
        path = f"/v1/chains/{site.chain}/entries"
        assert [201] * 5 == await asyncio.gather(*(site.ask("POST", path, b"%d" % n) for n in range(5)))

    asyncio.run(post())
    requests = {span.context.span_id for span in site.spans("POST /v1/chains/{chain}/entries") if span.context}
    commits = site.spans("group commit")
    linked = [link.context.span_id for commit in commits for link in commit.links]
    assert 5 == len(linked)
    assert requests == set(linked)
    assert 5 == sum(int(str(dict(commit.attributes or {})["requests"])) for commit in commits)


def test_a_fault_is_an_error_and_its_log_line_has_the_trace(site: Site) -> None:
    """What failed is found from the log line to the trace."""
    site.service.rooms.close()
    assert 500 == asyncio.run(site.ask("GET", f"/v1/chains/{site.chain}"))
    (found,) = site.spans("GET /v1/chains/{chain}")
    assert StatusCode.ERROR == found.status.status_code
    (line,) = (line for line in site.lines if line.startswith("event=fault"))
    assert found.context is not None
    assert f"trace_id={'ab' * 16} span_id={found.context.span_id:016x}" in line


def test_seals_ticks_and_questions_to_bitcoin_are_spans(site: Site) -> None:
    """Below a tick is each question that it asked; below a seal as well."""
    with Home.open(site.home.folder) as anchoring:
        with Scheduler(anchoring, site.lines.append, "test", site.traces) as scheduler:
            wait_until(lambda: site.spans("tick") and site.spans("seal"), lambda: site.lines)
            assert scheduler.standing.fence < 2
        for name in ("seal", "tick"):
            (job,) = site.spans(name)
            assert job.context is not None
            below = [
                span
                for span in site.exporter.get_finished_spans()
                if span.parent is not None and span.parent.span_id == job.context.span_id
            ]
            assert below
            assert all(span.name.startswith("bitcoin ") for span in below)


def test_a_line_outside_of_any_span_is_as_it_was(site: Site) -> None:
    """Without a trace there is no id to add."""
    site.traces.report(site.lines.append)("event=started listen=here")
    assert "event=started listen=here" == site.lines[-1]


def test_without_the_option_nothing_of_it_is_imported() -> None:
    """Serving imports no OpenTelemetry, which need not be installed."""
    code = "import sys, cli, chains.commands.serving, chains.web.serving_api, chains.scheduling; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "chains.web.serving_api" in done.stdout
    assert "opentelemetry" not in done.stdout


def test_without_the_extra_the_option_says_what_is_missing(tmp_path: Path) -> None:
    """A Python without OpenTelemetry refuses --traces with the name of the extra."""
    home = make_home(tmp_path)
    code = (
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"
        f"sys.argv = ['anchorline', 'serve', '--traces', '--listen', '127.0.0.1:0', '--home', {str(home)!r}]\n"
        "from cli import main\n"
        "sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (2, True) == (done.returncode, "install anchorline[otel]" in done.stderr), done.stderr
