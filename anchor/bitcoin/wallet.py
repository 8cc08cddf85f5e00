"""The service's own wallet: one key, one address, and signatures that are checked before anyone sees them.

The secret comes from a key file (or fresh entropy), unsigned transactions from ``transaction.build_anchor``.
``anchor.engine`` signs with it, ``cli.py`` makes and shows it; embit is imported in this module only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from embit import bip32, bip39, script
from embit.base import EmbitError
from embit.descriptor.checksum import add_checksum
from embit.networks import NETWORKS as EMBIT_NETWORKS

from anchor.bitcoin.key_file import read_key_file, write_key_file
from anchor.bitcoin.networks import Network
from anchor.bitcoin.protocols import Coin
from anchor.bitcoin.signature import SIGHASH_ALL, check_coins, check_signed, signature_hash, with_witness
from anchor.errors import SettingsError
from anchor.proof.bitcoin import Transaction

_ENTROPY_SIZE = 16  # 12 words (BIP 39)
# What embit calls them; the public test networks share their prefixes.
_EMBIT_NAMES = {"mainnet": "main", "regtest": "regtest"}


@dataclass(frozen=True)
class Wallet:
    """A P2WPKH wallet of one address: index 0 of the external chain of account 0 (BIP 84).

    Made by ``generate``, ``from_mnemonic``, ``from_extended_key`` or ``read``; ``repr`` shows no secret.
    ``script`` is the 22 bytes that pay to it (BIP 141), ``address`` the same for people (BIP 173),
    ``public_key`` the key's 33 bytes (SEC 1), ``descriptor`` the public descriptor with checksum (BIP 380), which
    any wallet can watch.
    """

    network: Network
    script: bytes
    address: str
    public_key: bytes
    descriptor: str
    _secret: dict[str, str] = field(repr=False)
    _key: bip32.HDKey = field(repr=False, compare=False)

    @classmethod
    def generate(cls, network: Network, entropy: bytes) -> "Wallet":
        """Return the wallet of 16 fresh random bytes, as 12 words (BIP 39).

        Raises SettingsError for another number of bytes.
        """
        if len(entropy) != _ENTROPY_SIZE:
            raise SettingsError(f"wallet: expected {_ENTROPY_SIZE} bytes of entropy, got {len(entropy)}")
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
        version = EMBIT_NETWORKS[_embit_name(network)]["xprv"]
        master = bip32.HDKey.from_seed(bip39.mnemonic_to_seed(normal), version=version)
        return _wallet(network, {"mnemonic": normal}, master)

    @classmethod
    def from_extended_key(cls, network: Network, text: str) -> "Wallet":
        """Return the wallet of an extended private master key: xprv on mainnet, tprv elsewhere (BIP 32).

        Raises SettingsError for anything else, a key of an account or of another network included; the message
        does not repeat the key.
        """
        master = _read_extended_key(text.strip())
        expected = EMBIT_NETWORKS[_embit_name(network)]["xprv"]
        if not master.is_private or master.depth != 0 or master.version != expected:
            prefix = "xprv" if network.coin_type == 0 else "tprv"
            raise SettingsError(
                f"wallet: expected an extended private master key ({prefix}...) for {network.name}, got a public "
                "one, one below the master, or one of another network; export the master key"
            )
        return _wallet(network, {"extended_key": text.strip()}, master)

    @classmethod
    def read(cls, network: Network, path: Path) -> "Wallet":
        """Return the wallet of a key file that ``write`` made.

        Raises SettingsError where the file is missing, is open to others than its owner, belongs to another
        network or is no key file; UnknownVersionError where a newer Anchorline wrote it.
        """
        fields = read_key_file(path)
        found = fields.pop("network", "none")
        if found != network.name:
            raise SettingsError(
                f"{path}: expected a key for {network.name}, found one for {found[:20]}; "
                "a key is used on one network only"
            )
        if set(fields) == {"mnemonic"}:
            return cls.from_mnemonic(network, fields["mnemonic"])
        if set(fields) == {"extended_key"}:
            return cls.from_extended_key(network, fields["extended_key"])
        raise SettingsError(f"{path}: expected one of mnemonic and extended_key, found {sorted(fields)}")

    def write(self, path: Path) -> None:
        """Write the secret to a new key file of mode 0600; a crash leaves all of it or none.

        Raises StorageError where the file exists (a key is never written over) or cannot be written.
        """
        write_key_file(path, {"network": self.network.name, **self._secret})

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


def _wallet(network: Network, secret: dict[str, str], master: bip32.HDKey) -> Wallet:
    account = master.derive(f"m/84h/{network.coin_type}h/0h")  # type: ignore[no-untyped-call]  # embit has no types
    key = account.derive("m/0/0")
    paid = script.p2wpkh(key)  # type: ignore[no-untyped-call]  # embit has no types
    origin = f"{master.my_fingerprint.hex()}/84h/{network.coin_type}h/0h"
    return Wallet(
        network=network,
        script=bytes(paid.data),
        address=str(paid.address(EMBIT_NETWORKS[_embit_name(network)])),
        public_key=bytes(key.get_public_key().sec()),
        descriptor=str(add_checksum(f"wpkh([{origin}]{account.to_public().to_base58()}/0/0)")),
        _secret=secret,
        _key=key,
    )


def _read_extended_key(text: str) -> bip32.HDKey:
    try:
        key: bip32.HDKey = bip32.HDKey.from_string(text)
    except (EmbitError, ValueError, TypeError, IndexError):
        # Without ``from``: embit's error may quote the key.
        raise SettingsError(
            "wallet: expected an extended private key (BIP 32), got something else; compare it with your copy"
        ) from None
    return key


def _embit_name(network: Network) -> str:
    return _EMBIT_NAMES.get(network.name, "test")
