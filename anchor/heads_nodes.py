"""The heads tree, kept as nodes: a seal that changes a thousand of a million chains recomputes their branches only.

``anchor.directory`` seals and proves with it, ``chains.audit`` follows every seal with it; where nodes and heads come
from is a ``HeadsStore``. What a node says follows from the heads alone, so a node that is missing costs time, never
truth. The tree itself is ``anchor.proof.heads``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from anchor.proof.heads import EMPTY, HeadsProof, Item, prove_head, subtree_hash
from anchor.proof.merkle import node_hash

WIDTH = 16
"""A node stands for four levels of the tree, and is named by its chain ids' first hexadecimal digits."""
FEW = 16
"""A subtree of at most so many chains has no nodes below it: they are read, and hashed, in one go."""
_BITS = 4
DIGITS = "0123456789abcdef"
"""The names of a node's children, in order."""


@dataclass(frozen=True, slots=True)
class Subtree:
    """How many chains a subtree has, and its hash."""

    chains: int
    hash: bytes


NO_CHAIN = Subtree(0, EMPTY)


class HeadsStore(Protocol):
    """Heads and nodes as of one seal; a prefix is what the chain ids' hexadecimal digits begin with."""

    def children(self, prefix: str) -> list[Subtree] | None:
        """Return the sixteen subtrees below ``prefix``, in order, or None where they are not kept."""

    def items(self, prefix: str) -> list[Item]:
        """Return every chain under ``prefix`` that has a head, with its newest head's leaf hash, by chain id."""

    def keep(self, prefix: str, subtree: Subtree) -> None:
        """Keep what the subtree at ``prefix`` is from this seal on."""


def updated(store: HeadsStore, changed: Sequence[bytes]) -> Subtree:
    """Return the whole tree after the chains ``changed`` (ascending ids) got new heads, and keep its nodes.

    ``store.items`` must tell the new heads already. A tree without nodes gets them.
    """
    return _updated(store, "", changed)


def proved(store: HeadsStore, chain_id: bytes, terminal_leaf: Callable[[bytes], bytes]) -> HeadsProof:
    """Return the way to where ``chain_id`` is or would be; see ``anchor.proof.heads.prove_head``."""
    prefix = ""
    digits = chain_id.hex()
    siblings: list[bytes] = []
    while (children := store.children(prefix)) is not None:
        place = int(digits[len(prefix)], WIDTH)
        start, end = 0, WIDTH
        while end - start > 1 and _chains(children[start:end]) > 1:
            middle = (start + end) // 2
            left, right = joined(children[start:middle]), joined(children[middle:end])
            siblings.append((left if place >= middle else right).hash)
            start, end = (middle, end) if place >= middle else (start, middle)
        if _chains(children[start:end]) <= 1:
            alone = [prefix + DIGITS[at] for at in range(start, end) if children[at].chains]
            terminal = terminal_leaf(store.items(alone[0])[0][1]) if alone else None
            return HeadsProof(terminal, tuple(siblings))
        prefix += digits[len(prefix)]
    below = prove_head(store.items(prefix), chain_id, terminal_leaf, depth=_BITS * len(prefix))
    return HeadsProof(below.terminal, (*siblings, *below.siblings))


def joined(row: Sequence[Subtree]) -> Subtree:
    """Return the subtree over neighbours, a power of two of them: one chain alone keeps its hash on the way up."""
    level = list(row)
    while len(level) > 1:
        level = [_pair(level[at], level[at + 1]) for at in range(0, len(level), 2)]
    return level[0]


def _pair(left: Subtree, right: Subtree) -> Subtree:
    chains = left.chains + right.chains
    if chains > 1:
        return Subtree(chains, node_hash(left.hash, right.hash))
    return left if left.chains else right


def _chains(row: Iterable[Subtree]) -> int:
    return sum(each.chains for each in row)


def _updated(store: HeadsStore, prefix: str, changed: Sequence[bytes]) -> Subtree:
    children = store.children(prefix)
    if children is None:
        return _grown(store, prefix, store.items(prefix))
    for digit, ids in _by_digit(changed, prefix):
        place = int(digit, WIDTH)
        children[place] = _updated(store, prefix + digit, ids)
        store.keep(prefix + digit, children[place])
    return joined(children)


def _grown(store: HeadsStore, prefix: str, items: Sequence[Item]) -> Subtree:
    """Return the subtree over ``items``, all that are below ``prefix``; keep nodes where there are many."""
    if len(items) <= FEW:
        return Subtree(len(items), subtree_hash(items, _BITS * len(prefix)))
    hashes = dict(items)
    parts = {digit: [(each, hashes[each]) for each in ids] for digit, ids in _by_digit(list(hashes), prefix)}
    children = []
    for digit in DIGITS:
        children.append(_grown(store, prefix + digit, parts.get(digit, ())))
        store.keep(prefix + digit, children[-1])
    return joined(children)


def _by_digit(ids: Sequence[bytes], prefix: str) -> Iterator[tuple[str, list[bytes]]]:
    """Yield ascending chain ids by their first digit behind ``prefix``."""
    byte, low = divmod(len(prefix), 2)

    def digit(chain_id: bytes) -> int:
        return chain_id[byte] & 15 if low else chain_id[byte] >> _BITS

    for found, group in groupby(ids, digit):
        yield DIGITS[found], list(group)
