"""The reader: page through a chain, find entries by hash, external id and place, and export.

Rows come from the tables that ``chains.chain`` writes. The CLI, receipts and the audit read through here; an entry
whose bytes do not match its leaf hash is reported as damaged, never shown.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anchor.errors import StorageCorruptError
from anchor.proof.entry import Entry, ExternalId
from anchor.proof.merkle import leaf_hash
from anchor.storage.engine import Engine
from chains.chain import Chain, Chains, Gone, Kept, Place, box_in, decode_kept, gone
from chains.lookup import Lookup
from chains.sorted_runs import Kind

PAGE_ROWS = 1024
EXPORT_FORMAT = "anchorline-export-entry/1"


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as it is kept: where it is, its bytes, and what is kept beside it (None: nothing).

    ``box`` is content that came encrypted; then nothing else is kept.
    ``gone`` says why what was kept cannot be read.
    """

    seq: int
    chain_no: int
    leaf_index: int
    raw: bytes
    kept: Kept | None
    box: bytes | None = None
    gone: Gone | None = None

    @property
    def entry(self) -> Entry:
        """The decoded entry."""
        return Entry.decode(self.raw)

    @property
    def entry_hash(self) -> bytes:
        """Its hash."""
        return leaf_hash(self.raw)

    def keeps(self, digest: bytes) -> bool:
        """Say whether content with this SHA-256 is kept beside it, or known by it."""
        return self.kept is not None and self.kept.digest == digest


class Reader:
    """Reads the chains of one home."""

    def __init__(self, engine: Engine, chains: Chains, lookup: Lookup) -> None:
        self.engine = engine
        self.chains = chains
        self.lookup = lookup

    def page(self, chain: Chain, start: int = 0, count: int = 100) -> list[StoredEntry]:
        """Return entries of a chain from leaf_index ``start`` on, at most ``count``."""
        return list(self.entries(chain, start, min(start + count, self.chains.size(chain))))

    def entries(self, chain: Chain, start: int, end: int) -> Iterator[StoredEntry]:
        """Yield the entries start to end-1 of a chain, a page of rows in memory at a time."""
        for first_index, first_seq, count in self.chains.seq_ranges(chain, start, end):
            for seq, raw, kept in self.chains.bundles.rows(first_seq, first_seq + count):
                yield StoredEntry(
                    seq, chain.chain_no, first_index + seq - first_seq, raw, decode_kept(kept), box_in(kept), gone(kept)
                )

    def at(self, chain: Chain, leaf_index: int) -> StoredEntry | None:
        """Return the entry at ``leaf_index``, or None past the chain's end."""
        return next(iter(self.page(chain, leaf_index, 1)), None)

    def by_hash(self, entry_hash: bytes) -> StoredEntry | None:
        """Return the entry with this hash, in whatever chain, or None."""
        for seq in self.lookup.find(Kind.ENTRY_HASH, entry_hash):
            _, raw, kept = self.chains.bundles.row(seq)
            place = self.chains.place_of(seq)
            # The look-up was made of what was recorded as this row's hash: bytes with this hash are the row's, and to
            # read the tile as well would say no more.
            if leaf_hash(raw) == entry_hash:
                return _stored(seq, place, raw, kept)
            self._check_recorded(seq, place, raw)
        return None

    def by_external_id(self, external_id: ExternalId, chain: Chain | None = None) -> Iterator[StoredEntry]:
        """Yield the entries that carry an external id (compared by digest), oldest first, in one chain or in all."""
        digest = external_id.digest()
        for seq in self.lookup.find(Kind.EXTERNAL_ID, digest):
            found = self.row(seq)
            if chain is not None and found.chain_no != chain.chain_no:
                continue
            if any(item.digest() == digest for item in found.entry.external_ids):
                yield found

    def row(self, seq: int) -> StoredEntry:
        """Return the entry of one row, whatever its chain."""
        _, raw, kept = self.chains.bundles.row(seq)
        place = self.chains.place_of(seq)
        self._check_recorded(seq, place, raw)
        return _stored(seq, place, raw, kept)

    def _check_recorded(self, seq: int, place: Place, raw: bytes) -> None:
        if leaf_hash(raw) != self.chains.trees.leaf_hash(place.chain_no, place.leaf_index):
            raise StorageCorruptError(f"row {seq} is not the entry whose hash was recorded; run `anchorline audit`")


def _stored(seq: int, place: Place, raw: bytes, kept: bytes | None) -> StoredEntry:
    return StoredEntry(seq, place.chain_no, place.leaf_index, raw, decode_kept(kept), box_in(kept), gone(kept))


def export_line(stored: StoredEntry, envelope: bytes | None = None) -> str:
    """Return one line of an export (NDJSON): everything that is kept of an entry, its envelope where it has one."""
    value: dict[str, Any] = {
        "format": EXPORT_FORMAT,
        "leaf_index": stored.leaf_index,
        "entry_hash": stored.entry_hash.hex(),
        "entry": stored.raw.hex(),
    }
    if stored.gone is not None:
        value["content_state"] = str(stored.gone)
    if stored.kept is not None:
        value |= {"salt": stored.kept.salt.hex(), "digest": stored.kept.digest.hex()}
        if stored.kept.content is not None:
            value["content"] = base64.b64encode(stored.kept.content).decode()
    if envelope is not None:
        value["envelope"] = base64.b64encode(envelope).decode()
    return json.dumps(value)
