# SPDX-License-Identifier: Apache-2.0
"""The Bitcoin networks as a proof needs them: genesis, easiest target, and what work there is worth.

Input is nothing but the constants of Bitcoin Core (kernel/chainparams.cpp). ``verify`` finds the network of a log
here, and ``anchor.bitcoin.networks`` extends each record.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from anchor.proof.bitcoin.hashes import hash_from_hex
from anchor.proof.bitcoin.work import target_from_bits


@dataclass(frozen=True)
class NetworkRules:
    """What a proof must know of a Bitcoin network.

    ``genesis_hash`` is 32 bytes in internal order, ``message_start`` the 4 bytes that begin its messages (all
    signets share a genesis block, so only these tell them apart), ``pow_limit`` the easiest target, and
    ``proof_of_work_note`` a sentence that says what proof of work is worth there.
    """

    name: str
    genesis_hash: bytes
    message_start: bytes
    pow_limit: int
    proof_of_work_note: str


def _rules(name: str, genesis: str, message_start: str, limit_bits: int, note: str) -> NetworkRules:
    limit = target_from_bits(limit_bits)
    return NetworkRules(name, hash_from_hex(genesis), bytes.fromhex(message_start), limit, note)


# A limit is the target of the easiest ``bits``: no others lie between it and the full limit in Bitcoin Core.
_ALL_RULES = (
    _rules(
        "mainnet",
        "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
        "f9beb4d9",
        0x1D00FFFF,
        "Proof of work on mainnet is real: if its target is the one that the chain demanded, a block costs "
        "what all Bitcoin miners together spend in about ten minutes.",
    ),
    _rules(
        "testnet3",
        "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943",
        "0b110907",
        0x1D00FFFF,
        "Proof of work on testnet3 is worth little: its coins have no value, and anyone with one computer "
        "can make a block of the lowest difficulty.",
    ),
    _rules(
        "testnet4",
        "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043",
        "1c163f28",
        0x1D00FFFF,
        "Proof of work on testnet4 is worth little: its coins have no value, and anyone with one computer "
        "can make a block of the lowest difficulty.",
    ),
    _rules(
        "signet",
        "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6",
        # The default signet's: sha256d of its block challenge with the length in front, 4 bytes (BIP 325).
        "0a03cf40",
        0x1E0377AE,
        "Proof of work on signet is trivial: a few key holders sign its blocks, and no header shows their signature.",
    ),
    _rules(
        "regtest",
        "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
        "fabfb5da",
        0x207FFFFF,
        "Proof of work on regtest is worth nothing: anyone makes any number of blocks in no time, on a chain "
        "of their own.",
    ),
)

NETWORKS: Mapping[str, NetworkRules] = MappingProxyType({rules.name: rules for rules in _ALL_RULES})
