"""What an operator should look at now, as values: a stable name and a sentence; pure.

Input is what the plan rests on (``anchor.plan.Facts``) with the limits of the settings. ``tick`` and ``status`` show
the alerts, and the daemon logs each when it comes and when it goes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from anchor.bitcoin.networks import Network
from anchor.bitcoin.transaction import INCREMENTAL_SAT_PER_VB, anchors_left, fee_sat, rate_sat_per_vb
from anchor.fees import Limits, line_rate_sat_per_vb, spent_sat
from anchor.journal import Attempt
from anchor.plan import Facts, live_line, outlived_request, thread_end, would_lapse

# Twelve intervals, and no less than two hours: on testnet4 often one block in an hour takes any transaction.
STUCK_INTERVALS = 12
LEAST_STUCK_MS = 2 * 60 * 60 * 1000


class AlertName(StrEnum):
    """Names of alerts: stable, for whoever watches logs."""

    FEE_CAP_REACHED = "fee-cap-reached"
    LOW_FUNDS = "low-funds"
    SPENDING_CAP_REACHED = "spending-cap-reached"
    STUCK = "stuck"
    PROMISE_WILL_LAPSE = "promise-will-lapse"
    REFUSED = "refused"
    THREAD_LOST = "thread-lost"
    BEHIND = "behind"
    SIGNATURE_WANTED = "signature-wanted"
    SIGNATURE_RENEWED = "signature-renewed"
    PUBLISHED_UNREAD = "published-unread"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that an operator should know; ``message`` says what is the matter and what can be done."""

    name: AlertName
    message: str


def alerts_of(facts: Facts, made: Sequence[Attempt], network: Network, limits: Limits) -> tuple[Alert, ...]:
    """Return the alerts that these facts give reason for, each name once.

    ``made`` are the attempts of the last 24 hours and those still watched.
    """
    if facts.thread_start is None:
        return ()
    line = live_line(facts)
    _, last = thread_end(facts)
    newest = line[-1] if line else last
    rate = rate_sat_per_vb(network, None if newest is None else newest.fee_sat / newest.virtual_size)
    found = [
        _recovering(facts),
        _refused(line),
        _at_cap(line, network),
        _low_funds(newest, rate, network, limits),
        _spent(made, facts.now_ms, rate, limits),
        _stuck(facts, line),
        _lapsing(facts),
        _unsigned(facts),
        _renewed(facts),
    ]
    return tuple(alert for alert in found if alert is not None)


def changes(before: Iterable[Alert], after: Iterable[Alert]) -> list[str]:
    """Return a log line for each alert that came or went; its numbers may change without a line."""
    old, new = {alert.name: alert for alert in before}, {alert.name: alert for alert in after}
    came = [f"event=alert name={name} message={alert.message!r}" for name, alert in new.items() if name not in old]
    return [*came, *(f"event=alert-over name={name}" for name in old if name not in new)]


def _recovering(facts: Facts) -> Alert | None:
    if facts.recovery is None:
        return None
    leaf = facts.recovery.leaf
    rest = (
        "once a payment to the wallet's address is in a block, sign for it with `anchorline recover thread "
        "--recovery-key FILE`"
        if leaf is None
        else f"a new one begins at {leaf.outpoint}, signed by the recovery key, with the first seal after this coin is "
        "as deep as the watch depth; where the coin is gone, sign for another one"
    )
    return Alert(AlertName.THREAD_LOST, f"the thread is lost, and nothing is anchored meanwhile: {rest}")


def _refused(line: Sequence[Attempt]) -> Alert | None:
    refused = next((attempt for attempt in line if attempt.standing.refused is not None), None)
    if refused is None:
        return None
    return Alert(
        AlertName.REFUSED,
        f"attempt {refused.attempt_no} was {refused.standing.refused} by the Bitcoin source; it is sent again, and "
        "replaced where that can help",
    )


def _at_cap(line: Sequence[Attempt], network: Network) -> Alert | None:
    cap = network.fee_cap_sat_per_vb
    if not line or line_rate_sat_per_vb(line) + INCREMENTAL_SAT_PER_VB <= cap:
        return None
    return Alert(
        AlertName.FEE_CAP_REACHED,
        f"attempt {line[-1].attempt_no} pays all that the cap of {cap:g} sat/vB allows; it is held until fees fall",
    )


def _low_funds(newest: Attempt | None, rate: float, network: Network, limits: Limits) -> Alert | None:
    if newest is None:
        return None
    value_sat = newest.transaction().outputs[0].value_sat
    left = anchors_left(value_sat, rate, network.coin_floor_sat)
    if left >= limits.low_funds_anchors:
        return None
    return Alert(
        AlertName.LOW_FUNDS,
        f"the thread coin of {value_sat} sat is good for about {left} anchors at {rate:.1f} sat/vB; send coins to the "
        f"wallet's address (they are used once {network.watch_depth} blocks deep)",
    )


def _spent(made: Iterable[Attempt], now_ms: int, rate: float, limits: Limits) -> Alert | None:
    spent = spent_sat(made, now_ms)
    if not limits.spending_cap_sat or spent + fee_sat(1, rate) <= limits.spending_cap_sat:
        return None
    return Alert(
        AlertName.SPENDING_CAP_REACHED,
        f"the anchors of the last 24 hours cost up to {spent} sat of the {limits.spending_cap_sat} sat allowed; the "
        "next one waits",
    )


def _stuck(facts: Facts, line: Sequence[Attempt]) -> Alert | None:
    if not line:
        return None
    since_ms = min(attempt.made_at_ms for attempt in facts.attempts if attempt.spends == line[0].spends)
    waited_ms = facts.now_ms - since_ms
    if waited_ms < max(STUCK_INTERVALS * facts.anchor_every_ms, LEAST_STUCK_MS):
        return None
    return Alert(
        AlertName.STUCK,
        f"attempt {line[-1].attempt_no} and its earlier versions have waited for a block for {waited_ms // 60_000} "
        "minutes; compare its fee with what others pay, and the source with another one",
    )


def _lapsing(facts: Facts) -> Alert | None:
    if facts.promised is None or not would_lapse(facts):
        return None
    left_ms = facts.promised.anchor_by_ms - facts.now_ms
    when = f"in {left_ms // 60_000} minutes" if left_ms > 0 else f"{-left_ms // 60_000} minutes ago"
    return Alert(
        AlertName.PROMISE_WILL_LAPSE,
        f"an entry was promised to be anchored by a time that ends {when}, and no block holds an anchor of it yet",
    )


def _renewed(facts: Facts) -> Alert | None:
    """Return the alert for a request that took the place of one which somebody may have in his hands."""
    request = facts.request
    if request is None or request.renews is None or outlived_request(facts) is not None:
        return None
    return Alert(
        AlertName.SIGNATURE_RENEWED,
        f"fees have risen: request {request.request_no}, which pays {request.fee_sat} sat, took the place of request "
        f"{request.renews}: export and sign the newer one. A signature of the older one is taken as well if it comes "
        "first",
    )


def _unsigned(facts: Facts) -> Alert | None:
    """Return the alert for a request that has waited for the time in which the next anchor would have been due."""
    request = facts.request
    if request is None or outlived_request(facts) is not None:
        return None
    waited_ms = facts.now_ms - request.made_at_ms
    if waited_ms < facts.anchor_every_ms:
        return None
    return Alert(
        AlertName.SIGNATURE_WANTED,
        f"request {request.request_no} has waited for a signature for {waited_ms // 60_000} minutes, and no newer "
        "anchor is made before it comes: anchorline wallet psbt export (--renew: with what is newest now), sign, "
        "psbt import",
    )
