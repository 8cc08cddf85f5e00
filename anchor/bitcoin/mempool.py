"""Which coins exist and which unconfirmed transactions are welcome: what a node decides, over values; pure.

Transactions come from ``local`` (handed to it, or read from its blocks). ``local`` asks here before it keeps or
mines one; the rules are Bitcoin Core's where they concern transactions like ours, and stricter elsewhere.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from anchor.errors import Refusal, RejectedError
from anchor.proof.bitcoin.hashes import sha256d
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxOutput, strip_witness
from anchor.proof.errors import MalformedError

# Bitcoin Core, rpc/protocol.h.
NOT_DECODED = -22
MISSING_INPUTS = -25
REJECTED = -26

_MATURITY = 100
_MAX_MONEY_SAT = 21_000_000 * 100_000_000
# Bitcoin Core, policy/policy.h: MAX_STANDARD_TX_WEIGHT, and the standard size of a data output until version 29.
_MAX_WEIGHT = 400_000
_MAX_DATA_SCRIPT = 83
# A stripped transaction of 64 bytes could pass for two hashes of a block's tree (CVE-2017-12842).
_MIN_STRIPPED = 65
# Satoshi per virtual byte for relay, and again for a replacement: what nodes older than Bitcoin Core 29.1 ask.
RELAY_SAT_PER_VB = 1
_OP_RETURN = 0x6A
_FINAL_SEQUENCE = 0xFFFFFFFF
_NO_RELATIVE_LOCK = 1 << 31  # BIP 68
_TIME_LOCKS_FROM = 500_000_000


@dataclass(frozen=True)
class SignedTransaction:
    """A transaction as it was handed over (``raw``, with witness if it has one) and as its txid sees it."""

    raw: bytes
    body: Transaction
    txid: bytes

    @property
    def wtxid(self) -> bytes:
        """The hash over the witness too, 32 bytes in internal order (BIP 141)."""
        return sha256d(self.raw)

    @property
    def weight(self) -> int:
        """Weight units: a stripped byte weighs 4, a witness byte 1 (BIP 141)."""
        return 3 * len(self.body.encode()) + len(self.raw)

    @property
    def virtual_size(self) -> int:
        """Size in vB, rounded up (BIP 141)."""
        return (self.weight + 3) // 4


@dataclass(frozen=True)
class Unspent:
    """An output that nothing in the best chain spends; ``height`` is None while it is in the mempool."""

    output: TxOutput
    height: int | None
    coinbase: bool


@dataclass(frozen=True)
class Pooled:
    """A transaction of the mempool, and its fee in satoshi."""

    signed: SignedTransaction
    fee_sat: int


Mempool = Mapping[bytes, Pooled]
"""Pooled transactions by txid; whatever one spends of another stands before it."""

ScriptCheck = Callable[[bytes, Sequence[TxOutput]], bool]
"""Says whether a raw transaction may spend these outputs, given in the order of its inputs."""


@dataclass
class Ledger:
    """What the best chain says: unspent outputs, who spent the others, and where each transaction is."""

    unspent: dict[OutPoint, Unspent] = field(default_factory=dict)
    spent_by: dict[OutPoint, bytes] = field(default_factory=dict)
    height_of: dict[bytes, int] = field(default_factory=dict)

    def add(self, transaction: SignedTransaction, height: int, *, coinbase: bool) -> None:
        """Apply the next transaction of the best chain; the kernel has checked it."""
        self.height_of[transaction.txid] = height
        for spent in transaction.body.inputs:
            if self.unspent.pop(spent.previous, None) is not None:
                self.spent_by[spent.previous] = transaction.txid
        for vout, output in enumerate(transaction.body.outputs):
            if not _is_data(output):
                self.unspent[OutPoint(transaction.txid, vout)] = Unspent(output, height, coinbase)


@dataclass(frozen=True)
class NextBlock:
    """What the rules must know of the block that would be mined next: its height, the median time before it."""

    height: int
    median_time_s: int


def read_signed(raw: bytes) -> SignedTransaction:
    """Read a transaction with or without witness; raise RejectedError (-22) if it is not one."""
    try:
        stripped = strip_witness(raw)
        body = Transaction.decode(stripped, len(stripped))
    except MalformedError as error:
        raise RejectedError(NOT_DECODED, f"not a transaction: {error}") from error
    return SignedTransaction(raw, body, sha256d(stripped))


def admit(
    pool: Mempool, ledger: Ledger, signed: SignedTransaction, next_block: NextBlock, check: ScriptCheck
) -> Mempool:
    """Return the mempool with ``signed`` in it, and without what it replaces.

    Raises RejectedError: -25 where an input is unknown or spent in the best chain, -26 for everything else.
    """
    _check_form(signed)
    _check_locks(signed.body, next_block)
    spent = [_find(pool, ledger, spent.previous) for spent in signed.body.inputs]
    _check_maturity(spent, next_block)
    fee_sat = _fee_sat(signed, spent)
    replaced = _replaced(pool, signed.body)
    _check_replacement(pool, replaced, signed, fee_sat)
    if not check(signed.raw, [coin.output for coin in spent]):
        raise RejectedError(REJECTED, "a signature or a script does not hold; sign the transaction anew")
    kept = {txid: pooled for txid, pooled in pool.items() if txid not in replaced}
    return {**kept, signed.txid: Pooled(signed, fee_sat)}


def refill(
    candidates: Iterable[SignedTransaction], ledger: Ledger, next_block: NextBlock, check: ScriptCheck
) -> Mempool:
    """Return the mempool that takes the candidates in their order, without those that are no longer welcome.

    After a block that is what was mined or double spent; after a reorganisation, what spends a vanished coin.
    """
    pool: Mempool = {}
    for signed in candidates:
        if signed.txid in ledger.height_of:
            continue
        try:
            pool = admit(pool, ledger, signed, next_block, check)
        except RejectedError:
            continue  # a node forgets such transactions without a word
    return pool


def spenders(pool: Mempool) -> dict[OutPoint, bytes]:
    """Return, for each outpoint that the mempool spends, the txid that spends it."""
    return {spent.previous: txid for txid, pooled in pool.items() for spent in pooled.signed.body.inputs}


def _find(pool: Mempool, ledger: Ledger, outpoint: OutPoint) -> Unspent:
    known = ledger.unspent.get(outpoint)
    if known is not None:
        return known
    pooled = pool.get(outpoint.txid)
    outputs = pooled.signed.body.outputs if pooled else ()
    if outpoint.vout >= len(outputs) or _is_data(outputs[outpoint.vout]):
        raise RejectedError(
            MISSING_INPUTS, f"expected the unspent output {outpoint}, found that it is spent or unknown"
        )
    return Unspent(outputs[outpoint.vout], height=None, coinbase=False)


def _check_form(signed: SignedTransaction) -> None:
    """Refuse what is no transaction by itself (consensus/tx_check.cpp), or is never relayed (policy.cpp)."""
    body = signed.body
    outpoints = {spent.previous for spent in body.inputs}
    _demand(all(any(outpoint.txid) for outpoint in outpoints), "a coinbase is only valid in a block")
    _demand(len(outpoints) == len(body.inputs), "an input occurs twice")
    _demand(body.version in {1, 2, 3}, f"expected version 1 to 3, found {body.version}")
    _demand(len(body.encode()) >= _MIN_STRIPPED, f"smaller than {_MIN_STRIPPED} bytes without witness")
    _demand(signed.weight <= _MAX_WEIGHT, f"expected a weight of at most {_MAX_WEIGHT}, got {signed.weight}")
    _demand(sum(output.value_sat for output in body.outputs) <= _MAX_MONEY_SAT, "pays more than can exist")
    data = [output for output in body.outputs if _is_data(output)]
    _demand(
        len(data) <= 1 and all(len(output.script) <= _MAX_DATA_SCRIPT for output in data),
        f"expected at most one data output of at most {_MAX_DATA_SCRIPT} bytes",
    )
    for output in body.outputs:
        least = _dust_limit_sat(output)
        _demand(output.value_sat >= least, f"dust: expected at least {least} sat, found {output.value_sat}")


def _check_locks(body: Transaction, next_block: NextBlock) -> None:
    relative = body.version >= 2 and any(not spent.sequence & _NO_RELATIVE_LOCK for spent in body.inputs)
    _demand(not relative, "a relative lock time (BIP 68), which this regtest does not keep")
    limit = next_block.height if body.lock_time < _TIME_LOCKS_FROM else next_block.median_time_s
    final = body.lock_time < limit or all(spent.sequence == _FINAL_SEQUENCE for spent in body.inputs)
    _demand(body.lock_time == 0 or final, f"not before {body.lock_time} (its lock time)")


def _check_maturity(spent: Iterable[Unspent], next_block: NextBlock) -> None:
    for coin in spent:
        immature = coin.coinbase and coin.height is not None and next_block.height - coin.height < _MATURITY
        _demand(not immature, f"spends a coinbase before it is {_MATURITY} blocks deep; mine more blocks")


def _fee_sat(signed: SignedTransaction, spent: Iterable[Unspent]) -> int:
    paid_in = sum(coin.output.value_sat for coin in spent)
    fee_sat = paid_in - sum(output.value_sat for output in signed.body.outputs)
    least = signed.virtual_size * RELAY_SAT_PER_VB
    _demand(fee_sat >= least, f"expected a fee of at least {least} sat, found {fee_sat}", Refusal.FEE)
    return fee_sat


def _replaced(pool: Mempool, body: Transaction) -> set[bytes]:
    """Return the txids of pooled transactions that cannot stand beside this one, and of all that spend them."""
    wanted = {spent.previous for spent in body.inputs}
    gone: set[bytes] = set()
    for txid, pooled in pool.items():
        inputs = pooled.signed.body.inputs
        if any(spent.previous in wanted or spent.previous.txid in gone for spent in inputs):
            gone.add(txid)
    return gone


def _check_replacement(pool: Mempool, replaced: set[bytes], signed: SignedTransaction, fee_sat: int) -> None:
    """Bitcoin Core, doc/policy/mempool-replacements.md, rules 3, 4 and (as before version 31) 6."""
    if not replaced:
        return
    parents = {spent.previous.txid for spent in signed.body.inputs}
    _demand(not parents & replaced, "spends what it would replace")
    least = sum(pool[txid].fee_sat for txid in replaced) + signed.virtual_size * RELAY_SAT_PER_VB
    _demand(fee_sat >= least, f"expected a fee of at least {least} sat to replace, found {fee_sat}", Refusal.FEE)
    wanted = {spent.previous for spent in signed.body.inputs}
    for old in (pool[txid] for txid in replaced):
        direct = any(spent.previous in wanted for spent in old.signed.body.inputs)
        dearer = fee_sat * old.signed.virtual_size > old.fee_sat * signed.virtual_size
        _demand(dearer or not direct, "expected a higher fee rate than that of the replaced transaction", Refusal.FEE)


def _dust_limit_sat(output: TxOutput) -> int:
    """Return the least value relayed: three times the cost of spending at 1 sat/vB (policy.cpp)."""
    if _is_data(output):
        return 0
    script = output.script
    is_witness = 4 <= len(script) <= 42 and script[0] in {0, *range(0x51, 0x61)} and script[1] + 2 == len(script)
    return 3 * (8 + 1 + len(script) + (67 if is_witness else 148))


def _is_data(output: TxOutput) -> bool:
    return output.script[:1] == bytes([_OP_RETURN])


def _demand(holds: bool, message: str, refusal: Refusal = Refusal.OTHER) -> None:
    if not holds:
        raise RejectedError(REJECTED, message, refusal)
