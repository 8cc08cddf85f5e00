"""(f) The calendar under load: POST /digest from 10 to 1,000 keep-alive clients, every answer behind a durable commit.

The server is ``anchorline calendar`` in a process of its own on a fresh home, as an operator runs it; the clients are
one asyncio process here. There is no reference in the same seconds: the reference server answers on a tick.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import uvloop

from benchmarks.measuring import temporary_folder

CLIENTS = (10, 100, 500, 1_000)
WARM_S, MEASURED_S = 1.0, 5.0
_HEAD = (
    b"POST /digest HTTP/1.1\r\nHost: calendar\r\nAccept: application/vnd.opentimestamps.v1\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 32\r\n\r\n"
)


@contextmanager
def calendar_server(folder: Path) -> Iterator[tuple[int, int]]:
    """Run a calendar on a fresh home; give its port and its process id."""
    run = [sys.executable, "-m", "cli"]
    home = ["--home", str(folder / "home")]
    subprocess.run([*run, "init", "--embedded", "--origin", "bench.example", *home], check=True, capture_output=True)
    where = ["--listen", "127.0.0.1:0", "--uri", "http://127.0.0.1", "--network-not-in-file"]
    server = subprocess.Popen([*run, "calendar", *where, *home], stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    line = next(line for line in server.stderr if line.startswith("event=started"))
    try:
        yield int(line.rsplit(":", 1)[1]), server.pid
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)


async def one_client(port: int, begin_s: float, end_s: float, took_s: list[float]) -> None:
    """Post until the end, one request after the other; note how long each took that began in the measured time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (start_s := time.perf_counter()) < end_s:
        writer.write(_HEAD + os.urandom(32))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"expected 200, got {head[:200]!r}")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        if start_s >= begin_s:
            took_s.append(time.perf_counter() - start_s)
    writer.close()


async def load(port: int, clients: int) -> list[float]:
    """Let so many clients post at the same time; return how long each answer took."""
    took_s: list[float] = []
    begin_s = time.perf_counter() + WARM_S
    await asyncio.gather(*(one_client(port, begin_s, begin_s + MEASURED_S, took_s) for _ in range(clients)))
    return sorted(took_s)


def cpu_s(process_id: int) -> float:
    """Return the CPU time of a running process so far."""
    times = psutil.Process(process_id).cpu_times()
    return float(times.user + times.system)


def main() -> None:
    """Print rate and times for each number of clients."""
    print(f"(f) POST /digest, {MEASURED_S:g} s each, every answer durable; server and clients share the machine")
    for clients in CLIENTS:
        with temporary_folder() as folder, calendar_server(folder) as (port, process_id):
            before_s = cpu_s(process_id)
            took_s = uvloop.run(load(port, clients))
            used_s = (cpu_s(process_id) - before_s) * MEASURED_S / (MEASURED_S + WARM_S)
        p50, p99 = (took_s[int(len(took_s) * part)] * 1000 for part in (0.5, 0.99))
        print(
            f"  {clients:5} clients  {len(took_s) / MEASURED_S:8,.0f} answers/s   p50 {p50:7.1f} ms   p99 {p99:7.1f} ms"
            f"   {used_s / len(took_s) * 1000:.2f} ms of CPU an answer"
        )


if __name__ == "__main__":
    main()
