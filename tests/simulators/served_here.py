"""A service on a real socket in this process, on a thread of its own: over a home whose Bitcoin is the test's.

A browser asks it. ``tests/simulators/api_server.py`` has one in a process of its own, which needs a Bitcoin of its own.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from chains.home import Home
from chains.web.api import Api
from chains.web.connection import Connection
from chains.web.service import Service
from chains.web.serving import listening_socket
from tests.waiting import wait_until


@contextmanager
def served_here(home: Home, tip_height: int) -> Iterator[str]:
    """Serve a home that saw the best chain at a height; yield the address. Its log lines must not tell of a fault."""
    lines: list[str] = []
    service = Service(home, lines.append, lambda: tip_height)
    service.report("event=done job=tick")
    api = Api(service)
    config = uvicorn.Config(
        api,
        http=type("ServedConnection", (Connection,), {"shortcuts": api.shortcuts}),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
    )
    server = uvicorn.Server(config)
    listening = listening_socket("127.0.0.1:0")
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        wait_until(lambda: server.started, lambda: lines)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
        service.close()
    assert [] == [line for line in lines if line.startswith(("event=fault", "event=failed"))]
