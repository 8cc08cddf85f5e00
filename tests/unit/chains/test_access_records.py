"""Tests of notes of access and the entries that become of them: none lost, none twice, whatever stops between."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from anchor.errors import AccountError, RefusedEntryError
from anchor.proof.access_record import (
    ACCESS_ID,
    AccessRecord,
    What,
    check_record,
    encode_events,
    record_of,
)
from anchor.proof.entry import (
    Entry,
    Extension,
    ExtensionType,
    ExternalId,
    IdKind,
    chain_id_of,
)
from anchor.proof.receipt import Receipt
from anchor.proof.verdict import Outcome
from chains import access_recording
from chains.access import Role, Visibility
from chains.access_log import log_of
from chains.access_notes import MACHINE, AccessNotes, Note
from chains.access_recording import record_access
from chains.audit import Audit
from chains.chain import Chain
from chains.client.encrypting import new_reader_key, wrap
from chains.client.own_entry import Form, encrypted_entry
from chains.envelopes import Envelopes
from chains.home import Home
from chains.organisations import Organisation
from chains.reader import Reader
from chains.receipts import Shown
from chains.sealing import seal
from chains.together import commit_together
from chains.work import Content, Refused, Submission
from tests.homes import change
from tests.simulators.anchor_story import funded_service
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import START_MS, Service, judge, new_service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A home without a chain."""
    with new_service(tmp_path / "home", SimulatedBitcoin()) as found:
        yield found


@pytest.fixture
def acme(service: Service) -> Organisation:
    """An organisation."""
    return service.home.accounts.organisations.create("acme", service.clock())


def reads(owner: Organisation, count: int) -> list[Note]:
    """Return notes of as many reads of different entries."""
    owner_id = owner.organisation_id
    return [Note(owner_id, MACHINE.did(What.CONTENT, bytes(32), index=2 * each, count=1)) for each in range(count)]


def note(service: Service, notes: list[Note]) -> None:
    AccessNotes(service.home.engine).note(notes, service.clock())


def findings(home: Home) -> list[str]:
    reader = Reader(home.engine, home.chains, home.lookup)
    report = Audit(home.engine, home.trees, home.directory, home.chains, reader, home.journal).run()
    return [f"{each.where}: {each.what}" for each in report.findings]


def access_chain(service: Service, owner: Organisation) -> Chain:
    chain = log_of(service.home, owner.organisation_id).chain
    assert chain is not None
    return chain


def test_notes_become_an_anchored_entry_that_proves_them(tmp_path: Path) -> None:
    """From a read to Bitcoin: the receipt of the record, with content, verifies, and says who read what and when."""
    bitcoin = SimulatedBitcoin()
    with ExitStack() as stack:
        service = funded_service(tmp_path / "home", bitcoin, stack)
        home = service.home
        acme = home.accounts.organisations.create("acme", service.clock())
        home.accounts.keys.create(acme, Role.READER, "", None, service.clock())
        note(service, reads(acme, 2))
        service.lead()
        assert seal(home) is not None
        service.anchor(bitcoin)
        [*events] = log_of(home, acme.organisation_id).events()
        assert ["key-made", "content", "content"] == [each.noted.event.what for each in events]
        [entry_hash] = {each.entry_hash for each in events}
        assert entry_hash is not None
        stored = Reader(home.engine, home.chains, home.lookup).by_hash(entry_hash)
        assert stored is not None
        receipt = Receipt.decode(service.receipts().make(stored, Shown(content=True)).encode())
        assert Outcome.INTACT == judge(receipt, home.card(), bitcoin).outcome
        record = record_of(receipt.entry)
        assert record is not None
        assert receipt.content.data is not None
        assert [each.noted for each in events] == check_record(record, receipt.content.data)
        assert AccessRecord.of([each.noted for each in events]) == record
        assert [] == findings(home)


def test_records_go_on_where_the_one_before_ended(service: Service, acme: Organisation) -> None:
    """Numbers are counted without gap over records and notes that wait; each owner has numbers of his own."""
    other = service.home.accounts.organisations.create("other", service.clock())
    for count in (3, 1, 2):
        note(service, [*reads(acme, count), *reads(other, 1)])
        assert count + 1 == record_access(service.home)
        service.clock.pass_ms(1000)
    note(service, reads(acme, 1))
    assert 0 == len(AccessNotes(service.home.engine).of(other.organisation_id, 9))
    for owner, wanted in ((acme, 7), (other, 3)):
        log = log_of(service.home, owner.organisation_id)
        assert list(range(wanted)) == [each.noted.number for each in log.events()]
        for first in range(wanted):
            assert list(range(first, wanted)) == [each.noted.number for each in log.events(first)]
        access = service.home.accounts.sharing.access_of(access_chain(service, owner).chain_no)
        assert (owner.organisation_id, Visibility.PRIVATE) == (access.owner, access.visibility)
    assert access_chain(service, acme).chain_id != access_chain(service, other).chain_id
    assert [] == findings(service.home)


def test_nothing_is_recorded_where_nothing_was_noted(service: Service, acme: Organisation) -> None:
    """A seal without notes opens no chain."""
    assert 0 == record_access(service.home)
    assert None is log_of(service.home, acme.organisation_id).chain


def test_many_notes_are_several_entries(service: Service, acme: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record has so many events and bytes at most; a transaction so many notes."""
    monkeypatch.setattr(access_recording, "MAX_EVENTS", 4)
    monkeypatch.setattr(access_recording, "MOST_AT_ONCE", 10)
    note(service, reads(acme, 23))
    assert 23 == record_access(service.home)
    sizes = [
        record.count
        for stored in Reader(service.home.engine, service.home.chains, service.home.lookup).page(
            access_chain(service, acme)
        )
        if (record := record_of(stored.entry)) is not None
    ]
    assert [4, 4, 2, 4, 4, 2, 3] == sizes
    assert list(range(23)) == [each.noted.number for each in log_of(service.home, acme.organisation_id).events()]


@pytest.mark.parametrize("step", ["append_rows", "promise", "take", "set_chain"])
def test_a_stop_at_any_step_leaves_all_notes_or_all_entries(
    service: Service, acme: Organisation, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost and nothing recorded twice, stopped before or after a step: the next run makes it whole."""
    note(service, reads(acme, 3))
    owner = {"append_rows": service.home.chains, "promise": service.home.writer}.get(step, AccessNotes)
    does = getattr(owner, step)
    for is_after in (False, True):

        def stops(*given: object, is_after: bool = is_after) -> None:
            if is_after:
                does(*given)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(owner, step, stops)
            with pytest.raises(KeyboardInterrupt):
                record_access(service.home)
        assert 3 == AccessNotes(service.home.engine).waiting()
        assert log_of(service.home, acme.organisation_id).chain is None
    assert 3 == record_access(service.home)
    assert [0, 1, 2] == [each.noted.number for each in log_of(service.home, acme.organisation_id).events()]
    assert [] == findings(service.home)


def test_times_stand_still_while_the_clock_is_back(service: Service, acme: Organisation) -> None:
    """A key can be revoked then, and its note is not before the last one."""
    note(service, reads(acme, 1))
    keys = service.home.accounts.keys
    made = keys.create(acme, Role.READER, "", None, START_MS)
    keys.revoke(made.key, START_MS - 3_600_000)
    events = [each.noted for each in log_of(service.home, acme.organisation_id).events()]
    assert [(0, START_MS), (1, START_MS), (2, START_MS)] == [(each.number, each.at_ms) for each in events]


def test_nobody_else_writes_to_an_access_chain(service: Service, acme: Organisation) -> None:
    """Contents, entries made elsewhere and chains that would look like one are refused by every way."""
    note(service, reads(acme, 1))
    record_access(service.home)
    home, chain, now_ms = service.home, access_chain(service, acme), service.clock()
    writer = home.writer
    with pytest.raises(RefusedEntryError, match="only the service itself"):
        writer.record(chain, [b"mine"], now_ms)
    plain = Entry(chain.chain_id, bytes(32)).encode()
    with pytest.raises(RefusedEntryError, match="only the service itself"):
        writer.submit(chain, [Submission(plain)], now_ms)
    for item in (Content(b"mine"), Submission(plain)):
        [done] = commit_together(writer, [writer.prepare(chain, [item])], now_ms)
        assert not isinstance(done, Exception)
        [refused] = done.outcomes
        assert isinstance(refused, Refused)
        assert "only the service itself" in refused.detail
    ids = (ExternalId(IdKind.CLEAR, ACCESS_ID), ExternalId(IdKind.HASHED, bytes(32)))
    with pytest.raises(RefusedEntryError, match="opened by the service itself"):
        writer.open_chain(ids, b"", None, now_ms)
    with pytest.raises(RefusedEntryError, match="opened by the service itself"):
        writer.open_chain_with(Submission(Entry(chain_id_of(ids), bytes(32), external_ids=ids).encode()), None, now_ms)
    service.open_chain("ordinary")
    ordinary = home.chains.named("ordinary")
    marked = (Extension(ExtensionType.ACCESS_RECORD, AccessRecord(0, 1, 0, 0).encode()),)
    with pytest.raises(RefusedEntryError, match="extension 12"):
        writer.submit(ordinary, [Submission(Entry(ordinary.chain_id, bytes(32), extensions=marked).encode())], now_ms)
    assert 1 == home.chains.size(chain)


def test_an_access_chain_stays_private_and_with_its_organisation(service: Service, acme: Organisation) -> None:
    """It is given to nobody and made visible to nobody; a grant lets an auditor in."""
    other = service.home.accounts.organisations.create("other", service.clock())
    note(service, reads(acme, 1))
    record_access(service.home)
    sharing, chain, now_ms = service.home.accounts.sharing, access_chain(service, acme), service.clock()
    for owner in (other, None):
        with pytest.raises(AccountError, match="stays private"):
            sharing.set_owner(chain, owner, now_ms)
    with pytest.raises(AccountError, match="stays private"):
        sharing.set_visibility(chain, Visibility.PUBLIC, now_ms)
    sharing.grant(chain, other, Role.AUDITOR, None, now_ms)
    assert acme.organisation_id == sharing.access_of(chain.chain_no).owner


def test_changes_of_sharing_and_keys_are_noted_for_the_owner(service: Service, acme: Organisation) -> None:
    """Grants, owners, visibilities and keys, each once and only where something changed; nothing for the operator."""
    home, now_ms = service.home, service.clock()
    other = home.accounts.organisations.create("other", now_ms)
    service.open_chain("press")
    chain, sharing, keys = home.chains.named("press"), home.accounts.sharing, home.accounts.keys
    sharing.set_visibility(chain, Visibility.MEMBERS, now_ms)
    keys.create(None, Role.OPERATOR, "", None, now_ms)
    assert 0 == AccessNotes(home.engine).waiting()
    sharing.set_owner(chain, acme, now_ms)
    sharing.set_visibility(chain, Visibility.PRIVATE, now_ms)
    sharing.set_visibility(chain, Visibility.PRIVATE, now_ms)
    sharing.grant(chain, other, Role.READER, None, now_ms)
    sharing.withdraw(chain, other, now_ms)
    made = keys.create(acme, Role.READER, "", None, now_ms)
    rotated = keys.rotate(made.key, 0, None, now_ms)
    keys.revoke(rotated.key, now_ms)
    keys.revoke(rotated.key, now_ms)
    sharing.set_owner(chain, other, now_ms)
    told = [
        (event.what, event.subject, event.detail)
        for event in (each.noted.event for each in log_of(home, acme.organisation_id).events())
    ]
    assert [
        ("owner", acme.organisation_id, ""),
        ("visibility", "", "private"),
        ("grant", other.organisation_id, "reader without end"),
        ("grant-ended", other.organisation_id, ""),
        ("key-made", made.key.key_id, "reader"),
        ("key-rotated", rotated.key.key_id, f"in the place of {made.key.key_id}, which holds until {now_ms} ms"),
        ("key-revoked", rotated.key.key_id, ""),
        ("owner", other.organisation_id, ""),
    ] == told
    assert ["owner"] == [each.noted.event.what for each in log_of(home, other.organisation_id).events()]


@pytest.mark.parametrize(
    ("damage", "wanted"),
    [
        ("DELETE FROM access_note WHERE number = 3", "expected note 3"),
        ("DELETE FROM access_note WHERE number = 4", "5 were counted, and 4 are recorded or wait"),
        ("UPDATE access_log SET next_number = 7", "7 were counted, and 5 are recorded or wait"),
    ],
)
def test_the_audit_finds_notes_that_were_taken_out(
    service: Service, acme: Organisation, damage: str, wanted: str
) -> None:
    """Of three notes that wait behind two recorded events one is deleted, in the middle or at the end."""
    note(service, reads(acme, 2))
    record_access(service.home)
    note(service, reads(acme, 3))
    assert [] == findings(service.home)
    change(service.home.folder, damage)
    assert any(wanted in each for each in findings(service.home))


def test_the_audit_finds_a_record_that_is_not_what_its_entry_says(
    service: Service, acme: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator whose program writes other events than the extension counts, or leaves some out, is found."""
    note(service, reads(acme, 4))
    monkeypatch.setattr(access_recording, "encode_events", lambda events: encode_events(events[:-1]))
    record_access(service.home)
    monkeypatch.undo()
    assert ["its content holds" in each for each in findings(service.home)] == [True]
    note(service, reads(acme, 1))
    with service.home.engine.transaction():
        AccessNotes(service.home.engine).take(acme.organisation_id, 5)
    note(service, reads(acme, 1))
    record_access(service.home)
    assert any("expected accesses from number 4 on" in each for each in findings(service.home))


def test_readers_of_an_envelope_are_noted_for_the_owner(service: Service, acme: Organisation) -> None:
    """Who may open encrypted content from now on, or no more: each is an event about the entry."""
    home, now_ms = service.home, service.clock()
    service.open_chain("sealed")
    chain = home.chains.named("sealed")
    home.accounts.sharing.set_owner(chain, acme, now_ms)
    anna, ben = new_reader_key(os.urandom), new_reader_key(os.urandom)
    own = encrypted_entry(chain.chain_id, b"a secret", Form(), os.urandom, [anna.public_key])
    assert own.envelope is not None
    [accepted] = home.writer.submit(chain, [Submission(own.raw, envelope=own.envelope.encode())], now_ms)
    stored = Reader(home.engine, home.chains, home.lookup).row(accepted.seq)
    envelopes = Envelopes(home.engine)
    wrapped = wrap(bytes(32), ben.public_key, stored.entry_hash)
    envelopes.add(stored, wrapped, "operator", now_ms)
    envelopes.remove(stored, wrapped.reader, "operator", now_ms)
    events = [each.noted.event for each in log_of(home, acme.organisation_id).events()]
    assert ["owner", "reader-added", "reader-removed"] == [event.what for event in events]
    told = {(event.entry, event.subject, event.by) for event in events[1:]}
    assert {(stored.entry_hash, wrapped.reader.hex(), "machine")} == told
