"""A log to try things with: on an embedded regtest of its own, which mines when it is told to.

``chains.demo`` and ``chains.examples`` record in one. Every step is done by the parts that other commands use.
"""

from pathlib import Path

from anchor.engine import Ticked
from anchor.proof.receipt import LogCard
from chains.highwater import high_water_file
from chains.home import CARD, Home
from chains.home_making import create_home
from chains.reader import Reader
from chains.receipts import Receipts, Shown
from chains.scheduling import mine
from chains.settings import Settings


def create_trial(folder: Path, origin: str) -> Home:
    """Make the home of such a log in a new or empty folder, and return it opened."""
    return create_home(folder, Settings("regtest", "embedded"), origin)


def fund(home: Home) -> None:
    """Mine to the wallet until its first coin may be spent and is as deep as the watch depth."""
    mine(home, max(home.network.coinbase_maturity, home.network.watch_depth) + 1)


def anchor_now(home: Home, depth: int) -> Ticked:
    """Send the anchor of the newest checkpoint, mine until it is ``depth`` deep, and return what is then seen of it."""
    home.anchoring.tick(home.clock(), at_once=True)
    mine(home, depth)
    return home.anchoring.tick(home.clock())


def receipt_of(home: Home, entry_hash: bytes) -> bytes:
    """Return the receipt of a recorded entry as it is now; it shows no content."""
    stored = Reader(home.engine, home.chains, home.lookup).by_hash(entry_hash)
    assert stored is not None
    receipts = Receipts(home.engine, home.trees, home.directory, home.chains, home.journal, home.lookup)
    return receipts.make(stored, Shown()).encode()


def forget(folder: Path) -> None:
    """Remove what this machine noted of a log whose home, in ``folder``, is closed and about to be gone."""
    card = folder / CARD
    if card.is_file():
        high_water_file(LogCard.decode(card.read_bytes()).log.log_id).unlink(missing_ok=True)
