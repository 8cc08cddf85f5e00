"""Texts with the hashes, places and paths of consecutive leaves, by a template: answers to what one commit wrote.

``chains.web.written`` has the template. Native code copies bytes where Python makes objects; both write the same.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from itertools import repeat
from typing import NamedTuple

from anchor.hashing.pieces import Pieces

_HEX = 64


class Field(Enum):
    """What stands between two literals of a template, for each leaf; the value is the letter of ``texts.h``."""

    HASH = "h"
    """The leaf's hash in hex."""
    INDEX = "i"
    """Its index, decimal."""
    INDEX_HEX = "x"
    """Its index as 16 hex digits."""
    PLACE = "p"
    """Its place in the tree, decimal."""
    PATH = "s"
    """The hashes beside it from the leaf to the root, in hex between quotes, with commas."""
    BODY = "b"
    """Nothing; the body begins."""
    BODY_SIZE = "n"
    """The size of the body in bytes, decimal; it stands before the body."""


class Template(NamedTuple):
    """A text: a literal, a field, a literal and so on. Make one with ``of``."""

    literals: tuple[bytes, ...]
    fields: tuple[Field, ...]

    @classmethod
    def of(cls, *parts: bytes | Field) -> "Template":
        """Return the template of these parts, in any order; raise ValueError for a size without a body behind it."""
        literals, fields = [b""], list[Field]()
        for part in parts:
            if isinstance(part, Field):
                fields.append(part)
                literals.append(b"")
            else:
                literals[-1] += part
        last = len(fields) - 1 - fields[::-1].index(Field.BODY_SIZE) if Field.BODY_SIZE in fields else -1
        if last >= 0 and (fields.count(Field.BODY) != 1 or fields.index(Field.BODY) < last):
            raise ValueError("a template with the size of a body has one body, behind it")
        return cls(tuple(literals), tuple(fields))


class Leaves(NamedTuple):
    """Consecutive leaves: their hashes, the index of the first, and a tree in which the first has that ``place``.

    ``levels`` are the tree's, from its leaves (which may be other hashes than ``hashes``) up to its root.
    """

    hashes: Pieces
    first_index: int
    levels: Sequence[Pieces]
    place: int


def check_places(leaves: Leaves) -> None:
    """Raise ValueError unless all leaves are in their tree."""
    if leaves.place < 0 or leaves.first_index < 0 or leaves.place + len(leaves.hashes) > len(leaves.levels[0]):
        raise ValueError(
            f"expected places in a tree of {len(leaves.levels[0])} leaves, "
            f"got {leaves.place} to {leaves.place + len(leaves.hashes) - 1}"
        )


def leaf_texts(template: Template, leaves: Leaves) -> list[bytes]:
    """Return the text of each leaf; raise ValueError where one is not in the tree."""
    check_places(leaves)
    columns: list[Iterable[bytes]] = []
    sizes_at, body_at = [], 0
    for literal, field in zip(template.literals, (*template.fields, None), strict=True):
        columns.append(repeat(literal, len(leaves.hashes)))
        if field is Field.BODY_SIZE:
            sizes_at.append(len(columns))
            columns.append(())
        elif field is Field.BODY:
            body_at = len(columns)
        elif field is not None:
            columns.append(_column(field, leaves))
    if not sizes_at:
        return list(map(b"".join, zip(*columns, strict=True)))
    bodies = list(map(b"".join, zip(*columns[body_at:], strict=True)))
    for at in sizes_at:
        columns[at] = [b"%d" % len(body) for body in bodies]
    return list(map(b"".join, zip(*columns[:body_at], bodies, strict=True)))


def _column(field: Field, leaves: Leaves) -> Iterable[bytes]:
    indexes = range(leaves.first_index, leaves.first_index + len(leaves.hashes))
    match field:
        case Field.HASH:
            return _cut(_hex(leaves.hashes))
        case Field.INDEX:
            return [b"%d" % index for index in indexes]
        case Field.INDEX_HEX:
            return [b"%016x" % index for index in indexes]
        case Field.PLACE:
            return [b"%d" % place for place in range(leaves.place, leaves.place + len(leaves.hashes))]
        case _:
            return _paths(leaves.levels, leaves.place, len(leaves.hashes))


def _hex(hashes: Pieces) -> bytes:
    return hashes.flat.hex().encode()


def _cut(hexes: bytes) -> list[bytes]:
    return [hexes[at : at + _HEX] for at in range(0, len(hexes), _HEX)]


def _paths(levels: Sequence[Pieces], start: int, count: int) -> list[bytes]:
    """Return the paths of consecutive leaves.

    From the root down: the path of a node is its sibling, if it has one, and then the path of the node above it.
    """
    if not count:
        return []
    above, above_start = [b""], 0
    for height in range(len(levels) - 2, -1, -1):
        size = len(levels[height])
        first, last = start >> height, (start + count - 1) >> height
        low = first & ~1
        hexes = _hex(levels[height][low : last + 2])
        paths = []
        for node in range(first, last + 1):
            higher = above[(node >> 1) - above_start]
            sibling = node ^ 1
            if sibling < size:
                at = (sibling - low) * _HEX
                beside = b'"%b"' % hexes[at : at + _HEX]
                higher = b"%b,%b" % (beside, higher) if higher else beside
            paths.append(higher)
        above, above_start = paths, first
    return above
