"""A log with every kind of anchor: final ones, one that was replaced, one in a block, and one that left its block.

Tests of the service's pages show it, in this process and in a browser. Its Bitcoin is simulated: no real one can be
made to do all of this in order.
"""

from contextlib import ExitStack
from pathlib import Path

from chains.settings import Settings
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import HOUR_MS, SETTINGS, Service, new_service

FINAL_ANCHORS = 3


def funded_service(folder: Path, bitcoin: SimulatedBitcoin, stack: ExitStack, settings: Settings = SETTINGS) -> Service:
    """Return a new log, whose wallet has a coin that is deep enough, with the chain acme."""
    service = stack.enter_context(new_service(folder / "home", bitcoin, settings=settings))
    bitcoin.mine(1, service.wallet.script)
    bitcoin.mine(100)
    service.open_chain("acme")
    return service


def record(service: Service, content: bytes) -> None:
    """Record something and seal it, an hour later: the next anchor is due."""
    service.add("acme", content)
    service.clock.pass_ms(HOUR_MS)
    service.seal()


def tell_anchors(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Let all of it happen, over some hours of the service's clock."""
    for number in range(FINAL_ANCHORS):
        service.anchor(bitcoin)
        record(service, b"%d" % number)
    service.tick()
    bitcoin.fee_rate = 9.0
    record(service, b"dearer")
    bitcoin.mine_without(*bitcoin.mempool())
    service.tick()
    bitcoin.mine(2)
    service.tick()
    record(service, b"reorganised")
    service.tick()
    bitcoin.mine()
    service.tick()
    bitcoin.reorg(1, drop=True)
    for _ in range(2):  # one look that misses it may be a source that lags
        service.home.anchoring.watcher.look(service.clock())
