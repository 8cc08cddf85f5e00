# SPDX-License-Identifier: Apache-2.0
"""Coinbases: the first transaction of a block, which says the block's height.

Input is the coinbase that a receipt carries, without witness. ``anchor`` beside this file compares its height and
takes the depth of the block's tree from its branch.
"""

from anchor.proof.bitcoin.branch import check_not_64_bytes
from anchor.proof.bitcoin.hashes import HASH_SIZE
from anchor.proof.bitcoin.transaction import Transaction
from anchor.proof.errors import MalformedError, Reason, VerificationError

# Stripped bytes of a coinbase, which is large where a pool pays its miners from it: a tenth of a block.
MAX_COINBASE = 100_000
# What a coinbase spends: nothing.
_NULL_OUTPOINT = bytes(HASH_SIZE) + bytes.fromhex("ffffffff")
_OP_1 = 0x51
# A height is an i32 in Bitcoin Core.
_MAX_HEIGHT_BYTES = 4


def check_coinbase(raw: bytes) -> int:
    """Return the height that a coinbase (without witness, at most 100,000 bytes) commits to.

    A coinbase has one input, which spends nothing (txid of zeros, vout ffffffff), and a script of 2 to 100
    bytes that begins with the height as Bitcoin Core pushes it: OP_0, OP_1 to OP_16, or the shortest
    little-endian number (BIP 34; validation.cpp, ContextualCheckBlock). Raises VerificationError with
    TRANSACTION_64_BYTES for 64 bytes, which an inner node of a tree could be, else with NOT_A_COINBASE.
    """
    check_not_64_bytes(raw, "coinbase")
    try:
        coinbase = Transaction.decode(raw, MAX_COINBASE)
    except MalformedError as error:
        raise VerificationError(Reason.NOT_A_COINBASE, f"expected a coinbase: {error}") from error
    if len(coinbase.inputs) != 1 or coinbase.inputs[0].previous.encode() != _NULL_OUTPOINT:
        raise VerificationError(
            Reason.NOT_A_COINBASE,
            f"expected a coinbase, which has one input and spends nothing; found {len(coinbase.inputs)} "
            f"inputs, the first of which spends {coinbase.inputs[0].previous}",
        )
    return _pushed_height(coinbase.inputs[0].script)


def _pushed_height(script: bytes) -> int:
    if not 2 <= len(script) <= 100:
        raise VerificationError(
            Reason.NOT_A_COINBASE, f"expected a coinbase script of 2 to 100 bytes, found {len(script)}"
        )
    height = _first_number(script)
    if height is None or not script.startswith(_push_of_number(height)):
        raise VerificationError(
            Reason.NOT_A_COINBASE,
            f"expected a coinbase script that begins with the height (BIP 34), found {script[:6].hex()}",
        )
    return height


def _first_number(script: bytes) -> int | None:
    """Return the number that a script begins with, however it is pushed, or None."""
    first = script[0]
    if _OP_1 <= first < _OP_1 + 16:
        return first - _OP_1 + 1
    if first > _MAX_HEIGHT_BYTES:
        return None
    return int.from_bytes(script[1 : 1 + first], "little")


def _push_of_number(number: int) -> bytes:
    """Return a number from 0 as Bitcoin Core's ``CScript() << number`` writes it (script.h, push_int64)."""
    if number == 0:
        return b"\x00"
    if number <= 16:
        return bytes([_OP_1 + number - 1])
    length = number.bit_length() // 8 + 1  # the highest bit is a sign, so 128 takes two bytes
    return bytes([length]) + number.to_bytes(length, "little")
