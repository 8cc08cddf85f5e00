"""Make the diagram and the table in ``lifecycle.md`` from ``anchor.lifecycle.TRANSITIONS``.

Run it after a change of the table: ``python docs/design/make_lifecycle.py``. tests/unit/test_lifecycle.py fails while
the page says something else than the code.
"""

from pathlib import Path

from anchor.lifecycle import LIVE, MINED, TRANSITIONS, Event, State

PAGE = Path(__file__).with_name("lifecycle.md")
START = "<!-- made from anchor.lifecycle.TRANSITIONS by make_lifecycle.py: begin -->\n"
END = "<!-- made from anchor.lifecycle.TRANSITIONS by make_lifecycle.py: end -->\n"


def diagram() -> str:
    """Return the transitions between different states as a Mermaid state diagram, one arrow for each pair of states."""
    arrows: dict[tuple[State, State], list[Event]] = {}
    for (state, event), following in TRANSITIONS.items():
        if following != state:
            arrows.setdefault((state, following), []).append(event)
    lines = [f"    {state} --> {following}: {', '.join(events)}" for (state, following), events in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {State.BUILT}", *lines, "```"])


def table() -> str:
    """Return all transitions as a Markdown table: a row for each event, a column for each state."""
    head = ["event", *(f"**{state}**" for state in State)]
    rows = [[f"`{event}`", *(TRANSITIONS.get((state, event), "") for state in State)] for event in Event]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows])


def kinds() -> str:
    """Return which states are live, mined and lost."""
    lost = [state for state in State if state not in LIVE | MINED]
    return "\n".join(
        f"- **{name}**: {', '.join(state for state in State if state in states)}."
        for name, states in (("live", LIVE), ("mined", MINED), ("lost", lost))
    )


def made() -> str:
    """Return the part of the page that is made."""
    return f"{START}\n{kinds()}\n\n{diagram()}\n\n{table()}\n\n{END}"


def page(text: str) -> str:
    """Return the page with its made part made anew; raise ValueError where it has no such part."""
    before, _, rest = text.partition(START)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"expected a line {END.strip()!r} in {PAGE.name}, found none; put the two marks back")
    return before + made() + after


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
