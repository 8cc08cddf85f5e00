"""The commit behind all requests that write: rights are asked for once more, then all of it is one transaction.

``chains.web.writing`` gathers what clients hand in. It is committed here by the one thread that has the home, in the
service's own process or in one beside it (``chains.web.commit_process``).
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from anchor.proof.errors import AnchorlineError
from chains.access import Action, Actor, ChainAccess, Visibility
from chains.chain import Chain
from chains.home import Home
from chains.together import Answer, commit_together
from chains.web.posted import Admission, GivenContents, GivenWork, contents_of
from chains.web.problems import ProblemError
from chains.web.rooms import check_allowed
from chains.web.written import written_each
from chains.work import Done, Kind, Opening, Work
from chains.writer import Writer

Given = GivenWork | GivenContents
"""What a client handed in."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a group: the answers to each piece in order, how many entries are new, and how long that took."""

    answers: Sequence[Sequence[Any]]
    new_entries: int = 0
    took_s: float = 0.0


class Committing:
    """Commits what clients handed in; ``home`` is used by the thread that calls ``commit`` alone."""

    def __init__(self, home: Home, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._home = home
        self._writer = home.writer
        self._monotonic_s = monotonic_s

    def commit(self, group: Sequence[Given], take_along: Callable[[], Sequence[Given]] = tuple) -> Committed:
        """Commit what may be committed now, and answer all of it: an answer may be an error.

        Rights are asked for now, so that what was revoked or withdrawn before it writes nothing. Where others were
        waited for, what ``take_along`` returns goes with it, and is answered behind it. Raises a StorageError: nothing
        was kept.
        """
        now_ms = self._home.clock()
        admitted = _Admitted(self._home, self._writer, now_ms)
        works = admitted.works(group)
        began_s = self._monotonic_s()
        done = commit_together(self._writer, works, now_ms, lambda: admitted.works(take_along()))
        admitted.answer(done)
        new = {
            item.promised.note.count
            for item in done
            if isinstance(item, Done) and not item.is_replayed and item.promised
        }
        return Committed(admitted.answers, max(new, default=0), self._monotonic_s() - began_s)


class _Admitted:
    """What clients handed in, on its way to a commit: what may not be written is answered before, the rest behind."""

    def __init__(self, home: Home, writer: Writer, now_ms: int) -> None:
        self._writer = writer
        self._rights = _Rights(home, now_ms)
        self._given: list[Given] = []
        # For each piece of work, which of them it is made of.
        self._made_of: list[list[int]] = []
        self.answers: list[Sequence[Any]] = []

    def works(self, group: Sequence[Given]) -> list[Work]:
        """Return the work that is to be committed of these."""
        first = len(self._given)
        self._given += group
        self.answers += [()] * len(group)
        self._rights.look_up(given.admission for given in group)
        works: list[Work] = []
        alike: dict[tuple[int, bytes, Kind], list[int]] = {}
        for number, given in enumerate(group, first):
            actor = self._rights.checked(given.admission)
            if not isinstance(actor, Actor):
                self.answers[number] = [actor] * given.count
            elif isinstance(given, GivenContents):
                alike.setdefault(given.alike, []).append(number)
            else:
                try:
                    works.append(self._rights.owned(given.work, actor, given.visibility))
                    self._made_of.append([number])
                except (AnchorlineError, ProblemError) as error:
                    self.answers[number] = [error]
        self._made_of += alike.values()
        return [*works, *map(self._together, alike.values())]

    def _together(self, numbers: list[int]) -> Work:
        """Make one piece of work of contents that are alike."""
        given = [each for number in numbers if isinstance(each := self._given[number], GivenContents)]
        return self._writer.prepare(given[0].chain, contents_of(given), given[0].admission.submitter)

    def answer(self, done: Sequence[Answer]) -> None:
        """Answer what was committed, as it became."""
        for numbers, answer in zip(self._made_of, done, strict=True):
            if isinstance(self._given[numbers[0]], GivenWork):
                self.answers[numbers[0]] = [answer]
                continue
            counts = [self._given[number].count for number in numbers]
            written, at = written_each(answer, sum(counts)), 0
            for number, count in zip(numbers, counts, strict=True):
                self.answers[number] = written[at : at + count]
                at += count


class _Rights:
    """What may be done at the moment of a commit: the keys and chains of a group are looked up in one go."""

    def __init__(self, home: Home, now_ms: int) -> None:
        self._accounts = home.accounts
        self._now_ms = now_ms
        self._actors: dict[str, Actor | AnchorlineError] = {}
        self._access: dict[int, ChainAccess] = {}
        self._checked: dict[tuple[str, int | None], Actor | AnchorlineError | ProblemError] = {}

    def look_up(self, admissions: Iterable[Admission]) -> None:
        """Ask for all keys and chains of these at once, unless that was done."""
        asking = {(each.token, each.chain) for each in admissions}
        tokens = {token for token, _ in asking} - self._actors.keys()
        chain_nos = {chain.chain_no for _, chain in asking if chain is not None} - self._access.keys()
        if tokens or chain_nos:
            actors, access = self._accounts.acting(tokens, chain_nos, self._now_ms)
            self._actors |= actors
            self._access |= access

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
