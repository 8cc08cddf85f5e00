# SPDX-License-Identifier: Apache-2.0
"""Whether the blocks between which an announced recovery waited are those of the best chain, as a verifier knows it.

A log names blocks in its seals; that a block of this height has this hash, headers can say. Step 3 of a receipt and
the audits of whole logs ask here (docs/spec/identity.md).
"""

from collections.abc import Sequence
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


def word_on_wait(waited: Waited, views: Sequence[KnownBlocks]) -> WaitWord:
    """Ask these views, all of the log's network, about both blocks; the first that reaches a height is believed."""
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
    return WaitWord(True, f"{between}, which {' and '.join(dict.fromkeys(believed))} confirms")
