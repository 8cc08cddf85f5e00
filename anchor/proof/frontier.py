# SPDX-License-Identifier: Apache-2.0
"""The right edge of a log that is read leaf by leaf: its root at any size, without keeping the leaves.

Input is leaf hashes in order. Audits and ``archive`` compare what it gives with heads and checkpoints.
"""

from collections.abc import Sequence

from anchor.proof.merkle import EMPTY_ROOT, node_hash


class Frontier:
    """The right edge of a log that is read from its first leaf on: a root at any size, in O(log n) memory.

    The nodes are the roots of the full subtrees of the binary digits of ``size``, largest first.
    """

    def __init__(self) -> None:
        self.size = 0
        self._nodes: list[bytes] = []

    def add(self, leaf_hash: bytes) -> None:
        """Add the next leaf hash."""
        self.add_subtree(leaf_hash, 0)

    def add_subtree(self, root: bytes, height: int) -> None:
        """Add the root of a full subtree of the next 2^height leaves; the size is a multiple of as many."""
        node, rest = root, self.size >> height
        while rest & 1:
            node = node_hash(self._nodes.pop(), node)
            rest >>= 1
        self._nodes.append(node)
        self.size += 1 << height

    def root(self) -> bytes:
        """Return the root of all leaves added so far (RFC 9162 section 2.1.1)."""
        return root_over(self._nodes)

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """The roots of full subtrees that make up the log, the largest first."""
        return tuple(self._nodes)


def root_over(peaks: Sequence[bytes]) -> bytes:
    """Return the root over full subtrees, one behind the other, none of which is larger than the one before."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for node in reversed(peaks[:-1]):
        root = node_hash(node, root)
    return root
