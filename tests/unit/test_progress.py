"""The daemon's lines about attempts, from what real ticks of a real home say over a simulated Bitcoin."""

from pathlib import Path

from anchor.progress import progress, sealing_lines
from anchor.proof.bitcoin.hashes import hash_hex
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import new_service


def test_each_change_of_an_attempt_is_one_line(tmp_path: Path) -> None:
    """Sealed, sent, in a block: a line each, with root or transaction; nothing new is no line."""
    bitcoin = SimulatedBitcoin()
    with new_service(tmp_path / "home", bitcoin) as service:
        bitcoin.mine(1, service.wallet.script)
        bitcoin.mine(149)
        service.open_chain("acme")
        sealed = service.seal()
        assert sealed is not None
        assert [f"event=sealed seal=0 size={sealed.size} root={sealed.root.hex()}"] == sealing_lines(sealed)
        assert [] == sealing_lines(service.seal())
        sent = service.tick(at_once=True).attempts
        first = sent[-1]
        common = f"txid={hash_hex(first.txid)} size={first.checkpoint_size} fee_sat={first.fee_sat}"
        assert [f"event=anchor attempt={first.attempt_no} state=broadcast {common}"] == progress([], sent)
        assert [] == progress(sent, sent)
        bitcoin.mine(1)
        confirmed = service.tick().attempts
        block = confirmed[-1].standing.block
        assert block is not None
        where = f"height={block.height} block={hash_hex(block.hash)}"
        assert [f"event=anchor attempt={first.attempt_no} state=confirmed {common} {where}"] == progress(
            sent, confirmed
        )
