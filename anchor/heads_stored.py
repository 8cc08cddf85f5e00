"""Heads and their nodes in the database: as they are while a seal is made, and as they were at any earlier one.

``anchor.directory`` makes one of these for each seal, and for each proof; the rule of what is kept is
``anchor.heads_nodes``. A node's row is never changed: a later seal adds another, so old proofs can still be made.
"""

from collections.abc import Callable, Sequence

from anchor.heads_nodes import DIGITS, WIDTH, Subtree, updated
from anchor.proof.codec import HASH_SIZE
from anchor.proof.heads import Item
from anchor.storage.engine import Engine

_PLACES = ", ".join(["(?)"] * WIDTH)
# For each child the newest row up to a seal: two look-ups by the key (prefix, size), however many seals there were.
_CHILDREN = (
    f"SELECT node.prefix, node.chains, node.hash FROM (VALUES {_PLACES}) AS wanted "  # noqa: S608  # our own texts
    "JOIN heads_node AS node ON node.prefix = wanted.column1 AND node.size = "
    "(SELECT MAX(size) FROM heads_node AS other WHERE other.prefix = wanted.column1 AND other.size <= ?)"
)


def store_nodes(engine: Engine, size: int, changed: Sequence[bytes]) -> Subtree:
    """Return the heads tree of the seal that makes the directory ``size`` leaves, and store its nodes.

    Inside the transaction that seals: the heads of the chains ``changed`` (ascending ids) stand in ``tree`` already.
    """
    nodes = _SealingHeads(engine, size)
    tree = updated(nodes, changed)
    nodes.write()
    return tree


class _Nodes:
    """What both have: the nodes up to one size of the directory."""

    def __init__(self, engine: Engine, size: int) -> None:
        self.engine = engine
        self.size = size

    def children(self, prefix: str) -> list[Subtree] | None:
        """Return the sixteen subtrees below ``prefix`` at this size, or None where they were not kept by then."""
        rows = self.engine.query(_CHILDREN, (*(prefix + digit for digit in DIGITS), self.size))
        if len(rows) < WIDTH:
            return None
        found = {str(name): Subtree(int(chains), bytes(raw)) for name, chains, raw in rows}
        return [found[prefix + digit] for digit in DIGITS]


class _SealingHeads(_Nodes):
    """The newest heads inside the transaction that seals; ``write`` stores the nodes that were kept."""

    def __init__(self, engine: Engine, size: int) -> None:
        super().__init__(engine, size)
        self._kept: dict[str, Subtree] = {}

    def items(self, prefix: str) -> list[Item]:
        """Return the newest heads below ``prefix``."""
        rows = self.engine.query(
            "SELECT chain_id, head_hash FROM tree WHERE chain_id BETWEEN ? AND ? AND head_hash IS NOT NULL "
            "ORDER BY chain_id",
            _bounds(prefix),
        )
        return [(bytes(chain_id), bytes(head_hash)) for chain_id, head_hash in rows]

    def keep(self, prefix: str, subtree: Subtree) -> None:
        """Keep a node for this seal."""
        self._kept[prefix] = subtree

    def write(self) -> None:
        """Store what was kept."""
        self.engine.execute_many(
            "INSERT INTO heads_node (prefix, size, chains, hash) VALUES (?, ?, ?, ?)",
            [(prefix, self.size, each.chains, each.hash) for prefix, each in self._kept.items()],
        )


class PastHeads(_Nodes):
    """The heads under the checkpoint of ``size`` leaves, of which ``chains`` have one; ``leaf_hash`` by index."""

    def __init__(self, engine: Engine, size: int, chains: int, leaf_hash: Callable[[int], bytes]) -> None:
        super().__init__(engine, size)
        self._chains = chains
        self._leaf_hash = leaf_hash
        self.places: dict[bytes, int] = {}
        """Directory indexes of the heads that were read, by their leaf hashes."""

    def items(self, prefix: str) -> list[Item]:
        """Return the heads of that time below ``prefix``."""
        rows = (None if prefix else self._first_chains()) or self._below(prefix)
        items = [(chain_id, self._leaf_hash(index)) for chain_id, index in rows]
        self.places |= {leaf: index for (_, leaf), (_, index) in zip(items, rows, strict=True)}
        return items

    def keep(self, prefix: str, subtree: Subtree) -> None:
        """Keep nothing: the past has its nodes."""

    def _below(self, prefix: str) -> list[tuple[bytes, int]]:
        return self._heads("chain_id BETWEEN ? AND ? ORDER BY chain_id", *_bounds(prefix))

    def _first_chains(self) -> list[tuple[bytes, int]] | None:
        """Return the heads of the chains that were opened first, where these are all, as the next seal seals a chain.

        So what a proof in the log's first days costs does not grow with the chains that came later.
        """
        first = self._heads("tree_no > 0 ORDER BY tree_no LIMIT ?", self._chains)
        return sorted(first) if len(first) == self._chains else None

    def _heads(self, condition: str, *values: bytes | int) -> list[tuple[bytes, int]]:
        rows = self.engine.query(
            "SELECT chain_id, (SELECT MAX(directory_index) FROM head WHERE head.tree_no = tree.tree_no "  # noqa: S608  # our own texts
            f"AND directory_index < ?) FROM tree WHERE {condition}",
            (self.size, *values),
        )
        return [(bytes(chain_id), int(index)) for chain_id, index in rows if index is not None]


def _bounds(prefix: str) -> tuple[bytes, bytes]:
    digits = 2 * HASH_SIZE
    return bytes.fromhex(prefix.ljust(digits, "0")), bytes.fromhex(prefix.ljust(digits, "f"))
