# SPDX-License-Identifier: Apache-2.0
"""RFC 9162 Merkle trees over SHA-256: roots, inclusion and consistency proofs, made and checked.

Leaves are hashed with prefix 00, nodes with 01; a lone last node is promoted, never doubled as Bitcoin does.
Makers here work on whole lists of leaf hashes (``anchor.log`` makes proofs from stored tiles); the checks are
what every verifier runs.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from operator import add, itemgetter

from anchor.proof.codec import HASH_SIZE, sha256_each
from anchor.proof.errors import Reason, VerificationError

EMPTY_ROOT = sha256(b"").digest()
# A tree of 2^64 leaves cannot be written down; longer paths are refused before a hash is computed.
MAX_PATH = 64
_HASH_SIZES = frozenset({HASH_SIZE})


def leaf_hash(leaf: bytes) -> bytes:
    """Return H(00 ‖ leaf), 32 bytes (RFC 9162 section 2.1.1)."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return H(01 ‖ left ‖ right), 32 bytes (RFC 9162 section 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


def split_point(size: int) -> int:
    """Return the largest power of two below ``size`` (RFC 9162 section 2.1.1); ``size`` is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes of 32 bytes each; of none, the hash of the empty string."""
    if not leaf_hashes:
        return EMPTY_ROOT
    level = leaf_hashes
    while len(level) > 1:
        level = _level_above(level)
    return level[0]


Levels = Sequence[Sequence[bytes]]
"""All nodes of a tree, from its leaf hashes up to its root; a lone last node is carried up as it is."""


def levels_of(leaf_hashes: Sequence[bytes]) -> Levels:
    """Return the levels of the RFC 9162 tree over at least one leaf hash (section 2.1.1)."""
    levels = [leaf_hashes]
    while len(levels[-1]) > 1:
        levels.append(_level_above(levels[-1]))
    return levels


def _level_above(level: Sequence[bytes]) -> list[bytes]:
    """Return the nodes over whole pairs, and a lone last one as it is."""
    nodes = iter(level)
    lone = level[-1:] if len(level) % 2 else ()
    return [*sha256_each(map(add, nodes, nodes), b"\x01"), *lone]


SubtreeRoot = Callable[[int, int], bytes]


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Return the leaf ranges [start, end) whose roots are the inclusion path, from leaf to root.

    RFC 9162 section 2.1.3.1, unrolled. ``index`` is zero-based and below ``size``.
    """
    ranges = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split_point(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old_size: int, new_size: int) -> list[tuple[int, int]]:
    """Return the leaf ranges [start, end) whose roots are the consistency path (RFC 9162 section 2.1.4.1).

    Empty where the sizes are equal or ``old_size`` is 0; ``old_size`` is at most ``new_size``.
    """
    if old_size in (0, new_size):
        return []
    ranges = []
    start, end = 0, new_size
    while old_size != end:
        middle = start + split_point(end - start)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    # The old tree ends where the last range begins; its own root is left out while it is a prefix of 0.
    if start:
        ranges.append((start, end))
    return ranges[::-1]


def _subtrees_of(leaf_hashes: Sequence[bytes]) -> SubtreeRoot:
    return lambda start, end: root_of(leaf_hashes[start:end])


def inclusion_path(leaf_hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the inclusion path of leaf ``index``, from leaf to root (RFC 9162 section 2.1.3.1)."""
    if not 0 <= index < len(leaf_hashes):
        raise IndexError(f"leaf index {index} is outside a tree of {len(leaf_hashes)} leaves")
    subtree = _subtrees_of(leaf_hashes)
    return tuple(subtree(start, end) for start, end in inclusion_ranges(index, len(leaf_hashes)))


def consistency_path(leaf_hashes: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """Return the consistency path from ``old_size`` to the whole list (RFC 9162 section 2.1.4.1)."""
    if not 0 <= old_size <= len(leaf_hashes):
        raise IndexError(f"size {old_size} is outside a tree of {len(leaf_hashes)} leaves")
    subtree = _subtrees_of(leaf_hashes)
    return tuple(subtree(start, end) for start, end in consistency_ranges(old_size, len(leaf_hashes)))


def path_length(index: int, size: int) -> int:
    """Return how many hashes the inclusion path of ``index`` in a tree of ``size`` leaves has."""
    inner = _inner_levels(index, size)
    return inner + (index >> inner).bit_count()


def _inner_levels(index: int, size: int) -> int:
    """Return on how many levels the node above leaf ``index`` is not the last one: it has siblings on either side.

    On all levels above it is the last, at the right edge of the tree: its siblings are on the left.
    """
    return (index ^ (size - 1)).bit_length()


def root_from_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], reason: Reason = Reason.INCLUSION_WRONG
) -> bytes:
    """Return the root to which ``path`` leads from the leaf hash ``leaf``.

    The caller says index and size (from what it trusts); the path supplies siblings only, and their number is
    checked first. RFC 9162 section 2.1.3.2, which finds the sides bit by bit. Raises VerificationError(reason).
    """
    inner = _check_path(leaf, index, size, path, reason)
    return _nodes_above(leaf, index, inner, path)[-1]


def check_inclusion(
    leaf: bytes,
    index: int,
    size: int,
    path: Sequence[bytes],
    root: bytes,
    reason: Reason = Reason.INCLUSION_WRONG,
) -> None:
    """Raise VerificationError(reason) unless the leaf hash is at ``index`` of the tree (size, root)."""
    check_inclusions([(leaf, index, tuple(path))], size, root, reason)


def check_inclusions(
    leaves: Iterable[tuple[bytes, int, tuple[bytes, ...]]],
    size: int,
    root: bytes,
    reason: Reason = Reason.INCLUSION_WRONG,
) -> None:
    """Raise VerificationError(reason) unless each leaf hash is at its index, by its path, in the tree (size, root).

    Two paths are one from the node where they meet. So a path is followed only to where it meets the one of the leaf
    before it: there it must have come to the same node, and go on with the same siblings. Then it leads to the root as
    that one does; any other would not, but for a collision of SHA-256.
    """
    nodes = [root]
    before = 0
    siblings: tuple[bytes, ...] = ()
    for leaf, index, path in sorted(leaves, key=itemgetter(1)):
        inner = _check_path(leaf, index, size, path, reason)
        # Where they meet, the two are left and right. On the levels below, the left one has a sibling each, since it
        # is not the last there; so all others of its path are above, and shared. The first leaf meets the root only.
        shared = max(0, len(siblings) - (before ^ index).bit_length())
        own = len(path) - shared
        nodes_below = _nodes_above(leaf, index, inner, path[:own])
        if nodes_below[-1] != nodes[-1 - shared] or path[own:] != siblings[len(siblings) - shared :]:
            raise VerificationError(
                reason, f"the path from leaf {index} does not lead to the root of the tree of {size} leaves"
            )
        nodes = nodes_below + nodes[len(nodes) - shared :]
        before, siblings = index, path


def _check_path(leaf: bytes, index: int, size: int, path: Sequence[bytes], reason: Reason) -> int:
    """Return the inner levels; refuse an index outside the tree, and a path longer or shorter than its place says."""
    _check_hashes((leaf, *path), reason)
    if not 0 <= index < size:
        raise VerificationError(reason, f"leaf index {index} is outside a tree of {size} leaves")
    inner = _inner_levels(index, size)
    expected = inner + (index >> inner).bit_count()
    if len(path) != expected:
        raise VerificationError(
            reason,
            f"a path for leaf {index} of {size} has {expected} hashes, this one has {len(path)}",
        )
    return inner


def _nodes_above(leaf: bytes, index: int, inner: int, path: Sequence[bytes]) -> list[bytes]:
    """Return the leaf hash and the node above it for each sibling of ``path``, or of its lower part."""
    # Bit n says whether the node after n siblings is a right one; on the levels where it is the last, it always is.
    sides = index | -1 << inner
    begun = sha256(b"\x01").copy
    node, nodes = leaf, [leaf]
    for sibling in path:
        # As node_hash() says, without its call, and on a copy as in sha256_each(): most of a large receipt's time.
        hasher = begun()
        hasher.update(sibling + node if sides & 1 else node + sibling)
        node = hasher.digest()
        nodes.append(node)
        sides >>= 1
    return nodes


def check_consistency(
    old_size: int,
    new_size: int,
    old_root: bytes,
    new_root: bytes,
    path: Sequence[bytes],
    reason: Reason = Reason.CONSISTENCY_WRONG,
) -> None:
    """Raise VerificationError(reason) unless the old tree is a prefix of the new one.

    RFC 9162 section 2.1.4.2. Both sizes are at least 1: every tree extends the empty one, so a proof from 0
    would say nothing and is refused, as the reference verifier does.
    """
    _check_hashes((old_root, new_root, *path), reason)
    if not 0 < old_size <= new_size:
        raise VerificationError(reason, f"expected sizes with 0 < old <= new, got old {old_size}, new {new_size}")
    if old_size == new_size:
        if path or old_root != new_root:
            raise VerificationError(reason, f"two trees of {old_size} leaves have different roots")
        return
    found_old, found_new = _roots_from_consistency(old_size, new_size, old_root, path, reason)
    if (found_old, found_new) != (old_root, new_root):
        raise VerificationError(reason, f"the tree of {new_size} leaves does not extend the tree of {old_size} leaves")


def _roots_from_consistency(
    old_size: int, new_size: int, old_root: bytes, path: Sequence[bytes], reason: Reason
) -> tuple[bytes, bytes]:
    """Walk RFC 9162 section 2.1.4.2 steps 2 to 6 and return both roots that the path leads to."""
    nodes = list(path)
    if old_size & (old_size - 1) == 0:
        nodes.insert(0, old_root)
    expected = len(consistency_ranges(old_size, new_size)) + len(nodes) - len(path)
    if len(nodes) != expected:
        raise VerificationError(
            reason,
            f"a consistency path from {old_size} to {new_size} has {expected - len(nodes) + len(path)} hashes, "
            f"this one has {len(path)}",
        )
    position, last = old_size - 1, new_size - 1
    while position % 2:
        position, last = position >> 1, last >> 1
    found_old = found_new = nodes[0]
    for node in nodes[1:]:
        if position % 2 or position == last:
            found_old = node_hash(node, found_old)
            found_new = node_hash(node, found_new)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            found_new = node_hash(found_new, node)
        position, last = position >> 1, last >> 1
    return found_old, found_new


def _check_hashes(hashes: Sequence[bytes], reason: Reason) -> None:
    if len(hashes) > MAX_PATH + 2:
        raise VerificationError(reason, f"a path has at most {MAX_PATH} hashes, this one has {len(hashes)}")
    if not _HASH_SIZES.issuperset(map(len, hashes)):
        size = next(len(value) for value in hashes if len(value) != HASH_SIZE)
        raise VerificationError(reason, f"a hash has {HASH_SIZE} bytes, this one has {size}")
