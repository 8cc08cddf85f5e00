"""Where a header store may begin besides genesis, and how much work the real chain of each network is known to have.

A checkpoint is given by whoever makes a store; what is known of the real chains comes from Bitcoin Core's own
parameters. ``header_store`` begins at the first, and says with the second whether it has caught up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from anchor.bitcoin.header_rules import ChainEnd, read_fields
from anchor.proof.bitcoin.hashes import hash_from_hex, hash_hex, sha256d
from anchor.proof.errors import MalformedError


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A header (80 bytes) with which a store begins, and the ``end`` of the chain that led there.

    Whoever gives it is believed for it. The genesis block is the only one shipped.
    """

    header: bytes
    end: ChainEnd

    def __post_init__(self) -> None:
        fields = read_fields(self.header)
        if sha256d(self.header) != self.end.hash or (fields.time_s, fields.bits) != (
            self.end.times_s[-1],
            self.end.bits,
        ):
            raise MalformedError(
                f"expected a checkpoint at {hash_hex(self.end.hash)} with its header, "
                f"found the header {hash_hex(sha256d(self.header))} or another time or target"
            )


@dataclass(frozen=True, slots=True)
class KnownChain:
    """What is known of a network's real chain: it has at least ``least_work``, and the block ``block_hash``.

    Work is in expected hashes, from genesis on; the hash is 32 bytes in internal order. Without this a source that
    is alone could lead a store along a chain of its own from genesis, at the difficulty of 2009.
    """

    least_work: int
    block_hash: bytes


def _known(least_work: str, block_hash: str) -> KnownChain:
    return KnownChain(int(least_work, 16), hash_from_hex(block_hash))


# nMinimumChainWork and defaultAssumeValid of Bitcoin Core 31.99, as its bitcoind logs them when it starts on each
# network; btclib carries the same work (a test compares). Checkpoints to begin at are not shipped: these facts name
# no header, and a store from genesis is complete.
KNOWN_CHAINS: Mapping[str, KnownChain] = MappingProxyType(
    {
        "mainnet": _known(
            "1128750f82f4c366153a3a030", "00000000000000000000ccebd6d74d9194d8dcdc1d177c478e094bfad51ba5ac"
        ),
        "testnet3": _known("17dde1c649f3708d14b6", "000000007a61e4230b28ac5cb6b5e5a0130de37ac1faf2f8987d2fa6505b67f4"),
        "testnet4": _known("9a0fe15d0177d086304", "0000000002368b1e4ee27e2e85676ae6f9f9e69579b29093e9a82c170bf7cf8a"),
        "signet": _known("b463ea0a4b8", "00000008414aab61092ef93f1aacc54cf9e9f16af29ddad493b908a01ff5c329"),
    }
)
