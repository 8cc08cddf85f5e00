"""What differs between the Bitcoin networks: one frozen record each, and the look-up by name.

A record has three layers, each written once: identity and proof-of-work limit in ``anchor.proof.bitcoin.networks``,
where receipts are checked; what headers must keep to in ``header_rules``; and here what only a running service
needs (ports, depths, fees). Sources, wallet and engine take a ``Network`` as an argument: there is no current one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from anchor.bitcoin.header_rules import HEADER_RULES, HeaderRules
from anchor.errors import SettingsError
from anchor.proof.bitcoin.networks import NetworkRules

# Most testnet4 blocks are mined by CPUs at difficulty 1, and one block of real difficulty can replace many of
# them (BIP 94, rationale).
TEST_WATCH_DEPTH = 100
# Twice the 24 blocks that the deepest accidental fork since 2013 removed (BIP 50).
MAIN_WATCH_DEPTH = 48


@dataclass(frozen=True)
class Network:
    """One Bitcoin network, as a plain value.

    ``headers`` are its rules of difficulty, time and version (the 20-minute rule, BIP 94), with its identity inside.
    ``p2p_port`` and ``rpc_port`` are those of Bitcoin Core. ``address_hrp`` is the human-readable part of addresses
    (BIP 173). Depths are confirmations, counted from 1: ``watch_depth`` is how deep an anchor must be before it is no
    longer looked at, and how deep funding must be before it is used; ``final_depth`` is where an anchor is called
    final. Rates are satoshi per virtual byte: an estimate is held between ``fee_floor_sat_per_vb`` and
    ``fee_cap_sat_per_vb``, and ``fee_fallback_sat_per_vb`` stands in where there is none. A thread coin never falls
    below ``coin_floor_sat``. ``spending_cap_sat`` is the most for the fees of 24 hours where the settings say nothing
    else (0: no limit). ``esplora_urls`` are public servers that are asked where the settings name no others.
    """

    headers: HeaderRules
    address_hrp: str
    p2p_port: int
    rpc_port: int
    watch_depth: int = TEST_WATCH_DEPTH
    final_depth: int = 6  # Bitcoin's own convention since 2010; a reorganisation deeper than that makes news
    fee_floor_sat_per_vb: float = 1.0  # nodes older than Bitcoin Core 29.1 relay nothing below
    fee_cap_sat_per_vb: float = 50.0
    fee_fallback_sat_per_vb: float = 2.0  # estimates are missing on test networks more often than not
    coinbase_maturity: int = 100  # consensus: COINBASE_MATURITY in Bitcoin Core, consensus/consensus.h
    coin_floor_sat: int = 1_000  # the dust limit of a P2WPKH output is 294; the rest pays for a later spend
    spending_cap_sat: int = 0
    esplora_urls: tuple[str, ...] = ()

    @property
    def rules(self) -> NetworkRules:
        """What a receipt's verifier knows of the network: identity, limit, what its work is worth."""
        return self.headers.network

    @property
    def name(self) -> str:
        """The network's name, as in settings and receipts."""
        return self.rules.name

    @property
    def genesis_hash(self) -> bytes:
        """Hash of block 0: 32 bytes, internal order."""
        return self.rules.genesis_hash

    @property
    def coin_type(self) -> int:
        """The network's number in a derivation path: 0 on mainnet, 1 on every test network (SLIP 44)."""
        return 0 if self.name == "mainnet" else 1


NETWORKS: Mapping[str, Network] = MappingProxyType(
    {
        network.name: network
        for network in (
            Network(
                headers=HEADER_RULES["mainnet"],
                address_hrp="bc",
                p2p_port=8333,
                rpc_port=8332,
                watch_depth=MAIN_WATCH_DEPTH,
                fee_cap_sat_per_vb=100.0,
                fee_fallback_sat_per_vb=10.0,
                # An anchor each ten minutes, for a day, at the fallback rate, and some replaced: 144 * 161 vB * 10 sat.
                spending_cap_sat=250_000,
                esplora_urls=("https://mempool.space/api", "https://blockstream.info/api"),
            ),
            Network(
                headers=HEADER_RULES["testnet3"],
                address_hrp="tb",
                p2p_port=18333,
                rpc_port=18332,
                esplora_urls=("https://mempool.space/testnet/api", "https://blockstream.info/testnet/api"),
            ),
            Network(
                headers=HEADER_RULES["testnet4"],
                address_hrp="tb",
                p2p_port=48333,
                rpc_port=48332,
                esplora_urls=("https://mempool.space/testnet4/api",),
            ),
            Network(
                headers=HEADER_RULES["signet"],
                address_hrp="tb",
                p2p_port=38333,
                rpc_port=38332,
                esplora_urls=("https://mempool.space/signet/api", "https://blockstream.info/signet/api"),
            ),
            Network(headers=HEADER_RULES["regtest"], address_hrp="bcrt", p2p_port=18444, rpc_port=18443),
        )
    }
)


def network_named(name: str) -> Network:
    """Return the network called ``name``; raise SettingsError, with the known names, if there is none."""
    network = NETWORKS.get(name)
    if network is None:
        known = ", ".join(NETWORKS)
        raise SettingsError(f"network: expected one of {known}; got {name!r}; correct the setting")
    return network
