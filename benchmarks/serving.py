"""(g) The HTTP API under load, against bare servers: batches, single entries, tiles, checkpoints, receipts.

The server is ``anchorline serve`` in a process of its own; the load is ``wrk`` (Debian) on the same machine. By turns
with each round of ours a round of the reference: one ``executemany`` a thousand rows into one table (batches), or a
bare uvloop and httptools server that decodes and hashes only. Each figure is the median of the rounds' ratios.
"""

import base64
import json
import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from anchor.storage.sqlite import CACHE_KIB, PAGE_BYTES
from benchmarks.measuring import ROUNDS, temporary_folder
from tests.simulators.api_server import ROOT, ApiServer, make_home, make_key, run_beside, serving

SECONDS = 3
CONTENT_BYTES = 300
BATCH = 500
TARGETS = {"batch": 0.60, "single": 0.50, "tile": 0.70, "checkpoint": 0.70, "receipt": 0.40}
_LUA = """
local bodies, n = {}, 0
for line in io.lines("%s") do bodies[#bodies + 1] = line:gsub("\\\\n", "\\n") end
wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer %s"
wrk.headers["Content-Type"] = "%s"
request = function() n = n %% #bodies + 1 return wrk.format(nil, nil, nil, bodies[n]) end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What a round of wrk found: answers a second, the median time, and how many were not 2xx."""

    rate: float
    p50_ms: float
    refused: int


def wrk(url: str, connections: int, script: Path | None = None) -> Load:
    """Load a server with so many connections."""
    lua = ["-s", str(script)] if script else []
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", *lua, url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([0-9.]+)", text)[1])  # type: ignore[index]  # wrk always prints it
    number, unit = re.search(r"50%\s+([0-9.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]  # the same
    refused = re.search(r"Non-2xx or 3xx responses: ([0-9]+)", text)
    return Load(rate, float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit], int(refused[1]) if refused else 0)


@contextmanager
def bare(size: int) -> Iterator[str]:
    """Run the bare server; give its address."""
    command = [sys.executable, "-m", "benchmarks.bare_server", str(size)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/"
    finally:
        process.kill()
        process.communicate()


def bodies(folder: Path, key: str, kind: str, lines: list[str]) -> Path:
    """Write a script for wrk that posts these bodies in turn."""
    (folder / "bodies").write_text("\n".join(line.replace("\n", "\\n") for line in lines))
    script = folder / f"post-{len(lines)}.lua"
    script.write_text(_LUA % (folder / "bodies", key, kind))
    return script


def item() -> str:
    """Return one item of a batch, of fresh content."""
    return json.dumps({"content": base64.b64encode(os.urandom(CONTENT_BYTES)).decode()})


def executemany(folder: Path, rows: int) -> float:
    """Return rows a second of one executemany a thousand rows, durable, into one table without further index."""
    path = folder / "bare.db"
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in (
        f"page_size = {PAGE_BYTES}",
        "journal_mode = WAL",
        "synchronous = FULL",
        f"cache_size = -{CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE bare (n INTEGER PRIMARY KEY, entry BLOB, kept BLOB, hash BLOB)")
    stored = [(bytes(71), os.urandom(CONTENT_BYTES + 17), os.urandom(32)) for _ in range(1000)]
    start_s = time.perf_counter()
    for _ in range(0, rows, 1000):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO bare (entry, kept, hash) VALUES (?, ?, ?)", stored)
        connection.execute("COMMIT")
    took_s = time.perf_counter() - start_s
    connection.close()
    for leftover in folder.glob("bare.db*"):
        leftover.unlink()
    return rows / took_s


def compare(name: str, ours: Callable[[], Load], reference: Callable[[], float], each: int = 1) -> None:
    """Print the median ratio of rounds by turns, and what was measured."""
    pairs = [(ours(), reference()) for _ in range(ROUNDS)]
    ratio = statistics.median(load.rate * each / floor for load, floor in pairs)
    rate = statistics.median(load.rate * each for load, _ in pairs)
    floor = statistics.median(found for _, found in pairs)
    p50_ms = statistics.median(load.p50_ms for load, _ in pairs)
    refused = sum(load.refused for load, _ in pairs)
    print(
        f"  {name:11} {rate:9,.0f}/s   reference {floor:9,.0f}/s   ratio {ratio:5.2f} (target {TARGETS[name]:.2f})"
        f"   p50 {p50_ms:7.2f} ms" + (f"   {refused} refused" if refused else ""),
        flush=True,
    )


def acknowledged(ours: Callable[[], Load], folder: Path) -> None:
    """Print the median time to an acknowledgement, and what it may be by the disk of the same minute."""
    pairs = [(ours().p50_ms, fdatasync_ms(folder)) for _ in range(ROUNDS)]
    p50_ms, sync_ms = (statistics.median(values) for values in zip(*pairs, strict=True))
    print(
        f"  acknowledged, 64 connections: p50 {p50_ms:.2f} ms (target {4 + 3 * sync_ms:.2f}; fdatasync {sync_ms:.2f})"
    )


def fdatasync_ms(folder: Path) -> float:
    """Return the median time of an fdatasync behind 64 KiB that were appended, which is about what a commit writes."""
    took_s = []
    with (folder / "synced").open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(os.urandom(65_536))
            start_s = time.perf_counter()
            os.fdatasync(file.fileno())
            took_s.append(time.perf_counter() - start_s)
    return 1000 * statistics.median(took_s)


def measure(server: ApiServer, key: str, folder: Path, wanted: list[str]) -> None:
    """Run the comparisons that are wanted."""
    with server.client(key) as client:
        opened = client.post("/v1/chains", json={"visibility": "public", "name": "bench"}).json()
        written = client.post("/v1/chains/bench/entries", content=b"x").json()
        run_beside(server.home, "seal")
        size = int(client.get("/v1/checkpoint").text.split("\n")[1])
    chain = f"{server.url}/v1/chains/{opened['chain_id']}"
    if "batch" in wanted:
        batches = ["\n".join(item() for _ in range(BATCH)) for _ in range(20)]
        script = bodies(folder, key, "application/x-ndjson", batches)
        compare("batch", lambda: wrk(f"{chain}/batch", 8, script), lambda: executemany(folder, 200_000), BATCH)
    if "single" in wanted:
        with bare(0) as floor:
            singles = [base64.b64encode(os.urandom(CONTENT_BYTES * 3 // 4)).decode() for _ in range(1000)]
            script = bodies(folder, key, "text/plain", singles)
            (folder / "floor").mkdir()
            plain = bodies(folder / "floor", "none", "application/json", [item() for _ in range(1000)])
            compare("single", lambda: wrk(f"{chain}/entries", 256, script), lambda: wrk(floor, 256, plain).rate)
            acknowledged(lambda: wrk(f"{chain}/entries", 64, script), folder)
    paths = {
        "tile": f"/v1/tile/0/000.p/{size}",
        "checkpoint": "/v1/checkpoint",
        "receipt": f"/v1/entries/{written['entry_hash']}/receipt",
    }
    for name in [name for name in paths if name in wanted]:
        with server.client() as client:
            length = len(client.get(paths[name]).content)
        with bare(length) as floor:
            compare(name, lambda name=name: wrk(server.url + paths[name], 64), lambda floor=floor: wrk(floor, 64).rate)  # type: ignore[misc]  # mypy knows no defaults of lambdas


def main(wanted: list[str]) -> None:
    """Print the ratios."""
    if shutil.which("wrk") is None:
        print("(g) the HTTP API under load: wrk is not installed (Debian: wrk), nothing was measured")
        return
    print(f"(g) HTTP, {SECONDS} s a round, {ROUNDS} rounds by turns; server, load and reference share the machine")
    with temporary_folder() as folder:
        home = make_home(folder)
        with serving(home) as server:
            measure(server, make_key(home, "bench"), folder, wanted or list(TARGETS))


if __name__ == "__main__":
    main(sys.argv[1:])
