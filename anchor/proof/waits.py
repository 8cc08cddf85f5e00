# SPDX-License-Identifier: Apache-2.0
"""Whether the blocks between which an announced recovery waited are those of the best chain, as a verifier knows it.

A log names blocks in its seals; that a block of this height has this hash, headers can say. But a block of the best
chain may be an old one: what proves when the announcement was made is the block of the first anchor over its seal,
which the whole log has, and a receipt shows. Step 3 of a receipt and the audits of whole logs ask here
(docs/spec/identity.md).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.blocks import KnownBlocks
from anchor.proof.identity_history import Waited
from anchor.proof.verifier import asked


@dataclass(frozen=True, slots=True)
class WaitWord:
    """What is known of a wait: ``is_kept`` True where both blocks are confirmed, False where one is another, else None.

    ``text`` says so, and by whom.
    """

    is_kept: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class Anchored:
    """A root of the directory in a block of the best chain, as the verifier knows it: how many leaves, and where."""

    tree_size: int
    height: int


AnchoredAt = Callable[[int], int | None]
"""Takes the number of a seal; returns the height of the first anchor over it, None where there is none."""


def anchored_at(ends: Mapping[int, int], anchors: Iterable[Anchored]) -> AnchoredAt:
    """Return what finds the first anchor over a seal; ``ends`` has the size of the directory at each, by number."""
    known = sorted(anchors, key=lambda each: each.height)

    def find(seal_number: int) -> int | None:
        end = ends.get(seal_number)
        return next((each.height for each in known if end is not None and each.tree_size >= end), None)

    return find


def word_on_wait(waited: Waited, views: Sequence[KnownBlocks], anchored: AnchoredAt | None = None) -> WaitWord:
    """Ask these views, all of the log's network, about both blocks; the first that reaches a height is believed.

    ``anchored`` knows the anchors of the whole log that these views confirm; None: they are not at hand.
    """
    between = f"from block {waited.announced.block_height} to {waited.completed.block_height}"
    believed: list[str] = []
    for place in (waited.announced, waited.completed):
        known, whose = asked(views, place.block_height)
        if known is None:
            return WaitWord(None, f"{between}, as the log says: nobody whom you trust was asked about these blocks")
        if known.hash != place.block_hash:
            another = f"{whose} has another block at {place.block_height} than the log names, {hash_hex(known.hash)}"
            return WaitWord(False, f"{between}, which is not so: {another}")
        believed.append(whose)
    confirmed = f"{between}, which {' and '.join(dict.fromkeys(believed))} confirms"
    return WaitWord(True, confirmed if anchored is None else f"{confirmed}; {_proved(waited, anchored)}")


def _proved(waited: Waited, anchored: AnchoredAt) -> str:
    """Say how much of a wait the anchors prove: no log could make the announcement after its anchor's block."""
    height = anchored(waited.announced.seal_number)
    if height is None:
        return "no anchor that you can check has the announcement: nothing proves that it was made before"
    blocks = waited.completed.block_height - height
    if blocks <= 0:
        return f"the announcement is in no anchor before block {height}: nothing proves that it was made before"
    return f"the announcement was anchored in block {height}: {blocks} of these blocks came after it for certain"
