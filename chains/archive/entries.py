"""Ranges of entries: their form, authors, leaf hashes and subtrees, and which of them are not what the tiles name.

Input is an ``EntryRange``, read from the bundles of the export. Hashes go into the common file of hashes, in which
``chains.archive.promises`` looks up what was promised.
"""

import os
from collections.abc import Sequence

from anchor.hashing.chosen import HASHING
from anchor.log import TILE_WIDTH, extend_to
from anchor.proof.archive_files import FAULTS, chain_prefix, read_bundle
from anchor.proof.bundles import tile_path
from anchor.proof.codec import HASH_SIZE
from anchor.proof.entry import ENTRY_VERSION, Entry, check_author, check_chain_id
from anchor.proof.frontier import Frontier
from anchor.signing import check_signature
from chains.archive.found import Found, RangeRoots
from chains.archive.ranges import Bench, EntryRange

# Version, chain and commitment stand before everything that many entries of a chain have alike.
_HEAD, _TAIL = 1 + HASH_SIZE, 1 + 2 * HASH_SIZE
_MOST_TAILS = 1_024


def check_entries(bench: Bench, part: EntryRange) -> Found:
    """Check the entries of a range, and write their leaf hashes into the file of hashes."""
    return _Entries(bench, part).run()


class _Entries:
    """One range as it is checked."""

    def __init__(self, bench: Bench, part: EntryRange) -> None:
        self.bench = bench
        self.part = part
        self.found = Found()
        self.where = f"chain {part.chain_id.hex()}"
        self.prefix = chain_prefix(part.chain_id)
        # What follows the commitment in entries that were decoded and whose author signed nothing that we could check:
        # behind any other commitment it is as well formed.
        self._plain_tails = set[bytes]()

    def run(self) -> Found:
        frontier, at_heads, all_hashes, is_whole = Frontier(), dict[int, tuple[bytes, ...]](), list[bytes](), True
        stops = [size - self.part.start for size in self.part.head_sizes]
        for tile_no in range(self.part.start // TILE_WIDTH, -(-self.part.end // TILE_WIDTH)):
            left = hashes = self._hashes(tile_no)
            if left is None:
                is_whole = False
                hashes = bytes(HASH_SIZE * min(TILE_WIDTH, self.part.size - tile_no * TILE_WIDTH))
            while is_whole and left:
                left = extend_to(frontier, left, stops)
                if stops and frontier.size == stops[0]:
                    at_heads[self.part.start + stops.pop(0)] = frontier.peaks
            all_hashes.append(hashes or b"")
        self._write(b"".join(all_hashes))
        bounds = (self.part.chain_id, self.part.start, self.part.end)
        self.found.roots.append(RangeRoots(*bounds, frontier.peaks, at_heads, is_whole))
        return self.found

    def _hashes(self, tile_no: int) -> bytes | None:
        """Return the leaf hashes of a bundle; of one that is missing those of its tile, None without either."""
        part, first = self.part, tile_no * TILE_WIDTH
        raws = read_bundle(self.bench.files, self.prefix, tile_no, part.size, self.found.faults.append)
        path = self.prefix + tile_path(0, tile_no, len(raws))
        published = self.bench.files.read(path)
        if published is not None and len(published) != HASH_SIZE * len(raws):
            published = None  # damage that the list of sums tells; nothing rests on it
        there = [raw for raw in raws if raw is not None]
        if len(there) < len(raws):
            return published
        hashes = HASHING.leaves(there).flat
        if published is not None and published != hashes:
            self._name_changed(path, first, published, hashes)
        self._check_form(first, there)
        self.found.entries += len(there)
        return hashes

    def _name_changed(self, path: str, first: int, published: bytes, hashes: bytes) -> None:
        for place in range(len(hashes) // HASH_SIZE):
            at = slice(place * HASH_SIZE, (place + 1) * HASH_SIZE)
            if published[at] != hashes[at]:
                self.found.faults.append(f"{self.where}, entry {first + place}: is not the one whose hash {path} has")

    def _check_form(self, first: int, raws: Sequence[bytes]) -> None:
        head, plain = bytes((ENTRY_VERSION,)) + self.part.chain_id, self._plain_tails
        if first and {raw[:_HEAD] for raw in raws} == {head} and {raw[_TAIL:] for raw in raws} <= plain:
            return
        for place, raw in enumerate(raws):
            if raw[_TAIL:] in plain and raw[:_HEAD] == head and first + place:
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
        if check_author(entry, check_signature):
            self.found.signed_entries += 1
        elif len(self._plain_tails) < _MOST_TAILS:
            self._plain_tails.add(raw[_TAIL:])

    def _write(self, hashes: bytes) -> None:
        before, _ = self.bench.places[self.part.chain_id]
        descriptor = os.open(self.bench.hashes, os.O_WRONLY)
        try:
            # Positioned, since other processes write other places of the same file.
            os.pwrite(descriptor, hashes, (before + self.part.start) * HASH_SIZE)
        finally:
            os.close(descriptor)
