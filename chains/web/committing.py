"""The commit behind all requests that write: rights are asked for once more, then all of it is one transaction.

``chains.web.writing`` gathers what clients hand in. It is committed here by the one thread that has the home, in the
service's own process or in one beside it (``chains.web.commit_process``).
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

from anchor.proof.errors import AnchorlineError
from chains.access import Action, Actor, Visibility
from chains.chain import Chain
from chains.home import Home
from chains.together import commit_together
from chains.web.posted import Admission, GivenContents, GivenWork, contents_of
from chains.web.problems import ProblemError
from chains.web.rooms import check_allowed
from chains.web.written import written_each
from chains.work import Done, Opening, Work

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

    def commit(self, group: Sequence[Given]) -> Committed:
        """Commit what may be committed now, and answer all of it: an answer may be an error.

        Rights are asked for now, so that what was revoked or withdrawn before it writes nothing. Raises a StorageError:
        nothing was kept.
        """
        now_ms = self._home.clock()
        rights = _Rights(self._home, [given.admission for given in group], now_ms)
        answers: dict[int, Sequence[Any]] = {}
        works: dict[int, Work] = {}
        alike: dict[tuple[int, bytes, Any], list[int]] = {}
        for number, given in enumerate(group):
            actor = rights.checked(given.admission)
            if not isinstance(actor, Actor):
                answers[number] = list(repeat(actor, given.count))
            elif isinstance(given, GivenContents):
                alike.setdefault(given.alike, []).append(number)
            else:
                try:
                    works[number] = rights.owned(given.work, actor, given.visibility)
                except (AnchorlineError, ProblemError) as error:
                    answers[number] = [error]
        together = [self._together([group[number] for number in numbers]) for numbers in alike.values()]
        began_s = self._monotonic_s()
        done = commit_together(self._writer, [*works.values(), *together], now_ms)
        answers |= {number: [answer] for number, answer in zip(works, done, strict=False)}
        for numbers, answer in zip(alike.values(), done[len(works) :], strict=True):
            counts = [group[number].count for number in numbers]
            written, at = written_each(answer, sum(counts)), 0
            for number, count in zip(numbers, counts, strict=True):
                answers[number] = written[at : at + count]
                at += count
        new = {
            item.promised.note.count
            for item in done
            if isinstance(item, Done) and not item.is_replayed and item.promised
        }
        took_s = self._monotonic_s() - began_s
        return Committed([answers[number] for number in range(len(group))], max(new, default=0), took_s)

    def _together(self, given: list[Any]) -> Work:
        """Make one piece of work of contents that are alike."""
        return self._writer.prepare(given[0].chain, contents_of(given), given[0].admission.submitter)


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
