"""Tests of the networks' records, with btclib's tables and genesis blocks as referee."""

import pytest
from btclib.block.genesis import genesis_block
from btclib.block.proof_of_work import target_from_bits as referee_target
from btclib.consensus import CONSENSUS_PARAMS
from btclib.p2p.magic import DEFAULT_SIGNET_CHALLENGE, magic_from_network

from anchor.proof.bitcoin.branch import merkle_root
from anchor.proof.bitcoin.coinbase import MAX_COINBASE
from anchor.proof.bitcoin.hashes import sha256d
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.networks import NETWORKS
from anchor.proof.bitcoin.transaction import Transaction, strip_witness
from anchor.proof.bitcoin.work import check_work

# btclib calls testnet3 "testnet".
REFEREE_NAMES = {
    "mainnet": "mainnet",
    "testnet3": "testnet",
    "testnet4": "testnet4",
    "signet": "signet",
    "regtest": "regtest",
}


@pytest.mark.parametrize("name", NETWORKS)
def test_network_is_the_one_its_name_says(name: str) -> None:
    """Genesis hash, message start and limit are those of the referee's tables."""
    rules, theirs = NETWORKS[name], REFEREE_NAMES[name]
    genesis = genesis_block(theirs)
    limit = CONSENSUS_PARAMS[theirs].pow_limit_bits
    assert name == rules.name
    assert genesis.header.hash[::-1] == rules.genesis_hash
    assert magic_from_network(theirs) == rules.message_start
    assert int.from_bytes(referee_target(limit), "big") == rules.pow_limit
    assert rules.proof_of_work_note.endswith(".")
    assert name in rules.proof_of_work_note


def test_networks_cannot_be_changed() -> None:
    """Nobody can swap the rules of a network at run time."""
    with pytest.raises(TypeError):
        NETWORKS["mainnet"] = NETWORKS["regtest"]  # type: ignore[index]  # the very thing that is tried


def test_signet_message_start_is_derived_from_its_challenge() -> None:
    """Signet's message start is the beginning of the hash of its block challenge (BIP 325)."""
    serialised = bytes([len(DEFAULT_SIGNET_CHALLENGE)]) + DEFAULT_SIGNET_CHALLENGE
    assert sha256d(serialised)[:4] == NETWORKS["signet"].message_start


@pytest.mark.parametrize("name", NETWORKS)
def test_genesis_block_reads_and_has_its_work(name: str) -> None:
    """The genesis block of each network is read, written, hashed and worked as the referee says."""
    genesis = genesis_block(REFEREE_NAMES[name])
    raw_header = genesis.header.serialize()
    raw = genesis.transactions[0].serialize(include_witness=False)
    header, coinbase = Header.decode(raw_header), Transaction.decode(raw, MAX_COINBASE)
    check_work(header, NETWORKS[name].pow_limit)
    assert NETWORKS[name].genesis_hash == header.hash
    assert raw_header == header.encode()
    assert raw == coinbase.encode() == strip_witness(raw)
    assert header.merkle_root == coinbase.txid == merkle_root([coinbase.txid])
