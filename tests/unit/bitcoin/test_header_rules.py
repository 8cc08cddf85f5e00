"""Tests of ``anchor.bitcoin.header_rules``: every rule by hand, and against two referees.

btclib judges random chains of every network, headers without work included, since its rules stand apart from the
work; libbitcoinkernel judges mined regtest headers. What they say must be what our rules say.
"""

import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise

import pbk
import pytest
from btclib.block.block_header import BlockHeader
from btclib.block.header_context import assert_not_timewarp, median_time_past, next_bits_required
from btclib.block.proof_of_work import chain_work
from btclib.consensus import CONSENSUS_PARAMS
from btclib.exceptions import BTClibValueError

from anchor.bitcoin.header_rules import (
    HEADER_RULES,
    ChainEnd,
    HeaderFields,
    HeaderRefusedError,
    HeaderRule,
    HeaderRules,
    advance,
    check_context,
    check_own_work,
    follow,
    follow_all,
    genesis_end,
    least_version,
    lone_end,
    median_time_s,
    next_bits,
    read_fields,
    work_of,
)
from anchor.proof.bitcoin.hashes import hash_hex, sha256d
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.networks import NETWORKS
from anchor.proof.bitcoin.work import target_from_bits
from anchor.proof.errors import MalformedError

MAINNET, TESTNET3, TESTNET4, SIGNET, REGTEST = (
    HEADER_RULES[name] for name in ("mainnet", "testnet3", "testnet4", "signet", "regtest")
)
# Blocks 1 and 2 of mainnet.
MAINNET_1 = bytes.fromhex(
    "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000"
    "982051fd1e4ba744bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299"
)
MAINNET_2 = bytes.fromhex(
    "010000004860eb18bf1b1620e37e9490fc8a427514416fd75159ab86688e9a8300000000"
    "d5fdcc541e25de1c7a5addedf24858b8bb665c9f36ef744ee42c316022c90f9bb0bc6649ffff001d08d2bd61"
)
LATER_S = 2_000_000_000
EASY = 0x1D00FFFF
HARD = 0x1C7FFF80
FUTURE_S = 7_200


def mined(end: ChainEnd, time_s: int, bits: int = 0x207FFFFF, version: int = 0x20000000, *, fits: bool = True) -> bytes:
    """Return a header on ``end`` whose hash is at most its target, or above it."""
    target = target_from_bits(bits)
    nonce = 0
    while True:
        header = Header(version, end.hash, bytes(32), time_s, bits, nonce)
        if (int.from_bytes(header.hash, "little") <= target) is fits:
            return header.encode()
        nonce += 1


def regtest_chain(count: int) -> tuple[list[bytes], ChainEnd]:
    """Return that many mined headers, ten minutes apart, and the chain's end."""
    end, raws = genesis_end(REGTEST), []
    for _ in range(count):
        raws.append(mined(end, end.times_s[-1] + 600))
        end = follow(REGTEST, end, raws[-1], LATER_S)
    return raws, end


def refusal(judge: Callable[[], object]) -> HeaderRule | None:
    """Return the name of the rule that was broken, None if none was."""
    try:
        judge()
    except HeaderRefusedError as error:
        return error.rule
    return None


def end_at(height: int, *, times_s: tuple[int, ...] = (1_000_000,), **fields: int) -> ChainEnd:
    """Return a made-up end of a chain on a network whose easiest target is ``EASY``."""
    known = {"bits": HARD, "usual_bits": HARD, "period_time_s": times_s[0], "period_bits": HARD, **fields}
    return ChainEnd(height, bytes(32), 1 << 40, times_s, **known)


# The networks


@pytest.mark.parametrize("rules", HEADER_RULES.values(), ids=list(HEADER_RULES))
def test_the_genesis_header_is_the_networks_and_has_its_work(rules: HeaderRules) -> None:
    """Each genesis block hashes to the network's identity, below its own target, and begins the chain work."""
    end = genesis_end(rules)
    assert rules.network.genesis_hash == end.hash == sha256d(rules.genesis)
    check_own_work(rules, end, end.bits, end.hash)
    assert (0, work_of(end.bits)) == (end.height, end.work)


@pytest.mark.parametrize(
    ("rules", "chain"),
    [
        (MAINNET, pbk.ChainType.MAINNET),
        (TESTNET3, pbk.ChainType.TESTNET),
        (TESTNET4, pbk.ChainType.TESTNET_4),
        (SIGNET, pbk.ChainType.SIGNET),
        (REGTEST, pbk.ChainType.REGTEST),
    ],
    ids=list(HEADER_RULES),
)
def test_genesis_headers_are_those_of_libbitcoinkernel(rules: HeaderRules, chain: pbk.ChainType) -> None:
    """The 80 bytes are what Bitcoin Core's library has for block 0."""
    with tempfile.TemporaryDirectory() as folder:
        kernel = pbk.load_chainman(folder, chain)
        assert bytes(kernel.get_active_chain().block_tree_entries[0].block_header) == rules.genesis
        del kernel


@pytest.mark.parametrize("name", list(HEADER_RULES))
def test_rules_are_those_that_btclib_has(name: str) -> None:
    """Limits, periods, flags and version heights agree with an independent transcription of Bitcoin Core."""
    rules, params = HEADER_RULES[name], CONSENSUS_PARAMS["testnet" if name == "testnet3" else name]
    assert params.pow_limit_bits == rules.limit_bits.to_bytes(4, "big")
    assert params.difficulty_adjustment_interval == rules.period
    assert params.pow_no_retargeting is not rules.retargets
    assert params.enforce_bip94 is rules.is_bip94
    eases_after_s = 2 * params.pow_target_spacing if params.pow_allow_min_difficulty_blocks else None
    assert eases_after_s == rules.eases_after_s
    floors = ((params.bip34_height, 2), (params.bip66_height, 3), (params.bip65_height, 4))
    for height in {0, 1, 2, *(at + step for at, _ in floors for step in (-1, 0, 1))}:
        least = max([version for at, version in floors if height >= at], default=-(1 << 31))
        assert least == least_version(rules, height)


def test_every_network_has_rules() -> None:
    """Whatever network a receipt can name has rules, under the same name."""
    assert dict(NETWORKS) == {name: rules.network for name, rules in HEADER_RULES.items()}


def test_only_signet_has_what_headers_cannot_show() -> None:
    """Its block signatures are in coinbases, and its rules say so."""
    assert ["signet"] == [name for name, rules in HEADER_RULES.items() if rules.unseen]
    assert "signatures" in SIGNET.unseen


def test_a_genesis_block_of_another_network_is_malformed() -> None:
    """A record with the wrong 80 bytes does not begin a chain."""
    with pytest.raises(MalformedError, match="genesis block of testnet4"):
        genesis_end(replace(TESTNET4, genesis=TESTNET3.genesis))


def test_a_limit_has_one_compact_form() -> None:
    """The compact limit is the network's own; a network whose limit has none cannot be made."""
    assert (0x1D00FFFF, 0x207FFFFF) == (TESTNET4.limit_bits, REGTEST.limit_bits)
    with pytest.raises(MalformedError, match="1d00ffff"):
        replace(TESTNET4, network=replace(TESTNET4.network, pow_limit=TESTNET4.network.pow_limit + 1))


def test_a_network_that_retargets_from_an_enormous_target_cannot_be_made() -> None:
    """Bitcoin Core multiplies in 256 bits; where that would wrap, ours would be another number."""
    with pytest.raises(MalformedError, match="256 bits"):
        replace(REGTEST, retargets=True)


# Each rule by hand


def test_the_first_blocks_of_mainnet_follow_each_other() -> None:
    """Real headers with real work pass every rule."""
    end = follow_all(MAINNET, genesis_end(MAINNET), [MAINNET_1, MAINNET_2], LATER_S)
    assert "000000006a625f06636b8bb6ac7b960a8d03705d1ace08b1a19da3fdcc99ddbd" == hash_hex(end.hash)
    assert (2, 3 * 0x100010001) == (end.height, end.work)


def test_the_same_headers_do_not_follow_another_genesis() -> None:
    """Testnet3's genesis block has another hash, so mainnet's block 1 is not linked to it."""
    assert HeaderRule.UNLINKED is refusal(lambda: follow(TESTNET3, genesis_end(TESTNET3), MAINNET_1, LATER_S))


def test_a_header_follows_its_parent_only() -> None:
    """A gap and a repetition are not linked; the height where it would stand is said."""
    with pytest.raises(HeaderRefusedError, match="header 1: expected the parent 0000") as refused:
        follow(MAINNET, genesis_end(MAINNET), MAINNET_2, LATER_S)
    assert (HeaderRule.UNLINKED, 1) == (refused.value.rule, refused.value.height)
    after_1 = follow(MAINNET, genesis_end(MAINNET), MAINNET_1, LATER_S)
    assert HeaderRule.UNLINKED is refusal(lambda: follow(MAINNET, after_1, MAINNET_1, LATER_S))


@pytest.mark.parametrize("size", [0, 79, 81])
def test_a_header_has_80_bytes(size: int) -> None:
    """Other lengths are malformed."""
    with pytest.raises(MalformedError, match="80 bytes"):
        follow(MAINNET, genesis_end(MAINNET), (MAINNET_1 + b"\x00")[:size], LATER_S)


def test_a_header_without_its_work_is_refused() -> None:
    """One nonce further, mainnet's block 1 is nothing; a regtest header above its target neither."""
    other = MAINNET_1[:76] + (int.from_bytes(MAINNET_1[76:], "little") + 1).to_bytes(4, "little")
    assert HeaderRule.WORK_MISSING is refusal(lambda: follow(MAINNET, genesis_end(MAINNET), other, LATER_S))
    end = genesis_end(REGTEST)
    above = mined(end, end.times_s[-1] + 600, fits=False)
    assert HeaderRule.WORK_MISSING is refusal(lambda: follow(REGTEST, end, above, LATER_S))


def test_a_hash_that_equals_its_target_has_the_work() -> None:
    """The target is a bound that a hash may reach (pow.cpp, CheckProofOfWork)."""
    target = target_from_bits(EASY)
    end = genesis_end(MAINNET)
    check_own_work(MAINNET, end, EASY, target.to_bytes(32, "little"))
    above = (target + 1).to_bytes(32, "little")
    assert HeaderRule.WORK_MISSING is refusal(lambda: check_own_work(MAINNET, end, EASY, above))


@pytest.mark.parametrize(
    ("bits", "rule"),
    [
        (0x1D000000, HeaderRule.TARGET_INVALID),
        (0x00FFFFFF, HeaderRule.TARGET_INVALID),
        (0x1D80FFFF, HeaderRule.TARGET_INVALID),
        (0x23000100, HeaderRule.TARGET_INVALID),
        (0xFF7FFFFF, HeaderRule.TARGET_INVALID),
        (0x1D010000, HeaderRule.TARGET_ABOVE_LIMIT),
        (0x1D00FFFF, None),
        (0x1C7FFFFF, None),
    ],
)
def test_a_target_is_positive_and_at_most_the_limit(bits: int, rule: HeaderRule | None) -> None:
    """Zero, negative, overflowing and too easy targets are refused, however small the hash."""
    assert rule is refusal(lambda: check_own_work(MAINNET, genesis_end(MAINNET), bits, bytes(32)))


@pytest.mark.parametrize(
    ("height", "first_s", "last_s", "bits", "want"),
    [
        # mainnet's blocks 30,240 to 32,255, the first that changed the difficulty
        (32_255, 1_261_130_161, 1_262_152_739, 0x1D00FFFF, 0x1D00D86A),
        # blocks 0 to 2,015: slower than aimed at, but no target is easier than the limit
        (2_015, 1_231_006_505, 1_233_061_996, 0x1D00FFFF, 0x1D00FFFF),
        # blocks 66,528 to 68,543: so fast that the change stops at a quarter
        (68_543, 1_279_008_237, 1_279_297_671, 0x1C05A3F4, 0x1C0168FD),
        # a first time that never was, so slow that the change stops at four times
        (46_367, 1_263_163_443, 1_269_211_443, 0x1C387F6F, 0x1D00E1FD),
    ],
)
def test_retargets_of_mainnet_are_what_they_were(height: int, first_s: int, last_s: int, bits: int, want: int) -> None:
    """The values that Bitcoin Core tests itself with (pow_tests.cpp)."""
    end = end_at(height, times_s=(last_s,), bits=bits, usual_bits=bits, period_time_s=first_s, period_bits=bits)
    assert want == next_bits(MAINNET, end, last_s + 600)


def test_between_retargets_a_target_is_its_parents() -> None:
    """Mainnet and signet know no other."""
    assert HARD == next_bits(MAINNET, end_at(4_000), 9_000_000)
    fields = HeaderFields(4, bytes(32), 1_000_600, HARD - 1)
    assert HeaderRule.DIFFICULTY_WRONG is refusal(lambda: check_context(MAINNET, end_at(4_000), fields, LATER_S))


@pytest.mark.parametrize("rules", [TESTNET3, TESTNET4], ids=["testnet3", "testnet4"])
def test_after_twenty_minutes_a_block_must_be_easy(rules: HeaderRules) -> None:
    """1,200 seconds are not more than twenty minutes; with one more the easiest target is demanded, not allowed."""
    end = end_at(4_000)
    assert HARD == next_bits(rules, end, 1_000_000 + 1_200)
    assert EASY == next_bits(rules, end, 1_000_000 + 1_201)
    hard = HeaderFields(4, bytes(32), 1_000_000 + 1_201, HARD)
    assert HeaderRule.DIFFICULTY_WRONG is refusal(lambda: check_context(rules, end, hard, LATER_S))


@pytest.mark.parametrize("rules", [TESTNET3, TESTNET4], ids=["testnet3", "testnet4"])
def test_after_an_easy_block_the_usual_target_is_back(rules: HeaderRules) -> None:
    """The walk goes back over easy blocks to the newest that was not, and at most to the period's first."""
    end = end_at(4_031, bits=HARD)
    for bits, usual in [(HARD, HARD), (EASY, HARD), (EASY, HARD), (HARD - 1, HARD - 1), (EASY, HARD - 1)]:
        end = advance(rules, end, HeaderFields(4, end.hash, end.times_s[-1] + 1, bits), bytes(32))
        assert usual == next_bits(rules, end, end.times_s[-1] + 1)
    easy_start = advance(rules, end_at(4_031), HeaderFields(4, bytes(32), 1_000_001, EASY), bytes(32))
    assert EASY == next_bits(rules, easy_start, 1_000_002)


@pytest.mark.parametrize("rules", [TESTNET3, TESTNET4], ids=["testnet3", "testnet4"])
def test_the_first_block_of_a_period_has_no_exception(rules: HeaderRules) -> None:
    """However late it comes, it gets the retargeted difficulty (BIP 94; GetNextWorkRequired)."""
    end = end_at(2_015, times_s=(1_000_000 + 2016 * 600,), period_time_s=1_000_000)
    assert HARD == next_bits(rules, end, end.times_s[-1] + 1_000_000)


def test_testnet4_retargets_from_the_first_block_of_the_period() -> None:
    """An easy last block resets testnet3's difficulty and leaves testnet4's alone (BIP 94)."""
    end = end_at(2_015, times_s=(1_000_000 + 2016 * 600,), bits=EASY, period_time_s=1_000_000)
    assert EASY == next_bits(TESTNET3, end, end.times_s[-1] + 1)
    assert HARD == next_bits(TESTNET4, end, end.times_s[-1] + 1)


def test_a_time_is_after_the_median_of_eleven() -> None:
    """The median itself is refused, one second more is taken, even if other times are later."""
    end = end_at(4_000, times_s=(11, 1, 10, 2, 9, 3, 8, 4, 7, 5, 6))
    assert 6 == median_time_s(end)
    for time_s, rule in [(5, HeaderRule.TIME_TOO_OLD), (6, HeaderRule.TIME_TOO_OLD), (7, None)]:
        fields = HeaderFields(4, bytes(32), time_s, HARD)
        assert rule is refusal(partial(check_context, MAINNET, end, fields, LATER_S))


def test_the_eleventh_time_back_is_forgotten() -> None:
    """Exactly eleven times count."""
    end = genesis_end(REGTEST)
    for step in range(1, 30):
        end = advance(REGTEST, end, HeaderFields(4, end.hash, step, 0x207FFFFF), bytes(32))
    assert tuple(range(19, 30)) == end.times_s
    assert 24 == median_time_s(end)


def test_near_genesis_the_later_of_the_middle_two_is_the_median() -> None:
    """With 2 headers it is the second's time (Bitcoin Core sorts and takes the middle index)."""
    assert 7 == median_time_s(end_at(1, times_s=(3, 7)))


@pytest.mark.parametrize(("behind_s", "rule"), [(600, None), (601, HeaderRule.TIMEWARP)])
def test_on_testnet4_a_period_begins_at_most_ten_minutes_back(behind_s: int, rule: HeaderRule | None) -> None:
    """BIP 94's bound against the time warp; 600 seconds are allowed, and only there is it asked."""
    times_s = (*range(1_000_000, 1_000_010), 2_209_600)
    fields = HeaderFields(4, bytes(32), times_s[-1] - behind_s, HARD)
    for height in (2_015, 4_031):
        end = end_at(height, times_s=times_s)
        assert rule is refusal(partial(check_context, TESTNET4, end, fields, LATER_S))
        assert None is refusal(partial(check_context, TESTNET3, end, fields, LATER_S))
    assert None is refusal(lambda: check_context(TESTNET4, end_at(2_016, times_s=times_s), fields, LATER_S))


def test_a_time_is_at_most_two_hours_ahead_of_the_clock() -> None:
    """7,200 seconds are allowed; what was refused passes when the clock has moved on."""
    end = end_at(4_000)
    fields = HeaderFields(4, bytes(32), 1_010_000, HARD)
    assert None is refusal(lambda: check_context(MAINNET, end, fields, 1_010_000 - FUTURE_S))
    assert HeaderRule.TIME_TOO_NEW is refusal(lambda: check_context(MAINNET, end, fields, 1_010_000 - FUTURE_S - 0.5))


@pytest.mark.parametrize(
    ("height", "version", "rule"),
    [
        (227_930, -5, None),
        (227_931, 1, HeaderRule.VERSION_OUTDATED),
        (227_931, 2, None),
        (363_725, 2, HeaderRule.VERSION_OUTDATED),
        (388_381, 3, HeaderRule.VERSION_OUTDATED),
        (388_381, 4, None),
        (388_381, -1, HeaderRule.VERSION_OUTDATED),
    ],
)
def test_old_versions_end_with_their_soft_forks(height: int, version: int, rule: HeaderRule | None) -> None:
    """BIP 34, 66 and 65 each made a version the least; a version with its highest bit set is negative."""
    fields = HeaderFields(version, bytes(32), 1_000_600, HARD)
    assert rule is refusal(lambda: check_context(MAINNET, end_at(height - 1), fields, LATER_S))


def test_rules_are_asked_in_bitcoin_cores_order() -> None:
    """A header that breaks all is refused for the first, so two programs name the same fault."""
    end = end_at(2_015, times_s=(1_000_000, 2_000_000), period_bits=EASY)
    want = next_bits(TESTNET4, end, 0)
    bad_bits = HeaderFields(1, bytes(32), 0, want - 1)
    assert HeaderRule.DIFFICULTY_WRONG is refusal(lambda: check_context(TESTNET4, end, bad_bits, -(10**9)))
    old = bad_bits._replace(bits=want)
    assert HeaderRule.TIME_TOO_OLD is refusal(lambda: check_context(TESTNET4, end, old, -(10**9)))
    single = end._replace(times_s=(0,) * 10 + (2_000_000,))
    warped = old._replace(time_s=1)
    assert HeaderRule.TIMEWARP is refusal(lambda: check_context(TESTNET4, single, warped, -(10**9)))
    ahead = old._replace(time_s=2_000_001)
    assert HeaderRule.TIME_TOO_NEW is refusal(lambda: check_context(TESTNET4, end, ahead, 0))
    assert HeaderRule.VERSION_OUTDATED is refusal(lambda: check_context(TESTNET4, end, ahead, 2_000_000))


def test_a_chain_read_from_its_middle_is_the_same_after_eleven_headers_and_a_period() -> None:
    """The store rebuilds the end of a chain from its last headers, not from all."""
    raws, end = regtest_chain(300)
    headers = [read_fields(raw) for raw in raws]
    for first in (130, 144):  # heights: eleven headers before a period's first, and that first itself
        rebuilt = lone_end(first, sha256d(raws[first - 1]), headers[first - 1], (first + 1) * 2)
        for raw, fields in zip(raws[first:], headers[first:], strict=True):
            rebuilt = advance(REGTEST, rebuilt, fields, sha256d(raw))
        assert end == rebuilt


# Referees


@pytest.fixture
def kernel() -> Iterator[pbk.ChainstateManager]:
    """A libbitcoinkernel on regtest that knows the genesis block."""
    with tempfile.TemporaryDirectory() as folder:
        kernel = pbk.load_chainman(folder, pbk.ChainType.REGTEST)
        yield kernel
        del kernel


def kernel_takes(kernel: pbk.ChainstateManager, raw: bytes) -> bool:
    """Say whether the kernel takes a header."""
    try:
        state = kernel.process_block_header(pbk.BlockHeader(raw))
    except pbk.ProcessBlockHeaderException:
        return False
    return bool(state.validation_mode == pbk.ValidationMode.VALID)


def test_libbitcoinkernel_takes_and_refuses_what_we_do(kernel: pbk.ChainstateManager) -> None:
    """On a mined regtest chain with random faults both say the same of every header, and of the best chain."""
    chance = random.Random(20_261_122)
    now_s = int(datetime.now(UTC).timestamp())
    end = genesis_end(REGTEST)
    seen: set[HeaderRule | None] = set()
    for _ in range(500):
        median_s, last_s = median_time_s(end), end.times_s[-1]
        times_s = [median_s - 1, median_s, median_s + 1, last_s + 600, last_s + 1_201, last_s - 700]
        time_s = chance.choice([*times_s, *[last_s + 600] * 8, now_s + 2 * FUTURE_S])
        version = chance.choice([4, 0x20000000, 0x20000000, 0x7FFFFFFF, 3, 1, 0, -1])
        bits = chance.choice([0x207FFFFF] * 8 + [0x207FFFFE, 0x20008000, 0x1F7FFFFF, 0x21007FFF, 0x207FFFFF | 0x800000])
        parent = chance.choice([end] * 15 + [end._replace(hash=sha256d(end.hash))])
        if 0x800000 & bits:
            raw = Header(version, parent.hash, bytes(32), time_s, bits, 0).encode()
        elif bits == 0x21007FFF:  # the target of 207fffff, written with more zeros: not what the chain demands
            raw = mined(parent, time_s, bits, version)
        else:
            raw = mined(parent, time_s, bits, version, fits=bits < 0x20000000 or chance.random() < 0.9)
        rule = refusal(partial(follow, REGTEST, end, raw, now_s))
        assert (rule is None) is kernel_takes(kernel, raw), (rule, Header.decode(raw))
        seen.add(rule)
        if rule is None:
            end = follow(REGTEST, end, raw, now_s)
            assert (end.height, end.hash) == (kernel.best_entry.height, bytes(kernel.best_entry.block_hash))
    wanted = set(HeaderRule) - {HeaderRule.TIMEWARP, HeaderRule.TARGET_ABOVE_LIMIT}
    assert wanted | {None} == seen
    assert end.height > 100


class Referee:
    """btclib's view of a growing chain: which target comes next, and whether a header may follow."""

    def __init__(self, name: str, genesis: bytes) -> None:
        self.params = CONSENSUS_PARAMS["testnet" if name == "testnet3" else name]
        self.headers = [BlockHeader.parse(genesis, check_validity=False)]
        self.headers[0].nonce = 0  # from here on the height, so that a parent is found without hashing

    def header(self, time_s: int, bits: int) -> BlockHeader:
        """Return the next header, as btclib has it."""
        time = datetime.fromtimestamp(time_s, UTC)
        height = len(self.headers)
        return BlockHeader(4, bytes(32), bytes(32), time, bits.to_bytes(4, "big"), nonce=height, check_validity=False)

    def parent_of(self, header: BlockHeader) -> BlockHeader:
        """Return the header before."""
        return self.headers[header.nonce - 1]

    def required(self, time_s: int) -> int:
        """Return the compact target that a header of this time needs."""
        parent = self.headers[-1]
        bits = next_bits_required(self.header(time_s, 0), parent, parent.nonce, self.parent_of, self.params)
        return int.from_bytes(bits, "big")

    def refuses(self, time_s: int, bits: int, now_s: float) -> HeaderRule | None:
        """Return the first rule broken, in Bitcoin Core's order."""
        header, parent = self.header(time_s, bits), self.headers[-1]
        if bits != self.required(time_s):
            return HeaderRule.DIFFICULTY_WRONG
        if time_s <= median_time_past(parent, parent.nonce, self.parent_of):
            return HeaderRule.TIME_TOO_OLD
        try:
            assert_not_timewarp(header, parent, parent.nonce, self.params)
        except BTClibValueError:
            return HeaderRule.TIMEWARP
        try:
            header.assert_valid_time(datetime.fromtimestamp(now_s, UTC))
        except BTClibValueError:
            return HeaderRule.TIME_TOO_NEW
        return None


def some_time_s(chance: random.Random, end: ChainEnd, mean_s: int) -> int:
    """Return a time for the next header: mostly ordinary, sometimes on an edge."""
    last_s = end.times_s[-1]
    edges = [last_s + 1_199, last_s + 1_200, last_s + 1_201, last_s - 599, last_s - 600, last_s - 601]
    edges += [median_time_s(end) + step for step in (-1, 0, 1)]
    return chance.choice(edges) if chance.random() < 0.2 else last_s + chance.randrange(2 * mean_s)


def ours(rules: HeaderRules, end: ChainEnd, time_s: int, bits: int, now_s: float) -> HeaderRule | None:
    """Return the rule that a header of version 4 breaks on this chain by our account."""
    fields = HeaderFields(0x20000000, end.hash, time_s, bits)
    return refusal(lambda: check_context(rules, end, fields, now_s))


def grow(rules: HeaderRules, seed: int, count: int, means_s: list[int]) -> tuple[ChainEnd, Referee, set[HeaderRule]]:
    """Grow a chain without work, comparing every judgement with btclib's; ``means_s``: of one period each."""
    chance = random.Random(seed)
    end, referee, seen = genesis_end(rules), Referee(rules.network.name, rules.genesis), set()
    while end.height < count:
        time_s = some_time_s(chance, end, means_s[(end.height + 1) // rules.period])
        required = next_bits(rules, end, time_s)
        assert referee.required(time_s) == required, (end.height, time_s)
        bits = required if chance.random() < 0.95 else chance.choice([end.bits, rules.limit_bits, end.period_bits])
        now_s = time_s - chance.choice([0, 0, 0, 0, 0, 0, FUTURE_S, FUTURE_S + 1])
        rule = ours(rules, end, time_s, bits, now_s)
        assert referee.refuses(time_s, bits, now_s) is rule, (end.height, time_s)
        if rule is None:
            referee.headers.append(referee.header(time_s, bits))
            fields = HeaderFields(4, end.hash, time_s, bits)
            end = advance(rules, end, fields, sha256d(end.height.to_bytes(4, "big")))
        else:
            seen.add(rule)
    return end, referee, seen


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", ["mainnet", "testnet3", "testnet4", "signet"])
def test_btclib_judges_random_chains_as_we_do(name: str, seed: int) -> None:
    """Over three retargets, fast and slow periods, easy blocks and every edge of every time rule."""
    rules = HEADER_RULES[name]
    end, referee, seen = grow(rules, seed, 3 * 2016 + 20, [120, 90 + 400 * seed, 700, 600])
    assert chain_work([header.bits for header in referee.headers]) == end.work
    targets = {int.from_bytes(header.bits, "big") for header in referee.headers}
    assert len(targets) >= 3
    wanted = {HeaderRule.DIFFICULTY_WRONG, HeaderRule.TIME_TOO_OLD, HeaderRule.TIME_TOO_NEW}
    assert wanted <= seen


def test_btclib_judges_random_regtest_chains_as_we_do() -> None:
    """With periods of 144 blocks, without retargets, on the 20-minute rule that can change nothing there."""
    end, referee, seen = grow(REGTEST, 7, 700, [700] * 10)
    assert chain_work([header.bits for header in referee.headers]) == end.work == 701 * 2
    assert {HeaderRule.TIME_TOO_OLD, HeaderRule.TIME_TOO_NEW} == seen


@pytest.mark.parametrize("name", ["testnet3", "testnet4"])
def test_btclib_judges_block_storms_as_we_do(name: str) -> None:
    """A period that ends with a long run of easy blocks, on either side of its last one, and the one after it."""
    rules = HEADER_RULES[name]
    end, referee = genesis_end(rules), Referee(name, rules.genesis)
    for height in range(1, 3 * 2016 + 3):
        storm = 2 * 2016 - 300 <= height < 2 * 2016
        for probe_s in (1, 1_200, 1_201) if height % 2016 in {2014, 2015, 0, 1, 2} else ():
            time_s = end.times_s[-1] + probe_s
            assert referee.required(time_s) == next_bits(rules, end, time_s), (height, probe_s)
        time_s = end.times_s[-1] + (1_201 if storm else 200)
        bits = next_bits(rules, end, time_s)
        assert referee.refuses(time_s, bits, time_s) is None
        referee.headers.append(referee.header(time_s, bits))
        end = advance(rules, end, HeaderFields(4, end.hash, time_s, bits), sha256d(end.hash))
    starts = [int.from_bytes(referee.headers[at].bits, "big") for at in (2016, 4032, 6048)]
    resets = [after > before for before, after in pairwise(target_from_bits(bits) for bits in starts)]
    assert [name == "testnet3", False] == resets


@pytest.mark.parametrize("behind_s", [0, 1, 599, 600, 601, 4_999])
def test_btclib_judges_the_start_of_a_period_as_we_do(behind_s: int) -> None:
    """BIP 94's bound, on either side of it, at a period's first header and at the one after."""
    end, referee = genesis_end(TESTNET4), Referee("testnet4", TESTNET4.genesis)
    for height in range(1, 2_018):
        if height >= 2_016:
            time_s = end.times_s[-1] - behind_s
            bits = next_bits(TESTNET4, end, time_s)
            rule = ours(TESTNET4, end, time_s, bits, time_s)
            assert referee.refuses(time_s, bits, time_s) is rule
            assert (HeaderRule.TIMEWARP if height == 2_016 and behind_s > 600 else None) is rule
        time_s = end.times_s[-1] + 1_000
        bits = next_bits(TESTNET4, end, time_s)
        referee.headers.append(referee.header(time_s, bits))
        end = advance(TESTNET4, end, HeaderFields(4, end.hash, time_s, bits), sha256d(end.hash))


def test_chain_work_is_what_bitcoin_core_expects_of_hashes() -> None:
    """2^256 // (target + 1): 2 for regtest, 4,295,032,833 for the easiest target of mainnet."""
    assert (2, 0x100010001) == (work_of(0x207FFFFF), work_of(EASY))
