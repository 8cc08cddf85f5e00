"""The table of an attempt's life: every pair of state and event, and what one look at the network means."""

import itertools
import runpy
from pathlib import Path

import pytest

from anchor.bitcoin.protocols import BlockId, InBlock, InMempool, Missing
from anchor.lifecycle import (
    LIVE,
    MINED,
    TRANSITIONS,
    Event,
    Happened,
    IllegalTransitionError,
    Standing,
    State,
    advance,
    events_of,
    fold,
    news,
)

DEPTH = 6
HERE = BlockId(101, b"\x0a" * 32)
THERE = BlockId(101, b"\x0b" * 32)

# Written out a second time, by hand and state by state, so that a slip in the table does not pass unseen.
LEGAL = {
    "built": {
        "submitted": "broadcast",
        "in-mempool": "seen",
        "in-block": "confirmed",
        "superseded": "replaced",
        "refused-for-fee": "built",
        "refused-for-inputs": "built",
        "rival-confirmed": "replaced",
        "parent-lost": "void",
    },
    "broadcast": {
        "submitted": "broadcast",
        "in-mempool": "seen",
        "in-block": "confirmed",
        "superseded": "replaced",
        "refused-for-fee": "broadcast",
        "refused-for-inputs": "broadcast",
        "rival-confirmed": "replaced",
        "parent-lost": "void",
    },
    "seen": {
        "submitted": "seen",
        "in-mempool": "seen",
        "in-block": "confirmed",
        "missed": "seen",
        "missing": "broadcast",
        "superseded": "replaced",
        "rival-confirmed": "replaced",
        "parent-lost": "void",
    },
    "confirmed": {"in-block": "confirmed", "deep": "final", "missed": "confirmed", "left-block": "reorged"},
    "final": {
        "in-block": "final",
        "missed": "final",
        "left-block": "reorged",
        "settled": "final",
        "unsettled": "final",
    },
    "reorged": {
        "submitted": "broadcast",
        "in-mempool": "seen",
        "in-block": "confirmed",
        "superseded": "replaced",
        "refused-for-fee": "reorged",
        "refused-for-inputs": "reorged",
        "rival-confirmed": "replaced",
        "parent-lost": "void",
    },
    "replaced": {
        "in-mempool": "seen",
        "in-block": "confirmed",
        "rival-confirmed": "replaced",
        "parent-lost": "void",
        "settled": "replaced",
        "unsettled": "replaced",
    },
    "void": {
        "parent-back": "broadcast",
        "in-mempool": "seen",
        "in-block": "confirmed",
        "settled": "void",
        "unsettled": "void",
    },
}
PAIRS = list(itertools.product(State, Event))
# How an attempt comes to stand in each state, by the shortest story.
STORIES = {
    State.BUILT: [],
    State.BROADCAST: [Event.SUBMITTED],
    State.SEEN: [Event.SUBMITTED, Event.IN_MEMPOOL],
    State.CONFIRMED: [Event.IN_BLOCK],
    State.FINAL: [Event.IN_BLOCK, Event.DEEP],
    State.REPLACED: [Event.SUBMITTED, Event.RIVAL_CONFIRMED],
    State.REORGED: [Event.IN_BLOCK, Event.LEFT_BLOCK],
    State.VOID: [Event.SUBMITTED, Event.PARENT_LOST],
}


def story(state: State) -> list[Happened]:
    return [Happened(event, HERE if event in {Event.IN_BLOCK, Event.DEEP} else None) for event in STORIES[state]]


def standing_in(state: State, *, missed: bool = False) -> Standing:
    return fold([*story(state), *([Happened(Event.MISSED)] if missed else [])])


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_each_pair_is_legal_or_refused(state: State, event: Event) -> None:
    """Every event either leads to the state that the table names, or is refused by name."""
    following = LEGAL[state].get(event)
    if following is None:
        with pytest.raises(IllegalTransitionError, match=f"{state} cannot meet the event {event}"):
            advance(state, event)
    else:
        assert following == advance(state, event)


def test_table_has_no_pair_beyond_those_written_out() -> None:
    """The table and its second writing have equally many rows."""
    assert sum(len(events) for events in LEGAL.values()) == len(TRANSITIONS)


def test_every_state_can_be_reached_and_stories_are_legal() -> None:
    """Each state has a story that leads to it from BUILT."""
    assert {state: state for state in State} == {state: standing_in(state).state for state in State}


def test_values_are_stored_and_never_renamed() -> None:
    """The names of events are in databases: these are the ones that version 1 wrote."""
    assert [
        "submitted",
        "in-mempool",
        "in-block",
        "deep",
        "missed",
        "missing",
        "left-block",
        "superseded",
        "refused-for-fee",
        "refused-for-inputs",
        "rival-confirmed",
        "parent-lost",
        "parent-back",
        "settled",
        "unsettled",
    ] == list(Event)


def test_live_and_mined_are_disjoint_and_leave_the_lost() -> None:
    """An attempt claims its coin unmined, is mined, or has lost; never two of these."""
    assert {State.REPLACED, State.VOID} == set(State) - LIVE - MINED
    assert set() == LIVE & MINED


def test_a_lost_attempt_can_still_confirm() -> None:
    """A replaced attempt can still confirm, and so can a void one."""
    assert State.CONFIRMED == advance(State.REPLACED, Event.IN_BLOCK)
    assert State.CONFIRMED == advance(State.VOID, Event.IN_BLOCK)


# --- fold


def test_fold_of_nothing_is_built() -> None:
    """An attempt without events is built, in no block, not missed, not settled."""
    assert Standing(State.BUILT, None, missed=False, settled=False) == fold([])


def test_fold_keeps_the_block_while_mined() -> None:
    """The block stays known through DEEP and MISSED, and is gone once the attempt left it."""
    events = [Happened(Event.IN_BLOCK, HERE), Happened(Event.DEEP), Happened(Event.MISSED)]
    assert Standing(State.FINAL, HERE, missed=True) == fold(events)
    assert Standing(State.REORGED, None) == fold([*events, Happened(Event.LEFT_BLOCK)])


def test_fold_forgets_a_miss_after_any_other_event() -> None:
    """Two looks that miss count only if nothing was seen in between."""
    seen_again = [*story(State.SEEN), Happened(Event.MISSED), Happened(Event.IN_MEMPOOL)]
    assert fold(seen_again).missed is False


def test_fold_refuses_a_history_that_cannot_be() -> None:
    """A journal with an impossible line is refused, whatever follows."""
    with pytest.raises(IllegalTransitionError):
        fold([Happened(Event.DEEP), Happened(Event.IN_BLOCK, HERE)])


def test_settled_stays() -> None:
    """What is settled is final and stays so."""
    assert Standing(State.FINAL, HERE, settled=True) == fold([*story(State.FINAL), Happened(Event.SETTLED)])


# --- events_of: what a look means

M, S, L, B, D = Event.IN_MEMPOOL, Event.MISSED, Event.LEFT_BLOCK, Event.IN_BLOCK, Event.DEEP
IN_MEMPOOL = {
    (State.BUILT, False): [M],
    (State.BROADCAST, False): [M],
    (State.SEEN, False): [],
    (State.SEEN, True): [M],
    (State.CONFIRMED, False): [L, M],
    (State.CONFIRMED, True): [L, M],
    (State.FINAL, False): [L, M],
    (State.FINAL, True): [L, M],
    (State.REPLACED, False): [M],
    (State.REORGED, False): [M],
    (State.VOID, False): [M],
}
MISSING = {
    (State.BUILT, False): [],
    (State.BROADCAST, False): [],
    (State.SEEN, False): [S],
    (State.SEEN, True): [Event.MISSING],
    (State.CONFIRMED, False): [S],
    (State.CONFIRMED, True): [L],
    (State.FINAL, False): [S],
    (State.FINAL, True): [L],
    (State.REPLACED, False): [],
    (State.REORGED, False): [],
    (State.VOID, False): [],
}
SHALLOW = {
    (State.BUILT, False): [B],
    (State.BROADCAST, False): [B],
    (State.SEEN, False): [B],
    (State.SEEN, True): [B],
    (State.CONFIRMED, False): [],
    (State.CONFIRMED, True): [B],
    (State.FINAL, False): [],
    (State.FINAL, True): [B],
    (State.REPLACED, False): [B],
    (State.REORGED, False): [B],
    (State.VOID, False): [B],
}
DEEP = SHALLOW | {key: [*SHALLOW[key], D] for key in SHALLOW if key[0] != State.FINAL}
ELSEWHERE = SHALLOW | {key: [L, B] for key in SHALLOW if key[0] in MINED}
ELSEWHERE_DEEP = {key: [*events, D] for key, events in ELSEWHERE.items()}
LOOKS = {
    "in the mempool": (InMempool(), IN_MEMPOOL),
    "missing": (Missing(), MISSING),
    "in its block, shallow": (InBlock(HERE, DEPTH - 1), SHALLOW),
    "in its block, deep": (InBlock(HERE, DEPTH), DEEP),
    "in another block": (InBlock(THERE, 1), ELSEWHERE),
    "in another block, deep": (InBlock(THERE, DEPTH + 9), ELSEWHERE_DEEP),
}
CASES = [
    pytest.param(state, missed, seen, wanted, id=f"{state}{'-missed' if missed else ''}-{name}")
    for name, (seen, table) in LOOKS.items()
    for (state, missed), wanted in table.items()
]


@pytest.mark.parametrize(("state", "missed", "seen", "wanted"), CASES)
def test_what_a_look_means(
    state: State, missed: bool, seen: InBlock | InMempool | Missing, wanted: list[Event]
) -> None:
    """Each observation means exactly these events, and they can follow."""
    events = events_of(standing_in(state, missed=missed), seen, DEPTH)
    assert wanted == [happened.event for happened in events]
    fold([*story(state), *([Happened(Event.MISSED)] if missed else []), *events])


@pytest.mark.parametrize(("state", "missed", "seen", "wanted"), CASES)
def test_the_same_look_twice_is_news_once(
    state: State, missed: bool, seen: InBlock | InMempool | Missing, wanted: list[Event]
) -> None:
    """A second look that sees the same adds nothing; only what is missing counts twice."""
    first = events_of(standing_in(state, missed=missed), seen, DEPTH)
    told = [*story(state), *([Happened(Event.MISSED)] if missed else []), *first]
    again = [happened.event for happened in events_of(fold(told), seen, DEPTH)]
    expected = {S: [Event.MISSING if state == State.SEEN else L]}.get(wanted[0] if wanted else M, [])
    assert expected == again


def test_a_shorter_chain_on_the_same_block_keeps_final() -> None:
    """A final attempt whose block stays while those above it were replaced by fewer stays final."""
    assert [] == events_of(standing_in(State.FINAL), InBlock(HERE, 1), DEPTH)


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_news_is_what_can_follow(state: State, event: Event) -> None:
    """An event that another process has overtaken is no news, and no error."""
    standing = standing_in(state)
    expected = [Happened(event)] if (state, event) in TRANSITIONS else []
    assert expected == news(event)(standing)


@pytest.mark.parametrize("event", [Event.REFUSED_FEE, Event.REFUSED_INPUTS])
def test_a_refusal_stands_until_something_else_happens(event: Event) -> None:
    """Why a node did not take an attempt is known until it did, or until it was found after all; said once."""
    refused = fold([Happened(event)])
    assert (State.BUILT, event) == (refused.state, refused.refused)
    assert [] == news(event)(refused)
    for other in (Event.SUBMITTED, Event.IN_MEMPOOL, Event.SUPERSEDED):
        assert fold([Happened(event), Happened(other)]).refused is None


# --- the page

PAGE = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "design" / "make_lifecycle.py"))


def test_the_page_is_made_from_the_table() -> None:
    """docs/design/lifecycle.md shows the transitions that the code has; run make_lifecycle.py after a change."""
    text = PAGE["PAGE"].read_text(encoding="utf-8")
    assert PAGE["page"](text) == text


def test_the_page_explains_every_state_and_event() -> None:
    """Each state and each event has its line, and no other has one."""
    lines = PAGE["PAGE"].read_text(encoding="utf-8").partition(PAGE["START"])[0].splitlines()
    first_cells = [line.split("|")[1].strip().strip("`") for line in lines if line.startswith("|")]
    assert ["state", "---", *State, "event", "---", *Event] == first_cells


def test_the_diagram_has_every_arrow() -> None:
    """Each transition to another state is an arrow of the diagram, under its event."""
    arrows = {
        (line.split("-->")[0].strip(), event, line.split("-->")[1].split(":")[0].strip())
        for line in PAGE["diagram"]().splitlines()
        if ": " in line
        for event in line.split(": ")[1].split(", ")
    }
    assert {(state, event, after) for (state, event), after in TRANSITIONS.items() if after != state} == arrows


def test_a_page_without_marks_is_refused() -> None:
    """The made part is never written to a place that was guessed."""
    with pytest.raises(ValueError, match="put the two marks back"):
        PAGE["page"]("# Something else")
