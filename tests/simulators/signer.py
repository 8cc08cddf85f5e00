"""Whoever has the key elsewhere: signs a PSBT with embit, as a device would, and knows nothing of the service.

The wallet comes from the test, PSBTs from what the service exports; what is signed goes back through its import.
"""

from embit import bip32, bip39
from embit.finalizer import finalize_psbt
from embit.networks import NETWORKS as PREFIXES
from embit.psbt import PSBT

from anchor.bitcoin.wallet import Wallet


def sign_psbt(psbt: bytes, wallet: Wallet) -> bytes:
    """Return the PSBT with a signature of the wallet's key for each input. Deterministic (RFC 6979)."""
    seed = bip39.mnemonic_to_seed(wallet.secret.text)
    parsed = PSBT.parse(psbt)
    signed = parsed.sign_with(bip32.HDKey.from_seed(seed, version=PREFIXES["regtest"]["xprv"]))
    assert len(parsed.inputs) == signed
    return bytes(parsed.serialize())


def final_transaction(psbt: bytes) -> bytes:
    """Return the transaction of a signed PSBT, as whoever signed it would send it."""
    return bytes(finalize_psbt(PSBT.parse(psbt)).serialize())  # type: ignore[no-untyped-call]  # embit has no types
