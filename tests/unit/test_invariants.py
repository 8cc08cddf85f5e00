"""The checker of invariants finds nothing in a sound log, and each thing that is broken by hand."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from anchor.bitcoin.known import SourceBlocks
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, strip_witness
from anchor.proof.promise import Promise
from anchor.proof.receipt import LogCard
from anchor.proof.verifier import Verifier
from anchor.signing import check_signature
from tests.invariants import Block, broken, misjudged, read_rows
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import Service, coin_at, foreign_anchor, new_service

pytestmark = pytest.mark.on_both


class _Enough(Exception):
    """Undoes what was broken."""


@dataclass
class World:
    """A log of two chains with two anchors, and what was handed out of it."""

    service: Service
    bitcoin: SimulatedBitcoin
    receipts: list[bytes]
    promises: list[Promise]
    blocks: list[Block]

    def found(self, promises: list[Promise] | None = None, blocks: list[Block] | None = None) -> list[str]:
        """Return the words of what does not hold."""
        rows = read_rows(self.service.home.engine.query)
        given = (self.promises if promises is None else promises, self.blocks if blocks is None else blocks)
        return [finding.partition(":")[0] for finding in broken(rows, *given, check_signature)]


@pytest.fixture(scope="module")
def world(_database: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    bitcoin = SimulatedBitcoin()
    with new_service(tmp_path_factory.mktemp("invariants") / "home", bitcoin) as service:
        bitcoin.mine(1, service.wallet.script)
        bitcoin.mine(100)
        hashes = [service.open_chain("acme"), service.open_chain("beta")]
        for number in range(2):
            hashes += [each for name in ("acme", "beta") for each in service.add(name, b"%d" % number, b"more")]
            service.anchor(bitcoin)
        receipts = [service.receipt(entry_hash) for entry_hash in hashes]
        promises = [receipt.promise for receipt in receipts if receipt.promise is not None]
        assert len(hashes) == len(promises)
        blocks = [Block(service.clock(), [transaction]) for transaction in bitcoin.mined()]
        yield World(service, bitcoin, [receipt.encode() for receipt in receipts], promises, blocks)


def test_a_sound_log_has_no_findings(world: World) -> None:
    """What a service wrote, promised and anchored breaks no rule, and its receipts hold."""
    assert [] == world.found()
    assert 2 == len(world.blocks)
    card = LogCard.decode((world.service.home.folder / "log-card.json").read_bytes())
    views = (SourceBlocks(world.bitcoin, ("simulated",)),)
    verifier = Verifier(card=card, blocks=views, depth=1, check_signature=check_signature)
    assert [] == misjudged(world.receipts, world.promises, verifier)
    assert ["receipt"] == [each.partition(":")[0] for each in misjudged(world.receipts, world.promises[1:], verifier)]
    assert len(world.receipts) == len(misjudged(world.receipts, world.promises, replace(verifier, blocks=())))


_NEWEST = "(SELECT MAX({0}) FROM {1})"
_LAST_EXTENT, _LAST_BUNDLE = _NEWEST.format("first_seq", "extent"), _NEWEST.format("first_seq", "bundle")
_LAST_LEAF = _NEWEST.format("leaf_index", "directory_leaf")


def leaf_in_place_of(index: int, other: int) -> str:
    """Return what makes one leaf of the directory another one."""
    taken = f"(SELECT leaf FROM directory_leaf WHERE leaf_index = {other})"  # our own numbers
    return f"UPDATE directory_leaf SET leaf = {taken} WHERE leaf_index = {index}"


@pytest.mark.parametrize(
    ("word", "statement"),
    [
        ("chain", f"UPDATE extent SET first_index = first_index + 1 WHERE first_seq = {_LAST_EXTENT}"),
        ("chain", "UPDATE bundle SET entries = (SELECT entries FROM bundle WHERE first_seq = 1) WHERE first_seq = 2"),
        ("chain", "UPDATE tree SET size = size + 1 WHERE tree_no = (SELECT MAX(tree_no) FROM tree)"),
        ("acknowledged", f"DELETE FROM extent WHERE first_seq = {_LAST_EXTENT}"),
        ("acknowledged", f"DELETE FROM bundle WHERE first_seq = {_LAST_BUNDLE}"),
        ("head", leaf_in_place_of(3, 2)),
        ("head", f"UPDATE directory_leaf SET leaf_index = 1000 WHERE leaf_index = {_LAST_LEAF}"),
        ("checkpoint", "UPDATE checkpoint SET root = (SELECT root FROM checkpoint ORDER BY size LIMIT 1)"),
        ("checkpoint", "UPDATE checkpoint SET note = NULL"),
        ("checkpoint", "UPDATE checkpoint SET note = (SELECT MIN(note) FROM checkpoint)"),
        ("thread", "UPDATE attempt SET txid = spends WHERE attempt_no = (SELECT MAX(attempt_no) FROM attempt)"),
        ("thread", leaf_in_place_of(1, 0)),
    ],
)
def test_what_is_broken_in_the_rows_is_found(word: str, statement: str, world: World) -> None:
    """Each rule sees what breaks it."""
    engine = world.service.home.engine
    with pytest.raises(_Enough), engine.transaction():  # noqa: PT012  # what is broken is looked at before it is undone
        assert engine.execute(statement) > 0
        assert word in world.found()
        raise _Enough
    assert [] == world.found()


def test_what_was_promised_otherwise_is_found(world: World) -> None:
    """An entry that is not where its promise says, a promise that nobody signed, and one that is late."""
    first, *others = world.promises
    moved = replace(first, leaf=replace(first.leaf, leaf_index=1))
    assert {"acknowledged", "promise"} == set(world.found([moved, *others]))
    assert ["promise"] == world.found([replace(first, signature=bytes(64)), *others])
    too_late_ms = max(promise.note.anchor_by_ms for promise in world.promises) + 1
    late = [replace(block, at_ms=too_late_ms) for block in world.blocks]
    assert len(world.promises) == world.found(blocks=late).count("promise")
    assert len(world.promises) == world.found(blocks=[]).count("promise")


def test_what_bitcoin_shows_otherwise_is_found(world: World) -> None:
    """An anchor that skips one, a coin that is spent twice, and an anchor that no journal knows."""
    first, second = world.blocks
    assert "thread" in world.found(blocks=[second])
    assert {"thread", "coin"} == set(world.found(blocks=[first, second, second]))
    newest = second.transactions[0]
    coin = coin_at(world.bitcoin, world.service.wallet.script, OutPoint(newest.txid, 0))
    strangers = Transaction.decode(strip_witness(foreign_anchor(world.service.wallet, coin)), 4000)
    assert ["thread", "thread"] == world.found(blocks=[first, second, Block(second.at_ms, [strangers])])
