"""Running the HTTP API: the service is put together, served until a signal says stop, and closed in order.

``anchorline serve`` hands in the home that writes, and once more the one that is sealed and anchored beside.
"""

import gc
import os
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from chains.home import Home
from chains.metrics import serving_metrics
from chains.scheduling import Scheduler
from chains.web.api import OPERATIONS, Api
from chains.web.commits import Commits, Deliver
from chains.web.commits_beside import COLLECTED_OBJECTS, SWITCH_INTERVAL_S, CommitProcess, CommitsBeside
from chains.web.pages.table import PAGES
from chains.web.service import Service
from chains.web.serving import serve

if TYPE_CHECKING:
    from chains.tracing import Traces


def serve_api(
    home: Home,
    listening: socket.socket,
    report: Callable[[str], None],
    metrics: tuple[str, int] | None = None,
    anchoring: Home | None = None,
    traces: "Traces | None" = None,
    process: CommitProcess | None = None,
) -> None:
    """Run the HTTP API until SIGINT or SIGTERM; what was taken then is committed and answered.

    ``home`` is used by the thread of the group commit alone; reading threads open the folder for themselves.
    ``anchoring`` is the same home opened once more: it is sealed and anchored beside, while this process has the lease.
    ``metrics`` is where they are served to whoever asks, beside the API's own ``/metrics``, which wants a key.
    With ``traces`` every request is a span, so none takes a shortcut past the application. ``process`` commits entries,
    if not this one; where it ends by itself, so does this one.
    """
    if traces is not None:
        report = traces.report(report)
    tip_height = None if anchoring is None else lambda: anchoring.source.tip().height
    service = Service(home, report, tip_height, traces, None if process is None else _beside(home, process, report))
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    # What is there now stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_OBJECTS)
    try:
        with ExitStack() as stack:
            if metrics is not None:
                port = stack.enter_context(serving_metrics(service.registry, *metrics))
                service.report(f"event=metrics listen={metrics[0]}:{port}")
            if anchoring is not None:
                stack.enter_context(Scheduler(anchoring, service.report, "serve", traces))
            api = Api(service)
            if traces is None:
                serve(api, listening, service.report, api.shortcuts)
            else:
                from chains.web.tracing import traced

                serve(traced(api, (*OPERATIONS, *PAGES), traces), listening, service.report)
    finally:
        service.close()


def _beside(home: Home, process: CommitProcess, report: Callable[[str], None]) -> Callable[[Deliver], Commits]:
    """Have the process begin, and return what makes this one's end of it."""
    # What whoever writes does first is done before the other process opens the home, and does nothing of it.
    home.finish_erasures()
    home.check_in_step()
    process.begin()

    def lost() -> None:
        report("event=failed job=commit error=ProcessLostError message='the process that commits ended; so does this'")
        # Whether what it had was kept is not known, so nobody is told anything: as if both had been killed.
        os._exit(1)

    process.watch(lost)
    return lambda deliver: CommitsBeside(process, deliver, lost)
