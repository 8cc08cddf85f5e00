"""Tests of ``chains.web.noting``: what many readers took at once is stored, and becomes entries where much waits."""

import asyncio
from collections.abc import Iterator

import pytest

from anchor.errors import OverloadedError, RefusedEntryError, StorageFullError
from anchor.proof.access_record import What
from chains.access_log import Logged, log_of
from chains.access_notes import MACHINE, AccessNotes, Note, joined
from chains.organisations import Organisation
from chains.web import noting as noting_module
from chains.web.noting import Noting
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import Service, new_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A home without a chain, for all tests."""
    with new_service(tmp_path_factory.mktemp("noting") / "home", SimulatedBitcoin()) as found:
        yield found


@pytest.fixture
def owner(service: Service, request: pytest.FixtureRequest) -> Organisation:
    """An organisation of one test."""
    return service.home.accounts.organisations.create(request.node.name[:90], service.clock())


def read(owner: Organisation, index: int, what: What = What.CONTENT) -> Note:
    return Note(owner.organisation_id, MACHINE.did(what, bytes(32), index=index, count=1))


def logged(service: Service, owner: Organisation) -> list[Logged]:
    return list(log_of(service.home, owner.organisation_id).events())


def note_each(service: Service, notes: list[list[Note]], most_waiting: int = 10_000) -> list[str]:
    """Note what so many readers took at once; return the log lines."""
    lines: list[str] = []
    noting = Noting(service.home.folder, service.clock, lines.append, most_waiting)

    async def all_at_once() -> None:
        await asyncio.gather(*map(noting.note, notes))

    try:
        asyncio.run(all_at_once())
    finally:
        noting.close()
    return lines


def test_what_many_readers_took_is_all_stored(service: Service, owner: Organisation) -> None:
    """Each once, with numbers that have no gap, whoever came first."""
    assert [] == note_each(service, [[read(owner, 2 * each)] for each in range(50)])
    found = logged(service, owner)
    assert list(range(50)) == [each.noted.number for each in found]
    assert {2 * each for each in range(50)} == {each.noted.event.index for each in found}
    assert {None} == {each.entry_hash for each in found}


def test_where_many_notes_wait_they_become_entries_without_a_seal(service: Service, owner: Organisation) -> None:
    """After so many; what comes then waits anew."""
    assert [] == note_each(service, [[read(owner, 2 * each) for each in range(7)]], most_waiting=7)
    assert 7 == sum(each.entry_hash is not None for each in logged(service, owner))
    assert [] == note_each(service, [[read(owner, 0)]], most_waiting=7)
    assert [None] == [each.entry_hash for each in logged(service, owner)][7:]


def test_that_no_entry_can_be_made_is_no_concern_of_who_reads(
    service: Service, owner: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """His note is stored, and waits on; the operator is told."""

    def refused(*_: object) -> int:
        raise RefusedEntryError("not now")

    monkeypatch.setattr(noting_module, "record_access", refused)
    lines = note_each(service, [[read(owner, 0)]], most_waiting=1)
    assert ["event=failed job=access error=RefusedEntryError message='not now'"] == lines
    assert [None] == [each.entry_hash for each in logged(service, owner)]


def test_a_reader_whose_note_is_not_stored_is_told_so(
    service: Service, owner: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, and a service that is stopping: there is no answer, and no note."""

    def full(*_: object) -> None:
        raise StorageFullError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(AccessNotes, "add", full)
        with pytest.raises(StorageFullError):
            note_each(service, [[read(owner, 0)]])
    noting = Noting(service.home.folder, service.clock, print)
    noting.close()
    with pytest.raises(OverloadedError):
        asyncio.run(noting.note([read(owner, 0)]))
    assert [] == logged(service, owner)


def test_of_one_question_an_event_says_the_most(service: Service, owner: Organisation) -> None:
    """Of each entry; entries that follow one another are one event where the same was handed out of them."""
    taken = [
        *(read(owner, index, What.SALT) for index in (0, 1, 2, 4)),
        *(read(owner, index, What.RECEIPT) for index in (2, 1)),
        read(owner, 1, What.CONTENT),
        Note(owner.organisation_id, MACHINE.did(What.LOG)),
    ]
    assert [("salt", 0, 1), ("content", 1, 1), ("receipt", 2, 1), ("salt", 4, 1), ("log", 0, 0)] == [
        (note.event.what, note.event.index, note.event.count) for note in joined(taken)
    ]
    assert [(3, 4)] == [(each.event.index, each.event.count) for each in joined(read(owner, n) for n in (5, 3, 6, 4))]
