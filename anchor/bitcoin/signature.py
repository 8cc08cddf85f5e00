"""What a P2WPKH signature commits to (BIP 143), and the check of a transaction that somebody signed; pure.

Signed transactions come from ``wallet``, or from any other signer that was given an unsigned one. Nothing is
stored or sent before it passed ``check_signed``, which shares no code with the library that signs.
"""

from collections.abc import Sequence
from typing import NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256K1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from anchor.bitcoin.protocols import Coin
from anchor.proof.bitcoin.hashes import hash_hex, sha256d
from anchor.proof.bitcoin.transaction import Transaction, TxOutput, strip_witness
from anchor.proof.errors import AnchorlineError, MalformedError

SIGHASH_ALL = 1
# Half the order of secp256k1 (SEC 2, 2.4.1): nodes do not relay a greater s (BIP 146, LOW_S).
_HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2
_KEY_SIZE = 33


class SigningError(AnchorlineError):
    """A signed transaction is not the one that was to be signed, or a signature does not hold."""


def signature_hash(transaction: Transaction, index: int, value_sat: int, script: bytes) -> bytes:
    """Return the 32 bytes that the signature of input ``index`` is over, for SIGHASH_ALL (BIP 143).

    ``value_sat`` and ``script`` (P2WPKH, 22 bytes) are of the coin that this input spends.
    """
    spent = transaction.inputs[index]
    outpoints = b"".join(each.previous.encode() for each in transaction.inputs)
    sequences = b"".join(each.sequence.to_bytes(4, "little") for each in transaction.inputs)
    preimage = (
        transaction.version.to_bytes(4, "little", signed=True)
        + sha256d(outpoints)
        + sha256d(sequences)
        + spent.previous.encode()
        + b"\x19\x76\xa9\x14"  # the script code: DUP HASH160 <key hash> EQUALVERIFY CHECKSIG, 25 bytes
        + script[2:]
        + b"\x88\xac"
        + value_sat.to_bytes(8, "little")
        + spent.sequence.to_bytes(4, "little")
        + sha256d(b"".join(_encode_output(output) for output in transaction.outputs))
        + transaction.lock_time.to_bytes(4, "little")
        + SIGHASH_ALL.to_bytes(4, "little")
    )
    return sha256d(preimage)


def check_coins(transaction: Transaction, coins: Sequence[Coin], script: bytes) -> None:
    """Check that ``coins`` are what the inputs spend, in order, and are worth what they say.

    Values and scripts are compared with the transactions that made the coins: a source that lies about a
    value could otherwise make us pay it away as a fee. Raises SigningError.
    """
    if len(coins) != len(transaction.inputs):
        _refuse(f"expected one coin for each of {len(transaction.inputs)} inputs, got {len(coins)}")
    for index, (spent, coin) in enumerate(zip(transaction.inputs, coins, strict=True)):
        if spent.previous != coin.outpoint:
            _refuse(f"input {index}: expected the coin {spent.previous}, got {coin.outpoint}")
        if _made_output(coin) != TxOutput(coin.value_sat, script):
            _refuse(
                f"input {index}: expected that {coin.outpoint} is an output of {coin.value_sat} sat to this "
                "wallet's script, found that its transaction says otherwise; do not trust this source"
            )


def check_signed(raw: bytes, transaction: Transaction, coins: Sequence[Coin], script: bytes, public_key: bytes) -> None:
    """Check that ``raw`` is ``transaction`` with exactly one good signature by ``public_key`` for each input.

    ``coins`` are as for ``check_coins``; ``script`` is the one that belongs to ``public_key`` (33 bytes, SEC 1).
    Versions, inputs, outputs, their order and the txid must be unchanged (BIP 141: the txid ignores witnesses).
    Raises SigningError.
    """
    check_coins(transaction, coins, script)
    body = transaction.encode()
    if _stripped(raw) != body:
        _refuse(
            f"expected the transaction {hash_hex(transaction.txid)} with its inputs and outputs in order, got "
            "another; do not use this signer"
        )
    witness = raw[len(body) - 2 : -4]  # marker and flag stand after the version, the witness before the lock time
    for index, coin in enumerate(coins):
        signature, witness = _next_signature(witness, index, public_key)
        digest = signature_hash(transaction, index, coin.value_sat, script)
        _check_signature(signature, digest, public_key, index)


def with_witness(transaction: Transaction, signatures: Sequence[bytes], public_key: bytes) -> bytes:
    """Return the whole raw transaction (BIP 144) whose inputs are P2WPKH, given a signature for each.

    ``signatures`` are DER with the byte for SIGHASH_ALL behind.
    """
    body = transaction.encode()
    stacks = (b"\x02" + _with_length(signature) + _with_length(public_key) for signature in signatures)
    return body[:4] + b"\x00\x01" + body[4:-4] + b"".join(stacks) + body[-4:]


def _made_output(coin: Coin) -> TxOutput | None:
    """Return the output that ``coin.transaction`` has at the coin's outpoint, or None if it is not the one."""
    try:
        maker = Transaction.decode(coin.transaction, len(coin.transaction))
    except MalformedError:
        return None
    if maker.txid != coin.outpoint.txid or coin.outpoint.vout >= len(maker.outputs):
        return None
    return maker.outputs[coin.outpoint.vout]


def _stripped(raw: bytes) -> bytes | None:
    try:
        return strip_witness(raw)
    except MalformedError:
        return None


def _next_signature(witness: bytes, index: int, public_key: bytes) -> tuple[bytes, bytes]:
    """Return the signature of the next input's witness and what follows it: two elements, signature and key."""
    length = witness[1] if witness[:1] == b"\x02" and len(witness) > 1 else 0
    end = 2 + length + 1 + _KEY_SIZE
    if not length or witness[2 + length : end] != _with_length(public_key):
        _refuse(f"input {index}: expected a signature and our public key as its witness, got something else")
    return witness[2 : 2 + length], witness[end:]


def _check_signature(signature: bytes, digest: bytes, public_key: bytes, index: int) -> None:
    if signature[-1] != SIGHASH_ALL:
        _refuse(f"input {index}: expected a signature over everything (SIGHASH_ALL), got type {signature[-1]}")
    key = EllipticCurvePublicKey.from_encoded_point(SECP256K1(), public_key)
    try:
        key.verify(signature[:-1], digest, ECDSA(Prehashed(SHA256())))
    except InvalidSignature as error:
        raise SigningError(f"input {index}: the signature does not hold; do not use this signer") from error
    if decode_dss_signature(signature[:-1])[1] > _HALF_ORDER:
        _refuse(f"input {index}: the signature's s is above half the order, so nodes would not relay it")


def _encode_output(output: TxOutput) -> bytes:
    return output.value_sat.to_bytes(8, "little") + _with_length(output.script)


def _with_length(data: bytes) -> bytes:
    return bytes([len(data)]) + data  # scripts, keys and signatures here are shorter than 253 bytes


def _refuse(message: str) -> NoReturn:
    raise SigningError(message)
