"""How the state of an attempt looks and what it is called: a shape, a colour's class, and plain words.

The state comes from ``anchor.lifecycle``. Pictures and pages use the same three, so that colour is never the only sign.
"""

from collections.abc import Iterable
from xml.etree.ElementTree import Element, tostring

from anchor.lifecycle import State
from chains.pictures.svg import element

WORDS = {
    State.BUILT: "signed, not sent yet",
    State.BROADCAST: "sent, not seen in a mempool yet",
    State.SEEN: "waits in the mempool for a block",
    State.CONFIRMED: "in a block",
    State.FINAL: "final",
    State.REPLACED: "replaced by another version",
    State.REORGED: "its block left the best chain",
    State.VOID: "void: built on a version that was replaced",
}
NAMES = {
    State.BUILT: "not sent",
    State.BROADCAST: "sent",
    State.SEEN: "in the mempool",
    State.CONFIRMED: "in a block",
    State.FINAL: "final",
    State.REPLACED: "replaced",
    State.REORGED: "out of its block",
    State.VOID: "void",
}
"""The same in a few letters, where there is no room."""
TONES = {
    State.BUILT: "waits",
    State.BROADCAST: "waits",
    State.SEEN: "waits",
    State.CONFIRMED: "mined",
    State.FINAL: "final",
    State.REPLACED: "lost",
    State.REORGED: "broken",
    State.VOID: "lost",
}
"""The classes by which the stylesheet colours a state."""
_LEGEND = {
    "final": "final: deep in Bitcoin's best chain",
    "mined": "in a block, not deep yet",
    "waits": "sent, not in a block yet",
    "broken": "its block left the best chain",
    "lost": "replaced, or void",
}
_RADIUS = 7.0


def legend(shown: Iterable[State]) -> list[tuple[str, str]]:
    """Return the signs of these states with what each means, every sign once."""
    found = {TONES[state]: state for state in shown}
    return [(sign(found[tone]), words) for tone, words in _LEGEND.items() if tone in found]


def sign(state: State) -> str:
    """Return the sign of a state alone, to stand before its name in a table; it says nothing that the name does not."""
    side = 2 * _RADIUS + 4
    root = element(
        "svg",
        *mark(state, side / 2, side / 2),
        class_="picture sign",
        aria_hidden="true",
        width=side,
        height=side,
        viewBox=f"0 0 {side:g} {side:g}",
    )
    return tostring(root, encoding="unicode")


def mark(state: State, x: float, y: float) -> list[Element]:
    """Return the sign of a state around a place, 14 pixels wide.

    A full disc is final, a ring in a block, a square waits, a triangle left its block, a cross has lost.
    """
    tone = f"mark {TONES[state]}"
    if TONES[state] in {"final", "mined"}:
        return [element("circle", cx=x, cy=y, r=_RADIUS - 1, class_=tone)]
    if TONES[state] == "waits":
        side = 2 * _RADIUS - 3
        return [element("rect", x=x - side / 2, y=y - side / 2, width=side, height=side, class_=tone)]
    if TONES[state] == "broken":
        below = y + _RADIUS - 1
        return [
            element(
                "path", d=f"M{x:g} {y - _RADIUS:g} L{x + _RADIUS:g} {below:g} L{x - _RADIUS:g} {below:g} Z", class_=tone
            )
        ]
    arm = _RADIUS - 2
    return [
        element("circle", cx=x, cy=y, r=_RADIUS, class_="ground"),
        element(
            "path",
            d=f"M{x - arm:g} {y - arm:g} l{2 * arm:g} {2 * arm:g} m0 {-2 * arm:g} l{-2 * arm:g} {2 * arm:g}",
            class_=tone,
        ),
    ]
