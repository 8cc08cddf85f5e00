"""The stream of events over a real server: what is heard by whom, from where on, and how a stream ends.

A listener is a plain HTTP client; seals are made by a process beside the server.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from anchor.outbox import News, Outbox
from chains.access import Role
from chains.client import AsyncClient, Client, Patience, ProblemAnswerError
from chains.home import Home
from tests.simulators.api_server import ApiServer, make_home, make_key, run_beside, serving

SOON_S = 60.0


@dataclass
class Site:
    """A served home, with keys of two organisations and of the operator."""

    server: ApiServer
    acme: str
    beta: str
    operator: str
    public: str
    private: str

    def write(self, chain: str) -> None:
        """Record an entry, so that the next seal changes the chain."""
        with self.server.client(self.acme) as client:
            assert 201 == client.post(f"/v1/chains/{chain}/entries", content=b"x").status_code

    def seal(self) -> None:
        run_beside(self.server.home, "seal")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    patched = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("events")
    patched.setenv("XDG_STATE_HOME", str(folder / "state"))
    home = make_home(folder)
    acme, beta, operator = make_key(home, "acme"), make_key(home, "beta"), make_key(home, "", Role.OPERATOR)
    with serving(home) as server:
        with server.client(acme) as client:
            public, private = (
                str(client.post("/v1/chains", json={"name": name, "visibility": name}).json()["chain_id"])
                for name in ("public", "private")
            )
        run_beside(home, "seal")
        yield Site(server, acme, beta, operator, public, private)
    patched.undo()


class Stream:
    """A stream that is read piece by piece."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()

    def next(self) -> dict[str, Any]:
        """Return the next event: its fields, ``data`` read."""
        fields: dict[str, Any] = {}
        for line in self._lines:
            if not line and "data" in fields:
                return {**fields, "data": json.loads(fields["data"])}
            name, colon, value = line.partition(": ")
            if colon and name:
                fields[name] = value
        raise EOFError("the stream ended")

    def ends(self) -> bool:
        """Read to the end of the stream."""
        for _ in self._lines:
            pass
        return True


@contextmanager
def listening(site: Site, key: str | None = None, last: int | None = None, **query: str | int) -> Iterator[Stream]:
    headers = {} if last is None else {"last-event-id": str(last)}
    with site.server.client(key) as client, client.stream("GET", "/v1/events", params=query, headers=headers) as answer:
        assert 200 == answer.status_code, answer.read()
        yield Stream(answer)


def newest(site: Site) -> int:
    with Home.open(site.server.home) as home:
        return Outbox(home.engine).newest_no()


def tell(site: Site, news: News, size: int) -> None:
    """Put a row into the outbox, as anchoring does."""
    with Home.open(site.server.home) as home, home.engine.transaction():
        Outbox(home.engine).add(news, home.clock(), {"checkpoint_size": size, "attempt": 4, "txid": "00" * 32})


def sealed_size(site: Site) -> int:
    with Home.open(site.server.home) as home:
        found = home.directory.newest()
        assert found is not None
        return found.size


def test_a_stranger_hears_a_seal_as_it_happens(site: Site) -> None:
    """The event of a seal comes with its size and root, and nothing of a chain."""
    with listening(site) as stream:
        assert ("text/event-stream", "no-store") == (
            stream.answer.headers["content-type"],
            stream.answer.headers["cache-control"],
        )
        site.write(site.private)
        site.seal()
        event = stream.next()
    assert ("sealed", "checkpoint.sealed", str(newest(site))) == (event["event"], event["data"]["type"], event["id"])
    assert {"log_id", "event", "checkpoint_size", "seal_number", "root"} == set(event["data"]["data"])
    assert sealed_size(site) == event["data"]["data"]["checkpoint_size"]


def test_a_listener_misses_nothing(site: Site) -> None:
    """Last-Event-ID, or the query where no header can be sent, goes on behind the row that was seen last."""
    before = newest(site)
    for _ in range(2):
        site.write(site.public)
        site.seal()
    with listening(site, last=before) as stream:
        assert [before + 1, before + 2] == [int(stream.next()["id"]) for _ in range(2)]
    with listening(site, after=before + 1) as stream:
        assert before + 2 == int(stream.next()["id"])


def test_a_stream_says_where_it_begins(site: Site) -> None:
    """Whoever is cut off before the first event goes on behind that number, as browsers do with any id."""
    for after, begins in ((None, newest(site)), (1, 1)):
        with listening(site, last=after) as stream:
            lines = stream.answer.iter_lines()
            assert ["retry: 3000", "", f"id: {begins}", ""] == [next(lines) for _ in range(4)]


def test_only_the_operator_hears_of_attempts(site: Site) -> None:
    """A refused anchor, and which attempt it was, is nobody else's affair."""
    before, size = newest(site), sealed_size(site)
    for news in (News.FAILED, News.ANCHORED):
        tell(site, news, size)
    with listening(site, site.operator, before) as stream:
        heard = [stream.next() for _ in range(2)]
    assert [("failed", 4), ("anchored", 4)] == [(each["event"], each["data"]["data"]["attempt"]) for each in heard]
    for key in (None, site.acme, site.beta):
        with listening(site, key, before) as stream:
            event = stream.next()
        assert ("anchored", False) == (event["event"], "attempt" in event["data"]["data"])


def test_a_chain_is_listened_to_by_whoever_may_read_its_heads(site: Site) -> None:
    """Seals that changed the chain come with its size, others do not; to who may not see it, it is not there."""
    before = newest(site)
    site.write(site.public)
    site.seal()
    site.write(site.private)
    site.seal()
    tell(site, News.FINAL, sealed_size(site))
    with listening(site, site.acme, before, chain="private") as stream:
        heard = [stream.next() for _ in range(2)]
    assert [("sealed", site.private), ("final", site.private)] == [
        (each["event"], each["data"]["data"]["chain_id"]) for each in heard
    ]
    with site.server.client(site.acme) as client:
        size = client.get(f"/v1/chains/{site.private}/head").json()["tree_size"]
    assert size == heard[0]["data"]["data"]["tree_size"]
    for key in (None, site.beta, site.operator):
        with site.server.client(key) as client:
            answers = [client.get("/v1/events", params={"chain": chain}) for chain in (site.private, "00" * 32)]
        assert [404, 404] == [answer.status_code for answer in answers]
        assert answers[0].content == answers[1].content


def test_a_revoked_key_ends_its_stream(site: Site) -> None:
    """The next thing to be said is not said to who may not hear it any more."""
    key = make_key(site.server.home, "gamma")
    with listening(site, key) as stream:
        site.write(site.public)
        site.seal()
        assert "sealed" == stream.next()["event"]
        run_beside(site.server.home, "key", "revoke", key[:11])
        site.write(site.public)
        site.seal()
        assert stream.ends()
    with site.server.client(key) as client:
        assert 401 == client.get("/v1/events").status_code


def test_a_head_is_asked_for_without_a_stream(site: Site) -> None:
    """HEAD ends at once; a malformed number, an unknown parameter and a key that does not hold are refused."""
    with site.server.client() as client:
        answer = client.head("/v1/events")
        assert (200, b"", "text/event-stream") == (answer.status_code, answer.content, answer.headers["content-type"])
        assert 400 == client.get("/v1/events", headers={"last-event-id": "x"}).status_code
        assert 400 == client.get("/v1/events?more=1").status_code
    with site.server.client("al_nobody1_x") as client:
        assert 401 == client.get("/v1/events").status_code


def test_who_hangs_up_is_forgotten(site: Site) -> None:
    """More streams one after the other than one organisation may have at a time: each makes room for the next."""
    for _ in range(120):
        with listening(site, site.acme):
            pass


def test_the_service_ends_its_streams_when_it_stops(site: Site, tmp_path: Path) -> None:
    """A stream without an end does not hold up a shutdown: it ends whole."""
    with serving(site.server.home) as other:
        ended: list[bool] = []
        with other.client() as client, client.stream("GET", "/v1/events") as answer:
            stream = Stream(answer)
            reading = threading.Thread(target=lambda: ended.append(stream.ends()))
            reading.start()
            assert 0 == other.stop()
            reading.join(SOON_S)
        assert [True] == ended
        assert "event=stopped\n" in other.lines


# --- the client


def test_the_client_hears_what_happens_and_goes_on_by_itself(site: Site) -> None:
    """Over a restart of the service too: each event once, in order; the numbers say where to go on."""
    before, size = newest(site), sealed_size(site)
    patience = Patience(1000, 0.05, 0.5, SOON_S)
    with (
        serving(site.server.home) as other,
        Client(other.url, site.acme, trust_on_first_use=True, patience=patience) as client,
    ):
        events = client.events(bytes.fromhex(site.private), after=before)
        tell(site, News.ANCHORED, size)
        first = next(events)
        assert ("anchored", site.private) == (first.news, first.facts["chain_id"])
        assert 0 == other.stop()
        restarting = threading.Timer(0.5, other.start)
        restarting.start()
        tell(site, News.FINAL, size)
        try:
            second = next(events)
        finally:
            restarting.join()
        assert [(before + 1, "anchored"), (before + 2, "final")] == [
            (first.number, first.news),
            (second.number, second.news),
        ]
        events.close()
        with pytest.raises(ProblemAnswerError) as caught:
            next(client.events("nowhere"))
    assert 404 == caught.value.status


def test_the_asynchronous_client_hears_the_same(site: Site) -> None:
    """From where the caller stopped."""
    before = newest(site)
    site.write(site.public)
    site.seal()

    async def story() -> list[int]:
        client = AsyncClient(site.server.url, trust_on_first_use=True)
        async with client, aclosing(client.events(after=before)) as events:
            return [(await anext(events)).number]

    assert [before + 1] == asyncio.run(story())
