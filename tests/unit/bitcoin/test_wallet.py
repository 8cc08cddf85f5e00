"""Tests of ``anchor.bitcoin.wallet``, ``signature`` and ``key_file``: published vectors, forgeries, files.

The vectors are those of BIP 84, BIP 32 and BIP 143. That nodes accept what the wallet signs is shown in
``tests/contract/test_source.py``.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from btclib.exceptions import BTClibValueError
from btclib.script.engine import verify_transaction
from btclib.script.script_pub_key import ScriptPubKey
from btclib.tx.tx import Tx
from btclib.tx.tx_out import TxOut
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.protocols import Coin
from anchor.bitcoin.signature import SigningError, check_coins, check_signed, signature_hash, with_witness
from anchor.bitcoin.transaction import build_anchor
from anchor.bitcoin.wallet import Wallet
from anchor.errors import SettingsError, StorageError
from anchor.proof.bitcoin.payload import encode_payload
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput, strip_witness
from anchor.proof.errors import UnknownVersionError

REGTEST = NETWORKS["regtest"]
MAINNET = NETWORKS["mainnet"]
ABANDON = "abandon " * 11 + "about"
PAYLOAD = encode_payload(1, bytes(32))


@pytest.fixture
def wallet() -> Wallet:
    """A wallet of known words on regtest."""
    return Wallet.from_mnemonic(REGTEST, ABANDON)


def coin(script: bytes, value_sat: int = 50_000, lock_time: int = 0) -> Coin:
    """Return a coin at ``script``; another lock time makes another coin."""
    maker = Transaction(
        2, (TxInput(OutPoint(b"\x07" * 32, 3), b"", 0xFFFFFFFD),), (TxOutput(value_sat, script),), lock_time
    )
    return Coin(OutPoint(maker.txid, 0), value_sat, 1, coinbase=False, transaction=maker.encode())


def anchor_of(wallet: Wallet, coins: list[Coin]) -> Transaction:
    """Return an unsigned anchor that spends these coins."""
    return build_anchor(coins, wallet.script, PAYLOAD, 500, 1_000)


# Keys and addresses


def test_the_address_is_that_of_bip_84() -> None:
    """The vector of BIP 84: account 0, external chain, index 0, on mainnet."""
    wallet = Wallet.from_mnemonic(MAINNET, ABANDON)
    assert "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu" == wallet.address
    assert "0330d54fd0dd420a6e5f8d3624f5f3482cae350f79d5f0753bf5beef9c2d91af3c" == wallet.public_key.hex()
    assert "0014c0cebcd6c3d3ca8c75dc5ec62ebe55330ef910e2" == wallet.script.hex()


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_an_address_begins_as_its_network_says(network: object) -> None:
    """The prefix is the network's own (BIP 173), and test networks do not share mainnet's key."""
    named = next(each for each in NETWORKS.values() if each is network)
    wallet = Wallet.from_mnemonic(named, ABANDON)
    assert wallet.address.startswith(f"{named.address_hrp}1q")
    assert (named is MAINNET) == (wallet.script == Wallet.from_mnemonic(MAINNET, ABANDON).script)


def test_entropy_makes_the_words_of_bip_39() -> None:
    """16 zero bytes are eleven times "abandon", and "about" (the first vector of BIP 39)."""
    assert Wallet.from_mnemonic(REGTEST, ABANDON) == Wallet.generate(REGTEST, bytes(16))


@pytest.mark.parametrize("size", [0, 15, 17, 31, 33, 64])
def test_other_amounts_of_entropy_are_refused(size: int) -> None:
    """Twelve words are 16 bytes, and 24 are 32."""
    with pytest.raises(SettingsError, match=f"got {size}"):
        Wallet.generate(REGTEST, bytes(size))


def test_an_extended_key_is_as_good_as_the_words() -> None:
    """The master key of BIP 84's vector gives the same address."""
    master = (
        "xprv9s21ZrQH143K3GJpoapnV8SFfukcVBSfeCficPSGfubmSFDxo1kuHnLisriDvSnRRuL2Qrg5ggqHKNVpxR86QEC8w35uxm"
        "GoggxtQTPvfUu"
    )
    assert Wallet.from_mnemonic(MAINNET, ABANDON).script == Wallet.from_extended_key(MAINNET, master).script


# BIP 32, vector 1: the master key, its public half, and the child m/0h.
BIP32_MASTER = (
    "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi"
)
BIP32_PUBLIC = (
    "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8"
)
BIP32_CHILD = (
    "xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvUxt4cV1rGL5hj6KCesnDYUhd7oWgT11eZG7XnxHrnYeSvkzY7d2bhkJ7"
)


@pytest.mark.parametrize(
    "text", ["", "words", BIP32_PUBLIC, BIP32_CHILD, BIP32_MASTER[:-1] + "j", BIP32_MASTER[:50], "x" * 111]
)
def test_what_is_no_master_key_is_refused_without_repeating_it(text: str) -> None:
    """A public key, a child, a typo: each is refused, and no message shows the key."""
    with pytest.raises(SettingsError, match="extended private") as refused:
        Wallet.from_extended_key(MAINNET, text)
    assert not text or text not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_mainnet_key_is_no_test_key() -> None:
    """A master key begins with xprv on mainnet, with tprv on every test network."""
    assert Wallet.from_extended_key(MAINNET, BIP32_MASTER).address.startswith("bc1q")
    with pytest.raises(SettingsError, match="tprv"):
        Wallet.from_extended_key(REGTEST, BIP32_MASTER)


@pytest.mark.parametrize("words", ["", "abandon", "abandon " * 12, "abandon " * 11 + "secretword", ABANDON + " zoo"])
def test_wrong_words_are_refused_without_repeating_them(words: str) -> None:
    """A missing word, a wrong check, a word that is none: the message names no word."""
    with pytest.raises(SettingsError, match="12 to 24 words") as refused:
        Wallet.from_mnemonic(REGTEST, words)
    assert "abandon" not in str(refused.value)
    assert "secretword" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_spaces_between_words_do_not_matter() -> None:
    """Words are copied by hand."""
    copied = "  " + ABANDON.replace(" ", "\t ") + "\n"
    assert Wallet.from_mnemonic(REGTEST, ABANDON) == Wallet.from_mnemonic(REGTEST, copied)


def test_a_wallet_shows_no_secret(wallet: Wallet) -> None:
    """Neither ``repr`` nor the descriptor has a word or a private key in it."""
    shown = repr(wallet) + wallet.descriptor
    assert "abandon" not in shown
    assert "prv" not in shown


def test_the_descriptor_has_origin_path_and_checksum() -> None:
    """Fingerprint and account key of BIP 84's vector, with the path that leads to the one address."""
    body, _, checksum = Wallet.from_mnemonic(MAINNET, ABANDON).descriptor.partition("#")
    assert body == (
        "wpkh([73c5da0a/84h/0h/0h]xpub6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcMLo"
        "P2fMFMKHPJ4ZeZXYVUhLv1VMrjPC7PW6V/0/0)"
    )
    assert 8 == len(checksum)


# Signatures


def test_the_digest_is_that_of_bip_143() -> None:
    """The first example of BIP 143, "Native P2WPKH": input 1, 6 BTC."""
    body = bytes.fromhex(
        "0100000002fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f0000000000eeffffffef51e1b804cc89d1"
        "82d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a9148280b37df378db99"
        "f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac11000000"
    )
    script = bytes.fromhex("00141d0f172a0ecb48aee1be1f2687d2963ae33f71a1")
    digest = signature_hash(Transaction.decode(body, 1_000), 1, 600_000_000, script)
    assert "c37af31116d1b27caf68aae9e3ac82f1477929014d5b917657d0eb49478cb670" == digest.hex()


def test_a_signed_anchor_is_the_anchor_with_witnesses(wallet: Wallet) -> None:
    """Signing changes neither inputs nor outputs nor their order, hence not the txid."""
    coins = [coin(wallet.script, lock_time=at) for at in range(9)]
    anchor = anchor_of(wallet, coins)
    raw = wallet.sign(anchor, coins)
    assert anchor.encode() == strip_witness(raw)


def test_signing_twice_gives_the_same_bytes(wallet: Wallet) -> None:
    """Nonces are deterministic (RFC 6979): after a crash the same bytes come out."""
    coins = [coin(wallet.script)]
    anchor = anchor_of(wallet, coins)
    assert wallet.sign(anchor, coins) == wallet.sign(anchor, coins)


def test_a_signature_that_does_not_hold_never_leaves_the_wallet(wallet: Wallet) -> None:
    """If the signing library fails, here by signing with another key, the wallet raises instead of returning."""
    broken = replace(wallet, _key=Wallet.generate(REGTEST, bytes(range(16)))._key)
    coins = [coin(wallet.script)]
    with pytest.raises(SigningError, match="the signature does not hold"):
        broken.sign(anchor_of(wallet, coins), coins)


def test_a_third_library_agrees_with_the_signatures(wallet: Wallet) -> None:
    """The script engine of btclib, which the product does not use, accepts what was signed, and no other value."""
    coins = [coin(wallet.script, lock_time=at) for at in range(3)]
    signed = Tx.parse(wallet.sign(anchor_of(wallet, coins), coins))
    verify_transaction([TxOut(50_000, ScriptPubKey(wallet.script))] * 3, signed)
    with pytest.raises(BTClibValueError):
        verify_transaction([TxOut(50_001, ScriptPubKey(wallet.script))] * 3, signed)


def test_as_many_coins_as_inputs_are_wanted(wallet: Wallet) -> None:
    """A coin too few or too many is refused before anything is signed."""
    coins = [coin(wallet.script, lock_time=at) for at in range(2)]
    anchor = anchor_of(wallet, coins)
    for given in ([], coins[:1], [*coins, coins[0]]):
        with pytest.raises(SigningError, match=f"one coin for each of 2 inputs, got {len(given)}"):
            wallet.sign(anchor, given)


def test_coins_in_another_order_are_refused(wallet: Wallet) -> None:
    """Each input is compared with its own coin."""
    coins = [coin(wallet.script, lock_time=at) for at in range(2)]
    with pytest.raises(SigningError, match="input 0: expected the coin"):
        check_coins(anchor_of(wallet, coins), coins[::-1], wallet.script)


def _worth_more(honest: Coin) -> Coin:
    return replace(honest, value_sat=honest.value_sat + 1)


def _of_another_maker(honest: Coin) -> Coin:
    return replace(honest, transaction=coin(b"\x51").transaction)


def _of_no_maker(honest: Coin) -> Coin:
    return replace(honest, transaction=b"")


def _with_an_invented_maker(honest: Coin) -> Coin:
    maker = Transaction.decode(honest.transaction, 1_000)
    dearer = replace(maker, outputs=(replace(maker.outputs[0], value_sat=90_000),))
    return replace(honest, value_sat=90_000, transaction=dearer.encode())


@pytest.mark.parametrize("lie", [_worth_more, _of_another_maker, _of_no_maker, _with_an_invented_maker])
def test_a_source_that_lies_about_a_coin_is_found_out(wallet: Wallet, lie: Callable[[Coin], Coin]) -> None:
    """A coin's value and script are read from the transaction that made it, whose hash is in the outpoint."""
    honest = coin(wallet.script)
    with pytest.raises(SigningError, match="do not trust this source"):
        wallet.sign(anchor_of(wallet, [honest]), [lie(honest)])


def test_a_coin_of_someone_else_is_not_signed_for(wallet: Wallet) -> None:
    """A coin at another script is refused, as is an output that its transaction does not have."""
    foreign = coin(b"\x00\x14" + bytes(20))
    with pytest.raises(SigningError, match="this wallet's script"):
        wallet.sign(anchor_of(wallet, [foreign]), [foreign])
    ours = coin(wallet.script)
    absent = replace(ours, outpoint=OutPoint(ours.outpoint.txid, 1))
    with pytest.raises(SigningError, match="this wallet's script"):
        wallet.sign(anchor_of(wallet, [absent]), [absent])


# What a signer may do to us


def test_a_signer_that_reorders_is_found_out(wallet: Wallet) -> None:
    """Swapped inputs or outputs are another transaction, whatever the signatures say."""
    coins = [coin(wallet.script, lock_time=at) for at in range(2)]
    anchor = anchor_of(wallet, coins)
    for other, order in (
        (replace(anchor, inputs=anchor.inputs[::-1]), coins[::-1]),
        (replace(anchor, outputs=anchor.outputs[::-1]), coins),
        (replace(anchor, outputs=(replace(anchor.outputs[0], value_sat=2_000), anchor.outputs[1])), coins),
        (replace(anchor, version=1), coins),
        (replace(anchor, lock_time=9), coins),
    ):
        with pytest.raises(SigningError, match="with its inputs and outputs in order"):
            check_signed(wallet.sign(other, order), anchor, coins, wallet.script, wallet.public_key)


def test_every_changed_byte_of_a_witness_is_found_out(wallet: Wallet) -> None:
    """No byte of the signed transaction can be another: each change is refused."""
    coins = [coin(wallet.script)]
    anchor = anchor_of(wallet, coins)
    raw = wallet.sign(anchor, coins)
    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        with pytest.raises(SigningError):
            check_signed(changed, anchor, coins, wallet.script, wallet.public_key)


def test_an_unsigned_transaction_is_found_out(wallet: Wallet) -> None:
    """A signer that did nothing, or answered nonsense, is refused."""
    coins = [coin(wallet.script)]
    anchor = anchor_of(wallet, coins)
    for raw in (anchor.encode(), b"", b"\x00" * 50, with_witness(anchor, [b""], wallet.public_key)):
        with pytest.raises(SigningError):
            check_signed(raw, anchor, coins, wallet.script, wallet.public_key)


def test_a_signature_of_another_input_is_found_out(wallet: Wallet) -> None:
    """A signature belongs to one input."""
    coins = [coin(wallet.script, lock_time=at) for at in range(2)]
    anchor = anchor_of(wallet, coins)
    digests = [signature_hash(anchor, at, 50_000, wallet.script) for at in range(2)]
    signatures = [wallet._key.sign(digest).serialize() + b"\x01" for digest in digests]
    check_signed(with_witness(anchor, signatures, wallet.public_key), anchor, coins, wallet.script, wallet.public_key)
    with pytest.raises(SigningError, match="input 0: the signature does not hold"):
        check_signed(
            with_witness(anchor, signatures[::-1], wallet.public_key), anchor, coins, wallet.script, wallet.public_key
        )


def test_a_signature_that_nodes_would_not_relay_is_found_out(wallet: Wallet) -> None:
    """The same signature with the other s holds too, but no node relays it (BIP 146)."""
    coins = [coin(wallet.script)]
    anchor = anchor_of(wallet, coins)
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    r, s = decode_dss_signature(wallet._key.sign(signature_hash(anchor, 0, 50_000, wallet.script)).serialize())
    high = encode_dss_signature(r, order - s) + b"\x01"
    with pytest.raises(SigningError, match="above half the order"):
        check_signed(with_witness(anchor, [high], wallet.public_key), anchor, coins, wallet.script, wallet.public_key)


@pytest.mark.parametrize("kind", [0x00, 0x02, 0x03, 0x81])
def test_a_signature_over_a_part_is_found_out(wallet: Wallet, kind: int) -> None:
    """Only SIGHASH_ALL is accepted: under any other type somebody could change the outputs or add inputs."""
    coins = [coin(wallet.script)]
    anchor = anchor_of(wallet, coins)
    signature = wallet._key.sign(signature_hash(anchor, 0, 50_000, wallet.script)).serialize() + bytes([kind])
    raw = with_witness(anchor, [signature], wallet.public_key)
    with pytest.raises(SigningError, match="SIGHASH_ALL"):
        check_signed(raw, anchor, coins, wallet.script, wallet.public_key)


def test_a_signature_of_another_key_is_found_out(wallet: Wallet) -> None:
    """The witness must carry our key, and the signature must be by it."""
    coins = [coin(wallet.script)]
    anchor = anchor_of(wallet, coins)
    other = Wallet.generate(REGTEST, bytes(range(16)))
    signature = other._key.sign(signature_hash(anchor, 0, 50_000, wallet.script)).serialize() + b"\x01"
    for key in (other.public_key, wallet.public_key):
        with pytest.raises(SigningError, match="input 0"):
            check_signed(with_witness(anchor, [signature], key), anchor, coins, wallet.script, wallet.public_key)


# Key files


def test_a_key_file_gives_the_wallet_back(wallet: Wallet, tmp_path: Path) -> None:
    """Words and extended keys survive; the file is its owner's alone, and nothing else is left in the folder."""
    for number, each in enumerate((wallet, Wallet.from_extended_key(MAINNET, BIP32_MASTER))):
        path = tmp_path / f"key{number}"
        each.write(path)
        assert each == Wallet.read(each.network, path)
        assert 0o600 == path.stat().st_mode & 0o777
    assert {"key0", "key1"} == {path.name for path in tmp_path.iterdir()}


def test_a_key_file_says_its_version_and_network(wallet: Wallet, tmp_path: Path) -> None:
    """Whoever finds the file can tell what it is."""
    wallet.write(tmp_path / "key")
    assert {
        "format": "anchorline-key/2",
        "network": "regtest",
        "descriptor": wallet.descriptor,
        "plain": {"mnemonic": ABANDON},
    } == json.loads((tmp_path / "key").read_text())


def test_a_key_file_of_version_1_is_still_read(wallet: Wallet, tmp_path: Path) -> None:
    """Homes of version 0.1.0 keep their words in clear, without a descriptor."""
    old = {"format": "anchorline-bitcoin-key/1", "network": "regtest", "mnemonic": ABANDON}
    write_private(tmp_path / "key", json.dumps(old).encode())
    assert wallet == Wallet.read(REGTEST, tmp_path / "key")


def test_a_key_is_never_written_over(wallet: Wallet, tmp_path: Path) -> None:
    """An existing file is kept as it is, whatever it is."""
    path = tmp_path / "key"
    path.write_text("older")
    with pytest.raises(StorageError, match="never written over"):
        wallet.write(path)
    assert ["older"] == [each.read_text() for each in tmp_path.iterdir()]


def test_an_interrupted_attempt_is_pointed_out(wallet: Wallet, tmp_path: Path) -> None:
    """A file that a crash left beside the key is named, and no key is made."""
    (tmp_path / "key.new").write_text("")
    with pytest.raises(StorageError, match=r"key\.new: .*remove it"):
        wallet.write(tmp_path / "key")
    assert not (tmp_path / "key").exists()


def test_a_key_needs_a_folder(wallet: Wallet, tmp_path: Path) -> None:
    """A folder that is missing is an error of ours."""
    with pytest.raises(StorageError, match="cannot be written"):
        wallet.write(tmp_path / "missing" / "key")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666, 0o777])
def test_a_key_that_others_can_reach_is_refused(wallet: Wallet, tmp_path: Path, mode: int) -> None:
    """Group and others must have no access at all; the message has the command that mends it."""
    path = tmp_path / "key"
    wallet.write(path)
    path.chmod(mode)
    with pytest.raises(SettingsError, match=f"mode {mode:04o}; run: chmod 600 .*key"):
        Wallet.read(REGTEST, path)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_key_file_may_be_read_only(wallet: Wallet, tmp_path: Path, mode: int) -> None:
    """0600 and 0400 are both the owner's alone."""
    path = tmp_path / "key"
    wallet.write(path)
    path.chmod(mode)
    assert wallet == Wallet.read(REGTEST, path)


def test_a_key_of_another_network_is_refused(wallet: Wallet, tmp_path: Path) -> None:
    """A key is used on one network only, even where the addresses would look alike."""
    wallet.write(tmp_path / "key")
    with pytest.raises(SettingsError, match="expected a key for testnet4, found one for regtest"):
        Wallet.read(NETWORKS["testnet4"], tmp_path / "key")


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(SettingsError, match="no such key file"):
        Wallet.read(REGTEST, tmp_path / "key")


@pytest.mark.parametrize("name", ["anchorline-bitcoin-key/2", "anchorline-key/3"])
def test_a_newer_key_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    """A later version may mean something else."""
    write_private(tmp_path / "key", b'{"format": "%s", "network": "regtest", "secret": "x"}' % name.encode())
    with pytest.raises(UnknownVersionError, match="written by a newer Anchorline"):
        Wallet.read(REGTEST, tmp_path / "key")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"swordfish",
        b"\xff\xfe",
        b"[]",
        b'{"format": 1}',
        b'{"format": "swordfish"}',
        b'{"format": "anchorline-bitcoin-key/1"}',
        b'{"format": "anchorline-bitcoin-key/1", "network": "regtest"}',
        b'{"format": "anchorline-bitcoin-key/1", "network": "regtest", "swordfish": "x"}',
        b'{"format": "anchorline-bitcoin-key/1", "network": "regtest", "mnemonic": "swordfish"}',
        b'{"format": "anchorline-bitcoin-key/1", "network": "regtest", "mnemonic": ["swordfish"]}',
        b'{"format": "anchorline-bitcoin-key/1", "network": "regtest", "mnemonic": "swordfish", "extended_key": "x"}',
        b'{"format": "anchorline-bitcoin-key/1", "network": "regtest", "extended_key": "swordfish"}',
    ],
)
def test_a_file_that_is_no_key_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Whatever is wrong with it, values are never repeated, also not by the errors behind ours."""
    write_private(tmp_path / "key", content)
    with pytest.raises(SettingsError) as refused:
        Wallet.read(REGTEST, tmp_path / "key")
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None or refused.value.__suppress_context__
    assert '"swordfish"' not in str(refused.value)


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600."""
    path.write_bytes(content)
    path.chmod(0o600)


def test_the_wallet_library_is_imported_without_a_warning() -> None:
    """With warnings as errors the import succeeds."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import anchor.bitcoin.wallet"],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
