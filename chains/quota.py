"""A quota: how much an organisation may write in a time.

Organisations keep one (``chains.organisations``), commands set it, and ``chains.quotas`` counts what is used of it.
"""

from dataclasses import dataclass

from anchor.errors import AccountError

MAX_ENTRIES_PER_S = 1_000_000
MIN_BYTES_PER_DAY = 1024
MAX_BYTES_PER_DAY = 2**40
"""A TiB. Above these, the steps of the counting (a nanosecond for each) would be too coarse."""


@dataclass(frozen=True, slots=True)
class Quota:
    """How much may be written; None is without limit.

    ``entries_per_s`` on average, of which ten seconds' worth may come at once; ``bytes_per_day`` of content, of which
    a day's worth may come at once and which comes back over a day. Raises AccountError outside of the limits.
    """

    entries_per_s: int | None = None
    bytes_per_day: int | None = None

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return self.entries_per_s is not None or self.bytes_per_day is not None

    def __post_init__(self) -> None:
        _check("entries a second", self.entries_per_s, 1, MAX_ENTRIES_PER_S)
        _check("bytes of content a day", self.bytes_per_day, MIN_BYTES_PER_DAY, MAX_BYTES_PER_DAY)


def _check(name: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise AccountError(f"quota: {name}: expected {least} to {most}, or 0 for no limit; found {value}")


UNLIMITED = Quota()
