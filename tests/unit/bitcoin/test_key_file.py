"""Encrypted key files: what opens them, what does not, and what a reader learns without the password.

Files are made by the product with cheap scrypt parameters, then changed by hand as damage or an attacker would.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from anchor.bitcoin.descriptor import PublicWallet
from anchor.bitcoin.key_cipher import Cost
from anchor.bitcoin.key_file import KeyFile, read_key_file, write_key_file
from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.wallet import StoredWallet, Wallet
from anchor.errors import SettingsError, StorageError, WrongPasswordError

REGTEST = NETWORKS["regtest"]
WORDS = "abandon " * 23 + "art"
WALLET = Wallet.from_mnemonic(REGTEST, WORDS)
OTHER = Wallet.generate(REGTEST, bytes(range(32)))
PASSWORD = "correct horse battery"
CHEAP = Cost(n=2**14)


def no_password() -> str:
    raise AssertionError("nobody may be asked for a password here")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The encrypted key file of a wallet."""
    WALLET.write(tmp_path / "key", PASSWORD, CHEAP)
    return tmp_path / "key"


def change(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Edit the JSON of a file in place."""
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


def test_the_password_gives_the_wallet_back(path: Path) -> None:
    """Words and extended keys survive encryption."""
    assert WALLET == Wallet.read(REGTEST, path, PASSWORD)
    key = (  # BIP 39's first vector, as a test network writes it
        "tprv8ZgxMBicQKsPe5YMU9gHen4Ez3ApihUfykaqUorj9t6FDqy3nP6eoXiAo2ssvpAjoLroQxHqr3R5nE3a5dU3DHTjTgJDd7zrbniJr6nrCzd"
    )
    extended = Wallet.from_extended_key(REGTEST, key)
    extended.write(path.with_name("extended"), PASSWORD, CHEAP)
    assert extended == Wallet.read(REGTEST, path.with_name("extended"), PASSWORD)


def test_nobody_is_asked_for_what_is_public(path: Path) -> None:
    """Address, script and descriptor need no password: status and balance run without one."""
    stored = StoredWallet(REGTEST, path, no_password)
    assert (WALLET.address, WALLET.script) == (stored.address, stored.script)
    assert (WALLET.descriptor, True, True) == (stored.descriptor, stored.is_encrypted, stored.has_key)


def test_the_password_is_asked_for_once(path: Path) -> None:
    """The key is decrypted when first needed, and kept for the life of the process."""
    asked = []

    def password() -> str:
        asked.append(1)
        return PASSWORD

    stored = StoredWallet(REGTEST, path, password)
    assert [] == asked
    assert stored.opened() is stored.opened()
    assert [1] == asked


def test_the_file_is_decrypted_by_its_specification_alone(path: Path) -> None:
    """scrypt, then AES-256-GCM with everything else of the file as associated data, then zeros cut off."""
    value = json.loads(path.read_text())
    scrypt, gcm = value["encrypted"]["scrypt"], value["encrypted"]["aes_256_gcm"]
    salt = bytes.fromhex(scrypt["salt"])
    key = Scrypt(salt, 32, scrypt["n"], scrypt["r"], scrypt["p"]).derive(PASSWORD.encode())
    bound = (
        f"{value['format']}\n{value['network']}\n{value['descriptor']}\n"
        f"scrypt {scrypt['n']} {scrypt['r']} {scrypt['p']} {scrypt['salt']}\n"
    )
    opened = AESGCM(key).decrypt(bytes.fromhex(gcm["nonce"]), bytes.fromhex(gcm["ciphertext"]), bound.encode())
    assert b"mnemonic " + WORDS.encode() == opened.rstrip(b"\x00")
    assert 256 == len(opened)


def test_no_word_is_in_an_encrypted_file(path: Path) -> None:
    """What is in clear is public."""
    assert b"abandon" not in path.read_bytes()
    assert {"format", "network", "descriptor", "encrypted"} == set(json.loads(path.read_text()))


@pytest.mark.parametrize("password", ["", "correct horse batterx", PASSWORD + " ", PASSWORD.upper()])
def test_another_password_does_not_open_it(path: Path, password: str) -> None:
    """The message repeats neither the password that was tried nor anything of the file, also not behind it."""
    with pytest.raises(WrongPasswordError, match="does not open the key file, or the file was changed") as refused:
        Wallet.read(REGTEST, path, password)
    assert refused.value.__suppress_context__
    assert not password or password not in str(refused.value)


def test_a_letter_is_the_same_however_it_was_typed(tmp_path: Path) -> None:
    """One keyboard sends é as one character, another as two (NFC)."""
    WALLET.write(tmp_path / "key", "caf\u00e9 au lait", CHEAP)
    assert WALLET == Wallet.read(REGTEST, tmp_path / "key", "cafe\u0301 au lait")


def _descriptor_of_another(value: dict[str, Any]) -> None:
    value["descriptor"] = OTHER.descriptor


def _cheaper(value: dict[str, Any]) -> None:
    value["encrypted"]["scrypt"]["n"] = 2**15


def _salt(value: dict[str, Any]) -> None:
    value["encrypted"]["scrypt"]["salt"] = "00" * 16


def _nonce(value: dict[str, Any]) -> None:
    value["encrypted"]["aes_256_gcm"]["nonce"] = "00" * 12


def _one_bit(value: dict[str, Any]) -> None:
    first = value["encrypted"]["aes_256_gcm"]["ciphertext"]
    value["encrypted"]["aes_256_gcm"]["ciphertext"] = f"{int(first[:2], 16) ^ 1:02x}{first[2:]}"


@pytest.mark.parametrize("edit", [_descriptor_of_another, _cheaper, _salt, _nonce, _one_bit])
def test_whatever_is_changed_in_a_file_keeps_it_shut(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Descriptor and parameters are bound to the secret: a file cannot be made to show another's address."""
    change(path, edit)
    with pytest.raises(WrongPasswordError):
        Wallet.read(REGTEST, path, PASSWORD)


def test_a_plain_file_with_another_descriptor_is_refused(tmp_path: Path) -> None:
    """Nothing is signed for an address that the key does not have."""
    write_key_file(tmp_path / "key", KeyFile("regtest", OTHER.descriptor, WALLET.secret))
    with pytest.raises(SettingsError, match="its key is not that of its descriptor"):
        Wallet.read(REGTEST, tmp_path / "key")


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("n", 2**13, "scrypt n: expected 16384 to 1048576, found 8192"),
        ("n", 2**21, "scrypt n: expected 16384 to 1048576, found 2097152"),
        ("n", 2**14 + 1, "scrypt n: expected a power of two"),
        ("r", 1, "scrypt r: expected 8 to 16, found 1"),
        ("r", 1_000_000, "scrypt r: expected 8 to 16"),
        ("p", 0, "scrypt p: expected 1 to 4, found 0"),
        ("p", 2**40, "scrypt p: expected 1 to 4"),
        ("n", 2**20, "scrypt: expected at most 256 MiB"),
    ],
)
def test_parameters_out_of_bounds_are_refused_before_they_are_used(
    path: Path, parameter: str, value: int, message: str
) -> None:
    """A file cannot make a machine work for hours, nor pass off a key that is guessed at once."""
    change(path, lambda found: found["encrypted"]["scrypt"].update({parameter: value}))
    with pytest.raises(SettingsError, match=message):
        Wallet.read(REGTEST, path, PASSWORD)


@pytest.mark.parametrize(
    ("place", "name", "size"),
    [("scrypt", "salt", 15), ("aes_256_gcm", "nonce", 13), ("aes_256_gcm", "ciphertext", 271)],
)
def test_values_of_another_size_are_refused(path: Path, place: str, name: str, size: int) -> None:
    """Salt, nonce and ciphertext have one size each."""
    change(path, lambda found: found["encrypted"][place].update({name: "00" * size}))
    with pytest.raises(SettingsError, match="the key file is cut"):
        Wallet.read(REGTEST, path, PASSWORD)


def _unknown_field(value: dict[str, Any]) -> None:
    value["swordfish"] = 1


def _two_secrets(value: dict[str, Any]) -> None:
    value["plain"] = {"mnemonic": "swordfish"}


def _float(value: dict[str, Any]) -> None:
    value["encrypted"]["scrypt"]["n"] = 16384.0


def _no_salt(value: dict[str, Any]) -> None:
    del value["encrypted"]["scrypt"]["salt"]


def _text(value: dict[str, Any]) -> None:
    value["encrypted"] = "swordfish"


def _two_plain(value: dict[str, Any]) -> None:
    del value["encrypted"]
    value["plain"] = {"mnemonic": "swordfish", "extended_key": "swordfish"}


@pytest.mark.parametrize("edit", [_unknown_field, _two_secrets, _float, _no_salt, _text, _two_plain])
def test_a_file_with_other_fields_is_refused(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Every field is known and has its one type; the message repeats no value."""
    change(path, edit)
    with pytest.raises(SettingsError, match="expected a key file") as refused:
        read_key_file(path)
    assert "swordfish" not in str(refused.value)
    assert refused.value.__context__ is None


@pytest.mark.parametrize("password", ["", "1234567"])
def test_a_short_password_is_refused(tmp_path: Path, password: str) -> None:
    """Eight characters are the least; nothing is written."""
    with pytest.raises(SettingsError, match="at least 8 characters"):
        WALLET.write(tmp_path / "key", password, CHEAP)
    assert [] == list(tmp_path.iterdir())


def test_the_standard_cost_is_within_the_limits() -> None:
    """What is written by default can be read by default: 128 MiB."""
    Cost().check()
    assert 1 << 27 == 128 * Cost().n * Cost().r


def test_the_password_changes_in_place(path: Path) -> None:
    """The new password opens the file, the old one does not, and nothing else is left in the folder."""
    StoredWallet(REGTEST, path, lambda: PASSWORD).change_password("another password", CHEAP)
    assert WALLET == Wallet.read(REGTEST, path, "another password")
    with pytest.raises(WrongPasswordError):
        Wallet.read(REGTEST, path, PASSWORD)
    assert [path] == list(path.parent.iterdir())
    assert 0o600 == path.stat().st_mode & 0o777
    StoredWallet(REGTEST, path, lambda: "another password").change_password(None)
    assert WALLET == StoredWallet(REGTEST, path, no_password).opened()


def test_a_change_of_password_goes_on_where_one_was_interrupted(path: Path) -> None:
    """A file beside is what a crash before the renaming left; the key is whole, so it is replaced."""
    path.with_name("key.new").write_bytes(b"half")
    StoredWallet(REGTEST, path, lambda: PASSWORD).change_password("another password", CHEAP)
    assert [path] == list(path.parent.iterdir())


def test_a_wrong_password_changes_nothing(path: Path) -> None:
    """The old password comes first."""
    before = path.read_bytes()
    with pytest.raises(WrongPasswordError):
        StoredWallet(REGTEST, path, lambda: "wrong password").change_password("another password", CHEAP)
    assert before == path.read_bytes()


def test_an_encrypted_key_is_never_written_over(path: Path) -> None:
    """Only a change of password replaces a key file."""
    with pytest.raises(StorageError, match="never written over"):
        OTHER.write(path)


def test_a_wallet_without_a_key_says_who_signs(tmp_path: Path) -> None:
    """Of a wallet that is signed for elsewhere the file holds the descriptor only."""
    write_key_file(tmp_path / "key", KeyFile("regtest", WALLET.descriptor, None))
    stored = StoredWallet(REGTEST, tmp_path / "key", no_password)
    assert (WALLET.address, False, False) == (stored.address, stored.has_key, stored.is_encrypted)
    with pytest.raises(SettingsError, match="holds no private key: this wallet's anchors are signed elsewhere"):
        stored.opened()


def test_nothing_that_holds_a_secret_shows_it(path: Path) -> None:
    """``repr`` of wallet, file, secret and ciphertext."""
    file = read_key_file(path)
    shown = repr([WALLET, WALLET.secret, file, file.opened(PASSWORD), KeyFile("regtest", "", WALLET.secret)])
    shown += repr(vars(StoredWallet(REGTEST, path, lambda: PASSWORD)))
    for secret in ("abandon", "prv", PASSWORD, json.loads(path.read_text())["encrypted"]["aes_256_gcm"]["ciphertext"]):
        assert secret not in shown


# Descriptors


def test_a_descriptor_gives_the_wallet_of_its_key() -> None:
    """Extended key with path, the key itself with its origin, the bare key: the same script and key."""
    whole = PublicWallet.from_descriptor(REGTEST, WALLET.descriptor)
    assert whole == WALLET.public
    key = WALLET.public_key.hex()
    origin = WALLET.descriptor.split("[")[1].split("/")[0]
    by_key = PublicWallet.from_descriptor(REGTEST, f"wpkh([{origin}/84'/1'/0'/0/0]{key})")
    assert (whole.script, whole.public_key, whole.fingerprint, whole.path) == (
        by_key.script,
        by_key.public_key,
        by_key.fingerprint,
        by_key.path,
    )
    hardened = 1 << 31
    assert (hardened + 84, hardened + 1, hardened, 0, 0) == whole.path
    bare = PublicWallet.from_descriptor(REGTEST, f" wpkh({key})\n")
    assert (whole.script, (), whole.script[2:6]) == (bare.script, bare.path, bare.fingerprint)


PRIVATE = WALLET.descriptor.split("]")[0] + "]" + str(WALLET._key.to_base58()) + ")"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got something else"),
        ("wpkh()", "got something else"),
        (f"pkh({WALLET.public_key.hex()})", "got something else"),
        (f"addr({WALLET.address})", "got something else"),
        (WALLET.descriptor.replace("/0/0)", "/0/*)").split("#")[0], "got something else"),
        (WALLET.descriptor.replace("/0/0)", "/<0;1>/0)").split("#")[0], "got something else"),
        (WALLET.descriptor.split("#")[0] + "x", "got something else"),
        (f"wpkh(04{'11' * 64})", "got something else"),
        (f"wpkh(02{'00' * 32})", "got something else"),
        ("wpkh(" * 500, "got something else"),
        (WALLET.descriptor[:-1] + ("q" if WALLET.descriptor[-1] != "q" else "p"), "checksum does not fit"),
        (PRIVATE, "got a private one"),
        (Wallet.from_mnemonic(NETWORKS["mainnet"], WORDS).descriptor, "another network's"),
    ],
)
def test_other_descriptors_are_refused(text: str, message: str) -> None:
    """One public key and one P2WPKH address of this network, nothing else; no key is repeated."""
    with pytest.raises(SettingsError, match=message) as refused:
        PublicWallet.from_descriptor(REGTEST, text)
    assert "prv" not in str(refused.value)
    assert refused.value.__context__ is None
