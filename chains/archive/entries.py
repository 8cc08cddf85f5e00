"""Ranges of entries: their form, authors, leaf hashes and subtrees, and which of them are not what the tiles name.

Input is an ``EntryRange``, read from the bundles of the export. Hashes and commitments go into the common files of
these, in which ``chains.archive.promises`` and ``chains.archive.contents`` look up what was promised and is kept.
"""

import os
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from anchor.growing import extend_to
from anchor.hashing.chosen import HASHING
from anchor.proof.archive_files import FAULTS, chain_prefix, read_bundle
from anchor.proof.author_audit import Named, named_author
from anchor.proof.bundles import TILE_WIDTH, decode_bundle, tile_path
from anchor.proof.codec import HASH_SIZE
from anchor.proof.entry import ENTRY_VERSION, Entry, check_author, check_chain_id
from anchor.proof.frontier import Frontier
from anchor.proof.identity import begins_identity
from anchor.proof.policy import stated_in
from anchor.signing import check_signature
from chains.archive.found import Found, NamedEntries, RangeRoots
from chains.archive.ranges import Bench, EntryRange

# Version, chain and commitment stand before everything that many entries of a chain have alike.
_HEAD, _TAIL = 1 + HASH_SIZE, 1 + 2 * HASH_SIZE
_MOST_TAILS = 1_024


def check_entries(bench: Bench, part: EntryRange) -> Found:
    """Check the entries of a range, and write their leaf hashes and commitments into the files of these."""
    return _Entries(bench, part).run()


class _Entries:
    """One range as it is checked."""

    def __init__(self, bench: Bench, part: EntryRange) -> None:
        self.bench = bench
        self.part = part
        self.found = Found()
        self.where = f"chain {part.chain_id.hex()}"
        self.prefix = chain_prefix(part.chain_id)
        self.head = bytes((ENTRY_VERSION,)) + part.chain_id
        self.commitments = list[bytes]()
        # What follows the commitment in entries that were decoded and whose author signed nothing that we could check:
        # behind any other commitment it is as well formed.
        self._plain_tails = set[bytes]()
        # Indexes by who signed, and by how many heads of this range end before: what one seal holds first is alike.
        self._named = defaultdict[tuple[Named, int], list[int]](list)

    def run(self) -> Found:
        frontier, at_heads, all_hashes, is_whole = Frontier(), dict[int, tuple[bytes, ...]](), list[bytes](), True
        stops = [size - self.part.start for size in self.part.head_sizes]
        for tile_no in range(self.part.start // TILE_WIDTH, -(-self.part.end // TILE_WIDTH)):
            left = hashes = self._hashes(tile_no)
            if left is None:
                is_whole = False
                hashes = bytes(HASH_SIZE * self._width(tile_no))
            while is_whole and left:
                left = extend_to(frontier, left, stops)
                if stops and frontier.size == stops[0]:
                    at_heads[self.part.start + stops.pop(0)] = frontier.peaks
            all_hashes.append(hashes or b"")
        self._write(self.bench.hashes, b"".join(all_hashes))
        self._write(self.bench.commitments, b"".join(self.commitments))
        bounds = (self.part.chain_id, self.part.start, self.part.end)
        self.found.roots.append(RangeRoots(*bounds, frontier.peaks, at_heads, is_whole))
        for (named, _), indexes in self._named.items():
            self.found.authors.append(NamedEntries(self.part.chain_id, named, indexes[0], len(indexes)))
        return self.found

    def _width(self, tile_no: int) -> int:
        return min(TILE_WIDTH, self.part.size - tile_no * TILE_WIDTH)

    def _hashes(self, tile_no: int) -> bytes | None:
        """Return the leaf hashes of a bundle; of one that is missing those of its tile, None without either."""
        first, width = tile_no * TILE_WIDTH, self._width(tile_no)
        path = self.prefix + tile_path(0, tile_no, width)
        published = self.bench.files.read(path)
        if published is not None and len(published) != HASH_SIZE * width:
            published = None  # damage that the list of sums tells; nothing rests on it
        data = self.bench.files.read(self.prefix + tile_path("entries", tile_no, width)) or b""
        bundle = HASHING.bundle(data, width, self.head, HASH_SIZE)
        if bundle is None:
            return self._unusual(tile_no, path, published)
        self._compare(path, first, published, bundle.hashes)
        if not (first and bundle.are_alike and self._first_tail(data) in self._plain_tails):
            self._check_form(first, decode_bundle(data))
        self.commitments.append(bundle.column)
        self.found.entries += width
        return bundle.hashes

    def _unusual(self, tile_no: int, path: str, published: bytes | None) -> bytes | None:
        """As ``_hashes``, of a bundle that is missing or damaged, or has a leaf that is too short for an entry."""
        raws = read_bundle(self.bench.files, self.prefix, tile_no, self.part.size, self.found.faults.append)
        there = [raw for raw in raws if raw is not None]
        self.commitments += [(raw or b"")[_HEAD:_TAIL].ljust(HASH_SIZE, b"\x00") for raw in raws]
        if len(there) < len(raws):
            return published
        hashes = HASHING.leaves(there).flat
        self._compare(path, tile_no * TILE_WIDTH, published, hashes)
        self._check_form(tile_no * TILE_WIDTH, there)
        self.found.entries += len(there)
        return hashes

    def _compare(self, path: str, first: int, published: bytes | None, hashes: bytes) -> None:
        """Name the entries that are not those of their tile."""
        if published is None or published == hashes:
            return
        for place in range(len(hashes) // HASH_SIZE):
            at = slice(place * HASH_SIZE, (place + 1) * HASH_SIZE)
            if published[at] != hashes[at]:
                self.found.faults.append(f"{self.where}, entry {first + place}: is not the one whose hash {path} has")

    @staticmethod
    def _first_tail(data: bytes) -> bytes:
        return data[2 + _TAIL : 2 + int.from_bytes(data[:2], "big")]

    def _check_form(self, first: int, raws: Sequence[bytes]) -> None:
        for place, raw in enumerate(raws):
            if raw[_TAIL:] in self._plain_tails and raw[:_HEAD] == self.head and first + place:
                continue
            try:
                self._check_one(first + place, raw)
            except FAULTS as error:
                self.found.faults.append(f"{self.where}, entry {first + place}: {error}")

    def _check_one(self, index: int, raw: bytes) -> None:
        entry = Entry.decode(raw)
        if entry.chain_id != self.part.chain_id:
            self.found.faults.append(f"{self.where}, entry {index}: an entry of another chain")
        if index == 0:
            check_chain_id(entry)
            if begins_identity(entry.external_ids):
                self.found.identities.append(entry.chain_id)
        if stated_in(entry) is not None:
            self.found.stating.append((self.part.chain_id, index))
        named = named_author(entry)
        if named is not None:
            self._named[named, bisect_right(self.part.head_sizes, index)].append(index)
        if check_author(entry, check_signature):
            self.found.signed_entries += 1
        elif len(self._plain_tails) < _MOST_TAILS:
            self._plain_tails.add(raw[_TAIL:])

    def _write(self, column: Path, values: bytes) -> None:
        before, _ = self.bench.places[self.part.chain_id]
        descriptor = os.open(column, os.O_WRONLY)
        try:
            # Positioned, since other processes write other places of the same file.
            os.pwrite(descriptor, values, (before + self.part.start) * HASH_SIZE)
        finally:
            os.close(descriptor)
