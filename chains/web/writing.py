"""Writing: who may write where, and the group commit behind all requests that write.

``chains.web.api_writing`` and ``chains.web.shortcuts`` make work of requests; here it is admitted, gathered in the
event loop, checked once more and committed. Rights are asked for at the moment of the commit, so that what was revoked
or withdrawn before it writes nothing.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any

from anchor.errors import OverloadedError, StorageError
from anchor.proof.errors import AnchorlineError
from chains.access import Action, Actor, Visibility
from chains.chain import Chain
from chains.group_commit import MOST_TOGETHER, MOST_TOGETHER_BYTES, GroupCommit, Size
from chains.home import Home
from chains.metrics import ProcessMetrics
from chains.quotas import Quotas
from chains.together import commit_together
from chains.web.posted import Admission, PostedContents, PostedWork, Tell, contents_of, tells_of
from chains.web.problems import ProblemError
from chains.web.requests import Request, token_of
from chains.web.rooms import Room, Rooms, check_allowed
from chains.web.written import EntryWritten, written_each
from chains.work import Content, Done, Kind, Opening, Work

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

    from chains.tracing import Traces

# An admission only saves look-ups: whether the work may be done is asked again when it is committed.
_ADMITTED_S = 1.0
# How old one may be that is used while it is looked up anew: what a chain's name means may have changed since.
_OLDEST_S = 5.0
_MOST_ADMITTED = 4_096
_FAILED_LATELY_S = 10.0
# A commit takes milliseconds; one that waits for a replica which is gone takes for as long as that.
_LONG_COMMIT_S = 10.0
# Entry, salt, digest, and the objects of a request that waits.
_CONTENT_OVERHEAD = 2_048

Posted = PostedWork | PostedContents


class Writing:
    """The write side of one service; ``stop`` it. ``home`` is used by the thread of the group commit alone.

    What comes in one turn of the event loop is handed over at its end, and what one commit wrote is answered in one
    turn: threads that wait for one another for each request would do little else. For the same reason nothing is handed
    over before the commit under way is answered, and the answered have had a turn to ask again: else their requests
    would be read against the next commit, by turns with it, and clients would be served in two halves.
    """

    def __init__(
        self,
        home: Home,
        rooms: Rooms,
        counts: ProcessMetrics,
        traces: "Traces | None" = None,
        monotonic_s: Callable[[], float] = time.monotonic,
        quotas: Quotas | None = None,
    ) -> None:
        self._home = home
        self._monotonic_s = monotonic_s
        self._traces = traces
        self._counts = counts
        self._rooms = rooms
        self._quotas = Quotas() if quotas is None else quotas
        self._admitted: OrderedDict[tuple[str, str | None], tuple[float, Admission]] = OrderedDict()
        self._renewing: dict[tuple[str, str | None], asyncio.Task[None]] = {}
        self._gathered: list[Posted] = []
        # Those of them that take more contents, by what these must be.
        self._contents: dict[tuple[Admission, Kind], PostedContents] = {}
        self._entries = self._bytes = 0
        # Groups that were handed over and are not answered yet.
        self._under_way = 0
        self._failed: tuple[float, BaseException | None] = (0.0, None)
        self._began_s: float | None = None  # the commit under way
        self.writer = home.writer
        self.commits: GroupCommit[list[Posted], None] = GroupCommit(self._commit)

    # --- who may write

    async def admit(self, request: Request) -> Admission:
        """Return who asks for which chain; raise ProblemError where he may not write there, before a body is read."""
        token = token_of(request)
        if token is None:
            raise ProblemError("key-required", "Writing needs an API key: Authorization: Bearer al_...")
        key = token, request.arguments.get("chain")
        at_s, found = self._admitted.get(key, (0.0, None))
        if found is not None and self._monotonic_s() < at_s + _ADMITTED_S:
            return found
        return await self._look_up(*key)

    def admitted(self, token: str, chain: str) -> Admission | None:
        """Return who was admitted lately, or None; behind the first second he is looked up anew beside."""
        key = token, chain
        at_s, found = self._admitted.get(key, (0.0, None))
        age_s = self._monotonic_s() - at_s
        if found is None or age_s >= _OLDEST_S:
            return None
        if age_s >= _ADMITTED_S and key not in self._renewing:
            self._renewing[key] = asyncio.get_running_loop().create_task(self._renew(*key))
        return found

    async def _renew(self, token: str, chain: str | None) -> None:
        try:
            await self._look_up(token, chain)
        except (AnchorlineError, ProblemError):
            # Whoever asks next is told why.
            self._admitted.pop((token, chain), None)
        finally:
            del self._renewing[token, chain]

    async def _look_up(self, token: str, chain: str | None) -> Admission:
        now_ms = self._home.clock()
        admission = await self._rooms.ask(lambda room: _admission(room, token, chain, now_ms))
        self._admitted[token, chain] = self._monotonic_s(), admission
        self._admitted.move_to_end((token, chain))
        if len(self._admitted) > _MOST_ADMITTED:
            self._admitted.popitem(last=False)
        return admission

    # --- what is to be written

    def check_room(self, admission: Admission, entries: int) -> None:
        """Raise what ``commit`` would raise now for so many entries: before anybody checks their signatures.

        Nothing is taken from the quota; that is done at the commit, also for entries that were refused.
        """
        self._check_waiting(self._entries + entries, self._bytes)
        if (organisation := _limited(admission)) is not None:
            self._quotas.check(organisation, admission.quota, entries, self._now_ms())

    @property
    def waiting_entries(self) -> int:
        """How many entries wait for a commit."""
        return self._entries + self.commits.waiting.entries

    async def commit(self, admission: Admission, work: Work, visibility: Visibility = Visibility.PRIVATE) -> Done:
        """Commit work; return what became of it when it is on disk. Raises what ``record`` does."""
        future: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        is_first = self._make_room(admission, work.count, work.byte_count, sum(work.kept.sizes))
        posted = PostedWork(admission, work, partial(_settle, future), visibility)
        self._gathered.append(posted)
        self._have_handed_over(posted, is_first=is_first)
        return await future

    async def commit_content(self, admission: Admission, content: Content) -> EntryWritten:
        """Record one content; return its answer when it is on disk. Raises what ``record`` does."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.record(admission, content.content, Kind(*content[1:]), partial(_settle, future))
        return EntryWritten.of_whole(await future)

    def record(self, admission: Admission, content: bytes, kind: Kind, tell: Tell) -> None:
        """Record one content; ``tell`` gets a whole answer of HTTP when it is on disk, or the error why it is not.

        Raises QuotaError, or OverloadedError where too much waits: then nothing will be told.
        """
        length = len(content)
        is_first = self._make_room(admission, 1, length + _CONTENT_OVERHEAD, length)
        posted = self._contents.get((admission, kind))
        if posted is None:
            posted = self._contents[admission, kind] = PostedContents(admission, kind)
            self._gathered.append(posted)
        posted.contents.append(content)
        posted.tells.append(tell)
        if is_first or self._traces is not None or self._is_a_commit():
            self._have_handed_over(posted, is_first=is_first)

    def _make_room(self, admission: Admission, entries: int, byte_count: int, content_bytes: int) -> bool:
        """Take it from its organisation's quota, where there is room for it; say whether it is the first to wait."""
        gathered_entries, gathered_bytes = self._entries + entries, self._bytes + byte_count
        self._check_waiting(gathered_entries, gathered_bytes)
        if (organisation := _limited(admission)) is not None:
            self._quotas.take(organisation, admission.quota, entries, content_bytes, self._now_ms())
        self._entries, self._bytes = gathered_entries, gathered_bytes
        return gathered_entries == entries

    def _check_waiting(self, entries: int, byte_count: int) -> None:
        try:
            self.commits.check_room(entries, byte_count)
        except OverloadedError:
            self._counts.refused()
            raise

    def _now_ms(self) -> int:
        return int(self._monotonic_s() * 1000)

    def _have_handed_over(self, posted: Posted, *, is_first: bool) -> None:
        """Have what was just posted handed over: at once where that is a commit, else with what comes in this turn."""
        if self._traces is not None:
            posted.spans.append(self._traces.here())
        if self._is_a_commit():
            self._hand_over()
        elif is_first and not self._under_way:
            asyncio.get_running_loop().call_soon(self._hand_over)

    def _is_a_commit(self) -> bool:
        return self._entries >= MOST_TOGETHER or self._bytes >= MOST_TOGETHER_BYTES

    def _hand_over(self) -> None:
        """Hand what was gathered to the thread that commits; nothing may be left of it."""
        if not self._gathered:
            return
        gathered, size = self._gathered, Size(self._entries, self._bytes)
        self._gathered, self._contents, self._entries, self._bytes = [], {}, 0, 0
        # Before the thread has anything to answer, and only as often as it gets something.
        self._loop = asyncio.get_running_loop()
        try:
            self.commits.submit(gathered, size)
            self._under_way += 1
        except OverloadedError as error:
            # Not at once: whoever handed in what filled this commit does not wait for its answer yet.
            for tell in [tell for posted in gathered for tell in posted.tells]:
                self._counts.refused()
                self._loop.call_soon(tell, error)

    def _answer(self, loop: asyncio.AbstractEventLoop, answers: list[tuple[Tell, Any]], groups: int) -> None:
        """Tell everybody of so many groups; what was gathered goes behind the turn that reads what they say to it."""
        _tell_all(loop, answers)
        self._under_way -= groups
        if self._gathered and not self._under_way:
            loop.call_soon(loop.call_soon, self._hand_over)

    def stop(self) -> None:
        """Commit and answer what waits, and take no more."""
        self.commits.stop()

    def check(self) -> None:
        """Raise OverloadedError where too much waits, StorageError where a commit takes very long or failed lately.

        Only lately: a service that is asked for nothing because it is not ready could never find out that it is.
        """
        if self.commits.is_full:
            raise OverloadedError("too much waits to be written")
        began_s, (at_s, error) = self._began_s, self._failed
        if began_s is not None and self._monotonic_s() > began_s + _LONG_COMMIT_S:
            raise StorageError(f"expected a commit within {_LONG_COMMIT_S:g} s, one takes longer: is a replica gone?")
        if isinstance(error, StorageError) and self._monotonic_s() < at_s + _FAILED_LATELY_S:
            raise type(error)(str(error))

    # --- on the thread of the group commit

    def _commit(self, groups: list[list[Posted]]) -> list[None]:
        """Commit what may be committed now; answers go to the event loop all at once."""
        group = [posted for gathered in groups for posted in gathered]
        self._began_s = self._monotonic_s()
        try:
            with nullcontext() if self._traces is None else self._traces.commit(_spans_of(group)):
                answers = self._committed(group)
            self._failed = (0.0, None)
        except BaseException as error:  # noqa: BLE001  # whatever it is belongs to those who wait for an answer
            answers = [(tell, error) for posted in group for tell in posted.tells]
            self._failed = self._monotonic_s(), error
        self._began_s = None
        self._loop.call_soon_threadsafe(self._answer, self._loop, answers, len(groups))
        return [None] * len(groups)

    def _committed(self, group: list[Posted]) -> list[tuple[Tell, Any]]:
        now_ms = self._home.clock()
        rights = _Rights(self._home, [posted.admission for posted in group], now_ms)
        answers: list[tuple[Tell, Any]] = []
        works: list[tuple[Tell, Work]] = []
        alike: dict[tuple[int, bytes, Kind], list[PostedContents]] = {}
        for posted in group:
            actor = rights.checked(posted.admission)
            if not isinstance(actor, Actor):
                answers += zip(posted.tells, repeat(actor))
            elif isinstance(posted, PostedContents):
                alike.setdefault(posted.alike, []).append(posted)
            else:
                try:
                    works.append((posted.tells[0], rights.owned(posted.work, actor, posted.visibility)))
                except (AnchorlineError, ProblemError) as error:
                    answers.append((posted.tells[0], error))
        together = list(map(self._together, alike.values()))
        began_s = self._monotonic_s()
        done = commit_together(self.writer, [*(work for _, work in works), *together], now_ms)
        answers += [(tell, answer) for (tell, _), answer in zip(works, done, strict=False)]
        for contents, answer in zip(alike.values(), done[len(works) :], strict=True):
            tells = tells_of(contents)
            answers += zip(tells, written_each(answer, len(tells)), strict=True)
        new = {
            item.promised.note.count
            for item in done
            if isinstance(item, Done) and not item.is_replayed and item.promised
        }
        if new:
            self._counts.committed(max(new), self._monotonic_s() - began_s)
        return answers

    def _together(self, posted: list[PostedContents]) -> Work:
        """Make one piece of work of contents that are alike."""
        return self.writer.prepare(posted[0].chain, contents_of(posted), posted[0].admission.submitter)


def _limited(admission: Admission) -> str | None:
    """Return the organisation whose quota is taken from, or None where nothing is."""
    return admission.actor.organisation if admission.quota.is_limited else None


def _spans_of(group: list[Posted]) -> "Iterable[SpanContext | None]":
    return (span for posted in group for span in posted.spans)


def _tell_all(loop: asyncio.AbstractEventLoop, answers: list[tuple[Tell, Any]]) -> None:
    """Tell everybody: what goes wrong with one must not leave the others without an answer."""
    for tell, answer in answers:
        try:
            tell(answer)
        except Exception as error:  # noqa: BLE001  # whatever it is, the others wait
            loop.call_exception_handler({"message": "an answer could not be given", "exception": error})


def _settle(future: "asyncio.Future[Any]", answer: Any) -> None:
    """Give a request its answer; one that was given up by its client hears nothing."""
    if future.done():
        return
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)


class _Rights:
    """What may be done at one moment: all keys and chains of a group are looked up in one go."""

    def __init__(self, home: Home, admissions: Iterable[Admission], now_ms: int) -> None:
        self._accounts = home.accounts
        self._now_ms = now_ms
        asking = {(each.token, each.chain) for each in admissions}
        chain_nos = {chain.chain_no for _, chain in asking if chain is not None}
        self._actors, self._access = home.accounts.acting({token for token, _ in asking}, chain_nos, now_ms)
        self._checked: dict[tuple[str, int | None], Actor | AnchorlineError | ProblemError] = {}

    def checked(self, admission: Admission) -> Actor | AnchorlineError | ProblemError:
        """Return who writes, if he may do it now, or else what his request is answered with."""
        chain = admission.chain
        key = admission.token, None if chain is None else chain.chain_no
        found = self._checked.get(key)
        if found is None:
            found = self._checked[key] = self._actor(admission.token, chain)
        return found

    def owned(self, work: Work, actor: Actor, visibility: Visibility) -> Work:
        """Return the work, if he may close the chain where it does; a chain that it opens will be the actor's."""
        if not isinstance(work.to, Opening):
            if work.closings:
                access = self._accounts.sharing.access_of(work.to.chain_no)
                check_allowed(actor, Action.CHAIN_CLOSE, access, self._now_ms)
            return work
        return replace(work, to=replace(work.to, note=self._accounts.owning(actor, visibility)))

    def _actor(self, token: str, chain: Chain | None) -> Actor | AnchorlineError | ProblemError:
        actor = self._actors[token]
        if not isinstance(actor, Actor):
            return actor
        access = None if chain is None else self._access[chain.chain_no]
        try:
            check_allowed(actor, Action.CHAIN_CREATE if chain is None else Action.ENTRY_WRITE, access, self._now_ms)
        except (AnchorlineError, ProblemError) as error:
            return error
        return actor


def _admission(room: Room, token: str, chain: str | None, now_ms: int) -> Admission:
    arguments = {} if chain is None else {"chain": chain}
    asking = Request("POST", "", (), b"", now_ms, arguments, room.accounts.authenticate(token, now_ms))
    found = None
    if chain is None:
        room.require(asking, Action.CHAIN_CREATE)
    else:
        found = room.chain(asking, Action.ENTRY_WRITE)
    actor = asking.actor
    log_id = room.home.directory.log.log_id
    return Admission(token, actor, found, room.accounts.submitter_of(actor, log_id), room.accounts.quota_of(actor))
