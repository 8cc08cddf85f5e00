"""A home on a simulated Bitcoin, and the steps of an operator, each of which a test can stop, repeat or run twice.

The home is the real one (``chains.home``), with its database on disk; only its Bitcoin source is the test's. Tests of
the engine, of receipts and of crashes tell their stories with it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from anchor.bitcoin.known import SourceBlocks
from anchor.bitcoin.protocols import Coin, Source
from anchor.bitcoin.transaction import build_anchor
from anchor.bitcoin.wallet import StoredWallet, Wallet
from anchor.directory import StoredCheckpoint
from anchor.engine import Ticked
from anchor.journal import Attempt
from anchor.lease import Leases
from anchor.lease_holder import this_process
from anchor.proof.bitcoin.payload import encode_payload
from anchor.proof.bitcoin.transaction import OutPoint, Transaction
from anchor.proof.entry import ExternalId, IdKind
from anchor.proof.receipt import LogCard, Receipt
from anchor.proof.verify import Verdict, Verifier, verify
from anchor.signing import check_signature
from chains.home import DATABASE, Home
from chains.home_making import create_home
from chains.mirror import Mirror
from chains.reader import Reader
from chains.receipts import Receipts
from chains.settings import Settings
from tests.databases import address_of, on_postgres
from tests.simulators.bitcoin import BLOCK_S, START_S, SimulatedBitcoin

HOUR_MS = 3_600_000
START_MS = START_S * 1000
# No host: nothing but the simulator ever answers for it.
SETTINGS = Settings("regtest", "core", core_url="http://simulated.invalid", anchor_every_s=3600, silence_s=86400)


class Clock:
    """The clock of a test: it stands still until told otherwise."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def pass_ms(self, span_ms: int) -> None:
        self.now_ms += span_ms


class Service:
    """An operator's hands on one home."""

    def __init__(self, home: Home, source: Source, clock: Clock) -> None:
        self.home = home
        self.clock = clock
        self.attach(source)

    def attach(self, source: Source) -> None:
        """Put a source in the place of the one that the settings name."""
        self.home._source = source

    @property
    def wallet(self) -> StoredWallet:
        return self.home.wallet

    def open_chain(self, name: str) -> bytes:
        """Open a chain; return the hash of its first entry."""
        _, accepted = self.home.writer.open_chain([ExternalId(IdKind.CLEAR, name.encode())], b"", name, self.clock())
        return accepted.entry_hash

    def add(self, chain: str, *contents: bytes) -> list[bytes]:
        """Record contents on a chain; return their entry hashes."""
        run = self.home.writer.record(self.home.chains.named(chain), contents, self.clock())
        return [accepted.entry_hash for accepted in run]

    def lead(self) -> None:
        """Take the lease, from whoever has it, unless this home has it: as a process does for which another lapsed."""
        leases, held = Leases(self.home.engine), self.home.guarded.lease
        found = leases.read()
        if held is None or found.holder is None or found.fence != held.fence:
            # It lapses at once: nobody has to wait for a service that a test forgets.
            self.home.lead(leases.seize(this_process("daemon", stays=True), self.clock(), 0))

    def seal(self) -> StoredCheckpoint | None:
        self.lead()
        return self.home.anchoring.seal(self.home.checkpoint_key, self.clock())

    def tick(self, *, at_once: bool = False) -> Ticked:
        self.lead()
        return self.home.anchoring.tick(self.clock(), at_once=at_once)

    def attempts(self) -> list[Attempt]:
        return self.home.journal.all()

    def states(self) -> list[str]:
        """Return the state of every attempt, oldest first."""
        return [str(attempt.state) for attempt in self.attempts()]

    def anchor(self, bitcoin: SimulatedBitcoin) -> None:
        """Seal, send an anchor at once, mine it, and see it; an hour passes with the blocks."""
        self.seal()
        self.tick(at_once=True)
        bitcoin.mine(HOUR_MS // 1000 // BLOCK_S)
        self.clock.pass_ms(HOUR_MS)
        self.tick()

    def mirror(self, folder: Path, kind: type[Mirror] = Mirror) -> Mirror:
        """Return what writes this home's mirror into a folder."""
        home = self.home
        return kind(folder, home.engine, home.trees, home.directory, home.chains, home.journal)

    def publish(self, folder: Path, *names: str) -> None:
        """Write the mirror, with the entries of the chains that are named."""
        self.mirror(folder).write(self.home.checkpoint_key, [self.home.chains.named(name) for name in names])

    def receipts(self) -> Receipts:
        home = self.home
        return Receipts(home.engine, home.trees, home.directory, home.chains, home.journal, home.lookup)

    def receipt(self, entry_hash: bytes, checkpoint_size: int | None = None) -> Receipt:
        """Return the receipt as a stranger reads it: written out and read again."""
        stored = Reader(self.home.engine, self.home.chains, self.home.lookup).by_hash(entry_hash)
        assert stored is not None
        made = self.receipts().make(stored, checkpoint_size=checkpoint_size)
        return Receipt.decode(made.encode())


@contextmanager
def new_service(
    folder: Path, source: Source, clock: Clock | None = None, settings: Settings = SETTINGS
) -> Iterator[Service]:
    """Make a home and close it at the end."""
    ticking = clock or Clock()
    if on_postgres():
        settings = replace(settings, database=address_of(folder / DATABASE))
    with create_home(folder, settings, "test.anchorline.example", ticking) as home:
        yield Service(home, source, ticking)


@contextmanager
def restarted(folder: Path, source: Source, clock: Clock) -> Iterator[Service]:
    """Open an existing home as a new process does."""
    with Home.open(folder, clock) as home:
        yield Service(home, source, clock)


def judge(receipt: Receipt, card: LogCard, source: Source) -> Verdict:
    """Verify a receipt against its log's card and the best chain of a source."""
    blocks = (SourceBlocks(source, ("simulated",)),)
    return verify(receipt, Verifier(card=card, blocks=blocks, depth=1, check_signature=check_signature))


def foreign_anchor(wallet: Wallet | StoredWallet, coin: Coin, size: int = 7, root: bytes = bytes(range(32))) -> bytes:
    """Return a signed anchor that this wallet's key made and no journal knows: another home's, or a thief's."""
    transaction = build_anchor([coin], wallet.script, encode_payload(size, root), 400, 1_000)
    return wallet.sign(transaction, [coin])


def coin_at(source: Source, script: bytes, outpoint: OutPoint) -> Coin:
    """Return an unspent coin of a script."""
    return next(coin for coin in source.unspent(script) if coin.outpoint == outpoint)


def thread_of(anchors: list[Transaction]) -> list[OutPoint]:
    """Return the first inputs of transactions: the coins of the thread, where they are anchors."""
    return [anchor.inputs[0].previous for anchor in anchors]
