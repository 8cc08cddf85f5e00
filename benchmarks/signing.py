"""(k) Signed entries over HTTP, 500 a request: against the library's bare loop, and a signed batch against none signed.

The server is ``anchorline serve``, the load a thread here that posts requests made before, each once; both are pinned
to the same cores (``taskset``, so Linux), and the reference, PyNaCl in a loop over the same signatures, to one of them.
By turns, with the median of the rounds' ratios: by the clock, and by the CPU time of server and load together.
"""

import base64
import os
import socket
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from nacl.bindings import crypto_sign_open

from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, signature_of
from benchmarks.measuring import ROUNDS, temporary_folder
from chains.client.own_entry import Form, OwnEntry, Sent, make_entry, signed_batch, signed_each, signed_lines
from chains.client.signing import Ed25519Key
from tests.simulators.api_server import ApiServer, make_home, make_key, running

BATCH = 500
REQUESTS = 40
CONTENT_BYTES = 300
CONNECTIONS = 4
AUTHOR = Ed25519Key(sha256(b"benchmark"))


@dataclass(frozen=True, slots=True)
class Rate:
    """Entries a second by the clock, and a second of CPU time."""

    by_clock: float
    by_cpu: float


@dataclass
class Served:
    """A server on some cores, and where to post: the requests' bytes are made for it."""

    server: ApiServer
    key: str
    chain_id: bytes
    log_id: bytes
    made: list[bytes] = field(default_factory=list)

    def request(self, owns: Sequence[OwnEntry]) -> bytes:
        """Return a request as the client sends it."""
        return self.posted(b"\n".join(signed_lines(owns) or [own.submission() for own in owns]))

    def posted(self, body: bytes) -> bytes:
        """Return a request with this body."""
        lines = (
            f"POST /v1/chains/{self.chain_id.hex()}/batch HTTP/1.1",
            *("Host: bench", "Content-Type: application/x-ndjson"),
            *(f"Authorization: Bearer {self.key}", f"Content-Length: {len(body)}", "\r\n"),
        )
        head = "\r\n".join(lines)
        return head.encode() + body

    def entries(self) -> list[OwnEntry]:
        """Return entries that nobody signed yet."""
        form = Form("text/plain", log_id=self.log_id)
        contents = (os.urandom(CONTENT_BYTES) for _ in range(BATCH))
        return [make_entry(self.chain_id, content, form, os.urandom, Sent.CONTENT) for content in contents]

    def load(self, requests: Sequence[bytes]) -> Rate:
        """Post requests over a few connections, each once; return how fast they were answered, all of them 201."""
        port = int(self.server.url.rsplit(":", 1)[1])
        parts = [requests[at::CONNECTIONS] for at in range(CONNECTIONS)]
        before_s, start_s = cpu_s(self.server.processes), time.perf_counter()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            taken = sum(pool.map(lambda part: post_all(port, part), parts))
        took_s = time.perf_counter() - start_s
        used_s = cpu_s(self.server.processes) - before_s
        count = BATCH * len(requests)
        if taken != count:
            raise RuntimeError(f"expected {count} entries to be taken, {taken} were")
        return Rate(count / took_s, count / used_s)


def cpu_s(process_ids: Sequence[int]) -> float:
    """Return the CPU time of a server and of this process, which makes the load."""
    return sum(sum(psutil.Process(each).cpu_times()[:2]) for each in (*process_ids, os.getpid()))


def post_all(port: int, requests: Sequence[bytes]) -> int:
    """Post requests one after the other over one connection; return how many entries were taken."""
    taken = 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for request in requests:
            connection.sendall(request)
            taken += answer(connection).count(b'"status":201')
    return taken


def answer(connection: socket.socket) -> bytes:
    """Return the body of an answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += received(connection)
    head, body = data.split(b"\r\n\r\n", 1)
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += received(connection)
    return body


def received(connection: socket.socket) -> bytes:
    """Return what comes next."""
    piece = connection.recv(1 << 18)
    if not piece:
        raise RuntimeError("the server closed the connection")
    return piece


def bare_loop(requests: Sequence[Sequence[OwnEntry]]) -> Rate:
    """Check the signatures of the same entries with the library alone, one after the other."""
    claims = [signature_of(Entry.decode(own.raw)) for owns in requests for own in owns]
    signed = [(claim.signature + claim.message, claim.public_key) for claim in claims if claim is not None]
    begun_s, start_s = time.process_time(), time.perf_counter()
    for message, key in signed:
        crypto_sign_open(message, key)
    return Rate(len(signed) / (time.perf_counter() - start_s), len(signed) / (time.process_time() - begun_s))


@contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """Run this process on some cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def served(folder: Path, cores: Sequence[int]) -> Iterator[Served]:
    """Serve a fresh home on some cores, which this process keeps to as well."""
    folder.mkdir()
    home = make_home(folder)
    key = make_key(home, "bench")
    prefix = ("taskset", "-c", ",".join(map(str, cores)))
    with running(ApiServer(home, prefix=prefix)) as server, server.client(key) as client, pinned(cores):
        opened = client.post("/v1/chains", json={"visibility": "public", "name": "bench"}).json()
        log = client.get("/v1/log").json()
        yield Served(server, key, bytes.fromhex(opened["chain_id"]), bytes.fromhex(log["log_id"]))


def compare(name: str, target: float, rounds: Iterator[tuple[Rate, Rate]]) -> None:
    """Print the median ratio of rounds, and the rates."""
    pairs = list(rounds)
    clock = statistics.median(mine.by_clock / other.by_clock for mine, other in pairs)
    cpu = statistics.median(mine.by_cpu / other.by_cpu for mine, other in pairs)
    ours, reference = (statistics.median(rate.by_clock for rate in rates) for rates in zip(*pairs, strict=True))
    print(
        f"  {name:34} {ours:8,.0f}/s   reference {reference:8,.0f}/s   ratio {clock:5.2f} (target {target:.2f})   "
        f"{cpu:5.2f} in CPU time",
        flush=True,
    )


def against_the_library(site: Served, core: int) -> Iterator[tuple[Rate, Rate]]:
    """Yield rounds of entries that are signed each by itself, beside the library's bare loop on one core."""
    for _ in range(ROUNDS):
        owns = [[signed_each([own], AUTHOR)[0] for own in site.entries()] for _ in range(REQUESTS)]
        mine = site.load([site.request(each) for each in owns])
        with pinned([core]):
            yield mine, bare_loop(owns)


def against_unsigned(site: Served, plain: Callable[[], bytes]) -> Iterator[tuple[Rate, Rate]]:
    """Yield rounds of signed batches beside rounds of what nobody signed."""
    for number in range(ROUNDS):
        batches = [site.request(signed_batch(site.entries(), AUTHOR)) for _ in range(REQUESTS)]
        others = [plain() for _ in range(REQUESTS)]
        if number % 2:
            reference = site.load(others)
            yield site.load(batches), reference
        else:
            yield site.load(batches), site.load(others)


def contents(site: Served) -> bytes:
    """Return a request of bare contents, of which the service makes the entries."""
    each = (base64.b64encode(os.urandom(CONTENT_BYTES)).decode() for _ in range(BATCH))
    return site.posted("\n".join(f'{{"content":"{text}","media_type":"text/plain"}}' for text in each).encode())


def main() -> None:
    """Print the ratios."""
    cores = sorted(os.sched_getaffinity(0))[:2] if hasattr(os, "sched_getaffinity") else []
    if not cores:
        print("(k) signed entries over HTTP: needs Linux, which pins processes to cores; nothing was measured")
        return
    print(f"(k) signed entries over HTTP, {BATCH} a request, {CONTENT_BYTES} bytes each; {ROUNDS} rounds by turns")
    with temporary_folder() as folder:
        with served(folder / "one", cores[:1]) as site:
            compare("signed, one core : bare loop", 0.70, against_the_library(site, cores[0]))
            compare(
                "signed batch : client's unsigned", 0.80, against_unsigned(site, lambda: site.request(site.entries()))
            )
            compare("signed batch : bare contents", 0.80, against_unsigned(site, lambda: contents(site)))
        with served(folder / "two", cores) as site:
            compare("signed, two cores : bare loop", 1.20, against_the_library(site, cores[0]))


if __name__ == "__main__":
    main()
