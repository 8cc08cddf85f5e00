# SPDX-License-Identifier: Apache-2.0
"""Times as people read them. Input is Unix milliseconds of a promise, a lease or a key; messages show the text."""

from datetime import UTC, datetime


def utc(time_ms: int) -> str:
    """Return a Unix time in milliseconds as RFC 3339 UTC, to the second; what no calendar holds stays a number."""
    try:
        return datetime.fromtimestamp(time_ms // 1000, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, OSError, ValueError):
        return f"{time_ms} ms"
