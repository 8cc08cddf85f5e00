# SPDX-License-Identifier: Apache-2.0
"""What the entries of one published chain say of each other, of its policy and of its life: read once, from the first.

Input are the bundles and the newest head of the chain in a mirror, which is believed in nothing: the entries must give
the root of that head, so none of them can be hidden or added. ``mirror_policy`` and ``mirror_later`` show them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from anchor.proof.bundles import TILE_HEIGHT, TILE_WIDTH
from anchor.proof.chain_life import KINDS, Continuation, Statement, statement_of
from anchor.proof.codec import sha256_each
from anchor.proof.correction import CORRECTING
from anchor.proof.entry import Entry, ExtensionType, Relation, says_more
from anchor.proof.errors import MalformedError
from anchor.proof.frontier import Frontier
from anchor.proof.leaves import HeadLeaf
from anchor.proof.merkle import root_of
from anchor.proof.mirror_parts import MirrorParts, NotInMirrorError
from anchor.proof.policy import stated_in
from anchor.proof.said_later import is_shown

# Behind the version and two hashes.
_AT_MEDIA_TYPE = 65
_SAYING = frozenset({ExtensionType.POLICY, *KINDS})
_LATER = CORRECTING | {Relation.COSIGNS, Relation.ERASES}


@dataclass(slots=True)
class ChainSays:
    """Indexes of the entries of a chain that say something, in order: a few dozen bytes of memory for each.

    ``stating`` state a policy, ``living`` speak of the chain's life as receipts show it, ``later`` correct, co-sign or
    erase an earlier entry (by its hash).
    """

    stating: list[int] = field(default_factory=list)
    living: list[int] = field(default_factory=list)
    later: dict[bytes, list[int]] = field(default_factory=dict)

    def note(self, index: int, raw: bytes, log_id: bytes) -> None:
        """Note what an entry says; one that this version cannot read says nothing."""
        try:
            entry = Entry.decode(raw)
        except MalformedError:
            return
        if stated_in(entry) is not None:
            self.stating.append(index)
        if is_shown(_life_of(entry), log_id):
            self.living.append(index)
        meant = (link for link in entry.links if link.relation in _LATER and link.chain_id == entry.chain_id)
        for entry_hash in dict.fromkeys(link.entry_hash for link in meant):
            self.later.setdefault(entry_hash, []).append(index)


def _life_of(entry: Entry) -> Statement | None:
    try:
        return statement_of(entry) if entry.extensions else None
    except MalformedError:
        return None


def read_chain(parts: MirrorParts, chain_id: bytes) -> ChainSays:
    """Read all entries of a chain under its newest head, once.

    Raises NotInMirrorError where the mirror has not all of them, or others than those of the head; VerificationError
    where the head is not under the newest checkpoint.
    """
    says, edge, at = ChainSays(), Frontier(), 0
    for leaves in _bundles(parts, chain_id):
        _add(edge, sha256_each(leaves, b"\x00"))
        for index, raw in enumerate(leaves, at):
            if may_say(raw):
                says.note(index, raw, parts.card.log.log_id)
        at += len(leaves)
    newest = parts.proof(HeadLeaf, parts.directory.heads[chain_id][-1][0], parts.newest).leaf
    if newest.root != edge.root():
        raise NotInMirrorError(
            f"chain {chain_id.hex()}: the {at} entries that this mirror shows are not those of its newest head: it is "
            "damaged, or lies; name another copy"
        )
    return says


def continues(raw: bytes) -> bool:
    """Say whether an encoded entry continues a chain of another log."""
    if not may_say(raw):
        return False
    try:
        return isinstance(_life_of(Entry.decode(raw)), Continuation)
    except MalformedError:
        return False


def may_say(raw: bytes) -> bool:
    """Say whether an encoded entry has links, or one of the extensions that are looked for (docs/spec/entry.md).

    Most have neither, and to decode one takes ten times as long. Of one that is cut, this is said too.
    """
    if not says_more(raw):
        return False
    at = _AT_MEDIA_TYPE + 1 + int.from_bytes(raw[_AT_MEDIA_TYPE : _AT_MEDIA_TYPE + 1], "big")
    for _ in range(int.from_bytes(raw[at : at + 1], "big")):
        at += 3 + int.from_bytes(raw[at + 2 : at + 4], "big")
    if len(raw) < at + 4 or raw[at + 1]:
        return True
    end = at + 4 + int.from_bytes(raw[at + 2 : at + 4], "big")
    at += 4
    while at < end:
        if int.from_bytes(raw[at : at + 2], "big") in _SAYING:
            return True
        at += 4 + int.from_bytes(raw[at + 2 : at + 4], "big")
    return False


def _bundles(parts: MirrorParts, chain_id: bytes) -> Iterator[list[bytes]]:
    chain = parts.chain(chain_id)
    for tile_no in range(-(-chain.size // TILE_WIDTH)):
        yield list(parts.bundle(chain, f"chain {chain_id.hex()}", tile_no))


def _add(edge: Frontier, hashes: list[bytes]) -> None:
    """Add the leaf hashes of a bundle: of a full one its root, which costs less."""
    if len(hashes) == TILE_WIDTH:
        edge.add_subtree(root_of(hashes), TILE_HEIGHT)
        return
    for each in hashes:
        edge.add(each)
