"""What a log's database shows of the best chain, on a simulated Bitcoin whose height is known."""

from pathlib import Path

from anchor.best_chain import noted_height
from anchor.directory import SEAL_BLOCK_DEPTH
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import new_service

FUNDED = 101


def test_seals_and_attempts_tell_how_high_the_best_chain_was(tmp_path: Path) -> None:
    """Nothing is known before the first seal; then what the newest seal, attempt or block shows, never more."""
    bitcoin = SimulatedBitcoin()
    with new_service(tmp_path / "home", bitcoin) as service:

        def noted() -> int | None:
            return noted_height(service.home.directory, service.home.journal)

        assert noted() is None
        service.open_chain("acme")
        bitcoin.mine(SEAL_BLOCK_DEPTH - 1, service.wallet.script)
        service.seal()
        assert noted() is None  # no block is deep enough to be named
        bitcoin.mine(FUNDED - SEAL_BLOCK_DEPTH + 1)
        service.add("acme", b"1")
        service.seal()
        assert FUNDED == bitcoin.height == noted()
        bitcoin.mine(2)
        service.tick(at_once=True)
        assert FUNDED + 2 == noted()  # the tip upon which the attempt was made
        bitcoin.mine(2)
        assert FUNDED + 2 == noted()
        service.tick()
        assert FUNDED + 3 == noted()  # the attempt's own block
