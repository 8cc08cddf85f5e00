"""The check of accounts: API keys that will stop somebody's work when they end.

Input is a home under examination (``chains.examined``); ``chains.doctor`` runs the check. The rule is a pure function.
"""

from collections.abc import Callable, Iterable, Sequence

from anchor.proof.times import utc
from chains.api_keys import ApiKey
from chains.diagnosis import Finding, ok, warning
from chains.examined import Examined

DAY_MS = 24 * 60 * 60 * 1000
NOTICE_DAYS = 14
"""Enough to reach whoever has the key, and for him to change it."""


def api_keys(keys: Iterable[ApiKey], now_ms: int) -> list[Finding]:
    """Judge the keys of a home: one that ends soon and was not rotated stops whoever uses it."""
    live = [key for key in keys if key.state(now_ms) == "live"]
    rotated = {key.replaces for key in live}
    ending = [
        warning(
            "api-keys",
            f"key {key.key_id} ({key.role}{f', {key.label}' if key.label else ''}) ends {utc(key.expires_at_ms)}",
            f"`anchorline key rotate {key.key_id}`, unless it is to end",
        )
        for key in live
        if key.expires_at_ms is not None
        and key.expires_at_ms - now_ms < NOTICE_DAYS * DAY_MS
        and key.key_id not in rotated
    ]
    return ending or [ok("api-keys", f"{len(live)} API keys hold, none ends within {NOTICE_DAYS} days unrotated")]


def api_keys_check(subject: Examined) -> list[Finding]:
    """Look at the API keys of this home."""
    return api_keys(subject.home.accounts.keys.all(), subject.clock())


ACCOUNT_CHECKS: dict[str, Callable[[Examined], Sequence[Finding]]] = {"api-keys": api_keys_check}
