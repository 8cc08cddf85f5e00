"""How many blocks went by that show something about fees: those that hold transactions besides their coinbase.

Blocks come from a Bitcoin source, each asked for once in a process. ``anchor.versions`` asks whether an attempt has
waited for as many as its target.
"""

from collections.abc import Iterator

from anchor.bitcoin.protocols import BlockId, Source
from anchor.proof.bitcoin.hashes import sha256d

# Of 100 blocks of testnet4 some ten or fifteen hold transactions (2026): the target is found in the newest of these,
# and a public server is not asked about days of empty blocks.
MOST_LOOKED_AT = 144
# What an Esplora server gives in one answer.
_BATCH = 10


class UsefulBlocks:
    """The useful blocks of one source's best chain; what was learned is kept for this process only."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._is_useful: dict[bytes, bool] = {}
        self._question: tuple[int, BlockId, BlockId] | None = None
        self._answer = False

    def have_passed(self, count: int, since: BlockId, tip: BlockId) -> bool:
        """Say whether at least ``count`` useful blocks came after ``since``, among the newest 144 up to ``tip``.

        The same question is not asked twice in a row: many ticks see the same tip. Raises what the source raises.
        """
        if tip.height - since.height < count:
            return False
        if self._question != (count, since, tip):
            self._answer = self._found(count, max(since.height + 1, tip.height - MOST_LOOKED_AT + 1), tip.height)
            self._question = count, since, tip
        return self._answer

    def _found(self, count: int, bottom: int, top: int) -> bool:
        """Look for so many useful blocks from ``top`` down, no further than needed."""
        looked_at: dict[bytes, bool] = {}
        for block_hash in self._hashes_down(top, bottom):
            looked_at[block_hash] = self._holds_transactions(block_hash)
            if sum(looked_at.values()) >= count:
                break
        self._is_useful = looked_at
        return sum(looked_at.values()) >= count

    def _hashes_down(self, top: int, bottom: int) -> Iterator[bytes]:
        for last in range(top, bottom - 1, -_BATCH):
            first = max(last - _BATCH + 1, bottom)
            yield from (sha256d(header) for header in reversed(self._source.headers_from(first, last - first + 1)))

    def _holds_transactions(self, block_hash: bytes) -> bool:
        known = self._is_useful.get(block_hash)
        if known is not None:
            return known
        # A block that left the chain between two questions is unknown to some sources: it does not count.
        return (self._source.transaction_count(block_hash) or 0) > 1
