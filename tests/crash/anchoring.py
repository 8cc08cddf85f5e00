"""The scenarios of the crash tests of anchoring: entries are sealed, anchored, mined, reorganised and settled.

They run over the engine that a test gives and may be run again after any stop. Bitcoin is outside of what stops: the
simulator, kept in this process by folder, or the embedded regtest, kept in files. ``check_left`` and ``check_done`` say
what must hold after a stop, and after the run that followed it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

from anchor.bitcoin.local import LocalRegtest
from anchor.bitcoin.protocols import Source
from anchor.bitcoin.wallet import Wallet
from anchor.directory import Directory
from anchor.engine import AnchorEngine, Policy
from anchor.fees import FEE_TARGET_BLOCKS
from anchor.journal import Journal
from anchor.lease import GuardedEngine, Leases
from anchor.lifecycle import LIVE, MINED, State
from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.bitcoin.transaction import OutPoint, Transaction
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.receipt import LogCard, Receipt
from anchor.proof.verify import Outcome
from anchor.storage.engine import Engine
from chains.reader import Reader
from chains.receipts import Receipts
from tests.crash.crashing import DATABASE
from tests.crash.writing import SIGNED, check_signatures, open_store, read_lines
from tests.databases import open_engine
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.holders import gone
from tests.simulators.rules import check_directory, check_entries
from tests.simulators.service import judge
from tests.simulators.store import LOG, REGTEST, START_MS, Store, clear

MATURE = 101
# Attempts are watched for fewer blocks than they are, where blocks are simulated: a run is then over twice as soon.
SIMULATED = replace(REGTEST, watch_depth=2 * REGTEST.final_depth)
FINAL = SIMULATED.final_depth
WATCH = SIMULATED.watch_depth
HAPPENED = "happened"
WORLDS: dict[Path, SimulatedBitcoin] = {}
"""What stays when a run stops: the simulated Bitcoin of each folder."""


class World(Source, Protocol):
    """A Bitcoin that a scenario can move."""

    def mine(self, count: int = 1) -> object:
        """Mine blocks that pay to nobody."""


class Announced:
    """A source for which every broadcast is two points: it was not sent yet, and it was sent and nobody heard of it."""

    def __init__(self, source: Source, point: Callable[[str], None]) -> None:
        self._source = source
        self._point = point
        self.network = source.network

    def broadcast(self, raw: bytes) -> None:
        """See ``Source``; two points."""
        self._point("before broadcast")
        self._source.broadcast(raw)
        self._point("after broadcast")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


class Run:
    """One process: everything is opened anew, as a command does it.

    ``is_lease_counted``: taking the lease and giving it back are points too; once in a scenario is enough.
    """

    def __init__(self, engine: Engine, folder: Path, world: World, *, is_lease_counted: bool = False) -> None:
        point = getattr(engine, "point", lambda _: None)
        self.store: Store = open_store(engine, folder)
        self.leases = Leases(engine if is_lease_counted else getattr(engine, "inner", engine))
        self.guarded = GuardedEngine(engine)
        self.journal = Journal(self.guarded)
        source = cast("Source", Announced(world, point))
        directory = Directory.open(self.guarded, self.store.trees)
        self.anchoring = AnchorEngine(self.guarded, directory, self.journal, source, wallet(), Policy(0, 86_400_000))

    @contextmanager
    def leading(self) -> Iterator[None]:
        """Hold the lease: whoever has it in the row was stopped, and has ended."""
        self.guarded.lease = self.leases.take(gone(), START_MS)
        yield
        self.leases.release(self.guarded.lease)

    def write(self, count: int) -> None:
        """Let the chain have ``count`` entries, the missing ones in one commit: what is there is not written again."""
        chain = self.store.chains.by_name("acme")
        if chain is None:
            chain, _ = self.store.writer.open_chain([clear("acme")], b"first", "acme", START_MS)
        missing = [b"content %d" % number for number in range(self.store.chains.size(chain), count)]
        if missing:
            self.store.writer.record(chain, missing, START_MS)

    def seal(self) -> None:
        with self.leading():
            self.anchoring.seal(self.store.checkpoint_key, START_MS)

    def tick(self) -> None:
        with self.leading():
            self.anchoring.tick(START_MS)


@cache
def wallet() -> Wallet:
    """Return the same wallet in every run."""
    return Wallet.generate(REGTEST, bytes(range(16)))


@cache
def _funded() -> SimulatedBitcoin:
    bitcoin = SimulatedBitcoin(SIMULATED)
    bitcoin.mine(1, wallet().script)
    bitcoin.mine(MATURE - 1)
    return bitcoin


def simulated(folder: Path) -> SimulatedBitcoin:
    """Return the simulated Bitcoin of a folder, the first time with one deep coin of ours."""
    if folder not in WORLDS:
        WORLDS[folder] = _funded().copy()
    return WORLDS[folder]


@contextmanager
def embedded(folder: Path) -> Iterator[LocalRegtest]:
    """Open the embedded regtest of a folder, the first time with one deep coin of ours."""
    world = LocalRegtest(folder / "regtest")
    try:
        if world.tip().height == 0:
            world.mine(1, wallet().script)
        world.mine(max(0, MATURE - world.tip().height))
        yield world
    finally:
        world.close()


def anchor_twice(engine: Engine, folder: Path, world: World) -> None:
    """Write, seal, tick, mine, tick; write more, seal, tick, mine, tick. Every step is opened anew."""
    for count in (1, 3):
        Run(engine, folder, world).write(count)
        Run(engine, folder, world, is_lease_counted=count == 3).seal()
        Run(engine, folder, world, is_lease_counted=count == 3).tick()
        world.mine()
        Run(engine, folder, world).tick()


def anchor_twice_simulated(engine: Engine, folder: Path) -> None:
    """``anchor_twice`` on the simulated Bitcoin of the folder."""
    anchor_twice(engine, folder, simulated(folder))


def anchor_twice_embedded(engine: Engine, folder: Path) -> None:
    """``anchor_twice`` on the embedded regtest in the folder."""
    with embedded(folder) as world:
        anchor_twice(engine, folder, world)


def lose_and_settle(engine: Engine, folder: Path) -> None:
    """Two anchors become final, are reorganised away and forgotten, sent again, mined, settled; a third follows."""
    world = simulated(folder)
    anchor_twice(engine, folder, world)
    world.mine(FINAL)
    Run(engine, folder, world).tick()
    _once(folder, "reorganised", lambda: world.reorg(world.height - MATURE, drop=True))
    for _ in range(5):
        Run(engine, folder, world).tick()
    world.mine(WATCH)
    Run(engine, folder, world).tick()
    Run(engine, folder, world).write(4)
    Run(engine, folder, world).seal()
    Run(engine, folder, world).tick()
    world.mine()
    Run(engine, folder, world).tick()


def replace_by_fee(engine: Engine, folder: Path) -> None:
    """One anchor is mined; the next waits for six blocks in vain, and is replaced with a newer checkpoint and mined."""
    world = simulated(folder)
    Run(engine, folder, world).write(1)
    Run(engine, folder, world).seal()
    Run(engine, folder, world).tick()
    _once(folder, "mined", world.mine)
    Run(engine, folder, world).tick()
    Run(engine, folder, world).write(2)
    Run(engine, folder, world).seal()
    Run(engine, folder, world).tick()
    for number in range(FEE_TARGET_BLOCKS):
        _once(folder, f"passed-{number}", world.mine_others)
    Run(engine, folder, world).write(3)
    Run(engine, folder, world).seal()
    for _ in range(3):
        Run(engine, folder, world).tick()
    world.mine()
    Run(engine, folder, world).tick()
    world.mine(WATCH)
    Run(engine, folder, world).tick()


def _once(folder: Path, what: str, act: Callable[[], object]) -> None:
    """Let something happen to the world once, however often the scenario is run again."""
    mark = folder / f"{HAPPENED}-{what}"
    if not mark.exists():
        act()
        mark.touch()


# --- what must hold


def check_left(folder: Path, world: World) -> None:
    """What a stop leaves: one story in all signatures, and nothing is out that is not on disk."""
    engine = open_engine(folder / DATABASE)
    run = Run(engine, folder, world)
    check_entries(run.store)
    check_signatures(run.store, folder)
    attempts = run.journal.all()
    live = [attempt for attempt in attempts if attempt.state in LIVE]
    assert len({attempt.spends for attempt in live}) <= 2, "one after the other, after a reorganisation"
    assert len(live) <= 3, "the last one and the version that is about to replace it"
    for coin in {attempt.spends for attempt in attempts}:
        fees = [attempt.fee_sat for attempt in attempts if attempt.spends == coin]
        assert sorted(set(fees)) == fees, "each version pays more than all before it, so it replaces any of them"
    assert {transaction.txid for transaction in transactions(world)} <= {attempt.txid for attempt in attempts}
    assert len(attempts) - len({attempt.spends for attempt in attempts}) <= 1, "one version for each block at most"
    engine.close()


def check_done(folder: Path, world: World, anchors: int, more: int = 0) -> None:
    """What the next whole run makes of it: one thread, every anchor a signed checkpoint, every entry proved.

    The thread has so many anchors, or up to ``more`` beyond them.
    """
    engine = open_engine(folder / DATABASE)
    run = Run(engine, folder, world)
    check_entries(run.store)
    check_directory(run.store)
    check_signatures(run.store, folder)
    check_thread(run, folder, world, range(anchors, anchors + more + 1))
    check_receipts(run, world)
    engine.close()


def check_thread(run: Run, folder: Path, world: World, anchors: range) -> None:
    """The best chain has so many anchors, each spending the one before, each of a checkpoint that was signed."""
    thread = run.store.directory.thread_leaf()
    assert thread is not None
    mined = transactions(world)
    assert len(mined) in anchors
    line = [thread[1].outpoint, *(OutPoint(anchor.txid, 0) for anchor in mined)]
    assert line[:-1] == [anchor.inputs[0].previous for anchor in mined]
    attempts = run.journal.all()
    assert [anchor.txid for anchor in mined] == [attempt.txid for attempt in attempts if attempt.state in MINED]
    assert {State.REPLACED} >= {attempt.state for attempt in attempts} - MINED
    signed = {
        (checkpoint.size, checkpoint.root)
        for line_ in read_lines(folder / SIGNED)
        if (text := bytes.fromhex(line_)).startswith(LOG.origin.encode())
        for checkpoint in [Checkpoint.decode(text.decode())]
    }
    payloads = [find_payload(anchor) for anchor in mined]
    assert {(payload.tree_size, payload.root) for payload in payloads} <= signed
    sizes = [payload.tree_size for payload in payloads]
    assert sorted(set(sizes)) == sizes


def check_receipts(run: Run, world: World) -> None:
    """Every entry ends in a receipt that verifies INTACT against the best chain."""
    store = run.store
    thread = store.directory.thread_leaf()
    assert thread is not None
    card = LogCard(LOG, (thread[1].outpoint,))
    receipts = Receipts(store.engine, store.trees, store.directory, store.chains, run.journal, store.lookup)
    chain = store.chains.named("acme")
    count = 0
    for stored in Reader(store.engine, store.chains, store.lookup).entries(chain, 0, store.chains.size(chain)):
        made = Receipt.decode(receipts.make(stored).encode())
        assert Outcome.INTACT == judge(made, card, world).outcome
        count += 1
    assert store.chains.size(chain) == count > 0


def transactions(world: World) -> list[Transaction]:
    """Return everything on the best chain but coinbases, in order, and then what is in the mempool."""
    if isinstance(world, SimulatedBitcoin):
        return [*world.mined(), *(pooled.signed.body for pooled in world._pool.values())]
    assert isinstance(world, LocalRegtest)
    return [signed.body for signed in world._transactions_above(0)] + [
        pooled.signed.body for pooled in world._pool.values()
    ]
