"""The matrix: what Bitcoin and an operator's machine can do to a log, each told as a story on a real node.

Every story ends with the same check (``matrix_rig.check_end``): one thread from its first coin, every entry in a
receipt that verifies, each coin anchored with once, and the journal's fees equal to those of the chain. Each is told
with a daemon that lives, and with daemons that are killed by SIGKILL: at the sample of points in ``SAMPLE``, and with
ANCHORLINE_WHOLE_MATRIX=1 around every side effect of every step.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from anchor.bitcoin.transaction import virtual_size
from anchor.fees import FEE_TARGET_BLOCKS
from anchor.journal import Attempt
from anchor.lifecycle import State
from tests.integration.matrix_rig import (
    FINAL,
    HOUR_MS,
    MINUTE_MS,
    WATCH,
    Ground,
    Kills,
    check_stolen,
    hex_of,
)
from tests.node import running_node

pytestmark = [pytest.mark.node]

EXPIRY_S = 3600
OPTIONS = ("-persistmempool=0", "-checkblockindex=0", "-acceptnonstdtxn=1", "-maxmempool=5", "-mempoolexpiry=1")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One node for all stories of a worker; each has its own home and wallet, and leaves the blocks of others alone."""
    folder = tmp_path_factory.mktemp("matrix")
    with running_node(folder / "node", *OPTIONS) as node:
        yield Ground(node, folder)


# --- the stories


def plain(ground: Ground, kills: Kills) -> None:
    """Three anchors, each spending the one before; the first becomes final."""
    story = ground.story(kills)
    for _ in range(3):
        story.anchor()
    story.blocks(FINAL - 3)
    story.tick()
    assert ["final", "confirmed", "confirmed"] == story.states()
    story.finish()


def bumped(ground: Ground, kills: Kills) -> None:
    """An anchor is replaced three times with a newer checkpoint each, and a miner takes the second version."""
    ground.forget_estimates()
    story = ground.story(kills)
    story.anchor()
    versions = [story.send()]
    for _ in range(3):
        story.useful_blocks(FEE_TARGET_BLOCKS)
        versions.append(story.send())
        assert [hex_of(versions[-1])] == story.mempool
    assert 4 == len({each.checkpoint_size for each in versions})
    assert [(2 + number) * virtual_size(1) for number in range(4)] == [each.fee_sat for each in versions]
    story.blocks_with(1, versions[1].raw.hex())
    assert [] == story.mempool
    story.tick()
    assert ["replaced", "confirmed", "replaced", "replaced"] == story.states()[1:5]
    story.finish()


def reorganised(ground: Ground, kills: Kills, depth: int, confirmations: int, *, is_undone: bool = False) -> None:
    """Two anchors, the newer one so deep, and then so many blocks are replaced by a longer branch of empty ones.

    Receipts of what left are refused by verify, kept by upgrade, and remade when the anchors are in blocks again: new
    ones, or where ``is_undone`` the same, since the old branch wins after all.
    """
    story = ground.story(kills)
    story.blocks(max(0, depth - confirmations))  # what is replaced is this story's own
    mined = [story.anchor(), story.anchor()]
    if confirmations > 1:
        story.blocks(confirmations - 1)
        story.tick()
    assert {"final" if confirmations >= FINAL else "confirmed"} == {story.states()[-1]}
    assert [each.standing.settled for each in story.attempts()][-1] == (confirmations >= WATCH)
    receipts = [story.receipt(2), story.receipt(3)]
    old = [path.read_bytes() for path in receipts]
    fork_height = story.height - depth
    first = story.reorg(depth)

    def is_gone(attempt: Attempt) -> bool:
        return height_of(attempt) > fork_height

    gone = [path for path, each in zip(receipts, mined, strict=True) if is_gone(each)]
    assert bool(gone) == (depth >= confirmations)
    for path in gone:
        assert "Expected block" in story.verify(path, rc=1)
    story.until(lambda: all(story.attempt(each.txid).state == State.SEEN for each in mined if is_gone(each)))
    assert {hex_of(each) for each in mined if is_gone(each)} <= set(story.mempool)
    for path in gone:
        assert "left as it is" in story.upgrade(path, rc=1)
    assert old == [path.read_bytes() for path in receipts]
    if is_undone:
        story.go_back_to(first)
    else:
        story.blocks()
    story.tick()
    for path, before in zip(receipts, old, strict=True):
        story.upgrade(path)
        assert "INTACT" in story.verify(path)
        assert (path.read_bytes() != before) == (path in gone and not is_undone)
    story.finish()


def height_of(attempt: Attempt) -> int:
    assert attempt.standing.block is not None
    return attempt.standing.block.height


def other_version(ground: Ground, kills: Kills) -> None:
    """The newer version of an anchor is mined and built upon; the block leaves, and the older version is mined."""
    ground.forget_estimates()
    story = ground.story(kills)
    story.anchor()
    older = story.send()
    story.useful_blocks(FEE_TARGET_BLOCKS)
    newer = story.send()
    story.blocks_with(1, newer.raw.hex())
    story.tick()
    built_upon = story.anchor()
    story.reorg(2, older.raw.hex())
    expected = [State.CONFIRMED, State.REPLACED, State.VOID]
    story.until(lambda: expected == [story.attempt(each.txid).state for each in (older, newer, built_upon)])
    story.finish()


def stolen(ground: Ground, kills: Kills, *, as_anchor: bool, is_mined: bool, is_rival: bool) -> None:
    """Somebody with the same key spends the thread coin: it is said with a name, and nothing is signed afterwards.

    ``as_anchor``: with an anchor of a second service. ``is_rival``: in the place of an attempt that waits.
    """
    story = ground.story(kills)
    last = story.anchor()
    if is_rival:
        story.send()
    theft = story.spend_with_same_key(last, as_anchor=as_anchor)
    if is_mined:
        story.blocks_with(1, theft.hex())
    else:
        story.node.call("sendrawtransaction", theft.hex())
    story.write()
    before = story.signed()
    for step in ("seal", "tick", "seal", "tick"):
        done = story.take(step, at_once=True)
        assert ("BehindError" if as_anchor else "HijackedThreadError") == done.error
        assert "nothing was signed" in done.why
    assert before == story.signed()
    story.blocks()
    assert "nothing was signed" in story.tick(at_once=True).why
    assert before == story.signed()
    check_stolen(story, anchored=1)


def stolen_and_undone(ground: Ground, kills: Kills) -> None:
    """The block with somebody else's spend of the thread coin leaves the best chain: the log goes on where it was."""
    story = ground.story(kills)
    theft = story.spend_with_same_key(story.anchor(), as_anchor=False)
    story.blocks_with(1, theft.hex())
    story.write()
    assert "HijackedThreadError" == story.seal().error
    story.reorg(1)
    ground.restart()  # which forgets the spend, as if it had never been sent
    story.finish()


def expired(ground: Ground, kills: Kills) -> None:
    """The node forgets an attempt that has waited for too long; two looks later it has the same bytes again."""
    story = ground.story(kills)
    story.anchor()
    txid = hex_of(story.send())
    now_s = int(story.now_ms // 1000)
    story.node.call("setmocktime", now_s + 3 * EXPIRY_S)
    ground.pay_anybody()
    assert txid not in story.mempool
    story.until(lambda: txid in story.mempool)
    story.node.call("setmocktime", 0)
    story.blocks()
    story.tick()
    assert txid == hex_of(story.attempts()[-1])
    story.finish()


def evicted(ground: Ground, kills: Kills) -> None:
    """A full mempool evicts an attempt and refuses it; a version at the node's new minimum goes in."""
    ground.stock_fillers()
    story = ground.story(kills)
    story.anchor()
    txid = hex_of(story.send())
    least = ground.fill_mempool(rate_sat_per_vb=10)
    assert txid not in story.mempool
    story.tick()
    story.tick()
    story.blocks_with(1)
    story.until(lambda: hex_of(story.attempts()[-1]) in story.mempool)
    newest = story.attempts()[-1]
    assert txid != hex_of(newest)
    assert least * virtual_size(1) <= newest.fee_sat + 1
    story.blocks_with(1, hex_of(newest))
    story.tick()
    ground.restart()
    story.finish()


def node_down(ground: Ground, kills: Kills) -> None:
    """The node is down for an hour: entries are taken and no tick signs or sends; then all of it is anchored.

    A daemon that was answered before goes on sealing (ADR 16); one that begins in the silence says why it does not,
    and where its home never noted how far it was (the one before was killed), it takes no entries either.
    """
    story = ground.story(kills)
    story.anchor()
    story.send()
    story.seal()  # nothing to seal, and an answer
    died = kills.died

    def ten_minutes(*, was_answered: bool) -> None:
        story.pass_ms(10 * MINUTE_MS)
        is_taken = story.write().error == ""
        assert is_taken or kills.died > died
        sealed = story.seal().error
        assert ("" if was_answered and kills.died == died else "SourceUnavailableError") == sealed
        assert "SourceUnavailableError" == story.tick(at_once=True).error

    def an_hour() -> None:
        attempts = story.signed()[0]
        for _ in range(3):
            ten_minutes(was_answered=True)
        story.restart()
        checkpoints = story.signed()[1]
        for _ in range(3):
            ten_minutes(was_answered=False)
        assert (attempts, checkpoints) == story.signed()[:2]

    assert 6 * 10 * MINUTE_MS == HOUR_MS
    ground.restart(an_hour)
    assert [] == story.mempool
    assert "" == story.write().error
    assert "" == story.seal().error
    story.until(lambda: len(story.mempool) == 1)
    story.finish()


def wrong_network(ground: Ground, kills: Kills) -> None:
    """Behind the same port there is a node of another network: it is named, nothing is signed, and then all goes on."""
    story = ground.story(kills)
    story.anchor()
    story.send()
    story.write()

    def elsewhere() -> None:
        before = story.signed()
        with ground.another_node("testnet4"):
            for step in ("seal", "tick", "seal", "tick"):
                done = story.take(step, at_once=True)
                assert "WrongNetworkError" == done.error
                assert "expected the genesis block" in done.why
        assert before == story.signed()

    ground.restart(elsewhere)
    story.finish()


def empty_wallet(ground: Ground, kills: Kills) -> None:
    """The wallet is empty; then it can pay for one anchor and not for two; a later payment heals it."""
    story = ground.unpaid(kills)
    story.seal()
    assert "not funded" in story.tick(at_once=True).why
    ground.pay({story.wallet.address: 1_500})
    story.blocks(WATCH - 1)
    assert "low-funds" in story.send_done().alerts
    story.blocks()
    story.tick()
    story.write()
    story.seal()
    assert "NoFundsError" == story.tick(at_once=True).error
    ground.pay({story.wallet.address: 100_000})
    story.blocks(WATCH - 1)
    story.tick(at_once=True)
    assert [hex_of(story.attempts()[-1])] == story.mempool
    assert 2 == len(story.attempts()[-1].transaction().inputs)
    story.finish()


Tale = Callable[[Ground, Kills], None]
STORIES: dict[str, Tale] = {
    "plain": plain,
    "bumped three times, second mined": bumped,
    # depth of the reorganisation, confirmations of the newer anchor before it
    "reorg of 1 before final": partial(reorganised, depth=1, confirmations=1),
    "reorg of 6 before final": partial(reorganised, depth=6, confirmations=3),
    "reorg of 6 before final, undone": partial(reorganised, depth=6, confirmations=3, is_undone=True),
    "reorg of 100 before final": partial(reorganised, depth=100, confirmations=FINAL - 1),
    "reorg of 1 after final": partial(reorganised, depth=1, confirmations=FINAL),
    "reorg of 6 after final": partial(reorganised, depth=6, confirmations=FINAL),
    "reorg of 100 after final": partial(reorganised, depth=100, confirmations=WATCH - 1),
    "reorg of 100 after final, undone": partial(reorganised, depth=100, confirmations=WATCH - 1, is_undone=True),
    "reorg of 100, settled": partial(reorganised, depth=100, confirmations=WATCH),
    "reorg of 110, long settled": partial(reorganised, depth=110, confirmations=WATCH + 5),
    "reorg confirms another version": other_version,
    "coin stolen": partial(stolen, as_anchor=False, is_mined=True, is_rival=False),
    "coin stolen, waiting": partial(stolen, as_anchor=False, is_mined=False, is_rival=False),
    "coin stolen from an attempt": partial(stolen, as_anchor=False, is_mined=True, is_rival=True),
    "coin spent by a second service": partial(stolen, as_anchor=True, is_mined=True, is_rival=False),
    "theft undone": stolen_and_undone,
    "expired": expired,
    "evicted": evicted,
    "node down for an hour": node_down,
    "node of another network": wrong_network,
    "wallet empty, then funded": empty_wallet,
}


@pytest.mark.parametrize("name", STORIES)
def test_a_story_ends_well(ground: Ground, name: str) -> None:
    """Whatever happens, it ends in one thread, with every entry in a receipt that verifies."""
    STORIES[name](ground, Kills())


# Every step that passes such a point ends there, and a daemon that is started anew takes it again.
SAMPLE: dict[str, tuple[str, ...]] = {
    "stored, not sent": ("before broadcast", "before UPDATE checkpoint SET note", "after INSERT INTO anchor_proof"),
    "sent, and nobody told": ("after broadcast", "after UPDATE checkpoint SET note", "before the file"),
    "half noted": ("after INSERT INTO attempt_event", "after INSERT INTO directory_leaf"),
}
# Where what is seen matters most: told with half of it noted, too.
TOLD_BY_HALVES = (
    "bumped three times, second mined",
    "reorg of 6 before final",
    "reorg of 100, settled",
    "reorg confirms another version",
    "coin stolen from an attempt",
)
KILLED = [(name, points) for name in STORIES for points in SAMPLE if points != "half noted" or name in TOLD_BY_HALVES]


@pytest.mark.parametrize(("name", "points"), KILLED)
def test_a_story_with_killed_daemons_ends_well(ground: Ground, name: str, points: str) -> None:
    """Daemons die in every step that passes one of these points, and the story ends as it does without."""
    kills = Kills(SAMPLE[points])
    STORIES[name](ground, kills)
    assert kills.died >= 2


@pytest.mark.parametrize("points", SAMPLE)
def test_a_block_comes_while_the_daemon_is_dead(ground: Ground, points: str) -> None:
    """What it had sent is mined before it is back, and what it had not sent is not."""
    kills = Kills(SAMPLE[points], lambda story, _: story.blocks())
    story = ground.story(kills)
    for _ in range(3):
        story.send()
        story.blocks()
        story.tick()
    assert kills.died >= 3
    story.finish()


# Not a skipped test: where CI demands a node, what is skipped fails (tests/conftest.py).
if os.environ.get("ANCHORLINE_WHOLE_MATRIX"):

    @pytest.mark.slow
    @pytest.mark.parametrize("name", STORIES)
    def test_a_story_with_daemons_killed_everywhere_ends_well(tmp_path: Path, name: str) -> None:
        """Told once for each number: in every step the daemon dies around the effect of this number, if it has it."""
        with running_node(tmp_path / "node", *OPTIONS) as node:
            ground = Ground(node, tmp_path)
            whole = Kills()
            STORIES[name](ground, whole)
            for point in range(1, whole.longest + 1):
                kills = Kills(point)
                STORIES[name](ground, kills)
                assert kills.died > 0
