"""Tests of coinbases and of the anchor as a whole: honest, forged, and with any bit changed.

Input is the vectors' anchor; btclib writes the heights.
"""

from dataclasses import replace
from typing import Any

import pytest
from btclib.block.block import bip34_commitment
from btclib.block.genesis import genesis_block

from anchor.proof.bitcoin.anchor import BitcoinAnchor, check_anchor_header, check_anchor_transaction
from anchor.proof.bitcoin.branch import fold_branch
from anchor.proof.bitcoin.coinbase import MAX_COINBASE, check_coinbase
from anchor.proof.bitcoin.hashes import sha256d
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.networks import NETWORKS
from anchor.proof.bitcoin.payload import encode_payload, find_payload
from anchor.proof.bitcoin.transaction import MAX_TRANSACTION, Transaction
from anchor.proof.errors import MalformedError, VerificationError
from tests.vectors.bitcoin_cases import ANCHOR, CASES, naive_fold, read_anchor


def test_heights_are_pushed_as_the_referee_pushes_them() -> None:
    """The height that a coinbase begins with is read for every length of push."""
    heights = [*range(600), *(1 << bits for bits in range(31)), *((1 << bits) - 1 for bits in range(1, 32))]
    coinbase = Transaction.decode(ANCHOR.coinbase, MAX_COINBASE)
    for height in heights:
        script = bip34_commitment(height) + b"\x00"
        with_height = replace(coinbase, inputs=(replace(coinbase.inputs[0], script=script),))
        assert height == check_coinbase(with_height.encode())


def test_anchor_holds() -> None:
    """An honest anchor gives back its transaction, and that its payload."""
    transaction = check_anchor_transaction(ANCHOR)
    payload = find_payload(transaction)
    assert ANCHOR.transaction == transaction.encode()
    assert encode_payload(payload.tree_size, payload.root) == transaction.outputs[1].script[2:]
    assert len(transaction.outputs[1].script) == 42


def changed_anchor(field: str, value: Any) -> BitcoinAnchor:
    """Return the anchor with one field changed."""
    changes: dict[str, Any] = {field: value}
    return replace(ANCHOR, **changes)


@pytest.mark.parametrize("field", ["transaction", "coinbase", "header", "path", "coinbase_path"])
def test_no_bit_of_an_anchor_can_change(field: str) -> None:
    """Whichever bit of transaction, coinbase, branches or the header's root flips, the anchor is refused."""
    value = getattr(ANCHOR, field)
    joined = value if isinstance(value, bytes) else b"".join(value)
    # Of the header, step 11 reads only the root; the work (step 12) covers the rest.
    positions = range(36, 68) if field == "header" else range(len(joined))
    for at in positions:
        changed = bytearray(joined)
        changed[at] ^= 1 << at % 8
        parts = bytes(changed)
        new: Any = parts if isinstance(value, bytes) else tuple(parts[i : i + 32] for i in range(0, len(parts), 32))
        with pytest.raises((MalformedError, VerificationError)):
            check_anchor_transaction(changed_anchor(field, new))


def test_no_byte_of_a_worked_header_can_change() -> None:
    """On mainnet, where work is not free, no byte of a header can be changed without losing the work."""
    raw = genesis_block("mainnet").header.serialize()
    check_anchor_header(replace(ANCHOR, header=raw), NETWORKS["mainnet"])
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 0x01
        with pytest.raises(VerificationError):
            check_anchor_header(replace(ANCHOR, header=bytes(changed)), NETWORKS["mainnet"])


def test_forged_anchor_is_a_whole_anchor_to_a_naive_reader() -> None:
    """The forged transaction carries a payload, so only the branch's checks stand between it and a receipt."""
    case = next(
        each["anchor"]
        for each in CASES
        if each["check"] == "anchor" and "with the true coinbase" in each["description"]
    )
    forged = read_anchor(case)
    transaction = Transaction.decode(forged.transaction, MAX_TRANSACTION)
    root = Header.decode(forged.header).merkle_root
    assert find_payload(transaction).tree_size == 4_000_000
    assert root == naive_fold(transaction.txid, forged.index, forged.path)
    assert root == fold_branch(sha256d(forged.coinbase), 0, forged.coinbase_path)
    check_anchor_header(forged, NETWORKS["regtest"])
    with pytest.raises(VerificationError):
        check_anchor_transaction(forged)
