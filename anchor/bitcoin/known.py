"""A live Bitcoin source as the verifier's view of the best chain.

``chains.commands.live`` puts one around the sources that the person verifying names; ``anchor.proof.verify`` asks it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anchor.bitcoin.depth import Counted, counted_after, counted_at, full_block_work, has_easy_blocks, work_behind
from anchor.bitcoin.protocols import Headers
from anchor.proof.blocks import KnownBlock

# A public Esplora server gives ten headers an answer.
_BATCH = 100
# As many as a difficulty period has: among so many blocks some have real difficulty. Whoever wants all work counted
# synchronises a header store.
_MOST_COUNTED = 2_016


@dataclass(frozen=True, slots=True)
class SourceBlocks:
    """``source``, called by ``names`` where the verdict says who was believed: one, or all that must agree."""

    source: Headers
    names: tuple[str, ...]

    @property
    def network(self) -> str:
        """Name of the network that the source follows."""
        return self.source.network.name

    @property
    def believed(self) -> str:
        """Whose word this is."""
        if len(self.names) == 1:
            return f"your Bitcoin source ({self.names[0]})"
        return f"your Bitcoin sources, which agree ({', '.join(self.names)})"

    def at(self, height: int) -> KnownBlock | None:
        """Return the block at ``height`` of the best chain; raise SourceUnavailableError for silence.

        With its work where late blocks are nearly free: that of all blocks upon it, or of as many as make it as deep
        as anything is watched. Elsewhere no header is asked for.
        """
        tip = self.source.tip()
        if not has_easy_blocks(self.source.network.headers):
            found = self.source.block_hash(height)
            return None if found is None else KnownBlock(found, max(tip.height - height + 1, 1))
        first = counted_at(self.source, height)
        return None if first is None else self._with_work(first, tip.height)

    def _with_work(self, first: Counted, tip_height: int) -> KnownBlock:
        counted, new = [first], [first]
        known = self._known(counted, tip_height)
        while (
            new and len(counted) < _MOST_COUNTED and (known.full_confirmations or 0) < self.source.network.watch_depth
        ):
            new = counted_after(self.source, counted[-1], _BATCH)
            counted += new
            known = self._known(counted, tip_height)
        return known

    def _known(self, counted: Sequence[Counted], tip_height: int) -> KnownBlock:
        full = full_block_work(self.source.network.headers, counted[0].period_bits)
        confirmations = max(tip_height - counted[0].height + 1, len(counted))
        is_least = len(counted) < confirmations
        return KnownBlock(counted[0].hash, confirmations, work_behind(counted), full, is_least)
