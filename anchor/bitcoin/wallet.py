"""The service's own wallet: one key, one address, and signatures that are checked before anyone sees them.

The secret comes from a key file (or fresh entropy), unsigned transactions from ``transaction.build_anchor``.
``anchor.engine`` signs with it, ``chains.home`` makes and opens it; embit signs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from embit import bip32, bip39
from embit.base import EmbitError
from embit.networks import NETWORKS as EMBIT_NETWORKS

from anchor.bitcoin.descriptor import PublicWallet, embit_name
from anchor.bitcoin.key_cipher import Cost
from anchor.bitcoin.key_file import KeyFile, Secret, read_key_file, write_key_file
from anchor.bitcoin.networks import Network
from anchor.bitcoin.protocols import Coin
from anchor.bitcoin.signature import SIGHASH_ALL, check_coins, check_signed, signature_hash, with_witness
from anchor.errors import SettingsError
from anchor.proof.bitcoin.transaction import Transaction

ENTROPY_SIZE = 32
"""256 bits: 24 words (BIP 39)."""
_ENTROPY_SIZES = (16, ENTROPY_SIZE)


class _WithPublic:
    """What is public of a wallet, wherever its key is."""

    public: PublicWallet

    @property
    def network(self) -> Network:
        """The only network that it is used on."""
        return self.public.network

    @property
    def script(self) -> bytes:
        """The script of all its coins (22 bytes, P2WPKH)."""
        return self.public.script

    @property
    def address(self) -> str:
        """The script for people (BIP 173)."""
        return self.public.address

    @property
    def public_key(self) -> bytes:
        """Its public key (33 bytes, SEC 1)."""
        return self.public.public_key

    @property
    def descriptor(self) -> str:
        """The public descriptor, which any wallet can watch (BIP 380)."""
        return self.public.descriptor


@dataclass(frozen=True)
class Wallet(_WithPublic):
    """A P2WPKH wallet of one address, with its key: index 0 of the external chain of account 0 (BIP 84).

    Made by ``generate``, ``from_mnemonic``, ``from_extended_key`` or ``read``; ``repr`` shows no secret.
    """

    public: PublicWallet
    secret: Secret = field(repr=False)
    _key: bip32.HDKey = field(repr=False, compare=False)

    @classmethod
    def generate(cls, network: Network, entropy: bytes) -> "Wallet":
        """Return the wallet of 32 fresh random bytes, as 24 words (BIP 39); of 16 bytes, as 12.

        Raises SettingsError for another number of bytes.
        """
        if len(entropy) not in _ENTROPY_SIZES:
            raise SettingsError(f"wallet: expected {ENTROPY_SIZE} bytes of entropy (or 16), got {len(entropy)}")
        words = bip39.mnemonic_from_bytes(entropy)  # type: ignore[no-untyped-call]  # embit has no types
        return cls.from_mnemonic(network, words)

    @classmethod
    def from_mnemonic(cls, network: Network, words: str) -> "Wallet":
        """Return the wallet of 12 to 24 English words without a passphrase (BIP 39).

        Raises SettingsError for an unknown word or a wrong check; the message does not repeat the words.
        """
        normal = " ".join(words.split())
        if not bip39.mnemonic_is_valid(normal):
            raise SettingsError(
                "wallet: expected 12 to 24 words of the English BIP 39 list that fit each other, got others; "
                "compare them with your copy"
            )
        version = EMBIT_NETWORKS[embit_name(network)]["xprv"]
        master = bip32.HDKey.from_seed(bip39.mnemonic_to_seed(normal), version=version)
        return _wallet(network, Secret("mnemonic", normal), master)

    @classmethod
    def from_extended_key(cls, network: Network, text: str) -> "Wallet":
        """Return the wallet of an extended private master key: xprv on mainnet, tprv elsewhere (BIP 32).

        Raises SettingsError for anything else, a key of an account or of another network included; the message
        does not repeat the key.
        """
        master = _read_extended_key(text.strip())
        expected = EMBIT_NETWORKS[embit_name(network)]["xprv"]
        if not master.is_private or master.depth != 0 or master.version != expected:
            prefix = "xprv" if network.coin_type == 0 else "tprv"
            raise SettingsError(
                f"wallet: expected an extended private master key ({prefix}...) for {network.name}, got a public "
                "one, one below the master, or one of another network; export the master key"
            )
        return _wallet(network, Secret("extended_key", text.strip()), master)

    @classmethod
    def from_secret(cls, network: Network, secret: Secret) -> "Wallet":
        """Return the wallet of a key file's secret; raises SettingsError as the two above do."""
        make = {"mnemonic": cls.from_mnemonic, "extended_key": cls.from_extended_key}[secret.kind]
        return make(network, secret.text)

    @classmethod
    def read(cls, network: Network, path: Path, password: str = "") -> "Wallet":
        """Return the wallet of a key file that ``write`` made; raises what ``StoredWallet`` raises."""
        return StoredWallet(network, path, lambda: password).opened()

    def write(self, path: Path, password: str | None = None, cost: Cost | None = None) -> None:
        """Write a new key file of mode 0600, encrypted where a password is given; a crash leaves all of it or none.

        Raises StorageError where the file exists (a key is never written over) or cannot be written, SettingsError
        for a password that is too short.
        """
        write_key_file(path, self.key_file(password, cost))

    def key_file(self, password: str | None, cost: Cost | None = None) -> KeyFile:
        """Return the key file of this wallet, encrypted where a password is given."""
        plain = KeyFile(self.network.name, self.descriptor, self.secret)
        return plain if password is None else plain.encrypted(password, cost)

    def sign(self, transaction: Transaction, coins: Sequence[Coin]) -> bytes:
        """Return the whole raw transaction with witness (BIP 144); ``coins`` are what it spends, in order.

        Every signature is over everything (SIGHASH_ALL) and is made deterministically (RFC 6979), so that
        signing twice gives the same bytes. The result is checked by another library before it is returned.
        Raises SigningError where that fails, or where a coin is not what it says or not this wallet's.
        """
        check_coins(transaction, coins, self.script)
        digests = (signature_hash(transaction, index, coin.value_sat, self.script) for index, coin in enumerate(coins))
        signatures = [bytes(self._key.sign(digest).serialize()) + bytes([SIGHASH_ALL]) for digest in digests]
        raw = with_witness(transaction, signatures, self.public_key)
        check_signed(raw, transaction, coins, self.script, self.public_key)
        return raw


class StoredWallet(_WithPublic):
    """The wallet of a key file: what is public at once, the key when it is first needed to sign, once in a process.

    ``password`` is asked for only where the file is encrypted. Raises SettingsError where the file is missing, is open
    to others than its owner, belongs to another network or is no key file; UnknownVersionError where a newer
    Anchorline wrote it.
    """

    def __init__(self, network: Network, path: Path, password: Callable[[], str]) -> None:
        self._path = path
        self._password = password
        self._opened: Wallet | None = None
        self._file = read_key_file(path)
        if self._file.network != network.name:
            raise SettingsError(
                f"{path}: expected a key for {network.name}, found one for {self._file.network[:20]}; "
                "a key is used on one network only"
            )
        if self._file.descriptor:
            self.public = PublicWallet.from_descriptor(network, self._file.descriptor)
        else:
            self.public = self._open(network).public

    @property
    def is_encrypted(self) -> bool:
        """Whether the key file wants a password."""
        return self._file.is_encrypted

    @property
    def has_key(self) -> bool:
        """Whether the key is here; others sign where it is not."""
        return self._file.secret is not None

    def opened(self) -> Wallet:
        """Return the wallet with its key.

        Raises WrongPasswordError, and SettingsError where the file has no key or one that is not the descriptor's.
        """
        if self._opened is None:
            self._opened = self._open(self.public.network)
        return self._opened

    def sign(self, transaction: Transaction, coins: Sequence[Coin]) -> bytes:
        """Return the whole signed transaction, as ``Wallet.sign`` does; asks for the password where it must."""
        return self.opened().sign(transaction, coins)

    def change_password(self, password: str | None, cost: Cost | None = None) -> None:
        """Write the key file again under another password, or in clear for None; the old file is gone afterwards."""
        write_key_file(self._path, self.opened().key_file(password, cost), replace=True)

    def _open(self, network: Network) -> Wallet:
        secret = self._file.secret
        if secret is None:
            raise SettingsError(f"{self._path}: holds no private key: this wallet's anchors are signed elsewhere")
        if not isinstance(secret, Secret):
            secret = self._file.opened(self._password())
        wallet = Wallet.from_secret(network, secret)
        if self._file.descriptor not in {"", wallet.descriptor}:
            raise SettingsError(f"{self._path}: its key is not that of its descriptor; restore your copy of the file")
        return wallet


def _wallet(network: Network, secret: Secret, master: bip32.HDKey) -> Wallet:
    account = master.derive(f"m/84h/{network.coin_type}h/0h")  # type: ignore[no-untyped-call]  # embit has no types
    origin = f"{master.my_fingerprint.hex()}/84h/{network.coin_type}h/0h"
    public = PublicWallet.from_descriptor(network, f"wpkh([{origin}]{account.to_public().to_base58()}/0/0)")
    return Wallet(public, secret, account.derive("m/0/0"))


def _read_extended_key(text: str) -> bip32.HDKey:
    try:
        key: bip32.HDKey = bip32.HDKey.from_string(text)
    except (EmbitError, ValueError, TypeError, IndexError, RuntimeError):
        # Without ``from``: embit's error may quote the key.
        raise SettingsError(
            "wallet: expected an extended private key (BIP 32), got something else; compare it with your copy"
        ) from None
    return key
