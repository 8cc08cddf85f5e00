"""(n) The HTTP API on PostgreSQL under load: one node against a bare COPY of the same rows, two nodes against one.

The server is Debian's on the disk that temporary files are on, with ``fsync`` and ``synchronous_commit`` as they come:
on. The load is ``wrk``, 500 entries a request from 8 connections to each node; all of it shares the machine, so two
nodes gain only what one leaves idle. By turns, and the median of the rounds' ratios.
"""

import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from benchmarks.measuring import ROUNDS, temporary_folder
from benchmarks.serving import BATCH, CONTENT_BYTES, SECONDS, Load, bodies, item, wrk
from tests.postgres import PostgresServer, running_postgres
from tests.simulators.api_server import ApiServer, make_key, run_beside, serving

CONNECTIONS = 8
COPIED = 1000
TARGETS = {"copy": 0.50, "nodes": 1.30}
_TABLE = "CREATE TABLE bare (n BIGINT PRIMARY KEY, entry BYTEA NOT NULL, kept BYTEA NOT NULL, hash BYTEA NOT NULL)"


def bare_copy(address: str, seconds: float = SECONDS) -> float:
    """Return rows a second of COPY, binary, a thousand rows a commit, into one table without further index."""
    stored = [(bytes(71), os.urandom(CONTENT_BYTES + 17), os.urandom(32)) for _ in range(COPIED)]
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bare")
        connection.execute(_TABLE)
        count, start_s = 0, time.perf_counter()
        while time.perf_counter() < start_s + seconds:
            with connection.cursor().copy("COPY bare FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["int8", "bytea", "bytea", "bytea"])
                for number, row in enumerate(stored, count):
                    copy.write_row((number, *row))
            count += COPIED
        return count / (time.perf_counter() - start_s)


def make_home(folder: Path, server: PostgresServer) -> Path:
    """Make a home on a database of this server, its content keys in another one beside; return its folder."""
    home = folder / "home"
    run_beside(home, "init", "--embedded", "--origin", "log.example/hosts", "--database", server.database())
    return home


def load_of(nodes: list[ApiServer], scripts: list[Path], chains: list[str]) -> Load:
    """Load each node, on a chain of its own, all at the same time; return the sum of what they answered."""
    with ThreadPoolExecutor(len(nodes)) as threads:
        loads = list(
            threads.map(
                lambda node, script, chain: wrk(f"{node.url}/v1/chains/{chain}/batch", CONNECTIONS, script),
                nodes,
                scripts,
                chains,
            )
        )
    return Load(
        sum(load.rate for load in loads) * BATCH,
        statistics.median(load.p50_ms for load in loads),
        sum(load.refused for load in loads),
    )


def compare(name: str, ours: Callable[[], Load], reference: Callable[[], float]) -> None:
    """Print the median ratio of rounds by turns, and what was measured."""
    pairs = [(ours(), reference()) for _ in range(ROUNDS)]
    ratio = statistics.median(load.rate / floor for load, floor in pairs)
    print(
        f"  {name:6} {statistics.median(load.rate for load, _ in pairs):9,.0f} entries/s   "
        f"reference {statistics.median(floor for _, floor in pairs):9,.0f}/s   "
        f"ratio {ratio:5.2f} (target {TARGETS[name]:.2f})   "
        f"p50 {statistics.median(load.p50_ms for load, _ in pairs):6.1f} ms   "
        f"{sum(load.refused for load, _ in pairs)} refused",
        flush=True,
    )


def measure(folder: Path, server: PostgresServer, wanted: list[str]) -> None:
    """Run the comparisons that are wanted: two nodes, each with its own copy of the home's folder."""
    home = make_home(folder, server)
    key = make_key(home, "bench")
    shutil.copytree(home, folder / "second")
    with serving(home) as first, serving(folder / "second") as second:
        nodes, chains = [first, second], ["one", "two"]
        scripts = []
        with first.client(key) as client:
            for name in chains:
                opened = client.post("/v1/chains", json={"visibility": "public", "name": name})
                assert opened.status_code == 201, opened.text
                (folder / name).mkdir()
                lines = ["\n".join(item() for _ in range(BATCH)) for _ in range(20)]
                scripts.append(bodies(folder / name, key, "application/x-ndjson", lines))
        load_of(nodes, scripts, chains)  # both know their chain, and the server its plans
        if "copy" in wanted:
            compare("copy", lambda: load_of(nodes[:1], scripts, chains), lambda: bare_copy(server.address))
        if "nodes" in wanted:
            compare(
                "nodes",
                lambda: load_of(nodes, scripts, chains),
                lambda: load_of(nodes[:1], scripts, chains).rate,
            )


def main(wanted: list[str]) -> None:
    """Print the ratios."""
    if shutil.which("wrk") is None:
        print("(n) the HTTP API on PostgreSQL: wrk is not installed (Debian: wrk), nothing was measured")
        return
    print(f"(n) HTTP on PostgreSQL, {BATCH} entries a request, {SECONDS} s a round, {ROUNDS} rounds by turns")
    with temporary_folder() as folder, running_postgres(on_disk=True) as server:
        measure(folder, server, wanted or list(TARGETS))


if __name__ == "__main__":
    main(sys.argv[1:])
