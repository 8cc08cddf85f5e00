"""How deep a block is where blocks may be nearly free: what a block of real difficulty is worth, and what to count.

On testnet3 and testnet4 a block that comes late may have the easiest target there is, and one block of real difficulty
can replace a thousand of those. Headers come from a Bitcoin source; the header store, a live source in ``verify`` and
the engine's ``anchor.recent_headers`` all count by these rules, and ``KnownBlock.depth`` compares.
"""

from collections.abc import Iterable
from typing import NamedTuple

from anchor.bitcoin.header_rules import HeaderRules, read_fields, work_of
from anchor.bitcoin.protocols import BlockId, Headers
from anchor.errors import SourceError
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.work import check_work
from anchor.proof.errors import MalformedError, VerificationError


class Counted(NamedTuple):
    """A header that counts: where it stands, its compact target, and that of its difficulty period's first header."""

    height: int
    hash: bytes
    bits: int
    period_bits: int

    @property
    def block(self) -> BlockId:
        """Height and hash."""
        return BlockId(self.height, self.hash)


def has_easy_blocks(rules: HeaderRules) -> bool:
    """Say whether late blocks may be easier than others (the 20-minute rule).

    Not on regtest, which has the rule: its difficulty is the easiest already and never changes, so all blocks are
    worth the same.
    """
    if rules.eases_after_s is None:
        return False
    return rules.retargets or read_fields(rules.genesis).bits != rules.limit_bits


def full_block_work(rules: HeaderRules, period_bits: int) -> int | None:
    """Return the work, in expected hashes, of a block at the real difficulty of its period; None where every one is.

    ``period_bits`` is the compact target of the period's first header: the 20-minute rule does not ease that one, and
    every later one of the period has its target or the easiest (Bitcoin Core, pow.cpp, GetNextWorkRequired).
    """
    return work_of(period_bits) if has_easy_blocks(rules) else None


def work_behind(blocks: Iterable[Counted]) -> int:
    """Return the work of these blocks together, in expected hashes."""
    return sum(work_of(block.bits) for block in blocks)


def counted_at(source: Headers, height: int) -> Counted | None:
    """Return what counts of the best chain's block at ``height``, in two questions; None above the tip.

    Raises SourceError for a header without the work that it claims, and what the source raises.
    """
    rules = source.network.headers
    first = source.headers_from(height - height % rules.period, 1)
    raw = source.headers_from(height, 1)
    if not first or not raw:
        return None
    return _counted(rules, height, raw[0], read_fields(first[0]).bits)


def counted_after(source: Headers, last: Counted, count: int) -> list[Counted]:
    """Return what counts of at most ``count`` blocks after ``last``, each following the one before.

    Fewer where the chain ends, or where the source reorganised between two questions: then what follows is for the
    next time. Raises as ``counted_at`` does.
    """
    rules = source.network.headers
    found: list[Counted] = []
    for raw in source.headers_from(last.height + 1, count):
        if read_fields(raw).previous != last.hash:
            break
        last = _counted(rules, last.height + 1, raw, last.period_bits)
        found.append(last)
    return found


def _counted(rules: HeaderRules, height: int, raw: bytes, period_bits: int) -> Counted:
    """Check that a header has the work it claims, and no other target than its period allows."""
    try:
        header = Header.decode(raw)
        # The genesis block is known by its hash: not every test network's has work.
        if height > 0:
            check_work(header, rules.network.pow_limit)
    except (MalformedError, VerificationError) as error:
        raise SourceError(
            f"the source's header {height} of {rules.network.name} does not hold: {error}; do not trust this source"
        ) from error
    if height % rules.period == 0:
        period_bits = header.bits
    if header.bits not in {period_bits, rules.limit_bits}:
        raise SourceError(
            f"expected header {height} {hash_hex(header.hash)} with compact target {period_bits:08x}, as its period "
            f"began, or {rules.limit_bits:08x}, found {header.bits:08x}; ask again, and if it stays so do not trust "
            "this source"
        )
    return Counted(height, header.hash, header.bits, period_bits)
