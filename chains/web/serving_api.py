"""Running the HTTP API: the service is put together, served until a signal says stop, and closed in order.

``anchorline serve`` hands in the home that writes, and what runs beside (the scheduler).
"""

import socket
from collections.abc import Callable
from contextlib import ExitStack

from chains.home import Home
from chains.metrics import serving_metrics
from chains.web.api import Api
from chains.web.service import Service
from chains.web.serving import serve


def serve_api(
    home: Home, listening: socket.socket, report: Callable[[str], None], metrics: tuple[str, int] | None = None
) -> None:
    """Run the HTTP API until SIGINT or SIGTERM; what was taken then is committed and answered.

    ``home`` is used by the thread of the group commit alone; reading threads open the folder for themselves.
    ``metrics`` is where they are served to whoever asks, beside the API's own ``/metrics``, which wants a key.
    """
    service = Service(home, report)
    try:
        with ExitStack() as stack:
            if metrics is not None:
                port = stack.enter_context(serving_metrics(service.registry, *metrics))
                service.report(f"event=metrics listen={metrics[0]}:{port}")
            serve(Api(service), listening, service.report)
    finally:
        service.close()
