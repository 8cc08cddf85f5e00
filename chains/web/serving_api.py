"""Running the HTTP API: the service is put together, served until a signal says stop, and closed in order.

``anchorline serve`` hands in the home that writes, and what runs beside (the scheduler).
"""

import socket
from collections.abc import Callable

from chains.home import Home
from chains.web.api import Api
from chains.web.service import Service
from chains.web.serving import serve


def serve_api(home: Home, listening: socket.socket, report: Callable[[str], None]) -> None:
    """Run the HTTP API until SIGINT or SIGTERM; what was taken then is committed and answered.

    ``home`` is used by the thread of the group commit alone; reading threads open the folder for themselves.
    """
    service = Service(home, report)
    try:
        serve(Api(service), listening, report)
    finally:
        service.close()
