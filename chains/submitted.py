"""Entries that clients made: read, and their authors' signatures checked; what many of them share is looked at once.

Bytes come from ``chains.writer``, which holds entries to its rules. Those of one client differ mostly in their content
commitment and their author field only, and those of a signed batch have one signature for all.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import NamedTuple

from anchor.errors import RefusedEntryError
from anchor.hashing.chosen import HASHING
from anchor.hashing.pieces import Pieces
from anchor.hashing.plain import LEAF_PREFIX
from anchor.proof.codec import HASH_SIZE
from anchor.proof.entry import (
    BATCH_AUTHOR,
    BATCH_LEAF,
    MAX_BATCH_PATH,
    MAX_ENTRY,
    NO_AUTHOR,
    SALT_SIZE,
    SIGNATURE_DOMAIN,
    SIGNED_SIZE,
    Author,
    AuthorSignature,
    AuthorType,
    Entry,
    ExtensionType,
    batch_author,
    batch_place,
    batch_signature,
    before_author,
    refused_signature,
    signature_of,
    signatures_of,
)
from anchor.proof.errors import VerificationError
from anchor.proof.merkle import EMPTY_ROOT
from anchor.proof.promise_run import paths_in
from anchor.signature_rows import SignedRow, check_each, check_row
from chains.bundle import Column
from chains.work import Submission

# Where the content commitment stands in an encoded entry (docs/spec/entry.md).
_COMMITMENT = slice(33, 65)
_BATCH = bytes((AuthorType.BATCH,))
# The head of an author field is as long as a whole one of nobody: type and length.
_HEAD = len(NO_AUTHOR)
_ED25519 = bytes((AuthorType.ED25519, 0, SIGNED_SIZE))
_BATCH_START = BATCH_AUTHOR - _HEAD


class Shape(NamedTuple):
    """What stands in an entry before its commitment, and from there to its author field, which begins at ``size``.

    Entries of one shape are decoded alike: none of these bytes, and so no place of a field, differs. ``first`` is the
    one that was decoded.
    """

    before: bytes
    after: bytes
    size: int
    first: Entry

    @classmethod
    def of(cls, raw: bytes, entry: Entry) -> "Shape":
        """Return the shape of a decoded entry."""
        size = before_author(raw, entry.author.body)
        return cls(raw[: _COMMITMENT.start], raw[_COMMITMENT.stop : size], size, entry)

    def read(self, raw: bytes) -> Entry | None:
        """Return an entry of this shape with an author as most have one; None for any other, to be decoded whole."""
        if not (raw.startswith(self.before) and raw.startswith(self.after, _COMMITMENT.stop)):
            return None
        author = _author(raw[self.size :]) if len(raw) <= MAX_ENTRY else None
        if author is None:
            return None
        first = self.first
        named = first.media_type, first.external_ids, first.links, first.extensions
        return Entry(first.chain_id, raw[_COMMITMENT], *named, author)

    def authors(self, raws: Sequence[bytes]) -> list[bytes] | None:
        """Return the author fields of entries that are all of this shape, or None where one is not."""
        befores = {raw[: _COMMITMENT.start] for raw in raws}
        afters = {raw[_COMMITMENT.stop : self.size] for raw in raws}
        if befores != {self.before} or afters != {self.after} or max(map(len, raws)) > MAX_ENTRY:
            return None
        return [raw[self.size :] for raw in raws]


def signed_alike(shape: Shape, raws: Sequence[bytes], signed: bytes | None, threads: Executor | None) -> Column | None:
    """Return entries of one shape and one author as they are kept; None where they are not that, or wrongly signed.

    Where they name an identity, so that their author counts, one key must have signed all of them. ``signed`` is as in
    ``signed_together``, for entries that come without an author.
    """
    authors = shape.authors(raws)
    if authors is None:
        return None
    if signed is not None:
        return signed_together(shape, raws, signed) if _is_unsigned(authors) else None
    names_one = shape.first.extension(ExtensionType.IDENTITY) is not None
    if names_one and len({author[_HEAD : _HEAD + HASH_SIZE] for author in authors}) > 1:
        return None
    return Column.of(raws) if signatures_hold(shape, raws, authors, threads) else None


def _is_unsigned(authors: Sequence[bytes]) -> bool:
    """Say whether author fields are those of entries that nobody signed."""
    return set(authors) == {NO_AUTHOR}


def commitments_hold(raws: Sequence[bytes], salts: Sequence[bytes], contents: Sequence[bytes]) -> bool:
    """Say whether each entry commits to its salt and content; raise MalformedError for a salt of another length."""
    commitments = HASHING.rows(b"", Pieces.of(salts, SALT_SIZE, "salt"), HASHING.each(contents))
    return commitments.flat == b"".join([raw[_COMMITMENT] for raw in raws])


def signatures_hold(shape: Shape, raws: Sequence[bytes], authors: Sequence[bytes], threads: Executor | None) -> bool:
    """Say whether entries of one shape are signed alike, and rightly: by nobody, each by itself, or as a whole batch.

    False says no more than that they are to be looked at one by one.
    """
    if _is_unsigned(authors):
        return True
    if {author[: len(_ED25519)] for author in authors} == {_ED25519}:
        bodies = [author[len(_ED25519) :] for author in authors]
        if set(map(len, bodies)) != {SIGNED_SIZE}:
            return False
        keys, signatures = [body[:HASH_SIZE] for body in bodies], [body[HASH_SIZE:] for body in bodies]
        messages = [SIGNATURE_DOMAIN + raw[: HASH_SIZE - SIGNED_SIZE] for raw in raws]
        return all(check_row(SignedRow(keys, signatures, messages), threads))
    return _is_whole_batch(shape, raws, authors)


def _is_whole_batch(shape: Shape, raws: Sequence[bytes], authors: Sequence[bytes]) -> bool:
    """Say whether entries of one shape are those of one signed batch, all and in order."""
    # Every byte is what it must be: only who signed, and the signature, are taken from the first.
    made = signed_together(shape, raws, authors[0][_HEAD : _HEAD + SIGNED_SIZE])
    return made is not None and made.flat == b"".join(raws)


def signed_together(shape: Shape, raws: Sequence[bytes], signed: bytes) -> Column | None:
    """Return entries of one shape with the author fields of a signed batch; None where the signature is not theirs.

    ``signed`` is key ‖ signature (96 bytes) over the root of all of them, in this order, whoever signed them before.
    """
    if len(signed) != SIGNED_SIZE or (len(raws) - 1).bit_length() > MAX_BATCH_PATH:
        return None
    commitments = Pieces(HASH_SIZE, each=[raw[_COMMITMENT] for raw in raws])
    levels = HASHING.levels(HASHING.rows(LEAF_PREFIX + BATCH_LEAF + shape.before, commitments, suffix=shape.after))
    if check_each([batch_signature(signed, len(raws), levels[-1][0])]) != [True]:
        return None
    made = Column(*HASHING.signed_together(shape.before, commitments, shape.after, signed, levels))
    return made if max(made.sizes) <= MAX_ENTRY else None


def each_signed_together(items: Sequence[Submission], signed: bytes) -> list[Submission]:
    """Return entries without an author with those of a signed batch; whether the signature is theirs is not looked at.

    One that has an author already stays as it is. Raises MalformedError for more entries than a batch can have.
    """
    leaves = [item.entry[: -len(NO_AUTHOR)] for item in items]
    _, paths = _batch_tree(leaves)
    return [
        replace(item, entry=leaf + batch_author(signed, index, len(items), path))
        if item.entry.endswith(NO_AUTHOR)
        else item
        for index, (item, leaf, path) in enumerate(zip(items, leaves, paths, strict=True))
    ]


def _author(field: bytes) -> Author | None:
    """Return the author of a whole author field, where nobody signed, or a key signed this entry alone, or a batch."""
    body = field[_HEAD:]
    if field == NO_AUTHOR:
        return Author()
    if field.startswith(_ED25519):
        return Author(AuthorType.ED25519, body) if len(body) == SIGNED_SIZE else None
    hashes, rest = divmod(len(body) - _BATCH_START, HASH_SIZE)
    is_batch = field[:1] == _BATCH and int.from_bytes(field[1:_HEAD], "big") == len(body)
    return Author(AuthorType.BATCH, body) if is_batch and not rest and 0 <= hashes <= MAX_BATCH_PATH else None


def wrong_commitments(read: Mapping[int, tuple[Submission, Entry]]) -> dict[int, RefusedEntryError]:
    """Return by place which entries commit to something else than the salt and content that came with them.

    Salts have 16 bytes and digests 32; an entry that came with neither is not among them.
    """
    with_salt = [(place, item, entry) for place, (item, entry) in read.items() if item.salt is not None]
    given = [(place, item.content) for place, item, _ in with_salt if item.content is not None]
    digests = dict(zip([place for place, _ in given], HASHING.each([content for _, content in given]), strict=True))
    salts = Pieces.of([item.salt or b"" for _, item, _ in with_salt], SALT_SIZE, "salt")
    shown = Pieces.of([digests.get(place) or item.digest or b"" for place, item, _ in with_salt], what="content digest")
    commitments = HASHING.rows(b"", salts, shown)
    return {
        place: RefusedEntryError("salt and content do not give the content commitment of the entry")
        for (place, _, entry), commitment in zip(with_salt, commitments, strict=True)
        if commitment != entry.content_commitment
    }


def wrong_signatures(
    entries: Mapping[int, tuple[bytes, Entry]], threads: Executor | None = None
) -> dict[int, VerificationError]:
    """Check the authors' signatures of entries, each with its bytes; return by place why one does not hold.

    An entry that nobody signed, or in a way that this version does not know, is not among them.
    """
    wrong: dict[int, VerificationError] = {}
    claims = _batch_claims(entries)
    several: list[tuple[int, AuthorSignature]] = []
    for place, (raw, entry) in entries.items():
        if entry.author.type == AuthorType.SEVERAL:
            several += [(place, claim) for claim in signatures_of(entry)]
            continue
        try:
            claim = claims.get(place) or signature_of(entry, raw)
        except VerificationError as error:
            wrong[place] = error
            continue
        if claim is not None:
            claims[place] = claim
    # The entries of a batch have one signature, which is checked once; mostly it is one object too.
    made = [*claims.items(), *several]
    distinct = list(dict.fromkeys({id(claim): claim for _, claim in made}.values()))
    refused = {claim for claim, holds in zip(distinct, check_each(distinct, threads), strict=True) if not holds}
    if not refused:
        return wrong
    return wrong | {place: refused_signature(claim) for place, claim in made if claim in refused}


def _batch_claims(entries: Mapping[int, tuple[bytes, Entry]]) -> dict[int, AuthorSignature]:
    """Return the signatures of signed batches of which all entries are here, as most are: a tree instead of paths."""
    batches: dict[tuple[bytes, int], dict[int, int]] = {}
    for place, (_, entry) in entries.items():
        if entry.author.type == AuthorType.BATCH:
            body = entry.author.body
            index, size, _ = batch_place(body)
            batches.setdefault((body[:SIGNED_SIZE], size), {})[index] = place
    claims: dict[int, AuthorSignature] = {}
    for (_, size), places in batches.items():
        if size == len(places) == max(places) + 1:
            claims |= _tree_claims(entries, [places[index] for index in range(len(places))])
    return claims


def _tree_claims(entries: Mapping[int, tuple[bytes, Entry]], order: Sequence[int]) -> dict[int, AuthorSignature]:
    """Return the one signature of a whole batch for each of its entries; none where a path is not that of the tree."""
    rows = [entries[place] for place in order]
    leaves = [raw[: before_author(raw, entry.author.body)] for raw, entry in rows]
    root, paths = _batch_tree(leaves)
    if paths != [entry.author.body[_BATCH_START:] for _, entry in rows]:
        return {}
    return dict.fromkeys(order, batch_signature(rows[0][1].author.body[:SIGNED_SIZE], len(rows), root))


def _batch_tree(leaves: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """Return the root of a signed batch, and each leaf's path to it; a leaf is an entry up to its author field."""
    if not leaves:
        return EMPTY_ROOT, []
    levels = HASHING.levels(HASHING.each(leaves, LEAF_PREFIX + BATCH_LEAF))
    return levels[-1][0], paths_in([level.each for level in levels])
