"""How a chain grew: its size at each seal, as steps over time.

``chains.web.pages`` hands in heads of the chain with the times of their seals (``chains.growth`` chooses them), and
shows the newest in a list beside the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chains.pictures.plot import FOOT, HEIGHT, HEIGHTS_ROW, WIDTH, across, number_axis, time_axis, upward
from chains.pictures.scales import MINUTE_MS, number_ticks, spanning, time_ticks, written
from chains.pictures.svg import element, picture, titled

# With more than this, the dots at the heads would be a thick line.
_MOST_DOTS = 60


@dataclass(frozen=True, slots=True)
class Grown:
    """From ``sealed_at_ms`` on, ``tree_size`` entries of the chain are sealed."""

    sealed_at_ms: int
    tree_size: int


def growth(heads: Sequence[Grown], now_ms: int) -> str:
    """Return the plot of a chain's heads, oldest first, up to now; the size stays what it was until the next head.

    Raises ValueError for no head.
    """
    if not heads:
        raise ValueError("expected a head to plot, got none: nothing of the chain is sealed")
    low, high = spanning([heads[0].sealed_at_ms, heads[-1].sealed_at_ms, now_ms], MINUTE_MS)
    sizes = number_ticks(heads[-1].tree_size, 4)
    times, numbers = across(low, high), upward(sizes)
    places = [(times.place(head.sealed_at_ms), numbers.place(head.tree_size)) for head in heads]
    steps = f"M{places[0][0]:.2f} {FOOT:g}" + "".join(f"H{x:.2f}V{y:.2f}" for x, y in places)
    end = f"H{times.place(max(now_ms, heads[-1].sealed_at_ms)):.2f}"
    dots = [
        titled(
            f"{written(head.sealed_at_ms)}: {head.tree_size:,} sealed",
            element("circle", cx=x, cy=y, r=3.5, class_="dot"),
        )
        for head, (x, y) in zip(heads, places, strict=True)
    ]
    parts = [
        *number_axis(sizes, numbers, "entries"),
        *time_axis(time_ticks(low, high), times),
        element("path", d=f"{steps}{end}V{FOOT:g}Z", class_="area"),
        element("path", d=steps + end, class_="curve"),
        *(dots if len(dots) <= _MOST_DOTS else dots[-1:]),
    ]
    about = (
        f"Sealed entries from {written(heads[0].sealed_at_ms)} ({heads[0].tree_size:,}) "
        f"to {written(heads[-1].sealed_at_ms)} ({heads[-1].tree_size:,}), by {len(heads)} of its heads."
    )
    return picture("growth", "How the chain grew", about, (WIDTH, HEIGHT), parts, HEIGHTS_ROW)
