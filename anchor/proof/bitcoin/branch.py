# SPDX-License-Identifier: Apache-2.0
"""The tree over a block's transactions: its root, the branch of one transaction, and the branches to refuse.

Input is the txids of a block, or the branch that a receipt carries. ``anchor`` beside this file folds branches, the
Bitcoin sources make them.
"""

from collections.abc import Sequence
from typing import NoReturn

from anchor.proof.bitcoin.hashes import HASH_SIZE, check_hash, hash_hex, sha256d
from anchor.proof.bitcoin.transaction import Transaction
from anchor.proof.errors import MalformedError, Reason, VerificationError

# Levels of a block's tree: 4,000,000 bytes hold fewer than 2^17 transactions of at least 60 bytes.
MAX_BRANCH = 17


def merkle_path(txids: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the siblings, from leaf to root, of the transaction at ``index`` in a block of these ``txids``.

    All hashes are 32 bytes in internal order. The last node of an odd level is its own sibling (Bitcoin Core,
    consensus/merkle.cpp). Raises MalformedError when there is no such transaction.
    """
    if not 0 <= index < len(txids):
        raise MalformedError(f"expected an index below {len(txids)}, found {index}")
    path = []
    for level in _levels(txids):
        path.append(level[min(index ^ 1, len(level) - 1)])
        index >>= 1
    return tuple(path[:-1])


def merkle_root(txids: Sequence[bytes]) -> bytes:
    """Return the root, 32 bytes in internal order, of the tree over a block's ``txids``, at least one.

    Raises MalformedError for no txids or for one that is not 32 bytes.
    """
    return _levels(txids)[-1][0]


def fold_branch(leaf: bytes, index: int, path: Sequence[bytes]) -> bytes:
    """Return the root to which ``path`` (siblings, leaf to root) leads from the txid ``leaf`` at ``index``.

    Bitcoin's tree neither tells leaves from inner nodes nor binds the number of leaves, so a path is refused
    that no honest block can have; each refusal is a VerificationError of its own Reason:

    - BRANCH_TOO_LONG, BRANCH_INDEX_OUT_OF_RANGE: more than 17 levels, or an index that they cannot reach.
    - BRANCH_INNER_NODE_IS_TRANSACTION: the 64 bytes of a pair are a transaction, whose second half could
      have been chosen by its author (CVE-2017-12842).
    - BRANCH_DUPLICATED_SIBLING: the left sibling equals our node, or the right one does although another node
      follows ours (CVE-2012-2459). A node is paired with itself only as the last of an odd level. It is then
      the last of every level above, so there, too, each pairing as the left node must be with itself; and a
      level of one node is the root, so node 0 is never paired with itself.

    Raises MalformedError for a hash that is not 32 bytes.
    """
    _check_branch(leaf, index, path)
    node, is_last = leaf, False
    for sibling in path:
        # What needs a second look is rare, so it is asked here, and only looked at in a function of its own.
        if index & 1:
            if sibling == node:
                _refuse_left_sibling(node)
            pair = sibling + node
        else:
            if sibling == node or is_last:
                _check_last(node, sibling, index)
                is_last = True
            pair = node + sibling
        if pair[4] == 1:
            _check_inner_node(pair)
        node, index = sha256d(pair), index >> 1
    return node


def check_not_64_bytes(raw: bytes, what: str) -> None:
    """Refuse a transaction that is as long as the two hashes of an inner node (CVE-2017-12842)."""
    if len(raw) == 2 * HASH_SIZE:
        raise VerificationError(
            Reason.TRANSACTION_64_BYTES,
            f"expected a {what} that cannot be taken for two hashes of a tree, found one of 64 bytes",
        )


def _levels(txids: Sequence[bytes]) -> list[list[bytes]]:
    """Return the levels of a block's tree, from the txids to the root."""
    if not txids:
        raise MalformedError("expected at least one txid, since every block has a coinbase; found none")
    for txid in txids:
        check_hash(txid, "a txid")
    levels = [list(txids)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        lefts, rights = below[::2], below[1::2]
        if len(below) % 2:
            rights.append(below[-1])
        levels.append([sha256d(left + right) for left, right in zip(lefts, rights, strict=True)])
    return levels


def _check_branch(leaf: bytes, index: int, path: Sequence[bytes]) -> None:
    if len(path) > MAX_BRANCH:
        raise VerificationError(
            Reason.BRANCH_TOO_LONG, f"expected a branch of at most {MAX_BRANCH} levels, found {len(path)}"
        )
    if not 0 <= index < 1 << len(path):
        raise VerificationError(
            Reason.BRANCH_INDEX_OUT_OF_RANGE,
            f"expected an index below {1 << len(path)} for a branch of {len(path)} levels, found {index}",
        )
    if not {HASH_SIZE}.issuperset(map(len, (leaf, *path))):
        for node in (leaf, *path):
            check_hash(node, "a hash of a branch")  # which refuses one of them


def _refuse_left_sibling(node: bytes) -> NoReturn:
    raise VerificationError(
        Reason.BRANCH_DUPLICATED_SIBLING,
        f"expected a left sibling other than our node, found the same twice: {hash_hex(node)}",
    )


def _check_last(node: bytes, sibling: bytes, index: int) -> None:
    """Refuse a last node of a level that is not its own sibling, and one that is though it is the only one."""
    if sibling == node and index > 0:
        return
    raise VerificationError(
        Reason.BRANCH_DUPLICATED_SIBLING,
        f"expected node {index} of a level to be paired with itself only where none follows it, found "
        f"{hash_hex(node)} beside {hash_hex(sibling)}",
    )


def _check_inner_node(pair: bytes) -> None:
    """Refuse the 64 bytes of two siblings if they are also a transaction: one honest pair in 2^30 is.

    Asked only where the fifth byte is 1: it counts a transaction's inputs, of which 64 bytes have room for one.
    """
    try:
        Transaction.decode(pair, len(pair))
    except MalformedError:
        return
    raise VerificationError(
        Reason.BRANCH_INNER_NODE_IS_TRANSACTION,
        f"expected two hashes, found a transaction: {pair.hex()}; nothing below it was ever mined",
    )
