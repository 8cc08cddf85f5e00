"""Which header may follow a chain: links, proof of work, difficulty, times and versions of each network; pure.

Headers come from ``header_store``, which reads them from a Bitcoin source or from its file; the clock comes in as
an argument. ``header_store`` keeps what passes here, and ``anchor.proof.verify`` believes what is kept.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple, NoReturn

from anchor.proof.bitcoin.hashes import hash_hex, sha256d
from anchor.proof.bitcoin.header import HEADER_SIZE
from anchor.proof.bitcoin.networks import NETWORKS, NetworkRules
from anchor.proof.bitcoin.work import bits_from_target, target_from_bits, work_from_bits
from anchor.proof.errors import AnchorlineError, MalformedError, VerificationError

# Consensus: CBlockIndex::nMedianTimeSpan in Bitcoin Core, chain.h.
MEDIAN_SPAN = 11
# Consensus: MAX_FUTURE_BLOCK_TIME in Bitcoin Core, chain.h.
MAX_FUTURE_S = 2 * 60 * 60
# Consensus of testnet4: MAX_TIMEWARP in Bitcoin Core, consensus/consensus.h (BIP 94).
MAX_TIMEWARP_S = 600
# Consensus: nPowTargetSpacing of every network in Bitcoin Core, kernel/chainparams.cpp.
SPACING_S = 10 * 60

# version, previous, (Merkle root), time, bits, (nonce)
_FIELDS = struct.Struct("<i32s32xII4x")


class HeaderRule(StrEnum):
    """Names of the rules that a header can break."""

    UNLINKED = "not-linked"
    TARGET_INVALID = "target-invalid"
    TARGET_ABOVE_LIMIT = "target-above-network-limit"
    WORK_MISSING = "proof-of-work-missing"
    DIFFICULTY_WRONG = "difficulty-wrong"
    TIME_TOO_OLD = "time-not-after-median"
    TIMEWARP = "timewarp"
    TIME_TOO_NEW = "time-too-far-ahead"
    VERSION_OUTDATED = "version-outdated"


class HeaderRefusedError(AnchorlineError):
    """A header may not follow the chain that it was offered for.

    ``rule`` is the stable name of what it breaks, ``height`` where it would stand. TIME_TOO_NEW alone may pass
    later: all others are for ever.
    """

    def __init__(self, rule: HeaderRule, height: int, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.height = height


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """What decides, on one network, whether a header may follow; values of Bitcoin Core, kernel/chainparams.cpp.

    ``genesis`` is the 80 bytes of block 0, ``limit_bits`` the easiest target in compact form. A difficulty period has
    ``period`` blocks; where ``retargets``, the time it took sets the next one's target. ``eases_after_s``: a block
    that comes more than so many seconds after its parent, and is not the first of a period, must have the easiest
    target (the 20-minute rule); None where there is no such rule. ``is_bip94``: a retarget begins from the target of
    the period's first block instead of its last, and a period's first time is at most ``MAX_TIMEWARP_S`` before its
    parent's. ``versions`` are pairs of a height and the least version from there on, ascending (BIP 34, 66 and 65).
    ``unseen`` names what else makes a block valid there and no header shows; empty where nothing but a block's
    contents does.
    """

    network: NetworkRules
    genesis: bytes
    period: int
    retargets: bool
    eases_after_s: int | None
    is_bip94: bool
    versions: tuple[tuple[int, int], ...]
    unseen: str = ""
    limit_bits: int = field(init=False)

    def __post_init__(self) -> None:
        limit_bits = bits_from_target(self.network.pow_limit)
        if target_from_bits(limit_bits) != self.network.pow_limit:
            raise MalformedError(
                f"{self.network.name}: expected an easiest target that has a compact form, such as that of "
                f"{limit_bits:08x}, found {self.network.pow_limit:064x}"
            )
        object.__setattr__(self, "limit_bits", limit_bits)
        if self.retargets and self.network.pow_limit * 4 * self.period * SPACING_S >> 256:
            raise MalformedError(
                f"{self.network.name}: expected a limit that a retarget can multiply in 256 bits, as Bitcoin Core "
                f"does, found {self.network.pow_limit:064x}; such a network must not retarget"
            )


class HeaderFields(NamedTuple):
    """What the rules read in a header: version (i32), hash of the parent, time in seconds, compact target (u32)."""

    version: int
    previous: bytes
    time_s: int
    bits: int


class ChainEnd(NamedTuple):
    """The last header of a chain, with all that the next one is judged by; a tuple, since one is made per header.

    ``work`` is that of the whole chain, in expected hashes, from genesis on. ``times_s`` are the newest times, at
    most 11, oldest first, the last of them the header's own. ``usual_bits`` is the newest target of this difficulty
    period that is not the easiest, or else the one the period began with. ``period_time_s`` and ``period_bits`` are
    those of the period's first header.
    """

    height: int
    hash: bytes
    work: int
    times_s: tuple[int, ...]
    bits: int
    usual_bits: int
    period_time_s: int
    period_bits: int


def read_fields(raw: bytes) -> HeaderFields:
    """Return what the rules read in a header of 80 bytes; raise MalformedError for another length."""
    if len(raw) != HEADER_SIZE:
        raise MalformedError(f"expected a block header of {HEADER_SIZE} bytes, found {len(raw)}")
    return HeaderFields(*_FIELDS.unpack(raw))


def genesis_end(rules: HeaderRules) -> ChainEnd:
    """Return the chain that is the genesis block only; raise MalformedError if it is not the network's."""
    block_hash = sha256d(rules.genesis)
    if block_hash != rules.network.genesis_hash:
        raise MalformedError(
            f"expected the genesis block of {rules.network.name}, {hash_hex(rules.network.genesis_hash)}, "
            f"found {hash_hex(block_hash)}"
        )
    fields = read_fields(rules.genesis)
    return lone_end(0, block_hash, fields, work_from_bits(fields.bits))


def lone_end(height: int, block_hash: bytes, fields: HeaderFields, work: int) -> ChainEnd:
    """Return the end of a chain of which one header only is known.

    Right where that header is the genesis block. Elsewhere ``advance`` makes it right: after eleven headers, among
    them the first of a period.
    """
    time_s, bits = fields.time_s, fields.bits
    return ChainEnd(height, block_hash, work, (time_s,), bits, bits, time_s, bits)


def follow(rules: HeaderRules, end: ChainEnd, raw: bytes, now_s: float) -> ChainEnd:
    """Judge one header of 80 bytes, and return the chain that it makes longer.

    ``now_s`` is the clock, in seconds since 1970. Raises HeaderRefusedError with the first rule it breaks, in
    Bitcoin Core's order (validation.cpp, CheckBlockHeader and ContextualCheckBlockHeader), MalformedError for
    another length.
    """
    fields = read_fields(raw)
    if fields.previous != end.hash:
        _refuse(HeaderRule.UNLINKED, end, f"the parent {hash_hex(end.hash)}", hash_hex(fields.previous))
    block_hash = sha256d(raw)
    check_own_work(rules, end, fields.bits, block_hash)
    check_context(rules, end, fields, now_s)
    return advance(rules, end, fields, block_hash)


def follow_all(rules: HeaderRules, end: ChainEnd, raws: Iterable[bytes], now_s: float) -> ChainEnd:
    """Judge headers one after the other, as ``follow`` does; memory does not grow with their number.

    Raises what ``follow`` raises, for the first that is refused.
    """
    for raw in raws:
        end = follow(rules, end, raw, now_s)
    return end


def check_own_work(rules: HeaderRules, end: ChainEnd, bits: int, block_hash: bytes) -> None:
    """Check that a hash is at most its own target ``bits``, which is positive and at most the network's easiest.

    Bitcoin Core, pow.cpp, CheckProofOfWork. Raises HeaderRefusedError with TARGET_INVALID, TARGET_ABOVE_LIMIT or
    WORK_MISSING.
    """
    target = _target_of(bits)
    if target is None:
        _refuse(HeaderRule.TARGET_INVALID, end, "a positive target of 256 bits", f"compact target {bits:08x}")
    if target > rules.network.pow_limit:
        _refuse(HeaderRule.TARGET_ABOVE_LIMIT, end, f"at most compact target {rules.limit_bits:08x}", f"{bits:08x}")
    if int.from_bytes(block_hash, "little") > target:
        _refuse(HeaderRule.WORK_MISSING, end, f"a hash of at most {target:064x}", hash_hex(block_hash))


def check_context(rules: HeaderRules, end: ChainEnd, fields: HeaderFields, now_s: float) -> None:
    """Check what a header owes to the chain before it: target, times, version.

    Bitcoin Core, validation.cpp, ContextualCheckBlockHeader. Raises HeaderRefusedError with DIFFICULTY_WRONG,
    TIME_TOO_OLD, TIMEWARP, TIME_TOO_NEW or VERSION_OUTDATED, asked in this order.
    """
    time_s = fields.time_s
    required = next_bits(rules, end, time_s)
    if fields.bits != required:
        _refuse(HeaderRule.DIFFICULTY_WRONG, end, f"compact target {required:08x}", f"{fields.bits:08x}")
    median_s = median_time_s(end)
    if time_s <= median_s:
        _refuse(HeaderRule.TIME_TOO_OLD, end, f"a time after {median_s}, the median before it", str(time_s))
    if rules.is_bip94 and (end.height + 1) % rules.period == 0 and time_s < end.times_s[-1] - MAX_TIMEWARP_S:
        least_s = end.times_s[-1] - MAX_TIMEWARP_S
        _refuse(HeaderRule.TIMEWARP, end, f"the first time of a period to be at least {least_s}", str(time_s))
    if time_s > now_s + MAX_FUTURE_S:
        latest_s = int(now_s) + MAX_FUTURE_S
        _refuse(HeaderRule.TIME_TOO_NEW, end, f"a time up to {latest_s}, two hours from now", str(time_s))
    least = least_version(rules, end.height + 1)
    if fields.version < least:
        _refuse(HeaderRule.VERSION_OUTDATED, end, f"a version of at least {least}", str(fields.version))


def next_bits(rules: HeaderRules, end: ChainEnd, time_s: int) -> int:
    """Return the compact target (u32) that a header of this time must have on this chain.

    Bitcoin Core, pow.cpp, GetNextWorkRequired; on testnet4 also BIP 94.
    """
    if (end.height + 1) % rules.period == 0:
        return _retargeted_bits(rules, end) if rules.retargets else end.bits
    if rules.eases_after_s is None:
        return end.bits
    return rules.limit_bits if time_s > end.times_s[-1] + rules.eases_after_s else end.usual_bits


def median_time_s(end: ChainEnd) -> int:
    """Return the median of a chain's newest eleven times, of fewer near genesis the later of the middle two.

    Bitcoin Core, chain.h, GetMedianTimePast.
    """
    return sorted(end.times_s)[len(end.times_s) // 2]


def least_version(rules: HeaderRules, height: int) -> int:
    """Return the least version that a header may have at ``height``; any i32 before the first soft fork."""
    least = -(1 << 31)
    for since, version in rules.versions:
        if height >= since:
            least = version
    return least


def advance(rules: HeaderRules, end: ChainEnd, fields: HeaderFields, block_hash: bytes) -> ChainEnd:
    """Return the chain with one more header, which was judged before: nothing is checked here."""
    height, bits, time_s = end.height + 1, fields.bits, fields.time_s
    times_s = (*end.times_s[1 - MEDIAN_SPAN :], time_s)
    work = end.work + work_of(bits)
    if height % rules.period == 0:
        return ChainEnd(height, block_hash, work, times_s, bits, bits, time_s, bits)
    usual_bits = end.usual_bits if bits == rules.limit_bits else bits
    return ChainEnd(height, block_hash, work, times_s, bits, usual_bits, end.period_time_s, end.period_bits)


@lru_cache(maxsize=4096)
def work_of(bits: int) -> int:
    """Return the expected hashes behind a header of these ``bits``: ``work_from_bits``, remembered."""
    return work_from_bits(bits)


@lru_cache(maxsize=4096)
def _target_of(bits: int) -> int | None:
    """Return the target that ``bits`` mean, None for one that no header can have."""
    try:
        return target_from_bits(bits)
    except VerificationError:
        return None


def _retargeted_bits(rules: HeaderRules, end: ChainEnd) -> int:
    """Return the first target of the period after ``end``: Bitcoin Core, pow.cpp, CalculateNextWorkRequired.

    The time is that of one block less than the period has: an old slip that is consensus. Its quotient is rounded
    down before the limit is applied, and again into three bytes.
    """
    aim_s = rules.period * SPACING_S
    taken_s = min(max(end.times_s[-1] - end.period_time_s, aim_s // 4), aim_s * 4)
    base = target_from_bits(end.period_bits if rules.is_bip94 else end.bits)
    return bits_from_target(min(base * taken_s // aim_s, rules.network.pow_limit))


# What a person can do about a refused header, where it is not to distrust who gave it.
_ADVICE = {
    HeaderRule.UNLINKED: "give headers in order, without a gap, beginning on a header that is known",
    HeaderRule.TIME_TOO_NEW: "compare this machine's clock with another, or try again later",
}


def _refuse(rule: HeaderRule, end: ChainEnd, expected: str, found: str) -> NoReturn:
    height = end.height + 1
    advice = _ADVICE.get(rule, "no node of this network takes it: do not trust where it came from")
    raise HeaderRefusedError(rule, height, f"header {height}: expected {expected}, found {found}; {advice}")


# Stands last because it is made by the classes above. From Bitcoin Core, kernel/chainparams.cpp: genesis blocks,
# limits, nPowTargetTimespan / nPowTargetSpacing, fPowNoRetargeting, fPowAllowMinDifficultyBlocks, enforce_BIP94, and
# the heights of BIP 34 (version 2), 66 (version 3) and 65 (version 4).
_TWO_WEEKS = 2016
_TWENTY_MINUTES_S = 2 * SPACING_S
_GENESIS_START = "01000000" + "00" * 32
_SATOSHI_ROOT = "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a"
_TESTNET4_ROOT = "4e7b2b9128fe0291db0693af2ae418b767e657cd407e80cb1434221eaea7a07a"

_ALL_RULES = (
    HeaderRules(
        network=NETWORKS["mainnet"],
        genesis=bytes.fromhex(_GENESIS_START + _SATOSHI_ROOT + "29ab5f49ffff001d1dac2b7c"),
        period=_TWO_WEEKS,
        retargets=True,
        eases_after_s=None,
        is_bip94=False,
        versions=((227_931, 2), (363_725, 3), (388_381, 4)),
    ),
    HeaderRules(
        network=NETWORKS["testnet3"],
        genesis=bytes.fromhex(_GENESIS_START + _SATOSHI_ROOT + "dae5494dffff001d1aa4ae18"),
        period=_TWO_WEEKS,
        retargets=True,
        eases_after_s=_TWENTY_MINUTES_S,
        is_bip94=False,
        versions=((21_111, 2), (330_776, 3), (581_885, 4)),
    ),
    HeaderRules(
        network=NETWORKS["testnet4"],
        genesis=bytes.fromhex(_GENESIS_START + _TESTNET4_ROOT + "046f3566ffff001dbb0c7817"),
        period=_TWO_WEEKS,
        retargets=True,
        eases_after_s=_TWENTY_MINUTES_S,
        is_bip94=True,
        versions=((1, 4),),
    ),
    HeaderRules(
        network=NETWORKS["signet"],
        genesis=bytes.fromhex(_GENESIS_START + _SATOSHI_ROOT + "008f4d5fae77031e8ad22203"),
        period=_TWO_WEEKS,
        retargets=True,
        eases_after_s=None,
        is_bip94=False,
        versions=((1, 4),),
        unseen="the signatures of its blocks, which are in their coinbases and not in headers (BIP 325)",
    ),
    HeaderRules(
        network=NETWORKS["regtest"],
        genesis=bytes.fromhex(_GENESIS_START + _SATOSHI_ROOT + "dae5494dffff7f2002000000"),
        period=144,
        retargets=False,
        eases_after_s=_TWENTY_MINUTES_S,
        is_bip94=False,
        versions=((1, 4),),
    ),
)

HEADER_RULES: Mapping[str, HeaderRules] = MappingProxyType({rules.network.name: rules for rules in _ALL_RULES})
