"""The whole engine on a network like testnet4: late blocks are nearly free, and one real block outweighs a hundred.

The network is a record in the home's file of networks, mined with its real rules by the simulated Bitcoin.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from anchor.bitcoin.depth import Counted
from anchor.bitcoin.known import SourceBlocks
from anchor.bitcoin.network_file import load_networks
from anchor.bitcoin.networks import Network
from anchor.bitcoin.protocols import BlockId
from anchor.errors import SourceError
from anchor.proof.bitcoin.hashes import sha256d
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.work import target_from_bits
from anchor.proof.blocks import KnownBlock
from anchor.recent_headers import MOST_AT_ONCE, RecentHeaders
from chains.dry_run import dry_run
from tests.simulators.bitcoin import ANYONE, SimulatedBitcoin, lost_connection
from tests.simulators.service import HOUR_MS, SETTINGS, Service, new_service, restarted

REAL_BITS, EASY_BITS = 0x1F3FFFFF, 0x207FFFFF  # 1,024 and 2 hashes
EASY_S = 1_201
FINAL, WATCH = 3, 8


def _genesis() -> bytes:
    head = struct.pack("<i64xII", 1, 1_700_000_000, REAL_BITS)
    nonces = (head + nonce.to_bytes(4, "little") for nonce in range(1 << 16))
    return next(raw for raw in nonces if int.from_bytes(sha256d(raw), "little") <= target_from_bits(REAL_BITS))


RECORD = f"""
[networks.uneven]
genesis_header = "{_genesis().hex()}"
message_start = "756e6576"
pow_limit_bits = "{EASY_BITS:08x}"
proof_of_work_note = "A network for tests."
address_hrp = "bcrt"
p2p_port = 1
rpc_port = 2
retargets = false
eases_after_s = 1200
watch_depth = {WATCH}
final_depth = {FINAL}
"""


@pytest.fixture
def network(tmp_path: Path) -> Network:
    """The network of the record."""
    (tmp_path / "networks.toml").write_text(RECORD)
    return load_networks(tmp_path / "networks.toml")["uneven"]


@pytest.fixture
def bitcoin(network: Network) -> SimulatedBitcoin:
    """A chain of easy blocks, but for the first and what tests say."""
    return SimulatedBitcoin(network)


@pytest.fixture
def service(tmp_path: Path, bitcoin: SimulatedBitcoin) -> Iterator[Service]:
    """A home on that network with one anchor, which is in an easy block."""
    settings = replace(SETTINGS, network="uneven", network_file=str(tmp_path / "networks.toml"))
    with new_service(tmp_path / "home", bitcoin, settings=settings) as made:
        bitcoin.mine(1, made.wallet.script)
        easy(bitcoin, 100)
        made.open_chain("acme")
        made.seal()
        made.tick()
        easy(bitcoin)
        made.tick()
        assert ["confirmed"] == made.states()
        yield made


def easy(bitcoin: SimulatedBitcoin, count: int = 1) -> BlockId:
    """Mine late blocks."""
    return bitcoin.mine(count, step_s=EASY_S)


def kept(service: Service) -> list[Counted]:
    """Return the headers that the home keeps."""
    rows = service.home.engine.query("SELECT height, hash, bits, period_bits FROM recent_header ORDER BY height")
    return [Counted(*row) for row in rows]


def chain_from(bitcoin: SimulatedBitcoin, height: int) -> list[Counted]:
    """Return what is to be kept of the best chain."""
    headers = [Header.decode(raw) for raw in bitcoin.headers_from(height, 10_000)]
    return [Counted(height + place, header.hash, header.bits, REAL_BITS) for place, header in enumerate(headers)]


def asked(bitcoin: SimulatedBitcoin, act: Callable[[], object]) -> list[str]:
    """Return which questions about blocks an act asks."""
    before = len(bitcoin.calls)
    act()
    return [name for name in bitcoin.calls[before:] if name in {"block_hash", "header", "headers_from"}]


# --- the engine


def test_easy_blocks_do_not_make_an_anchor_final(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Fifty easy blocks are worth less than one real one; each real block does its part, and three make it final."""
    easy(bitcoin, 50)
    service.tick()
    for _ in range(FINAL - 1):
        bitcoin.mine()
        easy(bitcoin, 5)
        service.tick()
        assert ["confirmed"] == service.states()
    bitcoin.mine()
    service.tick()
    assert ["final"] == service.states()


def test_easy_blocks_do_not_settle_an_anchor(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A final anchor is watched until real blocks have made it as deep as the watch depth."""
    bitcoin.mine(FINAL)
    easy(bitcoin, 2 * WATCH)
    service.tick()
    assert [False] == [attempt.standing.settled for attempt in service.attempts()]
    bitcoin.mine(WATCH - FINAL)
    service.tick()
    assert [True] == [attempt.standing.settled for attempt in service.attempts()]


def test_one_real_block_that_removes_many_easy_ones_is_followed(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """The chain gets shorter by 30 blocks; the anchor goes back to the mempool, is mined again, and becomes final."""
    easy(bitcoin, 30)
    service.tick()
    height = bitcoin.height
    bitcoin.reorg(31, length=1)
    assert height - 30 == bitcoin.height
    service.tick()
    assert ["seen"] == service.states()
    bitcoin.mine()
    service.tick()
    assert ["confirmed"] == service.states()
    bitcoin.mine(FINAL - 1)
    service.tick()
    assert ["final"] == service.states()
    assert chain_from(bitcoin, kept(service)[0].height) == kept(service)
    (anchor,) = service.attempts()
    assert [anchor.txid] == [mined.txid for mined in bitcoin.mined()]


@pytest.mark.parametrize("depth", [1, 5, 20])
def test_a_reorganisation_above_the_anchor_takes_its_depth_back(
    service: Service, bitcoin: SimulatedBitcoin, depth: int
) -> None:
    """Easy blocks upon the anchor are replaced by one real block; what is kept is the best chain and nothing else."""
    easy(bitcoin, 20)
    service.tick()
    bitcoin.reorg(depth, length=1)
    service.tick()
    assert ["confirmed"] == service.states()
    assert chain_from(bitcoin, kept(service)[0].height) == kept(service)
    bitcoin.mine(FINAL - 1)
    service.tick()
    assert ["final"] == service.states()


# --- what a look costs


def test_a_look_asks_only_for_what_is_new(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Whether the anchor's block and the last header are still there, and one batch of headers where blocks came."""
    easy(bitcoin, 40)
    look = asked(bitcoin, lambda: service.home.anchoring.watcher.look(service.clock()))
    assert ["block_hash", "block_hash", "headers_from"] == look
    again = asked(bitcoin, lambda: service.home.anchoring.watcher.look(service.clock()))
    assert ["block_hash"] == again


def test_a_new_process_goes_on_where_the_last_one_was(
    service: Service, bitcoin: SimulatedBitcoin, tmp_path: Path
) -> None:
    """``tick`` from cron asks for no header twice: what is known is in the database."""
    easy(bitcoin, 40)
    service.tick()
    service.home.close()
    with restarted(tmp_path / "home", bitcoin, service.clock) as second:
        assert ["block_hash"] == asked(bitcoin, lambda: second.home.anchoring.watcher.look(second.clock()))
        assert chain_from(bitcoin, kept(second)[0].height) == kept(second)


def test_a_look_is_bounded_and_counts_too_little_rather_than_too_much(
    service: Service, bitcoin: SimulatedBitcoin
) -> None:
    """After more blocks than one look asks for, an anchor becomes final one look later."""
    easy(bitcoin, MOST_AT_ONCE)
    bitcoin.mine(FINAL)
    service.tick()
    assert ["confirmed"] == service.states()
    service.tick()
    assert ["final"] == service.states()


def test_what_nobody_watches_is_dropped(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """When the first anchor is settled, headers below the second one's block are not kept."""
    service.add("acme", b"second")
    service.clock.pass_ms(HOUR_MS)
    service.seal()
    service.tick()
    second = bitcoin.mine()
    bitcoin.mine(WATCH)
    service.tick()
    service.clock.pass_ms(HOUR_MS)
    bitcoin.mine()
    service.tick()
    assert ["final", "final"] == service.states()
    assert [True, True] == [attempt.standing.settled for attempt in service.attempts()]
    service.add("acme", b"third")
    service.clock.pass_ms(HOUR_MS)
    service.seal()
    service.tick()
    third = bitcoin.mine()
    service.tick()
    bitcoin.mine()
    service.tick()
    assert second.height < third.height == kept(service)[0].height


# --- faults


def test_a_failed_look_keeps_what_was_known(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A source that is lost between two questions changes nothing; the next look goes on."""
    before = kept(service)
    easy(bitcoin, 5)
    bitcoin.before("headers_from", lost_connection)
    with pytest.raises(SourceError):
        service.tick()
    assert before == kept(service)
    service.tick()
    assert chain_from(bitcoin, before[0].height) == kept(service)


def test_a_reorganisation_between_two_questions_is_no_fault(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Headers that do not follow what is kept are left for the next look."""
    easy(bitcoin, 5)
    service.tick()
    bitcoin.mine()
    # After the fork was looked for, and before its headers are asked for, a heavier branch appears.
    bitcoin.before("headers_from", lambda: bitcoin.reorg(4, length=2))
    service.tick()
    service.tick()
    assert chain_from(bitcoin, kept(service)[0].height) == kept(service)
    assert bitcoin.is_quiet


def test_two_processes_follow_one_chain(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """One that has looked before the other one noted a reorganisation drops nothing that is right."""
    easy(bitcoin, 5)
    service.tick()
    engine = service.home.engine
    first = kept(service)[0].height
    tip = bitcoin.mine()

    def other_process() -> None:
        RecentHeaders(engine, bitcoin).follow(first, bitcoin.reorg(6, length=2))

    bitcoin.after("headers_from", other_process)
    RecentHeaders(engine, bitcoin).follow(first, tip)
    assert chain_from(bitcoin, first) == kept(service)


def test_a_dry_run_counts_work_and_keeps_none_of_it(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A rehearsal follows the headers as a tick does, in a copy: those that the home keeps are as before."""
    easy(bitcoin, 5)
    before = kept(service)
    said = dry_run(service.home.folder, service.clock, source_of=lambda _: bitcoin)
    assert before == kept(service)
    assert [str(attempt.state) for attempt in service.tick().attempts] == [each["state"] for each in said["attempts"]]
    assert before != kept(service)


@pytest.mark.parametrize(
    ("bits", "said"), [(REAL_BITS, "does not hold"), (0x2001FFFF, "does not hold"), (0x207FFFFE, "as its period began")]
)
def test_a_header_without_its_work_is_refused(
    service: Service, bitcoin: SimulatedBitcoin, bits: int, said: str
) -> None:
    """A source cannot make an anchor final for nothing: a claimed target needs its hashes, and is the period's."""
    tip = easy(bitcoin)
    real = Header.decode(bitcoin.headers_from(tip.height, 1)[0])
    made = (replace(real, bits=bits, nonce=nonce) for nonce in range(1 << 20))
    wanted = said == "as its period began"
    forged = next(
        each for each in made if wanted == (int.from_bytes(each.hash, "little") <= target_from_bits(each.bits))
    )
    bitcoin.instead("headers_from", lambda: [forged.encode()])
    with pytest.raises(SourceError, match=said):
        service.tick()
    assert ["confirmed"] == service.states()


# --- verify by a live source


def test_a_live_source_says_what_confirmations_are_worth(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """The verifier's view counts the same work: seven confirmations of which two are real are worth two."""
    (anchor,) = service.attempts()
    assert anchor.standing.block is not None
    height = anchor.standing.block.height
    easy(bitcoin, 4)
    bitcoin.mine(2)
    known = SourceBlocks(bitcoin, ("simulated",)).at(height)
    assert KnownBlock(anchor.standing.block.hash, 7, 5 * 2 + 2 * 1024, 1024) == known
    assert known is not None
    assert (7, 2, 2) == (known.confirmations, known.full_confirmations, known.depth)
    assert SourceBlocks(bitcoin, ("simulated",)).at(bitcoin.height + 1) is None


def test_a_live_source_is_not_asked_for_a_year_of_headers(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Counting ends where a block is as deep as anything is watched; then there is at least so much work."""
    height = bitcoin.height
    bitcoin.mine(100 + WATCH)
    easy(bitcoin, 150)
    known = SourceBlocks(bitcoin, ("simulated",)).at(height)
    assert known is not None
    assert (100 * 1024 + 2, True) == (known.work, known.is_least)
    assert (259, 100) == (known.confirmations, known.depth)


def test_where_no_block_is_easy_no_header_is_asked_for() -> None:
    """On regtest, as on mainnet and signet, the view is as before: a hash and confirmations."""
    regtest = SimulatedBitcoin()
    regtest.mine(9, ANYONE)
    questions = asked(regtest, lambda: SourceBlocks(regtest, ("simulated",)).at(3))
    assert ["block_hash"] == questions
