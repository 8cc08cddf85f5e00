"""The outbox as server-sent events (WHATWG HTML, section 9.2): who hears of which row, and what is sent of it.

Rows are those of the webhooks, and name no chain. A client that lost its connection says with ``Last-Event-ID`` which
row it saw last, and misses none. ``chains.web.api_events`` streams; ``chains.webhooks`` tells organisations by the same
rule.
"""

from dataclasses import replace
from typing import Any

from anchor.errors import WebhookError
from anchor.outbox import Message, News
from chains.webhook_body import body_of

PAGE = 100
LOOK_EVERY_S = 1.0
# Comments keep proxies from closing a silent connection; most wait for a minute.
SILENCE_S = 15.0
RETRY = b"retry: 3000\n\n"
KEEP_ALIVE = b": nothing new\n\n"
_MAX_ID_DIGITS = 18


def event_no_of(last_event_id: str, newest_no: int) -> int:
    """Return after which row a listener goes on; without a header, from now on. Raises WebhookError for no number."""
    if not last_event_id:
        return newest_no
    if not (last_event_id.isascii() and last_event_id.isdecimal()) or len(last_event_id) > _MAX_ID_DIGITS:
        raise WebhookError(f"Last-Event-ID: expected the number of an event, got {last_event_id[:40]!r}")
    return int(last_event_id)


def place(event_no: int) -> bytes:
    """Return what tells a listener behind which row his stream begins, so that one who heard no event misses none."""
    return b"id: %d\n\n" % event_no


def told(message: Message, *, is_operator: bool) -> Message | None:
    """Return what somebody is told of a row, or None: only the operator is told what failed, and of his attempts.

    The rest is in the public directory or on Bitcoin.
    """
    if is_operator:
        return message
    if message.news is News.FAILED:
        return None
    return replace(message, facts={name: value for name, value in message.facts.items() if name != "attempt"})


def frame(message: Message, log_id: bytes, more: dict[str, Any] | None = None) -> bytes:
    """Return one event: its data is a single line of JSON, as a webhook gets it, with ``more`` facts."""
    shown = replace(message, facts=message.facts | (more or {}))
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (message.event_no, message.news.encode(), body_of(shown, log_id))
