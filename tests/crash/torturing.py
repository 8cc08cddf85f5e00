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
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
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
    """Single contents whose requests got no answer: each may have been written, once."""

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

    async def write(self, client: httpx.AsyncClient, until_s: float) -> None:
        """Write until the time is up; whatever was begun is repeated until it is answered."""
        loop = asyncio.get_running_loop()
        batch = 0
        while loop.time() < until_s:
            lines, named = self._batch(batch)
            batch += 1
            while (answer := await self._sent(client, lines, named)) is None:
                await asyncio.sleep(0.05)
            self.said.take(answer)
            for number in range(SINGLES):
                await self._send_one(client, b"single %d %d %d" % (self.number, batch, number))

    async def _send_one(self, client: httpx.AsyncClient, content: bytes) -> None:
        try:
            answer = await client.post(f"/v1/chains/{self.chain_id}/entries", content=content, headers=PLAIN)
        except httpx.TransportError:
            self.said.unanswered[content] += 1
            return
        assert answer.status_code in {201, 503}, answer.text
        if answer.status_code == 201:
            self.said.take_one(answer.json())

    async def _sent(self, client: httpx.AsyncClient, lines: bytes, named: str) -> dict[str, Any] | None:
        try:
            path = f"/v1/chains/{self.chain_id}/batch"
            answer = await client.post(path, content=lines, headers={"idempotency-key": named})
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
    servers: Sequence[ApiServer], key: str, chains: list[str], said: Said, endings: Sequence[Callable[[], None]]
) -> None:
    """Let all clients write, to one server after the other, and let one thing after the other end meanwhile.

    Each of ``endings`` ends a process and starts it again.
    """
    headers = {"authorization": f"Bearer {key}", "content-type": NDJSON}
    context = httpx.create_ssl_context()
    async with AsyncExitStack() as stack:
        # A client each: a pool of many connections looks at all of them for every request.
        connected = []
        for number in range(CLIENTS):
            url = servers[number % len(servers)].url
            client = httpx.AsyncClient(base_url=url, headers=headers, timeout=10, verify=context)
            connected.append(await stack.enter_async_context(client))
        loop = asyncio.get_running_loop()
        until_s = loop.time() + SECONDS
        clients = [Client(number, chains[number % len(chains)], said) for number in range(CLIENTS)]
        writing = [
            asyncio.create_task(client.write(own, until_s)) for client, own in zip(clients, connected, strict=True)
        ]
        for end in endings:
            await asyncio.sleep(SECONDS / (len(endings) + 1))
            await loop.run_in_executor(None, end)
        await asyncio.gather(*writing)


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
