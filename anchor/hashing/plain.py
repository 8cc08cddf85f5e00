"""Batches of SHA-256 with hashlib: what always works, and what native hashing must agree with.

Callers give whole batches (a group commit, a bundle, a tile). ``anchor.hashing.native`` takes its place where it was
built.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, pairwise, repeat
from struct import Struct

from anchor.hashing import texts
from anchor.hashing.columns import KeptColumns, cut_kept
from anchor.hashing.export_parts import HashedBundle, KeptLines, cut_bundle, read_kept
from anchor.hashing.filters import check_filled, check_held, filled, held
from anchor.hashing.pieces import Pieces
from anchor.hashing.products import Point, check_product, product
from anchor.hashing.texts import Leaves, Template
from anchor.proof.codec import HASH_SIZE, sha256_each
from anchor.proof.entry import SALT_SIZE, SIGNED_SIZE, batch_author
from anchor.proof.merkle import levels_of, root_of
from anchor.proof.promise_run import paths_in

LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"
"""What stands before a leaf and before a node when it is hashed, so that none is the other (RFC 9162 section 2.1.1)."""

PAIR_SIZE = 16
PAIR_KEY_SIZE = 8
"""A pair by which a hash is found: its first 8 bytes, and a number, 8 bytes big-endian."""
_KEY, _NUMBER, _PAIR = Struct(f"{PAIR_KEY_SIZE}s{HASH_SIZE - PAIR_KEY_SIZE}x"), Struct(">Q"), Struct(f"{PAIR_SIZE}s")


class PlainHashing:
    """SHA-256 (FIPS 180-4) of batches, and the nodes of RFC 9162 section 2.1.1; every message is any bytes."""

    name = "hashlib"

    def each(self, messages: Sequence[bytes], prefix: bytes = b"") -> Pieces:
        """Return H(prefix ‖ message) of each message."""
        return _hashes(sha256_each(messages, prefix))

    def leaves(self, leaves: Sequence[bytes]) -> Pieces:
        """Return the hash of each leaf of a log (RFC 9162 section 2.1.1)."""
        return self.each(leaves, LEAF_PREFIX)

    def cut(self, data: bytes, sizes: Sequence[int], prefix: bytes = b"") -> Pieces:
        """Return H(prefix ‖ piece) of the pieces of ``data``, which stand one behind the other.

        Raises ValueError unless the sizes, in bytes, add up to ``data``.
        """
        check_sizes(data, sizes)
        return self.each([data[start:end] for start, end in pairwise(accumulate(sizes, initial=0))], prefix)

    def rows(self, prefix: bytes, first: Pieces, second: Pieces | None = None, suffix: bytes = b"") -> Pieces:
        """Return H(prefix ‖ first ‖ second ‖ suffix) of each row of one or two columns.

        Raises ValueError where the columns differ in their number of rows.
        """
        check_columns(first, second)
        columns: list[Iterable[bytes]] = [first.each, *([second.each] if second else ()), repeat(suffix)]
        return _hashes(sha256_each(map(b"".join, zip(*columns, strict=False)), prefix))

    def nodes(self, hashes: bytes) -> bytes:
        """Return the level above flat hashes: one node for each whole pair (a last single one is left out)."""
        pairs = (hashes[at : at + 2 * HASH_SIZE] for at in range(0, len(hashes) - HASH_SIZE, 2 * HASH_SIZE))
        return b"".join(sha256_each(pairs, NODE_PREFIX))

    def above(self, hashes: bytes, height: int) -> list[bytes]:
        """Return so many levels above flat hashes, each flat and made of the one below as by ``nodes``."""
        levels = [hashes]
        for _ in range(height):
            levels.append(self.nodes(levels[-1]))
        return levels[1:]

    def root(self, hashes: Pieces) -> bytes:
        """Return the root over leaf hashes; of none, the hash of the empty string (RFC 9162 section 2.1.1)."""
        return root_of(hashes.each)

    def levels(self, hashes: Pieces) -> Sequence[Pieces]:
        """Return all levels of the tree over at least one leaf hash, up to its root; a lone last node is carried up."""
        return [Pieces(HASH_SIZE, each=level) for level in levels_of(hashes.each)]

    def leaf_texts(self, template: Template, leaves: Leaves) -> list[bytes]:
        """Return the text of each leaf by a template; raise ValueError where one is not in its tree."""
        return texts.leaf_texts(template, leaves)

    def joined_texts(self, template: Template, leaves: Leaves) -> bytes:
        """Return the same texts one behind the other, which is faster than to join them."""
        return b"".join(self.leaf_texts(template, leaves))

    def woven(self, prefix: bytes, first: Pieces, items: Sequence[bytes] | None = None, suffix: bytes = b"") -> bytes:
        """Return prefix ‖ first ‖ item ‖ suffix of each row, one row behind the other; without ``items`` of no item.

        Raises ValueError unless there are as many items as pieces.
        """
        if items is not None and len(items) != len(first):
            raise ValueError(f"expected {len(first)} items, got {len(items)}")
        columns = repeat(prefix), first, repeat(b"") if items is None else items, repeat(suffix)
        return b"".join(chain.from_iterable(zip(*columns, strict=False)))

    def signed_together(
        self, before: bytes, commitments: Pieces, after: bytes, signed: bytes, levels: Sequence[Pieces]
    ) -> tuple[bytes, list[int]]:
        """Return the entries of a signed batch, one behind the other, and their sizes in bytes.

        They are before ‖ commitment ‖ after with an author field of type 3 (docs/spec/entry.md); ``signed`` is key ‖
        signature (96 bytes), ``levels`` the tree over them. Raises ValueError where it has not as many leaves.
        """
        check_signed(commitments, signed, levels)
        paths = paths_in([level.each for level in levels])
        fields = [batch_author(signed, index, len(paths), path) for index, path in enumerate(paths)]
        entries = [before + row + after + field for row, field in zip(commitments, fields, strict=True)]
        return b"".join(entries), list(map(len, entries))

    def pairs(self, hashes: bytes, first_no: int) -> bytes:
        """Return the pairs of flat hashes with the numbers from ``first_no`` on, flat, in the same order."""
        numbers = map(_NUMBER.pack, range(first_no, first_no + len(hashes) // HASH_SIZE))
        return b"".join(chain.from_iterable((key, next(numbers)) for (key,) in _KEY.iter_unpack(hashes)))

    def sorted_pairs(self, pairs: bytes) -> bytes:
        """Return flat pairs in ascending order; runs of them that are in order already make it faster."""
        return b"".join(sorted(pair for (pair,) in _PAIR.iter_unpack(pairs)))

    def product(self, pairs: bytes, point: Point, so_far: int = 1) -> int:
        """Return ``so_far`` times the factor of each pair at a point (``anchor.hashing.products``).

        Raises ValueError where one of these numbers is not below its modulus, or the last pair is not whole.
        """
        check_product(pairs, point, so_far)
        return product(pairs, point, so_far)

    def filled(self, pairs: bytes, blocks: int, first_block: int, bits: bytes) -> bytes:
        """Return blocks of a filter with the keys of these pairs put in (``anchor.hashing.filters``).

        Raises ValueError where a pair is in none of these blocks.
        """
        check_filled(pairs, blocks, first_block, bits)
        return filled(pairs, blocks, first_block, bits)

    def held(self, hashes: bytes, blocks: int, numbers: Sequence[int], bits: bytes) -> list[int]:
        """Return the places of flat hashes that a filter may hold, of which these blocks are given, in ascending order.

        Raises ValueError where there are not as many blocks as numbers.
        """
        check_held(hashes, blocks, numbers, bits)
        return held(hashes, blocks, numbers, bits)

    def kept_columns(self, data: bytes, sizes: Sequence[int], kinds: bytes) -> KeptColumns | None:
        """Return digests and commitments of items that stand one behind the other.

        Each is a byte that says its kind, a salt, and a content (``kinds[0]``) or the digest of one (``kinds[1]``).
        None unless there are any, all of the same one of these kinds. Raises ValueError unless the sizes add up.
        """
        check_sizes(data, sizes)
        cut = cut_kept(data, sizes, kinds)
        if cut is None:
            return None
        digests = self.each(cut.rests) if cut.are_contents else Pieces(HASH_SIZE, each=cut.rests)
        return KeptColumns(digests, self.rows(b"", Pieces(SALT_SIZE, each=cut.salts), digests))

    def bundle(self, data: bytes, count: int, head: bytes, width: int) -> HashedBundle | None:
        """Return the leaf hashes of an entry bundle, and of each leaf the ``width`` bytes behind those of ``head``.

        None where it has not ``count`` leaves that are as long as that (``anchor.proof.bundles`` says why).
        """
        cut = cut_bundle(data, count, head, width)
        return None if cut is None else cut[1]._replace(hashes=self.leaves(cut[0]).flat)

    def kept_lines(self, text: bytes) -> KeptLines | None:
        """Read what is kept beside entries, and return the commitments to it: H(salt ‖ digest) of each line.

        None unless each line has the form in which an export writes it (docs/spec/export.md), the lines ascend by
        index, and each content that is there has the digest beside it.
        """
        columns = read_kept(text)
        if columns is None or self.each(columns.contents).flat != columns.digests_there():
            return None
        rows = self.rows(b"", Pieces.cut(columns.salts, SALT_SIZE), Pieces.cut(columns.digests))
        return KeptLines(columns.indexes, rows.flat, len(columns.contents))


def check_sizes(data: bytes, sizes: Sequence[int]) -> None:
    """Raise ValueError unless sizes are those of consecutive pieces that make up ``data``."""
    if min(sizes, default=0) < 0 or sum(sizes) != len(data):
        raise ValueError(f"expected sizes of pieces that add up to {len(data)} bytes, got {sum(sizes)}")


def check_columns(first: Pieces, second: Pieces | None) -> None:
    """Raise ValueError unless two columns have as many rows."""
    if second is not None and len(first) != len(second):
        raise ValueError(f"expected two columns of {len(first)} rows, got one of {len(second)}")


def check_signed(commitments: Pieces, signed: bytes, levels: Sequence[Pieces]) -> None:
    """Raise ValueError unless a batch has a leaf for each commitment, and one key with its signature."""
    if (len(levels[0]), commitments.size, len(signed)) != (len(commitments), HASH_SIZE, SIGNED_SIZE):
        raise ValueError(
            f"expected {len(levels[0])} commitments of {HASH_SIZE} bytes and {SIGNED_SIZE} bytes of key and signature, "
            f"got {len(commitments)} of {commitments.size} and {len(signed)}"
        )


def _hashes(each: list[bytes]) -> Pieces:
    return Pieces(HASH_SIZE, each=each)
