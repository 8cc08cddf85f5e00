"""A receipt as a large log hands it out: the story's (``tests.simulators.world``), in trees of millions of leaves.

The trees need not exist. The leaves that the receipt shows are spread over the directory, since paths that meet late
are the costliest, and every sibling is any hash: roots, signature, payload and work are made over it as they would be.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.codec import sha256
from anchor.proof.leaves import DirectoryLeaf, HeadLeaf, KeyLeaf
from anchor.proof.merkle import leaf_hash, node_hash, root_from_inclusion
from anchor.proof.receipt import ChainPath, DirectoryProof, Sealed
from tests.simulators.world import Seal, Shape, Story

CHAIN_LEVELS = 20
DIRECTORY_LEVELS = 24
DIRECTORY_SIZE = 1 << DIRECTORY_LEVELS
# A seal of 1,000 heads at the directory's end, of which ours is one in the middle.
HEADS_OF_SEAL = 1_000
SEAL_INDEX = DIRECTORY_SIZE - 1
HEAD_INDEX = SEAL_INDEX - HEADS_OF_SEAL // 2
PREVIOUS_INDEX = DIRECTORY_SIZE * 2 // 3
TRANSACTIONS = 4_000

Levels = list[Mapping[int, bytes]]


def deepened(story: Story, name: str) -> Shape:
    """Return the story's shape ``name`` in a chain of 2^20 entries, a directory of 2^24 leaves and a large block."""
    world, receipt = story.world, story.shapes[name].receipt
    sealed = receipt.sealed
    assert sealed is not None
    chain = ChainPath(sealed.chain.index, tuple(sha256(b"chain %d" % level) for level in range(CHAIN_LEVELS)))
    root = root_from_inclusion(receipt.entry.hash, chain.index, 1 << CHAIN_LEVELS, chain.path)
    previous_index = sealed.head.leaf.previous_index if sealed.previous_head is None else PREVIOUS_INDEX
    head = replace(sealed.head.leaf, tree_size=1 << CHAIN_LEVELS, root=root, previous_index=previous_index)

    places = {0: receipt.log, **_places(sealed, head)}
    tree = _sparse_tree({index: leaf_hash(leaf.encode()) for index, leaf in places.items()})

    def prove(index: int) -> DirectoryProof[Any]:
        return DirectoryProof(places[index], index, _path(tree, index))

    checkpoint = Checkpoint(world.origin, DIRECTORY_SIZE, tree[-1][0])
    note = world.sign(checkpoint)
    anchor = world.mine(
        world.anchor_transaction(Seal(checkpoint.size, checkpoint.root, note, {})), *_strangers()
    ).anchor(1)
    deep = replace(
        sealed,
        chain=chain,
        log_path=_path(tree, 0),
        head=prove(HEAD_INDEX),
        seal=prove(SEAL_INDEX),
        checkpoint=checkpoint,
        note=note,
        thread=None if sealed.thread is None else prove(sealed.thread.index),
        previous_head=None if sealed.previous_head is None else prove(PREVIOUS_INDEX),
        keys=tuple(prove(index) for index, leaf in places.items() if isinstance(leaf, KeyLeaf)),
        anchors=(anchor,),
    )
    large = replace(receipt, sealed=deep)
    return Shape(large, world.verifier(large, height=anchor.height))


def _places(sealed: Sealed, head: HeadLeaf) -> dict[int, DirectoryLeaf]:
    """Return where the leaves are that the receipt shows, besides leaf 0: keys far from each other, in their order."""
    step = DIRECTORY_SIZE // (len(sealed.keys) + 1)
    places: dict[int, DirectoryLeaf] = {(number + 1) * step - 7: proof.leaf for number, proof in enumerate(sealed.keys)}
    if sealed.thread is not None:
        places[sealed.thread.index] = sealed.thread.leaf
    if sealed.previous_head is not None:
        places[PREVIOUS_INDEX] = sealed.previous_head.leaf
    return places | {HEAD_INDEX: head, SEAL_INDEX: replace(sealed.seal.leaf, head_count=HEADS_OF_SEAL)}


def _sparse_tree(leaves: Mapping[int, bytes]) -> Levels:
    """Return the nodes on the way from ``leaves`` to the root, and beside it, by level and place."""
    tree: Levels = []
    level = leaves
    for height in range(DIRECTORY_LEVELS):
        beside = {place ^ 1: sha256(b"directory %d %d" % (height, place ^ 1)) for place in level}
        nodes = {**beside, **level}
        tree.append(nodes)
        level = {place // 2: node_hash(nodes[place & ~1], nodes[place | 1]) for place in level}
    return [*tree, level]


def _path(tree: Levels, index: int) -> tuple[bytes, ...]:
    return tuple(tree[height][index >> height ^ 1] for height in range(DIRECTORY_LEVELS))


def _strangers() -> list[Transaction]:
    coin = TxOutput(5_000, bytes.fromhex("0014") + bytes(20))
    return [
        Transaction(2, (TxInput(OutPoint(sha256(b"stranger"), number), b"", 0xFFFFFFFF),), (coin,), 0)
        for number in range(TRANSACTIONS)
    ]
