"""Tests of ``anchor.bitcoin.networks``: the records, and the look-up by name."""

from dataclasses import FrozenInstanceError

import pytest

from anchor.bitcoin.header_rules import HEADER_RULES, genesis_end
from anchor.bitcoin.networks import NETWORKS, Network, network_named
from anchor.errors import SettingsError
from anchor.proof.bitcoin.networks import NETWORKS as RULES


def test_every_network_that_a_receipt_can_name_can_be_configured() -> None:
    """The verifier and the service know the same networks, and agree on their identity."""
    assert set(RULES) == set(NETWORKS)
    assert dict(RULES) == {name: network.rules for name, network in NETWORKS.items()}


def test_a_network_is_found_by_its_name() -> None:
    """The name in the settings is the record's own."""
    assert ["mainnet", "testnet3", "testnet4", "signet", "regtest"] == [
        network_named(name).name for name in ("mainnet", "testnet3", "testnet4", "signet", "regtest")
    ]


@pytest.mark.parametrize("name", ["", "main", "Testnet4", "testnet", "testnet4 "])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    """A name is matched exactly, and the error lists what would have been right."""
    with pytest.raises(SettingsError, match="mainnet, testnet3, testnet4, signet, regtest"):
        network_named(name)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_depths_and_rates_are_in_order(network: Network) -> None:
    """An anchor is watched past final, a rate has a floor below its cap, and a coin at its floor is no dust."""
    assert 1 < network.final_depth < network.watch_depth
    assert 1 <= network.fee_floor_sat_per_vb <= network.fee_fallback_sat_per_vb <= network.fee_cap_sat_per_vb
    assert network.coin_floor_sat > 294


def test_only_mainnet_has_coin_type_0() -> None:
    """Test networks share coin type 1 (SLIP 44)."""
    assert ["mainnet"] == [network.name for network in NETWORKS.values() if network.coin_type == 0]


def test_a_network_cannot_be_changed() -> None:
    """There is no current network and no way to change one."""
    with pytest.raises(FrozenInstanceError):
        NETWORKS["regtest"].rpc_port = 8332  # type: ignore[misc]  # that it is refused is the test


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_a_record_says_each_thing_once(network: Network) -> None:
    """Identity and header rules are parts of the record, so that they cannot contradict it."""
    assert HEADER_RULES[network.name] is network.headers
    assert RULES[network.name] is network.rules
    assert network.genesis_hash == genesis_end(network.headers).hash
    assert network.p2p_port != network.rpc_port
