"""The frame of a plot over time: its measures, and its two axes.

``timeline`` and ``growth`` draw in it.
"""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from chains.pictures.scales import Scale, Tick
from chains.pictures.svg import element, text

WIDTH, HEIGHT = 720.0, 270.0
LEFT, RIGHT, TOP, BOTTOM = 84.0, 24.0, 58.0, 52.0
FOOT = HEIGHT - BOTTOM
# Above a plot there may be a row with the heights of blocks.
HEIGHTS_ROW = 24.0
# What is drawn at the very first and last moment keeps clear of the frame.
_MARGIN = 14.0


def across(low_ms: int, high_ms: int) -> Scale:
    """Return the scale of times."""
    return Scale(low_ms, high_ms, LEFT + _MARGIN, WIDTH - RIGHT - _MARGIN)


def upward(ticks: Sequence[Tick]) -> Scale:
    """Return the scale of numbers from 0 to the last tick."""
    return Scale(0, ticks[-1].value, FOOT, TOP)


def number_axis(ticks: Sequence[Tick], scale: Scale, unit: str) -> list[Element]:
    """Return a line for each number, which stands at its left, and the unit above them."""
    found = [text(LEFT - 10, TOP - 18, unit, class_="unit", text_anchor="end")]
    for tick in ticks:
        y = scale.place(tick.value)
        found.append(
            element("path", d=f"M{LEFT:g} {y:.2f} H{WIDTH - RIGHT:g}", class_="grid" if tick.value else "axis")
        )
        found.append(text(LEFT - 10, y + 4, tick.label, class_="tick", text_anchor="end"))
    return found


def time_axis(ticks: Sequence[Tick], scale: Scale) -> list[Element]:
    """Return a mark for each time, which stands below it; the second line of a label is its day."""
    found: list[Element] = []
    for tick in ticks:
        x = scale.place(tick.value)
        found.append(element("path", d=f"M{x:.2f} {FOOT:g} v6", class_="axis"))
        for row, words in enumerate(tick.label.split("\n")):
            found.append(text(x, FOOT + 20 + 16 * row, words, class_="tick", text_anchor="middle"))
    return found
