"""A tick that is only thought through: everything is looked at, decided and priced, and nothing is signed or sent.

Input is what a tick reads, through a source that cannot send and an engine that stores into copies (``JOURNAL``).
``chains.dry_run`` puts it together for ``anchorline tick --dry-run`` and ``daemon --dry-run``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from anchor.alerts import Alert
from anchor.bitcoin.networks import Network
from anchor.bitcoin.protocols import BlockId, Coin, Observation, Source
from anchor.bitcoin.signature import with_witness
from anchor.bitcoin.transaction import anchors_left, virtual_size
from anchor.engine import AnchorEngine
from anchor.errors import RehearsalError
from anchor.journal import Attempt
from anchor.plan import Send
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.payload import encode_payload, find_payload
from anchor.proof.bitcoin.transaction import OutPoint, Transaction
from anchor.signature_requests import OfflineSigner, SignatureRequest, SignatureRequests

_UNSETTLED = "attempt_no IN (SELECT attempt_no FROM home.attempt WHERE settled_at_ms IS NULL)"
JOURNAL = {
    "attempt": "",
    "attempt_event": "",
    "attempt_coin": "",
    "anchor_proof": _UNSETTLED,
    "signature_request": "",
    "recent_header": "",
    "signature_request_end": "",
    "lease": "",
    "outbox": "event_no < 0",
}
"""The tables that a tick writes, for ``ReadOnlyEngine``: proofs of settled attempts are never looked at."""
# The longest that a signature is with its type (``anchor.bitcoin.transaction.virtual_size``), and a public key.
_SIGNATURE_SIZE = 72
_KEY_SIZE = 33


class MuteSource:
    """A Bitcoin source that answers as the one behind it does, and hands nothing to the network."""

    def __init__(self, source: Source) -> None:
        self.network: Network = source.network
        self._source = source

    def check_network(self) -> None:
        """See ``Headers.check_network``."""
        self._source.check_network()

    def tip(self) -> BlockId:
        """See ``Headers.tip``."""
        return self._source.tip()

    def block_hash(self, height: int) -> bytes | None:
        """See ``Headers.block_hash``."""
        return self._source.block_hash(height)

    def header(self, block_hash: bytes) -> bytes | None:
        """See ``Headers.header``."""
        return self._source.header(block_hash)

    def headers_from(self, height: int, count: int) -> list[bytes]:
        """See ``Headers.headers_from``."""
        return self._source.headers_from(height, count)

    def broadcast(self, raw: bytes) -> NoReturn:  # noqa: ARG002 - the protocol's
        """Raise RehearsalError, whatever is given."""
        raise RehearsalError("a rehearsal was about to send a transaction, and was stopped; this is a fault")

    def observe(self, txid: bytes) -> Observation:
        """See ``Transactions.observe``."""
        return self._source.observe(txid)

    def prove(self, txid: bytes, block_hash: bytes) -> BitcoinAnchor | None:
        """See ``Transactions.prove``."""
        return self._source.prove(txid, block_hash)

    def transaction_count(self, block_hash: bytes) -> int | None:
        """See ``Transactions.transaction_count``."""
        return self._source.transaction_count(block_hash)

    def unspent(self, script: bytes) -> list[Coin]:
        """See ``Coins.unspent``."""
        return self._source.unspent(script)

    def spender(self, outpoint: OutPoint) -> bytes | None:
        """See ``Coins.spender``."""
        return self._source.spender(outpoint)

    def fee_rate_sat_per_vb(self, target_blocks: int) -> float | None:
        """See ``Coins.fee_rate_sat_per_vb``."""
        return self._source.fee_rate_sat_per_vb(target_blocks)

    def least_rate_sat_per_vb(self) -> float | None:
        """See ``Coins.least_rate_sat_per_vb``."""
        return self._source.least_rate_sat_per_vb()

    def close(self) -> None:
        """See ``Source.close``."""
        self._source.close()


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A signer without a key: zeros stand where signatures would. No node takes what it signs."""

    script: bytes

    def sign(self, transaction: Transaction, coins: Sequence[Coin]) -> bytes:
        """Return the transaction with a witness of the right size, so that its virtual size is that of a real one."""
        return with_witness(transaction, [bytes(_SIGNATURE_SIZE)] * len(coins), bytes(_KEY_SIZE))


@dataclass(frozen=True, slots=True)
class Spending:
    """What an anchor would spend; amounts in satoshi, sizes in vB, txids in internal order.

    ``is_new``: it would be made now; otherwise it is stored already, and would be sent again. ``replaces`` is the
    number of the version that it takes the place of. ``left_sat`` stays in the thread coin, good for about
    ``anchors_left`` more anchors at this rate.
    """

    txid: bytes
    inputs: tuple[tuple[OutPoint, int | None], ...]
    fee_sat: int
    virtual_size: int
    checkpoint_size: int
    payload: bytes
    left_sat: int
    anchors_left: int
    is_new: bool
    replaces: int | None

    @property
    def rate_sat_per_vb(self) -> float:
        """Fee by virtual size."""
        return self.fee_sat / self.virtual_size


class Would(StrEnum):
    """What a tick would do with the outside world."""

    WAIT = "wait"
    SEND = "send"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a tick would do: wait (``why`` says for what), send an anchor, or ask for its signature (``would``).

    With the alerts that it would give.
    """

    would: Would
    why: str
    spending: Spending | None
    attempts: tuple[Attempt, ...]
    alerts: tuple[Alert, ...]


def rehearse(engine: AnchorEngine, now_ms: int, *, at_once: bool = False) -> Rehearsed:
    """Return what ``engine.tick`` would do now; raises what that raises.

    The engine must have a MuteSource, a signer without a key (Unsigned, or OfflineSigner where others sign), and a
    database whose journal is a copy; raises RehearsalError where it has not.
    """
    if not isinstance(engine.source, MuteSource) or not isinstance(engine.wallet, Unsigned | OfflineSigner):
        raise RehearsalError("expected a source that cannot send and a signer without a key, found real ones")
    known = {attempt.attempt_no for attempt in engine.journal.watched()}
    requests = SignatureRequests(engine.engine, engine.journal)
    before = requests.live()
    prepared = engine.prepare(now_ms, at_once=at_once)
    asked = requests.live()
    if isinstance(prepared.plan, Send):
        spending = _sent(prepared.plan.attempt, known, engine, prepared.attempts)
        return Rehearsed(Would.SEND, "", spending, prepared.attempts, prepared.alerts)
    if asked is not None and (before is None or before.request_no != asked.request_no):
        spending = _asked(asked, engine, prepared.attempts)
        return Rehearsed(Would.ASK, prepared.plan.why, spending, prepared.attempts, prepared.alerts)
    return Rehearsed(Would.WAIT, prepared.plan.why, None, prepared.attempts, prepared.alerts)


def _sent(attempt: Attempt, known: set[int], engine: AnchorEngine, attempts: Sequence[Attempt]) -> Spending:
    is_new = attempt.attempt_no not in known
    earlier = [each.attempt_no for each in attempts if each.spends == attempt.spends and each.attempt_no in known]
    replaces = max(earlier) if is_new and earlier else None
    return _spending(
        engine, attempt.transaction(), attempt.fee_sat, attempt.virtual_size, is_new=is_new, replaces=replaces
    )


def _asked(request: SignatureRequest, engine: AnchorEngine, attempts: Sequence[Attempt]) -> Spending:
    earlier = [each.attempt_no for each in attempts if each.spends == request.spends]
    size = virtual_size(len(request.transaction.inputs))
    replaces = max(earlier, default=None)
    return _spending(engine, request.transaction, request.fee_sat, size, is_new=True, replaces=replaces)


def _spending(
    engine: AnchorEngine, transaction: Transaction, fee_sat: int, size: int, *, is_new: bool, replaces: int | None
) -> Spending:
    values = {coin.outpoint: coin.value_sat for coin in engine.journal.coins_spent_by(transaction) or ()}
    left_sat = transaction.outputs[0].value_sat
    said = find_payload(transaction)
    return Spending(
        txid=transaction.txid,
        inputs=tuple((spent.previous, values.get(spent.previous)) for spent in transaction.inputs),
        fee_sat=fee_sat,
        virtual_size=size,
        checkpoint_size=said.tree_size,
        payload=encode_payload(said.tree_size, said.root),
        left_sat=left_sat,
        anchors_left=anchors_left(left_sat, fee_sat / size, engine.source.network.coin_floor_sat),
        is_new=is_new,
        replaces=replaces,
    )
