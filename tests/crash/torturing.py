"""Clients that write to one or more ``serve`` while processes are killed again and again, and what must hold then.

Tests of one process (``test_crash_serving``) and of several hosts on one database (``test_crash_hosts``) run it. A
small one by default; ANCHORLINE_TORTURE=1 runs the whole of it: 200 clients for a minute, five kills.
"""

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx

from anchor.proof.merkle import leaf_hash
from anchor.proof.promise import Promise, PromiseLeaf, check_promise
from anchor.proof.promise_run import PromiseRun, promises_of
from anchor.signing import check_signature
from chains.home import Home
from chains.reader import Reader
from tests.simulators.api_server import ROOT, ApiServer
from tests.simulators.store import submission_of

IS_WHOLE = bool(os.environ.get("ANCHORLINE_TORTURE"))
CLIENTS, SECONDS, KILLS = (200, 60.0, 5) if IS_WHOLE else (20, 4.0, 2)
NDJSON = "application/x-ndjson"
PLAIN = {"content-type": "text/plain"}
SINGLES = 3


@dataclass
class Said:
    """What the service said to all clients together: where each entry is, and every promise."""

    places: dict[str, int] = field(default_factory=dict)
    promises: list[Promise] = field(default_factory=list)
    requests: int = 0
    unanswered: Counter[bytes] = field(default_factory=Counter)
    """Single contents whose requests got no answer, or that the database failed: each may have been written, once."""

    def take(self, found: dict[str, Any]) -> None:
        """Note an answer to a batch; what was said twice must be the same."""
        self.requests += 1
        new = []
        for item in found["results"]:
            assert item["status"] in {200, 201}
            assert item["leaf_index"] == self.places.setdefault(item["entry_hash"], item["leaf_index"])
            if item["status"] == 201:
                new.append(_leaf(found, item))
        if new:
            self.promises.extend(promises_of(PromiseRun.from_json(found["promise"]), new))

    def take_one(self, found: dict[str, Any]) -> None:
        """Note an answer to a single content, which is always a new entry."""
        self.requests += 1
        promise = Promise.from_json(found["promise"])
        leaf = found["chain_id"], found["entry_hash"], found["leaf_index"]
        assert leaf == (promise.leaf.chain_id.hex(), promise.leaf.entry_hash.hex(), promise.leaf.leaf_index)
        assert found["entry_hash"] not in self.places
        self.places[found["entry_hash"]] = found["leaf_index"]
        self.promises.append(promise)


def _leaf(found: dict[str, Any], item: dict[str, Any]) -> PromiseLeaf:
    chain_id, entry_hash = bytes.fromhex(found["chain_id"]), bytes.fromhex(item["entry_hash"])
    return PromiseLeaf(chain_id, item["leaf_index"], entry_hash, bytes.fromhex(found["submitter"]))


class Client:
    """One client: it sends batches of its own entries and of content under request keys, each until it is answered.

    Behind each batch it sends single contents, each once: what was not answered may have been written or not.
    """

    def __init__(self, number: int, chain_id: str, said: Said) -> None:
        self.number = number
        self.chain_id = chain_id
        self.said = said

    async def write(self, services: Sequence[httpx.AsyncClient], stop: asyncio.Event) -> None:
        """Write until told to stop; whatever was begun is repeated, to one service after the other, until answered."""
        self._services = cycle(services)
        self._service = next(self._services)
        batch = 0
        while not stop.is_set():
            lines, named = self._batch(batch)
            batch += 1
            while (answer := await self._sent(lines, named)) is None:
                self._service = next(self._services)
                await asyncio.sleep(0.05)
            self.said.take(answer)
            for number in range(SINGLES):
                await self._send_one(b"single %d %d %d" % (self.number, batch, number))

    async def _send_one(self, content: bytes) -> None:
        try:
            answer = await self._service.post(f"/v1/chains/{self.chain_id}/entries", content=content, headers=PLAIN)
        except httpx.TransportError:
            self.said.unanswered[content] += 1
            return
        assert answer.status_code in {201, 503}, answer.text
        if answer.status_code == 201:
            self.said.take_one(answer.json())
        else:
            self.said.unanswered[content] += 1  # what failed may be there too, where a server died in its commit

    async def _sent(self, lines: bytes, named: str) -> dict[str, Any] | None:
        try:
            path = f"/v1/chains/{self.chain_id}/batch"
            answer = await self._service.post(path, content=lines, headers={"idempotency-key": named})
        except httpx.TransportError:
            return None  # it may have been written or not: only sending it again tells
        assert answer.status_code in {200, 503}, answer.text
        return dict(answer.json()) if answer.status_code == 200 else None

    def _batch(self, number: int) -> tuple[bytes, str]:
        """Return entries that were made here, and content; every third batch also repeats entries of the first."""
        made = [submission_of(bytes.fromhex(self.chain_id), b"%d %d %d" % (self.number, number, n)) for n in range(3)]
        if number % 3 == 2:
            made.append(submission_of(bytes.fromhex(self.chain_id), b"%d 0 0" % self.number))
        items = [{"entry": base64.b64encode(item.entry).decode()} for item in made]
        items += [{"content": base64.b64encode(b"content %d" % n).decode()} for n in range(4)]
        return "\n".join(map(json.dumps, items)).encode(), f"{self.number}-{number}"


async def torture(
    servers: Sequence[ApiServer],
    key: str,
    chains: list[str],
    said: Said,
    endings: Sequence[Callable[[], None]],
    *,
    numbers: Iterable[int] = range(CLIENTS),
    pause_s: float | None = None,
) -> None:
    """Let all clients write, each to one server until that fails, and let one thing after the other end meanwhile.

    Each of ``endings`` ends a process and starts it again, ``pause_s`` apart; without it clients write for SECONDS,
    however long that takes. ``numbers`` name the clients: one each, also in other calls.
    """
    headers = {"authorization": f"Bearer {key}", "content-type": NDJSON}
    context = httpx.create_ssl_context()
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        # A client each: a pool of many connections looks at all of them for every request.
        connected = {
            number: [
                await stack.enter_async_context(
                    httpx.AsyncClient(base_url=server.url, headers=headers, timeout=10, verify=context)
                )
                for server in servers
            ]
            for number in numbers
        }
        async with asyncio.TaskGroup() as group:
            for number, services in connected.items():
                first = number % len(services)
                writer = Client(number, chains[number % len(chains)], said)
                group.create_task(writer.write([*services[first:], *services[:first]], stop))
            if pause_s is None:
                asyncio.get_running_loop().call_later(SECONDS, stop.set)
            each_s = SECONDS / (len(endings) + 1) if pause_s is None else pause_s
            for end in endings:
                await asyncio.sleep(each_s)
                await asyncio.get_running_loop().run_in_executor(None, end)
            await asyncio.sleep(each_s)
            stop.set()


def check_said(home: Path, chains: list[str], said: Said) -> str:
    """Check that each acknowledged entry is there once, promised, and that the audit is clean; return what it says."""
    with Home.open(home) as opened:
        log = opened.directory.log
        reader = Reader(opened.engine, opened.chains, opened.lookup)
        found: dict[str, int] = {}
        unheard_of: Counter[bytes | None] = Counter()
        for name in chains:
            chain = opened.chains.named(name)
            entries = list(reader.entries(chain, 0, opened.chains.size(chain)))
            hashes = [leaf_hash(stored.raw).hex() for stored in entries]
            for stored, entry_hash in zip(entries[1:], hashes[1:], strict=True):
                if entry_hash not in said.places:
                    unheard_of[None if stored.kept is None else stored.kept.content] += 1
            assert len(set(hashes)) == len(hashes), "no entry is there twice"
            found |= {entry_hash: index for index, entry_hash in enumerate(hashes)}
        assert said.places == {entry_hash: found.get(entry_hash) for entry_hash in said.places}
        assert unheard_of <= said.unanswered, "nothing is there that was refused, nor twice what was repeated"
    signed = {(promise.note, promise.signature): promise for promise in said.promises}
    for promise in signed.values():
        check_promise(promise, log.log_id, log.promise_key.value, check_signature)
    command = [sys.executable, "-m", "cli", "audit", "--home", str(home)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return (
        f"{len(said.places)} entries acknowledged in {said.requests} requests, "
        f"{unheard_of.total()} of {said.unanswered.total()} unanswered ones are there too; {done.stdout}"
    )
