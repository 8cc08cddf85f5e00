"""What the service asks of Bitcoin: the protocols that every source and the anchorer answer, and their values.

Implementations are ``core_rpc`` (Bitcoin Core) and ``local`` (the embedded regtest); the users are
``anchor.engine`` (anchoring) and ``anchor.directory`` (the block that a seal names). Hashes are bytes in
internal order; amounts are satoshi; heights count from 0 (genesis).
"""

from dataclasses import dataclass
from typing import Protocol

from anchor.bitcoin.networks import Network
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.transaction import OutPoint


@dataclass(frozen=True)
class BlockId:
    """A block by height and hash (32 bytes, internal order)."""

    height: int
    hash: bytes


@dataclass(frozen=True)
class InMempool:
    """The transaction is in the source's mempool now."""


@dataclass(frozen=True)
class InBlock:
    """The transaction is in a block of the best chain; ``confirmations`` counts from 1."""

    block: BlockId
    confirmations: int


@dataclass(frozen=True)
class Missing:
    """Neither in the mempool nor in a block of the best chain, as far as this source can see."""


Observation = InMempool | InBlock | Missing


@dataclass(frozen=True)
class Coin:
    """An unspent output that pays to the asked script. ``height`` is None while unconfirmed.

    ``transaction`` is the one that made it, stripped of witness data; empty where the source has pruned its block.
    """

    outpoint: OutPoint
    value_sat: int
    height: int | None
    coinbase: bool
    transaction: bytes


class Headers(Protocol):
    """A view of the best chain.

    Every method may be repeated. Each raises SourceUnavailableError when the source does not answer.
    """

    network: Network

    def check_network(self) -> None:
        """Compare the source's genesis hash with ``network``; raise WrongNetworkError where they differ."""

    def tip(self) -> BlockId:
        """Return the tip of the best chain."""

    def block_hash(self, height: int) -> bytes | None:
        """Return the hash of the best chain's block at ``height``, or None above the tip."""

    def header(self, block_hash: bytes) -> bytes | None:
        """Return the 80 header bytes of a known block (on the best chain or not), or None."""

    def headers_from(self, height: int, count: int) -> list[bytes]:
        """Return the best chain's headers, 80 bytes each, from ``height`` on: ``count`` of them, fewer at the tip.

        None above the tip. Made for many: far fewer questions than one for each. They are the source's word: that
        each follows the one before is the caller's to check, since the source may reorganise in between.
        """


class Transactions(Protocol):
    """Sending transactions, finding them again, and proving them."""

    def broadcast(self, raw: bytes) -> None:
        """Hand a signed transaction (with witness) to the network; may be repeated.

        Returning means that the source has it in its mempool or already in a block.
        Raises RejectedError when the source refuses it; its ``refusal`` says whether for its fee, for its inputs,
        or for something else.
        """

    def observe(self, txid: bytes) -> Observation:
        """Say where the transaction is now.

        In the mempool means the mempool says so; in a block means that block is on the best chain *now*.
        """

    def prove(self, txid: bytes, block_hash: bytes) -> BitcoinAnchor | None:
        """Return the proof of a transaction in that block, or None if it is not there."""

    def transaction_count(self, block_hash: bytes) -> int | None:
        """Return how many transactions a block holds, its coinbase among them, or None where the block is unknown.

        It is the source's word, and only fees are decided by it.
        """


class Coins(Protocol):
    """Coins of one script, and prices."""

    def unspent(self, script: bytes) -> list[Coin]:
        """Return every unspent output paying to ``script``, confirmed or in the mempool.

        An output that a mempool transaction spends is not unspent.
        """

    def spender(self, outpoint: OutPoint) -> bytes | None:
        """Return the txid of the transaction that spends this outpoint, as far as the source can tell.

        None when the outpoint is unspent. 32 zero bytes when it is spent by a transaction that the source
        cannot name.
        """

    def fee_rate_sat_per_vb(self, target_blocks: int) -> float | None:
        """Return the source's estimate, or None when it has none (on test networks the ordinary case)."""

    def least_rate_sat_per_vb(self) -> float | None:
        """Return the fee rate below which the source's mempool takes nothing now, or None where it does not say."""


class Source(Headers, Transactions, Coins, Protocol):
    """A whole Bitcoin source."""

    def close(self) -> None:
        """Release what the source holds; may be repeated."""
