"""A log in public: the files of a world's mirror, and its blocks as a Bitcoin source; both can be made to lie.

``tests.simulators.world`` tells the story; here its files are written by other code than the product's, so that the
auditor reads what somebody else has written. Tests of the thread audit change files, leaves and transactions.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.protocols import BlockId, Coin, InBlock, InMempool, Missing, Observation
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.branch import merkle_path
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.payload import encode_payload, payload_script
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from anchor.proof.leaves import HeadLeaf
from anchor.proof.merkle import leaf_hash, node_hash
from anchor.proof.thread_proofs import encode_proofs
from anchor.thread_audit import audit_thread
from anchor.thread_auditor import Auditor
from anchor.thread_list import ListedAnchor, ThreadList
from anchor.thread_verdict import Verdict
from tests.simulators.world import Block, Seal, World, fast_check

HOUR_MS = 3_600_000
NAMELESS = bytes(32)


@dataclass(slots=True)
class PublicLog:
    """A world that is anchored seal by seal; what it hides and what it says falsely is up to the test."""

    world: World = field(default_factory=World)
    anchored: list[tuple[Seal, BitcoinAnchor]] = field(default_factory=list)
    with_entries: set[bytes] = field(default_factory=set)

    def seal_and_anchor(self) -> Seal:
        """Seal, and anchor it an hour later."""
        seal = self.world.seal()
        self.anchor(seal)
        return seal

    def anchor(self, seal: Seal) -> None:
        """Anchor a seal of the world, or one that a liar made up."""
        self.world.now_ms += HOUR_MS
        self.anchored.append((seal, self.world.anchor(seal)))

    def files(self) -> dict[str, bytes]:
        """Return the mirror: every file by its path."""
        newest = self.world.seals[-1]
        leaves = [leaf.encode() for leaf in self.world.directory[: newest.size]]
        made = {"log-card.json": self.world.card.encode(), "checkpoint": newest.note.encode().encode()}
        made |= tree_files("", leaves, entries=True)
        made |= {f"checkpoints/{seal.size}": seal.note.encode().encode() for seal, _ in self.anchored}
        for chain_id, entries in self.world.chains.items():
            heads = [each for each in self.world.directory if isinstance(each, HeadLeaf) and each.chain_id == chain_id]
            raw = [entry.encode() for entry in entries[: heads[-1].tree_size]]
            made |= tree_files(f"chain/{chain_id.hex()}/", raw, entries=chain_id in self.with_entries)
            made[f"chain/{chain_id.hex()}/checkpoint"] = self.world.sign_head(heads[-1]).encode().encode()
        return made | list_files(self.world.log.log_id, [proof for _, proof in self.anchored])

    def source(self) -> "WorldSource":
        """Return a Bitcoin source that sees all blocks."""
        return WorldSource(self.world.blocks)

    def audit(
        self, files: dict[str, bytes] | None = None, source: "WorldSource | None" = None, **given: object
    ) -> Verdict:
        """Judge the mirror, or changed files of it, by two sources that agree, with the log's card."""
        chosen = source or self.source()
        auditor = Auditor(fast_check, self.world.card, chosen, ("one", "two"))
        for name, value in given.items():
            auditor = _changed(auditor, name, value)
        return audit_thread((self.files() if files is None else files).get, auditor)


def _changed(auditor: Auditor, name: str, value: object) -> Auditor:
    values = {each: getattr(auditor, each) for each in auditor.__slots__}
    return Auditor(**(values | {name: value}))


def tree_files(prefix: str, leaves: list[bytes], *, entries: bool) -> dict[str, bytes]:
    """Return the tiles of a log, and its bundles where wanted (C2SP tlog-tiles), by plain lists of nodes."""
    level, nodes, made = 0, [leaf_hash(leaf) for leaf in leaves], {}
    while nodes:
        for name, tile in named_tiles(nodes):
            made[f"{prefix}tile/{level}/{name}"] = b"".join(tile)
        for _ in range(8):
            nodes = [node_hash(left, right) for left, right in zip(nodes[::2], nodes[1::2], strict=False)]
        level += 1
    if entries:
        for name, bundle in named_tiles(leaves):
            made[f"{prefix}tile/entries/{name}"] = b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in bundle)
    return made


def named_tiles(items: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """Cut items into tiles of 256 with their C2SP names; fewer than 256,000 of them."""
    for number, first in enumerate(range(0, len(items), 256)):
        tile = items[first : first + 256]
        yield f"{number:03d}" + ("" if len(tile) == 256 else f".p/{len(tile)}"), tile


def list_files(log_id: bytes, proofs: list[BitcoinAnchor], pending: tuple[bytes, ...] = ()) -> dict[str, bytes]:
    """Return the published list with its proofs (fewer than 257)."""
    listed = tuple(ListedAnchor(item.transaction, item.height, Header.decode(item.header).hash) for item in proofs)
    made = {"thread.json": ThreadList(log_id, listed, pending).encode()}
    return made | ({"thread/000.json": encode_proofs(0, proofs)} if proofs else {})


def spend(coin: OutPoint, *outputs: TxOutput) -> Transaction:
    """Return a transaction that spends a coin to these outputs."""
    return Transaction(2, (TxInput(coin, b"", 0xFFFFFFFD),), outputs, 0)


def payload_output(size: int, root: bytes) -> TxOutput:
    """Return the output that commits to a tree."""
    return TxOutput(0, payload_script(encode_payload(size, root)))


class WorldSource:
    """The blocks of a world as a Bitcoin source. ``named_from`` is the height below which no spender is named."""

    def __init__(self, blocks: list[Block], named_from: int = 0) -> None:
        self.network = NETWORKS["regtest"]
        self.blocks = blocks
        self.named_from = named_from
        self.in_mempool: list[Transaction] = []

    def check_network(self) -> None:
        """It is regtest."""

    def tip(self) -> BlockId:
        return BlockId(len(self.blocks), self.blocks[-1].header.hash)

    def block_hash(self, height: int) -> bytes | None:
        return self.blocks[height - 1].header.hash if 0 < height <= len(self.blocks) else None

    def header(self, block_hash: bytes) -> bytes | None:
        return next((block.header.encode() for block in self.blocks if block.header.hash == block_hash), None)

    def headers_from(self, height: int, count: int) -> list[bytes]:
        return [block.header.encode() for block in self.blocks[height - 1 : height - 1 + count]]

    def broadcast(self, raw: bytes) -> None:
        raise AssertionError("an auditor sends nothing")

    def observe(self, txid: bytes) -> Observation:
        found = self._block_of(txid)
        if any(each.txid == txid for each in self.in_mempool):
            return InMempool()
        if found is None or found.height < self.named_from:
            return Missing()
        return InBlock(BlockId(found.height, found.header.hash), len(self.blocks) - found.height + 1)

    def prove(self, txid: bytes, block_hash: bytes) -> BitcoinAnchor | None:
        found = self._block_of(txid)
        if found is None or found.header.hash != block_hash:
            return None
        txids = [each.txid for each in found.transactions]
        index = txids.index(txid)
        return BitcoinAnchor(
            transaction=found.transactions[index].encode(),
            index=index,
            path=merkle_path(txids, index),
            coinbase=found.transactions[0].encode(),
            coinbase_path=merkle_path(txids, 0),
            header=found.header.encode(),
            height=found.height,
        )

    def transaction_count(self, block_hash: bytes) -> int | None:
        raise AssertionError("an auditor does not think of fees")

    def unspent(self, script: bytes) -> list[Coin]:
        raise AssertionError("an auditor does not look at the wallet")

    def spender(self, outpoint: OutPoint) -> bytes | None:
        for block in self.blocks:
            for each in block.transactions:
                if any(spent.previous == outpoint for spent in each.inputs):
                    return each.txid if block.height >= self.named_from else NAMELESS
        pooled = [each for each in self.in_mempool if each.inputs[0].previous == outpoint]
        return pooled[0].txid if pooled else None

    def fee_rate_sat_per_vb(self, target_blocks: int) -> float | None:
        return None

    def least_rate_sat_per_vb(self) -> float:
        return 1.0

    def close(self) -> None:
        """There is nothing to release."""

    def _block_of(self, txid: bytes) -> Block | None:
        return next((block for block in self.blocks if any(each.txid == txid for each in block.transactions)), None)
