"""Tests of ``chains.web.commits_beside``: what goes between the two processes, and how either of them ends.

The other half runs on a thread here, over a real home; ``tests/crash/test_crash_serving.py`` kills real ones.
"""

import asyncio
import json
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor import errors
from anchor.errors import ForbiddenByPolicyError, OverloadedError, QuotaError, SettingsError, StorageBusyError
from anchor.hashing.pieces import Pieces
from anchor.proof.errors import AnchorlineError, Reason, VerificationError
from chains.access import Role, Visibility
from chains.chain import Chain
from chains.group_commit import MOST_WAITING, Size
from chains.home import Home
from chains.metrics import registry_of
from chains.web import commits_beside
from chains.web.commits import Deliver, Delivered
from chains.web.commits_beside import CommitProcess, CommitsBeside, Unpacking, packed, run
from chains.web.committing import Committing, Given
from chains.web.posted import Admission, GivenContents, GivenWork
from chains.web.problems import ProblemError
from chains.web.requests import Request
from chains.web.rooms import Rooms
from chains.web.writing import Writing
from chains.web.written import EntryWritten
from chains.work import Accepted, Content, Kind, Refused
from tests.homes import holding
from tests.simulators.api_server import make_home
from tests.simulators.store import clear

pytestmark = pytest.mark.sqlite("a process beside is for a file")


# --- what goes between them


@given(st.lists(st.binary(max_size=50)), st.integers(1, 20))
def test_objects_are_whole_however_their_bytes_are_cut(objects: list[bytes], size: int) -> None:
    """A pair of sockets has no borders: nothing is made of half an object, and nothing is lost."""
    assert objects == _read_in_cuts(objects, size)


@pytest.mark.parametrize("cut", [1000, 2**17 + 1, 2**30])
def test_objects_larger_than_the_room_are_whole_too(cut: int) -> None:
    """The room grows to an object that does not fit, and is as small as before behind it."""
    edge = 2**20
    objects = [bytes(size) for size in (3 * edge, 10, edge - 40, edge, edge + 1, 0, 2 * edge, 5)]
    assert objects == _read_in_cuts(objects, cut)


def _read_in_cuts(objects: list[bytes], most: int) -> list[bytes]:
    """Hand over what is sent in pieces of at most so many bytes, as the room takes them."""
    sent = b"".join(map(packed, objects))
    found: list[bytes] = []
    unpacking = Unpacking()
    while sent:
        with unpacking.room() as room:
            cut = min(most, len(room), len(sent))
            room[:cut] = sent[:cut]
        sent = sent[cut:]
        found += unpacking.take(cut)
    with unpacking.room() as room:
        assert len(room) == 2**20, "what was grown is given back"
    return found


def _errors() -> list[AnchorlineError]:
    own = {errors.ForbiddenByPolicyError, errors.QuotaError}
    plain = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AnchorlineError)]
    simple = [kind("text") for kind in plain if kind not in own and "__init__" not in vars(kind)]
    return [
        *simple,
        ForbiddenByPolicyError("text", "authors"),
        QuotaError(3, "text"),
        VerificationError(Reason.MALFORMED, "text"),
    ]


@pytest.mark.parametrize("error", _errors(), ids=lambda error: type(error).__name__)
def test_an_error_arrives_as_it_was_raised(error: AnchorlineError) -> None:
    """Callers match on its class and its parts, whatever it was made of."""
    found = pickle.loads(pickle.dumps(error))
    assert (type(error), error.args, vars(error)) == (type(found), found.args, vars(found))


def test_a_problem_arrives_as_it_was_raised() -> None:
    """Its code, its sentence, its headers and the rule that it names."""
    problem = ProblemError("policy-not-followed", "text", (b"retry-after", b"1"), rule="authors")
    found = pickle.loads(pickle.dumps(problem))
    assert ("text", vars(problem)) == (str(found), vars(found))


@pytest.mark.parametrize("pieces", [Pieces.cut(bytes(64)), Pieces.of([bytes(32), b"1" * 32])])
def test_pieces_arrive_as_one_buffer(pieces: Pieces) -> None:
    """In whichever form they were made."""
    list(pieces)
    found = pickle.loads(pickle.dumps(pieces))
    assert (pieces.size, pieces.flat, list(pieces)) == (found.size, found.flat, list(found))


# --- both halves


class Site:
    """The write side of a service, what it was told of its other half, and that half's end of the line."""

    def __init__(self, home: Home, token: str) -> None:
        self.home, self.token = home, token
        self.ours, self.theirs = socket.socketpair()
        self.ends: list[bool] = []
        self.lost = 0
        self.thread = threading.Thread(target=lambda: self.ends.append(run(home.folder, self.theirs)))
        self.thread.start()
        self.process = CommitProcess(self.ours)
        self.process.begin()
        self.rooms = Rooms(home.folder, home.clock)
        self.writing = Writing(home, self.rooms, registry_of(home.folder, home.clock)[1], beside=self._beside)

    def _beside(self, deliver: Deliver) -> CommitsBeside:
        return CommitsBeside(self.process, deliver, self._lose)

    def _lose(self) -> None:
        self.lost += 1

    async def admit(self, chain: str | None = "acme") -> Admission:
        headers = ((b"authorization", f"Bearer {self.token}".encode()),)
        arguments = {} if chain is None else {"chain": chain}
        return await self.writing.admit(Request("POST", "", headers, b"", self.home.clock(), arguments))

    def counts(self) -> list[int]:
        """How many entries each group commit has, the newest first."""
        return [
            row[0] for row in self.home.engine.query("SELECT entry_count FROM group_commit ORDER BY first_seq DESC")
        ]

    def close(self) -> None:
        self.writing.stop()
        self.ours.close()
        self.thread.join()
        self.theirs.close()
        self.rooms.close()


@contextmanager
def sited(folder: Path) -> Iterator[Site]:
    with Home.open(make_home(folder)) as home:
        acme = home.accounts.organisations.create("acme", home.clock())
        token = home.accounts.keys.create(acme, Role.OWNER, "", None, home.clock()).token
        home.writer.open_chain([clear("x")], b"", f"{acme.organisation_id}/acme", home.clock(),
                               note=lambda made: home.accounts.sharing.own(made, acme, Visibility.PRIVATE))  # fmt: skip
        site = Site(home, token)
        try:
            yield site
        finally:
            site.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with sited(tmp_path) as made:
        yield made


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_contents_and_work_are_committed_beside(site: Site) -> None:
    """A content gets its answer as text; work gets what became of each entry, with a promise."""

    async def story() -> None:
        admission = await site.admit()
        written = await site.writing.commit_content(admission, Content(b"one"))
        assert isinstance(written, EntryWritten)
        assert admission.chain is not None
        items: list[Content | Refused] = [Content(b"two"), Refused("item-malformed", "why"), Content(b"three")]
        done = await site.writing.commit(admission, site.writing.writer.prepare(admission.chain, items))
        assert [Accepted, Refused, Accepted] == list(map(type, done.outcomes))
        assert done.promised is not None
        accepted = done.outcomes[2]
        assert isinstance(accepted, Accepted)
        assert 3 == accepted.leaf_index
        promise = done.promised.promise(done.leaf(accepted), accepted.seq)
        assert promise.leaf.entry_hash == accepted.entry_hash

    asyncio.run(story())
    assert [2, 1, 1] == site.counts()
    site.close()
    assert ([True], 0) == (site.ends, site.lost)


def test_what_comes_during_a_commit_goes_together_into_the_next(site: Site) -> None:
    """Nothing is handed over before those before it are answered, and all of it counts as waiting."""

    async def story() -> None:
        admission = await site.admit()
        told: list[Any] = []
        with holding(site.home.folder):
            for number in range(6):
                site.writing.record(admission, b"%d" % number, Kind(), told.append)
                await asyncio.sleep(0.05)
            assert ([], 6) == (told, site.writing.waiting_entries)
        await until(lambda: len(told) == 6)
        assert all(isinstance(each, bytes) for each in told)
        assert 0 == site.writing.waiting_entries

    asyncio.run(story())
    assert [5, 1] == site.counts()[:2]


def test_a_commit_that_fails_over_there_fails_here(site: Site) -> None:
    """Its error is of the same kind; what comes behind it is committed, and the service is ready again."""

    async def story() -> None:
        admission = await site.admit()
        told: list[Any] = []
        no = "CREATE TRIGGER no BEFORE INSERT ON group_commit BEGIN SELECT RAISE(ABORT, 'no'); END"
        with site.home.engine.transaction():
            site.home.engine.execute(no)
        site.writing.record(admission, b"failed", Kind(), told.append)
        await until(lambda: told)
        [error] = told
        assert isinstance(error, errors.StorageError)
        assert any("commit_together" in note for note in error.__notes__)
        with pytest.raises(errors.StorageError):
            site.writing.check()
        with site.home.engine.transaction():
            site.home.engine.execute("DROP TRIGGER no")
        await site.writing.commit_content(admission, Content(b"taken"))
        site.writing.check()

    asyncio.run(story())


def test_rights_are_asked_for_at_the_commit(site: Site) -> None:
    """A key that was revoked since it was admitted writes nothing."""

    async def story() -> None:
        admission = await site.admit()
        keys = site.home.accounts.keys
        assert admission.actor.key_id is not None
        keys.revoke(keys.by_id(admission.actor.key_id), site.home.clock())
        with pytest.raises(errors.KeyRefusedError):
            await site.writing.commit_content(admission, Content(b"late"))

    asyncio.run(story())
    assert [1] == site.counts()


def test_what_came_while_others_were_waited_for_goes_along(site: Site) -> None:
    """It is one group commit with one promise, for its own chain, by its own rights, and answered behind the others."""
    other = site.home.accounts.organisations.create("other", site.home.clock())
    key = site.home.accounts.keys.create(other, Role.WRITER, "", None, site.home.clock())

    def own(made: Chain) -> None:
        site.home.accounts.sharing.own(made, other, Visibility.PRIVATE)

    second = site.home.writer.open_chain([clear("y")], b"", None, site.home.clock(), note=own)[0]

    async def story() -> tuple[Admission, Admission]:
        mine = await site.admit()
        site.token = key.token
        return mine, await site.admit(second.chain_id.hex())

    mine, theirs = asyncio.run(story())
    stranger = replace(mine, chain=second)
    committing = Committing(site.home)
    work = site.home.writer.prepare(second, [Content(b"three"), Content(b"four")], theirs.submitter)
    further: list[Given] = [
        GivenWork(theirs, work, Visibility.PRIVATE),
        GivenContents(stranger, Kind(), [b"not his"]),
        GivenContents(mine, Kind(), [b"two"]),
    ]
    committed = committing.commit([GivenContents(mine, Kind(), [b"one"])], lambda: further)
    [[one], [done], [refused], [two]] = committed.answers
    assert isinstance(refused, ProblemError)
    assert (4, 4) == (committed.new_entries, site.counts()[0])
    places = [json.loads(each.partition(b"\r\n\r\n")[2])["leaf_index"] for each in (one, two)]
    assert ([1, 2], [1, 2]) == (places, [each.leaf_index for each in done.outcomes])


def test_there_is_an_end_to_what_waits(site: Site) -> None:
    """What was sent and is not answered counts as waiting; beyond the limit more is refused, and nothing is lost."""

    async def story() -> None:
        admission = await site.admit()
        told: list[Any] = []
        with holding(site.home.folder):
            for _ in range(MOST_WAITING):
                site.writing.record(admission, b"", Kind(), told.append)
            with pytest.raises(OverloadedError):
                site.writing.record(admission, b"", Kind(), told.append)
            assert site.writing.commits.is_full
            with pytest.raises(OverloadedError):
                site.writing.check()
        await until(lambda: len(told) == MOST_WAITING)
        assert all(isinstance(each, bytes) for each in told)
        assert Size(0, 0) == site.writing.commits.waiting

    asyncio.run(story())


def test_what_was_taken_is_committed_before_the_end(site: Site) -> None:
    """Stopping is a goodbye: the other half commits what it has, and takes no more."""

    async def story() -> None:
        admission = await site.admit()
        for number in range(3):
            site.writing.record(admission, b"%d" % number, Kind(), lambda _: None)
        await asyncio.sleep(0)

    asyncio.run(story())
    site.writing.stop()
    assert [3, 1] == site.counts()
    with pytest.raises(OverloadedError):
        site.writing.commits.check_room(1, 1)
    site.close()
    assert ([True], 0) == (site.ends, site.lost)


def test_a_half_whose_other_is_gone_gives_up_what_waits(site: Site) -> None:
    """Without a goodbye nobody waits for an answer: the commit under way is the last one."""

    async def story() -> None:
        admission = await site.admit()
        with holding(site.home.folder):
            site.writing.record(admission, b"under way", Kind(), lambda _: None)
            await asyncio.sleep(0.2)
            site.writing.record(admission, b"waits", Kind(), lambda _: None)
            await asyncio.sleep(0.2)
            site.ours.shutdown(socket.SHUT_WR)
            await asyncio.sleep(0.2)
        await until(lambda: site.ends)

    asyncio.run(story())
    assert [False] == site.ends
    assert [1, 1] == site.counts()


def test_a_service_is_told_once_that_its_other_half_is_gone(site: Site) -> None:
    """Nobody is told anything of what that had: whether it was kept is not known."""

    async def story() -> None:
        admission = await site.admit()
        await site.writing.commit_content(admission, Content(b"first"))
        told: list[Any] = []
        site.theirs.shutdown(socket.SHUT_RDWR)
        site.writing.record(admission, b"lost", Kind(), told.append)
        await until(lambda: site.lost)
        await asyncio.sleep(0.05)
        assert ([], 1) == (told, site.lost)
        with pytest.raises(OverloadedError):
            site.writing.record(admission, b"later", Kind(), told.append)

    asyncio.run(story())


def test_a_home_that_cannot_be_opened_over_there_is_said_here(tmp_path: Path) -> None:
    """As whoever starts the service would be told without a second process."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=lambda: run(tmp_path / "nowhere", theirs))
        thread.start()
        with pytest.raises(SettingsError, match="nowhere"):
            CommitProcess(ours).begin()
        thread.join()


def test_what_cannot_be_sent_is_a_fault_of_its_group() -> None:
    """An answer that is no object for another process does not leave whoever waits for it without one."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        commits_beside._send(theirs, Delivered([7], [[[lambda: None]]]))
        theirs.close()
        [found] = commits_beside._messages(ours)
    assert [7] == found.numbers
    assert isinstance(found.error, Exception)


def test_an_error_of_another_kind_keeps_its_story() -> None:
    """A fault that Python cannot send arrives as text."""

    class Odd(Exception):
        def __init__(self, one: int, two: int) -> None:
            super().__init__(one + two)

    found = commits_beside._portable(Odd(1, 2))
    assert RuntimeError is type(found)
    assert "Odd" in str(found)
    kept = commits_beside._portable(StorageBusyError("another process is writing"))
    assert (StorageBusyError, "another process is writing") == (type(kept), str(kept))
