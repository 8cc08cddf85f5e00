"""A transaction on its way to a signer elsewhere and back: partially signed Bitcoin transactions (BIP 174).

Unsigned transactions come from ``anchor.signature_requests``, signed files from whoever has the key: Bitcoin Core's
wallet, a hardware device. What comes back is believed in nothing: ``check_signed`` compares and verifies all of it.
"""

import base64
import binascii
from collections.abc import Sequence

from embit.base import EmbitError
from embit.ec import PublicKey
from embit.psbt import PSBT, DerivationPath, InputScope
from embit.transaction import Transaction as EmbitTransaction

from anchor.bitcoin.descriptor import PublicWallet
from anchor.bitcoin.protocols import Coin
from anchor.bitcoin.signature import SIGHASH_ALL, SigningError, check_coins, check_signed, with_witness
from anchor.proof.bitcoin.transaction import MAX_TRANSACTION, Transaction
from anchor.proof.errors import MalformedError

MAGIC = b"psbt\xff"
# Nine inputs, each with the whole transaction that made its coin (100,000 bytes is the most that nodes relay).
MAX_PSBT = 2_000_000
# What embit raises for bytes that are no PSBT; RuntimeError where they end too soon.
_UNREADABLE = (
    *(EmbitError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError),
    *(RuntimeError, AssertionError),
)


def encode_psbt(transaction: Transaction, coins: Sequence[Coin], wallet: PublicWallet) -> bytes:
    """Return the PSBT of an unsigned transaction; ``coins`` are what it spends, in order.

    Each input has the spent output and the whole transaction that made it (a device that checks fees wants both), the
    derivation of the key, and SIGHASH_ALL; output 0 has the derivation too, so that a device knows it as ours.
    Raises SigningError where a coin is not what it says or not this wallet's.
    """
    check_coins(transaction, coins, wallet.script)
    psbt = PSBT(EmbitTransaction.parse(transaction.encode()))  # type: ignore[no-untyped-call]  # embit has no types
    key = PublicKey.parse(wallet.public_key)
    origin = DerivationPath(wallet.fingerprint, list(wallet.path))
    for scope, coin in zip(psbt.inputs, coins, strict=True):
        # ``check_coins`` has compared value and script with this transaction.
        scope.non_witness_utxo = EmbitTransaction.parse(coin.transaction)
        scope.witness_utxo = scope.non_witness_utxo.vout[coin.outpoint.vout]
        scope.bip32_derivations[key] = origin
        scope.sighash_type = SIGHASH_ALL
    psbt.outputs[0].bip32_derivations[key] = origin
    return bytes(psbt.serialize())


def to_base64(psbt: bytes) -> str:
    """Return a PSBT as the text that wallets exchange."""
    return base64.b64encode(psbt).decode("ascii")


def from_base64(data: bytes) -> bytes:
    """Return the bytes of a PSBT file, which may hold them as they are or as base64; raises MalformedError."""
    if len(data) > MAX_PSBT:
        raise MalformedError(f"PSBT: expected at most {MAX_PSBT} bytes, got more")
    if data.startswith(MAGIC):
        return data
    try:
        decoded = base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error:
        decoded = b""
    if not decoded.startswith(MAGIC):
        raise MalformedError("expected a PSBT (BIP 174), in base64 or as bytes; got something else")
    return decoded


def transaction_in(psbt: bytes) -> Transaction:
    """Return the transaction that a PSBT is about, without witness; raises MalformedError."""
    return Transaction.decode(bytes(_parsed(psbt).tx.serialize()), MAX_TRANSACTION)


def signed_transaction(psbt: bytes, transaction: Transaction, coins: Sequence[Coin], wallet: PublicWallet) -> bytes:
    """Return the whole signed transaction (BIP 144) that a PSBT holds the signatures for, finalised or not.

    Raises MalformedError for what is no PSBT, SigningError where it is about another transaction, where a signature is
    missing or does not hold, and for everything else that ``check_signed`` refuses.
    """
    parsed = _parsed(psbt)
    if bytes(parsed.tx.serialize()) != transaction.encode():
        raise SigningError("the PSBT is about another transaction than the one that was to be signed")
    signatures = [_signature(scope, index, wallet.public_key) for index, scope in enumerate(parsed.inputs)]
    raw = with_witness(transaction, signatures, wallet.public_key)
    check_signed(raw, transaction, coins, wallet.script, wallet.public_key)
    return raw


def _parsed(psbt: bytes) -> PSBT:
    try:
        parsed: PSBT = PSBT.parse(psbt)
    except _UNREADABLE as error:
        raise MalformedError(f"expected a PSBT (BIP 174), got something else ({type(error).__name__})") from error
    return parsed


def _signature(scope: InputScope, index: int, public_key: bytes) -> bytes:
    """Return the signature of an input by our key, from its final witness or beside it."""
    if scope.final_scriptwitness is not None and len(scope.final_scriptwitness.items) == 2:
        return bytes(scope.final_scriptwitness.items[0])
    for key, signature in scope.partial_sigs.items():
        if bytes(key.sec()) == public_key:
            return bytes(signature)
    raise SigningError(f"input {index} is not signed by this wallet's key; have the PSBT signed, then import it again")
