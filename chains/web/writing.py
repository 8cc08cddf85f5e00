"""Writing: who may write where, and the group commit behind all requests that write.

``chains.web.api_writing`` makes work of requests; here it is admitted, queued, checked once more and committed. Rights
are asked for at the moment of the commit, so that what was revoked or withdrawn before it writes nothing.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from anchor.errors import OverloadedError
from anchor.proof.errors import AnchorlineError
from chains.access import Action, Actor, Visibility
from chains.chain import Chain
from chains.group_commit import GroupCommit, Size
from chains.home import Home
from chains.metrics import ProcessMetrics
from chains.quota import Quota
from chains.quotas import Quotas
from chains.together import Answer, commit_together
from chains.web.problems import ProblemError
from chains.web.requests import Request, token_of
from chains.web.rooms import Room, Rooms, check_allowed
from chains.work import Content, Done, Opening, Work

# An admission only saves look-ups: whether the work may be done is asked again when it is committed.
_ADMITTED_S = 1.0
_MOST_ADMITTED = 4_096
# Entry, salt, digest, and the objects of a request that waits.
_CONTENT_OVERHEAD = 2_048


@dataclass(frozen=True, slots=True)
class Admission:
    """Who asks, for which chain (None: one that is to be opened), and what his organisation may write."""

    token: str
    actor: Actor
    chain: Chain | None
    submitter: bytes
    quota: Quota

    @property
    def account(self) -> str:
        """What tells one client's request keys from another's."""
        return self.actor.organisation or f"key {self.actor.key_id}"


class Posted:
    """What somebody posted: work, or one content of which the commit makes work together with others of its kind.

    A chain that it opens will have this visibility; ``answer`` is the event loop's.
    """

    __slots__ = ("admission", "answer", "content", "visibility", "work")

    def __init__(
        self, admission: Admission, posted: Work | Content, visibility: Visibility = Visibility.PRIVATE
    ) -> None:
        self.admission = admission
        self.work = posted if isinstance(posted, Work) else None
        self.content = None if isinstance(posted, Work) else posted
        self.visibility = visibility
        self.answer: asyncio.Future[Done] = asyncio.get_running_loop().create_future()

    def size(self) -> tuple[Size, int]:
        """Return what it weighs, and how many bytes of content it brings."""
        if self.work is not None:
            return Size(self.work.count, self.work.byte_count), sum(self.work.kept.sizes)
        assert self.content is not None
        length = len(self.content.content)
        return Size(1, length + _CONTENT_OVERHEAD), length


class Writing:
    """The write side of one service; ``stop`` it. ``home`` is used by the thread of the group commit alone."""

    def __init__(self, home: Home, rooms: Rooms, counts: ProcessMetrics) -> None:
        self._home = home
        self._counts = counts
        self._rooms = rooms
        self._quotas = Quotas()
        self._admitted: OrderedDict[tuple[str, str | None], tuple[float, Admission]] = OrderedDict()
        self.writer = home.writer
        self.commits: GroupCommit[Posted, None] = GroupCommit(self._commit)

    async def admit(self, request: Request) -> Admission:
        """Return who asks for which chain; raise ProblemError where he may not write there, before a body is read."""
        token = token_of(request)
        if token is None:
            raise ProblemError("key-required", "Writing needs an API key: Authorization: Bearer al_...")
        key = token, request.arguments.get("chain")
        at_s, found = self._admitted.get(key, (0.0, None))
        if found is not None and time.monotonic() < at_s + _ADMITTED_S:
            return found
        admission = await self._rooms.ask(lambda room: _admission(room, request, token))
        self._admitted[key] = time.monotonic(), admission
        self._admitted.move_to_end(key)
        if len(self._admitted) > _MOST_ADMITTED:
            self._admitted.popitem(last=False)
        return admission

    async def commit(self, posted: Posted) -> Done:
        """Take the work from its organisation's quota, queue it, and return what became of it when it is on disk."""
        size, content_bytes = posted.size()
        admission = posted.admission
        if admission.actor.organisation is not None:
            now_ms = time.monotonic_ns() // 1_000_000
            self._quotas.take(admission.actor.organisation, admission.quota, size.entries, content_bytes, now_ms)
        try:
            self.commits.submit(posted, size)
        except OverloadedError:
            self._counts.refused()
            raise
        return await posted.answer

    def stop(self) -> None:
        """Commit and answer what waits, and take no more."""
        self.commits.stop()

    def _commit(self, group: list[Posted]) -> list[None]:
        """Commit what may be committed now, on the group commit's thread; answers go to the event loop all at once."""
        try:
            answers: Sequence[Done | BaseException] = self._committed(group)
        except BaseException as error:  # noqa: BLE001  # whatever it is belongs to those who wait for an answer
            answers = [error] * len(group)
        group[0].answer.get_loop().call_soon_threadsafe(_tell, list(zip(group, answers, strict=True)))
        return [None] * len(group)

    def _committed(self, group: list[Posted]) -> list[Done | BaseException]:
        now_ms = self._home.clock()
        rights = _Rights(self._home, now_ms)
        answers: dict[int, Done | BaseException] = {}
        works: dict[int, Work] = {}
        alike: dict[tuple[int, bytes], list[int]] = {}
        for number, posted in enumerate(group):
            try:
                actor = rights.checked(posted.admission)
                work = posted.work and rights.owned(posted.work, actor, posted.visibility)
            except (AnchorlineError, ProblemError) as error:
                answers[number] = error
                continue
            if work is None:
                chain = posted.admission.chain
                assert chain is not None
                alike.setdefault((chain.chain_no, posted.admission.submitter), []).append(number)
            else:
                works[number] = work
        together = [self._together(group, numbers) for numbers in alike.values()]
        began_s = time.monotonic()
        done = commit_together(self.writer, [*works.values(), *together], now_ms)
        answers |= dict(zip(works, done, strict=False))
        for numbers, answer in zip(alike.values(), done[len(works) :], strict=True):
            answers |= dict(zip(numbers, _parted(answer, len(numbers)), strict=True))
        new = {
            item.promised.note.count
            for item in done
            if isinstance(item, Done) and not item.is_replayed and item.promised
        }
        if new:
            self._counts.committed(max(new), time.monotonic() - began_s)
        return [answers[number] for number in range(len(group))]

    def _together(self, group: list[Posted], numbers: list[int]) -> Work:
        """Make one piece of work of contents for one chain and submitter: made together they cost a third."""
        admission = group[numbers[0]].admission
        contents = [content for number in numbers if (content := group[number].content) is not None]
        assert admission.chain is not None
        return self.writer.prepare(admission.chain, contents, admission.submitter)


def _parted(answer: Answer, count: int) -> list[Done | BaseException]:
    """Return the answer to each of so many contents that were committed as one piece of work."""
    if not isinstance(answer, Done):
        return [answer] * count
    return [Done(answer.chain, answer.submitter, (outcome,), answer.promised) for outcome in answer.outcomes]


def _tell(answered: list[tuple[Posted, Done | BaseException]]) -> None:
    """Give each request its answer, in the event loop; one that was given up by its client hears nothing."""
    for posted, answer in answered:
        if posted.answer.done():
            continue
        if isinstance(answer, BaseException):
            posted.answer.set_exception(answer)
        else:
            posted.answer.set_result(answer)


class _Rights:
    """What may be done at one moment: each key and each chain is looked up once for a whole group."""

    def __init__(self, home: Home, now_ms: int) -> None:
        self._accounts = home.accounts
        self._now_ms = now_ms
        self._checked: dict[tuple[str, int | None], Actor | AnchorlineError | ProblemError] = {}

    def checked(self, admission: Admission) -> Actor:
        """Return who writes, if he may do it now; raise what his request is answered with otherwise."""
        chain = admission.chain
        key = admission.token, None if chain is None else chain.chain_no
        if key not in self._checked:
            self._checked[key] = self._actor(admission.token, chain)
        found = self._checked[key]
        if not isinstance(found, Actor):
            raise found
        return found

    def owned(self, work: Work, actor: Actor, visibility: Visibility) -> Work:
        """Return the work; a chain that it opens will be the actor's."""
        if not isinstance(work.to, Opening):
            return work
        return replace(work, to=replace(work.to, note=self._accounts.owning(actor, visibility)))

    def _actor(self, token: str, chain: Chain | None) -> Actor | AnchorlineError | ProblemError:
        try:
            actor = self._accounts.authenticate(token, self._now_ms)
            access = None if chain is None else self._accounts.sharing.access_of(chain.chain_no)
            check_allowed(actor, Action.CHAIN_CREATE if chain is None else Action.ENTRY_WRITE, access, self._now_ms)
        except (AnchorlineError, ProblemError) as error:
            return error
        return actor


def _admission(room: Room, request: Request, token: str) -> Admission:
    asking = room.authenticated(request)
    chain = None
    if "chain" in request.arguments:
        chain = room.chain(asking, Action.ENTRY_WRITE)
    else:
        room.require(asking, Action.CHAIN_CREATE)
    actor = asking.actor
    log_id = room.home.directory.log.log_id
    return Admission(token, actor, chain, room.accounts.submitter_of(actor, log_id), room.accounts.quota_of(actor))
