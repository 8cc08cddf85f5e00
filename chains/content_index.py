"""Look-ups by the SHA-256 of content, for entries whose content or digest is kept here.

Rows are indexed after each seal, in sorted runs (``chains.sorted_runs``); whoever looks reads the newest rows himself,
so that neither a writer nor memory pays for it. ``chains.web.api_search`` and ``chain find`` use it. Digests are keyed
by a secret that is not in the database; what is found is a candidate: the row says whether the digest is its own.
"""

from collections.abc import Iterator, Sequence

from anchor.hashing.chosen import HASHING
from anchor.hashing.pieces import Pieces
from anchor.hashing.plain import PAIR_SIZE
from anchor.proof.codec import HASH_SIZE, sha256
from anchor.proof.entry import SALT_SIZE
from anchor.storage.engine import Engine
from chains.chain import KEPT_CONTENT, Chain, Chains, box_in
from chains.kept_columns import columns_of
from chains.reader import Reader, StoredEntry
from chains.sorted_runs import KEY_SIZE, Kind, SortedRuns

MOST_ROWS = 65_536
MOST_BYTES = 64 * 2**20
"""A run is made of at most so many rows, and of so much content, all of which is read for it."""


class ContentIndex:
    """The index of one database."""

    def __init__(self, engine: Engine, chains: Chains) -> None:
        self.engine = engine
        self.chains = chains
        self._runs = SortedRuns(engine)

    def find(self, digest: bytes, after_seq: int, end: int) -> Iterator[int]:
        """Yield rows behind ``after_seq`` and below ``end`` that may have content of this digest, in order.

        Of what is indexed few; behind that every row.
        """
        indexed_to = self.indexed_to()
        key = sha256(self.chains.keys.index_secret() + digest)
        for seq in self._runs.find(Kind.CONTENT_DIGEST, key, after_seq):
            if seq >= min(indexed_to, end):
                break  # indexed since: it comes below
            yield seq
        yield from range(max(after_seq + 1, indexed_to), end)

    def entries(self, reader: Reader, digest: bytes, chain: Chain | None = None) -> Iterator[StoredEntry]:
        """Yield the entries whose kept content has this SHA-256 (32 bytes), oldest first, in one chain or in all."""
        for seq in self.find(digest, 0, self.chains.next_seq()):
            found = reader.row(seq)
            is_there = chain is None or found.chain_no == chain.chain_no
            if is_there and found.keeps(digest):
                yield found

    def place_of(self, reader: Reader, digest: bytes) -> str | None:
        """Return in words where a content is recorded that has this SHA-256 (the oldest such entry), or None."""
        found = next(self.entries(reader, digest), None)
        if found is None:
            return None
        chain = self.chains.by_no(found.chain_no)
        name = "a chain that is gone" if chain is None else chain.name or chain.chain_id.hex()
        return f"entry {found.leaf_index} of {name}"

    def indexed_to(self) -> int:
        """Return the first row that is not indexed."""
        return self._runs.indexed_to(Kind.CONTENT_DIGEST)

    def maintain(self) -> None:
        """Index every row that is there when this begins.

        Outside a transaction; harmless to repeat, to lose and to do twice. What comes meanwhile is for the next time:
        where others write all the while there would be no end.
        """
        end = self.chains.next_seq()
        while (start := self.indexed_to()) < end:
            pairs, reached = self._pairs(start, end)
            with self.engine.transaction():
                if self.indexed_to() == start:  # another process may have done it
                    self._runs.store(Kind.CONTENT_DIGEST, 0, (start, reached), [pairs], len(pairs) // PAIR_SIZE)
        self._runs.merge_all()

    def _pairs(self, start: int, end: int) -> tuple[bytes, int]:
        """Return the sorted pairs of the rows from ``start`` on, as many as one run takes, and the first row behind."""
        secret, pairs = self.chains.keys.index_secret(), list[bytes]()
        size, reached = 0, start
        for part in self.chains.bundles.parts(start, min(end, start + MOST_ROWS)):
            columns = columns_of(part.kept)
            if columns is None:
                pairs += pairs_of(list(enumerate(part.kept.items(), part.first_seq)), secret)
            else:
                pairs.append(digest_pairs(columns.digests, part.first_seq, secret))
            size, reached = size + len(part.kept.flat), part.first_seq + len(part.kept)
            if size > MOST_BYTES:
                break
        return HASHING.sorted_pairs(b"".join(pairs)), reached

    def forget(self, rows: Sequence[tuple[int, bytes]]) -> None:
        """Take the pairs of these rows (seq, kept column) out of the index, inside a transaction; may be repeated."""
        for pair in pairs_of(rows, self.chains.keys.index_secret()):
            self._runs.remove(Kind.CONTENT_DIGEST, pair)


def digest_pairs(digests: Pieces, first_seq: int, secret: bytes) -> bytes:
    """Return the pairs of consecutive rows that all keep content of these SHA-256, flat, in the order of the rows."""
    return HASHING.pairs(HASHING.rows(secret, digests).flat, first_seq)


def pairs_of(rows: Sequence[tuple[int, bytes]], secret: bytes) -> Iterator[bytes]:
    """Yield the pair of every row (seq, kept column) that keeps content or its digest: H(secret ‖ digest) and seq."""
    contents = [kept[1 + SALT_SIZE :] for _, kept in rows if kept[:1] == KEPT_CONTENT]
    hashed = iter(HASHING.each(contents))
    for seq, kept in rows:
        if box_in(kept) is not None:
            continue
        digest = next(hashed) if kept[:1] == KEPT_CONTENT else kept[1 + SALT_SIZE :]
        if len(digest) == HASH_SIZE:
            yield sha256(secret + digest)[:KEY_SIZE] + seq.to_bytes(8, "big")
