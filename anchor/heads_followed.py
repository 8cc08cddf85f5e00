"""The heads tree in memory, for those who follow a log seal by seal and check ``heads_root`` at each.

``chains.audit`` feeds it from the database, ``anchor.directory_rules`` from what others published. A seal costs the
heads that changed and their branches, not all chains.
"""

from anchor.heads_nodes import DIGITS, NO_CHAIN, Subtree, updated
from anchor.proof.heads import Item


class FollowedHeads:
    """The newest heads so far; about 500 bytes for each chain."""

    def __init__(self) -> None:
        self._nodes: dict[str, Subtree] = {}
        self._buckets: dict[str, dict[bytes, bytes]] = {"": {}}
        """Heads under prefixes that have no nodes below them."""
        self._changed: set[bytes] = set()
        self._tree = NO_CHAIN
        self.kept: dict[str, Subtree] = {}
        """The nodes that the newest seal gave."""

    def put(self, chain_id: bytes, leaf_hash: bytes) -> None:
        """A chain has a new head, of this leaf hash."""
        self._buckets.setdefault(self._prefix_of(chain_id), {})[chain_id] = leaf_hash
        self._changed.add(chain_id)

    def tree(self) -> Subtree:
        """Return how many chains there are, and the heads root, as a seal states both."""
        self.kept = {}
        if self._changed:
            self._tree = updated(self, sorted(self._changed))
            self._split({self._prefix_of(each, grown=False) for each in self._changed})
            self._changed.clear()
        return self._tree

    def children(self, prefix: str) -> list[Subtree] | None:
        """Return the sixteen subtrees below ``prefix``, or None where there are few chains."""
        if prefix + "0" not in self._nodes:
            return None
        return [self._nodes[prefix + digit] for digit in DIGITS]

    def items(self, prefix: str) -> list[Item]:
        """Return the heads below a prefix that has no nodes."""
        return sorted(self._buckets.get(prefix, {}).items())

    def keep(self, prefix: str, subtree: Subtree) -> None:
        """Keep a node."""
        self._nodes[prefix] = self.kept[prefix] = subtree

    def _prefix_of(self, chain_id: bytes, *, grown: bool = True) -> str:
        """Return the prefix that holds a chain; before buckets were split (not ``grown``), the bucket that does."""
        digits = chain_id.hex()
        length = 0
        while (digits[:length] + "0" in self._nodes) if grown else (digits[:length] not in self._buckets):
            length += 1
        return digits[:length]

    def _split(self, prefixes: set[str]) -> None:
        """Share out the heads of buckets below which there are nodes now."""
        for prefix in prefixes:
            if prefix + "0" not in self._nodes:
                continue
            for chain_id, leaf_hash in self._buckets.pop(prefix).items():
                self._buckets.setdefault(self._prefix_of(chain_id), {})[chain_id] = leaf_hash
