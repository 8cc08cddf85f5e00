"""(h) Memory and disk of the service while ten million entries are written to it over HTTP: it should stay flat.

``python -m benchmarks memory_serving`` takes minutes and gigabytes, so it runs only when it is named;
``python -m benchmarks.memory_serving 100000 1000000`` goes as far as is said; ``entries`` before it: clients make the
entries, each of which is looked for before it is written. ``anchorline serve`` seals beside, as it does in use.
"""

import base64
import http.client
import json
import os
import sys
import threading
import time
from pathlib import Path

import psutil

from anchor.proof.codec import HASH_SIZE
from anchor.proof.entry import Entry
from benchmarks.measuring import temporary_folder
from tests.simulators.api_server import ApiServer, make_home, make_key, run_beside, running

SIZES = (100_000, 1_000_000, 10_000_000)
BATCH = 500
CONNECTIONS = 8
CONTENT_BYTES = 300
BODIES = 16
"""Contents come again, entries never do: each has a fresh salt, or a random commitment."""


class Load:
    """Eight clients that send batches until so many entries are there; what is refused for now is sent again."""

    def __init__(self, server: ApiServer, key: str, chain: str, *, makes_entries: bool) -> None:
        self._address = server.url.removeprefix("http://")
        self._path = f"/v1/chains/{chain}/batch"
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
        self._bodies = [_contents() for _ in range(BODIES)]
        self._chain_id = bytes.fromhex(chain) if makes_entries else b""
        self._lock = threading.Lock()
        self.written = 0
        self._begun = 0

    def run_to(self, entries: int) -> None:
        """Write until ``entries`` are acknowledged in all."""
        clients = [threading.Thread(target=self._write, args=(entries,)) for _ in range(CONNECTIONS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        if self.written != entries:
            raise AssertionError(f"{self.written} entries were acknowledged of {entries}")

    def _write(self, entries: int) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        while (number := self._next(entries)) is not None:
            body = _entries(self._chain_id) if self._chain_id else self._bodies[number % BODIES]
            while not self._is_taken(connection, body):
                time.sleep(0.1)
            with self._lock:
                self.written += BATCH
        connection.close()

    def _next(self, entries: int) -> int | None:
        with self._lock:
            if self._begun >= entries:
                return None
            self._begun += BATCH
            return self._begun // BATCH

    def _is_taken(self, connection: http.client.HTTPConnection, body: bytes) -> bool:
        connection.request("POST", self._path, body, self._headers)
        answer = connection.getresponse()
        found = answer.read()
        if answer.status not in {200, 503}:
            raise AssertionError(found[:300])
        return answer.status == 200


def _entries(chain_id: bytes) -> bytes:
    """Return entries that a client made: the service learns their commitments only."""
    random = os.urandom(HASH_SIZE * BATCH)
    made = (Entry(chain_id, random[at : at + HASH_SIZE]).encode() for at in range(0, len(random), HASH_SIZE))
    return b"\n".join(b'{"entry":"%b"}' % base64.b64encode(entry) for entry in made)


def _contents() -> bytes:
    lines = [json.dumps({"content": base64.b64encode(os.urandom(CONTENT_BYTES)).decode()}) for _ in range(BATCH)]
    return "\n".join(lines).encode()


def disk_bytes(home: Path) -> int:
    """Return what a home takes on the disk: tables, indices, tiles, directory, write-ahead log and all."""
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file())


def resident_mib(server: ApiServer) -> float:
    """Return what a service's processes have in memory, what they share counted once (Linux: proportional set size)."""
    return sum(psutil.Process(each).memory_full_info().pss for each in server.processes) / 2**20


def main(sizes: tuple[int, ...], *, makes_entries: bool = False) -> None:
    """Print memory, disk and rate at each size."""
    what = "entries that clients made" if makes_entries else f"contents of {CONTENT_BYTES} bytes"
    print(f"(h) serve under {CONNECTIONS} connections, {BATCH} {what} a request", flush=True)
    with temporary_folder() as folder:
        home = make_home(folder)
        key = make_key(home, "bench")
        with running(ApiServer(home, options=())) as server, server.client(key) as client:
            chain = client.post("/v1/chains", json={"visibility": "public"}).json()["chain_id"]
            load = Load(server, key, chain, makes_entries=makes_entries)
            before, written, start_s = disk_bytes(home), 0, time.perf_counter()
            print(f"  {0:12,} entries   {resident_mib(server):7.1f} MiB resident", flush=True)
            for entries in sizes:
                load.run_to(entries)
                took_s = time.perf_counter() - start_s
                each = (disk_bytes(home) - before) / entries
                print(
                    f"  {entries:12,} entries   {resident_mib(server):7.1f} MiB resident   "
                    f"{each:6.1f} bytes on disk an entry   {(entries - written) / took_s:9,.0f} entries/s",
                    flush=True,
                )
                written, start_s = entries, time.perf_counter()
            server.stop()
        run_beside(home, "seal")
        print(f"  sealed and closed: {(disk_bytes(home) - before) / sizes[-1]:6.1f} bytes on disk an entry", flush=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(tuple(int(size) for size in given if size != "entries") or SIZES, makes_entries="entries" in given)
