"""Anchors as pages show them: what of an attempt is in public, in the words of ``phrases``.

Made of the journal and of the tip that this process saw last; the front page and the pages of anchors show it.
"""

from dataclasses import dataclass

from anchor.journal import Attempt
from anchor.lifecycle import State
from anchor.proof.bitcoin.hashes import hash_hex
from chains.web.pages import phrases

PREPARED = frozenset({State.BUILT})
"""States of what nobody outside can see yet: not shown."""


@dataclass(frozen=True, slots=True)
class AnchorShown:
    """One anchor: ``words`` say where it stands, ``kind`` is "holds", "waits" or "past" (``phrases.STATES``).

    Hashes are in the order in which Bitcoin's programs show them. ``confirmations`` is None while it is in no block, or
    where this process has not seen the best chain.
    """

    txid: str
    checkpoint_size: int
    made_at_ms: int
    fee_sat: int
    virtual_size: int
    state: str
    words: str
    kind: str
    block_height: int | None
    block_hash: str | None
    confirmations: int | None


def anchor_shown(attempt: Attempt, tip_height: int | None) -> AnchorShown:
    """Return what is shown of an attempt that has left the house."""
    block = attempt.standing.block
    return AnchorShown(
        txid=hash_hex(attempt.txid),
        checkpoint_size=attempt.checkpoint_size,
        made_at_ms=attempt.made_at_ms,
        fee_sat=attempt.fee_sat,
        virtual_size=attempt.virtual_size,
        state=attempt.state.value,
        words=phrases.standing(attempt, tip_height),
        kind=phrases.STATES[attempt.state][1],
        block_height=None if block is None else block.height,
        block_hash=None if block is None else hash_hex(block.hash),
        confirmations=None if block is None else phrases.confirmations(block.height, tip_height),
    )
