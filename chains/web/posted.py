"""What clients posted and waits for a group commit: work, or contents that are gathered as they come.

``chains.web.writing`` makes them in the event loop and commits them on a thread of its own; whoever waits is told by a
function that came with what he posted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from chains.access import Actor, Visibility
from chains.chain import Chain
from chains.quota import Quota
from chains.work import ContentsAlike, Kind, Work

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

Tell = Callable[[Any], None]
"""Takes what became of something posted, in the event loop: its answer, or an error."""


# Compared by identity: one is looked up, and then used for all that its client posts for seconds.
@dataclass(frozen=True, slots=True, eq=False)
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
class GivenWork:
    """Work, whose answer is a ``Done``; a chain that it opens will have this visibility."""

    admission: Admission
    work: Work
    visibility: Visibility
    count: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class GivenContents:
    """Contents of one kind that one client posted for one chain; each is answered as ``written_each`` says."""

    admission: Admission
    kind: Kind
    contents: list[bytes] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many answers it gets: one for each content."""
        return len(self.contents)

    @property
    def chain(self) -> Chain:
        """The chain that they are for."""
        assert self.admission.chain is not None
        return self.admission.chain

    @property
    def alike(self) -> tuple[int, bytes, Kind]:
        """What they have in common with others that are made into entries together: it costs a third."""
        return self.chain.chain_no, self.admission.submitter, self.kind


class Posted(NamedTuple):
    """What a client handed in, and whom to tell of each answer that it gets; of which requests it came."""

    given: GivenWork | GivenContents
    tells: list[Tell]
    spans: "list[SpanContext | None]"


def contents_of(given: Sequence[GivenContents]) -> ContentsAlike:
    """Return the contents of all that have ``alike`` in common, in their order."""
    contents = given[0].contents if len(given) == 1 else list(chain.from_iterable(each.contents for each in given))
    return ContentsAlike(contents, *given[0].kind)
