"""What clients posted and waits for a group commit: work, or contents that are gathered as they come.

``chains.web.writing`` makes them in the event loop and commits them on a thread of its own; whoever waits is told by a
function that came with what he posted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

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


class PostedWork:
    """Work, whose answer is a ``Done``; a chain that it opens will have this visibility."""

    __slots__ = ("admission", "spans", "tells", "visibility", "work")

    def __init__(self, admission: Admission, work: Work, tell: Tell, visibility: Visibility) -> None:
        self.admission = admission
        self.work = work
        self.tells = [tell]
        self.visibility = visibility
        self.spans: list[SpanContext | None] = []


class PostedContents:
    """Contents of one kind that one client posted for one chain, each with whom to tell.

    Each is answered as ``written_each`` says.
    """

    __slots__ = ("admission", "contents", "kind", "spans", "tells")

    def __init__(self, admission: Admission, kind: Kind) -> None:
        self.admission = admission
        self.kind = kind
        self.contents: list[bytes] = []
        self.tells: list[Tell] = []
        self.spans: list[SpanContext | None] = []

    @property
    def chain(self) -> Chain:
        """The chain that they are for."""
        assert self.admission.chain is not None
        return self.admission.chain

    @property
    def alike(self) -> tuple[int, bytes, Kind]:
        """What they have in common with others that are made into entries together: it costs a third."""
        return self.chain.chain_no, self.admission.submitter, self.kind


def contents_of(posted: Sequence[PostedContents]) -> ContentsAlike:
    """Return the contents of all that have ``alike`` in common, in the order of ``tells_of``."""
    contents = posted[0].contents if len(posted) == 1 else list(chain.from_iterable(each.contents for each in posted))
    return ContentsAlike(contents, *posted[0].kind)


def tells_of(posted: Sequence[PostedContents]) -> Sequence[Tell]:
    """Return whom to tell of each content."""
    return list(chain.from_iterable(each.tells for each in posted))
