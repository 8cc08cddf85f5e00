"""The JSON of a message about a checkpoint or an anchor, as webhooks and listeners get it (docs/spec/webhooks.md)."""

import json
from datetime import UTC, datetime

from anchor.outbox import Message

TEST_EVENT = 0
"""The event number of a message that only tests a webhook."""


def body_of(message: Message, log_id: bytes) -> bytes:
    """Return the JSON of a message: the same bytes at every try."""
    at = datetime.fromtimestamp(message.at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {"log_id": log_id.hex(), "event": message.event_no, **message.facts}
    kind = "test" if message.event_no == TEST_EVENT else f"checkpoint.{message.news}"
    return json.dumps({"type": kind, "timestamp": at, "data": data}).encode()
