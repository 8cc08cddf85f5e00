"""Tests of ``chains.web.writing`` over a real home, without a socket: how long one may write, what is taken of him."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import pytest

from anchor.errors import OverloadedError, QuotaError, StorageError
from chains.access import Role, Visibility
from chains.group_commit import MOST_TOGETHER_BYTES
from chains.home import Home
from chains.metrics import registry_of
from chains.quota import Quota
from chains.web.posted import Admission
from chains.web.requests import Request
from chains.web.rooms import Rooms
from chains.web.writing import Writing
from chains.web.written import EntryWritten
from chains.work import Content, Kind
from tests.homes import holding
from tests.simulators.api_server import make_home
from tests.simulators.store import clear


@dataclass
class Site:
    """The write side of a service in this process, with a clock that a test moves."""

    home: Home
    rooms: Rooms
    writing: Writing
    token: str
    now_s: float = 100.0

    async def admit(self) -> Admission:
        """Ask to write to the chain that is called acme."""
        headers = ((b"authorization", f"Bearer {self.token}".encode()),)
        return await self.writing.admit(Request("POST", "", headers, b"", self.home.clock(), {"chain": "acme"}))

    def admitted(self) -> Admission | None:
        return self.writing.admitted(self.token, "acme")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Home.open(make_home(tmp_path)) as home:
        _, counts = registry_of(home.folder, home.clock)
        acme = home.accounts.organisations.create("acme", home.clock())
        token = home.accounts.keys.create(acme, Role.WRITER, "", None, home.clock()).token
        home.writer.open_chain([clear("x")], b"", f"{acme.organisation_id}/acme", home.clock(),
                               note=lambda made: home.accounts.sharing.own(made, acme, Visibility.PRIVATE))  # fmt: skip
        rooms = Rooms(home.folder, home.clock)
        made = Site(home, rooms, Writing(home, rooms, counts, monotonic_s=lambda: made.now_s), token)
        yield made
        made.writing.stop()
        rooms.close()


def test_an_admission_is_used_for_seconds_only(site: Site) -> None:
    """Behind its first second it is looked up anew beside; what nobody used for long is asked for before it is used."""

    async def story() -> None:
        assert site.admitted() is None
        first = await site.admit()
        site.now_s += 0.9
        assert first is await site.admit() is site.admitted()
        site.now_s += 0.2
        assert first is site.admitted()
        while site.admitted() is first:
            await asyncio.sleep(0.01)
        second = site.admitted()
        assert second is not None
        assert first.chain == second.chain
        site.now_s += 5.0
        assert site.admitted() is None
        assert second is not await site.admit()
        assert site.admitted() is not None

    asyncio.run(story())


def test_what_is_refused_for_now_takes_nothing_from_a_quota(site: Site) -> None:
    """A service that has no room is asked again and again: with what it did not take, a quota is not used up."""

    async def story() -> None:
        admission = replace(await site.admit(), quota=Quota(entries_per_s=1))
        for number in range(10):
            await site.writing.commit_content(admission, Content(b"%d" % number))
        with pytest.raises(QuotaError):
            await site.writing.commit_content(admission, Content(b"one more"))
        site.now_s += 1.0
        site.writing.stop()
        for _ in range(3):
            with pytest.raises(OverloadedError):
                await site.writing.commit_content(admission, Content(b"later"))

    asyncio.run(story())


def test_room_is_asked_for_before_signatures_are_checked_and_not_taken(site: Site) -> None:
    """What is over the quota, or finds no room, is refused before the work; asking takes nothing from the quota."""

    async def story() -> None:
        admission = replace(await site.admit(), quota=Quota(entries_per_s=1))
        for _ in range(3):
            site.writing.check_room(admission, 10)
        with pytest.raises(QuotaError):
            site.writing.check_room(admission, 11)
        await site.writing.commit_content(admission, Content(b"one"))
        with pytest.raises(QuotaError):
            site.writing.check_room(admission, 10)
        site.writing.stop()
        with pytest.raises(OverloadedError):
            site.writing.check_room(admission, 1)

    asyncio.run(story())


def test_what_comes_during_a_commit_goes_together_into_the_next(site: Site) -> None:
    """Nothing is handed over before those before it are answered, in however many turns of the event loop it came."""

    async def story() -> None:
        admission = await site.admit()
        told: list[object] = []
        with holding(site.home.folder):
            site.writing.record(admission, b"first", Kind(), told.append)
            for number in range(5):
                await asyncio.sleep(0.01)
                site.writing.record(admission, b"%d" % number, Kind(), told.append)
            while site.writing.commits.waiting.entries:
                await asyncio.sleep(0.01)
            assert ([], 5) == (told, site.writing.waiting_entries)
        while len(told) < 6:
            await asyncio.sleep(0.01)
        assert all(isinstance(each, bytes) for each in told)
        counts = site.home.engine.query("SELECT entry_count FROM group_commit ORDER BY first_seq DESC LIMIT 2")
        assert [(5,), (1,)] == [tuple(row) for row in counts]
        assert isinstance(await site.writing.commit_content(admission, Content(b"alone")), EntryWritten)

    asyncio.run(story())


def test_a_service_whose_commit_does_not_end_is_not_ready(site: Site) -> None:
    """While a commit waits for the database for long nothing can be written, and the service says so; then it can."""

    async def story() -> None:
        admission = await site.admit()
        with holding(site.home.folder):
            told: list[object] = []
            site.writing.record(admission, b"held up", Kind(), told.append)
            site.writing.check()
            with pytest.raises(StorageError, match="within 10 s"):  # noqa: PT012
                while True:  # the thread that commits begins when it does
                    site.now_s += 10.1
                    await asyncio.sleep(0.01)
                    site.writing.check()
        while not told:
            await asyncio.sleep(0.01)
        site.writing.check()

    asyncio.run(story())


def test_what_cannot_be_handed_over_is_told_behind_its_turn(site: Site) -> None:
    """A content that fills a commit by itself is handed over at once; that there is no room is told later."""

    async def story() -> None:
        admission = await site.admit()
        told: list[object] = []
        full = OverloadedError("no room")
        with patch.object(site.writing.commits, "submit", side_effect=full):
            site.writing.record(admission, bytes(MOST_TOGETHER_BYTES), Kind(), told.append)
            assert [] == told
            await asyncio.sleep(0)
        assert [full] == told
        assert isinstance(await site.writing.commit_content(admission, Content(b"later")), EntryWritten)

    asyncio.run(story())
