"""Exports over HTTP: one at a time for each asker, few for all, and a place that is given back whatever happens."""

import asyncio
import io
import tarfile
from collections.abc import Iterator

import pytest

from anchor.errors import NotYetError, OverloadedError
from chains.web.exporting import MOST, Exporting, pieces
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import Service, new_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A log with an anchored chain, and one of which nothing is sealed."""
    bitcoin = SimulatedBitcoin()
    with new_service(tmp_path_factory.mktemp("exporting") / "home", bitcoin) as made:
        bitcoin.mine(1, made.wallet.script)
        bitcoin.mine(149)
        made.open_chain("anchored")
        made.add("anchored", b"beam 7")
        made.anchor(bitcoin)
        made.anchor(bitcoin)
        made.open_chain("new")
        yield made


@pytest.fixture
def exporting(service: Service) -> Iterator[Exporting]:
    made = Exporting(service.home.folder, service.clock)
    yield made
    made.close()


def no_of(service: Service, name: str) -> int:
    return service.home.chains.named(name).chain_no


def test_a_place_is_given_back_whatever_happens(service: Service, exporting: Exporting) -> None:
    """While one is under way its asker waits, others do not; where there is nothing to export, he may ask again."""
    anchored, new = no_of(service, "anchored"), no_of(service, "new")
    files = {path.name for path in service.home.folder.iterdir()}

    async def story() -> bytes:
        for _ in range(2):
            with pytest.raises(NotYetError, match="nothing of these chains is in a block yet"):
                await exporting.make("acme", [new], with_content=True)
        first = await exporting.make("acme", [anchored, new], with_content=True)
        with pytest.raises(OverloadedError):
            await exporting.make("acme", [anchored], with_content=True)
        others = [await exporting.make(f"other {n}", [anchored], with_content=False) for n in range(MOST - 1)]
        with pytest.raises(OverloadedError):
            await exporting.make("one too many", [anchored], with_content=True)
        assert files == {path.name for path in service.home.folder.iterdir()}, "a file without a name"
        for other in others:
            other.close()
        whole = b"".join([piece async for piece in pieces(first, asyncio.Event())])
        first.close()
        exporting.done("acme")
        (await exporting.make("acme", [anchored], with_content=True)).close()
        gone = asyncio.Event()
        gone.set()
        assert [] == [piece async for piece in pieces(io.BytesIO(whole), gone)]
        return whole

    with tarfile.open(fileobj=io.BytesIO(asyncio.run(story()))) as archive:
        names = [name for name in archive.getnames() if "/entries/" in name]
    assert [f"entries/{service.home.chains.named('anchored').chain_id.hex()}.jsonl"] == [
        name.split("/", 1)[1] for name in names
    ]
