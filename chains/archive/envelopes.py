"""Ranges of envelopes: encrypted contents against the hashes that their entries name; nothing is opened.

Input is an ``EnvelopeRange`` and the file of leaf hashes that ``chains.archive.entries`` wrote.
"""

from typing import BinaryIO

from anchor.proof.archive_envelopes import KeptEnvelope, envelopes_path
from anchor.proof.archive_files import FAULTS, ArchiveError
from anchor.proof.codec import HASH_SIZE
from anchor.proof.merkle import leaf_hash
from chains.archive.found import ContentOrder, Found
from chains.archive.ranges import Bench, EnvelopeRange


def check_envelopes(bench: Bench, part: EnvelopeRange) -> Found:
    """Compare each envelope with its entry, and that with the one at its place; ascending by index."""
    found, path = Found(), envelopes_path(part.chain_id)
    first = last = -1
    places = bench.places.get(part.chain_id, (0, 0))
    with bench.hashes.open("rb") as hashes:
        for at, line in bench.files.lines_between(path, part.start, part.end):
            try:
                kept = KeptEnvelope.decode(line, f"{path}, byte {at}")
                where = f"chain {part.chain_id.hex()}, entry {kept.index}"
                if kept.index <= last:
                    found.faults.append(f"{where}: its envelope is behind that of entry {last}: not in order")
                first, last = (kept.index if first < 0 else first), kept.index
                found.envelopes += kept.envelope is not None
                if leaf_hash(kept.raw) != _recorded(hashes, places, kept.index):
                    raise ArchiveError(f"{where}: the envelope stands beside another entry")
                kept.check(where, kept.raw)
            except FAULTS as error:
                found.faults.append(str(error))
    if first >= 0:
        found.order.append(ContentOrder(part.chain_id, first, last, "envelope"))
    return found


def _recorded(hashes: BinaryIO, places: tuple[int, int], index: int) -> bytes:
    """Return the leaf hash of the entry at an index of its chain; of one that is not there, none."""
    before, size = places
    if index >= size:
        return b""
    hashes.seek((before + index) * HASH_SIZE)
    return hashes.read(HASH_SIZE)
