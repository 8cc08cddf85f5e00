"""What one request may carry, and how long it may take; all of it is held to while the request is read.

The operations name their limits from here; docs/spec/http-api.md lists them, and GET /v1/log tells those of a service.
"""

from chains.client.envelope import MAX_KEYS_SIZE, largest_box
from chains.settings import MIB

BATCH_BYTES = 8 * MIB
"""A batch after decompression: about 16,000 small entries, and what one client may make us hold."""
BATCH_ENTRIES = 4_096
AT_ONCE_BYTES = 256 * 1024
"""A batch up to here is read in the event loop: that takes a millisecond, and handing it to a thread a third of one."""
SMALL_BYTES = 64 * 1024
"""Bodies that hold no content."""
MOST_EXPANSION = 200
"""How many times larger a compressed body may become; JSON of equal lines becomes some 50 times smaller."""
BODY_TIMEOUT_S = 30.0
PAGE_ITEMS = 100
MOST_PAGE_ITEMS = 1_000
MOST_SCANNED = 2_000
"""Rows that one page of a search looks at: what others may not see is passed over, and costs too."""
MOST_PASSED_OVER = 100_000
"""Hits that a search passes over uncounted because they are not for who asks; behind so many they count as looked at,
or a crowded external id would hold a reading thread for as long as somebody asks for it."""
KEY_BYTES = 255


def base64_bytes(size: int) -> int:
    """Return how long so many bytes are in base64."""
    return -(-size // 3) * 4


def submission_bytes(content_bytes: int) -> int:
    """Return how long an entry that a client made may be with what is kept beside it; encrypted content is larger."""
    return base64_bytes(largest_box(content_bytes) + MAX_KEYS_SIZE) + SMALL_BYTES
