# SPDX-License-Identifier: Apache-2.0
"""The key history of an author out of a mirror, as evidence that a receipt carries (docs/spec/identity.md).

Input are the parts of a mirror and the sealed part of a receipt; what is made is checked before it is handed out.
``mirror_evidence`` puts it into receipts. Whether the author's key was valid is for step 3 to judge.
"""

from collections.abc import Iterator
from typing import Any

from anchor.proof import ed25519
from anchor.proof.announcement import Announcement
from anchor.proof.bundles import TILE_WIDTH
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.entry import Entry
from anchor.proof.heads import prove_head
from anchor.proof.identity import Operation, begins_identity, states
from anchor.proof.identity_evidence import (
    MAX_ENTRIES,
    MAX_HEADS,
    IdentityEvidence,
    SealedHead,
    check_whole,
    proved_history,
)
from anchor.proof.leaves import HeadLeaf, LogLeaf, SealLeaf
from anchor.proof.mirror_parts import MirrorParts, NotInMirrorError
from anchor.proof.receipt import DirectoryProof, Sealed


def key_history(parts: MirrorParts, identity: bytes, checkpoint: Checkpoint) -> IdentityEvidence:
    """Return the whole history of an identity's keys under a checkpoint; what its entries state is not looked at.

    Raises NotInMirrorError where the mirror has not the whole of its chain, or no identity of this name; MalformedError
    and VerificationError for what does not hold.
    """
    name = f"identity {identity.hex()}"
    places = [place for place in parts.directory.heads.get(identity, ()) if place[0] < checkpoint.size]
    if not places:
        raise NotInMirrorError(
            f"{name}: this mirror has no head of it under the checkpoint of {checkpoint.size} leaves"
        )
    count = places[-1][1]
    if count > MAX_ENTRIES or len(places) > MAX_HEADS:
        raise NotInMirrorError(
            f"{name}: it has {count} entries under {len(places)} heads, more than a receipt may show"
        )
    entries = _entries(parts, identity, count, name)
    if not begins_identity(Entry.decode(entries[0]).external_ids):
        raise NotInMirrorError(f"{name}: that chain is no identity")
    heads = tuple(
        SealedHead(parts.proof(HeadLeaf, index, checkpoint), parts.seal_over(index, checkpoint)) for index, _ in places
    )
    newest = heads[-1].head.leaf.encode()
    proof = prove_head(parts.heads_under(checkpoint.size), identity, lambda _: newest)
    seal = parts.proof(SealLeaf, checkpoint.size - 1, checkpoint)
    evidence = IdentityEvidence(entries, heads, seal, proof.siblings)
    check_whole(evidence, identity, checkpoint)
    return evidence


def announcements(
    parts: MirrorParts, evidence: IdentityEvidence, identity: bytes, log: LogLeaf, sealed: Sealed
) -> Iterator[dict[str, Any]]:
    """Yield the anchors of the announced recoveries that an author's history completes, as evidence."""
    if states(Operation.COMPLETE, evidence.entries):
        history = proved_history(evidence, identity, log, sealed, ed25519.verify)
        announced = {waited.announced.seal_number for waited in history.waits}
        for item in evidence.heads:
            shown = _announced(parts, item) if item.seal.leaf.seal_number in announced else None
            if shown is not None:
                yield shown.to_json()


def _entries(parts: MirrorParts, identity: bytes, count: int, name: str) -> tuple[bytes, ...]:
    """Return the first entries of an identity's chain, all that a checkpoint covers."""
    chain, found = parts.chain(identity), list[bytes]()
    for tile_no in range(-(-count // TILE_WIDTH)):
        leaves = chain.bundle(tile_no)
        if leaves is None:
            raise NotInMirrorError(
                f"{name}: this mirror has its hashes, and not its entries; one that publishes that chain, too, shows "
                "which keys were valid when"
            )
        found += leaves
    return tuple(found[:count])


def _announced(parts: MirrorParts, item: SealedHead) -> Announcement | None:
    """Return the first anchor over the announcement of a recovery, None while it is in no block."""
    over = [(proof, size) for size, proof in parts.anchors if item.seal.index < size <= parts.newest.size]
    if not over:
        return None
    proof, size = min(over, key=lambda each: each[0].height)
    path = parts.tree.inclusion_path(item.head.index, size)
    return Announcement(DirectoryProof(item.head.leaf, item.head.index, path), proof)
