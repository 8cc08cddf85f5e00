"""The headers that count for the depth of watched anchors, kept in the log's database from one look to the next.

They come from a Bitcoin source, in batches, and only those that are new; ``anchor.bitcoin.depth`` says what counts.
``anchor.watching`` asks how deep a block is. Losing the table costs nothing but asking again.
"""

from collections.abc import Sequence

from anchor.bitcoin.depth import Counted, counted_after, counted_at, full_block_work, has_easy_blocks
from anchor.bitcoin.fork import newest_common
from anchor.bitcoin.header_rules import work_of
from anchor.bitcoin.protocols import BlockId, Headers
from anchor.proof.blocks import KnownBlock
from anchor.storage.engine import Engine

# A public Esplora server gives ten headers an answer and allows some 700 questions an hour: what is still missing
# after so many headers is for the next look, and until then a block counts as less deep than it is.
MOST_AT_ONCE = 500
_COLUMNS = "height, hash, bits, period_bits"


class RecentHeaders:
    """The best chain of one source from the lowest watched block on; empty where no block is easier than others."""

    def __init__(self, engine: Engine, source: Headers) -> None:
        self._engine = engine
        self._source = source
        self._rules = source.network.headers
        self.is_needed = has_easy_blocks(self._rules)

    def follow(self, lowest: int, tip: BlockId) -> None:
        """Learn what the source's chain up to ``tip`` has that is new since the last look, from ``lowest`` on.

        Asks nothing where nothing is new, one question to find that nothing was reorganised, and a batch for what is
        new (at most ``MOST_AT_ONCE`` headers). Raises what ``counted_after`` raises; then nothing has changed.
        """
        if not self.is_needed or lowest > tip.height:
            return
        kept = self._newest_kept(lowest, tip)
        last = kept or counted_at(self._source, lowest)
        if last is None:
            return
        new = [] if kept else [last]
        if last.height < tip.height:
            new += counted_after(self._source, last, min(tip.height - last.height, MOST_AT_ONCE))
        if new or kept != self._last():
            self._keep(lowest, kept, new)

    def at(self, block: BlockId) -> KnownBlock | None:
        """Return how deep a block is, as far as was counted: None where it is not on the chain that was."""
        rows = self._rows("WHERE height = ?", block.height)
        if not rows or rows[0].hash != block.hash:
            return None
        counts = self._engine.query(
            "SELECT bits, COUNT(*) FROM recent_header WHERE height >= ? GROUP BY bits", (block.height,)
        )
        work = sum(work_of(bits) * count for bits, count in counts)
        confirmations = sum(count for _, count in counts)
        return KnownBlock(block.hash, confirmations, work, full_block_work(self._rules, rows[0].period_bits))

    def _newest_kept(self, lowest: int, tip: BlockId) -> Counted | None:
        """Return the newest header kept that is on the best chain; None where it is to be begun anew."""
        ends = self._engine.query("SELECT MIN(height), MAX(height) FROM recent_header")
        first, last = ends[0]
        if first is None or first > min(lowest, tip.height):
            return None

        def agrees(height: int) -> bool:
            on_chain = tip.hash if height == tip.height else self._source.block_hash(height)
            return any(row.hash == on_chain for row in self._rows("WHERE height = ?", height))

        # One below the first stands for none.
        common = newest_common(first - 1, min(last, tip.height), agrees)
        rows = self._rows("WHERE height = ?", common)
        return rows[0] if rows else None

    def _keep(self, lowest: int, kept: Counted | None, new: Sequence[Counted]) -> None:
        """Put new headers after the one that is kept, and drop what was reorganised away or nobody asks for."""
        with self._engine.transaction():
            if kept is None:
                self._engine.execute("DELETE FROM recent_header")
            elif [kept] != self._rows("WHERE height = ?", kept.height):
                return  # another process has followed a reorganisation meanwhile; the next look goes on from there
            else:
                self._engine.execute(
                    "DELETE FROM recent_header WHERE height > ? OR height < ?",
                    (kept.height, min(lowest, kept.height)),
                )
            self._engine.execute_many(f"INSERT INTO recent_header ({_COLUMNS}) VALUES (?, ?, ?, ?)", new)  # noqa: S608  # our own words

    def _last(self) -> Counted | None:
        rows = self._rows("ORDER BY height DESC LIMIT 1")
        return rows[0] if rows else None

    def _rows(self, condition: str, *values: int) -> list[Counted]:
        rows = self._engine.query(f"SELECT {_COLUMNS} FROM recent_header {condition}", values)  # noqa: S608  # our own words
        return [Counted(height, bytes(block_hash), bits, period_bits) for height, block_hash, bits, period_bits in rows]
