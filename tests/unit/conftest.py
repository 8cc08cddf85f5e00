"""What several unit tests begin with: a simulated Bitcoin, and a funded home with one chain on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import Service, new_service


@pytest.fixture
def bitcoin() -> SimulatedBitcoin:
    """A fresh network."""
    return SimulatedBitcoin()


@pytest.fixture
def service(tmp_path: Path, bitcoin: SimulatedBitcoin) -> Iterator[Service]:
    """A funded home with the chain acme, nothing sealed; the network has 150 blocks."""
    with new_service(tmp_path / "home", bitcoin) as made:
        bitcoin.mine(1, made.wallet.script)
        bitcoin.mine(149)
        made.open_chain("acme")
        yield made
