"""Coins as a node of Bitcoin Core knows them: what is unspent at a script, and what spends an outpoint.

Input is the node's scan of all unspent outputs, its mempool, and its index of spends if it has one. ``core_rpc``
answers the engine and the wallet with it.
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from anchor.bitcoin.core_node import NOT_FOUND, OUT_OF_RANGE, CoreNode
from anchor.bitcoin.json_rpc import RpcError
from anchor.bitcoin.protocols import Coin
from anchor.errors import SourceUnavailableError
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.transaction import OutPoint, Transaction

# scantxoutset reads all unspent outputs: seconds on test networks, minutes on mainnet.
_SCAN_TIMEOUT_S = 900.0
# Transactions of the mempool that are looked at for coins of ours; a fuller one is not read through.
_MAX_MEMPOOL = 2_000


@dataclass(frozen=True)
class Spend:
    """What spends an outpoint; ``block_hash`` is None in the mempool."""

    txid: bytes
    block_hash: bytes | None


def unspent_coins(node: CoreNode, script: bytes, sent: Set[bytes]) -> list[Coin]:
    """Return every unspent output that pays to ``script``, in the best chain or the mempool.

    Of a mempool of more than 2,000 transactions only those ``sent`` are looked at. Raises SourceUnavailableError
    while the node makes another scan.
    """
    coins = [*_confirmed_coins(node, script), *_mempool_coins(node, script, sent)]
    found = spends(node, (coin.outpoint for coin in coins))
    spent = {outpoint for outpoint, spend in found.items() if spend.block_hash is None}
    return [coin for coin in coins if coin.outpoint not in spent]


def spends(node: CoreNode, outpoints: Iterable[OutPoint]) -> dict[OutPoint, Spend]:
    """Return what spends each outpoint in the mempool, or in a block if the node has an index of these.

    The index follows the chain with a delay, so a block that it names may have left the best chain.
    """
    asked = [{"txid": hash_hex(outpoint.txid), "vout": outpoint.vout} for outpoint in outpoints]
    if not asked:
        return {}
    answers = [node.fields(each) for each in node.items(node.call("gettxspendingprevout", asked))]
    return {
        OutPoint(node.hash(each.get("txid")), node.whole(each.get("vout"))): Spend(
            node.hash(each["spendingtxid"]), node.hash(each["blockhash"]) if "blockhash" in each else None
        )
        for each in answers
        if "spendingtxid" in each
    }


def _confirmed_coins(node: CoreNode, script: bytes) -> Iterator[Coin]:
    for fields in _scan(node, script):
        outpoint = OutPoint(node.hash(fields.get("txid")), node.whole(fields.get("vout")))
        yield Coin(
            outpoint=outpoint,
            value_sat=node.satoshi(fields.get("amount")),
            height=node.whole(fields.get("height")),
            coinbase=fields.get("coinbase") is True,
            transaction=node.transaction_if_kept(outpoint.txid, node.hash(fields.get("blockhash"))),
        )


def _scan(node: CoreNode, script: bytes) -> list[dict[str, object]]:
    try:
        answer = node.call("scantxoutset", "start", [f"raw({script.hex()})"], timeout_s=_SCAN_TIMEOUT_S)
    except RpcError as error:
        if error.code != OUT_OF_RANGE:
            raise
        # -8 is "invalid parameter", and ours is not: the node allows one scan at a time.
        raise SourceUnavailableError(f"{node.url}: the node makes another scan; try later") from error
    return [node.fields(each) for each in node.items(node.fields(answer).get("unspents"))]


def _mempool_coins(node: CoreNode, script: bytes, sent: Set[bytes]) -> Iterator[Coin]:
    txids = {node.hash(each) for each in node.items(node.call("getrawmempool"))}
    for txid in sorted(txids if len(txids) <= _MAX_MEMPOOL else txids & sent):
        raw = node.call_or_none(NOT_FOUND, "getrawtransaction", hash_hex(txid), 0)
        if raw is None:
            continue  # mined or replaced since
        body = node.stripped(node.raw(raw))
        for vout, output in enumerate(Transaction.decode(body, len(body)).outputs):
            if output.script == script:
                yield Coin(OutPoint(txid, vout), output.value_sat, None, coinbase=False, transaction=body)
