"""The newest blocks of a node of Bitcoin Core, searched for a transaction or for what spends a coin.

Input is the node's blocks, each asked for once. ``core_rpc`` searches here where the node has no index.
"""

from collections.abc import Iterator

from anchor.bitcoin.core_node import PRUNED, CoreNode
from anchor.bitcoin.json_rpc import RpcError
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.transaction import OutPoint, Transaction


class NewestBlocks:
    """The newest ``depth`` blocks of the node's best chain; the txids of twice as many are kept."""

    def __init__(self, node: CoreNode, depth: int) -> None:
        self._node = node
        self._depth = depth
        self._index: dict[bytes, tuple[bytes | None, bytes]] = {}  # see indexed

    def newest(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield hash and txids (end to end) of the newest blocks, from the tip back, as far as the node has them."""
        block_hash = self._node.hash(self._node.fields(self._node.call("getblockchaininfo")).get("bestblockhash"))
        for _ in range(self._depth):
            try:
                before, txids = self.indexed(block_hash)
            except RpcError as error:
                if error.code == PRUNED:
                    return
                raise
            yield block_hash, txids
            if before is None:
                return
            block_hash = before

    def indexed(self, block_hash: bytes) -> tuple[bytes | None, bytes]:
        """Return the hash of the block before (None for the genesis block) and the txids, end to end."""
        known = self._index.get(block_hash)
        if known is not None:
            return known
        block = self._node.fields(self._node.call("getblock", hash_hex(block_hash), 1))
        before = block.get("previousblockhash")
        txids = b"".join(self._node.hash(each) for each in self._node.items(block.get("tx")))
        found = (None if before is None else self._node.hash(before), txids)
        if len(self._index) >= 2 * self._depth:
            del self._index[next(iter(self._index))]  # the one that was learned first
        self._index[block_hash] = found
        return found

    def spender(self, outpoint: OutPoint) -> bytes:
        """Return the txid of what spends an output, 32 zero bytes where these blocks do not have it.

        The search ends at the block that made the output: nothing before it can spend it.
        """
        wanted = outpoint.encode()
        for block_hash, txids in self.newest():
            raw = self._node.raw(self._node.call("getblock", hash_hex(block_hash), 0))
            if wanted in raw:
                found = self._spender_in_block(outpoint, block_hash)
                if found is not None:
                    return found
            if holds(txids, outpoint.txid):
                break
        return bytes(32)

    def _spender_in_block(self, outpoint: OutPoint, block_hash: bytes) -> bytes | None:
        block = self._node.fields(self._node.call("getblock", hash_hex(block_hash), 2))
        for each in self._node.items(block.get("tx")):
            body = self._node.stripped(self._node.raw(self._node.fields(each).get("hex")))
            transaction = Transaction.decode(body, len(body))
            if any(spent.previous == outpoint for spent in transaction.inputs):
                return transaction.txid
        return None


def holds(txids: bytes, txid: bytes) -> bool:
    """Say whether a txid is among those that stand end to end."""
    at = txids.find(txid)
    while at > 0 and at % 32:  # found across two of them
        at = txids.find(txid, at + 1)
    return at >= 0
