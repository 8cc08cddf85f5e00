# SPDX-License-Identifier: Apache-2.0
"""Whether the blocks between which an announced recovery waited are those of the best chain, as a verifier knows it.

A log names blocks in its seals; that a block of this height has this hash, headers can say. But a block of the best
chain may be an old one: what proves when the announcement was made is the block of the first anchor over its seal,
which the whole log has, and a receipt shows. Step 3 of a receipt and the audits of whole logs ask here
(docs/spec/identity.md).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.blocks import KnownBlocks
from anchor.proof.identity_history import Waited
from anchor.proof.verifier import asked


class WaitState(StrEnum):
    """What is known of a wait, in one word; part of ``--json`` and of the vectors: never rename one."""

    PROVED = "proved"
    NOT_PROVED = "not-proved"
    NOT_ASKED = "not-asked"
    ANOTHER_BLOCK = "another-block"


@dataclass(frozen=True, slots=True)
class WaitWord:
    """What is known of a wait: ``text`` says it, and by whom.

    ``proved_blocks`` is how many blocks lie for certain between the announcement and the block of the completion, None
    where the verifier brought nothing by which that can be known.
    """

    waited: Waited
    state: WaitState
    text: str
    proved_blocks: int | None = None

    @property
    def may_be_made_up(self) -> bool:
        """Whether keys of this recovery count for nothing that a verifier can rely on."""
        return self.state in {WaitState.NOT_PROVED, WaitState.ANOTHER_BLOCK}

    def to_json(self) -> dict[str, Any]:
        """Return it as the facts of a verdict have it."""
        return {
            "announced_in": self.waited.announced.block_height,
            "completed_in": self.waited.completed.block_height,
            "wanted_blocks": self.waited.wanted_blocks,
            "proved_blocks": self.proved_blocks,
            "state": str(self.state),
        }


@dataclass(frozen=True, slots=True)
class Anchored:
    """A root of the directory in a block of the best chain, as the verifier knows it: how many leaves, and where."""

    tree_size: int
    height: int


@dataclass(frozen=True, slots=True)
class AnchorBlock:
    """The block of an anchor; ``is_known`` False: nobody whom the verifier trusts reaches it."""

    height: int
    is_known: bool = True


AnchoredAt = Callable[[int], AnchorBlock | None]
"""Takes the number of a seal; returns the block of the first anchor over it, None where there is none."""


def anchored_at(ends: Mapping[int, int], anchors: Iterable[Anchored]) -> AnchoredAt:
    """Return what finds the first anchor over a seal; ``ends`` has the size of the directory at each, by number."""
    known = sorted(anchors, key=lambda each: each.height)

    def find(seal_number: int) -> AnchorBlock | None:
        end = ends.get(seal_number)
        return next((AnchorBlock(each.height) for each in known if end is not None and each.tree_size >= end), None)

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
            return WaitWord(
                waited,
                WaitState.NOT_ASKED,
                f"{between}, as the log says: nobody whom you trust was asked about these blocks",
            )
        if known.hash != place.block_hash:
            another = f"{whose} has another block at {place.block_height} than the log names, {hash_hex(known.hash)}"
            return WaitWord(waited, WaitState.ANOTHER_BLOCK, f"{between}, which is not so: {another}")
        believed.append(whose)
    confirmed = f"{between}, which {' and '.join(dict.fromkeys(believed))} confirms"
    if anchored is None:
        return WaitWord(waited, WaitState.NOT_ASKED, confirmed)
    state, proved, text = _proved(waited, anchored(waited.announced.seal_number))
    return WaitWord(waited, state, f"{confirmed}; {text}", proved)


def _proved(waited: Waited, anchor: AnchorBlock | None) -> tuple[WaitState, int | None, str]:
    """Say how much of a wait the anchors prove: no log could make the announcement after its anchor's block.

    An honest log's anchors lag by some blocks; one that made up the wait lacks nearly all. Half of what the identity
    wants is far from both.
    """
    if anchor is None:
        text = "no anchor that you can check has the announcement: nothing proves that it was made before"
        return WaitState.NOT_PROVED, 0, text
    height, blocks = anchor.height, waited.completed.block_height - anchor.height
    if not anchor.is_known:
        text = f"the announcement is shown in block {height}, of which nobody whom you trust was asked"
        return WaitState.NOT_ASKED, None, text
    if blocks <= 0:
        text = f"the announcement is in no anchor before block {height}: nothing proves that it was made before"
        return WaitState.NOT_PROVED, 0, text
    text = f"the announcement was anchored in block {height}: {blocks} of these blocks came after it for certain"
    if blocks * 2 < waited.wanted_blocks:
        text += f", fewer than half of the {waited.wanted_blocks} that the identity wants"
        return WaitState.NOT_PROVED, blocks, text
    return WaitState.PROVED, blocks, text
