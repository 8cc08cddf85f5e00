"""Transactions that wait for a signature from elsewhere: stored before anybody is asked, one of them live at a time.

``OfflineSigner`` takes the place of the wallet in ``anchor.versions`` and stores what is to be signed; ``anchorline
wallet psbt`` hands it out and brings it back. A signed one becomes an attempt, which the next tick sends.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from anchor.bitcoin.descriptor import PublicWallet
from anchor.bitcoin.protocols import BlockId, Coin, Source
from anchor.bitcoin.psbt import encode_psbt, signed_transaction, transaction_in
from anchor.bitcoin.signature import check_coins
from anchor.bitcoin.transaction import INCREMENTAL_SAT_PER_VB, virtual_size
from anchor.directory import Directory
from anchor.errors import StaleSignatureError
from anchor.journal import Attempt, Journal
from anchor.lifecycle import LIVE, LOST
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.bitcoin.transaction import MAX_TRANSACTION, OutPoint, Transaction
from anchor.storage.engine import Engine, Row

_COLUMNS = "signature_request.request_no, made_at_ms, checkpoint_size, unsigned, fee_sat, now.ended, before.request_no"
# A waiting request gives way to one that pays this many times its fee rate.
RENEWED_AT = 1.5


class Ended(StrEnum):
    """How a request ended."""

    SIGNED = "signed"
    WITHDRAWN = "withdrawn"
    RENEWED = "renewed"  # another one that pays more took its place; signed meanwhile, it is a version all the same


@dataclass(frozen=True, slots=True)
class SignatureRequest:
    """One transaction that is to be signed elsewhere; ``ended`` is None while it is waited for.

    ``renews`` is the number of the request whose place it took since fees had risen, or None.
    """

    request_no: int
    made_at_ms: int
    checkpoint_size: int
    transaction: Transaction
    fee_sat: int
    ended: Ended | None
    renews: int | None = None

    @property
    def spends(self) -> OutPoint:
        """The thread coin that it spends."""
        return self.transaction.inputs[0].previous


def outbid_by(request: SignatureRequest, attempts: Iterable[Attempt]) -> Attempt | None:
    """Return an attempt that spends the request's coin, has not lost it and pays as much, or None.

    Every version of an anchor pays more than all before it (ADR 10), so such a request can no longer become one.
    """
    rivals = (attempt for attempt in attempts if attempt.spends == request.spends and attempt.state not in LOST)
    return next((attempt for attempt in rivals if attempt.fee_sat >= request.fee_sat), None)


def is_outpaced(request: SignatureRequest, transaction: Transaction, fee_sat: int) -> bool:
    """Say whether a request pays clearly less than another transaction would that spends the same coin with this fee.

    Clearly is half as much again for each virtual byte, and enough for the dearer one to replace it in a mempool:
    both may be signed. Small changes of an estimate do not take away what somebody has in his hands.
    """
    own, other = virtual_size(len(request.transaction.inputs)), virtual_size(len(transaction.inputs))
    is_dearer = fee_sat * own >= RENEWED_AT * request.fee_sat * other
    return is_dearer and fee_sat >= request.fee_sat + ceil(other * INCREMENTAL_SAT_PER_VB)


class SignatureRequests:
    """The requests of one database."""

    def __init__(self, engine: Engine, journal: Journal) -> None:
        self.engine = engine
        self.journal = journal

    def live(self) -> SignatureRequest | None:
        """Return the request that is waited for, or None."""
        found = self._select("WHERE now.ended IS NULL ORDER BY signature_request.request_no DESC LIMIT 1")
        return found[0] if found else None

    def of_txid(self, txid: bytes) -> SignatureRequest | None:
        """Return the newest request for the transaction with this txid (32 bytes, internal order), or None."""
        found = self._select("WHERE txid = ? ORDER BY signature_request.request_no DESC LIMIT 1", txid)
        return found[0] if found else None

    def add(
        self, now_ms: int, transaction: Transaction, coins: Sequence[Coin], before: Ended = Ended.WITHDRAWN
    ) -> SignatureRequest | None:
        """Store a request, inside a transaction, and return it; the one that was live ends as ``before`` says.

        None, and nothing stored, where an attempt that was made meanwhile pays as much for the same coin.
        """
        request_no = int(self.engine.query("SELECT COALESCE(MAX(request_no), 0) + 1 FROM signature_request")[0][0])
        fee_sat = _fee_sat(transaction, coins)
        size = find_payload(transaction).tree_size
        request = SignatureRequest(request_no, now_ms, size, transaction, fee_sat, None)
        if outbid_by(request, self.journal.watched()) is not None:
            return None
        live = self.live()
        if live is not None:
            self.end(live, now_ms, before)
        self.engine.execute(
            "INSERT INTO signature_request (request_no, made_at_ms, checkpoint_size, txid, unsigned, fee_sat) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (request_no, now_ms, size, transaction.txid, transaction.encode(), fee_sat),
        )
        self.journal.keep_coins(coins)
        return request

    def end(self, request: SignatureRequest, now_ms: int, how: Ended) -> None:
        """Note how a request ended, inside a transaction."""
        self.engine.execute(
            "INSERT INTO signature_request_end (request_no, at_ms, ended) VALUES (?, ?, ?)",
            (request.request_no, now_ms, how),
        )

    def _select(self, condition: str, *values: bytes) -> list[SignatureRequest]:
        rows = self.engine.query(
            f"SELECT {_COLUMNS} FROM signature_request "  # noqa: S608  # our own texts
            "LEFT JOIN signature_request_end now ON now.request_no = signature_request.request_no "
            "LEFT JOIN signature_request_end before "
            f"ON before.request_no = signature_request.request_no - 1 AND before.ended = '{Ended.RENEWED}' {condition}",
            values,
        )
        return [_request(row) for row in rows]


class OfflineSigner:
    """A signer that answers later: it stores what is to be signed, and somebody brings the signature."""

    def __init__(self, requests: SignatureRequests, wallet: PublicWallet, clock: Callable[[], int]) -> None:
        self._requests = requests
        self._wallet = wallet
        self._clock = clock

    @property
    def script(self) -> bytes:
        """The script of all its coins (22 bytes, P2WPKH)."""
        return self._wallet.script

    def sign(self, transaction: Transaction, coins: Sequence[Coin]) -> None:
        """Store the transaction to be signed, unless one for the same thread coin is waited for already.

        That one is kept, however old, while its fee is not clearly too low: whoever signs may have it in his hands.
        One that an attempt outbid meanwhile is not: its signature would be refused. Raises SigningError where a coin
        is not what it says.
        """
        check_coins(transaction, coins, self._wallet.script)
        with self._requests.engine.transaction():
            live = self._requests.live()
            if live is None or live.spends != coins[0].outpoint or self._is_outbid(live):
                self._requests.add(self._clock(), transaction, coins)
            elif is_outpaced(live, transaction, _fee_sat(transaction, coins)):
                self._requests.add(self._clock(), transaction, coins, Ended.RENEWED)

    def _is_outbid(self, live: SignatureRequest) -> bool:
        return outbid_by(live, self._requests.journal.watched()) is not None


def withdraw(requests: SignatureRequests, now_ms: int, only: SignatureRequest | None = None) -> None:
    """Wait no longer for the live request, or only if it is this one; the next tick makes a newer one if one is due.

    A signature of the old one may exist all the same: where it is sent, it is taken up (``import_signed``).
    """
    with requests.engine.transaction():
        live = requests.live()
        if live is not None and (only is None or live.request_no == only.request_no):
            requests.end(live, now_ms, Ended.WITHDRAWN)


def export_request(requests: SignatureRequests, request: SignatureRequest, wallet: PublicWallet) -> bytes:
    """Return the PSBT of a request."""
    return encode_psbt(request.transaction, _coins(requests, request), wallet)


def import_signed(
    requests: SignatureRequests,
    directory: Directory,
    source: Source,
    wallet: PublicWallet,
    psbt: bytes,
    now_ms: int,
) -> Attempt:
    """Check a PSBT that came back and store it as an attempt; return the attempt (the same one, if it is repeated).

    Raises StaleSignatureError where it is for a transaction that nobody waits for, SigningError where a signature is
    missing or does not hold, MalformedError for what is no PSBT. Nothing is sent: the next tick does that.
    """
    transaction = transaction_in(psbt)
    known = requests.journal.of_txid(transaction.txid)
    if known is not None:
        return known
    spender = _spender(requests, transaction, source)
    request = _waited_for(requests, transaction, spender)
    checkpoint = directory.checkpoint_of(request.checkpoint_size)
    if checkpoint is None or checkpoint.root != find_payload(request.transaction).root:
        raise StaleSignatureError(f"request {request.request_no} anchors a checkpoint that this log does not have")
    coins = _coins(requests, request)
    raw = signed_transaction(psbt, request.transaction, coins, wallet)
    tip: BlockId = source.tip()
    with requests.engine.transaction():
        attempt = requests.journal.of_txid(transaction.txid)
        if attempt is not None:
            return attempt
        # Another process may have withdrawn or outbid it since: decided again under the write lock.
        request = _waited_for(requests, transaction, spender)
        live = requests.live()
        if live is not None and live.spends == request.spends:
            _end_with(requests, live, request, now_ms)
        return requests.journal.add(now_ms, request.checkpoint_size, raw, request.fee_sat, tip=tip, coins=coins)


def _end_with(requests: SignatureRequests, live: SignatureRequest, signed: SignatureRequest, now_ms: int) -> None:
    """End the live request with the signature of one that spends the same coin, its own or another one's.

    One that took the signed one's place, and pays clearly more, is waited for all the same: it can replace it.
    """
    if live.request_no == signed.request_no:
        requests.end(live, now_ms, Ended.SIGNED)
    elif signed.ended != Ended.RENEWED or not is_outpaced(signed, live.transaction, live.fee_sat):
        requests.end(live, now_ms, Ended.WITHDRAWN)


def _spender(requests: SignatureRequests, transaction: Transaction, source: Source) -> bytes | None:
    """Return the txid of what spends the coin of the request for a transaction; None: nothing, or nobody asked."""
    request = requests.of_txid(transaction.txid)
    return None if request is None else source.spender(request.spends)


def _waited_for(requests: SignatureRequests, transaction: Transaction, spender: bytes | None) -> SignatureRequest:
    """Return the request for this very transaction; raise StaleSignatureError, with the reason, where none is.

    ``spender`` is the txid of what spends its coin, as the source says.
    """
    request, live = requests.of_txid(transaction.txid), requests.live()
    now_wanted = "nothing is waited for" if live is None else f"request {live.request_no} is: export and sign that one"
    if request is None:
        raise StaleSignatureError(
            f"the PSBT is about transaction {hash_hex(transaction.txid)}, which this home did not ask to sign (inputs, "
            f"outputs or their order were changed, or it is another home's); {now_wanted}"
        )
    if spender == transaction.txid:
        # Whoever signed it sent it, too: it is on its way, so it is taken up even if it was withdrawn.
        return request
    is_renewed = request.ended == Ended.RENEWED and live is not None and live.spends == request.spends
    if request.ended is not None and not is_renewed:
        raise StaleSignatureError(f"request {request.request_no} was {request.ended} before; {now_wanted}")
    attempt = None if spender is None else requests.journal.of_txid(spender)
    if spender is not None and (attempt is None or attempt.state not in LIVE):
        raise StaleSignatureError(
            f"request {request.request_no} spends {request.spends}, which transaction {hash_hex(spender)} has spent; "
            "the next tick makes another request if one is due"
        )
    outbid = outbid_by(request, requests.journal.watched())
    if outbid is not None:
        raise StaleSignatureError(
            f"request {request.request_no} pays {request.fee_sat} sat, and attempt {outbid.attempt_no}, which spends "
            f"the same coin, {outbid.fee_sat} sat; a version pays more than all before it: the next tick makes another "
            "request if one is due"
        )
    return request


def _fee_sat(transaction: Transaction, coins: Iterable[Coin]) -> int:
    """Return what a transaction pays that spends these coins."""
    return sum(coin.value_sat for coin in coins) - sum(output.value_sat for output in transaction.outputs)


def _coins(requests: SignatureRequests, request: SignatureRequest) -> tuple[Coin, ...]:
    coins = requests.journal.coins_spent_by(request.transaction)
    assert coins is not None  # stored with the request
    return coins


def _request(row: Row) -> SignatureRequest:
    request_no, made_at_ms, size, unsigned, fee_sat, ended, renews = row
    transaction = Transaction.decode(bytes(unsigned), MAX_TRANSACTION)
    how = None if ended is None else Ended(ended)
    return SignatureRequest(request_no, made_at_ms, size, transaction, fee_sat, how, renews)
