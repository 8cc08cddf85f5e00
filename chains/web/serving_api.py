"""Running the HTTP API: the service is put together, served until a signal says stop, and closed in order.

``anchorline serve`` hands in the home that writes, and once more the one that is sealed and anchored beside.
"""

import gc
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from chains.home import Home
from chains.metrics import serving_metrics
from chains.scheduling import Scheduler
from chains.web.api import OPERATIONS, Api
from chains.web.pages.table import PAGES
from chains.web.service import Service
from chains.web.serving import serve

if TYPE_CHECKING:
    from chains.tracing import Traces

# The event loop and the threads beside it share one interpreter: whoever waits for it should not wait for the 5 ms that
# Python leaves to a thread that computes, or every request does so several times.
SWITCH_INTERVAL_S = 0.0001
COLLECTED_OBJECTS = 20_000
"""New objects before the collector looks for cycles: a group of requests in flight is no garbage."""


def serve_api(
    home: Home,
    listening: socket.socket,
    report: Callable[[str], None],
    metrics: tuple[str, int] | None = None,
    anchoring: Home | None = None,
    traces: "Traces | None" = None,
) -> None:
    """Run the HTTP API until SIGINT or SIGTERM; what was taken then is committed and answered.

    ``home`` is used by the thread of the group commit alone; reading threads open the folder for themselves.
    ``anchoring`` is the same home opened once more: it is sealed and anchored beside, while this process has the lease.
    ``metrics`` is where they are served to whoever asks, beside the API's own ``/metrics``, which wants a key.
    With ``traces`` every request is a span, so none takes a shortcut past the application.
    """
    if traces is not None:
        report = traces.report(report)
    service = Service(home, report, None if anchoring is None else lambda: anchoring.source.tip().height, traces)
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
