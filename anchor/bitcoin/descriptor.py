"""What is public of a wallet: its one address, as an output descriptor that says where its key comes from.

Descriptors come from an operator who keeps the key elsewhere, or from ``wallet``, which has the key. ``wallet``,
``psbt`` and ``chains`` read script, address and key from the result; no secret ever passes through here.
"""

from dataclasses import dataclass

from embit import bech32, script
from embit.base import EmbitError
from embit.descriptor.arguments import Key
from embit.descriptor.checksum import add_checksum
from embit.descriptor.descriptor import Descriptor
from embit.networks import NETWORKS as EMBIT_NETWORKS

from anchor.bitcoin.networks import Network
from anchor.errors import SettingsError

# One key with its origin is about 200 characters.
_MAX_LENGTH = 1_000
_KEY_SIZE = 33


@dataclass(frozen=True)
class PublicWallet:
    """A P2WPKH wallet of one address, without its key.

    ``script`` is the 22 bytes that pay to it (BIP 141), ``address`` the same for people (BIP 173), ``public_key`` the
    33 bytes of its key (SEC 1), ``descriptor`` the descriptor with checksum (BIP 380). ``fingerprint`` (4 bytes) and
    ``path`` (numbers, hardened ones from 2^31) say how the key is derived from its master key (BIP 32); both are
    those of the key itself where the descriptor names no origin.
    """

    network: Network
    script: bytes
    address: str
    public_key: bytes
    descriptor: str
    fingerprint: bytes
    path: tuple[int, ...]

    @classmethod
    def from_descriptor(cls, network: Network, text: str) -> "PublicWallet":
        """Return the wallet of a descriptor ``wpkh(KEY)`` of one public key (BIP 380, 382).

        KEY is 33 bytes in hex, or an extended public key of this network with a path to one address (no ``*``), either
        with its origin in front. The checksum may be left out. Raises SettingsError for anything else; where a private
        key was given, the message does not repeat it.
        """
        body, _, checksum = text.strip().partition("#")
        key = _only_key(body)
        if key.is_private:
            raise SettingsError("descriptor: expected a public key, got a private one; export the public descriptor")
        # embit does not compare the checksum.
        whole = str(add_checksum(body))
        if checksum and whole != f"{body}#{checksum}":
            raise SettingsError("descriptor: its checksum does not fit; copy it again")
        if key.is_extended and key.key.version != EMBIT_NETWORKS[embit_name(network)]["xpub"]:
            prefix = "xpub" if network.coin_type == 0 else "tpub"
            raise SettingsError(
                f"descriptor: expected an extended public key ({prefix}...) for {network.name}, got another network's"
            )
        point = key.get_public_key()  # type: ignore[no-untyped-call]  # embit has no types
        paid = script.p2wpkh(point)  # type: ignore[no-untyped-call]  # embit has no types
        return cls(
            network=network,
            script=bytes(paid.data),
            address=_address(network, paid.data),
            public_key=bytes(point.sec()),
            descriptor=whole,
            # BIP 32: the first four bytes of the key's hash, which for P2WPKH stands in the script.
            fingerprint=bytes(key.fingerprint or paid.data[2:6]),
            path=tuple(key.derivation),
        )


def _address(network: Network, script_of_key: bytes) -> str:
    """Return the address of a P2WPKH script with the network's own prefix (BIP 173)."""
    return str(bech32.encode(network.address_hrp, 0, script_of_key[2:]))  # type: ignore[no-untyped-call]  # embit has no types


def embit_name(network: Network) -> str:
    """Return embit's name of the versions of extended keys: all test networks share theirs (SLIP 132, SLIP 44)."""
    return "main" if network.coin_type == 0 else "test"


def _only_key(body: str) -> Key:
    """Return the key of ``wpkh(KEY)``, derived to the one address where it is extended."""
    try:
        key = _parsed(body)
    except (EmbitError, ValueError, TypeError, IndexError, KeyError, AttributeError, RuntimeError):
        key = None
    if key is None:
        # Outside of the ``except``: embit's error may quote a key.
        raise SettingsError(
            "descriptor: expected wpkh(KEY) with one public key and one address, such as "
            "wpkh([0f056943/84h/1h/0h]tpub.../0/0); got something else"
        )
    return key


def _parsed(body: str) -> Key | None:
    if len(body) > _MAX_LENGTH or not body.startswith("wpkh("):
        return None
    found = Descriptor.from_string(body)  # type: ignore[no-untyped-call]  # embit has no types
    # embit ignores what follows the descriptor: writing it again shows that nothing was left out.
    if found.is_wildcard or found.num_branches != 1 or str(found) != body.replace("'", "h"):
        return None
    # Branches and wildcards are excluded, so this turns KEY/0/0 into the key itself, with its whole path.
    key = found.key.derive(0)
    return key if len(key.get_public_key().sec()) == _KEY_SIZE else None
