"""What is kept beside the entries of a batch, column by column: salts, digests, and what the entries commit to by them.

``chains.content_index`` and ``chains.audit_entries`` read bundles with it, where an object for each entry would cost as
much as the hashes; the form of one item is in ``chains.chain``.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from anchor.errors import StorageCorruptError
from anchor.hashing.chosen import HASHING
from anchor.hashing.pieces import Pieces
from anchor.proof.codec import HASH_SIZE
from anchor.proof.entry import SALT_SIZE
from chains.bundle import Column
from chains.chain import KEPT_CONTENT, KEPT_DIGEST

_HEAD = 1 + SALT_SIZE
_KINDS = KEPT_CONTENT + KEPT_DIGEST


class KeptColumns(NamedTuple):
    """Salts, and the SHA-256 of contents."""

    salts: Pieces
    digests: Pieces

    def commitments(self) -> Pieces:
        """Return what the entries commit to: H(salt ‖ digest) of each."""
        return HASHING.rows(b"", self.salts, self.digests)


def columns_of(kept: Column) -> KeptColumns | None:
    """Return the columns of items that all are contents, or all are digests; None of others, of a mixture, of none."""
    if min(kept.sizes, default=0) < _HEAD:
        return None
    kinds, salts, rests = _cut(kept)
    if kinds == {*KEPT_CONTENT}:
        return KeptColumns(Pieces(SALT_SIZE, each=salts), HASHING.each(rests))
    if kinds == {*KEPT_DIGEST} and set(map(len, rests)) == {HASH_SIZE}:
        return KeptColumns(Pieces(SALT_SIZE, each=salts), Pieces(HASH_SIZE, each=rests))
    return None


def _cut(kept: Column) -> tuple[set[int], Sequence[bytes], Sequence[bytes]]:
    ends = list(accumulate(kept.sizes))
    starts = [0, *ends[:-1]]
    salts = [kept.flat[at + 1 : at + _HEAD] for at in starts]
    rests = [kept.flat[at + _HEAD : end] for at, end in zip(starts, ends, strict=True)]
    return set(map(kept.flat.__getitem__, starts)), salts, rests


def commitments_of(items: Sequence[bytes]) -> Pieces:
    """Return what an entry commits to for each item, contents and digests mixed.

    Raises MalformedError or StorageCorruptError where one is damaged.
    """
    if any(not item or item[0] not in _KINDS for item in items):
        raise StorageCorruptError("a kept column is damaged; run `anchorline audit`")
    salts = Pieces.of([item[1:_HEAD] for item in items], SALT_SIZE, "salt")
    rests = [(item[:1] == KEPT_CONTENT, item[_HEAD:]) for item in items]
    hashed = iter(HASHING.each([rest for is_content, rest in rests if is_content]))
    digests = Pieces.of([next(hashed) if is_content else rest for is_content, rest in rests], what="digest")
    return KeptColumns(salts, digests).commitments()
