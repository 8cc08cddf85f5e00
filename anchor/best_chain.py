"""How high Bitcoin's best chain was, as far as a log's database shows: without asking Bitcoin.

Seals and attempts name blocks; whoever seals and anchors may be another process than the one that asks. Pages count
confirmations by it (``chains.web.rooms``).
"""

from anchor.directory import SEAL_BLOCK_DEPTH, Directory
from anchor.journal import Journal
from anchor.proof.leaves import SealLeaf

_NEWEST_ATTEMPTS = 3


def noted_height(directory: Directory, journal: Journal) -> int | None:
    """Return the height of the highest block of which the newest seal and attempts tell; None where they tell of none.

    A seal names a block that was ``SEAL_BLOCK_DEPTH`` deep, an attempt the tip upon which it was made and its own
    block. The best chain is mostly higher by now, so confirmations that are counted up to here are mostly too few; too
    many only where a reorganisation led to a branch of fewer blocks since.
    """
    heights = [_height_of_seal(directory)]
    for attempt in journal.newest(_NEWEST_ATTEMPTS):
        heights += [block.height for block in (attempt.tip, attempt.standing.block) if block is not None]
    return max(heights) or None


def _height_of_seal(directory: Directory) -> int:
    newest = directory.newest()
    seal = None if newest is None else directory.leaf(newest.size - 1)
    if not isinstance(seal, SealLeaf) or seal.block_height == 0:
        return 0
    return seal.block_height + SEAL_BLOCK_DEPTH - 1
