"""The lifecycle of an attempt to anchor, as one table; pure.

``anchor.journal`` stores events and folds them here, ``anchor.engine`` asks which events an observation means. State
is never stored: what a user sees may go back (a block can leave the best chain), and the events say when it did.
docs/design/lifecycle.md shows the diagram that is made from TRANSITIONS.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from anchor.bitcoin.protocols import BlockId, InBlock, InMempool, Observation
from anchor.proof.errors import AnchorlineError


class State(StrEnum):
    """Where an attempt is."""

    BUILT = "built"  # signed and on disk; nobody else has seen it
    BROADCAST = "broadcast"  # handed to a node; not yet seen in its mempool
    SEEN = "seen"  # in the mempool
    CONFIRMED = "confirmed"  # in a block of the best chain
    FINAL = "final"  # as deep as the network's final depth
    REPLACED = "replaced"  # another version spends the same coin; this one may still be mined
    REORGED = "reorged"  # its block left the best chain
    VOID = "void"  # built on a version that lost; may come back


class Event(StrEnum):
    """What happened to an attempt; the values are stored, so none is ever renamed."""

    SUBMITTED = "submitted"
    IN_MEMPOOL = "in-mempool"
    IN_BLOCK = "in-block"
    DEEP = "deep"
    MISSED = "missed"  # one look did not find it
    MISSING = "missing"  # the second look did not either
    LEFT_BLOCK = "left-block"
    SUPERSEDED = "superseded"  # a newer version was broadcast
    REFUSED_FEE = "refused-for-fee"  # a node did not take it: it pays too little for now
    REFUSED_INPUTS = "refused-for-inputs"  # a node did not take it: an input is spent or unknown to it
    RIVAL_CONFIRMED = "rival-confirmed"  # another spend of its coin is in a block
    PARENT_LOST = "parent-lost"  # the version whose coin it spends was replaced
    PARENT_BACK = "parent-back"
    SETTLED = "settled"  # beyond the watch depth, itself or its rival: no longer looked at
    UNSETTLED = "unsettled"  # a reorganisation reached beyond the watch depth: looked at again


class IllegalTransitionError(AnchorlineError):
    """An event that cannot happen in this state: the journal was written by something else."""


_S, _E = State, Event
# States in which an attempt is sent (again).
_UNSEEN = (_S.BUILT, _S.BROADCAST, _S.REORGED)
TRANSITIONS: dict[tuple[State, Event], State] = {
    **{(state, event): state for event in (_E.REFUSED_FEE, _E.REFUSED_INPUTS) for state in _UNSEEN},
    (_S.BUILT, _E.SUBMITTED): _S.BROADCAST,
    # A crash between sending and noting it: the network knows more than the journal.
    (_S.BUILT, _E.IN_MEMPOOL): _S.SEEN,
    (_S.BUILT, _E.IN_BLOCK): _S.CONFIRMED,
    (_S.BUILT, _E.SUPERSEDED): _S.REPLACED,
    (_S.BUILT, _E.RIVAL_CONFIRMED): _S.REPLACED,
    (_S.BUILT, _E.PARENT_LOST): _S.VOID,
    (_S.BROADCAST, _E.SUBMITTED): _S.BROADCAST,
    (_S.BROADCAST, _E.IN_MEMPOOL): _S.SEEN,
    (_S.BROADCAST, _E.IN_BLOCK): _S.CONFIRMED,
    (_S.BROADCAST, _E.SUPERSEDED): _S.REPLACED,
    (_S.BROADCAST, _E.RIVAL_CONFIRMED): _S.REPLACED,
    (_S.BROADCAST, _E.PARENT_LOST): _S.VOID,
    (_S.SEEN, _E.SUBMITTED): _S.SEEN,
    (_S.SEEN, _E.IN_BLOCK): _S.CONFIRMED,
    (_S.SEEN, _E.MISSED): _S.SEEN,
    (_S.SEEN, _E.IN_MEMPOOL): _S.SEEN,
    (_S.SEEN, _E.MISSING): _S.BROADCAST,
    (_S.SEEN, _E.SUPERSEDED): _S.REPLACED,
    (_S.SEEN, _E.RIVAL_CONFIRMED): _S.REPLACED,
    (_S.SEEN, _E.PARENT_LOST): _S.VOID,
    (_S.CONFIRMED, _E.DEEP): _S.FINAL,
    (_S.CONFIRMED, _E.MISSED): _S.CONFIRMED,
    (_S.CONFIRMED, _E.IN_BLOCK): _S.CONFIRMED,
    (_S.CONFIRMED, _E.LEFT_BLOCK): _S.REORGED,
    (_S.FINAL, _E.MISSED): _S.FINAL,
    (_S.FINAL, _E.IN_BLOCK): _S.FINAL,
    (_S.FINAL, _E.LEFT_BLOCK): _S.REORGED,
    (_S.FINAL, _E.SETTLED): _S.FINAL,
    (_S.FINAL, _E.UNSETTLED): _S.FINAL,
    (_S.REORGED, _E.SUBMITTED): _S.BROADCAST,
    (_S.REORGED, _E.IN_MEMPOOL): _S.SEEN,
    (_S.REORGED, _E.IN_BLOCK): _S.CONFIRMED,
    (_S.REORGED, _E.SUPERSEDED): _S.REPLACED,
    (_S.REORGED, _E.RIVAL_CONFIRMED): _S.REPLACED,
    (_S.REORGED, _E.PARENT_LOST): _S.VOID,
    # A replaced attempt can still confirm, and after a reorg it may be the one that comes back.
    (_S.REPLACED, _E.IN_MEMPOOL): _S.SEEN,
    (_S.REPLACED, _E.IN_BLOCK): _S.CONFIRMED,
    (_S.REPLACED, _E.RIVAL_CONFIRMED): _S.REPLACED,
    (_S.REPLACED, _E.PARENT_LOST): _S.VOID,
    (_S.REPLACED, _E.SETTLED): _S.REPLACED,
    (_S.REPLACED, _E.UNSETTLED): _S.REPLACED,
    (_S.VOID, _E.PARENT_BACK): _S.BROADCAST,
    (_S.VOID, _E.IN_MEMPOOL): _S.SEEN,
    (_S.VOID, _E.IN_BLOCK): _S.CONFIRMED,
    (_S.VOID, _E.SETTLED): _S.VOID,
    (_S.VOID, _E.UNSETTLED): _S.VOID,
}

LIVE = frozenset({State.BUILT, State.BROADCAST, State.SEEN, State.REORGED})
"""States in which an attempt claims its coin and is not in a block."""
MINED = frozenset({State.CONFIRMED, State.FINAL})
LOST = frozenset({State.REPLACED, State.VOID})
"""States that nothing follows but a reorganisation, or a look that finds this version after all."""
REFUSED = frozenset({Event.REFUSED_FEE, Event.REFUSED_INPUTS})


def advance(state: State, event: Event) -> State:
    """Return the state that follows; raise IllegalTransitionError where the table has none."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise IllegalTransitionError(f"an attempt that is {state} cannot meet the event {event}")
    return following


@dataclass(frozen=True, slots=True)
class Happened:
    """An event with the block that it names, if it names one."""

    event: Event
    block: BlockId | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What the events say: the state, the block while in one, whether the last look missed it, whether settled.

    ``refused`` is why a node did not take it when it was last sent (one of REFUSED), None where one did.
    """

    state: State = State.BUILT
    block: BlockId | None = None
    missed: bool = False
    settled: bool = False
    refused: Event | None = None


def fold(events: Iterable[Happened]) -> Standing:
    """Return where an attempt stands after its events, the first of which follows BUILT."""
    standing = Standing()
    for happened in events:
        standing = after(standing, happened)
    return standing


def after(standing: Standing, happened: Happened) -> Standing:
    """Return where an attempt stands after one more event; raise IllegalTransitionError where it cannot follow."""
    state = advance(standing.state, happened.event)
    return Standing(
        state=state,
        block=(happened.block or standing.block) if state in MINED else None,
        missed=happened.event == Event.MISSED,
        settled=(standing.settled or happened.event == Event.SETTLED) and happened.event != Event.UNSETTLED,
        refused=happened.event if happened.event in REFUSED else None,
    )


def news(event: Event) -> Callable[[Standing], list[Happened]]:
    """Return the decision to note ``event`` where it can still happen.

    Between a look and the note about it, another process may have noted more: then it is no news; nor is a refusal
    that was noted before.
    """
    return lambda standing: (
        [Happened(event)] if (standing.state, event) in TRANSITIONS and standing.refused != event else []
    )


def unsettled(standing: Standing) -> list[Happened]:
    """Return the decision to look at a settled attempt again; where another process has noted that, it is no news."""
    return [Happened(Event.UNSETTLED)] if standing.settled else []


def events_of(standing: Standing, seen: Observation, final_depth: int) -> list[Happened]:
    """Return the events that one look at the network means for an attempt that stands so."""
    if isinstance(seen, InBlock):
        return _in_block(standing, seen, final_depth)
    if isinstance(seen, InMempool):
        return _in_mempool(standing)
    return _missing(standing)


def _in_block(standing: Standing, seen: InBlock, final_depth: int) -> list[Happened]:
    events = []
    if standing.state in MINED and standing.block != seen.block:
        # Another block has it now: whatever was proved by the old one is void, and it must grow deep again.
        events.append(Happened(Event.LEFT_BLOCK))
    if standing.state not in MINED or standing.block != seen.block or standing.missed:
        events.append(Happened(Event.IN_BLOCK, seen.block))
    was_final = standing.state == State.FINAL and standing.block == seen.block
    if seen.confirmations >= final_depth and not was_final:
        events.append(Happened(Event.DEEP, seen.block))
    return events


def _in_mempool(standing: Standing) -> list[Happened]:
    if standing.state in MINED:
        return [Happened(Event.LEFT_BLOCK), Happened(Event.IN_MEMPOOL)]
    if standing.state == State.SEEN and not standing.missed:
        return []
    return [Happened(Event.IN_MEMPOOL)]


def _missing(standing: Standing) -> list[Happened]:
    """One look that finds nothing may be a source that lags; the second one counts."""
    if standing.state == State.SEEN:
        return [Happened(Event.MISSING if standing.missed else Event.MISSED)]
    if standing.state in MINED:
        return [Happened(Event.LEFT_BLOCK if standing.missed else Event.MISSED)]
    return []
