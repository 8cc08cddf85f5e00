"""The outbox: a row for everything that others are told, in the transaction that makes it so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anchor.errors import LeaseLostError
from anchor.outbox import News, Outbox
from anchor.proof.bitcoin.hashes import hash_hex
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import Service, new_service, restarted

FINAL = 6


@pytest.fixture
def service(tmp_path: Path, bitcoin: SimulatedBitcoin) -> Iterator[Service]:
    with new_service(tmp_path / "home", bitcoin) as made:
        made.open_chain("acme")
        bitcoin.mine(1, made.wallet.script)
        bitcoin.mine(101)
        yield made


def told(service: Service) -> list[tuple[str, int]]:
    return [(str(row.news), row.facts["checkpoint_size"]) for row in Outbox(service.home.engine).after(0)]


def test_the_way_of_an_anchor_is_told_step_by_step(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Sealed, anchored, final; reorganised away, and anchored in another block. Looking again tells nothing twice."""
    sealed = service.seal()
    assert sealed is not None
    service.tick(at_once=True)
    bitcoin.mine()
    for _ in range(3):
        service.tick()
    assert [("sealed", sealed.size), ("anchored", sealed.size)] == told(service)
    row = Outbox(service.home.engine).after(1)[0]
    (attempt,) = service.attempts()
    block = attempt.standing.block
    assert block is not None
    assert hash_hex(attempt.txid) == row.facts["txid"]
    assert (block.height, hash_hex(block.hash)) == (row.facts["block_height"], row.facts["block_hash"])
    bitcoin.mine(FINAL)
    service.tick()
    service.tick()
    assert ["sealed", "anchored", "final"] == [news for news, _ in told(service)]
    bitcoin.reorg(FINAL + 1, drop=True)
    for _ in range(4):
        service.tick()
    bitcoin.mine()
    service.tick()
    assert ["sealed", "anchored", "final", "reorged", "anchored"] == [news for news, _ in told(service)]
    gone = Outbox(service.home.engine).after(3)[0]
    assert hash_hex(block.hash) == gone.facts["block_hash"], "the block that it was in"


def test_a_refused_anchor_is_told_once(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """However often it is sent in vain."""
    service.seal()
    bitcoin.raise_least_rate(12.0)
    bitcoin.fee_rate = 1.0
    service.tick(at_once=True)
    bitcoin.raise_least_rate(60.0)
    for _ in range(3):
        service.tick()
    failed = [row for row in Outbox(service.home.engine).after(0) if row.news is News.FAILED]
    assert ["refused-for-fee"] == [row.facts["why"] for row in failed]


def test_who_is_overtaken_tells_nothing(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A row is written in the transaction that makes it true: where that is refused, so is the row."""
    with restarted(service.home.folder, bitcoin, service.clock) as other:
        bitcoin.after("unspent", other.seal)
        with pytest.raises(LeaseLostError):
            service.seal()
    assert ["sealed"] == [news for news, _ in told(service)]


def test_no_row_names_a_chain(service: Service) -> None:
    """What is told is in the public directory or on Bitcoin: nobody learns of a private chain."""
    service.add("acme", b"private")
    service.seal()
    chain = service.home.chains.named("acme")
    text = str([row.facts for row in Outbox(service.home.engine).after(0)])
    assert chain.chain_id.hex() not in text
    assert "acme" not in text
