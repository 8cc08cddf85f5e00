"""A receipt as a large log hands it out: the story's (``tests.simulators.world``), in trees of millions of leaves.

The trees need not exist. What the receipt shows is their lowest corner, and every sibling above it is any hash:
roots, signature, payload and work are then made over it as they would be.
"""

from dataclasses import replace
from typing import Any

from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.codec import sha256
from anchor.proof.merkle import inclusion_path, leaf_hash, root_from_inclusion
from anchor.proof.receipt import ChainPath, DirectoryProof
from tests.simulators.world import Seal, Shape, Story

CHAIN_LEVELS = 20
DIRECTORY_LEVELS = 24
TRANSACTIONS = 4_000


def deepened(story: Story, name: str) -> Shape:
    """Return the story's shape ``name`` in a chain of 2^20 entries, a directory of 2^24 leaves and a large block."""
    world, receipt = story.world, story.shapes[name].receipt
    sealed = receipt.sealed
    assert sealed is not None
    chain = ChainPath(sealed.chain.index, _siblings("chain", CHAIN_LEVELS))
    root = root_from_inclusion(receipt.entry.hash, chain.index, 1 << CHAIN_LEVELS, chain.path)
    head = replace(sealed.head.leaf, tree_size=1 << CHAIN_LEVELS, root=root)

    corner = list(world.directory_hashes)
    corner[sealed.head.index] = leaf_hash(head.encode())
    levels = (len(corner) - 1).bit_length()
    corner += [sha256(b"leaf %d" % index) for index in range(len(corner), 1 << levels)]
    above = _siblings("directory", DIRECTORY_LEVELS - levels)

    def prove(leaf: Any, index: int) -> DirectoryProof[Any]:
        return DirectoryProof(leaf, index, (*inclusion_path(corner, index), *above))

    log = prove(receipt.log, 0)
    size = 1 << DIRECTORY_LEVELS
    checkpoint = Checkpoint(world.origin, size, root_from_inclusion(corner[0], 0, size, log.path))
    note = world.sign(checkpoint)
    anchor = world.mine(world.anchor_transaction(Seal(size, checkpoint.root, note, {})), *_strangers()).anchor(1)
    thread, previous = sealed.thread, sealed.previous_head
    deep = replace(
        sealed,
        chain=chain,
        log_path=log.path,
        head=prove(head, sealed.head.index),
        seal=prove(sealed.seal.leaf, sealed.seal.index),
        checkpoint=checkpoint,
        note=note,
        thread=None if thread is None else prove(thread.leaf, thread.index),
        previous_head=None if previous is None else prove(previous.leaf, previous.index),
        keys=tuple(prove(proof.leaf, proof.index) for proof in sealed.keys),
        anchors=(anchor,),
    )
    large = replace(receipt, sealed=deep)
    return Shape(large, world.verifier(large, height=anchor.height))


def _siblings(tree: str, levels: int) -> tuple[bytes, ...]:
    return tuple(sha256(f"{tree} {level}".encode()) for level in range(levels))


def _strangers() -> list[Transaction]:
    coin = TxOutput(5_000, bytes.fromhex("0014") + bytes(20))
    return [
        Transaction(2, (TxInput(OutPoint(sha256(b"stranger"), number), b"", 0xFFFFFFFF),), (coin,), 0)
        for number in range(TRANSACTIONS)
    ]
