"""The thread as a picture: the line of anchors, newest above, each spending the first output of the one below it.

``chains.web.pages`` hands in attempts of the journal, and lists the same in a table beside the picture. A version that
lost stands beside the line, where it left it; a block that left the best chain breaks the line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from anchor.lifecycle import LOST, State
from chains.pictures.states import NAMES, mark
from chains.pictures.svg import element, picture, text

_WIDTH = 340.0
_ROW = 58.0
_TOP = 30.0
_LINE_X, _BESIDE_X, _TEXT_X = 22.0, 50.0, 76.0
_TAIL = 34.0


@dataclass(frozen=True, slots=True)
class Knot:
    """An attempt: its txid and the txid whose output it spends (hex as shown), and how it stands.

    ``begins``: what it spends is no anchor, but a coin with which the thread begins (the log's card has it).
    """

    txid_hex: str
    spends_hex: str
    size: int
    state: State
    height: int | None = None
    begins: bool = False


def thread(knots: Sequence[Knot]) -> str:
    """Return the picture of some attempts, newest first. Raises ValueError for none."""
    if not knots:
        raise ValueError("expected an attempt to draw, got none")
    places = {knot.txid_hex: _place(row, knot) for row, knot in enumerate(knots)}
    bottom = _TOP + (len(knots) - 1) * _ROW + _TAIL
    parts = [
        *(part for knot in knots for part in _line(knot, places, bottom)),
        *(part for row, knot in enumerate(knots) for part in _knot(knot, *_place(row, knot))),
    ]
    return picture(
        "thread", "The thread of anchors", _about(knots), (_WIDTH, bottom + 26), [*parts, *_end(knots[-1], bottom)]
    )


def _place(row: int, knot: Knot) -> tuple[float, float]:
    return _BESIDE_X if knot.state in LOST else _LINE_X, _TOP + row * _ROW


def _line(knot: Knot, places: Mapping[str, tuple[float, float]], bottom: float) -> list[Element]:
    """Return the line down to what an attempt spends; out of the picture where that is on another page."""
    x, y = places[knot.txid_hex]
    to_x, to_y = places.get(knot.spends_hex, (_LINE_X, bottom))
    kind = "thread-lost" if knot.state in LOST else "thread-broken" if knot.state == State.REORGED else "thread-line"
    if x == to_x:
        return [element("path", d=f"M{x:g} {y:g} V{to_y:g}", class_=kind)]
    turn = to_y - 20
    return [element("path", d=f"M{x:g} {y:g} V{turn:g} Q{x:g} {to_y:g} {to_x:g} {to_y:g}", class_=kind)]


def _knot(knot: Knot, x: float, y: float) -> list[Element]:
    where = "in no block" if knot.height is None else f"block {knot.height:,}"
    below = f"{knot.txid_hex[:12]}…  {NAMES[knot.state]}"
    return [
        element("circle", cx=x, cy=y, r=9, class_="ground"),
        *mark(knot.state, x, y),
        text(_TEXT_X, y - 1, f"{where} · {knot.size:,} leaves", class_="value"),
        text(_TEXT_X, y + 17, below, class_="code"),
    ]


def _end(oldest: Knot, bottom: float) -> list[Element]:
    if not oldest.begins:
        return [text(_LINE_X - 10, bottom + 18, "older anchors", class_="unit")]
    return [
        element("rect", x=_LINE_X - 5, y=bottom - 5, width=10, height=10, class_="mark waits"),
        text(_LINE_X - 10, bottom + 22, "the coin with which the thread begins", class_="unit"),
    ]


def _about(knots: Sequence[Knot]) -> str:
    lost = sum(knot.state in LOST for knot in knots)
    broken = sum(knot.state == State.REORGED for knot in knots)
    return (
        f"{len(knots)} anchor transactions, the newest first; each spends the first output of one below it. "
        f"In a block: {sum(knot.height is not None for knot in knots)}. Replaced or void: {lost}. "
        f"Out of a block again: {broken}."
    )
