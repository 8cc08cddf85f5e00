"""Tests of ``anchor.bitcoin.header_checkpoint``: what is shipped about the real chains is what others ship, too."""

from btclib.consensus import CONSENSUS_PARAMS

from anchor.bitcoin.header_checkpoint import KNOWN_CHAINS
from anchor.bitcoin.header_rules import HEADER_RULES


def test_the_known_work_is_btclibs() -> None:
    """Two readings of Bitcoin Core's nMinimumChainWork: its own log, and btclib's table. Regtest has none."""
    names = {name: "testnet" if name == "testnet3" else name for name in HEADER_RULES}
    theirs = {name: CONSENSUS_PARAMS[their_name].minimum_chain_work for name, their_name in names.items()}
    assert theirs == {name: KNOWN_CHAINS[name].least_work if name in KNOWN_CHAINS else 0 for name in HEADER_RULES}
