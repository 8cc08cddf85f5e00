"""The client while its server is killed and started again: every entry is there once, with its promise."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from anchor.signing import check_signature
from chains.client import AsyncClient, BatchLimits, Client, Patience, Recorded
from chains.client.trust import TrustedLog
from tests.simulators.api_server import ApiServer, make_home, make_key, serving
from tests.waiting import wait_until

LASTING = Patience(attempts=200, first_pause_s=0.05, most_pause_s=0.3, give_up_after_s=100)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path)


@pytest.fixture
def server(home: Path) -> Iterator[ApiServer]:
    with serving(home) as made:
        yield made


class Killing:
    """Kills a server again and again, at other moments of its work each time, and starts it again."""

    def __init__(self, server: ApiServer, pauses_s: tuple[float, ...]) -> None:
        self.server = server
        self.pauses_s = pauses_s
        self.is_over = False
        self._thread = threading.Thread(target=self._kill)

    def __enter__(self) -> "Killing":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _kill(self) -> None:
        for pause_s in self.pauses_s:
            time.sleep(pause_s)
            self.server.kill()
            self.server.start()
        self.is_over = True


def check_all_there(client: Client, chain_id: bytes, recorded: list[Recorded]) -> None:
    """Each entry is in the chain once, where it was said to be, and its promise is signed."""
    log = TrustedLog(client.card(), check_signature=check_signature)
    found = {item.entry_hash: item.leaf_index for item in client.entries(chain_id, 1)}
    assert {item.entry_hash: item.leaf_index for item in recorded} == found
    assert len(recorded) == len(found) == client.chain(chain_id.hex()).size - 1
    for item in recorded:
        assert item.promise is not None
    for promise in {item.promise for item in recorded if item.promise is not None}:
        log.check_promise_signature(promise)


def test_batches_survive_kills(home: Path, server: ApiServer) -> None:
    """A request that was cut off is sent again under its key: nothing is lost, and nothing is there twice."""
    key = make_key(home, "acme")
    with Client(server.url, key, trust_on_first_use=True, patience=LASTING) as client:
        chain_id = client.open_chain().own.entry.chain_id
        recorded: list[Recorded] = []
        with Killing(server, (0.15, 0.4, 0.31)) as killing:
            while not killing.is_over:
                owns = [client.make(chain_id, b"%d" % number) for number in range(300)]
                recorded += [item for item in client.add_all(owns) if isinstance(item, Recorded)]
        check_all_there(client, chain_id, recorded)


def test_a_batcher_and_a_new_client_survive_kills(home: Path, server: ApiServer) -> None:
    """What a client gave up on, another adds again: entries are their own identity, so each is there once."""
    key = make_key(home, "acme")
    hasty = Patience(attempts=1)
    with Client(server.url, key, trust_on_first_use=True) as first:
        chain_id = first.open_chain().own.entry.chain_id
        owns = [first.make(chain_id, b"%d" % number) for number in range(2_000)]
        card = first.card()
    with (
        Client(server.url, key, card=card, patience=hasty) as client,
        client.batcher(chain_id, BatchLimits(entries=20, age_s=0.01)) as batcher,
    ):
        futures = [batcher.add_entry(own) for own in owns[:100]]
        futures[0].result()  # the first batch is answered, others are on their way
        futures += [batcher.add_entry(own) for own in owns[100:1_000]]
        server.kill()
        futures += [batcher.add_entry(own) for own in owns[1_000:]]  # some of them at least while nobody is there
        wait_until(lambda: any(future.done() and future.exception() is not None for future in futures))
        server.start()
        batcher.flush()
    with Client(server.url, key, card=card, patience=LASTING) as client:
        recorded = [item for item in client.add_all(owns) if isinstance(item, Recorded)]
        check_all_there(client, chain_id, recorded)
        assert any(item.repeated for item in recorded)


def test_asyncio_survives_kills(home: Path, server: ApiServer) -> None:
    """Many tasks that record one entry each, while the server dies under them."""
    key = make_key(home, "acme")

    async def story() -> tuple[bytes, list[Recorded]]:
        async with AsyncClient(server.url, key, trust_on_first_use=True, patience=LASTING) as client:
            chain_id = (await client.open_chain()).own.entry.chain_id
            recorded: list[Recorded] = []
            with Killing(server, (0.1, 0.2)) as killing:
                while not killing.is_over:
                    recorded += await asyncio.gather(*(client.add(chain_id, b"%d" % number) for number in range(8)))
            return chain_id, recorded

    chain_id, recorded = asyncio.run(story())
    with Client(server.url, key, trust_on_first_use=True) as client:
        check_all_there(client, chain_id, recorded)
