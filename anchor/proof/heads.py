# SPDX-License-Identifier: Apache-2.0
"""The heads tree: one hash over the newest head of every chain, with proofs of newest and of absent heads.

A binary prefix tree over the bits of the chain id (design section 3.2). ``anchor.directory`` computes
``heads_root`` for each seal; a broken promise is proved, and a newest head shown, with the checks here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from anchor.proof.codec import HASH_SIZE, sha256
from anchor.proof.errors import MalformedError, Reason, VerificationError
from anchor.proof.leaves import HeadLeaf, decode_leaf
from anchor.proof.merkle import leaf_hash, node_hash

EMPTY = sha256(b"\x02")
MAX_SIBLINGS = 8 * HASH_SIZE
Item = tuple[bytes, bytes]
"""(chain_id, leaf hash of its newest head)"""


@dataclass(frozen=True, slots=True)
class HeadsProof:
    """The way from the root to where a chain is, or would be; ``siblings`` from the top."""

    terminal: bytes | None
    siblings: tuple[bytes, ...]


def heads_root(items: Sequence[Item]) -> bytes:
    """Return the root over ``items``, which are sorted by chain id and name no chain twice."""
    for (earlier, _), (later, _) in pairwise(items):
        if earlier >= later:
            raise MalformedError("heads tree: expected chain ids in ascending order, none twice")
    return subtree_hash(items, 0)


def subtree_hash(items: Sequence[Item], depth: int) -> bytes:
    """Return the hash of the subtree over sorted ``items``, whose chain ids share their first ``depth`` bits."""
    return _subtree(items, 0, len(items), depth)


def prove_head(
    items: Sequence[Item], chain_id: bytes, terminal_leaf: Callable[[bytes], bytes], depth: int = 0
) -> HeadsProof:
    """Return the proof for ``chain_id`` among sorted ``items``; of a subtree, where they share ``depth`` bits with it.

    ``terminal_leaf`` returns a head leaf's bytes by its leaf hash; it is asked only for the one where the way ends.
    """
    start, end = 0, len(items)
    siblings = []
    while end - start > 1:
        middle = _middle(items, start, end, depth)
        if _bit(chain_id, depth):
            siblings.append(_subtree(items, start, middle, depth + 1))
            start = middle
        else:
            siblings.append(_subtree(items, middle, end, depth + 1))
            end = middle
        depth += 1
    terminal = terminal_leaf(items[start][1]) if end - start == 1 else None
    return HeadsProof(terminal, tuple(siblings))


def check_newest(proof: HeadsProof, chain_id: bytes, root: bytes) -> HeadLeaf:
    """Return the newest head of ``chain_id`` under ``root``; raise VerificationError where the proof shows none."""
    head = check_way(proof, chain_id, root)
    if head is None or head.chain_id != chain_id:
        raise VerificationError(Reason.HEADS_PROOF_WRONG, f"the proof shows no head of chain {chain_id.hex()}")
    return head


def check_absent(proof: HeadsProof, chain_id: bytes, root: bytes) -> None:
    """Raise VerificationError unless the proof shows that ``root`` holds no head of ``chain_id``."""
    head = check_way(proof, chain_id, root)
    if head is not None and head.chain_id == chain_id:
        raise VerificationError(
            Reason.HEADS_PROOF_WRONG, f"chain {chain_id.hex()} is not absent: it has {head.tree_size} entries"
        )


def check_way(proof: HeadsProof, chain_id: bytes, root: bytes) -> HeadLeaf | None:
    """Return the head at which the way of ``chain_id`` ends under ``root``: its newest, another chain's, or None.

    Raises VerificationError where the proof is none. Another chain's head, or none, shows that the chain is absent.
    """
    depth = len(proof.siblings)
    if depth > MAX_SIBLINGS or any(len(sibling) != HASH_SIZE for sibling in proof.siblings):
        raise VerificationError(Reason.HEADS_PROOF_WRONG, f"expected at most {MAX_SIBLINGS} siblings of 32 bytes")
    if proof.siblings and proof.siblings[-1] == EMPTY:
        raise VerificationError(Reason.HEADS_PROOF_WRONG, "the deepest sibling is empty, so the way ends further up")
    head = _terminal_head(proof, chain_id)
    node = EMPTY if proof.terminal is None else leaf_hash(proof.terminal)
    for level in range(depth - 1, -1, -1):
        sibling = proof.siblings[level]
        node = node_hash(sibling, node) if _bit(chain_id, level) else node_hash(node, sibling)
    if node != root:
        raise VerificationError(Reason.HEADS_PROOF_WRONG, "the proof does not lead to the heads root of the seal")
    return head


def _terminal_head(proof: HeadsProof, chain_id: bytes) -> HeadLeaf | None:
    if proof.terminal is None:
        return None
    head = decode_leaf(proof.terminal)
    if not isinstance(head, HeadLeaf):
        raise VerificationError(Reason.HEADS_PROOF_WRONG, "the leaf at the end of the way is not a head")
    if any(_bit(head.chain_id, level) != _bit(chain_id, level) for level in range(len(proof.siblings))):
        raise VerificationError(Reason.HEADS_PROOF_WRONG, "the head at the end of the way lies elsewhere")
    return head


def _subtree(items: Sequence[Item], start: int, end: int, depth: int) -> bytes:
    if start == end:
        return EMPTY
    if end - start == 1:
        return items[start][1]
    middle = _middle(items, start, end, depth)
    return node_hash(_subtree(items, start, middle, depth + 1), _subtree(items, middle, end, depth + 1))


def _middle(items: Sequence[Item], start: int, end: int, depth: int) -> int:
    """Return the first index whose chain id has bit ``depth`` set (binary search: the items are sorted)."""
    while start < end:
        probe = (start + end) // 2
        if _bit(items[probe][0], depth):
            end = probe
        else:
            start = probe + 1
    return start


def _bit(chain_id: bytes, depth: int) -> int:
    return chain_id[depth >> 3] >> (7 - (depth & 7)) & 1
