"""Where two chains part: the search for the newest block that both have; pure.

``header_sync`` looks for it between a source and the header store, ``anchor.recent_headers`` between a source and
what it has counted.
"""

from collections.abc import Callable


def newest_common(low: int, top: int, agrees: Callable[[int], bool]) -> int:
    """Return the greatest height from ``low`` to ``top`` at which ``agrees`` holds; ``low`` itself is not asked.

    What holds at a height holds at all below. Steps down from the top double, then the gap is halved: a short fork
    costs few questions, and the longest about twice the logarithm of its length.
    """
    lowest, high, step = top, top + 1, 1
    while lowest > low and not agrees(lowest):
        lowest, high, step = max(low, lowest - step), lowest, step * 2
    while high - lowest > 1:
        middle = (lowest + high) // 2
        lowest, high = (middle, high) if agrees(middle) else (lowest, middle)
    return lowest
