"""A live Bitcoin source as the verifier's view of the best chain.

``cli.py`` puts one around each source that the person verifying names; ``anchor.proof.verify`` asks it.
"""

from dataclasses import dataclass

from anchor.bitcoin.protocols import Headers
from anchor.proof.blocks import KnownBlock


@dataclass(frozen=True, slots=True)
class SourceBlocks:
    """``source``, called ``name`` where the verdict says who was believed."""

    source: Headers
    name: str

    @property
    def network(self) -> str:
        """Name of the network that the source follows."""
        return self.source.network.name

    @property
    def believed(self) -> str:
        """Whose word this is."""
        return f"your Bitcoin source ({self.name})"

    def at(self, height: int) -> KnownBlock | None:
        """Return the block at ``height`` of the best chain; raise SourceUnavailableError for silence."""
        tip = self.source.tip()
        found = self.source.block_hash(height)
        return None if found is None else KnownBlock(found, max(tip.height - height + 1, 1))
