"""PSBTs: what is handed out, and that nothing which comes back is believed.

embit signs here with the wallet's own key; that Bitcoin Core reads and signs what is handed out is shown in
``tests/integration/test_wallet_node.py``.
"""

from dataclasses import replace

import pytest
from embit import bip32, bip39
from embit.networks import NETWORKS as PREFIXES
from embit.psbt import PSBT
from hypothesis import given
from hypothesis import strategies as st

from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.protocols import Coin
from anchor.bitcoin.psbt import encode_psbt, from_base64, signed_transaction, to_base64, transaction_in
from anchor.bitcoin.signature import SigningError
from anchor.bitcoin.transaction import build_anchor
from anchor.bitcoin.wallet import Wallet
from anchor.proof.bitcoin.payload import encode_payload
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from anchor.proof.errors import AnchorlineError, MalformedError

WALLET = Wallet.generate(NETWORKS["regtest"], bytes(range(32)))
MASTER = bip32.HDKey.from_seed(bip39.mnemonic_to_seed(WALLET.secret.text), version=PREFIXES["regtest"]["xprv"])


def coin(lock_time: int) -> Coin:
    maker = Transaction(2, (TxInput(OutPoint(b"\x07" * 32, 3), b"", 0),), (TxOutput(50_000, WALLET.script),), lock_time)
    return Coin(OutPoint(maker.txid, 0), 50_000, 1, coinbase=False, transaction=maker.encode())


COINS = [coin(0), coin(1)]
ANCHOR = build_anchor(COINS, WALLET.script, encode_payload(1, bytes(32)), 500, 1_000)
UNSIGNED = encode_psbt(ANCHOR, COINS, WALLET.public)


def signed() -> bytes:
    psbt = PSBT.parse(UNSIGNED)
    assert 2 == psbt.sign_with(MASTER)
    return bytes(psbt.serialize())


def take(psbt: bytes) -> bytes:
    return signed_transaction(psbt, ANCHOR, COINS, WALLET.public)


def test_a_signed_psbt_gives_the_transaction_that_the_wallet_would_sign() -> None:
    """Signatures are deterministic, so the bytes are the same as with the key at hand."""
    assert WALLET.sign(ANCHOR, COINS) == take(signed())
    assert ANCHOR == transaction_in(UNSIGNED)


def test_a_file_is_binary_or_base64() -> None:
    """Line ends in the text do not matter."""
    text = to_base64(UNSIGNED).encode()
    assert UNSIGNED == from_base64(UNSIGNED) == from_base64(text[:70] + b"\r\n" + text[70:] + b"\n")


def test_a_missing_signature_is_named() -> None:
    """By its input."""
    with pytest.raises(SigningError, match="input 0 is not signed by this wallet's key"):
        take(UNSIGNED)
    half = PSBT.parse(signed())
    half.inputs[1].partial_sigs.clear()
    with pytest.raises(SigningError, match="input 1 is not signed"):
        take(bytes(half.serialize()))


def test_signatures_for_another_input_are_refused() -> None:
    """Our own check, by another library than the one that signed."""
    turned = PSBT.parse(signed())
    first, second = turned.inputs
    first.partial_sigs, second.partial_sigs = second.partial_sigs, first.partial_sigs
    with pytest.raises(SigningError, match="input 0: the signature does not hold"):
        take(bytes(turned.serialize()))


@pytest.mark.parametrize("field", ["inputs", "outputs"])
def test_another_order_is_another_transaction(field: str) -> None:
    """Wallets reorder; the thread's verifiers depend on the order."""
    turned_inputs = replace(ANCHOR, inputs=ANCHOR.inputs[::-1])
    turned_outputs = replace(ANCHOR, outputs=ANCHOR.outputs[::-1])
    other, coins = (turned_inputs, COINS[::-1]) if field == "inputs" else (turned_outputs, COINS)
    psbt = PSBT.parse(encode_psbt(other, coins, WALLET.public))
    psbt.sign_with(MASTER)
    with pytest.raises(SigningError, match="another transaction"):
        take(bytes(psbt.serialize()))


def test_a_coin_that_is_not_what_it_says_is_not_handed_out() -> None:
    """A signer would see the wrong fee."""
    dearer = Coin(COINS[0].outpoint, 60_000, 1, coinbase=False, transaction=COINS[0].transaction)
    with pytest.raises(SigningError, match="do not trust this source"):
        encode_psbt(ANCHOR, [dearer, COINS[1]], WALLET.public)


@pytest.mark.parametrize("data", [b"", b"swordfish", b"cHNidP8", b"\xff", b"a" * 2_000_001])
def test_what_is_no_psbt_is_refused(data: bytes) -> None:
    """Neither its magic bytes nor base64 of them."""
    with pytest.raises(MalformedError):
        from_base64(data)


@given(at=st.integers(0, len(UNSIGNED) - 1))
def test_a_psbt_that_was_cut_is_malformed(at: int) -> None:
    """Wherever it ends too soon."""
    with pytest.raises(MalformedError):
        transaction_in(UNSIGNED[:at])


@given(at=st.integers(0, len(UNSIGNED) - 1), by=st.integers(1, 255))
def test_a_changed_psbt_gives_this_transaction_or_an_error_of_ours(at: int, by: int) -> None:
    """Whatever byte is changed: what is taken is the anchor that was to be signed, by our key; else it is refused."""
    whole = signed()
    changed = whole[:at] + bytes([whole[at] ^ by]) + whole[at + 1 :]
    try:
        raw = take(changed)
    except AnchorlineError:
        return
    assert WALLET.sign(ANCHOR, COINS) == raw
