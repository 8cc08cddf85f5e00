"""Bitcoin Core (28 or newer) as a Bitcoin source, over its RPC port; no wallet and no index is needed.

Input is the node's answers, whose shape is checked before anything is believed. The engine uses it through
the protocol ``Source``; ``cli.py`` makes it from the settings.
"""

from collections.abc import Iterator
from typing import NoReturn

from anchor.bitcoin.core_blocks import NewestBlocks, holds
from anchor.bitcoin.core_coins import spends, unspent_coins
from anchor.bitcoin.core_node import NOT_FOUND, OUT_OF_RANGE, PRUNED, CoreNode
from anchor.bitcoin.first_contact import FirstContact
from anchor.bitcoin.json_rpc import Credentials, RpcError
from anchor.bitcoin.mempool import SignedTransaction, read_signed
from anchor.bitcoin.networks import NETWORKS, Network
from anchor.bitcoin.protocols import BlockId, Coin, InBlock, InMempool, Missing, Observation
from anchor.bitcoin.refusals import refusal_of
from anchor.errors import Refusal, RejectedError, SourceError, SourceUnavailableError, WrongNetworkError
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.branch import merkle_path, merkle_root
from anchor.proof.bitcoin.hashes import hash_hex, sha256d
from anchor.proof.bitcoin.header import HEADER_SIZE, Header
from anchor.proof.bitcoin.integers import with_length
from anchor.proof.bitcoin.transaction import OutPoint

# Bitcoin Core, rpc/protocol.h; more in ``core_node``.
_NOT_DECODED = -22
_VERIFY_ERROR = -25
_VERIFY_REJECTED = -26
_ALREADY_IN_CHAIN = -27

# Headers that one request asks for: what one message of the peer protocol carries.
_BATCH = 2_000
_SAT_PER_BTC = 100_000_000
_VB_PER_KVB = 1_000


class CoreSource:
    """A node of Bitcoin Core at ``url``, which follows ``network``.

    A transaction is found by the node's index if it has one (``-txindex``), by its output 0 while that is
    unspent, and in the newest blocks: twice the network's watch depth. Before the first question, and whenever a
    connection is made anew, the node's network is checked: every method raises WrongNetworkError where it is another.
    """

    def __init__(self, url: str, network: Network, credentials: Credentials, timeout_s: float = 30.0) -> None:
        self.network = network
        self._contact = FirstContact(self._recognise)
        self._node = CoreNode(url, credentials, timeout_s, self._contact)
        self._blocks = NewestBlocks(self._node, 2 * network.watch_depth)
        self._sent: set[bytes] = set()

    # Headers

    def check_network(self) -> None:
        """Compare the node's genesis hash with ``network``'s, and on signets the message start too (BIP 325).

        All signets share a genesis block; the message start is derived from the challenge, which Bitcoin Core
        tells since version 28. Raises WrongNetworkError where they differ.
        """
        self._contact.recognise()

    def tip(self) -> BlockId:
        """Return the tip of the best chain."""
        info = self._node.fields(self._node.call("getblockchaininfo"))
        return BlockId(self._node.whole(info.get("blocks")), self._node.hash(info.get("bestblockhash")))

    def block_hash(self, height: int) -> bytes | None:
        """Return the hash (32 bytes, internal order) of the best chain's block, or None above the tip."""
        found = self._node.call_or_none(OUT_OF_RANGE, "getblockhash", height)
        return None if found is None else self._node.hash(found)

    def header(self, block_hash: bytes) -> bytes | None:
        """Return the 80 header bytes of a known block, on the best chain or not, or None.

        Raises SourceError where the node answers with another block's header.
        """
        found = self._node.call_or_none(NOT_FOUND, "getblockheader", hash_hex(block_hash), False)
        if found is None:
            return None
        raw = self._node.raw(found)
        if len(raw) != HEADER_SIZE or sha256d(raw) != block_hash:
            self._node.nonsense(f"the header of block {hash_hex(block_hash)}", raw.hex())
        return raw

    def headers_from(self, height: int, count: int) -> list[bytes]:
        """Return the best chain's headers from ``height`` on, at most ``count``, in two questions for 2,000 of them.

        Raises SourceError where the node answers with another block's header, SourceUnavailableError where its chain
        became shorter in between.
        """
        top = min(height + count, self._node.whole(self._node.call("getblockcount")) + 1)
        headers: list[bytes] = []
        for first in range(height, top, _BATCH):
            headers += self._header_batch(range(first, min(first + _BATCH, top)))
        return headers

    def _header_batch(self, heights: range) -> list[bytes]:
        try:
            found = self._node.call_many("getblockhash", [(height,) for height in heights])
        except RpcError as error:
            if error.code != OUT_OF_RANGE:
                raise
            raise SourceUnavailableError(f"{error}; the chain became shorter, try again") from error
        hashes = [self._node.hash(each) for each in found]
        raws = self._node.call_many("getblockheader", [(hash_hex(each), False) for each in hashes])
        headers = [self._node.raw(each) for each in raws]
        for block_hash, raw in zip(hashes, headers, strict=True):
            if len(raw) != HEADER_SIZE or sha256d(raw) != block_hash:
                self._node.nonsense(f"the header of block {hash_hex(block_hash)}", raw.hex())
        return headers

    # Transactions

    def broadcast(self, raw: bytes) -> None:
        """Hand a signed transaction to the node; one that it knows already is welcome again.

        Raises RejectedError with the node's code: -22 not a transaction, -25 an input is spent or unknown, -26
        refused otherwise.
        """
        signed = read_signed(raw)
        try:
            self._node.call("sendrawtransaction", raw.hex())
        except RpcError as error:
            self._accept_known(signed, error)
        self._sent.add(signed.txid)

    def observe(self, txid: bytes) -> Observation:
        """Say where the transaction (32 bytes, internal order) is now: by the mempool and the best chain."""
        if self._node.call_or_none(NOT_FOUND, "getmempoolentry", hash_hex(txid)) is not None:
            return InMempool()
        for block_hash in self._places(txid):
            found = self._in_best_chain(block_hash)
            if found is not None:
                return found
        return Missing()

    def prove(self, txid: bytes, block_hash: bytes) -> BitcoinAnchor | None:
        """Return the proof of a transaction in that block (on the best chain or not), or None.

        Raises SourceError where the node's txids do not lead to the root in the block's header, or where the
        node has pruned the block.
        """
        header = self.header(block_hash)
        if header is None:
            return None
        block = self._whole_block(block_hash)
        txids = [self._node.hash(each) for each in self._node.items(block.get("tx"))]
        if not txids or merkle_root(txids) != Header.decode(header).merkle_root:
            self._node.nonsense(f"the txids of block {hash_hex(block_hash)}", "others")
        if txid not in txids:
            return None
        index = txids.index(txid)
        return BitcoinAnchor(
            transaction=self._node.transaction(txid, block_hash),
            index=index,
            path=merkle_path(txids, index),
            coinbase=self._node.transaction(txids[0], block_hash),
            coinbase_path=merkle_path(txids, 0),
            header=header,
            height=self._node.whole(block.get("height")),
        )

    def transaction_count(self, block_hash: bytes) -> int | None:
        """Return how many transactions a block holds, its coinbase among them; a pruned node knows it, too."""
        found = self._node.call_or_none(NOT_FOUND, "getblockheader", hash_hex(block_hash), True)
        if found is None:
            return None
        # Zero for a block of which the node has only the header.
        return self._node.whole(self._node.fields(found).get("nTx")) or None

    # Coins

    def unspent(self, script: bytes) -> list[Coin]:
        """Return every unspent output that pays to ``script``, in the best chain or the mempool.

        The node reads all unspent outputs for it, so this is slow on mainnet. Of a mempool of more than 2,000
        transactions only those that this object has broadcast are looked at. Raises SourceUnavailableError
        while the node makes another such scan.
        """
        return unspent_coins(self._node, script, self._sent)

    def spender(self, outpoint: OutPoint) -> bytes | None:
        """Return the txid (internal order) of what spends this outpoint, in the mempool or the best chain.

        None when it is unspent. In the chain the node's index is asked if it has one (``-txospenderindex``),
        then the newest blocks; 32 zero bytes where these do not name it, or where there is no such output.
        """
        found = spends(self._node, [outpoint]).get(outpoint)
        if found is not None and (found.block_hash is None or self._in_best_chain(found.block_hash)):
            return found.txid
        is_unspent = self._node.call("gettxout", hash_hex(outpoint.txid), outpoint.vout, True) is not None
        return None if is_unspent else self._blocks.spender(outpoint)

    def fee_rate_sat_per_vb(self, target_blocks: int) -> float | None:
        """Return the node's estimate for ``target_blocks`` (1 to 1,008), or None where it has none."""
        answer = self._node.fields(self._node.call("estimatesmartfee", target_blocks))
        rate_btc_per_kvb = answer.get("feerate")
        if rate_btc_per_kvb is None:
            return None
        return float(self._node.decimal(rate_btc_per_kvb) * _SAT_PER_BTC / _VB_PER_KVB)

    def least_rate_sat_per_vb(self) -> float | None:
        """Return what the node's mempool asks now: its minimum rises when it is full, and falls again."""
        info = self._node.fields(self._node.call("getmempoolinfo"))
        rates = (self._node.decimal(info.get(name)) for name in ("mempoolminfee", "minrelaytxfee"))
        return float(max(rates) * _SAT_PER_BTC / _VB_PER_KVB)

    def close(self) -> None:
        """Close the connections to the node; may be repeated."""
        self._node.close()

    def _recognise(self) -> None:
        rules = self.network.rules
        genesis = self._node.hash(self._node.call("getblockhash", 0))
        if genesis != rules.genesis_hash:
            self._wrong_network(f"the genesis block {hash_hex(rules.genesis_hash)}", hash_hex(genesis))
        if genesis != NETWORKS["signet"].genesis_hash:
            return
        script = self._node.raw(self._node.fields(self._node.call("getblockchaininfo")).get("signet_challenge"))
        found = sha256d(with_length(script))[:4]
        if found != rules.message_start:
            self._wrong_network(f"the signet of message start {rules.message_start.hex()}", found.hex())

    # Steps of a broadcast and of a search

    def _accept_known(self, signed: SignedTransaction, error: RpcError) -> None:
        """Let a refusal pass if the node has the transaction; raise RejectedError, or what came, otherwise.

        A confirmed transaction whose outputs are all spent is refused with -25, as if its inputs were missing.
        """
        if error.code == _ALREADY_IN_CHAIN:
            return
        if error.code not in {_NOT_DECODED, _VERIFY_ERROR, _VERIFY_REJECTED}:
            raise error
        if isinstance(self.observe(signed.txid), Missing):
            raise RejectedError(error.code, str(error), self._refusal(signed, error.code)) from error

    def _refusal(self, signed: SignedTransaction, code: int) -> Refusal | None:
        """Ask for the reason of a refusal as a word: the code -26 stands for all that a mempool may dislike."""
        if code != _VERIFY_REJECTED:
            return None
        (answer,) = self._node.items(self._node.call("testmempoolaccept", [signed.raw.hex()]))
        reason = self._node.fields(answer).get("reject-reason", "")
        return refusal_of(self._node.shaped(reason, str))

    def _whole_block(self, block_hash: bytes) -> dict[str, object]:
        """Return a block with its txids; a node that has pruned it says so with a code that means many things."""
        try:
            return self._node.fields(self._node.call("getblock", hash_hex(block_hash), 1))
        except RpcError as error:
            if error.code != PRUNED:
                raise
            raise SourceError(
                f"{self._node.url}: expected block {hash_hex(block_hash)}, which this node no longer has ({error}); if "
                "it is pruned, name a source beside it that keeps every block (esplora_urls), or let it keep more "
                "(-prune)"
            ) from error

    def _places(self, txid: bytes) -> Iterator[bytes]:
        """Yield the hashes of blocks that may hold the transaction now, the cheapest guess first."""
        indexed = self._node.call_or_none(NOT_FOUND, "getrawtransaction", hash_hex(txid), 1)
        if indexed is not None and "blockhash" in self._node.fields(indexed):
            yield self._node.hash(self._node.fields(indexed)["blockhash"])  # may have left the best chain: see observe
        by_output = self._block_of_output(OutPoint(txid, 0))
        if by_output is not None:
            yield by_output
        for block_hash, txids in self._blocks.newest():
            if holds(txids, txid):
                yield block_hash

    def _in_best_chain(self, block_hash: bytes) -> InBlock | None:
        """Return where the block is if it is on the best chain: its confirmations are -1 where it is not."""
        header = self._node.fields(self._node.call("getblockheader", hash_hex(block_hash), True))
        confirmations = self._node.whole(header.get("confirmations"), least=-1)
        if confirmations < 1:
            return None
        return InBlock(BlockId(self._node.whole(header.get("height")), block_hash), confirmations)

    def _block_of_output(self, outpoint: OutPoint) -> bytes | None:
        """Return the block of an unspent output: how an anchor is found behind the newest blocks."""
        output = self._node.call("gettxout", hash_hex(outpoint.txid), outpoint.vout, False)
        if output is None:
            return None
        fields = self._node.fields(output)
        tip = self._in_best_chain(self._node.hash(fields.get("bestblock")))
        if tip is None:
            return None  # a reorganisation came in between; the next look will find it
        block_hash = self.block_hash(tip.block.height - self._node.whole(fields.get("confirmations")) + 1)
        is_there = block_hash is not None and holds(self._blocks.indexed(block_hash)[1], outpoint.txid)
        return block_hash if is_there else None

    def _wrong_network(self, expected: str, found: str) -> NoReturn:
        raise WrongNetworkError(
            f"{self._node.url}: expected {expected} of {self.network.name}, found {found}; "
            "correct the network or the node's address"
        )
