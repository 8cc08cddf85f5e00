"""Parts of an export as flat columns: leaves of an entry bundle, and lines of what is kept beside entries.

Input are the bytes of its files, and only what is written exactly as exports write it is read here: of anything else
None is returned, and the caller reads it one by one and says what does not hold. ``plain`` hashes the columns.
"""

import binascii
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from anchor.proof.bundles import decode_bundle
from anchor.proof.codec import HASH_SIZE, sha256
from anchor.proof.errors import MalformedError

# What is strict JSON in any case: at most 15 digits, and base64 that re-encodes to itself (but for its length).
_KEPT = re.compile(
    rb'^\{"index":(0|[1-9][0-9]{0,14}),"salt":"([0-9a-f]{32})","digest":"([0-9a-f]{64})"'
    rb'(,"content":"[A-Za-z0-9+/]*(?:[AEIMQUYcgkosw048]=|[AQgw]==)?")?\}\n',
    re.MULTILINE,
)
_CONTENT = slice(len(b',"content":"'), -1)


class HashedBundle(NamedTuple):
    """Leaf hashes of a bundle, and one column of its leaves, both flat.

    ``are_alike``: every leaf begins with the head that was asked for, and all have the same bytes behind their column.
    """

    hashes: bytes
    column: bytes
    are_alike: bool


class KeptLines(NamedTuple):
    """Lines of ``content/<chain id>.jsonl``, ascending by index; ``commitments`` flat, ``contents`` their number."""

    indexes: Sequence[int]
    commitments: bytes
    contents: int


class KeptColumns(NamedTuple):
    """What stands in such lines, before anything is hashed: ``contents`` of those that ``there`` has the places of."""

    indexes: Sequence[int]
    salts: bytes
    digests: bytes
    there: Sequence[int]
    contents: Sequence[bytes]

    def digests_there(self) -> bytes:
        """Return the digests under which contents are kept that are there, flat."""
        if len(self.there) == len(self.indexes):
            return self.digests
        return b"".join(self.digests[place * HASH_SIZE : (place + 1) * HASH_SIZE] for place in self.there)


def cut_bundle(data: bytes, count: int, head: bytes, width: int) -> tuple[list[bytes], HashedBundle] | None:
    """Return the leaves of a bundle, and what there is to say of them but for their hashes.

    None where it has not ``count`` leaves of ``len(head) + width`` bytes or more.
    """
    try:
        leaves = decode_bundle(data)
    except MalformedError:
        return None
    start, end = len(head), len(head) + width
    if len(leaves) != count or min(map(len, leaves), default=end) < end:
        return None
    are_alike = {leaf[:start] for leaf in leaves} <= {head} and len({leaf[end:] for leaf in leaves}) <= 1
    return leaves, HashedBundle(b"", b"".join([leaf[start:end] for leaf in leaves]), are_alike)


def kept_line(index: int, content: bytes) -> bytes:
    """Return such a line, under a salt that everybody knows: to try out what reads it."""
    digest, text = sha256(content).hex(), binascii.b2a_base64(content, newline=False).decode()
    return f'{{"index":{index},"salt":"{index:032x}","digest":"{digest}","content":"{text}"}}\n'.encode()


def read_kept(text: bytes) -> KeptColumns | None:
    """Read lines; None unless all have the form in which an export writes them, ascending by index."""
    rows = _KEPT.findall(text)
    if len(rows) != text.count(b"\n") or not text.endswith(b"\n"):
        return None
    numbers, salts, digests, fields = zip(*rows, strict=True)
    indexes = list(map(int, numbers))
    if any(later <= earlier for earlier, later in pairwise(indexes)):
        return None
    there = [place for place, field in enumerate(fields) if field]
    try:
        contents = [binascii.a2b_base64(fields[place][_CONTENT], strict_mode=True) for place in there]
    except binascii.Error:
        return None
    flat = binascii.a2b_hex(b"".join(salts)), binascii.a2b_hex(b"".join(digests))
    return KeptColumns(indexes, *flat, there, contents)
