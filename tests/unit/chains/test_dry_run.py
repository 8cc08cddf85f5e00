"""A dry run says what a tick would do, and neither the database, nor Bitcoin, nor the machine can tell that it ran."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.protocols import Source
from anchor.bitcoin.transaction import build_anchor
from anchor.bitcoin.wallet import Wallet
from anchor.engine import facts_of
from anchor.errors import (
    BehindError,
    HijackedThreadError,
    NewerHomeError,
    RehearsalError,
    SourceUnavailableError,
    StorageError,
    StorageReadOnlyError,
)
from anchor.plan import Send, due_at_ms, is_due, newest_of
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.payload import encode_payload
from anchor.rehearsal import JOURNAL, MuteSource, rehearse
from anchor.storage.read_only import quick_check
from chains.dry_run import dry_run, dry_run_lines
from chains.highwater import HighWater, high_water_file, write_high_water
from chains.home import DATABASE
from chains.home_making import create_home
from tests.homes import add_migration, flush, in_sql, lose_migration, state_of
from tests.simulators.bitcoin import SimulatedBitcoin, lost_connection, out_of_order
from tests.simulators.service import HOUR_MS, SETTINGS, Clock, Service, coin_at, foreign_anchor, new_service

MATURE = 101


def run(service: Service, source: Source, *, at_once: bool = False) -> dict[str, Any]:
    return dry_run(service.home.folder, service.clock, at_once=at_once, source_of=lambda _: source)


def files(folder: Path) -> dict[str, bytes]:
    """Return all files of a home with their bytes, but the two that SQLite keeps beside a database in use."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def next_anchor_is_due(service: Service) -> None:
    service.add("acme", b"more")
    service.clock.pass_ms(HOUR_MS)
    service.seal()


# --- what it says is what happens


def test_what_is_rehearsed_is_what_is_sent(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """The rehearsed anchor has the txid, inputs, fee and payload of the one that the next tick sends."""
    service.seal()
    said = run(service, bitcoin)
    assert ("send", True, None) == (said["would"], said["anchor"]["is_new"], said["anchor"]["replaces"])
    assert isinstance(service.tick().plan, Send)
    (sent,) = service.attempts()
    transaction = sent.transaction()
    anchor = said["anchor"]
    assert hash_hex(sent.txid) == anchor["txid"]
    assert [str(spent.previous) for spent in transaction.inputs] == [each["outpoint"] for each in anchor["inputs"]]
    assert (sent.fee_sat, sent.checkpoint_size) == (anchor["fee_sat"], anchor["checkpoint_size"])
    assert transaction.outputs[0].value_sat == anchor["left_sat"]
    assert transaction.outputs[1].script.hex() == "6a28" + anchor["payload"]
    assert 0 <= anchor["virtual_size"] - sent.virtual_size <= 1
    assert sum(each["value_sat"] for each in anchor["inputs"]) == anchor["left_sat"] + anchor["fee_sat"]


def test_a_rehearsed_replacement_names_what_it_replaces(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Where the live attempt pays too little, the rehearsal makes the version that the tick makes."""
    service.seal()
    service.tick()
    next_anchor_is_due(service)
    bitcoin.fee_rate = 9.0
    bitcoin.mine_without(service.attempts()[0].txid)
    said = run(service, bitcoin)
    assert (1, True) == (said["anchor"]["replaces"], said["anchor"]["is_new"])
    service.tick()
    assert hash_hex(service.attempts()[-1].txid) == said["anchor"]["txid"]


def test_a_stored_attempt_would_be_sent_again(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """An attempt that was stored and not sent is not made anew."""
    service.seal()
    bitcoin.before("broadcast", lost_connection)
    with pytest.raises(SourceUnavailableError):
        service.tick()
    said = run(service, bitcoin)
    assert (False, None) == (said["anchor"]["is_new"], said["anchor"]["replaces"])
    assert hash_hex(service.attempts()[0].txid) == said["anchor"]["txid"]


def test_what_others_did_meanwhile_is_taken_into_account(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """An attempt that was mined since the last tick is confirmed in the rehearsal; the journal does not change."""
    service.seal()
    service.tick()
    bitcoin.mine()
    said = run(service, bitcoin)
    assert ["confirmed"] == [attempt["state"] for attempt in said["attempts"]]
    assert ["broadcast"] == service.states()
    assert "everything sealed is anchored" == said["why"]


def test_before_the_first_seal_it_says_what_the_seal_takes_in(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Nothing is sealed by a rehearsal: it counts what waits, and names the coin that the thread will begin with."""
    said = run(service, bitcoin)
    assert (1, 1, "nothing is sealed yet") == (said["seal"]["chains"], said["seal"]["entries"], said["why"])
    service.seal()
    thread = service.home.directory.thread_leaf()
    assert thread is not None
    assert str(thread[1].outpoint) == said["seal"]["thread_coin"]
    assert None is run(service, bitcoin)["seal"]["thread_coin"]


def test_the_next_date_is_the_one_at_which_an_anchor_is_due(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """``due_at_ms`` is the first millisecond of ``is_due``, with news and without."""
    service.anchor(bitcoin)
    for seals in (False, True):
        if seals:
            service.add("acme", b"news")
            service.seal()
        home = service.home
        facts = facts_of(home.directory, home.journal, home.policy, service.clock(), home.promised)
        due, newest = due_at_ms(facts), newest_of(facts)
        assert due is not None
        assert newest is not None
        if not seals:
            assert (due - facts.now_ms) // 1000 == run(service, bitcoin)["next_due_in_s"] > 0
            assert not is_due(replace(facts, now_ms=due - 1), newest)
        assert is_due(replace(facts, now_ms=due), newest)
    assert facts.now_ms == due


def test_the_pace_is_priced(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A day at an hour's pace is 24 anchors of 161 vB at the source's rate."""
    bitcoin.fee_rate = 7.0
    pace = run(service, bitcoin)["pace"]
    assert (24, 24 * 161 * 7, True) == (pace["anchors_a_day"], pace["most_a_day_sat"], pace["is_estimated"])


def test_people_are_told_the_same(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """The lines say fee, rate, size, payload and what remains."""
    service.seal()
    said = run(service, bitcoin)
    anchor = said["anchor"]
    text = "\n".join(dry_run_lines(said))
    for shown in (
        anchor["txid"],
        anchor["payload"],
        f"fee {anchor['fee_sat']} sat: 161 vB at 2 sat/vB",
        "next anchor due",
    ):
        assert shown in text
    service.tick()
    assert "would send nothing: attempt 1 is" in "\n".join(dry_run_lines(run(service, bitcoin)))


def test_a_request_that_is_outlived_is_withdrawn_in_the_rehearsal_only(
    service: Service, bitcoin: SimulatedBitcoin
) -> None:
    """A tick withdraws a request whose coin is spent; a rehearsal reckons with that, and the request stays."""
    service.anchor(bitcoin)
    home = service.home
    stale = service.attempts()[0]
    coins = home.journal.coins_of(stale)
    assert coins is not None
    transaction = build_anchor(
        coins, home.wallet.script, encode_payload(stale.checkpoint_size, bytes(32)), 10_000, 1_000
    )
    with home.engine.transaction():
        assert home.signature_requests.add(service.clock(), transaction, coins) is not None
    before = state_of(service.home.folder)
    assert "wait" == run(service, bitcoin)["would"]
    assert before == state_of(service.home.folder)
    assert home.signature_requests.live() is not None
    service.tick()
    assert home.signature_requests.live() is None


def test_where_others_sign_it_would_ask_and_not_send(tmp_path: Path, bitcoin: SimulatedBitcoin) -> None:
    """Before a request, with one that waits, and where fees have left that one behind; the tick then does the same."""
    clock, key = Clock(), Wallet.generate(NETWORKS["regtest"], bytes(range(16)))
    settings = replace(SETTINGS, signer="psbt")
    with create_home(tmp_path / "home", settings, "test.anchorline.example", clock, wallet=key.public) as home:
        service = Service(home, bitcoin, clock)
        bitcoin.mine(1, key.script)
        bitcoin.mine(MATURE - 1)
        service.open_chain("acme")
        service.seal()
        said = run(service, bitcoin)
        assert "ask" == said["would"]
        lines = dry_run_lines(said)
        assert f"  would ask for a signature of {said['anchor']['txid']}" in lines
        assert not [line for line in lines if "would send" in line]
        assert said["anchor"]["fee_sat"] == said["pace"]["spent_24_h_sat"]
        assert home.signature_requests.live() is None
        service.tick()
        asked = home.signature_requests.live()
        assert asked is not None
        assert said["anchor"]["txid"] == hash_hex(asked.transaction.txid)
        said = run(service, bitcoin)
        assert ("wait", None) == (said["would"], said["anchor"])
        assert "waits for a signature" in "\n".join(dry_run_lines(said))
        bitcoin.fee_rate = 9.0
        said = run(service, bitcoin)
        assert ("ask", ["signature-renewed"]) == (said["would"], [alert["name"] for alert in said["alerts"]])
        assert asked == home.signature_requests.live()


# --- nothing happens


def test_nothing_is_written_signed_or_sent(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """After a dry run that plans an anchor, every file of the home and every row is as before, and no key was read."""
    service.seal()
    flush(service.home.folder)
    before, rows = files(service.home.folder), state_of(service.home.folder)
    asked = len(bitcoin.calls)
    (service.home.folder / "keys" / "checkpoint.pem").chmod(0)
    said = run(service, bitcoin)
    (service.home.folder / "keys" / "checkpoint.pem").chmod(0o600)
    assert "send" == said["would"]
    assert (before, rows) == (files(service.home.folder), state_of(service.home.folder))
    assert "broadcast" not in bitcoin.calls[asked:]
    assert ([], []) == (bitcoin.mempool(), service.attempts())


def test_a_closed_home_is_as_it_was(tmp_path: Path, bitcoin: SimulatedBitcoin) -> None:
    """Nobody else has the database open: the file is the same, byte for byte, and so is what the machine has noted."""
    with new_service(tmp_path / "home", bitcoin) as service:
        bitcoin.mine(MATURE, service.wallet.script)
        service.open_chain("acme")
        service.seal()
        mark = high_water_file(service.home.directory.log.log_id)
    before, noted = files(tmp_path / "home"), mark.read_bytes()
    assert "send" == dry_run(tmp_path / "home", service.clock, source_of=lambda _: bitcoin)["would"]
    assert (before, noted) == (files(tmp_path / "home"), mark.read_bytes())


def test_a_mute_source_answers_and_does_not_send(bitcoin: SimulatedBitcoin) -> None:
    """Whatever is handed to it, nothing reaches the source behind; every question does."""
    bitcoin.mine(3)
    mute = MuteSource(bitcoin)
    with pytest.raises(RehearsalError):
        mute.broadcast(b"anything")
    assert "broadcast" not in bitcoin.calls
    tip = mute.tip()
    assert (bitcoin.tip(), bitcoin.header(tip.hash)) == (tip, mute.header(tip.hash))
    assert bitcoin.headers_from(1, 2) == mute.headers_from(1, 2)


def test_a_real_engine_is_not_rehearsed_with(service: Service) -> None:
    """An engine that could sign or send is refused before it is asked for anything."""
    with pytest.raises(RehearsalError, match="cannot send"):
        rehearse(service.home.anchoring, service.clock())
    assert [] == service.attempts()


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM checkpoint", "UPDATE tree SET size = 0", "INSERT INTO identity VALUES (9, x'00')", "DROP TABLE head"],
)
def test_a_read_only_engine_refuses_every_other_table(service: Service, statement: str) -> None:
    """The database itself refuses to write."""
    engine = service.home.database.open_read_only(JOURNAL)
    with pytest.raises(StorageReadOnlyError), engine.transaction():
        engine.execute(in_sql(statement))
    engine.close()


def test_copies_are_whole_and_private(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A copy has the rows of the file, with their keys and rules; what is written there is nowhere else."""
    service.anchor(bitcoin)
    engine = service.home.database.open_read_only(JOURNAL)
    for table in JOURNAL:
        stored = [] if table == "outbox" else service.home.engine.query(f"SELECT * FROM {table}")
        assert stored == engine.query(f"SELECT * FROM {table}"), "what was told is only added to"
    with engine.transaction():
        engine.execute("DELETE FROM attempt_event")
    assert [] == engine.query("SELECT * FROM attempt_event")
    assert [] != service.home.engine.query("SELECT * FROM attempt_event")
    with pytest.raises(StorageError), engine.transaction():
        engine.execute("INSERT INTO attempt SELECT * FROM attempt")
    engine.close()


def test_a_rolled_back_copy_is_as_before(service: Service) -> None:
    """An error in a transaction undoes it."""
    engine = service.home.database.open_read_only(JOURNAL)

    def fail_after_writing() -> None:
        with engine.transaction():
            engine.execute("INSERT INTO attempt_coin VALUES (?, 1, 1, 0, ?)", (b"1", b""))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_writing()
    assert ([], False) == (engine.query("SELECT * FROM attempt_coin"), engine.in_transaction)
    engine.close()


# --- what is refused


def test_a_writer_is_not_held_up(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """While another process holds the write lock, a dry run works; while one runs, others write."""
    service.seal()
    with service.home.engine.transaction():
        assert "send" == run(service, bitcoin)["would"]

    def write() -> None:
        service.add("acme", b"meanwhile")

    bitcoin.after("tip", write)
    run(service, bitcoin)
    assert bitcoin.is_quiet


def test_a_home_that_is_behind_is_refused(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """What a real tick would refuse, the rehearsal refuses: a backup, by the machine's note or by Bitcoin."""
    service.seal()
    service.tick()
    bitcoin.mine()
    write_high_water(service.home.directory.log.log_id, HighWater(99, 99))
    with pytest.raises(BehindError, match="this machine has seen"):
        run(service, bitcoin)
    write_high_water(service.home.directory.log.log_id, HighWater(0, 0))
    service.tick()
    coin = coin_at(bitcoin, service.wallet.script, service.attempts()[0].coin)
    bitcoin.broadcast(foreign_anchor(service.wallet, coin))
    with pytest.raises((HijackedThreadError, BehindError)):
        run(service, bitcoin)


def test_a_silent_source_is_an_error(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Nothing is guessed where Bitcoin does not answer."""
    with out_of_order(bitcoin), pytest.raises(SourceUnavailableError):
        run(service, bitcoin)


def test_another_version_s_database_is_not_migrated(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A database that lacks a migration is refused and named; so is one of a newer Anchorline."""
    lose_migration(service.home.folder, "time-stamps")
    assert ("time-stamps",) == service.home.database.schema().pending
    with pytest.raises(StorageError, match=r"older Anchorline.*'time-stamps'"):
        run(service, bitcoin)
    add_migration(service.home.folder, "9999-later")
    with pytest.raises(NewerHomeError, match="9999-later"):
        run(service, bitcoin)


@pytest.mark.sqlite("a page of the file is overwritten")
def test_quick_check_names_damage(tmp_path: Path, service: Service) -> None:
    """A page that was overwritten is found; a whole file is not complained of."""
    path = service.home.folder / DATABASE
    service.home.engine.query("PRAGMA wal_checkpoint(TRUNCATE)")
    assert () == quick_check(path, threading.Event())
    copy = tmp_path / "copy.db"
    data = bytearray(path.read_bytes())
    data[16384 * 2 : 16384 * 2 + 200] = b"\xff" * 200
    copy.write_bytes(data)
    assert any("btreeInitPage" in line or "page" in line.lower() for line in quick_check(copy, threading.Event()) or ())
    over = threading.Event()
    over.set()
    assert quick_check(path, over) in (None, ())
