"""The outbox as server-sent events (WHATWG HTML, section 9.2): what a web layer streams to whoever listens.

Rows are those of the webhooks, and name no chain. A client that lost its connection says with ``Last-Event-ID`` which
row it saw last, and misses none.
"""

from collections.abc import Callable, Iterator

from anchor.errors import WebhookError
from anchor.outbox import Message, Outbox
from chains.webhooks import body_of

PAGE = 100
LOOK_EVERY_S = 1.0
# Comments keep proxies from closing a silent connection; most wait for a minute.
SILENCE_S = 15.0
RETRY_MS = 3000
KEEP_ALIVE = b": nothing new\n\n"
_MAX_ID_DIGITS = 18


def event_no_of(last_event_id: str, newest_no: int) -> int:
    """Return after which row a listener goes on; without a header, from now on. Raises WebhookError for no number."""
    if not last_event_id:
        return newest_no
    if not (last_event_id.isascii() and last_event_id.isdecimal()) or len(last_event_id) > _MAX_ID_DIGITS:
        raise WebhookError(f"Last-Event-ID: expected the number of an event, got {last_event_id[:40]!r}")
    return int(last_event_id)


def frame(message: Message, log_id: bytes) -> bytes:
    """Return one event: its data is a single line of JSON, as a webhook gets it."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (message.event_no, message.news.encode(), body_of(message, log_id))


def frames(
    outbox: Outbox, log_id: bytes, last_event_id: str, wait: Callable[[float], bool], look_every_s: float = LOOK_EVERY_S
) -> Iterator[bytes]:
    """Yield what a listener gets, for as long as ``wait`` (seconds) says True: nothing is over before.

    Each piece is to be sent before the next is asked for, so a slow listener makes nothing pile up. ``wait`` is called
    between looks; a thread that streams many hands in one that also notices the end of the connection.
    """
    event_no = event_no_of(last_event_id, outbox.newest_no())
    yield b"retry: %d\n\n" % RETRY_MS
    silent_s = 0.0
    while True:
        rows = outbox.after(event_no, PAGE)
        for message in rows:
            yield frame(message, log_id)
            event_no, silent_s = message.event_no, 0.0
        if len(rows) == PAGE:
            continue
        if not wait(look_every_s):
            return
        silent_s += look_every_s
        if silent_s >= SILENCE_S:
            yield KEEP_ALIVE
            silent_s = 0.0
