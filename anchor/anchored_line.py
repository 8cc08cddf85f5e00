"""The anchors of one log that are in blocks, in the order of its thread: what a mirror and the service publish of them.

They come from the journal and from the thread leaves of the directory. ``chains.mirror`` writes them into files, the
HTTP API answers with the same (docs/spec/mirror.md); an auditor follows the thread himself and believes neither.
"""

from collections.abc import Sequence

from anchor.attestations import Attestations
from anchor.directory import Directory
from anchor.journal import Attempt, Journal
from anchor.lifecycle import MINED, State
from anchor.log import TILE_WIDTH
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.leaves import ThreadLeaf
from anchor.proof.stamps import STAMPS_WIDTH, Stamp
from anchor.timestamps import Timestamps

_SENT = frozenset({State.BROADCAST, State.SEEN})


class AnchoredLine:
    """The line of one database. It is walked anew where an event of an anchor, or a checkpoint, has come since."""

    def __init__(self, directory: Directory, journal: Journal) -> None:
        self._directory = directory
        self._journal = journal
        self._timestamps = Timestamps(journal.engine)
        self._attestations = Attestations(journal.engine)
        self._walked: tuple[tuple[int, int], tuple[int, ...]] = ((-1, -1), ())

    def numbers(self, size: int) -> tuple[int, ...]:
        """Return the attempts by number, as far as their proofs are kept and none is of more than ``size`` leaves."""
        as_of = (self._journal.newest_event(), size)
        if self._walked[0] != as_of:
            self._walked = as_of, tuple(attempt.attempt_no for attempt in self._walk(size))
        return self._walked[1]

    def part(self, size: int, bundle_no: int) -> list[tuple[Attempt, BitcoinAnchor]]:
        """Return the anchors 256 * ``bundle_no`` and following, at most 256, with their proofs."""
        numbers = self.numbers(size)[bundle_no * TILE_WIDTH : (bundle_no + 1) * TILE_WIDTH]
        found = [(attempt, self._journal.proof(attempt)) for attempt in map(self._journal.numbered, numbers)]
        return [(attempt, proof) for attempt, proof in found if proof is not None]

    def stamps(self, size: int, file_no: int) -> dict[int, tuple[Stamp, ...]]:
        """Return what the checkpoints of anchors 16 * ``file_no`` and following, at most 16, have beside their anchors.

        By their sizes; those that have nothing are there with nothing. More may come for days after an anchor.
        """
        numbers = self.numbers(size)[file_no * STAMPS_WIDTH : (file_no + 1) * STAMPS_WIDTH]
        sizes = [self._journal.numbered(number).checkpoint_size for number in numbers]
        return {each: (*self._timestamps.of(each), *self._attestations.of(each)) for each in sizes}

    def pending(self) -> list[bytes]:
        """Return the transactions that were sent and are in no block yet, without witness."""
        return [each.transaction().encode() for each in self._journal.watched() if each.state in _SENT]

    def starts(self, size: int) -> tuple[OutPoint, ...]:
        """Return where the thread starts, by the leaves below ``size``."""
        return tuple(leaf.outpoint for _, leaf in self._directory.log_marks(size) if isinstance(leaf, ThreadLeaf))

    def _walk(self, size: int) -> Sequence[Attempt]:
        mined = {attempt.spends: attempt for attempt in self._journal.all() if attempt.state in MINED}
        line: list[Attempt] = []
        for coin in self.starts(size):
            following = mined.get(coin)
            while following is not None:
                if following.checkpoint_size > size or not self._journal.has_proof(following):
                    return line
                line.append(following)
                following = mined.get(following.coin)
        return line
