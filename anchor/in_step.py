"""Whether this home is in step with the outside world: asked before anything is signed (design section 3.3).

Bitcoin is asked what became of the thread's coins; the journal says which spends are ours. ``anchor.engine`` asks
before every seal and tick, and ``anchorline recover thread`` asks what it would go on from.
"""

from collections.abc import Callable
from typing import NoReturn

from anchor.bitcoin.protocols import Coin, Source
from anchor.bitcoin.transaction import is_thread_coin
from anchor.errors import BehindError, HijackedThreadError, SettingsError, SourceError
from anchor.journal import Journal
from anchor.plan import Facts, thread_end
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.transaction import OutPoint
from anchor.recovery import Recoveries, Recovery
from anchor.signature_requests import SignatureRequests
from anchor.versions import Signer
from anchor.watching import Watcher

# What a source says that knows of a spend and cannot name it (``protocols.Coins.spender``).
UNNAMED = bytes(32)
# A stranger's line is followed no further: each step is a question to the source.
MAX_STRANGERS = 4_096


class InStep:
    """Compares one home with what one source sees of its thread; remembers only that it looked at all coins once."""

    def __init__(
        self,
        journal: Journal,
        source: Source,
        wallet: Signer,
        recoveries: Recoveries,
        requests: SignatureRequests,
        facts: Callable[[], Facts],
    ) -> None:
        self.journal = journal
        self.source = source
        self.wallet = wallet
        self.recoveries = recoveries
        self.requests = requests
        self._facts = facts
        self._watcher = Watcher(journal, source)
        self._looked = False

    def check(self) -> None:
        """Refuse to go on where the network shows more of this log than this home knows.

        The source was asked for its network before. Raises BehindError, HijackedThreadError, SettingsError for a wallet
        that is no longer the log's, and SourceUnavailableError where nobody answers.
        """
        pending = self.recoveries.pending()
        if pending is not None:
            self._check_recovery(pending)
        elif self._facts().thread_start is not None:
            self._check_thread_end()
        elif not self._looked:
            # Once in a process: the look at all coins is slow on a real node. It covers only a home that knows of no
            # thread: afterwards a stranger could stop the log by paying the coin of a thread of his own to our address.
            self._check_no_unknown_anchor()
        self._looked = True

    def lost_to(self) -> tuple[OutPoint, bytes] | None:
        """Return the thread's coin that a stranger spent, and his txid (32 zero bytes: not known), or None."""
        coin, stranger = self._follow(self._last_coin())
        if stranger is not None:
            # A reorganisation between two questions makes a coin look spent that is only gone: ask them again.
            coin, stranger = self._follow(self._last_coin())
        return None if stranger is None else (coin, stranger)

    def unknown_anchors(self) -> list[Coin]:
        """Return the unspent thread coins at the wallet's address that no attempt of this home made.

        Raises SourceError where the source has pruned what made one, so that nobody can see whether it is one.
        """
        coins = self.source.unspent(self.wallet.script)
        unknown = [coin for coin in coins if coin.outpoint.vout == 0 and not self.journal.knows(coin.outpoint.txid)]
        for coin in unknown:
            if not coin.transaction:
                raise SourceError(
                    f"coin {coin.outpoint} of this wallet was made in a block that the source has pruned: whether it "
                    "is another home's anchor cannot be seen, and nothing was signed; name a source beside it that "
                    "keeps every block (esplora_urls)"
                )
        return [coin for coin in unknown if is_thread_coin(coin)]

    # --- without a thread, and on one

    def _check_no_unknown_anchor(self, strangers: frozenset[bytes] = frozenset()) -> None:
        for coin in self.unknown_anchors():
            if coin.outpoint.txid not in strangers:
                raise BehindError(
                    f"transaction {hash_hex(coin.outpoint.txid)} anchors with this wallet's key, and this home does "
                    "not know it: the home was restored from a backup, or another service uses the same key; "
                    "nothing was signed. Stop the other service, or restore a newer backup"
                )

    def _check_thread_end(self) -> None:
        """Follow the thread to its unspent end: whatever spends one of its coins must be an attempt of ours.

        That includes attempts which the network has taken further than the journal says.
        """
        lost = self.lost_to()
        if lost is not None:
            self._refuse_spender(*lost)

    def _refuse_spender(self, coin: OutPoint, spender: bytes) -> NoReturn:
        asked = self.requests.of_txid(spender)
        if asked is not None:
            raise BehindError(
                f"transaction {hash_hex(spender)} of request {asked.request_no} was signed and sent elsewhere; bring "
                "its PSBT back with `anchorline wallet psbt import`, so that this home knows it; nothing was signed"
            )
        self._check_no_unknown_anchor()
        known = "a transaction that this source cannot name" if spender == UNNAMED else hash_hex(spender)
        raise HijackedThreadError(
            f"the thread coin {coin} was spent by {known}, which this home did not make: its key is known to "
            "somebody else, or the home was restored from a backup; nothing was signed. If this home is the newest, "
            "the log goes on with `anchorline recover thread`"
        )

    def _follow(self, coin: OutPoint) -> tuple[OutPoint, bytes | None]:
        """Return the last coin of the line of our attempts that begins with ``coin``, and the txid that spends it."""
        while (spender := self.source.spender(coin)) is not None:
            attempt = self.journal.of_txid(spender)
            if attempt is None or attempt.spends != coin:
                return coin, spender
            coin = attempt.coin
        return coin, None

    def _last_coin(self) -> OutPoint:
        """Return the newest coin of the thread whose block is on the best chain now.

        The journal may name a later one: where a block was reorganised away since, its coin is not spent but gone.
        """
        coin, last = thread_end(self._facts())
        while last is not None and self._watcher.has_left(last):
            # Another version may have made the coin before: whoever follows the spends from there will find it.
            coin, last = last.spends, self.journal.of_txid(last.spends.txid)
        return coin

    # --- while a new thread is on its way

    def _check_recovery(self, pending: Recovery) -> None:
        """A new thread that nobody has begun: its coin is unspent, and no anchor is there but those of the old line."""
        if pending.script != self.wallet.script:
            raise SettingsError(
                "this process has another wallet than the one with which the new thread begins: start it again; where "
                "that does not help, run `anchorline recover thread --new-wallet` once more"
            )
        spender = None if pending.leaf is None else self.source.spender(pending.leaf.outpoint)
        if pending.leaf is not None and spender not in {None, UNNAMED}:
            raise BehindError(
                f"the coin {pending.leaf.outpoint}, with which the new thread is to begin, was spent by "
                f"{hash_hex(spender or UNNAMED)}: the home was restored from a backup, or the new key is known too; "
                "nothing was signed. Restore a newer backup; if this home is the newest, run "
                "`anchorline recover thread` again"
            )
        if spender is not None or not self._looked:
            self._check_no_unknown_anchor(self._strangers())

    def _strangers(self) -> frozenset[bytes]:
        """Return the transactions that go on from the thread's lost coin, as far as the source can name them."""
        found: set[bytes] = set()
        lost = self.lost_to()
        spender = None if lost is None else lost[1]
        while spender not in {None, UNNAMED} and len(found) < MAX_STRANGERS:
            assert spender is not None
            found.add(spender)
            spender = self.source.spender(OutPoint(spender, 0))
        return frozenset(found)
