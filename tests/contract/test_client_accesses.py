"""Who read what, for the client: the list of the service, the records that prove it, and lies about either."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from chains.access import Role
from chains.client import AsyncClient, Client, Patience, ProblemAnswerError, Recorded, UntrueAnswerError, Untruth
from tests.simulators.api_server import make_home, make_key, run_beside, serving
from tests.simulators.lying_server import LyingServer, Said, lying, truth


@dataclass
class Site:
    """A served home behind a server that can lie; an owner's client, and a private entry of his that was read."""

    home: Path
    liar: LyingServer
    key: str
    client: Client
    mine: Recorded

    @contextmanager
    def told(self, where: str, change: Callable[[Any], None]) -> Iterator[None]:
        """Have the JSON of answers whose path ends so changed."""

        def lie(said: Said) -> Said:
            if not said.path.split("?")[0].endswith(where) or said.status != 200:
                return said
            value = json.loads(said.body)
            change(value)
            return replace(said, body=json.dumps(value).encode())

        self.liar.lie = lie
        try:
            yield
        finally:
            self.liar.lie = truth

    def untruth(self, ask: Callable[[], object]) -> Untruth:
        with pytest.raises(UntrueAnswerError) as found:
            ask()
        return found.value.untruth


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    patched = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("accesses")
    patched.setenv("XDG_STATE_HOME", str(folder / "state"))
    home = make_home(folder)
    key = make_key(home, "acme", Role.OWNER)
    hasty = Patience(attempts=1)
    with (
        serving(home) as server,
        lying(server.url) as liar,
        Client(liar.url, key, trust_on_first_use=True, patience=hasty) as client,
    ):
        opened = client.open_chain(["orders"], b"opened")
        mine = client.add(opened.own.entry.chain_id, b"order 7")
        assert [] == list(client.prove_accesses())
        client.content(mine)
        waiting = [each for each in client.accesses() if each.noted.event.what == "content"]
        assert [None] == [each.recorded_in for each in waiting]
        with pytest.raises(ValueError, match="waits for its record"):
            client.prove_access(waiting[0])
        run_beside(home, "seal")
        yield Site(home, liar, key, client, mine)
    patched.undo()


def test_an_access_is_proved_by_its_record(site: Site) -> None:
    """What is listed names its record, whose receipt is verified and whose content has the access as it was listed."""
    chain_id = site.mine.own.entry.chain_id
    [read] = [each for each in site.client.accesses(about=chain_id) if each.noted.event.what == "content"]
    event = read.noted.event
    assert (chain_id, 1, 1, site.mine.entry_hash) == (event.chain, event.index, event.count, event.entry)
    assert (site.key[:11], "api", "key") == (event.key, event.way, event.by)
    proved = site.client.prove_access(read)
    assert proved.events is not None
    assert read.noted in proved.events
    assert proved.receipt.receipt.sealed is not None
    later = list(site.client.accesses(since_ms=read.noted.at_ms + 1))
    assert read not in later
    assert "log" in [each.noted.event.what for each in later]


def test_the_whole_access_chain_is_proved(site: Site) -> None:
    """Every record, in order and without a gap; what is listed as recorded is in one of them."""
    site.client.content(site.mine)
    run_beside(site.home, "seal")
    records = list(site.client.prove_accesses())
    events = [each for record in records for each in record.events or ()]
    assert len(records) > 1
    assert list(range(len(events))) == [each.number for each in events]
    listed = [each.noted for each in site.client.accesses() if each.recorded_in is not None]
    assert listed == events[: len(listed)]

    async def story() -> list[int]:
        async with AsyncClient(site.liar.url, site.key, trust_on_first_use=True) as client:
            seen = [each async for each in client.accesses()]
            proved = await client.prove_access(seen[0])
            assert proved == records[0]
            return [record.leaf_index async for record in client.prove_accesses()]

    assert [record.leaf_index for record in records] == asyncio.run(story())[: len(records)]


def test_a_record_that_is_kept_back_or_an_access_that_is_changed_is_found(site: Site) -> None:
    """The newest record left out, another key in the list, or a list that names another record: refused by name."""
    site.client.content(site.mine)
    run_beside(site.home, "seal")

    def keep_back(value: dict[str, Any]) -> None:
        value["entries"] = value["entries"][:-1]

    with site.told("/entries", keep_back):
        assert Untruth.ACCESS == site.untruth(lambda: list(site.client.prove_accesses()))
    first, *_, last = [each for each in site.client.accesses() if each.recorded_in is not None]

    def change(value: dict[str, Any]) -> None:
        value["events"][0]["way"] = "page"

    with site.told("/v1/access", change):
        changed = next(site.client.accesses())
    assert Untruth.ACCESS == site.untruth(lambda: site.client.prove_access(changed))
    assert first.recorded_in != last.recorded_in
    assert Untruth.ACCESS == site.untruth(
        lambda: site.client.prove_access(replace(first, recorded_in=last.recorded_in))
    )
    assert Untruth.ACCESS == site.untruth(
        lambda: site.client.prove_access(replace(first, recorded_in=site.mine.entry_hash))
    )


def test_only_an_owner_is_told(site: Site) -> None:
    """A writer's key lists nothing and proves nothing."""
    with Client(site.liar.url, make_key(site.home, "acme"), trust_on_first_use=True) as client:
        for ask in (client.accesses, client.prove_accesses):
            with pytest.raises(ProblemAnswerError) as found:
                list(ask())
            assert "not-allowed" == found.value.code
