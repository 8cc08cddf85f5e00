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
from chains.work import Done, Opening, Work

# An admission only saves look-ups: whether the work may be done is asked again when it is committed.
_ADMITTED_S = 1.0
_MOST_ADMITTED = 4_096


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


@dataclass(frozen=True, slots=True)
class Posted:
    """Work with whom it is for; a chain that it opens will have this visibility."""

    work: Work
    admission: Admission
    visibility: Visibility = Visibility.PRIVATE


class Writing:
    """The write side of one service; ``stop`` it. ``home`` is used by the thread of the group commit alone."""

    def __init__(self, home: Home, rooms: Rooms, counts: ProcessMetrics) -> None:
        self._home = home
        self._counts = counts
        self._rooms = rooms
        self._quotas = Quotas()
        self._admitted: OrderedDict[tuple[str, str | None], tuple[float, Admission]] = OrderedDict()
        self.writer = home.writer
        self.commits: GroupCommit[Posted, Done] = GroupCommit(self._commit)

    async def admit(self, request: Request) -> Admission:
        """Return who asks for which chain; raise ProblemError where he may not write there, before a body is read."""
        token = token_of(request.headers)
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
        work, admission = posted.work, posted.admission
        if admission.actor.organisation is not None:
            now_ms = time.monotonic_ns() // 1_000_000
            content_bytes = sum(work.kept.sizes)
            self._quotas.take(admission.actor.organisation, admission.quota, work.count, content_bytes, now_ms)
        try:
            queued = self.commits.submit(posted, Size(work.count, work.byte_count))
        except OverloadedError:
            self._counts.refused()
            raise
        return await asyncio.wrap_future(queued)

    def stop(self) -> None:
        """Commit and answer what waits, and take no more."""
        self.commits.stop()

    def _commit(self, group: list[Posted]) -> Sequence[Answer | ProblemError]:
        """Commit what may be committed now; on the group commit's thread."""
        now_ms = self._home.clock()
        rights = _Rights(self._home, now_ms)
        answers: dict[int, Answer | ProblemError] = {}
        works: dict[int, Work] = {}
        for number, posted in enumerate(group):
            try:
                works[number] = rights.checked(posted)
            except (AnchorlineError, ProblemError) as error:
                answers[number] = error
        began_s = time.monotonic()
        answers |= dict(zip(works, commit_together(self.writer, list(works.values()), now_ms), strict=True))
        kept = [works[number].count for number in works if not isinstance(answers[number], BaseException)]
        if kept:
            self._counts.committed(sum(kept), time.monotonic() - began_s)
        return [answers[number] for number in range(len(group))]


class _Rights:
    """What may be done at one moment: each key and each chain is looked up once for a whole group."""

    def __init__(self, home: Home, now_ms: int) -> None:
        self._accounts = home.accounts
        self._now_ms = now_ms
        self._checked: dict[tuple[str, int | None], Actor | AnchorlineError | ProblemError] = {}

    def checked(self, posted: Posted) -> Work:
        """Return the work, if it may be done now."""
        admission, work = posted.admission, posted.work
        chain = admission.chain
        key = admission.token, None if chain is None else chain.chain_no
        if key not in self._checked:
            self._checked[key] = self._actor(admission.token, chain)
        found = self._checked[key]
        if not isinstance(found, Actor):
            raise found
        if isinstance(work.to, Opening):
            return replace(work, to=replace(work.to, note=self._accounts.owning(found, posted.visibility)))
        return work

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
