# SPDX-License-Identifier: Apache-2.0
"""What becomes of an older receipt when a newer one of the same entry takes its place (docs/spec/receipt.md).

Input are two receipts; nothing is proved here. ``chains.receipts`` and ``mirror_receipts`` complete receipts by it, and
the command ``upgrade`` tells what was dropped.
"""

from collections import Counter
from dataclasses import replace

from anchor.proof.receipt import MAX_ANCHORS, Anchor, Receipt, Sealed


def shows_less(new: Sealed, old: Sealed) -> bool:
    """Say whether a newer receipt lacks a piece of evidence that an older one shows, by type and number."""
    shown = [Counter(item["type"] for item in each.evidence) for each in (new, old)]
    return not shown[0] >= shown[1]


def dropped_by_upgrade(old: Receipt, new: Receipt) -> tuple[int, int]:
    """Return how many time stamps and attestations of ``old`` are not in ``new``.

    They prove a checkpoint, so a receipt that moved to a later one cannot carry them (docs/spec/receipt.md).
    """
    if old.sealed is None or new.sealed is None:
        return 0, 0
    kept = {anchor.ots for anchor in new.sealed.attestations}
    return (
        sum(item not in new.sealed.timestamps for item in old.sealed.timestamps),
        sum(item.ots not in kept for item in old.sealed.attestations),
    )


def with_others_of(old: Sealed, new: Receipt) -> Receipt:
    """Return ``new`` with the old time stamps and attestations that it lacks, where both are of one checkpoint."""
    sealed = new.sealed
    if sealed is None or sealed.checkpoint != old.checkpoint:
        return new
    files = {anchor.ots for anchor in sealed.attestations}
    lacking: list[Anchor] = [item for item in old.timestamps if item not in sealed.anchors]
    lacking += [item for item in old.attestations if item.ots not in files]
    return replace(new, sealed=replace(sealed, anchors=(*sealed.anchors, *lacking)[:MAX_ANCHORS]))
