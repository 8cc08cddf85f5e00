"""What is kept beside the entries of a batch, in columns: digests of contents, and what entries commit to by them.

``chains.content_index`` and ``chains.audit_entries`` read bundles with it, where an object for each entry would cost as
much as the hashes; the form of one item is in ``chains.chain``.
"""

from collections.abc import Sequence

from anchor.errors import StorageCorruptError
from anchor.hashing.chosen import HASHING
from anchor.hashing.columns import KeptColumns
from anchor.hashing.pieces import Pieces
from anchor.proof.entry import SALT_SIZE
from chains.bundle import Column
from chains.chain import KEPT_CONTENT, KEPT_DIGEST

_HEAD = 1 + SALT_SIZE
KINDS = KEPT_CONTENT + KEPT_DIGEST
"""Those of which there are columns."""


def columns_of(kept: Column) -> KeptColumns | None:
    """Return the columns of items that all are contents, or all are digests; None of others, of a mixture, of none."""
    return HASHING.kept_columns(kept.flat, kept.sizes, KINDS)


def commitments_of(items: Sequence[bytes]) -> Pieces:
    """Return what an entry commits to for each item, contents and digests mixed.

    Raises MalformedError or StorageCorruptError where one is damaged.
    """
    if any(not item or item[0] not in KINDS for item in items):
        raise StorageCorruptError("a kept column is damaged; run `anchorline audit`")
    salts = Pieces.of([item[1:_HEAD] for item in items], SALT_SIZE, "salt")
    rests = [(item[:1] == KEPT_CONTENT, item[_HEAD:]) for item in items]
    hashed = iter(HASHING.each([rest for is_content, rest in rests if is_content]))
    digests = Pieces.of([next(hashed) if is_content else rest for is_content, rest in rests], what="digest")
    return HASHING.rows(b"", salts, digests)
