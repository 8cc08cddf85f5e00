"""How deep a block is where blocks may be nearly free: by the work upon it as well as by their number.

On testnet3 and testnet4 a block that comes late may have the easiest target there is, and one block of real difficulty
can replace a thousand of those. ``anchor.watching`` counts by these rules; headers come from a Bitcoin source.
"""

from collections.abc import Callable, Sequence

from anchor.bitcoin.header_rules import HeaderFields, HeaderRules, read_fields, work_of
from anchor.bitcoin.networks import Network
from anchor.bitcoin.protocols import BlockId
from anchor.errors import SourceUnavailableError
from anchor.proof.bitcoin.hashes import hash_hex

# Headers that one source's view keeps: those above the deepest watched block of a test network, several times over.
_KEPT_HEADERS = 8_192


def easing_rules(network: Network) -> HeaderRules | None:
    """Return the rules of a network where only late blocks are nearly free, None for any other network.

    Not regtest: every block there is easy, and nobody else mines.
    """
    rules = network.headers
    return rules if rules.eases_after_s is not None and rules.retargets else None


def depth_in_work(bits: Sequence[int], real_bits: int) -> int:
    """Return how many blocks of the target ``real_bits`` the work of blocks with these targets is worth, rounded down.

    ``bits`` are the compact targets of the block and of all upon it (facts/bitcoin.md, "Reorgs / depth": count work,
    not just confirmations).
    """
    return sum(map(work_of, bits)) // work_of(real_bits)


def real_bits(rules: HeaderRules, bits_before: Sequence[int], height: int) -> int:
    """Return the compact target of a block of real difficulty in the period of the block at ``height``.

    ``bits_before`` are the targets of this block and of those before it, newest first, as far back as the first of the
    period. That is the newest one which is not the easiest; where all are easy, the period's own difficulty is.
    """
    of_period = bits_before[: height % rules.period + 1]
    return next((bits for bits in of_period if bits != rules.limit_bits), rules.limit_bits)


class Depths:
    """Depths of blocks on the best chain of one source, whose headers it keeps: a header never changes."""

    def __init__(self, network: Network, header: Callable[[bytes], bytes | None]) -> None:
        self._rules = easing_rules(network)
        self._header = header
        self._known: dict[bytes, HeaderFields] = {}

    def depth(self, block: BlockId, tip: BlockId) -> int:
        """Return the confirmations of a block that is on the best chain to ``tip``; fewer where they are worth fewer.

        Raises SourceUnavailableError where the source does not know a header (any more): a reorganisation came in
        between.
        """
        confirmations = max(tip.height - block.height + 1, 1)
        if self._rules is None:
            return confirmations
        upon = [self._fields(tip.hash)]
        for _ in range(confirmations - 1):
            upon.append(self._fields(upon[-1].previous))
        before = [upon[-1].bits]
        last = upon[-1]
        for _ in range(block.height % self._rules.period):
            if before[-1] != self._rules.limit_bits:
                break
            last = self._fields(last.previous)
            before.append(last.bits)
        worth = depth_in_work([fields.bits for fields in upon], real_bits(self._rules, before, block.height))
        return min(confirmations, worth)

    def _fields(self, block_hash: bytes) -> HeaderFields:
        known = self._known.get(block_hash)
        if known is not None:
            return known
        raw = self._header(block_hash)
        if raw is None:
            raise SourceUnavailableError(
                f"expected the header of block {hash_hex(block_hash)}, found none; try again after the reorganisation"
            )
        if len(self._known) >= _KEPT_HEADERS:
            self._known.pop(next(iter(self._known)))  # the one that was learned first
        self._known[block_hash] = read_fields(raw)
        return self._known[block_hash]
