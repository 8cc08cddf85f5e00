"""Making the proof of one file, or of single rows, from a manifest (docs/spec/manifest.md).

Input is the list, and for rows the file as it was recorded. ``anchorline manifest prove`` writes the proof.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from anchor.errors import RefusedEntryError
from anchor.proof.frontier import Frontier
from anchor.proof.manifest import Document, RowKind, row_nonce
from anchor.proof.manifest_list import ListedFile, ListReader, read_list
from anchor.proof.manifest_proof import MAX_PROOF, MAX_SHOWN_ROWS, ManifestProof, Opening, ShownRow
from anchor.proof.manifest_rows import blocks_of, pieces_of, rows_of
from anchor.proof.merkle import inclusion_path, inclusion_ranges
from chains.manifest_writing import add_rows, row_leaf_hashes

Advance = Callable[[int], None]


def prove_file(stream: BinaryIO, path: str) -> ManifestProof:
    """Return the proof of a whole file by its digest; the file itself is not needed.

    Raises RefusedEntryError where the list has no such path, MalformedError where it is none.
    """
    document, reader, listed, leaves = _found(stream, path)
    secret = reader.secret
    opening = Opening(secret.content_nonce(listed.index), listed.size, listed.digest)
    way = inclusion_path(leaves, listed.index)
    return ManifestProof(document.encode(), listed.index, listed.leaf(secret), way, opening)


def prove_rows(
    stream: BinaryIO, path: str, rows: Sequence[int], file: Path, advance: Advance = lambda _size: None
) -> ManifestProof:
    """Return the proof of rows, by their places from 0, read from the file as it was recorded.

    Raises RefusedEntryError where there is no such row, or the file is not the recorded one any more.
    """
    document, reader, listed, leaves = _found(stream, path)
    if listed.rows.kind == RowKind.NONE:
        raise RefusedEntryError(f"{path} was recorded without its rows: prove the whole file, or add it with --rows")
    wanted = sorted(set(rows))
    if len(wanted) > MAX_SHOWN_ROWS:
        raise RefusedEntryError(f"expected at most {MAX_SHOWN_ROWS} rows in a proof, got {len(wanted)}")
    outside = [row for row in wanted if not 0 <= row < listed.rows.count]
    if outside:
        raise RefusedEntryError(f"{path} has rows 1 to {listed.rows.count}, there is no row {outside[0] + 1}")
    secret = reader.secret
    shown = _Shown(listed, secret.row_key(listed.index), wanted)
    with file.open("rb") as opened:
        for block in blocks_of(rows_of(pieces_of(opened), listed.rows.kind, path)):
            shown.take(block)
            advance(sum(map(len, block)))
    if shown.size != listed.rows.count or shown.tree.root() != listed.rows.root:
        raise RefusedEntryError(
            f"{file} is not what was recorded as {path}: its rows cannot be proved. Compare it with `anchorline verify`"
        )
    way = inclusion_path(leaves, listed.index)
    proof = ManifestProof(document.encode(), listed.index, listed.leaf(secret), way, rows=shown.rows())
    if len(proof.encode()) > MAX_PROOF:
        raise RefusedEntryError(f"expected a proof of at most {MAX_PROOF} bytes: show fewer rows at once")
    return proof


def _found(stream: BinaryIO, path: str) -> tuple[Document, ListReader, ListedFile, list[bytes]]:
    stream.seek(0)
    document = read_list(stream)
    stream.seek(0)
    reader = ListReader(stream)
    leaves, found = [], None
    for listed in reader.files():
        leaves.append(listed.leaf(reader.secret).hash)
        if listed.path == path:
            found = listed
    if found is None:
        raise RefusedEntryError(f"the manifest lists no {path!r}: name it as `manifest show` does")
    return document, reader, found, leaves


class _Shown:
    """The rows of one proof, and the nodes beside their ways to the root, from one pass over all rows."""

    def __init__(self, listed: ListedFile, row_key: bytes, wanted: Sequence[int]) -> None:
        self._key = row_key
        self._found: dict[int, bytes] = {}
        self._wanted = wanted
        self.tree = Frontier()
        count = listed.rows.count
        self._beside = {row: [_Range(*ends) for ends in inclusion_ranges(row, count)] for row in wanted}

    @property
    def size(self) -> int:
        """How many rows were taken."""
        return self.tree.size

    def take(self, block: list[bytes]) -> None:
        """Take the next rows: full blocks, and a last one."""
        first = self.tree.size
        hashes = row_leaf_hashes(block, self._key, first)
        last = first + len(block)
        for ranges in self._beside.values():
            for each in ranges:
                low, high = max(first, each.start), min(last, each.end)
                if low < high:
                    add_rows(each.tree, hashes[low - first : high - first])
        self._found |= {row: block[row - first] for row in self._wanted if first <= row < last}
        add_rows(self.tree, hashes)

    def rows(self) -> tuple[ShownRow, ...]:
        """Return the rows with their ways."""
        return tuple(
            ShownRow(
                row, row_nonce(self._key, row), self._found[row], tuple(each.tree.root() for each in self._beside[row])
            )
            for row in self._wanted
        )


class _Range:
    """The rows from ``start`` to ``end``, whose root is one node of a way."""

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end, self.tree = start, end, Frontier()
