# SPDX-License-Identifier: Apache-2.0
"""What the verifier knows of the best chain: one block that he gives, or a file of headers.

A receipt never says by itself that its block is on the best chain; somebody must. ``verify`` asks a
``KnownBlocks`` and prints whom it believed; ``cli.py`` adds live sources.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from anchor.proof.bitcoin.hashes import hash_from_hex, hash_hex
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.networks import NETWORKS, NetworkRules
from anchor.proof.bitcoin.work import check_work, work_from_bits
from anchor.proof.errors import MalformedError, Reason, TooLargeError, VerificationError

# A million headers are twenty years of blocks.
MAX_HEADERS_FILE = 200 * 2**20
_HEADER_HEX = re.compile(r"[0-9a-f]{160}")


@dataclass(frozen=True, slots=True)
class KnownBlock:
    """A block of the best chain, as believed; ``confirmations`` counts from 1, None: whoever gave it vouches.

    ``work`` is what stands behind the block and all on top of it, in expected hashes: what a rival must exceed; None
    where it is not known. ``full_block_work`` is that of one block at the difficulty of the block's period, where a
    network also lets blocks pass that are easier (the 20-minute rule), and this view knows it; None elsewhere.
    ``is_least``: there is more work on top that was not counted.
    """

    hash: bytes
    confirmations: int | None
    work: int | None = None
    full_block_work: int | None = None
    is_least: bool = False

    @property
    def full_confirmations(self) -> int | None:
        """Return how many blocks of full difficulty its work is worth, None where that is not known."""
        if self.work is None or not self.full_block_work:
            return None
        return self.work // self.full_block_work

    @property
    def depth(self) -> int | None:
        """Return the confirmations, or fewer where they are worth fewer; None where neither is known."""
        counts = [count for count in (self.confirmations, self.full_confirmations) if count is not None]
        return min(counts, default=None)

    def is_shallow(self, wanted: int) -> bool:
        """Say whether it is known not to be as deep as is wanted."""
        return self.depth is not None and self.depth < wanted


class KnownBlocks(Protocol):
    """A view of one network's best chain."""

    @property
    def network(self) -> str:
        """Name of the network."""

    @property
    def believed(self) -> str:
        """Whose word this is, for people: "you (--block)"."""

    def at(self, height: int) -> KnownBlock | None:
        """Return the block at ``height``, or None where this view does not reach."""


@dataclass(frozen=True, slots=True)
class GivenBlock:
    """One block that the verifier vouches for (``--block NETWORK:HEIGHT:HASH``, hash as explorers show it)."""

    network: str
    height: int
    hash: bytes
    believed: str = "you (the given block)"

    @classmethod
    def decode(cls, text: str, networks: Mapping[str, NetworkRules] = NETWORKS) -> "GivenBlock":
        """Read ``NETWORK:HEIGHT:HASH``, of one of these networks."""
        network, _, rest = text.partition(":")
        height, _, block_hash = rest.partition(":")
        check_network_name(network, networks)
        if not re.fullmatch(r"[0-9]{1,9}", height):
            raise MalformedError(f"block: expected NETWORK:HEIGHT:HASH with a decimal height, got {text[:120]!r}")
        return cls(network, int(height), hash_from_hex(block_hash))

    def at(self, height: int) -> KnownBlock | None:
        """Return the given block, if it is at ``height``."""
        return KnownBlock(self.hash, None) if height == self.height else None


@dataclass(frozen=True, slots=True)
class HeaderChain:
    """Linked headers from ``first_height`` on, each with proof of work under the network's limit.

    The difficulty rules between headers are not checked: whoever gave the file is believed for the best chain.
    """

    network: str
    first_height: int
    hashes: tuple[bytes, ...]
    bits: tuple[int, ...]
    believed: str = "the headers file (its links and proof of work were checked, its difficulty was not)"

    @classmethod
    def decode(cls, data: bytes, networks: Mapping[str, NetworkRules] = NETWORKS) -> "HeaderChain":
        """Read a headers file: a line ``NETWORK FIRST_HEIGHT``, then 160 hex digits a line (docs/spec/headers.md).

        The network is one of these. Raises MalformedError for another form, VerificationError where links or proof of
        work fail.
        """
        if len(data) > MAX_HEADERS_FILE:
            raise TooLargeError(f"headers file: expected at most {MAX_HEADERS_FILE} bytes, got {len(data)}")
        lines = data.decode("latin-1").split("\n")
        first = re.fullmatch(r"([a-z0-9]+) (0|[1-9][0-9]{0,8})", lines[0])
        if not first or lines[-1]:
            raise MalformedError("headers file: expected a first line 'NETWORK HEIGHT' and a final newline")
        rules = check_network_name(first[1], networks)
        height = int(first[2])
        hashes, bits = _check_headers(lines[1:-1], rules, height)
        return cls(first[1], height, hashes, bits)

    def at(self, height: int) -> KnownBlock | None:
        """Return the block at ``height`` with its confirmations, and the work, up to the file's last header."""
        place = height - self.first_height
        if not 0 <= place < len(self.hashes):
            return None
        work = sum(work_from_bits(bits) * count for bits, count in Counter(self.bits[place:]).items())
        return KnownBlock(self.hashes[place], len(self.hashes) - place, work)


def encode_headers(network: str, first_height: int, headers: Sequence[bytes]) -> bytes:
    """Return a headers file of raw headers (80 bytes each), oldest first."""
    lines = [f"{network} {first_height}", *(header.hex() for header in headers)]
    return ("\n".join(lines) + "\n").encode("ascii")


def check_network_name(name: str, networks: Mapping[str, NetworkRules] = NETWORKS) -> NetworkRules:
    """Return the rules of the network called ``name``; raise MalformedError with the known names."""
    rules = networks.get(name)
    if rules is None:
        raise MalformedError(f"network: expected one of {', '.join(networks)}, got {name[:40]!r}")
    return rules


def _check_headers(
    lines: Sequence[str], rules: NetworkRules, first_height: int
) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    """Return the hash and the compact target of each header."""
    hashes: list[bytes] = []
    targets: list[int] = []
    for place, line in enumerate(lines):
        if not _HEADER_HEX.fullmatch(line):
            raise MalformedError(f"headers file, line {place + 2}: expected 160 hex digits, got {line[:40]!r}")
        header = Header.decode(bytes.fromhex(line))
        if hashes and header.previous != hashes[-1]:
            raise VerificationError(
                Reason.NOT_ON_BEST_CHAIN, f"headers file, line {place + 2}: not linked to the header before"
            )
        check_work(header, rules.pow_limit)
        hashes.append(header.hash)
        targets.append(header.bits)
    if first_height == 0 and hashes and hashes[0] != rules.genesis_hash:
        raise VerificationError(
            Reason.WRONG_NETWORK,
            f"headers file: block 0 is {hash_hex(hashes[0])}, not the genesis of {rules.name}",
        )
    return tuple(hashes), tuple(targets)
