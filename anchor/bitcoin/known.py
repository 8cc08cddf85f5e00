"""A live Bitcoin source as the verifier's view of the best chain.

``chains.commands.live`` puts one around the sources that the person verifying names; ``anchor.proof.verify`` asks it.
"""

from dataclasses import dataclass

from anchor.bitcoin.protocols import Headers
from anchor.proof.blocks import KnownBlock


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
        """Return the block at ``height`` of the best chain; raise SourceUnavailableError for silence."""
        tip = self.source.tip()
        found = self.source.block_hash(height)
        return None if found is None else KnownBlock(found, max(tip.height - height + 1, 1))
