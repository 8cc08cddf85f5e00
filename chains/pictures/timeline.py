"""The newest attempts on a time line: when each was made, what it paid, and what became of it.

``chains.web.pages`` hands in the attempts of the journal, and shows the same in a table beside the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from anchor.lifecycle import State
from chains.pictures.plot import FOOT, HEIGHT, HEIGHTS_ROW, LEFT, WIDTH, across, number_axis, time_axis, upward
from chains.pictures.scales import MINUTE_MS, Scale, number_ticks, spanning, time_ticks, written
from chains.pictures.states import WORDS, mark
from chains.pictures.svg import element, picture, text, titled

# Closer heights would be written over each other.
_LABEL_WIDTH = 68.0


@dataclass(frozen=True, slots=True)
class Plotted:
    """An attempt: made ``made_at_ms``, pays ``fee_sat``; ``height`` is its block's, where it is in one."""

    made_at_ms: int
    fee_sat: int
    state: State
    height: int | None = None


def timeline(attempts: Sequence[Plotted], until_ms: int | None) -> str:
    """Return the plot of some attempts, from the oldest of them to ``until_ms``: fees in satoshi over time (UTC).

    A stretch without an anchor is as wide as it was long; with None the newest attempt is the end. Raises ValueError
    for no attempt.
    """
    if not attempts:
        raise ValueError("expected an attempt to plot, got none")
    in_order = sorted(attempts, key=lambda attempt: attempt.made_at_ms)
    low, high = spanning(
        [attempt.made_at_ms for attempt in in_order] + ([] if until_ms is None else [until_ms]), MINUTE_MS
    )
    fees = number_ticks(max(attempt.fee_sat for attempt in in_order), 4)
    times, numbers = across(low, high), upward(fees)
    parts = [
        *number_axis(fees, numbers, "fee, sat"),
        *time_axis(time_ticks(low, high), times),
        *(_drawn(attempt, times, numbers) for attempt in in_order),
        *_heights(in_order, times),
    ]
    return picture("timeline", "The newest anchors over time", _about(in_order), (WIDTH, HEIGHT), parts)


def _drawn(attempt: Plotted, times: Scale, numbers: Scale) -> Element:
    x, y = times.place(attempt.made_at_ms), numbers.place(attempt.fee_sat)
    block = "" if attempt.height is None else f", block {attempt.height:,}"
    return titled(
        f"{written(attempt.made_at_ms)}: {attempt.fee_sat:,} sat, {WORDS[attempt.state]}{block}",
        element("path", d=f"M{x:.2f} {FOOT:g} V{y:.2f}", class_="stem"),
        *mark(attempt.state, x, y),
    )


def _heights(in_order: Sequence[Plotted], times: Scale) -> list[Element]:
    """Return the heights of blocks in a row above the plot, from the newest backwards, as far as there is room."""
    found, free_to = list[Element](), WIDTH
    for attempt in reversed(in_order):
        x = times.place(attempt.made_at_ms)
        if attempt.height is None or x + _LABEL_WIDTH / 2 > free_to:
            continue
        found.append(text(x, HEIGHTS_ROW - 8, f"{attempt.height:,}", class_="label", text_anchor="middle"))
        free_to = x - _LABEL_WIDTH / 2
    if found:
        found.append(text(LEFT - 10, HEIGHTS_ROW - 8, "in block", class_="unit", text_anchor="end"))
    return found


def _about(in_order: Sequence[Plotted]) -> str:
    heights = [attempt.height for attempt in in_order if attempt.height is not None]
    fees = [attempt.fee_sat for attempt in in_order]
    blocks = f", at heights {min(heights):,} to {max(heights):,}" if heights else ""
    return (
        f"Anchor transactions made from {written(in_order[0].made_at_ms)} to {written(in_order[-1].made_at_ms)}: "
        f"{len(in_order)}, of which {len(heights)} in a block{blocks}. They pay {min(fees):,} to {max(fees):,} satoshi."
    )
