"""The journal on a real database: what is stored is never changed, and states are folded from events."""

import sqlite3
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest

from anchor.bitcoin.protocols import BlockId
from anchor.errors import StorageError
from anchor.journal import Attempt, Journal
from anchor.lifecycle import Event, Happened, IllegalTransitionError, Standing, State, news, unsettled
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.payload import encode_payload, payload_script
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from anchor.storage.house import House
from anchor.storage.migrations import MIGRATIONS
from tests.databases import open_engine

pytestmark = pytest.mark.on_both

NOW_MS = 1_790_000_000_000
BLOCK = BlockId(101, b"\x0a" * 32)
OTHER = BlockId(102, b"\x0b" * 32)
START = OutPoint(b"\x0f" * 32, 1)
SCRIPT = b"\x00\x14" + bytes(20)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[House]:
    """A database with checkpoints of 3, 5, 8 and 13 leaves."""
    made = open_engine(tmp_path / "journal.db")
    with made.transaction():
        for number, size in enumerate((3, 5, 8, 13)):
            made.execute(
                "INSERT INTO checkpoint (size, seal_number, sealed_at_ms, root, note) VALUES (?, ?, ?, ?, ?)",
                (size, number, NOW_MS, bytes([size]) * 32, "note"),
            )
    yield made
    made.close()


@pytest.fixture
def journal(engine: House) -> Journal:
    """An empty journal."""
    return Journal(engine)


def raw_anchor(spends: OutPoint, size: int, value_sat: int = 9_000) -> bytes:
    outputs = (TxOutput(value_sat, SCRIPT), TxOutput(0, payload_script(encode_payload(size, bytes([size]) * 32))))
    return Transaction(2, (TxInput(spends, b"", 0xFFFFFFFD),), outputs, 0).encode()


def added(journal: Journal, spends: OutPoint = START, size: int = 3, value_sat: int = 9_000) -> Attempt:
    with journal.engine.transaction():
        return journal.add(NOW_MS, size, raw_anchor(spends, size, value_sat), 322)


def tell(journal: Journal, attempt: Attempt, *events: Event, block: BlockId = BLOCK) -> None:
    named = {Event.IN_BLOCK, Event.DEEP}
    journal.note(attempt, NOW_MS, lambda _: [Happened(each, block if each in named else None) for each in events])


def proof_in(block: BlockId, attempt: Attempt) -> BitcoinAnchor:
    return BitcoinAnchor(attempt.raw, 1, (b"\x01" * 32,), b"coinbase", (attempt.txid,), bytes(80), block.height)


def read(journal: Journal) -> list[tuple[int, State]]:
    return [(attempt.attempt_no, attempt.state) for attempt in journal.all()]


def test_an_attempt_is_read_back_as_it_was_stored(journal: Journal) -> None:
    """Bytes, coin, fee and checkpoint of an attempt are there after a restart."""
    made = added(journal)
    assert [made] == Journal(journal.engine).all()
    assert (1, NOW_MS, 3, START, 322, Standing()) == (
        made.attempt_no,
        made.made_at_ms,
        made.checkpoint_size,
        made.spends,
        made.fee_sat,
        made.standing,
    )
    assert Transaction.decode(made.raw, 4000) == made.transaction()
    assert OutPoint(made.transaction().txid, 0) == made.coin


def test_one_transaction_is_one_attempt(journal: Journal) -> None:
    """The same transaction is never stored twice, and what was refused leaves nothing."""
    added(journal)
    with pytest.raises(StorageError):
        added(journal)
    assert [(1, State.BUILT)] == read(journal)


def test_an_attempt_carries_a_checkpoint_that_exists(journal: Journal) -> None:
    """An anchor of a size that was never sealed cannot be stored."""
    with pytest.raises(StorageError):
        added(journal, size=4)
    assert [] == journal.all()


def test_the_first_input_is_the_coin(journal: Journal) -> None:
    """Top-ups follow the thread coin: what an attempt spends is its first input."""
    body = Transaction.decode(raw_anchor(START, 3), 4000)
    more = TxInput(OutPoint(b"\x01" * 32, 0), b"", 0xFFFFFFFD)
    with journal.engine.transaction():
        made = journal.add(NOW_MS, 3, Transaction(2, (*body.inputs, more), body.outputs, 0).encode(), 500)
    assert START == made.spends
    assert 2 == len(made.transaction().inputs)


def test_state_is_folded_from_events(journal: Journal) -> None:
    """Where an attempt stands is what its events say, in the order in which they were noted."""
    made = added(journal)
    story: list[tuple[list[Event], State]] = [
        ([Event.SUBMITTED], State.BROADCAST),
        ([Event.IN_MEMPOOL], State.SEEN),
        ([Event.IN_BLOCK], State.CONFIRMED),
        ([Event.DEEP], State.FINAL),
        ([Event.LEFT_BLOCK, Event.IN_MEMPOOL], State.SEEN),
    ]
    for events, expected in story:
        tell(journal, made, *events)
        assert [(1, expected)] == read(journal)


def test_an_impossible_event_is_refused_and_nothing_is_stored(journal: Journal) -> None:
    """Of several events that cannot all follow, none is kept."""
    made = added(journal)
    with pytest.raises(IllegalTransitionError):
        tell(journal, made, Event.SUBMITTED, Event.DEEP)
    assert Standing() == journal.all()[0].standing


def test_the_decision_is_made_on_what_the_journal_says_now(journal: Journal) -> None:
    """An attempt that was read before another process noted more does not lead to an impossible line."""
    stale = added(journal)
    tell(journal, stale, Event.SUBMITTED, Event.IN_MEMPOOL)
    asked: list[State] = []

    def decide(standing: Standing) -> Iterable[Happened]:
        asked.append(standing.state)
        return news(Event.SUBMITTED)(standing)

    journal.note(stale, NOW_MS, decide)
    assert [State.BUILT, State.SEEN] == asked
    tell(journal, stale, Event.IN_BLOCK)
    journal.note(stale, NOW_MS, news(Event.SUBMITTED))
    assert State.CONFIRMED == journal.all()[0].state


def test_a_note_without_news_takes_no_lock(journal: Journal, tmp_path: Path) -> None:
    """A look that says nothing new does not wait for another process that writes."""
    made = added(journal)
    other = open_engine(tmp_path / "journal.db")
    try:
        with other.transaction():
            journal.note(made, NOW_MS, lambda _: [])
    finally:
        other.close()


def test_settled_attempts_are_no_longer_watched(journal: Journal) -> None:
    """What is settled stays in the journal and leaves the list of those that are looked at."""
    first = added(journal)
    tell(journal, first, Event.IN_BLOCK, Event.DEEP)
    second = added(journal, first.coin, 5)
    assert [1, 2] == [attempt.attempt_no for attempt in journal.watched()]
    assert None is journal.newest_settled()
    tell(journal, first, Event.SETTLED)
    assert [2] == [attempt.attempt_no for attempt in journal.watched()]
    assert [2, 1] == [attempt.attempt_no for attempt in journal.newest(5)]
    assert [2] == [attempt.attempt_no for attempt in journal.newest(1)]
    settled = journal.newest_settled()
    assert settled is not None
    assert first.txid == settled.txid
    tell(journal, second, Event.IN_BLOCK, Event.DEEP, Event.SETTLED)
    newest = journal.newest_settled()
    assert newest is not None
    assert second.txid == newest.txid


def test_unsettled_attempts_are_watched_again(journal: Journal) -> None:
    """What was settled and is looked at again leaves with those that lost to it, and each is noted once."""
    first = added(journal)
    tell(journal, first, Event.IN_BLOCK, Event.DEEP, Event.SETTLED)
    assert [] == journal.settled_with(first)
    for _ in range(2):
        journal.note(journal.all()[0], NOW_MS, unsettled)
    assert [first.txid] == [attempt.txid for attempt in journal.watched()]
    assert None is journal.newest_settled()
    assert (State.FINAL, False) == (journal.all()[0].state, journal.all()[0].standing.settled)
    (noted,) = journal.engine.query("SELECT COUNT(*) FROM attempt_event WHERE event = 'unsettled'")[0]
    assert 1 == noted


def test_the_newest_settled_is_one_that_was_mined(journal: Journal) -> None:
    """However many versions lost and settled after it, the thread goes on from the one that is in a block."""
    winner = added(journal)
    tell(journal, winner, Event.IN_BLOCK, Event.DEEP, Event.SETTLED)
    for number in range(70):
        loser = added(journal, START, 3, 8_000 - number)
        tell(journal, loser, Event.RIVAL_CONFIRMED, Event.SETTLED)
    found = journal.newest_settled()
    assert found is not None
    assert winner.txid == found.txid


def test_known_by_txid(journal: Journal) -> None:
    """A transaction is ours if and only if it is in the journal."""
    made = added(journal)
    assert made == journal.of_txid(made.txid)
    assert journal.knows(made.txid)
    assert not journal.knows(made.txid[::-1])
    assert None is journal.of_txid(bytes(32))


def test_a_proof_belongs_to_one_block(journal: Journal) -> None:
    """After a reorganisation the proof of the old block is not handed out, and it is there again if the block is."""
    made = added(journal)
    tell(journal, made, Event.IN_BLOCK)
    journal.keep_proof(made, BLOCK.hash, proof_in(BLOCK, made))
    confirmed = journal.all()[0]
    first = journal.proof(confirmed)
    assert first is not None
    assert (made.raw, 1, (b"\x01" * 32,), b"coinbase", (made.txid,), bytes(80), 101) == (
        first.transaction,
        first.index,
        first.path,
        first.coinbase,
        first.coinbase_path,
        first.header,
        first.height,
    )
    tell(journal, made, Event.LEFT_BLOCK)
    assert None is journal.proof(journal.all()[0])
    tell(journal, made, Event.IN_BLOCK, block=OTHER)
    assert None is journal.proof(journal.all()[0])
    journal.keep_proof(made, OTHER.hash, proof_in(OTHER, made))
    second = journal.proof(journal.all()[0])
    assert second is not None
    assert 102 == second.height
    tell(journal, made, Event.LEFT_BLOCK, Event.IN_BLOCK)
    assert first == journal.proof(journal.all()[0])


def test_keeping_a_proof_again_changes_nothing(journal: Journal) -> None:
    """What was kept first stays: a proof of one block cannot be replaced."""
    made = added(journal)
    tell(journal, made, Event.IN_BLOCK)
    journal.keep_proof(made, BLOCK.hash, proof_in(BLOCK, made))
    journal.keep_proof(made, BLOCK.hash, proof_in(OTHER, made))
    kept = journal.proof(journal.all()[0])
    assert kept is not None
    assert BLOCK.height == kept.height


def anchor(journal: Journal, spends: OutPoint, size: int, value_sat: int = 9_000) -> Attempt:
    made = added(journal, spends, size, value_sat)
    tell(journal, made, Event.IN_BLOCK)
    journal.keep_proof(made, BLOCK.hash, proof_in(BLOCK, made))
    return made


def test_the_first_anchored_checkpoint_over_a_size(journal: Journal) -> None:
    """An entry behind a missed anchor is proved by the next one: the smallest anchored checkpoint over it."""
    assert None is journal.first_anchored(1)
    lost = added(journal, START, 3)
    tell(journal, lost, Event.RIVAL_CONFIRMED)
    fifth = anchor(journal, START, 5, 8_000)
    thirteenth = anchor(journal, fifth.coin, 13)
    first = partial(_size_of_first, journal)
    assert [5, 5, 5, 13, 13, None] == [first(1), first(3), first(5), first(6), first(13), first(14)]
    tell(journal, fifth, Event.LEFT_BLOCK)
    assert [13, 13, None] == [first(1), first(5), first(14)]
    found = journal.first_anchored(1)
    assert found is not None
    assert thirteenth.txid == found[0].txid


def test_a_mined_attempt_without_proof_is_not_anchored_yet(journal: Journal) -> None:
    """A receipt needs the proof, so an attempt counts once it is kept."""
    made = added(journal)
    tell(journal, made, Event.IN_BLOCK)
    assert None is journal.first_anchored(1)
    journal.keep_proof(made, BLOCK.hash, proof_in(BLOCK, made))
    assert 3 == _size_of_first(journal, 1)


def test_many_attempts_of_one_checkpoint(journal: Journal) -> None:
    """A checkpoint that was tried more often than a page of rows holds is found all the same, by its mined attempt."""
    for number in range(20):
        once_mined = anchor(journal, START, 3, 8_000 - number)
        tell(journal, once_mined, Event.LEFT_BLOCK, Event.RIVAL_CONFIRMED)
    winner = anchor(journal, START, 3)
    found = journal.first_anchored(1)
    assert found is not None
    assert winner.txid == found[0].txid


def _size_of_first(journal: Journal, least_size: int) -> int | None:
    found = journal.first_anchored(least_size)
    return None if found is None else found[0].checkpoint_size


def test_a_database_of_before_the_versions_keeps_its_settled_attempts(tmp_path: Path) -> None:
    """The migration marks what was settled: nothing old is looked at again, and nothing watched is forgotten."""
    path = tmp_path / "old.db"
    old = sqlite3.connect(path)
    spine = dict(MIGRATIONS)["0001-spine"]
    for statement in spine:
        old.execute(statement.format(key="INTEGER PRIMARY KEY", bytes="BLOB"))
    old.execute("INSERT INTO checkpoint VALUES (9, 0, 5, ?, NULL)", (bytes(32),))
    for number in (1, 2):
        row = (number, 7, 9, bytes([number]) * 32, bytes(36), b"raw", 322)
        old.execute("INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    events = [(1, "in-block"), (1, "deep"), (1, "settled"), (2, "submitted")]
    for number, event in events:
        place = (101, bytes(32)) if event in {"in-block", "deep"} else (None, None)
        old.execute(
            "INSERT INTO attempt_event (attempt_no, at_ms, event, block_height, block_hash) VALUES (?, 8, ?, ?, ?)",
            (number, event, *place),
        )
    for statement in dict(MIGRATIONS)["attempt-versions"]:
        old.execute(statement.format(key="INTEGER PRIMARY KEY", bytes="BLOB"))
    assert [(1, 8), (2, None)] == old.execute("SELECT attempt_no, settled_at_ms FROM attempt").fetchall()
    old.close()


# What pages read


def test_attempts_are_read_page_by_page(journal: Journal) -> None:
    """Newest first, below a number, and no more than asked for."""
    attempts = [added(journal, size=size) for size in (3, 5, 8)]
    assert attempts[:0:-1] == journal.below(4, 2)
    assert attempts[:1] == journal.below(2, 2)


def test_versions_of_a_coin_and_attempts_at_a_checkpoint_are_found(journal: Journal) -> None:
    """Both are found by what they share, oldest first."""
    first, dearer = added(journal, size=3), added(journal, size=5, value_sat=8_000)
    following = added(journal, dearer.coin, size=5)
    assert [first, dearer] == journal.spending(START, 9)
    assert [following] == journal.spending(dearer.coin, 9)
    assert [dearer, following] == journal.of_checkpoint(5, 9)
    assert [first] == journal.spending(START, 1)


def test_the_history_of_an_attempt_has_times_and_blocks(journal: Journal) -> None:
    """Every event with when it was noted, in order; of many the newest."""
    attempt = added(journal)
    tell(journal, attempt, Event.SUBMITTED, Event.IN_BLOCK)
    tell(journal, attempt, Event.LEFT_BLOCK)
    expected = [Happened(Event.SUBMITTED), Happened(Event.IN_BLOCK, BLOCK), Happened(Event.LEFT_BLOCK)]
    assert [(NOW_MS, happened) for happened in expected] == journal.history(attempt, 9)
    assert [(NOW_MS, expected[-1])] == journal.history(attempt, 1)
