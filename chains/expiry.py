"""When something ends, as people write it: a time to come, or for how long. Pure.

Texts come from the command line; keys and grants keep milliseconds since 1970.
"""

import re
from datetime import UTC, datetime

from anchor.errors import AccountError
from anchor.proof.times import utc

_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
NEVER = "never"
MAX_MS = 253_402_300_799_000
"""The end of the year 9999: later times cannot be shown."""


def duration_ms(text: str) -> int:
    """Read a duration: a number and s, m, h or d; raise AccountError for anything else."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise AccountError(f"duration: expected a number and s, m, h or d, such as 90d, got {text[:40]!r}")
    return int(found[1]) * _UNITS_MS[found[2]]


def expiry_ms(text: str, now_ms: int) -> int | None:
    """Read an expiry: a duration from now, a date or a time (ISO 8601, UTC where it says nothing), or "never" (None).

    A date means its first millisecond. Raises AccountError for anything else, and for what is over or after 9999.
    """
    if text == NEVER:
        return None
    ends_at_ms = now_ms + duration_ms(text) if _DURATION.fullmatch(text) else _time_ms(text)
    if not 0 <= ends_at_ms <= MAX_MS:
        raise AccountError(f"expiry: expected a time from 1970 to 9999, got {text[:40]!r}; without end is {NEVER!r}")
    if ends_at_ms <= now_ms:
        raise AccountError(f"expiry: expected a time to come, got {text[:40]!r}, which was {utc(ends_at_ms)}")
    return ends_at_ms


def check_to_come(expires_at_ms: int | None, now_ms: int, of: str) -> None:
    """Raise AccountError for an expiry that is not to come; ``of`` says what would end. None is without end."""
    if expires_at_ms is not None and expires_at_ms <= now_ms:
        raise AccountError(
            f"expiry of {of}: expected a time to come, got {expires_at_ms} ms, which is {now_ms - expires_at_ms} ms "
            "ago or now"
        )


def _time_ms(text: str) -> int:
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise AccountError(
            f"expiry: expected a duration such as 90d, a date such as 2030-01-31, a time such as 2030-01-31T12:00Z, or "
            f"{NEVER!r}; got {text[:40]!r}"
        ) from error
    aware = given if given.tzinfo else given.replace(tzinfo=UTC)
    try:
        return int(aware.timestamp() * 1000)
    except (OverflowError, ValueError) as error:  # an offset can lead out of the years that there are
        raise AccountError(f"expiry: expected a time from 1970 to 9999, got {text[:40]!r}") from error
