"""Columns of what is kept beside entries: a kind, a salt and a content or its digest in each item, cut without hashing.

``plain`` hashes what is cut here, the native module does both in one pass; ``chains.kept_columns`` says which kinds.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from anchor.hashing.pieces import Pieces
from anchor.proof.codec import HASH_SIZE
from anchor.proof.entry import SALT_SIZE

_HEAD = 1 + SALT_SIZE


class KeptColumns(NamedTuple):
    """The SHA-256 of contents, and what entries commit to by them: H(salt ‖ SHA-256) of each."""

    digests: Pieces
    commitments: Pieces


class CutKept(NamedTuple):
    """Salts, and what stands behind them: contents, or their digests."""

    salts: Sequence[bytes]
    rests: Sequence[bytes]
    are_contents: bool


def cut_kept(data: bytes, sizes: Sequence[int], kinds: bytes) -> CutKept | None:
    """Cut items of these sizes; None unless all are of the kind ``kinds[0]``, contents, or of ``kinds[1]``, digests."""
    if min(sizes, default=0) < _HEAD:
        return None
    ends = list(accumulate(sizes))
    starts = [0, *ends[:-1]]
    found = set(map(data.__getitem__, starts))
    are_digests = found == {kinds[1]} and set(sizes) == {_HEAD + HASH_SIZE}
    if found != {kinds[0]} and not are_digests:
        return None
    salts = [data[at + 1 : at + _HEAD] for at in starts]
    rests = [data[at + _HEAD : end] for at, end in zip(starts, ends, strict=True)]
    return CutKept(salts, rests, not are_digests)
