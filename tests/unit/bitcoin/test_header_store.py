"""Tests of ``anchor.bitcoin.header_store``: keeping, reorganising, crashing, lying sources, and two referees.

Headers are mined, on regtest and on a made-up network whose blocks cost some ten thousand hashes and whose difficulty
changes; the embedded regtest is the honest source, and libbitcoinkernel says which chain is best.
"""

import hashlib
import os
import random
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pbk
import pytest

from anchor.bitcoin import header_folder, header_sync
from anchor.bitcoin.core_rpc import CoreSource
from anchor.bitcoin.header_checkpoint import Checkpoint
from anchor.bitcoin.header_note import SyncNote
from anchor.bitcoin.header_rules import (
    HEADER_RULES,
    ChainEnd,
    HeaderRefusedError,
    HeaderRule,
    HeaderRules,
    advance,
    follow_all,
    genesis_end,
    next_bits,
    read_fields,
    work_of,
)
from anchor.bitcoin.header_store import Extended, HeaderStore
from anchor.bitcoin.header_sync import BadHeadersError, sync
from anchor.bitcoin.json_rpc import Cookie
from anchor.bitcoin.local import LocalRegtest
from anchor.bitcoin.networks import NETWORKS, Network
from anchor.bitcoin.protocols import BlockId
from anchor.errors import (
    SourceUnavailableError,
    StorageBusyError,
    StorageCorruptError,
    StorageError,
    StorageFullError,
    StorageReadOnlyError,
    WrongNetworkError,
)
from anchor.proof.bitcoin.hashes import hash_hex, sha256d
from anchor.proof.bitcoin.networks import NetworkRules
from anchor.proof.bitcoin.work import target_from_bits
from anchor.proof.blocks import HeaderChain, KnownBlock, KnownBlocks, encode_headers
from anchor.proof.errors import MalformedError, TooLargeError
from tests.node import RpcFailure, running_node

ROOT = Path(__file__).parents[3]
REGTEST = HEADER_RULES["regtest"]
EASY = 0x1F03FFFF


def mine(rules: HeaderRules, end: ChainEnd, step_s: int = 600, mark: int = 0) -> tuple[bytes, ChainEnd]:
    """Return a mined header on ``end``, ``step_s`` later, and the chain with it; ``mark`` makes it unlike others."""
    time_s = end.times_s[-1] + step_s
    bits = next_bits(rules, end, time_s)
    head = struct.pack("<i32s32sII", 4, end.hash, mark.to_bytes(32, "big"), time_s, bits)
    target, begun, nonce = target_from_bits(bits), hashlib.sha256(head[:64]), 0
    while True:
        inner = begun.copy()
        inner.update(head[64:] + nonce.to_bytes(4, "little"))
        block_hash = hashlib.sha256(inner.digest()).digest()
        if int.from_bytes(block_hash, "little") <= target:
            raw = head + nonce.to_bytes(4, "little")
            return raw, advance(rules, end, read_fields(raw), block_hash)
        nonce += 1


def mine_many(
    end: ChainEnd, count: int, *, rules: HeaderRules = REGTEST, step_s: int = 600, mark: int = 0
) -> list[bytes]:
    """Return that many mined headers on ``end``."""
    raws = []
    for _ in range(count):
        raw, end = mine(rules, end, step_s, mark)
        raws.append(raw)
    return raws


def end_of(raws: list[bytes], rules: HeaderRules = REGTEST, start: ChainEnd | None = None) -> ChainEnd:
    """Return the end of the chain from genesis (or ``start``) through these headers, judged."""
    return follow_all(rules, start or genesis_end(rules), raws, 4e9)


def steep_rules() -> HeaderRules:
    """Return a network like testnet4, with periods of four blocks, each of 2^14 hashes at least."""
    raw = bytes.fromhex("01000000" + "00" * 64) + struct.pack("<III", 1_700_000_000, EASY, 0)
    network = NetworkRules("steep", sha256d(raw), b"stee", target_from_bits(EASY), "A network for tests.")
    testnet4 = HEADER_RULES["testnet4"]
    return replace(testnet4, network=network, genesis=raw, period=4)


STEEP = steep_rules()
CHAIN = mine_many(genesis_end(REGTEST), 320)
# The end of CHAIN's first n headers, judged.
ENDS = [genesis_end(REGTEST)]
for _raw in CHAIN:
    ENDS.append(follow_all(REGTEST, ENDS[-1], [_raw], 4e9))
# From block 300 on; as heavy as CHAIN at 20 headers.
OTHER = mine_many(ENDS[300], 30, mark=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HeaderStore]:
    """A store on regtest that has CHAIN."""
    with HeaderStore(tmp_path, REGTEST) as made:
        made.extend(CHAIN)
        yield made


def full_work(store: HeaderStore, raws: list[bytes], place: int) -> int | None:
    """Return the work of a block of real difficulty where easy ones may be: the nearest before, in this period.

    That is how Bitcoin Core finds it; the store takes the period's first header, and both are to be the same.
    """
    rules, start = store._rules, store.start().height
    if rules.eases_after_s is None or rules.network.name == "regtest":
        return None
    while place > 0 and (start + place) % rules.period and read_fields(raws[place]).bits == rules.limit_bits:
        place -= 1
    return work_of(read_fields(raws[place]).bits if place else store._start.end.usual_bits)


def holds(store: HeaderStore, raws: list[bytes]) -> bool:
    """Say whether the best chain is genesis and these headers, by every way to ask."""
    all_raws = [store._start.header, *raws]
    start = store.start().height
    hashes = [sha256d(raw) for raw in all_raws]
    works = [work_of(read_fields(raw).bits) for raw in all_raws]
    known = [
        KnownBlock(block_hash, len(hashes) - place, sum(works[place:]), full_work(store, all_raws, place))
        for place, block_hash in enumerate(hashes)
    ]
    return (
        store.tip() == BlockId(start + len(raws), hashes[-1])
        and [store.at(start + place) for place in range(len(hashes))] == known
        and [store.header(block_hash) for block_hash in hashes] == all_raws
        and store.headers_from(start, len(hashes) + 1) == all_raws
        and store.headers_from(start + 1, 1) == all_raws[1:2]
        and store.at(start - 1) is store.at(start + len(hashes)) is None
        and store.headers_from(start - 1, 5) == store.headers_from(start + len(hashes), 5) == []
        and store.work() == store._start.end.work + sum(works[1:])
    )


# Keeping


@pytest.mark.parametrize("rules", HEADER_RULES.values(), ids=list(HEADER_RULES))
def test_a_new_store_has_the_genesis_block(tmp_path: Path, rules: HeaderRules) -> None:
    """Of whichever network, durably."""
    for _ in range(2):
        with HeaderStore(tmp_path, rules) as store:
            assert holds(store, [])
            assert BlockId(0, rules.network.genesis_hash) == store.start() == store.tip()
            assert rules.network.name == store.network


def test_headers_are_kept(tmp_path: Path) -> None:
    """What was extended is there by height and by hash, and after opening anew."""
    with HeaderStore(tmp_path, REGTEST) as store:
        assert Extended(BlockId(320, sha256d(CHAIN[-1])), added=320) == store.extend(CHAIN)
        assert holds(store, CHAIN)
    with HeaderStore(tmp_path, REGTEST) as store:
        assert holds(store, CHAIN)
    assert REGTEST.genesis + b"".join(CHAIN) == (tmp_path / "regtest" / "headers").read_bytes()


def test_verify_believes_the_store_as_it_does_a_headers_file(store: HeaderStore) -> None:
    """The store is a KnownBlocks, and answers for each height what a file of the same headers does."""
    view: KnownBlocks = store
    chain = HeaderChain.decode(encode_headers("regtest", 0, [REGTEST.genesis, *CHAIN]))
    for height in range(-1, 322):
        ours, given = view.at(height), chain.at(height)
        assert (ours and (ours.hash, ours.confirmations, ours.work)) == (
            given and (given.hash, given.confirmations, given.work)
        )
    assert "regtest" == view.network
    assert (
        f"your header store: 321 headers, tip 320 {hash_hex(sha256d(CHAIN[-1]))} "
        "(proof of work and difficulty checked by this machine)"
    ) == view.believed


def test_the_verdict_names_who_was_synchronised_from(store: HeaderStore, tmp_path: Path) -> None:
    """Whoever gave the headers, and when, is kept beside them; a note that rotted is none."""
    store.write_note(SyncNote("https://node.example", 1_750_000_000_000))
    assert ", synchronised from https://node.example at 2025-06-15T15:06:40Z (proof" in store.believed
    for rotten in (b"", b"{}", b'{"source": "x", "at_ms": 1e99}', b"[" * 5000, b'{"source": 1, "at_ms": "x"}', b"\xff"):
        (tmp_path / "regtest" / "synced").write_bytes(rotten)
        assert store.note() is None
        assert "synchronised from" not in store.believed


def test_on_signet_the_store_says_what_it_could_not_check(tmp_path: Path) -> None:
    """Block signatures are in no header, so the verdict must not sound as if they had been seen."""
    with HeaderStore(tmp_path, HEADER_RULES["signet"]) as store:
        assert "not the signatures of its blocks" in store.believed


def test_hashes_that_are_not_on_the_best_chain_are_not_found(store: HeaderStore) -> None:
    """Neither unknown ones, nor the zeros before genesis, nor bytes that happen to stand in the file."""
    merkle_root = CHAIN[5][36:68]
    for unknown in (bytes(32), sha256d(b""), merkle_root, CHAIN[5][5:37], b"", CHAIN[5][4:35], sha256d(OTHER[0])):
        assert store.header(unknown) is None


def test_a_hash_is_found_although_its_bytes_stand_elsewhere_too(tmp_path: Path) -> None:
    """A later header may carry any bytes, such as an older block's hash as its Merkle root."""
    raws = CHAIN[:10]
    end = end_of(raws)
    for target in (sha256d(CHAIN[3]), sha256d(CHAIN[9])):
        raw, end = mine(REGTEST, end, mark=int.from_bytes(target, "big"))
        raws = [*raws, raw]
    with HeaderStore(tmp_path, REGTEST) as store:
        store.extend(raws)
        assert holds(store, raws)


def test_a_call_may_be_repeated(store: HeaderStore) -> None:
    """Headers that are known are passed over, also with the genesis block in front, also in part."""
    assert Extended(store.tip()) == store.extend(CHAIN)
    assert Extended(store.tip()) == store.extend([REGTEST.genesis])
    assert Extended(store.tip()) == store.extend([])
    (more,) = mine_many(ENDS[-1], 1)
    assert Extended(BlockId(321, sha256d(more)), added=1) == store.extend([REGTEST.genesis, *CHAIN, more])
    assert holds(store, [*CHAIN, more])


@pytest.mark.parametrize("height", [1, 9, 10, 11, 12, 142, 143, 144, 145, 153, 154, 155, 156, 287, 288, 300])
def test_a_store_goes_on_after_any_height(tmp_path: Path, height: int) -> None:
    """What the next header is judged by is rebuilt from the file: eleven times, and the period's beginning."""
    with HeaderStore(tmp_path, REGTEST) as store:
        store.extend(CHAIN[:height])
    with HeaderStore(tmp_path, REGTEST) as store:
        assert ENDS[height] == store._end
        store.extend(CHAIN[height:])
        assert ENDS == [store._end_at(at) for at in range(321)]


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (lambda raw: raw[:4] + bytes(32) + raw[36:], HeaderRule.UNLINKED),
        (lambda raw: raw[:68] + bytes(4) + raw[72:], HeaderRule.TIME_TOO_OLD),
        (lambda raw: raw[:72] + bytes.fromhex("ffff001f") + raw[76:], HeaderRule.WORK_MISSING),
    ],
)
def test_a_bad_header_changes_nothing(
    store: HeaderStore, tmp_path: Path, fault: Callable[[bytes], bytes], rule: HeaderRule
) -> None:
    """All or nothing of a call is kept, and the refusal says the height."""
    raws = mine_many(ENDS[-1], 3)
    for nonce in range(1_000):  # a faulty header that still has its work, where it can have it
        bad = fault(raws[2])[:76] + nonce.to_bytes(4, "little")
        if sha256d(bad)[31] < 0x7F:
            break
    before = {path.name: path.read_bytes() for path in (tmp_path / "regtest").iterdir()}
    with pytest.raises(HeaderRefusedError) as refused:
        store.extend([*raws[:2], bad])
    assert (rule, 323) == (refused.value.rule, refused.value.height)
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "regtest").iterdir()}
    assert holds(store, CHAIN)


def test_headers_must_follow_something_known(store: HeaderStore) -> None:
    """A gap is refused by name."""
    with pytest.raises(HeaderRefusedError, match="that is neither") as refused:
        store.extend(OTHER[1:])
    assert HeaderRule.UNLINKED is refused.value.rule
    with pytest.raises(MalformedError, match="80 bytes"):
        store.extend([b"\x00" * 79])


def test_the_clock_is_the_stores(tmp_path: Path) -> None:
    """A header more than two hours ahead is refused today and taken tomorrow."""
    now_s = float(genesis_end(REGTEST).times_s[-1])
    raws = mine_many(genesis_end(REGTEST), 13)
    with HeaderStore(tmp_path, REGTEST, now_s=lambda: now_s) as store:
        with pytest.raises(HeaderRefusedError) as refused:
            store.extend(raws)
        assert (HeaderRule.TIME_TOO_NEW, 13) == (refused.value.rule, refused.value.height)
        now_s += 600
        store.extend(raws)
        assert holds(store, raws)


# Reorganising


def test_the_branch_with_more_work_wins_and_the_first_seen_a_tie(store: HeaderStore) -> None:
    """As in every node; an equal branch waits."""
    assert Extended(store.tip(), held=20) == store.extend(OTHER[:20])
    assert holds(store, CHAIN)
    assert Extended(BlockId(321, sha256d(OTHER[20])), added=21, removed=20) == store.extend(OTHER[20:21])
    assert holds(store, [*CHAIN[:300], *OTHER[:21]])
    assert store.header(sha256d(CHAIN[300])) is None


@pytest.mark.parametrize("pieces", [1, 7, 30])
def test_a_branch_may_come_in_pieces(tmp_path: Path, pieces: int) -> None:
    """Held headers are counted once they are on the best chain, and the result outlives closing."""
    with HeaderStore(tmp_path, REGTEST) as store:
        store.extend(CHAIN)
        done = [store.extend(OTHER[at : at + pieces]) for at in range(0, 30, pieces)]
        assert (30, 20) == (sum(each.added for each in done), sum(each.removed for each in done))
    with HeaderStore(tmp_path, REGTEST) as store:
        assert holds(store, [*CHAIN[:300], *OTHER])


def test_a_reorganisation_may_reach_to_genesis(store: HeaderStore) -> None:
    """No depth is too deep: work alone decides."""
    rival = mine_many(genesis_end(REGTEST), 321, mark=2)
    assert Extended(BlockId(321, sha256d(rival[-1])), added=321, removed=320) == store.extend(rival)
    assert holds(store, rival)


def test_after_a_reorganisation_the_old_chain_may_come_back(store: HeaderStore) -> None:
    """What left the best chain is judged like anything else when it is offered again with more on it."""
    store.extend(OTHER)
    back = [*CHAIN[300:], *mine_many(ENDS[-1], 11)]
    assert Extended(BlockId(331, sha256d(back[-1])), added=31, removed=30) == store.extend(back)
    assert holds(store, [*CHAIN[:300], *back])


def work_at(store: HeaderStore, height: int) -> int | None:
    """Return the work of a block and all on top of it."""
    known = store.at(height)
    return None if known is None else known.work


def full_confirmations(store: HeaderStore, height: int) -> int | None:
    """Return how many blocks of real difficulty this work is worth."""
    known = store.at(height)
    return None if known is None else known.full_confirmations


def test_work_decides_and_not_the_number_of_headers(tmp_path: Path) -> None:
    """One header of real difficulty replaces three easy ones (BIP 94, rationale), and the file gets shorter."""
    trunk = mine_many(genesis_end(STEEP), 4, rules=STEEP, step_s=1)
    end = end_of(trunk, STEEP)
    easy = mine_many(end, 3, rules=STEEP, step_s=1_201)
    assert 4 * work_of(EASY) <= work_of(end.bits)
    hard = mine_many(end, 1, rules=STEEP, step_s=600, mark=1)
    with HeaderStore(tmp_path, STEEP) as store:
        store.extend([*trunk, *easy])
        assert 3 * work_of(EASY) == work_at(store, 5)
        assert 0 == full_confirmations(store, 5)
        assert Extended(BlockId(5, sha256d(hard[0])), added=1, removed=3) == store.extend(hard)
        assert work_of(end.bits) == work_at(store, 5)
        assert 1 == full_confirmations(store, 5)
        assert 6 * 80 == (tmp_path / "steep" / "headers").stat().st_size
    with HeaderStore(tmp_path, STEEP) as store:
        assert holds(store, [*trunk, *hard])


def test_difficulty_is_checked_in_the_store(tmp_path: Path) -> None:
    """A header with work for another target than the chain demands is refused, on the best chain and on a branch."""
    trunk = mine_many(genesis_end(STEEP), 6, rules=STEEP, step_s=1)
    lax = replace(STEEP, retargets=False)
    with HeaderStore(tmp_path, STEEP) as store:
        store.extend(trunk)
        for length in (6, 3):
            end = end_of(trunk[:length], STEEP)
            (bad,) = mine_many(end._replace(bits=EASY, usual_bits=EASY), 1, rules=lax, step_s=1, mark=9)
            with pytest.raises(HeaderRefusedError) as refused:
                store.extend([bad])
            assert (HeaderRule.DIFFICULTY_WRONG, length + 1) == (refused.value.rule, refused.value.height)
        assert holds(store, trunk)


def test_branches_are_bounded_in_number(store: HeaderStore) -> None:
    """The oldest is forgotten; whoever offers it again begins at its fork."""
    ends = [ENDS[300] for _ in range(6)]
    firsts = []
    for mark in range(6):
        raw, ends[mark] = mine(REGTEST, ends[mark], mark=10 + mark)
        firsts.append(raw)
        store.extend([raw])
    assert [sha256d(raw) for raw in firsts[2:]] == [branch.end.hash for branch in store._branches]
    (second,) = mine_many(ends[0], 1)
    with pytest.raises(HeaderRefusedError, match="that is neither"):
        store.extend([second])
    assert Extended(store.tip(), held=2) == store.extend([firsts[0], second])


def test_the_same_branch_again_is_held_once(store: HeaderStore) -> None:
    """A source asked twice does not fill the memory."""
    for _ in range(3):
        store.extend(OTHER[:5])
    assert [5] == [branch.length for branch in store._branches]


def test_branches_are_bounded_in_length(store: HeaderStore) -> None:
    """One that is too long is forgotten, in silence never; the best chain stays."""
    store._branches.max_held = 10
    store.extend(OTHER[:6])
    store.extend(mine_many(ENDS[310], 4, mark=3))
    store.extend(mine_many(ENDS[311], 1, mark=4))
    assert [4, 1] == [branch.length for branch in store._branches]
    with pytest.raises(TooLargeError, match="at most 10 headers"):
        store.extend(OTHER[:11])
    store.extend(OTHER[:10])
    with pytest.raises(TooLargeError, match="found 11 since height 300"):
        store.extend(OTHER[10:11])
    assert holds(store, CHAIN)


def test_a_switch_forgets_branches_that_hang_in_the_air(store: HeaderStore) -> None:
    """A branch whose fork left the best chain has no ground any more; one from there or below may still win."""
    above, below = mine_many(ENDS[301], 3, mark=3), mine_many(ENDS[290], 50, mark=4)
    beside = mine_many(ENDS[300], 3, mark=5)
    for branch in (above, below[:5], beside):
        store.extend(branch)
    assert [304, 295, 303] == [end.height for end in store.held()]
    store.extend(OTHER)
    assert [BlockId(295, sha256d(below[4])), BlockId(303, sha256d(beside[2]))] == store.held()
    store.extend(below[5:])
    assert holds(store, [*CHAIN[:290], *below])


def test_the_kernel_agrees_on_the_best_chain(tmp_path: Path) -> None:
    """The referee gets the same headers in the same order: both follow the same tip after each of them."""
    chance = random.Random(3)
    with tempfile.TemporaryDirectory() as folder, HeaderStore(tmp_path, REGTEST) as store:
        kernel = pbk.load_chainman(folder, pbk.ChainType.REGTEST)
        reorganised = 0
        for mark in range(400):
            held = [branch.end for branch in store._branches]
            back = store._end_at(max(0, store.tip().height - chance.randrange(1, 12)))
            raw, _ = mine(REGTEST, chance.choice([store._end, back, *held * 3]), chance.choice([1, 600, 1_300]), mark)
            done = store.extend([raw])
            kernel.process_block_header(pbk.BlockHeader(raw))
            reorganised += bool(done.removed)
            best = kernel.best_entry
            assert BlockId(best.height, bytes(best.block_hash)) == store.tip() == done.tip
        assert reorganised >= 10
        assert store.tip().height > 50
        del kernel


# Beginning at a checkpoint


def test_a_store_may_begin_at_a_checkpoint(tmp_path: Path) -> None:
    """It judges what follows as a store from genesis does, counts the work before, and knows nothing below."""
    for height in (3, 143, 144, 150):
        checkpoint = Checkpoint(CHAIN[height - 1], ENDS[height])
        with HeaderStore(tmp_path / str(height), REGTEST, checkpoint=checkpoint) as store:
            store.extend(CHAIN[height:])
            assert holds(store, CHAIN[height:])
            assert ENDS[-1] == store._end == store._end_at(320)
            assert (641, None) == (store.work() - 1, store.at(height - 1))
            store.extend(OTHER)
            assert holds(store, [*CHAIN[height:300], *OTHER])
            with pytest.raises(HeaderRefusedError, match="that is neither"):
                store.extend(mine_many(ENDS[height - 1], 1, mark=5))


def test_a_store_with_another_beginning_is_not_opened(tmp_path: Path) -> None:
    """Beginning and network are fixed when the store is made."""
    with HeaderStore(tmp_path, REGTEST) as store:
        store.extend(CHAIN)
    with pytest.raises(WrongNetworkError, match="choose another folder"):
        HeaderStore(tmp_path, REGTEST, checkpoint=Checkpoint(CHAIN[9], ENDS[10]))
    shutil.copytree(tmp_path / "regtest", tmp_path / "testnet4")
    with pytest.raises(WrongNetworkError, match="expected headers of testnet4"):
        HeaderStore(tmp_path, HEADER_RULES["testnet4"])


def test_a_checkpoint_is_of_one_header() -> None:
    """Its hash, time and target are the header's own."""
    end = ENDS[10]
    for bad in (end._replace(hash=bytes(32)), end._replace(bits=1), end._replace(times_s=(1,))):
        with pytest.raises(MalformedError, match="expected a checkpoint"):
            Checkpoint(CHAIN[9], bad)


# Writers and readers


def test_there_is_one_writer(tmp_path: Path) -> None:
    """A second one is refused by name while the first lives, also from another process."""
    with HeaderStore(tmp_path, REGTEST):
        with pytest.raises(StorageBusyError, match="only writer"):
            HeaderStore(tmp_path, REGTEST)
        program = (
            "import sys; from pathlib import Path\n"
            "from anchor.bitcoin.header_rules import HEADER_RULES\n"
            "from anchor.bitcoin.header_store import HeaderStore\n"
            "HeaderStore(Path(sys.argv[1]), HEADER_RULES['regtest'])"
        )
        run = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (1, True) == (run.returncode, "StorageBusyError" in run.stderr)
    HeaderStore(tmp_path, REGTEST).close()


def test_readers_see_what_the_writer_has_finished(store: HeaderStore, tmp_path: Path) -> None:
    """More headers, and a reorganisation, arrive at a reader that was open before."""
    with HeaderStore(tmp_path, REGTEST, writable=False) as reader:
        assert holds(reader, CHAIN)
        more = mine_many(ENDS[-1], 2)
        store.extend(more)
        assert holds(reader, [*CHAIN, *more])
        store.extend(OTHER)
        assert holds(reader, [*CHAIN[:300], *OTHER])
        with pytest.raises(StorageReadOnlyError, match="for reading"):
            reader.extend(more)


def test_a_reader_creates_nothing(tmp_path: Path) -> None:
    """Where there is no store it says so."""
    with pytest.raises(StorageError, match="synchronise the headers first"):
        HeaderStore(tmp_path, REGTEST, writable=False)
    assert [] == list(tmp_path.iterdir())


def test_a_closed_store_answers_nothing(tmp_path: Path) -> None:
    """Closing may be repeated; using it afterwards is an error with a name."""
    store = HeaderStore(tmp_path, REGTEST)
    store.close()
    store.close()
    for use in (store.tip, store.work, lambda: store.at(0), lambda: store.extend([]), lambda: store.header(bytes(32))):
        with pytest.raises(StorageError, match="closed"):
            use()


# Crashes


@dataclass
class Disk:
    """Copies of a folder as a crash could leave it, one after each call to the operating system that changes it.

    ``killed``: as after a kill, when everything written so far arrives. ``cut``: as after a power cut that spared
    nothing but what was flushed: a file's bytes by its own flush, names by their folder's.
    """

    folder: Path
    killed: list[dict[str, bytes]] = field(default_factory=list)
    cut: list[dict[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._bytes = {path.stat().st_ino: path.read_bytes() for path in self._paths()}
        self._names = {path.name: path.stat().st_ino for path in self._paths()}
        self.look()

    def _paths(self) -> list[Path]:
        return [path for path in self.folder.glob("*") if path.name not in {"lock", "gate"}]

    def flush(self, fd: int) -> None:
        """Note that what ``fd`` stands for has been flushed."""
        inode = os.fstat(fd).st_ino
        if inode == self.folder.stat().st_ino:
            self._names = {each.name: each.stat().st_ino for each in self._paths()}
        for path in self._paths():
            if path.stat().st_ino == inode:
                self._bytes[inode] = path.read_bytes()

    def look(self) -> None:
        """Take both copies."""
        self.killed.append({path.name: path.read_bytes() for path in self._paths()})
        self.cut.append({name: self._bytes.get(inode, b"") for name, inode in self._names.items()})


@contextmanager
def recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Record what each call to the operating system does to ``folder``."""
    folder.mkdir(exist_ok=True)
    disk = Disk(folder)
    calls = {name: getattr(os, name) for name in ("pwrite", "ftruncate", "fsync", "replace", "unlink")}

    def watched(name: str) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            result = calls[name](*args, **kwargs)
            if name == "fsync":
                disk.flush(args[0])  # type: ignore[arg-type]  # fsync's first argument is a descriptor
            disk.look()
            return result

        return call

    with monkeypatch.context() as patch:
        for name in calls:
            patch.setattr(os, name, watched(name))
        yield disk


def images(disk: Disk) -> list[dict[str, bytes]]:
    """Return the different copies of a disk, in order."""
    different: list[dict[str, bytes]] = []
    for image in [*disk.killed, *disk.cut]:
        if image not in different:
            different.append(image)
    return different


def write_image(image: dict[str, bytes], folder: Path) -> Path:
    """Make a folder that has these files in ``regtest``, and return it."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "regtest").mkdir(parents=True)
    for name, data in image.items():
        (folder / "regtest" / name).write_bytes(data)
    return folder


def check_crashes(disk: Disk, folder: Path, old: list[bytes], new: list[bytes]) -> None:
    """Check that each image opens as the old chain or the new one, and goes on to be the new one."""
    seen = set()
    for image in images(disk):
        write_image(image, folder)
        with HeaderStore(folder, REGTEST) as store:
            assert not (folder / "regtest" / "switch.new").exists()
            is_old, is_new = holds(store, old), holds(store, new)
            assert is_old or is_new, sorted(image)
            seen.add(is_new)
            store.extend(new)
            assert holds(store, new)
        with HeaderStore(folder, REGTEST) as store:
            assert holds(store, new)
            assert {"headers", "state", "lock", "gate"} == {path.name for path in (folder / "regtest").iterdir()}
    assert {False, True} == seen
    with HeaderStore(write_image(disk.cut[-1], folder), REGTEST) as store:
        assert holds(store, new), "what was acknowledged survives a power cut"


SHORT, MORE, RIVAL = CHAIN[:20], CHAIN[:24], [*CHAIN[:15], *mine_many(ENDS[15], 7, mark=6)]


def test_a_new_store_survives_a_crash_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is made, and while it gets its first headers."""
    with recorded(tmp_path / "regtest", monkeypatch) as disk:
        store = HeaderStore(tmp_path, REGTEST)
        store.extend(SHORT)
        store.close()
    check_crashes(disk, tmp_path / "image", [], SHORT)


def test_an_append_survives_a_crash_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either all headers of a call are there, or none."""
    with HeaderStore(tmp_path, REGTEST) as store:
        store.extend(SHORT)
        with recorded(tmp_path / "regtest", monkeypatch) as disk:
            store.extend(MORE)
    check_crashes(disk, tmp_path / "image", SHORT, MORE)


def test_a_reorganisation_survives_a_crash_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either chain is whole, whatever was written over whichever."""
    with HeaderStore(tmp_path, REGTEST) as store:
        store.extend(SHORT)
        with recorded(tmp_path / "regtest", monkeypatch) as disk:
            store.extend(RIVAL)
    assert any("switch" in image for image in images(disk))
    check_crashes(disk, tmp_path / "image", SHORT, RIVAL)


def test_finishing_a_reorganisation_survives_a_crash_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens after a crash may crash, too."""
    with HeaderStore(tmp_path, REGTEST) as store:
        store.extend(SHORT)
        with recorded(tmp_path / "regtest", monkeypatch) as disk:
            store.extend(RIVAL)
    decided = next(image for image in images(disk) if "switch" in image)
    again = write_image(decided, tmp_path / "again")
    with recorded(again / "regtest", monkeypatch) as second:
        HeaderStore(again, REGTEST).close()
    for image in images(second):
        with HeaderStore(write_image(image, tmp_path / "image"), REGTEST) as store:
            assert holds(store, RIVAL)


def test_a_reader_finds_an_interrupted_reorganisation_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot finish it, so it answers nothing rather than half of each."""
    with HeaderStore(tmp_path, REGTEST) as store:
        store.extend(SHORT)
        with recorded(tmp_path / "regtest", monkeypatch) as disk:
            store.extend(RIVAL)
    (tmp_path / "regtest" / "switch").write_bytes(next(each["switch"] for each in disk.killed if "switch" in each))
    with pytest.raises(StorageBusyError, match="synchronise the headers once"):
        HeaderStore(tmp_path, REGTEST, writable=False)
    HeaderStore(tmp_path, REGTEST).close()
    with HeaderStore(tmp_path, REGTEST, writable=False) as reader:
        assert holds(reader, RIVAL)


@pytest.mark.parametrize("tail", [b"\x01", bytes(40), bytes(800), CHAIN[20], CHAIN[20] + CHAIN[21][:79], b"\xff" * 81])
def test_a_torn_tail_is_cut_off(tmp_path: Path, tail: bytes) -> None:
    """Bytes that nobody was told of do not count, not even whole headers; readers pass over them."""
    with HeaderStore(tmp_path, REGTEST) as store:
        store.extend(SHORT)
    with (tmp_path / "regtest" / "headers").open("ab") as file:
        file.write(tail)
    with HeaderStore(tmp_path, REGTEST, writable=False) as reader:
        assert holds(reader, SHORT)
    with HeaderStore(tmp_path, REGTEST) as store:
        assert holds(store, SHORT)
        assert 21 * 80 == (tmp_path / "regtest" / "headers").stat().st_size
        store.extend(CHAIN)
        assert holds(store, CHAIN)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """An append and a branch that do not fit are refused by name; with room again, both are taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with HeaderStore(tmp_path, REGTEST) as store:
        store.extend(CHAIN[:300])
        for raws in (CHAIN[300:], [*OTHER[:1], *mine_many(end_of([*CHAIN[:300], OTHER[0]]), 300)]):
            resource.setrlimit(resource.RLIMIT_FSIZE, (301 * 80 + 100, hard))
            try:
                with pytest.raises(StorageFullError, match="no space left"):
                    store.extend(raws)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            assert holds(store, CHAIN[:300])
            with HeaderStore(tmp_path, REGTEST, writable=False) as reader:
                assert holds(reader, CHAIN[:300])
        store.extend(CHAIN[300:])
        store.extend(OTHER)
        assert holds(store, [*CHAIN[:300], *OTHER])


def test_a_failure_at_the_deciding_moment_closes_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nobody can say whether the new state counts, the store must be opened anew, and is whole then."""
    for old, raws, new in ((SHORT, MORE, MORE), (SHORT, RIVAL, RIVAL)):
        folder = tmp_path / str(len(new))
        store = HeaderStore(folder, REGTEST)
        store.extend(old)

        def failing(folder: Path) -> None:
            raise OSError(5, f"input/output error in {folder}")

        with monkeypatch.context() as patch:
            patch.setattr(header_folder, "sync_folder", failing)
            with pytest.raises(StorageError, match="input/output error"):
                store.extend(raws)
        with pytest.raises(StorageError, match="closed"):
            store.tip()
        with HeaderStore(folder, REGTEST) as again:
            assert holds(again, old) or holds(again, new)


# Rot


def test_a_header_that_rotted_is_noticed(tmp_path: Path) -> None:
    """A changed bit anywhere between a block and the tip is refused when that block is asked for, and named."""
    with HeaderStore(tmp_path, REGTEST) as store:
        store.extend(SHORT)
    path = tmp_path / "regtest" / "headers"
    whole = path.read_bytes()

    def ask() -> None:
        with HeaderStore(tmp_path, REGTEST, writable=False) as reader:
            assert KnownBlock(sha256d(SHORT[-1]), 1, 2) == reader.at(20)
            reader.at(7)

    for at in range(80 * 7, len(whole), 37):
        data = bytearray(whole)
        data[at] ^= 1
        path.write_bytes(data)
        for use in (ask, lambda: HeaderStore(tmp_path, REGTEST)):
            with pytest.raises(StorageCorruptError, match=f"expected header ({at // 80}|{at // 80 - 1}) of"):
                use()
    path.write_bytes(whole[:-80])
    with pytest.raises(StorageCorruptError, match="expected header 20"):
        HeaderStore(tmp_path, REGTEST)


def test_a_state_that_rotted_is_noticed(tmp_path: Path) -> None:
    """Every changed byte, every missing one and every one too many is refused; so is a missing state."""
    with HeaderStore(tmp_path, REGTEST) as store:
        store.extend(SHORT)
    path = tmp_path / "regtest" / "state"
    whole = path.read_bytes()
    changed = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    for data in [*changed, *(whole[:at] for at in range(len(whole))), whole + b"\n"]:
        path.write_bytes(data)
        with pytest.raises(StorageCorruptError, match="expected six lines"):
            HeaderStore(tmp_path, REGTEST)
    path.unlink()
    with pytest.raises(StorageCorruptError, match="expected the file 'state'"):
        HeaderStore(tmp_path, REGTEST)
    path.write_bytes(whole)
    with HeaderStore(tmp_path, REGTEST) as store:
        assert holds(store, SHORT)


def test_a_switch_that_rotted_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a single header is written over."""
    with HeaderStore(tmp_path, REGTEST) as store:
        store.extend(SHORT)
        with recorded(tmp_path / "regtest", monkeypatch) as disk:
            store.extend(RIVAL)
    decided = next(image for image in disk.killed if "switch" in image)
    switch = decided["switch"]
    for at in range(0, len(switch), 13):
        bad = decided | {"switch": switch[:at] + bytes([switch[at] ^ 1]) + switch[at + 1 :]}
        folder = write_image(bad, tmp_path / "image")
        with pytest.raises(StorageCorruptError, match="switch"):
            HeaderStore(folder, REGTEST)
        assert decided["headers"] == (folder / "regtest" / "headers").read_bytes()


# Synchronising


@dataclass
class ListSource:
    """A source of given headers, block 0 first; counts the questions."""

    headers: list[bytes]
    network: Network = NETWORKS["regtest"]
    asked: int = 0
    given: int = 0

    def check_network(self) -> None:
        """Compare the genesis hash."""
        if sha256d(self.headers[0]) != self.network.genesis_hash:
            raise WrongNetworkError("expected another genesis block")

    def tip(self) -> BlockId:
        """Return the tip."""
        return BlockId(len(self.headers) - 1, sha256d(self.headers[-1]))

    def block_hash(self, height: int) -> bytes | None:
        """Return the hash at ``height``."""
        self.asked += 1
        return sha256d(self.headers[height]) if 0 <= height < len(self.headers) else None

    def header(self, block_hash: bytes) -> bytes | None:
        """Return the header of this hash."""
        self.asked += 1
        return next((raw for raw in self.headers if sha256d(raw) == block_hash), None)

    def headers_from(self, height: int, count: int) -> list[bytes]:
        """Return headers from ``height`` on."""
        self.asked += 1
        headers = self.headers[height : height + count]
        self.given += len(headers)
        return headers


def source_of(*parts: list[bytes]) -> ListSource:
    """Return a source of genesis and these headers."""
    return ListSource([REGTEST.genesis, *(raw for part in parts for raw in part)])


def test_a_store_follows_the_embedded_regtest(tmp_path: Path) -> None:
    """From nothing, then by what is new, then over reorganisations of 1, 6 and 40 blocks: always the kernel's chain."""
    regtest = LocalRegtest(tmp_path / "node")
    with HeaderStore(tmp_path / "headers", REGTEST) as store:
        regtest.mine(50)
        done = sync(regtest, store)
        assert (0, 50, 0, 0) == (done.fork, done.added, done.removed, done.held)
        regtest.mine(3)
        assert (50, 3) == ((done := sync(regtest, store)).fork, done.added)
        for depth in (1, 6, 40):
            height = regtest.tip().height
            regtest.reorg(depth)
            done = sync(regtest, store)
            assert (height - depth, depth + 1, depth) == (done.fork, done.added, done.removed)
            assert regtest.tip() == store.tip() == done.tip == done.offered
            hashes = [regtest.block_hash(at) for at in range(1, store.tip().height + 1)]
            assert holds(store, [regtest.header(each) or b"" for each in hashes if each])
        assert (store.tip().height, 0) == ((done := sync(regtest, store)).fork, done.added)
    regtest.close()


def test_nothing_new_costs_few_questions(store: HeaderStore) -> None:
    """A daemon may ask every minute."""
    source = source_of(CHAIN)
    sync(source, store)
    assert source.asked <= 3


@pytest.mark.parametrize("fork", [0, 1, 100, 299, 318, 319])
def test_the_fork_is_found_by_bisection(store: HeaderStore, fork: int) -> None:
    """In about twice as many questions as its depth has binary digits, besides one for all headers."""
    rival = mine_many(ENDS[fork], 321 - fork, mark=7)
    source = source_of(CHAIN[:fork], rival)
    done = sync(source, store)
    assert (fork, 321 - fork, 320 - fork) == (done.fork, done.added, done.removed)
    assert holds(store, [*CHAIN[:fork], *rival])
    assert source.asked <= 2 * (320 - fork).bit_length() + 5


def test_more_headers_than_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches join, on the best chain and on a branch that overtakes in the middle of one."""
    monkeypatch.setattr(header_sync, "BATCH", 7)
    with HeaderStore(tmp_path, REGTEST) as store:
        assert 320 == sync(source_of(CHAIN), store).added
        done = sync(source_of(CHAIN[:300], OTHER), store)
        assert (300, 30, 20, 0) == (done.fork, done.added, done.removed, done.held)
        assert holds(store, [*CHAIN[:300], *OTHER])


def test_a_source_with_less_work_changes_nothing(store: HeaderStore) -> None:
    """Behind us, or on a lighter branch: ours stays, and the result says so."""
    behind = sync(source_of(CHAIN[:200]), store)
    assert (200, 0, 0) == (behind.fork, behind.added, behind.held)
    for fetched in (15, 0, 0):  # fetched once: a daemon that asks every minute does not fetch it again
        source = source_of(CHAIN[:300], OTHER[:15])
        lighter = sync(source, store)
        assert (300, 0, 15) == (lighter.fork, lighter.added, lighter.held)
        assert fetched == source.given
    assert (store.tip(), BlockId(315, sha256d(OTHER[14]))) == (lighter.tip, lighter.offered)
    assert holds(store, CHAIN)


def test_another_network_is_refused(store: HeaderStore) -> None:
    """By the record's name, by the genesis block, and by a checkpoint that the source does not have."""
    with pytest.raises(WrongNetworkError, match="source of regtest"):
        sync(ListSource([HEADER_RULES["testnet4"].genesis], NETWORKS["testnet4"]), store)
    with pytest.raises(WrongNetworkError, match="genesis"):
        sync(ListSource([HEADER_RULES["testnet4"].genesis]), store)
    assert holds(store, CHAIN)


def test_a_source_without_the_checkpoint_is_refused(tmp_path: Path) -> None:
    """Whether it is too short or has another block there."""
    checkpoint = Checkpoint(CHAIN[309], ENDS[310])
    with HeaderStore(tmp_path, REGTEST, checkpoint=checkpoint) as store:
        for source in (source_of(CHAIN[:309]), source_of(CHAIN[:300], OTHER)):
            with pytest.raises(WrongNetworkError, match="with which the header store begins"):
                sync(source, store)
        assert 10 == sync(source_of(CHAIN), store).added


@dataclass
class Liar(ListSource):
    """A source that answers for one height with another hash, or lists headers that are others."""

    hash_lie: tuple[int, bytes | None] | None = None
    edit: Callable[[list[bytes]], list[bytes]] = field(default=list)

    def block_hash(self, height: int) -> bytes | None:
        """Return the hash at ``height``, or the lie."""
        truth = super().block_hash(height)
        return self.hash_lie[1] if self.hash_lie and self.hash_lie[0] == height else truth

    def headers_from(self, height: int, count: int) -> list[bytes]:
        """Return headers from ``height`` on, or the lie."""
        return self.edit(super().headers_from(height, count))


def liar_of(*parts: list[bytes]) -> Liar:
    """Return a liar about genesis and these headers, whose lies are still to be told."""
    return Liar(source_of(*parts).headers)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (lambda raw, _: raw[:72] + bytes.fromhex("ffff001f") + raw[76:], HeaderRule.WORK_MISSING),
        (lambda raw, end: mined_badly(raw, end, bits=0x207FFFFE), HeaderRule.DIFFICULTY_WRONG),
        (lambda raw, end: mined_badly(raw, end, time_s=end.times_s[-6]), HeaderRule.TIME_TOO_OLD),
        (lambda raw, end: mined_badly(raw, end, time_s=0xFFFFFFFF), HeaderRule.TIME_TOO_NEW),
        (lambda raw, end: mined_badly(raw, end, version=1), HeaderRule.VERSION_OUTDATED),
    ],
)
@pytest.mark.parametrize("fork", [320, 300])
def test_a_bad_header_is_named_and_those_before_it_are_kept(
    store: HeaderStore, fork: int, fault: Callable[[bytes, ChainEnd], bytes], rule: HeaderRule
) -> None:
    """On top of ours and on a branch; whatever the liar builds on it, the good chain stays."""
    good = mine_many(ENDS[fork], 30, mark=8)
    bad = fault(good[25], end_of([*CHAIN[:fork], *good[:25]]))
    with pytest.raises(BadHeadersError, match="bad header") as refused:
        sync(source_of(CHAIN[:fork], good[:25], [bad]), store)
    assert (rule, fork + 26) == (refused.value.rule, refused.value.height)
    assert holds(store, [*CHAIN[:fork], *good[:25]])


def mined_badly(
    raw: bytes, end: ChainEnd, *, version: int = 4, time_s: int | None = None, bits: int = 0x207FFFFF
) -> bytes:
    """Return a header on ``end`` with work, made from ``raw`` with other fields."""
    time_s = int.from_bytes(raw[68:72], "little") if time_s is None else time_s
    for nonce in range(10_000):
        made = struct.pack("<i32s32sIII", version, end.hash, raw[36:68], time_s, bits, nonce)
        if int.from_bytes(sha256d(made), "little") <= target_from_bits(bits):
            return made
    raise AssertionError


@pytest.mark.parametrize("length", [0, 79, 81])
def test_a_header_of_another_length_is_named(store: HeaderStore, length: int) -> None:
    """A source that gives anything but 80 bytes is not asked again."""
    more = mine_many(ENDS[-1], 3)
    liar = liar_of(CHAIN, more)
    liar.edit = lambda raws: [raws[0], (raws[1] + b"\x00")[:length], raws[2]]
    with pytest.raises(BadHeadersError, match=f"expected 80 bytes, found {length}") as refused:
        sync(liar, store)
    assert (HeaderRule.UNLINKED, 322) == (refused.value.rule, refused.value.height)
    assert holds(store, CHAIN)


@pytest.mark.parametrize(
    ("message", "edit", "height"),
    [
        ("to follow its own header 322", lambda raws: [*raws[:2], raws[3], *raws[3:]], 323),
        ("to follow its own header 321", lambda raws: [raws[0], bytes(80), *raws[2:]], 322),
        ("expected 5 headers from height 321 on", lambda raws: raws[:3], 324),
        ("expected 5 headers from height 321 on", lambda _: [], 321),
        ("to follow its own header 320", lambda raws: [*raws[1:], mine(REGTEST, end_of([*CHAIN, *raws]))[0]], 321),
    ],
)
def test_answers_that_do_not_fit_together_are_named_after_three_times(
    store: HeaderStore, message: str, edit: Callable[[list[bytes]], list[bytes]], height: int
) -> None:
    """A gap, another header, too few: the source may be moving, but not for ever."""
    liar = liar_of(CHAIN, mine_many(ENDS[-1], 5))
    liar.edit = edit
    with pytest.raises(BadHeadersError, match=f"{message}.*3 times over") as refused:
        sync(liar, store)
    assert (HeaderRule.UNLINKED, height) == (refused.value.rule, refused.value.height)
    assert holds(store, CHAIN)


def test_a_tip_beside_the_chain_is_named_after_three_times(store: HeaderStore) -> None:
    """A source whose tip is not at that height of its own chain."""
    more = mine_many(ENDS[-1], 5)
    liar = liar_of(CHAIN, more)
    liar.hash_lie = (325, sha256d(more[3]))
    with pytest.raises(BadHeadersError, match="on its best chain, 3 times"):
        sync(liar, store)
    assert holds(store, CHAIN)


def test_a_chain_that_does_not_follow_its_own_fork_is_named(store: HeaderStore) -> None:
    """A source may leave out a header; the gap is seen on top of ours and between two batches."""
    more = mine_many(ENDS[-1], 3)
    with pytest.raises(BadHeadersError, match="to follow its own header 320") as refused:
        sync(source_of(CHAIN, more[1:]), store)
    assert (HeaderRule.UNLINKED, 321) == (refused.value.rule, refused.value.height)
    assert holds(store, CHAIN)


@pytest.mark.parametrize("lied", range(0, 321, 16))
def test_one_lie_about_a_hash_costs_nothing(store: HeaderStore, lied: int) -> None:
    """Wherever a mirror lies once, the store ends on the honest chain or names the fault; ours is never lost."""
    liar = liar_of(CHAIN[:300], OTHER)
    liar.hash_lie = (lied, bytes(32))
    try:
        sync(liar, store)
    except (BadHeadersError, WrongNetworkError):
        assert holds(store, CHAIN)
    else:
        assert holds(store, [*CHAIN[:300], *OTHER])


def test_a_source_that_reorganises_meanwhile_is_followed(store: HeaderStore) -> None:
    """The second attempt finds the new fork."""

    class Moving(ListSource):
        def headers_from(self, height: int, count: int) -> list[bytes]:
            headers = super().headers_from(height, count)
            if len(self.headers) == 331:
                return headers
            self.headers = source_of(CHAIN[:300], OTHER).headers
            return headers[:7]

    source = Moving(source_of(CHAIN, mine_many(ENDS[-1], 40)).headers)
    assert (300, 30) == ((done := sync(source, store)).fork, done.added)
    assert holds(store, [*CHAIN[:300], *OTHER])


def test_a_branch_that_was_held_is_continued(store: HeaderStore) -> None:
    """When the lighter chain grows, only its new headers are fetched, and then it wins."""
    sync(source_of(CHAIN[:300], OTHER[:15]), store)
    source = source_of(CHAIN[:300], OTHER)
    done = sync(source, store)
    assert (300, 30, 20, 0) == (done.fork, done.added, done.removed, done.held)
    assert 15 == source.given
    assert holds(store, [*CHAIN[:300], *OTHER])


def test_what_was_fetched_before_an_interruption_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that falls silent is asked again later, from where it stopped."""
    monkeypatch.setattr(header_sync, "BATCH", 50)

    class Falling(ListSource):
        def headers_from(self, height: int, count: int) -> list[bytes]:
            if height > 100:
                raise SourceUnavailableError("expected an answer, found none")
            return super().headers_from(height, count)

    with HeaderStore(tmp_path, REGTEST) as store:
        with pytest.raises(SourceUnavailableError):
            sync(Falling(source_of(CHAIN).headers), store)
        assert 100 == store.tip().height
        assert 220 == sync(source_of(CHAIN), store).added
        assert holds(store, CHAIN)


# Bitcoin Core


@pytest.mark.node
def test_a_store_follows_bitcoin_core(tmp_path: Path) -> None:
    """Over a reorganisation of 60 blocks; every header and the chain work are the node's own."""
    with running_node(tmp_path / "node") as node, HeaderStore(tmp_path / "headers", REGTEST) as store:
        source = CoreSource(node.url, NETWORKS["regtest"], Cookie(node.cookie))
        node.call("generatetodescriptor", 160, "raw(51)")
        assert 160 == sync(source, store).added
        node.call("invalidateblock", node.call("getblockhash", 101))
        node.call("generatetodescriptor", 61, "raw(52)")
        done = sync(source, store)
        source.close()
        assert (100, 61, 60) == (done.fork, done.added, done.removed)
        hashes = [node.call("getblockhash", height) for height in range(162)]
        raws = [bytes.fromhex(node.call("getblockheader", each, False)) for each in hashes]
        assert holds(store, raws[1:])
        assert int(node.call("getblockheader", hashes[-1])["chainwork"], 16) == store.work()


@pytest.mark.node
@pytest.mark.parametrize("behind_s", [600, 601])
def test_bitcoin_core_judges_a_time_warp_as_we_do(tmp_path: Path, behind_s: int) -> None:
    """With BIP 94 turned on, a node and a store judge the first header of a period, on either side of the bound."""
    rules = replace(REGTEST, is_bip94=True)
    raws = mine_many(ENDS[0], 143, step_s=1_000)
    end = end_of(raws)
    first, _ = mine(rules, end, -behind_s)
    with running_node(tmp_path / "node", "-test=bip94") as node, HeaderStore(tmp_path, rules) as store:
        for raw in raws:
            node.call("submitheader", raw.hex())
        store.extend(raws)
        if behind_s == 600:
            node.call("submitheader", first.hex())
            store.extend([first])
            assert holds(store, [*raws, first])
            return
        with pytest.raises(RpcFailure, match="time-timewarp-attack"):
            node.call("submitheader", first.hex())
        with pytest.raises(HeaderRefusedError) as refused:
            store.extend([first])
        assert (HeaderRule.TIMEWARP, 144) == (refused.value.rule, refused.value.height)


# The specification


def example(language: str) -> str:
    """Return the text of the block of that language in the specification."""
    text = (ROOT / "docs" / "spec" / "header-store.md").read_text(encoding="utf-8")
    return text.split(f"```{language}\n")[1].split("```")[0]


def test_the_example_of_the_specification_is_a_store(tmp_path: Path) -> None:
    """It opens with the two blocks that it shows, and its switch makes three of them."""
    raws = [bytes.fromhex(line) for line in example("headers").split()]
    rivals = [bytes.fromhex(line) for line in example("switch-headers").split()]
    image = {"state": example("state").encode(), "headers": b"".join(raws)}
    with HeaderStore(write_image(image, tmp_path), REGTEST) as store:
        assert holds(store, raws[1:])
        store.extend(rivals)
        assert holds(store, [raws[1], *rivals])
        assert example("switch-state").encode() == (tmp_path / "regtest" / "state").read_bytes()
    image |= {"switch": example("switch-state").encode() + b"".join(rivals)}
    with HeaderStore(write_image(image, tmp_path), REGTEST) as store:
        assert holds(store, [raws[1], *rivals])


def test_the_specification_names_every_rule_and_its_place() -> None:
    """The table of rules is in the order in which they are asked."""
    text = (ROOT / "docs" / "spec" / "header-store.md").read_text(encoding="utf-8")
    rules = text.split("## The rules")[1].split("| network |")[0]
    assert [rule.value for rule in HeaderRule] == [line.split("`")[-2] for line in rules.splitlines() if "` |" in line]
