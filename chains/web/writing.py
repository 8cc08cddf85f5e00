"""Writing: who may write where, and the group commit behind all requests that write.

``chains.web.api_writing`` and ``chains.web.shortcuts`` make work of requests; here it is admitted, gathered in the
event loop, checked once more and committed. Rights are asked for at the moment of the commit, so that what was revoked
or withdrawn before it writes nothing.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain as chained
from itertools import repeat
from typing import TYPE_CHECKING, Any

from anchor.errors import OverloadedError, StorageError
from anchor.proof.errors import AnchorlineError
from chains.access import Action, Visibility
from chains.group_commit import MOST_TOGETHER, MOST_TOGETHER_BYTES, Size
from chains.home import Home
from chains.metrics import ProcessMetrics
from chains.quotas import Quotas
from chains.web.commits import Commits, CommitsHere, Deliver, Delivered
from chains.web.committing import Committing
from chains.web.posted import Admission, GivenContents, GivenWork, Posted, Tell
from chains.web.problems import ProblemError
from chains.web.requests import Request, token_of
from chains.web.rooms import Room, Rooms
from chains.web.written import EntryWritten
from chains.work import Content, Done, Kind, Work

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


class Writing:
    """The write side of one service; ``stop`` it. ``home`` is used by the thread of the group commit alone.

    ``beside`` makes what commits in another process, and is given what to deliver its answers to.

    What comes in one turn of the event loop is handed over at its end, and what one commit wrote is answered in one
    turn: whoever waits for one another for each request would do little else. For the same reason nothing is handed
    over before the commit under way is answered, and the answered have had a turn to ask again, unless it makes a
    commit by itself: else their requests would be read against the next commit, by turns with it, and clients would be
    served in two halves.
    """

    def __init__(
        self,
        home: Home,
        rooms: Rooms,
        counts: ProcessMetrics,
        traces: "Traces | None" = None,
        monotonic_s: Callable[[], float] = time.monotonic,
        quotas: Quotas | None = None,
        beside: Callable[[Deliver], Commits] | None = None,
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
        self._contents: dict[tuple[Admission, Kind], tuple[GivenContents, Posted]] = {}
        # Of these what the last content was: mostly the next one is like it.
        self._alike: tuple[GivenContents, Posted] | None = None
        self._entries = self._bytes = 0
        # Groups that were handed over and are not answered yet, by number, and since when.
        self._handed: dict[int, tuple[list[Posted], float]] = {}
        self._next_number = 0
        self._failed: tuple[float, BaseException | None] = (0.0, None)
        self.writer = home.writer
        self.commits = self._commits_here() if beside is None else beside(self._answer)

    def _commits_here(self) -> Commits:
        """Commit on a thread of this process, in spans where there are traces."""
        committing = Committing(self._home, self._monotonic_s)
        if self._traces is None:
            return CommitsHere(committing, self._answer_in_loop)
        traces = self._traces
        return CommitsHere(committing, self._answer_in_loop, lambda numbers: traces.commit(self._spans_of(numbers)))

    def _spans_of(self, numbers: Sequence[int]) -> "Iterator[SpanContext | None]":
        return (span for number in numbers for posted in self._handed[number][0] for span in posted.spans)

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
        posted = Posted(GivenWork(admission, work, visibility), [partial(_settle, future)], [])
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
        alike = self._alike
        if alike is None or alike[0].kind is not kind or alike[0].admission is not admission:
            alike = self._alike = self._alike_of(admission, kind)
        given, posted = alike
        given.contents.append(content)
        posted.tells.append(tell)
        if is_first or self._traces is not None or self._is_a_commit():
            self._have_handed_over(posted, is_first=is_first)

    def _alike_of(self, admission: Admission, kind: Kind) -> tuple[GivenContents, Posted]:
        """Return where contents of a kind from somebody for a chain are gathered, and who waits for them."""
        found = self._contents.get((admission, kind))
        if found is None:
            given = GivenContents(admission, kind)
            found = self._contents[admission, kind] = given, Posted(given, [], [])
            self._gathered.append(found[1])
        return found

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
        elif is_first and not self._handed:
            asyncio.get_running_loop().call_soon(self._hand_over)

    def _is_a_commit(self) -> bool:
        return self._entries >= MOST_TOGETHER or self._bytes >= MOST_TOGETHER_BYTES

    def _hand_over(self) -> None:
        """Hand what was gathered to the thread that commits; nothing may be left of it."""
        if not self._gathered:
            return
        gathered, size = self._gathered, Size(self._entries, self._bytes)
        self._gathered, self._contents, self._alike, self._entries, self._bytes = [], {}, None, 0, 0
        # Before the thread has anything to answer, and only as often as it gets something.
        self._loop = asyncio.get_running_loop()
        number, self._next_number = self._next_number, self._next_number + 1
        self._handed[number] = gathered, self._monotonic_s()
        try:
            self.commits.submit(number, [posted.given for posted in gathered], size)
        except OverloadedError as error:
            # Not at once: whoever handed in what filled this commit does not wait for its answer yet.
            del self._handed[number]
            for tell in [tell for posted in gathered for tell in posted.tells]:
                self._counts.refused()
                self._loop.call_soon(tell, error)

    def _answer_in_loop(self, delivered: Delivered) -> None:
        """Have a commit answered in the event loop, from the thread that committed."""
        self._loop.call_soon_threadsafe(self._answer, delivered)

    def _answer(self, delivered: Delivered) -> None:
        """Tell everybody of a commit; what was gathered goes behind the turn that reads what they say to it."""
        handed = [self._handed.pop(number)[0] for number in delivered.numbers]
        if delivered.new_entries:
            self._counts.committed(delivered.new_entries, delivered.took_s)
        if delivered.error is None:
            self._failed = (0.0, None)
            for gathered, answers in zip(handed, delivered.answers, strict=True):
                for posted, each in zip(gathered, answers, strict=True):
                    _tell_all(self._loop, posted.tells, each)
        else:
            self._failed = self._monotonic_s(), delivered.error
            for posted in chained.from_iterable(handed):
                _tell_all(self._loop, posted.tells, repeat(delivered.error, len(posted.tells)))
        if self._gathered and not self._handed:
            self._loop.call_soon(self._loop.call_soon, self._hand_over)

    def stop(self) -> None:
        """Commit and answer what waits, and take no more."""
        self.commits.stop()

    def check(self) -> None:
        """Raise OverloadedError where too much waits, StorageError where a commit takes very long or failed lately.

        Only lately: a service that is asked for nothing because it is not ready could never find out that it is.
        """
        if self.commits.is_full:
            raise OverloadedError("too much waits to be written")
        _, began_s = next(iter(self._handed.values()), ([], None))
        at_s, error = self._failed
        if began_s is not None and self._monotonic_s() > began_s + _LONG_COMMIT_S:
            raise StorageError(f"expected a commit within {_LONG_COMMIT_S:g} s, one takes longer: is a replica gone?")
        if isinstance(error, StorageError) and self._monotonic_s() < at_s + _FAILED_LATELY_S:
            raise type(error)(str(error))


def _limited(admission: Admission) -> str | None:
    """Return the organisation whose quota is taken from, or None where nothing is."""
    return admission.actor.organisation if admission.quota.is_limited else None


def _tell_all(loop: asyncio.AbstractEventLoop, tells: Sequence[Tell], answers: Iterable[Any]) -> None:
    """Tell everybody: what goes wrong with one must not leave the others without an answer."""
    for tell, answer in zip(tells, answers, strict=True):
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
