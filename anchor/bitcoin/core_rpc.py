"""Bitcoin Core (28 or newer) as a Bitcoin source, over its RPC port; no wallet and no index is needed.

Input is the node's answers, whose shape is checked before anything is believed. The engine uses it through
the protocol ``Source``; ``cli.py`` makes it from the settings.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn, TypeVar

from anchor.bitcoin.first_contact import FirstContact
from anchor.bitcoin.json_rpc import Credentials, JsonRpc, RpcError
from anchor.bitcoin.mempool import SignedTransaction, read_signed
from anchor.bitcoin.networks import NETWORKS, Network
from anchor.bitcoin.protocols import BlockId, BlockProof, Coin, InBlock, InMempool, Missing, Observation
from anchor.bitcoin.refusals import refusal_of
from anchor.errors import Refusal, RejectedError, SourceError, SourceUnavailableError, WrongNetworkError
from anchor.proof.bitcoin.branch import merkle_path, merkle_root
from anchor.proof.bitcoin.hashes import hash_from_hex, hash_hex, sha256d
from anchor.proof.bitcoin.header import HEADER_SIZE, Header
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, strip_witness
from anchor.proof.errors import MalformedError

# Bitcoin Core, rpc/protocol.h.
_PRUNED = -1
_NOT_FOUND = -5
_OUT_OF_RANGE = -8
_NOT_DECODED = -22
_VERIFY_ERROR = -25
_VERIFY_REJECTED = -26
_ALREADY_IN_CHAIN = -27

# scantxoutset reads all unspent outputs: seconds on test networks, minutes on mainnet.
_SCAN_TIMEOUT_S = 900.0
# Transactions of the mempool that are looked at for coins of ours; a fuller one is not read through.
_MAX_MEMPOOL = 2_000
# Headers that one request asks for: what one message of the peer protocol carries.
_BATCH = 2_000
_SAT_PER_BTC = 100_000_000
_VB_PER_KVB = 1_000
_U32 = 0xFFFFFFFF

_Wanted = TypeVar("_Wanted")


@dataclass(frozen=True)
class _Spend:
    """What spends an outpoint; ``block_hash`` is None in the mempool."""

    txid: bytes
    block_hash: bytes | None


class CoreSource:
    """A node of Bitcoin Core at ``url``, which follows ``network``.

    A transaction is found by the node's index if it has one (``-txindex``), by its output 0 while that is
    unspent, and in the newest blocks: twice the network's watch depth. Before the first question, and whenever a
    connection is made anew, the node's network is checked: every method raises WrongNetworkError where it is another.
    """

    def __init__(self, url: str, network: Network, credentials: Credentials, timeout_s: float = 30.0) -> None:
        self.network = network
        self._contact = FirstContact(self._recognise)
        self._rpc = JsonRpc(url, credentials, timeout_s, self._contact)
        self._url = url
        self._search_depth = 2 * network.watch_depth
        self._block_index: dict[bytes, tuple[bytes | None, bytes]] = {}  # see _indexed_block
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
        info = self._fields(self._rpc.call("getblockchaininfo"))
        return BlockId(self._whole(info.get("blocks")), self._hash(info.get("bestblockhash")))

    def block_hash(self, height: int) -> bytes | None:
        """Return the hash (32 bytes, internal order) of the best chain's block, or None above the tip."""
        found = self._call_or_none(_OUT_OF_RANGE, "getblockhash", height)
        return None if found is None else self._hash(found)

    def header(self, block_hash: bytes) -> bytes | None:
        """Return the 80 header bytes of a known block, on the best chain or not, or None.

        Raises SourceError where the node answers with another block's header.
        """
        found = self._call_or_none(_NOT_FOUND, "getblockheader", hash_hex(block_hash), False)
        if found is None:
            return None
        raw = self._bytes(found)
        if len(raw) != HEADER_SIZE or sha256d(raw) != block_hash:
            self._nonsense(f"the header of block {hash_hex(block_hash)}", raw.hex())
        return raw

    def headers_from(self, height: int, count: int) -> list[bytes]:
        """Return the best chain's headers from ``height`` on, at most ``count``, in two questions for 2,000 of them.

        Raises SourceError where the node answers with another block's header, SourceUnavailableError where its chain
        became shorter in between.
        """
        top = min(height + count, self._whole(self._rpc.call("getblockcount")) + 1)
        headers: list[bytes] = []
        for first in range(height, top, _BATCH):
            headers += self._header_batch(range(first, min(first + _BATCH, top)))
        return headers

    def _header_batch(self, heights: range) -> list[bytes]:
        try:
            found = self._rpc.call_many("getblockhash", [(height,) for height in heights])
        except RpcError as error:
            if error.code != _OUT_OF_RANGE:
                raise
            raise SourceUnavailableError(f"{error}; the chain became shorter, try again") from error
        hashes = [self._hash(each) for each in found]
        raws = self._rpc.call_many("getblockheader", [(hash_hex(each), False) for each in hashes])
        headers = [self._bytes(each) for each in raws]
        for block_hash, raw in zip(hashes, headers, strict=True):
            if len(raw) != HEADER_SIZE or sha256d(raw) != block_hash:
                self._nonsense(f"the header of block {hash_hex(block_hash)}", raw.hex())
        return headers

    # Transactions

    def broadcast(self, raw: bytes) -> None:
        """Hand a signed transaction to the node; one that it knows already is welcome again.

        Raises RejectedError with the node's code: -22 not a transaction, -25 an input is spent or unknown, -26
        refused otherwise.
        """
        signed = read_signed(raw)
        try:
            self._rpc.call("sendrawtransaction", raw.hex())
        except RpcError as error:
            self._accept_known(signed, error)
        self._sent.add(signed.txid)

    def observe(self, txid: bytes) -> Observation:
        """Say where the transaction (32 bytes, internal order) is now: by the mempool and the best chain."""
        if self._call_or_none(_NOT_FOUND, "getmempoolentry", hash_hex(txid)) is not None:
            return InMempool()
        for block_hash in self._places(txid):
            found = self._in_best_chain(block_hash)
            if found is not None:
                return found
        return Missing()

    def prove(self, txid: bytes, block_hash: bytes) -> BlockProof | None:
        """Return the proof of a transaction in that block (on the best chain or not), or None.

        Raises SourceError where the node's txids do not lead to the root in the block's header, or where the
        node has pruned the block.
        """
        header = self.header(block_hash)
        if header is None:
            return None
        block = self._whole_block(block_hash)
        txids = [self._hash(each) for each in self._list(block.get("tx"))]
        if not txids or merkle_root(txids) != Header.decode(header).merkle_root:
            self._nonsense(f"the txids of block {hash_hex(block_hash)}", "others")
        if txid not in txids:
            return None
        index = txids.index(txid)
        return BlockProof(
            transaction=self._transaction(txid, block_hash),
            index=index,
            path=merkle_path(txids, index),
            coinbase=self._transaction(txids[0], block_hash),
            coinbase_path=merkle_path(txids, 0),
            header=header,
            height=self._whole(block.get("height")),
        )

    # Coins

    def unspent(self, script: bytes) -> list[Coin]:
        """Return every unspent output that pays to ``script``, in the best chain or the mempool.

        The node reads all unspent outputs for it, so this is slow on mainnet. Of a mempool of more than 2,000
        transactions only those that this object has broadcast are looked at. Raises SourceUnavailableError
        while the node makes another such scan.
        """
        coins = [*self._confirmed_coins(script), *self._mempool_coins(script)]
        spends = self._spends(coin.outpoint for coin in coins)
        spent = {outpoint for outpoint, spend in spends.items() if spend.block_hash is None}
        return [coin for coin in coins if coin.outpoint not in spent]

    def spender(self, outpoint: OutPoint) -> bytes | None:
        """Return the txid (internal order) of what spends this outpoint, in the mempool or the best chain.

        None when it is unspent. In the chain the node's index is asked if it has one (``-txospenderindex``),
        then the newest blocks; 32 zero bytes where these do not name it, or where there is no such output.
        """
        found = self._spends([outpoint]).get(outpoint)
        if found is not None and (found.block_hash is None or self._in_best_chain(found.block_hash)):
            return found.txid
        is_unspent = self._rpc.call("gettxout", hash_hex(outpoint.txid), outpoint.vout, True) is not None
        return None if is_unspent else self._spender_in_blocks(outpoint)

    def fee_rate_sat_per_vb(self, target_blocks: int) -> float | None:
        """Return the node's estimate for ``target_blocks`` (1 to 1,008), or None where it has none."""
        answer = self._fields(self._rpc.call("estimatesmartfee", target_blocks))
        rate_btc_per_kvb = answer.get("feerate")
        if rate_btc_per_kvb is None:
            return None
        return float(self._decimal(rate_btc_per_kvb) * _SAT_PER_BTC / _VB_PER_KVB)

    def least_rate_sat_per_vb(self) -> float | None:
        """Return what the node's mempool asks now: its minimum rises when it is full, and falls again."""
        info = self._fields(self._rpc.call("getmempoolinfo"))
        rates = (self._decimal(info.get(name)) for name in ("mempoolminfee", "minrelaytxfee"))
        return float(max(rates) * _SAT_PER_BTC / _VB_PER_KVB)

    def close(self) -> None:
        """Close the connections to the node; may be repeated."""
        self._rpc.close()

    def _recognise(self) -> None:
        rules = self.network.rules
        genesis = self._hash(self._rpc.call("getblockhash", 0))
        if genesis != rules.genesis_hash:
            self._wrong_network(f"the genesis block {hash_hex(rules.genesis_hash)}", hash_hex(genesis))
        if genesis != NETWORKS["signet"].genesis_hash:
            return
        script = self._bytes(self._fields(self._rpc.call("getblockchaininfo")).get("signet_challenge"))
        found = sha256d(_compact_size(len(script)) + script)[:4]
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
        (answer,) = self._list(self._rpc.call("testmempoolaccept", [signed.raw.hex()]))
        reason = self._fields(answer).get("reject-reason", "")
        return refusal_of(self._shaped(reason, str))

    def _whole_block(self, block_hash: bytes) -> dict[str, object]:
        """Return a block with its txids; a node that has pruned it says so with a code that means many things."""
        try:
            return self._fields(self._rpc.call("getblock", hash_hex(block_hash), 1))
        except RpcError as error:
            if error.code != _PRUNED:
                raise
            raise SourceError(
                f"{self._url}: expected block {hash_hex(block_hash)}, which this node no longer has ({error}); if it "
                "is pruned, name a source beside it that keeps every block (esplora_urls), or let it keep more (-prune)"
            ) from error

    def _places(self, txid: bytes) -> Iterator[bytes]:
        """Yield the hashes of blocks that may hold the transaction now, the cheapest guess first."""
        indexed = self._call_or_none(_NOT_FOUND, "getrawtransaction", hash_hex(txid), 1)
        if indexed is not None and "blockhash" in self._fields(indexed):
            yield self._hash(self._fields(indexed)["blockhash"])  # may have left the best chain: see observe
        by_output = self._block_of_output(OutPoint(txid, 0))
        if by_output is not None:
            yield by_output
        for block_hash, txids in self._newest_blocks():
            if _holds(txids, txid):
                yield block_hash

    def _in_best_chain(self, block_hash: bytes) -> InBlock | None:
        """Return where the block is if it is on the best chain: its confirmations are -1 where it is not."""
        header = self._fields(self._rpc.call("getblockheader", hash_hex(block_hash), True))
        confirmations = self._whole(header.get("confirmations"), least=-1)
        if confirmations < 1:
            return None
        return InBlock(BlockId(self._whole(header.get("height")), block_hash), confirmations)

    def _block_of_output(self, outpoint: OutPoint) -> bytes | None:
        """Return the block of an unspent output: how an anchor is found behind the newest blocks."""
        output = self._rpc.call("gettxout", hash_hex(outpoint.txid), outpoint.vout, False)
        if output is None:
            return None
        fields = self._fields(output)
        tip = self._in_best_chain(self._hash(fields.get("bestblock")))
        if tip is None:
            return None  # a reorganisation came in between; the next look will find it
        block_hash = self.block_hash(tip.block.height - self._whole(fields.get("confirmations")) + 1)
        is_there = block_hash is not None and _holds(self._indexed_block(block_hash)[1], outpoint.txid)
        return block_hash if is_there else None

    def _newest_blocks(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield hash and txids (end to end) of the newest blocks, from the tip back, as far as the node has them."""
        block_hash = self.tip().hash
        for _ in range(self._search_depth):
            try:
                before, txids = self._indexed_block(block_hash)
            except RpcError as error:
                if error.code == _PRUNED:
                    return
                raise
            yield block_hash, txids
            if before is None:
                return
            block_hash = before

    def _indexed_block(self, block_hash: bytes) -> tuple[bytes | None, bytes]:
        """Return the hash of the block before (None for the genesis block) and the txids, end to end."""
        known = self._block_index.get(block_hash)
        if known is not None:
            return known
        block = self._fields(self._rpc.call("getblock", hash_hex(block_hash), 1))
        before = block.get("previousblockhash")
        txids = b"".join(self._hash(each) for each in self._list(block.get("tx")))
        found = (None if before is None else self._hash(before), txids)
        if len(self._block_index) >= 2 * self._search_depth:
            del self._block_index[next(iter(self._block_index))]  # the one that was learned first
        self._block_index[block_hash] = found
        return found

    def _spender_in_blocks(self, outpoint: OutPoint) -> bytes:
        """Search the newest blocks, back to the one that made the output; nothing before it can spend it."""
        wanted = outpoint.encode()
        for block_hash, txids in self._newest_blocks():
            raw = self._bytes(self._rpc.call("getblock", hash_hex(block_hash), 0))
            if wanted in raw:
                found = self._spender_in_block(outpoint, block_hash)
                if found is not None:
                    return found
            if _holds(txids, outpoint.txid):
                break
        return bytes(32)

    def _spender_in_block(self, outpoint: OutPoint, block_hash: bytes) -> bytes | None:
        block = self._fields(self._rpc.call("getblock", hash_hex(block_hash), 2))
        for each in self._list(block.get("tx")):
            body = self._stripped(self._bytes(self._fields(each).get("hex")))
            transaction = Transaction.decode(body, len(body))
            if any(spent.previous == outpoint for spent in transaction.inputs):
                return transaction.txid
        return None

    # Steps of finding coins

    def _confirmed_coins(self, script: bytes) -> Iterator[Coin]:
        for fields in self._scan(script):
            outpoint = OutPoint(self._hash(fields.get("txid")), self._whole(fields.get("vout")))
            yield Coin(
                outpoint=outpoint,
                value_sat=self._satoshi(fields.get("amount")),
                height=self._whole(fields.get("height")),
                coinbase=fields.get("coinbase") is True,
                transaction=self._transaction_if_kept(outpoint.txid, self._hash(fields.get("blockhash"))),
            )

    def _scan(self, script: bytes) -> list[dict[str, object]]:
        try:
            answer = self._rpc.call("scantxoutset", "start", [f"raw({script.hex()})"], timeout_s=_SCAN_TIMEOUT_S)
        except RpcError as error:
            if error.code != _OUT_OF_RANGE:
                raise
            # -8 is "invalid parameter", and ours is not: the node allows one scan at a time.
            raise SourceUnavailableError(f"{self._url}: the node makes another scan; try later") from error
        return [self._fields(each) for each in self._list(self._fields(answer).get("unspents"))]

    def _mempool_coins(self, script: bytes) -> Iterator[Coin]:
        txids = {self._hash(each) for each in self._list(self._rpc.call("getrawmempool"))}
        for txid in sorted(txids if len(txids) <= _MAX_MEMPOOL else txids & self._sent):
            raw = self._call_or_none(_NOT_FOUND, "getrawtransaction", hash_hex(txid), 0)
            if raw is None:
                continue  # mined or replaced since
            body = self._stripped(self._bytes(raw))
            for vout, output in enumerate(Transaction.decode(body, len(body)).outputs):
                if output.script == script:
                    yield Coin(OutPoint(txid, vout), output.value_sat, None, coinbase=False, transaction=body)

    def _spends(self, outpoints: Iterable[OutPoint]) -> dict[OutPoint, _Spend]:
        """Return what spends each outpoint in the mempool, or in a block if the node has an index of these.

        The index follows the chain with a delay, so a block that it names may have left the best chain.
        """
        asked = [{"txid": hash_hex(outpoint.txid), "vout": outpoint.vout} for outpoint in outpoints]
        if not asked:
            return {}
        answers = [self._fields(each) for each in self._list(self._rpc.call("gettxspendingprevout", asked))]
        return {
            OutPoint(self._hash(each.get("txid")), self._whole(each.get("vout"))): _Spend(
                self._hash(each["spendingtxid"]), self._hash(each["blockhash"]) if "blockhash" in each else None
            )
            for each in answers
            if "spendingtxid" in each
        }

    def _transaction(self, txid: bytes, block_hash: bytes) -> bytes:
        """Return a transaction of a block without its witness; refuse one whose hash is another."""
        raw = self._bytes(self._rpc.call("getrawtransaction", hash_hex(txid), 0, hash_hex(block_hash)))
        body = self._stripped(raw)
        if sha256d(body) != txid:
            self._nonsense(f"transaction {hash_hex(txid)}", hash_hex(sha256d(body)))
        return body

    def _transaction_if_kept(self, txid: bytes, block_hash: bytes) -> bytes:
        """Return a transaction of a block, empty where the node has pruned the block."""
        try:
            return self._transaction(txid, block_hash)
        except RpcError as error:
            if error.code != _PRUNED:
                raise
            return b""

    # Calls and shapes

    def _call_or_none(self, absent: int, method: str, *parameters: object) -> object:
        """Return the result, or None where the node's error has the code that means "no such thing"."""
        try:
            return self._rpc.call(method, *parameters)
        except RpcError as error:
            if error.code == absent:
                return None
            raise

    def _fields(self, value: object) -> dict[str, object]:
        return self._shaped(value, dict)

    def _list(self, value: object) -> list[object]:
        return self._shaped(value, list)

    def _whole(self, value: object, least: int = 0) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _U32:
            self._nonsense(f"a whole number from {least} to {_U32}", value)
        return value

    def _decimal(self, value: object) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            self._nonsense("a number", value)
        return Decimal(value)

    def _satoshi(self, amount_btc: object) -> int:
        satoshi = self._decimal(amount_btc) * _SAT_PER_BTC
        if satoshi != int(satoshi) or satoshi < 0:
            self._nonsense("an amount in whole satoshi", amount_btc)
        return int(satoshi)

    def _hash(self, value: object) -> bytes:
        try:
            return hash_from_hex(self._shaped(value, str))
        except MalformedError as error:
            raise SourceError(f"{self._url}: {error}; is this a Bitcoin node?") from error

    def _bytes(self, value: object) -> bytes:
        try:
            return bytes.fromhex(self._shaped(value, str))
        except ValueError as error:
            raise SourceError(f"{self._url}: expected hex, got {value!r:.80}; is this a Bitcoin node?") from error

    def _stripped(self, raw: bytes) -> bytes:
        try:
            return strip_witness(raw)
        except MalformedError as error:
            raise SourceError(f"{self._url}: expected a transaction: {error}") from error

    def _shaped(self, value: object, kind: type[_Wanted]) -> _Wanted:
        if not isinstance(value, kind):
            self._nonsense(f"a {kind.__name__}", value)
        return value

    def _nonsense(self, expected: str, found: object) -> NoReturn:
        raise SourceError(
            f"{self._url}: expected {expected}, got {found!r:.80}; do not trust this source before that is explained"
        )

    def _wrong_network(self, expected: str, found: str) -> NoReturn:
        raise WrongNetworkError(
            f"{self._url}: expected {expected} of {self.network.name}, found {found}; "
            "correct the network or the node's address"
        )


def _holds(txids: bytes, txid: bytes) -> bool:
    """Say whether a txid is among those that stand end to end."""
    at = txids.find(txid)
    while at > 0 and at % 32:  # found across two of them
        at = txids.find(txid, at + 1)
    return at >= 0


def _compact_size(length: int) -> bytes:
    """Return a script's length as Bitcoin writes it (serialize.h); a challenge has fewer than 65,536 bytes."""
    return bytes([length]) if length < 0xFD else b"\xfd" + length.to_bytes(2, "little")
