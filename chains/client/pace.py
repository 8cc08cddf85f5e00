# SPDX-License-Identifier: Apache-2.0
"""When a request is sent again, and after how long: a pure rule.

``chains.client.core`` asks it after each answer that was none. All requests of the client may be repeated: what writes
carries an Idempotency-Key, and is the same bytes each time.
"""

import re
from dataclasses import dataclass

from chains.client.exchange import Reply, Unreached

# 500 is a fault that a repetition would meet again; what else there is says no, not "not now".
NOT_NOW = frozenset({408, 425, 429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long a request is tried; pauses double from ``first_pause_s`` to ``most_pause_s``."""

    attempts: int = 8
    first_pause_s: float = 0.2
    most_pause_s: float = 15.0
    give_up_after_s: float = 120.0


def is_answer(came: Reply | Unreached) -> bool:
    """Say whether this is an answer, and not a reason to ask again."""
    return isinstance(came, Reply) and came.status not in NOT_NOW


def retry_after_s(came: Reply | Unreached) -> float | None:
    """Return how long the service asks to wait (RFC 9110 section 10.2.3, the form in seconds), or None."""
    text = came.headers.get("retry-after", "") if isinstance(came, Reply) else ""
    return float(text) if re.fullmatch("[0-9]{1,6}", text) else None


def pause_s(patience: Patience, attempt: int, spent_s: float, came: Reply | Unreached, chance: float) -> float | None:
    """Return how long to wait after the ``attempt``-th try (from 1), or None to give up.

    ``chance`` is 0 to 1: the pause is spread over its whole span, so that many clients do not return together. A
    service that names a time is never asked sooner.
    """
    if attempt >= patience.attempts:
        return None
    span_s = min(patience.most_pause_s, patience.first_pause_s * 2 ** (attempt - 1))
    asked_s = retry_after_s(came)
    wait_s = span_s * chance if asked_s is None else asked_s + span_s * chance
    return wait_s if spent_s + wait_s <= patience.give_up_after_s else None
